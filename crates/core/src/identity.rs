//! What the origin says its bytes are, and whether two answers can be of the same bytes.

use serde::{Deserialize, Serialize};

/// The `ETag` of an answer (RFC 9110 §8.8.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityTag {
    /// As sent, with its quotes, without `W/`.
    pub opaque: String,
    /// A weak tag promises the same meaning, not the same bytes.
    pub weak: bool,
}

impl EntityTag {
    /// Reads a header value; an empty or unreasonably long one (over 1 KiB) is as good as none.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let (weak, opaque) = match value.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, value),
        };
        (!opaque.is_empty() && opaque.len() <= 1024)
            .then(|| Self { opaque: opaque.to_owned(), weak })
    }
}

/// What tells one state of the origin's bytes from another (RFC 9110 §8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validator {
    pub etag: Option<EntityTag>,
    /// `Last-Modified` or FTP's `MDTM`, seconds since 1970 UTC.
    pub last_modified_unix_s: Option<i64>,
}

/// The identity of the origin's bytes: their number and their validator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `None` while the origin has not said (a chunked 200).
    pub length: Option<u64>,
    pub validator: Validator,
}

/// In what two answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    #[error("the length changed from {before} to {now} bytes")]
    Length { before: u64, now: u64 },
    #[error("the ETag changed")]
    EntityTag,
    #[error("the modification time changed")]
    LastModified,
}

impl Identity {
    /// Whether `now` contradicts what was known before. What one side does not say contradicts nothing; equal strong tags
    /// outweigh different times, as servers behind one address may disagree about those.
    ///
    /// # Errors
    /// The first difference, the most certain one first.
    pub fn agrees_with(&self, now: &Self) -> Result<(), Contradiction> {
        if let (Some(before), Some(now)) = (self.length, now.length)
            && before != now
        {
            return Err(Contradiction::Length { before, now });
        }
        if let (Some(before), Some(now)) = (&self.validator.etag, &now.validator.etag) {
            if before.opaque != now.opaque {
                return Err(Contradiction::EntityTag);
            }
            if !before.weak && !now.weak {
                return Ok(());
            }
        }
        match (self.validator.last_modified_unix_s, now.validator.last_modified_unix_s) {
            (Some(before), Some(now)) if before != now => Err(Contradiction::LastModified),
            _ => Ok(()),
        }
    }
}
