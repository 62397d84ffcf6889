//! Records that a server must not take in, each sent to the real server over real TLS by somebody who has a session.

#![allow(clippy::unwrap_used)]

mod common;

use std::num::NonZeroU64;

use common::*;
use http::Method;
use manyhands_identity::GroupKey;
use manyhands_wire::{
    List, MAX_CLOCK_SKEW_S, MAX_RECORD_TTL_S, PresenceRecord, ProblemCode, Published,
    RendezvousEvent, SignedRecord, Text,
};

/// A device that is in a group and another one that watches it: after what is refused nobody is there.
async fn check(
    code: ProblemCode,
    spoil: impl FnOnce(&Device, PresenceRecord) -> SignedRecord,
) -> Answer {
    let (server, secret) = (start(config()).await, secret());
    let device = Device::enter(&At::of(&server), &[&secret]).await;
    let watcher = Device::enter(&At::of(&server), &[&secret]).await;
    let signed = spoil(&device, device.record(device.groups[0].id()));
    let answer = device.put(vec![signed]).await;
    answer.refused(code);
    assert!(watcher.events(None).await.snapshot().await.is_empty());
    answer
}

#[tokio::test]
async fn a_record_that_holds_is_taken_in_and_says_when_to_come_again() {
    let (server, secret) = (start(config()).await, secret());
    let device = Device::enter(&At::of(&server), &[&secret]).await;
    let published: Published = device.publish().await.ok().json();
    let heartbeat = config().times.heartbeat.as_millis() as u64;
    assert!((heartbeat * 4 / 5..=heartbeat).contains(&published.next_after_ms), "{published:?}");
    // Long before it is over, however short it is.
    let short = PresenceRecord { ttl_s: 10, ..device.record(device.groups[0].id()) };
    let published: Published = device.put_record(&short).await.ok().json();
    assert!(published.next_after_ms <= 6_000, "{published:?}");
}

#[tokio::test]
async fn a_forged_record_signed_by_another_key_is_refused() {
    check(ProblemCode::RecordRefused, |device, record| {
        let other = Device::new(&device.at, &[]);
        other.signed(&record)
    })
    .await;
}

#[tokio::test]
async fn a_record_with_another_key_beside_it_is_refused() {
    check(ProblemCode::RecordRefused, |device, record| {
        let other = Device::new(&device.at, &[]);
        SignedRecord { key: other.signed(&record).key, ..device.signed(&record) }
    })
    .await;
}

#[tokio::test]
async fn an_altered_record_is_refused() {
    check(ProblemCode::RecordRefused, |device, record| {
        let signed = device.signed(&record);
        let payload = signed.payload.as_str().replace("10.1.2.3", "10.1.2.4");
        SignedRecord { payload: Text::new(payload).unwrap(), ..signed }
    })
    .await;
}

#[tokio::test]
async fn a_record_of_another_device_is_refused_though_its_signature_holds() {
    check(ProblemCode::RecordRefused, |device, record| {
        let other = Device::new(&device.at, &[]);
        other.signed(&PresenceRecord { id: digest(other.id()), ..record })
    })
    .await;
}

#[tokio::test]
async fn an_expired_record_is_refused_with_the_servers_time() {
    let answer = check(ProblemCode::ClockSkew, |device, record| {
        let old = u64::from(MAX_RECORD_TTL_S) + u64::from(MAX_CLOCK_SKEW_S) + 2;
        device.signed(&PresenceRecord { issued_at_s: now_s() - old, ..record })
    })
    .await;
    assert!(answer.problem().detail.unwrap().as_str().contains("the server's time is 1"));
}

#[tokio::test]
async fn a_record_of_the_future_is_refused() {
    check(ProblemCode::ClockSkew, |device, record| {
        let late = u64::from(MAX_CLOCK_SKEW_S) + 5;
        device.signed(&PresenceRecord { issued_at_s: now_s() + late, ..record })
    })
    .await;
}

#[tokio::test]
async fn a_record_that_holds_for_more_than_two_minutes_is_refused() {
    check(ProblemCode::RecordRefused, |device, record| {
        device.signed(&PresenceRecord { ttl_s: MAX_RECORD_TTL_S + 1, ..record })
    })
    .await;
}

#[tokio::test]
async fn a_record_with_more_than_sixteen_addresses_is_refused() {
    check(ProblemCode::RecordRefused, |device, record| {
        let payload = serde_json::to_string(&record).unwrap();
        let many = vec!["\"10.1.2.3:26269\""; 17].join(",");
        device.signed_text(&payload.replace("\"10.1.2.3:26269\"", &many))
    })
    .await;
}

#[tokio::test]
async fn a_record_of_another_version_or_none_at_all_is_refused() {
    check(ProblemCode::RecordRefused, |device, record| {
        let payload = serde_json::to_string(&record).unwrap();
        device.signed_text(&payload.replacen("\"v\":1", "\"v\":2", 1))
    })
    .await;
    check(ProblemCode::RecordRefused, |device, _| device.signed_text("hello")).await;
    check(ProblemCode::RecordRefused, |device, _| device.signed_text(&"[".repeat(2000))).await;
}

#[tokio::test]
async fn a_record_for_a_group_that_the_session_has_not_proved_is_refused() {
    check(ProblemCode::NotMember, |device, record| {
        let other = GroupKey::new(&secret());
        device.signed(&PresenceRecord { group: group_digest(other.id()), ..record })
    })
    .await;
}

#[tokio::test]
async fn an_older_record_played_again_is_refused_and_the_newer_one_stays() {
    let (server, secret) = (start(config()).await, secret());
    let device = Device::enter(&At::of(&server), &[&secret]).await;
    let group = device.groups[0].id();
    let old = device.signed(&device.record(group));
    device.put(vec![old.clone()]).await.ok();
    let new = PresenceRecord {
        addresses: List::new(vec!["10.7.7.7:26269".parse().unwrap()]).unwrap(),
        ..device.record(group)
    };
    device.put_record(&new).await.ok();
    let refused = device.put(vec![old]).await;
    refused.refused(ProblemCode::RecordOld);
    assert_eq!(
        refused.problem().last_seq,
        NonZeroU64::new(new.seq),
        "what the next one has to exceed"
    );
    // The same one once more is no replay: its answer was lost.
    device.put(vec![device.signed(&new)]).await.ok();
    let other = PresenceRecord { ttl_s: 60, ..new.clone() };
    device.put_record(&other).await.refused(ProblemCode::RecordOld);

    let watcher = Device::enter(&At::of(&server), &[&secret]).await;
    let mut events = watcher.events(None).await;
    assert_eq!(events.next().await, Some(RendezvousEvent::Reset));
    let told = events.next().await;
    assert_eq!(told, Some(RendezvousEvent::Present { record: device.signed(&new) }));
}

#[tokio::test]
async fn of_several_records_all_are_taken_in_or_none() {
    let (server, [one, two]) = (start(config()).await, [secret(), secret()]);
    let device = Device::enter(&At::of(&server), &[&one, &two]).await;
    let good = device.record(device.groups[0].id());
    let late =
        PresenceRecord { issued_at_s: now_s() - 1000, ..device.record(device.groups[1].id()) };
    let both = vec![device.signed(&good), device.signed(&late)];
    device.put(both).await.refused(ProblemCode::ClockSkew);
    let twice = vec![device.signed(&good), device.signed(&device.record(device.groups[0].id()))];
    device.put(twice).await.refused(ProblemCode::RecordRefused);
    let watcher = Device::enter(&At::of(&server), &[&one, &two]).await;
    assert!(watcher.events(None).await.snapshot().await.is_empty());
}

#[tokio::test]
async fn what_is_over_long_is_refused_before_it_is_read() {
    let (server, secret) = (start(config()).await, secret());
    let device = Device::enter(&At::of(&server), &[&secret]).await;
    let put = async |body: Vec<u8>| device.send(Method::PUT, "/v1/presence", body).await;
    // A record that is too long for itself, more records than there are groups, and more than any of it.
    let signed = serde_json::to_value(device.signed(&device.record(device.groups[0].id())));
    let mut long = signed.unwrap();
    let records = |one: &serde_json::Value, count| {
        serde_json::to_vec(&serde_json::json!({ "records": vec![one; count] })).unwrap()
    };
    put(records(&long, 33)).await.refused(ProblemCode::Malformed);
    long["payload"] = "x".repeat(2049).into();
    put(records(&long, 1)).await.refused(ProblemCode::Malformed);
    put(vec![b' '; 128 * 1024 + 1]).await.refused(ProblemCode::TooLarge);
    let session = vec![b' '; 64 * 1024 + 1];
    device.send(Method::POST, "/v1/sessions", session).await.refused(ProblemCode::TooLarge);
    // As many as there may be, each as long as it may be, do fit.
    let groups: Vec<_> = (0..32).map(|_| common::secret()).collect();
    let device = Device::enter(&At::of(&server), &groups.iter().collect::<Vec<_>>()).await;
    let longest = device.groups.iter().map(|group| {
        let payload = serde_json::to_string(&device.record(group.id())).unwrap();
        let filler = "x".repeat(2048 - payload.len() - r#","later":"""#.len());
        let payload = format!(r#"{},"later":"{filler}"}}"#, payload.trim_end_matches('}'));
        assert_eq!(payload.len(), 2048);
        device.signed_text(&payload)
    });
    device.put(longest.collect()).await.ok();
}
