//! Listens to a server: the stream of events, or long polls where something on the way holds streams back; and tells what was
//! heard, also while the server is away.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use manyhands_core::{GroupId, PeerId};
use manyhands_identity::GroupKey;
use manyhands_wire::{Bytes32, Changes, MAX_CHANGES, MAX_WAIT_S, RendezvousEvent};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info};

use super::backoff::Backoff;
use super::calls::Rung;
use super::connect::{Connection, Way};
use super::events::{Event, EventReader, MAX_DATA_BYTES};
use super::fault::{Failure, ServerFault};
use super::members::{Heard, Listed};
use super::session::now_s;
use super::{RendezvousWaits, ServerLink, Views};
use crate::discovery::Discovered;

/// After streams did not work they are tried again after this time: the network may be another.
const POLLING: Duration = Duration::from_secs(600);
/// Answers to long polls that come at once with nothing new are not asked for faster than this.
const POLL_PAUSE: Duration = Duration::from_secs(1);
/// The body of [`Changes`] with as many records as it may have.
const MAX_CHANGES_BYTES: usize = MAX_CHANGES * MAX_DATA_BYTES / 4;
/// Checking signatures takes this device's time: so many events in [`PACE`], which is a full group and everybody in it four
/// times, and the others later.
const MAX_EVENTS: u32 = 5000;
const PACE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Listener {
    listed: Listed,
    groups: Vec<GroupId>,
    views: Views,
    hints: mpsc::Sender<Discovered>,
    waits: RendezvousWaits,
    /// Where to go on; empty: from the beginning.
    cursor: String,
    /// Streams do not work until then.
    poll_until: Option<Instant>,
    /// How far the server's clock is ahead, in seconds.
    ahead_s: i64,
    /// The events since.
    pace: (Instant, u32),
    /// Where rings go.
    rung_by: Option<mpsc::Sender<Rung>>,
}

/// Why a stream ends.
enum StreamEnd {
    Failed(Failure),
    /// Nothing comes through, though the server is there.
    HeldBack,
}

impl From<Failure> for StreamEnd {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Listener {
    pub(super) fn new(
        listed: Listed,
        views: Views,
        hints: mpsc::Sender<Discovered>,
        waits: RendezvousWaits,
        rung_by: Option<mpsc::Sender<Rung>>,
    ) -> Self {
        Self {
            listed,
            groups: Vec::new(),
            views,
            hints,
            waits,
            cursor: String::new(),
            poll_until: None,
            ahead_s: 0,
            pace: (Instant::now(), 0),
            rung_by,
        }
    }

    pub(super) fn set_groups(&mut self, keys: &[Arc<GroupKey>]) {
        let groups: Vec<_> = keys.iter().map(|key| key.id()).collect();
        if groups != self.groups {
            // A cursor is of a session's groups.
            self.cursor.clear();
        }
        let begun = self.views.set_groups(&self.groups, &groups);
        self.listed.set_groups(keys);
        self.groups = groups;
        // A group that was given up and is back before anybody has left it: what is known of it is not said again.
        for group in begun {
            for id in self.listed.members(group) {
                self.show(group, id);
            }
        }
    }

    /// Nothing is shown any more; that those who were listed are gone is still to be told.
    pub(super) fn leave_all(&mut self) {
        self.set_groups(&[]);
    }

    /// What there is to tell, to the end of it or of those who listen.
    pub(super) async fn tell_all(&mut self) {
        while self.listed.has_news() {
            let Ok(room) = self.hints.reserve().await else { return };
            if let Some(news) = self.listed.next_news() {
                room.send(news);
            }
        }
    }

    pub(super) fn set_own_addresses(&mut self, addresses: Vec<SocketAddr>) {
        self.listed.set_own_addresses(addresses);
    }

    /// Records are judged by the server's clock, which is as good as this device's within the bound: two members whose clocks
    /// are wrong in opposite directions would pass one another over, though the server takes in both.
    pub(super) fn set_clock(&mut self, ahead_s: i64) {
        self.ahead_s = ahead_s;
    }

    pub(super) fn set_link(&self, link: ServerLink) {
        self.views.set_link(&self.groups, link);
    }

    /// Passes hints on, as fast as they are taken.
    pub(super) async fn tell(&mut self) -> Infallible {
        loop {
            let sweep_at = self.listed.sweep_at();
            let sweep = async {
                match sweep_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                room = self.hints.reserve(), if self.listed.has_news() => match room {
                    Ok(room) => {
                        if let Some(news) = self.listed.next_news() {
                            room.send(news);
                        }
                    }
                    // Nobody wants hints; the views go on.
                    Err(_) => while self.listed.next_news().is_some() {},
                },
                () = sweep => {
                    for (group, id) in self.listed.sweep() {
                        self.show(group, id);
                    }
                }
            }
        }
    }

    /// Until something fails.
    pub(super) async fn listen(
        &mut self,
        way: &Way,
        tokens: &watch::Receiver<Bytes32>,
        mut line: Option<Connection>,
        backoff: &mut Backoff,
    ) -> Failure {
        loop {
            let polling = self.poll_until.is_some_and(|until| Instant::now() < until);
            let ended = if polling {
                self.poll(way, tokens, backoff).await
            } else {
                self.stream(way, tokens, line.take(), backoff).await
            };
            match ended {
                Err(StreamEnd::Failed(failure)) => return failure,
                Err(StreamEnd::HeldBack) => {
                    info!("something on the way holds the stream of events back: long polls");
                    self.poll_until = Some(Instant::now() + POLLING);
                }
                // Polled for long enough.
                Ok(()) => self.poll_until = None,
            }
        }
    }

    async fn stream(
        &mut self,
        way: &Way,
        tokens: &watch::Receiver<Bytes32>,
        line: Option<Connection>,
        backoff: &mut Backoff,
    ) -> Result<(), StreamEnd> {
        let mut line = match line.filter(Connection::is_usable) {
            Some(line) => line,
            None => self.while_telling(way.connect()).await?,
        };
        let path = match self.cursor.as_str() {
            "" => "/v1/events".to_owned(),
            cursor => format!("/v1/events?cursor={}", escaped(cursor)),
        };
        let (token, began) = (*tokens.borrow(), Instant::now());
        let head =
            line.send(Method::GET, &path, Some(&token), None, Duration::ZERO, StatusCode::OK);
        let response = match self.while_telling(head).await {
            Ok(response) => response,
            Err(failure) if failure.fault == ServerFault::NoAnswer => {
                let waited = began.elapsed() >= self.waits.stream.min(self.waits.answer);
                return Err(if waited { StreamEnd::HeldBack } else { failure.into() });
            }
            Err(failure) => return Err(failure.into()),
        };
        let (mut body, mut reader, mut ready) =
            (response.into_body(), EventReader::default(), false);
        let ready_by = Instant::now() + self.waits.stream;
        loop {
            let frame = tokio::select! {
                frame = timeout(self.waits.silence, body.frame()) => frame,
                () = sleep_until(ready_by), if !ready => return Err(StreamEnd::HeldBack),
                never = self.tell() => match never {},
            };
            // Silence, the end, or a connection that broke: lost all the same.
            let Ok(Some(Ok(frame))) = frame else {
                return Err(Failure::of(ServerFault::NoAnswer).into());
            };
            let Ok(bytes) = frame.into_data() else { continue };
            let mut bytes: &[u8] = &bytes;
            loop {
                let event = reader.next(&mut bytes).map_err(|error| {
                    debug!(%error, "a rendezvous server breaks the protocol");
                    Failure::of(ServerFault::NoServer)
                })?;
                let Some(Event { id, data }) = event else { break };
                // What a later version says is passed over, and so is nonsense.
                if let Ok(event) = serde_json::from_str::<RendezvousEvent>(&data) {
                    ready |= self.hear(&event, backoff)?;
                }
                if !id.is_empty() {
                    self.cursor = id;
                }
                self.keep_pace().await;
            }
        }
    }

    async fn poll(
        &mut self,
        way: &Way,
        tokens: &watch::Receiver<Bytes32>,
        backoff: &mut Backoff,
    ) -> Result<(), StreamEnd> {
        let mut line = self.while_telling(way.connect()).await?;
        while self.poll_until.is_some_and(|until| Instant::now() < until) {
            if !line.is_usable() {
                line = self.while_telling(way.connect()).await?;
            }
            let began = Instant::now();
            let token = *tokens.borrow();
            let path = format!("/v1/changes?cursor={}&wait={MAX_WAIT_S}", escaped(&self.cursor));
            let wait = Duration::from_secs(u64::from(MAX_WAIT_S));
            let answer = async {
                let response =
                    line.send(Method::GET, &path, Some(&token), None, wait, StatusCode::OK).await?;
                line.collect(response, MAX_CHANGES_BYTES).await
            };
            let bytes = self.while_telling(answer).await?;
            let changes: Changes =
                serde_json::from_slice(&bytes).map_err(|_| Failure::of(ServerFault::NoServer))?;
            for event in changes.events.iter() {
                self.hear(event, backoff)?;
                self.keep_pace().await;
            }
            self.cursor = changes.cursor.as_str().to_owned();
            backoff.worked();
            self.set_link(ServerLink::Online);
            if changes.events.is_empty() || !changes.more {
                let next = began + POLL_PAUSE;
                tokio::select! {
                    () = sleep_until(next) => {}
                    never = self.tell() => match never {},
                }
            }
        }
        Ok(())
    }

    /// Takes in an event; gives whether the list is complete by it.
    fn hear(&mut self, event: &RendezvousEvent, backoff: &mut Backoff) -> Result<bool, Failure> {
        let now_s = now_s().saturating_add_signed(self.ahead_s);
        match self.listed.hear(event, now_s, Instant::now()) {
            Heard::Nothing => {}
            Heard::Changed(group, id) => self.show(group, id),
            Heard::Ready => {
                backoff.worked();
                self.set_link(ServerLink::Online);
                return Ok(true);
            }
            Heard::Ring(group, id) => {
                let member = self.listed.member(group, id);
                if let (Some(rung_by), Some(member)) = (&self.rung_by, member) {
                    // Who rings while too many others do rings again.
                    let _ = rung_by.try_send((id, member.addresses.clone()));
                }
            }
            Heard::Bye(pause) => {
                return Err(Failure { retry_after: Some(pause), ..Failure::of(ServerFault::Busy) });
            }
        }
        Ok(false)
    }

    fn show(&self, group: GroupId, id: PeerId) {
        self.views.set_member(group, id, self.listed.member(group, id).cloned());
    }

    async fn keep_pace(&mut self) {
        let (since, events) = &mut self.pace;
        *events += 1;
        if since.elapsed() >= PACE {
            self.pace = (Instant::now(), 0);
        } else if *events >= MAX_EVENTS {
            sleep_until(*since + PACE).await;
        }
    }

    async fn while_telling<T>(&mut self, future: impl Future<Output = T>) -> T {
        tokio::select! {
            done = future => done,
            never = self.tell() => match never {},
        }
    }
}

/// For a query.
fn escaped(cursor: &str) -> String {
    url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use manyhands_identity::{DeviceIdentity, GroupSecret, sign_record};
    use manyhands_wire::{
        Blob, Digest, List, MAX_RECORD_TTL_S, PresenceRecord, RECORD_VERSION, RendezvousEvent,
    };

    use super::*;
    use crate::rendezvous::RendezvousState;

    #[tokio::test]
    async fn a_group_that_was_given_up_and_is_back_at_once_shows_who_is_known() {
        let (state, seen) = watch::channel(RendezvousState::default());
        let (views, waits) = (Views(Arc::new(state)), RendezvousWaits::default());
        let listed = Listed::new(PeerId::from_digest([0; 32]), false, waits.relist);
        let hints = mpsc::channel(1).0;
        let mut listener = Listener::new(listed, views.clone(), hints, waits, None);
        let (key, mo) = (
            Arc::new(GroupKey::new(&GroupSecret::generate())),
            DeviceIdentity::generate().unwrap(),
        );
        let record = PresenceRecord {
            v: RECORD_VERSION,
            id: Digest(*mo.id().as_bytes()),
            group: Digest(*key.id().as_bytes()),
            seq: 1,
            issued_at_s: now_s(),
            ttl_s: MAX_RECORD_TTL_S,
            addresses: List::default(),
            features: List::default(),
            name: Blob::new(key.seal(mo.id(), "Mo")).unwrap(),
        };
        let present = RendezvousEvent::Present { record: sign_record(&mo, &record).unwrap() };
        let shown = || {
            let state = seen.borrow();
            let group = state.groups.get(&key.id());
            group.map(|group| group.members.keys().copied().collect::<Vec<_>>())
        };
        listener.set_groups(std::slice::from_ref(&key));
        listener.cursor = "7".to_owned();
        listener.hear(&present, &mut Backoff::default()).unwrap();
        assert_eq!(shown(), Some(vec![mo.id()]));
        // There are too many, and then not, before this server's task has seen either.
        views.set_unused(&[], &[key.id()]);
        views.set_unused(&[key.id()], &[]);
        assert_eq!(shown(), None);
        listener.set_groups(std::slice::from_ref(&key));
        assert_eq!(shown(), Some(vec![mo.id()]));
        assert_eq!(listener.cursor, "7", "nothing was missed");
    }
}
