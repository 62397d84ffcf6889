//! The paths of `/v1` and what each answers.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};
use manyhands_core::{GroupId, PeerId};
use manyhands_identity::{RecordError, check_record, device_of_key, verify, verify_group};
use manyhands_wire::{
    Blob, Challenge, MAX_BODY_BYTES, MAX_WAIT_S, PROBLEM_CONTENT_TYPE, Probe, Problem, ProblemCode,
    Publication, Published, RendezvousEvent, Ring, Session as SessionAnswer, SessionRequest,
    SignedRecord, Text, TimeError, group_statement, server_statement, session_statement,
};
use rand::Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tracing::debug;

use crate::address::{ClientAddress, limit_key};
use crate::challenge::CHALLENGE_S;
use crate::events;
use crate::probe::MIN_PORT;
use crate::server::Shared;
use crate::sessions::{SESSION_S, Session};
use crate::store::{NewRecord, Readers, StoreRefusal, Subscription};

/// The body of a publication: as many records as a device has groups, each as long as a record may be, and what JSON puts around them.
pub(crate) const MAX_PUBLICATION_BYTES: usize = 128 * 1024;
/// No cursor is longer.
const MAX_CURSOR_BYTES: usize = 64;
/// Who is told to come back without a turn of its own, comes after this and a little more.
const COME_BACK: Duration = Duration::from_secs(5);

/// An answer that is a problem.
pub(crate) struct Refusal(pub(crate) Problem);

type Answer = Result<Response, Refusal>;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/server", get(server))
        .route("/v1/challenges", post(challenge))
        .route("/v1/sessions", post(open))
        .route("/v1/presence", put(publish).delete(withdraw))
        .route("/v1/events", get(stream))
        .route("/v1/changes", get(changes))
        .route("/v1/rings", post(ring))
        .route("/v1/probes", post(probe))
        .route("/healthz", get(health))
        .fallback(async || Refusal(Problem::new(ProblemCode::NotFound)))
        .method_not_allowed_fallback(async || Refusal(Problem::new(ProblemCode::MethodNotAllowed)))
        .with_state(shared)
}

/// What is answered without a session.
pub(crate) const PUBLIC: [&str; 4] = ["/v1/server", "/v1/challenges", "/healthz", "/metrics"];

/// For those who look after the server, on an address of its own.
pub(crate) fn metrics_router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .fallback(async || StatusCode::NOT_FOUND)
        .with_state(shared)
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let text = crate::metrics::page(&shared.counters, &shared.gauges());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    if shared.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    (StatusCode::OK, "ok\n").into_response()
}

async fn server(State(shared): State<Arc<Shared>>) -> Answer {
    json(StatusCode::OK, &shared.hello)
}

async fn challenge(State(shared): State<Arc<Shared>>) -> Answer {
    let nonce = shared.challenges.make(Instant::now());
    json(StatusCode::OK, &Challenge { nonce, expires_in_s: CHALLENGE_S })
}

/// Who has proved to be a device and a member of its groups gets a token for it.
async fn open(
    State(shared): State<Arc<Shared>>,
    Extension(from): Extension<ClientAddress>,
    body: Body,
) -> Answer {
    let request: SessionRequest = read(body, MAX_BODY_BYTES, &shared).await?;
    let now = Instant::now();
    let unproved = |what: &str| {
        shared.counters.proofs_refused.add(1);
        Problem::new(ProblemCode::BadProof).with_detail(what)
    };
    if shared.challenges.check(&request.nonce, now).is_err() {
        return Err(unproved("the challenge is not this server's, or too old").into());
    }
    let limits = &shared.limiters;
    let address = limit_key(from.ip());
    // A device that asks too often takes nobody's turn. Only what it has proved to be its own counts against it.
    let claimed = device_of_key(request.key.as_bytes());
    limits.sessions.peek(&claimed, now).map_err(|wait| shared.limited(wait))?;
    // Keys cost nothing: who makes up a new one for each request has an address all the same.
    limits.attempts.take(&address, now).map_err(|wait| shared.limited(wait))?;
    // Checking proofs is the costly part; a turn is taken by those alone who may come in.
    shared.turnstile.peek(&(), now).map_err(|wait| shared.turned_away(wait))?;
    let (device, groups) = prove(&shared, &request).map_err(unproved)?;
    // Before anything is counted against the device: who plays its request again costs it nothing.
    if shared.challenges.use_up(&request.nonce, now).is_err() {
        return Err(unproved("the challenge has been used").into());
    }
    limits.sessions.take(device, now).map_err(|wait| shared.limited(wait))?;
    if !shared.sessions.has_room_for(device, address, now) {
        return Err(shared
            .limited(COME_BACK * 6)
            .with_detail("too many devices of this address")
            .into());
    }
    if !shared.sessions.knows(device) {
        limits.new_devices.take(address, now).map_err(|wait| shared.limited(wait))?;
    }
    shared.turnstile.take(&(), now).map_err(|wait| shared.turned_away(wait))?;
    let token = shared.random_token();
    if !shared.sessions.open(&token, device, groups, address, now) {
        return Err(shared.turned_away(COME_BACK).into());
    }
    shared.counters.sessions.add(1);
    debug!(device = %device.short(), "session opened");
    let device = manyhands_wire::Digest(*device.as_bytes());
    let statement = server_statement(&shared.hello.id, &device, &request.client_nonce);
    let signature = shared.identity.sign(&statement);
    let signature = signature.ok().and_then(|signature| Blob::new(signature).ok());
    let answer = SessionAnswer {
        token,
        expires_in_s: SESSION_S,
        now_s: now_s(),
        observed: Text::cut(&from.ip().to_string()),
        signature: signature.ok_or_else(|| Problem::new(ProblemCode::Internal))?,
    };
    json(StatusCode::CREATED, &answer)
}

/// The device and the groups of a request; or what does not hold.
fn prove(
    shared: &Shared,
    request: &SessionRequest,
) -> Result<(PeerId, Arc<[GroupId]>), &'static str> {
    let server = &shared.hello.id;
    let keys = request.groups.iter().map(|group| group.key.as_bytes());
    let statement = session_statement(server, &request.nonce, &request.client_nonce, keys);
    let device = verify(request.key.as_bytes(), &statement, request.signature.as_bytes())
        .map_err(|_| "the device's signature does not hold")?;
    let digest = manyhands_wire::Digest(*device.as_bytes());
    let statement = group_statement(server, &request.nonce, &digest);
    let mut groups = Vec::with_capacity(request.groups.len());
    for proof in request.groups.iter() {
        let key = proof.key.as_bytes().first_chunk().filter(|_| proof.key.as_bytes().len() == 32);
        let group = key.map(|key| verify_group(key, &statement, proof.signature.as_bytes()));
        let group = group.and_then(Result::ok).ok_or("a proof of being a member does not hold")?;
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    // A cursor names a group by its place among them: the next session may name them in another order.
    groups.sort_unstable();
    Ok((device, groups.into()))
}

async fn publish(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Answer {
    let session = authorize(&shared, &headers)?;
    let publication: Publication = read(body, MAX_PUBLICATION_BYTES, &shared).await?;
    // Each record costs as much as a request, of which one has been counted.
    let others = u32::try_from(publication.records.len()).unwrap_or(u32::MAX).saturating_sub(1);
    shared.limiters.requests.charge(&session.device, others, Instant::now());
    let (mut records, mut ttl) = (Vec::with_capacity(publication.records.len()), Duration::MAX);
    for signed in publication.records.iter() {
        let record = match take_in(&session, signed) {
            Ok(record) => record,
            Err(problem) => {
                shared.counters.records_refused.add(1);
                return Err(problem.into());
            }
        };
        if records.iter().any(|other: &NewRecord| other.group == record.group) {
            shared.counters.records_refused.add(1);
            return Err(refused("two records of one group").into());
        }
        ttl = ttl.min(record.ttl);
        records.push(record);
    }
    let count = records.len() as u64;
    shared.store.publish(session.device, records).await.map_err(|why| shared.refuse(why))?;
    shared.counters.records.add(count);
    let next_after_ms = u64::try_from(shared.next_publication(ttl).as_millis()).unwrap_or(0);
    json(StatusCode::OK, &Published { next_after_ms })
}

/// A record as the store takes it, or what is wrong with it.
fn take_in(session: &Session, signed: &SignedRecord) -> Result<NewRecord, Problem> {
    let now_s = now_s();
    let (device, record) = check_record(signed, now_s).map_err(|error| match error {
        RecordError::Time(TimeError::Expired | TimeError::Future) => {
            let detail = format!("{error}; the server's time is {now_s}");
            Problem::new(ProblemCode::ClockSkew).with_detail(&detail)
        }
        error => refused(&error.to_string()),
    })?;
    if device != session.device {
        return Err(refused("a record of another device than the session's"));
    }
    let group = GroupId::from_digest(record.group.0);
    if !session.groups.contains(&group) {
        return Err(Problem::new(ProblemCode::NotMember));
    }
    let told = (&record.addresses, &record.features, &record.name);
    let told = serde_json::to_vec(&told).map_err(|_| Problem::new(ProblemCode::Internal))?;
    let content = Sha256::digest(&told).first_chunk().copied().unwrap_or_default();
    let event = RendezvousEvent::Present { record: signed.clone() };
    let json = serde_json::to_vec(&event).map_err(|_| Problem::new(ProblemCode::Internal))?;
    let ttl = Duration::from_secs(record.ttl_s.into());
    Ok(NewRecord { group, seq: record.seq, ttl, content, json: json.into() })
}

/// `?group=ID`: leaves this group only.
async fn withdraw(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let session = authorize(&shared, &headers)?;
    let query = query.unwrap_or_default();
    let group = value(&query, "group").map(str::parse).transpose();
    let group = group.map_err(|_| Problem::new(ProblemCode::Malformed))?;
    shared.store.withdraw(session.device, group).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn stream(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let session = authorize(&shared, &headers)?;
    let query = query.unwrap_or_default();
    let last = headers.get("last-event-id").and_then(|last| last.to_str().ok());
    let cursor = last.or_else(|| value(&query, "cursor"));
    let subscription = subscribe(&shared, &session, cursor, Readers::Stream).await?;
    Ok(events::stream(shared.clone(), session, subscription))
}

async fn changes(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let session = authorize(&shared, &headers)?;
    let query = query.unwrap_or_default();
    let wait: u64 = match value(&query, "wait") {
        None => 0,
        Some(text) => text.parse().map_err(|_| Problem::new(ProblemCode::Malformed))?,
    };
    let wait = Duration::from_secs(wait.min(MAX_WAIT_S.into()));
    let cursor = value(&query, "cursor");
    let subscription = subscribe(&shared, &session, cursor, Readers::Poll).await?;
    let body = events::changes(&shared, subscription, cursor, wait).await;
    Ok(json_bytes(StatusCode::OK, body))
}

async fn subscribe(
    shared: &Shared,
    session: &Session,
    cursor: Option<&str>,
    readers: Readers,
) -> Result<Box<dyn Subscription>, Problem> {
    if cursor.is_some_and(|cursor| cursor.len() > MAX_CURSOR_BYTES) {
        return Err(Problem::new(ProblemCode::Malformed));
    }
    let groups = session.groups.clone();
    let subscribed = shared.store.subscribe(session.device, groups, cursor, readers).await;
    subscribed.map_err(|why| shared.refuse(why))
}

async fn ring(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Answer {
    let session = authorize(&shared, &headers)?;
    let ring: Ring = read(body, MAX_BODY_BYTES, &shared).await?;
    let (group, to) = (GroupId::from_digest(ring.group.0), PeerId::from_digest(ring.to.0));
    if !session.groups.contains(&group) {
        return Err(Problem::new(ProblemCode::NotMember).into());
    }
    let (now, limits) = (Instant::now(), &shared.limiters);
    limits.rings_sent.take(session.device, now).map_err(|wait| shared.limited(wait))?;
    let unknown = || Refusal(Problem::new(ProblemCode::UnknownMember));
    if to == session.device || !shared.store.is_present(group, to).await {
        return Err(unknown());
    }
    limits.rings_received.take(to, now).map_err(|wait| shared.limited(wait))?;
    if !shared.store.ring(group, session.device, to).await {
        return Err(unknown());
    }
    shared.counters.rings.add(1);
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn probe(
    State(shared): State<Arc<Shared>>,
    Extension(from): Extension<ClientAddress>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let session = authorize(&shared, &headers)?;
    let Probe { port } = read(body, MAX_BODY_BYTES, &shared).await?;
    let refused = |why| Problem::new(ProblemCode::ProbeRefused).with_detail(why);
    if port < MIN_PORT {
        return Err(refused("a port of the system's services").into());
    }
    let ClientAddress::Known(ip) = from else {
        return Err(refused("the proxy does not say who asks").into());
    };
    // Behind a proxy on the same machine that is not known as one, everybody would be this machine.
    if shared.config.plain_http && ip.is_loopback() {
        return Err(refused("the server cannot tell who asks").into());
    }
    if !shared.prober.may_ask(ip) {
        return Err(refused("an address of this machine, or of no other one").into());
    }
    let limit = &shared.limiters.probes;
    limit.take(session.device, Instant::now()).map_err(|wait| shared.limited(wait))?;
    let probed = shared.prober.probe(session.device, ip, port).await;
    let mut probed = probed.ok_or_else(|| shared.turned_away(COME_BACK))?;
    let pause_ms = 60_000 / u64::from(shared.config.limits.probes_per_device_per_min);
    probed.retry_after_ms = Some(pause_ms);
    shared.counters.probes.add(1);
    json(StatusCode::OK, &probed)
}

/// The session of a request, within what its device may ask.
fn authorize(shared: &Shared, headers: &HeaderMap) -> Result<Arc<Session>, Problem> {
    let now = Instant::now();
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|text| text.strip_prefix("Bearer ")?.parse().ok());
    let session = token.and_then(|token| shared.sessions.find(&token, now));
    let session = session.ok_or_else(|| Problem::new(ProblemCode::NoSession))?;
    let limit = &shared.limiters.requests;
    limit.take(session.device, now).map_err(|wait| shared.limited(wait))?;
    Ok(session)
}

impl Shared {
    /// One asks too often.
    fn limited(&self, wait: Duration) -> Problem {
        self.counters.limited.add(1);
        come_back(ProblemCode::TooMany, wait)
    }

    /// It is too much for the server.
    pub(crate) fn turned_away(&self, wait: Duration) -> Problem {
        self.counters.turned_away.add(1);
        come_back(ProblemCode::Busy, wait).with_detail("the server has too much to do")
    }

    fn refuse(&self, why: StoreRefusal) -> Problem {
        match why {
            StoreRefusal::Old { group, last_seq } => {
                self.counters.records_refused.add(1);
                let mut problem = Problem::new(ProblemCode::RecordOld);
                problem.last_seq = NonZeroU64::new(last_seq);
                problem.with_detail(&format!("group {group}"))
            }
            StoreRefusal::GroupFull(group) => {
                self.limited(COME_BACK * 6).with_detail(&format!("group {group} is full"))
            }
            StoreRefusal::ChangesTooOften(group, wait) => {
                self.limited(wait).with_detail(&format!("group {group} is told too often"))
            }
            StoreRefusal::TooManyGroups => {
                self.limited(COME_BACK).with_detail("the device is in too many groups")
            }
            StoreRefusal::Full | StoreRefusal::Unavailable => self.turned_away(COME_BACK),
        }
    }
}

/// A little later than they have to, so that those who were told the same do not come together.
fn come_back(code: ProblemCode, wait: Duration) -> Problem {
    let least = wait.max(Duration::from_millis(100));
    let wait = least.mul_f64(rand::rng().random_range(1.0..1.25));
    let mut problem = Problem::new(code);
    problem.retry_after_ms = u64::try_from(wait.as_millis()).ok();
    problem
}

fn refused(why: &str) -> Problem {
    Problem::new(ProblemCode::RecordRefused).with_detail(why)
}

/// Seconds since 1970.
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A JSON body within its bounds.
async fn read<T: DeserializeOwned>(
    body: Body,
    most_bytes: usize,
    shared: &Shared,
) -> Result<T, Problem> {
    let whole = Limited::new(body, most_bytes).collect();
    let bytes = match tokio::time::timeout(shared.config.times.body, whole).await {
        Err(_) => return Err(Problem::new(ProblemCode::TooSlow)),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(Problem::new(ProblemCode::TooLarge));
        }
        Ok(Err(_)) => return Err(Problem::new(ProblemCode::Malformed)),
        Ok(Ok(body)) => body.to_bytes(),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(ProblemCode::Malformed).with_detail(&error.to_string()))
}

/// What a query says of `name`, as it is written: the values of this protocol need no escapes.
fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn json<T: Serialize>(status: StatusCode, message: &T) -> Answer {
    let body = serde_json::to_vec(message).map_err(|_| Problem::new(ProblemCode::Internal))?;
    Ok(json_bytes(status, body.into()))
}

fn json_bytes(status: StatusCode, body: Bytes) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let status = StatusCode::from_u16(problem.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = Bytes::from(serde_json::to_vec(&problem).unwrap_or_default());
        let mut answer = (status, [(CONTENT_TYPE, PROBLEM_CONTENT_TYPE)], body).into_response();
        let headers = answer.headers_mut();
        if let Some(wait) = problem.retry_after_ms {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.div_ceil(1000)));
        }
        // The next try costs a handshake; what is left of a body that was too large is not read.
        let ends = [ProblemCode::BadProof, ProblemCode::TooLarge, ProblemCode::TooSlow];
        if problem.code().is_some_and(|code| ends.contains(&code)) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer.extensions_mut().insert(IsProblem);
        answer
    }
}

/// Marks an answer, to be counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsProblem;
