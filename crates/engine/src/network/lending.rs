//! The helper's side: what is asked of this device, and the bytes that it fetches for others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{StreamExt, unfold};
use manyhands_core::{
    Asked, ByteRange, DeskEffect, DeskInput, HelpAnswer, HelpAsk, HelpId, HostList, LendTerms,
    LentDay, LocalTime, PeerId, Rejection, Standing,
};
use manyhands_origin::{
    AddressGuard, FetchError, FetchRequest, Options, Origins, ProxyMode, Retry,
};
use manyhands_peer::wire::HelpRequest;
use manyhands_peer::{ContentSource, FetchFailure, FetchOrder, Fetched, Incoming, Sources};
use manyhands_store::{Friend, Settings};
use tokio::sync::oneshot;
use url::Url;

use crate::network::Network;
use crate::network::together::origin_url;
use crate::network::tunnels::HelperTunnels;
use crate::profile::Change;
use crate::view::{Lending, LendingChange};

/// What is lent today is stored at most so often, and at the end: a program that is killed forgets no more than that.
const STORE_EVERY: Duration = Duration::from_secs(2);

/// A help request that nobody has answered yet, or a session that it became.
#[derive(Debug)]
pub struct Waiting {
    pub from: PeerId,
    pub request: HelpRequest,
    answer: Option<oneshot::Sender<HelpAnswer>>,
}

/// What of today's lending is stored.
#[derive(Debug, Default)]
pub struct LentStored {
    at: Duration,
    day: Option<LentDay>,
}

/// A rate as it is set, for those who keep to it: 0 is none.
pub fn limit(bytes_per_s: u64) -> Option<u64> {
    (bytes_per_s > 0).then_some(bytes_per_s)
}

/// What the desk has to know before anybody comes in.
pub fn opening(
    lending: Lending,
    friends: &BTreeMap<PeerId, Friend>,
    settings: &Settings,
    clock: LocalTime,
) -> Vec<DeskInput> {
    let rule = |friend: &Friend| Some(DeskInput::RuleSet { peer: friend.id, rule: friend.rule? });
    let hosts = settings.lend_never_hosts.clone().unwrap_or_default();
    [DeskInput::LocalTime(clock), DeskInput::NeverHostsChanged(hosts)]
        .into_iter()
        .chain(friends.values().filter_map(rule))
        .chain([
            DeskInput::TermsChanged(terms(lending)),
            DeskInput::LendingSwitched { on: lending.on },
        ])
        .collect()
}

fn terms(lending: Lending) -> LendTerms {
    let Lending { accept, daily_bytes, hours, .. } = lending;
    LendTerms { accept, daily_bytes, hours }
}

impl Network {
    /// Something has come in from another device.
    pub fn take_in(&mut self, incoming: Incoming, now: Duration) {
        match incoming {
            Incoming::HelpRequest(help) => {
                self.tell_sent(now);
                let ask = HelpAsk {
                    id: help.id,
                    from: help.from,
                    address: help.address,
                    standing: match () {
                        () if self.is_blocked(help.from) => Standing::Blocked,
                        () if self.is_friend(help.from) => Standing::Friend,
                        () => Standing::Stranger,
                    },
                    hosts: help.request.origins.iter().map(|o| o.host().to_owned()).collect(),
                    budget_bytes: help.request.budget_bytes,
                };
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
                self.over(ended.id, ended.sent_bytes, now);
            }
        }
        self.carry_out_desk(now);
    }

    /// A session is over, with so many bytes.
    fn over(&mut self, id: HelpId, total_bytes: u64, now: Duration) {
        self.desk.handle(DeskInput::SessionOver { id, total_bytes }, now);
        self.waiting.remove(&id);
    }

    /// Carries out a decision that is being stored. Switched off, and when private addresses are no longer allowed, everything
    /// that runs or waits ends at once.
    pub fn obey(&mut self, change: &Change, settings: &Settings, now: Duration) {
        match change {
            Change::SetRule { peer, terms } => {
                let rule = (*terms).into();
                self.desk.handle(DeskInput::RuleSet { peer: *peer, rule }, now);
            }
            Change::RemoveRule { peer } => {
                self.desk.handle(DeskInput::RuleRemoved { peer: *peer }, now);
            }
            Change::Block { peer } => {
                self.desk.handle(DeskInput::PeerBlocked { peer: *peer }, now);
            }
            Change::RemoveFriend { peer } => {
                self.desk.handle(DeskInput::FriendRemoved { peer: *peer }, now);
            }
            Change::Unblock { .. } => {}
            Change::SetNeverHosts { hosts } => {
                // Checked before it was stored.
                if let Ok(hosts) = HostList::new(hosts) {
                    self.desk.handle(DeskInput::NeverHostsChanged(hosts), now);
                }
            }
            Change::SetLending { change } => self.set_lending(*change, now),
            Change::JoinGroup { .. }
            | Change::LeaveGroup { .. }
            | Change::RotateGroup { .. }
            | Change::SetMeeting { .. } => self.finding.set(settings.meeting, &self.groups),
        }
        self.carry_out_desk(now);
        if let Change::Block { .. } | Change::Unblock { .. } = change {
            // After the desk has ended its sessions: their last bytes are counted.
            self.server.set_blocked(&self.blocked.keys().copied().collect());
        }
    }

    fn set_lending(&mut self, change: LendingChange, now: Duration) {
        let before = self.lending;
        let lending = before.with(change);
        self.lending = lending;
        if before.allow_private_origins && !lending.allow_private_origins {
            // Connections that are open already pass no guard any more.
            self.desk.handle(DeskInput::LendingSwitched { on: false }, now);
        }
        self.guard.set_allow_private(lending.allow_private_origins);
        self.server.set_rate(limit(lending.bytes_per_s));
        self.hello.send_if_modified(|hello| {
            std::mem::replace(&mut hello.lending, lending.on) != lending.on
        });
        self.desk.handle(DeskInput::TermsChanged(terms(lending)), now);
        self.desk.handle(DeskInput::LendingSwitched { on: lending.on }, now);
    }

    /// At the end of the program: what was sent until now is counted.
    pub(super) fn stop_lending(&mut self, now: Duration) {
        self.tell_sent(now);
        self.desk.handle(DeskInput::LendingSwitched { on: false }, now);
        self.carry_out_desk(now);
    }

    /// What was lent today, when it is to be stored: some time after the last change, or `at_once`.
    pub fn lent_to_store(&mut self, now: Duration, at_once: bool) -> Option<LentDay> {
        let today = self.desk.lent_today()?;
        let due = at_once || now >= self.stored.at.saturating_add(STORE_EVERY);
        if !due || self.stored.day.as_ref() == Some(today) {
            return None;
        }
        self.stored = LentStored { at: now, day: Some(today.clone()) };
        self.stored.day.clone()
    }

    /// The user stops helping in one session. Whether there is such a session.
    pub fn stop_helping(&mut self, id: HelpId, now: Duration) -> bool {
        let runs = self.desk.sessions().any(|(known, _)| known == id);
        self.desk.handle(DeskInput::UserStopped { id }, now);
        self.carry_out_desk(now);
        runs
    }

    /// Whether there is anything to show that changes with time.
    pub fn shows_time(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Lets time pass: prompts expire, budgets are used up, hours end. Whether any of it came about.
    pub fn tick_desk(&mut self, now: Duration, clock: LocalTime) -> bool {
        self.desk.handle(DeskInput::LocalTime(clock), now);
        self.tell_sent(now);
        self.desk.handle(DeskInput::Tick, now);
        self.carry_out_desk(now)
    }

    /// Tells the desk what each session has sent, and whether somebody is still there.
    fn tell_sent(&mut self, now: Duration) {
        let lent = self.server.lent();
        self.lent.retain(|id, _| lent.iter().any(|lent| lent.id == *id));
        for lent in lent {
            let meter = self.lent.entry(lent.id).or_default();
            meter.record(now, lent.sent_bytes.saturating_sub(meter.total()));
            let (id, total_bytes, quiet) = (lent.id, lent.sent_bytes, lent.quiet);
            self.desk.handle(DeskInput::Sent { id, total_bytes, quiet }, now);
        }
    }

    /// Who made this request, while it waits for an answer.
    #[must_use]
    pub fn who_asks(&self, id: HelpId) -> Option<PeerId> {
        Some(self.waiting.get(&id).filter(|waiting| waiting.answer.is_some())?.from)
    }

    /// The user's word about a request.
    pub fn decide(&mut self, id: HelpId, accept: bool, now: Duration) {
        self.desk.handle(
            if accept {
                DeskInput::UserAccepted { id, budget_bytes: None }
            } else {
                DeskInput::UserDeclined { id }
            },
            now,
        );
        self.carry_out_desk(now);
    }

    /// Whether there was anything to carry out.
    fn carry_out_desk(&mut self, now: Duration) -> bool {
        let mut any = false;
        while let Some(effect) = self.desk.poll_effect() {
            any = true;
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
                DeskEffect::LimitSession { id, bytes_per_s } => {
                    self.server.set_session_rate(id, bytes_per_s);
                }
                DeskEffect::EndSession { id, reason } => {
                    self.waiting.remove(&id);
                    // One that has ended by itself a moment ago is told of on its own.
                    if let Some(ended) = self.server.end(id, reason) {
                        self.over(id, ended.sent_bytes, now);
                    }
                }
            }
        }
        any
    }
}

/// Fetches ranges for others, straight from the origin, past no proxy, and only where the guard lets it.
#[derive(Debug)]
pub struct HelperContent {
    guard: Arc<dyn AddressGuard>,
    /// With the edition of the rule by which its kept connections were judged.
    current: Mutex<(u64, Origins)>,
}

impl HelperContent {
    /// Those whose kept connections were judged by the rule as it is.
    fn origins(&self) -> Result<Origins, FetchFailure> {
        let edition = self.guard.edition();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 != edition {
            let origins = Origins::new(&options(Arc::clone(&self.guard)));
            *current = (edition, origins.map_err(|_| FetchFailure::Unreachable)?);
        }
        Ok(current.1.clone())
    }
}

fn options(guard: Arc<dyn AddressGuard>) -> Options {
    Options { guard: Some(guard), proxy: ProxyMode::None, ..Options::default() }
}

/// How this device reaches servers for others.
pub fn sources(guard: Arc<dyn AddressGuard>) -> Result<Sources, String> {
    let edition = guard.edition();
    let origins = Origins::new(&options(Arc::clone(&guard))).map_err(|failure| failure.message)?;
    let tunnels = Arc::new(HelperTunnels::new(origins.clone()));
    let content = Arc::new(HelperContent { guard, current: Mutex::new((edition, origins)) });
    Ok(Sources { content, tunnels })
}

impl ContentSource for HelperContent {
    fn fetch(&self, order: FetchOrder) -> BoxFuture<'static, Result<Fetched, FetchFailure>> {
        let consented: Vec<Url> = order.consented.iter().filter_map(origin_url).collect();
        let origins = self.origins();
        Box::pin(async move {
            let origins = origins?.within(&consented);
            if !consented.iter().any(|url| url.origin() == order.url.origin()) {
                return Err(FetchFailure::NotConsented);
            }
            let request = FetchRequest {
                url: order.url,
                asked: Asked::Range(order.range),
                headers: Vec::new(),
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
pub fn failure(error: &FetchError) -> FetchFailure {
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
        FetchError::NotConsented { .. } => FetchFailure::NotConsented,
        FetchError::WebPage { .. }
        | FetchError::Rejected { .. }
        | FetchError::BadAnswer { .. }
        | FetchError::Redirect { .. } => FetchFailure::BadAnswer,
        FetchError::NameNotFound { .. }
        | FetchError::Connect { .. }
        | FetchError::Tls { .. }
        | FetchError::Interrupted { .. }
        | FetchError::Damaged { .. }
        | FetchError::Stalled { .. } => FetchFailure::Unreachable,
    }
}
