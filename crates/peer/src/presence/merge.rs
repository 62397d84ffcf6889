//! What several say about where one peer is, as one list of addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::client::MAX_ADDRESSES;
use crate::discovery::HintOrigin;

/// So many are listened to about one peer; a device has fewer groups in common with another.
const MAX_ORIGINS: usize = 8;

/// The addresses of one peer, by who says so; the best first.
#[derive(Debug, Default)]
pub(super) struct Said {
    by: BTreeMap<HintOrigin, Vec<SocketAddr>>,
    /// Where it has answered.
    reached: Option<SocketAddr>,
}

impl Said {
    /// Replaces what `origin` said before, and only that; gives whether it says something new.
    pub(super) fn set(&mut self, origin: HintOrigin, addresses: &[SocketAddr]) -> bool {
        if self.by.len() >= MAX_ORIGINS && !self.by.contains_key(&origin) {
            // What this device has seen itself is worth more than the word of a server, one of several.
            let listed = |by: &HintOrigin| matches!(by, HintOrigin::Group(_));
            let less = self.by.keys().copied().rfind(listed);
            let Some(less) = less.filter(|_| !listed(&origin)) else { return false };
            self.by.remove(&less);
        }
        let addresses: Vec<_> = addresses.iter().copied().take(MAX_ADDRESSES).collect();
        let before = self.by.insert(origin, addresses);
        before.as_ref() != self.by.get(&origin)
    }

    pub(super) fn remove(&mut self, origin: HintOrigin) {
        self.by.remove(&origin);
    }

    pub(super) fn reached(&mut self, address: Option<SocketAddr>) {
        self.reached = address;
    }

    pub(super) fn reached_at(&self) -> Option<SocketAddr> {
        self.reached
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by.is_empty()
    }

    /// Whether nobody but rendezvous servers names it.
    pub(super) fn is_listed_only(&self) -> bool {
        !self.by.is_empty() && self.by.keys().all(|by| matches!(by, HintOrigin::Group(_)))
    }

    pub(super) fn origins(&self) -> BTreeSet<HintOrigin> {
        self.by.keys().copied().collect()
    }

    /// Where to look: where it has answered, then what the better origins say. Each has its share of the places, however much the
    /// others say.
    pub(super) fn merged(&self) -> Vec<SocketAddr> {
        let mut merged: Vec<SocketAddr> = self.reached.into_iter().collect();
        let share = ((MAX_ADDRESSES - merged.len()) / self.by.len().max(1)).max(1);
        let firsts = self.by.values().flat_map(|all| all.iter().take(share));
        let others = self.by.values().flat_map(|all| all.iter().skip(share));
        let mut chosen: BTreeSet<_> = merged.iter().copied().collect();
        for address in firsts.chain(others) {
            if chosen.len() < MAX_ADDRESSES {
                chosen.insert(*address);
            }
        }
        // In the order of their origins again.
        for address in self.by.values().flatten() {
            if chosen.contains(address) && !merged.contains(address) {
                merged.push(*address);
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use manyhands_core::GroupId;

    use super::*;

    const GROUP: HintOrigin = HintOrigin::Group(GROUP_ID);
    const GROUP_ID: GroupId = GroupId::from_digest([7; 32]);

    fn at(n: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, n], 4000))
    }

    #[test]
    fn hints_of_several_origins_are_merged_the_best_first() {
        let mut said = Said::default();
        assert!(said.set(HintOrigin::Known, &[at(1)]));
        assert!(said.set(GROUP, &[at(2), at(3)]));
        assert!(said.set(HintOrigin::Lan, &[at(3), at(4)]));
        assert_eq!(said.merged(), [at(3), at(4), at(2), at(1)]);
        said.reached(Some(at(1)));
        assert_eq!(said.merged(), [at(1), at(3), at(4), at(2)]);
        assert!(!said.set(GROUP, &[at(2), at(3)]), "nothing new");
        assert!(said.set(GROUP, &[at(5)]), "it replaces what the same origin said");
        assert_eq!(said.merged(), [at(1), at(3), at(4), at(5)]);
    }

    #[test]
    fn a_goodbye_by_one_drops_nothing_that_another_says() {
        let mut said = Said::default();
        said.set(HintOrigin::Lan, &[at(1)]);
        said.set(GROUP, &[at(2)]);
        said.remove(HintOrigin::Lan);
        assert_eq!(said.merged(), [at(2)]);
        assert!(said.is_listed_only());
        said.remove(GROUP);
        assert!(said.is_empty() && !said.is_listed_only());
    }

    #[test]
    fn many_groups_leave_room_for_what_was_seen_on_the_network() {
        let mut said = Said::default();
        for n in 0..20 {
            said.set(HintOrigin::Group(GroupId::from_digest([n; 32])), &[at(n)]);
        }
        for origin in [HintOrigin::Lan, HintOrigin::Known] {
            assert!(said.set(origin, &[at(100)]));
            assert!(said.origins().contains(&origin));
        }
        assert!(!said.is_listed_only());
        assert_eq!(said.origins().len(), MAX_ORIGINS);
        assert!(!said.set(HintOrigin::Group(GroupId::from_digest([99; 32])), &[at(1)]));
    }

    #[test]
    fn nobody_pushes_the_others_out() {
        let mut said = Said::default();
        let many: Vec<_> = (1..=100).map(at).collect();
        said.set(HintOrigin::Lan, &many);
        said.set(GROUP, &(100..200).map(at).collect::<Vec<_>>());
        said.set(HintOrigin::Known, &[at(250)]);
        said.reached(Some(at(251)));
        let merged = said.merged();
        assert_eq!(merged.len(), MAX_ADDRESSES);
        assert_eq!(merged.first(), Some(&at(251)));
        assert!(merged.contains(&at(1)) && merged.contains(&at(101)) && merged.contains(&at(250)));
        for n in 0..100 {
            said.set(HintOrigin::Group(GroupId::from_digest([n; 32])), &[at(n)]);
        }
        assert!(said.origins().len() <= MAX_ORIGINS && said.merged().len() <= MAX_ADDRESSES);
    }
}
