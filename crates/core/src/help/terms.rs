//! On what terms this device helps: how much, how fast, when.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::AcceptRule;

const MINUTES_OF_DAY: u16 = 24 * 60;

/// On what terms everybody is helped. How fast is kept by whoever sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LendTerms {
    pub accept: AcceptRule,
    /// From midnight to midnight; 0: no bound.
    pub daily_bytes: u64,
    /// `None`: always.
    pub hours: Option<Hours>,
}

/// On what terms one friend is always helped, never beyond those for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LendRule {
    /// From midnight to midnight; 0: as much as for all.
    pub daily_bytes: u64,
    /// For all sessions of this friend together; 0: as fast as for all.
    pub bytes_per_s: u64,
    /// `None`: always.
    pub hours: Option<Hours>,
}

/// A part of each day in local time, which may go over midnight. As a text `22-08` or `22:30-8:15`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "RawHours")]
pub struct Hours {
    from_minute: u16,
    to_minute: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHours {
    from_minute: u16,
    to_minute: u16,
}

/// The text or the numbers are no part of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a part of the day: expected two times such as 22-08 or 22:30-8:15")]
pub struct HoursError;

impl Hours {
    /// From one minute of the day to before another; the same one twice is the whole day.
    ///
    /// # Errors
    /// A day has 1440 minutes.
    pub fn new(from_minute: u16, to_minute: u16) -> Result<Self, HoursError> {
        let fits = from_minute < MINUTES_OF_DAY && to_minute < MINUTES_OF_DAY;
        fits.then_some(Self { from_minute, to_minute }).ok_or(HoursError)
    }

    #[must_use]
    pub fn is_whole_day(&self) -> bool {
        self.from_minute == self.to_minute
    }

    /// Whether this minute of the day is one of them.
    #[must_use]
    pub fn contains(&self, minute: u16) -> bool {
        let Self { from_minute: from, to_minute: to } = *self;
        match from.cmp(&to) {
            std::cmp::Ordering::Less => (from..to).contains(&minute),
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => minute >= from || minute < to,
        }
    }
}

impl TryFrom<RawHours> for Hours {
    type Error = HoursError;

    fn try_from(raw: RawHours) -> Result<Self, HoursError> {
        Self::new(raw.from_minute, raw.to_minute)
    }
}

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let (from, to) = text.trim().split_once('-').ok_or(HoursError)?;
        Self::new(minute_of(from)?, minute_of(to)?)
    }
}

/// `8`, `08` or `8:15`; `24` is midnight.
fn minute_of(text: &str) -> Result<u16, HoursError> {
    let (hour, minute) = text.trim().split_once(':').unwrap_or((text.trim(), "0"));
    let number = |text: &str, max: u16| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse::<u16>().ok()).flatten();
        number.filter(|number| *number <= max).ok_or(HoursError)
    };
    Ok((number(hour, 24)? * 60 + number(minute, 59)?) % MINUTES_OF_DAY)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, "{}-{}", time(self.from_minute), time(self.to_minute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_go_over_midnight() {
        let at = |hours: &str, hour: u16, minute: u16| {
            hours.parse::<Hours>().unwrap().contains(hour * 60 + minute)
        };
        assert!(at("22-08", 22, 0) && at("22-08", 23, 59) && at("22-08", 0, 0));
        assert!(at("22-08", 7, 59) && !at("22-08", 8, 0) && !at("22-08", 21, 59));
        assert!(at("8:15-18", 8, 15) && !at("8:15-18", 8, 14) && !at("8:15-18", 18, 0));
        assert!(at("0-24", 0, 0) && at("0-24", 23, 59) && at("7-7", 3, 0), "the whole day");
        assert_eq!("22-8".parse::<Hours>().unwrap().to_string(), "22:00-08:00");
        for bad in ["", "22", "22-", "-8", "25-8", "22:60-8", "a-b", "022-8", "24:01-25"] {
            assert_eq!(bad.parse::<Hours>(), Err(HoursError), "{bad}");
        }
    }

    #[test]
    fn stored_hours_that_no_day_has_are_refused() {
        let read = |json: &str| serde_json::from_str::<Hours>(json);
        assert!(read(r#"{"fromMinute":1320,"toMinute":480}"#).is_ok());
        assert!(read(r#"{"fromMinute":1440,"toMinute":0}"#).is_err());
    }
}
