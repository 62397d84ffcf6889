//! Whom this device has asked to call, since it cannot be called itself.

use std::collections::BTreeMap;
use std::time::Duration;

use manyhands_core::PeerId;

/// Nobody is asked again before: who has not called by then cannot, or does not want to.
const AGAIN: Duration = Duration::from_secs(600);
/// A call comes within that, or not at all.
const RINGING: Duration = Duration::from_secs(20);
/// Servers take six rings a minute from one device; one is left for what is more urgent.
const MAX_A_MINUTE: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);

/// The rings of the last ten minutes, and so at most fifty.
#[derive(Debug, Default)]
pub struct Rings(BTreeMap<PeerId, Duration>);

impl Rings {
    /// Whether this one is to be rung now; it counts as rung then.
    pub fn ring(&mut self, peer: PeerId, now: Duration) -> bool {
        self.0.retain(|_, at| now < at.saturating_add(AGAIN));
        let lately = self.0.values().filter(|at| now < at.saturating_add(MINUTE)).count();
        if self.0.contains_key(&peer) || lately >= MAX_A_MINUTE {
            return false;
        }
        self.0.insert(peer, now);
        true
    }

    #[must_use]
    pub fn is_ringing(&self, peer: PeerId, now: Duration) -> bool {
        self.0.get(&peer).is_some_and(|at| now < at.saturating_add(RINGING))
    }

    /// Whether any ring may still be answered: views show that.
    #[must_use]
    pub fn any(&self, now: Duration) -> bool {
        self.0.values().any(|at| now < at.saturating_add(RINGING))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> PeerId {
        PeerId::from_digest([n; 32])
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
        assert_eq!(rings.0.len(), 1, "the others are forgotten");
    }
}
