//! Relay mode: the requester's own TLS connections to the origins, carried.
//!
//! `CONNECT` on an authenticated connection opens a tunnel, and the connection is the tunnel from
//! then on: in the same task and place, so that whatever ends the one ends the other. Before a byte
//! goes to the origin the requester has shown, by its TLS hello, that it goes to the host that was
//! consented to. Afterwards nearly all bytes must flow towards the requester.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use http::{HeaderMap, Uri};
use hyper::Request;
use manyhands_core::HelpId;
use manyhands_wire::{Mode, OriginName, Problem, ProblemCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::client_hello::{ClientHello, HelloRefusal, MAX_CLIENT_HELLO_BYTES, read_client_hello};
use super::connection::Caller;
use super::session::{LAST_BYTES, Stream, parse_id};
use super::{ServerWaits, Shared};
use crate::content::FetchFailure;
use crate::tunnel::{TunnelOrder, TunnelStream};

/// A requester may send so much through a tunnel …
const UPSTREAM_BYTES: u64 = 16 * 1024;
/// … and one byte more for each so many that have come down: enough for asking, too little for
/// anything else. Beyond it the tunnel closes.
const DOWNSTREAM_PER_UPSTREAM: u64 = 50;
/// What is read at a time, in each direction.
const BUFFER_BYTES: usize = 64 * 1024;

/// A tunnel that is open towards the origin.
pub(super) struct Tunnel {
    session: HelpId,
    origin: OriginName,
    stream: Stream,
    upstream: Box<dyn TunnelStream>,
}

/// Why a tunnel closed before both sides had said all.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("{0}")]
    Hello(#[from] HelloRefusal),
    #[error("the TLS hello is for another host")]
    OtherHost,
    #[error("the TLS hello took too long")]
    SlowHello,
    #[error("too much was sent towards the origin")]
    Upstream,
    #[error("nothing moved for too long")]
    Idle,
    #[error("the session is over")]
    Over,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Answers `CONNECT host:port` for the session that `Proxy-Authorization: Bearer` names.
pub(super) async fn open<B>(
    shared: &Arc<Shared>,
    caller: &Caller,
    request: &Request<B>,
) -> Result<Tunnel, Problem> {
    let headers = request.headers();
    // What would follow the head is the tunnel's.
    if headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING) {
        return Err(Problem::new(ProblemCode::Malformed));
    }
    let session = shared.sessions.find(bearer(headers)?, caller.id)?;
    session.require_mode(Mode::Relay)?;
    session.require_accepted()?;
    let origin = consented(&session.request.origins, request.uri())?;
    let stream = session.open_stream(&shared.sessions, &caller.kill)?;
    let order = TunnelOrder { session: session.id, requester: caller.id, origin: origin.clone() };
    let upstream = timeout(shared.waits.origin, shared.tunnels.connect(order)).await;
    match upstream.unwrap_or(Err(FetchFailure::Unreachable)) {
        Ok(upstream) => Ok(Tunnel { session: session.id, origin, stream, upstream }),
        Err(failure) => {
            debug!(request = ?session.id, %origin, %failure, "no tunnel for a requester");
            Err(failure.problem())
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<HelpId, Problem> {
    let value = headers.get(PROXY_AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, id) = value
        .and_then(|value| value.split_once(' '))
        .ok_or_else(|| Problem::new(ProblemCode::Malformed))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::new(ProblemCode::Malformed));
    }
    parse_id(id)
}

/// The origin of the request that `target` names, in the spelling of the request.
fn consented(origins: &[OriginName], target: &Uri) -> Result<OriginName, Problem> {
    let target = target.authority().ok_or_else(|| Problem::new(ProblemCode::Malformed))?;
    let same = |origin: &&OriginName| {
        let (host, port) = (origin.host(), origin.port());
        target.as_str().strip_prefix(host) == Some(&format!(":{port}"))
    };
    let origin = origins.iter().find(same).cloned();
    origin.ok_or_else(|| Problem::new(ProblemCode::NotConsented))
}

impl Tunnel {
    /// Carries bytes between `requester` and the origin until both have ended, or one breaks a
    /// bound.
    pub(super) async fn carry<S>(self, requester: S, waits: &ServerWaits)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let Self { session, origin, stream, upstream } = self;
        let (mut from_requester, to_requester) = tokio::io::split(requester);
        let (from_origin, to_origin) = tokio::io::split(upstream);
        let count = Count::new(waits.tunnel_idle);
        let talk = async {
            let hello =
                timeout(waits.tls_hello, hello_for(origin.host(), &mut from_requester)).await;
            let hello = hello.map_err(|_| Closed::SlowHello)??;
            let up = count.up(hello, from_requester, to_origin);
            let down = count.down(&stream, from_origin, to_requester);
            tokio::try_join!(up, down)
        };
        let result = tokio::select! {
            result = talk => result.map(|_| ()),
            () = count.idle() => Err(Closed::Idle),
            () = async {
                stream.session_over().await;
                tokio::time::sleep(LAST_BYTES).await;
            } => Err(Closed::Over),
        };
        match result {
            Ok(()) => debug!(request = ?session, %origin, "tunnel closed"),
            Err(why) => debug!(request = ?session, %origin, %why, "tunnel closed"),
        }
    }
}

/// What has passed through one tunnel, and when.
struct Count {
    down_bytes: AtomicU64,
    began: Instant,
    /// When the last byte passed, after `began`.
    moved_ms: AtomicU64,
    patience: Duration,
}

impl Count {
    fn new(patience: Duration) -> Self {
        let zero = AtomicU64::default;
        Self { down_bytes: zero(), began: Instant::now(), moved_ms: zero(), patience }
    }

    fn moved(&self) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.store(ms, Ordering::Relaxed);
    }

    /// Waits until nothing has moved for too long.
    async fn idle(&self) {
        loop {
            let moved = Duration::from_millis(self.moved_ms.load(Ordering::Relaxed));
            let end = self.began + moved + self.patience;
            if Instant::now() >= end {
                return;
            }
            sleep_until(end).await;
        }
    }

    /// Sends `hello` and what follows it towards the origin.
    async fn up<R, W>(&self, hello: Vec<u8>, mut from: R, mut to: W) -> Result<(), Closed>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let (mut len, mut sent) = (hello.len(), 0);
        let mut buffer = hello;
        buffer.resize(BUFFER_BYTES, 0);
        while len > 0 {
            sent += len as u64;
            let earned = self.down_bytes.load(Ordering::Relaxed) / DOWNSTREAM_PER_UPSTREAM;
            if sent > UPSTREAM_BYTES + earned {
                return Err(Closed::Upstream);
            }
            to.write_all(buffer.get(..len).unwrap_or_default()).await?;
            to.flush().await?;
            self.moved();
            len = from.read(&mut buffer).await?;
        }
        Ok(to.shutdown().await?)
    }

    async fn down<R, W>(&self, stream: &Stream, mut from: R, mut to: W) -> Result<(), Closed>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let len = from.read(&mut buffer).await?;
            if len == 0 {
                return Ok(to.shutdown().await?);
            }
            let mut rest = buffer.get(..len).unwrap_or_default();
            while !rest.is_empty() {
                let turn = stream.turn(rest.len() as u64).await;
                let allowed = stream.take(turn);
                let used_up = stream.end_if_used_up();
                let allowed_here = usize::try_from(allowed).unwrap_or(usize::MAX);
                let (now, later) = rest.split_at(allowed_here.min(rest.len()));
                self.down_bytes.fetch_add(allowed, Ordering::Relaxed);
                to.write_all(now).await?;
                to.flush().await?;
                if used_up || allowed == 0 {
                    to.shutdown().await?;
                    return Err(Closed::Over);
                }
                self.moved();
                rest = later;
            }
        }
    }
}

/// Everything up to the end of the requester's TLS hello, if it is one for `host`.
async fn hello_for(host: &str, from: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Closed> {
    let mut bytes = Vec::new();
    loop {
        match read_client_hello(&bytes) {
            // TLS writes names without the dot at the end (RFC 6066 §3).
            ClientHello::ServerName(name)
                if name.eq_ignore_ascii_case(host.strip_suffix('.').unwrap_or(host)) =>
            {
                return Ok(bytes);
            }
            ClientHello::ServerName(_) => return Err(Closed::OtherHost),
            ClientHello::Refused(why) => return Err(why.into()),
            ClientHello::Incomplete => {}
        }
        let room = MAX_CLIENT_HELLO_BYTES.saturating_sub(bytes.len());
        if (&mut *from).take(room as u64).read_buf(&mut bytes).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn only_the_spelling_of_the_request_is_its_origin() {
        let origin = |url: &str| OriginName::of(&Url::parse(url).unwrap()).unwrap();
        let origins = [origin("https://example.org/"), origin("https://cdn.example.net:8443/")];
        let target = |text: &str| consented(&origins, &text.parse().unwrap());
        assert_eq!(target("example.org:443"), Ok(origins[0].clone()));
        assert_eq!(target("cdn.example.net:8443"), Ok(origins[1].clone()));
        for other in [
            "example.org:8443",
            "example.org:0443",
            "example.org",
            "example.org.:443",
            "Example.org:443",
            "user@example.org:443",
            "www.example.org:443",
            "example.net:443",
            "127.0.0.1:443",
        ] {
            let problem = target(other).unwrap_err();
            assert_eq!(problem.code(), Some(ProblemCode::NotConsented), "{other}");
        }
        assert_eq!(target("/").unwrap_err().code(), Some(ProblemCode::Malformed));
    }
}
