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
    let mut limited = Problem::new(ProblemCode::TooMany);
    limited.retry_after_ms = Some(5_250);
    check(vector!("problem_too_many"), &limited);
}

/// Ids and keys that are easy to recognise.
fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

fn blob<const MAX: usize>(length: usize, byte: u8) -> Blob<MAX> {
    Blob::new(vec![byte; length]).unwrap()
}

fn signed_record() -> SignedRecord {
    SignedRecord {
        payload: Text::new(vector!("rendezvous_record").trim_end()).unwrap(),
        key: blob(44, 4),
        signature: blob(64, 5),
    }
}

#[test]
fn the_way_to_a_rendezvous_session_is_written_as_in_its_vectors() {
    let hello = ServerHello {
        id: digest(1),
        key: blob(44, 1),
        protocol: ProtocolRange { min: 1, max: 1 },
        software: Text::new("manyhands-rendezvous/0.1.0").unwrap(),
    };
    check(vector!("rendezvous_server"), &hello);
    let challenge = Challenge { nonce: Bytes32([2; 32]), expires_in_s: 60 };
    check(vector!("rendezvous_challenge"), &challenge);
    let request = SessionRequest {
        key: blob(44, 4),
        nonce: challenge.nonce,
        client_nonce: Bytes32([3; 32]),
        signature: blob(64, 6),
        groups: List::new(vec![GroupProof { key: blob(32, 7), signature: blob(64, 8) }]).unwrap(),
    };
    check(vector!("rendezvous_session_request"), &request);
    let session = Session {
        token: Bytes32([9; 32]),
        expires_in_s: 600,
        now_s: 1_763_800_000,
        observed: Text::new("192.0.2.7").unwrap(),
        signature: blob(64, 10),
    };
    check(vector!("rendezvous_session"), &session);
}

#[test]
fn a_presence_record_and_its_publication_are_written_as_in_their_vectors() {
    let record = PresenceRecord {
        v: RECORD_VERSION,
        id: digest(4),
        group: digest(7),
        seq: 1_763_800_000_123,
        issued_at_s: 1_763_800_000,
        ttl_s: MAX_RECORD_TTL_S,
        addresses: List::new(vec![
            "10.1.2.3:26269".parse().unwrap(),
            "[2001:db8::7]:26269".parse().unwrap(),
        ])
        .unwrap(),
        features: List::new(vec![Text::new("fetch").unwrap(), Text::new("relay").unwrap()])
            .unwrap(),
        name: blob(33, 11),
    };
    check(vector!("rendezvous_record"), &record);
    // It is signed as text: written again it is the same, letter by letter.
    assert_eq!(serde_json::to_string(&record).unwrap(), vector!("rendezvous_record").trim_end());
    let records = List::new(vec![signed_record()]).unwrap();
    check(vector!("rendezvous_publication"), &Publication { records });
    check(vector!("rendezvous_published"), &Published { next_after_ms: 27_500 });
}

#[test]
fn what_a_rendezvous_server_tells_is_written_as_in_its_vectors() {
    let (group, from) = (digest(7), digest(4));
    let events = [
        (vector!("rendezvous_reset"), RendezvousEvent::Reset),
        (vector!("rendezvous_ready"), RendezvousEvent::Ready),
        (vector!("rendezvous_present"), RendezvousEvent::Present { record: signed_record() }),
        (vector!("rendezvous_gone"), RendezvousEvent::Gone { group, id: from }),
        (vector!("rendezvous_rang"), RendezvousEvent::Ring { group, from }),
        (vector!("rendezvous_bye"), RendezvousEvent::Bye { retry_after_ms: 4_000 }),
    ];
    for (vector, event) in &events {
        check(vector, event);
    }
    let changes = Changes {
        cursor: Text::new("0123456789abcdef-42").unwrap(),
        events: List::new(events.into_iter().map(|(_, event)| event).collect()).unwrap(),
        more: true,
    };
    check(vector!("rendezvous_changes"), &changes);
    check(vector!("rendezvous_ring"), &Ring { group, to: from });
    check(vector!("rendezvous_probe"), &Probe { port: DEFAULT_PORT });
    let reached = Probed {
        address: "192.0.2.7:26269".parse().unwrap(),
        reachable: true,
        why: None,
        retry_after_ms: Some(60_000),
    };
    let why = Text::new("nobody listens at this port").unwrap();
    let unreached = Probed { reachable: false, why: Some(why), ..reached.clone() };
    check(vector!("rendezvous_probed"), &reached);
    check(vector!("rendezvous_probed_in_vain"), &unreached);
}

/// What is signed, byte by byte: another client has to make the same.
#[test]
fn what_is_signed_is_as_in_its_vector() {
    let example: Value = serde_json::from_str(vector!("rendezvous_statements")).unwrap();
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (server, device) = (digest(1), digest(4));
    let (nonce, client_nonce) = (Bytes32([2; 32]), Bytes32([3; 32]));
    let keys = [[7; 32], [12; 32]];
    let session =
        session_statement(&server, &nonce, &client_nonce, keys.iter().map(<[u8; 32]>::as_slice));
    for (name, statement) in [
        ("session", session),
        ("group", group_statement(&server, &nonce, &device)),
        ("server", server_statement(&server, &device, &client_nonce)),
        ("record", record_statement("{}")),
    ] {
        assert_eq!(example[name].as_str(), Some(hex(statement).as_str()), "{name}");
    }
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
