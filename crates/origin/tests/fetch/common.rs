//! Runs a fetch and says in one line what came of it.

use std::time::Duration;

use manyhands_core::{Asked, ByteRange, EntityTag, Identity, Validator};
use manyhands_faultserver::{Behaviour, FaultServer, content};
use manyhands_origin::{Answer, FetchError, FetchRequest, Options, Origins, ProxyMode};
use url::Url;

/// Length of the file in most tests.
pub const BYTES: u64 = 100_000;

pub fn options() -> Options {
    Options {
        proxy: ProxyMode::None,
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(10),
        ..Options::default()
    }
}

pub fn origins() -> Origins {
    Origins::new(&options()).unwrap()
}

pub fn file() -> Behaviour {
    Behaviour { bytes: BYTES, seed: 7, ..Behaviour::default() }
}

/// What a good answer says of [`file`].
pub fn known() -> Option<Identity> {
    Some(Identity {
        length: Some(BYTES),
        validator: Validator {
            etag: EntityTag::parse("\"first\""),
            last_modified_unix_s: Some(784_111_777),
        },
    })
}

pub const ALL: Asked = Asked::Everything;

pub fn range(start: u64, end: u64) -> Asked {
    Asked::Range(ByteRange::new(start, end).unwrap())
}

pub fn request(url: &str, asked: Asked, known: Option<Identity>) -> FetchRequest {
    FetchRequest { url: Url::parse(url).unwrap(), asked, headers: Vec::new(), known }
}

/// Reads the body to its end, or to where it breaks.
pub async fn read(answer: &mut Answer) -> (Vec<u8>, Option<FetchError>) {
    let mut bytes = Vec::new();
    loop {
        match answer.body.next().await {
            Ok(Some(more)) => bytes.extend_from_slice(&more),
            Ok(None) => return (bytes, None),
            Err(error) => return (bytes, Some(error)),
        }
    }
}

/// `100..200` when these bytes came and were right; `100..150 Interrupted`; or the name of the error.
pub async fn outcome(origins: &Origins, request: &FetchRequest, seed: u64) -> String {
    match origins.fetch(request).await {
        Ok(mut answer) => {
            let start = answer.accepted.start;
            let (bytes, error) = read(&mut answer).await;
            let end = start + bytes.len() as u64;
            let wrong = if content(seed, start..end) == bytes { "" } else { " wrong" };
            let error = error.map_or_else(String::new, |error| format!(" {}", name(&error)));
            format!("{start}..{end}{wrong}{error}")
        }
        Err(error) => name(&error),
    }
}

/// The name of the variant.
pub fn name(error: &FetchError) -> String {
    let text = format!("{error:?}");
    text.split([' ', '{', '(']).next().unwrap().to_owned()
}

/// One fetch from one server.
pub async fn check(behaviour: Behaviour, asked: Asked, known: Option<Identity>, expected: &str) {
    let shown = format!("{:?} {:?}", behaviour.ranges, behaviour.framing);
    let server = FaultServer::start(behaviour);
    let outcome = outcome(&origins(), &request(&server.url("/file.bin"), asked, known), 7).await;
    assert_eq!(outcome, expected, "{shown}");
}
