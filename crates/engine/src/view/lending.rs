//! What this device does for others: who asks, what it gives now, and on what terms.

use manyhands_core::{AcceptRule, HelpMode, Hours, LendRule};
use manyhands_store::Settings;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[cfg(doc)]
use super::Together;

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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct BlockedRow {
    pub peer: String,
    /// What it called itself; may be empty.
    pub name: String,
}
