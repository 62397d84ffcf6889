//! The messages of a rendezvous server, version 1, and what is signed in them (`docs/rendezvous-protocol.md`).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::bounded::{json_u64, json_u64_option};
use crate::{Blob, Bytes32, Digest, List, MAX_FEATURES, ProtocolRange, Text};

/// The port of a rendezvous server when nothing else is said.
pub const RENDEZVOUS_PORT: u16 = 8470;
/// The version of presence records.
pub const RECORD_VERSION: u16 = 1;
/// A record is valid for at most so long after it was issued.
pub const MAX_RECORD_TTL_S: u16 = 120;
/// The clocks of a device and a server may be apart by so much; those of two members by twice that, which is why a member judges
/// records by the server's clock.
pub const MAX_CLOCK_SKEW_S: u16 = 300;
/// More addresses of one device are not published.
pub const MAX_RECORD_ADDRESSES: usize = 16;
/// What is signed of a record has at most so many bytes.
pub const MAX_RECORD_BYTES: usize = 2048;
/// A device is in at most so many groups of one server.
pub const MAX_GROUPS: usize = 32;
/// A device's name, sealed: 40 characters of at most 4 bytes, nonce and tag.
pub const MAX_SEALED_NAME_BYTES: usize = 40 * 4 + 28;
/// A device's public key, an ECDSA P-256 key being the longer kind.
pub const MAX_KEY_BYTES: usize = 96;
/// A signature, an ECDSA P-256 signature in DER being the longer kind.
pub const MAX_SIGNATURE_BYTES: usize = 80;
/// Changes in one answer of [`Changes`]; the next one has the others.
pub const MAX_CHANGES: usize = 256;

/// `GET /v1/server`, and the server's part of a session: who answers here. Believed only when it was expected: by the invite, or by the
/// person who made the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerHello {
    /// The server's id: the SHA-256 of its key, as a device's.
    pub id: Digest,
    pub key: Blob<MAX_KEY_BYTES>,
    pub protocol: ProtocolRange,
    /// Program and version, for logs.
    #[serde(default)]
    pub software: Text<64>,
}

/// The answer to `POST /v1/challenges`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    pub nonce: Bytes32,
    pub expires_in_s: u16,
}

/// The body of `POST /v1/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRequest {
    /// The device's public key (SubjectPublicKeyInfo, DER).
    pub key: Blob<MAX_KEY_BYTES>,
    /// Of the [`Challenge`]; good for one session.
    pub nonce: Bytes32,
    /// Random; the server signs it.
    pub client_nonce: Bytes32,
    /// Over [`session_statement`], by the device.
    pub signature: Blob<MAX_SIGNATURE_BYTES>,
    /// The groups that the session is for.
    pub groups: List<GroupProof, MAX_GROUPS>,
}

/// That a device is a member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupProof {
    /// The group's public key: 32 bytes of Ed25519. Its SHA-256 is the group's id.
    pub key: Blob<32>,
    /// Over [`group_statement`], by the group's key.
    pub signature: Blob<64>,
}

/// The answer, 201.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// For `Authorization: Bearer …` of everything else.
    pub token: Bytes32,
    pub expires_in_s: u32,
    /// The server's clock, seconds since 1970.
    #[serde(with = "json_u64")]
    pub now_s: u64,
    /// Where the request came from, as far as the server can tell.
    pub observed: Text<64>,
    /// Over [`server_statement`], by the server's key.
    pub signature: Blob<MAX_SIGNATURE_BYTES>,
}

/// What a device says of itself in one group. It is signed as text ([`SignedRecord`]); this is what the text holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedRecord")]
pub struct PresenceRecord {
    /// [`RECORD_VERSION`]; other versions are refused.
    pub v: u16,
    pub id: Digest,
    pub group: Digest,
    /// Greater than in every record of this device and group before: milliseconds since 1970, or one more than the last.
    #[serde(with = "json_u64")]
    pub seq: u64,
    /// The device's clock, seconds since 1970.
    #[serde(with = "json_u64")]
    pub issued_at_s: u64,
    /// Valid for so long, at most [`MAX_RECORD_TTL_S`].
    pub ttl_s: u16,
    /// Where it may be reached, the best first.
    pub addresses: List<SocketAddr, MAX_RECORD_ADDRESSES>,
    /// As in the hello.
    pub features: List<Text<32>, MAX_FEATURES>,
    /// What the device calls itself, sealed for the members.
    pub name: Blob<MAX_SEALED_NAME_BYTES>,
}

#[derive(Deserialize)]
struct UncheckedRecord {
    v: u16,
    id: Digest,
    group: Digest,
    #[serde(with = "json_u64")]
    seq: u64,
    #[serde(with = "json_u64")]
    issued_at_s: u64,
    ttl_s: u16,
    #[serde(default)]
    addresses: List<SocketAddr, MAX_RECORD_ADDRESSES>,
    #[serde(default)]
    features: List<Text<32>, MAX_FEATURES>,
    #[serde(default)]
    name: Blob<MAX_SEALED_NAME_BYTES>,
}

/// The record is not valid now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeError {
    Expired,
    /// Issued later than now: one of the clocks is wrong.
    Future,
    /// Valid for longer than records may be.
    TooLong,
}

/// A record as it travels: what was signed, letter by letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SignedRecord {
    /// A [`PresenceRecord`] as JSON text.
    pub payload: Text<MAX_RECORD_BYTES>,
    /// The device's public key.
    pub key: Blob<MAX_KEY_BYTES>,
    /// Over [`record_statement`].
    pub signature: Blob<MAX_SIGNATURE_BYTES>,
}

/// The body of `PUT /v1/presence`: one record for each group in which the device is to be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    pub records: List<SignedRecord, MAX_GROUPS>,
}

/// The answer, 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// When to publish again, in milliseconds; jittered by the server.
    #[serde(with = "json_u64")]
    pub next_after_ms: u64,
}

/// What has happened in the groups of a session: the data of server-sent events (`GET /v1/events`), the entries of [`Changes`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RendezvousEvent {
    /// What was known is void. Who is present follows, then `ready`.
    Reset,
    /// All that was there when the stream began has been said.
    Ready,
    /// A member is there, or has other addresses.
    Present { record: SignedRecord },
    /// A member has left, or has not been heard of.
    Gone { group: Digest, id: Digest },
    /// A member cannot reach this device and asks to be called.
    Ring { group: Digest, from: Digest },
    /// The server goes away: come back after this time.
    Bye {
        #[serde(with = "json_u64")]
        retry_after_ms: u64,
    },
}

/// The answer to `GET /v1/changes?cursor=C&wait=S`: the same for those who cannot keep a stream open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// For the next call.
    pub cursor: Text<64>,
    pub events: List<RendezvousEvent, MAX_CHANGES>,
    /// There are more at once.
    #[serde(default)]
    pub more: bool,
}

/// The body of `POST /v1/rings` → 202.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    pub group: Digest,
    /// Who is to call.
    pub to: Digest,
}

/// The body of `POST /v1/probes`: can the asking address be reached from here?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub port: u16,
}

/// The answer, 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// What was called: the address that asked, and no other.
    pub address: SocketAddr,
    pub reachable: bool,
    /// English, for logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Text<200>>,
    /// Do not ask again before so many milliseconds.
    #[serde(default, with = "json_u64_option", skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// What a device signs to open a session: that it wants one now, at this server, in these groups.
#[must_use]
pub fn session_statement<'a>(
    server: &Digest,
    nonce: &Bytes32,
    client_nonce: &Bytes32,
    group_keys: impl Iterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let mut statement = b"manyhands rendezvous session 1\0".to_vec();
    statement.extend([server.0, nonce.0, client_nonce.0].as_flattened());
    group_keys.for_each(|key| statement.extend(key));
    statement
}

/// What a group's key signs: that this device is a member, for this session alone.
#[must_use]
pub fn group_statement(server: &Digest, nonce: &Bytes32, device: &Digest) -> Vec<u8> {
    let mut statement = b"manyhands rendezvous group 1\0".to_vec();
    statement.extend([server.0, nonce.0, device.0].as_flattened());
    statement
}

/// What a server signs: that it is the one with this key, also where TLS ends at somebody else.
#[must_use]
pub fn server_statement(server: &Digest, device: &Digest, client_nonce: &Bytes32) -> Vec<u8> {
    let mut statement = b"manyhands rendezvous server 1\0".to_vec();
    statement.extend([server.0, device.0, client_nonce.0].as_flattened());
    statement
}

/// What a device signs of a record.
#[must_use]
pub fn record_statement(payload: &str) -> Vec<u8> {
    [b"manyhands presence 1\0".as_slice(), payload.as_bytes()].concat()
}

impl PresenceRecord {
    /// Whether it is valid at `now_s` (seconds since 1970), give or take [`MAX_CLOCK_SKEW_S`].
    ///
    /// So a record is believed for up to the time that it names and twice the skew, 12 minutes, after it was signed by a clock that
    /// is ahead: against what is played again within that time there is its number.
    ///
    /// # Errors
    /// Why not.
    pub fn check_time(&self, now_s: u64) -> Result<(), TimeError> {
        let skew = u64::from(MAX_CLOCK_SKEW_S);
        if self.ttl_s > MAX_RECORD_TTL_S {
            return Err(TimeError::TooLong);
        }
        if self.issued_at_s > now_s.saturating_add(skew) {
            return Err(TimeError::Future);
        }
        if self.issued_at_s + u64::from(self.ttl_s) + skew < now_s {
            return Err(TimeError::Expired);
        }
        Ok(())
    }
}

impl TryFrom<UncheckedRecord> for PresenceRecord {
    type Error = &'static str;

    fn try_from(read: UncheckedRecord) -> Result<Self, &'static str> {
        if read.v != RECORD_VERSION {
            return Err("a record of another version");
        }
        let UncheckedRecord { v, id, group, seq, issued_at_s, ttl_s, addresses, features, name } =
            read;
        Ok(Self { v, id, group, seq, issued_at_s, ttl_s, addresses, features, name })
    }
}

impl std::fmt::Display for TimeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Expired => "the record has expired",
            Self::Future => "the record is of the future: one of the clocks is wrong",
            Self::TooLong => "the record is valid for longer than records may be",
        })
    }
}

impl std::error::Error for TimeError {}
