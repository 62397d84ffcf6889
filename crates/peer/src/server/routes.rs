//! The paths of `/v1` and what each answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
pub(super) use manyhands_serve::{Answer, Refusal, json};
use manyhands_serve::{query_value, read_json};
use manyhands_wire::{
    EndReport, HelpRequest, MAX_BODY_BYTES, MAX_WAIT_S, Mode, OriginName, Problem, ProblemCode,
    Source,
};
use serde::de::DeserializeOwned;

use super::connection::Caller;
use super::session::{Session, parse_id};
use super::{Shared, content, pairing};

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/hello", get(hello))
        .route("/v1/help-requests", post(ask))
        .route("/v1/help-requests/{id}", get(state).delete(withdraw))
        .route("/v1/help-requests/{id}/source", put(source))
        .route("/v1/help-requests/{id}/content", get(content::content))
        .route("/v1/help-requests/{id}/end", post(end))
        .merge(pairing::router())
        .fallback(async || Refusal(Problem::new(ProblemCode::NotFound)))
        .method_not_allowed_fallback(async || Refusal(Problem::new(ProblemCode::MethodNotAllowed)))
        .with_state(shared)
}

async fn hello(State(shared): State<Arc<Shared>>) -> Answer {
    let hello = shared.hello.borrow().clone();
    json(StatusCode::OK, &hello)
}

async fn ask(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Answer {
    let request: HelpRequest = read(body, shared.waits.body).await?;
    let session = shared.sessions.ask(caller.id, caller.address, request)?;
    let mut answer = state_answer(StatusCode::CREATED, &session)?;
    let location = format!("/v1/help-requests/{}", session.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}

/// `?wait=25`: answers when the state is no longer pending, `&since=N`: when the revision is above
/// N; at the latest after that many seconds.
async fn state(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let session = shared.sessions.find(parse_id(&id)?, caller.id)?;
    let query = query.unwrap_or_default();
    if let Some(wait) = number(&query, "wait")? {
        let wait = Duration::from_secs(wait.min(u64::from(MAX_WAIT_S)));
        let since = number(&query, "since")?.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        session.changed(&shared.sessions, since, wait).await;
    }
    state_answer(StatusCode::OK, &session)
}

async fn withdraw(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    let session = shared.sessions.find(parse_id(&id)?, caller.id)?;
    shared.sessions.end_by_requester(&session, None);
    state_answer(StatusCode::OK, &session)
}

async fn end(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Body,
) -> Answer {
    let session = shared.sessions.find(parse_id(&id)?, caller.id)?;
    let report: EndReport = read(body, shared.waits.body).await?;
    shared.sessions.end_by_requester(&session, Some(report));
    state_answer(StatusCode::OK, &session)
}

/// The link, for a helper that has accepted: only to an origin that the prompt has shown.
async fn source(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Body,
) -> Answer {
    let session = shared.sessions.find(parse_id(&id)?, caller.id)?;
    session.require_mode(Mode::Fetch)?;
    let source: Source = read(body, shared.waits.body).await?;
    let consented =
        OriginName::of(source.url()).is_ok_and(|origin| session.request.origins.contains(&origin));
    if !consented {
        return Err(Problem::new(ProblemCode::NotConsented).into());
    }
    session.set_source(source)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A JSON body within the bounds of the protocol.
pub(super) async fn read<T: DeserializeOwned>(
    body: Body,
    patience: Duration,
) -> Result<T, Problem> {
    read_json(body, MAX_BODY_BYTES, patience).await
}

/// The number `name` of a query. What is no number is refused; what is not asked for is passed
/// over.
pub(super) fn number(query: &str, name: &str) -> Result<Option<u64>, Problem> {
    query_value(query, name)
        .map(|value| match value.bytes().all(|b| b.is_ascii_digit()) {
            true => value.parse().map_err(|_| Problem::new(ProblemCode::Malformed)),
            false => Err(Problem::new(ProblemCode::Malformed)),
        })
        .transpose()
}

fn state_answer(status: StatusCode, session: &Session) -> Answer {
    json(status, &session.state())
}
