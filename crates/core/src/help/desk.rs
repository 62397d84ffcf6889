//! The helper's side: which requests become prompts, which are answered without one, what is being
//! lent, and on what terms.
//!
//! What is lent stays within the terms at every moment, not only when a request comes in: whatever
//! happens, and at least with every tick, what is no longer within them ends.
//!
//! A prompt takes a person's attention, so prompts are what is counted: a request that a rule
//! accepts makes none, and one that is over the bounds is declined unseen. Strangers share a few
//! prompts among them; a friend's never wait for them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::attention::Attention;
use super::desk_io::{DeskBounds, DeskEffect, DeskInput, HelpAsk, LentSession, Standing};
use super::ledger::{Ledger, LentDay, LocalTime};
use super::{AcceptRule, HelpAnswer, HelpDecline, HelpEnd, HelpId, HostList, LendRule, LendTerms};
use crate::PeerId;

/// See the top of this file.
#[derive(Debug)]
pub struct HelpDesk {
    bounds: DeskBounds,
    lending: bool,
    terms: LendTerms,
    rules: BTreeMap<PeerId, LendRule>,
    never_hosts: HostList,
    ledger: Ledger,
    clock: LocalTime,
    pending: BTreeMap<HelpId, Pending>,
    sessions: BTreeMap<HelpId, LentSession>,
    /// Sessions that were ordered to end, the last bytes of which have not been told: whose, and
    /// what is counted.
    ending: BTreeMap<HelpId, (PeerId, u64)>,
    attention: Attention,
    effects: VecDeque<DeskEffect>,
}

/// Sessions whose last bytes may be waited for; the shell tells them within moments.
const MAX_ENDING: usize = 256;

#[derive(Debug)]
struct Pending {
    ask: HelpAsk,
    expires: Duration,
    /// What the user was told that a yes costs at most. Only ever less: midnight makes no yes dearer
    /// than the one that was read.
    most_bytes: u64,
}

/// What allows a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    Rule,
    /// The user, now or by the terms for all.
    User,
}

impl HelpDesk {
    /// Not lending, nothing pending, nothing lent yet; no terms but the switch, and no host that is
    /// not lent for.
    #[must_use]
    pub fn new(bounds: DeskBounds) -> Self {
        Self {
            bounds,
            lending: false,
            terms: LendTerms::default(),
            rules: BTreeMap::new(),
            never_hosts: HostList::empty(),
            ledger: Ledger::default(),
            clock: LocalTime::default(),
            pending: BTreeMap::new(),
            sessions: BTreeMap::new(),
            ending: BTreeMap::new(),
            attention: Attention::default(),
            effects: VecDeque::new(),
        }
    }

    /// With what was lent before.
    #[must_use]
    pub fn with_ledger(self, ledger: Ledger) -> Self {
        Self { ledger, ..self }
    }

    /// Takes in a fact. Facts about requests that are over, or were never there, change nothing.
    pub fn handle(&mut self, input: DeskInput, now: Duration) {
        self.expire(now);
        match input {
            DeskInput::Requested(ask) => self.requested(ask, now),
            DeskInput::UserAccepted { id, budget_bytes } => {
                if let Some(pending) = self.close(id) {
                    let budget = budget_bytes.unwrap_or(u64::MAX).min(pending.most_bytes);
                    self.accepted_by_user(&pending.ask, budget, now);
                }
            }
            DeskInput::UserDeclined { id } => {
                if let Some(pending) = self.close(id) {
                    self.answer(id, HelpAnswer::Decline(HelpDecline::No));
                    self.attention.declined(&pending.ask, now);
                }
            }
            DeskInput::UserStopped { id } => self.end(id, HelpEnd::Stopped),
            DeskInput::EndedByRequester { id } => {
                self.close(id);
                self.sessions.remove(&id);
                self.ending.remove(&id);
            }
            DeskInput::Sent { id, total_bytes, quiet } => {
                self.count(id, total_bytes);
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.quiet = quiet;
                }
            }
            DeskInput::SessionOver { id, total_bytes } => {
                self.count(id, total_bytes);
                self.sessions.remove(&id);
                self.ending.remove(&id);
            }
            DeskInput::LendingSwitched { on } => self.lending = on,
            DeskInput::TermsChanged(terms) => self.terms = terms,
            DeskInput::RuleSet { peer, rule } => {
                self.rules.insert(peer, rule);
                self.attention.forgive(peer);
            }
            DeskInput::RuleRemoved { peer } => drop(self.rules.remove(&peer)),
            DeskInput::NeverHostsChanged(hosts) => {
                self.never_hosts = hosts;
                self.end_never_lent_for();
            }
            DeskInput::PeerBlocked { peer } | DeskInput::FriendRemoved { peer } => {
                self.rules.remove(&peer);
                self.attention.forgive(peer);
                self.decline_all(HelpDecline::No, |ask| ask.from == peer);
                self.end_all(|session| (session.peer == peer).then_some(HelpEnd::Stopped));
            }
            DeskInput::LocalTime(clock) => self.clock = clock,
            DeskInput::Tick => {}
        }
        self.keep_to_terms();
    }

    /// What the shell must do, in order.
    pub fn poll_effect(&mut self) -> Option<DeskEffect> {
        self.effects.pop_front()
    }

    /// When to hand in a [`DeskInput::Tick`]. Terms that depend on the clock on the wall want
    /// [`DeskInput::LocalTime`] every second at least.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.pending.values().map(|pending| pending.expires).min()
    }

    #[must_use]
    pub fn is_lending(&self) -> bool {
        self.lending
    }

    /// The open prompts and when each goes away: friends' first, then the oldest first.
    #[must_use]
    pub fn prompts(&self) -> Vec<(&HelpAsk, Duration)> {
        let mut prompts: Vec<_> = self.pending.values().map(|p| (&p.ask, p.expires)).collect();
        prompts.sort_by_key(|(ask, expires)| (ask.standing != Standing::Friend, *expires, ask.id));
        prompts
    }

    /// The most that a yes to an open prompt costs; a yes keeps to it.
    #[must_use]
    pub fn most_bytes(&self, ask: &HelpAsk) -> u64 {
        let shown = self.pending.get(&ask.id).map_or(ask.budget_bytes, |p| p.most_bytes);
        shown.min(self.left_today())
    }

    /// Whether this device has asked in vain so often that the user might rather never hear of it.
    #[must_use]
    pub fn is_nuisance(&self, peer: PeerId) -> bool {
        self.attention.times_declined(peer) >= self.bounds.declines_before_block
    }

    #[must_use]
    pub fn never_hosts(&self) -> &HostList {
        &self.never_hosts
    }

    pub fn sessions(&self) -> impl Iterator<Item = (HelpId, &LentSession)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    /// What was lent since midnight to one peer.
    #[must_use]
    pub fn lent_today_to(&self, peer: PeerId) -> u64 {
        self.ledger.bytes_to(self.clock.day, peer)
    }

    /// What was lent since midnight, to be stored; `None`: nothing.
    #[must_use]
    pub fn lent_today(&self) -> Option<&LentDay> {
        self.ledger.day(self.clock.day)
    }

    /// What may still be lent today to all together.
    fn left_today(&self) -> u64 {
        left(self.terms.daily_bytes, self.ledger.bytes(self.clock.day))
    }

    /// What a rule still allows this peer today, within the terms for all; or why it allows nothing
    /// now.
    fn left_of_rule(&self, peer: PeerId) -> Result<u64, HelpEnd> {
        let rule = self.rules.get(&peer).ok_or(HelpEnd::Stopped)?;
        if !is_within(rule.hours, self.clock) {
            return Err(HelpEnd::Stopped);
        }
        let lent = self.ledger.bytes_to(self.clock.day, peer);
        let left = left(rule.daily_bytes, lent).min(self.left_today());
        if left == 0 { Err(HelpEnd::Budget) } else { Ok(left) }
    }

    /// Why nobody is helped now; `None`: somebody may be.
    fn closed(&self) -> Option<HelpEnd> {
        if !self.lending || !is_within(self.terms.hours, self.clock) {
            Some(HelpEnd::Stopped)
        } else {
            (self.left_today() == 0).then_some(HelpEnd::Budget)
        }
    }

    fn is_never_lent_for(&self, hosts: &[String]) -> bool {
        hosts.iter().any(|host| self.never_hosts.covers(host))
    }

    fn requested(&mut self, ask: HelpAsk, now: Duration) {
        let id = ask.id;
        if self.pending.contains_key(&id) || self.sessions.contains_key(&id) {
            return;
        }
        let deserted = self.bounds.deserted;
        self.end_all(|session| {
            (session.peer == ask.from && session.quiet >= deserted).then_some(HelpEnd::Lost)
        });
        let refusal = match ask.standing {
            Standing::Blocked => Some(HelpDecline::No),
            _ if self.closed().is_some() => Some(HelpDecline::NotLending),
            _ if self.is_never_lent_for(&ask.hosts) => Some(HelpDecline::Host),
            _ if !self.has_room_for_session(&ask) => Some(HelpDecline::TooMany),
            _ => None,
        };
        if let Some(reason) = refusal {
            return self.answer(id, HelpAnswer::Decline(reason));
        }
        if let Some((leave, budget)) = self.allowed_unasked(&ask) {
            return self.begin(&ask, leave, budget.min(ask.budget_bytes), now);
        }
        let open = self.pending.values().map(|pending| &pending.ask);
        if let Some(reason) = self.attention.refuses(&self.bounds, &ask, open, now) {
            return self.answer(id, HelpAnswer::Decline(reason));
        }
        self.attention.spend(&ask, now);
        let expires = now.saturating_add(self.bounds.expiry);
        let most_bytes = self.most_bytes(&ask);
        self.pending.insert(id, Pending { ask, expires, most_bytes });
        self.effects.push_back(DeskEffect::Prompt { id });
    }

    /// Who says yes without a prompt, and up to how much. Whoever has a rule is asked about outside
    /// of it, whatever holds for all.
    fn allowed_unasked(&self, ask: &HelpAsk) -> Option<(Leave, u64)> {
        let friend = ask.standing == Standing::Friend;
        if friend && self.rules.contains_key(&ask.from) {
            return Some((Leave::Rule, self.left_of_rule(ask.from).ok()?));
        }
        let accepted = match self.terms.accept {
            AcceptRule::Ask => false,
            AcceptRule::Friends => friend,
            AcceptRule::All => true,
        };
        accepted.then(|| (Leave::User, self.left_today()))
    }

    /// A rule that was made with the yes holds for this session already, where it covers it.
    fn accepted_by_user(&mut self, ask: &HelpAsk, budget_bytes: u64, now: Duration) {
        match self.left_of_rule(ask.from) {
            Ok(left) => self.begin(ask, Leave::Rule, budget_bytes.min(left), now),
            Err(_) => {
                self.begin(ask, Leave::User, budget_bytes.min(self.left_today()), now);
            }
        }
    }

    fn has_room_for_session(&self, ask: &HelpAsk) -> bool {
        let count = |of: &dyn Fn(&LentSession) -> bool| {
            self.sessions.values().filter(|session| of(session)).count()
        };
        self.sessions.len() < self.bounds.sessions
            && count(&|session| session.peer == ask.from) < self.bounds.sessions_per_device
            && (ask.standing == Standing::Friend
                || count(&|session| !session.friend) < self.bounds.strangers_sessions)
    }

    fn begin(&mut self, ask: &HelpAsk, leave: Leave, budget_bytes: u64, now: Duration) {
        if !self.has_room_for_session(ask) {
            return self.answer(ask.id, HelpAnswer::Decline(HelpDecline::TooMany));
        }
        let session = LentSession {
            peer: ask.from,
            friend: ask.standing == Standing::Friend,
            by_rule: leave == Leave::Rule,
            budget_bytes,
            sent_bytes: 0,
            since: now,
            hosts: ask.hosts.clone(),
            quiet: Duration::ZERO,
            bytes_per_s: None,
        };
        self.sessions.insert(ask.id, session);
        self.answer(ask.id, HelpAnswer::Accept { budget_bytes });
    }

    /// Puts into the ledger what a session has sent since it was counted last.
    fn count(&mut self, id: HelpId, total_bytes: u64) {
        let (peer, counted) = match (self.sessions.get_mut(&id), self.ending.get_mut(&id)) {
            (Some(session), _) => (session.peer, &mut session.sent_bytes),
            (None, Some((peer, counted))) => (*peer, counted),
            (None, None) => return,
        };
        let more = total_bytes.saturating_sub(*counted);
        *counted += more;
        let rules = &self.rules;
        self.ledger.add(self.clock.day, peer, more, |peer| rules.contains_key(&peer));
    }

    /// Ends whatever is no longer within the terms, and shares out what the rules allow.
    fn keep_to_terms(&mut self) {
        if let Some(reason) = self.closed() {
            self.decline_all(HelpDecline::NotLending, |_| true);
            return self.end_all(|_| Some(reason));
        }
        let over: Vec<_> = self
            .sessions
            .iter()
            .filter_map(|(id, session)| Some((*id, self.why_over(session)?)))
            .collect();
        for (id, reason) in over {
            self.end(id, reason);
        }
        let left = self.left_today();
        for pending in self.pending.values_mut() {
            pending.most_bytes = pending.most_bytes.min(left);
        }
        self.share_rates();
    }

    /// The list is long, and so this is done only when it has changed.
    fn end_never_lent_for(&mut self) {
        let list = std::mem::replace(&mut self.never_hosts, HostList::empty());
        let is_listed = |hosts: &[String]| hosts.iter().any(|host| list.covers(host));
        self.decline_all(HelpDecline::Host, |ask| is_listed(&ask.hosts));
        self.end_all(|session| is_listed(&session.hosts).then_some(HelpEnd::Stopped));
        self.never_hosts = list;
    }

    fn why_over(&self, session: &LentSession) -> Option<HelpEnd> {
        if session.sent_bytes >= session.budget_bytes {
            return Some(HelpEnd::Budget);
        }
        if session.by_rule { self.left_of_rule(session.peer).err() } else { None }
    }

    /// The rate of a rule is for all sessions of its peer together.
    fn share_rates(&mut self) {
        let mut counts: BTreeMap<PeerId, u64> = BTreeMap::new();
        for session in self.sessions.values() {
            *counts.entry(session.peer).or_default() += 1;
        }
        for (id, session) in &mut self.sessions {
            let rate = self.rules.get(&session.peer).map_or(0, |rule| rule.bytes_per_s);
            let count = counts.get(&session.peer).copied().unwrap_or(1);
            let bytes_per_s = (rate > 0).then(|| (rate / count).max(1));
            if session.bytes_per_s != bytes_per_s {
                session.bytes_per_s = bytes_per_s;
                self.effects.push_back(DeskEffect::LimitSession { id: *id, bytes_per_s });
            }
        }
    }

    /// Ends a pending request's wait without an answer.
    fn close(&mut self, id: HelpId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.effects.push_back(DeskEffect::ClosePrompt { id });
        Some(pending)
    }

    fn end(&mut self, id: HelpId, reason: HelpEnd) {
        if let Some(session) = self.sessions.remove(&id) {
            while self.ending.len() >= MAX_ENDING {
                self.ending.pop_first();
            }
            self.ending.insert(id, (session.peer, session.sent_bytes));
            self.effects.push_back(DeskEffect::EndSession { id, reason });
        }
    }

    fn end_all(&mut self, why: impl Fn(&LentSession) -> Option<HelpEnd>) {
        let ended = self.sessions.iter().filter_map(|(id, session)| Some((*id, why(session)?)));
        for (id, reason) in ended.collect::<Vec<_>>() {
            self.end(id, reason);
        }
    }

    fn decline_all(&mut self, reason: HelpDecline, of: impl Fn(&HelpAsk) -> bool) {
        let pending = self.pending.values().filter(|p| of(&p.ask)).map(|p| p.ask.id);
        for id in pending.collect::<Vec<_>>() {
            self.close(id);
            self.answer(id, HelpAnswer::Decline(reason));
        }
    }

    fn expire(&mut self, now: Duration) {
        let expired = self.pending.iter().filter(|(_, pending)| pending.expires <= now);
        for id in expired.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(id);
            self.answer(id, HelpAnswer::Expire);
        }
    }

    fn answer(&mut self, id: HelpId, answer: HelpAnswer) {
        self.effects.push_back(DeskEffect::Answer { id, answer });
    }
}

/// What is left of a daily budget; 0 is none to keep to.
fn left(daily_bytes: u64, lent_bytes: u64) -> u64 {
    if daily_bytes == 0 { u64::MAX } else { daily_bytes.saturating_sub(lent_bytes) }
}

fn is_within(hours: Option<super::Hours>, clock: LocalTime) -> bool {
    hours.is_none_or(|hours| hours.contains(clock.minute))
}
