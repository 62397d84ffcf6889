//! Keeps this device listed: the session, what is published, and what is asked of the server beside it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use manyhands_core::PeerId;
use manyhands_wire::{Bytes32, ProblemCode};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::connect::Way;
use super::fault::{Failure, ServerFault};
use super::session::{Open, Speaker};
use super::{Calls, Views};
use crate::own::OwnAddresses;

/// A member is rung at most so often …
const RING_PAUSE: Duration = Duration::from_secs(15);
/// … and so many are remembered for that.
const MAX_RUNG: usize = 64;
/// A server that is too busy to hear of us is told again after so long at most: before the record expires.
const MAX_BUSY_PAUSE: Duration = Duration::from_secs(45);
const BUSY_PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) speaker: Speaker,
    /// The session, as long as it may be good.
    pub(super) open: Option<Open>,
    /// Where this device is published to be.
    published: watch::Sender<Vec<SocketAddr>>,
    port: u16,
    loopback: bool,
    /// Who is to be rung.
    rings: mpsc::Receiver<PeerId>,
    rung: BTreeMap<PeerId, Instant>,
    views: Views,
    /// Who is rung is expected to call.
    calls: Option<Calls>,
}

impl Keeper {
    pub(super) fn new(
        speaker: Speaker,
        port: u16,
        loopback: bool,
        rings: mpsc::Receiver<PeerId>,
        views: Views,
        calls: Option<Calls>,
    ) -> Self {
        let (rung, published) = (BTreeMap::new(), watch::channel(Vec::new()).0);
        Self { speaker, open: None, published, port, loopback, rings, rung, views, calls }
    }

    /// Where this device is published to be, from now on.
    pub(super) fn published(&self) -> watch::Receiver<Vec<SocketAddr>> {
        self.published.subscribe()
    }

    /// This device is somewhere else, or was asleep.
    pub(super) fn moved(&mut self) {
        // Where the server saw this device is where it was.
        self.open = None;
        self.speaker.drop_line();
    }

    /// A session, and this device listed in it; gives what was published and when to say it again.
    pub(super) async fn begin(
        &mut self,
        way: &Way,
        own: &OwnAddresses,
    ) -> Result<(Vec<SocketAddr>, Duration), Failure> {
        if !self.open.as_ref().is_some_and(Open::lasts) {
            self.open = Some(self.speaker.open(way).await?);
        }
        let Some(open) = &self.open else { return Err(Failure::of(ServerFault::NoAnswer)) };
        let addresses = own.published(self.port, open.observed, self.loopback);
        let next = self.speaker.publish(way, open, &addresses).await?;
        self.published.send_replace(addresses.clone());
        Ok((addresses, next))
    }

    /// Until something fails.
    pub(super) async fn keep(
        &mut self,
        way: &Way,
        own: &OwnAddresses,
        next: Duration,
        token: &watch::Sender<Bytes32>,
    ) -> Failure {
        let mut publish_at = Instant::now() + next;
        // What a server that is busy has asked for.
        let mut not_before = Instant::now();
        loop {
            let Some(open) = self.open.clone() else { return Failure::of(ServerFault::NoAnswer) };
            let done = tokio::select! {
                () = sleep_until(publish_at) => {
                    // The session may be another by now, which sees this device somewhere else.
                    let addresses = own.published(self.port, open.observed, self.loopback);
                    let published = self.speaker.publish(way, &open, &addresses).await;
                    if published.is_ok() {
                        self.published.send_if_modified(|before| {
                            let changed = *before != addresses;
                            *before = addresses;
                            changed
                        });
                    }
                    let next = published.or_else(|failure| match failure.fault {
                        // Busy, and the session is good: the stream goes on.
                        ServerFault::Busy => {
                            let asked = failure.retry_after.unwrap_or(BUSY_PAUSE);
                            let pause = asked.min(MAX_BUSY_PAUSE);
                            not_before = Instant::now() + pause;
                            Ok(pause)
                        }
                        _ => Err(failure),
                    });
                    // Only this: a renewal puts off nothing, …
                    next.map(|next| publish_at = Instant::now() + next)
                }
                () = sleep_until(open.renew_at) => {
                    self.speaker.open(way).await.map(|new| {
                        token.send_replace(new.token);
                        // … and where the server sees this device somewhere else, the others hear of it at once, or when
                        // the server is ready to.
                        if new.observed != open.observed {
                            publish_at = Instant::now().max(not_before);
                        }
                        self.open = Some(new);
                    })
                }
                Some(peer) = self.rings.recv() => {
                    self.ring(way, &open, peer).await;
                    continue;
                }
            };
            if let Err(failure) = done {
                return failure;
            }
        }
    }

    /// Rings are a try: what fails is forgotten.
    async fn ring(&mut self, way: &Way, open: &Open, peer: PeerId) {
        self.rung.retain(|_, at| at.elapsed() < RING_PAUSE);
        let group = self.views.group_of(peer, &self.speaker.groups());
        let Some(group) = group.filter(|_| !self.rung.contains_key(&peer)) else { return };
        let Some(calls) = self.calls.as_ref().filter(|_| self.rung.len() < MAX_RUNG) else {
            return;
        };
        calls.client.turns().expect(peer);
        self.rung.insert(peer, Instant::now());
        match self.speaker.ring(way, open, group, peer).await {
            Ok(()) => debug!(peer = %peer.short(), "rung"),
            Err(failure) if failure.code == Some(ProblemCode::TooMany) => {
                debug!(peer = %peer.short(), "rung too often");
            }
            Err(failure) => debug!(peer = %peer.short(), ?failure, "not rung"),
        }
    }
}
