//! The task that owns the core: takes in facts and commands, carries out effects.

mod clock;
mod commands;
mod effects;
mod facts;
mod others;
mod parts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::{Core, DownloadId, DownloadState, HelpEnd, Input, LeaseId};
use manyhands_origin::Origins;
use manyhands_store::{Op, Settings};
use tokio::sync::{mpsc, watch};

use crate::network::Network;
use crate::present::Presenter;
use crate::profile::Known;
use crate::saver::Saver;
use crate::writer::{Part, Writer};
use others::next_of;

pub use clock::Clock;
pub use commands::Command;
pub use effects::Running;
pub use facts::{Fact, Facts};

/// Front ends are told of changes at most so often.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// … and of time alone, which prompts and sessions show in seconds, at most so often.
const TOUCH_EVERY: Duration = Duration::from_secs(1);
/// Peers are asked at most so often; who is asked again, and when, is the core's to say.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long a shutdown waits for part files to be closed.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(5);

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
                network.policies.get(&key.0).is_some_and(|policy| policy.terms().ask.names(key.1));
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
}
