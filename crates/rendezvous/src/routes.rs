//! The paths of `/v1` and what each answers.

mod presence;
mod sessions;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use manyhands_core::{GroupId, PeerId};
use manyhands_serve::{Answer, Refusal, json, json_bytes, query_value, read_json};
use manyhands_wire::{MAX_BODY_BYTES, MAX_WAIT_S, Probe, Problem, ProblemCode, Ring};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::address::ClientAddress;
use crate::events;
use crate::probe::MIN_PORT;
use crate::refusals::COME_BACK;
use crate::server::Shared;
use crate::sessions::Session;
use crate::store::{Readers, Subscription};

/// No cursor is longer.
const MAX_CURSOR_BYTES: usize = 64;
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/server", get(server))
        .route("/v1/challenges", post(sessions::challenge))
        .route("/v1/sessions", post(sessions::open))
        .route("/v1/presence", put(presence::publish).delete(presence::withdraw))
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

async fn stream(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let session = authorize(&shared, &headers)?;
    let query = query.unwrap_or_default();
    let last = headers.get("last-event-id").and_then(|last| last.to_str().ok());
    let cursor = last.or_else(|| query_value(&query, "cursor"));
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
    let wait: u64 = match query_value(&query, "wait") {
        None => 0,
        Some(text) => text.parse().map_err(|_| Problem::new(ProblemCode::Malformed))?,
    };
    let wait = Duration::from_secs(wait.min(MAX_WAIT_S.into()));
    let cursor = query_value(&query, "cursor");
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

/// A message within its bounds.
async fn read<T: DeserializeOwned>(
    body: Body,
    max_bytes: usize,
    shared: &Shared,
) -> Result<T, Problem> {
    read_json(body, max_bytes, shared.config.times.body).await
}

/// Seconds since 1970.
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
