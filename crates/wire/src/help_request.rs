//! Asking for help: what a helper is told before it agrees, and what it is given afterwards.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use crate::bounded::{json_i64_option, json_u64, json_u64_option};
use crate::{DeviceName, FileName, List, Text};

/// A redirect chain has at most ten hops, so a request names at most eleven origins.
pub const MAX_ORIGINS: usize = 11;
/// RFC 1035 §2.3.4: a name has at most 253 characters as written.
pub const MAX_HOST_BYTES: usize = 253;
/// Longer links are refused; servers refuse them too.
pub const MAX_URL_BYTES: usize = 8 * 1024;
/// Longer entity tags are as good as none.
pub const MAX_ETAG_BYTES: usize = 1024;

/// The body of `POST /v1/help-requests`: everything that the prompt shows, and nothing that tells
/// which file it is to somebody who may say no. What is shown is exactly what will run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawHelpRequest")]
pub struct HelpRequest {
    /// The requester's name for itself.
    pub name: DeviceName,
    pub mode: Mode,
    /// Where the helper would connect to: the link's origin first, then those of its redirects.
    /// Never empty; in relay mode each [can be relayed](OriginName::can_be_relayed).
    pub origins: List<OriginName, MAX_ORIGINS>,
    /// The whole file's, when known.
    #[serde(with = "json_u64_option", skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// The most that this helper would carry.
    #[serde(with = "json_u64")]
    pub budget_bytes: u64,
    /// Only to friends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<FileName>,
}

#[derive(Deserialize)]
struct RawHelpRequest {
    #[serde(default)]
    name: DeviceName,
    mode: Mode,
    origins: List<OriginName, MAX_ORIGINS>,
    #[serde(default, with = "json_u64_option")]
    size_bytes: Option<u64>,
    #[serde(with = "json_u64")]
    budget_bytes: u64,
    #[serde(default)]
    file_name: Option<FileName>,
}

/// What a help request names is nothing to be helped with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelpRequestError {
    /// No origin is named.
    NoOrigin,
    /// A relay request names an origin that cannot be relayed.
    NotRelayable,
}

/// What the helper would do. A mode that this version does not know fails to decode, and so the
/// request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Fetch ranges from the origin and pass them on.
    Fetch,
    /// Carry the requester's own TLS connections to the origins.
    Relay,
}

/// The protocols that a helper speaks to origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    Http,
    Https,
    Ftp,
}

/// An origin (RFC 6454): scheme, host, port. Consent is given for these, one by one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawOriginName")]
pub struct OriginName {
    scheme: Scheme,
    host: Text<MAX_HOST_BYTES>,
    port: u16,
}

#[derive(Deserialize)]
struct RawOriginName {
    scheme: Scheme,
    host: Text<MAX_HOST_BYTES>,
    port: u16,
}

/// The link has no origin that a helper could fetch from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginNameError;

/// The body of `PUT /v1/help-requests/{id}/source`: only to a helper that has accepted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawSource")]
pub struct Source {
    url: Url,
    #[serde(default, with = "json_u64_option", skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(flatten)]
    validator: SourceValidator,
}

#[derive(Deserialize)]
struct RawSource {
    url: Text<MAX_URL_BYTES>,
    #[serde(default, with = "json_u64_option")]
    length: Option<u64>,
    #[serde(flatten)]
    validator: SourceValidator,
}

/// What the requester knows of the origin's bytes; the helper compares every answer with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceValidator {
    /// As in the header: with quotes, and with `W/` when weak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<Text<MAX_ETAG_BYTES>>,
    #[serde(default, with = "json_i64_option", skip_serializing_if = "Option::is_none")]
    pub last_modified_unix_s: Option<i64>,
}

/// Why a link is not given to a helper, or not taken by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceError {
    TooLong,
    NotAUrl,
    /// A user name or password belongs to the requester alone.
    UserInfo,
    Scheme,
}

/// The name of one help request: 128 random bits, 32 lower-case hexadecimal digits. The helper
/// gives it, and it means something only on connections of the device that asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u128);

/// The text is no request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestIdError;

impl OriginName {
    /// The origin of `url`.
    ///
    /// # Errors
    /// No host, or a scheme that helpers do not speak.
    pub fn of(url: &Url) -> Result<Self, OriginNameError> {
        let scheme = Scheme::of(url).ok_or(OriginNameError)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(OriginNameError)?;
        let host = Text::new(host).map_err(|_| OriginNameError)?;
        let port = url.port_or_known_default().filter(|port| *port > 0).ok_or(OriginNameError)?;
        Ok(Self { scheme, host, port })
    }

    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Lower case, international names in their ASCII form, IPv6 addresses in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.as_str()
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether relay mode can reach it: https at a host with a name. TLS says no name when the host
    /// is an address (RFC 6066 §3), and a helper could not see where such a tunnel leads.
    #[must_use]
    pub fn can_be_relayed(&self) -> bool {
        let host = self.host.as_str();
        let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
        self.scheme == Scheme::Https && !is_address
    }
}

impl Scheme {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ftp => "ftp",
        }
    }

    fn of(url: &Url) -> Option<Self> {
        [Self::Http, Self::Https, Self::Ftp]
            .into_iter()
            .find(|scheme| scheme.as_str() == url.scheme())
    }
}

impl Source {
    /// # Errors
    /// The link must not be given to a helper.
    pub fn new(
        url: Url,
        length: Option<u64>,
        validator: SourceValidator,
    ) -> Result<Self, SourceError> {
        if url.as_str().len() > MAX_URL_BYTES {
            return Err(SourceError::TooLong);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(SourceError::UserInfo);
        }
        OriginName::of(&url).map_err(|_| SourceError::Scheme)?;
        Ok(Self { url, length, validator })
    }

    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    #[must_use]
    pub fn validator(&self) -> &SourceValidator {
        &self.validator
    }
}

impl TryFrom<RawHelpRequest> for HelpRequest {
    type Error = HelpRequestError;

    fn try_from(raw: RawHelpRequest) -> Result<Self, HelpRequestError> {
        let RawHelpRequest { name, mode, origins, size_bytes, budget_bytes, file_name } = raw;
        if origins.is_empty() {
            return Err(HelpRequestError::NoOrigin);
        }
        if mode == Mode::Relay && !origins.iter().all(OriginName::can_be_relayed) {
            return Err(HelpRequestError::NotRelayable);
        }
        Ok(Self { name, mode, origins, size_bytes, budget_bytes, file_name })
    }
}

impl TryFrom<RawOriginName> for OriginName {
    type Error = OriginNameError;

    /// One spelling for each origin: what does not come out of the URL parser as it went in is
    /// refused, or a prompt could show one host and the connection go to another.
    fn try_from(raw: RawOriginName) -> Result<Self, OriginNameError> {
        let text = format!("{}://{}:{}/", raw.scheme.as_str(), raw.host.as_str(), raw.port);
        let name = Self::of(&Url::parse(&text).map_err(|_| OriginNameError)?)?;
        let same = name.scheme == raw.scheme && name.host == raw.host && name.port == raw.port;
        if same { Ok(name) } else { Err(OriginNameError) }
    }
}

impl TryFrom<RawSource> for Source {
    type Error = SourceError;

    fn try_from(raw: RawSource) -> Result<Self, SourceError> {
        let url = Url::parse(raw.url.as_str()).map_err(|_| SourceError::NotAUrl)?;
        Self::new(url, raw.length, raw.validator)
    }
}

impl fmt::Display for OriginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host.as_str())?;
        let usual = match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Ftp => 21,
        };
        if self.port == usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Debug for OriginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Source {
    /// Without the path and the query: they say which file it is, and may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = OriginName::of(&self.url);
        f.debug_struct("Source").field("origin", &origin).field("length", &self.length).finish()
    }
}

impl fmt::Display for OriginNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an http, https or ftp origin in its normal form")
    }
}

impl std::error::Error for OriginNameError {}

impl fmt::Display for HelpRequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoOrigin => "no origin is named",
            Self::NotRelayable => "only https origins with a name can be relayed",
        })
    }
}

impl std::error::Error for HelpRequestError {}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the link is too long",
            Self::NotAUrl => "not a link",
            Self::UserInfo => "the link carries a user name or password",
            Self::Scheme => "helpers fetch http, https and ftp links only",
        })
    }
}

impl std::error::Error for SourceError {}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({:08x}…)", self.0 >> 96)
    }
}

impl FromStr for RequestId {
    type Err = RequestIdError;

    fn from_str(text: &str) -> Result<Self, RequestIdError> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 32 || !digits {
            return Err(RequestIdError);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| RequestIdError)
    }
}

impl fmt::Display for RequestIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a request id: expected 32 characters of 0-9 and a-f")
    }
}

impl std::error::Error for RequestIdError {}

impl Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::<32>::deserialize(deserializer)?.as_str().parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(json: &str) -> Result<OriginName, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn an_origin_has_one_spelling() {
        let good = origin(r#"{"scheme":"https","host":"xn--bcher-kva.example","port":443}"#);
        assert_eq!(good.unwrap().to_string(), "https://xn--bcher-kva.example");
        let six = origin(r#"{"scheme":"http","host":"[2001:db8::1]","port":8080}"#);
        assert_eq!(six.unwrap().to_string(), "http://[2001:db8::1]:8080");
        for bad in [
            r#"{"scheme":"https","host":"Example.org","port":443}"#,
            r#"{"scheme":"https","host":"bücher.example","port":443}"#,
            r#"{"scheme":"http","host":"0x7f.1","port":80}"#,
            r#"{"scheme":"http","host":"user@example.org","port":80}"#,
            r#"{"scheme":"http","host":"example.org/path?","port":80}"#,
            r#"{"scheme":"http","host":"example.org:81","port":80}"#,
            r#"{"scheme":"http","host":"","port":80}"#,
            r#"{"scheme":"http","host":"a b","port":80}"#,
            r#"{"scheme":"http","host":"example.org","port":0}"#,
            r#"{"scheme":"file","host":"example.org","port":80}"#,
            r#"{"scheme":"gopher","host":"example.org","port":70}"#,
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_https_at_a_name_can_be_relayed() {
        let can = |url: &str| OriginName::of(&Url::parse(url).unwrap()).unwrap().can_be_relayed();
        assert!(can("https://example.org/"));
        assert!(can("https://localhost:8443/"));
        for not in [
            "http://example.org/",
            "ftp://example.org/",
            "https://192.0.2.1/",
            "https://2130706433/",
            "https://[2001:db8::1]/",
        ] {
            assert!(!can(not), "{not}");
        }
    }

    #[test]
    fn a_link_with_a_password_is_never_given_away() {
        let new =
            |url: &str| Source::new(Url::parse(url).unwrap(), None, SourceValidator::default());
        assert!(new("http://example.org/a?b=c").is_ok());
        assert_eq!(new("http://lin@example.org/a").unwrap_err(), SourceError::UserInfo);
        assert_eq!(new("http://:pw@example.org/a").unwrap_err(), SourceError::UserInfo);
        assert_eq!(new("file:///etc/passwd").unwrap_err(), SourceError::Scheme);
        assert_eq!(new("sftp://example.org/a").unwrap_err(), SourceError::Scheme);
        let long = format!("http://example.org/{}", "a".repeat(MAX_URL_BYTES));
        assert_eq!(new(&long).unwrap_err(), SourceError::TooLong);
        assert!(serde_json::from_str::<Source>(r#"{"url":"http://u:p@example.org/"}"#).is_err());
        assert!(serde_json::from_str::<Source>(&format!(r#"{{"url":"{long}"}}"#)).is_err());
    }

    #[test]
    fn logs_do_not_tell_which_file_it_is() {
        let url = Url::parse("https://example.org/secret?key=1").unwrap();
        let source = Source::new(url, Some(7), SourceValidator::default()).unwrap();
        assert!(!format!("{source:?}").contains("secret"));
    }

    #[test]
    fn a_request_id_has_one_spelling() {
        let id = RequestId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "0", &"A".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
            assert_eq!(bad.parse::<RequestId>(), Err(RequestIdError), "{bad}");
        }
    }
}
