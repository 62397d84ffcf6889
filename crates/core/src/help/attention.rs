//! What the user's attention is worth: how many prompts others may make.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::HelpDecline;
use super::desk_io::{DeskBounds, HelpAsk, Standing};
use crate::PeerId;

const MINUTE: Duration = Duration::from_secs(60);
const TEN_MINUTES: Duration = Duration::from_secs(600);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The prompts that were shown, and what the user thought of them.
#[derive(Debug, Default)]
pub(super) struct Attention {
    /// The oldest first; only as far back as a bound looks.
    shown: VecDeque<Shown>,
    /// Strangers whose prompts the user has declined.
    declined: BTreeMap<PeerId, Declined>,
}

#[derive(Debug)]
struct Shown {
    at: Duration,
    by: PeerId,
    address: IpAddr,
    friend: bool,
}

#[derive(Debug)]
struct Declined {
    times: u32,
    last: Duration,
}

impl Attention {
    /// Why this request is not shown; `None`: it may be.
    pub fn refuses<'a>(
        &mut self,
        bounds: &DeskBounds,
        ask: &HelpAsk,
        open: impl Iterator<Item = &'a HelpAsk> + Clone,
        now: Duration,
    ) -> Option<HelpDecline> {
        self.forget(now);
        let shown = |within: Duration, of: &dyn Fn(&Shown) -> bool| {
            let recent = |shown: &&Shown| now.saturating_sub(shown.at) < within && of(shown);
            self.shown.iter().filter(recent).count()
        };
        let by_device = |shown: &Shown| shown.by == ask.from;
        let open_of_device = open.clone().filter(|other| other.from == ask.from).count();
        let too_many = if ask.standing == Standing::Friend {
            let friends = open.filter(|other| other.standing == Standing::Friend).count();
            open_of_device >= bounds.friend_open
                || friends >= bounds.friends_open
                || shown(MINUTE, &by_device) >= bounds.friend_per_min
        } else {
            let quiet = self.declined.get(&ask.from).is_some_and(|declined| {
                declined.times >= bounds.declines_before_quiet
                    && now.saturating_sub(declined.last) < HOUR
            });
            if quiet {
                return Some(HelpDecline::No);
            }
            open_of_device >= 1
                || shown(TEN_MINUTES, &by_device) >= bounds.stranger_per_10_min
                || shown(DAY, &by_device) >= bounds.stranger_per_day
                || shown(TEN_MINUTES, &|s| !s.friend && s.address == ask.address)
                    >= bounds.address_per_10_min
                || shown(TEN_MINUTES, &|s| !s.friend) >= bounds.strangers_per_10_min
        };
        too_many.then_some(HelpDecline::TooMany)
    }

    /// A prompt is shown.
    pub fn spend(&mut self, ask: &HelpAsk, now: Duration) {
        let friend = ask.standing == Standing::Friend;
        self.shown.push_back(Shown { at: now, by: ask.from, address: ask.address, friend });
    }

    /// The user has said no. Friends may ask again: they have bounds of their own.
    pub fn declined(&mut self, ask: &HelpAsk, now: Duration) {
        if ask.standing == Standing::Friend {
            return;
        }
        let declined = self.declined.entry(ask.from).or_insert(Declined { times: 0, last: now });
        declined.times = declined.times.saturating_add(1);
        declined.last = now;
    }

    /// How often the user has said no to this stranger, within a day of each time.
    pub fn times_declined(&self, peer: PeerId) -> u32 {
        self.declined.get(&peer).map_or(0, |declined| declined.times)
    }

    /// Whoever became a friend, or is blocked, begins anew.
    pub fn forgive(&mut self, peer: PeerId) {
        self.declined.remove(&peer);
    }

    /// Forgets what no bound looks at any more. What is kept is bounded by the prompts that were shown.
    fn forget(&mut self, now: Duration) {
        self.shown
            .retain(|shown| now.saturating_sub(shown.at) < if shown.friend { MINUTE } else { DAY });
        self.declined.retain(|_, declined| now.saturating_sub(declined.last) < DAY);
    }
}
