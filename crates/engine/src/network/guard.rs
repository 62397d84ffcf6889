//! Which addresses a helper connects to, with the surroundings as they are now.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use manyhands_origin::{AddressGuard, HelperGuard, Refused};

/// Laptops wander: the machine's addresses and gateways are looked up again after so long.
const FRESH: Duration = Duration::from_secs(5);

/// [`HelperGuard`] with the addresses and gateways that the machine has now.
#[derive(Debug)]
pub struct LiveGuard {
    allow_private: AtomicBool,
    /// How often the user has changed that.
    edition: AtomicU64,
    /// The rule and when it was made; replaced when it is old.
    current: Mutex<Option<(Instant, HelperGuard)>>,
    #[cfg(test)]
    pub loopback: bool,
}

impl LiveGuard {
    pub fn new(allow_private: bool) -> Self {
        Self {
            allow_private: AtomicBool::new(allow_private),
            edition: AtomicU64::new(0),
            current: Mutex::new(None),
            #[cfg(test)]
            loopback: false,
        }
    }

    /// Counts from the next connection on.
    pub fn set_allow_private(&self, allow_private: bool) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if self.allow_private.swap(allow_private, Ordering::Relaxed) != allow_private {
            self.edition.fetch_add(1, Ordering::Relaxed);
        }
        *current = None;
    }
}

impl AddressGuard for LiveGuard {
    fn allow(&self, address: IpAddr) -> Result<(), Refused> {
        #[cfg(test)]
        if self.loopback && address.is_loopback() {
            return Ok(());
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, guard)) = current.as_ref().filter(|(made, _)| made.elapsed() < FRESH) {
            return guard.allow(address);
        }
        let Ok(interfaces) = if_addrs::get_if_addrs() else {
            return Err(Refused { address, why: "this machine's own addresses are not known" });
        };
        let guard = HelperGuard {
            allow_private: self.allow_private.load(Ordering::Relaxed),
            own_addresses: interfaces.iter().map(if_addrs::Interface::ip).collect(),
            gateways: gateways(),
        };
        let verdict = guard.allow(address);
        *current = Some((Instant::now(), guard));
        verdict
    }

    fn edition(&self) -> u64 {
        self.edition.load(Ordering::Relaxed)
    }
}

/// The routers that the system's tables name.
fn gateways() -> Vec<IpAddr> {
    let table = |path| std::fs::read_to_string(path).unwrap_or_default();
    let v4 = table("/proc/net/route").lines().filter_map(v4_gateway).collect::<Vec<_>>();
    v4.into_iter().chain(table("/proc/net/ipv6_route").lines().filter_map(v6_gateway)).collect()
}

/// `Iface Destination Gateway …`, the address as a hexadecimal number in the machine's byte order.
fn v4_gateway(line: &str) -> Option<IpAddr> {
    let number = u32::from_str_radix(line.split_whitespace().nth(2)?, 16).ok()?;
    (number != 0).then(|| Ipv4Addr::from(number.to_ne_bytes()).into())
}

/// `destination length source length next-hop …`, 32 hexadecimal digits.
fn v6_gateway(line: &str) -> Option<IpAddr> {
    let number = u128::from_str_radix(line.split_whitespace().nth(4)?, 16).ok()?;
    (number != 0).then(|| Ipv6Addr::from(number).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_are_read_from_the_systems_tables() {
        let line = "eth0\t00000000\t0103A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0";
        let expected = if cfg!(target_endian = "little") { "192.168.3.1" } else { "1.3.168.192" };
        assert_eq!(v4_gateway(line), Some(expected.parse().unwrap()));
        assert_eq!(v4_gateway("eth0\t0003A8C0\t00000000\t0001"), None);
        assert_eq!(v4_gateway("Iface\tDestination\tGateway \tFlags"), None);
        let line =
            format!("{0} 00 {0} 00 fe800000000000000000000000000001 00000400", "0".repeat(32));
        assert_eq!(v6_gateway(&line), Some("fe80::1".parse().unwrap()));
    }

    #[test]
    fn the_machine_itself_is_never_helped_into() {
        let guard = LiveGuard::new(true);
        for interface in if_addrs::get_if_addrs().unwrap() {
            assert!(guard.allow(interface.ip()).is_err(), "{}", interface.ip());
        }
        assert!(guard.allow("10.99.99.99".parse().unwrap()).is_ok());
        assert!(LiveGuard::new(false).allow("10.99.99.99".parse().unwrap()).is_err());
    }
}
