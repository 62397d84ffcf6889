//! A help session between two real devices, over real TLS: the ways in which it goes well, and the
//! ways in which it ends.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::*;
use manyhands_core::{
    Asked, ByteRange, DeskBounds, DeskInput, HelpAnswer, HelpDecline, HelpEnd, accept,
};
use manyhands_peer::wire::{EndReason, HelpState, MAX_BODY_BYTES, Party, ProblemCode, SessionEnd};
use manyhands_peer::{CallError, ClientWaits, FetchFailure, Reported, ServerWaits};
use tokio::time::Instant;
use url::Url;

fn code(error: &CallError) -> Option<ProblemCode> {
    match error {
        CallError::Problem(problem) => problem.code(),
        _ => None,
    }
}

#[tokio::test]
async fn a_friend_is_asked_says_yes_brings_bytes_and_is_thanked() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    let hello = within(peer.hello()).await.unwrap();
    assert_eq!((hello.name.as_str(), hello.lending), ("Mo", true));

    let request = help_request(10 * MIB);
    let id = within(peer.ask(&request)).await.unwrap();
    assert_eq!(mo.prompt().await, (id, request), "what is shown is what was asked");
    let early = within(peer.give_source(id, &file_url(), &file_identity())).await.unwrap_err();
    assert_eq!(code(&early), Some(ProblemCode::NotReady), "the link is not taken before the yes");
    mo.decide(DeskInput::UserAccepted { id, budget_bytes: Some(8 * MIB) }).await;
    let answer = within(peer.decision(id)).await.unwrap();
    assert_eq!(answer, HelpAnswer::Accept { budget_bytes: 8 * MIB });

    let range = ByteRange::from_len(3 * MIB + 17, 2 * MIB + 1);
    let early = within(peer.content(id, range)).await.unwrap_err();
    assert_eq!(code(&early), Some(ProblemCode::NotReady), "no source yet");
    within(peer.give_source(id, &file_url(), &file_identity())).await.unwrap();
    let content = within(peer.content(id, range)).await.unwrap();
    let accepted = accept(Asked::Range(range), Some(&file_identity()), &content.head).unwrap();
    assert_eq!((accepted.start, accepted.end), (range.start(), Some(range.end())));
    assert_eq!(accepted.identity, file_identity(), "the origin's validators pass through");
    assert!(read_all(content.body).await == bytes_of(range), "the bytes are the file's");

    let orders = mo.source.orders.lock().unwrap().clone();
    assert_eq!((&orders[0].url, orders[0].requester), (&file_url(), lin.identity.id()));
    assert_eq!(orders[0].consented, help_request(1).origins.to_vec());

    let state = within(peer.end(id, HelpEnd::Completed, range.len(), range.len() - 5)).await;
    let state = state.unwrap().state;
    let end = SessionEnd {
        by: Party::Requester,
        reason: EndReason::Completed,
        sent_bytes: range.len(),
        received_bytes: Some(range.len()),
        used_bytes: Some(range.len() - 5),
    };
    assert_eq!(state, HelpState::Ended(end));
    let ended = within(mo.ended.recv()).await.unwrap();
    assert!(ended.by_requester && ended.peer == lin.identity.id());
    assert_eq!((ended.reason, ended.sent_bytes), (HelpEnd::Completed, range.len()));
    let reported = Reported { received_bytes: range.len(), used_bytes: range.len() - 5 };
    assert_eq!(ended.reported, Some(reported));
    let late = within(peer.content(id, range)).await.unwrap_err();
    assert_eq!(code(&late), Some(ProblemCode::SessionOver));
    mo.server.shutdown().await;
}

#[tokio::test]
async fn parallel_streams_share_one_session() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    let id = session(&peer, &mut mo, 64 * MIB).await;
    let reads = (0..4).map(|n| {
        let (peer, range) = (peer.clone(), ByteRange::from_len(n * 5 * MIB, 5 * MIB));
        tokio::spawn(async move {
            let content = peer.content(id, range).await.unwrap();
            read_all(content.body).await == bytes_of(range)
        })
    });
    for read in reads.collect::<Vec<_>>() {
        assert!(within(read).await.unwrap());
    }
    let lent = mo.server.lent();
    assert_eq!((lent.len(), lent[0].id, lent[0].sent_bytes), (1, id, 20 * MIB));
}

#[tokio::test]
async fn more_streams_than_a_session_has_are_refused() {
    let source = KnownBytes { stall_after: Some(BUFFER_BYTES), ..KnownBytes::default() };
    let rules = Rules { auto_accept_bytes: Some(u64::MAX), ..Rules::default() };
    let (lin, mut mo) = (Requester::new(), Helper::with_source(rules, source).await);
    let peer = lin.to(&mo);
    let id = session(&peer, &mut mo, 64 * MIB).await;
    let range = ByteRange::from_len(0, MIB);
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(within(peer.content(id, range)).await.unwrap());
    }
    let fifth = within(peer.content(id, range)).await.unwrap_err();
    assert_eq!(code(&fifth), Some(ProblemCode::TooMany));
    streams.pop();
    within(mo.source.live.subscribe().wait_for(|live| *live == 3)).await.unwrap();
    // The place comes free when the helper has noticed; it has closed the fetch already.
    within(async {
        while peer.content(id, range).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_no_and_a_dropped_answer_decline() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    let id = within(peer.ask(&help_request(MIB))).await.unwrap();
    let waiting = tokio::spawn({
        let peer = peer.clone();
        async move { peer.decision(id).await }
    });
    mo.prompt().await;
    mo.decide(DeskInput::UserDeclined { id }).await;
    let answer = within(waiting).await.unwrap().unwrap();
    assert_eq!(answer, HelpAnswer::Decline(HelpDecline::No));

    // A shell that goes away while a prompt is open has said no.
    let identity = manyhands_peer::DeviceIdentity::generate().unwrap();
    let options = manyhands_peer::ServerOptions {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        hello: tokio::sync::watch::channel(manyhands_peer::wire::Hello::new(
            manyhands_peer::wire::DeviceName::default(),
            true,
        ))
        .1,
        waits: ServerWaits::default(),
    };
    let sources = sources(std::sync::Arc::default(), NoTunnels);
    let started = manyhands_peer::PeerServer::start(&identity, sources, options).await;
    let (server, mut incoming) = started.unwrap();
    let peer = lin.client.peer(identity.id(), server.local_addrs());
    let id = within(peer.ask(&help_request(MIB))).await.unwrap();
    drop(within(incoming.recv()).await.unwrap());
    let answer = within(peer.decision(id)).await.unwrap();
    assert_eq!(answer, HelpAnswer::Decline(HelpDecline::No));
}

#[tokio::test]
async fn who_does_not_lend_says_so_without_a_prompt() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    mo.decide(DeskInput::LendingSwitched { on: false }).await;
    let peer = lin.to(&mo);
    let id = within(peer.ask(&help_request(MIB))).await.unwrap();
    let answer = within(peer.decision(id)).await.unwrap();
    assert_eq!(answer, HelpAnswer::Decline(HelpDecline::NotLending));
    assert!(mo.prompts.try_recv().is_err());
}

#[tokio::test]
async fn a_prompt_that_nobody_answers_expires() {
    let expiry = Duration::from_millis(300);
    let bounds = DeskBounds { expiry, ..DeskBounds::default() };
    let (lin, mut mo) =
        (Requester::new(), Helper::start(Rules { bounds, ..Rules::default() }).await);
    let peer = lin.to(&mo);
    let began = Instant::now();
    let id = within(peer.ask(&help_request(MIB))).await.unwrap();
    mo.prompt().await;
    assert_eq!(within(peer.decision(id)).await.unwrap(), HelpAnswer::Expire);
    assert!(began.elapsed() >= expiry);
    assert_eq!(within(mo.closed.recv()).await, Some(id), "the prompt is taken away");
    mo.decide(DeskInput::UserAccepted { id, budget_bytes: None }).await;
    let state = within(peer.poll(id, None, 0)).await.unwrap().state;
    assert_eq!(state, HelpState::Expired, "a late yes has no effect");
    assert!(mo.server.lent().is_empty());
}

#[tokio::test]
async fn a_shell_that_never_answers_does_not_keep_a_request_for_ever() {
    let waits = ServerWaits { answer: Duration::from_millis(200), ..ServerWaits::default() };
    let (lin, mut mo) =
        (Requester::new(), Helper::start(Rules { waits, ..Rules::default() }).await);
    let peer = lin.to(&mo);
    let id = within(peer.ask(&help_request(MIB))).await.unwrap();
    mo.prompt().await;
    assert_eq!(within(peer.decision(id)).await.unwrap(), HelpAnswer::Expire);
}

#[tokio::test]
async fn a_request_can_be_taken_back() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    let id = within(peer.ask(&help_request(MIB))).await.unwrap();
    mo.prompt().await;
    for _ in 0..2 {
        let state = within(peer.withdraw(id)).await.unwrap();
        assert_eq!((state.state, state.revision), (HelpState::Withdrawn, 2));
    }
    assert_eq!(within(mo.closed.recv()).await, Some(id), "the prompt is taken away");
    mo.decide(DeskInput::UserAccepted { id, budget_bytes: None }).await;
    assert_eq!(within(peer.poll(id, None, 0)).await.unwrap().state, HelpState::Withdrawn);
}

#[tokio::test]
async fn a_helper_that_vanishes_during_the_prompt_is_lost() {
    let waits = ClientWaits { connect: Duration::from_millis(500), ..ClientWaits::default() };
    let (lin, mut mo) = (Requester::with_waits(waits), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    let id = within(peer.ask(&help_request(MIB))).await.unwrap();
    mo.prompt().await;
    let waiting = tokio::spawn({
        let peer = peer.clone();
        async move { peer.decision(id).await }
    });
    mo.server.shutdown().await;
    let error = within(waiting).await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Lost(_) | CallError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_long_poll_hears_the_end_of_a_session_and_streams_are_cut() {
    let source = KnownBytes { stall_after: Some(BUFFER_BYTES), ..KnownBytes::default() };
    let (lin, mut mo) = (Requester::new(), Helper::with_source(Rules::default(), source).await);
    let peer = lin.to(&mo);
    let id = session(&peer, &mut mo, 64 * MIB).await;
    let mut content = within(peer.content(id, ByteRange::from_len(0, MIB))).await.unwrap();
    let waiting = tokio::spawn({
        let peer = peer.clone();
        async move { peer.poll(id, Some(2), 25).await }
    });
    let mut received = 0;
    while received < BUFFER_BYTES {
        received += within(content.body.next()).await.unwrap().unwrap().len() as u64;
    }
    let began = Instant::now();
    mo.decide(DeskInput::LendingSwitched { on: false }).await;
    let state = within(waiting).await.unwrap().unwrap().state;
    let HelpState::Ended(end) = state else { panic!("{state:?}") };
    let expected = (Party::Helper, EndReason::Stopped, BUFFER_BYTES);
    assert_eq!((end.by, end.reason, end.sent_bytes), expected);
    let cut = within(content.body.next()).await;
    assert!(matches!(cut, Err(CallError::Lost(_))), "{cut:?}");
    until_no_fetch_lives(&mo.source).await;
    assert!(began.elapsed() < Duration::from_secs(1), "all lending ends within a second");
    assert_eq!(within(mo.ended.recv()).await.unwrap().reason, HelpEnd::Stopped);
}

#[tokio::test]
async fn the_budget_is_kept_to_the_byte_and_ends_the_session() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    let id = session(&peer, &mut mo, 3 * MIB + 7).await;
    let first = within(peer.content(id, ByteRange::from_len(0, 2 * MIB))).await.unwrap();
    assert_eq!(read_all(first.body).await.len() as u64, 2 * MIB);
    let range = ByteRange::from_len(10 * MIB, 5 * MIB);
    let second = within(peer.content(id, range)).await.unwrap();
    let accepted = accept(Asked::Range(range), None, &second.head).unwrap();
    assert_eq!(accepted.end, Some(11 * MIB + 7), "the answer is cut to what is left");
    let bytes = read_all(second.body).await;
    assert!(bytes == bytes_of(ByteRange::from_len(10 * MIB, MIB + 7)));
    let ended = within(mo.ended.recv()).await.unwrap();
    assert_eq!((ended.reason, ended.sent_bytes), (HelpEnd::Budget, 3 * MIB + 7));
    let late = within(peer.content(id, range)).await.unwrap_err();
    assert_eq!(code(&late), Some(ProblemCode::SessionOver));
}

#[tokio::test]
async fn a_stream_that_waits_for_its_turn_does_not_outlive_the_budget() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    let id = session(&peer, &mut mo, 64 * MIB).await;
    mo.server.set_session_rate(id, Some(0));
    let mut content = within(peer.content(id, ByteRange::from_len(0, MIB))).await.unwrap();
    let ended = mo.server.end(id, HelpEnd::Budget).unwrap();
    assert_eq!(ended.reason, HelpEnd::Budget);
    // Nothing may go, and so nothing would ever wake it.
    let read = within(content.body.next()).await;
    assert!(read.is_err(), "{read:?}");
}

#[tokio::test]
async fn streams_side_by_side_never_bring_more_than_the_budget() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    // Not a multiple of the buffers in which the bytes come.
    let budget = 40 * MIB + 7;
    let id = session(&peer, &mut mo, budget).await;
    // All four are promised 16 MiB before anybody reads, and then want more than there is.
    let mut streams = Vec::new();
    for n in 0..4 {
        let range = ByteRange::from_len(n * 16 * MIB, 16 * MIB);
        let content = within(peer.content(id, range)).await.unwrap();
        assert_eq!(content.head.body_len, Some(16 * MIB));
        streams.push(content.body);
    }
    let reads = streams.into_iter().map(|mut body| {
        tokio::spawn(async move {
            let mut received = 0;
            while let Ok(Some(bytes)) = body.next().await {
                received += bytes.len() as u64;
            }
            received
        })
    });
    let mut received = 0;
    for read in reads.collect::<Vec<_>>() {
        received += within(read).await.unwrap();
    }
    let ended = within(mo.ended.recv()).await.unwrap();
    assert_eq!((ended.reason, ended.sent_bytes), (HelpEnd::Budget, budget));
    // The streams were promised more, so their connections break, and with them what lay in
    // buffers.
    assert!(received <= budget && received > 30 * MIB, "{received}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_helper_does_not_run_ahead_of_its_requester() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    let id = session(&peer, &mut mo, 64 * MIB).await;
    let range = ByteRange::from_len(0, 64 * MIB);
    let mut content = within(peer.content(id, range)).await.unwrap();
    let (mut at, mut furthest) = (0, 0);
    while let Some(bytes) = within(content.body.next()).await.unwrap() {
        // Comparing is many times slower than producing: without a bound the helper would soon be
        // at the end of the file.
        let here = ByteRange::from_len(at, bytes.len() as u64);
        assert!(bytes == bytes_of(here));
        at = here.end();
        let produced = mo.source.produced_bytes.load(Ordering::SeqCst);
        furthest = furthest.max(produced.saturating_sub(at));
    }
    assert_eq!(at, range.end());
    // What fits into both ends' socket buffers and the few buffers of the HTTP and TLS layers.
    assert!(furthest < 20 * MIB, "{furthest} bytes were fetched before anybody wanted them");
}

#[tokio::test]
async fn the_fetch_ends_when_the_requester_goes_away() {
    let source = KnownBytes { stall_after: Some(BUFFER_BYTES), ..KnownBytes::default() };
    let (lin, mut mo) = (Requester::new(), Helper::with_source(Rules::default(), source).await);
    let peer = lin.to(&mo);
    let id = session(&peer, &mut mo, 64 * MIB).await;
    let mut content = within(peer.content(id, ByteRange::from_len(0, MIB))).await.unwrap();
    within(content.body.next()).await.unwrap();
    assert_eq!(*mo.source.live.borrow(), 1);
    drop(content);
    until_no_fetch_lives(&mo.source).await;
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_by_itself() {
    let waits = ServerWaits { silence: Duration::from_millis(400), ..ServerWaits::default() };
    let (lin, mut mo) =
        (Requester::new(), Helper::start(Rules { waits, ..Rules::default() }).await);
    let peer = lin.to(&mo);
    let id = session(&peer, &mut mo, MIB).await;
    // A long poll is a sign of life …
    let state = within(peer.poll(id, Some(2), 2)).await.unwrap();
    assert!(matches!(state.state, HelpState::Accepted { .. }), "{state:?}");
    // … and its end is the last one.
    let ended = within(mo.ended.recv()).await.unwrap();
    assert_eq!((ended.id, ended.reason, ended.by_requester), (id, HelpEnd::Lost, false));
}

#[tokio::test]
async fn what_the_origin_does_is_told_from_what_the_helper_does() {
    let cases = [
        (
            FetchFailure::Status { status: 429, retry_after_ms: Some(7000) },
            ProblemCode::OriginStatus,
        ),
        (FetchFailure::RangesIgnored, ProblemCode::OriginIgnoresRanges),
        (FetchFailure::Changed, ProblemCode::OriginChanged),
        (FetchFailure::NotConsented, ProblemCode::NotConsented),
        (FetchFailure::AddressRefused, ProblemCode::AddressRefused),
        (FetchFailure::Unreachable, ProblemCode::OriginUnreachable),
    ];
    for (failure, expected) in cases {
        let source = KnownBytes { failure: Some(failure), ..KnownBytes::default() };
        let (lin, mut mo) = (Requester::new(), Helper::with_source(Rules::default(), source).await);
        let peer = lin.to(&mo);
        let id = session(&peer, &mut mo, MIB).await;
        let error = within(peer.content(id, ByteRange::from_len(0, MIB))).await.unwrap_err();
        assert_eq!(code(&error), Some(expected));
        if let (FetchFailure::Status { .. }, CallError::Problem(problem)) = (failure, &error) {
            assert_eq!((problem.origin_status, problem.retry_after_ms), (Some(429), Some(7000)));
        }
        let state = within(peer.poll(id, None, 0)).await.unwrap().state;
        assert!(matches!(state, HelpState::Accepted { .. }), "the session goes on");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_end() {
    let source = KnownBytes { break_after: Some(2 * BUFFER_BYTES), ..KnownBytes::default() };
    let (lin, mut mo) = (Requester::new(), Helper::with_source(Rules::default(), source).await);
    let peer = lin.to(&mo);
    let id = session(&peer, &mut mo, 64 * MIB).await;
    let mut content = within(peer.content(id, ByteRange::from_len(0, MIB))).await.unwrap();
    let mut received = 0;
    let end = loop {
        match within(content.body.next()).await {
            Ok(Some(bytes)) => received += bytes.len() as u64,
            end => break end,
        }
    };
    assert!(matches!(end, Err(CallError::Lost(_))), "{end:?}");
    assert!(received <= 2 * BUFFER_BYTES);
}

#[tokio::test]
async fn a_link_to_an_origin_that_was_not_shown_is_not_taken() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    let id = session(&peer, &mut mo, MIB).await;
    for other in [
        "https://elsewhere.example/file.iso",
        "http://example.org/dir/file.iso",
        "https://example.org:8443/dir/file.iso",
    ] {
        let url = Url::parse(other).unwrap();
        let error = within(peer.give_source(id, &url, &file_identity())).await.unwrap_err();
        assert_eq!(code(&error), Some(ProblemCode::NotConsented), "{other}");
    }
    let with_password = Url::parse("https://lin:pw@example.org/file.iso").unwrap();
    let error = within(peer.give_source(id, &with_password, &file_identity())).await.unwrap_err();
    assert!(matches!(error, CallError::Link(_)), "{error:?}");
    let renewed = Url::parse("https://mirror.example.net/file.iso").unwrap();
    within(peer.give_source(id, &renewed, &file_identity())).await.unwrap();
}

#[tokio::test]
async fn a_peer_is_found_at_whichever_of_its_addresses_answers() {
    let (lin, mo) = (Requester::new(), Helper::start(Rules::default()).await);
    // A port that is closed, an address that never answers, and the right one.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addresses = [closed, silent.local_addr().unwrap(), mo.address()];
    let peer = lin.client.peer(mo.identity.id(), &addresses);
    let began = Instant::now();
    within(peer.hello()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "it does not wait for the silent one");
    assert_eq!(peer.addresses()[0], mo.address(), "and remembers which one it was");
}

#[tokio::test]
async fn a_typed_address_shows_who_is_there() {
    let (lin, mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let (id, hello) = within(lin.client.meet(mo.address())).await.unwrap();
    assert_eq!((id, hello.name.as_str()), (mo.identity.id(), "Mo"));
}

#[tokio::test]
async fn the_largest_request_that_the_protocol_allows_is_taken() {
    let (lin, mut mo) = (Requester::new(), Helper::start(Rules::default()).await);
    let peer = lin.to(&mo);
    let mut request = help_request(manyhands_peer::wire::MAX_JSON_INTEGER);
    let origins = (0..manyhands_peer::wire::MAX_ORIGINS).map(|n| {
        let host = format!("{}.{}{n}.example", "a".repeat(63), "b".repeat(50));
        let url = Url::parse(&format!("https://{host}/")).unwrap();
        manyhands_peer::wire::OriginName::of(&url).unwrap()
    });
    request.origins = manyhands_peer::wire::List::new(origins.collect()).unwrap();
    assert!(serde_json::to_vec(&request).unwrap().len() < MAX_BODY_BYTES);
    within(peer.ask(&request)).await.unwrap();
    assert_eq!(mo.prompt().await.1, request);
}

#[tokio::test]
async fn streams_go_no_faster_than_the_limits_and_a_limit_can_be_lifted_while_they_run() {
    let rules = Rules { auto_accept_bytes: Some(u64::MAX), ..Rules::default() };
    let (lin, mut mo) = (Requester::new(), Helper::start(rules).await);
    let peer = lin.to(&mo);
    for all_together in [true, false] {
        let id = session(&peer, &mut mo, 64 * MIB).await;
        match all_together {
            true => mo.server.set_rate(Some(4 * MIB)),
            false => mo.server.set_session_rate(id, Some(4 * MIB)),
        }
        let began = Instant::now();
        let range = ByteRange::from_len(0, 2 * MIB);
        let streams = (0..2).map(|_| async {
            let content = peer.content(id, range).await.unwrap();
            assert!(read_all(content.body).await == bytes_of(range), "the bytes are the file's");
        });
        within(futures_util::future::join_all(streams)).await;
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(800), "{took:?} for 4 MiB at 4 MiB/s");
        mo.server.set_rate(None);
        mo.server.set_session_rate(id, Some(0));
        let content = within(peer.content(id, range)).await.unwrap();
        mo.server.set_session_rate(id, None);
        assert!(read_all(content.body).await == bytes_of(range));
        within(peer.withdraw(id)).await.unwrap();
    }
}
