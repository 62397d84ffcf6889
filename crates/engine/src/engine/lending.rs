//! What a front end sees of other devices, and decides about helping them.

use manyhands_core::{Failure, HelpId, PeerId};

use crate::engine::Engine;
use crate::profile::Change;
use crate::shell::Command;
use crate::view::{Decision, HelpingRow, LendingChange, PeerRow, RequestRow, RuleTerms, Terms};

impl Engine {
    /// Everybody who is online, and the friends who are not.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn peers(&self) -> Result<Vec<PeerRow>, Failure> {
        self.ask(|answer| Command::Peers { answer }).await
    }

    /// The help requests that wait for the user.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn requests(&self) -> Result<Vec<RequestRow>, Failure> {
        self.ask(|answer| Command::Requests { answer }).await
    }

    /// Answers a help request; `id` may be the beginning of its id. Whether that was possible: the request was open, and, for a
    /// yes, there was room for one more session. A rule that [`Decision::HelpAlways`] made stays where there was no room.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn decide(&self, id: &str, decision: Decision) -> Result<bool, Failure> {
        let id = id.to_owned();
        self.ask(|answer| Command::Decide { id, decision, answer }).await
    }

    /// The sessions in which this device helps.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn helping(&self) -> Result<Vec<HelpingRow>, Failure> {
        self.ask(|answer| Command::Helping { answer }).await
    }

    /// Ends one session in which this device helps. Whether there was such a session.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn stop_helping(&self, id: HelpId) -> Result<bool, Failure> {
        self.ask(|answer| Command::StopHelping { id, answer }).await
    }

    /// On what terms this device helps, and whom.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn terms(&self) -> Result<Terms, Failure> {
        self.ask(|answer| Command::Terms { answer }).await
    }

    /// Switches helping others on or off, or changes how; remembered. Switched off, everything ends at once, and so it does when
    /// private addresses are no longer allowed. Where this run lends otherwise than the profile says, the profile gets the change alone.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn set_lending(&self, change: LendingChange) -> Result<(), Failure> {
        self.change(Change::SetLending { change }).await.map(drop)
    }

    /// The hosts that are never lent for, those beneath them included: the whole list. What runs for one of them ends.
    ///
    /// # Errors
    /// One entry is no host, which is named, or they are too many. Nothing is changed then.
    pub async fn set_never_hosts(&self, hosts: Vec<String>) -> Result<(), Failure> {
        self.change(Change::SetNeverHosts { hosts }).await.map(drop)
    }

    /// Always helps this peer, without a question, on these terms and never beyond those for all; it is a friend from then on.
    /// Remembered, as all of the following.
    ///
    /// # Errors
    /// It is blocked, there are too many rules, or the engine has ended.
    pub async fn set_rule(&self, peer: PeerId, terms: RuleTerms) -> Result<(), Failure> {
        self.change(Change::SetRule { peer, terms }).await.map(drop)
    }

    /// Asks about this peer's requests again; what runs by the rule ends. Whether there was a rule.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn remove_rule(&self, peer: PeerId) -> Result<bool, Failure> {
        self.change(Change::RemoveRule { peer }).await
    }

    /// Nothing is heard of this device any more, and everything with it ends at once. It is no friend from then on.
    ///
    /// # Errors
    /// Too many are blocked, or the engine has ended.
    pub async fn block(&self, peer: PeerId) -> Result<(), Failure> {
        self.change(Change::Block { peer }).await.map(drop)
    }

    /// It is a stranger again. Whether it was blocked.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn unblock(&self, peer: PeerId) -> Result<bool, Failure> {
        self.change(Change::Unblock { peer }).await
    }

    /// The friend is a stranger again, without a rule; everything with it ends at once. Whether it was a friend.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn remove_friend(&self, peer: PeerId) -> Result<bool, Failure> {
        self.change(Change::RemoveFriend { peer }).await
    }
}
