//! One group: who is present in it, who reads, and the log of what changed.

use std::collections::vec_deque::Iter;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use manyhands_core::PeerId;

use super::device::Signal;
use super::reading::Lagged;

/// Changes of one group that are remembered for readers. A group of a thousand may come back at once, and readers still
/// follow.
const MAX_LOG_ENTRIES: usize = 2048;
/// … in a small group: twice its members, and at least so many.
pub(super) const LEAST_LOG_ENTRIES: usize = 64;
/// A log that is longer than its group needs loses one more entry every so many changes.
const SHRINK_EVERY: u64 = 4;

#[derive(Debug)]
pub(super) struct Group {
    pub(super) members: BTreeMap<PeerId, Presence>,
    pub(super) log: Log,
    pub(super) readers: Vec<(u64, Arc<Signal>)>,
    /// Its readers have not been woken since the last change.
    pub(super) changed: bool,
}

#[derive(Debug)]
pub(super) struct Presence {
    pub(super) seq: u64,
    pub(super) until_ms: u64,
    /// When its device was last heard of.
    pub(super) heard_ms: u64,
    /// When it is looked at.
    pub(super) due_s: u64,
    pub(super) content: [u8; 16],
    pub(super) json: Bytes,
}

/// Of whom there was news, the latest last.
#[derive(Debug)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    /// It says nothing of what happened up to here.
    forgotten: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) device: PeerId,
}

impl Group {
    /// What happened up to `forgotten` is not known.
    pub(super) fn new(forgotten: u64) -> Self {
        Self {
            members: BTreeMap::new(),
            log: Log { entries: VecDeque::new(), forgotten },
            readers: Vec::new(),
            changed: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.readers.is_empty()
    }

    /// Whether it is the first change since the readers were woken.
    pub(super) fn change(&mut self, number: u64, device: PeerId) -> bool {
        self.log.push(Entry { number, device }, self.members.len());
        !std::mem::replace(&mut self.changed, true)
    }

    pub(super) fn wake(&mut self) {
        self.changed = false;
        self.readers.iter().for_each(|(_, signal)| signal.news.notify_one());
    }
}

impl Log {
    fn push(&mut self, entry: Entry, members: usize) {
        let room = (2 * members).clamp(LEAST_LOG_ENTRIES, MAX_LOG_ENTRIES);
        // Now and then one more than comes, and no faster: when all leave at once, those who stay still hear of it.
        let over = 1 + u64::from(entry.number.is_multiple_of(SHRINK_EVERY));
        for _ in 0..over {
            if self.entries.len() >= room
                && let Some(oldest) = self.entries.pop_front()
            {
                self.forgotten = oldest.number;
            }
        }
        self.entries.push_back(entry);
    }

    /// What came after `known`.
    pub(super) fn since(&self, known: u64) -> Result<Iter<'_, Entry>, Lagged> {
        if known < self.forgotten {
            return Err(Lagged);
        }
        let first = self.entries.partition_point(|entry| entry.number <= known);
        Ok(self.entries.range(first..))
    }

    /// The number of the last change.
    pub(super) fn last(&self) -> u64 {
        self.entries.back().map_or(self.forgotten, |entry| entry.number)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
