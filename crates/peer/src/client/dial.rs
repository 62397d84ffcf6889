//! To one device over its addresses: the first connection that proves the id wins.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use manyhands_core::PeerId;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsStream;

use super::{CallError, ClientWaits};
use manyhands_identity::{self as identity, Dialer, Expect, HandshakeError};

/// Whom to dial, and how patiently.
#[derive(Debug)]
pub(super) struct Target {
    /// A key that TLS cannot use was refused when it was made; here it would only mean that nobody
    /// can be reached.
    config: Option<Arc<ClientConfig>>,
    waits: ClientWaits,
}

pub(super) struct Dialed {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) peer: PeerId,
    pub(super) address: SocketAddr,
}

impl Target {
    pub(super) fn new(dialer: &Dialer, expect: Expect, waits: ClientWaits) -> Self {
        Self { config: dialer.config(expect).ok(), waits }
    }

    /// Tries the addresses in turn, the next one beside those that do not answer (happy eyeballs,
    /// RFC 8305). A device that answers at a wrong address does not stop the others from being
    /// tried.
    pub(super) async fn dial(&self, addresses: &[SocketAddr]) -> Result<Dialed, CallError> {
        let config = self.config.as_ref().ok_or_else(|| nobody("the device key does not work"))?;
        let (mut waiting, mut tries) = (addresses.iter().copied(), FuturesUnordered::new());
        let mut failure = match addresses {
            [] => nobody("no address of it is known"),
            _ => CallError::Unreachable(HandshakeError::Timeout),
        };
        let mut next_try = Instant::now();
        let deadline = next_try + self.waits.dial;
        // Whether a try that has failed had left this machine.
        let (mut more, mut left) = (true, false);
        loop {
            if more && (tries.is_empty() || Instant::now() >= next_try) {
                match waiting.next() {
                    Some(address) => {
                        let one = self.one(address, config.clone());
                        tries.push(async move { (address, one.await) });
                    }
                    None => more = false,
                }
                next_try = Instant::now() + self.waits.stagger;
            }
            if tries.is_empty() {
                if more {
                    continue;
                }
                return Err(failure);
            }
            tokio::select! {
                Some((address, result)) = tries.next() => match result {
                    Ok(dialed) => return Ok(dialed),
                    Err(HandshakeError::WrongDevice { found }) => {
                        // The best guess counts: the others may be anybody's hints.
                        let rank = |at: &SocketAddr| addresses.iter().position(|a| a == at);
                        let better = match &failure {
                            CallError::WrongDevice { at, .. } => rank(&address) < rank(at),
                            _ => true,
                        };
                        if better {
                            failure = CallError::WrongDevice { found, at: address };
                        }
                    }
                    Err(error) => {
                        let no_way = is_no_route(&error);
                        // That there is no way to one address says nothing about the others.
                        let says_less = left && no_way;
                        if !says_less && !matches!(failure, CallError::WrongDevice { .. }) {
                            failure = CallError::Unreachable(error);
                        }
                        left |= !no_way;
                    }
                },
                () = sleep_until(next_try), if more => {}
                () = sleep_until(deadline) => return Err(match failure {
                    CallError::Unreachable(_) if !left => {
                        CallError::Unreachable(HandshakeError::Timeout)
                    }
                    failure => failure,
                }),
            }
        }
    }

    async fn one(
        &self,
        address: SocketAddr,
        config: Arc<ClientConfig>,
    ) -> Result<Dialed, HandshakeError> {
        let stream = timeout(self.waits.connect, TcpStream::connect(address)).await;
        let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = stream.map_err(HandshakeError::Failed)?;
        stream.set_nodelay(true).map_err(HandshakeError::Failed)?;
        let (stream, peer) = identity::connect(stream, config).await?;
        Ok(Dialed { stream, peer, address })
    }
}

/// Whether it never left this machine, as there is no way from here.
pub(crate) fn is_no_route(error: &HandshakeError) -> bool {
    use io::ErrorKind::{AddrNotAvailable, NetworkDown, NetworkUnreachable};
    let HandshakeError::Failed(error) = error else { return false };
    matches!(error.kind(), NetworkUnreachable | NetworkDown | AddrNotAvailable)
}

fn nobody(why: &'static str) -> CallError {
    CallError::Unreachable(HandshakeError::Failed(io::Error::other(why)))
}

#[cfg(test)]
mod tests {
    use manyhands_identity::DeviceIdentity;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn that_there_is_no_way_is_said_only_where_it_is_so_of_all_addresses() {
        let identity = DeviceIdentity::generate().unwrap();
        let expect = Expect::Device(PeerId::from_digest([7; 32]));
        let target = Target::new(&Dialer::new(&identity), expect, ClientWaits::default());
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        // Of many at once: no connection goes there.
        let nowhere: SocketAddr = "224.0.0.1:4000".parse().unwrap();
        for (addresses, expected) in
            [(vec![nowhere], true), (vec![nowhere, closed], false), (vec![closed, nowhere], false)]
        {
            match target.dial(&addresses).await {
                Err(CallError::Unreachable(error)) => {
                    assert_eq!(is_no_route(&error), expected, "{addresses:?}: {error:?}");
                }
                other => panic!("{:?}", other.map(|dialed| dialed.address)),
            }
        }
    }
}
