//! Part files: made, opened, checked, put in their place. Everything here blocks.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use manyhands_core::{Failure, FailureCode, Found, Sha256Digest, What};
use sha2::{Digest, Sha256};

/// So many files of one name in one folder are tried before giving up.
const MAX_NUMBERED: u32 = 9_999;
/// Kept free when the length of a file is known beforehand, so that the system has room to breathe.
const SPARE_BYTES: u64 = 1 << 20;
/// Bytes that need a block of the disk wherever they are stored.
const MIN_BLOCK: u64 = 4096;
/// Read at once for a digest.
const DIGEST_PORTION: usize = 256 << 10;

/// A part file that was just made.
#[derive(Debug)]
pub struct Created {
    pub file: File,
    pub name: String,
    pub part_name: String,
}

/// What became of the part file of an earlier run.
#[derive(Debug)]
pub enum Reopened {
    Part(File),
    /// Gone; but the finished file is there.
    Finished(PathBuf),
    Gone,
}

/// Makes the folder and an empty, sparse part file in it; nothing that exists is touched.
///
/// # Errors
/// The folder cannot be made or written to, or the disk has no room for `length` bytes.
pub fn create(dir: &Path, name: &str, length: Option<u64>) -> Result<Created, Failure> {
    std::fs::create_dir_all(dir).map_err(|error| disk_failure(&error, dir, "make the folder"))?;
    if let Some(length) = length {
        check_room(dir, length)?;
    }
    for number in 0..=MAX_NUMBERED {
        let name = numbered(name, number);
        if exists(&dir.join(&name)) {
            continue;
        }
        let part_name = format!("{name}.part");
        let path = dir.join(&part_name);
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                // Before it looks like one that was left behind.
                hold(&file);
                file.set_len(length.unwrap_or(0)).map_err(|error| {
                    crate::writer::discard_part(&path);
                    disk_failure(&error, &path, "make")
                })?;
                return Ok(Created { file, name, part_name });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if let Some(file) = left_behind(&path, length) {
                    return Ok(Created { file, name, part_name });
                }
            }
            Err(error) => return Err(disk_failure(&error, &path, "make")),
        }
    }
    Err(many_alike(name, dir))
}

/// The part file of a run that was killed before it could store that it had made one: as long as it should be, without a
/// single byte in it, and held by nobody. A second one beside it would have another name than the user expects.
fn left_behind(path: &Path, length: Option<u64>) -> Option<File> {
    // Some file systems keep what is smaller in the inode: no blocks are no sign that it is empty.
    let length = length.filter(|length| *length >= MIN_BLOCK)?;
    let looks = |found: &std::fs::Metadata| {
        found.is_file() && found.len() == length && found.blocks() == 0 && found.nlink() == 1
    };
    // What is no ordinary file might wait for ever to be opened.
    std::fs::symlink_metadata(path).ok().filter(looks)?;
    let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
    let ours = file.try_lock().is_ok() && is_at(&file, path);
    (ours && file.metadata().ok().as_ref().is_some_and(looks)).then_some(file)
}

/// As long as it is open nobody takes it for one that was left behind. Where files cannot be locked nobody does anyway.
fn hold(file: &File) {
    let _ = file.try_lock();
}

/// Opens the part file of an earlier run. One of another size was changed by somebody else: it counts as gone.
///
/// # Errors
/// It is there and cannot be opened.
pub fn reopen(dir: &Path, found: &Found) -> Result<Reopened, Failure> {
    let path = dir.join(&found.part_name);
    let length = found.identity.length;
    match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => {
            let size = file.metadata().map_err(|error| disk_failure(&error, &path, "open"))?.len();
            if !found.ranges || length == Some(size) {
                hold(&file);
                return Ok(Reopened::Part(file));
            }
            let message =
                format!("{} was changed by another program; it is left as it is.", path.display());
            let failure = Failure::new(FailureCode::PartLost, message);
            Err(failure.because(What::PartChanged, [&path.display()]))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let finished = dir.join(&found.name);
            let size = std::fs::metadata(&finished)
                .ok()
                .filter(std::fs::Metadata::is_file)
                .map(|m| m.len());
            Ok(match size {
                Some(size) if Some(size) == length => Reopened::Finished(finished),
                _ => Reopened::Gone,
            })
        }
        Err(error) => Err(disk_failure(&error, &path, "open")),
    }
}

/// Syncs the part file and renames it to `name` in its folder, to a numbered name when that is taken.
///
/// # Errors
/// The disk fails; the part file stays.
pub fn finish(part: &File, part_path: &Path, name: &str, length: u64) -> Result<PathBuf, Failure> {
    let failed = |error: io::Error| disk_failure(&error, part_path, "finish");
    let dir = part_path.parent().unwrap_or(Path::new("."));
    if !is_at(part, part_path) {
        let message = format!("{} was taken away by another program.", part_path.display());
        let failure = Failure::new(FailureCode::PartLost, message);
        return Err(failure.because(What::PartTaken, [&part_path.display()]));
    }
    if part.metadata().map_err(failed)?.len() != length {
        part.set_len(length).map_err(failed)?;
    }
    part.sync_data().map_err(failed)?;
    for number in 0..=MAX_NUMBERED {
        let path = dir.join(numbered(name, number));
        match rename_no_replace(part_path, &path) {
            Ok(()) => {
                if let Ok(dir) = File::open(dir) {
                    let _ = dir.sync_all();
                }
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(many_alike(name, dir))
}

/// Whether this open file is what lies at `path`: somebody may have taken it away, and put something else there.
pub fn is_at(file: &File, path: &Path) -> bool {
    let place = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let there = std::fs::symlink_metadata(path).map(place);
    file.metadata().map(place).is_ok_and(|open| there.is_ok_and(|there| open == there))
}

/// Renames, and fails with `AlreadyExists` where something has that name.
fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // Some file systems cannot do that; a second name and taking the first away comes to the same.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match std::fs::hard_link(from, to) {
            Ok(()) => std::fs::remove_file(from),
            // Some have no second names either. Nothing better is left than to look first.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                if std::fs::symlink_metadata(to).is_ok() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                std::fs::rename(from, to)
            }
            Err(error) => Err(error),
        },
        Err(errno) => Err(errno.into()),
    }
}

/// The SHA-256 of the first `length` bytes; `None` when `go_on`, which is asked between portions, says no.
///
/// # Errors
/// The disk fails, or the file is shorter.
pub fn digest(
    file: &File,
    path: &Path,
    length: u64,
    go_on: impl Fn() -> bool,
) -> Result<Option<Sha256Digest>, Failure> {
    let mut hasher = Sha256::new();
    let (mut buffer, mut offset) = (vec![0; DIGEST_PORTION], 0);
    while offset < length {
        if !go_on() {
            return Ok(None);
        }
        let wanted = DIGEST_PORTION.min(usize::try_from(length - offset).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..wanted];
        file.read_exact_at(buffer, offset).map_err(|error| disk_failure(&error, path, "read"))?;
        hasher.update(buffer);
        offset += wanted as u64;
    }
    Ok(Some(Sha256Digest(hasher.finalize().into())))
}

/// `name`, `name (1)`, `name (2)` …; the number goes before the extension.
fn numbered(name: &str, number: u32) -> String {
    if number == 0 {
        return name.to_owned();
    }
    let stem_end = match name.strip_suffix(".mismatch") {
        Some(_) => name.len(),
        None => extension_start(name),
    };
    let (stem, extension) = name.split_at(stem_end);
    format!("{stem} ({number}){extension}")
}

/// Where `.tar.gz` or `.zip` begins; the end where there is no extension.
fn extension_start(name: &str) -> usize {
    let Some(dot) = name.rfind('.').filter(|dot| *dot > 0) else { return name.len() };
    match name[..dot].strip_suffix(".tar") {
        Some(stem) if !stem.is_empty() => stem.len(),
        _ => dot,
    }
}

fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

fn check_room(dir: &Path, wanted: u64) -> Result<(), Failure> {
    // Where nobody can tell, writing will.
    let Ok(stat) = rustix::fs::statvfs(dir) else { return Ok(()) };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if wanted.saturating_add(SPARE_BYTES) <= free {
        return Ok(());
    }
    let message =
        format!("The file has {wanted} bytes, but {} has room for {free} only.", dir.display());
    let failure = Failure::new(FailureCode::DiskFull, message);
    Err(failure.because(What::NoRoom, [&dir.display(), &wanted, &free]))
}

fn many_alike(name: &str, dir: &Path) -> Failure {
    let message = format!("There are too many files called {name} in {}.", dir.display());
    Failure::new(FailureCode::Folder, message).because(What::ManyAlike, [&dir.display(), &name])
}

/// A failure of the disk in words.
#[must_use]
pub fn disk_failure(error: &io::Error, path: &Path, verb: &str) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            FailureCode::DiskFull
        }
        io::ErrorKind::NotFound => FailureCode::PartLost,
        _ => FailureCode::Folder,
    };
    let failure =
        Failure::new(code, format!("Cannot {verb} {}: {}.", path.display(), plain(error)));
    let what = match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => What::ReadOnly,
        io::ErrorKind::PermissionDenied => What::NoPermission,
        // Only a folder is made where something may be already.
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => What::NoFolder,
        io::ErrorKind::InvalidFilename => What::LongName,
        io::ErrorKind::NotFound => What::FileGone,
        _ if code == FailureCode::DiskFull => What::DiskFull,
        _ => return failure.because(What::Disk, [&path.display(), &plain(error)]),
    };
    failure.because(what, [&path.display()])
}

/// The system's words without its number.
pub fn plain(error: &impl ToString) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_number_goes_before_the_extension() {
        for (name, expected) in [
            ("a.bin", "a (2).bin"),
            ("a", "a (2)"),
            (".hidden", ".hidden (2)"),
            ("a.tar.gz", "a (2).tar.gz"),
            (".tar.gz", ".tar (2).gz"),
            ("a.bin.mismatch", "a.bin.mismatch (2)"),
        ] {
            assert_eq!(numbered(name, 2), expected);
        }
    }

    #[test]
    fn a_file_that_took_the_place_of_ours_is_not_finished_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let ours = create(dir.path(), "a.bin", Some(3)).unwrap();
        let path = dir.path().join(&ours.part_name);
        std::fs::remove_file(&path).unwrap();
        let theirs = create(dir.path(), "a.bin", Some(3)).unwrap();
        assert_eq!(theirs.part_name, ours.part_name);
        let refused = finish(&ours.file, &path, "a.bin", 3).unwrap_err();
        assert_eq!(refused.code, FailureCode::PartLost);
        assert!(is_at(&theirs.file, &path));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(finish(&ours.file, &path, "a.bin", 3).unwrap_err().code, FailureCode::PartLost);
    }

    #[test]
    fn what_a_killed_run_has_left_behind_is_used_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| create(dir.path(), name, Some(1 << 20)).unwrap();
        let held = make("a.bin");
        assert_eq!(make("a.bin").part_name, "a (1).bin.part", "somebody works on it");
        drop(held);
        let again = make("a.bin");
        assert_eq!(again.part_name, "a.bin.part");
        again.file.write_all_at(b"x", 5).unwrap();
        drop(again);
        assert_eq!(make("a.bin").part_name, "a (1).bin.part", "there is something in it");
        let at = |name: &str| dir.path().join(name);
        let sparse = |name: &str, length| File::create(at(name)).unwrap().set_len(length).unwrap();
        sparse("empty.part", 0);
        sparse("longer.part", 2 << 20);
        sparse("target", 1 << 20);
        std::os::unix::fs::symlink(at("target"), at("link.part")).unwrap();
        for name in ["empty", "longer", "link"] {
            assert_eq!(make(name).part_name, format!("{name} (1).part"), "another program's");
        }
    }

    #[test]
    fn nothing_that_exists_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("new").join("folder");
        let mut first = create(&place, "a.bin", Some(3)).unwrap();
        assert_eq!(first.part_name, "a.bin.part");
        first.file.write_all(b"abc").unwrap();
        let second = create(&place, "a.bin", None).unwrap();
        assert_eq!(second.name, "a (1).bin");
        std::fs::write(place.join("a.bin"), "somebody else's").unwrap();
        let path = finish(&first.file, &place.join(&first.part_name), &first.name, 3).unwrap();
        assert_eq!(path, place.join("a (1).bin"));
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
        assert_eq!(std::fs::read(place.join("a.bin")).unwrap(), b"somebody else's");
    }

    #[test]
    fn a_folder_that_cannot_be_made_and_a_file_too_large_say_so() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        for place in ["file", "file/sub"] {
            let failure = create(&dir.path().join(place), "a", None).unwrap_err();
            assert_eq!(failure.code, FailureCode::Folder, "{place}");
            assert_eq!(failure.what, Some(What::NoFolder), "{place}");
            assert!(failure.parts["path"].ends_with(place), "{failure:?}");
        }
        let failure = create(dir.path(), "a", Some(1 << 60)).unwrap_err();
        assert_eq!(failure.code, FailureCode::DiskFull);
    }
}
