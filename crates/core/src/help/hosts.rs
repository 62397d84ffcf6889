//! Hosts that this device never lends for.
//!
//! Many licensed platforms know their readers by the address that asks: whoever fetches from them for somebody else lends
//! the licence of the house too, and has its address blocked for all when the platform sees many downloads.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use url::Host;

/// Publishers and databases that let readers in by address, and block addresses that download much. To be edited by the user.
const LICENSED: &[&str] = &[
    "academic.oup.com",
    "annualreviews.org",
    "bmj.com",
    "brill.com",
    "cambridge.org",
    "cell.com",
    "cnki.net",
    "cqvip.com",
    "degruyter.com",
    "dl.acm.org",
    "ebscohost.com",
    "emerald.com",
    "epubs.siam.org",
    "ieeexplore.ieee.org",
    "iopscience.iop.org",
    "jamanetwork.com",
    "journals.aps.org",
    "journals.asm.org",
    "journals.sagepub.com",
    "jstor.org",
    "lexisnexis.com",
    "link.springer.com",
    "muse.jhu.edu",
    "nature.com",
    "nejm.org",
    "onlinelibrary.wiley.com",
    "proquest.com",
    "pubs.acs.org",
    "pubs.aip.org",
    "pubs.rsc.org",
    "science.org",
    "sciencedirect.com",
    "scopus.com",
    "statista.com",
    "tandfonline.com",
    "thelancet.com",
    "wanfangdata.com.cn",
    "webofscience.com",
    "westlaw.com",
    "worldscientific.com",
];

/// Host names and addresses in their normal form; a name stands for everything beneath it too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct HostList(BTreeSet<String>);

/// What was given is no list of hosts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostListError {
    #[error("{0:?} is no host: expected a name such as example.org or an address")]
    NotAHost(String),
    #[error(
        "the list is too long: {} hosts, {} bytes of text at most",
        HostList::MAX_HOSTS,
        HostList::MAX_BYTES
    )]
    TooMany,
}

impl HostList {
    /// So many hosts …
    pub const MAX_HOSTS: usize = 500;
    /// … of so much text in all: they are stored together.
    pub const MAX_BYTES: usize = 32 * 1024;

    /// Brings each entry into its normal form (WHATWG URL: lower case, IDNA in ASCII); the same host twice is one.
    ///
    /// # Errors
    /// Names the first entry that is no host, or says that it is too much.
    pub fn new<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, HostListError> {
        let (mut hosts, mut bytes) = (BTreeSet::new(), 0_usize);
        for entry in entries {
            let entry = entry.as_ref();
            let host = normal(entry).ok_or_else(|| HostListError::NotAHost(shortened(entry)))?;
            let length = host.len();
            if hosts.insert(host) {
                bytes = bytes.saturating_add(length);
            }
            if hosts.len() > Self::MAX_HOSTS || bytes > Self::MAX_BYTES {
                return Err(HostListError::TooMany);
            }
        }
        Ok(Self(hosts))
    }

    /// Nothing is refused.
    #[must_use]
    pub fn empty() -> Self {
        Self(BTreeSet::new())
    }

    /// Whether `host`, in whatever spelling, is one of them or lies beneath one.
    /// What is no host at all is connected to by nobody.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let Some(host) = normal(host) else { return false };
        if is_address(&host) {
            return self.0.contains(&host);
        }
        std::iter::successors(Some(host.as_str()), |name| Some(name.split_once('.')?.1))
            .any(|name| self.0.contains(name))
    }

    /// In alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    #[must_use]
    pub fn to_vec(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}

/// What holds until the user has edited it.
impl Default for HostList {
    fn default() -> Self {
        Self(LICENSED.iter().map(|host| (*host).to_owned()).collect())
    }
}

impl TryFrom<Vec<String>> for HostList {
    type Error = HostListError;

    fn try_from(entries: Vec<String>) -> Result<Self, HostListError> {
        Self::new(entries)
    }
}

impl From<HostList> for Vec<String> {
    fn from(list: HostList) -> Self {
        list.0.into_iter().collect()
    }
}

/// A host as the url crate writes it, without the dots at its end. IPv6 with or without brackets.
fn normal(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('.');
    if let Ok(address) = text.parse::<std::net::Ipv6Addr>() {
        return Some(Host::<String>::Ipv6(address).to_string());
    }
    match Host::parse(text).ok()? {
        Host::Domain(name) => {
            let label = |label: &str| {
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
                (1..=63).contains(&label.len()) && label.bytes().all(fits)
            };
            (name.len() <= 253 && name.split('.').all(label)).then_some(name)
        }
        address => Some(address.to_string()),
    }
}

/// A host in its normal form is an address, whose numbers are no labels.
fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok()
}

/// Enough of a text to find it again.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_covers_what_is_beneath_it_label_by_label_in_every_spelling() {
        let list = HostList::new(["ScienceDirect.com.", " bücher.example "]).unwrap();
        for covered in [
            "sciencedirect.com",
            "www.sciencedirect.com",
            "WWW.ScienceDirect.COM",
            "a.b.sciencedirect.com..",
            "xn--bcher-kva.example",
            "www.bücher.example",
        ] {
            assert!(list.covers(covered), "{covered}");
        }
        for other in ["notsciencedirect.com", "com", "sciencedirect.com.evil.example", "", "..."] {
            assert!(!list.covers(other), "{other}");
        }
    }

    #[test]
    fn an_address_stands_for_itself_alone() {
        let list = HostList::new(["10.1.2.3", "2001:DB8::1", "[2001:db8::2]"]).unwrap();
        assert!(list.covers("10.1.2.3") && list.covers("0x0a.1.2.3"), "one address");
        assert!(list.covers("[2001:db8::1]") && list.covers("2001:db8:0::2"));
        assert!(!list.covers("1.2.3") && !list.covers("10.1.2.4") && !list.covers("[::1]"));
    }

    #[test]
    fn what_is_no_host_is_named() {
        for bad in [
            "",
            " ",
            ".",
            "https://example.org",
            "example.org/a",
            "example.org:443",
            "a b",
            "*.a.org",
            "a..b",
            "user@a.org",
            "1.2.3.4.5",
            "[::1",
            "a\u{202e}b%20",
        ] {
            let refused = HostList::new(["good.example", bad]);
            assert_eq!(refused, Err(HostListError::NotAHost(bad.to_owned())), "{bad:?}");
        }
        let long = HostList::new([format!("{} ", "ä b".repeat(100))]).unwrap_err().to_string();
        assert!(long.len() < 300, "{long}");
    }

    #[test]
    fn the_list_is_bounded_and_the_same_host_twice_is_one() {
        let hosts = |count: usize| (0..count).map(|n| format!("h{n}.example"));
        assert!(HostList::new(hosts(HostList::MAX_HOSTS).chain(hosts(9))).is_ok());
        assert_eq!(HostList::new(hosts(HostList::MAX_HOSTS + 1)), Err(HostListError::TooMany));
        let long = |n| format!("{}.{n}.example", "a".repeat(60)) + &".b".repeat(80);
        assert_eq!(HostList::new((0..400).map(long)), Err(HostListError::TooMany));
    }

    #[test]
    fn the_default_list_is_in_its_normal_form() {
        let list = HostList::default();
        assert_eq!(HostList::new(LICENSED), Ok(list.clone()));
        assert_eq!(list.iter().collect::<Vec<_>>(), LICENSED);
        assert!(list.covers("www.sciencedirect.com") && list.covers("kns.cnki.net"));
        assert!(!list.covers("arxiv.org") && !list.covers("springer.com"));
    }
}
