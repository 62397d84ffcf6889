//! How many may come in, and who has to go when too many are half-open.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::address::limit_key;

/// Handshakes under way. When all places are taken the oldest goes, so that half-open connections cannot keep others out.
const MAX_HANDSHAKES: usize = 1024;

/// The connections that are open. The lock guards the tables and is never held over an await.
#[derive(Debug)]
pub(crate) struct Admission {
    max: usize,
    max_per_address: usize,
    /// The parent of every connection's.
    kill: CancellationToken,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    next: u64,
    /// Each until its handshake is done.
    beginning: BTreeMap<u64, CancellationToken>,
    open: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    number: u64,
    address: IpAddr,
    /// As which client of limits by address; proxies are none.
    counted: Option<IpAddr>,
    kill: CancellationToken,
}

impl Admission {
    pub(crate) fn new(max: u32, max_per_address: u32) -> Self {
        let (max, max_per_address) = (max as usize, max_per_address as usize);
        Self { max, max_per_address, kill: CancellationToken::new(), places: Mutex::default() }
    }

    /// A place for somebody at `address`; behind a proxy there are many.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, is_proxy: bool) -> Option<Place> {
        let counted = (!is_proxy).then(|| limit_key(address));
        let mut places = self.lock();
        let of_address = counted.and_then(|key| places.by_address.get(&key)).copied();
        if places.open >= self.max || of_address.unwrap_or(0) >= self.max_per_address {
            return None;
        }
        if places.beginning.len() >= MAX_HANDSHAKES
            && let Some((_, oldest)) = places.beginning.pop_first()
        {
            oldest.cancel();
        }
        let (number, kill) = (places.next, self.kill.child_token());
        places.next += 1;
        places.open += 1;
        places.beginning.insert(number, kill.clone());
        if let Some(key) = counted {
            *places.by_address.entry(key).or_default() += 1;
        }
        Some(Place { admission: self.clone(), number, address, counted, kill })
    }

    pub(crate) fn open(&self) -> usize {
        self.lock().open
    }

    /// Ends all connections at once, and those that would still come.
    pub(crate) fn close_all(&self) {
        self.kill.cancel();
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Of the other end: a client's or a proxy's.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    pub(crate) fn is_proxys(&self) -> bool {
        self.counted.is_none()
    }

    /// Ends the connection at once.
    pub(crate) fn kill(&self) -> &CancellationToken {
        &self.kill
    }

    /// The handshake is done: the place is not one of those that make room.
    pub(crate) fn begun(&self) {
        self.admission.lock().beginning.remove(&self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.admission.lock();
        places.beginning.remove(&self.number);
        places.open -= 1;
        if let Some(key) = self.counted {
            let left = places.by_address.get_mut(&key).map(|count| {
                *count -= 1;
                *count
            });
            if left == Some(0) {
                places.by_address.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    #[test]
    fn places_are_bounded_by_address_and_in_all_and_come_back() {
        let admission = Arc::new(Admission::new(10, 4));
        let campus: Vec<_> = (0..6).filter_map(|_| admission.enter(address(1), false)).collect();
        assert_eq!(campus.len(), 4);
        let proxy: Vec<_> = (0..9).filter_map(|_| admission.enter(address(2), true)).collect();
        assert_eq!(proxy.len(), 6, "a proxy is many, but not more than all");
        drop((campus, proxy));
        assert!(admission.enter(address(1), false).is_some());
        assert!(admission.lock().by_address.is_empty());
        assert_eq!(admission.open(), 0);
    }

    #[test]
    fn half_open_connections_make_room_the_oldest_first() {
        let admission = Arc::new(Admission::new(10_000, 10_000));
        let enter = || admission.enter(address(1), false).unwrap();
        let done = enter();
        done.begun();
        let slow: Vec<_> = (0..MAX_HANDSHAKES + 3).map(|_| enter()).collect();
        let gone = slow.iter().filter(|place| place.kill.is_cancelled()).count();
        assert_eq!(gone, 3);
        assert!(slow[..3].iter().all(|place| place.kill.is_cancelled()));
        assert!(!done.kill.is_cancelled());
    }
}
