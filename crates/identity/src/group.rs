//! The key of a group.
//!
//! Members share a secret of 128 bits; whoever has it is one. A key pair is derived from it, and the
//! group's id is the hash of the public half: a rendezvous server can check that somebody is a member
//! without learning anything that would make it one.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use aws_lc_rs::rand;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use manyhands_core::{GroupId, PeerId};
use sha2::{Digest, Sha256};

/// What the members of a group share and nobody else knows. It travels in invites alone.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupSecret([u8; Self::LEN]);

/// What a member can do with the secret. Cheap to keep, derived once.
pub struct GroupKey {
    id: GroupId,
    proving: Ed25519KeyPair,
    sealing: LessSafeKey,
}

/// The signature is not of this group's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no proof of being a member")]
pub struct BadGroupProof;

const SALT: &[u8] = b"manyhands group 1";
const PROVING: &[u8] = b"proving key";
const SEALING: &[u8] = b"sealing key";

impl GroupSecret {
    pub const LEN: usize = 16;

    /// A new group's.
    ///
    /// # Panics
    /// The operating system has no random numbers.
    #[must_use]
    #[allow(clippy::expect_used, reason = "nothing can be done without random numbers")]
    pub fn generate() -> Self {
        let mut secret = [0; Self::LEN];
        rand::fill(&mut secret).expect("random numbers of the operating system");
        Self(secret)
    }

    #[must_use]
    pub fn from_bytes(secret: [u8; Self::LEN]) -> Self {
        Self(secret)
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl GroupKey {
    /// # Panics
    /// Never: every 32 bytes are a key of both kinds.
    #[must_use]
    #[allow(clippy::expect_used, reason = "every 32 bytes are a key")]
    pub fn new(secret: &GroupSecret) -> Self {
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(&secret.0);
        let derive = |purpose: &[u8]| {
            let mut key = [0; 32];
            let purpose = [purpose];
            let output = derived.expand(&purpose, hkdf::HKDF_SHA256);
            output.and_then(|output| output.fill(&mut key)).expect("32 bytes can be derived");
            key
        };
        let proving = Ed25519KeyPair::from_seed_unchecked(&derive(PROVING)).expect("a seed");
        let sealing = UnboundKey::new(&AES_256_GCM, &derive(SEALING)).expect("a key");
        let id = id_of(proving.public_key().as_ref());
        Self { id, proving, sealing: LessSafeKey::new(sealing) }
    }

    #[must_use]
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// The public half, 32 bytes: what a server checks proofs with.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        key.copy_from_slice(self.proving.public_key().as_ref());
        key
    }

    /// Proves to be a member; [`verify_group`] checks it.
    #[must_use]
    pub fn prove(&self, statement: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.proving.sign(statement).as_ref());
        signature
    }

    /// A text that members alone can read, and only as that of `device`.
    #[must_use]
    pub fn seal(&self, device: PeerId, text: &str) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        let mut sealed = text.as_bytes().to_vec();
        let aad = Aad::from(device.as_bytes());
        let done = rand::fill(&mut nonce).and_then(|()| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            self.sealing.seal_in_place_append_tag(nonce, aad, &mut sealed)
        });
        if done.is_err() {
            return Vec::new();
        }
        [nonce.as_slice(), &sealed].concat()
    }

    /// What [`Self::seal`] closed; `None`: by somebody else, for another device, or changed since.
    #[must_use]
    pub fn open(&self, device: PeerId, sealed: &[u8]) -> Option<String> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let (nonce, mut text) = (Nonce::assume_unique_for_key(*nonce), sealed.to_vec());
        let aad = Aad::from(device.as_bytes());
        let text = self.sealing.open_in_place(nonce, aad, &mut text).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

/// The group whose key has signed `statement`.
///
/// # Errors
/// [`BadGroupProof`].
pub fn verify_group(
    key: &[u8; 32],
    statement: &[u8],
    signature: &[u8],
) -> Result<GroupId, BadGroupProof> {
    let verified = UnparsedPublicKey::new(&ED25519, key).verify(statement, signature);
    verified.map(|()| id_of(key)).map_err(|_| BadGroupProof)
}

fn id_of(public_key: &[u8]) -> GroupId {
    GroupId::from_digest(Sha256::digest(public_key).into())
}

impl fmt::Debug for GroupSecret {
    /// Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupSecret(…)")
    }
}

impl fmt::Debug for GroupKey {
    /// Never the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_secret_is_a_member_and_nobody_else() {
        let secret = GroupSecret::generate();
        let (one, same) = (GroupKey::new(&secret), GroupKey::new(&secret));
        let other = GroupKey::new(&GroupSecret::generate());
        assert_eq!(one.id(), same.id());
        assert_ne!(one.id(), other.id());
        let proof = same.prove(b"statement");
        assert_eq!(verify_group(&one.public_key(), b"statement", &proof), Ok(one.id()));
        assert_eq!(verify_group(&one.public_key(), b"another", &proof), Err(BadGroupProof));
        assert_eq!(verify_group(&other.public_key(), b"statement", &proof), Err(BadGroupProof));
        assert_eq!(verify_group(&one.public_key(), b"statement", &[]), Err(BadGroupProof));
    }

    #[test]
    fn what_is_sealed_is_read_by_members_as_of_its_device_only() {
        let key = GroupKey::new(&GroupSecret::generate());
        let (ana, mo) = (PeerId::from_digest([1; 32]), PeerId::from_digest([2; 32]));
        let sealed = key.seal(ana, "Ana's laptop");
        assert_eq!(key.open(ana, &sealed).as_deref(), Some("Ana's laptop"));
        assert_eq!(key.open(mo, &sealed), None);
        assert_eq!(GroupKey::new(&GroupSecret::generate()).open(ana, &sealed), None);
        assert_eq!(key.open(ana, &sealed[..sealed.len() - 1]), None);
        assert_eq!(key.open(ana, &[]), None);
        assert_ne!(sealed, key.seal(ana, "Ana's laptop"));
    }

    /// The derivation is part of the protocol: another would be another group.
    #[test]
    fn the_id_of_a_group_follows_from_its_secret() {
        let key = GroupKey::new(&GroupSecret::from_bytes(std::array::from_fn(|i| i as u8)));
        assert_eq!(key.id().to_string(), "qiadscjbr3xf75h3se77d5gcysjcpkmchqg5e27vuybiachbelga");
    }
}
