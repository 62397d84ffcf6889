//! What the store in memory knows, and how it changes. Pure: the time is passed in, in milliseconds since the start.
//!
//! Each change of a group has a number and an entry in the group's log, which says *of whom* there is news; what the news is, is looked up when a reader
//! comes for it. So a reader is a place in the logs and nothing else: it costs the same whether it is quick or slow, and one that has not come
//! by before its place fell out of the log begins anew. A reader that comes late gets the newest record of everyone, once.
//!
//! Invariants: a group exists while it has a member or a reader, a device while it is present or reading; each presence is in `due` once, each
//! device at most once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use manyhands_core::{GroupId, PeerId};
use manyhands_wire::{MAX_CHANGES, MAX_GROUPS};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Event, NewRecord, Readers, Sizes, StoreRefusal};
use crate::config::Limits;
use crate::cursor::{Position, place_of};
use crate::limiter::Limiter;

/// Changes of one group that are remembered for readers. A group of a thousand may come back at once, and readers still
/// follow.
const MAX_LOG_ENTRIES: usize = 2048;
/// … in a small group: twice its members, and at least so many.
const LEAST_LOG_ENTRIES: usize = 64;
/// A log that is longer than its group needs loses one more entry every so many changes.
const SHRINK_EVERY: u64 = 4;
/// Entries that are looked through for one reader: who would need more begins anew, which costs less.
const MAX_WALK: usize = 4096;
/// Rings that wait for one device. Beyond that the oldest are lost: it is being called a lot already.
const MAX_RINGS: usize = 32;
/// A ring that was not fetched for so long is not news any more.
const RING_MS: u64 = 60_000;
/// Long polls of one device at the same time; the next one ends the oldest.
const MAX_POLLS: usize = 4;
/// Events of one batch have at most so many bytes, or are one event.
const MAX_BATCH_BYTES: usize = 48 * 1024;

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

#[derive(Debug)]
struct Group {
    members: BTreeMap<PeerId, Presence>,
    log: VecDeque<Entry>,
    /// The log says nothing of what happened up to here.
    forgotten: u64,
    readers: Vec<(u64, Arc<Signal>)>,
    changed: bool,
}

#[derive(Debug)]
struct Presence {
    seq: u64,
    until_ms: u64,
    published_ms: u64,
    /// When it is looked at.
    due_s: u64,
    content: [u8; 16],
    json: Bytes,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u64,
    device: PeerId,
}

#[derive(Debug, Default)]
struct Device {
    groups: Vec<GroupId>,
    /// The oldest first.
    readers: Vec<(u64, Readers, Arc<Signal>)>,
    /// The oldest first.
    rings: VecDeque<Rang>,
    /// When its last stream closed, and in which second it is looked whether it came back.
    left: Option<Left>,
    /// When its last long poll ended.
    polled_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    at_ms: u64,
    due_s: u64,
}

#[derive(Clone, Copy, Debug)]
struct Rang {
    number: u64,
    at_ms: u64,
    group: GroupId,
    from: PeerId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Presence(GroupId, PeerId),
    Grace(PeerId),
}

/// How a reader is told that it should look.
#[derive(Debug, Default)]
pub(super) struct Signal {
    pub(super) news: Notify,
    cut: AtomicBool,
}

/// What a reader takes away.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) events: Vec<Event>,
    pub(super) more: bool,
}

/// The reader's place has fallen out of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lagged;

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
        for key in &told {
            let peeked = self.telling.peek(key, now);
            peeked.map_err(|wait| StoreRefusal::ChangesTooOften(key.0, wait))?;
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

    fn last_seq(&self, device: PeerId, records: &[NewRecord]) -> u64 {
        let groups = records.iter().filter_map(|record| self.groups.get(&record.group));
        let known = groups.filter_map(|group| group.members.get(&device));
        known.map(|known| known.seq).max().unwrap_or(0)
    }

    fn has_room_for(&self, device: PeerId) -> bool {
        self.devices.contains_key(&device) || self.devices.len() < self.limits.max_devices as usize
    }

    fn put(&mut self, now_ms: u64, device: PeerId, record: NewRecord) {
        let until_ms = now_ms + u64::try_from(record.ttl.as_millis()).unwrap_or(0);
        let group = group_of(&mut self.groups, record.group, self.number);
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
        let presence = Presence { seq, until_ms, published_ms: now_ms, due_s, content, json };
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
        let room = (2 * group.members.len()).clamp(LEAST_LOG_ENTRIES, MAX_LOG_ENTRIES);
        // Now and then one more than comes, and no faster: when all leave at once, those who stay still hear of it.
        let over = 1 + u64::from(self.number.is_multiple_of(SHRINK_EVERY));
        for _ in 0..over {
            if group.log.len() >= room
                && let Some(oldest) = group.log.pop_front()
            {
                group.forgotten = oldest.number;
            }
        }
        group.log.push_back(Entry { number: self.number, device });
        if !std::mem::replace(&mut group.changed, true) {
            self.changed.push(id);
        }
    }

    fn tidy(&mut self, id: GroupId) {
        let empty = |group: &Group| group.members.is_empty() && group.readers.is_empty();
        if self.groups.get(&id).is_some_and(empty) {
            self.groups.remove(&id);
            self.forgotten = self.number;
        }
    }

    fn tidy_device(&mut self, id: PeerId) {
        let empty = |device: &Device| device.groups.is_empty() && device.readers.is_empty();
        if self.devices.get(&id).is_some_and(empty)
            && let Some(Device { left: Some(left), .. }) = self.devices.remove(&id)
        {
            self.due.remove(&(left.due_s, Due::Grace(id)));
        }
    }

    /// A new reader, and how it is told that there is news.
    pub(super) fn subscribe(
        &mut self,
        device: PeerId,
        groups: &[GroupId],
        readers: Readers,
    ) -> Result<(u64, Arc<Signal>), StoreRefusal> {
        if !self.has_room_for(device) {
            return Err(StoreRefusal::Full);
        }
        let (number, signal) = (self.next_reader, Arc::<Signal>::default());
        self.next_reader += 1;
        for group in groups {
            let group = group_of(&mut self.groups, *group, self.number);
            group.readers.push((number, signal.clone()));
        }
        let known = self.devices.entry(device).or_default();
        let most = match readers {
            Readers::Stream => self.limits.max_streams_per_device as usize,
            Readers::Poll => MAX_POLLS,
        };
        let same =
            |(_, kind, signal): &&(u64, Readers, Arc<Signal>)| *kind == readers && !signal.is_cut();
        if known.readers.iter().filter(same).count() >= most
            && let Some((_, _, oldest)) = known.readers.iter().find(same)
        {
            oldest.cut.store(true, Ordering::Relaxed);
            oldest.news.notify_one();
        }
        known.readers.push((number, readers, signal.clone()));
        Ok((number, signal))
    }

    pub(super) fn unsubscribe(
        &mut self,
        now_ms: u64,
        device: PeerId,
        groups: &[GroupId],
        number: u64,
    ) {
        for id in groups {
            if let Some(group) = self.groups.get_mut(id) {
                group.readers.retain(|(other, _)| *other != number);
            }
            self.tidy(*id);
        }
        let Some(known) = self.devices.get_mut(&device) else { return };
        let place = known.readers.iter().position(|(other, ..)| *other == number);
        let kind = place.map(|place| known.readers.remove(place).1);
        if kind == Some(Readers::Poll) {
            known.polled_ms = Some(now_ms);
        }
        if kind == Some(Readers::Stream) && !known.has_stream() {
            let due_s = second_after(now_ms + self.grace_ms);
            if let Some(before) = known.left.replace(Left { at_ms: now_ms, due_s }) {
                self.due.remove(&(before.due_s, Due::Grace(device)));
            }
            self.due.insert((due_s, Due::Grace(device)));
        }
        self.tidy_device(device);
    }

    /// What a reader that stands at `position` does not know yet; `position` is where it stands then.
    pub(super) fn take(
        &mut self,
        now_ms: u64,
        device: PeerId,
        groups: &[GroupId],
        position: &mut Position,
    ) -> Result<Taken, Lagged> {
        let mut taken = Taken::default();
        if *position == Position::Start {
            taken.events.push(Event::Reset);
            *position = Position::Snapshot { at: self.number, group: 0, after: [0; 8] };
        }
        match *position {
            Position::Snapshot { at, group, after } => {
                if at > self.number {
                    return Err(Lagged);
                }
                let place = self.snapshot(device, groups, (group, after), &mut taken);
                *position = match place {
                    Some((group, after)) => Position::Snapshot { at, group, after },
                    None => {
                        // Behind those who rang: who has just come has not heard them.
                        self.rings_until(now_ms, device, groups, at, &mut taken);
                        Position::After(at)
                    }
                };
                taken.more = place.is_some() || at < self.number;
            }
            Position::After(number) => {
                let reached = self.news(now_ms, device, groups, number, &mut taken)?;
                *position = Position::After(reached);
            }
            Position::Start => {}
        }
        Ok(taken)
    }

    /// Who is present, from a place on; where to go on, if there is more.
    fn snapshot(
        &self,
        reader: PeerId,
        groups: &[GroupId],
        (first, after): (u8, [u8; 8]),
        taken: &mut Taken,
    ) -> Option<(u8, [u8; 8])> {
        let mut bytes = 0;
        let mut place = (first, after);
        for (index, id) in groups.iter().enumerate().skip(usize::from(first)) {
            let index = u8::try_from(index).unwrap_or(u8::MAX);
            if place.0 != index {
                place = (index, [0; 8]);
            }
            let Some(group) = self.groups.get(id) else { continue };
            let from = match place.1 {
                [0, 0, 0, 0, 0, 0, 0, 0] => Bound::Unbounded,
                prefix => {
                    let mut last = [0xff; 32];
                    last[..8].copy_from_slice(&prefix);
                    Bound::Excluded(PeerId::from_digest(last))
                }
            };
            for (member, presence) in group.members.range((from, Bound::Unbounded)) {
                if *member == reader {
                    continue;
                }
                bytes += presence.json.len();
                if taken.events.len() + 1 + MAX_RINGS >= MAX_CHANGES
                    || (bytes > MAX_BATCH_BYTES && taken.events.len() > 1)
                {
                    return Some(place);
                }
                taken.events.push(Event::Present(presence.json.clone()));
                place.1 = place_of(member);
            }
        }
        taken.events.push(Event::Ready);
        None
    }

    /// Who has rung lately, up to event `at`.
    fn rings_until(
        &self,
        now_ms: u64,
        reader: PeerId,
        groups: &[GroupId],
        at: u64,
        taken: &mut Taken,
    ) {
        let rings = self.devices.get(&reader).into_iter().flat_map(|device| &device.rings);
        let fresh = rings.filter(|ring| ring.number <= at && ring.at_ms + RING_MS > now_ms);
        let mine = fresh.filter(|ring| groups.contains(&ring.group));
        taken.events.extend(mine.map(|ring| Event::Ring { group: ring.group, from: ring.from }));
    }

    /// What happened after event `known`; up to which one that is.
    fn news(
        &mut self,
        now_ms: u64,
        reader: PeerId,
        groups: &[GroupId],
        known: u64,
        taken: &mut Taken,
    ) -> Result<u64, Lagged> {
        if known > self.number {
            return Err(Lagged);
        }
        let mut news: Vec<(u64, GroupId, News)> = Vec::new();
        let mut walked = 0;
        for id in groups {
            let Some(group) = self.groups.get(id) else {
                if known < self.forgotten {
                    return Err(Lagged);
                }
                continue;
            };
            if known < group.forgotten {
                return Err(Lagged);
            }
            let first = group.log.partition_point(|entry| entry.number <= known);
            walked += group.log.len() - first;
            if walked > MAX_WALK {
                return Err(Lagged);
            }
            let mut seen = HashSet::new();
            // Only the last word of each device, told at the place of that word.
            for entry in group.log.range(first..).rev() {
                if entry.device != reader && seen.insert(entry.device) {
                    news.push((entry.number, *id, News::Of(entry.device)));
                }
            }
        }
        if let Some(device) = self.devices.get_mut(&reader) {
            while device.rings.front().is_some_and(|ring| ring.at_ms + RING_MS <= now_ms) {
                device.rings.pop_front();
            }
            let unheard = device.rings.iter().filter(|ring| ring.number > known);
            let mine = unheard.filter(|ring| groups.contains(&ring.group));
            news.extend(mine.map(|ring| (ring.number, ring.group, News::RangBy(ring.from))));
        }
        news.sort_unstable_by_key(|(number, ..)| *number);
        let (mut bytes, mut reached) = (0, known);
        for (number, group, what) in news {
            let event = match what {
                News::RangBy(from) => Event::Ring { group, from },
                News::Of(id) => {
                    let members = self.groups.get(&group).map(|group| &group.members);
                    match members.and_then(|members| members.get(&id)) {
                        Some(presence) => Event::Present(presence.json.clone()),
                        None => Event::Gone { group, id },
                    }
                }
            };
            if let Event::Present(json) = &event {
                bytes += json.len();
            }
            let full = taken.events.len() >= MAX_CHANGES || bytes > MAX_BATCH_BYTES;
            if full && !taken.events.is_empty() {
                taken.more = true;
                return Ok(reached);
            }
            taken.events.push(event);
            reached = number;
        }
        Ok(self.number)
    }

    /// Tells a member that another one asks to be called. `false`: it is not present in this group.
    pub(super) fn ring(&mut self, now_ms: u64, group: GroupId, from: PeerId, to: PeerId) -> bool {
        let present = self.is_present(group, to);
        let Some(device) = self.devices.get_mut(&to).filter(|_| present) else { return false };
        self.number += 1;
        if device.rings.len() >= MAX_RINGS {
            device.rings.pop_front();
        }
        device.rings.push_back(Rang { number: self.number, at_ms: now_ms, group, from });
        // Somebody waits for it: it is not gathered with others.
        device.readers.iter().for_each(|(_, _, signal)| signal.news.notify_one());
        true
    }

    pub(super) fn is_present(&self, group: GroupId, device: PeerId) -> bool {
        self.groups.get(&group).is_some_and(|group| group.members.contains_key(&device))
    }

    /// Wakes the readers of all groups in which something has changed.
    pub(super) fn wake(&mut self) {
        for id in std::mem::take(&mut self.changed) {
            if let Some(group) = self.groups.get_mut(&id) {
                group.changed = false;
                group.readers.iter().for_each(|(_, signal)| signal.news.notify_one());
            }
        }
    }

    /// Lets go of what is over.
    pub(super) fn expire(&mut self, now_ms: u64) {
        while let Some((second, due)) = self.due.first().copied() {
            if second > now_ms / 1000 {
                return;
            }
            self.due.pop_first();
            match due {
                Due::Presence(group, device) => self.expire_presence(now_ms, group, device),
                Due::Grace(device) => self.expire_grace(device),
            }
        }
    }

    fn expire_presence(&mut self, now_ms: u64, group: GroupId, device: PeerId) {
        let members = self.groups.get_mut(&group).map(|group| &mut group.members);
        let presence = members.and_then(|members| members.get_mut(&device));
        let Some(presence) = presence else { return };
        if presence.until_ms <= now_ms {
            return self.remove(group, device);
        }
        presence.due_s = second_after(presence.until_ms);
        self.due.insert((presence.due_s, Due::Presence(group, device)));
    }

    /// What was published after the stream had closed is of a device that is there, but has no streams now.
    fn expire_grace(&mut self, id: PeerId) {
        let Some(device) = self.devices.get_mut(&id) else { return };
        let Some(left) = device.left.take().filter(|_| !device.has_stream()) else { return };
        // It has gone over to polling, and is there.
        let has_polled = device.polled_ms.is_some_and(|at| at > left.at_ms);
        if has_polled || !device.readers.is_empty() {
            return;
        }
        for group in device.groups.clone() {
            let members = self.groups.get(&group).map(|group| &group.members);
            let presence = members.and_then(|members| members.get(&id));
            if presence.is_some_and(|presence| presence.published_ms <= left.at_ms) {
                self.remove(group, id);
            }
        }
    }

    pub(super) fn sizes(&self) -> Sizes {
        let readers = || self.devices.values().flat_map(|device| &device.readers);
        let of = |kind| readers().filter(|(_, other, _)| *other == kind).count();
        Sizes {
            devices: self.devices.len(),
            groups: self.groups.len(),
            presences: self.presences,
            streams: of(Readers::Stream),
            polls: of(Readers::Poll),
        }
    }
}

enum News {
    Of(PeerId),
    RangBy(PeerId),
}

fn group_of(groups: &mut HashMap<GroupId, Group>, id: GroupId, number: u64) -> &mut Group {
    groups.entry(id).or_insert_with(|| Group {
        members: BTreeMap::new(),
        log: VecDeque::new(),
        forgotten: number,
        readers: Vec::new(),
        changed: false,
    })
}

/// The first whole second that is not before it.
fn second_after(ms: u64) -> u64 {
    ms.div_ceil(1000)
}

impl Device {
    fn has_stream(&self) -> bool {
        self.readers.iter().any(|(_, kind, _)| *kind == Readers::Stream)
    }
}

impl Signal {
    /// A newer reader has taken its place.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
