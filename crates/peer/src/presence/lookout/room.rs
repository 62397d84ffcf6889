//! Who is known of, and who makes room for whom.

use manyhands_core::PeerId;
use tokio::time::Instant;

use super::{Kind, Lookout, Peer, jitter, kind};
use crate::presence::merge::Said;

/// Peers that are known of. Of others only what servers say is kept, until there is room; friends are always taken in, and who is
/// only listed makes room first.
pub(super) const MAX_PEERS: usize = 2048;

impl Lookout {
    /// Somebody new, or somebody who waits for room.
    pub(super) fn take_in(&mut self, id: PeerId, said: Said, next: Instant) {
        if self.peers.len() >= MAX_PEERS && !self.make_room(id, &said) {
            self.waiting.put(id, said);
            return;
        }
        let peer = Peer {
            remote: None,
            said,
            hello: None,
            other: None,
            no_way: None,
            failures: 0,
            next,
            greeting: false,
            stale: false,
            spared: false,
            dialled: Default::default(),
            calls: false,
            doubted: false,
            attended: false,
        };
        self.peers.insert(id, peer);
        self.news.insert(id);
    }

    /// Those who were refused, once there is room; any of them, so that not everybody looks after the same.
    pub(super) fn take_in_who_waits(&mut self) {
        while self.peers.len() < MAX_PEERS
            && let Some((id, said)) = self.waiting.draw()
        {
            let soon = Instant::now() + jitter(self.spread());
            self.take_in(id, said, soon);
        }
    }

    /// Somebody who matters less goes.
    fn make_room(&mut self, id: PeerId, said: &Said) -> bool {
        let friends = self.friends.borrow();
        let comes = kind(&friends, &id, said);
        let goes = |(id, peer): &(&PeerId, &Peer)| {
            let of = kind(&friends, id, &peer.said);
            let less = match comes {
                Kind::Friend => of != Kind::Friend,
                Kind::Here => of == Kind::Listed,
                Kind::Listed => false,
            };
            less && peer.hello.is_none() && !peer.greeting
        };
        let idle = self.peers.iter().find(goes).map(|(id, _)| *id);
        drop(friends);
        let Some(idle) = idle else { return false };
        self.news.insert(idle);
        if let Some(peer) = self.peers.remove(&idle) {
            self.waiting.put(idle, peer.said);
        }
        true
    }
}
