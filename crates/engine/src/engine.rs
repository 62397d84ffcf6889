//! The one front door for every front end.

mod adding;
mod downloads;
mod lending;
mod meeting;
mod opening;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::{Core, Failure, FailureCode, PeerId};
use manyhands_origin::{Options, Origins};
use tokio::sync::{mpsc, oneshot, watch};

use crate::control::{self, Raised};
use crate::network::{Network, NetworkConfig};
use crate::present::Presenter;
use crate::profile::{Change, Known};
use crate::saver::Saver;
use crate::shell::{Clock, Command, Facts, Shell};
use crate::view::{FailureView, Query, Recovered, View, Welcome};
use crate::writer::Writer;
use opening::{boot_id, system_download_dir};

pub use adding::{AskFor, NewDownload, check_header};
pub use opening::{OpenError, default_data_dir};
pub(crate) use opening::{computer_name, open_profile};

/// Wishes that may wait; front ends that have more wait.
const MAX_WAITING_COMMANDS: usize = 64;

/// A running engine. Cheap to clone; when the last clone is gone, everything is stopped and stored.
#[derive(Clone, Debug)]
pub struct Engine {
    commands: mpsc::Sender<Command>,
    seen: Arc<Seen>,
}

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

/// This device as others see it.
#[derive(Clone, Debug)]
pub struct Device {
    pub id: PeerId,
    pub name: String,
    /// The addresses that it listens on; unspecified ones stand for all of their family.
    pub listens: Vec<SocketAddr>,
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

    /// What a window shows.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn view(&self, query: Query) -> Result<View, Failure> {
        self.ask(|answer| Command::View { query, answer }).await
    }

    /// A number that grows when something has changed; renewed at most ten times a second.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.seen.changes.clone()
    }

    /// Carries a decision about others, or about hosts, out. Whether anything is otherwise than before.
    ///
    /// # Errors
    /// As with the methods for each.
    pub async fn change(&self, change: Change) -> Result<bool, Failure> {
        self.ask(|answer| Command::Change { change, answer }).await?
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

    /// Where downloads go when nothing else is said.
    #[must_use]
    pub fn download_dir(&self) -> &Path {
        &self.seen.download_dir
    }

    /// This device as others see it; `None` without a network.
    #[must_use]
    pub fn device(&self) -> Option<&Device> {
        self.seen.device.as_ref()
    }

    /// Changes when a second start of the desktop program wants the window to be shown.
    #[must_use]
    pub fn raised(&self) -> watch::Receiver<Raised> {
        self.seen.raised.subscribe()
    }

    /// Stops everything and waits until all is stored; the downloads go on at the next start.
    pub async fn shutdown(&self) {
        // The answer is dropped when all is done.
        let _ = self.ask(|answer| Command::Shutdown { answer }).await;
        let _ = self.seen.ended.clone().changed().await;
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
}

/// An engine that does not keep itself alive.
#[derive(Clone, Debug)]
pub(crate) struct WeakEngine {
    commands: mpsc::WeakSender<Command>,
    seen: Arc<Seen>,
}

impl WeakEngine {
    pub fn upgrade(&self) -> Option<Engine> {
        Some(Engine { commands: self.commands.upgrade()?, seen: Arc::clone(&self.seen) })
    }
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
