//! The key of this device.
//!
//! Ed25519: its signatures need no random number whose repetition would give the key away, it is
//! small, and every current TLS library has it. Other clients may keep an ECDSA P-256 key instead,
//! the only kind that most key stores and security chips offer; both are accepted everywhere.

use std::fmt;

use manyhands_core::PeerId;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData, SigningKey};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

/// The key of this device, and the certificate that carries it through a handshake. Cheap to keep,
/// made or read once.
pub struct DeviceIdentity {
    key: KeyPair,
    id: PeerId,
    certificate: CertificateDer<'static>,
}

/// The key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No random numbers, or the library refuses. There is nothing that a caller could do.
    #[error("a device key cannot be made")]
    Make(#[source] rcgen::Error),
    /// What was kept is damaged. A new key is another device to all friends: ask the user, do not
    /// replace it silently.
    #[error("the kept device key cannot be read")]
    Read(#[source] rcgen::Error),
    /// Neither Ed25519 nor ECDSA P-256.
    #[error("the kept device key is of a kind that the peer protocol does not use")]
    Kind,
    #[error("the device key does not sign")]
    Sign(#[source] rcgen::Error),
    /// A presence record would be longer than the protocol allows.
    #[error("the presence record is too long")]
    Record,
}

impl DeviceIdentity {
    /// A new key, at the first start of a profile.
    ///
    /// # Errors
    /// [`IdentityError::Make`].
    pub fn generate() -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(IdentityError::Make)?;
        Self::with_key(key)
    }

    /// The key that [`to_pem`](Self::to_pem) gave.
    ///
    /// # Errors
    /// [`IdentityError::Read`], [`IdentityError::Kind`].
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let key = KeyPair::from_pem(pem).map_err(IdentityError::Read)?;
        let known = [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P256_SHA256];
        if !known.into_iter().any(|kind| key.is_compatible(kind)) {
            return Err(IdentityError::Kind);
        }
        Self::with_key(key)
    }

    /// The private key as PKCS#8 in PEM, to be kept where only this user can read it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The SHA-256 of the public key. A certificate may be made anew, the id stays.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// The public key: SubjectPublicKeyInfo, DER.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.key.subject_public_key_info()
    }

    /// A signature over `message`, which [`crate::verify`] checks. Whoever calls puts a context before what is signed, so
    /// that no signature can be taken for one of another kind.
    ///
    /// # Errors
    /// [`IdentityError::Sign`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, IdentityError> {
        SigningKey::sign(&self.key, message).map_err(IdentityError::Sign)
    }

    /// The certificate is only the envelope in which TLS carries the key: it says nothing of the
    /// device or its user, and nobody looks at its dates.
    fn with_key(key: KeyPair) -> Result<Self, IdentityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "manyhands");
        let certificate = params.self_signed(&key).map_err(IdentityError::Make)?.der().clone();
        let id = id_of_key(&key.subject_public_key_info());
        Ok(Self { key, id, certificate })
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

/// The id of the device with this SubjectPublicKeyInfo (DER).
pub(crate) fn id_of_key(spki: &[u8]) -> PeerId {
    PeerId::from_digest(Sha256::digest(spki).into())
}

impl fmt::Debug for DeviceIdentity {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceIdentity").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_key_is_the_same_device() {
        let first = DeviceIdentity::generate().unwrap();
        let again = DeviceIdentity::from_pem(&first.to_pem()).unwrap();
        assert_eq!(first.id(), again.id());
        assert_ne!(first.id(), DeviceIdentity::generate().unwrap().id());
    }

    #[test]
    fn the_id_is_the_hash_of_the_key_that_the_certificate_carries() {
        let identity = DeviceIdentity::generate().unwrap();
        let id = crate::tls::id_of_certificate(&identity.certificate()).unwrap();
        assert_eq!(id, identity.id());
    }

    #[test]
    fn both_kinds_of_key_are_read_and_nothing_else() {
        let p256 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        assert!(DeviceIdentity::from_pem(&p256.serialize_pem()).is_ok());
        let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let refused = DeviceIdentity::from_pem(&p384.serialize_pem());
        assert!(matches!(refused, Err(IdentityError::Kind)));
        for damaged in ["", "hello", &p256.serialize_pem()[..60]] {
            assert!(matches!(DeviceIdentity::from_pem(damaged), Err(IdentityError::Read(_))));
        }
    }

    #[test]
    fn the_key_is_not_in_the_debug_text() {
        let identity = DeviceIdentity::generate().unwrap();
        let text = format!("{identity:?}");
        assert!(text.len() < 80 && text.contains(&identity.id().short()), "{text}");
    }
}
