//! Who owns a part file. It has one owner: whoever makes it takes its name from all others that knew it.

use super::{Core, Download};
use crate::{DownloadId, Effect, FailureCode, Life};

impl Core {
    /// A part file that this download has just made had no other owner: whoever knew one by this name has lost it.
    pub(super) fn claim_part(&mut self, id: DownloadId) {
        let place = |download: &Download| {
            let found = download.record.found.as_ref()?;
            Some((download.record.spec.dir.clone(), found.part_name.clone()))
        };
        let Some(mine) = self.downloads.get(&id).and_then(place) else { return };
        for (_, other) in self.downloads.iter_mut().filter(|(other, _)| **other != id) {
            let unfinished = !matches!(other.record.life, Life::Completed { .. });
            // One that runs holds its own file open and notices at the end that its name is somebody else's.
            if unfinished && other.run.is_none() && place(other).as_ref() == Some(&mine) {
                other.record.found = None;
                other.record.kept_bytes = 0;
                other.last_map = None;
                self.shared.effects.push_back(Effect::Persist {
                    download: other.record.id,
                    record: Box::new(other.record.clone()),
                    clear_map: true,
                    chunks: Vec::new(),
                    tell: None,
                });
            }
        }
    }
}

/// What lies under the names of this download is not its to delete: the finished file, or somebody else's part file.
pub(super) fn keeps_its_file(life: &Life) -> bool {
    match life {
        Life::Completed { .. } => true,
        Life::Failed { failure } => failure.code == FailureCode::PartLost,
        Life::Queued | Life::Paused => false,
    }
}
