//! Can the asking address be reached from here?

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::PeerId;
use manyhands_identity::{Dialer, Expect, HandshakeError, connect};
use manyhands_wire::{Probed, Text};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Probes under way at the same time.
const MAX_PROBES: usize = 64;
/// For the TCP connection; the handshake has its own time.
const CONNECT: Duration = Duration::from_secs(3);
/// Lower ports are of services of the machine, never of a client.
pub(crate) const MIN_PORT: u16 = 1024;

/// Calls back those who ask for it.
#[derive(Debug)]
pub(crate) struct Prober {
    dialer: Dialer,
    places: Arc<Semaphore>,
}

impl Prober {
    pub(crate) fn new(dialer: Dialer) -> Self {
        Self { dialer, places: Arc::new(Semaphore::new(MAX_PROBES)) }
    }

    /// Whether `device` answers at this port of the address that it asks from; nothing is said to whoever answers there but the greeting of
    /// TLS. `None`: too many probes are under way.
    pub(crate) async fn probe(&self, device: PeerId, ip: IpAddr, port: u16) -> Option<Probed> {
        let _place = self.places.try_acquire().ok()?;
        let address = SocketAddr::new(ip, port);
        let failed = self.call(device, address).await.err();
        Some(Probed {
            address,
            reachable: failed.is_none(),
            why: failed.map(Text::cut),
            retry_after_ms: None,
        })
    }

    async fn call(&self, device: PeerId, address: SocketAddr) -> Result<(), &'static str> {
        let config = self.dialer.config(Expect::Device(device)).map_err(|_| "no TLS here")?;
        let stream = match timeout(CONNECT, TcpStream::connect(address)).await {
            Err(_) => return Err("no answer: a firewall, or the network keeps its clients apart"),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                return Err("nobody listens at this port");
            }
            Ok(Err(_)) => return Err("no way to this address"),
            Ok(Ok(stream)) => stream,
        };
        match connect(stream, config).await {
            Ok(_) => Ok(()),
            Err(HandshakeError::WrongDevice { .. }) => Err("another device answers there"),
            Err(_) => Err("whoever answers there does not speak the peer protocol"),
        }
    }
}
