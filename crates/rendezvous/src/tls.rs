//! TLS with a certificate that was given: checked by clients like that of a web site.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{} cannot be read: {source}", .file.display())]
    Read { file: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("there is no certificate in {}", .0.display())]
    None(PathBuf),
    #[error("the certificate and its key do not work: {0}")]
    Tls(#[from] rustls::Error),
}

pub(crate) fn given_certificate(
    certificate: &Path,
    key: &Path,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let unreadable = |file: &Path| {
        let file = file.to_owned();
        move |source| CertificateError::Read { file, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate).map_err(unreadable(certificate))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(unreadable(certificate))?;
    if chain.is_empty() {
        return Err(CertificateError::None(certificate.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // Signing with RSA costs four times what all the rest of a handshake does: who comes back shows a ticket. One is enough, each connection
    // gives the next. The key of tickets is new with each certificate and every six hours; nothing is kept in memory of any client.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl From<CertificateError> for io::Error {
    fn from(error: CertificateError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection};

    use super::*;

    /// A certificate and its key, in a folder of their own.
    fn write_certificate(folder: &Path) -> [PathBuf; 2] {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = ["cert.pem", "key.pem"].map(|name| folder.join(name));
        std::fs::write(&files[0], cert.pem()).unwrap();
        std::fs::write(&files[1], signing_key.serialize_pem()).unwrap();
        files
    }

    /// One handshake, and how it went; the client reads what comes behind it, too.
    fn handshake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Option<HandshakeKind> {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(client.clone(), name).unwrap();
        let mut server = ServerConnection::new(server.clone()).unwrap();
        while client.wants_write() || server.wants_write() {
            let (mut sent, mut answered) = (Vec::new(), Vec::new());
            while client.wants_write() {
                client.write_tls(&mut sent).unwrap();
            }
            let mut sent = &sent[..];
            while !sent.is_empty() {
                server.read_tls(&mut sent).unwrap();
                server.process_new_packets().unwrap();
            }
            while server.wants_write() {
                server.write_tls(&mut answered).unwrap();
            }
            let mut answered = &answered[..];
            while !answered.is_empty() {
                client.read_tls(&mut answered).unwrap();
                client.process_new_packets().unwrap();
            }
        }
        server.handshake_kind()
    }

    #[test]
    fn who_comes_back_shows_a_ticket_which_ends_with_the_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = write_certificate(folder.path());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&certificate).unwrap()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Arc::new(client);
        let server = given_certificate(&certificate, &key).unwrap();
        let kinds = [(); 3].map(|()| handshake(&client, &server));
        let [first, again @ ..] = kinds;
        assert_eq!(first, Some(HandshakeKind::Full));
        assert_eq!(again, [Some(HandshakeKind::Resumed); 2], "each gives the next ticket");
        // The same files, read anew.
        let renewed = given_certificate(&certificate, &key).unwrap();
        assert_eq!(handshake(&client, &renewed), Some(HandshakeKind::Full));
    }
}
