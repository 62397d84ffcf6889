//! What a helper gives away, and what it keeps.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use manyhands_core::{ByteRange, HelpId, Identity};
use manyhands_peer::wire::OriginName;
use manyhands_peer::{ContentSource, DeviceIdentity, FetchFailure, FetchOrder};
use url::Url;

use super::carried::Rebound;
use super::*;
use crate::network::guard::LiveGuard;
use crate::network::lending::sources;

/// Everything in a folder: its path, and what is in it.
fn all_in(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match std::fs::symlink_metadata(&path).unwrap() {
            kind if kind.is_dir() => found.extend(all_in(&path)),
            kind if kind.is_file() => {
                let bytes = std::fs::read(&path).unwrap();
                found.push((path, bytes));
            }
            _ => {}
        }
    }
    found.sort();
    found
}

fn paths(found: &[(PathBuf, Vec<u8>)]) -> Vec<&Path> {
    found.iter().map(|(path, _)| &**path).collect()
}

/// Files of this process that have no name any more.
fn nameless_files() -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    let target =
        |link: std::io::Result<std::fs::DirEntry>| std::fs::read_link(link.ok()?.path()).ok();
    let is_nameless = |path: &PathBuf| {
        let path = path.to_string_lossy();
        path.starts_with('/') && path.ends_with("(deleted)")
    };
    links.filter_map(target).filter(is_nameless).count()
}

#[tokio::test]
async fn a_helper_stores_nothing_of_what_it_fetches() {
    let world = World::new(AcceptRule::All).await;
    let profile = world.root.path().join("helper");
    let lin = world.requester("lin").await;
    let before = all_in(&profile);
    let id = lin.get("a.bin").await;
    world.until("a MiB lent", |together| together.lent_today_bytes > MIB).await;
    assert_eq!(nameless_files(), 0);
    let during = all_in(&profile);
    lin.completes(id).await;
    world.until("done", |together| together.helping.is_empty()).await;
    let name = lin.engine.row(id).await.unwrap().unwrap().name;
    let path = lin.dir.join("files").join(name);
    assert_eq!(std::fs::metadata(path).unwrap().len(), BYTES, "the bytes are somewhere, of course");
    for found in [during, all_in(&profile)] {
        assert_eq!(paths(&found), paths(&before), "no file has come");
        for (path, bytes) in found {
            // A few bytes of each portion of what was surely lent.
            for at in (0..MIB).step_by(64 << 10) {
                let sample = content(SEED, at..at + 32);
                let is_in = bytes.windows(sample.len()).any(|window| window == sample);
                assert!(!is_in, "{}: byte {at} of the file", path.display());
            }
        }
    }
}

fn order(url: &str) -> FetchOrder {
    let url = Url::parse(url).unwrap();
    FetchOrder {
        session: HelpId(1),
        requester: DeviceIdentity::generate().unwrap().id(),
        consented: vec![OriginName::of(&url).unwrap()],
        url,
        known: Identity::default(),
        range: ByteRange::from_len(5, 10),
    }
}

/// Reads the bytes of an order to their end, so that the connection is kept; how many came.
async fn fetched(
    content: &Arc<dyn ContentSource>,
    order: FetchOrder,
) -> Result<usize, FetchFailure> {
    let (mut body, mut came) = (content.fetch(order).await?.body, 0);
    while let Some(bytes) = body.next().await {
        came += bytes?.len();
    }
    Ok(came)
}

#[tokio::test]
async fn a_kept_connection_is_not_used_when_its_address_is_no_longer_allowed() {
    let server = FaultServer::start(fast());
    let guard = Arc::new(Rebound { outside: AtomicBool::new(true), rule: LiveGuard::new(true) });
    let content = sources(guard.clone()).unwrap().content;
    let url = format!("http://localhost:{}/file.bin", server.addr().port());
    for _ in 0..2 {
        assert_eq!(fetched(&content, order(&url)).await, Ok(10));
    }
    assert_eq!(server.connections(), 1, "it was kept");
    guard.outside.store(false, Ordering::Relaxed);
    guard.rule.set_allow_private(false);
    assert_eq!(fetched(&content, order(&url)).await, Err(FetchFailure::AddressRefused));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_helpers_request_to_the_origin_says_nothing_of_the_requester() {
    let server = FaultServer::start(fast());
    let mut guard = LiveGuard::new(false);
    guard.loopback = true;
    let content = sources(Arc::new(guard)).unwrap().content;
    let order = order(&server.url("/file.bin"));
    let requester = order.requester;
    assert_eq!(fetched(&content, order).await, Ok(10));
    let requests = server.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    let mut names: Vec<_> =
        request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    // No cookie, no authorization, no referer, no forwarded-for: none but these.
    assert_eq!(names, ["accept", "accept-encoding", "host", "range", "user-agent"]);
    assert_eq!(request.range(), Some("bytes=5-14"));
    let told = format!("{:?}", request.headers);
    assert!(!told.contains(&requester.to_string()) && !told.contains(&requester.short()), "{told}");
}
