//! Helpers as sources of a running download.

use super::trouble::BUSY_PAUSE;
use super::*;
use crate::help::{GainOrder, Seen, is_relayable};

/// What TLS and HTTP add to what a relay carries: a twentieth, more than records need, …
const RELAY_SHARE: u64 = 20;
/// … and the handshakes of many connections.
const RELAY_EXTRA: u64 = 1 << 20;
/// A redirect chain has at most ten hops.
const MAX_ORIGINS: usize = 11;

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
                    let Some(what) = self.offer(record, peer) else {
                        let end = WantedInput::End { peer, reason: HelpEnd::Other };
                        self.helping.handle(end, now.monotonic);
                        continue;
                    };
                    self.helping.asked_for(peer, &what.origins);
                    shared.effects.push_back(Effect::AskHelp {
                        download: record.id,
                        peer,
                        what: Box::new(what),
                    });
                }
                WantedEffect::Withdraw { peer } => {
                    shared.effects.push_back(Effect::WithdrawHelp { download: record.id, peer });
                }
                WantedEffect::End { peer, reason } => self.end_help(record, peer, reason, shared),
                WantedEffect::Replace { peer } => {
                    let mine = record.sources.iter().filter(|source| source.peer == Some(peer));
                    for id in mine.map(|source| source.id) {
                        if let Some(source) = self.transfer.source_mut(id) {
                            source.forget_elsewhere();
                        }
                        for order in self.transfer.interrupt(id) {
                            self.carry_out(record, order, shared);
                        }
                    }
                    self.end_help(record, peer, HelpEnd::Replaced, shared);
                }
                WantedEffect::Changed { peer, state: AskState::Accepted { .. } } => {
                    let (name, mode) = (self.helping.name(peer), self.helping.mode(peer));
                    let id = source_of_peer(record, peer, mode, name);
                    if self.transfer.source(id).is_none() {
                        self.transfer.add_source(id, Source::new(HELPER_LANES, now.monotonic));
                    }
                }
                WantedEffect::Changed { peer, .. } => {
                    let mine = record.sources.iter().filter(|source| source.peer == Some(peer));
                    let orders: Vec<_> =
                        mine.flat_map(|source| self.transfer.remove_source(source.id)).collect();
                    for order in orders {
                        self.carry_out(record, order, shared);
                    }
                }
            }
        }
    }

    fn end_help(
        &self,
        record: &DownloadRecord,
        peer: PeerId,
        reason: HelpEnd,
        shared: &mut Shared,
    ) {
        let sources = || record.sources.iter().filter(|source| source.peer == Some(peer));
        shared.effects.push_back(Effect::EndHelp {
            download: record.id,
            peer,
            reason,
            received_bytes: sources().map(|source| source.received_bytes).sum(),
            used_bytes: sources().map(|source| self.map.bytes_of(source.id)).sum(),
        });
    }

    /// Those that help at this moment, as sources of a new beginning.
    pub(super) fn add_helpers(&mut self, record: &mut DownloadRecord, now: Now) {
        let accepted = |state| matches!(state, AskState::Accepted { .. });
        let states = self.helping.states().filter(|(_, _, state)| accepted(*state));
        for peer in states.map(|(peer, _, _)| peer).collect::<Vec<_>>() {
            let (name, mode) = (self.helping.name(peer), self.helping.mode(peer));
            let id = source_of_peer(record, peer, mode, name);
            self.transfer.add_source(id, Source::new(HELPER_LANES, now.monotonic));
        }
    }

    /// What this peer is asked for; `None` where it cannot help: a relay must see by its name where a tunnel leads.
    fn offer(&self, record: &DownloadRecord, peer: PeerId) -> Option<HelpOffer> {
        let found = record.found.as_ref()?;
        let mode = self.helping.mode(peer);
        let length = found.identity.length;
        let budget_bytes = match mode {
            HelpMode::Fetch => length,
            HelpMode::Relay => length.map(|length| length + length / RELAY_SHARE + RELAY_EXTRA),
        };
        if mode == HelpMode::Relay && !self.origins.iter().all(is_relayable) {
            return None;
        }
        Some(HelpOffer {
            mode,
            url: record.spec.url.clone(),
            origins: self.origins.clone(),
            budget_bytes: budget_bytes.unwrap_or(LONGEST_FILE).min(LONGEST_FILE),
            file_name: found.name.clone(),
            identity: found.identity.clone(),
        })
    }

    /// The way of an answer, from the link's own origin on.
    pub(super) fn remember_origins(&mut self, origins: Vec<Url>) {
        for origin in origins {
            if self.origins.len() < MAX_ORIGINS && !self.origins.contains(&origin) {
                self.origins.push(origin);
            }
        }
    }

    /// A helper was led to an origin that it has not agreed to: it is asked again, with that one named. Meanwhile, and when it
    /// says no, it goes on where it may; one whose every request leads elsewhere is let go.
    pub(super) fn leads_elsewhere(
        &mut self,
        record: &DownloadRecord,
        id: SourceId,
        to: Option<Url>,
        now: Now,
        shared: &mut Shared,
    ) {
        self.remember_origins(to.into_iter().collect());
        let source = record.sources.iter().find(|source| source.id == id);
        let Some(peer) = source.and_then(|source| source.peer) else { return };
        let Some(source) = self.transfer.source_mut(id) else { return };
        source.record_elsewhere(now.monotonic, shared.jitter());
        let tries = source.elsewhere();
        if self.offer(record, peer).is_some() {
            self.helping.ask_again(peer, &self.origins, now.monotonic);
        }
        if tries >= ELSEWHERE_TRIES && !self.helping.is_asked_again(peer) {
            let end = WantedInput::End { peer, reason: HelpEnd::Elsewhere };
            self.helping.handle(end, now.monotonic);
        }
    }

    /// Lets helpers go that bring nothing.
    pub(super) fn look_at_gain(&mut self, record: &DownloadRecord, now: Now, shared: &mut Shared) {
        let seen: Vec<Seen> = self.transfer.sources(now.monotonic).collect();
        for order in self.gain.look(&seen, self.transfer.left(), now.monotonic) {
            match order {
                GainOrder::Pause { sources, until } => {
                    for source in sources {
                        for order in self.transfer.pause(source, until) {
                            self.carry_out(record, order, shared);
                        }
                    }
                }
                GainOrder::GoOn { sources } => {
                    for id in sources {
                        if let Some(source) = self.transfer.source_mut(id) {
                            source.pause(now.monotonic);
                        }
                    }
                }
                GainOrder::Release { sources } => self.release(record, &sources, now),
            }
        }
    }

    fn release(&mut self, record: &DownloadRecord, sources: &[SourceId], now: Now) {
        for source in record.sources.iter().filter(|source| sources.contains(&source.id)) {
            if let Some(peer) = source.peer {
                let end = WantedInput::End { peer, reason: HelpEnd::NoGain };
                self.helping.handle(end, now.monotonic);
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
        let others = self.transfer.busy(id);
        match trouble {
            FetchTrouble::Refused | FetchTrouble::Busy { .. } if others > 0 => {
                // A limit to learn, as with the origin: those that run go on as they are.
                if let Some(source) = self.transfer.source_mut(id) {
                    source.limit_lanes(others);
                    if let FetchTrouble::Busy { wait: Some(pause) } = trouble {
                        source.wait(now.monotonic, pause);
                    }
                }
            }
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
            // A relay cannot have changed what is authenticated: it is the origin that gives it other bytes.
            FetchTrouble::Changed if self.helping.mode(peer) == HelpMode::Relay => {
                self.helping.handle(end(HelpEnd::Other), now.monotonic);
            }
            FetchTrouble::Changed | FetchTrouble::Tampered => {
                self.helping.handle(end(HelpEnd::Mismatch), now.monotonic);
            }
        }
    }
}

/// The place of a helper among the sources; the one that it had before, where it has helped already.
fn source_of_peer(
    record: &mut DownloadRecord,
    peer: PeerId,
    mode: HelpMode,
    name: String,
) -> SourceId {
    let same = |source: &&mut SourceRecord| (source.peer, source.mode) == (Some(peer), Some(mode));
    if let Some(source) = record.sources.iter_mut().find(same) {
        source.name = name;
        return source.id;
    }
    let id = SourceId(record.sources.iter().map(|source| source.id.0 + 1).max().unwrap_or(1));
    record.sources.push(SourceRecord {
        id,
        peer: Some(peer),
        mode: Some(mode),
        name,
        received_bytes: 0,
    });
    id
}
