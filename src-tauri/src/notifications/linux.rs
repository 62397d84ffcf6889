//! `org.freedesktop.Notifications`: sent by notify-rust, heard by it and by ourselves.

use std::num::NonZero;
use std::time::Duration;

use futures_util::StreamExt;
use notify_rust::error::Error;
use notify_rust::{Hint, NotificationHandle, NotificationResponse};
use tokio::sync::oneshot;
use tokio::time::timeout;
use zbus::{Connection, MatchRule, MessageStream, message};

use super::{Answer, Card, MAX_WAIT, notification};
use crate::prompts::escaped;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// Signals that may wait: each card reads them at once.
const MAX_SIGNALS: NonZero<usize> = NonZero::<usize>::MIN.saturating_add(63);
/// A click is told by two signals, that it was one and that the notification is closed, which take different ways.
const BETWEEN_SIGNALS: Duration = Duration::from_millis(200);

/// Shows one card until the user has answered, it is closed, or `over` is dropped: `None`.
pub async fn show(card: Card, mut over: oneshot::Receiver<()>) -> Result<Option<Answer>, Error> {
    let bus = Connection::session().await?;
    let mut signals = signals(&bus).await?;
    let mut notification = notification(&card);
    let renders = tokio::select! {
        renders = timeout(MAX_WAIT, renders_markup(&bus)) => renders.unwrap_or(true),
        _ = &mut over => return Ok(None),
    };
    if renders {
        notification.body(&escaped(&card.text.body));
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
        _ = &mut over => {
            if let Ok(shown) = timeout(MAX_WAIT, showing).await {
                close(&shown?).await;
            }
            return Ok(None);
        }
    };
    let answer = tokio::select! {
        answer = answer(&handle, &mut signals) => Some(answer),
        _ = &mut over => None,
    };
    if answer != Some(Answer::Closed) {
        close(&handle).await;
    }
    Ok(answer)
}

/// What the user does, from whichever connection hears it first. Ours listens since before the notification was sent: an
/// answer can be there before notify-rust listens. Its own hears what is told to the sender alone.
async fn answer(handle: &NotificationHandle, signals: &mut MessageStream) -> Answer {
    let by_handle = async {
        let mut answer = Answer::Closed;
        handle
            .wait_for_action_async(|response| {
                answer = match response {
                    NotificationResponse::Default => Answer::Opened,
                    NotificationResponse::Action(key) => Answer::Pressed(key.clone()),
                    NotificationResponse::Reply(_) | NotificationResponse::Closed(_) => {
                        Answer::Closed
                    }
                };
            })
            .await;
        answer
    };
    tokio::pin!(by_handle);
    let (first, by_us) = tokio::select! {
        answer = &mut by_handle => (answer, false),
        answer = heard(handle.id(), signals) => (answer, true),
    };
    match first {
        Answer::Closed if by_us => {
            timeout(BETWEEN_SIGNALS, by_handle).await.unwrap_or(Answer::Closed)
        }
        Answer::Closed => {
            timeout(BETWEEN_SIGNALS, heard(handle.id(), signals)).await.unwrap_or(Answer::Closed)
        }
        answer => answer,
    }
}

async fn signals(bus: &Connection) -> zbus::Result<MessageStream> {
    let rule = MatchRule::builder().msg_type(message::Type::Signal).interface(NAME).path(PATH);
    MessageStream::for_match_rule(rule.build()?, bus, Some(MAX_SIGNALS)).await
}

/// Waits for what is said about one notification.
async fn heard(id: u32, signals: &mut MessageStream) -> Answer {
    while let Some(Ok(signal)) = signals.next().await {
        let (header, body) = (signal.header(), signal.body());
        match header.member().map(zbus::names::MemberName::as_str) {
            Some("ActionInvoked") => match body.deserialize::<(u32, String)>() {
                Ok((about, key)) if about == id && key == "default" => return Answer::Opened,
                Ok((about, key)) if about == id => return Answer::Pressed(key),
                _ => {}
            },
            Some("NotificationClosed") => match body.deserialize::<(u32, u32)>() {
                Ok((about, _)) if about == id => return Answer::Closed,
                _ => {}
            },
            _ => {}
        }
    }
    // The bus is gone, and the notification with it.
    Answer::Closed
}

async fn close(handle: &NotificationHandle) {
    if timeout(MAX_WAIT, handle.close_async()).await.is_err() {
        tracing::debug!("a notification was not closed in time");
    }
}

/// Whether a body is read as markup, in which case its text has to be escaped.
async fn renders_markup(bus: &Connection) -> bool {
    let answer = bus.call_method(Some(NAME), PATH, Some(NAME), "GetCapabilities", &()).await;
    let can = answer.and_then(|answer| answer.body().deserialize::<Vec<String>>());
    // Who does not say what it can is taken for one that can: a stray `&lt;` is better than a link that somebody else made.
    can.map_or(true, |can| can.iter().any(|word| word == "body-markup"))
}
