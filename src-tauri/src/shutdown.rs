//! Ends the program in order: the engine stores everything, then the process ends.

use std::time::Duration;

use manyhands_engine::Engine;
use tauri::{AppHandle, Manager};
use tokio::signal::unix::{SignalKind, signal};

use crate::outside::Outside;
use crate::window;

/// A disk that takes longer than this to store some kilobytes is broken; what it has not taken by then is fetched again.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Notifications are closed by another program, which may not answer.
const MAX_WAIT_OUTSIDE: Duration = Duration::from_secs(3);

/// Shuts the engine down, then ends the process. The window goes first: who has ended the program waits for nothing more.
pub fn begin(app: &AppHandle) {
    window::hide(app);
    let app = app.clone();
    let engine = app.try_state::<Engine>().map(|engine| engine.inner().clone());
    tauri::async_runtime::spawn(async move {
        if let Some(engine) = engine
            && tokio::time::timeout(MAX_WAIT, engine.shutdown()).await.is_err()
        {
            tracing::error!("the engine did not end in time");
        }
        // What hangs on the screen belongs to a program that runs.
        if let Some(outside) = app.try_state::<Outside>().map(|outside| outside.inner().clone())
            && tokio::time::timeout(MAX_WAIT_OUTSIDE, outside.closed()).await.is_err()
        {
            tracing::info!("notifications were not closed in time");
        }
        app.exit(0);
    });
}

/// Ends the program at SIGINT and SIGTERM as if its window had been closed.
pub fn on_signals(app: &AppHandle) -> std::io::Result<()> {
    let app = app.clone();
    // Signals are heard on the runtime, which `setup` is not on.
    let (mut interrupt, mut terminate) = tauri::async_runtime::block_on(async {
        Ok::<_, std::io::Error>((
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ))
    })?;
    tauri::async_runtime::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        begin(&app);
    });
    Ok(())
}
