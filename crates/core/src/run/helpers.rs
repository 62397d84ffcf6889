//! Helpers as sources of a running download.

use super::trouble::BUSY_PAUSE;
use super::*;
use crate::HelpMode;

impl Run {
    /// Carries out what was decided about helpers; one that has accepted is one more source.
    pub(super) fn obey_helping(
        &mut self,
        record: &mut DownloadRecord,
        now: Now,
        shared: &mut Shared,
    ) {
        while let Some(effect) = self.helping.poll_effect() {
            match effect {
                WantedEffect::Ask { peer } => {
                    let (Some(found), Some(final_url)) = (&record.found, &self.final_url) else {
                        continue;
                    };
                    let what = HelpOffer {
                        url: record.spec.url.clone(),
                        final_url: final_url.clone(),
                        file_name: found.name.clone(),
                        identity: found.identity.clone(),
                    };
                    shared.effects.push_back(Effect::AskHelp {
                        download: record.id,
                        peer,
                        what: Box::new(what),
                    });
                }
                WantedEffect::Withdraw { peer } => {
                    shared.effects.push_back(Effect::WithdrawHelp { download: record.id, peer });
                }
                WantedEffect::End { peer, reason } => {
                    let source = record.sources.iter().find(|source| source.peer == Some(peer));
                    let received_bytes = source.map_or(0, |source| source.received_bytes);
                    let used_bytes = source.map_or(0, |source| self.map.bytes_of(source.id));
                    shared.effects.push_back(Effect::EndHelp {
                        download: record.id,
                        peer,
                        reason,
                        received_bytes,
                        used_bytes,
                    });
                }
                WantedEffect::Changed { peer, state: AskState::Accepted { .. } } => {
                    let id = source_of_peer(record, peer, self.helping.name(peer));
                    self.transfer.add_source(id, Source::new(HELPER_LANES, now.monotonic));
                }
                WantedEffect::Changed { peer, .. } => {
                    let source = record.sources.iter().find(|source| source.peer == Some(peer));
                    for order in source
                        .map(|source| self.transfer.remove_source(source.id))
                        .unwrap_or_default()
                    {
                        self.carry_out(record, order, shared);
                    }
                }
            }
        }
    }

    /// Something went wrong with a helper: the download goes on without it at worst.
    pub(super) fn helper_trouble(
        &mut self,
        peer: PeerId,
        id: SourceId,
        brought: bool,
        trouble: FetchTrouble,
        now: Now,
        shared: &mut Shared,
    ) {
        let end = |reason| WantedInput::End { peer, reason };
        match trouble {
            FetchTrouble::Again => {
                self.back_off(id, brought, now, shared);
                if self.transfer.source(id).is_some_and(|source| source.failures() >= HELPER_TRIES)
                {
                    self.helping.handle(WantedInput::PeerLost { peer }, now.monotonic);
                }
            }
            FetchTrouble::After(pause) | FetchTrouble::Busy { wait: Some(pause) } => {
                if let Some(source) = self.transfer.source_mut(id) {
                    source.wait(now.monotonic, pause);
                }
            }
            FetchTrouble::Busy { wait: None } => {
                if let Some(source) = self.transfer.source_mut(id) {
                    source.wait(now.monotonic, BUSY_PAUSE);
                }
            }
            FetchTrouble::Refused | FetchTrouble::WholeOnly | FetchTrouble::Fatal => {
                self.helping.handle(end(HelpEnd::Other), now.monotonic);
            }
            FetchTrouble::Changed => self.helping.handle(end(HelpEnd::Mismatch), now.monotonic),
        }
    }
}

/// The place of a helper among the sources; the one that it had before, where it has helped already.
fn source_of_peer(record: &mut DownloadRecord, peer: PeerId, name: String) -> SourceId {
    if let Some(source) = record.sources.iter_mut().find(|source| source.peer == Some(peer)) {
        source.name = name;
        return source.id;
    }
    let id = SourceId(record.sources.iter().map(|source| source.id.0 + 1).max().unwrap_or(1));
    record.sources.push(SourceRecord {
        id,
        peer: Some(peer),
        mode: Some(HelpMode::Fetch),
        name,
        received_bytes: 0,
    });
    id
}
