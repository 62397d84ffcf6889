//! https, against a real TLS server with certificates of an authority made for the test.

use std::process::Command;

use manyhands_core::{FailureCode, What};
use manyhands_faultserver::{Authority, Behaviour, Fault, FaultServer, Framing, Ranges, Reply};
use manyhands_origin::{FetchError, Options, Origins, Retry};

use crate::common::*;

fn trusting(authority: &Authority) -> Origins {
    let extra_root_certificates_pem = vec![authority.pem()];
    Origins::new(&Options { extra_root_certificates_pem, ..options() }).unwrap()
}

#[tokio::test]
async fn a_trusted_server_is_fetched_from() {
    let (authority, server) = (Authority::new(), FaultServer::start(file()));
    let addr = authority.in_front_of(&server, Fault::None).await;
    let origins = trusting(&authority);
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/file.bin", addr.port());
        assert_eq!(outcome(&origins, &request(&url, ALL, None), 7).await, "0..100000");
        let mid = request(&url, range(1000, 2000), known());
        assert_eq!(outcome(&origins, &mid, 7).await, "1000..2000");
    }
    assert_eq!(server.connections(), 2, "kept for the next request, one for each name");
}

#[tokio::test]
async fn a_certificate_that_is_not_good_is_refused_with_its_reason() {
    let (authority, server) = (Authority::new(), FaultServer::start(file()));
    for (fault, expected, what) in [
        (Fault::OtherName, "its certificate belongs to another name", What::CertificateName),
        (Fault::Expired, "its certificate has expired", What::CertificateExpired),
        (Fault::NotYet, "its certificate is not valid yet", What::CertificateEarly),
        (
            Fault::None,
            "its certificate is not from an authority that this computer trusts",
            What::CertificateIssuer,
        ),
    ] {
        let addr = authority.in_front_of(&server, fault).await;
        let stranger = Authority::new();
        let origins = trusting(if fault == Fault::None { &stranger } else { &authority });
        let url = format!("https://localhost:{}/file.bin", addr.port());
        let error = origins.fetch(&request(&url, ALL, None)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("no secure connection to localhost:{}: {expected}", addr.port())
        );
        let failure = error.failure();
        assert_eq!((error.retry(), failure.code), (Retry::GiveUp, FailureCode::Tls));
        assert_eq!(failure.what, Some(what));
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_worth_another_try() {
    let server = FaultServer::start(file());
    let url = format!("https://{}/file.bin", server.addr());
    let error = origins().fetch(&request(&url, ALL, None)).await.unwrap_err();
    let retry = error.retry();
    assert_eq!((retry, error.failure().code), (Retry::Soon, FailureCode::Tls), "{error:?}");
}

#[tokio::test]
async fn a_step_down_from_https_is_not_taken() {
    let plain = FaultServer::start(file());
    let (authority, server) = (Authority::new(), FaultServer::start(file()));
    let addr = authority.in_front_of(&server, Fault::None).await;
    let origins = trusting(&authority);
    for target in [plain.url("/file.bin"), "ftp://127.0.0.1/file.bin".to_owned()] {
        server.set(Behaviour { script: vec![Reply::to(target)], ..file() });
        let error = origins
            .fetch(&request(&format!("https://{addr}/file.bin"), ALL, None))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, FetchError::Redirect { why, .. } if format!("{why:?}") == "Downgrade"),
            "{error:?}"
        );
    }
    assert_eq!(plain.connections(), 0);

    // The step up is taken.
    plain.set(Behaviour { script: vec![Reply::to(format!("https://{addr}/file.bin"))], ..file() });
    let up = request(&plain.url("/file.bin"), ALL, None);
    assert_eq!(outcome(&origins, &up, 7).await, "0..100000");
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_must_end_it_in_order() {
    let until_close = Behaviour { ranges: Ranges::Ignore, framing: Framing::UntilClose, ..file() };
    let (authority, server) = (Authority::new(), FaultServer::start(until_close.clone()));
    let addr = authority.in_front_of(&server, Fault::None).await;
    let whole = request(&format!("https://{addr}/file.bin"), ALL, None);
    assert_eq!(outcome(&trusting(&authority), &whole, 7).await, "0..100000");
    // A reset of the server's side ends the TLS connection without a word.
    server.set(Behaviour { reset_after_bytes: Some(600), ..until_close });
    let got = outcome(&trusting(&authority), &whole, 7).await;
    assert!(got.ends_with("Interrupted"), "{got}");
}

/// Set for the next test where it runs again, with other authorities: where the server is.
const URL_VARIABLE: &str = "MANYHANDS_TEST_URL";

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_added_to_the_system_is_trusted() {
    if let Ok(url) = std::env::var(URL_VARIABLE) {
        assert_eq!(outcome(&origins(), &request(&url, ALL, None), 7).await, "0..100000");
        return;
    }
    let (authority, server) = (Authority::new(), FaultServer::start(file()));
    let addr = authority.in_front_of(&server, Fault::None).await;
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("authorities.pem");
    for (pem, trusted) in [(authority.pem(), true), (Authority::new().pem(), false)] {
        std::fs::write(&bundle, pem).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "tls::an_authority_added_to_the_system_is_trusted"])
            .env("SSL_CERT_FILE", &bundle)
            .env(URL_VARIABLE, format!("https://{addr}/file.bin"));
        let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("running 1 test"), "{text}");
        assert_eq!(output.status.success(), trusted, "{text}");
    }
}
