//! Calls members who cannot call this device and have asked for it, and answers them on the connections that it made.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use manyhands_core::PeerId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::debug;

use super::Calls;
use crate::client::turns::MAX_TURNED_PER_PEER;

/// Members for whom connections are kept at a time.
const MAX_CALLED: usize = 16;
/// In so long …
const PACE: Duration = Duration::from_secs(60);
/// … so many members are called, each once: rings are a server's word, and what is dialled for them are addresses of others.
const MAX_CALLS: usize = 6;
/// Rings that wait; who is not heard rings again.
pub(super) const MAX_WAITING: usize = 16;

/// Who rang, and where it is listed.
pub(super) type Rung = (PeerId, Vec<SocketAddr>);

/// Answers rings until there are none any more.
pub(super) async fn answer(calls: Calls, mut rings: mpsc::Receiver<Rung>) {
    let (mut called, mut tasks) = (BTreeSet::new(), JoinSet::new());
    let mut recent = Recent::default();
    loop {
        tokio::select! {
            rung = rings.recv() => {
                let Some((peer, addresses)) = rung else { return };
                let welcome = called.len() < MAX_CALLED && !calls.server.is_blocked(peer);
                if welcome
                    && !addresses.is_empty()
                    && !called.contains(&peer)
                    && recent.admits(peer, Instant::now())
                {
                    called.insert(peer);
                    debug!(peer = %peer.short(), "asked to call");
                    let calls = calls.clone();
                    tasks.spawn(async move {
                        keep(&calls, peer, &addresses).await;
                        peer
                    });
                }
            }
            Some(done) = tasks.join_next() => {
                if let Ok(peer) = done {
                    called.remove(&peer);
                }
            }
        }
    }
}

/// The calls of the last [`PACE`].
#[derive(Debug, Default)]
struct Recent(VecDeque<(Instant, PeerId)>);

impl Recent {
    /// Whether `peer` may be called now, which counts then.
    fn admits(&mut self, peer: PeerId, now: Instant) -> bool {
        while self.0.front().is_some_and(|(at, _)| now.duration_since(*at) >= PACE) {
            self.0.pop_front();
        }
        let admitted = self.0.len() < MAX_CALLS && self.0.iter().all(|(_, other)| *other != peer);
        if admitted {
            self.0.push_back((now, peer));
        }
        admitted
    }
}

/// One connection to spare as long as others are in use, at most so many in all.
async fn keep(calls: &Calls, peer: PeerId, addresses: &[SocketAddr]) {
    let (used, mut first_uses) = mpsc::channel(MAX_TURNED_PER_PEER);
    let mut open = JoinSet::new();
    let (mut spare, mut refused) = (0_usize, false);
    loop {
        if spare == 0 && !refused && open.len() < MAX_TURNED_PER_PEER {
            spare += 1;
            let (calls, addresses, used) = (calls.clone(), addresses.to_vec(), used.clone());
            open.spawn(async move {
                match calls.client.call_and_turn(peer, &addresses).await {
                    Ok((stream, at)) => {
                        Some(calls.server.serve_turned(stream, (peer, at), used).await)
                    }
                    Err(error) => {
                        debug!(peer = %peer.short(), %error, "cannot be called either");
                        None
                    }
                }
            });
        }
        tokio::select! {
            Some(()) = first_uses.recv() => {
                spare = spare.saturating_sub(1);
                refused = false;
            }
            Some(ended) = open.join_next() => {
                let was_used = ended.unwrap_or(None);
                // What its first use has told is taken in before its end.
                while first_uses.try_recv().is_ok() {
                    spare = spare.saturating_sub(1);
                    refused = false;
                }
                if was_used != Some(true) {
                    spare = spare.saturating_sub(1);
                }
                // Without a place there, another try comes with the next use.
                refused |= was_used.is_none();
                if open.is_empty() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> PeerId {
        PeerId::from_digest([n; 32])
    }

    #[test]
    fn who_rings_all_the_time_is_called_once_a_minute() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let second = Duration::from_secs(1);
        let calls = (0..180).filter(|n| recent.admits(peer(1), now + *n * second)).count();
        assert_eq!(calls, 3);
    }

    #[test]
    fn many_who_ring_are_called_six_a_minute_in_all() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let mut calls = 0;
        for second in 0..120 {
            for n in 0..16 {
                let at = now + Duration::from_secs(second);
                calls += u32::from(recent.admits(peer(n), at));
                assert!(recent.0.len() <= MAX_CALLS);
            }
        }
        assert_eq!(calls, 12);
    }
}
