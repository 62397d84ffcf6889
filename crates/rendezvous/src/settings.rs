//! The settings as a person writes them: in a file, in the environment, on the command line. All three say the same words, and the later one
//! wins.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use manyhands_wire::ServerAddress;

use crate::config::{Config, ProxyHeader};

/// The environment's names are this, and the setting's in capitals.
pub(crate) const ENVIRONMENT_PREFIX: &str = "MANYHANDS_RENDEZVOUS_";

/// One setting. `name` is its name in the file; on the command line underscores are dashes.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    /// What its value looks like, or its unit.
    pub unit: &'static str,
    pub default: &'static str,
    pub about: &'static str,
    put: fn(&mut Config, &str) -> Result<(), String>,
}

/// Where a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    File,
    Environment,
    Flag,
}

/// A value that makes no sense; it is named, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingError(String);

macro_rules! settings {
    ($($name:ident, $unit:literal, $default:literal, $about:literal, $put:expr;)*) => {
        /// Every setting, in the order in which they are documented.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($name),
            unit: $unit,
            default: $default,
            about: $about,
            put: $put,
        }),*];
    };
}

settings! {
    listen, "ADDR:PORT", "[::]:8470", "where clients are served; port 0: any free one", |c, t| {
        put(&mut c.listen, address(t))
    };
    data_dir, "DIR", "", "where the server's key is kept; otherwise systemd's state directory, or `manyhands-rendezvous` in the user's data folder", |c, t| {
        put(&mut c.data_dir, path(t))
    };
    public_url, "URL", "", "what clients are to be given; otherwise made of the listening address or the machine's name", |c, t| {
        put(&mut c.public_url, public_url(t))
    };
    metrics, "ADDR:PORT", "", "where `/metrics` and `/healthz` are answered, over plain http; otherwise nowhere", |c, t| {
        put(&mut c.metrics, optional(t, address))
    };
    certificate, "FILE", "", "a certificate of the public kind with its chain (PEM), which clients check like a web site's; otherwise TLS proves the server's own key", |c, t| {
        put(&mut c.certificate, path(t))
    };
    certificate_key, "FILE", "", "the private key of `certificate` (PEM)", |c, t| {
        put(&mut c.certificate_key, path(t))
    };
    plain_http, "true or false", "false", "no TLS: a reverse proxy in front has it", |c, t| {
        put(&mut c.plain_http, boolean(t))
    };
    plain_http_anywhere, "true or false", "false", "plain http also on addresses other than loopback: whoever is on the way reads it all", |c, t| {
        put(&mut c.plain_http_anywhere, boolean(t))
    };
    trusted_proxies, "CIDR list", "", "networks of reverse proxies, with commas between them: what they say of whom they ask for is believed, and nobody else's word", |c, t| {
        put(&mut c.trusted_proxies, networks(t))
    };
    proxy_header, "HEADER", "x-forwarded-for", "where these proxies say so: `x-forwarded-for` or `forwarded` (RFC 7239); the other one is not looked at", |c, t| {
        put(&mut c.proxy_header, proxy_header(t))
    };
    max_connections, "connections", "50000", "open connections in all; fewer where the system allows fewer files", |c, t| {
        put(&mut c.limits.max_connections, whole(t, 1, 1_000_000))
    };
    max_connections_per_address, "connections", "45000", "… of one address (of one /48 in IPv6), trusted proxies aside", |c, t| {
        put(&mut c.limits.max_connections_per_address, whole(t, 1, 1_000_000))
    };
    max_devices, "devices", "20000", "devices that are present or reading", |c, t| {
        put(&mut c.limits.max_devices, whole(t, 1, 1_000_000))
    };
    max_devices_per_address, "devices", "10000", "devices with a session of one address (of one /48 in IPv6): the half of them all, so that nobody fills the server; as many as `max_devices` where all come from one address", |c, t| {
        put(&mut c.limits.max_devices_per_address, whole(t, 1, 1_000_000))
    };
    max_presences, "records", "50000", "presence records in all: one for each device and group; each takes about 1 KiB", |c, t| {
        put(&mut c.limits.max_presences, whole(t, 1, 10_000_000))
    };
    max_members_per_group, "devices", "1000", "devices that are present in one group", |c, t| {
        put(&mut c.limits.max_members_per_group, whole(t, 2, 100_000))
    };
    max_streams_per_device, "streams", "4", "event streams of one device; the next one ends the oldest", |c, t| {
        put(&mut c.limits.max_streams_per_device, whole(t, 1, 64))
    };
    sessions_per_s, "per second", "500", "sessions opened in all; others are told when to come back, one after the other", |c, t| {
        put(&mut c.limits.sessions_per_s, whole(t, 1, 100_000))
    };
    sessions_per_address_per_s, "per second", "250", "attempts to open one from one address (one /48 in IPv6), so that nobody takes everyone's turn", |c, t| {
        put(&mut c.limits.sessions_per_address_per_s, whole(t, 1, 100_000))
    };
    sessions_per_device_per_min, "per minute", "12", "sessions that one device opens", |c, t| {
        put(&mut c.limits.sessions_per_device_per_min, whole(t, 1, 100_000))
    };
    new_devices_per_address_per_min, "per minute", "600", "devices without a session that open one, from one address (one /48 in IPv6)", |c, t| {
        put(&mut c.limits.new_devices_per_address_per_min, whole(t, 1, 1_000_000))
    };
    new_devices_per_address_burst, "devices", "6000", "… and as many at once after a pause: everybody comes back after a restart", |c, t| {
        put(&mut c.limits.new_devices_per_address_burst, whole(t, 1, 1_000_000))
    };
    requests_per_device_per_s, "per second", "10", "requests of one device, and records it publishes; four times as many at once after a pause", |c, t| {
        put(&mut c.limits.requests_per_device_per_s, whole(t, 1, 100_000))
    };
    changes_per_device_and_group_per_min, "per minute", "6", "what one device tells one group: that it joins, or other addresses; renewals are told to nobody and not counted", |c, t| {
        put(&mut c.limits.changes_per_device_and_group_per_min, whole(t, 1, 1_000_000))
    };
    rings_per_sender_per_min, "per minute", "6", "rings that one device sends", |c, t| {
        put(&mut c.limits.rings_per_sender_per_min, whole(t, 1, 10_000))
    };
    rings_per_recipient_per_min, "per minute", "30", "rings that one device gets", |c, t| {
        put(&mut c.limits.rings_per_recipient_per_min, whole(t, 1, 10_000))
    };
    probes_per_device_per_min, "per minute", "1", "probes that one device asks for", |c, t| {
        put(&mut c.limits.probes_per_device_per_min, whole(t, 1, 1_000))
    };
    probe_this_machine, "true or false", "false", "for trying things out on one machine: also loopback and the server's own addresses are probed", |c, t| {
        put(&mut c.probe_this_machine, boolean(t))
    };
    handshake_s, "seconds", "5", "for a TLS handshake", |c, t| {
        put(&mut c.times.handshake, seconds(t, 1, 60))
    };
    idle_s, "seconds", "75", "until a connection without a request closes; also for the head of a request", |c, t| {
        put(&mut c.times.idle, seconds(t, 1, 3600))
    };
    newcomer_s, "seconds", "10", "until a connection closes on which no session has been opened or used, trusted proxies aside", |c, t| {
        put(&mut c.times.newcomer, seconds(t, 1, 3600))
    };
    body_s, "seconds", "10", "for the body of a request", |c, t| {
        put(&mut c.times.body, seconds(t, 1, 60))
    };
    slow_reader_s, "seconds", "30", "a client that has not taken what waits for it after so long, or 64 KiB of it, is cut off", |c, t| {
        put(&mut c.times.slow_reader, seconds(t, 1, 600))
    };
    ping_s, "seconds", "20", "after so long without news a stream gets a comment, so that nobody on the way closes it", |c, t| {
        put(&mut c.times.ping, seconds(t, 1, 300))
    };
    batch_ms, "milliseconds", "200", "changes are gathered for so long before they are sent", |c, t| {
        put(&mut c.times.batch, whole(t, 1, 10_000).map(|ms| Duration::from_millis(ms.into())))
    };
    grace_s, "seconds", "10", "a device whose last stream has closed stays listed for so long, to come back", |c, t| {
        put(&mut c.times.grace, seconds(t, 0, 600))
    };
    heartbeat_s, "seconds", "30", "how often clients are asked to publish; the more devices there are, the more rarely, up to 0.6 of the time for which their records hold", |c, t| {
        put(&mut c.times.heartbeat, seconds(t, 1, 120))
    };
    drain_s, "seconds", "5", "for everything to end after SIGTERM", |c, t| {
        put(&mut c.times.drain, seconds(t, 0, 600))
    };
    log, "level", "info", "`error`, `warn`, `info`, `debug`, `trace`, of the server alone; or a filter as in RUST_LOG, for what it is built of, too", |c, t| {
        put(&mut c.log, filter(t))
    };
    log_addresses, "true or false", "false", "for debugging: the addresses of clients in the log", |c, t| {
        put(&mut c.log_addresses, boolean(t))
    };
}

/// Puts the three sources together: the flags win over the environment, the environment over the file.
///
/// # Errors
/// [`SettingError`]: the first value that makes no sense, or settings that contradict each other.
pub fn read_settings(
    file: Option<&str>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &BTreeMap<&'static str, String>,
) -> Result<Config, SettingError> {
    let mut config = Config::default();
    if let Some(file) = file {
        read_file(&mut config, file)?;
    }
    let environment: BTreeMap<_, _> = environment.collect();
    for setting in SETTINGS {
        if let Some(text) = environment.get(&setting.environment_name()) {
            setting.put(&mut config, text, Source::Environment)?;
        }
    }
    for setting in SETTINGS {
        if let Some(text) = flags.get(setting.name) {
            setting.put(&mut config, text, Source::Flag)?;
        }
    }
    check(&config)?;
    Ok(config)
}

fn read_file(config: &mut Config, file: &str) -> Result<(), SettingError> {
    let table: toml::Table = file
        .parse()
        .map_err(|error: toml::de::Error| SettingError(format!("the file is no TOML: {error}")))?;
    for (name, value) in table {
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let setting = setting
            .ok_or_else(|| SettingError(format!("the file has a setting `{name}`: unknown")))?;
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(value) => value.to_string(),
            toml::Value::Array(list) => {
                let texts: Option<Vec<_>> = list.iter().map(toml::Value::as_str).collect();
                texts
                    .ok_or_else(|| setting.error(Source::File, "?", "texts in the list"))?
                    .join(",")
            }
            other => {
                let expected = format!("{}, not a {}", setting.unit, other.type_str());
                return Err(setting.error(Source::File, "?", &expected));
            }
        };
        setting.put(config, &text, Source::File)?;
    }
    Ok(())
}

fn check(config: &Config) -> Result<(), SettingError> {
    let contradiction = |text: &str| Err(SettingError(text.to_owned()));
    match (&config.certificate, &config.certificate_key) {
        (Some(_), None) => return contradiction("`certificate` needs `certificate_key` beside it"),
        (None, Some(_)) => return contradiction("`certificate_key` needs `certificate` beside it"),
        (Some(_), Some(_)) if config.plain_http => {
            return contradiction("`plain_http` is without TLS: it contradicts `certificate`");
        }
        _ => {}
    }
    if config.plain_http && !config.plain_http_anywhere && !config.listen.ip().is_loopback() {
        return contradiction(
            "`plain_http` listens on loopback only: set `listen` to 127.0.0.1:8470 and let the proxy connect there, or set \
             `plain_http_anywhere` if whoever is on the way may read it all",
        );
    }
    Ok(())
}

impl Setting {
    /// `--data-dir`, without the dashes in front.
    #[must_use]
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// `MANYHANDS_RENDEZVOUS_DATA_DIR`.
    #[must_use]
    pub fn environment_name(&self) -> String {
        format!("{ENVIRONMENT_PREFIX}{}", self.name.to_uppercase())
    }

    fn put(&self, config: &mut Config, text: &str, source: Source) -> Result<(), SettingError> {
        let text = text.trim();
        (self.put)(config, text).map_err(|expected| self.error(source, text, &expected))
    }

    fn error(&self, source: Source, text: &str, expected: &str) -> SettingError {
        let name = match source {
            Source::File => format!("`{}` in the file", self.name),
            Source::Environment => self.environment_name(),
            Source::Flag => format!("--{}", self.flag()),
        };
        SettingError(format!("{name}: expected {expected}, got \"{}\"", text.escape_debug()))
    }
}

fn put<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an address and port, as 0.0.0.0:8470 or [::]:8470".to_owned())
}

/// An empty text takes back what an earlier source has set.
fn optional<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

fn path(text: &str) -> Result<Option<PathBuf>, String> {
    optional(text, |text| Ok(PathBuf::from(text)))
}

fn public_url(text: &str) -> Result<Option<String>, String> {
    optional(text, |text| {
        let url = ServerAddress::new(text, manyhands_wire::Digest([0; 32]), false);
        url.map(|url| url.text()).map_err(|_| "https://HOST:PORT without a path".to_owned())
    })
}

fn filter(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("a level, or a filter as manyhands_rendezvous=debug".to_owned()),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "true or false".to_owned())
}

fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let one = |text: &str| {
        let network = IpNet::from_str(text);
        let network =
            network.or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()));
        network.map_err(|_| "networks as 10.0.0.0/8, with commas between them".to_owned())
    };
    text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(one).collect()
}

fn proxy_header(text: &str) -> Result<ProxyHeader, String> {
    let known = [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded];
    let named = known.into_iter().find(|header| header.name().eq_ignore_ascii_case(text));
    named.ok_or_else(|| "x-forwarded-for or forwarded".to_owned())
}

fn whole(text: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("a whole number from {least} to {most}"))
}

fn seconds(text: &str, least: u32, most: u32) -> Result<Duration, String> {
    let number = whole(text, least, most).map_err(|_| format!("seconds from {least} to {most}"))?;
    Ok(Duration::from_secs(number.into()))
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests;
