//! What belongs to all running downloads together.

use std::collections::VecDeque;

use crate::{Effect, RunId};

/// What belongs to every download and to all of them.
#[derive(Debug)]
pub(crate) struct Shared {
    pub effects: VecDeque<Effect>,
    pub next_lease: u64,
    pub boot_id: String,
    pub random: u64,
}

impl Shared {
    pub(super) fn next_run(&mut self) -> RunId {
        self.next_lease += 1;
        RunId(self.next_lease)
    }

    /// 0.0–1.0, from the seed given by the shell (xorshift64*).
    pub(super) fn jitter(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
