//! The requests of `/v1`.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use manyhands_core::{HelpAnswer, HelpEnd, HelpId, Identity, PeerId};
use manyhands_wire::{
    EndReport, Hello, HelpRequest, HelpRequestState, HelpState, MAX_BODY_BYTES, MAX_WAIT_S,
    PENDING_S, Problem, ProblemCode, Source,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};
use url::Url;

use super::pool::{Answered, Connection};
use super::{CallError, RemotePeer};
use crate::convert::{answer_of, end_reason, help_id, request_id, source_validator};

/// A prompt stands for [`PENDING_S`]; with this on top a helper that never says so is taken for
/// lost.
const GRACE: Duration = Duration::from_secs(8);

impl RemotePeer {
    /// Who are you, what can you do, are you lending. A peer that has answered this is online.
    ///
    /// # Errors
    /// It cannot be reached, is somebody else, or speaks no version that this one does.
    pub async fn hello(&self) -> Result<Hello, CallError> {
        self.greet().await.map(|(_, hello)| hello)
    }

    /// As [`Self::hello`], with the id that was proved.
    pub(super) async fn greet(&self) -> Result<(PeerId, Hello), CallError> {
        let (response, connection) = self.call::<()>(Method::GET, "/v1/hello", None).await?;
        let peer = connection.peer;
        let hello: Hello = self.read(response, connection, StatusCode::OK).await?;
        if !hello.is_compatible() {
            return Err(CallError::Nonsense("no common version of the protocol"));
        }
        Ok((peer, hello))
    }

    /// Asks for help. The answer comes later: [`Self::decision`].
    ///
    /// # Errors
    /// [`CallError::Lost`]: it may have been asked or not; asking again would show a second prompt.
    pub async fn ask(&self, request: &HelpRequest) -> Result<HelpId, CallError> {
        let (response, connection) =
            self.call(Method::POST, "/v1/help-requests", Some(request)).await?;
        let state: HelpRequestState = self.read(response, connection, StatusCode::CREATED).await?;
        Ok(help_id(state.id))
    }

    /// Waits for the helper's answer.
    ///
    /// # Errors
    /// [`CallError::Lost`], [`CallError::Unreachable`]: the helper is gone.
    /// [`CallError::Nonsense`]: it took longer than a prompt stands, or the request was taken back.
    pub async fn decision(&self, id: HelpId) -> Result<HelpAnswer, CallError> {
        let deadline = Instant::now() + Duration::from_secs(u64::from(PENDING_S)) + GRACE;
        while Instant::now() < deadline {
            let state = self.poll(id, None, MAX_WAIT_S).await?;
            if !matches!(state.state, HelpState::Pending { .. }) {
                return answer_of(&state.state)
                    .ok_or(CallError::Nonsense("the request was over before its answer"));
            }
        }
        Err(CallError::Nonsense("the request never expires"))
    }

    /// One long poll: the state as soon as its revision is above `since` (without: as soon as it is
    /// not pending), or after `wait_s`, at most [`MAX_WAIT_S`]. Keeping one under way through a
    /// session shows the helper that somebody is there, and tells at once when the helper ends it.
    ///
    /// # Errors
    /// As of any call.
    pub async fn poll(
        &self,
        id: HelpId,
        since: Option<u32>,
        wait_s: u16,
    ) -> Result<HelpRequestState, CallError> {
        let wait_s = wait_s.min(MAX_WAIT_S);
        let since = since.map_or_else(String::new, |revision| format!("&since={revision}"));
        let request = self.request(Method::GET, &path(id, &format!("?wait={wait_s}{since}")))?;
        let wait = self.inner.waits.answer + Duration::from_secs(u64::from(wait_s));
        let (response, connection) = self.inner.send(request, wait).await?;
        self.state(response, connection, id).await
    }

    /// Gives the link to a helper that has accepted. Without user info; the link's origin must be
    /// one that was asked for.
    ///
    /// # Errors
    /// [`CallError::Link`]: the link must not be given away; nothing was sent.
    pub async fn give_source(
        &self,
        id: HelpId,
        url: &Url,
        known: &Identity,
    ) -> Result<(), CallError> {
        let validator = source_validator(&known.validator);
        let source = Source::new(url.clone(), known.length, validator).map_err(CallError::Link)?;
        let path = path(id, "/source");
        let (response, connection) = self.call(Method::PUT, &path, Some(&source)).await?;
        if response.status() != StatusCode::NO_CONTENT {
            return Err(self.problem(response).await);
        }
        self.inner.pool.put(connection);
        Ok(())
    }

    /// Takes a request back, or ends a session without a count. Doing it twice changes nothing.
    ///
    /// # Errors
    /// As of any call; the helper then notices by itself that nobody is there.
    pub async fn withdraw(&self, id: HelpId) -> Result<HelpRequestState, CallError> {
        let (response, connection) = self.call::<()>(Method::DELETE, &path(id, ""), None).await?;
        self.state(response, connection, id).await
    }

    /// Ends a session and says what it came to. The answer holds the helper's count.
    ///
    /// # Errors
    /// As of any call; the helper then notices by itself that nobody is there.
    pub async fn end(
        &self,
        id: HelpId,
        reason: HelpEnd,
        received_bytes: u64,
        used_bytes: u64,
    ) -> Result<HelpRequestState, CallError> {
        let report = EndReport { reason: end_reason(reason), received_bytes, used_bytes };
        let (response, connection) =
            self.call(Method::POST, &path(id, "/end"), Some(&report)).await?;
        self.state(response, connection, id).await
    }

    async fn state(
        &self,
        response: Response<Incoming>,
        connection: Connection,
        id: HelpId,
    ) -> Result<HelpRequestState, CallError> {
        let state: HelpRequestState = self.read(response, connection, StatusCode::OK).await?;
        if state.id != request_id(id) {
            return Err(CallError::Nonsense("the state of another request"));
        }
        Ok(state)
    }

    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        // A host is required by HTTP/1.1; who is meant is settled by the key.
        Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "peer.invalid")
            .body(Full::default())
            .map_err(|_| CallError::Nonsense("a path that HTTP does not allow"))
    }

    pub(super) async fn call<T: Serialize>(
        &self,
        method: Method,
        path: &str,
        message: Option<&T>,
    ) -> Result<Answered, CallError> {
        let mut request = self.request(method, path)?;
        if let Some(message) = message {
            let json = serde_json::to_vec(message)
                .map_err(|_| CallError::Nonsense("a message that JSON does not allow"))?;
            *request.body_mut() = Full::new(Bytes::from(json));
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
        }
        self.inner.send(request, self.inner.waits.answer).await
    }

    /// The message in an answer with the status `expected`; any other status is a problem. The
    /// connection is kept.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        response: Response<Incoming>,
        connection: Connection,
        expected: StatusCode,
    ) -> Result<T, CallError> {
        if response.status() != expected {
            return Err(self.problem(response).await);
        }
        let bytes = self.collect(response).await?;
        self.inner.pool.put(connection);
        serde_json::from_slice(&bytes).map_err(|_| CallError::Nonsense("not the expected message"))
    }

    /// What an answer without the expected status says.
    pub(super) async fn problem(&self, response: Response<Incoming>) -> CallError {
        let (status, retry_after_ms) = (response.status(), retry_after_ms(response.headers()));
        if !status.is_client_error() && !status.is_server_error() {
            // A redirect too: peers do not send us elsewhere.
            return CallError::Nonsense("an answer with an unexpected status");
        }
        let document = match self.collect(response).await {
            Ok(bytes) => serde_json::from_slice::<Problem>(&bytes).ok(),
            Err(error) => return error,
        };
        let mut problem = document.unwrap_or_else(|| Problem {
            kind: Default::default(),
            ..Problem::new(ProblemCode::Internal)
        });
        problem.status = status.as_u16();
        problem.retry_after_ms = problem.retry_after_ms.or(retry_after_ms);
        CallError::Problem(Box::new(problem))
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<Bytes, CallError> {
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES);
        match timeout(self.inner.waits.answer, body.collect()).await {
            Err(_) => Err(CallError::Lost(io::ErrorKind::TimedOut.into())),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                Err(CallError::Nonsense("an answer that is too long"))
            }
            Ok(Err(error)) => Err(CallError::Lost(io::Error::other(error))),
            Ok(Ok(body)) => Ok(body.to_bytes()),
        }
    }
}

pub(super) fn path(id: HelpId, rest: &str) -> String {
    format!("/v1/help-requests/{id}{rest}")
}

fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let seconds: u32 = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(u64::from(seconds) * 1000)
}
