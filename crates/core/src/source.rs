//! One source of a download as the scheduler sees it: how fast, how many connections, when to try again.

use std::time::Duration;

use crate::meter::Meter;

/// Waits after failures without progress: this, doubled each time, up to [`MAX_BACKOFF`].
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// A number of connections is judged by the throughput of so long …
const TRIAL: Duration = Duration::from_millis(800);
/// … after so long for the new ones to get going.
const WARM_UP: Duration = Duration::from_millis(200);
/// Twice the connections pay when the throughput grows by this factor.
const PAYS: f64 = 1.2;
/// No more connections for what would be over sooner than this anyway.
const WORTH_GROWING: Duration = Duration::from_secs(2);
/// Assumed time from a request to its first byte before one was seen.
const DEFAULT_LATENCY: Duration = Duration::from_millis(50);

/// A supplier of bytes: the origin or a helper.
#[derive(Clone, Debug)]
pub struct Source {
    /// Connections that may be open now.
    lanes: u8,
    max_lanes: u8,
    growth: Growth,
    pub meter: Meter,
    latency: Duration,
    failures: u32,
    wait_until: Duration,
    limit: Option<Limit>,
    doubtful: bool,
    paused_until: Duration,
    /// Requests in a row, without a byte between, that were led to where it may not go …
    elsewhere: u32,
    /// … and until when it is not asked again because of that.
    elsewhere_until: Duration,
}

/// The search for the number of connections that still pays: 1, 2, 4, 8 … while another one does.
#[derive(Clone, Copy, Debug)]
enum Growth {
    /// Measures since `since`, when `bytes` had come; `before` is the step below with its throughput.
    /// `doubted`: one trial has found that it does not pay; a second one decides, since a hiccup looks
    /// the same.
    Trial {
        since: Duration,
        bytes: u64,
        before: Option<(u8, f64)>,
        doubted: bool,
    },
    Settled,
}

/// What keeps a source from being faster, as far as it was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// More connections bring nothing more: it is what the server gives one address, or what the line carries.
    Address,
    /// The server refuses more connections than there are.
    Connections,
}

impl Source {
    #[must_use]
    pub fn new(max_lanes: u8, now: Duration) -> Self {
        Self {
            lanes: 1,
            max_lanes: max_lanes.max(1),
            growth: Growth::Trial { since: now + WARM_UP, bytes: 0, before: None, doubted: false },
            meter: Meter::default(),
            latency: DEFAULT_LATENCY,
            failures: 0,
            wait_until: Duration::ZERO,
            limit: None,
            doubtful: false,
            paused_until: Duration::ZERO,
            elsewhere: 0,
            elsewhere_until: Duration::ZERO,
        }
    }

    /// What binds, once that was measured.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// Connections that may be open now.
    #[must_use]
    pub fn lanes(&self) -> u8 {
        if self.doubtful { 1 } else { self.lanes }
    }

    /// Whether it may be asked now.
    #[must_use]
    pub fn is_ready(&self, now: Duration) -> bool {
        now >= self.wait_until && now >= self.paused_until && now >= self.elsewhere_until
    }

    /// From a request to its first byte, as seen lately.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.latency
    }

    pub fn record_first_byte(&mut self, after: Duration) {
        self.latency = (self.latency + after) / 2;
    }

    /// It has brought something: earlier failures are forgotten.
    pub fn record_success(&mut self) {
        self.failures = 0;
        self.elsewhere = 0;
        self.doubtful = false;
    }

    /// It stood still for so long that it was given up: it may be gone.
    pub fn record_stall(&mut self) {
        self.doubtful = true;
    }

    /// Nobody knows whether it is still there: until its next byte it is trusted with little.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Waits longer with each failure in a row; the first one after progress costs nothing. `jitter` is 0.0–1.0.
    pub fn back_off(&mut self, now: Duration, brought_something: bool, jitter: f64) {
        if brought_something {
            self.failures = 0;
        } else {
            self.wait_until = now + pause_after(self.failures, jitter);
            self.failures += 1;
            self.doubtful = true;
        }
    }

    /// A request was led to where it may not go: the next may be led elsewhere. Waits longer with each in a row; several at once
    /// count as one. `jitter` is 0.0–1.0.
    pub fn record_elsewhere(&mut self, now: Duration, jitter: f64) {
        if now >= self.elsewhere_until {
            self.elsewhere_until = now + pause_after(self.elsewhere, jitter);
            self.elsewhere += 1;
        }
    }

    /// How many such requests in a row there were without a byte between them.
    #[must_use]
    pub fn elsewhere(&self) -> u32 {
        self.elsewhere
    }

    /// It may go to other places now.
    pub fn forget_elsewhere(&mut self) {
        self.elsewhere = 0;
        self.elsewhere_until = Duration::ZERO;
    }

    /// How many failures in a row there were without a byte between them.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The server asked for a pause.
    pub fn wait(&mut self, now: Duration, pause: Duration) {
        self.wait_until = self.wait_until.max(now + pause);
    }

    /// Is given no work until then; what it has to wait for besides stays.
    pub fn pause(&mut self, until: Duration) {
        self.paused_until = until;
    }

    /// The server refuses more connections than `open`: a limit to learn, not a failure.
    pub fn limit_lanes(&mut self, open: u8) {
        self.max_lanes = self.max_lanes.min(open).max(1);
        self.lanes = self.lanes.min(self.max_lanes);
        self.limit = Some(Limit::Connections);
        self.growth = Growth::Settled;
    }

    /// Tries more connections while they pay. `busy` are those at work, `left` the bytes that nobody has brought yet.
    pub fn grow(&mut self, now: Duration, busy: u8, left: u64) {
        let Growth::Trial { since, bytes, before, doubted } = self.growth else { return };
        if self.lanes >= self.max_lanes && before.is_none() {
            self.growth = Growth::Settled;
            return;
        }
        if now < since + TRIAL {
            if now <= since {
                self.growth = Growth::Trial { since, bytes: self.meter.total(), before, doubted };
            }
            return;
        }
        let again = |before, doubted| Growth::Trial {
            since: now + WARM_UP,
            bytes: self.meter.total(),
            before,
            doubted,
        };
        if busy < self.lanes {
            // Not all of them had work: nothing to learn from this.
            self.growth = again(before, doubted);
            return;
        }
        let rate = (self.meter.total() - bytes) as f64 / (now - since).as_secs_f64();
        match before {
            Some((_, slower)) if rate < slower * PAYS && !doubted => {
                self.growth = again(before, true);
            }
            Some((lanes, slower)) if rate < slower * PAYS => {
                self.lanes = lanes;
                self.limit = Some(Limit::Address);
                self.growth = Growth::Settled;
            }
            _ if self.lanes >= self.max_lanes => self.growth = Growth::Settled,
            _ if (left as f64) < rate * WORTH_GROWING.as_secs_f64() => {
                self.growth = again(before, doubted);
            }
            _ => {
                self.growth = again(Some((self.lanes, rate)), false);
                self.lanes = self.lanes.saturating_mul(2).min(self.max_lanes);
            }
        }
    }
}

/// How long to wait after another failure in a row.
fn pause_after(earlier: u32, jitter: f64) -> Duration {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << earlier.min(8)).min(MAX_BACKOFF);
    doubled.mul_f64(0.75 + 0.5 * jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a source for 20 s whose throughput is `rate(lanes)`; returns the connections it ends with, and what binds.
    fn settle(rate: impl Fn(u8) -> f64) -> (u8, Option<Limit>) {
        let mut source = Source::new(8, Duration::ZERO);
        for step in 1..200 {
            let now = Duration::from_millis(step * 100);
            let bytes = rate(source.lanes()) / 10.0;
            source.meter.record(now, bytes as u64);
            source.grow(now, source.lanes(), 1 << 40);
        }
        (source.lanes(), source.limit())
    }

    #[test]
    fn connections_grow_while_they_pay() {
        let address = Some(Limit::Address);
        assert_eq!(settle(|lanes| 1e6 * f64::from(lanes)), (8, None), "a limit per connection");
        assert_eq!(settle(|_| 2.5e6), (1, address), "a limit per address");
        let line = |lanes: u8| 1e6 * f64::from(lanes.min(4));
        assert_eq!(settle(line), (4, address), "a line that four fill");
    }

    #[test]
    fn failures_wait_ever_longer_and_progress_forgives() {
        let mut source = Source::new(8, Duration::ZERO);
        let now = Duration::from_secs(100);
        source.back_off(now, true, 0.5);
        assert!(source.is_ready(now));
        let mut waits = Vec::new();
        for _ in 0..9 {
            source.back_off(now, false, 0.5);
            waits.push(source.wait_until - now);
        }
        assert!(waits.windows(2).all(|w| w[0] <= w[1]) && waits[8] == MAX_BACKOFF, "{waits:?}");
        source.record_success();
        assert_eq!(source.failures(), 0);
    }

    #[test]
    fn requests_led_elsewhere_are_made_less_and_less_until_a_byte_comes() {
        let mut source = Source::new(4, Duration::ZERO);
        let mut now = Duration::ZERO;
        for (n, pause) in [(1, 500), (2, 1000), (3, 2000)] {
            for _ in 0..4 {
                source.record_elsewhere(now, 0.5);
            }
            assert_eq!(source.elsewhere(), n, "several at once count as one");
            now += Duration::from_millis(pause);
            assert!(!source.is_ready(now - Duration::from_millis(1)) && source.is_ready(now));
        }
        source.record_success();
        source.record_elsewhere(now, 0.5);
        assert_eq!(source.elsewhere(), 1);
        source.forget_elsewhere();
        assert!(source.is_ready(now));
    }
}
