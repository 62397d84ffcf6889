//! How bodies end, and how they should not.

use manyhands_faultserver::{Behaviour, FaultServer, Framing, Ranges, Reply};

use crate::common::*;

fn whole(framing: Framing) -> Behaviour {
    Behaviour { ranges: Ranges::Ignore, framing, ..file() }
}

#[tokio::test]
async fn a_body_without_a_length_counts_when_it_ends_in_order() {
    for (framing, expected) in [
        (Framing::Chunked(1), "0..2000"),
        (Framing::Chunked(700), "0..2000"),
        (Framing::UntilClose, "0..2000"),
        (Framing::ChunkedTruncated(700), "0..2000 Interrupted"),
        // RFC 9112 §6.3: the chunks count, the length does not.
        (Framing::ChunkedWithLength(700, 5), "0..2000"),
        (Framing::ChunkedWithLength(700, 1 << 40), "0..2000"),
    ] {
        check(Behaviour { bytes: 2000, ..whole(framing) }, ALL, None, expected).await;
    }
}

#[tokio::test]
async fn a_range_is_judged_by_its_content_range_in_any_framing() {
    for (framing, expected) in [
        (Framing::Chunked(300), "1000..2000"),
        (Framing::ChunkedWithLength(300, 7), "1000..2000"),
        (Framing::UntilClose, "1000..2000"),
        // All bytes that were promised are here: how the body ended does not matter.
        (Framing::ChunkedTruncated(300), "1000..2000"),
        (Framing::WrittenLength("5".into()), "1000..1005 Interrupted"),
    ] {
        check(Behaviour { framing, ..file() }, range(1000, 2000), known(), expected).await;
    }
}

#[tokio::test]
async fn wrong_ranges_are_refused_in_chunks_too() {
    for ranges in [Ranges::WrongStart(1), Ranges::NoContentRange] {
        let behaviour = Behaviour { ranges, framing: Framing::Chunked(100), ..file() };
        check(behaviour, range(1000, 2000), known(), "Rejected").await;
    }
    let longer = Behaviour { ranges: Ranges::Longer(50), framing: Framing::Chunked(100), ..file() };
    check(longer, range(1000, 2000), known(), "1000..2000").await;
}

#[tokio::test]
async fn an_early_end_keeps_what_came_before_it() {
    for framing in [Framing::Length, Framing::Chunked(400), Framing::UntilClose] {
        let behaviour = Behaviour { close_after_bytes: Some(600), framing, ..file() };
        check(behaviour, range(1000, 2000), known(), "1000..1600 Interrupted").await;
    }
    let behaviour = Behaviour { close_after_bytes: Some(600), ..whole(Framing::Length) };
    check(behaviour, ALL, None, "0..600 Interrupted").await;
    let behaviour = Behaviour { close_after_bytes: Some(0), ..file() };
    check(behaviour, ALL, None, "0..0 Interrupted").await;
}

#[tokio::test]
async fn a_length_that_is_none_is_no_answer() {
    for length in ["-5", "abc", "1000, 1001", "99999999999999999999", "0x10", "", "5 5"] {
        let behaviour = Behaviour { framing: Framing::WrittenLength(length.into()), ..file() };
        check(behaviour, range(1000, 2000), known(), "BadAnswer").await;
    }
    let twice = vec![("Content-Length".to_owned(), "999".to_owned())];
    check(Behaviour { extra_headers: twice, ..file() }, range(1000, 2000), known(), "BadAnswer")
        .await;
}

#[tokio::test]
async fn what_is_not_http_is_no_answer() {
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    for (reply, expected) in [
        (Reply::Nothing, "Interrupted"),
        (Reply::Raw(b"HTTP/1.1 206 Par".to_vec()), "Interrupted"),
        (Reply::Raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()), "BadAnswer"),
        (Reply::Raw(b"HTTP/7.9 200 OK\r\n\r\n".to_vec()), "BadAnswer"),
        (Reply::Raw(b"HTTP/1.1 999999 OK\r\n\r\n".to_vec()), "BadAnswer"),
        (Reply::Raw(vec![0; 4096]), "BadAnswer"),
        (Reply::Raw(huge.into_bytes()), "BadAnswer"),
        (
            Reply::Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab".to_vec()),
            "0..0 Interrupted",
        ),
        (Reply::Raw(b"HTTP/1.0 200 OK\r\n\r\n".to_vec()), "0..0"),
        (Reply::Raw(b"HTTP/1.1 204 None\r\n\r\n".to_vec()), "Status"),
    ] {
        check(Behaviour { script: vec![reply], ..file() }, ALL, None, expected).await;
    }
}

#[tokio::test]
async fn an_encoded_body_is_never_taken_for_the_file() {
    for encoding in ["gzip", "br", "GZIP", "gzip, identity", "x-unknown"] {
        let encoded = || Behaviour { content_encoding: Some(encoding.into()), ..file() };
        check(encoded(), ALL, None, "Rejected").await;
        check(encoded(), range(1000, 2000), known(), "Rejected").await;
    }
    let identity = Behaviour { content_encoding: Some("identity".into()), ..file() };
    check(identity, range(1000, 2000), known(), "1000..2000").await;
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let empty = || Behaviour { bytes: 0, ..file() };
    check(empty(), ALL, None, "0..0").await;
    // Servers that do not say how empty it is are asked again without a range.
    let server = FaultServer::start(Behaviour {
        script: vec![Reply::Status(416, None), Reply::Serve],
        ranges: Ranges::Ignore,
        ..empty()
    });
    let request = request(&server.url("/empty"), ALL, None);
    assert_eq!(outcome(&origins(), &request, 7).await, "0..0");
    assert_eq!(server.requests()[1].range(), None);
}
