//! Devices that find one another by themselves: on loopback, and in two network namespaces with a
//! cable between them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::{LONG, NoTunnels, Requester, come_or_gone, sources, within};
use manyhands_core::{GroupId, PeerId};
use manyhands_peer::wire::{DEFAULT_PORT, DeviceName, Hello};
use manyhands_peer::{
    Discovered, Discovery, DiscoveryOptions, HintOrigin, InterfaceRule, NoWay, OwnAddresses,
    PeerServer, Presence, PresenceNews, PresenceWaits, SERVICE_TYPE, ServerOptions, ServerWaits,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

fn nobody() -> watch::Receiver<BTreeSet<PeerId>> {
    watch::channel(BTreeSet::new()).1
}

fn loopback(id: PeerId, announce: Option<u16>) -> (Discovery, mpsc::Receiver<Discovered>) {
    let (hints, heard) = mpsc::channel(16);
    let interfaces = InterfaceRule::Only(vec!["lo".into()]);
    let options = DiscoveryOptions { id, announce, interfaces, friends: nobody() };
    (Discovery::start(options, hints), heard)
}

/// What is heard about one device; others may be about on this machine.
async fn about(heard: &mut mpsc::Receiver<Discovered>, id: PeerId) -> Discovered {
    loop {
        let hint = within(heard.recv()).await.unwrap();
        match &hint {
            Discovered::PeerSeen { id: other, .. } | Discovered::PeerGone { id: other, .. } => {
                if *other == id {
                    return hint;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_device_is_heard_of_and_its_goodbye_too() {
    let (lin, mo) = (Requester::new().identity.id(), Requester::new().identity.id());
    let (lins, mut lin_hears) = loopback(lin, Some(40_001));
    let (mos, mut mo_hears) = loopback(mo, Some(40_002));
    for (heard, id, port) in [(&mut lin_hears, mo, 40_002), (&mut mo_hears, lin, 40_001)] {
        let Discovered::PeerSeen { addresses, .. } = about(heard, id).await else {
            panic!("gone before it was seen")
        };
        assert!(addresses.iter().any(|a| a.ip() == IpAddr::from([127, 0, 0, 1])), "{addresses:?}");
        assert!(addresses.iter().all(|a| a.port() == port), "{addresses:?}");
    }
    let began = Instant::now();
    mos.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(2), "the goodbye does not take long");
    // Records live for minutes; without the goodbye this would take as long.
    loop {
        if about(&mut lin_hears, mo).await
            == (Discovered::PeerGone { id: mo, origin: HintOrigin::Lan })
        {
            break;
        }
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    lins.shutdown().await;
}

#[tokio::test]
async fn a_hidden_device_finds_others_and_is_not_found() {
    let (lin, mo, eve) =
        (Requester::new().identity.id(), Requester::new().identity.id(), Requester::new());
    let (hidden, mut lin_hears) = loopback(lin, None);
    let (mos, mut mo_hears) = loopback(mo, Some(40_003));
    assert!(matches!(about(&mut lin_hears, mo).await, Discovered::PeerSeen { .. }));
    // Mo hears somebody who came later than Lin, and has not heard of Lin.
    let eve = eve.identity.id();
    let (eves, _eve_hears) = loopback(eve, Some(40_004));
    loop {
        match within(mo_hears.recv()).await.unwrap() {
            Discovered::PeerSeen { id, .. } if id == eve => break,
            Discovered::PeerSeen { id, .. } => assert_ne!(id, lin),
            Discovered::PeerGone { .. } => {}
        }
    }
    for discovery in [hidden, mos, eves] {
        discovery.shutdown().await;
    }
}

#[tokio::test]
async fn who_does_not_listen_to_what_was_found_still_answers_and_says_goodbye() {
    let ids: Vec<_> = (0..3).map(|_| Requester::new().identity.id()).collect();
    let (hints, stalled) = mpsc::channel(1);
    let interfaces = InterfaceRule::Only(vec!["lo".into()]);
    let options =
        DiscoveryOptions { id: ids[0], announce: Some(40_006), interfaces, friends: nobody() };
    let deaf = Discovery::start(options, hints);
    // More is found than the channel takes, and nobody takes it.
    let others: Vec<_> =
        (40_007..).zip(&ids[1..]).map(|(port, id)| loopback(*id, Some(port))).collect();
    within(async {
        while stalled.len() < stalled.max_capacity() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let late = Requester::new().identity.id();
    let (lates, mut late_hears) = loopback(late, Some(40_010));
    assert!(matches!(about(&mut late_hears, ids[0]).await, Discovered::PeerSeen { .. }));
    let began = Instant::now();
    deaf.shutdown().await;
    while about(&mut late_hears, ids[0]).await
        != (Discovered::PeerGone { id: ids[0], origin: HintOrigin::Lan })
    {}
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    lates.shutdown().await;
    for (discovery, _) in others {
        discovery.shutdown().await;
    }
}

#[tokio::test]
async fn what_is_announced_tells_the_version_and_the_id_and_nothing_else() {
    let id = Requester::new().identity.id();
    let (discovery, _heard) = loopback(id, Some(40_005));
    let listener = mdns_sd::ServiceDaemon::new().unwrap();
    let events = listener.browse(SERVICE_TYPE).unwrap();
    let service = within(async {
        loop {
            if let mdns_sd::ServiceEvent::ServiceResolved(service) =
                events.recv_async().await.unwrap()
                && service.get_property_val_str("id") == Some(id.to_string().as_str())
            {
                return service;
            }
        }
    })
    .await;
    let mut keys: Vec<_> = service.get_properties().iter().map(|p| p.key().to_owned()).collect();
    keys.sort();
    assert_eq!(
        (keys, service.get_property_val_str("v")),
        (vec!["id".into(), "v".into()], Some("1"))
    );
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let label = service.get_hostname().trim_end_matches(".local.").to_owned();
    for name in [&label, service.get_fullname().split('.').next().unwrap()] {
        assert!(name.len() == 16 && name != hostname.trim(), "{name}");
        assert!(!id.to_string().contains(name), "a name that changes with each start");
    }
    listener.shutdown().unwrap();
    discovery.shutdown().await;
}

#[tokio::test]
async fn a_hint_is_believed_only_after_a_handshake() {
    let (lin, mo) = (Requester::new(), common::Helper::start(common::Rules::default()).await);
    let eve = common::Helper::start(common::Rules::default()).await;
    let waits = PresenceWaits { online: Duration::from_millis(100), ..fast() };
    let (hints, heard) = mpsc::channel(16);
    let (_presence, mut news) =
        Presence::start(lin.client, waits, nobody(), common::nowhere_else(), heard);
    // Eve says that she is Mo; a friend's id in an announcement makes nobody a friend.
    let (mo_id, eves) = (mo.identity.id(), vec![eve.address()]);
    hints.send(seen(mo_id, eves.clone())).await.unwrap();
    hints.send(seen(eve.identity.id(), eves)).await.unwrap();
    match come_or_gone(&mut news).await {
        PresenceNews::Online { peer, .. } => assert_eq!(peer.id(), eve.identity.id()),
        other => panic!("{other:?}"),
    }
    let both = vec![eve.address(), mo.address()];
    hints.send(seen(mo_id, both)).await.unwrap();
    match come_or_gone(&mut news).await {
        PresenceNews::Online { peer, hello } => {
            assert_eq!((peer.id(), hello.name.as_str()), (mo_id, "Mo"));
            assert_eq!(peer.addresses().first(), Some(&mo.address()));
        }
        other => panic!("{other:?}"),
    }
    // A goodbye that somebody else says for it changes nothing; its silence does.
    hints.send(Discovered::PeerGone { id: mo_id, origin: HintOrigin::Lan }).await.unwrap();
    eve.server.shutdown().await;
    match come_or_gone(&mut news).await {
        PresenceNews::Offline { id } => assert_eq!(id, eve.identity.id()),
        other => panic!("{other:?}"),
    }
    mo.server.shutdown().await;
    match come_or_gone(&mut news).await {
        PresenceNews::Offline { id } => assert_eq!(id, mo_id),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_flood_of_false_hints_does_not_delay_a_friend() {
    let (lin, mo) = (Requester::new(), common::Helper::start(common::Rules::default()).await);
    let friends = watch::channel([mo.identity.id()].into()).1;
    let (hints, heard) = mpsc::channel(16);
    let (_presence, mut news) =
        Presence::start(lin.client, fast(), friends, common::nowhere_else(), heard);
    // Addresses that swallow what is sent to them: each greeting takes as long as it may.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    for n in 0..2000_u16 {
        let mut digest = [0; 32];
        digest[..2].copy_from_slice(&n.to_be_bytes());
        let id = PeerId::from_digest(digest);
        hints.send(seen(id, vec![address])).await.unwrap();
    }
    let began = Instant::now();
    let addresses = vec![mo.address()];
    hints.send(seen(mo.identity.id(), addresses)).await.unwrap();
    match come_or_gone(&mut news).await {
        PresenceNews::Online { peer, .. } => assert_eq!(peer.id(), mo.identity.id()),
        other => panic!("{other:?}"),
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

fn seen(id: PeerId, addresses: Vec<SocketAddr>) -> Discovered {
    Discovered::PeerSeen { id, origin: HintOrigin::Lan, addresses }
}

fn fast() -> PresenceWaits {
    PresenceWaits { retry: Duration::from_millis(50), ..PresenceWaits::default() }
}

/// Two network namespaces with a cable between them; gone when dropped.
struct Cable {
    names: [String; 2],
}

/// A device in a namespace, on threads of its own.
struct Node {
    id: PeerId,
    news: mpsc::Receiver<PresenceNews>,
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
}

impl Cable {
    /// `None` for who may not make namespaces; on a build machine that is a failure.
    fn new(tag: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "network namespaces need root");
            eprintln!("not run: network namespaces need root");
            return None;
        }
        let names = ["a", "b"].map(|end| format!("mh{tag}{}{end}", std::process::id()));
        let cable = Self { names };
        let [a, b] = &cable.names;
        ip(&format!("netns add {a}"));
        ip(&format!("netns add {b}"));
        ip(&format!("link add eth0 netns {a} type veth peer name eth0 netns {b}"));
        Some(cable)
    }

    fn plug_in(&self) {
        for (n, name) in (1..).zip(&self.names) {
            ip(&format!("-n {name} addr add 10.77.0.{n}/24 dev eth0"));
            ip(&format!("-n {name} link set lo up"));
            ip(&format!("-n {name} link set eth0 up"));
        }
    }

    fn start(&self, end: usize) -> Node {
        self.start_as(end, live)
    }

    fn start_as<Life: Future<Output = ()>>(
        &self,
        end: usize,
        live: impl FnOnce(Requester, mpsc::Sender<PresenceNews>, oneshot::Receiver<()>) -> Life
        + Send
        + 'static,
    ) -> Node {
        let (ready, started) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let namespace = format!("/run/netns/{}", self.names[end]);
        let thread = std::thread::spawn(move || {
            let file = std::fs::File::open(namespace).unwrap();
            let fd = std::os::fd::AsFd::as_fd(&file);
            // Of this thread, and of all that it starts.
            move_into_link_name_space(fd, Some(LinkNameSpaceType::Network)).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let (device, (sender, news)) = (Requester::new(), mpsc::channel(16));
                ready.send((device.identity.id(), news)).unwrap();
                live(device, sender, stopped).await;
            });
        });
        let (id, news) = started.recv_timeout(LONG).unwrap();
        Node { id, news, stop, thread }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in &self.names {
            Command::new("ip").args(["netns", "del", name]).status().ok();
        }
    }
}

/// A whole device: server, discovery, look-out.
async fn live(
    device: Requester,
    sender: mpsc::Sender<PresenceNews>,
    stopped: oneshot::Receiver<()>,
) {
    let options = ServerOptions {
        listen: None,
        hello: watch::channel(Hello::new(DeviceName::neutralised("node"), true)).1,
        waits: ServerWaits::default(),
    };
    let sources = sources(Arc::default(), NoTunnels);
    let started = PeerServer::start(&device.identity, sources, options).await;
    let (server, _incoming) = started.unwrap();
    assert_eq!(server.port(), DEFAULT_PORT, "nobody else has it in this namespace");
    let (hints, heard) = mpsc::channel(16);
    let options = DiscoveryOptions {
        id: device.identity.id(),
        announce: Some(server.port()),
        interfaces: InterfaceRule::Usual,
        friends: nobody(),
    };
    let discovery = Discovery::start(options, hints);
    let (_presence, mut news) = Presence::start(
        device.client,
        PresenceWaits::default(),
        nobody(),
        common::nowhere_else(),
        heard,
    );
    let pass_on = async {
        while let Some(news) = news.recv().await {
            sender.send(news).await.ok();
        }
    };
    tokio::select! {
        () = pass_on => {}
        _ = stopped => {}
    }
    server.shutdown().await;
    discovery.shutdown().await;
}

/// A device that hears of others what it is told, and nothing more.
async fn live_told(
    device: Requester,
    heard: mpsc::Receiver<Discovered>,
    sender: mpsc::Sender<PresenceNews>,
    stopped: oneshot::Receiver<()>,
) {
    // Who does not answer is not asked again while the test runs.
    let hours = Duration::from_secs(3600);
    let waits = PresenceWaits { retry: hours, retry_max: hours, ..PresenceWaits::default() };
    let own = OwnAddresses::watch(InterfaceRule::Usual);
    let (_presence, mut news) = Presence::start(device.client, waits, nobody(), own, heard);
    let pass_on = async {
        while let Some(news) = news.recv().await {
            sender.send(news).await.ok();
        }
    };
    tokio::select! {
        () = pass_on => {}
        _ = stopped => {}
    }
}

impl Node {
    async fn sees(&mut self, other: PeerId) {
        match come_or_gone(&mut self.news).await {
            PresenceNews::Online { peer, hello } => {
                assert_eq!((peer.id(), hello.name.as_str()), (other, "node"));
                let first = *peer.addresses().first().unwrap();
                assert_eq!(first.port(), DEFAULT_PORT);
            }
            other => panic!("{other:?}"),
        }
    }

    async fn stop(self) {
        self.stop.send(()).ok();
        let thread = self.thread;
        tokio::task::spawn_blocking(move || thread.join()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn two_machines_find_each_other_greet_and_part() {
    let Some(cable) = Cable::new("d") else { return };
    cable.plug_in();
    let (mut lin, mut mo) = (cable.start(0), cable.start(1));
    let (lin_id, mo_id) = (lin.id, mo.id);
    lin.sees(mo_id).await;
    mo.sees(lin_id).await;
    let began = Instant::now();
    mo.stop().await;
    match come_or_gone(&mut lin.news).await {
        PresenceNews::Offline { id } => assert_eq!(id, mo_id),
        other => panic!("{other:?}"),
    }
    // It was said, not found out: the next greeting would have been a minute later.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    lin.stop().await;
}

#[tokio::test]
async fn a_cable_that_is_plugged_in_later_is_noticed() {
    let Some(cable) = Cable::new("p") else { return };
    let (mut lin, mut mo) = (cable.start(0), cable.start(1));
    assert!(timeout(Duration::from_secs(4), lin.news.recv()).await.is_err(), "no cable yet");
    cable.plug_in();
    let (lin_id, mo_id) = (lin.id, mo.id);
    lin.sees(mo_id).await;
    mo.sees(lin_id).await;
    lin.stop().await;
    mo.stop().await;
}

#[tokio::test]
async fn whoever_was_lost_with_the_cable_is_back_with_it() {
    let Some(cable) = Cable::new("b") else { return };
    cable.plug_in();
    let mo = cable.start(1);
    let (hints, heard) = mpsc::channel(16);
    let mut lin = cable.start_as(0, |device, sender, stop| live_told(device, heard, sender, stop));
    let (id, group) = (mo.id, HintOrigin::Group(GroupId::from_digest([3; 32])));
    let addresses = vec![SocketAddr::from(([10, 77, 0, 2], DEFAULT_PORT))];
    {
        // Mo begins in its own time, and whoever does not answer is not asked again: it is pointed at until it is there.
        let online = lin.sees(id);
        tokio::pin!(online);
        let mut again = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                () = &mut online => break,
                _ = again.tick() => for origin in [HintOrigin::Known, group] {
                    let addresses = addresses.clone();
                    hints.send(Discovered::PeerSeen { id, origin, addresses }).await.unwrap();
                },
            }
        }
    }
    let eth0 = |state: &str| ip(&format!("-n {} link set eth0 {state}", cable.names[0]));
    eth0("down");
    // The server has lost it as well.
    hints.send(Discovered::PeerGone { id, origin: group }).await.unwrap();
    match come_or_gone(&mut lin.news).await {
        PresenceNews::Offline { id: gone } => assert_eq!(gone, id),
        other => panic!("{other:?}"),
    }
    eth0("up");
    lin.sees(id).await;
    lin.stop().await;
    mo.stop().await;
}

async fn next_of(news: &mut mpsc::Receiver<PresenceNews>, id: PeerId) -> PresenceNews {
    loop {
        let next = within(news.recv()).await.unwrap();
        let about = match &next {
            PresenceNews::Online { peer, .. } => peer.id(),
            PresenceNews::Offline { id }
            | PresenceNews::OtherKey { id, .. }
            | PresenceNews::Unreachable { id, .. }
            | PresenceNews::Found { id, .. } => *id,
        };
        if about == id {
            return next;
        }
    }
}

fn found(news: &PresenceNews) -> Vec<HintOrigin> {
    match news {
        PresenceNews::Found { by, .. } => by.iter().copied().collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_several_say_about_a_peer_is_merged_and_none_pushes_another_out() {
    let (lin, mo) = (Requester::new(), common::Helper::start(common::Rules::default()).await);
    let group = HintOrigin::Group(GroupId::from_digest([3; 32]));
    let id = mo.identity.id();
    let (hints, heard) = mpsc::channel(16);
    let (_presence, mut news) =
        Presence::start(lin.client, fast(), nobody(), common::nowhere_else(), heard);
    let says = async |origin, addresses: &[SocketAddr]| {
        let hint = Discovered::PeerSeen { id, origin, addresses: addresses.to_vec() };
        hints.send(hint).await.unwrap();
    };
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    says(HintOrigin::Lan, &[nobody]).await;
    assert_eq!(found(&next_of(&mut news, id).await), [HintOrigin::Lan]);
    match next_of(&mut news, id).await {
        PresenceNews::Unreachable { why, .. } => assert_eq!(why, NoWay::Refused),
        other => panic!("{other:?}"),
    }
    // The server knows better, and multicast goes on to say what it said.
    says(group, &[mo.address()]).await;
    assert_eq!(found(&next_of(&mut news, id).await), [HintOrigin::Lan, group]);
    says(HintOrigin::Lan, &[nobody]).await;
    let PresenceNews::Online { peer, .. } = next_of(&mut news, id).await else { panic!("not met") };
    assert_eq!(peer.addresses(), [mo.address(), nobody], "where it has answered comes first");
    // The server forgets it; it is there nevertheless.
    hints.send(Discovered::PeerGone { id, origin: group }).await.unwrap();
    assert_eq!(found(&next_of(&mut news, id).await), [HintOrigin::Lan]);
    assert_eq!(peer.addresses(), [mo.address(), nobody]);
    hints.send(Discovered::PeerGone { id, origin: HintOrigin::Lan }).await.unwrap();
    assert_eq!(found(&next_of(&mut news, id).await), []);
    mo.server.shutdown().await;
    hints.send(Discovered::PeerGone { id, origin: HintOrigin::Lan }).await.unwrap();
    assert!(matches!(next_of(&mut news, id).await, PresenceNews::Offline { .. }));
}

#[tokio::test]
async fn why_a_peer_cannot_be_reached_is_told_once() {
    let (lin, eve) = (Requester::new(), common::Helper::start(common::Rules::default()).await);
    let (hints, heard) = mpsc::channel(16);
    let waits = PresenceWaits { retry_max: Duration::from_millis(50), ..fast() };
    let (_presence, mut news) =
        Presence::start(lin.client, waits, nobody(), common::nowhere_else(), heard);
    let id = PeerId::from_digest([9; 32]);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut reasons = Vec::new();
    let places = [vec![], vec![closed], vec![eve.address()], vec![silent.local_addr().unwrap()]];
    for addresses in places {
        hints.send(seen(id, addresses)).await.unwrap();
        // Greeted several times meanwhile, and told once.
        loop {
            match next_of(&mut news, id).await {
                PresenceNews::Unreachable { why, .. } => break reasons.push(why),
                PresenceNews::Found { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let expected = [NoWay::NoAddress, NoWay::Refused, NoWay::OtherDevice, NoWay::NoAnswer];
    assert_eq!(reasons, expected);
}

/// A server lists a thousand; friends and who is on this network are greeted all the same.
#[tokio::test]
async fn of_a_large_group_a_bounded_number_is_greeted() {
    let lin = Requester::new();
    let (mo, friend) = (
        common::Helper::start(common::Rules::default()).await,
        common::Helper::start(common::Rules::default()).await,
    );
    let friends = watch::channel([friend.identity.id()].into()).1;
    let (hints, heard) = mpsc::channel(16);
    let (_presence, mut news) = Presence::start(
        lin.client,
        PresenceWaits::default(),
        friends,
        common::nowhere_else(),
        heard,
    );
    // Whoever connects is counted, and hears nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let origin = HintOrigin::Group(GroupId::from_digest([3; 32]));
    let listed = |n: u16| {
        let mut digest = [7; 32];
        digest[..2].copy_from_slice(&n.to_be_bytes());
        let id = PeerId::from_digest(digest);
        Discovered::PeerSeen { id, origin, addresses: vec![address] }
    };
    for n in 0..3000 {
        hints.send(listed(n)).await.unwrap();
    }
    let friendly = Discovered::PeerSeen {
        id: friend.identity.id(),
        origin,
        addresses: vec![friend.address()],
    };
    hints.send(friendly).await.unwrap();
    hints.send(seen(mo.identity.id(), vec![mo.address()])).await.unwrap();
    let began = Instant::now();
    let mut met = BTreeSet::new();
    while met.len() < 2 {
        if let PresenceNews::Online { peer, .. } = within(news.recv()).await.unwrap() {
            met.insert(peer.id());
        }
    }
    assert_eq!(met, [mo.identity.id(), friend.identity.id()].into());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // Each greeting of these takes as long as it may: as many connections as there are places for such greetings.
    let mut held = Vec::new();
    while let Ok(Ok(connection)) = timeout(Duration::from_millis(3500), silent.accept()).await {
        held.push(connection);
        if began.elapsed() > Duration::from_secs(4) {
            break;
        }
    }
    assert!((1..=16).contains(&held.len()), "{}", held.len());
}
