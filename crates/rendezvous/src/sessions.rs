//! Who has proved what, for ten minutes.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use manyhands_core::{GroupId, PeerId};
use manyhands_wire::Bytes32;
use tokio::time::Instant;

/// A session is valid for so long.
pub(crate) const SESSION_S: u32 = 600;
/// Sessions of one device at the same time; the next one ends the oldest.
const MAX_PER_DEVICE: usize = 4;

/// One device in some groups.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) device: PeerId,
    pub(crate) groups: Arc<[GroupId]>,
    pub(crate) until: Instant,
}

/// The valid sessions. The lock guards the tables and is never held over an await.
#[derive(Debug)]
pub(crate) struct Sessions {
    max: usize,
    max_devices_per_address: usize,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    by_token: HashMap<[u8; 32], Arc<Session>>,
    by_device: HashMap<PeerId, OfDevice>,
    /// How many devices were seen there last.
    by_address: HashMap<IpAddr, usize>,
    /// In the order in which they end; the places of those that ended before their time are empty, and no more than the others.
    order: VecDeque<(Instant, [u8; 32])>,
}

#[derive(Debug)]
struct OfDevice {
    /// The oldest first.
    tokens: VecDeque<[u8; 32]>,
    /// Where its last session was opened from.
    address: IpAddr,
}

impl Sessions {
    pub(crate) fn new(max: usize, max_devices_per_address: usize) -> Self {
        Self { max, max_devices_per_address, tables: Mutex::default() }
    }

    /// Whether the device may have a session from `address`: it has one already, or there are not too many others.
    pub(crate) fn has_room_for(&self, device: PeerId, address: IpAddr, now: Instant) -> bool {
        let mut tables = self.lock();
        tables.expire(now);
        let is_there = tables.by_device.get(&device).is_some_and(|known| known.address == address);
        let others = tables.by_address.get(&address).copied().unwrap_or(0);
        is_there || others < self.max_devices_per_address
    }

    /// A new session under `token`. `false`: there are too many.
    pub(crate) fn open(
        &self,
        token: &Bytes32,
        device: PeerId,
        groups: Arc<[GroupId]>,
        address: IpAddr,
        now: Instant,
    ) -> bool {
        let mut tables = self.lock();
        tables.expire(now);
        if tables.by_token.len() >= self.max {
            return false;
        }
        let until = now + Duration::from_secs(u64::from(SESSION_S));
        tables.by_token.insert(token.0, Arc::new(Session { device, groups, until }));
        tables.order.push_back((until, token.0));
        tables.see(device, address);
        if let Some(of_device) = tables.by_device.get_mut(&device) {
            of_device.tokens.push_back(token.0);
            if of_device.tokens.len() > MAX_PER_DEVICE
                && let Some(oldest) = of_device.tokens.pop_front()
            {
                tables.by_token.remove(&oldest);
                tables.compact();
            }
        }
        true
    }

    pub(crate) fn find(&self, token: &Bytes32, now: Instant) -> Option<Arc<Session>> {
        let session = self.lock().by_token.get(&token.0).cloned();
        session.filter(|session| session.until > now)
    }

    /// Until when the device has proved, in some session that is valid, to be in all of these groups.
    pub(crate) fn cover(
        &self,
        device: PeerId,
        groups: &[GroupId],
        now: Instant,
    ) -> Option<Instant> {
        let tables = self.lock();
        let tokens = tables.by_device.get(&device).into_iter().flat_map(|known| &known.tokens);
        let sessions = tokens.filter_map(|token| tables.by_token.get(token));
        let good = sessions.filter(|session| {
            session.until > now && groups.iter().all(|group| session.groups.contains(group))
        });
        good.map(|session| session.until).max()
    }

    /// Whether the device has a session.
    pub(crate) fn knows(&self, device: PeerId) -> bool {
        self.lock().by_device.contains_key(&device)
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().by_token.len()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn expire(&mut self, now: Instant) {
        while let Some((until, token)) = self.order.front().copied() {
            if until > now {
                return;
            }
            self.order.pop_front();
            let Some(session) = self.by_token.remove(&token) else { continue };
            if let Some(of_device) = self.by_device.get_mut(&session.device) {
                of_device.tokens.retain(|other| *other != token);
                if of_device.tokens.is_empty() {
                    let address = of_device.address;
                    self.by_device.remove(&session.device);
                    self.leave(address);
                }
            }
        }
    }

    /// The device is at `address` now.
    fn see(&mut self, device: PeerId, address: IpAddr) {
        let before = match self.by_device.get_mut(&device) {
            Some(known) => Some(std::mem::replace(&mut known.address, address)),
            None => {
                self.by_device.insert(device, OfDevice { tokens: VecDeque::new(), address });
                None
            }
        };
        *self.by_address.entry(address).or_default() += 1;
        if let Some(before) = before {
            self.leave(before);
        }
    }

    fn leave(&mut self, address: IpAddr) {
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    /// Lets go of the empty places when they are more than the others: each is moved once on the average.
    fn compact(&mut self) {
        let Self { by_token, order, .. } = self;
        if order.len() > 2 * by_token.len() + MAX_PER_DEVICE {
            order.retain(|(_, token)| by_token.contains_key(token));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn token(n: u8) -> Bytes32 {
        Bytes32([n; 32])
    }

    #[tokio::test]
    async fn a_session_ends_with_its_time_and_the_oldest_with_too_many() {
        let (sessions, start) = (Sessions::new(100, 100), Instant::now());
        let [mo, ana] = [1, 2].map(|n| PeerId::from_digest([n; 32]));
        let group = GroupId::from_digest([9; 32]);
        for n in 0..6 {
            assert!(sessions.open(&token(n), mo, [group].into(), HERE, start));
        }
        assert!(sessions.find(&token(1), start).is_none());
        assert_eq!(sessions.find(&token(2), start).unwrap().device, mo);
        assert!(sessions.cover(mo, &[group], start).is_some());
        assert!(sessions.cover(mo, &[group, GroupId::from_digest([8; 32])], start).is_none());
        assert!(sessions.cover(ana, &[group], start).is_none());
        let end = start + Duration::from_secs(u64::from(SESSION_S));
        assert!(sessions.find(&token(2), end).is_none());
        assert!(sessions.cover(mo, &[group], end).is_none());
        assert!(sessions.open(&token(7), ana, [group].into(), HERE, end));
        assert_eq!((sessions.count(), sessions.knows(mo), sessions.knows(ana)), (1, false, true));
    }

    #[tokio::test]
    async fn there_are_so_many_in_all() {
        let (sessions, start) = (Sessions::new(3, 100), Instant::now());
        let open = |n, now| {
            sessions.open(&token(n), PeerId::from_digest([n; 32]), Arc::new([]), HERE, now)
        };
        assert!(open(1, start) && open(2, start) && open(3, start) && !open(4, start));
        assert!(open(4, start + Duration::from_secs(u64::from(SESSION_S))));
    }

    #[tokio::test]
    async fn sessions_that_ended_before_their_time_take_no_place() {
        let (sessions, start) = (Sessions::new(8, 100), Instant::now());
        let mo = PeerId::from_digest([1; 32]);
        for n in 0..200 {
            assert!(sessions.open(&token(n), mo, Arc::new([]), HERE, start), "{n}");
        }
        assert_eq!(sessions.count(), MAX_PER_DEVICE);
        assert!(sessions.lock().order.len() <= 3 * MAX_PER_DEVICE + 1);
        assert!(sessions.find(&token(199), start).is_some());
    }

    #[tokio::test]
    async fn devices_of_one_address_are_bounded_and_others_are_not_kept_out() {
        let (sessions, start) = (Sessions::new(100, 2), Instant::now());
        let [here, there] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        let [ana, mo, wei] = [1, 2, 3].map(|n| PeerId::from_digest([n; 32]));
        for (n, device) in [(1, ana), (2, mo), (3, mo)] {
            assert!(sessions.has_room_for(device, here, start));
            sessions.open(&token(n), device, Arc::new([]), here, start);
        }
        assert!(!sessions.has_room_for(wei, here, start));
        assert!(sessions.has_room_for(mo, here, start), "who is there may renew");
        assert!(sessions.has_room_for(wei, there, start));
        // One goes elsewhere, and makes room.
        sessions.open(&token(4), mo, Arc::new([]), there, start);
        assert!(sessions.has_room_for(wei, here, start));
        let end = start + Duration::from_secs(u64::from(SESSION_S));
        assert!(sessions.has_room_for(wei, here, end));
        assert!(sessions.lock().by_address.is_empty());
    }
}
