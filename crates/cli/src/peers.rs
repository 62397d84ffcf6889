//! `friends`, `requests`, `accept`, `decline`.

use std::time::Duration;

use manyhands_engine::Remote;
use manyhands_engine::view::Decision as Answer;

use crate::arguments::{Accepting, Decision, Friends, Global, Requests};
use crate::instance::{Instance, data_dir, network};
use crate::lend::with_event;
use crate::output::size;
use crate::{DONE, FAILED, USAGE};

pub async fn friends(global: &Global, friends: &Friends) -> u8 {
    let peers = async {
        let instance = Instance::open(data_dir(global)?, Some(network(global))).await;
        match instance.map_err(|error| error.to_string())? {
            Instance::Running(remote) => {
                remote.peers(friends.wait).await.map_err(|error| error.to_string())
            }
            Instance::Here(engine) => {
                tokio::time::sleep(Duration::from_secs(friends.wait)).await;
                let peers = engine.peers().await.map_err(|failure| failure.message);
                engine.shutdown().await;
                peers
            }
        }
    };
    match peers.await {
        Ok(peers) if friends.json => {
            for peer in peers {
                println!("{}", with_event("peer", &peer));
            }
            DONE
        }
        Ok(peers) => {
            if peers.is_empty() {
                eprintln!("Nobody was found.");
            }
            for peer in peers {
                let online = if peer.online { "online" } else { "offline" };
                let friend = match (peer.friend, peer.paired) {
                    (true, true) => ", friend, paired",
                    (true, false) => ", friend",
                    (false, _) => "",
                };
                let other =
                    if peer.other_key { ", ANOTHER DEVICE ANSWERS IN ITS PLACE" } else { "" };
                let lending = if peer.lending { ", lending" } else { "" };
                println!("{}  {}  {online}{friend}{lending}{other}", peer.peer, peer.name);
            }
            DONE
        }
        Err(problem) => complain(&problem, FAILED),
    }
}

pub async fn requests(global: &Global, requests: &Requests) -> u8 {
    let remote = match data_dir(global) {
        Ok(data_dir) => Remote::of(&data_dir),
        Err(problem) => return complain(&problem, USAGE),
    };
    match remote.requests().await {
        Ok(rows) => {
            for row in rows {
                if requests.json {
                    println!("{}", with_event("request", &row));
                } else {
                    let short: String = row.id.chars().take(8).collect();
                    let file = row.file_name.as_deref().unwrap_or("a file");
                    println!(
                        "{short}  {}  {file}  {}  up to {}",
                        row.name,
                        row.origins.join(", "),
                        size(row.budget_bytes)
                    );
                }
            }
            DONE
        }
        Err(error) => complain(&format!("nobody lends on this profile: {error}"), FAILED),
    }
}

pub async fn accept(global: &Global, accepting: &Accepting) -> u8 {
    if accepting.terms.is_given() && !accepting.always {
        return complain("--budget, --limit and --hours go with --always", USAGE);
    }
    let terms = accepting.terms.rule();
    let answer = if accepting.always { Answer::HelpAlways { terms } } else { Answer::Help };
    decide(global, &accepting.request, answer).await
}

pub async fn decide(global: &Global, decision: &Decision, answer: Answer) -> u8 {
    let remote = match data_dir(global) {
        Ok(data_dir) => Remote::of(&data_dir),
        Err(problem) => return complain(&problem, USAGE),
    };
    match remote.decide(&decision.id, answer).await {
        Ok(true) => DONE,
        Ok(false) => complain(
            "there is no such request, or more than one, or no room for one more session",
            FAILED,
        ),
        Err(error) => complain(&format!("nobody lends on this profile: {error}"), FAILED),
    }
}

pub fn complain(problem: &str, code: u8) -> u8 {
    eprintln!("manyhands-cli: {problem}");
    code
}
