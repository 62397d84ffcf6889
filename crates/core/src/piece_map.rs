//! Which bytes of a file are on disk, from whom, and how certainly.
//!
//! Kept byte by byte, as runs: a lease may be cut inside a piece, and what is there of a piece must not be fetched twice
//! after a crash. Every byte is in one of three states: missing, *written* (the system has it; survives the program's
//! death), or *synced* (on the disk; survives the machine's). Synced bytes are written bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{MAP_CHUNK_BYTES, MAP_CHUNK_ENTRIES};
use crate::{ByteRange, MapChunk, RangeSet, SourceId};

/// The piece map of one download.
#[derive(Clone, Debug, Default)]
pub struct PieceMap {
    /// start → (end, source); neighbours of one source are one run.
    runs: BTreeMap<u64, (u64, SourceId)>,
    written: RangeSet,
    synced: RangeSet,
    /// Chunks that differ from what was taken for storing last.
    dirty: BTreeSet<u32>,
}

/// What a stretch of the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Who brought most of it; `None`: nothing is there.
    pub source: Option<SourceId>,
    pub bytes: u64,
}

impl PieceMap {
    /// The map as it was stored. The written claim counts only when it was made since the machine started (`boot_id`).
    #[must_use]
    pub fn restore(chunks: &[MapChunk], boot_id: &str) -> Self {
        let mut map = Self::default();
        for chunk in chunks {
            let synced: RangeSet = chunk
                .synced
                .iter()
                .filter_map(|(start, end)| ByteRange::new(*start, *end))
                .collect();
            for (start, end, source) in &chunk.written {
                let Some(run) = ByteRange::new(*start, *end) else { continue };
                if chunk.boot_id == boot_id {
                    map.insert(run, *source);
                } else {
                    synced.iter_within(run).for_each(|run| map.insert(run, *source));
                }
            }
            synced.iter().for_each(|range| {
                let there: Vec<_> = map.written.iter_within(range).collect();
                there.into_iter().for_each(|range| map.synced.insert(range));
            });
        }
        map.dirty.clear();
        map
    }

    /// Every byte that these portions ever claimed as written, whatever has become of the machine since.
    #[must_use]
    pub fn ever_written(chunks: &[MapChunk]) -> RangeSet {
        let runs = chunks.iter().flat_map(|chunk| &chunk.written);
        runs.filter_map(|(start, end, _)| ByteRange::new(*start, *end)).collect()
    }

    /// Only what is synced is there for certain.
    pub fn keep_synced(&mut self) {
        let lost: Vec<_> = self.written.iter().flat_map(|range| self.synced.gaps(range)).collect();
        lost.into_iter().for_each(|range| self.remove(range));
    }

    /// What this source brought is not there.
    pub fn forget_source(&mut self, source: SourceId) {
        let runs = self.runs.iter().filter(|(_, (_, who))| *who == source);
        let runs: Vec<_> =
            runs.filter_map(|(start, (end, _))| ByteRange::new(*start, *end)).collect();
        runs.into_iter().for_each(|range| self.remove(range));
    }

    fn remove(&mut self, range: ByteRange) {
        let kept: Vec<_> = self.runs_within(range).collect();
        for (part, source) in kept {
            // The run that holds this part, and what of it stays.
            let holder = self.runs.range(..=part.start()).next_back().map(|(s, (e, _))| (*s, *e));
            let Some((start, end)) = holder else { continue };
            self.runs.remove(&start);
            for (start, end) in [(start, part.start()), (part.end(), end)] {
                if start < end {
                    self.runs.insert(start, (end, source));
                }
            }
        }
        self.written.remove(range);
        self.synced.remove(range);
        self.touch(range);
    }

    /// These bytes are written. Who brought a byte first keeps it.
    pub fn record_written(&mut self, range: ByteRange, source: SourceId) {
        for gap in self.written.gaps(range) {
            self.insert(gap, source);
        }
    }

    /// Everything of `covered` that is written is synced too.
    pub fn record_synced(&mut self, covered: &RangeSet) {
        for range in covered.iter() {
            let there: Vec<_> = self.written.iter_within(range).collect();
            for range in there {
                if !self.synced.contains(range) {
                    self.synced.insert(range);
                    self.touch(range);
                }
            }
        }
    }

    /// Bytes that are written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.written.len()
    }

    /// Bytes that this source brought and that are written.
    #[must_use]
    pub fn bytes_of(&self, source: SourceId) -> u64 {
        self.runs
            .iter()
            .filter(|(_, (_, who))| *who == source)
            .map(|(start, (end, _))| end - start)
            .sum()
    }

    #[must_use]
    pub fn written(&self) -> &RangeSet {
        &self.written
    }

    #[must_use]
    pub fn has_unsynced(&self) -> bool {
        self.synced.len() < self.written.len()
    }

    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// The portions to store since the last call.
    pub fn take_dirty(&mut self, boot_id: &str) -> Vec<MapChunk> {
        std::mem::take(&mut self.dirty)
            .into_iter()
            .map(|index| self.chunk(index, boot_id))
            .collect()
    }

    /// What `within` holds, for drawing.
    #[must_use]
    pub fn share(&self, within: ByteRange) -> Share {
        let mut bytes_by_source = BTreeMap::new();
        for (range, source) in self.runs_within(within) {
            *bytes_by_source.entry(source).or_insert(0) += range.len();
        }
        Share {
            bytes: bytes_by_source.values().sum(),
            source: bytes_by_source
                .into_iter()
                .max_by_key(|(_, bytes)| *bytes)
                .map(|(source, _)| source),
        }
    }

    fn runs_within(&self, within: ByteRange) -> impl Iterator<Item = (ByteRange, SourceId)> + '_ {
        let before = self.runs.range(..within.start()).next_back();
        before.into_iter().chain(self.runs.range(within.start()..within.end())).filter_map(
            move |(start, (end, source))| {
                Some((ByteRange::new(*start, *end)?.intersection(within)?, *source))
            },
        )
    }

    fn chunk(&self, index: u32, boot_id: &str) -> MapChunk {
        let within = ByteRange::from_len(u64::from(index) * MAP_CHUNK_BYTES, MAP_CHUNK_BYTES);
        let mut written: Vec<_> =
            self.runs_within(within).map(|(r, source)| (r.start(), r.end(), source)).collect();
        if written.len() > MAP_CHUNK_ENTRIES {
            written.sort_by_key(|(start, end, _)| std::cmp::Reverse(end - start));
            written.truncate(MAP_CHUNK_ENTRIES);
            written.sort_unstable();
        }
        let mut synced: Vec<_> = self.synced.iter_within(within).map(<(u64, u64)>::from).collect();
        if synced.len() > MAP_CHUNK_ENTRIES {
            synced.sort_by_key(|(start, end)| std::cmp::Reverse(end - start));
            synced.truncate(MAP_CHUNK_ENTRIES);
            synced.sort_unstable();
        }
        MapChunk { index, boot_id: boot_id.to_owned(), written, synced }
    }

    /// Inserts a run of which no byte is there yet.
    fn insert(&mut self, range: ByteRange, source: SourceId) {
        if range.is_empty() || self.written.len_within(range) > 0 {
            return;
        }
        let (mut start, mut end) = (range.start(), range.end());
        if let Some((s, (e, who))) = self.runs.range(..start).next_back()
            && *e == start
            && *who == source
        {
            start = *s;
        }
        if let Some((e, who)) = self.runs.get(&end).copied()
            && who == source
        {
            self.runs.remove(&end);
            end = e;
        }
        self.runs.insert(start, (end, source));
        self.written.insert(range);
        self.touch(range);
    }

    fn touch(&mut self, range: ByteRange) {
        let first = (range.start() / MAP_CHUNK_BYTES) as u32;
        let last = (range.end().saturating_sub(1) / MAP_CHUNK_BYTES) as u32;
        self.dirty.extend(first..=last);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steps() -> impl Strategy<Value = Vec<(u64, u64, u16, bool)>> {
        prop::collection::vec((0_u64..3 << 30, 1_u64..1 << 29, 0_u16..3, any::<bool>()), 1..40)
    }

    proptest! {
        #[test]
        fn a_restored_map_claims_nothing_that_was_not_recorded(steps in steps(), restarted in any::<bool>()) {
            let (mut map, mut written, mut synced) = (PieceMap::default(), RangeSet::new(), RangeSet::new());
            let mut stored = BTreeMap::new();
            for (start, len, source, sync) in steps {
                let range = ByteRange::from_len(start, len);
                map.record_written(range, SourceId(source));
                written.insert(range);
                if sync {
                    synced = written.clone();
                    map.record_synced(&synced);
                }
                stored.extend(map.take_dirty("boot 1").into_iter().map(|c| (c.index, c)));
                prop_assert!(!map.is_dirty());
                prop_assert_eq!(map.bytes(), written.len());
            }
            let chunks: Vec<_> = stored.into_values().collect();
            let back = PieceMap::restore(&chunks, if restarted { "boot 2" } else { "boot 1" });
            prop_assert_eq!(back.written(), if restarted { &synced } else { &written });
            prop_assert_eq!(&back.synced, &synced);
            let whole = ByteRange::from_len(0, 4 << 30);
            let by_runs: u64 = back.runs_within(whole).map(|(r, _)| r.len()).sum();
            prop_assert_eq!(by_runs, back.bytes());
            if !restarted {
                prop_assert_eq!(back.runs, map.runs);
            }
        }
    }

    #[test]
    fn a_stored_portion_leaves_out_the_smallest_runs_when_there_are_too_many() {
        let mut map = PieceMap::default();
        for i in 0..MAP_CHUNK_ENTRIES as u64 + 500 {
            map.record_written(ByteRange::from_len(i * 1000, 1 + i % 900), SourceId::ORIGIN);
        }
        let chunks = map.take_dirty("b");
        assert_eq!(chunks.iter().map(|c| c.written.len()).collect::<Vec<_>>(), [MAP_CHUNK_ENTRIES]);
        let back = PieceMap::restore(&chunks, "b");
        assert!(back.bytes() < map.bytes() && back.bytes() > map.bytes() / 2);
        assert!(back.written().iter().all(|range| map.written().contains(range)));
    }

    #[test]
    fn what_is_forgotten_is_missing_and_nothing_else_is() {
        let mut map = PieceMap::default();
        let range = ByteRange::from_len;
        map.record_written(range(0, 10), SourceId(0));
        map.record_written(range(10, 10), SourceId(1));
        map.record_synced(&[range(0, 15)].into_iter().collect());
        map.record_written(range(20, 10), SourceId(0));
        map.take_dirty("b");
        let mut without = map.clone();
        without.forget_source(SourceId(1));
        assert_eq!(without.written().iter().collect::<Vec<_>>(), [range(0, 10), range(20, 10)]);
        assert_eq!(PieceMap::restore(&without.take_dirty("b"), "b").bytes(), 20);
        map.keep_synced();
        assert_eq!(map.written().iter().collect::<Vec<_>>(), [range(0, 15)]);
        assert_eq!((map.bytes_of(SourceId(0)), map.bytes_of(SourceId(1))), (10, 5));
        assert_eq!(PieceMap::restore(&map.take_dirty("b"), "other").bytes(), 15);
    }

    #[test]
    fn who_brought_a_byte_first_keeps_it() {
        let mut map = PieceMap::default();
        map.record_written(ByteRange::from_len(10, 10), SourceId(1));
        map.record_written(ByteRange::from_len(0, 30), SourceId(2));
        let share = |start, len| map.share(ByteRange::from_len(start, len));
        assert_eq!(share(10, 10), Share { source: Some(SourceId(1)), bytes: 10 });
        assert_eq!(share(0, 30), Share { source: Some(SourceId(2)), bytes: 30 });
        assert_eq!(share(30, 5), Share { source: None, bytes: 0 });
    }
}
