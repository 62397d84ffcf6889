//! Who has proved what, for ten minutes.

use std::collections::{HashMap, VecDeque};
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
    until: Instant,
}

/// The valid sessions. The lock guards the tables and is never held over an await.
#[derive(Debug)]
pub(crate) struct Sessions {
    max: usize,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    by_token: HashMap<[u8; 32], Arc<Session>>,
    /// The oldest first.
    by_device: HashMap<PeerId, VecDeque<[u8; 32]>>,
    /// In the order in which they end.
    order: VecDeque<(Instant, [u8; 32])>,
}

impl Sessions {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, tables: Mutex::default() }
    }

    /// A new session under `token`. `false`: there are too many.
    pub(crate) fn open(
        &self,
        token: &Bytes32,
        device: PeerId,
        groups: Arc<[GroupId]>,
        now: Instant,
    ) -> bool {
        let mut tables = self.lock();
        tables.expire(now);
        if tables.order.len() >= self.max {
            return false;
        }
        let until = now + Duration::from_secs(u64::from(SESSION_S));
        tables.by_token.insert(token.0, Arc::new(Session { device, groups, until }));
        tables.order.push_back((until, token.0));
        let of_device = tables.by_device.entry(device).or_default();
        of_device.push_back(token.0);
        if of_device.len() > MAX_PER_DEVICE
            && let Some(oldest) = of_device.pop_front()
        {
            // Its place in `order` is found empty when its time comes.
            tables.by_token.remove(&oldest);
        }
        true
    }

    pub(crate) fn find(&self, token: &Bytes32, now: Instant) -> Option<Arc<Session>> {
        let session = self.lock().by_token.get(&token.0).cloned();
        session.filter(|session| session.until > now)
    }

    /// Whether the device has proved, in some session that is valid, to be in all of these groups.
    pub(crate) fn cover(&self, device: PeerId, groups: &[GroupId], now: Instant) -> bool {
        let tables = self.lock();
        let tokens = tables.by_device.get(&device).into_iter().flatten();
        let mut sessions = tokens.filter_map(|token| tables.by_token.get(token));
        sessions.any(|session| {
            session.until > now && groups.iter().all(|group| session.groups.contains(group))
        })
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
                of_device.retain(|other| *other != token);
                if of_device.is_empty() {
                    self.by_device.remove(&session.device);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(n: u8) -> Bytes32 {
        Bytes32([n; 32])
    }

    #[tokio::test]
    async fn a_session_ends_with_its_time_and_the_oldest_with_too_many() {
        let (sessions, start) = (Sessions::new(100), Instant::now());
        let [mo, ana] = [1, 2].map(|n| PeerId::from_digest([n; 32]));
        let group = GroupId::from_digest([9; 32]);
        for n in 0..6 {
            assert!(sessions.open(&token(n), mo, [group].into(), start));
        }
        assert!(sessions.find(&token(1), start).is_none());
        assert_eq!(sessions.find(&token(2), start).unwrap().device, mo);
        assert!(sessions.cover(mo, &[group], start));
        assert!(!sessions.cover(mo, &[group, GroupId::from_digest([8; 32])], start));
        assert!(!sessions.cover(ana, &[group], start));
        let end = start + Duration::from_secs(u64::from(SESSION_S));
        assert!(sessions.find(&token(2), end).is_none());
        assert!(!sessions.cover(mo, &[group], end));
        assert!(sessions.open(&token(7), ana, [group].into(), end));
        assert_eq!((sessions.count(), sessions.knows(mo), sessions.knows(ana)), (1, false, true));
    }

    #[tokio::test]
    async fn there_are_so_many_in_all() {
        let (sessions, start) = (Sessions::new(3), Instant::now());
        let open =
            |n, now| sessions.open(&token(n), PeerId::from_digest([n; 32]), Arc::new([]), now);
        assert!(open(1, start) && open(2, start) && open(3, start) && !open(4, start));
        assert!(open(4, start + Duration::from_secs(u64::from(SESSION_S))));
    }
}
