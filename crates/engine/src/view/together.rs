//! Other devices: who is there, how they were found, and what is between them and this one.

use manyhands_store::Meeting;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{BlockedRow, GroupRow, HelpingRow, Lending, RequestRow, RuleRow};

/// Other devices, and what is between them and this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Together {
    /// This device's id …
    pub device: String,
    /// … and what others see of it.
    pub name: String,
    /// The TCP port on which others reach it.
    pub port: u16,
    pub lending: Lending,
    /// How many peers are online; `peers` holds as many as were asked for.
    pub online: u32,
    /// Those who bring something now first, then who is online, friends before others, then by name.
    pub peers: Vec<PeerRow>,
    /// Friends' first, then the one that goes away first.
    pub requests: Vec<RequestRow>,
    pub helping: Vec<HelpingRow>,
    /// Content that this device sends to all requesters together.
    #[ts(type = "number")]
    pub lent_bytes_per_s: u64,
    /// Sent to all requesters since midnight; counts against [`Lending::daily_bytes`].
    #[ts(type = "number")]
    pub lent_today_bytes: u64,
    /// Hosts that this device never lends for, those beneath them included.
    pub never_hosts: Vec<String>,
    /// Whom this device always helps, by name.
    pub rules: Vec<RuleRow>,
    /// Devices that cannot come in, by name.
    pub blocked: Vec<BlockedRow>,
    /// What is being paired, or was a moment ago; the oldest first.
    pub pairings: Vec<PairingRow>,
    /// How others are found.
    #[ts(type = "'automatic' | 'lan_only' | 'server_only'")]
    pub meeting: Meeting,
    /// The groups that this device is in, by name.
    pub groups: Vec<GroupRow>,
}

/// Another device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct PeerRow {
    /// Its device id.
    pub peer: String,
    pub name: String,
    pub online: bool,
    pub friend: bool,
    /// A friend whose code was compared on both screens.
    pub paired: bool,
    /// Another device answers where this friend was: it may have a new key, or somebody pretends to be it.
    pub other_key: bool,
    /// Whether it says that requests are welcome.
    pub lending: bool,
    pub addresses: Vec<String>,
    /// How this device has heard of it.
    pub found: Vec<Found>,
    /// Where it was reached, while it is online; not given where it has called, since it cannot be called.
    pub reached: Option<String>,
    /// It is reached over a connection that it has made itself, since it cannot be called: nobody knows where it could be.
    pub called: bool,
    /// Why not, of one that is said to be there.
    pub no_way: Option<NoWay>,
    /// Downloads of this device that it helps with now …
    pub helps_with: u32,
    /// … and what it brings for them.
    #[ts(type = "number")]
    pub bytes_per_s: u64,
}

/// How this device has heard of a peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(tag = "by", rename_all = "snake_case")]
#[ts(export)]
pub enum Found {
    /// By multicast on the local network.
    Lan,
    /// It was reached before, or its address was given.
    Known,
    /// A rendezvous server lists it.
    Group {
        /// What the group is called.
        name: String,
    },
}

/// Why somebody who is said to be there cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum NoWay {
    /// Packets are swallowed: a firewall on the other device, or a network that keeps its clients apart.
    NoAnswer,
    /// The other computer refuses the port: Manyhands has just ended there, or a firewall refuses.
    Refused,
    /// There is no way to that network from here.
    NoRoute,
    /// Another device answers there.
    OtherDevice,
    /// It has published no address.
    NoAddress,
}

/// Two devices make sure, by a code on both screens, that they are those of two people who know each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct PairingRow {
    pub id: String,
    pub peer: String,
    /// What the other device calls itself; neutralised.
    pub name: String,
    /// Whether the other device began.
    pub incoming: bool,
    /// Six digits; both screens must show the same. `null` until the other device has answered.
    pub code: Option<String>,
    pub state: PairingState,
    #[ts(type = "number")]
    pub expires_in_s: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum PairingState {
    /// The code is on its way.
    Connecting,
    /// This user is to say whether the codes are the same.
    Compare,
    /// This user said so; the other one has not yet.
    WaitingForOther,
    /// Both said so: friends, for sure.
    Paired,
    /// One of both said that the codes differ, or does not want to.
    Refused,
    /// Nobody answered in time.
    Expired,
    /// The other device broke the rules of pairing: somebody may be between. Nothing has changed.
    Cheated,
    /// The other device could not be reached, or is asked too often.
    Failed,
}
