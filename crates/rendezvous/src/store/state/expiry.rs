//! What is over without anybody saying so: records that were not renewed, devices whose streams have closed.

use manyhands_core::{GroupId, PeerId};

use super::State;
use super::device::Left;

/// What is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Presence(GroupId, PeerId),
    Grace(PeerId),
}

/// The first whole second that is not before it.
pub(super) fn second_after(ms: u64) -> u64 {
    ms.div_ceil(1000)
}

impl State {
    /// Lets go of what is over.
    pub(in crate::store) fn expire(&mut self, now_ms: u64) {
        while let Some((second, due)) = self.due.first().copied() {
            if second > now_ms / 1000 {
                return;
            }
            self.due.pop_first();
            match due {
                Due::Presence(group, device) => self.expire_presence(now_ms, group, device),
                Due::Grace(device) => self.expire_grace(device),
            }
        }
    }

    fn expire_presence(&mut self, now_ms: u64, group: GroupId, device: PeerId) {
        let Some(presence) = self.presence_mut(group, device) else { return };
        if presence.until_ms <= now_ms {
            return self.remove(group, device);
        }
        presence.due_s = second_after(presence.until_ms);
        let due_s = presence.due_s;
        self.due.insert((due_s, Due::Presence(group, device)));
    }

    /// From now on the device has so long to come back.
    pub(super) fn begin_grace(&mut self, now_ms: u64, id: PeerId) {
        let Some(device) = self.devices.get_mut(&id) else { return };
        let due_s = second_after(now_ms + self.grace_ms);
        if let Some(before) = device.left.replace(Left { at_ms: now_ms, due_s }) {
            self.due.remove(&(before.due_s, Due::Grace(id)));
        }
        self.due.insert((due_s, Due::Grace(id)));
    }

    /// A device of which something was heard after its stream had closed is there, but has no streams now.
    fn expire_grace(&mut self, id: PeerId) {
        let Some(device) = self.devices.get_mut(&id) else { return };
        let Some(left) = device.left.take().filter(|_| !device.has_stream()) else { return };
        // It has gone over to polling, and is there.
        let has_polled = device.polled_ms.is_some_and(|at| at > left.at_ms);
        if has_polled || !device.readers.is_empty() {
            return;
        }
        for group in device.groups.clone() {
            let presence = self.presence_mut(group, id);
            if presence.is_some_and(|presence| presence.heard_ms <= left.at_ms) {
                self.remove(group, id);
            }
        }
    }
}
