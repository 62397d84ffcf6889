//! Helpers that meddle with what they carry: the file is right without them, and they are named.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use manyhands_core::{HelpAnswer, PeerId};
use manyhands_faultserver::{Authority, Behaviour, Fault};
use manyhands_peer::wire::{DeviceName, Hello};
use manyhands_peer::{
    ContentSource, DeviceIdentity, FetchFailure, FetchOrder, Fetched, Incoming, PeerServer,
    ServerOptions, ServerWaits, Sources, TunnelOrder, TunnelSource, TunnelStream,
};
use manyhands_store::{Friend, Op, Store};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

use common::*;

const SEED: u64 = 7;
const BYTES: u64 = 6 << 20;
/// Each address gets so much of the server, so that nobody brings the whole file at once.
const RATE: u64 = 2 << 20;
/// Of each kind of meddling: a hundred in all.
const SEEDS: u64 = 20;
/// Programs at the same time.
const AT_ONCE: usize = 5;
/// Of so many who changed bytes at most one is not named: what it changed was never read, as its lease was cut first.
const NAMED_OF: usize = 10;

/// What a helper does to the stream that it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meddling {
    Nothing,
    FlipsABit,
    DropsBytes,
    InjectsBytes,
    /// Carries nothing on for a while, then goes on.
    Delays,
    Closes,
}

/// One that comes from the origin through a helper who meddles once, after so many bytes.
struct Tampered {
    inner: TcpStream,
    meddling: Meddling,
    after: u64,
    passed: u64,
    pause: Option<Pin<Box<Sleep>>>,
    dice: StdRng,
    done: Arc<AtomicBool>,
}

impl AsyncRead for Tampered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let due = self.meddling != Meddling::Nothing && self.passed >= self.after;
        let meddling = if due {
            std::mem::replace(&mut self.meddling, Meddling::Nothing)
        } else {
            Meddling::Nothing
        };
        if meddling == Meddling::Closes || meddling == Meddling::Delays {
            self.done.store(true, Ordering::Relaxed);
        }
        match meddling {
            Meddling::Closes => return Poll::Ready(Ok(())),
            Meddling::Delays => {
                let mut pause = Box::pin(sleep_until(Instant::now() + Duration::from_secs(4)));
                if pause.as_mut().poll(cx).is_pending() {
                    self.pause = Some(pause);
                    return Poll::Pending;
                }
            }
            Meddling::InjectsBytes => {
                let size = self.dice.random_range(1..64).min(buffer.remaining());
                let bytes: Vec<u8> = (0..size).map(|_| self.dice.random()).collect();
                buffer.put_slice(&bytes);
                self.done.store(size > 0, Ordering::Relaxed);
                return Poll::Ready(Ok(()));
            }
            _ => {}
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if read.is_pending() {
            // Not yet done: the next bytes are meant.
            if meddling != Meddling::Nothing {
                self.meddling = meddling;
            }
            return read;
        }
        let came = buffer.filled().len() - before;
        self.passed += came as u64;
        if came > 0 && meddling == Meddling::FlipsABit {
            let at = before + self.dice.random_range(0..came);
            let bit = 1 << self.dice.random_range(0..8);
            buffer.filled_mut()[at] ^= bit;
            self.done.store(true, Ordering::Relaxed);
        }
        if came > 1 && meddling == Meddling::DropsBytes {
            let dropped = self.dice.random_range(1..came);
            buffer.set_filled(before + came - dropped);
            self.done.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Tampered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A helper's way to the origin.
struct Meddler {
    meddling: Meddling,
    seed: u64,
    tunnels: AtomicU64,
    /// Whether it has meddled.
    done: Arc<AtomicBool>,
}

impl TunnelSource for Meddler {
    fn connect(
        &self,
        order: TunnelOrder,
    ) -> BoxFuture<'static, Result<Box<dyn TunnelStream>, FetchFailure>> {
        let number = self.tunnels.fetch_add(1, Ordering::Relaxed);
        let (meddling, seed, done) = (self.meddling, self.seed, self.done.clone());
        Box::pin(async move {
            let to = SocketAddr::from(([127, 0, 0, 1], order.origin.port()));
            let inner = TcpStream::connect(to).await.map_err(|_| FetchFailure::Unreachable)?;
            let mut dice = StdRng::seed_from_u64(seed ^ (number << 32));
            // From the first byte of the handshake on.
            let after = if dice.random_bool(0.3) {
                dice.random_range(0..4096)
            } else {
                dice.random_range(4096..BYTES / 16)
            };
            let stream = Tampered { inner, meddling, after, passed: 0, pause: None, dice, done };
            Ok(Box::new(stream) as Box<dyn TunnelStream>)
        })
    }
}

/// Nobody fetches here.
struct NoContent;

impl ContentSource for NoContent {
    fn fetch(&self, _: FetchOrder) -> BoxFuture<'static, Result<Fetched, FetchFailure>> {
        Box::pin(async { Err(FetchFailure::Unreachable) })
    }
}

/// A helper that agrees to everything.
struct Helper {
    id: PeerId,
    addresses: Vec<SocketAddr>,
    server: PeerServer,
    done: Arc<AtomicBool>,
    _hello: watch::Sender<Hello>,
}

impl Helper {
    async fn start(name: &str, meddling: Meddling, seed: u64) -> Self {
        let identity = DeviceIdentity::generate().unwrap();
        let (sender, hello) = watch::channel(Hello::new(DeviceName::neutralised(name), true));
        let options = ServerOptions {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            hello,
            waits: ServerWaits::default(),
        };
        let done = Arc::new(AtomicBool::new(false));
        let tunnels = AtomicU64::new(0);
        let tunnels = Arc::new(Meddler { meddling, seed, tunnels, done: done.clone() });
        let sources = Sources { content: Arc::new(NoContent), tunnels };
        let (server, mut incoming) = PeerServer::start(&identity, sources, options).await.unwrap();
        tokio::spawn(async move {
            while let Some(message) = incoming.recv().await {
                if let Incoming::HelpRequest(help) = message {
                    let budget_bytes = help.request.budget_bytes;
                    let _ = help.answer.send(HelpAnswer::Accept { budget_bytes });
                }
            }
        });
        let addresses = server.local_addrs().to_vec();
        Self { id: identity.id(), addresses, server, done, _hello: sender }
    }

    fn as_friend(&self, name: &str) -> Friend {
        serde_json::from_value(serde_json::json!({
            "id": self.id.to_string(), "name": name, "added_unix_ms": 1, "last_addresses": self.addresses,
        }))
        .unwrap()
    }
}

/// The requester's profile knows these friends.
fn befriend(profile: &Path, friends: Vec<Friend>) {
    std::fs::create_dir_all(profile).unwrap();
    let (store, _) = Store::open(profile).unwrap();
    store.apply(&friends.into_iter().map(Op::PutFriend).collect::<Vec<_>>()).unwrap();
    store.flush().unwrap();
}

fn world() -> World {
    World::new(Behaviour {
        bytes: BYTES,
        seed: SEED,
        rate_per_connection: Some(RATE),
        ..Behaviour::default()
    })
}

/// Gets the file over TLS with the help of friends.
fn get(world: &World, port: u16, authority: &Authority) -> Ended {
    let bundle = world.root.path().join("authorities.pem");
    std::fs::write(&bundle, authority.pem()).unwrap();
    let mut command = world.program();
    command.env("SSL_CERT_FILE", bundle).env("NO_PROXY", "*");
    command.args(["--no-mdns", "--listen=127.0.0.1:0", "get", "--json", "--ask=friends"]);
    command.arg(format!("https://localhost:{port}/file.bin")).arg("--dir").arg(world.files());
    Run::start(&mut command).completed()
}

/// One download with a helper that is honest and one that is not. Whether the other one meddled, and was named.
async fn one(meddling: Meddling, seed: u64) -> (bool, bool) {
    let (world, authority) = (world(), Authority::new());
    let front = authority.in_front_of(&world.server, Fault::None).await;
    let honest = Helper::start("honest", Meddling::Nothing, seed).await;
    let meddler = Helper::start("meddler", meddling, seed).await;
    let friends = vec![honest.as_friend("honest"), meddler.as_friend("meddler")];
    let ended = tokio::task::spawn_blocking(move || {
        befriend(&world.profile(), friends);
        let ended = get(&world, front.port(), &authority);
        let found = sha256_of_file(&world.files().join("file.bin"));
        assert_eq!(found, sha256_of_content(SEED, BYTES), "{meddling:?}, seed {seed}");
        ended
    });
    let ended = ended.await.unwrap();
    assert_eq!(ended.result()["verification"], "from-server", "{meddling:?}, seed {seed}");
    assert_ne!(last_reason(&ended, "honest").as_deref(), Some("mismatch"), "seed {seed}");
    let reason = last_reason(&ended, "meddler");
    let did = meddler.done.load(Ordering::Relaxed);
    println!("{meddling:?}, seed {seed}: {did}, {reason:?}");
    honest.server.shutdown().await;
    meddler.server.shutdown().await;
    (did, reason.as_deref() == Some("mismatch"))
}

/// Why the help of this one ended, as it was said last.
fn last_reason(ended: &Ended, name: &str) -> Option<String> {
    let last = ended.all("help").into_iter().rfind(|event| event["name"] == name)?;
    last["reason"].as_str().map(str::to_owned)
}

/// Many downloads; how many meddled, and how many of those were named.
async fn many(meddling: Meddling) -> (usize, usize) {
    let first = std::env::var("MANYHANDS_TEST_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds: Vec<u64> = first.map_or_else(|| (0..SEEDS).collect(), |seed| vec![seed]);
    let (mut meddled, mut named) = (0, 0);
    for some in seeds.chunks(AT_ONCE) {
        let running: Vec<_> = some.iter().map(|seed| tokio::spawn(one(meddling, *seed))).collect();
        for one in running {
            let (did, was_named) = one.await.unwrap();
            assert!(did || !was_named, "nobody is named who did nothing");
            meddled += usize::from(did);
            named += usize::from(was_named);
        }
    }
    (meddled, named)
}

/// The file is right, and who changed bytes is named.
async fn named_when_it(meddling: Meddling) {
    let (meddled, named) = many(meddling).await;
    assert!(meddled > 0, "none did");
    assert!((meddled - named) * NAMED_OF <= meddled, "{named} of {meddled} are named");
}

/// The file is right, and nobody is called a liar for a bad line.
async fn forgiven_when_it(meddling: Meddling) {
    let (meddled, named) = many(meddling).await;
    assert!(meddled > 0, "none did");
    assert_eq!(named, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_relay_that_flips_a_bit_changes_no_byte_of_the_file_and_is_named() {
    named_when_it(Meddling::FlipsABit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_relay_that_drops_bytes_changes_no_byte_of_the_file_and_is_named() {
    named_when_it(Meddling::DropsBytes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_relay_that_injects_bytes_changes_no_byte_of_the_file_and_is_named() {
    named_when_it(Meddling::InjectsBytes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_relay_that_delays_bytes_holds_nothing_up_for_good() {
    forgiven_when_it(Meddling::Delays).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_relay_that_closes_its_tunnels_is_done_without() {
    forgiven_when_it(Meddling::Closes).await;
}
