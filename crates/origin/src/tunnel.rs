//! https through a proxy, with an eye on TLS.
//!
//! The usual client loses why a connection ended: when TLS fails while a body waits for its reader, hyper tells the reader of
//! "a connection error" and no more. Who reads through somebody else's line must know whether it broke or was meddled with. So
//! here each connection notes what TLS found, and its answers carry the note.

use std::fmt;
use std::future::Future;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use data_encoding::BASE64;
use hyper::Uri;
use hyper::header::{ACCEPT, HeaderValue, USER_AGENT};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use reqwest::{Body, Request, Response};
use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;
use tracing::warn;
use url::Url;

use crate::error::Cause;
use crate::http::{IDLE_CONNECTION_KEPT, MAX_IDLE_PER_HOST};
use crate::origins::Options;
use crate::trouble;

/// A client for https alone, whose connections are tunnels through one proxy (`CONNECT`).
pub(crate) struct Tunnels {
    client: legacy::Client<Connector, Body>,
    user_agent: HeaderValue,
}

/// What TLS found wrong with a connection, if anything; among the extensions of every answer that came over it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsNote(Arc<OnceLock<rustls::Error>>);

impl TlsNote {
    pub(crate) fn read(&self) -> Option<&rustls::Error> {
        self.0.get()
    }

    /// Only the first one counts: the others follow from it.
    fn take_down<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &result
            && let Some(tls) = trouble::find::<rustls::Error>(error)
        {
            let _ = self.0.set(tls.clone());
        }
        result
    }
}

impl Tunnels {
    /// Through `proxy`, an `http` URL.
    ///
    /// # Errors
    /// The proxy's URL, the user agent or a certificate makes no sense.
    pub(crate) fn new(proxy: &Url, options: &Options) -> Result<Self, Cause> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
        let password = decoded(proxy.password().unwrap_or_default());
        let login = [decoded(proxy.username()), password].join(&b':');
        let mut tunnel = Tunnel::new(crate::link::root_of(proxy).as_str().parse()?, http);
        if login.len() > 1 {
            let login = format!("Basic {}", BASE64.encode(&login));
            tunnel = tunnel.with_auth(HeaderValue::try_from(login)?);
        }
        let tls = tls(&options.extra_root_certificates_pem)?.map(|tls| Arc::new(tls).into());
        let connector = Connector { tunnel, tls, timeout: options.connect_timeout };
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION_KEPT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .build(connector);
        Ok(Self { client, user_agent: HeaderValue::try_from(&options.user_agent)? })
    }

    /// Waits for the head of the answer.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, SendError> {
        let mut request = hyper::Request::<Body>::try_from(request)
            .map_err(|error| SendError { connecting: false, cause: error.into() })?;
        // What the usual client adds when it sends.
        let headers = request.headers_mut();
        headers.entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        match self.client.request(request).await {
            Ok(answer) => Ok(answer.map(Body::wrap).into()),
            Err(error) => Err(SendError { connecting: error.is_connect(), cause: Box::new(error) }),
        }
    }
}

/// There is no answer.
pub(crate) struct SendError {
    /// No connection was made.
    pub(crate) connecting: bool,
    pub(crate) cause: Cause,
}

/// Neither the system nor the options name an authority to trust.
#[derive(Debug, thiserror::Error)]
#[error("no authorities")]
pub(crate) struct NoAuthorities;

/// The certificates that the usual client trusts, too: the system's and these. `None`: there are none.
fn tls(extra_root_certificates_pem: &[Vec<u8>]) -> Result<Option<ClientConfig>, Cause> {
    let mut extra = Vec::new();
    for pem in extra_root_certificates_pem {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            extra.push(certificate?);
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let system = if extra.is_empty() {
        Verifier::new(provider.clone())
    } else {
        Verifier::new_with_extra_roots(extra.clone(), provider.clone())
    };
    let verifier: Arc<dyn ServerCertVerifier> = match system {
        Ok(system) => Arc::new(system),
        Err(error) => {
            warn!(%error, "the system's certificates cannot be used");
            if extra.is_empty() {
                return Ok(None);
            }
            let mut roots = rustls::RootCertStore::empty();
            for certificate in extra {
                roots.add(certificate)?;
            }
            WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()).build()?
        }
    };
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(tls))
}

#[derive(Clone)]
struct Connector {
    tunnel: Tunnel<HttpConnector>,
    /// Without it no connection is made: nobody could be told from anybody else.
    tls: Option<TlsConnector>,
    /// For the tunnel and the handshake.
    timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = Noted;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Noted, Cause>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.tunnel.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Some(tls) = self.tls.clone() else {
            return Box::pin(async { Err(NoAuthorities.into()) });
        };
        let name = to.host().unwrap_or_default();
        let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned());
        let tunnel = self.tunnel.call(to);
        let connecting = async move {
            let stream = TokioIo::new(tunnel.await?);
            let inner = TokioIo::new(tls.connect(name?, stream).await?);
            Ok(Noted { inner, note: TlsNote::default() })
        };
        let timeout = tokio::time::timeout(self.timeout, connecting);
        Box::pin(async { timeout.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? })
    }
}

/// A connection whose errors are noted.
struct Noted {
    inner: TokioIo<TlsStream<TokioIo<TokioIo<TcpStream>>>>,
    note: TlsNote,
}

impl Connection for Noted {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.note.clone())
    }
}

impl Read for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.note.take_down(result)
    }
}

impl Write for Noted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note.take_down(result)
    }

    /// Fails with what an earlier read found, even if that read still had something good to give.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        self.note.take_down(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.note.take_down(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.note.take_down(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

impl fmt::Debug for Tunnels {
    /// Never the proxy's password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnels").finish_non_exhaustive()
    }
}
