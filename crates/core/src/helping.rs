//! Whom one running download wants help from, and what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::help::{AskState, HelpWanted, WantedBounds, WantedEffect, WantedInput};
use crate::{HelpEnd, PeerId};

/// A helper's connections at most; as with the origin's, they grow while they pay.
pub const HELPER_LANES: u8 = 4;
/// A helper that fails so often in a row, without a byte between, is given up.
pub const HELPER_TRIES: u32 = 3;

/// The peers of one running download.
#[derive(Debug, Default)]
pub struct Helping {
    wanted: Option<HelpWanted>,
    names: BTreeMap<PeerId, String>,
    /// Peers to be asked as soon as it is known what for.
    wishes: Vec<PeerId>,
}

impl Helping {
    /// The user wants this peer's help.
    pub fn wish(&mut self, peer: PeerId, name: String) {
        self.names.insert(peer, name);
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
        self.names.get(&peer).cloned().unwrap_or_else(|| peer.short())
    }

    /// Where the help of each peer stands.
    pub fn states(&self) -> impl Iterator<Item = (PeerId, &str, AskState)> {
        let states = self.wanted.iter().flat_map(HelpWanted::states);
        states.map(|(peer, state)| (peer, self.names.get(&peer).map_or("", String::as_str), state))
    }
}
