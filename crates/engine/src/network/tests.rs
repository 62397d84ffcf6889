//! Two instances on this machine, and a server: one lends, the others download.

mod carried;
mod elsewhere;
mod groups;
mod helping;

use std::path::PathBuf;
use std::time::Duration;

use manyhands_core::{FailureCode, PeerId, What};
use manyhands_faultserver::{Behaviour, FaultServer, content};
use manyhands_store::{Friend, Op, ProfileLock, Store};

use crate::view::{
    Decision, DownloadRow, HelpReason, HelpRow, HelpState, LendingChange, Query, RowState,
    RuleTerms, Together,
};
use crate::{AcceptRule, Ask, AskFor, Config, DownloadId, Engine, NetworkConfig, NewDownload};

const MIB: u64 = 1 << 20;
const BYTES: u64 = 24 * MIB;
const SEED: u64 = 11;
/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// Slow enough that nothing is over before the test has done its part.
fn slow() -> Behaviour {
    let rate_per_connection = Some(MIB / 2);
    Behaviour { bytes: BYTES, seed: SEED, rate_per_connection, ..Behaviour::default() }
}

fn fast() -> Behaviour {
    Behaviour { rate_per_connection: None, ..slow() }
}

fn lends(accept: AcceptRule) -> LendingChange {
    LendingChange { on: Some(true), accept: Some(accept), ..LendingChange::default() }
}

fn config(data_dir: PathBuf, lending: LendingChange) -> Config {
    let network = NetworkConfig {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        no_mdns: true,
        lending,
        loopback_origins: true,
        ..NetworkConfig::default()
    };
    Config { data_dir, network: Some(network), or_alone: false }
}

/// One that lends, and whoever downloads.
struct World {
    server: FaultServer,
    root: tempfile::TempDir,
    helper: Engine,
}

struct Requester<'a> {
    world: &'a World,
    engine: Engine,
    dir: PathBuf,
}

impl World {
    async fn new(accept: AcceptRule) -> Self {
        let root = tempfile::tempdir().unwrap();
        let helper = Engine::open(config(root.path().join("helper"), lends(accept))).await.unwrap();
        Self { server: FaultServer::start(slow()), root, helper }
    }

    /// One that knows the helper as a friend, and where it is.
    async fn requester(&self, name: &str) -> Requester<'_> {
        let dir = self.root.path().join(name);
        let helper = self.helper.device().unwrap();
        let friend = Friend {
            id: helper.id,
            name: "helper".to_owned(),
            added_unix_ms: 1,
            last_addresses: helper.listens.clone(),
            rule: None,
            paired: false,
        };
        tokio::task::spawn_blocking({
            let dir = dir.clone();
            move || {
                std::fs::create_dir(&dir).unwrap();
                let _lock = ProfileLock::acquire(&dir, Duration::ZERO).unwrap();
                let store = Store::open(&dir).unwrap().0;
                store.apply(&[Op::PutFriend(friend)]).unwrap();
            }
        })
        .await
        .unwrap();
        let off = LendingChange { on: Some(false), ..LendingChange::default() };
        let engine = Engine::open(config(dir.clone(), off)).await.unwrap();
        Requester { world: self, engine, dir }
    }

    async fn together(&self) -> Together {
        self.helper.view(Query { peers: 100, ..Query::default() }).await.unwrap().together.unwrap()
    }

    /// Waits until the helper is as wanted.
    async fn until(&self, what: &str, wanted: impl Fn(&Together) -> bool) -> Together {
        let mut changes = self.helper.changes();
        let waiting = async {
            loop {
                let together = self.together().await;
                if wanted(&together) {
                    return together;
                }
                changes.changed().await.unwrap();
            }
        };
        let Ok(together) = tokio::time::timeout(LONG, waiting).await else {
            panic!("not {what}: {:#?}", self.together().await)
        };
        together
    }
}

impl Requester<'_> {
    fn id(&self) -> PeerId {
        self.engine.device().unwrap().id
    }

    /// Begins to download and asks its friends, now and whenever they appear.
    async fn get(&self, name: &str) -> DownloadId {
        let new = NewDownload {
            url: self.world.server.url("/file.bin"),
            dir: Some(self.dir.join("files")),
            out: Some(name.to_owned()),
            connections: Some(1),
            ask: Some(AskFor { who: Ask::Friends, wait_s: 3600, mode: None, unverified: None }),
            ..NewDownload::default()
        };
        self.engine.add(&new).await.unwrap()
    }

    async fn until(&self, id: DownloadId, wanted: impl Fn(&DownloadRow) -> bool) -> DownloadRow {
        let mut changes = self.engine.changes();
        let waiting = async {
            loop {
                let row = self.engine.row(id).await.unwrap().unwrap();
                if wanted(&row) {
                    return row;
                }
                changes.changed().await.unwrap();
            }
        };
        let Ok(row) = tokio::time::timeout(LONG, waiting).await else {
            panic!("still {:#?}", self.engine.row(id).await)
        };
        row
    }

    /// What the helper said last, once that is the end of it.
    async fn refused(&self, id: DownloadId) -> HelpRow {
        let over = |help: &HelpRow| !matches!(help.state, HelpState::Asked | HelpState::Accepted);
        self.until(id, |row| row.help.iter().any(over)).await.help.remove(0)
    }

    /// It goes on alone, now at full speed, and the file is the server's.
    async fn completes(&self, id: DownloadId) {
        self.world.server.set(fast());
        self.engine.pause(id).await.unwrap();
        self.until(id, |row| row.state == RowState::Paused).await;
        self.engine.resume(id).await.unwrap();
        let over = |row: &DownloadRow| matches!(row.state, RowState::Completed | RowState::Failed);
        let row = self.until(id, over).await;
        assert_eq!(row.state, RowState::Completed, "{row:?}");
        assert!(std::fs::read(row.path.unwrap()).unwrap() == content(SEED, 0..BYTES));
    }
}

#[tokio::test]
async fn where_the_port_is_taken_it_works_alone_and_says_so_in_parts() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let root = tempfile::tempdir().unwrap();
    let mut config = config(root.path().join("alone"), LendingChange::default());
    config.network.as_mut().unwrap().listen = Some(address);
    let alone = Config { or_alone: true, ..config };
    let engine = Engine::open(alone).await.unwrap();

    let why = engine.welcome().network_failure.expect("the port is taken");
    assert_eq!(why.what.as_deref(), Some("port-taken"));
    assert_eq!(why.parts.get("address"), Some(&address.to_string()));
    assert!(why.message.contains(&address.to_string()), "{}", why.message);
    let nobody = engine.pair("192.0.2.7").await.unwrap_err();
    assert_eq!(nobody.what, Some(What::NoNetwork));
    engine.shutdown().await;
}

/// 192.0.2.0/24 is for documents: no device has an address of it.
#[tokio::test]
async fn why_there_is_no_port_is_told_without_the_system_s_number() {
    let root = tempfile::tempdir().unwrap();
    let mut config = config(root.path().join("alone"), LendingChange::default());
    config.network.as_mut().unwrap().listen = Some("192.0.2.7:4000".parse().unwrap());
    let engine = Engine::open(Config { or_alone: true, ..config }).await.unwrap();
    let why = engine.welcome().network_failure.expect("the address is not ours");
    assert_eq!(why.what.as_deref(), Some("no-port"));
    for text in [&why.parts["detail"], &why.message] {
        assert!(text.ends_with("requested address"), "{text}");
    }
    engine.shutdown().await;
}

#[tokio::test]
async fn the_budget_of_the_day_cuts_a_running_session_and_counts_after_a_restart() {
    let mut world = World::new(AcceptRule::All).await;
    let budget = LendingChange { daily_bytes: Some(MIB), ..LendingChange::default() };
    let lin = world.requester("lin").await;
    let id = lin.get("a.bin").await;
    let row = lin.until(id, |row| row.help.iter().any(|h| h.state == HelpState::Accepted)).await;
    assert!(row.bytes < BYTES);
    world.until("one MiB lent", |together| together.lent_today_bytes > MIB).await;
    world.helper.set_lending(budget).await.unwrap();
    let together = world.together().await;
    assert!(together.helping.is_empty(), "it is over when the order is carried out");
    let help = lin.refused(id).await;
    assert_eq!((help.state, help.reason), (HelpState::Ended, Some(HelpReason::Budget)));
    // The next one is not even asked about, of whomever.
    let mo = world.requester("mo").await;
    let refused = mo.refused(mo.get("b.bin").await).await;
    assert_eq!(refused.reason, Some(HelpReason::NotLending));
    lin.completes(id).await;
    let lent = world.together().await.lent_today_bytes;
    assert!(lent > MIB && lent < BYTES, "{lent}");
    drop((lin, mo));

    world.helper.shutdown().await;
    let again = config(world.root.path().join("helper"), lends(AcceptRule::All));
    world.helper = Engine::open(again).await.unwrap();
    let together = world.together().await;
    assert!(together.lent_today_bytes >= lent, "{} of {lent}", together.lent_today_bytes);
    assert_eq!(together.lending.daily_bytes, MIB);
    let eve = world.requester("eve").await;
    world.server.set(slow());
    let refused = eve.refused(eve.get("c.bin").await).await;
    assert_eq!(refused.reason, Some(HelpReason::NotLending));
}

#[tokio::test]
async fn a_session_is_given_what_is_left_of_the_day_and_ends_there() {
    let world = World::new(AcceptRule::All).await;
    let budget = LendingChange { daily_bytes: Some(MIB), ..LendingChange::default() };
    world.helper.set_lending(budget).await.unwrap();
    let lin = world.requester("lin").await;
    let id = lin.get("a.bin").await;
    let help = lin.refused(id).await;
    assert_eq!((help.state, help.reason), (HelpState::Ended, Some(HelpReason::Budget)));
    let together = world.until("all lent", |together| together.lent_today_bytes > 0).await;
    assert_eq!(together.lent_today_bytes, MIB, "to the byte");
    lin.completes(id).await;
}

#[tokio::test]
async fn outside_of_the_hours_running_sessions_end_and_others_are_declined() {
    let world = World::new(AcceptRule::All).await;
    let lin = world.requester("lin").await;
    let id = lin.get("a.bin").await;
    world.until("helping", |together| !together.helping.is_empty()).await;
    // An hour that is not now, whatever the clock says, and not in a moment either.
    let hour = (super::super::shell::Clock::local().minute / 60 + 3) % 24;
    let hours = Some(crate::Hours::new(hour * 60, (hour + 1) % 24 * 60).unwrap());
    world.helper.set_lending(LendingChange { hours, ..LendingChange::default() }).await.unwrap();
    let help = lin.refused(id).await;
    assert_eq!((help.state, help.reason), (HelpState::Ended, Some(HelpReason::Stopped)));
    let mo = world.requester("mo").await;
    let refused = mo.refused(mo.get("b.bin").await).await;
    assert_eq!(refused.reason, Some(HelpReason::NotLending));
    let always = Some(crate::Hours::new(0, 0).unwrap());
    let always = LendingChange { hours: always, ..LendingChange::default() };
    world.helper.set_lending(always).await.unwrap();
    assert_eq!(world.together().await.lending.hours, None);
}

#[tokio::test]
async fn a_peer_with_a_rule_is_helped_without_a_prompt_at_the_rate_of_the_rule() {
    let world = World::new(AcceptRule::Ask).await;
    let (lin, mo) = (world.requester("lin").await, world.requester("mo").await);
    let rate = 64 << 10;
    let terms = RuleTerms { daily_bytes: 10 * MIB, bytes_per_s: rate, hours: None };
    world.helper.set_rule(lin.id(), terms).await.unwrap();
    let began = std::time::Instant::now();
    let id = lin.get("a.bin").await;
    lin.until(id, |row| row.help.iter().any(|help| help.state == HelpState::Accepted)).await;
    let together = world.together().await;
    assert!(together.requests.is_empty(), "nobody was asked");
    assert_eq!(together.helping[0].budget_bytes, 10 * MIB);
    assert_eq!(
        (together.rules[0].peer.clone(), together.rules[0].terms),
        (lin.id().to_string(), terms)
    );
    let together =
        world.until("something lent", |t| t.rules[0].lent_today_bytes >= 128 << 10).await;
    let (lent, most) =
        (together.lent_today_bytes as f64, rate as f64 * began.elapsed().as_secs_f64());
    // A burst may go at once.
    assert!(lent <= most + f64::from(256 << 10), "{lent} bytes, at most {most} at that rate");
    // Others are asked about.
    mo.get("b.bin").await;
    let asked = world.until("asked", |together| !together.requests.is_empty()).await.requests;
    assert_eq!(asked[0].peer, mo.id().to_string());
    // Taken back, the rule takes its sessions along.
    assert!(world.helper.remove_rule(lin.id()).await.unwrap());
    let together = world.together().await;
    assert!(together.helping.is_empty() && together.rules.is_empty());
    let help = lin.refused(id).await;
    assert_eq!(help.reason, Some(HelpReason::Stopped));
}

#[tokio::test]
async fn help_always_accepts_this_request_and_the_next() {
    let world = World::new(AcceptRule::Ask).await;
    let lin = world.requester("lin").await;
    let first = lin.get("a.bin").await;
    let asked = world.until("asked", |together| !together.requests.is_empty()).await.requests;
    assert!(!asked[0].friend);
    let terms = RuleTerms { daily_bytes: 50 * MIB, ..RuleTerms::default() };
    assert!(world.helper.decide(&asked[0].id, Decision::HelpAlways { terms }).await.unwrap());
    assert!(!world.helper.decide(&asked[0].id, Decision::HelpAlways { terms }).await.unwrap());
    lin.until(first, |row| row.help.iter().any(|help| help.state == HelpState::Accepted)).await;
    let second = lin.get("b.bin").await;
    lin.until(second, |row| row.help.iter().any(|help| help.state == HelpState::Accepted)).await;
    let together = world.together().await;
    assert!(together.requests.is_empty());
    assert_eq!((together.rules.len(), together.helping.len()), (1, 2));
    // No friend any more: what runs ends with the rule.
    assert!(world.helper.remove_friend(lin.id()).await.unwrap());
    let together = world.together().await;
    assert!(together.helping.is_empty() && together.rules.is_empty());
    assert_eq!(lin.refused(first).await.reason, Some(HelpReason::Stopped));
}

#[tokio::test]
async fn a_blocked_device_loses_everything_at_once_and_does_not_come_in_again() {
    let world = World::new(AcceptRule::All).await;
    let lin = world.requester("lin").await;
    let id = lin.get("a.bin").await;
    world.until("helping", |together| !together.helping.is_empty()).await;
    world.helper.block(lin.id()).await.unwrap();
    let together = world.together().await;
    assert!(together.helping.is_empty());
    assert_eq!(together.blocked[0].peer, lin.id().to_string());
    assert!(together.peers.iter().all(|row| row.peer != lin.id().to_string()));
    lin.refused(id).await;
    let failure = world.helper.set_rule(lin.id(), RuleTerms::default()).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Blocked);
    // Another download asks in vain: the handshake fails.
    let second = lin.get("b.bin").await;
    let help = lin.refused(second).await;
    assert_eq!(help.state, HelpState::Lost);
    assert!(world.together().await.requests.is_empty());
    lin.completes(id).await;
    assert!(world.helper.unblock(lin.id()).await.unwrap());
    assert!(!world.helper.unblock(lin.id()).await.unwrap());
    assert!(world.together().await.blocked.is_empty());
}

#[tokio::test]
async fn a_prompt_is_answered_with_block() {
    let world = World::new(AcceptRule::Ask).await;
    let lin = world.requester("lin").await;
    let id = lin.get("a.bin").await;
    let asked = world.until("asked", |together| !together.requests.is_empty()).await.requests;
    assert!(world.helper.decide(&asked[0].id, Decision::Block).await.unwrap());
    let together = world.together().await;
    assert!(together.requests.is_empty());
    assert_eq!(together.blocked.len(), 1);
    lin.refused(id).await;
}

#[tokio::test]
async fn a_helper_that_the_requester_blocks_or_removes_is_left_and_not_asked_again() {
    let world = World::new(AcceptRule::All).await;
    let (lin, mo) = (world.requester("lin").await, world.requester("mo").await);
    let helper = world.helper.device().unwrap().id;
    for (requester, block) in [(&lin, true), (&mo, false)] {
        let id = requester.get("a.bin").await;
        requester
            .until(id, |row| row.help.iter().any(|help| help.state == HelpState::Accepted))
            .await;
        if block {
            requester.engine.block(helper).await.unwrap();
        } else {
            assert!(requester.engine.remove_friend(helper).await.unwrap());
        }
        let row = requester.engine.row(id).await.unwrap().unwrap();
        assert_eq!(row.help[0].state, HelpState::Ended, "at once");
        // The helper has heard of it.
        world.until("done", |together| together.helping.is_empty()).await;
        let second = requester.get("b.bin").await;
        requester.completes(second).await;
        let row = requester.engine.row(second).await.unwrap().unwrap();
        assert_eq!(row.help, [], "nobody was asked");
        let peers = requester.engine.peers().await.unwrap();
        let shown = peers.iter().find(|row| row.peer == helper.to_string());
        assert_eq!(shown.is_some_and(|row| !row.friend), !block, "{peers:?}");
        world.server.set(slow());
    }
}

#[tokio::test]
async fn a_host_that_is_never_lent_for_is_declined_without_a_prompt() {
    let world = World::new(AcceptRule::Ask).await;
    let bad = vec!["127.0.0.1".to_owned(), "no host".to_owned()];
    let failure = world.helper.set_never_hosts(bad).await.unwrap_err();
    assert!(failure.message.contains("no host"), "{failure}");
    let default = world.together().await.never_hosts;
    assert!(default.contains(&"sciencedirect.com".to_owned()), "{default:?}");
    world.helper.set_never_hosts(vec!["127.0.0.1".to_owned()]).await.unwrap();
    let lin = world.requester("lin").await;
    let refused = lin.refused(lin.get("a.bin").await).await;
    assert_eq!((refused.state, refused.reason), (HelpState::Declined, Some(HelpReason::Host)));
    let together = world.together().await;
    assert!(together.requests.is_empty());
    assert_eq!(together.never_hosts, ["127.0.0.1"]);
}

#[tokio::test]
async fn the_switch_ends_five_sessions_and_what_waits_at_once() {
    let world = World::new(AcceptRule::All).await;
    let (lin, mo) = (world.requester("lin").await, world.requester("mo").await);
    let mut gets = Vec::new();
    for (requester, names) in [(&lin, &["a", "b", "c"][..]), (&mo, &["d", "e"])] {
        for name in names {
            gets.push((requester, requester.get(name).await));
        }
    }
    world.until("five sessions", |together| together.helping.len() == 5).await;
    let ask = LendingChange { accept: Some(AcceptRule::Ask), ..LendingChange::default() };
    world.helper.set_lending(ask).await.unwrap();
    let eve = world.requester("eve").await;
    gets.push((&eve, eve.get("f").await));
    world.until("asked", |together| together.requests.len() == 1).await;
    let off = LendingChange { on: Some(false), ..LendingChange::default() };
    world.helper.set_lending(off).await.unwrap();
    let together = world.together().await;
    assert!(together.helping.is_empty() && together.requests.is_empty());
    for (requester, id) in &gets {
        let help = requester.refused(*id).await;
        let expected =
            if requester.id() == eve.id() { HelpReason::NotLending } else { HelpReason::Stopped };
        assert_eq!(help.reason, Some(expected), "{help:?}");
    }
    let (requester, id) = gets[0];
    requester.completes(id).await;
}
