#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use proptest::prelude::*;
use rustls::client::{EchGreaseConfig, EchMode};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

fn name(host: &str) -> ClientHello {
    ClientHello::ServerName(host.to_owned())
}

/// The first bytes that a client of `config` sends to `host`.
fn sent_by(config: ClientConfig, host: &str) -> Vec<u8> {
    let host = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), host).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn config(change: impl FnOnce(&mut ClientConfig)) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    change(&mut config);
    config
}

fn hello_for(host: &str) -> Vec<u8> {
    sent_by(config(|_| {}), host)
}

/// A record with `fragment` in it.
fn record(fragment: &[u8]) -> Vec<u8> {
    [&[22, 3, 1], &u16::try_from(fragment.len()).unwrap().to_be_bytes()[..], fragment].concat()
}

/// The same hello in records of at most `bytes`.
fn split(hello: &[u8], bytes: usize) -> Vec<u8> {
    hello[5..].chunks(bytes).flat_map(record).collect()
}

fn vector(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(data)].concat()
}

/// The data of a server_name extension with these names in it.
fn names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let list = names.iter().flat_map(|(kind, name)| [&[*kind][..], &vector(name)].concat());
    vector(&list.collect::<Vec<_>>())
}

fn sni(host: &[u8]) -> Vec<u8> {
    extension(0, &names(&[(0, host)]))
}

/// A hello with these extensions.
fn built(extensions: &[Vec<u8>]) -> Vec<u8> {
    from_body(&[&start()[..], &vector(&extensions.concat())].concat())
}

/// Version, random, no session, one suite, no compression.
fn start() -> Vec<u8> {
    [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 0x01], &[1, 0]].concat()
}

fn from_body(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    record(&[&[1][..], &len[1..], body].concat())
}

#[test]
fn the_host_of_a_real_hello_is_read() {
    assert_eq!(read_client_hello(&hello_for("example.org")), name("example.org"));
    assert_eq!(read_client_hello(&hello_for("example.org.")), name("example.org"));
    let long = format!("{}.example", vec!["a".repeat(60); 4].join("."));
    assert_eq!(read_client_hello(&hello_for(&long)), name(&long));
    let alpn = config(|config| config.alpn_protocols = vec![b"h2".to_vec(); 50]);
    assert_eq!(read_client_hello(&sent_by(alpn, "example.org")), name("example.org"));
    assert_eq!(read_client_hello(&built(&[sni(b"Example.ORG")])), name("Example.ORG"));
    // What a client sends next is not this reader's business.
    let hello = [hello_for("example.org"), vec![20, 3, 3, 0, 1, 1], vec![0; 100]].concat();
    assert_eq!(read_client_hello(&hello), name("example.org"));
}

#[test]
fn a_hello_may_be_split_over_records_of_any_size() {
    let hello = hello_for("example.org");
    for bytes in [1, 2, 3, 4, 5, 7, 64, 255, 1000] {
        assert_eq!(read_client_hello(&split(&hello, bytes)), name("example.org"), "{bytes}");
    }
}

#[test]
fn a_real_hello_without_a_name_is_refused() {
    let no_sni = config(|config| config.enable_sni = false);
    let refused = ClientHello::Refused(HelloRefusal::NoName);
    assert_eq!(read_client_hello(&sent_by(no_sni, "example.org")), refused);
    assert_eq!(read_client_hello(&hello_for("192.0.2.1")), refused);
    assert_eq!(read_client_hello(&from_body(&start())), refused, "no extensions at all");
}

#[test]
fn a_real_hello_with_an_encrypted_one_in_it_is_refused() {
    let suite = aws_lc_rs::hpke::ALL_SUPPORTED_SUITES[0];
    let (key, _) = suite.generate_key_pair().unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_ech(EchMode::Grease(EchGreaseConfig::new(suite, key)))
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let hello = sent_by(config, "example.org");
    assert_eq!(read_client_hello(&hello), ClientHello::Refused(HelloRefusal::HiddenName));
}

#[test]
fn what_is_not_one_clear_name_is_refused() {
    use HelloRefusal::*;
    let org: &[u8] = b"example.org";
    let two = names(&[(0, org), (0, b"evil.example")]);
    let with = |extra: Vec<u8>| built(&[sni(org), extra]);
    let mut longer = start();
    longer.extend_from_slice(&vector(&sni(org)));
    longer.push(0);
    let whole = built(&[sni(org)]);
    for (what, bytes, why) in [
        ("plain http", b"GET / HTTP/1.1\r\nhost: example.org\r\n\r\n".to_vec(), NotTls),
        ("ssh", b"SSH-2.0-x\r\n".to_vec(), NotTls),
        ("one wrong byte", vec![23], NotTls),
        ("a dot at the end of the name", built(&[sni(b"cdn.exampleten.")]), Malformed),
        ("SSL 2", vec![0x80, 0x2e, 1, 0, 2], NotTls),
        ("another version of everything", vec![22, 2], NotTls),
        ("another message first", record(&[2, 0, 0, 0]), Malformed),
        ("an empty record", vec![22, 3, 1, 0, 0], Malformed),
        ("a record that is too long", vec![22, 3, 1, 0x40, 1], Malformed),
        ("an alert inside", [&split(&whole, 20)[..25], &[21, 3, 3, 0, 2]].concat(), NotTls),
        ("a message that is too long", record(&[1, 0, 0x40, 0]), TooLong),
        ("… by far", record(&[1, 0xff, 0xff, 0xff]), TooLong),
        ("no name", built(&[]), NoName),
        ("another extension alone", built(&[extension(10, &[0, 2, 0, 29])]), NoName),
        ("an encrypted hello", with(extension(0xfe0d, &[0])), HiddenName),
        ("… of a draft", with(extension(0xffce, &[])), HiddenName),
        ("two names", built(&[extension(0, &two)]), SeveralNames),
        ("the same name twice", with(sni(org)), SeveralNames),
        ("the extension twice", with(sni(b"evil.example")), SeveralNames),
        ("another extension twice", built(&[extension(5, &[]), extension(5, &[])]), Malformed),
        ("a name of another kind", built(&[extension(0, &names(&[(1, org)]))]), Malformed),
        ("an empty name", built(&[sni(b"")]), Malformed),
        ("an empty list", built(&[extension(0, &vector(&[]))]), Malformed),
        ("an empty extension", built(&[extension(0, &[])]), Malformed),
        ("a zero in the name", built(&[sni(b"example.org\0.evil.example")]), Malformed),
        ("a space in the name", built(&[sni(b"example.org evil")]), Malformed),
        ("a name beyond ASCII", built(&[sni("bücher.example".as_bytes())]), Malformed),
        (
            "bytes behind the list",
            built(&[extension(0, &[&names(&[(0, org)])[..], &[0]].concat())]),
            Malformed,
        ),
        ("bytes behind the extensions", from_body(&longer), Malformed),
        (
            "a list longer than its place",
            built(&[extension(0, &[0, 50, 0, 0, 1, b'a'])]),
            Malformed,
        ),
        (
            "a session id that is too long",
            from_body(&[&[3; 34][..], &[33], &[0; 33], &start()[35..]].concat()),
            Malformed,
        ),
        ("nothing in it", from_body(&[]), Malformed),
        (
            "two messages in one record",
            record(&[&built(&[sni(org)])[5..], &[1, 0, 0, 0]].concat()),
            Malformed,
        ),
    ] {
        assert_eq!(read_client_hello(&bytes), ClientHello::Refused(why), "{what}");
    }
}

#[test]
fn a_hello_that_never_ends_is_refused_when_it_is_too_long() {
    // 6 bytes of record for each byte of a message that could be 16 KiB.
    let mut bytes = split(&record(&[&[1, 0, 0x30, 0][..], &[0; 0x2fff]].concat()), 1);
    bytes.truncate(MAX_CLIENT_HELLO_BYTES - 1);
    assert_eq!(read_client_hello(&bytes), ClientHello::Incomplete);
    bytes.push(22);
    assert!(matches!(read_client_hello(&bytes), ClientHello::Refused(_)));
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read_client_hello(&bytes);
        let _ = read_client_hello(&record(&bytes));
        let _ = read_client_hello(&from_body(&[&start()[..], &vector(&bytes)].concat()));
    }

    #[test]
    fn a_broken_hello_has_an_answer_and_never_another_name_by_chance(
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
        bytes in 1..500_usize,
    ) {
        let mut hello = split(&hello_for("example.org"), bytes);
        let at = at.index(hello.len());
        hello[at] = to;
        if let ClientHello::ServerName(name) = read_client_hello(&hello) {
            let off = name.bytes().zip(*b"example.org").filter(|(a, b)| a != b).count();
            prop_assert!(name.len() == 11 && off <= 1, "{name}");
        }
    }

    #[test]
    fn no_prefix_of_a_hello_has_a_name(
        host in "[a-z]{1,20}(\\.[a-z]{1,20}){0,3}",
        cut in any::<prop::sample::Index>(),
        bytes in 1..500_usize,
    ) {
        for hello in [built(&[extension(5, &[1]), sni(host.as_bytes())]), hello_for(&host)] {
            let hello = split(&hello, bytes);
            prop_assert_eq!(read_client_hello(&hello), name(&host));
            let prefix = &hello[..cut.index(hello.len())];
            prop_assert_eq!(read_client_hello(prefix), ClientHello::Incomplete);
        }
    }
}
