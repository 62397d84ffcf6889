//! Pairing: two people compare six digits, and each device then knows for sure whose key the other one has.
//!
//! The one who begins commits to a random number before it has seen the other's, and opens the commitment only afterwards. So
//! nobody, not even a device between the two that runs one pairing with each, can choose its number with both others in view:
//! each run is one guess among a million. The state of the runs is [`PairingDesk`]; this file holds the arithmetic.

mod desk;
mod run;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::PeerId;
pub use desk::{Paired, PairingAsk, PairingBounds, PairingDesk, PairingHeard, PairingRefusal};
pub use run::{PairingEnd, PairingRun, PairingStage};

/// Each hash says what it is for: none is ever taken for the other.
const COMMIT: &[u8] = b"manyhands pair v1 commit";
const CODE: &[u8] = b"manyhands pair v1 code";
/// Codes have six digits.
const CODES: u64 = 1_000_000;

/// The name of one run, given at random; on the wire by the device that was asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairingId(pub u128);

/// What one side adds at random, once: 256 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PairingNonce(pub [u8; 32]);

/// A promise of the initiator's nonce that tells nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairingCommitment(pub [u8; 32]);

/// What both screens show: `000000` to `999999`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PairingCode(u32);

/// The text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a code: expected six digits such as 123 456")]
pub struct PairingCodeError;

impl PairingNonce {
    /// The commitment to this nonce, bound to the two devices: nobody else's pairing can use it.
    #[must_use]
    pub fn commitment(&self, initiator: PeerId, responder: PeerId) -> PairingCommitment {
        let hash = Sha256::new()
            .chain_update(COMMIT)
            .chain_update(self.0)
            .chain_update(initiator.as_bytes())
            .chain_update(responder.as_bytes());
        PairingCommitment(hash.finalize().into())
    }
}

impl PairingCode {
    /// The code of one run, from what only these two devices have in common.
    ///
    /// Reduced from 64 bits: 2^64 is no multiple of a million, so that the codes up to 551 615 come up more often than the
    /// others, by one part in 18 million million. The hash is no better known than that.
    #[must_use]
    pub fn of(
        initiator: PeerId,
        responder: PeerId,
        initiators: &PairingNonce,
        responders: &PairingNonce,
    ) -> Self {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(CODE)
            .chain_update(initiator.as_bytes())
            .chain_update(responder.as_bytes())
            .chain_update(initiators.0)
            .chain_update(responders.0)
            .finalize()
            .into();
        let first = hash.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        Self((first % CODES) as u32)
    }

    /// Two groups of three, as people read it out.
    #[must_use]
    pub fn spoken(self) -> String {
        format!("{:03} {:03}", self.0 / 1000, self.0 % 1000)
    }
}

impl fmt::Display for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

impl FromStr for PairingCode {
    type Err = PairingCodeError;

    /// Takes it as it is shown, with or without the space in the middle.
    fn from_str(text: &str) -> Result<Self, PairingCodeError> {
        let digits: String = text.chars().filter(|c| *c != ' ').collect();
        let all = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit());
        all.then(|| digits.parse().ok()).flatten().map(Self).ok_or(PairingCodeError)
    }
}

impl fmt::Display for PairingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for PairingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PairingId({:08x}…)", self.0 >> 96)
    }
}

impl fmt::Debug for PairingNonce {
    /// Until it is opened it is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingNonce(…)")
    }
}
