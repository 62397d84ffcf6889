//! What the store in memory knows, and how it changes. Pure: the time is passed in, in milliseconds since the start.
//!
//! Each change of a group has a number and an entry in the group's log, which says *of whom* there is news; what the news is, is looked up when a reader
//! comes for it. So a reader is a place in the logs and nothing else: it costs the same whether it is quick or slow, and one that has not come
//! by before its place fell out of the log begins anew. A reader that comes late gets the newest record of everyone, once.
//!
//! Invariants: a group exists while it has a member or a reader, a device while it is present or reading; each presence is in `due` once, each
//! device at most once.

mod device;
mod expiry;
mod group;
mod reading;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use manyhands_core::{GroupId, PeerId};
use manyhands_wire::MAX_GROUPS;
use tokio::time::Instant;

use self::device::Device;
pub(super) use self::device::Signal;
use self::expiry::{Due, second_after};
use self::group::{Group, Presence};
pub(super) use self::reading::Lagged;
use super::{NewRecord, Readers, Sizes, StoreRefusal};
use crate::config::Limits;
use crate::limiter::Limiter;

#[derive(Debug)]
pub(super) struct State {
    limits: Limits,
    grace_ms: u64,
    /// Of the last change.
    number: u64,
    /// What happened up to here in groups that do not exist any more is forgotten.
    forgotten: u64,
    groups: HashMap<GroupId, Group>,
    devices: HashMap<PeerId, Device>,
    presences: usize,
    /// What is to be looked at, and in which second.
    due: BTreeSet<(u64, Due)>,
    /// The groups whose readers have not been woken.
    changed: Vec<GroupId>,
    next_reader: u64,
    /// What is told to a whole group costs by its members: of one device in one group.
    telling: Limiter<(GroupId, PeerId)>,
    /// Where the time that is passed in begins.
    epoch: Instant,
}

impl State {
    pub(super) fn new(limits: Limits, grace_ms: u64) -> Self {
        let per_min = limits.changes_per_device_and_group_per_min;
        Self {
            telling: Limiter::new(per_min, Duration::from_secs(60), per_min),
            epoch: Instant::now(),
            limits,
            grace_ms,
            number: 0,
            forgotten: 0,
            groups: HashMap::new(),
            devices: HashMap::new(),
            presences: 0,
            due: BTreeSet::new(),
            changed: Vec::new(),
            next_reader: 0,
        }
    }

    /// Takes in all records, or none.
    pub(super) fn publish(
        &mut self,
        now_ms: u64,
        device: PeerId,
        records: Vec<NewRecord>,
    ) -> Result<(), StoreRefusal> {
        let mut new = HashSet::new();
        let mut told = Vec::new();
        let now = self.epoch + Duration::from_millis(now_ms);
        for record in &records {
            let members = self.groups.get(&record.group).map(|group| &group.members);
            match members.and_then(|members| members.get(&device)) {
                // The same one once more: the answer was lost.
                Some(known) if record.seq == known.seq && record.json == known.json => {}
                Some(known) if record.seq <= known.seq => {
                    // The records of one publication have one number, which has to fit in every group.
                    let last_seq = self.last_seq(device, &records);
                    return Err(StoreRefusal::Old { group: record.group, last_seq });
                }
                Some(known) if known.content == record.content => {}
                Some(_) => told.push((record.group, device)),
                None => {
                    told.push((record.group, device));
                    let members = members.map_or(0, BTreeMap::len);
                    if members >= self.limits.max_members_per_group as usize {
                        return Err(StoreRefusal::GroupFull(record.group));
                    }
                    new.insert(record.group);
                }
            }
        }
        let known = self.devices.get(&device).map_or(0, |device| device.groups.len());
        if known + new.len() > MAX_GROUPS {
            return Err(StoreRefusal::TooManyGroups);
        }
        if !self.has_room_for(device)
            || self.presences + new.len() > self.limits.max_presences as usize
        {
            return Err(StoreRefusal::Full);
        }
        let waits = told.iter().filter_map(|key| Some((key.0, self.telling.peek(key, now).err()?)));
        // After the longest of them all will be taken in.
        if let Some((group, wait)) = waits.max_by_key(|(_, wait)| *wait) {
            self.hear(now_ms, device, &records);
            return Err(StoreRefusal::ChangesTooOften(group, wait));
        }
        for key in told {
            let taken = self.telling.take(key, now);
            taken.map_err(|wait| StoreRefusal::ChangesTooOften(key.0, wait))?;
        }
        for record in records {
            self.put(now_ms, device, record);
        }
        Ok(())
    }

    /// The device is there, though what it says has to wait: until then what it said before is known of it.
    fn hear(&mut self, now_ms: u64, device: PeerId, records: &[NewRecord]) {
        for record in records {
            if let Some(presence) = self.presence_mut(record.group, device) {
                presence.heard_ms = now_ms;
            }
        }
    }

    fn last_seq(&self, device: PeerId, records: &[NewRecord]) -> u64 {
        let known = records.iter().filter_map(|record| self.presence(record.group, device));
        known.map(|known| known.seq).max().unwrap_or(0)
    }

    fn has_room_for(&self, device: PeerId) -> bool {
        self.devices.contains_key(&device) || self.devices.len() < self.limits.max_devices as usize
    }

    fn put(&mut self, now_ms: u64, device: PeerId, record: NewRecord) {
        let until_ms = now_ms + u64::try_from(record.ttl.as_millis()).unwrap_or(0);
        let group = self.groups.entry(record.group).or_insert_with(|| Group::new(self.forgotten));
        let known = group.members.get(&device);
        if known.is_some_and(|known| known.seq >= record.seq) {
            return;
        }
        let changes = known.is_none_or(|known| known.content != record.content);
        let mut due_s = second_after(until_ms);
        let is_new = known.is_none();
        if let Some(known) = known {
            // A renewal need not be looked at twice: it is looked at when the record before it would have been over.
            let earlier = known.due_s.min(due_s);
            if earlier < known.due_s {
                self.due.remove(&(known.due_s, Due::Presence(record.group, device)));
            }
            due_s = earlier;
        }
        self.due.insert((due_s, Due::Presence(record.group, device)));
        let NewRecord { seq, content, json, .. } = record;
        let presence = Presence { seq, until_ms, heard_ms: now_ms, due_s, content, json };
        group.members.insert(device, presence);
        if is_new {
            self.presences += 1;
            self.devices.entry(device).or_default().groups.push(record.group);
        }
        if changes {
            self.change(record.group, device);
        }
    }

    pub(super) fn withdraw(&mut self, device: PeerId, group: Option<GroupId>) {
        let groups = match (group, self.devices.get(&device)) {
            (_, None) => return,
            (Some(group), _) => vec![group],
            (None, Some(known)) => known.groups.clone(),
        };
        for group in groups {
            self.remove(group, device);
        }
    }

    fn remove(&mut self, group: GroupId, device: PeerId) {
        let members = self.groups.get_mut(&group).map(|group| &mut group.members);
        let Some(presence) = members.and_then(|members| members.remove(&device)) else { return };
        self.due.remove(&(presence.due_s, Due::Presence(group, device)));
        self.presences -= 1;
        if let Some(device) = self.devices.get_mut(&device) {
            device.groups.retain(|other| *other != group);
        }
        self.change(group, device);
        self.tidy(group);
        self.tidy_device(device);
    }

    fn change(&mut self, id: GroupId, device: PeerId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        self.number += 1;
        if group.change(self.number, device) {
            self.changed.push(id);
        }
    }

    fn tidy(&mut self, id: GroupId) {
        if self.groups.get(&id).is_some_and(Group::is_empty)
            && let Some(group) = self.groups.remove(&id)
        {
            self.forgotten = self.forgotten.max(group.log.last());
        }
    }

    fn tidy_device(&mut self, id: PeerId) {
        if self.devices.get(&id).is_some_and(Device::is_empty)
            && let Some(Device { left: Some(left), .. }) = self.devices.remove(&id)
        {
            self.due.remove(&(left.due_s, Due::Grace(id)));
        }
    }

    /// Tells a member that another one asks to be called. `false`: it is not present in this group.
    pub(super) fn ring(&mut self, now_ms: u64, group: GroupId, from: PeerId, to: PeerId) -> bool {
        let present = self.is_present(group, to);
        let Some(device) = self.devices.get_mut(&to).filter(|_| present) else { return false };
        self.number += 1;
        device.ring(self.number, now_ms, group, from);
        true
    }

    pub(super) fn is_present(&self, group: GroupId, device: PeerId) -> bool {
        self.presence(group, device).is_some()
    }

    fn presence(&self, group: GroupId, device: PeerId) -> Option<&Presence> {
        self.groups.get(&group)?.members.get(&device)
    }

    fn presence_mut(&mut self, group: GroupId, device: PeerId) -> Option<&mut Presence> {
        self.groups.get_mut(&group)?.members.get_mut(&device)
    }

    pub(super) fn sizes(&self) -> Sizes {
        let readers = || self.devices.values().flat_map(|device| &device.readers);
        let of = |kind| readers().filter(|reader| reader.kind == kind).count();
        Sizes {
            devices: self.devices.len(),
            groups: self.groups.len(),
            presences: self.presences,
            streams: of(Readers::Stream),
            polls: of(Readers::Poll),
        }
    }
}

#[cfg(test)]
mod tests;
