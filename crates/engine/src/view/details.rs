//! What is shown of one download beside its row.

use manyhands_core::HelpMode;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[cfg(doc)]
use super::Together;
use super::{DownloadRow, FailureView, HelpState};

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
    /// How it would help: `relay` learns neither link nor content, `fetch` learns both. Nothing: only where the user wishes for one
    /// way in so many words.
    #[ts(type = "'fetch' | 'relay' | null")]
    pub mode: Option<HelpMode>,
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
