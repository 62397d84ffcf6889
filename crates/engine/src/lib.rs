//! The tokio shell around the core: it reads the clock, fetches, writes, stores, and shows.
//!
//! [`Engine`] is the one front door for every front end. One task owns the core and everything else sends it facts:
//!
//! ```text
//!   front ends ── commands ──▶ ┌───────┐ ── effects ──▶ fetch tasks ── buffers ──▶ writer thread ──▶ part files
//!   windows, CLI ◀── views ─── │ shell │                   │ facts                   │ facts
//!                              └───────┘ ◀─────────────────┴─────────────────────────┘
//!                                 └────── records, piece maps ──▶ saver thread ──▶ store
//! ```

mod control;
mod engine;
mod fetch;
mod follow;
mod groups;
mod network;
mod part;
mod present;
mod profile;
mod saver;
mod shell;
pub mod view;
mod writer;

pub use control::{ControlError, Raised, Remote};
pub use engine::{
    AskFor, Config, Device, Engine, NewDownload, OpenError, check_header, default_data_dir,
};
pub use follow::{Followed, follow};
pub use groups::{
    find as find_group, id_of as group_of, look_at_server, new_group, read_invite, rotation,
};
pub use manyhands_core::{
    AcceptRule, Ask, AskError, DEFAULT_CONNECTIONS, DownloadId, Failure, FailureCode, GroupId,
    HelpId, HelpMode, Hours, MAX_CONNECTIONS, ModeWish, PairingCode, PeerId, Sha256Digest,
};
pub use manyhands_peer::wire::Invite;
pub use manyhands_store::Meeting;
pub use network::NetworkConfig;
pub use profile::{Change, Profile};

/// Reads what a person typed or pasted as a link.
///
/// # Errors
/// It is no link, or none that can be downloaded.
pub fn check_url(text: &str) -> Result<String, Failure> {
    manyhands_origin::Origins::check_url(text).map(String::from)
}

/// Brings the name of a host, or an address, into its normal form.
///
/// # Errors
/// It is none.
pub fn check_host(text: &str) -> Result<String, Failure> {
    profile::check_host(text)
}
