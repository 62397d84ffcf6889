//! What the program tells its page by itself.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use manyhands_engine::Engine;
use serde::Serialize;
use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;
use ts_rs::TS;

/// A page that is told of a change asks for a view long before this.
const MAX_SILENCE: Duration = Duration::from_secs(2);

/// One piece of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum News {
    /// Something is different now: ask for a view.
    Changed,
    /// The window is to be closed and nothing would be left to bring it back: ask the user, then `quit` or nothing.
    CloseAsked,
    /// The user wants to see the help requests.
    ShowRequests,
    /// The program was opened with a link: take it, and ask what is to become of it.
    LinkBrought,
}

/// The page that listens. The lock guards nothing but which page that is, and whether it shows life: one that was loaded again
/// replaces it.
#[derive(Default)]
pub struct Page(Mutex<State>);

#[derive(Default)]
struct State {
    listening: Option<Listening>,
    /// When it was told first that the window is to be closed, and has asked for nothing since.
    silent_since: Option<Instant>,
}

struct Listening {
    news: Channel<News>,
    /// Tells of changes.
    task: JoinHandle<()>,
}

impl Page {
    /// From now on `news` is told, and whoever listened before no more.
    pub fn listens(&self, engine: &Engine, news: Channel<News>) {
        let mut changes = engine.changes();
        let channel = news.clone();
        let task = tauri::async_runtime::spawn(async move {
            while changes.changed().await.is_ok() {
                if channel.send(News::Changed).is_err() {
                    return;
                }
            }
        });
        let mut state = self.lock();
        state.silent_since = None;
        if let Some(before) = state.listening.replace(Listening { news, task }) {
            before.task.abort();
        }
    }

    /// Tells the page. Whether one listens.
    pub fn hears(&self, news: News) -> bool {
        let channel = self.lock().listening.as_ref().map(|listening| listening.news.clone());
        channel.is_some_and(|channel| channel.send(news).is_ok())
    }

    /// The page has asked for something: it is not dead.
    pub fn lives(&self) {
        self.lock().silent_since = None;
    }

    /// Has the page ask the user whether the program is to end. Whether one can be expected to: not when it was told so
    /// before and has shown no life since, however well the news go out. Nobody could close such a window.
    pub fn asks_to_close(&self, now: Instant) -> bool {
        let since = *self.lock().silent_since.get_or_insert(now);
        // It asks for a view when something has changed, and so shows that it lives.
        now.saturating_duration_since(since) < MAX_SILENCE
            && self.hears(News::CloseAsked)
            && self.hears(News::Changed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_the_words_that_the_page_knows() {
        let words = [News::Changed, News::CloseAsked, News::ShowRequests, News::LinkBrought]
            .map(|news| serde_json::to_value(news).unwrap_or_default());
        assert_eq!(words, ["changed", "close_asked", "show_requests", "link_brought"]);
    }

    #[test]
    fn a_page_that_never_listened_hears_nothing() {
        assert!(!Page::default().hears(News::CloseAsked));
    }

    /// A page, and what it hears. No engine tells it of changes.
    fn page() -> (Page, std::sync::mpsc::Receiver<String>) {
        let (heard, hears) = std::sync::mpsc::channel();
        let news = Channel::new(move |said| {
            let said: String = said.deserialize()?;
            let _ = heard.send(said);
            Ok(())
        });
        let task = tauri::async_runtime::spawn(async {});
        let listening = Some(Listening { news, task });
        (Page(Mutex::new(State { listening, silent_since: None })), hears)
    }

    #[test]
    fn a_page_that_shows_no_life_after_it_was_to_ask_cannot_keep_the_window_open() {
        let (page, hears) = page();
        let start = Instant::now();
        assert!(page.asks_to_close(start));
        assert_eq!(hears.try_iter().collect::<Vec<_>>(), ["close_asked", "changed"]);
        // A key that is pressed twice gives nobody time to answer.
        assert!(page.asks_to_close(start + MAX_SILENCE / 2));
        assert!(!page.asks_to_close(start + MAX_SILENCE));
        assert!(!page.asks_to_close(start + 2 * MAX_SILENCE));
    }

    #[test]
    fn a_page_that_lives_asks_each_time() {
        let (page, _hears) = page();
        let start = Instant::now();
        for n in 0..5 {
            assert!(page.asks_to_close(start + n * MAX_SILENCE));
            page.lives();
        }
    }
}
