//! Texts, lists and numbers that cannot be larger than the protocol allows.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The largest integer that every JSON reader keeps exactly (RFC 8259 §6): 2^53 − 1.
pub const MAX_JSON_INTEGER: u64 = (1 << 53) - 1;

/// A value is larger than the protocol allows. Nothing of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfBounds {
    pub max: usize,
}

/// A text of at most `MAX_BYTES` bytes of UTF-8. For machines: what people read is a
/// [`Label`](crate::Label).
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX_BYTES: usize>(String);

/// A list of at most `MAX` entries; reading stops at the first one too many.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<const MAX_BYTES: usize> Text<MAX_BYTES> {
    /// # Errors
    /// The text is too long.
    pub fn new(text: impl Into<String>) -> Result<Self, OutOfBounds> {
        let text = text.into();
        if text.len() > MAX_BYTES { Err(OutOfBounds { max: MAX_BYTES }) } else { Ok(Self(text)) }
    }

    /// As much of the text as fits, in whole characters.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        let mut end = text.len().min(MAX_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(text.get(..end).unwrap_or_default().to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T, const MAX: usize> List<T, MAX> {
    /// # Errors
    /// The list is too long.
    pub fn new(entries: Vec<T>) -> Result<Self, OutOfBounds> {
        if entries.len() > MAX { Err(OutOfBounds { max: MAX }) } else { Ok(Self(entries)) }
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

/// For `#[serde(with)]`: an integer up to [`MAX_JSON_INTEGER`].
pub(crate) mod json_u64 {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64((*value).min(super::MAX_JSON_INTEGER))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let value = u64::deserialize(deserializer)?;
        if value > super::MAX_JSON_INTEGER {
            return Err(D::Error::custom("an integer above 2^53 - 1"));
        }
        Ok(value)
    }
}

/// As [`json_u64`], for what may be left out; to be used together with `default` and
/// `skip_serializing_if`.
pub(crate) mod json_u64_option {
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Bounded(#[serde(with = "super::json_u64")] u64);

    #[allow(clippy::ref_option)] // the shape that serde calls
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::json_u64::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<u64>, D::Error> {
        Ok(Option::<Bounded>::deserialize(deserializer)?.map(|value| value.0))
    }
}

/// As [`json_u64_option`], on both sides of zero.
pub(crate) mod json_i64_option {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    const MAX: i64 = super::MAX_JSON_INTEGER.cast_signed();

    #[allow(clippy::ref_option)] // the shape that serde calls
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<i64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(|value| value.clamp(-MAX, MAX)).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<i64>, D::Error> {
        let value = Option::<i64>::deserialize(deserializer)?;
        if value.is_some_and(|value| !(-MAX..=MAX).contains(&value)) {
            return Err(D::Error::custom("an integer beyond 2^53 - 1"));
        }
        Ok(value)
    }
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "longer than the allowed {}", self.max)
    }
}

impl std::error::Error for OutOfBounds {}

impl<const MAX_BYTES: usize> fmt::Debug for Text<MAX_BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<T: fmt::Debug, const MAX: usize> fmt::Debug for List<T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<'de, const MAX_BYTES: usize> Deserialize<'de> for Text<MAX_BYTES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T, const MAX: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Entries<T, MAX> {
            type Value = List<T, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MAX} entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = seq.next_element()? {
                    if entries.len() == MAX {
                        return Err(A::Error::custom(OutOfBounds { max: MAX }));
                    }
                    entries.push(entry);
                }
                Ok(List(entries))
            }
        }

        deserializer.deserialize_seq(Entries(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_or_list_one_too_long_is_refused() {
        assert!(serde_json::from_str::<Text<4>>("\"abcd\"").is_ok());
        assert!(serde_json::from_str::<Text<4>>("\"abcde\"").is_err());
        assert!(serde_json::from_str::<Text<4>>("\"äöü\"").is_err(), "bytes count, not characters");
        assert!(serde_json::from_str::<List<u8, 2>>("[1,2]").is_ok());
        assert!(serde_json::from_str::<List<u8, 2>>("[1,2,3]").is_err());
        assert_eq!(Text::<4>::cut("äöü").as_str(), "äö");
        assert_eq!(Text::<3>::cut("äöü").as_str(), "ä");
    }

    #[test]
    fn numbers_that_json_readers_would_round_are_refused() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Counts {
            #[serde(with = "json_u64")]
            bytes: u64,
            #[serde(default, with = "json_u64_option")]
            more: Option<u64>,
        }
        let read = |json: &str| serde_json::from_str::<Counts>(json);
        assert_eq!(read(r#"{"bytes":9007199254740991}"#).unwrap().bytes, MAX_JSON_INTEGER);
        assert_eq!(read(r#"{"bytes":1,"more":null}"#).unwrap().more, None);
        for bad in [
            r#"{"bytes":9007199254740992}"#,
            r#"{"bytes":-1}"#,
            r#"{"bytes":1.5}"#,
            r#"{"bytes":"1"}"#,
            r#"{"bytes":1,"more":9007199254740992}"#,
            r#"{"bytes":18446744073709551616}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
