//! Where a request comes from, also behind proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use crate::config::ProxyHeader;
use crate::forwarded::for_address;

/// Hops that are looked at, from the right: nobody stands behind more proxies than that.
const MAX_HOPS: usize = 16;

/// The address of a client, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientAddress {
    /// The other end of the connection, or what a trusted proxy says of it.
    Known(IpAddr),
    /// A trusted proxy that does not say for whom it asks.
    Proxy(IpAddr),
}

impl ClientAddress {
    pub(crate) fn ip(self) -> IpAddr {
        match self {
            Self::Known(ip) | Self::Proxy(ip) => ip,
        }
    }
}

/// The right-most address that is none of our proxies. What stands further left was written by the client, and from others than our proxies the header
/// means nothing at all. So does the other header: a proxy that does not write it passes on what the client did.
pub(crate) fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    header: ProxyHeader,
    proxies: &[IpNet],
) -> ClientAddress {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(&address));
    if !is_proxy(peer) {
        return ClientAddress::Known(peer);
    }
    let read = match header {
        ProxyHeader::XForwardedFor => read_hop,
        ProxyHeader::Forwarded => for_address,
    };
    let lines: Vec<_> = headers.get_all(header.name()).iter().collect();
    let hops = lines.iter().rev().flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    for hop in hops.take(MAX_HOPS) {
        match read(hop.trim()) {
            Some(address) if is_proxy(address) => {}
            Some(address) => return ClientAddress::Known(address),
            // Not an address: what is further left is no better.
            None => break,
        }
    }
    ClientAddress::Proxy(peer)
}

/// One client of limits by address. In IPv6 it is a network of 48 bits, which is what a site is given: smaller ones it can make up by the
/// thousand, and a campus is one client in IPv4, too.
pub(crate) fn limit_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !(u128::MAX >> 48))),
        four => four,
    }
}

/// An address, with or without a port.
fn read_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().ok();
    let address = address.or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()));
    Some(address?.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(peer: &str, lines: &[&str], expected: ClientAddress) {
        check_of(ProxyHeader::XForwardedFor, peer, lines, expected);
    }

    fn check_of(header: ProxyHeader, peer: &str, lines: &[&str], expected: ClientAddress) {
        let proxies = ["127.0.0.1/32", "10.9.0.0/16", "fd00::/8"].map(|net| net.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), HeaderValue::from_str(line).unwrap());
        }
        // Whatever stands in the other one.
        let other = match header {
            ProxyHeader::XForwardedFor => ProxyHeader::Forwarded,
            ProxyHeader::Forwarded => ProxyHeader::XForwardedFor,
        };
        for spoofed in ["203.0.113.9", "for=203.0.113.9"] {
            headers.append(other.name(), HeaderValue::from_static(spoofed));
        }
        let found = client_address(peer.parse().unwrap(), &headers, header, &proxies);
        assert_eq!(found, expected, "{peer} {lines:?}");
    }

    fn known(address: &str) -> ClientAddress {
        ClientAddress::Known(address.parse().unwrap())
    }

    #[test]
    fn what_a_stranger_says_of_its_address_has_no_effect() {
        check("192.0.2.7", &[], known("192.0.2.7"));
        check("192.0.2.7", &["10.1.1.1"], known("192.0.2.7"));
        check("192.0.2.7", &["10.1.1.1, 127.0.0.1"], known("192.0.2.7"));
    }

    #[test]
    fn behind_a_proxy_the_last_address_before_it_counts() {
        check("127.0.0.1", &["198.51.100.4"], known("198.51.100.4"));
        check("127.0.0.1", &["10.1.1.1, 198.51.100.4"], known("198.51.100.4"));
        check("127.0.0.1", &["1.1.1.1, 198.51.100.4, 10.9.3.3"], known("198.51.100.4"));
        check("127.0.0.1", &["1.1.1.1", "198.51.100.4"], known("198.51.100.4"));
        check("127.0.0.1", &["[2001:db8::1]:4711"], known("2001:db8::1"));
        check("127.0.0.1", &["198.51.100.4:4711"], known("198.51.100.4"));
        check("127.0.0.1", &["::ffff:198.51.100.4"], known("198.51.100.4"));
        check("fd00::1", &["2001:db8::1"], known("2001:db8::1"));
    }

    #[test]
    fn a_proxy_that_does_not_say_for_whom_it_asks_is_not_the_client() {
        let proxy = ClientAddress::Proxy("127.0.0.1".parse().unwrap());
        check("127.0.0.1", &[], proxy);
        check("127.0.0.1", &["unknown"], proxy);
        check("127.0.0.1", &["198.51.100.4, <script>"], proxy);
        check("127.0.0.1", &["10.9.0.1, 127.0.0.1"], proxy);
        check("127.0.0.1", &[&["10.9.0.1"; 100].join(",")], proxy);
    }

    #[test]
    fn the_newer_header_is_read_by_the_same_rule() {
        let check = |peer: &str, lines: &[&str], expected| {
            check_of(ProxyHeader::Forwarded, peer, lines, expected);
        };
        let proxy = ClientAddress::Proxy("127.0.0.1".parse().unwrap());
        check("192.0.2.7", &["for=10.1.1.1"], known("192.0.2.7"));
        check("127.0.0.1", &["for=198.51.100.4"], known("198.51.100.4"));
        check("127.0.0.1", &["for=10.1.1.1, for=198.51.100.4;proto=https"], known("198.51.100.4"));
        check(
            "127.0.0.1",
            &["for=1.1.1.1", "for=198.51.100.4,for=10.9.3.3"],
            known("198.51.100.4"),
        );
        check(
            "127.0.0.1",
            &["for=\"[2001:db8::1]:4711\", for=\"[fd00::1]\""],
            known("2001:db8::1"),
        );
        for line in
            ["", "for=unknown", "for=198.51.100.4, for=_hidden", "198.51.100.4", "for=10.9.0.1"]
        {
            check("127.0.0.1", &[line], proxy);
        }
        check("127.0.0.1", &[&["for=10.9.0.1"; 100].join(",")], proxy);
        // A quote that the client has left open takes in nothing of what the proxy says.
        check("127.0.0.1", &["for=\"1.1.1.1, for=198.51.100.4"], known("198.51.100.4"));
        check("127.0.0.1", &["for=1.1.1.1;x=\", for=\"[2001:db8::1]\""], known("2001:db8::1"));
        check("127.0.0.1", &["for=198.51.100.4;host=\"a, for=1.1.1.1;x=\\\"\""], proxy);
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let key = |address: &str| limit_key(address.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_eq!(key("2001:db8::1"), key("2001:db8:0:1::1"), "a site has many of 64 bits");
        assert_ne!(key("2001:db8::1"), key("2001:db8:1::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
