//! What the user decides about other devices and about hosts, and what is to be stored of it: the same with a running
//! network, without one, and on a profile on which nothing runs.

mod idle;
mod known;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use manyhands_core::{
    Failure, FailureCode, GroupId, HostList, HostListError, LentDay, PeerId, What,
};
use manyhands_peer::wire::{Invite, MAX_GROUPS};
use manyhands_store::{BlockedPeer, Friend, Group, Meeting, Op, Settings};
use serde::{Deserialize, Serialize};

use crate::groups;
use crate::shell::Clock;
use crate::view::{Lending, LendingChange, RuleTerms};
use known::no_group;

pub use idle::Profile;
pub use known::{Known, blocked_rows, group_of, rule_rows, stranger};

/// Friends with a rule at most: as many as a day of the ledger tells apart.
const MAX_RULES: usize = LentDay::MAX_PEERS;
/// Blocked devices at most: each is looked for at each handshake, and shown.
const MAX_BLOCKED: usize = 1000;

/// A decision of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    /// Always help this device; it is a friend from then on.
    SetRule {
        peer: PeerId,
        terms: RuleTerms,
    },
    RemoveRule {
        peer: PeerId,
    },
    /// Never hear of it again. It is no friend any more.
    Block {
        peer: PeerId,
    },
    Unblock {
        peer: PeerId,
    },
    RemoveFriend {
        peer: PeerId,
    },
    /// The whole list.
    SetNeverHosts {
        hosts: Vec<String>,
    },
    SetLending {
        change: LendingChange,
    },
    /// Be in the group of this invite. An invite of a group that it is in already replaces the one before.
    JoinGroup {
        #[serde(with = "groups::as_text")]
        invite: Box<Invite>,
        /// It is being made by this.
        founder: bool,
    },
    LeaveGroup {
        group: GroupId,
    },
    /// Leave a group for one with another secret.
    RotateGroup {
        group: GroupId,
        #[serde(with = "groups::as_text")]
        invite: Box<Invite>,
    },
    SetMeeting {
        meeting: Meeting,
    },
}

/// What a decision is made over.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    pub friends: &'a BTreeMap<PeerId, Friend>,
    pub blocked: &'a BTreeMap<PeerId, BlockedPeer>,
    pub groups: &'a BTreeMap<GroupId, Group>,
    pub settings: &'a Settings,
    /// Rendezvous servers at `http://` are allowed.
    pub insecure_http: bool,
}

impl Change {
    /// What is to be stored; nothing where nothing changes. `name` is what the device is called, as far as is known.
    ///
    /// # Errors
    /// It is too much, makes no sense, or contradicts an earlier decision.
    pub fn ops(
        &self,
        before: Before<'_>,
        new_friend: impl FnOnce(PeerId) -> Friend,
    ) -> Result<Vec<Op>, Failure> {
        let Before { friends, blocked, settings, .. } = before;
        Ok(match self {
            Self::SetRule { peer, terms } => {
                if blocked.contains_key(peer) {
                    let message = format!("The device {} is blocked.", peer.short());
                    let failure = Failure::new(FailureCode::Blocked, message);
                    return Err(failure.because(What::DeviceBlocked, [&peer.short()]));
                }
                let before = friends.get(peer);
                let rules = friends.values().filter(|friend| friend.rule.is_some()).count();
                if rules >= MAX_RULES && before.is_none_or(|friend| friend.rule.is_none()) {
                    return Err(too_many(What::TooManyRules, "rules", MAX_RULES));
                }
                let friend = before.cloned().unwrap_or_else(|| new_friend(*peer));
                let rule = Some((*terms).into());
                if before.is_some() && friend.rule == rule {
                    return Ok(Vec::new());
                }
                vec![Op::PutFriend(Friend { rule, ..friend })]
            }
            Self::RemoveRule { peer } => match friends.get(peer) {
                Some(friend) if friend.rule.is_some() => {
                    vec![Op::PutFriend(Friend { rule: None, ..friend.clone() })]
                }
                _ => Vec::new(),
            },
            Self::Block { peer } if blocked.contains_key(peer) => Vec::new(),
            Self::Block { .. } if blocked.len() >= MAX_BLOCKED => {
                return Err(too_many(What::TooManyBlocked, "blocked devices", MAX_BLOCKED));
            }
            Self::Block { peer } => {
                let friend = friends.get(peer).cloned();
                let was_friend = friend.is_some();
                let Friend { name, .. } = friend.unwrap_or_else(|| new_friend(*peer));
                let block = Op::PutBlocked(BlockedPeer {
                    id: *peer,
                    name,
                    blocked_unix_ms: Clock::unix_ms(),
                });
                was_friend.then_some(Op::RemoveFriend(*peer)).into_iter().chain([block]).collect()
            }
            Self::Unblock { peer } if blocked.contains_key(peer) => vec![Op::RemoveBlocked(*peer)],
            Self::RemoveFriend { peer } if friends.contains_key(peer) => {
                vec![Op::RemoveFriend(*peer)]
            }
            Self::Unblock { .. } | Self::RemoveFriend { .. } => Vec::new(),
            Self::SetNeverHosts { hosts } => {
                let hosts = Some(HostList::new(hosts).map_err(|error| no_host(&error))?);
                put(settings, Settings { lend_never_hosts: hosts, ..settings.clone() })
            }
            Self::SetLending { change } => {
                let mut changed = settings.clone();
                Lending::of(settings).with(*change).put(&mut changed);
                put(settings, changed)
            }
            Self::JoinGroup { invite, founder } => join(before, invite, *founder)?,
            Self::LeaveGroup { group } => match before.groups.get(group) {
                Some(_) => vec![Op::DeleteGroup(*group)],
                None => Vec::new(),
            },
            Self::RotateGroup { group, .. } if !before.groups.contains_key(group) => {
                return Err(no_group(*group));
            }
            Self::RotateGroup { group, invite } => {
                let mut others = before.groups.clone();
                others.remove(group);
                let joined = join(Before { groups: &others, ..before }, invite, true)?;
                [vec![Op::DeleteGroup(*group)], joined].concat()
            }
            Self::SetMeeting { meeting } => {
                put(settings, Settings { meeting: *meeting, ..settings.clone() })
            }
        })
    }
}

fn join(before: Before<'_>, invite: &Invite, founder: bool) -> Result<Vec<Op>, Failure> {
    groups::check_encrypted(&invite.server, before.insecure_http)?;
    let id = groups::id_of(invite);
    let known = before.groups.get(&id);
    if known.is_none() && before.groups.len() >= MAX_GROUPS {
        return Err(too_many(What::TooManyGroups, "groups", MAX_GROUPS));
    }
    let named = Some(invite.name.as_str()).filter(|name| !name.is_empty());
    let name = named.or(known.map(|group| group.name.as_str())).unwrap_or_default();
    let group = Group {
        id,
        invite: invite.to_string(),
        name: if name.is_empty() { id.short() } else { name.to_owned() },
        joined_unix_ms: known.map_or_else(Clock::unix_ms, |group| group.joined_unix_ms),
        founder: founder || known.is_some_and(|group| group.founder),
    };
    Ok(if known == Some(&group) { Vec::new() } else { vec![Op::PutGroup(group)] })
}

fn put(before: &Settings, settings: Settings) -> Vec<Op> {
    if *before == settings { Vec::new() } else { vec![Op::PutSettings(settings)] }
}

fn too_many(what: What, things: &str, most: usize) -> Failure {
    Failure::new(FailureCode::TooMany, format!("There are {most} {things} already."))
        .because(what, [&most])
}

pub fn check_host(text: &str) -> Result<String, Failure> {
    let list = HostList::new([text]).map_err(|error| no_host(&error))?;
    Ok(list.iter().next().unwrap_or_default().to_owned())
}

fn no_host(error: &HostListError) -> Failure {
    let code = match error {
        HostListError::NotAHost(_) => FailureCode::NoHost,
        HostListError::TooMany => FailureCode::TooMany,
    };
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let failure = Failure::new(code, format!("{first}{}.", letters.as_str()));
    match error {
        HostListError::NotAHost(host) => failure.because(What::NotAHost, [host]),
        HostListError::TooMany => failure.because(What::TooManyHosts, []),
    }
}
