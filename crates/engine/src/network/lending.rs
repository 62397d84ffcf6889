//! The helper's side: what is asked of this device, and the bytes that it fetches for others.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{StreamExt, unfold};
use manyhands_core::{
    AcceptRule, Asked, ByteRange, DeskEffect, DeskInput, HelpAnswer, HelpAsk, HelpEnd, HelpId,
    PeerId, Rejection, Standing,
};
use manyhands_origin::{
    AddressGuard, FetchError, FetchRequest, Options, Origins, ProxyMode, RedirectError, Retry,
};
use manyhands_peer::wire::HelpRequest;
use manyhands_peer::{
    ContentSource, FetchFailure, FetchOrder, Fetched, Incoming, TunnelOrder, TunnelSource,
    TunnelStream,
};
use tokio::sync::oneshot;
use url::Url;

use crate::network::Network;
use crate::network::together::origin_url;
use crate::view::{Lending, LendingChange};

/// A requester that is there polls again within moments, at the latest after its pause of a second.
const DESERTED: Duration = Duration::from_secs(3);

/// A help request that nobody has answered yet, or a session that it became.
#[derive(Debug)]
pub struct Waiting {
    pub from: PeerId,
    pub request: HelpRequest,
    answer: Option<oneshot::Sender<HelpAnswer>>,
}

/// Connects to no origin: tunnels are refused.
#[derive(Debug)]
pub struct NoTunnels;

impl TunnelSource for NoTunnels {
    fn connect(
        &self,
        _: TunnelOrder,
    ) -> BoxFuture<'static, Result<Box<dyn TunnelStream>, FetchFailure>> {
        Box::pin(std::future::ready(Err(FetchFailure::AddressRefused)))
    }
}

impl Network {
    /// Something has come in from another device.
    pub fn take_in(&mut self, incoming: Incoming, now: Duration) {
        match incoming {
            Incoming::HelpRequest(help) => {
                let friend = self.is_friend(help.from);
                let accept = match self.lending.accept {
                    AcceptRule::Ask => false,
                    AcceptRule::Friends => friend,
                    AcceptRule::All => true,
                };
                let ask = HelpAsk {
                    id: help.id,
                    from: help.from,
                    address: help.address,
                    standing: if friend { Standing::Friend } else { Standing::Stranger },
                    budget_bytes: help.request.budget_bytes,
                    auto_accept_bytes: accept.then_some(u64::MAX),
                };
                self.end_deserted(help.from, now);
                let waiting =
                    Waiting { from: help.from, request: help.request, answer: Some(help.answer) };
                self.waiting.insert(help.id, waiting);
                self.desk.handle(DeskInput::Requested(ask), now);
            }
            Incoming::Withdrawn { id } => {
                self.desk.handle(DeskInput::EndedByRequester { id }, now);
                self.waiting.remove(&id);
            }
            Incoming::Ended(ended) => {
                tracing::info!(helped = %ended.peer.short(), bytes = ended.sent_bytes, reason = ?ended.reason, "a help session ended");
                self.desk.handle(DeskInput::EndedByRequester { id: ended.id }, now);
                self.waiting.remove(&ended.id);
            }
        }
        self.carry_out_desk(now);
    }

    /// Ends the sessions that a device has left without a word, before it opens another one: a program that was killed and
    /// started again is not to be kept out by those of its earlier life.
    fn end_deserted(&mut self, peer: PeerId, now: Duration) {
        for lent in self.server.lent() {
            if lent.peer == peer && lent.quiet >= DESERTED {
                self.server.end(lent.id, HelpEnd::Lost);
                self.desk.handle(DeskInput::EndedByRequester { id: lent.id }, now);
                self.waiting.remove(&lent.id);
            }
        }
    }

    /// Switches lending on or off, or changes how; returns what holds now. Switched off, and when private addresses are no longer
    /// allowed, everything that runs or waits ends at once.
    pub fn set_lending(&mut self, change: LendingChange, now: Duration) -> Lending {
        let before = self.lending;
        let lending = before.with(change);
        self.lending = lending;
        if before.allow_private_origins && !lending.allow_private_origins {
            // Connections that are open already pass no guard any more.
            self.desk.handle(DeskInput::LendingSwitched { on: false }, now);
        }
        self.guard.set_allow_private(lending.allow_private_origins);
        self.hello.send_if_modified(|hello| {
            std::mem::replace(&mut hello.lending, lending.on) != lending.on
        });
        self.desk.handle(DeskInput::LendingSwitched { on: lending.on }, now);
        self.carry_out_desk(now);
        lending
    }

    /// The user stops helping in one session. Whether there is such a session.
    pub fn stop_helping(&mut self, id: HelpId, now: Duration) -> bool {
        let runs = self.desk.sessions().any(|(known, _)| known == id);
        self.desk.handle(DeskInput::UserStopped { id }, now);
        self.carry_out_desk(now);
        runs
    }

    /// Lets time pass: prompts expire, budgets are used up. Whether there is anything to show that changes with time.
    pub fn tick_desk(&mut self, now: Duration) -> bool {
        let shown = !self.waiting.is_empty();
        let lent = self.server.lent();
        self.lent.retain(|id, _| lent.iter().any(|lent| lent.id == *id));
        for lent in lent {
            let meter = self.lent.entry(lent.id).or_default();
            meter.record(now, lent.sent_bytes.saturating_sub(meter.total()));
            self.desk.handle(DeskInput::Sent { id: lent.id, total_bytes: lent.sent_bytes }, now);
        }
        self.desk.handle(DeskInput::Tick, now);
        self.carry_out_desk(now);
        shown
    }

    /// The user's word about a request; the peer that it came from, if it was still open.
    pub fn decide(&mut self, id: HelpId, accept: bool, now: Duration) -> Option<PeerId> {
        let from = self.waiting.get(&id).filter(|waiting| waiting.answer.is_some())?.from;
        self.desk.handle(
            if accept {
                DeskInput::UserAccepted { id, budget_bytes: None }
            } else {
                DeskInput::UserDeclined { id }
            },
            now,
        );
        self.carry_out_desk(now);
        Some(from)
    }

    fn carry_out_desk(&mut self, now: Duration) {
        while let Some(effect) = self.desk.poll_effect() {
            match effect {
                // Prompts are shown from the desk's list.
                DeskEffect::Prompt { .. } | DeskEffect::ClosePrompt { .. } => {}
                DeskEffect::Answer { id, answer } => {
                    let accepted = matches!(answer, HelpAnswer::Accept { .. });
                    if let Some(waiting) = self.waiting.get_mut(&id) {
                        let gone =
                            waiting.answer.take().is_none_or(|sender| sender.send(answer).is_err());
                        if gone {
                            // Over before it was answered.
                            self.desk.handle(DeskInput::EndedByRequester { id }, now);
                        }
                        if gone || !accepted {
                            self.waiting.remove(&id);
                        }
                    }
                }
                DeskEffect::EndSession { id, reason } => {
                    self.server.end(id, reason);
                    self.waiting.remove(&id);
                }
            }
        }
    }
}

/// Fetches ranges for others, straight from the origin, past no proxy, and only where the guard lets it.
#[derive(Debug)]
pub struct HelperContent {
    origins: Origins,
}

impl HelperContent {
    pub fn new(guard: Arc<dyn AddressGuard>) -> Result<Self, String> {
        let options = Options { guard: Some(guard), proxy: ProxyMode::None, ..Options::default() };
        Ok(Self { origins: Origins::new(&options).map_err(|failure| failure.message)? })
    }
}

impl ContentSource for HelperContent {
    fn fetch(&self, order: FetchOrder) -> BoxFuture<'static, Result<Fetched, FetchFailure>> {
        let consented: Vec<Url> = order.consented.iter().filter_map(origin_url).collect();
        let origins = self.origins.within(&consented);
        Box::pin(async move {
            if !consented.iter().any(|url| url.origin() == order.url.origin()) {
                return Err(FetchFailure::NotConsented);
            }
            let request = FetchRequest {
                url: order.url,
                asked: Asked::Range(order.range),
                known: Some(order.known),
            };
            let answer = origins.fetch(&request).await.map_err(|error| failure(&error))?;
            let end = answer.accepted.end.unwrap_or(order.range.end());
            let range = ByteRange::new(order.range.start(), end).ok_or(FetchFailure::BadAnswer)?;
            let body = unfold(Some(answer.body), |body| async {
                let mut body = body?;
                match body.next().await {
                    Ok(Some(bytes)) => Some((Ok(bytes), Some(body))),
                    Ok(None) => None,
                    Err(error) => Some((Err(failure(&error)), None)),
                }
            });
            Ok(Fetched { range, identity: answer.accepted.identity, body: body.boxed() })
        })
    }
}

/// What the requester is told of a failed fetch.
fn failure(error: &FetchError) -> FetchFailure {
    let milliseconds = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let retry_after_ms = match error.retry() {
        Retry::After(wait) | Retry::FewerConnections { after: Some(wait) } => {
            Some(milliseconds(wait))
        }
        _ => None,
    };
    match error {
        FetchError::Missing { status, .. }
        | FetchError::Denied { status, .. }
        | FetchError::Busy { status, .. }
        | FetchError::Server { status, .. }
        | FetchError::Status { status, .. } => {
            FetchFailure::Status { status: *status, retry_after_ms }
        }
        FetchError::RangeIgnored { .. } => FetchFailure::RangesIgnored,
        FetchError::NotSatisfiable { length, .. } => {
            FetchFailure::NotSatisfiable { length: *length }
        }
        FetchError::Changed { .. } | FetchError::Rejected { source: Rejection::Changed(_), .. } => {
            FetchFailure::Changed
        }
        FetchError::AddressRefused { .. } => FetchFailure::AddressRefused,
        FetchError::Redirect { why: RedirectError::NotConsented, .. } => FetchFailure::NotConsented,
        FetchError::WebPage { .. }
        | FetchError::Rejected { .. }
        | FetchError::BadAnswer { .. }
        | FetchError::Redirect { .. } => FetchFailure::BadAnswer,
        FetchError::NameNotFound { .. }
        | FetchError::Connect { .. }
        | FetchError::Tls { .. }
        | FetchError::Interrupted { .. }
        | FetchError::Stalled { .. } => FetchFailure::Unreachable,
    }
}
