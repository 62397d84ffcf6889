//! TLS between devices: version 1.3 alone, both sides prove their key, and who it must be is
//! settled inside the handshake.
//!
//! Invariants: no session is ever resumed and no early data taken, so that every connection has
//! seen both proofs; a client's first byte of a request leaves after the other side's key has been
//! compared with the expected one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use manyhands_core::PeerId;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    ServerConfig, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::device::{DeviceIdentity, id_of_key};

/// A handshake takes a few milliseconds on a LAN; who needs longer than this holds a place that
/// others need.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The one application protocol (RFC 7301), asked for and required by both sides.
pub(crate) const ALPN: &[u8] = b"http/1.1";

/// The signatures that device keys make.
const SCHEMES: [SignatureScheme; 2] =
    [SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256];

/// Why there is no authenticated connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// Somebody else answers at this address. Nothing was sent. Try another address; for a friend
    /// whose address this surely is, tell the user: it is an error, never a reason to trust the new
    /// key.
    #[error("another device answered: {found:?}")]
    WrongDevice { found: PeerId },
    #[error("the handshake took longer than {} s", HANDSHAKE_TIMEOUT.as_secs())]
    Timeout,
    /// No TLS 1.3, no certificate, a broken signature, another protocol, a connection lost.
    #[error("the handshake failed")]
    Failed(#[source] std::io::Error),
}

/// The client's side: makes handshakes that only the expected device can finish.
#[derive(Clone)]
pub struct Dialer {
    certificate: CertificateDer<'static>,
    key: Arc<rustls::pki_types::PrivateKeyDer<'static>>,
    provider: Arc<CryptoProvider>,
}

/// Whom a client will talk to.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    Device(PeerId),
    /// Whoever answers at an address that a person typed. Only a greeting may follow.
    Anyone,
}

impl Dialer {
    pub fn new(identity: &DeviceIdentity) -> Self {
        Self {
            certificate: identity.certificate(),
            key: Arc::new(identity.private_key()),
            provider: Arc::new(aws_lc_rs::default_provider()),
        }
    }

    pub fn config(&self, expect: Expect) -> Result<Arc<ClientConfig>, Error> {
        let verifier = Arc::new(Verifier::new(&self.provider, Rule::Expect(expect)));
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key())?;
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        // The name would tell every listener on the network who is looked for.
        config.enable_sni = false;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Arc::new(config))
    }
}

/// Proves both sides to one another over `stream`, as the one who called.
pub async fn connect(
    stream: TcpStream,
    config: Arc<ClientConfig>,
) -> Result<(TlsStream<TcpStream>, PeerId), HandshakeError> {
    // Never sent, never compared: the verifier knows whom it expects.
    let name = ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into());
    let handshake = TlsConnector::from(config).connect(name, stream);
    let stream =
        timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(|_| HandshakeError::Timeout)?;
    finished(TlsStream::Client(stream.map_err(failure)?))
}

/// Proves both sides to one another over `stream`, as the one who was called.
pub async fn accept(
    stream: TcpStream,
    config: Arc<ServerConfig>,
) -> Result<(TlsStream<TcpStream>, PeerId), HandshakeError> {
    let handshake = TlsAcceptor::from(config).accept(stream);
    let stream =
        timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(|_| HandshakeError::Timeout)?;
    finished(TlsStream::Server(stream.map_err(failure)?))
}

/// The server's side of the handshake: any device but the blocked ones may come in, and has proved
/// its key.
pub fn server_config(
    identity: &DeviceIdentity,
    blocked: Blocked,
) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Verifier::new(&provider, Rule::NotBlocked(blocked)));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![identity.certificate()], identity.private_key())?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// The side that proves its key to callers who prove theirs later, by a signature, or not at all: a rendezvous
/// server.
///
/// No session is resumed here either: it would spare the server a signature, which with keys such as these costs it less than a
/// ticket does (75 µs for a whole handshake, 83 for a resumed one).
///
/// # Errors
/// The key cannot be used by TLS.
pub fn anonymous_server_config(identity: &DeviceIdentity) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate()], identity.private_key())?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// The side that calls without a certificate, and has the other one prove its key: towards a rendezvous server, which learns who
/// calls by a signature, when it is sure to be the right one.
///
/// # Errors
/// The library has no TLS 1.3.
pub fn anonymous_client_config(expect: Expect) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Verifier::new(&provider, Rule::Expect(expect)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.enable_sni = false;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// The devices that may not come in. The lock guards the set alone and is never held over an await.
#[derive(Clone, Debug, Default)]
pub struct Blocked(Arc<RwLock<BTreeSet<PeerId>>>);

impl Blocked {
    pub fn replace(&self, ids: BTreeSet<PeerId>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ids;
    }

    pub fn contains(&self, id: &PeerId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}

fn finished(
    stream: TlsStream<TcpStream>,
) -> Result<(TlsStream<TcpStream>, PeerId), HandshakeError> {
    let broken = |text| HandshakeError::Failed(std::io::Error::other(text));
    let connection = stream.get_ref().1;
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(broken("the other side does not speak http/1.1"));
    }
    let certificate = connection.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.ok_or_else(|| broken("the other side has no certificate"))?;
    let id = id_of_certificate(certificate)
        .map_err(|error| HandshakeError::Failed(std::io::Error::other(error)))?;
    Ok((stream, id))
}

fn failure(error: std::io::Error) -> HandshakeError {
    let rustls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    if let Some(Error::InvalidCertificate(CertificateError::Other(OtherError(other)))) = rustls
        && let Some(NotExpected { found }) = other.downcast_ref()
    {
        return HandshakeError::WrongDevice { found: *found };
    }
    HandshakeError::Failed(error)
}

/// The device whose key is in `certificate`. Whether it has the key is for the signature to show.
///
/// The certificate is read by the same parser that later checks the signature, so that both see the
/// same key.
pub(crate) fn id_of_certificate(certificate: &CertificateDer<'_>) -> Result<PeerId, Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(id_of_key(&parsed.subject_public_key_info()))
}

/// Compares the presented key with the expected one, and has the signature over the handshake
/// checked with it.
struct Verifier {
    rule: Rule,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Rule {
    Expect(Expect),
    NotBlocked(Blocked),
}

/// The key belongs to another device.
#[derive(Debug, thiserror::Error)]
#[error("the key of another device")]
struct NotExpected {
    found: PeerId,
}

impl Verifier {
    fn new(provider: &CryptoProvider, rule: Rule) -> Self {
        Self { rule, algorithms: provider.signature_verification_algorithms }
    }

    fn check(&self, end_entity: &CertificateDer<'_>) -> Result<(), Error> {
        let found = id_of_certificate(end_entity)?;
        let welcome = match &self.rule {
            Rule::Expect(Expect::Device(expected)) => found == *expected,
            Rule::Expect(Expect::Anyone) => true,
            Rule::NotBlocked(blocked) => !blocked.contains(&found),
        };
        if welcome {
            return Ok(());
        }
        let other = OtherError(Arc::new(NotExpected { found }));
        Err(Error::InvalidCertificate(CertificateError::Other(other)))
    }

    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !SCHEMES.contains(&dss.scheme) {
            return Err(CertificateError::BadSignature.into());
        }
        rustls::crypto::verify_tls13_signature(message, certificate, dss, &self.algorithms)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("rule", &self.rule).finish_non_exhaustive()
    }
}

impl fmt::Debug for Dialer {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
