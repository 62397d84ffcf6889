//! Whole downloads from servers that misbehave: the finished file is the server's, or there is none.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use common::World;
use manyhands_engine::view::Query;
use manyhands_faultserver::{Behaviour, Framing, Ranges, Reply};

const BYTES: u64 = (3 << 20) + 17;

fn good() -> Behaviour {
    Behaviour { bytes: BYTES, seed: 5, ..Behaviour::default() }
}

/// The download completes with the right bytes.
async fn completes(behaviour: Behaviour) -> World {
    let world = World::new(behaviour.clone()).await;
    let row = world.over(world.add().await).await;
    world.assert_file(&row, behaviour.seed, behaviour.bytes);
    world
}

/// The download fails with this code, and no file has the final name.
async fn fails(behaviour: Behaviour, code: &str) -> World {
    let world = World::new(behaviour).await;
    let row = world.over(world.add().await).await;
    let failure = row.failure.unwrap();
    assert_eq!(failure.code, code, "{}", failure.message);
    assert!(!failure.hint.is_empty());
    assert!(!world.names().contains(&"file.bin".to_owned()), "{:?}", world.names());
    world
}

#[tokio::test]
async fn a_good_server_is_asked_once() {
    let world = completes(good()).await;
    assert_eq!(world.server.requests().len(), 1);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    completes(Behaviour { bytes: 0, ..good() }).await;
    completes(Behaviour { bytes: 0, ranges: Ranges::NotSatisfiable(0), ..good() }).await;
    completes(Behaviour { bytes: 0, ranges: Ranges::Ignore, ..good() }).await;
}

#[tokio::test]
async fn a_server_without_ranges_or_lengths_serves_a_whole_stream() {
    for framing in [Framing::Length, Framing::Chunked(10_000), Framing::UntilClose] {
        let world = completes(Behaviour { ranges: Ranges::Ignore, framing, ..good() }).await;
        assert_eq!(world.server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_broken_stream_begins_again_and_a_broken_range_goes_on() {
    let broken = Behaviour { close_after_bytes: Some(1 << 20), faulty_answers: 1, ..good() };
    let world = completes(Behaviour { ranges: Ranges::Ignore, ..broken.clone() }).await;
    assert!(world.server.requests().len() >= 2);
    let world = completes(broken).await;
    let asked: Vec<_> =
        world.server.requests().iter().filter_map(|r| r.range().map(str::to_owned)).collect();
    assert!(asked[1..].iter().all(|range| range != "bytes=0-"), "{asked:?}");
    completes(Behaviour { reset_after_bytes: Some(700_000), faulty_answers: 2, ..good() }).await;
    completes(Behaviour {
        framing: Framing::ChunkedTruncated(5000),
        ranges: Ranges::AtMost(1 << 20),
        faulty_answers: 1,
        ..good()
    })
    .await;
}

#[tokio::test]
async fn answers_of_other_bytes_than_asked_never_get_into_the_file() {
    // The first answer is good and breaks off; the later ones are of the wrong bytes, until the server mends.
    for ranges in [
        Ranges::WrongStart(1),
        Ranges::NoContentRange,
        Ranges::Multipart,
        Ranges::Written("bytes */x".into()),
    ] {
        let broken =
            Behaviour { close_after_bytes: Some(1 << 20), rate_total: Some(1 << 20), ..good() };
        let world = World::new(broken).await;
        let id = world.add().await;
        world.until(id, |row| row.bytes > 0).await;
        world.server.set(Behaviour { ranges: ranges.clone(), ..good() });
        let before = world.server.requests().len();
        world.until(id, |_| world.server.requests().len() > before + 1).await;
        world.server.set(good());
        let row = world.over(id).await;
        world.assert_file(&row, 5, BYTES);
    }
}

#[tokio::test]
async fn shorter_and_longer_answers_are_taken_for_what_they_are_worth() {
    for ranges in [
        Ranges::AtMost(300_000),
        Ranges::Shorter(100),
        Ranges::Longer(50),
        Ranges::UnknownTotal,
        Ranges::PastEnd(50),
    ] {
        completes(Behaviour { ranges, ..good() }).await;
    }
}

#[tokio::test]
async fn a_file_that_changes_on_the_way_is_not_mixed() {
    let changing = Behaviour {
        close_after_bytes: Some(1 << 20),
        faulty_answers: 1,
        change_after: Some(1),
        ..good()
    };
    let world = fails(changing, "changed").await;
    assert_eq!(world.names(), ["file.bin.part"]);
    // Started again by the user, it is the new file from its beginning.
    let id = world.add().await;
    let row = world.over(id).await;
    world.assert_file(&row, 6, BYTES);
}

#[tokio::test]
async fn a_server_that_stops_to_serve_ranges_is_read_from_the_beginning() {
    let slow = Behaviour { close_after_bytes: Some(1 << 20), rate_total: Some(1 << 20), ..good() };
    let world = World::new(slow).await;
    let id = world.add().await;
    world.until(id, |row| row.bytes > 0).await;
    world.server.set(Behaviour { ranges: Ranges::Ignore, ..good() });
    let row = world.over(id).await;
    world.assert_file(&row, 5, BYTES);
}

#[tokio::test]
async fn one_time_links_work() {
    completes(Behaviour { one_time: true, ..good() }).await;
}

#[tokio::test]
async fn a_server_that_asks_to_wait_is_waited_for() {
    for status in [429, 503] {
        let script = vec![Reply::Status(status, Some("1".into()))];
        let world = completes(Behaviour { script, ..good() }).await;
        assert_eq!(world.server.requests().len(), 2);
    }
}

#[tokio::test]
async fn errors_that_pass_are_tried_again_and_others_are_told() {
    completes(Behaviour { script: vec![Reply::Status(500, None), Reply::Nothing], ..good() }).await;
    for (status, code) in [
        (404, "not-found"),
        (410, "not-found"),
        (401, "refused-by-server"),
        (403, "refused-by-server"),
    ] {
        let world =
            fails(Behaviour { script: vec![Reply::Status(status, None); 9], ..good() }, code).await;
        assert_eq!(world.server.requests().len(), 1, "{status} is asked once");
        assert_eq!(world.names(), [""; 0]);
    }
    fails(Behaviour { script: vec![Reply::Status(500, None); 99], ..good() }, "server-error").await;
}

#[tokio::test]
async fn what_fails_at_once_has_that_in_its_log() {
    let behaviour = Behaviour { script: vec![Reply::Status(404, None); 9], ..good() };
    let world = World::new(behaviour).await;
    // So that the list is looked at before, too.
    let first = world.add().await;
    world.over(first).await;
    for id in [first, world.add_as("other.bin").await] {
        world.over(id).await;
        let mut changes = world.engine().changes();
        let told = async {
            loop {
                let query = Query { selected: Some(id.0), ..Query::default() };
                let details = world.engine().view(query).await.unwrap().details.unwrap();
                if details.log.last().is_some_and(|line| line.failure.is_some()) {
                    return;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(60), told).await.expect("the log tells of it");
    }
}

#[tokio::test]
async fn a_limit_on_connections_is_learnt_and_not_a_failure() {
    let world = completes(Behaviour {
        bytes: 20 << 20,
        rate_per_connection: Some(2 << 20),
        max_connections: Some(2),
        over_limit: Reply::Status(403, None),
        ..good()
    })
    .await;
    let most_refused =
        world.server.requests().iter().filter(|request| request.status == 403).count();
    assert!((1..=4).contains(&most_refused), "{most_refused} connections were refused");
}

#[tokio::test]
async fn a_limit_per_connection_is_met_with_more_connections() {
    let limited = Behaviour { bytes: 24 << 20, rate_per_connection: Some(2 << 20), ..good() };
    let world = completes(limited).await;
    let most = world.server.connections();
    assert!((3..=8).contains(&most), "{most} connections");
}

#[tokio::test]
async fn redirects_lead_to_the_file_and_circles_are_told() {
    let mut there = good();
    there.paths.insert("/old".into(), Reply::to("/file.bin"));
    there.paths.insert("/circle".into(), Reply::to("/circle"));
    let world = World::new(there).await;
    let at = |path: &str| manyhands_engine::NewDownload {
        url: world.server.url(path),
        ..world.wanted()
    };
    let row = world.over(world.engine().add(&at("/old")).await.unwrap()).await;
    world.assert_file(&row, 5, BYTES);
    let row = world.over(world.engine().add(&at("/circle")).await.unwrap()).await;
    assert_eq!(row.failure.unwrap().code, "redirects");
}

#[tokio::test]
async fn a_stalled_connection_is_given_up() {
    let stalling = Behaviour { stall_after_bytes: Some(1 << 20), faulty_answers: 1, ..good() };
    let began = std::time::Instant::now();
    completes(stalling).await;
    assert!(began.elapsed() < Duration::from_secs(45));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_a_reason() {
    let mut world = World::new(good()).await;
    let url = world.server.url("/file.bin");
    let gone =
        std::mem::replace(&mut world.server, manyhands_faultserver::FaultServer::start(good()));
    drop(gone);
    let add = |url: String| manyhands_engine::NewDownload { url, ..world.wanted() };
    let row = world.over(world.engine().add(&add(url)).await.unwrap()).await;
    assert_eq!(row.failure.unwrap().code, "cannot-connect");
    let row = world
        .over(world.engine().add(&add("http://no-such-host.invalid/a".into())).await.unwrap())
        .await;
    assert_eq!(row.failure.unwrap().code, "name-not-found");
}
