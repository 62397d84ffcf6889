//! One lease on its way: asks the source, passes the bytes on to the writer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use manyhands_core::{
    Accepted, Asked, ByteRange, Failure, FailureCode, FetchTrouble, Input, LeaseEnd, LeaseId,
    Rejection, SourceId, accept,
};
use manyhands_origin::{FetchError, FetchRequest, Origins, Retry};
use manyhands_peer::{CallError, ContentBody, Relay};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::network::session::{self, Session, Way};
use crate::shell::Facts;
use crate::writer::{Part, Writer};

/// Progress of a lease is told at most so often.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// How far a lease has come and where it ends; the end only shrinks.
///
/// The lock is held for a comparison: it makes cutting and going on exclude each other, so that no byte past a cut is ever
/// passed on.
#[derive(Debug)]
pub struct Bound(Mutex<ByteRange>);

impl Bound {
    pub fn new(range: ByteRange) -> Self {
        Self(Mutex::new(range))
    }

    /// Takes up to `wanted` bytes off the beginning; returns where they begin and how many they are.
    fn take(&self, wanted: u64) -> (u64, u64) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (taken, rest) = left.split_at(left.start().saturating_add(wanted));
        *left = rest;
        (taken.start(), taken.len())
    }

    /// Lets the lease end at `to`, or where it is if that is later. Returns the end that it has now.
    pub fn cut(&self, to: u64) -> u64 {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.split_at(to).0;
        left.end()
    }

    fn left(&self) -> ByteRange {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a fetch needs.
#[derive(Debug)]
pub struct Fetch {
    pub lease: LeaseId,
    pub source: SourceId,
    pub request: FetchRequest,
    pub bound: Arc<Bound>,
    /// The open part file; with the first request it comes later.
    pub part: PartWhen,
    pub stop: CancellationToken,
    pub via: Via,
    pub writer: Writer,
    pub facts: Facts,
}

/// Tells the end of a lease, also when its task panics: a lease that nobody ends is lost for its download.
struct Ending {
    lease: LeaseId,
    bound: Arc<Bound>,
    dropped_bytes: u64,
    end: Option<LeaseEnd>,
    writer: Writer,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let end = self.end.take().unwrap_or_else(|| LeaseEnd::Trouble {
            trouble: FetchTrouble::Again,
            failure: Failure::new(FailureCode::Internal, "A part of the program failed."),
        });
        let (up_to, dropped_bytes) = (self.bound.left().start(), self.dropped_bytes);
        self.writer.end_lease(Input::LeaseEnded { lease: self.lease, up_to, dropped_bytes, end });
    }
}

/// Who is asked.
#[derive(Debug)]
pub enum Via {
    Origin(Origins),
    Helper(Arc<Session>),
}

/// An answer of either.
struct Answer {
    accepted: Accepted,
    suggested_name: Option<String>,
    origins: Vec<Url>,
    body: Body,
}

enum Body {
    Origin(manyhands_origin::Body),
    Relay(manyhands_origin::Body),
    Helper(ContentBody),
}

impl Body {
    async fn next(&mut self) -> Result<Option<Bytes>, LeaseEnd> {
        match self {
            Self::Origin(body) => body.next().await.map_err(|error| trouble(&error)),
            Self::Relay(body) => body.next().await.map_err(|error| relay_trouble(&error)),
            Self::Helper(body) => body.next().await.map_err(|error| helper_trouble(&error)),
        }
    }
}

/// When the part file is there.
#[derive(Debug)]
pub enum PartWhen {
    Now(Arc<Part>),
    /// Once the answer was told and the core lets the body flow.
    Later(oneshot::Receiver<Arc<Part>>),
}

impl Fetch {
    /// Runs the lease to its end and tells it.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        let mut ending = Ending {
            lease: self.lease,
            bound: Arc::clone(&self.bound),
            dropped_bytes: 0,
            end: None,
            writer: self.writer.clone(),
        };
        ending.end = Some(tokio::select! {
            biased;
            () = stop.cancelled() => LeaseEnd::Stopped,
            end = self.fetch(&mut ending.dropped_bytes) => end,
        });
    }

    async fn fetch(&mut self, dropped_bytes: &mut u64) -> LeaseEnd {
        let asked = match &self.via {
            Via::Origin(origins) => ask_origin(origins, &self.request).await,
            Via::Helper(session) => match &session.way {
                Way::Fetch => ask_helper(session, &self.request).await,
                Way::Relay { relay, origins } => ask_through(relay, origins, &self.request).await,
            },
        };
        let Answer { accepted, suggested_name, origins, mut body } = match asked {
            Ok(answer) => answer,
            Err(end) => return end,
        };
        let accepted_end = accepted.end;
        let answered = Input::Answered { lease: self.lease, accepted, suggested_name, origins };
        self.facts.send(answered).await;
        let part = match &mut self.part {
            PartWhen::Now(part) => Arc::clone(part),
            PartWhen::Later(part) => match part.await {
                Ok(part) => part,
                Err(_) => return LeaseEnd::Stopped,
            },
        };
        let mut told = Instant::now();
        loop {
            let mut bytes = match body.next().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return LeaseEnd::Complete,
                Err(end) => return end,
            };
            // Room first: what was taken off the lease must be written, or a stop here would lose it.
            let room = self.writer.room_for(bytes.len()).await;
            // What comes after the end that was agreed to is nobody's.
            let agreed =
                accepted_end.map_or(u64::MAX, |end| end.saturating_sub(self.bound.left().start()));
            let (offset, taken) = self.bound.take(agreed.min(bytes.len() as u64));
            let taken = usize::try_from(taken).unwrap_or(usize::MAX);
            *dropped_bytes += (bytes.len() - taken) as u64;
            bytes.truncate(taken);
            if !bytes.is_empty() {
                self.writer.write(&part, self.source, offset, bytes, room);
            }
            let left = self.bound.left();
            if left.is_empty() {
                // Where the lease ends with the body, reading that end keeps the connection for the next lease.
                if accepted_end == Some(left.start()) {
                    let _ = body.next().await;
                }
                return LeaseEnd::Complete;
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                self.facts.send(Input::Progress { lease: self.lease, up_to: left.start() }).await;
            }
        }
    }
}

async fn ask_origin(origins: &Origins, request: &FetchRequest) -> Result<Answer, LeaseEnd> {
    let answer = origins.fetch(request).await.map_err(|error| trouble(&error))?;
    Ok(Answer {
        accepted: answer.accepted,
        suggested_name: answer.suggested_name,
        origins: answer.origins,
        body: Body::Origin(answer.body),
    })
}

/// A helper's answer passes the same acceptance rule as the origin's.
async fn ask_helper(session: &Session, request: &FetchRequest) -> Result<Answer, LeaseEnd> {
    let Asked::Range(range) = request.asked else {
        return Err(LeaseEnd::Stopped);
    };
    let content = session.remote.content(session.id, range).await;
    let content = content.map_err(|error| helper_trouble(&error))?;
    let accepted =
        accept(request.asked, request.known.as_ref(), &content.head).map_err(|rejection| {
            let trouble = match rejection {
                Rejection::Changed(_) => FetchTrouble::Changed,
                _ => FetchTrouble::Fatal,
            };
            let failure = Failure::new(FailureCode::Protocol, format!("A helper: {rejection}."));
            LeaseEnd::Trouble { trouble, failure }
        })?;
    let body = Body::Helper(content.body);
    Ok(Answer { accepted, suggested_name: None, origins: Vec::new(), body })
}

/// The origin is asked, over connections that a helper carries: what comes is authenticated by the origin's TLS.
async fn ask_through(
    relay: &Relay,
    origins: &Origins,
    request: &FetchRequest,
) -> Result<Answer, LeaseEnd> {
    let asked = origins.fetch(request).await;
    let answer = asked.map_err(|error| no_answer_through(&error, relay.take_refusal()))?;
    Ok(Answer {
        accepted: answer.accepted,
        suggested_name: None,
        origins: Vec::new(),
        body: Body::Relay(answer.body),
    })
}

/// Why there was no answer through a relay. A refusal explains why there was no connection, and nothing else: it may be that
/// of another connection, and whoever meddles with one could refuse the next to hide it.
fn no_answer_through(error: &FetchError, refusal: Option<CallError>) -> LeaseEnd {
    match refusal {
        Some(refusal) if error.is_of_the_connection() && !is_tampered(error) => {
            helper_trouble(&refusal)
        }
        _ => relay_trouble(error),
    }
}

fn is_tampered(error: &FetchError) -> bool {
    matches!(error, FetchError::Damaged { .. } | FetchError::Tls { untrusted: true, .. })
}

/// What went wrong behind a relay. A connection that somebody has meddled with, and a certificate that is not the origin's, are
/// the relay's doing: over this device's own line the origin was met before.
fn relay_trouble(error: &FetchError) -> LeaseEnd {
    if let FetchError::NotConsented { to, .. } = error {
        return LeaseEnd::Elsewhere { to: Some(to.clone()) };
    }
    match trouble(error) {
        LeaseEnd::Trouble { failure, .. } if is_tampered(error) => {
            LeaseEnd::Trouble { trouble: FetchTrouble::Tampered, failure }
        }
        end => end,
    }
}

fn helper_trouble(error: &CallError) -> LeaseEnd {
    let text = session::with_cause(error);
    tracing::debug!(error = text, "a helper failed");
    if session::leads_elsewhere(error) {
        return LeaseEnd::Elsewhere { to: None };
    }
    let failure = Failure::new(FailureCode::Interrupted, format!("A helper: {text}."));
    LeaseEnd::Trouble { trouble: session::trouble(error), failure }
}

fn trouble(error: &FetchError) -> LeaseEnd {
    let failure: Failure = error.failure();
    tracing::debug!(%error, "a fetch failed");
    let trouble = match error.retry() {
        Retry::Soon => FetchTrouble::Again,
        Retry::After(pause) => FetchTrouble::After(pause),
        Retry::FewerConnections { after } => match error {
            FetchError::Busy { .. } => FetchTrouble::Busy { wait: after },
            _ => FetchTrouble::Refused,
        },
        Retry::WholeStream => FetchTrouble::WholeOnly,
        Retry::Changed => FetchTrouble::Changed,
        Retry::GiveUp => FetchTrouble::Fatal,
    };
    LeaseEnd::Trouble { trouble, failure }
}

#[cfg(test)]
mod tests {
    use manyhands_origin::TlsTrouble;

    use super::*;

    #[test]
    fn no_refusal_hides_that_a_relay_has_meddled() {
        let host = || "files.example".to_owned();
        let refusal = || Some(CallError::Nonsense("a refusal"));
        let tampered = |end: LeaseEnd| {
            matches!(end, LeaseEnd::Trouble { trouble: FetchTrouble::Tampered, .. })
        };
        let damaged = FetchError::Damaged { host: host(), received_bytes: 7, source: None };
        let why = TlsTrouble::UnknownIssuer;
        let untrusted = FetchError::Tls { host: host(), why, untrusted: true, source: None };
        let lost = FetchError::Interrupted { host: host(), received_bytes: 0, source: None };
        assert!(tampered(no_answer_through(&damaged, refusal())));
        assert!(tampered(no_answer_through(&untrusted, refusal())));
        let LeaseEnd::Trouble { trouble, failure } = no_answer_through(&lost, refusal()) else {
            panic!("no trouble");
        };
        assert_eq!((trouble, failure.code), (FetchTrouble::Fatal, FailureCode::Interrupted));
        assert!(failure.message.contains("A helper"), "{failure:?}");
    }

    #[test]
    fn nothing_is_taken_past_a_cut_and_a_cut_never_goes_back() {
        let bound = Bound::new(ByteRange::from_len(100, 100));
        assert_eq!(bound.take(30), (100, 30));
        assert_eq!(bound.cut(150), 150);
        assert_eq!(bound.cut(180), 150, "an end only shrinks");
        assert_eq!(bound.take(100), (130, 20));
        assert_eq!(bound.take(1), (150, 0));
        assert_eq!(bound.cut(0), 150, "what was passed on stays");
    }
}
