//! The requester's local proxy: who may use it, for what, and what it tells when there is nothing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::relay::*;
use common::*;
use data_encoding::BASE64;
use manyhands_core::{ByteRange, HelpId};
use manyhands_peer::wire::ProblemCode;
use manyhands_peer::{CallError, Relay, RemotePeer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

fn address(relay: &Relay) -> SocketAddr {
    let url = relay.proxy_url();
    assert_eq!((url.scheme(), url.host_str()), ("http", Some("127.0.0.1")));
    SocketAddr::from(([127, 0, 0, 1], url.port().unwrap()))
}

/// As HTTP clients make it from the user and password of a proxy's URL.
fn credentials(relay: &Relay) -> String {
    let (user, password) = (relay.proxy_url().username(), relay.proxy_url().password().unwrap());
    assert_eq!(password.len(), 64, "256 bits");
    let basic = BASE64.encode(format!("{user}:{password}").as_bytes());
    format!("Proxy-Authorization: Basic {basic}\r\n")
}

/// A connection to the endpoint with `head` sent, and the head of its answer.
async fn send(relay: &Relay, head: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address(relay)).await.unwrap();
    stream.write_all(head.as_bytes()).await.ok();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        match within(stream.read_u8()).await {
            Ok(byte) => answer.push(byte),
            Err(_) => break,
        }
    }
    (stream, String::from_utf8(answer).unwrap())
}

async fn connect(relay: &Relay, target: &str) -> (TcpStream, String) {
    let credentials = credentials(relay);
    send(relay, &format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n")).await
}

async fn start(peer: &RemotePeer, id: HelpId) -> Relay {
    Relay::start(peer.clone(), id, relay_request(1).origins.to_vec()).await.unwrap()
}

#[tokio::test]
async fn an_http_client_reaches_its_origin_through_a_helper() {
    let origin = Origin::start().await;
    let mo = Helper::with_tunnels(willing(), ToOrigin::honest(&origin)).await;
    let peer = Requester::new().to(&mo);
    let id = relay_session(&peer, 64 * MIB).await;
    let relay = start(&peer, id).await;
    for _ in 0..3 {
        let (stream, answer) = connect(&relay, "example.org:443").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let mut stream = tls(stream, &origin).await.unwrap();
        stream.write_u64(MIB).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut bytes = Vec::new();
        within(stream.read_to_end(&mut bytes)).await.unwrap();
        assert!(bytes == bytes_of(ByteRange::from_len(0, MIB)));
    }
    assert!(relay.take_refusal().is_none());
    assert!(!format!("{relay:?}").contains(relay.proxy_url().password().unwrap()));
    within(origin.live.subscribe().wait_for(|live| *live == 0)).await.unwrap();
}

#[tokio::test]
async fn only_who_knows_the_token_gets_a_tunnel() {
    let (source, mut far_ends) = to_test();
    let mo = Helper::with_tunnels(willing(), source).await;
    let peer = Requester::new().to(&mo);
    let id = relay_session(&peer, MIB).await;
    let (relay, other) = (start(&peer, id).await, start(&peer, id).await);
    let right = credentials(&relay);
    let (user, password) =
        (relay.proxy_url().username(), relay.proxy_url().password().unwrap().to_owned());
    let basic =
        |text: String| format!("Proxy-Authorization: Basic {}\r\n", BASE64.encode(text.as_bytes()));
    for (what, fields) in [
        ("no token", String::new()),
        ("the token of another endpoint", credentials(&other)),
        ("most of the token", basic(format!("{user}:{}", &password[..63]))),
        ("more than the token", basic(format!("{user}:{password}0"))),
        ("another user", basic(format!("root:{password}"))),
        ("no password", basic(format!("{user}:"))),
        ("another scheme", right.replace("Basic", "Bearer")),
        ("what is for origins", right.replace("Proxy-Authorization", "Authorization")),
    ] {
        let head = format!("CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        let (mut stream, answer) = send(&relay, &head).await;
        assert!(answer.starts_with("HTTP/1.1 407 "), "{what}: {answer}");
        assert!(answer.to_ascii_lowercase().contains("proxy-authenticate: basic"), "{answer}");
        assert_eq!(rest_of(&mut stream).await, b"", "{what}: closed");
    }
    assert!(far_ends.try_recv().is_err());
    let (_stream, answer) = connect(&relay, "example.org:443").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn the_endpoint_makes_tunnels_and_does_nothing_else() {
    let (source, mut far_ends) = to_test();
    let mo = Helper::with_tunnels(willing(), source).await;
    let peer = Requester::new().to(&mo);
    let id = relay_session(&peer, MIB).await;
    let relay = start(&peer, id).await;
    let token = credentials(&relay);
    for (what, head, status) in [
        ("a GET", format!("GET http://example.org/ HTTP/1.1\r\nHost: x\r\n{token}\r\n"), 405),
        ("a POST", format!("POST / HTTP/1.1\r\nHost: x\r\n{token}\r\n"), 405),
        ("a GET without the token", "GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 407),
        ("no HTTP", "EHLO example.org\r\n\r\n".to_owned(), 400),
        (
            "too long a head",
            format!("CONNECT example.org:443 HTTP/1.1\r\na: {}\r\n{token}\r\n", "x".repeat(8192)),
            431,
        ),
        (
            "too many fields",
            format!("CONNECT example.org:443 HTTP/1.1\r\n{}{token}\r\n", "a: b\r\n".repeat(40)),
            431,
        ),
    ] {
        let (mut stream, answer) = send(&relay, &head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
        assert_eq!(rest_of(&mut stream).await, b"", "{what}: closed");
    }
    for target in [
        "example.org:80",
        "example.org",
        "other.example:443",
        "127.0.0.1:443",
        "x@other.example:443",
    ] {
        let (mut stream, answer) = connect(&relay, target).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{target}: {answer}");
        assert_eq!(rest_of(&mut stream).await, b"", "{target}: closed");
    }
    assert!(far_ends.try_recv().is_err());
    assert!(relay.take_refusal().is_none(), "the helper was not asked");
}

#[tokio::test]
async fn a_head_that_does_not_come_is_waited_for_five_seconds() {
    let mo = Helper::with_tunnels(willing(), NoTunnels).await;
    let relay = start(&Requester::new().to(&mo), HelpId(1)).await;
    let began = Instant::now();
    let silent = async {
        let mut stream = TcpStream::connect(address(&relay)).await.unwrap();
        rest_of(&mut stream).await
    };
    let slow = async { send(&relay, "CONNECT example.org:443 HTTP/1.1\r\nHost: ").await.1 };
    let (silent, slow) = within(async { tokio::join!(silent, slow) }).await;
    assert_eq!(silent, b"");
    assert!(slow.is_empty() || slow.starts_with("HTTP/1.1 408"), "{slow}");
    let took = began.elapsed();
    assert!(took > Duration::from_secs(4) && took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn what_the_helper_refuses_is_a_failed_tunnel_and_remembered() {
    let mo = Helper::with_tunnels(willing(), NoTunnels).await;
    let peer = Requester::new().to(&mo);
    let id = relay_session(&peer, MIB).await;
    let relay = start(&peer, id).await;
    let code = |relay: &Relay| match relay.take_refusal() {
        Some(CallError::Problem(problem)) => problem.code(),
        other => panic!("{other:?}"),
    };
    let (mut stream, answer) = connect(&relay, "example.org:443").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(rest_of(&mut stream).await, b"");
    assert_eq!(code(&relay), Some(ProblemCode::AddressRefused));
    assert!(relay.take_refusal().is_none(), "told once");
    within(peer.withdraw(id)).await.unwrap();
    for target in ["example.org:443", "mirror.example.net:8443"] {
        let (_, answer) = connect(&relay, target).await;
        assert!(answer.starts_with("HTTP/1.1 410 "), "{answer}");
    }
    assert_eq!(code(&relay), Some(ProblemCode::SessionOver));
    // Nobody is there at all.
    within(mo.server.shutdown()).await;
    let (_, answer) = connect(&relay, "example.org:443").await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(matches!(relay.take_refusal(), Some(CallError::Unreachable(_) | CallError::Lost(_))));
}

#[tokio::test]
async fn the_end_of_the_session_is_the_end_of_the_clients_connection() {
    let (source, mut far_ends) = to_test();
    let mo = Helper::with_tunnels(willing(), source).await;
    let peer = Requester::new().to(&mo);
    let id = relay_session(&peer, MIB).await;
    let relay = start(&peer, id).await;
    let (mut stream, _) = connect(&relay, "example.org:443").await;
    stream.write_all(&hello()).await.unwrap();
    let (_, mut far) = within(far_ends.recv()).await.unwrap();
    far.read_u8().await.unwrap();
    let began = Instant::now();
    within(peer.withdraw(id)).await.unwrap();
    assert_eq!(rest_of(&mut stream).await, b"");
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_relay_that_is_dropped_takes_everything_with_it() {
    let (source, mut far_ends) = to_test();
    let mo = Helper::with_tunnels(willing(), source).await;
    let peer = Requester::new().to(&mo);
    let id = relay_session(&peer, MIB).await;
    let relay = start(&peer, id).await;
    let (mut carrying, _) = connect(&relay, "example.org:443").await;
    carrying.write_all(&hello()).await.unwrap();
    let (_, mut far) = within(far_ends.recv()).await.unwrap();
    far.read_u8().await.unwrap();
    let address = address(&relay);
    let mut waiting = TcpStream::connect(address).await.unwrap();
    drop(relay);
    assert_eq!(rest_of(&mut carrying).await, b"");
    assert_eq!(rest_of(&mut waiting).await, b"");
    rest_of(&mut far).await;
    within(async { while TcpStream::connect(address).await.is_ok() {} }).await;
}

#[tokio::test]
async fn connections_that_wait_are_bounded_and_their_places_come_free() {
    let (source, mut far_ends) = to_test();
    let mo = Helper::with_tunnels(willing(), source).await;
    let peer = Requester::new().to(&mo);
    let id = relay_session(&peer, MIB).await;
    let relay = start(&peer, id).await;
    let mut waiting = Vec::new();
    for _ in 0..16 {
        waiting.push(TcpStream::connect(address(&relay)).await.unwrap());
    }
    let (_, answer) = connect(&relay, "example.org:443").await;
    assert_eq!(answer, "", "closed without a word");
    drop(waiting);
    within(async { while connect(&relay, "example.org:443").await.1.is_empty() {} }).await;
    assert!(within(far_ends.recv()).await.is_some());
}
