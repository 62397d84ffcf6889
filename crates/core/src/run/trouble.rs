//! What is done when the origin, or a connection to it, fails.

use super::*;

/// A busy server that names no pause gets this one.
pub(super) const BUSY_PAUSE: Duration = Duration::from_secs(5);
/// Before the first answer: so many failures are too many.
const FIRST_TRIES: u32 = 3;
/// After it: so long without a byte.
const PATIENCE: Duration = Duration::from_secs(600);

impl Run {
    #[allow(clippy::too_many_arguments, reason = "the fields of one input")]
    pub(super) fn trouble(
        &mut self,
        record: &mut DownloadRecord,
        id: SourceId,
        brought: bool,
        trouble: FetchTrouble,
        failure: Failure,
        now: Now,
        shared: &mut Shared,
    ) {
        if let Some(peer) =
            record.sources.iter().find(|source| source.id == id).and_then(|source| source.peer)
        {
            return self.helper_trouble(peer, id, brought, trouble, now, shared);
        }
        let others = self.transfer.busy(id);
        let first = record.found.is_none();
        match trouble {
            FetchTrouble::Fatal | FetchTrouble::Changed if others > 0 => {
                // One of many answers, perhaps of another machine behind the same name: those that run settle it.
                if let Some(source) = self.transfer.source_mut(id) {
                    source.limit_lanes(others);
                    source.wait(now.monotonic, Duration::from_secs(1));
                }
            }
            FetchTrouble::Fatal | FetchTrouble::Changed => {
                return self.close(record, After::Fail(failure), now, shared);
            }
            FetchTrouble::WholeOnly => {
                if let Some(found) = &mut record.found {
                    found.ranges = false;
                }
                return self.close(record, After::StartOver, now, shared);
            }
            FetchTrouble::Busy { wait: None } | FetchTrouble::Refused if others > 0 => {
                // A limit to learn: those that run go on as they are.
                if let Some(source) = self.transfer.source_mut(id) {
                    source.limit_lanes(others);
                }
            }
            // It served this file before: perhaps it counts connections that have just ended.
            FetchTrouble::Refused if !first => {
                self.back_off(id, brought, now, shared);
                if self.transfer.source(id).is_some_and(|source| source.failures() >= FIRST_TRIES) {
                    return self.close(record, After::Fail(failure), now, shared);
                }
            }
            FetchTrouble::Refused => {
                return self.close(record, After::Fail(failure), now, shared);
            }
            FetchTrouble::Busy { wait } => {
                if let Some(source) = self.transfer.source_mut(id) {
                    if others > 0 {
                        source.limit_lanes(others);
                    }
                    source.wait(now.monotonic, wait.unwrap_or(BUSY_PAUSE));
                }
            }
            FetchTrouble::After(pause) => {
                if let Some(source) = self.transfer.source_mut(id) {
                    source.wait(now.monotonic, pause);
                }
            }
            FetchTrouble::Again | FetchTrouble::Tampered => self.back_off(id, brought, now, shared),
        }
        let failures = self.transfer.source(id).map_or(0, Source::failures);
        let silent = now.monotonic.saturating_sub(self.last_byte);
        if (first && failures >= FIRST_TRIES) || silent >= PATIENCE {
            return self.close(record, After::Fail(failure), now, shared);
        }
        self.wait_shown = Some(failure);
        if self.transfer.is_whole() {
            self.begin_stream_again(record, first, now, shared);
        }
    }

    /// A whole stream broke off: nothing of it can be continued.
    fn begin_stream_again(
        &mut self,
        record: &DownloadRecord,
        first: bool,
        now: Now,
        shared: &mut Shared,
    ) {
        let source = self.transfer.source(SourceId::ORIGIN).cloned();
        self.map = PieceMap::default();
        self.clear_map = true;
        self.transfer = Transfer::whole(None);
        self.transfer
            .add_source(SourceId::ORIGIN, source.unwrap_or_else(|| Source::new(1, now.monotonic)));
        self.phase = if first { Phase::Asking } else { Phase::Fetching };
        self.plan(record, now, shared);
    }

    pub(super) fn back_off(&mut self, id: SourceId, brought: bool, now: Now, shared: &mut Shared) {
        let jitter = shared.jitter();
        if let Some(source) = self.transfer.source_mut(id) {
            source.back_off(now.monotonic, brought, jitter);
        }
    }
}
