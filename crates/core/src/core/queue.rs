//! Who holds a place in the queue, and whose turn it is: downloads are added, paused, resumed and removed.

use super::parts::keeps_its_file;
use super::{Core, CoreError, Download, DownloadState};
use crate::run::{After, Run};
use crate::{DownloadId, DownloadRecord, DownloadSpec, Effect, FailureCode, Life, Now};

impl Core {
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

    /// Puts all paused downloads back into the queue.
    pub fn resume_all(&mut self, now: Now) {
        for id in self.order.clone() {
            if self.state(id) == Some(DownloadState::Paused) {
                let _ = self.resume(id, now);
            }
        }
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

    pub(super) fn run_queue(&mut self, now: Now) {
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

    pub(super) fn forget(&mut self, id: DownloadId) {
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
