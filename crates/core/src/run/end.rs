//! How a run ends: its digest is checked, its part file is closed, or the finished file is in its place.

use super::*;
use crate::{Geometry, MAP_CELLS, What};

impl Run {
    pub(super) fn all_there(&mut self, record: &DownloadRecord, shared: &mut Shared) {
        if record.spec.sha256.is_some() {
            shared
                .effects
                .push_back(Effect::Digest { download: record.id, length: length_of(record) });
            self.phase = Phase::Digesting;
        } else {
            let name = record.found.as_ref().map(|found| found.name.clone()).unwrap_or_default();
            self.phase = Phase::Saving { name };
            self.record_changed = true;
        }
    }

    /// The digest of the whole file is known. When it is wrong and helpers fetched some of it, what they brought is thrown away
    /// and fetched again without them, before the file is called wrong.
    pub(super) fn digested(
        &mut self,
        record: &mut DownloadRecord,
        digest: Sha256Digest,
        now: Now,
        shared: &mut Shared,
    ) {
        if self.phase != Phase::Digesting {
            return;
        }
        let name = record.found.as_ref().map(|found| found.name.clone()).unwrap_or_default();
        let helpers: Vec<(PeerId, SourceId)> = record
            .sources
            .iter()
            .filter(|source| source.was_fetched())
            .filter(|source| self.map.bytes_of(source.id) > 0)
            .filter_map(|source| Some((source.peer?, source.id)))
            .collect();
        if record.spec.sha256 == Some(digest) {
            self.digest = Some(digest);
            self.phase = Phase::Saving { name };
        } else if helpers.is_empty() {
            self.digest = Some(digest);
            self.phase = Phase::Saving { name: format!("{name}.mismatch") };
        } else {
            for (peer, source) in helpers {
                self.map.forget_source(source);
                let end = WantedInput::End { peer, reason: HelpEnd::Mismatch };
                self.helping.handle(end, now.monotonic);
            }
            self.obey_helping(record, now, shared);
            let missing = self.map.written().gaps(ByteRange::from_len(0, length_of(record)));
            self.transfer = Transfer::ranged(missing);
            let source = Source::new(record.spec.max_connections, now.monotonic);
            self.transfer.add_source(SourceId::ORIGIN, source);
            self.add_helpers(record, now);
            self.phase = Phase::Fetching;
        }
    }

    pub(super) fn closed(
        &mut self,
        record: &mut DownloadRecord,
        now: Now,
        shared: &mut Shared,
    ) -> Outcome {
        let Phase::Closing(after) = self.phase.clone() else { return Outcome::Running };
        record.active_ms += self.running_for(now.monotonic).as_millis() as u64;
        match after {
            After::Pause => record.life = Life::Paused,
            After::Queue => record.life = Life::Queued,
            After::Fail(failure) => {
                if self.disk_failed {
                    self.map.keep_synced();
                }
                record.life = Life::Failed { failure };
            }
            After::StartOver => {
                self.clear_map = true;
                self.map = PieceMap::default();
                self.persist(record, shared);
                return Outcome::StartOver;
            }
            After::Remove => {
                if let Some(found) = record.found.as_ref().filter(|_| !self.part_open) {
                    let (dir, part_name) = (record.spec.dir.clone(), found.part_name.clone());
                    shared.effects.push_back(Effect::DiscardPart { dir, part_name });
                }
                return Outcome::Remove;
            }
        }
        self.persist(record, shared);
        Outcome::Ended
    }

    pub(super) fn finished(
        &mut self,
        record: &mut DownloadRecord,
        path: std::path::PathBuf,
        now: Now,
        shared: &mut Shared,
    ) -> Outcome {
        if self.phase != Phase::Finishing {
            return Outcome::Running;
        }
        record.active_ms += self.running_for(now.monotonic).as_millis() as u64;
        let wrong =
            self.digest.filter(|digest| record.spec.sha256.is_some_and(|wanted| wanted != *digest));
        record.life = match wrong {
            Some(digest) => {
                let message = format!(
                    "The file does not have the SHA-256 that was given: it has {digest}. It is kept as {}.",
                    path.display()
                );
                let failure = Failure::new(FailureCode::WrongDigest, message);
                Life::Failed { failure: failure.because(What::Digest, [&path.display(), &digest]) }
            }
            None => Life::Completed {
                bytes: record
                    .found
                    .as_ref()
                    .and_then(|found| found.identity.length)
                    .unwrap_or_default(),
                path,
                sha256: self.digest,
                verification: verification(record, self.digest),
                at_unix_ms: now.unix_ms,
            },
        };
        if wrong.is_some() {
            record.found = None;
        }
        // They are of no use any more, and may be secrets.
        record.spec.headers.clear();
        let reason = if wrong.is_some() { HelpEnd::Other } else { HelpEnd::Completed };
        self.helping.end_all(reason, now.monotonic);
        self.obey_helping(record, now, shared);
        record.brought_by = self.brought_by(record);
        self.map = PieceMap::default();
        self.clear_map = true;
        self.persist(record, shared);
        Outcome::Ended
    }

    /// What stays of the piece map when it is not needed any more: who brought what, as it is drawn.
    fn brought_by(&self, record: &DownloadRecord) -> Vec<SourceId> {
        let brought = |source: &&SourceRecord| self.map.bytes_of(source.id) > 0;
        if record.sources.iter().filter(brought).count() < 2 {
            return Vec::new();
        }
        let cells = Geometry::new(length_of(record)).cells(MAP_CELLS);
        let source = |cell: &ByteRange| self.map.share(*cell).source.unwrap_or(SourceId::ORIGIN);
        cells.iter().map(source).collect()
    }
}

/// On which rung a finished file stands.
fn verification(record: &DownloadRecord, digest: Option<Sha256Digest>) -> Verification {
    let validator = record.found.as_ref().map(|found| &found.identity.validator);
    let has_validator =
        validator.is_some_and(|v| v.etag.is_some() || v.last_modified_unix_s.is_some());
    // What relays carry is authenticated by the origin's TLS; what helpers fetch is not.
    let helped =
        record.sources.iter().any(|source| source.was_fetched() && source.received_bytes > 0);
    match (digest, record.spec.url.scheme()) {
        (Some(digest), _) if record.spec.sha256 == Some(digest) => Verification::Verified,
        (_, "https") if !helped => Verification::FromServer,
        _ if has_validator => Verification::Consistent,
        _ => Verification::Unchecked,
    }
}
