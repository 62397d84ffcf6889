//! When to try again: pure, the random number is given.

use std::time::Duration;

use super::RendezvousWaits;
use super::fault::{Failure, ServerFault};

/// A server that asks for longer than this is asked again nevertheless.
const MAX_OBEYED: Duration = Duration::from_secs(300);
/// Never faster than this, whatever is asked for or drawn.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// The failures since something worked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    worked: bool,
}

/// Whether a new session is made at once when a server does not know one of this age: it has begun anew, and whoever has
/// come back to it should be listed again. One that is forgotten as soon as it is made would be made for ever.
pub(super) fn begins_anew(age: Duration, waits: &RendezvousWaits) -> bool {
    age >= waits.spread
}

impl Backoff {
    /// The list was complete.
    pub(super) fn worked(&mut self) {
        *self = Self { failures: 0, worked: true };
    }

    /// How long to wait after `failure`; `random` is in 0..1. What was in use until now is tried again within
    /// [`RendezvousWaits::spread`], since everybody else has lost it at the same moment.
    pub(super) fn after(
        &mut self,
        failure: &Failure,
        waits: &RendezvousWaits,
        random: f64,
    ) -> Duration {
        let lost = std::mem::take(&mut self.worked);
        self.failures = self.failures.saturating_add(1);
        if let Some(asked) = failure.retry_after {
            return asked.clamp(MIN_PAUSE, MAX_OBEYED) + waits.retry.mul_f64(random);
        }
        if lost {
            return waits.spread.mul_f64(random).max(MIN_PAUSE);
        }
        let longest = match failure.fault {
            ServerFault::UnknownName | ServerFault::NoAnswer | ServerFault::Busy => waits.retry_max,
            ServerFault::OtherKey
            | ServerFault::NoServer
            | ServerFault::Clock
            | ServerFault::Refused
            | ServerFault::PlainHttp
            | ServerFault::TooMany => waits.retry_hopeless,
        };
        let doubled = waits.retry.saturating_mul(1 << (self.failures - 1).min(16));
        doubled.min(longest).mul_f64(random).max(MIN_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use manyhands_wire::{Problem, ProblemCode};

    use super::*;

    const MAX: f64 = 0.999_999;

    fn seconds(backoff: &mut Backoff, failure: &Failure, random: f64) -> u64 {
        let pause = backoff.after(failure, &RendezvousWaits::default(), random);
        pause.as_secs_f64().round() as u64
    }

    #[test]
    fn a_server_that_is_away_is_tried_soon_and_then_at_most_every_15_s() {
        let (mut backoff, away) = (Backoff::default(), Failure::of(ServerFault::NoAnswer));
        let longest: Vec<_> = (0..7).map(|_| seconds(&mut backoff, &away, MAX)).collect();
        assert_eq!(longest, [1, 2, 4, 8, 15, 15, 15]);
        for _ in 0..100 {
            assert_eq!(
                seconds(&mut backoff, &away, MAX),
                15,
                "no overflow, however long it is away"
            );
        }
        let pause = backoff.after(&away, &RendezvousWaits::default(), 0.0);
        assert_eq!(pause, MIN_PAUSE, "full jitter, but no busy loop");
    }

    #[test]
    fn who_has_lost_a_stream_comes_back_at_its_own_time() {
        let mut backoff = Backoff::default();
        let lost = Failure::of(ServerFault::NoAnswer);
        backoff.worked();
        assert_eq!(seconds(&mut backoff, &lost, MAX), 5);
        backoff.worked();
        assert_eq!(seconds(&mut backoff, &lost, 0.5), 3);
        assert_eq!(seconds(&mut backoff, &lost, MAX), 2, "the second try is one of the usual ones");
    }

    #[test]
    fn what_a_server_asks_for_is_done_within_reason() {
        let mut backoff = Backoff::default();
        let mut busy = Failure::of(ServerFault::Busy);
        busy.retry_after = Some(Duration::from_secs(20));
        assert_eq!(seconds(&mut backoff, &busy, 0.0), 20);
        busy.retry_after = Some(Duration::from_secs(1_000_000));
        assert_eq!(seconds(&mut backoff, &busy, 0.0), 300);
        busy.retry_after = Some(Duration::ZERO);
        assert!(backoff.after(&busy, &RendezvousWaits::default(), 0.0) >= MIN_PAUSE);
    }

    #[test]
    fn a_server_that_has_forgotten_a_session_is_asked_for_another_at_once_and_at_most_every_5_s() {
        let waits = RendezvousWaits::default();
        assert!(begins_anew(Duration::from_secs(5), &waits));
        assert!(!begins_anew(Duration::from_millis(4_999), &waits));
        let failure = Failure::problem(&Problem::new(ProblemCode::NoSession));
        let (mut backoff, mut longest) = (Backoff::default(), 0);
        for _ in 0..20 {
            longest = longest.max(seconds(&mut backoff, &failure, MAX));
        }
        assert_eq!(longest, 15, "it is not the device that is refused");
    }

    #[test]
    fn what_does_not_change_by_itself_is_tried_rarely() {
        let (mut backoff, other) = (Backoff::default(), Failure::of(ServerFault::OtherKey));
        let longest: Vec<_> = (0..8).map(|_| seconds(&mut backoff, &other, MAX)).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
