//! Surroundings that lead elsewhere: names that change after a helper's user agreed, and proxies. All of it where no network is.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use common::namespaces::{assert_inside, in_own_network, run};
use common::{Run, Signal, World, kind};
use manyhands_core::{ByteRange, HelpAnswer, HelpId, Identity, PeerId};
use manyhands_faultserver::{Behaviour, FaultServer};
use manyhands_peer::wire::{DeviceName, HelpRequest, List, Mode, OriginName, ProblemCode};
use manyhands_peer::{CallError, ClientWaits, DeviceIdentity, PeerClient, RemotePeer};
use manyhands_store::{Op, Store};
use url::Url;

const HOST: &str = "files.example";
/// One of the internet, as far as anybody can tell; no way leads there.
const OUTSIDE: &str = "203.0.113.9";
/// Where the name leads after it was agreed to.
const TARGETS: [&str; 15] = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.5",
    "172.16.3.4",
    "192.168.1.1",
    "100.64.0.7",
    "169.254.1.1",
    "169.254.169.254",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.5",
    "fe80::1",
    "fd00:ec2::254",
    "fd12:3456::1",
];

/// From the next question on the name leads there, and nowhere else.
fn name_leads_to(hosts: &Path, address: &str) {
    std::fs::write(hosts, format!("127.0.0.1 localhost\n{address} {HOST}\n")).unwrap();
}

/// A helper that agrees to everything, and how to reach it.
fn lend(world: &World, proxy: Option<&str>) -> (Run, PeerId, Vec<SocketAddr>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands-cli"));
    command.arg("--data-dir").arg(world.root.path().join("helper"));
    set_proxy(&mut command, proxy);
    command.args(["--no-mdns", "--listen=127.0.0.1:0", "lend", "--accept=all", "--json"]);
    let mut run = Run::start(&mut command);
    let event = run.next().unwrap();
    assert_eq!(kind(&event), "lending");
    let id = event["peer"].as_str().unwrap().parse().unwrap();
    let listens = event["listens"].as_array().unwrap();
    let listens = listens.iter().map(|address| address.as_str().unwrap().parse().unwrap());
    (run, id, listens.collect())
}

/// Has the helper agree to the origin of this link.
async fn agreed(peer: &RemotePeer, mode: Mode, url: &Url) -> HelpId {
    let request = HelpRequest {
        name: DeviceName::neutralised("Lin"),
        mode,
        origins: List::new(vec![OriginName::of(url).unwrap()]).unwrap(),
        size_bytes: None,
        budget_bytes: 1 << 20,
        file_name: None,
    };
    let id = peer.ask(&request).await.unwrap();
    let answer = peer.decision(id).await.unwrap();
    assert!(matches!(answer, HelpAnswer::Accept { .. }), "{answer:?}");
    id
}

fn problem(error: Option<CallError>) -> Option<ProblemCode> {
    match error {
        Some(CallError::Problem(problem)) => problem.code(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_that_leads_inside_after_it_was_agreed_to_is_not_connected_to() {
    in_own_network(
        "a_name_that_leads_inside_after_it_was_agreed_to_is_not_connected_to",
        rebinding,
    );
}

fn rebinding() {
    assert_inside();
    let world = World::new(Behaviour::default());
    let hosts = world.root.path().join("hosts");
    name_leads_to(&hosts, OUTSIDE);
    run("mount", &["--bind", hosts.to_str().unwrap(), "/etc/hosts"]);
    let (helper, id, addresses) = lend(&world, None);
    let port = world.server.addr().port();
    let fetched = Url::parse(&format!("http://{HOST}:{port}/file.bin")).unwrap();
    let carried = Url::parse(&format!("https://{HOST}:{port}/file.bin")).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let identity = DeviceIdentity::generate().unwrap();
        let peer = PeerClient::new(&identity, ClientWaits::default()).peer(id, &addresses);
        let fetch = agreed(&peer, Mode::Fetch, &fetched).await;
        peer.give_source(fetch, &fetched, &Identity::default()).await.unwrap();
        let carry = agreed(&peer, Mode::Relay, &carried).await;
        let origin = OriginName::of(&carried).unwrap();
        let range = ByteRange::from_len(0, 1);
        // Where it leads now it may lead: only there is no way.
        let content = problem(peer.content(fetch, range).await.err());
        assert_eq!(content, Some(ProblemCode::OriginUnreachable));
        let tunnel = problem(peer.tunnel(carry, &origin).await.err());
        assert_eq!(tunnel, Some(ProblemCode::OriginUnreachable));
        for target in TARGETS {
            name_leads_to(&hosts, target);
            let content = problem(peer.content(fetch, range).await.err());
            assert_eq!(content, Some(ProblemCode::AddressRefused), "{target}");
            let tunnel = problem(peer.tunnel(carry, &origin).await.err());
            assert_eq!(tunnel, Some(ProblemCode::AddressRefused), "{target}");
        }
    });
    assert_eq!(world.server.connections(), 0);
    helper.kill();
}

fn set_proxy(command: &mut Command, proxy: Option<&str>) {
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    {
        command.env_remove(name);
        if let Some(proxy) = proxy {
            command.env(name, proxy);
        }
    }
    command.env_remove("no_proxy").env_remove("NO_PROXY");
}

#[test]
fn no_proxy_comes_between_peers_or_between_a_helper_and_an_origin() {
    in_own_network("no_proxy_comes_between_peers_or_between_a_helper_and_an_origin", proxies);
}

fn proxies() {
    assert_inside();
    // What comes here says where it wanted to go, and gets the file.
    let file =
        Behaviour { bytes: 4 << 20, rate_per_connection: Some(1 << 20), ..Behaviour::default() };
    let (world, helpers_proxy) = (World::new(file), FaultServer::start(Behaviour::default()));
    let (helper, id, addresses) = lend(&world, Some(&helpers_proxy.url("/")));
    std::fs::create_dir_all(world.profile()).unwrap();
    let friend = serde_json::json!({
        "id": id.to_string(), "name": "helper", "added_unix_ms": 1, "last_addresses": addresses,
    });
    let friend = serde_json::from_value(friend).unwrap();
    let (store, _) = Store::open(&world.profile()).unwrap();
    store.apply(&[Op::PutFriend(friend)]).unwrap();
    store.flush().unwrap();
    drop(store);
    let mut command = world.program();
    command.args(["--no-mdns", "--listen=127.0.0.1:0", "get", "--json", "--ask=friends", "--dir"]);
    let link = format!("http://{OUTSIDE}/file.bin");
    command.arg(world.files()).arg(&link);
    set_proxy(&mut command, Some(&world.server.url("/")));
    let ended = Run::start(&mut command).completed();
    assert!(!ended.all("help").is_empty(), "a helper was asked: {ended:?}");
    helper.signal(Signal::TERM);
    let helped = helper.end();
    assert!(!helped.all("helping").is_empty(), "and has agreed: {helped:?}");
    let paths: Vec<_> = world.server.requests().into_iter().map(|request| request.path).collect();
    assert!(!paths.is_empty(), "downloads do go through the user's proxy");
    assert!(paths.iter().all(|path| *path == link), "and nothing else does: {paths:?}");
    assert_eq!(helpers_proxy.connections(), 0, "what is done for others goes through none");
}
