//! What the program tells its page by itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use manyhands_engine::Engine;
use serde::Serialize;
use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;
use ts_rs::TS;

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
}

/// The page that listens. The lock guards nothing but which page that is: one that was loaded again replaces it.
#[derive(Default)]
pub struct Page(Mutex<Option<Listening>>);

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
        if let Some(before) = self.lock().replace(Listening { news, task }) {
            before.task.abort();
        }
    }

    /// Tells the page. Whether one listens.
    pub fn hears(&self, news: News) -> bool {
        let channel = self.lock().as_ref().map(|listening| listening.news.clone());
        channel.is_some_and(|channel| channel.send(news).is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Listening>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_the_words_that_the_page_knows() {
        let words = [News::Changed, News::CloseAsked, News::ShowRequests]
            .map(|news| serde_json::to_value(news).unwrap_or_default());
        assert_eq!(words, ["changed", "close_asked", "show_requests"]);
    }

    #[test]
    fn a_page_that_never_listened_hears_nothing() {
        assert!(!Page::default().hears(News::CloseAsked));
    }
}
