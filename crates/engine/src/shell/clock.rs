//! Where the time comes from: the one place that asks the system for it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use chrono::{Datelike, Timelike};
use manyhands_core::{LocalTime, Now};

/// Where the time comes from.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn now(&self) -> Now {
        Now { monotonic: self.0.elapsed(), unix_ms: Self::unix_ms() }
    }

    pub fn unix_ms() -> u64 {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        unix.as_millis() as u64
    }

    /// The clock on the wall, in the user's time zone.
    pub fn local() -> LocalTime {
        let local = chrono::Local::now();
        let minute = local.hour() * 60 + local.minute();
        LocalTime { day: local.num_days_from_ce(), minute: minute as u16 }
    }
}
