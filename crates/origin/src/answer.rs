//! An answer that passed the acceptance rule, and its bytes.

use std::time::Duration;

use bytes::Bytes;
use manyhands_core::Accepted;
use url::Url;

use crate::error::FetchError;
use crate::ftp::FtpBody;
use crate::trouble;

/// An answer whose bytes may be written.
#[derive(Debug)]
pub struct Answer {
    /// Where the bytes belong, and what the server says of its file.
    pub accepted: Accepted,
    /// Where the bytes came from in the end, without user info.
    pub final_url: Url,
    /// The roots of all origins on the way, the first one first, that of the bytes last; each once.
    pub origins: Vec<Url>,
    /// What the server, or else the link, calls the file; safe as the name of a file in a folder.
    pub suggested_name: Option<String>,
    /// The raw `Content-Type`, at most 256 bytes of it.
    pub content_type: Option<String>,
    pub body: Body,
}

/// The bytes of an answer, as they arrive. Dropping it ends the transfer; unless it was read to its end, the connection is
/// closed.
#[derive(Debug)]
pub struct Body {
    pub(crate) stream: Stream,
    pub(crate) host: String,
    /// How many bytes may still come; `None`: unknown.
    pub(crate) remaining: Option<u64>,
    pub(crate) received_bytes: u64,
    pub(crate) idle_timeout: Duration,
}

#[derive(Debug)]
pub(crate) enum Stream {
    Http(Box<reqwest::Response>),
    Ftp(Box<FtpBody>),
    /// Nothing comes any more.
    Ended,
}

/// How long the end of a body may take after its last byte (the last chunk of a chunked one) before the connection is given
/// up instead of kept.
const END_WAIT: Duration = Duration::from_millis(200);

impl Body {
    /// The next bytes in order; `None` at the end. Nothing past `accepted.end` is ever given out. Safe to cancel: bytes
    /// are not lost when the future is dropped.
    ///
    /// `None` means that all bytes up to `accepted.end` came. Where that is unknown it means that the server ended the
    /// body in order: with a last chunk, or, with HTTP/1.0 framing, by closing the connection (which is then the only
    /// sign there is).
    ///
    /// # Errors
    /// - [`FetchError::Interrupted`]: it ended early. Go on with a new request from where this one ended.
    /// - [`FetchError::Damaged`]: the same, and somebody on the way has changed bytes.
    /// - [`FetchError::Stalled`]: nothing came for the idle timeout. The same.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        if self.remaining == Some(0) {
            self.finish().await;
            return Ok(None);
        }
        match self.next_of_stream().await {
            Ok(Some(mut bytes)) => {
                if let Some(remaining) = &mut self.remaining {
                    bytes.truncate(usize::try_from(*remaining).unwrap_or(usize::MAX));
                    *remaining -= bytes.len() as u64;
                }
                self.received_bytes += bytes.len() as u64;
                Ok(Some(bytes))
            }
            Ok(None) => {
                self.stream = Stream::Ended;
                match self.remaining {
                    None => {
                        self.remaining = Some(0);
                        Ok(None)
                    }
                    Some(_) => Err(FetchError::Interrupted {
                        host: self.host.clone(),
                        received_bytes: self.received_bytes,
                        source: None,
                    }),
                }
            }
            Err(error) => {
                self.stream = Stream::Ended;
                Err(error)
            }
        }
    }

    /// Payload bytes given out so far.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    async fn next_of_stream(&mut self) -> Result<Option<Bytes>, FetchError> {
        let (host, received_bytes) = (&self.host, self.received_bytes);
        loop {
            let next = async {
                match &mut self.stream {
                    Stream::Ended => Ok(None),
                    Stream::Http(response) => {
                        let chunk = response.chunk().await;
                        let note = response.extensions().get();
                        chunk.map_err(|e| trouble::of_http_body(host, received_bytes, e, note))
                    }
                    Stream::Ftp(body) => body
                        .next()
                        .await
                        .map_err(|error| trouble::of_ftp_body(host, received_bytes, error)),
                }
            };
            match tokio::time::timeout(self.idle_timeout, next).await {
                Ok(Ok(Some(bytes))) if bytes.is_empty() => {}
                Ok(next) => return next,
                Err(_) => {
                    if let Stream::Ftp(body) = &mut self.stream {
                        body.abandon();
                    }
                    let (host, after) = (host.clone(), self.idle_timeout);
                    return Err(FetchError::Stalled { host, received_bytes, after });
                }
            }
        }
    }

    /// All bytes are here. Lets a body that ends in order end, so that its connection can be used again; anything else
    /// closes it.
    async fn finish(&mut self) {
        if !matches!(self.stream, Stream::Ended) {
            let _ = tokio::time::timeout(END_WAIT, self.next_of_stream()).await;
        }
        self.stream = Stream::Ended;
    }
}
