//! What survives: the list of downloads, piece maps, settings, friends, blocked devices, groups and
//! their secrets, what was lent, and the keys of this device.
//!
//! ```text
//! <data_dir>/              0700
//!   lock                   one instance per profile: ProfileLock
//!   db/                    0700; sled; only this crate touches it
//!   db.broken-<unix ms>    a database that could not be read, kept for a look
//!   downloads.json(.bak)   0600; the last-good copy: all but the piece maps, plain JSON
//!   identity.pem           secrets, 0600, apart from the database so that they outlive it
//! ```
//!
//! # What survives what
//!
//! | after | a killed process | a power cut |
//! |---|---|---|
//! | [`Store::apply`] | may be lost | may be lost |
//! | [`Store::flush_to_os`] | survives | may be lost |
//! | [`Store::flush`] | survives | survives |
//!
//! `apply` is all or nothing in every case, and no batch survives without those before it. It
//! changes the memory of this process; sled writes that later, from a thread of its own. Killed
//! without a flush, one or two batches were gone at 20 and 200 batches a second, up to 70 in a
//! tight loop.
//!
//! Measured with `examples/cost.rs`, unoptimised, on a virtual disk; twenty downloads, each batch a
//! record and a portion of a piece map:
//!
//! | | median | 99 % |
//! |---|---|---|
//! | `apply`, some 200 ranges | 0.26 ms | 0.5 ms |
//! | with `flush_to_os` | 0.54 ms | 0.8 ms |
//! | with `flush` | 0.70 ms | 1.0 ms |
//! | `apply`, 2,048 ranges, with `flush_to_os` | 1.4 ms | 2.7 ms |
//!
//! Not measured on a spinning disk: there, each kind of flush waits for the platter. `flush_to_os`
//! too, as sled has no write without `sync_file_range`, but neither for the file system's journal
//! nor for the disk's cache.
//!
//! # Rules about sled 0.34.7 that this crate keeps
//!
//! - `snap.*.generating` is deleted before opening: a half-written one keeps it from opening.
//! - No value over 64 KiB: sled moves large ones into files of their own, which it never deletes.
//! - Its flush is `sync_file_range`; for a power cut the file is synced by ourselves.
//! - It panics on some damaged files: every call is guarded, and a panic is an error.
//! - The file may take ten times what is in it: a hundred thousand changes of 4.5 MB of records made
//!   it 50 MB, and it grew no more.

mod changes;
mod database;
mod files;
mod last_good;
mod lock;
mod map_chunk;
mod open;
mod records;
mod secret;
mod settings;
mod store;

pub use changes::Op;
pub use database::MAX_VALUE_BYTES;
pub use lock::{Locked, ProfileLock};
pub use open::{OpenError, Opened};
pub use secret::MAX_SECRET_BYTES;
pub use settings::{BlockedPeer, Friend, Group, Meeting, Settings, Theme};
pub use store::{Store, StoreError};
