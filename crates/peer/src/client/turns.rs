//! Connections that the other side has made and then turned: it answers on them, this side asks. For peers behind a wall that lets
//! nothing in (`docs/protocol.md`, §10).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Method, StatusCode};
use hyper_util::rt::TokioIo;
use manyhands_core::PeerId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout_at};

use super::pool::Connection;
use super::{CallError, PeerClient};

/// What both sides say to turn a connection.
pub(crate) const TURN: &str = "manyhands-turn";
pub(crate) const TURN_PATH: &str = "/v1/turn";
/// Turned connections of one peer: the streams of a session, its long poll, calls, and one to spare.
pub(crate) const MAX_TURNED_PER_PEER: usize = 8;
/// … and of all.
const MAX_TURNED: usize = 64;
/// Who was rung may turn a connection for so long.
const EXPECTED: Duration = Duration::from_secs(60);
/// While one is in use, the peer has another one ready after a moment.
const ANOTHER: Duration = Duration::from_secs(3);
/// Rung peers that are remembered.
const MAX_EXPECTED: usize = 64;
/// An idle one is not used again after this: before the other side gives it up.
const MAX_IDLE: Duration = Duration::from_secs(80);

/// The turned connections of this device. Clones are handles to the same; the lock is never held over an await.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    places: Arc<Mutex<Places>>,
    /// There is one more to ask on.
    idle: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Places {
    expected: BTreeMap<PeerId, Instant>,
    open: BTreeMap<PeerId, usize>,
    idle: BTreeMap<PeerId, Vec<(Instant, Connection)>>,
    /// Who wants to know that a peer has called.
    arrivals: Option<mpsc::Sender<PeerId>>,
}

/// One turned connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct TurnPlace {
    turns: Turns,
    peer: PeerId,
}

impl Turns {
    /// `peer` is asked to call.
    pub(crate) fn expect(&self, peer: PeerId) {
        let mut places = self.lock();
        places.expected.retain(|_, since| since.elapsed() < EXPECTED);
        if places.expected.len() < MAX_EXPECTED {
            places.expected.insert(peer, Instant::now());
        }
    }

    /// A place for a connection that `peer` wants to turn: only if it was asked to, or is in use that way.
    pub(crate) fn admit(&self, peer: PeerId) -> Option<TurnPlace> {
        let mut places = self.lock();
        let since = places.expected.get(&peer);
        let expected = since.is_some_and(|since| since.elapsed() < EXPECTED);
        let (of_peer, all) =
            (places.open.get(&peer).copied().unwrap_or(0), places.open.values().sum::<usize>());
        let room = of_peer < MAX_TURNED_PER_PEER && all < MAX_TURNED;
        if !room || !(expected || of_peer > 0) {
            return None;
        }
        *places.open.entry(peer).or_default() += 1;
        Some(TurnPlace { turns: self.clone(), peer })
    }

    /// From now on whoever calls is told of.
    pub(crate) fn tell_arrivals(&self) -> mpsc::Receiver<PeerId> {
        let (sender, receiver) = mpsc::channel(MAX_TURNED);
        self.lock().arrivals = Some(sender);
        receiver
    }

    /// A connection to ask on.
    pub(super) fn put(&self, connection: Connection) {
        let mut places = self.lock();
        let idle = places.idle.entry(connection.peer).or_default();
        idle.retain(|(since, connection)| since.elapsed() < MAX_IDLE && connection.is_open());
        if idle.len() < MAX_TURNED_PER_PEER && connection.is_open() {
            idle.push((Instant::now(), connection));
            self.idle.notify_waiters();
        }
    }

    /// One to ask on; where some are in use, the peer makes another, which is waited for.
    pub(super) async fn next(&self, peer: PeerId) -> Option<Connection> {
        let deadline = Instant::now() + ANOTHER;
        loop {
            let mut idle = pin!(self.idle.notified());
            // Before looking, so that what comes between is not missed.
            idle.as_mut().enable();
            if let Some(connection) = self.take(peer) {
                return Some(connection);
            }
            if !self.lock().open.contains_key(&peer) {
                return None;
            }
            timeout_at(deadline, idle).await.ok()?;
        }
    }

    fn take(&self, peer: PeerId) -> Option<Connection> {
        let mut places = self.lock();
        let idle = places.idle.get_mut(&peer)?;
        idle.retain(|(since, connection)| since.elapsed() < MAX_IDLE && connection.is_open());
        let taken = idle.pop().map(|(_, connection)| connection);
        if idle.is_empty() {
            places.idle.remove(&peer);
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TurnPlace {
    /// Asks on `stream` from now on, until it closes.
    pub(crate) async fn carry<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let opened = Connection::turned(stream, self.peer, self.turns.clone()).await;
        let Ok((connection, driver)) = opened else { return };
        self.turns.put(connection);
        if let Some(arrivals) = &self.turns.lock().arrivals {
            // Who is not told finds out with the next greeting.
            let _ = arrivals.try_send(self.peer);
        }
        driver.await;
    }
}

impl Drop for TurnPlace {
    fn drop(&mut self) {
        let mut places = self.turns.lock();
        let left = places.open.get(&self.peer).map_or(0, |open| open - 1);
        if left == 0 {
            places.open.remove(&self.peer);
            places.idle.remove(&self.peer);
        } else {
            places.open.insert(self.peer, left);
        }
    }
}

impl PeerClient {
    /// Calls a peer that has asked for it, and turns the connection: what comes over it is the peer's requests.
    pub(crate) async fn call_and_turn(
        &self,
        peer: PeerId,
        addresses: &[SocketAddr],
    ) -> Result<(impl AsyncRead + AsyncWrite + Send + Unpin + use<>, SocketAddr), CallError> {
        let remote = self.peer(peer, addresses);
        let mut request = remote.request(Method::POST, TURN_PATH)?;
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static(TURN));
        let (response, _connection) =
            remote.inner.send_dialed(request, remote.inner.waits.answer).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(remote.problem(response).await);
        }
        let at = remote.addresses().first().copied();
        let at = at.ok_or(CallError::Nonsense("a connection to nowhere"))?;
        match hyper::upgrade::on(response).await {
            Ok(turned) => Ok((TokioIo::new(turned), at)),
            Err(error) => Err(CallError::Lost(std::io::Error::other(error))),
        }
    }
}
