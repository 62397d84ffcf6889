//! A client of the rendezvous protocol as small as can be, which can also say what no client should.

#![allow(dead_code, missing_debug_implementations, clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use manyhands_core::{GroupId, PeerId};
use manyhands_identity::{
    DeviceIdentity, Dialer, Expect, GroupKey, GroupSecret, connect, sign_record, verify,
};
use manyhands_rendezvous::{Config, Server};
use manyhands_wire::{
    Blob, Bytes32, Challenge, Changes, Digest, GroupProof, List, MAX_RECORD_TTL_S, PresenceRecord,
    Problem, ProblemCode, Publication, RECORD_VERSION, RendezvousEvent, Session, SessionRequest,
    SignedRecord, group_statement, record_statement, server_statement, session_statement,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Nothing in these tests takes a tenth of it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A configuration for tests: any free port of loopback.
pub fn config() -> Config {
    let mut config = Config { listen: "127.0.0.1:0".parse().unwrap(), ..Config::default() };
    config.times.batch = Duration::from_millis(20);
    config
}

pub async fn start(config: Config) -> Server {
    Server::start_with(config, DeviceIdentity::generate().unwrap()).await.unwrap()
}

/// Who is to be called, and how.
#[derive(Clone, Debug)]
pub struct At {
    pub address: SocketAddr,
    pub id: PeerId,
    pub plain: bool,
    /// It has this certificate, and TLS says nothing of its id.
    pub web: Option<Arc<rcgen::Certificate>>,
    /// The address to call from.
    pub from: Option<std::net::IpAddr>,
}

impl At {
    pub fn of(server: &Server) -> Self {
        Self { address: server.local_addr(), id: server.id(), plain: false, web: None, from: None }
    }
}

/// A device with its keys.
pub struct Device {
    pub identity: DeviceIdentity,
    pub groups: Vec<GroupKey>,
    pub at: At,
    pub token: Option<Bytes32>,
    /// Put to each request.
    pub headers: HeaderMap,
    connection: tokio::sync::Mutex<Option<SendRequest<Full<Bytes>>>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.is_success(), "{self:?}");
        self
    }

    pub fn problem(&self) -> Problem {
        self.json()
    }

    /// A problem with this code, and the status that goes with it.
    #[track_caller]
    pub fn refused(&self, code: ProblemCode) {
        assert_eq!(self.status.as_u16(), code.status(), "{self:?}");
        assert_eq!(self.problem().code(), Some(code), "{self:?}");
    }
}

pub fn secret() -> GroupSecret {
    GroupSecret::generate()
}

pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn digest(id: PeerId) -> Digest {
    Digest(*id.as_bytes())
}

pub fn group_digest(id: GroupId) -> Digest {
    Digest(*id.as_bytes())
}

impl Device {
    pub fn new(at: &At, groups: &[&GroupSecret]) -> Self {
        Self {
            identity: DeviceIdentity::generate().unwrap(),
            groups: groups.iter().map(|secret| GroupKey::new(secret)).collect(),
            at: at.clone(),
            token: None,
            headers: HeaderMap::new(),
            connection: tokio::sync::Mutex::new(None),
        }
    }

    /// With a session.
    pub async fn enter(at: &At, groups: &[&GroupSecret]) -> Self {
        let mut device = Self::new(at, groups);
        device.open().await;
        device
    }

    /// With a session, and present in all of its groups.
    pub async fn join(at: &At, groups: &[&GroupSecret]) -> Self {
        let device = Self::enter(at, groups).await;
        device.publish().await.ok();
        device
    }

    pub fn id(&self) -> PeerId {
        self.identity.id()
    }

    pub async fn dial(&self) -> SendRequest<Full<Bytes>> {
        self.try_dial().await.expect("a connection")
    }

    /// `None`: the certificate is another one.
    pub async fn try_dial(&self) -> Option<SendRequest<Full<Bytes>>> {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(from) = self.at.from {
            socket.bind((from, 0).into()).unwrap();
        }
        let stream = socket.connect(self.at.address).await.unwrap();
        let Some(certificate) = &self.at.web else { return Some(self.dial_from(stream).await) };
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let (sender, connection) = handshake(TokioIo::new(stream.ok()?)).await.unwrap();
        tokio::spawn(connection);
        Some(sender)
    }

    async fn dial_from(&self, stream: TcpStream) -> SendRequest<Full<Bytes>> {
        stream.set_nodelay(true).unwrap();
        if self.at.plain {
            let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            return sender;
        }
        let config = Dialer::new(&self.identity).config(Expect::Device(self.at.id)).unwrap();
        let (stream, _) = connect(stream, config).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Closes the connection that requests go over.
    pub async fn hang_up(&self) {
        self.connection.lock().await.take();
    }

    fn request(&self, method: Method, path: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(method).uri(path).header("host", "rendezvous");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(body.into())).unwrap()
    }

    /// A request over a connection that stays open for the next one.
    pub async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Answer {
        let mut connection = self.connection.lock().await;
        let usable = match connection.as_mut() {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            *connection = Some(self.dial().await);
        }
        let sender = connection.as_mut().unwrap();
        let answer = timeout(PATIENCE, sender.send_request(self.request(method, path, body)));
        let (head, body) = answer.await.unwrap().unwrap().into_parts();
        let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        self.send(Method::POST, path, serde_json::to_vec(body).unwrap()).await
    }

    pub async fn challenge(&self) -> Bytes32 {
        let answer = self.send(Method::POST, "/v1/challenges", Vec::new()).await.ok();
        answer.json::<Challenge>().nonce
    }

    /// What opens a session; to be spoilt, perhaps.
    pub fn session_request(&self, nonce: Bytes32) -> SessionRequest {
        self.session_request_for(digest(self.at.id), nonce)
    }

    pub fn session_request_for(&self, server: Digest, nonce: Bytes32) -> SessionRequest {
        let client_nonce = Bytes32([7; 32]);
        let keys: Vec<_> = self.groups.iter().map(GroupKey::public_key).collect();
        let statement = session_statement(
            &server,
            &nonce,
            &client_nonce,
            keys.iter().map(<[u8; 32]>::as_slice),
        );
        let statement_of_group = group_statement(&server, &nonce, &digest(self.id()));
        let proofs = self.groups.iter().map(|group| GroupProof {
            key: Blob::new(group.public_key()).unwrap(),
            signature: Blob::new(group.prove(&statement_of_group)).unwrap(),
        });
        SessionRequest {
            key: Blob::new(self.identity.public_key()).unwrap(),
            nonce,
            client_nonce,
            signature: Blob::new(self.identity.sign(&statement).unwrap()).unwrap(),
            groups: List::new(proofs.collect()).unwrap(),
        }
    }

    pub async fn try_open(&self) -> Answer {
        let request = self.session_request(self.challenge().await);
        self.post("/v1/sessions", &request).await
    }

    pub async fn open(&mut self) -> Session {
        let answer = self.try_open().await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let session: Session = answer.json();
        let server = digest(self.at.id);
        let statement = server_statement(&server, &digest(self.id()), &Bytes32([7; 32]));
        let hello: manyhands_wire::ServerHello = self.get("/v1/server").await.ok().json();
        let proved = verify(hello.key.as_bytes(), &statement, session.signature.as_bytes());
        assert_eq!(proved, Ok(self.at.id));
        self.token = Some(session.token);
        session
    }

    /// A record of this device that nobody has reason to refuse.
    pub fn record(&self, group: GroupId) -> PresenceRecord {
        static SEQ: AtomicU64 = AtomicU64::new(0);
        PresenceRecord {
            v: RECORD_VERSION,
            id: digest(self.id()),
            group: group_digest(group),
            seq: now_s() * 1000 + SEQ.fetch_add(1, Ordering::Relaxed),
            issued_at_s: now_s(),
            ttl_s: MAX_RECORD_TTL_S,
            addresses: List::new(vec!["10.1.2.3:26269".parse().unwrap()]).unwrap(),
            features: List::default(),
            name: Blob::default(),
        }
    }

    pub fn signed(&self, record: &PresenceRecord) -> SignedRecord {
        sign_record(&self.identity, record).unwrap()
    }

    /// Any text with a signature that holds.
    pub fn signed_text(&self, payload: &str) -> SignedRecord {
        SignedRecord {
            payload: manyhands_wire::Text::new(payload).unwrap(),
            key: Blob::new(self.identity.public_key()).unwrap(),
            signature: Blob::new(self.identity.sign(&record_statement(payload)).unwrap()).unwrap(),
        }
    }

    pub async fn put(&self, records: Vec<SignedRecord>) -> Answer {
        let publication = Publication { records: List::new(records).unwrap() };
        let body = serde_json::to_vec(&publication).unwrap();
        self.send(Method::PUT, "/v1/presence", body).await
    }

    pub async fn put_record(&self, record: &PresenceRecord) -> Answer {
        self.put(vec![self.signed(record)]).await
    }

    pub async fn publish(&self) -> Answer {
        let records = self.groups.iter().map(|group| self.signed(&self.record(group.id())));
        self.put(records.collect()).await
    }

    /// Present at other addresses than before.
    pub async fn move_to(&self, address: &str) -> Answer {
        let records = self.groups.iter().map(|group| {
            let addresses = List::new(vec![address.parse().unwrap()]).unwrap();
            self.signed(&PresenceRecord { addresses, ..self.record(group.id()) })
        });
        self.put(records.collect()).await
    }

    pub async fn leave(&self) {
        self.send(Method::DELETE, "/v1/presence", Vec::new()).await.ok();
    }

    pub async fn changes(&self, cursor: &str, wait: u64) -> Changes {
        self.get(&format!("/v1/changes?cursor={cursor}&wait={wait}")).await.ok().json()
    }

    pub async fn events(&self, cursor: Option<&str>) -> Events {
        Events::open(self.dial().await, self, cursor).await
    }

    /// Over a connection whose receiver takes little before it is read.
    pub async fn narrow_events(&self) -> Events {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(self.at.address).await.unwrap();
        Events::open(self.dial_from(stream).await, self, None).await
    }
}

/// An event stream that is open. Dropping it closes the connection.
pub struct Events {
    body: Incoming,
    _sender: SendRequest<Full<Bytes>>,
    buffer: BytesMut,
    /// The last one that was told.
    pub cursor: Option<String>,
    pub comments: usize,
}

impl Events {
    async fn open(
        mut sender: SendRequest<Full<Bytes>>,
        device: &Device,
        cursor: Option<&str>,
    ) -> Self {
        let mut request = device.request(Method::GET, "/v1/events", Vec::new());
        if let Some(cursor) = cursor {
            request.headers_mut().insert("last-event-id", cursor.parse().unwrap());
        }
        let answer = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self {
            body: answer.into_body(),
            _sender: sender,
            buffer: BytesMut::new(),
            cursor: None,
            comments: 0,
        }
    }

    /// The next event; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<RendezvousEvent> {
        timeout(PATIENCE, self.read()).await.expect("news in time")
    }

    async fn read(&mut self) -> Option<RendezvousEvent> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let text = self.buffer.split_to(end + 2);
                match self.parse(std::str::from_utf8(&text).unwrap()) {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let frame = self.body.frame().await?.ok()?;
            self.buffer.extend_from_slice(frame.data_ref()?);
        }
    }

    fn parse(&mut self, text: &str) -> Option<RendezvousEvent> {
        let (mut tag, mut event) = (None, None);
        for line in text.lines().filter(|line| !line.is_empty()) {
            match line.split_once(": ") {
                Some(("id", id)) => self.cursor = Some(id.to_owned()),
                Some(("event", name)) => tag = Some(name.to_owned()),
                Some(("data", json)) => event = Some(serde_json::from_str(json).unwrap()),
                _ => {
                    assert_eq!(line, ":");
                    self.comments += 1;
                }
            }
        }
        let json = event.as_ref().map(|event: &RendezvousEvent| serde_json::to_value(event));
        assert_eq!(tag, json.map(|json| json.unwrap()["event"].as_str().unwrap().to_owned()));
        event
    }

    /// Everybody who is there when the stream begins.
    pub async fn snapshot(&mut self) -> Vec<PeerId> {
        assert_eq!(self.next().await, Some(RendezvousEvent::Reset));
        self.until_ready().await
    }

    /// Who is told to be present until `ready`.
    pub async fn until_ready(&mut self) -> Vec<PeerId> {
        let mut present = Vec::new();
        loop {
            match self.next().await.expect("a stream that goes on") {
                RendezvousEvent::Ready => return present,
                RendezvousEvent::Present { record } => present.push(device_of(&record)),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Whose record it is; the record holds.
pub fn device_of(record: &SignedRecord) -> PeerId {
    manyhands_identity::check_record(record, now_s()).unwrap().0
}

pub fn present_of(events: &[RendezvousEvent]) -> Vec<PeerId> {
    let devices = events.iter().filter_map(|event| match event {
        RendezvousEvent::Present { record } => Some(device_of(record)),
        _ => None,
    });
    devices.collect()
}

/// A certificate of the kind that is given, for `localhost`: its files in `folder`.
pub fn write_certificate(folder: &std::path::Path) -> Arc<rcgen::Certificate> {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    Arc::new(certificate)
}
