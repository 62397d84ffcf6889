//! Who a server says is there, kept within bounds, and what of it is still to be told.
//!
//! Pure. Nothing of a server is believed: a record counts when its device has signed it, for one of our groups, at a time that can
//! be, and not before one that was seen already; and when its name opens, which who does not know the group's secret cannot seal.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::{GroupId, PeerId};
use manyhands_identity::{GroupKey, check_record};
use manyhands_wire::{DeviceName, PresenceRecord, RendezvousEvent, SignedRecord};
use tokio::time::Instant;
use tracing::debug;

use super::Member;
use crate::discovery::{Discovered, HintOrigin};
use crate::own::reachable;

/// Members of a group that are remembered. Servers take in no more.
pub(super) const MAX_MEMBERS: usize = 1000;
/// … with those who have left, of whom the last sequence number is kept, so that an old record does not bring them back.
const MAX_ENTRIES: usize = 2 * MAX_MEMBERS;

/// The lists of one server.
#[derive(Debug)]
pub(super) struct Listed {
    own: PeerId,
    /// Where this device is itself.
    own_addresses: Vec<SocketAddr>,
    loopback: bool,
    /// After a new list began, how long to wait for those of the old one.
    relist: Duration,
    groups: BTreeMap<GroupId, Group>,
    /// What there may be to tell.
    news: BTreeSet<(GroupId, PeerId)>,
    told: BTreeMap<(GroupId, PeerId), Vec<SocketAddr>>,
    /// Whoever is still aged then has left.
    sweep_at: Option<Instant>,
}

#[derive(Debug)]
struct Group {
    key: Arc<GroupKey>,
    entries: BTreeMap<PeerId, Entry>,
}

#[derive(Debug)]
struct Entry {
    seq: u64,
    member: Option<Member>,
    /// Of a list that the server has declared void.
    aged: bool,
}

/// What an event was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing that is believed or new.
    Nothing,
    Changed(GroupId, PeerId),
    /// The list is complete.
    Ready,
    /// A listed member asks to be called.
    Ring(GroupId, PeerId),
    /// The server goes away for so long.
    Bye(Duration),
}

impl Listed {
    pub(super) fn new(own: PeerId, loopback: bool, relist: Duration) -> Self {
        Self {
            own,
            own_addresses: Vec::new(),
            loopback,
            relist,
            groups: BTreeMap::new(),
            news: BTreeSet::new(),
            told: BTreeMap::new(),
            sweep_at: None,
        }
    }

    /// The groups of now; what was known of others is forgotten, and to be told.
    pub(super) fn set_groups(&mut self, keys: &[Arc<GroupKey>]) {
        let stay: BTreeSet<_> = keys.iter().map(|key| key.id()).collect();
        self.groups.retain(|id, _| stay.contains(id));
        let left = self.told.keys().filter(|(group, _)| !stay.contains(group));
        self.news.extend(left.copied());
        for key in keys {
            let empty = || Group { key: key.clone(), entries: BTreeMap::new() };
            self.groups.entry(key.id()).or_insert_with(empty);
        }
    }

    pub(super) fn set_own_addresses(&mut self, addresses: Vec<SocketAddr>) {
        self.own_addresses = addresses;
    }

    /// Takes in an event, at `now_s` (seconds since 1970) by the server's clock.
    pub(super) fn hear(&mut self, event: &RendezvousEvent, now_s: u64, now: Instant) -> Heard {
        match event {
            RendezvousEvent::Reset => {
                let entries = self.groups.values_mut().flat_map(|group| group.entries.values_mut());
                entries.for_each(|entry| entry.aged = true);
                self.sweep_at = None;
                Heard::Nothing
            }
            RendezvousEvent::Ready => {
                // A server that has lost its list gets it back from the members, each at its own time.
                if self.sweep_at.is_none() {
                    self.sweep_at = Some(now + self.relist);
                }
                Heard::Ready
            }
            RendezvousEvent::Present { record } => self.present(record, now_s),
            RendezvousEvent::Gone { group, id } => {
                let (group, id) = (GroupId::from_digest(group.0), PeerId::from_digest(id.0));
                let entry = self.entry(group, id);
                if entry.is_none_or(|entry| entry.member.take().is_none()) {
                    return Heard::Nothing;
                }
                self.news.insert((group, id));
                Heard::Changed(group, id)
            }
            RendezvousEvent::Ring { group, from } => {
                let (group, from) = (GroupId::from_digest(group.0), PeerId::from_digest(from.0));
                let listed = self.member(group, from).is_some();
                if listed { Heard::Ring(group, from) } else { Heard::Nothing }
            }
            RendezvousEvent::Bye { retry_after_ms } => {
                Heard::Bye(Duration::from_millis(*retry_after_ms))
            }
        }
    }

    fn present(&mut self, signed: &SignedRecord, now_s: u64) -> Heard {
        let (id, record) = match check_record(signed, now_s) {
            Ok(checked) => checked,
            Err(error) => {
                debug!(%error, "a record that is not believed");
                return Heard::Nothing;
            }
        };
        let group = GroupId::from_digest(record.group.0);
        let (own, loopback) = (self.own, self.loopback);
        let Some(list) = self.groups.get_mut(&group).filter(|_| id != own) else {
            return Heard::Nothing;
        };
        if list.entries.get(&id).is_some_and(|entry| entry.seq > record.seq) {
            debug!(peer = %id.short(), "an old record");
            return Heard::Nothing;
        }
        // A server knows the group's id, and makes devices as it likes.
        let Some(name) = list.key.open(id, record.name.as_bytes()) else {
            debug!(peer = %id.short(), "a record of somebody who does not know the group's secret");
            return Heard::Nothing;
        };
        if !list.make_room(id) {
            return Heard::Nothing;
        }
        let member = member(&name, &record, loopback, &self.own_addresses);
        let before = list.entries.get_mut(&id).and_then(|entry| entry.member.take());
        let same = before.as_ref() == Some(&member);
        list.entries.insert(id, Entry { seq: record.seq, member: Some(member), aged: false });
        if same {
            return Heard::Nothing;
        }
        self.news.insert((group, id));
        Heard::Changed(group, id)
    }

    /// When [`Self::sweep`] is due.
    pub(super) fn sweep_at(&self) -> Option<Instant> {
        self.sweep_at
    }

    /// Forgets whoever was listed before and is not listed again; gives who that is.
    pub(super) fn sweep(&mut self) -> Vec<(GroupId, PeerId)> {
        self.sweep_at = None;
        let mut swept = Vec::new();
        for (group, list) in &mut self.groups {
            for (id, entry) in &mut list.entries {
                if entry.aged && entry.member.take().is_some() {
                    swept.push((*group, *id));
                }
            }
        }
        self.news.extend(swept.iter().copied());
        swept
    }

    pub(super) fn member(&self, group: GroupId, id: PeerId) -> Option<&Member> {
        self.groups.get(&group)?.entries.get(&id)?.member.as_ref()
    }

    pub(super) fn members(&self, group: GroupId) -> impl Iterator<Item = PeerId> {
        let entries = self.groups.get(&group).into_iter().flat_map(|group| &group.entries);
        entries.filter(|(_, entry)| entry.member.is_some()).map(|(id, _)| *id)
    }

    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The next thing to tell; `None` when what was new has become old again.
    pub(super) fn next_news(&mut self) -> Option<Discovered> {
        while let Some((group, id)) = self.news.pop_first() {
            let origin = HintOrigin::Group(group);
            match self.member(group, id).map(|member| member.addresses.clone()) {
                Some(addresses) => {
                    let old = self.told.insert((group, id), addresses.clone());
                    if old.as_ref() != Some(&addresses) {
                        return Some(Discovered::PeerSeen { id, origin, addresses });
                    }
                }
                None => {
                    if self.told.remove(&(group, id)).is_some() {
                        return Some(Discovered::PeerGone { id, origin });
                    }
                }
            }
        }
        None
    }

    fn entry(&mut self, group: GroupId, id: PeerId) -> Option<&mut Entry> {
        self.groups.get_mut(&group)?.entries.get_mut(&id)
    }
}

impl Group {
    /// Whether there is room for `id`; who has left gives way.
    fn make_room(&mut self, id: PeerId) -> bool {
        if self.entries.get(&id).is_some_and(|entry| entry.member.is_some()) {
            return true;
        }
        let there = self.entries.values().filter(|entry| entry.member.is_some()).count();
        if there >= MAX_MEMBERS {
            return false;
        }
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(&id) {
            let gone = self.entries.iter().filter(|(_, entry)| entry.member.is_none());
            let oldest = gone.min_by_key(|(_, entry)| entry.seq).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.entries.remove(&oldest);
            }
        }
        true
    }
}

fn member(name: &str, record: &PresenceRecord, loopback: bool, own: &[SocketAddr]) -> Member {
    let mut addresses = Vec::new();
    for address in record.addresses.iter().filter_map(|address| reachable(*address, loopback)) {
        if !own.contains(&address) && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Member { name: DeviceName::neutralised(name), addresses }
}

#[cfg(test)]
mod tests;
