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
    Answered {
        peer: PeerId,
        answer: HelpAnswer,
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

    /// Takes in a fact. What comes too late changes nothing.
    pub fn handle(&mut self, input: WantedInput, now: Duration) {
        match input {
            WantedInput::Ask { peer } if self.may_ask(peer, now) => {
                self.effects.push_back(WantedEffect::Ask { peer });
                self.set(peer, AskState::Asked, now);
            }
            WantedInput::Ask { .. } => {}
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
            WantedInput::PeerLost { peer } => self.over(peer, AskState::Lost, now),
            WantedInput::EndedByHelper { peer, reason } => {
                self.over(peer, AskState::Ended { reason }, now);
            }
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
        let asked = self.peers.values().filter(|wanted| wanted.state == AskState::Asked);
        asked.map(|wanted| wanted.since.saturating_add(self.bounds.answer)).min()
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
            wanted.state == AskState::Asked && now >= wanted.since.saturating_add(patience)
        });
        for peer in late.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            self.effects.push_back(WantedEffect::Withdraw { peer });
            self.over(peer, AskState::Lost, now);
        }
    }

    fn end(&mut self, peer: PeerId, reason: HelpEnd, now: Duration) {
        match self.state(peer) {
            Some(AskState::Asked) => self.effects.push_back(WantedEffect::Withdraw { peer }),
            Some(AskState::Accepted { .. }) => {
                self.effects.push_back(WantedEffect::End { peer, reason });
            }
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
            self.effects.push_back(WantedEffect::End { peer, reason });
        }
        if matches!(self.state(peer), Some(AskState::Asked | AskState::Accepted { .. })) {
            self.set(peer, state, now);
        }
    }

    fn set(&mut self, peer: PeerId, state: AskState, now: Duration) {
        let wanted = self.peers.entry(peer).or_insert(Wanted { state, since: now, losses: 0 });
        wanted.state = state;
        wanted.since = now;
        match state {
            AskState::Lost => wanted.losses = wanted.losses.saturating_add(1),
            AskState::Accepted { .. } => wanted.losses = 0,
            _ => {}
        }
        self.effects.push_back(WantedEffect::Changed { peer, state });
    }
}
