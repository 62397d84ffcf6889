//! A link that the program was opened with, an invite or a link to download. It waits here until the page takes it: at a first
//! start there is no page yet, and what becomes of a link is asked there.
//!
//! Anything on this computer may have sent it, so nothing is done with it before the user has said yes.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longer ones are dropped: no invite is (1 KiB), and no link that anybody clicks.
const MAX_LINK_BYTES: usize = 8 << 10;

/// The last one that nobody has taken. An invite is a secret: it is never logged.
#[derive(Default)]
pub struct Brought(Mutex<Option<String>>);

impl Brought {
    /// Whether it is kept.
    pub fn keep(&self, link: String) -> bool {
        let link = Some(link).filter(|link| link.len() <= MAX_LINK_BYTES);
        let kept = link.is_some();
        if kept {
            *self.lock() = link;
        }
        kept
    }

    /// Each is given once.
    pub fn take(&self) -> Option<String> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_given_once_and_the_last_one_counts() {
        let brought = Brought::default();
        assert_eq!(brought.take(), None);
        assert!(brought.keep("manyhands://join?a".to_owned()));
        assert!(brought.keep("manyhands://join?b".to_owned()));
        assert_eq!(brought.take().as_deref(), Some("manyhands://join?b"));
        assert_eq!(brought.take(), None);
    }

    #[test]
    fn what_is_too_long_to_be_a_link_takes_no_place() {
        let brought = Brought::default();
        assert!(brought.keep("manyhands://join?a".to_owned()));
        assert!(!brought.keep("a".repeat(MAX_LINK_BYTES + 1)));
        assert_eq!(brought.take().as_deref(), Some("manyhands://join?a"));
    }
}
