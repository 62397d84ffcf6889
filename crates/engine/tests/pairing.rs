//! Two whole instances on loopback whose users compare six digits; and somebody else in the place of a friend.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::LONG;
use manyhands_engine::view::{PairingRow, PairingState, PeerRow};
use manyhands_engine::{Config, Engine, FailureCode, NetworkConfig};

/// One person's computer: its profile, and the engine while it runs.
struct Person {
    name: &'static str,
    profile: tempfile::TempDir,
    listen: SocketAddr,
    engine: Option<Engine>,
}

impl Person {
    async fn new(name: &'static str) -> Self {
        Self::at(name, "127.0.0.1:0".parse().unwrap()).await
    }

    async fn at(name: &'static str, listen: SocketAddr) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut person = Self { name, profile, listen, engine: None };
        person.start().await;
        person
    }

    /// Where it listened before, it listens again.
    async fn start(&mut self) {
        let network = NetworkConfig {
            name: Some(self.name.into()),
            listen: Some(self.listen),
            no_mdns: true,
            ..NetworkConfig::default()
        };
        let data_dir = self.profile.path().to_owned();
        let config = Config { data_dir, network: Some(network), or_alone: false };
        let engine = Engine::open(config).await.unwrap();
        self.listen = engine.device().unwrap().listens[0];
        self.engine = Some(engine);
    }

    async fn stop(&mut self) {
        self.engine.take().unwrap().shutdown().await;
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn id(&self) -> String {
        self.engine().device().unwrap().id.to_string()
    }

    fn address(&self) -> String {
        self.listen.to_string()
    }

    /// Waits until what this person sees is as wanted.
    async fn until<T>(&self, what: &str, look: impl AsyncFn(&Engine) -> Option<T>) -> T {
        let mut changes = self.engine().changes();
        let waiting = async {
            loop {
                if let Some(seen) = look(self.engine()).await {
                    return seen;
                }
                changes.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(LONG, waiting).await {
            Ok(seen) => seen,
            Err(_) => panic!(
                "{}: never {what}: {:?} {:?}",
                self.name,
                self.engine().pairings().await,
                self.engine().peers().await
            ),
        }
    }

    /// The newest pairing, once it is in this state.
    async fn pairing(&self, state: PairingState) -> PairingRow {
        self.until(&format!("{state:?}"), async |engine| {
            engine.pairings().await.unwrap().pop().filter(|row| row.state == state)
        })
        .await
    }

    async fn row(&self, peer: &str) -> Option<PeerRow> {
        self.engine().peers().await.unwrap().into_iter().find(|row| row.peer == peer)
    }

    /// The peer's row, once it is as wanted.
    async fn row_that(&self, peer: &str, what: &str, wanted: impl Fn(&PeerRow) -> bool) -> PeerRow {
        self.until(what, async |_| self.row(peer).await.filter(&wanted)).await
    }

    async fn is_friend(&self, peer: &str) -> bool {
        self.row(peer).await.is_some_and(|row| row.friend || row.paired)
    }

    async fn says(&self, row: &PairingRow, same: bool) -> bool {
        self.engine().answer_pairing(&row.id, same).await.unwrap()
    }
}

/// Lin begins; both see a code.
async fn compare(lin: &Person, mo: &Person) -> (PairingRow, PairingRow) {
    let id = lin.engine().pair(&mo.address()).await.unwrap();
    let hers = lin.pairing(PairingState::Compare).await;
    let his = mo.pairing(PairingState::Compare).await;
    assert_eq!(hers.id, id);
    assert_eq!(hers.code, his.code);
    assert_eq!(hers.code.as_ref().unwrap().len(), 6);
    (hers, his)
}

async fn pair(lin: &Person, mo: &Person) {
    let (hers, his) = compare(lin, mo).await;
    assert!(lin.says(&hers, true).await && mo.says(&his, true).await);
    lin.pairing(PairingState::Paired).await;
    mo.pairing(PairingState::Paired).await;
}

#[tokio::test]
async fn two_who_see_the_same_are_friends_for_sure_also_after_both_have_restarted() {
    let (mut lin, mut mo) = (Person::new("Lin").await, Person::new("Mo").await);
    let (lins, mos) = (lin.id(), mo.id());
    let (hers, his) = compare(&lin, &mo).await;
    assert_eq!(
        (hers.name.as_str(), hers.peer.as_str(), hers.incoming),
        ("Mo", mos.as_str(), false)
    );
    assert_eq!((his.name.as_str(), his.peer.as_str(), his.incoming), ("Lin", lins.as_str(), true));
    assert!((1..=60).contains(&his.expires_in_s), "{his:?}");
    // Whoever begins once more is led to what is under way.
    assert_eq!(mo.engine().pair(&lin.address()).await.unwrap(), his.id);

    assert!(mo.says(&his, true).await);
    mo.pairing(PairingState::WaitingForOther).await;
    assert!(!lin.is_friend(&mos).await && !mo.is_friend(&lins).await, "one yes is not enough");
    assert!(lin.says(&hers, true).await);
    lin.pairing(PairingState::Paired).await;
    mo.pairing(PairingState::Paired).await;
    for (person, other) in [(&lin, &mos), (&mo, &lins)] {
        let paired = |row: &PeerRow| row.online && row.friend && row.paired && !row.other_key;
        person.row_that(other, "a paired friend who is online", paired).await;
    }

    lin.stop().await;
    mo.stop().await;
    lin.start().await;
    let paired = lin.row(&mos).await.unwrap();
    assert!(paired.paired && paired.friend && !paired.online, "{paired:?}");
    assert_eq!(paired.name, "Mo");
    mo.start().await;
    mo.row_that(&lins, "Lin, found again", |row| row.online && row.paired).await;
}

#[tokio::test]
async fn one_no_and_nothing_has_changed() {
    for lin_says_no in [true, false] {
        let (lin, mo) = (Person::new("Lin").await, Person::new("Mo").await);
        let (hers, his) = compare(&lin, &mo).await;
        if lin_says_no {
            assert!(mo.says(&his, true).await && lin.says(&hers, false).await);
        } else {
            assert!(lin.says(&hers, true).await && mo.says(&his, false).await);
        }
        lin.pairing(PairingState::Refused).await;
        mo.pairing(PairingState::Refused).await;
        assert!(!lin.is_friend(&mo.id()).await && !mo.is_friend(&lin.id()).await);
        assert!(!lin.says(&hers, true).await && !mo.says(&his, true).await, "too late");
        assert!(!lin.says(&PairingRow { id: "7".into(), ..his }, true).await, "no such pairing");
    }
}

#[tokio::test]
async fn nobody_answers_and_nothing_has_changed() {
    let (lin, mo) = (Person::new("Lin").await, Person::new("Mo").await);
    let (hers, _) = compare(&lin, &mo).await;
    assert!(lin.says(&hers, true).await);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(66)).await;
    tokio::time::resume();
    lin.pairing(PairingState::Expired).await;
    mo.pairing(PairingState::Expired).await;
    assert!(!lin.is_friend(&mo.id()).await && !mo.is_friend(&lin.id()).await);
}

#[tokio::test]
async fn a_friend_from_before_becomes_a_paired_one() {
    let (mut lin, mo) = (Person::new("Lin").await, Person::new("Mo").await);
    pair(&lin, &mo).await;
    let mos = mo.id();
    // Once more is no harm, and finds him by the beginning of his id, also where he is a friend who was not met yet.
    lin.stop().await;
    lin.start().await;
    assert!(lin.engine().pair(&mos[..7]).await.is_err(), "too short");
    lin.engine().pair(&mos[..8].to_uppercase()).await.unwrap();
    let hers = lin.pairing(PairingState::Compare).await;
    let his = mo.pairing(PairingState::Compare).await;
    assert!(lin.says(&hers, true).await && mo.says(&his, true).await);
    lin.pairing(PairingState::Paired).await;
    assert!(lin.row(&mos).await.unwrap().paired);
}

#[tokio::test]
async fn a_changed_key_is_an_error_that_says_so_and_never_paired_silently() {
    let (mut lin, mut mo) = (Person::new("Lin").await, Person::new("Mo").await);
    pair(&lin, &mo).await;
    let (mos, place) = (mo.id(), mo.listen);
    mo.stop().await;
    lin.stop().await;
    // Somebody else in his place, under his name.
    let mut eve = Person::at("Mo", place).await;
    let eves = eve.id();
    lin.start().await;
    let row = lin.row_that(&mos, "another key is noticed", |row| row.other_key).await;
    assert!(row.friend && row.paired && !row.online, "{row:?}");

    for who in [place.to_string(), mos.clone()] {
        let failure = lin.engine().pair(&who).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::OtherKey, "{failure:?}");
        for said in
            ["Mo", "key has changed", "another device has its address", "removing Mo", &eves[..8]]
        {
            assert!(failure.message.contains(said), "{said}: {failure:?}");
        }
        let told = ["found", "expected"].map(|part| failure.parts[part].as_str());
        assert_eq!(told, [&eves[..8], &mos[..8]]);
    }
    assert!(lin.engine().pairings().await.unwrap().is_empty());
    assert!(eve.engine().pairings().await.unwrap().is_empty(), "Eve has heard nothing");
    assert!(!lin.is_friend(&eves).await, "the same name is nobody's proof");

    eve.stop().await;
    mo.start().await;
    lin.row_that(&mos, "Mo is back", |row| row.online && row.paired && !row.other_key).await;
    // A stranger of the same name elsewhere is simply another device.
    let other = Person::new("Mo").await;
    lin.engine().pair(&other.address()).await.unwrap();
    let row = lin.row_that(&other.id(), "a stranger", |row| row.online).await;
    assert!(!row.friend && !row.paired && !row.other_key, "{row:?}");
}

#[tokio::test]
async fn whom_nobody_can_mean_is_said() {
    let lin = Person::new("Lin").await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let no_such_device = "a".repeat(52);
    for (who, code) in [
        (nobody.to_string().as_str(), FailureCode::PeerNotFound),
        ("http://example.org/", FailureCode::PeerNotFound),
        ("", FailureCode::PeerNotFound),
        (&no_such_device, FailureCode::PeerNotFound),
        (&lin.address(), FailureCode::PairingRefused),
    ] {
        let failure = lin.engine().pair(who).await.unwrap_err();
        assert_eq!(failure.code, code, "{who}: {failure:?}");
    }
    assert!(lin.engine().pairings().await.unwrap().is_empty());
    let alone = common::World::new(manyhands_faultserver::Behaviour::default()).await;
    assert!(alone.engine().pair(&lin.address()).await.is_err(), "without a network");
    assert!(!alone.engine().answer_pairing("7", true).await.unwrap());
}
