//! What this device has lent, day by day of the local calendar.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::PeerId;

/// The time on the user's wall, told by the shell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime {
    /// Counts the days of the local calendar; where the count begins does not matter, as long as it always begins there.
    pub day: i32,
    /// Of the day, 0 to 1439.
    pub minute: u16,
}

/// One day of the ledger; what is stored of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LentDay {
    pub day: i32,
    /// To all requesters.
    pub bytes: u64,
    /// To each; at most [`LentDay::MAX_PEERS`].
    #[serde(default)]
    pub by_peer: BTreeMap<PeerId, u64>,
}

/// The last days. Each keeps its own count: a clock that goes back a day and comes again finds what was lent before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    days: BTreeMap<i32, LentDay>,
}

impl LentDay {
    /// Peers that one day tells apart. When there are more, those without a rule who got least are no longer told apart; the
    /// sum counts everything.
    pub const MAX_PEERS: usize = 256;
}

impl Ledger {
    /// More days are of no use: clocks go wrong by hours, or by years.
    pub const MAX_DAYS: usize = 8;

    #[must_use]
    pub fn new(days: impl IntoIterator<Item = LentDay>) -> Self {
        let mut ledger = Self::default();
        for day in days {
            let number = day.day;
            ledger.days.insert(number, day);
            ledger.forget_but(number);
        }
        ledger
    }

    /// What was lent on this day; nothing is known of: nothing.
    #[must_use]
    pub fn day(&self, day: i32) -> Option<&LentDay> {
        self.days.get(&day)
    }

    #[must_use]
    pub fn bytes(&self, day: i32) -> u64 {
        self.day(day).map_or(0, |day| day.bytes)
    }

    #[must_use]
    pub fn bytes_to(&self, day: i32, peer: PeerId) -> u64 {
        self.day(day).and_then(|day| day.by_peer.get(&peer)).copied().unwrap_or(0)
    }

    /// `keep`: whose count matters.
    pub(super) fn add(
        &mut self,
        day: i32,
        peer: PeerId,
        bytes: u64,
        keep: impl Fn(PeerId) -> bool,
    ) {
        if bytes == 0 {
            return;
        }
        let today = self.days.entry(day).or_insert_with(|| LentDay { day, ..LentDay::default() });
        today.bytes = today.bytes.saturating_add(bytes);
        let of_peer = today.by_peer.entry(peer).or_default();
        *of_peer = of_peer.saturating_add(bytes);
        if today.by_peer.len() > LentDay::MAX_PEERS {
            let least = today.by_peer.iter().min_by_key(|(peer, bytes)| (keep(**peer), **bytes));
            if let Some(least) = least.map(|(peer, _)| *peer) {
                today.by_peer.remove(&least);
            }
        }
        self.forget_but(day);
    }

    /// Forgets the earliest day when there are too many, but never `day`, which the clock shows.
    fn forget_but(&mut self, day: i32) {
        if self.days.len() > Self::MAX_DAYS
            && let Some(first) = self.days.keys().copied().find(|known| *known != day)
        {
            self.days.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u16) -> PeerId {
        let [high, low] = n.to_be_bytes();
        PeerId::from_digest(std::array::from_fn(|i| if i % 2 == 0 { high } else { low }))
    }

    #[test]
    fn each_day_keeps_its_count_when_the_clock_goes_back_and_forth() {
        let mut ledger = Ledger::default();
        for (day, bytes) in [(100, 5), (99, 1), (100, 2), (101, 1)] {
            ledger.add(day, peer(1), bytes, |_| false);
        }
        assert_eq!([99, 100, 101].map(|day| ledger.bytes(day)), [1, 7, 1]);
        assert_eq!(ledger.bytes_to(100, peer(1)), 7);
    }

    #[test]
    fn days_are_bounded_and_the_one_on_the_clock_is_kept() {
        let mut ledger = Ledger::default();
        // A clock that showed years to come, and is right again.
        for day in 0..20 {
            ledger.add(70_000 + day, peer(1), 1, |_| false);
        }
        ledger.add(100, peer(1), 3, |_| false);
        assert_eq!((ledger.bytes(100), ledger.days.len()), (3, Ledger::MAX_DAYS));
        let read = Ledger::new(ledger.days.values().cloned());
        assert_eq!(read, ledger);
    }

    #[test]
    fn peers_are_bounded_and_those_with_a_rule_stay_counted() {
        let mut ledger = Ledger::default();
        for n in 0..1000 {
            ledger.add(1, peer(n), 1 + u64::from(n), |peer_of| peer_of == peer(0));
        }
        let today = ledger.day(1).unwrap();
        assert_eq!(today.by_peer.len(), LentDay::MAX_PEERS);
        assert_eq!(today.bytes, (1..=1000).sum::<u64>());
        assert_eq!(ledger.bytes_to(1, peer(0)), 1);
        assert_eq!(ledger.bytes_to(1, peer(999)), 1000);
        let stored = serde_json::to_string(today).unwrap();
        assert!(stored.len() < 48 * 1024, "{} bytes fit into one stored value", stored.len());
        assert_eq!(&serde_json::from_str::<LentDay>(&stored).unwrap(), today);
    }
}
