//! From a request and a behaviour to the head and the body of an answer.

use std::fmt::Write as _;
use std::ops::Range;

use crate::behaviour::{Behaviour, Framing, Ranges, Reply};
use crate::request::Request;

/// What goes over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// With the empty line at its end.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Body,
    pub(crate) framing: Framing,
    /// Whether the connection ends with this answer.
    pub(crate) close: bool,
    /// Whether the faults of a body apply.
    pub(crate) is_file: bool,
}

#[derive(Debug)]
pub(crate) enum Body {
    Bytes(Vec<u8>),
    /// These bytes of the file, between two pieces of text (for multipart).
    File {
        before: Vec<u8>,
        range: Range<u64>,
        after: Vec<u8>,
    },
}

/// The separator of the one multipart answer.
const BOUNDARY: &str = "THIS_STRING_SEPARATES";

impl Answer {
    /// The answer that is not the file; [`Reply::Serve`] and the replies without a head are the caller's.
    pub(crate) fn reply(reply: &Reply, keep_alive: bool) -> Self {
        let (status, header, body) = match reply {
            Reply::Status(status, retry_after) => {
                let header = retry_after.as_ref().map(|v| ("Retry-After", v.as_str()));
                (*status, header, format!("status {status}\n").into_bytes())
            }
            Reply::Redirect(status, to) => (*status, Some(("Location", to.as_str())), Vec::new()),
            Reply::Body(kind, bytes) => (200, Some(("Content-Type", kind.as_str())), bytes.clone()),
            Reply::Serve | Reply::Raw(_) | Reply::Nothing => (500, None, Vec::new()),
        };
        let mut headers = Vec::from_iter(header);
        if status == 401 {
            headers.push(("WWW-Authenticate", "Basic realm=\"files\""));
        }
        let length = body.len().to_string();
        headers.push(("Content-Length", &length));
        Self {
            status,
            head: head(status, &headers, keep_alive),
            body: Body::Bytes(body),
            framing: Framing::Length,
            close: !keep_alive,
            is_file: false,
        }
    }

    /// The file, or what `behaviour` makes of it.
    pub(crate) fn file(request: &Request, behaviour: &Behaviour) -> Self {
        let b = behaviour;
        let whole = 0..b.bytes;
        let asked = match &b.ranges {
            Ranges::Ignore => None,
            Ranges::NotSatisfiable(_) => Some(Err(())),
            _ => request.asked(b.bytes),
        };
        let (status, range) = match asked {
            None => (200, whole),
            Some(Err(())) => (416, 0..0),
            Some(Ok(range)) => (206, wrong_range(&b.ranges, range, b.bytes)),
        };
        let content_range = match (status, &b.ranges) {
            (416, Ranges::NotSatisfiable(total)) => Some(format!("bytes */{total}")),
            (416, _) => Some(format!("bytes */{}", b.bytes)),
            (206, ranges) => content_range(ranges, &range, b.bytes),
            _ => None,
        };
        let (mut before, mut after, mut kind) = (Vec::new(), Vec::new(), b.content_type.clone());
        let sent = match b.ranges {
            Ranges::Longer(n) if status == 206 => range.start..range.end.saturating_add(n),
            Ranges::Multipart if status == 206 => {
                let (first, last) = (range.start, range.end - 1);
                let part = format!(
                    "\r\n--{BOUNDARY}\r\nContent-Type: application/octet-stream\r\n\
                     Content-Range: bytes {first}-{last}/{}\r\n\r\n",
                    b.bytes
                );
                before = part.into_bytes();
                after = format!("\r\n--{BOUNDARY}--\r\n").into_bytes();
                kind = Some(format!("multipart/byteranges; boundary={BOUNDARY}"));
                range
            }
            _ => range,
        };

        let body_len = before.len() as u64 + (sent.end - sent.start) + after.len() as u64;
        let framing = if status == 416 { Framing::Length } else { b.framing.clone() };
        let length = match &framing {
            Framing::Length => Some(body_len.to_string()),
            Framing::WrittenLength(length) => Some(length.clone()),
            Framing::ChunkedWithLength(_, length) => Some(length.to_string()),
            Framing::Chunked(_) | Framing::ChunkedTruncated(_) | Framing::UntilClose => None,
        };
        let chunked = matches!(
            framing,
            Framing::Chunked(_) | Framing::ChunkedTruncated(_) | Framing::ChunkedWithLength(..)
        );
        let close = !b.keep_alive || matches!(framing, Framing::UntilClose);
        let mut headers: Vec<(&str, &str)> = Vec::new();
        let mut add = |name: &'static str, value: &'static str| headers.push((name, value));
        if chunked {
            add("Transfer-Encoding", "chunked");
        }
        for (name, value) in [
            ("Content-Length", &length),
            ("Content-Range", &content_range),
            ("Content-Type", &kind),
            ("Accept-Ranges", &b.accept_ranges),
            ("ETag", &b.etag),
            ("Last-Modified", &b.last_modified),
            ("Content-Disposition", &b.content_disposition),
            ("Content-Encoding", &b.content_encoding),
        ] {
            headers.extend(value.as_deref().map(|value| (name, value)));
        }
        headers.extend(b.extra_headers.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        Self {
            status,
            head: head(status, &headers, !close),
            body: Body::File { before, range: sent, after },
            framing,
            close,
            is_file: true,
        }
    }
}

/// The bytes that are sent instead of `asked`.
fn wrong_range(ranges: &Ranges, asked: Range<u64>, len: u64) -> Range<u64> {
    let Range { start, end } = asked;
    match *ranges {
        Ranges::WrongStart(n) => start.saturating_add(n).min(end - 1)..end,
        Ranges::Shorter(n) => start..end.saturating_sub(n).max(start + 1),
        Ranges::AtMost(n) => start..end.min(start.saturating_add(n.max(1))),
        Ranges::PastEnd(n) => start..end.saturating_add(n).min(len),
        _ => start..end,
    }
}

fn content_range(ranges: &Ranges, sent: &Range<u64>, len: u64) -> Option<String> {
    let (first, last) = (sent.start, sent.end - 1);
    match ranges {
        Ranges::NoContentRange | Ranges::Multipart => None,
        Ranges::UnknownTotal => Some(format!("bytes {first}-{last}/*")),
        Ranges::OtherTotal(total) => Some(format!("bytes {first}-{last}/{total}")),
        Ranges::Written(text) => Some(
            text.replace("{first}", &first.to_string())
                .replace("{last}", &last.to_string())
                .replace("{total}", &len.to_string()),
        ),
        _ => Some(format!("bytes {first}-{last}/{len}")),
    }
}

fn head(status: u16, headers: &[(&str, &str)], keep_alive: bool) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    let connection = ("Connection", if keep_alive { "keep-alive" } else { "close" });
    for (name, value) in headers.iter().copied().chain([connection]) {
        // Writing into a string cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        300..=399 => "Elsewhere",
        403 => "Forbidden",
        404 => "Not Found",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Something",
    }
}
