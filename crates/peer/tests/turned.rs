//! A device behind a wall that lets nothing in is rung, calls, and is asked on the connections that it has made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/rendezvous.rs"]
#[allow(dead_code, unused_imports)]
mod meeting;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::*;
use manyhands_core::{ByteRange, HelpEnd};
use manyhands_peer::{
    CallError, Calls, ClientWaits, Discovered, NoWay, PeerClient, Presence, PresenceNews,
    PresenceWaits, RemotePeer,
};
use manyhands_rendezvous::Server;
use meeting::{Met, copy, group_at, id, plain_server};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// A device with both sides, that meets others at a server.
struct Device {
    helper: Helper,
    client: PeerClient,
    met: Met,
}

impl Device {
    /// Published is `port`, wherever it listens.
    async fn start(server: &[manyhands_peer::wire::Invite], port: Option<u16>) -> Self {
        let helper = Helper::start(Rules::default()).await;
        let client = PeerClient::new(&helper.identity, ClientWaits::default());
        let calls = Calls { client: client.clone(), server: helper.server.clone() };
        let met = Met::start(port.unwrap_or(helper.server.port()), server, |options| {
            options.identity = Arc::new(copy(&helper.identity));
            options.calls = Some(calls);
        });
        Self { helper, client, met }
    }
}

/// Where nobody listens.
async fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// Lin can be called, Mo cannot; both are listed.
async fn two() -> (Server, Device, Device) {
    let server = plain_server().await;
    let group = group_at(&server);
    let groups = std::slice::from_ref(&group);
    let mut lin = Device::start(groups, None).await;
    let mut mo = Device::start(groups, Some(dead_port().await)).await;
    lin.met.sees(id(&group), mo.met.id).await;
    mo.met.sees(id(&group), lin.met.id).await;
    (server, lin, mo)
}

/// Mo, as Lin knows it: where it is said to be, nobody answers. Rung, and it has called.
async fn rung(lin: &Device, mo: &Device) -> RemotePeer {
    let dead = format!("127.0.0.1:{}", dead_port().await).parse().unwrap();
    let peer = lin.client.peer(mo.met.id, &[dead]);
    let error = within(peer.hello()).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable(_)), "{error:?}");
    assert!(lin.met.rendezvous.ring(mo.met.id));
    within(async {
        while peer.hello().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(peer.has_called());
    peer
}

#[tokio::test]
async fn who_cannot_be_called_helps_over_connections_that_it_has_made() {
    let (_server, lin, mut mo) = two().await;
    let peer = rung(&lin, &mo).await;
    let id = session(&peer, &mut mo.helper, 64 * MIB).await;
    // A poll and four streams at once: more than there was to begin with.
    let revision = within(peer.poll(id, None, 0)).await.unwrap().revision;
    let polling = {
        let peer = peer.clone();
        tokio::spawn(async move { peer.poll(id, Some(revision), 25).await })
    };
    let reads = (0..4).map(|n| {
        let (peer, range) = (peer.clone(), ByteRange::from_len(n * 5 * MIB, 5 * MIB));
        tokio::spawn(async move {
            let content = peer.content(id, range).await.unwrap();
            read_all(content.body).await == bytes_of(range)
        })
    });
    for read in reads.collect::<Vec<_>>() {
        assert!(within(read).await.unwrap());
    }
    assert_eq!(mo.helper.server.lent()[0].peer, lin.met.id, "Lin is known by its key");
    within(peer.end(id, HelpEnd::Completed, 20 * MIB, 20 * MIB)).await.unwrap();
    assert!(within(polling).await.unwrap().unwrap().state.is_final());
    within(mo.helper.ended.recv()).await.unwrap();
}

#[tokio::test]
async fn the_look_out_sees_it_as_soon_as_it_has_called() {
    let (_server, lin, mo) = two().await;
    let (hints, heard) = mpsc::channel(16);
    let friends = watch::channel(BTreeSet::new()).1;
    let (_presence, mut news) = Presence::start(
        lin.client.clone(),
        PresenceWaits::default(),
        friends,
        nowhere_else(),
        heard,
    );
    let Device { mut met, .. } = lin;
    let hint = met.hint().await;
    assert!(matches!(hint, Discovered::PeerSeen { id, .. } if id == mo.met.id));
    hints.send(hint).await.unwrap();
    loop {
        match within(news.recv()).await.unwrap() {
            PresenceNews::Unreachable { why, .. } => break assert_eq!(why, NoWay::Refused),
            PresenceNews::Found { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let began = Instant::now();
    assert!(met.rendezvous.ring(mo.met.id));
    match come_or_gone(&mut news).await {
        PresenceNews::Online { peer, .. } => assert!(peer.id() == mo.met.id && peer.has_called()),
        other => panic!("{other:?}"),
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn who_was_not_rung_turns_nothing() {
    let (_server, lin, mo) = two().await;
    // Lin takes turns, of those whom it has rung.
    let peer = mo.client.peer(lin.met.id, &[lin.helper.address()]);
    within(peer.hello()).await.unwrap();
    let turned = within(raw_turn(&mo, &lin)).await;
    assert!(turned.starts_with("HTTP/1.1 404"), "{turned}");
    // A ring for somebody who is not listed reaches nobody.
    assert!(lin.met.rendezvous.ring(manyhands_core::PeerId::from_digest([1; 32])));
    let turned = within(raw_turn(&mo, &lin)).await;
    assert!(turned.starts_with("HTTP/1.1 404"), "{turned}");
}

#[tokio::test]
async fn the_connections_of_who_is_blocked_end() {
    let (_server, lin, mo) = two().await;
    let peer = rung(&lin, &mo).await;
    mo.helper.server.set_blocked(&[lin.met.id].into());
    within(async { while peer.hello().await.is_ok() {} }).await;
}

#[tokio::test]
async fn a_blocked_device_rings_and_is_not_called() {
    let server = plain_server().await;
    let group = group_at(&server);
    let groups = std::slice::from_ref(&group);
    let mut mo = Device::start(groups, Some(dead_port().await)).await;
    let (mut lin, mut eve) = (Device::start(groups, None).await, Device::start(groups, None).await);
    for device in [&mut lin, &mut eve] {
        device.met.sees(id(&group), mo.met.id).await;
        mo.met.sees(id(&group), device.met.id).await;
    }
    mo.helper.server.set_blocked(&[lin.met.id].into());
    assert!(lin.met.rendezvous.ring(mo.met.id));
    // Who rings later is called.
    rung(&eve, &mo).await;
    let dead = format!("127.0.0.1:{}", dead_port().await).parse().unwrap();
    let error = within(lin.client.peer(mo.met.id, &[dead]).hello()).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable(_)), "{error:?}");
}

/// Asks to turn a connection, as Mo would; gives the head of the answer.
async fn raw_turn(mo: &Device, lin: &Device) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = raw::connect(&mo.helper.identity, lin.helper.address()).await.unwrap();
    let request = "POST /v1/turn HTTP/1.1\r\nhost: peer.invalid\r\nconnection: upgrade\r\nupgrade: manyhands-turn\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}
