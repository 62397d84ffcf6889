//! Two programs on loopback whose users compare six digits on the command line.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::process::Command;

use common::{Ended, Run, Signal, World, kind};
use manyhands_faultserver::Behaviour;
use serde_json::Value;

/// One person's computer.
struct Person {
    name: &'static str,
    world: World,
}

impl Person {
    fn new(name: &'static str) -> Self {
        Self { name, world: World::new(Behaviour::default()) }
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.program();
        command.args(["--name", self.name, "--listen", "127.0.0.1:0", "--no-mdns"]).args(arguments);
        command
    }

    /// A program that runs until it is stopped; where it listens.
    fn lend(&self) -> (Run, String) {
        let mut run = Run::start(&mut self.program(&["lend", "--json"]));
        let event = run.next().unwrap();
        assert_eq!(kind(&event), "lending");
        let address = event["listens"][0].as_str().unwrap().to_owned();
        (run, address)
    }

    fn pair(&self, with: &str, more: &[&str]) -> Run {
        Run::start(self.program(&["pair", with, "--json"]).args(more))
    }

    fn ends(&self, arguments: &[&str]) -> Ended {
        Run::start(&mut self.program(arguments)).end()
    }

    /// Whom it knows, from a program that meets nobody.
    fn friends(&self) -> Vec<Value> {
        let peers = self.ends(&["friends", "--wait", "0", "--json"]);
        assert_eq!(peers.code, 0, "{peers:?}");
        peers.events.into_iter().filter(|peer| peer["friend"] == true).collect()
    }
}

/// The next event of a pairing in this state.
fn until(run: &mut Run, state: &str) -> Value {
    loop {
        let event = run.next().unwrap_or_else(|| panic!("never {state}: {:?}", run.events));
        if kind(&event) == "pairing" && event["state"] == state {
            return event;
        }
        assert_ne!(kind(&event), "failed", "{event}");
    }
}

fn code(event: &Value) -> &str {
    event["code"].as_str().unwrap()
}

fn stop(run: Run) {
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
}

#[test]
fn two_who_confirm_the_same_code_are_paired_and_both_programs_say_so() {
    let (lin, mo) = (Person::new("Lin"), Person::new("Mo"));
    let (mut mos, address) = mo.lend();
    let mut lins = lin.pair(&address, &[]);
    let (hers, his) = (until(&mut lins, "compare"), until(&mut mos, "compare"));
    assert_eq!(code(&hers), code(&his));
    assert_eq!((hers["name"].as_str(), his["name"].as_str()), (Some("Mo"), Some("Lin")));
    let listed = mo.ends(&["pairings", "--json"]);
    assert_eq!(listed.all("pairing").len(), 1, "{listed:?}");
    assert_eq!(code(&listed.events[0]), code(&hers));

    // A code that no screen shows confirms nothing.
    let other = if code(&hers) == "123456" { "654321" } else { "123456" };
    let unknown = mo.ends(&["confirm", other]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.stderr.contains("no pairing"), "{unknown:?}");
    assert_eq!(mo.ends(&["confirm", "12345"]).code, 2, "what is no code");

    let spoken = format!("{} {}", &code(&hers)[..3], &code(&hers)[3..]);
    let confirmed = mo.ends(&["confirm", &spoken]);
    assert_eq!(confirmed.code, 0, "{confirmed:?}");
    assert!(confirmed.stderr.contains("Lin (device"), "{confirmed:?}");
    assert_eq!(mo.ends(&["confirm", code(&hers)]).code, 1, "once is enough");
    assert_eq!(lin.ends(&["confirm", code(&hers)]).code, 0);
    until(&mut lins, "paired");
    lins.completed();
    until(&mut mos, "paired");
    stop(mos);
    for (person, other) in [(&lin, "Mo"), (&mo, "Lin")] {
        let friends = person.friends();
        assert_eq!(friends.len(), 1, "{friends:?}");
        assert_eq!((&friends[0]["name"], &friends[0]["paired"]), (&other.into(), &true.into()));
    }
}

#[test]
fn one_no_is_told_by_the_exit_code_and_makes_no_friend() {
    let (lin, mo) = (Person::new("Lin"), Person::new("Mo"));
    let (mut mos, address) = mo.lend();
    // Mo says no.
    let mut lins = lin.pair(&address, &[]);
    let hers = until(&mut lins, "compare");
    until(&mut mos, "compare");
    assert_eq!(lin.ends(&["confirm", code(&hers)]).code, 0);
    assert_eq!(mo.ends(&["refuse", code(&hers)]).code, 0);
    assert_eq!(lins.end().code, 3);
    until(&mut mos, "refused");
    // Lin wants another code than the one that comes.
    let refused = lin.pair(&address, &["--yes-if", "000000"]).end();
    assert_eq!(refused.code, 3, "{refused:?}");
    until(&mut mos, "refused");
    // Lin gives up.
    let mut lins = lin.pair(&address, &[]);
    until(&mut lins, "compare");
    until(&mut mos, "compare");
    lins.signal(Signal::INT);
    assert_eq!(lins.end().code, 130);
    until(&mut mos, "refused");
    // Three times are enough for ten minutes.
    let fourth = lin.pair(&address, &[]).end();
    assert_eq!(fourth.code, 1, "{fourth:?}");
    stop(mos);
    assert!(lin.friends().is_empty() && mo.friends().is_empty());
}

#[test]
fn a_running_program_pairs_for_the_one_that_asks_it() {
    let (lin, mo) = (Person::new("Lin"), Person::new("Mo"));
    let ((mut lins, _), (mut mos, address)) = (lin.lend(), mo.lend());
    let mut asking = lin.pair(&address, &[]);
    let hers = until(&mut asking, "compare");
    until(&mut lins, "compare");
    until(&mut mos, "compare");
    assert_eq!(mo.ends(&["confirm", code(&hers)]).code, 0);
    assert_eq!(lin.ends(&["confirm", code(&hers)]).code, 0);
    asking.completed();
    until(&mut lins, "paired");
    until(&mut mos, "paired");
    stop(lins);
    stop(mos);
    assert!(lin.friends()[0]["paired"] == true && mo.friends()[0]["paired"] == true);
}

#[test]
fn nobody_met_and_another_device_in_a_friends_place_are_failures_that_say_so() {
    let (lin, mo, eve) = (Person::new("Lin"), Person::new("Mo"), Person::new("Eve"));
    let (mut mos, address) = mo.lend();
    let mut lins = lin.pair(&address, &[]);
    let hers = until(&mut lins, "compare");
    until(&mut mos, "compare");
    assert_eq!(mo.ends(&["confirm", code(&hers)]).code, 0);
    assert_eq!(lin.ends(&["confirm", code(&hers)]).code, 0);
    lins.completed();
    stop(mos);

    let failed = lin.pair(&address, &["--wait", "0"]).failed();
    assert_eq!(failed["code"], "peer-not-found");
    let mut command = eve.world.program();
    command.args(["--name", "Eve", "--no-mdns", "--listen", &address, "lend", "--json"]);
    let mut eves = Run::start(&mut command);
    eves.next().unwrap();
    let failed = lin.pair(&address, &["--wait", "0"]).failed();
    assert_eq!(failed["code"], "other-key", "{failed}");
    assert!(failed["message"].as_str().unwrap().contains("Mo"), "{failed}");
    stop(eves);
    assert!(eve.friends().is_empty());
    let alone = Person::new("Ana").ends(&["pairings"]);
    assert_eq!(alone.code, 1, "{alone:?}");
}
