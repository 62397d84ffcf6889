//! Messages: JSON there and back.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use manyhands_wire::{Problem, ProblemCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Answer;

/// A JSON body of at most `max_bytes` that is complete within `patience`.
///
/// # Errors
/// `too-slow`, `too-large`, `malformed`.
pub async fn read_json<T: DeserializeOwned>(
    body: Body,
    max_bytes: usize,
    patience: Duration,
) -> Result<T, Problem> {
    let whole = tokio::time::timeout(patience, Limited::new(body, max_bytes).collect()).await;
    let bytes = match whole {
        Err(_) => return Err(Problem::new(ProblemCode::TooSlow)),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(Problem::new(ProblemCode::TooLarge));
        }
        Ok(Err(_)) => return Err(Problem::new(ProblemCode::Malformed)),
        Ok(Ok(body)) => body.to_bytes(),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(ProblemCode::Malformed).with_detail(&error.to_string()))
}

/// What a query says of `name`, as it is written: the values of our protocols need no escapes.
#[must_use]
pub fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// An answer that is one message.
///
/// # Errors
/// It cannot be written as JSON: `internal`.
pub fn json<T: Serialize>(status: StatusCode, message: &T) -> Answer {
    let body = serde_json::to_vec(message).map_err(|_| Problem::new(ProblemCode::Internal))?;
    Ok(json_bytes(status, body.into()))
}

/// … that is JSON already.
#[must_use]
pub fn json_bytes(status: StatusCode, body: Bytes) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use axum::body::HttpBody;
    use hyper::body::Frame;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A body of which nothing comes.
    struct Silent;

    impl HttpBody for Silent {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_within_its_bounds() {
        let read = async |body: Body| read_json::<Vec<u8>>(body, 8, PATIENCE).await;
        let code = async |body: Body| read(body).await.unwrap_err().code();
        assert_eq!(read(Body::from("[1,2,30]")).await.unwrap(), [1, 2, 30]);
        assert_eq!(code(Body::from("[1,2,300]")).await, Some(ProblemCode::TooLarge));
        assert_eq!(code(Body::from("[1,2")).await, Some(ProblemCode::Malformed));
        assert_eq!(code(Body::from("[1]]")).await, Some(ProblemCode::Malformed));
        assert_eq!(code(Body::new(Silent)).await, Some(ProblemCode::TooSlow));
    }

    #[test]
    fn a_query_says_what_it_says() {
        assert_eq!(query_value("a=1&bb=2&b=3", "b"), Some("3"));
        assert_eq!(query_value("a&b", "a"), None);
        assert_eq!(query_value("a=", "a"), Some(""));
    }
}
