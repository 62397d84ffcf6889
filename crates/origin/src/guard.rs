//! Which addresses may be connected to, asked at the moment of connecting.

use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Decides about addresses.
///
/// Asked for every address that is about to be connected to: the literal ones of URLs and redirects, and each that a name
/// resolves to. What the guard lets through is connected to as it is, without looking the name up again.
pub trait AddressGuard: Debug + Send + Sync {
    /// # Errors
    /// [`Refused`] when no connection to `address` may be made.
    fn allow(&self, address: IpAddr) -> Result<(), Refused>;

    /// Another number when addresses may be refused that were let through before: connections that were kept since then are
    /// not to be used again. Never, when not said otherwise.
    fn edition(&self) -> u64 {
        0
    }
}

/// An address that may not be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {why}")]
pub struct Refused {
    pub address: IpAddr,
    /// Completes "the address is …".
    pub why: &'static str,
}

/// A name that does not lead to an address.
#[derive(Debug, thiserror::Error)]
#[error("the name cannot be found")]
pub(crate) struct NameError(#[source] pub(crate) Option<io::Error>);

pub(crate) type OptionalGuard = Option<Arc<dyn AddressGuard>>;

/// Names with more addresses than this have no more tried.
const MAX_ADDRESSES: usize = 32;

/// A literal address in a URL never reaches the resolver: this asks for it.
pub(crate) fn check_literal(guard: &OptionalGuard, url: &Url) -> Result<(), Refused> {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    guard.as_ref().map_or(Ok(()), |guard| guard.allow(address))
}

/// Looks a name up and leaves out what the guard refuses; when that leaves nothing, the first refusal is the error.
pub(crate) async fn resolve(
    guard: &OptionalGuard,
    name: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    let found = tokio::net::lookup_host((name, port)).await.map_err(|e| NameError(Some(e)))?;
    let (mut allowed, mut refused) = (Vec::new(), None);
    for address in found.take(MAX_ADDRESSES) {
        match guard.as_ref().map_or(Ok(()), |guard| guard.allow(address.ip())) {
            Ok(()) => allowed.push(address),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    match refused {
        _ if !allowed.is_empty() => Ok(allowed),
        Some(refused) => Err(refused.into()),
        None => Err(NameError(None).into()),
    }
}

/// The resolver of the HTTP client.
#[derive(Debug)]
pub(crate) struct GuardedResolver(pub(crate) OptionalGuard);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            // Port 0: the URL's port is put in by the caller.
            let addresses = resolve(&guard, name.as_str(), 0).await?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}
