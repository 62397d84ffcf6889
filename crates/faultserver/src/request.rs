//! What a client asked for.

use std::net::SocketAddr;
use std::ops::Range;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A request as it came, and what became of it.
#[derive(Clone, Debug)]
pub struct Request {
    pub peer: SocketAddr,
    /// Counts the accepted TCP connections from 0.
    pub connection: usize,
    pub method: String,
    /// With the query.
    pub path: String,
    /// In the order and spelling of the client.
    pub headers: Vec<(String, String)>,
    /// The status that was sent; 0 while or when there was none.
    pub status: u16,
    /// Bytes of the body that were handed to the kernel, without framing.
    pub body_bytes_sent: u64,
}

/// A request head longer than this is refused.
const MAX_HEAD_BYTES: usize = 32 << 10;

impl Request {
    /// The first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The raw `Range`.
    #[must_use]
    pub fn range(&self) -> Option<&str> {
        self.header("range")
    }

    /// Reads the next head; `None` when the client is done or makes no sense (what is left in `rest` then). `rest` holds
    /// what was read past a head.
    pub(crate) async fn read(
        from: &mut (impl AsyncRead + Unpin),
        rest: &mut Vec<u8>,
        peer: SocketAddr,
        connection: usize,
    ) -> Option<Self> {
        let end = loop {
            if let Some(at) = rest.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            let is_http = rest.first().is_none_or(u8::is_ascii_alphabetic);
            if rest.len() > MAX_HEAD_BYTES || !is_http || from.read_buf(rest).await.ok()? == 0 {
                return None;
            }
        };
        let head: Vec<u8> = rest.drain(..end).collect();
        let head = String::from_utf8_lossy(&head);
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Some(Self { peer, connection, method, path, headers, status: 0, body_bytes_sent: 0 })
    }

    /// The single range of the request within a file of `len` bytes: `None` when there is none or it is not understood,
    /// `Some(Err(()))` when nothing of it is in the file.
    pub(crate) fn asked(&self, len: u64) -> Option<Result<Range<u64>, ()>> {
        let (first, last) = self.range()?.strip_prefix("bytes=")?.split_once('-')?;
        let range = match (first, last) {
            ("", suffix) => len.saturating_sub(suffix.parse().ok()?)..len,
            (first, "") => first.parse().ok()?..len,
            (first, last) => {
                first.parse().ok()?..len.min(last.parse::<u64>().ok()?.saturating_add(1))
            }
        };
        Some(if range.is_empty() { Err(()) } else { Ok(range) })
    }
}
