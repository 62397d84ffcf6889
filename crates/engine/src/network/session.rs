//! The requester's side: a request on its way, and the session that it becomes.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use manyhands_core::{
    DownloadId, FetchTrouble, HelpAnswer, HelpEnd, HelpId, HelpMode, HelpOffer, Input,
};
use manyhands_origin::Origins;
use manyhands_peer::wire::{
    DeviceName, FileName, HelpRequest, HelpState, List, OriginName, Problem, ProblemCode,
};
use manyhands_peer::{CallError, Relay, RemotePeer, wire_mode};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::shell::Facts;

/// A helper's session is asked after with long polls of this length; they also show that somebody is there.
const POLL_S: u16 = 25;
/// So many polls in a row without an answer: the helper is lost.
const FAILED_POLLS: u32 = 3;
/// Between them.
const POLL_PAUSE: Duration = Duration::from_secs(1);
/// A helper that is busy is asked again after this, where it says nothing better.
const BUSY_PAUSE: Duration = Duration::from_secs(3);

/// A help session that a helper has agreed to.
#[derive(Debug)]
pub struct Session {
    pub remote: RemotePeer,
    pub id: HelpId,
    pub way: Way,
    /// Ends the polling.
    stop: CancellationToken,
}

/// How a session brings bytes.
#[derive(Debug)]
pub enum Way {
    /// The helper is asked for ranges.
    Fetch,
    /// The origins are asked, over connections that the helper carries. The relay lives as long as the session.
    Relay { relay: Relay, origins: Box<Origins> },
}

/// What this device is in a request.
#[derive(Debug)]
pub struct Requester {
    /// Its name for itself.
    pub name: DeviceName,
    /// Its own way to servers.
    pub origins: Origins,
}

/// A request on its way.
#[derive(Debug)]
pub struct Asking {
    remote: RemotePeer,
    /// Known once the helper has taken the request.
    id: Arc<OnceLock<HelpId>>,
    stop: CancellationToken,
}

impl Asking {
    /// Sends the request and waits for its answer; both come back as facts.
    pub fn start(
        remote: RemotePeer,
        requester: Requester,
        download: DownloadId,
        what: HelpOffer,
        to_friend: bool,
        facts: Facts,
    ) -> Self {
        let (id, stop) = (Arc::new(OnceLock::new()), CancellationToken::new());
        let asking = Self { remote: remote.clone(), id: Arc::clone(&id), stop: stop.clone() };
        tokio::spawn(async move {
            let peer = remote.id();
            let fact = tokio::select! {
                () = stop.cancelled() => return,
                agreed = ask(&remote, requester, &what, to_friend, &id) => agreed,
            };
            match fact {
                Ok((id, answer, Some(way))) => {
                    let stop = CancellationToken::new();
                    let session = Arc::new(Session { remote, id, way, stop });
                    let input = Input::HelpAnswered { download, peer, answer };
                    facts.send_with_session(download, peer, Arc::clone(&session), input).await;
                    session.watch(download, facts).await;
                }
                Ok((_, answer, None)) => {
                    facts.send(Input::HelpAnswered { download, peer, answer }).await;
                }
                Err(error) => {
                    tracing::info!(helper = %peer.short(), error = %with_cause(&error), "a peer could not be asked");
                    facts.send(Input::HelpUnanswered { download, peer }).await;
                }
            }
        });
        asking
    }

    /// Once the helper has taken the request.
    #[must_use]
    pub fn id(&self) -> Option<HelpId> {
        self.id.get().copied()
    }

    /// Takes the request back, wherever it is. A helper that does not hear of it lets the prompt expire.
    pub fn withdraw(&self) -> impl Future<Output = ()> + Send + 'static {
        self.stop.cancel();
        let (remote, id) = (self.remote.clone(), self.id.get().copied());
        async move {
            if let Some(id) = id {
                drop(remote.withdraw(id).await);
            }
        }
    }
}

async fn ask(
    remote: &RemotePeer,
    Requester { name, origins: servers }: Requester,
    what: &HelpOffer,
    to_friend: bool,
    known_id: &OnceLock<HelpId>,
) -> Result<(HelpId, HelpAnswer, Option<Way>), CallError> {
    let origins: Result<Vec<_>, _> = what.origins.iter().map(OriginName::of).collect();
    let origins = origins.map_err(|_| CallError::Nonsense("the link has no origin"))?;
    let request = HelpRequest {
        name,
        mode: wire_mode(what.mode),
        origins: List::new(origins.clone()).map_err(|_| CallError::Nonsense("too many origins"))?,
        size_bytes: what.identity.length,
        budget_bytes: what.budget_bytes,
        file_name: to_friend.then(|| FileName::neutralised(&what.file_name)),
    };
    let id = remote.ask(&request).await?;
    let _ = known_id.set(id);
    let answer = remote.decision(id).await?;
    if !matches!(answer, HelpAnswer::Accept { .. }) {
        return Ok((id, answer, None));
    }
    let way = match what.mode {
        HelpMode::Fetch => {
            remote.give_source(id, &what.url, &what.identity).await.map(|()| Way::Fetch)
        }
        HelpMode::Relay => relay(remote, id, origins, &what.origins, servers).await,
    };
    if way.is_err() {
        // Nobody else would: a helper that has agreed waits long before it takes us for lost.
        drop(remote.withdraw(id).await);
    }
    Ok((id, answer, Some(way?)))
}

/// A client of its own whose connections the helper carries.
async fn relay(
    remote: &RemotePeer,
    id: HelpId,
    origins: Vec<OriginName>,
    roots: &[Url],
    servers: Origins,
) -> Result<Way, CallError> {
    let lost = |text: String| CallError::Lost(io::Error::other(text));
    let relay = Relay::start(remote.clone(), id, origins).await.map_err(CallError::Lost)?;
    let (proxy, roots) = (relay.proxy_url().clone(), roots.to_vec());
    // Reading the system's certificates takes a moment.
    let made = tokio::task::spawn_blocking(move || servers.through(&proxy, &roots)).await;
    let origins =
        made.map_err(|error| lost(error.to_string()))?.map_err(|failure| lost(failure.message))?;
    Ok(Way::Relay { relay, origins: Box::new(origins) })
}

impl Session {
    /// Tells the helper that it is over, and what it came to. One that does not hear of it notices that nobody asks any more.
    pub fn end(
        &self,
        reason: HelpEnd,
        received_bytes: u64,
        used_bytes: u64,
    ) -> impl Future<Output = ()> + Send + 'static {
        self.stop.cancel();
        let (remote, id) = (self.remote.clone(), self.id);
        async move { drop(remote.end(id, reason, received_bytes, used_bytes).await) }
    }

    /// Asks after the session until it is over, and tells if the helper ended it.
    async fn watch(&self, download: DownloadId, facts: Facts) {
        let peer = self.remote.id();
        let (mut revision, mut failed) = (None, 0);
        loop {
            let asked = tokio::time::Instant::now();
            let polled = tokio::select! {
                () = self.stop.cancelled() => return,
                polled = self.remote.poll(self.id, Some(revision.unwrap_or(0)), POLL_S) => polled,
            };
            match polled {
                Ok(state) if state.state.is_final() => {
                    let reason = match state.state {
                        HelpState::Ended(end) => manyhands_peer::help_end(end.reason),
                        _ => HelpEnd::Other,
                    };
                    let ended = Input::HelpEnded { download, peer, reason };
                    return facts.send_of_session((download, peer), self.id, ended).await;
                }
                Ok(state) => {
                    failed = 0;
                    if revision.replace(state.revision) == Some(state.revision)
                        && asked.elapsed() < POLL_PAUSE
                    {
                        // An answer that says nothing new, at once: not faster than this.
                        tokio::time::sleep(POLL_PAUSE).await;
                    }
                }
                Err(error) => {
                    failed += 1;
                    let gone =
                        matches!(&error, CallError::Problem(problem) if problem.status < 500);
                    if gone || failed >= FAILED_POLLS {
                        let lost = Input::HelperLost { download, peer };
                        return facts.send_of_session((download, peer), self.id, lost).await;
                    }
                    tokio::time::sleep(POLL_PAUSE).await;
                }
            }
        }
    }
}

/// Whether the helper was led to an origin that it has not agreed to.
pub fn leads_elsewhere(error: &CallError) -> bool {
    matches!(error, CallError::Problem(problem) if problem.code() == Some(ProblemCode::NotConsented))
}

/// What a failed call means for the helper as a source.
pub fn trouble(error: &CallError) -> FetchTrouble {
    match error {
        CallError::Unreachable(_) | CallError::Lost(_) => FetchTrouble::Again,
        CallError::Problem(problem) => trouble_of(problem),
        CallError::WrongDevice { .. } | CallError::Link(_) | CallError::Nonsense(_) => {
            FetchTrouble::Fatal
        }
    }
}

fn trouble_of(problem: &Problem) -> FetchTrouble {
    let pause = problem.retry_after_ms.map(Duration::from_millis);
    match problem.code() {
        Some(ProblemCode::OriginUnreachable | ProblemCode::OriginBadAnswer) => FetchTrouble::Again,
        Some(ProblemCode::OriginChanged) => FetchTrouble::Changed,
        Some(ProblemCode::OriginStatus) => match (problem.origin_status, pause) {
            (_, Some(pause)) => FetchTrouble::After(pause),
            (Some(429 | 503), None) => FetchTrouble::After(BUSY_PAUSE),
            (Some(500..=599), None) => FetchTrouble::Again,
            _ => FetchTrouble::Fatal,
        },
        Some(ProblemCode::Busy | ProblemCode::TooMany) => {
            FetchTrouble::After(pause.unwrap_or(BUSY_PAUSE))
        }
        Some(ProblemCode::TooSlow | ProblemCode::Internal) | None => FetchTrouble::Again,
        Some(_) => FetchTrouble::Fatal,
    }
}

pub fn with_cause(error: &CallError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
