//! Relay mode between two real devices, with a real TLS origin: bytes come through whole, and
//! tunnels end when they have to.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use common::relay::*;
use common::*;
use futures_util::future::join_all;
use manyhands_core::{ByteRange, DeskInput, HelpEnd, HelpId};
use manyhands_peer::wire::{Feature, ProblemCode};
use manyhands_peer::{CallError, RemotePeer, ServerWaits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

async fn helped(origin: &Origin) -> (Requester, Helper, RemotePeer) {
    let lin = Requester::new();
    let mo = Helper::with_tunnels(willing(), ToOrigin::honest(origin)).await;
    let peer = lin.to(&mo);
    (lin, mo, peer)
}

#[tokio::test]
async fn bytes_come_through_whole_both_ways() {
    let origin = Origin::start().await;
    let (_lin, mo, peer) = helped(&origin).await;
    assert!(within(peer.hello()).await.unwrap().can(Feature::Relay));
    let id = relay_session(&peer, 64 * MIB).await;
    let tunnels = (0..8).map(|n| {
        let (peer, origin) = (&peer, &origin);
        async move {
            let tunnel = peer.tunnel(id, &example()).await.unwrap();
            let mut stream = tls(tunnel, origin).await.unwrap();
            let mut at = 0;
            // Several answers on one connection, as with keep-alive.
            for bytes in [1, 100_000, MIB + n, 0, 3] {
                stream.write_u64(bytes).await.unwrap();
                stream.flush().await.unwrap();
                let mut answer = vec![0; usize::try_from(bytes).unwrap()];
                stream.read_exact(&mut answer).await.unwrap();
                assert!(answer == bytes_of(ByteRange::from_len(at, bytes)), "tunnel {n}");
                at += bytes;
            }
            // The requester has said all, the origin has not: both ends arrive in turn.
            stream.write_u64(200_000).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut last = Vec::new();
            stream.read_to_end(&mut last).await.unwrap();
            assert!(last == bytes_of(ByteRange::from_len(at, 200_000)));
        }
    });
    within(join_all(tunnels)).await;
    within(origin.live.subscribe().wait_for(|live| *live == 0)).await.unwrap();
    let state = within(peer.end(id, HelpEnd::Completed, 1, 1)).await.unwrap();
    assert!(format!("{:?}", state.state).contains("Completed"), "{state:?}");
    let ended = within({
        let mut ended = mo.ended;
        async move { ended.recv().await }
    });
    let sent = ended.await.unwrap().sent_bytes;
    let content = 8 * (MIB + 300_004) + (1..8).sum::<u64>();
    assert!(sent > content && sent < content + content / 50 + 8 * 8192, "{sent} for {content}");
}

#[tokio::test]
async fn a_hello_may_come_in_any_pieces_and_before_the_answer() {
    let (source, mut far_ends) = to_test();
    let (lin, mo) = (Requester::new(), Helper::with_tunnels(willing(), source).await);
    let peer = lin.to(&mo);
    let id = relay_session(&peer, MIB).await;
    let hello = hello();
    let mut tunnel = within(peer.tunnel(id, &example())).await.unwrap();
    let (order, mut far) = far_ends.recv().await.unwrap();
    assert_eq!((order.session, order.requester), (id, lin.identity.id()));
    assert_eq!(order.origin, example());
    for byte in &hello {
        tunnel.write_all(&[*byte]).await.unwrap();
        tunnel.flush().await.unwrap();
    }
    let mut came = vec![0; hello.len()];
    within(far.read_exact(&mut came)).await.unwrap();
    assert_eq!(came, hello);

    // A client that does not wait for the answer: what it sends behind the head is the tunnel's.
    let mut raw = raw::connect(&lin.identity, mo.address()).await.unwrap();
    let head = format!(
        "CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\nproxy-authorization: Bearer {id}\r\n\r\n"
    );
    raw.write_all(&[head.as_bytes(), &hello].concat()).await.unwrap();
    let (_, mut far) = within(far_ends.recv()).await.unwrap();
    within(far.read_exact(&mut came)).await.unwrap();
    assert_eq!(came, hello);
    far.write_all(b"hello too").await.unwrap();
    drop(far);
    let answer = String::from_utf8(rest_of(&mut raw).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let head = answer.to_ascii_lowercase();
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello too"), "{answer}");
}

#[tokio::test]
async fn what_the_origin_says_first_waits_for_the_requesters_hello() {
    let (source, mut far_ends) = to_test();
    let (lin, mo) = (Requester::new(), Helper::with_tunnels(willing(), source).await);
    let peer = lin.to(&mo);
    let id = relay_session(&peer, MIB).await;
    let mut tunnel = within(peer.tunnel(id, &example())).await.unwrap();
    let (_, mut far) = far_ends.recv().await.unwrap();
    far.write_all(b"220 mail.example.org ESMTP").await.unwrap();
    tunnel.write_all(b"QUIT\r\n").await.unwrap();
    assert_eq!(rest_of(&mut tunnel).await, b"");
    assert_eq!(rest_of(&mut far).await, b"");
}

#[tokio::test]
async fn a_helper_that_changes_bytes_breaks_the_tunnel_and_never_the_file() {
    let origin = Origin::start().await;
    // A byte of every part: of the origin's hello, its certificate, the first and later records.
    let offsets = (0..20).map(|n| n * 61).chain((0..20).map(|n| 1500 + n * 9_973));
    // One that waits for a byte that was dropped is let go by the helper.
    let waits = ServerWaits { tunnel_idle: Duration::from_secs(1), ..ServerWaits::default() };
    let lies = offsets.flat_map(|at| [Lie::Flip(at), Lie::Drop(at)]);
    let talks = lies.map(|lie| {
        let origin = &origin;
        async move {
            let source = ToOrigin { address: origin.address, lie: Some(lie) };
            let mo = Helper::with_tunnels(Rules { waits, ..willing() }, source).await;
            let peer = Requester::new().to(&mo);
            let id = relay_session(&peer, 64 * MIB).await;
            let tunnel = peer.tunnel(id, &example()).await.unwrap();
            let mut found = Vec::new();
            let talk = async {
                let mut stream = tls(tunnel, origin).await?;
                stream.write_u64(200_000).await?;
                stream.flush().await?;
                stream.take(200_000).read_to_end(&mut found).await
            };
            let result = talk.await;
            assert!(result.is_err(), "{lie:?}: {result:?}");
            assert!(found == bytes_of(ByteRange::from_len(0, found.len() as u64)), "{lie:?}");
            assert!(found.len() < 200_000, "{lie:?}");
        }
    });
    within(join_all(talks)).await;
}

#[tokio::test]
async fn tunnels_go_no_faster_than_the_limit() {
    let origin = Origin::start().await;
    let (_lin, mo, peer) = helped(&origin).await;
    let id = relay_session(&peer, 64 * MIB).await;
    mo.server.set_rate(Some(4 * MIB));
    let began = Instant::now();
    let reads = (0..2).map(|_| async {
        let tunnel = peer.tunnel(id, &example()).await.unwrap();
        let mut stream = tls(tunnel, &origin).await.unwrap();
        stream.write_u64(2 * MIB).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        assert!(bytes == bytes_of(ByteRange::from_len(0, 2 * MIB)));
    });
    within(join_all(reads)).await;
    assert!(began.elapsed() >= Duration::from_millis(800), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_budget_that_is_used_up_ends_the_session_and_every_tunnel_of_it() {
    let (source, mut far_ends) = to_test();
    let (lin, mut mo) = (Requester::new(), Helper::with_tunnels(willing(), source).await);
    let peer = lin.to(&mo);
    let id = relay_session(&peer, MIB).await;
    let (mut open, hello) = (Vec::new(), hello());
    for _ in 0..2 {
        let mut tunnel = within(peer.tunnel(id, &example())).await.unwrap();
        tunnel.write_all(&hello).await.unwrap();
        tunnel.flush().await.unwrap();
        open.push((tunnel, far_ends.recv().await.unwrap().1));
    }
    let (mut idle, mut idle_far) = open.pop().unwrap();
    let (mut busy, mut busy_far) = open.pop().unwrap();
    let send = async {
        let bytes = vec![7; 3 << 20];
        assert!(busy_far.write_all(&bytes).await.is_err(), "more than the budget is not taken");
    };
    let (came, ()) = within(async { tokio::join!(rest_of(&mut busy), send) }).await;
    assert_eq!(came.len() as u64, MIB, "the budget to the byte");
    let ended = within(mo.ended.recv()).await.unwrap();
    assert_eq!((ended.reason, ended.sent_bytes), (HelpEnd::Budget, MIB));
    let began = Instant::now();
    assert_eq!(rest_of(&mut idle_far).await, hello);
    assert_eq!(rest_of(&mut idle).await, b"");
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    let late = within(peer.tunnel(id, &example())).await.err().unwrap();
    assert_eq!(code(&late), Some(ProblemCode::SessionOver));
}

#[tokio::test]
async fn a_tunnel_through_which_nothing_passes_is_closed() {
    let patience = Duration::from_millis(300);
    let waits = ServerWaits { tunnel_idle: patience, ..ServerWaits::default() };
    let (source, mut far_ends) = to_test();
    let rules = Rules { waits, ..willing() };
    let (lin, mo) = (Requester::new(), Helper::with_tunnels(rules, source).await);
    let peer = lin.to(&mo);
    let id = relay_session(&peer, MIB).await;
    let mut tunnel = within(peer.tunnel(id, &example())).await.unwrap();
    let hello = hello();
    tunnel.write_all(&hello).await.unwrap();
    let (_, mut far) = far_ends.recv().await.unwrap();
    let began = Instant::now();
    assert_eq!(rest_of(&mut far).await, hello);
    assert!(began.elapsed() >= patience / 2);
    assert_eq!(rest_of(&mut tunnel).await, b"");
}

#[tokio::test]
async fn an_origin_that_cannot_be_reached_is_told_from_a_helper_that_does_not_want_to() {
    let (lin, mo) = (Requester::new(), Helper::with_tunnels(willing(), NoTunnels).await);
    let peer = lin.to(&mo);
    let id = relay_session(&peer, MIB).await;
    let refused = within(peer.tunnel(id, &example())).await.err().unwrap();
    assert_eq!(code(&refused), Some(ProblemCode::AddressRefused));
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let mo = Helper::with_tunnels(willing(), ToOrigin { address, lie: None }).await;
    let peer = lin.to(&mo);
    let id = relay_session(&peer, MIB).await;
    let refused = within(peer.tunnel(id, &example())).await.err().unwrap();
    assert_eq!(code(&refused), Some(ProblemCode::OriginUnreachable));
    assert_eq!(mo.server.lent()[0].streams, 0, "its place is free again");
}

fn code(error: &CallError) -> Option<ProblemCode> {
    match error {
        CallError::Problem(problem) => problem.code(),
        _ => None,
    }
}

/// In which way five sessions and their tunnels end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Order,
    Lending,
    Withdrawal,
    Block,
    Shutdown,
    RequesterGone,
}

/// File descriptors of this process.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn all_end(way: Way) {
    const SESSIONS: usize = 5;
    const TUNNELS: usize = 4;
    let (source, mut far_ends) = to_test();
    let helper = Helper::with_tunnels(willing(), source).await;
    let requesters: Vec<_> = (0..SESSIONS).map(|_| Requester::new()).collect();
    let mut sessions: Vec<(RemotePeer, HelpId)> = Vec::new();
    for requester in &requesters {
        let peer = requester.to(&helper);
        let id = relay_session(&peer, 64 * MIB).await;
        sessions.push((peer, id));
    }
    let before = descriptors();
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for n in 0..SESSIONS * TUNNELS {
        let (peer, id) = &sessions[n % SESSIONS];
        let mut tunnel = within(peer.tunnel(*id, &example())).await.unwrap();
        // Some are carrying, some have only just been opened.
        if n % 4 != 0 {
            tunnel.write_all(&hello()).await.unwrap();
            tunnel.flush().await.unwrap();
        }
        near.push(tunnel);
        far.push(far_ends.recv().await.unwrap().1);
    }
    assert!(descriptors() >= before + SESSIONS * TUNNELS);
    let streams = || helper.server.lent().iter().map(|lent| lent.streams).sum::<u16>();
    assert_eq!(usize::from(streams()), SESSIONS * TUNNELS);
    let senders = far.into_iter().map(|mut far| {
        tokio::spawn(async move {
            // Much is on its way in both directions when the end comes.
            let (mut from, mut to) = tokio::io::split(&mut far);
            let send = async { while to.write_all(&[7; 4096]).await.is_ok() {} };
            let mut heard = Vec::new();
            let hear = from.read_to_end(&mut heard);
            tokio::join!(send, hear).1.ok();
        })
    });
    let senders: Vec<_> = senders.collect();
    tokio::task::yield_now().await;

    let began = Instant::now();
    match way {
        Way::Order => {
            for (_, id) in &sessions {
                assert!(helper.server.end(*id, HelpEnd::Stopped).is_some());
            }
        }
        Way::Lending => helper.decide(DeskInput::LendingSwitched { on: false }).await,
        Way::Withdrawal => {
            for (peer, id) in &sessions {
                within(peer.withdraw(*id)).await.unwrap();
            }
        }
        Way::Block => {
            let all = requesters.iter().map(|requester| requester.identity.id()).collect();
            helper.server.set_blocked(&all);
        }
        Way::Shutdown => within(helper.server.shutdown()).await,
        Way::RequesterGone => near.clear(),
    }
    for tunnel in &mut near {
        rest_of(tunnel).await;
    }
    for sender in senders {
        within(sender).await.unwrap();
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{way:?}: {took:?}");
    near.clear();
    within(async {
        while descriptors() > before || streams() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Returns only when no task of the server is left.
    within(helper.server.shutdown()).await;
    assert!(helper.server.lent().is_empty());
}

#[tokio::test]
async fn an_order_ends_twenty_tunnels_at_once() {
    all_end(Way::Order).await;
}

#[tokio::test]
async fn the_switch_ends_twenty_tunnels_at_once() {
    all_end(Way::Lending).await;
}

#[tokio::test]
async fn a_withdrawal_ends_its_tunnels_at_once() {
    all_end(Way::Withdrawal).await;
}

#[tokio::test]
async fn a_block_ends_twenty_tunnels_at_once() {
    all_end(Way::Block).await;
}

#[tokio::test]
async fn a_shutdown_ends_twenty_tunnels_at_once() {
    all_end(Way::Shutdown).await;
}

#[tokio::test]
async fn who_closes_a_tunnel_leaves_nothing_behind() {
    all_end(Way::RequesterGone).await;
}

#[tokio::test]
async fn a_session_that_is_carried_by_tunnels_alone_is_not_taken_for_lost() {
    let waits = ServerWaits { silence: Duration::from_millis(300), ..ServerWaits::default() };
    let (source, mut far_ends) = to_test();
    let rules = Rules { waits, ..willing() };
    let (lin, mut mo) = (Requester::new(), Helper::with_tunnels(rules, source).await);
    let peer = lin.to(&mo);
    let id = relay_session(&peer, 64 * MIB).await;
    let mut tunnel = within(peer.tunnel(id, &example())).await.unwrap();
    tunnel.write_all(&hello()).await.unwrap();
    let (_, mut far) = far_ends.recv().await.unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        far.write_all(&[7; 1000]).await.unwrap();
        within(tunnel.read_exact(&mut [0; 1000])).await.unwrap();
    }
    assert!(mo.ended.try_recv().is_err());
    drop((tunnel, far));
    assert_eq!(within(mo.ended.recv()).await.unwrap().reason, HelpEnd::Lost);
}
