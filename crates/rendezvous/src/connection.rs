//! From a TCP connection to requests.

use std::io;
use std::net::SocketAddr;
use std::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use manyhands_serve::{IsProblem, Refusal, WriteDeadline};
use manyhands_wire::ProblemCode;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::{debug, trace, warn};

use crate::address::client_address;
use crate::admission::{Admission, Place};
use crate::config::Config;
use crate::routes;
use crate::server::Shared;

/// What is kept of one connection in each direction; a batch of events may come on top of it.
const BUFFER_BYTES: usize = 64 * 1024;
/// Who has so much waiting has to take it within the time for slow readers: 2 KiB a second, as it is set.
const PORTION_BYTES: usize = 64 * 1024;
/// The head of a request has at most so many bytes; more is answered 431.
pub(crate) const MAX_HEAD_BYTES: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;
/// What the system keeps for one connection in each direction: a reader that does not read holds no more.
const SOCKET_BUFFER_BYTES: u32 = 64 * 1024;
/// Connections that wait to be accepted: everybody may come back at once.
const BACKLOG: u32 = 4096;
/// After a failed accept, mostly for want of file descriptors: time for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How connections begin.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Plain,
    /// The certificate may be replaced while the server runs.
    Tls(watch::Receiver<Arc<ServerConfig>>),
}

pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if address.is_ipv6() {
        // Whatever the system's default is.
        socket2::SockRef::from(&socket).set_only_v6(!address.ip().is_unspecified())?;
    }
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Connections have what the listening socket had.
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until the server stops.
pub(crate) async fn serve(
    listener: TcpListener,
    transport: Transport,
    router: Router,
    shared: Arc<Shared>,
    admission: Arc<Admission>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        shared.counters.connections.add(1);
        // On a socket for both families IPv4 addresses come in their mapped form.
        let from = from.ip().to_canonical();
        let is_proxy = shared.config.trusted_proxies.iter().any(|net| net.contains(&from));
        let Some(place) = admission.enter(from, is_proxy) else {
            // Closed: answering would cost more than asking.
            shared.counters.connections_refused.add(1);
            continue;
        };
        let serving = one(stream, transport.clone(), router.clone(), shared.clone(), place);
        shared.tasks.spawn(serving);
    }
}

async fn one(
    stream: TcpStream,
    transport: Transport,
    router: Router,
    shared: Arc<Shared>,
    place: Place,
) {
    let kill = place.kill().clone();
    let talk = async {
        // Nagle's algorithm would hold back the last part of each answer.
        stream.set_nodelay(true).ok();
        let patience = shared.config.times.slow_reader;
        let result = match transport {
            Transport::Plain => {
                place.begun();
                http(WriteDeadline::new(stream, patience, PORTION_BYTES), &place, router, &shared)
                    .await
            }
            Transport::Tls(config) => {
                let config = config.borrow().clone();
                let handshake = Box::pin(TlsAcceptor::from(config).accept(stream));
                let stream = match tokio::time::timeout(shared.config.times.handshake, handshake)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                {
                    Ok(stream) => stream,
                    Err(error) => {
                        shared.counters.handshakes_failed.add(1);
                        let address = shared.loggable(place.address());
                        return debug!(%address, %error, "no handshake");
                    }
                };
                shared.counters.handshakes.add(1);
                place.begun();
                http(WriteDeadline::new(stream, patience, PORTION_BYTES), &place, router, &shared)
                    .await
            }
        };
        if let Err(error) = result {
            trace!(address = %shared.loggable(place.address()), %error, "connection closed");
        }
    };
    kill.run_until_cancelled(talk).await;
}

/// Answers requests until the connection closes.
async fn http<S>(
    stream: S,
    place: &Place,
    router: Router,
    shared: &Arc<Shared>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = place.address();
    let is_known = Arc::new(AtomicBool::new(place.is_proxys()));
    let known = is_known.clone();
    let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        let (router, shared, is_known) = (router.clone(), shared.clone(), known.clone());
        async move {
            let began = Instant::now();
            let Config { trusted_proxies, proxy_header, .. } = &shared.config;
            let from = client_address(peer, request.headers(), *proxy_header, trusted_proxies);
            request.extensions_mut().insert(from);
            let path = request.uri().path();
            let is_public = routes::PUBLIC.contains(&path);
            let waits = path == "/v1/changes";
            let answer = if shared.stop.is_cancelled() && path != "/healthz" {
                Ok(Refusal(shared.turned_away(Duration::from_secs(2))).into_response())
            } else {
                router.oneshot(request.map(Body::new)).await
            };
            shared.counters.requests.add(1);
            let answer = answer.map(|answer| mark(answer, &shared));
            if let Ok(answer) = &answer
                && !is_public
                && answer.status().is_success()
            {
                is_known.store(true, Ordering::Relaxed);
            }
            if !waits {
                shared.counters.request_times.add(began.elapsed());
            }
            answer
        }
    });
    let mut connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.config.times.idle)
        .max_buf_size(BUFFER_BYTES)
        .max_header_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let newcomer = async {
        tokio::time::sleep(shared.config.times.newcomer).await;
        if is_known.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        done = &mut connection => done,
        // Places are for those who have a session: without one they would cost nothing to hold.
        () = newcomer => {
            pin::Pin::new(&mut connection).graceful_shutdown();
            match tokio::time::timeout(shared.config.times.body, &mut connection).await {
                Ok(done) => done,
                // What was under way has opened a stream, after all.
                Err(_) if is_known.load(Ordering::Relaxed) => connection.await,
                Err(_) => Ok(()),
            }
        }
        () = shared.stop.cancelled() => {
            pin::Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    }
}

/// Counts an answer that is a problem, and ends the connection behind some: the next try costs a handshake, and what is left of a body that was
/// too large is not read.
fn mark(mut answer: Response, shared: &Shared) -> Response {
    let Some(IsProblem(code)) = answer.extensions().get().copied() else { return answer };
    shared.counters.problems.add(1);
    if matches!(code, Some(ProblemCode::BadProof | ProblemCode::TooLarge | ProblemCode::TooSlow)) {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
