//! The task that owns the core: takes in facts and commands, carries out effects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{Datelike, Timelike};
use manyhands_core::{
    Ask, AskTerms, ByteRange, Core, CoreError, DownloadId, DownloadSpec, DownloadState, Effect,
    Failure, FailureCode, Found, GroupId, HelpEnd, HelpId, HelpOffer, Input, LeaseEnd, LeaseId,
    LinkFacts, LocalTime, Now, PeerId, RunId, SourceId,
};
use manyhands_origin::{FetchRequest, Origins};
use manyhands_peer::PresenceNews;
use manyhands_store::{Op, Settings};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::fetch::{Bound, Fetch, PartWhen, Via};
use crate::groups;
use crate::network::pairing::{Meant, Met};
use crate::network::session::{Asking, Requester, Session};
use crate::network::{Network, NetworkFact, Online, Policy};
use crate::part::{self, Created, Reopened, disk_failure};
use crate::present::Presenter;
use crate::profile::{Before, Change, Known, group_of, stranger};
use crate::saver::Saver;
use crate::view::{
    Decision, DownloadRow, HelpingRow, InviteView, Lookout, PairingRow, PeerRow, Query, RequestRow,
    Terms, View,
};
use crate::writer::{Part, Writer, discard_part};

/// Facts that may wait for the core; those who have more wait.
const MAX_WAITING_FACTS: usize = 1024;
/// Front ends are told of changes at most so often.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// … and of time alone, which prompts and sessions show in seconds, at most so often.
const TOUCH_EVERY: Duration = Duration::from_secs(1);
/// Peers are asked at most so often; who is asked again, and when, is the core's to say.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long a shutdown waits for part files to be closed.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(5);

/// A fact for the core; some bring an open part file along.
#[derive(Debug)]
pub struct Fact {
    input: Input,
    part: Option<Arc<Part>>,
    session: Option<((DownloadId, PeerId), Arc<Session>)>,
    /// The session that it is about: from one that was ended meanwhile it says nothing.
    of: Option<((DownloadId, PeerId), HelpId)>,
}

/// The way for facts to the core.
#[derive(Clone, Debug)]
pub struct Facts(mpsc::Sender<Fact>);

impl Facts {
    pub fn channel() -> (Self, mpsc::Receiver<Fact>) {
        let (facts, received) = mpsc::channel(MAX_WAITING_FACTS);
        (Self(facts), received)
    }

    /// Waits for room. After the end of the program nobody listens, and that is fine.
    pub async fn send(&self, input: Input) {
        let _ = self.0.send(Fact { input, part: None, session: None, of: None }).await;
    }

    /// From threads.
    pub fn blocking_send(&self, input: Input) {
        let _ = self.0.blocking_send(Fact { input, part: None, session: None, of: None });
    }

    async fn send_with_part(&self, part: Option<Part>, input: Input) {
        let _ =
            self.0.send(Fact { input, part: part.map(Arc::new), session: None, of: None }).await;
    }

    /// What became of a session.
    pub async fn send_of_session(&self, key: (DownloadId, PeerId), id: HelpId, input: Input) {
        let _ = self.0.send(Fact { input, part: None, session: None, of: Some((key, id)) }).await;
    }

    /// The answer to a help request, with the session that it opened.
    pub async fn send_with_session(
        &self,
        download: DownloadId,
        peer: PeerId,
        session: Arc<Session>,
        input: Input,
    ) {
        let session = Some(((download, peer), session));
        let _ = self.0.send(Fact { input, part: None, session, of: None }).await;
    }
}

/// A wish of a front end.
#[derive(Debug)]
pub enum Command {
    Add { spec: Box<DownloadSpec>, answer: oneshot::Sender<DownloadId> },
    Pause { id: DownloadId, answer: oneshot::Sender<Result<(), CoreError>> },
    Resume { id: DownloadId, answer: oneshot::Sender<Result<(), CoreError>> },
    Remove { id: DownloadId, answer: oneshot::Sender<Result<(), CoreError>> },
    PauseAll { answer: oneshot::Sender<()> },
    ResumeAll { answer: oneshot::Sender<()> },
    View { query: Query, answer: oneshot::Sender<View> },
    Row { id: DownloadId, answer: oneshot::Sender<Option<DownloadRow>> },
    Ask { id: DownloadId, terms: AskTerms, wait: Duration, answer: oneshot::Sender<()> },
    Peers { answer: oneshot::Sender<Vec<PeerRow>> },
    Requests { answer: oneshot::Sender<Vec<RequestRow>> },
    Helping { answer: oneshot::Sender<Vec<HelpingRow>> },
    Decide { id: String, decision: Decision, answer: oneshot::Sender<bool> },
    Change { change: Change, answer: oneshot::Sender<Result<bool, Failure>> },
    Terms { answer: oneshot::Sender<Terms> },
    Lookout { answer: oneshot::Sender<Lookout> },
    Invite { group: GroupId, answer: oneshot::Sender<Result<InviteView, Failure>> },
    StopHelping { id: HelpId, answer: oneshot::Sender<bool> },
    Meant { who: String, answer: oneshot::Sender<Result<Meant, Failure>> },
    Pair { met: Box<Met>, answer: oneshot::Sender<Result<String, Failure>> },
    Pairings { answer: oneshot::Sender<Vec<PairingRow>> },
    AnswerPairing { id: String, same: bool, answer: oneshot::Sender<bool> },
    Shutdown { answer: oneshot::Sender<()> },
}

/// Everything the task owns.
#[derive(Debug)]
pub struct Shell {
    pub core: Core,
    pub origins: Origins,
    pub writer: Writer,
    pub saver: Saver,
    pub facts: Facts,
    pub changes: watch::Sender<u64>,
    pub parts: BTreeMap<DownloadId, Arc<Part>>,
    pub running: BTreeMap<LeaseId, Running>,
    pub presenter: Presenter,
    pub network: Option<Network>,
    /// What the network would know, where there is none.
    pub alone: Known,
    pub settings: Settings,
    /// When peers were asked last.
    pub asked_at: Duration,
    /// When windows were last told that time has passed.
    pub touched_at: Duration,
    pub clock: Clock,
}

/// A fetch task as the shell sees it.
#[derive(Debug)]
pub struct Running {
    download: DownloadId,
    bound: Arc<Bound>,
    stop: CancellationToken,
    /// Lets a held body flow.
    proceed: Option<oneshot::Sender<Arc<Part>>>,
}

/// Where the time comes from.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn now(&self) -> Now {
        Now { monotonic: self.0.elapsed(), unix_ms: Self::unix_ms() }
    }

    pub fn unix_ms() -> u64 {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        unix.as_millis() as u64
    }

    /// The clock on the wall, in the user's time zone.
    pub fn local() -> LocalTime {
        let local = chrono::Local::now();
        let minute = local.hour() * 60 + local.minute();
        LocalTime { day: local.num_days_from_ce(), minute: minute as u16 }
    }
}

impl Shell {
    /// Runs until a shutdown, or until no front end is left.
    pub async fn run(
        mut self,
        mut facts: mpsc::Receiver<Fact>,
        mut commands: mpsc::Receiver<Command>,
    ) {
        let mut told = tokio::time::interval(TELL_EVERY);
        told.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Downloads that were queued when the program ended go on.
        self.core.handle(Input::Tick, self.clock.now());
        self.carry_out_all();
        let asked_to_stop = loop {
            let now = self.clock.now().monotonic;
            let wait = self.core.poll_timeout().map(|at| at.saturating_sub(now));
            tokio::select! {
                Some(fact) = facts.recv() => self.handle(fact),
                fact = next_of(&mut self.network) => self.handle_network(fact),
                command = commands.recv() => match command {
                    Some(Command::Shutdown { answer }) => break Some(answer),
                    Some(command) => self.obey(command),
                    None => break None,
                },
                () = tokio::time::sleep(wait.unwrap_or(Duration::MAX)), if wait.is_some() => {
                    self.handle(Fact { input: Input::Tick, part: None, session: None, of: None });
                }
                _ = told.tick() => self.tell_changes(),
            }
            self.carry_out_all();
        };
        self.shut_down(&mut facts).await;
        drop(asked_to_stop);
    }

    fn handle(&mut self, Fact { input, part, session, of }: Fact) {
        let now = self.clock.now();
        let agreed = session.as_ref().map(|(key, _)| *key);
        if let Some(network) = &mut self.network {
            let too_late = of.is_some_and(|(key, id)| !network.has_session(key, id));
            if too_late || session.is_some_and(|(key, new)| !network.take_session(key, new)) {
                return;
            }
        }
        let opened = part.map(|part| {
            let download = part.download;
            self.parts.insert(download, part);
            download
        });
        match &input {
            Input::LeaseEnded { lease, .. } => drop(self.running.remove(lease)),
            Input::HelpAnswered { download, peer, .. }
            | Input::HelpUnanswered { download, peer } => {
                if let Some(network) = &mut self.network {
                    network.asking.remove(&(*download, *peer));
                }
            }
            _ => {}
        }
        self.core.handle(input, now);
        if let Some(download) = opened.filter(|download| !self.core.is_running(*download)) {
            // It came too late: nobody would close it.
            self.parts.remove(&download);
        }
        if let (Some(network), Some(key)) = (&mut self.network, agreed) {
            if !self.core.is_helped_by(key.0, key.1) {
                // So did the helper's yes.
                return network.end_session(key, HelpEnd::Cancelled, 0, 0);
            }
            // Whoever was named by the user and helps is a friend from then on.
            let named =
                network.policies.get(&key.0).is_some_and(|policy| policy.terms.ask.names(key.1));
            if named && let Some(friend) = network.befriend(key.1) {
                self.saver.apply(vec![Op::PutFriend(friend)], None);
            }
        }
    }

    fn tell_changes(&mut self) {
        let now = self.clock.now();
        self.presenter.sample(&self.core, now);
        if let Some(network) = &mut self.network {
            let changed = network.tick_desk(now.monotonic, Clock::local());
            if let Some(day) = network.lent_to_store(now.monotonic, false) {
                self.saver.apply(vec![Op::PutLentDay(day)], None);
            }
            let shows_time = network.server.pairings().tick()
                | network.shows_time()
                | network.finding_shows_time(now.monotonic);
            if changed || (shows_time && now.monotonic >= self.touched_at + TOUCH_EVERY) {
                self.touched_at = now.monotonic;
                self.core.touch();
            }
            // Kept as long as the download lives: it also says whom the user has named.
            let core = &self.core;
            network
                .policies
                .retain(|id, _| !matches!(core.state(*id), Some(DownloadState::Completed) | None));
        }
        self.begin_asking(now);
        if now.monotonic >= self.asked_at + ASK_EVERY {
            self.asked_at = now.monotonic;
            self.ask_around(now);
            if let Some(network) = &mut self.network {
                network.ring_who_is_wanted(now.monotonic);
            }
        }
        let revision = self.core.revision();
        self.changes.send_if_modified(|told| std::mem::replace(told, revision) != revision);
    }

    fn obey(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Add { spec, answer } => {
                let _ = answer.send(self.core.add(*spec, now));
            }
            Command::Pause { id, answer } => {
                let _ = answer.send(self.core.pause(id, now));
            }
            Command::Resume { id, answer } => {
                let _ = answer.send(self.core.resume(id, now));
            }
            Command::Remove { id, answer } => {
                let _ = answer.send(self.core.remove(id, now));
            }
            Command::PauseAll { answer } => {
                self.core.pause_all(now);
                let _ = answer.send(());
            }
            Command::ResumeAll { answer } => {
                self.core.resume_all(now);
                let _ = answer.send(());
            }
            Command::View { query, answer } => {
                let _ = answer.send(self.view(&query, now));
            }
            Command::Row { id, answer } => {
                let _ = answer.send(self.presenter.row(&self.core, id, now));
            }
            Command::Ask { id, terms, wait, answer } => {
                if let Some(network) = &mut self.network {
                    network.policies.insert(id, Policy { terms, wait, until: None });
                }
                self.begin_asking(now);
                let _ = answer.send(());
            }
            Command::Peers { answer } => {
                let network = self.network.as_ref();
                let peers = network.map(|net| net.everybody(&self.core, now.monotonic));
                let _ = answer.send(peers.unwrap_or_default());
            }
            Command::Requests { answer } => {
                let requests = self.network.as_ref().map(|network| network.requests(now.monotonic));
                let _ = answer.send(requests.unwrap_or_default());
            }
            Command::Helping { answer } => {
                let helping = self.network.as_ref().map(|net| net.helping(now.monotonic));
                let _ = answer.send(helping.unwrap_or_default());
            }
            Command::Decide { id, decision, answer } => {
                let _ = answer.send(self.decide(&id, decision, now));
            }
            Command::Change { change, answer } => {
                let _ = answer.send(self.change(&change, now));
            }
            Command::Terms { answer } => {
                let terms = self.network.as_ref().map(Network::terms);
                let alone = || self.alone.terms(&self.settings, Clock::local());
                let _ = answer.send(terms.unwrap_or_else(alone));
            }
            Command::Lookout { answer } => {
                let lookout = self.network.as_ref().map(|network| network.lookout(now.monotonic));
                let _ = answer.send(lookout.unwrap_or_else(|| self.alone.lookout(&self.settings)));
            }
            Command::Invite { group, answer } => {
                let groups = self.network.as_ref().map_or(&self.alone.groups, |net| &net.groups);
                let _ = answer.send(group_of(groups, group).and_then(groups::invite_view));
            }
            Command::StopHelping { id, answer } => {
                let stopped = self
                    .network
                    .as_mut()
                    .is_some_and(|network| network.stop_helping(id, now.monotonic));
                self.core.touch();
                let _ = answer.send(stopped);
            }
            Command::Meant { who, answer } => {
                let meant = self.network.as_ref().ok_or_else(no_network);
                let _ = answer.send(meant.and_then(|network| network.meant(&who)));
            }
            Command::Pair { met, answer } => {
                let begun = self.network.as_mut().ok_or_else(no_network);
                let _ = answer.send(begun.and_then(|network| network.begin_pairing(&met)));
                self.core.touch();
            }
            Command::Pairings { answer } => {
                // Whoever is told that two are paired can rely on it: it is being stored.
                self.befriend_paired();
                let pairings = self.network.as_ref().map(Network::pairings);
                let _ = answer.send(pairings.unwrap_or_default());
            }
            Command::AnswerPairing { id, same, answer } => {
                let network = self.network.as_ref();
                let _ = answer.send(network.is_some_and(|net| net.answer_pairing(&id, same)));
            }
            // The loop has taken it.
            Command::Shutdown { answer } => drop(answer),
        }
    }

    /// What a window shows: the downloads, and what is between this device and others.
    fn view(&self, query: &Query, now: Now) -> View {
        let mut view = self.presenter.view(&self.core, query, now);
        if let Some(network) = &self.network {
            view.together =
                Some(network.together(&self.core, query.peers, query.members, now.monotonic));
            if let Some(details) = &mut view.details {
                let id = DownloadId(details.id);
                details.candidates = network.candidates(&self.core, id, now);
            }
        }
        view
    }

    /// Asks for downloads that have left the queue: their time for asking begins now.
    fn begin_asking(&mut self, now: Now) {
        let Some(network) = &mut self.network else { return };
        let mut some_begin = false;
        for (id, policy) in &mut network.policies {
            if policy.until.is_none() && self.core.state(*id) != Some(DownloadState::Queued) {
                policy.until = Some(now.monotonic.saturating_add(policy.wait));
                some_begin = true;
            }
        }
        if some_begin {
            self.ask_around(now);
        }
    }

    /// Asks everybody whom the user wants to be asked and who is there. What does not wait for others is asked for once: `now`
    /// is the moment at which its time began.
    fn ask_around(&mut self, now: Now) {
        let Some(network) = &self.network else { return };
        for (id, policy) in network.policies.clone() {
            if policy.until.is_some_and(|until| until < now.monotonic) {
                continue;
            }
            let Some(record) = self.core.record(id) else { continue };
            let link = LinkFacts::of(&record.spec);
            let wanted = network.online.keys().filter_map(|peer| {
                let mode = policy.terms.mode_for(link, network.asked_peer(*peer)?)?;
                Some((*peer, network.name_of(*peer), mode))
            });
            let peers: Vec<_> = wanted.collect();
            if !peers.is_empty() {
                // One in the queue is asked for when it runs; one that is over needs nobody.
                let _ = self.core.ask_help(id, peers, now);
            }
        }
    }

    fn handle_network(&mut self, fact: NetworkFact) {
        let now = self.clock.now();
        let Some(network) = &mut self.network else { return };
        match fact {
            NetworkFact::Presence(PresenceNews::Online { peer, hello }) => {
                let id = peer.id();
                network.online.insert(id, Online { remote: peer, hello });
                network.other_keys.remove(&id);
                network.finding.reached(id);
                if let Some(friend) = network.remember_address(id) {
                    self.saver.apply(vec![Op::PutFriend(friend)], None);
                }
                self.ask_around(now);
            }
            NetworkFact::Presence(PresenceNews::Offline { id }) => {
                network.online.remove(&id);
            }
            NetworkFact::Presence(PresenceNews::OtherKey { id, found, at }) => {
                network.found_other(id, found, at);
            }
            NetworkFact::Presence(PresenceNews::Unreachable { id, why }) => {
                network.finding.not_reached(id, why);
                network.ring_who_is_wanted(now.monotonic);
            }
            NetworkFact::Presence(PresenceNews::Found { id, by }) => network.finding.found(id, by),
            NetworkFact::Rendezvous => {}
            NetworkFact::Pairing => self.befriend_paired(),
            NetworkFact::Incoming(incoming) => network.take_in(incoming, now.monotonic),
        }
        self.core.touch();
    }

    fn befriend_paired(&mut self) {
        let Some(network) = &mut self.network else { return };
        let friends = network.befriend_paired();
        if !friends.is_empty() {
            self.saver.apply(friends.into_iter().map(Op::PutFriend).collect(), None);
        }
    }

    /// The user's answer to a request; `id` may be its beginning, where that is clear.
    fn decide(&mut self, id: &str, decision: Decision, now: Now) -> bool {
        let Some(network) = &self.network else { return false };
        let mut matching = network.waiting.keys().filter(|known| known.to_string().starts_with(id));
        let (Some(found), None) = (matching.next().copied(), matching.next()) else { return false };
        let Some(peer) = network.who_asks(found) else { return false };
        let always = match decision {
            Decision::Block => return self.change(&Change::Block { peer }, now).is_ok(),
            Decision::HelpAlways { terms } => Some(Change::SetRule { peer, terms }),
            Decision::Help | Decision::NotNow => None,
        };
        // First: the rule holds for this very request too.
        if always.is_some_and(|change| self.change(&change, now).is_err()) {
            return false;
        }
        let Some(network) = &mut self.network else { return false };
        let accept = decision != Decision::NotNow;
        network.decide(found, accept, now.monotonic);
        // One whose request did not fit into the bounds any more has not been helped.
        let helps = network.desk.sessions().any(|(id, _)| id == found);
        if helps && let Some(friend) = network.befriend(peer) {
            self.saver.apply(vec![Op::PutFriend(friend)], None);
        }
        self.core.touch();
        helps == accept
    }

    /// The user's decision about others, or about hosts: stored, and carried out at once. Whether it changes anything.
    fn change(&mut self, change: &Change, now: Now) -> Result<bool, Failure> {
        let settings = &self.settings;
        let before = match &self.network {
            Some(network) => Before {
                friends: &network.friends,
                blocked: &network.blocked,
                groups: &network.groups,
                settings,
                insecure_http: network.insecure_http,
            },
            None => Before {
                friends: &self.alone.friends,
                blocked: &self.alone.blocked,
                groups: &self.alone.groups,
                settings,
                insecure_http: false,
            },
        };
        let ops = change.ops(before, |peer| match &self.network {
            Some(network) => network.new_friend(peer),
            None => stranger(peer, String::new()),
        })?;
        if let Some(Op::PutSettings(settings)) = ops.first() {
            self.settings = settings.clone();
        }
        match &mut self.network {
            Some(network) => {
                network.learn(&ops);
                // Also where nothing is stored: this run may lend otherwise than the profile says.
                network.obey(change, &self.settings, now.monotonic);
            }
            None => self.alone.learn(&ops),
        }
        if let Change::Block { peer } | Change::RemoveFriend { peer } = change {
            self.part_with(*peer, now);
        }
        let changed = !ops.is_empty();
        self.saver.apply(ops, None);
        self.core.touch();
        Ok(changed)
    }

    /// Nothing more is had from this peer: its sessions as a helper end, and nobody's wish names it any more.
    fn part_with(&mut self, peer: PeerId, now: Now) {
        let Some(network) = &mut self.network else { return };
        for policy in network.policies.values_mut() {
            if let Ask::Peers(peers) = &mut policy.terms.ask {
                peers.retain(|named| *named != peer);
            }
        }
        let asked = network.asking.keys().chain(network.sessions.keys());
        let asked: BTreeSet<_> = asked.filter(|(_, other)| *other == peer).copied().collect();
        for (download, peer) in asked {
            if let Some(network) = &mut self.network {
                network.withdraw((download, peer));
            }
            let reason = HelpEnd::Stopped;
            self.core.handle(Input::HelpEnded { download, peer, reason }, now);
        }
    }

    async fn shut_down(&mut self, facts: &mut mpsc::Receiver<Fact>) {
        self.core.shut_down(self.clock.now());
        self.carry_out_all();
        let closed = tokio::time::timeout(SHUTDOWN_WAIT, async {
            while !self.core.is_idle() {
                let Some(fact) = facts.recv().await else { return };
                self.handle(fact);
                self.carry_out_all();
            }
        });
        if closed.await.is_err() {
            tracing::warn!("some downloads did not stop in time; they go on from what is stored");
        }
        if let Some(network) = &mut self.network {
            let now = self.clock.now().monotonic;
            network.shut_down(now).await;
            let day = network.lent_to_store(now, true);
            self.saver.apply(day.map(Op::PutLentDay).into_iter().collect(), None);
        }
        // Somebody's yes may have been the last thing that was heard.
        self.befriend_paired();
        // The saver tells what it has stored: somebody must go on listening, or it would wait for ever.
        let listening = async { while facts.recv().await.is_some() {} };
        tokio::select! {
            () = self.saver.end() => {}
            () = listening => {}
            () = tokio::time::sleep(SHUTDOWN_WAIT) => tracing::warn!("the state could not be stored in time"),
        }
        self.tell_changes();
    }

    fn carry_out_all(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::OpenPart { download, dir, found } => self.open_part(download, dir, found),
            Effect::CreatePart { download, dir, name, length } => {
                self.create_part(download, dir, name, length);
            }
            Effect::ClosePart { download, discard } => {
                let part = self.parts.remove(&download);
                if let Some(part) = &part {
                    part.closing.store(true, Ordering::Relaxed);
                }
                self.writer.close(download, part.filter(|_| discard));
            }
            Effect::Fetch {
                download,
                lease,
                source,
                helper,
                url,
                headers,
                asked,
                range,
                known,
                hold,
            } => {
                let request = FetchRequest { url, asked, headers, known };
                self.fetch(download, lease, source, request, range, hold, helper);
            }
            Effect::Proceed { lease } => {
                if let Some(running) = self.running.get_mut(&lease)
                    && let (Some(proceed), Some(part)) =
                        (running.proceed.take(), self.parts.get(&running.download))
                {
                    let _ = proceed.send(Arc::clone(part));
                }
            }
            Effect::AskHelp { download, peer, what } => self.ask_help(download, peer, *what),
            Effect::WithdrawHelp { download, peer } => {
                if let Some(network) = &mut self.network {
                    network.withdraw((download, peer));
                }
            }
            Effect::EndHelp { download, peer, reason, received_bytes, used_bytes } => {
                if let Some(network) = &mut self.network {
                    network.end_session((download, peer), reason, received_bytes, used_bytes);
                }
            }
            Effect::Cut { lease, to } => {
                if let Some(running) = self.running.get(&lease) {
                    let actual_end = running.bound.cut(to);
                    self.core.handle(Input::LeaseCut { lease, actual_end }, self.clock.now());
                }
            }
            Effect::Stop { lease } => {
                if let Some(running) = self.running.get(&lease) {
                    running.stop.cancel();
                }
            }
            Effect::Persist { download, record, clear_map, chunks, tell } => {
                let mut ops = vec![Op::PutDownload(*record)];
                ops.extend(clear_map.then_some(Op::ClearMap(download)));
                ops.extend(chunks.into_iter().map(|chunk| Op::PutMapChunk(download, chunk)));
                self.saver.apply(ops, tell.map(|run| (download, run)));
            }
            Effect::Forget { download } => {
                self.presenter.forget(download);
                self.saver.apply(vec![Op::RemoveDownload(download)], None);
            }
            Effect::SaveOrder { order } => self.saver.apply(vec![Op::Order(order)], None),
            Effect::Sync { download, run } => self.sync(download, run),
            Effect::Digest { download, length } => self.digest(download, length),
            Effect::Finish { download, name, length } => self.finish(download, name, length),
            Effect::DiscardPart { dir, part_name } => {
                tokio::task::spawn_blocking(move || discard_part(&dir.join(part_name)));
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one effect")]
    fn fetch(
        &mut self,
        download: DownloadId,
        lease: LeaseId,
        source: SourceId,
        request: FetchRequest,
        range: ByteRange,
        hold: bool,
        helper: Option<PeerId>,
    ) {
        let session =
            helper.map(|peer| self.network.as_ref()?.sessions.get(&(download, peer)).cloned());
        let via = match session {
            None => Via::Origin(self.origins.clone()),
            Some(Some(session)) => Via::Helper(session),
            Some(None) => {
                // It ended a moment ago; the core is about to hear of it.
                let (up_to, end) = (range.start(), LeaseEnd::Stopped);
                let ended = Input::LeaseEnded { lease, up_to, dropped_bytes: 0, end };
                return self.core.handle(ended, self.clock.now());
            }
        };
        let (proceed, part) = match self.parts.get(&download).filter(|_| !hold) {
            Some(part) => (None, PartWhen::Now(Arc::clone(part))),
            None => {
                let (proceed, part) = oneshot::channel();
                (Some(proceed), PartWhen::Later(part))
            }
        };
        let (bound, stop) = (Arc::new(Bound::new(range)), CancellationToken::new());
        let fetch = Fetch {
            lease,
            source,
            request,
            bound: Arc::clone(&bound),
            part,
            stop: stop.clone(),
            via,
            writer: self.writer.clone(),
            facts: self.facts.clone(),
        };
        self.running.insert(lease, Running { download, bound, stop, proceed });
        tokio::spawn(fetch.run());
    }

    fn ask_help(&mut self, download: DownloadId, peer: PeerId, what: HelpOffer) {
        let facts = self.facts.clone();
        let now = self.clock.now();
        let Some(network) = &mut self.network else { return };
        let Some(online) = network.online.get(&peer) else {
            return self.core.handle(Input::HelpUnanswered { download, peer }, now);
        };
        let to_friend = network.is_friend(peer);
        let remote = online.remote.clone();
        let requester = Requester { name: network.name.clone(), origins: self.origins.clone() };
        let asking = Asking::start(remote, requester, download, what, to_friend, facts);
        network.asking.insert((download, peer), asking);
    }

    fn open_part(&self, download: DownloadId, dir: PathBuf, found: Found) {
        let (saver, facts) = (self.saver.clone(), self.facts.clone());
        let path = dir.join(&found.part_name);
        tokio::spawn(async move {
            let (part, fact) = match blocking(move || part::reopen(&dir, &found)).await {
                Ok(Reopened::Part(file)) => match saver.load_map(download).await {
                    Ok(chunks) => {
                        let part = Part::new(download, file, path);
                        (Some(part), Input::PartOpened { download, chunks })
                    }
                    Err(failure) => (None, Input::PartFailed { download, failure }),
                },
                Ok(Reopened::Finished(path)) => match saver.load_map(download).await {
                    Ok(chunks) => {
                        (None, Input::PartMissing { download, finished: Some((path, chunks)) })
                    }
                    Err(failure) => (None, Input::PartFailed { download, failure }),
                },
                Ok(Reopened::Gone) => (None, Input::PartMissing { download, finished: None }),
                Err(failure) => (None, Input::PartFailed { download, failure }),
            };
            facts.send_with_part(part, fact).await;
        });
    }

    fn create_part(&self, download: DownloadId, dir: PathBuf, name: String, length: Option<u64>) {
        let facts = self.facts.clone();
        tokio::spawn(async move {
            let created = blocking({
                let dir = dir.clone();
                move || part::create(&dir, &name, length)
            });
            let (part, fact) = match created.await {
                Ok(Created { file, name, part_name }) => {
                    let part = Part::new(download, file, dir.join(&part_name));
                    (Some(part), Input::PartCreated { download, name, part_name })
                }
                Err(failure) => (None, Input::PartFailed { download, failure }),
            };
            facts.send_with_part(part, fact).await;
        });
    }

    fn sync(&self, download: DownloadId, run: RunId) {
        self.with_part(download, move |part| match part.file.sync_data() {
            Ok(()) => Ok(Some(Input::Synced { download, run })),
            Err(error) => {
                let failure = disk_failure(&error, &part.path, "write to");
                Ok(Some(Input::SyncFailed { download, failure }))
            }
        });
    }

    fn digest(&self, download: DownloadId, length: u64) {
        self.with_part(download, move |part| {
            let go_on = || !part.closing.load(Ordering::Relaxed);
            let digest = part::digest(&part.file, &part.path, length, go_on)?;
            Ok(digest.map(|digest| Input::Digested { download, digest }))
        });
    }

    fn finish(&self, download: DownloadId, name: String, length: u64) {
        self.with_part(download, move |part| {
            Ok(Some(match part::finish(&part.file, &part.path, &name, length) {
                Ok(path) => Input::Finished { download, path },
                Err(failure) => Input::SyncFailed { download, failure },
            }))
        });
    }

    /// Does something that blocks with an open part file and tells what came of it.
    fn with_part(
        &self,
        download: DownloadId,
        work: impl FnOnce(&Part) -> Result<Option<Input>, Failure> + Send + 'static,
    ) {
        let Some(part) = self.parts.get(&download).cloned() else { return };
        let facts = self.facts.clone();
        tokio::spawn(async move {
            match blocking(move || work(&part)).await {
                Ok(Some(fact)) => facts.send(fact).await,
                Ok(None) => {}
                Err(failure) => facts.send(Input::PartFailed { download, failure }).await,
            }
        });
    }
}

fn no_network() -> Failure {
    Failure::new(FailureCode::Connect, "Other devices cannot be met: there is no network.")
}

/// The next thing that others do; never, without a network.
async fn next_of(network: &mut Option<Network>) -> NetworkFact {
    match network {
        Some(network) => network.next().await,
        None => std::future::pending().await,
    }
}

/// Runs what blocks on a thread for that; a panic there is a failure here.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Failure::new(FailureCode::Internal, format!("A part of the program failed: {error}.")))
    })
}
