//! Can the asking address be reached from here?

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use manyhands_core::PeerId;
use manyhands_identity::{Dialer, Expect, connect};
use manyhands_wire::{Probed, Text};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::address::limit_key;

/// Probes under way at the same time.
const MAX_PROBES: usize = 64;
/// For the TCP connection; the handshake has its own time.
const CONNECT: Duration = Duration::from_secs(3);
const NOT_YOU: &str = "whoever answers there is not this device";
/// Lower ports are of services of the machine, never of a client.
pub(crate) const MIN_PORT: u16 = 1024;

/// … of one address.
const MAX_PROBES_PER_ADDRESS: usize = 4;

/// Calls back those who ask for it.
#[derive(Debug)]
pub(crate) struct Prober {
    dialer: Dialer,
    this_machine: bool,
    /// The lock is never held over an await.
    under_way: Mutex<Vec<IpAddr>>,
}

/// A place among the probes under way; given back when dropped.
struct Place<'a>(&'a Prober, IpAddr);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut under_way = self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = under_way.iter().position(|address| *address == self.1) {
            under_way.swap_remove(place);
        }
    }
}

impl Prober {
    pub(crate) fn new(dialer: Dialer, this_machine: bool) -> Self {
        Self { dialer, this_machine, under_way: Mutex::default() }
    }

    /// Whether a client of another machine can be at this address.
    pub(crate) fn may_ask(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let is_link_local = match ip {
            IpAddr::V4(four) => four.is_link_local() || four.is_broadcast(),
            IpAddr::V6(six) => six.is_unicast_link_local(),
        };
        if is_link_local || ip.is_unspecified() || ip.is_multicast() {
            return false;
        }
        // What one can be bound to is one's own.
        self.this_machine || (!ip.is_loopback() && UdpSocket::bind((ip, 0)).is_err())
    }

    fn enter(&self, ip: IpAddr) -> Option<Place<'_>> {
        let address = limit_key(ip);
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let same = under_way.iter().filter(|other| **other == address).count();
        if under_way.len() >= MAX_PROBES || same >= MAX_PROBES_PER_ADDRESS {
            return None;
        }
        under_way.push(address);
        Some(Place(self, address))
    }

    /// Whether `device` answers at this port of the address that it asks from; nothing is said to whoever answers there but the greeting of
    /// TLS. `None`: too many probes are under way.
    pub(crate) async fn probe(&self, device: PeerId, ip: IpAddr, port: u16) -> Option<Probed> {
        let _place = self.enter(ip)?;
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
            // What it is, is nobody's business: the asking device's network is not to be searched from here.
            Err(_) => Err(NOT_YOU),
        }
    }
}

#[cfg(test)]
mod tests {
    use manyhands_identity::DeviceIdentity;

    use super::*;

    fn prober(this_machine: bool) -> Prober {
        Prober::new(Dialer::new(&DeviceIdentity::generate().unwrap()), this_machine)
    }

    #[test]
    fn addresses_that_no_client_elsewhere_can_have_are_not_probed() {
        let nowhere = [
            "0.0.0.0",
            "::",
            "169.254.169.254",
            "fe80::1",
            "224.0.0.1",
            "ff02::1",
            "::ffff:0.0.0.0",
        ];
        for address in nowhere {
            assert!(!prober(true).may_ask(address.parse().unwrap()), "{address}");
        }
        for own in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(!prober(false).may_ask(own.parse().unwrap()), "{own}");
            assert!(prober(true).may_ask(own.parse().unwrap()), "{own}");
        }
        assert!(prober(false).may_ask("192.0.2.7".parse().unwrap()));
        // The address under which this machine would be seen from elsewhere, if it has one.
        let outward = UdpSocket::bind("0.0.0.0:0").unwrap();
        if outward.connect("192.0.2.7:9").is_ok() {
            assert!(!prober(false).may_ask(outward.local_addr().unwrap().ip()));
        }
    }

    #[test]
    fn probes_under_way_are_bounded_by_address_and_in_all() {
        let prober = prober(false);
        let of = |n: u8| prober.enter([10, 0, 0, n].into());
        let first: Vec<_> = (0..6).filter_map(|_| of(0)).collect();
        assert_eq!(first.len(), MAX_PROBES_PER_ADDRESS);
        let others: Vec<_> = (1..=100).filter_map(of).collect();
        assert_eq!(others.len(), MAX_PROBES - MAX_PROBES_PER_ADDRESS);
        drop(first);
        assert!(of(0).is_some());
        drop(others);
        assert!(prober.under_way.lock().unwrap().is_empty());
    }
}
