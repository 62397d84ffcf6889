//! Pairing between real devices on loopback, and devices that try to get around it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::*;
use manyhands_core::{
    Paired, PairingCode, PairingEnd, PairingId, PairingNonce, PairingRefusal, PairingRun,
    PairingStage,
};
use manyhands_peer::wire::Bytes32;
use manyhands_peer::{
    CallError, ClientWaits, DeviceIdentity, Discovered, HintOrigin, Pairings, PeerClient, Presence,
    PresenceNews, PresenceWaits, RemotePeer,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// Two devices that know where the other one is.
struct Two {
    lin: Helper,
    mo: Helper,
}

impl Two {
    async fn start() -> Self {
        let (lin, mo) =
            (Helper::start(Rules::default()).await, Helper::start(Rules::default()).await);
        Self { lin, mo }
    }

    fn lin_to_mo(&self) -> RemotePeer {
        remote(&self.lin.identity, &self.mo)
    }

    fn begin(&self) -> PairingId {
        self.lin.server.pair(self.lin_to_mo(), "Mo").unwrap()
    }

    /// Lin begins; both users see a code.
    async fn compare(&self) -> (PairingRun, PairingRun) {
        self.begin();
        let hers = until(self.lin.server.pairings(), is(PairingStage::Compare)).await;
        let his = until(self.mo.server.pairings(), is(PairingStage::Compare)).await;
        (hers, his)
    }

    async fn ends(&self) -> (PairingEnd, PairingEnd) {
        let end = async |pairings: &Pairings| {
            let run = until(pairings, |run| matches!(run.stage, PairingStage::Over(_))).await;
            match run.stage {
                PairingStage::Over(end) => end,
                other => panic!("{other:?}"),
            }
        };
        (end(self.lin.server.pairings()).await, end(self.mo.server.pairings()).await)
    }

    fn paired(&self) -> (Option<Paired>, Option<Paired>) {
        (self.lin.server.pairings().take_paired(), self.mo.server.pairings().take_paired())
    }
}

fn remote(from: &DeviceIdentity, to: &Helper) -> RemotePeer {
    PeerClient::new(from, ClientWaits::default()).peer(to.identity.id(), &[to.address()])
}

fn is(stage: PairingStage) -> impl Fn(&PairingRun) -> bool {
    move |run| run.stage == stage
}

/// Waits until the newest run is as wanted.
async fn until(pairings: &Pairings, wanted: impl Fn(&PairingRun) -> bool) -> PairingRun {
    within(async {
        let mut changes = pairings.changes();
        loop {
            changes.mark_unchanged();
            let newest = pairings.runs().pop().map(|(run, _)| run);
            if let Some(run) = newest.filter(&wanted) {
                return run;
            }
            changes.changed().await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn two_devices_whose_users_see_the_same_code_are_paired() {
    for lin_first in [true, false] {
        let two = Two::start().await;
        let (hers, his) = two.compare().await;
        assert!(hers.code.is_some());
        assert_eq!(hers.code, his.code);
        assert_eq!((hers.peer, his.peer), (two.mo.identity.id(), two.lin.identity.id()));
        assert_eq!((hers.incoming, his.incoming), (false, true));
        // "Mo" is what every device of these tests calls itself.
        assert_eq!((hers.name.as_str(), his.name.as_str()), ("Mo", "Mo"));
        for lin in [lin_first, !lin_first] {
            assert_eq!(two.paired(), (None, None));
            let answered = if lin {
                two.lin.server.pairings().answer(hers.id, true)
            } else {
                two.mo.server.pairings().answer(his.id, true)
            };
            assert!(answered);
        }
        assert_eq!(two.ends().await, (PairingEnd::Paired, PairingEnd::Paired));
        let (hers, his) = two.paired();
        assert_eq!(hers.unwrap().peer, two.mo.identity.id());
        let his = his.unwrap();
        assert_eq!(his.peer, two.lin.identity.id());
        assert_eq!(his.reach, Some(two.lin.address()), "Mo knows where to find Lin again");
    }
}

#[tokio::test]
async fn one_no_ends_it_for_both() {
    for (lin_says_no, after_a_yes) in [(true, true), (true, false), (false, true), (false, false)] {
        let two = Two::start().await;
        let (hers, his) = two.compare().await;
        let (lin, mo) = (two.lin.server.pairings(), two.mo.server.pairings());
        if after_a_yes {
            assert!(if lin_says_no { mo.answer(his.id, true) } else { lin.answer(hers.id, true) });
        }
        assert!(if lin_says_no { lin.answer(hers.id, false) } else { mo.answer(his.id, false) });
        assert_eq!(two.ends().await, (PairingEnd::Refused, PairingEnd::Refused));
        assert_eq!(two.paired(), (None, None));
    }
}

#[tokio::test]
async fn silence_is_no() {
    let two = Two::start().await;
    let (hers, _) = two.compare().await;
    assert!(two.lin.server.pairings().answer(hers.id, true));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(66)).await;
    tokio::time::resume();
    assert_eq!(two.ends().await, (PairingEnd::Expired, PairingEnd::Expired));
    assert_eq!(two.paired(), (None, None));
}

#[tokio::test]
async fn a_shutdown_in_the_middle_is_a_no_that_the_other_hears() {
    let two = Two::start().await;
    two.compare().await;
    within(two.lin.server.shutdown()).await;
    let his = until(two.mo.server.pairings(), |run| matches!(run.stage, PairingStage::Over(_)));
    assert_eq!(his.await.stage, PairingStage::Over(PairingEnd::Refused));
}

#[tokio::test]
async fn who_is_blocked_is_out_of_it() {
    let two = Two::start().await;
    two.compare().await;
    two.mo.server.set_blocked(&BTreeSet::from([two.lin.identity.id()]));
    let his = two.mo.server.pairings().runs().pop().unwrap().0;
    assert_eq!(his.stage, PairingStage::Over(PairingEnd::Refused));
    let back = two.mo.server.pair(remote(&two.mo.identity, &two.lin), "Lin");
    assert_eq!(back, Err(PairingRefusal::Blocked));
    assert_eq!(two.paired(), (None, None));
}

#[tokio::test]
async fn nobody_there_is_a_failure() {
    let lin = Helper::start(Rules::default()).await;
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mo = DeviceIdentity::generate().unwrap().id();
    let client = PeerClient::new(&lin.identity, ClientWaits::default());
    lin.server.pair(client.peer(mo, &[nowhere]), "Mo").unwrap();
    until(lin.server.pairings(), is(PairingStage::Over(PairingEnd::Failed))).await;
    // Another device in his place hears nothing of it.
    let eve = Helper::start(Rules::default()).await;
    lin.server.pair(client.peer(mo, &[eve.address()]), "Mo").unwrap();
    until(lin.server.pairings(), is(PairingStage::Over(PairingEnd::Failed))).await;
    assert!(eve.server.pairings().runs().is_empty());
}

/// A device that speaks TLS, and for the rest says what it likes.
struct Raw<'a> {
    identity: DeviceIdentity,
    to: &'a Helper,
}

impl<'a> Raw<'a> {
    fn new(to: &'a Helper) -> Self {
        Self { identity: DeviceIdentity::generate().unwrap(), to }
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} /v1/pairings{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = raw::connect(&self.identity, self.to.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.ok();
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap())
    }

    fn commitment(&self, nonce: PairingNonce) -> Value {
        let commitment = nonce.commitment(self.identity.id(), self.to.identity.id());
        json!({"name": "<b>Eve\u{202e}", "commitment": Bytes32(commitment.0).to_string()})
    }

    /// A run with this nonce: its path, and the other's nonce.
    async fn begin(&self, nonce: PairingNonce) -> (String, PairingNonce) {
        let (status, offer) = self.call("POST", "", &self.commitment(nonce)).await;
        assert_eq!(status, 201, "{offer}");
        let responders: Bytes32 = offer["nonce"].as_str().unwrap().parse().unwrap();
        (format!("/{}", offer["id"].as_str().unwrap()), PairingNonce(responders.0))
    }

    async fn reveal(&self, path: &str, nonce: PairingNonce) -> (u16, Value) {
        let reveal = json!({"nonce": Bytes32(nonce.0).to_string()});
        self.call("POST", &format!("{path}/reveal"), &reveal).await
    }
}

const ONE: PairingNonce = PairingNonce([1; 32]);
const TWO: PairingNonce = PairingNonce([2; 32]);

#[tokio::test]
async fn an_opening_of_another_run_opens_nothing_and_there_is_no_second_try() {
    let mo = Helper::start(Rules::default()).await;
    let eve = Raw::new(&mo);
    let (first, _) = eve.begin(ONE).await;
    assert_eq!(eve.reveal(&first, ONE).await.1["state"], "compare");
    let (status, problem) = eve.reveal(&first, ONE).await;
    assert_eq!((status, problem["status"].as_u64()), (410, Some(410)), "once is enough");
    assert_eq!(eve.call("DELETE", &first, &Value::Null).await.1["state"], "refused");

    let (second, _) = eve.begin(TWO).await;
    assert_eq!(eve.reveal(&second, ONE).await.1["state"], "cheated");
    assert_eq!(eve.reveal(&second, TWO).await.0, 410);
    assert_eq!(eve.call("POST", &format!("{second}/confirm"), &Value::Null).await.0, 410);
    let run = mo.server.pairings().runs().pop().unwrap().0;
    assert_eq!(run.stage, PairingStage::Over(PairingEnd::Cheated), "its user hears of it");
    assert_eq!(run.name, "‹b›Eve");
    assert_eq!(mo.server.pairings().take_paired(), None);
}

#[tokio::test]
async fn a_run_is_only_for_the_device_that_began_it() {
    let two = Two::start().await;
    let (_, his) = two.compare().await;
    let (eve, lin) = (Raw::new(&two.mo), two.lin.identity.id());
    for id in [his.id.to_string(), PairingId(7).to_string(), "x".to_owned()] {
        for (method, rest, body) in [
            ("GET", "", Value::Null),
            ("DELETE", "", Value::Null),
            ("POST", "/confirm", Value::Null),
            ("POST", "/reveal", json!({"nonce": Bytes32(ONE.0).to_string()})),
        ] {
            let (status, problem) = eve.call(method, &format!("/{id}{rest}"), &body).await;
            assert_eq!(status, 404, "{method} {rest}: {problem}");
            assert_eq!(problem["type"], "urn:manyhands:problem:unknown-request");
        }
    }
    let still = two.mo.server.pairings().runs().pop().unwrap().0;
    assert_eq!((still.peer, still.stage), (lin, PairingStage::Compare));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let mo = Helper::start(Rules::default()).await;
    let eve = Raw::new(&mo);
    for commitment in ["".to_owned(), "0".repeat(62), "0".repeat(66), "G".repeat(64)] {
        let body = json!({"name": "Eve", "commitment": commitment});
        assert_eq!(eve.call("POST", "", &body).await.0, 400, "{commitment}");
    }
    let (path, _) = eve.begin(ONE).await;
    for nonce in ["".to_owned(), "01".repeat(31), "01".repeat(33), "01".repeat(20_000)] {
        let reveal = json!({"nonce": nonce});
        let (status, _) = eve.call("POST", &format!("{path}/reveal"), &reveal).await;
        assert_eq!(status, 400, "{} characters", nonce.len());
    }
    let early = eve.call("POST", &format!("{path}/confirm"), &Value::Null).await;
    assert_eq!(early.0, 409, "a confirmation before the opening");
    assert_eq!(eve.call("GET", &path, &Value::Null).await.1["state"], "committed");
    assert_eq!(eve.call("PUT", &path, &Value::Null).await.0, 405);
    assert!(mo.server.pairings().runs().is_empty(), "the user was never asked");
    assert_eq!(eve.reveal(&path, ONE).await.1["state"], "compare", "none of it has ended the run");
}

#[tokio::test]
async fn a_device_and_all_strangers_have_only_so_many_runs() {
    let mo = Helper::start(Rules::default()).await;
    let (friends, followed) = watch::channel(BTreeSet::new());
    mo.server.pairings().follow_friends(followed);
    let eve = Raw::new(&mo);
    for _ in 0..3 {
        let (path, _) = eve.begin(ONE).await;
        let second = eve.call("POST", "", &eve.commitment(ONE)).await;
        assert_eq!(second.0, 429, "one is open");
        assert_eq!(eve.call("DELETE", &path, &Value::Null).await.0, 200);
    }
    let (status, problem) = eve.call("POST", "", &eve.commitment(ONE)).await;
    assert_eq!((status, &problem["type"]), (429, &json!("urn:manyhands:problem:too-many")));
    for _ in 0..2 {
        let other = Raw::new(&mo);
        let (path, _) = other.begin(ONE).await;
        assert_eq!(other.call("DELETE", &path, &Value::Null).await.0, 200);
    }
    let sixth = Raw::new(&mo);
    assert_eq!(sixth.call("POST", "", &sixth.commitment(ONE)).await.0, 429);
    // Friends have their own share.
    friends.send_replace([sixth.identity.id()].into());
    sixth.begin(ONE).await;
}

#[tokio::test]
async fn a_pairing_is_possible_while_nothing_is_lent() {
    let rules = Rules { hello_lending: false, ..Rules::default() };
    let (lin, mo) = (Helper::start(rules).await, Helper::start(rules).await);
    let two = Two { lin, mo };
    let (hers, his) = two.compare().await;
    assert!(two.lin.server.pairings().answer(hers.id, true));
    assert!(two.mo.server.pairings().answer(his.id, true));
    assert_eq!(two.ends().await, (PairingEnd::Paired, PairingEnd::Paired));
}

#[tokio::test]
async fn a_poll_hears_the_end_at_once() {
    let mo = Helper::start(Rules::default()).await;
    let eve = Raw::new(&mo);
    let (path, responders) = eve.begin(ONE).await;
    let revision = eve.reveal(&path, ONE).await.1["revision"].as_u64().unwrap();
    let run = until(mo.server.pairings(), is(PairingStage::Compare)).await;
    let (own, other) = (eve.identity.id(), mo.identity.id());
    assert_eq!(run.code, Some(PairingCode::of(own, other, &ONE, &responders)));
    let poll = format!("{path}?wait=25&since={revision}");
    let (polled, ()) = tokio::join!(eve.call("GET", &poll, &Value::Null), async {
        mo.server.pairings().answer(run.id, false);
    });
    assert_eq!(polled.1["state"], "refused");
}

/// A responder that says what it likes to each request in turn.
async fn hostile_responder(answers: Vec<(u16, Value)>) -> (PairingStage, usize) {
    let lin = Helper::start(Rules::default()).await;
    let (eve, listener) =
        (DeviceIdentity::generate().unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let client = PeerClient::new(&lin.identity, ClientWaits::default());
    let remote = client.peer(eve.id(), &[listener.local_addr().unwrap()]);
    lin.server.pair(remote, "Eve").unwrap();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let serve = async {
        let mut answers = answers.into_iter();
        loop {
            let Ok(mut stream) = raw::accept(&eve, &listener).await else { continue };
            let mut head = vec![0; 16 * 1024];
            let read = stream.read(&mut head).await.unwrap_or(0);
            if read == 0 {
                continue;
            }
            asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let Some((status, body)) = answers.next() else { std::future::pending().await };
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.ok();
        }
    };
    let over = until(lin.server.pairings(), |run| matches!(run.stage, PairingStage::Over(_)));
    let run = tokio::select! {
        () = serve => unreachable!(),
        run = over => run,
    };
    assert_eq!(lin.server.pairings().take_paired(), None);
    (run.stage, asked.into_inner())
}

#[tokio::test]
async fn a_responder_pairs_with_nobody_who_has_not_agreed() {
    let id = "00112233445566778899aabbccddeeff";
    let offer = || (201, json!({"id": id, "nonce": "44".repeat(32)}));
    let state = |state: &str| (200, json!({"id": id, "revision": 9, "state": state}));
    let cheated = PairingStage::Over(PairingEnd::Cheated);
    let failed = PairingStage::Over(PairingEnd::Failed);
    let compare =
        || (200, json!({"id": id, "revision": 2, "state": "compare", "expires_in_s": 60}));
    for (what, answers, end) in [
        ("paired at the opening", vec![offer(), state("paired")], cheated),
        ("paired while Lin compares", vec![offer(), compare(), state("paired")], cheated),
        ("a nonce that is too short", vec![(201, json!({"id": id, "nonce": "44"}))], failed),
        (
            "never opened",
            vec![
                offer(),
                (200, json!({"id": id, "revision": 2, "state": "committed", "expires_in_s": 1})),
            ],
            failed,
        ),
        ("a state that nobody knows", vec![offer(), state("married")], failed),
        (
            "another run",
            vec![offer(), (200, json!({"id": "1".repeat(32), "revision": 2, "state": "paired"}))],
            failed,
        ),
        ("no such message", vec![(404, json!({}))], failed),
        ("too many", vec![(429, json!({}))], failed),
    ] {
        let (stage, _) = hostile_responder(answers).await;
        assert_eq!(stage, end, "{what}");
    }
}

#[tokio::test]
async fn a_friend_in_whose_place_another_device_answers_is_told_of_until_it_is_back() {
    let (lin, eve, mo) = (
        Requester::new(),
        Helper::start(Rules::default()).await,
        Helper::start(Rules::default()).await,
    );
    let stranger = DeviceIdentity::generate().unwrap().id();
    let friends = watch::channel([mo.identity.id()].into()).1;
    let waits = PresenceWaits {
        online: Duration::from_millis(50),
        retry: Duration::from_millis(50),
        retry_max: Duration::from_millis(100),
        ..PresenceWaits::default()
    };
    let (hints, heard) = mpsc::channel(16);
    let (_presence, mut news) = Presence::start(lin.client, waits, friends, nowhere_else(), heard);
    let seen = async |id, at: &Helper| {
        hints
            .send(Discovered::PeerSeen {
                id,
                origin: HintOrigin::Lan,
                addresses: vec![at.address()],
            })
            .await
            .unwrap();
    };
    seen(stranger, &eve).await;
    seen(mo.identity.id(), &eve).await;
    match come_or_gone(&mut news).await {
        PresenceNews::OtherKey { id, found, .. } => {
            assert_eq!((id, found), (mo.identity.id(), eve.identity.id()));
        }
        other => panic!("{other:?}"),
    }
    seen(mo.identity.id(), &mo).await;
    match come_or_gone(&mut news).await {
        PresenceNews::Online { peer, .. } => assert_eq!(peer.id(), mo.identity.id()),
        other => panic!("{other:?}"),
    }
    // After it was online it is told again.
    let port = mo.address();
    mo.server.shutdown().await;
    let place = TcpListener::bind(port).await.unwrap();
    let another = DeviceIdentity::generate().unwrap();
    let usurp = async {
        loop {
            raw::accept(&another, &place).await.ok();
        }
    };
    let told = async {
        loop {
            match come_or_gone(&mut news).await {
                PresenceNews::OtherKey { id, found, .. } => {
                    break assert_eq!((id, found), (mo.identity.id(), another.id()));
                }
                PresenceNews::Offline { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::select! {
        () = usurp => unreachable!(),
        () = told => {}
    }
}

#[tokio::test]
async fn whoever_answers_at_an_address_is_greeted_and_no_more() {
    let (lin, mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let (id, hello) = within(lin.client.meet(mo.address())).await.unwrap();
    assert_eq!((id, hello.name.as_str()), (mo.identity.id(), "Mo"));
    assert!(mo.server.pairings().runs().is_empty());
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = within(lin.client.meet(nobody)).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable(_)), "{error:?}");
}
