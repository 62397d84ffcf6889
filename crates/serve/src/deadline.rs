//! A bound on how long a connection may take nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A stream on which nothing may wait for longer than `patience`: neither what is left until all is written, nor a portion of
/// much. Who takes nothing for so long is gone, or wants to hold the connection open for nothing.
#[derive(Debug)]
pub struct WriteDeadline<S> {
    inner: S,
    patience: Duration,
    portion_bytes: usize,
    /// Made when something waits for the first time.
    deadline: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
    /// Since the deadline was set.
    written: usize,
}

impl<S> WriteDeadline<S> {
    /// `portion_bytes` is how much has to be taken within `patience` when more waits: 1, and any byte is enough.
    pub fn new(inner: S, patience: Duration, portion_bytes: usize) -> Self {
        Self { inner, patience, portion_bytes, deadline: None, is_waiting: false, written: 0 }
    }

    /// Less than a portion puts nothing off.
    fn check_write(
        &mut self,
        result: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(Ok(written)) = result else { return self.check(result, cx) };
        self.written += written;
        if self.written >= self.portion_bytes {
            (self.is_waiting, self.written) = (false, 0);
        }
        result
    }

    fn check<T>(
        &mut self,
        result: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            (self.is_waiting, self.written) = (false, 0);
            return result;
        }
        let until = Instant::now() + self.patience;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if !std::mem::replace(&mut self.is_waiting, true) {
            self.written = 0;
            deadline.as_mut().reset(until);
        }
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteDeadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, data);
        self.check_write(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, data);
        self.check_write(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        self.check(result, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.check(result, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::sleep;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn who_takes_no_byte_is_given_up() {
        for portion_bytes in [1, 1000] {
            let (near, _far) = duplex(8);
            let mut stream = WriteDeadline::new(near, PATIENCE, portion_bytes);
            let began = Instant::now();
            let error = stream.write_all(&[0; 100]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(began.elapsed(), PATIENCE);
        }
    }

    /// Who takes `bytes` each `pause` of seconds, while `all` waits.
    async fn taking(all: usize, bytes: usize, pause: u64, portion_bytes: usize) -> (bool, u64) {
        let (near, mut far) = duplex(4096);
        let mut stream = WriteDeadline::new(near, PATIENCE, portion_bytes);
        let reader = tokio::spawn(async move {
            let mut taken = vec![0; bytes];
            while far.read_exact(&mut taken).await.is_ok() {
                sleep(Duration::from_secs(pause)).await;
            }
        });
        let began = Instant::now();
        let written = stream.write_all(&vec![0; all]).await;
        reader.abort();
        (written.is_ok(), began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_portion_in_time_is_kept_and_who_takes_less_is_not() {
        // Any byte is enough, or a portion is: what is waited for takes much longer than the patience.
        let (all_written, seconds) = taking(64 * 1024, 1024, 29, 1).await;
        assert!(all_written && (1700..=1900).contains(&seconds), "{seconds}");
        let (all_written, seconds) = taking(512 * 1024, 4096, 1, 32 * 1024).await;
        assert!(all_written && (100..=130).contains(&seconds), "{seconds}");
        let (all_written, seconds) = taking(64 * 1024, 1, 1, 32 * 1024).await;
        assert!(!all_written && (30..=31).contains(&seconds), "{seconds}");
    }
}
