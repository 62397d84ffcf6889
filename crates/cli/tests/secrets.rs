//! What the program keeps to itself, whatever it logs and wherever its surroundings would lead it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use common::{Run, Signal, World, kind};
use manyhands_faultserver::Behaviour;
use manyhands_store::Store;

const MIB: u64 = 1 << 20;

/// A friend that helps with everything is the program, too, on a profile of its own.
struct Pair {
    world: World,
    helper: Run,
    /// Of the helper.
    peer: String,
    listens: Vec<String>,
}

impl Pair {
    /// `log` is how much the helper logs.
    fn new(behaviour: Behaviour, log: &str) -> Self {
        let world = World::new(behaviour);
        let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands-cli"));
        command.arg("--data-dir").arg(world.root.path().join("helper"));
        command.args(["--no-mdns", "--listen=127.0.0.1:0", "--log", log]);
        command.args(["lend", "--accept=all", "--json"]);
        let mut helper = Run::start(&mut command);
        let event = helper.next().unwrap();
        assert_eq!(kind(&event), "lending");
        let listens = event["listens"].as_array().unwrap().iter();
        let listens = listens.map(|address| address.as_str().unwrap().to_owned()).collect();
        Self { world, helper, peer: event["peer"].as_str().unwrap().to_owned(), listens }
    }

    fn befriend(&self) {
        std::fs::create_dir_all(self.world.profile()).unwrap();
        let (store, _) = Store::open(&self.world.profile()).unwrap();
        let friend = serde_json::json!({
            "id": self.peer, "name": "helper", "added_unix_ms": 1, "last_addresses": self.listens,
        });
        let friend = serde_json::from_value(friend).unwrap();
        store.apply(&[manyhands_store::Op::PutFriend(friend)]).unwrap();
        store.flush().unwrap();
    }
}

/// Each line of a key file that holds some of the key, and it without line breaks.
fn secrets_of(profile: &std::path::Path) -> Vec<String> {
    let path = find(profile, "identity.pem");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    let pem = std::fs::read_to_string(path).unwrap();
    let lines: Vec<_> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    assert!(!lines.is_empty() && lines[0].len() >= 32, "{} lines", lines.len());
    let whole = lines.concat();
    lines.iter().map(|&line| line.to_owned()).chain([whole]).collect()
}

fn find(dir: &std::path::Path, name: &str) -> std::path::PathBuf {
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() == name {
                return entry.path();
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    panic!("no {name} in {}", dir.display())
}

#[test]
fn the_most_talkative_log_tells_no_key_no_query_and_no_header_of_a_login() {
    let slow = Behaviour { bytes: 4 * MIB, rate_per_connection: Some(MIB), ..Behaviour::default() };
    let pair = Pair::new(slow, "trace");
    pair.befriend();
    let Pair { world, helper, .. } = pair;
    let mut command = world.program();
    command.args(["--no-mdns", "--listen=127.0.0.1:0", "--log=trace"]);
    command.args(["get", "--json", "--ask=friends", "--dir"]).arg(world.files()).arg(world.url());
    let helped = Run::start(&mut command).completed();
    assert!(!helped.all("help").is_empty(), "{helped:?}");
    // With a login nobody is asked; it is alone.
    let mut command = world.program();
    command.args(["--no-mdns", "--log=trace", "get", "--json", "--dir"]).arg(world.files());
    command.args(["--header", "Cookie: session=s3cr3t-of-the-cookie", "--out=b.bin"]);
    command.arg(
        world
            .server
            .url("/b.bin?token=s3cr3t-of-the-query")
            .replace("://", "://lin:s3cr3t-of-the-login@"),
    );
    let alone = Run::start(&mut command).completed();
    helper.signal(Signal::TERM);
    let helper_ended = helper.end();
    let logs = [&helped.stderr, &alone.stderr, &helper_ended.stderr];
    assert!(logs.iter().all(|log| log.contains("TRACE") || log.contains("DEBUG")), "they do talk");
    let mut secrets = secrets_of(&world.profile());
    secrets.extend(secrets_of(&world.root.path().join("helper")));
    secrets.push("s3cr3t".to_owned());
    for (log, text) in ["helped", "alone", "helper"].iter().zip(logs) {
        for secret in &secrets {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{log}");
        }
    }
}
