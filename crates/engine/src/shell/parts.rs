//! What blocks on part files: they are opened, made, synced, read for their digest and put in their place.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use manyhands_core::{DownloadId, Failure, FailureCode, Found, Input, RunId};

use crate::part::{self, Created, Reopened, disk_failure};
use crate::shell::Shell;
use crate::writer::Part;

impl Shell {
    pub(super) fn open_part(&self, download: DownloadId, dir: PathBuf, found: Found) {
        let (saver, facts) = (self.saver.clone(), self.facts.clone());
        let path = dir.join(&found.part_name);
        tokio::spawn(async move {
            let (part, fact) = match blocking(move || part::reopen(&dir, &found)).await {
                Ok(Reopened::Part(file)) => match saver.load_map(download).await {
                    Ok(chunks) => {
                        let part = Part::new(download, file, path);
                        (Some(part), Input::PartOpened { download, chunks })
                    }
                    Err(failure) => (None, Input::PartFailed { download, failure }),
                },
                Ok(Reopened::Finished(path)) => match saver.load_map(download).await {
                    Ok(chunks) => {
                        (None, Input::PartMissing { download, finished: Some((path, chunks)) })
                    }
                    Err(failure) => (None, Input::PartFailed { download, failure }),
                },
                Ok(Reopened::Gone) => (None, Input::PartMissing { download, finished: None }),
                Err(failure) => (None, Input::PartFailed { download, failure }),
            };
            facts.send_with_part(part, fact).await;
        });
    }

    pub(super) fn create_part(
        &self,
        download: DownloadId,
        dir: PathBuf,
        name: String,
        length: Option<u64>,
    ) {
        let facts = self.facts.clone();
        tokio::spawn(async move {
            let created = blocking({
                let dir = dir.clone();
                move || part::create(&dir, &name, length)
            });
            let (part, fact) = match created.await {
                Ok(Created { file, name, part_name }) => {
                    let part = Part::new(download, file, dir.join(&part_name));
                    (Some(part), Input::PartCreated { download, name, part_name })
                }
                Err(failure) => (None, Input::PartFailed { download, failure }),
            };
            facts.send_with_part(part, fact).await;
        });
    }

    pub(super) fn sync(&self, download: DownloadId, run: RunId) {
        self.with_part(download, move |part| match part.file.sync_data() {
            Ok(()) => Ok(Some(Input::Synced { download, run })),
            Err(error) => {
                let failure = disk_failure(&error, &part.path, "write to");
                Ok(Some(Input::SyncFailed { download, failure }))
            }
        });
    }

    pub(super) fn digest(&self, download: DownloadId, length: u64) {
        self.with_part(download, move |part| {
            let go_on = || !part.closing.load(Ordering::Relaxed);
            let digest = part::digest(&part.file, &part.path, length, go_on)?;
            Ok(digest.map(|digest| Input::Digested { download, digest }))
        });
    }

    pub(super) fn finish(&self, download: DownloadId, name: String, length: u64) {
        self.with_part(download, move |part| {
            Ok(Some(match part::finish(&part.file, &part.path, &name, length) {
                Ok(path) => Input::Finished { download, path },
                Err(failure) => Input::SyncFailed { download, failure },
            }))
        });
    }

    /// Does something that blocks with an open part file and tells what came of it.
    fn with_part(
        &self,
        download: DownloadId,
        work: impl FnOnce(&Part) -> Result<Option<Input>, Failure> + Send + 'static,
    ) {
        let Some(part) = self.parts.get(&download).cloned() else { return };
        let facts = self.facts.clone();
        tokio::spawn(async move {
            match blocking(move || work(&part)).await {
                Ok(Some(fact)) => facts.send(fact).await,
                Ok(None) => {}
                Err(failure) => facts.send(Input::PartFailed { download, failure }).await,
            }
        });
    }
}

/// Runs what blocks on a thread for that; a panic there is a failure here.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Failure::new(FailureCode::Internal, format!("A part of the program failed: {error}.")))
    })
}
