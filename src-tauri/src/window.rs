//! The one window: whether the user looks at it, bringing it to the front, and closing it.
//!
//! A closed window is hidden where the tray has an icon that brings it back. Where there is none, the page asks when
//! something would stop, and the program ends. A page that is dead asks nothing: the second try ends the program.
//!
//! The page lives in a process of the web engine, which may end: memory runs short, a graphics driver fails. It is loaded again;
//! downloads know nothing of it.

use std::time::{Duration, Instant};

use manyhands_engine::Engine;
use manyhands_engine::view::Query;
use tauri::{AppHandle, Manager, WebviewWindow, WindowEvent};
use tokio::sync::watch;

use crate::news::{News, Page};
use crate::{shutdown, tray};

/// How long after its end a page is loaded again, the first time …
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// … and at most: one whose process ends at every load keeps the computer busy with nothing else.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);
/// A page that lived so long was well.
const WELL_AFTER: Duration = Duration::from_secs(60);
/// The label of the one window, in `tauri.conf.json` and in the capabilities.
pub const LABEL: &str = "main";

/// Where the window is for the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In front of the user, who sees what changes in it.
    Front,
    /// Behind others, or minimized.
    #[default]
    Aside,
    /// Closed into the tray.
    Tray,
}

/// Where the window is, for those who want to know.
#[derive(Clone, Debug, Default)]
pub struct Window(watch::Sender<Place>);

/// What happens to a window that the user closes.
#[derive(Debug, PartialEq, Eq)]
enum Closing {
    Hide,
    /// The page asks the user.
    Ask,
    /// The program ends.
    End,
}

impl Window {
    pub fn place(&self) -> watch::Receiver<Place> {
        self.0.subscribe()
    }

    fn is_at(&self, place: Place) {
        self.0.send_if_modified(|now| {
            // A window that goes away loses the focus too.
            let moved = *now != place && !(*now == Place::Tray && place == Place::Aside);
            if moved {
                *now = place;
            }
            moved
        });
    }
}

/// Follows the window, and decides what closing it means.
pub fn on_event(window: &tauri::Window, event: &WindowEvent) {
    let app = window.app_handle();
    match event {
        // The keys that close a window give it the focus once more when they are let go, and it may be hidden by then.
        WindowEvent::Focused(true) if !window.is_visible().unwrap_or(true) => {}
        WindowEvent::Focused(true) => app.state::<Window>().is_at(Place::Front),
        WindowEvent::Focused(false) => app.state::<Window>().is_at(Place::Aside),
        // A profile that cannot be opened has no engine, and no such window.
        WindowEvent::CloseRequested { api, .. } => {
            if let Some(engine) = app.try_state::<Engine>() {
                api.prevent_close();
                tauri::async_runtime::spawn(close(app.clone(), engine.inner().clone()));
            }
        }
        _ => {}
    }
}

/// Loads the page again when its process has ended.
pub fn keep_page(window: &WebviewWindow) -> tauri::Result<()> {
    #[cfg(target_os = "linux")]
    window.with_webview(|page| {
        use std::{cell::Cell, rc::Rc};

        use webkit2gtk::WebViewExt;

        let paused = Cell::new(None);
        let loaded = Rc::new(Cell::new(Instant::now()));
        page.inner().connect_web_process_terminated(move |page, why| {
            let pause = reload_pause(paused.get(), loaded.get().elapsed());
            paused.set(Some(pause));
            tracing::error!(?why, ?pause, "the page's process has ended; the page is loaded again");
            let (page, loaded) = (page.clone(), loaded.clone());
            webkit2gtk::glib::timeout_add_local_once(pause, move || {
                loaded.set(Instant::now());
                page.reload();
            });
        });
    })?;
    Ok(())
}

/// How long to wait before a page is loaded again that has `lived` so long. `last`: the pause before that, if there was one.
fn reload_pause(last: Option<Duration>, lived: Duration) -> Duration {
    match last {
        Some(last) if lived < WELL_AFTER => (last * 2).min(LONGEST_PAUSE),
        _ => FIRST_PAUSE,
    }
}

/// Brings the window to the front, wherever it is.
pub fn show(app: &AppHandle) {
    let Some(window) = app.get_webview_window(LABEL) else { return };
    for done in [window.show(), window.unminimize(), window.set_focus()] {
        if let Err(error) = done {
            tracing::warn!(%error, "the window cannot be raised");
        }
    }
    // The focus comes later, or never where the system does not give it.
    app.state::<Window>().0.send_if_modified(|place| {
        let hidden = *place == Place::Tray;
        if hidden {
            *place = Place::Aside;
        }
        hidden
    });
}

/// Brings the window to the front, with the help requests in it.
pub fn show_requests(app: &AppHandle) {
    show(app);
    app.state::<Page>().hears(News::ShowRequests);
}

/// Takes the window away; whether there was one.
pub fn hide(app: &AppHandle) -> bool {
    app.get_webview_window(LABEL).as_ref().map(WebviewWindow::hide).is_some_and(|done| done.is_ok())
}

async fn close(app: AppHandle, engine: Engine) {
    let tray = app.try_state::<tray::Made>().is_some() && tray::is_seen().await;
    match closing(tray, is_busy(&engine).await) {
        Closing::Hide if hide(&app) => app.state::<Window>().is_at(Place::Tray),
        // A minimized window may be closed too; what it asks is to be seen.
        Closing::Ask if app.state::<Page>().asks_to_close(Instant::now()) => show(&app),
        _ => shutdown::begin(&app),
    }
}

fn closing(tray: bool, busy: bool) -> Closing {
    match (tray, busy) {
        (true, _) => Closing::Hide,
        (false, true) => Closing::Ask,
        (false, false) => Closing::End,
    }
}

/// Whether something would stop if the program ended now.
async fn is_busy(engine: &Engine) -> bool {
    // An engine that does not answer has ended.
    engine.view(Query::default()).await.is_ok_and(|view| {
        let helps = view.together.is_some_and(|together| !together.helping.is_empty());
        view.counts.active > 0 || helps
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_window_goes_to_the_tray_or_asks_before_something_stops() {
        assert_eq!(closing(true, true), Closing::Hide);
        assert_eq!(closing(true, false), Closing::Hide);
        assert_eq!(closing(false, true), Closing::Ask);
        assert_eq!(closing(false, false), Closing::End);
    }

    #[test]
    fn a_page_that_ends_at_every_load_is_loaded_less_and_less_often() {
        let mut pauses = Vec::new();
        for lived in [0, 1, 59, 0, 0, 0, 0, 0, 60, 0, 3600] {
            pauses.push(reload_pause(pauses.last().copied(), Duration::from_secs(lived)));
        }
        let seconds: Vec<_> = pauses.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 64, 1, 2, 1]);
    }

    #[test]
    fn a_hidden_window_stays_hidden_until_it_is_in_front_again() {
        let window = Window::default();
        let place = window.place();
        for (at, seen) in [
            (Place::Front, Place::Front),
            (Place::Tray, Place::Tray),
            (Place::Aside, Place::Tray),
            (Place::Front, Place::Front),
            (Place::Aside, Place::Aside),
        ] {
            window.is_at(at);
            assert_eq!(*place.borrow(), seen);
        }
    }
}
