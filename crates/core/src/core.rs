//! All downloads, and the door to everything that decides.

mod parts;
mod queue;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::io::{Effect, Input, Now};
use crate::run::{After, Outcome, Run, Shared};
use crate::{DownloadId, DownloadRecord, HelpMode, LeaseId, PeerId, PieceMap};

pub use shown::{Brings, DownloadState};

/// How often time is told while something runs.
const TICK: Duration = Duration::from_millis(250);

/// All downloads and what they do.
///
/// Facts go in through [`Core::handle`], people's wishes through the other methods; afterwards [`Core::poll_effect`] gives the
/// orders that follow, in order, until there is none. [`Core::poll_timeout`] says when to come back without a fact.
#[derive(Debug)]
pub struct Core {
    downloads: BTreeMap<DownloadId, Download>,
    order: Vec<DownloadId>,
    /// Those with a [`Run`]. A list may hold thousands that are finished: only these are looked at with every fact.
    running: BTreeSet<DownloadId>,
    /// Whether one that waits may have become able to start since the queue was looked through last.
    queue_moved: bool,
    next_download: u64,
    /// Whose lease it is.
    leases: BTreeMap<LeaseId, DownloadId>,
    max_active: usize,
    shutting_down: bool,
    revision: u64,
    now: Duration,
    ticked_at: Duration,
    shared: Shared,
}

#[derive(Debug)]
struct Download {
    record: DownloadRecord,
    run: Option<Run>,
    /// The piece map of the last run of this process, to be shown while nothing runs.
    last_map: Option<PieceMap>,
}

/// The wish cannot be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoreError {
    #[error("there is no such download")]
    Unknown,
    #[error("the download is finished")]
    Finished,
    #[error("the download does not run")]
    NotRunning,
}

impl Core {
    /// `boot_id` names this start of the machine; `seed` is any random number; `next_download` was never given before.
    #[must_use]
    pub fn new(
        records: Vec<DownloadRecord>,
        next_download: u64,
        max_active: usize,
        boot_id: String,
        seed: u64,
    ) -> Self {
        let order = records.iter().map(|record| record.id).collect();
        let after_all = records.iter().map(|record| record.id.0 + 1).max().unwrap_or(1);
        Self {
            downloads: records
                .into_iter()
                .map(|record| (record.id, Download { record, run: None, last_map: None }))
                .collect(),
            order,
            running: BTreeSet::new(),
            queue_moved: true,
            next_download: next_download.max(after_all),
            leases: BTreeMap::new(),
            max_active: max_active.max(1),
            shutting_down: false,
            revision: 0,
            now: Duration::ZERO,
            ticked_at: Duration::ZERO,
            shared: Shared { effects: VecDeque::new(), next_lease: 1, boot_id, random: seed | 1 },
        }
    }

    /// Takes in a fact.
    pub fn handle(&mut self, input: Input, now: Now) {
        self.now = now.monotonic;
        self.revision += 1;
        match download_of(&input, &self.leases) {
            Some(id) => {
                let created = matches!(input, Input::PartCreated { .. });
                self.handle_one(id, input, now);
                if created {
                    self.claim_part(id);
                }
            }
            None if matches!(input, Input::Tick) => {
                self.ticked_at = self.now;
                for id in self.running.clone() {
                    self.handle_one(id, Input::Tick, now);
                }
            }
            None => {}
        }
        self.run_queue(now);
    }

    fn handle_one(&mut self, id: DownloadId, input: Input, now: Now) {
        let Self { downloads, shared, leases, .. } = self;
        let Some(Download { record, run: run @ Some(_), last_map }) = downloads.get_mut(&id) else {
            return;
        };
        if let Input::LeaseEnded { lease, .. } = &input {
            leases.remove(lease);
        }
        let Some(current) = run else { return };
        match current.handle(record, input, now, shared) {
            Outcome::Running => {}
            Outcome::Ended => {
                let ended = run.take();
                *last_map = ended.map(|run| run.map).filter(|map| map.bytes() > 0);
                self.ended(id);
            }
            Outcome::StartOver => {
                *last_map = None;
                *run = Some(Run::start(record, now, shared));
            }
            Outcome::Remove => self.forget(id),
        }
    }

    fn ended(&mut self, id: DownloadId) {
        self.running.remove(&id);
        self.queue_moved = true;
    }

    /// The next order, the oldest first.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        let effect = self.shared.effects.pop_front()?;
        if let Effect::Fetch { download, lease, .. } = &effect {
            self.leases.insert(*lease, *download);
        }
        Some(effect)
    }

    /// When to call [`Core::handle`] with [`Input::Tick`], whatever else happens before: a download that waits hears
    /// nothing of the facts about others.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        (!self.is_idle()).then(|| self.ticked_at + TICK)
    }

    /// Asks these peers, by id, name and mode, to help with a download that runs, as soon as it is known what for. Who was asked
    /// already is not asked again.
    ///
    /// # Errors
    /// [`CoreError`]: it does not run.
    pub fn ask_help(
        &mut self,
        id: DownloadId,
        peers: Vec<(PeerId, String, HelpMode)>,
        now: Now,
    ) -> Result<(), CoreError> {
        let download = self.downloads.get_mut(&id).ok_or(CoreError::Unknown)?;
        let run = download.run.as_mut().ok_or(CoreError::NotRunning)?;
        for (peer, name, mode) in peers {
            run.helping.wish(peer, name, mode);
        }
        self.handle_one(id, Input::Tick, now);
        Ok(())
    }

    /// Stops everything so that it goes on at the next start; [`Core::is_idle`] tells when that is done.
    pub fn shut_down(&mut self, now: Now) {
        self.now = now.monotonic;
        self.shutting_down = true;
        let Self { downloads, shared, .. } = self;
        for download in downloads.values_mut() {
            if let Some(run) = &mut download.run {
                run.close(&mut download.record, After::Queue, now, shared);
            }
        }
        self.revision += 1;
    }

    /// Nothing runs.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Something that is shown beside the downloads has changed.
    pub fn touch(&mut self) {
        self.revision += 1;
    }

    /// Grows with everything that may have changed something.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }
}

fn download_of(input: &Input, leases: &BTreeMap<LeaseId, DownloadId>) -> Option<DownloadId> {
    match input {
        Input::Tick => None,
        Input::PartOpened { download, .. }
        | Input::PartMissing { download, .. }
        | Input::PartCreated { download, .. }
        | Input::PartFailed { download, .. }
        | Input::SyncFailed { download, .. }
        | Input::PartClosed { download }
        | Input::Written { download, .. }
        | Input::Synced { download, .. }
        | Input::Persisted { download, .. }
        | Input::Digested { download, .. }
        | Input::HelpAnswered { download, .. }
        | Input::HelpUnanswered { download, .. }
        | Input::HelperLost { download, .. }
        | Input::HelpEnded { download, .. }
        | Input::Finished { download, .. } => Some(*download),
        Input::Answered { lease, .. }
        | Input::Progress { lease, .. }
        | Input::LeaseCut { lease, .. }
        | Input::LeaseEnded { lease, .. } => leases.get(lease).copied(),
    }
}
