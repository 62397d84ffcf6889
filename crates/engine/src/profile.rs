//! What the user decides about other devices and about hosts, and what is to be stored of it: the same with a running
//! network, without one, and on a profile on which nothing runs.

use std::collections::BTreeMap;
use std::path::Path;

use manyhands_core::{
    Failure, FailureCode, GroupId, HostList, HostListError, Ledger, LentDay, LocalTime, PeerId,
    What,
};
use manyhands_peer::wire::{Invite, MAX_GROUPS};
use manyhands_store::{
    BlockedPeer, Friend, Group, Meeting, Op, ProfileLock, Settings, Store, StoreError,
};
use serde::{Deserialize, Serialize};

use crate::engine::{OpenError, open_profile};
use crate::groups;
use crate::shell::Clock;
use crate::view::{
    BlockedRow, GroupState, InviteView, Lending, LendingChange, Lookout, RuleRow, RuleTerms, Terms,
};

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

/// What a profile knows about others, beside its settings.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub friends: BTreeMap<PeerId, Friend>,
    pub blocked: BTreeMap<PeerId, BlockedPeer>,
    /// Those whose invite can be read.
    pub groups: BTreeMap<GroupId, Group>,
    pub ledger: Ledger,
}

impl Known {
    pub fn load(store: &Store) -> Result<Self, StoreError> {
        let readable = |group: &Group| {
            let readable = groups::read_invite(&group.invite).is_ok();
            if !readable {
                tracing::warn!(group = %group.id.short(), "a stored invite cannot be read: left out");
            }
            readable
        };
        let groups = store.groups()?.into_iter().filter(readable);
        Ok(Self {
            friends: store.friends()?.into_iter().map(|friend| (friend.id, friend)).collect(),
            blocked: store.blocked()?.into_iter().map(|blocked| (blocked.id, blocked)).collect(),
            groups: groups.map(|group| (group.id, group)).collect(),
            ledger: Ledger::new(store.lent()?),
        })
    }

    /// Takes in what is stored, too.
    pub fn learn(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::PutFriend(friend) => drop(self.friends.insert(friend.id, friend.clone())),
                Op::RemoveFriend(id) => drop(self.friends.remove(id)),
                Op::PutBlocked(peer) => drop(self.blocked.insert(peer.id, peer.clone())),
                Op::RemoveBlocked(id) => drop(self.blocked.remove(id)),
                Op::PutGroup(group) => drop(self.groups.insert(group.id, group.clone())),
                Op::DeleteGroup(id) => drop(self.groups.remove(id)),
                _ => {}
            }
        }
    }

    /// How others would be found, where nothing is looked for now.
    pub fn lookout(&self, settings: &Settings) -> Lookout {
        Lookout {
            meeting: settings.meeting,
            multicast: false,
            groups: groups::rows(&self.groups, |group| groups::row(group, GroupState::Off)),
        }
    }

    /// On what terms this device helps, where nothing is lent now.
    pub fn terms(&self, settings: &Settings, clock: LocalTime) -> Terms {
        let lent_to = |peer| self.ledger.bytes_to(clock.day, peer);
        let device =
            |peer: PeerId, name: &str| BlockedRow { peer: peer.to_string(), name: name.to_owned() };
        let friends = self.friends.values().map(|friend| device(friend.id, &friend.name));
        let blocked = blocked_rows(&self.blocked);
        Terms {
            lending: Lending::of(settings),
            lent_today_bytes: self.ledger.bytes(clock.day),
            never_hosts: settings.lend_never_hosts.clone().unwrap_or_default().into(),
            rules: rule_rows(&self.friends, |friend| friend.name.clone(), lent_to),
            devices: friends.chain(blocked.iter().cloned()).collect(),
            blocked,
        }
    }
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

/// The stored group of this id.
pub fn group_of(groups: &BTreeMap<GroupId, Group>, id: GroupId) -> Result<&Group, Failure> {
    groups.get(&id).ok_or_else(|| no_group(id))
}

fn no_group(id: GroupId) -> Failure {
    let message = format!("This device is in no group {}.", id.short());
    Failure::new(FailureCode::NoGroup, message)
}

fn put(before: &Settings, settings: Settings) -> Vec<Op> {
    if *before == settings { Vec::new() } else { vec![Op::PutSettings(settings)] }
}

fn too_many(what: What, things: &str, most: usize) -> Failure {
    Failure::new(FailureCode::TooMany, format!("There are {most} {things} already."))
        .because(what, [&most])
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

pub fn check_host(text: &str) -> Result<String, Failure> {
    let list = HostList::new([text]).map_err(|error| no_host(&error))?;
    Ok(list.iter().next().unwrap_or_default().to_owned())
}

/// A device that nothing is known of but its id, and what it may have said.
pub fn stranger(id: PeerId, name: String) -> Friend {
    Friend {
        id,
        name,
        added_unix_ms: Clock::unix_ms(),
        last_addresses: Vec::new(),
        rule: None,
        paired: false,
    }
}

/// By name.
pub fn rule_rows(
    friends: &BTreeMap<PeerId, Friend>,
    name: impl Fn(&Friend) -> String,
    lent_to: impl Fn(PeerId) -> u64,
) -> Vec<RuleRow> {
    let row = |friend: &Friend| {
        Some(RuleRow {
            peer: friend.id.to_string(),
            name: name(friend),
            terms: friend.rule?.into(),
            lent_today_bytes: lent_to(friend.id),
        })
    };
    let mut rows: Vec<_> = friends.values().filter_map(row).collect();
    rows.sort_by_cached_key(|row| (row.name.to_lowercase(), row.peer.clone()));
    rows
}

/// By name.
pub fn blocked_rows(blocked: &BTreeMap<PeerId, BlockedPeer>) -> Vec<BlockedRow> {
    let row =
        |peer: &BlockedPeer| BlockedRow { peer: peer.id.to_string(), name: peer.name.clone() };
    let mut rows: Vec<_> = blocked.values().map(row).collect();
    rows.sort_by_cached_key(|row| (row.name.to_lowercase(), row.peer.clone()));
    rows
}

/// A profile on which nothing runs, open for a moment: for settings, which need neither network nor downloads.
#[derive(Debug)]
pub struct Profile {
    store: Store,
    insecure_http: bool,
    _lock: ProfileLock,
}

impl Profile {
    /// Blocks on the disk.
    ///
    /// # Errors
    /// [`OpenError::InUse`]: an instance runs on it; [`Remote`](crate::Remote) reaches that.
    pub fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let (lock, store, _) = open_profile(data_dir)?;
        Ok(Self { store, insecure_http: false, _lock: lock })
    }

    /// Takes invites of servers at `http://`, too.
    #[must_use]
    pub fn with_insecure_http(self, insecure_http: bool) -> Self {
        Self { insecure_http, ..self }
    }

    /// How others would be found, and the groups that this device is in.
    ///
    /// # Errors
    /// The profile cannot be read.
    pub fn lookout(&self) -> Result<Lookout, Failure> {
        let settings = self.store.settings().map_err(|error| cannot(&error))?;
        Ok(Known::load(&self.store).map_err(|error| cannot(&error))?.lookout(&settings))
    }

    /// What to hand out, so that others can join a group.
    ///
    /// # Errors
    /// There is no such group, or the profile cannot be read.
    pub fn invite(&self, group: GroupId) -> Result<InviteView, Failure> {
        let known = Known::load(&self.store).map_err(|error| cannot(&error))?;
        groups::invite_view(group_of(&known.groups, group)?)
    }

    /// On what terms this device helps.
    ///
    /// # Errors
    /// The profile cannot be read.
    pub fn terms(&self) -> Result<Terms, Failure> {
        let settings = self.store.settings().map_err(|error| cannot(&error))?;
        let known = Known::load(&self.store).map_err(|error| cannot(&error))?;
        Ok(known.terms(&settings, Clock::local()))
    }

    /// Stores a decision; `false`: nothing has changed.
    ///
    /// # Errors
    /// As with a running instance; or it cannot be stored.
    pub fn change(&self, change: &Change) -> Result<bool, Failure> {
        let settings = self.store.settings().map_err(|error| cannot(&error))?;
        let known = Known::load(&self.store).map_err(|error| cannot(&error))?;
        let nameless = |peer| stranger(peer, String::new());
        let before = Before {
            friends: &known.friends,
            blocked: &known.blocked,
            groups: &known.groups,
            settings: &settings,
            insecure_http: self.insecure_http,
        };
        let ops = change.ops(before, nameless)?;
        self.store.apply(&ops).map_err(|error| cannot(&error))?;
        self.store.flush().map_err(|error| cannot(&error))?;
        Ok(!ops.is_empty())
    }
}

fn cannot(error: &StoreError) -> Failure {
    Failure::new(FailureCode::Profile, format!("The profile cannot be read or written: {error}."))
        .because(What::ProfileBroken, [error])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u16) -> PeerId {
        let [high, low] = n.to_be_bytes();
        PeerId::from_digest(std::array::from_fn(|i| if i % 2 == 0 { high } else { low }))
    }

    fn apply(known: &mut Known, change: &Change) -> Result<Vec<Op>, Failure> {
        let name = |peer| stranger(peer, "Mo".to_owned());
        let before = Before {
            friends: &known.friends,
            blocked: &known.blocked,
            groups: &known.groups,
            settings: &Settings::default(),
            insecure_http: false,
        };
        let ops = change.ops(before, name)?;
        known.learn(&ops);
        Ok(ops)
    }

    fn rules(known: &Known) -> Vec<RuleTerms> {
        let rows = rule_rows(&known.friends, |friend| friend.name.clone(), |_| 0);
        rows.into_iter().map(|row| row.terms).collect()
    }

    const TERMS: RuleTerms = RuleTerms { daily_bytes: 5, bytes_per_s: 0, hours: None };

    #[test]
    fn a_rule_makes_a_friend_and_blocking_takes_both_away() {
        let (mut known, peer) = (Known::default(), peer(1));
        let set = Change::SetRule { peer, terms: TERMS };
        assert_eq!(apply(&mut known, &set).unwrap().len(), 1);
        assert_eq!(apply(&mut known, &set).unwrap(), [], "it is so already");
        assert_eq!(rules(&known), [TERMS]);
        assert_eq!(known.friends[&peer].name, "Mo");
        apply(&mut known, &Change::Block { peer }).unwrap();
        assert!(known.friends.is_empty());
        assert_eq!(known.blocked[&peer].name, "Mo");
        assert_eq!(apply(&mut known, &Change::Block { peer }).unwrap(), []);
        assert_eq!(apply(&mut known, &set).unwrap_err().code, FailureCode::Blocked);
        apply(&mut known, &Change::Unblock { peer }).unwrap();
        assert!(known.blocked.is_empty() && known.friends.is_empty(), "a stranger again");
    }

    #[test]
    fn a_friend_without_its_rule_is_still_a_friend_and_removed_has_neither() {
        let (mut known, peer) = (Known::default(), peer(1));
        let set = Change::SetRule { peer, terms: TERMS };
        apply(&mut known, &set).unwrap();
        apply(&mut known, &Change::RemoveRule { peer }).unwrap();
        assert_eq!((known.friends.len(), rules(&known).len()), (1, 0));
        assert_eq!(apply(&mut known, &Change::RemoveRule { peer }).unwrap(), []);
        apply(&mut known, &set).unwrap();
        apply(&mut known, &Change::RemoveFriend { peer }).unwrap();
        assert!(known.friends.is_empty());
        assert_eq!(apply(&mut known, &Change::RemoveFriend { peer }).unwrap(), []);
    }

    #[test]
    fn rules_and_blocked_devices_are_bounded() {
        let mut known = Known::default();
        for n in 0..MAX_RULES as u16 {
            apply(&mut known, &Change::SetRule { peer: peer(n), terms: TERMS }).unwrap();
        }
        let more = Change::SetRule { peer: peer(9999), terms: TERMS };
        assert_eq!(apply(&mut known, &more).unwrap_err().code, FailureCode::TooMany);
        let other = RuleTerms { daily_bytes: 6, ..TERMS };
        apply(&mut known, &Change::SetRule { peer: peer(3), terms: other }).unwrap();
        for n in 0..MAX_BLOCKED as u16 {
            apply(&mut known, &Change::Block { peer: peer(n) }).unwrap();
        }
        let more = Change::Block { peer: peer(9999) };
        assert_eq!(apply(&mut known, &more).unwrap_err().code, FailureCode::TooMany);
    }

    fn invite(n: u8, server: &str, name: &str) -> Box<Invite> {
        let digest = manyhands_peer::wire::Digest([9; 32]);
        Box::new(Invite {
            server: manyhands_peer::wire::ServerAddress::new(server, digest, false).unwrap(),
            secret: [n; 16],
            name: manyhands_peer::wire::GroupName::neutralised(name),
        })
    }

    fn joining(n: u8, server: &str, name: &str) -> Change {
        Change::JoinGroup { invite: invite(n, server, name), founder: false }
    }

    #[test]
    fn joining_twice_changes_nothing_and_a_new_invite_of_the_same_group_replaces_the_old_one() {
        let mut known = Known::default();
        let join = joining(1, "https://a.example", "Dorm 7");
        assert_eq!(apply(&mut known, &join).unwrap().len(), 1);
        assert_eq!(apply(&mut known, &join).unwrap(), [], "it is so already");
        let (id, before) = known.groups.first_key_value().unwrap();
        let (id, before) = (*id, before.clone());
        apply(&mut known, &joining(1, "https://b.example", "")).unwrap();
        assert_eq!(known.groups.len(), 1);
        let after = &known.groups[&id];
        assert_eq!((&after.name, after.joined_unix_ms), (&before.name, before.joined_unix_ms));
        assert!(after.invite.contains("b.example") && before.invite.contains("a.example"));
        apply(&mut known, &Change::LeaveGroup { group: id }).unwrap();
        assert!(known.groups.is_empty());
        assert_eq!(apply(&mut known, &Change::LeaveGroup { group: id }).unwrap(), []);
    }

    #[test]
    fn a_group_with_a_new_secret_takes_the_place_of_the_old_one_alone() {
        let mut known = Known::default();
        apply(&mut known, &joining(1, "https://a.example", "Dorm 7")).unwrap();
        let group = *known.groups.first_key_value().unwrap().0;
        for n in 2..=MAX_GROUPS as u8 {
            apply(&mut known, &joining(n, "https://a.example", "x")).unwrap();
        }
        let more = apply(&mut known, &joining(99, "https://a.example", "x")).unwrap_err();
        assert_eq!(more.code, FailureCode::TooMany);
        let rotate =
            Change::RotateGroup { group, invite: invite(99, "https://a.example", "Dorm 7") };
        apply(&mut known, &rotate).unwrap();
        assert_eq!(known.groups.len(), MAX_GROUPS);
        assert!(!known.groups.contains_key(&group));
        assert!(known.groups.values().any(|group| group.name == "Dorm 7" && group.founder));
        assert_eq!(apply(&mut known, &rotate).unwrap_err().code, FailureCode::NoGroup);
    }

    #[test]
    fn a_server_without_encryption_is_refused_and_a_nameless_group_is_called_by_its_id() {
        let mut known = Known::default();
        let plain = apply(&mut known, &joining(1, "http://a.example", "x")).unwrap_err();
        assert_eq!(plain.code, FailureCode::PlainHttp);
        assert!(known.groups.is_empty());
        apply(&mut known, &joining(1, "https://a.example", "")).unwrap();
        let (id, group) = known.groups.first_key_value().unwrap();
        assert_eq!(group.name, id.short());
    }

    #[test]
    fn a_decision_about_a_group_travels_as_text_and_is_not_shown_with_its_secret() {
        let change = joining(7, "https://a.example", "Dorm 7");
        let text = serde_json::to_string(&change).unwrap();
        assert!(text.contains("BwcHBwcHBwcHBwcHBwcHBw"), "{text}");
        assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), change);
        assert!(!format!("{change:?}").contains("BwcHBw"), "{change:?}");
    }

    #[test]
    fn a_bad_host_is_named_and_the_list_stays() {
        let hosts = vec!["good.example".to_owned(), "https://bad".to_owned()];
        let failure = apply(&mut Known::default(), &Change::SetNeverHosts { hosts }).unwrap_err();
        assert_eq!(failure.code, FailureCode::NoHost);
        assert!(failure.message.contains("https://bad"), "{failure}");
    }
}
