use super::room::MAX_PEERS;
use super::*;

#[test]
fn of_who_is_only_listed_a_few_addresses_are_tried_at_a_time_and_all_in_the_end() {
    let at = |n: u8| SocketAddr::from(([10, 0, 0, n], 4000));
    let all: Vec<_> = (0..15).map(at).collect();
    let mut tried = BTreeSet::new();
    for failures in 0..4 {
        let mut addresses = all.clone();
        cut(&mut addresses, failures);
        assert_eq!(addresses.len(), MAX_LISTED_ADDRESSES);
        tried.extend(addresses);
    }
    assert_eq!(tried.len(), all.len());
    let mut few = vec![at(1), at(2)];
    cut(&mut few, 7);
    assert_eq!(few, [at(1), at(2)]);
}

fn peer(n: u16) -> PeerId {
    let mut digest = [7; 32];
    digest[..2].copy_from_slice(&n.to_be_bytes());
    PeerId::from_digest(digest)
}

fn lookout(friends: impl IntoIterator<Item = PeerId>) -> Lookout {
    let identity = manyhands_identity::DeviceIdentity::generate().unwrap();
    let client = PeerClient::new(&identity, crate::ClientWaits::default());
    let friends = watch::channel(friends.into_iter().collect()).1;
    let own = watch::channel(OwnAddresses::default()).1;
    Lookout::new(client, PresenceWaits::default(), friends, own)
}

const GROUP: HintOrigin = HintOrigin::Group(manyhands_core::GroupId::from_digest([3; 32]));

fn at(n: u16) -> Vec<SocketAddr> {
    let [high, low] = n.to_be_bytes();
    vec![SocketAddr::from(([10, 1, high, low], 4000))]
}

/// When each is greeted, from now on.
fn waits(lookout: &Lookout) -> Vec<Duration> {
    let now = Instant::now();
    lookout.peers.values().map(|peer| peer.next.saturating_duration_since(now)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_more_peers_are_known_the_wider_the_first_greetings_are_spread() {
    let mut lookout = lookout([]);
    for n in 0..1000 {
        let before = lookout.peers.len() as u32;
        lookout.seen(peer(n), GROUP, &at(n));
        let next = lookout.peers[&peer(n)].next - Instant::now();
        assert!(next <= (LISTED_STEP * (before + 1)).min(LISTED_SPREAD), "{n}: {next:?}");
    }
    let waits = waits(&lookout);
    let late = waits.iter().filter(|wait| **wait > LISTED_SPREAD / 2).count();
    assert!((300..700).contains(&late), "evenly over the spread: {late}");
    // Whoever is seen on this network has announced itself at its own time.
    lookout.seen(peer(2000), HintOrigin::Lan, &at(1));
    assert_eq!(lookout.peers[&peer(2000)].next, Instant::now());
}

#[tokio::test(start_paused = true)]
async fn after_a_move_friends_are_greeted_first_and_nobody_sends_hundreds_at_once() {
    let mut lookout = lookout((500..900).map(peer));
    for n in 0..900 {
        lookout.seen(peer(n), if n < 100 { GROUP } else { HintOrigin::Known }, &at(n));
    }
    let later = Instant::now() + Duration::from_secs(300);
    for peer in lookout.peers.values_mut() {
        (peer.failures, peer.next) = (7, later);
    }
    // Who is online, and who was not greeted yet, is not concerned; what is under way is begun anew when it fails.
    lookout.peers.get_mut(&peer(501)).unwrap().failures = 0;
    lookout.peers.get_mut(&peer(502)).unwrap().greeting = true;
    lookout.moved();
    assert_eq!(lookout.peers[&peer(501)].next, later);
    lookout.greeted(peer(502), Err(CallError::Nonsense("of the old network")));
    let stale = &lookout.peers[&peer(502)];
    assert_eq!((stale.failures, stale.no_way, stale.next), (0, None, Instant::now()));
    lookout.greeted(peer(502), Err(CallError::Nonsense("of this one")));
    assert_eq!(lookout.peers[&peer(502)].failures, 1);
    let now = Instant::now();
    let of = |range: std::ops::Range<u16>| {
        let mut waits: Vec<_> = range.map(|n| lookout.peers[&peer(n)].next - now).collect();
        waits.sort_unstable();
        waits
    };
    assert!(of(0..100).last().unwrap() <= &LISTED_SPREAD, "who is only listed, with its jitter");
    let all = of(100..900);
    assert!(all.iter().filter(|wait| wait.is_zero()).count() <= MAX_GREETINGS);
    for (first, later) in all.iter().zip(all.iter().skip(MAX_GREETINGS + 5)) {
        assert!(*later - *first >= Duration::from_secs(1), "five a second");
    }
    assert!(of(503..900).last().unwrap() <= &of(100..500)[0], "friends first");
    // Nobody is greeted later than it would have been.
    let soon = Instant::now() + Duration::from_millis(1);
    for peer in lookout.peers.values_mut() {
        (peer.failures, peer.next) = (1, soon);
    }
    lookout.moved();
    assert!(lookout.peers.values().all(|peer| peer.next <= soon));
}

#[test]
fn who_has_called_is_greeted_before_it_gives_up_its_connections() {
    let waits = PresenceWaits::default();
    // As many that the pace alone makes it ten minutes.
    assert_eq!(again(&waits, false, 3000, false), GREETING_PACE * 3000);
    assert_eq!(again(&waits, false, 3000, true), CALLED);
    assert_eq!(again(&waits, false, 10, true), waits.online);
    for _ in 0..100 {
        assert!(again(&waits, true, 10, true) <= CALLED, "also where the usual pause is drawn");
        assert!(again(&waits, true, 10, false) >= waits.listed.mul_f64(0.75));
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_for_lack_of_room_is_taken_in_when_somebody_goes() {
    let mut lookout = lookout([peer(5000)]);
    let most = u16::try_from(MAX_PEERS).unwrap();
    for n in 0..most + 3 {
        lookout.seen(peer(n), GROUP, &at(n));
    }
    assert_eq!(lookout.peers.len(), MAX_PEERS);
    // One of them is listed no more, another one somewhere else.
    lookout.gone(peer(most), GROUP);
    lookout.seen(peer(most + 1), GROUP, &at(9));
    lookout.take_in_who_waits();
    assert_eq!(lookout.peers.len(), MAX_PEERS, "there is no room yet");
    // A friend has room at once, and whoever goes for it waits.
    lookout.seen(peer(5000), HintOrigin::Known, &at(1));
    assert!(lookout.peers.contains_key(&peer(5000)));
    for n in [7, 8, 9] {
        lookout.gone(peer(n), GROUP);
    }
    lookout.take_in_who_waits();
    assert_eq!(lookout.peers.len(), MAX_PEERS);
    for n in [0, most + 1, most + 2] {
        assert!(lookout.peers.contains_key(&peer(n)), "{n}");
        assert!(lookout.news.contains(&peer(n)));
    }
    assert_eq!(lookout.peers[&peer(most + 1)].said.merged(), at(9));
    assert!(!lookout.peers.contains_key(&peer(most)), "it has gone meanwhile");
    assert!(lookout.waiting.draw().is_none());
}

/// Greets whoever is due; gives where they are dialled.
fn dialled(lookout: &mut Lookout) -> Vec<IpAddr> {
    // Dropped with what is under way: what comes of it is for the test to say.
    lookout.greet_who_is_due(&mut JoinSet::new());
    lookout.peers.values().flat_map(|peer| peer.dialled.0.clone()).collect()
}

fn unreachable(kind: std::io::ErrorKind) -> CallError {
    CallError::Unreachable(manyhands_identity::HandshakeError::Failed(kind.into()))
}

#[tokio::test(start_paused = true)]
async fn calls_that_never_left_this_device_cost_nothing() {
    use std::io::ErrorKind::{HostUnreachable, NetworkUnreachable};
    let mut lookout = lookout([]);
    lookout.seen(peer(1), GROUP, &at(1));
    let mut greet = |kind| {
        lookout.peers.get_mut(&peer(1)).unwrap().next = Instant::now();
        let dialled = dialled(&mut lookout);
        if lookout.peers[&peer(1)].greeting {
            lookout.greeted(peer(1), Err(unreachable(kind)));
        }
        dialled.len()
    };
    let without_a_network: usize = (0..30).map(|_| greet(NetworkUnreachable)).sum();
    assert_eq!(without_a_network, 30);
    let with_one: usize = (0..30).map(|_| greet(HostUnreachable)).sum();
    assert_eq!(with_one, 6, "all of the budget, and no more");
}

#[tokio::test(start_paused = true)]
async fn a_greeting_goes_to_one_address_of_a_place_and_to_each_of_them_in_the_end() {
    let mut lookout = lookout([]);
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let network = ["[2001:db8::1]:4000", "[2001:db8::2]:4000", "[2001:db8::3]:4000"].map(at);
    let other = at("10.0.0.7:4000");
    lookout.seen(peer(1), GROUP, &[&network[..], &[other]].concat());
    let mut tried = BTreeSet::new();
    for _ in 0..network.len() {
        lookout.peers.get_mut(&peer(1)).unwrap().next = Instant::now();
        let dialled = dialled(&mut lookout);
        assert_eq!(dialled.len(), 2, "{dialled:?}");
        assert!(dialled.contains(&other.ip()));
        tried.extend(dialled);
        lookout.greeted(peer(1), Err(unreachable(std::io::ErrorKind::TimedOut)));
    }
    assert_eq!(tried.len(), network.len() + 1);
}

#[test]
fn of_many_places_with_several_addresses_all_are_tried_in_the_end() {
    let all: Vec<_> =
        (0..16).map(|n| SocketAddr::from(([10, 0, 0, n / 2], 4000 + u16::from(n % 2)))).collect();
    let mut tried = BTreeSet::new();
    for failures in 0..4 {
        let mut addresses = all.clone();
        one_of_each_place(&mut addresses, None, failures);
        assert_eq!(addresses.len(), 8);
        cut(&mut addresses, failures);
        tried.extend(addresses);
    }
    assert_eq!(tried.len(), all.len());
    let mut few = all.clone();
    one_of_each_place(&mut few, Some(all[3]), 0);
    assert!(few.contains(&all[3]) && few.contains(&all[2]), "beside where it has answered");
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_goes_offline_while_the_network_changes_all_the_time() {
    let hello = || Hello {
        protocol: manyhands_wire::ProtocolRange { min: 1, max: 1 },
        name: manyhands_wire::DeviceName::default(),
        lending: false,
        features: Default::default(),
        software: Default::default(),
    };
    let mut lookout = lookout([peer(1)]);
    lookout.seen(peer(1), HintOrigin::Known, &at(1));
    // Once is no sign that it has gone, …
    for _ in 0..3 {
        for answer in [Ok(hello()), Err(CallError::Nonsense("of the old network"))] {
            lookout.peers.get_mut(&peer(1)).unwrap().greeting = true;
            lookout.moved();
            lookout.greeted(peer(1), answer);
            let known = &lookout.peers[&peer(1)];
            assert_eq!((known.hello.is_some(), known.failures), (true, 0));
        }
    }
    // … and again and again is one.
    let mut failed = 1;
    while lookout.peers[&peer(1)].hello.is_some() {
        lookout.moved();
        lookout.peers.get_mut(&peer(1)).unwrap().greeting = true;
        lookout.moved();
        lookout.greeted(peer(1), Err(CallError::Nonsense("of the old network")));
        lookout.moved();
        failed += 1;
    }
    assert_eq!(failed, 1 + FAILURES);
    // Also where each change comes between two greetings.
    lookout.greeted(peer(1), Ok(hello()));
    let mut failed = 0;
    while lookout.peers[&peer(1)].hello.is_some() {
        lookout.greeted(peer(1), Err(CallError::Nonsense("of this one")));
        lookout.moved();
        failed += 1;
    }
    assert_eq!(failed, 1 + FAILURES);
}
