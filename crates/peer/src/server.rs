//! The peer protocol, the side that is called: who may come in, what they may ask, what they are
//! given.
//!
//! Nothing is decided here. What comes in goes to the shell as [`Incoming`], an answer channel with
//! it; the shell orders sessions to end through [`PeerServer`]. What is enforced here: the bounds
//! of the protocol, the budget of a session, and that a request belongs to the device whose key
//! asked.

mod admission;
mod client_hello;
mod connection;
mod content;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod pairing;
mod rate;
mod routes;
mod session;
mod tunnel;
mod turned;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::{HelpAnswer, HelpEnd, HelpId, PeerId};
use manyhands_wire::{DEFAULT_PORT, Hello, HelpRequest, PENDING_S};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::content::ContentSource;
use crate::tunnel::TunnelSource;
use admission::Admission;
pub use client_hello::{ClientHello, HelloRefusal, MAX_CLIENT_HELLO_BYTES, read_client_hello};
use manyhands_identity::DeviceIdentity;
use manyhands_identity::{Blocked, server_config};
pub use pairing::Pairings;
use session::Sessions;

/// How many incoming things may wait for the shell; a help request over it is answered *busy*.
pub const INCOMING_QUEUE: usize = 64;
/// At shutdown, open connections get so long to finish what they are saying.
const FAREWELL: Duration = Duration::from_secs(1);
/// After a failed accept, mostly for want of file descriptors: time for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Something that another device wants, or has done.
#[derive(Debug)]
pub enum Incoming {
    /// It asks for help. Dropping `answer` declines.
    HelpRequest(IncomingHelp),
    /// It took the request back before it was answered. The prompt can go.
    Withdrawn { id: HelpId },
    /// A session is over, other than by an order of the shell.
    Ended(EndedSession),
}

/// A help request, with the channel for its answer. Names in it are neutral already.
#[derive(Debug)]
pub struct IncomingHelp {
    pub id: HelpId,
    /// Proved by its key.
    pub from: PeerId,
    pub address: IpAddr,
    pub request: HelpRequest,
    /// When the answer cannot be delivered, the request was over before it: nothing has begun,
    /// whatever was answered.
    pub answer: oneshot::Sender<HelpAnswer>,
}

/// What a session came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedSession {
    pub id: HelpId,
    pub peer: PeerId,
    pub by_requester: bool,
    pub reason: HelpEnd,
    /// Content bytes that this device handed to its network.
    pub sent_bytes: u64,
    /// What the requester says it received, and put to use.
    pub reported: Option<Reported>,
}

/// The requester's own count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    pub received_bytes: u64,
    pub used_bytes: u64,
}

/// A running session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lent {
    pub id: HelpId,
    pub peer: PeerId,
    pub sent_bytes: u64,
    pub streams: u16,
    /// For how long the requester has neither polled nor fetched; zero while it does.
    pub quiet: Duration,
}

/// How this device reaches origins for others.
#[derive(Clone)]
pub struct Sources {
    /// In fetch mode …
    pub content: Arc<dyn ContentSource>,
    /// … and in relay mode.
    pub tunnels: Arc<dyn TunnelSource>,
}

/// Where and how to listen.
#[derive(Debug)]
pub struct ServerOptions {
    /// `None`: [`DEFAULT_PORT`] on all addresses, or any other port when somebody has that one. A
    /// given address is taken or refused, never replaced.
    pub listen: Option<SocketAddr>,
    /// What the device says of itself; read at each greeting.
    pub hello: watch::Receiver<Hello>,
    pub waits: ServerWaits,
}

/// The patience of the server; the defaults are the protocol's.
#[derive(Clone, Copy, Debug)]
pub struct ServerWaits {
    /// From the end of a handshake or an answer to the end of the next request's head: 30 s. Idle
    /// connections end here too.
    pub head: Duration,
    /// For a request's body: 10 s.
    pub body: Duration,
    /// A requester that takes no byte for so long is gone: 60 s.
    pub write: Duration,
    /// For the shell's answer to a help request: 65 s, a little more than [`PENDING_S`], after
    /// which the shell itself lets a request expire. Without any answer it expires here.
    pub answer: Duration,
    /// For the head of the origin's answer: 60 s.
    pub origin: Duration,
    /// For the TLS hello of a tunnel's requester: 5 s.
    pub tls_hello: Duration,
    /// A tunnel through which no byte passes closes: 60 s.
    pub tunnel_idle: Duration,
    /// A session without a stream and without a word from the requester ends: 60 s.
    pub silence: Duration,
    /// How long the end of a request can still be asked for: 60 s.
    pub keep: Duration,
}

/// There is no place to listen on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot listen on {address}")]
    Bind {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the device key does not work")]
    Key(#[source] rustls::Error),
}

/// A running server. Clones are handles to the same one; it runs until
/// [`shutdown`](Self::shutdown).
#[derive(Clone, Debug)]
pub struct PeerServer {
    shared: Arc<Shared>,
    addresses: Arc<[SocketAddr]>,
}

pub(crate) struct Shared {
    hello: watch::Receiver<Hello>,
    waits: ServerWaits,
    sessions: Arc<Sessions>,
    pairings: Pairings,
    admission: Arc<Admission>,
    blocked: Blocked,
    content: Arc<dyn ContentSource>,
    tunnels: Arc<dyn TunnelSource>,
    turns: turned::TurnsSlot,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Default for ServerWaits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            body: Duration::from_secs(10),
            write: Duration::from_secs(60),
            answer: Duration::from_secs(u64::from(PENDING_S) + 5),
            origin: Duration::from_secs(60),
            tls_hello: Duration::from_secs(5),
            tunnel_idle: Duration::from_secs(60),
            silence: Duration::from_secs(60),
            keep: Duration::from_secs(60),
        }
    }
}

impl PeerServer {
    /// Listens and serves. What comes in arrives on the channel, which must be read: while it is
    /// full, help requests are turned away.
    ///
    /// # Errors
    /// [`ListenError::Bind`]: the address is taken or not ours.
    pub async fn start(
        identity: &DeviceIdentity,
        sources: Sources,
        options: ServerOptions,
    ) -> Result<(Self, mpsc::Receiver<Incoming>), ListenError> {
        let blocked = Blocked::default();
        let tls = server_config(identity, blocked.clone()).map_err(ListenError::Key)?;
        let listeners = listen(options.listen).await?;
        let addresses = listeners.iter().filter_map(|l| l.local_addr().ok()).collect();
        let (sender, receiver) = mpsc::channel(INCOMING_QUEUE);
        let shared = Arc::new(Shared {
            hello: options.hello,
            waits: options.waits,
            sessions: Arc::new(Sessions::new(options.waits, sender)),
            pairings: Pairings::new(identity.id()),
            admission: Arc::new(Admission::default()),
            blocked,
            content: sources.content,
            tunnels: sources.tunnels,
            turns: turned::TurnsSlot::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        for listener in listeners {
            let serving = connection::serve(listener, tls.clone(), shared.clone());
            shared.tasks.spawn(shared.stop.clone().run_until_cancelled_owned(serving));
        }
        let sweeping = shared.sessions.clone().sweep();
        shared.tasks.spawn(shared.stop.clone().run_until_cancelled_owned(sweeping));
        let server = Self { shared, addresses };
        info!(port = server.port(), device = %identity.id().short(), "listening for peers");
        Ok((server, receiver))
    }

    /// The addresses that are listened on; unspecified ones stand for all of their family.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The port to announce.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.addresses.first().map_or(0, SocketAddr::port)
    }

    /// The devices whose handshakes fail from now on; their connections and sessions end at once.
    pub fn set_blocked(&self, peers: &BTreeSet<PeerId>) {
        // First the list: who comes in after this is checked against it.
        self.shared.blocked.replace(peers.clone());
        self.shared.admission.close(peers);
        self.shared.pairings.set_blocked(peers);
        for lent in self.lent().iter().filter(|lent| peers.contains(&lent.peer)) {
            self.end(lent.id, HelpEnd::Stopped);
        }
    }

    /// The devices for which places are kept: however many others come, they find room.
    pub fn set_friends(&self, peers: &BTreeSet<PeerId>) {
        self.shared.admission.set_friends(peers);
    }

    /// Ends a session by order of the shell: its streams are cut at once, the requester hears why.
    /// `None` when there is no such session, or it is over.
    pub fn end(&self, id: HelpId, reason: HelpEnd) -> Option<EndedSession> {
        self.shared.sessions.end_by_order(id, reason)
    }

    /// Limits the content bytes of all sessions together, per second; `None`: no limit. Counts at
    /// once, also for streams that run.
    pub fn set_rate(&self, bytes_per_s: Option<u64>) {
        self.shared.sessions.rate.set(bytes_per_s);
    }

    /// … and those of one session, from its request on, beside the limit of all.
    pub fn set_session_rate(&self, id: HelpId, bytes_per_s: Option<u64>) {
        self.shared.sessions.set_session_rate(id, bytes_per_s);
    }

    /// The sessions that run now.
    #[must_use]
    pub fn lent(&self) -> Vec<Lent> {
        self.shared.sessions.lent()
    }

    /// Ends all sessions, answers what is waiting, closes all connections. Returns when nothing
    /// runs any more.
    pub async fn shutdown(&self) {
        for lent in self.lent() {
            self.end(lent.id, HelpEnd::Stopped);
        }
        self.shared.sessions.close();
        self.shared.stop.cancel();
        self.shared.tasks.close();
        if tokio::time::timeout(FAREWELL, self.shared.tasks.wait()).await.is_err() {
            self.shared.admission.close_all();
            self.shared.tasks.wait().await;
        }
        debug!("no longer listening for peers");
    }
}

/// Where nothing was asked for, both address families: on Linux and macOS one socket takes both, on
/// Windows each needs its own, and a machine may have only one of them.
async fn listen(wanted: Option<SocketAddr>) -> Result<Vec<TcpListener>, ListenError> {
    let bind = async |address: SocketAddr| {
        TcpListener::bind(address).await.map_err(|source| ListenError::Bind { address, source })
    };
    if let Some(address) = wanted {
        return Ok(vec![bind(address).await?]);
    }
    let both = async |port: u16| {
        let six = bind((Ipv6Addr::UNSPECIFIED, port).into()).await;
        let port = match &six {
            Ok(six) => six.local_addr().map_or(port, |address| address.port()),
            Err(_) => port,
        };
        match (six, bind((Ipv4Addr::UNSPECIFIED, port).into()).await) {
            (Ok(six), Ok(four)) => Ok(vec![six, four]),
            // The first socket takes IPv4 too: that is why the second is refused.
            (Ok(six), Err(_)) => Ok(vec![six]),
            (Err(ListenError::Bind { source, .. }), Ok(four))
                if source.kind() != io::ErrorKind::AddrInUse =>
            {
                Ok(vec![four])
            }
            (Err(error), _) => Err(error),
        }
    };
    match both(DEFAULT_PORT).await {
        Ok(listeners) => Ok(listeners),
        Err(error) => {
            warn!(%error, port = DEFAULT_PORT, "the usual port is taken, listening on another one");
            both(0).await
        }
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("waits", &self.waits).finish_non_exhaustive()
    }
}
