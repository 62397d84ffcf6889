//! A download's life on one profile: paused, restarted, added twice, taken off, its part file lost.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::World;
use manyhands_engine::view::{Filter, Query, RowState};
use manyhands_engine::{Config, Engine, NewDownload, OpenError, Remote};
use manyhands_faultserver::{Behaviour, FaultServer, content};
use sha2::Digest;

const BYTES: u64 = 6 << 20;

fn slow() -> Behaviour {
    Behaviour { bytes: BYTES, seed: 9, rate_total: Some(4 << 20), ..Behaviour::default() }
}

fn fast() -> Behaviour {
    Behaviour { rate_total: None, ..slow() }
}

fn sha256() -> String {
    sha2::Sha256::digest(content(9, 0..BYTES)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How many bytes of bodies the server has been asked for.
fn asked_bytes(server: &FaultServer) -> u64 {
    let range = |text: &str| -> Option<(u64, u64)> {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().map_or(BYTES, |last: u64| last + 1)))
    };
    server
        .requests()
        .iter()
        .filter_map(|request| range(request.range()?))
        .map(|(start, end)| end - start)
        .sum()
}

#[tokio::test]
async fn a_paused_download_goes_on_where_it_was() {
    let world = World::new(slow()).await;
    let id = world.add().await;
    world.until(id, |row| row.bytes > 1 << 20).await;
    world.engine().pause(id).await.unwrap();
    let paused = world
        .until(id, |row| row.state == RowState::Paused && row.sources[0].connections == 0)
        .await;
    assert!(paused.bytes < BYTES);
    let query = Query { selected: Some(id.0), ..Query::default() };
    let details = world.engine().view(query).await.unwrap().details.unwrap();
    assert!(details.cell_percent.contains(&100), "what is there is still drawn");
    world.server.set(fast());
    world.engine().resume(id).await.unwrap();
    let row = world.over(id).await;
    world.assert_file(&row, 9, BYTES);
    let again = asked_bytes(&world.server) - BYTES;
    assert!(
        again <= BYTES - paused.bytes,
        "asked for {again} bytes after {} were there",
        paused.bytes
    );
}

#[tokio::test]
async fn what_is_not_finished_goes_on_at_the_next_start() {
    let mut world = World::new(slow()).await;
    let id = world.add().await;
    world.until(id, |row| row.bytes > 1 << 20).await;
    world.stop().await;
    world.server.set(fast());
    world.start().await;
    let row = world.row(id).await;
    assert!(row.bytes > 1 << 20, "{row:?}");
    let row = world.over(id).await;
    world.assert_file(&row, 9, BYTES);
    assert!(row.sources[0].bytes >= BYTES);
}

#[tokio::test]
async fn the_same_wish_goes_on_and_a_finished_file_is_never_overwritten() {
    let world = World::new(slow()).await;
    let id = world.add().await;
    assert_eq!(world.add().await, id);
    world.server.set(fast());
    world.over(id).await;
    let second = world.add().await;
    assert_ne!(second, id);
    let row = world.over(second).await;
    assert_eq!(row.name, "file (1).bin");
    assert_eq!(world.names(), ["file (1).bin", "file.bin"]);
    let other = NewDownload { out: Some("other.bin".into()), ..world.wanted() };
    let row = world.over(world.engine().add(&other).await.unwrap()).await;
    assert_eq!(row.name, "other.bin");
}

#[tokio::test]
async fn a_digest_is_checked_and_a_wrong_file_is_kept_under_another_name() {
    let world = World::new(fast()).await;
    let with = |sha256: String| NewDownload { sha256: Some(sha256), ..world.wanted() };
    let row = world.over(world.engine().add(&with("0".repeat(64))).await.unwrap()).await;
    let failure = row.failure.unwrap();
    assert_eq!(failure.code, "wrong-digest");
    assert!(failure.message.contains(&sha256()));
    assert_eq!(world.names(), ["file.bin.mismatch"]);
    // The right one goes on with the same entry of the list.
    let row = world.over(world.engine().add(&with(sha256())).await.unwrap()).await;
    assert_eq!(row.sha256, Some(sha256()));
    assert_eq!(world.names(), ["file.bin", "file.bin.mismatch"]);
}

#[tokio::test]
async fn removing_deletes_the_part_and_keeps_the_finished_file() {
    let world = World::new(slow()).await;
    let id = world.add().await;
    world.until(id, |row| row.bytes > 0).await;
    assert_eq!(world.names(), ["file.bin.part"]);
    world.engine().remove(id).await.unwrap();
    let mut changes = world.engine().changes();
    while world.engine().row(id).await.unwrap().is_some() {
        changes.changed().await.unwrap();
    }
    assert_eq!(world.names(), [""; 0]);
    world.server.set(fast());
    let id = world.add().await;
    world.over(id).await;
    world.engine().remove(id).await.unwrap();
    assert!(world.engine().row(id).await.unwrap().is_none());
    assert_eq!(world.names(), ["file.bin"]);
}

#[tokio::test]
async fn a_part_file_that_was_deleted_begins_anew_and_a_changed_one_is_left_alone() {
    let mut world = World::new(slow()).await;
    let id = world.add().await;
    world.until(id, |row| row.bytes > 1 << 20).await;
    world.stop().await;
    let part = world.dir().join("file.bin.part");
    std::fs::remove_file(&part).unwrap();
    world.start().await;
    world.until(id, |row| row.state == RowState::Downloading && row.bytes > 0).await;
    world.stop().await;
    std::fs::write(&part, "somebody else's").unwrap();
    world.start().await;
    let row = world.over(id).await;
    assert_eq!(row.failure.unwrap().code, "part-lost");
    assert_eq!(std::fs::read(&part).unwrap(), b"somebody else's");
}

#[tokio::test]
async fn a_file_of_the_right_name_and_size_is_not_taken_for_the_finished_one() {
    let mut world = World::new(slow()).await;
    let id = world.add().await;
    world.until(id, |row| row.bytes > 0).await;
    world.stop().await;
    std::fs::remove_file(world.dir().join("file.bin.part")).unwrap();
    std::fs::write(world.dir().join("file.bin"), vec![0; BYTES as usize]).unwrap();
    world.server.set(fast());
    world.start().await;
    let row = world.over(id).await;
    assert_eq!(row.name, "file (1).bin");
    assert_eq!(std::fs::read(row.path.unwrap()).unwrap(), content(9, 0..BYTES));
}

#[tokio::test]
async fn a_second_instance_is_refused_and_can_hand_its_work_over() {
    let world = World::new(fast()).await;
    let data_dir = world.root.path().join("profile");
    let second =
        Engine::open(Config { data_dir: data_dir.clone(), network: None, or_alone: false }).await;
    assert!(
        matches!(second, Err(OpenError::InUse { pid: Some(pid), .. }) if pid == std::process::id())
    );
    let (news, mut told) = tokio::sync::mpsc::channel(16);
    let remote = Remote::of(&data_dir);
    let mut last = None;
    let wanted = world.wanted();
    let (followed, ()) = tokio::join!(remote.follow(vec![wanted], news), async {
        while let Some(news) = told.recv().await {
            last = Some(news);
        }
    });
    followed.unwrap();
    assert!(last.unwrap().is_last());
    assert_eq!(world.names(), ["file.bin"]);
    assert!(!remote.raise(None).await.unwrap(), "nobody has a window");
    let mut raised = world.engine().raised();
    assert!(remote.raise(None).await.unwrap());
    raised.changed().await.unwrap();
    assert_eq!(raised.borrow_and_update().link, None);
    assert!(remote.raise(Some("manyhands://join?v=1".to_owned())).await.unwrap());
    raised.changed().await.unwrap();
    assert_eq!(raised.borrow().link.as_deref(), Some("manyhands://join?v=1"));
    assert!(!format!("{:?}", raised.borrow()).contains("join"), "it is a secret");
}

#[tokio::test]
async fn more_downloads_than_may_run_wait_for_their_turn() {
    let world = World::new(slow()).await;
    let mut ids = Vec::new();
    for i in 0..5 {
        let new = NewDownload { out: Some(format!("{i}.bin")), ..world.wanted() };
        ids.push(world.engine().add(&new).await.unwrap());
    }
    let view = |filter| world.engine().view(Query { filter, count: 50, ..Query::default() });
    let all = view(Filter::All).await.unwrap();
    assert_eq!((all.counts.active, all.counts.queued, all.matching), (3, 2, 5));
    assert_eq!(view(Filter::Queued).await.unwrap().rows.len(), 2);
    world.engine().pause_all().await.unwrap();
    for id in &ids {
        world.until(*id, |row| row.state == RowState::Paused).await;
    }
    world.server.set(fast());
    world.engine().resume_all().await.unwrap();
    for id in ids {
        assert_eq!(world.over(id).await.state, RowState::Completed);
    }
    assert_eq!(world.names().len(), 5);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_says_so() {
    let world = World::new(fast()).await;
    std::fs::write(world.root.path().join("files"), "in the way").unwrap();
    let row = world.over(world.add().await).await;
    let failure = row.failure.unwrap();
    assert_eq!(failure.code, "folder");
    assert!(failure.message.contains("files"), "{}", failure.message);
}

#[tokio::test]
async fn wishes_that_make_no_sense_are_refused_with_a_hint() {
    let world = World::new(fast()).await;
    let good = world.wanted();
    for (new, code) in [
        (NewDownload { url: "nonsense".into(), ..good.clone() }, "bad-url"),
        (NewDownload { url: "gopher://example.org/1".into(), ..good.clone() }, "unknown-scheme"),
        (NewDownload { out: Some("../up".into()), ..good.clone() }, "bad-name"),
        (NewDownload { sha256: Some("abc".into()), ..good.clone() }, "bad-digest"),
        (NewDownload { dir: Some("relative".into()), ..good.clone() }, "folder"),
    ] {
        let failure = world.engine().add(&new).await.unwrap_err();
        assert_eq!(failure.code.as_str(), code, "{failure}");
    }
}
