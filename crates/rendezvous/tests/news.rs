//! What members hear of one another, by stream and by long poll.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::*;
use http::Method;
use manyhands_identity::DeviceIdentity;
use manyhands_rendezvous::{Config, Server};
use manyhands_wire::{
    Blob, List, MAX_BODY_BYTES, MAX_CHANGES, PresenceRecord, ProblemCode, RendezvousEvent, Ring,
};

fn gone(group: &Device, device: &Device) -> RendezvousEvent {
    RendezvousEvent::Gone { group: group_digest(group.groups[0].id()), id: digest(device.id()) }
}

#[tokio::test]
async fn joining_moving_and_leaving_are_told_to_the_members_and_to_nobody_else() {
    let (server, [ours, theirs]) = (start(config()).await, [secret(), secret()]);
    let at = At::of(&server);
    let [ana, mo] = [Device::enter(&at, &[&ours]).await, Device::enter(&at, &[&ours]).await];
    let stranger = Device::join(&at, &[&theirs]).await;
    let (mut anas, mut strangers) = (ana.events(None).await, stranger.events(None).await);
    assert!(anas.snapshot().await.is_empty());
    assert!(strangers.snapshot().await.is_empty(), "nobody is told of oneself");

    let joined = Instant::now();
    let record = mo.signed(&mo.record(mo.groups[0].id()));
    mo.put(vec![record.clone()]).await.ok();
    assert_eq!(anas.next().await, Some(RendezvousEvent::Present { record }));
    assert!(joined.elapsed() < Duration::from_secs(1));
    // A renewal that says nothing new is nobody's news; the next thing is the move.
    mo.publish().await.ok();
    mo.move_to("10.1.2.3:4711").await.ok();
    let Some(RendezvousEvent::Present { record }) = anas.next().await else { panic!() };
    assert!(record.payload.as_str().contains("10.1.2.3:4711"));
    mo.leave().await;
    assert_eq!(anas.next().await, Some(gone(&ana, &mo)));

    stranger.leave().await;
    let other = Device::join(&at, &[&theirs]).await;
    let Some(RendezvousEvent::Present { record }) = strangers.next().await else { panic!() };
    assert_eq!(device_of(&record), other.id());
}

#[tokio::test]
async fn who_leaves_one_group_stays_in_the_others() {
    let (server, [one, two]) = (start(config()).await, [secret(), secret()]);
    let at = At::of(&server);
    let device = Device::join(&at, &[&one, &two]).await;
    let path = format!("/v1/presence?group={}", device.groups[0].id());
    device.send(Method::DELETE, &path, Vec::new()).await.ok();
    let [first, second] = [Device::enter(&at, &[&one]).await, Device::enter(&at, &[&two]).await];
    assert!(first.events(None).await.snapshot().await.is_empty());
    assert_eq!(second.events(None).await.snapshot().await, [device.id()]);
    let nonsense = device.send(Method::DELETE, "/v1/presence?group=abc", Vec::new()).await;
    nonsense.refused(ProblemCode::Malformed);
}

#[tokio::test]
async fn a_stream_that_comes_back_with_its_cursor_misses_nothing_and_is_not_reset() {
    let (server, secret) = (start(config()).await, secret());
    let at = At::of(&server);
    let mut ana = Device::enter(&at, &[&secret]).await;
    let [mo, lin, wei] = [(); 3].map(|()| Device::new(&at, &[&secret]));
    let [mut mo, mut lin, mut wei] = [mo, lin, wei];
    for device in [&mut mo, &mut lin, &mut wei] {
        device.open().await;
    }
    mo.publish().await.ok();
    lin.publish().await.ok();
    let mut stream = ana.events(None).await;
    assert_eq!(stream.snapshot().await.len(), 2);
    let cursor = stream.cursor.clone().unwrap();
    drop(stream);
    mo.leave().await;
    lin.move_to("10.9.9.9:4711").await.ok();
    lin.move_to("10.9.9.9:4712").await.ok();
    wei.publish().await.ok();
    // Also with another session for the same groups.
    ana.open().await;
    let mut stream = ana.events(Some(&cursor)).await;
    assert_eq!(stream.next().await, Some(gone(&ana, &mo)));
    let Some(RendezvousEvent::Present { record }) = stream.next().await else { panic!() };
    assert!(record.payload.as_str().contains("10.9.9.9:4712"), "the last word, and only that");
    let Some(RendezvousEvent::Present { record }) = stream.next().await else { panic!() };
    assert_eq!(device_of(&record), wei.id());
    assert_eq!(stream.next().await, Some(RendezvousEvent::Ready));
    let after = stream.cursor.clone().unwrap();
    assert_ne!(after, cursor);
    // Nothing more from there, and the cursor in the address does as well as in the header.
    let changes = ana.changes(&after, 0).await;
    assert!(changes.events.is_empty());
    let mut stream = ana.events(Some(&after)).await;
    assert_eq!(stream.next().await, Some(RendezvousEvent::Ready));
}

#[tokio::test]
async fn a_cursor_from_before_a_restart_of_other_groups_or_of_nobody_begins_anew() {
    let identity = DeviceIdentity::generate().unwrap();
    let kept = DeviceIdentity::from_pem(&identity.to_pem()).unwrap();
    let (one, two) = (secret(), secret());
    let server = Server::start_with(config(), identity).await.unwrap();
    let ana = Device::enter(&At::of(&server), &[&one]).await;
    let mut stream = ana.events(None).await;
    stream.snapshot().await;
    let cursor = stream.cursor.clone().unwrap();
    server.shutdown().await;

    let server = Server::start_with(config(), kept).await.unwrap();
    let at = At::of(&server);
    let mo = Device::join(&at, &[&one]).await;
    let ana = Device::enter(&at, &[&one]).await;
    for cursor in [cursor.as_str(), "hello", "0123456789abcdef-18446744073709551615"] {
        let mut stream = ana.events(Some(cursor)).await;
        assert_eq!(stream.snapshot().await, [mo.id()], "{cursor}");
    }
    let mut stream = ana.events(None).await;
    stream.snapshot().await;
    let wider = Device::enter(&at, &[&one, &two]).await;
    let mut stream = wider.events(stream.cursor.as_deref()).await;
    assert_eq!(stream.snapshot().await, [mo.id()]);
    ana.get(&format!("/v1/changes?cursor={}", "a".repeat(65)))
        .await
        .refused(ProblemCode::Malformed);
}

#[tokio::test]
async fn a_long_poll_waits_for_news_and_no_longer_than_it_says() {
    let (server, secret) = (start(config()).await, secret());
    let at = At::of(&server);
    let [ana, mo] = [Device::enter(&at, &[&secret]).await, Device::enter(&at, &[&secret]).await];
    let first: manyhands_wire::Changes = ana.get("/v1/changes").await.ok().json();
    assert_eq!(first.events.to_vec(), [RendezvousEvent::Reset, RendezvousEvent::Ready]);
    let began = Instant::now();
    let none = ana.changes(first.cursor.as_str(), 1).await;
    assert!(none.events.is_empty() && began.elapsed() >= Duration::from_secs(1));
    let (told, _) = tokio::join!(ana.changes(none.cursor.as_str(), 25), mo.publish());
    assert_eq!(present_of(&told.events), [mo.id()]);
    assert!(!told.more);
    let (told, ()) = tokio::join!(ana.changes(told.cursor.as_str(), 25), mo.leave());
    assert_eq!(told.events.to_vec(), [gone(&ana, &mo)]);
    ana.get("/v1/changes?wait=soon").await.refused(ProblemCode::Malformed);
}

#[tokio::test]
async fn many_members_come_in_portions_that_a_client_can_take() {
    let mut config = config();
    config.limits.requests_per_device_per_s = 1000;
    let (server, secret) = (start(config).await, secret());
    let at = At::of(&server);
    let mut members = BTreeSet::new();
    for n in 0..300 {
        let device = Device::enter(&at, &[&secret]).await;
        // Every other one says as much as it may.
        let name = Blob::new(vec![7; if n % 2 == 0 { 0 } else { 188 }]).unwrap();
        let record = PresenceRecord { name, ..device.record(device.groups[0].id()) };
        device.put_record(&record).await.ok();
        members.insert(device.id());
    }
    let ana = Device::enter(&at, &[&secret]).await;
    let (mut cursor, mut told, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let answer = ana.get(&format!("/v1/changes?cursor={cursor}")).await.ok();
        assert!(answer.body.len() <= MAX_BODY_BYTES, "{}", answer.body.len());
        let changes: manyhands_wire::Changes = answer.json();
        told.extend(changes.events.to_vec());
        cursor = changes.cursor.as_str().to_owned();
        pages += 1;
        if !changes.more {
            break;
        }
    }
    assert!(pages > 1 && told.len() == members.len() + 2, "{pages} pages, {}", told.len());
    assert_eq!(told.first(), Some(&RendezvousEvent::Reset));
    assert_eq!(told.last(), Some(&RendezvousEvent::Ready));
    assert_eq!(present_of(&told).into_iter().collect::<BTreeSet<_>>(), members);
    let streamed = ana.events(None).await.snapshot().await;
    assert_eq!(streamed.len(), members.len());
    assert_eq!(streamed.into_iter().collect::<BTreeSet<_>>(), members);
    assert!(members.len() > MAX_CHANGES);
}

#[tokio::test]
async fn a_poll_goes_on_in_the_midst_of_who_is_there_with_its_groups_in_another_order() {
    let mut config = config();
    config.limits.requests_per_device_per_s = 1000;
    let (server, [one, two]) = (start(config).await, [secret(), secret()]);
    let at = At::of(&server);
    let mut members = BTreeSet::new();
    for n in 0..200 {
        let device = Device::enter(&at, &[if n % 2 == 0 { &one } else { &two }]).await;
        let name = Blob::new(vec![7; 188]).unwrap();
        let record = PresenceRecord { name, ..device.record(device.groups[0].id()) };
        device.put_record(&record).await.ok();
        members.insert(device.id());
    }
    let mut ana = Device::enter(&at, &[&one, &two]).await;
    let (mut cursor, mut told, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let changes = ana.changes(&cursor, 0).await;
        told.extend(changes.events.to_vec());
        cursor = changes.cursor.as_str().to_owned();
        pages += 1;
        if !changes.more {
            break;
        }
        ana.groups.reverse();
        // Twelve sessions in a minute are enough for it.
        ana.open().await;
    }
    assert!((2..12).contains(&pages), "{pages}");
    let present = present_of(&told);
    assert_eq!(present.len(), members.len(), "each once");
    assert_eq!(present.into_iter().collect::<BTreeSet<_>>(), members);
}

#[tokio::test]
async fn a_device_whose_stream_closes_is_gone_after_a_grace_unless_it_comes_back() {
    let mut config = Config { metrics: Some("127.0.0.1:0".parse().unwrap()), ..config() };
    config.times.grace = Duration::from_secs(1);
    let (server, secret) = (start(config).await, secret());
    let at = At::of(&server);
    let ana = Device::enter(&at, &[&secret]).await;
    let [back, lost, polls] = [
        Device::join(&at, &[&secret]).await,
        Device::join(&at, &[&secret]).await,
        Device::join(&at, &[&secret]).await,
    ];
    let mut stream = ana.events(None).await;
    assert_eq!(stream.snapshot().await.len(), 3);
    let (first, second, third) =
        (back.events(None).await, lost.events(None).await, polls.events(None).await);
    let closed = Instant::now();
    drop((first, second, third));
    let _again = back.events(None).await;
    // Its record is newer than the end of its stream: it is there, without one.
    wait_for_streams(&server, &at, 2).await;
    polls.publish().await.ok();
    assert_eq!(stream.next().await, Some(gone(&ana, &lost)));
    assert!(closed.elapsed() >= Duration::from_secs(1));
    back.leave().await;
    assert_eq!(stream.next().await, Some(gone(&ana, &back)), "and nobody before it");
}

/// Until the server has seen that connections are closed.
async fn wait_for_streams(server: &Server, at: &At, count: usize) {
    let watch = Device::new(
        &At { address: server.metrics_addr().unwrap(), plain: true, ..at.clone() },
        &[],
    );
    let expected = format!("\nmanyhands_rendezvous_streams {count}\n");
    let seen = async {
        loop {
            let page = watch.get("/metrics").await.ok().body;
            if String::from_utf8_lossy(&page).contains(&expected) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap();
}

#[tokio::test]
async fn without_a_stream_a_device_is_gone_when_its_record_is_over() {
    let (server, secret) = (start(config()).await, secret());
    let at = At::of(&server);
    let [ana, mo] = [Device::enter(&at, &[&secret]).await, Device::enter(&at, &[&secret]).await];
    let mut stream = ana.events(None).await;
    stream.snapshot().await;
    let short = PresenceRecord { ttl_s: 4, ..mo.record(mo.groups[0].id()) };
    let published = Instant::now();
    mo.put_record(&short).await.ok();
    assert!(matches!(stream.next().await, Some(RendezvousEvent::Present { .. })));
    // A renewal, and it lives that much longer.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let renewed = PresenceRecord { ttl_s: 4, ..mo.record(mo.groups[0].id()) };
    mo.put_record(&renewed).await.ok();
    assert_eq!(stream.next().await, Some(gone(&ana, &mo)));
    assert!(published.elapsed() >= Duration::from_secs(5), "{:?}", published.elapsed());
}

#[tokio::test]
async fn a_ring_reaches_the_one_who_is_to_call_by_stream_and_by_poll() {
    let (server, secret) = (start(config()).await, secret());
    let at = At::of(&server);
    let [ana, mo] = [Device::join(&at, &[&secret]).await, Device::join(&at, &[&secret]).await];
    let group = group_digest(ana.groups[0].id());
    let mut stream = mo.events(None).await;
    stream.snapshot().await;
    let polled: manyhands_wire::Changes = mo.get("/v1/changes").await.ok().json();
    let rung = ana.post("/v1/rings", &Ring { group, to: digest(mo.id()) }).await;
    assert_eq!(rung.status, 202);
    let ring = RendezvousEvent::Ring { group, from: digest(ana.id()) };
    assert_eq!(stream.next().await, Some(ring.clone()));
    assert_eq!(mo.changes(polled.cursor.as_str(), 5).await.events.to_vec(), [ring]);
    // Once is enough.
    let mut again = mo.events(stream.cursor.as_deref()).await;
    assert_eq!(again.next().await, Some(RendezvousEvent::Ready));
    for nobody in [Device::new(&at, &[]).id(), ana.id()] {
        let ring = Ring { group, to: digest(nobody) };
        ana.post("/v1/rings", &ring).await.refused(ProblemCode::UnknownMember);
    }
}

#[tokio::test]
async fn a_quiet_stream_is_pinged() {
    let mut config = config();
    config.times.ping = Duration::from_millis(200);
    let (server, secret) = (start(config).await, secret());
    let ana = Device::enter(&At::of(&server), &[&secret]).await;
    let mut stream = ana.events(None).await;
    stream.snapshot().await;
    let mo = Device::enter(&At::of(&server), &[&secret]).await;
    tokio::join!(
        async { assert!(matches!(stream.next().await, Some(RendezvousEvent::Present { .. }))) },
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            mo.publish().await.ok();
        }
    );
    assert!(stream.comments >= 3, "{}", stream.comments);
}

#[tokio::test]
async fn a_new_stream_takes_the_place_of_a_devices_oldest_one() {
    let mut config = config();
    config.limits.max_streams_per_device = 2;
    let (server, secret) = (start(config).await, secret());
    let ana = Device::enter(&At::of(&server), &[&secret]).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = ana.events(None).await;
        stream.snapshot().await;
        streams.push(stream);
    }
    assert_eq!(streams[0].next().await, None);
    let _mo = Device::join(&At::of(&server), &[&secret]).await;
    for stream in &mut streams[1..] {
        assert!(matches!(stream.next().await, Some(RendezvousEvent::Present { .. })));
    }
}

/// Somebody who does not read, among others who do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_cut_without_delaying_anybody() {
    let mut config = Config { metrics: Some("127.0.0.1:0".parse().unwrap()), ..config() };
    config.times.slow_reader = Duration::from_secs(1);
    config.limits.requests_per_device_per_s = 10_000;
    config.limits.changes_per_device_and_group_per_min = 1_000_000;
    let (server, secret) = (start(config).await, secret());
    let at = At::of(&server);
    let ana = Device::enter(&at, &[&secret]).await;
    let sleeper = Device::enter(&at, &[&secret]).await;
    let mut mos = Vec::new();
    for _ in 0..8 {
        mos.push(Device::join(&at, &[&secret]).await);
    }
    let mut stream = ana.events(None).await;
    stream.snapshot().await;
    let mut slow = sleeper.narrow_events().await;
    wait_for_streams(&server, &at, 2).await;
    // Each change is told to both; the sleeper takes none of it. What the system holds for it is full after some hundred.
    let mut slowest = Duration::ZERO;
    let mut port = 1024;
    let changes = async {
        loop {
            for mo in &mos {
                port += 1;
                let address = format!("10.1.2.3:{}", 1024 + port % 60_000);
                let addresses = vec![address.parse().unwrap(); 16];
                let record = PresenceRecord {
                    addresses: List::new(addresses).unwrap(),
                    name: Blob::new(vec![7; 188]).unwrap(),
                    ..mo.record(mo.groups[0].id())
                };
                let sent = Instant::now();
                mo.put_record(&record).await.ok();
                assert!(matches!(stream.next().await, Some(RendezvousEvent::Present { .. })));
                slowest = slowest.max(sent.elapsed());
            }
            let page = Device::new(
                &At { address: server.metrics_addr().unwrap(), plain: true, ..at.clone() },
                &[],
            );
            let page = page.get("/metrics").await.ok().body;
            if String::from_utf8_lossy(&page).contains("\nmanyhands_rendezvous_streams 1\n") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), changes).await.unwrap();
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    // What was under way to it is still there, the end comes behind it.
    while slow.next().await.is_some() {}
}
