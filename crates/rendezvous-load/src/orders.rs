//! What a process of the crowd is told, and what it answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::figures::Spread;

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Order {
    /// Clients come online, so many at a time, and stay: they say that they are there when the server wants it.
    Join { first: u32, count: u32, at_once: usize, streams: bool },
    /// Everybody does something at this pace for a time, after which all is as before.
    Hurry {
        what: Work,
        every_ms: u64,
        seconds: u64,
        /// A new connection for each.
        #[serde(default)]
        fresh: bool,
        /// Only who is in these groups; nobody named: all.
        #[serde(default)]
        groups: Vec<u32>,
    },
    /// Strangers join one after another, stay for a moment, and leave.
    Visit { first: u32, count: u32, every_ms: u64, stay_ms: u64 },
    /// Somebody opens a stream of so many groups and does not read.
    Doze { first: u32, groups: u32 },
    /// The same one reads what has come until then, and says how it ends.
    Wake,
    /// What has happened since the last order of this kind.
    Tell,
}

/// What a client can do again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Say that it is still there.
    #[default]
    Announce,
    /// Say that it has other addresses, which is news for others.
    Move,
    /// Ask who is there.
    LookUp,
}

/// The answer to every order; what does not concern it is 0 or empty.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Answer {
    /// How often it was done …
    pub done: u64,
    /// … and how long one took, in milliseconds.
    pub took_ms: Option<Spread>,
    /// What did not work, and how often.
    pub failed: BTreeMap<String, u64>,
    /// Entries in the lists that were looked up.
    pub entries: u64,
    /// TLS connections made.
    pub handshakes: u64,
    /// Events that streams have brought.
    pub events: u64,
    /// From a visitor's announcement to the stream of a member of its group, in milliseconds.
    pub seen_ms: Option<Spread>,
    /// Streams that ended without having been asked to.
    pub lost_streams: u64,
    /// The moments, in milliseconds since 1970, at which clients came online.
    pub arrived_at_ms: Vec<u64>,
    /// Of [`Order::Wake`]: bytes that were there, and whether the stream had been ended.
    pub dozed: Option<Dozed>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Dozed {
    pub bytes: u64,
    pub cut: bool,
}
