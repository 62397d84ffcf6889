//! Two real devices on loopback: servers with a desk that decides, an origin of known bytes,
//! clients, and raw TLS for those who do not keep to the protocol.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod relay;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt};
use manyhands_core::{
    AcceptRule, ByteRange, DeskBounds, DeskEffect, DeskInput, EntityTag, HelpAnswer, HelpAsk,
    HelpDesk, HelpId, Identity, LendTerms, Standing, Validator,
};
use manyhands_peer::wire::{DeviceName, FileName, Hello, HelpRequest, List, Mode, OriginName};
use manyhands_peer::{
    ClientWaits, ContentSource, DeviceIdentity, EndedSession, FetchFailure, FetchOrder, Fetched,
    Incoming, OwnAddresses, PeerClient, PeerServer, PresenceNews, RemotePeer, ServerOptions,
    ServerWaits, Sources, TunnelOrder, TunnelSource, TunnelStream,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use url::Url;

pub const MIB: u64 = 1 << 20;
/// Longer than anything in a test takes, shorter than a test that hangs.
pub const LONG: Duration = Duration::from_secs(30);

/// A network that never changes.
pub fn nowhere_else() -> watch::Receiver<OwnAddresses> {
    watch::channel(OwnAddresses::default()).1
}

/// The next news of who is there; what is said of where somebody was found is passed over.
pub async fn come_or_gone(news: &mut mpsc::Receiver<PresenceNews>) -> PresenceNews {
    loop {
        match within(news.recv()).await.unwrap() {
            PresenceNews::Unreachable { .. } | PresenceNews::Found { .. } => {}
            news => return news,
        }
    }
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("this must not take so long")
}

/// The byte at `offset` of the file that all tests fetch.
pub fn byte_at(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

pub fn bytes_of(range: ByteRange) -> Vec<u8> {
    (range.start()..range.end()).map(byte_at).collect()
}

pub const FILE_BYTES: u64 = 64 * MIB;
pub const BUFFER_BYTES: u64 = 256 * 1024;

pub fn file_identity() -> Identity {
    Identity {
        length: Some(FILE_BYTES),
        validator: Validator {
            etag: EntityTag::parse("\"of-the-file\""),
            last_modified_unix_s: Some(1_762_300_800),
        },
    }
}

pub fn file_url() -> Url {
    Url::parse("https://example.org/dir/file.iso").unwrap()
}

/// Serves [`byte_at`], and counts.
#[derive(Debug, Default)]
pub struct KnownBytes {
    pub fetches: AtomicUsize,
    /// Streams that exist now.
    pub live: watch::Sender<usize>,
    pub produced_bytes: AtomicU64,
    /// After so many bytes of a stream nothing more comes.
    pub stall_after: Option<u64>,
    /// … or it breaks off.
    pub break_after: Option<u64>,
    pub failure: Option<FetchFailure>,
    pub orders: Mutex<Vec<FetchOrder>>,
}

/// The source as the server gets it; its streams count in what they come from.
pub struct Shared(pub Arc<KnownBytes>);

impl ContentSource for Shared {
    fn fetch(&self, order: FetchOrder) -> BoxFuture<'static, Result<Fetched, FetchFailure>> {
        let source = self.0.clone();
        source.fetches.fetch_add(1, Ordering::SeqCst);
        source.orders.lock().unwrap().push(order.clone());
        async move {
            if let Some(failure) = source.failure {
                return Err(failure);
            }
            if order.known.agrees_with(&file_identity()).is_err() {
                return Err(FetchFailure::Changed);
            }
            let whole = ByteRange::from_len(0, FILE_BYTES);
            let range = order
                .range
                .intersection(whole)
                .ok_or(FetchFailure::NotSatisfiable { length: Some(FILE_BYTES) })?;
            source.live.send_modify(|live| *live += 1);
            let body = Produce { source, range, at: range.start() };
            Ok(Fetched { range, identity: file_identity(), body: body.boxed() })
        }
        .boxed()
    }
}

/// A helper that connects to nothing.
pub struct NoTunnels;

impl TunnelSource for NoTunnels {
    fn connect(
        &self,
        _: TunnelOrder,
    ) -> BoxFuture<'static, Result<Box<dyn TunnelStream>, FetchFailure>> {
        std::future::ready(Err(FetchFailure::AddressRefused)).boxed()
    }
}

/// What a server of these tests is started with.
pub fn sources(content: Arc<KnownBytes>, tunnels: impl TunnelSource) -> Sources {
    Sources { content: Arc::new(Shared(content)), tunnels: Arc::new(tunnels) }
}

struct Produce {
    source: Arc<KnownBytes>,
    range: ByteRange,
    at: u64,
}

impl Stream for Produce {
    type Item = Result<Bytes, FetchFailure>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let done = self.at - self.range.start();
        if self.at == self.range.end() {
            return Poll::Ready(None);
        }
        if self.source.stall_after.is_some_and(|limit| done >= limit) {
            return Poll::Pending;
        }
        if self.source.break_after.is_some_and(|limit| done >= limit) {
            return Poll::Ready(Some(Err(FetchFailure::Unreachable)));
        }
        let len = BUFFER_BYTES.min(self.range.end() - self.at);
        let bytes = bytes_of(ByteRange::from_len(self.at, len));
        self.at += len;
        self.source.produced_bytes.fetch_add(len, Ordering::SeqCst);
        Poll::Ready(Some(Ok(bytes.into())))
    }
}

impl Drop for Produce {
    fn drop(&mut self) {
        self.source.live.send_modify(|live| *live -= 1);
    }
}

/// What the desk of a helper does without its user.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub standing: Standing,
    pub auto_accept_bytes: Option<u64>,
    pub bounds: DeskBounds,
    pub waits: ServerWaits,
    pub hello_lending: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            standing: Standing::Friend,
            auto_accept_bytes: None,
            bounds: DeskBounds::default(),
            waits: ServerWaits::default(),
            hello_lending: true,
        }
    }
}

/// A helper: a server, and a shell around the desk as the engine is one.
pub struct Helper {
    pub rules: Rules,
    pub identity: DeviceIdentity,
    pub server: PeerServer,
    pub source: Arc<KnownBytes>,
    /// Prompts as the user sees them …
    pub prompts: mpsc::Receiver<(HelpId, HelpRequest)>,
    /// … what becomes of them …
    pub closed: mpsc::Receiver<HelpId>,
    /// … and what sessions came to.
    pub ended: mpsc::Receiver<EndedSession>,
    /// The user's decisions.
    pub user: mpsc::Sender<DeskInput>,
}

impl Helper {
    pub async fn start(rules: Rules) -> Self {
        Self::with_source(rules, KnownBytes::default()).await
    }

    pub async fn with_source(rules: Rules, source: KnownBytes) -> Self {
        Self::with_sources(rules, source, NoTunnels).await
    }

    pub async fn with_tunnels(rules: Rules, tunnels: impl TunnelSource) -> Self {
        Self::with_sources(rules, KnownBytes::default(), tunnels).await
    }

    async fn with_sources(rules: Rules, source: KnownBytes, tunnels: impl TunnelSource) -> Self {
        let (identity, source) = (DeviceIdentity::generate().unwrap(), Arc::new(source));
        let hello = Hello::new(DeviceName::neutralised("Mo"), rules.hello_lending);
        let options = ServerOptions {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            hello: watch::channel(hello).1,
            waits: rules.waits,
        };
        let sources = sources(source.clone(), tunnels);
        let (server, incoming) = PeerServer::start(&identity, sources, options).await.unwrap();
        let (prompt, prompts) = mpsc::channel(64);
        let (close, closed) = mpsc::channel(64);
        let (end, ended) = mpsc::channel(64);
        let (user, decisions) = mpsc::channel(64);
        let shell = Shell {
            rules,
            server: server.clone(),
            desk: HelpDesk::new(rules.bounds),
            answers: BTreeMap::new(),
            requests: BTreeMap::new(),
            began: Instant::now(),
            prompt,
            close,
            end,
        };
        tokio::spawn(shell.run(incoming, decisions));
        Self { rules, identity, server, source, prompts, closed, ended, user }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.local_addrs()[0]
    }

    pub async fn decide(&self, input: DeskInput) {
        self.user.send(input).await.unwrap();
    }

    pub async fn prompt(&mut self) -> (HelpId, HelpRequest) {
        within(self.prompts.recv()).await.unwrap()
    }

    /// The next prompt is answered with yes.
    pub async fn accept(&mut self) -> HelpId {
        let (id, _) = self.prompt().await;
        self.decide(DeskInput::UserAccepted { id, budget_bytes: None }).await;
        id
    }
}

struct Shell {
    rules: Rules,
    server: PeerServer,
    desk: HelpDesk,
    answers: BTreeMap<HelpId, oneshot::Sender<HelpAnswer>>,
    requests: BTreeMap<HelpId, HelpRequest>,
    began: Instant,
    prompt: mpsc::Sender<(HelpId, HelpRequest)>,
    close: mpsc::Sender<HelpId>,
    end: mpsc::Sender<EndedSession>,
}

impl Shell {
    async fn run(
        mut self,
        mut incoming: mpsc::Receiver<Incoming>,
        mut decisions: mpsc::Receiver<DeskInput>,
    ) {
        self.handle(DeskInput::LendingSwitched { on: true }).await;
        if self.rules.auto_accept_bytes.is_some() {
            let terms = LendTerms { accept: AcceptRule::All, ..LendTerms::default() };
            self.handle(DeskInput::TermsChanged(terms)).await;
        }
        loop {
            let timeout = self.desk.poll_timeout().map(|at| self.began + at);
            let tick = async move {
                match timeout {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let input = tokio::select! {
                message = incoming.recv() => match message {
                    Some(message) => self.input(message).await,
                    None => return,
                },
                Some(decision) = decisions.recv() => decision,
                () = tick => DeskInput::Tick,
            };
            self.handle(input).await;
        }
    }

    async fn input(&mut self, message: Incoming) -> DeskInput {
        match message {
            Incoming::HelpRequest(help) => {
                self.answers.insert(help.id, help.answer);
                self.requests.insert(help.id, help.request.clone());
                DeskInput::Requested(HelpAsk {
                    id: help.id,
                    from: help.from,
                    address: help.address,
                    standing: self.rules.standing,
                    budget_bytes: help.request.budget_bytes,
                    hosts: help.request.origins.iter().map(|o| o.host().to_owned()).collect(),
                })
            }
            Incoming::Withdrawn { id } => DeskInput::EndedByRequester { id },
            Incoming::Ended(ended) => {
                self.end.send(ended).await.ok();
                DeskInput::EndedByRequester { id: ended.id }
            }
        }
    }

    async fn handle(&mut self, input: DeskInput) {
        self.desk.handle(input, self.began.elapsed());
        while let Some(effect) = self.desk.poll_effect() {
            match effect {
                DeskEffect::Prompt { id } => {
                    self.prompt.send((id, self.requests[&id].clone())).await.ok();
                }
                DeskEffect::ClosePrompt { id } => {
                    self.close.send(id).await.ok();
                }
                DeskEffect::Answer { id, answer } => {
                    if let Some(channel) = self.answers.remove(&id) {
                        channel.send(answer).ok();
                    }
                }
                DeskEffect::LimitSession { id, bytes_per_s } => {
                    self.server.set_session_rate(id, bytes_per_s);
                }
                DeskEffect::EndSession { id, reason } => {
                    if let Some(ended) = self.server.end(id, reason) {
                        self.end.send(ended).await.ok();
                    }
                }
            }
        }
    }
}

/// A requester's device.
pub struct Requester {
    pub identity: DeviceIdentity,
    pub client: PeerClient,
}

impl Requester {
    pub fn new() -> Self {
        Self::with_waits(ClientWaits::default())
    }

    pub fn with_waits(waits: ClientWaits) -> Self {
        let identity = DeviceIdentity::generate().unwrap();
        let client = PeerClient::new(&identity, waits);
        Self { identity, client }
    }

    pub fn to(&self, helper: &Helper) -> RemotePeer {
        self.client.peer(helper.identity.id(), &[helper.address()])
    }
}

pub fn help_request(budget_bytes: u64) -> HelpRequest {
    HelpRequest {
        name: DeviceName::neutralised("Lin"),
        mode: Mode::Fetch,
        origins: List::new(vec![
            OriginName::of(&file_url()).unwrap(),
            OriginName::of(&Url::parse("https://mirror.example.net/").unwrap()).unwrap(),
        ])
        .unwrap(),
        size_bytes: Some(FILE_BYTES),
        budget_bytes,
        file_name: Some(FileName::neutralised("file.iso")),
    }
}

/// A session that has been accepted and knows its source.
pub async fn session(peer: &RemotePeer, helper: &mut Helper, budget_bytes: u64) -> HelpId {
    let id = within(peer.ask(&help_request(budget_bytes))).await.unwrap();
    if helper.rules.auto_accept_bytes.is_none() {
        helper.accept().await;
    }
    let answer = within(peer.decision(id)).await.unwrap();
    assert!(matches!(answer, HelpAnswer::Accept { .. }), "{answer:?}");
    within(peer.give_source(id, &file_url(), &file_identity())).await.unwrap();
    id
}

/// Reads a body to its end.
pub async fn read_all(mut body: manyhands_peer::ContentBody) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(bytes) = within(body.next()).await.unwrap() {
        all.extend_from_slice(&bytes);
    }
    all
}

/// Waits until no stream of the source lives.
pub async fn until_no_fetch_lives(source: &KnownBytes) {
    within(source.live.subscribe().wait_for(|live| *live == 0)).await.unwrap();
}

pub mod raw {
    //! Devices that keep to TLS and to nothing else.

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
    use rustls::{
        ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    };
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

    use super::*;

    fn certificate(
        identity: &DeviceIdentity,
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = rcgen::KeyPair::from_pem(&identity.to_pem()).unwrap();
        let params = rcgen::CertificateParams::default();
        let der = params.self_signed(&key).unwrap().der().clone();
        (vec![der], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    pub fn client_config(identity: &DeviceIdentity) -> Arc<ClientConfig> {
        let (chain, key) = certificate(identity);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone))
            .with_client_auth_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }

    pub async fn connect(
        identity: &DeviceIdentity,
        address: SocketAddr,
    ) -> std::io::Result<client::TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(address).await?;
        let name = ServerName::try_from("peer.invalid").unwrap();
        TlsConnector::from(client_config(identity)).connect(name, tcp).await
    }

    /// Accepts one connection, whoever it is.
    pub async fn accept(
        identity: &DeviceIdentity,
        listener: &TcpListener,
    ) -> std::io::Result<server::TlsStream<TcpStream>> {
        let (chain, key) = certificate(identity);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(Arc::new(Anyone))
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (tcp, _) = listener.accept().await?;
        TlsAcceptor::from(Arc::new(config)).accept(tcp).await
    }

    #[derive(Debug)]
    struct Anyone;

    impl ServerCertVerifier for Anyone {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }
    }

    impl ClientCertVerifier for Anyone {
        fn root_hint_subjects(&self) -> &[DistinguishedName] {
            &[]
        }

        fn verify_client_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: UnixTime,
        ) -> Result<ClientCertVerified, rustls::Error> {
            Ok(ClientCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }
    }
}
