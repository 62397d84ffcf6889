//! A helper that is asked for more than it has agreed to.

use std::time::Duration;

use super::*;
use crate::PeerId;

const ACCEPT: HelpAnswer = HelpAnswer::Accept { budget_bytes: 7 };
const HELPS: AskState = AskState::Accepted { budget_bytes: 7 };

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn peer() -> PeerId {
    PeerId::from_digest([1; 32])
}

/// What the shell must do, and where the help stands now.
fn after(wanted: &mut HelpWanted, input: WantedInput, now: Duration) -> Vec<WantedEffect> {
    wanted.handle(input, now);
    std::iter::from_fn(|| wanted.poll_effect())
        .filter(|effect| !matches!(effect, WantedEffect::Changed { .. }))
        .collect()
}

/// One that helps, and was asked for more at 10 s.
fn asked_again() -> HelpWanted {
    let (mut wanted, peer) = (HelpWanted::new(WantedBounds::default()), peer());
    assert!(!wanted.may_ask_again(peer), "who does not help is not asked for more");
    wanted.handle(WantedInput::Ask { peer }, s(0));
    wanted.handle(WantedInput::AskAgain { peer }, s(1));
    after(&mut wanted, WantedInput::Answered { peer, answer: ACCEPT }, s(2));
    let asked = after(&mut wanted, WantedInput::AskAgain { peer }, s(10));
    assert_eq!(asked, [WantedEffect::Ask { peer }]);
    assert_eq!(wanted.state(peer), Some(HELPS), "meanwhile it helps");
    assert_eq!(after(&mut wanted, WantedInput::AskAgain { peer }, s(11)), [], "once at a time");
    wanted
}

#[test]
fn its_yes_replaces_what_it_had_agreed_to_and_it_may_be_asked_for_still_more() {
    let (mut wanted, peer) = (asked_again(), peer());
    let answer = HelpAnswer::Accept { budget_bytes: 9 };
    let yes = after(&mut wanted, WantedInput::Answered { peer, answer }, s(20));
    assert_eq!(yes, [WantedEffect::Replace { peer }]);
    assert_eq!(wanted.state(peer), Some(AskState::Accepted { budget_bytes: 9 }));
    assert_eq!(wanted.poll_timeout(), None);
    assert!(wanted.may_ask_again(peer));
}

#[test]
fn without_a_yes_it_helps_as_agreed_and_is_not_bothered_again() {
    for answer in [HelpAnswer::Decline(HelpDecline::No), HelpAnswer::Expire] {
        let (mut wanted, peer) = (asked_again(), peer());
        assert_eq!(after(&mut wanted, WantedInput::Answered { peer, answer }, s(20)), []);
        assert_eq!(wanted.state(peer), Some(HELPS));
        assert_eq!(after(&mut wanted, WantedInput::AskAgain { peer }, s(1000)), []);
    }
    let (mut wanted, peer) = (asked_again(), peer());
    assert_eq!(after(&mut wanted, WantedInput::Unanswered { peer }, s(12)), []);
    assert_eq!((wanted.state(peer), wanted.may_ask_again(peer)), (Some(HELPS), false));
    let mut wanted = asked_again();
    assert_eq!(wanted.poll_timeout(), Some(s(80)));
    let late = after(&mut wanted, WantedInput::Tick, s(80));
    assert_eq!(late, [WantedEffect::Withdraw { peer }]);
    assert_eq!((wanted.state(peer), wanted.poll_timeout()), (Some(HELPS), None));
    let yes = after(&mut wanted, WantedInput::Answered { peer, answer: ACCEPT }, s(81));
    assert_eq!(yes, [], "too late");
}

#[test]
fn when_the_session_ends_by_itself_the_open_request_decides() {
    for reason in [HelpEnd::Budget, HelpEnd::Lost, HelpEnd::Other] {
        let (mut wanted, peer) = (asked_again(), peer());
        let ended = after(&mut wanted, WantedInput::EndedByHelper { peer, reason }, s(20));
        assert_eq!(ended, [WantedEffect::End { peer, reason }]);
        assert_eq!(wanted.state(peer), Some(AskState::Asked));
        assert_eq!(wanted.poll_timeout(), Some(s(80)), "it has stood since then");
        let yes = after(&mut wanted, WantedInput::Answered { peer, answer: ACCEPT }, s(30));
        assert_eq!((yes, wanted.state(peer)), (vec![], Some(HELPS)));
    }
}

#[test]
fn whoever_ends_a_session_ends_what_is_asked_for_with_it() {
    let (peer, reason) = (peer(), HelpEnd::Stopped);
    for (input, reason, state) in [
        (WantedInput::EndedByHelper { peer, reason }, reason, AskState::Ended { reason }),
        (WantedInput::PeerLost { peer }, HelpEnd::Lost, AskState::Lost),
        (
            WantedInput::EndAll { reason: HelpEnd::Completed },
            HelpEnd::Completed,
            AskState::Ended { reason: HelpEnd::Completed },
        ),
    ] {
        let mut wanted = asked_again();
        let both = [WantedEffect::Withdraw { peer }, WantedEffect::End { peer, reason }];
        assert_eq!(after(&mut wanted, input, s(20)), both);
        assert_eq!((wanted.state(peer), wanted.poll_timeout()), (Some(state), None));
    }
}
