//! The queue, and the door to everything that decides.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::help::AskState;
use crate::io::{Effect, Input, Now};
use crate::run::{After, Outcome, Run, Shared};
use crate::source::Limit;
use crate::{
    DownloadId, DownloadRecord, DownloadSpec, Failure, FailureCode, HelpMode, LeaseId, Life,
    PeerId, PieceMap, SourceId,
};

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

/// What a download does right now.
#[derive(Clone, Debug, PartialEq)]
pub enum DownloadState {
    Queued,
    /// `because`: what the last attempt met with.
    Connecting {
        because: Option<Failure>,
    },
    Downloading,
    Finishing,
    Paused,
    Completed,
    Failed(Failure),
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

    /// Adds a download, or goes on with the unfinished one of the same link, folder and name. Nothing that is finished is
    /// touched: then it is a new download.
    pub fn add(&mut self, spec: DownloadSpec, now: Now) -> DownloadId {
        let same = |record: &DownloadRecord| {
            (&record.spec.url, &record.spec.dir, &record.spec.out)
                == (&spec.url, &spec.dir, &spec.out)
                && !matches!(record.life, Life::Completed { .. })
        };
        // One that is just being finished has its digest checked already: another digest is another wish.
        let settled = |download: &Download| {
            download.run.as_ref().is_some_and(Run::is_finishing)
                && spec.sha256.is_some_and(|digest| download.record.spec.sha256 != Some(digest))
        };
        let known = self
            .order
            .iter()
            .find(|id| self.downloads.get(id).is_some_and(|d| same(&d.record) && !settled(d)))
            .copied();
        let id = match known {
            Some(id) => {
                if let Some(download) = self.downloads.get_mut(&id) {
                    // A digest that was given once is not dropped by a wish without one.
                    let sha256 = spec.sha256.or(download.record.spec.sha256);
                    download.record.spec = DownloadSpec { sha256, ..spec };
                }
                let _ = self.resume(id, now);
                id
            }
            None => {
                let id = DownloadId(self.next_download);
                self.next_download += 1;
                let record = DownloadRecord {
                    id,
                    spec,
                    life: Life::Queued,
                    added_unix_ms: now.unix_ms,
                    found: None,
                    sources: Vec::new(),
                    active_ms: 0,
                    kept_bytes: 0,
                    brought_by: Vec::new(),
                };
                self.persist(record.clone());
                self.downloads.insert(id, Download { record, run: None, last_map: None });
                self.order.push(id);
                self.save_order();
                id
            }
        };
        self.queue_moved = true;
        self.run_queue(now);
        id
    }

    /// Stops a download and keeps what it has.
    ///
    /// # Errors
    /// [`CoreError`]
    pub fn pause(&mut self, id: DownloadId, now: Now) -> Result<(), CoreError> {
        let Self { downloads, shared, .. } = self;
        let download = downloads.get_mut(&id).ok_or(CoreError::Unknown)?;
        match (&mut download.run, &download.record.life) {
            (_, Life::Completed { .. }) => return Err(CoreError::Finished),
            (Some(run), _) => run.close(&mut download.record, After::Pause, now, shared),
            (None, Life::Queued) => {
                download.record.life = Life::Paused;
                let record = download.record.clone();
                self.persist(record);
            }
            (None, Life::Paused | Life::Failed { .. }) => {}
        }
        self.run_queue(now);
        Ok(())
    }

    /// Stops all downloads that run or wait.
    pub fn pause_all(&mut self, now: Now) {
        let ids: Vec<_> = self.order.clone();
        // From the last one on, so that none that waits takes the place of one that was stopped.
        for id in ids.into_iter().rev() {
            if self.record(id).is_some_and(|record| record.life == Life::Queued) {
                let _ = self.pause(id, now);
            }
        }
    }

    /// Puts all paused downloads back into the queue.
    pub fn resume_all(&mut self, now: Now) {
        for id in self.order.clone() {
            if self.state(id) == Some(DownloadState::Paused) {
                let _ = self.resume(id, now);
            }
        }
    }

    /// Puts a paused or failed download back into the queue.
    ///
    /// # Errors
    /// [`CoreError`]
    pub fn resume(&mut self, id: DownloadId, now: Now) -> Result<(), CoreError> {
        let Self { downloads, shared, .. } = self;
        let download = downloads.get_mut(&id).ok_or(CoreError::Unknown)?;
        match &download.record.life {
            Life::Completed { .. } => return Err(CoreError::Finished),
            // Somebody else's file is in its place: it stays, and this download begins anew beside it.
            Life::Failed { failure } if failure.code == FailureCode::PartLost => {
                download.record.found = None;
                download.last_map = None;
            }
            Life::Failed { failure } if failure.code == FailureCode::Changed => {
                // The old bytes belong to a file that is no more.
                download.last_map = None;
                if let Some(found) = download.record.found.take() {
                    let dir = download.record.spec.dir.clone();
                    shared
                        .effects
                        .push_back(Effect::DiscardPart { dir, part_name: found.part_name });
                }
            }
            _ => {}
        }
        match &mut download.run {
            Some(run) => run.reopen(),
            None => download.record.life = Life::Queued,
        }
        let record = download.record.clone();
        self.persist(record);
        self.queue_moved = true;
        self.run_queue(now);
        Ok(())
    }

    /// Takes a download off the list; the part file of an unfinished one is deleted, a finished file stays.
    ///
    /// # Errors
    /// [`CoreError::Unknown`]
    pub fn remove(&mut self, id: DownloadId, now: Now) -> Result<(), CoreError> {
        let Self { downloads, shared, .. } = self;
        let download = downloads.get_mut(&id).ok_or(CoreError::Unknown)?;
        match &mut download.run {
            Some(run) => run.close(&mut download.record, After::Remove, now, shared),
            None => {
                if let Some(found) = &download.record.found
                    && !keeps_its_file(&download.record.life)
                {
                    let (dir, part_name) =
                        (download.record.spec.dir.clone(), found.part_name.clone());
                    shared.effects.push_back(Effect::DiscardPart { dir, part_name });
                }
                self.forget(id);
            }
        }
        self.run_queue(now);
        Ok(())
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

    /// Whether this peer could be asked for help now: the download runs or waits for its turn, its server answers ranges, and the
    /// peer is neither asked nor helping, nor has it refused a short time ago.
    #[must_use]
    pub fn may_ask_help(&self, id: DownloadId, peer: PeerId, now: Now) -> bool {
        let Some(download) = self.downloads.get(&id) else { return false };
        let Some(run) = &download.run else { return self.state(id) == Some(DownloadState::Queued) };
        let found = download.record.found.as_ref();
        found.is_none_or(|found| found.ranges)
            && matches!(
                self.state(id),
                Some(DownloadState::Connecting { .. } | DownloadState::Downloading)
            )
            && run.helping.may_ask(peer, now.monotonic)
    }

    #[must_use]
    pub fn is_helped_by(&self, id: DownloadId, peer: PeerId) -> bool {
        self.help(id)
            .iter()
            .any(|(helper, _, state)| *helper == peer && matches!(state, AskState::Accepted { .. }))
    }

    /// The peers that this download has asked.
    #[must_use]
    pub fn help(&self, id: DownloadId) -> Vec<(PeerId, String, AskState)> {
        let run = self.downloads.get(&id).and_then(|download| download.run.as_ref());
        let states = run.iter().flat_map(|run| run.helping.states());
        states.map(|(peer, name, state)| (peer, name.to_owned(), state)).collect()
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

    /// Something that is shown beside the downloads has changed.
    pub fn touch(&mut self) {
        self.revision += 1;
    }

    /// Grows with everything that may have changed something.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The downloads in the order of the queue.
    pub fn records(&self) -> impl Iterator<Item = &DownloadRecord> {
        self.order.iter().filter_map(|id| self.record(*id))
    }

    #[must_use]
    pub fn record(&self, id: DownloadId) -> Option<&DownloadRecord> {
        self.downloads.get(&id).map(|download| &download.record)
    }

    #[must_use]
    pub fn state(&self, id: DownloadId) -> Option<DownloadState> {
        let download = self.downloads.get(&id)?;
        if let Some(after) = download.run.as_ref().and_then(Run::closing_for) {
            return Some(match after {
                After::Pause | After::Remove => DownloadState::Paused,
                After::Queue => DownloadState::Queued,
                After::StartOver => DownloadState::Connecting { because: None },
                // It has failed only when its part file is closed.
                After::Fail(why) => DownloadState::Connecting { because: Some(why.clone()) },
            });
        }
        Some(match (&download.run, &download.record.life) {
            (Some(run), _) if run.is_finishing() => DownloadState::Finishing,
            (Some(run), _) if run.is_connecting() => {
                DownloadState::Connecting { because: run.waiting_because().cloned() }
            }
            (Some(_), _) => DownloadState::Downloading,
            (None, Life::Queued) => DownloadState::Queued,
            (None, Life::Paused) => DownloadState::Paused,
            (None, Life::Completed { .. }) => DownloadState::Completed,
            (None, Life::Failed { failure }) => DownloadState::Failed(failure.clone()),
        })
    }

    /// Bytes of an unfinished download that are there.
    #[must_use]
    pub fn bytes_on_disk(&self, id: DownloadId) -> u64 {
        let Some(download) = self.downloads.get(&id) else { return 0 };
        download
            .run
            .as_ref()
            .map_or(download.record.kept_bytes, |run| run.bytes_kept(&download.record))
    }

    /// The piece map of a download that runs, or has run in this process and is not finished.
    #[must_use]
    pub fn map(&self, id: DownloadId) -> Option<&PieceMap> {
        let download = self.downloads.get(&id)?;
        download.run.as_ref().map(|run| &run.map).or(download.last_map.as_ref())
    }

    #[must_use]
    pub fn is_running(&self, id: DownloadId) -> bool {
        self.running.contains(&id)
    }

    /// Bytes a second from this source and its connections at work.
    #[must_use]
    pub fn throughput(&self, id: DownloadId, source: SourceId, now: Duration) -> (f64, u8) {
        let run = self.downloads.get(&id).and_then(|download| download.run.as_ref());
        run.map_or((0.0, 0), |run| (run.transfer.rate(source, now), run.transfer.busy(source)))
    }

    /// What keeps the origin from giving more, once that was measured.
    #[must_use]
    pub fn limit(&self, id: DownloadId) -> Option<Limit> {
        self.downloads.get(&id)?.run.as_ref()?.transfer.source(SourceId::ORIGIN)?.limit()
    }

    /// How long this download has been running, over all runs.
    #[must_use]
    pub fn active_for(&self, id: DownloadId, now: Duration) -> Duration {
        self.downloads.get(&id).map_or(Duration::ZERO, |download| {
            let running = download.run.as_ref().map_or(Duration::ZERO, |run| run.running_for(now));
            Duration::from_millis(download.record.active_ms) + running
        })
    }

    fn run_queue(&mut self, now: Now) {
        self.now = now.monotonic;
        self.revision += 1;
        if self.shutting_down || !std::mem::take(&mut self.queue_moved) {
            return;
        }
        for id in &self.order {
            if self.running.len() >= self.max_active {
                break;
            }
            let waits = self.downloads.get(id).is_some_and(|download| {
                download.run.is_none() && download.record.life == Life::Queued
            });
            if !waits {
                continue;
            }
            if let Some(Download { record, run, .. }) = self.downloads.get_mut(id) {
                *run = Some(Run::start(record, now, &mut self.shared));
                self.running.insert(*id);
            }
        }
    }

    /// A part file that this download has just made had no other owner: whoever knew one by this name has lost it.
    fn claim_part(&mut self, id: DownloadId) {
        let place = |download: &Download| {
            let found = download.record.found.as_ref()?;
            Some((download.record.spec.dir.clone(), found.part_name.clone()))
        };
        let Some(mine) = self.downloads.get(&id).and_then(place) else { return };
        for (_, other) in self.downloads.iter_mut().filter(|(other, _)| **other != id) {
            let unfinished = !matches!(other.record.life, Life::Completed { .. });
            // One that runs holds its own file open and notices at the end that its name is somebody else's.
            if unfinished && other.run.is_none() && place(other).as_ref() == Some(&mine) {
                other.record.found = None;
                other.record.kept_bytes = 0;
                other.last_map = None;
                self.shared.effects.push_back(Effect::Persist {
                    download: other.record.id,
                    record: Box::new(other.record.clone()),
                    clear_map: true,
                    chunks: Vec::new(),
                    tell: None,
                });
            }
        }
    }

    fn forget(&mut self, id: DownloadId) {
        self.downloads.remove(&id);
        self.ended(id);
        self.order.retain(|other| *other != id);
        self.shared.effects.push_back(Effect::Forget { download: id });
        self.save_order();
    }

    fn save_order(&mut self) {
        self.shared.effects.push_back(Effect::SaveOrder { order: self.order.clone() });
    }

    fn persist(&mut self, record: DownloadRecord) {
        self.shared.effects.push_back(Effect::Persist {
            download: record.id,
            record: Box::new(record),
            clear_map: false,
            chunks: Vec::new(),
            tell: None,
        });
    }
}

/// What lies under the names of this download is not its to delete: the finished file, or somebody else's part file.
fn keeps_its_file(life: &Life) -> bool {
    match life {
        Life::Completed { .. } => true,
        Life::Failed { failure } => failure.code == FailureCode::PartLost,
        Life::Queued | Life::Paused => false,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Found, Identity, MapChunk};

    fn at(ms: u64) -> Now {
        Now { monotonic: Duration::from_millis(ms), unix_ms: ms }
    }

    #[test]
    fn facts_about_others_do_not_put_off_the_tick() {
        let mut core = Core::new(Vec::new(), 1, 3, "boot".into(), 1);
        assert_eq!(core.poll_timeout(), None);
        let spec = DownloadSpec {
            url: "http://example.org/a".parse().unwrap(),
            dir: "/d".into(),
            out: None,
            sha256: None,
            headers: Vec::new(),
            max_connections: 1,
        };
        core.add(spec, at(1000));
        core.handle(Input::Tick, at(1000));
        let due = core.poll_timeout().unwrap();
        for ms in (1010..1250).step_by(10) {
            core.handle(Input::Progress { lease: LeaseId(99), up_to: ms }, at(ms));
            assert_eq!(core.poll_timeout(), Some(due));
        }
        core.handle(Input::Tick, at(1250));
        assert!(core.poll_timeout().unwrap() > due);
    }

    const NOW: Now = Now { monotonic: Duration::from_secs(1), unix_ms: 1 };

    /// A core that has just been started with an unfinished download of ten bytes, whose part file is gone.
    fn without_part(written: u64) -> (Core, DownloadId) {
        let id = DownloadId(1);
        let identity = Identity { length: Some(10), ..Identity::default() };
        let record = DownloadRecord {
            id,
            spec: DownloadSpec {
                url: "http://a.example/f".parse().unwrap(),
                dir: "/d".into(),
                out: None,
                sha256: None,
                headers: Vec::new(),
                max_connections: 8,
            },
            life: Life::Queued,
            added_unix_ms: 0,
            found: Some(Found {
                identity,
                ranges: true,
                name: "f".into(),
                part_name: "f.part".into(),
            }),
            sources: Vec::new(),
            active_ms: 0,
            kept_bytes: 0,
            brought_by: Vec::new(),
        };
        let mut core = Core::new(vec![record], 2, 3, "this boot".into(), 1);
        core.handle(Input::Tick, NOW);
        assert!(matches!(core.poll_effect(), Some(Effect::OpenPart { .. })));
        let chunk = MapChunk {
            index: 0,
            boot_id: "an earlier boot".into(),
            written: vec![(0, written, SourceId::ORIGIN)],
            synced: Vec::new(),
        };
        let finished = Some(("/d/f".into(), vec![chunk]));
        core.handle(Input::PartMissing { download: id, finished }, NOW);
        (core, id)
    }

    #[test]
    fn a_part_file_that_another_download_made_is_neither_deleted_nor_written_to() {
        let record = |id, link: &str, life| DownloadRecord {
            id: DownloadId(id),
            spec: DownloadSpec {
                url: link.parse().unwrap(),
                dir: "/d".into(),
                out: Some("f".into()),
                sha256: None,
                headers: Vec::new(),
                max_connections: 8,
            },
            life,
            added_unix_ms: 0,
            found: Some(Found {
                identity: Identity { length: Some(10), ..Identity::default() },
                ranges: true,
                name: "f".into(),
                part_name: format!("f.{id}.part"),
            }),
            sources: Vec::new(),
            active_ms: 0,
            kept_bytes: 5,
            brought_by: Vec::new(),
        };
        let records = vec![
            record(1, "http://a.example/1", Life::Queued),
            record(2, "http://a.example/2", Life::Paused),
        ];
        let mut core = Core::new(records, 3, 3, "this boot".into(), 1);
        core.handle(Input::Tick, NOW);
        let (first, second) = (DownloadId(1), DownloadId(2));
        // Both part files were taken away; the first download makes one of the second's name.
        core.handle(Input::PartMissing { download: first, finished: None }, NOW);
        let asks = std::iter::from_fn(|| core.poll_effect()).find_map(|effect| match effect {
            Effect::Fetch { lease, .. } => Some(lease),
            _ => None,
        });
        let accepted = crate::Accepted {
            start: 0,
            end: Some(10),
            ranges: true,
            identity: Identity { length: Some(10), ..Identity::default() },
        };
        let answered = Input::Answered {
            lease: asks.unwrap(),
            accepted,
            suggested_name: None,
            origins: vec!["http://a.example/".parse().unwrap()],
        };
        core.handle(answered, NOW);
        let part_name = "f.2.part".to_owned();
        core.handle(Input::PartCreated { download: first, name: "f".into(), part_name }, NOW);
        assert_eq!(core.record(second).unwrap().found, None);
        assert_eq!(core.bytes_on_disk(second), 0);
        core.remove(second, NOW).unwrap();
        let mut effects = std::iter::from_fn(|| core.poll_effect());
        assert!(!effects.any(|effect| matches!(effect, Effect::DiscardPart { .. })));
    }

    #[test]
    fn a_file_that_was_renamed_just_before_a_crash_is_complete() {
        let (core, id) = without_part(10);
        assert_eq!(core.state(id), Some(DownloadState::Completed));
    }

    #[test]
    fn a_file_that_could_not_have_been_finished_is_somebody_elses() {
        let (mut core, id) = without_part(9);
        assert!(matches!(core.state(id), Some(DownloadState::Connecting { .. })));
        let mut effects = std::iter::from_fn(|| core.poll_effect());
        assert!(effects.any(|effect| matches!(effect, Effect::Fetch { hold: true, .. })));
    }
}
