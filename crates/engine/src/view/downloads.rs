//! A download as one row of the list shows it.

use std::collections::BTreeMap;

use manyhands_core::{Failure, HelpMode};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

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
#[serde(rename_all = "kebab-case")]
#[ts(export)]
pub enum VerificationView {
    Verified,
    FromServer,
    Consistent,
    Unchecked,
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
