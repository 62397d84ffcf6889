//! The thread that stores. Orders are carried out in their order; those that wait are stored together.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use manyhands_core::{DownloadId, Failure, FailureCode, Input, MapChunk};
use manyhands_store::{Op, Store};
use tokio::sync::oneshot;

use crate::shell::Facts;

/// What was stored is brought to the disk at the latest after so long; it survives the program's death at once.
const FLUSH_EVERY: Duration = Duration::from_secs(2);
/// Orders that are stored in one batch at most.
const MAX_BATCH: usize = 64;

/// The way to the saver thread.
#[derive(Clone, Debug)]
pub struct Saver(Sender<SaveOrder>);

#[derive(Debug)]
enum SaveOrder {
    Apply {
        ops: Vec<Op>,
        tell: Option<DownloadId>,
    },
    LoadMap {
        download: DownloadId,
        answer: oneshot::Sender<Vec<MapChunk>>,
    },
    /// Everything before is on the disk and the store is closed when this is answered.
    End {
        answer: oneshot::Sender<()>,
    },
}

impl Saver {
    pub fn start(store: Store, facts: Facts) -> std::io::Result<Self> {
        let (orders, received) = channel();
        std::thread::Builder::new().name("manyhands-saver".into()).spawn(move || {
            let answer = run(&received, &store, &facts);
            drop(store);
            if let Some(answer) = answer {
                let _ = answer.send(());
            }
        })?;
        Ok(Self(orders))
    }

    /// Stores all of `ops` or none; `tell` hears of it once they survive the program's death.
    pub fn apply(&self, ops: Vec<Op>, tell: Option<DownloadId>) {
        let _ = self.0.send(SaveOrder::Apply { ops, tell });
    }

    /// The stored piece map, after everything that was ordered before.
    pub async fn load_map(&self, download: DownloadId) -> Vec<MapChunk> {
        let (answer, loaded) = oneshot::channel();
        let _ = self.0.send(SaveOrder::LoadMap { download, answer });
        loaded.await.unwrap_or_default()
    }

    /// Waits until everything that was ordered before is on the disk and the store is closed. Orders after this are lost.
    pub async fn end(&self) {
        let (answer, done) = oneshot::channel();
        let _ = self.0.send(SaveOrder::End { answer });
        let _ = done.await;
    }
}

/// Returns who waits for the end.
fn run(
    received: &Receiver<SaveOrder>,
    store: &Store,
    facts: &Facts,
) -> Option<oneshot::Sender<()>> {
    let mut flushed = Instant::now();
    let mut unflushed = false;
    loop {
        let wait =
            if unflushed { FLUSH_EVERY.saturating_sub(flushed.elapsed()) } else { Duration::MAX };
        let first = match received.recv_timeout(wait) {
            Ok(order) => Some(order),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let (mut ops, mut tell, mut after) = (Vec::new(), Vec::new(), None);
        for order in first.into_iter().chain(std::iter::from_fn(|| received.try_recv().ok())) {
            match order {
                SaveOrder::Apply { ops: more, tell: who } => {
                    ops.extend(more);
                    tell.extend(who);
                    if tell.len() >= MAX_BATCH {
                        break;
                    }
                }
                other => {
                    after = Some(other);
                    break;
                }
            }
        }
        if !ops.is_empty() {
            save(store, facts, &ops, &tell);
            unflushed = true;
        }
        let flush_wanted = matches!(after, Some(SaveOrder::End { .. }));
        if unflushed && (flush_wanted || flushed.elapsed() >= FLUSH_EVERY) {
            if let Err(error) = store.flush() {
                tracing::error!(%error, "the list of downloads could not be brought to the disk");
            }
            flushed = Instant::now();
            unflushed = false;
        }
        match after {
            Some(SaveOrder::LoadMap { download, answer }) => {
                let chunks = store.piece_map(download).unwrap_or_else(|error| {
                    tracing::error!(%download, %error, "a piece map could not be read; its file begins anew");
                    Vec::new()
                });
                let _ = answer.send(chunks);
            }
            Some(SaveOrder::End { answer }) => return Some(answer),
            Some(SaveOrder::Apply { .. }) | None => {}
        }
    }
    if let Err(error) = store.flush() {
        tracing::error!(%error, "the list of downloads could not be brought to the disk");
    }
    None
}

fn save(store: &Store, facts: &Facts, ops: &[Op], tell: &[DownloadId]) {
    let saved = store.apply(ops).and_then(|()| store.flush_to_os());
    for download in tell.iter().copied() {
        facts.blocking_send(match &saved {
            Ok(()) => Input::Persisted { download },
            Err(error) => {
                let message = format!("The state of the download cannot be saved: {error}.");
                Input::PartFailed { download, failure: Failure::new(FailureCode::Profile, message) }
            }
        });
    }
    if let Err(error) = saved {
        tracing::error!(%error, "the state of downloads could not be saved");
    }
}
