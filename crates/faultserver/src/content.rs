//! Content that is a function of seed and offset.

use std::ops::Range;

/// The bytes `range` of the endless file that belongs to `seed`.
#[must_use]
pub fn content(seed: u64, range: Range<u64>) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0)];
    fill(seed, range.start, &mut bytes);
    bytes
}

/// Fills `bytes` with what the file of `seed` has from `offset` on.
pub fn fill(seed: u64, offset: u64, bytes: &mut [u8]) {
    let mut index = offset / 8;
    // The first word may begin before the offset.
    let head = bytes.len().min((8 - offset % 8) as usize % 8);
    let (first, rest) = bytes.split_at_mut(head);
    if head > 0 {
        let skip = (offset % 8) as usize;
        first.copy_from_slice(&word(seed, index)[skip..skip + head]);
        index += 1;
    }
    for out in rest.chunks_mut(8) {
        out.copy_from_slice(&word(seed, index)[..out.len()]);
        index += 1;
    }
}

/// SplitMix64: every 8 bytes can be had alone.
fn word(seed: u64, index: u64) -> [u8; 8] {
    let mut z = seed
        .wrapping_mul(0xD1B5_4A32_D192_ED03)
        .wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_is_a_cut_of_the_whole() {
        let whole = content(7, 0..64);
        for start in 0..64 {
            for end in start..64 {
                let part = content(7, start..end);
                assert_eq!(part, whole[start as usize..end as usize], "{start}..{end}");
            }
        }
        assert_ne!(whole, content(8, 0..64));
    }

    #[test]
    fn offsets_past_four_gibibytes_differ_from_low_ones() {
        assert_ne!(content(1, 0..32), content(1, (1 << 32)..(1 << 32) + 32));
        assert_ne!(content(1, 0..32), content(1, (1 << 53)..(1 << 53) + 32));
    }
}
