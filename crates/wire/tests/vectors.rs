//! Each message has a golden vector: what this version writes, and what every later one must read.

#![allow(clippy::unwrap_used)]

use std::fmt::Debug;

use manyhands_wire::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

const ID: RequestId = RequestId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);

/// `message` is written as in `vector` and read back from it, also with fields that nobody knows
/// yet.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(vector: &str, message: &T) {
    let mut json: Value = serde_json::from_str(vector).unwrap();
    assert_eq!(serde_json::to_value(message).unwrap(), json);
    assert_eq!(&serde_json::from_str::<T>(vector).unwrap(), message);
    json["from_the_future"] = serde_json::json!({"a": [1, null]});
    assert_eq!(&serde_json::from_value::<T>(json).unwrap(), message);
}

macro_rules! vector {
    ($name:literal) => {
        include_str!(concat!("vectors/", $name, ".json"))
    };
}

fn origin(url: &str) -> OriginName {
    OriginName::of(&Url::parse(url).unwrap()).unwrap()
}

#[test]
fn hello_is_written_as_in_its_vector() {
    let hello = Hello::new(DeviceName::neutralised("Mo's laptop"), true);
    let software = Text::new("manyhands/0.1.0").unwrap();
    check(vector!("hello"), &Hello { software, ..hello });
}

#[test]
fn a_help_request_is_written_as_in_its_vectors() {
    let to_friend = HelpRequest {
        name: DeviceName::neutralised("Lin"),
        mode: Mode::Fetch,
        origins: List::new(vec![
            origin("https://example.org/debian-13.iso"),
            origin("http://[2001:db8::1]:8080/"),
        ])
        .unwrap(),
        size_bytes: Some(3_900_000_000),
        budget_bytes: 500_000_000,
        file_name: Some(FileName::neutralised("debian-13.iso")),
    };
    check(vector!("help_request"), &to_friend);
    let to_stranger = HelpRequest {
        origins: List::new(vec![origin("ftp://ftp.example.org/a")]).unwrap(),
        size_bytes: None,
        budget_bytes: MAX_JSON_INTEGER,
        file_name: None,
        ..to_friend
    };
    check(vector!("help_request_to_a_stranger"), &to_stranger);
    let relay = HelpRequest {
        mode: Mode::Relay,
        origins: List::new(vec![
            origin("https://example.org/debian-13.iso"),
            origin("https://cdn.example.net:8443/"),
        ])
        .unwrap(),
        budget_bytes: 500_000_000,
        ..to_stranger
    };
    check(vector!("help_request_relay"), &relay);
}

#[test]
fn a_source_is_written_as_in_its_vectors() {
    let validator = SourceValidator {
        etag: Some(Text::new("\"5f-a\"").unwrap()),
        last_modified_unix_s: Some(1_762_300_800),
    };
    let url = Url::parse("https://example.org/debian-13.iso?mirror=2").unwrap();
    check(vector!("source"), &Source::new(url, Some(3_900_000_000), validator).unwrap());
    let url = Url::parse("ftp://ftp.example.org/a").unwrap();
    let bare = Source::new(url, None, SourceValidator::default()).unwrap();
    check(vector!("source_without_validator"), &bare);
}

#[test]
fn each_state_of_a_help_request_is_written_as_in_its_vector() {
    let end = SessionEnd {
        by: Party::Requester,
        reason: EndReason::Completed,
        sent_bytes: 1 << 20,
        received_bytes: Some((1 << 20) - 6),
        used_bytes: Some(1_000_000),
    };
    let replaced = SessionEnd { reason: EndReason::Replaced, ..end.clone() };
    let by_helper = SessionEnd {
        by: Party::Helper,
        reason: EndReason::Stopped,
        received_bytes: None,
        used_bytes: None,
        ..end.clone()
    };
    for (vector, revision, state) in [
        (vector!("state_pending"), 1, HelpState::Pending { expires_in_s: 60 }),
        (vector!("state_accepted"), 2, HelpState::Accepted { budget_bytes: 500_000_000 }),
        (vector!("state_declined"), 2, HelpState::Declined { reason: DeclineReason::NotLending }),
        (vector!("state_expired"), 2, HelpState::Expired),
        (vector!("state_withdrawn"), 2, HelpState::Withdrawn),
        (vector!("state_ended"), 3, HelpState::Ended(end)),
        (vector!("state_ended_replaced"), 3, HelpState::Ended(replaced)),
        (vector!("state_ended_by_helper"), 3, HelpState::Ended(by_helper)),
    ] {
        check(vector, &HelpRequestState { id: ID, revision, state });
    }
}

#[test]
fn the_end_report_is_written_as_in_its_vector() {
    let report = EndReport {
        reason: EndReason::Completed,
        received_bytes: (1 << 20) - 6,
        used_bytes: 1_000_000,
    };
    check(vector!("end_report"), &report);
    let elsewhere = EndReport { reason: EndReason::Elsewhere, ..report };
    check(vector!("end_report_elsewhere"), &elsewhere);
}

/// The one example that the commitment and the code are worked out for.
fn example(field: &str) -> Bytes32 {
    let example: Value = serde_json::from_str(vector!("pairing_example")).unwrap();
    example[field].as_str().unwrap().parse().unwrap()
}

#[test]
fn the_messages_of_a_pairing_are_written_as_in_their_vectors() {
    let request = PairingRequest {
        name: DeviceName::neutralised("Lin"),
        commitment: example("commitment"),
        port: Some(DEFAULT_PORT),
    };
    check(vector!("pairing_request"), &request);
    let least = format!(r#"{{"commitment":"{}"}}"#, example("commitment"));
    let least: PairingRequest = serde_json::from_str(&least).unwrap();
    assert_eq!(least, PairingRequest { name: DeviceName::default(), port: None, ..request });
    check(vector!("pairing_offer"), &PairingOffer { id: ID, nonce: example("responders_nonce") });
    check(vector!("pairing_reveal"), &PairingReveal { nonce: example("initiators_nonce") });
    for (vector, revision, state) in [
        (vector!("pairing_committed"), 1, PairingState::Committed { expires_in_s: 10 }),
        (vector!("pairing_compare"), 2, PairingState::Compare { expires_in_s: 59 }),
        (vector!("pairing_paired"), 4, PairingState::Paired),
        (vector!("pairing_refused"), 3, PairingState::Refused),
        (vector!("pairing_expired"), 3, PairingState::Expired),
        (vector!("pairing_cheated"), 2, PairingState::Cheated),
    ] {
        check(vector, &PairingStatus { id: ID, revision, state });
    }
    let unheard_of = vector!("pairing_paired").replace("paired", "paired_for_ever");
    assert!(serde_json::from_str::<PairingStatus>(&unheard_of).is_err());
    for nonce in ["", "33", &"3".repeat(62), &"3".repeat(66), &"3".repeat(1000), &"G".repeat(64)] {
        let reveal = format!(r#"{{"nonce":"{nonce}"}}"#);
        assert!(serde_json::from_str::<PairingReveal>(&reveal).is_err(), "{nonce}");
    }
}

#[test]
fn a_problem_is_written_as_in_its_vector() {
    let mut problem = Problem::new(ProblemCode::OriginStatus).with_detail("503 from example.org");
    problem.origin_status = Some(503);
    problem.retry_after_ms = Some(30_000);
    check(vector!("problem"), &problem);
}

#[test]
fn reasons_of_the_future_are_read_as_the_plain_ones() {
    let declined = vector!("state_declined").replace("not-lending", "wrong-moon");
    let state: HelpRequestState = serde_json::from_str(&declined).unwrap();
    assert_eq!(state.state, HelpState::Declined { reason: DeclineReason::No });
    let report: EndReport =
        serde_json::from_str(&vector!("end_report").replace("completed", "bored")).unwrap();
    assert_eq!(report.reason, EndReason::Other);
}

#[test]
fn what_is_out_of_bounds_is_not_read() {
    let request = vector!("help_request");
    let read = |json: &str| serde_json::from_str::<HelpRequest>(json);
    let one = r#"{"scheme":"https","host":"example.org","port":443}"#;
    for (what, json) in [
        ("a mode that nobody knows", request.replace("fetch", "mine-coins")),
        ("a negative budget", request.replace("500000000", "-1")),
        ("a budget that JSON rounds", request.replace("500000000", "9007199254740992")),
        ("a fraction of a byte", request.replace("500000000", "0.5")),
        ("a file in the future of arithmetic", request.replace("3900000000", "1e400")),
        ("no origin", r#"{"name":"","mode":"fetch","origins":[],"budget_bytes":1}"#.to_owned()),
        (
            "too many origins",
            format!(
                r#"{{"name":"","mode":"fetch","origins":[{}],"budget_bytes":1}}"#,
                [one; MAX_ORIGINS + 1].join(",")
            ),
        ),
        ("a relay to an http origin", request.replace("fetch", "relay")),
        (
            "a relay to an address",
            vector!("help_request_relay").replace("example.org", "192.0.2.1"),
        ),
        ("a host that is too long", request.replace("example.org", &"a".repeat(254))),
        ("a body that is cut off", request[..request.len() - 3].to_owned()),
        ("deep nesting", format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
    ] {
        assert!(read(&json).is_err(), "{what}");
    }
    assert!(read(request).is_ok());
    let tag = vector!("source").replace("5f-a", &"a".repeat(MAX_ETAG_BYTES));
    assert!(serde_json::from_str::<Source>(&tag).is_err());
    for (date, good) in [
        ("9007199254740991", true),
        ("-9007199254740991", true),
        ("null", true),
        ("9007199254740992", false),
        ("-9223372036854775808", false),
    ] {
        let dated = vector!("source").replace("1762300800", date);
        assert_eq!(serde_json::from_str::<Source>(&dated).is_ok(), good, "{date}");
    }
    let features = vector!("hello").replace("\"fetch\"", &["\"x\""; 17].join(","));
    assert!(serde_json::from_str::<Hello>(&features).is_err());
}
