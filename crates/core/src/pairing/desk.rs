//! The runs of pairing, both roles: what may begin, what follows, how it ends.
//!
//! ```text
//! initiator   opening ─→ opened ─→ comparing ─→ over
//! responder        committed ────→ comparing ─→ over
//! ```
//!
//! The responder's word counts: it alone sees both confirmations, and the initiator is paired when it is told so, provided that
//! its own user has said yes. What is over stays so; silence is no.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::run::{Run, Step};
use super::{PairingCode, PairingCommitment, PairingEnd, PairingId, PairingNonce, PairingRun};
use crate::PeerId;

/// How much pairing there may be. Each run is one guess for somebody in the middle, and one interruption for the user.
#[derive(Clone, Copy, Debug)]
pub struct PairingBounds {
    /// Runs with one device, whoever began: 3 in ten minutes.
    pub device_per_10_min: usize,
    /// Runs begun by strangers, all together: 5 in ten minutes.
    pub strangers_per_10_min: usize,
    /// Open at a time, in all: 4. Others may have begun all but one of them, so that they never keep the user from beginning.
    pub open: usize,
    /// From the beginning to the second yes: 60 s.
    pub whole: Duration,
    /// From the commitment to its opening: 10 s. No person is asked before that, and machines are quick.
    pub opening: Duration,
    /// An initiator whose user has said yes waits so much longer for the responder's last word: 5 s.
    pub grace: Duration,
    /// How long the end of a run can be asked for: 60 s.
    pub kept: Duration,
    /// Runs that are known at a time, the ended ones included: 16. The one that ended first is forgotten early.
    pub known: usize,
}

/// A device wants to pair with this one.
#[derive(Clone, Debug)]
pub struct PairingAsk {
    pub id: PairingId,
    /// As the handshake has proved it.
    pub from: PeerId,
    pub stranger: bool,
    /// What it calls itself; neutral.
    pub name: String,
    /// Where it says that it can be reached.
    pub reach: Option<SocketAddr>,
    pub commitment: PairingCommitment,
}

/// Why something cannot be done now. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairingRefusal {
    /// No such run, for this device.
    #[error("there is no such pairing")]
    Unknown,
    /// Not opened yet.
    #[error("the commitment is not opened yet")]
    NotReady,
    /// The run has ended, or is past this.
    #[error("the pairing is past this")]
    Over,
    /// A bound is reached.
    #[error("too many pairings")]
    TooMany,
    #[error("a device does not pair with itself")]
    Itself,
    /// The user has blocked the device.
    #[error("the device is blocked")]
    Blocked,
}

/// What the responder says of a run that this device has begun and opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairingHeard {
    /// Its user compares.
    Compare,
    Over(PairingEnd),
}

/// Both users have said yes: the key is the device's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paired {
    pub peer: PeerId,
    pub name: String,
    pub reach: Option<SocketAddr>,
}

/// See the top of this file. Every call takes the time since some fixed instant.
#[derive(Debug)]
pub struct PairingDesk {
    own: PeerId,
    bounds: PairingBounds,
    runs: BTreeMap<PairingId, Run>,
    /// The runs of the last ten minutes, the oldest first.
    begun: VecDeque<Begun>,
    paired: VecDeque<Paired>,
    blocked: BTreeSet<PeerId>,
}

#[derive(Debug)]
struct Begun {
    at: Duration,
    peer: PeerId,
    by_stranger: bool,
}

const TEN_MINUTES: Duration = Duration::from_secs(600);

impl Default for PairingBounds {
    fn default() -> Self {
        Self {
            device_per_10_min: 3,
            strangers_per_10_min: 5,
            open: 4,
            whole: Duration::from_secs(60),
            opening: Duration::from_secs(10),
            grace: Duration::from_secs(5),
            kept: Duration::from_secs(60),
            known: 16,
        }
    }
}

impl PairingDesk {
    #[must_use]
    pub fn new(own: PeerId, bounds: PairingBounds) -> Self {
        let (runs, begun, paired) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        Self { own, bounds, runs, begun, paired, blocked: BTreeSet::new() }
    }

    /// This device begins; what it sends is the commitment. `nonce` must be random, and used for nothing else.
    ///
    /// # Errors
    /// Too many; or the device is this one.
    pub fn begin(
        &mut self,
        id: PairingId,
        peer: PeerId,
        name: String,
        reach: Option<SocketAddr>,
        nonce: PairingNonce,
        now: Duration,
    ) -> Result<PairingCommitment, PairingRefusal> {
        self.tick(now);
        self.room(peer, self.bounds.open, None)?;
        self.insert(id, peer, name, reach, Step::Opening { nonce }, false, now);
        Ok(nonce.commitment(self.own, peer))
    }

    /// The responder has answered with its nonce: what comes now is the opening, with this nonce.
    pub fn opened(
        &mut self,
        id: PairingId,
        responders: PairingNonce,
        now: Duration,
    ) -> Option<PairingNonce> {
        self.tick(now);
        let own = self.own;
        let run = self.runs.get_mut(&id)?;
        let Step::Opening { nonce } = run.step else { return None };
        run.code = Some(PairingCode::of(own, run.peer, &nonce, &responders));
        run.go(Step::Opened);
        Some(nonce)
    }

    /// What the responder says of a run since it was opened.
    pub fn heard(&mut self, id: PairingId, heard: PairingHeard, now: Duration) {
        self.tick(now);
        let Some(run) = self.runs.get_mut(&id).filter(|run| !run.incoming) else { return };
        let end = match (run.step, heard) {
            (Step::Opened, PairingHeard::Compare) => {
                return run.go(Step::Comparing { here: false, there: false });
            }
            (Step::Comparing { .. }, PairingHeard::Compare) | (Step::Over(_), _) => return,
            (Step::Comparing { here: true, .. }, PairingHeard::Over(end)) => end,
            // Nobody can have agreed to what this user has not agreed to.
            (_, PairingHeard::Over(PairingEnd::Paired)) => PairingEnd::Cheated,
            (_, PairingHeard::Over(end)) => end,
            (_, PairingHeard::Compare) => PairingEnd::Cheated,
        };
        self.end(id, end, now);
    }

    /// The responder cannot be reached, or does not want to begin, or makes no sense.
    pub fn failed(&mut self, id: PairingId, now: Duration) {
        self.tick(now);
        self.end(id, PairingEnd::Failed, now);
    }

    /// Another device begins; it is answered with `nonce`, which must be random, and used for nothing else.
    ///
    /// # Errors
    /// Too many; or the device is this one.
    pub fn requested(
        &mut self,
        ask: PairingAsk,
        nonce: PairingNonce,
        now: Duration,
    ) -> Result<(), PairingRefusal> {
        self.tick(now);
        let PairingAsk { id, from, stranger, name, reach, commitment } = ask;
        self.room(from, self.bounds.open.saturating_sub(1), Some(stranger))?;
        self.insert(id, from, name, reach, Step::Committed { commitment, nonce }, stranger, now);
        Ok(())
    }

    /// It opens its commitment. A wrong opening ends the run, which has counted all the same.
    ///
    /// # Errors
    /// There is no such run of this device, or it is opened already.
    pub fn revealed(
        &mut self,
        id: PairingId,
        from: PeerId,
        initiators: PairingNonce,
        now: Duration,
    ) -> Result<(), PairingRefusal> {
        let own = self.own;
        let run = self.incoming(id, from, now)?;
        let Step::Committed { commitment, nonce } = run.step else {
            return Err(PairingRefusal::Over);
        };
        if initiators.commitment(from, own) == commitment {
            run.code = Some(PairingCode::of(from, own, &initiators, &nonce));
            run.go(Step::Comparing { here: false, there: false });
        } else {
            self.end(id, PairingEnd::Cheated, now);
        }
        Ok(())
    }

    /// The user of the device that began says yes.
    ///
    /// # Errors
    /// There is no such run of this device, or it is at another point.
    pub fn confirmed(
        &mut self,
        id: PairingId,
        from: PeerId,
        now: Duration,
    ) -> Result<(), PairingRefusal> {
        let run = self.incoming(id, from, now)?;
        match run.step {
            Step::Comparing { here: false, .. } => {
                run.go(Step::Comparing { here: false, there: true });
            }
            Step::Comparing { here: true, .. } => self.end(id, PairingEnd::Paired, now),
            Step::Over(PairingEnd::Paired) => {}
            Step::Over(_) => return Err(PairingRefusal::Over),
            _ => return Err(PairingRefusal::NotReady),
        }
        Ok(())
    }

    /// … or no. Of a run that is over it changes nothing.
    ///
    /// # Errors
    /// There is no such run of this device.
    pub fn refused(
        &mut self,
        id: PairingId,
        from: PeerId,
        now: Duration,
    ) -> Result<(), PairingRefusal> {
        self.incoming(id, from, now)?;
        self.end(id, PairingEnd::Refused, now);
        Ok(())
    }

    /// A run as the device that began it may see it.
    ///
    /// # Errors
    /// There is no such run of this device.
    pub fn look(
        &mut self,
        id: PairingId,
        from: PeerId,
        now: Duration,
    ) -> Result<PairingRun, PairingRefusal> {
        self.incoming(id, from, now)?;
        self.run(id).ok_or(PairingRefusal::Unknown)
    }

    /// This user's word. Whether that was possible: the run is open, and for a yes, there is a code.
    pub fn answer(&mut self, id: PairingId, same: bool, now: Duration) -> bool {
        self.tick(now);
        let Some(run) = self.runs.get_mut(&id).filter(|run| run.is_open()) else { return false };
        match (run.step, same) {
            (_, false) => self.end(id, PairingEnd::Refused, now),
            (Step::Comparing { there: true, .. }, true) => self.end(id, PairingEnd::Paired, now),
            (Step::Comparing { there, .. }, true) => run.go(Step::Comparing { here: true, there }),
            _ => return false,
        }
        true
    }

    /// These devices are blocked, and no others: what is open with them ends, and nothing begins.
    pub fn set_blocked(&mut self, peers: BTreeSet<PeerId>, now: Duration) {
        let of_peers = self.runs.iter().filter(|(_, run)| peers.contains(&run.peer));
        for id in of_peers.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(id, PairingEnd::Refused, now);
        }
        self.blocked = peers;
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Duration) {
        let late =
            self.runs.iter().filter(|(_, run)| run.is_open() && run.expires(self.bounds) <= now);
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(id, PairingEnd::Expired, now);
        }
        let kept = self.bounds.kept;
        self.runs.retain(|_, run| run.ended.is_none_or(|at| now.saturating_sub(at) < kept));
        self.begun.retain(|begun| now.saturating_sub(begun.at) < TEN_MINUTES);
    }

    /// One run, also one that is not shown yet.
    #[must_use]
    pub fn run(&self, id: PairingId) -> Option<PairingRun> {
        self.runs.get(&id).map(|run| run.shown(id, self.bounds))
    }

    /// Every run with its revision: when they are as before, nothing has changed.
    #[must_use]
    pub fn revisions(&self) -> Vec<(PairingId, u32)> {
        self.runs.iter().map(|(id, run)| (*id, run.revision)).collect()
    }

    /// What is to be shown, the oldest first: not what others have begun and not opened yet.
    #[must_use]
    pub fn runs(&self) -> Vec<PairingRun> {
        let mut runs: Vec<_> = self.runs.iter().filter(|(_, run)| run.concerns_user()).collect();
        runs.sort_by_key(|(id, run)| (run.began, **id));
        runs.into_iter().map(|(id, run)| run.shown(*id, self.bounds)).collect()
    }

    /// The open run with this device.
    #[must_use]
    pub fn open_with(&self, peer: PeerId) -> Option<PairingId> {
        let open = self.runs.iter().find(|(_, run)| run.peer == peer && run.is_open());
        open.map(|(id, _)| *id)
    }

    /// A device that is paired from now on; each once.
    pub fn poll_paired(&mut self) -> Option<Paired> {
        self.paired.pop_front()
    }

    /// Whether one more run with this device fits; `by` is whether a stranger begins, `None` for this device.
    fn room(&self, peer: PeerId, open: usize, by: Option<bool>) -> Result<(), PairingRefusal> {
        if peer == self.own {
            return Err(PairingRefusal::Itself);
        }
        if self.blocked.contains(&peer) {
            return Err(PairingRefusal::Blocked);
        }
        let begun = |of: &dyn Fn(&&Begun) -> bool| self.begun.iter().filter(of).count();
        let all_open = self.runs.values().filter(|run| run.is_open());
        let theirs = all_open.clone().filter(|run| run.incoming).count();
        let full = self.open_with(peer).is_some()
            || all_open.count() >= self.bounds.open
            || (by.is_some() && theirs >= open)
            || begun(&|begun| begun.peer == peer) >= self.bounds.device_per_10_min
            || (by == Some(true)
                && begun(&|begun| begun.by_stranger) >= self.bounds.strangers_per_10_min);
        if full { Err(PairingRefusal::TooMany) } else { Ok(()) }
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of a run")]
    fn insert(
        &mut self,
        id: PairingId,
        peer: PeerId,
        name: String,
        reach: Option<SocketAddr>,
        step: Step,
        by_stranger: bool,
        now: Duration,
    ) {
        if self.runs.len() >= self.bounds.known {
            let over = self.runs.iter().filter_map(|(id, run)| Some((run.ended?, *id)));
            if let Some((_, oldest)) = over.min() {
                self.runs.remove(&oldest);
            }
        }
        self.begun.push_back(Begun { at: now, peer, by_stranger });
        let incoming = matches!(step, Step::Committed { .. });
        let (began, revision) = (now, 1);
        let (code, ended) = (None, None);
        let run = Run { peer, name, reach, incoming, began, step, code, revision, ended };
        self.runs.insert(id, run);
    }

    fn incoming(
        &mut self,
        id: PairingId,
        from: PeerId,
        now: Duration,
    ) -> Result<&mut Run, PairingRefusal> {
        self.tick(now);
        let run = self.runs.get_mut(&id).filter(|run| run.incoming && run.peer == from);
        run.ok_or(PairingRefusal::Unknown)
    }

    /// The one way to an end; what is over stays so.
    fn end(&mut self, id: PairingId, end: PairingEnd, now: Duration) {
        let Some(run) = self.runs.get_mut(&id).filter(|run| run.is_open()) else { return };
        run.go(Step::Over(end));
        run.ended = Some(now);
        if end == PairingEnd::Paired {
            let (name, reach) = (run.name.clone(), run.reach);
            self.paired.push_back(Paired { peer: run.peer, name, reach });
        }
    }
}
