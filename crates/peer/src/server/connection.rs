//! From a TCP connection to authenticated requests.

use std::net::{IpAddr, SocketAddr};
use std::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Method, StatusCode};
use hyper::server::conn::http1::Parts;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use manyhands_core::PeerId;
use manyhands_identity::{self as identity, HandshakeError};
use manyhands_serve::{Refusal, WriteDeadline};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, trace, warn};

use super::admission::Admitted;
use super::tunnel::{self, Tunnel};
use super::{ACCEPT_PAUSE, Shared, routes, turned};
use crate::client::turns::{TURN, TurnPlace};
use crate::rewound::Rewound;

/// The head of a request has at most so many bytes; more is answered 431.
pub(crate) const MAX_HEAD_BYTES: usize = 16 * 1024;
/// … and so many header fields.
const MAX_HEADERS: usize = 64;
/// Who takes any byte in time is slow, and there: a line may be.
pub(super) const PORTION_BYTES: usize = 1;

/// Who sent a request; put beside each one.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Proved by its key.
    pub(crate) id: PeerId,
    pub(crate) address: IpAddr,
    /// Ends this connection at once.
    pub(crate) kill: CancellationToken,
}

/// Accepts connections until it is dropped.
pub(crate) async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, shared: Arc<Shared>) {
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Without this the connection is closed here: answering would cost more than asking.
        if let Some(admitted) = shared.admission.handshake(address_of(from)) {
            let serving = one(stream, tls.clone(), shared.clone(), admitted);
            shared.tasks.spawn(serving);
        }
        // Without this many more are taken in than have places, before those that lost theirs have
        // closed.
        tokio::task::yield_now().await;
    }
}

/// On a socket for both families IPv4 addresses come in their mapped form; they are the same
/// devices.
fn address_of(from: SocketAddr) -> IpAddr {
    from.ip().to_canonical()
}

async fn one(stream: TcpStream, tls: Arc<ServerConfig>, shared: Arc<Shared>, admitted: Admitted) {
    let kill = admitted.kill().clone();
    let talk = async {
        // Nagle's algorithm would hold back the last part of each answer.
        stream.set_nodelay(true).ok();
        let (stream, id) = match identity::accept(stream, tls).await {
            Ok(proved) => proved,
            Err(HandshakeError::WrongDevice { found }) => {
                return debug!(peer = %found.short(), "turned a blocked device away");
            }
            Err(error) => return debug!(address = %admitted.address(), %error, "no handshake"),
        };
        if !admitted.proved(id) {
            return debug!(peer = %id.short(), "too many connections");
        }
        // Once more, now that its connection can be found and closed: it may have been blocked
        // since its key was checked.
        if shared.blocked.contains(&id) {
            return;
        }
        let caller = Caller { id, address: admitted.address(), kill: kill.clone() };
        let stream = WriteDeadline::new(stream, shared.waits.write, PORTION_BYTES);
        let head = shared.waits.head;
        match http(stream, caller, &shared, head, &|| ()).await {
            Ok(None) => {}
            Ok(Some((opened, stream))) => opened.carry(stream, &shared).await,
            Err(error) => trace!(peer = %id.short(), %error, "connection closed"),
        }
    };
    kill.run_until_cancelled(talk).await;
}

/// What a connection has become.
pub(super) enum Opened {
    Tunnel(Tunnel),
    /// This device asks from now on.
    Turned(TurnPlace),
}

impl Opened {
    pub(super) async fn carry<S>(self, stream: Rewound<S>, shared: &Shared)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match self {
            Self::Tunnel(tunnel) => tunnel.carry(stream, &shared.waits).await,
            Self::Turned(place) => place.carry(stream).await,
        }
    }
}

/// Answers requests until the connection closes or becomes something else. A request's head must be complete `head` after the last
/// answer; `on_request` hears of each.
pub(super) async fn http<S>(
    stream: S,
    caller: Caller,
    shared: &Arc<Shared>,
    head: Duration,
    on_request: &(dyn Fn() + Send + Sync),
) -> hyper::Result<Option<(Opened, Rewound<S>)>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = routes::router(shared.clone());
    let opened = Arc::new(Mutex::new(None));
    let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        let (router, shared) = (router.clone(), shared.clone());
        let (caller, opened) = (caller.clone(), opened.clone());
        on_request();
        async move {
            let become_it = |it| {
                *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(it);
            };
            if turned::is_turn(&request) {
                return Ok(match turned::open(&shared, &caller, &request) {
                    Ok(place) => {
                        become_it(Opened::Turned(place));
                        let mut answer = Response::default();
                        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                        let headers = answer.headers_mut();
                        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                        headers.insert(UPGRADE, HeaderValue::from_static(TURN));
                        answer
                    }
                    Err(problem) => Refusal(problem).into_response(),
                });
            }
            if request.method() != Method::CONNECT {
                request.extensions_mut().insert(caller);
                return router.oneshot(request.map(Body::new)).await;
            }
            Ok(match tunnel::open(&shared, &caller, &request).await {
                Ok(tunnel) => {
                    become_it(Opened::Tunnel(tunnel));
                    Response::default()
                }
                Err(problem) => Refusal(problem).into_response(),
            })
        }
    });
    let mut connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_header_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        done = &mut connection => done?,
        () = shared.stop.cancelled() => {
            pin::Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await?;
        }
    }
    let became = opened.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(became.map(|became| {
        // What came behind the request's head is no request.
        let Parts { io, read_buf, .. } = connection.into_parts();
        (became, Rewound::new(read_buf, io.into_inner()))
    }))
}
