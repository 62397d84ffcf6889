//! How often one place is dialled because somebody is listed there.
//!
//! What members publish may be anybody's address, and they can be many: together they make no client dial a machine of somebody
//! else more than a few times a minute.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// In so long …
const PERIOD: Duration = Duration::from_secs(60);
/// … so many calls go to one address, whatever the port: a handful for a machine that has nothing to do with it, and enough for
/// several members behind one router.
const MAX_CALLS: usize = 6;
/// Places that are told apart. Others wait until one of them was left alone for a while.
const MAX_PLACES: usize = 4096;
/// When there are so many, those that were left alone are looked for at most so often.
const TIDY_PAUSE: Duration = Duration::from_secs(1);
/// Of an IPv6 address: one network is one place, since a machine has as many addresses in it as it likes.
const NETWORK_BITS: u32 = 64;

/// The calls of the last [`PERIOD`], by where they went.
#[derive(Debug, Default)]
pub(super) struct Budget {
    calls: BTreeMap<IpAddr, VecDeque<Instant>>,
    tidied: Option<Instant>,
}

impl Budget {
    /// When this address may be dialled; not after `now`: at once.
    pub(super) fn free_at(&mut self, ip: IpAddr, now: Instant) -> Instant {
        let place = place(ip);
        if !self.has_room(&place, now) {
            return now + PERIOD;
        }
        let calls = self.calls.get(&place);
        let full = calls.filter(|calls| calls.len() >= MAX_CALLS);
        full.and_then(VecDeque::front).map_or(now, |first| *first + PERIOD)
    }

    /// Whether it may be dialled now, which counts then.
    pub(super) fn take(&mut self, ip: IpAddr, now: Instant) -> bool {
        let place = place(ip);
        if !self.has_room(&place, now) {
            return false;
        }
        let calls = self.calls.entry(place).or_default();
        while calls.front().is_some_and(|at| now.duration_since(*at) >= PERIOD) {
            calls.pop_front();
        }
        let free = calls.len() < MAX_CALLS;
        if free {
            calls.push_back(now);
        }
        free
    }

    /// What was taken at that time was not used: nothing has left this device.
    pub(super) fn give_back(&mut self, ip: IpAddr, at: Instant) {
        let place = place(ip);
        let Some(calls) = self.calls.get_mut(&place) else { return };
        if let Some(index) = calls.iter().rposition(|taken| *taken == at) {
            calls.remove(index);
        }
        if calls.is_empty() {
            self.calls.remove(&place);
        }
    }

    fn has_room(&mut self, place: &IpAddr, now: Instant) -> bool {
        if self.calls.len() < MAX_PLACES || self.calls.contains_key(place) {
            return true;
        }
        let since = |at: Instant| now.saturating_duration_since(at);
        if self.tidied.is_none_or(|at| since(at) >= TIDY_PAUSE) {
            self.tidied = Some(now);
            self.calls.retain(|_, calls| calls.back().is_some_and(|at| since(*at) < PERIOD));
        }
        self.calls.len() < MAX_PLACES
    }
}

/// What counts as one.
pub(super) fn place(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(six) => {
            let host = u128::MAX.checked_shr(NETWORK_BITS).unwrap_or_default();
            Ipv6Addr::from_bits(six.to_bits() & !host).into()
        }
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_place_is_dialled_six_times_in_any_minute_and_others_are_not_held_up() {
        let (mut budget, began, victim) = (Budget::default(), Instant::now(), ip("10.0.0.7"));
        let mut calls = Vec::new();
        for tenth in 0..3000 {
            let now = began + Duration::from_millis(100) * tenth;
            let free = budget.free_at(victim, now) <= now;
            assert_eq!(budget.take(victim, now), free, "what is said holds");
            calls.extend(free.then_some(now));
        }
        for call in &calls {
            let minute = calls.iter().filter(|at| (*call..*call + PERIOD).contains(at));
            assert!(minute.count() <= MAX_CALLS);
        }
        assert_eq!(calls.len(), 5 * MAX_CALLS);
        assert!(budget.take(ip("10.0.0.8"), began));
    }

    #[test]
    fn a_network_of_ipv6_is_one_place_and_an_address_is_one_however_it_is_written() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let mut take = |text: &str| budget.take(ip(text), now);
        for n in 0..MAX_CALLS {
            assert!(take(&format!("2001:db8:0:1::{n:x}")));
            assert!(take("::ffff:10.0.0.1"));
        }
        assert!(!take("2001:db8:0:1:ffff::1") && !take("10.0.0.1"));
        assert!(take("2001:db8:0:2::1") && take("10.0.0.2"));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let at = |n: usize| IpAddr::from(u32::try_from(n).unwrap().to_be_bytes());
        let taken = (0..MAX_PLACES + 10).filter(|n| budget.take(at(*n), now)).count();
        assert_eq!(taken, MAX_PLACES);
        let other = at(MAX_PLACES + 1);
        assert_eq!(budget.free_at(other, now), now + PERIOD, "never at once, and then refused");
        assert_eq!(budget.free_at(at(7), now), now, "who is known is not held up by the others");
        let nearly = now + PERIOD - TIDY_PAUSE / 2;
        assert!(!budget.take(other, nearly));
        assert!(!budget.take(other, now + PERIOD), "not looked through again and again");
        assert_eq!(budget.free_at(other, nearly + TIDY_PAUSE), nearly + TIDY_PAUSE);
        assert!(budget.take(other, nearly + TIDY_PAUSE));
        assert_eq!(budget.calls.len(), 1);
    }

    #[test]
    fn what_never_left_this_device_is_given_back() {
        let (mut budget, began, at) = (Budget::default(), Instant::now(), ip("10.0.0.7"));
        let later = began + Duration::from_secs(1);
        assert!(budget.take(at, began));
        while budget.take(at, later) {}
        assert_eq!(budget.free_at(at, later), began + PERIOD);
        budget.give_back(at, later);
        assert!(budget.take(at, later) && !budget.take(at, later));
        budget.give_back(at, began);
        assert!(budget.take(at, later));
        assert_eq!(budget.free_at(at, later), later + PERIOD, "the one that was given back");
        for _ in 0..2 * MAX_CALLS {
            budget.give_back(at, later);
        }
        assert!(budget.calls.is_empty());
    }
}
