//! What the user sees of the program outside of its window: the tray icon and the notifications, kept as the engine is.
//!
//! One task looks at the engine when something has changed and owns both. What the user answers there it hands on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use manyhands_engine::view::{Decision, DownloadRow, Filter, PairingRow, Query, RequestRow, View};
use manyhands_engine::{DownloadId, Engine, Failure};
use tauri::{AppHandle, Manager};
use tokio::sync::{Notify, mpsc, watch};

use crate::choices::{self, decide};
use crate::endings::{Endings, Untold, has_ended};
use crate::menu::Face;
use crate::notifications::{Answer, Card, Notifications, Open};
use crate::prompts::{Servers, Text, difference, ended, pairing, request, wants_to_pair};
use crate::tray;
use crate::tray::Tray;
use crate::window::{self, Place, Window};
use crate::words::Language;

/// Looks at the engine are at least so far apart: a menu that changes faster cannot be read.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// Rows of a look; as many as a view has.
const MAX_ROWS: u32 = 200;
/// Finished downloads that a look sees beside all others. More do not come and end between two.
const MAX_NEW: u32 = 50;
/// Answers to notifications that may wait; there are fewer notifications, and a person answers one at a time.
const MAX_ANSWERS: usize = 64;
/// Its presence in the profile says that the user knows what closing the window does.
const TOLD_OF_TRAY: &str = "told-of-tray";

/// The keys of buttons.
const ACCEPT: &str = "accept";
const DECLINE: &str = "decline";

/// The way to speak to the task.
#[derive(Clone, Debug)]
pub struct Outside {
    language: watch::Sender<Language>,
    /// The user has changed a mark in the menu.
    marked: Arc<Notify>,
    ended: watch::Receiver<()>,
}

/// What a notification was about.
#[derive(Clone, Debug)]
enum About {
    Request(String),
    Pairing(String),
    /// The card of this number.
    Ended(u64),
    TheTray,
}

/// What the task owns.
struct Task {
    app: AppHandle,
    engine: Engine,
    data_dir: PathBuf,
    /// Gone while a change of it is under way, and for good where there can be none.
    tray: Option<Tray>,
    face: Option<Face>,
    notifications: Notifications,
    answers: mpsc::Sender<(About, Answer)>,
    /// The requests that were notified. A notification that the user has closed leaves its place: it does not come again.
    requests: BTreeMap<String, Option<Open>>,
    /// Pairings that somebody else has begun, in the same way.
    pairings: BTreeMap<String, Option<Open>>,
    endings: Endings,
    ended: Untold<Open>,
    tray_card: Option<Open>,
}

/// Starts the task and makes the icon.
pub fn start(app: &AppHandle, engine: &Engine, data_dir: &Path) {
    let made = Tray::new(app, &data_dir.join("tray"), choices::chosen, window::show);
    let tray = match made {
        Ok(tray) => {
            app.manage(tray::Made);
            Some(tray)
        }
        Err(error) => {
            tracing::warn!(%error, "there is no tray icon");
            None
        }
    };
    let (running, ended) = watch::channel(());
    let outside = Outside {
        language: watch::Sender::new(Language::of_system()),
        marked: Arc::default(),
        ended,
    };
    app.manage(outside.clone());
    let (answers, answered) = mpsc::channel(MAX_ANSWERS);
    let task = Task {
        app: app.clone(),
        engine: engine.clone(),
        data_dir: data_dir.to_owned(),
        tray,
        face: None,
        notifications: Notifications::default(),
        answers,
        requests: BTreeMap::new(),
        pairings: BTreeMap::new(),
        endings: Endings::default(),
        ended: Untold::default(),
        tray_card: None,
    };
    let place = app.state::<Window>().place();
    tauri::async_runtime::spawn(async move {
        task.run(&outside, place, answered).await;
        drop(running);
    });
}

impl Outside {
    /// The language of the tray and of the notifications from now on.
    pub fn speaks(&self, language: Language) {
        self.language.send_if_modified(|now| std::mem::replace(now, language) != language);
    }

    /// Shows the menu's marks as they are: the system sets them by itself when they are clicked, whatever comes of it.
    pub fn shows_marks_anew(&self) {
        self.marked.notify_one();
    }

    /// Waits until nothing of it is left; begins when the engine ends.
    pub async fn closed(&self) {
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

impl Task {
    async fn run(
        mut self,
        outside: &Outside,
        mut place: watch::Receiver<Place>,
        mut answered: mpsc::Receiver<(About, Answer)>,
    ) {
        let mut changes = self.engine.changes();
        let mut language = outside.language.subscribe();
        let mut anew = true;
        loop {
            let (speaks, at) = (*language.borrow_and_update(), *place.borrow_and_update());
            if self.look(speaks, at, anew).await.is_err() {
                break;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
            anew = false;
            tokio::select! {
                changed = changes.changed() => {
                    if changed.is_err() {
                        break;
                    }
                }
                // Their senders live as long as the program.
                _ = language.changed() => {}
                _ = place.changed() => {}
                () = outside.marked.notified() => anew = true,
                Some((about, answer)) = answered.recv() => self.answer(about, answer).await,
            }
        }
        let Self { notifications, requests, pairings, ended, tray_card, .. } = self;
        drop((requests, pairings, ended, tray_card));
        notifications.closed().await;
    }

    /// Shows what is.
    ///
    /// # Errors
    /// The engine has ended.
    async fn look(&mut self, language: Language, place: Place, anew: bool) -> Result<(), Failure> {
        let view = self.engine.view(query(Filter::Active)).await?;
        let waiting = self.engine.view(query(Filter::Queued)).await?;
        // New downloads are last in the list, also when they are finished by now.
        let first = view.counts.done.saturating_sub(MAX_NEW);
        let done = self.engine.view(Query { first, ..query(Filter::Done) }).await?;
        let rows = [view.rows.as_slice(), &waiting.rows, &done.rows].concat();
        self.show_face(Face::of(&view, language.words()), anew).await;
        self.notify_requests(&view, language);
        self.notify_pairings(&view, language);
        self.notify_ended(&rows, language, place).await?;
        match place {
            Place::Tray => self.tell_of_tray(language).await,
            Place::Front => self.tray_card = None,
            Place::Aside => {}
        }
        Ok(())
    }

    async fn show_face(&mut self, face: Face, anew: bool) {
        if !anew && self.face.as_ref() == Some(&face) {
            return;
        }
        let Some(mut tray) = self.tray.take() else { return };
        self.face = Some(face.clone());
        let shown = tokio::task::spawn_blocking(move || {
            let shown = tray.show(face, anew);
            (tray, shown)
        });
        if let Ok((tray, shown)) = shown.await {
            if let Err(error) = shown {
                tracing::warn!(%error, "the tray icon cannot be changed");
                self.face = None;
            }
            self.tray = Some(tray);
        }
    }

    fn notify_requests(&mut self, view: &View, language: Language) {
        let waiting: Vec<_> = view.together.iter().flat_map(|t| &t.requests).collect();
        let known = self.requests.keys().cloned().collect();
        let difference = difference(&known, &waiting, |row| &row.id);
        for id in difference.over {
            self.requests.remove(&id);
        }
        for row in difference.new {
            let card = request_card(row, language);
            let open = self.show(card, About::Request(row.id.clone()));
            self.requests.insert(row.id.clone(), Some(open));
        }
    }

    /// A pairing ends within a minute: whoever does not look at the window would miss it.
    fn notify_pairings(&mut self, view: &View, language: Language) {
        let pairings = view.together.iter().flat_map(|t| &t.pairings);
        let waiting: Vec<_> = pairings.filter(|row| wants_to_pair(row)).collect();
        let known = self.pairings.keys().cloned().collect();
        let difference = difference(&known, &waiting, |row| &row.id);
        for id in difference.over {
            self.pairings.remove(&id);
        }
        for row in difference.new {
            let open = self.show(pairing_card(row, language), About::Pairing(row.id.clone()));
            self.pairings.insert(row.id.clone(), Some(open));
        }
    }

    /// Tells of downloads that have ended while the user did not look: one notification for all.
    async fn notify_ended(
        &mut self,
        rows: &[DownloadRow],
        language: Language,
        place: Place,
    ) -> Result<(), Failure> {
        let mut news = self.endings.look(rows.iter());
        if place == Place::Front {
            self.ended.clear();
            return Ok(());
        }
        for id in news.gone {
            let row = self.engine.row(DownloadId(id)).await?;
            news.rows.extend(row.filter(has_ended));
        }
        if let Some(number) = self.ended.add(news.rows) {
            let words = language.words();
            let card = Card {
                text: ended(self.ended.rows(), words),
                open: words.show,
                buttons: Vec::new(),
                stays: None,
            };
            let open = self.show(card, About::Ended(number));
            self.ended.told_by(open);
        }
        Ok(())
    }

    /// Says once in the life of a profile where its window has gone.
    async fn tell_of_tray(&mut self, language: Language) {
        let told = self.data_dir.join(TOLD_OF_TRAY);
        if self.tray_card.is_some() || tokio::fs::try_exists(&told).await.unwrap_or(true) {
            return;
        }
        let words = language.words();
        let text = Text { title: words.goes_on.to_owned(), body: words.goes_on_why.to_owned() };
        let card = Card { text, open: words.show, buttons: Vec::new(), stays: None };
        self.tray_card = Some(self.show(card, About::TheTray));
        if let Err(error) = tokio::fs::write(&told, []).await {
            tracing::warn!(%error, "will be said again");
        }
    }

    fn show(&mut self, card: Card, about: About) -> Open {
        let answers = self.answers.clone();
        self.notifications.show(card, move |answer| {
            if answers.try_send((about, answer)).is_err() {
                tracing::warn!("too many answers to notifications at once");
            }
        })
    }

    async fn answer(&mut self, about: About, answer: Answer) {
        match (about, answer) {
            (About::Request(id), answer) => {
                // Closed by hand it is still asked for, in the window and in the menu.
                if let Some(open) = self.requests.get_mut(&id) {
                    *open = None;
                }
                let decided = match answer {
                    Answer::Pressed(key) if key == ACCEPT => {
                        decide(&self.engine, &id, Decision::Help).await
                    }
                    Answer::Pressed(key) if key == DECLINE => {
                        decide(&self.engine, &id, Decision::NotNow).await
                    }
                    Answer::Opened => {
                        window::show_requests(&self.app);
                        Ok(())
                    }
                    Answer::Pressed(_) | Answer::Closed => Ok(()),
                };
                if let Err(failure) = decided {
                    tracing::warn!(why = failure.message, "the request was not answered");
                }
            }
            (About::Pairing(id), answer) => {
                if let Some(open) = self.pairings.get_mut(&id) {
                    *open = None;
                }
                // The page asks by itself.
                if answer == Answer::Opened {
                    window::show(&self.app);
                }
            }
            (About::Ended(number), answer) => {
                self.ended.is_over(number);
                if answer == Answer::Opened {
                    window::show(&self.app);
                }
            }
            (About::TheTray, Answer::Opened) => window::show(&self.app),
            (About::TheTray, _) => {}
        }
    }
}

fn query(filter: Filter) -> Query {
    Query { filter, count: MAX_ROWS, ..Query::default() }
}

fn request_card(row: &RequestRow, language: Language) -> Card {
    let words = language.words();
    let mut buttons = vec![(DECLINE, words.not_now)];
    if Servers::of(&row.origins, words).all_shown {
        buttons.insert(0, (ACCEPT, words.help));
    }
    Card {
        text: request(row, words),
        open: words.show,
        buttons,
        // At least a second: none at all would mean for ever.
        stays: Some(Duration::from_secs(row.expires_in_s.max(1))),
    }
}

/// It has no buttons: the answer is given beside the digits.
fn pairing_card(row: &PairingRow, language: Language) -> Card {
    let words = language.words();
    Card {
        text: pairing(row, words),
        open: words.show,
        buttons: Vec::new(),
        stays: Some(Duration::from_secs(row.expires_in_s.max(1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_rows::request_row;

    #[test]
    fn help_is_offered_by_a_card_that_names_all_servers_and_by_no_other() {
        let keys = |row: &RequestRow| {
            let card = request_card(row, Language::English);
            card.buttons.iter().map(|(key, _)| *key).collect::<Vec<_>>()
        };
        let mut row = request_row("1", "Lin");
        assert_eq!(keys(&row), [ACCEPT, DECLINE]);
        row.origins = (0..11).map(|n| format!("https://{n}.example.org")).collect();
        assert_eq!(keys(&row), [DECLINE]);
    }
}
