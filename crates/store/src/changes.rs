//! Orders to the store, and how a list of them becomes one atomic batch.

use std::collections::BTreeSet;

use manyhands_core::{DownloadId, DownloadRecord, GroupId, Ledger, LentDay, MapChunk, PeerId};
use serde::Serialize;

use crate::database::{Database, Fault, MAX_VALUE_BYTES, Writes};
use crate::records::{
    self, IDS_PER_VALUE, LENT, NEXT_ID_KEY, ORDER, SETTINGS_KEY, SOURCES_PER_VALUE, blocked_key,
    download_key, friend_key, group_key, lent_key, map_key, map_prefix, order_key, show,
    sources_key, sources_prefix,
};
use crate::store::StoreError;
use crate::{BlockedPeer, Friend, Group, Settings, map_chunk};

/// One change of what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "lives from its making to `apply`, in short lists")]
pub enum Op {
    /// Adds a download, at the end of the queue, or replaces it in its place.
    PutDownload(DownloadRecord),
    /// With its piece map.
    RemoveDownload(DownloadId),
    /// Replaces the portion of the same index. Does nothing when the download is not there (any
    /// more).
    PutMapChunk(DownloadId, MapChunk),
    /// Forgets the whole piece map.
    ClearMap(DownloadId),
    /// The whole queue. Downloads that it leaves out come behind it, the oldest first.
    Order(Vec<DownloadId>),
    PutSettings(Settings),
    /// Adds a friend or replaces it.
    PutFriend(Friend),
    RemoveFriend(PeerId),
    /// Adds a blocked device or replaces it.
    PutBlocked(BlockedPeer),
    RemoveBlocked(PeerId),
    /// Adds a group or replaces it.
    PutGroup(Group),
    DeleteGroup(GroupId),
    /// Replaces what is known of this day. Days that are too many are forgotten, the earliest
    /// first, but never this one.
    PutLentDay(LentDay),
}

/// A batch in the making, seen over what is stored.
#[derive(Debug)]
pub struct Changes<'a> {
    db: &'a Database,
    writes: Writes,
    /// Whether the last-good copy should know: progress alone is not worth one.
    pub substantial: bool,
}

impl<'a> Changes<'a> {
    pub fn new(db: &'a Database) -> Self {
        Self { db, writes: Writes::new(), substantial: false }
    }

    pub fn into_writes(self) -> Writes {
        self.writes
    }

    pub fn add(&mut self, op: &Op) -> Result<(), StoreError> {
        match op {
            Op::PutDownload(record) => self.put_download(record),
            Op::RemoveDownload(id) => {
                self.remove(download_key(*id))?;
                self.remove_all(&sources_prefix(*id))?;
                self.remove_all(&map_prefix(*id))
            }
            Op::PutMapChunk(id, _) if self.get(&download_key(*id))?.is_none() => {
                tracing::debug!(%id, "a piece map came after its download was removed");
                Ok(())
            }
            Op::PutMapChunk(id, chunk) => {
                let key = map_key(*id, chunk.index);
                let value = map_chunk::encode(chunk).map_err(|why| refused(&key, why))?;
                self.put(key, value).map(drop)
            }
            Op::ClearMap(id) => self.remove_all(&map_prefix(*id)),
            Op::Order(ids) => self.put_order(ids),
            Op::PutSettings(settings) => {
                self.substantial |= self.put_json(SETTINGS_KEY.to_vec(), settings)?;
                Ok(())
            }
            Op::PutFriend(friend) => {
                self.substantial |= self.put_json(friend_key(&friend.id), friend)?;
                Ok(())
            }
            Op::RemoveFriend(id) => self.remove(friend_key(id)),
            Op::PutBlocked(blocked) => {
                self.substantial |= self.put_json(blocked_key(&blocked.id), blocked)?;
                Ok(())
            }
            Op::RemoveBlocked(id) => self.remove(blocked_key(id)),
            Op::PutGroup(group) => {
                self.substantial |= self.put_json(group_key(&group.id), group)?;
                Ok(())
            }
            Op::DeleteGroup(id) => self.remove(group_key(id)),
            Op::PutLentDay(day) => self.put_lent_day(day),
        }
    }

    /// Written every few seconds while something is lent: no reason for a copy.
    fn put_lent_day(&mut self, day: &LentDay) -> Result<(), StoreError> {
        let key = lent_key(day.day);
        self.put_json(key.clone(), day)?;
        let stored = self.db.scan(LENT)?.into_iter().map(|(key, _)| key);
        let pending =
            self.writes.iter().filter(|(key, value)| key.starts_with(LENT) && value.is_some());
        let known: BTreeSet<_> = stored.chain(pending.map(|(key, _)| key.clone())).collect();
        let surplus = known.len().saturating_sub(Ledger::MAX_DAYS);
        for old in known.into_iter().filter(|known| *known != key).take(surplus) {
            self.writes.insert(old, None);
        }
        Ok(())
    }

    fn put_download(&mut self, record: &DownloadRecord) -> Result<(), StoreError> {
        let next = match self.get(NEXT_ID_KEY)? {
            Some(next) => std::str::from_utf8(&next).ok().and_then(|n| n.parse().ok()).unwrap_or(0),
            None => 0,
        };
        if record.id.0 >= next {
            self.put_decimal(NEXT_ID_KEY, record.id.0.saturating_add(1))?;
        }
        for (number, sources) in (0_u32..).zip(record.sources.chunks(SOURCES_PER_VALUE)) {
            self.put_json(sources_key(record.id, number), &sources)?;
        }
        let used = record.sources.len().div_ceil(SOURCES_PER_VALUE) as u32;
        self.remove_from(&sources_prefix(record.id), used)?;

        let key = download_key(record.id);
        let plain = DownloadRecord { sources: Vec::new(), ..record.clone() };
        self.substantial |= match self.get(&key)? {
            Some(before) => match serde_json::from_slice::<DownloadRecord>(&before) {
                Ok(before) => {
                    // What grows with every byte is no change of the list.
                    let DownloadRecord { active_ms, kept_bytes, .. } = plain;
                    let sources = Vec::new();
                    DownloadRecord { sources, active_ms, kept_bytes, ..before } != plain
                }
                Err(_) => true,
            },
            None => true,
        };
        self.put_json(key, &plain).map(drop)
    }

    fn put_order(&mut self, ids: &[DownloadId]) -> Result<(), StoreError> {
        for (number, ids) in (0_u32..).zip(ids.chunks(IDS_PER_VALUE)) {
            let value = ids.iter().flat_map(|id| id.0.to_be_bytes()).collect();
            self.substantial |= self.put(order_key(number), value)?;
        }
        self.remove_from(ORDER, ids.len().div_ceil(IDS_PER_VALUE) as u32)
    }

    pub fn put_json(&mut self, key: Vec<u8>, value: &impl Serialize) -> Result<bool, StoreError> {
        let value = serde_json::to_vec(value).map_err(|error| refused(&key, &error.to_string()))?;
        self.put(key, value)
    }

    pub fn put_decimal(&mut self, key: &[u8], value: u64) -> Result<bool, StoreError> {
        self.put(key.to_vec(), value.to_string().into_bytes())
    }

    /// Whether this changes anything. The one way for a value into the database, and so the one
    /// place for its bound.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<bool, StoreError> {
        if value.len() > MAX_VALUE_BYTES {
            let why = format!("{} bytes are more than {MAX_VALUE_BYTES}", value.len());
            return Err(refused(&key, &why));
        }
        let changes = self.get(&key)?.as_ref() != Some(&value);
        if changes {
            self.writes.insert(key, Some(value));
        }
        Ok(changes)
    }

    fn remove(&mut self, key: Vec<u8>) -> Result<(), StoreError> {
        self.substantial |= self.get(&key)?.is_some();
        self.writes.insert(key, None);
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        match self.writes.get(key) {
            Some(pending) => Ok(pending.clone()),
            None => self.db.get(key),
        }
    }

    /// Also what this batch itself has put there.
    fn remove_all(&mut self, prefix: &[u8]) -> Result<(), StoreError> {
        self.remove_from(prefix, 0)
    }

    /// The keys with this prefix that end in `first` or a higher number.
    fn remove_from(&mut self, prefix: &[u8], first: u32) -> Result<(), StoreError> {
        let stored = self.db.scan(prefix)?.into_iter().map(|(key, _)| key);
        let pending = self.writes.keys().filter(|key| key.starts_with(prefix)).cloned();
        let keys: Vec<_> = stored.chain(pending).collect();
        for key in keys {
            if records::number_in(&key).is_some_and(|number| number >= first) {
                self.writes.insert(key, None);
            }
        }
        Ok(())
    }
}

fn refused(key: &[u8], why: &str) -> StoreError {
    StoreError::Refused { what: show(key), why: why.to_owned() }
}
