//! What front ends wish, and what the user decides.

use manyhands_core::{
    AskPolicy, AskTerms, CoreError, DownloadId, DownloadSpec, Failure, FailureCode, GroupId,
    HelpId, Now, What,
};
use manyhands_store::Op;
use tokio::sync::oneshot;

use crate::groups;
use crate::network::Network;
use crate::network::pairing::{Meant, Met};
use crate::profile::{Before, Change, group_of, stranger};
use crate::shell::{Clock, Shell};
use crate::view::{
    Decision, DownloadRow, HelpingRow, InviteView, Lookout, PairingRow, PeerRow, Query, RequestRow,
    Terms, View,
};

use std::time::Duration;

/// A wish of a front end.
#[derive(Debug)]
pub enum Command {
    Add { spec: Box<DownloadSpec>, answer: oneshot::Sender<DownloadId> },
    Pause { id: DownloadId, answer: oneshot::Sender<Result<(), CoreError>> },
    Resume { id: DownloadId, answer: oneshot::Sender<Result<(), CoreError>> },
    Remove { id: DownloadId, answer: oneshot::Sender<Result<(), CoreError>> },
    PauseAll { answer: oneshot::Sender<()> },
    ResumeAll { answer: oneshot::Sender<()> },
    View { query: Query, answer: oneshot::Sender<View> },
    Row { id: DownloadId, answer: oneshot::Sender<Option<DownloadRow>> },
    Ask { id: DownloadId, terms: AskTerms, wait: Duration, answer: oneshot::Sender<()> },
    Peers { answer: oneshot::Sender<Vec<PeerRow>> },
    Requests { answer: oneshot::Sender<Vec<RequestRow>> },
    Helping { answer: oneshot::Sender<Vec<HelpingRow>> },
    Decide { id: String, decision: Decision, answer: oneshot::Sender<bool> },
    Change { change: Change, answer: oneshot::Sender<Result<bool, Failure>> },
    Terms { answer: oneshot::Sender<Terms> },
    Lookout { answer: oneshot::Sender<Lookout> },
    Invite { group: GroupId, answer: oneshot::Sender<Result<InviteView, Failure>> },
    StopHelping { id: HelpId, answer: oneshot::Sender<bool> },
    Meant { who: String, answer: oneshot::Sender<Result<Meant, Failure>> },
    Pair { met: Box<Met>, answer: oneshot::Sender<Result<String, Failure>> },
    Pairings { answer: oneshot::Sender<Vec<PairingRow>> },
    AnswerPairing { id: String, same: bool, answer: oneshot::Sender<bool> },
    Shutdown { answer: oneshot::Sender<()> },
}

impl Shell {
    pub(super) fn obey(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Add { spec, answer } => {
                let _ = answer.send(self.core.add(*spec, now));
            }
            Command::Pause { id, answer } => {
                let _ = answer.send(self.core.pause(id, now));
            }
            Command::Resume { id, answer } => {
                let _ = answer.send(self.core.resume(id, now));
            }
            Command::Remove { id, answer } => {
                let _ = answer.send(self.core.remove(id, now));
            }
            Command::PauseAll { answer } => {
                self.core.pause_all(now);
                let _ = answer.send(());
            }
            Command::ResumeAll { answer } => {
                self.core.resume_all(now);
                let _ = answer.send(());
            }
            Command::View { query, answer } => {
                let _ = answer.send(self.view(&query, now));
            }
            Command::Row { id, answer } => {
                let _ = answer.send(self.presenter.row(&self.core, id, now));
            }
            Command::Ask { id, terms, wait, answer } => {
                if let Some(network) = &mut self.network {
                    network.policies.insert(id, AskPolicy::new(terms, wait));
                }
                self.begin_asking(now);
                let _ = answer.send(());
            }
            Command::Peers { answer } => {
                let network = self.network.as_ref();
                let peers = network.map(|net| net.everybody(&self.core, now.monotonic));
                let _ = answer.send(peers.unwrap_or_default());
            }
            Command::Requests { answer } => {
                let requests = self.network.as_ref().map(|network| network.requests(now.monotonic));
                let _ = answer.send(requests.unwrap_or_default());
            }
            Command::Helping { answer } => {
                let helping = self.network.as_ref().map(|net| net.helping(now.monotonic));
                let _ = answer.send(helping.unwrap_or_default());
            }
            Command::Decide { id, decision, answer } => {
                let _ = answer.send(self.decide(&id, decision, now));
            }
            Command::Change { change, answer } => {
                let _ = answer.send(self.change(&change, now));
            }
            Command::Terms { answer } => {
                let terms = self.network.as_ref().map(Network::terms);
                let alone = || self.alone.terms(&self.settings, Clock::local());
                let _ = answer.send(terms.unwrap_or_else(alone));
            }
            Command::Lookout { answer } => {
                let lookout = self.network.as_ref().map(|network| network.lookout(now.monotonic));
                let _ = answer.send(lookout.unwrap_or_else(|| self.alone.lookout(&self.settings)));
            }
            Command::Invite { group, answer } => {
                let groups = self.network.as_ref().map_or(&self.alone.groups, |net| &net.groups);
                let _ = answer.send(group_of(groups, group).and_then(groups::invite_view));
            }
            Command::StopHelping { id, answer } => {
                let stopped = self
                    .network
                    .as_mut()
                    .is_some_and(|network| network.stop_helping(id, now.monotonic));
                self.core.touch();
                let _ = answer.send(stopped);
            }
            Command::Meant { who, answer } => {
                let meant = self.network.as_ref().ok_or_else(no_network);
                let _ = answer.send(meant.and_then(|network| network.meant(&who)));
            }
            Command::Pair { met, answer } => {
                let begun = self.network.as_mut().ok_or_else(no_network);
                let _ = answer.send(begun.and_then(|network| network.begin_pairing(&met)));
                self.core.touch();
            }
            Command::Pairings { answer } => {
                // Whoever is told that two are paired can rely on it: it is being stored.
                self.befriend_paired();
                let pairings = self.network.as_ref().map(Network::pairings);
                let _ = answer.send(pairings.unwrap_or_default());
            }
            Command::AnswerPairing { id, same, answer } => {
                let network = self.network.as_ref();
                let _ = answer.send(network.is_some_and(|net| net.answer_pairing(&id, same)));
            }
            // The loop has taken it.
            Command::Shutdown { answer } => drop(answer),
        }
    }

    /// What a window shows: the downloads, and what is between this device and others.
    fn view(&self, query: &Query, now: Now) -> View {
        let mut view = self.presenter.view(&self.core, query, now);
        if let Some(network) = &self.network {
            view.together =
                Some(network.together(&self.core, query.peers, query.members, now.monotonic));
            if let Some(details) = &mut view.details {
                let id = DownloadId(details.id);
                details.candidates = network.candidates(&self.core, id, now);
            }
        }
        view
    }

    /// The user's answer to a request; `id` may be its beginning, where that is clear.
    fn decide(&mut self, id: &str, decision: Decision, now: Now) -> bool {
        let Some(network) = &self.network else { return false };
        let mut matching = network.waiting.keys().filter(|known| known.to_string().starts_with(id));
        let (Some(found), None) = (matching.next().copied(), matching.next()) else { return false };
        let Some(peer) = network.who_asks(found) else { return false };
        let always = match decision {
            Decision::Block => return self.change(&Change::Block { peer }, now).is_ok(),
            Decision::HelpAlways { terms } => Some(Change::SetRule { peer, terms }),
            Decision::Help | Decision::NotNow => None,
        };
        // First: the rule holds for this very request too.
        if always.is_some_and(|change| self.change(&change, now).is_err()) {
            return false;
        }
        let Some(network) = &mut self.network else { return false };
        let accept = decision != Decision::NotNow;
        network.decide(found, accept, now.monotonic);
        // One whose request did not fit into the bounds any more has not been helped.
        let helps = network.desk.sessions().any(|(id, _)| id == found);
        if helps && let Some(friend) = network.befriend(peer) {
            self.saver.apply(vec![Op::PutFriend(friend)], None);
        }
        self.core.touch();
        helps == accept
    }

    /// The user's decision about others, or about hosts: stored, and carried out at once. Whether it changes anything.
    fn change(&mut self, change: &Change, now: Now) -> Result<bool, Failure> {
        let settings = &self.settings;
        let before = match &self.network {
            Some(network) => Before {
                friends: &network.friends,
                blocked: &network.blocked,
                groups: &network.groups,
                settings,
                insecure_http: network.insecure_http,
            },
            None => Before {
                friends: &self.alone.friends,
                blocked: &self.alone.blocked,
                groups: &self.alone.groups,
                settings,
                insecure_http: false,
            },
        };
        let ops = change.ops(before, |peer| match &self.network {
            Some(network) => network.new_friend(peer),
            None => stranger(peer, String::new()),
        })?;
        if let Some(Op::PutSettings(settings)) = ops.first() {
            self.settings = settings.clone();
        }
        match &mut self.network {
            Some(network) => {
                network.learn(&ops);
                // Also where nothing is stored: this run may lend otherwise than the profile says.
                network.obey(change, &self.settings, now.monotonic);
            }
            None => self.alone.learn(&ops),
        }
        if let Change::Block { peer } | Change::RemoveFriend { peer } = change {
            self.part_with(*peer, now);
        }
        let changed = !ops.is_empty();
        self.saver.apply(ops, None);
        self.core.touch();
        Ok(changed)
    }
}

fn no_network() -> Failure {
    Failure::new(FailureCode::Connect, "Other devices cannot be met: there is no network.")
        .because(What::NoNetwork, [])
}
