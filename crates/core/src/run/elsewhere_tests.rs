//! Servers that lead some requests, or all, to another server: what becomes of a helper that has not agreed to that one.

use std::collections::BTreeMap;

use super::*;
use crate::{
    Core, DownloadId, DownloadSpec, HelpAnswer, HelpDecline, Identity, Input, LeaseEnd, Now,
};

const LENGTH: u64 = 1 << 40;
const LINK: &str = "https://origin.example/file.bin";

struct World {
    core: Core,
    id: DownloadId,
    at: Duration,
    leases: BTreeMap<LeaseId, (Option<PeerId>, ByteRange)>,
    /// What others were told to do, and who was asked for what, in order.
    done: Vec<String>,
}

fn root(host: &str) -> Url {
    format!("https://{host}.example/").parse().unwrap()
}

fn helper() -> PeerId {
    PeerId::from_digest([1; 32])
}

impl World {
    /// A download that one helper helps with, as a relay.
    fn helped() -> Self {
        let mut core = Core::new(Vec::new(), 1, 1, "boot".into(), 1);
        let spec = DownloadSpec {
            url: LINK.parse().unwrap(),
            dir: "/files".into(),
            out: None,
            sha256: None,
            headers: Vec::new(),
            max_connections: 1,
        };
        let id = core.add(spec, Now { monotonic: Duration::ZERO, unix_ms: 0 });
        let (leases, done) = (BTreeMap::new(), Vec::new());
        let mut world = Self { core, id, at: Duration::ZERO, leases, done };
        world.settle();
        let lease = *world.leases.keys().next().unwrap();
        let identity = Identity { length: Some(LENGTH), ..Identity::default() };
        let accepted = Accepted { start: 0, end: Some(LENGTH), identity, ranges: true };
        let origins = vec![root("origin")];
        world.handle(Input::Answered { lease, accepted, suggested_name: None, origins });
        let wanted = vec![(helper(), "mo".to_owned(), HelpMode::Relay)];
        world.core.ask_help(id, wanted, world.now()).unwrap();
        world.pass(1);
        world.answer(HelpAnswer::Accept { budget_bytes: LENGTH });
        world.pass(1);
        assert_eq!(world.told(), ["ask origin.example", "fetch"]);
        world
    }

    fn now(&self) -> Now {
        Now { monotonic: self.at, unix_ms: 0 }
    }

    fn handle(&mut self, input: Input) {
        self.core.handle(input, self.now());
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::CreatePart { download, name, .. } => {
                    let part_name = format!("{name}.part");
                    self.handle(Input::PartCreated { download, name, part_name });
                }
                Effect::Persist { download, tell: Some(run), .. } => {
                    self.handle(Input::Persisted { download, run });
                }
                Effect::Fetch { lease, helper, range, .. } => {
                    self.leases.insert(lease, (helper, range));
                    self.done.extend(helper.map(|_| "fetch".to_owned()));
                }
                Effect::Cut { lease, to } => {
                    let (_, range) = self.leases.get_mut(&lease).unwrap();
                    *range = range.split_at(to).0;
                    let actual_end = range.end();
                    self.handle(Input::LeaseCut { lease, actual_end });
                }
                Effect::Stop { lease } => {
                    self.done.push("stop".to_owned());
                    self.end(lease, LeaseEnd::Stopped);
                }
                Effect::AskHelp { what, .. } => {
                    let hosts = what.origins.iter().filter_map(Url::host_str);
                    self.done.push(format!("ask {}", hosts.collect::<Vec<_>>().join(" ")));
                }
                Effect::WithdrawHelp { .. } => self.done.push("withdraw".to_owned()),
                Effect::EndHelp { reason, .. } => self.done.push(format!("end {reason:?}")),
                _ => {}
            }
        }
    }

    fn end(&mut self, lease: LeaseId, end: LeaseEnd) {
        // Stopped already, with another one.
        let Some((_, range)) = self.leases.remove(&lease) else { return };
        let up_to = range.start();
        self.handle(Input::LeaseEnded { lease, up_to, dropped_bytes: 0, end });
    }

    fn answer(&mut self, answer: HelpAnswer) {
        self.handle(Input::HelpAnswered { download: self.id, peer: helper(), answer });
    }

    /// Seconds pass, in which the origin's own connection brings something.
    fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds * 4 {
            self.at += Duration::from_millis(250);
            self.bring_of(false);
            self.handle(Input::Tick);
        }
    }

    /// What was done since this was asked last; several of the same at a time as one.
    fn told(&mut self) -> Vec<String> {
        let mut done = std::mem::take(&mut self.done);
        done.dedup();
        done
    }

    fn at_work(&self) -> Vec<LeaseId> {
        self.leases_of(true)
    }

    fn leases_of(&self, helper: bool) -> Vec<LeaseId> {
        let mine = self.leases.iter().filter(|(_, (peer, _))| peer.is_some() == helper);
        mine.map(|(lease, _)| *lease).collect()
    }

    /// All that the helper is at is led to this server.
    fn lead_to(&mut self, host: &str) {
        for lease in self.at_work() {
            self.end(lease, LeaseEnd::Elsewhere { to: Some(root(host)) });
        }
    }

    /// All that the helper is at goes on a little.
    fn bring(&mut self) {
        self.bring_of(true);
    }

    fn bring_of(&mut self, helper: bool) {
        for lease in self.leases_of(helper) {
            let (_, range) = self.leases.get_mut(&lease).unwrap();
            *range = range.split_at(range.start() + 1000).1;
            let up_to = range.start();
            self.handle(Input::Progress { lease, up_to });
        }
    }

    fn state(&self) -> AskState {
        self.core.help(self.id)[0].2
    }
}

#[test]
fn a_helper_that_is_asked_again_goes_on_and_then_over_its_new_session() {
    let mut world = World::helped();
    world.lead_to("mirror");
    assert_eq!(world.told(), ["ask origin.example mirror.example"]);
    world.pass(1);
    assert_eq!(world.told(), ["fetch"], "as it has agreed, after a moment");
    assert!(matches!(world.state(), AskState::Accepted { .. }));
    world.bring();
    world.answer(HelpAnswer::Accept { budget_bytes: LENGTH });
    assert_eq!(world.told(), ["stop", "end Replaced", "fetch"]);
    world.bring();
    world.lead_to("third");
    let third = "ask origin.example mirror.example third.example";
    assert_eq!(world.told(), [third]);
}

#[test]
fn a_session_that_ends_while_more_is_asked_for_does_not_take_the_new_one_with_it() {
    // Whichever comes first, the end or the yes: only the old session is ended, once.
    for ended_first in [true, false] {
        let mut world = World::helped();
        world.lead_to("mirror");
        world.pass(1);
        world.bring();
        world.told();
        if ended_first {
            let (download, peer) = (world.id, helper());
            world.handle(Input::HelpEnded { download, peer, reason: HelpEnd::Budget });
            assert!(world.told().contains(&"end Budget".to_owned()));
            assert_eq!(world.state(), AskState::Asked);
        }
        world.answer(HelpAnswer::Accept { budget_bytes: LENGTH });
        world.pass(1);
        let told = world.told();
        let ends: Vec<_> = told.iter().filter(|what| what.starts_with("end")).collect();
        let expected: &[&str] = if ended_first { &[] } else { &["end Replaced"] };
        assert_eq!(ends, expected);
        assert!(told.contains(&"fetch".to_owned()), "{told:?}");
        assert!(matches!(world.state(), AskState::Accepted { .. }));
    }
}

#[test]
fn one_that_declines_helps_as_it_has_agreed_and_is_asked_no_more() {
    let mut world = World::helped();
    world.lead_to("mirror");
    world.answer(HelpAnswer::Decline(HelpDecline::Host));
    world.told();
    for round in 0..20 {
        world.pass(1);
        assert_eq!(world.told(), ["fetch"], "{round}");
        world.bring();
        world.lead_to(if round % 2 == 0 { "mirror" } else { "third" });
    }
    assert!(matches!(world.state(), AskState::Accepted { .. }));
}

#[test]
fn what_a_helper_brings_is_counted_until_it_is_let_go() {
    let mut world = World::helped();
    for _ in 0..20 {
        world.bring();
        world.pass(1);
    }
    let brings = world.core.brings(world.at);
    assert_eq!(brings.keys().copied().collect::<Vec<_>>(), [helper()]);
    assert_eq!(brings[&helper()].downloads, 1);
    assert!(brings[&helper()].bytes_per_s > 0, "{brings:?}");
    world.handle(Input::HelpEnded { download: world.id, peer: helper(), reason: HelpEnd::Stopped });
    assert_eq!(world.core.brings(world.at), BTreeMap::new());
}

#[test]
fn one_whose_every_request_leads_elsewhere_is_let_go_after_a_few() {
    let mut world = World::helped();
    world.lead_to("mirror");
    world.answer(HelpAnswer::Expire);
    let (mut fetched, from) = (1, world.at);
    while matches!(world.state(), AskState::Accepted { .. }) {
        world.pass(1);
        fetched += u32::from(!world.at_work().is_empty());
        world.lead_to("mirror");
        assert!(world.at - from < Duration::from_secs(60), "{fetched}");
    }
    assert_eq!(world.state(), AskState::Ended { reason: HelpEnd::Elsewhere });
    assert_eq!(fetched, ELSEWHERE_TRIES);
    assert!(world.told().contains(&"end Elsewhere".to_owned()));
    world.pass(60);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn while_nobody_answers_it_tries_less_and_less() {
    let mut world = World::helped();
    world.lead_to("mirror");
    let mut fetched = 0;
    for _ in 0..60 {
        world.pass(1);
        fetched += u32::from(!world.at_work().is_empty());
        world.lead_to("mirror");
    }
    assert!((ELSEWHERE_TRIES..=10).contains(&fetched), "{fetched}");
    assert!(matches!(world.state(), AskState::Accepted { .. }), "the request is still open");
    world.told();
    world.answer(HelpAnswer::Accept { budget_bytes: LENGTH });
    assert_eq!(world.told(), ["end Replaced", "fetch"], "and then at once");
}

#[test]
fn a_server_that_leads_ever_elsewhere_makes_few_prompts() {
    let mut world = World::helped();
    let mut asked = 0;
    for n in 0..20 {
        world.lead_to(&format!("mirror{n}"));
        let asks = world.told().iter().filter(|done| done.starts_with("ask")).count();
        asked += asks;
        if asks > 0 {
            world.answer(HelpAnswer::Accept { budget_bytes: LENGTH });
        }
        world.pass(2);
        world.bring();
    }
    assert_eq!(asked, 3);
    assert!(matches!(world.state(), AskState::Accepted { .. }));
}

#[test]
fn a_relay_is_not_asked_for_what_it_cannot_carry_to() {
    let mut world = World::helped();
    for lease in world.at_work() {
        let to = Some("http://plain.example/".parse().unwrap());
        world.end(lease, LeaseEnd::Elsewhere { to });
    }
    world.pass(1);
    assert_eq!(world.told(), ["fetch"]);
}
