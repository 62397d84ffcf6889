//! sled, behind the few operations that the store needs. The only file that knows sled.
//!
//! A panic inside sled comes out as [`Fault`], like its errors: version 0.34 panics on some damaged
//! files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::files;

/// No value is ever larger: sled moves large ones to files of their own and leaks those.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Pages that sled may hold in memory. The whole database of a busy profile is a few MiB.
const CACHE_BYTES: u64 = 16 << 20;

/// How often sled's own thread rewrites what lies in mostly empty parts of the file, and syncs.
/// Nothing relies on it, and the file of a busy profile gets no larger without; the default of 500
/// ms would wake an idle disk twice a second.
const HOUSEKEEPING_MS: u64 = 10_000;
/// How long a database that is being closed is waited for …
const CLOSING: Duration = Duration::from_secs(1);
/// … and how often it is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What to write: key → value, `None` removes.
pub type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

pub type Pair = (Vec<u8>, Vec<u8>);

/// One tree of keys and values, changed in atomic batches.
#[derive(Debug)]
pub struct Database {
    /// Always there, until dropped.
    sled: Option<sled::Db>,
    /// Whether sled has panicked: nothing more is asked of it then.
    panicked: AtomicBool,
    /// A descriptor of our own for the sync that sled leaves out.
    file: File,
}

/// sled failed. The open database is of no more use; its files may be.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Another program, or another store of this one, has the database open.
    #[error("the database is in use")]
    InUse,
    /// The surroundings failed, not the database: no right to read, no room, no memory.
    #[error("{0}")]
    Surroundings(#[source] io::Error),
    /// The files are damaged.
    #[error("the database is damaged: {0}")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// sled panicked, now or before: nothing more is asked of it.
    #[error("the database panicked: {0}")]
    Panicked(String),
}

impl Database {
    /// Opens or makes the database in `dir`.
    pub fn open(dir: &Path) -> Result<Self, Fault> {
        files::make_private_dir(dir).map_err(Fault::from)?;
        files::close_to_others(dir).map_err(Fault::from)?;
        wait_until_free(&dir.join("db"))?;
        remove_unfinished_snapshots(dir)?;
        let sled = guard(|| {
            sled::Config::new()
                .path(dir)
                .cache_capacity(CACHE_BYTES)
                .mode(sled::Mode::LowSpace)
                .flush_every_ms(Some(HOUSEKEEPING_MS))
                .open()
        })?;
        let file = File::open(dir.join("db")).map_err(Fault::from)?;
        Ok(Self { sled: Some(sled), panicked: AtomicBool::new(false), file })
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.run(|sled| sled.get(key))?.map(|value| value.to_vec()))
    }

    /// Keys that begin with `prefix`, in order, with their values.
    pub fn scan(&self, prefix: &[u8]) -> Result<Vec<Pair>, Fault> {
        self.run(|sled| {
            let pairs = sled.scan_prefix(prefix);
            pairs.map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
        })
    }

    /// Reads everything once, so that damage shows now. Returns how many values there are.
    pub fn read_through(&self) -> Result<usize, Fault> {
        self.run(|sled| sled.iter().try_fold(0, |count, pair| pair.map(|_| count + 1)))
    }

    /// All of it or nothing. In the memory of this process until a flush.
    pub fn apply(&self, writes: Writes) -> Result<(), Fault> {
        if writes.is_empty() {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.run(|sled| sled.apply_batch(batch))
    }

    /// Hands everything to the operating system: survives the end of this process, not of the
    /// machine.
    pub fn flush_to_os(&self) -> Result<(), Fault> {
        self.run(|sled| sled.flush()).map(drop)
    }

    /// To the disk. sled's own flush is `sync_file_range`, which neither covers the file's metadata
    /// nor the disk's cache.
    pub fn flush_to_disk(&self) -> Result<(), Fault> {
        self.flush_to_os()?;
        self.file.sync_all().map_err(Fault::from)
    }

    fn run<T>(&self, operation: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, Fault> {
        let Some(sled) = self.sled.as_ref().filter(|_| !self.panicked.load(Ordering::Relaxed))
        else {
            return Err(Fault::Panicked("earlier".to_owned()));
        };
        let result = guard(|| operation(sled));
        if matches!(result, Err(Fault::Panicked(_))) {
            self.panicked.store(true, Ordering::Relaxed);
        }
        result
    }
}

/// sled flushes when it is dropped, and may panic where that fails.
impl Drop for Database {
    fn drop(&mut self) {
        let sled = self.sled.take();
        if let Err(fault) = guard(|| {
            drop(sled);
            Ok(())
        }) {
            tracing::error!(%fault, "the database did not close well");
        }
    }
}

/// A lock held elsewhere must not pass for damage, and sled reports it as an error like any other.
/// A store that this process has just closed may hold its file for a moment longer: sled ends on threads of its own.
fn wait_until_free(file: &Path) -> Result<(), Fault> {
    let until = Instant::now() + CLOSING;
    loop {
        match refuse_if_locked(file) {
            Err(Fault::InUse) if Instant::now() < until => std::thread::sleep(LOOK_AGAIN),
            other => return other,
        }
    }
}

fn refuse_if_locked(file: &Path) -> Result<(), Fault> {
    let file = match File::open(file) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match file.try_lock() {
        Ok(()) => Ok(file.unlock()?),
        Err(std::fs::TryLockError::WouldBlock) => Err(Fault::InUse),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// sled 0.34.7 takes a snapshot that a kill left half written for the newest one and then refuses
/// to open.
fn remove_unfinished_snapshots(dir: &Path) -> Result<(), Fault> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::info!(file = %name, "removing a half-written snapshot");
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn guard<T>(operation: impl FnOnce() -> sled::Result<T>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(result) => result.map_err(Fault::from),
        Err(panic) => {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            Err(Fault::Panicked(message.unwrap_or("without a message").to_owned()))
        }
    }
}

impl From<sled::Error> for Fault {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) if from_surroundings(&error) => Self::Surroundings(error),
            error => Self::Damaged(error.into()),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match from_surroundings(&error) {
            true => Self::Surroundings(error),
            false => Self::Damaged(error.into()),
        }
    }
}

/// Errors that another database in the same place would meet as well.
fn from_surroundings(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        error.kind(),
        K::PermissionDenied
            | K::StorageFull
            | K::QuotaExceeded
            | K::ReadOnlyFilesystem
            | K::OutOfMemory
            | K::ResourceBusy
            | K::StaleNetworkFileHandle
            | K::FileTooLarge
    ) || matches!(error.raw_os_error(), Some(EIO | EMFILE | ENFILE))
}

const EIO: i32 = 5;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
