use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::PeerId;

pub(super) const MIB: u64 = 1 << 20;

pub(super) fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn peer(n: u8) -> PeerId {
    PeerId::from_digest([n; 32])
}

pub(super) fn ask(id: u128, from: u8, standing: Standing) -> HelpAsk {
    HelpAsk {
        id: HelpId(id),
        from: peer(from),
        address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, from)),
        standing,
        hosts: vec!["files.example.org".to_owned()],
        budget_bytes: 100 * MIB,
    }
}

pub(super) fn lending_desk() -> HelpDesk {
    let mut desk = HelpDesk::new(DeskBounds::default());
    desk.handle(DeskInput::LendingSwitched { on: true }, s(0));
    desk
}

/// A desk that accepts everything within its bounds.
pub(super) fn open_desk() -> HelpDesk {
    let mut desk = lending_desk();
    let terms = LendTerms { accept: AcceptRule::All, ..LendTerms::default() };
    desk.handle(DeskInput::TermsChanged(terms), s(0));
    desk
}

pub(super) fn sent(desk: &mut HelpDesk, id: u128, total_bytes: u64, now: Duration) {
    desk.handle(DeskInput::Sent { id: HelpId(id), total_bytes, quiet: Duration::ZERO }, now);
}

pub(super) fn accepted(id: u128, budget_bytes: u64) -> DeskEffect {
    DeskEffect::Answer { id: HelpId(id), answer: HelpAnswer::Accept { budget_bytes } }
}

pub(super) fn ended(id: u128, reason: HelpEnd) -> DeskEffect {
    DeskEffect::EndSession { id: HelpId(id), reason }
}

pub(super) fn effects(desk: &mut HelpDesk) -> Vec<DeskEffect> {
    std::iter::from_fn(|| desk.poll_effect()).collect()
}

/// What the desk does with one request.
pub(super) fn request(desk: &mut HelpDesk, ask: HelpAsk, now: Duration) -> Vec<DeskEffect> {
    desk.handle(DeskInput::Requested(ask), now);
    effects(desk)
}

pub(super) fn declined(id: u128, reason: HelpDecline) -> Vec<DeskEffect> {
    vec![DeskEffect::Answer { id: HelpId(id), answer: HelpAnswer::Decline(reason) }]
}

pub(super) fn prompted(id: u128) -> Vec<DeskEffect> {
    vec![DeskEffect::Prompt { id: HelpId(id) }]
}

#[test]
fn a_request_is_prompted_accepted_counted_and_ended() {
    let (mut desk, id) = (lending_desk(), HelpId(1));
    assert_eq!(request(&mut desk, ask(1, 1, Standing::Friend), s(0)), prompted(1));
    desk.handle(DeskInput::UserAccepted { id, budget_bytes: Some(10 * MIB) }, s(5));
    let answer = HelpAnswer::Accept { budget_bytes: 10 * MIB };
    let accepted = [DeskEffect::ClosePrompt { id }, DeskEffect::Answer { id, answer }];
    assert_eq!(effects(&mut desk), accepted);
    sent(&mut desk, 1, 4 * MIB, s(6));
    assert_eq!(desk.sessions().map(|(_, s)| s.sent_bytes).collect::<Vec<_>>(), [4 * MIB]);
    assert_eq!(effects(&mut desk), []);
    sent(&mut desk, 1, 10 * MIB, s(7));
    assert_eq!(effects(&mut desk), [DeskEffect::EndSession { id, reason: HelpEnd::Budget }]);
    assert_eq!(desk.sessions().count(), 0);
}

#[test]
fn a_user_cannot_be_made_to_give_more_than_was_asked_for() {
    let (mut desk, id) = (lending_desk(), HelpId(1));
    request(&mut desk, ask(1, 1, Standing::Friend), s(0));
    desk.handle(DeskInput::UserAccepted { id, budget_bytes: Some(u64::MAX) }, s(5));
    let answer = HelpAnswer::Accept { budget_bytes: 100 * MIB };
    assert_eq!(effects(&mut desk).last(), Some(&DeskEffect::Answer { id, answer }));
}

#[test]
fn a_prompt_expires_and_a_late_or_second_yes_has_no_effect() {
    let (mut desk, id) = (lending_desk(), HelpId(1));
    request(&mut desk, ask(1, 1, Standing::Stranger), s(0));
    assert_eq!(desk.poll_timeout(), Some(s(60)));
    desk.handle(DeskInput::Tick, s(59));
    assert_eq!(effects(&mut desk), []);
    desk.handle(DeskInput::UserAccepted { id, budget_bytes: None }, s(60));
    let expired = DeskEffect::Answer { id, answer: HelpAnswer::Expire };
    assert_eq!(effects(&mut desk), [DeskEffect::ClosePrompt { id }, expired]);
    assert_eq!((desk.sessions().count(), desk.poll_timeout()), (0, None));

    request(&mut desk, ask(2, 2, Standing::Friend), s(100));
    for _ in 0..2 {
        desk.handle(DeskInput::UserAccepted { id: HelpId(2), budget_bytes: None }, s(101));
    }
    assert_eq!((effects(&mut desk).len(), desk.sessions().count()), (2, 1));
}

#[test]
fn nothing_is_lent_before_the_switch_is_on_and_all_ends_when_it_goes_off() {
    let mut desk = HelpDesk::new(DeskBounds::default());
    let refused = request(&mut desk, ask(1, 1, Standing::Friend), s(0));
    assert_eq!(refused, declined(1, HelpDecline::NotLending));
    desk.handle(DeskInput::RuleSet { peer: peer(1), rule: LendRule::default() }, s(0));
    let refused = request(&mut desk, ask(2, 1, Standing::Friend), s(0));
    assert_eq!(refused, declined(2, HelpDecline::NotLending));

    desk.handle(DeskInput::LendingSwitched { on: true }, s(1));
    let begun = request(&mut desk, ask(2, 1, Standing::Friend), s(1));
    assert_eq!(begun, [accepted(2, 100 * MIB)]);
    request(&mut desk, ask(3, 2, Standing::Friend), s(1));
    desk.handle(DeskInput::LendingSwitched { on: false }, s(2));
    let not_lending = HelpAnswer::Decline(HelpDecline::NotLending);
    let all = [
        DeskEffect::ClosePrompt { id: HelpId(3) },
        DeskEffect::Answer { id: HelpId(3), answer: not_lending },
        DeskEffect::EndSession { id: HelpId(2), reason: HelpEnd::Stopped },
    ];
    assert_eq!(effects(&mut desk), all);
}

#[test]
fn a_stranger_that_asks_a_hundred_times_is_seen_three_times_in_ten_minutes() {
    let mut desk = lending_desk();
    let mut seen = 0;
    for n in 0..100 {
        // Each request is taken back at once, so that no open prompt stands in the way of the next.
        let now = Duration::from_millis(5900 * n);
        let shown = request(&mut desk, ask(n.into(), 1, Standing::Stranger), now);
        seen += usize::from(shown == prompted(n.into()));
        desk.handle(DeskInput::EndedByRequester { id: HelpId(n.into()) }, now);
        effects(&mut desk);
    }
    assert_eq!(seen, 3);
    assert_eq!(request(&mut desk, ask(200, 1, Standing::Stranger), s(601)), prompted(200));
}

#[test]
fn a_hundred_devices_behind_one_address_share_one_bound() {
    let mut desk = lending_desk();
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 99));
    let seen = (0..100_u8).filter(|n| {
        let ask = HelpAsk { address, ..ask(u128::from(*n), *n, Standing::Stranger) };
        request(&mut desk, ask, s(0)) == prompted(u128::from(*n))
    });
    assert_eq!(seen.count(), 3);
    // From a friend behind the same address it is shown all the same.
    let friend = HelpAsk { address, ..ask(1000, 200, Standing::Friend) };
    assert_eq!(request(&mut desk, friend, s(0)), prompted(1000));
}

#[test]
fn a_stranger_refused_twice_is_quiet_for_an_hour() {
    let mut desk = lending_desk();
    for (n, at) in [(1, 0), (2, 10)] {
        assert_eq!(request(&mut desk, ask(n, 1, Standing::Stranger), s(at)), prompted(n));
        desk.handle(DeskInput::UserDeclined { id: HelpId(n) }, s(at + 1));
        effects(&mut desk);
    }
    let refused = request(&mut desk, ask(3, 1, Standing::Stranger), s(3000));
    assert_eq!(refused, declined(3, HelpDecline::No));
    assert_eq!(request(&mut desk, ask(4, 1, Standing::Stranger), s(3612)), prompted(4));
}

#[test]
fn requests_that_a_rule_accepts_use_up_no_prompts() {
    let mut desk = open_desk();
    for n in 0..50 {
        let begun = request(&mut desk, ask(n, 1, Standing::Stranger), s(0));
        assert_eq!(begun, [accepted(n, 100 * MIB)]);
        desk.handle(DeskInput::EndedByRequester { id: HelpId(n) }, s(0));
    }
    desk.handle(DeskInput::TermsChanged(LendTerms::default()), s(0));
    assert_eq!(request(&mut desk, ask(100, 1, Standing::Stranger), s(0)), prompted(100));
}

#[test]
fn sessions_are_bounded_per_device_and_in_all_and_friends_have_their_own_share() {
    let (mut desk, bounds) = (open_desk(), DeskBounds::default());
    for n in 0..5 {
        request(&mut desk, ask(n, 1, Standing::Stranger), s(0));
    }
    assert_eq!(desk.sessions().count(), bounds.sessions_per_device);
    for n in 10..60 {
        request(&mut desk, ask(n.into(), n, Standing::Stranger), s(0));
    }
    assert_eq!(desk.sessions().count(), bounds.strangers_sessions);
    for n in 60..120 {
        request(&mut desk, ask(n.into(), n, Standing::Friend), s(0));
    }
    assert_eq!(desk.sessions().count(), bounds.sessions);
    let late = request(&mut desk, ask(200, 200, Standing::Friend), s(0));
    assert_eq!(late, declined(200, HelpDecline::TooMany));
}

#[test]
fn a_blocked_device_gets_a_plain_no_and_loses_what_it_had() {
    let mut desk = open_desk();
    request(&mut desk, ask(1, 1, Standing::Friend), s(0));
    desk.handle(DeskInput::TermsChanged(LendTerms::default()), s(0));
    request(&mut desk, ask(2, 1, Standing::Friend), s(0));
    desk.handle(DeskInput::PeerBlocked { peer: peer(1) }, s(1));
    let answer = HelpAnswer::Decline(HelpDecline::No);
    let gone = [
        DeskEffect::ClosePrompt { id: HelpId(2) },
        DeskEffect::Answer { id: HelpId(2), answer },
        ended(1, HelpEnd::Stopped),
    ];
    assert_eq!(effects(&mut desk), gone);
    let refused = request(&mut desk, ask(3, 1, Standing::Blocked), s(2));
    assert_eq!(refused, declined(3, HelpDecline::No));
}

#[test]
fn a_stranger_declined_five_times_is_one_to_block() {
    let mut desk = lending_desk();
    let mut nuisance = Vec::new();
    // Two at once, then one an hour, as the quiet hour allows.
    for (n, at) in [(1, 0), (2, 700), (3, 4500), (4, 8300), (5, 12_100)] {
        assert_eq!(request(&mut desk, ask(n, 1, Standing::Stranger), s(at)), prompted(n));
        desk.handle(DeskInput::UserDeclined { id: HelpId(n) }, s(at));
        effects(&mut desk);
        nuisance.push(desk.is_nuisance(peer(1)));
    }
    assert_eq!(nuisance, [false, false, false, false, true]);
    assert!(!desk.is_nuisance(peer(2)));
    desk.handle(DeskInput::RuleSet { peer: peer(1), rule: LendRule::default() }, s(12_101));
    assert!(!desk.is_nuisance(peer(1)), "the user has thought better of it");
}

#[test]
fn what_a_killed_requester_left_does_not_keep_out_the_one_that_comes_back() {
    let mut desk = open_desk();
    for n in 0..4 {
        request(&mut desk, ask(n, 1, Standing::Friend), s(0));
    }
    let quiet = |desk: &mut HelpDesk, id, seconds| {
        let input = DeskInput::Sent { id: HelpId(id), total_bytes: 0, quiet: s(seconds) };
        desk.handle(input, s(10));
    };
    for (id, seconds) in [(0, 3), (1, 2), (2, 60), (3, 0)] {
        quiet(&mut desk, id, seconds);
    }
    assert_eq!(effects(&mut desk), [], "nobody else wants the place");
    let again = request(&mut desk, ask(9, 1, Standing::Friend), s(10));
    let lost = [ended(0, HelpEnd::Lost), ended(2, HelpEnd::Lost), accepted(9, 100 * MIB)];
    assert_eq!(again, lost);
    // Another device's request ends nobody's.
    quiet(&mut desk, 1, 100);
    assert_eq!(request(&mut desk, ask(10, 2, Standing::Friend), s(11)), [accepted(10, 100 * MIB)]);
}

#[test]
fn friends_prompts_come_first() {
    let mut desk = lending_desk();
    request(&mut desk, ask(1, 1, Standing::Stranger), s(0));
    request(&mut desk, ask(2, 2, Standing::Friend), s(1));
    let order: Vec<_> = desk.prompts().iter().map(|(ask, _)| ask.id.0).collect();
    assert_eq!(order, [2, 1]);
}

fn wanted_effects(wanted: &mut HelpWanted) -> Vec<WantedEffect> {
    std::iter::from_fn(|| wanted.poll_effect())
        .filter(|effect| !matches!(effect, WantedEffect::Changed { .. }))
        .collect()
}

#[test]
fn a_helper_is_asked_once_and_again_only_after_a_while() {
    let (mut wanted, peer) = (HelpWanted::new(WantedBounds::default()), peer(1));
    for _ in 0..2 {
        wanted.handle(WantedInput::Ask { peer }, s(0));
    }
    assert_eq!(wanted_effects(&mut wanted), [WantedEffect::Ask { peer }]);
    let answer = HelpAnswer::Decline(HelpDecline::No);
    wanted.handle(WantedInput::Answered { peer, answer }, s(10));
    assert_eq!(wanted.state(peer), Some(AskState::Declined { reason: HelpDecline::No }));
    assert!(!wanted.may_ask(peer, s(609)));
    assert!(wanted.may_ask(peer, s(610)));
}

#[test]
fn a_helper_that_never_answers_is_lost_and_a_yes_that_comes_later_is_ended() {
    let (mut wanted, peer) = (HelpWanted::new(WantedBounds::default()), peer(1));
    wanted.handle(WantedInput::Ask { peer }, s(0));
    assert_eq!(wanted.poll_timeout(), Some(s(70)));
    wanted.handle(WantedInput::Tick, s(70));
    let asked = [WantedEffect::Ask { peer }, WantedEffect::Withdraw { peer }];
    assert_eq!(wanted_effects(&mut wanted), asked);
    assert_eq!(wanted.state(peer), Some(AskState::Lost));
    let answer = HelpAnswer::Accept { budget_bytes: 1 };
    wanted.handle(WantedInput::Answered { peer, answer }, s(71));
    let end = WantedEffect::End { peer, reason: HelpEnd::Cancelled };
    assert_eq!(wanted_effects(&mut wanted), [end]);
}

#[test]
fn a_helper_that_keeps_vanishing_is_asked_less_and_less_and_a_liar_never_again() {
    let (mut wanted, peer) = (HelpWanted::new(WantedBounds::default()), peer(1));
    let mut now = s(0);
    for pause in [10, 20, 40, 80, 160, 300, 300] {
        wanted.handle(WantedInput::Ask { peer }, now);
        wanted.handle(WantedInput::PeerLost { peer }, now);
        assert!(!wanted.may_ask(peer, now + s(pause - 1)), "{pause}");
        now += s(pause);
        assert!(wanted.may_ask(peer, now), "{pause}");
    }
    wanted.handle(WantedInput::Ask { peer }, now);
    let answer = HelpAnswer::Accept { budget_bytes: 1 };
    wanted.handle(WantedInput::Answered { peer, answer }, now);
    wanted.handle(WantedInput::End { peer, reason: HelpEnd::Mismatch }, now);
    assert!(!wanted.may_ask(peer, now + s(1_000_000)));
}

#[test]
fn the_end_of_a_download_takes_back_and_ends_everything() {
    let mut wanted = HelpWanted::new(WantedBounds::default());
    for n in 1..=3 {
        wanted.handle(WantedInput::Ask { peer: peer(n) }, s(0));
    }
    let answer = HelpAnswer::Accept { budget_bytes: 1 };
    wanted.handle(WantedInput::Answered { peer: peer(2), answer }, s(1));
    let answer = HelpAnswer::Expire;
    wanted.handle(WantedInput::Answered { peer: peer(3), answer }, s(1));
    wanted_effects(&mut wanted);
    let reason = HelpEnd::Completed;
    wanted.handle(WantedInput::EndAll { reason }, s(2));
    let done =
        [WantedEffect::Withdraw { peer: peer(1) }, WantedEffect::End { peer: peer(2), reason }];
    assert_eq!(wanted_effects(&mut wanted), done);
    assert_eq!(wanted.state(peer(3)), Some(AskState::Expired));
}

/// One random step: who, what, and how much time passes before.
type Step = (u8, u8, u64);

fn a_rule(n: u8) -> LendRule {
    let hours = n.is_multiple_of(2).then(|| "20-7".parse().unwrap());
    LendRule { daily_bytes: u64::from(n % 3) * 150 * MIB, bytes_per_s: u64::from(n), hours }
}

fn play(desk: &mut HelpDesk, step: Step, n: u128, now: Duration) {
    let (who, what, _) = step;
    let standing = if who < 3 { Standing::Friend } else { Standing::Stranger };
    // Some older request, mostly one that is still open.
    let id = HelpId(n.saturating_sub(u128::from(what % 5)));
    desk.handle(
        match what {
            0..=119 => DeskInput::Requested(HelpAsk {
                address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, who / 3)),
                ..ask(n, who, standing)
            }),
            120..=159 => DeskInput::UserAccepted { id, budget_bytes: Some(u64::from(what) * MIB) },
            160..=179 => DeskInput::UserDeclined { id },
            180..=199 => DeskInput::EndedByRequester { id },
            200..=209 => DeskInput::Sent {
                id,
                total_bytes: u64::from(what) * MIB / 3,
                quiet: s(u64::from(what % 7)),
            },
            210..=214 => DeskInput::SessionOver { id, total_bytes: u64::from(what) * MIB / 2 },
            215..=219 => DeskInput::LocalTime(LocalTime {
                day: i32::from(what % 3),
                minute: u16::from(what) * 6,
            }),
            220..=229 => DeskInput::UserStopped { id },
            230 => DeskInput::PeerBlocked { peer: peer(who) },
            231 => DeskInput::LendingSwitched { on: who % 2 == 0 },
            232..=235 => DeskInput::LendingSwitched { on: true },
            236..=240 => DeskInput::RuleSet { peer: peer(who), rule: a_rule(what) },
            241 => DeskInput::RuleRemoved { peer: peer(who) },
            242 => DeskInput::FriendRemoved { peer: peer(who) },
            243..=247 => DeskInput::TermsChanged(LendTerms {
                accept: if what == 247 { AcceptRule::Friends } else { AcceptRule::Ask },
                daily_bytes: [0, 500, 900, 4000][usize::from(what % 4)] * MIB,
                hours: (what % 3 == 0).then(|| "6-22".parse().unwrap()),
            }),
            248 => DeskInput::NeverHostsChanged(HostList::new(["example.com"]).unwrap()),
            _ => DeskInput::Tick,
        },
        now,
    );
}

proptest! {
    #[test]
    fn whatever_happens_a_request_has_one_life_and_prompts_stay_in_bounds(
        steps in prop::collection::vec((0_u8..12, any::<u8>(), 0_u64..40_000), 1..400)
    ) {
        let bounds = DeskBounds::default();
        let (mut desk, mut now) = (lending_desk(), s(0));
        let mut asks: BTreeMap<HelpId, HelpAsk> = BTreeMap::new();
        let (mut open, mut running) = (BTreeSet::new(), BTreeSet::new());
        let mut answered = BTreeSet::new();
        let mut shown: Vec<(Duration, HelpAsk)> = Vec::new();
        for (n, step) in steps.into_iter().enumerate() {
            now += Duration::from_millis(step.2);
            let n = n as u128;
            play(&mut desk, step, n, now);
            for (ask, _) in desk.prompts() {
                asks.insert(ask.id, ask.clone());
            }
            while let Some(effect) = desk.poll_effect() {
                match effect {
                    DeskEffect::Prompt { id } => {
                        prop_assert!(open.insert(id));
                        shown.push((now, asks[&id].clone()));
                    }
                    DeskEffect::ClosePrompt { id } => prop_assert!(open.remove(&id)),
                    DeskEffect::Answer { id, answer } => {
                        prop_assert!(answered.insert(id), "answered twice");
                        prop_assert!(!open.contains(&id), "answered with its prompt still open");
                        if let HelpAnswer::Accept { budget_bytes } = answer {
                            prop_assert!(budget_bytes <= 100 * MIB);
                            running.insert(id);
                        }
                    }
                    DeskEffect::EndSession { id, .. } => prop_assert!(running.remove(&id)),
                    DeskEffect::LimitSession { id, .. } => prop_assert!(running.contains(&id)),
                }
            }
            let sessions: BTreeSet<_> = desk.sessions().map(|(id, _)| id).collect();
            prop_assert!(sessions.is_subset(&running), "a session that nobody accepted");
            prop_assert!(sessions.len() <= bounds.sessions);
            let prompts: BTreeSet<_> = desk.prompts().iter().map(|(ask, _)| ask.id).collect();
            prop_assert_eq!(&prompts, &open);
            prop_assert!(desk.prompts().iter().all(|(_, expires)| *expires > now));
            prop_assert_eq!(desk.poll_timeout().is_some(), !open.is_empty());
        }
        let strangers: Vec<_> = shown.iter().filter(|(_, a)| a.standing == Standing::Stranger).collect();
        for (at, ask) in &strangers {
            let window = strangers.iter().filter(|(t, _)| *t >= *at && *t - *at < s(600));
            let (mut all, mut device, mut address) = (0, 0, 0);
            for (_, other) in window {
                all += 1;
                device += usize::from(other.from == ask.from);
                address += usize::from(other.address == ask.address);
            }
            prop_assert!(all <= bounds.strangers_per_10_min, "{} prompts of strangers", all);
            prop_assert!(device <= bounds.stranger_per_10_min);
            prop_assert!(address <= bounds.address_per_10_min);
        }
    }

    #[test]
    fn no_number_of_strangers_keeps_a_friends_request_from_being_shown(
        steps in prop::collection::vec((3_u8..255, 0_u8..120, 0_u64..2_000), 0..300)
    ) {
        let (mut desk, mut now) = (lending_desk(), s(0));
        for (n, step) in steps.into_iter().enumerate() {
            now += Duration::from_millis(step.2);
            play(&mut desk, step, n as u128, now);
        }
        effects(&mut desk);
        prop_assert_eq!(request(&mut desk, ask(9999, 1, Standing::Friend), now), prompted(9999));
    }
}
