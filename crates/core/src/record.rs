//! What of a download survives the program: plain data, written by the store.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{DownloadId, Failure, HelpMode, Identity, PeerId, SourceId};

/// What a person asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadSpec {
    pub url: Url,
    /// Absolute.
    pub dir: PathBuf,
    /// The file name that the user wants; otherwise the origin's or the URL's is taken.
    #[serde(default)]
    pub out: Option<String>,
    /// The expected SHA-256 of the whole file.
    #[serde(default)]
    pub sha256: Option<Sha256Digest>,
    /// They go with each request to the link's own server, and to no other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderField>,
    /// Connections to the origin at most, 1 to [`MAX_CONNECTIONS`].
    pub max_connections: u8,
}

/// A header field of a request, such as a login's cookie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderField {
    pub name: String,
    pub value: String,
}

/// Values are often secrets: they stay out of logs.
impl std::fmt::Debug for HeaderField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: …", self.name)
    }
}

/// More connections to one server than this are impolite, and pay nowhere.
pub const MAX_CONNECTIONS: u8 = 16;
/// As many connections may grow out of one when nobody said otherwise.
pub const DEFAULT_CONNECTIONS: u8 = 8;

/// A SHA-256, written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Digest(pub [u8; 32]);

/// Cells of a piece map that is drawn.
pub const MAP_CELLS: u32 = 512;

/// One download as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadRecord {
    pub id: DownloadId,
    pub spec: DownloadSpec,
    pub life: Life,
    pub added_unix_ms: u64,
    /// Present once the origin has answered.
    #[serde(default)]
    pub found: Option<Found>,
    /// In the order of their ids.
    #[serde(default)]
    pub sources: Vec<SourceRecord>,
    /// Time spent downloading, over all runs.
    #[serde(default)]
    pub active_ms: u64,
    /// Bytes that the piece map held when this was stored; shown while the map is not loaded.
    #[serde(default)]
    pub kept_bytes: u64,
    /// Who brought most of each of [`Geometry::cells`]`(`[`MAP_CELLS`]`)` of the finished file; empty where one source brought all.
    ///
    /// [`Geometry::cells`]: crate::Geometry::cells
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brought_by: Vec<SourceId>,
}

/// What the first answer settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub identity: Identity,
    /// Whether the origin can be asked for ranges; without, an interruption begins again.
    pub ranges: bool,
    /// The file's name inside the folder, settled before the first byte was written.
    pub name: String,
    /// The name of the part file beside it.
    pub part_name: String,
}

/// Where a download is in its life. A running one is stored as queued: after a crash it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Life {
    Queued,
    Paused,
    /// `path`: the finished file.
    Completed {
        path: PathBuf,
        bytes: u64,
        sha256: Option<Sha256Digest>,
        verification: Verification,
        at_unix_ms: u64,
    },
    /// Can be started again; what was fetched is kept.
    Failed {
        failure: Failure,
    },
}

/// On which rung of trust a finished file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verification {
    /// The whole file has the digest that was known before.
    Verified,
    /// Every byte came over the requester's own connections, or over relays, authenticated by TLS.
    FromServer,
    /// The validators of all answers agreed.
    Consistent,
    Unchecked,
}

/// One source of a download and what it has brought so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    pub id: SourceId,
    /// `None`: the origin.
    #[serde(default)]
    pub peer: Option<PeerId>,
    /// How a helper brings it; a peer that has helped in both ways is two sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<HelpMode>,
    /// What people call it: the host of the origin, the helper's name.
    pub name: String,
    /// Payload bytes received, kept or not, over all runs.
    pub received_bytes: u64,
}

impl SourceRecord {
    /// Whether a helper has fetched what this source brought, so that nothing but a digest vouches for it. Of one that was stored
    /// before there were relays, too.
    #[must_use]
    pub fn was_fetched(&self) -> bool {
        self.peer.is_some() && self.mode != Some(HelpMode::Relay)
    }
}

/// One stored portion of a piece map: what is on disk within [`MapChunk::index`] · [`MAP_CHUNK_BYTES`] and the next.
///
/// Two claims: *written* is trusted while the machine has not restarted since (`boot_id`), *synced* always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapChunk {
    pub index: u32,
    /// Which start of the machine the written claim belongs to.
    pub boot_id: String,
    /// `(start, end, source)`, sorted, disjoint, absolute offsets.
    pub written: Vec<(u64, u64, SourceId)>,
    /// `(start, end)`, sorted, disjoint, absolute offsets; every byte is in `written` too.
    pub synced: Vec<(u64, u64)>,
}

/// How many bytes of the file one stored portion of its piece map covers.
pub const MAP_CHUNK_BYTES: u64 = 1 << 30;
/// Entries of a stored portion at most, so that it stays far below the store's 64 KiB a value. What does not fit is left
/// out: the map then claims too little, which costs a second fetch and no correctness.
pub const MAP_CHUNK_ENTRIES: usize = 2048;

impl From<Sha256Digest> for String {
    fn from(digest: Sha256Digest) -> Self {
        digest.to_string()
    }
}

impl std::fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl TryFrom<String> for Sha256Digest {
    type Error = Sha256DigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The text is no SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256: expected 64 hexadecimal digits")]
pub struct Sha256DigestError;

impl std::str::FromStr for Sha256Digest {
    type Err = Sha256DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Sha256DigestError);
        }
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| Sha256DigestError)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| Sha256DigestError)?;
        }
        Ok(Self(digest))
    }
}
