//! Devices that do not keep to the protocol, and what they do not achieve.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::*;
use manyhands_core::{ByteRange, DeskInput, HelpAnswer, HelpEnd, HelpId, Standing};
use manyhands_peer::wire::{DeviceName, Hello, HelpState, ProblemCode};
use manyhands_peer::{
    CallError, ClientWaits, DeviceIdentity, HandshakeError, INCOMING_QUEUE, Incoming, PeerServer,
    ServerOptions, ServerWaits,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Everything until the other side closes.
async fn read_to_close(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    // A connection that is reset has been closed too.
    within(stream.read_to_end(&mut text)).await.ok();
    String::from_utf8_lossy(&text).into_owned()
}

/// Sends raw bytes over proper TLS, gives all that comes back.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let stranger = DeviceIdentity::generate().unwrap();
    let mut stream = raw::connect(&stranger, address).await.unwrap();
    // The server may answer and close before it has taken everything.
    stream.write_all(request).await.ok();
    read_to_close(&mut stream).await
}

fn is_unknown<T: std::fmt::Debug>(result: Result<T, CallError>) -> bool {
    match result {
        Err(CallError::Problem(p)) => p.code() == Some(ProblemCode::UnknownRequest),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn another_device_at_a_known_address_hears_nothing() {
    let (lin, mo, eve) = (Requester::new(), DeviceIdentity::generate().unwrap(), Requester::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = lin.client.peer(mo.id(), &[listener.local_addr().unwrap()]);
    let calls = async {
        let hello = peer.hello().await.unwrap_err();
        let asked = peer.ask(&help_request(MIB)).await.unwrap_err();
        [hello, asked]
    };
    let serve = async {
        for _ in 0..2 {
            // Eve would take anybody; the requester ends the handshake before it says who it is.
            assert!(raw::accept(&eve.identity, &listener).await.is_err());
        }
    };
    let (errors, ()) = within(async { tokio::join!(calls, serve) }).await;
    for error in errors {
        match error {
            CallError::WrongDevice { found, .. } => assert_eq!(found, eve.identity.id()),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_wrong_device_at_one_address_does_not_hide_the_right_one() {
    let (lin, mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let eve = Helper::start(Rules::default()).await;
    let peer = lin.client.peer(mo.identity.id(), &[eve.address(), mo.address()]);
    assert_eq!(within(peer.hello()).await.unwrap().name.as_str(), "Mo");
}

#[tokio::test]
async fn a_request_belongs_to_the_device_that_made_it() {
    let (lin, eve) = (Requester::new(), Requester::new());
    let mut mo = Helper::start(Rules::default()).await;
    let (lins, eves) = (lin.to(&mo), eve.to(&mo));
    let id = session(&lins, &mut mo, 64 * MIB).await;
    // Eve knows the id, to the last bit. For her, as for one that was made up, there is nothing.
    for id in [id, HelpId(12345)] {
        assert!(is_unknown(within(eves.poll(id, None, 0)).await));
        assert!(is_unknown(within(eves.withdraw(id)).await));
        assert!(is_unknown(within(eves.end(id, HelpEnd::Completed, 0, 0)).await));
        let url = file_url();
        assert!(is_unknown(within(eves.give_source(id, &url, &file_identity())).await));
        assert!(is_unknown(within(eves.content(id, ByteRange::from_len(0, 1))).await));
    }
    let state = within(lins.poll(id, None, 0)).await.unwrap();
    assert!(matches!(state.state, HelpState::Accepted { .. }), "{state:?}");
    assert_eq!(mo.source.fetches.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_id_in_a_body_is_not_believed() {
    let (lin, eve) = (Requester::new(), Requester::new());
    let mut mo = Helper::start(Rules::default()).await;
    let mut forged = serde_json::to_value(help_request(MIB)).unwrap();
    for field in ["from", "id", "peer", "device"] {
        forged[field] = serde_json::json!(lin.identity.id());
    }
    let body = forged.to_string();
    let head = "POST /v1/help-requests HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let mut stream = raw::connect(&eve.identity, mo.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_to_close(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let (id, _) = mo.prompt().await;
    assert!(is_unknown(within(lin.to(&mo).poll(id, None, 0)).await));
    assert!(within(eve.to(&mo).poll(id, None, 0)).await.is_ok());
}

#[tokio::test]
async fn what_is_too_large_or_makes_no_sense_is_refused_with_a_problem() {
    let mo = Helper::start(Rules::default()).await;
    let post = |headers: &str, body: &str| {
        format!(
            "POST /v1/help-requests HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n{body}"
        )
    };
    let get = |path: &str, rest: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{rest}\r\n")
    };
    let big = "x".repeat(70_000);
    let deep = "[".repeat(60_000);
    let chunked = format!("11170\r\n{}\r\n0\r\n\r\n", "x".repeat(0x11170));
    for (what, request, status) in [
        ("a body over its bound", post("content-length: 70000\r\n", &big), 413),
        ("a chunked body over its bound", post("transfer-encoding: chunked\r\n", &chunked), 413),
        ("deep nesting", post("content-length: 60000\r\n", &deep), 400),
        ("a negative length", post("content-length: -1\r\n", "{}"), 400),
        ("a huge length", post("content-length: 99999999999999999999999\r\n", "{}"), 400),
        ("no JSON", post("content-length: 5\r\n", "hello"), 400),
        ("not UTF-8", post("content-length: 2\r\n", "\"ÿ"), 400),
        ("a head over its bound", get("/v1/hello", &format!("a: {big}\r\n")), 431),
        ("too many headers", get("/v1/hello", &"a: b\r\n".repeat(100)), 431),
        ("a long path", get(&format!("/{big}"), ""), 431),
        ("another path", get("/v2/hello", ""), 404),
        ("a path that climbs", get("/v1/../../etc/passwd", ""), 404),
        ("a request that nobody made", get("/v1/help-requests/xyz", ""), 404),
        (
            "another method",
            "BREW /v1/hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into(),
            405,
        ),
        (
            "a tunnel of no session",
            "CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into(),
            400,
        ),
    ] {
        let answer = exchange(mo.address(), request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer:.200}");
        let by_hyper = status == 431 || what.ends_with("length");
        assert!(by_hyper || answer.contains("urn:manyhands:problem:"), "{what}: {answer:.400}");
    }
    assert!(mo.server.lent().is_empty());
}

#[tokio::test]
async fn content_is_given_for_one_closed_range_and_to_get_alone() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    let id = session(&peer, &mut mo, MIB).await;
    let path = format!("/v1/help-requests/{id}/content");
    for (method, range, status) in [
        ("GET", "", 416),
        ("GET", "range: bytes=0-\r\n", 416),
        ("GET", "range: bytes=-5\r\n", 416),
        ("GET", "range: bytes=0-1,3-4\r\n", 416),
        ("GET", "range: bytes=0-18446744073709551615\r\n", 416),
        ("GET", "range: lines=0-1\r\n", 416),
        ("HEAD", "range: bytes=0-1\r\n", 405),
        ("POST", "range: bytes=0-1\r\n", 405),
    ] {
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{range}\r\n");
        let mut stream = raw::connect(&lin.identity, mo.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_to_close(&mut stream).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{method} {range}: {answer}");
    }
    assert_eq!(mo.source.fetches.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn who_sends_a_head_or_a_body_slowly_is_cut_off() {
    let waits = ServerWaits {
        head: Duration::from_millis(300),
        body: Duration::from_millis(300),
        ..ServerWaits::default()
    };
    let mo = Helper::start(Rules { waits, ..Rules::default() }).await;
    let began = Instant::now();
    let slow = |text: &'static str| {
        let address = mo.address();
        async move { exchange(address, text.as_bytes()).await }
    };
    let head = slow("GET /v1/hello HTTP/1.1\r\nhost: x\r\na: ");
    let body = slow(
        "POST /v1/help-requests HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 99\r\n\r\n{",
    );
    // Nothing at all; and nothing more after a first answer.
    let nothing = slow("");
    let idle = slow("GET /v1/hello HTTP/1.1\r\nhost: x\r\n\r\n");
    let answers = async { tokio::join!(head, body, nothing, idle) };
    let (head, body, nothing, idle) = within(answers).await;
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
    assert_eq!(nothing, "");
    assert!(idle.starts_with("HTTP/1.1 200"), "{idle}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn who_asks_for_bytes_and_takes_none_is_cut_off() {
    let waits = ServerWaits { write: Duration::from_millis(300), ..ServerWaits::default() };
    let (lin, mut mo) =
        (Requester::new(), Helper::start(Rules { waits, ..Rules::default() }).await);
    let peer = lin.to(&mo);
    let id = session(&peer, &mut mo, 64 * MIB).await;
    let content = within(peer.content(id, ByteRange::from_len(0, 64 * MIB))).await.unwrap();
    assert_eq!(*mo.source.live.borrow(), 1);
    until_no_fetch_lives(&mo.source).await;
    drop(content);
}

#[tokio::test]
async fn a_device_has_so_many_connections_and_no_more() {
    let (eve, mo) = (DeviceIdentity::generate().unwrap(), Helper::start(Rules::default()).await);
    let mut open = Vec::new();
    for _ in 0..32 {
        let mut stream = raw::connect(&eve, mo.address()).await.unwrap();
        // An answer shows that the connection has its place.
        stream.write_all(b"GET /v1/hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        within(stream.read_exact(&mut first)).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        open.push(stream);
    }
    let request = b"GET /v1/hello HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut late = raw::connect(&eve, mo.address()).await.unwrap();
    late.write_all(request).await.ok();
    assert_eq!(read_to_close(&mut late).await, "");
    // Somebody else comes in as before.
    let lin = Requester::new();
    within(lin.to(&mo).hello()).await.unwrap();
}

#[tokio::test]
async fn half_open_connections_do_not_keep_a_friend_out() {
    let mo = Helper::start(Rules::default()).await;
    let mut half_open = Vec::new();
    for n in 0..600_u32 {
        let [.., a, b] = (n / 2).to_be_bytes();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 1, a, b], 0))).unwrap();
        if let Ok(stream) = within(socket.connect(mo.address())).await {
            half_open.push(stream);
        }
    }
    assert!(half_open.len() > 500);
    let lin = Requester::new();
    let began = Instant::now();
    within(lin.to(&mo).hello()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn ten_thousand_half_open_handshakes_do_not_keep_a_friends_request_out() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    mo.server.set_friends(&[lin.identity.id()].into());
    within(lin.to(&mo).hello()).await.unwrap();
    let address = mo.address();
    // On a thread of its own, as fast as the machine can; each address has its four places.
    let (began, flooding) = tokio::sync::oneshot::channel();
    let enough = CancellationToken::new();
    let stop = enough.clone();
    let flood = std::thread::spawn(move || {
        let flood = async {
            // Those that the server has closed need not be kept open here.
            let mut half_open = std::collections::VecDeque::new();
            let (mut made, mut began) = (0, Some(began));
            for n in 0_u32.. {
                if n >= 10_000 && stop.is_cancelled() {
                    break;
                }
                let [.., a, b] = (n / 2).to_be_bytes();
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(SocketAddr::from(([127, 1, a, b], 0))).unwrap();
                if let Ok(stream) = socket.connect(address).await {
                    half_open.push_back(stream);
                    made += 1;
                }
                if half_open.len() > 300 {
                    half_open.pop_front();
                    began.take().map(|began| began.send(()));
                }
            }
            (made, half_open)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(flood)
    });
    within(flooding).await.unwrap();
    // In the middle of it, from a new connection each time.
    for _ in 0..5 {
        let began = Instant::now();
        let peer = lin.to(&mo);
        let id = within(peer.ask(&help_request(MIB))).await.unwrap();
        assert_eq!(mo.prompt().await.0, id);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        within(peer.withdraw(id)).await.unwrap();
    }
    enough.cancel();
    let joined = tokio::task::spawn_blocking(|| flood.join().unwrap());
    let (made, half_open) = within(joined).await.unwrap();
    assert!(made > 9_000, "{made}");
    let began = Instant::now();
    within(lin.to(&mo).hello()).await.unwrap();
    within(Requester::new().to(&mo).hello()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    drop(half_open);
}

#[tokio::test]
async fn requests_cannot_be_piled_up() {
    // A shell that has stopped listening: nothing is taken from the queue, nothing answered.
    let (server, incoming) = bare_server().await;
    let id = server.1.id();
    let peer_of = |device: &Requester| device.client.peer(id, server.0.local_addrs());
    let refusal = |result: Result<HelpId, CallError>| match result {
        Err(CallError::Problem(problem)) => problem.code(),
        other => panic!("{other:?}"),
    };
    let devices: Vec<_> = (0..INCOMING_QUEUE / 8).map(|_| Requester::new()).collect();
    for device in &devices {
        let peer = peer_of(device);
        for _ in 0..8 {
            within(peer.ask(&help_request(MIB))).await.unwrap();
        }
    }
    let late = within(peer_of(&Requester::new()).ask(&help_request(MIB))).await;
    assert_eq!(refusal(late), Some(ProblemCode::Busy), "the queue to the shell is full");
    drop(incoming);
    // Every answer channel is gone with the queue: all are declined, and a device that has none
    // open may ask again …
    let gone = within(peer_of(&devices[0]).ask(&help_request(MIB))).await;
    assert_eq!(refusal(gone), Some(ProblemCode::Busy), "… but there is nobody to ask");

    let (server, mut incoming) = bare_server().await;
    let eve = Requester::new();
    let peer = eve.client.peer(server.1.id(), server.0.local_addrs());
    let mut open = Vec::new();
    for _ in 0..8 {
        within(peer.ask(&help_request(MIB))).await.unwrap();
        open.push(within(incoming.recv()).await.unwrap());
    }
    let ninth = within(peer.ask(&help_request(MIB))).await;
    assert_eq!(refusal(ninth), Some(ProblemCode::TooMany), "eight of one device are open");
    let lin = Requester::new();
    let lins = lin.client.peer(server.1.id(), server.0.local_addrs());
    within(lins.ask(&help_request(MIB))).await.unwrap();
}

async fn bare_server() -> ((PeerServer, DeviceIdentity), mpsc::Receiver<Incoming>) {
    let identity = DeviceIdentity::generate().unwrap();
    let options = ServerOptions {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        hello: watch::channel(Hello::new(DeviceName::default(), true)).1,
        waits: ServerWaits::default(),
    };
    let sources = sources(Arc::default(), NoTunnels);
    let (server, incoming) = PeerServer::start(&identity, sources, options).await.unwrap();
    ((server, identity), incoming)
}

#[tokio::test]
async fn strangers_prompts_are_few_and_a_friends_request_is_shown() {
    let rules = Rules { standing: Standing::Stranger, ..Rules::default() };
    let mut mo = Helper::start(rules).await;
    let mut shown = 0;
    for _ in 0..20 {
        let eve = Requester::new();
        let peer = eve.to(&mo);
        let id = within(peer.ask(&help_request(MIB))).await.unwrap();
        let state = within(peer.poll(id, None, 0)).await.unwrap().state;
        match state {
            HelpState::Pending { .. } => shown += u32::from(mo.prompts.recv().await.is_some()),
            state => assert!(matches!(state, HelpState::Declined { .. }), "{state:?}"),
        }
    }
    assert_eq!(shown, 3, "all of them come from one address");
}

#[tokio::test]
async fn a_blocked_device_loses_its_session_and_does_not_come_back() {
    let (eve, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = eve.to(&mo);
    let id = session(&peer, &mut mo, MIB).await;
    mo.server.set_blocked(&[eve.identity.id()].into());
    let error = within(peer.poll(id, None, 0)).await.unwrap_err();
    assert!(matches!(error, CallError::Lost(_) | CallError::Unreachable(_)), "{error:?}");
    assert!(mo.server.lent().is_empty());
    within(Requester::new().to(&mo).hello()).await.unwrap();
}

/// A helper that answers whatever it likes, to one request a connection.
async fn liar(answer: String) -> (DeviceIdentity, SocketAddr) {
    let identity = DeviceIdentity::generate().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (id, address) = (identity.to_pem(), listener.local_addr().unwrap());
    tokio::spawn(async move {
        let identity = DeviceIdentity::from_pem(&id).unwrap();
        while let Ok(mut stream) = raw::accept(&identity, &listener).await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                if let Ok(0) | Err(_) = stream.read(&mut request).await {
                    return;
                }
                stream.write_all(answer.as_bytes()).await.ok();
                stream.flush().await.ok();
                // Stays open, as one who wants to be waited for.
                read_to_close(&mut stream).await;
            });
        }
    });
    (identity, address)
}

#[tokio::test]
async fn a_peer_that_answers_nonsense_is_not_followed_and_not_waited_for() {
    let waits = ClientWaits { answer: Duration::from_millis(500), ..ClientWaits::default() };
    let lin = Requester::with_waits(waits);
    let json =
        |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    for (what, answer) in [
        ("a redirect", "HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1/\r\n\r\n".to_owned()),
        ("no JSON", json("hello")),
        ("a version of the future", json(r#"{"protocol":{"min":7,"max":9}}"#)),
        ("a body without end", json(&"x".repeat(100_000))),
        ("too few bytes", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_owned()),
        ("a head without end", format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(50_000))),
        ("no HTTP", "220 ftp ready\r\n".to_owned()),
        ("nothing", String::new()),
    ] {
        let (identity, address) = liar(answer).await;
        let began = Instant::now();
        let result = within(lin.client.peer(identity.id(), &[address]).hello()).await;
        assert!(
            matches!(result, Err(CallError::Nonsense(_) | CallError::Lost(_))),
            "{what}: {result:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(5), "{what}");
    }
}

#[tokio::test]
async fn a_name_from_the_network_comes_in_neutral() {
    let name = "\\u001b[31m<script>\\u202egpj.exe\\n";
    let body = format!(r#"{{"protocol":{{"min":1,"max":1}},"name":"{name}"}}"#);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let (identity, address) = liar(answer).await;
    let lin = Requester::new();
    let hello = within(lin.client.peer(identity.id(), &[address]).hello()).await.unwrap();
    assert_eq!(hello.name.as_str(), "[31m‹script›gpj.exe");
}

#[tokio::test]
async fn the_answer_of_another_request_is_not_taken() {
    let other = r#"{"id":"00112233445566778899aabbccddeeff","revision":2,"state":"accepted","budget_bytes":1}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{other}", other.len());
    let (identity, address) = liar(answer).await;
    let lin = Requester::new();
    let peer = lin.client.peer(identity.id(), &[address]);
    let result = within(peer.decision(HelpId(1))).await;
    assert!(matches!(result, Err(CallError::Nonsense(_))), "{result:?}");
}

#[tokio::test]
async fn plain_bytes_on_the_port_get_no_http() {
    let mo = Helper::start(Rules::default()).await;
    let mut stream = TcpStream::connect(mo.address()).await.unwrap();
    stream.write_all(b"GET /v1/hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let answer = read_to_close(&mut stream).await;
    assert!(!answer.contains("HTTP"), "{answer}");
    // And a client that meets such a server does not talk to it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.ok();
        heard
    };
    let lin = Requester::new();
    let peer = lin.client.peer(mo.identity.id(), &[address]);
    let (result, heard) = within(async { tokio::join!(peer.hello(), serve) }).await;
    assert!(matches!(result, Err(CallError::Unreachable(HandshakeError::Failed(_)))), "{result:?}");
    assert!(!heard.windows(5).any(|w| w == b"hello"));
}

#[tokio::test]
async fn a_yes_that_the_requester_never_asked_for_opens_nothing() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    let id = within(peer.ask(&help_request(MIB))).await.unwrap();
    mo.prompt().await;
    mo.decide(DeskInput::UserAccepted { id: HelpId(7), budget_bytes: None }).await;
    mo.decide(DeskInput::UserDeclined { id }).await;
    let answer = within(peer.decision(id)).await.unwrap();
    assert!(matches!(answer, HelpAnswer::Decline(_)));
    assert!(mo.server.lent().is_empty());
}
