//! A process that is killed at any instant loses nothing that it was told is kept, and tears nothing.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use common::{chunk, download};
use manyhands_core::{DownloadId, MapChunk};
use manyhands_store::{Op, Opened, ProfileLock, Settings, Store, StoreError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const DIR: &str = "MANYHANDS_STORE_TEST_DIR";
const KILLS: usize = 60;
/// After a kill the lock is free at once or very soon.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Portion 1 with contents that only `n` has.
fn map_of(n: u64) -> MapChunk {
    MapChunk { boot_id: n.to_string(), ..chunk(1, 1 + n as usize % 200) }
}

/// What step `n` changes, in several places at once.
fn step(n: u64) -> Vec<Op> {
    let mut record = download(1);
    record.active_ms = n;
    let settings = Settings { device_name: Some(n.to_string()), ..Settings::default() };
    let mut ops = vec![
        Op::PutDownload(record),
        Op::PutMapChunk(DownloadId(1), map_of(n)),
        Op::PutSettings(settings),
        Op::PutDownload(download(1000 + n)),
    ];
    // A window of downloads comes and goes, so that the list and its copy change too.
    ops.extend(n.checked_sub(20).map(|gone| Op::RemoveDownload(DownloadId(1000 + gone))));
    ops
}

/// How far the store is; panics where its parts are of different steps.
fn last_step(store: &Store) -> u64 {
    let downloads = store.downloads().unwrap();
    let Some(record) = downloads.first() else {
        assert_eq!(store.settings().unwrap(), Settings::default());
        return 0;
    };
    let n = record.active_ms;
    assert_eq!(store.piece_map(DownloadId(1)).unwrap(), [map_of(n)]);
    assert_eq!(store.settings().unwrap().device_name, Some(n.to_string()));
    let window: Vec<_> = downloads[1..].iter().map(|record| record.id.0).collect();
    let expected: Vec<_> = (n.saturating_sub(19).max(1)..=n).map(|n| 1000 + n).collect();
    assert_eq!(window, expected);
    n
}

/// The process that is killed: steps for ever, and says which ones are kept.
fn writer(dir: &Path) {
    let _lock = ProfileLock::acquire(dir, LOCK_WAIT).unwrap();
    let (store, opened) = Store::open(dir).unwrap();
    assert_eq!(opened, Opened::Clean);
    for n in last_step(&store) + 1.. {
        let kept = store.apply(&step(n)).and_then(|()| match n % 7 {
            0 => store.flush(),
            _ => store.flush_to_os(),
        });
        match kept {
            Ok(()) => println!("kept {n}"),
            // The disk is full.
            Err(StoreError::Io { .. }) => {
                println!("full");
                return;
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// The test that is [`writer`] in the process where [`DIR`] is set.
const WRITES: &str = "nothing_kept_is_lost_or_torn_by_kills_at_random_instants";

/// Runs [`writer`], by way of a shell command that ends in `exec "$@"`.
fn start(dir: &Path, shell: &str) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new("sh")
        .args(["-c", shell, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", WRITES, "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap() as ChildStdout).lines();
    (child, lines.map(|line| line.unwrap()))
}

fn kept(line: &str) -> Option<u64> {
    line.rsplit_once("kept ")?.1.parse().ok()
}

#[test]
fn nothing_kept_is_lost_or_torn_by_kills_at_random_instants() {
    if let Some(dir) = std::env::var_os(DIR) {
        return writer(Path::new(&dir));
    }
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().unwrap();
    let (mut kept_steps, mut while_opening) = (0, 0);
    for kill in 0..KILLS {
        let (mut child, mut lines) = start(dir.path(), r#"exec "$@""#);
        let mut last = None;
        // Every third kill falls into the start, the others into the work.
        let wanted = if kill % 3 == 0 { 0 } else { rng.random_range(1..80) };
        for _ in 0..wanted {
            last = lines.by_ref().find_map(|line| kept(&line));
            assert!(last.is_some(), "the writer ended by itself");
        }
        // Not to wait for anything: the instant is to be any.
        let most = if wanted == 0 { 40_000 } else { 3_000 };
        std::thread::sleep(Duration::from_micros(rng.random_range(0..most)));
        child.kill().unwrap();
        child.wait().unwrap();
        let last = lines.filter_map(|line| kept(&line)).last().or(last);
        while_opening += usize::from(last.is_none());
        kept_steps = kept_steps.max(last.unwrap_or(0));

        let _lock = ProfileLock::acquire(dir.path(), LOCK_WAIT).unwrap();
        let (store, opened) = Store::open(dir.path()).unwrap();
        assert_eq!(opened, Opened::Clean);
        let found = last_step(&store);
        assert!(found >= kept_steps, "step {kept_steps} was kept, {found} found");
        kept_steps = found;
    }
    println!("{KILLS} kills, {while_opening} of them before the first step, {kept_steps} steps");
}

#[test]
#[cfg(unix)]
fn a_full_disk_is_an_error_and_what_was_kept_stays() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    // No file may grow beyond 1 MiB (or 2, as the shell counts), and trying is an error instead of a signal.
    let (mut child, lines) = start(dir.path(), r#"trap '' XFSZ; ulimit -f 2048; exec "$@""#);
    let lines: Vec<_> = lines.collect();
    child.wait().unwrap();
    assert!(lines.iter().any(|line| line.ends_with("full")), "{lines:?}");
    let last = lines.iter().filter_map(|line| kept(line)).next_back().unwrap();
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!(opened, Opened::Clean);
    let found = last_step(&store);
    assert!(found >= last, "step {last} was kept, {found} found");
    // With room again it goes on.
    store.apply(&step(found + 1)).unwrap();
    store.flush().unwrap();
    drop(store);
    assert_eq!(last_step(&Store::open(dir.path()).unwrap().0), found + 1);
}
