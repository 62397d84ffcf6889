//! Names of things: downloads, leases, sources, peers and groups.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number_id! {
    /// One entry of the queue. Given once, never used again in the same profile.
    DownloadId(u64)
}
number_id! {
    /// One lease. Unique while the program runs.
    LeaseId(u64)
}
number_id! {
    /// One source of one download: 0 is the origin, helpers follow in the order in which they came.
    /// Stays with the download over restarts, since the piece map names sources by it.
    SourceId(u16)
}

impl SourceId {
    /// The requester's own connections to the origin.
    pub const ORIGIN: Self = Self(0);
}

macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident, $error:ident, $what:literal) => {
        $(#[$doc])*
        ///
        /// Written as 52 characters of lower-case base32 (RFC 4648, without padding).
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        #[doc = concat!("The text is no ", $what, " id: 52 characters of base32 were expected.")]
        #[derive(Debug, thiserror::Error, PartialEq, Eq)]
        #[error("not a {} id: expected 52 characters of a-z and 2-7", $what)]
        pub struct $error;

        impl $name {
            /// How many characters the written form has.
            pub const TEXT_LEN: usize = 52;

            /// The id of what has this SHA-256.
            #[must_use]
            pub const fn from_digest(sha256: [u8; 32]) -> Self {
                Self(sha256)
            }

            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first eight characters, for logs.
            #[must_use]
            pub fn short(&self) -> String {
                self.to_string().chars().take(8).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_base32(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                read_base32(text).map(Self).ok_or($error)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest_id! {
    /// A device: the SHA-256 of its public key (SubjectPublicKeyInfo).
    PeerId, PeerIdError, "device"
}
digest_id! {
    /// A group at a rendezvous server: the SHA-256 of the public key that follows from its secret.
    GroupId, GroupIdError, "group"
}

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

fn write_base32(bytes: [u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (mut bits, mut count) = (0_u32, 0);
    for byte in bytes {
        bits = (bits << 8) | u32::from(byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            write!(f, "{}", BASE32[(bits >> count) as usize & 31] as char)?;
        }
    }
    write!(f, "{}", BASE32[(bits << (5 - count)) as usize & 31] as char)
}

fn read_base32(text: &str) -> Option<[u8; 32]> {
    if text.len() != PeerId::TEXT_LEN {
        return None;
    }
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::with_capacity(33));
    for letter in text.bytes().map(|b| b.to_ascii_lowercase()) {
        let value = BASE32.iter().position(|b| *b == letter)?;
        bits = (bits << 5) | value as u32;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    // 52 characters hold 260 bits: the last four say nothing and must be zero, or one id would have sixteen spellings.
    if bits & ((1 << count) - 1) != 0 {
        return None;
    }
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_id_reads_back_what_it_writes() {
        let id = PeerId::from_digest(std::array::from_fn(|i| (i * 37 + 11) as u8));
        assert_eq!(id.to_string().len(), PeerId::TEXT_LEN);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    }

    #[test]
    fn a_device_id_has_one_spelling() {
        let id = PeerId::from_digest([0; 32]).to_string();
        assert_eq!(format!("{}b", &id[..51]).parse::<PeerId>(), Err(PeerIdError));
        for bad in
            ["", "a", "1".repeat(52).as_str(), "a".repeat(53).as_str(), "ä".repeat(26).as_str()]
        {
            assert_eq!(bad.parse::<PeerId>(), Err(PeerIdError), "{bad}");
        }
    }
}
