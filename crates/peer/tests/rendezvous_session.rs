//! What a device keeps up at a server: where it is, a connection, and whether the server can call it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[allow(dead_code)]
#[path = "common/rendezvous.rs"]
mod meeting;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Helper, LONG, Rules, within};
use http::StatusCode;
use manyhands_peer::wire::{Invite, PresenceRecord, Problem, ProblemCode, RendezvousEvent};
use manyhands_peer::{
    Callable, DeviceIdentity, OwnAddresses, RendezvousState, ServerFault, ServerLink,
};
use manyhands_rendezvous::{Config, Server};
use meeting::{Liar, Met, copy, event, group_at, id, loopback, server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

fn callable(state: &RendezvousState) -> Vec<Callable> {
    state.groups.values().map(|group| group.callable).collect()
}

fn online(state: &RendezvousState) -> bool {
    state.groups.values().all(|group| group.link == ServerLink::Online)
}

/// A server whose counters can be read, and which wants to hear of everybody as often as devices obey.
async fn counting(probe_this_machine: bool) -> Server {
    let mut config = Config {
        listen: loopback(),
        metrics: Some(loopback()),
        probe_this_machine,
        ..Config::default()
    };
    config.times.heartbeat = Duration::from_secs(5);
    server(config).await
}

/// A server that calls devices on its own machine too.
async fn probing() -> Server {
    counting(true).await
}

/// A device that listens, or does not, in groups of this server.
fn device(identity: &DeviceIdentity, port: u16, groups: &[Invite]) -> Met {
    Met::start(port, groups, |options| options.identity = Arc::new(copy(identity)))
}

#[tokio::test]
async fn a_device_learns_whether_the_server_can_call_it() {
    let server = probing().await;
    let groups = [group_at(&server), group_at(&server)];
    let helper = Helper::start(Rules::default()).await;
    let mut mo = device(&helper.identity, helper.server.port(), &groups);
    mo.until(|state| callable(state) == [Callable::Yes; 2]).await;
    // Where nobody listens, and where somebody else does.
    let closed = TcpListener::bind(loopback()).await.unwrap().local_addr().unwrap().port();
    for port in [closed, helper.server.port()] {
        let mut eve = device(&DeviceIdentity::generate().unwrap(), port, &groups);
        eve.until(|state| callable(state) == [Callable::No; 2]).await;
        assert!(online(&eve.state.borrow()), "it is listed all the same");
    }
    // A group that is joined later is told of what is known.
    let later = group_at(&server);
    mo.groups.send_replace(vec![later.clone(), groups[0].clone()]);
    mo.until(|state| {
        state.groups.contains_key(&id(&later)) && callable(state) == [Callable::Yes; 2]
    })
    .await;
}

/// A counter of the server.
async fn counted(server: &Server, name: &str) -> u64 {
    let mut stream = TcpStream::connect(server.metrics_addr().unwrap()).await.unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    let line = page.lines().find(|line| line.starts_with(name)).expect(name);
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Until it has counted so many.
async fn counts(server: &Server, name: &str, least: u64) {
    let mut look = tokio::time::interval(Duration::from_millis(50));
    within(async {
        while counted(server, name).await < least {
            look.tick().await;
        }
    })
    .await;
}

/// Until the one device there has said once more that it is: what was answered to it before has arrived then.
async fn hears_of_it_again(server: &Server) {
    const RECORDS: &str = "manyhands_rendezvous_records_published_total";
    counts(server, RECORDS, counted(server, RECORDS).await + 1).await;
}

#[tokio::test]
async fn a_server_that_was_asked_too_often_leaves_it_open_and_nothing_else_suffers() {
    let server = probing().await;
    let groups = [group_at(&server)];
    let helper = Helper::start(Rules::default()).await;
    let mut first = device(&helper.identity, helper.server.port(), &groups);
    first.until(|state| callable(state) == [Callable::Yes]).await;
    first.rendezvous.shutdown().await;
    // The same device is started again within the minute.
    let mut again = device(&helper.identity, helper.server.port(), &groups);
    again.until(|state| !state.groups.is_empty() && online(state)).await;
    counts(&server, "manyhands_rendezvous_limited_total", 1).await;
    hears_of_it_again(&server).await;
    assert_eq!(counted(&server, "manyhands_rendezvous_probes_total").await, 1);
    assert_eq!(callable(&again.state.borrow()), [Callable::Unknown]);
    assert!(online(&again.state.borrow()));
}

#[tokio::test]
async fn a_server_that_allows_more_than_one_probe_a_minute_is_asked_as_soon_as_it_says() {
    let began = Instant::now();
    let mut moving = Moving::start(|liar| {
        *liar.probes.lock().unwrap() = vec![false, true];
        liar.probe_again_ms.store(3000, Ordering::SeqCst);
    })
    .await;
    moving.met.until(|state| callable(state) == [Callable::Yes]).await;
    moving.own.send_replace(OwnAddresses { ips: vec![ip("192.168.1.7")], slept: 0 });
    moving.met.until(|state| callable(state) == [Callable::No]).await;
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_server_that_does_not_probe_is_a_server_all_the_same() {
    // Not one that may call its own machine, and one that does not know the request.
    let server = counting(false).await;
    let liar = Liar::start().await;
    liar.says(vec![event(&RendezvousEvent::Ready)]);
    liar.next_after_ms.store(5000, Ordering::SeqCst);
    let (mut probed, mut published) = (liar.probed.subscribe(), liar.published.subscribe());
    let devices = [group_at(&server), liar.invite()]
        .map(|group| Met::start(40_001, &[group], |options| options.insecure_http = true));
    counts(&server, "manyhands_rendezvous_problems_total", 1).await;
    hears_of_it_again(&server).await;
    within(probed.wait_for(|probed| *probed == 1)).await.unwrap();
    let before = published.borrow().len();
    within(published.wait_for(|published| published.len() > before)).await.unwrap();
    for met in devices {
        assert!(online(&met.state.borrow()));
        assert_eq!(callable(&met.state.borrow()), [Callable::Unknown]);
    }
    assert_eq!(*probed.borrow(), 1);
}

/// Somebody whose network is told to it, at a server that is told what to say.
struct Moving {
    liar: Liar,
    own: watch::Sender<OwnAddresses>,
    published: watch::Receiver<Vec<PresenceRecord>>,
    met: Met,
}

impl Moving {
    async fn start(change: impl FnOnce(&Liar)) -> Self {
        let liar = Liar::start().await;
        liar.observed.send_replace("203.0.113.7");
        liar.says(vec![event(&RendezvousEvent::Ready)]);
        change(&liar);
        let (own, seen) = watch::channel(OwnAddresses { ips: vec![ip("10.0.0.7")], slept: 0 });
        let published = liar.published.subscribe();
        let met = Met::start(40_001, &[liar.invite()], |options| {
            options.insecure_http = true;
            options.loopback = false;
            options.own = seen;
            options.waits.session = Duration::from_millis(300);
        });
        Self { liar, own, published, met }
    }

    /// Somebody who has published on a connection of which it has no other use, and has heard the answer to that.
    async fn with_a_kept_connection() -> Self {
        let mut moving = Self::start(|liar| {
            liar.expires_in_s.store(1, Ordering::SeqCst);
            *liar.probes.lock().unwrap() = vec![true; 2];
            liar.probe_again_ms.store(1000, Ordering::SeqCst);
        })
        .await;
        let mut probed = moving.liar.probed.subscribe();
        within(probed.wait_for(|probed| *probed == 1)).await.unwrap();
        // The session is renewed once more, and what is published is new then: a probe is asked for when that has been taken in.
        moving.liar.expires_in_s.store(600, Ordering::SeqCst);
        moving.liar.observed.send_replace("203.0.113.8");
        moving.publishes(["10.0.0.7", "203.0.113.8"]).await;
        within(probed.wait_for(|probed| *probed == 2)).await.unwrap();
        moving
    }

    /// All that is connected now leads nowhere, without a word.
    fn falls_silent(&self) {
        let connections = self.liar.connections.load(Ordering::SeqCst);
        self.liar.dead.store(connections, Ordering::SeqCst);
    }

    /// Until this is what was published last.
    async fn publishes(&mut self, addresses: [&str; 2]) {
        let expected = addresses.map(|text| SocketAddr::new(ip(text), 40_001));
        let last = |published: &Vec<PresenceRecord>| {
            published.last().is_some_and(|record| record.addresses.iter().eq(&expected))
        };
        within(self.published.wait_for(last)).await.unwrap();
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn where_a_renewed_session_is_seen_from_is_published_at_once() {
    let mut moving = Moving::start(|liar| liar.expires_in_s.store(1, Ordering::SeqCst)).await;
    moving.publishes(["10.0.0.7", "203.0.113.7"]).await;
    // Its router has another address, and nothing else has changed: half a minute would be left until it is published again.
    let (began, sessions) = (Instant::now(), moving.liar.sessions.load(Ordering::SeqCst));
    moving.liar.observed.send_replace("203.0.113.99");
    moving.publishes(["10.0.0.7", "203.0.113.99"]).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(moving.liar.sessions.load(Ordering::SeqCst) > sessions);
    assert_eq!(moving.liar.streams.load(Ordering::SeqCst), 1, "the stream goes on");
}

#[tokio::test]
async fn after_a_move_the_new_addresses_are_published_and_none_of_the_old() {
    let mut moving = Moving::start(|_| {}).await;
    moving.publishes(["10.0.0.7", "203.0.113.7"]).await;
    moving.liar.observed.send_replace("198.51.100.7");
    moving.own.send_replace(OwnAddresses { ips: vec![ip("192.168.1.7")], slept: 0 });
    moving.publishes(["192.168.1.7", "198.51.100.7"]).await;
    assert_eq!(moving.liar.sessions.load(Ordering::SeqCst), 2);
    // A sleep: the server may see this device somewhere else, though nothing here is different.
    moving.liar.observed.send_replace("198.51.100.8");
    moving.own.send_modify(|own| own.slept += 1);
    moving.publishes(["192.168.1.7", "198.51.100.8"]).await;
}

#[tokio::test]
async fn heartbeats_share_a_connection_and_one_that_is_dead_costs_nothing() {
    let mut moving = Moving::start(|liar| liar.next_after_ms.store(5000, Ordering::SeqCst)).await;
    let published = async |moving: &mut Moving, count: usize| {
        within(moving.published.wait_for(|all| all.len() >= count)).await.unwrap();
    };
    // The first one is on the connection that the stream takes over, and a probe has its own.
    published(&mut moving, 2).await;
    moving.met.until(online).await;
    assert_eq!(moving.liar.connections.load(Ordering::SeqCst), 3);
    moving.liar.hangs_up.store(true, Ordering::SeqCst);
    published(&mut moving, 3).await;
    assert!(!moving.liar.hangs_up.load(Ordering::SeqCst));
    assert_eq!(
        moving.liar.connections.load(Ordering::SeqCst),
        4,
        "the kept one, and one in its place"
    );
    assert!(!moving.met.state.has_changed().unwrap(), "nobody is told of trouble");
    let counts = [&moving.liar.sessions, &moving.liar.streams].map(|n| n.load(Ordering::SeqCst));
    assert_eq!(counts, [1, 1]);
}

#[tokio::test]
async fn a_kept_connection_that_is_dead_without_a_word_is_not_waited_for() {
    let mut moving = Moving::start(|liar| liar.next_after_ms.store(5000, Ordering::SeqCst)).await;
    let mut published = moving.published.clone();
    within(published.wait_for(|all| all.len() == 2)).await.unwrap();
    moving.met.until(online).await;
    let began = Instant::now();
    moving.falls_silent();
    within(published.wait_for(|all| all.len() == 3)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(!moving.met.state.has_changed().unwrap(), "nobody is told of trouble");
}

#[tokio::test]
async fn a_goodbye_comes_through_though_the_kept_connection_is_dead() {
    let moving = Moving::with_a_kept_connection().await;
    moving.falls_silent();
    let began = Instant::now();
    moving.met.rendezvous.shutdown().await;
    assert_eq!(*moving.liar.left.borrow(), 1);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn after_a_move_nothing_is_asked_on_the_connections_of_before() {
    let mut moving = Moving::with_a_kept_connection().await;
    moving.falls_silent();
    let began = Instant::now();
    moving.own.send_replace(OwnAddresses { ips: vec![ip("192.168.1.7")], slept: 0 });
    moving.publishes(["192.168.1.7", "203.0.113.8"]).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_a_proxy_answers_is_an_answer_and_nothing_is_asked_twice() {
    let mut moving = Moving::start(|liar| liar.next_after_ms.store(5000, Ordering::SeqCst)).await;
    within(moving.published.wait_for(|all| all.len() == 2)).await.unwrap();
    // On the kept connection, which was idle for long enough to be dead.
    *moving.liar.refuses.lock().unwrap() = Some((StatusCode::BAD_GATEWAY, None));
    let mut refused = moving.liar.refused.subscribe();
    within(refused.wait_for(|refused| *refused == 1)).await.unwrap();
    let no_answer = |state: &RendezvousState| {
        let mut links = state.groups.values().map(|group| group.link);
        links.all(|link| matches!(link, ServerLink::Trouble { why: ServerFault::NoAnswer, .. }))
    };
    moving.met.until(no_answer).await;
    moving.met.until(online).await;
}

#[tokio::test]
async fn a_busy_server_is_left_alone_also_when_it_sees_this_device_somewhere_else() {
    let mut moving = Moving::start(|liar| liar.expires_in_s.store(1, Ordering::SeqCst)).await;
    moving.publishes(["10.0.0.7", "203.0.113.7"]).await;
    let mut busy = Problem::new(ProblemCode::Busy);
    busy.retry_after_ms = Some(3000);
    *moving.liar.refuses.lock().unwrap() = Some((StatusCode::SERVICE_UNAVAILABLE, Some(busy)));
    let (began, mut refused) = (Instant::now(), moving.liar.refused.subscribe());
    moving.liar.observed.send_replace("203.0.113.98");
    within(refused.wait_for(|refused| *refused == 1)).await.unwrap();
    // A session is renewed twice a second.
    moving.liar.observed.send_replace("203.0.113.99");
    moving.publishes(["10.0.0.7", "203.0.113.99"]).await;
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn groups_of_too_many_servers_are_said_to_be_too_many() {
    let servers = futures_util::future::join_all((0..17).map(|_| Liar::start())).await;
    servers.iter().for_each(|liar| liar.says(vec![event(&RendezvousEvent::Ready)]));
    let mut groups: Vec<_> = servers.iter().map(Liar::invite).collect();
    let too_many = |state: &RendezvousState, group: &Invite| {
        let link = state.groups.get(&id(group)).map(|group| group.link);
        matches!(link, Some(ServerLink::Trouble { why: ServerFault::TooMany, .. }))
    };
    let is_online = |state: &RendezvousState, group: &Invite| {
        state.groups.get(&id(group)).is_some_and(|group| group.link == ServerLink::Online)
    };
    let mut met = Met::start(40_001, &groups, |options| options.insecure_http = true);
    met.until(|state| {
        groups[..16].iter().all(|group| is_online(state, group)) && too_many(state, &groups[16])
    })
    .await;
    // Others come first now: whoever was in use is left, and shown as such for good.
    groups.rotate_right(1);
    met.groups.send_replace(groups.clone());
    met.until(|state| {
        groups[..16].iter().all(|group| is_online(state, group)) && too_many(state, &groups[16])
    })
    .await;
    // There is room again.
    let last = groups.remove(16);
    groups[0] = last;
    met.groups.send_replace(groups.clone());
    met.until(|state| groups.iter().all(|group| is_online(state, group))).await;
    assert_eq!(met.state.borrow().groups.len(), 16);
    // More groups at one server than it takes from a device.
    let many: Vec<_> = (0..33).map(|_| servers[0].invite()).collect();
    met.groups.send_replace(many.clone());
    met.until(|state| {
        many[..32].iter().all(|group| is_online(state, group)) && too_many(state, &many[32])
    })
    .await;
    assert_eq!(met.state.borrow().groups.len(), 33);
}
