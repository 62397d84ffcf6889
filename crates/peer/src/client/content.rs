//! A stream of content from a helper.

use std::io;

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED,
    RANGE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use manyhands_core::{AnswerHead, ByteRange, EntityTag, HelpId, Identity, Validator};
use tokio::time::timeout;

use super::calls::path;
use super::pool::Connection;
use super::{CallError, RemotePeer};

/// A helper's answer. Its head goes through the acceptance rule ([`manyhands_core::accept`]) like
/// every other source's, before a byte of the body is used.
#[derive(Debug)]
pub struct Content {
    pub head: AnswerHead,
    pub body: ContentBody,
}

/// The bytes, as they arrive. Dropping it before the end closes the connection, and with it the
/// helper's own fetch.
#[derive(Debug)]
pub struct ContentBody {
    body: Incoming,
    /// `None` once the body has ended and the connection went back.
    connection: Option<Connection>,
    peer: RemotePeer,
}

impl RemotePeer {
    /// Asks the helper of an accepted request, to which the source has been given, for a range.
    /// Each stream runs on a connection of its own.
    ///
    /// # Errors
    /// [`CallError::Problem`] with an `origin-…` code is the origin's doing, seen from the helper;
    /// the session goes on.
    pub async fn content(&self, id: HelpId, range: ByteRange) -> Result<Content, CallError> {
        if range.is_empty() {
            return Err(CallError::Nonsense("an empty range was asked for"));
        }
        let mut request = self.request(Method::GET, &path(id, "/content"))?;
        let value = format!("bytes={}-{}", range.start(), range.end() - 1);
        let value = HeaderValue::from_str(&value)
            .map_err(|_| CallError::Nonsense("a range that HTTP does not allow"))?;
        request.headers_mut().insert(RANGE, value);
        let (response, connection) =
            self.inner.send(request, self.inner.waits.content_head).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(self.problem(response).await);
        }
        let head = head(response.status(), response.headers());
        let body = response.into_body();
        Ok(Content {
            head,
            body: ContentBody { body, connection: Some(connection), peer: self.clone() },
        })
    }
}

impl ContentBody {
    /// The next bytes; `None` at the end of what the head promised.
    ///
    /// # Errors
    /// [`CallError::Lost`]: the helper, or its origin, broke off or fell silent. What has come
    /// before is good.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        let silence = self.peer.inner.waits.content_silence;
        loop {
            let frame = timeout(silence, self.body.frame()).await;
            let frame = frame.map_err(|_| CallError::Lost(io::ErrorKind::TimedOut.into()))?;
            match frame {
                None => {
                    if let Some(connection) = self.connection.take() {
                        self.peer.inner.pool.put(connection);
                    }
                    return Ok(None);
                }
                Some(Err(error)) => return Err(CallError::Lost(io::Error::other(error))),
                Some(Ok(frame)) => {
                    // Trailers are passed over.
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        self.recycle();
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// Gives the connection back with the last byte already: a reader that knows its range does not
    /// ask for the end.
    fn recycle(&mut self) {
        if self.body.is_end_stream()
            && let Some(connection) = self.connection.take()
        {
            self.peer.inner.pool.put(connection);
        }
    }
}

fn head(status: StatusCode, headers: &HeaderMap) -> AnswerHead {
    let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let etag = headers.get(ETAG).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let modified = text(LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(&date).ok());
    let modified = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let validator = Validator {
        etag: etag.and_then(EntityTag::parse),
        last_modified_unix_s: modified.and_then(|since| i64::try_from(since.as_secs()).ok()),
    };
    AnswerHead {
        status: status.as_u16(),
        content_range: text(CONTENT_RANGE),
        body_len: text(CONTENT_LENGTH).and_then(|len| len.parse().ok()),
        content_encoding: text(CONTENT_ENCODING),
        content_type: text(CONTENT_TYPE),
        identity: Identity { length: None, validator },
    }
}
