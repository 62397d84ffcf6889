//! The data connection of a transfer.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use suppaftp::FtpError;
use tokio::io::AsyncReadExt;

use super::connection::{Connection, Transfer};
use super::pool::Pool;

/// The bytes of one `RETR`. Dropping it closes the data connection and keeps the control connection, whose next command
/// first reads how the transfer ended.
pub(crate) struct FtpBody {
    /// `None` after the end, or after an error.
    transfer: Option<Transfer>,
    connection: Option<Connection>,
    pool: Arc<Pool>,
    buffer: BytesMut,
}

/// As large as the buffers that hyper reads into.
const BUFFER_BYTES: usize = 256 << 10;
/// What is left of a buffer is used for the next read when it is at least this.
const SMALLEST_READ: usize = 64 << 10;

impl FtpBody {
    pub(super) fn new(transfer: Transfer, connection: Connection, pool: Arc<Pool>) -> Self {
        let (transfer, connection) = (Some(transfer), Some(connection));
        Self { transfer, connection, pool, buffer: BytesMut::new() }
    }

    /// The next bytes; `None` when the server said that the transfer is complete. Safe to cancel, except that an end which
    /// was not waited for becomes an error.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, FtpError> {
        let ended = || FtpError::ConnectionError(std::io::ErrorKind::UnexpectedEof.into());
        let transfer = self.transfer.as_mut().ok_or_else(ended)?;
        if self.buffer.capacity() - self.buffer.len() < SMALLEST_READ {
            self.buffer.reserve(BUFFER_BYTES);
        }
        match transfer.read_buf(&mut self.buffer).await {
            Ok(0) => {
                if let Some(transfer) = self.transfer.take() {
                    transfer.finish().await?;
                }
                Ok(None)
            }
            Ok(_) => Ok(Some(self.buffer.split().freeze())),
            Err(error) => {
                self.connection = None;
                Err(FtpError::ConnectionError(error))
            }
        }
    }

    /// Closes the control connection, too: it cannot be trusted to answer.
    pub(crate) fn abandon(&mut self) {
        self.transfer = None;
        self.connection = None;
    }
}

impl Drop for FtpBody {
    fn drop(&mut self) {
        self.transfer = None;
        if let Some(connection) = self.connection.take() {
            self.pool.put(connection);
        }
    }
}

impl fmt::Debug for FtpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FtpBody").field("connection", &self.connection).finish_non_exhaustive()
    }
}
