//! Who is greeted, and when: real devices, and places where nobody is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Helper, Requester, Rules, come_or_gone, within};
use manyhands_core::{GroupId, PeerId};
use manyhands_peer::{Discovered, HintOrigin, OwnAddresses, Presence, PresenceNews, PresenceWaits};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// Nobody who did not answer is greeted again while a test runs.
fn patient() -> PresenceWaits {
    let hours = Duration::from_secs(3600);
    PresenceWaits { retry: hours, retry_max: hours, ..PresenceWaits::default() }
}

/// Passes connections on to where a device is.
async fn pass_on(listener: TcpListener, to: SocketAddr) {
    while let Ok((mut near, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut far = TcpStream::connect(to).await.unwrap();
            tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
        });
    }
}

/// A friend who did not answer at all, and somebody else who did not, are reached as soon as the network is there again.
async fn back_after(change: impl Fn(&mut OwnAddresses)) {
    let lin = Requester::new();
    let (mo, eve) = (Helper::start(Rules::default()).await, Helper::start(Rules::default()).await);
    let (own, seen_own) = watch::channel(OwnAddresses::default());
    let friends = watch::channel([mo.identity.id()].into()).1;
    let (hints, heard) = mpsc::channel(16);
    let (_presence, mut news) = Presence::start(lin.client, patient(), friends, seen_own, heard);
    let group = HintOrigin::Group(GroupId::from_digest([3; 32]));
    let mut places = Vec::new();
    for (device, origin) in [(&mo, HintOrigin::Known), (&eve, group)] {
        let place = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let id = device.identity.id();
        hints.send(Discovered::PeerSeen { id, origin, addresses: vec![place] }).await.unwrap();
        places.push((place, device.address()));
    }
    let mut unreachable = BTreeSet::new();
    while unreachable.len() < places.len() {
        match within(news.recv()).await.unwrap() {
            PresenceNews::Unreachable { id, .. } => drop(unreachable.insert(id)),
            PresenceNews::Found { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    for (place, device) in places {
        let listener = TcpListener::bind(place).await.unwrap();
        tokio::spawn(pass_on(listener, device));
    }
    own.send_modify(|own| change(own));
    let mut met = BTreeSet::new();
    while met.len() < 2 {
        match come_or_gone(&mut news).await {
            PresenceNews::Online { peer, .. } => drop(met.insert(peer.id())),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(met, [mo.identity.id(), eve.identity.id()].into());
}

#[tokio::test]
async fn with_another_address_who_did_not_answer_is_greeted_at_once() {
    back_after(|own| own.ips = vec![IpAddr::from([10, 0, 0, 7])]).await;
}

#[tokio::test]
async fn after_a_sleep_who_did_not_answer_is_greeted_at_once() {
    back_after(|own| own.slept += 1).await;
}

#[tokio::test]
async fn however_many_members_are_listed_at_one_address_it_is_dialled_a_handful_of_times() {
    let lin = Requester::new();
    let victim = TcpListener::bind("127.0.0.77:0").await.unwrap();
    let address = victim.local_addr().unwrap();
    let dialled = Arc::new(AtomicUsize::new(0));
    let counting = dialled.clone();
    tokio::spawn(async move {
        while let Ok((connection, _)) = victim.accept().await {
            counting.fetch_add(1, Ordering::SeqCst);
            drop(connection);
        }
    });
    let honest = [
        Helper::start(Rules::default()).await,
        Helper::start(Rules::default()).await,
        Helper::start(Rules::default()).await,
    ];
    let friends = watch::channel(BTreeSet::new()).1;
    let (hints, heard) = mpsc::channel(16);
    let waits = PresenceWaits { retry: Duration::from_millis(50), ..PresenceWaits::default() };
    let own = common::nowhere_else();
    let (_presence, mut news) = Presence::start(lin.client, waits, friends, own, heard);
    let origin = HintOrigin::Group(GroupId::from_digest([3; 32]));
    let seen = |id, addresses| Discovered::PeerSeen { id, origin, addresses };
    for n in 0..300_u16 {
        let mut digest = [7; 32];
        digest.get_mut(..2).unwrap().copy_from_slice(&n.to_be_bytes());
        hints.send(seen(PeerId::from_digest(digest), vec![address])).await.unwrap();
    }
    for device in &honest {
        hints.send(seen(device.identity.id(), vec![device.address()])).await.unwrap();
    }
    // Their turns come somewhere among those of the others.
    let mut met = BTreeSet::new();
    while met.len() < honest.len() {
        if let PresenceNews::Online { peer, .. } = within(news.recv()).await.unwrap() {
            met.insert(peer.id());
        }
    }
    let dialled = dialled.load(Ordering::SeqCst);
    assert!((1..=6).contains(&dialled), "{dialled}");
}
