//! The rendezvous server: who is online in a group, for members whose network does not let them find one another.
//!
//! It holds what devices say of themselves, signed by them, and hands it to those who prove to be members of the same group. It can
//! hide a device from others, but neither forge one nor send anybody to a device that is not who it says it is: clients hold every
//! connection to the id. It keeps no list of groups, sees no link and no file name, and carries no file.
//!
//! Invariants: everything that is kept is bounded and in memory, but for the server's own key; nobody is told whether a group exists
//! that he has not proved to be in; the server connects to no address but the one that asks for it; a slow reader delays nobody.

mod address;
mod admission;
mod challenge;
mod config;
mod connection;
mod cursor;
mod events;
mod forwarded;
mod key;
mod limiter;
mod metrics;
mod probe;
mod refusals;
mod routes;
mod server;
mod sessions;
mod settings;
mod store;
mod tls;

pub use config::{Config, Limits, ProxyHeader, Times};
pub use key::{KeyError, default_data_dir, open_key};
pub use server::{Server, StartError};
pub use settings::{SETTINGS, Setting, SettingError, Source, read_settings};
pub use store::{
    Batch, Event, MemoryStore, NewRecord, PresenceStore, Readers, Sizes, StoreRefusal, Subscription,
};
