//! A client of a rendezvous server: as the program's own, without what it would do with what it learns.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use manyhands_core::PeerId;
use manyhands_identity::{DeviceIdentity, Dialer, Expect, GroupKey, GroupSecret, sign_record};
use manyhands_wire::{
    Blob, Bytes32, Challenge, Changes, DEFAULT_PORT, Digest, GroupProof, List, MAX_GROUPS,
    MAX_RECORD_TTL_S, PresenceRecord, Publication, Published, RECORD_VERSION, RendezvousEvent,
    Session, SessionRequest, Text, group_statement, session_statement,
};
use rustls::pki_types::ServerName;
use sha2::Digest as _;
use tokio::sync::watch;

use crate::connection::{Answered, Connection, Refused, Route};
use crate::figures::Figures;

/// A feature of visitors, by which those who watch know them.
pub const VISITOR: &str = "load-visitor";
/// A new session is opened when so much of the time of the last one is over.
const SESSION_SHARE: f64 = 0.8;
/// A long poll's answers are asked for at most so often, one after another.
const MAX_PAGES: usize = 16;

/// Which server, and which groups.
pub struct Server {
    address: SocketAddr,
    id: Digest,
    groups: Vec<Arc<GroupKey>>,
}

/// One device.
pub struct Client {
    server: Digest,
    identity: DeviceIdentity,
    groups: Vec<Arc<GroupKey>>,
    connection: Connection,
    token: watch::Sender<Option<Bytes32>>,
    /// When the session is to be replaced by a new one.
    renew_at: Instant,
    last_seq: u64,
    number: u32,
    moves: u32,
    visitor: bool,
}

impl Server {
    pub fn new(address: SocketAddr, id: Digest, groups: u32, seed: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(groups > 0, "there must be a group");
        let secret = |number: u32| {
            let hash: [u8; 32] = sha2::Sha256::digest(format!("{seed} {number}")).into();
            let mut secret = [0; GroupSecret::LEN];
            secret.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
            Arc::new(GroupKey::new(&GroupSecret::from_bytes(secret)))
        };
        Ok(Self { address, id, groups: (0..groups).map(secret).collect() })
    }

    /// Which group a client is in.
    pub fn group_of(&self, number: u32) -> u32 {
        number.checked_rem(u32::try_from(self.groups.len()).unwrap_or(u32::MAX)).unwrap_or(0)
    }

    pub fn client(&self, number: u32, figures: &Arc<Figures>) -> anyhow::Result<Client> {
        let own = self.groups.get(self.group_of(number) as usize).cloned();
        self.client_of(number, own.into_iter().collect(), figures)
    }

    /// A device in the first `count` groups, or in as many as a device can be in.
    pub fn busy_client(
        &self,
        number: u32,
        count: usize,
        figures: &Arc<Figures>,
    ) -> anyhow::Result<Client> {
        let groups = self.groups.iter().take(count.min(MAX_GROUPS)).cloned().collect();
        self.client_of(number, groups, figures)
    }

    fn client_of(
        &self,
        number: u32,
        groups: Vec<Arc<GroupKey>>,
        figures: &Arc<Figures>,
    ) -> anyhow::Result<Client> {
        let identity = DeviceIdentity::generate()?;
        // The dialer has a certificate, too: this server does not ask for it.
        let expect = Expect::Device(PeerId::from_digest(self.id.0));
        let tls = Dialer::new(&identity).config(expect).context("TLS")?;
        // The key says who it is.
        let name = ServerName::from(self.address.ip());
        let route = Route::new(self.address, name, tls, figures.clone());
        Ok(Client {
            server: self.id,
            identity,
            groups,
            connection: Connection::new(route),
            token: watch::Sender::default(),
            renew_at: Instant::now(),
            last_seq: 0,
            number,
            moves: 0,
            visitor: false,
        })
    }
}

impl Client {
    /// From now on its announcements bear the mark by which watchers measure.
    pub fn be_visitor(&mut self) {
        self.visitor = true;
    }

    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub fn route(&self) -> &Route {
        self.connection.route()
    }

    /// The token of a valid session, opened when there is none or the last one nears its end.
    pub async fn token(&mut self) -> Result<Option<Bytes32>, Refused> {
        if self.token.borrow().is_none() || Instant::now() >= self.renew_at {
            self.open_session().await?;
        }
        Ok(*self.token.borrow())
    }

    /// The token, now and whenever there is another.
    pub fn tokens(&self) -> watch::Receiver<Option<Bytes32>> {
        self.token.subscribe()
    }

    async fn open_session(&mut self) -> Result<(), Refused> {
        let answer = self.send("POST", "/v1/challenges", None::<&()>, None).await?;
        let Challenge { nonce, .. } = read(&answer)?;
        let client_nonce = Bytes32(rand::random());
        let keys: Vec<_> = self.groups.iter().map(|group| group.public_key()).collect();
        let keys = keys.iter().map(<[u8; 32]>::as_slice);
        let statement = session_statement(&self.server, &nonce, &client_nonce, keys);
        let me = Digest(*self.identity.id().as_bytes());
        let statement_of_group = group_statement(&self.server, &nonce, &me);
        let proof = |group: &Arc<GroupKey>| {
            Ok(GroupProof {
                key: blob(group.public_key())?,
                signature: blob(group.prove(&statement_of_group))?,
            })
        };
        let proofs: Result<Vec<_>, Refused> = self.groups.iter().map(proof).collect();
        let request = SessionRequest {
            key: blob(self.identity.public_key())?,
            nonce,
            client_nonce,
            signature: blob(self.identity.sign(&statement).map_err(own)?)?,
            groups: List::new(proofs?).map_err(own)?,
        };
        let answer = self.send("POST", "/v1/sessions", Some(&request), None).await?;
        let session: Session = read(&answer)?;
        let lasts = Duration::from_secs(session.expires_in_s.into()).mul_f64(SESSION_SHARE);
        self.renew_at = Instant::now() + lasts;
        self.token.send_replace(Some(session.token));
        Ok(())
    }

    /// Says that this device is there; when to say it again.
    pub async fn announce(&mut self, elsewhere: bool) -> Result<Duration, Refused> {
        let token = self.token().await?;
        self.moves += u32::from(elsewhere);
        let mut records = Vec::new();
        for group in self.groups.clone() {
            let record = self.record(&group)?;
            records.push(sign_record(&self.identity, &record).map_err(own)?);
        }
        let publication = Publication { records: List::new(records).map_err(own)? };
        let answer = self.send("PUT", "/v1/presence", Some(&publication), token).await?;
        let Published { next_after_ms } = read(&answer)?;
        Ok(Duration::from_millis(next_after_ms))
    }

    fn record(&mut self, group: &GroupKey) -> Result<PresenceRecord, Refused> {
        let now_ms = now_ms();
        self.last_seq = now_ms.max(self.last_seq + 1);
        let [a, b, c, d] = self.number.wrapping_add(self.moves << 20).to_be_bytes();
        let here = Ipv4Addr::new(10, a ^ b, c, d);
        let addresses = vec![SocketAddr::from((here, DEFAULT_PORT))];
        let features = if self.visitor { vec![VISITOR] } else { vec!["fetch", "relay"] };
        let features: Result<Vec<_>, _> = features.into_iter().map(Text::new).collect();
        let name = group.seal(self.identity.id(), &format!("device {}", self.number));
        Ok(PresenceRecord {
            v: RECORD_VERSION,
            id: Digest(*self.identity.id().as_bytes()),
            group: Digest(*group.id().as_bytes()),
            seq: self.last_seq,
            issued_at_s: now_ms / 1000,
            ttl_s: MAX_RECORD_TTL_S,
            addresses: List::new(addresses).map_err(own)?,
            features: List::new(features.map_err(own)?).map_err(own)?,
            name: blob(name)?,
        })
    }

    /// Asks who is there: how many are.
    pub async fn look_up(&mut self) -> Result<usize, Refused> {
        let token = self.token().await?;
        let (mut path, mut found) = ("/v1/changes?wait=0".to_owned(), 0);
        for _ in 0..MAX_PAGES {
            let answer = self.send("GET", &path, None::<&()>, token).await?;
            let Changes { cursor, events, more } = read(&answer)?;
            let present =
                |event: &&RendezvousEvent| matches!(event, RendezvousEvent::Present { .. });
            found += events.iter().filter(present).count();
            if !more {
                return Ok(found);
            }
            path = format!("/v1/changes?cursor={}&wait=0", cursor.as_str());
        }
        Err("a list without an end".to_owned().into())
    }

    /// Is no longer there.
    pub async fn leave(&mut self) -> Result<(), Refused> {
        let token = self.token().await?;
        self.send("DELETE", "/v1/presence", None::<&()>, token).await.map(|_| ())
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&impl serde::Serialize>,
        token: Option<Bytes32>,
    ) -> Result<Answered, Refused> {
        let mut request: http::request::Builder = self.connection.route().request(method, path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let bytes = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Bytes::from(serde_json::to_vec(body).map_err(own)?)
            }
            None => Bytes::new(),
        };
        let request: Request<_> = request.body(Full::new(bytes)).map_err(own)?;
        let answer = self.connection.ask(request).await?;
        if answer.status == http::StatusCode::UNAUTHORIZED {
            self.token.send_replace(None);
        }
        let what = path.split('?').next().unwrap_or_default();
        answer.good().map_err(|refused| Refused {
            why: format!("{method} {what}: {}", refused.why),
            ..refused
        })
    }
}

/// Milliseconds since 1970: the clock that all processes of the crowd share.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn read<T: serde::de::DeserializeOwned>(answer: &Answered) -> Result<T, Refused> {
    serde_json::from_slice(&answer.body).map_err(|error| format!("nonsense: {error}").into())
}

fn blob<const MAX: usize>(bytes: impl Into<Vec<u8>>) -> Result<Blob<MAX>, Refused> {
    Blob::new(bytes).map_err(own)
}

/// A failure on this side.
fn own(error: impl std::fmt::Display) -> Refused {
    error.to_string().into()
}
