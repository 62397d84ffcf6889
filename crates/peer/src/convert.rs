//! Between the words of the wire and those of the core.

use manyhands_core::{
    EntityTag, HelpAnswer, HelpDecline, HelpEnd, HelpId, HelpMode, Identity, Validator,
};
use manyhands_wire::{
    DeclineReason, EndReason, HelpState, Mode, RequestId, Source, SourceValidator, Text,
};

pub(crate) fn help_id(id: RequestId) -> HelpId {
    HelpId(id.0)
}

pub(crate) fn request_id(id: HelpId) -> RequestId {
    RequestId(id.0)
}

/// What the other side is asked to do.
#[must_use]
pub fn help_mode(mode: Mode) -> HelpMode {
    match mode {
        Mode::Fetch => HelpMode::Fetch,
        Mode::Relay => HelpMode::Relay,
    }
}

/// The same on the wire.
#[must_use]
pub fn wire_mode(mode: HelpMode) -> Mode {
    match mode {
        HelpMode::Fetch => Mode::Fetch,
        HelpMode::Relay => Mode::Relay,
    }
}

/// The state that an answer leads to.
pub(crate) fn state_of(answer: HelpAnswer) -> HelpState {
    match answer {
        HelpAnswer::Accept { budget_bytes } => HelpState::Accepted { budget_bytes },
        HelpAnswer::Expire => HelpState::Expired,
        HelpAnswer::Decline(reason) => HelpState::Declined {
            reason: match reason {
                HelpDecline::No => DeclineReason::No,
                HelpDecline::NotLending => DeclineReason::NotLending,
                HelpDecline::TooMany => DeclineReason::TooMany,
                HelpDecline::Host => DeclineReason::Host,
            },
        },
    }
}

/// The answer that a state stands for; `None` while there is none, or once the session is over.
pub(crate) fn answer_of(state: &HelpState) -> Option<HelpAnswer> {
    match state {
        HelpState::Accepted { budget_bytes } => {
            Some(HelpAnswer::Accept { budget_bytes: *budget_bytes })
        }
        HelpState::Expired => Some(HelpAnswer::Expire),
        HelpState::Declined { reason } => Some(HelpAnswer::Decline(match reason {
            DeclineReason::No => HelpDecline::No,
            DeclineReason::NotLending => HelpDecline::NotLending,
            DeclineReason::TooMany => HelpDecline::TooMany,
            DeclineReason::Host => HelpDecline::Host,
        })),
        HelpState::Pending { .. } | HelpState::Withdrawn | HelpState::Ended(_) => None,
    }
}

macro_rules! same_words {
    ($($word:ident),*) => {
        pub(crate) fn end_reason(end: HelpEnd) -> EndReason {
            match end { $(HelpEnd::$word => EndReason::$word),* }
        }

        /// Why the other side says that a session ended.
        #[must_use]
        pub fn help_end(reason: EndReason) -> HelpEnd {
            match reason { $(EndReason::$word => HelpEnd::$word),* }
        }
    };
}

same_words!(
    Completed, Cancelled, Replaced, Elsewhere, NoGain, Mismatch, Budget, Stopped, Lost, Other
);

pub(crate) fn identity_of(source: &Source) -> Identity {
    let validator = source.validator();
    Identity {
        length: source.length(),
        validator: Validator {
            etag: validator.etag.as_ref().and_then(|etag| EntityTag::parse(etag.as_str())),
            last_modified_unix_s: validator.last_modified_unix_s,
        },
    }
}

pub(crate) fn source_validator(validator: &Validator) -> SourceValidator {
    SourceValidator {
        etag: validator.etag.as_ref().and_then(|etag| Text::new(etag_text(etag)).ok()),
        last_modified_unix_s: validator.last_modified_unix_s,
    }
}

/// As in the header.
pub(crate) fn etag_text(etag: &EntityTag) -> String {
    format!("{}{}", if etag.weak { "W/" } else { "" }, etag.opaque)
}
