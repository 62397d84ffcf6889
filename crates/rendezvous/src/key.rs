//! The server's key: the one thing on disk. Who has it can pretend to be this server; without it every invite has to be made anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use manyhands_identity::{DeviceIdentity, IdentityError};
use tracing::{info, warn};

const FILE: &str = "server.key";
/// No key is longer.
const MAX_BYTES: u64 = 16 * 1024;

/// There is no key to work with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("there is no home folder: name a folder for the server's key with --data-dir")]
    NoDataDir,
    #[error(
        "the server's key cannot be kept in {}: {source}; name a folder that this user can write with --data-dir",
        .folder.display()
    )]
    Folder { folder: PathBuf, source: io::Error },
    #[error("the server's key in {} cannot be read: {source}", .file.display())]
    File { file: PathBuf, source: io::Error },
    /// A new one would be another server to everybody: nothing that is done without being asked.
    #[error(
        "the server's key in {} is damaged: {source}; bring it back from a copy, or delete it to become another server, \
         for which all invites have to be made anew",
        .file.display()
    )]
    Damaged { file: PathBuf, source: IdentityError },
    #[error(transparent)]
    Make(IdentityError),
}

/// Where the key is kept when nothing else is said: what systemd has set aside for the service, or where this user's programs
/// keep their data.
#[must_use]
pub fn default_data_dir() -> Option<PathBuf> {
    if let Some(state) = std::env::var_os("STATE_DIRECTORY").filter(|state| !state.is_empty()) {
        // systemd puts a colon between several folders.
        return std::env::split_paths(&state).next();
    }
    Some(directories::BaseDirs::new()?.data_dir().join("manyhands-rendezvous"))
}

/// The key in `folder`; at the first start it is made.
///
/// # Errors
/// [`KeyError`]: each says what to do.
pub fn open_key(folder: &Path) -> Result<DeviceIdentity, KeyError> {
    let file = folder.join(FILE);
    match read(&file) {
        Ok(pem) => {
            DeviceIdentity::from_pem(&pem).map_err(|source| KeyError::Damaged { file, source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder, &file),
        Err(source) => Err(KeyError::File { file, source }),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    close_to_others(path, &file)?;
    let mut pem = String::new();
    file.take(MAX_BYTES).read_to_string(&mut pem)?;
    Ok(pem)
}

fn make(folder: &Path, file: &Path) -> Result<DeviceIdentity, KeyError> {
    let identity = DeviceIdentity::generate().map_err(KeyError::Make)?;
    let made = write_new(folder, file, identity.to_pem().as_bytes());
    match made {
        Ok(()) => {
            info!(file = %file.display(), "made the server's key");
            Ok(identity)
        }
        // Somebody else was quicker: that one is the key.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let pem = read(file).map_err(|source| KeyError::File { file: file.into(), source })?;
            let read = DeviceIdentity::from_pem(&pem);
            read.map_err(|source| KeyError::Damaged { file: file.into(), source })
        }
        Err(source) => Err(KeyError::Folder { folder: folder.into(), source }),
    }
}

/// The file is there as a whole or not at all, and replaces nothing.
fn write_new(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    make_folder(folder)?;
    let temporary = folder.join(format!("{FILE}.{}.new", std::process::id()));
    let written = (|| {
        let mut file = new_file(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::hard_link(&temporary, path)
    })();
    let _ = fs::remove_file(&temporary);
    written?;
    // Elsewhere a folder cannot be opened as a file, and its entries need no help.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A key that others could read is closed to them, and said.
#[cfg(unix)]
fn close_to_others(path: &Path, file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        warn!(file = %path.display(), "others could read the server's key: closed to them now");
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn close_to_others(_path: &Path, _file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_key_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        let id = open_key(&data).unwrap().id();
        assert_eq!((mode(&data), mode(&data.join(FILE))), (0o700, 0o600));
        assert_eq!(open_key(&data).unwrap().id(), id);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
        fs::set_permissions(data.join(FILE), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(open_key(&data).unwrap().id(), id);
        assert_eq!(mode(&data.join(FILE)), 0o600);
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "hello").unwrap();
        let refused = open_key(folder.path());
        assert!(matches!(refused, Err(KeyError::Damaged { .. })), "{refused:?}");
        assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), b"hello");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named_with_what_to_do() {
        let error = open_key(Path::new("/proc/nowhere")).unwrap_err().to_string();
        assert!(error.contains("/proc/nowhere") && error.contains("--data-dir"), "{error}");
    }
}
