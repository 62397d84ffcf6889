//! A profile on which nothing runs.

use std::path::Path;

use manyhands_core::{Failure, FailureCode, GroupId, What};
use manyhands_store::{ProfileLock, Store, StoreError};

use crate::engine::{OpenError, open_profile};
use crate::groups;
use crate::profile::{Before, Change, Known, group_of, stranger};
use crate::shell::Clock;
use crate::view::{InviteView, Lookout, Terms};

/// A profile on which nothing runs, open for a moment: for settings, which need neither network nor downloads.
#[derive(Debug)]
pub struct Profile {
    store: Store,
    insecure_http: bool,
    _lock: ProfileLock,
}

impl Profile {
    /// Blocks on the disk.
    ///
    /// # Errors
    /// [`OpenError::InUse`]: an instance runs on it; [`Remote`](crate::Remote) reaches that.
    pub fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let (lock, store, _) = open_profile(data_dir)?;
        Ok(Self { store, insecure_http: false, _lock: lock })
    }

    /// Takes invites of servers at `http://`, too.
    #[must_use]
    pub fn with_insecure_http(self, insecure_http: bool) -> Self {
        Self { insecure_http, ..self }
    }

    /// How others would be found, and the groups that this device is in.
    ///
    /// # Errors
    /// The profile cannot be read.
    pub fn lookout(&self) -> Result<Lookout, Failure> {
        let settings = self.store.settings().map_err(|error| cannot(&error))?;
        Ok(Known::load(&self.store).map_err(|error| cannot(&error))?.lookout(&settings))
    }

    /// What to hand out, so that others can join a group.
    ///
    /// # Errors
    /// There is no such group, or the profile cannot be read.
    pub fn invite(&self, group: GroupId) -> Result<InviteView, Failure> {
        let known = Known::load(&self.store).map_err(|error| cannot(&error))?;
        groups::invite_view(group_of(&known.groups, group)?)
    }

    /// On what terms this device helps.
    ///
    /// # Errors
    /// The profile cannot be read.
    pub fn terms(&self) -> Result<Terms, Failure> {
        let settings = self.store.settings().map_err(|error| cannot(&error))?;
        let known = Known::load(&self.store).map_err(|error| cannot(&error))?;
        Ok(known.terms(&settings, Clock::local()))
    }

    /// Stores a decision; `false`: nothing has changed.
    ///
    /// # Errors
    /// As with a running instance; or it cannot be stored.
    pub fn change(&self, change: &Change) -> Result<bool, Failure> {
        let settings = self.store.settings().map_err(|error| cannot(&error))?;
        let known = Known::load(&self.store).map_err(|error| cannot(&error))?;
        let nameless = |peer| stranger(peer, String::new());
        let before = Before {
            friends: &known.friends,
            blocked: &known.blocked,
            groups: &known.groups,
            settings: &settings,
            insecure_http: self.insecure_http,
        };
        let ops = change.ops(before, nameless)?;
        self.store.apply(&ops).map_err(|error| cannot(&error))?;
        self.store.flush().map_err(|error| cannot(&error))?;
        Ok(!ops.is_empty())
    }
}

fn cannot(error: &StoreError) -> Failure {
    Failure::new(FailureCode::Profile, format!("The profile cannot be read or written: {error}."))
        .because(What::ProfileBroken, [error])
}
