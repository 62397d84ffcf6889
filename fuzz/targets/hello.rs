//! Bytes that a device sends as its greeting.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::{assert_neutral, decoded};
use manyhands_wire::{Hello, MAX_FEATURES, PROTOCOL_VERSION};

fuzz_target!(|json: &[u8]| {
    let Some(hello) = decoded::<Hello>(json) else { return };
    assert_neutral(&hello.name);
    assert!(hello.features.len() <= MAX_FEATURES);
    assert!(hello.features.iter().all(|feature| feature.as_str().len() <= 32));
    assert!(hello.software.as_str().len() <= 64);
    let both = hello.protocol.min <= PROTOCOL_VERSION && PROTOCOL_VERSION <= hello.protocol.max;
    assert_eq!(hello.is_compatible(), both);
});
