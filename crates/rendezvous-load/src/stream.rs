//! The stream of events of one device: reads everything, looks at what visitors cause.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use manyhands_wire::{Bytes32, PresenceRecord, RendezvousEvent};
use rand::Rng;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::connection::{Failure, Line, Route};
use crate::figures::Figures;
use crate::manyhands::{VISITOR, now_ms};

/// The server sends a ping every 20 s.
const SILENCE: Duration = Duration::from_secs(60);
/// No line of a stream is longer: an event with its record.
const MAX_LINE_BYTES: usize = 16 << 10;
/// A stream that ended is opened again after at least this and at most twice as much.
const COME_BACK: Duration = Duration::from_secs(1);

/// Watches until the process ends; says once that everybody who was there has been listed.
pub async fn watch(
    route: Route,
    line: Option<Line>,
    tokens: watch::Receiver<Option<Bytes32>>,
    ready: oneshot::Sender<()>,
) {
    let mut watcher = Watcher { route, line, tokens, cursor: None, ready: Some(ready) };
    while let Err(why) = watcher.follow().await {
        watcher.route.figures.lost_stream();
        watcher.route.figures.failed(&format!("a stream: {why}"));
        let wait = COME_BACK.mul_f64(rand::rng().random_range(1.0..2.0));
        sleep(wait).await;
    }
}

struct Watcher {
    route: Route,
    /// The connection on which the session was opened.
    line: Option<Line>,
    tokens: watch::Receiver<Option<Bytes32>>,
    cursor: Option<String>,
    ready: Option<oneshot::Sender<()>>,
}

impl Watcher {
    /// Follows one stream after another, each as long as its session is the newest; returns when the device is gone.
    async fn follow(&mut self) -> Result<(), Failure> {
        loop {
            let Some(token) = *self.tokens.borrow_and_update() else {
                if self.tokens.changed().await.is_err() {
                    return Ok(());
                }
                continue;
            };
            let body = self.open(token).await?;
            let mut tokens = self.tokens.clone();
            tokio::select! {
                why = self.read(body) => return Err(why),
                changed = tokens.changed() => if changed.is_err() {
                    return Ok(());
                },
            }
        }
    }

    async fn open(&mut self, token: Bytes32) -> Result<Incoming, Failure> {
        let mut request = self.route.request("GET", "/v1/events");
        request = request.header("authorization", format!("Bearer {token}"));
        request = request.header("accept", "text/event-stream");
        if let Some(cursor) = &self.cursor {
            request = request.header("last-event-id", cursor);
        }
        let request = request.body(Full::default()).map_err(|error| error.to_string())?;
        let mut sender = match self.line.take() {
            Some(line) => line,
            None => self.route.open().await?,
        };
        let asked = timeout(SILENCE, sender.send_request(request)).await;
        let response = asked.map_err(|_| "no answer")?.map_err(|_| "the connection was lost")?;
        if !response.status().is_success() {
            return Err(response.status().as_u16().to_string());
        }
        Ok(response.into_body())
    }

    async fn read(&mut self, mut body: Incoming) -> Failure {
        let mut lines = Lines::default();
        loop {
            let frame = match timeout(SILENCE, body.frame()).await {
                Err(_) => return "silent".to_owned(),
                Ok(None) => return "ended".to_owned(),
                Ok(Some(Err(_))) => return "broken off".to_owned(),
                Ok(Some(Ok(frame))) => frame,
            };
            if let Some(data) = frame.data_ref()
                && let Err(why) = lines.take(data, |line| self.line(line))
            {
                return why;
            }
        }
    }

    fn line(&mut self, line: &str) {
        match line.split_once(':').map(|(field, value)| (field, value.trim_start())) {
            Some(("id", cursor)) => self.cursor = Some(cursor.to_owned()),
            Some(("event", "ready")) => {
                // Nobody waits for a second one.
                self.ready.take().map(|ready| ready.send(()));
            }
            Some(("data", data)) => saw(data, &self.route.figures),
            _ => {}
        }
    }
}

/// Counts an event, and how late it is when it is a visitor's: the number of its record is the time of the announcement.
fn saw(data: &str, figures: &Arc<Figures>) {
    figures.event();
    if !data.contains(VISITOR) {
        return;
    }
    let Ok(RendezvousEvent::Present { record }) = serde_json::from_str(data) else { return };
    if let Ok(record) = serde_json::from_str::<PresenceRecord>(record.payload.as_str()) {
        figures.seen(now_ms().saturating_sub(record.seq));
    }
}

/// Puts lines together from pieces.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn take(&mut self, data: &[u8], mut each: impl FnMut(&str)) -> Result<(), Failure> {
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            if self.0.len() + piece.len() > MAX_LINE_BYTES {
                return Err("a line too long".to_owned());
            }
            self.0.extend_from_slice(piece);
            if self.0.ends_with(b"\n") {
                each(String::from_utf8_lossy(&self.0).trim_end());
                self.0.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_whatever_the_pieces() {
        for size in 1..12 {
            let (mut lines, mut read) = (Lines::default(), Vec::new());
            for piece in b"id: a-1\ndata: x\r\n\n".chunks(size) {
                lines.take(piece, |line| read.push(line.to_owned())).unwrap();
            }
            assert_eq!(read, ["id: a-1", "data: x", ""], "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut lines = Lines::default();
        assert!(lines.take(&vec![b'x'; MAX_LINE_BYTES], |_| {}).is_ok());
        assert!(lines.take(b"x", |_| {}).is_err());
    }
}
