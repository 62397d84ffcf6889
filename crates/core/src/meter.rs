//! Measured throughput.

use std::collections::VecDeque;
use std::time::Duration;

/// How long ago a byte may have come to count.
const WINDOW: Duration = Duration::from_secs(2);
/// Facts are summed up in steps of this size.
const STEP: Duration = Duration::from_millis(100);
/// No throughput is told before so much time has been seen; one early buffer would be anything per second.
const LEAST: Duration = Duration::from_millis(200);

/// Counts bytes over a sliding window of two seconds.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// (beginning of the step, bytes in it), the oldest first; at most `WINDOW / STEP` + 1.
    steps: VecDeque<(Duration, u64)>,
    since: Option<Duration>,
    total: u64,
}

impl Meter {
    /// Begins to measure: time without a byte counts from now on.
    pub fn start(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    pub fn record(&mut self, now: Duration, bytes: u64) {
        self.start(now);
        self.total += bytes;
        match self.steps.back_mut() {
            Some((begin, sum)) if now < *begin + STEP => *sum += bytes,
            _ => self.steps.push_back((now, bytes)),
        }
        while self.steps.front().is_some_and(|(begin, _)| *begin + WINDOW < now) {
            self.steps.pop_front();
        }
    }

    /// Bytes per second over the last two seconds, or since the start when that was later. `None` when nothing can be
    /// said yet.
    #[must_use]
    pub fn rate(&self, now: Duration) -> Option<f64> {
        let begin = self.since?.max(now.saturating_sub(WINDOW));
        let elapsed = now.checked_sub(begin).filter(|elapsed| *elapsed >= LEAST)?;
        let bytes: u64 =
            self.steps.iter().filter(|(at, _)| *at >= begin).map(|(_, bytes)| bytes).sum();
        Some(bytes as f64 / elapsed.as_secs_f64())
    }

    /// All bytes ever counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_is_measured_and_silence_decays_to_nothing() {
        let mut meter = Meter::default();
        let at = Duration::from_millis;
        assert_eq!(meter.rate(at(0)), None);
        for i in 0..50 {
            meter.record(at(i * 100), 1000);
        }
        let rate = meter.rate(at(4999)).unwrap();
        assert!((9_000.0..11_000.0).contains(&rate), "{rate}");
        assert!(meter.rate(at(6000)).unwrap() < rate * 0.6);
        assert_eq!(meter.rate(at(8000)), Some(0.0));
        assert_eq!(meter.total(), 50_000);
    }
}
