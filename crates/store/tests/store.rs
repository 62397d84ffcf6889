//! What is put in comes out again, in its order, after another opening too.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::Path;

use common::{chunk, download};
use manyhands_core::{
    DownloadId, Failure, FailureCode, GroupId, HostList, Ledger, LendRule, LentDay, Life,
    MAP_CHUNK_ENTRIES, PeerId, SourceId, SourceRecord,
};
use manyhands_store::{
    BlockedPeer, Friend, Group, Op, OpenError, Opened, Settings, Store, StoreError, Theme,
};

/// Opens the profile, which has to be in order.
fn open(dir: &Path) -> Store {
    let (store, opened) = Store::open(dir).unwrap();
    assert_eq!(opened, Opened::Clean);
    store
}

fn ids(store: &Store) -> Vec<u64> {
    store.downloads().unwrap().iter().map(|record| record.id.0).collect()
}

fn source(id: u16) -> SourceRecord {
    let peer = Some(PeerId::from_digest([id as u8; 32]));
    let name = format!("{id:\u{1F600}>64}");
    SourceRecord { id: SourceId(id), peer, mode: None, name, received_bytes: u64::MAX >> 11 }
}

fn friend(n: u8) -> Friend {
    Friend {
        id: PeerId::from_digest([n; 32]),
        name: format!("friend {n}"),
        added_unix_ms: 1_764_000_000_000,
        last_addresses: vec!["10.77.1.12:52100".parse().unwrap(), "[fe80::1]:1".parse().unwrap()],
        rule: None,
        paired: n % 2 == 1,
    }
}

fn group(n: u8) -> Group {
    Group {
        id: GroupId::from_digest([n; 32]),
        invite: format!("manyhands://join?v=1&k={n}"),
        name: format!("group {n}"),
        joined_unix_ms: 1_764_000_000_000,
        founder: n % 2 == 1,
    }
}

#[test]
fn everything_is_there_after_another_opening() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = download(1);
    first.sources = vec![source(0), source(1)];
    first.active_ms = 77;
    let settings = Settings { theme: Theme::Dark, max_active_downloads: 7, ..Settings::default() };
    let store = open(dir.path());
    assert_eq!(store.settings().unwrap(), Settings::default());
    store
        .apply(&[
            Op::PutDownload(first.clone()),
            Op::PutDownload(download(2)),
            Op::PutMapChunk(DownloadId(1), chunk(0, 5)),
            Op::PutMapChunk(DownloadId(1), chunk(7, 9)),
            Op::PutMapChunk(DownloadId(2), chunk(1, 1)),
            Op::PutSettings(settings.clone()),
            Op::PutFriend(friend(9)),
            Op::PutFriend(friend(3)),
            Op::PutGroup(group(4)),
            Op::PutGroup(group(1)),
        ])
        .unwrap();
    let check = |store: &Store| {
        assert_eq!(store.downloads().unwrap(), [first.clone(), download(2)]);
        assert_eq!(store.piece_map(DownloadId(1)).unwrap(), [chunk(0, 5), chunk(7, 9)]);
        assert_eq!(store.piece_map(DownloadId(2)).unwrap(), [chunk(1, 1)]);
        assert_eq!(store.settings().unwrap(), settings);
        assert_eq!(store.friends().unwrap(), [friend(3), friend(9)]);
        assert_eq!(store.groups().unwrap(), [group(1), group(4)]);
    };
    check(&store);
    store.flush().unwrap();
    drop(store);
    check(&open(dir.path()));
}

#[test]
fn the_queue_keeps_its_order_and_new_downloads_come_last() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let order = |ids: &[u64]| Op::Order(ids.iter().copied().map(DownloadId).collect());
    store.apply(&(1..=5).map(|id| Op::PutDownload(download(id))).collect::<Vec<_>>()).unwrap();
    assert_eq!(ids(&store), [1, 2, 3, 4, 5]);
    store.apply(&[order(&[4, 2, 5, 1, 3])]).unwrap();
    store.apply(&[Op::PutDownload(download(6)), Op::PutDownload(download(2))]).unwrap();
    assert_eq!(ids(&store), [4, 2, 5, 1, 3, 6]);
    // One that is not there any more, one twice, and some left out.
    store.apply(&[Op::RemoveDownload(DownloadId(5)), order(&[3, 5, 3, 6])]).unwrap();
    drop(store);
    assert_eq!(ids(&open(dir.path())), [3, 6, 1, 2, 4]);
}

#[test]
fn a_queue_of_ten_thousand_downloads_is_stored_and_reordered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let puts: Vec<_> = (1..=10_000).map(|id| Op::PutDownload(download(id))).collect();
    store.apply(&puts).unwrap();
    let reversed: Vec<_> = (1..=10_000).rev().collect();
    store.apply(&[Op::Order(reversed.iter().copied().map(DownloadId).collect())]).unwrap();
    assert_eq!(ids(&store), reversed);
    // A shorter order replaces the whole longer one.
    store.apply(&[Op::Order(vec![DownloadId(5)])]).unwrap();
    drop(store);
    let expected: Vec<_> = std::iter::once(5).chain(1..=4).chain(6..=10_000).collect();
    assert_eq!(ids(&open(dir.path())), expected);
}

#[test]
fn a_download_with_a_thousand_helpers_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut record = download(1);
    record.sources = (0..1000).map(source).collect();
    store.apply(&[Op::PutDownload(record.clone())]).unwrap();
    assert_eq!(store.downloads().unwrap(), [record.clone()]);
    record.sources.truncate(70);
    record.sources[65].received_bytes = 1;
    store.apply(&[Op::PutDownload(record.clone())]).unwrap();
    drop(store);
    assert_eq!(open(dir.path()).downloads().unwrap(), [record]);
}

#[test]
fn removing_a_download_takes_its_piece_map_along() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let put = |id| [Op::PutDownload(download(id)), Op::PutMapChunk(DownloadId(id), chunk(0, 3))];
    store.apply(&[put(1), put(2), put(256)].concat()).unwrap();
    store.apply(&[Op::RemoveDownload(DownloadId(1))]).unwrap();
    // A late portion of a removed download, and a removal in one batch with what it removes.
    store.apply(&[Op::PutMapChunk(DownloadId(1), chunk(0, 3))]).unwrap();
    store.apply(&[&put(3)[..], &[Op::RemoveDownload(DownloadId(3))]].concat()).unwrap();
    assert_eq!(ids(&store), [2, 256]);
    assert_eq!(store.piece_map(DownloadId(1)).unwrap(), []);
    assert_eq!(store.piece_map(DownloadId(3)).unwrap(), []);
    assert_eq!(store.piece_map(DownloadId(2)).unwrap(), [chunk(0, 3)]);
    assert_eq!(store.piece_map(DownloadId(256)).unwrap(), [chunk(0, 3)]);
}

#[test]
fn a_cleared_piece_map_holds_what_is_put_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = DownloadId(1);
    store
        .apply(&[
            Op::PutDownload(download(1)),
            Op::PutMapChunk(id, chunk(0, 3)),
            Op::PutMapChunk(id, chunk(1, 3)),
        ])
        .unwrap();
    store.apply(&[Op::ClearMap(id), Op::PutMapChunk(id, chunk(1, 3))]).unwrap();
    assert_eq!(store.piece_map(id).unwrap(), [chunk(1, 3)]);
    store.apply(&[Op::PutMapChunk(id, chunk(2, 3)), Op::ClearMap(id)]).unwrap();
    assert_eq!(store.piece_map(id).unwrap(), []);
}

#[test]
fn an_id_is_never_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (first, second) = (store.next_download_id(), store.next_download_id());
    assert!(first < second);
    store.apply(&[Op::PutDownload(download(second.0))]).unwrap();
    store.apply(&[Op::RemoveDownload(second)]).unwrap();
    drop(store);
    let store = open(dir.path());
    let third = store.next_download_id();
    assert!(third > second, "{third} after {second}");
    store.apply(&[Op::PutDownload(download(500))]).unwrap();
    assert_eq!(store.next_download_id(), DownloadId(501));
}

#[test]
fn the_largest_portion_of_a_piece_map_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let full = chunk(u32::MAX, MAP_CHUNK_ENTRIES);
    store
        .apply(&[Op::PutDownload(download(1)), Op::PutMapChunk(DownloadId(1), full.clone())])
        .unwrap();
    assert_eq!(store.piece_map(DownloadId(1)).unwrap(), [full]);
}

#[test]
fn what_is_too_large_is_refused_and_its_batch_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.apply(&[Op::PutDownload(download(1))]).unwrap();
    let refused = |op: Op| {
        let error = store.apply(&[Op::PutDownload(download(2)), op]).unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    };
    let mut record = download(3);
    record.life =
        Life::Failed { failure: Failure::new(FailureCode::Internal, "x".repeat(64 << 10)) };
    refused(Op::PutDownload(record));
    let mut record = download(3);
    record.sources = vec![SourceRecord { name: "x".repeat(64 << 10), ..source(0) }];
    refused(Op::PutDownload(record));
    refused(Op::PutSettings(Settings {
        device_name: Some("x".repeat(64 << 10)),
        ..Settings::default()
    }));
    refused(Op::PutFriend(Friend { name: "x".repeat(64 << 10), ..friend(1) }));
    let mut long = chunk(0, 1);
    long.boot_id = "x".repeat(64 << 10);
    refused(Op::PutMapChunk(DownloadId(1), long));
    assert_eq!(store.downloads().unwrap(), [download(1)]);
    assert_eq!(store.friends().unwrap(), []);
}

#[test]
fn groups_are_replaced_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.apply(&[Op::PutGroup(group(1)), Op::PutGroup(group(2))]).unwrap();
    let moved = Group { invite: "manyhands://join?v=1&k=new".to_owned(), ..group(1) };
    store.apply(&[Op::PutGroup(moved.clone()), Op::DeleteGroup(group(2).id)]).unwrap();
    assert_eq!(store.groups().unwrap(), std::slice::from_ref(&moved));
    drop(store);
    assert_eq!(open(dir.path()).groups().unwrap(), [moved]);
}

#[test]
fn friends_are_replaced_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.apply(&[Op::PutFriend(friend(1)), Op::PutFriend(friend(2))]).unwrap();
    let renamed = Friend { name: "Mo".to_owned(), ..friend(1) };
    store.apply(&[Op::PutFriend(renamed.clone()), Op::RemoveFriend(friend(2).id)]).unwrap();
    assert_eq!(store.friends().unwrap(), [renamed]);
}

#[test]
fn a_second_store_on_one_profile_is_refused_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.apply(&[Op::PutDownload(download(1))]).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(OpenError::InUse { .. })));
    store.apply(&[Op::PutDownload(download(2))]).unwrap();
    drop(store);
    assert_eq!(ids(&open(dir.path())), [1, 2]);
}

#[test]
#[cfg(unix)]
fn nobody_else_can_read_what_is_stored() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("profile");
    let store = open(&data_dir);
    store.apply(&[Op::PutDownload(download(1))]).unwrap();
    store.flush().unwrap();
    store.save_secret("identity.pem", b"key").unwrap();
    for (name, mode) in
        [("", 0o700), ("db", 0o700), ("downloads.json", 0o600), ("identity.pem", 0o600)]
    {
        let found = std::fs::metadata(data_dir.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name:?}");
    }
    drop(store);
    // Also where the folder was copied without its rights.
    let db = data_dir.join("db");
    std::fs::set_permissions(&db, std::fs::Permissions::from_mode(0o755)).unwrap();
    open(&data_dir);
    assert_eq!(std::fs::metadata(&db).unwrap().permissions().mode() & 0o777, 0o700);
}

fn blocked(n: u8) -> BlockedPeer {
    BlockedPeer {
        id: PeerId::from_digest([n; 32]),
        name: format!("blocked {n}"),
        blocked_unix_ms: 7,
    }
}

fn lent(day: i32, bytes: u64) -> LentDay {
    LentDay { day, bytes, by_peer: [(PeerId::from_digest([1; 32]), bytes)].into() }
}

#[test]
fn rules_blocked_devices_and_what_was_lent_are_there_after_another_opening() {
    let dir = tempfile::tempdir().unwrap();
    let hours = Some("22-8".parse().unwrap());
    let rule = Some(LendRule { daily_bytes: 5, bytes_per_s: 6, hours });
    let settings = Settings {
        lend_daily_bytes: 0,
        lend_hours: hours,
        lend_never_hosts: Some(HostList::new(["example.org"]).unwrap()),
        ..Settings::default()
    };
    let store = open(dir.path());
    store
        .apply(&[
            Op::PutFriend(Friend { rule, ..friend(1) }),
            Op::PutBlocked(blocked(2)),
            Op::PutBlocked(blocked(3)),
            Op::RemoveBlocked(blocked(3).id),
            Op::PutSettings(settings.clone()),
            Op::PutLentDay(lent(-1, 3)),
            Op::PutLentDay(lent(2, 4)),
            Op::PutLentDay(lent(2, 9)),
        ])
        .unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.friends().unwrap(), [Friend { rule, ..friend(1) }]);
    assert_eq!(store.blocked().unwrap(), [blocked(2)]);
    assert_eq!(store.lent().unwrap(), [lent(-1, 3), lent(2, 9)]);
    assert_eq!(store.settings().unwrap(), settings);
}

#[test]
fn only_the_last_days_of_lending_are_kept_and_never_is_today_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for day in 0..20 {
        store.apply(&[Op::PutLentDay(lent(70_000 + day, 1))]).unwrap();
    }
    let all: Vec<_> = (0..20).map(|day| Op::PutLentDay(lent(80_000 + day, 1))).collect();
    store.apply(&all).unwrap();
    store.apply(&[Op::PutLentDay(lent(100, 1))]).unwrap();
    let days: Vec<_> = store.lent().unwrap().iter().map(|day| day.day).collect();
    assert_eq!(days.len(), Ledger::MAX_DAYS);
    assert_eq!((days.first(), days.last()), (Some(&100), Some(&80_019)));
}

#[test]
fn the_longest_list_of_hosts_and_the_busiest_day_fit() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let host = |n: usize| format!("{}.{n:03}.example", "a".repeat(52));
    let hosts = HostList::new((0..HostList::MAX_HOSTS).map(host)).unwrap();
    let settings = Settings { lend_never_hosts: Some(hosts), ..Settings::default() };
    let peer = |n: usize| PeerId::from_digest(std::array::from_fn(|i| (n >> (i % 2 * 8)) as u8));
    let by_peer = (0..LentDay::MAX_PEERS).map(|n| (peer(n), u64::MAX)).collect();
    let day = LentDay { day: 1, bytes: u64::MAX, by_peer };
    store.apply(&[Op::PutSettings(settings.clone()), Op::PutLentDay(day.clone())]).unwrap();
    assert_eq!(store.settings().unwrap(), settings);
    assert_eq!(store.lent().unwrap(), [day]);
}
