//! Full disks, damaged and odd profiles: the program says what is wrong, keeps what it has, and goes on afterwards.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::namespaces::{assert_inside, in_own_mounts, run};
use common::{Run, Signal, World, names, sha256_of_content, sha256_of_file};
use manyhands_faultserver::{Behaviour, Framing, Ranges};

const MIB: u64 = 1 << 20;
const SEED: u64 = 6;

fn behaviour(bytes: u64) -> Behaviour {
    Behaviour { bytes, seed: SEED, ..Behaviour::default() }
}

fn slow(bytes: u64) -> Behaviour {
    Behaviour { rate_total: Some(2 * MIB), ..behaviour(bytes) }
}

fn assert_file(path: &Path, bytes: u64) {
    assert_eq!(sha256_of_file(path), sha256_of_content(SEED, bytes));
}

/// Puts a disk of 8 MiB at `at`.
fn mount_small_disk(at: &Path) {
    assert_inside();
    std::fs::create_dir(at).unwrap();
    mount(&["-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs"], at);
}

fn mount(arguments: &[&str], at: &Path) {
    run("mount", &[arguments, &[at.to_str().unwrap()]].concat());
}

/// Takes all room that is left.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("ballast");
    let mut file = std::fs::File::create(&path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    path
}

#[test]
fn a_file_too_large_for_the_disk_is_refused_before_its_first_byte() {
    in_own_mounts("a_file_too_large_for_the_disk_is_refused_before_its_first_byte", too_large);
}

fn too_large() {
    let world = World::new(behaviour(20 * MIB));
    mount_small_disk(&world.files());
    let failed = world.get_file().failed();
    assert_eq!(failed["code"], "disk-full");
    assert!(failed["message"].as_str().unwrap().contains("20971520"), "{failed}");
    assert_eq!(world.names(), [""; 0]);
    // One that fits comes all the same.
    world.server.set(behaviour(4 * MIB));
    world.get(&[&world.server.url("/small.bin")], &[]).completed();
    assert_file(&world.files().join("small.bin"), 4 * MIB);
}

#[test]
fn a_disk_that_gets_full_on_the_way_ends_the_download_and_nothing_else() {
    in_own_mounts(
        "a_disk_that_gets_full_on_the_way_ends_the_download_and_nothing_else",
        full_on_the_way,
    );
}

fn full_on_the_way() {
    let endless = |bytes| Behaviour {
        framing: Framing::Chunked(10_000),
        ranges: Ranges::Ignore,
        ..behaviour(bytes)
    };
    let world = World::new(endless(20 * MIB));
    mount_small_disk(&world.files());
    let elsewhere = world.root.path().join("elsewhere");
    // Both at once, and the other one is none of the disk's business.
    let mut other = world.program();
    other.args(["get", &world.server.url("/other.bin"), "--json", "--dir"]).arg(&elsewhere);
    let other = Run::start(&mut other);
    let failed = world.get_file().failed();
    assert_eq!(failed["code"], "disk-full");
    assert!(failed["message"].as_str().unwrap().contains("file.bin.part"), "{failed}");
    other.completed();
    assert_file(&elsewhere.join("other.bin"), 20 * MIB);
    // The list is whole: the same link goes on with its own part file once there is room.
    assert_eq!(world.names(), ["file.bin.part"]);
    mount(&["-o", "remount,size=32m"], &world.files());
    world.get_file().completed();
    assert_file(&world.files().join("file.bin"), 20 * MIB);
    assert_eq!(world.names(), ["file.bin"]);
}

#[test]
fn a_disk_that_gets_full_between_ranges_keeps_what_it_has() {
    in_own_mounts("a_disk_that_gets_full_between_ranges_keeps_what_it_has", full_between_ranges);
}

fn full_between_ranges() {
    let world = World::new(slow(6 * MIB));
    mount_small_disk(&world.files());
    let mut run = world.get_file();
    run.until_bytes(2 * MIB);
    let ballast = fill(&world.files());
    let failed = run.failed();
    assert_eq!(failed["code"], "disk-full");
    std::fs::remove_file(ballast).unwrap();
    world.server.set(behaviour(6 * MIB));
    let mut run = world.get_file();
    let kept = run.next().unwrap()["bytes"].as_u64().unwrap();
    assert!(kept >= 2 * MIB, "{kept}");
    run.completed();
    assert_file(&world.files().join("file.bin"), 6 * MIB);
}

#[test]
fn a_full_disk_of_the_profile_is_told() {
    in_own_mounts("a_full_disk_of_the_profile_is_told", full_profile);
}

fn full_profile() {
    let world = World::new(slow(6 * MIB));
    mount_small_disk(&world.profile());
    let ballast = fill(&world.profile());
    let ended = world.get_file().end();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains(world.profile().to_str().unwrap()), "{ended:?}");
    assert!(ended.stderr.contains("No space left"), "{ended:?}");
    assert_eq!(world.names(), [""; 0]);
    // Full while it works, and freed again.
    std::fs::remove_file(ballast).unwrap();
    let mut run = world.get_file();
    run.until_bytes(MIB);
    let ballast = fill(&world.profile());
    let failed = run.failed();
    assert_eq!(failed["code"], "profile", "{failed}");
    std::fs::remove_file(ballast).unwrap();
    world.server.set(behaviour(6 * MIB));
    world.get_file().completed();
    assert_file(&world.files().join("file.bin"), 6 * MIB);
    assert_eq!(world.names(), ["file.bin"]);
}

#[test]
fn a_profile_that_may_not_be_written_is_told() {
    in_own_mounts("a_profile_that_may_not_be_written_is_told", read_only_profile);
}

fn read_only_profile() {
    let world = World::new(behaviour(MIB));
    mount_small_disk(&world.profile());
    mount(&["-o", "remount,ro"], &world.profile());
    let ended = world.get_file().end();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains(world.profile().to_str().unwrap()), "{ended:?}");
    assert!(ended.stderr.contains("Read-only"), "{ended:?}");
    assert_eq!(world.names(), [""; 0]);
    mount(&["-o", "remount,rw"], &world.profile());
    world.get_file().completed();
}

#[test]
fn a_profile_whose_path_is_longer_than_a_socket_may_have_works_for_two() {
    let world = World::new(slow(4 * MIB));
    let deep = world.root.path().join("d".repeat(100)).join("e".repeat(100));
    let get = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands-cli"));
        command.arg("--data-dir").arg(&deep).args(["get", "--json"]);
        command.arg(world.server.url(name)).arg("--dir").arg(world.files());
        Run::start(&mut command)
    };
    let mut first = get("/first.bin");
    first.until_bytes(1);
    let second = get("/second.bin");
    first.completed();
    second.completed();
    assert_eq!(world.names(), ["first.bin", "second.bin"]);
    assert_file(&world.files().join("second.bin"), 4 * MIB);
}

#[test]
fn a_damaged_database_is_told_and_the_list_is_there() {
    let world = World::new(slow(6 * MIB));
    let (one, two) = (world.server.url("/one.bin"), world.server.url("/two.bin"));
    let mut run = world.get(&[&one, &two], &[]);
    run.until_bytes(MIB);
    run.signal(Signal::INT);
    assert_eq!(run.end().code, 130);
    assert_eq!(world.names(), ["one.bin.part", "two.bin.part"]);
    let db = world.profile().join("db");
    for name in names(&db) {
        let path = db.join(name);
        if path.is_file() {
            let length = std::fs::metadata(&path).unwrap().len() as usize;
            std::fs::write(&path, b"garbage!".repeat(length / 8 + 1)).unwrap();
        }
    }
    world.server.set(behaviour(6 * MIB));
    let ended = world.get(&[&one, &two], &[]).completed();
    assert!(ended.stderr.contains("damaged"), "{ended:?}");
    assert!(names(&world.profile()).iter().any(|name| name.starts_with("db.broken-")));
    // With both on the list, neither takes its own part file for somebody else's.
    assert_eq!(world.names(), ["one.bin", "two.bin"]);
    assert_file(&world.files().join("one.bin"), 6 * MIB);
    assert_file(&world.files().join("two.bin"), 6 * MIB);
    // That was told once.
    let ended = world.get(&[&one], &[]).completed();
    assert!(!ended.stderr.contains("damaged"), "{ended:?}");
}
