//! The store in memory, of one server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use manyhands_core::{GroupId, PeerId};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::state::{Lagged, Signal, State};
use super::{Batch, NewRecord, PresenceStore, Readers, Sizes, StoreRefusal, Subscription};
use crate::config::{Limits, Times};
use crate::cursor::{Cursors, OfGroups, Position, of_groups};

/// Everything in this process. Clones are handles to the same one; [`Self::run`] must run.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    cursors: Cursors,
    start: Instant,
    batch: Duration,
    /// The lock guards the state alone and is never held over an await.
    state: Mutex<State>,
}

struct Reader {
    shared: Arc<Shared>,
    device: PeerId,
    groups: Arc<[GroupId]>,
    kind: Readers,
    number: u64,
    signal: Arc<Signal>,
    of_groups: OfGroups,
    position: Position,
    /// A stream that went on from its cursor has not been told that it has everything now.
    resumed: bool,
}

impl MemoryStore {
    #[must_use]
    pub fn new(limits: &Limits, times: &Times) -> Self {
        let grace_ms = u64::try_from(times.grace.as_millis()).unwrap_or(u64::MAX);
        let shared = Shared {
            cursors: Cursors::new(),
            start: Instant::now(),
            batch: times.batch.max(Duration::from_millis(1)),
            state: Mutex::new(State::new(limits.clone(), grace_ms)),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Tells readers of changes, and lets go of what is over. Runs until it is dropped.
    pub async fn run(self) {
        let mut ticks = interval(self.shared.batch);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now_ms = self.shared.now_ms();
            let mut state = self.shared.lock();
            state.expire(now_ms);
            state.wake();
        }
    }
}

impl PresenceStore for MemoryStore {
    fn publish(
        &self,
        device: PeerId,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'_, Result<(), StoreRefusal>> {
        let now_ms = self.shared.now_ms();
        ready(self.shared.lock().publish(now_ms, device, records)).boxed()
    }

    fn withdraw(&self, device: PeerId, group: Option<GroupId>) -> BoxFuture<'_, ()> {
        self.shared.lock().withdraw(device, group);
        ready(()).boxed()
    }

    fn subscribe(
        &self,
        device: PeerId,
        groups: Arc<[GroupId]>,
        cursor: Option<&str>,
        kind: Readers,
    ) -> BoxFuture<'_, Result<Box<dyn Subscription>, StoreRefusal>> {
        let of_groups = of_groups(&groups);
        let known = cursor.and_then(|cursor| self.shared.cursors.read(&of_groups, cursor));
        let position = known.unwrap_or(Position::Start);
        let subscribed = self.shared.lock().subscribe(device, &groups, kind);
        let reader = subscribed.map(|(number, signal)| {
            let shared = self.shared.clone();
            let resumed = kind == Readers::Stream && matches!(position, Position::After(_));
            let reader = Reader {
                shared,
                device,
                groups,
                kind,
                number,
                signal,
                of_groups,
                position,
                resumed,
            };
            Box::new(reader) as Box<dyn Subscription>
        });
        ready(reader).boxed()
    }

    fn ring(&self, group: GroupId, from: PeerId, to: PeerId) -> BoxFuture<'_, bool> {
        let now_ms = self.shared.now_ms();
        ready(self.shared.lock().ring(now_ms, group, from, to)).boxed()
    }

    fn is_present(&self, group: GroupId, device: PeerId) -> BoxFuture<'_, bool> {
        ready(self.shared.lock().is_present(group, device)).boxed()
    }

    fn sizes(&self) -> Sizes {
        self.shared.lock().sizes()
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    fn take(&mut self) -> Option<Batch> {
        let shared = self.shared.clone();
        let state = shared.lock();
        let now_ms = shared.now_ms();
        let mut before = self.position;
        let taken = state.take(now_ms, self.device, &self.groups, &mut self.position);
        let taken = match taken {
            Ok(taken) => taken,
            // Who has just come cannot be slow: it begins anew. So does who has no stream to cut.
            Err(Lagged) if self.resumed || self.kind == Readers::Poll => {
                (before, self.position, self.resumed) = (Position::Start, Position::Start, false);
                state.take(now_ms, self.device, &self.groups, &mut self.position).ok()?
            }
            Err(Lagged) => return None,
        };
        drop(state);
        let mut events = taken.events;
        if self.resumed && !taken.more {
            self.resumed = false;
            events.push(super::Event::Ready);
        }
        let resumable = match self.kind {
            // A stream that breaks in the midst of who is present begins anew.
            Readers::Stream => matches!(self.position, Position::After(_)),
            Readers::Poll => true,
        };
        let moved = before != self.position;
        let cursor = (resumable && (moved || self.kind == Readers::Poll))
            .then(|| self.shared.cursors.write(&self.of_groups, self.position))
            .flatten();
        Some(Batch { events, cursor, more: taken.more })
    }
}

impl Subscription for Reader {
    fn next(&mut self) -> BoxFuture<'_, Option<Batch>> {
        async {
            loop {
                if self.signal.is_cut() {
                    return None;
                }
                let batch = self.take()?;
                if !batch.events.is_empty() {
                    return Some(batch);
                }
                self.signal.news.notified().await;
            }
        }
        .boxed()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let now_ms = self.shared.now_ms();
        self.shared.lock().unsubscribe(now_ms, self.device, &self.groups, self.number);
    }
}
