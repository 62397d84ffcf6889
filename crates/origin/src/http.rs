//! HTTP: one GET after the other along the redirects.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use manyhands_core::{
    AnswerHead, Asked, EntityTag, Failure, FailureCode, HeaderField, Identity, Rejection,
    Validator, accept,
};
use percent_encoding::percent_decode_str;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, Response};
use tracing::{debug, warn};
use url::{Origin, Url};

use crate::answer::{Answer, Body, Stream};
use crate::error::{ConnectError, FetchError, RedirectError};
use crate::guard::{self, GuardedResolver, OptionalGuard};
use crate::link::{self, host_of, without_user};
use crate::origins::{FetchRequest, Options, ProxyMode};
use crate::tunnel::Tunnels;
use crate::{disposition, names, trouble};

/// Browsers follow 20, curl 50; real links need three.
pub(crate) const MAX_REDIRECTS: usize = 10;
/// Connections kept per host for their next request: as many as a download may have.
pub(crate) const MAX_IDLE_PER_HOST: usize = manyhands_core::MAX_CONNECTIONS as usize;
/// Servers close idle connections after 5 to 75 s; using one that is about to close costs a retry.
pub(crate) const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(20);
/// Header values longer than this are cut: they are shown, not used.
const MAX_SHOWN_HEADER: usize = 256;

#[derive(Clone, Debug)]
pub(crate) struct Http {
    /// The only origins that redirects may lead to; `None`: any.
    pub(crate) consented: Option<Arc<[Origin]>>,
    client: Client,
    /// Instead of the client for https: only this one knows what went wrong on the way.
    tunnels: Option<Arc<Tunnels>>,
    guard: OptionalGuard,
    /// Everything goes through a proxy that was named to us.
    proxied: bool,
    head_timeout: Duration,
    idle_timeout: Duration,
}

/// Where redirects ended.
#[derive(Debug)]
pub(crate) enum Found {
    Answer(Box<Answer>),
    /// And the roots of the origins on the way there.
    Ftp(Url, Vec<Url>),
}

impl Http {
    pub(crate) fn new(options: &Options) -> Result<Self, Failure> {
        let wrong = |what: &str, error: reqwest::Error| {
            Failure::new(FailureCode::Internal, format!("{what}: {}", error.without_url()))
        };
        let mut certificates = Vec::new();
        for pem in &options.extra_root_certificates_pem {
            certificates.extend(
                reqwest::Certificate::from_pem_bundle(pem)
                    .map_err(|error| wrong("the extra certificate makes no sense", error))?,
            );
        }
        let builder = || -> Result<ClientBuilder, Failure> {
            let builder = Client::builder()
                // All connections of HTTP/2 would be one TCP connection, and share its one congestion window.
                .http1_only()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .tcp_nodelay(true)
                .connect_timeout(options.connect_timeout)
                .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
                .pool_idle_timeout(IDLE_CONNECTION_KEPT)
                .user_agent(&options.user_agent)
                .dns_resolver(GuardedResolver(options.guard.clone()));
            Ok(match &options.proxy {
                // A proxy would connect where the guard cannot see it.
                _ if options.guard.is_some() => builder.no_proxy(),
                ProxyMode::System => builder,
                ProxyMode::None => builder.no_proxy(),
                ProxyMode::Through(url) => builder.no_proxy().proxy(
                    reqwest::Proxy::all(url.clone())
                        .map_err(|error| wrong("the proxy's address makes no sense", error))?,
                ),
            })
        };
        let client = match builder()?.tls_certs_merge(certificates.clone()).build() {
            Ok(client) => client,
            // Without any certificate on the system, plain http still works, and https says why it does not.
            Err(error) => {
                warn!(%error, "the system's certificates cannot be used");
                let builder = builder()?.tls_certs_only(certificates);
                builder.build().map_err(|error| wrong("the HTTP client cannot be made", error))?
            }
        };
        let tunnels = match &options.proxy {
            ProxyMode::Through(proxy) if options.guard.is_none() && proxy.scheme() == "http" => {
                Some(Tunnels::new(proxy, options).map(Arc::new).map_err(|error| {
                    let text = format!("the client for the proxy cannot be made: {error}");
                    Failure::new(FailureCode::Internal, text)
                })?)
            }
            _ => None,
        };
        Ok(Self {
            consented: None,
            client,
            tunnels,
            guard: options.guard.clone(),
            proxied: options.guard.is_none() && matches!(options.proxy, ProxyMode::Through(_)),
            head_timeout: options.connect_timeout + options.idle_timeout,
            idle_timeout: options.idle_timeout,
        })
    }

    /// Follows redirects from `url` on to an answer, or to where FTP goes on; `origins` are the roots of those that led to `url`.
    pub(crate) async fn fetch(
        &self,
        request: &FetchRequest,
        mut url: Url,
        mut origins: Vec<Url>,
    ) -> Result<Found, FetchError> {
        let mut seen = Vec::new();
        loop {
            let host = host_of(&url);
            link::add_root(&mut origins, &url);
            let mut response = self.get(request, &url, &host, true).await?;
            // Some servers answer a range of an empty file with a bare 416, others send a part of a file without saying how long it is.
            let no_total = text(response.headers(), header::CONTENT_RANGE)
                .is_some_and(|range| range.trim_end().ends_with("/*"));
            if (response.status() == 416 || response.status() == 206 && no_total)
                && request.asked == Asked::Everything
                && accept(request.asked, None, &head(&response)).is_err()
            {
                response = self.get(request, &url, &host, false).await?;
            }
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return self
                    .judge(request, &url, host, origins, response)
                    .map(|answer| Found::Answer(Box::new(answer)));
            }
            let redirect = |why| FetchError::Redirect { host: host.clone(), why };
            let to = text(response.headers(), header::LOCATION)
                .and_then(|location| url.join(&location).ok())
                .ok_or_else(|| redirect(RedirectError::NoTarget))?;
            let to = without_user(&to);
            seen.push(without_user(&url));
            if !self.is_consented(&to) {
                return Err(FetchError::NotConsented { host, to: link::root_of(&to) });
            }
            match (url.scheme(), to.scheme()) {
                ("https", "https") | ("http", "http" | "https") => {}
                ("http", "ftp") => return Ok(Found::Ftp(to, origins)),
                ("https", "http" | "ftp") => return Err(redirect(RedirectError::Downgrade)),
                _ => return Err(redirect(RedirectError::Scheme)),
            }
            if seen.contains(&to) {
                return Err(redirect(RedirectError::Loop));
            }
            if seen.len() > MAX_REDIRECTS {
                return Err(redirect(RedirectError::TooMany));
            }
            debug!(from = host, to = host_of(&to), "redirected");
            url = to;
        }
    }

    pub(crate) fn is_proxied(&self) -> bool {
        self.proxied
    }

    /// Whether redirects may lead there.
    pub(crate) fn is_consented(&self, to: &Url) -> bool {
        self.consented.as_ref().is_none_or(|origins| origins.contains(&to.origin()))
    }

    /// One request; waits for the head of its answer.
    async fn get(
        &self,
        request: &FetchRequest,
        url: &Url,
        host: &str,
        ranged: bool,
    ) -> Result<Response, FetchError> {
        guard::check_literal(&self.guard, url)
            .map_err(|source| FetchError::AddressRefused { host: host.into(), source })?;
        let mut get = self
            .client
            .get(without_user(url))
            .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if ranged {
            get = get.header(header::RANGE, range_value(request.asked));
        }
        if same_server(&request.url, url) {
            if let Some((user, password)) = login(&request.url, url) {
                get = get.basic_auth(user, password);
            }
            get = get.headers(headers(&request.headers));
        }
        let sent = async {
            match &self.tunnels {
                Some(tunnels) if url.scheme() == "https" => {
                    let request = get.build().map_err(|error| trouble::of_request(host, error))?;
                    let sent = tunnels.send(request).await;
                    sent.map_err(|error| trouble::of_tunnel(host, error))
                }
                _ => get.send().await.map_err(|error| trouble::of_request(host, error)),
            }
        };
        match tokio::time::timeout(self.head_timeout, sent).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(match error {
                // It is not the server that was connected to.
                FetchError::Connect { host, source, .. } if self.proxied => {
                    FetchError::Connect { host, why: ConnectError::Proxy, source }
                }
                error => error,
            }),
            Err(_) => Err(FetchError::Stalled {
                host: host.into(),
                received_bytes: 0,
                after: self.head_timeout,
            }),
        }
    }

    /// The acceptance rule, and what its verdict means.
    fn judge(
        &self,
        request: &FetchRequest,
        url: &Url,
        host: String,
        origins: Vec<Url>,
        response: Response,
    ) -> Result<Answer, FetchError> {
        let head = head(&response);
        let known = request.known.as_ref();
        let accepted = match accept(request.asked, known, &head) {
            Ok(accepted) => accepted,
            Err(Rejection::Status(status)) => {
                let wait = retry_after(response.headers(), SystemTime::now());
                return Err(FetchError::of_status(host, status, wait));
            }
            Err(Rejection::RangeIgnored { .. } | Rejection::Changed(_))
                if is_web_page(&head, known, &request.url) =>
            {
                return Err(FetchError::WebPage { host });
            }
            Err(rejection) => return Err(FetchError::of_rejection(host, rejection, known)),
        };
        let suggested_name = response
            .headers()
            .get(header::CONTENT_DISPOSITION)
            .and_then(|value| disposition::file_name(value.as_bytes()))
            .and_then(|name| names::safe_name(&name))
            .or_else(|| names::of_urls(url, &request.url));
        let remaining = accepted.end.map(|end| end.saturating_sub(accepted.start));
        Ok(Answer {
            final_url: without_user(url),
            origins,
            suggested_name,
            content_type: head.content_type,
            body: Body {
                stream: Stream::Http(Box::new(response)),
                host,
                remaining,
                received_bytes: 0,
                idle_timeout: self.idle_timeout,
            },
            accepted,
        })
    }
}

/// `bytes=first-last`, both included (RFC 9110 §14.1.2).
fn range_value(asked: Asked) -> String {
    match asked {
        Asked::Everything => "bytes=0-".into(),
        Asked::Range(range) if range.end() == u64::MAX => format!("bytes={}-", range.start()),
        Asked::Range(range) => {
            format!("bytes={}-{}", range.start(), range.end().saturating_sub(1).max(range.start()))
        }
    }
}

/// The login in `original`, when `url` is on the same server: same host, and same port or the step from http to https.
pub(crate) fn login(original: &Url, url: &Url) -> Option<(String, Option<String>)> {
    if !same_server(original, url) {
        return None;
    }
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let password = original.password().map(decode);
    (!original.username().is_empty() || password.is_some())
        .then(|| (decode(original.username()), password))
}

/// Same host, and same port or the step from http to https.
fn same_server(original: &Url, url: &Url) -> bool {
    let port = |url: &Url| url.port_or_known_default();
    let upgraded = (port(original), port(url)) == (Some(80), Some(443));
    original.host() == url.host()
        && (upgraded || (original.scheme() == url.scheme() && port(original) == port(url)))
}

/// The user's header fields; they were checked when they were given.
fn headers(fields: &[HeaderField]) -> HeaderMap {
    let field = |field: &HeaderField| {
        let mut value = HeaderValue::from_str(&field.value).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_bytes(field.name.as_bytes()).ok()?, value))
    };
    fields.iter().filter_map(field).collect()
}

/// The head as the acceptance rule wants it.
fn head(response: &Response) -> AnswerHead {
    let headers = response.headers();
    let last_modified = text(headers, header::LAST_MODIFIED)
        .and_then(|value| httpdate::parse_http_date(value.trim()).ok())
        .and_then(|time| i64::try_from(unix_seconds(time)?).ok());
    AnswerHead {
        status: response.status().as_u16(),
        content_range: text(headers, header::CONTENT_RANGE),
        // As the framing says it: a Content-Length beside chunks does not count.
        body_len: response.content_length(),
        content_encoding: text(headers, header::CONTENT_ENCODING),
        content_type: text(headers, header::CONTENT_TYPE)
            .map(|kind| names::cut(&kind, MAX_SHOWN_HEADER).to_owned()),
        identity: Identity {
            length: None,
            validator: Validator {
                etag: text(headers, header::ETAG).as_deref().and_then(EntityTag::parse),
                last_modified_unix_s: last_modified,
            },
        },
    }
}

fn unix_seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// A header value as text; bytes that are no UTF-8 become U+FFFD.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// `Retry-After`: seconds or a date (RFC 9110 §10.2.3), capped; `None` when it is missing or makes no sense.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = text(headers, header::RETRY_AFTER)?;
    let value = value.trim();
    let wait = if value.bytes().all(|b| b.is_ascii_digit()) && !value.is_empty() {
        // More digits than a number can have are a long time, too.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(FetchError::MAX_RETRY_AFTER))
}

/// Whether a rejected answer is a page made for people: HTML from a server that earlier gave another file at this URL.
fn is_web_page(head: &AnswerHead, known: Option<&Identity>, url: &Url) -> bool {
    let html = head
        .content_type
        .as_deref()
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
    let same_tag = known.and_then(|known| known.validator.etag.as_ref())
        == head.identity.validator.etag.as_ref()
        && head.identity.validator.etag.is_some();
    let path = url.path().to_ascii_lowercase();
    let wanted = [".html", ".htm", ".xhtml", "/"].iter().any(|end| path.ends_with(end));
    head.status == 200 && html && !same_tag && !wanted
}
