//! Where things lie in the database, and how records are written there.
//!
//! | key | value |
//! |---|---|
//! | `schema` | version of all of this, decimal |
//! | `generation` | of the last-good copy, decimal |
//! | `next` | the next download id, decimal |
//! | `settings` | JSON |
//! | `d/` id | a download without its sources, JSON |
//! | `r/` id, number | [`SOURCES_PER_VALUE`] of its sources, JSON |
//! | `p/` id, index | a portion of its piece map, see [`crate::map_chunk`] |
//! | `o/` number | [`IDS_PER_VALUE`] ids of the queue in order, 8 bytes each |
//! | `f/` peer id | a friend, JSON |
//! | `b/` peer id | a blocked device, JSON |
//! | `g/` group id | a group that this device is in, its secret included, JSON |
//! | `l/` day | what was lent on a day of the local calendar, JSON |
//!
//! Numbers in keys and the ids of the queue are big-endian. Sources lie apart since a download may
//! have a thousand, and the queue is cut since it may have ten thousand downloads: no value is over
//! 64 KiB.

use std::collections::BTreeMap;

use manyhands_core::{DownloadId, DownloadRecord, GroupId, LentDay, PeerId, SourceRecord};
use serde::de::DeserializeOwned;

use crate::database::{Database, Fault};
use crate::settings::{BlockedPeer, Friend, Group};

/// What this program writes and reads.
pub const SCHEMA: u64 = 1;
/// With the longest names that peers may have this stays below 64 KiB.
pub const SOURCES_PER_VALUE: usize = 64;
pub const IDS_PER_VALUE: usize = 4096;

pub const SCHEMA_KEY: &[u8] = b"schema";
pub const GENERATION_KEY: &[u8] = b"generation";
pub const NEXT_ID_KEY: &[u8] = b"next";
pub const SETTINGS_KEY: &[u8] = b"settings";
pub const DOWNLOADS: &[u8] = b"d/";
pub const SOURCES: &[u8] = b"r/";
pub const MAPS: &[u8] = b"p/";
pub const ORDER: &[u8] = b"o/";
pub const FRIENDS: &[u8] = b"f/";
pub const BLOCKED: &[u8] = b"b/";
pub const GROUPS: &[u8] = b"g/";
pub const LENT: &[u8] = b"l/";

pub fn download_key(id: DownloadId) -> Vec<u8> {
    [DOWNLOADS, &id.0.to_be_bytes()].concat()
}

/// All sources of a download begin with this.
pub fn sources_prefix(id: DownloadId) -> Vec<u8> {
    [SOURCES, &id.0.to_be_bytes()].concat()
}

pub fn sources_key(id: DownloadId, number: u32) -> Vec<u8> {
    [SOURCES, &id.0.to_be_bytes(), &number.to_be_bytes()].concat()
}

/// All portions of a piece map begin with this.
pub fn map_prefix(id: DownloadId) -> Vec<u8> {
    [MAPS, &id.0.to_be_bytes()].concat()
}

pub fn map_key(id: DownloadId, index: u32) -> Vec<u8> {
    [MAPS, &id.0.to_be_bytes(), &index.to_be_bytes()].concat()
}

pub fn order_key(number: u32) -> Vec<u8> {
    [ORDER, &number.to_be_bytes()].concat()
}

pub fn friend_key(id: &PeerId) -> Vec<u8> {
    [FRIENDS, id.as_bytes()].concat()
}

pub fn blocked_key(id: &PeerId) -> Vec<u8> {
    [BLOCKED, id.as_bytes()].concat()
}

pub fn group_key(id: &GroupId) -> Vec<u8> {
    [GROUPS, id.as_bytes()].concat()
}

/// In the order of the days, those before the beginning of the count too.
pub fn lent_key(day: i32) -> Vec<u8> {
    [LENT, &(day.cast_unsigned() ^ (1 << 31)).to_be_bytes()].concat()
}

/// The id behind a prefix of two bytes; whatever follows it is left out.
pub fn id_in(key: &[u8]) -> Option<DownloadId> {
    let id = key.get(2..10)?;
    Some(DownloadId(u64::from_be_bytes(id.try_into().ok()?)))
}

/// The number at the end of a key.
pub fn number_in(key: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*key.last_chunk()?))
}

pub fn decimal(db: &Database, key: &[u8]) -> Result<Option<u64>, Fault> {
    let Some(value) = db.get(key)? else { return Ok(None) };
    let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| Fault::Damaged(format!("{} is no number", show(key)).into()))
}

/// The ids of all downloads that are there, readable or not, in queue order: first as the order
/// says, then by age.
pub fn queue(db: &Database) -> Result<Vec<(DownloadId, Vec<u8>)>, Fault> {
    let mut rank = BTreeMap::new();
    for (_, ids) in db.scan(ORDER)? {
        for id in ids.as_chunks::<8>().0 {
            let next = rank.len();
            rank.entry(u64::from_be_bytes(*id)).or_insert(next);
        }
    }
    let stored = db.scan(DOWNLOADS)?;
    let mut queue: Vec<_> =
        stored.into_iter().filter_map(|(key, value)| Some((id_in(&key)?, value))).collect();
    queue.sort_by_key(|(id, _)| (rank.get(&id.0).copied().unwrap_or(usize::MAX), *id));
    Ok(queue)
}

/// Every download that this program can read. Another one stays where it is: a later program may
/// know it.
pub fn downloads(db: &Database) -> Result<Vec<DownloadRecord>, Fault> {
    let mut records = Vec::new();
    for (id, value) in queue(db)? {
        let key = download_key(id);
        let Some(mut record) = readable::<DownloadRecord>(&key, &value) else { continue };
        if record.id != id {
            tracing::warn!(key = show(&key), "a record says that it is another one: left out");
            continue;
        }
        record.sources.extend(sources(db, id)?);
        records.push(record);
    }
    Ok(records)
}

pub fn sources(db: &Database, id: DownloadId) -> Result<Vec<SourceRecord>, Fault> {
    let parts = db.scan(&sources_prefix(id))?;
    let parts = parts.iter().filter_map(|(key, value)| readable::<Vec<SourceRecord>>(key, value));
    Ok(parts.flatten().collect())
}

pub fn friends(db: &Database) -> Result<Vec<Friend>, Fault> {
    let stored = db.scan(FRIENDS)?;
    Ok(stored.iter().filter_map(|(key, value)| readable(key, value)).collect())
}

pub fn blocked(db: &Database) -> Result<Vec<BlockedPeer>, Fault> {
    let stored = db.scan(BLOCKED)?;
    Ok(stored.iter().filter_map(|(key, value)| readable(key, value)).collect())
}

pub fn groups(db: &Database) -> Result<Vec<Group>, Fault> {
    let stored = db.scan(GROUPS)?;
    Ok(stored.iter().filter_map(|(key, value)| readable(key, value)).collect())
}

pub fn lent(db: &Database) -> Result<Vec<LentDay>, Fault> {
    let stored = db.scan(LENT)?;
    Ok(stored.iter().filter_map(|(key, value)| readable(key, value)).collect())
}

fn readable<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Option<T> {
    let record = serde_json::from_slice(value);
    if let Err(error) = &record {
        // The text of a serde_json error names types and positions, not contents.
        tracing::warn!(key = show(key), %error, "a stored record cannot be read: left out");
    }
    record.ok()
}

/// A key for people: `d/0000000000000007`.
pub fn show(key: &[u8]) -> String {
    match key.split_at_checked(2) {
        Some((prefix @ [_, b'/'], rest)) => {
            let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}{rest}", String::from_utf8_lossy(prefix))
        }
        _ => String::from_utf8_lossy(key).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use manyhands_core::{
        DownloadSpec, EntityTag, Failure, FailureCode, Found, Identity, Life, SourceId, Validator,
        Verification,
    };

    use super::*;

    /// As version 1 writes it, with everything that it may hold.
    const GOLDEN: &str = r#"{"id":7,"spec":{"url":"https://example.org/a%20b.iso?x=1","dir":"/home/lin","out":"b.iso","sha256":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f","max_connections":8},"life":{"state":"completed","path":"/home/lin/b.iso","bytes":12,"sha256":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f","verification":"from-server","at_unix_ms":1764000001000},"added_unix_ms":1764000000000,"found":{"identity":{"length":12,"validator":{"etag":{"opaque":"\"e\"","weak":false},"last_modified_unix_s":5}},"ranges":true,"name":"b.iso","part_name":"b.iso.part"},"sources":[{"id":0,"peer":null,"name":"example.org","received_bytes":12}],"active_ms":900}"#;

    fn golden() -> DownloadRecord {
        let digest = manyhands_core::Sha256Digest(std::array::from_fn(|i| i as u8));
        DownloadRecord {
            id: DownloadId(7),
            spec: DownloadSpec {
                url: "https://example.org/a%20b.iso?x=1".parse().unwrap(),
                dir: PathBuf::from("/home/lin"),
                out: Some("b.iso".to_owned()),
                sha256: Some(digest),
                headers: Vec::new(),
                max_connections: 8,
            },
            life: Life::Completed {
                path: PathBuf::from("/home/lin/b.iso"),
                bytes: 12,
                sha256: Some(digest),
                verification: Verification::FromServer,
                at_unix_ms: 1_764_000_001_000,
            },
            added_unix_ms: 1_764_000_000_000,
            found: Some(Found {
                identity: Identity {
                    length: Some(12),
                    validator: Validator {
                        etag: EntityTag::parse("\"e\""),
                        last_modified_unix_s: Some(5),
                    },
                },
                ranges: true,
                name: "b.iso".to_owned(),
                part_name: "b.iso.part".to_owned(),
            }),
            sources: vec![SourceRecord {
                id: SourceId::ORIGIN,
                peer: None,
                mode: None,
                name: "example.org".to_owned(),
                received_bytes: 12,
            }],
            active_ms: 900,
            kept_bytes: 0,
            brought_by: Vec::new(),
        }
    }

    #[test]
    fn a_download_of_version_1_is_read() {
        assert_eq!(serde_json::from_str::<DownloadRecord>(GOLDEN).unwrap(), golden());
    }

    #[test]
    fn a_download_of_version_1_is_read_without_what_may_be_missing() {
        let stored = r#"{"id":7,"spec":{"url":"https://example.org/a%20b.iso?x=1","dir":"/home/lin","max_connections":8},
            "life":{"state":"queued"},"added_unix_ms":1764000000000}"#;
        let mut record = golden();
        record.spec.out = None;
        record.spec.sha256 = None;
        record.life = Life::Queued;
        record.found = None;
        record.sources.clear();
        record.active_ms = 0;
        assert_eq!(serde_json::from_str::<DownloadRecord>(stored).unwrap(), record);
    }

    #[test]
    fn every_life_of_version_1_is_read() {
        let failed = Failure::new(FailureCode::DiskFull, "no room in /home/lin");
        for (stored, life) in [
            (r#"{"state":"queued"}"#, Life::Queued),
            (r#"{"state":"paused"}"#, Life::Paused),
            (
                r#"{"state":"failed","failure":{"code":"disk-full","message":"no room in /home/lin"}}"#,
                Life::Failed { failure: failed },
            ),
        ] {
            assert_eq!(serde_json::from_str::<Life>(stored).unwrap(), life);
        }
    }

    #[test]
    fn a_source_of_version_1_is_read() {
        let peer = PeerId::from_digest([9; 32]);
        let stored = format!(r#"{{"id":3,"peer":"{peer}","name":"Mo","received_bytes":5}}"#);
        let source: SourceRecord = serde_json::from_str(&stored).unwrap();
        let name = "Mo".to_owned();
        let expected =
            SourceRecord { id: SourceId(3), peer: Some(peer), mode: None, name, received_bytes: 5 };
        assert_eq!(source, expected);
    }
}
