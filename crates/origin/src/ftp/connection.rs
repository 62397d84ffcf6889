//! One control connection with its login.

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use suppaftp::tokio::{AsyncFtpStream, AsyncNoTlsStream, TransferStream};
use suppaftp::types::{FileType, FtpError, FtpResult, Response};
use suppaftp::{Mode, Status};
use tokio::net::TcpStream;
use tracing::debug;
use url::Url;

use super::pool::Server;
use crate::connect::connect;
use crate::error::FetchError;
use crate::guard::{OptionalGuard, Refused};

pub(super) type Transfer = TransferStream<AsyncNoTlsStream>;

pub(super) struct Connection {
    pub(super) server: Server,
    /// Whether a transfer can begin in the middle of a file.
    pub(super) knows_rest: bool,
    ftp: AsyncFtpStream,
    passive: Mode,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, logs in, and switches to binary.
    pub(super) async fn open(
        server: Server,
        url: &Url,
        guard: &OptionalGuard,
        connect_timeout: Duration,
        idle_timeout: Duration,
    ) -> Result<Self, FetchError> {
        let host = server.host.clone();
        let stream = connect(&host, url, guard, connect_timeout).await?;
        let peer = stream
            .peer_addr()
            .and_then(|peer| stream.set_nodelay(true).map(|()| peer.ip()))
            .map_err(|error| lost(&host, error))?;
        let greeting = AsyncFtpStream::connect_with_stream(stream);
        let mut ftp = step(&host, idle_timeout, greeting).await?;
        // The server's idea of its own address does not count: NAT makes it wrong, malice makes it an attack.
        ftp.set_passive_nat_workaround(true);
        ftp.set_mode(Mode::ExtendedPassive);
        let data_guard = guard.clone();
        let mut ftp = ftp.passive_stream_builder(move |address| {
            let guard = data_guard.clone();
            Box::pin(async move {
                let refused = |error| FtpError::ConnectionError(io::Error::other(error));
                if address.ip() != peer {
                    return Err(refused(Refused { address: address.ip(), why: "another host" }));
                }
                guard.map_or(Ok(()), |guard| guard.allow(address.ip())).map_err(refused)?;
                let connecting = TcpStream::connect(address);
                match tokio::time::timeout(connect_timeout, connecting).await {
                    Ok(connected) => connected.map_err(FtpError::ConnectionError),
                    Err(_) => Err(FtpError::ConnectionError(io::ErrorKind::TimedOut.into())),
                }
            })
        });
        step(&host, idle_timeout, ftp.login(&server.user, &server.password)).await?;
        step(&host, idle_timeout, ftp.transfer_type(FileType::Binary)).await?;
        let rest = ftp.custom_command("REST 0", &[Status::RequestFilePending]);
        let knows_rest = match step(&host, idle_timeout, rest).await {
            Ok(_) => true,
            Err(error) if is_refusal(&error) => false,
            Err(error) => return Err(error),
        };
        Ok(Self { server, knows_rest, ftp, passive: Mode::ExtendedPassive })
    }

    /// The file's length; `None` when the server does not know the command.
    pub(super) async fn size(
        &mut self,
        path: &str,
        wait: Duration,
    ) -> Result<Option<u64>, FetchError> {
        match step(&self.server.host, wait, self.ftp.size(path)).await {
            Ok(size) => Ok(Some(size as u64)),
            Err(FetchError::Status { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// When the file was changed, in seconds since 1970; `None` when the server does not say.
    pub(super) async fn modified(
        &mut self,
        path: &str,
        wait: Duration,
    ) -> Result<Option<i64>, FetchError> {
        match step(&self.server.host, wait, self.ftp.mdtm(path)).await {
            Ok(time) => Ok(Some(time.and_utc().timestamp())),
            Err(error) if is_refusal(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins the transfer from `start` on. `EPSV` is tried first; servers that do not have it get `PASV`.
    pub(super) async fn retrieve(
        &mut self,
        path: &str,
        start: u64,
        wait: Duration,
    ) -> Result<Transfer, FetchError> {
        let host = &self.server.host;
        let too_far = |_| FetchError::NotSatisfiable { host: host.clone(), length: None };
        let start = usize::try_from(start).map_err(too_far)?;
        step(host, wait, self.ftp.resume_transfer(start)).await?;
        let error = match step(host, wait, self.ftp.retr_as_stream(path)).await {
            Ok(transfer) => return Ok(transfer),
            // Which of EPSV, REST and RETR was refused is not told apart; trying the other way tells.
            Err(error) if self.passive == Mode::ExtendedPassive && is_refusal(&error) => error,
            Err(error) => return Err(error),
        };
        debug!(%error, "trying PASV");
        self.ftp.set_mode(Mode::Passive);
        self.passive = Mode::Passive;
        step(host, wait, self.ftp.resume_transfer(start)).await?;
        step(host, wait, self.ftp.retr_as_stream(path)).await
    }
}

/// One command and its reply, in time.
async fn step<T>(
    host: &str,
    wait: Duration,
    command: impl Future<Output = FtpResult<T>>,
) -> Result<T, FetchError> {
    match tokio::time::timeout(wait, command).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(of_ftp(host, error)),
        Err(_) => Err(FetchError::Stalled { host: host.into(), received_bytes: 0, after: wait }),
    }
}

/// The server understood that something was wanted, and said no.
fn is_refusal(error: &FetchError) -> bool {
    matches!(
        error,
        FetchError::Missing { .. }
            | FetchError::Denied { .. }
            | FetchError::Status { .. }
            | FetchError::BadAnswer { .. }
    )
}

fn lost(host: &str, error: io::Error) -> FetchError {
    FetchError::Interrupted { host: host.into(), received_bytes: 0, source: Some(error.into()) }
}

/// What a reply means. Its text is not kept: it may repeat the login.
pub(super) fn of_ftp(host: &str, error: FtpError) -> FetchError {
    match error {
        FtpError::ConnectionError(error) => lost(host, error),
        FtpError::UnexpectedResponse(Response { status, body }) => {
            let host = host.to_owned();
            let status = u16::try_from(status.code()).unwrap_or(0);
            let text = String::from_utf8_lossy(&body).to_ascii_lowercase();
            let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
            match status {
                530 if says(&["many", "maximum", "limit"]) => {
                    FetchError::Busy { host, status, retry_after: None }
                }
                421 => FetchError::Busy { host, status, retry_after: None },
                331 | 332 | 430 | 530 | 532 => FetchError::Denied { host, status },
                550 if says(&["permission", "denied"]) => FetchError::Denied { host, status },
                550 | 553 => FetchError::Missing { host, status },
                400..=499 => FetchError::Server { host, status, retry_after: None },
                _ => FetchError::Status { host, status },
            }
        }
        error => FetchError::BadAnswer { host: host.into(), source: error.into() },
    }
}
