//! Errors of the protocol: problem documents (RFC 9457).

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::Text;
use crate::bounded::json_u64_option;

/// The media type of a [`Problem`].
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";
/// Texts of a problem are cut to so many bytes.
pub const MAX_PROBLEM_TEXT_BYTES: usize = 512;

const TYPE_PREFIX: &str = "urn:manyhands:problem:";

/// Why a request was not answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:manyhands:problem:` and the code; what programs decide by.
    #[serde(rename = "type", default)]
    pub kind: Text<MAX_PROBLEM_TEXT_BYTES>,
    /// English, for logs.
    #[serde(default)]
    pub title: Text<MAX_PROBLEM_TEXT_BYTES>,
    #[serde(default)]
    pub status: u16,
    /// English, the particulars, for logs: never shown to people as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Text<MAX_PROBLEM_TEXT_BYTES>>,
    /// With `origin-status`: what the origin answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_status: Option<u16>,
    /// Not before so many milliseconds it makes sense to try again.
    #[serde(default, with = "json_u64_option", skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// With `origin-not-satisfiable`: the length that the origin gave.
    #[serde(default, with = "json_u64_option", skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// With `record-old`: the sequence number that the next record of this device has to exceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<NonZeroU64>,
}

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $title:literal;)*) => {
        /// The problems that version 1 knows. The written form never changes once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemCode {
            $($(#[$doc])* $name,)*
        }

        impl ProblemCode {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable written form.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

problem_codes! {
    Malformed = "malformed", 400, "The request makes no sense";
    /// Also what another device gets for somebody else's request: whether it exists is nobody's
    /// business.
    UnknownRequest = "unknown-request", 404, "There is no such help request";
    NotFound = "not-found", 404, "There is nothing at this path";
    MethodNotAllowed = "method-not-allowed", 405, "This path does not take this method";
    TooSlow = "too-slow", 408, "The request took too long to arrive";
    /// Not accepted yet, or no source given yet.
    NotReady = "not-ready", 409, "The session is not ready for this";
    /// The bytes of a relay session come through tunnels, those of a fetch session as content.
    WrongMode = "wrong-mode", 409, "The session is of the other mode";
    /// Declined, expired, withdrawn, stopped, used up.
    SessionOver = "session-over", 410, "The session has ended";
    TooLarge = "too-large", 413, "The request is too large";
    BadRange = "bad-range", 416, "Exactly one range with a first and a last byte is needed";
    TooMany = "too-many", 429, "Too many at once";
    /// The link, or where it led, is on an origin that the helper has not agreed to.
    NotConsented = "not-consented", 403, "The helper has not agreed to this origin";
    /// The helper does not connect to that address: its own, its network's, its rules'.
    AddressRefused = "address-refused", 403, "The helper does not connect to this address";
    /// The rendezvous server does not know the token (any more): open a new session.
    NoSession = "no-session", 401, "There is no such session";
    /// A signature is wrong, or the challenge was not this server's, is too old or has been used.
    BadProof = "bad-proof", 403, "The proof does not hold";
    /// The session is for other groups.
    NotMember = "not-member", 403, "Not a member of this group";
    /// In the group that was named, as far as the one who asks may know.
    UnknownMember = "unknown-member", 404, "There is no such member";
    /// Forged, of another device or group, too long, or it makes no sense.
    RecordRefused = "record-refused", 422, "The presence record is refused";
    /// A newer record of the same device is there already.
    RecordOld = "record-old", 409, "The presence record is older than the last one";
    /// Expired or of the future: one of the two clocks is wrong. The detail has the server's time.
    ClockSkew = "clock-skew", 422, "The presence record is not valid at this time";
    /// The server calls the address that asks, and only unprivileged ports.
    ProbeRefused = "probe-refused", 403, "The server does not call this port";
    OriginStatus = "origin-status", 502, "The origin answered with an error";
    OriginUnreachable = "origin-unreachable", 502, "The origin cannot be reached from here";
    /// The helper got the whole file in place of a range.
    OriginIgnoresRanges = "origin-ignores-ranges", 502, "The origin ignores ranges";
    OriginNotSatisfiable = "origin-not-satisfiable", 502, "The origin has nothing at this offset";
    OriginChanged = "origin-changed", 502, "The origin serves other bytes than the requester knows";
    OriginBadAnswer = "origin-bad-answer", 502, "The origin's answer makes no sense";
    Busy = "busy", 503, "This device is busy";
    Internal = "internal", 500, "This device has made a mistake";
}

impl Problem {
    #[must_use]
    pub fn new(code: ProblemCode) -> Self {
        Self {
            kind: Text::cut(&format!("{TYPE_PREFIX}{}", code.as_str())),
            title: Text::cut(code.title()),
            status: code.status(),
            detail: None,
            origin_status: None,
            retry_after_ms: None,
            length: None,
            last_seq: None,
        }
    }

    #[must_use]
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.detail = Some(Text::cut(detail));
        self
    }

    /// `None` for a problem that this version does not know: decide by the status then.
    #[must_use]
    pub fn code(&self) -> Option<ProblemCode> {
        let code = self.kind.as_str().strip_prefix(TYPE_PREFIX)?;
        ProblemCode::ALL.iter().copied().find(|known| known.as_str() == code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Both texts may come from the network and go to logs and terminals.
        let neutral = |text: &str| crate::Label::<200>::neutralised(text).to_string();
        write!(f, "{} ({})", neutral(self.title.as_str()), self.status)?;
        match &self.detail {
            Some(detail) => write!(f, ": {}", neutral(detail.as_str())),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_reads_back_as_itself() {
        for code in ProblemCode::ALL {
            let json = serde_json::to_string(&Problem::new(*code)).unwrap();
            let back: Problem = serde_json::from_str(&json).unwrap();
            assert_eq!(back.code(), Some(*code));
            assert!((400..600).contains(&back.status), "{json}");
        }
    }

    #[test]
    fn a_problem_of_the_future_is_still_a_problem() {
        let json = r#"{"type":"urn:manyhands:problem:new-thing","status":418,"teapot":[1]}"#;
        let problem: Problem = serde_json::from_str(json).unwrap();
        assert_eq!((problem.code(), problem.status), (None, 418));
        assert_eq!(serde_json::from_str::<Problem>("{}").unwrap().code(), None);
    }
}
