//! One instance per profile.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::files;

/// How often a lock held by another process is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// Longer than any process id is written.
const MAX_PID_BYTES: u64 = 16;

/// Holds a profile for this process, until dropped or until the process ends in whatever way.
#[derive(Debug)]
pub struct ProfileLock {
    /// The lock belongs to the open file (`flock`).
    _file: File,
}

/// The profile could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Locked {
    /// Another instance runs on it. Hand the work over to that one, or give up.
    #[error("another instance runs on this profile{}", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Held { pid: Option<u32> },
    /// The folder or the file cannot be made or opened.
    #[error("cannot lock {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

impl ProfileLock {
    /// Locks the profile in `data_dir`, which is made when missing (mode 0700). A lock held
    /// elsewhere is waited for, up to
    /// `wait`: the system takes a moment to end a process that was killed.
    ///
    /// # Errors
    /// [`Locked`] says who holds the profile, as far as that is known.
    pub fn acquire(data_dir: &Path, wait: Duration) -> Result<Self, Locked> {
        let path = data_dir.join("lock");
        let until = Instant::now() + wait;
        loop {
            match try_lock(data_dir, &path) {
                Ok(Ok(file)) => return Ok(Self { _file: file }),
                Ok(Err(pid)) if Instant::now() >= until => return Err(Locked::Held { pid }),
                Ok(Err(_)) => std::thread::sleep(RETRY),
                Err(source) => return Err(Locked::Io { path, source }),
            }
        }
    }
}

/// The inner error is the holder's process id.
fn try_lock(data_dir: &Path, path: &Path) -> io::Result<Result<File, Option<u32>>> {
    files::make_private_dir(data_dir)?;
    let mut file =
        files::private().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) if is_still_at(&file, path) => {}
        Ok(()) | Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = file.take(MAX_PID_BYTES).read_to_string(&mut text);
            return Ok(Err(read.ok().and_then(|_| text.trim().parse().ok())));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(Ok(file))
}

/// A file that was removed or replaced meanwhile guards nothing.
#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let at_path = std::fs::metadata(path).map(|m| (m.dev(), m.ino()));
    let ours = file.metadata().map(|m| (m.dev(), m.ino()));
    matches!((ours, at_path), (Ok(ours), Ok(at_path)) if ours == at_path)
}

#[cfg(not(unix))]
fn is_still_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_instance_is_refused_and_told_who_holds_the_profile() {
        let dir = tempfile::tempdir().unwrap();
        let _held = ProfileLock::acquire(dir.path(), Duration::ZERO).unwrap();
        match ProfileLock::acquire(dir.path(), Duration::ZERO) {
            Err(Locked::Held { pid }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_lock_that_is_let_go_in_time_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let held = ProfileLock::acquire(dir.path(), Duration::ZERO).unwrap();
        let (waiting, is_waiting) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                waiting.send(()).unwrap();
                ProfileLock::acquire(dir.path(), Duration::from_secs(60))
            });
            is_waiting.recv().unwrap();
            drop(held);
            second.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_lock_file_that_was_taken_away_guards_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let _first = ProfileLock::acquire(dir.path(), Duration::ZERO).unwrap();
        std::fs::remove_file(dir.path().join("lock")).unwrap();
        // Not good, but the holder cannot be known any more; what counts is that the next ones
        // exclude each other.
        let _second = ProfileLock::acquire(dir.path(), Duration::ZERO).unwrap();
        assert!(ProfileLock::acquire(dir.path(), Duration::ZERO).is_err());
    }

    #[test]
    #[cfg(unix)]
    fn the_data_folder_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("a/b");
        let _lock = ProfileLock::acquire(&data_dir, Duration::ZERO).unwrap();
        assert_eq!(std::fs::metadata(&data_dir).unwrap().permissions().mode() & 0o777, 0o700);
        let lock = std::fs::metadata(data_dir.join("lock")).unwrap();
        assert_eq!(lock.permissions().mode() & 0o777, 0o600);
    }
}
