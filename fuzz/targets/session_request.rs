//! Bytes that a device and a rendezvous server send one another.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::{assert_json_integer, decoded};
use manyhands_wire::{
    Challenge, Changes, MAX_CHANGES, MAX_GROUPS, MAX_KEY_BYTES, MAX_RECORD_BYTES,
    MAX_SIGNATURE_BYTES, Probe, Probed, Publication, Published, RendezvousEvent, Ring, ServerHello,
    Session, SessionRequest, SignedRecord,
};

fuzz_target!(|json: &[u8]| {
    if let Some(request) = decoded::<SessionRequest>(json) {
        assert!(request.groups.len() <= MAX_GROUPS);
        assert!(request.key.as_bytes().len() <= MAX_KEY_BYTES);
        assert!(request.signature.as_bytes().len() <= MAX_SIGNATURE_BYTES);
        for proof in request.groups.iter() {
            assert!(proof.key.as_bytes().len() <= 32 && proof.signature.as_bytes().len() <= 64);
        }
    }
    if let Some(publication) = decoded::<Publication>(json) {
        assert!(publication.records.len() <= MAX_GROUPS);
        publication.records.iter().for_each(bounded);
    }
    if let Some(changes) = decoded::<Changes>(json) {
        assert!(changes.events.len() <= MAX_CHANGES && changes.cursor.as_str().len() <= 64);
        changes.events.iter().for_each(told);
    }
    if let Some(event) = decoded::<RendezvousEvent>(json) {
        told(&event);
    }
    if let Some(session) = decoded::<Session>(json) {
        assert_json_integer(session.now_s);
    }
    if let Some(published) = decoded::<Published>(json) {
        assert_json_integer(published.next_after_ms);
    }
    if let Some(probed) = decoded::<Probed>(json) {
        probed.retry_after_ms.into_iter().for_each(assert_json_integer);
    }
    decoded::<Challenge>(json);
    decoded::<ServerHello>(json);
    decoded::<Probe>(json);
    decoded::<Ring>(json);
});

fn told(event: &RendezvousEvent) {
    match event {
        RendezvousEvent::Present { record } => bounded(record),
        RendezvousEvent::Bye { retry_after_ms } => assert_json_integer(*retry_after_ms),
        _ => {}
    }
}

fn bounded(record: &SignedRecord) {
    assert!(record.payload.as_str().len() <= MAX_RECORD_BYTES);
    assert!(record.key.as_bytes().len() <= MAX_KEY_BYTES);
    assert!(record.signature.as_bytes().len() <= MAX_SIGNATURE_BYTES);
}
