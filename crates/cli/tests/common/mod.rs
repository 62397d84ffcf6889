//! The real program on a profile of its own, and a server that does as it is told.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test")]

pub mod namespaces;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use manyhands_faultserver::{Behaviour, FaultServer, fill};
pub use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Far more than anything here takes; only what hangs gets there.
pub const LONG: Duration = Duration::from_secs(60);

pub struct World {
    pub server: FaultServer,
    pub root: tempfile::TempDir,
}

impl World {
    pub fn new(behaviour: Behaviour) -> Self {
        Self { server: FaultServer::start(behaviour), root: tempfile::tempdir().unwrap() }
    }

    pub fn profile(&self) -> PathBuf {
        self.root.path().join("profile")
    }

    pub fn files(&self) -> PathBuf {
        self.root.path().join("files")
    }

    pub fn url(&self) -> String {
        self.server.url("/file.bin")
    }

    /// The program on this profile, before its arguments.
    pub fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands-cli"));
        command.arg("--data-dir").arg(self.profile());
        command.current_dir(self.root.path()).stdin(Stdio::null());
        command
    }

    /// Starts to get these links into [`World::files`].
    pub fn get(&self, urls: &[&str], more: &[&str]) -> Run {
        let mut command = self.program();
        command.arg("get").args(urls).args(more).arg("--json").arg("--dir").arg(self.files());
        Run::start(&mut command)
    }

    /// Starts to get the server's file.
    pub fn get_file(&self) -> Run {
        self.get(&[&self.url()], &[])
    }

    pub fn names(&self) -> Vec<String> {
        names(&self.files())
    }
}

/// The names of what lies in a folder; of one that is not there, none.
pub fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A running program, and what it says.
pub struct Run {
    pub child: Child,
    pub started: Instant,
    /// What was said on standard output so far, and when.
    pub events: Vec<(Instant, Value)>,
    lines: Receiver<(Instant, String)>,
    stderr: JoinHandle<String>,
}

/// A program that has ended by itself.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub events: Vec<Value>,
    pub stderr: String,
}

impl Run {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (said, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                // The test may have ended.
                let _ = said.send((Instant::now(), line.unwrap()));
            }
        });
        let stderr = std::thread::spawn(move || text_of(stderr));
        Self { child, started: Instant::now(), events: Vec::new(), lines, stderr }
    }

    /// The next event; `None` once there are no more.
    pub fn next(&mut self) -> Option<Value> {
        match self.lines.recv_timeout(LONG) {
            Ok((at, line)) => {
                let event: Value = serde_json::from_str(&line).unwrap();
                self.events.push((at, event.clone()));
                Some(event)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("silent after {:?}", self.events.last()),
        }
    }

    /// Waits for progress that has at least so many bytes; returns how many there are.
    pub fn until_bytes(&mut self, least: u64) -> u64 {
        loop {
            let event = self.next().unwrap_or_else(|| panic!("ended after {:?}", self.events));
            let bytes = event["bytes"].as_u64();
            if let Some(bytes) = bytes.filter(|bytes| kind(&event) == "progress" && *bytes >= least)
            {
                return bytes;
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Kills it with SIGKILL; returns what it said last.
    pub fn kill(mut self) -> Option<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while self.next().is_some() {}
        self.events.pop().map(|(_, event)| event)
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        while self.next().is_some() {}
        let status = wait(&mut self.child);
        let stderr = self.stderr.join().unwrap();
        let code = status.code().unwrap_or_else(|| panic!("{status}: {stderr}"));
        Ended { code, events: self.events.into_iter().map(|(_, event)| event).collect(), stderr }
    }

    /// Waits for its end and checks that all was well.
    pub fn completed(self) -> Ended {
        let ended = self.end();
        assert_eq!(ended.code, 0, "{ended:?}");
        ended
    }

    /// Waits for its end, which must be a single failure; returns that.
    pub fn failed(self) -> Value {
        let mut ended = self.end();
        assert_eq!(ended.code, 1, "{ended:?}");
        let last = ended.events.pop().unwrap();
        assert_eq!(kind(&last), "failed", "{last}");
        last
    }
}

impl Ended {
    /// The events of one kind.
    pub fn all(&self, wanted: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| kind(event) == wanted).collect()
    }

    /// The one event `completed`.
    pub fn result(&self) -> &Value {
        let [completed] = self.all("completed")[..] else { panic!("{self:?}") };
        completed
    }
}

pub fn kind(event: &Value) -> &str {
    event["event"].as_str().unwrap()
}

/// Waits until something is so, which nobody tells.
pub fn until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !so() {
        assert!(Instant::now() < deadline, "not so for long: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn wait(child: &mut Child) -> std::process::ExitStatus {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn text_of(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

/// The SHA-256 of the server's file.
pub fn sha256_of_content(seed: u64, bytes: u64) -> String {
    let (mut hasher, mut offset) = (Sha256::new(), 0);
    let mut portion = vec![0; 1 << 20];
    while offset < bytes {
        let length = portion.len().min((bytes - offset) as usize);
        fill(seed, offset, &mut portion[..length]);
        hasher.update(&portion[..length]);
        offset += length as u64;
    }
    hex(&hasher.finalize())
}

/// The SHA-256 of a file on the disk.
pub fn sha256_of_file(path: &Path) -> String {
    let (mut hasher, mut file) = (Sha256::new(), std::fs::File::open(path).unwrap());
    let mut portion = vec![0; 1 << 20];
    loop {
        match file.read(&mut portion).unwrap() {
            0 => return hex(&hasher.finalize()),
            read => hasher.update(&portion[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
