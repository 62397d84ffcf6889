//! Plain data for front ends: what a window shows, and nothing that it would have to work out.
//!
//! TypeScript for the web UI is generated from here into `ui/src/generated/`. Byte counts travel as JSON numbers, which are
//! exact up to 2^53 − 1; larger files are refused when their length becomes known.

mod details;
mod downloads;
mod groups;
mod lending;
mod together;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use details::{Candidate, DownloadDetails, HistoryPoint, LimitView, LogLine};
pub use downloads::{
    Action, DownloadRow, FailureView, HelpReason, HelpRow, HelpState, RowState, SourceKind,
    SourceRow, VerificationView,
};
pub use groups::{
    Callable, GroupRow, GroupState, InviteView, Lookout, MemberRow, Reach, ServerFound,
    ServerTrouble,
};
pub use lending::{
    BlockedRow, Decision, HelpingRow, Lending, LendingChange, RequestRow, RuleRow, RuleTerms, Terms,
};
pub use together::{Found, NoWay, PairingRow, PairingState, PeerRow, Together};

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
    /// The place of the selected download among all that match, where it does.
    pub selected_index: Option<u32>,
    pub details: Option<DownloadDetails>,
    /// What concerns others; `null` without a network.
    pub together: Option<Together>,
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
