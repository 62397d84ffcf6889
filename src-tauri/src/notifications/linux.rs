//! `org.freedesktop.Notifications`: sent by notify-rust, heard by it and by ourselves.
//!
//! A notification is a number that whoever showed it gave. The same program alone can say what became of it: another one that
//! takes its place counts anew, and everybody else on the bus can send the same words.

use std::num::NonZero;
use std::time::Duration;

use futures_util::StreamExt;
use notify_rust::error::Error;
use notify_rust::{Hint, NotificationHandle, NotificationResponse};
use tokio::sync::oneshot;
use tokio::time::timeout;
use zbus::{Connection, MatchRule, Message, MessageStream, message};

use super::{Answer, Card, MAX_WAIT, notification};
use crate::prompts::escaped;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// The bus itself: its name, its interface, and its place.
const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
/// Signals that may wait: each card reads them at once.
const MAX_SIGNALS: NonZero<usize> = NonZero::<usize>::MIN.saturating_add(63);
/// A click is told by two signals, that it was one and that the notification is closed, which take different ways.
const BETWEEN_SIGNALS: Duration = Duration::from_millis(200);

/// Shows one card until the user has answered, it is closed, or `over` is dropped: `None`.
pub async fn show(card: Card, mut over: oneshot::Receiver<()>) -> Result<Option<Answer>, Error> {
    let bus = Connection::session().await?;
    let mut heard = Heard::listen(&bus).await?;
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
        answer = answer(&bus, &handle, &mut heard) => Some(answer),
        _ = &mut over => None,
    };
    if answer != Some(Answer::Closed) {
        close(&handle).await;
    }
    Ok(answer)
}

/// What the user does, from whichever connection hears it first. Ours listens since before the notification was sent: an
/// answer can be there before notify-rust listens. Its own hears what is told to the sender alone; it does not see who tells, so
/// both end when the program that shows notifications is another one.
async fn answer(bus: &Connection, handle: &NotificationHandle, heard: &mut Heard) -> Answer {
    let Ok(Some(by)) = timeout(MAX_WAIT, owner(bus)).await else { return Answer::Closed };
    let shown = Shown { id: handle.id(), by };
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
        // A program that went away is seen before what another one says under the same number.
        biased;
        answer = heard.about(&shown) => (answer, true),
        answer = &mut by_handle => (answer, false),
    };
    match first {
        Answer::Closed if by_us && !heard.owner_changed => {
            timeout(BETWEEN_SIGNALS, by_handle).await.unwrap_or(Answer::Closed)
        }
        Answer::Closed if !by_us => {
            timeout(BETWEEN_SIGNALS, heard.about(&shown)).await.unwrap_or(Answer::Closed)
        }
        answer => answer,
    }
}

/// What is said on the bus.
struct Heard {
    of_cards: MessageStream,
    of_owners: MessageStream,
    owner_changed: bool,
}

impl Heard {
    async fn listen(bus: &Connection) -> zbus::Result<Self> {
        let of_cards = MatchRule::builder().interface(NAME).path(PATH);
        let of_owners = MatchRule::builder().sender(BUS).interface(BUS).member("NameOwnerChanged");
        Ok(Self {
            of_cards: signals(bus, of_cards).await?,
            of_owners: signals(bus, of_owners.arg(0, NAME)).await?,
            owner_changed: false,
        })
    }

    /// Waits for what is said about one notification.
    async fn about(&mut self, shown: &Shown) -> Answer {
        loop {
            let (signal, of_owner) = tokio::select! {
                // What was answered before the program went away counts.
                biased;
                signal = self.of_cards.next() => (signal, false),
                signal = self.of_owners.next() => (signal, true),
            };
            // Without the bus the notification is gone too.
            let Some(Ok(signal)) = signal else { return Answer::Closed };
            if let Some(answer) = shown.told_by(&signal) {
                self.owner_changed = of_owner;
                return answer;
            }
        }
    }
}

async fn signals(
    bus: &Connection,
    rule: zbus::match_rule::Builder<'_>,
) -> zbus::Result<MessageStream> {
    let rule = rule.msg_type(message::Type::Signal).build()?;
    MessageStream::for_match_rule(rule, bus, Some(MAX_SIGNALS)).await
}

/// The program that shows notifications now, by its name on the bus.
async fn owner(bus: &Connection) -> Option<String> {
    let asked = bus.call_method(Some(BUS), BUS_PATH, Some(BUS), "GetNameOwner", &NAME).await;
    asked.ok()?.body().deserialize().ok()
}

/// What is on the screen.
#[derive(Debug)]
struct Shown {
    id: u32,
    /// Who shows it.
    by: String,
}

impl Shown {
    /// What a signal says about it.
    fn told_by(&self, signal: &Message) -> Option<Answer> {
        let (header, body) = (signal.header(), signal.body());
        let sender = header.sender()?.as_str();
        let member = header.member()?.as_str();
        let by = self.by.as_str();
        match (header.interface()?.as_str(), member) {
            (NAME, "ActionInvoked") if sender == by => {
                let (id, key) = body.deserialize::<(u32, String)>().ok()?;
                let answer = if key == "default" { Answer::Opened } else { Answer::Pressed(key) };
                (id == self.id).then_some(answer)
            }
            (NAME, "NotificationClosed") if sender == by => {
                let (id, _why) = body.deserialize::<(u32, u32)>().ok()?;
                (id == self.id).then_some(Answer::Closed)
            }
            (BUS, "NameOwnerChanged") if sender == BUS => {
                let (name, before, _after) = body.deserialize::<(String, String, String)>().ok()?;
                (name == NAME && before == by).then_some(Answer::Closed)
            }
            _ => None,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWER: &str = ":1.5";

    fn check<B>(sender: &str, interface: &str, member: &str, body: &B, told: Option<&Answer>)
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let shown = Shown { id: 3, by: SHOWER.to_owned() };
        let signal = Message::signal(PATH, interface, member).sender(sender).build(body).unwrap();
        assert_eq!(shown.told_by(&signal).as_ref(), told, "{sender} {member}");
    }

    #[test]
    fn only_who_shows_a_card_can_say_what_became_of_it() {
        let pressed = Answer::Pressed("accept".to_owned());
        check(SHOWER, NAME, "ActionInvoked", &(3_u32, "accept"), Some(&pressed));
        check(SHOWER, NAME, "ActionInvoked", &(3_u32, "default"), Some(&Answer::Opened));
        check(SHOWER, NAME, "NotificationClosed", &(3_u32, 2_u32), Some(&Answer::Closed));
        // Another card, another program on the bus, or the one that has taken its place.
        check(SHOWER, NAME, "ActionInvoked", &(4_u32, "accept"), None);
        check(":1.6", NAME, "ActionInvoked", &(3_u32, "accept"), None);
        check(":1.6", NAME, "NotificationClosed", &(3_u32, 2_u32), None);
        check(SHOWER, NAME, "ActionInvoked", &"accept", None);
    }

    #[test]
    fn a_card_is_closed_when_who_shows_it_is_gone() {
        let member = "NameOwnerChanged";
        check(BUS, BUS, member, &(NAME, SHOWER, ""), Some(&Answer::Closed));
        check(BUS, BUS, member, &(NAME, SHOWER, ":1.9"), Some(&Answer::Closed));
        check(BUS, BUS, member, &(NAME, "", ":1.9"), None);
        check(BUS, BUS, member, &("org.example.Else", SHOWER, ""), None);
        check(":1.6", BUS, member, &(NAME, SHOWER, ""), None);
    }
}
