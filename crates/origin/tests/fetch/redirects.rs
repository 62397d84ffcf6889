//! Where links lead.

use std::collections::BTreeMap;

use manyhands_faultserver::{Behaviour, FaultServer, Reply};
use manyhands_origin::FetchError;

use crate::common::*;

fn paths<const N: usize>(paths: [(&str, Reply); N]) -> BTreeMap<String, Reply> {
    paths.into_iter().map(|(path, reply)| (path.to_owned(), reply)).collect()
}

/// A good server on another address of the loopback interface.
fn elsewhere(behaviour: Behaviour) -> FaultServer {
    FaultServer::listen("127.0.0.2:0".parse().unwrap(), behaviour).unwrap()
}

async fn why(url: &str) -> String {
    let error = origins().fetch(&request(url, ALL, None)).await.unwrap_err();
    match error {
        FetchError::Redirect { why, .. } => format!("{why:?}"),
        other => name(&other),
    }
}

#[tokio::test]
async fn a_chain_is_followed_to_its_end_and_all_its_origins_are_known() {
    let last = elsewhere(file());
    let first = FaultServer::start(Behaviour {
        paths: paths([
            ("/a/start", Reply::Redirect(301, "next?x=1".into())),
            ("/a/next", Reply::Redirect(307, "/b".into())),
            ("/b", Reply::Redirect(308, last.url("/real.iso#part"))),
        ]),
        ..file()
    });
    let mut answer = origins().fetch(&request(&first.url("/a/start"), ALL, None)).await.unwrap();
    assert_eq!(answer.final_url.as_str(), last.url("/real.iso"));
    let roots: Vec<_> = answer.origins.iter().map(ToString::to_string).collect();
    let root = |server: &FaultServer| format!("http://{}/", server.addr());
    assert_eq!(roots, [root(&first), root(&last)]);
    assert_eq!(answer.suggested_name.as_deref(), Some("real.iso"));
    assert_eq!(read(&mut answer).await.0.len() as u64, BYTES);
    assert_eq!(last.requests()[0].range(), Some("bytes=0-"));
    assert_eq!(last.requests()[0].header("referer"), None);
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_an_error_with_a_reason() {
    let server = FaultServer::start(Behaviour {
        paths: (0..20)
            .map(|n| (format!("/chain/{n}"), Reply::to(format!("/chain/{}", n + 1))))
            .chain(paths([
                ("/self", Reply::to("/self")),
                ("/a", Reply::to("/b")),
                ("/b", Reply::to("/a")),
                ("/file", Reply::to("file:///etc/passwd")),
                ("/sftp", Reply::to("sftp://example.org/file")),
                ("/data", Reply::to("data:text/plain,hello")),
                ("/none", Reply::Status(302, None)),
                ("/empty", Reply::to("http://")),
                ("/bad", Reply::to("http://[::1/")),
            ]))
            .collect(),
        ..file()
    });
    for (path, expected) in [
        ("/self", "Loop"),
        ("/a", "Loop"),
        ("/chain/0", "TooMany"),
        ("/file", "Scheme"),
        ("/sftp", "Scheme"),
        ("/data", "Scheme"),
        ("/none", "NoTarget"),
        ("/empty", "NoTarget"),
        ("/bad", "NoTarget"),
    ] {
        assert_eq!(why(&server.url(path)).await, expected, "{path}");
    }
    let ten = request(&server.url("/chain/10"), ALL, None);
    assert_eq!(outcome(&origins(), &ten, 7).await, "0..100000");
}

#[tokio::test]
async fn a_login_stays_on_its_host() {
    let other = elsewhere(file());
    let login = Some(("me".to_owned(), "secret".to_owned()));
    let server = FaultServer::start(Behaviour {
        login,
        paths: paths([
            ("/same", Reply::to("/file.bin")),
            ("/other", Reply::to(other.url("/file.bin"))),
            ("/tempting", Reply::to(other.url("/x").replace("//", "//them:theirs@"))),
        ]),
        ..file()
    });
    let url = |path| server.url(path).replace("http://", "http://me:secret@");
    for path in ["/same", "/other", "/tempting"] {
        let outcome = outcome(&origins(), &request(&url(path), ALL, None), 7).await;
        assert_eq!(outcome, "0..100000", "{path}");
    }
    assert!(server.requests().iter().all(|r| r.header("authorization").is_some()));
    assert!(other.requests().iter().all(|r| r.header("authorization").is_none()));
    assert_eq!(other.requests().len(), 2);

    // Another name is another host, even for the same server.
    let renamed = server.url("/file.bin").replace("127.0.0.1", "localhost");
    let login = Some(("me".to_owned(), "secret".to_owned()));
    let paths = paths([("/renamed", Reply::to(renamed))]);
    server.set(Behaviour { login, paths, ..file() });
    let renamed = request(&url("/renamed"), ALL, None);
    assert_eq!(outcome(&origins(), &renamed, 7).await, "Denied");
}

#[tokio::test]
async fn header_fields_go_to_the_links_own_server_alone() {
    let other = elsewhere(file());
    let server = FaultServer::start(Behaviour {
        paths: paths([
            ("/same", Reply::to("/file.bin")),
            ("/other", Reply::to(other.url("/file.bin"))),
        ]),
        ..file()
    });
    for path in ["/same", "/other"] {
        let mut request = request(&server.url(path), ALL, None);
        request.headers = vec![manyhands_origin::check_header("Cookie: pass=letmein").unwrap()];
        assert!(!format!("{request:?}").contains("letmein"), "a secret stays out of logs");
        assert_eq!(outcome(&origins(), &request, 7).await, "0..100000", "{path}");
    }
    let cookies = |server: &FaultServer| {
        let all = server.requests();
        all.iter().map(|r| r.header("cookie").map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(cookies(&server), vec![Some("pass=letmein".to_owned()); 3]);
    assert_eq!(cookies(&other), [None]);
}

#[tokio::test]
async fn a_redirect_leads_to_servers_that_were_agreed_to_and_says_which_was_not() {
    let other = elsewhere(file());
    let to_other = Reply::to(other.url("/file.bin?secret=1"));
    let server = FaultServer::start(Behaviour { paths: paths([("/link", to_other)]), ..file() });
    let root = |server: &FaultServer| format!("http://{}/", server.addr()).parse().unwrap();
    let link = request(&server.url("/link"), ALL, None);
    let within = origins().within(&[root(&server)]);
    match within.fetch(&link).await.unwrap_err() {
        FetchError::NotConsented { to, .. } => assert_eq!(to, root(&other)),
        error => panic!("{error}"),
    }
    assert_eq!(other.requests().len(), 0);
    let within = within.within(&[root(&server), root(&other)]);
    assert_eq!(outcome(&within, &link, 7).await, "0..100000");
}

#[tokio::test]
async fn later_requests_go_where_the_first_one_was_led() {
    let last = elsewhere(file());
    let to_last = Reply::to(last.url("/real.iso"));
    let first = FaultServer::start(Behaviour { paths: paths([("/link", to_last)]), ..file() });
    let (origins, url) = (origins(), first.url("/link"));
    for n in 0..4 {
        let part = request(&url, range(n * 10, n * 10 + 10), known());
        let answer = origins.fetch(&part).await.unwrap();
        assert_eq!(answer.origins.len(), 2);
    }
    assert_eq!((first.requests().len(), last.requests().len()), (1, 4));
}

#[tokio::test]
async fn an_expired_target_is_sought_anew_from_the_link() {
    let last = elsewhere(file());
    let first = FaultServer::start(Behaviour {
        paths: paths([("/link", Reply::to(last.url("/signed-1")))]),
        ..file()
    });
    let (origins, url) = (origins(), first.url("/link"));
    let part = request(&url, range(1000, 2000), known());
    assert_eq!(outcome(&origins, &part, 7).await, "1000..2000");

    for expired in [Reply::Status(403, None), Reply::Status(404, None), Reply::Nothing] {
        last.set(Behaviour { paths: paths([("/signed-1", expired)]), ..file() });
        first.set(Behaviour {
            paths: paths([("/link", Reply::to(last.url("/signed-2")))]),
            ..file()
        });
        assert_eq!(outcome(&origins, &part, 7).await, "1000..2000");
        assert_eq!(origins.fetch(&part).await.unwrap().final_url.path(), "/signed-2");
        // And back for the next round.
        last.set(Behaviour { paths: paths([("/signed-2", Reply::Status(410, None))]), ..file() });
        first.set(Behaviour {
            paths: paths([("/link", Reply::to(last.url("/signed-1")))]),
            ..file()
        });
        assert_eq!(outcome(&origins, &part, 7).await, "1000..2000");
    }
    // Another file at the end of the new way is noticed.
    last.set(Behaviour { paths: paths([("/signed-1", Reply::Status(403, None))]), ..file() });
    first.set(Behaviour { etag: Some("\"other\"".into()), ..file() });
    assert_eq!(outcome(&origins, &part, 7).await, "Changed");
}

#[tokio::test]
async fn a_busy_target_is_left_alone() {
    let last = elsewhere(file());
    let to_last = Reply::to(last.url("/real.iso"));
    let first = FaultServer::start(Behaviour { paths: paths([("/link", to_last)]), ..file() });
    let (origins, url) = (origins(), first.url("/link"));
    let part = request(&url, range(1000, 2000), known());
    assert_eq!(outcome(&origins, &part, 7).await, "1000..2000");
    last.set(Behaviour { script: vec![Reply::Status(429, Some("5".into()))], ..file() });
    assert_eq!(outcome(&origins, &part, 7).await, "Busy");
    assert_eq!(first.requests().len(), 1);
}

#[tokio::test]
async fn the_name_is_what_the_server_says_then_what_the_link_says() {
    for (disposition, path, expected) in [
        (Some("attachment; filename=\"a;b.iso\""), "/x", "a;b.iso"),
        (Some("attachment; filename=\"../../etc/passwd\""), "/x", "passwd"),
        (Some("attachment; filename*=UTF-8''%E6%96%87.zip; filename=x"), "/x", "文.zip"),
        (Some("attachment; filename=\"文件.zip\""), "/x", "文件.zip"),
        (Some("attachment; filename=\"..\""), "/x.iso", "x.iso"),
        (Some("attachment"), "/x.iso", "x.iso"),
        (None, "/dir/a%20b.iso?query=/c.iso", "a b.iso"),
    ] {
        let content_disposition = disposition.map(str::to_owned);
        let server = FaultServer::start(Behaviour { content_disposition, ..file() });
        let answer = origins().fetch(&request(&server.url(path), ALL, None)).await.unwrap();
        assert_eq!(answer.suggested_name.as_deref(), Some(expected), "{disposition:?} {path}");
    }
}
