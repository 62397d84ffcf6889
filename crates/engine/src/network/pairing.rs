//! Pairing as a person sees it: whom is meant, what both screens show, and who is a friend for sure afterwards.
//!
//! A device is its key. Where a friend was last and another key answers, that is an error that says so; nothing here ever takes the
//! new key for the friend's.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use manyhands_core::{
    Failure, FailureCode, PairingEnd, PairingRefusal, PairingRun, PairingStage, PeerId, What,
};
use manyhands_peer::wire::DEFAULT_PORT;
use manyhands_peer::{CallError, Discovered, HintOrigin, MAX_ADDRESSES, PeerClient, RemotePeer};
use manyhands_store::Friend;

use crate::network::Network;
use crate::view::{PairingRow, PairingState};

/// So much of a device id may stand for the whole, where only one device begins with it.
const MIN_ID_CHARS: usize = 8;
/// Addresses at which a friend was reached that are remembered.
const MAX_LAST_ADDRESSES: usize = 4;
/// For the name service.
const LOOKUP: Duration = Duration::from_secs(10);

/// Whom a person means.
#[derive(Debug)]
pub enum Meant {
    /// A device that is online, or a friend.
    Device { remote: RemotePeer, name: String },
    /// Whoever answers there.
    Address { host: String, port: u16, client: PeerClient },
}

/// A device that has just proved its key.
#[derive(Debug)]
pub struct Met {
    remote: RemotePeer,
    name: String,
    /// Where it answered, when it was met by an address.
    address: Option<SocketAddr>,
}

impl Network {
    /// Whom `who` means: a device id or the beginning of one, or an address.
    ///
    /// # Errors
    /// Nobody who is there, or more than one.
    pub fn meant(&self, who: &str) -> Result<Meant, Failure> {
        let who = who.trim();
        let wanted = who.to_ascii_lowercase();
        let known = self
            .online
            .keys()
            .chain(self.friends.keys().filter(|id| !self.online.contains_key(id)));
        let mut matching =
            known.filter(|id| wanted.len() >= MIN_ID_CHARS && id.to_string().starts_with(&wanted));
        match (matching.next(), matching.next()) {
            (Some(id), None) => self.device(*id),
            (Some(_), Some(_)) => {
                let message =
                    format!("More than one device begins with {wanted}: give more of its id.");
                let failure = Failure::new(FailureCode::PeerNotFound, message);
                Err(failure.because(What::SeveralDevices, [&wanted]))
            }
            (None, _) => match (who.parse::<PeerId>(), host_and_port(who)) {
                (Ok(id), _) => Err(not_online(&id.short())),
                (Err(_), Some((host, port))) => {
                    Ok(Meant::Address { host, port, client: self.client.clone() })
                }
                (Err(_), None) => {
                    let message = "This is neither a device's id nor its address.";
                    let failure = Failure::new(FailureCode::PeerNotFound, message);
                    Err(failure.because(What::NoDevice, [&who]))
                }
            },
        }
    }

    fn device(&self, id: PeerId) -> Result<Meant, Failure> {
        let name = self.name_of(id);
        if let Some(online) = self.online.get(&id) {
            return Ok(Meant::Device { remote: online.remote.clone(), name });
        }
        let addresses = self.friends.get(&id).map(|friend| friend.last_addresses.as_slice());
        match addresses.filter(|addresses| !addresses.is_empty()) {
            Some(addresses) => Ok(Meant::Device { remote: self.client.peer(id, addresses), name }),
            None => Err(not_online(&name)),
        }
    }

    /// Begins to pair with a device that has been met; where that is under way already, whoever began, it is that pairing.
    ///
    /// # Errors
    /// Another device than the friend who was last there, or a bound is reached.
    pub fn begin_pairing(&mut self, met: &Met) -> Result<String, Failure> {
        let id = met.remote.id();
        let usurped = met.address.and_then(|address| Some((self.last_at(address)?, address)));
        if let Some((friend, address)) = usurped.filter(|(friend, _)| *friend != id) {
            self.found_other(friend, id, address);
            return Err(other_key(&self.name_of(friend), friend, id));
        }
        if let Some(open) = self.server.pairings().open_with(id) {
            return Ok(open.to_string());
        }
        let begun = self.server.pair(met.remote.clone(), &met.name).map_err(|refusal| {
            let failure = |message: String| Failure::new(FailureCode::PairingRefused, message);
            match refusal {
                PairingRefusal::Itself => {
                    failure("This is the address of this device itself.".to_owned())
                        .because(What::Itself, [])
                }
                PairingRefusal::Blocked => failure(format!("{} is blocked.", met.name))
                    .because(What::DeviceBlocked, [&met.name]),
                _ => failure(format!("There were too many pairings with {} in the last ten minutes, or there are too many now.", met.name))
                    .because(What::PairedTooOften, [&met.name]),
            }
        })?;
        // It has proved its key there: from now on it is looked after as those who were discovered.
        self.hint(id, met.address);
        Ok(begun.to_string())
    }

    /// The user's word on a pairing. Whether it was possible.
    #[must_use]
    pub fn answer_pairing(&self, id: &str, same: bool) -> bool {
        let pairings = self.server.pairings();
        let run = pairings.runs().into_iter().find(|(run, _)| run.id.to_string() == id);
        run.is_some_and(|(run, _)| pairings.answer(run.id, same))
    }

    /// The pairings under way and those that ended a moment ago, the oldest first.
    #[must_use]
    pub fn pairings(&self) -> Vec<PairingRow> {
        let row = |(run, left): (PairingRun, Duration)| PairingRow {
            id: run.id.to_string(),
            peer: run.peer.to_string(),
            name: if run.name.is_empty() { self.name_of(run.peer) } else { run.name },
            incoming: run.incoming,
            code: run.code.map(|code| code.to_string()),
            state: state(run.stage),
            expires_in_s: match run.stage {
                PairingStage::Over(_) => 0,
                _ => left.as_secs(),
            },
        };
        self.server.pairings().runs().into_iter().map(row).collect()
    }

    /// Makes friends of those who are paired since; returns what to store.
    pub fn befriend_paired(&mut self) -> Vec<Friend> {
        let mut friends = Vec::new();
        while let Some(paired) = self.server.pairings().take_paired() {
            let _ = self.befriend(paired.peer);
            let called = self.has_called(paired.peer);
            let Some(friend) = self.friends.get_mut(&paired.peer) else { continue };
            friend.paired = true;
            if friend.name.is_empty() {
                friend.name = paired.name;
            }
            if friend.last_addresses.is_empty() && !called {
                friend.last_addresses.extend(paired.reach);
            }
            friends.push(friend.clone());
            tracing::info!(friend = %paired.peer.short(), "paired");
            if !self.online.contains_key(&paired.peer) {
                self.hint(paired.peer, paired.reach);
            }
        }
        friends
    }

    /// A friend was reached: it is looked for there after the next start. Returns what to store, if that is new. Of one that has called
    /// it is only said where it is, and another device there would be no reason for a warning.
    pub fn remember_address(&mut self, peer: PeerId) -> Option<Friend> {
        let here = self.reached_at(peer)?;
        let friend = self.friends.get_mut(&peer)?;
        if friend.last_addresses.first() == Some(&here) {
            return None;
        }
        friend.last_addresses.retain(|address| *address != here);
        friend.last_addresses.insert(0, here);
        friend.last_addresses.truncate(MAX_LAST_ADDRESSES);
        Some(friend.clone())
    }

    /// Another device answers in the place of a friend. Only where the friend was reached before: where it is merely said to
    /// be, anybody may have said so.
    pub fn found_other(&mut self, friend: PeerId, found: PeerId, at: SocketAddr) {
        if !self.friends.get(&friend).is_some_and(|friend| friend.last_addresses.contains(&at)) {
            return;
        }
        if found == self.id || !self.is_friend(friend) {
            // An address of yesterday that is this device's own today says nothing about the friend.
            return;
        }
        if self.other_keys.insert(friend, found) != Some(found) {
            tracing::warn!(
                friend = %friend.short(), found = %found.short(),
                "another device answers where a friend was: nothing was sent to it"
            );
        }
    }

    /// The friend who was reached last at this address, as far as is known.
    fn last_at(&self, address: SocketAddr) -> Option<PeerId> {
        let was_there = |friend: &&Friend| match self.online.contains_key(&friend.id) {
            // Where it was before it moved is anybody's.
            true => self.reached_at(friend.id) == Some(address),
            false => friend.last_addresses.contains(&address),
        };
        self.friends.values().find(was_there).map(|friend| friend.id)
    }

    fn hint(&self, id: PeerId, address: Option<SocketAddr>) {
        if let Some(address) = address {
            // While there is too much to look into, it is found by the next hint.
            let _ = self.hints.try_send(Discovered::PeerSeen {
                id,
                origin: HintOrigin::Known,
                addresses: vec![address],
            });
        }
    }
}

impl Meant {
    /// Greets who is meant: it is there and has proved its key.
    ///
    /// # Errors
    /// Nobody answers, or another device than the friend who is meant.
    pub async fn meet(self) -> Result<Met, Failure> {
        match self {
            Self::Device { remote, name } => match remote.hello().await {
                Ok(_) => Ok(Met { remote, name, address: None }),
                Err(CallError::WrongDevice { found, .. }) => {
                    Err(other_key(&name, remote.id(), found))
                }
                Err(error) => {
                    tracing::debug!(peer = %remote.id().short(), %error, "not met");
                    Err(not_online(&name))
                }
            },
            Self::Address { host, port, client } => {
                let nobody = || {
                    let message = format!("No Manyhands answers at {host}, port {port}.");
                    let failure = Failure::new(FailureCode::PeerNotFound, message);
                    failure.because(What::NobodyAt, [&host, &port])
                };
                let found =
                    tokio::time::timeout(LOOKUP, tokio::net::lookup_host((host.as_str(), port)));
                let Ok(Ok(found)) = found.await else {
                    let message =
                        format!("{host} is neither a device that is there nor an address.");
                    let failure = Failure::new(FailureCode::PeerNotFound, message);
                    return Err(failure.because(What::NoDevice, [&host]));
                };
                for address in found.take(MAX_ADDRESSES) {
                    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                    match client.meet(address).await {
                        Ok((id, hello)) => {
                            let remote = client.peer(id, &[address]);
                            let name = Some(hello.name.as_str()).filter(|name| !name.is_empty());
                            let name = name.map_or_else(|| id.short(), str::to_owned);
                            return Ok(Met { remote, name, address: Some(address) });
                        }
                        Err(error) => tracing::debug!(%address, %error, "nobody met"),
                    }
                }
                Err(nobody())
            }
        }
    }
}

/// `host`, `host:port`, `1.2.3.4`, `2001:db8::1` or `[2001:db8::1]:port`.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((address.ip().to_string(), address.port()));
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<IpAddr>().is_ok() {
        return Some((bare.to_owned(), DEFAULT_PORT));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
        None => (text, DEFAULT_PORT),
    };
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!host.is_empty() && host.chars().all(fits)).then(|| (host.to_owned(), port))
}

fn state(stage: PairingStage) -> PairingState {
    match stage {
        PairingStage::Connecting => PairingState::Connecting,
        PairingStage::Compare => PairingState::Compare,
        PairingStage::WaitingForOther => PairingState::WaitingForOther,
        PairingStage::Over(PairingEnd::Paired) => PairingState::Paired,
        PairingStage::Over(PairingEnd::Refused) => PairingState::Refused,
        PairingStage::Over(PairingEnd::Expired) => PairingState::Expired,
        PairingStage::Over(PairingEnd::Cheated) => PairingState::Cheated,
        PairingStage::Over(PairingEnd::Failed) => PairingState::Failed,
    }
}

fn not_online(name: &str) -> Failure {
    Failure::new(FailureCode::PeerNotFound, format!("{name} is not online."))
        .because(What::NotOnline, [&name])
}

fn other_key(name: &str, expected: PeerId, found: PeerId) -> Failure {
    let (found, expected) = (found.short(), expected.short());
    let message = format!(
        "Another device answers where {name} was: {found} in place of {expected}. Its key has changed, or another device has its address now, or somebody pretends to be {name}. Nothing was sent. Only removing {name} and pairing anew, comparing the digits, accepts the new key."
    );
    Failure::new(FailureCode::OtherKey, message)
        .because(What::OtherDevice, [&name, &found, &expected])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_people_write_it() {
        for (text, host, port) in [
            ("192.168.1.7", "192.168.1.7", DEFAULT_PORT),
            ("192.168.1.7:4000", "192.168.1.7", 4000),
            ("2001:db8::1", "2001:db8::1", DEFAULT_PORT),
            ("[2001:db8::1]", "2001:db8::1", DEFAULT_PORT),
            ("[2001:db8::1]:4000", "2001:db8::1", 4000),
            ("mo-laptop.local", "mo-laptop.local", DEFAULT_PORT),
            ("mo.example.org:4000", "mo.example.org", 4000),
        ] {
            assert_eq!(host_and_port(text), Some((host.to_owned(), port)), "{text}");
        }
        for bad in ["", ":4000", "mo:0", "mo:99999", "mo:", "http://mo/", "a b", "mo@host", "[::1"]
        {
            assert_eq!(host_and_port(bad), None, "{bad}");
        }
    }
}
