//! What has been announced, kept within bounds, and what of it is still to be told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use manyhands_core::PeerId;
use mdns_sd::{ResolvedService, ScopedIp};
use tokio::sync::watch;

use super::{Discovered, HintOrigin};
use crate::client::MAX_ADDRESSES;

/// Announcements remembered. A campus network has fewer; a flood finds no more room than this, and
/// none that it could take from friends.
pub(super) const MAX_INSTANCES: usize = 512;
/// Announcements that name the same device: a device has one, and another while it starts anew.
const MAX_PER_DEVICE: usize = 4;
/// Ports below are those of services that nobody should be made to dial.
const MIN_PORT: u16 = 1024;

/// The announcements of now, and what the listener believes.
#[derive(Debug)]
pub(super) struct Found {
    own: PeerId,
    /// Only where loopback was asked for: from the network it would make this machine dial itself.
    loopback: bool,
    friends: watch::Receiver<BTreeSet<PeerId>>,
    instances: BTreeMap<String, Instance>,
    /// What the listener has been told; what is new is about these or the announced ones, so that
    /// both are bounded.
    told: BTreeMap<PeerId, Vec<SocketAddr>>,
    /// Devices about which there is something new.
    news: BTreeSet<PeerId>,
    next_order: u64,
}

#[derive(Debug)]
struct Instance {
    id: PeerId,
    addresses: Vec<SocketAddr>,
    order: u64,
    /// Heard before the last restart only.
    aged: bool,
}

impl Found {
    pub(super) fn new(
        own: PeerId,
        loopback: bool,
        friends: watch::Receiver<BTreeSet<PeerId>>,
    ) -> Self {
        Self {
            own,
            loopback,
            friends,
            instances: BTreeMap::new(),
            told: BTreeMap::new(),
            news: BTreeSet::new(),
            next_order: 0,
        }
    }

    /// An announcement, with its addresses.
    pub(super) fn resolved(&mut self, service: &ResolvedService) {
        let id = service.get_property_val_str("id").and_then(|text| text.parse().ok());
        let Some(id) = id else { return };
        let port = service.get_port();
        let mut addresses: Vec<_> = service.get_addresses().iter().collect();
        // The order of a set says nothing; IPv4 first is the safer guess on networks that filter
        // IPv6 neighbours.
        addresses.sort_by_key(|ip| (!ip.is_ipv4(), ip.to_ip_addr()));
        let addresses = addresses.into_iter().filter_map(|ip| dialable(ip, port));
        let addresses = addresses.filter(|address| self.loopback || !address.ip().is_loopback());
        let addresses = addresses.take(MAX_ADDRESSES).collect();
        self.announced(service.get_fullname(), id, addresses);
    }

    pub(super) fn announced(&mut self, name: &str, id: PeerId, addresses: Vec<SocketAddr>) {
        if id == self.own || addresses.is_empty() {
            return;
        }
        if self.instances.get(name).is_some_and(|known| known.id != id) {
            self.removed(name);
        }
        if !self.instances.contains_key(name) && !self.make_room(id) {
            return;
        }
        let order = self.next_order;
        self.next_order += 1;
        let instance = Instance { id, addresses, order, aged: false };
        self.instances.insert(name.to_owned(), instance);
        self.news.insert(id);
    }

    /// A goodbye, or silence for longer than the announcement was good for.
    pub(super) fn removed(&mut self, name: &str) {
        let Some(Instance { id, .. }) = self.instances.remove(name) else { return };
        let unnoticed = !self.told.contains_key(&id) && self.addresses(id).is_empty();
        if unnoticed {
            self.news.remove(&id)
        } else {
            self.news.insert(id)
        };
    }

    /// Everything has to be heard again to stay.
    pub(super) fn age(&mut self) {
        self.instances.values_mut().for_each(|instance| instance.aged = true);
    }

    pub(super) fn drop_aged(&mut self) {
        let aged = self.instances.iter().filter(|(_, instance)| instance.aged);
        for name in aged.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.removed(&name);
        }
    }

    #[cfg(test)]
    pub(super) fn is_announced(&self, id: PeerId) -> bool {
        !self.addresses(id).is_empty()
    }

    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The next thing to tell; `None` when what was new has become old again.
    pub(super) fn next_news(&mut self) -> Option<Discovered> {
        while let Some(id) = self.news.pop_first() {
            let addresses = self.addresses(id);
            if addresses.is_empty() {
                if self.told.remove(&id).is_some() {
                    return Some(Discovered::PeerGone { id, origin: HintOrigin::Lan });
                }
            } else if self.told.get(&id) != Some(&addresses) {
                self.told.insert(id, addresses.clone());
                return Some(Discovered::PeerSeen { id, origin: HintOrigin::Lan, addresses });
            }
        }
        None
    }

    /// Where the device says it is, the newest announcement first.
    fn addresses(&self, id: PeerId) -> Vec<SocketAddr> {
        let mut instances: Vec<_> = self.instances.values().filter(|i| i.id == id).collect();
        instances.sort_by_key(|instance| std::cmp::Reverse(instance.order));
        let mut addresses = Vec::new();
        for address in instances.into_iter().flat_map(|instance| &instance.addresses) {
            if addresses.len() < MAX_ADDRESSES && !addresses.contains(address) {
                addresses.push(*address);
            }
        }
        addresses
    }

    /// Whether there is room for one more announcement of `id`, making some where that is due.
    fn make_room(&mut self, id: PeerId) -> bool {
        let oldest = |found: &Self, of: &dyn Fn(&Instance) -> bool| {
            let all = found.instances.iter().filter(|(_, instance)| of(instance));
            all.min_by_key(|(_, instance)| instance.order).map(|(name, _)| name.clone())
        };
        let same = self.instances.values().filter(|instance| instance.id == id).count();
        if same >= MAX_PER_DEVICE
            && let Some(name) = oldest(self, &|instance| instance.id == id)
        {
            self.removed(&name);
        }
        if self.instances.len() < MAX_INSTANCES {
            return true;
        }
        let friends = self.friends.borrow().clone();
        if !friends.contains(&id) {
            return false;
        }
        let stranger = oldest(self, &|instance| !friends.contains(&instance.id));
        stranger.map(|name| self.removed(&name)).is_some()
    }
}

/// An address that may be dialled: a host's, on a port of ordinary programs.
fn dialable(ip: &ScopedIp, port: u16) -> Option<SocketAddr> {
    let address = match ip {
        ScopedIp::V6(six) if six.addr().is_unicast_link_local() => {
            SocketAddrV6::new(*six.addr(), port, 0, six.scope_id().index).into()
        }
        ip => SocketAddr::new(ip.to_ip_addr(), port),
    };
    let host = match address.ip() {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => {
            !ip.is_unspecified() && !ip.is_multicast() && ip.to_ipv4_mapped().is_none()
        }
    };
    (host && port >= MIN_PORT).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u16) -> PeerId {
        let mut digest = [0; 32];
        digest[..2].copy_from_slice(&n.to_be_bytes());
        PeerId::from_digest(digest)
    }

    fn address(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 168, 1, n], 26269))
    }

    fn found(friends: &[PeerId]) -> Found {
        Found::new(peer(0), false, watch::channel(friends.iter().copied().collect()).1)
    }

    fn news(found: &mut Found) -> Vec<Discovered> {
        std::iter::from_fn(|| found.next_news()).collect()
    }

    #[test]
    fn a_device_is_told_once_and_again_when_it_moves_or_goes() {
        let (mut found, id) = (found(&[]), peer(1));
        found.announced("a", id, vec![address(1)]);
        found.announced("a", id, vec![address(1)]);
        let seen = |addresses: &[SocketAddr]| Discovered::PeerSeen {
            id,
            origin: HintOrigin::Lan,
            addresses: addresses.into(),
        };
        assert_eq!(news(&mut found), [seen(&[address(1)])]);
        found.announced("a", id, vec![address(2)]);
        assert_eq!(news(&mut found), [seen(&[address(2)])]);
        // It starts anew under another name, and the goodbye of the old one comes late.
        found.announced("b", id, vec![address(3)]);
        assert_eq!(news(&mut found), [seen(&[address(3), address(2)])]);
        found.removed("a");
        assert_eq!(news(&mut found), [seen(&[address(3)])]);
        found.removed("b");
        assert_eq!(news(&mut found), [Discovered::PeerGone { id, origin: HintOrigin::Lan }]);
        found.removed("b");
        assert_eq!(news(&mut found), []);
    }

    #[test]
    fn this_device_and_the_silent_ones_are_not_told() {
        let mut found = found(&[]);
        found.announced("a", peer(0), vec![address(1)]);
        found.announced("b", peer(1), vec![]);
        assert_eq!(news(&mut found), []);
    }

    #[test]
    fn after_a_restart_only_who_answers_again_stays() {
        let mut found = found(&[]);
        found.announced("a", peer(1), vec![address(1)]);
        found.announced("b", peer(2), vec![address(2)]);
        news(&mut found);
        found.age();
        found.announced("b", peer(2), vec![address(2)]);
        found.drop_aged();
        assert_eq!(
            news(&mut found),
            [Discovered::PeerGone { id: peer(1), origin: HintOrigin::Lan }]
        );
    }

    #[test]
    fn a_flood_stays_in_bounds_and_friends_are_still_found() {
        let friend = peer(60_000);
        let mut found = found(&[friend]);
        for n in 1..=10_000 {
            found.announced(&format!("fake {n}"), peer(n), vec![address(9)]);
        }
        assert_eq!(found.instances.len(), MAX_INSTANCES);
        found.announced("friend", friend, vec![address(1)]);
        let told = news(&mut found);
        assert!(told.contains(&Discovered::PeerSeen {
            id: friend,
            origin: HintOrigin::Lan,
            addresses: vec![address(1)]
        }));
        assert!(told.len() <= MAX_INSTANCES && found.told.len() <= MAX_INSTANCES);
        for n in 1..=10_000 {
            found.announced(&format!("again {n}"), friend, vec![address((n % 200) as u8)]);
        }
        assert!(found.addresses(friend).len() <= MAX_PER_DEVICE);
        assert_eq!(found.instances.len(), MAX_INSTANCES);
    }

    #[test]
    fn while_nobody_listens_only_the_newest_state_is_kept() {
        let mut found = found(&[]);
        for n in 0..10_000_u16 {
            found.announced("x", peer(n + 1), vec![address((n % 250) as u8)]);
            found.removed("x");
        }
        assert!(found.news.is_empty() && found.instances.is_empty());
        assert_eq!(news(&mut found), [], "who came and went unnoticed is no news");
    }

    #[test]
    fn only_addresses_of_hosts_on_ordinary_ports_are_dialled() {
        let ip = |text: &str| ScopedIp::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(dialable(&ip("192.168.1.1"), 26269), Some(address(1)));
        assert!(dialable(&ip("2001:db8::1"), 26269).is_some());
        for bad in ["0.0.0.0", "224.0.0.251", "255.255.255.255", "::", "ff02::fb", "::ffff:1.2.3.4"]
        {
            assert_eq!(dialable(&ip(bad), 26269), None, "{bad}");
        }
        for port in [0, 22, 25, 80, 443, 1023] {
            assert_eq!(dialable(&ip("192.168.1.1"), port), None, "{port}");
        }
    }
}
