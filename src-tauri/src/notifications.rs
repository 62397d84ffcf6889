//! Notifications of the system, each with a task of its own: nothing else waits for the program that shows them.
//!
//! Closed by the program when what they say is over. Where there is no such program, or no session bus, that is logged once
//! and the window alone tells.

#[cfg(not(target_os = "linux"))]
#[path = "notifications/elsewhere.rs"]
mod system;
#[cfg(target_os = "linux")]
#[path = "notifications/linux.rs"]
mod system;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify_rust::{Notification, Timeout};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::prompts::Text;

/// The most that a program which shows notifications may take to answer when there is something to close.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// What the user did with a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Clicked on it.
    Opened,
    /// Pressed the button of this key.
    Pressed(String),
    /// Nothing any more: it is closed.
    Closed,
}

/// What is to be shown.
#[derive(Clone, Debug)]
pub struct Card {
    pub text: Text,
    /// What a click on the card itself is called; also shown as a button by some.
    pub open: &'static str,
    /// Keys and words. They exist on Linux only.
    pub buttons: Vec<(&'static str, &'static str)>,
    /// How long it may stay; where not given, the system decides.
    pub stays: Option<Duration>,
}

/// The way to close a notification: dropped, it is closed.
#[derive(Debug)]
pub struct Open {
    _over: oneshot::Sender<()>,
}

/// All notifications of the program.
#[derive(Debug, Default)]
pub struct Notifications {
    tasks: JoinSet<()>,
    failed_before: Arc<AtomicBool>,
}

impl Notifications {
    /// Shows a card. `answered` hears what the user did, unless it is closed by the program first.
    pub fn show(&mut self, card: Card, answered: impl FnOnce(Answer) + Send + 'static) -> Open {
        while self.tasks.try_join_next().is_some() {}
        let (closes, over) = oneshot::channel();
        let failed_before = Arc::clone(&self.failed_before);
        self.tasks.spawn(async move {
            match system::show(card, over).await {
                Ok(Some(answer)) => answered(answer),
                Ok(None) => {}
                Err(error) if failed_before.swap(true, Ordering::Relaxed) => {
                    tracing::debug!(%error, "a notification cannot be shown");
                }
                Err(error) => tracing::warn!(%error, "notifications cannot be shown"),
            }
        });
        Open { _over: closes }
    }

    /// Waits until all whose [`Open`] is gone are closed.
    pub async fn closed(mut self) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(2 * MAX_WAIT, all).await.is_err() {
            tracing::info!("notifications could not be closed in time");
        }
    }
}

fn notification(card: &Card) -> Notification {
    let mut notification = Notification::new();
    notification.appname("Manyhands").summary(&card.text.title).body(&card.text.body);
    if let Some(stays) = card.stays {
        notification.timeout(Timeout::from(stays));
    }
    notification
}
