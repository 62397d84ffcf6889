//! Secrets of this device, each a file of its own that only this user reads.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::files;
use crate::store::StoreError;

/// Far more than any key needs.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

const MAX_NAME_BYTES: usize = 64;

/// `None` when there is none.
pub fn load(data_dir: &Path, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let path = path(data_dir, name)?;
    match read(&path) {
        Ok(bytes) if bytes.len() > MAX_SECRET_BYTES => Err(too_long(name)),
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Io { path, source }),
    }
}

/// On the disk when this returns; before that the old one stays.
pub fn save(data_dir: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let path = path(data_dir, name)?;
    if bytes.len() > MAX_SECRET_BYTES {
        return Err(too_long(name));
    }
    files::replace(&path, bytes, None).map_err(|source| StoreError::Io { path, source })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mut permissions = file.metadata()?.permissions();
        if permissions.mode() & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "others could read this secret: closed to them");
            permissions.set_mode(0o600);
            file.set_permissions(permissions)?;
        }
    }
    let mut bytes = Vec::new();
    file.take(MAX_SECRET_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A name cannot lead out of the folder, nor to another file of the store.
fn path(data_dir: &Path, name: &str) -> Result<PathBuf, StoreError> {
    let plain = name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'  | b'.'));
    let ours = ["db", "lock", "downloads."].iter().any(|ours| name.starts_with(ours));
    if !plain || ours || name.starts_with('.') || !(1..=MAX_NAME_BYTES).contains(&name.len()) {
        let why = "a name has a-z, 0-9, - and . and is none of the store's own".to_owned();
        return Err(StoreError::Refused { what: format!("the secret {name:?}"), why });
    }
    Ok(data_dir.join(name))
}

fn too_long(name: &str) -> StoreError {
    let why = format!("it is longer than {MAX_SECRET_BYTES} bytes");
    StoreError::Refused { what: format!("the secret {name:?}"), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_back_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path(), "identity.pem").unwrap(), None);
        for secret in [b"first".as_slice(), b"second, longer", b""] {
            save(dir.path(), "identity.pem", secret).unwrap();
            assert_eq!(load(dir.path(), "identity.pem").unwrap().as_deref(), Some(secret));
        }
        let names: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["identity.pem"]);
    }

    #[test]
    fn a_half_written_secret_of_a_killed_process_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), "identity.pem", b"good").unwrap();
        std::fs::write(dir.path().join("identity.pem.tmp"), b"go").unwrap();
        assert_eq!(load(dir.path(), "identity.pem").unwrap().as_deref(), Some(b"good".as_slice()));
        save(dir.path(), "identity.pem", b"better").unwrap();
        assert_eq!(
            load(dir.path(), "identity.pem").unwrap().as_deref(),
            Some(b"better".as_slice())
        );
    }

    #[test]
    #[cfg(unix)]
    fn only_this_user_can_read_a_secret() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.pem");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        // A file that another program left where ours begins.
        std::fs::write(dir.path().join("identity.pem.tmp"), b"").unwrap();
        save(dir.path(), "identity.pem", b"key").unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        load(dir.path(), "identity.pem").unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn names_that_lead_elsewhere_and_huge_secrets_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["", ".", "..", "../x", "a/b", "/etc/passwd", "db", "lock", "downloads.json", "A", ".x"]
        {
            assert!(
                matches!(save(dir.path(), name, b""), Err(StoreError::Refused { .. })),
                "{name}"
            );
            assert!(matches!(load(dir.path(), name), Err(StoreError::Refused { .. })), "{name}");
        }
        let huge = vec![0; MAX_SECRET_BYTES + 1];
        assert!(save(dir.path(), "x.pem", &huge).is_err());
        std::fs::write(dir.path().join("x.pem"), huge).unwrap();
        assert!(load(dir.path(), "x.pem").is_err());
    }
}
