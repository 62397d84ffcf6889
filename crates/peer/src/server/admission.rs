//! How many may come in, and who has to go when it is full.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use manyhands_core::PeerId;
use tokio_util::sync::CancellationToken;

/// Handshakes under way. A friend's takes milliseconds; when all places are taken the oldest one
/// goes, which is never the friend's, so that half-open connections cannot keep friends out.
pub(crate) const MAX_HANDSHAKES: usize = 32;
/// … of one address: the next one is turned away.
pub(crate) const MAX_HANDSHAKES_PER_ADDRESS: usize = 4;
/// Connections in all. When all places are taken, the next one is turned away.
pub(crate) const MAX_CONNECTIONS: usize = 256;
/// … of one address, however many devices it says it is.
pub(crate) const MAX_CONNECTIONS_PER_ADDRESS: usize = 32;
/// … of one device: streams, a long poll, a spare one.
pub(crate) const MAX_CONNECTIONS_PER_DEVICE: usize = 8;

/// The connections that are open. The lock guards the two tables and is never held over an await.
#[derive(Debug, Default)]
pub(crate) struct Admission(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    next: u64,
    handshakes: BTreeMap<u64, Place>,
    connections: BTreeMap<u64, (PeerId, Place)>,
}

#[derive(Clone, Debug)]
struct Place {
    address: IpAddr,
    kill: CancellationToken,
}

/// One place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    number: u64,
    place: Place,
}

impl Admission {
    /// A place for a handshake with somebody at `address`.
    pub(crate) fn handshake(self: &Arc<Self>, address: IpAddr) -> Option<Admitted> {
        let mut places = self.lock();
        let same = places.handshakes.values().filter(|place| place.address == address);
        if same.count() >= MAX_HANDSHAKES_PER_ADDRESS {
            return None;
        }
        if places.handshakes.len() >= MAX_HANDSHAKES
            && let Some((_, oldest)) = places.handshakes.pop_first()
        {
            oldest.kill.cancel();
        }
        let place = Place { address, kill: CancellationToken::new() };
        let number = places.next;
        places.next += 1;
        places.handshakes.insert(number, place.clone());
        Some(Admitted { admission: self.clone(), number, place })
    }

    /// Ends the connections of these devices.
    pub(crate) fn close(&self, peers: &BTreeSet<PeerId>) {
        let places = self.lock();
        let of_peers = places.connections.values().filter(|(peer, _)| peers.contains(peer));
        of_peers.for_each(|(_, place)| place.kill.cancel());
    }

    pub(crate) fn close_all(&self) {
        let places = self.lock();
        places.handshakes.values().for_each(|place| place.kill.cancel());
        places.connections.values().for_each(|(_, place)| place.kill.cancel());
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted {
    /// The handshake has shown who it is: its place becomes a connection's, if there is one.
    pub(crate) fn proved(&self, peer: PeerId) -> bool {
        let mut places = self.admission.lock();
        places.handshakes.remove(&self.number);
        let device = places.connections.values().filter(|(other, _)| *other == peer).count();
        let address =
            places.connections.values().filter(|(_, p)| p.address == self.place.address).count();
        let room = places.connections.len() < MAX_CONNECTIONS
            && device < MAX_CONNECTIONS_PER_DEVICE
            && address < MAX_CONNECTIONS_PER_ADDRESS
            && !self.place.kill.is_cancelled();
        if room {
            places.connections.insert(self.number, (peer, self.place.clone()));
        }
        room
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.place.address
    }

    /// Cancelled when the connection has to end at once.
    pub(crate) fn kill(&self) -> &CancellationToken {
        &self.place.kill
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut places = self.admission.lock();
        places.handshakes.remove(&self.number);
        places.connections.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    fn peer(n: u8) -> PeerId {
        PeerId::from_digest([n; 32])
    }

    #[test]
    fn slow_handshakes_of_one_address_do_not_take_the_places_of_others() {
        let admission = Arc::new(Admission::default());
        let slow: Vec<_> = (0..100).filter_map(|_| admission.handshake(address(1))).collect();
        assert_eq!(slow.len(), MAX_HANDSHAKES_PER_ADDRESS);
        assert!(admission.handshake(address(2)).is_some());
        drop(slow);
        assert!(admission.handshake(address(1)).is_some());
    }

    #[test]
    fn when_all_places_are_taken_the_oldest_handshake_goes() {
        let admission = Arc::new(Admission::default());
        let flood: Vec<_> = (0..=255).filter_map(|n| admission.handshake(address(n))).collect();
        let alive = flood.iter().filter(|place| !place.kill().is_cancelled()).count();
        assert_eq!(alive, MAX_HANDSHAKES);
        let friend = admission.handshake(IpAddr::from([10, 0, 1, 1])).unwrap();
        assert!(friend.proved(peer(1)));
        let late = flood.first().unwrap();
        assert!(!late.proved(peer(2)), "who was told to go does not come in");
    }

    #[test]
    fn connections_are_bounded_per_device_per_address_and_in_all() {
        let admission = Arc::new(Admission::default());
        let enter = |a: u8, p: u8| admission.handshake(address(a)).filter(|x| x.proved(peer(p)));
        let device: Vec<_> = (0..20).filter_map(|n| enter(n, 1)).collect();
        assert_eq!(device.len(), MAX_CONNECTIONS_PER_DEVICE);
        let one_address: Vec<_> = (0..100).filter_map(|n| enter(100, n + 10)).collect();
        assert_eq!(one_address.len(), MAX_CONNECTIONS_PER_ADDRESS);
        let mut all: Vec<_> = (0..=255).filter_map(|n| enter(n, n)).collect();
        all.extend((0..=255).filter_map(|n| enter(n, n)));
        assert_eq!(device.len() + one_address.len() + all.len(), MAX_CONNECTIONS);
        admission.close(&[peer(1)].into());
        assert!(device.iter().all(|place| place.kill().is_cancelled()));
    }
}
