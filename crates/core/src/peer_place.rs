//! In which order other devices are listed.

use crate::PeerId;

/// Where a device stands in a list, the least first: who brings something now, then who is online, friends before others, then
/// by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerPlace {
    idle: bool,
    offline: bool,
    stranger: bool,
    /// Capitals make no difference.
    name: String,
    /// As it is written, so that two of one name always stand in the same order.
    id: String,
}

impl PeerPlace {
    /// `helps`: it helps with a download of this device now.
    #[must_use]
    pub fn new(helps: bool, online: bool, friend: bool, name: &str, id: PeerId) -> Self {
        Self {
            idle: !helps,
            offline: !online,
            stranger: !friend,
            name: name.to_lowercase(),
            id: id.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_brings_something_comes_before_who_is_there_friends_before_others_and_then_the_name() {
        let id = PeerId::from_digest([1; 32]);
        let listed = [
            ("Zoe", PeerPlace::new(true, false, false, "Zoe", id)),
            ("Yan", PeerPlace::new(false, true, true, "Yan", id)),
            ("ana", PeerPlace::new(false, true, false, "ana", id)),
            ("Bo", PeerPlace::new(false, true, false, "Bo", id)),
            ("Ada", PeerPlace::new(false, false, true, "Ada", id)),
        ];
        let mut sorted = listed.clone();
        sorted.reverse();
        sorted.sort_by(|(_, one), (_, other)| one.cmp(other));
        assert_eq!(sorted.map(|(name, _)| name), listed.map(|(name, _)| name));
    }

    #[test]
    fn two_of_one_name_never_share_a_place() {
        let place = |n| PeerPlace::new(false, true, true, "Mo", PeerId::from_digest([n; 32]));
        assert_ne!(place(1), place(2));
    }
}
