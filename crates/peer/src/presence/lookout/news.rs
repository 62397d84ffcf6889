//! What there is to tell of a peer, and has not been told yet.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use manyhands_core::PeerId;
use manyhands_wire::Hello;

use super::Lookout;
use crate::discovery::HintOrigin;
use crate::presence::{NoWay, PresenceNews};

/// What has been told of a peer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    found: BTreeSet<HintOrigin>,
    hello: Option<Hello>,
    no_way: Option<NoWay>,
    /// A friend in whose place another device was found.
    other: Option<(PeerId, SocketAddr)>,
}

impl Lookout {
    pub(super) fn next_news(&mut self) -> Option<PresenceNews> {
        while let Some(id) = self.news.first().copied() {
            let peer = self.peers.get(&id);
            let told = self.told.entry(id).or_default();
            let found = peer.map(|peer| peer.said.origins()).unwrap_or_default();
            if told.found != found {
                told.found.clone_from(&found);
                return Some(PresenceNews::Found { id, by: found });
            }
            let other = peer.and_then(|peer| peer.other);
            let friend = self.friends.borrow().contains(&id);
            if let Some((found, at)) = other.filter(|_| friend)
                && told.other != Some((found, at))
            {
                told.other = Some((found, at));
                // Whether it is online is told after this.
                return Some(PresenceNews::OtherKey { id, found, at });
            }
            match peer.and_then(|peer| peer.remote.as_ref().zip(peer.hello.clone())) {
                Some((peer, hello)) => {
                    let back = other.is_none() && told.other.take().is_some();
                    told.no_way = None;
                    if back || told.hello.as_ref() != Some(&hello) {
                        told.hello = Some(hello.clone());
                        return Some(PresenceNews::Online { peer: peer.clone(), hello });
                    }
                }
                None if told.hello.take().is_some() => return Some(PresenceNews::Offline { id }),
                None => {
                    let no_way = peer.and_then(|peer| peer.no_way);
                    if let Some(why) = no_way
                        && told.no_way.replace(why) != Some(why)
                    {
                        return Some(PresenceNews::Unreachable { id, why });
                    }
                }
            }
            // There is nothing more to say about it.
            self.news.remove(&id);
            if peer.is_none() {
                self.told.remove(&id);
            }
        }
        None
    }
}
