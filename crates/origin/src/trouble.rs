//! From what the HTTP and TLS libraries report to [`FetchError`]: the kind of an error lies deep in its chain of sources.

use std::error::Error;
use std::io;

use rustls::CertificateError;
use suppaftp::FtpError;

use crate::error::{Cause, ConnectError, FetchError, TlsTrouble};
use crate::guard::{NameError, Refused};
use crate::tunnel::{NoAuthorities, SendError, TlsNote};

/// Chains longer than this are a circle.
const MAX_CHAIN: usize = 32;

/// No answer came.
pub(crate) fn of_request(host: &str, error: reqwest::Error) -> FetchError {
    let host = host.to_owned();
    // The URL may hold a secret query.
    let error = error.without_url();
    if let Some(refused) = find::<Refused>(&error) {
        return FetchError::AddressRefused { host, source: *refused };
    }
    if error.is_dns() || find::<NameError>(&error).is_some() {
        return FetchError::NameNotFound { host, source: error.into() };
    }
    if error.is_builder() {
        return FetchError::BadAnswer { host, source: error.into() };
    }
    let (connecting, timed_out) = (error.is_connect(), error.is_timeout());
    of_sending(host, error.into(), connecting, timed_out)
}

/// No answer came through a proxy.
pub(crate) fn of_tunnel(host: &str, error: SendError) -> FetchError {
    of_sending(host.to_owned(), error.cause, error.connecting, false)
}

fn of_sending(host: String, error: Cause, connecting: bool, timed_out: bool) -> FetchError {
    if find::<NoAuthorities>(&*error).is_some() {
        let why = TlsTrouble::NoAuthorities;
        return FetchError::Tls { host, why, untrusted: false, source: Some(error) };
    }
    if let Some(tls) = find::<rustls::Error>(&*error) {
        let damaged = if connecting { is_damaged_handshake(tls) } else { is_damage(tls) };
        if damaged {
            return FetchError::Damaged { host, received_bytes: 0, source: Some(error) };
        }
        let (why, untrusted) = tls_why(tls);
        return FetchError::Tls { host, why, untrusted, source: Some(error) };
    }
    if connecting {
        let kind = match find::<io::Error>(&*error).map(io::Error::kind) {
            _ if timed_out => io::ErrorKind::TimedOut,
            // Connecting reads nothing: only a handshake can end like this.
            Some(io::ErrorKind::UnexpectedEof) => {
                let why = TlsTrouble::Ended;
                return FetchError::Tls { host, why, untrusted: false, source: Some(error) };
            }
            kind => kind.unwrap_or(io::ErrorKind::Other),
        };
        return FetchError::Connect { host, why: connect_why(kind), source: Some(error) };
    }
    if find::<hyper::Error>(&*error).is_some_and(hyper::Error::is_parse) {
        return FetchError::BadAnswer { host, source: error };
    }
    interrupted(&host, 0, error)
}

/// The body ended early, or makes no sense from here on: what came before is good. `note` is what TLS said of the connection;
/// the error may not tell.
pub(crate) fn of_http_body(
    host: &str,
    received_bytes: u64,
    error: reqwest::Error,
    note: Option<&TlsNote>,
) -> FetchError {
    let tls = note.and_then(TlsNote::read).or_else(|| find(&error));
    if tls.is_some_and(is_damage) {
        let (host, source) = (host.to_owned(), Some(error.without_url().into()));
        return FetchError::Damaged { host, received_bytes, source };
    }
    interrupted(host, received_bytes, error.without_url())
}

/// Whether either end of a TLS connection that was made found that something else came than the other one sent.
fn is_damage(error: &rustls::Error) -> bool {
    use rustls::AlertDescription as Alert;
    match error {
        rustls::Error::InvalidMessage(_)
        | rustls::Error::InappropriateMessage { .. }
        | rustls::Error::InappropriateHandshakeMessage { .. }
        | rustls::Error::PeerMisbehaved(_)
        | rustls::Error::PeerSentOversizedRecord => true,
        rustls::Error::AlertReceived(alert) => matches!(
            alert,
            Alert::BadRecordMac
                | Alert::DecryptError
                | Alert::DecodeError
                | Alert::UnexpectedMessage
                | Alert::RecordOverflow
                | Alert::IllegalParameter
        ),
        error => is_damaged_handshake(error),
    }
}

/// The same, while the connection is made. Until then nothing is authenticated: on an honest line, too, there may be somebody
/// who answers with something else than TLS, or forbids the connection with an alert. Only keys that do not fit tell that the
/// server's own answer was changed.
fn is_damaged_handshake(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::DecryptError
            // The signature over the handshake is wrong: the certificate may be right.
            | rustls::Error::InvalidCertificate(CertificateError::BadSignature)
    )
}

/// The same, for a transfer that the server did not call complete.
pub(crate) fn of_ftp_body(host: &str, received_bytes: u64, error: FtpError) -> FetchError {
    interrupted(host, received_bytes, error)
}

fn interrupted(host: &str, received_bytes: u64, error: impl Into<Cause>) -> FetchError {
    FetchError::Interrupted { host: host.into(), received_bytes, source: Some(error.into()) }
}

/// Completes "the host …".
pub(crate) fn connect_why(kind: io::ErrorKind) -> ConnectError {
    match kind {
        io::ErrorKind::TimedOut => ConnectError::NoAnswer,
        io::ErrorKind::ConnectionRefused => ConnectError::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            ConnectError::Unreachable
        }
        _ => ConnectError::Other,
    }
}

/// The first error of type `T` in the chain.
pub(crate) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    for _ in 0..MAX_CHAIN {
        let error = next?;
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An io::Error gives out the source of what it wraps, not what it wraps.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Why a TLS connection was not made, and whether that is the certificate's fault.
pub(crate) fn tls_why(error: &rustls::Error) -> (TlsTrouble, bool) {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return (TlsTrouble::Other(error.to_string()), false);
    };
    let why = match certificate {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsTrouble::OtherName
        }
        CertificateError::UnknownIssuer => TlsTrouble::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsTrouble::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsTrouble::NotYetValid
        }
        CertificateError::Revoked => TlsTrouble::Revoked,
        other => TlsTrouble::Other(format!("its certificate is not accepted ({other})")),
    };
    (why, true)
}
