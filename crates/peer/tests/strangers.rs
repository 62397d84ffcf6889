//! What strangers get to see: bytes on the wire, counted.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;

use common::*;
use manyhands_core::{ByteRange, HelpId};
use manyhands_peer::CallError;
use manyhands_peer::wire::OriginName;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// TLS records as they stand on the wire.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// What is encrypted, whatever it is.
const ENCRYPTED: u8 = 23;
/// An encrypted alert has 2 bytes, 1 for its kind and 16 of a tag; the smallest request has many more.
const ENCRYPTED_ALERT: usize = 19;

/// The records in `bytes`, each with its kind and length; the change-of-cipher ones of old times left out.
fn records(mut bytes: &[u8]) -> Vec<(u8, usize)> {
    let mut found = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind != 20 {
            found.push((*kind, length));
        }
        bytes = rest.get(length..).unwrap_or_else(|| panic!("{length} bytes of {}", rest.len()));
    }
    assert!(bytes.is_empty());
    found
}

/// Carries one connection on to `to`, and returns what its client has sent.
async fn overhear(listener: &TcpListener, to: SocketAddr) -> Vec<u8> {
    let (client, _) = listener.accept().await.unwrap();
    let server = TcpStream::connect(to).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move {
        tokio::io::copy(&mut from_server, &mut to_client).await.ok();
        to_client.shutdown().await.ok();
    });
    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(len @ 1..) = from_client.read(&mut buffer).await {
        heard.extend_from_slice(&buffer[..len]);
        to_server.write_all(&buffer[..len]).await.ok();
    }
    to_server.shutdown().await.ok();
    back.await.unwrap();
    heard
}

#[tokio::test]
async fn to_another_key_go_a_hello_and_an_alert_and_not_one_byte_more() {
    let (lin, mo, eve) =
        (Requester::new(), Requester::new(), Helper::start(Rules::default()).await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = lin.client.peer(mo.identity.id(), &[listener.local_addr().unwrap()]);
    let origin = OriginName::of(&file_url()).unwrap();
    for call in 0..4 {
        let calling = async {
            match call {
                0 => peer.hello().await.err(),
                1 => peer.ask(&help_request(MIB)).await.err(),
                2 => peer.content(HelpId(1), ByteRange::from_len(0, 1)).await.err(),
                _ => peer.tunnel(HelpId(1), &origin).await.err(),
            }
        };
        let both = async { tokio::join!(calling, overhear(&listener, eve.address())) };
        let (error, heard) = within(both).await;
        assert!(
            matches!(error, Some(CallError::WrongDevice { found, .. }) if found == eve.identity.id())
        );
        let sent = records(&heard);
        assert_eq!(sent.len(), 2, "call {call}: {sent:?}");
        assert_eq!(sent[0].0, HANDSHAKE);
        let is_alert = sent[1].0 == ALERT || sent[1] == (ENCRYPTED, ENCRYPTED_ALERT);
        assert!(is_alert, "call {call}: {sent:?}");
        // Nor does the hello name anybody: the one who calls, who is meant, a host.
        for id in [lin.identity.id(), mo.identity.id()] {
            let id = id.to_string();
            assert!(!heard.windows(8).any(|window| id.as_bytes().starts_with(window)));
        }
    }
}

/// A client that shows no certificate.
fn nobody() -> ClientConfig {
    let mut config = ClientConfig::clone(&raw::client_config(&Requester::new().identity));
    config.client_auth_cert_resolver = Arc::new(NoCertificate);
    config
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn who_shows_no_certificate_gets_an_alert_and_no_http() {
    let mo = Helper::start(Rules::default()).await;
    let request = b"GET /v1/hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let name = ServerName::try_from("peer.invalid").unwrap();
    for shows in [false, true] {
        let config = match shows {
            true => raw::client_config(&Requester::new().identity),
            false => Arc::new(nobody()),
        };
        let stream = TcpStream::connect(mo.address()).await.unwrap();
        let mut stream =
            within(TlsConnector::from(config).connect(name.clone(), stream)).await.unwrap();
        stream.write_all(request).await.ok();
        let mut answer = Vec::new();
        let ended = within(stream.read_to_end(&mut answer)).await;
        if shows {
            assert!(answer.starts_with(b"HTTP/1.1 200"), "the request is a good one");
        } else {
            assert_eq!(answer, b"");
            let error = ended.unwrap_err().to_string();
            assert!(error.contains("CertificateRequired"), "{error}");
        }
    }
}
