//! Groups at rendezvous servers, as a profile has them: made, joined, handed out.
//!
//! A group is whoever knows its secret, and the secret is in its invite. It is shown where the user asks for the invite, and nowhere
//! else: neither logs nor failures have it.

use std::collections::BTreeMap;

use manyhands_core::{Failure, FailureCode, GroupId, What};
use manyhands_identity::{GroupKey, GroupSecret};
use manyhands_peer::wire::{GroupName, Invite, InviteError, ServerAddress};
use manyhands_peer::{GroupStatus, ServerFault, ServerLink};
use manyhands_store::Group;
use qrcode::{Color, QrCode};
use serde::{Deserialize, Deserializer, Serializer};
use tokio::time::Instant;

use crate::profile::Change;
use crate::view::{Callable, GroupRow, GroupState, InviteView, ServerFound, ServerTrouble};

/// A new group at a server, and its invite. `server` is what [`look_at_server`] has found and the user has seen: that id is the
/// one that is trusted.
///
/// # Errors
/// The name is empty, or what was found makes no sense.
pub fn new_group(server: &ServerFound, name: &str) -> Result<(GroupId, Invite), Failure> {
    let name = GroupName::neutralised(name);
    if name.is_empty() {
        let failure = Failure::new(FailureCode::BadName, "A group needs a name.");
        return Err(failure.because(What::NamelessGroup, []));
    }
    let no_server = |_| bad_invite(InviteError::Server);
    let id = server.server_id.parse().map_err(|_| bad_invite(InviteError::Server))?;
    let server = ServerAddress::new(&server.server, id, server.public_certificate);
    Ok(with_new_secret(server.map_err(no_server)?, name))
}

/// Leaves `group`, whose invite is `link`, for one with another secret; and that one's id.
///
/// # Errors
/// The link cannot be read.
pub fn rotation(group: GroupId, link: &str) -> Result<(GroupId, Change), Failure> {
    let (id, invite) = rotated(&read_invite(link)?);
    Ok((id, Change::RotateGroup { group, invite: Box::new(invite) }))
}

/// The same group with another secret, which makes it another group: whoever has the old invite alone is no member of it.
fn rotated(old: &Invite) -> (GroupId, Invite) {
    with_new_secret(old.server.clone(), old.name.clone())
}

fn with_new_secret(server: ServerAddress, name: GroupName) -> (GroupId, Invite) {
    let secret = GroupSecret::generate();
    let id = GroupKey::new(&secret).id();
    (id, Invite { server, secret: *secret.as_bytes(), name })
}

/// The group that an invite leads into.
pub fn id_of(invite: &Invite) -> GroupId {
    GroupKey::new(&GroupSecret::from_bytes(invite.secret)).id()
}

/// Reads an invite as a person pasted it.
///
/// # Errors
/// What is wrong with it.
pub fn read_invite(text: &str) -> Result<Invite, Failure> {
    text.parse().map_err(bad_invite)
}

fn bad_invite(error: InviteError) -> Failure {
    let text = error.to_string();
    let (first, rest) = text.split_at_checked(1).unwrap_or_default();
    let what = match error {
        InviteError::NotAnInvite => What::NotAnInvite,
        InviteError::Version => What::LaterInvite,
        InviteError::Server => What::InviteServer,
    };
    Failure::new(FailureCode::BadInvite, format!("{}{rest}.", first.to_uppercase()))
        .because(what, [])
}

/// Refuses a server without encryption where that was not allowed.
pub fn check_encrypted(server: &ServerAddress, insecure_http: bool) -> Result<(), Failure> {
    if insecure_http || server.url().scheme() != "http" {
        return Ok(());
    }
    Err(server_failure(&server.text(), ServerFault::PlainHttp))
}

/// The server that answers at an address which a person typed, for its id to be compared before it is trusted.
///
/// # Errors
/// The address makes no sense, nobody answers there, or something else.
pub async fn look_at_server(url: &str, insecure_http: bool) -> Result<ServerFound, Failure> {
    let url = ServerAddress::read_url(url).map_err(bad_invite)?;
    // The id is filled in below; until then this is the written form of the address alone.
    let nobody = manyhands_peer::wire::Digest([0; 32]);
    let text = ServerAddress::new(url.as_str(), nobody, false).map_err(bad_invite)?.text();
    let looked = manyhands_peer::look_at_server(&url, insecure_http).await;
    let (hello, public_certificate) = looked.map_err(|fault| server_failure(&text, fault))?;
    Ok(ServerFound { server: text, server_id: hello.id.to_string(), public_certificate })
}

fn server_failure(server: &str, fault: ServerFault) -> Failure {
    let code = match fault {
        ServerFault::UnknownName => FailureCode::Dns,
        ServerFault::NoAnswer => FailureCode::Connect,
        ServerFault::OtherKey => FailureCode::ServerKey,
        ServerFault::NoServer => FailureCode::NoRendezvous,
        ServerFault::Clock => FailureCode::Clock,
        ServerFault::Busy | ServerFault::Refused => FailureCode::ServerError,
        ServerFault::PlainHttp => FailureCode::PlainHttp,
        ServerFault::TooMany => FailureCode::Internal,
    };
    let what = match fault {
        ServerFault::UnknownName => What::ServerName,
        ServerFault::NoAnswer => What::ServerSilent,
        ServerFault::OtherKey => What::ServerOther,
        ServerFault::NoServer => What::ServerNone,
        ServerFault::Clock => What::ServerClock,
        ServerFault::Busy => What::ServerBusy,
        // Too many are told of groups, never of a server that is looked at.
        ServerFault::Refused | ServerFault::TooMany => What::ServerRefuses,
        ServerFault::PlainHttp => What::ServerPlain,
    };
    Failure::new(code, format!("{server}: {fault}.")).because(what, [&server])
}

/// What to hand out.
///
/// # Errors
/// The stored invite cannot be read, which was seen when it was stored.
pub fn invite_view(group: &Group) -> Result<InviteView, Failure> {
    let link = Invite { name: GroupName::neutralised(&group.name), ..read_invite(&group.invite)? };
    Ok(InviteView {
        group: group.id.to_string(),
        name: group.name.clone(),
        server_id: link.server.id.to_string(),
        qr: qr(&link.to_string())?,
        link: link.to_string(),
    })
}

fn qr(text: &str) -> Result<Vec<String>, Failure> {
    let no_code = |_| Failure::new(FailureCode::Internal, "The invite fits into no QR code.");
    let code = QrCode::new(text).map_err(no_code)?;
    let letter = |color: &Color| if *color == Color::Dark { '1' } else { '0' };
    Ok(code.to_colors().chunks(code.width()).map(|row| row.iter().map(letter).collect()).collect())
}

/// A group for views, without its members; `None` where its invite cannot be read.
pub fn row(group: &Group, state: GroupState) -> Option<GroupRow> {
    let invite = read_invite(&group.invite).ok()?;
    Some(GroupRow {
        group: group.id.to_string(),
        name: group.name.clone(),
        server: invite.server.text(),
        server_id: invite.server.id.to_string(),
        state,
        callable: Callable::Unknown,
        listed: 0,
        reached: 0,
        members: Vec::new(),
    })
}

/// By name.
pub fn rows(
    groups: &BTreeMap<GroupId, Group>,
    row: impl FnMut(&Group) -> Option<GroupRow>,
) -> Vec<GroupRow> {
    let mut rows: Vec<_> = groups.values().filter_map(row).collect();
    rows.sort_by_cached_key(|row| (row.name.to_lowercase(), row.group.clone()));
    rows
}

/// The one group that is meant by its name, its id, or the beginning of its id.
///
/// # Errors
/// There is none, or more than one.
pub fn find<'a>(rows: &'a [GroupRow], text: &str) -> Result<&'a GroupRow, Failure> {
    let text = text.trim();
    let no_group = |message| Err(Failure::new(FailureCode::NoGroup, message));
    let lower = text.to_ascii_lowercase();
    let ids = |row: &&GroupRow| lower.len() >= MIN_ID_CHARS && row.group.starts_with(&lower);
    let names = |row: &&GroupRow| row.name.to_lowercase() == text.to_lowercase();
    let matching: Vec<_> = match rows.iter().filter(ids).collect::<Vec<_>>() {
        by_id if by_id.is_empty() => rows.iter().filter(names).collect(),
        by_id => by_id,
    };
    match matching.as_slice() {
        [row] => Ok(row),
        [] if rows.is_empty() => no_group("This device is in no group.".to_owned()),
        [] => no_group(format!("This device is in no group called {text:?}.")),
        [..] => {
            let ids: Vec<_> = matching.iter().map(|row| short(&row.group)).collect();
            no_group(format!(
                "More than one group is called {text:?}: give the beginning of an id, {}.",
                ids.join(" or ")
            ))
        }
    }
}

/// So much of a group's id may stand for the whole, where only one begins with it.
const MIN_ID_CHARS: usize = 8;

fn short(id: &str) -> &str {
    id.get(..MIN_ID_CHARS).unwrap_or(id)
}

/// How it stands with a group's server.
pub fn state(status: Option<&GroupStatus>, now: Instant) -> GroupState {
    use manyhands_peer::ServerLink::{Connecting, Online, Trouble};
    match status.map(|status| status.link) {
        None | Some(Connecting) => GroupState::Connecting,
        Some(Online) => GroupState::Online,
        Some(Trouble { why, retry_at }) => {
            let left = retry_at.saturating_duration_since(now).as_secs();
            GroupState::Trouble {
                why: trouble(why),
                retry_in_s: u32::try_from(left).unwrap_or(u32::MAX),
            }
        }
    }
}

/// Whether the server could call this device at `port`; of no interest while there is other trouble.
pub fn callable(status: Option<&GroupStatus>, port: u16) -> Callable {
    let online = status.filter(|status| status.link == ServerLink::Online);
    match online.map(|status| status.callable) {
        None | Some(manyhands_peer::Callable::Unknown) => Callable::Unknown,
        Some(manyhands_peer::Callable::Yes) => Callable::Yes,
        Some(manyhands_peer::Callable::No) => Callable::No { port },
    }
}

fn trouble(fault: ServerFault) -> ServerTrouble {
    match fault {
        ServerFault::UnknownName => ServerTrouble::UnknownName,
        ServerFault::NoAnswer => ServerTrouble::NoAnswer,
        ServerFault::OtherKey => ServerTrouble::OtherKey,
        ServerFault::NoServer => ServerTrouble::NoServer,
        ServerFault::Clock => ServerTrouble::Clock,
        ServerFault::Busy => ServerTrouble::Busy,
        ServerFault::Refused => ServerTrouble::Refused,
        ServerFault::PlainHttp => ServerTrouble::PlainHttp,
        ServerFault::TooMany => ServerTrouble::TooMany,
    }
}

/// An invite in messages between processes of one user: as its text.
pub mod as_text {
    use super::{Deserialize, Deserializer, Invite, Serializer};

    #[allow(clippy::borrowed_box, reason = "serde gives the field as it is")]
    pub fn serialize<S: Serializer>(invite: &Box<Invite>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(invite)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<Invite>, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map(Box::new).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(server: &str) -> ServerFound {
        let server_id = manyhands_peer::wire::Digest([9; 32]).to_string();
        ServerFound { server: server.to_owned(), server_id, public_certificate: false }
    }

    fn stored(id: GroupId, invite: &Invite) -> Group {
        let name = invite.name.as_str().to_owned();
        Group { id, invite: invite.to_string(), name, joined_unix_ms: 1, founder: true }
    }

    #[test]
    fn a_group_is_made_at_the_server_that_was_shown_and_its_invite_leads_there() {
        let (id, invite) = new_group(&found("https://a.example:8470"), " Dorm\u{202e} 7 ").unwrap();
        let view = invite_view(&stored(id, &invite)).unwrap();
        let read = read_invite(&view.link).unwrap();
        assert_eq!((id_of(&read), read.name.as_str()), (id, "Dorm 7"));
        assert_eq!(read.server.text(), "https://a.example:8470");
        assert_eq!(view.server_id, read.server.id.to_string());
        let (other, again) = new_group(&found("https://a.example:8470"), "Dorm 7").unwrap();
        assert_ne!((other, again.secret), (id, invite.secret), "every group has its own secret");
        let no_name = new_group(&found("https://a.example"), " \u{202e} ").unwrap_err();
        let nameless = (FailureCode::BadName, Some(What::NamelessGroup));
        assert_eq!((no_name.code, no_name.what), nameless);
        let nowhere = new_group(&found("ftp://a.example"), "x").unwrap_err();
        assert_eq!(nowhere.code, FailureCode::BadInvite);
    }

    #[test]
    fn a_qr_code_is_square_and_has_its_three_corners() {
        let (id, invite) = new_group(&found("https://a.example:8470"), "Dorm 7").unwrap();
        let qr = invite_view(&stored(id, &invite)).unwrap().qr;
        assert!(
            qr.iter()
                .all(|row| row.len() == qr.len() && row.bytes().all(|b| b == b'0' || b == b'1'))
        );
        let edge = "1111111";
        assert!(qr[0].starts_with(edge) && qr[0].ends_with(edge));
        assert!(qr[qr.len() - 1].starts_with(edge) && !qr[qr.len() - 1].ends_with(edge));
    }

    #[test]
    fn a_new_secret_is_another_group_at_the_same_server() {
        let (id, invite) = new_group(&found("https://a.example"), "Dorm 7").unwrap();
        let (other, rotated) = rotated(&invite);
        assert_eq!(
            (id_of(&rotated), &rotated.server, &rotated.name),
            (other, &invite.server, &invite.name)
        );
        assert_ne!(other, id);
    }

    #[test]
    fn a_group_is_found_by_its_name_or_the_beginning_of_its_id() {
        let row = |name: &str| {
            let (id, invite) = new_group(&found("https://a.example"), name).unwrap();
            row(&stored(id, &invite), GroupState::Off).unwrap()
        };
        let rows = [row("Dorm 7"), row("Lab"), row("lab")];
        assert_eq!(find(&rows, " dorm 7").unwrap(), &rows[0]);
        assert_eq!(find(&rows, &rows[2].group).unwrap(), &rows[2]);
        assert_eq!(find(&rows, &rows[1].group[..8].to_uppercase()).unwrap(), &rows[1]);
        let two = find(&rows, "Lab").unwrap_err();
        assert!(
            two.message.contains(&rows[1].group[..8]) && two.message.contains(&rows[2].group[..8]),
            "{two}"
        );
        for unknown in ["", "Dorm", &rows[0].group[..7]] {
            assert_eq!(find(&rows, unknown).unwrap_err().code, FailureCode::NoGroup, "{unknown}");
        }
        assert!(find(&[], "Lab").unwrap_err().message.contains("no group"));
    }

    #[test]
    fn whether_a_server_can_call_is_shown_while_it_is_connected() {
        use manyhands_peer::{Callable as Found, ServerLink};
        let now = Instant::now();
        let why = ServerFault::NoAnswer;
        let status = |link, callable| GroupStatus { link, callable, members: BTreeMap::new() };
        let shown = |link, found| callable(Some(&status(link, found)), 26_270);
        assert_eq!(shown(ServerLink::Online, Found::Yes), Callable::Yes);
        assert_eq!(shown(ServerLink::Online, Found::No), Callable::No { port: 26_270 });
        assert_eq!(shown(ServerLink::Online, Found::Unknown), Callable::Unknown);
        let away = ServerLink::Trouble { why, retry_at: now };
        assert_eq!(shown(away, Found::No), Callable::Unknown);
        assert_eq!(callable(None, 26_270), Callable::Unknown);
        let unused = ServerLink::Trouble { why: ServerFault::TooMany, retry_at: now };
        let expected = GroupState::Trouble { why: ServerTrouble::TooMany, retry_in_s: 0 };
        assert_eq!(state(Some(&status(unused, Found::Unknown)), now), expected);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        let (_, invite) = new_group(&found("http://a.example"), "x").unwrap();
        let plain = check_encrypted(&invite.server, false).unwrap_err();
        assert_eq!(plain.code, FailureCode::PlainHttp);
        assert!(plain.message.starts_with("http://a.example:8470: "), "{plain}");
        assert_eq!(check_encrypted(&invite.server, true), Ok(()));
        let secret = invite.to_string();
        let cut = read_invite(&secret.replace("&k=", "&k=!")).unwrap_err();
        assert_eq!(cut.code, FailureCode::BadInvite);
        assert!(cut.message.starts_with("This is no invite"), "{cut}");
        let key = secret.split("&k=").nth(1).unwrap().get(..10).unwrap();
        assert!(!cut.message.contains(key));
    }
}
