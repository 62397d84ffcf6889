//! `friends`, `requests`, `accept`, `decline`.

use manyhands_engine::Remote;
use manyhands_engine::view::Decision as Answer;

use crate::arguments::{Accepting, Decision, Friends, Global, Requests};
use crate::instance::{Instance, data_dir, network};
use crate::lend::with_event;
use crate::lookout::{notes, peer_line};
use crate::output::size;
use crate::place::Problem;
use crate::{DONE, FAILED, USAGE};

pub async fn friends(global: &Global, friends: &Friends) -> u8 {
    let data_dir = match data_dir(global) {
        Ok(data_dir) => data_dir,
        Err(problem) => return complain(&problem, USAGE),
    };
    let instance = match Instance::open(data_dir, Some(network(global))).await {
        Ok(instance) => instance,
        Err(error) => return complain(&error.to_string(), FAILED),
    };
    let looked = async {
        instance.join(global).await?;
        Ok::<_, Problem>((instance.peers(friends.wait).await?, instance.lookout().await?))
    };
    let looked = looked.await;
    if let Instance::Here(engine) = &instance {
        engine.shutdown().await;
    }
    let (peers, lookout) = match looked {
        Ok(looked) => looked,
        Err(problem) => return complain(&problem.text, problem.code),
    };
    for peer in &peers {
        if friends.json {
            println!("{}", with_event("peer", peer));
        } else {
            println!("{}", peer_line(peer));
        }
    }
    for note in notes(&lookout, &peers) {
        eprintln!("{note}");
    }
    DONE
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
