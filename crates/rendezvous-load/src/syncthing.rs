//! A client of Syncthing's discovery server: Global Discovery Protocol v3.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use data_encoding::BASE32_NOPAD;
use http_body_util::Full;
use rand::seq::IndexedRandom;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};

use crate::connection::{Connection, Refused, Route};
use crate::figures::Figures;

/// A check digit follows so many characters of a device's id.
const GROUP: usize = 13;
/// What its certificate is for.
const NAME: &str = "stdiscosrv";
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Which server, and the ids that this process has announced there.
pub struct Server {
    address: SocketAddr,
    /// Its own certificate, which it has made for itself.
    roots: Arc<RootCertStore>,
    announced: Arc<Mutex<Vec<String>>>,
    groups: u32,
}

/// One device.
pub struct Client {
    connection: Connection,
    id: String,
    number: u32,
    announced: Arc<Mutex<Vec<String>>>,
    is_announced: bool,
}

impl Server {
    pub fn new(address: SocketAddr, pem: &str, groups: u32) -> anyhow::Result<Self> {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).context("certificate")?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).context("certificate")?;
        Ok(Self { address, roots: roots.into(), announced: Arc::default(), groups })
    }

    /// Whom an order to some groups concerns.
    pub fn group_of(&self, number: u32) -> u32 {
        number.checked_rem(self.groups).unwrap_or(0)
    }

    /// A device with a certificate as Syncthing makes them: ECDSA P-384.
    pub fn client(&self, number: u32, figures: &Arc<Figures>) -> anyhow::Result<Client> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)?;
        let mut params = CertificateParams::new(["syncthing".to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "syncthing");
        let own = params.self_signed(&key)?.der().clone();
        let id = device_id(&own);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.roots.clone())
            .with_client_auth_cert(vec![own], key)?;
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(NAME).context("name")?;
        let route = Route::new(self.address, name, Arc::new(config), figures.clone());
        let announced = self.announced.clone();
        Ok(Client {
            connection: Connection::new(route),
            id,
            number,
            announced,
            is_announced: false,
        })
    }
}

impl Client {
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Says that this device is there; when to say it again.
    pub async fn announce(&mut self) -> Result<Duration, Refused> {
        let [_, b, c, d] = self.number.to_be_bytes();
        let body = serde_json::json!({ "addresses": [format!("tcp://10.{b}.{c}.{d}:22000")] });
        let request = self.connection.route().request("POST", "/v2/");
        let request = request
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|error| error.to_string())?;
        self.connection.ask(request).await?.good()?;
        if !self.is_announced {
            self.is_announced = true;
            let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
            announced.push(self.id.clone());
        }
        // It says so in a header: half an hour. No run is so long.
        Ok(Duration::from_secs(1800))
    }

    /// Asks where one of the devices is that were announced.
    pub async fn look_up(&mut self) -> Result<usize, Refused> {
        let wanted = {
            let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
            announced.choose(&mut rand::rng()).cloned().unwrap_or_else(|| self.id.clone())
        };
        let request = self.connection.route().request("GET", &format!("/v2/?device={wanted}"));
        let request = request.body(Full::default()).map_err(|error| error.to_string())?;
        let answer = self.connection.ask(request).await?.good()?;
        let found: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(|error| format!("nonsense: {error}"))?;
        let addresses = found.get("addresses").and_then(serde_json::Value::as_array);
        match addresses.is_some_and(|addresses| !addresses.is_empty()) {
            true => Ok(1),
            false => Err("an answer without addresses".to_owned().into()),
        }
    }
}

/// The id of the device with this certificate: the base32 of its SHA-256 in four groups with a check digit each, written in
/// chunks of seven.
fn device_id(certificate: &CertificateDer<'_>) -> String {
    let hash = BASE32_NOPAD.encode(&Sha256::digest(certificate));
    let checked = hash
        .as_bytes()
        .chunks(GROUP)
        .flat_map(|group| group.iter().copied().chain(std::iter::once(check_digit(group))));
    let checked: Vec<u8> = checked.collect();
    let chunks: Vec<_> = checked.chunks(7).map(String::from_utf8_lossy).collect();
    chunks.join("-")
}

/// Luhn's algorithm in base 32, as Syncthing has it: from the left.
fn check_digit(group: &[u8]) -> u8 {
    let base = ALPHABET.len();
    let digit = |letter: &u8| ALPHABET.iter().position(|known| known == letter).unwrap_or(0);
    let sum: usize = group
        .iter()
        .enumerate()
        .map(|(index, letter)| digit(letter) * (1 + index % 2))
        .map(|product| product / base + product % base)
        .sum();
    ALPHABET.get((base - sum % base) % base).copied().unwrap_or(b'A')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Syncthing's documentation of device ids.
    #[test]
    fn check_digits_are_syncthings() {
        let id = "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD";
        let id = id.replace('-', "");
        for group in id.as_bytes().chunks(GROUP + 1) {
            let (check, group) = group.split_last().unwrap();
            assert_eq!(check_digit(group), *check, "{}", String::from_utf8_lossy(group));
        }
    }
}
