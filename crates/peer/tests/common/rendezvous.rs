//! Members of groups, a real server for them, and one that lies.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use manyhands_core::{GroupId, PeerId};
use manyhands_identity::{GroupKey, GroupSecret, device_of_key, sign_record};
use manyhands_peer::wire::{
    self, Blob, Bytes32, Challenge, DeviceName, Digest, GroupName, Invite, List, PresenceRecord,
    Probed, Problem, ProblemCode, ProtocolRange, Publication, Published, RendezvousEvent,
    ServerAddress, ServerHello, Session, SessionRequest, Text, server_statement,
};
use manyhands_peer::{
    DeviceIdentity, Discovered, InterfaceRule, Member, OwnAddresses, Rendezvous, RendezvousOptions,
    RendezvousState, RendezvousWaits,
};
use manyhands_rendezvous::{Config, Server};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::within;

pub fn copy(identity: &DeviceIdentity) -> DeviceIdentity {
    DeviceIdentity::from_pem(&identity.to_pem()).unwrap()
}

pub fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub async fn server(config: Config) -> Server {
    Server::start_with(config, DeviceIdentity::generate().unwrap()).await.unwrap()
}

pub async fn plain_server() -> Server {
    server(Config { listen: loopback(), ..Config::default() }).await
}

/// A new group at a server.
pub fn invite(scheme: &str, at: SocketAddr, server: PeerId, public: bool) -> Invite {
    let address =
        ServerAddress::new(&format!("{scheme}://{at}"), Digest(*server.as_bytes()), public);
    Invite {
        server: address.unwrap(),
        secret: *GroupSecret::generate().as_bytes(),
        name: GroupName::neutralised("Dorm 7"),
    }
}

pub fn group_at(server: &Server) -> Invite {
    invite("https", server.local_addr(), server.id(), false)
}

pub fn key(invite: &Invite) -> GroupKey {
    GroupKey::new(&GroupSecret::from_bytes(invite.secret))
}

pub fn id(invite: &Invite) -> GroupId {
    key(invite).id()
}

/// Waits that tests have.
pub fn quick() -> RendezvousWaits {
    RendezvousWaits {
        retry: Duration::from_millis(50),
        retry_max: Duration::from_millis(200),
        retry_hopeless: Duration::from_millis(400),
        spread: Duration::from_millis(100),
        stream: Duration::from_secs(1),
        ..RendezvousWaits::default()
    }
}

/// A device that meets others at servers.
pub struct Met {
    pub id: PeerId,
    pub rendezvous: Rendezvous,
    pub state: watch::Receiver<RendezvousState>,
    pub hints: mpsc::Receiver<Discovered>,
    pub groups: watch::Sender<Vec<Invite>>,
}

pub fn options(
    identity: DeviceIdentity,
    port: u16,
    groups: watch::Receiver<Vec<Invite>>,
) -> RendezvousOptions {
    let name = DeviceName::neutralised(&format!("device {}", identity.id().short()));
    let own = OwnAddresses::watch(InterfaceRule::Only(vec!["lo".into()]));
    RendezvousOptions {
        loopback: true,
        waits: quick(),
        ..RendezvousOptions::new(Arc::new(identity), port, name, groups, own)
    }
}

impl Met {
    pub fn start(
        port: u16,
        groups: &[Invite],
        change: impl FnOnce(&mut RendezvousOptions),
    ) -> Self {
        let (groups, seen) = watch::channel(groups.to_vec());
        let mut options = options(DeviceIdentity::generate().unwrap(), port, seen);
        change(&mut options);
        let (hint, hints) = mpsc::channel(64);
        let id = options.identity.id();
        let (rendezvous, state) = Rendezvous::start(options, hint);
        Self { id, rendezvous, state, hints, groups }
    }

    pub async fn until(&mut self, what: impl Fn(&RendezvousState) -> bool) {
        let waited = tokio::time::timeout(super::LONG, self.state.wait_for(|state| what(state)));
        if waited.await.is_err() {
            panic!("{:?}", self.state.borrow());
        }
    }

    /// Until the member is listed.
    pub async fn sees(&mut self, group: GroupId, member: PeerId) -> Member {
        let listed = |state: &RendezvousState| {
            state.groups.get(&group).is_some_and(|group| group.members.contains_key(&member))
        };
        self.until(listed).await;
        self.state.borrow().groups[&group].members[&member].clone()
    }

    /// Until it is not.
    pub async fn misses(&mut self, group: GroupId, member: PeerId) {
        self.until(|state| {
            state.groups.get(&group).is_none_or(|group| !group.members.contains_key(&member))
        })
        .await;
    }

    pub async fn hint(&mut self) -> Discovered {
        within(self.hints.recv()).await.unwrap()
    }
}

/// A status, and what a server says with it; what stands before one says nothing.
pub type Refusal = (StatusCode, Option<Problem>);

/// A server that does what it should until somebody is listening, and says then what it was told to say.
#[derive(Clone)]
pub struct Liar {
    pub identity: Arc<DeviceIdentity>,
    pub at: SocketAddr,
    /// What is sent to each stream: bytes as they are.
    pub stream: watch::Sender<Vec<String>>,
    /// Requests of each kind.
    pub sessions: Arc<AtomicUsize>,
    pub streams: Arc<AtomicUsize>,
    /// How far its clock is ahead, in seconds.
    pub ahead_s: Arc<Mutex<i64>>,
    /// The number that records have to exceed, and in the end the one of the last record.
    pub last_seq: Arc<Mutex<u64>>,
    /// From where it says to see who opens a session, …
    pub observed: watch::Sender<&'static str>,
    /// … for how long that is good, and when it wants to hear again of who is there.
    pub expires_in_s: Arc<AtomicUsize>,
    pub next_after_ms: Arc<AtomicUsize>,
    /// What was published, one after the other.
    pub published: watch::Sender<Vec<PresenceRecord>>,
    /// What is answered to probes, the last one first, and in how many milliseconds it may be asked again.
    pub probes: Arc<Mutex<Vec<bool>>>,
    pub probe_again_ms: Arc<AtomicUsize>,
    /// How many were asked for.
    pub probed: watch::Sender<usize>,
    pub connections: Arc<AtomicUsize>,
    /// Connections up to this one are dead, and nobody was told: what is asked on them is not even read.
    pub dead: Arc<AtomicUsize>,
    /// The next publication is answered with this, …
    pub refuses: Arc<Mutex<Option<Refusal>>>,
    /// … which has been done so often.
    pub refused: watch::Sender<usize>,
    /// Goodbyes.
    pub left: watch::Sender<usize>,
    /// The next publication is read, and the connection closed without an answer.
    pub hangs_up: Arc<AtomicBool>,
    /// Who proves the server's key.
    pub proves: Arc<Mutex<Arc<DeviceIdentity>>>,
}

impl Liar {
    pub async fn start() -> Self {
        let identity = Arc::new(DeviceIdentity::generate().unwrap());
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let liar = Self {
            at: listener.local_addr().unwrap(),
            stream: watch::channel(Vec::new()).0,
            sessions: Arc::default(),
            streams: Arc::default(),
            ahead_s: Arc::default(),
            last_seq: Arc::default(),
            observed: watch::channel("127.0.0.1").0,
            expires_in_s: Arc::new(AtomicUsize::new(600)),
            next_after_ms: Arc::new(AtomicUsize::new(30_000)),
            published: watch::channel(Vec::new()).0,
            probes: Arc::default(),
            probe_again_ms: Arc::new(AtomicUsize::new(60_000)),
            probed: watch::channel(0).0,
            connections: Arc::default(),
            dead: Arc::default(),
            refuses: Arc::default(),
            refused: watch::channel(0).0,
            left: watch::channel(0).0,
            hangs_up: Arc::default(),
            proves: Arc::new(Mutex::new(identity.clone())),
            identity,
        };
        let serving = liar.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let liar = serving.clone();
                let number = liar.connections.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let liar = liar.clone();
                        async move {
                            if number <= liar.dead.load(Ordering::SeqCst) {
                                std::future::pending::<()>().await;
                            }
                            liar.answer(request).await.ok_or("no answer")
                        }
                    });
                    let connection = hyper::server::conn::http1::Builder::new();
                    connection.serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        });
        liar
    }

    pub fn invite(&self) -> Invite {
        invite("http", self.at, self.identity.id(), false)
    }

    /// What every stream is sent, from now on and from its beginning.
    pub fn says(&self, lines: Vec<String>) {
        self.stream.send_replace(lines);
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Option<Response<UnsyncBoxBody<Bytes, Infallible>>> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let id = Digest(*self.identity.id().as_bytes());
        Some(match (&method, path.as_str()) {
            (&Method::GET, "/v1/server") => json(&ServerHello {
                id,
                key: Blob::new(self.identity.public_key()).unwrap(),
                protocol: ProtocolRange { min: 1, max: 1 },
                software: Text::default(),
            }),
            (&Method::POST, "/v1/challenges") => {
                json(&Challenge { nonce: Bytes32([5; 32]), expires_in_s: 60 })
            }
            (&Method::POST, "/v1/sessions") => {
                self.sessions.fetch_add(1, Ordering::SeqCst);
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let request: SessionRequest = serde_json::from_slice(&body).unwrap();
                let device = Digest(*device_of_key(request.key.as_bytes()).as_bytes());
                let statement = server_statement(&id, &device, &request.client_nonce);
                let proves = self.proves.lock().unwrap().clone();
                let mut answer = json(&Session {
                    token: Bytes32([6; 32]),
                    expires_in_s: self.expires_in_s.load(Ordering::SeqCst) as u32,
                    now_s: now_s().saturating_add_signed(*self.ahead_s.lock().unwrap()),
                    observed: Text::cut(&self.observed.borrow()),
                    signature: Blob::new(proves.sign(&statement).unwrap()).unwrap(),
                });
                *answer.status_mut() = StatusCode::CREATED;
                answer
            }
            (&Method::PUT, "/v1/presence") => {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let said: Publication = serde_json::from_slice(&body).unwrap();
                let record: PresenceRecord =
                    serde_json::from_str(said.records.first().unwrap().payload.as_str()).unwrap();
                if self.hangs_up.swap(false, Ordering::SeqCst) {
                    return None;
                }
                if let Some((status, problem)) = self.refuses.lock().unwrap().take() {
                    self.refused.send_modify(|refused| *refused += 1);
                    let mut answer = match problem {
                        Some(problem) => json(&problem),
                        None => Response::new(Full::default().boxed_unsync()),
                    };
                    *answer.status_mut() = status;
                    return Some(answer);
                }
                let mut last_seq = self.last_seq.lock().unwrap();
                if record.seq > *last_seq {
                    *last_seq = record.seq;
                    self.published.send_modify(|published| published.push(record));
                    let next_after_ms = self.next_after_ms.load(Ordering::SeqCst) as u64;
                    return Some(json(&Published { next_after_ms }));
                }
                let mut old = Problem::new(ProblemCode::RecordOld);
                old.last_seq = NonZeroU64::new(*last_seq);
                let mut answer = json(&old);
                *answer.status_mut() = StatusCode::CONFLICT;
                answer
            }
            (&Method::GET, "/v1/events") => {
                self.streams.fetch_add(1, Ordering::SeqCst);
                let said = stream_of(self.stream.subscribe());
                Response::new(BodyExt::boxed_unsync(StreamBody::new(said)))
            }
            (&Method::POST, "/v1/probes") => {
                self.probed.send_modify(|probed| *probed += 1);
                if let Some(reachable) = self.probes.lock().unwrap().pop() {
                    let again_ms = self.probe_again_ms.load(Ordering::SeqCst) as u64;
                    let (address, retry_after_ms) = (self.at, Some(again_ms));
                    return Some(json(&Probed { address, reachable, why: None, retry_after_ms }));
                }
                let mut answer = Response::new(Full::default().boxed_unsync());
                *answer.status_mut() = StatusCode::NOT_FOUND;
                answer
            }
            (&Method::DELETE, _) => {
                self.left.send_modify(|left| *left += 1);
                let mut answer = Response::new(Full::default().boxed_unsync());
                *answer.status_mut() = StatusCode::NO_CONTENT;
                answer
            }
            _ => {
                let mut answer = Response::new(Full::default().boxed_unsync());
                *answer.status_mut() = StatusCode::NOT_FOUND;
                answer
            }
        })
    }
}

/// What is said now, and again what is said later.
fn stream_of(
    said: watch::Receiver<Vec<String>>,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    futures_util::stream::unfold((said, true), |(mut said, first)| async move {
        if !first {
            said.changed().await.ok()?;
        }
        let text = said.borrow_and_update().concat();
        Some((Ok(Frame::data(Bytes::from(text))), (said, false)))
    })
    .boxed()
}

fn json<T: serde::Serialize>(message: &T) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    Response::new(Full::new(Bytes::from(serde_json::to_vec(message).unwrap())).boxed_unsync())
}

pub fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// An event as a stream has it.
pub fn event(event: &RendezvousEvent) -> String {
    format!("data: {}\n\n", serde_json::to_string(event).unwrap())
}

pub fn record(
    identity: &DeviceIdentity,
    group: &Invite,
    seq: u64,
    at: &[SocketAddr],
) -> PresenceRecord {
    PresenceRecord {
        v: wire::RECORD_VERSION,
        id: Digest(*identity.id().as_bytes()),
        group: Digest(*id(group).as_bytes()),
        seq,
        issued_at_s: now_s(),
        ttl_s: wire::MAX_RECORD_TTL_S,
        addresses: List::new(at.to_vec()).unwrap(),
        features: List::default(),
        name: Blob::new(key(group).seal(identity.id(), "Ana")).unwrap(),
    }
}

/// The record, signed by `signer`, as an event.
pub fn present(signer: &DeviceIdentity, record: &PresenceRecord) -> String {
    event(&RendezvousEvent::Present { record: sign_record(signer, record).unwrap() })
}
