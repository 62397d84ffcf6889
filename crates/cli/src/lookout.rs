//! How others were found and reached, in words; and what to do where nobody was.

use manyhands_engine::Meeting;
use manyhands_engine::view::{
    Callable, Found, GroupRow, GroupState, Lookout, NoWay, PeerRow, ServerTrouble,
};

/// One peer, as a line.
pub fn peer_line(peer: &PeerRow) -> String {
    let mut line = format!("{}  {}", peer.peer, peer.name);
    line += if peer.online { "  online" } else { "  offline" };
    for (is, word) in [
        (peer.friend, ", friend"),
        (peer.paired, ", paired"),
        (peer.lending, ", lending"),
        (peer.other_key, ", ANOTHER DEVICE ANSWERS IN ITS PLACE"),
    ] {
        line += if is { word } else { "" };
    }
    let found: Vec<_> = peer.found.iter().map(found).collect();
    if !found.is_empty() {
        line += &format!("; found {}", found.join(", "));
    }
    match &peer.reached {
        Some(address) => line += &format!("; reached at {address}"),
        None if peer.online => line += "; it has called, since it cannot be called",
        None => {}
    }
    if peer.called {
        line += &format!("; {CALLED}");
    }
    if let Some(why) = peer.no_way {
        line += &format!("; {}", no_way(why));
    }
    line
}

/// Of who is online, and not because it was called.
pub const CALLED: &str = "it called this device, since it cannot be called";

fn found(found: &Found) -> String {
    match found {
        Found::Lan => "on this network".to_owned(),
        Found::Known => "where it was before".to_owned(),
        Found::Group { name } => format!("in the group {name}"),
    }
}

pub fn no_way(why: NoWay) -> &'static str {
    match why {
        NoWay::NoAnswer => {
            "it does not answer: a firewall there, or a network that keeps its clients apart"
        }
        NoWay::Refused => "its computer refuses: it has just ended there, or a firewall refuses",
        NoWay::NoRoute => "there is no way to its network from here",
        NoWay::OtherDevice => "another device answers there",
        NoWay::NoAddress => "it has published no address",
    }
}

/// How it stands with a group's server.
pub fn state(group: &GroupRow) -> String {
    match &group.state {
        GroupState::Off => "off".to_owned(),
        GroupState::Connecting => "connecting".to_owned(),
        GroupState::Online => {
            format!("online, {} listed, {} reached", group.listed, group.reached)
        }
        GroupState::Trouble { why, .. } => trouble(*why).to_owned(),
    }
}

/// What its server found when it tried to call this device, where somebody can do something about it.
pub fn not_callable(group: &GroupRow) -> Option<String> {
    let Callable::No { port } = group.callable else { return None };
    Some(format!(
        "Its server could not open a connection to this computer: a firewall here, or a router in between. Members who cannot reach it ask it through the server to call them; letting TCP port {port} in, here and in the router, makes that unnecessary."
    ))
}

fn trouble(why: ServerTrouble) -> &'static str {
    match why {
        ServerTrouble::UnknownName => {
            "its server's name leads nowhere: check the spelling and your network connection"
        }
        ServerTrouble::NoAnswer => {
            "nobody answers at its server's address: it may be down, or a firewall is in between; it is tried again"
        }
        ServerTrouble::OtherKey => {
            "another server answers there than the invite says, and is not told where this device is: ask whoever runs it whether its key is new; if so, a new invite is needed"
        }
        ServerTrouble::NoServer => {
            "what answers there is no rendezvous server, or one of another version"
        }
        ServerTrouble::Clock => {
            "the clocks of this computer and the server are too far apart: set the clock"
        }
        ServerTrouble::Busy => "its server takes nobody in at the moment; it is tried again",
        ServerTrouble::Refused => "its server refuses what this device says of itself",
        ServerTrouble::PlainHttp => {
            "its server is at http://, without encryption: give --insecure-http to use it all the same"
        }
        ServerTrouble::TooMany => {
            "not used, since this device is in groups of more than 16 servers: leave the groups of one of them with `group leave`"
        }
    }
}

/// What is worth saying of how others are found: why nobody was, and what is wrong with servers.
pub fn notes(lookout: &Lookout, peers: &[PeerRow]) -> Vec<String> {
    let mut notes = Vec::new();
    let alone = !peers.iter().any(|peer| peer.online);
    let unreachable = peers.iter().any(|peer| peer.no_way.is_some());
    let lan_only = lookout.meeting == Meeting::LanOnly;
    for group in &lookout.groups {
        match group.state {
            GroupState::Trouble { .. } => {
                notes.push(format!("{} ({}): {}.", group.name, group.server, state(group)));
            }
            GroupState::Connecting if alone => {
                notes.push(format!("{} ({}): still connecting.", group.name, group.server));
            }
            GroupState::Online if alone && group.listed == 0 => {
                notes.push(format!(
                    "Nobody else is in the group {} now. Those who are to be in it need its invite: `group invite`.",
                    group.name
                ));
            }
            GroupState::Online if alone => {
                let yet = if unreachable { "" } else { " yet" };
                notes.push(format!(
                    "{} listed in {}, none reached{yet}: a firewall, or a network that keeps its clients apart. `group list` says more.",
                    group.listed, group.name
                ));
            }
            _ => {}
        }
    }
    if !alone {
        return notes;
    }
    notes.insert(
        0,
        match (unreachable, lookout.groups.iter().any(|group| group.listed > 0)) {
            (true, _) => "Nobody can be reached.".to_owned(),
            (false, true) => "Nobody is reached yet.".to_owned(),
            (false, false) => "Nobody was found.".to_owned(),
        },
    );
    if lan_only && !lookout.groups.is_empty() {
        notes.push(
            "No server is asked: the setting is the local network alone. `group meet automatic` changes that."
                .to_owned(),
        );
    }
    if lookout.groups.is_empty() {
        let searched = match (lookout.multicast, lookout.meeting) {
            (true, _) => {
                "Multicast, by which devices on one network find each other, does not pass routers, and many networks keep their clients apart."
            }
            (false, Meeting::ServerOnly) => {
                "Nobody is looked for on this network: the setting is servers alone, and this device is in no group."
            }
            (false, _) => "Nobody was looked for on this network, and this device is in no group.",
        };
        notes.push(format!(
            "{searched} Join a group by the invite that a friend gives you: `group join INVITE`; or make one: `--rendezvous https://HOST:PORT group create NAME`; or give a friend's address: `pair ADDRESS`."
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookout(groups: Vec<GroupRow>) -> Lookout {
        Lookout { meeting: Meeting::Automatic, multicast: true, groups }
    }

    fn group(state: GroupState) -> GroupRow {
        GroupRow {
            group: "g".repeat(52),
            name: "Dorm 7".to_owned(),
            server: "https://a.example:8470".to_owned(),
            server_id: "s".repeat(52),
            state,
            callable: Callable::Unknown,
            listed: 0,
            reached: 0,
            members: Vec::new(),
        }
    }

    fn check(lookout: &Lookout, all_of: &[&str]) {
        let text = notes(lookout, &[]).join("\n");
        for part in all_of {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }

    #[test]
    fn who_cannot_be_called_by_the_server_is_told_what_helps() {
        let found = |callable| not_callable(&GroupRow { callable, ..group(GroupState::Online) });
        let no = found(Callable::No { port: 26269 }).unwrap();
        for words in ["TCP port 26269", "a firewall here, or a router in between"] {
            assert!(no.contains(words), "{no}");
        }
        assert_eq!((found(Callable::Yes), found(Callable::Unknown)), (None, None));
    }

    #[test]
    fn where_nobody_was_found_it_is_said_why_and_what_to_do() {
        check(
            &lookout(Vec::new()),
            &["Nobody was found", "does not pass routers", "group join", "pair ADDRESS"],
        );
        let quiet = Lookout { multicast: false, ..lookout(Vec::new()) };
        check(&quiet, &["Nobody was looked for on this network"]);
        check(
            &lookout(vec![group(GroupState::Online)]),
            &["Nobody else is in the group Dorm 7", "group invite"],
        );
        check(&lookout(vec![group(GroupState::Connecting)]), &["still connecting"]);
        let listed = GroupRow { listed: 12, ..group(GroupState::Online) };
        check(
            &lookout(vec![listed]),
            &[
                "Nobody is reached yet",
                "12 listed in Dorm 7, none reached yet: a firewall",
                "group list",
            ],
        );
        let off = Lookout { meeting: Meeting::LanOnly, ..lookout(vec![group(GroupState::Off)]) };
        check(&off, &["the local network alone", "group meet automatic"]);
        for (why, words) in [
            (ServerTrouble::UnknownName, "leads nowhere"),
            (ServerTrouble::NoAnswer, "nobody answers"),
            (ServerTrouble::OtherKey, "another server"),
            (ServerTrouble::NoServer, "no rendezvous server"),
            (ServerTrouble::Clock, "set the clock"),
            (ServerTrouble::Busy, "takes nobody in"),
            (ServerTrouble::Refused, "refuses"),
            (ServerTrouble::PlainHttp, "--insecure-http"),
            (ServerTrouble::TooMany, "more than 16 servers: leave the groups of one"),
        ] {
            let state = GroupState::Trouble { why, retry_in_s: 1 };
            check(&lookout(vec![group(state)]), &[words, "Dorm 7", "https://a.example:8470"]);
        }
    }
}
