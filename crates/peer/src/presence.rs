//! Who is really there: every hint is asked over TLS, and only who proves its key and greets is
//! online.
//!
//! Hints come from multicast, from rendezvous servers, from what was known yesterday, from what a person typed. What one of them
//! says about a peer never pushes out what another says; the peer is one, and where it has answered is the best guess of all.
//!
//! Who is greeted: friends and whoever was found on this network or named by address, all of them; of those whom nobody but a
//! server lists, [`MAX_LISTED`] at a time, drawn at random, so that in a large group everybody looks after others. One who does not
//! answer makes room for the next.

mod merge;

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
use manyhands_identity::HandshakeError;
use merge::Said;

/// Peers that are known of. Hints about more are dropped, those about friends never, and those about who is only listed first.
const MAX_PEERS: usize = 2048;
/// Of those whom nobody but a rendezvous server names, so many are looked after at a time.
pub const MAX_LISTED: usize = 64;
/// Greetings under way to peers of one kind: friends, whoever is on this network, who is only listed. Each kind has its own, so
/// that a flood of false hints delays nobody who matters.
const MAX_GREETINGS: usize = 8;
/// Hints that are taken in before somebody is greeted.
const MAX_BATCH: usize = 64;
/// Peers are greeted again at most five times a second in all.
const GREETING_PACE: Duration = Duration::from_millis(200);
/// Who is only listed is greeted at a random time after it has appeared, since all members have heard of it at the same moment:
/// within 30 ms for each peer that this device knows, …
const LISTED_STEP: Duration = Duration::from_millis(30);
/// … and at most 3 s.
const LISTED_SPREAD: Duration = Duration::from_secs(3);
/// Who has called, since it cannot be called, keeps its connections only while something is asked on them: it gives idle ones up
/// after 90 s.
const CALLED: Duration = Duration::from_secs(60);
/// Of whom nobody but a server lists, so many addresses are tried at a greeting, others at the next: they may be anybody's, and
/// many clients hear of them at once.
const MAX_LISTED_ADDRESSES: usize = 4;
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
    /// … doubled each time, up to 5 min, give or take a quarter.
    pub retry_max: Duration,
    /// Who is only listed in a group, and online, is greeted again after 60 s, give or take a quarter: the server tells when it
    /// leaves.
    pub listed: Duration,
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
            listed: Duration::from_secs(60),
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
        let calls = client.turns().tell_arrivals();
        let lookout = Lookout {
            client,
            waits,
            friends,
            peers: BTreeMap::new(),
            news: BTreeSet::new(),
            told: BTreeMap::new(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(lookout.run(hints, calls, sender));
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
    told: BTreeMap<PeerId, Told>,
}

/// What has been told of a peer.
#[derive(Debug, Default, PartialEq)]
struct Told {
    found: BTreeSet<HintOrigin>,
    hello: Option<Hello>,
    no_way: Option<NoWay>,
    /// A friend in whose place another device was found.
    other: Option<(PeerId, SocketAddr)>,
}

struct Peer {
    /// Made with the first greeting.
    remote: Option<RemotePeer>,
    /// Where it is said to be, and by whom.
    said: Said,
    hello: Option<Hello>,
    /// Who answered in its place at the last greeting.
    other: Option<(PeerId, SocketAddr)>,
    /// Why the last greeting failed.
    no_way: Option<NoWay>,
    failures: u32,
    next: Instant,
    greeting: bool,
    /// Somebody has said that it has left: one greeting without an answer will do.
    doubted: bool,
    /// One of the [`MAX_LISTED`], as long as nobody but a server names it.
    attended: bool,
}

/// Whose greetings share their places.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Friend,
    Here,
    Listed,
}

type Greeted = (PeerId, Result<Hello, CallError>);

impl Lookout {
    async fn run(
        mut self,
        mut hints: mpsc::Receiver<Discovered>,
        mut calls: mpsc::Receiver<PeerId>,
        sender: mpsc::Sender<PresenceNews>,
    ) {
        let mut greetings: JoinSet<Greeted> = JoinSet::new();
        let mut batch = Vec::new();
        // Telling news changes nothing about who is due.
        let (mut next, mut told) = (None, false);
        loop {
            if !std::mem::take(&mut told) {
                next = self.greet_who_is_due(&mut greetings);
            }
            let due = async move {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                heard = hints.recv_many(&mut batch, MAX_BATCH) => {
                    if heard == 0 {
                        return;
                    }
                    for hint in batch.drain(..) {
                        match hint {
                            Discovered::PeerSeen { id, origin, addresses } => {
                                self.seen(id, origin, &addresses);
                            }
                            Discovered::PeerGone { id, origin } => self.gone(id, origin),
                        }
                    }
                }
                Some(done) = greetings.join_next() => {
                    // A greeting that panicked has said nothing; there is none that does.
                    if let Ok((id, result)) = done {
                        self.greeted(id, result);
                    }
                }
                room = sender.reserve(), if !self.news.is_empty() => match room {
                    Ok(room) => {
                        told = true;
                        if let Some(news) = self.next_news() {
                            room.send(news);
                        }
                    }
                    Err(_) => return,
                },
                Some(id) = calls.recv() => self.called(id),
                () = due => {}
            }
        }
    }

    fn seen(&mut self, id: PeerId, origin: HintOrigin, addresses: &[SocketAddr]) {
        let listed = matches!(origin, HintOrigin::Group(_));
        let others = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        let spread = LISTED_STEP.saturating_mul(others.saturating_add(1)).min(LISTED_SPREAD);
        let soon = Instant::now() + if listed { jitter(spread) } else { Duration::ZERO };
        if !self.peers.contains_key(&id) {
            let mut said = Said::default();
            said.set(origin, addresses);
            if self.peers.len() >= MAX_PEERS && !self.make_room(id, &said) {
                return;
            }
            let peer = Peer {
                remote: None,
                said,
                hello: None,
                other: None,
                no_way: None,
                failures: 0,
                next: soon,
                greeting: false,
                doubted: false,
                attended: false,
            };
            self.peers.insert(id, peer);
            self.news.insert(id);
            return;
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        self.news.insert(id);
        let new = peer.said.set(origin, addresses);
        peer.doubted = false;
        peer.set_addresses();
        // Where a server alone says so, another record is no reason to be greeted more often.
        let alone = kind(&self.friends.borrow(), &id, &peer.said) == Kind::Listed;
        if peer.hello.is_none() && !alone && (new || !listed) {
            peer.failures = 0;
            // A member that moves all the time is greeted at its turn.
            peer.next = if listed { peer.next.min(soon) } else { soon };
        }
    }

    /// It cannot be called, and has called: now it can be greeted.
    fn called(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id)
            && peer.hello.is_none()
        {
            peer.failures = 0;
            peer.next = Instant::now();
            peer.attended = true;
        }
    }

    /// A goodbye is a hint too: anybody could have said it.
    fn gone(&mut self, id: PeerId, origin: HintOrigin) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.said.remove(origin);
        peer.set_addresses();
        peer.doubted = true;
        peer.next = Instant::now();
        self.news.insert(id);
        // Who was never greeted has nothing to be asked about.
        if peer.said.is_empty() && peer.hello.is_none() && !peer.greeting && !peer.attended {
            self.peers.remove(&id);
        }
    }

    /// Somebody who matters less goes.
    fn make_room(&mut self, id: PeerId, said: &Said) -> bool {
        let friends = self.friends.borrow();
        let comes = kind(&friends, &id, said);
        let goes = |(id, peer): &(&PeerId, &Peer)| {
            let of = kind(&friends, id, &peer.said);
            let less = match comes {
                Kind::Friend => of != Kind::Friend,
                Kind::Here => of == Kind::Listed,
                Kind::Listed => false,
            };
            less && peer.hello.is_none() && !peer.greeting
        };
        let idle = self.peers.iter().find(goes).map(|(id, _)| *id);
        drop(friends);
        let Some(idle) = idle else { return false };
        self.news.insert(idle);
        self.peers.remove(&idle).is_some()
    }

    /// Starts the greetings whose time has come; gives the time of the next one.
    fn greet_who_is_due(&mut self, greetings: &mut JoinSet<Greeted>) -> Option<Instant> {
        let (now, friends) = (Instant::now(), self.friends.borrow());
        let (mut under_way, mut attended) = ([0; 3], 0);
        // Whose time has come, who could be drawn, and when the next ones of both are due.
        let (mut due, mut drawable) = (Vec::new(), Vec::new());
        let (mut next, mut next_drawable): (Option<Instant>, Option<Instant>) = (None, None);
        let sooner = |next: Option<Instant>, at: Instant| Some(next.map_or(at, |n| n.min(at)));
        for (id, peer) in &self.peers {
            let kind = kind(&friends, id, &peer.said);
            let waits = kind == Kind::Listed && !peer.attended;
            attended += usize::from(kind == Kind::Listed && peer.attended);
            match (peer.greeting, peer.next > now, waits) {
                (true, ..) => {
                    if let Some(count) = under_way.get_mut(kind as usize) {
                        *count += 1;
                    }
                }
                (false, true, true) => next_drawable = sooner(next_drawable, peer.next),
                (false, true, false) => next = sooner(next, peer.next),
                (false, false, true) => drawable.push(*id),
                (false, false, false) => due.push((peer.next, *id, kind)),
            }
        }
        while attended < MAX_LISTED && !drawable.is_empty() {
            let drawn = drawable.swap_remove(rand::random_range(0..drawable.len()));
            attended += 1;
            due.push((now, drawn, Kind::Listed));
        }
        if attended < MAX_LISTED
            && let Some(at) = next_drawable
        {
            next = sooner(next, at);
        }
        due.sort_unstable_by_key(|(at, ..)| *at);
        for (_, id, kind) in due {
            let (Some(count), Some(peer)) =
                (under_way.get_mut(kind as usize), self.peers.get_mut(&id))
            else {
                continue;
            };
            peer.attended |= kind == Kind::Listed;
            // For the others the turn comes when a greeting under way ends.
            if *count < MAX_GREETINGS {
                *count += 1;
                peer.greeting = true;
                let mut addresses = peer.said.merged();
                if kind == Kind::Listed {
                    // Who is online is asked where it was, first of all.
                    cut(&mut addresses, if peer.hello.is_some() { 0 } else { peer.failures });
                }
                let make = || self.client.peer(id, &addresses);
                let remote = peer.remote.get_or_insert_with(make).clone();
                if kind == Kind::Listed {
                    remote.set_addresses(&addresses);
                }
                greetings.spawn(async move { (id, remote.hello().await) });
            }
        }
        next
    }

    fn greeted(&mut self, id: PeerId, result: Result<Hello, CallError>) {
        let friends = self.friends.borrow();
        let of = |id: &PeerId, peer: &Peer| kind(&friends, id, &peer.said);
        let greeted =
            self.peers.iter().filter(|(id, peer)| peer.attended || of(id, peer) != Kind::Listed);
        let greeted = u32::try_from(greeted.count()).unwrap_or(u32::MAX);
        let listed = self.peers.get(&id).is_some_and(|peer| of(&id, peer) == Kind::Listed);
        drop(friends);
        let again = if listed { around(self.waits.listed) } else { self.waits.online };
        let mut again = again.max(GREETING_PACE.saturating_mul(greeted));
        let called = self.peers.get(&id).and_then(|peer| peer.remote.as_ref());
        if called.is_some_and(RemotePeer::has_called) {
            again = again.min(CALLED);
        }
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
                peer.no_way = None;
                peer.failures = 0;
                peer.doubted = false;
                if !peer.remote.as_ref().is_some_and(RemotePeer::has_called) {
                    peer.said.reached(peer.addresses().first().copied());
                }
                peer.next = Instant::now() + again;
            }
            Err(error) => {
                debug!(peer = %id.short(), %error, "no greeting");
                peer.no_way = Some(NoWay::of(&error, peer.addresses().is_empty()));
                if let CallError::WrongDevice { found, at } = error {
                    peer.other = Some((found, at));
                }
                peer.failures = peer.failures.saturating_add(1);
                let doubled = 1_u32 << (peer.failures - 1).min(16);
                let pause = self.waits.retry.saturating_mul(doubled).min(self.waits.retry_max);
                peer.next = Instant::now() + around(pause);
                let over = peer.failures >= FAILURES || peer.doubted;
                if over {
                    peer.hello = None;
                    peer.attended = false;
                }
                if over && peer.said.is_empty() {
                    self.peers.remove(&id);
                }
            }
        }
    }

    fn next_news(&mut self) -> Option<PresenceNews> {
        while let Some(id) = self.news.first().copied() {
            let peer = self.peers.get(&id);
            let told = self.told.entry(id).or_default();
            let found = peer.map(|peer| peer.said.origins()).unwrap_or_default();
            if told.found != found {
                told.found.clone_from(&found);
                return Some(PresenceNews::Found { id, by: found });
            }
            let other = peer.and_then(|peer| peer.other);
            let friend = self.friends.borrow().contains(&id);
            if let Some((found, at)) = other.filter(|_| friend)
                && told.other != Some((found, at))
            {
                told.other = Some((found, at));
                // Whether it is online is told after this.
                return Some(PresenceNews::OtherKey { id, found, at });
            }
            match peer.and_then(|peer| peer.remote.as_ref().zip(peer.hello.clone())) {
                Some((peer, hello)) => {
                    let back = other.is_none() && told.other.take().is_some();
                    told.no_way = None;
                    if back || told.hello.as_ref() != Some(&hello) {
                        told.hello = Some(hello.clone());
                        return Some(PresenceNews::Online { peer: peer.clone(), hello });
                    }
                }
                None if told.hello.take().is_some() => return Some(PresenceNews::Offline { id }),
                None => {
                    let no_way = peer.and_then(|peer| peer.no_way);
                    if let Some(why) = no_way
                        && told.no_way.replace(why) != Some(why)
                    {
                        return Some(PresenceNews::Unreachable { id, why });
                    }
                }
            }
            // There is nothing more to say about it.
            self.news.remove(&id);
            if peer.is_none() {
                self.told.remove(&id);
            }
        }
        None
    }
}

fn kind(friends: &BTreeSet<PeerId>, id: &PeerId, said: &Said) -> Kind {
    match said.is_listed_only() {
        _ if friends.contains(id) => Kind::Friend,
        true => Kind::Listed,
        false => Kind::Here,
    }
}

impl Peer {
    fn set_addresses(&self) {
        if let Some(remote) = &self.remote {
            remote.set_addresses(&self.said.merged());
        }
    }

    /// The best guess.
    fn addresses(&self) -> Vec<SocketAddr> {
        self.remote.as_ref().map(RemotePeer::addresses).unwrap_or_default()
    }
}

impl NoWay {
    fn of(error: &CallError, no_address: bool) -> Self {
        use std::io::ErrorKind as Kind;
        match error {
            _ if no_address => Self::NoAddress,
            CallError::WrongDevice { .. } => Self::OtherDevice,
            CallError::Unreachable(HandshakeError::Failed(error)) => match error.kind() {
                Kind::TimedOut | Kind::HostUnreachable => Self::NoAnswer,
                Kind::NetworkUnreachable | Kind::NetworkDown | Kind::AddrNotAvailable => {
                    Self::NoRoute
                }
                _ => Self::Refused,
            },
            CallError::Unreachable(_) | CallError::Lost(_) => Self::NoAnswer,
            CallError::Problem(_) | CallError::Link(_) | CallError::Nonsense(_) => Self::Refused,
        }
    }
}

/// Leaves those whose turn it is after so many failures.
fn cut(addresses: &mut Vec<SocketAddr>, failures: u32) {
    if addresses.len() > MAX_LISTED_ADDRESSES {
        let first = (failures as usize).wrapping_mul(MAX_LISTED_ADDRESSES) % addresses.len();
        addresses.rotate_left(first);
        addresses.truncate(MAX_LISTED_ADDRESSES);
    }
}

/// A random part of it.
fn jitter(most: Duration) -> Duration {
    most.mul_f64(rand::random())
}

/// Give or take a quarter.
fn around(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_who_is_only_listed_a_few_addresses_are_tried_at_a_time_and_all_in_the_end() {
        let at = |n: u8| SocketAddr::from(([10, 0, 0, n], 4000));
        let all: Vec<_> = (0..15).map(at).collect();
        let mut tried = BTreeSet::new();
        for failures in 0..4 {
            let mut addresses = all.clone();
            cut(&mut addresses, failures);
            assert_eq!(addresses.len(), MAX_LISTED_ADDRESSES);
            tried.extend(addresses);
        }
        assert_eq!(tried.len(), all.len());
        let mut few = vec![at(1), at(2)];
        cut(&mut few, 7);
        assert_eq!(few, [at(1), at(2)]);
    }
}
