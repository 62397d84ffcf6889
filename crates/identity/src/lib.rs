//! Keys: who a device is, what it signs, and TLS that proves it.
//!
//! A device is its key and nothing else: no name, no address. The same code serves between peers and
//! between a client and its rendezvous server. Nothing here opens a socket or keeps anything on disk, and
//! no private key leaves this crate but to be kept ([`DeviceIdentity::to_pem`], [`GroupSecret`]).

mod device;
mod group;
mod record;
mod signature;
mod tls;

pub use device::{DeviceIdentity, IdentityError};
pub use group::{BadGroupProof, GroupKey, GroupSecret, verify_group};
pub use record::{RecordError, check_record, sign_record};
pub use signature::{BadSignature, device_of_key, verify};
pub use tls::{
    Blocked, Dialer, Expect, HANDSHAKE_TIMEOUT, HandshakeError, accept, anonymous_client_config,
    anonymous_server_config, connect, server_config,
};
