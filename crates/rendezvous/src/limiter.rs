//! How often something may be done, told apart by who does it.
//!
//! The generic cell rate algorithm (ITU-T I.371): of each key one instant is kept, the one at which all that was taken has been given
//! back. What has been given back in full need not be kept.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Keys that are told apart at most. When there are more that have something to give back, new ones have to wait.
const MAX_KEYS: usize = 100_000;
/// A table that is full is looked through at most so often.
const TIDY_PAUSE: Duration = Duration::from_secs(1);

/// `per_period` in a period, at once or spread out.
#[derive(Debug)]
pub(crate) struct Limiter<K> {
    interval: Duration,
    /// What may be taken in advance.
    tolerance: Duration,
    /// The lock guards the table alone and is never held over an await.
    cells: Mutex<Cells<K>>,
}

#[derive(Debug)]
struct Cells<K> {
    given_back: HashMap<K, Instant>,
    tidied: Option<Instant>,
}

impl<K: Eq + Hash> Limiter<K> {
    /// `count` in each `period`, and `burst` at once after a pause.
    pub(crate) fn new(count: u32, period: Duration, burst: u32) -> Self {
        let interval = period / count.max(1);
        Self {
            interval,
            tolerance: interval * (burst.max(1) - 1),
            cells: Mutex::new(Cells { given_back: HashMap::new(), tidied: None }),
        }
    }

    /// Whether one could be taken; otherwise: how long to wait.
    pub(crate) fn peek(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        self.wait(cells.given_back.get(key).copied(), now).map(|_| ())
    }

    /// Takes one; otherwise: how long to wait.
    pub(crate) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cells.given_back.get(&key).copied();
        let ahead = self.wait(known, now)?;
        if known.is_none() && !cells.has_room(now) {
            return Err(TIDY_PAUSE);
        }
        cells.given_back.insert(key, now + ahead + self.interval);
        Ok(())
    }

    /// What one that was taken has cost beyond itself: those that come next wait for it.
    pub(crate) fn charge(&self, key: &K, count: u32, now: Instant) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = cells.given_back.get_mut(key) {
            *at = (*at).max(now) + self.interval * count;
        }
    }

    /// How much has been taken in advance, if that allows for more.
    fn wait(&self, given_back: Option<Instant>, now: Instant) -> Result<Duration, Duration> {
        let ahead = given_back.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        if ahead > self.tolerance { Err(ahead - self.tolerance) } else { Ok(ahead) }
    }
}

impl<K: Eq + Hash> Cells<K> {
    fn has_room(&mut self, now: Instant) -> bool {
        if self.given_back.len() < MAX_KEYS {
            return true;
        }
        if self.tidied.is_none_or(|at| now.saturating_duration_since(at) >= TIDY_PAUSE) {
            self.tidied = Some(now);
            self.given_back.retain(|_, at| *at > now);
        }
        self.given_back.len() < MAX_KEYS
    }
}

/// A limit for many together, which tells those that it turns away when it is their turn: they come back one after the other,
/// and not all at once.
#[derive(Debug)]
pub(crate) struct Turnstile<K> {
    limiter: Limiter<K>,
    interval: Duration,
    /// When the last one that was turned away is to come back; no more of them than the limiter has keys.
    last: Mutex<HashMap<K, Instant>>,
}

/// Nobody is sent away for longer.
const MAX_TURN: Duration = Duration::from_secs(30);

impl<K: Eq + Hash + Clone> Turnstile<K> {
    pub(crate) fn new(per_s: u32) -> Self {
        let per_s = per_s.max(1);
        Self {
            limiter: Limiter::new(per_s, Duration::from_secs(1), per_s),
            interval: Duration::from_secs(1) / per_s,
            last: Mutex::default(),
        }
    }

    /// Whether one more could pass; otherwise: when it is to come back.
    pub(crate) fn peek(&self, key: &K, now: Instant) -> Result<(), Duration> {
        self.limiter.peek(key, now).map_err(|wait| self.turn(key, wait, now))
    }

    pub(crate) fn take(&self, key: &K, now: Instant) -> Result<(), Duration> {
        self.limiter.take(key.clone(), now).map_err(|wait| self.turn(key, wait, now))
    }

    fn turn(&self, key: &K, wait: Duration, now: Instant) -> Duration {
        let wait = wait.max(Duration::from_secs(1));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.get(key).copied();
        if before.is_none() && last.len() >= MAX_KEYS {
            last.retain(|_, at| *at > now);
        }
        let turn = before.map_or(now + wait, |last| last.max(now + wait)) + self.interval;
        let turn = turn.min(now + MAX_TURN);
        if before.is_some() || last.len() < MAX_KEYS {
            last.insert(key.clone(), turn);
        }
        turn - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn each_key_has_its_own_allowance_which_comes_back_with_time() {
        let (limiter, start) = (Limiter::new(6, MINUTE, 6), Instant::now());
        for _ in 0..6 {
            assert_eq!(limiter.take("mo", start), Ok(()));
        }
        assert_eq!(limiter.take("mo", start), Err(Duration::from_secs(10)));
        assert_eq!(limiter.peek(&"mo", start), Err(Duration::from_secs(10)));
        assert_eq!(limiter.peek(&"ana", start), Ok(()));
        assert_eq!(limiter.take("ana", start), Ok(()));
        assert_eq!(limiter.take("mo", start + Duration::from_secs(10)), Ok(()));
        assert!(limiter.take("mo", start + Duration::from_secs(11)).is_err());
        for _ in 0..6 {
            assert_eq!(limiter.take("mo", start + MINUTE * 10), Ok(()));
        }
        assert!(limiter.take("mo", start + MINUTE * 10).is_err());
    }

    #[tokio::test]
    async fn what_costs_more_is_paid_by_those_that_come_next() {
        let (limiter, start) = (Limiter::new(6, MINUTE, 6), Instant::now());
        limiter.take("mo", start).unwrap();
        limiter.charge(&"mo", 7, start);
        assert_eq!(limiter.take("mo", start), Err(Duration::from_secs(30)));
        assert_eq!(limiter.take("mo", start + Duration::from_secs(30)), Ok(()));
        limiter.charge(&"nobody", 7, start);
        assert_eq!(limiter.take("nobody", start), Ok(()));
    }

    #[tokio::test]
    async fn the_table_is_bounded_and_tidied() {
        let (limiter, start) = (Limiter::new(1, MINUTE, 1), Instant::now());
        for key in 0..MAX_KEYS {
            assert_eq!(limiter.take(key, start), Ok(()));
        }
        assert!(limiter.take(MAX_KEYS, start).is_err());
        assert!(limiter.take(0, start).is_err(), "who is known still has to wait for his own");
        assert_eq!(limiter.take(MAX_KEYS, start + MINUTE), Ok(()));
        assert_eq!(limiter.cells.lock().unwrap().given_back.len(), 1);
    }

    #[tokio::test]
    async fn those_who_are_turned_away_are_told_to_come_one_after_the_other() {
        let (turnstile, start) = (Turnstile::new(100), Instant::now());
        let waits: Vec<_> = (0..1_100).filter_map(|_| turnstile.take(&(), start).err()).collect();
        assert_eq!(waits.len(), 1_000);
        assert!(waits.windows(2).all(|pair| pair[0] < pair[1]), "each later than the one before");
        let last = *waits.last().unwrap();
        assert!(last > Duration::from_secs(10) && last < Duration::from_secs(12), "{last:?}");
        let most = (0..100_000).filter_map(|_| turnstile.take(&(), start).err()).max();
        assert_eq!(most, Some(MAX_TURN));
    }
}
