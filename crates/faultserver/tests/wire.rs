//! What really goes over the wire, read with a plain socket.

#![allow(clippy::expect_used, reason = "helpers of tests are tests, too")]

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use manyhands_faultserver::{Behaviour, FaultServer, Framing, Ranges, content};

/// Sends one request, reads until the server closes.
fn ask(addr: SocketAddr, headers: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET /file HTTP/1.1\r\nHost: test\r\n{headers}\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// The head as text, and the body.
fn split(answer: &[u8]) -> (String, Vec<u8>) {
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&answer[..at]).into_owned(), answer[at + 4..].to_vec())
}

fn closing(behaviour: Behaviour) -> FaultServer {
    FaultServer::start(Behaviour { keep_alive: false, ..behaviour })
}

#[test]
fn a_good_server_sends_the_range_with_all_its_headers() {
    let server = closing(Behaviour { bytes: 1000, seed: 3, ..Behaviour::default() });
    let (head, body) = split(&ask(server.addr(), "Range: bytes=100-199\r\n").unwrap());
    assert_eq!(
        head,
        "HTTP/1.1 206 Partial Content\r\nContent-Length: 100\r\nContent-Range: bytes 100-199/1000\r\n\
         Content-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\nETag: \"first\"\r\n\
         Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close"
    );
    assert_eq!(body, content(3, 100..200));
    let (_, body) = split(&ask(server.addr(), "Range: bytes=-10\r\n").unwrap());
    assert_eq!(body, content(3, 990..1000));
    let (head, body) = split(&ask(server.addr(), "Range: bytes=1000-\r\n").unwrap());
    assert!(head.contains(" 416 ") && head.contains("bytes */1000") && body.is_empty(), "{head}");
    let (head, body) = split(&ask(server.addr(), "").unwrap());
    assert!(head.contains(" 200 "), "{head}");
    assert_eq!(body, content(3, 0..1000));
    assert_eq!(server.requests()[1].range(), Some("bytes=-10"));
    assert_eq!(server.requests()[3].body_bytes_sent, 1000);
}

#[test]
fn wrong_bytes_are_wrong_on_the_wire() {
    let base = || Behaviour { bytes: 1000, ..Behaviour::default() };
    let part = "Range: bytes=100-199\r\n";
    let get = |behaviour| split(&ask(closing(behaviour).addr(), part).unwrap());

    let (head, body) = get(Behaviour { ranges: Ranges::Longer(7), ..base() });
    assert!(head.contains("Content-Length: 107") && head.contains("100-199/1000"), "{head}");
    assert_eq!(body, content(0, 100..207));

    let (head, body) = get(Behaviour { framing: Framing::ChunkedTruncated(64), ..base() });
    assert!(head.contains("chunked") && !head.contains("Content-Length"), "{head}");
    let chunk = |range: std::ops::Range<u64>| {
        let text = format!("{:x}\r\n", range.end - range.start).into_bytes();
        [text, content(0, range), b"\r\n".to_vec()].concat()
    };
    assert_eq!(body, [chunk(100..164), chunk(164..200)].concat());

    let (head, body) = get(Behaviour { ranges: Ranges::Multipart, ..base() });
    let length = format!("Content-Length: {}", body.len());
    assert!(head.contains(&length) && head.contains("multipart/byteranges"), "{head}");
    assert!(body.windows(100).any(|window| window == content(0, 100..200)));

    let (_, body) = get(Behaviour { corrupt_byte_at: Some(150), ..base() });
    let wrong: Vec<_> =
        (100..200).zip(body).filter(|(n, b)| content(0, *n..n + 1) != [*b]).collect();
    assert_eq!(wrong.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [150]);

    let (_, body) = get(Behaviour { close_after_bytes: Some(30), ..base() });
    assert_eq!(body, content(0, 100..130));
    let (_, body) = get(Behaviour { close_after_bytes: Some(30), faulty_answers: 0, ..base() });
    assert_eq!(body.len(), 100);

    let reset = Behaviour { reset_after_bytes: Some(0), ..base() };
    let error = ask(closing(reset).addr(), part).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_rate_for_an_address_is_shared_by_its_connections() {
    const BYTES: u64 = 150_000;
    let take = |server: &FaultServer, connections: usize| {
        let (addr, begin) = (server.addr(), Instant::now());
        let readers: Vec<_> =
            (0..connections).map(|_| thread::spawn(move || ask(addr, "").unwrap().len())).collect();
        for reader in readers {
            assert!(reader.join().unwrap() as u64 > BYTES);
        }
        begin.elapsed()
    };
    let each = closing(Behaviour {
        bytes: BYTES,
        rate_per_connection: Some(300_000),
        ..Behaviour::default()
    });
    let shared = closing(Behaviour {
        bytes: BYTES,
        rate_per_address: Some(300_000),
        ..Behaviour::default()
    });
    // Half a second each, less what a bucket gives at once; only the lower bounds are certain on a busy machine.
    assert!(take(&each, 3) >= Duration::from_millis(420));
    assert!(take(&shared, 3) >= Duration::from_millis(1400));
}
