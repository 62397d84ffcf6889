//! One client connection: request after request, each answered by the rules.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::debug;

use crate::answer::{Answer, Body};
use crate::behaviour::{Behaviour, Framing, Reply};
use crate::content::fill;
use crate::rate::{Bucket, block_bytes};
use crate::request::Request;
use crate::server::Shared;

pub(crate) async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    number: usize,
    shared: Arc<Shared>,
) {
    // Without it small writes wait for the client's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        return debug!(%error, "the client left");
    }
    let mut rest = Vec::new();
    while let Some(request) = Request::read(&mut stream, &mut rest, peer, number).await {
        let index = shared.log(request.clone());
        let mut sending = Sending {
            stream: &mut stream,
            shared: &shared,
            index,
            bucket: shared.bucket(peer.ip()),
        };
        match sending.answer(&request).await {
            Ok(Next::KeepAlive) => {}
            Ok(Next::Close) => break,
            Ok(Next::Reset) => {
                let _ = stream.set_zero_linger();
                return;
            }
            Ok(Next::Hang) => {
                // Until the client gives up.
                while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                break;
            }
            Err(error) => return debug!(%error, %peer, "the client left"),
        }
    }
    if !rest.is_empty() {
        let _ = stream.write_all(b"HTTP/1.1 400 What?\r\nConnection: close\r\n\r\n").await;
    }
    let _ = stream.shutdown().await;
}

/// What happens to the connection after an answer.
enum Next {
    KeepAlive,
    Close,
    Reset,
    Hang,
}

struct Sending<'a> {
    stream: &'a mut TcpStream,
    shared: &'a Shared,
    /// Of the request in the log.
    index: usize,
    /// Shared by all connections of this client address.
    bucket: Bucket,
}

/// Counts an answer as under way for as long as it lives.
struct Serving<'a>(&'a AtomicUsize);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sending<'_> {
    async fn answer(&mut self, request: &Request) -> io::Result<Next> {
        let mut behaviour = self.shared.behaviour();
        if !behaviour.delay_before_head.is_zero() {
            tokio::time::sleep(behaviour.delay_before_head).await;
        }
        let path = request.path.split('?').next().unwrap_or_default();
        if request.method != "GET" && request.method != "HEAD" {
            return self.reply(&Reply::Status(405, None), request, &behaviour).await;
        }
        if let Some(reply) = behaviour.paths.get(path)
            && *reply != Reply::Serve
        {
            return self.reply(reply, request, &behaviour).await;
        }
        if let Some((user, password)) = &behaviour.login
            && request.header("authorization") != Some(&basic(user, password))
        {
            return self.reply(&Reply::Status(401, None), request, &behaviour).await;
        }

        let before = self.shared.serving.fetch_add(1, Ordering::Relaxed);
        let _serving = Serving(&self.shared.serving);
        if behaviour.max_connections.is_some_and(|max| before >= max) {
            return self.reply(&behaviour.over_limit, request, &behaviour).await;
        }
        let count = self.shared.count_answer();
        if let Some(reply) = behaviour.script.get(count)
            && *reply != Reply::Serve
        {
            return self.reply(reply, request, &behaviour).await;
        }
        if behaviour.one_time && count > 0 {
            return self.reply(&Reply::Status(403, None), request, &behaviour).await;
        }
        if behaviour.change_after.is_some_and(|after| count >= after) {
            behaviour = Arc::new(Behaviour {
                seed: behaviour.seed.wrapping_add(1),
                etag: behaviour.etag.as_ref().map(|_| "\"changed\"".into()),
                last_modified: behaviour
                    .last_modified
                    .as_ref()
                    .map(|_| "Sun, 06 Nov 1994 08:49:38 GMT".into()),
                ..(*behaviour).clone()
            });
        }
        let answer = Answer::file(request, &behaviour);
        self.send(answer, request, &behaviour, count < behaviour.faulty_answers).await
    }

    async fn reply(
        &mut self,
        reply: &Reply,
        request: &Request,
        behaviour: &Behaviour,
    ) -> io::Result<Next> {
        match reply {
            Reply::Nothing => Ok(Next::Close),
            Reply::Raw(bytes) => {
                self.stream.write_all(bytes).await?;
                Ok(Next::Close)
            }
            reply => {
                let answer = Answer::reply(reply, behaviour.keep_alive);
                self.send(answer, request, behaviour, false).await
            }
        }
    }

    async fn send(
        &mut self,
        answer: Answer,
        request: &Request,
        behaviour: &Behaviour,
        faulty: bool,
    ) -> io::Result<Next> {
        self.shared.note(self.index, |request| request.status = answer.status);
        self.stream.write_all(&answer.head).await?;
        if request.method == "GET" {
            let faulty = faulty && answer.is_file;
            if let Some(next) = self.send_body(&answer, behaviour, faulty).await? {
                return Ok(next);
            }
        }
        let close = answer.close
            || matches!(answer.framing, Framing::ChunkedTruncated(_) | Framing::WrittenLength(_));
        Ok(if close { Next::Close } else { Next::KeepAlive })
    }

    /// `Some` when a fault ended the body early.
    async fn send_body(
        &mut self,
        answer: &Answer,
        behaviour: &Behaviour,
        faulty: bool,
    ) -> io::Result<Option<Next>> {
        let b = behaviour;
        let own = Bucket::new();
        let rates = [b.rate_per_connection, b.rate_per_address, b.rate_total];
        let chunk = match answer.framing {
            Framing::Chunked(n)
            | Framing::ChunkedTruncated(n)
            | Framing::ChunkedWithLength(n, _) => Some(n.max(1) as u64),
            _ => None,
        };
        let block = block_bytes(rates).min(chunk.unwrap_or(u64::MAX));
        let (mut buffer, mut sent) = (Vec::new(), 0);
        let len = answer.body.len();
        while sent < len {
            let mut end = len.min(sent + block);
            if faulty {
                for (at, next) in [
                    (b.close_after_bytes, Next::Close),
                    (b.reset_after_bytes, Next::Reset),
                    (b.stall_after_bytes, Next::Hang),
                ] {
                    match at {
                        Some(at) if at <= sent => return Ok(Some(next)),
                        Some(at) => end = end.min(at),
                        None => {}
                    }
                }
            }
            let bytes = end - sent;
            if answer.is_file {
                for (bucket, rate) in
                    [&own, &self.bucket, &self.shared.total].into_iter().zip(rates)
                {
                    if let Some(rate) = rate {
                        bucket.take(bytes, rate).await;
                    }
                }
            }
            buffer.clear();
            if chunk.is_some() {
                buffer.extend_from_slice(format!("{bytes:x}\r\n").as_bytes());
            }
            answer.body.append(sent..end, b, faulty, &mut buffer);
            if chunk.is_some() {
                buffer.extend_from_slice(b"\r\n");
            }
            self.stream.write_all(&buffer).await?;
            sent = end;
            self.shared.note(self.index, |request| request.body_bytes_sent = sent);
        }
        if chunk.is_some() && !matches!(answer.framing, Framing::ChunkedTruncated(_)) {
            self.stream.write_all(b"0\r\n\r\n").await?;
        }
        Ok(None)
    }
}

impl Body {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { before, range, after } => {
                before.len() as u64 + (range.end - range.start) + after.len() as u64
            }
        }
    }

    /// Appends the bytes `part` of the body to `out`.
    fn append(&self, part: std::ops::Range<u64>, b: &Behaviour, faulty: bool, out: &mut Vec<u8>) {
        let (before, range, after) = match self {
            Self::Bytes(bytes) => (bytes.as_slice(), 0..0, [].as_slice()),
            Self::File { before, range, after } => {
                (before.as_slice(), range.clone(), after.as_slice())
            }
        };
        // Each of the three lies somewhere in the body; append what `part` has of it.
        let file_at = before.len() as u64;
        let after_at = file_at + (range.end - range.start);
        let cut = |at: u64, len: u64| {
            let start = part.start.clamp(at, at + len) - at;
            start..(part.end.clamp(at, at + len) - at)
        };
        let text = |text: &[u8], at: u64, out: &mut Vec<u8>| {
            let cut = cut(at, text.len() as u64);
            out.extend(text.iter().skip(cut.start as usize).take((cut.end - cut.start) as usize));
        };
        text(before, 0, out);
        let file = cut(file_at, range.end - range.start);
        let offset = range.start + file.start;
        let at = out.len();
        out.resize(at + (file.end - file.start) as usize, 0);
        fill(b.seed, offset, &mut out[at..]);
        if faulty
            && let Some(wrong) = b.corrupt_byte_at.and_then(|wrong| wrong.checked_sub(offset))
            && let Some(byte) = out[at..].get_mut(wrong as usize)
        {
            *byte = !*byte;
        }
        text(after, after_at, out);
    }
}

/// The value of `Authorization` (RFC 7617).
fn basic(user: &str, password: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("Basic ");
    for three in format!("{user}:{password}").as_bytes().chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for digit in 0..4 {
            let six = bits >> (18 - 6 * digit) & 63;
            text.push(if digit <= three.len() { char::from(ALPHABET[six as usize]) } else { '=' });
        }
    }
    text
}
