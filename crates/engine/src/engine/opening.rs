//! Opens a profile, and asks the system what only it knows: the machine, its start, the user's folders.

use std::path::{Path, PathBuf};
use std::time::Duration;

use manyhands_store::{Locked, Opened, ProfileLock, Store};

use crate::control;
use crate::view::Recovered;

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
            let text = rebuilt(set_aside.as_deref(), downloads);
            tracing::warn!("{text}");
            Some(Recovered { downloads: downloads as u32, set_aside, text })
        }
    };
    Ok((lock, store, recovered))
}

fn rebuilt(set_aside: Option<&str>, downloads: usize) -> String {
    let aside = set_aside.map(|path| format!(" It was kept as {path}.")).unwrap_or_default();
    let noun = if downloads == 1 { "download" } else { "downloads" };
    format!(
        "The database was damaged.{aside} The list was rebuilt from its last good copy: {downloads} {noun}; unfinished ones begin anew."
    )
}

/// How long a profile that a process just killed still holds is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(2);

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
pub(super) fn boot_id() -> String {
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

pub(super) fn system_download_dir() -> PathBuf {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_was_rebuilt_says_of_how_many_downloads() {
        let one = rebuilt(Some("/p/old"), 1);
        assert!(one.contains(" It was kept as /p/old. ") && one.contains(": 1 download;"), "{one}");
        assert!(
            rebuilt(None, 0).contains("damaged. The list")
                && rebuilt(None, 0).contains(" 0 downloads;")
        );
        assert!(rebuilt(None, 2).contains(" 2 downloads;"));
    }
}
