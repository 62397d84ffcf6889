//! What can be seen of downloads.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Core;
use crate::help::AskState;
use crate::run::{After, Run};
use crate::source::Limit;
use crate::{DownloadId, DownloadRecord, Failure, Life, Now, PeerId, PieceMap, SourceId};

/// What a download does right now.
#[derive(Clone, Debug, PartialEq)]
pub enum DownloadState {
    Queued,
    /// `because`: what the last attempt met with.
    Connecting {
        because: Option<Failure>,
    },
    Downloading,
    Finishing,
    Paused,
    Completed,
    Failed(Failure),
}

/// What one peer does for this device now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brings {
    /// So many it helps with.
    pub downloads: u32,
    pub bytes_per_s: u64,
}

impl Core {
    /// The downloads in the order of the queue.
    pub fn records(&self) -> impl Iterator<Item = &DownloadRecord> {
        self.order.iter().filter_map(|id| self.record(*id))
    }

    #[must_use]
    pub fn record(&self, id: DownloadId) -> Option<&DownloadRecord> {
        self.downloads.get(&id).map(|download| &download.record)
    }

    #[must_use]
    pub fn state(&self, id: DownloadId) -> Option<DownloadState> {
        let download = self.downloads.get(&id)?;
        if let Some(after) = download.run.as_ref().and_then(Run::closing_for) {
            return Some(match after {
                After::Pause | After::Remove => DownloadState::Paused,
                After::Queue => DownloadState::Queued,
                After::StartOver => DownloadState::Connecting { because: None },
                // It has failed only when its part file is closed.
                After::Fail(why) => DownloadState::Connecting { because: Some(why.clone()) },
            });
        }
        Some(match (&download.run, &download.record.life) {
            (Some(run), _) if run.is_finishing() => DownloadState::Finishing,
            (Some(run), _) if run.is_connecting() => {
                DownloadState::Connecting { because: run.waiting_because().cloned() }
            }
            (Some(_), _) => DownloadState::Downloading,
            (None, Life::Queued) => DownloadState::Queued,
            (None, Life::Paused) => DownloadState::Paused,
            (None, Life::Completed { .. }) => DownloadState::Completed,
            (None, Life::Failed { failure }) => DownloadState::Failed(failure.clone()),
        })
    }

    #[must_use]
    pub fn is_running(&self, id: DownloadId) -> bool {
        self.running.contains(&id)
    }

    /// Bytes of an unfinished download that are there.
    #[must_use]
    pub fn bytes_on_disk(&self, id: DownloadId) -> u64 {
        let Some(download) = self.downloads.get(&id) else { return 0 };
        download
            .run
            .as_ref()
            .map_or(download.record.kept_bytes, |run| run.bytes_kept(&download.record))
    }

    /// The piece map of a download that runs, or has run in this process and is not finished.
    #[must_use]
    pub fn map(&self, id: DownloadId) -> Option<&PieceMap> {
        let download = self.downloads.get(&id)?;
        download.run.as_ref().map(|run| &run.map).or(download.last_map.as_ref())
    }

    /// Bytes a second from this source and its connections at work.
    #[must_use]
    pub fn throughput(&self, id: DownloadId, source: SourceId, now: Duration) -> (f64, u8) {
        let run = self.downloads.get(&id).and_then(|download| download.run.as_ref());
        run.map_or((0.0, 0), |run| (run.transfer.rate(source, now), run.transfer.busy(source)))
    }

    /// What keeps the origin from giving more, once that was measured.
    #[must_use]
    pub fn limit(&self, id: DownloadId) -> Option<Limit> {
        self.downloads.get(&id)?.run.as_ref()?.transfer.source(SourceId::ORIGIN)?.limit()
    }

    /// How long this download has been running, over all runs.
    #[must_use]
    pub fn active_for(&self, id: DownloadId, now: Duration) -> Duration {
        self.downloads.get(&id).map_or(Duration::ZERO, |download| {
            let running = download.run.as_ref().map_or(Duration::ZERO, |run| run.running_for(now));
            Duration::from_millis(download.record.active_ms) + running
        })
    }

    /// The peers that this download has asked.
    #[must_use]
    pub fn help(&self, id: DownloadId) -> Vec<(PeerId, String, AskState)> {
        let run = self.downloads.get(&id).and_then(|download| download.run.as_ref());
        let states = run.iter().flat_map(|run| run.helping.states());
        states.map(|(peer, name, state)| (peer, name.to_owned(), state)).collect()
    }

    /// What each peer that helps now brings, for all downloads together.
    #[must_use]
    pub fn brings(&self, now: Duration) -> BTreeMap<PeerId, Brings> {
        let mut brings: BTreeMap<PeerId, Brings> = BTreeMap::new();
        for record in self.records() {
            for (peer, _, state) in self.help(record.id) {
                if !matches!(state, AskState::Accepted { .. }) {
                    continue;
                }
                let sources = record.sources.iter().filter(|source| source.peer == Some(peer));
                let rate: f64 =
                    sources.map(|source| self.throughput(record.id, source.id, now).0).sum();
                let brings = brings.entry(peer).or_default();
                brings.downloads += 1;
                brings.bytes_per_s += rate as u64;
            }
        }
        brings
    }

    #[must_use]
    pub fn is_helped_by(&self, id: DownloadId, peer: PeerId) -> bool {
        self.help(id)
            .iter()
            .any(|(helper, _, state)| *helper == peer && matches!(state, AskState::Accepted { .. }))
    }

    /// Whether this peer could be asked for help now: the download runs or waits for its turn, its server answers ranges, and the
    /// peer is neither asked nor helping, nor has it refused a short time ago.
    #[must_use]
    pub fn may_ask_help(&self, id: DownloadId, peer: PeerId, now: Now) -> bool {
        let Some(download) = self.downloads.get(&id) else { return false };
        let Some(run) = &download.run else { return self.state(id) == Some(DownloadState::Queued) };
        let found = download.record.found.as_ref();
        found.is_none_or(|found| found.ranges)
            && matches!(
                self.state(id),
                Some(DownloadState::Connecting { .. } | DownloadState::Downloading)
            )
            && run.helping.may_ask(peer, now.monotonic)
    }
}
