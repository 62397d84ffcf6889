//! Relay mode as the program does it: what ends tunnels, and where none leads.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use manyhands_core::{HelpAnswer, HelpId};
use manyhands_faultserver::{Authority, Fault};
use manyhands_origin::{AddressGuard, Refused};
use manyhands_peer::wire::{DeviceName, HelpRequest, List, Mode, OriginName, ProblemCode};
use manyhands_peer::{
    CallError, ClientWaits, DeviceIdentity, FetchFailure, PeerClient, TunnelOrder,
};
use url::Url;

use super::*;
use crate::network::guard::LiveGuard;
use crate::network::lending::sources;

/// Each requester's: one connection of its own, and as many tunnels as a helper gives a download.
const TUNNELS_EACH: usize = 4;
/// So slow that each further tunnel pays, and so much that nothing is over before the test is.
pub(super) const TUNNEL_RATE: u64 = 64 << 10;
/// What an order may take until it is carried out.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A helper, an origin over TLS, and requesters that are carried.
pub(super) struct Carried {
    pub world: World,
    pub authority: Authority,
    origin: SocketAddr,
}

impl Carried {
    pub async fn new(accept: AcceptRule) -> Self {
        let world = World::new(accept).await;
        world.server.set(Behaviour { rate_per_connection: Some(TUNNEL_RATE), ..slow() });
        let authority = Authority::new();
        let origin = authority.in_front_of(&world.server, Fault::None).await;
        Self { world, authority, origin }
    }

    pub async fn requester(&self, name: &str) -> Requester<'_> {
        let requester = self.world.requester(name).await;
        requester.engine.shutdown().await;
        let off = LendingChange { on: Some(false), ..LendingChange::default() };
        let mut config = config(requester.dir.clone(), off);
        config.network.as_mut().unwrap().trusted_pem = vec![self.authority.pem()];
        let engine = Engine::open(config).await.unwrap();
        Requester { engine, ..requester }
    }

    pub async fn get(&self, requester: &Requester<'_>) -> DownloadId {
        let new = NewDownload {
            url: format!("https://localhost:{}/file.bin", self.origin.port()),
            dir: Some(requester.dir.join("files")),
            connections: Some(1),
            ask: Some(AskFor { who: Ask::Friends, wait_s: 3600, mode: None, unverified: None }),
            ..NewDownload::default()
        };
        requester.engine.add(&new).await.unwrap()
    }

    /// Connections to the origin that are open at the side that made them.
    fn to_origin(&self) -> usize {
        established_to(self.origin.port())
    }

    /// Requesters, each with all the tunnels that it may have.
    async fn carrying(&self, names: &[&str]) -> Vec<(Requester<'_>, DownloadId)> {
        let mut carried = Vec::new();
        for name in names {
            let requester = self.requester(name).await;
            let id = self.get(&requester).await;
            carried.push((requester, id));
        }
        let all = names.len() * (1 + TUNNELS_EACH);
        so_within(LONG, "all tunnels are open", || self.to_origin() == all).await;
        let together = self.world.together().await;
        assert_eq!(together.helping.len(), names.len());
        assert!(together.helping.iter().all(|row| row.mode == manyhands_core::HelpMode::Relay));
        carried
    }

    /// What was carried has ended, soon after it was `ordered`; the requesters have their own connections left and go on.
    async fn is_over(&self, carried: &[(Requester<'_>, DownloadId)], ordered: Instant) {
        so_within(AT_ONCE, "the tunnels end", || self.to_origin() <= carried.len()).await;
        assert!(self.world.together().await.helping.is_empty());
        assert!(ordered.elapsed() < AT_ONCE, "{:?}", ordered.elapsed());
        for (requester, id) in carried {
            let help = requester.refused(*id).await;
            assert_eq!((help.state, help.reason), (HelpState::Ended, Some(HelpReason::Stopped)));
            let bytes = requester.engine.row(*id).await.unwrap().unwrap().bytes;
            requester.until(*id, |row| row.bytes > bytes).await;
        }
    }
}

/// Sockets of this process that are connected to this port: `local remote state` of the system's tables.
fn established_to(port: u16) -> usize {
    let remote = format!(":{port:04X}");
    let is_one = |line: &str| {
        let mut words = line.split_whitespace().skip(2);
        words.next().is_some_and(|word| word.ends_with(&remote)) && words.next() == Some("01")
    };
    let table = |path| std::fs::read_to_string(path).unwrap_or_default();
    let count = |path| table(path).lines().filter(|line| is_one(line)).count();
    count("/proc/net/tcp") + count("/proc/net/tcp6")
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn living_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Looks again and again at what nobody tells.
async fn so_within(patience: Duration, what: &str, so: impl Fn() -> bool) {
    let looking = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(patience, looking).await.is_ok(), "not so: {what}");
}

#[tokio::test]
async fn the_switch_ends_five_sessions_with_twenty_tunnels_within_a_second_and_leaves_nothing() {
    let scene = Carried::new(AcceptRule::All).await;
    // By the time that one has come and gone, everything runs with which the helper begins.
    scene.requester("first").await.engine.shutdown().await;
    let before = (open_files(), living_tasks());
    let carried = scene.carrying(&["lin", "mo", "eve", "sam", "kim"]).await;
    let ordered = Instant::now();
    let off = LendingChange { on: Some(false), ..LendingChange::default() };
    scene.world.helper.set_lending(off).await.unwrap();
    scene.is_over(&carried, ordered).await;
    // One of them to its end, alone.
    scene.world.server.set(fast());
    let (lin, id) = &carried[0];
    lin.engine.pause(*id).await.unwrap();
    lin.until(*id, |row| row.state == RowState::Paused).await;
    lin.engine.resume(*id).await.unwrap();
    let row = lin.until(*id, |row| row.state == RowState::Completed).await;
    assert!(std::fs::read(row.path.unwrap()).unwrap() == content(SEED, 0..BYTES));
    for (requester, _) in carried {
        requester.engine.shutdown().await;
    }
    so_within(LONG, "files and connections are closed", || open_files() <= before.0).await;
    so_within(LONG, "tasks have ended", || living_tasks() <= before.1).await;
}

#[tokio::test]
async fn a_friend_that_is_removed_loses_its_tunnels_within_a_second() {
    let scene = Carried::new(AcceptRule::All).await;
    let world = &scene.world;
    let carried = scene.carrying(&["lin"]).await;
    let lin = carried[0].0.id();
    // A rule makes it a friend, whose removal takes all along.
    world.helper.set_rule(lin, RuleTerms::default()).await.unwrap();
    let ordered = Instant::now();
    assert!(world.helper.remove_friend(lin).await.unwrap());
    scene.is_over(&carried, ordered).await;
}

/// A requester without a program around it, and what the helper makes of the requests that it is sent.
struct Caller {
    client: PeerClient,
    _lending: tempfile::TempDir,
    helper: Engine,
}

impl Caller {
    /// The helper is as people have it: nothing on this machine is let through.
    async fn new(lending: LendingChange) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path().to_owned(), lending);
        config.network.as_mut().unwrap().loopback_origins = false;
        let helper = Engine::open(config).await.unwrap();
        let identity = DeviceIdentity::generate().unwrap();
        let client = PeerClient::new(&identity, ClientWaits::default());
        Self { client, _lending: dir, helper }
    }

    /// Why there is no tunnel to this origin, which the helper has agreed to.
    async fn refusal(&self, origin: &OriginName) -> Option<ProblemCode> {
        let helper = self.helper.device().unwrap();
        let peer = self.client.peer(helper.id, &helper.listens);
        let request = HelpRequest {
            name: DeviceName::neutralised("Lin"),
            mode: Mode::Relay,
            origins: List::new(vec![origin.clone()]).unwrap(),
            size_bytes: None,
            budget_bytes: MIB,
            file_name: None,
        };
        let id = peer.ask(&request).await.unwrap();
        let answer = peer.decision(id).await.unwrap();
        assert!(matches!(answer, HelpAnswer::Accept { .. }), "{answer:?}");
        let refused = peer.tunnel(id, origin).await.err().unwrap();
        peer.withdraw(id).await.unwrap();
        match refused {
            CallError::Problem(problem) => problem.code(),
            other => panic!("{other:?}"),
        }
    }
}

fn origin(url: &str) -> OriginName {
    OriginName::of(&Url::parse(url).unwrap()).unwrap()
}

/// A port of this machine that counts who comes.
fn watched() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

fn nobody_came(listener: &TcpListener) {
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_helper_that_has_agreed_still_carries_nothing_to_its_own_machine() {
    let listener = watched();
    let port = listener.local_addr().unwrap().port();
    for allow_private_origins in [false, true] {
        let lending = LendingChange {
            allow_private_origins: Some(allow_private_origins),
            ..lends(AcceptRule::All)
        };
        let caller = Caller::new(lending).await;
        let code = caller.refusal(&origin(&format!("https://localhost:{port}/"))).await;
        assert_eq!(code, Some(ProblemCode::AddressRefused));
    }
    nobody_came(&listener);
}

fn order(url: &str) -> TunnelOrder {
    let requester = DeviceIdentity::generate().unwrap().id();
    TunnelOrder { session: HelpId(1), requester, origin: origin(url) }
}

#[tokio::test]
async fn no_spelling_of_an_address_inside_is_carried_to() {
    let listener = watched();
    let port = listener.local_addr().unwrap().port();
    let tunnels = sources(Arc::new(LiveGuard::new(false))).unwrap().tunnels;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "LOCALHOST",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.1.1",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00::1]",
        "[fd00:ec2::254]",
        "[::ffff:10.0.0.1]",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        let order = order(&format!("https://{host}:{port}/"));
        let refused = tunnels.connect(order).await.err();
        assert_eq!(refused, Some(FetchFailure::AddressRefused), "{host}");
    }
    nobody_came(&listener);
}

/// The rule as it stands, with the machine itself let through for as long as the name leads "outside".
#[derive(Debug)]
pub(super) struct Rebound {
    pub outside: AtomicBool,
    pub rule: LiveGuard,
}

impl AddressGuard for Rebound {
    fn allow(&self, address: IpAddr) -> Result<(), Refused> {
        if self.outside.load(Ordering::Relaxed) && address == Ipv4Addr::LOCALHOST {
            return Ok(());
        }
        self.rule.allow(address)
    }

    fn edition(&self) -> u64 {
        self.rule.edition()
    }
}

#[tokio::test]
async fn an_address_is_judged_for_each_tunnel_when_it_is_connected_to() {
    let listener = watched();
    let guard = Arc::new(Rebound { outside: AtomicBool::new(true), rule: LiveGuard::new(true) });
    let tunnels = sources(guard.clone()).unwrap().tunnels;
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    assert!(tunnels.connect(order(&url)).await.is_ok());
    assert!(listener.accept().is_ok());
    guard.outside.store(false, Ordering::Relaxed);
    let refused = tunnels.connect(order(&url)).await.err();
    assert_eq!(refused, Some(FetchFailure::AddressRefused));
    nobody_came(&listener);
}
