//! Where the user's decisions are carried out: the instance that runs on the profile, or the profile itself.

use std::path::PathBuf;

use manyhands_engine::view::{InviteView, Lookout, Terms};
use manyhands_engine::{Change, Failure, GroupId, OpenError, PeerId, Profile, Remote};

use crate::arguments::Global;
use crate::instance::data_dir;
use crate::peers::complain;
use crate::{DONE, FAILED, USAGE};

/// As many letters of a device id are enough, where only one known device begins with them.
const SHORTEST_ID: usize = 8;

/// Where it is decided: an instance, or the profile alone.
pub enum Place {
    Running(Remote),
    Profile(Profile),
}

/// Why something was not done, and the exit code that goes with it.
pub struct Problem {
    pub text: String,
    pub code: u8,
}

impl Problem {
    pub fn failed(text: &impl ToString) -> Self {
        Self { text: text.to_string(), code: FAILED }
    }

    pub fn usage(text: &impl ToString) -> Self {
        Self { text: text.to_string(), code: USAGE }
    }

    pub fn refused(failure: &Failure) -> Self {
        Self::failed(&format!("{} {}", failure.message, failure.code.hint()))
    }
}

impl Place {
    pub fn open(global: &Global) -> Result<Self, Problem> {
        let data_dir: PathBuf = data_dir(global).map_err(|error| Problem::usage(&error))?;
        match Profile::open(&data_dir) {
            Ok(profile) => Ok(Self::Profile(profile.with_insecure_http(global.insecure_http))),
            Err(OpenError::InUse { .. }) => Ok(Self::Running(Remote::of(&data_dir))),
            Err(error) => Err(Problem::failed(&error)),
        }
    }

    pub async fn terms(&self) -> Result<Terms, Problem> {
        let terms = match self {
            Self::Running(remote) => {
                remote.terms().await.map_err(|error| Problem::failed(&error))?
            }
            Self::Profile(profile) => profile.terms(),
        };
        terms.map_err(|failure| Problem::refused(&failure))
    }

    /// How others are found, and the groups.
    pub async fn lookout(&self) -> Result<Lookout, Problem> {
        let lookout = match self {
            Self::Running(remote) => {
                remote.lookout().await.map_err(|error| Problem::failed(&error))?
            }
            Self::Profile(profile) => profile.lookout(),
        };
        lookout.map_err(|failure| Problem::refused(&failure))
    }

    /// What to hand out for a group.
    pub async fn invite(&self, group: GroupId) -> Result<InviteView, Problem> {
        let invite = match self {
            Self::Running(remote) => {
                remote.invite(group).await.map_err(|error| Problem::failed(&error))?
            }
            Self::Profile(profile) => profile.invite(group),
        };
        invite.map_err(|failure| Problem::refused(&failure))
    }

    pub async fn change(&self, change: Change) -> Result<bool, Problem> {
        let changed = match self {
            Self::Running(remote) => {
                remote.change(change).await.map_err(|error| Problem::failed(&error))?
            }
            Self::Profile(profile) => profile.change(&change),
        };
        changed.map_err(|failure| Problem::refused(&failure))
    }

    /// The device that is meant, and what to call it. A whole id need not be known.
    pub async fn find(&self, text: &str) -> Result<(PeerId, String), Problem> {
        let known = self.terms().await?.devices;
        let text = text.trim().to_ascii_lowercase();
        if let Ok(peer) = text.parse::<PeerId>() {
            let device = known.iter().find(|device| device.peer == text);
            let name = device.map(|device| device.name.as_str()).filter(|name| !name.is_empty());
            return Ok((peer, name.map_or_else(|| peer.short(), str::to_owned)));
        }
        if text.len() < SHORTEST_ID {
            let why = format!(
                "{text:?} is too short: give the device's id, or {SHORTEST_ID} letters of its beginning"
            );
            return Err(Problem::usage(&why));
        }
        let mut matching = known.iter().filter(|device| device.peer.starts_with(&text));
        let (Some(device), None) = (matching.next(), matching.next()) else {
            let why = "no known device begins with it, or more than one: give the whole id, which `friends` shows";
            return Err(Problem::failed(&format!("{text:?}: {why}")));
        };
        let peer = device.peer.parse::<PeerId>().map_err(|error| Problem::failed(&error))?;
        let name = if device.name.is_empty() { peer.short() } else { device.name.clone() };
        Ok((peer, name))
    }
}

pub fn done(result: Result<String, Problem>) -> u8 {
    match result {
        Ok(text) => {
            eprintln!("{text}");
            DONE
        }
        Err(problem) => complain(&problem.text, problem.code),
    }
}
