//! What the user has set, and whom the user trusts.

use std::net::SocketAddr;
use std::path::PathBuf;

use manyhands_core::{AcceptRule, PeerId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What can be set. Everything has a default; a missing field means it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Where downloads go when nothing else is said. `None`: the system's folder for downloads.
    pub download_dir: Option<PathBuf>,
    /// Downloads that run at the same time; the others wait in the queue. Default 3.
    pub max_active_downloads: u8,
    /// What others see of this device. `None`: the name of the computer.
    pub device_name: Option<String>,
    /// Of the interface, a BCP 47 tag such as `zh-CN`. `None`: the system's.
    pub language: Option<String>,
    pub theme: Theme,
    /// Help others. Off until the user switches it on.
    pub lending: bool,
    pub lend_accept: AcceptRule,
    /// Also fetch from private addresses for others.
    pub lend_private_origins: bool,
}

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the desktop has it.
    #[default]
    System,
    Light,
    Dark,
}

/// A peer that the user has accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Friend {
    pub id: PeerId,
    pub name: String,
    pub added_unix_ms: u64,
    /// Where it was reached before, the latest first.
    #[serde(default)]
    pub last_addresses: Vec<SocketAddr>,
    /// Both users have compared a code: the key is surely this friend's.
    #[serde(default)]
    pub paired: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            download_dir: None,
            max_active_downloads: 3,
            device_name: None,
            language: None,
            theme: Theme::default(),
            lending: false,
            lend_accept: AcceptRule::default(),
            lend_private_origins: false,
        }
    }
}

impl Settings {
    /// Reads what can be read: a field that makes no sense to this program falls back to its
    /// default alone.
    pub(crate) fn from_json(stored: &[u8]) -> Self {
        let Ok(stored) = serde_json::from_slice::<Map<String, Value>>(stored) else {
            tracing::warn!("the stored settings cannot be read: using the defaults");
            return Self::default();
        };
        if let Ok(settings) = serde_json::from_value(Value::Object(stored.clone())) {
            return settings;
        }
        let fits = |field: &str, value: &Value| {
            let alone = Map::from_iter([(field.to_owned(), value.clone())]);
            serde_json::from_value::<Self>(Value::Object(alone)).is_ok()
        };
        let readable = stored.into_iter().filter(|(field, value)| {
            let fits = fits(field, value);
            if !fits {
                tracing::warn!(field, "a stored setting cannot be read: using its default");
            }
            fits
        });
        serde_json::from_value(Value::Object(readable.collect())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_version_1_are_read() {
        let stored = br#"{"download_dir":"/home/lin/Downloads","max_active_downloads":5,
            "device_name":"Lin's laptop","language":"zh-CN","theme":"dark"}"#;
        let settings = Settings {
            download_dir: Some("/home/lin/Downloads".into()),
            max_active_downloads: 5,
            device_name: Some("Lin's laptop".to_owned()),
            language: Some("zh-CN".to_owned()),
            theme: Theme::Dark,
            ..Settings::default()
        };
        assert_eq!(Settings::from_json(stored), settings);
    }

    #[test]
    fn a_missing_field_means_its_default() {
        assert_eq!(Settings::from_json(b"{}"), Settings::default());
        let some = Settings::from_json(br#"{"max_active_downloads":9,"of_a_later_program":1}"#);
        assert_eq!(some, Settings { max_active_downloads: 9, ..Settings::default() });
    }

    #[test]
    fn one_field_that_makes_no_sense_costs_that_field() {
        let settings = Settings::from_json(
            br#"{"max_active_downloads":"many","theme":"sepia","language":"en"}"#,
        );
        assert_eq!(settings, Settings { language: Some("en".to_owned()), ..Settings::default() });
        assert_eq!(Settings::from_json(b"[1, 2"), Settings::default());
    }

    #[test]
    fn a_friend_of_version_1_is_read_also_without_addresses() {
        let id = PeerId::from_digest([7; 32]);
        let stored = format!(
            r#"{{"id":"{id}","name":"Mo","added_unix_ms":1764000000000,
                "last_addresses":["192.168.1.7:52100","[fe80::1%2]:52100"]}}"#
        );
        let friend: Friend = serde_json::from_str(&stored).unwrap();
        let addresses =
            vec!["192.168.1.7:52100".parse().unwrap(), "[fe80::1%2]:52100".parse().unwrap()];
        let name = "Mo".to_owned();
        let expected = Friend {
            id,
            name,
            added_unix_ms: 1_764_000_000_000,
            last_addresses: addresses,
            paired: false,
        };
        assert_eq!(friend, expected);
        let without = format!(r#"{{"id":"{id}","name":"Mo","added_unix_ms":1764000000000}}"#);
        let friend: Friend = serde_json::from_str(&without).unwrap();
        assert_eq!(friend, Friend { last_addresses: Vec::new(), ..expected });
        let paired = Friend { paired: true, ..friend };
        let stored = serde_json::to_vec(&paired).unwrap();
        assert_eq!(serde_json::from_slice::<Friend>(&stored).unwrap(), paired);
    }
}
