//! The first bytes of a tunnel.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use manyhands_peer::{ClientHello, MAX_CLIENT_HELLO_BYTES, read_client_hello};
use rustls::server::Acceptor;

fuzz_target!(|bytes: &[u8]| {
    let whole = read_client_hello(bytes);
    // What was said of a beginning holds for what follows.
    let middle = bytes.len() / 2;
    match read_client_hello(&bytes[..middle]) {
        ClientHello::Incomplete => {}
        said => assert_eq!(said, whole),
    }
    assert!(whole != ClientHello::Incomplete || bytes.len() < MAX_CLIENT_HELLO_BYTES);
    let ClientHello::ServerName(name) = whole else { return };
    // A name from the one byte on that completes the hello, and before it nothing.
    let first = (0..=bytes.len()).find(|len| read_client_hello(&bytes[..*len]) != ClientHello::Incomplete);
    let first = first.expect("the whole is no beginning");
    for len in first..=bytes.len() {
        assert_eq!(read_client_hello(&bytes[..len]), ClientHello::ServerName(name.clone()));
    }
    // A server, given the same bytes, may refuse, but it never sees another name.
    match as_rustls(&bytes[..first]) {
        Seen::Refused => {}
        Seen::Incomplete => panic!("a server waits for more of a hello for {name}"),
        Seen::Name(Some(seen)) => assert!(seen.eq_ignore_ascii_case(&name), "{seen:?} {name:?}"),
        // What is no host name it passes over; no such origin can be asked for.
        Seen::Name(None) => assert!(!is_host_name(&name), "a server sees no name, we {name:?}"),
    }
});

enum Seen {
    Refused,
    Incomplete,
    Name(Option<String>),
}

fn as_rustls(mut bytes: &[u8]) -> Seen {
    let mut acceptor = Acceptor::default();
    while !bytes.is_empty() {
        if acceptor.read_tls(&mut bytes.by_ref().take(4096)).is_err() {
            return Seen::Refused;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                return Seen::Name(accepted.client_hello().server_name().map(str::to_owned));
            }
            Err(_) => return Seen::Refused,
        }
    }
    Seen::Incomplete
}

/// What rustls takes for a DNS name.
fn is_host_name(name: &str) -> bool {
    matches!(
        rustls::pki_types::ServerName::try_from(name),
        Ok(rustls::pki_types::ServerName::DnsName(_))
    )
}
