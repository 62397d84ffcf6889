//! What travels between machines: the messages of the peer protocol and of rendezvous servers, version 1
//! of both.
//!
//! Plain data and the rules for reading it; nothing here opens a socket. The protocol around it is
//! `docs/protocol.md`. Invariants: a value that was decoded is inside its bounds, a text that is
//! shown to people is neutral (see [`Label`]), and fields that this version does not know are
//! passed over.

mod binary;
mod bounded;
mod hello;
mod help_request;
mod invite;
mod label;
mod pairing;
mod problem;
mod rendezvous;
mod session;

pub use binary::{Blob, Digest, DigestError};
pub use bounded::{List, MAX_JSON_INTEGER, OutOfBounds, Text};
pub use hello::{Feature, Hello, MAX_FEATURES, ProtocolRange};
pub use help_request::{
    HelpRequest, HelpRequestError, MAX_ETAG_BYTES, MAX_HOST_BYTES, MAX_ORIGINS, MAX_URL_BYTES,
    Mode, OriginName, OriginNameError, RequestId, RequestIdError, Scheme, Source, SourceError,
    SourceValidator,
};
pub use invite::{
    GROUP_NAME_CHARS, GroupName, Invite, InviteError, MAX_INVITE_BYTES, ServerAddress,
};
pub use label::{DEVICE_NAME_CHARS, DeviceName, FILE_NAME_CHARS, FileName, Label};
pub use pairing::{
    Bytes32, Bytes32Error, PairingOffer, PairingRequest, PairingReveal, PairingState, PairingStatus,
};
pub use problem::{MAX_PROBLEM_TEXT_BYTES, PROBLEM_CONTENT_TYPE, Problem, ProblemCode};
pub use rendezvous::{
    Challenge, Changes, GroupProof, MAX_CHANGES, MAX_CLOCK_SKEW_S, MAX_GROUPS, MAX_KEY_BYTES,
    MAX_RECORD_ADDRESSES, MAX_RECORD_BYTES, MAX_RECORD_TTL_S, MAX_SEALED_NAME_BYTES,
    MAX_SIGNATURE_BYTES, PresenceRecord, Probe, Probed, Publication, Published, RECORD_VERSION,
    RENDEZVOUS_PORT, RendezvousEvent, Ring, ServerHello, Session, SessionRequest, SignedRecord,
    TimeError, group_statement, record_statement, server_statement, session_statement,
};
pub use session::{
    DeclineReason, EndReason, EndReport, HelpRequestState, HelpState, Party, SessionEnd,
};

/// The protocol version that this crate speaks; it is the first part of every path (`/v1/…`).
pub const PROTOCOL_VERSION: u16 = 1;

/// The port on which a client listens when nothing else is asked for and nobody else has it.
/// Unassigned by IANA, below the range from which Linux, Windows and macOS take the ports of
/// outgoing connections.
pub const DEFAULT_PORT: u16 = 26269;

/// A JSON body, of a request or of an answer, has at most so many bytes. More is refused before it
/// is read.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// A long poll waits at most so long; a greater `wait` is cut to it. Below the half minute after
/// which middleboxes and impatient clients give up.
pub const MAX_WAIT_S: u16 = 25;

/// A help request that nobody answered ends after this time.
pub const PENDING_S: u16 = 60;
