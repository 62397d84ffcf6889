//! Groups at rendezvous servers: how it stands with them, who is in them, and how one gets into them.

use std::fmt;

use manyhands_store::Meeting;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::NoWay;
#[cfg(doc)]
use super::Together;

/// A group at a rendezvous server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct GroupRow {
    /// Its id.
    pub group: String,
    /// What whoever made it called it.
    pub name: String,
    /// `https://HOST:PORT`.
    pub server: String,
    /// The server's id.
    pub server_id: String,
    pub state: GroupState,
    /// Whether its server could open a connection to this device: a hint.
    pub callable: Callable,
    /// How many are listed, without this device …
    pub listed: u32,
    /// … and how many of them are reached.
    pub reached: u32,
    /// Who is listed, where that is asked for: those who are reached first, then by name. At most 500.
    pub members: Vec<MemberRow>,
}

/// How it stands with a group's server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum GroupState {
    /// The setting is to find others on the local network alone, or nothing runs on the profile.
    Off,
    Connecting,
    /// This device is listed, and sees who else is.
    Online,
    /// It goes on by itself where that makes sense. Whoever was listed stays known meanwhile.
    Trouble {
        why: ServerTrouble,
        /// When it is tried again.
        retry_in_s: u32,
    },
}

/// Whether a rendezvous server could open a connection to this device, when it was asked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "callable", rename_all = "snake_case")]
#[ts(export)]
pub enum Callable {
    /// It was not asked, or does not say.
    Unknown,
    Yes,
    No {
        /// Where this device listens.
        port: u16,
    },
}

/// Why a rendezvous server is of no use now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ServerTrouble {
    /// Its name leads nowhere.
    UnknownName,
    /// Nobody answers there.
    NoAnswer,
    /// Another server answers there than the invite says.
    OtherKey,
    /// What answers there is no rendezvous server, or one of another version.
    NoServer,
    /// The clocks of this device and the server are too far apart.
    Clock,
    /// It takes nobody in at the moment, or this device asks too much.
    Busy,
    /// It refuses what this device says of itself.
    Refused,
    /// Its address is `http://`, without encryption, and this program was not told to put up with that.
    PlainHttp,
    /// This device is in groups of more servers, or in more groups of one, than it can use: this one is left out.
    TooMany,
}

/// Somebody who is listed in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct MemberRow {
    pub peer: String,
    /// What it calls itself; neutralised.
    pub name: String,
    pub friend: bool,
    pub reach: Reach,
}

/// Whether a member who is listed can be reached from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "reach", rename_all = "snake_case")]
#[ts(export)]
pub enum Reach {
    Reached {
        /// Where.
        address: String,
    },
    /// Reached over a connection that it has made itself, since it cannot be called.
    Called,
    /// It is being called.
    Trying,
    /// Nothing is known but that it is listed: in a large group everybody calls some of the others.
    Listed,
    /// It was asked to call here, since it cannot be called.
    Ringing,
    No {
        why: NoWay,
    },
}

/// How this device finds others, and how that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lookout {
    pub meeting: Meeting,
    /// Whether it announces itself and looks for others on the local network now.
    pub multicast: bool,
    /// As in [`Together`].
    pub groups: Vec<GroupRow>,
}

/// What a rendezvous server says of itself before it is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ServerFound {
    /// `https://HOST:PORT`, as it is written in invites.
    pub server: String,
    /// To be compared with what the server's log prints.
    pub server_id: String,
    /// Its certificate is one of the public kind.
    pub public_certificate: bool,
}

/// A group's invite. Whoever has it is a member.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct InviteView {
    pub group: String,
    pub name: String,
    pub server_id: String,
    /// `manyhands://join?…`
    pub link: String,
    /// The link as a QR code: rows of `0` (light) and `1` (dark), without the quiet zone.
    pub qr: Vec<String>,
}

impl fmt::Debug for InviteView {
    /// Never the link, nor its picture: they hold the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("InviteView");
        shown.field("group", &self.group).field("name", &self.name);
        shown.field("server_id", &self.server_id).finish_non_exhaustive()
    }
}
