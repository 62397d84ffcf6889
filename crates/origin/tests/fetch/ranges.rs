//! What servers make of a range.

use manyhands_faultserver::{Behaviour, FaultServer, Framing, Ranges};
use manyhands_origin::Retry;

use crate::common::*;

fn with(ranges: Ranges) -> Behaviour {
    Behaviour { ranges, ..file() }
}

#[tokio::test]
async fn a_range_in_the_middle_arrives_as_it_was_asked_for() {
    for (start, end) in [(0, 1), (0, BYTES), (999, 1000), (50_000, 70_000), (BYTES - 1, BYTES)] {
        check(file(), range(start, end), known(), &format!("{start}..{end}")).await;
    }
}

#[tokio::test]
async fn every_wrong_answer_to_a_range_is_cut_or_refused() {
    for (ranges, expected) in [
        (Ranges::Ignore, "RangeIgnored"),
        (Ranges::WrongStart(1), "Rejected"),
        (Ranges::Shorter(300), "1000..1700"),
        (Ranges::AtMost(10), "1000..1010"),
        (Ranges::Longer(50), "1000..2000"),
        (Ranges::PastEnd(500), "1000..2000"),
        (Ranges::OtherTotal(BYTES + 1), "Changed"),
        (Ranges::UnknownTotal, "1000..2000"),
        (Ranges::NoContentRange, "Rejected"),
        (Ranges::Multipart, "Rejected"),
        (Ranges::Written("{first}-{last}/{total}".into()), "1000..2000"),
        (Ranges::Written("bytes={first}-{last}/{total}".into()), "1000..2000"),
        (Ranges::Written(" Bytes  {first} - {last} / {total} ".into()), "1000..2000"),
        (Ranges::Written("bytes {last}-{first}/{total}".into()), "Rejected"),
        (Ranges::Written("lines {first}-{last}/{total}".into()), "Rejected"),
        (Ranges::Written("bytes 1000-18446744073709551616/*".into()), "Rejected"),
        (Ranges::NotSatisfiable(BYTES), "NotSatisfiable"),
        (Ranges::NotSatisfiable(BYTES - 1), "Changed"),
    ] {
        check(with(ranges), range(1000, 2000), known(), expected).await;
    }
}

#[tokio::test]
async fn the_first_answer_may_be_the_whole_file() {
    for (behaviour, expected) in [
        (file(), "0..100000"),
        (with(Ranges::Ignore), "0..100000"),
        (with(Ranges::UnknownTotal), "0..100000"),
        (with(Ranges::AtMost(10)), "0..10"),
        (with(Ranges::WrongStart(1)), "Rejected"),
        (Behaviour { framing: Framing::Chunked(999), ..with(Ranges::Ignore) }, "0..100000"),
        (Behaviour { framing: Framing::UntilClose, ..with(Ranges::Ignore) }, "0..100000"),
        (Behaviour { bytes: 0, ..file() }, "0..0"),
        (Behaviour { bytes: 0, ..with(Ranges::Ignore) }, "0..0"),
    ] {
        check(behaviour, ALL, None, expected).await;
    }
}

#[tokio::test]
async fn one_request_is_enough_for_the_first_answer() {
    let server = FaultServer::start(Behaviour { one_time: true, ..file() });
    let request = request(&server.url("/once.bin"), ALL, None);
    assert_eq!(outcome(&origins(), &request, 7).await, "0..100000");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].range(), Some("bytes=0-"));
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
    assert_eq!(requests[0].header("referer"), None);
    assert_eq!(requests[0].header("cookie"), None);
    assert_eq!(outcome(&origins(), &request, 7).await, "Denied");
}

#[tokio::test]
async fn what_the_server_does_counts_and_not_its_accept_ranges() {
    let none = Behaviour { accept_ranges: Some("none".into()), ..file() };
    let server = FaultServer::start(none);
    let first = request(&server.url("/file.bin"), ALL, None);
    assert!(origins().fetch(&first).await.unwrap().accepted.ranges);
    server.set(with(Ranges::Ignore));
    assert!(!origins().fetch(&first).await.unwrap().accepted.ranges);
}

#[tokio::test]
async fn a_file_that_changes_between_two_requests_is_noticed() {
    let strong = file();
    let no_validators = Behaviour { etag: None, last_modified: None, ..file() };
    let time_only = Behaviour { etag: None, ..file() };
    let weak = Behaviour { etag: Some("W/\"first\"".into()), ..file() };
    for (behaviour, expected) in [
        (strong, "Changed"),
        (time_only, "Changed"),
        (weak, "Changed"),
        // Nothing says that it changed: this is what overlaps and digests are for.
        (no_validators, "1000..2000 wrong"),
    ] {
        let server = FaultServer::start(Behaviour { change_after: Some(1), ..behaviour });
        let (origins, url) = (origins(), server.url("/file.bin"));
        let first = origins.fetch(&request(&url, ALL, None)).await.unwrap();
        let second = request(&url, range(1000, 2000), Some(first.accepted.identity));
        assert_eq!(outcome(&origins, &second, 7).await, expected);
    }
}

#[tokio::test]
async fn a_server_without_ranges_is_to_be_used_for_one_stream() {
    let server = FaultServer::start(with(Ranges::Ignore));
    let request = request(&server.url("/file.bin"), range(1000, 2000), known());
    let error = origins().fetch(&request).await.unwrap_err();
    assert_eq!(error.retry(), Retry::WholeStream);
}

#[tokio::test]
async fn offsets_past_four_gibibytes_are_right() {
    for len in [(1 << 32) + 5, (1 << 53) + 5] {
        let server = FaultServer::start(Behaviour { bytes: len, seed: 7, ..Behaviour::default() });
        let request = request(&server.url("/huge.bin"), range(len - 3000, len), None);
        let expected = format!("{}..{len}", len - 3000);
        assert_eq!(outcome(&origins(), &request, 7).await, expected);
        assert_eq!(server.requests()[0].body_bytes_sent, 3000);
    }
}
