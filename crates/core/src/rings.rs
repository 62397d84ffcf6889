//! Who is asked to call since it cannot be called itself, in which order, and how often.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Ask, PeerId};

/// Nobody is asked again before: who has not called by then cannot, or does not want to.
const AGAIN: Duration = Duration::from_secs(600);
/// A call comes within that, or not at all.
const RINGING: Duration = Duration::from_secs(20);
/// Servers take six rings a minute from one device; one is left for what is more urgent.
const MAX_A_MINUTE: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);

/// Whom this device has rung.
#[derive(Debug, Default)]
pub struct Rings {
    /// Who was rung within the last ten minutes and has not called since: at most fifty.
    waiting: BTreeMap<PeerId, Duration>,
    /// When the last rings were sent, to whomever; the oldest first, at most [`MAX_A_MINUTE`].
    lately: Vec<Duration>,
}

impl Rings {
    /// Whom to ring among those who cannot be reached, each with whether it is a friend: whom a download names, friends, and whom
    /// a download would ask, in this order; nobody else. How many of them may be rung now is [`Self::may_ring`]'s to say.
    #[must_use]
    pub fn wanted(
        unreached: impl IntoIterator<Item = (PeerId, bool)>,
        asks: &[&Ask],
    ) -> Vec<PeerId> {
        let rank = |peer: PeerId, friend: bool| match () {
            () if asks.iter().any(|ask| ask.names(peer)) => Some(0),
            () if friend => Some(1),
            () if asks.iter().any(|ask| matches!(ask, Ask::Everyone)) => Some(2),
            () => None,
        };
        let ranked = unreached.into_iter();
        let mut ranked: Vec<_> =
            ranked.filter_map(|(peer, friend)| Some((rank(peer, friend)?, peer))).collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, peer)| peer).collect()
    }

    /// Whether this one may be rung now.
    #[must_use]
    pub fn may_ring(&self, peer: PeerId, now: Duration) -> bool {
        let waits = |at: &Duration| now < at.saturating_add(AGAIN);
        let lately = self.lately.iter().filter(|at| now < at.saturating_add(MINUTE)).count();
        !self.waiting.get(&peer).is_some_and(waits) && lately < MAX_A_MINUTE
    }

    /// This one is being rung.
    pub fn rung(&mut self, peer: PeerId, now: Duration) {
        self.waiting.retain(|_, at| now < at.saturating_add(AGAIN));
        self.waiting.insert(peer, now);
        self.lately.retain(|at| now < at.saturating_add(MINUTE));
        self.lately.push(now);
    }

    /// It did call, or could be called: when it is lost, it may be rung at once.
    pub fn reached(&mut self, peer: PeerId) {
        self.waiting.remove(&peer);
    }

    #[must_use]
    pub fn is_ringing(&self, peer: PeerId, now: Duration) -> bool {
        self.waiting.get(&peer).is_some_and(|at| now < at.saturating_add(RINGING))
    }

    /// Whether any ring may still be answered: views show that.
    #[must_use]
    pub fn any(&self, now: Duration) -> bool {
        self.waiting.values().any(|at| now < at.saturating_add(RINGING))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> PeerId {
        PeerId::from_digest([n; 32])
    }

    impl Rings {
        fn ring(&mut self, peer: PeerId, now: Duration) -> bool {
            let may = self.may_ring(peer, now);
            if may {
                self.rung(peer, now);
            }
            may
        }
    }

    #[test]
    fn whom_a_download_names_is_rung_before_friends_and_strangers_only_where_all_are_asked() {
        let unreached = [(peer(1), false), (peer(2), true), (peer(3), false)];
        let wanted = |asks: &[&Ask]| Rings::wanted(unreached, asks);
        assert_eq!(wanted(&[]), [peer(2)]);
        assert_eq!(wanted(&[&Ask::None, &Ask::Friends]), [peer(2)]);
        assert_eq!(wanted(&[&Ask::Everyone]), [peer(2), peer(1), peer(3)]);
        let named = Ask::Peers(vec![peer(3)]);
        assert_eq!(wanted(&[&named]), [peer(3), peer(2)]);
        assert_eq!(wanted(&[&Ask::Everyone, &named]), [peer(3), peer(2), peer(1)]);
    }

    #[test]
    fn one_peer_is_rung_once_and_many_not_at_once() {
        let (mut rings, mut now) = (Rings::default(), Duration::from_secs(5));
        assert!(rings.ring(peer(0), now));
        assert!(rings.is_ringing(peer(0), now) && !rings.is_ringing(peer(1), now));
        assert!(!rings.ring(peer(0), now));
        let rung = (1..100).filter(|n| rings.ring(peer(*n), now)).count();
        assert_eq!(rung, MAX_A_MINUTE - 1);
        now += MINUTE;
        assert!(!rings.any(now));
        assert!(!rings.ring(peer(0), now), "not so soon again");
        assert!(rings.ring(peer(50), now));
        now += AGAIN;
        assert!(rings.ring(peer(0), now));
        assert_eq!((rings.waiting.len(), rings.lately.len()), (1, 1), "the others are forgotten");
    }

    #[test]
    fn who_did_call_is_rung_again_when_it_is_lost_within_the_same_bound() {
        let (mut rings, now) = (Rings::default(), Duration::from_secs(5));
        for _ in 0..MAX_A_MINUTE {
            assert!(rings.ring(peer(0), now));
            rings.reached(peer(0));
            assert!(!rings.any(now), "nobody is waited for");
        }
        assert!(!rings.ring(peer(0), now), "a server takes so many a minute");
        assert!(!rings.ring(peer(1), now));
        assert!(rings.ring(peer(0), now + MINUTE));
    }
}
