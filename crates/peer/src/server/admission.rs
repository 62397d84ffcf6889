//! How many may come in, and who has to go when it is full.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use manyhands_core::PeerId;
use tokio_util::sync::CancellationToken;

/// Handshakes under way. One takes milliseconds; when all places are taken the oldest one goes, so
/// that half-open connections cannot keep others out.
pub(crate) const MAX_HANDSHAKES: usize = 32;
/// … of one address: the next one is turned away.
pub(crate) const MAX_HANDSHAKES_PER_ADDRESS: usize = 4;
/// Connections in all. When all places are taken, the next one is turned away.
pub(crate) const MAX_CONNECTIONS: usize = 256;
/// … of which so many are kept for friends.
pub(crate) const KEPT_FOR_FRIENDS: usize = 64;
/// … of one address, however many devices it says it is; friends do not count, and are not kept out
/// by it.
pub(crate) const MAX_CONNECTIONS_PER_ADDRESS: usize = 64;
/// … of one device: the eight tunnels or four streams of a session, its long poll and calls, for
/// three downloads at once.
pub(crate) const MAX_CONNECTIONS_PER_DEVICE: usize = 32;
/// Addresses at which friends have been: the handshakes that go from there are the last to be
/// closed.
const MAX_FRIENDLY_ADDRESSES: usize = 64;

/// The connections that are open. The lock guards the two tables and is never held over an await.
#[derive(Debug, Default)]
pub(crate) struct Admission(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    next: u64,
    handshakes: BTreeMap<u64, Place>,
    connections: BTreeMap<u64, (PeerId, Place)>,
    friends: BTreeSet<PeerId>,
    /// The latest last.
    friendly: VecDeque<IpAddr>,
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
        if places.handshakes.len() >= MAX_HANDSHAKES {
            places.close_a_handshake();
        }
        let place = Place { address, kill: CancellationToken::new() };
        let number = places.next;
        places.next += 1;
        places.handshakes.insert(number, place.clone());
        Some(Admitted { admission: self.clone(), number, place })
    }

    /// For whom places are kept.
    pub(crate) fn set_friends(&self, friends: &BTreeSet<PeerId>) {
        self.lock().friends.clone_from(friends);
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

impl Places {
    /// Makes room: the oldest goes, of those that come from where no friend has been if there are
    /// any.
    fn close_a_handshake(&mut self) {
        let stranger = self.handshakes.iter().find(|(_, p)| !self.friendly.contains(&p.address));
        let number = stranger.or(self.handshakes.iter().next()).map(|(number, _)| *number);
        if let Some(place) = number.and_then(|number| self.handshakes.remove(&number)) {
            place.kill.cancel();
        }
    }

    fn remember(&mut self, address: IpAddr) {
        self.friendly.retain(|other| *other != address);
        if self.friendly.len() >= MAX_FRIENDLY_ADDRESSES {
            self.friendly.pop_front();
        }
        self.friendly.push_back(address);
    }
}

impl Admitted {
    /// The handshake has shown who it is: its place becomes a connection's, if there is one.
    pub(crate) fn proved(&self, peer: PeerId) -> bool {
        let mut places = self.admission.lock();
        places.handshakes.remove(&self.number);
        let is_friend = places.friends.contains(&peer);
        let connections = || places.connections.values();
        let strangers = || connections().filter(|(other, _)| !places.friends.contains(other));
        let of_device = connections().filter(|(other, _)| *other == peer).count();
        let of_address = strangers().filter(|(_, p)| p.address == self.place.address).count();
        let room_for_strangers = strangers().count() < MAX_CONNECTIONS - KEPT_FOR_FRIENDS
            && of_address < MAX_CONNECTIONS_PER_ADDRESS;
        let room = places.connections.len() < MAX_CONNECTIONS
            && of_device < MAX_CONNECTIONS_PER_DEVICE
            && (is_friend || room_for_strangers)
            && !self.place.kill.is_cancelled();
        if room && is_friend {
            places.remember(self.place.address);
        }
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
    fn a_handshake_from_where_a_friend_has_been_survives_any_flood() {
        let admission = Arc::new(Admission::default());
        admission.set_friends(&[peer(1)].into());
        let friend = IpAddr::from([10, 0, 1, 1]);
        assert!(admission.handshake(friend).unwrap().proved(peer(1)));
        let coming = admission.handshake(friend).unwrap();
        let flood: Vec<_> = (0..=255).filter_map(|n| admission.handshake(address(n))).collect();
        assert!(coming.proved(peer(1)));
        // Where strangers have been, the next one is nobody in particular.
        drop(flood);
        assert!(admission.handshake(address(1)).unwrap().proved(peer(2)));
        let coming = admission.handshake(address(1)).unwrap();
        let _flood: Vec<_> = (2..=255).filter_map(|n| admission.handshake(address(n))).collect();
        assert!(!coming.proved(peer(2)));
        // However many places friends have been at: somebody goes, and what is known stays bounded.
        for n in 0..=255 {
            assert!(admission.handshake(IpAddr::from([10, 0, 2, n])).unwrap().proved(peer(1)));
        }
        let full: Vec<_> =
            (0..=255).filter_map(|n| admission.handshake(IpAddr::from([10, 0, 2, n]))).collect();
        let alive = full.iter().filter(|place| !place.kill().is_cancelled()).count();
        assert_eq!(alive, MAX_HANDSHAKES);
        assert_eq!(admission.lock().friendly.len(), MAX_FRIENDLY_ADDRESSES);
    }

    #[test]
    fn connections_are_bounded_per_device_per_address_and_in_all() {
        let admission = Arc::new(Admission::default());
        let enter = |a: u8, p: u8| admission.handshake(address(a)).filter(|x| x.proved(peer(p)));
        let device: Vec<_> = (0..50).filter_map(|n| enter(n, 1)).collect();
        assert_eq!(device.len(), MAX_CONNECTIONS_PER_DEVICE);
        let one_address: Vec<_> = (0..100).filter_map(|n| enter(100, n + 10)).collect();
        assert_eq!(one_address.len(), MAX_CONNECTIONS_PER_ADDRESS);
        let all: Vec<_> = (110..=255).filter_map(|n| enter(n, n)).collect();
        let strangers = device.len() + one_address.len() + all.len();
        assert_eq!(strangers, MAX_CONNECTIONS - KEPT_FOR_FRIENDS);
        // A friend comes in nevertheless, even from the address that has filled its own share.
        admission.set_friends(&[peer(2), peer(3), peer(4)].into());
        let friends: Vec<_> =
            (0..150).filter_map(|n| enter(if n < 50 { 100 } else { n }, 2 + n / 50)).collect();
        assert_eq!(friends.len(), KEPT_FOR_FRIENDS);
        assert!((0..50).filter_map(|n| enter(n, 4)).next().is_none(), "everything is taken");
        admission.close(&[peer(1)].into());
        assert!(device.iter().all(|place| place.kill().is_cancelled()));
    }
}
