//! Notifications of the system, each with a task of its own: nothing else waits for the program that shows them.
//!
//! Closed by the program when what they say is over. Where there is no such program, or no session bus, that is logged once
//! and the window alone tells.

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
            match shown(card, over).await {
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

/// Shows one card until the user has answered, it is closed, or `over` is dropped: `None`.
#[cfg(target_os = "linux")]
async fn shown(
    card: Card,
    mut over: oneshot::Receiver<()>,
) -> Result<Option<Answer>, notify_rust::error::Error> {
    use notify_rust::{Hint, NotificationResponse};
    use tokio::time::timeout;

    let mut notification = notification(&card);
    let renders = tokio::select! {
        renders = timeout(MAX_WAIT, renders_markup()) => renders.unwrap_or(true),
        _ = &mut over => return Ok(None),
    };
    if renders {
        notification.body(&crate::prompts::escaped(&card.text.body));
    }
    // The program's icon and name, as the system has them.
    notification.icon("manyhands").hint(Hint::DesktopEntry("Manyhands".to_owned()));
    notification.action("default", card.open);
    for (key, word) in &card.buttons {
        notification.action(key, word);
    }

    // Whoever shows notifications may be started for this one, and take its time: the card waits, nothing else does.
    let showing = notification.show_async();
    tokio::pin!(showing);
    let handle = tokio::select! {
        shown = &mut showing => shown?,
        _ = &mut over => match timeout(MAX_WAIT, showing).await {
            // Shown too late.
            Ok(shown) => {
                let _ = timeout(MAX_WAIT, shown?.close_async()).await;
                return Ok(None);
            }
            Err(_) => return Ok(None),
        },
    };
    let mut answer = Answer::Closed;
    let answered = handle.wait_for_action_async(|response| {
        answer = match response {
            NotificationResponse::Default => Answer::Opened,
            NotificationResponse::Action(key) => Answer::Pressed(key.clone()),
            NotificationResponse::Reply(_) | NotificationResponse::Closed(_) => Answer::Closed,
        };
    });
    let answered = tokio::select! {
        () = answered => true,
        _ = &mut over => false,
    };
    if !answered || answer != Answer::Closed {
        let _ = timeout(MAX_WAIT, handle.close_async()).await;
    }
    Ok(answered.then_some(answer))
}

/// Whether a body is read as markup, in which case its text has to be escaped.
#[cfg(target_os = "linux")]
async fn renders_markup() -> bool {
    let capabilities = async {
        let name = "org.freedesktop.Notifications";
        let path = "/org/freedesktop/Notifications";
        let bus = zbus::Connection::session().await?;
        let answer = bus.call_method(Some(name), path, Some(name), "GetCapabilities", &()).await?;
        answer.body().deserialize::<Vec<String>>()
    };
    // Who does not say what it can is taken for one that can: a stray `&lt;` is better than a link that somebody else made.
    capabilities.await.map_or(true, |can: Vec<String>| can.iter().any(|word| word == "body-markup"))
}

/// Shows one card. There are no buttons here, and nothing tells what the user does with it.
#[cfg(not(target_os = "linux"))]
async fn shown(
    card: Card,
    _over: oneshot::Receiver<()>,
) -> Result<Option<Answer>, notify_rust::error::Error> {
    let showing = tokio::task::spawn_blocking(move || notification(&card).show().map(|_| ()));
    match tokio::time::timeout(MAX_WAIT, showing).await {
        Ok(Ok(shown)) => shown.map(|()| None),
        // It does not answer, or its library has panicked.
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}
