//! `group`, and what `--rendezvous` holds.

use std::io::BufRead;

use manyhands_engine::view::{GroupRow, InviteView, MemberRow, Reach};
use manyhands_engine::{
    Ask, Change, GroupId, Meeting, find_group, group_of, look_at_server, new_group, read_invite,
    rotation,
};
use serde_json::json;

use crate::DONE;
use crate::arguments::{Arguments, Command, Global, GroupAction, Meet, Named};
use crate::lend::with_event;
use crate::lookout::{CALLED, not_callable, state};
use crate::peers::complain;
use crate::place::{Place, Problem};

/// Far more than any invite has.
const MAX_LINE_BYTES: u64 = 4096;
/// Light around a QR code, in modules, by which a camera finds it.
const QUIET_ZONE: usize = 4;

/// Puts in place of `-` what is on standard input, and checks that what is there fits the command: a server where a group is made, an
/// invite everywhere else.
pub fn read_rendezvous(arguments: &mut Arguments) -> Result<(), String> {
    if let Command::Group(group) = &mut arguments.command
        && let GroupAction::Join { invite: Some(invite), .. } = &mut group.action
    {
        // It is the nearer one.
        arguments.global.rendezvous = Some(std::mem::take(invite));
    }
    let Some(given) = &mut arguments.global.rendezvous else { return Ok(()) };
    if given.trim() == "-" {
        *given = first_line()?;
    }
    let is_server = given.trim_start().split_once("://").is_some_and(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
    });
    let makes = matches!(&arguments.command, Command::Group(group) if matches!(group.action, GroupAction::Create { .. }));
    match (makes, is_server) {
        (true, true) => Ok(()),
        (true, false) => Err(NAME_THE_SERVER.to_owned()),
        (false, true) => Err("a server's address goes with `group create`; give a group's invite, manyhands://join?…".to_owned()),
        (false, false) => {
            let invite = read_invite(given)
                .map_err(|failure| format!("{failure} {}", failure.code.hint()))?;
            if invite.server.url().scheme() == "http" && !arguments.global.insecure_http {
                return Err(format!(
                    "{}: the server is reached by plain http, without encryption; give --insecure-http to use it all the same",
                    invite.server.text()
                ));
            }
            Ok(())
        }
    }
}

const NAME_THE_SERVER: &str = "name the server with --rendezvous https://HOST:PORT";

fn first_line() -> Result<String, String> {
    use std::io::Read;
    let mut line = String::new();
    let stdin = std::io::stdin().lock();
    std::io::BufReader::new(stdin.take(MAX_LINE_BYTES))
        .read_line(&mut line)
        .map_err(|error| format!("standard input cannot be read: {error}"))?;
    Ok(line.trim().to_owned())
}

/// Joins the group that the command line names, for a command that meets nobody; the others join when they begin to.
pub async fn join_first(arguments: &Arguments) -> Result<(), Problem> {
    let global = &arguments.global;
    let joins_itself = match &arguments.command {
        Command::Get(get) => get.ask != Ask::None,
        Command::Lend(_) | Command::Friends(_) | Command::Pair(_) => true,
        Command::Group(group) => {
            matches!(group.action, GroupAction::Create { .. } | GroupAction::Join { .. })
        }
        _ => false,
    };
    let Some(invite) = global.rendezvous.as_ref().filter(|_| !joins_itself) else { return Ok(()) };
    let invite = read_invite(invite).map_err(|failure| Problem::refused(&failure))?;
    let change = Change::JoinGroup { invite: Box::new(invite), founder: false };
    Place::open(global)?.change(change).await.map(drop)
}

pub async fn run(global: &Global, action: &GroupAction) -> u8 {
    let done = match action {
        GroupAction::Create { name, server_id, json } => {
            create(global, name, server_id.as_deref(), *json).await
        }
        GroupAction::Join { json, .. } => join(global, *json).await,
        GroupAction::Leave(group) => leave(global, group).await,
        GroupAction::List { json } => list(global, *json).await,
        GroupAction::Invite { group, json } => invite(global, group, *json).await,
        GroupAction::Rotate { group, json } => rotate(global, group, *json).await,
        GroupAction::Meet { how } => meet(global, *how).await,
    };
    match done {
        Ok(()) => DONE,
        Err(problem) => complain(&problem.text, problem.code),
    }
}

async fn create(
    global: &Global,
    name: &str,
    server_id: Option<&str>,
    json: bool,
) -> Result<(), Problem> {
    let Some(url) = &global.rendezvous else { return Err(Problem::usage(&NAME_THE_SERVER)) };
    let looked = look_at_server(url, global.insecure_http).await;
    let server = looked.map_err(|failure| Problem::refused(&failure))?;
    if server_id.is_some_and(|wanted| !wanted.trim().eq_ignore_ascii_case(&server.server_id)) {
        return Err(Problem::failed(&format!(
            "{}: the server that answers there has another id, {}. Nothing was made.",
            server.server, server.server_id
        )));
    }
    let made = new_group(&server, name).map_err(|failure| Problem::refused(&failure))?;
    let (id, invite) = (made.0, Box::new(made.1));
    let at = Place::open(global)?;
    at.change(Change::JoinGroup { invite, founder: true }).await?;
    if !json {
        eprintln!(
            "The server at {} has the id\n  {}\nCompare it with what the server's log prints: it is trusted from now on.",
            server.server, server.server_id
        );
    }
    show(&at.invite(id).await?, json);
    Ok(())
}

async fn join(global: &Global, json: bool) -> Result<(), Problem> {
    let Some(text) = &global.rendezvous else {
        return Err(Problem::usage(
            &"give the invite, manyhands://join?…, or - to have it read from standard input",
        ));
    };
    let invite = read_invite(text).map_err(|failure| Problem::refused(&failure))?;
    let (id, server) = (group_of(&invite), invite.server.clone());
    let at = Place::open(global)?;
    let changed = at.change(Change::JoinGroup { invite: Box::new(invite), founder: false }).await?;
    let rows = at.lookout().await?.groups;
    let id = id.to_string();
    let name = rows.iter().find(|row| row.group == id).map_or("", |row| row.name.as_str());
    if json {
        let server_id = server.id.to_string();
        println!(
            "{}",
            json!({ "group": id, "name": name, "server": server.text(), "server_id": server_id, "changed": changed })
        );
    } else if changed {
        eprintln!("In the group {name}, at {}.", server.text());
    } else {
        eprintln!("In the group {name} already.");
    }
    Ok(())
}

async fn leave(global: &Global, group: &Named) -> Result<(), Problem> {
    let at = Place::open(global)?;
    let (group, name) = meant(&at, group).await?;
    at.change(Change::LeaveGroup { group }).await?;
    eprintln!("Not in the group {name} any more.");
    Ok(())
}

async fn list(global: &Global, json: bool) -> Result<(), Problem> {
    let lookout = Place::open(global)?.lookout().await?;
    for group in &lookout.groups {
        if json {
            println!("{}", with_event("group", group));
        } else {
            print!("{}", in_words(group));
        }
    }
    if !json && lookout.groups.is_empty() {
        eprintln!("This device is in no group.");
    }
    Ok(())
}

fn in_words(group: &GroupRow) -> String {
    let mut text =
        format!("{}  {}  {}  {}\n", short(&group.group), group.name, group.server, state(group));
    if let Some(note) = not_callable(group) {
        text += &format!("  {note}\n");
    }
    for MemberRow { peer, name, friend, reach } in &group.members {
        let friend = if *friend { ", friend" } else { "" };
        let reach = match reach {
            Reach::Reached { address } if address.is_empty() => {
                "it has called, since it cannot be called".to_owned()
            }
            Reach::Reached { address } => format!("reached at {address}"),
            Reach::Called => CALLED.to_owned(),
            Reach::Trying => "being called".to_owned(),
            Reach::Listed => "listed".to_owned(),
            Reach::Ringing => "asked to call, since it cannot be called".to_owned(),
            Reach::No { why } => crate::lookout::no_way(*why).to_owned(),
        };
        text += &format!("  {}  {name}{friend}: {reach}\n", short(peer));
    }
    text
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

async fn invite(global: &Global, group: &Named, json: bool) -> Result<(), Problem> {
    let at = Place::open(global)?;
    let (group, _) = meant(&at, group).await?;
    show(&at.invite(group).await?, json);
    Ok(())
}

async fn rotate(global: &Global, group: &Named, json: bool) -> Result<(), Problem> {
    let at = Place::open(global)?;
    let (group, name) = meant(&at, group).await?;
    let old = at.invite(group).await?;
    let made = rotation(group, &old.link).map_err(|failure| Problem::refused(&failure))?;
    at.change(made.1).await?;
    if !json {
        eprintln!(
            "The old group {name} is left. Everybody who is to be in the new one needs this invite:"
        );
    }
    show(&at.invite(made.0).await?, json);
    Ok(())
}

async fn meet(global: &Global, how: Meet) -> Result<(), Problem> {
    let (meeting, words) = match how {
        Meet::Automatic => (Meeting::Automatic, "on the local network and at servers"),
        Meet::LanOnly => {
            (Meeting::LanOnly, "on the local network alone; no server hears of this device")
        }
        Meet::ServerOnly => {
            (Meeting::ServerOnly, "at servers alone; nothing is announced on the local network")
        }
    };
    Place::open(global)?.change(Change::SetMeeting { meeting }).await?;
    eprintln!("Others are found {words}.");
    Ok(())
}

async fn meant(at: &Place, group: &Named) -> Result<(GroupId, String), Problem> {
    let groups = at.lookout().await?.groups;
    let row = find_group(&groups, &group.group).map_err(|failure| Problem::refused(&failure))?;
    let id = row.group.parse::<GroupId>().map_err(|error| Problem::failed(&error))?;
    Ok((id, row.name.clone()))
}

/// The invite on standard output; with it, for people, what a camera reads.
fn show(invite: &InviteView, json: bool) {
    if json {
        println!(
            "{}",
            json!({
                "group": invite.group, "name": invite.name, "invite": invite.link,
                "server_id": invite.server_id,
            })
        );
        return;
    }
    eprintln!("Whoever has this invite is in the group {}:\n", invite.name);
    println!("{}", invite.link);
    eprintln!("\n{}", drawn(&invite.qr));
}

/// A QR code in half blocks, light on dark and dark on light alike: it brings its own colours.
fn drawn(rows: &[String]) -> String {
    let width = rows.len() + 2 * QUIET_ZONE;
    let dark = |x: usize, y: usize| {
        let row = y.checked_sub(QUIET_ZONE).and_then(|y| rows.get(y));
        let module = x.checked_sub(QUIET_ZONE).and_then(|x| row?.as_bytes().get(x));
        module == Some(&b'1')
    };
    let line = |y: usize| -> String {
        let cell = |x: usize| match (dark(x, y), dark(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        // Black on white, whatever the terminal has.
        format!("\x1b[30;107m{}\x1b[0m\n", (0..width).map(cell).collect::<String>())
    };
    (0..width).step_by(2).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_is_drawn_with_light_around_it() {
        let drawn = drawn(&["11".to_owned(), "10".to_owned(), "01".to_owned()]);
        let lines: Vec<_> = drawn
            .lines()
            .map(|line| line.replace("\x1b[30;107m", "").replace("\x1b[0m", ""))
            .collect();
        assert_eq!(lines.len(), 6);
        assert!(lines.iter().all(|line| line.chars().count() == 11));
        assert_eq!(lines[1], " ".repeat(11));
        assert_eq!(lines[2], format!("    █▀{}", " ".repeat(5)));
        assert_eq!(lines[3], format!("     ▀{}", " ".repeat(5)));
    }
}
