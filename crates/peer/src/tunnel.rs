//! Where the tunnels of relay mode lead, as the server of this crate sees it.

use futures_util::future::BoxFuture;
use manyhands_core::{HelpId, PeerId};
use manyhands_wire::OriginName;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::content::FetchFailure;

/// Connects to origins for others. Given by the shell, which alone knows how to reach origins and
/// which addresses are out of bounds.
///
/// Dropping the future or the stream means that nobody wants the connection any more: close it.
pub trait TunnelSource: Send + Sync + 'static {
    /// A plain TCP connection; the requester speaks TLS through it.
    fn connect(
        &self,
        order: TunnelOrder,
    ) -> BoxFuture<'static, Result<Box<dyn TunnelStream>, FetchFailure>>;
}

/// A connection to an origin.
pub trait TunnelStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> TunnelStream for S {}

/// Where to connect to, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelOrder {
    pub session: HelpId,
    pub requester: PeerId,
    /// Consented to; [can be relayed](OriginName::can_be_relayed).
    pub origin: OriginName,
}
