//! Shows a file where it lies, in the system's file manager.

use std::io::{Error, ErrorKind};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// A file manager that is started for this may take seconds; one that takes longer does not answer.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Opens the folder of `path`, with the file selected where the file manager can do that.
///
/// # Errors
/// The file is not there, or no file manager is.
pub async fn show(path: &Path) -> std::io::Result<()> {
    if !tokio::fs::try_exists(path).await? {
        return Err(Error::new(ErrorKind::NotFound, format!("{} is gone", path.display())));
    }
    #[cfg(target_os = "linux")]
    match tokio::time::timeout(MAX_WAIT, select_over_bus(path)).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => {
            tracing::info!(%error, "no file manager selects files; opening its folder");
        }
        Err(_) => tracing::info!("the file manager does not answer; opening the folder"),
    }
    let mut command = opener(path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = tokio::time::timeout(MAX_WAIT, command.status()).await;
    // An opener that goes on is one that shows something.
    match ended {
        Ok(Ok(status)) if !status.success() && cfg!(not(windows)) => {
            Err(Error::other("the system has no program that shows folders"))
        }
        Ok(Err(error)) => Err(error),
        _ => Ok(()),
    }
}

/// `org.freedesktop.FileManager1` of the freedesktop file manager specification.
#[cfg(target_os = "linux")]
async fn select_over_bus(path: &Path) -> zbus::Result<()> {
    let link = url::Url::from_file_path(path)
        .map_err(|()| zbus::Error::Failure("the path is not absolute".to_owned()))?;
    let bus = zbus::Connection::session().await?;
    let files = "/org/freedesktop/FileManager1";
    let name = "org.freedesktop.FileManager1";
    bus.call_method(Some(name), files, Some(name), "ShowItems", &([link.as_str()].as_slice(), ""))
        .await?;
    Ok(())
}

fn opener(path: &Path) -> Command {
    if cfg!(target_os = "macos") {
        let mut command = Command::new("open");
        command.arg("-R").arg(path);
        command
    } else if cfg!(windows) {
        let mut command = Command::new("explorer");
        command.arg("/select,").arg(path);
        command
    } else {
        let mut command = Command::new("xdg-open");
        command.arg(path.parent().unwrap_or(path));
        command
    }
}
