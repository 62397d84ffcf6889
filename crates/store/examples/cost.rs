//! What the operations cost, and how the database grows: `cargo run -p manyhands-store --example cost -- DIR`.
//!
//! A busy profile: twenty downloads run, and each step changes a portion of 200 ranges of one of their piece maps.
#![allow(clippy::unwrap_used, reason = "a measurement")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{chunk, download};
use manyhands_core::DownloadId;
use manyhands_store::{Op, Store};

const DOWNLOADS: u64 = 20;
const STEPS: u64 = 2_000;

fn main() {
    let dir = std::env::args_os().nth(1).map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| std::env::temp_dir().join("manyhands-store-cost"));
    let (store, _) = Store::open(&dir).unwrap();
    let downloads: Vec<_> = (1..=DOWNLOADS).map(|id| Op::PutDownload(download(id))).collect();
    store.apply(&downloads).unwrap();
    store.flush().unwrap();
    let step = |n: u64| {
        let mut record = download(1 + n % DOWNLOADS);
        record.active_ms = n;
        let id = record.id;
        vec![
            Op::PutDownload(record),
            Op::PutMapChunk(id, chunk(n as u32 % 4, 150 + n as usize % 50)),
        ]
    };
    measure("apply", || (0..STEPS).map(|n| time(|| store.apply(&step(n)).unwrap())).collect());
    measure("apply + flush_to_os", || {
        (0..STEPS)
            .map(|n| {
                time(|| {
                    store.apply(&step(n)).unwrap();
                    store.flush_to_os().unwrap();
                })
            })
            .collect()
    });
    measure("apply + flush", || {
        (0..STEPS / 10)
            .map(|n| {
                time(|| {
                    store.apply(&step(n)).unwrap();
                    store.flush().unwrap();
                })
            })
            .collect()
    });
    println!("{:>8} KiB on disk", size(&dir) / 1024);
    measure("full portion, apply + flush_to_os", || {
        (0..STEPS)
            .map(|n| {
                time(|| {
                    let id = DownloadId(1 + n % DOWNLOADS);
                    store
                        .apply(&[Op::PutMapChunk(id, chunk(n as u32 % 4, 2000 + n as usize % 48))])
                        .unwrap();
                    store.flush_to_os().unwrap();
                })
            })
            .collect()
    });
    println!("{:>8} KiB on disk", size(&dir) / 1024);

    let many: Vec<_> = (1_000..11_000).map(|id| Op::PutDownload(download(id))).collect();
    measure("10 000 downloads, apply", || vec![time(|| store.apply(&many).unwrap())]);
    measure("10 000 downloads, flush with copy", || vec![time(|| store.flush().unwrap())]);
    measure("10 000 downloads, read", || vec![time(|| drop(store.downloads().unwrap()))]);
    drop(store);
    measure("10 000 downloads, open", || vec![time(|| drop(Store::open(&dir).unwrap()))]);
    println!("{:>8} KiB on disk", size(&dir) / 1024);
}

fn time(operation: impl FnOnce()) -> Duration {
    let began = Instant::now();
    operation();
    began.elapsed()
}

fn measure(what: &str, times: impl FnOnce() -> Vec<Duration>) {
    let mut times = times();
    times.sort();
    let ms = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    println!("{what:34} p50 {:8.3} ms  p99 {:8.3} ms  max {:8.3} ms", ms(50), ms(99), ms(100));
}

fn size(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| match entry.metadata().unwrap() {
            file if file.is_file() => file.len(),
            _ => size(&entry.path()),
        })
        .sum()
}
