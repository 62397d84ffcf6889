//! The task that greets: who is due, and what its answer changes.

mod news;
mod room;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use manyhands_core::PeerId;
use manyhands_wire::Hello;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use super::budget::{Budget, place};
use super::merge::Said;
use super::waiting::Waiting;
use super::{MAX_LISTED, NoWay, PresenceNews, PresenceWaits};
use crate::client::{CallError, PeerClient, RemotePeer};
use crate::discovery::{Discovered, HintOrigin};
use crate::own::OwnAddresses;
use news::Told;

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

pub(super) struct Lookout {
    client: PeerClient,
    waits: PresenceWaits,
    friends: watch::Receiver<BTreeSet<PeerId>>,
    own: watch::Receiver<OwnAddresses>,
    peers: BTreeMap<PeerId, Peer>,
    /// Those for whom there was no room.
    waiting: Waiting,
    /// For who is only listed.
    budget: Budget,
    /// Peers about which there may be something to tell.
    news: BTreeSet<PeerId>,
    told: BTreeMap<PeerId, Told>,
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
    /// The network has changed since that greeting began.
    stale: bool,
    /// Since it answered last, a failure was put down to a change of the network: the next ones count, as long as it is online.
    spared: bool,
    /// What the greeting has taken from the budget, and when.
    dialled: (Vec<IpAddr>, Option<Instant>),
    /// It has made a connection, on which it can be asked.
    calls: bool,
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
    pub(super) fn new(
        client: PeerClient,
        waits: PresenceWaits,
        friends: watch::Receiver<BTreeSet<PeerId>>,
        own: watch::Receiver<OwnAddresses>,
    ) -> Self {
        Self {
            client,
            waits,
            friends,
            own,
            peers: BTreeMap::new(),
            waiting: Waiting::default(),
            budget: Budget::default(),
            news: BTreeSet::new(),
            told: BTreeMap::new(),
        }
    }

    pub(super) async fn run(
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
                self.take_in_who_waits();
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
                Ok(()) = self.own.changed() => self.moved(),
                () = due => {}
            }
        }
    }

    fn seen(&mut self, id: PeerId, origin: HintOrigin, addresses: &[SocketAddr]) {
        let listed = matches!(origin, HintOrigin::Group(_));
        let soon = Instant::now() + if listed { jitter(self.spread()) } else { Duration::ZERO };
        if !self.peers.contains_key(&id) {
            let mut said = self.waiting.take(id).unwrap_or_default();
            said.set(origin, addresses);
            self.take_in(id, said, soon);
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

    /// In how long who is only listed is greeted for the first time.
    fn spread(&self) -> Duration {
        let others = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        LISTED_STEP.saturating_mul(others.saturating_add(1)).min(LISTED_SPREAD)
    }

    /// This device is somewhere else, or was asleep: who did not answer may do so now. Friends first, and nobody later than planned.
    fn moved(&mut self) {
        let (now, spread, friends) = (Instant::now(), self.spread(), self.friends.borrow());
        let mut others = Vec::new();
        for (id, peer) in &mut self.peers {
            peer.stale = peer.greeting;
            let fails = peer.failures > 0;
            if fails && peer.is_spared() {
                peer.failures = 0;
            }
            if peer.greeting || !fails {
                continue;
            }
            match kind(&friends, id, &peer.said) {
                Kind::Listed => peer.next = peer.next.min(now + jitter(spread)),
                kind => others.push((kind as usize, *id)),
            }
        }
        drop(friends);
        others.sort_unstable();
        // As many at once as there are places, the others at the usual pace.
        let mut at = now;
        for (rank, (_, id)) in others.into_iter().enumerate() {
            if rank >= MAX_GREETINGS {
                at += GREETING_PACE;
            }
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.next = peer.next.min(at);
            }
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
            peer.calls = true;
        }
    }

    /// A goodbye is a hint too: anybody could have said it.
    fn gone(&mut self, id: PeerId, origin: HintOrigin) {
        self.waiting.remove(id, origin);
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
                let mut addresses = peer.said.merged();
                if kind == Kind::Listed
                    && let Err(at) = self.budget.cut(&mut addresses, peer, now)
                {
                    // Somebody else takes its turn: at once, as there may be many who have to wait.
                    peer.next = at + jitter(LISTED_SPREAD);
                    peer.attended = peer.hello.is_some();
                    next = Some(now);
                    continue;
                }
                *count += 1;
                peer.greeting = true;
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
        let soon = if listed { jitter(self.spread()) } else { Duration::ZERO };
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.greeting = false;
        peer.calls = false;
        let stale = std::mem::take(&mut peer.stale);
        self.news.insert(id);
        let (dialled, at) = std::mem::take(&mut peer.dialled);
        if let (Err(error), Some(at)) = (&result, at)
            && NoWay::of(error, false) == NoWay::NoRoute
        {
            dialled.into_iter().for_each(|ip| self.budget.give_back(ip, at));
        }
        match result {
            Ok(hello) => {
                peer.spared = false;
                if peer.hello.is_none() {
                    info!(peer = %id.short(), "online");
                }
                peer.hello = Some(hello);
                peer.other = None;
                peer.no_way = None;
                peer.failures = 0;
                peer.doubted = false;
                let has_called = peer.has_called();
                if !has_called {
                    peer.said.reached(peer.addresses().first().copied());
                }
                peer.next = Instant::now() + again(&self.waits, listed, greeted, has_called);
            }
            // It was sent from where this device is no more, and says nothing.
            Err(_) if stale && peer.is_spared() => {
                peer.next = Instant::now() + soon;
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

    /// Whether a failure is put down to a change of the network: once. Who is online and does not answer goes offline, however
    /// often that changes.
    fn is_spared(&mut self) -> bool {
        self.hello.is_none() || !std::mem::replace(&mut self.spared, true)
    }

    fn has_called(&self) -> bool {
        self.remote.as_ref().is_some_and(RemotePeer::has_called)
    }

    /// The best guess.
    fn addresses(&self) -> Vec<SocketAddr> {
        self.remote.as_ref().map(RemotePeer::addresses).unwrap_or_default()
    }
}

/// When somebody who has answered is greeted again; `greeted`: how many are.
fn again(waits: &PresenceWaits, listed: bool, greeted: u32, has_called: bool) -> Duration {
    let again = if listed { around(waits.listed) } else { waits.online };
    let again = again.max(GREETING_PACE.saturating_mul(greeted));
    if has_called { again.min(CALLED) } else { again }
}

impl Budget {
    /// Leaves the addresses of somebody who is only listed that are tried now; where none may be, says when. Where it has
    /// proved to be, or calls by itself, it is asked whatever others have cost.
    fn cut(
        &mut self,
        addresses: &mut Vec<SocketAddr>,
        peer: &mut Peer,
        now: Instant,
    ) -> Result<(), Instant> {
        let online = peer.hello.is_some();
        let known = peer.said.reached_at().filter(|_| online);
        if peer.calls || (online && peer.has_called()) {
            cut(addresses, 0);
            return Ok(());
        }
        one_of_each_place(addresses, known, peer.failures);
        let free_at = addresses.iter().map(|address| self.free_at(address.ip(), now)).min();
        addresses.retain(|at| Some(*at) == known || self.free_at(at.ip(), now) <= now);
        // Who is online is asked where it was, first of all.
        cut(addresses, if online { 0 } else { peer.failures });
        let mut dialled = Vec::new();
        addresses.retain(|at| {
            let taken = Some(*at) != known && self.take(at.ip(), now);
            dialled.extend(taken.then_some(at.ip()));
            taken || Some(*at) == known
        });
        peer.dialled = (dialled, Some(now));
        match free_at {
            Some(at) if addresses.is_empty() => Err(at),
            _ => Ok(()),
        }
    }
}

/// Leaves one address of each place beside the one that is `known` to be right, another one after failures: they are one
/// device's, and one of them is as good as another.
fn one_of_each_place(addresses: &mut Vec<SocketAddr>, known: Option<SocketAddr>, failures: u32) {
    let mut places: BTreeMap<IpAddr, Vec<SocketAddr>> = BTreeMap::new();
    for at in addresses.iter().filter(|at| Some(**at) != known) {
        places.entry(place(at.ip())).or_default().push(*at);
    }
    // When all places have had their turn.
    let turn = failures as usize / places.len().div_ceil(MAX_LISTED_ADDRESSES).max(1);
    let chosen: BTreeSet<_> =
        places.values().filter_map(|all| all.get(turn % all.len().max(1)).copied()).collect();
    addresses.retain(|at| Some(*at) == known || chosen.contains(at));
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
mod tests;
