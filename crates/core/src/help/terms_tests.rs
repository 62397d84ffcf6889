use super::tests::{
    MIB, accepted, ask, declined, effects, ended, lending_desk, open_desk, peer, prompted, request,
    s, sent,
};
use super::*;
use crate::PeerId;

const GIB: u64 = 1024 * MIB;

fn clock(day: i32, hour: u16) -> DeskInput {
    DeskInput::LocalTime(LocalTime { day, minute: hour * 60 })
}

/// A desk that asks its user about everybody, on these terms.
fn desk_on(daily_bytes: u64, hours: Option<&str>) -> HelpDesk {
    let mut desk = lending_desk();
    let hours = hours.map(|hours| hours.parse().unwrap());
    let accept = AcceptRule::Ask;
    desk.handle(DeskInput::TermsChanged(LendTerms { accept, daily_bytes, hours }), s(0));
    desk.handle(clock(100, 12), s(0));
    desk
}

fn rule(desk: &mut HelpDesk, of: PeerId, daily_bytes: u64, bytes_per_s: u64, hours: Option<&str>) {
    let hours = hours.map(|hours| hours.parse().unwrap());
    let rule = LendRule { daily_bytes, bytes_per_s, hours };
    desk.handle(DeskInput::RuleSet { peer: of, rule }, s(0));
}

fn yes(desk: &mut HelpDesk, id: u128) -> Vec<DeskEffect> {
    desk.handle(DeskInput::UserAccepted { id: HelpId(id), budget_bytes: None }, s(1));
    effects(desk).into_iter().filter(|e| !matches!(e, DeskEffect::ClosePrompt { .. })).collect()
}

fn friend(id: u128, from: u8) -> HelpAsk {
    ask(id, from, Standing::Friend)
}

#[test]
fn a_session_gets_no_more_than_what_is_left_of_the_day() {
    let mut desk = desk_on(150 * MIB, None);
    request(&mut desk, friend(1, 1), s(0));
    assert_eq!(yes(&mut desk, 1), [accepted(1, 100 * MIB)]);
    sent(&mut desk, 1, 90 * MIB, s(2));
    assert_eq!(effects(&mut desk), []);
    request(&mut desk, friend(2, 2), s(2));
    let costs: Vec<_> = desk.prompts().iter().map(|(ask, _)| desk.most_bytes(ask)).collect();
    assert_eq!(costs, [60 * MIB], "the prompt says what it would cost");
    assert_eq!(yes(&mut desk, 2), [accepted(2, 60 * MIB)]);
}

#[test]
fn a_yes_costs_no_more_than_what_was_shown_even_past_midnight() {
    let mut desk = desk_on(110 * MIB, None);
    request(&mut desk, friend(1, 1), s(0));
    yes(&mut desk, 1);
    sent(&mut desk, 1, 70 * MIB, s(1));
    request(&mut desk, friend(2, 2), s(1));
    let cost = |desk: &HelpDesk| desk.prompts().first().map(|(ask, _)| desk.most_bytes(ask));
    assert_eq!(cost(&desk), Some(40 * MIB));
    sent(&mut desk, 1, 80 * MIB, s(1));
    assert_eq!(cost(&desk), Some(30 * MIB), "less is left by now");
    desk.handle(clock(101, 0), s(1));
    assert_eq!(cost(&desk), Some(30 * MIB));
    assert_eq!(yes(&mut desk, 2), [accepted(2, 30 * MIB)]);
}

#[test]
fn when_the_day_is_used_up_everything_ends_and_nothing_begins_before_midnight() {
    let mut desk = desk_on(150 * MIB, None);
    for n in 1..=2 {
        request(&mut desk, friend(n, n as u8), s(0));
        yes(&mut desk, n);
    }
    request(&mut desk, friend(3, 3), s(1));
    sent(&mut desk, 1, 80 * MIB, s(2));
    sent(&mut desk, 2, 80 * MIB, s(2));
    let id = HelpId(3);
    let answer = HelpAnswer::Decline(HelpDecline::NotLending);
    let all = [
        DeskEffect::ClosePrompt { id },
        DeskEffect::Answer { id, answer },
        ended(1, HelpEnd::Budget),
        ended(2, HelpEnd::Budget),
    ];
    assert_eq!(effects(&mut desk), all);
    let refused = request(&mut desk, friend(4, 1), s(3));
    assert_eq!(refused, declined(4, HelpDecline::NotLending));
    desk.handle(clock(101, 0), s(4));
    assert_eq!(request(&mut desk, friend(5, 1), s(4)), prompted(5));
    assert_eq!(yes(&mut desk, 5), [accepted(5, 100 * MIB)]);
}

#[test]
fn a_clock_that_goes_back_a_day_does_not_give_a_day_twice() {
    let mut desk = desk_on(100 * MIB, None);
    request(&mut desk, friend(1, 1), s(0));
    yes(&mut desk, 1);
    sent(&mut desk, 1, 100 * MIB, s(2));
    effects(&mut desk);
    desk.handle(clock(99, 23), s(3));
    assert_eq!(request(&mut desk, friend(2, 1), s(3)), prompted(2), "yesterday nothing was lent");
    desk.handle(clock(100, 0), s(4));
    effects(&mut desk);
    let refused = request(&mut desk, friend(3, 2), s(5));
    assert_eq!(refused, declined(3, HelpDecline::NotLending));
}

#[test]
fn what_was_lent_before_a_restart_counts() {
    let mut desk = desk_on(100 * MIB, None);
    request(&mut desk, friend(1, 1), s(0));
    yes(&mut desk, 1);
    sent(&mut desk, 1, 60 * MIB, s(2));
    let stored = desk.lent_today().cloned().unwrap();
    assert_eq!((stored.day, stored.bytes), (100, 60 * MIB));
    let mut desk = lending_desk().with_ledger(Ledger::new([stored]));
    let terms = LendTerms { daily_bytes: 100 * MIB, ..LendTerms::default() };
    desk.handle(DeskInput::TermsChanged(terms), s(0));
    desk.handle(clock(100, 13), s(0));
    request(&mut desk, friend(1, 1), s(0));
    assert_eq!(yes(&mut desk, 1), [accepted(1, 40 * MIB)]);
}

#[test]
fn the_last_bytes_of_a_session_count_whoever_ends_it() {
    let mut desk = desk_on(GIB, None);
    for n in 1..=3 {
        request(&mut desk, friend(n, n as u8), s(0));
        yes(&mut desk, n);
        sent(&mut desk, n, 10 * MIB, s(2));
    }
    let over = |n, mib| DeskInput::SessionOver { id: HelpId(n), total_bytes: mib * MIB };
    // By the user, by the requester, and one whose end nobody ordered.
    desk.handle(DeskInput::UserStopped { id: HelpId(1) }, s(3));
    desk.handle(over(1, 11), s(3));
    desk.handle(over(2, 12), s(3));
    desk.handle(over(3, 13), s(3));
    // Told twice, counted once.
    desk.handle(over(1, 11), s(3));
    sent(&mut desk, 2, 50 * MIB, s(3));
    assert_eq!(desk.lent_today().unwrap().bytes, 36 * MIB);
    assert_eq!(desk.sessions().count(), 0);
}

#[test]
fn lowering_the_budget_below_what_was_lent_ends_what_runs() {
    let mut desk = desk_on(0, None);
    request(&mut desk, friend(1, 1), s(0));
    yes(&mut desk, 1);
    sent(&mut desk, 1, 10 * MIB, s(2));
    let terms = LendTerms { daily_bytes: 5 * MIB, ..LendTerms::default() };
    desk.handle(DeskInput::TermsChanged(terms), s(3));
    assert_eq!(effects(&mut desk), [ended(1, HelpEnd::Budget)]);
}

#[test]
fn outside_of_the_hours_nothing_is_lent() {
    let mut desk = desk_on(0, Some("22-08"));
    let refused = request(&mut desk, friend(1, 1), s(0));
    assert_eq!(refused, declined(1, HelpDecline::NotLending));
    desk.handle(clock(100, 22), s(1));
    request(&mut desk, friend(2, 1), s(1));
    assert_eq!(yes(&mut desk, 2), [accepted(2, 100 * MIB)]);
    request(&mut desk, friend(3, 2), s(2));
    effects(&mut desk);
    desk.handle(clock(101, 7), s(3));
    assert_eq!(effects(&mut desk), []);
    desk.handle(clock(101, 8), s(4));
    let answer = HelpAnswer::Decline(HelpDecline::NotLending);
    let closed = [
        DeskEffect::ClosePrompt { id: HelpId(3) },
        DeskEffect::Answer { id: HelpId(3), answer },
        ended(2, HelpEnd::Stopped),
    ];
    assert_eq!(effects(&mut desk), closed);
}

#[test]
fn a_friend_with_a_rule_is_helped_unasked_up_to_its_share_of_the_day() {
    let mut desk = desk_on(GIB, None);
    rule(&mut desk, peer(1), 50 * MIB, 0, None);
    assert_eq!(request(&mut desk, friend(1, 1), s(0)), [accepted(1, 50 * MIB)]);
    sent(&mut desk, 1, 50 * MIB, s(1));
    assert_eq!(effects(&mut desk), [ended(1, HelpEnd::Budget)]);
    // Beyond the rule the user is asked, and may say yes to more.
    assert_eq!(request(&mut desk, friend(2, 1), s(2)), prompted(2));
    assert_eq!(yes(&mut desk, 2), [accepted(2, 100 * MIB)]);
    desk.handle(DeskInput::Tick, s(3));
    assert_eq!(effects(&mut desk), []);
    assert_eq!(request(&mut desk, friend(3, 2), s(3)), prompted(3), "others have no rule");
}

#[test]
fn the_sessions_of_one_rule_share_its_budget() {
    let mut desk = desk_on(0, None);
    rule(&mut desk, peer(1), 60 * MIB, 0, None);
    assert_eq!(request(&mut desk, friend(1, 1), s(0)), [accepted(1, 60 * MIB)]);
    sent(&mut desk, 1, 20 * MIB, s(1));
    assert_eq!(request(&mut desk, friend(2, 1), s(1)), [accepted(2, 40 * MIB)]);
    sent(&mut desk, 1, 40 * MIB, s(2));
    sent(&mut desk, 2, 20 * MIB, s(2));
    assert_eq!(effects(&mut desk), [ended(1, HelpEnd::Budget), ended(2, HelpEnd::Budget)]);
}

#[test]
fn a_rule_never_goes_beyond_the_terms_for_all() {
    let mut desk = desk_on(30 * MIB, Some("8-20"));
    rule(&mut desk, peer(1), GIB, 0, Some("0-24"));
    assert_eq!(request(&mut desk, friend(1, 1), s(0)), [accepted(1, 30 * MIB)]);
    desk.handle(clock(100, 20), s(1));
    assert_eq!(effects(&mut desk), [ended(1, HelpEnd::Stopped)]);
    let refused = request(&mut desk, friend(2, 1), s(1));
    assert_eq!(refused, declined(2, HelpDecline::NotLending));
    desk.handle(clock(100, 19), s(2));
    desk.handle(DeskInput::LendingSwitched { on: false }, s(2));
    let refused = request(&mut desk, friend(3, 1), s(2));
    assert_eq!(refused, declined(3, HelpDecline::NotLending));
}

#[test]
fn the_hours_of_a_rule_end_its_sessions_and_make_prompts_of_its_requests() {
    let mut desk = desk_on(0, None);
    rule(&mut desk, peer(1), 0, 0, Some("9-13"));
    assert_eq!(request(&mut desk, friend(1, 1), s(0)), [accepted(1, 100 * MIB)]);
    desk.handle(clock(100, 13), s(1));
    assert_eq!(effects(&mut desk), [ended(1, HelpEnd::Stopped)]);
    assert_eq!(request(&mut desk, friend(2, 1), s(2)), prompted(2));
}

#[test]
fn a_rule_is_for_friends_and_outside_of_it_even_a_friend_of_all_is_asked_about() {
    let mut desk = desk_on(0, None);
    rule(&mut desk, peer(1), MIB, 0, None);
    assert_eq!(request(&mut desk, ask(1, 1, Standing::Stranger), s(0)), prompted(1));
    let mut desk = open_desk();
    desk.handle(clock(100, 12), s(0));
    rule(&mut desk, peer(1), MIB, 0, None);
    assert_eq!(request(&mut desk, friend(2, 1), s(0)), [accepted(2, MIB)]);
    sent(&mut desk, 2, MIB, s(1));
    effects(&mut desk);
    assert_eq!(request(&mut desk, friend(3, 1), s(1)), prompted(3));
    assert_eq!(request(&mut desk, friend(4, 2), s(1)), [accepted(4, 100 * MIB)]);
}

#[test]
fn help_always_holds_for_the_very_request_too() {
    let mut desk = desk_on(0, None);
    request(&mut desk, friend(1, 1), s(0));
    rule(&mut desk, peer(1), 5 * MIB, 0, None);
    assert_eq!(yes(&mut desk, 1), [accepted(1, 5 * MIB)]);
    desk.handle(DeskInput::RuleRemoved { peer: peer(1) }, s(2));
    assert_eq!(effects(&mut desk), [ended(1, HelpEnd::Stopped)]);
}

#[test]
fn a_removed_rule_leaves_what_the_user_has_said_yes_to() {
    let mut desk = desk_on(0, None);
    request(&mut desk, friend(1, 1), s(0));
    yes(&mut desk, 1);
    rule(&mut desk, peer(1), 0, 0, None);
    request(&mut desk, friend(2, 1), s(1));
    desk.handle(DeskInput::RuleRemoved { peer: peer(1) }, s(2));
    assert_eq!(effects(&mut desk), [ended(2, HelpEnd::Stopped)]);
    assert_eq!(request(&mut desk, friend(3, 1), s(3)), prompted(3));
}

#[test]
fn the_rate_of_a_rule_is_shared_by_the_sessions_of_its_peer() {
    let limit = |id, bytes_per_s| DeskEffect::LimitSession { id: HelpId(id), bytes_per_s };
    let mut desk = desk_on(0, None);
    rule(&mut desk, peer(1), 0, 1000, None);
    let first = request(&mut desk, friend(1, 1), s(0));
    assert_eq!(first, [accepted(1, 100 * MIB), limit(1, Some(1000))]);
    let second = request(&mut desk, friend(2, 1), s(0));
    let shared = [accepted(2, 100 * MIB), limit(1, Some(500)), limit(2, Some(500))];
    assert_eq!(second, shared);
    desk.handle(DeskInput::SessionOver { id: HelpId(1), total_bytes: 0 }, s(1));
    assert_eq!(effects(&mut desk), [limit(2, Some(1000))]);
    rule(&mut desk, peer(1), 0, 0, None);
    assert_eq!(effects(&mut desk), [limit(2, None)]);
}

#[test]
fn a_friend_that_is_removed_loses_its_sessions_its_prompts_and_its_rule() {
    let mut desk = desk_on(0, None);
    rule(&mut desk, peer(1), 0, 0, None);
    request(&mut desk, friend(1, 1), s(0));
    request(&mut desk, friend(2, 2), s(0));
    yes(&mut desk, 2);
    desk.handle(DeskInput::FriendRemoved { peer: peer(1) }, s(1));
    assert_eq!(effects(&mut desk), [ended(1, HelpEnd::Stopped)]);
    assert_eq!(desk.sessions().count(), 1, "the other friend's goes on");
    assert_eq!(request(&mut desk, friend(3, 1), s(2)), prompted(3), "the rule is gone");
}

#[test]
fn a_host_on_the_list_is_declined_whoever_asks_and_wherever_it_stands() {
    let mut desk = open_desk();
    desk.handle(DeskInput::NeverHostsChanged(HostList::default()), s(0));
    rule(&mut desk, peer(1), 0, 0, None);
    for (n, hosts) in [
        (1, vec!["files.example.org", "pdf.sciencedirect.com"]),
        (2, vec!["WWW.Nature.com."]),
        (3, vec!["jstor.org"]),
    ] {
        let hosts = hosts.into_iter().map(str::to_owned).collect();
        let refused = request(&mut desk, HelpAsk { hosts, ..friend(n, 1) }, s(0));
        assert_eq!(refused, declined(n, HelpDecline::Host));
    }
    let other = HelpAsk { hosts: vec!["mynature.com".to_owned()], ..friend(4, 1) };
    assert_eq!(request(&mut desk, other, s(0)), [accepted(4, 100 * MIB)]);
}

#[test]
fn a_host_put_on_the_list_ends_what_runs_and_what_waits_for_it() {
    let mut desk = desk_on(0, None);
    request(&mut desk, friend(1, 1), s(0));
    yes(&mut desk, 1);
    request(&mut desk, friend(2, 2), s(1));
    let elsewhere = HelpAsk { hosts: vec!["example.net".to_owned()], ..friend(3, 3) };
    request(&mut desk, elsewhere, s(1));
    let hosts = HostList::new(["example.org"]).unwrap();
    desk.handle(DeskInput::NeverHostsChanged(hosts), s(2));
    let id = HelpId(2);
    let answer = HelpAnswer::Decline(HelpDecline::Host);
    let gone = [
        DeskEffect::ClosePrompt { id },
        DeskEffect::Answer { id, answer },
        ended(1, HelpEnd::Stopped),
    ];
    assert_eq!(effects(&mut desk), gone);
    assert_eq!(desk.prompts().len(), 1);
}
