//! What is said to a server: who this device is, of which groups it is a member, where it can be reached.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, StatusCode};
use manyhands_core::{GroupId, PeerId};
use manyhands_identity::{DeviceIdentity, GroupKey, device_of_key, sign_record, verify};
use manyhands_wire::{
    Blob, Bytes32, Challenge, DeviceName, Digest, Feature, GroupProof, List, MAX_CLOCK_SKEW_S,
    MAX_KEY_BYTES, MAX_RECORD_TTL_S, PROTOCOL_VERSION, PresenceRecord, Publication, Published,
    RECORD_VERSION, Ring, ServerHello, Session, SessionRequest, Text, group_statement,
    server_statement, session_statement,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use super::connect::{Connection, MAX_MESSAGE_BYTES, Way};
use super::fault::{Failure, ServerFault};

/// A session is replaced when less than this, or a third of it, is left.
const RENEW_BEFORE: Duration = Duration::from_secs(120);
/// A server that wants to hear of us more often is not obeyed, nor one that waits until the record has expired.
const PUBLISH_PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(90));
/// A connection that was idle for longer is not used again. Servers keep one for as long (`idle_s`), and this one is held until the
/// next heartbeat anyway: to use it for that, the longest pause but the very longest included, saves a handshake each time.
const IDLE: Duration = Duration::from_secs(75);
/// After so long the server, or something on the way, may have given it up without a word.
const FRESH: Duration = Duration::from_secs(5);
/// Without an answer for so long on such a connection a new one is made: packets that were lost are sent again meanwhile.
const OLD_LINE: Duration = Duration::from_millis(2500);

/// An open session.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) token: Bytes32,
    pub(super) renew_at: Instant,
    began_at: Instant,
    ends_at: Instant,
    /// How far the server's clock is ahead of this device's, in seconds: no more than [`MAX_CLOCK_SKEW_S`] either way.
    pub(super) ahead_s: i64,
    /// From where the server sees this device.
    pub(super) observed: Option<IpAddr>,
}

/// This device, in its groups at one server.
#[derive(Debug)]
pub(super) struct Speaker {
    identity: Arc<DeviceIdentity>,
    name: DeviceName,
    features: Vec<Feature>,
    server: PeerId,
    keys: Vec<Arc<GroupKey>>,
    /// The name, sealed for each group once: sealed anew it would look like another.
    sealed: BTreeMap<GroupId, Blob<{ manyhands_wire::MAX_SEALED_NAME_BYTES }>>,
    last_seq: u64,
    /// The server's public key, which hashes to its id.
    server_key: Option<Blob<MAX_KEY_BYTES>>,
    line: Option<(Connection, Instant)>,
}

impl Open {
    /// Whether there is still some use in it.
    pub(super) fn lasts(&self) -> bool {
        Instant::now() + Duration::from_secs(30) < self.ends_at
    }

    pub(super) fn age(&self) -> Duration {
        self.began_at.elapsed()
    }
}

impl Speaker {
    pub(super) fn new(
        identity: Arc<DeviceIdentity>,
        name: DeviceName,
        features: Vec<Feature>,
        server: PeerId,
    ) -> Self {
        Self {
            identity,
            name,
            features,
            server,
            keys: Vec::new(),
            sealed: BTreeMap::new(),
            last_seq: 0,
            server_key: None,
            line: None,
        }
    }

    pub(super) fn set_groups(&mut self, keys: Vec<Arc<GroupKey>>) {
        let id = self.identity.id();
        for key in &keys {
            if self.sealed.contains_key(&key.id()) {
                continue;
            }
            // Without its name a record is nobody's: it is not published then.
            let sealed = key.seal(id, self.name.as_str());
            if let Some(sealed) = Blob::new(sealed).ok().filter(|sealed| *sealed != Blob::default())
            {
                self.sealed.insert(key.id(), sealed);
            }
        }
        self.sealed.retain(|group, _| keys.iter().any(|key| key.id() == *group));
        self.keys = keys;
    }

    pub(super) fn groups(&self) -> Vec<GroupId> {
        self.keys.iter().map(|key| key.id()).collect()
    }

    /// The connection of the last request, for something else.
    pub(super) fn take_line(&mut self) -> Option<Connection> {
        self.line.take().filter(|(_, used)| used.elapsed() < IDLE).map(|(line, _)| line)
    }

    /// What was connected from where this device was leads nowhere, and nobody says so.
    pub(super) fn drop_line(&mut self) {
        self.line = None;
    }

    /// Opens a session: the server proves its key, this device its own and that it is a member.
    pub(super) async fn open(&mut self, way: &Way) -> Result<Open, Failure> {
        let server_key = match &self.server_key {
            Some(key) => key.clone(),
            None => {
                let path = (Method::GET, "/v1/server");
                let hello = self.call::<(), _>(way, path, None, None, StatusCode::OK).await?;
                let hello = check_hello(hello)?;
                if hello.id.0 != *self.server.as_bytes() {
                    return Err(Failure::of(ServerFault::OtherKey));
                }
                self.server_key.insert(hello.key).clone()
            }
        };
        let path = (Method::POST, "/v1/challenges");
        let challenge = self.call::<(), Challenge>(way, path, None, None, StatusCode::OK).await?;
        let server = Digest(*self.server.as_bytes());
        let device = Digest(*self.identity.id().as_bytes());
        let client_nonce = Bytes32(rand::random());
        let request = self.request(&server, &device, challenge.nonce, client_nonce)?;
        let path = (Method::POST, "/v1/sessions");
        let session: Session =
            self.call(way, path, None, Some(&request), StatusCode::CREATED).await?;
        // Before this nothing has been told that somebody else could use.
        let statement = server_statement(&server, &device, &client_nonce);
        let proved = verify(server_key.as_bytes(), &statement, session.signature.as_bytes());
        if proved != Ok(self.server) {
            return Err(Failure::of(ServerFault::OtherKey));
        }
        let now_s = now_s();
        if session.now_s.abs_diff(now_s) > u64::from(MAX_CLOCK_SKEW_S) {
            return Err(Failure::of(ServerFault::Clock));
        }
        let ahead_s = session.now_s.wrapping_sub(now_s).cast_signed();
        let lasts = Duration::from_secs(u64::from(session.expires_in_s));
        let now = Instant::now();
        Ok(Open {
            token: session.token,
            renew_at: now + renew_after(lasts, way.waits().session, rand::random()),
            began_at: now,
            ends_at: now + lasts,
            ahead_s,
            observed: session.observed.as_str().parse::<IpAddr>().ok().map(|ip| ip.to_canonical()),
        })
    }

    fn request(
        &self,
        server: &Digest,
        device: &Digest,
        nonce: Bytes32,
        client_nonce: Bytes32,
    ) -> Result<SessionRequest, Failure> {
        let refused = |_| Failure::of(ServerFault::Refused);
        let public: Vec<_> = self.keys.iter().map(|key| key.public_key()).collect();
        let groups = public.iter().map(<[u8; 32]>::as_slice);
        let statement = session_statement(server, &nonce, &client_nonce, groups);
        let signature =
            self.identity.sign(&statement).map_err(|_| Failure::of(ServerFault::Refused))?;
        let statement = group_statement(server, &nonce, device);
        let proof = |key: &Arc<GroupKey>| {
            Ok(GroupProof {
                key: Blob::new(key.public_key())?,
                signature: Blob::new(key.prove(&statement))?,
            })
        };
        let proofs = self.keys.iter().map(proof).collect::<Result<_, _>>().map_err(refused)?;
        Ok(SessionRequest {
            key: Blob::new(self.identity.public_key()).map_err(refused)?,
            nonce,
            client_nonce,
            signature: Blob::new(signature).map_err(refused)?,
            groups: List::new(proofs).map_err(refused)?,
        })
    }

    /// Says where this device is; gives when to say it again.
    pub(super) async fn publish(
        &mut self,
        way: &Way,
        open: &Open,
        addresses: &[SocketAddr],
    ) -> Result<Duration, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let publication = self.publication(addresses)?;
            let path = (Method::PUT, "/v1/presence");
            let published: Result<Published, _> =
                self.call(way, path, Some(&open.token), Some(&publication), StatusCode::OK).await;
            match published {
                Ok(Published { next_after_ms }) => {
                    let (least, most) = PUBLISH_PAUSES;
                    return Ok(Duration::from_millis(next_after_ms).clamp(least, most));
                }
                Err(failure) => match failure.last_seq {
                    // The number of a record that a server took in, made by a clock that was wrong by the bound, when this
                    // one is wrong the other way; beyond, the server lies.
                    // The clock was set back, or another program with this device's key is ahead: right behind it and no
                    // further, as whoever has seen this number takes nothing below it, also after a restart.
                    Some(last)
                        if tries < 2 && last <= now_ms() + 2000 * u64::from(MAX_CLOCK_SKEW_S) =>
                    {
                        self.last_seq = self.last_seq.max(last);
                    }
                    _ => return Err(failure),
                },
            }
        }
    }

    fn publication(&mut self, addresses: &[SocketAddr]) -> Result<Publication, Failure> {
        let refused = |_| Failure::of(ServerFault::Refused);
        self.last_seq = now_ms().max(self.last_seq + 1);
        let id = Digest(*self.identity.id().as_bytes());
        let features = self.features.iter().map(|feature| Text::cut(feature.as_str()));
        let features = List::new(features.collect()).map_err(refused)?;
        let mut records = Vec::new();
        for key in &self.keys {
            let record = PresenceRecord {
                v: RECORD_VERSION,
                id,
                group: Digest(*key.id().as_bytes()),
                seq: self.last_seq,
                issued_at_s: now_s(),
                ttl_s: MAX_RECORD_TTL_S,
                addresses: List::new(addresses.to_vec()).map_err(refused)?,
                features: features.clone(),
                name: self
                    .sealed
                    .get(&key.id())
                    .cloned()
                    .ok_or(Failure::of(ServerFault::Refused))?,
            };
            let signed = sign_record(&self.identity, &record);
            records.push(signed.map_err(|_| Failure::of(ServerFault::Refused))?);
        }
        Ok(Publication { records: List::new(records).map_err(refused)? })
    }

    pub(super) async fn ring(
        &mut self,
        way: &Way,
        open: &Open,
        group: GroupId,
        to: PeerId,
    ) -> Result<(), Failure> {
        let ring = Ring { group: Digest(*group.as_bytes()), to: Digest(*to.as_bytes()) };
        let body = json(&ring)?;
        let post = (Method::POST, "/v1/rings");
        self.ask(way, post, Some(&open.token), Some(body), StatusCode::ACCEPTED).await.map(drop)
    }

    /// Leaves a group, or all of the session.
    pub(super) async fn leave(
        &mut self,
        way: &Way,
        open: &Open,
        group: Option<GroupId>,
    ) -> Result<(), Failure> {
        let path = group.map_or_else(
            || "/v1/presence".to_owned(),
            |group| format!("/v1/presence?group={group}"),
        );
        let delete = (Method::DELETE, path.as_str());
        // Half of the time that leaving has, however fresh the connection: there is no later time to say it.
        let patience = Some(way.waits().farewell / 2);
        let asked =
            self.ask_within(way, delete, Some(&open.token), None, StatusCode::NO_CONTENT, patience);
        asked.await.map(drop)
    }

    /// One message there, one back.
    async fn call<Q: Serialize, A: DeserializeOwned>(
        &mut self,
        way: &Way,
        path: (Method, &str),
        token: Option<&Bytes32>,
        message: Option<&Q>,
        expected: StatusCode,
    ) -> Result<A, Failure> {
        let body = message.map(json).transpose()?;
        let bytes = self.ask(way, path, token, body, expected).await?;
        serde_json::from_slice(&bytes).map_err(|_| Failure::of(ServerFault::NoServer))
    }

    async fn ask(
        &mut self,
        way: &Way,
        path: (Method, &str),
        token: Option<&Bytes32>,
        body: Option<Vec<u8>>,
        expected: StatusCode,
    ) -> Result<Bytes, Failure> {
        let idle = self.line.as_ref().map(|(_, used)| used.elapsed()).unwrap_or_default();
        let patience = (idle >= FRESH).then_some(OLD_LINE);
        self.ask_within(way, path, token, body, expected, patience).await
    }

    /// On the connection of the last request, or on a new one: also, after this patience, when that of the last turns out to be
    /// dead; `None`: it is not taken to be. Whatever is said here may be said twice.
    async fn ask_within(
        &mut self,
        way: &Way,
        (method, path): (Method, &str),
        token: Option<&Bytes32>,
        body: Option<Vec<u8>>,
        expected: StatusCode,
        patience: Option<Duration>,
    ) -> Result<Bytes, Failure> {
        let (mut line, mut patience) = match self.take_line().filter(Connection::is_usable) {
            Some(line) => (line, patience),
            None => (way.connect().await?, None),
        };
        loop {
            let (method, body) = (method.clone(), body.clone());
            let first_try = patience.take();
            let asked = async {
                let sent = line.send(method, path, token, body, Duration::ZERO, expected);
                let patience = first_try.unwrap_or(Duration::MAX);
                let silent = |_| Err(Failure::of(ServerFault::NoAnswer));
                let answer = timeout(patience, sent).await.unwrap_or_else(silent)?;
                let read = line.collect(answer, MAX_MESSAGE_BYTES).await;
                read.map_err(|failure| Failure { answered: true, ..failure })
            };
            match asked.await {
                Err(failure) if failure.fault == ServerFault::NoAnswer => {
                    if first_try.is_none() || failure.answered {
                        return Err(failure);
                    }
                    line = way.connect().await?;
                }
                done => {
                    self.line = Some((line, Instant::now()));
                    return done;
                }
            }
        }
    }
}

fn json<Q: Serialize>(message: &Q) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(message).map_err(|_| Failure::of(ServerFault::Refused))
}

/// When a session that `lasts` so long is replaced; `random` is in 0..1. Everybody has come back at the same moment once.
fn renew_after(lasts: Duration, least: Duration, random: f64) -> Duration {
    let latest = lasts.saturating_sub(RENEW_BEFORE.min(lasts / 3)).max(least);
    latest.mul_f64(0.8 + 0.2 * random)
}

/// Who answers, if it is a rendezvous server whose protocol this device speaks.
pub(super) async fn server_hello(line: &mut Connection) -> Result<ServerHello, Failure> {
    let path = (Method::GET, "/v1/server");
    check_hello(line.call::<(), _>(path, None, None, StatusCode::OK).await?)
}

fn check_hello(hello: ServerHello) -> Result<ServerHello, Failure> {
    let versions = hello.protocol.min..=hello.protocol.max;
    let itself = device_of_key(hello.key.as_bytes()).as_bytes() == &hello.id.0;
    if !versions.contains(&PROTOCOL_VERSION) || !itself {
        return Err(Failure::of(ServerFault::NoServer));
    }
    Ok(hello)
}

/// Seconds since 1970.
pub(super) fn now_s() -> u64 {
    now_ms() / 1000
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_that_began_together_are_renewed_apart() {
        let lasts = Duration::from_secs(600);
        let least = Duration::from_secs(30);
        let after = |random| renew_after(lasts, least, random).as_secs_f64().round();
        assert_eq!((after(0.0), after(0.5), after(1.0)), (384.0, 432.0, 480.0));
    }
}
