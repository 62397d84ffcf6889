//! Servers and networks that fail, and what the caller is told to do.

use std::time::{Duration, SystemTime};

use manyhands_core::{FailureCode, What};
use manyhands_faultserver::{Behaviour, FaultServer, Reply, content};
use manyhands_origin::{FetchError, Options, Origins, ProxyMode, Retry};
use url::Url;

use crate::common::*;

/// Answers once with `status` and says what the error asks for.
async fn after_status(status: u16, retry_after: Option<String>) -> (String, Retry, FailureCode) {
    let script = vec![Reply::Status(status, retry_after)];
    let server = FaultServer::start(Behaviour { script, ..file() });
    let request = request(&server.url("/f?token=secret"), range(0, 10), known());
    let error = origins().fetch(&request).await.unwrap_err();
    let failure = error.failure();
    assert!(failure.message.contains("127.0.0.1") && failure.message.contains(&status.to_string()));
    assert!(!failure.message.contains("secret"), "{failure}");
    (name(&error), error.retry(), failure.code)
}

#[tokio::test]
async fn each_status_says_what_to_do() {
    use FailureCode::{NotFound, Protocol, Refused, ServerError, TooBusy};
    let fewer = Retry::FewerConnections { after: None };
    for (status, variant, retry, code) in [
        (404, "Missing", Retry::GiveUp, NotFound),
        (410, "Missing", Retry::GiveUp, NotFound),
        (401, "Denied", Retry::GiveUp, Refused),
        (407, "Denied", Retry::GiveUp, Refused),
        (403, "Denied", fewer, Refused),
        (429, "Busy", fewer, TooBusy),
        (503, "Busy", fewer, TooBusy),
        (500, "Server", Retry::Soon, ServerError),
        (502, "Server", Retry::Soon, ServerError),
        (504, "Server", Retry::Soon, ServerError),
        (408, "Server", Retry::Soon, ServerError),
        (400, "Status", Retry::GiveUp, Protocol),
        (412, "Status", Retry::GiveUp, Protocol),
        (451, "Status", Retry::GiveUp, Protocol),
        (201, "Status", Retry::GiveUp, Protocol),
        (304, "Status", Retry::GiveUp, Protocol),
    ] {
        assert_eq!(after_status(status, None).await, (variant.into(), retry, code), "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms_and_bounded() {
    let fewer = |seconds| Retry::FewerConnections { after: Some(Duration::from_secs(seconds)) };
    let most = FetchError::MAX_RETRY_AFTER.as_secs();
    for (value, expected) in [
        ("7", fewer(7)),
        ("0", fewer(0)),
        (" 12 ", fewer(12)),
        ("999999999", fewer(most)),
        ("99999999999999999999999999", fewer(most)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", fewer(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", fewer(most)),
        ("-5", Retry::FewerConnections { after: None }),
        ("soon", Retry::FewerConnections { after: None }),
        ("", Retry::FewerConnections { after: None }),
    ] {
        let (_, retry, _) = after_status(429, Some(value.into())).await;
        assert_eq!(retry, expected, "{value:?}");
    }
    let in_a_minute = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
    match after_status(503, Some(in_a_minute)).await.1 {
        Retry::FewerConnections { after: Some(after) } => {
            assert!(after.as_secs().abs_diff(60) <= 5);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(after_status(502, Some("9".into())).await.1, Retry::After(Duration::from_secs(9)));
}

#[tokio::test]
async fn a_body_that_is_reset_again_and_again_is_resumed_to_the_whole_file() {
    for behaviour in [
        Behaviour { reset_after_bytes: Some(9_999), ..file() },
        Behaviour { close_after_bytes: Some(9_999), ..file() },
    ] {
        let server = FaultServer::start(behaviour);
        let (origins, url) = (origins(), server.url("/file.bin"));
        let mut bytes = Vec::new();
        for _ in 0..100 {
            let asked = range(bytes.len() as u64, BYTES);
            match origins.fetch(&request(&url, asked, known())).await {
                Ok(mut answer) => {
                    let (more, error) = read(&mut answer).await;
                    bytes.extend(more);
                    match error {
                        None => break,
                        Some(error) => {
                            assert_eq!(error.retry(), Retry::Soon);
                            let received = answer.body.received_bytes();
                            assert!(matches!(error, FetchError::Interrupted { received_bytes, .. }
                                if received_bytes == received));
                        }
                    }
                }
                // The reset may overtake the head.
                Err(error) => assert_eq!(name(&error), "Interrupted"),
            }
        }
        assert!(bytes == content(7, 0..BYTES), "{} bytes", bytes.len());
        assert!(server.requests().len() > 10);
    }
}

fn impatient() -> Origins {
    Origins::new(&Options {
        connect_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(300),
        ..options()
    })
    .unwrap()
}

#[tokio::test]
async fn silence_is_an_error_after_the_idle_timeout() {
    let server = FaultServer::start(Behaviour { stall_after_bytes: Some(500), ..file() });
    let request = request(&server.url("/file.bin"), range(1000, 2000), known());
    assert_eq!(outcome(&impatient(), &request, 7).await, "1000..1500 Stalled");
    server.set(Behaviour { delay_before_head: Duration::from_secs(60), ..file() });
    assert_eq!(outcome(&impatient(), &request, 7).await, "Stalled");
    let error = impatient().fetch(&request).await.unwrap_err();
    assert_eq!((error.retry(), error.failure().code), (Retry::Soon, FailureCode::Interrupted));
}

#[tokio::test]
async fn a_slow_body_is_not_a_silent_one() {
    // 20 blocks, one every 100 ms at most: longer in all than the idle timeout.
    let slow = Behaviour { bytes: 5_000, rate_per_connection: Some(5_000), ..file() };
    let server = FaultServer::start(slow);
    let request = request(&server.url("/slow.bin"), ALL, None);
    assert_eq!(outcome(&impatient(), &request, 7).await, "0..5000");
}

#[tokio::test]
async fn a_refused_connection_a_silent_host_and_an_unknown_name_are_told_apart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file", free.local_addr().unwrap());
    drop(free);
    let error = impatient().fetch(&request(&url, ALL, None)).await.unwrap_err();
    assert_eq!((name(&error).as_str(), error.failure().code), ("Connect", FailureCode::Connect));
    assert!(error.to_string().ends_with("refuses the connection"), "{error}");

    // A full backlog: the kernel leaves further connections unanswered.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let addr = full.local_addr().unwrap();
    let mut held = Vec::new();
    let patience = Duration::from_millis(200);
    while let Ok(connected) =
        tokio::time::timeout(patience, tokio::net::TcpStream::connect(addr)).await
    {
        held.push(connected.unwrap());
    }
    let error =
        impatient().fetch(&request(&format!("http://{addr}/"), ALL, None)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{addr} does not answer"));
    assert_eq!((error.retry(), error.failure().code), (Retry::Soon, FailureCode::Connect));

    let unknown = request("http://no-such-host.invalid/file", ALL, None);
    let error = origins().fetch(&unknown).await.unwrap_err();
    assert_eq!((name(&error).as_str(), error.failure().code), ("NameNotFound", FailureCode::Dns));
    let failure = error.failure();
    assert_eq!(failure.message, "The name no-such-host.invalid cannot be found.");
    // Windows of other languages make their own sentence of this.
    assert_eq!(failure.what, Some(What::NameNotFound));
    assert_eq!(failure.parts.get("host").map(String::as_str), Some("no-such-host.invalid"));
}

#[tokio::test]
async fn a_proxy_that_is_gone_is_named_as_the_reason_and_not_gone_around() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:token@{}/", free.local_addr().unwrap());
    drop(free);
    let proxy = ProxyMode::Through(Url::parse(&url).unwrap());
    assert!(!format!("{proxy:?}").contains("token"));
    let origins = Origins::new(&Options { proxy, ..options() }).unwrap();
    let server = FaultServer::start(file());
    for scheme in ["http", "https"] {
        let link = format!("{scheme}://{}/file.bin", server.addr());
        let error = origins.fetch(&request(&link, ALL, None)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{} cannot be reached through the proxy", server.addr())
        );
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_web_page_in_place_of_the_file_is_recognised() {
    let page = Reply::Body("text/html; charset=utf-8".into(), b"<h1>Please log in</h1>".to_vec());
    let server = FaultServer::start(Behaviour { script: vec![page.clone(); 4], ..file() });
    let origins = origins();
    let mid = request(&server.url("/file.bin"), range(1000, 2000), known());
    assert_eq!(outcome(&origins, &mid, 7).await, "WebPage");
    let again = request(&server.url("/file.bin"), ALL, known());
    assert_eq!(outcome(&origins, &again, 7).await, "WebPage");
    // A page that is the file is told apart from one that replaces it by its name.
    let html = request(&server.url("/index.html"), range(1000, 2000), known());
    assert_eq!(outcome(&origins, &html, 7).await, "Changed");
    let first = origins.fetch(&request(&server.url("/x"), ALL, None)).await.unwrap();
    assert_eq!(first.content_type.as_deref(), Some("text/html; charset=utf-8"));
}

#[tokio::test]
async fn a_login_in_the_link_is_used_and_never_shown() {
    let login = Some(("us er".to_owned(), "p@ss:word".to_owned()));
    let server = FaultServer::start(Behaviour { login, ..file() });
    let with = |user: &str| server.url("/file.bin").replace("http://", &format!("http://{user}@"));
    let good = request(&with("us%20er:p%40ss%3Aword"), ALL, None);
    let answer = origins().fetch(&good).await.unwrap();
    assert_eq!(answer.final_url.as_str(), server.url("/file.bin"));
    let wrong = request(&with("somebody:hunter2"), ALL, None);
    let error = origins().fetch(&wrong).await.unwrap_err();
    assert_eq!((name(&error).as_str(), error.retry()), ("Denied", Retry::GiveUp));
    for text in [format!("{error}"), format!("{error:?}"), error.failure().message] {
        assert!(!text.contains("hunter2") && !text.contains("somebody"), "{text}");
    }
    assert!(!format!("{wrong:?}").contains("hunter2"));
    let broken = request("http://somebody:hunter2@no-such-host.invalid/f?secret=1", ALL, None);
    let error = origins().fetch(&broken).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hunter2") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn one_request_at_a_time_needs_one_connection_and_three_need_three() {
    for framing in
        [manyhands_faultserver::Framing::Length, manyhands_faultserver::Framing::Chunked(1000)]
    {
        let server = FaultServer::start(Behaviour { framing, ..file() });
        let origins = origins();
        let url = server.url("/file.bin");
        for _ in 0..3 {
            let one = request(&url, range(1000, 2000), known());
            assert_eq!(outcome(&origins, &one, 7).await, "1000..2000");
        }
        assert_eq!(server.connections(), 1);

        // Larger than what the kernel and the client hold for a reader that does not read.
        const LARGE: u64 = 16 << 20;
        server.set(Behaviour { bytes: 3 * LARGE, ..file() });
        let three = [0, 1, 2].map(|n| request(&url, range(n * LARGE, (n + 1) * LARGE), None));
        let [a, b, c] = &three;
        let (a, b, c) = tokio::join!(origins.fetch(a), origins.fetch(b), origins.fetch(c));
        let mut answers = [a.unwrap(), b.unwrap(), c.unwrap()];
        let mut seen: Vec<_> = server.requests()[3..].iter().map(|r| r.connection).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 3, "each answer under way has a connection of its own");
        for answer in &mut answers {
            assert_eq!(read(answer).await.0.len() as u64, LARGE);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_closes_its_connection() {
    let server = FaultServer::start(Behaviour { bytes: 64 << 20, ..file() });
    let origins = origins();
    let url = server.url("/file.bin");
    let mut answer = origins.fetch(&request(&url, ALL, None)).await.unwrap();
    assert!(answer.body.next().await.unwrap().is_some());
    drop(answer);
    let next = request(&url, range(0, 10), None);
    assert_eq!(outcome(&origins, &next, 7).await, "0..10");
    assert_eq!(server.connections(), 2);
    assert!(server.requests()[0].body_bytes_sent < 64 << 20);
}

#[tokio::test]
async fn a_server_that_was_started_again_is_reached_again() {
    let server = FaultServer::start(file());
    let (origins, addr) = (origins(), server.addr());
    let one = request(&server.url("/file.bin"), range(0, 10), known());
    assert_eq!(outcome(&origins, &one, 7).await, "0..10");
    drop(server);
    let _server = FaultServer::listen(addr, file()).unwrap();
    // The kept connection may be found dead only by using it: that is one try.
    let first = outcome(&origins, &one, 7).await;
    assert!(first == "0..10" || first == "Interrupted", "{first}");
    assert_eq!(outcome(&origins, &one, 7).await, "0..10");
}

#[tokio::test]
async fn more_connections_than_a_server_allows_are_answered_with_a_limit() {
    let limited = Behaviour { max_connections: Some(2), bytes: 64 << 20, ..file() };
    let server = FaultServer::start(limited);
    let (origins, url) = (origins(), server.url("/file.bin"));
    let first = origins.fetch(&request(&url, range(0, 32 << 20), None)).await.unwrap();
    let second = origins.fetch(&request(&url, range(32 << 20, 64 << 20), None)).await.unwrap();
    let error = origins.fetch(&request(&url, range(0, 10), None)).await.unwrap_err();
    assert_eq!(error.retry(), Retry::FewerConnections { after: None });
    drop((first, second));
}
