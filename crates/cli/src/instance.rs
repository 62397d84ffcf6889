//! The engine of this process, or the instance that runs on the profile.

use std::path::PathBuf;
use std::time::Duration;

use manyhands_engine::view::{LendingChange, Lookout, PeerRow};
use manyhands_engine::{
    Change, Config, Engine, NetworkConfig, OpenError, Remote, default_data_dir, read_invite,
};

use crate::arguments::Global;
use crate::place::Problem;
use crate::{INTERRUPTED, TERMINATED};

/// Where the work is done.
pub enum Instance {
    Here(Engine),
    Running(Remote),
}

impl Instance {
    /// Opens the profile, or finds who runs on it.
    pub async fn open(
        data_dir: PathBuf,
        network: Option<NetworkConfig>,
    ) -> Result<Self, OpenError> {
        match Engine::open(Config { data_dir: data_dir.clone(), network, or_alone: false }).await {
            Ok(engine) => {
                if let Some(recovered) = engine.recovered() {
                    eprintln!("manyhands-cli: {recovered}");
                }
                Ok(Self::Here(engine))
            }
            Err(OpenError::InUse { .. }) => Ok(Self::Running(Remote::of(&data_dir))),
            Err(error) => Err(error),
        }
    }

    /// Joins the group that the command line names, if any; fine where it is in it already.
    pub async fn join(&self, global: &Global) -> Result<(), Problem> {
        let Some(invite) = &global.rendezvous else { return Ok(()) };
        let joined = match self {
            Self::Here(engine) => engine.join_group(invite).await.map(drop),
            Self::Running(remote) => {
                let invite = read_invite(invite).map_err(|failure| Problem::refused(&failure))?;
                let change = Change::JoinGroup { invite: Box::new(invite), founder: false };
                let changed = remote.change(change).await;
                changed.map_err(|error| Problem::failed(&error))?.map(drop)
            }
        };
        joined.map_err(|failure| Problem::refused(&failure))
    }

    /// How others are found here.
    pub async fn lookout(&self) -> Result<Lookout, Problem> {
        let lookout = match self {
            Self::Here(engine) => engine.lookout().await,
            Self::Running(remote) => {
                remote.lookout().await.map_err(|error| Problem::failed(&error))?
            }
        };
        lookout.map_err(|failure| Problem::refused(&failure))
    }

    /// Who is there after so many seconds, and who is listed and cannot be reached.
    pub async fn peers(&self, wait_s: u64) -> Result<Vec<PeerRow>, Problem> {
        match self {
            Self::Here(engine) => {
                tokio::time::sleep(Duration::from_secs(wait_s)).await;
                engine.peers().await.map_err(|failure| Problem::refused(&failure))
            }
            Self::Running(remote) => {
                remote.peers(wait_s).await.map_err(|error| Problem::failed(&error))
            }
        }
    }
}

/// The profile that is meant.
pub fn data_dir(global: &Global) -> Result<PathBuf, String> {
    let data_dir = global.data_dir.clone().or_else(default_data_dir);
    data_dir.ok_or_else(|| "there is no home folder: name a profile with --data-dir".into())
}

/// How to meet others, as the command line says.
pub fn network(global: &Global) -> NetworkConfig {
    NetworkConfig {
        name: global.name.clone(),
        listen: global.listen,
        no_mdns: global.no_mdns,
        rendezvous: global.rendezvous.clone(),
        insecure_http: global.insecure_http,
        // Helping others is what `lend` is for.
        lending: LendingChange { on: Some(false), ..LendingChange::default() },
    }
}

/// Waits for Ctrl-C or a polite kill; the exit code that goes with it.
pub async fn ended_by_signal() -> u8 {
    #[cfg(unix)]
    if let Ok(mut terminate) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        return tokio::select! {
            _ = tokio::signal::ctrl_c() => INTERRUPTED,
            _ = terminate.recv() => TERMINATED,
        };
    }
    let _ = tokio::signal::ctrl_c().await;
    INTERRUPTED
}
