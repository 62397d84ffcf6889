//! What devices say of themselves.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use manyhands_core::GroupId;
use manyhands_identity::{RecordError, check_record};
use manyhands_serve::{Answer, json, query_value};
use manyhands_wire::{
    Problem, ProblemCode, Publication, Published, RendezvousEvent, SignedRecord, TimeError,
};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{authorize, now_s, read};
use crate::server::Shared;
use crate::sessions::Session;
use crate::store::NewRecord;

/// The body of a publication: as many records as a device has groups, each as long as a record may be, and what JSON puts around them.
const MAX_PUBLICATION_BYTES: usize = 128 * 1024;

pub(super) async fn publish(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let session = authorize(&shared, &headers)?;
    let publication: Publication = read(body, MAX_PUBLICATION_BYTES, &shared).await?;
    // Each record costs as much as a request, of which one has been counted.
    let others = u32::try_from(publication.records.len()).unwrap_or(u32::MAX).saturating_sub(1);
    shared.limiters.requests.charge(&session.device, others, Instant::now());
    let (mut records, mut ttl) = (Vec::with_capacity(publication.records.len()), Duration::MAX);
    for signed in publication.records.iter() {
        let record = match take_in(&session, signed) {
            Ok(record) => record,
            Err(problem) => {
                shared.counters.records_refused.add(1);
                return Err(problem.into());
            }
        };
        if records.iter().any(|other: &NewRecord| other.group == record.group) {
            shared.counters.records_refused.add(1);
            return Err(refused("two records of one group").into());
        }
        ttl = ttl.min(record.ttl);
        records.push(record);
    }
    let count = records.len() as u64;
    shared.store.publish(session.device, records).await.map_err(|why| shared.refuse(why))?;
    shared.counters.records.add(count);
    let next_after_ms = u64::try_from(shared.next_publication(ttl).as_millis()).unwrap_or(0);
    json(StatusCode::OK, &Published { next_after_ms })
}

/// A record as the store takes it, or what is wrong with it.
fn take_in(session: &Session, signed: &SignedRecord) -> Result<NewRecord, Problem> {
    let now_s = now_s();
    let (device, record) = check_record(signed, now_s).map_err(|error| match error {
        RecordError::Time(TimeError::Expired | TimeError::Future) => {
            let detail = format!("{error}; the server's time is {now_s}");
            Problem::new(ProblemCode::ClockSkew).with_detail(&detail)
        }
        error => refused(&error.to_string()),
    })?;
    if device != session.device {
        return Err(refused("a record of another device than the session's"));
    }
    let group = GroupId::from_digest(record.group.0);
    if !session.groups.contains(&group) {
        return Err(Problem::new(ProblemCode::NotMember));
    }
    let told = (&record.addresses, &record.features, &record.name);
    let told = serde_json::to_vec(&told).map_err(|_| Problem::new(ProblemCode::Internal))?;
    let content = Sha256::digest(&told).first_chunk().copied().unwrap_or_default();
    let event = RendezvousEvent::Present { record: signed.clone() };
    let json = serde_json::to_vec(&event).map_err(|_| Problem::new(ProblemCode::Internal))?;
    let ttl = Duration::from_secs(record.ttl_s.into());
    Ok(NewRecord { group, seq: record.seq, ttl, content, json: json.into() })
}

/// `?group=ID`: leaves this group only.
pub(super) async fn withdraw(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let session = authorize(&shared, &headers)?;
    let query = query.unwrap_or_default();
    let group = query_value(&query, "group").map(str::parse).transpose();
    let group = group.map_err(|_| Problem::new(ProblemCode::Malformed))?;
    shared.store.withdraw(session.device, group).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn refused(why: &str) -> Problem {
    Problem::new(ProblemCode::RecordRefused).with_detail(why)
}
