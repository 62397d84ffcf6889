//! Header fields that the user adds to requests.

use manyhands_core::HeaderField;
use reqwest::header::{HeaderName, HeaderValue};

/// Fields that this program sets itself, or that belong to one connection: another value would break the request.
const OURS: [&str; 17] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "transfer-encoding",
    "upgrade",
];
/// Servers take 8 KiB for all fields together.
const MAX_BYTES: usize = 8 * 1024;

/// Why a text is no header field for a request. It never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("a header is written as Name: value")]
    Shape,
    #[error("{0:?} cannot be the name of a header")]
    Name(String),
    #[error("the value of the header {0} has a character that cannot be sent")]
    Value(String),
    #[error("the header {0} is longer than {MAX_BYTES} bytes")]
    TooLong(String),
    #[error("the header {0} is set by Manyhands itself")]
    Ours(String),
}

/// Reads `Name: value`, as browsers and curl write it.
///
/// # Errors
/// It cannot be sent, or must not be.
pub fn check_header(text: &str) -> Result<HeaderField, HeaderError> {
    let (name, value) = text.split_once(':').ok_or(HeaderError::Shape)?;
    let (name, value) = (name.trim(), value.trim());
    let shown = || name.chars().take(64).collect::<String>();
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderError::Name(shown()))?;
    if OURS.contains(&parsed.as_str()) {
        return Err(HeaderError::Ours(shown()));
    }
    if value.len() > MAX_BYTES {
        return Err(HeaderError::TooLong(shown()));
    }
    HeaderValue::from_str(value).map_err(|_| HeaderError::Value(shown()))?;
    Ok(HeaderField { name: parsed.as_str().to_owned(), value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_as_curl_writes_it() {
        let field = check_header(" Cookie:  a=b; c=d:e ").unwrap();
        assert_eq!((&*field.name, &*field.value), ("cookie", "a=b; c=d:e"));
        assert_eq!(format!("{field:?}"), "cookie: …", "a secret stays out of logs");
        assert_eq!(check_header("X-Empty:").unwrap().value, "");
    }

    #[test]
    fn what_would_break_a_request_is_refused_without_repeating_the_value() {
        for (text, expected) in [
            ("Cookie", "a header is written as Name: value"),
            (": x", "\"\" cannot be the name of a header"),
            ("a b: secret", "\"a b\" cannot be the name of a header"),
            (
                "Cookie: sec\r\nret",
                "the value of the header Cookie has a character that cannot be sent",
            ),
            ("Range: bytes=0-1", "the header Range is set by Manyhands itself"),
            ("hOsT: evil.example", "the header hOsT is set by Manyhands itself"),
            (
                "Proxy-Authorization: secret",
                "the header Proxy-Authorization is set by Manyhands itself",
            ),
        ] {
            assert_eq!(check_header(text).unwrap_err().to_string(), expected, "{text:?}");
        }
        let long = format!("Cookie: {}", "a".repeat(MAX_BYTES + 1));
        assert_eq!(check_header(&long), Err(HeaderError::TooLong("Cookie".into())));
    }
}
