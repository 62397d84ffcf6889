//! One download while it runs: from opening its part file to putting the finished file in its place.

#[cfg(test)]
mod elsewhere_tests;
mod end;
mod helpers;
mod trouble;

use std::time::Duration;

use url::Url;

use crate::help::{AskState, Gain, WantedEffect, WantedInput};
use crate::helping::{ELSEWHERE_TRIES, HELPER_LANES, HELPER_TRIES, Helping};
use crate::io::{Effect, FetchTrouble, HelpOffer, Input, LeaseEnd, Now, RunId};
use crate::piece_map::PieceMap;
use crate::source::Source;
use crate::transfer::{EndedLease, Order, Transfer};
use crate::{
    Accepted, Asked, ByteRange, DownloadRecord, Failure, FailureCode, Found, HelpEnd, HelpMode,
    LeaseId, Life, PeerId, RangeSet, Sha256Digest, SourceId, SourceRecord, Verification,
};

/// The map is stored at the latest after so long …
const SAVE_EVERY: Duration = Duration::from_millis(250);
/// … or so many bytes, but not more often than every [`SAVE_AT_MOST_EVERY`].
const SAVE_EVERY_BYTES: u64 = 4 << 20;
const SAVE_AT_MOST_EVERY: Duration = Duration::from_millis(20);
/// Data is synced to the disk at the latest after so long or so many bytes.
const SYNC_EVERY: Duration = Duration::from_secs(2);
const SYNC_EVERY_BYTES: u64 = 64 << 20;
/// Whether helpers bring anything is looked at so often.
const GAIN_EVERY: Duration = Duration::from_millis(200);
/// JSON numbers are exact up to here.
const LONGEST_FILE: u64 = (1 << 53) - 1;

/// What belongs to every download and to all of them.
#[derive(Debug)]
pub(crate) struct Shared {
    pub effects: std::collections::VecDeque<Effect>,
    pub next_lease: u64,
    pub boot_id: String,
    pub random: u64,
}

impl Shared {
    fn next_run(&mut self) -> RunId {
        self.next_lease += 1;
        RunId(self.next_lease)
    }

    /// 0.0–1.0, from the seed given by the shell (xorshift64*).
    fn jitter(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What becomes of a download once its part file is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Pause,
    /// Go on at the next start of the program.
    Queue,
    Fail(Failure),
    /// Begin again from the first byte, as a whole stream or with a new part file.
    StartOver,
    Remove,
}

/// How far a running download is.
#[derive(Clone, Debug, PartialEq)]
enum Phase {
    /// Waits for the part file of an earlier run.
    Opening,
    /// The first request is out.
    Asking,
    /// It was answered; waits for the part file …
    Naming {
        lease: LeaseId,
    },
    /// … and for its record to be stored, before the first byte.
    Recording {
        lease: LeaseId,
    },
    Fetching,
    Digesting,
    /// The map is stored once more, then the file is renamed to this name.
    Saving {
        name: String,
    },
    Finishing,
    Closing(After),
}

/// What a run says to the queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Running,
    /// Over; the record tells how.
    Ended,
    StartOver,
    Remove,
}

/// A running download.
#[derive(Debug)]
pub(crate) struct Run {
    id: RunId,
    phase: Phase,
    pub map: PieceMap,
    /// Until then the map is empty and the record knows better.
    map_loaded: bool,
    pub transfer: Transfer,
    /// The part file is being opened or made: it must be known before it can be closed.
    awaiting_part: bool,
    /// Whether the shell holds the part file open: then closing deletes it where that is wanted.
    part_open: bool,
    /// The first answer, until the part file is made.
    accepted: Option<Accepted>,
    digest: Option<Sha256Digest>,
    /// The last byte, or the beginning of the run.
    last_byte: Duration,
    started: Duration,
    persisting: bool,
    record_changed: bool,
    clear_map: bool,
    saved_at: Duration,
    bytes_at_save: u64,
    syncing: Option<RangeSet>,
    synced_at: Duration,
    bytes_at_sync: u64,
    wait_shown: Option<Failure>,
    /// A sync failed: what was written and not synced may be lost.
    disk_failed: bool,
    /// It is being closed, but is wanted again.
    reopened: bool,
    pub helping: Helping,
    /// The roots of the origins that the link and its redirects have led to; the link's own is the first.
    origins: Vec<Url>,
    gain: Gain,
    gain_due: Duration,
}

impl Run {
    pub fn start(record: &mut DownloadRecord, now: Now, shared: &mut Shared) -> Self {
        let at = now.monotonic;
        let mut run = Self {
            id: shared.next_run(),
            phase: Phase::Opening,
            map: PieceMap::default(),
            map_loaded: false,
            transfer: Transfer::default(),
            awaiting_part: false,
            part_open: false,
            accepted: None,
            digest: None,
            last_byte: at,
            started: at,
            persisting: false,
            record_changed: true,
            clear_map: false,
            saved_at: at,
            bytes_at_save: 0,
            syncing: None,
            synced_at: at,
            bytes_at_sync: 0,
            wait_shown: None,
            disk_failed: false,
            reopened: false,
            helping: Helping::default(),
            origins: Vec::new(),
            gain: Gain::default(),
            gain_due: at,
        };
        if record.sources.is_empty() {
            let name = record.spec.url.host_str().unwrap_or_default().to_owned();
            record.sources.push(SourceRecord {
                id: SourceId::ORIGIN,
                peer: None,
                mode: None,
                name,
                received_bytes: 0,
            });
        }
        match record.found.clone() {
            Some(found) => {
                let dir = record.spec.dir.clone();
                run.awaiting_part = true;
                shared.effects.push_back(Effect::OpenPart { download: record.id, dir, found });
            }
            None => run.ask_first(record, now, shared),
        }
        run
    }

    pub fn is_connecting(&self) -> bool {
        matches!(
            self.phase,
            Phase::Opening | Phase::Asking | Phase::Naming { .. } | Phase::Recording { .. }
        ) || (self.phase == Phase::Fetching && !self.transfer.has_leases())
    }

    pub fn is_finishing(&self) -> bool {
        matches!(self.phase, Phase::Digesting | Phase::Saving { .. } | Phase::Finishing)
    }

    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing(_))
    }

    /// What becomes of it once its part file is closed.
    pub fn closing_for(&self) -> Option<&After> {
        match &self.phase {
            Phase::Closing(after) => Some(after),
            _ => None,
        }
    }

    /// Why nothing comes at the moment, where somebody said so.
    pub fn waiting_because(&self) -> Option<&Failure> {
        self.wait_shown.as_ref()
    }

    /// Bytes that are there; while the map is not loaded yet, those of the last run.
    pub fn bytes_kept(&self, record: &DownloadRecord) -> u64 {
        if self.map_loaded { self.map.bytes() } else { record.kept_bytes }
    }

    /// How long this run has been going on.
    pub fn running_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.started)
    }

    /// Stops everything; the outcome comes when the part file is closed.
    pub fn close(
        &mut self,
        record: &mut DownloadRecord,
        after: After,
        now: Now,
        shared: &mut Shared,
    ) {
        if let Phase::Closing(current) = &mut self.phase {
            // What was decided first stays, but removing wins over everything.
            let wins = after == After::Remove || *current == After::StartOver;
            if wins || (after == After::Pause && *current == After::Queue && self.reopened) {
                *current = after;
            }
            return;
        }
        if self.phase == Phase::Finishing && matches!(after, After::Pause | After::Queue) {
            // The file is being put in its place: that is over sooner than it could be undone.
            return;
        }
        self.phase = Phase::Closing(after);
        self.helping.end_all(HelpEnd::Cancelled, now.monotonic);
        self.obey_helping(record, now, shared);
        for order in self.transfer.stop_all() {
            self.carry_out(record, order, shared);
        }
        self.close_part_if_last(record, shared);
    }

    /// Somebody wants it to go on although it is being closed: then it does, once it is closed.
    pub fn reopen(&mut self) {
        if let Phase::Closing(after @ (After::Pause | After::Fail(_))) = &mut self.phase {
            *after = After::Queue;
            self.reopened = true;
        }
    }

    /// Closes the part file once nothing uses it any more.
    fn close_part_if_last(&self, record: &DownloadRecord, shared: &mut Shared) {
        if self.transfer.has_leases() || self.awaiting_part {
            return;
        }
        let discard = matches!(&self.phase, Phase::Closing(After::Remove));
        shared.effects.push_back(Effect::ClosePart { download: record.id, discard });
    }

    /// Takes in a fact about this download. Facts about leases come here too.
    pub fn handle(
        &mut self,
        record: &mut DownloadRecord,
        input: Input,
        now: Now,
        shared: &mut Shared,
    ) -> Outcome {
        if let Input::PartOpened { .. } | Input::PartCreated { .. } = &input {
            self.part_open = true;
        }
        if let Input::PartOpened { .. }
        | Input::PartMissing { .. }
        | Input::PartCreated { .. }
        | Input::PartFailed { .. } = &input
            && std::mem::take(&mut self.awaiting_part)
            && self.is_closing()
        {
            if let Input::PartCreated { name, part_name, .. } = input {
                self.part_created(record, name, part_name, shared);
            }
            self.close_part_if_last(record, shared);
            return Outcome::Running;
        }
        match input {
            Input::Tick => self.helping.handle(WantedInput::Tick, now.monotonic),
            Input::PartOpened { chunks, .. } => self.opened(record, &chunks, now, shared),
            Input::PartMissing { .. } if self.phase != Phase::Opening => {}
            Input::PartMissing { finished: Some((path, chunks)), .. }
                if PieceMap::ever_written(&chunks)
                    .contains(ByteRange::from_len(0, length_of(record))) =>
            {
                // The whole map is stored before the file is renamed, and the digest is checked before that.
                self.digest = record.spec.sha256;
                self.phase = Phase::Finishing;
                return self.finished(record, path, now, shared);
            }
            Input::PartMissing { .. } => {
                record.found = None;
                self.clear_map = true;
                self.ask_first(record, now, shared);
            }
            Input::PartCreated { name, part_name, .. } => {
                self.part_created(record, name, part_name, shared);
            }
            Input::PartFailed { failure, .. } => {
                self.wait_shown = None;
                self.close(record, After::Fail(failure), now, shared);
            }
            Input::SyncFailed { failure, .. } => {
                self.wait_shown = None;
                self.disk_failed = true;
                self.close(record, After::Fail(failure), now, shared);
            }
            Input::PartClosed { .. } => return self.closed(record, now, shared),
            Input::Answered { lease, accepted, suggested_name, origins } => {
                if self.transfer.source_of(lease) == Some(SourceId::ORIGIN) {
                    self.remember_origins(origins);
                    self.answered(record, lease, accepted, suggested_name, now, shared);
                }
            }
            Input::Progress { lease, up_to } => self.progress(record, lease, up_to, now),
            Input::LeaseCut { lease, actual_end } => {
                let order = self.transfer.record_cut(
                    lease,
                    actual_end,
                    now.monotonic,
                    &mut shared.next_lease,
                );
                if let Some(order) = order {
                    self.carry_out(record, order, shared);
                }
            }
            Input::LeaseEnded { lease, up_to, dropped_bytes, end } => {
                self.lease_ended(record, lease, up_to, dropped_bytes, end, now, shared);
            }
            Input::Written { runs, .. } => {
                for (range, source) in runs {
                    self.map.record_written(range, source);
                }
            }
            Input::Synced { run, .. } if run == self.id => {
                if let Some(covered) = self.syncing.take() {
                    self.map.record_synced(&covered);
                }
            }
            Input::Persisted { run, .. } if run == self.id => self.persisted(record, now, shared),
            // An earlier run's.
            Input::Synced { .. } | Input::Persisted { .. } => {}
            Input::Digested { digest, .. } => self.digested(record, digest, now, shared),
            Input::HelpAnswered { peer, answer, .. } => {
                self.helping.handle(WantedInput::Answered { peer, answer }, now.monotonic);
            }
            Input::HelpUnanswered { peer, .. } => {
                self.helping.handle(WantedInput::Unanswered { peer }, now.monotonic);
            }
            Input::HelperLost { peer, .. } => {
                self.helping.handle(WantedInput::PeerLost { peer }, now.monotonic);
            }
            Input::HelpEnded { peer, reason, .. } => {
                self.helping.handle(WantedInput::EndedByHelper { peer, reason }, now.monotonic);
            }
            Input::Finished { path, .. } => return self.finished(record, path, now, shared),
        }
        self.go_on(record, now, shared);
        Outcome::Running
    }

    /// The digest of the whole file is known. When it is wrong and helpers fetched some of it, what they brought is thrown away
    /// and fetched again without them, before the file is called wrong.
    fn digested(
        &mut self,
        record: &mut DownloadRecord,
        digest: Sha256Digest,
        now: Now,
        shared: &mut Shared,
    ) {
        if self.phase != Phase::Digesting {
            return;
        }
        let name = record.found.as_ref().map(|found| found.name.clone()).unwrap_or_default();
        let helpers: Vec<(PeerId, SourceId)> = record
            .sources
            .iter()
            .filter(|source| source.was_fetched())
            .filter(|source| self.map.bytes_of(source.id) > 0)
            .filter_map(|source| Some((source.peer?, source.id)))
            .collect();
        if record.spec.sha256 == Some(digest) {
            self.digest = Some(digest);
            self.phase = Phase::Saving { name };
        } else if helpers.is_empty() {
            self.digest = Some(digest);
            self.phase = Phase::Saving { name: format!("{name}.mismatch") };
        } else {
            for (peer, source) in helpers {
                self.map.forget_source(source);
                let end = WantedInput::End { peer, reason: HelpEnd::Mismatch };
                self.helping.handle(end, now.monotonic);
            }
            self.obey_helping(record, now, shared);
            let missing = self.map.written().gaps(ByteRange::from_len(0, length_of(record)));
            self.transfer = Transfer::ranged(missing);
            let source = Source::new(record.spec.max_connections, now.monotonic);
            self.transfer.add_source(SourceId::ORIGIN, source);
            self.add_helpers(record, now);
            self.phase = Phase::Fetching;
        }
    }

    fn ask_first(&mut self, record: &DownloadRecord, now: Now, shared: &mut Shared) {
        self.map = PieceMap::default();
        self.map_loaded = true;
        // What is stored may be of a part file that is no more.
        self.clear_map = true;
        self.transfer = Transfer::whole(None);
        // One answer to begin with; how many connections come after it is settled when it is known that ranges work.
        self.transfer.add_source(SourceId::ORIGIN, Source::new(1, now.monotonic));
        self.phase = Phase::Asking;
        self.plan(record, now, shared);
    }

    fn opened(
        &mut self,
        record: &mut DownloadRecord,
        chunks: &[crate::MapChunk],
        now: Now,
        shared: &mut Shared,
    ) {
        let Some(found) = record.found.as_ref().filter(|_| self.phase == Phase::Opening) else {
            return;
        };
        self.phase = Phase::Fetching;
        self.map_loaded = true;
        let mut source = Source::new(record.spec.max_connections, now.monotonic);
        match found.identity.length.filter(|_| found.ranges) {
            Some(length) => {
                self.map = PieceMap::restore(chunks, &shared.boot_id);
                // After a crash the map may know of more than the count that was stored before it.
                for source in &mut record.sources {
                    source.received_bytes = source.received_bytes.max(self.map.bytes_of(source.id));
                }
                let missing = self.map.written().gaps(ByteRange::from_len(0, length));
                self.transfer = Transfer::ranged(missing);
            }
            None => {
                self.map = PieceMap::default();
                self.clear_map = true;
                self.transfer = Transfer::whole(None);
                source = Source::new(1, now.monotonic);
            }
        }
        self.bytes_at_save = self.map.bytes();
        self.bytes_at_sync = self.map.bytes();
        self.transfer.add_source(SourceId::ORIGIN, source);
    }

    fn answered(
        &mut self,
        record: &mut DownloadRecord,
        lease: LeaseId,
        accepted: Accepted,
        suggested_name: Option<String>,
        now: Now,
        shared: &mut Shared,
    ) {
        self.wait_shown = None;
        match &self.phase {
            Phase::Asking => {
                if accepted.identity.length.is_some_and(|length| length > LONGEST_FILE) {
                    let failure = Failure::new(
                        FailureCode::Protocol,
                        "The server says that the file is larger than 2^53 bytes.",
                    );
                    return self.close(record, After::Fail(failure), now, shared);
                }
                let name =
                    record.spec.out.clone().or(suggested_name).unwrap_or_else(|| "download".into());
                shared.effects.push_back(Effect::CreatePart {
                    download: record.id,
                    dir: record.spec.dir.clone(),
                    name,
                    length: accepted.identity.length,
                });
                self.awaiting_part = true;
                self.phase = Phase::Naming { lease };
                self.accepted = Some(accepted);
            }
            Phase::Fetching => {
                // A whole stream that began again may be of another file by now: nothing of the old one is left.
                if self.transfer.is_whole()
                    && let Some(found) = &mut record.found
                {
                    let length = accepted.identity.length.filter(|_| accepted.ranges);
                    if length.is_some() {
                        // It serves ranges after all: the rest can be asked for.
                        found.ranges = true;
                        self.transfer.record_first_answer(
                            lease,
                            accepted.end,
                            length,
                            now.monotonic,
                        );
                    }
                    if found.identity != accepted.identity || length.is_some() {
                        found.identity = accepted.identity;
                        self.record_changed = true;
                    }
                }
            }
            _ => {}
        }
    }

    fn part_created(
        &mut self,
        record: &mut DownloadRecord,
        name: String,
        part_name: String,
        shared: &mut Shared,
    ) {
        let Some(accepted) = &self.accepted else { return };
        let ranges = accepted.ranges && accepted.identity.length.is_some();
        record.found = Some(Found { identity: accepted.identity.clone(), ranges, name, part_name });
        self.record_changed = true;
        if let Phase::Naming { lease } = self.phase {
            self.phase = Phase::Recording { lease };
            if !self.persisting {
                self.persist(record, shared);
            }
        }
    }

    fn persisted(&mut self, record: &mut DownloadRecord, now: Now, shared: &mut Shared) {
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

    fn progress(&mut self, record: &mut DownloadRecord, lease: LeaseId, up_to: u64, now: Now) {
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
    fn lease_ended(
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

    /// What follows from the state as it is now.
    fn go_on(&mut self, record: &mut DownloadRecord, now: Now, shared: &mut Shared) {
        if self.phase == Phase::Fetching && !self.transfer.is_whole() && !self.origins.is_empty() {
            self.helping.ask(now.monotonic);
            if now.monotonic >= self.gain_due {
                self.gain_due = now.monotonic + GAIN_EVERY;
                self.look_at_gain(record, now, shared);
            }
        }
        self.obey_helping(record, now, shared);
        match &self.phase {
            Phase::Fetching => {
                let length = record.found.as_ref().and_then(|found| found.identity.length);
                if length.is_some_and(|length| {
                    self.map.written().contains(ByteRange::from_len(0, length))
                }) && !self.transfer.has_leases()
                {
                    self.all_there(record, shared);
                } else {
                    self.plan(record, now, shared);
                }
            }
            Phase::Asking => self.plan(record, now, shared),
            Phase::Saving { name }
                if !self.persisting
                    && !self.map.is_dirty()
                    && !self.record_changed
                    && self.syncing.is_none() =>
            {
                shared.effects.push_back(Effect::Finish {
                    download: record.id,
                    name: name.clone(),
                    length: length_of(record),
                });
                self.phase = Phase::Finishing;
            }
            _ => {}
        }
        self.save_and_sync(record, now, shared);
    }

    fn all_there(&mut self, record: &DownloadRecord, shared: &mut Shared) {
        if record.spec.sha256.is_some() {
            shared
                .effects
                .push_back(Effect::Digest { download: record.id, length: length_of(record) });
            self.phase = Phase::Digesting;
        } else {
            let name = record.found.as_ref().map(|found| found.name.clone()).unwrap_or_default();
            self.phase = Phase::Saving { name };
            self.record_changed = true;
        }
    }

    fn plan(&mut self, record: &DownloadRecord, now: Now, shared: &mut Shared) {
        for order in self.transfer.plan(now.monotonic, &mut shared.next_lease) {
            self.carry_out(record, order, shared);
        }
    }

    fn carry_out(&self, record: &DownloadRecord, order: Order, shared: &mut Shared) {
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

    fn save_and_sync(&mut self, record: &mut DownloadRecord, now: Now, shared: &mut Shared) {
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

    fn persist(&mut self, record: &mut DownloadRecord, shared: &mut Shared) {
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
}

/// The length of the file, once it is known.
fn length_of(record: &DownloadRecord) -> u64 {
    record.found.as_ref().and_then(|found| found.identity.length).unwrap_or_default()
}

fn count_received(record: &mut DownloadRecord, id: SourceId, bytes: u64) {
    if let Some(source) = record.sources.iter_mut().find(|source| source.id == id) {
        source.received_bytes += bytes;
    }
}
