//! Which network interfaces lead to other people's machines.

use std::net::IpAddr;

use if_addrs::Interface;

/// Interfaces of virtual machines and containers: who is behind them is this machine again. Told by
/// name, since a container's own way out has the same kind as the host's end of it.
const VIRTUAL: [&str; 18] = [
    "docker",
    "br-",
    "virbr",
    "veth",
    "vnet",
    "vboxnet",
    "vmnet",
    "cni",
    "flannel",
    "cali",
    "lxcbr",
    "lxdbr",
    "incusbr",
    "podman",
    "kube",
    "vnic",
    "vEthernet",
    "awdl",
];

/// Where to announce and to listen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InterfaceRule {
    /// Every interface but loopback, point-to-point ones (VPNs) and virtual ones.
    #[default]
    Usual,
    /// These alone, by name.
    Only(Vec<String>),
}

impl InterfaceRule {
    pub(super) fn allows(&self, interface: &Interface) -> bool {
        match self {
            Self::Usual => {
                let name = &interface.name;
                let virtual_one = VIRTUAL.iter().any(|prefix| name.starts_with(prefix));
                !interface.is_loopback() && !interface.is_p2p && !virtual_one
            }
            Self::Only(names) => names.contains(&interface.name),
        }
    }
}

/// The interfaces that are up and allowed, with their addresses; comparable with those of another
/// moment.
pub(crate) fn usable(rule: &InterfaceRule) -> Vec<(String, IpAddr)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let up = interfaces.into_iter().filter(Interface::is_oper_up);
    let mut usable: Vec<_> =
        up.filter(|i| rule.allows(i)).map(|i| (i.name.clone(), i.ip())).collect();
    usable.sort_unstable();
    usable
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use if_addrs::{IfAddr, IfOperStatus, Ifv4Addr};

    use super::*;

    fn interface(name: &str, ip: [u8; 4], is_p2p: bool) -> Interface {
        let addr = Ifv4Addr {
            ip: Ipv4Addr::from(ip),
            netmask: Ipv4Addr::new(255, 255, 255, 0),
            prefixlen: 24,
            broadcast: None,
        };
        Interface {
            name: name.to_owned(),
            addr: IfAddr::V4(addr),
            index: Some(1),
            oper_status: IfOperStatus::Up,
            is_p2p,
        }
    }

    #[test]
    fn networks_of_other_people_are_used_and_those_of_this_machine_are_not() {
        let rule = InterfaceRule::Usual;
        for name in ["eth0", "wlan0", "enp3s0", "en0", "br0", "bond0", "Wi-Fi", "Ethernet 2"] {
            assert!(rule.allows(&interface(name, [192, 168, 1, 5], false)), "{name}");
        }
        for name in ["docker0", "br-1f2e3d", "virbr0", "veth12ab", "vboxnet0", "vEthernet (WSL)"] {
            assert!(!rule.allows(&interface(name, [172, 17, 0, 1], false)), "{name}");
        }
        assert!(!rule.allows(&interface("lo", [127, 0, 0, 1], false)));
        assert!(!rule.allows(&interface("tun0", [10, 8, 0, 2], true)));
        let only = InterfaceRule::Only(vec!["lo".into()]);
        assert!(only.allows(&interface("lo", [127, 0, 0, 1], false)));
        assert!(!only.allows(&interface("eth0", [192, 168, 1, 5], false)));
    }
}
