//! Connections to one peer that are idle, for the next request.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use manyhands_core::PeerId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::dial::Dialed;
use super::turns::Turns;
use super::{CallError, Remote};

/// Idle connections kept: as many as a session has streams.
const MAX_IDLE: usize = 4;
/// The head of an answer has at most so many bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// A connection whose last answer has been read becomes ready as soon as its task has run.
const READY: Duration = Duration::from_secs(1);

/// The idle connections. The lock is never held over an await.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Vec<(Instant, Connection)>>,
    max_age: Duration,
}

/// One connection. Dropping it closes it; so does dropping an answer of it that is not read to its
/// end.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Who is at the other end, proved.
    pub(super) peer: PeerId,
    /// Where it goes when it is idle, if the peer has made it.
    turned: Option<Turns>,
}

/// An answer, and the connection that it is still being read from.
pub(super) type Answered = (Response<Incoming>, Connection);

impl Pool {
    pub(super) fn new(max_age: Duration) -> Self {
        Self { idle: Mutex::default(), max_age }
    }

    /// Takes back a connection whose answer has been read.
    pub(super) fn put(&self, connection: Connection) {
        if let Some(turns) = connection.turned.clone() {
            return turns.put(connection);
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, _)| since.elapsed() < self.max_age);
        if idle.len() < MAX_IDLE && !connection.sender.is_closed() {
            idle.push((Instant::now(), connection));
        }
    }

    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, _)| since.elapsed() < self.max_age);
        idle.pop().map(|(_, connection)| connection)
    }
}

impl Remote {
    /// Sends a request and waits for the head of its answer, for `wait` once it is on its way.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        wait: Duration,
    ) -> Result<Answered, CallError> {
        while let Some(mut connection) = self.pool.take() {
            if !matches!(timeout(READY, connection.sender.ready()).await, Ok(Ok(()))) {
                continue;
            }
            match attempt(&mut connection, request, wait).await? {
                Ok(response) => {
                    self.by_turn.store(false, Ordering::Relaxed);
                    return Ok((response, connection));
                }
                // The server had closed it meanwhile, and nothing has left: the next connection
                // will do.
                Err(unsent) => request = unsent,
            }
        }
        self.send_alone(request, wait).await
    }

    /// As [`send`](Self::send), on a connection that is made for it: by the peer, where it has called.
    pub(super) async fn send_alone(
        &self,
        mut request: Request<Full<Bytes>>,
        wait: Duration,
    ) -> Result<Answered, CallError> {
        while let Some(mut connection) = self.turns.next(self.id).await {
            if !matches!(timeout(READY, connection.sender.ready()).await, Ok(Ok(()))) {
                continue;
            }
            match attempt(&mut connection, request, wait).await? {
                Ok(response) => {
                    self.by_turn.store(true, Ordering::Relaxed);
                    return Ok((response, connection));
                }
                Err(unsent) => request = unsent,
            }
        }
        self.send_dialed(request, wait).await
    }

    /// … and by this device in any case.
    pub(super) async fn send_dialed(
        &self,
        request: Request<Full<Bytes>>,
        wait: Duration,
    ) -> Result<Answered, CallError> {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let dialed = {
            let turn = timeout(self.waits.dial, self.dials.acquire()).await;
            let _turn = turn.map_err(|_| CallError::Lost(io::ErrorKind::TimedOut.into()))?;
            self.target.dial(&addresses).await?
        };
        self.prefer(dialed.address);
        self.by_turn.store(false, Ordering::Relaxed);
        let mut connection = open(dialed).await?;
        match attempt(&mut connection, request, wait).await? {
            Ok(response) => Ok((response, connection)),
            Err(_) => Err(lost("the connection closed before the request was sent")),
        }
    }
}

/// Gives the request back when nothing of it has been sent.
async fn attempt(
    connection: &mut Connection,
    request: Request<Full<Bytes>>,
    wait: Duration,
) -> Result<Result<Response<Incoming>, Request<Full<Bytes>>>, CallError> {
    match timeout(wait, connection.sender.try_send_request(request)).await {
        Ok(Ok(response)) => Ok(Ok(response)),
        Ok(Err(mut error)) => match error.take_message() {
            Some(unsent) => Ok(Err(unsent)),
            None => Err(CallError::Lost(io::Error::other(error.into_error()))),
        },
        Err(_) => Err(CallError::Lost(io::ErrorKind::TimedOut.into())),
    }
}

async fn open(dialed: Dialed) -> Result<Connection, CallError> {
    let (sender, connection) = Builder::new()
        .max_header_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(dialed.stream))
        .await
        .map_err(|error| CallError::Lost(io::Error::other(error)))?;
    // Ends with the sender and the answers that are read from it, or becomes a tunnel.
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::trace!(%error, "connection to a peer closed");
        }
    });
    Ok(Connection { sender, peer: dialed.peer, turned: None })
}

impl Connection {
    /// One that the peer has made and turned; with what keeps it going until it closes.
    pub(super) async fn turned<S>(
        stream: S,
        peer: PeerId,
        turns: Turns,
    ) -> hyper::Result<(Self, impl Future<Output = ()>)>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) =
            Builder::new().max_header_size(MAX_HEAD_BYTES).handshake(TokioIo::new(stream)).await?;
        let driver = async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::trace!(%error, "turned connection closed");
            }
        };
        Ok((Self { sender, peer, turned: Some(turns) }, driver))
    }

    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

fn lost(why: &'static str) -> CallError {
    CallError::Lost(io::Error::other(why))
}
