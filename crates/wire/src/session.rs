//! What becomes of a help request, and how a help session ends.

use serde::{Deserialize, Serialize};

use crate::RequestId;
use crate::bounded::{json_u64, json_u64_option};

/// The answer to every request about a help request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelpRequestState {
    pub id: RequestId,
    /// Grows with every change of `state`. A long poll with `since` waits until it is greater.
    pub revision: u32,
    #[serde(flatten)]
    pub state: HelpState,
}

/// Where a help request is in its life: pending → accepted → ended, or one of the other ends
/// straight from pending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum HelpState {
    /// The helper's user, or a rule, decides.
    Pending {
        /// Seconds until it expires by itself.
        expires_in_s: u16,
    },
    Accepted {
        /// At most what was asked for; the session ends when it is used up.
        #[serde(with = "json_u64")]
        budget_bytes: u64,
    },
    Declined {
        #[serde(default)]
        reason: DeclineReason,
    },
    /// Nobody answered in time.
    Expired,
    /// The requester took it back before it was answered.
    Withdrawn,
    Ended(SessionEnd),
}

/// Why there is no help. Reasons that this version does not know read as [`DeclineReason::No`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeclineReason {
    NotLending,
    /// More requests than this helper wants to see. Ask again later, not before ten minutes.
    TooMany,
    /// This helper does not lend for one of the hosts.
    Host,
    #[default]
    #[serde(other)]
    No,
}

/// The last words of a help session, with what each side counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    pub by: Party,
    #[serde(default)]
    pub reason: EndReason,
    /// Content bytes that the helper handed to its network.
    #[serde(with = "json_u64")]
    pub sent_bytes: u64,
    /// Content bytes that arrived; only when the requester has said so.
    #[serde(default, with = "json_u64_option", skip_serializing_if = "Option::is_none")]
    pub received_bytes: Option<u64>,
    /// … and of those the ones that are in the file.
    #[serde(default, with = "json_u64_option", skip_serializing_if = "Option::is_none")]
    pub used_bytes: Option<u64>,
}

/// The body of `POST /v1/help-requests/{id}/end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndReport {
    #[serde(default)]
    pub reason: EndReason,
    #[serde(with = "json_u64")]
    pub received_bytes: u64,
    #[serde(with = "json_u64")]
    pub used_bytes: u64,
}

/// Who ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    Requester,
    Helper,
}

/// Why a session ended. Reasons that this version does not know read as [`EndReason::Other`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// The file is complete.
    Completed,
    /// The requester paused or removed the download, or took the request back.
    Cancelled,
    /// The helper has agreed to another request of this requester, which takes the place of this one.
    Replaced,
    /// The origin leads every request to an origin that was not agreed to.
    Elsewhere,
    /// This helper brought nothing that the others did not.
    NoGain,
    /// What it sent contradicts what the origin sends.
    Mismatch,
    /// The budget is used up.
    Budget,
    /// The helper's user stopped it.
    Stopped,
    /// Nothing was heard of the requester for too long.
    Lost,
    #[default]
    #[serde(other)]
    Other,
}

impl HelpState {
    /// Whether nothing more can happen to it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Pending { .. } | Self::Accepted { .. })
    }
}
