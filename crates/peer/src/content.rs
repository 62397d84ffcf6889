//! Where the bytes of fetch mode come from, as the server of this crate sees it.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use manyhands_core::{ByteRange, HelpId, Identity, PeerId};
use manyhands_wire::{OriginName, Problem, ProblemCode};
use url::Url;

/// Fetches ranges from origins for others. Given by the shell, which alone knows how to reach
/// origins and which addresses are out of bounds.
///
/// Dropping the future or the stream means that nobody wants the bytes any more: stop, and free the
/// connection. The stream is asked for its next buffer only when the last one has gone out, so it
/// must not run ahead on its own.
pub trait ContentSource: Send + Sync + 'static {
    fn fetch(&self, order: FetchOrder) -> BoxFuture<'static, Result<Fetched, FetchFailure>>;
}

/// What to fetch, and how far the consent goes.
#[derive(Clone, Debug)]
pub struct FetchOrder {
    pub session: HelpId,
    pub requester: PeerId,
    pub url: Url,
    /// What the requester knows of the bytes. An answer that contradicts it is
    /// [`FetchFailure::Changed`].
    pub known: Identity,
    /// Never empty.
    pub range: ByteRange,
    /// The only origins to connect to: the link's, and what it may redirect to.
    pub consented: Vec<OriginName>,
}

/// An origin's answer that has passed the acceptance rule.
pub struct Fetched {
    /// The bytes that will come: from where they were asked for, perhaps fewer.
    pub range: ByteRange,
    /// What the origin says of its bytes now.
    pub identity: Identity,
    /// Exactly `range`, in order; ends early only with an error.
    pub body: BoxStream<'static, Result<Bytes, FetchFailure>>,
}

/// Why there are no bytes. The requester is told which of these it was, and no more: details of the
/// helper's network are not its business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFailure {
    /// The origin answered with this status, perhaps saying how long to wait.
    #[error("the origin answered {status}")]
    Status { status: u16, retry_after_ms: Option<u64> },
    #[error("the origin ignores ranges")]
    RangesIgnored,
    #[error("the origin has nothing at this offset")]
    NotSatisfiable { length: Option<u64> },
    #[error("the origin serves other bytes now")]
    Changed,
    #[error("the answer of the origin makes no sense")]
    BadAnswer,
    /// A redirect led to an origin that is not among the consented ones.
    #[error("the link leads to an origin that was not consented to")]
    NotConsented,
    #[error("the helper does not connect to this address")]
    AddressRefused,
    /// Name not found, refused, timed out, TLS; or broken off in the middle.
    #[error("the origin cannot be reached")]
    Unreachable,
}

impl FetchFailure {
    pub(crate) fn problem(self) -> Problem {
        let mut problem = Problem::new(match self {
            Self::Status { .. } => ProblemCode::OriginStatus,
            Self::RangesIgnored => ProblemCode::OriginIgnoresRanges,
            Self::NotSatisfiable { .. } => ProblemCode::OriginNotSatisfiable,
            Self::Changed => ProblemCode::OriginChanged,
            Self::BadAnswer => ProblemCode::OriginBadAnswer,
            Self::NotConsented => ProblemCode::NotConsented,
            Self::AddressRefused => ProblemCode::AddressRefused,
            Self::Unreachable => ProblemCode::OriginUnreachable,
        });
        match self {
            Self::Status { status, retry_after_ms } => {
                problem.origin_status = Some(status);
                problem.retry_after_ms = retry_after_ms;
            }
            Self::NotSatisfiable { length } => problem.length = length,
            _ => {}
        }
        problem
    }
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetched").field("range", &self.range).finish_non_exhaustive()
    }
}
