//! Token buckets, shared by those whom a limit concerns.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets bytes through at a rate. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    /// When the bytes promised so far have been paid for.
    paid_until: Arc<Mutex<Instant>>,
}

/// What a bucket lets through at once after a pause.
const BURST: Duration = Duration::from_millis(50);

impl Bucket {
    pub(crate) fn new() -> Self {
        Self { paid_until: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Waits until `bytes` may be sent.
    pub(crate) async fn take(&self, bytes: u64, rate_bytes_per_s: u64) {
        let cost = Duration::from_secs_f64(bytes as f64 / rate_bytes_per_s.max(1) as f64);
        let until = {
            let mut paid = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            *paid = (*paid).max(now.checked_sub(BURST).unwrap_or(now)) + cost;
            *paid
        };
        tokio::time::sleep_until(until).await;
    }
}

/// How many bytes to send at once, so that a slow rate is smooth and a fast one cheap.
pub(crate) fn block_bytes(rates: impl IntoIterator<Item = Option<u64>>) -> u64 {
    const SMALLEST: u64 = 256;
    const LARGEST: u64 = 64 << 10;
    let slowest = rates.into_iter().flatten().min();
    slowest.map_or(LARGEST, |rate| (rate / 50).clamp(SMALLEST, LARGEST))
}
