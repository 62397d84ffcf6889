//! On what terms others are helped: on a profile alone, through a running instance, and as others meet it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{Run, Signal, World, kind};
use manyhands_engine::PeerId;
use manyhands_faultserver::Behaviour;
use manyhands_store::{Friend, Op, ProfileLock, Store};
use serde_json::{Value, json};

const NOBODY: &str = "aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq";

fn world() -> World {
    World::new(Behaviour { bytes: 1 << 20, seed: 3, ..Behaviour::default() })
}

fn run(world: &World, words: &[&str]) -> Output {
    world.program().args(words).output().unwrap()
}

/// Does it, and returns what it said.
fn done(world: &World, words: &[&str]) -> String {
    let output = run(world, words);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
    said
}

/// Is refused with this exit code; returns why.
fn refused(world: &World, words: &[&str], code: i32) -> String {
    let output = run(world, words);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    said
}

fn rules(world: &World) -> Value {
    let output = run(world, &["rules", "--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn shown(world: &World) -> String {
    String::from_utf8(run(world, &["rules"]).stdout).unwrap()
}

/// One that lends until the test is over, and where it is.
struct Lender {
    run: Run,
    peer: String,
    listens: Vec<SocketAddr>,
}

fn lend(world: &World, more: &[&str]) -> Lender {
    let mut command = world.program();
    command.args(["--no-mdns", "--listen", "127.0.0.1:0", "lend", "--json"]).args(more);
    let mut run = Run::start(&mut command);
    let ready = run.next().unwrap();
    assert_eq!(kind(&ready), "lending");
    let listens = serde_json::from_value(ready["listens"].clone()).unwrap();
    Lender { run, peer: ready["peer"].as_str().unwrap().to_owned(), listens }
}

impl Lender {
    fn stop(self) {
        self.run.signal(Signal::TERM);
        assert_eq!(self.run.end().code, 143);
    }
}

/// A device of its own that knows the lender as a friend.
struct Asker {
    dir: std::path::PathBuf,
}

fn asker(world: &World, name: &str, lender: &Lender) -> Asker {
    let dir = world.root.path().join(name);
    std::fs::create_dir(&dir).unwrap();
    let _lock = ProfileLock::acquire(&dir, Duration::ZERO).unwrap();
    let friend = Friend {
        id: lender.peer.parse::<PeerId>().unwrap(),
        name: "lender".to_owned(),
        added_unix_ms: 1,
        last_addresses: lender.listens.clone(),
        rule: None,
        paired: false,
    };
    Store::open(&dir).unwrap().0.apply(&[Op::PutFriend(friend)]).unwrap();
    Asker { dir }
}

impl Asker {
    /// Begins to download what takes a while, and asks for help.
    fn get(&self, world: &World, name: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands-cli"));
        command.arg("--data-dir").arg(&self.dir).args(["--no-mdns", "--listen", "127.0.0.1:0"]);
        command.args(["get", &world.url(), "--json", "--ask", "friends", "--ask-wait", "60"]);
        command.args(["--out", name, "--dir"]).arg(world.files()).stdin(Stdio::null());
        Run::start(&mut command)
    }
}

/// An agreed session is over within moments, since a helper connects to nothing on its own machine: it is told of as agreed
/// to, or as over already.
const AGREED: &[&str] = &["accepted", "lost"];

/// Waits for what becomes of the one helper.
fn until_help(run: &mut Run, wanted: &[&str]) {
    loop {
        let event = run.next().unwrap_or_else(|| panic!("ended after {:?}", run.events));
        if kind(&event) == "help" && event["state"] != "asked" {
            assert!(wanted.contains(&event["state"].as_str().unwrap()), "{event}");
            return;
        }
    }
}

fn slow(world: &World) {
    let rate_total = Some(32 << 10);
    world.server.set(Behaviour { bytes: 8 << 20, seed: 3, rate_total, ..Behaviour::default() });
}

#[test]
fn a_fresh_profile_lends_nothing_and_has_terms_for_when_it_does() {
    let world = world();
    let terms = rules(&world);
    assert_eq!(terms["lending"]["on"], false);
    assert_eq!(terms["lending"]["dailyBytes"], 10_000_000_000_u64);
    assert_eq!(terms["lending"]["bytesPerS"], 12_500_000);
    assert_eq!((&terms["rules"], &terms["blocked"]), (&json!([]), &json!([])));
    let hosts = terms["neverHosts"].as_array().unwrap();
    assert!(hosts.contains(&json!("ieeexplore.ieee.org")), "{hosts:?}");
    let shown = shown(&world);
    assert!(
        shown.contains("Lending is off") && shown.contains("10.0 GB a day, 12.5 MB/s"),
        "{shown}"
    );
}

#[test]
fn rules_hosts_and_blocked_devices_are_set_without_an_instance_and_kept() {
    let world = world();
    done(
        &world,
        &["rules", "always", NOBODY, "--budget", "5GB", "--limit", "50mbit", "--hours", "22-8"],
    );
    let rule = rules(&world)["rules"][0].clone();
    assert_eq!(rule["peer"], NOBODY);
    assert_eq!(
        (&rule["dailyBytes"], &rule["bytesPerS"]),
        (&json!(5_000_000_000_u64), &json!(6_250_000))
    );
    assert_eq!(rule["hours"], json!({"fromMinute": 1320, "toMinute": 480}));
    assert!(shown(&world).contains("5.0 GB a day, 6.2 MB/s, 22:00-08:00"), "{}", shown(&world));

    done(&world, &["rules", "remove", &NOBODY[..8]]);
    let why = refused(&world, &["rules", "remove", NOBODY], 1);
    assert!(why.contains("no rule"), "{why}");

    done(&world, &["block", &NOBODY[..10]]);
    assert!(done(&world, &["block", NOBODY]).contains("already"));
    assert_eq!(rules(&world)["blocked"][0]["peer"], NOBODY);
    let why = refused(&world, &["rules", "always", NOBODY], 1);
    assert!(why.contains("Unblock the device first"), "{why}");
    done(&world, &["unblock", &NOBODY[..8]]);
    assert_eq!(rules(&world)["blocked"], json!([]));
    assert!(refused(&world, &["unblock", NOBODY], 1).contains("not blocked"));

    done(&world, &["rules", "never", "Example.ORG."]);
    done(&world, &["rules", "lend-for", "jstor.org"]);
    let hosts = rules(&world)["neverHosts"].clone();
    let hosts = hosts.as_array().unwrap();
    assert!(hosts.contains(&json!("example.org")) && !hosts.contains(&json!("jstor.org")));
    assert!(done(&world, &["rules", "never", "example.org"]).contains("already"));
    let why = refused(&world, &["rules", "lend-for", "www.example.org"], 1);
    assert!(why.contains("beneath example.org"), "{why}");
}

#[test]
fn lending_is_switched_without_an_instance_and_in_a_running_one() {
    let world = world();
    assert!(done(&world, &["rules", "off"]).contains("as it was"));
    assert_eq!(done(&world, &["rules", "on"]), "Lending is on.\n");
    assert_eq!(rules(&world)["lending"]["on"], true);
    let lender = lend(&world, &[]);
    assert_eq!(done(&world, &["rules", "off"]), "Lending is off.\n");
    assert_eq!(rules(&world)["lending"]["on"], false);
    lender.stop();
    assert_eq!(rules(&world)["lending"]["on"], false, "it is remembered");
}

#[test]
fn what_makes_no_sense_is_refused_with_an_example() {
    let world = world();
    for (words, code, hint) in [
        (&["lend", "--limit", "fast"][..], 2, "50mbit"),
        (&["lend", "--budget", "10XB"], 2, "10GB"),
        (&["lend", "--hours", "25-8"], 2, "22-08"),
        (&["rules", "always", NOBODY, "--limit", "5 parsecs"], 2, "20MB/s"),
        (&["rules", "always", "short"], 2, "8 letters"),
        (&["rules", "always", "aaaaaaaaaa"], 1, "whole id"),
        (&["rules", "never", "https://example.org/a"], 1, "example.org"),
        (&["rules", "--json", "never", "example.org"], 2, "--json"),
        (&["accept", "00", "--budget", "1GB"], 2, "--always"),
        (&["accept", "00", "--always"], 1, "nobody lends"),
    ] {
        let why = refused(&world, words, code);
        assert!(why.contains(hint), "{words:?}: {why}");
    }
}

#[test]
fn the_terms_of_one_run_are_its_own_and_others_are_the_profiles() {
    let world = world();
    let lender = lend(&world, &["--limit", "20MB/s", "--budget", "0", "--hours", "0-24"]);
    let lending = rules(&world)["lending"].clone();
    assert_eq!((&lending["on"], &lending["dailyBytes"]), (&json!(true), &json!(0)));
    assert_eq!((&lending["bytesPerS"], &lending["hours"]), (&json!(20_000_000), &Value::Null));
    // What is decided while it runs goes through it, and is kept.
    done(&world, &["rules", "always", NOBODY]);
    done(&world, &["rules", "never", "example.org"]);
    lender.stop();
    let terms = rules(&world);
    assert_eq!(terms["lending"]["on"], false);
    assert_eq!(terms["lending"]["bytesPerS"], 12_500_000);
    assert_eq!(terms["rules"][0]["peer"], NOBODY);
    let lender = lend(&world, &[]);
    let lending = rules(&world)["lending"].clone();
    assert_eq!(
        (&lending["on"], &lending["dailyBytes"]),
        (&json!(true), &json!(10_000_000_000_u64))
    );
    lender.stop();
}

#[test]
fn always_then_never_then_blocked_as_another_device_meets_it() {
    let world = world();
    slow(&world);
    let mut lender = lend(&world, &[]);
    let asker = asker(&world, "asker", &lender);
    let mut first = asker.get(&world, "a.bin");
    let asked = lender.run.next().unwrap();
    assert_eq!(kind(&asked), "request");
    let id = &asked["id"].as_str().unwrap()[..8];
    done(&world, &["accept", id, "--always", "--budget", "1GB"]);
    until_help(&mut first, AGREED);
    first.kill();
    let peer = asked["peer"].as_str().unwrap();
    assert_eq!(rules(&world)["rules"][0]["peer"], peer);

    let mut second = asker.get(&world, "b.bin");
    until_help(&mut second, AGREED);
    second.kill();
    let output = run(&world, &["requests", "--json"]);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");

    done(&world, &["rules", "never", "127.0.0.1"]);
    let mut third = asker.get(&world, "c.bin");
    until_help(&mut third, &["declined"]);
    third.kill();

    done(&world, &["rules", "lend-for", "127.0.0.1"]);
    done(&world, &["block", &peer[..8]]);
    let terms = rules(&world);
    assert_eq!((&terms["rules"], &terms["blocked"][0]["peer"]), (&json!([]), &json!(peer)));
    // Its handshake fails; it finishes alone.
    world.server.set(Behaviour { bytes: 1 << 20, seed: 3, ..Behaviour::default() });
    let ended = asker.get(&world, "d.bin").completed();
    assert!(ended.all("help").iter().all(|help| help["state"] != "accepted"), "{ended:?}");
    lender.run.signal(Signal::TERM);
    let ended = lender.run.end();
    assert_eq!(ended.all("request").len(), 1, "asked about once: {ended:?}");
}
