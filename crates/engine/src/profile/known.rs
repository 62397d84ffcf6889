//! What a profile knows about others, and how it is shown.

use std::collections::BTreeMap;

use manyhands_core::{Failure, FailureCode, GroupId, Ledger, LocalTime, PeerId};
use manyhands_store::{BlockedPeer, Friend, Group, Op, Settings, Store, StoreError};

use crate::groups;
use crate::shell::Clock;
use crate::view::{BlockedRow, GroupState, Lending, Lookout, RuleRow, Terms};

/// What a profile knows about others, beside its settings.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub friends: BTreeMap<PeerId, Friend>,
    pub blocked: BTreeMap<PeerId, BlockedPeer>,
    /// Those whose invite can be read.
    pub groups: BTreeMap<GroupId, Group>,
    pub ledger: Ledger,
}

impl Known {
    pub fn load(store: &Store) -> Result<Self, StoreError> {
        let readable = |group: &Group| {
            let readable = groups::read_invite(&group.invite).is_ok();
            if !readable {
                tracing::warn!(group = %group.id.short(), "a stored invite cannot be read: left out");
            }
            readable
        };
        let groups = store.groups()?.into_iter().filter(readable);
        Ok(Self {
            friends: store.friends()?.into_iter().map(|friend| (friend.id, friend)).collect(),
            blocked: store.blocked()?.into_iter().map(|blocked| (blocked.id, blocked)).collect(),
            groups: groups.map(|group| (group.id, group)).collect(),
            ledger: Ledger::new(store.lent()?),
        })
    }

    /// Takes in what is stored, too.
    pub fn learn(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::PutFriend(friend) => drop(self.friends.insert(friend.id, friend.clone())),
                Op::RemoveFriend(id) => drop(self.friends.remove(id)),
                Op::PutBlocked(peer) => drop(self.blocked.insert(peer.id, peer.clone())),
                Op::RemoveBlocked(id) => drop(self.blocked.remove(id)),
                Op::PutGroup(group) => drop(self.groups.insert(group.id, group.clone())),
                Op::DeleteGroup(id) => drop(self.groups.remove(id)),
                _ => {}
            }
        }
    }

    /// How others would be found, where nothing is looked for now.
    pub fn lookout(&self, settings: &Settings) -> Lookout {
        Lookout {
            meeting: settings.meeting,
            multicast: false,
            groups: groups::rows(&self.groups, |group| groups::row(group, GroupState::Off)),
        }
    }

    /// On what terms this device helps, where nothing is lent now.
    pub fn terms(&self, settings: &Settings, clock: LocalTime) -> Terms {
        let lent_to = |peer| self.ledger.bytes_to(clock.day, peer);
        let device =
            |peer: PeerId, name: &str| BlockedRow { peer: peer.to_string(), name: name.to_owned() };
        let friends = self.friends.values().map(|friend| device(friend.id, &friend.name));
        let blocked = blocked_rows(&self.blocked);
        Terms {
            lending: Lending::of(settings),
            lent_today_bytes: self.ledger.bytes(clock.day),
            never_hosts: settings.lend_never_hosts.clone().unwrap_or_default().into(),
            rules: rule_rows(&self.friends, |friend| friend.name.clone(), lent_to),
            devices: friends.chain(blocked.iter().cloned()).collect(),
            blocked,
        }
    }
}

/// The stored group of this id.
pub fn group_of(groups: &BTreeMap<GroupId, Group>, id: GroupId) -> Result<&Group, Failure> {
    groups.get(&id).ok_or_else(|| no_group(id))
}

pub(super) fn no_group(id: GroupId) -> Failure {
    let message = format!("This device is in no group {}.", id.short());
    Failure::new(FailureCode::NoGroup, message)
}

/// A device that nothing is known of but its id, and what it may have said.
pub fn stranger(id: PeerId, name: String) -> Friend {
    Friend {
        id,
        name,
        added_unix_ms: Clock::unix_ms(),
        last_addresses: Vec::new(),
        rule: None,
        paired: false,
    }
}

/// By name.
pub fn rule_rows(
    friends: &BTreeMap<PeerId, Friend>,
    name: impl Fn(&Friend) -> String,
    lent_to: impl Fn(PeerId) -> u64,
) -> Vec<RuleRow> {
    let row = |friend: &Friend| {
        Some(RuleRow {
            peer: friend.id.to_string(),
            name: name(friend),
            terms: friend.rule?.into(),
            lent_today_bytes: lent_to(friend.id),
        })
    };
    let mut rows: Vec<_> = friends.values().filter_map(row).collect();
    rows.sort_by_cached_key(|row| (row.name.to_lowercase(), row.peer.clone()));
    rows
}

/// By name.
pub fn blocked_rows(blocked: &BTreeMap<PeerId, BlockedPeer>) -> Vec<BlockedRow> {
    let row =
        |peer: &BlockedPeer| BlockedRow { peer: peer.id.to_string(), name: peer.name.clone() };
    let mut rows: Vec<_> = blocked.values().map(row).collect();
    rows.sort_by_cached_key(|row| (row.name.to_lowercase(), row.peer.clone()));
    rows
}
