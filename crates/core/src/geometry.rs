//! How a file is divided into pieces.

use crate::ByteRange;

/// The smallest size of a piece.
pub const MIN_PIECE_BYTES: u64 = 1 << 20;
/// A piece is doubled in size until there are at most so many.
pub const MAX_PIECES: u64 = 65_536;

/// The division of a file of known length into pieces of equal size; the last may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    length: u64,
    piece_bytes: u64,
}

/// A piece of one file; only its [`Geometry`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PieceIndex(u32);

impl Geometry {
    #[must_use]
    pub fn new(length: u64) -> Self {
        let mut piece_bytes = MIN_PIECE_BYTES;
        while length.div_ceil(piece_bytes) > MAX_PIECES {
            piece_bytes *= 2;
        }
        Self { length, piece_bytes }
    }

    #[must_use]
    pub fn length(self) -> u64 {
        self.length
    }

    #[must_use]
    pub fn piece_bytes(self) -> u64 {
        self.piece_bytes
    }

    /// How many pieces there are; 0 for an empty file.
    #[must_use]
    pub fn count(self) -> u32 {
        self.length.div_ceil(self.piece_bytes) as u32
    }

    pub fn pieces(self) -> impl Iterator<Item = PieceIndex> {
        (0..self.count()).map(PieceIndex)
    }

    #[must_use]
    pub fn range(self, piece: PieceIndex) -> ByteRange {
        let start = u64::from(piece.0) * self.piece_bytes;
        ByteRange::from_len(start, self.piece_bytes.min(self.length - start))
    }

    /// The file in `count` parts of equal size at most, for drawing; fewer where there are fewer pieces.
    #[must_use]
    pub fn cells(self, count: u32) -> Vec<ByteRange> {
        let count = u64::from(count.min(self.count()));
        let edge =
            |i: u64| (u128::from(self.length) * u128::from(i) / u128::from(count.max(1))) as u64;
        (0..count).filter_map(|i| ByteRange::new(edge(i), edge(i + 1))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_file_and_stay_few() {
        for length in [0, 1, MIN_PIECE_BYTES, MIN_PIECE_BYTES + 1, (65_536 << 20) + 1, 1 << 53] {
            let geometry = Geometry::new(length);
            assert!(u64::from(geometry.count()) <= MAX_PIECES);
            let mut at = 0;
            for range in geometry.pieces().map(|p| geometry.range(p)) {
                assert_eq!(range.start(), at);
                at = range.end();
            }
            assert_eq!(at, length);
            let cells = geometry.cells(512);
            assert!(cells.len() <= 512);
            assert_eq!(cells.iter().map(|c| c.len()).sum::<u64>(), length);
        }
    }
}
