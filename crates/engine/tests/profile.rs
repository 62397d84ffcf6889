//! What a profile goes through: its disk full, its database damaged, a stop at an awkward moment.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::World;
use manyhands_engine::view::RowState;
use manyhands_faultserver::{Behaviour, FaultServer};

const BYTES: u64 = 6 << 20;
/// Set for a test that runs again, in a mount namespace of its own.
const INSIDE: &str = "MANYHANDS_TEST_INSIDE";
/// Large enough for the profile, small enough to be filled at once.
const DISK_BYTES: u64 = 4 << 20;

fn slow() -> Behaviour {
    Behaviour { bytes: BYTES, seed: 9, rate_total: Some(2 << 20), ..Behaviour::default() }
}

fn fast() -> Behaviour {
    Behaviour { rate_total: None, ..slow() }
}

/// Runs a test of this file where it may mount what it likes. Needs root or unprivileged user namespaces.
///
/// `test` is the name of the test that calls this: it runs again there, and then it is `inside`.
async fn in_own_mounts(test: &str, inside: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        return inside.await;
    }
    let program = std::env::current_exe().unwrap();
    let run = ["--exact", test, "--nocapture"];
    // Root needs no user namespace, and inside a chroot gets none.
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let done = Command::new("unshare")
        .args(if is_root { &["--mount"][..] } else { &["--user", "--map-root-user", "--mount"] })
        .arg(program)
        .args(run)
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy;
    assert!(done.status.success(), "{test}: {}{}", text(&done.stdout), text(&done.stderr));
    assert!(text(&done.stdout).contains("1 passed"), "{test} is the name of no test");
}

/// A world whose profile is on a disk of [`DISK_BYTES`].
async fn world_on_small_disk(behaviour: Behaviour) -> (World, PathBuf) {
    assert!(std::env::var_os(INSIDE).is_some(), "runs in a mount namespace of its own only");
    let server = FaultServer::start(behaviour);
    let mut world = World { server, root: tempfile::tempdir().unwrap(), engine: None };
    let profile = world.root.path().join("profile");
    std::fs::create_dir(&profile).unwrap();
    let size = format!("size={DISK_BYTES},mode=700");
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
        .arg(&profile)
        .status()
        .unwrap();
    assert!(mount.success());
    world.start().await;
    (world, profile)
}

/// Takes all room that is left.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("ballast");
    let mut file = std::fs::File::create(&path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_whose_disk_was_full_works_again_once_there_is_room() {
    in_own_mounts("a_profile_whose_disk_was_full_works_again_once_there_is_room", full_and_freed())
        .await;
}

async fn full_and_freed() {
    let (mut world, profile) = world_on_small_disk(slow()).await;
    let id = world.add().await;
    world.until(id, |row| row.bytes > 1 << 20).await;
    let ballast = fill(&profile);
    let failed = world.over(id).await;
    assert_eq!(failed.failure.as_ref().unwrap().code, "profile", "{failed:?}");
    assert!(failed.bytes > 1 << 20, "{failed:?}");
    // Nothing new can be noted, and what is there is not thrown away for it.
    world.engine().resume(id).await.unwrap();
    let again = world.over(id).await;
    assert_eq!(again.failure.as_ref().unwrap().code, "profile", "{again:?}");

    std::fs::remove_file(ballast).unwrap();
    world.server.set(fast());
    let before = world.server.requests().len();
    world.engine().resume(id).await.unwrap();
    let row = world.over(id).await;
    world.assert_file(&row, 9, BYTES);
    let asked = world.server.requests();
    let range = asked[before].range().unwrap();
    assert_ne!(range, "bytes=0-", "what was stored before the disk was full is not fetched again");
    world.stop().await;
    world.start().await;
    assert_eq!(world.row(id).await.state, RowState::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_off_the_list_while_the_disk_is_full_stays_off() {
    in_own_mounts(
        "what_is_taken_off_the_list_while_the_disk_is_full_stays_off",
        removed_while_full(),
    )
    .await;
}

async fn removed_while_full() {
    let (mut world, profile) = world_on_small_disk(slow()).await;
    let id = world.add().await;
    world.until(id, |row| row.bytes > 0).await;
    let ballast = fill(&profile);
    world.over(id).await;
    world.engine().remove(id).await.unwrap();
    std::fs::remove_file(ballast).unwrap();
    world.stop().await;
    world.start().await;
    assert!(world.engine().row(id).await.unwrap().is_none());
    assert_eq!(world.names(), [""; 0]);
}

#[tokio::test]
async fn the_map_of_a_file_that_changed_is_not_taken_for_the_new_one() {
    let mut world = World::new(slow()).await;
    let id = world.add().await;
    world.until(id, |row| row.bytes > 2 << 20).await;
    world.stop().await;
    let other = Behaviour { seed: 10, etag: Some("\"other\"".into()), ..fast() };
    world.server.set(other.clone());
    world.start().await;
    let failed = world.over(id).await;
    assert_eq!(failed.failure.unwrap().code, "changed");
    // The new file has its own part file, and not a byte in it, when the program ends.
    world.server.set(Behaviour { stall_after_bytes: Some(0), ..other.clone() });
    world.engine().resume(id).await.unwrap();
    world.until(id, |row| row.sources[0].connections > 0 && row.bytes == 0).await;
    world.until(id, |row| row.state == RowState::Downloading).await;
    world.stop().await;
    world.server.set(other);
    world.start().await;
    let row = world.over(id).await;
    world.assert_file(&row, 10, BYTES);
}

#[tokio::test]
async fn a_stop_before_the_map_is_loaded_forgets_nothing() {
    let mut world = World::new(slow()).await;
    let id = world.add().await;
    world.until(id, |row| row.bytes > 1 << 20).await;
    world.stop().await;
    for _ in 0..3 {
        world.start().await;
        assert!(world.row(id).await.bytes > 1 << 20);
        world.stop().await;
    }
    world.server.set(fast());
    world.start().await;
    let row = world.over(id).await;
    world.assert_file(&row, 9, BYTES);
}
