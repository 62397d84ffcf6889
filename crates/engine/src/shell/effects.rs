//! Carries out what the core orders: starts, cuts and stops fetches, and stores.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use manyhands_core::{ByteRange, DownloadId, Effect, Input, LeaseEnd, LeaseId, PeerId, SourceId};
use manyhands_origin::FetchRequest;
use manyhands_store::Op;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::fetch::{Bound, Fetch, PartWhen, Via};
use crate::shell::Shell;
use crate::writer::{Part, discard_part};

/// A fetch task as the shell sees it.
#[derive(Debug)]
pub struct Running {
    download: DownloadId,
    bound: Arc<Bound>,
    stop: CancellationToken,
    /// Lets a held body flow.
    proceed: Option<oneshot::Sender<Arc<Part>>>,
}

impl Shell {
    pub(super) fn carry_out_all(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::OpenPart { download, dir, found } => self.open_part(download, dir, found),
            Effect::CreatePart { download, dir, name, length } => {
                self.create_part(download, dir, name, length);
            }
            Effect::ClosePart { download, discard } => {
                let part = self.parts.remove(&download);
                if let Some(part) = &part {
                    part.closing.store(true, Ordering::Relaxed);
                }
                self.writer.close(download, part.filter(|_| discard));
            }
            Effect::Fetch {
                download,
                lease,
                source,
                helper,
                url,
                headers,
                asked,
                range,
                known,
                hold,
            } => {
                let request = FetchRequest { url, asked, headers, known };
                self.fetch(download, lease, source, request, range, hold, helper);
            }
            Effect::Proceed { lease } => {
                if let Some(running) = self.running.get_mut(&lease)
                    && let (Some(proceed), Some(part)) =
                        (running.proceed.take(), self.parts.get(&running.download))
                {
                    let _ = proceed.send(Arc::clone(part));
                }
            }
            Effect::AskHelp { download, peer, what } => self.ask_help(download, peer, *what),
            Effect::WithdrawHelp { download, peer } => {
                if let Some(network) = &mut self.network {
                    network.withdraw((download, peer));
                }
            }
            Effect::EndHelp { download, peer, reason, received_bytes, used_bytes } => {
                if let Some(network) = &mut self.network {
                    network.end_session((download, peer), reason, received_bytes, used_bytes);
                }
            }
            Effect::Cut { lease, to } => {
                if let Some(running) = self.running.get(&lease) {
                    let actual_end = running.bound.cut(to);
                    self.core.handle(Input::LeaseCut { lease, actual_end }, self.clock.now());
                }
            }
            Effect::Stop { lease } => {
                if let Some(running) = self.running.get(&lease) {
                    running.stop.cancel();
                }
            }
            Effect::Persist { download, record, clear_map, chunks, tell } => {
                let mut ops = vec![Op::PutDownload(*record)];
                ops.extend(clear_map.then_some(Op::ClearMap(download)));
                ops.extend(chunks.into_iter().map(|chunk| Op::PutMapChunk(download, chunk)));
                self.saver.apply(ops, tell.map(|run| (download, run)));
            }
            Effect::Forget { download } => {
                self.presenter.forget(download);
                self.saver.apply(vec![Op::RemoveDownload(download)], None);
            }
            Effect::SaveOrder { order } => self.saver.apply(vec![Op::Order(order)], None),
            Effect::Sync { download, run } => self.sync(download, run),
            Effect::Digest { download, length } => self.digest(download, length),
            Effect::Finish { download, name, length } => self.finish(download, name, length),
            Effect::DiscardPart { dir, part_name } => {
                tokio::task::spawn_blocking(move || discard_part(&dir.join(part_name)));
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one effect")]
    fn fetch(
        &mut self,
        download: DownloadId,
        lease: LeaseId,
        source: SourceId,
        request: FetchRequest,
        range: ByteRange,
        hold: bool,
        helper: Option<PeerId>,
    ) {
        let session =
            helper.map(|peer| self.network.as_ref()?.sessions.get(&(download, peer)).cloned());
        let via = match session {
            None => Via::Origin(self.origins.clone()),
            Some(Some(session)) => Via::Helper(session),
            Some(None) => {
                // It ended a moment ago; the core is about to hear of it.
                let (up_to, end) = (range.start(), LeaseEnd::Stopped);
                let ended = Input::LeaseEnded { lease, up_to, dropped_bytes: 0, end };
                return self.core.handle(ended, self.clock.now());
            }
        };
        let (proceed, part) = match self.parts.get(&download).filter(|_| !hold) {
            Some(part) => (None, PartWhen::Now(Arc::clone(part))),
            None => {
                let (proceed, part) = oneshot::channel();
                (Some(proceed), PartWhen::Later(part))
            }
        };
        let (bound, stop) = (Arc::new(Bound::new(range)), CancellationToken::new());
        let fetch = Fetch {
            lease,
            source,
            request,
            bound: Arc::clone(&bound),
            part,
            stop: stop.clone(),
            via,
            writer: self.writer.clone(),
            facts: self.facts.clone(),
        };
        self.running.insert(lease, Running { download, bound, stop, proceed });
        tokio::spawn(fetch.run());
    }
}
