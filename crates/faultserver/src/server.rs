//! The running server: its thread, its counters, its log.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::behaviour::Behaviour;
use crate::connection;
use crate::rate::Bucket;
use crate::request::Request;

/// A server on a thread and a runtime of its own, so that it works under any test; dropping it stops it.
#[derive(Debug)]
pub struct FaultServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// More connections than this at once are closed unanswered.
const MAX_CONNECTIONS: usize = 4096;
/// Later requests are answered, but not remembered.
const MAX_LOG_ENTRIES: usize = 100_000;

impl FaultServer {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When the loopback interface gives no port: no test can go on from there.
    #[must_use]
    #[expect(clippy::expect_used, reason = "documented; spares every test an unwrap")]
    pub fn start(behaviour: Behaviour) -> Self {
        Self::listen((Ipv4Addr::LOCALHOST, 0).into(), behaviour).expect("a port on 127.0.0.1")
    }

    /// Starts on `addr`; port 0 is any free one.
    ///
    /// # Errors
    /// When the address cannot be bound or no thread can be started.
    pub fn listen(addr: SocketAddr, behaviour: Behaviour) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared::new(behaviour));
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("faultserver".into()).spawn({
            let shared = Arc::clone(&shared);
            move || runtime.block_on(run(listener, shared, stopped))
        })?;
        Ok(Self { addr, shared, stop: Some(stop), thread: Some(thread) })
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `path` begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// What was asked so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.log).clone()
    }

    /// How many TCP connections were accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Behaves like this from the next request on; counts of answers begin anew. Answers under way stay as they are.
    pub fn set(&self, behaviour: Behaviour) {
        self.shared.set(behaviour);
    }

    /// Waits until somebody stops the process.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    current: Mutex<Current>,
    log: Mutex<Vec<Request>>,
    accepted: AtomicUsize,
    /// Answers of the file under way.
    pub(crate) serving: AtomicUsize,
    per_address: Mutex<HashMap<IpAddr, Bucket>>,
    pub(crate) total: Bucket,
}

#[derive(Debug)]
struct Current {
    behaviour: Arc<Behaviour>,
    /// Answers from the file since the behaviour was set.
    answers: usize,
}

impl Shared {
    fn new(behaviour: Behaviour) -> Self {
        Self {
            current: Mutex::new(Current { behaviour: Arc::new(behaviour), answers: 0 }),
            log: Mutex::default(),
            accepted: AtomicUsize::new(0),
            serving: AtomicUsize::new(0),
            per_address: Mutex::default(),
            total: Bucket::new(),
        }
    }

    fn set(&self, behaviour: Behaviour) {
        *lock(&self.current) = Current { behaviour: Arc::new(behaviour), answers: 0 };
    }

    pub(crate) fn behaviour(&self) -> Arc<Behaviour> {
        Arc::clone(&lock(&self.current).behaviour)
    }

    /// Counts an answer from the file; returns how many there were before.
    pub(crate) fn count_answer(&self) -> usize {
        let mut current = lock(&self.current);
        current.answers += 1;
        current.answers - 1
    }

    pub(crate) fn bucket(&self, address: IpAddr) -> Bucket {
        lock(&self.per_address).entry(address).or_insert_with(Bucket::new).clone()
    }

    /// Remembers a request; the index is for [`Shared::note`].
    pub(crate) fn log(&self, request: Request) -> usize {
        let mut log = lock(&self.log);
        if log.len() < MAX_LOG_ENTRIES {
            log.push(request);
            log.len() - 1
        } else {
            usize::MAX
        }
    }

    pub(crate) fn note(&self, index: usize, note: impl FnOnce(&mut Request)) {
        if let Some(request) = lock(&self.log).get_mut(index) {
            note(request);
        }
    }
}

/// Nothing here is left half-changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    mut stopped: oneshot::Receiver<()>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return warn!(%error, "cannot listen"),
    };
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // A client that left before it was accepted.
                Err(error) => { debug!(%error, "not accepted"); continue; }
            },
        };
        let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
        if connections.len() < MAX_CONNECTIONS {
            connections.spawn(connection::serve(stream, peer, number, Arc::clone(&shared)));
        }
    }
}
