//! Connections on which the roles are turned: those that others make here, on which this device then asks; and those that this
//! device makes for others, on which it answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::UPGRADE;
use http::{Method, Request};
use manyhands_core::PeerId;
use manyhands_serve::WriteDeadline;
use manyhands_wire::{Problem, ProblemCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tracing::{debug, trace};

use super::connection::{Caller, PORTION_BYTES, http};
use super::{PeerServer, Shared};
use crate::client::PeerClient;
use crate::client::turns::{TURN, TURN_PATH, TurnPlace, Turns};

/// A turned connection on which nothing is asked closes: the other side greets at least every 75 s.
const IDLE: Duration = Duration::from_secs(90);

/// Whether a request is one to turn the connection.
pub(super) fn is_turn<B>(request: &Request<B>) -> bool {
    request.method() == Method::POST && request.uri().path() == TURN_PATH
}

/// The place of a connection that `caller` wants to turn.
pub(super) fn open<B>(
    shared: &Shared,
    caller: &Caller,
    request: &Request<B>,
) -> Result<TurnPlace, Problem> {
    let named =
        request.headers().get(UPGRADE).is_some_and(|value| value.as_bytes() == TURN.as_bytes());
    if !named {
        return Err(Problem::new(ProblemCode::Malformed));
    }
    let turns = shared.turns.get();
    // Who was not asked to call finds what it would find with a version that cannot.
    turns.and_then(|turns| turns.admit(caller.id)).ok_or(Problem::new(ProblemCode::NotFound))
}

impl PeerServer {
    /// Who was asked to call this device through `client` may turn its connections from now on.
    pub fn take_turns(&self, client: &PeerClient) {
        // Twice is once.
        let _ = self.shared.turns.set(client.turns().clone());
    }

    pub(crate) fn is_blocked(&self, peer: PeerId) -> bool {
        self.shared.blocked.contains(&peer)
    }

    /// Answers `peer` on a connection that was made for it, until it closes. With the first request there is a message on `used`;
    /// gives whether there was one.
    pub(crate) async fn serve_turned<S>(
        &self,
        stream: S,
        (peer, at): (PeerId, SocketAddr),
        used: mpsc::Sender<()>,
    ) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shared = &self.shared;
        let Some(admitted) = shared.admission.handshake(at.ip().to_canonical()) else {
            return false;
        };
        if !admitted.proved(peer) || self.is_blocked(peer) {
            debug!(peer = %peer.short(), "no place for a turned connection");
            return false;
        }
        let kill = admitted.kill().clone();
        let was_used = Arc::new(AtomicBool::new(false));
        let first = was_used.clone();
        let on_request = move || {
            if !first.swap(true, Ordering::Relaxed) {
                let _ = used.try_send(());
            }
        };
        let caller = Caller { id: peer, address: admitted.address(), kill: kill.clone() };
        let stream = WriteDeadline::new(stream, shared.waits.write, PORTION_BYTES);
        let talk = async {
            match http(stream, caller, shared, IDLE, &on_request).await {
                Ok(None) => {}
                Ok(Some((opened, stream))) => opened.carry(stream, shared).await,
                Err(error) => trace!(peer = %peer.short(), %error, "turned connection closed"),
            }
        };
        let talk = kill.run_until_cancelled(talk);
        shared.stop.run_until_cancelled(talk).await;
        was_used.load(Ordering::Relaxed)
    }
}

/// Where turned connections go, once somebody wants them.
pub(super) type TurnsSlot = std::sync::OnceLock<Turns>;
