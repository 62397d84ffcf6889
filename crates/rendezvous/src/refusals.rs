//! Who has to come back later, and when.

use std::num::NonZeroU64;
use std::time::Duration;

use manyhands_wire::{Problem, ProblemCode};
use rand::Rng;

use crate::server::Shared;
use crate::store::StoreRefusal;

/// Who is told to come back without a turn of its own, comes after this and a little more.
pub(crate) const COME_BACK: Duration = Duration::from_secs(5);

impl Shared {
    /// One asks too often.
    pub(crate) fn limited(&self, wait: Duration) -> Problem {
        self.counters.limited.add(1);
        come_back(ProblemCode::TooMany, wait)
    }

    /// It is too much for the server.
    pub(crate) fn turned_away(&self, wait: Duration) -> Problem {
        self.counters.turned_away.add(1);
        come_back(ProblemCode::Busy, wait).with_detail("the server has too much to do")
    }

    /// What the store does not take in.
    pub(crate) fn refuse(&self, why: StoreRefusal) -> Problem {
        match why {
            StoreRefusal::Old { group, last_seq } => {
                self.counters.records_refused.add(1);
                let mut problem = Problem::new(ProblemCode::RecordOld);
                problem.last_seq = NonZeroU64::new(last_seq);
                problem.with_detail(&format!("group {group}"))
            }
            StoreRefusal::GroupFull(group) => {
                self.limited(COME_BACK * 6).with_detail(&format!("group {group} is full"))
            }
            StoreRefusal::ChangesTooOften(group, wait) => {
                self.limited(wait).with_detail(&format!("group {group} is told too often"))
            }
            StoreRefusal::TooManyGroups => {
                self.limited(COME_BACK).with_detail("the device is in too many groups")
            }
            StoreRefusal::Full | StoreRefusal::Unavailable => self.turned_away(COME_BACK),
        }
    }
}

/// A little later than they have to, so that those who were told the same do not come together.
fn come_back(code: ProblemCode, wait: Duration) -> Problem {
    let least = wait.max(Duration::from_millis(100));
    let wait = least.mul_f64(rand::rng().random_range(1.0..1.25));
    let mut problem = Problem::new(code);
    problem.retry_after_ms = u64::try_from(wait.as_millis()).ok();
    problem
}
