//! One download while it runs: from opening its part file to putting the finished file in its place.

mod begin;
#[cfg(test)]
mod elsewhere_tests;
mod end;
mod helpers;
mod leases;
mod saving;
mod shared;
mod trouble;

use std::time::Duration;

use url::Url;

use crate::help::{AskState, Gain, WantedEffect, WantedInput};
use crate::helping::{ELSEWHERE_TRIES, HELPER_LANES, HELPER_TRIES, Helping};
use crate::io::{Effect, FetchTrouble, HelpOffer, Input, Now, RunId};
use crate::piece_map::PieceMap;
use crate::source::Source;
use crate::transfer::Transfer;
use crate::{
    Accepted, ByteRange, DownloadRecord, Failure, FailureCode, HelpEnd, HelpMode, LeaseId, Life,
    PeerId, RangeSet, Sha256Digest, SourceId, SourceRecord, Verification,
};

pub(crate) use shared::Shared;

/// Whether helpers bring anything is looked at so often.
const GAIN_EVERY: Duration = Duration::from_millis(200);
/// JSON numbers are exact up to here.
const LONGEST_FILE: u64 = (1 << 53) - 1;

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

/// What a run says to the queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Running,
    /// Over; the record tells how.
    Ended,
    StartOver,
    Remove,
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
}

/// The length of the file, once it is known.
fn length_of(record: &DownloadRecord) -> u64 {
    record.found.as_ref().and_then(|found| found.identity.length).unwrap_or_default()
}
