//! What sources are to fetch, and what came of it.

use super::{Phase, Run, Shared};
use crate::transfer::{EndedLease, Order};
use crate::{Asked, DownloadRecord, Effect, FetchTrouble, LeaseEnd, LeaseId, Now, SourceId};

impl Run {
    pub(super) fn plan(&mut self, record: &DownloadRecord, now: Now, shared: &mut Shared) {
        for order in self.transfer.plan(now.monotonic, &mut shared.next_lease) {
            self.carry_out(record, order, shared);
        }
    }

    pub(super) fn carry_out(&self, record: &DownloadRecord, order: Order, shared: &mut Shared) {
        shared.effects.push_back(match order {
            Order::Fetch { lease, source, range } => {
                let known = record.found.as_ref().filter(|_| !self.transfer.is_whole());
                Effect::Fetch {
                    download: record.id,
                    lease,
                    source,
                    helper: record.sources.iter().find(|s| s.id == source).and_then(|s| s.peer),
                    url: record.spec.url.clone(),
                    headers: record.spec.headers.clone(),
                    asked: if self.transfer.is_whole() {
                        Asked::Everything
                    } else {
                        Asked::Range(range)
                    },
                    range,
                    known: known.map(|found| found.identity.clone()),
                    hold: self.phase == Phase::Asking,
                }
            }
            Order::Cut { lease, to } => Effect::Cut { lease, to },
            Order::Stop { lease } => Effect::Stop { lease },
        });
    }

    pub(super) fn progress(
        &mut self,
        record: &mut DownloadRecord,
        lease: LeaseId,
        up_to: u64,
        now: Now,
    ) {
        let source = self.transfer.source_of(lease);
        let bytes = self.transfer.record_progress(lease, up_to, now.monotonic);
        if bytes > 0 {
            self.last_byte = now.monotonic;
            self.wait_shown = None;
        }
        if let Some(source) = source {
            count_received(record, source, bytes);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one input")]
    pub(super) fn lease_ended(
        &mut self,
        record: &mut DownloadRecord,
        lease: LeaseId,
        up_to: u64,
        dropped_bytes: u64,
        end: LeaseEnd,
        now: Now,
        shared: &mut Shared,
    ) {
        self.progress(record, lease, up_to, now);
        let Some(ended) = self.transfer.record_end(lease, up_to, now.monotonic) else {
            return;
        };
        let EndedLease { source: id, brought, paused } = ended;
        count_received(record, id, dropped_bytes);
        if self.is_closing() {
            return self.close_part_if_last(record, shared);
        }
        let whole = self.transfer.is_whole();
        match end {
            LeaseEnd::Complete if whole => self.stream_ended(record, up_to),
            LeaseEnd::Complete if brought => {}
            LeaseEnd::Stopped if paused => {}
            // An answer without a byte, or a lease that was taken away from one who stood still.
            LeaseEnd::Complete | LeaseEnd::Stopped => {
                match record.sources.iter().find(|source| source.id == id).and_then(|s| s.peer) {
                    Some(peer) => {
                        self.helper_trouble(peer, id, brought, FetchTrouble::Again, now, shared);
                    }
                    None => self.back_off(id, brought, now, shared),
                }
            }
            LeaseEnd::Trouble { trouble, failure } => {
                self.trouble(record, id, brought, trouble, failure, now, shared);
            }
            LeaseEnd::Elsewhere { to } => self.leads_elsewhere(record, id, to, now, shared),
        }
    }

    /// A stream whose end nobody knew has ended: now its length is known.
    fn stream_ended(&mut self, record: &mut DownloadRecord, length: u64) {
        if let Some(found) = &mut record.found
            && found.identity.length.is_none()
        {
            found.identity.length = Some(length);
            self.record_changed = true;
        }
    }
}

fn count_received(record: &mut DownloadRecord, id: SourceId, bytes: u64) {
    if let Some(source) = record.sources.iter_mut().find(|source| source.id == id) {
        source.received_bytes += bytes;
    }
}
