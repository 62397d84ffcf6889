//! Other Manyhands: where they are, and the protocol between them.
//!
//! This crate never decides whether to help or whom to ask, and keeps nothing on disk: the shell
//! gives it a key, a source of content and answers, and hears facts. Identity is always the key
//! that a TLS handshake has proved; a name or an address never stands for a device. The protocol is
//! described in `docs/protocol.md`.

mod client;
mod content;
mod convert;
mod discovery;
#[cfg(fuzzing)]
pub mod fuzzing;
mod own;
mod presence;
mod rendezvous;
mod rewound;
mod server;
mod tunnel;

pub use client::{
    CallError, ClientWaits, Content, ContentBody, MAX_ADDRESSES, PeerClient, Relay, RemotePeer,
};
pub use content::{ContentSource, FetchFailure, FetchOrder, Fetched};
pub use convert::{help_end, help_mode, wire_mode};
pub use discovery::{
    Discovered, Discovery, DiscoveryOptions, HintOrigin, InterfaceRule, SERVICE_TYPE,
};
pub use manyhands_identity::{DeviceIdentity, HANDSHAKE_TIMEOUT, HandshakeError, IdentityError};
pub use manyhands_wire as wire;
pub use own::OwnAddresses;
pub use presence::{MAX_LISTED, NoWay, Presence, PresenceNews, PresenceWaits};
pub use rendezvous::{
    Callable, Calls, GroupStatus, Member, Rendezvous, RendezvousOptions, RendezvousState,
    RendezvousWaits, ServerFault, ServerLink, look_at_server,
};
pub use server::{
    ClientHello, EndedSession, HelloRefusal, INCOMING_QUEUE, Incoming, IncomingHelp, Lent,
    ListenError, MAX_CLIENT_HELLO_BYTES, Pairings, PeerServer, Reported, ServerOptions,
    ServerWaits, Sources, read_client_hello,
};
pub use tunnel::{TunnelOrder, TunnelSource, TunnelStream};
