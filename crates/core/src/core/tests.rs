//! The tick, and part files that are gone or somebody else's.

use super::*;
use crate::{DownloadSpec, Found, Identity, Life, MapChunk, SourceId};

fn at(ms: u64) -> Now {
    Now { monotonic: Duration::from_millis(ms), unix_ms: ms }
}

#[test]
fn facts_about_others_do_not_put_off_the_tick() {
    let mut core = Core::new(Vec::new(), 1, 3, "boot".into(), 1);
    assert_eq!(core.poll_timeout(), None);
    let spec = DownloadSpec {
        url: "http://example.org/a".parse().unwrap(),
        dir: "/d".into(),
        out: None,
        sha256: None,
        headers: Vec::new(),
        max_connections: 1,
    };
    core.add(spec, at(1000));
    core.handle(Input::Tick, at(1000));
    let due = core.poll_timeout().unwrap();
    for ms in (1010..1250).step_by(10) {
        core.handle(Input::Progress { lease: LeaseId(99), up_to: ms }, at(ms));
        assert_eq!(core.poll_timeout(), Some(due));
    }
    core.handle(Input::Tick, at(1250));
    assert!(core.poll_timeout().unwrap() > due);
}

const NOW: Now = Now { monotonic: Duration::from_secs(1), unix_ms: 1 };

/// A core that has just been started with an unfinished download of ten bytes, whose part file is gone.
fn without_part(written: u64) -> (Core, DownloadId) {
    let id = DownloadId(1);
    let identity = Identity { length: Some(10), ..Identity::default() };
    let record = DownloadRecord {
        id,
        spec: DownloadSpec {
            url: "http://a.example/f".parse().unwrap(),
            dir: "/d".into(),
            out: None,
            sha256: None,
            headers: Vec::new(),
            max_connections: 8,
        },
        life: Life::Queued,
        added_unix_ms: 0,
        found: Some(Found { identity, ranges: true, name: "f".into(), part_name: "f.part".into() }),
        sources: Vec::new(),
        active_ms: 0,
        kept_bytes: 0,
        brought_by: Vec::new(),
    };
    let mut core = Core::new(vec![record], 2, 3, "this boot".into(), 1);
    core.handle(Input::Tick, NOW);
    assert!(matches!(core.poll_effect(), Some(Effect::OpenPart { .. })));
    let chunk = MapChunk {
        index: 0,
        boot_id: "an earlier boot".into(),
        written: vec![(0, written, SourceId::ORIGIN)],
        synced: Vec::new(),
    };
    let finished = Some(("/d/f".into(), vec![chunk]));
    core.handle(Input::PartMissing { download: id, finished }, NOW);
    (core, id)
}

#[test]
fn a_part_file_that_another_download_made_is_neither_deleted_nor_written_to() {
    let record = |id, link: &str, life| DownloadRecord {
        id: DownloadId(id),
        spec: DownloadSpec {
            url: link.parse().unwrap(),
            dir: "/d".into(),
            out: Some("f".into()),
            sha256: None,
            headers: Vec::new(),
            max_connections: 8,
        },
        life,
        added_unix_ms: 0,
        found: Some(Found {
            identity: Identity { length: Some(10), ..Identity::default() },
            ranges: true,
            name: "f".into(),
            part_name: format!("f.{id}.part"),
        }),
        sources: Vec::new(),
        active_ms: 0,
        kept_bytes: 5,
        brought_by: Vec::new(),
    };
    let records = vec![
        record(1, "http://a.example/1", Life::Queued),
        record(2, "http://a.example/2", Life::Paused),
    ];
    let mut core = Core::new(records, 3, 3, "this boot".into(), 1);
    core.handle(Input::Tick, NOW);
    let (first, second) = (DownloadId(1), DownloadId(2));
    // Both part files were taken away; the first download makes one of the second's name.
    core.handle(Input::PartMissing { download: first, finished: None }, NOW);
    let asks = std::iter::from_fn(|| core.poll_effect()).find_map(|effect| match effect {
        Effect::Fetch { lease, .. } => Some(lease),
        _ => None,
    });
    let accepted = crate::Accepted {
        start: 0,
        end: Some(10),
        ranges: true,
        identity: Identity { length: Some(10), ..Identity::default() },
    };
    let answered = Input::Answered {
        lease: asks.unwrap(),
        accepted,
        suggested_name: None,
        origins: vec!["http://a.example/".parse().unwrap()],
    };
    core.handle(answered, NOW);
    let part_name = "f.2.part".to_owned();
    core.handle(Input::PartCreated { download: first, name: "f".into(), part_name }, NOW);
    assert_eq!(core.record(second).unwrap().found, None);
    assert_eq!(core.bytes_on_disk(second), 0);
    core.remove(second, NOW).unwrap();
    let mut effects = std::iter::from_fn(|| core.poll_effect());
    assert!(!effects.any(|effect| matches!(effect, Effect::DiscardPart { .. })));
}

#[test]
fn a_file_that_was_renamed_just_before_a_crash_is_complete() {
    let (core, id) = without_part(10);
    assert_eq!(core.state(id), Some(DownloadState::Completed));
}

#[test]
fn a_file_that_could_not_have_been_finished_is_somebody_elses() {
    let (mut core, id) = without_part(9);
    assert!(matches!(core.state(id), Some(DownloadState::Connecting { .. })));
    let mut effects = std::iter::from_fn(|| core.poll_effect());
    assert!(effects.any(|effect| matches!(effect, Effect::Fetch { hold: true, .. })));
}
