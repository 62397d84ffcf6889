//! What one client may ask, and that others do not notice when it asks for more.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use manyhands_identity::{Blocked, DeviceIdentity, accept, server_config};
use manyhands_rendezvous::Config;
use manyhands_wire::{Probed, ProblemCode, RendezvousEvent, Ring};
use serde_json::json;
use tokio::net::TcpListener;

/// Told to come back, in the body and in the header.
#[track_caller]
fn throttled(answer: &Answer) -> Duration {
    assert_eq!(answer.problem().code(), Some(ProblemCode::TooMany), "{answer:?}");
    assert_eq!(answer.status, 429);
    let wait = answer.problem().retry_after_ms.unwrap();
    let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert_eq!(seconds, wait.div_ceil(1000));
    Duration::from_millis(wait)
}

/// How many of the answers are good; the others are told to come back.
fn good(answers: &[Answer]) -> usize {
    let (good, others): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status.is_success());
    for answer in others {
        throttled(answer);
    }
    good.len()
}

async fn repeat(count: usize, mut once: impl AsyncFnMut() -> Answer) -> Vec<Answer> {
    let mut answers = Vec::new();
    for _ in 0..count {
        answers.push(once().await);
    }
    answers
}

#[tokio::test]
async fn a_member_that_floods_is_told_to_come_back_and_others_do_not_notice() {
    let (server, secret) = (start(config()).await, secret());
    let at = At::of(&server);
    let [flood, mo, ana] = [
        Device::enter(&at, &[&secret]).await,
        Device::enter(&at, &[&secret]).await,
        Device::enter(&at, &[&secret]).await,
    ];
    let mut stream = ana.events(None).await;
    stream.snapshot().await;
    let began = Instant::now();
    let answers = repeat(300, async || flood.publish().await).await;
    // Forty at once, and ten in each second since.
    let most = 42 + (10.0 * began.elapsed().as_secs_f64()) as usize;
    assert!((40..=most).contains(&good(&answers)), "{}", good(&answers));
    // Nor does another address each time, of which all the others would have to be told.
    let mut port = 1024;
    let answers = repeat(100, async || {
        port += 1;
        flood.move_to(&format!("10.1.2.3:{port}")).await
    });
    assert!(good(&answers.await) <= 7, "six in a minute, of which one was to join");
    let sent = Instant::now();
    mo.publish().await.ok();
    loop {
        let Some(RendezvousEvent::Present { record }) = stream.next().await else { panic!() };
        if device_of(&record) == mo.id() {
            break;
        }
    }
    assert!(sent.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_a_thousand_clients_behind_one_address_work_while_a_greedy_one_is_throttled() {
    let secret = secret();
    let server = start(config()).await;
    let at = At::of(&server);
    let greedy = Device::new(&at, &[&secret]);
    // A thousand sessions in a minute, of one device.
    let answers = repeat(1000, async || {
        let request = greedy.session_request(greedy.challenge().await);
        greedy.post("/v1/sessions", &request).await
    });
    let others = async {
        let mut devices = Vec::new();
        for _ in 0..1_050 {
            let mut device = Device::new(&at, &[]);
            // When it is told to come back, it does as all clients do.
            loop {
                let answer = device.try_open().await;
                if answer.status.is_success() {
                    device.token = Some(answer.json::<manyhands_wire::Session>().token);
                    break;
                }
                tokio::time::sleep(throttled(&answer)).await;
            }
            device.publish().await.ok();
            devices.push(device);
        }
        devices.len()
    };
    let (answers, others) = tokio::join!(answers, others);
    assert_eq!(others, 1_050);
    // Twelve at once, and one in each five seconds.
    let opened = answers.iter().filter(|answer| answer.status.is_success()).count();
    assert!((12..40).contains(&opened), "{opened}");
    let last = answers.iter().rev().find(|answer| answer.status == 429).unwrap();
    assert!(throttled(last) > Duration::from_millis(100));
}

#[tokio::test]
async fn new_devices_of_one_address_are_limited_and_known_ones_are_not() {
    let mut config = config();
    config.limits.new_devices_per_address_per_min = 1;
    config.limits.new_devices_per_address_burst = 5;
    let server = start(config).await;
    let at = At::of(&server);
    let mut known = Device::enter(&at, &[]).await;
    let answers = repeat(10, async || Device::new(&at, &[]).try_open().await).await;
    assert_eq!(good(&answers), 4);
    known.open().await;
}

#[tokio::test]
async fn a_thousand_made_up_devices_of_one_address_do_not_keep_out_those_of_another() {
    let mut config = config();
    config.limits.new_devices_per_address_per_min = 1;
    config.limits.new_devices_per_address_burst = 50;
    config.limits.sessions_per_s = 8;
    config.limits.sessions_per_address_per_s = 4;
    let server = start(config).await;
    let [laptop, other] =
        [1, 2].map(|n| At { from: Some([127, 0, 0, n].into()), ..At::of(&server) });
    let caller = Device::new(&laptop, &[]);
    let (began, mut opened) = (Instant::now(), 0);
    for n in 0..1_000 {
        let made_up = Device::new(&laptop, &[]);
        let request = made_up.session_request(caller.challenge().await);
        let answer = caller.post("/v1/sessions", &request).await;
        if answer.status.is_success() {
            opened += 1;
        } else {
            assert!(throttled(&answer) >= Duration::from_secs(1), "told to come in turn");
        }
        // In the midst of it, and at its end.
        if n % 250 == 249 {
            Device::enter(&other, &[]).await;
        }
    }
    let most = 5 + (4.0 * began.elapsed().as_secs_f64()) as usize;
    assert!((4..=most.min(50)).contains(&opened), "{opened}");
    caller.hang_up().await;
}

#[tokio::test]
async fn who_is_refused_as_a_new_device_takes_nobodys_turn() {
    let mut config = config();
    config.limits.new_devices_per_address_per_min = 1;
    config.limits.new_devices_per_address_burst = 1;
    config.limits.sessions_per_s = 3;
    let server = start(config).await;
    let [laptop, other] =
        [1, 2].map(|n| At { from: Some([127, 0, 0, n].into()), ..At::of(&server) });
    let answers = repeat(30, async || Device::new(&laptop, &[]).try_open().await).await;
    assert_eq!(good(&answers), 1, "and nobody is told that the server has too much to do");
    Device::enter(&other, &[]).await;
}

#[tokio::test]
async fn one_address_cannot_fill_the_server() {
    let mut config = config();
    config.limits.max_devices_per_address = 3;
    let server = start(config).await;
    let [crowd, other] =
        [1, 2].map(|n| At { from: Some([127, 0, 0, n].into()), ..At::of(&server) });
    let mut first = Device::enter(&crowd, &[]).await;
    let answers = repeat(6, async || Device::new(&crowd, &[]).try_open().await).await;
    assert_eq!(good(&answers), 2);
    first.open().await;
    Device::enter(&other, &[]).await;
}

#[tokio::test]
async fn when_all_come_at_once_they_are_told_to_come_one_after_the_other() {
    let mut config = config();
    config.limits.sessions_per_s = 5;
    let server = start(config).await;
    let answers = repeat(20, async || Device::new(&At::of(&server), &[]).try_open().await).await;
    let busy: Vec<_> = answers.iter().filter(|answer| !answer.status.is_success()).collect();
    assert!(busy.len() >= 8, "{}", busy.len());
    let mut waits = Vec::new();
    for answer in busy {
        assert_eq!(
            (answer.status.as_u16(), answer.problem().code()),
            (503, Some(ProblemCode::Busy))
        );
        waits.push(answer.problem().retry_after_ms.unwrap());
    }
    assert!(waits.last().unwrap() > &(waits.first().unwrap() + 500), "{waits:?}");
}

#[tokio::test]
async fn groups_devices_and_records_are_bounded() {
    let mut config = config();
    config.limits.max_members_per_group = 2;
    config.limits.max_devices = 4;
    let (server, [one, two]) = (start(config).await, [secret(), secret()]);
    let at = At::of(&server);
    let mut members = Vec::new();
    for _ in 0..2 {
        members.push(Device::join(&at, &[&one]).await);
    }
    let third = Device::enter(&at, &[&one]).await;
    throttled(&third.publish().await);
    // Those who are in it go on, and there is room again when one leaves.
    members[0].publish().await.ok();
    members[1].leave().await;
    third.publish().await.ok();
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(Device::join(&at, &[&two]).await);
    }
    let fifth = Device::enter(&at, &[&secret()]).await;
    fifth.publish().await.refused(ProblemCode::Busy);
    fifth.get("/v1/changes").await.refused(ProblemCode::Busy);
}

#[tokio::test]
async fn a_device_is_in_thirty_two_groups_however_many_sessions_it_has() {
    let server = start(config()).await;
    let at = At::of(&server);
    let secrets: Vec<_> = (0..32).map(|_| secret()).collect();
    let mut device = Device::join(&at, &secrets.iter().collect::<Vec<_>>()).await;
    device.groups = vec![manyhands_identity::GroupKey::new(&secret())];
    device.open().await;
    throttled(&device.publish().await);
}

#[tokio::test]
async fn a_publication_of_many_records_costs_as_much_as_many_of_one() {
    let mut config = config();
    config.limits.requests_per_device_per_s = 1;
    let server = start(config).await;
    let secrets: Vec<_> = (0..32).map(|_| secret()).collect();
    let device = Device::enter(&At::of(&server), &secrets.iter().collect::<Vec<_>>()).await;
    device.publish().await.ok();
    // Four at once; the other 28 are paid by waiting.
    let wait = throttled(&device.publish().await);
    assert!(wait > Duration::from_secs(20), "{wait:?}");
}

#[tokio::test]
async fn rings_are_limited_for_those_who_send_and_for_those_who_are_rung() {
    let mut config = config();
    config.limits.rings_per_recipient_per_min = 8;
    let (server, secret) = (start(config).await, secret());
    let at = At::of(&server);
    let [ana, lin, mo] = [
        Device::join(&at, &[&secret]).await,
        Device::join(&at, &[&secret]).await,
        Device::join(&at, &[&secret]).await,
    ];
    let ring = Ring { group: group_digest(mo.groups[0].id()), to: digest(mo.id()) };
    let answers = repeat(10, async || ana.post("/v1/rings", &ring).await).await;
    assert_eq!(good(&answers), 6, "of one sender");
    let answers = repeat(6, async || lin.post("/v1/rings", &ring).await).await;
    assert_eq!(good(&answers), 2, "of one who is rung");
    let back = Ring { to: digest(ana.id()), ..ring };
    mo.post("/v1/rings", &back).await.ok();
}

#[tokio::test]
async fn a_spoofed_forwarded_for_has_no_effect_unless_it_comes_from_a_configured_proxy() {
    let observed = async |trusted: &[&str], forwarded: &str| {
        let trusted_proxies = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let server = start(Config { trusted_proxies, ..config() }).await;
        let mut device = Device::new(&At::of(&server), &[]);
        device.headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        device.headers.insert("x-real-ip", "203.0.113.9".parse().unwrap());
        device.headers.insert("forwarded", "for=203.0.113.9".parse().unwrap());
        let refused = device.open().await.observed.as_str().to_owned();
        let probe = device.post("/v1/probes", &json!({ "port": 25 })).await;
        probe.refused(ProblemCode::ProbeRefused);
        refused
    };
    assert_eq!(observed(&[], "198.51.100.4").await, "127.0.0.1");
    assert_eq!(observed(&["10.0.0.0/8"], "198.51.100.4").await, "127.0.0.1");
    assert_eq!(observed(&["127.0.0.0/8"], "198.51.100.4").await, "198.51.100.4");
    assert_eq!(observed(&["127.0.0.0/8"], "10.1.1.1, 198.51.100.4").await, "198.51.100.4");
}

#[tokio::test]
async fn behind_a_proxy_the_limit_by_address_is_by_the_clients_address() {
    let mut config = config();
    config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    config.limits.new_devices_per_address_per_min = 1;
    config.limits.new_devices_per_address_burst = 3;
    let server = start(config).await;
    let open = async |from: &str| {
        let mut device = Device::new(&At::of(&server), &[]);
        device.headers.insert("x-forwarded-for", from.parse().unwrap());
        device.try_open().await
    };
    // What a client writes in front of the proxy's word does not make it somebody else.
    let mut invented = 0;
    let answers = repeat(6, async || {
        invented += 1;
        open(&format!("203.0.113.{invented}, 198.51.100.4")).await
    });
    assert_eq!(good(&answers.await), 3);
    open("198.51.100.5").await.ok();
}

/// Answers TLS as `identity`, as a peer does.
async fn peer(identity: &DeviceIdentity) -> u16 {
    let tls = server_config(identity, Blocked::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = accept(stream, tls.clone()).await;
        }
    });
    port
}

#[tokio::test]
async fn a_probe_says_whether_the_asking_device_answers_at_its_own_address() {
    let mut config = config();
    config.limits.probes_per_device_per_min = 10;
    config.probe_this_machine = true;
    let server = start(config).await;
    let device = Device::enter(&At::of(&server), &[]).await;
    let probe = async |port: u16| -> Probed {
        // There is no way to name another address: what is beside the port is passed over.
        let body = json!({ "port": port, "address": "192.0.2.1:80", "host": "example.org" });
        device.post("/v1/probes", &body).await.ok().json()
    };
    let own = peer(&device.identity).await;
    let probed = probe(own).await;
    assert!(probed.reachable && probed.why.is_none());
    assert_eq!(probed.address, format!("127.0.0.1:{own}").parse().unwrap());
    let others = peer(&DeviceIdentity::generate().unwrap()).await;
    let probed = probe(others).await;
    assert!(!probed.reachable);
    assert_eq!(probed.why.unwrap().as_str(), "whoever answers there is not this device");
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    assert!(!probe(closed).await.reachable);
}

#[tokio::test]
async fn a_probe_of_a_privileged_port_is_refused_and_the_second_in_a_minute_throttled() {
    let server = start(Config { probe_this_machine: true, ..config() }).await;
    let device = Device::enter(&At::of(&server), &[]).await;
    for port in [0, 22, 25, 1023] {
        let refused = device.post("/v1/probes", &json!({ "port": port })).await;
        refused.refused(ProblemCode::ProbeRefused);
    }
    let port = peer(&device.identity).await;
    let probed: Probed = device.post("/v1/probes", &json!({ "port": port })).await.ok().json();
    assert!(probed.reachable);
    assert_eq!(probed.retry_after_ms, Some(60_000));
    let wait = throttled(&device.post("/v1/probes", &json!({ "port": port })).await);
    assert!(wait > Duration::from_secs(55), "{wait:?}");
}

#[tokio::test]
async fn the_servers_own_machine_is_not_probed() {
    let server = start(config()).await;
    let device = Device::enter(&At::of(&server), &[]).await;
    let port = peer(&device.identity).await;
    let probe = device.post("/v1/probes", &json!({ "port": port })).await;
    probe.refused(ProblemCode::ProbeRefused);
}

#[tokio::test]
async fn a_connection_without_a_session_does_not_keep_its_place() {
    let mut config = config();
    config.times.newcomer = Duration::from_secs(1);
    let server = start(config).await;
    let (newcomer, member) =
        (Device::new(&At::of(&server), &[]), Device::enter(&At::of(&server), &[]).await);
    let mut idle = newcomer.dial().await;
    let mut used = member.dial().await;
    let ask = || {
        let request = http::Request::get("/v1/server").header("host", "a");
        request.body(http_body_util::Full::<bytes::Bytes>::default()).unwrap()
    };
    // What anybody may ask is not enough.
    assert!(idle.send_request(ask()).await.unwrap().status().is_success());
    let mut with_session = http::Request::get("/v1/changes").header("host", "a");
    let token = format!("Bearer {}", member.token.unwrap());
    with_session = with_session.header("authorization", token);
    let with_session = with_session.body(http_body_util::Full::default()).unwrap();
    let answer = used.send_request(with_session).await.unwrap();
    http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
    let closed = async {
        while idle.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.unwrap();
    used.ready().await.unwrap();
    assert!(used.send_request(ask()).await.unwrap().status().is_success());
}

#[tokio::test]
async fn all_addresses_are_those_of_both_families() {
    let server = start(Config { listen: "[::]:0".parse().unwrap(), ..config() }).await;
    let address = ([127, 0, 0, 1], server.local_addr().port()).into();
    Device::enter(&At { address, ..At::of(&server) }, &[]).await;
}

#[tokio::test]
async fn a_probe_is_refused_where_the_server_cannot_tell_who_asks() {
    // A proxy that does not say for whom it asks, and one that nobody has configured.
    for trusted in [vec!["127.0.0.1/32".parse().unwrap()], Vec::new()] {
        let server = start(Config { plain_http: true, trusted_proxies: trusted, ..config() }).await;
        let at = At { plain: true, ..At::of(&server) };
        let device = Device::enter(&at, &[]).await;
        let probe = device.post("/v1/probes", &json!({ "port": 26269 })).await;
        probe.refused(ProblemCode::ProbeRefused);
    }
}

#[tokio::test]
async fn connections_of_one_address_are_bounded_and_those_of_a_proxy_are_not() {
    let mut config = config();
    config.limits.max_connections_per_address = 3;
    let server = start(config.clone()).await;
    let device = Device::enter(&At::of(&server), &[]).await;
    let (one, two) = (device.events(None).await, device.events(None).await);
    let refused = tokio::net::TcpStream::connect(server.local_addr()).await.unwrap();
    let mut nothing = [0; 1];
    let read = tokio::io::AsyncReadExt::read(&mut { refused }, &mut nothing).await;
    assert!(matches!(read, Ok(0) | Err(_)), "closed at once: {read:?}");
    drop((one, two));
    config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let server = start(config).await;
    let mut devices = Vec::new();
    for _ in 0..6 {
        devices.push(Device::enter(&At::of(&server), &[]).await);
    }
}

#[tokio::test]
async fn slow_heads_bodies_and_handshakes_are_given_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut config = Config { plain_http: true, ..config() };
    config.times.idle = Duration::from_millis(300);
    config.times.body = Duration::from_millis(300);
    config.times.handshake = Duration::from_millis(300);
    let plain = start(config.clone()).await;
    let tls = start(Config { plain_http: false, ..config }).await;
    for (server, said, answer) in [
        (&plain, "", ""),
        (&plain, "GET /v1/server HTTP/1.1\r\nhost: a", ""),
        (&plain, "POST /v1/sessions HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{", "408"),
        (&tls, "", ""),
        (&tls, "\u{16}\u{3}\u{1}", ""),
    ] {
        let mut stream = tokio::net::TcpStream::connect(server.local_addr()).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        let began = Instant::now();
        let done = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read)).await;
        assert!(done.is_ok() && began.elapsed() < Duration::from_secs(5), "{said:?}");
        let read = String::from_utf8_lossy(&read);
        assert!(read.contains(answer), "{read}");
    }
}
