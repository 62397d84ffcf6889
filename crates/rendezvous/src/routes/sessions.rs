//! How a session is opened: a challenge, the proofs that are made over it, and a turn.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use http::StatusCode;
use manyhands_core::{GroupId, PeerId};
use manyhands_identity::{device_of_key, verify, verify_group};
use manyhands_serve::{Answer, json};
use manyhands_wire::{
    Blob, Challenge, MAX_BODY_BYTES, Problem, ProblemCode, Session, SessionRequest, Text,
    group_statement, server_statement, session_statement,
};
use tokio::time::Instant;
use tracing::debug;

use super::{now_s, read};
use crate::address::{ClientAddress, limit_key};
use crate::challenge::CHALLENGE_S;
use crate::refusals::COME_BACK;
use crate::server::Shared;
use crate::sessions::SESSION_S;

pub(super) async fn challenge(State(shared): State<Arc<Shared>>) -> Answer {
    let nonce = shared.challenges.make(Instant::now());
    json(StatusCode::OK, &Challenge { nonce, expires_in_s: CHALLENGE_S })
}

/// Who has proved to be a device and a member of its groups gets a token for it.
pub(super) async fn open(
    State(shared): State<Arc<Shared>>,
    Extension(from): Extension<ClientAddress>,
    body: Body,
) -> Answer {
    let request: SessionRequest = read(body, MAX_BODY_BYTES, &shared).await?;
    let now = Instant::now();
    let unproved = |what: &str| {
        shared.counters.proofs_refused.add(1);
        Problem::new(ProblemCode::BadProof).with_detail(what)
    };
    if shared.challenges.check(&request.nonce, now).is_err() {
        return Err(unproved("the challenge is not this server's, or too old").into());
    }
    let limits = &shared.limiters;
    let address = limit_key(from.ip());
    // A device that asks too often takes nobody's turn. Only what it has proved to be its own counts against it.
    let claimed = device_of_key(request.key.as_bytes());
    limits.sessions.peek(&claimed, now).map_err(|wait| shared.limited(wait))?;
    // Keys cost nothing: who makes up a new one for each request has an address all the same.
    limits.attempts.take(&address, now).map_err(|wait| shared.limited(wait))?;
    // Checking proofs is the costly part; a turn is taken by those alone who may come in.
    shared.turnstile.peek(&(), now).map_err(|wait| shared.turned_away(wait))?;
    let (device, groups) = prove(&shared, &request).map_err(unproved)?;
    // Before anything is counted against the device: who plays its request again costs it nothing.
    if shared.challenges.use_up(&request.nonce, now).is_err() {
        return Err(unproved("the challenge has been used").into());
    }
    limits.sessions.take(device, now).map_err(|wait| shared.limited(wait))?;
    if !shared.sessions.has_room_for(device, address, now) {
        return Err(shared
            .limited(COME_BACK * 6)
            .with_detail("too many devices of this address")
            .into());
    }
    if !shared.sessions.knows(device) {
        limits.new_devices.take(address, now).map_err(|wait| shared.limited(wait))?;
    }
    shared.turnstile.take(&(), now).map_err(|wait| shared.turned_away(wait))?;
    let token = shared.random_token();
    if !shared.sessions.open(&token, device, groups, address, now) {
        return Err(shared.turned_away(COME_BACK).into());
    }
    shared.counters.sessions.add(1);
    debug!(device = %device.short(), "session opened");
    let device = manyhands_wire::Digest(*device.as_bytes());
    let statement = server_statement(&shared.hello.id, &device, &request.client_nonce);
    let signature = shared.identity.sign(&statement);
    let signature = signature.ok().and_then(|signature| Blob::new(signature).ok());
    let answer = Session {
        token,
        expires_in_s: SESSION_S,
        now_s: now_s(),
        observed: Text::cut(&from.ip().to_string()),
        signature: signature.ok_or_else(|| Problem::new(ProblemCode::Internal))?,
    };
    json(StatusCode::CREATED, &answer)
}

/// The device and the groups of a request; or what does not hold.
fn prove(
    shared: &Shared,
    request: &SessionRequest,
) -> Result<(PeerId, Arc<[GroupId]>), &'static str> {
    let server = &shared.hello.id;
    let keys = request.groups.iter().map(|group| group.key.as_bytes());
    let statement = session_statement(server, &request.nonce, &request.client_nonce, keys);
    let device = verify(request.key.as_bytes(), &statement, request.signature.as_bytes())
        .map_err(|_| "the device's signature does not hold")?;
    let digest = manyhands_wire::Digest(*device.as_bytes());
    let statement = group_statement(server, &request.nonce, &digest);
    let mut groups = Vec::with_capacity(request.groups.len());
    for proof in request.groups.iter() {
        let key = proof.key.as_bytes().first_chunk().filter(|_| proof.key.as_bytes().len() == 32);
        let group = key.map(|key| verify_group(key, &statement, proof.signature.as_bytes()));
        let group = group.and_then(Result::ok).ok_or("a proof of being a member does not hold")?;
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    // A cursor names a group by its place among them: the next session may name them in another order.
    groups.sort_unstable();
    Ok((device, groups.into()))
}
