//! Reads from the first bytes of a TLS connection which host it is for.
//!
//! Total: any bytes give an answer, and no prefix of a hello gives a name. Stricter than servers
//! are, so that there is no hello in which a server could see another name than this does.

use std::collections::BTreeSet;

/// A hello, with the heads of its records, has at most so many bytes. With the largest key shares
/// of today it has two thousand.
pub const MAX_CLIENT_HELLO_BYTES: usize = 16 * 1024;

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientHello {
    /// The beginning of one, perhaps.
    Incomplete,
    /// A whole one, for this host: ASCII, as the client wrote it.
    ServerName(String),
    /// Whatever follows, this is not let through.
    Refused(HelloRefusal),
}

/// Why it cannot be said where a connection leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloRefusal {
    #[error("this is not TLS")]
    NotTls,
    #[error("the TLS hello is broken")]
    Malformed,
    #[error("the TLS hello is too long")]
    TooLong,
    #[error("the TLS hello names no host")]
    NoName,
    #[error("the TLS hello names several hosts")]
    SeveralNames,
    /// Encrypted Client Hello: the name that counts cannot be seen.
    #[error("the TLS hello hides its host")]
    HiddenName,
}

/// RFC 8446 §5.1: type, version, length.
const RECORD_HEAD_BYTES: usize = 5;
const HANDSHAKE_RECORD: u8 = 22;
const MAX_RECORD_BYTES: usize = 1 << 14;
/// RFC 8446 §4: type, length.
const MESSAGE_HEAD_BYTES: usize = 4;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
/// encrypted_client_hello, and encrypted_server_name of the drafts before it.
const HIDDEN: [u16; 2] = [0xfe0d, 0xffce];
/// RFC 6066 §3.
const HOST_NAME: u8 = 0;

/// Reads the hello at the beginning of `bytes`, the first that came on a connection. Records of
/// later messages may follow it.
#[must_use]
pub fn read_client_hello(bytes: &[u8]) -> ClientHello {
    let result = message(bytes).and_then(|message| match message {
        None if bytes.len() >= MAX_CLIENT_HELLO_BYTES => Err(HelloRefusal::TooLong),
        None => Ok(None),
        Some(message) => server_name(&message).map(Some),
    });
    match result {
        Ok(None) => ClientHello::Incomplete,
        Ok(Some(name)) => ClientHello::ServerName(name),
        Err(why) => ClientHello::Refused(why),
    }
}

/// The body of the hello, put together from its records; `None` while some of it is missing.
fn message(bytes: &[u8]) -> Result<Option<Vec<u8>>, HelloRefusal> {
    let mut fragments = Vec::new();
    let (mut found, mut rest) = (0, bytes);
    loop {
        let head = rest.get(..RECORD_HEAD_BYTES).unwrap_or(rest);
        let (kind, version) = (head.first(), head.get(1));
        if kind.is_some_and(|kind| *kind != HANDSHAKE_RECORD)
            || version.is_some_and(|major| *major != 3)
        {
            return Err(HelloRefusal::NotTls);
        }
        let &[_, _, _, high, low] = head else { return Ok(None) };
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len == 0 || len > MAX_RECORD_BYTES {
            return Err(HelloRefusal::Malformed);
        }
        let after = rest.get(RECORD_HEAD_BYTES..).unwrap_or_default();
        let fragment = after.get(..len).unwrap_or(after);
        found += fragment.len();
        fragments.push(fragment);
        // Known as soon as its head is there, whatever is still to come.
        if let Some(wanted) = message_len(&fragments)? {
            if found > wanted || (found == wanted && fragment.len() < len) {
                // Something follows in the record that nobody should send here.
                return Err(HelloRefusal::Malformed);
            }
            if found == wanted {
                let whole = fragments.concat();
                return Ok(whole.get(MESSAGE_HEAD_BYTES..).map(<[u8]>::to_vec));
            }
        }
        if fragment.len() < len {
            return Ok(None);
        }
        rest = after.get(len..).unwrap_or_default();
    }
}

/// How many bytes the message has, its head included, once its head is there.
fn message_len(fragments: &[&[u8]]) -> Result<Option<usize>, HelloRefusal> {
    let mut head = fragments.iter().flat_map(|fragment| fragment.iter().copied());
    match head.next() {
        Some(CLIENT_HELLO) => {}
        Some(_) => return Err(HelloRefusal::Malformed),
        None => return Ok(None),
    }
    let (Some(a), Some(b), Some(c)) = (head.next(), head.next(), head.next()) else {
        return Ok(None);
    };
    match usize::try_from(u32::from_be_bytes([0, a, b, c])) {
        Ok(len) if len + MESSAGE_HEAD_BYTES + RECORD_HEAD_BYTES <= MAX_CLIENT_HELLO_BYTES => {
            Ok(Some(len + MESSAGE_HEAD_BYTES))
        }
        _ => Err(HelloRefusal::TooLong),
    }
}

/// The host in the body of a hello (RFC 8446 §4.1.2).
fn server_name(body: &[u8]) -> Result<String, HelloRefusal> {
    let mut body = Reader(body);
    body.take(2 + 32)?; // version, random
    let session = body.short_vector()?;
    let suites = body.vector()?;
    let compressions = body.short_vector()?;
    if session.len() > 32 || suites.is_empty() || suites.len() % 2 != 0 || compressions.is_empty() {
        return Err(HelloRefusal::Malformed);
    }
    if body.is_empty() {
        return Err(HelloRefusal::NoName);
    }
    let mut extensions = Reader(body.vector()?);
    body.end()?;
    let (mut name, mut seen) = (None, BTreeSet::new());
    while !extensions.is_empty() {
        let (kind, data) = (extensions.number()?, extensions.vector()?);
        if HIDDEN.contains(&kind) {
            return Err(HelloRefusal::HiddenName);
        }
        if !seen.insert(kind) {
            return Err(match kind {
                SERVER_NAME => HelloRefusal::SeveralNames,
                _ => HelloRefusal::Malformed,
            });
        }
        if kind == SERVER_NAME {
            name = Some(host_name(data)?);
        }
    }
    name.ok_or(HelloRefusal::NoName)
}

/// The one name in a server_name extension.
fn host_name(data: &[u8]) -> Result<String, HelloRefusal> {
    let mut data = Reader(data);
    let mut names = Reader(data.vector()?);
    data.end()?;
    if names.byte()? != HOST_NAME {
        return Err(HelloRefusal::Malformed);
    }
    let name = names.vector()?;
    if !names.is_empty() {
        return Err(HelloRefusal::SeveralNames);
    }
    match std::str::from_utf8(name) {
        // With a dot at its end, which RFC 6066 §3 forbids, servers may see it without.
        Ok(name)
            if !name.is_empty()
                && !name.ends_with('.')
                && name.bytes().all(|b| b.is_ascii_graphic()) =>
        {
            Ok(name.to_owned())
        }
        _ => Err(HelloRefusal::Malformed),
    }
}

/// What has not been read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], HelloRefusal> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(HelloRefusal::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, HelloRefusal> {
        self.take(1)?.first().copied().ok_or(HelloRefusal::Malformed)
    }

    fn number(&mut self) -> Result<u16, HelloRefusal> {
        Ok(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    /// Bytes after their count in one byte.
    fn short_vector(&mut self) -> Result<&'a [u8], HelloRefusal> {
        let len = self.byte()?;
        self.take(usize::from(len))
    }

    /// Bytes after their count in two bytes.
    fn vector(&mut self) -> Result<&'a [u8], HelloRefusal> {
        let len = self.number()?;
        self.take(usize::from(len))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn end(&self) -> Result<(), HelloRefusal> {
        if self.is_empty() { Ok(()) } else { Err(HelloRefusal::Malformed) }
    }
}

#[cfg(test)]
mod tests;
