//! One device: in which groups it is, by what it reads, and who has rung it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use manyhands_core::{GroupId, PeerId};
use tokio::sync::Notify;

use crate::store::Readers;

/// Rings that wait for one device. Beyond that the oldest are lost: it is being called a lot already.
pub(super) const MAX_RINGS: usize = 32;
/// A ring that was not fetched for so long is not news any more.
const RING_MS: u64 = 60_000;

#[derive(Debug, Default)]
pub(super) struct Device {
    pub(super) groups: Vec<GroupId>,
    /// The oldest first.
    pub(super) readers: Vec<Reading>,
    /// The oldest first.
    rings: VecDeque<Rang>,
    /// When its last stream closed, and in which second it is looked whether it came back.
    pub(super) left: Option<Left>,
    /// When its last long poll ended.
    pub(super) polled_ms: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Reading {
    pub(super) number: u64,
    pub(super) kind: Readers,
    signal: Arc<Signal>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) at_ms: u64,
    pub(super) due_s: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rang {
    pub(super) number: u64,
    at_ms: u64,
    pub(super) group: GroupId,
    pub(super) from: PeerId,
}

/// How a reader is told that it should look.
#[derive(Debug, Default)]
pub(in crate::store) struct Signal {
    pub(in crate::store) news: Notify,
    cut: AtomicBool,
}

impl Device {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.readers.is_empty()
    }

    pub(super) fn has_stream(&self) -> bool {
        self.readers.iter().any(|reader| reader.kind == Readers::Stream)
    }

    /// One more reader; when there are `most` of its kind the oldest of them ends.
    pub(super) fn add_reader(&mut self, number: u64, kind: Readers, most: usize) -> Arc<Signal> {
        let same = |reader: &&Reading| reader.kind == kind && !reader.signal.is_cut();
        if self.readers.iter().filter(same).count() >= most
            && let Some(oldest) = self.readers.iter().find(same)
        {
            oldest.signal.cut.store(true, Ordering::Relaxed);
            oldest.signal.news.notify_one();
        }
        let signal = Arc::<Signal>::default();
        self.readers.push(Reading { number, kind, signal: signal.clone() });
        signal
    }

    /// Its kind, if there was one.
    pub(super) fn remove_reader(&mut self, number: u64) -> Option<Readers> {
        let place = self.readers.iter().position(|reader| reader.number == number);
        place.map(|place| self.readers.remove(place).kind)
    }

    pub(super) fn ring(&mut self, number: u64, at_ms: u64, group: GroupId, from: PeerId) {
        if self.rings.len() >= MAX_RINGS {
            self.rings.pop_front();
        }
        self.rings.push_back(Rang { number, at_ms, group, from });
        // Somebody waits for it: it is not gathered with others.
        self.readers.iter().for_each(|reader| reader.signal.news.notify_one());
    }

    /// Who has rung lately in one of these groups.
    pub(super) fn rings<'a>(
        &'a self,
        now_ms: u64,
        groups: &'a [GroupId],
    ) -> impl Iterator<Item = &'a Rang> {
        let fresh = self.rings.iter().filter(move |ring| ring.at_ms + RING_MS > now_ms);
        fresh.filter(|ring| groups.contains(&ring.group))
    }
}

impl Signal {
    /// A newer reader has taken its place.
    pub(in crate::store) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }
}
