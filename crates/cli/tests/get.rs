//! What `get` promises to those who call it from scripts: its events, its exit codes, where files go.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use common::{Run, World, kind, names, sha256_of_content, sha256_of_file};
use manyhands_faultserver::{Behaviour, Reply};
use serde_json::Value;

const BYTES: u64 = 3 << 20;
const SEED: u64 = 4;

fn good() -> Behaviour {
    let missing = Reply::Status(404, None);
    Behaviour {
        bytes: BYTES,
        seed: SEED,
        paths: [("/missing".to_owned(), missing)].into(),
        ..Behaviour::default()
    }
}

fn keys(event: &Value) -> Vec<&str> {
    event.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The sources of an event are of the promised form; how much they brought together.
fn brought(event: &Value) -> u64 {
    let sources = event["sources"].as_array().unwrap();
    let of_one = |source: &Value| {
        assert_eq!(keys(source), ["bytes", "kind", "mode", "name", "peer"]);
        assert_eq!((&source["kind"], &source["name"]), (&"origin".into(), &"127.0.0.1".into()));
        assert!(source["peer"].is_null());
        source["bytes"].as_u64().unwrap()
    };
    sources.iter().map(of_one).sum()
}

#[test]
fn progress_is_told_at_once_and_then_at_most_ten_times_a_second() {
    let world = World::new(Behaviour {
        delay_before_head: Duration::from_millis(300),
        rate_total: Some(BYTES / 2),
        ..good()
    });
    let mut run = world.get_file();
    while run.next().is_some() {}
    let events = std::mem::take(&mut run.events);
    let (last, progress) = events.split_last().unwrap();
    assert_eq!(kind(&last.1), "completed");
    for (_, event) in progress {
        assert_eq!(keys(event), ["bytes", "bytes_per_s", "event", "sources", "total", "url"]);
        assert_eq!((kind(event), &event["url"]), ("progress", &world.url().into()));
        assert!(event["bytes_per_s"].is_u64());
        assert!(brought(event) <= BYTES, "{event}");
    }
    let first = &progress[0].1;
    assert_eq!(first["bytes"], 0);
    assert!(first["total"].is_null(), "told before the server said anything: {first}");
    let known: Vec<_> = progress.iter().filter(|(_, e)| !e["total"].is_null()).collect();
    assert!(known.iter().all(|(_, event)| event["total"] == BYTES));
    let bytes: Vec<_> = progress.iter().map(|(_, e)| e["bytes"].as_u64().unwrap()).collect();
    assert!(bytes.is_sorted(), "{bytes:?}");
    let seconds = (progress[progress.len() - 1].0 - progress[0].0).as_secs_f64();
    let count = progress.len() as f64;
    assert!(count <= seconds * 10.0 + 2.0, "{count} in {seconds} s");
    assert!(seconds > 1.5 && count >= 5.0, "{count} in {seconds} s");
    run.completed();
}

#[test]
fn what_is_said_of_a_finished_file_is_true() {
    let world = World::new(good());
    let ended = world.get_file().completed();
    let result = ended.result();
    let expected = ["bytes", "event", "path", "seconds", "sha256", "sources", "verification"];
    assert_eq!(keys(result), expected);
    let path = world.files().canonicalize().unwrap().join("file.bin");
    assert_eq!(result["path"], path.to_str().unwrap());
    assert_eq!(result["bytes"], BYTES);
    assert!(result["sha256"].is_null(), "nobody asked for it");
    assert_eq!(result["verification"], "consistent");
    assert!(result["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(brought(result), BYTES);
    assert_eq!(sha256_of_file(&path), sha256_of_content(SEED, BYTES));
    assert_eq!(kind(ended.events.last().unwrap()), "completed");
}

#[test]
fn a_failure_has_a_code_a_sentence_and_a_hint() {
    let world = World::new(good());
    let url = world.server.url("/missing");
    let failed = world.get(&[&url], &[]).failed();
    assert_eq!(keys(&failed), ["code", "event", "hint", "message", "url"]);
    assert_eq!((&failed["url"], &failed["code"]), (&url.into(), &"not-found".into()));
    for text in [&failed["message"], &failed["hint"]] {
        assert!(text.as_str().unwrap().ends_with('.'), "{text}");
    }
    assert_eq!(world.names(), [""; 0]);
}

#[test]
fn options_of_the_program_go_before_and_after_the_command() {
    let world = World::new(good());
    let mut command = world.program();
    Run::start(command.args(["--log", "error", "get", &world.url(), "--dir", "a"])).completed();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_manyhands-cli"));
    command.current_dir(world.root.path()).args(["get", &world.url(), "--log=error", "--dir=b"]);
    Run::start(command.arg("--data-dir").arg(world.profile())).completed();
    assert_eq!(names(&world.root.path().join("a")), ["file.bin"]);
    assert_eq!(names(&world.root.path().join("b")), ["file.bin"]);
    assert_eq!(names(world.root.path()), ["a", "b", "profile"]);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_done() {
    let world = World::new(good());
    let (url, digest) = (world.url(), "0".repeat(64));
    for (arguments, words) in [
        (vec!["get", "nonsense"], vec!["nonsense"]),
        (vec!["get", "http://"], vec!["http://"]),
        (vec!["get", &url, "gopher://example.org/1"], vec!["gopher", "http", "https", "ftp"]),
        (vec!["get", &url, &url, "--out", "x"], vec!["--out"]),
        (vec!["get", &url, &url, "--sha256", &digest], vec!["--sha256"]),
        (vec!["get", &url, "--sha256", "0123"], vec!["SHA-256", "64"]),
        (vec!["get", &url, "--connections", "0"], vec!["--connections"]),
        (vec!["get", &url, "--connections", "17"], vec!["--connections"]),
        (vec!["get", &url, "--no-such-option"], vec!["--no-such-option"]),
        (vec!["get"], vec!["URL"]),
        (vec!["fetch", &url], vec!["fetch"]),
        (vec![], vec!["Usage"]),
    ] {
        let ended = Run::start(world.program().args(&arguments)).end();
        assert_eq!(ended.code, 2, "{arguments:?}: {ended:?}");
        for word in words {
            assert!(ended.stderr.contains(word), "{arguments:?}: {word} is not in {ended:?}");
        }
        assert!(ended.events.is_empty(), "{ended:?}");
    }
    assert_eq!(names(world.root.path()), [""; 0]);
    assert_eq!(world.server.requests().len(), 0);
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    let world = World::new(good());
    for out in ["../up.bin", "/abs.bin", "a/b.bin", ".."] {
        let failed = world.get(&[&world.url()], &["--out", out]).failed();
        assert_eq!(failed["code"], "bad-name", "{out}");
    }
    assert_eq!(names(world.root.path()), ["profile"]);
}

#[test]
fn several_links_all_come_and_one_that_fails_fails_the_whole() {
    let world = World::new(good());
    let url = |name: &str| world.server.url(name);
    let (one, two, missing) = (url("/one.bin"), url("/two.bin"), url("/missing"));
    let ended = world.get(&[&one, &missing, &two, &one], &[]).end();
    assert_eq!(ended.code, 1);
    let [failed] = ended.all("failed")[..] else { panic!("{ended:?}") };
    assert_eq!(failed["url"], missing);
    // The same link twice is one download.
    assert_eq!(world.names(), ["one.bin", "two.bin"]);
    assert_eq!(ended.all("completed").len(), 3, "{ended:?}");
    assert!(ended.all("completed").iter().all(|result| result["bytes"] == BYTES));
    world.get(&[&url("/three.bin"), &url("/four.bin")], &[]).completed();
    assert_eq!(world.names(), ["four.bin", "one.bin", "three.bin", "two.bin"]);
}

#[test]
fn files_go_into_the_current_folder_or_the_one_that_is_named() {
    let world = World::new(good());
    let here = world.root.path().join("here");
    std::fs::create_dir(&here).unwrap();
    let mut command = world.program();
    let ended = Run::start(command.args(["get", &world.url(), "--json"]).current_dir(&here));
    let here = here.canonicalize().unwrap();
    assert_eq!(ended.completed().result()["path"], here.join("file.bin").to_str().unwrap());
    let mut command = world.program();
    command.args(["get", &world.url(), "--json", "--dir", "new/deep", "--out", "other name.bin"]);
    let ended = Run::start(command.current_dir(&here)).completed();
    let path = here.join("new/deep/other name.bin");
    assert_eq!(ended.result()["path"], path.to_str().unwrap());
    assert_eq!(sha256_of_file(&path), sha256_of_content(SEED, BYTES));
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let world = World::new(good());
    std::fs::write(world.files(), "in the way").unwrap();
    let failed = world.get_file().failed();
    assert_eq!(failed["code"], "folder");
    assert!(failed["message"].as_str().unwrap().contains("files"), "{failed}");
    assert_eq!(std::fs::read(world.files()).unwrap(), b"in the way");
}

#[test]
fn a_finished_file_is_never_overwritten() {
    let world = World::new(good());
    for name in ["file.bin", "file (1).bin", "file (2).bin"] {
        let ended = world.get_file().completed();
        assert!(ended.result()["path"].as_str().unwrap().ends_with(name), "{ended:?}");
    }
    assert_eq!(world.names(), ["file (1).bin", "file (2).bin", "file.bin"]);
    // Nor is one that others put there.
    std::fs::write(world.files().join("mine.bin"), "mine").unwrap();
    world.get(&[&world.url()], &["--out", "mine.bin"]).completed();
    assert_eq!(std::fs::read(world.files().join("mine.bin")).unwrap(), b"mine");
    assert!(world.names().contains(&"mine (1).bin".to_owned()));
}

#[test]
fn a_wrong_digest_fails_and_keeps_the_file_apart() {
    let world = World::new(good());
    let right = sha256_of_content(SEED, BYTES);
    let wrong = "0".repeat(64);
    let failed = world.get(&[&world.url()], &["--sha256", &wrong]).failed();
    assert_eq!(failed["code"], "wrong-digest");
    assert!(failed["message"].as_str().unwrap().contains(&right), "{failed}");
    assert_eq!(world.names(), ["file.bin.mismatch"]);
    assert_eq!(sha256_of_file(&world.files().join("file.bin.mismatch")), right);
    // Digits may be written in capitals.
    let ended = world.get(&[&world.url()], &["--sha256", &right.to_uppercase()]).completed();
    let result = ended.result();
    assert_eq!(result["verification"], "verified");
    assert_eq!(result["sha256"], right);
    assert_eq!(world.names(), ["file.bin", "file.bin.mismatch"]);
}

#[test]
fn without_json_standard_output_stays_empty_and_the_words_go_elsewhere() {
    let world = World::new(good());
    let mut command = world.program();
    let ended = Run::start(command.args(["get", &world.url(), "--dir", "files"])).completed();
    assert!(ended.events.is_empty());
    assert!(ended.stderr.contains("file.bin") && ended.stderr.contains("3.1 MB"), "{ended:?}");
    let mut command = world.program();
    let ended = Run::start(command.args(["get", &world.server.url("/missing")])).end();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("404") && ended.stderr.contains("Check the link"), "{ended:?}");
}

#[test]
fn a_profile_that_cannot_be_made_is_told() {
    let world = World::new(good());
    std::fs::write(world.profile(), "in the way").unwrap();
    let ended = world.get_file().end();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains(world.profile().to_str().unwrap()), "{ended:?}");
    assert_eq!(std::fs::read(world.profile()).unwrap(), b"in the way");
}
