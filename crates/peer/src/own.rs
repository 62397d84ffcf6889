//! Where this device can be reached, by its own knowledge, and who can be meant by an address of somebody else.
//!
//! One watch of it serves all who have to do something when the network changes: [`crate::Presence`], [`crate::Rendezvous`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime};

use manyhands_wire::MAX_RECORD_ADDRESSES;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use crate::discovery::{InterfaceRule, slept, usable};

/// How often the addresses are looked at.
const LOOK: Duration = Duration::from_secs(3);
/// Ports below are those of services that nobody should be made to dial.
const MIN_PORT: u16 = 1024;
/// Of the documentation networks (RFC 5737, RFC 3849): in nobody's house, so that the way there is the default route.
/// Nothing is sent.
const FAR_AWAY: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// The addresses of this device at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnAddresses {
    /// The best first.
    pub ips: Vec<IpAddr>,
    /// How often the machine has slept: everything has to be made anew then.
    pub slept: u64,
}

impl OwnAddresses {
    /// The addresses on interfaces that `rule` allows, from now on; a change is a change of the network, or the end of a sleep.
    /// Looked at every 3 s until nobody listens any more.
    #[must_use]
    pub fn watch(rule: InterfaceRule) -> watch::Receiver<Self> {
        let (own, seen) = watch::channel(Self { ips: now(&rule), slept: 0 });
        tokio::spawn(look(rule, own));
        seen
    }

    /// What to publish: with the address from which the server was reached at the end.
    pub(crate) fn published(
        &self,
        port: u16,
        observed: Option<IpAddr>,
        loopback: bool,
    ) -> Vec<SocketAddr> {
        let mut addresses = Vec::new();
        for ip in self.ips.iter().copied().chain(observed) {
            let address = reachable(SocketAddr::new(ip, port), loopback);
            // The last place is for what the server has seen.
            let room = MAX_RECORD_ADDRESSES - usize::from(Some(ip) != observed);
            if let Some(address) = address
                && addresses.len() < room
                && !addresses.contains(&address)
            {
                addresses.push(address);
            }
        }
        addresses
    }
}

/// The address, if it can be another device's: a host's, on a port of ordinary programs.
pub(crate) fn reachable(address: SocketAddr, loopback: bool) -> Option<SocketAddr> {
    let host = match address.ip() {
        IpAddr::V4(ip) => {
            !ip.is_unspecified()
                && !ip.is_multicast()
                && !ip.is_broadcast()
                && !ip.is_link_local()
                && ip.octets()[0] != 0
        }
        IpAddr::V6(ip) => {
            !ip.is_unspecified()
                && !ip.is_multicast()
                && !ip.is_unicast_link_local()
                && ip.to_ipv4_mapped().is_none()
        }
    };
    let host = host && (loopback || !address.ip().is_loopback());
    // Without the scope and the flow that an IPv6 address may carry.
    (host && address.port() >= MIN_PORT).then(|| SocketAddr::new(address.ip(), address.port()))
}

async fn look(rule: InterfaceRule, own: watch::Sender<OwnAddresses>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut clocks = (std::time::Instant::now(), SystemTime::now());
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = own.closed() => return,
        }
        let ips = now(&rule);
        let slept = slept(&mut clocks);
        own.send_if_modified(|own| {
            let changed = slept || own.ips != ips;
            if changed {
                debug!(?ips, slept, "addresses of this device");
            }
            own.slept += u64::from(slept);
            own.ips = ips;
            changed
        });
    }
}

/// The addresses of now, that of the default route first.
fn now(rule: &InterfaceRule) -> Vec<IpAddr> {
    let mut ips: Vec<_> = usable(rule).into_iter().map(|(_, ip)| ip).collect();
    let routes: Vec<_> = FAR_AWAY.into_iter().filter_map(way_to).collect();
    // IPv4 first where both are as good: IPv6 neighbours are filtered more often.
    ips.sort_by_key(|ip| (!routes.contains(ip), !ip.is_ipv4(), *ip));
    ips.dedup();
    ips
}

/// This machine's address on the way to `target`.
fn way_to(target: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match target {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((target, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_no_peers_are_dropped() {
        let read = |text: &str| reachable(text.parse().unwrap(), false);
        for good in
            ["10.0.0.2:26269", "192.168.1.9:1024", "203.0.113.7:65535", "[2001:db8::1]:26269"]
        {
            assert_eq!(read(good), Some(good.parse().unwrap()));
        }
        for bad in [
            "127.0.0.1:26269",
            "127.8.8.8:26269",
            "[::1]:26269",
            "0.0.0.0:26269",
            "0.1.2.3:26269",
            "[::]:26269",
            "224.0.0.251:26269",
            "[ff02::fb]:26269",
            "255.255.255.255:26269",
            "169.254.1.1:26269",
            "[fe80::1]:26269",
            "[::ffff:10.0.0.2]:26269",
            "10.0.0.2:1023",
            "10.0.0.2:22",
            "10.0.0.2:0",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(reachable("127.0.0.1:26269".parse().unwrap(), true).is_some());
    }

    #[test]
    fn the_address_that_the_server_saw_comes_last_and_always_has_a_place() {
        let ip = |n: u8| IpAddr::from([10, 0, 0, n]);
        let own = OwnAddresses { ips: (1..=30).map(ip).collect(), slept: 0 };
        let observed = IpAddr::from([203, 0, 113, 7]);
        let published = own.published(4000, Some(observed), false);
        assert_eq!(published.len(), MAX_RECORD_ADDRESSES);
        assert_eq!(published.first().map(SocketAddr::ip), Some(ip(1)));
        assert_eq!(published.last(), Some(&SocketAddr::new(observed, 4000)));
        let own = OwnAddresses { ips: vec![ip(1), ip(2)], slept: 0 };
        let published = own.published(4000, Some(ip(2)), false);
        assert_eq!(published.len(), 2, "no address twice");
        let loopback = Some(IpAddr::from([127, 0, 0, 1]));
        assert_eq!(own.published(4000, loopback, false).len(), 2, "a server on this machine");
    }
}
