//! The desktop shell: a window around the engine. It decides nothing; it hands on.
//!
//! The engine is opened first and is shut down last: whatever closes the program (the window, a signal, the end of the
//! session), all is stored before the process ends.

mod brought;
mod choices;
mod commands;
mod endings;
mod folder;
mod menu;
mod news;
mod notifications;
mod outside;
mod prompts;
mod shutdown;
mod sizes;
#[cfg(test)]
mod test_rows;
mod tray;
mod window;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use manyhands_engine::{Config, Engine, NetworkConfig, OpenError, Remote};
use tauri::webview::WebviewWindowBuilder;
use tauri::{App, AppHandle, Manager, RunEvent};
use tauri_plugin_dialog::{DialogExt, MessageDialogKind};

/// How the program is started.
pub struct Start {
    /// The profile.
    pub data_dir: PathBuf,
    /// Whether rendezvous servers at `http://` are put up with.
    pub insecure_http: bool,
    /// An invite, or a link to download: it is shown in the window, where the user says what becomes of it.
    pub link: Option<String>,
}

impl std::fmt::Debug for Start {
    /// Never the link: an invite is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Start");
        shown.field("data_dir", &self.data_dir).field("insecure_http", &self.insecure_http);
        shown.finish_non_exhaustive()
    }
}

/// Opens the profile and shows the window; returns when the program ends.
///
/// On a profile that another instance runs on, that instance shows its window, with the link, and this one ends.
///
/// # Errors
/// The window cannot be made, for instance without a display.
pub fn run(start: Start) -> anyhow::Result<ExitCode> {
    let Start { data_dir, insecure_http, link } = start;
    let opened = tauri::async_runtime::block_on(Engine::open(Config {
        data_dir: data_dir.clone(),
        network: Some(NetworkConfig { insecure_http, ..NetworkConfig::default() }),
        or_alone: true,
    }));
    if let Err(OpenError::InUse { .. }) = &opened
        && let Ok(true) = tauri::async_runtime::block_on(Remote::of(&data_dir).raise(link.clone()))
    {
        eprintln!("manyhands: it is running already; its window is shown");
        return Ok(ExitCode::SUCCESS);
    }
    let failed = opened.is_err();
    let brought = brought::Brought::default();
    if let Some(link) = link {
        brought.keep(link);
    }
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_dialog::init())
        .manage(brought)
        .manage(news::Page::default())
        .manage(window::Window::default())
        .invoke_handler(tauri::generate_handler![
            commands::add,
            commands::answer_pairing,
            commands::ask,
            commands::block,
            commands::create_group,
            commands::decide,
            commands::invite,
            commands::join_group,
            commands::leave_group,
            commands::look_at_server,
            commands::open_folder,
            commands::pair,
            commands::pause,
            commands::pause_all,
            commands::pick_folder,
            commands::quit,
            commands::remove,
            commands::remove_friend,
            commands::remove_rule,
            commands::resume,
            commands::resume_all,
            commands::rotate_group,
            commands::set_lending,
            commands::set_meeting,
            commands::set_never_hosts,
            commands::set_rule,
            commands::speak,
            commands::stop_helping,
            commands::take_link,
            commands::unblock,
            commands::view,
            commands::watch,
            commands::welcome,
        ])
        .on_window_event(window::on_event)
        .setup(move |app| {
            match opened {
                Ok(engine) => show(app, engine, &data_dir)?,
                Err(error) => refuse(app.handle(), &error),
            }
            Ok(())
        })
        .build(tauri::generate_context!())
        .context("the window cannot be made")?;
    let code = app.run_return(|app, event| {
        if let RunEvent::ExitRequested { code: None, api, .. } = event {
            // The last window is closed. The process stays until all is stored.
            api.prevent_exit();
            shutdown::begin(app);
        }
    });
    Ok(if failed || code != 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(app: &mut App, engine: Engine, data_dir: &Path) -> anyhow::Result<()> {
    shutdown::on_signals(app.handle())?;
    raise_when_asked(app.handle().clone(), &engine);
    outside::start(app.handle(), &engine, data_dir);
    app.manage(engine);
    let config = app.config().app.windows.first().context("no window is configured")?.clone();
    let window = WebviewWindowBuilder::from_config(app.handle(), &config)?
        // What the page remembers belongs to the profile, as everything else.
        .data_directory(data_dir.join("page"))
        .build()?;
    window::keep_page(&window)?;
    Ok(())
}

/// Says why there is no window, on the screen too: who starts the program from a menu sees no standard error.
fn refuse(app: &AppHandle, error: &OpenError) {
    tracing::error!(%error, "the profile cannot be opened");
    eprintln!("manyhands: {error}");
    let app = app.clone();
    let dialog = app.dialog().message(error.to_string()).title("Manyhands");
    dialog.kind(MessageDialogKind::Error).show(move |_| app.exit(1));
}

/// A second start of the program brings this one's window to the front, with the link that it was started with.
fn raise_when_asked(app: AppHandle, engine: &Engine) {
    let mut raised = engine.raised();
    tauri::async_runtime::spawn(async move {
        while raised.changed().await.is_ok() {
            let link = raised.borrow_and_update().link.clone();
            window::show(&app);
            if link.is_some_and(|link| app.state::<brought::Brought>().keep(link)) {
                app.state::<news::Page>().hears(news::News::LinkBrought);
            }
        }
    });
}
