//! The engine of this process, or the instance that runs on the profile.

use std::path::PathBuf;

use manyhands_engine::view::LendingChange;
use manyhands_engine::{Config, Engine, NetworkConfig, OpenError, Remote, default_data_dir};

use crate::arguments::Global;
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
