//! What the user has set, and whom the user trusts.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use manyhands_core::{AcceptRule, GroupId, HostList, Hours, LendRule, PeerId};
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
    /// To all requesters together, from midnight to midnight; 0: no bound. Default 10 GB.
    pub lend_daily_bytes: u64,
    /// To all requesters together; 0: no limit. Default 12.5 MB/s, a line of 100 Mbit/s.
    pub lend_bytes_per_s: u64,
    /// When to lend. `None`: always.
    pub lend_hours: Option<Hours>,
    /// How others are found.
    pub meeting: Meeting,
    /// What is never lent for, as the user has edited it. `None`: the list that the program brings.
    pub lend_never_hosts: Option<HostList>,
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

/// How others are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meeting {
    /// On the local network, and at the servers of the groups that this device is in.
    #[default]
    Automatic,
    /// By multicast alone; no server hears of this device.
    LanOnly,
    /// At the servers alone: nothing is announced on the local network.
    ServerOnly,
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
    /// It is helped without a question, on these terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<LendRule>,
    /// Both users have compared a code: the key is surely this friend's.
    #[serde(default)]
    pub paired: bool,
}

/// A device that the user never wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedPeer {
    pub id: PeerId,
    /// What it called itself; may be empty.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub blocked_unix_ms: u64,
}

/// A group that this device is in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub id: GroupId,
    /// `manyhands://join?…`: where its server is, and the secret. Whoever reads it is a member.
    pub invite: String,
    /// What this user calls it.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub joined_unix_ms: u64,
    /// It was made on this device.
    #[serde(default)]
    pub founder: bool,
}

/// Without the secret.
impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, invite: _, name, joined_unix_ms, founder } = self;
        f.debug_struct("Group")
            .field("id", id)
            .field("name", name)
            .field("joined_unix_ms", joined_unix_ms)
            .field("founder", founder)
            .finish_non_exhaustive()
    }
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
            lend_daily_bytes: 10_000_000_000,
            lend_bytes_per_s: 12_500_000,
            lend_hours: None,
            meeting: Meeting::default(),
            lend_never_hosts: None,
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
    fn settings_of_before_there_were_terms_of_lending_keep_what_they_say() {
        let stored = br#"{"max_active_downloads":3,"lending":true,"lend_accept":"friends",
            "lend_private_origins":true}"#;
        let settings = Settings {
            lending: true,
            lend_accept: AcceptRule::Friends,
            lend_private_origins: true,
            ..Settings::default()
        };
        let read = Settings::from_json(stored);
        assert_eq!(read, settings);
        assert_eq!((read.lend_daily_bytes, read.lend_bytes_per_s), (10_000_000_000, 12_500_000));
        assert_eq!((read.lend_hours, read.lend_never_hosts), (None, None));
    }

    #[test]
    fn terms_of_lending_are_read_as_they_were_written() {
        let settings = Settings {
            lend_daily_bytes: 0,
            lend_bytes_per_s: 7,
            lend_hours: Some("22-8".parse().unwrap()),
            lend_never_hosts: Some(HostList::new(["example.org"]).unwrap()),
            ..Settings::default()
        };
        let stored = serde_json::to_vec(&settings).unwrap();
        assert_eq!(Settings::from_json(&stored), settings);
        let golden = br#"{"lend_daily_bytes":0,"lend_bytes_per_s":7,
            "lend_hours":{"fromMinute":1320,"toMinute":480},"lend_never_hosts":["example.org"]}"#;
        assert_eq!(Settings::from_json(golden), settings);
        let empty = Settings::from_json(br#"{"lend_never_hosts":[]}"#);
        assert_eq!(empty.lend_never_hosts, Some(HostList::empty()), "emptied is edited, too");
        let wrong = Settings::from_json(br#"{"lend_never_hosts":["a b"],"lend_daily_bytes":5}"#);
        assert_eq!(wrong, Settings { lend_daily_bytes: 5, ..Settings::default() });
    }

    #[test]
    fn a_friend_with_a_rule_and_a_blocked_device_are_read() {
        let id = PeerId::from_digest([7; 32]);
        let stored = format!(
            r#"{{"id":"{id}","name":"Mo","added_unix_ms":1,"rule":{{"daily_bytes":9,
                "bytes_per_s":8,"hours":{{"fromMinute":0,"toMinute":60}}}}}}"#
        );
        let friend: Friend = serde_json::from_str(&stored).unwrap();
        let hours = Some("0-1".parse().unwrap());
        assert_eq!(friend.rule, Some(LendRule { daily_bytes: 9, bytes_per_s: 8, hours }));
        let stored = format!(r#"{{"id":"{id}","name":"Eve","blocked_unix_ms":5}}"#);
        let blocked: BlockedPeer = serde_json::from_str(&stored).unwrap();
        let name = "Eve".to_owned();
        assert_eq!(blocked, BlockedPeer { id, name, blocked_unix_ms: 5 });
    }

    #[test]
    fn a_group_is_read_and_its_secret_is_not_shown() {
        let id = GroupId::from_digest([8; 32]);
        let invite = "manyhands://join?v=1&k=AAECAw";
        let stored = format!(
            r#"{{"id":"{id}","invite":"{invite}","name":"Dorm 7","joined_unix_ms":5,"founder":true}}"#
        );
        let group: Group = serde_json::from_str(&stored).unwrap();
        let (name, invite) = ("Dorm 7".to_owned(), invite.to_owned());
        assert_eq!(group, Group { id, invite, name, joined_unix_ms: 5, founder: true });
        assert_eq!(serde_json::to_string(&group).unwrap(), stored);
        assert!(!format!("{group:?}").contains("AAECAw"), "{group:?}");
        let least = format!(r#"{{"id":"{id}","invite":"{}"}}"#, group.invite);
        let least: Group = serde_json::from_str(&least).unwrap();
        let name = String::new();
        assert_eq!(least, Group { name, joined_unix_ms: 0, founder: false, ..group });
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
            rule: None,
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
