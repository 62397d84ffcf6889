//! What is shown of all servers together: each server's task writes of its own groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use manyhands_core::{GroupId, PeerId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Callable, GroupStatus, Member, RendezvousState, ServerFault, ServerLink};

impl GroupStatus {
    fn new(link: ServerLink) -> Self {
        Self { link, callable: Callable::Unknown, members: BTreeMap::new() }
    }

    fn is_unused(&self) -> bool {
        matches!(self.link, ServerLink::Trouble { why: ServerFault::TooMany, .. })
    }
}

/// What is shown, written by all servers' tasks.
#[derive(Clone, Debug)]
pub(super) struct Views(pub(super) Arc<watch::Sender<RendezvousState>>);

impl Views {
    /// A server's groups are others now; gives those of which nothing is shown yet.
    pub(super) fn set_groups(&self, old: &[GroupId], new: &[GroupId]) -> Vec<GroupId> {
        let mut begun = Vec::new();
        self.0.send_modify(|state| {
            for id in old.iter().filter(|id| !new.contains(id)) {
                if state.groups.get(id).is_some_and(|group| !group.is_unused()) {
                    state.groups.remove(id);
                }
            }
            for id in new {
                state.groups.entry(*id).or_insert_with(|| {
                    begun.push(*id);
                    GroupStatus::new(ServerLink::Connecting)
                });
            }
        });
        begun
    }

    /// Groups that have no server's task, or no more; what a task that is ending says of them has no effect.
    pub(super) fn set_unused(&self, old: &[GroupId], new: &[GroupId]) {
        if old == new {
            return;
        }
        self.0.send_modify(|state| {
            old.iter().filter(|id| !new.contains(id)).for_each(|id| {
                state.groups.remove(id);
            });
            let retry_at = Instant::now();
            for id in new {
                let why = ServerFault::TooMany;
                let unused = GroupStatus::new(ServerLink::Trouble { why, retry_at });
                state.groups.insert(*id, unused);
            }
        });
    }

    pub(super) fn set_link(&self, groups: &[GroupId], link: ServerLink) {
        self.change(groups, |group| std::mem::replace(&mut group.link, link) != link);
    }

    pub(super) fn set_callable(&self, groups: &[GroupId], callable: Callable) {
        self.change(groups, |group| std::mem::replace(&mut group.callable, callable) != callable);
    }

    /// Those of `groups` that are in use; `change` says whether it has changed anything.
    fn change(&self, groups: &[GroupId], change: impl Fn(&mut GroupStatus) -> bool) {
        self.0.send_if_modified(|state| {
            let mut changed = false;
            for id in groups {
                let group = state.groups.get_mut(id).filter(|group| !group.is_unused());
                changed |= group.is_some_and(&change);
            }
            changed
        });
    }

    pub(super) fn set_member(&self, group: GroupId, id: PeerId, member: Option<Member>) {
        self.0.send_modify(|state| {
            let group = state.groups.get_mut(&group).filter(|group| !group.is_unused());
            let Some(group) = group else { return };
            match member {
                Some(member) => group.members.insert(id, member),
                None => group.members.remove(&id),
            };
        });
    }

    /// One of `groups` in which this member is listed.
    pub(super) fn group_of(&self, id: PeerId, groups: &[GroupId]) -> Option<GroupId> {
        let state = self.0.borrow();
        let lists = |group: &GroupId| {
            state.groups.get(group).is_some_and(|group| group.members.contains_key(&id))
        };
        groups.iter().copied().find(lists)
    }
}
