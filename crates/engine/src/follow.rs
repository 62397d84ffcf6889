//! Adds downloads and follows them to their end: what a command line does, here or through a running instance.

use manyhands_core::{Failure, FailureCode};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::engine::{Engine, NewDownload};
use crate::view::{DownloadRow, FailureView, RowState};

/// News of one of the downloads that are followed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Followed {
    /// How it stands; the last one is completed or failed.
    Row { index: usize, row: Box<DownloadRow> },
    /// It was not even begun, or taken off the list.
    Refused { index: usize, failure: FailureView },
}

impl Followed {
    /// Nothing more comes of this download.
    #[must_use]
    pub fn is_last(&self) -> bool {
        match self {
            Self::Row { row, .. } => is_over(row.state),
            Self::Refused { .. } => true,
        }
    }

    /// Which one of those that were wanted.
    #[must_use]
    pub fn index(&self) -> usize {
        match self {
            Self::Row { index, .. } | Self::Refused { index, .. } => *index,
        }
    }
}

fn is_over(state: RowState) -> bool {
    matches!(state, RowState::Completed | RowState::Failed)
}

fn refused(index: usize, code: FailureCode, message: &str) -> Followed {
    Followed::Refused { index, failure: Failure::new(code, message).into() }
}

/// Adds all of `wanted` and tells how they stand, the first news at once, then at most ten times a second each, until all
/// have ended, nobody listens, or the engine ends.
pub async fn follow(engine: &Engine, wanted: &[NewDownload], news: mpsc::Sender<Followed>) {
    let mut changes = engine.changes();
    let mut open = Vec::new();
    for (index, new) in wanted.iter().enumerate() {
        match engine.add(new).await {
            Ok(id) => open.push((index, id)),
            Err(_) if engine.has_ended() => return,
            Err(failure) => {
                let failure = failure.into();
                if news.send(Followed::Refused { index, failure }).await.is_err() {
                    return;
                }
            }
        }
    }
    while !open.is_empty() {
        let mut still_open = Vec::new();
        for (index, id) in open {
            let told = match engine.row(id).await {
                Ok(Some(row)) if row.state == RowState::Paused => {
                    refused(index, FailureCode::Paused, "The download was paused.")
                }
                Ok(Some(row)) => {
                    if !is_over(row.state) {
                        still_open.push((index, id));
                    }
                    Followed::Row { index, row: Box::new(row) }
                }
                Ok(None) => {
                    refused(index, FailureCode::Removed, "The download was taken off the list.")
                }
                // The engine has ended; whoever opens the profile next goes on.
                Err(_) => return,
            };
            if news.send(told).await.is_err() {
                return;
            }
        }
        open = still_open;
        if !open.is_empty() && changes.changed().await.is_err() {
            return;
        }
    }
}
