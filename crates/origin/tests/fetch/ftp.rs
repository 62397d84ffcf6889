//! FTP against vsftpd, started for each test with a configuration of its own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use manyhands_core::{Asked, FailureCode, Identity};
use manyhands_faultserver::{Behaviour, FaultServer, Reply, content};
use manyhands_origin::{HelperGuard, Options, Origins, ProxyMode, Retry};
use tokio::net::TcpStream;
use url::Url;

use crate::common::*;

const VSFTPD: &str = "/usr/sbin/vsftpd";

/// A running vsftpd; dropping it ends it with all its sessions.
struct Vsftpd {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Vsftpd {
    /// `settings` are added to the configuration; `file.bin` has [`BYTES`] bytes of the seed 7.
    async fn start(settings: &str) -> Self {
        assert!(Path::new(VSFTPD).exists(), "these tests need vsftpd: apt-get install vsftpd");
        let dir = tempfile::tempdir().unwrap();
        let (root, empty) = (dir.path().join("root"), dir.path().join("empty"));
        fs::create_dir_all(root.join("sub dir")).unwrap();
        fs::create_dir(&empty).unwrap();
        fs::write(root.join("file.bin"), content(7, 0..BYTES)).unwrap();
        fs::write(root.join("empty.bin"), []).unwrap();
        fs::write(root.join("sub dir/文件.zip"), content(7, 0..10)).unwrap();
        // The folders of temporary files are closed to others; vsftpd serves as another user.
        for folder in [dir.path(), &root] {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(folder, open).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\n\
             anonymous_enable=YES\nlocal_enable=NO\nanon_root={}\nsecure_chroot_dir={}\n\
             seccomp_sandbox=NO\nxferlog_enable=YES\nlog_ftp_protocol=YES\nxferlog_std_format=NO\n\
             vsftpd_log_file={}\n{settings}\n",
            root.display(),
            empty.display(),
            dir.path().join("log").display(),
        );
        let config_file = dir.path().join("vsftpd.conf");
        fs::write(&config_file, config).unwrap();
        let child = Command::new(VSFTPD).arg(&config_file).stdin(Stdio::null()).spawn().unwrap();
        let mut server = Self { child, port, dir };
        // It does not say when it is ready: what is asked is the port itself.
        let deadline = SystemTime::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert_eq!(server.child.try_wait().unwrap(), None, "vsftpd needs root and a free port");
            assert!(SystemTime::now() < deadline, "vsftpd does not listen");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server
    }

    fn url(&self, path: &str) -> String {
        format!("ftp://127.0.0.1:{}{path}", self.port)
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn count(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Ends the server and its sessions.
    fn kill(&mut self) {
        let ids = descendants(self.child.id()).into_iter().map(|id| id.to_string());
        let _ = Command::new("kill").arg("-KILL").args(ids).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// A process and its children, to the last: each session of vsftpd makes itself independent of what started it.
fn descendants(id: u32) -> Vec<u32> {
    let output = Command::new("ps").args(["-eo", "ppid=,pid="]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs: Vec<Vec<u32>> = text
        .lines()
        .map(|line| line.split_whitespace().filter_map(|id| id.parse().ok()).collect())
        .collect();
    let mut found = vec![id];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(pairs.iter().filter(|pair| pair[0] == parent).map(|pair| pair[1]));
        at += 1;
    }
    found
}

impl Drop for Vsftpd {
    fn drop(&mut self) {
        self.kill();
    }
}

fn of(server: &Vsftpd, asked: Asked) -> manyhands_origin::FetchRequest {
    request(&server.url("/file.bin"), asked, None)
}

#[tokio::test]
async fn any_range_of_a_file_arrives() {
    let server = Vsftpd::start("").await;
    let origins = origins();
    for (asked, expected) in [
        (ALL, "0..100000"),
        (range(0, BYTES), "0..100000"),
        (range(1000, 2000), "1000..2000"),
        (range(99_000, BYTES), "99000..100000"),
        (range(99_000, 200_000), "99000..100000"),
        (range(BYTES, BYTES + 1), "NotSatisfiable"),
    ] {
        assert_eq!(outcome(&origins, &of(&server, asked), 7).await, expected);
    }
    assert_eq!(server.count("OK LOGIN"), 1, "one login serves them all\n{}", server.log());
    assert_eq!(server.count("PASV"), 0, "{}", server.log());

    let answer = origins.fetch(&of(&server, ALL)).await.unwrap();
    assert!(answer.accepted.ranges);
    assert_eq!(answer.accepted.identity.length, Some(BYTES));
    assert!(answer.accepted.identity.validator.last_modified_unix_s.is_some());
    assert_eq!(answer.suggested_name.as_deref(), Some("file.bin"));
    let roots: Vec<_> = answer.origins.iter().map(ToString::to_string).collect();
    assert_eq!(roots, [format!("ftp://127.0.0.1:{}/", server.port)]);
}

#[tokio::test]
async fn names_folders_and_empty_files() {
    let server = Vsftpd::start("").await;
    let origins = origins();
    for (path, expected) in [
        ("/empty.bin", "0..0"),
        ("/sub%20dir/%E6%96%87%E4%BB%B6.zip", "0..10"),
        ("//file.bin", "0..100000"),
        ("/file.bin;type=i", "0..100000"),
        ("/nothing.bin", "Missing"),
        ("/sub%20dir", "Missing"),
        ("/sub%20dir/", "Missing"),
        ("/", "Missing"),
        ("/file.bin%0d%0aNOOP", "Missing"),
    ] {
        let asked = request(&server.url(path), ALL, None);
        assert_eq!(outcome(&origins, &asked, 7).await, expected, "{path}");
    }
    let asked = request(&server.url("/nothing.bin?secret"), ALL, None);
    let error = origins.fetch(&asked).await.unwrap_err();
    assert_eq!((error.retry(), error.failure().code), (Retry::GiveUp, FailureCode::NotFound));
}

#[tokio::test]
async fn transfers_at_the_same_time_have_their_own_connections() {
    let server = Vsftpd::start("").await;
    fs::write(server.root().join("large.bin"), content(7, 0..16 << 20)).unwrap();
    let origins = origins();
    let parts = [0, 1, 2, 3].map(|n| {
        let asked = range(n << 22, (n + 1) << 22);
        let (origins, request) = (origins.clone(), request(&server.url("/large.bin"), asked, None));
        tokio::spawn(async move { outcome(&origins, &request, 7).await })
    });
    for (n, part) in parts.into_iter().enumerate() {
        assert_eq!(part.await.unwrap(), format!("{}..{}", n << 22, (n + 1) << 22));
    }
    assert_eq!(server.count("OK LOGIN"), 4);
}

#[tokio::test]
async fn a_dropped_transfer_leaves_a_connection_that_works() {
    let server = Vsftpd::start("").await;
    fs::write(server.root().join("large.bin"), content(7, 0..64 << 20)).unwrap();
    let origins = origins();
    for _ in 0..3 {
        let whole = request(&server.url("/large.bin"), ALL, None);
        let mut answer = origins.fetch(&whole).await.unwrap();
        assert!(answer.body.next().await.unwrap().is_some());
        drop(answer);
        let next = request(&server.url("/large.bin"), range(1000, 2000), None);
        assert_eq!(outcome(&origins, &next, 7).await, "1000..2000");
    }
    assert_eq!(server.count("OK LOGIN"), 1, "{}", server.log());
}

#[tokio::test]
async fn a_file_that_changed_is_noticed_before_a_byte_comes() {
    let server = Vsftpd::start("").await;
    let origins = origins();
    let first = origins.fetch(&of(&server, ALL)).await.unwrap();
    let known: Option<Identity> = Some(first.accepted.identity.clone());
    drop(first);
    let part = request(&server.url("/file.bin"), range(1000, 2000), known);
    assert_eq!(outcome(&origins, &part, 7).await, "1000..2000");
    let file = fs::File::options().append(true).open(server.root().join("file.bin")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    assert_eq!(outcome(&origins, &part, 7).await, "Changed");
    file.set_len(BYTES + 1).unwrap();
    assert_eq!(outcome(&origins, &part, 7).await, "Changed");
}

#[tokio::test]
async fn pasv_serves_where_epsv_is_not_known_and_its_address_is_not_believed() {
    let server = Vsftpd::start("cmds_denied=EPSV\npasv_address=192.0.2.1\n").await;
    let origins = origins();
    for asked in [range(1000, 2000), range(3000, 4000)] {
        assert!(!outcome(&origins, &of(&server, asked), 7).await.contains(' '));
    }
    assert_eq!((server.count("\"EPSV\""), server.count("\"PASV\"")), (1, 2), "{}", server.log());
}

#[tokio::test]
async fn a_server_that_cannot_resume_gives_one_whole_stream() {
    let server = Vsftpd::start("cmds_denied=REST").await;
    let origins = origins();
    let first = origins.fetch(&of(&server, ALL)).await.unwrap();
    assert!(!first.accepted.ranges);
    drop(first);
    assert_eq!(outcome(&origins, &of(&server, ALL), 7).await, "0..100000");
    let error = origins.fetch(&of(&server, range(1000, 2000))).await.unwrap_err();
    assert_eq!(error.retry(), Retry::WholeStream);
}

#[tokio::test]
async fn too_many_connections_are_a_limit_to_learn() {
    let server = Vsftpd::start("max_per_ip=1").await;
    let origins = origins();
    let first = origins.fetch(&of(&server, ALL)).await;
    // The connection that asked whether the server is there may still count.
    let first = match first {
        Err(error) => {
            assert_eq!(error.retry(), Retry::FewerConnections { after: None });
            let mut again = Err(error);
            for _ in 0..1000 {
                again = origins.fetch(&of(&server, ALL)).await;
                if again.is_ok() {
                    break;
                }
            }
            again.unwrap()
        }
        Ok(answer) => answer,
    };
    let error = origins.fetch(&of(&server, range(0, 10))).await.unwrap_err();
    assert_eq!(name(&error), "Busy");
    assert_eq!(error.retry(), Retry::FewerConnections { after: None });
    drop(first);
    assert_eq!(outcome(&origins, &of(&server, range(0, 10)), 7).await, "0..10");
}

#[tokio::test]
async fn the_login_of_the_link_is_used_and_never_shown() {
    let passwords = tempfile::NamedTempFile::new().unwrap();
    fs::write(passwords.path(), "let me:in\n").unwrap();
    let settings = format!(
        "secure_email_list_enable=YES\nemail_password_file={}\n",
        passwords.path().display()
    );
    let server = Vsftpd::start(&settings).await;
    let with = |login: &str| server.url("/file.bin").replace("ftp://", &format!("ftp://{login}@"));
    let good = request(&with("ftp:let%20me%3Ain"), range(1000, 2000), None);
    assert_eq!(outcome(&origins(), &good, 7).await, "1000..2000");
    for wrong in ["ftp:hunter2", "somebody:hunter2"] {
        let asked = request(&with(wrong), ALL, None);
        let error = origins().fetch(&asked).await.unwrap_err();
        assert_eq!((name(&error).as_str(), error.retry()), ("Denied", Retry::GiveUp));
        assert_eq!(error.failure().code, FailureCode::Refused);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2") && !text.contains("somebody"), "{text}");
    }
    assert_eq!(outcome(&origins(), &of(&server, ALL), 7).await, "Denied");
}

#[tokio::test]
async fn a_server_that_dies_interrupts_and_is_then_refused() {
    let mut server = Vsftpd::start("anon_max_rate=1000000").await;
    fs::write(server.root().join("large.bin"), content(7, 0..64 << 20)).unwrap();
    let origins = origins();
    let whole = request(&server.url("/large.bin"), ALL, None);
    let mut answer = origins.fetch(&whole).await.unwrap();
    let first = answer.body.next().await.unwrap().unwrap();
    server.kill();
    let (rest, error) = read(&mut answer).await;
    let got = (first.len() + rest.len()) as u64;
    assert!(got < 64 << 20);
    assert_eq!([&first[..], &rest[..]].concat(), content(7, 0..got));
    assert_eq!(name(&error.unwrap()), "Interrupted");
    assert_eq!(outcome(&origins, &whole, 7).await, "Connect");
}

#[tokio::test]
async fn a_guard_refuses_before_a_connection_is_made() {
    let server = Vsftpd::start("").await;
    let guard: Arc<HelperGuard> = Arc::default();
    let origins = Origins::new(&Options { guard: Some(guard), ..options() }).unwrap();
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        let link = format!("ftp://{host}:{}/file.bin", server.port);
        assert_eq!(outcome(&origins, &request(&link, ALL, None), 7).await, "AddressRefused");
    }
    // The one that asked whether the server is there.
    assert!(server.count("CONNECT:") <= 1 && server.count("LOGIN") == 0, "{}", server.log());
}

#[tokio::test]
async fn a_redirect_from_http_to_ftp_is_followed() {
    let server = Vsftpd::start("").await;
    let script = vec![Reply::to(server.url("/file.bin"))];
    let http = FaultServer::start(Behaviour { script, ..file() });
    let origins = origins();
    let link = http.url("/link").replace("http://", "http://me:secret@");
    let answer = origins.fetch(&request(&link, range(1000, 2000), None)).await.unwrap();
    assert_eq!(answer.final_url.as_str(), server.url("/file.bin"));
    assert_eq!(answer.origins.len(), 2);
    drop(answer);
    let next = request(&link, range(3000, 4000), None);
    assert_eq!(outcome(&origins, &next, 7).await, "3000..4000");
    assert_eq!(http.requests().len(), 1, "the second one goes to the FTP server at once");
    assert!(!server.log().contains("secret"));
}

#[tokio::test]
async fn ftp_does_not_go_around_a_proxy_that_everything_must_use() {
    let server = Vsftpd::start("").await;
    let proxy = ProxyMode::Through(Url::parse("http://127.0.0.1:9/").unwrap());
    let origins = Origins::new(&Options { proxy, ..options() }).unwrap();
    assert_eq!(outcome(&origins, &of(&server, ALL), 7).await, "Connect");
    // The one that asked whether the server is there.
    assert!(server.count("CONNECT:") <= 1 && server.count("LOGIN") == 0, "{}", server.log());
}

#[tokio::test]
async fn a_server_that_is_not_there_or_says_nothing_is_an_error_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let impatient = Options { idle_timeout: Duration::from_millis(200), ..options() };
    let origins = Origins::new(&impatient).unwrap();
    let silent = request(&format!("ftp://{addr}/file"), ALL, None);
    assert_eq!(outcome(&origins, &silent, 7).await, "Stalled");
    drop(listener);
    let error = origins.fetch(&silent).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{addr} refuses the connection"));
    let unknown = request("ftp://no-such-host.invalid/file", ALL, None);
    assert_eq!(outcome(&origins, &unknown, 7).await, "NameNotFound");
}
