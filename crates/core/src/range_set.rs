//! Sets of bytes, kept as sorted ranges that neither touch nor overlap.

use std::collections::BTreeMap;

use crate::ByteRange;

/// A set of byte offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// start → end
    ranges: BTreeMap<u64, u64>,
    len: u64,
}

impl RangeSet {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes are in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Adds `range`; what is there already stays.
    pub fn insert(&mut self, range: ByteRange) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start(), range.end());
        let touching: Vec<(u64, u64)> = self
            .ranges
            .range(..=end)
            .rev()
            .take_while(|(_, e)| **e >= start)
            .map(|(s, e)| (*s, *e))
            .collect();
        for (s, e) in touching {
            self.ranges.remove(&s);
            self.len -= e - s;
            start = start.min(s);
            end = end.max(e);
        }
        self.ranges.insert(start, end);
        self.len += end - start;
    }

    /// Takes `range` out; what was not there is no error.
    pub fn remove(&mut self, range: ByteRange) {
        if range.is_empty() {
            return;
        }
        let overlapping: Vec<(u64, u64)> = self
            .ranges
            .range(..range.end())
            .rev()
            .take_while(|(_, e)| **e > range.start())
            .map(|(s, e)| (*s, *e))
            .collect();
        for (s, e) in overlapping {
            self.ranges.remove(&s);
            self.len -= e - s;
            for (s, e) in [(s, range.start()), (range.end(), e)] {
                if s < e {
                    self.ranges.insert(s, e);
                    self.len += e - s;
                }
            }
        }
    }

    /// The ranges from the lowest on.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = ByteRange> + '_ {
        self.ranges.iter().map(|(s, e)| ByteRange::from_len(*s, e - s))
    }

    /// The ranges that meet `within`, clipped to it, from the lowest on.
    pub fn iter_within(&self, within: ByteRange) -> impl Iterator<Item = ByteRange> + '_ {
        let before = self.ranges.range(..within.start()).next_back();
        before
            .into_iter()
            .chain(self.ranges.range(within.start()..within.end()))
            .filter_map(move |(s, e)| ByteRange::from_len(*s, e - s).intersection(within))
    }

    /// What of `within` is not in the set, from the lowest on.
    #[must_use]
    pub fn gaps(&self, within: ByteRange) -> Vec<ByteRange> {
        let (mut at, mut gaps) = (within.start(), Vec::new());
        for range in self.iter_within(within) {
            gaps.extend(ByteRange::new(at, range.start()).filter(|gap| !gap.is_empty()));
            at = range.end();
        }
        gaps.extend(ByteRange::new(at, within.end()).filter(|gap| !gap.is_empty()));
        gaps
    }

    /// How many bytes of `within` are in the set.
    #[must_use]
    pub fn len_within(&self, within: ByteRange) -> u64 {
        self.iter_within(within).map(ByteRange::len).sum()
    }

    #[must_use]
    pub fn contains(&self, range: ByteRange) -> bool {
        range.is_empty()
            || self
                .ranges
                .range(..=range.start())
                .next_back()
                .is_some_and(|(_, e)| *e >= range.end())
    }
}

impl FromIterator<ByteRange> for RangeSet {
    fn from_iter<I: IntoIterator<Item = ByteRange>>(ranges: I) -> Self {
        let mut set = Self::new();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_set_agrees_with_a_plain_list_of_bytes(
            steps in prop::collection::vec((any::<bool>(), 0_u64..64, 0_u64..24), 1..40)
        ) {
            let (mut set, mut bytes) = (RangeSet::new(), [false; 96]);
            for (add, start, len) in steps {
                let range = ByteRange::from_len(start, len);
                if add { set.insert(range) } else { set.remove(range) }
                bytes[start as usize..(start + len) as usize].fill(add);
                prop_assert_eq!(set.len(), bytes.iter().filter(|b| **b).count() as u64);
                let ranges: Vec<_> = set.iter().collect();
                prop_assert!(ranges.windows(2).all(|w| w[0].end() < w[1].start()));
                for (i, there) in bytes.iter().enumerate() {
                    prop_assert_eq!(set.contains(ByteRange::from_len(i as u64, 1)), *there);
                }
                let within = ByteRange::from_len(7, 61);
                let gaps: u64 = set.gaps(within).iter().map(|g| g.len()).sum();
                prop_assert_eq!(gaps + set.len_within(within), within.len());
            }
        }
    }
}
