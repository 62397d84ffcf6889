//! The server as a whole: from its start to its end.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand as secure;
use manyhands_core::PeerId;
use manyhands_identity::{DeviceIdentity, Dialer, anonymous_server_config};
use manyhands_wire::{Blob, Bytes32, Digest, PROTOCOL_VERSION, ProtocolRange, ServerHello, Text};
use rand::Rng;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use crate::admission::Admission;
use crate::challenge::Challenges;
use crate::config::{Config, Limits};
use crate::connection::{Transport, listen, serve};
use crate::key::{KeyError, default_data_dir, open_key};
use crate::limiter::{Limiter, Turnstile};
use crate::metrics::{Counters, Gauges};
use crate::probe::Prober;
use crate::routes;
use crate::sessions::Sessions;
use crate::store::{Event, MemoryStore, PresenceStore};
use crate::tls::{CertificateError, given_certificate};

/// A device publishes again before so much of the time has gone for which its record holds: there is time for a second try.
const LATEST_PUBLICATION: f64 = 0.6;
/// From so many publications in a second on, devices are asked to publish more rarely.
const EASY_PUBLICATIONS_PER_S: f64 = 250.0;
const LEAST_PUBLICATION: Duration = Duration::from_secs(1);
/// When the server ends, clients come back after at least this …
const BYE_LEAST_MS: u64 = 1_000;
/// … and at most this.
const BYE_MOST_MS: u64 = 8_000;
/// Sessions of one device that the table has room for, taken over all devices.
const SESSIONS_PER_DEVICE: usize = 4;
/// Of those who look after the server, whom no crowd of clients can keep out.
const METRICS_CONNECTIONS: u32 = 64;
const MINUTE: Duration = Duration::from_secs(60);

/// The server cannot start; each says what is wrong.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("the server's key does not work: {0}")]
    Tls(#[from] rustls::Error),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
}

/// A running server. Dropping it ends it at once; [`Self::shutdown`] says goodbye.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    certificate: Option<watch::Sender<Arc<rustls::ServerConfig>>>,
    /// Ends what is left.
    end: tokio_util::sync::DropGuard,
}

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) identity: DeviceIdentity,
    pub(crate) hello: ServerHello,
    pub(crate) store: Arc<dyn PresenceStore>,
    pub(crate) sessions: Sessions,
    pub(crate) challenges: Challenges,
    pub(crate) turnstile: Turnstile<()>,
    pub(crate) limiters: Limiters,
    pub(crate) prober: Prober,
    pub(crate) counters: Counters,
    pub(crate) admission: Arc<Admission>,
    /// No new requests; streams and long polls end.
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    start: std::time::Instant,
    /// How many devices there were lately, and when that was looked up.
    devices: Mutex<Option<(Instant, usize)>>,
}

/// What one device, or one address, may do.
#[derive(Debug)]
pub(crate) struct Limiters {
    pub(crate) sessions: Limiter<PeerId>,
    pub(crate) attempts: Turnstile<IpAddr>,
    pub(crate) new_devices: Limiter<IpAddr>,
    pub(crate) requests: Limiter<PeerId>,
    pub(crate) rings_sent: Limiter<PeerId>,
    pub(crate) rings_received: Limiter<PeerId>,
    pub(crate) probes: Limiter<PeerId>,
}

impl Limiters {
    fn new(limits: &Limits) -> Self {
        let per_min = |count| Limiter::new(count, MINUTE, count);
        let requests = limits.requests_per_device_per_s;
        Self {
            sessions: per_min(limits.sessions_per_device_per_min),
            attempts: Turnstile::new(limits.sessions_per_address_per_s),
            new_devices: Limiter::new(
                limits.new_devices_per_address_per_min,
                MINUTE,
                limits.new_devices_per_address_burst,
            ),
            requests: Limiter::new(requests, Duration::from_secs(1), requests.saturating_mul(4)),
            rings_sent: per_min(limits.rings_per_sender_per_min),
            rings_received: per_min(limits.rings_per_recipient_per_min),
            probes: per_min(limits.probes_per_device_per_min),
        }
    }
}

impl Server {
    /// Starts with the key in the data folder, which is made if there is none.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let folder = config.data_dir.clone().or_else(default_data_dir);
        let identity = open_key(&folder.ok_or(KeyError::NoDataDir)?)?;
        Self::start_with(config, identity).await
    }

    /// Starts with a key that is kept elsewhere; `data_dir` is not looked at.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_with(config: Config, identity: DeviceIdentity) -> Result<Self, StartError> {
        let (transport, certificate) = transport(&config, &identity)?;
        let bind =
            |address| listen(address).map_err(|source| StartError::Listen { address, source });
        let listener = match bind(config.listen) {
            Ok(listener) => listener,
            Err(error) => match without_ipv6(config.listen, &error) {
                Some(address) => bind(address)?,
                None => return Err(error),
            },
        };
        let metrics = config.metrics.map(bind).transpose()?;
        let address = local_address(&listener, config.listen);
        let metrics_address =
            metrics.as_ref().zip(config.metrics).map(|(at, wanted)| local_address(at, wanted));
        let store = MemoryStore::new(&config.limits, &config.times);
        let shared = Arc::new(Shared::new(config, identity, Arc::new(store.clone())));
        let end = CancellationToken::new();
        let spawn = |task: futures_util::future::BoxFuture<'static, ()>| {
            tokio::spawn(end.clone().run_until_cancelled_owned(task));
        };
        spawn(Box::pin(store.run()));
        let router = routes::router(shared.clone());
        spawn(Box::pin(serve(
            listener,
            transport,
            router,
            shared.clone(),
            shared.admission.clone(),
        )));
        if let Some(listener) = metrics {
            let router = routes::metrics_router(shared.clone());
            spawn(Box::pin(serve(
                listener,
                Transport::Plain,
                router,
                shared.clone(),
                Arc::new(Admission::new(METRICS_CONNECTIONS, METRICS_CONNECTIONS)),
            )));
        }
        info!(port = address.port(), id = %shared.hello.id, "serving");
        Ok(Self { shared, address, metrics_address, certificate, end: end.drop_guard() })
    }

    /// Where it listens; an unspecified address stands for all.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// What invites carry.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.shared.identity.id()
    }

    /// The address to hand out: as far as the server can tell, if none was set.
    #[must_use]
    pub fn public_url(&self) -> String {
        if let Some(url) = &self.shared.config.public_url {
            return url.clone();
        }
        let scheme = if self.shared.config.plain_http { "http" } else { "https" };
        let port = self.address.port();
        if self.address.ip().is_unspecified() {
            return format!("{scheme}://{}:{port}", machine_name());
        }
        format!("{scheme}://{}", self.address)
    }

    /// Reads the given certificate anew, for connections from now on.
    ///
    /// # Errors
    /// It cannot be used; the one before stays.
    pub fn reload_certificate(&self) -> Result<(), CertificateError> {
        let config = &self.shared.config;
        if let (Some(sender), Some(certificate), Some(key)) =
            (&self.certificate, &config.certificate, &config.certificate_key)
        {
            sender.send_replace(given_certificate(certificate, key)?);
        }
        Ok(())
    }

    /// Says goodbye to everyone and ends: at once when nobody is left, at the latest after the time that was set for it.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        let drain = self.shared.config.times.drain;
        if tokio::time::timeout(drain, self.shared.tasks.wait()).await.is_err() {
            debug!(connections = self.shared.admission.open(), "closing what is left");
            self.shared.admission.close_all();
            let _ = tokio::time::timeout(Duration::from_secs(1), self.shared.tasks.wait()).await;
        }
        drop(self.end);
        info!("ended");
    }
}

type Certificate = watch::Sender<Arc<rustls::ServerConfig>>;

fn transport(
    config: &Config,
    identity: &DeviceIdentity,
) -> Result<(Transport, Option<Certificate>), StartError> {
    if config.plain_http {
        return Ok((Transport::Plain, None));
    }
    let tls = match (&config.certificate, &config.certificate_key) {
        (Some(certificate), Some(key)) => given_certificate(certificate, key)?,
        _ => anonymous_server_config(identity)?,
    };
    let (sender, receiver) = watch::channel(tls);
    Ok((Transport::Tls(receiver), Some(sender)))
}

/// Where IPv6 is switched off, all addresses are those of IPv4.
fn without_ipv6(wanted: SocketAddr, error: &StartError) -> Option<SocketAddr> {
    let StartError::Listen { source, .. } = error else { return None };
    let is_ours = matches!(
        source.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
    );
    let all = wanted.is_ipv6() && wanted.ip().is_unspecified();
    (all && !is_ours).then(|| (std::net::Ipv4Addr::UNSPECIFIED, wanted.port()).into())
}

fn local_address(listener: &tokio::net::TcpListener, wanted: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(wanted)
}

#[cfg(unix)]
fn machine_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".into() } else { name }
}

#[cfg(not(unix))]
fn machine_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "localhost".into())
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        identity: DeviceIdentity,
        store: Arc<dyn PresenceStore>,
    ) -> Self {
        let limits = &config.limits;
        let hello = ServerHello {
            id: Digest(*identity.id().as_bytes()),
            key: Blob::new(identity.public_key()).unwrap_or_default(),
            protocol: ProtocolRange { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION },
            software: Text::cut(concat!("manyhands-rendezvous/", env!("CARGO_PKG_VERSION"))),
        };
        Self {
            sessions: Sessions::new(
                limits.max_devices as usize * SESSIONS_PER_DEVICE,
                limits.max_devices_per_address as usize,
            ),
            challenges: Challenges::new(Instant::now()),
            turnstile: Turnstile::new(limits.sessions_per_s),
            limiters: Limiters::new(limits),
            prober: Prober::new(Dialer::new(&identity), config.probe_this_machine),
            counters: Counters::default(),
            admission: Arc::new(Admission::new(
                limits.max_connections,
                limits.max_connections_per_address,
            )),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            start: std::time::Instant::now(),
            devices: Mutex::new(None),
            config,
            identity,
            hello,
            store,
        }
    }

    /// When a device whose records hold for `ttl` is to publish again.
    pub(crate) fn next_publication(&self, ttl: Duration) -> Duration {
        let now = Instant::now();
        let devices = {
            let mut lately = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
            match *lately {
                Some((at, devices)) if now - at < LEAST_PUBLICATION => devices,
                _ => {
                    let devices = self.store.sizes().devices;
                    *lately = Some((now, devices));
                    devices
                }
            }
        };
        let by_load = Duration::from_secs_f64(devices as f64 / EASY_PUBLICATIONS_PER_S);
        let latest = ttl.min(Duration::from_secs(3600)).mul_f64(LATEST_PUBLICATION);
        let pause = by_load.max(self.config.times.heartbeat).min(latest).max(LEAST_PUBLICATION);
        pause.mul_f64(rand::rng().random_range(0.8..1.0))
    }

    pub(crate) fn bye(&self) -> Event {
        Event::Bye { retry_after_ms: rand::rng().random_range(BYE_LEAST_MS..=BYE_MOST_MS) }
    }

    #[allow(clippy::expect_used, reason = "nothing can be done without random numbers")]
    pub(crate) fn random_token(&self) -> Bytes32 {
        let mut token = [0; 32];
        secure::fill(&mut token).expect("random numbers of the operating system");
        Bytes32(token)
    }

    pub(crate) fn gauges(&self) -> Gauges {
        Gauges {
            sizes: self.store.sizes(),
            connections: self.admission.open(),
            sessions: self.sessions.count(),
            start: self.start,
            draining: self.stop.is_cancelled(),
        }
    }

    /// An address as the log may have it.
    pub(crate) fn loggable(&self, address: IpAddr) -> String {
        if self.config.log_addresses { address.to_string() } else { "-".into() }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("id", &self.hello.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_ipv6_all_addresses_are_those_of_ipv4_and_nothing_else_is_passed_over() {
        let of = |wanted: &str, kind: io::ErrorKind| {
            let address = wanted.parse().unwrap();
            without_ipv6(address, &StartError::Listen { address, source: kind.into() })
        };
        let ipv4 = Some("0.0.0.0:8470".parse().unwrap());
        assert_eq!(of("[::]:8470", io::ErrorKind::Unsupported), ipv4);
        assert_eq!(of("[::]:8470", io::ErrorKind::AddrNotAvailable), ipv4);
        assert_eq!(of("[::]:8470", io::ErrorKind::AddrInUse), None);
        assert_eq!(of("[::]:80", io::ErrorKind::PermissionDenied), None);
        assert_eq!(of("[::1]:8470", io::ErrorKind::AddrNotAvailable), None);
        assert_eq!(of("192.0.2.1:8470", io::ErrorKind::AddrNotAvailable), None);
    }
}
