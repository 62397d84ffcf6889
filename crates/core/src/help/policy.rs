//! For how long a download asks others.

use std::time::Duration;

use super::{Ask, AskTerms};
use crate::PeerId;

/// Whom a download asks, and for how long those who appear. Times are since a fixed instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskPolicy {
    terms: AskTerms,
    /// How long peers that appear are asked, from the moment on when the download runs.
    wait: Duration,
    /// When that is over; `None` while the download waits in the queue.
    until: Option<Duration>,
}

impl AskPolicy {
    #[must_use]
    pub fn new(terms: AskTerms, wait: Duration) -> Self {
        Self { terms, wait, until: None }
    }

    #[must_use]
    pub fn terms(&self) -> &AskTerms {
        &self.terms
    }

    /// The download has left the queue: its time begins, unless it has already. Whether it begins with this.
    pub fn begin(&mut self, now: Duration) -> bool {
        let begins = self.until.is_none();
        if begins {
            self.until = Some(now.saturating_add(self.wait));
        }
        begins
    }

    /// Whether its time has begun and is not over. Without a wait that is the one moment at which it begins: who is there then
    /// is asked, once.
    #[must_use]
    pub fn is_open(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| now <= until)
    }

    /// Whether nobody is asked any more.
    #[must_use]
    pub fn is_over(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| now > until)
    }

    /// Names this peer no more.
    pub fn part_with(&mut self, peer: PeerId) {
        if let Ask::Peers(peers) = &mut self.terms.ask {
            peers.retain(|named| *named != peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn policy(ask: Ask, wait_s: u64) -> AskPolicy {
        AskPolicy::new(AskTerms { ask, ..AskTerms::default() }, seconds(wait_s))
    }

    #[test]
    fn the_time_for_asking_begins_when_the_download_does_and_only_once() {
        let mut policy = policy(Ask::Everyone, 10);
        assert!(!policy.is_open(seconds(100)) && !policy.is_over(seconds(100)), "in the queue");
        assert!(policy.begin(seconds(100)));
        assert!(!policy.begin(seconds(105)));
        assert!(policy.is_open(seconds(110)) && !policy.is_over(seconds(110)));
        assert!(!policy.is_open(seconds(111)) && policy.is_over(seconds(111)));
    }

    #[test]
    fn without_a_wait_it_is_asked_at_one_moment_and_the_longest_wait_has_no_end() {
        let mut short = policy(Ask::Everyone, 0);
        assert!(short.begin(seconds(7)) && short.is_open(seconds(7)));
        assert!(short.is_over(seconds(7) + Duration::from_nanos(1)));
        let mut long = policy(Ask::Everyone, u64::MAX);
        assert!(long.begin(seconds(7)) && long.is_open(seconds(u64::MAX)));
    }

    #[test]
    fn whom_one_parts_with_is_named_no_more_and_nobody_comes_in_its_place() {
        let (gone, stays) = (PeerId::from_digest([1; 32]), PeerId::from_digest([2; 32]));
        let mut named = policy(Ask::Peers(vec![gone, stays]), 0);
        named.part_with(gone);
        named.part_with(stays);
        assert_eq!(named.terms().ask, Ask::Peers(Vec::new()));
        let mut all = policy(Ask::Everyone, 0);
        all.part_with(gone);
        assert_eq!(all.terms().ask, Ask::Everyone);
    }
}
