//! The thread that stores. Orders are carried out in their order; those that wait are stored together.
//!
//! A store that failed (a full disk, most often) is of no more use: it is opened again and what it missed is stored once
//! more. What cannot be stored even then waits, in its order, and goes before everything later.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use manyhands_core::{
    DownloadId, Failure, FailureCode, GroupId, Input, MapChunk, PeerId, RunId, What,
};
use manyhands_store::{Op, OpenError, Opened, Store, StoreError};
use tokio::sync::oneshot;

use crate::shell::Facts;

/// What was stored is brought to the disk at the latest after so long; it survives the program's death at once.
const FLUSH_EVERY: Duration = Duration::from_secs(2);
/// What could not be stored is tried again after so long, or with the next order.
const RETRY_EVERY: Duration = Duration::from_secs(10);
/// Orders that are stored in one batch at most.
const MAX_BATCH: usize = 64;
/// How long the files of a store that was just closed may still be held by its own threads.
const REOPEN_WAIT: Duration = Duration::from_secs(1);
const REOPEN_PAUSE: Duration = Duration::from_millis(20);

/// The way to the saver thread.
#[derive(Clone, Debug)]
pub struct Saver(Sender<SaveOrder>);

#[derive(Debug)]
enum SaveOrder {
    Apply {
        ops: Vec<Op>,
        tell: Option<(DownloadId, RunId)>,
    },
    LoadMap {
        download: DownloadId,
        answer: oneshot::Sender<Result<Vec<MapChunk>, Failure>>,
    },
    /// Everything before is on the disk and the store is closed when this is answered.
    End {
        answer: oneshot::Sender<()>,
    },
}

impl Saver {
    /// `data_dir` is where `store` was opened.
    pub fn start(store: Store, data_dir: PathBuf, facts: Facts) -> std::io::Result<Self> {
        let (orders, received) = channel();
        std::thread::Builder::new().name("manyhands-saver".into()).spawn(move || {
            let (store, unsaved, due) = (Some(store), Vec::new(), None);
            let mut saver = SaverThread { data_dir, store, facts, unsaved, due };
            let answer = saver.run(&received);
            drop(saver);
            if let Some(answer) = answer {
                let _ = answer.send(());
            }
        })?;
        Ok(Self(orders))
    }

    /// Stores all of `ops` or none; `tell` hears of it once they survive the program's death.
    pub fn apply(&self, ops: Vec<Op>, tell: Option<(DownloadId, RunId)>) {
        if ops.is_empty() && tell.is_none() {
            return;
        }
        let _ = self.0.send(SaveOrder::Apply { ops, tell });
    }

    /// The stored piece map, after everything that was ordered before.
    ///
    /// # Errors
    /// The store cannot be used: going on without the map would fetch everything again.
    pub async fn load_map(&self, download: DownloadId) -> Result<Vec<MapChunk>, Failure> {
        let (answer, loaded) = oneshot::channel();
        let _ = self.0.send(SaveOrder::LoadMap { download, answer });
        loaded.await.unwrap_or_else(|_| Err(failure("the program is ending")))
    }

    /// Waits until everything that was ordered before is on the disk and the store is closed. Orders after this are lost.
    pub async fn end(&self) {
        let (answer, done) = oneshot::channel();
        let _ = self.0.send(SaveOrder::End { answer });
        let _ = done.await;
    }
}

struct SaverThread {
    data_dir: PathBuf,
    /// `None` while it cannot be opened.
    store: Option<Store>,
    facts: Facts,
    /// What is not stored yet although it was ordered; at most what the list itself holds.
    unsaved: Vec<Op>,
    /// When to bring to the disk what was stored, or to try again what was not.
    due: Option<Instant>,
}

/// Why something was not stored.
#[derive(Debug, thiserror::Error)]
enum SaveError {
    /// It never will be.
    #[error("{0}")]
    Refused(String),
    /// The store failed.
    #[error("{0}")]
    Failed(String),
}

impl SaverThread {
    /// Returns who waits for the end.
    fn run(&mut self, received: &Receiver<SaveOrder>) -> Option<oneshot::Sender<()>> {
        loop {
            let now = Instant::now();
            let wait = self.due.map_or(Duration::MAX, |due| due.saturating_duration_since(now));
            let first = match received.recv_timeout(wait) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    self.flush();
                    return None;
                }
            };
            let (mut ops, mut orders, mut after) = (Vec::new(), Vec::new(), None);
            for order in first.into_iter().chain(std::iter::from_fn(|| received.try_recv().ok())) {
                match order {
                    SaveOrder::Apply { ops: more, tell } => {
                        orders.push((more.len(), tell));
                        ops.extend(more);
                        if orders.len() >= MAX_BATCH {
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
                self.save(ops, &orders);
                self.due.get_or_insert_with(|| Instant::now() + FLUSH_EVERY);
            }
            let is_last = matches!(after, Some(SaveOrder::End { .. }));
            if is_last || self.due.is_some_and(|due| due <= Instant::now()) {
                self.flush();
            }
            match after {
                Some(SaveOrder::LoadMap { download, answer }) => {
                    let _ = answer.send(self.load_map(download));
                }
                Some(SaveOrder::End { answer }) => return Some(answer),
                Some(SaveOrder::Apply { .. }) | None => {}
            }
        }
    }

    /// Stores the ops of several orders together and tells who wants to hear of it. `orders` counts the ops of each.
    fn save(&mut self, mut ops: Vec<Op>, orders: &[(usize, Option<(DownloadId, RunId)>)]) {
        let saved = self.write(&ops);
        if let (Err(SaveError::Refused(_)), [_, _, ..]) = (&saved, orders) {
            // The others must not suffer for the one that cannot be stored.
            for order @ (count, _) in orders {
                let rest = ops.split_off((*count).min(ops.len()));
                self.save(ops, &[*order]);
                ops = rest;
            }
            return;
        }
        if let Err(error) = &saved {
            tracing::error!(%error, "the state of downloads could not be saved");
        }
        if let Err(SaveError::Failed(_)) = &saved {
            self.unsaved.append(&mut ops);
            self.unsaved = squeezed(std::mem::take(&mut self.unsaved));
        }
        for (download, run) in orders.iter().filter_map(|(_, tell)| *tell) {
            self.facts.blocking_send(match &saved {
                Ok(()) => Input::Persisted { download, run },
                Err(error) => Input::PartFailed { download, failure: failure(&error.to_string()) },
            });
        }
    }

    /// Stores what waits and then `ops`, so that they survive the program's death. A store that fails is opened again,
    /// once.
    fn write(&mut self, ops: &[Op]) -> Result<(), SaveError> {
        if self.store.is_some() {
            match self.write_once(ops) {
                Err(SaveError::Failed(why)) => tracing::warn!(why, "the store is opened again"),
                done => return done,
            }
        }
        self.reopen()?;
        let written = self.write_once(ops);
        if let Err(SaveError::Failed(_)) = &written {
            self.store = None;
        }
        written
    }

    fn write_once(&mut self, ops: &[Op]) -> Result<(), SaveError> {
        let store = self.store.as_ref().ok_or_else(|| SaveError::Failed("closed".into()))?;
        match store.apply(&self.unsaved).map_err(SaveError::from) {
            Err(SaveError::Refused(why)) => {
                tracing::error!(why, "earlier changes are lost");
                self.unsaved.clear();
            }
            applied => applied?,
        }
        store.apply(ops)?;
        store.flush_to_os()?;
        self.unsaved.clear();
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SaveError> {
        drop(self.store.take());
        let until = Instant::now() + REOPEN_WAIT;
        loop {
            match Store::open(&self.data_dir) {
                Ok((store, opened)) => {
                    if let Opened::Rebuilt { downloads, .. } = opened {
                        tracing::warn!(
                            downloads,
                            "piece maps were lost; what they told is fetched again"
                        );
                    }
                    self.store = Some(store);
                    return Ok(());
                }
                Err(OpenError::InUse { .. }) if Instant::now() < until => {
                    std::thread::sleep(REOPEN_PAUSE);
                }
                Err(error) => return Err(SaveError::Failed(error.to_string())),
            }
        }
    }

    /// Brings everything to the disk; what fails is tried again later.
    fn flush(&mut self) {
        let saved = if self.unsaved.is_empty() { Ok(()) } else { self.write(&[]) };
        let flushed = saved.and_then(|()| match &self.store {
            Some(store) => Ok(store.flush()?),
            None => Ok(()),
        });
        self.due = None;
        if let Err(error) = flushed {
            tracing::error!(%error, "the list of downloads could not be brought to the disk");
            self.due = Some(Instant::now() + RETRY_EVERY);
        }
    }

    fn load_map(&mut self, download: DownloadId) -> Result<Vec<MapChunk>, Failure> {
        if self.store.is_none() || !self.unsaved.is_empty() {
            self.write(&[]).map_err(|error| failure(&error.to_string()))?;
        }
        let store = self.store.as_ref().ok_or_else(|| failure("its database is closed"))?;
        store.piece_map(download).map_err(|error| failure(&error.to_string()))
    }
}

/// The same changes, without those that later ones make void.
fn squeezed(ops: Vec<Op>) -> Vec<Op> {
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Thing {
        Download(DownloadId),
        Map(DownloadId),
        Portion(DownloadId, u32),
        Order,
        Settings,
        Friend(PeerId),
        Blocked(PeerId),
        Group(GroupId),
        LentDay(i32),
    }
    let mut later = BTreeSet::new();
    let mut kept: Vec<_> = ops
        .into_iter()
        .rev()
        .filter(|op| match op {
            Op::PutDownload(record) => later.insert(Thing::Download(record.id)),
            Op::RemoveDownload(id) => {
                later.insert(Thing::Map(*id));
                later.insert(Thing::Download(*id))
            }
            Op::PutMapChunk(id, portion) => {
                !later.contains(&Thing::Map(*id))
                    && later.insert(Thing::Portion(*id, portion.index))
            }
            Op::ClearMap(id) => later.insert(Thing::Map(*id)),
            Op::Order(_) => later.insert(Thing::Order),
            Op::PutSettings(_) => later.insert(Thing::Settings),
            Op::PutFriend(friend) => later.insert(Thing::Friend(friend.id)),
            Op::RemoveFriend(id) => later.insert(Thing::Friend(*id)),
            Op::PutBlocked(blocked) => later.insert(Thing::Blocked(blocked.id)),
            Op::RemoveBlocked(id) => later.insert(Thing::Blocked(*id)),
            Op::PutGroup(group) => later.insert(Thing::Group(group.id)),
            Op::DeleteGroup(id) => later.insert(Thing::Group(*id)),
            Op::PutLentDay(day) => later.insert(Thing::LentDay(day.day)),
        })
        .collect();
    kept.reverse();
    // A portion of a map is stored only where its download is.
    kept.sort_by_key(|op| !matches!(op, Op::PutDownload(_)));
    kept
}

fn failure(why: &str) -> Failure {
    let message = format!("The state of the download cannot be saved: {why}.");
    Failure::new(FailureCode::Profile, message).because(What::NotSaved, [&why])
}

impl From<StoreError> for SaveError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused { .. } => Self::Refused(error.to_string()),
            StoreError::Io { .. } | StoreError::Damaged(_) => Self::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use manyhands_core::{DownloadRecord, DownloadSpec, Life};

    use super::*;

    fn put(id: u64, active_ms: u64) -> Op {
        let spec = DownloadSpec {
            url: "http://example.org/a".parse().unwrap(),
            dir: "/d".into(),
            out: None,
            sha256: None,
            headers: Vec::new(),
            max_connections: 1,
        };
        Op::PutDownload(DownloadRecord {
            id: DownloadId(id),
            spec,
            life: Life::Queued,
            added_unix_ms: 0,
            found: None,
            sources: Vec::new(),
            active_ms,
            kept_bytes: 0,
            brought_by: Vec::new(),
        })
    }

    fn portion(id: u64, index: u32, end: u64) -> Op {
        let written = vec![(0, end, manyhands_core::SourceId::ORIGIN)];
        let chunk = MapChunk { index, boot_id: String::new(), written, synced: Vec::new() };
        Op::PutMapChunk(DownloadId(id), chunk)
    }

    #[test]
    fn what_later_changes_make_void_does_not_wait() {
        let (one, two) = (DownloadId(1), DownloadId(2));
        let ops = vec![
            put(1, 1),
            portion(1, 0, 5),
            portion(1, 1, 5),
            Op::ClearMap(one),
            portion(1, 0, 7),
            portion(1, 0, 9),
            put(1, 2),
            put(2, 1),
            Op::Order(vec![one, two]),
            portion(2, 0, 1),
            Op::RemoveDownload(two),
            Op::Order(vec![one]),
        ];
        let expected = [
            put(1, 2),
            Op::ClearMap(one),
            portion(1, 0, 9),
            Op::RemoveDownload(two),
            Op::Order(vec![one]),
        ];
        assert_eq!(squeezed(ops), expected);
    }
}
