//! Whom one running download wants help from, and what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::help::{AskState, HelpWanted, WantedBounds, WantedEffect, WantedInput};
use crate::{HelpEnd, HelpMode, PeerId};

/// A helper's connections at most; as with the origin's, they grow while they pay.
pub const HELPER_LANES: u8 = 4;
/// A helper that fails so often in a row, without a byte between, is given up.
pub const HELPER_TRIES: u32 = 3;
/// A helper whose requests lead to origins that it has not agreed to, so often in a row, without a byte between, is let go.
pub const ELSEWHERE_TRIES: u32 = 6;
/// For new origins a helper is asked so often in one run.
const ASKED_AGAIN: u32 = 3;

/// The peers of one running download.
#[derive(Debug, Default)]
pub struct Helping {
    wanted: Option<HelpWanted>,
    peers: BTreeMap<PeerId, Peer>,
    /// Peers to be asked as soon as it is known what for.
    wishes: Vec<PeerId>,
}

/// What is known of a peer that was wished for.
#[derive(Debug)]
struct Peer {
    name: String,
    mode: HelpMode,
    /// What it was asked for last …
    origins: Vec<Url>,
    /// … and how often because of another one.
    asked_again: u32,
}

impl Helping {
    /// The user wants this peer's help.
    pub fn wish(&mut self, peer: PeerId, name: String, mode: HelpMode) {
        let known = self.peers.entry(peer).or_insert_with(|| Peer {
            name: String::new(),
            mode,
            origins: Vec::new(),
            asked_again: 0,
        });
        known.name = name;
        // Who helps or is asked does so in the way that was agreed.
        let open = |state| matches!(state, AskState::Asked | AskState::Accepted { .. });
        if !self.wanted.as_ref().and_then(|wanted| wanted.state(peer)).is_some_and(open) {
            known.mode = mode;
        }
        if !self.wishes.contains(&peer) {
            self.wishes.push(peer);
        }
    }

    /// Whether a wish for this peer's help would be followed now.
    #[must_use]
    pub fn may_ask(&self, peer: PeerId, now: Duration) -> bool {
        !self.wishes.contains(&peer)
            && self.wanted.as_ref().is_none_or(|wanted| wanted.may_ask(peer, now))
    }

    /// Takes in a fact.
    pub fn handle(&mut self, input: WantedInput, now: Duration) {
        self.wanted
            .get_or_insert_with(|| HelpWanted::new(WantedBounds::default()))
            .handle(input, now);
    }

    /// Everything ends; who was only wished for is forgotten.
    pub fn end_all(&mut self, reason: HelpEnd, now: Duration) {
        self.wishes.clear();
        self.handle(WantedInput::EndAll { reason }, now);
    }

    /// Asks those who were wished for. Call when it is known what to ask for.
    pub fn ask(&mut self, now: Duration) {
        for peer in std::mem::take(&mut self.wishes) {
            self.handle(WantedInput::Ask { peer }, now);
        }
    }

    pub fn poll_effect(&mut self) -> Option<WantedEffect> {
        self.wanted.as_mut()?.poll_effect()
    }

    #[must_use]
    pub fn name(&self, peer: PeerId) -> String {
        self.peers.get(&peer).map_or_else(|| peer.short(), |known| known.name.clone())
    }

    /// How this peer helps, or would.
    #[must_use]
    pub fn mode(&self, peer: PeerId) -> HelpMode {
        self.peers.get(&peer).map_or(HelpMode::Fetch, |known| known.mode)
    }

    /// It is asked to connect to these.
    pub fn asked_for(&mut self, peer: PeerId, origins: &[Url]) {
        if let Some(known) = self.peers.get_mut(&peer) {
            known.origins = origins.to_vec();
        }
    }

    /// Asks a helper again if there is an origin that it has not been asked for. Servers that lead somewhere else each time do
    /// not make prompts without end.
    pub fn ask_again(&mut self, peer: PeerId, origins: &[Url], now: Duration) {
        let may = self.wanted.as_ref().is_some_and(|wanted| wanted.may_ask_again(peer));
        let Some(known) = self.peers.get_mut(&peer).filter(|_| may) else { return };
        let new = origins.iter().any(|origin| !known.origins.contains(origin));
        if new && known.asked_again < ASKED_AGAIN {
            known.asked_again += 1;
            self.handle(WantedInput::AskAgain { peer }, now);
        }
    }

    /// Whether a helper is being asked for more than it has agreed to.
    #[must_use]
    pub fn is_asked_again(&self, peer: PeerId) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| wanted.is_asked_again(peer))
    }

    /// Where the help of each peer stands.
    pub fn states(&self) -> impl Iterator<Item = (PeerId, &str, AskState)> {
        let states = self.wanted.iter().flat_map(HelpWanted::states);
        let name = |peer| self.peers.get(&peer).map_or("", |known| &*known.name);
        states.map(move |(peer, state)| (peer, name(peer), state))
    }
}
