//! Whether the server can call this device: asked when what is published has changed.
//!
//! What it says is a hint, and changes words alone. That it could not says that a firewall of this device, or something on the way,
//! lets nobody in, which others will find too.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode};
use manyhands_core::GroupId;
use manyhands_wire::{Bytes32, Probe, Probed, ProblemCode};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::connect::Way;
use super::fault::Failure;
use super::{Callable, RendezvousWaits, Views};

/// Not more often, whatever changes; servers allow it once a minute.
const PAUSE: Duration = Duration::from_secs(60);
/// A server that allows it more often, when it answers one, is believed, down to this.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// Asked again where no connection was possible: somebody may have let them through meanwhile. The server has room for few probes
/// that are not answered, which is why it is not asked more often.
const AGAIN: Duration = Duration::from_secs(900);

#[derive(Debug)]
pub(super) struct Prober {
    port: u16,
    views: Views,
    waits: RendezvousWaits,
    /// What was published when it was asked, or is to be.
    published: Vec<SocketAddr>,
    found: Callable,
    /// When to ask; never again: `None`.
    ask_at: Option<Instant>,
    /// The server wants to be left alone until then.
    not_before: Instant,
    failures: u32,
}

impl Prober {
    pub(super) fn new(port: u16, views: Views, waits: RendezvousWaits) -> Self {
        Self {
            port,
            views,
            waits,
            published: Vec::new(),
            found: Callable::Unknown,
            ask_at: None,
            not_before: Instant::now(),
            failures: 0,
        }
    }

    /// Asks when there is reason to, and shows it in these groups.
    pub(super) async fn follow(
        &mut self,
        way: &Way,
        tokens: &watch::Receiver<Bytes32>,
        mut published: watch::Receiver<Vec<SocketAddr>>,
        groups: &[GroupId],
    ) -> Infallible {
        loop {
            self.is_published(&published.borrow_and_update());
            self.views.set_callable(groups, self.found);
            let ask_at = self.ask_at;
            let due = async {
                match ask_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {
                    // Also when this is given up in the middle.
                    self.not_before = Instant::now() + PAUSE;
                    self.ask_at = Some(self.not_before);
                    let token = *tokens.borrow();
                    let answer = ask(way, &token, self.port).await;
                    self.answered(answer);
                }
                Ok(()) = published.changed() => {}
            }
        }
    }

    /// Everybody in a subnet moves at the same moment when its router is started again.
    fn is_published(&mut self, published: &[SocketAddr]) {
        if self.published != published {
            self.published = published.to_vec();
            self.found = Callable::Unknown;
            self.failures = 0;
            let soon = Instant::now() + self.waits.spread.mul_f64(rand::random());
            self.ask_at = Some(soon.max(self.not_before));
        }
    }

    fn answered(&mut self, answer: Result<Probed, Failure>) {
        let now = Instant::now();
        match answer {
            Ok(probed) => {
                debug!(reachable = probed.reachable, why = ?probed.why, "probed by the server");
                let allowed = probed.retry_after_ms.map_or(PAUSE, Duration::from_millis);
                self.not_before = now + allowed.clamp(MIN_PAUSE, AGAIN);
                self.found = if probed.reachable { Callable::Yes } else { Callable::No };
                let again = AGAIN.mul_f64(rand::random_range(0.75..1.25));
                self.ask_at = (self.found == Callable::No).then(|| now + again);
                self.failures = 0;
            }
            Err(failure) => {
                debug!(?failure, "not probed by the server");
                self.ask_at = after(&failure, self.failures, rand::random_range(0.75..1.25))
                    .map(|pause| now + pause);
                self.not_before = self.ask_at.unwrap_or(now + PAUSE);
                self.failures = self.failures.saturating_add(1);
            }
        }
    }
}

/// In how long it is asked again after a failure; `None`: that would be of no use.
fn after(failure: &Failure, failures: u32, random: f64) -> Option<Duration> {
    match failure.code {
        // It cannot tell who asks, or has no such request.
        Some(ProblemCode::ProbeRefused | ProblemCode::NotFound) => None,
        _ => {
            let doubled = PAUSE.saturating_mul(1 << failures.min(16)).min(AGAIN).mul_f64(random);
            let asked = failure.retry_after.unwrap_or_default();
            Some(doubled.max(asked).clamp(PAUSE, 2 * AGAIN))
        }
    }
}

/// On a connection of its own: until the server knows, nothing else is to wait.
async fn ask(way: &Way, token: &Bytes32, port: u16) -> Result<Probed, Failure> {
    let mut line = way.connect().await?;
    let path = (Method::POST, "/v1/probes");
    line.call(path, Some(token), Some(&Probe { port }), StatusCode::OK).await
}

#[cfg(test)]
mod tests {
    use manyhands_wire::Problem;

    use super::*;

    fn seconds(code: ProblemCode, retry_after_ms: Option<u64>, failures: u32) -> Option<u64> {
        let mut problem = Problem::new(code);
        problem.retry_after_ms = retry_after_ms;
        let failure = Failure::problem(&problem);
        assert!(after(&failure, failures, 0.75).is_none_or(|pause| pause >= PAUSE));
        after(&failure, failures, 1.0).map(|pause| pause.as_secs())
    }

    #[test]
    fn a_server_that_refuses_to_probe_is_left_alone_and_one_that_is_busy_more_and_more() {
        use ProblemCode::{Busy, NotFound, ProbeRefused, TooMany};
        assert_eq!(seconds(TooMany, Some(u64::MAX), 0), Some(1800), "within reason");
        assert_eq!(seconds(TooMany, Some(70_000), 0), Some(70));
        let too_many: Vec<_> = (0..6).filter_map(|n| seconds(TooMany, Some(0), n)).collect();
        assert_eq!(too_many, [60, 120, 240, 480, 900, 900]);
        for refused in [ProbeRefused, NotFound] {
            assert_eq!(seconds(refused, Some(1000), 0), None);
        }
        let busy: Vec<_> = (0..6).filter_map(|n| seconds(Busy, Some(5000), n)).collect();
        assert_eq!(busy, [60, 120, 240, 480, 900, 900]);
        assert_eq!(seconds(Busy, Some(70_000), 0), Some(70));
        assert_eq!(seconds(Busy, None, u32::MAX), Some(900));
    }
}
