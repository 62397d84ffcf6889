//! Answers that are problems (RFC 9457).

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use manyhands_wire::{PROBLEM_CONTENT_TYPE, Problem, ProblemCode};

/// An answer that is a problem.
#[derive(Debug)]
pub struct Refusal(pub Problem);

/// What is answered to one request.
pub type Answer = Result<Response, Refusal>;

/// Put beside an answer that is a problem, for whoever sends it.
#[derive(Clone, Copy, Debug)]
pub struct IsProblem(pub Option<ProblemCode>);

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
        if let Some(wait) = problem.retry_after_ms {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.div_ceil(1000)));
        }
        answer.extensions_mut().insert(IsProblem(problem.code()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_when_to_come_back_in_whole_seconds_and_no_earlier() {
        let mut problem = Problem::new(ProblemCode::TooMany);
        problem.retry_after_ms = Some(1_001);
        let answer = Refusal(problem).into_response();
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers()[RETRY_AFTER], "2");
        assert_eq!(answer.headers()[CONTENT_TYPE], PROBLEM_CONTENT_TYPE);
        let IsProblem(code) = answer.extensions().get().unwrap();
        assert_eq!(*code, Some(ProblemCode::TooMany));
    }
}
