//! What a device that has proved itself, and whose relay request was accepted, sends next: the server's own
//! HTTP, `CONNECT`, and what is carried.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manyhands_peer::fuzzing::{FROM_ORIGIN, SESSION, talk};
use manyhands_peer::{ClientHello, read_client_hello};
use manyhands_wire::{List, OriginName};
use url::Url;

const ORIGINS: [&str; 3] =
    ["https://example.org/", "https://cdn.example.net:8443/", "https://xn--bcher-kva.example/"];
/// What may be sent towards an origin that answers with next to nothing.
const UPSTREAM_BYTES: usize = 16 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let origins = ORIGINS.map(|url| OriginName::of(&Url::parse(url).expect("a link")).expect("an origin"));
    let origins = List::new(origins.to_vec()).expect("three");
    // A clock of its own: nothing is waited for.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let talk = runtime.expect("a runtime").block_on(talk(bytes, origins.clone()));
    assert!(talk.answer.is_empty() || talk.answer.starts_with(b"HTTP/1."), "{:?}", talk.answer);
    assert!(talk.opened.len() <= 1, "{:?}", talk.opened);
    let Some(origin) = talk.opened.first() else {
        assert!(talk.upstream.is_empty() && !contains(&talk.answer, FROM_ORIGIN));
        return;
    };
    assert!(origins.contains(origin), "{origin}");
    assert!(contains(bytes, SESSION.as_bytes()), "a tunnel of a session that is not named");
    let target = format!("CONNECT {}:{} HTTP/1.", origin.host(), origin.port());
    let absolute = format!("://{}:{}", origin.host(), origin.port());
    assert!(
        contains(bytes, target.as_bytes()) || contains(bytes, absolute.as_bytes()),
        "a tunnel to {origin}, which is not named"
    );
    if talk.upstream.is_empty() {
        assert!(!contains(&talk.answer, FROM_ORIGIN), "an answer from an origin that was not asked");
        return;
    }
    assert!(talk.upstream.len() <= UPSTREAM_BYTES);
    assert!(contains(&talk.sent, &talk.upstream), "something else is carried than was sent");
    match read_client_hello(&talk.upstream) {
        ClientHello::ServerName(name) => assert!(name.eq_ignore_ascii_case(origin.host()), "{name}"),
        other => panic!("{other:?} went to {origin}"),
    }
});

fn contains(whole: &[u8], part: &[u8]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|window| window == part)
}
