//! To a rendezvous server, straight: no proxy, names by the system, every address of a name tried, and the right key or nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use manyhands_core::PeerId;
use manyhands_identity::{self as identity, Expect, HandshakeError, anonymous_client_config};
use manyhands_wire::{Bytes32, Problem, ProblemCode};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tracing::debug;
use url::{Host, Url};

use super::RendezvousWaits;
use super::fault::{Failure, ServerFault};

/// More addresses of a name are not tried.
const MAX_ADDRESSES: usize = 16;
/// The head of an answer has at most so many bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Bodies that are one message.
pub(super) const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// How one server is reached.
#[derive(Clone, Debug)]
pub(super) struct Way {
    host: Host<String>,
    port: u16,
    authority: HeaderValue,
    tls: Tls,
    waits: RendezvousWaits,
}

#[derive(Clone, Debug)]
enum Tls {
    /// Plain http, which was allowed.
    None,
    /// The server's own key, checked in the handshake.
    Own(Arc<ClientConfig>),
    /// A certificate of the public kind.
    Public(Arc<ClientConfig>, ServerName<'static>),
}

/// What the certificate must show.
#[derive(Clone, Copy, Debug)]
pub(super) enum Certificate {
    Own(Expect),
    Public,
}

/// One connection, for one request at a time. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: HeaderValue,
    answer: Duration,
    /// The key that was shown, where it is the server's own.
    pub(super) key: Option<PeerId>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Opened = (Box<dyn Stream>, Option<PeerId>);

impl Way {
    /// Reads the system's certificates where they are needed, which takes a moment.
    pub(super) async fn new(
        url: &Url,
        certificate: Certificate,
        insecure_http: bool,
        extra_roots: &[CertificateDer<'static>],
        waits: RendezvousWaits,
    ) -> Result<Self, Failure> {
        let nowhere = || Failure::of(ServerFault::UnknownName);
        let host = url.host().ok_or_else(nowhere)?.to_owned();
        let port = url.port_or_known_default().ok_or_else(nowhere)?;
        let authority = HeaderValue::try_from(format!("{host}:{port}")).map_err(|_| nowhere())?;
        let tls = match (url.scheme(), certificate) {
            ("https", Certificate::Own(expect)) => {
                let config = anonymous_client_config(expect);
                Tls::Own(config.map_err(|_| Failure::of(ServerFault::NoServer))?)
            }
            ("https", Certificate::Public) => {
                let name = match &host {
                    Host::Domain(name) => {
                        ServerName::try_from(name.clone()).map_err(|_| nowhere())?
                    }
                    Host::Ipv4(ip) => ServerName::from(std::net::IpAddr::from(*ip)),
                    Host::Ipv6(ip) => ServerName::from(std::net::IpAddr::from(*ip)),
                };
                let roots = extra_roots.to_vec();
                let config = tokio::task::spawn_blocking(move || public_config(roots)).await;
                let config = config.map_err(|_| nowhere())?.map_err(|error| {
                    debug!(%error, "the system's certificates cannot be used");
                    Failure::of(ServerFault::OtherKey)
                })?;
                Tls::Public(config, name)
            }
            _ if insecure_http => Tls::None,
            _ => return Err(Failure::of(ServerFault::PlainHttp)),
        };
        Ok(Self { host, port, authority, tls, waits })
    }

    pub(super) fn waits(&self) -> &RendezvousWaits {
        &self.waits
    }

    /// A connection to whichever address answers first as the server must.
    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let (stream, key) = self.open().await?;
        let (sender, connection) = Builder::new()
            .max_header_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Failure::of(ServerFault::NoAnswer))?;
        // Ends with the sender and the answer that is read from it.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, "connection to a rendezvous server closed");
            }
        });
        let authority = self.authority.clone();
        Ok(Connection { sender, authority, answer: self.waits.answer, key })
    }

    async fn open(&self) -> Result<Opened, Failure> {
        let addresses = self.addresses().await?;
        let (mut waiting, mut tries) = (addresses.into_iter(), FuturesUnordered::new());
        let mut failure = Failure::of(ServerFault::NoAnswer);
        let mut next_try = Instant::now();
        let mut more = true;
        loop {
            if more && (tries.is_empty() || Instant::now() >= next_try) {
                match waiting.next() {
                    Some(address) => tries.push(self.one(address)),
                    None => more = false,
                }
                next_try = Instant::now() + self.waits.stagger;
            }
            if tries.is_empty() {
                if more {
                    continue;
                }
                return Err(failure);
            }
            tokio::select! {
                Some(result) = tries.next() => match result {
                    Ok(opened) => return Ok(opened),
                    // Who answers wrongly says more than who does not answer.
                    Err(error) if error.fault != ServerFault::NoAnswer => failure = error,
                    Err(_) => {}
                },
                () = sleep_until(next_try), if more => {}
            }
        }
    }

    /// Both families in turn, beginning with the one that the system prefers.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let name = match &self.host {
            Host::Ipv4(ip) => return Ok(vec![(*ip, self.port).into()]),
            Host::Ipv6(ip) => return Ok(vec![(*ip, self.port).into()]),
            Host::Domain(name) => name.as_str(),
        };
        let found = timeout(self.waits.answer, lookup_host((name, self.port))).await;
        let Ok(Ok(found)) = found else { return Err(Failure::of(ServerFault::UnknownName)) };
        let found: Vec<_> = found.take(MAX_ADDRESSES).collect();
        let Some(first) = found.first().map(SocketAddr::is_ipv4) else {
            return Err(Failure::of(ServerFault::UnknownName));
        };
        let (mut one, mut other): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|address| address.is_ipv4() == first);
        let longest = one.len().max(other.len());
        let mut addresses = Vec::new();
        one.reverse();
        other.reverse();
        for _ in 0..longest {
            addresses.extend(one.pop());
            addresses.extend(other.pop());
        }
        Ok(addresses)
    }

    async fn one(&self, address: SocketAddr) -> Result<Opened, Failure> {
        let no_answer = |_| Failure::of(ServerFault::NoAnswer);
        let stream = timeout(self.waits.connect, TcpStream::connect(address)).await;
        let stream =
            stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(no_answer)?;
        stream.set_nodelay(true).map_err(no_answer)?;
        match &self.tls {
            Tls::None => Ok((Box::new(stream), None)),
            Tls::Own(config) => match identity::connect(stream, config.clone()).await {
                Ok((stream, key)) => Ok((Box::new(stream), Some(key))),
                Err(HandshakeError::WrongDevice { found }) => {
                    debug!(found = %found.short(), "another server answers");
                    Err(Failure::of(ServerFault::OtherKey))
                }
                Err(HandshakeError::Timeout) => Err(Failure::of(ServerFault::NoAnswer)),
                Err(HandshakeError::Failed(error)) => Err(handshake_failure(&error)),
            },
            Tls::Public(config, name) => {
                let handshake = TlsConnector::from(config.clone()).connect(name.clone(), stream);
                let stream = timeout(self.waits.connect, handshake).await;
                let stream = stream.map_err(|_| Failure::of(ServerFault::NoAnswer))?;
                Ok((Box::new(stream.map_err(|error| handshake_failure(&error))?), None))
            }
        }
    }
}

impl Connection {
    pub(super) fn is_usable(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request and gives the answer if it has the status `expected`.
    pub(super) async fn send(
        &mut self,
        method: Method,
        path: &str,
        token: Option<&Bytes32>,
        body: Option<Vec<u8>>,
        wait: Duration,
        expected: StatusCode,
    ) -> Result<Response<Incoming>, Failure> {
        let nonsense = || Failure::of(ServerFault::NoServer);
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(HOST, self.authority.clone());
        if let Some(token) = token {
            let mut bearer =
                HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| nonsense())?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(body.unwrap_or_default()));
        let request = request.body(body).map_err(|_| nonsense())?;
        let sending = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let response = match timeout(self.answer + wait, sending).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_parse() => return Err(nonsense()),
            Ok(Err(_)) | Err(_) => return Err(Failure::of(ServerFault::NoAnswer)),
        };
        if response.status() == expected { Ok(response) } else { Err(self.problem(response).await) }
    }

    /// One message there, one back.
    pub(super) async fn call<Q: Serialize, A: DeserializeOwned>(
        &mut self,
        (method, path): (Method, &str),
        token: Option<&Bytes32>,
        message: Option<&Q>,
        expected: StatusCode,
    ) -> Result<A, Failure> {
        let body = message.map(serde_json::to_vec).transpose();
        let body = body.map_err(|_| Failure::of(ServerFault::Refused))?;
        let response = self.send(method, path, token, body, Duration::ZERO, expected).await?;
        let bytes = self.collect(response, MAX_MESSAGE_BYTES).await?;
        serde_json::from_slice(&bytes).map_err(|_| Failure::of(ServerFault::NoServer))
    }

    /// A body of at most `max` bytes.
    pub(super) async fn collect(
        &mut self,
        response: Response<Incoming>,
        max: usize,
    ) -> Result<Bytes, Failure> {
        let body = Limited::new(response.into_body(), max);
        match timeout(self.answer, body.collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                Err(Failure::of(ServerFault::NoServer))
            }
            Ok(Err(_)) | Err(_) => Err(Failure::of(ServerFault::NoAnswer)),
        }
    }

    async fn problem(&mut self, response: Response<Incoming>) -> Failure {
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
        let document = match self.collect(response, MAX_MESSAGE_BYTES).await {
            Ok(bytes) => serde_json::from_slice::<Problem>(&bytes).ok(),
            Err(failure) => return Failure { answered: true, ..failure },
        };
        let mut problem = document.unwrap_or_else(|| Problem {
            kind: Default::default(),
            ..Problem::new(ProblemCode::Internal)
        });
        problem.status = status.as_u16();
        let after = retry_after.map(|seconds| u64::from(seconds) * 1000);
        problem.retry_after_ms = problem.retry_after_ms.or(after);
        debug!(%problem, "a rendezvous server refuses");
        Failure::problem(&problem)
    }
}

/// As web sites are checked, by the system's authorities.
fn public_config(
    extra_roots: Vec<CertificateDer<'static>>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = if extra_roots.is_empty() {
        rustls_platform_verifier::Verifier::new(provider.clone())
    } else {
        rustls_platform_verifier::Verifier::new_with_extra_roots(extra_roots, provider.clone())
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier?))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A connection that ends is nobody's answer; a certificate that is not good is another's; everything else is not the protocol.
fn handshake_failure(error: &io::Error) -> Failure {
    debug!(%error, "no handshake with a rendezvous server");
    let rustls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    Failure::of(match rustls {
        // It is the server's, and one of the two clocks is wrong, or nobody has renewed it.
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => ServerFault::Clock,
        Some(rustls::Error::InvalidCertificate(_)) => ServerFault::OtherKey,
        Some(_) => ServerFault::NoServer,
        // No such protocol, no certificate.
        None if error.kind() == io::ErrorKind::Other => ServerFault::NoServer,
        None => ServerFault::NoAnswer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_has_expired_is_no_other_servers() {
        let fault = |error| {
            let error = rustls::Error::InvalidCertificate(error);
            handshake_failure(&io::Error::new(io::ErrorKind::InvalidData, error)).fault
        };
        assert_eq!(fault(CertificateError::Expired), ServerFault::Clock);
        assert_eq!(fault(CertificateError::NotValidYet), ServerFault::Clock);
        assert_eq!(fault(CertificateError::UnknownIssuer), ServerFault::OtherKey);
        assert_eq!(fault(CertificateError::NotValidForName), ServerFault::OtherKey);
    }
}
