//! The helper's side: which requests become prompts, which are answered without one, and what is
//! being lent.
//!
//! A prompt takes a person's attention, so prompts are what is counted: a request that a rule
//! accepts makes none, and one that is over the bounds is declined unseen. Strangers share a few
//! prompts among them; a friend's never wait for them.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::{HelpAnswer, HelpDecline, HelpEnd, HelpId};
use crate::PeerId;

/// What the user's attention is worth. The defaults are start values taken from what LAN tools
/// allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeskBounds {
    /// A prompt that nobody answers goes away: 60 s.
    pub expiry: Duration,
    /// Prompts that one stranger's device may make in ten minutes: 3 …
    pub stranger_per_10_min: usize,
    /// … and in a day: 10.
    pub stranger_per_day: usize,
    /// Prompts from strangers behind one address in ten minutes, however many devices they say they
    /// are: 3.
    pub address_per_10_min: usize,
    /// Prompts from all strangers in ten minutes: 5. With [`Self::expiry`] this bounds the open
    /// ones too.
    pub strangers_per_10_min: usize,
    /// Prompts that one friend may make in a minute: 6.
    pub friend_per_min: usize,
    /// Open prompts of one friend: 3. A stranger has one at most.
    pub friend_open: usize,
    /// Open prompts of all friends: 16. Strangers have their own share.
    pub friends_open: usize,
    /// After so many refusals a stranger is not shown again for an hour: 2.
    pub declines_before_quiet: u32,
    /// Sessions with one device: 4 downloads.
    pub sessions_per_device: usize,
    /// Sessions in all: 32.
    pub sessions: usize,
}

/// How the user stands to the device that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Stranger,
    Friend,
    Blocked,
}

/// A request that has just come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpAsk {
    pub id: HelpId,
    /// As the handshake has proved it.
    pub from: PeerId,
    /// Where the connection comes from.
    pub address: IpAddr,
    pub standing: Standing,
    /// The most that it asks for.
    pub budget_bytes: u64,
    /// A rule says yes without a prompt, up to so many bytes.
    pub auto_accept_bytes: Option<u64>,
}

/// A fact for the desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskInput {
    Requested(HelpAsk),
    /// The user says yes; `budget_bytes` lowers what was asked for.
    UserAccepted {
        id: HelpId,
        budget_bytes: Option<u64>,
    },
    UserDeclined {
        id: HelpId,
    },
    /// The user stops a running session.
    UserStopped {
        id: HelpId,
    },
    /// The requester took a request back, or said that the session is over, or is gone.
    EndedByRequester {
        id: HelpId,
    },
    /// How many content bytes the session has sent in all.
    Sent {
        id: HelpId,
        total_bytes: u64,
    },
    /// The switch that ends all lending, and allows it. Off at the start.
    LendingSwitched {
        on: bool,
    },
    /// The user blocks a device: everything with it ends.
    PeerBlocked {
        peer: PeerId,
    },
    Tick,
}

/// An order to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeskEffect {
    /// Show the request to the user.
    Prompt { id: HelpId },
    /// Take the prompt away, wherever it is shown. Follows each `Prompt` exactly once.
    ClosePrompt { id: HelpId },
    /// Answer the requester. Exactly once a request, unless the requester ended it first.
    Answer { id: HelpId, answer: HelpAnswer },
    /// Cut the streams of the session and tell the requester. Exactly once a session, unless the
    /// requester ended it first.
    EndSession { id: HelpId, reason: HelpEnd },
}

/// A session in which this device helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LentSession {
    pub peer: PeerId,
    pub budget_bytes: u64,
    pub sent_bytes: u64,
    pub since: Duration,
}

/// See the top of this file.
#[derive(Debug)]
pub struct HelpDesk {
    bounds: DeskBounds,
    lending: bool,
    pending: BTreeMap<HelpId, Pending>,
    sessions: BTreeMap<HelpId, LentSession>,
    /// Prompts shown, the oldest first; only as far back as a bound looks.
    shown: VecDeque<Shown>,
    /// Strangers whose prompts the user has declined.
    declined: BTreeMap<PeerId, Declined>,
    effects: VecDeque<DeskEffect>,
}

#[derive(Debug)]
struct Pending {
    ask: HelpAsk,
    expires: Duration,
}

#[derive(Debug)]
struct Shown {
    at: Duration,
    by: PeerId,
    address: IpAddr,
    friend: bool,
}

#[derive(Debug)]
struct Declined {
    times: u32,
    last: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);
const TEN_MINUTES: Duration = Duration::from_secs(600);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for DeskBounds {
    fn default() -> Self {
        Self {
            expiry: MINUTE,
            stranger_per_10_min: 3,
            stranger_per_day: 10,
            address_per_10_min: 3,
            strangers_per_10_min: 5,
            friend_per_min: 6,
            friend_open: 3,
            friends_open: 16,
            declines_before_quiet: 2,
            sessions_per_device: 4,
            sessions: 32,
        }
    }
}

impl HelpDesk {
    /// Not lending, nothing pending.
    #[must_use]
    pub fn new(bounds: DeskBounds) -> Self {
        Self {
            bounds,
            lending: false,
            pending: BTreeMap::new(),
            sessions: BTreeMap::new(),
            shown: VecDeque::new(),
            declined: BTreeMap::new(),
            effects: VecDeque::new(),
        }
    }

    /// Takes in a fact. Facts about requests that are over, or were never there, change nothing.
    pub fn handle(&mut self, input: DeskInput, now: Duration) {
        self.expire(now);
        match input {
            DeskInput::Requested(ask) => self.requested(ask, now),
            DeskInput::UserAccepted { id, budget_bytes } => {
                if let Some(pending) = self.close(id) {
                    let budget = budget_bytes.unwrap_or(u64::MAX).min(pending.ask.budget_bytes);
                    self.begin(&pending.ask, budget, now);
                }
            }
            DeskInput::UserDeclined { id } => {
                if let Some(pending) = self.close(id) {
                    self.answer(id, HelpAnswer::Decline(HelpDecline::No));
                    self.remember_decline(&pending.ask, now);
                }
            }
            DeskInput::UserStopped { id } => self.end(id, HelpEnd::Stopped),
            DeskInput::EndedByRequester { id } => {
                self.close(id);
                self.sessions.remove(&id);
            }
            DeskInput::Sent { id, total_bytes } => self.sent(id, total_bytes),
            DeskInput::LendingSwitched { on } => {
                self.lending = on;
                if !on {
                    self.end_all(|_| true, HelpDecline::NotLending);
                }
            }
            DeskInput::PeerBlocked { peer } => self.end_all(|id| id == peer, HelpDecline::No),
            DeskInput::Tick => {}
        }
    }

    /// What the shell must do, in order.
    pub fn poll_effect(&mut self) -> Option<DeskEffect> {
        self.effects.pop_front()
    }

    /// When to hand in a [`DeskInput::Tick`].
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

    pub fn sessions(&self) -> impl Iterator<Item = (HelpId, &LentSession)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    fn requested(&mut self, ask: HelpAsk, now: Duration) {
        let id = ask.id;
        if self.pending.contains_key(&id) || self.sessions.contains_key(&id) {
            return;
        }
        let refusal = match ask.standing {
            Standing::Blocked => Some(HelpDecline::No),
            _ if !self.lending => Some(HelpDecline::NotLending),
            _ if !self.has_room_for_session(ask.from) => Some(HelpDecline::TooMany),
            _ => None,
        };
        if let Some(reason) = refusal {
            return self.answer(id, HelpAnswer::Decline(reason));
        }
        if let Some(allowed) = ask.auto_accept_bytes {
            return self.begin(&ask, allowed.min(ask.budget_bytes), now);
        }
        if let Some(reason) = self.refuses_prompt(&ask, now) {
            return self.answer(id, HelpAnswer::Decline(reason));
        }
        let friend = ask.standing == Standing::Friend;
        self.shown.push_back(Shown { at: now, by: ask.from, address: ask.address, friend });
        self.pending.insert(id, Pending { ask, expires: now.saturating_add(self.bounds.expiry) });
        self.effects.push_back(DeskEffect::Prompt { id });
    }

    fn refuses_prompt(&mut self, ask: &HelpAsk, now: Duration) -> Option<HelpDecline> {
        self.forget(now);
        let bounds = self.bounds;
        let open = |of: &dyn Fn(&HelpAsk) -> bool| {
            self.pending.values().filter(|pending| of(&pending.ask)).count()
        };
        let shown = |within: Duration, of: &dyn Fn(&Shown) -> bool| {
            self.shown
                .iter()
                .filter(|shown| now.saturating_sub(shown.at) < within && of(shown))
                .count()
        };
        let by_device = |shown: &Shown| shown.by == ask.from;
        let too_many = if ask.standing == Standing::Friend {
            open(&|other| other.from == ask.from) >= bounds.friend_open
                || open(&|other| other.standing == Standing::Friend) >= bounds.friends_open
                || shown(MINUTE, &by_device) >= bounds.friend_per_min
        } else {
            let quiet = self.declined.get(&ask.from).is_some_and(|declined| {
                declined.times >= bounds.declines_before_quiet
                    && now.saturating_sub(declined.last) < HOUR
            });
            if quiet {
                return Some(HelpDecline::No);
            }
            open(&|other| other.from == ask.from) >= 1
                || shown(TEN_MINUTES, &by_device) >= bounds.stranger_per_10_min
                || shown(DAY, &by_device) >= bounds.stranger_per_day
                || shown(TEN_MINUTES, &|s| !s.friend && s.address == ask.address)
                    >= bounds.address_per_10_min
                || shown(TEN_MINUTES, &|s| !s.friend) >= bounds.strangers_per_10_min
        };
        too_many.then_some(HelpDecline::TooMany)
    }

    /// Forgets what no bound looks at any more. What is kept is bounded by the prompts that were
    /// shown.
    fn forget(&mut self, now: Duration) {
        self.shown
            .retain(|shown| now.saturating_sub(shown.at) < if shown.friend { MINUTE } else { DAY });
        self.declined.retain(|_, declined| now.saturating_sub(declined.last) < DAY);
    }

    fn has_room_for_session(&self, peer: PeerId) -> bool {
        let same = self.sessions.values().filter(|session| session.peer == peer).count();
        self.sessions.len() < self.bounds.sessions && same < self.bounds.sessions_per_device
    }

    fn begin(&mut self, ask: &HelpAsk, budget_bytes: u64, now: Duration) {
        if !self.has_room_for_session(ask.from) {
            return self.answer(ask.id, HelpAnswer::Decline(HelpDecline::TooMany));
        }
        let session = LentSession { peer: ask.from, budget_bytes, sent_bytes: 0, since: now };
        self.sessions.insert(ask.id, session);
        self.answer(ask.id, HelpAnswer::Accept { budget_bytes });
    }

    fn sent(&mut self, id: HelpId, total_bytes: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.sent_bytes = session.sent_bytes.max(total_bytes);
        if session.sent_bytes >= session.budget_bytes {
            self.end(id, HelpEnd::Budget);
        }
    }

    /// Ends a pending request's wait without an answer.
    fn close(&mut self, id: HelpId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.effects.push_back(DeskEffect::ClosePrompt { id });
        Some(pending)
    }

    fn end(&mut self, id: HelpId, reason: HelpEnd) {
        if self.sessions.remove(&id).is_some() {
            self.effects.push_back(DeskEffect::EndSession { id, reason });
        }
    }

    fn end_all(&mut self, of: impl Fn(PeerId) -> bool, decline: HelpDecline) {
        let pending = self.pending.values().filter(|p| of(p.ask.from)).map(|p| p.ask.id);
        for id in pending.collect::<Vec<_>>() {
            self.close(id);
            self.answer(id, HelpAnswer::Decline(decline));
        }
        let sessions = self.sessions.iter().filter(|(_, session)| of(session.peer));
        for id in sessions.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(id, HelpEnd::Stopped);
        }
    }

    fn expire(&mut self, now: Duration) {
        let expired = self.pending.iter().filter(|(_, pending)| pending.expires <= now);
        for id in expired.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(id);
            self.answer(id, HelpAnswer::Expire);
        }
    }

    fn remember_decline(&mut self, ask: &HelpAsk, now: Duration) {
        if ask.standing == Standing::Friend {
            return;
        }
        let declined = self.declined.entry(ask.from).or_insert(Declined { times: 0, last: now });
        declined.times = declined.times.saturating_add(1);
        declined.last = now;
    }

    fn answer(&mut self, id: HelpId, answer: HelpAnswer) {
        self.effects.push_back(DeskEffect::Answer { id, answer });
    }
}
