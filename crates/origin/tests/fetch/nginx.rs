//! A server as it is met most: nginx, started for each test with a configuration of its own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use manyhands_faultserver::content;
use manyhands_origin::Retry;
use tokio::net::TcpStream;

use crate::common::*;

const NGINX: &str = "/usr/sbin/nginx";

/// A running nginx of one process; dropping it ends it.
struct Nginx {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Nginx {
    /// `http` and `server` are added to these blocks; `file.bin` has [`BYTES`] bytes of the seed 7.
    async fn start(http: &str, server: &str) -> Self {
        assert!(Path::new(NGINX).exists(), "these tests need nginx: apt-get install nginx-light");
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().display();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "daemon off; master_process off; pid {home}/pid; error_log {home}/log;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; default_type application/octet-stream;\n\
             client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;\n\
             uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;\n{http}\n\
             server {{ listen 127.0.0.1:{port}; root {home}/root; {server} }} }}\n",
        );
        fs::create_dir(dir.path().join("root")).unwrap();
        fs::write(dir.path().join("nginx.conf"), config).unwrap();
        fs::write(dir.path().join("root/file.bin"), content(7, 0..BYTES)).unwrap();
        let child = Command::new(NGINX)
            .arg("-c")
            .arg(dir.path().join("nginx.conf"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child, port, dir };
        // It does not say when it is ready: what is asked is the port itself.
        let deadline = SystemTime::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let log = fs::read_to_string(server.dir.path().join("log")).unwrap_or_default();
            assert_eq!(server.child.try_wait().unwrap(), None, "nginx ended: {log}");
            assert!(SystemTime::now() < deadline, "nginx does not listen: {log}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("root").join(name)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn whole_files_parts_and_changes_are_as_nginx_tells_them() {
    // Compression that nobody asked for does not happen.
    let server = Nginx::start("gzip on; gzip_types *; gzip_min_length 1;", "").await;
    let (origins, url) = (origins(), server.url("/file.bin"));
    let first = origins.fetch(&request(&url, ALL, None)).await.unwrap();
    assert!(first.accepted.ranges);
    let known = Some(first.accepted.identity.clone());
    assert!(known.as_ref().is_some_and(|known| known.validator.etag.is_some()));
    drop(first);
    for (asked, expected) in [
        (ALL, "0..100000"),
        (range(1000, 2000), "1000..2000"),
        (range(99_000, 200_000), "99000..100000"),
        (range(BYTES, BYTES + 1), "NotSatisfiable"),
    ] {
        assert_eq!(outcome(&origins, &request(&url, asked, known.clone()), 7).await, expected);
    }
    let missing = request(&server.url("/missing"), ALL, None);
    assert_eq!(outcome(&origins, &missing, 7).await, "Missing");
    let empty = server.file("empty.bin");
    fs::write(empty, []).unwrap();
    let empty = request(&server.url("/empty.bin"), ALL, None);
    assert_eq!(outcome(&origins, &empty, 7).await, "0..0");

    let file = fs::File::options().append(true).open(server.file("file.bin")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    let part = request(&url, range(1000, 2000), known.clone());
    assert_eq!(outcome(&origins, &part, 7).await, "Changed");
    file.set_len(500).unwrap();
    assert_eq!(outcome(&origins, &part, 7).await, "Changed");
}

#[tokio::test]
async fn a_limit_of_connections_is_learnt_from_its_status() {
    let zone = "limit_conn_zone $binary_remote_addr zone=one:1m;";
    let server = Nginx::start(zone, "limit_conn one 2;").await;
    // Nobody reads the first two: they stay under way.
    fs::write(server.file("large.bin"), content(7, 0..32 << 20)).unwrap();
    let (origins, url) = (origins(), server.url("/large.bin"));
    let first = origins.fetch(&request(&url, range(0, 16 << 20), None)).await.unwrap();
    let second = origins.fetch(&request(&url, range(16 << 20, 32 << 20), None)).await.unwrap();
    let third = request(&url, range(0, 10), None);
    let error = origins.fetch(&third).await.unwrap_err();
    assert_eq!(name(&error), "Busy");
    assert_eq!(error.retry(), Retry::FewerConnections { after: None });
    for mut answer in [first, second] {
        assert_eq!(read(&mut answer).await.0.len(), 16 << 20);
    }
    assert_eq!(outcome(&origins, &third, 7).await, "0..10");
}

#[tokio::test]
async fn a_fast_body_comes_in_large_buffers() {
    const LARGE: u64 = 64 << 20;
    let server = Nginx::start("sendfile on;", "").await;
    fs::write(server.file("large.bin"), content(7, 0..LARGE)).unwrap();
    let mut answer = origins().fetch(&request(&server.url("/large.bin"), ALL, None)).await.unwrap();
    let mut buffers = 0;
    while answer.body.next().await.unwrap().is_some() {
        buffers += 1;
    }
    assert_eq!(answer.body.received_bytes(), LARGE);
    assert!(LARGE / buffers >= 32 << 10, "{} bytes each", LARGE / buffers);
    println!("{} bytes each", LARGE / buffers);
}
