//! Other Manyhands, as the shell holds them: who is online, who helps with what, and whom this device helps.
//!
//! Decisions are the core's: [`HelpDesk`] on the helper's side, `HelpWanted` inside each download on the requester's.

pub mod finding;
pub mod guard;
pub mod lending;
pub mod pairing;
mod search;
pub mod session;
#[cfg(test)]
mod tests;
pub mod together;
pub mod tunnels;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::{
    AskPolicy, AskedPeer, DeskBounds, DownloadId, Failure, FailureCode, GroupId, HelpDesk, HelpEnd,
    HelpId, LocalTime, Meter, PeerId, What,
};
use manyhands_peer::wire::{DeviceName, Feature, Hello};
use manyhands_peer::{
    Calls, ClientWaits, DeviceIdentity, Discovered, DiscoveryOptions, HintOrigin, Incoming,
    InterfaceRule, ListenError, OwnAddresses, PeerClient, PeerServer, Presence, PresenceNews,
    PresenceWaits, RemotePeer, RendezvousOptions, ServerOptions, ServerWaits,
};
use manyhands_store::{BlockedPeer, Friend, Group, Op, Settings, Store};
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use crate::engine::computer_name;
use crate::groups;
use crate::network::finding::{Finding, FindingOptions};
use crate::network::guard::LiveGuard;
use crate::network::lending::{LentStored, Waiting, limit};
use crate::network::session::{Asking, Session};
use crate::part::plain;
use crate::profile::{Before, Change, Known, stranger};
use crate::view::{Lending, LendingChange};

/// How long a shutdown waits until helpers have heard that it is over.
const FAREWELL: Duration = Duration::from_secs(2);
/// Hints about peers that wait to be looked into.
const MAX_WAITING_HINTS: usize = 64;
/// The secret of the store that holds the device's key.
const IDENTITY: &str = "identity.pem";

/// How to meet others.
#[derive(Clone, Default)]
pub struct NetworkConfig {
    /// What others see; `None`: the setting, or the name of the computer.
    pub name: Option<String>,
    /// Where to listen; `None`: the protocol's port, or any other when that is taken.
    pub listen: Option<SocketAddr>,
    /// Neither announce nor look for others by multicast.
    pub no_mdns: bool,
    /// The invite of a group to be in, `manyhands://join?…`; kept in the profile.
    pub rendezvous: Option<String>,
    /// Use rendezvous servers at `http://`, too, where everybody on the way can read and change what is said.
    pub insecure_http: bool,
    /// How this run helps others otherwise than it is set in the profile.
    pub lending: LendingChange,
    /// Help with what the test's own server has, too, which is on this machine.
    #[cfg(test)]
    pub loopback_origins: bool,
    /// Authorities that the test's own servers have their certificates from.
    #[cfg(test)]
    pub trusted_pem: Vec<Vec<u8>>,
}

impl fmt::Debug for NetworkConfig {
    /// Never the invite, which holds a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("NetworkConfig");
        shown.field("name", &self.name).field("listen", &self.listen);
        shown.field("no_mdns", &self.no_mdns).field("insecure_http", &self.insecure_http);
        shown.field("rendezvous", &self.rendezvous.is_some());
        shown.field("lending", &self.lending).finish_non_exhaustive()
    }
}

/// A peer that has proved its key and greeted.
#[derive(Debug)]
pub struct Online {
    pub remote: RemotePeer,
    pub hello: Hello,
}

/// Everything about others that the shell owns.
#[derive(Debug)]
pub struct Network {
    pub id: PeerId,
    pub name: DeviceName,
    pub online: BTreeMap<PeerId, Online>,
    pub friends: BTreeMap<PeerId, Friend>,
    pub blocked: BTreeMap<PeerId, BlockedPeer>,
    pub groups: BTreeMap<GroupId, Group>,
    pub policies: BTreeMap<DownloadId, AskPolicy>,
    pub asking: BTreeMap<(DownloadId, PeerId), Asking>,
    pub sessions: BTreeMap<(DownloadId, PeerId), Arc<Session>>,
    /// Sessions that are to take the place of one that still runs.
    next_sessions: BTreeMap<(DownloadId, PeerId), Arc<Session>>,
    pub desk: HelpDesk,
    /// Friends in whose place another device answers, and which, until they are reached again.
    pub other_keys: BTreeMap<PeerId, PeerId>,
    pub lending: Lending,
    guard: Arc<LiveGuard>,
    /// The throughput of each session in which this device helps.
    lent: BTreeMap<HelpId, Meter>,
    pub waiting: BTreeMap<HelpId, Waiting>,
    stored: LentStored,
    pub server: PeerServer,
    incoming: mpsc::Receiver<Incoming>,
    news: mpsc::Receiver<PresenceNews>,
    pub finding: Finding,
    pub insecure_http: bool,
    _presence: Presence,
    /// Where to look for whom; keeps the look-out going where nobody discovers.
    hints: mpsc::Sender<Discovered>,
    client: PeerClient,
    pairing_changes: watch::Receiver<u64>,
    friend_ids: watch::Sender<BTreeSet<PeerId>>,
    hello: watch::Sender<Hello>,
    /// Last words to helpers, on their way.
    farewells: TaskTracker,
}

/// Something that others have done.
#[derive(Debug)]
pub enum NetworkFact {
    Presence(PresenceNews),
    Incoming(Incoming),
    /// A pairing has gone on.
    Pairing,
    /// A rendezvous server has said something.
    Rendezvous,
}

impl Network {
    /// Listens, announces, looks for others.
    ///
    /// # Errors
    /// In words: the key cannot be read or made, or the address cannot be listened on.
    pub async fn start(
        config: &NetworkConfig,
        store: &Store,
        settings: &Settings,
        clock: LocalTime,
    ) -> Result<Self, Failure> {
        let identity = Arc::new(identity(store).map_err(|why| no_start(What::NoKey, &why))?);
        let known = Known::load(store).map_err(|error| error.to_string());
        let mut known = known.map_err(|why| no_start(What::NoStart, &why))?;
        if let Some(invite) = &config.rendezvous {
            join(invite, config.insecure_http, store, settings, &mut known)
                .map_err(|why| no_start(What::NoStart, &why))?;
        }
        let Known { friends, blocked, groups, ledger } = known;
        let name = config.name.clone().or_else(|| settings.device_name.clone());
        let name = DeviceName::neutralised(&name.unwrap_or_else(computer_name));
        let lending = Lending::of(settings).with(config.lending);
        let (hello_sender, hello) = watch::channel(Hello::new(name.clone(), lending.on));
        #[allow(unused_mut, reason = "tests change it")]
        let mut guard = LiveGuard::new(lending.allow_private_origins);
        #[cfg(test)]
        {
            guard.loopback = config.loopback_origins;
        }
        let guard = Arc::new(guard);
        let sources = lending::sources(Arc::clone(&guard) as _)
            .map_err(|why| no_start(What::NoStart, &why))?;
        let options = ServerOptions { listen: config.listen, hello, waits: ServerWaits::default() };
        let (server, incoming) = PeerServer::start(&identity, sources, options)
            .await
            .map_err(|error| cannot_listen(&error))?;
        let (friend_ids, seen_friends) = watch::channel(friends.keys().copied().collect());
        let (hints, received_hints) = mpsc::channel(MAX_WAITING_HINTS);
        server.pairings().follow_friends(seen_friends.clone());
        let client = PeerClient::new(&identity, ClientWaits::default());
        #[allow(unused_mut, reason = "tests change it")]
        let mut interfaces = InterfaceRule::Usual;
        #[cfg(test)]
        if config.loopback_origins {
            interfaces = InterfaceRule::Only(vec!["lo".to_owned()]);
        }
        // One for all: whichever ways of finding others are on.
        let own = OwnAddresses::watch(interfaces.clone());
        let (presence, news) = Presence::start(
            client.clone(),
            PresenceWaits::default(),
            seen_friends.clone(),
            own.clone(),
            received_hints,
        );
        for friend in friends.values().filter(|friend| !friend.last_addresses.is_empty()) {
            // More friends than fit are found by discovery.
            let _ = hints.try_send(Discovered::PeerSeen {
                id: friend.id,
                origin: HintOrigin::Known,
                addresses: friend.last_addresses.clone(),
            });
        }
        let (id, port) = (identity.id(), server.port());
        let search = {
            let interfaces = interfaces.clone();
            move || DiscoveryOptions {
                id,
                announce: Some(port),
                interfaces: interfaces.clone(),
                friends: seen_friends.clone(),
            }
        };
        let calls = Calls { client: client.clone(), server: server.clone() };
        let insecure_http = config.insecure_http;
        let rendezvous = {
            let (identity, name) = (Arc::clone(&identity), name.clone());
            move |groups| RendezvousOptions {
                insecure_http,
                loopback: interfaces != InterfaceRule::Usual,
                calls: Some(calls),
                ..RendezvousOptions::new(identity, port, name, groups, own)
            }
        };
        let options = FindingOptions {
            meeting: settings.meeting,
            lan: (!config.no_mdns).then(|| Box::new(search) as _),
            rendezvous: Box::new(rendezvous),
        };
        let finding = Finding::start(options, &groups, &hints);
        server.set_blocked(&blocked.keys().copied().collect());
        server.set_friends(&friends.keys().copied().collect());
        server.set_rate(limit(lending.bytes_per_s));
        let mut desk = HelpDesk::new(DeskBounds::default()).with_ledger(ledger);
        for input in lending::opening(lending, &friends, settings, clock) {
            desk.handle(input, Duration::ZERO);
        }
        Ok(Self {
            id: identity.id(),
            name,
            online: BTreeMap::new(),
            friends,
            blocked,
            groups,
            policies: BTreeMap::new(),
            asking: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next_sessions: BTreeMap::new(),
            desk,
            other_keys: BTreeMap::new(),
            lending,
            guard,
            lent: BTreeMap::new(),
            waiting: BTreeMap::new(),
            stored: LentStored::default(),
            pairing_changes: server.pairings().changes(),
            server,
            incoming,
            news,
            finding,
            insecure_http,
            _presence: presence,
            hints,
            client,
            friend_ids,
            hello: hello_sender,
            farewells: TaskTracker::new(),
        })
    }

    /// The next thing that others do. Safe to cancel.
    pub async fn next(&mut self) -> NetworkFact {
        tokio::select! {
            Some(news) = self.news.recv() => NetworkFact::Presence(news),
            Some(incoming) = self.incoming.recv() => NetworkFact::Incoming(incoming),
            Ok(()) = self.pairing_changes.changed() => NetworkFact::Pairing,
            () = self.finding.changed() => NetworkFact::Rendezvous,
        }
    }

    /// Says goodbye.
    pub async fn shut_down(&mut self, now: Duration) {
        self.stop_lending(now);
        self.farewells.close();
        if tokio::time::timeout(FAREWELL, self.farewells.wait()).await.is_err() {
            tracing::info!("not every helper heard that it is over");
        }
        self.finding.shut_down().await;
        self.server.shutdown().await;
    }

    #[must_use]
    pub fn is_friend(&self, peer: PeerId) -> bool {
        self.friends.contains_key(&peer)
    }

    #[must_use]
    pub fn is_blocked(&self, peer: PeerId) -> bool {
        self.blocked.contains_key(&peer)
    }

    /// Remembers a friend; returns what to store.
    pub fn befriend(&mut self, peer: PeerId) -> Option<Friend> {
        if self.is_friend(peer) || self.is_blocked(peer) {
            return None;
        }
        let friend = self.new_friend(peer);
        self.learn(&[Op::PutFriend(friend.clone())]);
        Some(friend)
    }

    /// A peer that is there and may be asked, as far as it matters for that.
    #[must_use]
    pub fn asked_peer(&self, peer: PeerId) -> Option<AskedPeer> {
        let hello = &self.online.get(&peer).filter(|_| !self.is_blocked(peer))?.hello;
        let (friend, lending, relays) =
            (self.is_friend(peer), hello.lending, hello.can(Feature::Relay));
        Some(AskedPeer { peer, friend, lending, relays })
    }

    /// A device as a friend would be stored, with what is known of it now.
    #[must_use]
    pub fn new_friend(&self, peer: PeerId) -> Friend {
        let online = self.online.get(&peer);
        // Asking for help is enough to have a name here; nobody but friends needs to be found.
        let waiting = self.waiting.values().find(|waiting| waiting.from == peer);
        let name = online.map(|online| online.hello.name.as_str());
        let name = name.or_else(|| waiting.map(|waiting| waiting.request.name.as_str()));
        Friend {
            // What is merely said of it is no place where it was.
            last_addresses: self.reached_at(peer).into_iter().collect(),
            ..stranger(peer, name.unwrap_or_default().to_owned())
        }
    }

    /// Takes in what is being stored about others.
    pub fn learn(&mut self, ops: &[Op]) {
        let mut known = Known {
            friends: std::mem::take(&mut self.friends),
            blocked: std::mem::take(&mut self.blocked),
            groups: std::mem::take(&mut self.groups),
            ..Known::default()
        };
        known.learn(ops);
        (self.friends, self.blocked, self.groups) = (known.friends, known.blocked, known.groups);
        let friends: BTreeSet<_> = self.friends.keys().copied().collect();
        self.server.set_friends(&friends);
        self.friend_ids.send_if_modified(|ids| {
            let changed = *ids != friends;
            *ids = friends;
            changed
        });
    }

    /// What people call this peer.
    #[must_use]
    pub fn name_of(&self, peer: PeerId) -> String {
        let online = self.online.get(&peer).map(|online| online.hello.name.as_str());
        let friend = self.friends.get(&peer).map(|friend| friend.name.as_str());
        let blocked = self.blocked.get(&peer).map(|blocked| blocked.name.as_str());
        match online.or(friend).or(blocked).filter(|name| !name.is_empty()) {
            Some(name) => name.to_owned(),
            None => peer.short(),
        }
    }

    /// A helper has agreed. Whether its session is still wanted: one whose request was taken back is ended at once.
    pub fn take_session(&mut self, key: (DownloadId, PeerId), session: Arc<Session>) -> bool {
        if self.asking.get(&key).is_none_or(|asking| asking.id() != Some(session.id)) {
            self.farewells.spawn(session.end(HelpEnd::Cancelled, 0, 0));
            return false;
        }
        self.asking.remove(&key);
        let runs = self.sessions.contains_key(&key);
        let place = if runs { &mut self.next_sessions } else { &mut self.sessions };
        place.insert(key, session);
        true
    }

    /// Whether this session has not been ended by this side.
    #[must_use]
    pub fn has_session(&self, key: (DownloadId, PeerId), id: HelpId) -> bool {
        let sessions = [self.sessions.get(&key), self.next_sessions.get(&key)];
        sessions.into_iter().flatten().any(|session| session.id == id)
    }

    /// A help session of a download is over: forgets it and tells the helper what it came to.
    pub fn end_session(
        &mut self,
        key: (DownloadId, PeerId),
        reason: HelpEnd,
        received_bytes: u64,
        used_bytes: u64,
    ) {
        if let Some(session) = self.sessions.remove(&key) {
            self.farewells.spawn(session.end(reason, received_bytes, used_bytes));
        }
        match self.next_sessions.remove(&key) {
            Some(next) if reason == HelpEnd::Replaced => drop(self.sessions.insert(key, next)),
            Some(next) => drop(self.farewells.spawn(next.end(reason, 0, 0))),
            None => {}
        }
    }

    /// Takes a request back that nobody has answered.
    pub fn withdraw(&mut self, key: (DownloadId, PeerId)) {
        if let Some(asking) = self.asking.remove(&key) {
            self.farewells.spawn(asking.withdraw());
        }
    }
}

/// Joins the group of an invite that was given for this run.
fn join(
    invite: &str,
    insecure_http: bool,
    store: &Store,
    settings: &Settings,
    known: &mut Known,
) -> Result<(), String> {
    let joined = groups::read_invite(invite).and_then(|invite| {
        let change = Change::JoinGroup { invite: Box::new(invite), founder: false };
        let before = Before {
            friends: &known.friends,
            blocked: &known.blocked,
            groups: &known.groups,
            settings,
            insecure_http,
        };
        change.ops(before, |peer| stranger(peer, String::new()))
    });
    let ops = joined.map_err(|failure| format!("{failure} {}", failure.code.hint()))?;
    store.apply(&ops).and_then(|()| store.flush()).map_err(|error| error.to_string())?;
    known.learn(&ops);
    Ok(())
}

/// The device's key; made at the first start.
fn identity(store: &Store) -> Result<DeviceIdentity, String> {
    let stored = store.load_secret(IDENTITY).map_err(|error| error.to_string())?;
    if let Some(pem) = stored {
        let pem = String::from_utf8(pem).map_err(|_| format!("{IDENTITY} is no key"))?;
        return DeviceIdentity::from_pem(&pem)
            .map_err(|error| format!("{IDENTITY}: {}", with_causes(&error)));
    }
    let identity = DeviceIdentity::generate().map_err(|error| with_causes(&error))?;
    store.save_secret(IDENTITY, identity.to_pem().as_bytes()).map_err(|error| error.to_string())?;
    Ok(identity)
}

/// The message goes on with a colon where it is shown: it begins as it comes.
fn no_start(what: What, why: &str) -> Failure {
    Failure::new(FailureCode::Internal, why).because(what, [&why])
}

fn cannot_listen(error: &ListenError) -> Failure {
    let text = with_causes(error);
    match error {
        ListenError::Bind { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
            Failure::new(FailureCode::Connect, text).because(What::PortTaken, [address])
        }
        ListenError::Bind { address, source } => Failure::new(FailureCode::Connect, text)
            .because(What::NoPort, [address, &plain(source)]),
        ListenError::Key(_) => no_start(What::NoKey, &text),
    }
}

/// An error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    plain(&text)
}
