//! One run of pairing: where it is, and what can be shown of it.

use std::net::SocketAddr;
use std::time::Duration;

use super::{PairingBounds, PairingCode, PairingCommitment, PairingId, PairingNonce};
use crate::PeerId;

/// One run, as it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingRun {
    pub id: PairingId,
    pub peer: PeerId,
    pub name: String,
    /// Whether the other device began.
    pub incoming: bool,
    /// From the moment on when the commitment is open.
    pub code: Option<PairingCode>,
    pub stage: PairingStage,
    /// Grows with every change.
    pub revision: u32,
    /// When it ends by itself.
    pub expires: Duration,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairingEnd {
    /// Both users have said yes.
    Paired,
    /// One of both said no.
    Refused,
    Expired,
    /// The other device broke the rules: somebody may be between.
    Cheated,
    /// The other device could not be reached, or refused to begin.
    Failed,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairingStage {
    /// There is no code yet.
    Connecting,
    /// This user is to say whether the codes are the same.
    Compare,
    /// This user has said yes.
    WaitingForOther,
    Over(PairingEnd),
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) peer: PeerId,
    pub(super) name: String,
    pub(super) reach: Option<SocketAddr>,
    pub(super) incoming: bool,
    pub(super) began: Duration,
    pub(super) step: Step,
    pub(super) code: Option<PairingCode>,
    pub(super) revision: u32,
    pub(super) ended: Option<Duration>,
}

/// What is known only while it is needed is in here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Opening { nonce: PairingNonce },
    Opened,
    Committed { commitment: PairingCommitment, nonce: PairingNonce },
    Comparing { here: bool, there: bool },
    Over(PairingEnd),
}

impl Run {
    pub(super) fn go(&mut self, step: Step) {
        self.step = step;
        self.revision = self.revision.saturating_add(1);
    }

    pub(super) fn is_open(&self) -> bool {
        !matches!(self.step, Step::Over(_))
    }

    pub(super) fn expires(&self, bounds: PairingBounds) -> Duration {
        let patience = match self.step {
            Step::Committed { .. } => bounds.opening,
            Step::Comparing { here: true, .. } if !self.incoming => bounds.whole + bounds.grace,
            _ => bounds.whole,
        };
        self.began.saturating_add(patience)
    }

    /// Whoever begins and does not open shows nothing; whoever opens wrongly is told of.
    pub(super) fn concerns_user(&self) -> bool {
        let cheated = matches!(self.step, Step::Over(PairingEnd::Cheated));
        !self.incoming || self.code.is_some() || cheated
    }

    pub(super) fn shown(&self, id: PairingId, bounds: PairingBounds) -> PairingRun {
        let stage = match self.step {
            Step::Opening { .. } | Step::Opened | Step::Committed { .. } => {
                PairingStage::Connecting
            }
            Step::Comparing { here: false, .. } => PairingStage::Compare,
            Step::Comparing { here: true, .. } => PairingStage::WaitingForOther,
            Step::Over(end) => PairingStage::Over(end),
        };
        PairingRun {
            id,
            peer: self.peer,
            name: self.name.clone(),
            incoming: self.incoming,
            // The initiator's is shown when the responder's is: not before the opening has arrived.
            code: self.code.filter(|_| !matches!(self.step, Step::Opened)),
            stage,
            revision: self.revision,
            expires: self.expires(bounds),
        }
    }
}
