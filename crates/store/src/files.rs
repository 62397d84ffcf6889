//! Files that are either the old or the new one, whatever happens in between, and that nobody else
//! reads.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Makes `dir` and what is missing above it, for this user only (0700).
pub fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

/// Takes away what others may do with a folder that was made otherwise, or moved here: the secrets of
/// groups lie in it.
pub fn close_to_others(dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mut permissions = std::fs::metadata(dir)?.permissions();
        if permissions.mode() & 0o077 != 0 {
            tracing::warn!(path = %dir.display(), "others could read this folder: closed to them");
            permissions.set_mode(0o700);
            std::fs::set_permissions(dir, permissions)?;
        }
    }
    Ok(())
}

/// Options for a file that is readable by this user only (0600) from its first moment.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Replaces the file at `path` by `bytes`, on the disk when this returns. With `keep`, what was
/// there before becomes that file.
pub fn replace(path: &Path, bytes: &[u8], keep: Option<&Path>) -> io::Result<()> {
    let unfinished = with_suffix(path, ".tmp");
    // Left by a kill: a file made anew has the right mode for certain.
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().write(true).create_new(true).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    if let Some(keep) = keep {
        match std::fs::rename(path, keep) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(&unfinished, path)?;
    sync_parent(path)
}

/// Makes the names in the folder of `path` survive a power cut.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        #[cfg(unix)]
        Some(parent) => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// `downloads.json` → `downloads.json.bak`
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}
