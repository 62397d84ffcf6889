//! What goes into the core and what comes out of it.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::{
    Accepted, Asked, ByteRange, DownloadId, DownloadRecord, Failure, Found, HeaderField,
    HelpAnswer, HelpEnd, HelpMode, Identity, LeaseId, MapChunk, PeerId, Sha256Digest, SourceId,
};

/// The time, as the shell reads it. Both go with every call: nothing in the core reads a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since any fixed moment; never goes backwards.
    pub monotonic: Duration,
    /// Milliseconds since 1970 UTC.
    pub unix_ms: u64,
}

/// One run of a download, from its start to its pause or end. What an earlier run had ordered is not taken for this one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// A fact from the world.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// [`Effect::OpenPart`] found the part file; these are the stored portions of its piece map.
    PartOpened {
        download: DownloadId,
        chunks: Vec<MapChunk>,
    },
    /// [`Effect::OpenPart`] found no part file, or one that has another size. `finished`: but a complete file of the right
    /// size under the final name, with the stored portions of the piece map.
    PartMissing {
        download: DownloadId,
        finished: Option<(PathBuf, Vec<MapChunk>)>,
    },
    /// [`Effect::CreatePart`] has made the part file under these names.
    PartCreated {
        download: DownloadId,
        name: String,
        part_name: String,
    },
    /// A part file could not be opened, made, written, synced or put in its place.
    PartFailed {
        download: DownloadId,
        failure: Failure,
    },
    /// What was written could not be brought to the disk: all that is not synced may be lost.
    SyncFailed {
        download: DownloadId,
        failure: Failure,
    },
    /// All that was written has been reported and the part file is closed.
    PartClosed {
        download: DownloadId,
    },
    /// The source has answered and its bytes may be written.
    Answered {
        lease: LeaseId,
        accepted: Accepted,
        suggested_name: Option<String>,
        /// The roots of the origins on the way, the link's own first, that of the bytes last; each once.
        origins: Vec<Url>,
    },
    /// Bytes of a lease have come, up to the offset `up_to`; told at most ten times a second and lease.
    Progress {
        lease: LeaseId,
        up_to: u64,
    },
    /// [`Effect::Cut`] was carried out; the lease now ends here.
    LeaseCut {
        lease: LeaseId,
        actual_end: u64,
    },
    /// No more will come of this lease. `dropped_bytes`: received, but past its end.
    LeaseEnded {
        lease: LeaseId,
        up_to: u64,
        dropped_bytes: u64,
        end: LeaseEnd,
    },
    /// These bytes were handed to the operating system.
    Written {
        download: DownloadId,
        runs: Vec<(ByteRange, SourceId)>,
    },
    /// [`Effect::Sync`] is done.
    Synced {
        download: DownloadId,
        run: RunId,
    },
    /// [`Effect::Persist`] is done: it survives the program's death.
    Persisted {
        download: DownloadId,
        run: RunId,
    },
    Digested {
        download: DownloadId,
        digest: Sha256Digest,
    },
    /// A peer has answered [`Effect::AskHelp`].
    HelpAnswered {
        download: DownloadId,
        peer: PeerId,
        answer: HelpAnswer,
    },
    /// [`Effect::AskHelp`] could not be done, or nobody knows what became of it.
    HelpUnanswered {
        download: DownloadId,
        peer: PeerId,
    },
    /// A helper cannot be reached any more.
    HelperLost {
        download: DownloadId,
        peer: PeerId,
    },
    /// A helper has ended the session.
    HelpEnded {
        download: DownloadId,
        peer: PeerId,
        reason: HelpEnd,
    },
    /// [`Effect::Finish`] is done; the file lies here.
    Finished {
        download: DownloadId,
        path: PathBuf,
    },
}

/// How a lease ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseEnd {
    /// All its bytes have come; or the body came to its end where nobody knew how long it was.
    Complete,
    /// It was told to stop.
    Stopped,
    Trouble {
        trouble: FetchTrouble,
        failure: Failure,
    },
    /// A redirect led to an origin that the helper has not agreed to; `to` is its root, where the helper could say.
    Elsewhere {
        to: Option<Url>,
    },
}

/// What a failed fetch means for its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchTrouble {
    /// Try again soon.
    Again,
    /// The server asks to wait.
    After(Duration),
    /// The server is busy or refuses so many connections (429, 503), and perhaps says for how long.
    Busy { wait: Option<Duration> },
    /// The server refuses this connection, because there are others or because it refuses at all (403).
    Refused,
    /// It ignores ranges: one whole stream or nothing.
    WholeOnly,
    /// Its bytes are other bytes now.
    Changed,
    /// What came through a relay is not what the origin sent: the connection's authentication failed.
    Tampered,
    /// Trying again is of no use.
    Fatal,
}

/// What a peer is asked to help with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpOffer {
    pub mode: HelpMode,
    /// Given only to those who fetch.
    pub url: Url,
    /// The roots of the origins to connect to, the link's own first.
    pub origins: Vec<Url>,
    /// The most that is asked for.
    pub budget_bytes: u64,
    pub file_name: String,
    pub identity: Identity,
}

/// An order to the shell.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Open the part file and load its piece map.
    OpenPart {
        download: DownloadId,
        dir: PathBuf,
        found: Found,
    },
    /// Choose a free name near `name` in `dir` and make the part file, sparse, `length` long where that is known.
    CreatePart {
        download: DownloadId,
        dir: PathBuf,
        name: String,
        length: Option<u64>,
    },
    /// Write what waits, tell it, close the file; delete it when `discard`.
    ClosePart {
        download: DownloadId,
        discard: bool,
    },
    /// Ask this peer for help; it hears the link only when it has accepted.
    AskHelp {
        download: DownloadId,
        peer: PeerId,
        what: Box<HelpOffer>,
    },
    /// Take the request back.
    WithdrawHelp {
        download: DownloadId,
        peer: PeerId,
    },
    /// Close the session and say what it came to. With [`HelpEnd::Replaced`] it is the one before the last answer; what is
    /// fetched from now on goes over the new one.
    EndHelp {
        download: DownloadId,
        peer: PeerId,
        reason: HelpEnd,
        received_bytes: u64,
        used_bytes: u64,
    },
    /// Ask the source: the origin, or `helper`. With `hold`, the body waits for [`Effect::Proceed`] once the answer was told.
    Fetch {
        download: DownloadId,
        lease: LeaseId,
        source: SourceId,
        helper: Option<PeerId>,
        url: Url,
        headers: Vec<HeaderField>,
        asked: Asked,
        range: ByteRange,
        known: Option<Identity>,
        hold: bool,
    },
    /// Let the held body of this lease flow.
    Proceed {
        lease: LeaseId,
    },
    Cut {
        lease: LeaseId,
        to: u64,
    },
    Stop {
        lease: LeaseId,
    },
    /// Store this; portions of the map that are not named stay. `clear_map` comes first. Where `tell`, answered by
    /// [`Input::Persisted`].
    Persist {
        download: DownloadId,
        record: Box<DownloadRecord>,
        clear_map: bool,
        chunks: Vec<MapChunk>,
        tell: Option<RunId>,
    },
    /// Delete all that is stored of this download.
    Forget {
        download: DownloadId,
    },
    SaveOrder {
        order: Vec<DownloadId>,
    },
    /// Sync the part file's data to the disk.
    Sync {
        download: DownloadId,
        run: RunId,
    },
    /// Compute the SHA-256 of the first `length` bytes of the part file.
    Digest {
        download: DownloadId,
        length: u64,
    },
    /// Cut the part file to `length`, sync it and rename it to `name`, to `name (1)` when that is taken; nothing is
    /// overwritten.
    Finish {
        download: DownloadId,
        name: String,
        length: u64,
    },
    /// Delete a part file that is not open.
    DiscardPart {
        dir: PathBuf,
        part_name: String,
    },
}
