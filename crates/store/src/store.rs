//! The open store: what is in it, and changes of it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use manyhands_core::{DownloadId, DownloadRecord, LentDay, MapChunk};

use crate::changes::Changes;
use crate::database::{Database, Fault};
use crate::last_good::{self, LastGood};
use crate::records::{self, SETTINGS_KEY, map_prefix, number_in, show};
use crate::{BlockedPeer, Friend, Group, Op, Settings, map_chunk, secret};

/// What a profile keeps. Calls block on the disk: a thread of its own should make them.
pub struct Store {
    db: Database,
    data_dir: PathBuf,
    next_id: AtomicU64,
    /// Guards the last-good copy and what is known about it.
    copy: Mutex<CopyState>,
}

/// Something could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It breaks a bound or the contract of its type. Nothing was written; the same will be refused
    /// again.
    #[error("{what} cannot be stored: {why}")]
    Refused { what: String, why: String },
    /// The disk or its rights: no room, not writable, gone. What was applied since the last flush
    /// may be lost: see to the cause, drop the store, open it again and apply once more.
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The database is damaged. Drop the store and open it again, which rebuilds the list, and
    /// apply once more.
    #[error("{0}")]
    Damaged(String),
}

#[derive(Debug)]
pub struct CopyState {
    pub file: LastGood,
    /// Of the newest copy.
    pub generation: u64,
    /// Whether the copy lacks a change that it should have.
    pub due: bool,
    /// When the newest copy was ready, and how long it took.
    pub last: Option<(Instant, Duration)>,
}

/// A copy of a long list takes a while: at most one part in so many of the time goes into copies. A
/// short one takes some milliseconds, and so is copied at every flush that follows a change.
const COPY_TIME_SHARE: u32 = 20;

impl Store {
    pub(crate) fn new(db: Database, data_dir: &Path, next_id: u64, copy: CopyState) -> Self {
        let next_id = AtomicU64::new(next_id);
        Self { db, data_dir: data_dir.to_owned(), next_id, copy: Mutex::new(copy) }
    }

    /// All downloads in queue order. One that cannot be read (written by a later program) is left
    /// out, and kept.
    pub fn downloads(&self) -> Result<Vec<DownloadRecord>, StoreError> {
        Ok(records::downloads(&self.db)?)
    }

    /// The portions of a piece map that are stored, the first one first. One that cannot be read is
    /// left out: what it covers is fetched again.
    pub fn piece_map(&self, id: DownloadId) -> Result<Vec<MapChunk>, StoreError> {
        let stored = self.db.scan(&map_prefix(id))?;
        let chunks = stored.iter().filter_map(|(key, value)| {
            let chunk = map_chunk::decode(number_in(key)?, value);
            chunk.inspect_err(|why| tracing::warn!(key = show(key), why, "left out")).ok()
        });
        Ok(chunks.collect())
    }

    pub fn settings(&self) -> Result<Settings, StoreError> {
        let stored = self.db.get(SETTINGS_KEY)?;
        Ok(stored.map(|stored| Settings::from_json(&stored)).unwrap_or_default())
    }

    /// In the order of their ids.
    pub fn friends(&self) -> Result<Vec<Friend>, StoreError> {
        Ok(records::friends(&self.db)?)
    }

    /// In the order of their ids.
    pub fn blocked(&self) -> Result<Vec<BlockedPeer>, StoreError> {
        Ok(records::blocked(&self.db)?)
    }

    /// The groups that this device is in, in the order of their ids.
    pub fn groups(&self) -> Result<Vec<Group>, StoreError> {
        Ok(records::groups(&self.db)?)
    }

    /// What was lent on the last days, the earliest first.
    pub fn lent(&self) -> Result<Vec<LentDay>, StoreError> {
        Ok(records::lent(&self.db)?)
    }

    /// An id that no download of this profile has or ever had.
    pub fn next_download_id(&self) -> DownloadId {
        DownloadId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Applies all of `ops`, in their order, or none. What that survives: see the [crate].
    ///
    /// # Errors
    /// Nothing was changed. [`StoreError::Refused`] names the first of `ops` that is not
    /// acceptable.
    pub fn apply(&self, ops: &[Op]) -> Result<(), StoreError> {
        let mut changes = Changes::new(&self.db);
        for op in ops {
            changes.add(op)?;
        }
        let substantial = changes.substantial;
        self.db.apply(changes.into_writes())?;
        for op in ops {
            if let Op::PutDownload(record) = op {
                self.next_id.fetch_max(record.id.0.saturating_add(1), Ordering::Relaxed);
            }
        }
        if substantial {
            self.copy_state().due = true;
        }
        Ok(())
    }

    /// Hands what was applied to the operating system: it survives the end of this process from
    /// here on. Cheap; for claims that are trusted while the machine runs.
    pub fn flush_to_os(&self) -> Result<(), StoreError> {
        Ok(self.db.flush_to_os()?)
    }

    /// Brings what was applied to the disk: it survives a power cut from here on. Renews the
    /// last-good copy where it lacks something, unless the last one took long and was just now: then
    /// a later call does, or the closing.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.db.flush_to_disk()?;
        let mut copy = self.copy_state();
        let too_soon = copy.last.is_some_and(|(at, took)| at.elapsed() < took * COPY_TIME_SHARE);
        if copy.due && !too_soon { self.renew(&mut copy) } else { Ok(()) }
    }

    /// Reads a secret such as `identity.pem`; `None` when there is none.
    pub fn load_secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        secret::load(&self.data_dir, name)
    }

    /// Stores a secret in a file of its own beside the database, mode 0600, on the disk when this
    /// returns. Up to [`MAX_SECRET_BYTES`](crate::MAX_SECRET_BYTES); names of a-z, 0-9, `-` and
    /// `.`.
    pub fn save_secret(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        secret::save(&self.data_dir, name, bytes)
    }

    /// The database learns of a copy's generation first: one that then knows less than the copy has
    /// lost something.
    fn renew(&self, copy: &mut CopyState) -> Result<(), StoreError> {
        let began = Instant::now();
        let generation = copy.generation + 1;
        let mut changes = Changes::new(&self.db);
        changes.put_decimal(records::GENERATION_KEY, generation)?;
        self.db.apply(changes.into_writes())?;
        self.db.flush_to_disk()?;
        copy.generation = generation;
        let content = last_good::Content::of(&self.db, generation)?;
        copy.file.write(&content)?;
        copy.due = false;
        copy.last = Some((Instant::now(), began.elapsed()));
        Ok(())
    }

    fn copy_state(&self) -> std::sync::MutexGuard<'_, CopyState> {
        // A panic in the middle leaves a due copy due.
        self.copy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was applied is flushed, as far as that goes.
impl Drop for Store {
    fn drop(&mut self) {
        let done = self.db.flush_to_disk().map_err(StoreError::from).and_then(|()| {
            let mut copy = self.copy_state();
            if copy.due { self.renew(&mut copy) } else { Ok(()) }
        });
        if let Err(error) = done {
            tracing::error!(%error, "the last changes may not be on the disk");
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Surroundings(source) => Self::Io { path: PathBuf::from("db"), source },
            fault => Self::Damaged(fault.to_string()),
        }
    }
}
