//! Calls members who cannot call this device and have asked for it, and answers them on the connections that it made.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use manyhands_core::PeerId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::debug;

use super::Calls;
use crate::client::turns::MAX_TURNED_PER_PEER;

/// Members for whom connections are kept at a time.
const MAX_CALLED: usize = 16;
/// Rings that wait; who is not heard rings again.
pub(super) const MAX_WAITING: usize = 16;

/// Who rang, and where it is listed.
pub(super) type Rung = (PeerId, Vec<SocketAddr>);

/// Answers rings until there are none any more.
pub(super) async fn answer(calls: Calls, mut rings: mpsc::Receiver<Rung>) {
    let (mut called, mut tasks) = (BTreeSet::new(), JoinSet::new());
    loop {
        tokio::select! {
            rung = rings.recv() => {
                let Some((peer, addresses)) = rung else { return };
                let welcome = called.len() < MAX_CALLED && !calls.server.is_blocked(peer);
                if welcome && !addresses.is_empty() && called.insert(peer) {
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
