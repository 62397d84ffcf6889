//! What a device has signed, outside TLS.

use manyhands_core::PeerId;
use rustls::pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;
use webpki::aws_lc_rs::{ECDSA_P256_SHA256, ED25519};

use crate::device::id_of_key;

/// The two kinds of device keys.
const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 2] = [ED25519, ECDSA_P256_SHA256];

/// The key cannot be read, or the signature is not its.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not of this key")]
pub struct BadSignature;

/// The device whose key (SubjectPublicKeyInfo, DER) has signed `message`.
///
/// # Errors
/// [`BadSignature`].
pub fn verify(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<PeerId, BadSignature> {
    let der = SubjectPublicKeyInfoDer::from(spki);
    let key = RawPublicKeyEntity::try_from(&der).map_err(|_| BadSignature)?;
    let good = |algorithm| key.verify_signature(algorithm, message, signature).is_ok();
    if ALGORITHMS.into_iter().any(good) { Ok(id_of_key(spki)) } else { Err(BadSignature) }
}

/// The device with this key (SubjectPublicKeyInfo, DER). Nothing is proved by it.
#[must_use]
pub fn device_of_key(spki: &[u8]) -> PeerId {
    id_of_key(spki)
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PublicKeyData, SigningKey};

    use super::*;
    use crate::DeviceIdentity;

    #[test]
    fn a_device_is_known_by_what_it_has_signed() {
        let (device, other) =
            (DeviceIdentity::generate().unwrap(), DeviceIdentity::generate().unwrap());
        let signature = device.sign(b"hello").unwrap();
        assert_eq!(verify(&device.public_key(), b"hello", &signature), Ok(device.id()));
        assert_eq!(verify(&device.public_key(), b"hellO", &signature), Err(BadSignature));
        assert_eq!(verify(&other.public_key(), b"hello", &signature), Err(BadSignature));
        assert_eq!(verify(&device.public_key(), b"hello", &signature[..63]), Err(BadSignature));
        assert_eq!(verify(&device.public_key()[1..], b"hello", &signature), Err(BadSignature));
        assert_eq!(verify(b"", b"hello", &signature), Err(BadSignature));
        let mut longer = device.public_key();
        longer.push(0);
        assert_eq!(
            verify(&longer, b"hello", &signature),
            Err(BadSignature),
            "one key, one spelling"
        );
    }

    #[test]
    fn both_kinds_of_key_sign_and_no_other() {
        let p256 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let spki = p256.subject_public_key_info();
        assert!(verify(&spki, b"hello", &p256.sign(b"hello").unwrap()).is_ok());
        let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let spki = p384.subject_public_key_info();
        assert_eq!(verify(&spki, b"hello", &p384.sign(b"hello").unwrap()), Err(BadSignature));
    }
}
