//! Bytes in JSON.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64URL_NOPAD, Encoding, Specification};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{OutOfBounds, Text};

/// An id of 32 bytes, a device's or a group's: 52 characters of lower-case base32 (RFC 4648, no padding, the last four bits
/// zero). Upper case is read too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// At most `MAX` bytes, written as base64url without padding (RFC 4648 §5).
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Blob<const MAX: usize>(Vec<u8>);

/// The text is not 52 characters of base32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestError;

const DIGEST_CHARS: usize = 52;

impl<const MAX: usize> Blob<MAX> {
    /// # Errors
    /// Too many bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, OutOfBounds> {
        let bytes = bytes.into();
        if bytes.len() > MAX { Err(OutOfBounds { max: MAX }) } else { Ok(Self(bytes)) }
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn base32() -> Encoding {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.translate.from.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    specification.translate.to.push_str("abcdefghijklmnopqrstuvwxyz");
    specification.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32().encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({:.8})", self.to_string())
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        if text.len() != DIGEST_CHARS {
            return Err(DigestError);
        }
        let bytes = base32().decode(text.as_bytes()).map_err(|_| DigestError)?;
        bytes.try_into().map(Self).map_err(|_| DigestError)
    }
}

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected 52 characters of a-z and 2-7")
    }
}

impl std::error::Error for DigestError {}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::<DIGEST_CHARS>::deserialize(deserializer)?.as_str().parse().map_err(D::Error::custom)
    }
}

impl<const MAX: usize> fmt::Debug for Blob<MAX> {
    /// It may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl<const MAX: usize> Serialize for Blob<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Blob<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        if text.len() > BASE64URL_NOPAD.encode_len(MAX) {
            return Err(D::Error::custom(OutOfBounds { max: MAX }));
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        Self::new(bytes).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = Digest(std::array::from_fn(|i| (i * 37 + 11) as u8));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        let zero = "a".repeat(52);
        assert_eq!(zero.parse(), Ok(Digest([0; 32])));
        for bad in ["", "a", &"1".repeat(52), &"a".repeat(53), &format!("{}b", &zero[..51])] {
            assert_eq!(bad.parse::<Digest>(), Err(DigestError), "{bad}");
        }
    }

    #[test]
    fn a_blob_is_bounded_and_has_one_spelling() {
        let blob = Blob::<4>::new([1, 2, 3, 255]).unwrap();
        let json = serde_json::to_string(&blob).unwrap();
        assert_eq!(json, "\"AQID_w\"");
        assert_eq!(serde_json::from_str::<Blob<4>>(&json).unwrap(), blob);
        for bad in ["\"AQID_wA\"", "\"AQID/w\"", "\"AQID_w==\"", "\"AQID_x\"", "\"AQI D\"", "1"] {
            assert!(serde_json::from_str::<Blob<4>>(bad).is_err(), "{bad}");
        }
    }
}
