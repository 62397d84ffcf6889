//! The stored form of a portion of a piece map: a version byte, then postcard.
//!
//! Offsets are stored as distances from the end of the range before, the first one from the start
//! of the portion: they fit into 32 bits, and a portion with the most entries that are allowed
//! stays below the bound on values wherever it lies in a file.

use manyhands_core::{MAP_CHUNK_BYTES, MAP_CHUNK_ENTRIES, MapChunk, SourceId};
use serde::{Deserialize, Serialize};

/// The stored form that this program writes.
const VERSION: u8 = 1;
/// Linux writes its boot ids with 36 characters.
const MAX_BOOT_ID_BYTES: usize = 64;

#[derive(Serialize, Deserialize)]
struct Version1 {
    boot_id: String,
    /// (gap before, length, source)
    written: Vec<(u32, u32, u16)>,
    /// (gap before, length)
    synced: Vec<(u32, u32)>,
}

/// Errors say what about the portion breaks the contract of [`MapChunk`].
pub fn encode(chunk: &MapChunk) -> Result<Vec<u8>, &'static str> {
    if chunk.boot_id.len() > MAX_BOOT_ID_BYTES {
        return Err("the boot id is too long");
    }
    if chunk.written.len().max(chunk.synced.len()) > MAP_CHUNK_ENTRIES {
        return Err("too many entries");
    }
    let written = gaps(chunk.index, chunk.written.iter().map(|(start, end, _)| (*start, *end)))?;
    let stored = Version1 {
        boot_id: chunk.boot_id.clone(),
        written: std::iter::zip(written, &chunk.written)
            .map(|((gap, len), (_, _, source))| (gap, len, source.0))
            .collect(),
        synced: gaps(chunk.index, chunk.synced.iter().copied())?,
    };
    postcard::to_extend(&stored, vec![VERSION]).map_err(|_| "it cannot be encoded")
}

/// Errors say why the stored bytes are no portion of a piece map.
pub fn decode(index: u32, bytes: &[u8]) -> Result<MapChunk, &'static str> {
    let Some((&VERSION, rest)) = bytes.split_first() else {
        return Err("it is of another version");
    };
    let stored: Version1 = postcard::from_bytes(rest).map_err(|_| "it is damaged")?;
    let written = ranges(index, stored.written.iter().map(|(gap, len, _)| (*gap, *len)))?;
    Ok(MapChunk {
        index,
        boot_id: stored.boot_id,
        written: std::iter::zip(written, stored.written)
            .map(|((start, end), (_, _, source))| (start, end, SourceId(source)))
            .collect(),
        synced: ranges(index, stored.synced)?,
    })
}

fn gaps(
    index: u32,
    ranges: impl Iterator<Item = (u64, u64)>,
) -> Result<Vec<(u32, u32)>, &'static str> {
    let mut at = first(index);
    let end_of_chunk = at + MAP_CHUNK_BYTES;
    ranges
        .map(|(start, end)| {
            if start < at || end < start || end > end_of_chunk {
                return Err("the ranges are not sorted, overlap or lie outside");
            }
            let (gap, len) = (start - at, end - start);
            at = end;
            u32::try_from(gap)
                .and_then(|gap| Ok((gap, u32::try_from(len)?)))
                .map_err(|_| "too long")
        })
        .collect()
}

fn ranges(
    index: u32,
    gaps: impl IntoIterator<Item = (u32, u32)>,
) -> Result<Vec<(u64, u64)>, &'static str> {
    let mut at = first(index);
    let end_of_chunk = at + MAP_CHUNK_BYTES;
    gaps.into_iter()
        .map(|(gap, len)| {
            let start = at + u64::from(gap);
            at = start + u64::from(len);
            if at > end_of_chunk { Err("it reaches beyond its end") } else { Ok((start, at)) }
        })
        .collect()
}

fn first(index: u32) -> u64 {
    u64::from(index) * MAP_CHUNK_BYTES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::database::MAX_VALUE_BYTES;

    /// Portion 3 with a boot id, two ranges from two sources and one synced, as version 1 stores
    /// it.
    const GOLDEN: &[u8] = &[
        1, // version
        2, b'b', b'7', // boot id
        2, 0, 0x80, 0x20, 0, 0x80, 0x08, 0x80, 0x80, 0x40, 5, // written
        1, 0x80, 0x08, 0x80, 0x18, // synced
    ];

    fn golden() -> MapChunk {
        let at = 3 * MAP_CHUNK_BYTES;
        MapChunk {
            index: 3,
            boot_id: "b7".to_owned(),
            written: vec![
                (at, at + 4096, SourceId::ORIGIN),
                (at + 5120, at + 5120 + (1 << 20), SourceId(5)),
            ],
            synced: vec![(at + 1024, at + 4096)],
        }
    }

    #[test]
    fn version_1_is_read_and_written() {
        assert_eq!(decode(3, GOLDEN), Ok(golden()));
        assert_eq!(encode(&golden()).as_deref(), Ok(GOLDEN));
    }

    #[test]
    fn the_largest_portion_stays_below_the_bound_anywhere_in_a_file() {
        let index = u32::MAX;
        let (start, step) = (first(index), MAP_CHUNK_BYTES / MAP_CHUNK_ENTRIES as u64);
        let starts = (0..MAP_CHUNK_ENTRIES as u64).map(|i| start + i * step);
        let chunk = MapChunk {
            index,
            boot_id: "x".repeat(MAX_BOOT_ID_BYTES),
            written: starts.clone().map(|s| (s + step / 2, s + step, SourceId(u16::MAX))).collect(),
            synced: starts.map(|s| (s + step / 2, s + step - 1)).collect(),
        };
        let bytes = encode(&chunk).unwrap();
        assert!(bytes.len() <= MAX_VALUE_BYTES / 2, "{} bytes", bytes.len());
        assert_eq!(decode(index, &bytes), Ok(chunk));
    }

    #[test]
    fn portions_that_break_the_contract_are_refused() {
        let mut too_many = golden();
        too_many.synced = (0..=MAP_CHUNK_ENTRIES as u64)
            .map(|i| (first(3) + 2 * i, first(3) + 2 * i + 1))
            .collect();
        assert!(encode(&too_many).is_err());
        for written in [
            vec![(first(3) + 10, first(3) + 5)],
            vec![(first(3) - 1, first(3) + 5)],
            vec![(first(4) - 1, first(4) + 1)],
            vec![(first(3) + 10, first(3) + 20), (first(3) + 15, first(3) + 30)],
            vec![(first(3) + 10, first(3) + 20), (first(3), first(3) + 5)],
        ] {
            let written: Vec<_> = written.into_iter().map(|(s, e)| (s, e, SourceId(0))).collect();
            assert!(encode(&MapChunk { written, ..golden() }).is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            index in any::<u32>(),
            boot_id in "[0-9a-f-]{0,36}",
            written in prop::collection::vec((0_u32..100_000, 1_u32..400_000, any::<u16>()), 0..200),
            synced in prop::collection::vec((0_u32..100_000, 0_u32..400_000), 0..200),
        ) {
            let chunk = MapChunk {
                index,
                boot_id,
                synced: ranges(index, synced).unwrap(),
                written: std::iter::zip(
                    ranges(index, written.iter().map(|(gap, len, _)| (*gap, *len))).unwrap(),
                    &written,
                )
                .map(|((start, end), (_, _, source))| (start, end, SourceId(*source)))
                .collect(),
            };
            prop_assert_eq!(decode(index, &encode(&chunk).unwrap()), Ok(chunk));
        }

        #[test]
        fn garbage_is_refused_or_read_never_more(
            index in any::<u32>(),
            bytes in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            for bytes in [bytes.clone(), [vec![VERSION], bytes].concat()] {
                if let Ok(chunk) = decode(index, &bytes) {
                    let end = first(index) + MAP_CHUNK_BYTES;
                    prop_assert!(chunk.written.iter().all(|(s, e, _)| first(index) <= *s && s <= e && *e <= end));
                }
            }
        }
    }
}
