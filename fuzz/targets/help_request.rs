//! Bytes that a device sends as any of the other messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manyhands_fuzz::{assert_json_integer, assert_neutral, assert_one_spelling, decoded};
use manyhands_wire::{
    EndReport, HelpRequest, HelpRequestState, HelpState, MAX_BODY_BYTES, MAX_ETAG_BYTES,
    MAX_JSON_INTEGER, MAX_ORIGINS, MAX_PROBLEM_TEXT_BYTES, MAX_URL_BYTES, Mode, OriginName,
    PairingOffer, PairingRequest, PairingReveal, PairingStatus, Problem, Source,
};

fuzz_target!(|json: &[u8]| {
    if let Some(request) = decoded::<HelpRequest>(json) {
        help_request(&request);
    }
    if let Some(source) = decoded::<Source>(json) {
        given(&source);
    }
    if let Some(report) = decoded::<EndReport>(json) {
        [report.received_bytes, report.used_bytes].into_iter().for_each(assert_json_integer);
    }
    if let Some(state) = decoded::<HelpRequestState>(json) {
        told(&state);
    }
    if let Some(problem) = decoded::<Problem>(json) {
        [problem.length, problem.retry_after_ms].into_iter().flatten().for_each(assert_json_integer);
        let texts = [Some(&problem.kind), Some(&problem.title), problem.detail.as_ref()];
        let longest = texts.into_iter().flatten().map(|text| text.as_str().len()).max();
        assert!(longest <= Some(MAX_PROBLEM_TEXT_BYTES));
    }
    if let Some(request) = decoded::<PairingRequest>(json) {
        assert_neutral(&request.name);
    }
    decoded::<PairingOffer>(json);
    decoded::<PairingReveal>(json);
    decoded::<PairingStatus>(json);
});

fn help_request(request: &HelpRequest) {
    assert_neutral(&request.name);
    request.file_name.iter().for_each(assert_neutral);
    assert!((1..=MAX_ORIGINS).contains(&request.origins.len()));
    request.origins.iter().for_each(assert_one_spelling);
    assert!(request.mode == Mode::Fetch || request.origins.iter().all(OriginName::can_be_relayed));
    assert_json_integer(request.budget_bytes);
    request.size_bytes.into_iter().for_each(assert_json_integer);
    assert!(serde_json::to_vec(request).is_ok_and(|json| json.len() <= MAX_BODY_BYTES));
}

fn given(source: &Source) {
    let url = source.url();
    assert!(url.as_str().len() <= MAX_URL_BYTES);
    assert!(url.username().is_empty() && url.password().is_none());
    assert_one_spelling(&OriginName::of(url).expect("a source has an origin"));
    source.length().into_iter().for_each(assert_json_integer);
    let validator = source.validator();
    assert!(validator.etag.as_ref().is_none_or(|etag| etag.as_str().len() <= MAX_ETAG_BYTES));
    let date = validator.last_modified_unix_s.unwrap_or_default();
    assert!(date.unsigned_abs() <= MAX_JSON_INTEGER, "{date}");
}

fn told(state: &HelpRequestState) {
    match &state.state {
        HelpState::Accepted { budget_bytes } => assert_json_integer(*budget_bytes),
        HelpState::Ended(end) => {
            let counts = [Some(end.sent_bytes), end.received_bytes, end.used_bytes];
            counts.into_iter().flatten().for_each(assert_json_integer);
        }
        _ => {}
    }
}
