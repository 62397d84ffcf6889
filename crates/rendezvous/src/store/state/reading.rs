//! Those who read: what each of them does not know yet, from the place at which it stands.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

use manyhands_core::{GroupId, PeerId};
use manyhands_wire::MAX_CHANGES;

use super::State;
use super::device::{MAX_RINGS, Signal};
use super::group::Group;
use crate::cursor::{Position, place_of};
use crate::store::{Event, Readers, StoreRefusal};

/// Entries that are looked through for one reader: who would need more begins anew, which costs less.
pub(super) const MAX_WALK: usize = 4096;
/// Long polls of one device at the same time; the next one ends the oldest.
const MAX_POLLS: usize = 4;
/// Events of one batch have at most so many bytes, or are one event.
const MAX_BATCH_BYTES: usize = 48 * 1024;

/// What a reader takes away.
#[derive(Debug, Default)]
pub(in crate::store) struct Taken {
    pub(in crate::store) events: Vec<Event>,
    pub(in crate::store) more: bool,
}

/// The reader's place has fallen out of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Lagged;

enum News {
    Of(PeerId),
    RangBy(PeerId),
}

impl State {
    /// A new reader, and how it is told that there is news.
    pub(in crate::store) fn subscribe(
        &mut self,
        device: PeerId,
        groups: &[GroupId],
        readers: Readers,
    ) -> Result<(u64, Arc<Signal>), StoreRefusal> {
        if !self.has_room_for(device) {
            return Err(StoreRefusal::Full);
        }
        let most = match readers {
            Readers::Stream => self.limits.max_streams_per_device as usize,
            Readers::Poll => MAX_POLLS,
        };
        let number = self.next_reader;
        self.next_reader += 1;
        let signal = self.devices.entry(device).or_default().add_reader(number, readers, most);
        for group in groups {
            let group = self.groups.entry(*group).or_insert_with(|| Group::new(self.forgotten));
            group.readers.push((number, signal.clone()));
        }
        Ok((number, signal))
    }

    pub(in crate::store) fn unsubscribe(
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
        match known.remove_reader(number) {
            Some(Readers::Poll) => known.polled_ms = Some(now_ms),
            Some(Readers::Stream) if !known.has_stream() => self.begin_grace(now_ms, device),
            _ => {}
        }
        self.tidy_device(device);
    }

    /// What a reader that stands at `position` does not know yet; `position` is where it stands then.
    pub(in crate::store) fn take(
        &self,
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
        let Some(device) = self.devices.get(&reader) else { return };
        let rings = device.rings(now_ms, groups).filter(|ring| ring.number <= at);
        taken.events.extend(rings.map(|ring| Event::Ring { group: ring.group, from: ring.from }));
    }

    /// What happened after event `known`; up to which one that is.
    fn news(
        &self,
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
            let entries = group.log.since(known)?;
            walked += entries.len();
            if walked > MAX_WALK {
                return Err(Lagged);
            }
            let mut seen = HashSet::new();
            // Only the last word of each device, told at the place of that word.
            for entry in entries.rev() {
                if entry.device != reader && seen.insert(entry.device) {
                    news.push((entry.number, *id, News::Of(entry.device)));
                }
            }
        }
        if let Some(device) = self.devices.get(&reader) {
            let unheard = device.rings(now_ms, groups).filter(|ring| ring.number > known);
            news.extend(unheard.map(|ring| (ring.number, ring.group, News::RangBy(ring.from))));
        }
        news.sort_unstable_by_key(|(number, ..)| *number);
        let (mut bytes, mut reached) = (0, known);
        for (number, group, what) in news {
            let event = match what {
                News::RangBy(from) => Event::Ring { group, from },
                News::Of(id) => match self.presence(group, id) {
                    Some(presence) => Event::Present(presence.json.clone()),
                    None => Event::Gone { group, id },
                },
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

    /// Wakes the readers of all groups in which something has changed.
    pub(in crate::store) fn wake(&mut self) {
        for id in std::mem::take(&mut self.changed) {
            if let Some(group) = self.groups.get_mut(&id) {
                group.wake();
            }
        }
    }
}
