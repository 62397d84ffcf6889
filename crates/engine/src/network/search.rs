//! The search on the local network, which can be switched off and on while the program runs.

use std::collections::BTreeSet;

use manyhands_core::PeerId;
use manyhands_peer::{Discovered, Discovery, DiscoveryOptions, HintOrigin};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Hints of one search that wait to be handed on.
const MAX_WAITING_HINTS: usize = 16;

/// mDNS, on or off. Ends with [`Self::shutdown`]; also when it is dropped, but then nobody waits for the goodbye.
#[derive(Debug)]
pub struct LanSearch {
    on: watch::Sender<bool>,
    task: JoinHandle<()>,
}

struct Search<F> {
    options: F,
    hints: mpsc::Sender<Discovered>,
    /// Who was found, to be taken back when the search is switched off.
    told: BTreeSet<PeerId>,
}

impl LanSearch {
    /// `options` are asked for anew with each start.
    pub fn start(
        on: bool,
        options: impl Fn() -> DiscoveryOptions + Send + 'static,
        hints: mpsc::Sender<Discovered>,
    ) -> Self {
        let (on, wanted) = watch::channel(on);
        let search = Search { options, hints, told: BTreeSet::new() };
        Self { on, task: tokio::spawn(search.run(wanted)) }
    }

    /// Switched off, it says goodbye, and whom it has found is found by it no more.
    pub fn switch(&self, on: bool) {
        self.on.send_if_modified(|before| std::mem::replace(before, on) != on);
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        *self.on.borrow()
    }

    /// Says goodbye and waits until that is out.
    pub async fn shutdown(self) {
        drop(self.on);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the search on the local network ended badly");
        }
    }
}

impl<F: Fn() -> DiscoveryOptions> Search<F> {
    async fn run(mut self, mut wanted: watch::Receiver<bool>) {
        loop {
            if !*wanted.borrow_and_update() {
                if wanted.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let (sender, mut found) = mpsc::channel(MAX_WAITING_HINTS);
            let discovery = Discovery::start((self.options)(), sender);
            let ended = loop {
                tokio::select! {
                    changed = wanted.changed() => match changed {
                        Ok(()) if *wanted.borrow_and_update() => {}
                        changed => break changed.is_err(),
                    },
                    Some(hint) = found.recv() => self.hand_on(hint).await,
                }
            };
            discovery.shutdown().await;
            if ended {
                return;
            }
            for id in std::mem::take(&mut self.told) {
                let gone = Discovered::PeerGone { id, origin: HintOrigin::Lan };
                let _ = self.hints.send(gone).await;
            }
        }
    }

    async fn hand_on(&mut self, hint: Discovered) {
        match &hint {
            Discovered::PeerSeen { id, .. } => drop(self.told.insert(*id)),
            Discovered::PeerGone { id, .. } => drop(self.told.remove(id)),
        }
        // Nobody listens at the end of the program.
        let _ = self.hints.send(hint).await;
    }
}
