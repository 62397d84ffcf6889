//! `org.freedesktop.Notifications`.
//!
//! A notification is a number that whoever showed it gave. The same program alone can say what became of it: another one that
//! takes its place counts anew, and everybody else on the bus can send the same words.

use std::collections::BTreeMap;
use std::num::NonZero;

use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time::timeout;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, Message, MessageStream, Result, Variant, message};

use super::{Answer, Card, MAX_WAIT};
use crate::prompts::escaped;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// The bus itself: its name, and its interface.
const BUS: &str = "org.freedesktop.DBus";
/// Signals that may wait: each card reads them at once.
const MAX_SIGNALS: NonZero<usize> = NonZero::<usize>::MIN.saturating_add(63);

/// What is on the screen.
#[derive(Debug)]
struct Shown {
    id: u32,
    /// Who shows it.
    by: OwnedUniqueName,
}

/// Shows one card until the user has answered, it is closed, or `over` is dropped: `None`.
pub async fn show(card: Card, mut over: oneshot::Receiver<()>) -> Result<Option<Answer>> {
    let bus = Connection::session().await?;
    // Before anything is shown: an answer may come at once. What is told to this connection alone is heard too.
    let of_cards = MatchRule::builder().interface(NAME).path(PATH);
    let mut of_cards = signals(&bus, of_cards).await?;
    let of_owners = MatchRule::builder().sender(BUS).interface(BUS).member("NameOwnerChanged");
    let mut of_owners = signals(&bus, of_owners.arg(0, NAME)).await?;
    let markup = tokio::select! {
        renders = timeout(MAX_WAIT, renders_markup(&bus)) => renders.unwrap_or(true),
        _ = &mut over => return Ok(None),
    };

    // Whoever shows notifications may be started for this one, and take its time: the card waits, nothing else does.
    let showing = notify(&bus, &card, markup);
    tokio::pin!(showing);
    let shown = tokio::select! {
        shown = &mut showing => shown?,
        _ = &mut over => {
            if let Ok(shown) = timeout(MAX_WAIT, showing).await {
                close(&bus, &shown?).await;
            }
            return Ok(None);
        }
    };
    let answer = tokio::select! {
        answer = answer(&shown, &mut of_cards, &mut of_owners) => Some(answer),
        _ = &mut over => None,
    };
    if answer != Some(Answer::Closed) {
        close(&bus, &shown).await;
    }
    Ok(answer)
}

async fn signals(bus: &Connection, rule: zbus::match_rule::Builder<'_>) -> Result<MessageStream> {
    let rule = rule.msg_type(message::Type::Signal).build()?;
    MessageStream::for_match_rule(rule, bus, Some(MAX_SIGNALS)).await
}

async fn notify(bus: &Connection, card: &Card, markup: bool) -> Result<Shown> {
    let body = if markup { escaped(&card.text.body) } else { card.text.body.clone() };
    let mut actions = vec!["default", card.open];
    actions.extend(card.buttons.iter().flat_map(|(key, word)| [*key, *word]));
    // The program's icon and name, as the system has them.
    let hints = BTreeMap::from([("desktop-entry", Variant::from("Manyhands"))]);
    // -1: the system decides.
    let stays = card.stays.map_or(-1, |stays| i32::try_from(stays.as_millis()).unwrap_or(i32::MAX));
    let replaces = 0_u32;
    let title = card.text.title.as_str();
    let card = ("Manyhands", replaces, "manyhands", title, body, actions, hints, stays);
    let answer = bus.call_method(Some(NAME), PATH, Some(NAME), "Notify", &card).await?;
    let by = answer.header().sender().map(|by| by.to_owned().into());
    let by = by.ok_or_else(|| zbus::Error::Failure("nobody shows it".to_owned()))?;
    Ok(Shown { id: answer.body().deserialize()?, by })
}

/// What the user does.
async fn answer(
    shown: &Shown,
    of_cards: &mut MessageStream,
    of_owners: &mut MessageStream,
) -> Answer {
    loop {
        let signal = tokio::select! {
            // What was answered before the program went away counts.
            biased;
            signal = of_cards.next() => signal,
            signal = of_owners.next() => signal,
        };
        // Without the bus the notification is gone too.
        let Some(Ok(signal)) = signal else { return Answer::Closed };
        if let Some(answer) = shown.told_by(&signal) {
            return answer;
        }
    }
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

async fn close(bus: &Connection, shown: &Shown) {
    // Of whoever shows it: another program has another notification of this number.
    let by = Some(shown.by.as_str());
    let closing = bus.call_method(by, PATH, Some(NAME), "CloseNotification", &shown.id);
    if timeout(MAX_WAIT, closing).await.is_err() {
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
        let shown = Shown { id: 3, by: OwnedUniqueName::try_from(SHOWER).unwrap() };
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
