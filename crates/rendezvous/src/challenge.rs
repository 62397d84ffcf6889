//! What a session's proofs are made over: `time ‖ random ‖ MAC`. The server keeps nothing of it until it is used.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use manyhands_wire::Bytes32;
use tokio::time::Instant;

/// A challenge is good for so long.
pub(crate) const CHALLENGE_S: u16 = 60;
/// Used challenges that are remembered until they are too old anyway.
const MAX_USED: usize = 200_000;

const TIME: usize = 8;
const RANDOM: usize = 8;
const MAC: usize = 16;

/// Makes challenges and knows its own. Those of an earlier start are nobody's.
pub(crate) struct Challenges {
    key: hmac::Key,
    start: Instant,
    /// The lock is never held over an await.
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    nonces: HashSet<[u8; TIME + RANDOM]>,
    /// When each was used; the first one the longest ago.
    order: VecDeque<(u64, [u8; TIME + RANDOM])>,
}

/// Not made here, too old, used already, or there are too many to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadChallenge;

impl Challenges {
    /// # Panics
    /// The operating system has no random numbers.
    #[allow(clippy::expect_used, reason = "nothing can be done without random numbers")]
    pub(crate) fn new(start: Instant) -> Self {
        let mut key = [0; 32];
        rand::fill(&mut key).expect("random numbers of the operating system");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), start, used: Mutex::default() }
    }

    #[allow(clippy::expect_used, reason = "nothing can be done without random numbers")]
    pub(crate) fn make(&self, now: Instant) -> Bytes32 {
        let mut random = [0; RANDOM];
        rand::fill(&mut random).expect("random numbers of the operating system");
        let mut head = [0; TIME + RANDOM];
        head[..TIME].copy_from_slice(&self.ms(now).to_be_bytes());
        head[TIME..].copy_from_slice(&random);
        let mut nonce = [0; 32];
        nonce[..TIME + RANDOM].copy_from_slice(&head);
        nonce[TIME + RANDOM..].copy_from_slice(&hmac::sign(&self.key, &head).as_ref()[..MAC]);
        Bytes32(nonce)
    }

    /// Made here, and not too long ago.
    pub(crate) fn check(&self, nonce: &Bytes32, now: Instant) -> Result<(), BadChallenge> {
        let (head, mac) = split(nonce);
        let whole = hmac::sign(&self.key, &head);
        let same = whole.as_ref().iter().zip(mac).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0;
        let age = self.ms(now).checked_sub(made_at(&head));
        match same && age.is_some_and(|age| age <= lifetime_ms()) {
            true => Ok(()),
            false => Err(BadChallenge),
        }
    }

    /// It is used up from now on. To be called when everything else holds, so that what is remembered is worth it.
    pub(crate) fn use_up(&self, nonce: &Bytes32, now: Instant) -> Result<(), BadChallenge> {
        self.check(nonce, now)?;
        let (head, _) = split(nonce);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.ms(now);
        while let Some((at, oldest)) = used.order.front().copied() {
            if now.saturating_sub(at) <= lifetime_ms() {
                break;
            }
            used.order.pop_front();
            used.nonces.remove(&oldest);
        }
        if used.nonces.len() >= MAX_USED || !used.nonces.insert(head) {
            return Err(BadChallenge);
        }
        // From its use on: longer than it could be used again.
        used.order.push_back((now, head));
        Ok(())
    }

    fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

fn split(nonce: &Bytes32) -> ([u8; TIME + RANDOM], &[u8]) {
    let mut head = [0; TIME + RANDOM];
    let (front, mac) = nonce.0.split_at(TIME + RANDOM);
    head.copy_from_slice(front);
    (head, mac)
}

fn made_at(head: &[u8; TIME + RANDOM]) -> u64 {
    head.first_chunk().map_or(0, |time| u64::from_be_bytes(*time))
}

fn lifetime_ms() -> u64 {
    Duration::from_secs(u64::from(CHALLENGE_S)).as_millis() as u64
}

impl std::fmt::Debug for Challenges {
    /// Never the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenges").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_challenge_is_good_once_and_for_a_minute_where_it_was_made() {
        let start = Instant::now();
        let (ours, others) = (Challenges::new(start), Challenges::new(start));
        let nonce = ours.make(start);
        assert_eq!(ours.check(&nonce, start + Duration::from_secs(60)), Ok(()));
        assert_eq!(ours.check(&nonce, start + Duration::from_secs(61)), Err(BadChallenge));
        assert_eq!(others.check(&nonce, start), Err(BadChallenge));
        assert_eq!(ours.use_up(&nonce, start), Ok(()));
        assert_eq!(ours.use_up(&nonce, start), Err(BadChallenge));
        assert_eq!(ours.use_up(&nonce, start + Duration::from_secs(60)), Err(BadChallenge));
        assert_ne!(ours.make(start), ours.make(start));
        for byte in 0..32 {
            let mut altered = ours.make(start);
            altered.0[byte] ^= 1;
            assert_eq!(ours.check(&altered, start), Err(BadChallenge), "byte {byte}");
        }
    }

    #[tokio::test]
    async fn used_ones_are_forgotten_when_they_are_too_old_anyway() {
        let start = Instant::now();
        let challenges = Challenges::new(start);
        for _ in 0..100 {
            challenges.use_up(&challenges.make(start), start).unwrap();
        }
        let later = start + Duration::from_secs(61);
        challenges.use_up(&challenges.make(later), later).unwrap();
        assert_eq!(challenges.used.lock().unwrap().nonces.len(), 1);
    }
}
