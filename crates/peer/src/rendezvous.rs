//! Rendezvous servers, as the client sees them: where routers stop multicast, a server that the members of a group share says who
//! is there.
//!
//! A server is believed as little as the network is: what it lists are records that their devices have signed, and an address in
//! them is a hint as any other ([`crate::Presence`]). All that a server can do is to be silent. Each server has one session with
//! all groups of this device that meet there.

mod fault;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::{GroupId, PeerId};
use manyhands_wire::{DeviceName, Feature, Invite, ServerHello};
use rustls::pki_types::CertificateDer;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use url::Url;

use crate::client::PeerClient;
use crate::discovery::{Discovered, InterfaceRule};
use crate::server::PeerServer;
pub use fault::ServerFault;
use manyhands_identity::DeviceIdentity;

/// All groups of this device, each at its server. Ends with [`shutdown`](Self::shutdown), which leaves them; also when it is
/// dropped, but then nobody waits for the goodbye.
#[derive(Debug)]
pub struct Rendezvous {}

/// What this device says of itself, and where.
#[derive(Debug)]
pub struct RendezvousOptions {
    pub identity: Arc<DeviceIdentity>,
    /// Where this device listens.
    pub port: u16,
    pub features: Vec<Feature>,
    pub name: DeviceName,
    /// The groups that this device is in; read again when it changes.
    pub groups: watch::Receiver<Vec<Invite>>,
    /// Servers at `http://` are used only with this.
    pub insecure_http: bool,
    /// Whose addresses are published. Loopback addresses are, and are believed of others, only where loopback was asked for.
    pub interfaces: InterfaceRule,
    /// Certificate authorities beside those of the system, for servers with a certificate of the public kind.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// For members who cannot be reached: they are asked to call, and called when they ask. `None`: neither.
    pub calls: Option<Calls>,
    pub waits: RendezvousWaits,
}

/// Both sides of this device, for connections on which the roles are turned.
#[derive(Clone, Debug)]
pub struct Calls {
    pub client: PeerClient,
    pub server: PeerServer,
}

/// The patience with servers; the defaults are the program's.
#[derive(Clone, Copy, Debug)]
pub struct RendezvousWaits {
    /// For a TCP connection and a handshake with one address: 5 s.
    pub connect: Duration,
    /// Before the next address is tried beside those that have not answered yet: 250 ms.
    pub stagger: Duration,
    /// For an answer: 10 s. A long poll has its `wait` on top.
    pub answer: Duration,
    /// A stream of events that has not said by then what was there is held back by something in between: long polls from then
    /// on. 10 s.
    pub stream: Duration,
    /// A stream without a word, pings included, is lost: 50 s.
    pub silence: Duration,
    /// After the first failure: at most 1 s, doubled each time, with full jitter …
    pub retry: Duration,
    /// … up to 15 s where the server is away, so that everybody is back 30 s after it is.
    pub retry_max: Duration,
    /// Where trying again soon is of no use (another key, no rendezvous server, a wrong clock): 60 s.
    pub retry_hopeless: Duration,
    /// The first try after a stream was lost is at a random time within: 5 s.
    pub spread: Duration,
    /// How often the addresses of this device are looked at: 3 s.
    pub look: Duration,
    /// Who was listed before a server lost its list, and is not listed again, is forgotten after: 45 s.
    pub relist: Duration,
    /// For leaving, at the end: 2 s.
    pub farewell: Duration,
}

/// What the servers say, for views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RendezvousState {
    pub groups: BTreeMap<GroupId, GroupStatus>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    pub link: ServerLink,
    /// Who is listed, this device excepted. Stays while the server is away.
    pub members: BTreeMap<PeerId, Member>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerLink {
    Connecting,
    Online,
    Trouble { why: ServerFault, retry_at: Instant },
}

/// A device that is listed in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it calls itself; neutral, may be empty.
    pub name: DeviceName,
    /// Where it may be reached, by its own word.
    pub addresses: Vec<SocketAddr>,
}

impl Default for RendezvousWaits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            stagger: Duration::from_millis(250),
            answer: Duration::from_secs(10),
            stream: Duration::from_secs(10),
            silence: Duration::from_secs(50),
            retry: Duration::from_secs(1),
            retry_max: Duration::from_secs(15),
            retry_hopeless: Duration::from_secs(60),
            spread: Duration::from_secs(5),
            look: Duration::from_secs(3),
            relist: Duration::from_secs(45),
            farewell: Duration::from_secs(2),
        }
    }
}

impl RendezvousOptions {
    /// As the program has it, in no group yet if `groups` says so.
    #[must_use]
    pub fn new(
        identity: Arc<DeviceIdentity>,
        port: u16,
        name: DeviceName,
        groups: watch::Receiver<Vec<Invite>>,
    ) -> Self {
        Self {
            identity,
            port,
            features: Feature::ALL.to_vec(),
            name,
            groups,
            insecure_http: false,
            interfaces: InterfaceRule::Usual,
            extra_roots: Vec::new(),
            calls: None,
            waits: RendezvousWaits::default(),
        }
    }
}

impl Rendezvous {
    /// Appears in the groups of `options` and follows who else does. Hints go into `hints`; while that is full, the newest state
    /// is kept back.
    #[must_use]
    pub fn start(
        options: RendezvousOptions,
        hints: mpsc::Sender<Discovered>,
    ) -> (Self, watch::Receiver<RendezvousState>) {
        let _ = (options, hints);
        (Self {}, watch::channel(RendezvousState::default()).1)
    }

    /// Asks a listed member to call this device, in whatever group both are.
    pub fn ring(&self, peer: PeerId) {
        let _ = peer;
    }

    /// Leaves all groups and waits until the servers know, for a bounded time.
    pub async fn shutdown(self) {}
}

/// Who answers at an address that a person typed, before it is trusted; and whether its certificate is one of the public kind.
///
/// # Errors
/// Nobody, or no rendezvous server.
pub async fn look_at_server(
    url: &Url,
    insecure_http: bool,
) -> Result<(ServerHello, bool), ServerFault> {
    let _ = (url, insecure_http);
    Err(ServerFault::NoAnswer)
}
