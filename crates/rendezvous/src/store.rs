//! Who is present: the one thing that the server keeps, behind a trait, so that several instances could share it.

mod memory;
mod state;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use manyhands_core::{GroupId, PeerId};
use manyhands_wire::{Digest, RendezvousEvent};

pub use memory::MemoryStore;

/// Keeps presences and tells readers what changes.
///
/// Everything that comes in has been checked: records are their devices' own, readers are members.
pub trait PresenceStore: Send + Sync + 'static {
    /// Takes in records of one device, all or none.
    fn publish(
        &self,
        device: PeerId,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'_, Result<(), StoreRefusal>>;

    /// The device leaves `group`, or all of its groups.
    fn withdraw(&self, device: PeerId, group: Option<GroupId>) -> BoxFuture<'_, ()>;

    /// Reads on from `cursor`, or from the beginning: also where the cursor is not known any more.
    fn subscribe(
        &self,
        device: PeerId,
        groups: Arc<[GroupId]>,
        cursor: Option<&str>,
        readers: Readers,
    ) -> BoxFuture<'_, Result<Box<dyn Subscription>, StoreRefusal>>;

    /// Tells `to` that `from` asks to be called. `false`: no such member is present.
    fn ring(&self, group: GroupId, from: PeerId, to: PeerId) -> BoxFuture<'_, bool>;

    /// Whether the device is present in the group.
    fn is_present(&self, group: GroupId, device: PeerId) -> BoxFuture<'_, bool>;

    fn sizes(&self) -> Sizes;
}

/// One reader. Dropping it ends it.
pub trait Subscription: Send {
    /// Waits for news. `None`: the reader is too far behind, or a newer one of its device has taken its place; it comes
    /// back with its cursor. Dropping the future loses nothing.
    fn next(&mut self) -> BoxFuture<'_, Option<Batch>>;
}

/// How a subscription is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// One that stays: while it is open the device is there.
    Stream,
    /// One that takes what there is and goes.
    Poll,
}

/// A record that has been checked.
#[derive(Clone, Debug)]
pub struct NewRecord {
    pub group: GroupId,
    pub seq: u64,
    pub ttl: Duration,
    /// A digest of what others would want to know: the same, and nobody is told of the renewal.
    pub content: [u8; 16],
    /// `RendezvousEvent::Present` as JSON: written once, sent to all.
    pub json: Bytes,
}

/// Why something is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreRefusal {
    /// A newer record of this group is there.
    Old { group: GroupId, last_seq: u64 },
    /// It has as many members as a group may have.
    GroupFull(GroupId),
    /// The device is in as many groups as a device may be.
    TooManyGroups,
    /// It has told this group something else too often; how long it is to wait.
    ChangesTooOften(GroupId, Duration),
    /// There is no more room for anybody.
    Full,
    /// The store cannot be reached.
    Unavailable,
}

/// What a reader is told, the last event's cursor with it.
#[derive(Debug)]
pub struct Batch {
    pub events: Vec<Event>,
    /// `None`: nothing yet that one could go on from.
    pub cursor: Option<String>,
    /// There is more at once.
    pub more: bool,
}

/// One thing that a reader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Reset,
    Ready,
    /// As JSON.
    Present(Bytes),
    Gone {
        group: GroupId,
        id: PeerId,
    },
    Ring {
        group: GroupId,
        from: PeerId,
    },
    Bye {
        retry_after_ms: u64,
    },
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    pub devices: usize,
    pub groups: usize,
    pub presences: usize,
    pub streams: usize,
    pub polls: usize,
}

impl Event {
    /// The name of the event.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Ready => "ready",
            Self::Present(_) => "present",
            Self::Gone { .. } => "gone",
            Self::Ring { .. } => "ring",
            Self::Bye { .. } => "bye",
        }
    }

    /// A [`RendezvousEvent`] as JSON, without a line break.
    #[must_use]
    pub fn json(&self) -> Cow<'_, [u8]> {
        let event = match self {
            Self::Present(json) => return Cow::Borrowed(json),
            Self::Reset => RendezvousEvent::Reset,
            Self::Ready => RendezvousEvent::Ready,
            Self::Gone { group, id } => {
                RendezvousEvent::Gone { group: digest(group.as_bytes()), id: digest(id.as_bytes()) }
            }
            Self::Ring { group, from } => RendezvousEvent::Ring {
                group: digest(group.as_bytes()),
                from: digest(from.as_bytes()),
            },
            Self::Bye { retry_after_ms } => {
                RendezvousEvent::Bye { retry_after_ms: *retry_after_ms }
            }
        };
        Cow::Owned(serde_json::to_vec(&event).unwrap_or_default())
    }
}

fn digest(bytes: &[u8; 32]) -> Digest {
    Digest(*bytes)
}
