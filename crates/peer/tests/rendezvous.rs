//! Devices that meet at rendezvous servers: real ones, and one that lies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/rendezvous.rs"]
mod meeting;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{LONG, Requester, within};
use manyhands_peer::wire::{DeviceName, Digest, RendezvousEvent, ServerAddress};
use manyhands_peer::{
    DeviceIdentity, Discovered, HintOrigin, Member, Presence, PresenceNews, PresenceWaits,
    RendezvousState, ServerFault, ServerLink, look_at_server,
};
use manyhands_rendezvous::{Config, Server};
use meeting::{
    Liar, Met, copy, event, group_at, id, invite, loopback, now_s, plain_server, present, record,
    server,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use url::Url;

fn trouble(state: &RendezvousState) -> Vec<Option<ServerFault>> {
    let fault = |link| match link {
        ServerLink::Trouble { why, .. } => Some(why),
        ServerLink::Connecting | ServerLink::Online => None,
    };
    state.groups.values().map(|group| fault(group.link)).collect()
}

fn online(state: &RendezvousState) -> bool {
    state.groups.values().all(|group| group.link == ServerLink::Online)
}

#[tokio::test]
async fn two_members_find_each_other_by_the_server_alone_and_part() {
    let server = plain_server().await;
    let group = group_at(&server);
    let helper = common::Helper::start(common::Rules::default()).await;
    let lin = Requester::new();
    let (hints, heard) = tokio::sync::mpsc::channel(16);
    let (_presence, mut news) = Presence::start(
        lin.client.clone(),
        PresenceWaits::default(),
        watch::channel(BTreeSet::new()).1,
        common::nowhere_else(),
        heard,
    );
    let mut lins = Met::start(40_001, std::slice::from_ref(&group), |options| {
        options.identity = Arc::new(copy(&lin.identity));
    });
    let port = helper.server.port();
    let mut mos = Met::start(port, std::slice::from_ref(&group), |options| {
        options.identity = Arc::new(copy(&helper.identity));
        options.name = DeviceName::neutralised("Mo");
    });
    let mo = helper.identity.id();
    let member = lins.sees(id(&group), mo).await;
    assert_eq!(member.name.as_str(), "Mo");
    assert!(member.addresses.contains(&helper.address()), "{member:?}");
    mos.sees(id(&group), lin.identity.id()).await;
    lins.until(online).await;
    // From the list to a greeting.
    let hint = lins.hint().await;
    assert!(matches!(&hint, Discovered::PeerSeen { id: seen, origin, .. }
        if *seen == mo && *origin == HintOrigin::Group(id(&group))));
    hints.send(hint).await.unwrap();
    match common::come_or_gone(&mut news).await {
        PresenceNews::Online { peer, .. } => assert_eq!(peer.id(), mo),
        other => panic!("{other:?}"),
    }
    let began = Instant::now();
    mos.rendezvous.shutdown().await;
    lins.misses(id(&group), mo).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let gone = Discovered::PeerGone { id: mo, origin: HintOrigin::Group(id(&group)) };
    assert_eq!(lins.hint().await, gone);
    assert_eq!(lins.state.borrow().groups.len(), 1);
    lins.rendezvous.shutdown().await;
    assert!(lins.state.borrow().groups.is_empty(), "all groups are left");
    server.shutdown().await;
}

#[tokio::test]
async fn when_a_server_comes_back_everybody_is_listed_again_and_nobody_was_forgotten() {
    let identity = DeviceIdentity::generate().unwrap();
    let first =
        Server::start_with(Config { listen: loopback(), ..Config::default() }, copy(&identity));
    let first = first.await.unwrap();
    let at = first.local_addr();
    let group = group_at(&first);
    let groups = std::slice::from_ref(&group);
    let (mut ana, mut mo) =
        (Met::start(40_001, groups, |_| {}), Met::start(40_002, groups, |_| {}));
    ana.sees(id(&group), mo.id).await;
    mo.sees(id(&group), ana.id).await;
    assert!(matches!(ana.hint().await, Discovered::PeerSeen { .. }));
    first.shutdown().await;
    ana.until(|state| trouble(state).iter().all(Option::is_some)).await;
    assert!(ana.state.borrow().groups[&id(&group)].members.contains_key(&mo.id));
    let again = Server::start_with(Config { listen: at, ..Config::default() }, identity);
    let again = again.await.unwrap();
    ana.until(online).await;
    mo.until(online).await;
    ana.sees(id(&group), mo.id).await;
    // Somebody new finds both.
    let mut eve = Met::start(40_003, groups, |_| {});
    eve.sees(id(&group), ana.id).await;
    eve.sees(id(&group), mo.id).await;
    ana.sees(id(&group), eve.id).await;
    match ana.hint().await {
        Discovered::PeerSeen { id, .. } => assert_eq!(id, eve.id, "nothing else was told"),
        other @ Discovered::PeerGone { .. } => panic!("{other:?}"),
    }
    again.shutdown().await;
}

#[tokio::test]
async fn who_has_told_a_group_too_much_tells_the_newest_when_its_time_has_come() {
    // One more is allowed every 15 s, which is much longer than all of these take.
    const CHANGES: u16 = 4;
    let mut config = Config { listen: loopback(), ..Config::default() };
    config.times.batch = Duration::from_millis(5);
    config.limits.changes_per_device_and_group_per_min = CHANGES.into();
    config.limits.sessions_per_device_per_min = 100;
    let server = server(config).await;
    let group = group_at(&server);
    let groups = std::slice::from_ref(&group);
    let mut ana = Met::start(40_001, groups, |_| {});
    let identity = DeviceIdentity::generate().unwrap();
    // Each time it says that it is somewhere else; the last time that is once too often.
    for port in 40_100..=40_100 + CHANGES {
        let mut mo =
            Met::start(port, groups, |options| options.identity = Arc::new(copy(&identity)));
        if port == 40_100 + CHANGES {
            mo.until(|state| trouble(state) == [Some(ServerFault::Busy)]).await;
        }
        let is_there = |member: &Member| member.addresses.iter().all(|at| at.port() == port);
        ana.until(|state| {
            let group = state.groups.get(&id(&group));
            group.and_then(|group| group.members.get(&mo.id)).is_some_and(is_there)
        })
        .await;
        mo.until(online).await;
        mo.rendezvous.shutdown().await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn groups_at_several_servers_change_while_it_runs() {
    let (one, two) = (plain_server().await, plain_server().await);
    let [red, blue, green] = [group_at(&one), group_at(&one), group_at(&two)];
    let all = [red.clone(), blue.clone(), green.clone()];
    let mut mo = Met::start(40_001, &all, |_| {});
    let mut ana = Met::start(40_002, std::slice::from_ref(&red), |_| {});
    ana.sees(id(&red), mo.id).await;
    ana.groups.send_replace(all.to_vec());
    for group in &all {
        ana.sees(id(group), mo.id).await;
        mo.sees(id(group), ana.id).await;
    }
    ana.groups.send_replace(vec![blue.clone()]);
    for group in [&red, &green] {
        mo.misses(id(group), ana.id).await;
    }
    mo.sees(id(&blue), ana.id).await;
    ana.until(|state| state.groups.keys().copied().eq([id(&blue)])).await;
    ana.sees(id(&blue), mo.id).await;
    // In nothing, and back.
    ana.groups.send_replace(Vec::new());
    mo.misses(id(&blue), ana.id).await;
    ana.groups.send_replace(vec![green.clone()]);
    mo.sees(id(&green), ana.id).await;
}

#[tokio::test]
async fn whoever_leaves_its_last_group_says_that_its_members_are_gone() {
    let server = plain_server().await;
    let group = group_at(&server);
    let groups = std::slice::from_ref(&group);
    let (mo, mut ana) = (Met::start(40_001, groups, |_| {}), Met::start(40_002, groups, |_| {}));
    ana.sees(id(&group), mo.id).await;
    assert!(matches!(ana.hint().await, Discovered::PeerSeen { id, .. } if id == mo.id));
    ana.groups.send_replace(Vec::new());
    let gone = Discovered::PeerGone { id: mo.id, origin: HintOrigin::Group(id(&group)) };
    assert_eq!(ana.hint().await, gone);
    assert!(ana.state.borrow().groups.is_empty());
}

#[tokio::test]
async fn a_group_that_is_left_and_joined_at_once_is_joined() {
    let server = plain_server().await;
    let group = group_at(&server);
    let groups = std::slice::from_ref(&group);
    let (mo, mut ana) = (Met::start(40_001, groups, |_| {}), Met::start(40_002, groups, |_| {}));
    // However far the leaving has come.
    for turns in 0..6 {
        ana.sees(id(&group), mo.id).await;
        ana.until(online).await;
        ana.groups.send_replace(Vec::new());
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        ana.groups.send_replace(groups.to_vec());
        ana.sees(id(&group), mo.id).await;
        // Whoever comes finds it, long before it would have said again where it is.
        let mut eve = Met::start(40_003, groups, |_| {});
        let seen = timeout(Duration::from_secs(10), eve.sees(id(&group), ana.id)).await;
        assert!(seen.is_ok(), "after {turns}");
        eve.rendezvous.shutdown().await;
        ana.misses(id(&group), eve.id).await;
    }
    assert_eq!(ana.state.borrow().groups.len(), 1);
}

#[tokio::test]
async fn a_server_with_another_key_is_told_nothing() {
    let other = DeviceIdentity::generate().unwrap();
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let group = invite("https", listener.local_addr().unwrap(), other.id(), false);
    // Another key, and whoever would say something to it would be heard.
    let tls = manyhands_identity::anonymous_server_config(&DeviceIdentity::generate().unwrap());
    let acceptor = tokio_rustls::TlsAcceptor::from(tls.unwrap());
    let heard = Arc::new(AtomicUsize::new(0));
    let counting = heard.clone();
    let serving = tokio::spawn(async move {
        let mut failed = 0;
        while failed < 3 {
            let (stream, _) = listener.accept().await.unwrap();
            match acceptor.accept(stream).await {
                Ok(mut stream) => {
                    let mut buffer = [0; 1024];
                    let read = stream.read(&mut buffer).await.unwrap_or(0);
                    counting.fetch_add(read, Ordering::SeqCst);
                    failed += 1;
                }
                Err(_) => failed += 1,
            }
        }
    });
    let mut ana = Met::start(40_001, &[group], |_| {});
    ana.until(|state| trouble(state) == [Some(ServerFault::OtherKey)]).await;
    within(serving).await.unwrap();
    assert_eq!(heard.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn plain_http_is_used_only_when_it_is_allowed() {
    let config = Config { listen: loopback(), plain_http: true, ..Config::default() };
    let server = server(config).await;
    let group = invite("http", server.local_addr(), server.id(), false);
    let mut mo = Met::start(40_001, std::slice::from_ref(&group), |_| {});
    mo.until(|state| trouble(state) == [Some(ServerFault::PlainHttp)]).await;
    let allow = |options: &mut manyhands_peer::RendezvousOptions| options.insecure_http = true;
    let groups = std::slice::from_ref(&group);
    let (mut ana, eve) = (Met::start(40_002, groups, allow), Met::start(40_003, groups, allow));
    ana.sees(id(&group), eve.id).await;
    let url = group.server.url();
    assert_eq!(look_at_server(url, false).await, Err(ServerFault::PlainHttp));
    let (hello, public) = look_at_server(url, true).await.unwrap();
    assert_eq!((hello.id, public), (group.server.id, false));
    // Who answers there must prove to be the one of the invite.
    let mut other = group.clone();
    other.server = ServerAddress::new(&group.server.text(), Digest([1; 32]), false).unwrap();
    let mut lost = Met::start(40_004, &[other], allow);
    lost.until(|state| trouble(state) == [Some(ServerFault::OtherKey)]).await;
}

#[tokio::test]
async fn a_server_is_looked_at_before_it_is_trusted() {
    let server = plain_server().await;
    let url = Url::parse(&format!("https://{}", server.local_addr())).unwrap();
    let (hello, public) = look_at_server(&url, false).await.unwrap();
    assert_eq!((hello.id, public), (Digest(*server.id().as_bytes()), false));
    let nobody = TcpListener::bind(loopback()).await.unwrap().local_addr().unwrap();
    let url = Url::parse(&format!("https://{nobody}")).unwrap();
    assert_eq!(look_at_server(&url, false).await, Err(ServerFault::NoAnswer));
    let url = Url::parse("https://nowhere.invalid:8470").unwrap();
    assert_eq!(look_at_server(&url, false).await, Err(ServerFault::UnknownName));
    // A web server that is something else.
    let config = Config { listen: loopback(), metrics: Some(loopback()), ..Config::default() };
    let other = meeting::server(config).await;
    let url = Url::parse(&format!("http://{}", other.metrics_addr().unwrap())).unwrap();
    assert_eq!(look_at_server(&url, true).await, Err(ServerFault::NoServer));
}

#[tokio::test]
async fn a_certificate_of_the_public_kind_is_checked_and_so_is_the_servers_key() {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap().der().clone();
    let issuer = Issuer::new(authority, authority_key);
    let site_key = KeyPair::generate().unwrap();
    let site = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let site = site.signed_by(&site_key, &issuer).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, site.pem()).unwrap();
    std::fs::write(&key, site_key.serialize_pem()).unwrap();
    let config = Config {
        listen: loopback(),
        certificate: Some(certificate),
        certificate_key: Some(key),
        ..Config::default()
    };
    let server = server(config).await;
    let mut group = group_at(&server);
    let url = format!("https://localhost:{}", server.local_addr().port());
    group.server = ServerAddress::new(&url, group.server.id, true).unwrap();
    let groups = std::slice::from_ref(&group);
    let trust = |options: &mut manyhands_peer::RendezvousOptions| {
        options.extra_roots = vec![root.clone()];
    };
    let (mut ana, mo) = (Met::start(40_001, groups, trust), Met::start(40_002, groups, trust));
    ana.sees(id(&group), mo.id).await;
    // An authority that nobody knows.
    let mut eve = Met::start(40_003, groups, |_| {});
    eve.until(|state| trouble(state) == [Some(ServerFault::OtherKey)]).await;
    // A good certificate, and another server behind it.
    let mut other = group.clone();
    other.server = ServerAddress::new(&url, Digest([1; 32]), true).unwrap();
    let mut lost = Met::start(40_004, &[other], trust);
    lost.until(|state| trouble(state) == [Some(ServerFault::OtherKey)]).await;
    // The certificate alone, where the server's own key is expected.
    let mut own = group.clone();
    own.server = ServerAddress::new(&url, group.server.id, false).unwrap();
    let mut lost = Met::start(40_005, &[own], trust);
    lost.until(|state| trouble(state) == [Some(ServerFault::OtherKey)]).await;
}

/// Passes everything on but what comes back on a stream of events.
async fn holding_back(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let server = TcpStream::connect(server).await.unwrap();
                let ((mut from, mut back), (mut answers, mut to)) =
                    (client.into_split(), server.into_split());
                let (hold, mut held) = watch::channel(false);
                let there = async {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = from.read(&mut buffer).await {
                        if buffer.starts_with(b"GET /v1/events") {
                            hold.send_replace(true);
                        }
                        to.write_all(&buffer[..read]).await.ok();
                    }
                };
                let here = async {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = answers.read(&mut buffer).await {
                        if *held.borrow_and_update() {
                            continue;
                        }
                        back.write_all(&buffer[..read]).await.ok();
                    }
                };
                tokio::select! {
                    () = there => {}
                    () = here => {}
                }
            });
        }
    });
    at
}

#[tokio::test]
async fn where_streams_are_held_back_long_polls_bring_the_same() {
    let config = Config { listen: loopback(), plain_http: true, ..Config::default() };
    let server = server(config).await;
    let mut group = invite("http", server.local_addr(), server.id(), false);
    let direct = group.clone();
    let proxy = format!("http://{}", holding_back(server.local_addr()).await);
    group.server = ServerAddress::new(&proxy, group.server.id, false).unwrap();
    let allow = |options: &mut manyhands_peer::RendezvousOptions| options.insecure_http = true;
    let mo = Met::start(40_001, std::slice::from_ref(&direct), allow);
    let mut ana = Met::start(40_002, &[group], |options| {
        options.insecure_http = true;
        options.waits.answer = Duration::from_secs(3);
    });
    ana.sees(id(&direct), mo.id).await;
    ana.until(online).await;
    let eve = Met::start(40_003, std::slice::from_ref(&direct), allow);
    ana.sees(id(&direct), eve.id).await;
    mo.rendezvous.shutdown().await;
    ana.misses(id(&direct), mo.id).await;
}

struct Told {
    liar: Liar,
    group: manyhands_peer::wire::Invite,
    ana: DeviceIdentity,
    met: Met,
}

/// Somebody who listens to a liar.
async fn listening() -> Told {
    listening_to(Liar::start().await)
}

fn listening_to(liar: Liar) -> Told {
    let group = liar.invite();
    let met = Met::start(40_001, std::slice::from_ref(&group), |options| {
        options.insecure_http = true;
        options.loopback = false;
    });
    Told { liar, group, ana: DeviceIdentity::generate().unwrap(), met }
}

impl Told {
    /// After what is said, and the end of the list, somebody is there who is the only one to have come.
    async fn only_the_last_is_believed(&mut self, mut said: Vec<String>) {
        let honest = DeviceIdentity::generate().unwrap();
        let good: SocketAddr = "10.0.0.77:40077".parse().unwrap();
        said.insert(0, event(&RendezvousEvent::Reset));
        said.push(present(&honest, &record(&honest, &self.group, 1, &[good])));
        said.push(event(&RendezvousEvent::Ready));
        self.liar.says(said);
        let member = self.met.sees(id(&self.group), honest.id()).await;
        assert_eq!(member.addresses, [good]);
        let origin = HintOrigin::Group(id(&self.group));
        let expected = Discovered::PeerSeen { id: honest.id(), origin, addresses: vec![good] };
        assert_eq!(self.met.hint().await, expected);
        let state = self.met.state.borrow();
        assert_eq!(state.groups[&id(&self.group)].members.len(), 1, "{state:?}");
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_lying_server_forges_no_record() {
    let mut told = listening().await;
    let eve = DeviceIdentity::generate().unwrap();
    let ana = record(&told.ana, &told.group, 9, &[at("10.6.6.6:4000")]);
    let forged = present(&eve, &ana);
    let altered = present(&told.ana, &ana).replace("10.6.6.6", "10.6.6.7");
    told.only_the_last_is_believed(vec![forged, altered]).await;
}

#[tokio::test]
async fn a_lying_server_brings_in_nobody_of_another_group() {
    let mut told = listening().await;
    let foreign =
        present(&told.ana, &record(&told.ana, &told.liar.invite(), 9, &[at("10.6.6.6:4000")]));
    told.only_the_last_is_believed(vec![foreign]).await;
}

#[tokio::test]
async fn a_lying_server_makes_no_members_of_its_own() {
    let mut told = listening().await;
    // It knows the group's id from the proofs of its sessions, and not its secret.
    let made = |_| {
        let eve = DeviceIdentity::generate().unwrap();
        let mut made = record(&eve, &told.group, 9, &[at("10.6.6.6:4000")]);
        made.name = Default::default();
        let nameless = present(&eve, &made);
        made.name = record(&told.ana, &told.group, 9, &[]).name;
        [nameless, present(&eve, &made)]
    };
    let made = (0..20).flat_map(made).collect();
    told.only_the_last_is_believed(made).await;
}

#[tokio::test]
async fn a_lying_server_replays_nothing_old() {
    let mut told = listening().await;
    let mut expired = record(&told.ana, &told.group, 9, &[at("10.6.6.6:4000")]);
    expired.issued_at_s = now_s() - 1000;
    told.only_the_last_is_believed(vec![present(&told.ana, &expired)]).await;
    let told = &mut listening().await;
    let old = present(&told.ana, &record(&told.ana, &told.group, 8, &[at("10.6.6.6:4000")]));
    let new = present(&told.ana, &record(&told.ana, &told.group, 9, &[at("10.0.0.2:4000")]));
    let ready = event(&RendezvousEvent::Ready);
    told.liar.says(vec![new, old, ready]);
    let member = told.met.sees(id(&told.group), told.ana.id()).await;
    assert_eq!(member.addresses, [at("10.0.0.2:4000")]);
    told.met.until(online).await;
    let member = told.met.sees(id(&told.group), told.ana.id()).await;
    assert_eq!(member.addresses, [at("10.0.0.2:4000")]);
}

#[tokio::test]
async fn a_member_at_loopback_or_on_a_systems_port_has_no_address() {
    let mut told = listening().await;
    let bad = ["127.0.0.1:4000", "[::1]:4000", "169.254.1.1:4000", "10.0.0.2:25", "0.0.0.0:4000"];
    let said = present(&told.ana, &record(&told.ana, &told.group, 9, &bad.map(at)));
    told.liar.says(vec![said, event(&RendezvousEvent::Ready)]);
    let member = told.met.sees(id(&told.group), told.ana.id()).await;
    assert_eq!(member.addresses, []);
}

#[tokio::test]
async fn an_empty_list_makes_nobody_leave_at_once() {
    let mut told = listening().await;
    let said = present(&told.ana, &record(&told.ana, &told.group, 9, &[at("10.0.0.2:4000")]));
    told.liar.says(vec![said, event(&RendezvousEvent::Ready)]);
    told.met.sees(id(&told.group), told.ana.id()).await;
    told.met.until(online).await;
    told.met.hint().await;
    let eve = DeviceIdentity::generate().unwrap();
    let marker = present(&eve, &record(&eve, &told.group, 1, &[]));
    told.liar.says(vec![event(&RendezvousEvent::Reset), event(&RendezvousEvent::Ready), marker]);
    told.met.sees(id(&told.group), eve.id()).await;
    assert!(matches!(told.met.hint().await, Discovered::PeerSeen { id, .. } if id == eve.id()));
    assert!(told.met.state.borrow().groups[&id(&told.group)].members.contains_key(&told.ana.id()));
}

#[tokio::test]
async fn over_long_lines_end_the_stream_and_nothing_else() {
    let mut told = listening().await;
    told.liar.says(vec!["x".repeat(200_000)]);
    told.met.until(|state| trouble(state) == [Some(ServerFault::NoServer)]).await;
    let streams = told.liar.streams.load(Ordering::SeqCst);
    assert!((1..20).contains(&streams), "{streams}");
    told.only_the_last_is_believed(vec![": ping\n\n".into(), "data: nonsense\n\n".into()]).await;
    told.met.until(online).await;
}

#[tokio::test]
async fn who_cannot_prove_the_servers_key_is_told_no_address() {
    let liar = Liar::start().await;
    *liar.proves.lock().unwrap() = Arc::new(DeviceIdentity::generate().unwrap());
    let mut met = Met::start(40_001, &[liar.invite()], |options| options.insecure_http = true);
    met.until(|state| trouble(state) == [Some(ServerFault::OtherKey)]).await;
    assert_eq!(liar.streams.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_said_to_be() {
    for ahead in [400, -400] {
        let liar = Liar::start().await;
        *liar.ahead_s.lock().unwrap() = ahead;
        let mut met = Met::start(40_001, &[liar.invite()], |options| options.insecure_http = true);
        met.until(|state| trouble(state) == [Some(ServerFault::Clock)]).await;
    }
}

#[tokio::test]
async fn members_whose_clocks_are_wrong_in_opposite_directions_find_each_other() {
    // This device's clock is ahead of the server's, or behind it; the member's is off as much in the other direction.
    for ahead in [290, -290] {
        let liar = Liar::start().await;
        *liar.ahead_s.lock().unwrap() = ahead;
        let mut told = listening_to(liar);
        let signed_at = |s: i64| {
            let mut record = record(&told.ana, &told.group, 9, &[at("10.0.0.2:4000")]);
            record.issued_at_s = now_s().saturating_add_signed(s);
            present(&told.ana, &record)
        };
        let (never, good) = (signed_at(3 * ahead), signed_at(2 * ahead));
        told.only_the_last_is_believed(vec![never]).await;
        told.liar.says(vec![good]);
        let member = told.met.sees(id(&told.group), told.ana.id()).await;
        assert_eq!(member.addresses, [at("10.0.0.2:4000")], "{ahead}");
    }
}

#[tokio::test]
async fn a_record_that_is_behind_is_put_right_before_the_last_one_and_no_further() {
    let (liar, device) = (Liar::start().await, DeviceIdentity::generate().unwrap());
    // The clock was set back by 200 s since the last record.
    let last = (now_s() + 200) * 1000;
    *liar.last_seq.lock().unwrap() = last;
    let start = |liar: &Liar| {
        Met::start(40_001, &[liar.invite()], |options| {
            options.identity = Arc::new(copy(&device));
            options.insecure_http = true;
        })
    };
    liar.says(vec![event(&RendezvousEvent::Ready)]);
    // A second program with the same key goes right behind the first one.
    for next in [last + 1, last + 2] {
        let mut met = start(&liar);
        met.until(|state| !state.groups.is_empty() && online(state)).await;
        assert_eq!(*liar.last_seq.lock().unwrap(), next);
    }
    // Nobody can have made it say this.
    let far = (now_s() + 3600) * 1000;
    *liar.last_seq.lock().unwrap() = far;
    let mut met = start(&liar);
    met.until(|state| trouble(state) == [Some(ServerFault::Refused)]).await;
    assert_eq!(*liar.last_seq.lock().unwrap(), far, "nothing was signed beyond");
}

#[tokio::test]
async fn a_wrong_address_leads_to_nobody() {
    // The record is good, and somebody else is there: TLS finds out.
    let told = listening().await;
    let eve = common::Helper::start(common::Rules::default()).await;
    let lin = Requester::new();
    let peer = lin.client.peer(told.ana.id(), &[eve.address()]);
    let error = within(peer.hello()).await.unwrap_err();
    assert!(matches!(error, manyhands_peer::CallError::WrongDevice { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_goes_and_says_when_it_is_back_is_obeyed() {
    let mut told = listening().await;
    told.liar.says(vec![event(&RendezvousEvent::Bye { retry_after_ms: 3_600_000 })]);
    told.met.until(|state| trouble(state) == [Some(ServerFault::Busy)]).await;
    let ServerLink::Trouble { retry_at, .. } =
        told.met.state.borrow().groups[&id(&told.group)].link
    else {
        panic!("no trouble")
    };
    let pause = retry_at - Instant::now();
    let bounded = Duration::from_secs(250)..Duration::from_secs(310);
    assert!(bounded.contains(&pause), "{pause:?}");
    assert!(timeout(LONG, told.met.rendezvous.shutdown()).await.is_ok(), "it ends all the same");
}
