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
    // Every session would be kept in memory; clients stay connected.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl From<CertificateError> for io::Error {
    fn from(error: CertificateError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}
