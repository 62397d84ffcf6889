//! Plain data for front ends: what a window shows, and nothing that it would have to work out.
//!
//! TypeScript for the web UI is generated from here into `ui/src/generated/`. Byte counts travel as JSON numbers, which are
//! exact up to 2^53 − 1; larger files are refused when their length becomes known.

use std::collections::BTreeMap;
use std::fmt;

use manyhands_core::{AcceptRule, Failure, HelpMode, Hours, LendRule};
use manyhands_store::{Meeting, Settings};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a front end wants to see.
#[derive(Clone, Debug, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct Query {
    pub filter: Filter,
    /// Part of the name or the host; empty: all.
    pub search: String,
    /// The first row wanted, counted from 0.
    pub first: u32,
    /// How many rows; at most 200 are given.
    pub count: u32,
    /// The download whose details are wanted.
    #[ts(type = "number | null")]
    pub selected: Option<u64>,
    /// How many peers are wanted at most; 500 are given.
    pub peers: u32,
    /// Whether the members of groups are wanted, and not only how many they are.
    pub members: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Filter {
    #[default]
    All,
    Active,
    Queued,
    Done,
}

/// What a front end needs to know once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Welcome {
    /// Where downloads go when nothing else is said.
    pub download_dir: String,
    /// When the profile was damaged and the list had to be rebuilt.
    pub recovered: Option<Recovered>,
    /// Why others cannot be met; the program works alone.
    pub network_failure: Option<FailureView>,
}

/// A list that was rebuilt from its last good copy. What was unfinished begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Recovered {
    /// How many are in it.
    pub downloads: u32,
    /// Where the damaged database was kept, if it was.
    pub set_aside: Option<String>,
    /// English.
    pub text: String,
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct View {
    /// Grows with every change of anything.
    #[ts(type = "number")]
    pub revision: u64,
    pub counts: Counts,
    /// Of all downloads together.
    #[ts(type = "number")]
    pub bytes_per_s: u64,
    /// Whether there is anything to pause, among all downloads …
    pub can_pause_all: bool,
    /// … and anything paused to go on with.
    pub can_resume_all: bool,
    /// How many rows match; `rows` holds the part that was asked for.
    pub matching: u32,
    pub rows: Vec<DownloadRow>,
    pub details: Option<DownloadDetails>,
    /// What concerns others; `null` without a network.
    pub together: Option<Together>,
}

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

/// One peer is always helped, on these terms, while this device lends at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct RuleRow {
    pub peer: String,
    pub name: String,
    #[serde(flatten)]
    pub terms: RuleTerms,
    /// Sent to this peer since midnight.
    #[ts(type = "number")]
    pub lent_today_bytes: u64,
}

/// How much, how fast and when one peer is always helped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct RuleTerms {
    /// From midnight to midnight, for this peer; 0: as much as for all.
    #[ts(type = "number")]
    pub daily_bytes: u64,
    /// For this peer; 0: as fast as for all.
    #[ts(type = "number")]
    pub bytes_per_s: u64,
    /// When; not given: always.
    #[ts(type = "{ fromMinute: number; toMinute: number } | null")]
    pub hours: Option<Hours>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct BlockedRow {
    pub peer: String,
    /// What it called itself; may be empty.
    pub name: String,
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

impl From<LendRule> for RuleTerms {
    fn from(rule: LendRule) -> Self {
        let LendRule { daily_bytes, bytes_per_s, hours } = rule;
        Self { daily_bytes, bytes_per_s, hours }
    }
}

impl From<RuleTerms> for LendRule {
    fn from(terms: RuleTerms) -> Self {
        let RuleTerms { daily_bytes, bytes_per_s, hours } = terms;
        Self { daily_bytes, bytes_per_s, hours: hours.filter(|hours| !hours.is_whole_day()) }
    }
}

/// Everything that says on what terms this device helps, and whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    pub lending: Lending,
    /// As in [`Together`], and so are the others.
    pub lent_today_bytes: u64,
    pub never_hosts: Vec<String>,
    pub rules: Vec<RuleRow>,
    pub blocked: Vec<BlockedRow>,
    /// Friends, blocked devices and whoever is online.
    pub devices: Vec<BlockedRow>,
}

/// The user's answer to a help request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum Decision {
    Help,
    /// And from now on without being asked, on these terms.
    HelpAlways {
        terms: RuleTerms,
    },
    NotNow,
    /// And never hear of this device again.
    Block,
}

/// Whether and how this device helps others. Stored; off until it is switched on once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Lending {
    /// Switched off, all running sessions and waiting requests end at once.
    pub on: bool,
    /// Whose help requests are accepted without a question.
    #[ts(type = "'ask' | 'friends' | 'all'")]
    pub accept: AcceptRule,
    /// Also fetch from private, unique-local and carrier-grade NAT addresses.
    pub allow_private_origins: bool,
    /// For all requesters together, from midnight to midnight; 0: no bound.
    #[ts(type = "number")]
    pub daily_bytes: u64,
    /// For all requesters together; 0: no limit.
    #[ts(type = "number")]
    pub bytes_per_s: u64,
    /// When; not given: always.
    #[ts(type = "{ fromMinute: number; toMinute: number } | null")]
    pub hours: Option<Hours>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Counts {
    pub all: u32,
    pub active: u32,
    pub queued: u32,
    pub done: u32,
}

/// One download in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct DownloadRow {
    #[ts(type = "number")]
    pub id: u64,
    /// The file's name; while nobody has answered yet, the last part of the link.
    pub name: String,
    /// Without user name and password.
    pub url: String,
    pub host: String,
    pub state: RowState,
    /// On disk.
    #[ts(type = "number")]
    pub bytes: u64,
    /// `null` while unknown.
    #[ts(type = "number | null")]
    pub total: Option<u64>,
    #[ts(type = "number")]
    pub bytes_per_s: u64,
    /// Seconds that are left at this throughput; `null` when that cannot be said.
    #[ts(type = "number | null")]
    pub remaining_s: Option<u64>,
    pub sources: Vec<SourceRow>,
    /// The peers that were asked, and what they said.
    pub help: Vec<HelpRow>,
    pub failure: Option<FailureView>,
    pub verification: Option<VerificationView>,
    /// The finished file's SHA-256, where it was needed.
    pub sha256: Option<String>,
    /// Spent downloading, over all runs.
    pub active_s: f64,
    /// The finished file; absolute.
    pub path: Option<String>,
    /// What the row's buttons can do now.
    pub actions: Vec<Action>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum RowState {
    /// Waits for its turn.
    Queued,
    /// Waits for the first answer, or for a pause that the server asked for.
    Connecting,
    Downloading,
    /// All bytes are there; the digest is computed, the file is put in its place.
    Finishing,
    Paused,
    Completed,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Action {
    Pause,
    /// Also tries a failed one again.
    Resume,
    /// From the list; the finished file stays.
    Remove,
    OpenFolder,
}

/// One source of a download. Its place in the list is its colour: 0 is you.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct SourceRow {
    pub kind: SourceKind,
    /// How a helper brings it; `null` for the origin.
    #[ts(type = "'fetch' | 'relay' | null")]
    pub mode: Option<HelpMode>,
    /// The helper's device id; empty for the origin.
    pub peer: String,
    pub name: String,
    /// Payload bytes received over all runs, kept or not.
    #[ts(type = "number")]
    pub bytes: u64,
    #[ts(type = "number")]
    pub bytes_per_s: u64,
    /// Open connections.
    pub connections: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum SourceKind {
    Origin,
    Helper,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct FailureView {
    /// Stable; front ends translate by it.
    pub code: String,
    /// English.
    pub message: String,
    /// English.
    pub hint: String,
    /// What exactly happened, where that is known: front ends make a sentence of it …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub what: Option<String>,
    /// … with these, by name: hosts, numbers, paths.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[ts(as = "Option<BTreeMap<String, String>>", optional)]
    pub parts: BTreeMap<String, String>,
}

impl From<Failure> for FailureView {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code.as_str().to_owned(),
            hint: failure.code.hint().to_owned(),
            message: failure.message,
            what: failure.what.map(|what| what.as_str().to_owned()),
            parts: failure.parts,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(export)]
pub enum VerificationView {
    Verified,
    FromServer,
    Consistent,
    Unchecked,
}

/// What is shown of the selected download beside its row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct DownloadDetails {
    #[ts(type = "number")]
    pub id: u64,
    /// The selected download itself: it may be none of the rows that were asked for.
    pub row: DownloadRow,
    /// Bytes a piece; 0 while the length is unknown.
    #[ts(type = "number")]
    pub piece_bytes: u64,
    pub pieces: u32,
    /// The piece map in at most 512 cells: who brought most of a cell (index into the row's `sources`, −1: nobody yet) …
    pub cell_sources: Vec<i16>,
    /// … and how much of it is there, in percent.
    pub cell_percent: Vec<u8>,
    /// The last two minutes, the oldest first.
    pub history: Vec<HistoryPoint>,
    /// The newest last; at most 50.
    pub log: Vec<LogLine>,
    /// Who could be asked for help: who is online and neither asked nor helping now, in the order of [`Together::peers`]; at
    /// most 100. Empty where help is of no use: the download does not run, or its link carries a password.
    pub candidates: Vec<Candidate>,
    /// What keeps this device from getting more from the server by itself, once that was measured.
    pub limit: Option<LimitView>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum LimitView {
    /// More connections bring nothing more: it is what the server gives one address, or what the line carries. Others, with their
    /// own addresses and lines, would bring more.
    Address,
    /// The server refuses more connections.
    Connections,
}

/// What is to change of a [`Lending`]; the rest stays as it is at that moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export, optional_fields)]
pub struct LendingChange {
    pub on: Option<bool>,
    #[ts(optional, type = "'ask' | 'friends' | 'all'")]
    pub accept: Option<AcceptRule>,
    pub allow_private_origins: Option<bool>,
    #[ts(optional, type = "number")]
    pub daily_bytes: Option<u64>,
    #[ts(optional, type = "number")]
    pub bytes_per_s: Option<u64>,
    /// From a minute of the day to another; the same one twice: always.
    #[ts(optional, type = "{ fromMinute: number; toMinute: number }")]
    pub hours: Option<Hours>,
}

impl Lending {
    /// As it is set in the profile.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self {
            on: settings.lending,
            accept: settings.lend_accept,
            allow_private_origins: settings.lend_private_origins,
            daily_bytes: settings.lend_daily_bytes,
            bytes_per_s: settings.lend_bytes_per_s,
            hours: settings.lend_hours,
        }
    }

    /// Writes it into the settings of the profile.
    pub fn put(self, settings: &mut Settings) {
        settings.lending = self.on;
        settings.lend_accept = self.accept;
        settings.lend_private_origins = self.allow_private_origins;
        settings.lend_daily_bytes = self.daily_bytes;
        settings.lend_bytes_per_s = self.bytes_per_s;
        settings.lend_hours = self.hours;
    }

    #[must_use]
    pub fn with(self, change: LendingChange) -> Self {
        Self {
            on: change.on.unwrap_or(self.on),
            accept: change.accept.unwrap_or(self.accept),
            allow_private_origins: change
                .allow_private_origins
                .unwrap_or(self.allow_private_origins),
            daily_bytes: change.daily_bytes.unwrap_or(self.daily_bytes),
            bytes_per_s: change.bytes_per_s.unwrap_or(self.bytes_per_s),
            hours: change.hours.or(self.hours).filter(|hours| !hours.is_whole_day()),
        }
    }
}

/// A peer that could be asked for help with one download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Candidate {
    pub peer: String,
    pub name: String,
    pub friend: bool,
    /// Whether it says that requests are welcome.
    pub lending: bool,
    /// Whether the rules would ask it by themselves. Another one is asked only when the user names it, which is the user's
    /// word that it may learn the link.
    pub proposed: bool,
    /// How it would help: `relay` learns neither link nor content, `fetch` learns both.
    #[ts(type = "'fetch' | 'relay'")]
    pub mode: HelpMode,
    /// Whether it could help where only carrying the connection is wanted …
    pub relays: bool,
    /// … and where only fetching is.
    pub fetches: bool,
    /// Its last answer for this download.
    pub state: Option<HelpState>,
}

/// One second of a download.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct HistoryPoint {
    /// Bytes received in this second, one number a source, in the order of the row's `sources`.
    #[ts(type = "number[]")]
    pub bytes_per_s: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct LogLine {
    #[ts(type = "number")]
    pub at_unix_ms: u64,
    /// English.
    pub text: String,
    /// Why, where it tells of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub failure: Option<FailureView>,
}

/// A peer that one download has asked for help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct HelpRow {
    pub peer: String,
    pub name: String,
    pub state: HelpState,
    /// Why it declined, or why it ended; `null` while it helps or has not answered.
    pub reason: Option<HelpReason>,
}

/// Why there is no help, or no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum HelpReason {
    /// Its user said no.
    No,
    NotLending,
    TooMany,
    /// It does not lend for this server.
    Host,
    Completed,
    Cancelled,
    /// The server sends everything to another server, which it has not agreed to.
    Elsewhere,
    /// It brought nothing that this device does not get without it: most often both have the same public address.
    NoGain,
    /// What it sent is not what the server sends. It is not asked again.
    Mismatch,
    /// Its budget is used up.
    Budget,
    /// Its user stopped it.
    Stopped,
    Lost,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum HelpState {
    Asked,
    Accepted,
    Declined,
    Expired,
    /// It cannot be reached any more.
    Lost,
    /// Was there, and is done: stopped, used up, or not needed any more.
    Ended,
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

/// A help request that waits for this user's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct RequestRow {
    pub id: String,
    pub peer: String,
    /// What the requester calls itself; neutralised.
    pub name: String,
    pub friend: bool,
    #[ts(type = "'fetch' | 'relay'")]
    pub mode: HelpMode,
    /// The servers that this device would connect to, under its own address.
    pub origins: Vec<String>,
    /// Told to friends only.
    pub file_name: Option<String>,
    #[ts(type = "number | null")]
    pub size_bytes: Option<u64>,
    /// The most that it would cost.
    #[ts(type = "number")]
    pub budget_bytes: u64,
    #[ts(type = "number")]
    pub expires_in_s: u64,
    /// This stranger was declined so often that blocking it should be offered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(optional, as = "Option<bool>")]
    pub offer_block: bool,
}

/// A session in which this device helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct HelpingRow {
    pub id: String,
    pub peer: String,
    pub name: String,
    #[ts(type = "'fetch' | 'relay'")]
    pub mode: HelpMode,
    pub origins: Vec<String>,
    /// Told to friends only.
    pub file_name: Option<String>,
    #[ts(type = "number | null")]
    pub size_bytes: Option<u64>,
    #[ts(type = "number")]
    pub budget_bytes: u64,
    #[ts(type = "number")]
    pub sent_bytes: u64,
    #[ts(type = "number")]
    pub bytes_per_s: u64,
}
