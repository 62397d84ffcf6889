//! Server-sent events, as a rendezvous server may send them (WHATWG HTML, §9.2.6): pure, bounded.

/// A line has at most so many bytes: a record with every character escaped, and what stands around it.
pub(super) const MAX_LINE_BYTES: usize = 16 * 1024;
/// The data of an event over all its lines.
pub(super) const MAX_DATA_BYTES: usize = 32 * 1024;
/// A cursor.
const MAX_ID_BYTES: usize = 64;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where to go on after it; that of the last event that had one.
    pub id: String,
    pub data: String,
}

/// More than the bounds allow. Nothing that follows can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line or an event that is too long")]
pub struct TooLong;

/// Reads a stream in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct EventReader {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    id: String,
    /// The last byte was a CR: an LF after it belongs to the same end of line.
    after_cr: bool,
    any_line: bool,
}

impl EventReader {
    /// The next event in `bytes`, which are used up to its end; `None`: it takes more bytes.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Event>, TooLong> {
        while let Some((byte, rest)) = bytes.split_first() {
            *bytes = rest;
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    if let Some(event) = self.end_of(&line)? {
                        return Ok(Some(event));
                    }
                }
                byte if self.line.len() < MAX_LINE_BYTES => self.line.push(*byte),
                _ => return Err(TooLong),
            }
        }
        Ok(None)
    }

    fn end_of(&mut self, line: &[u8]) -> Result<Option<Event>, TooLong> {
        let first = !std::mem::replace(&mut self.any_line, true);
        let line = if first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            if !std::mem::take(&mut self.has_data) {
                return Ok(None);
            }
            let data = String::from_utf8_lossy(&data).into_owned();
            return Ok(Some(Event { id: self.id.clone(), data }));
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = match colon {
            Some(at) => {
                (line.get(..at).unwrap_or_default(), line.get(at + 1..).unwrap_or_default())
            }
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                if self.data.len() + value.len() > MAX_DATA_BYTES {
                    return Err(TooLong);
                }
                self.data.extend_from_slice(value);
            }
            // What could not stand in a URL is no cursor.
            b"id" if value.len() <= MAX_ID_BYTES && value.iter().all(u8::is_ascii_graphic) => {
                self.id = String::from_utf8_lossy(value).into_owned();
            }
            // The tag is in the data, a comment is a sign of life, `retry` is this side's own affair.
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stream: &[u8], piece: usize) -> Result<Vec<(String, String)>, TooLong> {
        let (mut reader, mut events) = (EventReader::default(), Vec::new());
        for mut bytes in stream.chunks(piece) {
            while let Some(Event { id, data }) = reader.next(&mut bytes)? {
                events.push((id, data));
            }
        }
        Ok(events)
    }

    #[test]
    fn events_are_read_in_whatever_pieces_they_come() {
        let stream = b"\xef\xbb\xbfid: 7-1\nevent: gone\ndata: {\"a\":1}\n\n: ping\n\ndata:two\r\ndata\r\n\r\nid: 7-2\rdata:  x\r\rdata: cut";
        let expected = [("7-1", "{\"a\":1}"), ("7-1", "two\n"), ("7-2", " x")];
        let expected: Vec<_> =
            expected.map(|(id, data)| (id.to_owned(), data.to_owned())).into_iter().collect();
        for piece in 1..stream.len() {
            assert_eq!(read(stream, piece).as_ref(), Ok(&expected), "{piece}");
        }
    }

    #[test]
    fn over_long_lines_and_events_end_the_stream() {
        let line = |bytes: usize| [b"data:", "x".repeat(bytes - 5).as_bytes(), b"\n"].concat();
        assert!(read(&line(MAX_LINE_BYTES), 100).is_ok());
        assert_eq!(read(&line(MAX_LINE_BYTES + 1), 100), Err(TooLong));
        assert_eq!(read(&vec![b'x'; MAX_LINE_BYTES + 1], 1000), Err(TooLong), "without an end");
        assert_eq!(
            read(&line(MAX_LINE_BYTES).repeat(3), 5000),
            Err(TooLong),
            "an event of many lines"
        );
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        let stream =
            format!("id: ok\ndata: 1\n\nid: {}\ndata: 2\n\nid: a b\ndata: 3\n\n", "x".repeat(65));
        let ids: Vec<_> =
            read(stream.as_bytes(), 9).unwrap().into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["ok", "ok", "ok"]);
    }
}
