//! https through a proxy that may meddle with what it carries.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use manyhands_core::FailureCode;
use manyhands_faultserver::{Authority, Behaviour, Fault, FaultServer, Framing, Ranges, content};
use manyhands_origin::{FetchError, Options, Origins, ProxyMode, Retry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use url::Url;

use crate::common::*;

/// How the URL's "me" and "se cret" come to the proxy.
const LOGIN: &str = "proxy-authorization: basic bwu6c2ugy3jlda==";
/// Of a TLS record: its type, a version, the length of the rest.
const RECORD_HEAD: usize = 5;
const APPLICATION_DATA: u8 = 23;
/// With the head: more than TLS takes in at once, less than the client wants at once. So TLS has something good to give when
/// it finds what is wrong …
const FEW_BYTES: u64 = 6000;
/// … since the records are small.
const SLOW: u64 = 20_000;

/// What becomes of an answer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Carried,
    Refused,
    /// Instead of the server somebody says this.
    Intercepted(&'static [u8]),
    /// A bit of the first encrypted record is another one: of the handshake.
    HandshakeFlipped,
    /// A bit of the last record is another one. What comes before it is good.
    Flipped,
    /// As above, in the length of the record.
    Resized,
    /// The connection ends before the last record.
    Lost,
    /// The connection ends within the last record.
    Cut,
}

/// A proxy for `CONNECT` alone. Unless it only carries, it holds the answer to the first request back until it has all
/// of it, and then sends it at once.
struct Proxy {
    url: Url,
    /// After its request the client has said something more: that something is wrong.
    objected: Arc<Notify>,
}

impl Proxy {
    async fn start(way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://me:se%20cret@{}/", listener.local_addr().unwrap());
        let objected = Arc::new(Notify::new());
        let proxy = Self { url: Url::parse(&url).unwrap(), objected: objected.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(tunnel(client, way, objected.clone()));
            }
        });
        proxy
    }

    fn origins(&self, authority: &Authority) -> Origins {
        let proxy = ProxyMode::Through(self.url.clone());
        let extra_root_certificates_pem = vec![authority.pem()];
        Origins::new(&Options { proxy, extra_root_certificates_pem, ..options() }).unwrap()
    }
}

async fn tunnel(mut client: TcpStream, way: Way, objected: Arc<Notify>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
    if way == Way::Refused || !head.to_ascii_lowercase().contains(LOGIN) {
        return client.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    if let Way::Intercepted(says) = way {
        client.read_u8().await.unwrap();
        client.write_all(says).await.unwrap();
        client.read_to_end(&mut Vec::new()).await.ok();
        return;
    }
    let server = TcpStream::connect(target).await.unwrap();
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let asked = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn(carry_up(from_client, to_server, asked.clone(), objected));
    carry_down(from_server, to_client, way, asked).await;
    asking.await.unwrap();
}

/// Record by record: the first one that is encrypted ends the handshake, the second one is the request.
async fn carry_up(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    asked: Arc<AtomicBool>,
    objected: Arc<Notify>,
) {
    let mut encrypted = 0;
    let mut record = vec![0; RECORD_HEAD];
    while client.read_exact(&mut record[..RECORD_HEAD]).await.is_ok() {
        let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
        record.resize(RECORD_HEAD + length, 0);
        client.read_exact(&mut record[RECORD_HEAD..]).await.unwrap();
        encrypted += u32::from(record[0] == APPLICATION_DATA);
        match encrypted {
            0 | 1 => {}
            2 => asked.store(true, Ordering::SeqCst),
            _ => objected.notify_one(),
        }
        // The server may have gone.
        server.write_all(&record).await.ok();
    }
    server.shutdown().await.ok();
}

async fn carry_down(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    way: Way,
    asked: Arc<AtomicBool>,
) {
    if way == Way::HandshakeFlipped {
        return flip_handshake(server, client).await;
    }
    let mut answer = Vec::new();
    while server.read_buf(&mut answer).await.is_ok_and(|read| read > 0) {
        if way == Way::Carried || !asked.load(Ordering::SeqCst) {
            client.write_all(&answer).await.unwrap();
            answer.clear();
        }
    }
    if way == Way::Carried {
        return client.shutdown().await.unwrap();
    }
    let last = last_record(&answer);
    match way {
        Way::Flipped => answer[last + RECORD_HEAD] ^= 1,
        Way::Resized => answer[last + 3] ^= 0x80,
        Way::Lost => answer.truncate(last),
        Way::Cut => answer.truncate(answer.len() - 1),
        _ => unreachable!(),
    }
    client.write_all(&answer).await.unwrap();
    if matches!(way, Way::Lost | Way::Cut) {
        client.shutdown().await.unwrap();
    }
}

async fn flip_handshake(mut server: OwnedReadHalf, mut client: OwnedWriteHalf) {
    let mut record = vec![0; RECORD_HEAD];
    while record[0] != APPLICATION_DATA {
        server.read_exact(&mut record[..RECORD_HEAD]).await.unwrap();
        let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
        record.resize(RECORD_HEAD + length, 0);
        server.read_exact(&mut record[RECORD_HEAD..]).await.unwrap();
        record[RECORD_HEAD] ^= u8::from(record[0] == APPLICATION_DATA);
        client.write_all(&record).await.unwrap();
    }
    server.read_to_end(&mut Vec::new()).await.ok();
}

/// Where it begins.
fn last_record(records: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let length = u16::from_be_bytes([records[at + 3], records[at + 4]]);
        let next = at + RECORD_HEAD + usize::from(length);
        if next >= records.len() {
            assert_eq!(next, records.len(), "whole records");
            return at;
        }
        at = next;
    }
}

/// What comes of a file whose end is the end of the connection. `waits`: nobody reads until the client has objected.
async fn whole_file(way: Way, waits: bool) -> Result<String, FetchError> {
    let until_close = Behaviour {
        bytes: FEW_BYTES,
        ranges: Ranges::Ignore,
        framing: Framing::UntilClose,
        rate_per_connection: Some(SLOW),
        ..file()
    };
    let (authority, server) = (Authority::new(), FaultServer::start(until_close));
    let addr = authority.in_front_of(&server, Fault::None).await;
    let proxy = Proxy::start(way).await;
    let whole = request(&format!("https://{addr}/file.bin"), ALL, None);
    let mut answer = proxy.origins(&authority).fetch(&whole).await?;
    if waits {
        proxy.objected.notified().await;
    }
    let (bytes, error) = read(&mut answer).await;
    let right = content(7, 0..bytes.len() as u64) == bytes;
    Ok(format!("{} {right}", error.map_or_else(|| "all".to_owned(), |error| name(&error))))
}

#[tokio::test]
async fn a_server_is_fetched_from_through_a_proxy() {
    let (authority, server) = (Authority::new(), FaultServer::start(file()));
    let addr = authority.in_front_of(&server, Fault::None).await;
    let origins = Proxy::start(Way::Carried).await.origins(&authority);
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/file.bin", addr.port());
        assert_eq!(outcome(&origins, &request(&url, ALL, None), 7).await, "0..100000");
        let mid = request(&url, range(1000, 2000), known());
        assert_eq!(outcome(&origins, &mid, 7).await, "1000..2000");
    }
    assert_eq!(server.connections(), 2, "kept for the next request, one for each name");
    for asked in server.requests() {
        assert!(asked.path.starts_with("/file.bin"), "{asked:?}");
        assert!(asked.header("user-agent").is_some_and(|agent| agent.starts_with("Manyhands/")));
        assert_eq!(asked.header("proxy-authorization"), None);
        assert_eq!(asked.header("accept"), Some("*/*"), "as without a proxy");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_good_is_refused_through_a_proxy_too() {
    let (authority, server) = (Authority::new(), FaultServer::start(file()));
    for fault in [Fault::OtherName, Fault::Expired, Fault::NotYet, Fault::None] {
        let addr = authority.in_front_of(&server, fault).await;
        let stranger = Authority::new();
        let trusted = if fault == Fault::None { &stranger } else { &authority };
        let origins = Proxy::start(Way::Carried).await.origins(trusted);
        let url = format!("https://localhost:{}/file.bin", addr.port());
        let error = origins.fetch(&request(&url, ALL, None)).await.unwrap_err();
        assert!(matches!(error, FetchError::Tls { untrusted: true, .. }), "{fault:?}: {error:?}");
        assert_eq!((error.retry(), error.failure().code), (Retry::GiveUp, FailureCode::Tls));
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_from_a_server_that_cannot_be_reached() {
    let error = whole_file(Way::Refused, false).await.unwrap_err();
    assert!(error.to_string().ends_with("cannot be reached through the proxy"), "{error:?}");
}

#[tokio::test]
async fn damage_is_known_as_such_though_it_is_found_before_anybody_reads() {
    for way in [Way::Flipped, Way::Resized] {
        for waits in [true, false] {
            // Where the machine was too busy to make small records, not even the head gets through.
            let got = whole_file(way, waits).await.unwrap_or_else(|e| format!("{} true", name(&e)));
            assert_eq!(got, "Damaged true", "{way:?}, waits: {waits}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_only_ends_is_not_called_damaged() {
    for way in [Way::Lost, Way::Cut] {
        let got = whole_file(way, false).await.unwrap();
        assert_eq!(got, "Interrupted true", "{way:?}");
    }
}

#[tokio::test]
async fn a_line_that_answers_with_something_else_is_no_connection_and_not_called_damaged() {
    let portal =
        b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\nContent-Length: 0\r\n\r\n";
    // Fatal alerts: handshake_failure, access_denied, and some that after the handshake would tell of damage.
    let alerts: [&[u8]; 6] = [
        &[21, 3, 3, 0, 2, 2, 40],
        &[21, 3, 3, 0, 2, 2, 49],
        &[21, 3, 3, 0, 2, 2, 10],
        &[21, 3, 3, 0, 2, 2, 20],
        &[21, 3, 3, 0, 2, 2, 47],
        &[21, 3, 3, 0, 2, 2, 50],
    ];
    // An encrypted record before anybody has agreed on a key.
    let record: &[u8] = &[APPLICATION_DATA, 3, 3, 0, 4, 1, 2, 3, 4];
    for says in alerts.into_iter().chain([portal.as_slice(), record]) {
        let error = whole_file(Way::Intercepted(says), false).await.unwrap_err();
        assert!(matches!(error, FetchError::Tls { untrusted: false, .. }), "{says:?}: {error:?}");
        assert!(error.is_of_the_connection() && error.retry() == Retry::Soon);
    }
}

#[tokio::test]
async fn a_handshake_whose_keys_do_not_fit_is_damaged() {
    let error = whole_file(Way::HandshakeFlipped, false).await.unwrap_err();
    assert!(matches!(error, FetchError::Damaged { received_bytes: 0, .. }), "{error:?}");
}

/// Set for the next test where it runs again, on a system without certificates: where the proxy is.
const PROXY_VARIABLE: &str = "MANYHANDS_TEST_PROXY";

#[tokio::test(flavor = "multi_thread")]
async fn without_any_certificate_on_the_system_plain_http_works_through_a_proxy_and_https_says_why_not()
 {
    if let Ok(proxy) = std::env::var(PROXY_VARIABLE) {
        let proxy = ProxyMode::Through(Url::parse(&proxy).unwrap());
        let origins = Origins::new(&Options { proxy, ..options() }).unwrap();
        let plain = request("http://files.example/file.bin", ALL, None);
        assert_eq!(outcome(&origins, &plain, 7).await, "0..100000");
        let secure = request("https://files.example/file.bin", ALL, None);
        let error = origins.fetch(&secure).await.unwrap_err();
        assert!(matches!(error, FetchError::Tls { untrusted: false, .. }), "{error:?}");
        assert!(error.to_string().contains("no certificates"), "{error}");
        return;
    }
    // A server that is asked for a whole URL is a proxy to whoever asks.
    let server = FaultServer::start(file());
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "tunnels::without_any_certificate_on_the_system_plain_http_works_through_a_proxy_and_https_says_why_not"])
        .env("SSL_CERT_FILE", dir.path().join("none.pem"))
        .env("SSL_CERT_DIR", dir.path())
        .env(PROXY_VARIABLE, server.url("/"));
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "{text}");
    assert!(output.status.success(), "{text}");
    assert_eq!(server.requests().len(), 1, "https did not even connect");
}
