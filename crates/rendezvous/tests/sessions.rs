//! Who gets a session, and what one without it learns.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use http::Method;
use manyhands_identity::GroupKey;
use manyhands_wire::{
    Blob, Bytes32, GroupProof, List, MAX_GROUPS, ProblemCode, Ring, ServerHello, SessionRequest,
    session_statement,
};

#[tokio::test]
async fn a_session_is_for_ten_minutes_and_tells_where_one_is_seen() {
    let (server, secret) = (start(config()).await, secret());
    let mut device = Device::new(&At::of(&server), &[&secret]);
    let session = device.open().await;
    assert_eq!((session.expires_in_s, session.observed.as_str()), (600, "127.0.0.1"));
    assert!(session.now_s.abs_diff(now_s()) <= 2);
    let hello: ServerHello = device.get("/v1/server").await.ok().json();
    assert_eq!(hello.id, digest(server.id()));
    // The next one works beside it.
    let next = device.open().await;
    assert_ne!(next.token, session.token);
    device.publish().await.ok();
    device.token = Some(session.token);
    device.publish().await.ok();
}

/// What the device sends is spoilt, and no session comes of it.
async fn check(why: &str, spoil: impl AsyncFnOnce(&Device, SessionRequest) -> SessionRequest) {
    let (server, secret) = (start(config()).await, secret());
    let device = Device::new(&At::of(&server), &[&secret]);
    let request = device.session_request(device.challenge().await);
    let request = spoil(&device, request).await;
    let answer = device.post("/v1/sessions", &request).await;
    answer.refused(ProblemCode::BadProof);
    assert_eq!(answer.problem().detail.unwrap().as_str(), why);
}

const NO_MEMBER: &str = "a proof of being a member does not hold";
const NO_DEVICE: &str = "the device's signature does not hold";
const NO_CHALLENGE: &str = "the challenge is not this server's, or too old";

#[tokio::test]
async fn the_proof_of_a_foreign_group_is_refused() {
    check(NO_MEMBER, async |device, request| {
        // Its public key is known to everyone who has seen a session request, its secret is not.
        let foreign = GroupKey::new(&secret());
        let mut forger = Device::new(&device.at, &[&secret()]);
        forger.groups.push(foreign);
        let mut request = forger.session_request(request.nonce);
        let mut proofs: Vec<GroupProof> = request.groups.to_vec();
        proofs[1].signature = proofs[0].signature.clone();
        request.groups = List::new(proofs).unwrap();
        request
    })
    .await;
}

#[tokio::test]
async fn the_proof_of_another_member_is_refused() {
    check(NO_MEMBER, async |device, request| {
        let member = Device::new(&device.at, &[&secret()]);
        let stolen = member.session_request(request.nonce).groups;
        let thief = Device::new(&device.at, &[]);
        sign_over(&thief, server_of(device), request, stolen)
    })
    .await;
}

#[tokio::test]
async fn the_proof_for_another_server_is_refused() {
    check(NO_DEVICE, async |device, request| {
        let other = start(config()).await;
        device.session_request_for(digest(other.id()), request.nonce)
    })
    .await;
    // Also where the device signs for this one, as a server in the middle would like it to.
    check(NO_MEMBER, async |device, request| {
        let other = start(config()).await;
        let proofs = device.session_request_for(digest(other.id()), request.nonce).groups;
        sign_over(device, server_of(device), request, proofs)
    })
    .await;
}

fn server_of(device: &Device) -> manyhands_wire::Digest {
    digest(device.at.id)
}

/// The request with these proofs, all of it signed by the device as it should be.
fn sign_over(
    device: &Device,
    server: manyhands_wire::Digest,
    mut request: SessionRequest,
    groups: List<GroupProof, MAX_GROUPS>,
) -> SessionRequest {
    let keys = groups.iter().map(|proof| proof.key.as_bytes());
    let statement = session_statement(&server, &request.nonce, &request.client_nonce, keys);
    request.key = Blob::new(device.identity.public_key()).unwrap();
    request.signature = Blob::new(device.identity.sign(&statement).unwrap()).unwrap();
    request.groups = groups;
    request
}

#[tokio::test]
async fn the_challenge_of_another_server_or_of_nobody_is_refused() {
    check(NO_CHALLENGE, async |device, _| {
        let other = start(config()).await;
        let nonce = Device::new(&At::of(&other), &[]).challenge().await;
        device.session_request(nonce)
    })
    .await;
    check(NO_CHALLENGE, async |device, _| device.session_request(Bytes32([0; 32]))).await;
}

#[tokio::test]
async fn the_signature_of_another_device_is_refused() {
    check(NO_DEVICE, async |device, mut request| {
        let other = Device::new(&device.at, &[]);
        request.key = Blob::new(other.identity.public_key()).unwrap();
        request
    })
    .await;
    check(NO_DEVICE, async |_, mut request| {
        request.signature = Blob::default();
        request
    })
    .await;
    // Nor can groups be taken away from what was signed.
    check(NO_DEVICE, async |_, mut request| {
        request.groups = List::default();
        request
    })
    .await;
}

#[tokio::test]
async fn a_session_request_played_again_is_refused() {
    let (server, secret) = (start(config()).await, secret());
    let device = Device::new(&At::of(&server), &[&secret]);
    let request = device.session_request(device.challenge().await);
    device.post("/v1/sessions", &request).await.ok();
    device.post("/v1/sessions", &request).await.refused(ProblemCode::BadProof);
    // Nor by another device with the same challenge.
    let other = Device::new(&At::of(&server), &[&secret]);
    let again = other.session_request(request.nonce);
    other.post("/v1/sessions", &again).await.refused(ProblemCode::BadProof);
}

#[tokio::test]
async fn a_request_that_is_played_again_costs_the_device_nothing() {
    let server = start(config()).await;
    let at = At::of(&server);
    let mut device = Device::new(&at, &[]);
    let request = device.session_request(device.challenge().await);
    device.post("/v1/sessions", &request).await.ok();
    let eavesdropper = Device::new(&at, &[]);
    // More than a device may open in a minute.
    for _ in 0..20 {
        let answer = eavesdropper.post("/v1/sessions", &request).await;
        answer.refused(ProblemCode::BadProof);
        assert_eq!(answer.problem().detail.unwrap().as_str(), "the challenge has been used");
    }
    device.open().await;
}

#[tokio::test]
async fn without_a_session_nothing_is_answered() {
    let (server, secret) = (start(config()).await, secret());
    let mut device = Device::new(&At::of(&server), &[&secret]);
    for token in [None, Some(Bytes32([1; 32]))] {
        device.token = token;
        for (method, path) in [
            (Method::PUT, "/v1/presence"),
            (Method::DELETE, "/v1/presence"),
            (Method::GET, "/v1/events"),
            (Method::GET, "/v1/changes"),
            (Method::POST, "/v1/rings"),
            (Method::POST, "/v1/probes"),
        ] {
            let answer = device.send(method, path, b"{}".to_vec()).await;
            answer.refused(ProblemCode::NoSession);
        }
    }
    device.get("/v1/groups").await.refused(ProblemCode::NotFound);
    device.post("/v1/events", &()).await.refused(ProblemCode::MethodNotAllowed);
}

#[tokio::test]
async fn who_is_no_member_gets_403_and_does_not_learn_whether_the_group_exists() {
    let (server, [existing, mine, nobodys]) = (start(config()).await, [(); 3].map(|()| secret()));
    let member = Device::join(&At::of(&server), &[&existing]).await;
    let stranger = Device::enter(&At::of(&server), &[&mine]).await;
    let nobody = Device::new(&At::of(&server), &[]);
    let mut answers = Vec::new();
    for (group, device) in [
        (member.groups[0].id(), member.id()),
        (GroupKey::new(&nobodys).id(), member.id()),
        (member.groups[0].id(), nobody.id()),
        (GroupKey::new(&nobodys).id(), nobody.id()),
    ] {
        let ring = Ring { group: group_digest(group), to: digest(device) };
        let rung = stranger.post("/v1/rings", &ring).await;
        rung.refused(ProblemCode::NotMember);
        let put = stranger.put_record(&stranger.record(group)).await;
        put.refused(ProblemCode::NotMember);
        let left = Method::DELETE;
        let left = stranger.send(left, &format!("/v1/presence?group={group}"), Vec::new()).await;
        assert_eq!(left.status, 204);
        answers.push((rung.body, put.body));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    // What a stranger reads is of his own groups, whatever he asks for.
    let group = member.groups[0].id();
    let read = stranger.get(&format!("/v1/changes?group={group}")).await.ok();
    assert!(!String::from_utf8_lossy(&read.body).contains(&group.to_string()));
    // And the member is still there.
    let watcher = Device::enter(&At::of(&server), &[&existing]).await;
    assert_eq!(watcher.events(None).await.snapshot().await, [member.id()]);
}

#[tokio::test]
async fn a_wrong_group_proof_is_the_same_for_groups_that_exist_and_that_do_not() {
    let (server, [existing, nobodys]) = (start(config()).await, [(); 2].map(|()| secret()));
    let _member = Device::join(&At::of(&server), &[&existing]).await;
    let mut answers = Vec::new();
    for group in [existing, nobodys] {
        let device = Device::new(&At::of(&server), &[&group]);
        let mut request = device.session_request(device.challenge().await);
        let mut proofs = request.groups.to_vec();
        proofs[0].signature = Blob::new([0; 64]).unwrap();
        request.groups = List::new(proofs).unwrap();
        answers.push(device.post("/v1/sessions", &request).await);
    }
    answers[0].refused(ProblemCode::BadProof);
    assert_eq!(answers[0].body, answers[1].body);
}

#[tokio::test]
async fn a_session_may_name_no_group_and_at_most_thirty_two() {
    let server = start(config()).await;
    let lonely = Device::enter(&At::of(&server), &[]).await;
    assert!(lonely.events(None).await.snapshot().await.is_empty());
    let groups: Vec<_> = (0..33).map(|_| GroupKey::new(&secret())).collect();
    let mut device = Device::new(&At::of(&server), &[]);
    device.groups = groups;
    let nonce = device.challenge().await;
    let last = device.groups.pop().unwrap();
    let mut request = serde_json::to_value(device.session_request(nonce)).unwrap();
    device.post("/v1/sessions", &request).await.ok();
    let nonce = device.challenge().await;
    device.groups = vec![last];
    let one = serde_json::to_value(device.session_request(nonce)).unwrap();
    let extra = one["groups"][0].clone();
    request["groups"].as_array_mut().unwrap().push(extra);
    device.post("/v1/sessions", &request).await.refused(ProblemCode::Malformed);
}
