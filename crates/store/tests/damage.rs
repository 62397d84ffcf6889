//! Whatever is left in a profile, it opens, and the list of downloads is there.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{chunk, download};
use manyhands_core::{
    DownloadId, DownloadRecord, GroupId, LentDay, PeerId, SourceId, SourceRecord,
};
use manyhands_store::{
    BlockedPeer, Friend, Group, Op, OpenError, Opened, ProfileLock, Settings, Store,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore, SeedableRng};

fn records() -> Vec<DownloadRecord> {
    let mut records: Vec<_> = [3, 1, 2].map(download).into();
    let name = "example.org".to_owned();
    records[0].sources = vec![SourceRecord {
        id: SourceId::ORIGIN,
        peer: None,
        mode: None,
        name,
        received_bytes: 9,
    }];
    records
}

fn settings() -> Settings {
    Settings { language: Some("zh-CN".to_owned()), ..Settings::default() }
}

fn friend() -> Friend {
    let id = PeerId::from_digest([7; 32]);
    let name = "Mo".to_owned();
    Friend { id, name, added_unix_ms: 5, last_addresses: Vec::new(), rule: None, paired: false }
}

/// The database without the rules of this crate. One that was just closed holds its file for a moment longer.
fn blocked() -> BlockedPeer {
    BlockedPeer { id: PeerId::from_digest([6; 32]), name: "Eve".to_owned(), blocked_unix_ms: 6 }
}

fn group() -> Group {
    Group {
        id: GroupId::from_digest([5; 32]),
        invite: "manyhands://join?v=1&k=AAECAw".to_owned(),
        name: "Dorm 7".to_owned(),
        joined_unix_ms: 5,
        founder: true,
    }
}

fn lent() -> LentDay {
    LentDay { day: 5, bytes: 6, by_peer: Default::default() }
}

fn open_raw(dir: &Path) -> sled::Db {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match sled::open(dir.join("db")) {
            Ok(db) => return db,
            Err(error) if Instant::now() < until => {
                assert!(error.to_string().contains("lock"), "{error}");
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A profile with something of everything in it, closed.
fn fill(dir: &Path) {
    let (store, _) = Store::open(dir).unwrap();
    let mut ops: Vec<_> = records().into_iter().map(Op::PutDownload).collect();
    ops.push(Op::Order(records().iter().map(|record| record.id).collect()));
    ops.push(Op::PutSettings(settings()));
    ops.push(Op::PutFriend(friend()));
    ops.push(Op::PutBlocked(blocked()));
    ops.push(Op::PutGroup(group()));
    ops.push(Op::PutLentDay(lent()));
    store.apply(&ops).unwrap();
    store.flush().unwrap();
    for n in 1..200 {
        store.apply(&[Op::PutMapChunk(DownloadId(2), chunk(n % 5, 1 + n as usize))]).unwrap();
        store.flush_to_os().unwrap();
    }
}

/// Everything but piece maps.
fn check_list(store: &Store) {
    assert_eq!(store.downloads().unwrap(), records());
    assert_eq!(store.settings().unwrap(), settings());
    assert_eq!(store.friends().unwrap(), [friend()]);
    assert_eq!(store.blocked().unwrap(), [blocked()]);
    assert_eq!(store.groups().unwrap(), [group()]);
    assert_eq!(store.lent().unwrap(), [lent()]);
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Nothing can be read from it.
fn break_database(dir: &Path) {
    fs::write(dir.join("db/conf"), "segment_size: none").unwrap();
}

fn set_aside(opened: &Opened) -> PathBuf {
    match opened {
        Opened::Rebuilt { set_aside: Some(path), .. } => path.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_half_written_snapshot_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    // Another opening, so that sled has written a snapshot.
    drop(Store::open(dir.path()).unwrap());
    let db = dir.path().join("db");
    let snapshot = names(&db).into_iter().rfind(|name| name.starts_with("snap.")).unwrap();
    let whole = fs::read(db.join(&snapshot)).unwrap();
    let leftover = db.join(format!("{snapshot}.generating"));
    fs::write(&leftover, &whole[..whole.len() / 2]).unwrap();

    assert!(sled::open(&db).is_err(), "sled copes by itself: the rule can go");
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!(opened, Opened::Clean);
    check_list(&store);
    assert_eq!(store.piece_map(DownloadId(2)).unwrap().len(), 5);
    assert!(!leftover.exists());
}

#[test]
fn garbage_anywhere_in_the_database_leaves_the_list() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let good = tempfile::tempdir().unwrap();
    fill(good.path());
    drop(Store::open(good.path()).unwrap());
    let files: Vec<_> = names(&good.path().join("db"))
        .into_iter()
        .filter(|name| good.path().join("db").join(name).is_file())
        .collect();
    let kept = Store::open(good.path()).unwrap().0.piece_map(DownloadId(2)).unwrap();
    let (mut rebuilt, rounds) = (0, 60);
    for round in 0..rounds {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("profile");
        copy_dir(good.path(), &dir);
        let file = files.choose(&mut rng).unwrap();
        let path = dir.join("db").join(file);
        let mut bytes = fs::read(&path).unwrap();
        let what = match rng.random_range(0..4) {
            0 => {
                fs::remove_file(&path).unwrap();
                "gone"
            }
            1 => {
                bytes.truncate(rng.random_range(0..bytes.len()));
                fs::write(&path, &bytes).unwrap();
                "cut"
            }
            2 => {
                let start = rng.random_range(0..bytes.len());
                let end = rng.random_range(start..=bytes.len().min(start + 4096));
                rng.fill_bytes(&mut bytes[start..end]);
                fs::write(&path, &bytes).unwrap();
                "overwritten in a place"
            }
            _ => {
                rng.fill_bytes(&mut bytes);
                fs::write(&path, &bytes).unwrap();
                "overwritten"
            }
        };
        println!("round {round}: {file} {what}");
        let (store, opened) = Store::open(&dir).unwrap();
        check_list(&store);
        // A map may be lost, it may not be another one.
        for chunk in store.piece_map(DownloadId(2)).unwrap() {
            assert!(kept.contains(&chunk));
        }
        rebuilt += usize::from(opened != Opened::Clean);
        drop(store);
        assert_eq!(Store::open(&dir).unwrap().1, Opened::Clean);
    }
    println!("{rebuilt} of {rounds} rebuilt");
    assert!(rebuilt > 0);
}

#[test]
fn a_damaged_database_is_set_aside_and_the_list_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    break_database(dir.path());
    let (store, opened) = Store::open(dir.path()).unwrap();
    let path = set_aside(&opened);
    assert_eq!(opened, Opened::Rebuilt { set_aside: Some(path.clone()), downloads: 3 });
    assert_eq!(fs::read(path.join("conf")).unwrap(), b"segment_size: none");
    check_list(&store);
    assert_eq!(store.piece_map(DownloadId(2)).unwrap(), []);
    // Some download may have been added after the copy.
    assert!(store.next_download_id().0 > 1000);
}

#[test]
fn a_torn_copy_falls_back_to_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let (store, _) = Store::open(dir.path()).unwrap();
    store.apply(&[Op::PutDownload(download(4))]).unwrap();
    drop(store);
    let copy = dir.path().join("downloads.json");
    let whole = fs::read(&copy).unwrap();
    fs::write(&copy, &whole[..whole.len() - 20]).unwrap();
    break_database(dir.path());
    // The one before does not know the fourth download yet.
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!(opened, Opened::Rebuilt { set_aside: Some(set_aside(&opened)), downloads: 3 });
    check_list(&store);
}

#[test]
fn a_torn_copy_beside_a_good_database_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let copy = dir.path().join("downloads.json");
    for damage in [b"{\"schema\":1,".as_slice(), b"", b"\x00\x00\x00"] {
        fs::write(&copy, damage).unwrap();
        let (store, opened) = Store::open(dir.path()).unwrap();
        assert_eq!(opened, Opened::Clean);
        store.flush().unwrap();
        let copied: serde_json::Value = serde_json::from_slice(&fs::read(&copy).unwrap()).unwrap();
        assert_eq!(copied["downloads"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn with_nothing_left_a_profile_begins_anew_and_repeats_no_id() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    for name in ["downloads.json", "downloads.json.bak"] {
        fs::write(dir.path().join(name), "{").unwrap();
    }
    break_database(dir.path());
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!(opened, Opened::Rebuilt { set_aside: Some(set_aside(&opened)), downloads: 0 });
    assert_eq!(store.downloads().unwrap(), []);
    assert!(store.next_download_id().0 > 1_000_000_000);
}

#[test]
fn a_missing_database_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!(opened, Opened::Rebuilt { set_aside: None, downloads: 3 });
    check_list(&store);
}

#[test]
fn a_database_older_than_its_copy_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let older = dir.path().join("older");
    let (store, _) = Store::open(dir.path()).unwrap();
    store.apply(&[Op::PutDownload(download(9))]).unwrap();
    drop(store);
    copy_dir(&dir.path().join("db"), &older);
    let (store, _) = Store::open(dir.path()).unwrap();
    store.apply(&[Op::RemoveDownload(DownloadId(9))]).unwrap();
    drop(store);
    fill(dir.path());
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    fs::rename(older, dir.path().join("db")).unwrap();
    let (store, opened) = Store::open(dir.path()).unwrap();
    set_aside(&opened);
    check_list(&store);
}

#[test]
fn the_copy_is_renewed_by_changes_of_substance_only() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let copy = dir.path().join("downloads.json");
    let generation = || {
        let copied: serde_json::Value = serde_json::from_slice(&fs::read(&copy).unwrap()).unwrap();
        copied["generation"].as_u64().unwrap()
    };
    // Dropping a store writes a copy that is due, however long the last one took.
    let after = |ops: &[Op]| {
        let before = generation();
        let (store, _) = Store::open(dir.path()).unwrap();
        store.apply(ops).unwrap();
        drop(store);
        generation() - before
    };
    let mut record = download(1);
    record.active_ms = 500;
    record.kept_bytes = 600;
    record.sources = records()[0].sources.clone();
    let id = DownloadId(1);
    assert_eq!(after(&[Op::PutDownload(record.clone()), Op::PutMapChunk(id, chunk(0, 4))]), 0);
    assert_eq!(after(&[Op::PutSettings(settings()), Op::PutFriend(friend())]), 0);
    record.life = manyhands_core::Life::Paused;
    assert_eq!(after(&[Op::PutDownload(record.clone())]), 1);
    assert_eq!(after(&[Op::Order(vec![DownloadId(2), id])]), 1);
    assert_eq!(after(&[Op::RemoveDownload(DownloadId(3))]), 1);
    assert_eq!(after(&[Op::RemoveDownload(DownloadId(3))]), 0);
    assert_eq!(after(&[Op::PutSettings(Settings::default())]), 1);
    assert_eq!(after(&[Op::RemoveFriend(friend().id)]), 1);
    assert_eq!(after(&[Op::PutGroup(group())]), 0);
    assert_eq!(after(&[Op::DeleteGroup(group().id)]), 1);
    // What it holds is what is there now, progress too.
    break_database(dir.path());
    let (store, _) = Store::open(dir.path()).unwrap();
    assert_eq!(store.downloads().unwrap(), [download(2), record]);
}

#[test]
fn a_later_schema_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let refused = || match Store::open(dir.path()) {
        Err(error @ OpenError::Newer { found: 2, ours: 1 }) => {
            assert!(error.to_string().contains("later version"), "{error}");
        }
        other => panic!("{other:?}"),
    };
    let copy = dir.path().join("downloads.json");
    let ours = fs::read_to_string(&copy).unwrap();
    let later = ours.replace("\"schema\":1", "\"schema\":2");
    assert_ne!(ours, later);
    fs::write(&copy, &later).unwrap();
    break_database(dir.path());
    let before = names(dir.path());
    refused();
    assert_eq!(names(dir.path()), before);
    assert_eq!(fs::read_to_string(&copy).unwrap(), later);

    fs::write(&copy, ours).unwrap();
    set_aside(&Store::open(dir.path()).unwrap().1);
    let db = open_raw(dir.path());
    db.insert("schema", "2").unwrap();
    drop(db);
    refused();
}

#[test]
fn a_record_that_cannot_be_read_hides_no_other_and_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let key = [b"d/".as_slice(), &1_u64.to_be_bytes()].concat();
    let later = r#"{"id":1,"life":{"state":"seeding"},"spec":{"url":"magnet:?xt=1"}}"#;
    let torn = [b"p/".as_slice(), &2_u64.to_be_bytes(), &0_u32.to_be_bytes()].concat();
    let db = open_raw(dir.path());
    db.insert(&key, later).unwrap();
    db.insert(&torn, &[1, 2, 3]).unwrap();
    db.insert([b"f/".as_slice(), &[9; 32]].concat(), "{").unwrap();
    drop(db);
    let others = || records().into_iter().filter(|record| record.id.0 != 1).collect::<Vec<_>>();
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!(opened, Opened::Clean);
    assert_eq!(store.downloads().unwrap(), others());
    assert_eq!(store.friends().unwrap(), [friend()]);
    assert_eq!(store.piece_map(DownloadId(2)).unwrap().len(), 4);
    store.apply(&[Op::PutDownload(download(8))]).unwrap();
    drop(store);
    let stored = |key: &[u8]| {
        let db = open_raw(dir.path());
        db.get(key).unwrap().map(|value| value.to_vec())
    };
    assert_eq!(stored(&key).as_deref(), Some(later.as_bytes()));
    // By way of the copy too.
    break_database(dir.path());
    let (store, opened) = Store::open(dir.path()).unwrap();
    set_aside(&opened);
    assert_eq!(store.downloads().unwrap(), [others(), vec![download(8)]].concat());
    drop(store);
    let kept: serde_json::Value = serde_json::from_slice(&stored(&key).unwrap()).unwrap();
    assert_eq!(kept, serde_json::from_str::<serde_json::Value>(later).unwrap());
}

#[test]
fn a_profile_of_before_there_were_groups_is_read_and_one_more_group_hides_none() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let key = [b"g/".as_slice(), group().id.as_bytes()].concat();
    let db = open_raw(dir.path());
    db.remove(&key).unwrap();
    drop(db);
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!(opened, Opened::Clean);
    assert_eq!(store.groups().unwrap(), []);
    assert_eq!(store.friends().unwrap(), [friend()]);
    drop(store);
    // Its copy knows none either.
    let copy = dir.path().join("downloads.json");
    let mut older: serde_json::Value = serde_json::from_slice(&fs::read(&copy).unwrap()).unwrap();
    assert!(older.as_object_mut().unwrap().remove("groups").is_some());
    fs::write(&copy, serde_json::to_vec(&older).unwrap()).unwrap();
    break_database(dir.path());
    let (store, opened) = Store::open(dir.path()).unwrap();
    set_aside(&opened);
    assert_eq!(store.groups().unwrap(), []);
    assert_eq!(store.friends().unwrap(), [friend()]);
    store.apply(&[Op::PutGroup(group())]).unwrap();
    drop(store);
    let db = open_raw(dir.path());
    db.insert([b"g/".as_slice(), &[9; 32]].concat(), r#"{"id":"of a later program"}"#).unwrap();
    drop(db);
    let (store, _) = Store::open(dir.path()).unwrap();
    assert_eq!(store.groups().unwrap(), [group()]);
}

#[test]
fn only_the_newest_damaged_databases_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let mut last = PathBuf::new();
    for _ in 0..5 {
        break_database(dir.path());
        last = set_aside(&Store::open(dir.path()).unwrap().1);
    }
    let kept: Vec<_> =
        names(dir.path()).into_iter().filter(|name| name.starts_with("db.broken-")).collect();
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(last.ends_with(kept.last().unwrap()));
}

#[test]
fn trouble_of_the_surroundings_sets_nothing_aside() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    assert!(matches!(Store::open(&file), Err(OpenError::Io { .. })));
    assert!(ProfileLock::acquire(&file, Duration::ZERO).is_err());
    assert_eq!(names(dir.path()), ["file"]);
}

#[test]
fn a_file_where_the_database_should_be_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    fs::write(dir.path().join("db"), "hello").unwrap();
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!(fs::read(set_aside(&opened)).unwrap(), b"hello");
    check_list(&store);
}
