//! How the server is set; `settings.rs` says how a person writes it.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use manyhands_wire::RENDEZVOUS_PORT;

/// Everything that can be set. The default is a server that serves a faculty.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub listen: SocketAddr,
    /// Where the key is kept; `None`: where the user's programs keep their data.
    pub data_dir: Option<PathBuf>,
    /// What clients are to be given, where it is not what the server can tell itself.
    pub public_url: Option<String>,
    /// Where `/metrics` is answered.
    pub metrics: Option<SocketAddr>,
    /// A certificate of the public kind, and its key; otherwise the server proves its own.
    pub certificate: Option<PathBuf>,
    pub certificate_key: Option<PathBuf>,
    /// No TLS: a proxy in front has it.
    pub plain_http: bool,
    /// … also on addresses that others can reach.
    pub plain_http_anywhere: bool,
    /// Who is believed when it says for whom it asks …
    pub trusted_proxies: Vec<IpNet>,
    /// … and where it says so.
    pub proxy_header: ProxyHeader,
    /// Probes of this machine's own addresses and of loopback: for tests, where all is on one machine.
    pub probe_this_machine: bool,
    pub limits: Limits,
    pub times: Times,
    /// As `RUST_LOG`.
    pub log: String,
    /// Addresses of clients in the log, for debugging.
    pub log_addresses: bool,
}

/// In which header proxies say for whom they ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl ProxyHeader {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}

/// What a server takes on, in all and of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    pub max_connections: u32,
    pub max_connections_per_address: u32,
    pub max_devices: u32,
    pub max_devices_per_address: u32,
    /// Devices times groups.
    pub max_presences: u32,
    pub max_members_per_group: u32,
    /// More, and the oldest one ends.
    pub max_streams_per_device: u32,
    pub sessions_per_s: u32,
    /// Attempts, whatever comes of them.
    pub sessions_per_address_per_s: u32,
    pub sessions_per_device_per_min: u32,
    pub new_devices_per_address_per_min: u32,
    /// At once, after a pause: everybody comes back after a restart.
    pub new_devices_per_address_burst: u32,
    pub requests_per_device_per_s: u32,
    /// Of which the others of the group are told; renewals are not.
    pub changes_per_device_and_group_per_min: u32,
    pub rings_per_sender_per_min: u32,
    pub rings_per_recipient_per_min: u32,
    pub probes_per_device_per_min: u32,
}

/// How patient it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// For a TLS handshake.
    pub handshake: Duration,
    /// From the end of a handshake or answer to the end of the next request's head.
    pub idle: Duration,
    /// For a connection to show a session; a proxy's is of many.
    pub newcomer: Duration,
    /// For a request's body.
    pub body: Duration,
    /// A reader that has not taken what waits for it after so long is cut off.
    pub slow_reader: Duration,
    /// A comment is sent to a quiet stream.
    pub ping: Duration,
    /// Changes are gathered for so long.
    pub batch: Duration,
    /// A device whose last stream has closed may come back for so long.
    pub grace: Duration,
    /// How often a device has to publish, at least, as long as there are few.
    pub heartbeat: Duration,
    /// For everything to end after SIGTERM.
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv6Addr::UNSPECIFIED, RENDEZVOUS_PORT).into(),
            data_dir: None,
            public_url: None,
            metrics: None,
            certificate: None,
            certificate_key: None,
            plain_http: false,
            plain_http_anywhere: false,
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::XForwardedFor,
            probe_this_machine: false,
            limits: Limits::default(),
            times: Times::default(),
            log: "info".into(),
            log_addresses: false,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 50_000,
            max_connections_per_address: 45_000,
            max_devices: 20_000,
            max_devices_per_address: 10_000,
            max_presences: 50_000,
            max_members_per_group: 1_000,
            max_streams_per_device: 4,
            sessions_per_s: 500,
            sessions_per_address_per_s: 250,
            sessions_per_device_per_min: 12,
            new_devices_per_address_per_min: 600,
            new_devices_per_address_burst: 6_000,
            requests_per_device_per_s: 10,
            changes_per_device_and_group_per_min: 6,
            rings_per_sender_per_min: 6,
            rings_per_recipient_per_min: 30,
            probes_per_device_per_min: 1,
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            newcomer: Duration::from_secs(10),
            body: Duration::from_secs(10),
            slow_reader: Duration::from_secs(30),
            ping: Duration::from_secs(20),
            batch: Duration::from_millis(200),
            grace: Duration::from_secs(10),
            heartbeat: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}
