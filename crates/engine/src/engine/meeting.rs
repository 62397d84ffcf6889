//! How others are found: groups at rendezvous servers, and pairing with one device.

use manyhands_core::{Failure, FailureCode, GroupId};
use manyhands_store::Meeting;

use crate::engine::Engine;
use crate::groups;
use crate::profile::Change;
use crate::shell::Command;
use crate::view::{InviteView, Lookout, PairingRow, PairingState, ServerFound};

impl Engine {
    /// How others are found, and the groups that this device is in.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn lookout(&self) -> Result<Lookout, Failure> {
        self.ask(|answer| Command::Lookout { answer }).await
    }

    /// Finds others in this way from now on; remembered. Servers hear at once that this device is gone, and so does the local network.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn set_meeting(&self, meeting: Meeting) -> Result<(), Failure> {
        self.change(Change::SetMeeting { meeting }).await.map(drop)
    }

    /// The rendezvous server that answers at an address which a person typed. Nothing is trusted yet: the user compares the id
    /// with what the server's log prints.
    ///
    /// # Errors
    /// The address makes no sense, nobody answers there, or something else does.
    pub async fn look_at_server(&self, url: &str) -> Result<ServerFound, Failure> {
        groups::look_at_server(url, self.seen.insecure_http).await
    }

    /// Makes a group at a server, whose id is trusted from then on, and joins it. Returns the group's id.
    ///
    /// # Errors
    /// The name is empty, there are too many groups, or the engine has ended.
    pub async fn create_group(&self, server: &ServerFound, name: &str) -> Result<String, Failure> {
        let (id, invite) = groups::new_group(server, name)?;
        let change = Change::JoinGroup { invite: Box::new(invite), founder: true };
        self.change(change).await?;
        Ok(id.to_string())
    }

    /// Joins the group of an invite, for good; returns its id. Joining twice is fine, and a new invite of the same group replaces
    /// the old one.
    ///
    /// # Errors
    /// What is wrong with the invite; or there are too many groups, or the engine has ended.
    pub async fn join_group(&self, invite: &str) -> Result<String, Failure> {
        let invite = Box::new(groups::read_invite(invite)?);
        let id = groups::id_of(&invite).to_string();
        self.change(Change::JoinGroup { invite, founder: false }).await?;
        Ok(id)
    }

    /// Leaves a group for good: its server and its members see this device no more. Whether it was in it.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn leave_group(&self, group: GroupId) -> Result<bool, Failure> {
        self.change(Change::LeaveGroup { group }).await
    }

    /// What to hand out, so that others can join a group.
    ///
    /// # Errors
    /// There is no such group, or the engine has ended.
    pub async fn invite(&self, group: GroupId) -> Result<InviteView, Failure> {
        self.ask(|answer| Command::Invite { group, answer }).await?
    }

    /// Leaves a group for a new one of the same name at the same server, whose secret nobody knows yet: returns its id. Everybody who is
    /// to be in it needs the new invite.
    ///
    /// # Errors
    /// There is no such group, or the engine has ended.
    pub async fn rotate_group(&self, group: GroupId) -> Result<String, Failure> {
        let (id, change) = groups::rotation(group, &self.invite(group).await?.link)?;
        self.change(change).await?;
        Ok(id.to_string())
    }

    /// Begins to pair with another device: `who` is its id, or eight characters or more of its beginning, or an address such as
    /// `192.168.1.7`, `[2001:db8::1]:26269` or `mo.example.org`. Returns the id of the pairing; what becomes of it is in
    /// [`Self::pairings`].
    ///
    /// # Errors
    /// Nobody answers there; or [`FailureCode::OtherKey`]: another device than the friend who was there before.
    pub async fn pair(&self, who: &str) -> Result<String, Failure> {
        let who = who.to_owned();
        let meant = self.ask(|answer| Command::Meant { who, answer }).await??;
        let met = Box::new(meant.meet().await?);
        self.ask(|answer| Command::Pair { met, answer }).await?
    }

    /// The user's word on whether both screens show the same code; `false` also gives a pairing up. Whether it was possible.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn answer_pairing(&self, id: &str, same: bool) -> Result<bool, Failure> {
        let id = id.to_owned();
        self.ask(|answer| Command::AnswerPairing { id, same, answer }).await
    }

    /// The pairings under way and those that ended a moment ago, the oldest first.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn pairings(&self) -> Result<Vec<PairingRow>, Failure> {
        self.ask(|answer| Command::Pairings { answer }).await
    }

    /// Waits until a pairing is in another state than `seen`; `None` once it is forgotten, a minute after its end.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn pairing_after(
        &self,
        id: &str,
        seen: PairingState,
    ) -> Result<Option<PairingRow>, Failure> {
        let mut changes = self.changes();
        loop {
            let row = self.pairings().await?.into_iter().find(|row| row.id == id);
            match row {
                Some(row) if row.state == seen => {}
                row => return Ok(row),
            }
            if changes.changed().await.is_err() {
                return Err(Failure::new(FailureCode::Internal, "The engine has ended."));
            }
        }
    }
}
