//! The one acceptance rule: which bytes of an answer may be written, and where.
//!
//! Every answer of every source passes [`accept`] before a byte of it is used: the first one, a resumed one, a stolen tail,
//! a helper's. Rows 1–29 of the edge-case list are its tests.

use serde::{Deserialize, Serialize};

use crate::{ByteRange, Contradiction, Identity};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// The first request of a download, `bytes=0-`: any complete answer will do.
    Everything,
    /// Exactly these bytes.
    Range(ByteRange),
}

/// The head of an answer, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerHead {
    pub status: u16,
    /// The raw `Content-Range`; `None` when absent.
    pub content_range: Option<String>,
    /// The body's length as far as the framing says it.
    pub body_len: Option<u64>,
    /// The raw `Content-Encoding`; `None` when absent.
    pub content_encoding: Option<String>,
    /// The raw `Content-Type`; `None` when absent.
    pub content_type: Option<String>,
    /// Validator as sent; `length` is left empty here.
    pub identity: Identity,
}

/// An answer whose bytes may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Where the body's first byte belongs.
    pub start: u64,
    /// Where the body is allowed to end at most; what comes after is dropped. `None`: wherever it ends.
    pub end: Option<u64>,
    /// What the origin now says of its bytes.
    pub identity: Identity,
    /// Whether the origin can be asked for ranges.
    pub ranges: bool,
}

/// An answer of which no byte may be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A range was asked for, the whole file came (status 200). Use this origin for one whole stream only.
    #[error("the server ignores ranges and sends the whole file")]
    RangeIgnored { identity: Identity },
    /// The bytes are other bytes now. Do not mix.
    #[error("the file on the server changed: {0}")]
    Changed(#[from] Contradiction),
    /// Status 416: there is nothing at that offset. `length` is the origin's, where it says so.
    #[error("the server has nothing at this offset")]
    NotSatisfiable { length: Option<u64> },
    /// The answer does not say, or says wrongly, which bytes it holds. Count it against the source, try again elsewhere.
    #[error("the server sent other bytes than were asked for: {0}")]
    WrongRange(&'static str),
    /// The body is encoded although identity was asked for: its bytes are not the file's.
    #[error("the server sends the file in the encoding {0:?}")]
    Encoded(String),
    /// Any other status.
    #[error("the server answered {0}")]
    Status(u16),
}

/// A parsed `Content-Range` of a 206.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    pub range: ByteRange,
    /// `None` for `*`.
    pub total: Option<u64>,
}

/// Reads `bytes 0-99/1000` and the sloppy forms that servers send: `bytes=0-99/1000`, without the unit, extra spaces.
#[must_use]
pub fn parse_content_range(value: &str) -> Option<ContentRange> {
    let value = value.trim();
    let value = match value.get(..5) {
        Some(unit) if unit.eq_ignore_ascii_case("bytes") => {
            value[5..].trim_start_matches([' ', '=', '\t', ':'])
        }
        _ => value,
    };
    let (range, total) = value.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let total = match total.trim() {
        "*" => None,
        total => Some(number(total)?),
    };
    let range = ByteRange::new(first, last.checked_add(1)?).filter(|r| !r.is_empty())?;
    total.is_none_or(|total| range.end() <= total).then_some(ContentRange { range, total })
}

/// The length in the `Content-Range: bytes */1234` of a 416.
fn parse_unsatisfied(value: &str) -> Option<u64> {
    number(value.split_once('/')?.1)
}

/// Digits only: `u64::from_str` would take a plus sign.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The acceptance rule. `known` is what earlier answers said of the same bytes; `None` on the first request of all.
///
/// # Errors
/// [`Rejection`] says why no byte of the body may be written, and what that means for the source.
pub fn accept(
    asked: Asked,
    known: Option<&Identity>,
    head: &AnswerHead,
) -> Result<Accepted, Rejection> {
    let mut identity = head.identity.clone();
    match head.status {
        206 => {
            let content_range = match &head.content_range {
                Some(value) => parse_content_range(value),
                None => return Err(Rejection::WrongRange("a 206 without Content-Range")),
            }
            .ok_or(Rejection::WrongRange("its Content-Range makes no sense"))?;
            if asked == Asked::Everything && content_range.total.is_none() {
                return Err(Rejection::WrongRange(
                    "a part of it, without saying how long the file is",
                ));
            }
            let asked_range = match asked {
                Asked::Everything => ByteRange::from_len(0, u64::MAX),
                Asked::Range(range) => range,
            };
            if content_range.range.start() != asked_range.start() {
                return Err(Rejection::WrongRange("it starts elsewhere"));
            }
            identity.length = content_range.total;
            check(known, head, &identity)?;
            if identity.length.is_none() {
                identity.length = known.and_then(|known| known.length);
            }
            let end = content_range.range.end().min(asked_range.end());
            Ok(Accepted { start: asked_range.start(), end: Some(end), identity, ranges: true })
        }
        200 => {
            identity.length = head.body_len;
            check(known, head, &identity)?;
            match asked {
                Asked::Everything => {
                    Ok(Accepted { start: 0, end: identity.length, identity, ranges: false })
                }
                Asked::Range(_) => Err(Rejection::RangeIgnored { identity }),
            }
        }
        416 => {
            let length = head.content_range.as_deref().and_then(parse_unsatisfied);
            if asked == Asked::Everything && length == Some(0) {
                identity.length = Some(0);
                check(known, head, &identity)?;
                return Ok(Accepted { start: 0, end: Some(0), identity, ranges: true });
            }
            Err(Rejection::NotSatisfiable { length })
        }
        status => Err(Rejection::Status(status)),
    }
}

fn check(
    known: Option<&Identity>,
    head: &AnswerHead,
    identity: &Identity,
) -> Result<(), Rejection> {
    if let Some(coding) = &head.content_encoding
        && !coding.trim().is_empty()
        && !coding.trim().eq_ignore_ascii_case("identity")
    {
        return Err(Rejection::Encoded(coding.clone()));
    }
    if let Some(kind) = &head.content_type
        && kind.trim_start().to_ascii_lowercase().starts_with("multipart/byteranges")
    {
        return Err(Rejection::WrongRange("it is a multipart answer"));
    }
    Ok(known.map_or(Ok(()), |known| known.agrees_with(identity))?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{EntityTag, Validator};

    fn known() -> Identity {
        Identity {
            length: Some(1000),
            validator: Validator { etag: EntityTag::parse("\"a\""), last_modified_unix_s: Some(7) },
        }
    }

    fn head(status: u16, content_range: &str) -> AnswerHead {
        AnswerHead {
            status,
            content_range: (!content_range.is_empty()).then(|| content_range.to_owned()),
            identity: Identity { length: None, ..known() },
            ..AnswerHead::default()
        }
    }

    /// Asks for 100..200 of 1000 known bytes.
    fn check(head: &AnswerHead) -> Result<(u64, Option<u64>), Rejection> {
        accept(Asked::Range(ByteRange::from_len(100, 100)), Some(&known()), head)
            .map(|a| (a.start, a.end))
    }

    #[test]
    fn the_range_that_was_asked_for_is_accepted() {
        assert_eq!(check(&head(206, "bytes 100-199/1000")), Ok((100, Some(200))));
    }

    #[test]
    fn a_shorter_answer_is_kept_and_a_longer_one_is_clamped() {
        assert_eq!(check(&head(206, "bytes 100-149/1000")), Ok((100, Some(150))));
        assert_eq!(check(&head(206, "bytes 100-299/1000")), Ok((100, Some(200))));
    }

    #[test]
    fn sloppy_content_ranges_with_clear_numbers_are_read() {
        for sloppy in
            ["bytes=100-199/1000", "100-199/1000", " Bytes  100 - 199 / 1000 ", "bytes: 100-199/*"]
        {
            assert_eq!(check(&head(206, sloppy)), Ok((100, Some(200))), "{sloppy}");
        }
    }

    #[test]
    fn an_answer_that_starts_elsewhere_writes_nothing() {
        assert!(matches!(check(&head(206, "bytes 0-99/1000")), Err(Rejection::WrongRange(_))));
        assert!(matches!(check(&head(206, "bytes 101-200/1000")), Err(Rejection::WrongRange(_))));
    }

    #[test]
    fn a_206_that_does_not_say_which_bytes_writes_nothing() {
        for bad in [
            "",
            "bytes",
            "bytes 100-",
            "bytes 199-100/1000",
            "bytes 100-199",
            "bytes -1-199/1000",
            "bytes 100-199/150",
            "bytes +100-199/1000",
            "bytes 100-18446744073709551615/*",
        ] {
            assert!(matches!(check(&head(206, bad)), Err(Rejection::WrongRange(_))), "{bad}");
        }
    }

    #[test]
    fn a_200_to_a_mid_file_range_writes_nothing() {
        let mut answer = head(200, "");
        answer.body_len = Some(1000);
        assert!(matches!(check(&answer), Err(Rejection::RangeIgnored { .. })));
        answer.body_len = Some(999);
        assert!(matches!(check(&answer), Err(Rejection::Changed(Contradiction::Length { .. }))));
    }

    #[test]
    fn another_total_or_tag_or_time_means_that_the_file_changed() {
        let changed = |answer: &AnswerHead| matches!(check(answer), Err(Rejection::Changed(_)));
        assert!(changed(&head(206, "bytes 100-199/1001")));
        let mut answer = head(206, "bytes 100-199/1000");
        answer.identity.validator.etag = EntityTag::parse("\"b\"");
        assert!(changed(&answer));
        answer.identity.validator = Validator { etag: None, last_modified_unix_s: Some(8) };
        assert!(changed(&answer));
        answer.identity.validator = Validator::default();
        assert!(check(&answer).is_ok(), "what is not said contradicts nothing");
    }

    #[test]
    fn an_encoded_or_multipart_body_writes_nothing() {
        let mut answer = head(206, "bytes 100-199/1000");
        answer.content_encoding = Some("gzip".into());
        assert_eq!(check(&answer), Err(Rejection::Encoded("gzip".into())));
        answer.content_encoding = Some("identity".into());
        assert!(check(&answer).is_ok());
        answer.content_type = Some("Multipart/ByteRanges; boundary=x".into());
        assert!(matches!(check(&answer), Err(Rejection::WrongRange(_))));
    }

    #[test]
    fn the_first_answer_may_be_whole_or_ranged_or_empty() {
        let first = |answer: &AnswerHead| accept(Asked::Everything, None, answer);
        let mut whole = head(200, "");
        assert_eq!(first(&whole).map(|a| (a.ranges, a.end)), Ok((false, None)));
        whole.body_len = Some(5);
        assert_eq!(first(&whole).map(|a| (a.ranges, a.end)), Ok((false, Some(5))));
        let ranged =
            first(&head(206, "bytes 0-999/1000")).map(|a| (a.ranges, a.end, a.identity.length));
        assert_eq!(ranged, Ok((true, Some(1000), Some(1000))));
        assert_eq!(first(&head(416, "bytes */0")).map(|a| a.identity.length), Ok(Some(0)));
        assert_eq!(first(&head(416, "")), Err(Rejection::NotSatisfiable { length: None }));
        assert_eq!(first(&head(404, "")), Err(Rejection::Status(404)));
    }

    proptest! {
        #[test]
        fn no_header_of_any_kind_lets_a_byte_outside_the_asked_range_in(
            status in prop::sample::select(vec![200_u16, 206, 416, 204, 301, 500]),
            content_range in "[ bytes=:*/0-9-]{0,40}", body_len in any::<Option<u64>>(),
        ) {
            let answer = AnswerHead { body_len, ..head(status, &content_range) };
            if let Ok((start, end)) = check(&answer) {
                prop_assert!(status == 206 && start == 100 && end.is_some_and(|end| end <= 200));
            }
        }
    }
}
