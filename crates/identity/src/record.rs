//! Presence records: signed by their device, checked by the server and again by everyone who reads them.

use manyhands_core::PeerId;
use manyhands_wire::{Blob, PresenceRecord, SignedRecord, Text, TimeError, record_statement};

use crate::{BadSignature, DeviceIdentity, IdentityError, verify};

/// A record that nobody should believe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// The key that signed it belongs to another device than it is about.
    #[error("a record of one device, signed by another")]
    OtherDevice,
    /// What was signed cannot be read, or breaks a bound.
    #[error("the record makes no sense: {0}")]
    Malformed(String),
    #[error(transparent)]
    Time(#[from] TimeError),
}

/// Puts this device's signature under a record of its own.
///
/// # Errors
/// The key cannot sign, or the record is longer than the protocol allows.
pub fn sign_record(
    identity: &DeviceIdentity,
    record: &PresenceRecord,
) -> Result<SignedRecord, IdentityError> {
    let payload = serde_json::to_string(record).map_err(|_| IdentityError::Record)?;
    let signature = identity.sign(&record_statement(&payload))?;
    Ok(SignedRecord {
        payload: Text::new(payload).map_err(|_| IdentityError::Record)?,
        key: Blob::new(identity.public_key()).map_err(|_| IdentityError::Record)?,
        signature: Blob::new(signature).map_err(|_| IdentityError::Record)?,
    })
}

/// What `signed` says, if its device has said it and it holds at `now_s` (seconds since 1970).
///
/// # Errors
/// Why not to believe it.
pub fn check_record(
    signed: &SignedRecord,
    now_s: u64,
) -> Result<(PeerId, PresenceRecord), RecordError> {
    let statement = record_statement(signed.payload.as_str());
    let device = verify(signed.key.as_bytes(), &statement, signed.signature.as_bytes())?;
    let record: PresenceRecord = serde_json::from_str(signed.payload.as_str())
        .map_err(|error| RecordError::Malformed(error.to_string()))?;
    if record.id.0 != *device.as_bytes() {
        return Err(RecordError::OtherDevice);
    }
    record.check_time(now_s)?;
    Ok((device, record))
}

#[cfg(test)]
mod tests {
    use manyhands_wire::{Digest, List, MAX_CLOCK_SKEW_S, MAX_RECORD_TTL_S, RECORD_VERSION};

    use super::*;

    const NOW: u64 = 1_763_800_000;

    fn record(identity: &DeviceIdentity) -> PresenceRecord {
        PresenceRecord {
            v: RECORD_VERSION,
            id: Digest(*identity.id().as_bytes()),
            group: Digest([7; 32]),
            seq: NOW * 1000,
            issued_at_s: NOW,
            ttl_s: MAX_RECORD_TTL_S,
            addresses: List::new(vec!["10.0.0.2:26269".parse().unwrap()]).unwrap(),
            features: List::default(),
            name: Blob::default(),
        }
    }

    #[test]
    fn a_record_is_its_devices_word_for_two_minutes() {
        let identity = DeviceIdentity::generate().unwrap();
        let signed = sign_record(&identity, &record(&identity)).unwrap();
        let (device, read) = check_record(&signed, NOW).unwrap();
        assert_eq!((device, read), (identity.id(), record(&identity)));
        let skew = u64::from(MAX_CLOCK_SKEW_S);
        let late = NOW + u64::from(MAX_RECORD_TTL_S) + skew;
        assert!(check_record(&signed, late).is_ok());
        let refused = |now| check_record(&signed, now).unwrap_err();
        assert_eq!(refused(late + 1), RecordError::Time(TimeError::Expired));
        assert_eq!(refused(NOW - skew - 1), RecordError::Time(TimeError::Future));
    }

    #[test]
    fn what_its_device_has_not_said_is_refused() {
        let (identity, other) =
            (DeviceIdentity::generate().unwrap(), DeviceIdentity::generate().unwrap());
        let signed = sign_record(&identity, &record(&identity)).unwrap();

        let altered = signed.payload.as_str().replace("10.0.0.2", "10.0.0.3");
        let altered = SignedRecord { payload: Text::new(altered).unwrap(), ..signed.clone() };
        assert_eq!(check_record(&altered, NOW), Err(RecordError::Signature(BadSignature)));

        let own_key = Blob::new(other.public_key()).unwrap();
        let stolen = SignedRecord { key: own_key, ..signed };
        assert_eq!(check_record(&stolen, NOW), Err(RecordError::Signature(BadSignature)));

        let forged = sign_record(&other, &record(&identity)).unwrap();
        assert_eq!(check_record(&forged, NOW), Err(RecordError::OtherDevice));
    }

    #[test]
    fn records_that_last_too_long_or_are_of_another_version_are_refused() {
        let identity = DeviceIdentity::generate().unwrap();
        let long = PresenceRecord { ttl_s: MAX_RECORD_TTL_S + 1, ..record(&identity) };
        let signed = sign_record(&identity, &long).unwrap();
        assert_eq!(check_record(&signed, NOW), Err(RecordError::Time(TimeError::TooLong)));
        let new = PresenceRecord { v: RECORD_VERSION + 1, ..record(&identity) };
        let signed = sign_record(&identity, &new).unwrap();
        assert!(matches!(check_record(&signed, NOW), Err(RecordError::Malformed(_))));
    }
}
