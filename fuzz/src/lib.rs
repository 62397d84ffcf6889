//! What the targets assert of every message, beside that nothing panics.

use std::fmt::Debug;

use manyhands_wire::{Label, MAX_JSON_INTEGER, OriginName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::char::canonical_combining_class;
use url::Url;

/// The message in `json`, if there is one. What is read is what is written, and written only one way.
pub fn decoded<T>(json: &[u8]) -> Option<T>
where
    T: DeserializeOwned + Serialize + PartialEq + Debug,
{
    let message = serde_json::from_slice::<T>(json).ok()?;
    let written = serde_json::to_vec(&message).expect("a message can be written");
    let again: T = serde_json::from_slice(&written)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&written)));
    assert_eq!(message, again);
    assert_eq!(written, serde_json::to_vec(&again).expect("a message can be written"));
    Some(message)
}

/// Nothing in `label` steers what stands around it, by Unicode's own tables.
pub fn assert_neutral<const MAX_CHARS: usize>(label: &Label<MAX_CHARS>) {
    let text = label.as_str();
    assert!(text.chars().count() <= MAX_CHARS, "too long: {text:?}");
    assert_eq!(text.trim(), text);
    let (mut marks, mut before) = (0, ' ');
    for letter in text.chars() {
        use GeneralCategory as Is;
        let is = get_general_category(letter);
        assert!(
            !matches!(
                is,
                Is::Control
                    | Is::Format
                    | Is::PrivateUse
                    | Is::Surrogate
                    | Is::LineSeparator
                    | Is::ParagraphSeparator
            ),
            "{letter:?} in {text:?}"
        );
        assert!(!"<>&\"'`".contains(letter), "{letter:?} in {text:?}");
        assert!(!letter.is_whitespace() || (letter == ' ' && before != ' '), "{text:?}");
        let class = canonical_combining_class(letter);
        let mark = class == 1 || class >= 10 || is == Is::EnclosingMark;
        marks = if mark { marks + 1 } else { 0 };
        assert!(marks <= 3, "a stack of marks in {text:?}");
        before = letter;
    }
    assert_eq!(Label::<MAX_CHARS>::neutralised(text), *label);
}

pub fn assert_json_integer(value: u64) {
    assert!(value <= MAX_JSON_INTEGER, "{value}");
}

/// What is shown is what is connected to.
pub fn assert_one_spelling(origin: &OriginName) {
    let host = origin.host();
    assert!(!host.is_empty() && host.len() <= 253 && host.is_ascii() && origin.port() > 0);
    assert!(!host.contains(['/', '@', '?', '#', '\\', '%', ' ']) && host == host.to_lowercase());
    let url = Url::parse(&format!("{}://{host}:{}/", origin.scheme().as_str(), origin.port()));
    let url = url.expect("an origin is an address");
    assert_eq!(url.host_str(), Some(host));
    assert_eq!(OriginName::of(&url).as_ref(), Ok(origin));
    assert_eq!(Url::parse(&origin.to_string()).map(|url| OriginName::of(&url)), Ok(Ok(origin.clone())));
}
