//! A helper's line as a local proxy: what an HTTP client needs to go over it.
//!
//! The client connects to a port of this machine, says a token that only this process knows, asks
//! for a tunnel (`CONNECT`), and gets one through the helper. It speaks TLS with the origin itself;
//! the device key stays here, the origin never meets it.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use http::header::{CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1::{Builder, Parts};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use manyhands_core::HelpId;
use manyhands_wire::OriginName;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, trace};
use url::Url;

use super::{CallError, RemotePeer};
use crate::rewound::Rewound;

/// Connections to the endpoint: those of the tunnels that a helper gives, and as many that wait or
/// are not ours. More are closed.
const MAX_CONNECTIONS: usize = 16;
/// The head of a `CONNECT` …
const MAX_HEAD_BYTES: usize = 8 * 1024;
const MAX_HEADERS: usize = 32;
/// … is there at once: it comes from this machine.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// What is carried at a time, in each direction.
const BUFFER_BYTES: usize = 64 * 1024;
/// After a failed accept, mostly for want of file descriptors: time for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const USER: &str = "manyhands";

/// A proxy on loopback whose tunnels go through a helper. Dropping it closes it and all of them.
pub struct Relay {
    proxy_url: Url,
    refusal: Arc<Mutex<Option<CallError>>>,
    _stop: DropGuard,
}

/// What each connection needs to know.
struct Endpoint {
    peer: RemotePeer,
    id: HelpId,
    origins: Vec<OriginName>,
    /// What the client says in its `Proxy-Authorization`.
    credentials: String,
    refusal: Arc<Mutex<Option<CallError>>>,
    /// Given back when a connection closes.
    places: Arc<Semaphore>,
}

impl Relay {
    /// For the origins of the relay request `id`, which `peer` has accepted.
    ///
    /// # Errors
    /// Loopback cannot be listened on.
    pub async fn start(peer: RemotePeer, id: HelpId, origins: Vec<OriginName>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let token = HEXLOWER.encode(&rand::random::<[u8; 32]>());
        let port = listener.local_addr()?.port();
        let proxy_url = format!("http://{USER}:{token}@{}:{port}/", Ipv4Addr::LOCALHOST);
        let proxy_url = Url::parse(&proxy_url).map_err(io::Error::other)?;
        let refusal = Arc::default();
        let endpoint = Endpoint {
            peer,
            id,
            origins,
            credentials: BASE64.encode(format!("{USER}:{token}").as_bytes()),
            refusal: Arc::clone(&refusal),
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        };
        let stop = CancellationToken::new();
        let serving = Arc::new(endpoint).serve(listener, stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        Ok(Self { proxy_url, refusal, _stop: stop.drop_guard() })
    }

    /// For the proxy setting of an HTTP client; the token is in it.
    #[must_use]
    pub fn proxy_url(&self) -> &Url {
        &self.proxy_url
    }

    /// Why the helper last refused a tunnel, if it has since this was last asked.
    pub fn take_refusal(&self) -> Option<CallError> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Endpoint {
    async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    debug!(%error, "cannot accept a connection for a helper");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = self.places.clone().try_acquire_owned() else { continue };
            let serving = self.clone().one(stream);
            tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
                serving.await;
                drop(place);
            }));
        }
    }

    async fn one(self: Arc<Self>, stream: TcpStream) {
        stream.set_nodelay(true).ok();
        let opened = Arc::new(Mutex::new(None));
        let service = service_fn(|request: Request<Incoming>| {
            let (endpoint, opened) = (self.clone(), opened.clone());
            async move {
                let status = match endpoint.connect(&request).await {
                    Ok(tunnel) => {
                        *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
                        StatusCode::OK
                    }
                    Err(status) => status,
                };
                Ok::<_, Infallible>(answer(status))
            }
        });
        let mut connection = Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .max_header_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = (&mut connection).await {
            return trace!(%error, "connection to a relay closed");
        }
        let tunnel = opened.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut tunnel) = tunnel {
            let Parts { io, read_buf, .. } = connection.into_parts();
            let mut client = Rewound::new(read_buf, io.into_inner());
            let (a, b) = (BUFFER_BYTES, BUFFER_BYTES);
            let done = copy_bidirectional_with_sizes(&mut client, &mut tunnel, a, b).await;
            if let Err(error) = done {
                trace!(%error, "tunnel through a helper closed");
            }
        }
    }

    /// The tunnel that `request` asks for, or the status that says why there is none.
    async fn connect(
        &self,
        request: &Request<Incoming>,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>, StatusCode> {
        if !self.knows(request.headers()) {
            return Err(StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        }
        if request.method() != Method::CONNECT {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        let target = request.uri().authority().ok_or(StatusCode::BAD_REQUEST)?;
        let origin = self.origins.iter().find(|origin| {
            target.host() == origin.host() && target.port_u16() == Some(origin.port())
        });
        let origin = origin.ok_or(StatusCode::FORBIDDEN)?;
        self.peer.tunnel(self.id, origin).await.map_err(|error| {
            debug!(helper = %self.peer.id().short(), %origin, %error, "no tunnel from a helper");
            let status = match &error {
                CallError::Problem(problem) => StatusCode::from_u16(problem.status).ok(),
                _ => None,
            };
            *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            status.unwrap_or(StatusCode::BAD_GATEWAY)
        })
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let said = headers.get(PROXY_AUTHORIZATION).and_then(|value| value.to_str().ok());
        said.and_then(|said| said.split_once(' ')).is_some_and(|(scheme, said)| {
            scheme.eq_ignore_ascii_case("basic")
                && same(said.as_bytes(), self.credentials.as_bytes())
        })
    }
}

fn answer(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = status;
    if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        let basic = HeaderValue::from_static("Basic realm=\"manyhands\"");
        answer.headers_mut().insert(PROXY_AUTHENTICATE, basic);
    }
    if status != StatusCode::OK {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// Compares in a time that does not tell where the two differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |found, (a, b)| std::hint::black_box(found | (a ^ b)));
    a.len() == b.len() && difference == 0
}

impl std::fmt::Debug for Relay {
    /// Never the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("port", &self.proxy_url.port()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_are_the_same() {
        assert!(same(b"abc", b"abc"));
        for (a, b) in [("abc", "abd"), ("abc", "ab"), ("ab", "abc"), ("", "a"), ("xbc", "abc")] {
            assert!(!same(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
    }
}
