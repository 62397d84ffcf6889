//! What goes into the helper's desk and what comes out of it.

use std::net::IpAddr;
use std::time::Duration;

use super::{HelpAnswer, HelpEnd, HelpId, HostList, LendRule, LendTerms, LocalTime};
use crate::PeerId;

/// What the user's attention is worth. The defaults are start values taken from what LAN tools
/// allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeskBounds {
    /// A prompt that nobody answers goes away: 60 s.
    pub expiry: Duration,
    /// Prompts that one stranger's device may make in ten minutes: 3 …
    pub stranger_per_10_min: usize,
    /// … and in a day: 10.
    pub stranger_per_day: usize,
    /// Prompts from strangers behind one address in ten minutes, however many devices they say they
    /// are: 3.
    pub address_per_10_min: usize,
    /// Prompts from all strangers in ten minutes: 5. With [`Self::expiry`] this bounds the open
    /// ones too.
    pub strangers_per_10_min: usize,
    /// Prompts that one friend may make in a minute: 6.
    pub friend_per_min: usize,
    /// Open prompts of one friend: 3. A stranger has one at most.
    pub friend_open: usize,
    /// Open prompts of all friends: 16. Strangers have their own share.
    pub friends_open: usize,
    /// After so many refusals a stranger is not shown again for an hour: 2.
    pub declines_before_quiet: u32,
    /// After so many the user is offered to block it: 5.
    pub declines_before_block: u32,
    /// Sessions with one device: 4 downloads.
    pub sessions_per_device: usize,
    /// Sessions in all: 32 …
    pub sessions: usize,
    /// … and with strangers: 24. The rest is the friends'.
    pub strangers_sessions: usize,
    /// A requester that is there polls again within moments, at the latest after its pause of a
    /// second. A session that was quiet for so long ends when its device asks anew: a program that
    /// was killed and started again is not to be kept out by those of its earlier life. 3 s.
    pub deserted: Duration,
}

/// How the user stands to the device that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Stranger,
    Friend,
    Blocked,
}

/// A request that has just come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpAsk {
    pub id: HelpId,
    /// As the handshake has proved it.
    pub from: PeerId,
    /// Where the connection comes from.
    pub address: IpAddr,
    pub standing: Standing,
    /// Of all origins that it names.
    pub hosts: Vec<String>,
    /// The most that it asks for.
    pub budget_bytes: u64,
}

/// A fact for the desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskInput {
    Requested(HelpAsk),
    /// The user says yes; `budget_bytes` lowers what was asked for.
    UserAccepted {
        id: HelpId,
        budget_bytes: Option<u64>,
    },
    UserDeclined {
        id: HelpId,
    },
    /// The user stops a running session.
    UserStopped {
        id: HelpId,
    },
    /// The requester took a request back, or is gone.
    EndedByRequester {
        id: HelpId,
    },
    /// How many content bytes the session has sent in all, and for how long its requester has been
    /// quiet. Told often, and of all sessions of a device before one of its requests.
    Sent {
        id: HelpId,
        total_bytes: u64,
        quiet: Duration,
    },
    /// A session is over, by whosever hand, and has sent so much in all. Told once of each session
    /// that was accepted, also after [`DeskEffect::EndSession`].
    SessionOver {
        id: HelpId,
        total_bytes: u64,
    },
    /// The switch that ends all lending, and allows it. Off at the start.
    LendingSwitched {
        on: bool,
    },
    /// The user has changed the terms for all.
    TermsChanged(LendTerms),
    /// This friend is helped without a prompt, on these terms.
    RuleSet {
        peer: PeerId,
        rule: LendRule,
    },
    /// Sessions that nothing but the rule allowed end.
    RuleRemoved {
        peer: PeerId,
    },
    NeverHostsChanged(HostList),
    /// The user blocks a device: everything with it ends.
    PeerBlocked {
        peer: PeerId,
    },
    /// A friend is a stranger again: everything with it ends.
    FriendRemoved {
        peer: PeerId,
    },
    /// The clock on the wall.
    LocalTime(LocalTime),
    Tick,
}

/// An order to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeskEffect {
    /// Show the request to the user.
    Prompt { id: HelpId },
    /// Take the prompt away, wherever it is shown. Follows each `Prompt` exactly once.
    ClosePrompt { id: HelpId },
    /// Answer the requester. Exactly once a request, unless the requester ended it first.
    Answer { id: HelpId, answer: HelpAnswer },
    /// From now on the session may send so much a second; `None`: as fast as all together may.
    LimitSession { id: HelpId, bytes_per_s: Option<u64> },
    /// Cut the streams of the session and tell the requester. Exactly once a session, unless the
    /// requester ended it first.
    EndSession { id: HelpId, reason: HelpEnd },
}

/// A session in which this device helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LentSession {
    pub peer: PeerId,
    pub friend: bool,
    /// Nobody was asked: a rule for this peer allows it, and as long as it does.
    pub by_rule: bool,
    pub budget_bytes: u64,
    pub sent_bytes: u64,
    pub since: Duration,
    pub(super) hosts: Vec<String>,
    pub(super) quiet: Duration,
    /// As ordered last.
    pub(super) bytes_per_s: Option<u64>,
}

impl Default for DeskBounds {
    fn default() -> Self {
        Self {
            expiry: Duration::from_secs(60),
            stranger_per_10_min: 3,
            stranger_per_day: 10,
            address_per_10_min: 3,
            strangers_per_10_min: 5,
            friend_per_min: 6,
            friend_open: 3,
            friends_open: 16,
            declines_before_quiet: 2,
            declines_before_block: 5,
            sessions_per_device: 4,
            sessions: 32,
            strangers_sessions: 24,
            deserted: Duration::from_secs(3),
        }
    }
}
