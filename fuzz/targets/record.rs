//! What a device signs as its presence record, or says that somebody else has signed.
#![no_main]

use std::cell::LazyCell;

use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::{assert_json_integer, decoded};
use manyhands_identity::{DeviceIdentity, check_record};
use manyhands_wire::{
    Blob, MAX_CLOCK_SKEW_S, MAX_FEATURES, MAX_RECORD_ADDRESSES, MAX_RECORD_BYTES, MAX_RECORD_TTL_S,
    MAX_SEALED_NAME_BYTES, PresenceRecord, RECORD_VERSION, SignedRecord, Text, record_statement,
};

const NOW: u64 = 1_800_000_000;

thread_local! {
    static DEVICE: LazyCell<DeviceIdentity> =
        LazyCell::new(|| DeviceIdentity::generate().expect("a key"));
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(signed) = decoded::<SignedRecord>(bytes) {
        // Nobody finds a signature.
        assert!(check_record(&signed, NOW).is_err());
    }
    decoded::<PresenceRecord>(bytes);
    let Ok(payload) = std::str::from_utf8(bytes) else { return };
    DEVICE.with(|device| said_by(device, payload));
});

/// The device's own word, whatever it is; `ID` in it stands for its id.
fn said_by(device: &DeviceIdentity, payload: &str) {
    let Ok(payload) =
        Text::<MAX_RECORD_BYTES>::new(payload.replace("ID", &device.id().to_string()))
    else {
        return;
    };
    let signature = device.sign(&record_statement(payload.as_str())).expect("a signature");
    let signed = SignedRecord {
        payload,
        key: Blob::new(device.public_key()).expect("a key"),
        signature: Blob::new(signature).expect("a signature"),
    };
    let Ok((id, record)) = check_record(&signed, NOW) else { return };
    assert_eq!((id, *id.as_bytes()), (device.id(), record.id.0));
    assert!(record.v == RECORD_VERSION && record.ttl_s <= MAX_RECORD_TTL_S);
    let skew = u64::from(MAX_CLOCK_SKEW_S) + u64::from(MAX_RECORD_TTL_S);
    assert!(record.issued_at_s.abs_diff(NOW) <= skew);
    [record.seq, record.issued_at_s].into_iter().for_each(assert_json_integer);
    assert!(record.addresses.len() <= MAX_RECORD_ADDRESSES);
    assert!(record.features.len() <= MAX_FEATURES);
    assert!(record.name.as_bytes().len() <= MAX_SEALED_NAME_BYTES);
}
