//! A TCP connection to an origin, only to addresses that the guard lets through.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use url::{Host, Url};

use crate::error::{Cause, FetchError};
use crate::guard::{self, NameError, OptionalGuard, Refused};

/// Tries the addresses one after the other, each for its share of the time.
pub(crate) async fn connect(
    host: &str,
    url: &Url,
    guard: &OptionalGuard,
    timeout: Duration,
) -> Result<TcpStream, FetchError> {
    let refused = |source| FetchError::AddressRefused { host: host.into(), source };
    guard::check_literal(guard, url).map_err(refused)?;
    let port = url.port_or_known_default().unwrap_or_default();
    let addresses = match url.host() {
        Some(Host::Ipv4(address)) => vec![SocketAddr::from((address, port))],
        Some(Host::Ipv6(address)) => vec![SocketAddr::from((address, port))],
        Some(Host::Domain(name)) => match resolve(guard, name, port, timeout).await {
            Ok(addresses) => addresses,
            Err(error) => {
                return Err(match error.downcast::<Refused>() {
                    Ok(source) => refused(*source),
                    Err(source) => FetchError::NameNotFound { host: host.into(), source },
                });
            }
        },
        None => Vec::new(),
    };
    let share = timeout / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = None;
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = Some(error),
            Err(_) => last = Some(io::ErrorKind::TimedOut.into()),
        }
    }
    let Some(error) = last else {
        let source = NameError(None).into();
        return Err(FetchError::NameNotFound { host: host.into(), source });
    };
    let why = crate::trouble::connect_why(error.kind());
    Err(FetchError::Connect { host: host.into(), why, source: Some(error.into()) })
}

/// The system's resolver has its own idea of patience.
async fn resolve(
    guard: &OptionalGuard,
    name: &str,
    port: u16,
    timeout: Duration,
) -> Result<Vec<SocketAddr>, Cause> {
    let late = |_| NameError(Some(io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(timeout, guard::resolve(guard, name, port)).await.map_err(late)?
}
