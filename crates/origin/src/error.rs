//! What can go wrong with a fetch, by what the caller can do about it.

use std::error::Error;
use std::time::Duration;

use manyhands_core::{Contradiction, Failure, FailureCode, Identity, Rejection, What};

use url::Url;

use crate::guard::Refused;

pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// Why there is no answer, or why its body ended early. The texts name the host that failed, never user info or a query.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server's name is unknown, or nobody could be asked about it.
    #[error("the name {host} cannot be found")]
    NameNotFound { host: String, source: Cause },
    /// The guard forbids the address; no connection was made.
    #[error("{host} may not be connected to: {source}")]
    AddressRefused { host: String, source: Refused },
    /// Refused, unreachable, or no answer in time.
    #[error("{host} {why}")]
    Connect { host: String, why: ConnectError, source: Option<Cause> },
    /// The connection cannot be made secure. `untrusted`: because of the certificate, so trying again is of no use.
    #[error("no secure connection to {host}: {why}")]
    Tls { host: String, why: TlsTrouble, untrusted: bool, source: Option<Cause> },

    /// 404 and 410.
    #[error("{host} does not have this file (status {status})")]
    Missing { host: String, status: u16 },
    /// 401, 403, 407. A 403 while other connections to the host are open may mean: too many.
    #[error("{host} does not allow this (status {status})")]
    Denied { host: String, status: u16 },
    /// 429 and 503, with what `Retry-After` says, at most [`FetchError::MAX_RETRY_AFTER`].
    #[error("{host} is too busy (status {status})")]
    Busy { host: String, status: u16, retry_after: Option<Duration> },
    /// 5xx, and 408 and 425.
    #[error("{host} has trouble (status {status})")]
    Server { host: String, status: u16, retry_after: Option<Duration> },
    /// Any other status that is no answer to the request.
    #[error("{host} gives no file (status {status})")]
    Status { host: String, status: u16 },
    /// An HTML page came where earlier answers promised another file: a login, an expired link, a captive portal.
    #[error("{host} sent a web page instead of the file")]
    WebPage { host: String },

    /// A range was asked for, the whole file came (200).
    #[error("{host} ignores ranges and sends the whole file")]
    RangeIgnored { host: String, identity: Identity },
    /// The server now has other bytes.
    #[error("the file on {host} changed: {source}")]
    Changed { host: String, source: Contradiction },
    /// 416; `length` is the file's, where the server says so.
    #[error("{host} has nothing at this offset")]
    NotSatisfiable { host: String, length: Option<u64> },
    /// Bytes that do not fit, or are encoded: see the rejection.
    #[error("{host}: {source}")]
    Rejected { host: String, source: Rejection },
    /// No valid answer of the protocol at all.
    #[error("{host} sent an answer that makes no sense")]
    BadAnswer { host: String, source: Cause },
    #[error("the link leads from {host} {why}")]
    Redirect { host: String, why: RedirectError },
    /// Only with [`Origins::within`](crate::Origins::within): `to` is the root of the origin that was not agreed to.
    #[error("the link leads from {host} to a server that was not agreed to")]
    NotConsented { host: String, to: Url },
    /// The encrypted connection carried something that the other end did not send. What came before is good.
    #[error("what came over the connection to {host} was damaged on the way")]
    Damaged { host: String, received_bytes: u64, source: Option<Cause> },

    /// The connection was lost after so many bytes of this answer; 0 when its head had not come yet.
    #[error("the connection to {host} was lost")]
    Interrupted { host: String, received_bytes: u64, source: Option<Cause> },
    /// Nothing came for so long.
    #[error("{host} sent nothing for {} s", after.as_secs())]
    Stalled { host: String, received_bytes: u64, after: Duration },
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("does not answer")]
    NoAnswer,
    #[error("refuses the connection")]
    Refused,
    #[error("cannot be reached from this network")]
    Unreachable,
    #[error("cannot be connected to")]
    Other,
    /// It is not the server that was connected to.
    #[error("cannot be reached through the proxy")]
    Proxy,
    #[error("cannot be reached through this proxy, as it speaks FTP")]
    ProxyFtp,
}

/// Why a connection cannot be made secure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsTrouble {
    #[error("its certificate belongs to another name")]
    OtherName,
    #[error("its certificate is not from an authority that this computer trusts")]
    UnknownIssuer,
    #[error("its certificate has expired")]
    Expired,
    #[error("its certificate is not valid yet")]
    NotYetValid,
    #[error("its certificate was revoked")]
    Revoked,
    /// Neither the system nor the options name an authority to trust: it is nobody's certificate that is at fault.
    #[error("this computer has no certificates of authorities to check the server's with")]
    NoAuthorities,
    #[error("it ended the handshake")]
    Ended,
    /// In the words of the library.
    #[error("{0}")]
    Other(String),
}

/// Why a redirect was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    #[error("in a circle")]
    Loop,
    #[error("on and on, over more than {} redirects", crate::http::MAX_REDIRECTS)]
    TooMany,
    #[error("from a secure to an insecure connection")]
    Downgrade,
    #[error("to something that is neither http, https nor ftp")]
    Scheme,
    #[error("nowhere")]
    NoTarget,
}

/// What the caller can do after a [`FetchError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Try again with growing pauses, a bounded number of times.
    Soon,
    /// Try again, but not earlier than this. It concerns everybody who asks this host.
    After(Duration),
    /// With other connections to this host open: fewer of them, and not earlier than `after`. Without any: give up, or
    /// wait when there is something to wait for.
    FewerConnections { after: Option<Duration> },
    /// Fetch [`Asked::Everything`](manyhands_core::Asked::Everything) in one stream, and no ranges from this server.
    WholeStream,
    /// Do not mix the bytes; ask the user.
    Changed,
    /// Trying again brings nothing.
    GiveUp,
}

impl FetchError {
    /// A server that wants a longer pause than this is asked again after this one.
    pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::NameNotFound { .. }
            | Self::Connect { .. }
            | Self::Tls { untrusted: false, .. }
            | Self::WebPage { .. }
            | Self::BadAnswer { .. }
            | Self::Rejected { source: Rejection::WrongRange(_), .. }
            | Self::Interrupted { .. }
            | Self::Damaged { .. }
            | Self::Stalled { .. } => Retry::Soon,
            Self::Server { retry_after, .. } => retry_after.map_or(Retry::Soon, Retry::After),
            Self::Busy { retry_after, .. } => Retry::FewerConnections { after: *retry_after },
            Self::Denied { status: 403, .. } => Retry::FewerConnections { after: None },
            Self::RangeIgnored { .. } => Retry::WholeStream,
            Self::Changed { .. } => Retry::Changed,
            Self::AddressRefused { .. }
            | Self::Tls { .. }
            | Self::Missing { .. }
            | Self::Denied { .. }
            | Self::Status { .. }
            | Self::NotSatisfiable { .. }
            | Self::Rejected { .. }
            | Self::NotConsented { .. }
            | Self::Redirect { .. } => Retry::GiveUp,
        }
    }

    /// Whether no answer came through for want of a connection, rather than because of the answer.
    #[must_use]
    pub fn is_of_the_connection(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Tls { .. }
                | Self::Interrupted { .. }
                | Self::Damaged { .. }
                | Self::Stalled { .. }
        )
    }

    /// What to tell a person when this was the last try.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let code = match self {
            Self::NameNotFound { .. } => FailureCode::Dns,
            Self::Connect { .. } => FailureCode::Connect,
            Self::Tls { .. } => FailureCode::Tls,
            Self::Missing { .. } => FailureCode::NotFound,
            Self::Denied { .. } | Self::WebPage { .. } => FailureCode::Refused,
            Self::Busy { .. } => FailureCode::TooBusy,
            Self::Server { .. } => FailureCode::ServerError,
            Self::AddressRefused { .. } | Self::Redirect { .. } | Self::NotConsented { .. } => {
                FailureCode::Redirects
            }
            Self::Changed { .. } => FailureCode::Changed,
            Self::Status { .. }
            | Self::RangeIgnored { .. }
            | Self::NotSatisfiable { .. }
            | Self::Rejected { .. }
            | Self::BadAnswer { .. } => FailureCode::Protocol,
            Self::Damaged { received_bytes: 0, .. } => FailureCode::Tls,
            Self::Interrupted { .. } | Self::Damaged { .. } | Self::Stalled { .. } => {
                FailureCode::Interrupted
            }
        };
        let mut message = format!("{self}.");
        // A sentence begins with a capital letter, the name of a host does not.
        if !message.starts_with(self.host())
            && let Some(first) = message.get_mut(..1)
        {
            first.make_ascii_uppercase();
        }
        self.tell(Failure::new(code, message))
    }

    /// The same for windows that make the sentence themselves.
    fn tell(&self, failure: Failure) -> Failure {
        let of_host = |what: What| -> Failure { failure.clone().because(what, [&self.host()]) };
        let of_status = |what: What, status: u16| -> Failure {
            failure.clone().because(what, [&self.host(), &status])
        };
        match self {
            Self::NameNotFound { .. } => of_host(What::NameNotFound),
            Self::AddressRefused { host, source } => {
                failure.because(What::AddressRefused, [host, &source.address])
            }
            Self::Connect { why, .. } => of_host(match why {
                ConnectError::NoAnswer => What::NoAnswer,
                ConnectError::Refused => What::ConnectionRefused,
                ConnectError::Unreachable => What::Unreachable,
                ConnectError::Other => What::NotConnected,
                ConnectError::Proxy => What::Proxy,
                ConnectError::ProxyFtp => What::ProxyFtp,
            }),
            Self::Tls { host, why, .. } => match why {
                TlsTrouble::OtherName => of_host(What::CertificateName),
                TlsTrouble::UnknownIssuer => of_host(What::CertificateIssuer),
                TlsTrouble::Expired => of_host(What::CertificateExpired),
                TlsTrouble::NotYetValid => of_host(What::CertificateEarly),
                TlsTrouble::Revoked => of_host(What::CertificateRevoked),
                TlsTrouble::NoAuthorities => of_host(What::NoAuthorities),
                TlsTrouble::Ended => of_host(What::HandshakeEnded),
                TlsTrouble::Other(why) => failure.because(What::NotSecure, [host, why]),
            },
            Self::Missing { status, .. } => of_status(What::Missing, *status),
            Self::Denied { status, .. } => of_status(What::Denied, *status),
            Self::Busy { status, .. } => of_status(What::Busy, *status),
            Self::Server { status, .. } => of_status(What::Trouble, *status),
            Self::Status { status, .. } => of_status(What::NoFile, *status),
            Self::WebPage { .. } => of_host(What::WebPage),
            Self::RangeIgnored { .. } => of_host(What::RangeIgnored),
            Self::Changed { host, source } => match source {
                Contradiction::Length { before, now } => {
                    failure.because(What::LengthChanged, [host, before, now])
                }
                Contradiction::EntityTag => of_host(What::TagChanged),
                Contradiction::LastModified => of_host(What::TimeChanged),
            },
            Self::NotSatisfiable { .. } => of_host(What::NothingThere),
            Self::Rejected { host, source } => match source {
                Rejection::WrongRange(_) => of_host(What::WrongRange),
                Rejection::Encoded(encoding) => failure.because(What::Encoded, [host, encoding]),
                // The others have errors of their own.
                _ => of_host(What::BadAnswer),
            },
            Self::BadAnswer { .. } => of_host(What::BadAnswer),
            Self::Redirect { why, .. } => of_host(match why {
                RedirectError::Loop => What::RedirectLoop,
                RedirectError::TooMany => What::RedirectTooMany,
                RedirectError::Downgrade => What::RedirectDowngrade,
                RedirectError::Scheme => What::RedirectScheme,
                RedirectError::NoTarget => What::RedirectNowhere,
            }),
            Self::NotConsented { .. } => of_host(What::NotAgreed),
            Self::Damaged { .. } => of_host(What::Damaged),
            Self::Interrupted { .. } => of_host(What::Lost),
            Self::Stalled { host, after, .. } => {
                failure.because(What::Stalled, [host, &after.as_secs()])
            }
        }
    }

    /// The host that failed: not always the one of the original URL.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::NameNotFound { host, .. }
            | Self::AddressRefused { host, .. }
            | Self::Connect { host, .. }
            | Self::Tls { host, .. }
            | Self::Missing { host, .. }
            | Self::Denied { host, .. }
            | Self::Busy { host, .. }
            | Self::Server { host, .. }
            | Self::Status { host, .. }
            | Self::WebPage { host }
            | Self::RangeIgnored { host, .. }
            | Self::Changed { host, .. }
            | Self::NotSatisfiable { host, .. }
            | Self::Rejected { host, .. }
            | Self::BadAnswer { host, .. }
            | Self::Redirect { host, .. }
            | Self::NotConsented { host, .. }
            | Self::Damaged { host, .. }
            | Self::Interrupted { host, .. }
            | Self::Stalled { host, .. } => host,
        }
    }

    /// The error that a status stands for.
    pub(crate) fn of_status(host: String, status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            404 | 410 => Self::Missing { host, status },
            401 | 403 | 407 => Self::Denied { host, status },
            429 | 503 => Self::Busy { host, status, retry_after },
            408 | 425 | 500..=599 => Self::Server { host, status, retry_after },
            _ => Self::Status { host, status },
        }
    }

    /// The error that a rejection by the acceptance rule stands for.
    pub(crate) fn of_rejection(
        host: String,
        rejection: Rejection,
        known: Option<&Identity>,
    ) -> Self {
        match rejection {
            Rejection::RangeIgnored { identity } => Self::RangeIgnored { host, identity },
            Rejection::Changed(source) => Self::Changed { host, source },
            Rejection::NotSatisfiable { length } => {
                match (known.and_then(|known| known.length), length) {
                    // The file shrank, or grew: the offset was right for the length that was known.
                    (Some(before), Some(now)) if before != now => {
                        Self::Changed { host, source: Contradiction::Length { before, now } }
                    }
                    _ => Self::NotSatisfiable { host, length },
                }
            }
            Rejection::Status(status) => Self::of_status(host, status, None),
            source => Self::Rejected { host, source },
        }
    }
}
