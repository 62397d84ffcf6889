//! The icon in the system's tray.
//!
//! On Linux an icon is shown only where the desktop has a host for it (`org.kde.StatusNotifierWatcher`); elsewhere it is made
//! and nobody sees it, until a host appears.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tauri::image::Image;
use tauri::menu::{CheckMenuItem, IsMenuItem, Menu, MenuItem, PredefinedMenuItem, Submenu};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Wry};

use crate::menu::{Choice, Entry, Face};

const ID: &str = "main";
const ICON: &[u8] = include_bytes!("../../icons/tray.png");
/// With a dot: somebody waits for an answer.
const ICON_WAITING: &[u8] = include_bytes!("../../icons/tray-waiting.png");

/// Says that the program has an icon.
#[derive(Clone, Copy, Debug)]
pub struct Made;

/// The icon, and what its menu shows now.
///
/// Every change of it waits for the thread of the windows: call from a thread that may wait.
pub struct Tray {
    app: AppHandle,
    icon: TrayIcon,
    menu: Menu<Wry>,
    lines: Vec<Line>,
    tooltip: String,
    waiting: bool,
}

/// A line of the menu: what it is to show, and what shows it.
struct Line {
    entry: Entry,
    item: Shown,
}

enum Shown {
    Plain(MenuItem<Wry>),
    Check(CheckMenuItem<Wry>),
    /// With its notes.
    Submenu(Submenu<Wry>, Vec<MenuItem<Wry>>),
    Separator(PredefinedMenuItem<Wry>),
}

impl Tray {
    /// Makes the icon, with an empty menu. Files of its own go to `dir`.
    ///
    /// # Errors
    /// The system cannot show icons, for instance because a library is missing.
    pub fn new(
        app: &AppHandle,
        dir: &Path,
        chosen: impl Fn(&AppHandle, Choice) + Send + Sync + 'static,
        clicked: impl Fn(&AppHandle) + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let menu = Menu::new(app)?;
        let builder = TrayIconBuilder::with_id(ID)
            .icon(Image::from_bytes(ICON)?)
            .menu(&menu)
            .temp_dir_path(dir)
            .show_menu_on_left_click(false)
            .on_menu_event(move |app, event| {
                if let Some(choice) = Choice::of_id(event.id().as_ref()) {
                    chosen(app, choice);
                }
            })
            .on_tray_icon_event(move |icon, event| {
                if let TrayIconEvent::Click {
                    button: MouseButton::Left,
                    button_state: MouseButtonState::Up,
                    ..
                } = event
                {
                    clicked(icon.app_handle());
                }
            });
        // Where libayatana-appindicator is missing the icon's library panics; the program can do without an icon.
        let icon = catch_unwind(AssertUnwindSafe(|| builder.build(app)))
            .map_err(|_| anyhow::anyhow!("libayatana-appindicator3 cannot be loaded"))??;
        Ok(Self {
            app: app.clone(),
            icon,
            menu,
            lines: Vec::new(),
            tooltip: String::new(),
            waiting: false,
        })
    }

    /// Shows a face. Touches only what differs; with `anew` also marks that the user may have changed.
    ///
    /// # Errors
    /// The program is ending.
    pub fn show(&mut self, face: Face, anew: bool) -> tauri::Result<()> {
        let alike = face.entries.len() == self.lines.len()
            && face.entries.iter().zip(&self.lines).all(|(entry, line)| entry.is_like(&line.entry));
        if alike {
            for (entry, line) in face.entries.into_iter().zip(&mut self.lines) {
                if anew || entry != line.entry {
                    line.item.becomes(&entry)?;
                    line.entry = entry;
                }
            }
        } else {
            self.rebuild(face.entries)?;
        }
        if face.tooltip != self.tooltip {
            self.icon.set_tooltip(Some(&face.tooltip))?;
            self.tooltip = face.tooltip;
        }
        if face.waiting != self.waiting {
            let icon = if face.waiting { ICON_WAITING } else { ICON };
            self.icon.set_icon(Some(Image::from_bytes(icon)?))?;
            self.waiting = face.waiting;
        }
        Ok(())
    }

    /// Another menu in the same frame: hosts hold on to the frame.
    fn rebuild(&mut self, entries: Vec<Entry>) -> tauri::Result<()> {
        for line in self.lines.drain(..) {
            self.menu.remove(line.item.shown())?;
        }
        for entry in entries {
            let item = Shown::of(&self.app, &entry)?;
            self.menu.append(item.shown())?;
            self.lines.push(Line { entry, item });
        }
        Ok(())
    }
}

impl Shown {
    fn of(app: &AppHandle, entry: &Entry) -> tauri::Result<Self> {
        Ok(match entry {
            Entry::Item { choice, text, enabled } => Self::Plain(MenuItem::with_id(
                app,
                choice.id(),
                literal(text),
                *enabled,
                None::<&str>,
            )?),
            Entry::Check { choice, text, on } => Self::Check(CheckMenuItem::with_id(
                app,
                choice.id(),
                literal(text),
                true,
                *on,
                None::<&str>,
            )?),
            Entry::Submenu { text, notes, choices } => {
                let submenu = Submenu::new(app, literal(text), true)?;
                let mut noted = Vec::new();
                for note in notes {
                    let note = MenuItem::new(app, literal(note), false, None::<&str>)?;
                    submenu.append(&note)?;
                    noted.push(note);
                }
                for (choice, word) in choices {
                    let item =
                        MenuItem::with_id(app, choice.id(), literal(word), true, None::<&str>)?;
                    submenu.append(&item)?;
                }
                Self::Submenu(submenu, noted)
            }
            Entry::Line => Self::Separator(PredefinedMenuItem::separator(app)?),
        })
    }

    /// Takes the texts and marks of an entry that is like its own.
    fn becomes(&self, entry: &Entry) -> tauri::Result<()> {
        match (self, entry) {
            (Self::Plain(item), Entry::Item { text, enabled, .. }) => {
                item.set_text(literal(text))?;
                item.set_enabled(*enabled)
            }
            (Self::Check(item), Entry::Check { text, on, .. }) => {
                item.set_text(literal(text))?;
                item.set_checked(*on)
            }
            (Self::Submenu(_, items), Entry::Submenu { notes, .. }) => {
                items.iter().zip(notes).try_for_each(|(item, note)| item.set_text(literal(note)))
            }
            _ => Ok(()),
        }
    }

    fn shown(&self) -> &dyn IsMenuItem<Wry> {
        match self {
            Self::Plain(item) => item,
            Self::Check(item) => item,
            Self::Submenu(item, _) => item,
            Self::Separator(item) => item,
        }
    }
}

/// In a menu `&` marks the letter of a key, twice it is one.
fn literal(text: &str) -> String {
    text.replace('&', "&&")
}

/// Whether an icon can be seen now: there is a watcher on the session bus, and a host that draws. Asks with a bounded wait.
#[cfg(target_os = "linux")]
pub async fn is_seen() -> bool {
    match tokio::time::timeout(bus::MAX_WAIT, bus::has_host()).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(error)) => {
            tracing::debug!(%error, "no tray");
            false
        }
        Err(_) => {
            tracing::info!("the tray does not answer");
            false
        }
    }
}

/// These systems always have one.
#[cfg(not(target_os = "linux"))]
pub async fn is_seen() -> bool {
    true
}

/// The tray of the freedesktop world.
#[cfg(target_os = "linux")]
mod bus {
    use std::time::Duration;

    use zbus::{Connection, OwnedVariant, Result};

    /// The user waits for the window to close meanwhile.
    pub const MAX_WAIT: Duration = Duration::from_secs(1);

    const WATCHER: &str = "org.kde.StatusNotifierWatcher";

    pub async fn has_host() -> Result<bool> {
        let bus = Connection::session().await?;
        let (name, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
        // Asked first: to ask the watcher itself would start one.
        let owned = bus.call_method(Some(name), path, Some(name), "NameHasOwner", &WATCHER).await?;
        if !owned.body().deserialize::<bool>()? {
            return Ok(false);
        }
        let property = (WATCHER, "IsStatusNotifierHostRegistered");
        let interface = Some("org.freedesktop.DBus.Properties");
        let path = "/StatusNotifierWatcher";
        let answer = bus.call_method(Some(WATCHER), path, interface, "Get", &property).await?;
        bool::try_from(answer.body().deserialize::<OwnedVariant>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_they_are() {
        assert_eq!(literal("Lin & Mo: R&D_1.zip"), "Lin && Mo: R&&D_1.zip");
    }

    #[test]
    fn the_icons_can_be_read() {
        for bytes in [ICON, ICON_WAITING] {
            let size = Image::from_bytes(bytes).map(|icon| (icon.width(), icon.height()));
            assert_eq!(size.ok(), Some((64, 64)));
        }
    }
}
