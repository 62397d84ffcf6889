use rustls::SupportedProtocolVersion;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

type Side = Result<(TlsStream<TcpStream>, PeerId), HandshakeError>;

fn device() -> DeviceIdentity {
    DeviceIdentity::generate().unwrap()
}

fn expecting(from: &DeviceIdentity, expect: Expect) -> Arc<ClientConfig> {
    Dialer::new(from).config(expect).unwrap()
}

/// One handshake over loopback. In TLS 1.3 a client has finished before the server looks at its
/// certificate, so each side then says a word and hears one: whoever was refused learns it there.
async fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> (Side, Side) {
    async fn greet(side: Side) -> Side {
        let (mut stream, id) = side?;
        let mut word = [0; 2];
        stream.write_all(b"hi").await.map_err(failure)?;
        stream.read_exact(&mut word).await.map_err(failure)?;
        Ok((stream, id))
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        greet(accept(stream, server).await).await
    };
    let call = async {
        let stream = TcpStream::connect(address).await.unwrap();
        greet(connect(stream, client).await).await
    };
    tokio::join!(call, serve)
}

/// A side that shows the certificate of one device and signs with the key of another.
#[derive(Debug)]
struct Impostor(Arc<CertifiedKey>);

impl Impostor {
    fn new(shows: &DeviceIdentity, signs: &DeviceIdentity) -> Arc<Self> {
        let provider = aws_lc_rs::default_provider();
        let key = provider.key_provider.load_private_key(signs.private_key()).unwrap();
        Arc::new(Self(Arc::new(CertifiedKey::new(vec![shows.certificate()], key))))
    }
}

impl ResolvesClientCert for Impostor {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Impostor {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// A client that trusts anybody, as a stranger's program may.
fn foreign_client(
    version: &'static SupportedProtocolVersion,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Verifier::new(&provider, Rule::Expect(Expect::Anyone)));
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
}

fn with_alpn(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(config)
}

#[tokio::test]
async fn both_sides_learn_whom_they_talk_to() {
    let (lin, mo) = (device(), device());
    let server = server_config(&mo, Blocked::default()).unwrap();
    for expect in [Expect::Device(mo.id()), Expect::Anyone] {
        let (client, served) = handshake(expecting(&lin, expect), server.clone()).await;
        assert_eq!(client.unwrap().1, mo.id());
        assert_eq!(served.unwrap().1, lin.id());
    }
}

#[tokio::test]
async fn a_device_may_keep_a_p256_key() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let (lin, mo) = (device(), DeviceIdentity::from_pem(&key.serialize_pem()).unwrap());
    let to_mo = expecting(&lin, Expect::Device(mo.id()));
    let (client, _) = handshake(to_mo, server_config(&mo, Blocked::default()).unwrap()).await;
    assert_eq!(client.unwrap().1, mo.id());
    let to_lin = expecting(&mo, Expect::Device(lin.id()));
    let (_, served) = handshake(to_lin, server_config(&lin, Blocked::default()).unwrap()).await;
    assert_eq!(served.unwrap().1, mo.id());
}

#[tokio::test]
async fn another_device_at_a_known_address_gets_not_one_byte() {
    let (lin, mo, eve) = (device(), device(), device());
    let eves = server_config(&eve, Blocked::default()).unwrap();
    let (client, served) = handshake(expecting(&lin, Expect::Device(mo.id())), eves).await;
    match client.map(|(_, id)| id) {
        Err(HandshakeError::WrongDevice { found }) => assert_eq!(found, eve.id()),
        other => panic!("{other:?}"),
    }
    // The client's handshake ended in an alert: not even its certificate, and so not its id, has
    // left.
    assert!(matches!(served, Err(HandshakeError::Failed(_))), "{served:?}");
}

#[tokio::test]
async fn a_certificate_without_its_key_opens_no_door() {
    let (lin, mo, eve) = (device(), device(), device());
    let mut false_mo = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Impostor::new(&mo, &eve));
    false_mo.alpn_protocols = vec![ALPN.to_vec()];
    let to_mo = expecting(&lin, Expect::Device(mo.id()));
    let (client, _) = handshake(to_mo, Arc::new(false_mo)).await;
    assert!(matches!(client, Err(HandshakeError::Failed(_))), "{client:?}");

    let false_lin = foreign_client(&TLS13).with_client_cert_resolver(Impostor::new(&lin, &eve));
    let server = server_config(&mo, Blocked::default()).unwrap();
    let (client, served) = handshake(with_alpn(false_lin), server).await;
    assert!(client.is_err());
    assert!(matches!(served, Err(HandshakeError::Failed(_))), "{served:?}");
}

#[tokio::test]
async fn who_shows_no_certificate_or_speaks_older_tls_stays_outside() {
    let mo = device();
    let server = server_config(&mo, Blocked::default()).unwrap();
    let nobody = with_alpn(foreign_client(&TLS13).with_no_client_auth());
    let (client, served) = handshake(nobody, server.clone()).await;
    assert!(client.is_err() && served.is_err());

    let lin = device();
    let older = foreign_client(&TLS12)
        .with_client_auth_cert(vec![lin.certificate()], lin.private_key())
        .unwrap();
    let (client, served) = handshake(with_alpn(older), server).await;
    assert!(client.is_err() && served.is_err());

    let mut older = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![mo.certificate()], mo.private_key())
        .unwrap();
    older.alpn_protocols = vec![ALPN.to_vec()];
    let to_mo = expecting(&lin, Expect::Device(mo.id()));
    let (client, served) = handshake(to_mo, Arc::new(older)).await;
    assert!(client.is_err() && served.is_err());
}

#[tokio::test]
async fn other_protocols_are_refused() {
    let (lin, mo) = (device(), device());
    for alpn in [vec![], vec![b"h2".to_vec()]] {
        let mut client = foreign_client(&TLS13)
            .with_client_auth_cert(vec![lin.certificate()], lin.private_key())
            .unwrap();
        client.alpn_protocols = alpn;
        let server = server_config(&mo, Blocked::default()).unwrap();
        let (client, served) = handshake(Arc::new(client), server).await;
        assert!(client.is_err() && served.is_err());
    }
}

#[tokio::test]
async fn a_blocked_device_does_not_come_in() {
    let (lin, mo) = (device(), device());
    let blocked = Blocked::default();
    let server = server_config(&mo, blocked.clone()).unwrap();
    let to_mo = expecting(&lin, Expect::Device(mo.id()));
    blocked.replace([lin.id()].into());
    let (client, served) = handshake(to_mo.clone(), server.clone()).await;
    assert!(client.is_err());
    assert!(matches!(served, Err(HandshakeError::WrongDevice { found }) if found == lin.id()));
    blocked.replace(BTreeSet::new());
    let (client, served) = handshake(to_mo, server).await;
    assert!(client.is_ok() && served.is_ok());
}

#[tokio::test]
async fn no_connection_leaves_anything_to_resume() {
    let (lin, mo) = (device(), device());
    let to_mo = expecting(&lin, Expect::Device(mo.id()));
    let server = server_config(&mo, Blocked::default()).unwrap();
    for _ in 0..2 {
        let (client, served) = handshake(to_mo.clone(), server.clone()).await;
        let ((client, _), (served, _)) = (client.unwrap(), served.unwrap());
        let TlsStream::Client(client) = client else { panic!("a client's stream") };
        assert_eq!(client.get_ref().1.tls13_tickets_received(), 0);
        assert_eq!(client.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full));
        assert_eq!(served.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[tokio::test]
async fn a_ticket_that_was_given_is_offered_to_nobody() {
    let (lin, mo, eve) = (device(), device(), device());
    // Servers of strangers, which share what tickets are read with and would take early data.
    let ticketer = aws_lc_rs::Ticketer::new().unwrap();
    let foreign = |identity: &DeviceIdentity| {
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&TLS13])
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![identity.certificate()], identity.private_key())
                .unwrap();
        config.ticketer = ticketer.clone();
        config.send_tls13_tickets = 2;
        config.max_early_data_size = 16 << 10;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Arc::new(config)
    };
    let (to_mo, mos) = (expecting(&lin, Expect::Device(mo.id())), foreign(&mo));
    let serve = |listener: TcpListener, config: Arc<ServerConfig>| async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(config).accept(stream).await?;
        let early = stream.get_mut().1.early_data().is_some();
        let kind = stream.get_ref().1.handshake_kind();
        // The tickets are on their way before this word is.
        stream.write_all(b"hi").await?;
        stream.read_u8().await.ok();
        Ok::<_, std::io::Error>((kind, early))
    };
    for _ in 0..2 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let call = async {
            let (mut stream, id) = connect(stream, to_mo.clone()).await.unwrap();
            let mut word = [0; 2];
            stream.read_exact(&mut word).await.unwrap();
            let TlsStream::Client(stream) = stream else { panic!("a client's stream") };
            (id, stream.get_ref().1.tls13_tickets_received())
        };
        let ((id, tickets), served) = tokio::join!(call, serve(listener, mos.clone()));
        assert_eq!((id, tickets), (mo.id(), 2));
        assert_eq!(served.unwrap(), (Some(rustls::HandshakeKind::Full), false));
    }
    // What Mo has given opens nothing at Eve's: her key is looked at as if there were no ticket.
    let (client, _) = handshake(to_mo, foreign(&eve)).await;
    assert!(matches!(client, Err(HandshakeError::WrongDevice { found }) if found == eve.id()));
}

#[tokio::test]
async fn early_data_is_not_taken() {
    let (lin, mo) = (device(), device());
    let server = server_config(&mo, Blocked::default()).unwrap();
    assert_eq!((server.max_early_data_size, server.send_tls13_tickets), (0, 0));
    // A stranger's program that keeps all that it is given, and would send early.
    let mut client = foreign_client(&TLS13)
        .with_client_auth_cert(vec![lin.certificate()], lin.private_key())
        .unwrap();
    client.enable_early_data = true;
    let client = with_alpn(client);
    for _ in 0..2 {
        let (client, served) = handshake(client.clone(), server.clone()).await;
        let ((client, _), (served, _)) = (client.unwrap(), served.unwrap());
        let (TlsStream::Client(client), TlsStream::Server(mut served)) = (client, served) else {
            panic!("one of each side")
        };
        assert!(!client.get_ref().1.is_early_data_accepted());
        assert!(served.get_mut().1.early_data().is_none());
        assert_eq!(served.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_go_on_is_given_up() {
    let mo = device();
    let server = server_config(&mo, Blocked::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    assert!(matches!(accept(stream, server).await, Err(HandshakeError::Timeout)));
}
