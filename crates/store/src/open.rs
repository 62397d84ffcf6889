//! Opening a profile, whatever state it was left in.
//!
//! A database that cannot be read from its beginning to its end, or that knows less than the
//! last-good copy, is set aside and the list rebuilt from the copy. The piece maps are gone then:
//! what they claimed is fetched again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Store;
use crate::changes::Changes;
use crate::database::{Database, Fault};
use crate::files;
use crate::last_good::{Content, LastGood};
use crate::records::{self, GENERATION_KEY, NEXT_ID_KEY, SCHEMA, SCHEMA_KEY};
use crate::store::{CopyState, StoreError};

/// So many damaged databases are kept for a look, the newest ones.
const MAX_SET_ASIDE: usize = 3;
const FIRST_ID: u64 = 1;
const SET_ASIDE_PREFIX: &str = "db.broken-";

/// How a profile was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// As it was left, or new.
    Clean,
    /// The database was damaged or missing; the list is that of the last-good copy, without piece
    /// maps. Tell the user.
    Rebuilt {
        /// Where the damaged one is now; `None` when there was none.
        set_aside: Option<PathBuf>,
        /// How many downloads were saved.
        downloads: usize,
    },
}

/// A profile cannot be opened. Nothing in it was changed, but for [`OpenError::Damaged`].
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another instance has it open.
    #[error("another program has {} open", path.display())]
    InUse { path: PathBuf },
    /// A later program wrote it. Use that one.
    #[error(
        "the list of downloads is of a later version ({found}; this program reads up to {ours})"
    )]
    Newer { found: u64, ours: u64 },
    /// No right, no room, no such disk. See to that and try again.
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The damaged database was set aside, if that was possible, and a new one does not work
    /// either.
    #[error("the list of downloads cannot be opened: {0}")]
    Damaged(String),
}

impl Store {
    /// Opens the profile in `data_dir`; makes it when missing (mode 0700). Hold a
    /// [`ProfileLock`](crate::ProfileLock).
    ///
    /// # Errors
    /// Only where the surroundings or another program are in the way: damage leads to
    /// [`Opened::Rebuilt`].
    pub fn open(data_dir: &Path) -> Result<(Self, Opened), OpenError> {
        let io = |source| OpenError::Io { path: data_dir.to_owned(), source };
        files::make_private_dir(data_dir).map_err(io)?;
        let (copy, dir) = (LastGood::in_dir(data_dir), data_dir.join("db"));
        let head = copy.head()?;
        let (db, set_aside) = match check(&dir, head.map(|head| head.generation)) {
            Ok(Checked::Complete(db)) => return finish(db, data_dir, copy, Opened::Clean),
            Ok(Checked::Empty(db)) if head.is_none() => {
                initialise(&db).map_err(|error| OpenError::of_store(&dir, error))?;
                return finish(db, data_dir, copy, Opened::Clean);
            }
            // Deleted, cut to nothing, or a rebuilding that was cut short.
            Ok(Checked::Empty(db)) => (db, None),
            Err(Trouble::Damaged(damage)) => {
                tracing::error!(damage, "the database cannot be used");
                let set_aside = set_aside(data_dir, &dir).map_err(io)?;
                let db = Database::open(&dir).map_err(|fault| OpenError::of_fault(&dir, fault))?;
                (db, Some(set_aside))
            }
            Err(Trouble::Other(error)) => return Err(error),
        };
        let content = copy.read()?.unwrap_or_else(|| Content::lost(unix_ms()));
        let downloads = content.restore(&db).map_err(|error| OpenError::of_store(&dir, error))?;
        tracing::warn!(downloads, ?set_aside, "rebuilt the list of downloads from its copy");
        finish(db, data_dir, copy, Opened::Rebuilt { set_aside, downloads })
    }
}

enum Checked {
    Complete(Database),
    /// Nothing in it at all.
    Empty(Database),
}

enum Trouble {
    Damaged(String),
    Other(OpenError),
}

/// Opens the database and reads all of it. `copied` is the generation of the last-good copy, if
/// there is one.
fn check(dir: &Path, copied: Option<u64>) -> Result<Checked, Trouble> {
    let db = Database::open(dir).map_err(|fault| Trouble::of(dir, fault))?;
    let empty = db.read_through().map_err(|fault| Trouble::of(dir, fault))? == 0;
    if empty {
        return Ok(Checked::Empty(db));
    }
    let number = |key| {
        let number = records::decimal(&db, key).map_err(|fault| Trouble::of(dir, fault))?;
        number.ok_or_else(|| Trouble::Damaged(format!("{} is missing", records::show(key))))
    };
    let schema = number(SCHEMA_KEY)?;
    if schema > SCHEMA {
        return Err(Trouble::Other(OpenError::Newer { found: schema, ours: SCHEMA }));
    }
    let generation = number(GENERATION_KEY)?;
    if copied.is_some_and(|copied| copied > generation) {
        return Err(Trouble::Damaged("it knows less than its copy".to_owned()));
    }
    number(NEXT_ID_KEY)?;
    Ok(Checked::Complete(db))
}

fn initialise(db: &Database) -> Result<(), StoreError> {
    let mut changes = Changes::new(db);
    changes.put_decimal(SCHEMA_KEY, SCHEMA)?;
    changes.put_decimal(GENERATION_KEY, 0)?;
    changes.put_decimal(NEXT_ID_KEY, FIRST_ID)?;
    db.apply(changes.into_writes())?;
    Ok(db.flush_to_disk()?)
}

fn finish(
    db: Database,
    data_dir: &Path,
    file: LastGood,
    opened: Opened,
) -> Result<(Store, Opened), OpenError> {
    let number = |key| {
        let number = records::decimal(&db, key);
        number.map_err(|fault| OpenError::of_fault(data_dir, fault))
    };
    let generation = number(GENERATION_KEY)?.unwrap_or(0);
    let next_id = number(NEXT_ID_KEY)?.unwrap_or(FIRST_ID);
    // Missing, damaged, or of before the last kill: the next flush writes it.
    let due = file.newest_generation() != Some(generation);
    let copy = CopyState { file, generation, due, last: None };
    Ok((Store::new(db, data_dir, next_id, copy), opened))
}

/// Moves the database at `dir` out of the way and returns where it is now.
fn set_aside(data_dir: &Path, dir: &Path) -> io::Result<PathBuf> {
    let mut older = Vec::new();
    for entry in std::fs::read_dir(data_dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(SET_ASIDE_PREFIX) {
            older.push(path);
        }
    }
    // The names have the same length until the year 2286.
    older.sort();
    let surplus = (older.len() + 1).saturating_sub(MAX_SET_ASIDE);
    for path in older.iter().take(surplus) {
        let removed = std::fs::remove_dir_all(path).or_else(|_| std::fs::remove_file(path));
        if let Err(error) = removed {
            tracing::warn!(path = %path.display(), %error, "an old damaged database stays");
        }
    }
    let mut at = unix_ms();
    let target = loop {
        let target = data_dir.join(format!("{SET_ASIDE_PREFIX}{at}"));
        if !target.exists() {
            break target;
        }
        at += 1;
    };
    std::fs::rename(dir, &target)?;
    files::sync_parent(&target)?;
    Ok(target)
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

impl Trouble {
    fn of(dir: &Path, fault: Fault) -> Self {
        match fault {
            Fault::Damaged(_) | Fault::Panicked(_) => Self::Damaged(fault.to_string()),
            fault => Self::Other(OpenError::of_fault(dir, fault)),
        }
    }
}

impl OpenError {
    fn of_fault(dir: &Path, fault: Fault) -> Self {
        let path = dir.to_owned();
        match fault {
            Fault::InUse => Self::InUse { path },
            Fault::Surroundings(source) => Self::Io { path, source },
            fault => Self::Damaged(fault.to_string()),
        }
    }

    fn of_store(dir: &Path, error: StoreError) -> Self {
        match error {
            StoreError::Io { source, .. } => Self::Io { path: dir.to_owned(), source },
            error => Self::Damaged(error.to_string()),
        }
    }
}
