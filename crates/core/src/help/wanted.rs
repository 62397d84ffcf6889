//! The requester's side: whom one download has asked, and what became of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{HelpAnswer, HelpDecline, HelpEnd};
use crate::PeerId;

/// How patient a requester is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedBounds {
    /// Without an answer for so long the helper is taken for lost: 70 s, ten more than a prompt
    /// stands.
    pub answer: Duration,
    /// Who declined, or let a prompt expire, is not asked again for this download before: 10 min.
    pub again_after_no: Duration,
    /// Who was lost is not asked again before: 10 s, doubled with each loss …
    pub again_after_loss: Duration,
    /// … up to 5 min.
    pub again_after_loss_max: Duration,
    /// Peers that one download remembers: 1000. More cannot be asked.
    pub peers: usize,
}

/// Where the help of one peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskState {
    /// The request is on its way or in front of somebody.
    Asked,
    /// A source of the download.
    Accepted {
        budget_bytes: u64,
    },
    Declined {
        reason: HelpDecline,
    },
    Expired,
    /// It could not be reached, or was there and is gone.
    Lost,
    /// The session is over.
    Ended {
        reason: HelpEnd,
    },
}

/// A fact for one download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedInput {
    /// The user, or a rule, wants this peer's help. Without effect where [`HelpWanted::may_ask`]
    /// says no.
    Ask {
        peer: PeerId,
    },
    /// A helper is to be asked for more than it has agreed to; meanwhile it helps as agreed. Without
    /// effect where [`HelpWanted::may_ask_again`] says no.
    AskAgain {
        peer: PeerId,
    },
    Answered {
        peer: PeerId,
        answer: HelpAnswer,
    },
    /// The request could not be made, or nobody knows what became of it.
    Unanswered {
        peer: PeerId,
    },
    /// It cannot be reached, or a stream to it broke and no new one could be opened.
    PeerLost {
        peer: PeerId,
    },
    /// The helper ended the session.
    EndedByHelper {
        peer: PeerId,
        reason: HelpEnd,
    },
    /// This side is done with one helper.
    End {
        peer: PeerId,
        reason: HelpEnd,
    },
    /// This side is done with all: the download is complete, paused or removed.
    EndAll {
        reason: HelpEnd,
    },
    Tick,
}

/// An order to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedEffect {
    /// Send the request and wait for the answer.
    Ask { peer: PeerId },
    /// Take the request back: nobody has answered yet.
    Withdraw { peer: PeerId },
    /// Close the streams and tell the helper, with the byte counts.
    End { peer: PeerId, reason: HelpEnd },
    /// A helper has agreed to more: what runs goes over the new session from now on, and the one before
    /// is ended as replaced.
    Replace { peer: PeerId },
    /// Nothing to do; what is shown of this peer has changed.
    Changed { peer: PeerId, state: AskState },
}

/// The peers that one download has asked. Nothing waits for them.
#[derive(Debug)]
pub struct HelpWanted {
    bounds: WantedBounds,
    peers: BTreeMap<PeerId, Wanted>,
    effects: VecDeque<WantedEffect>,
}

#[derive(Debug)]
struct Wanted {
    state: AskState,
    since: Duration,
    losses: u32,
    more: More,
}

/// Whether a helper is asked for more than the session that it has agreed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum More {
    #[default]
    No,
    /// Since then.
    Asked(Duration),
    /// It is left at what was agreed: one no is enough.
    Refused,
}

impl Default for WantedBounds {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(70),
            again_after_no: Duration::from_secs(600),
            again_after_loss: Duration::from_secs(10),
            again_after_loss_max: Duration::from_secs(300),
            peers: 1000,
        }
    }
}

impl HelpWanted {
    #[must_use]
    pub fn new(bounds: WantedBounds) -> Self {
        Self { bounds, peers: BTreeMap::new(), effects: VecDeque::new() }
    }

    /// Whether asking this peer now is allowed and makes sense.
    #[must_use]
    pub fn may_ask(&self, peer: PeerId, now: Duration) -> bool {
        let Some(wanted) = self.peers.get(&peer) else {
            return self.peers.len() < self.bounds.peers;
        };
        let pause = match wanted.state {
            AskState::Asked | AskState::Accepted { .. } => return false,
            // Caught lying, or of no use to this download.
            AskState::Ended { reason: HelpEnd::Mismatch | HelpEnd::NoGain } => return false,
            AskState::Declined { .. } | AskState::Expired => self.bounds.again_after_no,
            AskState::Ended { reason: HelpEnd::Completed | HelpEnd::Cancelled } => Duration::ZERO,
            AskState::Ended { .. } => self.bounds.again_after_no,
            AskState::Lost => {
                let doubled = 1_u32 << wanted.losses.saturating_sub(1).min(16);
                let pause = self.bounds.again_after_loss.saturating_mul(doubled);
                pause.min(self.bounds.again_after_loss_max)
            }
        };
        now >= wanted.since.saturating_add(pause)
    }

    /// Whether this peer helps, and may be asked for more than it has agreed to.
    #[must_use]
    pub fn may_ask_again(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|wanted| {
            matches!(wanted.state, AskState::Accepted { .. }) && wanted.more == More::No
        })
    }

    /// Whether a helper is being asked for more than it has agreed to.
    #[must_use]
    pub fn is_asked_again(&self, peer: PeerId) -> bool {
        self.asked_again(peer).is_some()
    }

    /// Takes in a fact. What comes too late changes nothing.
    pub fn handle(&mut self, input: WantedInput, now: Duration) {
        match input {
            WantedInput::Ask { peer } if self.may_ask(peer, now) => {
                self.effects.push_back(WantedEffect::Ask { peer });
                self.set(peer, AskState::Asked, now);
            }
            WantedInput::Ask { .. } => {}
            WantedInput::AskAgain { peer } if self.may_ask_again(peer) => {
                self.effects.push_back(WantedEffect::Ask { peer });
                self.set_more(peer, More::Asked(now));
            }
            WantedInput::AskAgain { .. } => {}
            WantedInput::Answered { peer, answer } if self.is_asked_again(peer) => {
                if let HelpAnswer::Accept { budget_bytes } = answer {
                    self.effects.push_back(WantedEffect::Replace { peer });
                    self.set(peer, AskState::Accepted { budget_bytes }, now);
                } else {
                    self.set_more(peer, More::Refused);
                }
            }
            WantedInput::Answered { peer, answer } => {
                if self.state(peer) == Some(AskState::Asked) {
                    let state = match answer {
                        HelpAnswer::Accept { budget_bytes } => AskState::Accepted { budget_bytes },
                        HelpAnswer::Decline(reason) => AskState::Declined { reason },
                        HelpAnswer::Expire => AskState::Expired,
                    };
                    self.set(peer, state, now);
                } else if let HelpAnswer::Accept { .. } = answer
                    && !matches!(self.state(peer), Some(AskState::Accepted { .. }))
                {
                    // It agreed after we gave up: it must not wait for streams that never come.
                    self.effects.push_back(WantedEffect::End { peer, reason: HelpEnd::Cancelled });
                }
            }
            WantedInput::Unanswered { peer } => match self.state(peer) {
                Some(AskState::Asked) => self.over(peer, AskState::Lost, now),
                _ if self.is_asked_again(peer) => self.set_more(peer, More::Refused),
                _ => {}
            },
            WantedInput::PeerLost { peer } => self.over(peer, AskState::Lost, now),
            WantedInput::EndedByHelper { peer, reason } => match self.asked_again(peer) {
                // The session is over, but not by somebody's will: the open request still counts.
                Some(since) if reason != HelpEnd::Stopped => {
                    self.effects.push_back(WantedEffect::End { peer, reason });
                    self.set(peer, AskState::Asked, since);
                }
                _ => self.over(peer, AskState::Ended { reason }, now),
            },
            WantedInput::End { peer, reason } => self.end(peer, reason, now),
            WantedInput::EndAll { reason } => {
                for peer in self.peers.keys().copied().collect::<Vec<_>>() {
                    self.end(peer, reason, now);
                }
            }
            WantedInput::Tick => self.give_up(now),
        }
    }

    pub fn poll_effect(&mut self) -> Option<WantedEffect> {
        self.effects.pop_front()
    }

    /// When to hand in a [`WantedInput::Tick`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let asked = self.peers.values().filter_map(Wanted::asked_since);
        asked.map(|since| since.saturating_add(self.bounds.answer)).min()
    }

    #[must_use]
    pub fn state(&self, peer: PeerId) -> Option<AskState> {
        self.peers.get(&peer).map(|wanted| wanted.state)
    }

    pub fn states(&self) -> impl Iterator<Item = (PeerId, AskState)> {
        self.peers.iter().map(|(peer, wanted)| (*peer, wanted.state))
    }

    fn give_up(&mut self, now: Duration) {
        let patience = self.bounds.answer;
        let late = self.peers.iter().filter(|(_, wanted)| {
            wanted.asked_since().is_some_and(|since| now >= since.saturating_add(patience))
        });
        for peer in late.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            self.effects.push_back(WantedEffect::Withdraw { peer });
            self.handle(WantedInput::Unanswered { peer }, now);
        }
    }

    fn end(&mut self, peer: PeerId, reason: HelpEnd, now: Duration) {
        match self.state(peer) {
            Some(AskState::Asked) => self.effects.push_back(WantedEffect::Withdraw { peer }),
            Some(AskState::Accepted { .. }) => self.end_session(peer, reason),
            _ => return,
        }
        self.set(peer, AskState::Ended { reason }, now);
    }

    /// Ends what is running; leaves alone what is over.
    fn over(&mut self, peer: PeerId, state: AskState, now: Duration) {
        if let Some(AskState::Accepted { .. }) = self.state(peer) {
            // Whoever is lost may still be there, and must not hold a session open for nobody.
            let reason = match state {
                AskState::Ended { reason } => reason,
                _ => HelpEnd::Lost,
            };
            self.end_session(peer, reason);
        }
        if matches!(self.state(peer), Some(AskState::Asked | AskState::Accepted { .. })) {
            self.set(peer, state, now);
        }
    }

    /// Whatever else it was asked for is taken back.
    fn end_session(&mut self, peer: PeerId, reason: HelpEnd) {
        if self.is_asked_again(peer) {
            self.effects.push_back(WantedEffect::Withdraw { peer });
        }
        self.effects.push_back(WantedEffect::End { peer, reason });
    }

    fn asked_again(&self, peer: PeerId) -> Option<Duration> {
        match self.peers.get(&peer)?.more {
            More::Asked(since) => Some(since),
            More::No | More::Refused => None,
        }
    }

    fn set_more(&mut self, peer: PeerId, more: More) {
        if let Some(wanted) = self.peers.get_mut(&peer) {
            wanted.more = more;
        }
    }

    fn set(&mut self, peer: PeerId, state: AskState, now: Duration) {
        let new = Wanted { state, since: now, losses: 0, more: More::No };
        let wanted = self.peers.entry(peer).or_insert(new);
        wanted.state = state;
        wanted.since = now;
        wanted.more = More::No;
        match state {
            AskState::Lost => wanted.losses = wanted.losses.saturating_add(1),
            AskState::Accepted { .. } => wanted.losses = 0,
            _ => {}
        }
        self.effects.push_back(WantedEffect::Changed { peer, state });
    }
}

impl Wanted {
    /// Since when a request waits for its answer.
    fn asked_since(&self) -> Option<Duration> {
        match (self.state, self.more) {
            (AskState::Asked, _) => Some(self.since),
            (AskState::Accepted { .. }, More::Asked(since)) => Some(since),
            _ => None,
        }
    }
}
