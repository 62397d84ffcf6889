//! The thread that writes part files.
//!
//! Buffers come as they arrived from the network; the writer gathers neighbours and writes them at their place with one
//! positional write of at most [`MAX_WRITE_BYTES`] (larger ones were measured to be several times slower). What waits is
//! bounded in bytes: a slow disk slows the connections down.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use manyhands_core::{ByteRange, DownloadId, Input, SourceId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::part::{disk_failure, is_at};
use crate::shell::Facts;

/// Bytes that may wait to be written, over all downloads.
pub const MAX_WAITING_BYTES: u32 = 8 << 20;
/// The largest single write.
const MAX_WRITE_BYTES: usize = 512 << 10;
/// The system takes at most 1024 buffers in one call (IOV_MAX).
const MAX_BUFFERS: usize = 256;
/// What was written is reported at the latest after so long.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// An open part file.
#[derive(Debug)]
pub struct Part {
    pub download: DownloadId,
    pub file: File,
    pub path: PathBuf,
    /// Whoever reads the file for long stops when this is set.
    pub closing: AtomicBool,
}

impl Part {
    #[must_use]
    pub fn new(download: DownloadId, file: File, path: PathBuf) -> Self {
        Self { download, file, path, closing: AtomicBool::new(false) }
    }
}

/// The way to the writer thread; cheap to clone. The thread ends when all are gone.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Bounded by `room`; the orders without bytes are at most one a lease and one a download.
    orders: Sender<WriteOrder>,
    room: Arc<Semaphore>,
}

#[derive(Debug)]
enum WriteOrder {
    Write {
        part: Arc<Part>,
        source: SourceId,
        offset: u64,
        bytes: Bytes,
        _room: Option<OwnedSemaphorePermit>,
    },
    /// Everything of a lease was written before: report it, then pass this fact on.
    EndLease(Input),
    /// Everything of this download was written before: report it, then say that the part is closed.
    Close { download: DownloadId, discard: Option<Arc<Part>> },
}

impl Writer {
    pub fn start(facts: Facts) -> io::Result<Self> {
        let (orders, received) = channel();
        std::thread::Builder::new().name("manyhands-writer".into()).spawn(move || {
            WriterThread { received, facts, waiting: Vec::new(), written: BTreeMap::new() }.run();
        })?;
        Ok(Self { orders, room: Arc::new(Semaphore::new(MAX_WAITING_BYTES as usize)) })
    }

    /// Room for a buffer; waits while too much waits already.
    pub async fn room_for(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(MAX_WAITING_BYTES);
        Arc::clone(&self.room).acquire_many_owned(wanted).await.ok()
    }

    /// Hands over a buffer; it is written whatever happens to the caller.
    pub fn write(
        &self,
        part: &Arc<Part>,
        source: SourceId,
        offset: u64,
        bytes: Bytes,
        room: Option<OwnedSemaphorePermit>,
    ) {
        self.send(WriteOrder::Write { part: Arc::clone(part), source, offset, bytes, _room: room });
    }

    /// Tells the end of a lease once all that it handed over is written and reported.
    pub fn end_lease(&self, ended: Input) {
        self.send(WriteOrder::EndLease(ended));
    }

    pub fn close(&self, download: DownloadId, discard: Option<Arc<Part>>) {
        self.send(WriteOrder::Close { download, discard });
    }

    fn send(&self, order: WriteOrder) {
        // The thread lives as long as a `Writer` does.
        let _ = self.orders.send(order);
    }
}

/// A buffer that waits to be written.
struct Waiting {
    part: Arc<Part>,
    source: SourceId,
    offset: u64,
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

struct WriterThread {
    received: Receiver<WriteOrder>,
    facts: Facts,
    /// Neighbouring buffers that one write takes.
    waiting: Vec<Waiting>,
    written: BTreeMap<DownloadId, Vec<(ByteRange, SourceId)>>,
}

impl WriterThread {
    fn run(mut self) {
        let mut reported = Instant::now();
        loop {
            let order = if self.waiting.is_empty() && self.written.is_empty() {
                self.received.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else if self.waiting.is_empty() {
                self.received.recv_timeout(REPORT_EVERY.saturating_sub(reported.elapsed()))
            } else {
                // Gather what is there; write as soon as nothing more is.
                self.received.recv_timeout(Duration::ZERO)
            };
            match order {
                Ok(WriteOrder::Write { part, source, offset, bytes, _room }) => {
                    if !self.fits(&part, source, offset, &bytes) {
                        self.write_out();
                    }
                    self.waiting.push(Waiting { part, source, offset, bytes, _room });
                }
                Ok(WriteOrder::EndLease(ended)) => {
                    self.write_out();
                    self.report();
                    reported = Instant::now();
                    self.facts.blocking_send(ended);
                }
                Ok(WriteOrder::Close { download, discard }) => {
                    self.write_out();
                    self.report();
                    if let Some(part) = discard.filter(|part| is_at(&part.file, &part.path)) {
                        discard_part(&part.path);
                    }
                    self.facts.blocking_send(Input::PartClosed { download });
                }
                Err(RecvTimeoutError::Timeout) => self.write_out(),
                Err(RecvTimeoutError::Disconnected) => {
                    self.write_out();
                    return self.report();
                }
            }
            if reported.elapsed() >= REPORT_EVERY {
                self.report();
                reported = Instant::now();
            }
        }
    }

    /// Whether this buffer can go into one write with those that wait.
    fn fits(&self, part: &Arc<Part>, source: SourceId, offset: u64, bytes: &Bytes) -> bool {
        let Some(last) = self.waiting.last() else { return true };
        let gathered: usize = self.waiting.iter().map(|waiting| waiting.bytes.len()).sum();
        Arc::ptr_eq(&last.part, part)
            && last.source == source
            && last.offset + last.bytes.len() as u64 == offset
            && self.waiting.len() < MAX_BUFFERS
            && gathered + bytes.len() <= MAX_WRITE_BYTES
    }

    fn write_out(&mut self) {
        let Some(Waiting { part, source, offset, .. }) = self.waiting.first() else { return };
        let (part, source, offset) = (Arc::clone(part), *source, *offset);
        let buffers: Vec<&[u8]> = self.waiting.iter().map(|waiting| &*waiting.bytes).collect();
        let length: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        match write_all_at(&part.file, &buffers, offset) {
            Ok(()) => {
                let range = ByteRange::from_len(offset, length as u64);
                let runs = self.written.entry(part.download).or_default();
                match runs.last_mut() {
                    Some((last, who)) if last.end() == offset && *who == source => {
                        *last = ByteRange::from_len(last.start(), last.len() + range.len());
                    }
                    _ => runs.push((range, source)),
                }
            }
            Err(error) => {
                let failure = disk_failure(&error, &part.path, "write to");
                self.facts.blocking_send(Input::PartFailed { download: part.download, failure });
            }
        }
        self.waiting.clear();
    }

    fn report(&mut self) {
        for (download, runs) in std::mem::take(&mut self.written) {
            self.facts.blocking_send(Input::Written { download, runs });
        }
    }
}

/// Writes all of `buffers`, one after the other, in portions of at most [`MAX_WRITE_BYTES`].
fn write_all_at(file: &File, buffers: &[&[u8]], mut offset: u64) -> io::Result<()> {
    let mut buffers: Vec<IoSlice<'_>> = buffers
        .iter()
        .flat_map(|buffer| buffer.chunks(MAX_WRITE_BYTES))
        .map(IoSlice::new)
        .collect();
    let mut rest = &mut buffers[..];
    while !rest.is_empty() {
        // More than one buffer only ever waits while all together are small enough.
        let portion = if rest.iter().map(|b| b.len()).sum::<usize>() <= MAX_WRITE_BYTES {
            rest.len()
        } else {
            1
        };
        match rustix::io::pwritev(file, &rest[..portion], offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                offset += written as u64;
                IoSlice::advance_slices(&mut rest, written);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Deletes a part file; one that is gone already is no error.
pub fn discard_part(path: &std::path::Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "a part file could not be deleted");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn large_and_small_buffers_land_at_their_place() {
        let mut file = tempfile::tempfile().unwrap();
        let large: Vec<u8> = (0..3 * MAX_WRITE_BYTES + 17).map(|i| (i % 251) as u8).collect();
        write_all_at(&file, &[&large, b"abc", b"", b"def"], 5).unwrap();
        let mut back = Vec::new();
        file.read_to_end(&mut back).unwrap();
        assert_eq!(&back[..5], [0; 5]);
        assert_eq!(&back[5..large.len() + 5], large);
        assert_eq!(&back[large.len() + 5..], b"abcdef");
    }
}
