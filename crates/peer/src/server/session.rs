//! The help requests that this device knows, from the question to the last byte count.
//!
//! Each belongs to the device that asked: for every other one it does not exist. A session's
//! streams are authenticated by the connection that they run on, counted against one budget, and
//! cut together when the session ends; what a stream carries is not this file's business.

mod stream;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use manyhands_core::{HelpAnswer, HelpEnd, HelpId, PeerId};
use manyhands_wire::{
    EndReason, EndReport, HelpRequest, HelpRequestState, HelpState, Mode, PENDING_S, Party,
    Problem, ProblemCode, SessionEnd, Source,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::rate::Rate;
use super::{EndedSession, Incoming, IncomingHelp, Lent, Reported, ServerWaits};
use crate::convert::{end_reason, help_end, help_id, request_id, state_of};
pub(crate) use stream::Stream;

/// Requests of one device that are not over.
pub(crate) const MAX_OPEN_PER_DEVICE: usize = 8;
/// Requests of one device in all; over it, the oldest that is over is forgotten early.
pub(crate) const MAX_KNOWN_PER_DEVICE: usize = 16;
/// Requests of all devices. When all are open, new ones are turned away.
pub(crate) const MAX_KNOWN: usize = 512;
/// Streams of one session at a time.
pub(crate) const MAX_STREAMS: usize = 4;
/// Tunnels of one session at a time: as many as a browser opens to a host, and two more.
pub(crate) const MAX_TUNNELS: usize = 8;
/// New tunnels of one session in [`NEW_TUNNELS`].
pub(crate) const MAX_NEW_TUNNELS: usize = 60;
const NEW_TUNNELS: Duration = Duration::from_secs(60);
/// When the budget runs out, what is under way may still reach the requester for so long.
pub(crate) const LAST_BYTES: Duration = Duration::from_secs(1);
/// How often sessions are looked over.
const SWEEP: Duration = Duration::from_secs(5);

/// All of them. The lock guards the table and is never held over an await.
#[derive(Debug)]
pub(crate) struct Sessions {
    table: Mutex<BTreeMap<HelpId, Arc<Session>>>,
    /// Of all sessions together.
    pub(crate) rate: Rate,
    waits: ServerWaits,
    incoming: mpsc::Sender<Incoming>,
    closed: CancellationToken,
}

/// One help request.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: HelpId,
    pub(crate) peer: PeerId,
    pub(crate) request: HelpRequest,
    /// Of this session's streams together.
    pub(crate) rate: Rate,
    sent_bytes: AtomicU64,
    /// What changes and is waited for.
    progress: watch::Sender<Progress>,
    /// What changes unnoticed. The lock is never held over an await.
    inner: Mutex<Inner>,
}

#[derive(Clone, Debug)]
struct Progress {
    revision: u32,
    state: HelpState,
}

#[derive(Debug)]
struct Inner {
    expires: Instant,
    over_since: Option<Instant>,
    last_heard: Instant,
    /// Long polls in flight: a sign of life.
    polls: usize,
    next_stream: u64,
    streams: BTreeMap<u64, CancellationToken>,
    /// When the tunnels of the last minute were opened.
    opened: VecDeque<Instant>,
    source: Option<Source>,
}

impl Inner {
    /// Room for one more tunnel, or how long there is none.
    fn admit_tunnel(&mut self, now: Instant) -> Result<(), Duration> {
        let age = |opened: &Instant| now.saturating_duration_since(*opened);
        while self.opened.front().is_some_and(|opened| age(opened) >= NEW_TUNNELS) {
            self.opened.pop_front();
        }
        match self.opened.front() {
            Some(oldest) if self.opened.len() >= MAX_NEW_TUNNELS => {
                Err(NEW_TUNNELS.saturating_sub(age(oldest)))
            }
            _ => {
                self.opened.push_back(now);
                Ok(())
            }
        }
    }

    /// For how long nobody has asked for anything; zero while something is under way.
    fn quiet(&self, now: Instant) -> Duration {
        if self.streams.is_empty() && self.polls == 0 {
            now.saturating_duration_since(self.last_heard)
        } else {
            Duration::ZERO
        }
    }
}

/// Keeps a session alive while its requester waits for a change.
struct Poll<'a>(&'a Session);

impl Sessions {
    pub(crate) fn new(waits: ServerWaits, incoming: mpsc::Sender<Incoming>) -> Self {
        Self {
            table: Mutex::default(),
            rate: Rate::default(),
            waits,
            incoming,
            closed: CancellationToken::new(),
        }
    }

    /// Takes a request in and hands it to the shell.
    ///
    /// # Errors
    /// Too many of this device, or of all; or the shell has too much to do.
    pub(crate) fn ask(
        self: &Arc<Self>,
        from: PeerId,
        address: IpAddr,
        request: HelpRequest,
    ) -> Result<Arc<Session>, Problem> {
        let room = self.incoming.try_reserve().map_err(|_| Problem::new(ProblemCode::Busy))?;
        let now = Instant::now();
        let id = HelpId(rand::random());
        let pending = HelpState::Pending { expires_in_s: PENDING_S };
        let session = Arc::new(Session {
            id,
            peer: from,
            request: request.clone(),
            rate: Rate::default(),
            sent_bytes: AtomicU64::new(0),
            progress: watch::Sender::new(Progress { revision: 1, state: pending }),
            inner: Mutex::new(Inner {
                expires: now + self.waits.answer,
                over_since: None,
                last_heard: now,
                polls: 0,
                next_stream: 0,
                streams: BTreeMap::new(),
                opened: VecDeque::new(),
                source: None,
            }),
        });
        self.insert(session.clone())?;
        let (answer, answered) = oneshot::channel();
        room.send(Incoming::HelpRequest(IncomingHelp { id, from, address, request, answer }));
        tokio::spawn(self.clone().await_answer(session.clone(), answered));
        info!(request = ?id, from = %from.short(), "asked for help");
        Ok(session)
    }

    /// The request with this id, for the device that made it.
    pub(crate) fn find(&self, id: HelpId, caller: PeerId) -> Result<Arc<Session>, Problem> {
        let session = self.lock().get(&id).filter(|session| session.peer == caller).cloned();
        let session = session.ok_or_else(|| Problem::new(ProblemCode::UnknownRequest))?;
        session.lock().last_heard = Instant::now();
        Ok(session)
    }

    /// The requester takes its request back, or says that the session is over.
    pub(crate) fn end_by_requester(&self, session: &Session, report: Option<EndReport>) {
        let reason = report.map_or(EndReason::Cancelled, |report| report.reason);
        let was_pending = session.transition(|state| match state {
            HelpState::Pending { .. } => Some(HelpState::Withdrawn),
            HelpState::Accepted { .. } => Some(HelpState::Ended(SessionEnd {
                by: Party::Requester,
                reason,
                sent_bytes: session.sent_bytes(),
                received_bytes: report.map(|report| report.received_bytes),
                used_bytes: report.map(|report| report.used_bytes),
            })),
            _ => None,
        });
        match was_pending {
            Some(HelpState::Pending { .. }) => {
                self.tell(Incoming::Withdrawn { id: session.id });
            }
            Some(_) => {
                let reported = report.map(|report| Reported {
                    received_bytes: report.received_bytes,
                    used_bytes: report.used_bytes,
                });
                let ended = session.ended(true, help_end(reason), reported);
                self.tell(Incoming::Ended(ended));
            }
            None => {}
        }
    }

    pub(crate) fn end_by_order(&self, id: HelpId, reason: HelpEnd) -> Option<EndedSession> {
        let session = self.lock().get(&id).cloned()?;
        let ended = session.end_by_helper(reason)?;
        self.cut_after_last_bytes(&session);
        Some(ended)
    }

    /// Cuts what an ended budget has left open, in a moment, or at once when nobody is served any
    /// more: a stream that waits for the origin, or for its turn, would hold its place for as long
    /// as they like. Tunnels end by themselves.
    fn cut_after_last_bytes(&self, session: &Arc<Session>) {
        if !session.is_used_up() || session.request.mode != Mode::Fetch {
            return;
        }
        let (session, closed) = (session.clone(), self.closed.clone());
        tokio::spawn(async move {
            // `None` when it is closed: then too.
            let _ = closed.run_until_cancelled(tokio::time::sleep(LAST_BYTES)).await;
            session.lock().streams.values().for_each(CancellationToken::cancel);
        });
    }

    pub(crate) fn set_session_rate(&self, id: HelpId, bytes_per_s: Option<u64>) {
        if let Some(session) = self.lock().get(&id) {
            session.rate.set(bytes_per_s);
        }
    }

    pub(crate) fn lent(&self) -> Vec<Lent> {
        let table = self.lock();
        let running = table.values().filter(|session| session.budget().is_some());
        running
            .map(|session| {
                let sent_bytes = session.sent_bytes();
                let inner = session.lock();
                Lent {
                    id: session.id,
                    peer: session.peer,
                    sent_bytes,
                    streams: u16::try_from(inner.streams.len()).unwrap_or(u16::MAX),
                    quiet: inner.quiet(Instant::now()),
                }
            })
            .collect()
    }

    /// Answers what waits: nothing changes any more.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Ends sessions that nobody uses, forgets what is long over. Runs until it is dropped.
    pub(crate) async fn sweep(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(SWEEP.min(self.waits.silence / 2));
        loop {
            ticks.tick().await;
            let now = Instant::now();
            let all: Vec<_> = self.lock().values().cloned().collect();
            for session in all {
                let accepted =
                    matches!(session.progress.borrow().state, HelpState::Accepted { .. });
                let silent = accepted && session.lock().quiet(now) >= self.waits.silence;
                if silent && let Some(ended) = session.end_by_helper(HelpEnd::Lost) {
                    self.tell(Incoming::Ended(ended));
                }
            }
            self.lock().retain(|_, session| {
                let over = session.lock().over_since;
                over.is_none_or(|over| now.saturating_duration_since(over) < self.waits.keep)
            });
        }
    }

    fn insert(&self, session: Arc<Session>) -> Result<(), Problem> {
        let mut table = self.lock();
        let of_device = |other: &&Arc<Session>| other.peer == session.peer;
        let open = table.values().filter(of_device).filter(|s| !s.is_over()).count();
        if open >= MAX_OPEN_PER_DEVICE {
            return Err(Problem::new(ProblemCode::TooMany));
        }
        let oldest_over = |sessions: &mut dyn Iterator<Item = &Arc<Session>>| {
            let over = sessions.filter_map(|s| Some((s.lock().over_since?, s.id)));
            over.min().map(|(_, id)| id)
        };
        if table.values().filter(of_device).count() >= MAX_KNOWN_PER_DEVICE
            && let Some(id) = oldest_over(&mut table.values().filter(of_device))
        {
            table.remove(&id);
        }
        if table.len() >= MAX_KNOWN {
            let oldest = oldest_over(&mut table.values());
            table.remove(&oldest.ok_or_else(|| Problem::new(ProblemCode::Busy))?);
        }
        table.insert(session.id, session);
        Ok(())
    }

    async fn await_answer(
        self: Arc<Self>,
        session: Arc<Session>,
        answered: oneshot::Receiver<HelpAnswer>,
    ) {
        let mut progress = session.progress.subscribe();
        let answer = tokio::select! {
            answer = tokio::time::timeout(self.waits.answer, answered) => answer,
            _ = progress.wait_for(|progress| progress.state.is_final()) => return,
            () = self.closed.cancelled() => return,
        };
        let state = match answer {
            Ok(Ok(answer)) => state_of(answer),
            Ok(Err(_)) => HelpState::Declined { reason: Default::default() },
            Err(_) => HelpState::Expired,
        };
        session.transition(|now| matches!(now, HelpState::Pending { .. }).then_some(state));
    }

    /// Tells the shell. When its queue is full the message waits in a task of its own; since each
    /// request is over only once, there are never more of these than requests.
    fn tell(&self, message: Incoming) {
        if let Err(mpsc::error::TrySendError::Full(message)) = self.incoming.try_send(message) {
            let incoming = self.incoming.clone();
            tokio::spawn(async move { incoming.send(message).await });
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<HelpId, Arc<Session>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// What the requester is told now.
    pub(crate) fn state(&self) -> HelpRequestState {
        let Progress { revision, mut state } = self.progress.borrow().clone();
        if let HelpState::Pending { expires_in_s } = &mut state {
            let left = self.lock().expires.saturating_duration_since(Instant::now());
            *expires_in_s = u16::try_from(left.as_secs()).unwrap_or(PENDING_S).min(PENDING_S);
        }
        HelpRequestState { id: request_id(self.id), revision, state }
    }

    /// Waits until the revision is greater than `since`, or for `wait`. Without `since`: while it
    /// is pending.
    pub(crate) async fn changed(&self, sessions: &Sessions, since: Option<u32>, wait: Duration) {
        self.lock().polls += 1;
        let _alive = Poll(self);
        let mut progress = self.progress.subscribe();
        let news = progress.wait_for(|progress| match since {
            Some(since) => progress.revision > since,
            None => !matches!(progress.state, HelpState::Pending { .. }),
        });
        tokio::select! {
            _ = tokio::time::timeout(wait, news) => {}
            () = sessions.closed.cancelled() => {}
        }
    }

    /// Where to fetch from, once the request is accepted.
    pub(crate) fn set_source(&self, source: Source) -> Result<(), Problem> {
        self.require_accepted()?;
        self.lock().source = Some(source);
        Ok(())
    }

    pub(crate) fn source(&self) -> Option<Source> {
        self.lock().source.clone()
    }

    /// The budget that is left.
    ///
    /// # Errors
    /// Not accepted yet, or over.
    pub(crate) fn require_accepted(&self) -> Result<u64, Problem> {
        match &self.progress.borrow().state {
            HelpState::Accepted { budget_bytes } => {
                Ok(budget_bytes.saturating_sub(self.sent_bytes()))
            }
            HelpState::Pending { .. } => Err(Problem::new(ProblemCode::NotReady)),
            _ => Err(Problem::new(ProblemCode::SessionOver)),
        }
    }

    /// What the helper has agreed to do is what it does.
    pub(crate) fn require_mode(&self, mode: Mode) -> Result<(), Problem> {
        match self.request.mode == mode {
            true => Ok(()),
            false => Err(Problem::new(ProblemCode::WrongMode)),
        }
    }

    /// Opens a stream or tunnel on the connection that `kill` ends.
    pub(crate) fn open_stream(
        self: &Arc<Self>,
        sessions: &Arc<Sessions>,
        kill: &CancellationToken,
    ) -> Result<Stream, Problem> {
        let mut inner = self.lock();
        // Under the lock: a session that ends now either sees this stream, or is seen here to have
        // ended.
        self.require_accepted()?;
        let (max, is_tunnel) = match self.request.mode {
            Mode::Fetch => (MAX_STREAMS, false),
            Mode::Relay => (MAX_TUNNELS, true),
        };
        if inner.streams.len() >= max {
            return Err(Problem::new(ProblemCode::TooMany));
        }
        if is_tunnel && let Err(wait) = inner.admit_tunnel(Instant::now()) {
            let mut problem = Problem::new(ProblemCode::TooMany);
            problem.retry_after_ms = u64::try_from(wait.as_millis()).ok();
            return Err(problem);
        }
        let number = inner.next_stream;
        inner.next_stream += 1;
        inner.streams.insert(number, kill.clone());
        Ok(Stream::new(self.clone(), sessions.clone(), number))
    }

    fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    fn budget(&self) -> Option<u64> {
        match self.progress.borrow().state {
            HelpState::Accepted { budget_bytes } => Some(budget_bytes),
            _ => None,
        }
    }

    fn is_over(&self) -> bool {
        self.progress.borrow().state.is_final()
    }

    fn is_used_up(&self) -> bool {
        let state = &self.progress.borrow().state;
        matches!(state, HelpState::Ended(end) if end.reason == EndReason::Budget)
    }

    fn end_by_helper(&self, reason: HelpEnd) -> Option<EndedSession> {
        let before = self.transition(|state| match state {
            HelpState::Accepted { .. } => Some(HelpState::Ended(SessionEnd {
                by: Party::Helper,
                reason: end_reason(reason),
                sent_bytes: self.sent_bytes(),
                received_bytes: None,
                used_bytes: None,
            })),
            // The user's yes may be on its way: it comes too late now.
            HelpState::Pending { .. } => Some(HelpState::Declined { reason: Default::default() }),
            _ => None,
        })?;
        matches!(before, HelpState::Accepted { .. }).then(|| self.ended(false, reason, None))
    }

    /// The one way from state to state. Gives the state before, if `next` names another one.
    fn transition(&self, next: impl FnOnce(&HelpState) -> Option<HelpState>) -> Option<HelpState> {
        let mut before = None;
        self.progress.send_if_modified(|progress| {
            let Some(state) = next(&progress.state) else { return false };
            before = Some(std::mem::replace(&mut progress.state, state));
            progress.revision = progress.revision.saturating_add(1);
            true
        });
        if before.is_some() && self.is_over() {
            let mut inner = self.lock();
            inner.over_since = Some(Instant::now());
            inner.source = None;
            // The connections, not only the streams: what waits in their buffers goes too. Except
            // where the budget ran out: those bytes are counted, and no more will follow them.
            if !self.is_used_up() {
                inner.streams.values().for_each(CancellationToken::cancel);
            }
            debug!(request = ?self.id, "help request is over");
        }
        before
    }

    fn ended(
        &self,
        by_requester: bool,
        reason: HelpEnd,
        reported: Option<Reported>,
    ) -> EndedSession {
        let sent_bytes = self.sent_bytes();
        EndedSession { id: self.id, peer: self.peer, by_requester, reason, sent_bytes, reported }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.polls = inner.polls.saturating_sub(1);
        inner.last_heard = Instant::now();
    }
}

/// For the names of requests in paths.
pub(crate) fn parse_id(text: &str) -> Result<HelpId, Problem> {
    text.parse().map(help_id).map_err(|_| Problem::new(ProblemCode::UnknownRequest))
}

#[cfg(test)]
mod tests;
