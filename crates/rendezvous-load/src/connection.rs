//! HTTP/1.1 over TLS, one request at a time, on a connection that is kept as long as the server keeps it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::figures::Figures;

/// For a connection, and for an answer: whoever waits longer has failed.
const WAIT: Duration = Duration::from_secs(30);
/// No answer is longer: a list of 256 records.
const MAX_ANSWER_BYTES: usize = 2 << 20;
/// A connection that was idle for longer is not used again, as the program's own client does it.
const IDLE: Duration = Duration::from_secs(75);
/// Of a hyper connection; it grows when an answer is longer.
const READ_BUFFER_BYTES: usize = 8192;

/// How one client reaches the server.
#[derive(Clone, Debug)]
pub struct Route {
    pub server: SocketAddr,
    /// Where the server believes to be: the Host header, and not the TLS name.
    pub host: Arc<str>,
    /// What its certificate is for, where that is looked at.
    name: ServerName<'static>,
    pub tls: Arc<ClientConfig>,
    pub figures: Arc<Figures>,
}

/// The one connection of a client; made when it is needed.
#[derive(Debug)]
pub struct Connection {
    route: Route,
    /// Since when it is idle.
    open: Option<(Line, Instant)>,
}

/// Takes requests, one after another.
pub type Line = SendRequest<Full<Bytes>>;

/// A whole answer.
#[derive(Debug)]
pub struct Answered {
    pub status: StatusCode,
    /// Of `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
    pub body: Bytes,
}

/// What a request failed of, in a word or two that can be counted.
pub type Failure = String;

/// Why there is no good answer.
#[derive(Debug)]
pub struct Refused {
    pub why: Failure,
    /// The server says when to ask again.
    pub retry_after: Option<Duration>,
}

impl From<Failure> for Refused {
    fn from(why: Failure) -> Self {
        Self { why, retry_after: None }
    }
}

impl Answered {
    /// The answer, if the server did what it was asked.
    pub fn good(self) -> Result<Self, Refused> {
        if self.status.is_success() {
            return Ok(self);
        }
        let problem = serde_json::from_slice::<serde_json::Value>(&self.body).unwrap_or_default();
        let code = problem.get("code").and_then(serde_json::Value::as_str).unwrap_or_default();
        let why = format!("{} {code}", self.status.as_u16()).trim_end().to_owned();
        Err(Refused { why, retry_after: self.retry_after_s.map(Duration::from_secs) })
    }
}

impl Route {
    pub fn new(
        server: SocketAddr,
        name: ServerName<'static>,
        tls: Arc<ClientConfig>,
        figures: Arc<Figures>,
    ) -> Self {
        Self { server, host: server.to_string().into(), name, tls, figures }
    }

    /// TCP and TLS; `buffer` bounds what the kernel takes in for who does not read.
    pub async fn dial(&self, buffer: Option<u32>) -> Result<TlsStream<TcpStream>, Failure> {
        let socket = if self.server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(|error| format!("socket: {}", error.kind()))?;
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).map_err(|error| error.kind().to_string())?;
        }
        let dialled = async {
            let stream = socket.connect(self.server).await?;
            stream.set_nodelay(true)?;
            TlsConnector::from(self.tls.clone()).connect(self.name.clone(), stream).await
        };
        let dialled = timeout(WAIT, dialled).await.map_err(|_| "connecting: no answer")?;
        let stream = dialled.map_err(|error| format!("connecting: {}", error.kind()))?;
        self.figures.handshake();
        Ok(stream)
    }

    /// A connection for requests, driven in the background until it ends.
    pub async fn open(&self) -> Result<Line, Failure> {
        let stream = self.dial(None).await?;
        let builder = http1::Builder::new().max_buf_size(READ_BUFFER_BYTES).to_owned();
        let made = builder.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|_| "connecting: http")?;
        // It ends with the server or with the sender; how is seen by whoever waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    /// A request with its Host header.
    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(path).header("host", &*self.host)
    }
}

impl Connection {
    pub fn new(route: Route) -> Self {
        Self { route, open: None }
    }

    pub fn route(&self) -> &Route {
        &self.route
    }

    /// The next request makes a new connection.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// The connection of the last request, for this or for something else.
    pub fn take(&mut self) -> Option<Line> {
        let (line, since) = self.open.take()?;
        (since.elapsed() < IDLE && !line.is_closed()).then_some(line)
    }

    /// Sends `request` and takes the whole answer.
    pub async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Answered, Failure> {
        if let Some(kept) = self.take()
            && let Ok(answer) = self.ask_on(kept, request.clone()).await
        {
            return Ok(answer);
        }
        // A server may close a kept connection just when it is used again: that is no failure.
        let new = self.route.open().await?;
        self.ask_on(new, request).await
    }

    async fn ask_on(
        &mut self,
        mut sender: Line,
        request: Request<Full<Bytes>>,
    ) -> Result<Answered, Failure> {
        let answer = timeout(WAIT, answer(&mut sender, request)).await;
        let answer = answer.map_err(|_| "no answer".to_owned())??;
        self.open = Some((sender, Instant::now()));
        Ok(answer)
    }
}

async fn answer(sender: &mut Line, request: Request<Full<Bytes>>) -> Result<Answered, Failure> {
    let lost = |_| "the connection was lost".to_owned();
    sender.ready().await.map_err(lost)?;
    let response: Response<Incoming> = sender.send_request(request).await.map_err(lost)?;
    let (head, body) = response.into_parts();
    let retry_after_s = head
        .headers
        .get(http::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok());
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    let body = body.map_err(|_| "an answer broke off".to_owned())?.to_bytes();
    Ok(Answered { status: head.status, retry_after_s, body })
}
