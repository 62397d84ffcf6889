//! Rendezvous servers, as the client sees them: where routers stop multicast, a server that the members of a group share says who
//! is there.
//!
//! A server is believed as little as the network is: what it lists are records that their devices have signed, and an address in
//! them is a hint as any other ([`crate::Presence`]). All that a server can do is to be silent. Each server has one session with
//! all groups of this device that meet there.

mod backoff;
mod calls;
mod connect;
mod events;
mod fault;
mod keeper;
mod listener;
mod members;
mod probe;
mod server;
mod session;
mod views;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::{GroupId, PeerId};
use manyhands_identity::{DeviceIdentity, Expect, GroupKey, GroupSecret};
use manyhands_wire::{DeviceName, Feature, Invite, MAX_GROUPS, ServerAddress, ServerHello};
use rustls::pki_types::CertificateDer;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;
use url::Url;

use crate::client::PeerClient;
use crate::discovery::Discovered;
use crate::own::OwnAddresses;
use crate::server::PeerServer;
use connect::{Certificate, Way};
#[cfg(fuzzing)]
pub use events::{Event, EventReader, TooLong};
use fault::Failure;
pub use fault::ServerFault;
use keeper::Keeper;
use listener::Listener;
use members::Listed;
use probe::Prober;
use server::{Place, ServerTask};
use session::Speaker;
use views::Views;

/// Servers in use at a time.
const MAX_SERVERS: usize = 16;
/// Members to be rung who wait for their turn; more are forgotten.
const MAX_WAITING_RINGS: usize = 16;

/// All groups of this device, each at its server. Ends with [`shutdown`](Self::shutdown), which leaves them; also when it is
/// dropped, but then nobody waits for the goodbye.
#[derive(Debug)]
pub struct Rendezvous {
    rings: mpsc::Sender<PeerId>,
    stop: DropGuard,
    task: JoinHandle<()>,
}

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
    /// Where this device is: published, and everything begins anew when it changes.
    pub own: watch::Receiver<OwnAddresses>,
    /// Whether loopback addresses are published, and believed of others: for devices on one machine.
    pub loopback: bool,
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
    /// Who was listed before a server lost its list, and is not listed again, is forgotten after: 45 s.
    pub relist: Duration,
    /// A session lasts for so long at least, whatever the server says: 30 s.
    pub session: Duration,
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
    /// A hint for whoever reads it, and for nothing else.
    pub callable: Callable,
    /// Who is listed, this device excepted. Stays while the server is away.
    pub members: BTreeMap<PeerId, Member>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerLink {
    Connecting,
    Online,
    Trouble { why: ServerFault, retry_at: Instant },
}

/// Whether the server could open a connection to this device, when it was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Callable {
    /// It was not asked since this device has its addresses, or does not say.
    #[default]
    Unknown,
    Yes,
    /// Neither can others in other networks, most likely.
    No,
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
            relist: Duration::from_secs(45),
            session: Duration::from_secs(30),
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
        own: watch::Receiver<OwnAddresses>,
    ) -> Self {
        Self {
            identity,
            port,
            features: Feature::ALL.to_vec(),
            name,
            groups,
            insecure_http: false,
            own,
            loopback: false,
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
        let (state, seen) = watch::channel(RendezvousState::default());
        let (rings, to_ring) = mpsc::channel(MAX_WAITING_RINGS);
        let stop = CancellationToken::new();
        let groups = Groups {
            options,
            hints,
            views: Views(Arc::new(state)),
            servers: Vec::new(),
            leaving: Vec::new(),
            unused: Vec::new(),
            rung_by: None,
        };
        let task = tokio::spawn(groups.run(to_ring, stop.clone()));
        (Self { rings, stop: stop.drop_guard(), task }, seen)
    }

    /// Asks a listed member to call this device, in whatever group both are. Whether it is done: more than a few at a time are not.
    #[must_use]
    pub fn ring(&self, peer: PeerId) -> bool {
        self.rings.try_send(peer).is_ok()
    }

    /// Leaves all groups and waits until the servers know, for a bounded time.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            warn!(%error, "the rendezvous ended badly");
        }
    }
}

/// Keeps a task for each server.
struct Groups {
    options: RendezvousOptions,
    hints: mpsc::Sender<Discovered>,
    views: Views,
    servers: Vec<Server>,
    /// What is still being left. Its end takes its records from the server and its groups from the views: until then neither
    /// is begun anew.
    leaving: Vec<Server>,
    /// Groups for which there are too many.
    unused: Vec<GroupId>,
    /// Where rings of others go.
    rung_by: Option<mpsc::Sender<calls::Rung>>,
}

struct Server {
    task: Id,
    address: ServerAddress,
    groups: watch::Sender<Vec<Arc<GroupKey>>>,
    rings: mpsc::Sender<PeerId>,
    stop: CancellationToken,
}

impl Groups {
    async fn run(mut self, mut rings: mpsc::Receiver<PeerId>, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        // Aborted when this ends.
        let mut answering = JoinSet::new();
        if let Some(calls) = self.options.calls.clone() {
            let (rung_by, rung) = mpsc::channel(calls::MAX_WAITING);
            calls.server.take_turns(&calls.client);
            answering.spawn(calls::answer(calls, rung));
            self.rung_by = Some(rung_by);
        }
        let mut stale = true;
        loop {
            if std::mem::take(&mut stale) {
                self.regroup(&mut tasks);
            }
            tokio::select! {
                () = stop.cancelled() => break,
                changed = self.options.groups.changed() => match changed {
                    Ok(()) => stale = true,
                    Err(_) => {
                        // Nobody changes them any more.
                        stop.cancelled().await;
                        break;
                    }
                },
                Some(peer) = rings.recv() => {
                    for server in &self.servers {
                        let _ = server.rings.try_send(peer);
                    }
                }
                Some(ended) = tasks.join_next_with_id() => {
                    let task = match ended {
                        Ok((task, ())) => task,
                        Err(error) => {
                            warn!(%error, "a rendezvous server's task ended badly");
                            error.id()
                        }
                    };
                    let before = self.leaving.len();
                    self.leaving.retain(|server| server.task != task);
                    // What waited for that can be begun.
                    stale = self.leaving.len() < before;
                }
            }
        }
        self.servers.iter().for_each(|server| server.stop.cancel());
        // Each leaves within its own time.
        while tasks.join_next().await.is_some() {}
    }

    /// Servers are begun and left as the groups want it.
    fn regroup(&mut self, tasks: &mut JoinSet<()>) {
        let mut wanted: Vec<(ServerAddress, Vec<Arc<GroupKey>>)> = Vec::new();
        let mut unused = Vec::new();
        for invite in self.options.groups.borrow_and_update().iter() {
            let key = Arc::new(GroupKey::new(&GroupSecret::from_bytes(invite.secret)));
            let room = wanted.len() < MAX_SERVERS;
            let same = wanted.iter().position(|(address, _)| *address == invite.server);
            match same.and_then(|at| wanted.get_mut(at)) {
                Some((_, keys)) if keys.iter().any(|other| other.id() == key.id()) => {}
                Some((_, keys)) if keys.len() < MAX_GROUPS => keys.push(key),
                None if room => {
                    wanted.push((invite.server.clone(), vec![key]));
                }
                _ => unused.push(key.id()),
            }
        }
        if unused != self.unused {
            warn!(groups = unused.len(), "more groups or servers than can be used");
        }
        self.views.set_unused(&self.unused, &unused);
        self.unused = unused;
        let unwanted =
            |server: &mut Server| wanted.iter().all(|(address, _)| *address != server.address);
        for server in self.servers.extract_if(.., unwanted) {
            server.stop.cancel();
            self.leaving.push(server);
        }
        for (address, keys) in wanted {
            match self.servers.iter().find(|server| server.address == address) {
                Some(server) => {
                    server.groups.send_if_modified(|old| {
                        let ids = |keys: &[Arc<GroupKey>]| {
                            keys.iter().map(|key| key.id()).collect::<Vec<_>>()
                        };
                        let changed = ids(old) != ids(&keys);
                        *old = keys;
                        changed
                    });
                }
                // Its turn comes when what is in its way has ended.
                None if self.is_left_still(&address, &keys) => {}
                None => {
                    let server = self.begin(address, keys, tasks);
                    self.servers.push(server);
                }
            }
        }
    }

    /// Whether the server or one of the groups is still being left, or too many others are.
    fn is_left_still(&self, address: &ServerAddress, keys: &[Arc<GroupKey>]) -> bool {
        let has = |server: &Server| {
            let old = server.groups.borrow();
            old.iter().any(|old| keys.iter().any(|key| key.id() == old.id()))
        };
        self.servers.len() + self.leaving.len() >= 2 * MAX_SERVERS
            || self.leaving.iter().any(|server| server.address == *address || has(server))
    }

    fn begin(
        &self,
        address: ServerAddress,
        keys: Vec<Arc<GroupKey>>,
        tasks: &mut JoinSet<()>,
    ) -> Server {
        let RendezvousOptions { identity, port, features, name, insecure_http, .. } = &self.options;
        let RendezvousOptions { own, loopback, extra_roots, calls, waits, .. } = &self.options;
        let (rings, to_ring) = mpsc::channel(MAX_WAITING_RINGS);
        let (groups, seen_groups) = watch::channel(keys);
        let server = PeerId::from_digest(address.id.0);
        let speaker = Speaker::new(identity.clone(), name.clone(), features.clone(), server);
        let listed = Listed::new(identity.id(), *loopback, waits.relist);
        let task = ServerTask {
            place: Place {
                address: address.clone(),
                insecure_http: *insecure_http,
                extra_roots: extra_roots.clone(),
                waits: *waits,
            },
            keeper: Keeper::new(
                speaker,
                *port,
                *loopback,
                to_ring,
                self.views.clone(),
                calls.clone(),
            ),
            listener: Listener::new(
                listed,
                self.views.clone(),
                self.hints.clone(),
                *waits,
                self.rung_by.clone(),
            ),
            prober: Prober::new(*port, self.views.clone(), *waits),
            groups: seen_groups,
            own: own.clone(),
        };
        let stop = CancellationToken::new();
        let task = tasks.spawn(task.run(stop.clone())).id();
        Server { task, address, groups, rings, stop }
    }
}

/// Who answers at an address that a person typed, before it is trusted; and whether its certificate is one of the public kind.
/// By plain http the second is false: nothing is proved before a session is.
///
/// # Errors
/// Nobody, or no rendezvous server.
pub async fn look_at_server(
    url: &Url,
    insecure_http: bool,
) -> Result<(ServerHello, bool), ServerFault> {
    let look = async |certificate| {
        let waits = RendezvousWaits::default();
        let way = Way::new(url, certificate, insecure_http, &[], waits).await?;
        let mut line = way.connect().await?;
        let hello = session::server_hello(&mut line).await?;
        Ok::<_, Failure>((hello, line.key))
    };
    match look(Certificate::Own(Expect::Anyone)).await {
        Ok((hello, key)) => {
            let own = key.is_some_and(|key| key.as_bytes() == &hello.id.0);
            if own || url.scheme() == "http" {
                return Ok((hello, false));
            }
        }
        // It may have a certificate of a kind that only web sites have.
        Err(Failure { fault: ServerFault::NoServer | ServerFault::OtherKey, .. })
            if url.scheme() == "https" => {}
        Err(failure) => return Err(failure.fault),
    }
    // Its certificate belongs to somebody else, who may be the faculty's proxy.
    let (hello, _) = look(Certificate::Public).await.map_err(|failure| failure.fault)?;
    Ok((hello, true))
}
