//! Fetching from servers: HTTP and FTP.
//!
//! [`Origins::fetch`] asks for a range and gives an [`Answer`] whose bytes may be written; what may not be written never
//! becomes one. The judge is [`manyhands_core::accept`] for every protocol alike. What goes wrong is a [`FetchError`],
//! which says what the caller can do ([`FetchError::retry`]) and what to tell a person ([`FetchError::failure`]).
//!
//! This crate never writes a file, never retries by itself, and knows nothing of downloads, leases or peers. It is the
//! only one that knows reqwest and suppaftp.

mod answer;
mod connect;
mod disposition;
mod error;
mod ftp;
mod guard;
mod header;
mod helper_guard;
mod http;
mod link;
mod moved;
mod names;
mod origins;
mod trouble;
mod tunnel;

pub use answer::{Answer, Body};
pub use error::{ConnectError, FetchError, RedirectError, Retry, TlsTrouble};
pub use guard::{AddressGuard, Refused};
pub use header::{HeaderError, check_header};
pub use helper_guard::HelperGuard;
pub use link::MAX_URL_BYTES;
pub use names::{MAX_NAME_BYTES, safe_name};
pub use origins::{FetchRequest, Options, Origins, ProxyMode};
