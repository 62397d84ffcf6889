//! Whom downloads ask for help, and what comes in from other devices.

use std::collections::BTreeSet;

use manyhands_core::{
    DownloadId, DownloadState, HelpEnd, HelpOffer, Input, LinkFacts, Now, PeerId,
};
use manyhands_peer::PresenceNews;
use manyhands_store::Op;

use crate::network::session::{Asking, Requester};
use crate::network::{Network, NetworkFact, Online};
use crate::shell::Shell;

impl Shell {
    /// Asks for downloads that have left the queue: their time for asking begins now.
    pub(super) fn begin_asking(&mut self, now: Now) {
        let Some(network) = &mut self.network else { return };
        let mut some_begin = false;
        for (id, policy) in &mut network.policies {
            if self.core.state(*id) != Some(DownloadState::Queued) {
                some_begin |= policy.begin(now.monotonic);
            }
        }
        if some_begin {
            self.ask_around(now);
        }
    }

    /// Asks everybody whom the user wants to be asked and who is there. What does not wait for others is asked for once: `now`
    /// is the moment at which its time began.
    pub(super) fn ask_around(&mut self, now: Now) {
        let Some(network) = &self.network else { return };
        for (id, policy) in network.policies.clone() {
            if policy.is_over(now.monotonic) {
                continue;
            }
            let Some(record) = self.core.record(id) else { continue };
            let link = LinkFacts::of(&record.spec);
            let wanted = network.online.keys().filter_map(|peer| {
                let mode = policy.terms().mode_for(link, network.asked_peer(*peer)?)?;
                Some((*peer, network.name_of(*peer), mode))
            });
            let peers: Vec<_> = wanted.collect();
            if !peers.is_empty() {
                // One in the queue is asked for when it runs; one that is over needs nobody.
                let _ = self.core.ask_help(id, peers, now);
            }
        }
    }

    pub(super) fn ask_help(&mut self, download: DownloadId, peer: PeerId, what: HelpOffer) {
        let facts = self.facts.clone();
        let now = self.clock.now();
        let Some(network) = &mut self.network else { return };
        let Some(online) = network.online.get(&peer) else {
            return self.core.handle(Input::HelpUnanswered { download, peer }, now);
        };
        let to_friend = network.is_friend(peer);
        let remote = online.remote.clone();
        let requester = Requester { name: network.name.clone(), origins: self.origins.clone() };
        let asking = Asking::start(remote, requester, download, what, to_friend, facts);
        network.asking.insert((download, peer), asking);
    }

    pub(super) fn handle_network(&mut self, fact: NetworkFact) {
        let now = self.clock.now();
        let Some(network) = &mut self.network else { return };
        match fact {
            NetworkFact::Presence(PresenceNews::Online { peer, hello }) => {
                let id = peer.id();
                network.online.insert(id, Online { remote: peer, hello });
                network.other_keys.remove(&id);
                network.finding.reached(id);
                if let Some(friend) = network.remember_address(id) {
                    self.saver.apply(vec![Op::PutFriend(friend)], None);
                }
                self.ask_around(now);
            }
            NetworkFact::Presence(PresenceNews::Offline { id }) => {
                network.online.remove(&id);
            }
            NetworkFact::Presence(PresenceNews::OtherKey { id, found, at }) => {
                network.found_other(id, found, at);
            }
            NetworkFact::Presence(PresenceNews::Unreachable { id, why }) => {
                network.finding.not_reached(id, why);
                network.ring_who_is_wanted(now.monotonic);
            }
            NetworkFact::Presence(PresenceNews::Found { id, by }) => network.finding.found(id, by),
            NetworkFact::Rendezvous => {}
            NetworkFact::Pairing => self.befriend_paired(),
            NetworkFact::Incoming(incoming) => network.take_in(incoming, now.monotonic),
        }
        self.core.touch();
    }

    pub(super) fn befriend_paired(&mut self) {
        let Some(network) = &mut self.network else { return };
        let friends = network.befriend_paired();
        if !friends.is_empty() {
            self.saver.apply(friends.into_iter().map(Op::PutFriend).collect(), None);
        }
    }

    /// Nothing more is had from this peer: its sessions as a helper end, and nobody's wish names it any more.
    pub(super) fn part_with(&mut self, peer: PeerId, now: Now) {
        let Some(network) = &mut self.network else { return };
        for policy in network.policies.values_mut() {
            policy.part_with(peer);
        }
        let asked = network.asking.keys().chain(network.sessions.keys());
        let asked: BTreeSet<_> = asked.filter(|(_, other)| *other == peer).copied().collect();
        for (download, peer) in asked {
            if let Some(network) = &mut self.network {
                network.withdraw((download, peer));
            }
            let reason = HelpEnd::Stopped;
            self.core.handle(Input::HelpEnded { download, peer, reason }, now);
        }
    }
}

/// The next thing that others do; never, without a network.
pub(super) async fn next_of(network: &mut Option<Network>) -> NetworkFact {
    match network {
        Some(network) => network.next().await,
        None => std::future::pending().await,
    }
}
