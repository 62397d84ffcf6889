//! The peer protocol, the side that calls.
//!
//! Every connection is pinned to the device that is meant, straight to its addresses: no proxy, no
//! redirect, no name service. Every wait has an end. Nothing is sent before the other side's key is
//! proved.

mod calls;
mod content;
mod dial;
pub(crate) mod pairing;
mod pool;
mod relay;
mod tunnel;
pub(crate) mod turns;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use manyhands_core::PeerId;
use manyhands_wire::{Hello, Problem, SourceError};
use tokio::sync::Semaphore;

pub use content::{Content, ContentBody};
use dial::Target;
pub(crate) use dial::is_no_route;
use manyhands_identity::DeviceIdentity;
use manyhands_identity::{Dialer, Expect, HandshakeError};
use pool::Pool;
pub use relay::Relay;
use turns::Turns;

/// More addresses of one peer than this are not tried.
pub const MAX_ADDRESSES: usize = 16;
/// Connections to one peer that are being made at a time: half of the handshakes that it lets one
/// address make, since it may end them a little later than this side.
const MAX_DIALS: usize = 2;

/// The calling side of this device. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PeerClient {
    dialer: Dialer,
    waits: ClientWaits,
    turns: Turns,
}

/// The patience of the client; the defaults are the protocol's.
#[derive(Clone, Copy, Debug)]
pub struct ClientWaits {
    /// For a TCP connection to one address: 3 s.
    pub connect: Duration,
    /// Before the next address is tried beside those that have not answered yet (RFC 8305): 250 ms.
    pub stagger: Duration,
    /// For a connection to any of the addresses: 10 s.
    pub dial: Duration,
    /// For an answer, from the request to the last byte of a JSON body: 10 s. A long poll has its
    /// `wait` on top.
    pub answer: Duration,
    /// For the head of a content answer: 70 s, since the helper may first have to reach the origin.
    pub content_head: Duration,
    /// Between two buffers of a content body: 30 s.
    pub content_silence: Duration,
    /// An idle connection is not used again after: 15 s, half of what the server keeps it for.
    pub idle: Duration,
}

/// One peer. Clones are handles to the same connections.
#[derive(Clone, Debug)]
pub struct RemotePeer {
    inner: Arc<Remote>,
}

#[derive(Debug)]
struct Remote {
    id: PeerId,
    target: Target,
    pool: Pool,
    /// Connections that the peer has made.
    turns: Turns,
    /// The last request went over one of those.
    by_turn: AtomicBool,
    /// A turn to make a connection.
    dials: Semaphore,
    waits: ClientWaits,
    /// Where to find it, the best guess first. The lock is never held over an await.
    addresses: Mutex<Vec<SocketAddr>>,
}

/// Why a call to a peer brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// None of its addresses answers. It may be gone, or behind a wall that lets nothing in.
    #[error("the peer cannot be reached")]
    Unreachable(#[source] HandshakeError),
    /// Somebody else answers where the peer should be. Nothing was sent. Never a reason to trust
    /// the other key.
    #[error("another device answers at the peer's address: {found:?}")]
    WrongDevice { found: PeerId, at: SocketAddr },
    /// The connection broke or fell silent in the middle. Whether the request was carried out is
    /// not known.
    #[error("the connection to the peer was lost")]
    Lost(#[source] std::io::Error),
    /// It answered with an error; [`Problem::code`] says what to do.
    #[error("the peer refused")]
    Problem(#[source] Box<Problem>),
    /// The link must not be given to a helper. Nothing was sent.
    #[error("the link cannot be given to a helper")]
    Link(#[source] SourceError),
    /// Its answer breaks the protocol. Do not try again.
    #[error("the peer's answer makes no sense: {0}")]
    Nonsense(&'static str),
}

impl Default for ClientWaits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            stagger: Duration::from_millis(250),
            dial: Duration::from_secs(10),
            answer: Duration::from_secs(10),
            content_head: Duration::from_secs(70),
            content_silence: Duration::from_secs(30),
            idle: Duration::from_secs(15),
        }
    }
}

impl PeerClient {
    #[must_use]
    pub fn new(identity: &DeviceIdentity, waits: ClientWaits) -> Self {
        Self { dialer: Dialer::new(identity), waits, turns: Turns::default() }
    }

    /// The peer with this id, to be found at one of `addresses`; nothing is sent yet.
    #[must_use]
    pub fn peer(&self, id: PeerId, addresses: &[SocketAddr]) -> RemotePeer {
        self.remote(id, Expect::Device(id), addresses)
    }

    /// Finds out who answers at an address that a person gave, and greets it. Nothing else is sent
    /// to somebody who was not expected.
    ///
    /// # Errors
    /// Nobody answers there, or no Manyhands.
    pub async fn meet(&self, address: SocketAddr) -> Result<(PeerId, Hello), CallError> {
        // The id is the answer here; none is compared.
        let anyone = self.remote(PeerId::from_digest([0; 32]), Expect::Anyone, &[address]);
        anyone.greet().await
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    fn remote(&self, id: PeerId, expect: Expect, addresses: &[SocketAddr]) -> RemotePeer {
        let remote = Remote {
            id,
            target: Target::new(&self.dialer, expect, self.waits),
            pool: Pool::new(self.waits.idle),
            turns: self.turns.clone(),
            by_turn: AtomicBool::new(false),
            dials: Semaphore::new(MAX_DIALS),
            waits: self.waits,
            addresses: Mutex::default(),
        };
        let peer = RemotePeer { inner: Arc::new(remote) };
        peer.set_addresses(addresses);
        peer
    }
}

impl RemotePeer {
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.inner.id
    }

    /// Where the peer may be found from now on; the first [`MAX_ADDRESSES`] count. Open connections
    /// stay.
    pub fn set_addresses(&self, addresses: &[SocketAddr]) {
        let mut list = Vec::new();
        for address in addresses {
            if list.len() < MAX_ADDRESSES && !list.contains(address) {
                list.push(*address);
            }
        }
        *self.inner.addresses.lock().unwrap_or_else(PoisonError::into_inner) = list;
    }

    /// Whether it was reached over a connection that it has made itself, since it cannot be called.
    #[must_use]
    pub fn has_called(&self) -> bool {
        self.inner.by_turn.load(Ordering::Relaxed)
    }

    /// The best guess first: where the last connection was made.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.inner.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Remote {
    /// The peer was there: try this address first from now on.
    fn prefer(&self, address: SocketAddr) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = addresses.iter().position(|other| *other == address) {
            addresses.get_mut(..=at).unwrap_or_default().rotate_right(1);
        }
    }
}
