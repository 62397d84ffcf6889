//! Why a rendezvous server is of no use now.

use std::num::NonZeroU64;
use std::time::Duration;

use manyhands_wire::{Problem, ProblemCode};

/// What is wrong, by what somebody can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum ServerFault {
    #[error("the server's name leads nowhere")]
    UnknownName,
    #[error("nobody answers at the server's address")]
    NoAnswer,
    /// Nothing was sent to it but the hello of TLS, or, where its certificate is of the public kind, what opens a session.
    #[error("another server answers there than was expected")]
    OtherKey,
    #[error("what answers there is no rendezvous server, or one of another version")]
    NoServer,
    #[error("the clocks of this device and the server are too far apart")]
    Clock,
    #[error("the server takes nobody in at the moment, or is asked too much")]
    Busy,
    #[error("the server refuses what this device says")]
    Refused,
    /// Everybody on the way could read and change what is said.
    #[error("the server is reached by plain http, which has to be allowed")]
    PlainHttp,
    /// Nothing is tried: this device would have to leave some of its groups.
    #[error("this device is in groups of more servers, or in more groups of one, than it can use")]
    TooMany,
}

/// What has failed, and what is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) fault: ServerFault,
    /// Not before.
    pub(super) retry_after: Option<Duration>,
    /// What the server called it.
    pub(super) code: Option<ProblemCode>,
    /// Whether it came as an answer: whoever has said it is there, on a connection that is not dead.
    pub(super) answered: bool,
    /// With `record-old`: what the next record has to exceed.
    pub(super) last_seq: Option<u64>,
}

impl Failure {
    pub(super) fn of(fault: ServerFault) -> Self {
        Self { fault, retry_after: None, code: None, answered: false, last_seq: None }
    }

    /// An answer that is a problem.
    pub(super) fn problem(problem: &Problem) -> Self {
        use ProblemCode as Code;
        let code = problem.code();
        let fault = match (code, problem.status) {
            (Some(Code::ClockSkew), _) => ServerFault::Clock,
            // A session that is not known any more is no fault of what the device says: the server has begun anew.
            (
                Some(Code::TooMany | Code::Busy | Code::Internal | Code::TooSlow | Code::NoSession),
                _,
            ) => ServerFault::Busy,
            (Some(_), 400..=499) => ServerFault::Refused,
            (_, 429) => ServerFault::Busy,
            // Said by what stands before the server.
            (None, 502..=504) => ServerFault::NoAnswer,
            (_, 500..=599) => ServerFault::Busy,
            _ => ServerFault::NoServer,
        };
        let retry_after = problem.retry_after_ms.map(Duration::from_millis);
        let last_seq = problem.last_seq.map(NonZeroU64::get);
        Self { fault, retry_after, code, answered: true, last_seq }
    }
}
