//! Help sessions, decided: the helper's desk ([`HelpDesk`]) and one download's helpers
//! ([`HelpWanted`]).
//!
//! A help request is in exactly one state at any time: pending, accepted, or over; what is over
//! never comes back. Both types are sans-IO: facts in with the time since some fixed instant,
//! orders out.

#[cfg(test)]
mod again_tests;
mod ask;
mod attention;
mod desk;
mod desk_io;
mod gain;
mod hosts;
mod ledger;
mod policy;
mod terms;
#[cfg(test)]
mod terms_tests;
#[cfg(test)]
mod tests;
mod wanted;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use ask::{Ask, AskError, AskTerms, AskedPeer, Candidacy, LinkFacts, ModeWish, is_relayable};
pub use desk::HelpDesk;
pub use desk_io::{DeskBounds, DeskEffect, DeskInput, HelpAsk, LentSession, Standing};
pub(crate) use gain::{Gain, GainOrder, Seen};
pub use hosts::{HostList, HostListError};
pub use ledger::{Ledger, LentDay, LocalTime};
pub use policy::AskPolicy;
pub use terms::{Hours, HoursError, LendRule, LendTerms};
pub use wanted::{AskState, HelpWanted, WantedBounds, WantedEffect, WantedInput};

/// The name of one help request, as on the wire: given by the helper, at random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HelpId(pub u128);

/// What a helper answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HelpAnswer {
    /// Up to so many bytes, never more than were asked for.
    Accept {
        budget_bytes: u64,
    },
    Decline(HelpDecline),
    /// Nobody answered in time.
    Expire,
}

/// What a helper does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HelpMode {
    /// Fetches ranges from the origin and passes them on. It sees the link, and what it sends is
    /// not authenticated.
    Fetch,
    /// Carries the requester's own TLS connections to the origin: it can neither read nor change
    /// a byte.
    Relay,
}

/// Whose help requests are accepted without asking the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcceptRule {
    /// Nobody's.
    #[default]
    Ask,
    Friends,
    All,
}

/// Why there is no help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HelpDecline {
    /// The user said no, or does not want to be asked again so soon. Which of both is nobody's
    /// business.
    No,
    NotLending,
    /// More requests or sessions than the bounds allow.
    TooMany,
    /// The user does not lend for one of the hosts.
    Host,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HelpEnd {
    /// The file is complete.
    Completed,
    /// The requester paused or removed the download.
    Cancelled,
    /// A session with more hosts has taken its place.
    Replaced,
    /// The server leads every request to a host that was not agreed to.
    Elsewhere,
    /// The helper brought nothing that the others did not.
    NoGain,
    /// What it sent contradicts what the origin sends.
    Mismatch,
    /// The budget is used up.
    Budget,
    /// The helper's user stopped it.
    Stopped,
    /// The other side is gone.
    Lost,
    Other,
}

impl fmt::Display for HelpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for HelpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HelpId({:08x}…)", self.0 >> 96)
    }
}
