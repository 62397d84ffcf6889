//! Announcements without a network.

use std::collections::BTreeSet;
use std::net::IpAddr;

use manyhands_core::PeerId;
use mdns_sd::{ServiceInfo, TxtProperty};
use tokio::sync::watch;

use super::found::Found;
use super::{Discovered, SERVICE_TYPE};

/// What one device says of itself.
#[derive(Debug)]
pub struct Announcement {
    pub name: String,
    pub port: u16,
    pub addresses: Vec<IpAddr>,
    pub txt: Vec<(String, Vec<u8>)>,
}

/// What has been heard.
#[derive(Debug)]
pub struct Announcements(Found);

impl Announcements {
    #[must_use]
    pub fn new(own: PeerId) -> Self {
        Self(Found::new(own, false, watch::channel(BTreeSet::new()).1))
    }

    /// What no mDNS packet could carry is passed over.
    pub fn resolved(&mut self, said: Announcement) {
        let Announcement { name, port, addresses, txt } = said;
        let txt: Vec<TxtProperty> = txt.into_iter().map(TxtProperty::from).collect();
        let info = ServiceInfo::new(SERVICE_TYPE, &name, "h.local.", &addresses[..], port, txt);
        if let Ok(info) = info {
            self.0.resolved(&info.as_resolved_service());
        }
    }

    pub fn removed(&mut self, name: &str) {
        let info = ServiceInfo::new(SERVICE_TYPE, name, "h.local.", "", 0, Vec::new());
        if let Ok(info) = info {
            self.0.removed(info.get_fullname());
        }
    }

    pub fn next_news(&mut self) -> Option<Discovered> {
        self.0.next_news()
    }
}
