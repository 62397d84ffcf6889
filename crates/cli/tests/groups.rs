//! Groups at a rendezvous server, by the real program. Where a network is needed it is one of the test's own: nothing but an
//! address, so that multicast reaches nobody.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::namespaces::{in_own_network, run};
use common::{LONG, Run, Signal, kind, text_of, wait};
use manyhands_faultserver::{Behaviour, FaultServer};
use manyhands_rendezvous::{Config, Server};
use serde_json::Value;

const MIB: u64 = 1 << 20;
/// The one address of that network, beside loopback, which no server lists.
const ADDRESS: &str = "10.83.0.1";
const NOWHERE: &str = "manyhands://join?v=1&s=https%3A%2F%2F127.0.0.1%3A1&id=qiadscjbr3xf75h3se77d5gcysjcpkmchqg5e27vuybiachbelga&k=AAECAwQFBgcICQoLDA0ODw&n=Dorm+7";
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODw";

/// Runs a test of this file where the network is its own, and has [`ADDRESS`].
fn with_address(test: &str, inside: impl Future<Output = ()>) {
    in_own_network(test, || {
        run("ip", &["addr", "add", &format!("{ADDRESS}/24"), "dev", "lo"]);
        tokio::runtime::Runtime::new().unwrap().block_on(inside);
    });
}

/// The program on a profile of its own.
struct Device {
    dir: PathBuf,
}

struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Device {
    fn new(root: &Path, name: &str) -> Self {
        Self { dir: root.join(name) }
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands-cli"));
        command.arg("--data-dir").arg(&self.dir).env_remove("MANYHANDS_RENDEZVOUS");
        command.args(["--name", self.dir.file_name().unwrap().to_str().unwrap()]);
        command.stdin(Stdio::null());
        command
    }

    fn says(&self, arguments: &[&str]) -> Said {
        said(self.program().args(arguments))
    }

    /// The objects that it writes.
    fn tells(&self, arguments: &[&str]) -> Vec<Value> {
        let said = self.says(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.stderr);
        said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs, and shows requests of others.
    fn lend(&self, more: &[&str]) -> Run {
        let mut command = self.program();
        command.args(more).args(["lend", "--json"]);
        let mut run = Run::start(&mut command);
        assert_eq!(kind(&run.next().unwrap()), "lending");
        run
    }
}

fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
}

/// A server, at an address that others may have.
async fn serve(root: &Path, listen: &str) -> (Server, String) {
    let config = Config {
        listen: listen.parse().unwrap(),
        data_dir: Some(root.join("server")),
        ..Config::default()
    };
    let server = Server::start(config).await.unwrap();
    let url = format!("https://{}", server.local_addr());
    (server, url)
}

/// Asks again until it is as wanted.
fn until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = std::time::Instant::now() + LONG;
    loop {
        match ask() {
            Ok(wanted) => return wanted,
            Err(why) => assert!(std::time::Instant::now() < deadline, "not {what}: {why}"),
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_begins() {
    let root = tempfile::tempdir().unwrap();
    let ana = Device::new(root.path(), "ana");
    let plain = NOWHERE.replace("https", "http");
    let later = NOWHERE.replace("v=1", "v=2");
    for (arguments, words) in [
        (&["group", "join", "manyhands://leave"][..], "this is no invite"),
        (&["group", "join", &NOWHERE[..60]], "invite"),
        (&["group", "join", &later], "later version"),
        (&["group", "join", &plain], "--insecure-http"),
        (&["--rendezvous", &plain, "friends"], "--insecure-http"),
        (&["--rendezvous", "nonsense", "friends"], "no invite"),
        (&["--rendezvous", "https://a.example", "friends"], "goes with `group create`"),
        (&["--rendezvous", NOWHERE, "group", "create", "x"], "--rendezvous https://HOST:PORT"),
        (&["group", "create", "x"], "--rendezvous https://HOST:PORT"),
        (&["group", "join"], "give the invite"),
    ] {
        let said = ana.says(arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {}", said.stderr);
        assert!(
            said.stderr.to_lowercase().contains(&words.to_lowercase()),
            "{arguments:?}: {}",
            said.stderr
        );
        assert!(!said.stderr.contains(SECRET) && said.stdout.is_empty(), "{arguments:?}");
    }
    let rows = ana.tells(&["group", "list", "--json"]);
    assert_eq!(rows, Vec::<Value>::new(), "nothing was kept");
    for (arguments, words) in [
        (&["group", "leave", "Dorm 7"][..], "no group"),
        (&["group", "invite", "Dorm 7"], "no group"),
        (&["--rendezvous", "https://127.0.0.1:1", "group", "create", "x"], "nobody answers"),
        (&["--rendezvous", "http://127.0.0.1:1", "group", "create", "x"], "plain http"),
        (
            &["--rendezvous", "https://no-such-host.invalid", "group", "create", "x"],
            "leads nowhere",
        ),
    ] {
        let said = ana.says(arguments);
        assert_eq!(said.code, 1, "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(words), "{arguments:?}: {}", said.stderr);
    }
}

#[test]
fn an_invite_may_come_from_standard_input_or_the_environment() {
    let root = tempfile::tempdir().unwrap();
    let (ana, mo) = (Device::new(root.path(), "ana"), Device::new(root.path(), "mo"));
    let mut child = ana
        .program()
        .args(["group", "join", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{NOWHERE}").unwrap();
    assert!(wait(&mut child).success(), "{}", text_of(child.stderr.take().unwrap()));
    let joined =
        said(mo.program().args(["group", "join", "--json"]).env("MANYHANDS_RENDEZVOUS", NOWHERE));
    let joined: Value = serde_json::from_str(&joined.stdout).unwrap();
    let [row] = &ana.tells(&["group", "list", "--json"])[..] else { panic!("one group") };
    assert_eq!((&row["group"], &row["name"]), (&joined["group"], &"Dorm 7".into()));
    assert_eq!(row["state"]["state"], "off", "nothing runs there: {row}");
    assert!(!row.to_string().contains(SECRET));
    let [invite] = &mo.tells(&["group", "invite", "dorm 7", "--json"])[..] else { panic!("one") };
    assert_eq!(invite["invite"], NOWHERE);
    // The help does not show what is in the environment.
    let help = said(mo.program().arg("--help").env("MANYHANDS_RENDEZVOUS", NOWHERE));
    assert!(help.stdout.contains("MANYHANDS_RENDEZVOUS") && !help.stdout.contains(SECRET));
    let said = mo.says(&["group", "leave", row["group"].as_str().unwrap().get(..8).unwrap()]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(mo.tells(&["group", "list", "--json"]), Vec::<Value>::new());
}

#[test]
fn an_invite_is_joined_before_any_command_and_without_others_too() {
    let root = tempfile::tempdir().unwrap();
    let (ana, mo) = (Device::new(root.path(), "ana"), Device::new(root.path(), "mo"));
    let [row] = &ana.tells(&["--rendezvous", NOWHERE, "group", "list", "--json"])[..] else {
        panic!("it is joined")
    };
    assert_eq!(row["name"], "Dorm 7");
    let left = ana.says(&["--rendezvous", NOWHERE, "group", "leave", "Dorm 7"]);
    assert_eq!(left.code, 0, "{}", left.stderr);
    assert_eq!(ana.tells(&["group", "list", "--json"]), Vec::<Value>::new());
    assert_eq!(ana.says(&["--rendezvous", NOWHERE, "group", "meet", "lan-only"]).code, 0);
    assert_eq!(ana.tells(&["group", "list", "--json"]).len(), 1);

    // A server without encryption that was allowed is joined, and the download goes on alone.
    let plain = NOWHERE.replace("https", "http");
    let file = FaultServer::start(Behaviour { bytes: MIB, ..Behaviour::default() });
    let dir = root.path().join("files");
    let mut get = mo.program();
    get.args(["--insecure-http", "--rendezvous", &plain, "get", "--ask", "none", "--dir"]);
    let got = said(get.arg(&dir).arg(file.url("/file.bin")));
    assert_eq!(got.code, 0, "{}", got.stderr);
    assert_eq!(std::fs::metadata(dir.join("file.bin")).unwrap().len(), MIB);
    assert_eq!(mo.tells(&["group", "list", "--json"])[0]["server"], "http://127.0.0.1:1");
}

#[test]
fn a_group_with_a_server_that_is_away_is_said_where_nobody_is_found() {
    let root = tempfile::tempdir().unwrap();
    let ana = Device::new(root.path(), "ana");
    let alone = ana.says(&["--no-mdns", "--listen", "127.0.0.1:0", "friends", "--wait", "0"]);
    assert_eq!(alone.code, 0);
    for words in ["Nobody was looked for", "group join", "pair ADDRESS"] {
        assert!(alone.stderr.contains(words), "{}", alone.stderr);
    }
    let arguments = ["--no-mdns", "--listen", "127.0.0.1:0", "--log", "debug", "--rendezvous"];
    let mut arguments = arguments.to_vec();
    arguments.extend([NOWHERE, "friends", "--wait", "2"]);
    let away = ana.says(&arguments);
    assert_eq!(away.code, 0);
    for words in ["Dorm 7", "https://127.0.0.1:1", "nobody answers"] {
        assert!(away.stderr.contains(words), "{}", away.stderr);
    }
    assert!(!away.stderr.contains(SECRET), "a log with the secret: {}", away.stderr);
    let [group] = &ana.tells(&["group", "list", "--json"])[..] else { panic!("it is kept") };
    assert_eq!(group["name"], "Dorm 7");
}

#[test]
fn members_meet_and_help_by_the_server_alone() {
    with_address("members_meet_and_help_by_the_server_alone", meet_and_help());
}

async fn meet_and_help() {
    let root = tempfile::tempdir().unwrap();
    let (server, url) = serve(root.path(), &format!("{ADDRESS}:0")).await;
    let (ana, mo) = (Device::new(root.path(), "ana"), Device::new(root.path(), "mo"));
    let blocking = move || {
        let id = server.id().to_string();
        let wrong = ["--rendezvous", &url, "group", "create", "Dorm 7", "--server-id", "x"];
        let wrong = ana.says(&wrong);
        assert_eq!(wrong.code, 1);
        assert!(wrong.stderr.contains(&id), "{}", wrong.stderr);
        let made = ana.tells(&["--rendezvous", &url, "group", "create", "Dorm 7", "--json"]);
        assert_eq!(made[0]["server_id"], id);
        let invite = made[0]["invite"].as_str().unwrap().to_owned();
        let shown = ana.says(&["group", "invite", "Dorm 7"]);
        assert_eq!(shown.stdout.trim(), invite);
        assert!(shown.stderr.contains('█'), "a code for a camera");

        // Both run; what is asked goes through them.
        let helper = mo.lend(&["--no-mdns", "--rendezvous", &invite]);
        let running = ana.lend(&["--no-mdns"]);
        let find = || {
            let peers = ana.tells(&["friends", "--wait", "0", "--json"]);
            let peer = peers.iter().find(|peer| peer["name"] == "mo" && peer["online"] == true);
            peer.cloned().ok_or_else(|| format!("{peers:?}"))
        };
        let peer = until("found", find);
        assert_eq!(peer["found"].to_string(), r#"[{"by":"group","name":"Dorm 7"}]"#);
        let reached: SocketAddr = peer["reached"].as_str().unwrap().parse().unwrap();
        assert_eq!(reached.ip().to_string(), ADDRESS);
        let line = ana.says(&["friends", "--wait", "0"]).stdout;
        assert!(line.contains("in the group Dorm 7") && line.contains(ADDRESS), "{line}");

        // A helper does not fetch from its own machine, where the file is: that it is asked is what is to be seen.
        let file = FaultServer::start(Behaviour {
            bytes: 8 * MIB,
            rate_per_connection: Some(MIB),
            ..Behaviour::default()
        });
        let mut get = ana.program();
        get.args(["get", &file.url("/file.bin"), "--json", "--connections", "1", "--ask"]);
        get.arg(peer["peer"].as_str().unwrap()).arg("--dir").arg(root.path().join("files"));
        let get = Run::start(&mut get);
        let request =
            until("asked", || mo.tells(&["requests", "--json"]).pop().ok_or_else(String::new));
        assert_eq!(request["name"], "ana");
        let declined = mo.says(&["decline", request["id"].as_str().unwrap()]);
        assert_eq!(declined.code, 0, "{}", declined.stderr);
        let ended = get.completed();
        assert_eq!(ended.all("help").last().unwrap()["state"], "declined", "{ended:?}");

        // Who leaves is gone for the others.
        let rows = mo.tells(&["group", "list", "--json"]);
        assert_eq!(rows[0]["state"]["state"], "online", "{rows:?}");
        let said = mo.says(&["group", "leave", "Dorm 7"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        let alone = || {
            let rows = ana.tells(&["group", "list", "--json"]);
            let alone = rows[0]["members"].as_array().unwrap().is_empty();
            if alone { Ok(rows) } else { Err(format!("{rows:?}")) }
        };
        assert_eq!(until("gone", alone)[0]["state"]["state"], "online");
        // Off and on again, and a new secret, through the running program.
        let off = ana.says(&["group", "meet", "lan-only"]);
        assert_eq!(off.code, 0, "{}", off.stderr);
        assert_eq!(ana.tells(&["group", "list", "--json"])[0]["state"]["state"], "off");
        assert_eq!(ana.says(&["group", "meet", "automatic"]).code, 0);
        let rotated = ana.tells(&["group", "rotate", "Dorm 7", "--json"]);
        assert_ne!(rotated[0]["group"], made[0]["group"]);
        let joined = mo.says(&["group", "join", rotated[0]["invite"].as_str().unwrap()]);
        assert_eq!(joined.code, 0, "{}", joined.stderr);
        let there = || {
            let rows = ana.tells(&["group", "list", "--json"]);
            let there = rows[0]["members"][0]["reach"]["reach"] == "reached";
            if there { Ok(()) } else { Err(format!("{rows:?}")) }
        };
        until("there again", there);
        for run in [helper, running] {
            run.signal(Signal::TERM);
            run.end();
        }
        drop(server);
    };
    tokio::task::spawn_blocking(blocking).await.unwrap();
}

#[test]
fn a_member_who_is_listed_and_does_not_answer_is_shown_with_the_reason() {
    let test = "a_member_who_is_listed_and_does_not_answer_is_shown_with_the_reason";
    with_address(test, unreachable());
}

async fn unreachable() {
    let root = tempfile::tempdir().unwrap();
    let (server, url) = serve(root.path(), &format!("{ADDRESS}:0")).await;
    let (ana, mo) = (Device::new(root.path(), "ana"), Device::new(root.path(), "mo"));
    let blocking = move || {
        let made = ana.tells(&["--rendezvous", &url, "group", "create", "Dorm 7", "--json"]);
        let invite = made[0]["invite"].as_str().unwrap().to_owned();
        // It listens on loopback alone, and says that it is at the address of the network.
        let helper = mo.lend(&["--no-mdns", "--listen", "127.0.0.1:0", "--rendezvous", &invite]);
        let running = ana.lend(&["--no-mdns"]);
        let find = || {
            let peers = ana.tells(&["friends", "--wait", "0", "--json"]);
            let peer = peers.iter().find(|peer| peer["name"] == "mo" && !peer["noWay"].is_null());
            peer.cloned().ok_or_else(|| format!("{peers:?}"))
        };
        let peer = until("shown", find);
        assert_eq!((&peer["noWay"], &peer["online"]), (&"refused".into(), &false.into()));
        assert_eq!(peer["found"].to_string(), r#"[{"by":"group","name":"Dorm 7"}]"#);
        let said = ana.says(&["friends", "--wait", "0"]);
        assert!(said.stdout.contains("its computer refuses"), "{}", said.stdout);
        for words in ["Nobody can be reached", "1 listed in Dorm 7, none reached"] {
            assert!(said.stderr.contains(words), "{}", said.stderr);
        }
        assert!(!said.stderr.contains("Nobody else is in the group"), "{}", said.stderr);
        for run in [helper, running] {
            run.signal(Signal::TERM);
            run.end();
        }
        drop(server);
    };
    tokio::task::spawn_blocking(blocking).await.unwrap();
}
