//! What is counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::orders::Answer;

/// Samples kept of one kind. Beyond them the newest are dropped: by then the spread is known.
const MAX_SAMPLES: usize = 2_000_000;

/// How something is spread: the quantiles that tables show, and the samples for whoever puts several processes together.
#[derive(Clone, Debug, Serialize)]
pub struct Spread {
    /// In whole milliseconds, how many samples: sorted by the milliseconds.
    pub histogram: Vec<(u64, u64)>,
}

/// Counts of everything since they were last taken. The lock is never held over an await.
#[derive(Debug, Default)]
pub struct Figures(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    done: u64,
    took_ms: Vec<u64>,
    failed: BTreeMap<String, u64>,
    entries: u64,
    handshakes: u64,
    events: u64,
    seen_ms: Vec<u64>,
    lost_streams: u64,
    arrived_at_ms: Vec<u64>,
}

impl Spread {
    fn of(samples: &[u64]) -> Option<Self> {
        let mut histogram = BTreeMap::new();
        for sample in samples {
            *histogram.entry(*sample).or_insert(0) += 1;
        }
        (!histogram.is_empty()).then(|| Self { histogram: histogram.into_iter().collect() })
    }
}

impl Figures {
    pub fn done(&self, took: Duration) {
        self.with(|counts| {
            counts.done += 1;
            keep(&mut counts.took_ms, milliseconds(took));
        });
    }

    pub fn failed(&self, why: &str) {
        self.with(|counts| *counts.failed.entry(why.to_owned()).or_insert(0) += 1);
    }

    pub fn arrived(&self, at_ms: u64) {
        self.with(|counts| keep(&mut counts.arrived_at_ms, at_ms));
    }

    pub fn entries(&self, found: usize) {
        self.with(|counts| counts.entries += found as u64);
    }

    pub fn handshake(&self) {
        self.with(|counts| counts.handshakes += 1);
    }

    pub fn event(&self) {
        self.with(|counts| counts.events += 1);
    }

    pub fn seen(&self, after_ms: u64) {
        self.with(|counts| keep(&mut counts.seen_ms, after_ms));
    }

    pub fn lost_stream(&self) {
        self.with(|counts| counts.lost_streams += 1);
    }

    /// Everything, from zero again.
    pub fn take(&self) -> Answer {
        let counts = self.with(std::mem::take);
        Answer {
            done: counts.done,
            took_ms: Spread::of(&counts.took_ms),
            failed: counts.failed,
            entries: counts.entries,
            handshakes: counts.handshakes,
            events: counts.events,
            seen_ms: Spread::of(&counts.seen_ms),
            lost_streams: counts.lost_streams,
            arrived_at_ms: counts.arrived_at_ms,
            dozed: None,
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn keep(samples: &mut Vec<u64>, sample: u64) {
    if samples.len() < MAX_SAMPLES {
        samples.push(sample);
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_not_told_twice() {
        let figures = Figures::default();
        for ms in [7, 3, 7] {
            figures.done(Duration::from_millis(ms));
        }
        figures.failed("429");
        let told = figures.take();
        assert_eq!(told.took_ms.map(|spread| spread.histogram), Some(vec![(3, 1), (7, 2)]));
        assert_eq!((told.done, told.failed.get("429")), (3, Some(&1)));
        let again = figures.take();
        assert_eq!((again.done, again.failed.len(), again.took_ms.is_none()), (0, 0, true));
    }
}
