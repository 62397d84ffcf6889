//! Finding peers on the local network: mDNS and DNS-SD (RFC 6762, RFC 6763), service
//! `_manyhands._tcp`.
//!
//! What is heard is a hint and nothing more: anybody can announce anything. A peer is somebody only
//! after its TLS handshake ([`crate::Presence`]). What is announced says as little: random names,
//! made anew with each start, the protocol's version and the device id.

mod found;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod interfaces;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use manyhands_core::{GroupId, PeerId};
use manyhands_wire::PROTOCOL_VERSION;
use mdns_sd::{IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, info, warn};

use found::Found;
pub use interfaces::InterfaceRule;
pub(crate) use interfaces::usable;

/// The DNS-SD service type.
pub const SERVICE_TYPE: &str = "_manyhands._tcp.local.";
/// How often the interfaces are looked at.
const LOOK: Duration = Duration::from_secs(3);
/// The wall clock went on by so much more than the steady one: the machine has slept, and the
/// network may be another.
const SLEPT: Duration = Duration::from_secs(15);
/// After a fresh start of the daemon, who is still there has answered by then.
const RELEARN: Duration = Duration::from_secs(10);
/// The goodbye takes milliseconds; a daemon that hangs is left behind.
const GOODBYE: Duration = Duration::from_secs(2);

/// A hint about where peers are, from whatever source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovered {
    /// Somebody says that this device is there. Replaces what the same origin said before.
    PeerSeen { id: PeerId, origin: HintOrigin, addresses: Vec<SocketAddr> },
    /// It said goodbye, or has not been heard of for too long. Ask it before believing that.
    PeerGone { id: PeerId, origin: HintOrigin },
}

/// Who says where a peer is; the better guess first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HintOrigin {
    /// The device itself, by multicast on this network.
    Lan,
    /// The rendezvous server of a group lists it.
    Group(GroupId),
    /// It was there before, or a person gave its address.
    Known,
}

/// What to announce, and where.
#[derive(Debug)]
pub struct DiscoveryOptions {
    /// This device.
    pub id: PeerId,
    /// The port of its server; `None`: look for others without being seen.
    pub announce: Option<u16>,
    pub interfaces: InterfaceRule,
    /// Devices for which there is room even when somebody floods the network with announcements.
    pub friends: watch::Receiver<BTreeSet<PeerId>>,
}

/// Discovery at work. Ends with [`shutdown`](Self::shutdown); also when it is dropped, but then
/// nobody waits for the goodbye.
#[derive(Debug)]
pub struct Discovery {
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Discovery {
    /// Announces and looks, from now on and over every change of the network. Hints go into
    /// `hints`; while that is full the newest state is kept back, nothing else waits.
    #[must_use]
    pub fn start(options: DiscoveryOptions, hints: mpsc::Sender<Discovered>) -> Self {
        let stop = CancellationToken::new();
        let search = Search {
            found: Found::new(
                options.id,
                options.interfaces != InterfaceRule::Usual,
                options.friends.clone(),
            ),
            instance: random_label(),
            host: random_label(),
            options,
            daemon: None,
            failed_before: false,
        };
        let task = tokio::spawn(search.run(hints, stop.clone()));
        Self { stop: stop.drop_guard(), task }
    }

    /// Says goodbye and waits until that is out.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            warn!(%error, "discovery ended badly");
        }
    }
}

struct Search {
    options: DiscoveryOptions,
    found: Found,
    /// Random, so that there is never a conflict to resolve: in one, records of two devices get
    /// mixed up.
    instance: String,
    host: String,
    daemon: Option<Daemon>,
    failed_before: bool,
}

struct Daemon {
    mdns: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    since: Instant,
}

/// What wakes the search.
enum Heard {
    Event(ServiceEvent),
    /// The daemon has closed the channel: it was too slow once, or the daemon is gone.
    Closed,
    Look,
    Room,
}

impl Search {
    async fn run(mut self, hints: mpsc::Sender<Discovered>, stop: CancellationToken) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = Vec::new();
        let mut clocks = (Instant::now(), SystemTime::now());
        loop {
            let heard = tokio::select! {
                () = stop.cancelled() => break,
                heard = next(self.daemon.as_ref()) => heard,
                _ = looks.tick() => Heard::Look,
                room = hints.reserve(), if self.found.has_news() => match room {
                    Ok(room) => {
                        if let Some(news) = self.found.next_news() {
                            room.send(news);
                        }
                        Heard::Room
                    }
                    // Nobody listens any more.
                    Err(_) => break,
                },
            };
            match heard {
                Heard::Event(event) => self.event(event),
                Heard::Closed => self.browse_again().await,
                Heard::Room => {}
                Heard::Look => {
                    let now = usable(&self.options.interfaces);
                    let slept = slept(&mut clocks);
                    if now != seen || slept || (self.daemon.is_none() && !now.is_empty()) {
                        debug!(?now, slept, "the network has changed");
                        self.restart(!now.is_empty()).await;
                        seen = now;
                    }
                    self.forget();
                }
            }
        }
        self.close().await;
    }

    fn event(&mut self, event: ServiceEvent) {
        match event {
            // Our own one names this device and is passed over.
            ServiceEvent::ServiceResolved(service) => self.found.resolved(&service),
            ServiceEvent::ServiceRemoved(_, full_name) => self.found.removed(&full_name),
            _ => {}
        }
    }

    /// A new daemon on the interfaces of now. What was found stays until it has had time to answer
    /// again.
    async fn restart(&mut self, any_interface: bool) {
        self.close().await;
        if !any_interface {
            return;
        }
        match self.open() {
            Ok(daemon) => {
                self.daemon = Some(daemon);
                self.failed_before = false;
                self.found.age();
            }
            Err(error) if self.failed_before => debug!(%error, "still no mDNS"),
            Err(error) => {
                // Another try follows with the next look.
                warn!(%error, "mDNS does not work here; peers are not found by themselves");
                self.failed_before = true;
            }
        }
    }

    fn open(&self) -> mdns_sd::Result<Daemon> {
        let mdns = ServiceDaemon::new()?;
        // Interfaces are looked at here, and a change makes a new daemon.
        mdns.set_ip_check_interval(0)?;
        let rule = self.options.interfaces.clone();
        mdns.disable_interface(IfKind::All)?;
        let usable = IfPredicate::new(move |interface| rule.allows(interface));
        mdns.enable_interface(IfKind::Predicate(usable))?;
        if let Some(port) = self.options.announce {
            let (host, version) = (format!("{}.local.", self.host), PROTOCOL_VERSION.to_string());
            let id = self.options.id.to_string();
            let txt = [("v", version.as_str()), ("id", id.as_str())];
            let service =
                ServiceInfo::new(SERVICE_TYPE, &self.instance, &host, "", port, &txt[..])?;
            mdns.register(service.enable_addr_auto())?;
        }
        let events = mdns.browse(SERVICE_TYPE)?;
        info!(announced = self.options.announce.is_some(), "looking for peers on this network");
        Ok(Daemon { mdns, events, since: Instant::now() })
    }

    /// The daemon drops a listener that was too slow; what it has heard meanwhile comes again from
    /// its cache.
    async fn browse_again(&mut self) {
        let Some(daemon) = &mut self.daemon else { return };
        match daemon.mdns.browse(SERVICE_TYPE) {
            Ok(events) => daemon.events = events,
            Err(error) => {
                debug!(%error, "the mDNS daemon is gone");
                self.close().await;
            }
        }
    }

    /// After a restart: what has not answered again is gone.
    fn forget(&mut self) {
        if self.daemon.as_ref().is_none_or(|daemon| daemon.since.elapsed() >= RELEARN) {
            self.found.drop_aged();
        }
    }

    /// Ends the daemon, its goodbye sent.
    async fn close(&mut self) {
        let Some(daemon) = self.daemon.take() else { return };
        // The shutdown itself says goodbye for every registered service; its answer comes after the
        // last packet.
        match daemon.mdns.shutdown() {
            Ok(status) => {
                if timeout(GOODBYE, status.recv_async()).await.is_err() {
                    warn!("the mDNS daemon does not end");
                }
            }
            Err(error) => debug!(%error, "the mDNS daemon was gone already"),
        }
    }
}

async fn next(daemon: Option<&Daemon>) -> Heard {
    match daemon {
        Some(daemon) => daemon.events.recv_async().await.map_or(Heard::Closed, Heard::Event),
        None => std::future::pending().await,
    }
}

/// Whether the machine has slept since the last look. A clock that was set looks the same and does
/// no harm.
pub(crate) fn slept(clocks: &mut (Instant, SystemTime)) -> bool {
    let now = (Instant::now(), SystemTime::now());
    let steady = now.0.saturating_duration_since(clocks.0);
    let wall = now.1.duration_since(clocks.1).unwrap_or_default();
    *clocks = now;
    wall.saturating_sub(steady) > SLEPT
}

/// 80 random bits: long enough never to meet itself.
fn random_label() -> String {
    data_encoding::BASE32_NOPAD.encode(&rand::random::<[u8; 10]>()).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn options(n: u8, announce: Option<u16>) -> DiscoveryOptions {
        DiscoveryOptions {
            id: PeerId::from_digest([n; 32]),
            announce,
            interfaces: InterfaceRule::Only(vec!["lo".into()]),
            friends: watch::channel(BTreeSet::new()).1,
        }
    }

    #[tokio::test]
    async fn a_search_that_was_too_slow_once_goes_on() {
        let mine = options(1, None);
        let mut search = Search {
            found: Found::new(mine.id, true, mine.friends.clone()),
            instance: random_label(),
            host: random_label(),
            options: mine,
            daemon: None,
            failed_before: false,
        };
        search.restart(true).await;
        // A second listener takes the first one's place, whose channel ends like that of one that
        // lagged behind.
        let other = search.daemon.as_ref().map(|daemon| daemon.mdns.browse(SERVICE_TYPE));
        let closed =
            async { while !matches!(next(search.daemon.as_ref()).await, Heard::Closed) {} };
        timeout(LONG, closed).await.unwrap();
        drop(other);
        search.browse_again().await;
        let (hints, _heard) = mpsc::channel(1);
        let peer = Discovery::start(options(2, Some(40_010)), hints);
        let found = async {
            while !search.found.is_announced(PeerId::from_digest([2; 32])) {
                match next(search.daemon.as_ref()).await {
                    Heard::Event(event) => search.event(event),
                    _ => panic!("the new channel is closed too"),
                }
            }
        };
        timeout(LONG, found).await.unwrap();
        search.close().await;
        peer.shutdown().await;
    }

    #[test]
    fn sleep_is_told_from_waiting() {
        let mut clocks = (Instant::now(), SystemTime::now());
        assert!(!slept(&mut clocks));
        clocks.1 -= Duration::from_secs(60);
        assert!(slept(&mut clocks));
        assert!(!slept(&mut clocks), "once a sleep");
        clocks.1 += Duration::from_secs(60);
        assert!(!slept(&mut clocks), "a clock that was set back is no sleep");
    }
}
