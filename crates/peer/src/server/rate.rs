//! How fast content goes out.
//!
//! A token bucket in bytes. Streams stand in line for it (tokio's mutex serves in order), each goes
//! with a portion of at most a tenth of a second's worth, and may leave the bucket in debt by that
//! much: so that no stream waits for long behind another, however slow the rate. Without a limit
//! nobody stands in line.

use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// What is saved up while nobody sends, and what one portion may be: a tenth of a second's worth.
const PORTIONS_PER_S: u64 = 10;
/// Slow limits do not chop buffers smaller than this.
const MIN_PORTION_BYTES: u64 = 1024;
/// Fast limits are not less fair than this.
const MAX_PORTION_BYTES: u64 = 256 * 1024;

/// What the runtime's clock can tell apart. A rounded wait of nothing would spin.
const TICK: Duration = Duration::from_millis(1);

/// A rate limit, which may change while streams wait for it.
#[derive(Debug)]
pub(crate) struct Rate {
    bytes_per_s: watch::Sender<Option<u64>>,
    /// Held while waiting: whoever has it is first in line.
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    /// Negative: in debt.
    bytes: f64,
    at: Instant,
    /// For which rate this level was kept.
    bytes_per_s: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            bytes_per_s: watch::Sender::new(None),
            level: Mutex::new(Level { bytes: 0.0, at: Instant::now(), bytes_per_s: 0 }),
        }
    }
}

impl Rate {
    /// Counts at once, for those who wait too. `Some(0)`: nothing goes.
    pub(crate) fn set(&self, bytes_per_s: Option<u64>) {
        self.bytes_per_s.send_if_modified(|now| std::mem::replace(now, bytes_per_s) != bytes_per_s);
    }

    /// The most that one stream should take at a time.
    pub(crate) fn portion(&self) -> u64 {
        self.bytes_per_s.borrow().map_or(u64::MAX, portion_of)
    }

    /// Waits until `bytes`, at most a [`portion`](Self::portion), may go. Dropping it gives the
    /// place in the line back.
    pub(crate) async fn take(&self, bytes: u64) {
        if self.bytes_per_s.borrow().is_none() {
            return;
        }
        let mut changes = self.bytes_per_s.subscribe();
        let mut level = self.level.lock().await;
        loop {
            let Some(rate) = *changes.borrow_and_update() else { return };
            level.fill(rate);
            if rate > 0 && level.bytes >= 1.0 {
                level.bytes -= bytes as f64;
                return;
            }
            let full_enough = async {
                match Duration::try_from_secs_f64((1.0 - level.bytes) / rate as f64) {
                    Ok(wait) => tokio::time::sleep(wait.max(TICK)).await,
                    // Not at this rate.
                    Err(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                () = full_enough => {}
                // Fails when the limit itself is gone, and then this is too.
                _ = changes.changed() => {}
            }
        }
    }
}

impl Level {
    fn fill(&mut self, rate: u64) {
        let (now, most) = (Instant::now(), portion_of(rate) as f64);
        if self.bytes_per_s != rate {
            // What was saved up or owed at another rate is not carried over in full: at a slower
            // one the debt would last for minutes.
            self.bytes = self.bytes.max(-most);
            self.bytes_per_s = rate;
        } else {
            self.bytes += now.saturating_duration_since(self.at).as_secs_f64() * rate as f64;
        }
        self.bytes = self.bytes.min(most);
        self.at = now;
    }
}

fn portion_of(rate: u64) -> u64 {
    (rate / PORTIONS_PER_S).clamp(MIN_PORTION_BYTES, MAX_PORTION_BYTES)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::task::JoinHandle;

    use super::*;

    /// Streams that send for ever, each in pieces of its own size.
    struct Streams {
        rate: Arc<Rate>,
        sent: Vec<Arc<AtomicU64>>,
        tasks: Vec<JoinHandle<()>>,
    }

    impl Streams {
        fn start(rate_bytes_per_s: u64, pieces: &[u64]) -> Self {
            let rate = Arc::new(Rate::default());
            rate.set(Some(rate_bytes_per_s));
            let mut streams = Self { rate, sent: Vec::new(), tasks: Vec::new() };
            for piece in pieces.iter().copied() {
                let (rate, sent) = (streams.rate.clone(), Arc::new(AtomicU64::new(0)));
                streams.sent.push(sent.clone());
                streams.tasks.push(tokio::spawn(async move {
                    loop {
                        let bytes = piece.min(rate.portion());
                        rate.take(bytes).await;
                        sent.fetch_add(bytes, Ordering::Relaxed);
                        // Without a limit: as a socket that takes no more for a moment.
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }));
            }
            streams
        }

        fn sent(&self) -> Vec<u64> {
            self.sent.iter().map(|sent| sent.load(Ordering::Relaxed)).collect()
        }

        /// What went in `seconds`, per second.
        async fn rate_over(&self, seconds: u64) -> u64 {
            let before: u64 = self.sent().iter().sum();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            (self.sent().iter().sum::<u64>() - before) / seconds
        }
    }

    impl Drop for Streams {
        fn drop(&mut self) {
            self.tasks.iter().for_each(JoinHandle::abort);
        }
    }

    fn near(found: u64, expected: u64) {
        let off = found.abs_diff(expected);
        assert!(off * 50 <= expected, "{found} is not within 2 % of {expected}");
    }

    #[tokio::test(start_paused = true)]
    async fn streams_together_send_at_the_rate() {
        for rate in [3_000, 100_000, 5_000_000, 200_000_000] {
            let streams = Streams::start(rate, &[64 * 1024; 8]);
            near(streams.rate_over(60).await, rate);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_stream_waits_long_behind_others_however_slow_the_rate() {
        let streams = Streams::start(10_000, &[256 * 1024, 256 * 1024, 64 * 1024, 1024]);
        for _ in 0..20 {
            let before = streams.sent();
            tokio::time::sleep(Duration::from_secs(1)).await;
            for (before, after) in before.iter().zip(streams.sent()) {
                assert!(after > *before, "a second without a byte");
            }
        }
        let (least, most) = (streams.sent().into_iter().min(), streams.sent().into_iter().max());
        assert!(most <= least.map(|bytes| bytes * 11 / 10), "{:?}", streams.sent());
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_rate_counts_at_once_for_those_who_wait() {
        let streams = Streams::start(1, &[64 * 1024; 4]);
        assert!(streams.rate_over(10_000).await <= 2);
        streams.rate.set(Some(1_000_000));
        near(streams.rate_over(10).await, 1_000_000);
        // A debt of the fast time does not silence the slow one.
        streams.rate.set(Some(5_000));
        near(streams.rate_over(60).await, 5_000);
        streams.rate.set(Some(0));
        assert_eq!(streams.rate_over(60).await, 0);
        streams.rate.set(None);
        assert!(streams.rate_over(1).await > 1_000_000, "nobody stands in line without a limit");
        streams.rate.set(Some(50_000));
        near(streams.rate_over(60).await, 50_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_saves_up_a_tenth_of_a_second_and_no_more() {
        let rate = Rate::default();
        rate.set(Some(100_000));
        rate.take(10_000).await;
        tokio::time::sleep(Duration::from_secs(100)).await;
        let began = Instant::now();
        for _ in 0..11 {
            rate.take(10_000).await;
        }
        // Ten portions in debt after each other, one saved up, one owed at the end.
        let took = began.elapsed();
        assert!(
            took >= Duration::from_millis(890) && took < Duration::from_millis(1_020),
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_holds_nobody_up() {
        let rate = Rate::default();
        rate.set(Some(1_000));
        rate.take(1_000).await;
        let gone = tokio::time::timeout(Duration::from_millis(10), rate.take(1_000)).await;
        assert!(gone.is_err());
        let began = Instant::now();
        rate.take(1_000).await;
        assert!(began.elapsed() < Duration::from_millis(1_010));
    }
}
