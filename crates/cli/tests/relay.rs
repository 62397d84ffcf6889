//! Helpers that meddle with what they carry: the file is right without them, and they are named.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
const BYTES: u64 = 3 << 20;
/// Each address gets so much of the server, so that nobody brings the whole file at once.
const RATE: u64 = 3 << 20;
const SEEDS: u64 = 100;
/// Programs at the same time.
const AT_ONCE: usize = 4;

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

const MEDDLINGS: [Meddling; 5] = [
    Meddling::FlipsABit,
    Meddling::DropsBytes,
    Meddling::InjectsBytes,
    Meddling::Delays,
    Meddling::Closes,
];

/// One that comes from the origin through a helper who meddles once, after so many bytes.
struct Tampered {
    inner: TcpStream,
    meddling: Meddling,
    after: u64,
    passed: u64,
    pause: Option<Pin<Box<Sleep>>>,
    dice: StdRng,
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
        }
        if came > 1 && meddling == Meddling::DropsBytes {
            let dropped = self.dice.random_range(1..came);
            buffer.set_filled(before + came - dropped);
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
}

impl TunnelSource for Meddler {
    fn connect(
        &self,
        order: TunnelOrder,
    ) -> BoxFuture<'static, Result<Box<dyn TunnelStream>, FetchFailure>> {
        let number = self.tunnels.fetch_add(1, Ordering::Relaxed);
        let (meddling, seed) = (self.meddling, self.seed);
        Box::pin(async move {
            let to = SocketAddr::from(([127, 0, 0, 1], order.origin.port()));
            let inner = TcpStream::connect(to).await.map_err(|_| FetchFailure::Unreachable)?;
            let mut dice = StdRng::seed_from_u64(seed ^ (number << 32));
            // From the first byte of the handshake to the middle of the file.
            let after = if dice.random_bool(0.3) {
                dice.random_range(0..4096)
            } else {
                dice.random_range(4096..BYTES / 4)
            };
            let stream = Tampered { inner, meddling, after, passed: 0, pause: None, dice };
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
        let tunnels = Arc::new(Meddler { meddling, seed, tunnels: AtomicU64::new(0) });
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
        Self { id: identity.id(), addresses, server, _hello: sender }
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

fn state_of(ended: &Ended, name: &str) -> Option<(String, String)> {
    let help = ended.all("help");
    let last = help.iter().rev().find(|event| event["name"] == name)?;
    let text = |field: &str| last[field].as_str().unwrap_or_default().to_owned();
    Some((text("state"), text("reason")))
}

async fn one(seed: u64) {
    let meddling = MEDDLINGS[seed as usize % MEDDLINGS.len()];
    let (world, authority) = (world(), Authority::new());
    let front = authority.in_front_of(&world.server, Fault::None).await;
    let (honest, meddler) = (
        Helper::start("honest", Meddling::Nothing, seed).await,
        Helper::start("meddler", meddling, seed).await,
    );
    let ended = tokio::task::spawn_blocking({
        let friends = vec![honest.as_friend("honest"), meddler.as_friend("meddler")];
        move || {
            befriend(&world.profile(), friends);
            let ended = get(&world, front.port(), &authority);
            let found = sha256_of_file(&world.files().join("file.bin"));
            assert_eq!(found, sha256_of_content(SEED, BYTES), "seed {seed}, {meddling:?}");
            ended
        }
    })
    .await
    .unwrap();
    let result = ended.result();
    assert_eq!(result["verification"], "from-server", "seed {seed}, {meddling:?}");
    let state = state_of(&ended, "meddler");
    println!("seed {seed}, {meddling:?}: {state:?}");
    honest.server.shutdown().await;
    meddler.server.shutdown().await;
    let changes =
        matches!(meddling, Meddling::FlipsABit | Meddling::DropsBytes | Meddling::InjectsBytes);
    if changes {
        // It may have been done before the helper came to meddle; a helper that did is named.
        let expected = ["mismatch", "completed"];
        let (_, reason) = state.unwrap();
        assert!(expected.contains(&&*reason), "seed {seed}, {meddling:?}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_helper_that_meddles_with_what_it_carries_changes_no_byte_of_the_file() {
    let first = std::env::var("MANYHANDS_TEST_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds: Vec<u64> = first.map_or_else(|| (0..SEEDS).collect(), |seed| vec![seed]);
    for some in seeds.chunks(AT_ONCE) {
        let running: Vec<_> = some.iter().map(|seed| tokio::spawn(one(*seed))).collect();
        for one in running {
            one.await.unwrap();
        }
    }
}
