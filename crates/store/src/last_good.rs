//! The last-good copy: everything but the piece maps as one plain JSON file beside the database.
//!
//! Records pass through it as they are, also those that only a later program can read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use manyhands_core::{DownloadId, DownloadRecord, GroupId, PeerId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Op;
use crate::changes::Changes;
use crate::database::Database;
use crate::files;
use crate::open::OpenError;
use crate::records::{
    self, BLOCKED, FRIENDS, GENERATION_KEY, GROUPS, LENT, NEXT_ID_KEY, SCHEMA, SCHEMA_KEY,
    SETTINGS_KEY, blocked_key, download_key, friend_key, group_key, lent_key,
};
use crate::store::StoreError;

/// A hundred thousand downloads need less; what is larger is no copy of ours.
const MAX_BYTES: u64 = 256 << 20;

/// How many ids a rebuilt list leaves out: downloads younger than the copy had some of them.
const ID_GAP: u64 = 1_000_000;

/// Where the copy lies.
#[derive(Debug)]
pub struct LastGood {
    path: PathBuf,
    /// The copy before, for the case that the newest one is damaged.
    before: PathBuf,
}

/// What the copy holds. Records are in their stored form, downloads with their sources and in queue
/// order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Content {
    #[serde(flatten)]
    pub head: Head,
    next_id: u64,
    #[serde(default)]
    settings: Value,
    #[serde(default)]
    friends: Vec<Value>,
    #[serde(default)]
    blocked: Vec<Value>,
    #[serde(default)]
    groups: Vec<Value>,
    /// As it was when something else changed: later than midnight, mostly less than was lent.
    #[serde(default)]
    lent: Vec<Value>,
    downloads: Vec<Value>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Head {
    schema: u64,
    /// Counts the copies. The database knows a generation before its copy is written.
    pub generation: u64,
}

impl LastGood {
    pub fn in_dir(data_dir: &Path) -> Self {
        let path = data_dir.join("downloads.json");
        Self { before: files::with_suffix(&path, ".bak"), path }
    }

    pub fn write(&self, content: &Content) -> Result<(), StoreError> {
        let io = |source| StoreError::Io { path: self.path.clone(), source };
        let bytes = serde_json::to_vec(content).map_err(|error| io(error.into()))?;
        files::replace(&self.path, &bytes, Some(&self.before)).map_err(io)
    }

    /// The newest readable copy's head.
    ///
    /// # Errors
    /// [`OpenError::Newer`]: a later program wrote it.
    pub fn head(&self) -> Result<Option<Head>, OpenError> {
        self.newest(|head: &Head| *head)
    }

    /// The generation of the newest copy, if that one is readable; the one before does not count.
    pub fn newest_generation(&self) -> Option<u64> {
        read(&self.path).ok().map(|head: Head| head.generation)
    }

    /// The newest readable copy; errors as [`Self::head`].
    pub fn read(&self) -> Result<Option<Content>, OpenError> {
        self.newest(|content: &Content| content.head)
    }

    fn newest<T: DeserializeOwned>(
        &self,
        head: impl Fn(&T) -> Head,
    ) -> Result<Option<T>, OpenError> {
        for path in [&self.path, &self.before] {
            let content = match read(path) {
                Ok(content) => content,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a copy of the list is damaged");
                    continue;
                }
            };
            let found = head(&content).schema;
            if found > SCHEMA {
                return Err(OpenError::Newer { found, ours: SCHEMA });
            }
            return Ok(Some(content));
        }
        Ok(None)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

impl Content {
    /// What `db` holds now.
    pub fn of(db: &Database, generation: u64) -> Result<Self, StoreError> {
        let mut downloads = Vec::new();
        for (id, stored) in records::queue(db)? {
            let Ok(mut record) = serde_json::from_slice::<Value>(&stored) else { continue };
            let sources = records::sources(db, id)?;
            if let (Value::Object(fields), false) = (&mut record, sources.is_empty()) {
                let sources = serde_json::to_value(sources).unwrap_or_default();
                fields.insert("sources".to_owned(), sources);
            }
            downloads.push(record);
        }
        let json = |stored: &[u8]| serde_json::from_slice::<Value>(stored).ok();
        let all = |prefix| -> Result<Vec<Value>, StoreError> {
            Ok(db.scan(prefix)?.iter().filter_map(|(_, stored)| json(stored)).collect())
        };
        Ok(Self {
            head: Head { schema: SCHEMA, generation },
            next_id: records::decimal(db, NEXT_ID_KEY)?.unwrap_or(0),
            settings: db.get(SETTINGS_KEY)?.as_deref().and_then(json).unwrap_or_default(),
            friends: all(FRIENDS)?,
            blocked: all(BLOCKED)?,
            groups: all(GROUPS)?,
            lent: all(LENT)?,
            downloads,
        })
    }

    /// The content of a profile of which nothing is left. Ids that were given are not known any
    /// more: those that follow begin with the time in seconds, which no profile has reached by
    /// counting.
    pub fn lost(unix_ms: u64) -> Self {
        let head = Head { schema: SCHEMA, generation: 0 };
        Self {
            head,
            next_id: unix_ms / 1000,
            settings: Value::Null,
            friends: Vec::new(),
            blocked: Vec::new(),
            groups: Vec::new(),
            lent: Vec::new(),
            downloads: Vec::new(),
        }
    }

    /// Fills an empty database, in one batch; what does not fit into it is left out. Returns how
    /// many downloads it has then.
    pub fn restore(self, db: &Database) -> Result<usize, StoreError> {
        let mut changes = Changes::new(db);
        changes.put_decimal(SCHEMA_KEY, self.head.schema)?;
        changes.put_decimal(GENERATION_KEY, self.head.generation)?;
        let mut order = Vec::new();
        for record in &self.downloads {
            let Some(id) = record.get("id").and_then(Value::as_u64).map(DownloadId) else {
                tracing::warn!("a copied download has no id: left out");
                continue;
            };
            let put = match serde_json::from_value::<DownloadRecord>(record.clone()) {
                Ok(record) => changes.add(&Op::PutDownload(record)),
                Err(_) => changes.put_json(download_key(id), record).map(drop),
            };
            match put {
                Ok(()) => order.push(id),
                Err(StoreError::Refused { what, why }) => tracing::warn!(what, why, "left out"),
                Err(error) => return Err(error),
            }
        }
        let past_ids = order.iter().map(|id| id.0.saturating_add(1)).max();
        let next_id = self.next_id.max(past_ids.unwrap_or(0)).saturating_add(ID_GAP);
        changes.put_decimal(NEXT_ID_KEY, next_id)?;
        let count = order.len();
        changes.add(&Op::Order(order))?;
        for (records, key) in
            [(&self.friends, friend_key as fn(&PeerId) -> Vec<u8>), (&self.blocked, blocked_key)]
        {
            for record in records {
                let id = record.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
                if let Some(id) = id {
                    changes.put_json(key(&id), record)?;
                }
            }
        }
        for record in &self.groups {
            let id = record.get("id").and_then(Value::as_str);
            if let Some(id) = id.and_then(|id| id.parse::<GroupId>().ok()) {
                changes.put_json(group_key(&id), record)?;
            }
        }
        for record in &self.lent {
            let day = record.get("day").and_then(Value::as_i64);
            if let Some(day) = day.and_then(|day| i32::try_from(day).ok()) {
                changes.put_json(lent_key(day), record)?;
            }
        }
        if self.settings.is_object() {
            changes.put_json(SETTINGS_KEY.to_vec(), &self.settings)?;
        }
        db.apply(changes.into_writes())?;
        db.flush_to_disk()?;
        Ok(count)
    }
}
