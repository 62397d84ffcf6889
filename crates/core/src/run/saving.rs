//! When the record and the piece map are stored, and when the bytes are brought to the disk.

use std::time::Duration;

use super::{Phase, Run, Shared};
use crate::source::Source;
use crate::{DownloadRecord, Effect, Now, SourceId};

/// The map is stored at the latest after so long …
const SAVE_EVERY: Duration = Duration::from_millis(250);
/// … or so many bytes, but not more often than every [`SAVE_AT_MOST_EVERY`].
const SAVE_EVERY_BYTES: u64 = 4 << 20;
const SAVE_AT_MOST_EVERY: Duration = Duration::from_millis(20);
/// Data is synced to the disk at the latest after so long or so many bytes.
const SYNC_EVERY: Duration = Duration::from_secs(2);
const SYNC_EVERY_BYTES: u64 = 64 << 20;

impl Run {
    pub(super) fn save_and_sync(
        &mut self,
        record: &mut DownloadRecord,
        now: Now,
        shared: &mut Shared,
    ) {
        if matches!(
            self.phase,
            Phase::Closing(_) | Phase::Finishing | Phase::Opening | Phase::Asking
        ) {
            return;
        }
        let (at, bytes) = (now.monotonic, self.map.bytes());
        let since_save = at.saturating_sub(self.saved_at);
        let much = bytes.saturating_sub(self.bytes_at_save) >= SAVE_EVERY_BYTES
            && since_save >= SAVE_AT_MOST_EVERY;
        let urgent = matches!(self.phase, Phase::Saving { .. });
        if !self.persisting
            && (self.map.is_dirty() || self.record_changed)
            && (urgent || much || since_save >= SAVE_EVERY)
        {
            self.saved_at = at;
            self.persist(record, shared);
        }
        let since_sync = at.saturating_sub(self.synced_at);
        let much = bytes.saturating_sub(self.bytes_at_sync) >= SYNC_EVERY_BYTES;
        if self.phase == Phase::Fetching
            && self.syncing.is_none()
            && self.map.has_unsynced()
            && (much || since_sync >= SYNC_EVERY)
        {
            self.synced_at = at;
            self.bytes_at_sync = bytes;
            self.syncing = Some(self.map.written().clone());
            shared.effects.push_back(Effect::Sync { download: record.id, run: self.id });
        }
    }

    pub(super) fn persist(&mut self, record: &mut DownloadRecord, shared: &mut Shared) {
        record.kept_bytes = self.bytes_kept(record);
        self.bytes_at_save = self.map.bytes();
        self.persisting = true;
        self.record_changed = false;
        let chunks = self.map.take_dirty(&shared.boot_id);
        shared.effects.push_back(Effect::Persist {
            download: record.id,
            record: Box::new(record.clone()),
            clear_map: std::mem::take(&mut self.clear_map),
            chunks,
            tell: Some(self.id),
        });
    }

    pub(super) fn persisted(&mut self, record: &mut DownloadRecord, now: Now, shared: &mut Shared) {
        self.persisting = false;
        let (Phase::Recording { lease }, Some(found)) = (&self.phase, &record.found) else {
            return;
        };
        if self.record_changed {
            // That was an older state; the one with the names is stored next.
            return self.persist(record, shared);
        }
        let (lease, end) = (*lease, self.accepted.take().and_then(|accepted| accepted.end));
        let (length, most) = match found.ranges {
            true => (found.identity.length, record.spec.max_connections),
            false => (None, 1),
        };
        self.transfer.record_first_answer(lease, end, length, now.monotonic);
        self.transfer.add_source(SourceId::ORIGIN, Source::new(most, now.monotonic));
        self.phase = Phase::Fetching;
        shared.effects.push_back(Effect::Proceed { lease });
    }
}
