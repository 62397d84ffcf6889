//! The rule about addresses for a helper, who connects to what somebody else names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::guard::{AddressGuard, Refused};

/// Lets a helper reach the internet, but neither itself nor, unless allowed, the networks around it.
///
/// - Never: loopback, link-local, multicast, broadcast, unspecified and reserved addresses, the metadata services of
///   clouds, this machine's own addresses and its gateways, and the IPv6 forms of other protocols that carry an IPv4
///   address (compatible, translated, 6to4, Teredo, ISATAP, local NAT64).
/// - Only where the user said so for this network ([`HelperGuard::allow_private`]): private, unique-local and
///   carrier-grade NAT addresses, and the benchmark network, which some desktop proxies use for names.
/// - IPv4-mapped and NAT64 addresses like the IPv4 address in them: on IPv6-only networks NAT64 is the internet.
/// - Everything else is allowed, public addresses of the campus too.
#[derive(Clone, Debug, Default)]
pub struct HelperGuard {
    pub allow_private: bool,
    /// All addresses of this machine's interfaces.
    pub own_addresses: Vec<IpAddr>,
    /// The routers of this machine's networks.
    pub gateways: Vec<IpAddr>,
}

/// How the rule sees an address by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Public,
    /// Only where the user said so.
    Private(&'static str),
    Never(&'static str),
}

impl AddressGuard for HelperGuard {
    fn allow(&self, address: IpAddr) -> Result<(), Refused> {
        let refused = |why| Err(Refused { address, why });
        let plain = embedded(address);
        let is_one_of = |list: &[IpAddr]| list.iter().any(|a| a.to_canonical() == plain);
        if is_one_of(&self.own_addresses) {
            return refused("an address of this machine");
        }
        if is_one_of(&self.gateways) {
            return refused("the gateway of this network");
        }
        match kind(plain) {
            Kind::Public => Ok(()),
            Kind::Private(_) if self.allow_private => Ok(()),
            Kind::Private(why) | Kind::Never(why) => refused(why),
        }
    }
}

/// The IPv4 address in an IPv4-mapped or NAT64 one; any other address as it is.
fn embedded(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low).into(),
            _ => v6.into(),
        },
        v4 => v4,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    (u32::from(high) << 16 | u32::from(low)).into()
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

/// IANA's special-purpose registry, and what clouds took besides.
fn kind_v4(address: Ipv4Addr) -> Kind {
    use Kind::{Never, Private, Public};
    match address.octets() {
        [0, ..] => Never("unspecified"),
        [127, ..] => Never("this machine itself"),
        // Azure and Alibaba do not keep their metadata services in the link-local network; nor does Oracle.
        [168, 63, 129, 16] | [100, 100, 100, 200] | [169, 254, 169, 254] | [192, 0, 0, 192] => {
            Never("a metadata service")
        }
        [169, 254, ..] => Never("link-local"),
        [224..=239, ..] => Never("multicast"),
        [255, 255, 255, 255] => Never("broadcast"),
        [240..=255, ..] | [192, 0, 0, _] => Never("reserved"),
        [192, 88, 99, _] => Never("a 6to4 relay"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Private("private"),
        [100, 64..=127, ..] => Private("behind a carrier's NAT"),
        [198, 18..=19, ..] => Private("for benchmarks and local proxies"),
        _ => Public,
    }
}

fn kind_v6(address: Ipv6Addr) -> Kind {
    use Kind::{Never, Private, Public};
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Never("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Never("this machine itself"),
        // AWS and Google Cloud.
        [0xfd00, 0x0ec2, ..] | [0xfd20, 0x00ce, ..] => Never("a metadata service"),
        [0, 0, 0, 0, 0, 0, _, _] => Never("an IPv4-compatible form"),
        [0, 0, 0, 0, 0xffff, 0, _, _] => Never("an IPv4-translated form"),
        [0x64, 0xff9b, ..] => Never("a local NAT64 form"),
        [0x2002, ..] => Never("a 6to4 form"),
        [0x2001, 0, ..] => Never("a Teredo form"),
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Never("an ISATAP form"),
        [0x100, 0, 0, 0, ..] => Never("reserved"),
        [0xfe80..=0xfebf, ..] => Never("link-local"),
        [0xfec0..=0xfeff, ..] => Never("site-local"),
        [0xff00..=0xffff, ..] => Never("multicast"),
        [0xfc00..=0xfdff, ..] => Private("unique-local"),
        _ => Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow_private: bool) -> HelperGuard {
        let addresses = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect();
        HelperGuard {
            allow_private,
            own_addresses: addresses(&["198.51.100.7", "10.1.2.3", "2001:db8:1::7"]),
            gateways: addresses(&["10.1.2.1", "fe80::1", "198.51.100.1"]),
        }
    }

    #[test]
    fn public_addresses_are_allowed() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.1",
            "198.17.255.255",
            "198.20.0.1",
            "198.51.100.8",
            "223.255.255.255",
            "168.63.129.17",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2001:db8:1::8",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            let parsed = address.parse().unwrap();
            assert_eq!(guard(false).allow(parsed), Ok(()), "{address}");
            assert_eq!(guard(true).allow(parsed), Ok(()), "{address}");
        }
    }

    #[test]
    fn private_networks_are_allowed_only_where_the_user_said_so() {
        for address in [
            "10.0.0.1",
            "10.255.255.255",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "192.168.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "fc00::1",
            "fd12:3456:789a::1",
            "fdff:ffff::1",
            "::ffff:10.0.0.1",
            "::ffff:192.168.1.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::100.64.0.1",
        ] {
            let parsed = address.parse().unwrap();
            assert!(guard(false).allow(parsed).is_err(), "{address}");
            assert_eq!(guard(true).allow(parsed), Ok(()), "{address}");
        }
    }

    #[test]
    fn some_addresses_are_never_allowed() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.1.2.3",
            "127.255.255.255",
            "169.254.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "169.254.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.1",
            "192.0.0.192",
            "192.88.99.1",
            "224.0.0.1",
            "224.0.0.251",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.254",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::127.0.0.1",
            "::8.8.8.8",
            "fe80::1",
            "fe80::1234:5678",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff02::fb",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "100::1",
            "::ffff:0.0.0.0",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:224.0.0.1",
            "::ffff:100.100.100.200",
            "::ffff:0:127.0.0.1",
            "::ffff:0:8.8.8.8",
            "64:ff9b::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "2002:808:808::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:0:7f00:1::1",
            "2001:db8::5efe:10.0.0.1",
            "2001:db8::200:5efe:127.0.0.1",
            // Its own and its gateways', in every form.
            "198.51.100.7",
            "198.51.100.1",
            "10.1.2.3",
            "10.1.2.1",
            "2001:db8:1::7",
            "::ffff:198.51.100.7",
            "::ffff:10.1.2.1",
            "64:ff9b::198.51.100.7",
        ] {
            let parsed = address.parse().unwrap();
            assert!(guard(false).allow(parsed).is_err(), "{address}");
            assert!(guard(true).allow(parsed).is_err(), "{address}");
        }
    }

    #[test]
    fn a_refusal_says_which_address_and_why() {
        let refused = guard(true).allow("127.0.0.1".parse().unwrap()).unwrap_err();
        assert_eq!(refused.to_string(), "127.0.0.1 is this machine itself");
    }
}
