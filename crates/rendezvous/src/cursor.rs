//! How far a reader has come: `<instance>-<number>`, to be handed back as it is.
//!
//! The instance stands for one start of the store and for the reader's set of groups: a cursor of another start, or of other groups, says nothing.

use std::fmt;

use manyhands_core::{GroupId, PeerId};
use sha2::{Digest, Sha256};

/// Where a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// Nothing is known yet.
    Start,
    /// Who is present is being said: all groups before `group` are done, and in that one everybody up to `after`. What happened
    /// since event `at` comes then.
    Snapshot { at: u64, group: u8, after: [u8; 8] },
    /// Everything up to this event is known.
    After(u64),
}

/// The written form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) instance: u64,
    pub(crate) position: Position,
}

impl Cursor {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let instance = hex(parts.next()?, 16)?;
        let number = parts.next()?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = number.parse().ok()?;
        let position = match parts.next() {
            None => Position::After(number),
            Some(place) => {
                let (group, after) = place.split_at_checked(2)?;
                let group = u8::try_from(hex(group, 2)?).ok()?;
                let after = hex(after, 16)?.to_be_bytes();
                Position::Snapshot { at: number, group, after }
            }
        };
        parts.next().is_none().then_some(Self { instance, position })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instance = self.instance;
        match self.position {
            Position::Start => Ok(()),
            Position::Snapshot { at, group, after } => {
                write!(f, "{instance:016x}-{at}-{group:02x}{:016x}", u64::from_be_bytes(after))
            }
            Position::After(number) => write!(f, "{instance:016x}-{number}"),
        }
    }
}

/// The instance of a store for readers of these groups, in whatever order.
pub(crate) fn instance_for(store: u64, groups: &[GroupId]) -> u64 {
    let mut sorted: Vec<_> = groups.iter().map(GroupId::as_bytes).collect();
    sorted.sort_unstable();
    let mut hash = Sha256::new();
    hash.update(store.to_be_bytes());
    sorted.into_iter().for_each(|group| hash.update(group));
    let hash: [u8; 32] = hash.finalize().into();
    hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// Enough of a device's id to go on behind it.
pub(crate) fn place_of(device: &PeerId) -> [u8; 8] {
    device.as_bytes().first_chunk().copied().unwrap_or_default()
}

fn hex(text: &str, digits: usize) -> Option<u64> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.bytes().all(lower))
        .then(|| u64::from_str_radix(text, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_itself_and_nothing_else_does() {
        for position in [
            Position::After(0),
            Position::After(u64::MAX),
            Position::Snapshot { at: u64::MAX, group: 31, after: [0xab; 8] },
        ] {
            let cursor = Cursor { instance: 0xfedc_ba98, position };
            assert!(cursor.to_string().len() <= 64);
            assert_eq!(Cursor::read(&cursor.to_string()), Some(cursor));
        }
        for bad in [
            "",
            "-",
            "1-2",
            "00000000fedcba98-",
            "00000000fedcba98-+1",
            "00000000FEDCBA98-1",
            "00000000fedcba98-1-",
            "00000000fedcba98-1-001",
            "00000000fedcba98-99999999999999999999999",
            "00000000fedcba98-1-000000000000000000-",
            "ä0000000fedcba9-1",
        ] {
            assert_eq!(Cursor::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn other_groups_are_another_instance_in_whatever_order_they_are() {
        let [a, b, c] = [1, 2, 3].map(|n| GroupId::from_digest([n; 32]));
        assert_eq!(instance_for(7, &[a, b]), instance_for(7, &[b, a]));
        assert_ne!(instance_for(7, &[a, b]), instance_for(7, &[a, b, c]));
        assert_ne!(instance_for(7, &[a]), instance_for(8, &[a]));
    }
}
