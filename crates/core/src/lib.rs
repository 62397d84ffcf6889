//! The vocabulary of Manyhands and everything that decides.
//!
//! Sans-IO: nothing here opens a socket or a file, reads a clock, spawns a task or draws a random number. Facts come in as
//! [`Input`]s together with the time, orders go out as [`Effect`]s; the engine carries them out and reports back.

mod accept;
mod core;
mod failure;
mod geometry;
mod help;
mod helping;
mod identity;
mod ids;
mod io;
mod meter;
mod pairing;
mod peer_place;
mod piece_map;
mod range;
mod range_set;
mod record;
mod rings;
mod run;
mod source;
mod transfer;

pub use crate::core::{Brings, Core, CoreError, DownloadState};
pub use accept::{
    Accepted, AnswerHead, Asked, ContentRange, Rejection, accept, parse_content_range,
};
pub use failure::{Failure, FailureCode, What};
pub use geometry::{Geometry, PieceIndex};
pub use help::{
    AcceptRule, Ask, AskError, AskPolicy, AskState, AskTerms, AskedPeer, Candidacy, DeskBounds,
    DeskEffect, DeskInput, HelpAnswer, HelpAsk, HelpDecline, HelpDesk, HelpEnd, HelpId, HelpMode,
    HelpWanted, HostList, HostListError, Hours, HoursError, Ledger, LendRule, LendTerms, LentDay,
    LentSession, LinkFacts, LocalTime, ModeWish, Standing, WantedBounds, WantedEffect, WantedInput,
    is_relayable,
};
pub use identity::{Contradiction, EntityTag, Identity, Validator};
pub use ids::{DownloadId, GroupId, GroupIdError, LeaseId, PeerId, PeerIdError, SourceId};
pub use io::{Effect, FetchTrouble, HelpOffer, Input, LeaseEnd, Now, RunId};
pub use meter::Meter;
pub use pairing::{
    Paired, PairingAsk, PairingBounds, PairingCode, PairingCodeError, PairingCommitment,
    PairingDesk, PairingEnd, PairingHeard, PairingId, PairingNonce, PairingRefusal, PairingRun,
    PairingStage,
};
pub use peer_place::PeerPlace;
pub use piece_map::{PieceMap, Share};
pub use range::ByteRange;
pub use range_set::RangeSet;
pub use record::{
    DEFAULT_CONNECTIONS, DownloadRecord, DownloadSpec, Found, HeaderField, Life, MAP_CELLS,
    MAP_CHUNK_BYTES, MAP_CHUNK_ENTRIES, MAX_CONNECTIONS, MapChunk, Sha256Digest, Sha256DigestError,
    SourceRecord, Verification,
};
pub use rings::Rings;
pub use source::Limit;
