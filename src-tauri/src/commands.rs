//! What the page can ask. Each command hands on to the engine and says nothing of its own.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use manyhands_engine::view::{FailureView, Query, View, Welcome};
use manyhands_engine::{DownloadId, Engine, Failure, FailureCode, NewDownload};
use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;
use tauri::{State, WebviewWindow};
use tauri_plugin_dialog::DialogExt;
use tokio::sync::oneshot;

use crate::folder;

type Answer<T> = Result<T, FailureView>;

/// The task that tells the page of changes. Guards nothing else: a page that was loaded again replaces it.
#[derive(Debug, Default)]
pub struct Watching(Mutex<Option<JoinHandle<()>>>);

#[tauri::command]
pub async fn view(engine: State<'_, Engine>, query: Query) -> Answer<View> {
    Ok(engine.view(query).await?)
}

#[tauri::command]
pub async fn add(engine: State<'_, Engine>, download: NewDownload) -> Answer<DownloadId> {
    Ok(engine.add(&download).await?)
}

#[tauri::command]
pub async fn pause(engine: State<'_, Engine>, id: DownloadId) -> Answer<()> {
    Ok(engine.pause(id).await?)
}

#[tauri::command]
pub async fn resume(engine: State<'_, Engine>, id: DownloadId) -> Answer<()> {
    Ok(engine.resume(id).await?)
}

#[tauri::command]
pub async fn remove(engine: State<'_, Engine>, id: DownloadId) -> Answer<()> {
    Ok(engine.remove(id).await?)
}

#[tauri::command]
pub async fn pause_all(engine: State<'_, Engine>) -> Answer<()> {
    Ok(engine.pause_all().await?)
}

#[tauri::command]
pub async fn resume_all(engine: State<'_, Engine>) -> Answer<()> {
    Ok(engine.resume_all().await?)
}

#[tauri::command]
pub async fn welcome(engine: State<'_, Engine>) -> Answer<Welcome> {
    Ok(engine.welcome())
}

/// Sends the revision through the channel whenever it has changed; the page then asks for a view.
#[tauri::command]
pub async fn watch(
    engine: State<'_, Engine>,
    watching: State<'_, Watching>,
    revisions: Channel<u64>,
) -> Answer<()> {
    let mut changes = engine.changes();
    let task = tauri::async_runtime::spawn(async move {
        while changes.changed().await.is_ok() {
            let revision = *changes.borrow_and_update();
            if revisions.send(revision).is_err() {
                return;
            }
        }
    });
    let before = watching.0.lock().unwrap_or_else(PoisonError::into_inner).replace(task);
    if let Some(before) = before {
        before.abort();
    }
    Ok(())
}

/// Shows a finished file in the system's file manager. The page names the download, never a path.
#[tauri::command]
pub async fn open_folder(engine: State<'_, Engine>, id: DownloadId) -> Answer<()> {
    let path = engine.row(id).await?.and_then(|row| row.path);
    let path = path.ok_or_else(|| cannot("there is no finished file"))?;
    folder::show(Path::new(&path)).await.map_err(|error| cannot(&error.to_string()).into())
}

/// The system's dialog for folders; nothing when it was cancelled.
#[tauri::command]
pub async fn pick_folder(window: WebviewWindow, from: String) -> Answer<Option<String>> {
    let (answer, answered) = oneshot::channel();
    let mut dialog = window.dialog().file().set_parent(&window);
    if Path::new(&from).is_dir() {
        dialog = dialog.set_directory(from);
    }
    dialog.pick_folder(move |picked| {
        // Nobody waits any more when the program ends meanwhile.
        let _ = answer.send(picked);
    });
    let picked = answered.await.ok().flatten();
    Ok(picked
        .and_then(|path| path.into_path().ok())
        .map(|path| path.to_string_lossy().into_owned()))
}

fn cannot(why: &str) -> Failure {
    Failure::new(FailureCode::Internal, format!("The folder cannot be shown: {why}."))
}
