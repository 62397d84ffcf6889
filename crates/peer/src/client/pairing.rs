//! Pairing, from the side that begins: carries one run of the desk over the wire.

use std::time::Duration;

use http::{Method, StatusCode};
use manyhands_core::{PairingEnd, PairingHeard, PairingId, PairingNonce, PairingStage};
use manyhands_wire::{
    Bytes32, MAX_WAIT_S, PairingOffer, PairingRequest, PairingReveal, PairingState, PairingStatus,
    ProblemCode, RequestId,
};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{CallError, RemotePeer};
use crate::server::Pairings;

/// After a poll or a confirmation that was lost on the way; the run itself expires within a minute.
const RETRY: Duration = Duration::from_secs(1);
/// For telling the responder that nobody goes on here.
const FAREWELL: Duration = Duration::from_millis(500);

/// One run that this device has begun.
#[derive(Debug)]
pub(crate) struct Initiator {
    id: PairingId,
    remote: RemotePeer,
    request: PairingRequest,
    pairings: Pairings,
    /// The run as the responder calls it, while it may be open there.
    open: Option<RequestId>,
}

impl Initiator {
    pub(crate) fn new(
        id: PairingId,
        remote: RemotePeer,
        request: PairingRequest,
        pairings: Pairings,
    ) -> Self {
        Self { id, remote, request, pairings, open: None }
    }

    /// Goes on until the run is over. A shutdown is a no.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let id = self.id;
        match stop.run_until_cancelled(self.carry()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                debug!(pairing = ?id, %error, "pairing failed");
                self.pairings.with(|desk, now| desk.failed(id, now));
            }
            None => {
                self.pairings.answer(id, false);
            }
        }
        if let Some(open) = self.open {
            // If it does not hear this, it expires there.
            let _ = timeout(FAREWELL, self.remote.refuse_pairing(open)).await;
        }
    }

    async fn carry(&mut self) -> Result<(), CallError> {
        let id = self.id;
        let offer = self.remote.begin_pairing(&self.request).await?;
        self.open = Some(offer.id);
        let responders = PairingNonce(offer.nonce.0);
        let opening = self.pairings.with(|desk, now| desk.opened(id, responders, now));
        // Over before it was answered.
        let Some(opening) = opening else { return Ok(()) };
        let mut status = self.remote.reveal_pairing(offer.id, opening).await?;
        let mut confirmed = false;
        loop {
            if status.state.is_final() {
                self.open = None;
            }
            let heard = heard(status.state)?;
            self.pairings.with(|desk, now| desk.heard(id, heard, now));
            let run = self.pairings.with(|desk, _| desk.run(id));
            let Some(run) = run.filter(|run| !matches!(run.stage, PairingStage::Over(_))) else {
                return Ok(());
            };
            let says_yes = run.stage == PairingStage::WaitingForOther && !confirmed;
            let next = async {
                if says_yes {
                    self.remote.confirm_pairing(offer.id).await
                } else {
                    self.remote.poll_pairing(offer.id, status.revision).await
                }
            };
            let user = self.user_speaks(run.revision);
            tokio::select! {
                next = next => match next {
                    Ok(next) => {
                        status = next;
                        confirmed |= says_yes;
                    }
                    // Over before the yes came: how, says its state.
                    Err(CallError::Problem(problem))
                        if says_yes && problem.code() == Some(ProblemCode::SessionOver) =>
                    {
                        status = self.remote.poll_pairing(offer.id, 0).await?;
                    }
                    Err(CallError::Lost(_) | CallError::Unreachable(_)) => sleep(RETRY).await,
                    Err(error) => return Err(error),
                },
                // A confirmation that is given up here is sent again, unless the user has taken it back; a second one
                // changes nothing.
                () = user => {}
                () = sleep_until(self.pairings.expiry(&run)) => {
                    self.pairings.tick();
                }
            }
        }
    }

    /// Until the run has changed here.
    async fn user_speaks(&self, revision: u32) {
        let mut changes = self.pairings.changes();
        let same = || {
            let run = self.pairings.with(|desk, _| desk.run(self.id));
            run.is_some_and(|run| run.revision == revision)
        };
        while same() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// What an opened run's state means for the one who began.
fn heard(state: PairingState) -> Result<PairingHeard, CallError> {
    Ok(match state {
        PairingState::Committed { .. } => {
            return Err(CallError::Nonsense("a pairing that was opened and is not open"));
        }
        PairingState::Compare { .. } => PairingHeard::Compare,
        PairingState::Paired => PairingHeard::Over(PairingEnd::Paired),
        PairingState::Refused => PairingHeard::Over(PairingEnd::Refused),
        PairingState::Expired => PairingHeard::Over(PairingEnd::Expired),
        PairingState::Cheated => PairingHeard::Over(PairingEnd::Cheated),
    })
}

/// The requests of `/v1/pairings`.
impl RemotePeer {
    async fn begin_pairing(&self, request: &PairingRequest) -> Result<PairingOffer, CallError> {
        let (response, connection) = self.call(Method::POST, "/v1/pairings", Some(request)).await?;
        self.read(response, connection, StatusCode::CREATED).await
    }

    async fn reveal_pairing(
        &self,
        id: RequestId,
        opening: PairingNonce,
    ) -> Result<PairingStatus, CallError> {
        let reveal = PairingReveal { nonce: Bytes32(opening.0) };
        self.pairing(Method::POST, id, "/reveal", Some(&reveal)).await
    }

    async fn poll_pairing(&self, id: RequestId, since: u32) -> Result<PairingStatus, CallError> {
        let path = path(id, &format!("?wait={MAX_WAIT_S}&since={since}"));
        let request = self.request(Method::GET, &path)?;
        let wait = self.inner.waits.answer + Duration::from_secs(u64::from(MAX_WAIT_S));
        let (response, connection) = self.inner.send(request, wait).await?;
        let status = self.read(response, connection, StatusCode::OK).await?;
        same_pairing(status, id)
    }

    async fn confirm_pairing(&self, id: RequestId) -> Result<PairingStatus, CallError> {
        self.pairing(Method::POST, id, "/confirm", None).await
    }

    async fn refuse_pairing(&self, id: RequestId) -> Result<PairingStatus, CallError> {
        self.pairing(Method::DELETE, id, "", None).await
    }

    async fn pairing(
        &self,
        method: Method,
        id: RequestId,
        rest: &str,
        message: Option<&PairingReveal>,
    ) -> Result<PairingStatus, CallError> {
        let (response, connection) = self.call(method, &path(id, rest), message).await?;
        let status = self.read(response, connection, StatusCode::OK).await?;
        same_pairing(status, id)
    }
}

fn same_pairing(status: PairingStatus, id: RequestId) -> Result<PairingStatus, CallError> {
    if status.id == id {
        Ok(status)
    } else {
        Err(CallError::Nonsense("the state of another pairing"))
    }
}

fn path(id: RequestId, rest: &str) -> String {
    format!("/v1/pairings/{id}{rest}")
}
