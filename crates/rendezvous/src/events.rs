//! News for those who read: as a stream of server-sent events, or as answers to long polls.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::server::Shared;
use crate::sessions::Session;
use crate::store::{Batch, Event, Subscription};

/// An open stream. Who has been slow or is replaced is told nothing: the stream ends, and so it does with the session.
struct Stream {
    shared: Arc<Shared>,
    session: Arc<Session>,
    subscription: Option<Box<dyn Subscription>>,
    ping: Instant,
    /// The end of the sessions that carry it.
    until: Instant,
}

/// The answer that goes on.
pub(crate) fn stream(
    shared: Arc<Shared>,
    session: Arc<Session>,
    subscription: Box<dyn Subscription>,
) -> Response {
    let ping = Instant::now() + shared.config.times.ping;
    let until = session.until;
    let stream = Stream { shared, session, subscription: Some(subscription), ping, until };
    let chunks = unfold(stream, |mut stream| async {
        stream.next().await.map(|chunk| (Ok::<_, Infallible>(chunk), stream))
    });
    let mut answer = (StatusCode::OK, Body::from_stream(chunks)).into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would gather the events until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        let subscription = self.subscription.as_mut()?;
        let now = Instant::now();
        if now >= self.until {
            // A newer session for the same groups carries the stream on, however much there is to say.
            let Session { device, groups, .. } = &*self.session;
            self.until = self.shared.sessions.cover(*device, groups, now)?;
        }
        let batch = tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => {
                self.subscription = None;
                return Some(format(&[self.shared.bye()], None));
            }
            batch = timeout_at(self.ping.min(self.until), subscription.next()) => batch,
        };
        let now = Instant::now();
        self.ping = now + self.shared.config.times.ping;
        match batch {
            Ok(Some(batch)) => {
                self.shared.counters.events.add(batch.events.len() as u64);
                Some(format(&batch.events, batch.cursor.as_deref()))
            }
            Ok(None) => {
                self.shared.counters.slow_readers.add(1);
                None
            }
            // Quiet for a while, or the session's end: it is looked at before anything else is said.
            Err(_) => Some(Bytes::from_static(b":\n\n")),
        }
    }
}

/// As WHATWG HTML, § 9.2 has it. The cursor goes with the last event: a stream that breaks before it is said again from
/// the cursor before.
fn format(events: &[Event], cursor: Option<&str>) -> Bytes {
    let mut text = BytesMut::new();
    for (index, event) in events.iter().enumerate() {
        if let Some(cursor) = cursor.filter(|_| index + 1 == events.len()) {
            text.put_slice(b"id: ");
            text.put_slice(cursor.as_bytes());
            text.put_u8(b'\n');
        }
        text.put_slice(b"event: ");
        text.put_slice(event.tag().as_bytes());
        text.put_slice(b"\ndata: ");
        text.put_slice(&event.json());
        text.put_slice(b"\n\n");
    }
    text.freeze()
}

/// What happened since the cursor, at the latest after `wait`.
pub(crate) async fn changes(
    shared: &Shared,
    mut subscription: Box<dyn Subscription>,
    cursor: Option<&str>,
    wait: Duration,
) -> Bytes {
    let deadline = Instant::now() + wait;
    let batch = tokio::select! {
        biased;
        batch = timeout_at(deadline, subscription.next()) => batch.ok().flatten(),
        () = shared.stop.cancelled() => {
            Some(Batch { events: vec![shared.bye()], cursor: None, more: false })
        }
    };
    let batch = batch.unwrap_or_else(|| Batch { events: Vec::new(), cursor: None, more: false });
    shared.counters.events.add(batch.events.len() as u64);
    let reached = batch.cursor.as_deref().or(cursor).unwrap_or_default();
    // The events are JSON already: what is around them is written by hand. A cursor is the store's, or came from the client and is
    // written as JSON.
    let mut text = BytesMut::new();
    text.put_slice(b"{\"cursor\":");
    text.put_slice(&serde_json::to_vec(reached).unwrap_or_default());
    text.put_slice(b",\"events\":[");
    for (index, event) in batch.events.iter().enumerate() {
        if index > 0 {
            text.put_u8(b',');
        }
        text.put_slice(&event.json());
    }
    text.put_slice(if batch.more { b"],\"more\":true}" } else { b"],\"more\":false}" });
    text.freeze()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use manyhands_core::PeerId;
    use manyhands_identity::DeviceIdentity;
    use manyhands_wire::Bytes32;

    use super::*;
    use crate::config::Config;
    use crate::sessions::SESSION_S;
    use crate::store::MemoryStore;

    /// News all the time.
    struct Busy;

    impl Subscription for Busy {
        fn next(&mut self) -> BoxFuture<'_, Option<Batch>> {
            async {
                tokio::time::sleep(Duration::from_secs(7)).await;
                Some(Batch { events: vec![Event::Ready], cursor: None, more: false })
            }
            .boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_stream_ends_with_the_last_session_that_carries_it() {
        let config = Config::default();
        let store = Arc::new(MemoryStore::new(&config.limits, &config.times));
        let shared = Arc::new(Shared::new(config, DeviceIdentity::generate().unwrap(), store));
        let (start, mo) = (Instant::now(), PeerId::from_digest([1; 32]));
        let open = |n: u8| {
            let token = Bytes32([n; 32]);
            let address = std::net::Ipv4Addr::LOCALHOST.into();
            assert!(shared.sessions.open(&token, mo, [].into(), address, Instant::now()));
            shared.sessions.find(&token, Instant::now()).unwrap()
        };
        let session = open(1);
        let (ping, until) = (start + Duration::from_secs(20), session.until);
        let subscription: Option<Box<dyn Subscription>> = Some(Box::new(Busy));
        let mut stream = Stream { shared: shared.clone(), session, subscription, ping, until };
        let mut is_renewed = false;
        while stream.next().await.is_some() {
            if !is_renewed && start.elapsed() >= Duration::from_secs(500) {
                is_renewed = true;
                open(2);
            }
        }
        let lasted = start.elapsed().as_secs();
        let whole = u64::from(SESSION_S);
        assert!((500 + whole..=510 + whole).contains(&lasted), "{lasted}");
    }
}
