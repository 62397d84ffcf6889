//! Pairing: two devices make a code of six digits that their users compare.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{DeviceName, RequestId, Text};

/// The body of `POST /v1/pairings`. Which devices pair is in the handshake alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingRequest {
    /// The initiator's name for itself.
    #[serde(default)]
    pub name: DeviceName,
    /// SHA-256 of what `docs/protocol.md` says; opened later by the nonce.
    pub commitment: Bytes32,
    /// Where the initiator listens, at the address that it calls from. A hint, as all addresses are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingOffer {
    pub id: RequestId,
    /// The responder's.
    pub nonce: Bytes32,
}

/// The body of `POST /v1/pairings/{id}/reveal`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingReveal {
    /// The initiator's, to which it has committed.
    pub nonce: Bytes32,
}

/// The answer to every other request about a pairing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingStatus {
    pub id: RequestId,
    /// Grows with every change. A long poll with `since` waits until it is greater.
    pub revision: u32,
    #[serde(flatten)]
    pub state: PairingState,
}

/// Where a pairing is, as the responder sees it. A state that is not known fails to decode: nobody is paired by a
/// word that is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PairingState {
    /// The commitment is not opened yet.
    Committed {
        /// Seconds until it expires by itself.
        expires_in_s: u16,
    },
    /// The users compare; the responder's has not said no.
    Compare {
        expires_in_s: u16,
    },
    /// Both have said yes.
    Paired,
    /// One has said no.
    Refused,
    Expired,
    /// The commitment was opened wrongly.
    Cheated,
}

/// 32 bytes, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bytes32(pub [u8; 32]);

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes32Error;

impl PairingState {
    /// Whether nothing more can happen to it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Committed { .. } | Self::Compare { .. })
    }
}

impl fmt::Display for Bytes32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Bytes32 {
    /// It may be a secret still.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bytes32(…)")
    }
}

impl FromStr for Bytes32 {
    type Err = Bytes32Error;

    fn from_str(text: &str) -> Result<Self, Bytes32Error> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(Bytes32Error),
        };
        let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
            [high, low] => Ok(digit(*high)? << 4 | digit(*low)?),
            _ => Err(Bytes32Error),
        });
        let bytes = pairs.collect::<Result<Vec<u8>, _>>()?;
        bytes.try_into().map(Self).map_err(|_| Bytes32Error)
    }
}

impl fmt::Display for Bytes32Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected 64 characters of 0-9 and a-f")
    }
}

impl std::error::Error for Bytes32Error {}

impl Serialize for Bytes32 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::<64>::deserialize(deserializer)?.as_str().parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_bytes_have_one_spelling() {
        let bytes = Bytes32(std::array::from_fn(|i| (i * 37 + 11) as u8));
        assert_eq!(bytes.to_string().parse(), Ok(bytes));
        for bad in [
            "",
            "0",
            &"0".repeat(63),
            &"0".repeat(66),
            &"A".repeat(64),
            &"ä".repeat(32),
            &"+0".repeat(32),
        ] {
            assert_eq!(bad.parse::<Bytes32>(), Err(Bytes32Error), "{bad}");
        }
    }
}
