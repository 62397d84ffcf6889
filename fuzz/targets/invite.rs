//! A text that somebody hands on as an invite.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::assert_neutral;
use manyhands_wire::{Invite, ServerAddress};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(url) = ServerAddress::read_url(text) {
        assert!(matches!(url.scheme(), "https" | "http"));
        assert!(url.host_str().is_some_and(|host| !host.is_empty()));
        assert!(url.username().is_empty() && url.password().is_none());
        assert!(url.query().is_none() && url.fragment().is_none() && url.path() == "/");
    }
    let Ok(invite) = text.parse::<Invite>() else { return };
    assert_neutral(&invite.name);
    let written = invite.to_string();
    assert_eq!(written.parse::<Invite>().as_ref(), Ok(&invite), "{written}");
    let secret = written.split("&k=").nth(1).and_then(|rest| rest.get(..22)).expect("the secret");
    // A name may be anything, these letters too.
    let named = invite.name.as_str().contains(secret);
    assert!(named || !format!("{invite:?}").contains(secret), "the secret is shown");
});
