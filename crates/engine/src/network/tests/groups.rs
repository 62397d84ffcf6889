//! Instances on this machine that find one another by a rendezvous server alone.

use std::path::Path;

use manyhands_rendezvous::{Config as ServerConfig, Server};

use super::*;
use crate::Meeting;
use crate::view::{Found, GroupRow, GroupState, Lookout, PeerRow, Reach, ServerTrouble};

/// A rendezvous server, and whoever meets there.
struct Campus {
    root: tempfile::TempDir,
    server: Option<Server>,
    url: String,
}

struct Member {
    engine: Engine,
    dir: PathBuf,
}

impl Campus {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let server = serve(root.path(), "127.0.0.1:0").await;
        let url = format!("https://{}", server.local_addr());
        Self { root, server: Some(server), url }
    }

    async fn member(&self, name: &str) -> Member {
        let off = LendingChange { on: Some(false), ..LendingChange::default() };
        self.member_with(name, off, true).await
    }

    async fn member_with(&self, name: &str, lending: LendingChange, no_mdns: bool) -> Member {
        let dir = self.root.path().join(name);
        let mut config = config(dir.clone(), lending);
        let network = config.network.as_mut().unwrap();
        (network.name, network.no_mdns) = (Some(name.to_owned()), no_mdns);
        Member { engine: Engine::open(config).await.unwrap(), dir }
    }

    /// Two in one group, each of whom sees the other.
    async fn met(&self) -> (Member, Member) {
        let (ana, mo) = (self.member("ana").await, self.member("mo").await);
        mo.join(&ana.found(&self.url).await).await;
        (ana, mo).see_each_other().await
    }

    async fn end_server(&mut self) {
        self.server.take().unwrap().shutdown().await;
    }

    /// The same server at the same address, which knows nobody.
    async fn begin_server(&mut self) {
        let address = self.url.strip_prefix("https://").unwrap();
        self.server = Some(serve(self.root.path(), address).await);
    }
}

async fn serve(root: &Path, listen: &str) -> Server {
    let config = ServerConfig {
        listen: listen.parse().unwrap(),
        data_dir: Some(root.join("server")),
        ..ServerConfig::default()
    };
    Server::start(config).await.unwrap()
}

trait SeeEachOther {
    async fn see_each_other(self) -> Self;
}

impl SeeEachOther for (Member, Member) {
    async fn see_each_other(self) -> Self {
        self.0.reaches(&self.1).await;
        self.1.reaches(&self.0).await;
        self
    }
}

impl Member {
    fn id(&self) -> String {
        self.engine.device().unwrap().id.to_string()
    }

    /// Makes a group; gives the invite.
    async fn found(&self, url: &str) -> String {
        let server = self.engine.look_at_server(url).await.unwrap();
        let id = self.engine.create_group(&server, "Dorm 7").await.unwrap();
        self.engine.invite(id.parse().unwrap()).await.unwrap().link
    }

    async fn join(&self, invite: &str) -> String {
        self.engine.join_group(invite).await.unwrap()
    }

    /// Waits until what it shows of finding others is as wanted.
    async fn until(&self, what: &str, wanted: impl Fn(&Lookout, &[PeerRow]) -> bool) -> Lookout {
        let mut changes = self.engine.changes();
        let waiting = async {
            loop {
                let lookout = self.engine.lookout().await.unwrap();
                if wanted(&lookout, &self.engine.peers().await.unwrap()) {
                    return lookout;
                }
                changes.changed().await.unwrap();
            }
        };
        let Ok(lookout) = tokio::time::timeout(LONG, waiting).await else {
            panic!(
                "not {what}: {:#?} {:#?}",
                self.engine.lookout().await,
                self.engine.peers().await
            )
        };
        lookout
    }

    async fn group(&self, what: &str, wanted: impl Fn(&GroupRow) -> bool) -> GroupRow {
        let lookout = self.until(what, |lookout, _| lookout.groups.first().is_some_and(&wanted));
        lookout.await.groups.remove(0)
    }

    async fn reaches(&self, other: &Self) {
        let other = other.id();
        self.until("met", |lookout, peers| {
            let listed = lookout.groups.iter().flat_map(|group| &group.members);
            let mut listed = listed.filter(|row| row.peer == other);
            listed.any(|row| matches!(row.reach, Reach::Reached { .. }))
                && peers.iter().any(|row| row.peer == other && row.reached.is_some())
        })
        .await;
    }

    async fn is_online(&self, other: &Self) -> bool {
        let peers = self.engine.peers().await.unwrap();
        peers.iter().any(|row| row.peer == other.id() && row.online)
    }
}

#[tokio::test]
async fn members_find_each_other_by_the_server_alone_and_again_after_a_restart() {
    let campus = Campus::new().await;
    let (ana, mo) = campus.met().await;
    let rows = ana.engine.peers().await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].name.as_str(), rows[0].friend), ("mo", false));
    assert_eq!(rows[0].found, [Found::Group { name: "Dorm 7".to_owned() }]);
    let group = ana.engine.lookout().await.unwrap().groups.remove(0);
    assert_eq!((group.name.as_str(), &group.state), ("Dorm 7", &GroupState::Online));
    assert_eq!(group.server, campus.url);
    assert_eq!(group.server_id, campus.server.as_ref().unwrap().id().to_string());
    assert_eq!(group.members[0].name, "mo");
    // A view has the members where it asks for them, and how many they are in any case.
    for members in [true, false] {
        let query = Query { members, ..Query::default() };
        let together = ana.engine.view(query).await.unwrap().together.unwrap();
        let group = &together.groups[0];
        assert_eq!((group.listed, group.reached), (1, 1));
        assert_eq!(group.members.len(), usize::from(members));
    }
    // Joined for good, and joining again is nothing new.
    let invite = ana.engine.invite(group.group.parse().unwrap()).await.unwrap().link;
    assert_eq!(mo.join(&invite).await, group.group);
    assert_eq!(mo.engine.lookout().await.unwrap().groups.len(), 1);
    let dir = mo.dir.clone();
    mo.engine.shutdown().await;
    ana.group("alone", |group| group.members.is_empty()).await;
    let mo = campus.member("mo").await;
    assert_eq!(mo.dir, dir);
    (ana, mo).see_each_other().await;
}

#[tokio::test]
async fn a_stranger_of_the_same_group_helps_end_to_end() {
    let campus = Campus::new().await;
    let file = FaultServer::start(slow());
    let helper = campus.member_with("helper", lends(AcceptRule::All), true).await;
    let ana = campus.member("ana").await;
    ana.join(&helper.found(&campus.url).await).await;
    ana.reaches(&helper).await;
    let new = NewDownload {
        url: file.url("/file.bin"),
        dir: Some(ana.dir.join("files")),
        connections: Some(1),
        ask: Some(AskFor { who: Ask::Everyone, wait_s: 60, mode: None, unverified: Some(true) }),
        ..NewDownload::default()
    };
    let id = ana.engine.add(&new).await.unwrap();
    let requester = Requester {
        world: &World {
            server: file,
            root: tempfile::tempdir().unwrap(),
            helper: helper.engine.clone(),
        },
        engine: ana.engine.clone(),
        dir: ana.dir.clone(),
    };
    let brought = |row: &DownloadRow| {
        row.sources
            .iter()
            .any(|source| source.kind == crate::view::SourceKind::Helper && source.bytes > 0)
    };
    requester.until(id, brought).await;
    requester.completes(id).await;
}

#[tokio::test]
async fn a_member_who_cannot_be_called_is_rung_and_helps_on_the_connections_that_it_makes() {
    let campus = Campus::new().await;
    let file = FaultServer::start(slow());
    // It says that it is at 127.0.0.1, as the server sees it, and listens elsewhere: nobody can call it.
    let dir = campus.root.path().join("helper");
    let mut config = config(dir.clone(), lends(AcceptRule::All));
    config.network.as_mut().unwrap().listen = Some("127.0.0.2:0".parse().unwrap());
    let helper = Member { engine: Engine::open(config).await.unwrap(), dir };
    let ana = campus.member("ana").await;
    ana.join(&helper.found(&campus.url).await).await;
    let unreachable = |group: &GroupRow| {
        matches!(group.members.first().map(|row| &row.reach), Some(Reach::No { .. }))
    };
    let group = ana.group("listed without a way", unreachable).await;
    let Reach::No { why } = group.members[0].reach else { panic!("{group:?}") };
    assert_eq!(why, crate::view::NoWay::Refused);
    let rows = ana.engine.peers().await.unwrap();
    assert_eq!(
        (rows[0].no_way, rows[0].online, rows[0].reached.as_ref()),
        (Some(why), false, None)
    );
    // A download would ask it.
    let new = NewDownload {
        url: file.url("/file.bin"),
        dir: Some(ana.dir.join("files")),
        connections: Some(1),
        ask: Some(AskFor { who: Ask::Everyone, wait_s: 60, mode: None, unverified: Some(true) }),
        ..NewDownload::default()
    };
    let id = ana.engine.add(&new).await.unwrap();
    let helping = |row: &DownloadRow| {
        row.sources
            .iter()
            .any(|source| source.kind == crate::view::SourceKind::Helper && source.bytes > 0)
    };
    let root = tempfile::tempdir().unwrap();
    let world = World { server: file, root, helper: helper.engine.clone() };
    let (engine, dir) = (ana.engine.clone(), ana.dir.clone());
    let requester = Requester { world: &world, engine, dir };
    requester.until(id, helping).await;
    ana.group("reached", |group| matches!(group.members[0].reach, Reach::Called)).await;
    let rows = ana.engine.peers().await.unwrap();
    assert!(rows[0].online && rows[0].called && rows[0].reached.is_none(), "{rows:?}");
    requester.completes(id).await;
}

#[tokio::test]
async fn who_leaves_is_gone_for_the_others() {
    let campus = Campus::new().await;
    let (ana, mo) = campus.met().await;
    let group = mo.engine.lookout().await.unwrap().groups.remove(0).group;
    assert!(mo.engine.leave_group(group.parse().unwrap()).await.unwrap());
    assert!(!mo.engine.leave_group(group.parse().unwrap()).await.unwrap());
    assert!(mo.engine.lookout().await.unwrap().groups.is_empty());
    let row = ana.group("alone", |group| group.members.is_empty()).await;
    assert_eq!(row.state, GroupState::Online);
    let nobody = |_: &Lookout, peers: &[PeerRow]| peers.iter().all(|row| row.found.is_empty());
    ana.until("forgotten", nobody).await;
}

#[tokio::test]
async fn a_group_with_a_new_secret_has_nobody_in_it_who_was_not_invited_again() {
    let campus = Campus::new().await;
    let (ana, mo) = campus.met().await;
    let old = ana.engine.lookout().await.unwrap().groups.remove(0).group;
    let new = ana.engine.rotate_group(old.parse().unwrap()).await.unwrap();
    assert_ne!(new, old);
    mo.group("alone", |group| group.members.is_empty()).await;
    let row = ana.group("online", |group| group.state == GroupState::Online).await;
    assert_eq!((row.group.as_str(), row.name.as_str(), row.members.len()), (&*new, "Dorm 7", 0));
    mo.join(&ana.engine.invite(new.parse().unwrap()).await.unwrap().link).await;
    (ana, mo).see_each_other().await;
}

#[tokio::test]
async fn without_servers_none_hears_of_this_device_and_with_them_it_is_back() {
    let campus = Campus::new().await;
    let (ana, mo) = campus.met().await;
    mo.engine.set_meeting(Meeting::LanOnly).await.unwrap();
    let off = mo.engine.lookout().await.unwrap();
    assert_eq!((off.meeting, &off.groups[0].state), (Meeting::LanOnly, &GroupState::Off));
    assert!(off.groups[0].members.is_empty());
    ana.group("alone", |group| group.members.is_empty()).await;
    // It is kept: after a start, too, no server hears of it.
    mo.engine.shutdown().await;
    let mo = campus.member("mo").await;
    assert_eq!(mo.engine.lookout().await.unwrap().groups[0].state, GroupState::Off);
    mo.engine.set_meeting(Meeting::ServerOnly).await.unwrap();
    (ana, mo).see_each_other().await;
}

#[tokio::test]
async fn the_search_on_the_local_network_is_switched_while_it_runs() {
    let campus = Campus::new().await;
    let off = LendingChange { on: Some(false), ..LendingChange::default() };
    let (ana, mo) =
        (campus.member_with("ana", off, false).await, campus.member_with("mo", off, false).await);
    let (ana_id, mo_id) = (ana.id(), mo.id());
    let by_lan = |id: &str, peers: &[PeerRow]| {
        peers.iter().any(|row| row.peer == id && row.found.contains(&Found::Lan))
    };
    ana.until("found", |_, peers| by_lan(&mo_id, peers)).await;
    mo.until("found", |_, peers| by_lan(&ana_id, peers)).await;
    mo.engine.set_meeting(Meeting::ServerOnly).await.unwrap();
    assert!(!mo.engine.lookout().await.unwrap().multicast);
    ana.until("gone", |_, peers| !by_lan(&mo_id, peers)).await;
    mo.until("gone", |_, peers| !by_lan(&ana_id, peers)).await;
    mo.engine.set_meeting(Meeting::Automatic).await.unwrap();
    ana.until("found again", |_, peers| by_lan(&mo_id, peers)).await;
    mo.until("found again", |_, peers| by_lan(&ana_id, peers)).await;
}

#[tokio::test]
async fn while_the_server_is_away_it_is_said_and_who_was_known_stays() {
    let mut campus = Campus::new().await;
    let (ana, mo) = campus.met().await;
    campus.end_server().await;
    let in_trouble = |group: &GroupRow| {
        matches!(group.state, GroupState::Trouble { why: ServerTrouble::NoAnswer, .. })
    };
    let row = ana.group("in trouble", in_trouble).await;
    assert_eq!(row.members.len(), 1, "{row:?}");
    assert!(ana.is_online(&mo).await);
    campus.begin_server().await;
    let online = |group: &GroupRow| group.state == GroupState::Online && group.members.len() == 1;
    ana.group("back", online).await;
    mo.group("back", online).await;
    assert!(ana.is_online(&mo).await);
}

#[tokio::test]
async fn a_server_with_another_key_is_told_nothing_and_named() {
    let campus = Campus::new().await;
    let (ana, mo) = (campus.member("ana").await, campus.member("mo").await);
    let invite = ana.found(&campus.url).await;
    let mut forged: crate::Invite = invite.parse().unwrap();
    forged.server.id.0[0] ^= 1;
    mo.join(&forged.to_string()).await;
    let other = |group: &GroupRow| {
        matches!(group.state, GroupState::Trouble { why: ServerTrouble::OtherKey, .. })
    };
    mo.group("told that it is another", other).await;
    // The right invite of the same group takes its place.
    mo.join(&invite).await;
    (ana, mo).see_each_other().await;
}

#[tokio::test]
async fn nobody_at_all_is_said_in_words_and_a_program_without_a_network_keeps_its_groups() {
    let mut campus = Campus::new().await;
    let ana = campus.member("ana").await;
    let invite = ana.found(&campus.url).await;
    campus.end_server().await;
    let failure = ana.engine.look_at_server(&campus.url).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Connect);
    assert!(failure.message.starts_with(&campus.url), "{failure}");
    let plain = campus.url.replace("https", "http");
    let failure = ana.engine.look_at_server(&plain).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::PlainHttp);
    let failure = ana.engine.look_at_server("rendezvous").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::BadInvite);
    let failure = ana.engine.join_group("manyhands://join?v=1").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::BadInvite);

    let dir = campus.root.path().join("alone");
    let alone = Config { data_dir: dir.clone(), network: None, or_alone: false };
    let engine = Engine::open(alone.clone()).await.unwrap();
    let id = engine.join_group(&invite).await.unwrap();
    assert_eq!(engine.lookout().await.unwrap().groups[0].state, GroupState::Off);
    assert!(
        engine.invite(id.parse().unwrap()).await.unwrap().link.starts_with("manyhands://join?")
    );
    engine.shutdown().await;
    let engine = Engine::open(alone).await.unwrap();
    let groups = engine.lookout().await.unwrap().groups;
    assert_eq!((groups.len(), &groups[0].group), (1, &id));
    engine.shutdown().await;
}

#[tokio::test]
async fn an_invite_for_a_run_is_kept_and_one_that_makes_no_sense_ends_it() {
    let campus = Campus::new().await;
    let ana = campus.member("ana").await;
    let invite = ana.found(&campus.url).await;
    let dir = campus.root.path().join("mo");
    let given = |invite: &str| {
        let mut config = config(dir.clone(), LendingChange::default());
        config.network.as_mut().unwrap().rendezvous = Some(invite.to_owned());
        config
    };
    let error = Engine::open(given("manyhands://leave")).await.unwrap_err().to_string();
    assert!(error.contains("This is no invite"), "{error}");
    let plain = invite.replace("https", "http");
    let error = Engine::open(given(&plain)).await.unwrap_err().to_string();
    assert!(error.contains("plain http"), "{error}");
    assert!(!error.contains(invite.split("&k=").nth(1).unwrap().get(..22).unwrap()));
    let mo = Member { engine: Engine::open(given(&invite)).await.unwrap(), dir: dir.clone() };
    let (ana, mo) = (ana, mo).see_each_other().await;
    mo.engine.shutdown().await;
    (ana, campus.member("mo").await).see_each_other().await;
}
