//! A connection of the server without sockets and TLS: what comes after the handshake.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use manyhands_core::{HelpAnswer, PeerId};
use manyhands_wire::{DeviceName, Hello, HelpRequest, List, MAX_ORIGINS, Mode, OriginName};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, join};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::connection::{Caller, http};
use super::pairing::Pairings;
use super::session::Sessions;
use super::{INCOMING_QUEUE, Incoming, ServerWaits, Shared};
use crate::content::{ContentSource, FetchFailure, FetchOrder, Fetched};
use crate::tunnel::{TunnelOrder, TunnelSource, TunnelStream};
use manyhands_identity::Blocked;

/// In the bytes of a talk this stands for the id of the session that was accepted.
pub const SESSION: &str = "00112233445566778899aabbccddeeff";
/// All that an origin answers. No JSON can hold it.
pub const FROM_ORIGIN: &[u8] = b"\xff\xfefrom the origin";
/// More than any bound on what is sent towards an origin.
const BUFFER_BYTES: usize = 256 * 1024;

/// What came of some bytes.
#[derive(Debug)]
pub struct Talk {
    /// What was said, with the session's id in it.
    pub sent: Vec<u8>,
    /// Everything that was answered.
    pub answer: Vec<u8>,
    /// Where the helper has connected to.
    pub opened: Vec<OriginName>,
    /// What went there.
    pub upstream: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct Origin(Arc<Mutex<(Vec<OriginName>, Vec<u8>)>>);

/// Says `bytes`, and nothing more, as a device whose relay request for `origins` was accepted.
///
/// # Panics
/// The server does not take such a request.
#[allow(clippy::expect_used)] // nothing here comes from outside
pub async fn talk(bytes: &[u8], origins: List<OriginName, MAX_ORIGINS>) -> Talk {
    let waits = ServerWaits::default();
    let (incoming, mut shell) = mpsc::channel(INCOMING_QUEUE);
    let origin = Origin::default();
    let name = DeviceName::default();
    let shared = Arc::new(Shared {
        hello: watch::channel(Hello::new(name.clone(), true)).1,
        waits,
        sessions: Arc::new(Sessions::new(waits, incoming)),
        pairings: Pairings::new(PeerId::from_digest([2; 32])),
        admission: Arc::new(Admission::default()),
        blocked: Blocked::default(),
        content: Arc::new(origin.clone()),
        tunnels: Arc::new(origin.clone()),
        turns: Default::default(),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
    });
    let caller = Caller {
        id: PeerId::from_digest([1; 32]),
        address: IpAddr::from([192, 0, 2, 1]),
        kill: CancellationToken::new(),
    };
    let budget_bytes = 1 << 20;
    let request = HelpRequest {
        name,
        mode: Mode::Relay,
        origins,
        size_bytes: None,
        budget_bytes,
        file_name: None,
    };
    let session = shared.sessions.ask(caller.id, caller.address, request);
    let session = session.map_err(|problem| problem.title).expect("one request is welcome");
    if let Some(Incoming::HelpRequest(asked)) = shell.recv().await {
        asked.answer.send(HelpAnswer::Accept { budget_bytes }).ok();
    }
    session.changed(&shared.sessions, Some(1), Duration::from_secs(1)).await;
    let sent = with_id(bytes, &session.id.to_string());

    let (mut near, far) = duplex(BUFFER_BYTES);
    let kill = caller.kill.clone();
    let server = kill.run_until_cancelled(async {
        if let Ok(Some((tunnel, stream))) = http(far, caller, &shared, waits.head, &|| ()).await {
            tunnel.carry(stream, &shared).await;
        }
    });
    let client = async {
        let mut answer = Vec::new();
        near.write_all(&sent).await.ok();
        near.shutdown().await.ok();
        near.read_to_end(&mut answer).await.ok();
        answer
    };
    let (_, answer) = tokio::join!(server, client);
    let (opened, upstream) =
        std::mem::take(&mut *origin.0.lock().unwrap_or_else(PoisonError::into_inner));
    Talk { sent, answer, opened, upstream }
}

fn with_id(bytes: &[u8], id: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some((first, more)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(SESSION.as_bytes()) {
            out.extend_from_slice(id.as_bytes());
            rest = after;
        } else {
            out.push(*first);
            rest = more;
        }
    }
    out
}

impl TunnelSource for Origin {
    fn connect(
        &self,
        order: TunnelOrder,
    ) -> BoxFuture<'static, Result<Box<dyn TunnelStream>, FetchFailure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.push(order.origin);
        let stream: Box<dyn TunnelStream> = Box::new(join(FROM_ORIGIN, self.clone()));
        async { Ok(stream) }.boxed()
    }
}

impl ContentSource for Origin {
    fn fetch(&self, _order: FetchOrder) -> BoxFuture<'static, Result<Fetched, FetchFailure>> {
        async { Err(FetchFailure::Unreachable) }.boxed()
    }
}

impl AsyncWrite for Origin {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
