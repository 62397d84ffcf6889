//! What a helper does not carry, however it is asked.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use common::relay::*;
use common::*;
use manyhands_core::{ByteRange, DeskInput, HelpId};
use manyhands_peer::wire::{OriginName, ProblemCode};
use manyhands_peer::{CallError, RemotePeer, ServerWaits, TunnelOrder};
use rustls::client::{EchGreaseConfig, EchMode};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Lin, with an accepted relay session at Mo, whose tunnels lead here.
struct Scene {
    lin: Requester,
    mo: Helper,
    peer: RemotePeer,
    id: HelpId,
    far_ends: mpsc::Receiver<(TunnelOrder, DuplexStream)>,
}

impl Scene {
    async fn new() -> Self {
        Self::with(ServerWaits::default()).await
    }

    async fn with(waits: ServerWaits) -> Self {
        let (source, far_ends) = to_test();
        let rules = Rules { waits, ..willing() };
        let (lin, mo) = (Requester::new(), Helper::with_tunnels(rules, source).await);
        let peer = lin.to(&mo);
        let id = relay_session(&peer, 64 * MIB).await;
        Self { lin, mo, peer, id, far_ends }
    }

    /// Why there is no tunnel to `origin` for the session `id`. Nothing has been connected to.
    async fn refusal(&mut self, id: HelpId, origin: &OriginName) -> Option<ProblemCode> {
        let code = refusal(&self.peer, id, origin).await;
        assert!(self.far_ends.try_recv().is_err());
        code
    }

    /// A tunnel to example.org closes when `first` is sent into it, and none of it reaches the origin.
    async fn closes_on(&mut self, first: &[u8]) {
        let mut tunnel = within(self.peer.tunnel(self.id, &example())).await.unwrap();
        let (_, mut far) = self.far_ends.recv().await.unwrap();
        tunnel.write_all(first).await.unwrap();
        tunnel.flush().await.unwrap();
        assert_eq!(rest_of(&mut far).await, b"", "nothing goes to the origin");
        assert_eq!(rest_of(&mut tunnel).await, b"");
    }
}

async fn refusal(peer: &RemotePeer, id: HelpId, origin: &OriginName) -> Option<ProblemCode> {
    match within(peer.tunnel(id, origin)).await.err().unwrap() {
        CallError::Problem(problem) => problem.code(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn another_host_is_not_connected_to() {
    let mut scene = Scene::new().await;
    for url in [
        "https://other.example/",
        "https://www.example.org/",
        "https://example.org./",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://192.168.0.1/",
        "https://169.254.169.254/",
        "https://[::1]/",
    ] {
        let code = scene.refusal(scene.id, &origin_name(url)).await;
        assert_eq!(code, Some(ProblemCode::NotConsented), "{url}");
    }
}

#[tokio::test]
async fn another_port_is_not_connected_to() {
    let mut scene = Scene::new().await;
    for url in
        ["https://example.org:8443/", "https://mirror.example.net/", "https://example.org:22/"]
    {
        let code = scene.refusal(scene.id, &origin_name(url)).await;
        assert_eq!(code, Some(ProblemCode::NotConsented), "{url}");
    }
}

#[tokio::test]
async fn an_origin_of_another_request_of_the_same_device_is_not_connected_to() {
    let mut scene = Scene::new().await;
    let other = origin_name("https://second.example/");
    let origins = manyhands_peer::wire::List::new(vec![other.clone()]).unwrap();
    let request = manyhands_peer::wire::HelpRequest { origins, ..relay_request(MIB) };
    let second = within(scene.peer.ask(&request)).await.unwrap();
    within(scene.peer.decision(second)).await.unwrap();
    assert_eq!(scene.refusal(scene.id, &other).await, Some(ProblemCode::NotConsented));
    assert_eq!(scene.refusal(second, &example()).await, Some(ProblemCode::NotConsented));
    drop(within(scene.peer.tunnel(second, &other)).await.unwrap());
}

#[tokio::test]
async fn a_hello_without_a_name_is_not_passed_on() {
    let mut scene = Scene::new().await;
    scene.closes_on(&hello_with(HOST, |config| config.enable_sni = false)).await;
    scene.closes_on(&hello_with("192.0.2.1", |_| {})).await;
}

#[tokio::test]
async fn a_hello_for_another_host_is_not_passed_on() {
    let mut scene = Scene::new().await;
    scene.closes_on(&hello_with("other.example", |_| {})).await;
    scene.closes_on(&hello_with("www.example.org", |_| {})).await;
    // Consented too, but this tunnel leads elsewhere.
    scene.closes_on(&hello_with("mirror.example.net", |_| {})).await;
}

#[tokio::test]
async fn a_hello_that_hides_its_host_is_not_passed_on() {
    let suite = rustls::crypto::aws_lc_rs::hpke::ALL_SUPPORTED_SUITES[0];
    let (key, _) = suite.generate_key_pair().unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_ech(EchMode::Grease(EchGreaseConfig::new(suite, key)))
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Scene::new().await.closes_on(&first_bytes(config, HOST)).await;
}

#[tokio::test]
async fn plain_text_is_not_passed_on() {
    let mut scene = Scene::new().await;
    scene.closes_on(b"GET / HTTP/1.1\r\nhost: example.org\r\n\r\n").await;
    scene.closes_on(b"EHLO example.org\r\n").await;
}

#[tokio::test]
async fn a_hello_that_is_too_long_is_not_passed_on() {
    let mut scene = Scene::new().await;
    scene.closes_on(&[&[22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xf8][..], &[0; 20_000]].concat()).await;
}

#[tokio::test]
async fn a_hello_that_does_not_come_in_time_is_not_waited_for() {
    let waits = ServerWaits { tls_hello: Duration::from_millis(300), ..ServerWaits::default() };
    let mut scene = Scene::with(waits).await;
    let began = Instant::now();
    let hello = hello();
    scene.closes_on(&hello[..hello.len() - 1]).await;
    scene.closes_on(b"").await;
    assert!(began.elapsed() >= Duration::from_millis(600));
}

#[tokio::test]
async fn a_hello_that_breaks_off_is_not_passed_on() {
    let mut scene = Scene::new().await;
    let mut tunnel = within(scene.peer.tunnel(scene.id, &example())).await.unwrap();
    let (_, mut far) = scene.far_ends.recv().await.unwrap();
    tunnel.write_all(&hello()[..100]).await.unwrap();
    tunnel.shutdown().await.unwrap();
    assert_eq!(rest_of(&mut far).await, b"");
}

#[tokio::test]
async fn ten_megabytes_towards_the_origin_are_not_carried() {
    let mut scene = Scene::new().await;
    let mut tunnel = within(scene.peer.tunnel(scene.id, &example())).await.unwrap();
    let (_, mut far) = scene.far_ends.recv().await.unwrap();
    tunnel.write_all(&hello()).await.unwrap();
    let send = async {
        let bytes = vec![7; 10_000_000];
        tunnel.write_all(&bytes).await.is_err() || tunnel.flush().await.is_err()
    };
    let (_, heard) = within(async { tokio::join!(send, rest_of(&mut far)) }).await;
    assert!(heard.len() <= 16 * 1024, "{}", heard.len());
    assert_eq!(rest_of(&mut tunnel).await, b"");
}

#[tokio::test]
async fn a_fiftieth_of_what_came_down_may_go_up_and_not_a_byte_more() {
    let mut scene = Scene::new().await;
    let mut tunnel = within(scene.peer.tunnel(scene.id, &example())).await.unwrap();
    let (_, mut far) = scene.far_ends.recv().await.unwrap();
    let hello = hello();
    tunnel.write_all(&hello).await.unwrap();
    let down = vec![7; 1 << 20];
    let mut came = vec![0; down.len()];
    let (sent, read) =
        within(async { tokio::join!(far.write_all(&down), tunnel.read_exact(&mut came)) }).await;
    assert!(sent.is_ok() && read.is_ok());
    let allowed = 16 * 1024 + (1 << 20) / 50;
    tunnel.write_all(&vec![7; allowed - hello.len()]).await.unwrap();
    tunnel.flush().await.unwrap();
    within(far.read_exact(&mut vec![0; allowed])).await.unwrap();
    tunnel.write_all(&[7]).await.unwrap();
    tunnel.flush().await.unwrap();
    assert_eq!(rest_of(&mut far).await, b"");
    assert_eq!(rest_of(&mut tunnel).await, b"");
}

#[tokio::test]
async fn a_ninth_tunnel_is_refused_until_one_closes() {
    let mut scene = Scene::new().await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let tunnel = within(scene.peer.tunnel(scene.id, &example())).await.unwrap();
        open.push((tunnel, scene.far_ends.recv().await.unwrap()));
    }
    assert_eq!(scene.refusal(scene.id, &example()).await, Some(ProblemCode::TooMany));
    assert_eq!(scene.mo.server.lent()[0].streams, 8);
    // Another session has tunnels of its own.
    let second = relay_session(&scene.peer, MIB).await;
    drop(within(scene.peer.tunnel(second, &example())).await.unwrap());
    let (tunnel, (_, mut far)) = open.pop().unwrap();
    drop(tunnel);
    assert_eq!(rest_of(&mut far).await, b"");
    within(async {
        while scene.peer.tunnel(scene.id, &example()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_sixty_first_new_tunnel_in_a_minute_is_refused_and_told_when() {
    let mut scene = Scene::new().await;
    let (mut opened, began) = (0, Instant::now());
    let problem = loop {
        match within(scene.peer.tunnel(scene.id, &example())).await {
            Ok(tunnel) => {
                drop(tunnel);
                opened += 1;
                // The place is free when the far end is.
                let (_, mut far) = scene.far_ends.recv().await.unwrap();
                assert_eq!(rest_of(&mut far).await, b"");
            }
            // The last one's place is given back a moment after its far end.
            Err(CallError::Problem(problem)) if problem.retry_after_ms.is_none() => {
                assert_eq!(problem.code(), Some(ProblemCode::TooMany));
            }
            Err(CallError::Problem(problem)) => break problem,
            Err(other) => panic!("{other:?}"),
        }
    };
    assert!(began.elapsed() < Duration::from_secs(20), "or the first ones would not count");
    assert_eq!((opened, problem.code()), (60, Some(ProblemCode::TooMany)));
    assert_eq!(problem.status, 429);
    let wait = problem.retry_after_ms.unwrap();
    assert!(wait > 30_000 && wait <= 60_000, "{wait}");
}

#[tokio::test]
async fn a_fetch_session_has_no_tunnels_and_a_relay_session_no_content() {
    let mut scene = Scene::new().await;
    let fetch = session(&scene.peer, &mut scene.mo, MIB).await;
    assert_eq!(scene.refusal(fetch, &example()).await, Some(ProblemCode::WrongMode));
    let given = within(scene.peer.give_source(scene.id, &file_url(), &file_identity())).await;
    let content = within(scene.peer.content(scene.id, ByteRange::from_len(0, 1))).await;
    for error in [given.unwrap_err(), content.unwrap_err()] {
        let CallError::Problem(problem) = error else { panic!("{error:?}") };
        assert_eq!(problem.code(), Some(ProblemCode::WrongMode));
    }
    assert_eq!(scene.mo.source.fetches.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn somebody_elses_session_has_no_tunnels_for_me() {
    let mut scene = Scene::new().await;
    let eve = Requester::new();
    let eves = eve.to(&scene.mo);
    for id in [scene.id, HelpId(12345)] {
        assert_eq!(refusal(&eves, id, &example()).await, Some(ProblemCode::UnknownRequest));
    }
    assert!(scene.far_ends.try_recv().is_err());
}

#[tokio::test]
async fn a_session_that_nobody_has_accepted_has_no_tunnels() {
    let (source, mut far_ends) = to_test();
    let (lin, mut mo) = (Requester::new(), Helper::with_tunnels(Rules::default(), source).await);
    let peer = lin.to(&mo);
    let id = within(peer.ask(&relay_request(MIB))).await.unwrap();
    mo.prompt().await;
    assert_eq!(refusal(&peer, id, &example()).await, Some(ProblemCode::NotReady));
    mo.decide(DeskInput::UserDeclined { id }).await;
    within(peer.decision(id)).await.unwrap();
    assert_eq!(refusal(&peer, id, &example()).await, Some(ProblemCode::SessionOver));
    assert!(far_ends.try_recv().is_err());
}

#[tokio::test]
async fn a_session_that_has_ended_has_no_tunnels() {
    let mut scene = Scene::new().await;
    within(scene.peer.withdraw(scene.id)).await.unwrap();
    assert_eq!(scene.refusal(scene.id, &example()).await, Some(ProblemCode::SessionOver));
}

/// Sends a raw head on an authenticated connection, gives what comes back.
async fn answer_to(scene: &Scene, head: &str) -> String {
    let mut stream = raw::connect(&scene.lin.identity, scene.mo.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    read_text(&mut stream).await
}

async fn read_text(stream: &mut (impl AsyncRead + Unpin)) -> String {
    String::from_utf8_lossy(&rest_of(stream).await).into_owned()
}

#[tokio::test]
async fn a_connect_that_makes_no_sense_is_a_problem() {
    let mut scene = Scene::new().await;
    let token = format!("proxy-authorization: Bearer {}\r\n", scene.id);
    let basic = format!("proxy-authorization: Basic {}\r\n", scene.id);
    let bare = format!("proxy-authorization: {}\r\n", scene.id);
    let body = format!("{token}content-length: 3\r\n");
    let chunked = format!("{token}transfer-encoding: chunked\r\n");
    let made_up = format!("proxy-authorization: Bearer {}\r\n", HelpId(7));
    let other_text = "proxy-authorization: Bearer x\r\n".to_owned();
    for (what, target, fields, status, code) in [
        ("no token", "example.org:443", "", 400, "malformed"),
        ("a password", "example.org:443", &basic, 400, "malformed"),
        ("no scheme", "example.org:443", &bare, 400, "malformed"),
        ("a body", "example.org:443", &body, 400, "malformed"),
        ("another body", "example.org:443", &chunked, 400, "malformed"),
        ("an id that was made up", "example.org:443", &made_up, 404, "unknown-request"),
        ("an id that is none", "example.org:443", &other_text, 404, "unknown-request"),
        ("no port", "example.org", &token, 403, "not-consented"),
        ("a user", "lin@example.org:443", &token, 403, "not-consented"),
        ("capitals", "EXAMPLE.org:443", &token, 403, "not-consented"),
    ] {
        let close = "connection: close\r\n\r\n";
        let head = format!("CONNECT {target} HTTP/1.1\r\nhost: x\r\n{fields}{close}");
        let answer = answer_to(&scene, &head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
        assert!(answer.contains(&format!("urn:manyhands:problem:{code}\"")), "{what}: {answer}");
    }
    for target in ["/v1/hello", "https://example.org/", "*"] {
        let head =
            format!("CONNECT {target} HTTP/1.1\r\nhost: x\r\n{token}connection: close\r\n\r\n");
        let answer = answer_to(&scene, &head).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{target}: {answer}");
    }
    assert!(scene.far_ends.try_recv().is_err());
    // A refused tunnel is an answer like others: the connection takes the next request.
    let refused = format!("CONNECT other.example:443 HTTP/1.1\r\nhost: x\r\n{token}\r\n");
    let hello = "GET /v1/hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = answer_to(&scene, &format!("{refused}{hello}")).await;
    assert!(answers.starts_with("HTTP/1.1 403 ") && answers.contains("HTTP/1.1 200 "), "{answers}");
    drop(within(scene.peer.tunnel(scene.id, &example())).await.unwrap());
}
