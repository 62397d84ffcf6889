//! How a `get` ends before its time, who goes on, and readers that do not read.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::Read;
use std::process::Stdio;

use common::{Run, Signal, World, kind, sha256_of_content, sha256_of_file, text_of, until, wait};
use manyhands_faultserver::Behaviour;

const BYTES: u64 = 8 << 20;
const SEED: u64 = 5;

fn slow() -> Behaviour {
    Behaviour { bytes: BYTES, seed: SEED, rate_total: Some(2 << 20), ..Behaviour::default() }
}

fn fast() -> Behaviour {
    Behaviour { rate_total: None, ..slow() }
}

fn assert_file(world: &World, name: &str) {
    assert_eq!(sha256_of_file(&world.files().join(name)), sha256_of_content(SEED, BYTES));
}

/// Ends a download in its middle with a signal, and lets the next run finish it.
fn ends_and_goes_on(signal: Signal, code: i32) {
    let world = World::new(slow());
    let mut run = world.get_file();
    run.until_bytes(1 << 20);
    run.signal(signal);
    let ended = run.end();
    assert_eq!(ended.code, code, "{ended:?}");
    assert!(ended.stderr.contains("goes on from here"), "{ended:?}");
    assert!(ended.events.iter().all(|event| kind(event) == "progress"), "{ended:?}");
    let reached = ended.events.last().unwrap()["bytes"].as_u64().unwrap();
    assert_eq!(world.names(), ["file.bin.part"]);

    world.server.set(fast());
    let before = world.server.requests().len();
    let mut run = world.get_file();
    let kept = run.next().unwrap()["bytes"].as_u64().unwrap();
    assert!((reached..BYTES).contains(&kept), "{kept} bytes kept of {reached}");
    run.completed();
    assert_file(&world, "file.bin");
    let requests = world.server.requests();
    let ranges: Vec<_> = requests[before..].iter().map(|r| r.range().unwrap()).collect();
    let first_missing = format!("bytes={kept}-");
    assert!(ranges[0].starts_with(&first_missing), "{kept} bytes were there; asked: {ranges:?}");
}

#[test]
fn ctrl_c_ends_with_130_and_nothing_is_lost() {
    ends_and_goes_on(Signal::INT, 130);
}

#[test]
fn a_polite_kill_ends_with_143_and_nothing_is_lost() {
    ends_and_goes_on(Signal::TERM, 143);
}

#[test]
fn ctrl_c_before_the_server_has_answered_ends_at_once() {
    let delay_before_head = common::LONG;
    let world = World::new(Behaviour { delay_before_head, ..fast() });
    let mut run = world.get_file();
    run.next().unwrap();
    run.signal(Signal::INT);
    assert_eq!(run.end().code, 130);
    assert_eq!(world.names(), [""; 0]);
}

#[test]
fn a_second_program_on_the_profile_goes_through_the_first() {
    let world = World::new(Behaviour { rate_total: Some(1 << 20), ..slow() });
    let mut first = world.get(&[&world.server.url("/first.bin")], &["--connections", "1"]);
    first.until_bytes(1);
    // Shorter than what the first one waits for.
    world.server.set(Behaviour { bytes: 1 << 20, ..fast() });
    let small = world.get(&[&world.server.url("/small.bin")], &[]).completed();
    assert_eq!(small.result()["bytes"], 1 << 20);
    let failed = world.get(&["http://127.0.0.1:1/nobody"], &[]).failed();
    assert_eq!(failed["code"], "cannot-connect");
    let running = first.child.try_wait().unwrap().is_none();
    let first = first.completed();
    assert!(running, "the first one ended before: {first:?}");
    assert_file(&world, "first.bin");
    assert_eq!(world.names(), ["first.bin", "small.bin"]);
}

#[test]
fn two_programs_with_the_same_wish_get_one_file() {
    let world = World::new(slow());
    let mut first = world.get_file();
    first.until_bytes(1);
    let second = world.get_file();
    let (first, second) = (first.completed(), second.completed());
    assert_eq!(first.result()["path"], second.result()["path"]);
    assert_eq!(world.names(), ["file.bin"]);
    assert_file(&world, "file.bin");
}

/// Two programs on one profile; the first one ends, in whatever way, long before the download of the second.
fn outlives_the_first(end_first: impl FnOnce(Run)) {
    let world = World::new(slow());
    let mut first = world.get(&[&world.server.url("/first.bin")], &[]);
    first.until_bytes(1);
    let mut second = world.get(&[&world.server.url("/second.bin")], &[]);
    second.until_bytes(1 << 20);
    world.server.set(fast());
    end_first(first);
    second.completed();
    assert_file(&world, "second.bin");
    let requests = world.server.requests();
    let begun =
        requests.iter().filter(|r| r.path == "/second.bin" && r.range() == Some("bytes=0-"));
    assert_eq!(begun.count(), 1, "it went on where it was");
}

#[test]
fn a_second_program_takes_over_when_the_first_is_stopped() {
    outlives_the_first(|first| {
        first.signal(Signal::INT);
        assert_eq!(first.end().code, 130);
    });
}

#[test]
fn a_second_program_takes_over_when_the_first_is_killed() {
    outlives_the_first(|first| drop(first.kill()));
}

#[test]
fn a_second_program_takes_over_when_the_first_is_done() {
    let world = World::new(Behaviour {
        bytes: 2 << 20,
        rate_per_connection: Some(2 << 20),
        rate_total: None,
        ..slow()
    });
    let mut first = world.get(&[&world.server.url("/first.bin")], &["--connections", "1"]);
    first.until_bytes(1);
    world.server.set(Behaviour { rate_total: Some(3 << 20), ..fast() });
    let mut second = world.get(&[&world.server.url("/second.bin")], &[]);
    second.until_bytes(1);
    first.completed();
    assert!(second.child.try_wait().unwrap().is_none(), "nothing was left to take over");
    second.completed();
    assert_file(&world, "second.bin");
    assert_eq!(world.names(), ["first.bin", "second.bin"]);
}

/// A link so long that some progress fills the pipe to a reader that does not read.
fn long_url(world: &World) -> String {
    world.server.url(&format!("/file.bin?{}", "x".repeat(6000)))
}

/// Linux's pipes hold 64 KiB.
const PIPE_BYTES: usize = 64 << 10;

#[test]
fn a_reader_that_does_not_read_stalls_nothing() {
    let world = World::new(slow());
    let mut command = world.program();
    command.args(["get", &long_url(&world), "--json", "--dir", "files"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let file = world.files().join("file.bin");
    until("the file is there", || file.exists());
    assert_file(&world, "file.bin");
    assert!(child.try_wait().unwrap().is_none(), "it waits for its result to be read");
    let said = text_of(child.stdout.take().unwrap());
    assert!(said.len() > PIPE_BYTES, "the pipe was never full: {} bytes", said.len());
    let last = said.lines().next_back().unwrap();
    assert!(last.contains(r#""event":"completed""#), "{last}");
    assert_eq!(wait(&mut child).code(), Some(0));
}

#[test]
fn ctrl_c_ends_a_program_whose_reader_does_not_read() {
    let world = World::new(slow());
    let mut command = world.program();
    command.args(["get", &long_url(&world), "--json", "--dir", "files"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let file = world.files().join("file.bin");
    until("the file is there", || file.exists());
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(wait(&mut child).code(), Some(130));
    let said = text_of(child.stdout.take().unwrap());
    assert!(!said.contains("completed"), "the pipe was never full: {} bytes", said.len());
}

#[test]
fn a_reader_that_goes_away_stalls_nothing() {
    let world = World::new(slow());
    let mut command = world.program();
    command.args(["get", &world.url(), "--json", "--dir", "files"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    drop(stdout);
    assert_eq!(wait(&mut child).code(), Some(0));
    assert_file(&world, "file.bin");
}
