//! Fetch mode: ranges of the origin, handed on as they arrive.
//!
//! Nothing is stored and nothing runs ahead: the connection asks for the next buffer when the last
//! one has gone out, and only then is the origin read further. Whoever goes away takes the fetch
//! with them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use manyhands_core::{ByteRange, Identity};
use manyhands_wire::{Mode, Problem, ProblemCode};
use tracing::debug;

use super::Shared;
use super::connection::Caller;
use super::routes::Refusal;
use super::session::{Stream, parse_id};
use crate::content::{FetchFailure, FetchOrder, Fetched};
use crate::convert::{etag_text, identity_of};

/// `GET /v1/help-requests/{id}/content` with a range.
pub(super) async fn content(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if method != Method::GET {
        return Err(Problem::new(ProblemCode::MethodNotAllowed).into());
    }
    let session = shared.sessions.find(parse_id(&id)?, caller.id)?;
    session.require_mode(Mode::Fetch)?;
    let left = session.require_accepted()?;
    let source = session.source().ok_or_else(|| Problem::new(ProblemCode::NotReady))?;
    let range = headers.get(RANGE).and_then(|value| value.to_str().ok()).and_then(parse_range);
    let range = range.ok_or_else(|| Problem::new(ProblemCode::BadRange))?;
    let (range, _) = range.split_at(range.start().saturating_add(left));
    if range.is_empty() {
        return Err(Problem::new(ProblemCode::SessionOver).into());
    }
    let stream = session.open_stream(&shared.sessions, &caller.kill)?;
    let order = FetchOrder {
        session: session.id,
        requester: caller.id,
        url: source.url().clone(),
        known: identity_of(&source),
        range,
        consented: session.request.origins.to_vec(),
    };
    let fetched = tokio::time::timeout(shared.waits.origin, shared.content.fetch(order)).await;
    let fetched = fetched.unwrap_or(Err(FetchFailure::Unreachable));
    let fetched = fetched.and_then(|fetched| {
        let fits = fetched.range.start() == range.start()
            && range.contains(fetched.range)
            && !fetched.range.is_empty();
        if fits { Ok(fetched) } else { Err(FetchFailure::BadAnswer) }
    });
    match fetched {
        Ok(fetched) => Ok(answer(fetched, stream)),
        Err(failure) => {
            debug!(request = ?session.id, %failure, "no content for a requester");
            Err(failure.problem().into())
        }
    }
}

fn answer(fetched: Fetched, stream: Stream) -> Response {
    let Fetched { range, identity, body } = fetched;
    let body = CountedBody { body, ready: Bytes::new(), stream, left: range.len() };
    let body = Body::from_stream(stream::try_unfold(body, CountedBody::next));
    let mut answer = (StatusCode::PARTIAL_CONTENT, body).into_response();
    let total = identity.length.map_or("*".to_owned(), |total| total.to_string());
    let content_range = format!("bytes {}-{}/{total}", range.start(), range.end() - 1);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(range.len()));
    if let Ok(value) = HeaderValue::from_str(&content_range) {
        headers.insert(CONTENT_RANGE, value);
    }
    put_validator(headers, &identity);
    answer
}

/// The origin's validator as the origin wrote it.
fn put_validator(headers: &mut HeaderMap, identity: &Identity) {
    let etag = identity.validator.etag.as_ref().map(etag_text);
    if let Some(value) = etag.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()) {
        headers.insert(ETAG, value);
    }
    let modified = identity.validator.last_modified_unix_s.and_then(|s| u64::try_from(s).ok());
    let modified = modified
        .filter(|seconds| *seconds < MAX_HTTP_DATE_S)
        .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    let date = modified.map(httpdate::fmt_http_date);
    if let Some(value) = date.and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(LAST_MODIFIED, value);
    }
}

/// The year 9999 ends here; an HTTP date has four digits for it.
const MAX_HTTP_DATE_S: u64 = 253_402_300_800;

/// One range with a first and a last byte (RFC 9110 §14.1.2). Open ends and several ranges have no
/// use here.
fn parse_range(value: &str) -> Option<ByteRange> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u64>().ok())?
    };
    let end = number(last)?.checked_add(1)?;
    ByteRange::new(number(first)?, end).filter(|range| !range.is_empty())
}

/// What passes, counted against the session's budget and no faster than its limits.
struct CountedBody {
    body: BoxStream<'static, Result<Bytes, FetchFailure>>,
    /// What has come and may not go yet.
    ready: Bytes,
    stream: Stream,
    /// Bytes that the head of the answer has promised and that are still to come.
    left: u64,
}

impl CountedBody {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, FetchFailure> {
        if self.left == 0 {
            return Ok(None);
        }
        while self.ready.is_empty() {
            // Promised more than came: the connection breaks, so that the requester sees a short
            // answer as one.
            self.ready = self.body.next().await.unwrap_or(Err(FetchFailure::Unreachable))?;
        }
        let wanted = self.stream.turn(self.left.min(self.ready.len() as u64)).await;
        let allowed = self.stream.take(wanted);
        if allowed == 0 {
            return Err(FetchFailure::Unreachable);
        }
        let allowed_here = usize::try_from(allowed).unwrap_or(usize::MAX);
        let bytes = self.ready.split_to(allowed_here.min(self.ready.len()));
        self.left -= allowed;
        self.stream.end_if_used_up();
        Ok(Some((bytes, self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_closed_range_is_read() {
        assert_eq!(parse_range("bytes=0-0"), Some(ByteRange::from_len(0, 1)));
        assert_eq!(parse_range("bytes=10-99"), Some(ByteRange::from_len(10, 90)));
        for bad in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=0-",
            "bytes=-5",
            "bytes=5-4",
            "bytes=0-1,5-6",
            "bytes=+1-5",
            "bytes= 0-5",
            "0-5",
            "lines=0-5",
            "bytes=0-18446744073709551615",
            "bytes=99999999999999999999-99999999999999999999",
        ] {
            assert_eq!(parse_range(bad), None, "{bad}");
        }
    }
}
