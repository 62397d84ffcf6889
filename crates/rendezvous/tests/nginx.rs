//! Behind a real nginx, with the configuration that is documented.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::*;
use manyhands_rendezvous::{Config, ProxyHeader};
use manyhands_wire::{ProblemCode, RendezvousEvent};
use serde_json::json;
use tokio::process::{Child, Command};

const DOCS: &str = include_str!("../../../docs/rendezvous.md");

/// The documented texts, with the test's own addresses and files.
fn nginx_conf(folder: &Path, port: u16, upstream: u16, header: ProxyHeader) -> String {
    let blocks = DOCS.split("```nginx\n").skip(1);
    let blocks: Vec<_> = blocks.map(|block| block.split("```").next().unwrap()).collect();
    let [site, map, line] = blocks[..] else { panic!("{} texts for nginx", blocks.len()) };
    let folder = folder.display();
    let mut site = site.to_owned();
    if header == ProxyHeader::Forwarded {
        let older = "        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n";
        assert!(site.contains(older));
        site = format!("{map}{}", site.replace(older, line));
    }
    for (documented, ours) in [
        ("127.0.0.1:8470", format!("127.0.0.1:{upstream}")),
        ("listen 443 ssl", format!("listen 127.0.0.1:{port} ssl")),
        ("/etc/ssl/meet.example.org.pem", format!("{folder}/cert.pem")),
        ("/etc/ssl/meet.example.org.key", format!("{folder}/key.pem")),
    ] {
        assert!(site.contains(documented), "{documented}");
        site = site.replace(documented, &ours);
    }
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};"))
        .join(" ");
    format!(
        "daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n\
         events {{ worker_connections 256; }}\nhttp {{ {places}\n{site}\n}}\n"
    )
}

fn start_nginx(folder: &Path, conf: &str) -> Child {
    std::fs::write(folder.join("nginx.conf"), conf).unwrap();
    let nginx = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"];
    let nginx = nginx.into_iter().find(|path| Path::new(path).exists());
    let mut command = Command::new(nginx.expect("nginx, which this test needs"));
    command.arg("-c").arg(folder.join("nginx.conf")).arg("-e").arg(folder.join("error.log"));
    command.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

#[tokio::test]
async fn behind_nginx_clients_are_told_apart_and_events_pass_at_once() {
    behind_nginx(ProxyHeader::XForwardedFor).await;
}

#[tokio::test]
async fn behind_nginx_that_says_it_in_the_newer_header_too() {
    behind_nginx(ProxyHeader::Forwarded).await;
}

async fn behind_nginx(header: ProxyHeader) {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write_certificate(folder.path());
    let config = Config {
        plain_http: true,
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        proxy_header: header,
        public_url: Some("https://localhost:443".into()),
        ..config()
    };
    let server = start(config).await;
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let upstream = server.local_addr().port();
    let conf = nginx_conf(folder.path(), port, upstream, header);
    let mut nginx = start_nginx(folder.path(), &conf);
    let at = |from: &str| At {
        address: ([127, 0, 0, 1], port).into(),
        web: Some(certificate.clone()),
        from: from.parse().ok(),
        ..At::of(&server)
    };
    let up = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(nginx.try_wait().unwrap().is_none(), "nginx has ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, up).await.unwrap();

    let secret = secret();
    let mut observed = Vec::new();
    let mut devices = Vec::new();
    for from in ["127.0.0.2", "127.0.0.3"] {
        let mut device = Device::new(&at(from), &[&secret]);
        // What clients write themselves, nginx adds to, writes anew, or passes on.
        for (name, value) in [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")]
        {
            device.headers.insert(name, value.parse().unwrap());
        }
        observed.push(device.open().await.observed.as_str().to_owned());
        devices.push(device);
    }
    assert_eq!(observed, ["127.0.0.2", "127.0.0.3"]);
    let [ana, mo] = &devices[..] else { unreachable!() };
    let mut stream = ana.events(None).await;
    assert!(stream.snapshot().await.is_empty());
    let sent = Instant::now();
    mo.publish().await.ok();
    let Some(RendezvousEvent::Present { record }) = stream.next().await else { panic!() };
    assert_eq!(device_of(&record), mo.id());
    assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
    let changes = ana.get("/v1/changes").await.ok();
    assert_eq!(present_of(&changes.json::<manyhands_wire::Changes>().events), [mo.id()]);
    // Who asks is loopback, and would be everybody if the proxy were not known as one.
    let probe = ana.post("/v1/probes", &json!({ "port": 4711 })).await;
    probe.refused(ProblemCode::ProbeRefused);
    drop(stream);
    let pid = rustix::process::Pid::from_raw(nginx.id().unwrap() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    nginx.wait().await.unwrap();
}
