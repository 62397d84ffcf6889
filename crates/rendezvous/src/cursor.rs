//! How far a reader has come, to be handed back as it is: sealed, so that it says nothing to anybody but this store.
//!
//! Changes are numbered over all groups. Who could read the numbers would learn how much goes on in groups of others.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use data_encoding::BASE64URL_NOPAD;
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

/// Writes cursors and reads those that it wrote: `nonce ‖ sealed`, as base64url. Those of an earlier start are nobody's.
pub(crate) struct Cursors(LessSafeKey);

/// For which groups a cursor is good: of others it says nothing.
pub(crate) type OfGroups = [u8; 32];

/// The groups of a reader, in whatever order.
pub(crate) fn of_groups(groups: &[GroupId]) -> OfGroups {
    let mut sorted: Vec<_> = groups.iter().map(GroupId::as_bytes).collect();
    sorted.sort_unstable();
    let mut hash = Sha256::new();
    sorted.into_iter().for_each(|group| hash.update(group));
    hash.finalize().into()
}

impl Cursors {
    /// # Panics
    /// The operating system has no random numbers.
    #[allow(clippy::expect_used, reason = "nothing can be done without random numbers")]
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        rand::fill(&mut key).expect("random numbers of the operating system");
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &key).expect("a key")))
    }

    /// `None` at the start, and for want of random numbers: who has no cursor begins anew.
    pub(crate) fn write(&self, groups: &OfGroups, position: Position) -> Option<String> {
        let mut text = Vec::with_capacity(48);
        match position {
            Position::Start => return None,
            Position::After(number) => text.extend(number.to_be_bytes()),
            Position::Snapshot { at, group, after } => {
                text.extend(at.to_be_bytes());
                text.push(group);
                text.extend(after);
            }
        }
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let sealing = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(sealing, Aad::from(groups), &mut text).ok()?;
        Some(BASE64URL_NOPAD.encode(&[nonce.as_slice(), &text].concat()))
    }

    pub(crate) fn read(&self, groups: &OfGroups, cursor: &str) -> Option<Position> {
        let sealed = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = &*self.0.open_in_place(nonce, Aad::from(groups), &mut text).ok()?;
        let (number, place) = text.split_first_chunk()?;
        let number = u64::from_be_bytes(*number);
        match place {
            [] => Some(Position::After(number)),
            [group, after @ ..] => {
                let after = after.try_into().ok()?;
                Some(Position::Snapshot { at: number, group: *group, after })
            }
        }
    }
}

impl fmt::Debug for Cursors {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursors").finish_non_exhaustive()
    }
}

/// Enough of a device's id to go on behind it.
pub(crate) fn place_of(device: &PeerId) -> [u8; 8] {
    device.as_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(n: u8) -> GroupId {
        GroupId::from_digest([n; 32])
    }

    #[test]
    fn a_cursor_reads_back_as_itself_and_nothing_else_does() {
        let (cursors, groups) = (Cursors::new(), of_groups(&[group(1)]));
        for position in [
            Position::After(0),
            Position::After(u64::MAX),
            Position::Snapshot { at: u64::MAX, group: 31, after: [0xab; 8] },
        ] {
            let cursor = cursors.write(&groups, position).unwrap();
            assert!(cursor.len() <= 64, "{}", cursor.len());
            assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            assert_eq!(cursors.read(&groups, &cursor), Some(position));
            for at in 0..cursor.len() {
                let mut other = cursor.clone().into_bytes();
                other[at] = if other[at] == b'A' { b'B' } else { b'A' };
                let other = String::from_utf8(other).unwrap();
                assert_eq!(cursors.read(&groups, &other), None, "{other}");
            }
            assert_eq!(Cursors::new().read(&groups, &cursor), None, "of another start");
        }
        assert_eq!(cursors.write(&groups, Position::Start), None);
        for bad in ["", "-", "0123456789abcdef-42", &"A".repeat(64), "ä", "===="] {
            assert_eq!(cursors.read(&groups, bad), None, "{bad}");
        }
    }

    #[test]
    fn other_groups_have_other_cursors_in_whatever_order_they_are() {
        let cursors = Cursors::new();
        let [a, b, c] = [1, 2, 3].map(group);
        let cursor = cursors.write(&of_groups(&[a, b]), Position::After(7)).unwrap();
        assert_eq!(cursors.read(&of_groups(&[b, a]), &cursor), Some(Position::After(7)));
        assert_eq!(cursors.read(&of_groups(&[a, b, c]), &cursor), None);
        assert_eq!(cursors.read(&of_groups(&[a]), &cursor), None);
    }

    #[test]
    fn nobody_can_tell_from_cursors_whether_something_has_happened_between() {
        let (cursors, groups) = (Cursors::new(), of_groups(&[group(1)]));
        let write = |number| cursors.write(&groups, Position::After(number)).unwrap();
        let (first, same, other) = (write(7), write(7), write(8));
        assert!(first != same && first != other, "each is new, also for the same place");
        assert_eq!(first.len(), other.len());
    }
}
