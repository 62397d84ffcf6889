//! What a stream may send: as fast as the limits allow, and no more than the budget holds.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use manyhands_core::HelpEnd;
use tokio::time::Instant;

use super::{Session, Sessions};
use crate::server::Incoming;

/// One stream of a session; given back when dropped.
#[derive(Debug)]
pub(crate) struct Stream {
    session: Arc<Session>,
    sessions: Arc<Sessions>,
    number: u64,
}

impl Stream {
    pub(super) fn new(session: Arc<Session>, sessions: Arc<Sessions>, number: u64) -> Self {
        Self { session, sessions, number }
    }

    /// Waits until the limits let some of `wanted` bytes go, and gives how many: all where there
    /// is no limit, at least one of one.
    pub(crate) async fn turn(&self, wanted: u64) -> u64 {
        let limits = [&self.session.rate, &self.sessions.rate];
        let bytes = limits.iter().fold(wanted, |bytes, limit| bytes.min(limit.portion()));
        for limit in limits {
            limit.take(bytes).await;
        }
        bytes
    }

    /// Counts `bytes` that are about to go out and gives how many of them may. None when the budget
    /// is used up or the session is over.
    pub(crate) fn take(&self, bytes: u64) -> u64 {
        let Some(budget) = self.session.budget() else { return 0 };
        let mut allowed = 0;
        let _ =
            self.session.sent_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sent| {
                allowed = bytes.min(budget.saturating_sub(sent));
                Some(sent + allowed)
            });
        allowed
    }

    /// Ends the session when nothing is left of its budget; whether it did.
    pub(crate) fn end_if_used_up(&self) -> bool {
        if self.session.budget().is_some_and(|budget| self.session.sent_bytes() >= budget)
            && let Some(ended) = self.session.end_by_helper(HelpEnd::Budget)
        {
            self.sessions.cut_after_last_bytes(&self.session);
            self.sessions.tell(Incoming::Ended(ended));
            return true;
        }
        false
    }

    /// Waits until the session is over.
    pub(crate) async fn session_over(&self) {
        let mut progress = self.session.progress.subscribe();
        // Fails when the session is gone.
        progress.wait_for(|progress| progress.state.is_final()).await.ok();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut inner = self.session.lock();
        inner.streams.remove(&self.number);
        inner.last_heard = Instant::now();
    }
}
