//! Those about whom something was said, and for whom there was no room.
//!
//! Whoever tells of them tells it once: it is kept until somebody goes.

use std::collections::BTreeMap;

use manyhands_core::PeerId;

use super::merge::Said;
use crate::discovery::HintOrigin;

/// The largest groups of a few servers; those who are more are heard of again when they move.
const MAX_WAITING: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Waiting(BTreeMap<PeerId, Said>);

impl Waiting {
    pub(super) fn put(&mut self, id: PeerId, said: Said) {
        let room = self.0.len() < MAX_WAITING || self.0.contains_key(&id);
        if room && !said.is_empty() {
            self.0.insert(id, said);
        }
    }

    pub(super) fn take(&mut self, id: PeerId) -> Option<Said> {
        self.0.remove(&id)
    }

    /// One of them says so no more.
    pub(super) fn remove(&mut self, id: PeerId, origin: HintOrigin) {
        if let Some(said) = self.0.get_mut(&id) {
            said.remove(origin);
            if said.is_empty() {
                self.0.remove(&id);
            }
        }
    }

    /// Any one of them.
    pub(super) fn draw(&mut self) -> Option<(PeerId, Said)> {
        if self.0.is_empty() {
            return None;
        }
        let id = self.0.keys().nth(rand::random_range(0..self.0.len())).copied()?;
        self.0.remove_entry(&id)
    }
}
