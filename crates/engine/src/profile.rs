//! What the user decides about other devices and about hosts, and what is to be stored of it: the same with a running
//! network, without one, and on a profile on which nothing runs.

use std::collections::BTreeMap;
use std::path::Path;

use manyhands_core::{
    Failure, FailureCode, HostList, HostListError, Ledger, LentDay, LocalTime, PeerId,
};
use manyhands_store::{BlockedPeer, Friend, Op, ProfileLock, Settings, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::engine::{OpenError, open_profile};
use crate::shell::Clock;
use crate::view::{BlockedRow, Lending, LendingChange, RuleRow, RuleTerms, Terms};

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
}

/// What a profile knows about others, beside its settings.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub friends: BTreeMap<PeerId, Friend>,
    pub blocked: BTreeMap<PeerId, BlockedPeer>,
    pub ledger: Ledger,
}

impl Known {
    pub fn load(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            friends: store.friends()?.into_iter().map(|friend| (friend.id, friend)).collect(),
            blocked: store.blocked()?.into_iter().map(|blocked| (blocked.id, blocked)).collect(),
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
                _ => {}
            }
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
        friends: &BTreeMap<PeerId, Friend>,
        blocked: &BTreeMap<PeerId, BlockedPeer>,
        settings: &Settings,
        new_friend: impl FnOnce(PeerId) -> Friend,
    ) -> Result<Vec<Op>, Failure> {
        Ok(match self {
            Self::SetRule { peer, terms } => {
                if blocked.contains_key(peer) {
                    let message = format!("The device {} is blocked.", peer.short());
                    return Err(Failure::new(FailureCode::Blocked, message));
                }
                let before = friends.get(peer);
                let rules = friends.values().filter(|friend| friend.rule.is_some()).count();
                if rules >= MAX_RULES && before.is_none_or(|friend| friend.rule.is_none()) {
                    return Err(too_many("rules", MAX_RULES));
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
                return Err(too_many("blocked devices", MAX_BLOCKED));
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
        })
    }
}

fn put(before: &Settings, settings: Settings) -> Vec<Op> {
    if *before == settings { Vec::new() } else { vec![Op::PutSettings(settings)] }
}

fn too_many(what: &str, most: usize) -> Failure {
    Failure::new(FailureCode::TooMany, format!("There are {most} {what} already."))
}

fn no_host(error: &HostListError) -> Failure {
    let code = match error {
        HostListError::NotAHost(_) => FailureCode::NoHost,
        HostListError::TooMany => FailureCode::TooMany,
    };
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    Failure::new(code, format!("{first}{}.", letters.as_str()))
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
    _lock: ProfileLock,
}

impl Profile {
    /// Blocks on the disk.
    ///
    /// # Errors
    /// [`OpenError::InUse`]: an instance runs on it; [`Remote`](crate::Remote) reaches that.
    pub fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let (lock, store, _) = open_profile(data_dir)?;
        Ok(Self { store, _lock: lock })
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
        let ops = change.ops(&known.friends, &known.blocked, &settings, nameless)?;
        self.store.apply(&ops).map_err(|error| cannot(&error))?;
        self.store.flush().map_err(|error| cannot(&error))?;
        Ok(!ops.is_empty())
    }
}

fn cannot(error: &StoreError) -> Failure {
    Failure::new(FailureCode::Profile, format!("The profile cannot be read or written: {error}."))
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
        let ops = change.ops(&known.friends, &known.blocked, &Settings::default(), name)?;
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

    #[test]
    fn a_bad_host_is_named_and_the_list_stays() {
        let hosts = vec!["good.example".to_owned(), "https://bad".to_owned()];
        let failure = apply(&mut Known::default(), &Change::SetNeverHosts { hosts }).unwrap_err();
        assert_eq!(failure.code, FailureCode::NoHost);
        assert!(failure.message.contains("https://bad"), "{failure}");
    }
}
