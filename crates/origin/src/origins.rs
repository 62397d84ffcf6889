//! The front door: one [`Origins`] for all downloads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::{Asked, Failure, HeaderField, Identity};
use tokio::net::TcpStream;
use tracing::debug;
use url::Url;

use crate::answer::Answer;
use crate::connect;
use crate::error::FetchError;
use crate::ftp::Ftp;
use crate::guard::AddressGuard;
use crate::http::{Found, Http};
use crate::link;
use crate::moved::Moved;

/// All servers seen from here. Cheap to clone; the clones share the connections that wait for their next request.
#[derive(Clone, Debug)]
pub struct Origins {
    http: Http,
    ftp: Ftp,
    moved: Arc<Moved>,
    options: Arc<Options>,
}

/// How to reach servers.
#[derive(Clone, Debug)]
pub struct Options {
    /// Asked about every address before it is connected to. With a guard no proxy is used: it could not be asked then.
    pub guard: Option<Arc<dyn AddressGuard>>,
    pub proxy: ProxyMode,
    /// Trusted besides the system's certificates; each entry may hold several.
    pub extra_root_certificates_pem: Vec<Vec<u8>>,
    pub user_agent: String,
    /// For one TCP connection with its TLS handshake. Default 15 s.
    pub connect_timeout: Duration,
    /// Between two bytes, and for the head of an answer. Default 30 s.
    pub idle_timeout: Duration,
}

/// Whether requests go through a proxy.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum ProxyMode {
    /// What the environment and the desktop say, for http and https; FTP goes without.
    #[default]
    System,
    None,
    /// This one, for every host: `http://user:token@127.0.0.1:8080` or `socks5://…`. FTP is refused then.
    Through(Url),
}

/// What to fetch.
#[derive(Clone)]
pub struct FetchRequest {
    /// User info becomes a login for this host alone.
    pub url: Url,
    pub asked: Asked,
    /// Further header fields of HTTP, such as a cookie; they go to the URL's own server alone.
    pub headers: Vec<HeaderField>,
    /// What earlier answers said of the same bytes.
    pub known: Option<Identity>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            guard: None,
            proxy: ProxyMode::System,
            extra_root_certificates_pem: Vec::new(),
            user_agent: concat!("Manyhands/", env!("CARGO_PKG_VERSION")).into(),
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

impl Origins {
    /// # Errors
    /// When an extra certificate, the proxy's URL or the user agent makes no sense.
    pub fn new(options: &Options) -> Result<Self, Failure> {
        Ok(Self {
            http: Http::new(options)?,
            ftp: Ftp::new(options),
            moved: Arc::default(),
            options: Arc::new(options.clone()),
        })
    }

    /// The same servers, through this proxy, and redirects lead to these origins only. Where redirects have led until
    /// now is known to both; from then on each remembers its own, since a link may be signed for the address that asked.
    /// Connections are not shared.
    ///
    /// # Errors
    /// The proxy's URL makes no sense.
    pub fn through(&self, proxy: &Url, consented: &[Url]) -> Result<Self, Failure> {
        let proxy = ProxyMode::Through(proxy.clone());
        let other = Self::new(&Options { proxy, ..(*self.options).clone() })?;
        Ok(Self { moved: Arc::new(self.moved.copy()), ..other.within(consented) })
    }

    /// The same servers, but redirects lead to these origins (scheme, host, port) only. Shares the connections that wait for
    /// their next request.
    #[must_use]
    pub fn within(&self, consented: &[Url]) -> Self {
        let mut http = self.http.clone();
        http.consented = Some(consented.iter().map(Url::origin).collect());
        Self { http, ftp: self.ftp.clone(), moved: Arc::default(), options: self.options.clone() }
    }

    /// Asks for the bytes and waits for the head of the answer. One request on a TCP connection that no other answer
    /// shares; the connection is kept for the next request when the body was read to its end.
    ///
    /// Where a redirect led an earlier request for the same URL, this one goes at once; when that fails, the way is
    /// sought anew from the original URL.
    ///
    /// # Errors
    /// [`FetchError::retry`] says what can be done. No byte of the answer may be written then.
    pub async fn fetch(&self, request: &FetchRequest) -> Result<Answer, FetchError> {
        let known = self.moved.find(&request.url).filter(|(to, _)| self.http.is_consented(to));
        if let Some((final_url, origins)) = known {
            match self.follow(request, final_url, origins).await {
                Ok(answer) => return Ok(answer),
                // Asking again at once is what a busy server asks us not to do.
                Err(error @ (FetchError::Busy { .. } | FetchError::RangeIgnored { .. })) => {
                    return Err(error);
                }
                // What failed in a proxy says nothing of the way.
                Err(error) if self.http.is_proxied() && error.is_of_the_connection() => {
                    return Err(error);
                }
                Err(error) => debug!(%error, "where the link led before does not work now"),
            }
            self.moved.forget(&request.url);
        }
        let answer = self.follow(request, request.url.clone(), Vec::new()).await?;
        if answer.origins.len() > 1 || link::without_user(&request.url) != answer.final_url {
            self.moved.remember(&request.url, &answer.final_url, &answer.origins);
        }
        Ok(answer)
    }

    /// A bare connection to the origin of `url`, to an address that the guard lets through. For who carries somebody
    /// else's bytes: nothing is sent.
    ///
    /// # Errors
    /// No such name, an address that is refused, or nobody there.
    pub async fn connect(&self, url: &Url) -> Result<TcpStream, FetchError> {
        let (host, options) = (link::host_of(url), &self.options);
        let stream = connect::connect(&host, url, &options.guard, options.connect_timeout).await?;
        // Handshakes are short messages back and forth.
        stream.set_nodelay(true).ok();
        Ok(stream)
    }

    /// From `url`, to which `origins` led, to an answer.
    async fn follow(
        &self,
        request: &FetchRequest,
        url: Url,
        origins: Vec<Url>,
    ) -> Result<Answer, FetchError> {
        if url.scheme() == "ftp" {
            return self.ftp.fetch(request, &url, origins).await;
        }
        match self.http.fetch(request, url, origins).await? {
            Found::Answer(answer) => Ok(*answer),
            Found::Ftp(url, origins) => self.ftp.fetch(request, &url, origins).await,
        }
    }

    /// Reads what a person typed or pasted as a link: trims it, and takes `example.org/file` for
    /// `https://example.org/file` when it has a dotted host name and a path.
    ///
    /// # Errors
    /// [`FailureCode::BadUrl`](manyhands_core::FailureCode::BadUrl) for what is no link,
    /// [`FailureCode::UnknownScheme`](manyhands_core::FailureCode::UnknownScheme) for links that cannot be downloaded.
    pub fn check_url(text: &str) -> Result<Url, Failure> {
        link::check_url(text)
    }
}

impl fmt::Debug for ProxyMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("System"),
            Self::None => f.write_str("None"),
            Self::Through(url) => write!(f, "Through({})", link::host_of(url)),
        }
    }
}

/// Without user info and query, which may be secrets.
impl fmt::Debug for FetchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchRequest")
            .field("host", &link::host_of(&self.url))
            .field("path", &self.url.path())
            .field("headers", &self.headers)
            .field("asked", &self.asked)
            .field("known", &self.known)
            .finish()
    }
}
