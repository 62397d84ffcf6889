//! Pairing, on the wire: the runs of this device, and what another device may ask of its own.
//!
//! What follows from what is [`PairingDesk`]'s to say; here are the clock, the random numbers and those who wait for a change.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::routing::{get, post};
use http::StatusCode;
use manyhands_core::{
    Paired, PairingAsk, PairingBounds, PairingCommitment, PairingDesk, PairingEnd, PairingId,
    PairingNonce, PairingRefusal, PairingRun, PairingStage, PeerId,
};
use manyhands_wire::{
    Bytes32, MAX_WAIT_S, PairingOffer, PairingRequest, PairingReveal, PairingState, PairingStatus,
    Problem, ProblemCode, RequestId,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::connection::Caller;
use super::routes::{Answer, json, number, read};
use super::{PeerServer, Shared};
use crate::client::RemotePeer;
use crate::client::pairing::Initiator;

/// Ports below this belong to the system: no Manyhands listens there.
const FIRST_PORT: u16 = 1024;

/// The runs of pairing of this device, those that it has begun and those of others. Clones are handles to the same ones.
#[derive(Clone, Debug)]
pub struct Pairings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The lock is never held over an await.
    desk: Mutex<PairingDesk>,
    began: Instant,
    changed: watch::Sender<u64>,
    friends: OnceLock<watch::Receiver<BTreeSet<PeerId>>>,
}

impl PeerServer {
    /// What is paired with whom now.
    #[must_use]
    pub fn pairings(&self) -> &Pairings {
        &self.shared.pairings
    }

    /// Begins to pair with `remote`, which calls itself `name`. What becomes of it shows in [`Pairings::runs`].
    ///
    /// # Errors
    /// Too many, or the device is blocked, or this one.
    pub fn pair(&self, remote: RemotePeer, name: &str) -> Result<PairingId, PairingRefusal> {
        let pairings = self.shared.pairings.clone();
        let (id, nonce) = (PairingId(rand::random()), PairingNonce(rand::random()));
        let reach = remote.addresses().first().copied();
        let commitment = pairings
            .with(|desk, now| desk.begin(id, remote.id(), name.to_owned(), reach, nonce, now))?;
        info!(pairing = ?id, with = %remote.id().short(), "pairing begins");
        let request = PairingRequest {
            name: self.shared.hello.borrow().name.clone(),
            commitment: Bytes32(commitment.0),
            port: Some(self.port()),
        };
        let initiator = Initiator::new(id, remote, request, pairings);
        self.shared.tasks.spawn(initiator.run(self.shared.stop.clone()));
        Ok(id)
    }
}

impl Pairings {
    pub(super) fn new(own: PeerId) -> Self {
        Self(Arc::new(Inner {
            desk: Mutex::new(PairingDesk::new(own, PairingBounds::default())),
            began: Instant::now(),
            changed: watch::Sender::new(0),
            friends: OnceLock::new(),
        }))
    }

    /// Who is no stranger from now on. Without it all others are. Only the first call counts.
    pub fn follow_friends(&self, friends: watch::Receiver<BTreeSet<PeerId>>) {
        // A second list would be a mistake of the shell; the first one goes on to be right.
        let _ = self.0.friends.set(friends);
    }

    /// Changes whenever a run does; time passing by itself only with [`Self::tick`].
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// What is to be shown, the oldest first, and how long each has yet.
    #[must_use]
    pub fn runs(&self) -> Vec<(PairingRun, Duration)> {
        self.with(|desk, now| {
            desk.tick(now);
            let left = |run: PairingRun| (run.expires.saturating_sub(now), run);
            desk.runs().into_iter().map(left).map(|(left, run)| (run, left)).collect()
        })
    }

    /// The user's word on whether the codes are the same. Whether that was possible.
    pub fn answer(&self, id: PairingId, same: bool) -> bool {
        self.with(|desk, now| desk.answer(id, same, now))
    }

    /// The open run with this device.
    #[must_use]
    pub fn open_with(&self, peer: PeerId) -> Option<PairingId> {
        self.with(|desk, now| {
            desk.tick(now);
            desk.open_with(peer)
        })
    }

    /// A device that is paired from now on; each once.
    #[must_use]
    pub fn take_paired(&self) -> Option<Paired> {
        self.with(|desk, _| desk.poll_paired())
    }

    /// Lets runs expire. Whether an open one is shown: time changes what is seen of it.
    pub fn tick(&self) -> bool {
        let is_open = |run: &PairingRun| !matches!(run.stage, PairingStage::Over(_));
        self.with(|desk, now| {
            desk.tick(now);
            desk.runs().iter().any(is_open)
        })
    }

    pub(super) fn set_blocked(&self, peers: &BTreeSet<PeerId>) {
        self.with(|desk, now| desk.set_blocked(peers.clone(), now));
    }

    /// Does something at the desk, and tells those who wait when it has changed something.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut PairingDesk, Duration) -> T) -> T {
        let mut desk = self.0.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let before = desk.revisions();
        let result = work(&mut desk, self.0.began.elapsed());
        let changed = desk.revisions() != before;
        drop(desk);
        if changed {
            self.0.changed.send_modify(|times| *times = times.wrapping_add(1));
        }
        result
    }

    /// When `run` expires.
    pub(crate) fn expiry(&self, run: &PairingRun) -> Instant {
        self.0.began + run.expires
    }

    fn is_stranger(&self, peer: PeerId) -> bool {
        self.0.friends.get().is_none_or(|friends| !friends.borrow().contains(&peer))
    }

    /// Waits until the revision is greater than `since`, or for `wait`; without `since`, until the run is over.
    async fn changed(
        &self,
        (id, from): (PairingId, PeerId),
        since: Option<u32>,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<(), PairingRefusal> {
        let (deadline, mut changes) = (Instant::now() + wait, self.changes());
        loop {
            changes.mark_unchanged();
            let run = self.with(|desk, now| desk.look(id, from, now))?;
            let over = matches!(run.stage, PairingStage::Over(_));
            if over
                || since.is_some_and(|since| run.revision > since)
                || Instant::now() >= deadline
                || stop.is_cancelled()
            {
                return Ok(());
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = sleep_until(deadline.min(self.expiry(&run))) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

/// The paths under `/v1/pairings`.
pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/pairings", post(begin))
        .route("/v1/pairings/{id}", get(state).delete(refuse))
        .route("/v1/pairings/{id}/reveal", post(reveal))
        .route("/v1/pairings/{id}/confirm", post(confirm))
}

async fn begin(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Answer {
    let request: PairingRequest = read(body, shared.waits.body).await?;
    let (id, nonce) = (PairingId(rand::random()), PairingNonce(rand::random()));
    let port = request.port.filter(|port| *port >= FIRST_PORT);
    let ask = PairingAsk {
        id,
        from: caller.id,
        stranger: shared.pairings.is_stranger(caller.id),
        name: request.name.as_str().to_owned(),
        reach: port.map(|port| SocketAddr::new(caller.address, port)),
        commitment: PairingCommitment(request.commitment.0),
    };
    shared.pairings.with(|desk, now| desk.requested(ask, nonce, now)).map_err(problem)?;
    info!(pairing = ?id, with = %caller.id.short(), "another device begins to pair");
    let offer = PairingOffer { id: RequestId(id.0), nonce: Bytes32(nonce.0) };
    json(StatusCode::CREATED, &offer)
}

async fn reveal(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Body,
) -> Answer {
    let run = (parse_id(&id)?, caller.id);
    let reveal: PairingReveal = read(body, shared.waits.body).await?;
    let nonce = PairingNonce(reveal.nonce.0);
    shared.pairings.with(|desk, now| desk.revealed(run.0, run.1, nonce, now)).map_err(problem)?;
    status(&shared, run)
}

async fn confirm(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    let run = (parse_id(&id)?, caller.id);
    shared.pairings.with(|desk, now| desk.confirmed(run.0, run.1, now)).map_err(problem)?;
    status(&shared, run)
}

async fn refuse(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    let run = (parse_id(&id)?, caller.id);
    shared.pairings.with(|desk, now| desk.refused(run.0, run.1, now)).map_err(problem)?;
    status(&shared, run)
}

async fn state(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let run = (parse_id(&id)?, caller.id);
    let query = query.unwrap_or_default();
    if let Some(wait) = number(&query, "wait")? {
        let wait = Duration::from_secs(wait.min(u64::from(MAX_WAIT_S)));
        let since = number(&query, "since")?.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        shared.pairings.changed(run, since, wait, &shared.stop).await.map_err(problem)?;
    }
    status(&shared, run)
}

fn status(shared: &Shared, (id, from): (PairingId, PeerId)) -> Answer {
    let (run, now) = shared
        .pairings
        .with(|desk, now| desk.look(id, from, now).map(|run| (run, now)))
        .map_err(problem)?;
    let left = run.expires.saturating_sub(now).as_secs();
    let expires_in_s = u16::try_from(left).unwrap_or(u16::MAX);
    let state = match run.stage {
        PairingStage::Connecting => PairingState::Committed { expires_in_s },
        // What this user has said is told when both have.
        PairingStage::Compare | PairingStage::WaitingForOther => {
            PairingState::Compare { expires_in_s }
        }
        PairingStage::Over(PairingEnd::Paired) => PairingState::Paired,
        PairingStage::Over(PairingEnd::Refused | PairingEnd::Failed) => PairingState::Refused,
        PairingStage::Over(PairingEnd::Expired) => PairingState::Expired,
        PairingStage::Over(PairingEnd::Cheated) => PairingState::Cheated,
    };
    json(StatusCode::OK, &PairingStatus { id: RequestId(id.0), revision: run.revision, state })
}

fn parse_id(text: &str) -> Result<PairingId, Problem> {
    let id = text.parse::<RequestId>().map_err(|_| Problem::new(ProblemCode::UnknownRequest))?;
    Ok(PairingId(id.0))
}

fn problem(refusal: PairingRefusal) -> Problem {
    Problem::new(match refusal {
        PairingRefusal::Unknown => ProblemCode::UnknownRequest,
        PairingRefusal::NotReady => ProblemCode::NotReady,
        PairingRefusal::Over => ProblemCode::SessionOver,
        PairingRefusal::TooMany => ProblemCode::TooMany,
        // A blocked device has no connection; one that calls itself is nobody's to help.
        PairingRefusal::Itself | PairingRefusal::Blocked => ProblemCode::Malformed,
    })
}
