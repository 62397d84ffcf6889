//! FTP: a download is `SIZE`, `MDTM`, `REST` and `RETR`, judged by the same acceptance rule as HTTP.

mod body;
mod connection;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use manyhands_core::{AnswerHead, Asked, Identity, Validator, accept};
use percent_encoding::percent_decode_str;
use tracing::debug;
use url::Url;

pub(crate) use body::FtpBody;
use connection::Connection;
use pool::{Pool, Server};

use crate::answer::{Answer, Body, Stream};
use crate::error::{ConnectError, FetchError};
use crate::guard::OptionalGuard;
use crate::link::{self, host_of, without_user};
use crate::origins::{FetchRequest, Options, ProxyMode};
use crate::{http, names};

/// A connection that was kept answers at once, or is not worth waiting for.
const KEPT_ANSWERS_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(crate) struct Ftp {
    pool: Arc<Pool>,
    guard: OptionalGuard,
    connect_timeout: Duration,
    idle_timeout: Duration,
    /// Everything must go through a proxy, which FTP cannot.
    proxy_only: bool,
}

impl Ftp {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            pool: Arc::default(),
            guard: options.guard.clone(),
            connect_timeout: options.connect_timeout,
            idle_timeout: options.idle_timeout,
            proxy_only: options.guard.is_none() && matches!(options.proxy, ProxyMode::Through(_)),
        }
    }

    /// Fetches from `url`; `origins` are the roots of those that led to it.
    pub(crate) async fn fetch(
        &self,
        request: &FetchRequest,
        url: &Url,
        mut origins: Vec<Url>,
    ) -> Result<Answer, FetchError> {
        let host = host_of(url);
        link::add_root(&mut origins, url);
        if self.proxy_only {
            let why = ConnectError::ProxyFtp;
            return Err(FetchError::Connect { host, why, source: None });
        }
        // No server has a file of such a name, and a line break would be a second command.
        let path =
            path_of(url).ok_or_else(|| FetchError::Missing { host: host.clone(), status: 550 })?;
        let (user, password) = http::login(&request.url, url)
            .map_or(("anonymous".into(), "anonymous@".into()), |(user, password)| {
                (user, password.unwrap_or_default())
            });
        let server = Server { host, user, password };

        if let Some(kept) = self.pool.take(&server) {
            let wait = KEPT_ANSWERS_WITHIN.min(self.idle_timeout);
            match self.ask(kept, wait, request, url, &path, &origins).await {
                Err(
                    error @ (FetchError::Interrupted { .. }
                    | FetchError::Stalled { .. }
                    | FetchError::Busy { .. }),
                ) => {
                    debug!(%error, "the kept connection is of no use");
                    self.pool.forget(&server);
                }
                done => return done,
            }
        }
        let fresh =
            Connection::open(server, url, &self.guard, self.connect_timeout, self.idle_timeout)
                .await?;
        self.ask(fresh, self.idle_timeout, request, url, &path, &origins).await
    }

    /// `wait`: for the answer to the first command.
    async fn ask(
        &self,
        mut connection: Connection,
        wait: Duration,
        request: &FetchRequest,
        url: &Url,
        path: &str,
        origins: &[Url],
    ) -> Result<Answer, FetchError> {
        let host = connection.server.host.clone();
        let length = connection.size(path, wait).await?;
        let modified = connection.modified(path, self.idle_timeout).await?;
        let head = head(request.asked, length, modified, connection.knows_rest);
        let known = request.known.as_ref();
        let accepted = match accept(request.asked, known, &head) {
            Ok(accepted) => accepted,
            Err(rejection) => {
                self.pool.put(connection);
                return Err(FetchError::of_rejection(host, rejection, known));
            }
        };
        let remaining = accepted.end.map(|end| end.saturating_sub(accepted.start));
        let stream = if remaining == Some(0) {
            self.pool.put(connection);
            Stream::Ended
        } else {
            let transfer = connection.retrieve(path, accepted.start, self.idle_timeout).await?;
            Stream::Ftp(Box::new(FtpBody::new(transfer, connection, Arc::clone(&self.pool))))
        };
        Ok(Answer {
            accepted,
            final_url: without_user(url),
            origins: origins.to_vec(),
            suggested_name: names::of_urls(url, &request.url),
            content_type: None,
            body: Body {
                stream,
                host,
                remaining,
                received_bytes: 0,
                idle_timeout: self.idle_timeout,
            },
        })
    }
}

/// What an HTTP server would answer that knows as much. `REST` and `RETR` send everything from an offset to the end, which
/// is what a 206 with that `Content-Range` promises. Without `SIZE` or `REST` there is only the whole file, a 200.
fn head(asked: Asked, length: Option<u64>, modified: Option<i64>, knows_rest: bool) -> AnswerHead {
    let start = match asked {
        Asked::Everything => 0,
        Asked::Range(range) => range.start(),
    };
    let (status, content_range) = match length {
        Some(length) if knows_rest && start >= length => (416, Some(format!("bytes */{length}"))),
        Some(length) if knows_rest => {
            (206, Some(format!("bytes {start}-{}/{length}", length.saturating_sub(1))))
        }
        _ => (200, None),
    };
    let validator = Validator { etag: None, last_modified_unix_s: modified };
    AnswerHead {
        status,
        content_range,
        body_len: length,
        identity: Identity { length: None, validator },
        ..AnswerHead::default()
    }
}

/// The path as `RETR` wants it: relative to the login's folder, absolute after `//` or `/%2F` (RFC 1738 §3.2.2), without
/// `;type=`. `None` when it names no file.
fn path_of(url: &Url) -> Option<String> {
    let path = url.path().strip_prefix('/').unwrap_or(url.path());
    let path = match path.rsplit_once(";type=") {
        Some((path, kind)) if kind.len() == 1 => path,
        _ => path,
    };
    let path = percent_decode_str(path).decode_utf8().ok()?;
    (!path.is_empty() && !path.ends_with('/') && !path.contains(['\r', '\n', '\0']))
        .then(|| path.into_owned())
}

#[cfg(test)]
mod tests {
    use manyhands_core::ByteRange;

    use super::*;

    #[test]
    fn a_path_is_relative_to_the_login_folder() {
        for (url, expected) in [
            ("ftp://example.org/pub/file.iso", Some("pub/file.iso")),
            ("ftp://example.org/a%20b", Some("a b")),
            ("ftp://example.org//etc/motd", Some("/etc/motd")),
            ("ftp://example.org/%2Fetc/motd", Some("/etc/motd")),
            ("ftp://example.org/file.bin;type=i", Some("file.bin")),
            ("ftp://example.org/file;type=old.bin", Some("file;type=old.bin")),
            ("ftp://example.org/%E6%96%87", Some("文")),
            ("ftp://example.org/%ff", None),
            ("ftp://example.org/", None),
            ("ftp://example.org/dir/", None),
            ("ftp://example.org/a%0d%0aDELE%20b", None),
            ("ftp://example.org/a%00b", None),
        ] {
            assert_eq!(path_of(&Url::parse(url).unwrap()).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn what_ftp_says_is_judged_like_an_http_answer() {
        let range = Asked::Range(ByteRange::new(100, 200).unwrap());
        let judge = |asked, length, rest| {
            accept(asked, None, &head(asked, length, Some(7), rest))
                .map(|a| (a.start, a.end, a.ranges, a.identity.length))
                .map_err(|rejection| rejection.to_string())
        };
        assert_eq!(judge(range, Some(1000), true), Ok((100, Some(200), true, Some(1000))));
        assert_eq!(judge(range, Some(150), true), Ok((100, Some(150), true, Some(150))));
        assert_eq!(judge(Asked::Everything, Some(9), true), Ok((0, Some(9), true, Some(9))));
        assert_eq!(judge(Asked::Everything, Some(9), false), Ok((0, Some(9), false, Some(9))));
        assert_eq!(judge(Asked::Everything, None, true), Ok((0, None, false, None)));
        assert_eq!(judge(Asked::Everything, Some(0), true), Ok((0, Some(0), true, Some(0))));
        assert!(judge(range, Some(100), true).is_err_and(|e| e.contains("nothing at this offset")));
        for (length, rest) in [(None, true), (Some(1000), false)] {
            assert!(judge(range, length, rest).is_err_and(|e| e.contains("ignores ranges")));
        }
    }
}
