//! What a front end does with the downloads that are on the list.

use manyhands_core::{CoreError, DownloadId, Failure, FailureCode};

use crate::engine::Engine;
use crate::shell::Command;
use crate::view::DownloadRow;

impl Engine {
    /// # Errors
    /// There is no such download, or it is finished.
    pub async fn pause(&self, id: DownloadId) -> Result<(), Failure> {
        self.ask(|answer| Command::Pause { id, answer }).await?.map_err(refused)
    }

    /// Goes on with a paused or failed download.
    ///
    /// # Errors
    /// There is no such download, or it is finished.
    pub async fn resume(&self, id: DownloadId) -> Result<(), Failure> {
        self.ask(|answer| Command::Resume { id, answer }).await?.map_err(refused)
    }

    /// Takes it off the list. A finished file stays; what an unfinished one has is deleted.
    ///
    /// # Errors
    /// There is no such download.
    pub async fn remove(&self, id: DownloadId) -> Result<(), Failure> {
        self.ask(|answer| Command::Remove { id, answer }).await?.map_err(refused)
    }

    /// # Errors
    /// The engine has ended.
    pub async fn pause_all(&self) -> Result<(), Failure> {
        self.ask(|answer| Command::PauseAll { answer }).await
    }

    /// # Errors
    /// The engine has ended.
    pub async fn resume_all(&self) -> Result<(), Failure> {
        self.ask(|answer| Command::ResumeAll { answer }).await
    }

    /// One download; `None` when there is no such.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn row(&self, id: DownloadId) -> Result<Option<DownloadRow>, Failure> {
        self.ask(|answer| Command::Row { id, answer }).await
    }
}

fn refused(error: CoreError) -> Failure {
    Failure::new(FailureCode::Internal, format!("This cannot be done: {error}."))
}
