//! The one front door for every front end.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::{
    Ask, AskTerms, Core, CoreError, DEFAULT_CONNECTIONS, DownloadId, DownloadSpec, Failure,
    FailureCode, GroupId, HeaderField, HelpId, MAX_CONNECTIONS, ModeWish, PeerId, What,
};
use manyhands_origin::{HeaderError, Options, Origins};
use manyhands_store::{Locked, Meeting, Opened, ProfileLock, Store};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use ts_rs::TS;

use crate::control::{self, Raised};
use crate::groups;
use crate::network::{Network, NetworkConfig};
use crate::present::Presenter;
use crate::profile::{Change, Known};
use crate::saver::Saver;
use crate::shell::{Clock, Command, Facts, Shell};
use crate::view::{
    Decision, DownloadRow, FailureView, HelpingRow, InviteView, LendingChange, Lookout, PairingRow,
    PairingState, PeerRow, Query, Recovered, RequestRow, RuleTerms, ServerFound, Terms, View,
    Welcome,
};
use crate::writer::Writer;

/// Wishes that may wait; front ends that have more wait.
const MAX_WAITING_COMMANDS: usize = 64;
/// How long a profile that a process just killed still holds is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// How to open a profile.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the profile lives; made when missing.
    pub data_dir: PathBuf,
    /// How to meet others; `None`: not at all.
    pub network: Option<NetworkConfig>,
    /// Whether to work alone when others cannot be met; [`Welcome::network_failure`] says why then.
    pub or_alone: bool,
}

/// The profile cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another instance runs on it; [`Remote`](crate::Remote) reaches it.
    #[error("Manyhands is running already on the profile {}{}", data_dir.display(), pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    InUse { data_dir: PathBuf, pid: Option<u32> },
    #[error("the profile {} cannot be opened: {cause}", data_dir.display())]
    Profile { data_dir: PathBuf, cause: String },
    #[error("the network part cannot be started: {0}")]
    Network(String),
    #[error("the engine cannot be started: {0}")]
    Start(String),
}

/// This device as others see it.
#[derive(Clone, Debug)]
pub struct Device {
    pub id: PeerId,
    pub name: String,
    /// The addresses that it listens on; unspecified ones stand for all of their family.
    pub listens: Vec<SocketAddr>,
}

/// An engine that does not keep itself alive.
#[derive(Clone, Debug)]
pub(crate) struct WeakEngine {
    commands: mpsc::WeakSender<Command>,
    seen: Arc<Seen>,
}

/// What can be seen of an engine without asking it.
#[derive(Debug)]
struct Seen {
    changes: watch::Receiver<u64>,
    download_dir: PathBuf,
    recovered: Option<Recovered>,
    network_failure: Option<FailureView>,
    /// Whoever listens has a window.
    raised: Arc<watch::Sender<Raised>>,
    device: Option<Device>,
    insecure_http: bool,
    /// Closed once the profile is free again.
    ended: watch::Receiver<()>,
}

impl WeakEngine {
    pub fn upgrade(&self) -> Option<Engine> {
        Some(Engine { commands: self.commands.upgrade()?, seen: Arc::clone(&self.seen) })
    }
}

/// What a person wants to download.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct NewDownload {
    /// As it was typed or pasted.
    pub url: String,
    /// Absolute; the user's folder for downloads when not given.
    pub dir: Option<PathBuf>,
    /// The file's name; otherwise the server's or the link's.
    pub out: Option<String>,
    /// 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// To the server at most, 1 to 16; 8 when not given.
    pub connections: Option<u8>,
    /// Header fields for the link's own server, each as `Name: value`; they may be secrets, such as a login's cookie.
    #[ts(optional, as = "Option<Vec<String>>")]
    pub headers: Vec<String>,
    /// Whom to ask for help, and for how many seconds peers that appear are asked; nobody when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub ask: Option<AskFor>,
    /// What an earlier instance made of this wish, by its id: that is meant, even if it is finished by now.
    #[ts(skip)]
    pub known_as: Option<u64>,
}

/// Without the link and what the header fields hold, which may be secrets.
impl fmt::Debug for NewDownload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url: _, dir, out, sha256, connections, headers, ask, known_as } = self;
        f.debug_struct("NewDownload")
            .field("dir", dir)
            .field("out", out)
            .field("sha256", sha256)
            .field("connections", connections)
            .field("headers", &headers.len())
            .field("ask", ask)
            .field("known_as", known_as)
            .finish_non_exhaustive()
    }
}

/// Whom to ask for help with a new download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct AskFor {
    /// `none`, `friends`, `everyone`, or device ids with commas between.
    #[ts(type = "string")]
    pub who: Ask,
    #[ts(type = "number")]
    pub wait_s: u64,
    /// How they may help; `auto` when not given.
    #[serde(default)]
    #[ts(optional, type = "'auto' | 'relay' | 'fetch'")]
    pub mode: Option<ModeWish>,
    /// Let strangers, too, fetch what nothing vouches for: plain http or ftp without a known digest. Not, when not given.
    #[serde(default)]
    #[ts(optional)]
    pub unverified: Option<bool>,
}

/// A running engine. Cheap to clone; when the last clone is gone, everything is stopped and stored.
#[derive(Clone, Debug)]
pub struct Engine {
    commands: mpsc::Sender<Command>,
    seen: Arc<Seen>,
}

impl Engine {
    /// Opens the profile and goes on with what waits in its queue.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when another instance runs on the profile, even after a wait of two seconds for one that was
    /// just killed.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        let data_dir = config.data_dir;
        let opened = tokio::task::spawn_blocking({
            let data_dir = data_dir.clone();
            move || open_profile(&data_dir)
        });
        let (lock, store, recovered) =
            opened.await.map_err(|error| OpenError::Start(error.to_string()))??;
        let cannot = |cause: String| OpenError::Profile { data_dir: data_dir.clone(), cause };
        let settings = store.settings().map_err(|error| cannot(error.to_string()))?;
        let records = store.downloads().map_err(|error| cannot(error.to_string()))?;
        let core = Core::new(
            records,
            store.next_download_id().0,
            usize::from(settings.max_active_downloads),
            boot_id(),
            rand::random(),
        );
        let start = |error: std::io::Error| OpenError::Start(error.to_string());
        let (mut network, mut network_failure) = (None, None);
        if let Some(wanted) = &config.network {
            match Network::start(wanted, &store, &settings, Clock::local()).await {
                Ok(started) => network = Some(started),
                Err(why) if config.or_alone => {
                    tracing::warn!(%why, "others cannot be met");
                    network_failure = Some(why.into());
                }
                Err(why) => return Err(OpenError::Network(why.message)),
            }
        }
        let alone = match &network {
            Some(_) => Known::default(),
            None => Known::load(&store).map_err(|error| cannot(error.to_string()))?,
        };
        let device = network.as_ref().map(|network| Device {
            id: network.id,
            name: network.name.as_str().to_owned(),
            listens: network.server.local_addrs().to_vec(),
        });
        #[allow(unused_mut, reason = "tests change it")]
        let mut options = Options::default();
        #[cfg(test)]
        if let Some(network) = &config.network {
            options.extra_root_certificates_pem.clone_from(&network.trusted_pem);
        }
        let (facts, received_facts) = Facts::channel();
        let (commands, received_commands) = mpsc::channel(MAX_WAITING_COMMANDS);
        let (changes, seen_changes) = watch::channel(0);
        let shell = Shell {
            core,
            origins: Origins::new(&options).map_err(|failure| OpenError::Start(failure.message))?,
            writer: Writer::start(facts.clone()).map_err(start)?,
            saver: Saver::start(store, data_dir.clone(), facts.clone()).map_err(start)?,
            facts,
            changes,
            parts: BTreeMap::new(),
            running: BTreeMap::new(),
            presenter: Presenter::default(),
            network,
            alone,
            settings: settings.clone(),
            asked_at: Duration::ZERO,
            touched_at: Duration::ZERO,
            clock: Clock::start(),
        };
        let raised = Arc::new(watch::Sender::new(Raised::default()));
        let (running, ended) = watch::channel(());
        let seen = Seen {
            changes: seen_changes,
            download_dir: settings.download_dir.clone().unwrap_or_else(system_download_dir),
            recovered,
            network_failure,
            raised: Arc::clone(&raised),
            device,
            insecure_http: config.network.as_ref().is_some_and(|network| network.insecure_http),
            ended,
        };
        let engine = Self { commands, seen: Arc::new(seen) };
        let listening = control::listen(&data_dir, engine.downgrade(), raised)?;
        tokio::spawn(async move {
            shell.run(received_facts, received_commands).await;
            drop(listening);
            // The profile is free for the next instance only now that all is stored.
            drop(lock);
            drop(running);
        });
        Ok(engine)
    }

    /// Adds a download and starts it, or goes on with the unfinished one of the same link, folder and name.
    ///
    /// # Errors
    /// What was given makes no sense: the link, the folder, the name or the digest.
    pub async fn add(&self, new: &NewDownload) -> Result<DownloadId, Failure> {
        if let Some(id) = new.known_as.map(DownloadId)
            && self.row(id).await?.is_some()
        {
            return Ok(id);
        }
        let spec = Box::new(self.spec(new)?);
        let id = self.ask(|answer| Command::Add { spec, answer }).await?;
        if let Some(ask) = &new.ask {
            self.ask_for_help(id, ask).await?;
        }
        Ok(id)
    }

    /// Asks peers for help with a download: those who are there, and those who appear within the time.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn ask_for_help(&self, id: DownloadId, ask: &AskFor) -> Result<(), Failure> {
        let wait = Duration::from_secs(ask.wait_s);
        let mode = ask.mode.unwrap_or_default();
        let unverified = ask.unverified.unwrap_or_default();
        let terms = AskTerms { ask: ask.who.clone(), mode, unverified };
        self.ask(|answer| Command::Ask { id, terms, wait, answer }).await
    }

    /// This device as others see it; `None` without a network.
    #[must_use]
    pub fn device(&self) -> Option<&Device> {
        self.seen.device.as_ref()
    }

    /// Everybody who is online, and the friends who are not.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn peers(&self) -> Result<Vec<PeerRow>, Failure> {
        self.ask(|answer| Command::Peers { answer }).await
    }

    /// The help requests that wait for the user.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn requests(&self) -> Result<Vec<RequestRow>, Failure> {
        self.ask(|answer| Command::Requests { answer }).await
    }

    /// The sessions in which this device helps.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn helping(&self) -> Result<Vec<HelpingRow>, Failure> {
        self.ask(|answer| Command::Helping { answer }).await
    }

    /// Answers a help request; `id` may be the beginning of its id. Whether that was possible: the request was open, and, for a
    /// yes, there was room for one more session. A rule that [`Decision::HelpAlways`] made stays where there was no room.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn decide(&self, id: &str, decision: Decision) -> Result<bool, Failure> {
        let id = id.to_owned();
        self.ask(|answer| Command::Decide { id, decision, answer }).await
    }

    /// Always helps this peer, without a question, on these terms and never beyond those for all; it is a friend from then on.
    /// Remembered, as all of the following.
    ///
    /// # Errors
    /// It is blocked, there are too many rules, or the engine has ended.
    pub async fn set_rule(&self, peer: PeerId, terms: RuleTerms) -> Result<(), Failure> {
        self.change(Change::SetRule { peer, terms }).await.map(drop)
    }

    /// Asks about this peer's requests again; what runs by the rule ends. Whether there was a rule.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn remove_rule(&self, peer: PeerId) -> Result<bool, Failure> {
        self.change(Change::RemoveRule { peer }).await
    }

    /// Nothing is heard of this device any more, and everything with it ends at once. It is no friend from then on.
    ///
    /// # Errors
    /// Too many are blocked, or the engine has ended.
    pub async fn block(&self, peer: PeerId) -> Result<(), Failure> {
        self.change(Change::Block { peer }).await.map(drop)
    }

    /// It is a stranger again. Whether it was blocked.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn unblock(&self, peer: PeerId) -> Result<bool, Failure> {
        self.change(Change::Unblock { peer }).await
    }

    /// The friend is a stranger again, without a rule; everything with it ends at once. Whether it was a friend.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn remove_friend(&self, peer: PeerId) -> Result<bool, Failure> {
        self.change(Change::RemoveFriend { peer }).await
    }

    /// The hosts that are never lent for, those beneath them included: the whole list. What runs for one of them ends.
    ///
    /// # Errors
    /// One entry is no host, which is named, or they are too many. Nothing is changed then.
    pub async fn set_never_hosts(&self, hosts: Vec<String>) -> Result<(), Failure> {
        self.change(Change::SetNeverHosts { hosts }).await.map(drop)
    }

    /// On what terms this device helps, and whom.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn terms(&self) -> Result<Terms, Failure> {
        self.ask(|answer| Command::Terms { answer }).await
    }

    /// Carries a decision about others, or about hosts, out. Whether anything is otherwise than before.
    ///
    /// # Errors
    /// As with the methods for each.
    pub async fn change(&self, change: Change) -> Result<bool, Failure> {
        self.ask(|answer| Command::Change { change, answer }).await?
    }

    /// Ends one session in which this device helps. Whether there was such a session.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn stop_helping(&self, id: HelpId) -> Result<bool, Failure> {
        self.ask(|answer| Command::StopHelping { id, answer }).await
    }

    /// Switches helping others on or off, or changes how; remembered. Switched off, everything ends at once, and so it does when
    /// private addresses are no longer allowed. Where this run lends otherwise than the profile says, the profile gets the change alone.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn set_lending(&self, change: LendingChange) -> Result<(), Failure> {
        self.change(Change::SetLending { change }).await.map(drop)
    }

    /// How others are found, and the groups that this device is in.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn lookout(&self) -> Result<Lookout, Failure> {
        self.ask(|answer| Command::Lookout { answer }).await
    }

    /// Finds others in this way from now on; remembered. Servers hear at once that this device is gone, and so does the local network.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn set_meeting(&self, meeting: Meeting) -> Result<(), Failure> {
        self.change(Change::SetMeeting { meeting }).await.map(drop)
    }

    /// The rendezvous server that answers at an address which a person typed. Nothing is trusted yet: the user compares the id
    /// with what the server's log prints.
    ///
    /// # Errors
    /// The address makes no sense, nobody answers there, or something else does.
    pub async fn look_at_server(&self, url: &str) -> Result<ServerFound, Failure> {
        groups::look_at_server(url, self.seen.insecure_http).await
    }

    /// Makes a group at a server, whose id is trusted from then on, and joins it. Returns the group's id.
    ///
    /// # Errors
    /// The name is empty, there are too many groups, or the engine has ended.
    pub async fn create_group(&self, server: &ServerFound, name: &str) -> Result<String, Failure> {
        let (id, invite) = groups::new_group(server, name)?;
        let change = Change::JoinGroup { invite: Box::new(invite), founder: true };
        self.change(change).await?;
        Ok(id.to_string())
    }

    /// Joins the group of an invite, for good; returns its id. Joining twice is fine, and a new invite of the same group replaces
    /// the old one.
    ///
    /// # Errors
    /// What is wrong with the invite; or there are too many groups, or the engine has ended.
    pub async fn join_group(&self, invite: &str) -> Result<String, Failure> {
        let invite = Box::new(groups::read_invite(invite)?);
        let id = groups::id_of(&invite).to_string();
        self.change(Change::JoinGroup { invite, founder: false }).await?;
        Ok(id)
    }

    /// Leaves a group for good: its server and its members see this device no more. Whether it was in it.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn leave_group(&self, group: GroupId) -> Result<bool, Failure> {
        self.change(Change::LeaveGroup { group }).await
    }

    /// What to hand out, so that others can join a group.
    ///
    /// # Errors
    /// There is no such group, or the engine has ended.
    pub async fn invite(&self, group: GroupId) -> Result<InviteView, Failure> {
        self.ask(|answer| Command::Invite { group, answer }).await?
    }

    /// Leaves a group for a new one of the same name at the same server, whose secret nobody knows yet: returns its id. Everybody who is
    /// to be in it needs the new invite.
    ///
    /// # Errors
    /// There is no such group, or the engine has ended.
    pub async fn rotate_group(&self, group: GroupId) -> Result<String, Failure> {
        let (id, change) = groups::rotation(group, &self.invite(group).await?.link)?;
        self.change(change).await?;
        Ok(id.to_string())
    }

    /// Begins to pair with another device: `who` is its id, or eight characters or more of its beginning, or an address such as
    /// `192.168.1.7`, `[2001:db8::1]:26269` or `mo.example.org`. Returns the id of the pairing; what becomes of it is in
    /// [`Self::pairings`].
    ///
    /// # Errors
    /// Nobody answers there; or [`FailureCode::OtherKey`]: another device than the friend who was there before.
    pub async fn pair(&self, who: &str) -> Result<String, Failure> {
        let who = who.to_owned();
        let meant = self.ask(|answer| Command::Meant { who, answer }).await??;
        let met = Box::new(meant.meet().await?);
        self.ask(|answer| Command::Pair { met, answer }).await?
    }

    /// The user's word on whether both screens show the same code; `false` also gives a pairing up. Whether it was possible.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn answer_pairing(&self, id: &str, same: bool) -> Result<bool, Failure> {
        let id = id.to_owned();
        self.ask(|answer| Command::AnswerPairing { id, same, answer }).await
    }

    /// The pairings under way and those that ended a moment ago, the oldest first.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn pairings(&self) -> Result<Vec<PairingRow>, Failure> {
        self.ask(|answer| Command::Pairings { answer }).await
    }

    /// Waits until a pairing is in another state than `seen`; `None` once it is forgotten, a minute after its end.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn pairing_after(
        &self,
        id: &str,
        seen: PairingState,
    ) -> Result<Option<PairingRow>, Failure> {
        let mut changes = self.changes();
        loop {
            let row = self.pairings().await?.into_iter().find(|row| row.id == id);
            match row {
                Some(row) if row.state == seen => {}
                row => return Ok(row),
            }
            if changes.changed().await.is_err() {
                return Err(Failure::new(FailureCode::Internal, "The engine has ended."));
            }
        }
    }

    /// # Errors
    /// There is no such download, or it is finished.
    pub async fn pause(&self, id: DownloadId) -> Result<(), Failure> {
        self.ask(|answer| Command::Pause { id, answer }).await?.map_err(refused)
    }

    /// Goes on with a paused or failed download.
    ///
    /// # Errors
    /// There is no such download, or it is finished.
    pub async fn resume(&self, id: DownloadId) -> Result<(), Failure> {
        self.ask(|answer| Command::Resume { id, answer }).await?.map_err(refused)
    }

    /// Takes it off the list. A finished file stays; what an unfinished one has is deleted.
    ///
    /// # Errors
    /// There is no such download.
    pub async fn remove(&self, id: DownloadId) -> Result<(), Failure> {
        self.ask(|answer| Command::Remove { id, answer }).await?.map_err(refused)
    }

    /// # Errors
    /// The engine has ended.
    pub async fn pause_all(&self) -> Result<(), Failure> {
        self.ask(|answer| Command::PauseAll { answer }).await
    }

    /// # Errors
    /// The engine has ended.
    pub async fn resume_all(&self) -> Result<(), Failure> {
        self.ask(|answer| Command::ResumeAll { answer }).await
    }

    /// What a window shows.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn view(&self, query: Query) -> Result<View, Failure> {
        self.ask(|answer| Command::View { query, answer }).await
    }

    /// One download; `None` when there is no such.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn row(&self, id: DownloadId) -> Result<Option<DownloadRow>, Failure> {
        self.ask(|answer| Command::Row { id, answer }).await
    }

    /// A number that grows when something has changed; renewed at most ten times a second.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.seen.changes.clone()
    }

    /// Where downloads go when nothing else is said.
    #[must_use]
    pub fn download_dir(&self) -> &Path {
        &self.seen.download_dir
    }

    /// What a front end needs to know once.
    #[must_use]
    pub fn welcome(&self) -> Welcome {
        Welcome {
            download_dir: self.seen.download_dir.to_string_lossy().into_owned(),
            recovered: self.seen.recovered.clone(),
            network_failure: self.seen.network_failure.clone(),
        }
    }

    /// What to tell the user when the profile was damaged and the list had to be rebuilt.
    #[must_use]
    pub fn recovered(&self) -> Option<&str> {
        self.seen.recovered.as_ref().map(|recovered| recovered.text.as_str())
    }

    /// Stops everything and waits until all is stored; the downloads go on at the next start.
    pub async fn shutdown(&self) {
        // The answer is dropped when all is done.
        let _ = self.ask(|answer| Command::Shutdown { answer }).await;
        let _ = self.seen.ended.clone().changed().await;
    }

    /// Changes when a second start of the desktop program wants the window to be shown.
    #[must_use]
    pub fn raised(&self) -> watch::Receiver<Raised> {
        self.seen.raised.subscribe()
    }

    /// Whether it was shut down: nothing is answered any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.commands.is_closed()
    }

    fn downgrade(&self) -> WeakEngine {
        WeakEngine { commands: self.commands.downgrade(), seen: Arc::clone(&self.seen) }
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        let ended = || Failure::new(FailureCode::Internal, "The engine has ended.");
        self.commands.send(command(answer)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())
    }

    fn spec(&self, new: &NewDownload) -> Result<DownloadSpec, Failure> {
        let url = Origins::check_url(&new.url)?;
        let dir = new.dir.clone().unwrap_or_else(|| self.seen.download_dir.clone());
        if !dir.is_absolute() {
            let message = format!("{} is not an absolute path.", dir.display());
            return Err(Failure::new(FailureCode::Folder, message)
                .because(What::RelativePath, [&dir.display()]));
        }
        let out = new.out.as_deref().map(str::trim).filter(|out| !out.is_empty());
        if let Some(out) = out
            && manyhands_origin::safe_name(out).as_deref() != Some(out)
        {
            let message = format!("{out:?} cannot be the name of a file.");
            return Err(Failure::new(FailureCode::BadName, message).because(What::FileName, [&out]));
        }
        let sha256 = new.sha256.as_deref().map(str::trim).filter(|digest| !digest.is_empty());
        let sha256 = sha256.map(str::parse).transpose();
        let sha256 = sha256
            .map_err(|error| Failure::new(FailureCode::BadDigest, format!("This is {error}.")))?;
        let headers =
            new.headers.iter().map(|field| check_header(field)).collect::<Result<_, _>>()?;
        let max_connections =
            new.connections.unwrap_or(DEFAULT_CONNECTIONS).clamp(1, MAX_CONNECTIONS);
        let out = out.map(str::to_owned);
        Ok(DownloadSpec { url, dir, out, sha256, headers, max_connections })
    }
}

/// Reads `Name: value`, as browsers and curl write a header.
///
/// # Errors
/// It cannot be sent, or must not be.
pub fn check_header(text: &str) -> Result<HeaderField, Failure> {
    manyhands_origin::check_header(text).map_err(|why| {
        let mut text = why.to_string();
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let failure = Failure::new(FailureCode::BadHeader, format!("{text}."));
        match &why {
            HeaderError::Shape => failure.because(What::HeaderShape, []),
            HeaderError::Name(name) => failure.because(What::HeaderName, [name]),
            HeaderError::Value(name) => failure.because(What::HeaderValue, [name]),
            HeaderError::TooLong(name) => failure.because(What::LongHeader, [name]),
            HeaderError::Ours(name) => failure.because(What::OurHeader, [name]),
        }
    })
}

fn refused(error: CoreError) -> Failure {
    Failure::new(FailureCode::Internal, format!("This cannot be done: {error}."))
}

pub(crate) type OpenProfile = (ProfileLock, Store, Option<Recovered>);

pub(crate) fn open_profile(data_dir: &Path) -> Result<OpenProfile, OpenError> {
    let cannot = |cause: String| OpenError::Profile { data_dir: data_dir.to_owned(), cause };
    let lock = acquire(data_dir).map_err(|error| match error {
        Locked::Held { pid } => OpenError::InUse { data_dir: data_dir.to_owned(), pid },
        error @ Locked::Io { .. } => cannot(error.to_string()),
    })?;
    let (store, opened) = Store::open(data_dir).map_err(|error| cannot(error.to_string()))?;
    let recovered = match opened {
        Opened::Clean => None,
        Opened::Rebuilt { set_aside, downloads } => {
            let set_aside = set_aside.map(|path| path.display().to_string());
            let aside = set_aside
                .as_ref()
                .map(|path| format!(" It was kept as {path}."))
                .unwrap_or_default();
            let text = format!(
                "The database was damaged.{aside} The list was rebuilt from its last good copy: {downloads} downloads; unfinished ones begin anew."
            );
            tracing::warn!("{text}");
            Some(Recovered { downloads: downloads as u32, set_aside, text })
        }
    };
    Ok((lock, store, recovered))
}

/// A lock whose holder answers is not waited for.
fn acquire(data_dir: &Path) -> Result<ProfileLock, Locked> {
    match ProfileLock::acquire(data_dir, Duration::ZERO) {
        Err(Locked::Held { .. }) if !control::answers(data_dir) => {
            ProfileLock::acquire(data_dir, LOCK_WAIT)
        }
        acquired => acquired,
    }
}

/// Names this start of the machine: what was written since is still in the system's memory or on the disk.
fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    // Where nobody can tell, nothing that was only written is trusted by the next process.
    if id.trim().is_empty() {
        format!("process {}", rand::random::<u64>())
    } else {
        id.trim().to_owned()
    }
}

/// What the computer is called.
pub(crate) fn computer_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

fn system_download_dir() -> PathBuf {
    let dirs = directories::UserDirs::new();
    let home = dirs.as_ref().map(|dirs| dirs.home_dir().to_owned());
    dirs.as_ref()
        .and_then(|dirs| dirs.download_dir().map(Path::to_owned))
        .or_else(|| home.map(|home| home.join("Downloads")))
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// The profile of this user: `$XDG_DATA_HOME/manyhands` and its likes on other systems.
#[must_use]
pub fn default_data_dir() -> Option<PathBuf> {
    Some(directories::BaseDirs::new()?.data_dir().join("manyhands"))
}
