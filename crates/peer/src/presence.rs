//! Who is really there: every hint is asked over TLS, and only who proves its key and greets is
//! online.
//!
//! Hints come from discovery, from what was known yesterday, from what a person typed; they are all
//! worth the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use manyhands_core::PeerId;
use manyhands_wire::Hello;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use crate::client::{CallError, PeerClient, RemotePeer};
use crate::discovery::{Discovered, HintOrigin};

/// Peers looked after. Hints about more are dropped, those about friends never.
const MAX_PEERS: usize = 512;
/// Greetings under way to peers that are no friends. Friends are greeted beside them, so that a
/// flood of false hints delays nobody who matters.
const MAX_GREETINGS: usize = 8;
/// … and to friends.
const MAX_FRIEND_GREETINGS: usize = 8;
/// Peers are greeted again at most five times a second in all.
const GREETING_PACE: Duration = Duration::from_millis(200);
/// After so many greetings without an answer a peer is offline.
const FAILURES: u32 = 2;

/// Somebody has come or gone.
#[derive(Clone, Debug)]
pub enum PresenceNews {
    /// It has proved its key and greeted; also when what it says of itself has changed.
    Online {
        peer: RemotePeer,
        hello: Hello,
    },
    Offline {
        id: PeerId,
    },
    /// Where this friend was, or is said to be, another device answers, and it answers nowhere else. Nothing was sent there.
    /// Holds until it is online again, which is then told anew.
    OtherKey {
        id: PeerId,
        found: PeerId,
        /// Whether it was ever there is for the shell to know: hints are anybody's.
        at: SocketAddr,
    },
    /// Somebody says that it is there, and it does not answer. Told again when the reason changes; holds until it is online, or
    /// found by nobody any more.
    Unreachable {
        id: PeerId,
        why: NoWay,
    },
    /// Who says that it is there, whether it answers or not. Empty: nobody any more.
    Found {
        id: PeerId,
        by: BTreeSet<HintOrigin>,
    },
}

/// Why somebody who is said to be there cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoWay {
    /// Packets are swallowed: a firewall there, or a network that keeps its clients apart.
    NoAnswer,
    /// The other computer refuses the port, or what listens there is no Manyhands.
    Refused,
    /// There is no way to that network from here.
    NoRoute,
    /// Another device answers there.
    OtherDevice,
    /// No address of it is known.
    NoAddress,
}

/// How often peers are greeted; the defaults are the program's.
#[derive(Clone, Copy, Debug)]
pub struct PresenceWaits {
    /// Who is online is greeted again after 15 s: names and lending change, and laptops are closed. Where many are online, the
    /// time is longer: see `GREETING_PACE`.
    pub online: Duration,
    /// Who did not answer is greeted again after 5 s …
    pub retry: Duration,
    /// … doubled each time, up to 5 min.
    pub retry_max: Duration,
}

/// The look-out; ends when it is dropped.
#[derive(Debug)]
pub struct Presence {
    _tasks: JoinSet<()>,
}

impl Default for PresenceWaits {
    fn default() -> Self {
        Self {
            online: Duration::from_secs(15),
            retry: Duration::from_secs(5),
            retry_max: Duration::from_secs(300),
        }
    }
}

impl Presence {
    /// Greets whoever `hints` tells of, and says on the channel who is there. While that is not
    /// read, only the newest state of each peer is kept back. Ends when all senders of `hints` are
    /// gone.
    #[must_use]
    pub fn start(
        client: PeerClient,
        waits: PresenceWaits,
        friends: watch::Receiver<BTreeSet<PeerId>>,
        hints: mpsc::Receiver<Discovered>,
    ) -> (Self, mpsc::Receiver<PresenceNews>) {
        let (sender, receiver) = mpsc::channel(64);
        let lookout = Lookout {
            client,
            waits,
            friends,
            peers: BTreeMap::new(),
            news: BTreeSet::new(),
            told: BTreeMap::new(),
            told_other: BTreeMap::new(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(lookout.run(hints, sender));
        (Self { _tasks: tasks }, receiver)
    }
}

struct Lookout {
    client: PeerClient,
    waits: PresenceWaits,
    friends: watch::Receiver<BTreeSet<PeerId>>,
    peers: BTreeMap<PeerId, Peer>,
    /// Peers about which there may be something to tell.
    news: BTreeSet<PeerId>,
    told: BTreeMap<PeerId, Hello>,
    /// Friends in whose place another device was found, as far as it was told.
    told_other: BTreeMap<PeerId, (PeerId, SocketAddr)>,
}

struct Peer {
    remote: RemotePeer,
    hello: Option<Hello>,
    /// Who answered in its place at the last greeting.
    other: Option<(PeerId, SocketAddr)>,
    failures: u32,
    next: Instant,
    greeting: bool,
    /// It has said goodbye: one more greeting without an answer, and it is forgotten.
    leaving: bool,
}

type Greeted = (PeerId, Result<Hello, CallError>);

impl Lookout {
    async fn run(
        mut self,
        mut hints: mpsc::Receiver<Discovered>,
        sender: mpsc::Sender<PresenceNews>,
    ) {
        let mut greetings: JoinSet<Greeted> = JoinSet::new();
        loop {
            let next = self.greet_who_is_due(&mut greetings);
            let due = async move {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                hint = hints.recv() => match hint {
                    Some(Discovered::PeerSeen { id, addresses, .. }) => self.seen(id, &addresses),
                    Some(Discovered::PeerGone { id, .. }) => self.gone(id),
                    None => return,
                },
                Some(done) = greetings.join_next() => {
                    // A greeting that panicked has said nothing; there is none that does.
                    if let Ok((id, result)) = done {
                        self.greeted(id, result);
                    }
                }
                room = sender.reserve(), if !self.news.is_empty() => match room {
                    Ok(room) => {
                        if let Some(news) = self.next_news() {
                            room.send(news);
                        }
                    }
                    Err(_) => return,
                },
                () = due => {}
            }
        }
    }

    fn seen(&mut self, id: PeerId, addresses: &[SocketAddr]) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.leaving = false;
            // Where it has answered stays the first guess: a hint may be anybody's.
            let mut all = peer.remote.addresses();
            all.truncate(1);
            all.extend_from_slice(addresses);
            peer.remote.set_addresses(&all);
            if peer.hello.is_none() {
                peer.failures = 0;
                peer.next = Instant::now();
            }
            return;
        }
        if self.peers.len() >= MAX_PEERS && !self.make_room(id) {
            return;
        }
        let peer = Peer {
            remote: self.client.peer(id, addresses),
            hello: None,
            other: None,
            failures: 0,
            next: Instant::now(),
            greeting: false,
            leaving: false,
        };
        self.peers.insert(id, peer);
    }

    /// A goodbye is a hint too: anybody could have said it.
    fn gone(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.leaving = true;
            peer.next = Instant::now();
        }
    }

    fn make_room(&mut self, id: PeerId) -> bool {
        let friends = self.friends.borrow();
        if !friends.contains(&id) {
            return false;
        }
        let idle = self.peers.iter().find(|(other, peer)| {
            peer.hello.is_none() && !peer.greeting && !friends.contains(other)
        });
        let idle = idle.map(|(id, _)| *id);
        drop(friends);
        idle.map(|idle| self.peers.remove(&idle)).is_some()
    }

    /// Starts the greetings whose time has come; gives the time of the next one.
    fn greet_who_is_due(&mut self, greetings: &mut JoinSet<Greeted>) -> Option<Instant> {
        let (now, friends) = (Instant::now(), self.friends.borrow());
        let under_way = |friend: bool| {
            let of_kind =
                |(id, peer): &(&PeerId, &Peer)| peer.greeting && friends.contains(id) == friend;
            self.peers.iter().filter(of_kind).count()
        };
        let mut room = [
            MAX_GREETINGS.saturating_sub(under_way(false)),
            MAX_FRIEND_GREETINGS.saturating_sub(under_way(true)),
        ];
        let mut waiting: Vec<_> = self.peers.iter_mut().filter(|(_, p)| !p.greeting).collect();
        waiting.sort_by_key(|(_, peer)| peer.next);
        let mut next = None;
        for (id, peer) in waiting {
            let Some(room) = room.get_mut(usize::from(friends.contains(id))) else { continue };
            if *room == 0 {
                // Its turn comes when a greeting under way ends.
                continue;
            }
            if peer.next > now {
                next = Some(next.map_or(peer.next, |next: Instant| next.min(peer.next)));
                continue;
            }
            *room -= 1;
            peer.greeting = true;
            let (id, remote) = (*id, peer.remote.clone());
            greetings.spawn(async move { (id, remote.hello().await) });
        }
        next
    }

    fn greeted(&mut self, id: PeerId, result: Result<Hello, CallError>) {
        let peers = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        let again = self.waits.online.max(GREETING_PACE.saturating_mul(peers));
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.greeting = false;
        self.news.insert(id);
        match result {
            Ok(hello) => {
                if peer.hello.is_none() {
                    info!(peer = %id.short(), "online");
                }
                peer.hello = Some(hello);
                peer.other = None;
                peer.failures = 0;
                peer.leaving = false;
                peer.next = Instant::now() + again;
            }
            Err(error) => {
                debug!(peer = %id.short(), %error, "no greeting");
                if let CallError::WrongDevice { found, at } = error {
                    peer.other = Some((found, at));
                }
                peer.failures = peer.failures.saturating_add(1);
                let doubled = 1_u32 << (peer.failures - 1).min(16);
                let pause = self.waits.retry.saturating_mul(doubled).min(self.waits.retry_max);
                peer.next = Instant::now() + pause;
                if peer.failures >= FAILURES || peer.leaving {
                    peer.hello = None;
                }
                if peer.leaving {
                    self.peers.remove(&id);
                }
            }
        }
    }

    fn next_news(&mut self) -> Option<PresenceNews> {
        while let Some(id) = self.news.first().copied() {
            let peer = self.peers.get(&id);
            let other = peer.and_then(|peer| peer.other);
            let online =
                peer.and_then(|peer| peer.hello.clone().map(|hello| (peer.remote.clone(), hello)));
            if let Some((found, at)) = other.filter(|_| self.friends.borrow().contains(&id))
                && self.told_other.insert(id, (found, at)) != Some((found, at))
            {
                // Whether it is online is told after this.
                return Some(PresenceNews::OtherKey { id, found, at });
            }
            self.news.remove(&id);
            match online {
                Some((peer, hello)) => {
                    let back = other.is_none() && self.told_other.remove(&id).is_some();
                    if back || self.told.get(&id) != Some(&hello) {
                        self.told.insert(id, hello.clone());
                        return Some(PresenceNews::Online { peer, hello });
                    }
                }
                None => {
                    if self.told.remove(&id).is_some() {
                        return Some(PresenceNews::Offline { id });
                    }
                }
            }
        }
        None
    }
}
