//! `rules`, `block`, `unblock`: on what terms others are helped, through the running instance or on the profile itself.

use manyhands_engine::view::{LendingChange, RuleTerms, Terms};
use manyhands_engine::{AcceptRule, Change, Hours};

use crate::arguments::{Device, Global, RuleChange, Rules};
use crate::output::size;
use crate::peers::complain;
use crate::place::{Place, Problem, done};
use crate::{DONE, USAGE};

pub async fn run(global: &Global, rules: &Rules) -> u8 {
    match &rules.change {
        None => show(global, rules.json).await,
        Some(_) if rules.json => complain("--json goes with the list alone", USAGE),
        Some(change) => done(change_rules(global, change).await),
    }
}

pub async fn block(global: &Global, device: &Device) -> u8 {
    let blocked = async {
        let at = Place::open(global)?;
        let (peer, name) = at.find(&device.device).await?;
        let changed = at.change(Change::Block { peer }).await?;
        Ok(if changed {
            format!("{name} is blocked.")
        } else {
            format!("{name} was blocked already.")
        })
    };
    done(blocked.await)
}

pub async fn unblock(global: &Global, device: &Device) -> u8 {
    let unblocked = async {
        let at = Place::open(global)?;
        let (peer, name) = at.find(&device.device).await?;
        match at.change(Change::Unblock { peer }).await? {
            true => Ok(format!("{name} is not blocked any more: it is a stranger now.")),
            false => Err(Problem::failed(&format!("{name} is not blocked"))),
        }
    };
    done(unblocked.await)
}

async fn change_rules(global: &Global, change: &RuleChange) -> Result<String, Problem> {
    let at = Place::open(global)?;
    match change {
        RuleChange::Always { device, terms } => {
            let (peer, name) = at.find(&device.device).await?;
            let known = at.terms().await?.rules;
            let id = peer.to_string();
            let rule = known.iter().find(|rule| rule.peer == id).map(|rule| rule.terms);
            let terms = terms.over(rule.unwrap_or_default());
            at.change(Change::SetRule { peer, terms }).await?;
            Ok(format!("{name} is always helped: {}.", in_words(&terms)))
        }
        RuleChange::Remove(device) => {
            let (peer, name) = at.find(&device.device).await?;
            match at.change(Change::RemoveRule { peer }).await? {
                true => Ok(format!("You are asked about the requests of {name} again.")),
                false => Err(Problem::failed(&format!("there is no rule for {name}"))),
            }
        }
        RuleChange::Never { host } => {
            let mut hosts = at.terms().await?.never_hosts;
            hosts.push(host.clone());
            match at.change(Change::SetNeverHosts { hosts }).await? {
                true => {
                    Ok(format!("Nothing is lent for {host} any more, nor for what is beneath it."))
                }
                false => Ok(format!("{host} was on the list already.")),
            }
        }
        RuleChange::LendFor { host } => {
            let before = at.terms().await?.never_hosts;
            let wanted =
                manyhands_engine::check_host(host).map_err(|failure| Problem::refused(&failure))?;
            let mut hosts = before.clone();
            hosts.retain(|known| *known != wanted);
            if hosts.len() < before.len() {
                at.change(Change::SetNeverHosts { hosts }).await?;
                return Ok(format!("{wanted} is lent for again."));
            }
            let above = before.iter().find(|known| wanted.ends_with(&format!(".{known}")));
            let why = above
                .map(|above| format!(": it lies beneath {above}, which is"))
                .unwrap_or_default();
            Err(Problem::failed(&format!("{wanted} is not on the list{why}")))
        }
        RuleChange::Off => switch(&at, false).await,
        RuleChange::On => switch(&at, true).await,
    }
}

async fn switch(at: &Place, on: bool) -> Result<String, Problem> {
    let change = LendingChange { on: Some(on), ..LendingChange::default() };
    let changed = at.change(Change::SetLending { change }).await?;
    let now = if on { "on" } else { "off" };
    Ok(format!("Lending is {now}{}.", if changed { "" } else { ", as it was" }))
}

async fn show(global: &Global, json: bool) -> u8 {
    let terms = async { Place::open(global)?.terms().await };
    match terms.await {
        Ok(terms) if json => {
            println!("{}", serde_json::to_value(&terms).unwrap_or_default());
            DONE
        }
        Ok(terms) => {
            print!("{}", shown(&terms));
            DONE
        }
        Err(problem) => complain(&problem.text, problem.code),
    }
}

fn shown(terms: &Terms) -> String {
    let lending = &terms.lending;
    let accept = match lending.accept {
        AcceptRule::Ask => "you are asked about every request",
        AcceptRule::Friends => "friends are helped without a question",
        AcceptRule::All => "everybody is helped without a question",
    };
    let all = RuleTerms {
        daily_bytes: lending.daily_bytes,
        bytes_per_s: lending.bytes_per_s,
        hours: lending.hours,
    };
    let mut text = format!(
        "Lending is {}; {accept}\nFor all: {}; {} lent today\n",
        if lending.on { "on" } else { "off" },
        in_words(&all),
        size(terms.lent_today_bytes),
    );
    for rule in &terms.rules {
        let (terms, lent) = (in_words(&rule.terms), size(rule.lent_today_bytes));
        text += &format!("Always: {}  {}: {terms}; {lent} lent today\n", rule.peer, rule.name);
    }
    for blocked in &terms.blocked {
        text += &format!("Blocked: {}  {}\n", blocked.peer, blocked.name);
    }
    for host in &terms.never_hosts {
        text += &format!("Never for: {host}\n");
    }
    text
}

fn in_words(terms: &RuleTerms) -> String {
    let bound = |bytes: u64, what: &str, none: &str| match bytes {
        0 => none.to_owned(),
        bytes => format!("{}{what}", size(bytes)),
    };
    let hours = terms.hours.filter(|hours: &Hours| !hours.is_whole_day());
    [
        bound(terms.daily_bytes, " a day", "no daily budget of its own"),
        bound(terms.bytes_per_s, "/s", "no rate limit of its own"),
        hours.map_or_else(|| "at any time".to_owned(), |hours| hours.to_string()),
    ]
    .join(", ")
}
