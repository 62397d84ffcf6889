//! How a run begins: with the part file of an earlier one, or with the first answer and a new part file.

use super::{After, LONGEST_FILE, Phase, Run, Shared};
use crate::piece_map::PieceMap;
use crate::source::Source;
use crate::transfer::Transfer;
use crate::{
    Accepted, ByteRange, DownloadRecord, Effect, Failure, FailureCode, Found, LeaseId, MapChunk,
    Now, SourceId,
};

impl Run {
    pub(super) fn ask_first(&mut self, record: &DownloadRecord, now: Now, shared: &mut Shared) {
        self.map = PieceMap::default();
        self.map_loaded = true;
        // What is stored may be of a part file that is no more.
        self.clear_map = true;
        self.transfer = Transfer::whole(None);
        // One answer to begin with; how many connections come after it is settled when it is known that ranges work.
        self.transfer.add_source(SourceId::ORIGIN, Source::new(1, now.monotonic));
        self.phase = Phase::Asking;
        self.plan(record, now, shared);
    }

    pub(super) fn opened(
        &mut self,
        record: &mut DownloadRecord,
        chunks: &[MapChunk],
        now: Now,
        shared: &mut Shared,
    ) {
        let Some(found) = record.found.as_ref().filter(|_| self.phase == Phase::Opening) else {
            return;
        };
        self.phase = Phase::Fetching;
        self.map_loaded = true;
        let mut source = Source::new(record.spec.max_connections, now.monotonic);
        match found.identity.length.filter(|_| found.ranges) {
            Some(length) => {
                self.map = PieceMap::restore(chunks, &shared.boot_id);
                // After a crash the map may know of more than the count that was stored before it.
                for source in &mut record.sources {
                    source.received_bytes = source.received_bytes.max(self.map.bytes_of(source.id));
                }
                let missing = self.map.written().gaps(ByteRange::from_len(0, length));
                self.transfer = Transfer::ranged(missing);
            }
            None => {
                self.map = PieceMap::default();
                self.clear_map = true;
                self.transfer = Transfer::whole(None);
                source = Source::new(1, now.monotonic);
            }
        }
        self.bytes_at_save = self.map.bytes();
        self.bytes_at_sync = self.map.bytes();
        self.transfer.add_source(SourceId::ORIGIN, source);
    }

    pub(super) fn answered(
        &mut self,
        record: &mut DownloadRecord,
        lease: LeaseId,
        accepted: Accepted,
        suggested_name: Option<String>,
        now: Now,
        shared: &mut Shared,
    ) {
        self.wait_shown = None;
        match &self.phase {
            Phase::Asking => {
                if accepted.identity.length.is_some_and(|length| length > LONGEST_FILE) {
                    let failure = Failure::new(
                        FailureCode::Protocol,
                        "The server says that the file is larger than 2^53 bytes.",
                    );
                    return self.close(record, After::Fail(failure), now, shared);
                }
                let name =
                    record.spec.out.clone().or(suggested_name).unwrap_or_else(|| "download".into());
                shared.effects.push_back(Effect::CreatePart {
                    download: record.id,
                    dir: record.spec.dir.clone(),
                    name,
                    length: accepted.identity.length,
                });
                self.awaiting_part = true;
                self.phase = Phase::Naming { lease };
                self.accepted = Some(accepted);
            }
            Phase::Fetching => {
                // A whole stream that began again may be of another file by now: nothing of the old one is left.
                if self.transfer.is_whole()
                    && let Some(found) = &mut record.found
                {
                    let length = accepted.identity.length.filter(|_| accepted.ranges);
                    if length.is_some() {
                        // It serves ranges after all: the rest can be asked for.
                        found.ranges = true;
                        self.transfer.record_first_answer(
                            lease,
                            accepted.end,
                            length,
                            now.monotonic,
                        );
                    }
                    if found.identity != accepted.identity || length.is_some() {
                        found.identity = accepted.identity;
                        self.record_changed = true;
                    }
                }
            }
            _ => {}
        }
    }

    pub(super) fn part_created(
        &mut self,
        record: &mut DownloadRecord,
        name: String,
        part_name: String,
        shared: &mut Shared,
    ) {
        let Some(accepted) = &self.accepted else { return };
        let ranges = accepted.ranges && accepted.identity.length.is_some();
        record.found = Some(Found { identity: accepted.identity.clone(), ranges, name, part_name });
        self.record_changed = true;
        if let Phase::Naming { lease } = self.phase {
            self.phase = Phase::Recording { lease };
            if !self.persisting {
                self.persist(record, shared);
            }
        }
    }
}
