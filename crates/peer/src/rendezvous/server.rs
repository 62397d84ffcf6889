//! One server, from the first connection to the goodbye: a session, presence said again and again, a stream of events, and
//! everything from the beginning when something fails.

use std::sync::Arc;
use std::time::Duration;

use manyhands_core::PeerId;
use manyhands_identity::{Expect, GroupKey};
use manyhands_wire::{Bytes32, ProblemCode, ServerAddress};
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::backoff::{Backoff, begins_anew};
use super::connect::{Certificate, Way};
use super::fault::Failure;
use super::keeper::Keeper;
use super::listener::Listener;
use super::probe::Prober;
use super::{RendezvousWaits, ServerLink};
use crate::own::OwnAddresses;

/// After the network has changed or the machine has slept, it takes a moment until everything is there, and everybody comes back.
const MOVED: Duration = Duration::from_secs(1);

/// How to reach one server.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) address: ServerAddress,
    pub(super) insecure_http: bool,
    pub(super) extra_roots: Vec<CertificateDer<'static>>,
    pub(super) waits: RendezvousWaits,
}

/// The task for one server.
#[derive(Debug)]
pub(super) struct ServerTask {
    pub(super) place: Place,
    pub(super) keeper: Keeper,
    pub(super) listener: Listener,
    pub(super) prober: Prober,
    pub(super) groups: watch::Receiver<Vec<Arc<GroupKey>>>,
    pub(super) own: watch::Receiver<OwnAddresses>,
}

/// Why a session ends.
enum Ended {
    Failed(Failure),
    /// The groups are others.
    Regrouped,
    /// This device has other addresses, or has slept.
    Moved,
}

impl ServerTask {
    /// Goes on until it is stopped; leaves then.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut way = None;
        let stopped = stop.run_until_cancelled(self.serve(&mut way)).await;
        debug_assert!(stopped.is_none(), "it goes on until it is stopped");
        let farewell = self.place.waits.farewell;
        let Self { place, keeper, listener, .. } = &mut self;
        listener.leave_all();
        // Whoever was only listed here is nobody's word any more. Who takes no hints at all has ended too.
        let telling = timeout(farewell, listener.tell_all());
        let (_, ()) = tokio::join!(telling, leave(place, keeper, way.as_ref()));
    }

    async fn serve(&mut self, way: &mut Option<Way>) {
        let mut backoff = Backoff::default();
        self.regroup(None).await;
        loop {
            let (Ok(ended) | Err(ended)) = self.session(way, &mut backoff).await;
            let pause = match ended {
                Ended::Regrouped => {
                    self.regroup(way.as_ref()).await;
                    continue;
                }
                Ended::Moved => {
                    self.keeper.moved();
                    MOVED.mul_f64(rand::random())
                }
                Ended::Failed(failure) => self.failed(&failure, &mut backoff),
            };
            // What has changed until now is no news.
            self.own.mark_unchanged();
            tokio::select! {
                () = sleep(pause) => {}
                Ok(()) = self.groups.changed() => self.groups.mark_changed(),
                Ok(()) = self.own.changed() => {
                    self.keeper.moved();
                    sleep(MOVED.mul_f64(rand::random())).await;
                }
                never = self.listener.tell() => match never {},
            }
            if self.groups.has_changed().unwrap_or(false) {
                self.regroup(way.as_ref()).await;
            }
        }
    }

    /// Leaves the groups that are no longer wanted; the next session is for the others.
    async fn regroup(&mut self, way: Option<&Way>) {
        let keys = self.groups.borrow_and_update().clone();
        if let (Some(way), Some(open)) = (way, self.keeper.open.take()) {
            let stay: Vec<_> = keys.iter().map(|key| key.id()).collect();
            let mut left = self.keeper.speaker.groups();
            left.retain(|group| !stay.contains(group));
            let leaving = async {
                for group in left {
                    self.keeper.speaker.leave(way, &open, Some(group)).await?;
                }
                Ok::<_, Failure>(())
            };
            if !matches!(timeout(self.place.waits.farewell, leaving).await, Ok(Ok(()))) {
                info!("a rendezvous server did not hear that this device leaves a group");
            }
        }
        self.listener.set_groups(&keys);
        self.keeper.speaker.set_groups(keys);
    }

    fn failed(&mut self, failure: &Failure, backoff: &mut Backoff) -> Duration {
        let forgotten = failure.code == Some(ProblemCode::NoSession);
        let open = self.keeper.open.take_if(|_| forgotten);
        if open.is_some_and(|open| begins_anew(open.age(), &self.place.waits)) {
            return Duration::ZERO;
        }
        let pause = backoff.after(failure, &self.place.waits, rand::random());
        debug!(?failure, ?pause, "a rendezvous server is of no use now");
        let retry_at = Instant::now() + pause;
        self.listener.set_link(ServerLink::Trouble { why: failure.fault, retry_at });
        pause
    }

    async fn session(
        &mut self,
        way: &mut Option<Way>,
        backoff: &mut Backoff,
    ) -> Result<Ended, Ended> {
        if way.is_none() {
            *way = Some(self.place.way().await.map_err(Ended::Failed)?);
        }
        let Some(way) = way.as_ref() else { return Ok(Ended::Moved) };
        let own = self.own.borrow_and_update().clone();
        let opening = self.keeper.begin(way, &own);
        let (addresses, next) = tokio::select! {
            begun = opening => begun.map_err(Ended::Failed)?,
            never = self.listener.tell() => match never {},
            Ok(()) = self.groups.changed() => return Ok(Ended::Regrouped),
        };
        self.listener.set_own_addresses(addresses);
        let Some(open) = &self.keeper.open else { return Ok(Ended::Moved) };
        self.listener.set_clock(open.ahead_s);
        let (token, tokens) = watch::channel::<Bytes32>(open.token);
        let line = self.keeper.speaker.take_line();
        let (published, groups) = (self.keeper.published(), self.keeper.speaker.groups());
        Ok(tokio::select! {
            failure = self.keeper.keep(way, &own, next, &token) => Ended::Failed(failure),
            failure = self.listener.listen(way, &tokens, line, backoff) => Ended::Failed(failure),
            never = self.prober.follow(way, &tokens, published, &groups) => match never {},
            Ok(()) = self.groups.changed() => Ended::Regrouped,
            Ok(()) = self.own.changed() => Ended::Moved,
        })
    }
}

/// As far as that goes in a bounded time.
async fn leave(place: &Place, keeper: &mut Keeper, way: Option<&Way>) {
    let (Some(way), Some(open)) = (way, keeper.open.take()) else { return };
    let left = timeout(place.waits.farewell, keeper.speaker.leave(way, &open, None)).await;
    if !matches!(left, Ok(Ok(()))) {
        info!("a rendezvous server did not hear that this device leaves");
    }
}

impl Place {
    async fn way(&self) -> Result<Way, Failure> {
        let certificate = if self.address.public_certificate {
            Certificate::Public
        } else {
            Certificate::Own(Expect::Device(PeerId::from_digest(self.address.id.0)))
        };
        let Self { insecure_http, extra_roots, waits, .. } = self;
        Way::new(self.address.url(), certificate, *insecure_http, extra_roots, *waits).await
    }
}
