//! What the server shall do wrong; the default is a good server.

use std::collections::BTreeMap;
use std::time::Duration;

/// How the server behaves. Every path serves the same file, unless [`Behaviour::paths`] says otherwise.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Length of the file.
    pub bytes: u64,
    /// The file's content is [`crate::content`] of this seed.
    pub seed: u64,

    pub ranges: Ranges,
    pub framing: Framing,
    /// The value of `Accept-Ranges`; nobody should believe it.
    pub accept_ranges: Option<String>,
    /// Sent as it is, quotes included.
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    pub content_type: Option<String>,
    pub content_disposition: Option<String>,
    /// The header only: the body stays what it is.
    pub content_encoding: Option<String>,
    pub extra_headers: Vec<(String, String)>,

    /// After so many answers from the file it is another one: next seed, ETag `"changed"`, a later time.
    pub change_after: Option<usize>,
    /// The first requests for the file are answered by these, one each.
    pub script: Vec<Reply>,
    /// Paths that do not serve the file.
    pub paths: BTreeMap<String, Reply>,
    /// More answers than this at the same time get [`Behaviour::over_limit`].
    pub max_connections: Option<usize>,
    pub over_limit: Reply,
    /// The file is served once, every later request is answered 403.
    pub one_time: bool,
    /// User and password; without them the answer is 401.
    pub login: Option<(String, String)>,
    /// Whether a connection may carry more than one request.
    pub keep_alive: bool,

    pub delay_before_head: Duration,
    /// In bytes of one answer's body: then the connection is closed in order.
    pub close_after_bytes: Option<u64>,
    /// In bytes of one answer's body: then the connection is reset.
    pub reset_after_bytes: Option<u64>,
    /// In bytes of one answer's body: then nothing comes any more.
    pub stall_after_bytes: Option<u64>,
    /// How many answers suffer from the three above and [`Behaviour::corrupt_byte_at`].
    pub faulty_answers: usize,
    /// The byte at this offset of the file is sent inverted.
    pub corrupt_byte_at: Option<u64>,

    /// Bytes per second.
    pub rate_per_connection: Option<u64>,
    /// Bytes per second, shared by all connections of one client address.
    pub rate_per_address: Option<u64>,
    /// Bytes per second, shared by everybody.
    pub rate_total: Option<u64>,
}

/// What becomes of a `Range` header. Without one every variant sends the whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// As RFC 9110 §14 wants it.
    Honour,
    /// 200 and the whole file.
    Ignore,
    /// The answer begins so many bytes later than asked, and says so.
    WrongStart(u64),
    /// The answer ends so many bytes early, and says so; one byte is always sent.
    Shorter(u64),
    /// The answer has at most so many bytes, and says so.
    AtMost(u64),
    /// The body is so many bytes longer than `Content-Range` says.
    Longer(u64),
    /// The answer ends so many bytes later than asked, and says so.
    PastEnd(u64),
    /// `Content-Range` names this total.
    OtherTotal(u64),
    /// `Content-Range` names no total.
    UnknownTotal,
    /// 206 without `Content-Range`.
    NoContentRange,
    /// This `Content-Range`, with `{first}`, `{last}` and `{total}` filled in.
    Written(String),
    /// 206 `multipart/byteranges` with one part.
    Multipart,
    /// 416 with `Content-Range: bytes */n`.
    NotSatisfiable(u64),
}

/// How the client learns where a body ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    Length,
    /// In chunks of so many bytes.
    Chunked(usize),
    /// Like `Chunked`, but the connection ends without the last chunk.
    ChunkedTruncated(usize),
    /// Chunked, with a `Content-Length` that does not matter (RFC 9112 §6.3).
    ChunkedWithLength(usize, u64),
    /// The body ends with the connection.
    UntilClose,
    /// This `Content-Length`, whatever it is.
    WrittenLength(String),
}

/// An answer that is not the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The file after all.
    Serve,
    /// Only a status and perhaps a `Retry-After`.
    Status(u16, Option<String>),
    /// A status and a `Location`.
    Redirect(u16, String),
    /// 200 with this content type and body.
    Body(String, Vec<u8>),
    /// These bytes instead of an answer, then the connection is closed.
    Raw(Vec<u8>),
    /// The connection is closed without a byte.
    Nothing,
}

impl Reply {
    /// A 302 to `location`.
    #[must_use]
    pub fn to(location: impl Into<String>) -> Self {
        Self::Redirect(302, location.into())
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            seed: 0,
            ranges: Ranges::Honour,
            framing: Framing::Length,
            accept_ranges: Some("bytes".into()),
            etag: Some("\"first\"".into()),
            last_modified: Some("Sun, 06 Nov 1994 08:49:37 GMT".into()),
            content_type: Some("application/octet-stream".into()),
            content_disposition: None,
            content_encoding: None,
            extra_headers: Vec::new(),
            change_after: None,
            script: Vec::new(),
            paths: BTreeMap::new(),
            max_connections: None,
            over_limit: Reply::Status(403, None),
            one_time: false,
            login: None,
            keep_alive: true,
            delay_before_head: Duration::ZERO,
            close_after_bytes: None,
            reset_after_bytes: None,
            stall_after_bytes: None,
            faulty_answers: usize::MAX,
            corrupt_byte_at: None,
            rate_per_connection: None,
            rate_per_address: None,
            rate_total: None,
        }
    }
}
