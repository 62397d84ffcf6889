//! How this device finds others, and what it has heard: the search on the local network, and the groups at their servers.
//!
//! The setting is obeyed while the program runs. Without servers the client of the servers has no group, leaves all and asks nobody;
//! without the local network nothing is announced there and nobody is looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use manyhands_core::{GroupId, PeerId, Rings};
use manyhands_peer::wire::Invite;
use manyhands_peer::{
    Discovered, DiscoveryOptions, HintOrigin, MAX_LISTED, NoWay, Rendezvous, RendezvousOptions,
    RendezvousState, ServerFault, ServerLink,
};
use manyhands_store::{Group, Meeting};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::groups;
use crate::network::Network;
use crate::network::search::LanSearch;
use crate::view::{self, Found, GroupRow, GroupState, Lookout, MemberRow, Reach};

/// Members of one group in a view at most.
const MAX_MEMBERS: usize = 500;

/// What was heard of where others are.
#[derive(Debug)]
pub struct Finding {
    meeting: Meeting,
    /// Nothing where the run is without multicast.
    lan: Option<LanSearch>,
    /// Always there, until the end.
    rendezvous: Option<Rendezvous>,
    /// The groups in which this device is to be seen now.
    invites: watch::Sender<Vec<Invite>>,
    state: watch::Receiver<RendezvousState>,
    found: BTreeMap<PeerId, BTreeSet<HintOrigin>>,
    no_way: BTreeMap<PeerId, NoWay>,
    rings: Rings,
}

/// What the search needs to start.
pub struct FindingOptions {
    pub meeting: Meeting,
    /// How to look on the local network; `None`: not in this run.
    pub lan: Option<Box<dyn Fn() -> DiscoveryOptions + Send + Sync>>,
    /// Its `groups` are filled in here.
    pub rendezvous: Box<dyn FnOnce(watch::Receiver<Vec<Invite>>) -> RendezvousOptions + Send>,
}

impl Finding {
    pub fn start(
        options: FindingOptions,
        groups: &BTreeMap<GroupId, Group>,
        hints: &mpsc::Sender<Discovered>,
    ) -> Self {
        let FindingOptions { meeting, lan, rendezvous } = options;
        let (invites, told) = watch::channel(invites(meeting, groups));
        let (rendezvous, state) = Rendezvous::start(rendezvous(told), hints.clone());
        let on = looks_around(meeting);
        Self {
            meeting,
            lan: lan.map(|options| LanSearch::start(on, options, hints.clone())),
            rendezvous: Some(rendezvous),
            invites,
            state,
            found: BTreeMap::new(),
            no_way: BTreeMap::new(),
            rings: Rings::default(),
        }
    }

    /// Waits until a server has said something new. Safe to cancel.
    pub async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// From now on others are found in this way, and in these groups.
    pub fn set(&mut self, meeting: Meeting, groups: &BTreeMap<GroupId, Group>) {
        self.meeting = meeting;
        if let Some(lan) = &self.lan {
            lan.switch(looks_around(meeting));
        }
        let wanted = invites(meeting, groups);
        self.invites.send_if_modified(|before| {
            let changed = *before != wanted;
            *before = wanted;
            changed
        });
    }

    /// Says goodbye on the local network and to all servers.
    pub async fn shut_down(&mut self) {
        let lan = async {
            if let Some(lan) = self.lan.take() {
                lan.shutdown().await;
            }
        };
        let servers = async {
            if let Some(rendezvous) = self.rendezvous.take() {
                rendezvous.shutdown().await;
            }
        };
        tokio::join!(lan, servers);
    }

    /// It is there, and answers.
    pub fn reached(&mut self, peer: PeerId) {
        self.no_way.remove(&peer);
        self.rings.reached(peer);
    }

    /// It is said to be there, and does not answer.
    pub fn not_reached(&mut self, peer: PeerId, why: NoWay) {
        self.no_way.insert(peer, why);
    }

    /// Who says that it is there now.
    pub fn found(&mut self, peer: PeerId, by: BTreeSet<HintOrigin>) {
        if by.is_empty() {
            self.found.remove(&peer);
            self.no_way.remove(&peer);
        } else {
            self.found.insert(peer, by);
        }
    }

    /// Whether a server that is connected lists it: it can be rung.
    fn is_within_reach_of_a_server(&self, peer: PeerId) -> bool {
        let connected = |group: &&manyhands_peer::GroupStatus| group.link == ServerLink::Online;
        let state = self.state.borrow();
        state.groups.values().filter(connected).any(|group| group.members.contains_key(&peer))
    }

    /// Whether somebody else than a server says that it is there.
    fn is_seen(&self, peer: PeerId) -> bool {
        let seen = |by: &BTreeSet<_>| by.iter().any(|by| !matches!(by, HintOrigin::Group(_)));
        self.found.get(&peer).is_some_and(seen)
    }

    pub fn meeting(&self) -> Meeting {
        self.meeting
    }

    fn names<'a>(&'a self, groups: &'a BTreeMap<GroupId, Group>, peer: PeerId) -> Vec<Found> {
        let name = |origin: &HintOrigin| match origin {
            HintOrigin::Lan => Some(Found::Lan),
            HintOrigin::Known => Some(Found::Known),
            HintOrigin::Group(id) => {
                let group = groups.get(id)?;
                Some(Found::Group { name: group.name.clone() })
            }
        };
        let mut names: Vec<_> =
            self.found.get(&peer).into_iter().flatten().filter_map(name).collect();
        names.dedup();
        names
    }
}

impl Network {
    /// How others are found, and how that stands.
    #[must_use]
    pub fn lookout(&self, now: Duration) -> Lookout {
        Lookout {
            meeting: self.finding.meeting,
            multicast: self.finding.lan.as_ref().is_some_and(LanSearch::is_on),
            groups: self.group_rows(now, true),
        }
    }

    /// The groups that this device is in, and how many are listed there, but nobody who is blocked; with `members` who they are, too.
    #[must_use]
    pub fn group_rows(&self, now: Duration, members: bool) -> Vec<GroupRow> {
        let state = self.finding.state.borrow();
        let all_are_called = members && self.only_listed() <= MAX_LISTED;
        groups::rows(&self.groups, |group| {
            if self.finding.meeting == Meeting::LanOnly {
                return groups::row(group, GroupState::Off);
            }
            let status = state.groups.get(&group.id);
            let listed = status.into_iter().flat_map(|status| &status.members);
            let listed: Vec<_> = listed.filter(|(id, _)| !self.is_blocked(**id)).collect();
            let reached = listed.iter().filter(|(id, _)| self.online.contains_key(id)).count();
            let row = groups::row(group, groups::state(status, Instant::now()))?;
            let count = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
            let callable = groups::callable(status, self.server.port());
            let (listed_count, reached) = (count(listed.len()), count(reached));
            let row = GroupRow { callable, listed: listed_count, reached, ..row };
            if !members {
                return Some(row);
            }
            let member = |(id, member): (&PeerId, _)| self.member(*id, member, all_are_called, now);
            let mut members: Vec<_> = listed.into_iter().map(member).collect();
            members.sort_by_cached_key(|row| {
                let reached = matches!(row.reach, Reach::Reached { .. } | Reach::Called);
                (!reached, row.name.to_lowercase(), row.peer.clone())
            });
            members.truncate(MAX_MEMBERS);
            Some(GroupRow { members, ..row })
        })
    }

    /// How many there are whom nobody but servers names: of those only [`MAX_LISTED`] are called at a time.
    fn only_listed(&self) -> usize {
        let only_listed = |id: &&PeerId| !self.is_friend(**id) && !self.finding.is_seen(**id);
        self.finding.found.keys().filter(only_listed).count()
    }

    fn member(
        &self,
        id: PeerId,
        member: &manyhands_peer::Member,
        all_are_called: bool,
        now: Duration,
    ) -> MemberRow {
        let known = self.online.contains_key(&id) || self.friends.contains_key(&id);
        let name = Some(member.name.as_str()).filter(|name| !known && !name.is_empty());
        let no_way = self.finding.no_way.get(&id).copied();
        MemberRow {
            peer: id.to_string(),
            name: name.map_or_else(|| self.name_of(id), str::to_owned),
            friend: self.is_friend(id),
            reach: match (self.reached_at(id), no_way) {
                (Some(address), _) => Reach::Reached { address: address.to_string() },
                (None, _) if self.online.contains_key(&id) => Reach::Called,
                (None, Some(_)) if self.finding.rings.is_ringing(id, now) => Reach::Ringing,
                (None, Some(why)) => Reach::No { why: no_way_of(why) },
                (None, None) if member.addresses.is_empty() => {
                    Reach::No { why: view::NoWay::NoAddress }
                }
                (None, None)
                    if all_are_called || self.is_friend(id) || self.finding.is_seen(id) =>
                {
                    Reach::Trying
                }
                (None, None) => Reach::Listed,
            },
        }
    }

    /// Where a peer was reached; `None`: it is not online, or has called, which says nothing about where it can be called.
    pub fn reached_at(&self, peer: PeerId) -> Option<SocketAddr> {
        let remote = &self.online.get(&peer)?.remote;
        remote.addresses().first().copied().filter(|_| !remote.has_called())
    }

    /// Whether a peer is reached over a connection that it has made itself, since it cannot be called.
    pub fn has_called(&self, peer: PeerId) -> bool {
        self.online.get(&peer).is_some_and(|online| online.remote.has_called())
    }

    /// How this device has heard of a peer.
    pub fn found_by(&self, peer: PeerId) -> Vec<Found> {
        self.finding.names(&self.groups, peer)
    }

    /// Why a peer that is said to be there cannot be reached.
    pub fn no_way_to(&self, peer: PeerId) -> Option<view::NoWay> {
        if self.online.contains_key(&peer) {
            return None;
        }
        self.finding.no_way.get(&peer).copied().map(no_way_of)
    }

    /// Members of groups who are listed and cannot be reached, friends and blocked devices excepted.
    pub fn unreachable_members(&self) -> Vec<(PeerId, String)> {
        let state = self.finding.state.borrow();
        let members = state.groups.values().flat_map(|group| &group.members);
        let unreachable = members.filter(|(id, _)| {
            !self.online.contains_key(id) && !self.is_friend(**id) && !self.is_blocked(**id)
        });
        let named: BTreeMap<_, _> = unreachable
            .map(|(id, member)| (*id, member.name.as_str().to_owned()))
            .take(MAX_MEMBERS)
            .collect();
        named.into_iter().collect()
    }

    /// Asks those to call who are listed, are wanted, and cannot be reached; [`Rings::wanted`] says in which order.
    pub fn ring_who_is_wanted(&mut self, now: Duration) {
        let asking = self.policies.values().filter(|policy| policy.is_open(now));
        let asks: Vec<_> = asking.map(|policy| &policy.terms().ask).collect();
        let unreached = self.finding.no_way.keys().filter(|id| {
            !self.online.contains_key(id)
                && !self.is_blocked(**id)
                && self.finding.is_within_reach_of_a_server(**id)
        });
        let unreached = unreached.map(|id| (*id, self.is_friend(*id)));
        for peer in Rings::wanted(unreached, &asks) {
            if let Some(rendezvous) = &self.finding.rendezvous
                && self.finding.rings.may_ring(peer, now)
                && rendezvous.ring(peer)
            {
                tracing::info!(peer = %peer.short(), "asked to call, since it cannot be called");
                self.finding.rings.rung(peer, now);
            }
        }
    }

    /// Whether anything is shown of how others are found that changes with time alone.
    pub fn finding_shows_time(&self, now: Duration) -> bool {
        let in_trouble = |group: &manyhands_peer::GroupStatus| match group.link {
            ServerLink::Trouble { why, .. } => why != ServerFault::TooMany,
            ServerLink::Connecting | ServerLink::Online => false,
        };
        self.finding.rings.any(now) || self.finding.state.borrow().groups.values().any(in_trouble)
    }
}

fn looks_around(meeting: Meeting) -> bool {
    meeting != Meeting::ServerOnly
}

/// The invites of the groups that a server is to hear of, those that were joined first before the others: where there are too many
/// servers the last ones are not used, and one more ends none that is in use.
fn invites(meeting: Meeting, groups: &BTreeMap<GroupId, Group>) -> Vec<Invite> {
    if meeting == Meeting::LanOnly {
        return Vec::new();
    }
    let mut joined: Vec<_> = groups.values().collect();
    joined.sort_by_key(|group| (group.joined_unix_ms, group.id));
    joined.into_iter().filter_map(|group| groups::read_invite(&group.invite).ok()).collect()
}

fn no_way_of(why: NoWay) -> view::NoWay {
    match why {
        NoWay::NoAnswer => view::NoWay::NoAnswer,
        NoWay::Refused => view::NoWay::Refused,
        NoWay::NoRoute => view::NoWay::NoRoute,
        NoWay::OtherDevice => view::NoWay::OtherDevice,
        NoWay::NoAddress => view::NoWay::NoAddress,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_were_joined_first_come_first() {
        let found = view::ServerFound {
            server: "https://a.example".to_owned(),
            server_id: manyhands_peer::wire::Digest([9; 32]).to_string(),
            public_certificate: false,
        };
        let mut groups = BTreeMap::new();
        let mut joined = Vec::new();
        // Ids are random: twenty are in another order.
        for joined_unix_ms in 1..=20 {
            let (id, invite) = groups::new_group(&found, "Dorm 7").unwrap();
            let (text, name) = (invite.to_string(), "Dorm 7".to_owned());
            joined.push(invite);
            groups.insert(id, Group { id, invite: text, name, joined_unix_ms, founder: true });
        }
        assert_eq!(invites(Meeting::Automatic, &groups), joined);
        assert_eq!(invites(Meeting::LanOnly, &groups), []);
    }
}
