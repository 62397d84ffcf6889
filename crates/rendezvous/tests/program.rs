//! The real program: its first start, its end, and what it says when it cannot start.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::*;
use manyhands_wire::RendezvousEvent;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

/// The program while it runs; killed when dropped.
struct Program {
    child: Child,
    /// What it says of itself.
    said: HashMap<String, String>,
}

fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands-rendezvous"));
    command.arg("--data-dir").arg(data).args(["--listen", "127.0.0.1:0"]);
    command.env_clear().stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Program {
    async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = HashMap::new();
        let last = match command.as_std().get_args().any(|argument| argument == "--metrics") {
            true => "metrics",
            false => "listening",
        };
        while !said.contains_key(last) {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
            let line = line.expect("a program that has started");
            let (word, value) = line.split_once(' ').unwrap();
            said.insert(word.to_owned(), value.to_owned());
        }
        Self { child, said }
    }

    fn at(&self) -> At {
        let (address, id) = (&self.said["listening"], &self.said["id"]);
        At {
            address: address.parse().unwrap(),
            id: id.parse().unwrap(),
            plain: false,
            web: None,
            from: None,
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Its exit code and its log.
    async fn ended(mut self) -> (Option<i32>, String) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
        (status.code(), log)
    }
}

/// What it says instead of starting.
async fn refused(command: &mut Command) -> (i32, String) {
    let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn the_first_start_makes_a_key_that_nobody_else_can_read_and_later_ones_keep_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let program = Program::start(command(&data)).await;
    let mode = std::fs::metadata(data.join("server.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(program.said["address"], format!("https://{}", program.said["listening"]));
    let device = Device::join(&program.at(), &[&secret()]).await;
    drop(device);
    let id = program.said["id"].clone();
    let fours: Vec<_> = program.said["compare"].split(' ').collect();
    assert!(fours.iter().all(|four| four.len() == 4), "{fours:?}");
    assert_eq!(fours.concat(), id);
    program.signal(rustix::process::Signal::INT);
    let (code, log) = program.ended().await;
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(Program::start(command(&data)).await.said["id"], id);
}

#[tokio::test]
async fn systemds_state_directory_is_where_the_key_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands-rendezvous"));
    command.env_clear().env("STATE_DIRECTORY", folder.path());
    command.env("MANYHANDS_RENDEZVOUS_LISTEN", "127.0.0.1:0");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let _program = Program::start(command).await;
    assert!(folder.path().join("server.key").exists());
}

#[tokio::test]
async fn after_sigterm_streams_and_polls_hear_when_to_come_back_and_the_program_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.args(["--metrics", "127.0.0.1:0"]);
    let program = Program::start(command).await;
    let secret = secret();
    let ana = Device::join(&program.at(), &[&secret]).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = ana.events(None).await;
        stream.snapshot().await;
        streams.push(stream);
    }
    let first: manyhands_wire::Changes = ana.get("/v1/changes").await.ok().json();
    let mut polling = Device::new(&program.at(), &[]);
    polling.token = ana.token;
    // A connection on which nothing is asked does not hold it up.
    let _idle = ana.dial().await;
    let began = Instant::now();
    let poll = async {
        let changes = polling.changes(first.cursor.as_str(), 25).await;
        changes.events.to_vec()
    };
    let signal = async {
        let waiting = async {
            while metric(&program, "manyhands_rendezvous_polls").await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
        program.signal(rustix::process::Signal::TERM);
    };
    let (polled, ()) = tokio::join!(poll, signal);
    let mut waits = Vec::new();
    for stream in &mut streams {
        let Some(RendezvousEvent::Bye { retry_after_ms }) = stream.next().await else { panic!() };
        waits.push(retry_after_ms);
        assert_eq!(stream.next().await, None);
    }
    assert!(waits.iter().all(|wait| (1_000..=8_000).contains(wait)), "{waits:?}");
    assert!(matches!(polled[..], [RendezvousEvent::Bye { .. }]), "{polled:?}");
    let (code, log) = program.ended().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_log_names_no_address_unless_it_is_asked_to() {
    for asked in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(folder.path());
        command.args(["--log", "trace", "--log-addresses", &asked.to_string()]);
        let program = Program::start(command).await;
        let device = Device::join(&program.at(), &[&secret()]).await;
        device.move_to("10.66.66.66:6666").await.ok();
        let _broken = tokio::net::TcpStream::connect(program.at().address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut { _broken }, b"hello, no TLS\r\n").await.unwrap();
        device.get("/v1/server").await.ok();
        program.signal(rustix::process::Signal::TERM);
        let (_, log) = program.ended().await;
        assert!(log.contains("session opened"), "{log}");
        assert_eq!(log.contains("127.0.0.1"), asked, "{log}");
        assert!(!log.contains("10.66.66.66"), "{log}");
    }
}

#[tokio::test]
async fn what_is_set_wrongly_is_named_with_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, "ping_s = \"often\"\n").unwrap();
    let in_file = refused(command(folder.path()).arg("--config").arg(&file)).await;
    assert_eq!(in_file.0, 2);
    assert!(
        in_file.1.contains("`ping_s` in the file: expected seconds from 1 to 300"),
        "{in_file:?}"
    );
    let environment = ("MANYHANDS_RENDEZVOUS_MAX_DEVICES", "-1");
    let (code, said) = refused(command(folder.path()).env(environment.0, environment.1)).await;
    assert_eq!(code, 2);
    assert!(said.contains("MANYHANDS_RENDEZVOUS_MAX_DEVICES: expected a whole number"), "{said}");
    let (code, said) = refused(command(folder.path()).args(["--log", "info=loud"])).await;
    assert_eq!(code, 2);
    assert!(said.contains("--log: expected a level"), "{said}");
    let open = ["--plain-http", "--listen", "0.0.0.0:0"];
    let mut plain = Command::new(env!("CARGO_BIN_EXE_manyhands-rendezvous"));
    let (code, said) = refused(plain.args(open)).await;
    assert_eq!(code, 2);
    assert!(said.contains("plain_http_anywhere"), "{said}");
    let (code, said) = refused(&mut command(Path::new("/proc/nowhere"))).await;
    assert_eq!(code, 1);
    assert!(said.contains("--data-dir"), "{said}");
}

#[tokio::test]
async fn with_a_given_certificate_it_is_that_one_and_the_key_is_proved_by_signature() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write_certificate(folder.path());
    let mut command = command(folder.path());
    command.arg("--certificate").arg(folder.path().join("cert.pem"));
    command.arg("--certificate-key").arg(folder.path().join("key.pem"));
    command.args(["--public-url", "https://meet.example.org"]);
    let program = Program::start(command).await;
    assert_eq!(program.said["address"], "https://meet.example.org:8470");
    let at = program.at();
    let mut device = Device::new(&At { web: Some(certificate), ..at.clone() }, &[&secret()]);
    device.open().await;
    device.publish().await.ok();
    // Another one after SIGHUP, without a restart.
    let renewed = write_certificate(folder.path());
    program.signal(rustix::process::Signal::HUP);
    let at = At { web: Some(renewed), ..at };
    let seen = async {
        while Device::new(&at, &[]).try_dial().await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap();
    std::fs::write(folder.path().join("cert.pem"), "nonsense").unwrap();
    program.signal(rustix::process::Signal::HUP);
    Device::new(&at, &[]).challenge().await;
}

/// The value of a metric now.
async fn metric(program: &Program, name: &str) -> u64 {
    let address = program.said["metrics"].strip_prefix("http://").unwrap();
    let address = address.strip_suffix("/metrics").unwrap().parse().unwrap();
    let watch = Device::new(&At { address, plain: true, ..program.at() }, &[]);
    let page = watch.get("/metrics").await.ok().body;
    let page = String::from_utf8(page.to_vec()).unwrap();
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap().parse().unwrap()
}

/// What the program holds in memory, as it says itself.
async fn resident_bytes(program: &Program) -> u64 {
    metric(program, "process_resident_memory_bytes").await
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_a_stream_costs_little_memory() {
    let count: u64 = std::env::var("STREAMS").map_or(400, |count| count.parse().unwrap());
    const PER_GROUP: u64 = 100;
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.args(["--metrics", "127.0.0.1:0", "--sessions-per-s", "5000"]);
    command.args(["--sessions-per-address-per-s", "5000"]);
    command.args(["--log", "warn"]);
    let mut program = Program::start(command).await;
    let mut lines = BufReader::new(program.child.stderr.take().unwrap()).lines();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    // What is needed once.
    let first = Device::join(&program.at(), &[&secret()]).await;
    let _stream = first.events(None).await;
    let before = resident_bytes(&program).await;
    let mut clients = Vec::new();
    let mut group = secret();
    for n in 0..count {
        if n % PER_GROUP == 0 {
            group = secret();
        }
        let device = Device::join(&program.at(), &[&group]).await;
        let stream = device.events(None).await;
        device.hang_up().await;
        clients.push((device, stream));
    }
    for (_, stream) in &mut clients {
        stream.snapshot().await;
    }
    let each = resident_bytes(&program).await.saturating_sub(before) / count;
    println!("{} bytes for each of {count} clients with a stream", each);
    assert!(each < 64 * 1024, "{each}");
}

/// Each is told of more than it takes; what the server keeps for it is bounded all the same.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_do_not_read_hold_little_memory() {
    const SLEEPERS: u64 = 40;
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.args(["--metrics", "127.0.0.1:0", "--log", "warn", "--batch-ms", "10"]);
    command.args(["--requests-per-device-per-s", "100000"]);
    command.args(["--changes-per-device-and-group-per-min", "1000000"]);
    let program = Program::start(command).await;
    let secret = secret();
    let watcher = Device::enter(&program.at(), &[&secret]).await;
    let mut stream = watcher.events(None).await;
    stream.snapshot().await;
    let mut mos = Vec::new();
    for _ in 0..20 {
        mos.push(Device::join(&program.at(), &[&secret]).await);
    }
    let (mut sleepers, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..SLEEPERS {
        let sleeper = Device::enter(&program.at(), &[&secret]).await;
        streams.push(sleeper.narrow_events().await);
        sleepers.push(sleeper);
    }
    let before = resident_bytes(&program).await;
    let mut told = 0;
    // About 2 MiB.
    while told < 1_200 {
        for mo in &mos {
            told += 1;
            let record = manyhands_wire::PresenceRecord {
                addresses: manyhands_wire::List::new(vec![
                    format!("10.1.2.3:{}", 1024 + told)
                        .parse()
                        .unwrap();
                    16
                ])
                .unwrap(),
                name: manyhands_wire::Blob::new(vec![7; 188]).unwrap(),
                ..mo.record(mo.groups[0].id())
            };
            mo.put_record(&record).await.ok();
        }
        // All of them have been told when the last one has been.
        let last = format!("10.1.2.3:{}", 1024 + told);
        loop {
            let Some(RendezvousEvent::Present { record }) = stream.next().await else { panic!() };
            if record.payload.as_str().contains(&last) {
                break;
            }
        }
    }
    assert_eq!(metric(&program, "manyhands_rendezvous_streams").await, SLEEPERS + 1);
    let each = resident_bytes(&program).await.saturating_sub(before) / SLEEPERS;
    println!("{each} bytes for each of {SLEEPERS} streams that do not read");
    assert!(each < 256 * 1024, "{each}");
}
