//! What several tests make stores of.

use manyhands_core::{
    DEFAULT_CONNECTIONS, DownloadId, DownloadRecord, DownloadSpec, Life, MAP_CHUNK_BYTES,
    MAP_CHUNK_ENTRIES, MapChunk, SourceId,
};

pub fn download(id: u64) -> DownloadRecord {
    DownloadRecord {
        id: DownloadId(id),
        spec: DownloadSpec {
            url: format!("https://example.org/files/{id}.bin").parse().unwrap(),
            dir: "/home/lin/Downloads".into(),
            out: None,
            sha256: None,
            headers: Vec::new(),
            max_connections: DEFAULT_CONNECTIONS,
        },
        life: Life::Queued,
        added_unix_ms: 1_764_000_000_000 + id,
        found: None,
        sources: Vec::new(),
        active_ms: 0,
        kept_bytes: 0,
        brought_by: Vec::new(),
    }
}

/// A portion with the given number of ranges, each half of its share of the portion.
pub fn chunk(index: u32, entries: usize) -> MapChunk {
    assert!((1..=MAP_CHUNK_ENTRIES).contains(&entries));
    let step = MAP_CHUNK_BYTES / entries as u64;
    let ranges = (0..entries as u64).map(|i| {
        let start = u64::from(index) * MAP_CHUNK_BYTES + i * step;
        (start, start + step / 2)
    });
    MapChunk {
        index,
        boot_id: "5c1f4c86-1b0e-4bd1-a0b3-0d5b3a2b9f7e".to_owned(),
        written: ranges.clone().map(|(start, end)| (start, end, SourceId(3))).collect(),
        synced: ranges.collect(),
    }
}
