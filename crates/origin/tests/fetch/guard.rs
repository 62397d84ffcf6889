//! What a guard refuses is not connected to.

use std::net::IpAddr;
use std::sync::Arc;

use manyhands_core::FailureCode;
use manyhands_faultserver::{Behaviour, FaultServer, Reply};
use manyhands_origin::{
    AddressGuard, FetchError, HelperGuard, Options, Origins, ProxyMode, Refused, Retry,
};
use url::Url;

use crate::common::*;

/// The helper's rule, with one address of the loopback interface in the place of the internet.
#[derive(Debug)]
struct Only(IpAddr);

impl AddressGuard for Only {
    fn allow(&self, address: IpAddr) -> Result<(), Refused> {
        let rule = HelperGuard { allow_private: true, ..HelperGuard::default() };
        if address == self.0 { Ok(()) } else { rule.allow(address) }
    }
}

fn guarded(guard: impl AddressGuard + 'static) -> Options {
    Options { guard: Some(Arc::new(guard)), ..options() }
}

#[tokio::test]
async fn no_form_of_a_loopback_address_is_connected_to() {
    let server = FaultServer::start(file());
    let port = server.addr().port();
    let origins = Origins::new(&guarded(HelperGuard::default())).unwrap();
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
    ] {
        let link = format!("http://{host}:{port}/file.bin");
        let error = origins.fetch(&request(&link, ALL, None)).await.unwrap_err();
        assert_eq!(name(&error), "AddressRefused", "{link}");
        assert_eq!(error.retry(), Retry::GiveUp);
        assert_eq!(error.failure().code, FailureCode::Redirects);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_redirect_to_a_refused_address_is_not_followed() {
    let inside = FaultServer::start(file());
    let port = inside.addr().port();
    for target in [
        inside.url("/secret"),
        format!("http://localhost:{port}/secret"),
        format!("http://[::ffff:127.0.0.1]:{port}/secret"),
        format!("http://2130706433:{port}/secret"),
    ] {
        let outside = FaultServer::listen(
            "127.0.0.2:0".parse().unwrap(),
            Behaviour { script: vec![Reply::to(&target)], ..file() },
        )
        .unwrap();
        let origins = Origins::new(&guarded(Only(outside.addr().ip()))).unwrap();
        let error = origins.fetch(&request(&outside.url("/x"), ALL, None)).await.unwrap_err();
        assert!(matches!(error, FetchError::AddressRefused { .. }), "{target}: {error:?}");
        assert_eq!(outside.requests().len(), 1);
        // The allowed address itself works.
        let allowed = request(&outside.url("/x"), ALL, None);
        assert_eq!(outcome(&origins, &allowed, 7).await, "0..100000");
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn with_a_guard_no_proxy_connects_for_it() {
    let proxy = FaultServer::start(file());
    let through = ProxyMode::Through(Url::parse(&proxy.url("/")).unwrap());
    let anywhere = request("http://192.0.2.1/file.bin", ALL, None);
    let free = Origins::new(&Options { proxy: through.clone(), ..options() }).unwrap();
    assert_eq!(outcome(&free, &anywhere, 7).await, "0..100000");
    assert_eq!(proxy.requests()[0].path, "http://192.0.2.1/file.bin");

    let allowed = FaultServer::listen("127.0.0.2:0".parse().unwrap(), file()).unwrap();
    let guarded = Options { proxy: through, ..guarded(Only(allowed.addr().ip())) };
    let direct = request(&allowed.url("/file.bin"), ALL, None);
    assert_eq!(outcome(&Origins::new(&guarded).unwrap(), &direct, 7).await, "0..100000");
    assert_eq!((allowed.connections(), proxy.connections()), (1, 1));
}
