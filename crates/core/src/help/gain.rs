//! Whether helpers bring anything that this device does not get without them.
//!
//! What an origin gives one address, everybody behind that address shares: helpers in the same home network as the
//! requester take from it what they bring. Nobody knows from where an origin sees whom, so it is measured. Two questions,
//! each asked by letting somebody pause for a moment:
//!
//! 1. Do the helpers get faster when this device stops asking the origin? Then they share something with it. This costs
//!    its own share of a second. Where it was seen before they came how much this device gets alone, and it gets
//!    as much with them, the question is answered already.
//! 2. Does everything together stay as fast when those helpers pause? Then they bring nothing, and are let go. Where they
//!    do bring something (the LAN is what was shared), that is seen within a few tenths of a second, and they go on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::SourceId;

/// New helpers are looked at when they have brought bytes for so long.
const SETTLED: Duration = Duration::from_millis(2000);
/// Nothing is tried for what would be over sooner than this.
const WORTH_TRYING: Duration = Duration::from_secs(8);
/// After somebody has paused, the others' throughput is counted from here …
const WARM_UP: Duration = Duration::from_millis(600);
/// … to here.
const PAUSE: Duration = Duration::from_millis(1400);
/// Should nobody look when it is over, whoever pauses goes on by itself after so much more.
const SPARE: Duration = Duration::from_secs(1);
/// In the second question a clear no is taken after so much of it.
const CLEAR: Duration = Duration::from_millis(300);
/// This device gets as much with helpers as without: nothing is shared.
const SAME: f64 = 0.8;
/// So much of what this device left was taken by the helpers: something is shared.
const TAKEN: f64 = 0.5;
/// So much of the throughput stays without the helpers: they bring nothing.
const STAYS: f64 = 0.9;
/// … and when no more than this stays, that is a clear no.
const CLEARLY_LESS: f64 = 0.75;

/// One source at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub id: SourceId,
    /// All that it has brought in this run.
    pub total: u64,
    /// Bytes a second, lately.
    pub rate: f64,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GainOrder {
    /// Let these pause, at most until then.
    Pause { sources: Vec<SourceId>, until: Duration },
    /// Let these go on.
    GoOn { sources: Vec<SourceId> },
    /// These bring nothing.
    Release { sources: Vec<SourceId> },
}

/// The measurement of one download.
#[derive(Debug, Default)]
pub struct Gain {
    /// What this device got when nobody helped.
    alone: Option<f64>,
    /// When each helper brought its first byte.
    since: BTreeMap<SourceId, Duration>,
    cleared: BTreeSet<SourceId>,
    trial: Option<Trial>,
}

#[derive(Debug)]
struct Trial {
    pausing: Pausing,
    began: Duration,
    /// The sources before, with their rates.
    before: BTreeMap<SourceId, f64>,
    /// The totals at the end of the warm-up, and when that was.
    mark: Option<(Duration, BTreeMap<SourceId, u64>)>,
    suspects: Vec<SourceId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pausing {
    Own,
    Suspects,
}

impl Gain {
    /// Looks at the sources; call every 250 ms while the download fetches. `left`: bytes that nobody has brought yet.
    pub fn look(&mut self, sources: &[Seen], left: u64, now: Duration) -> Vec<GainOrder> {
        let helpers: Vec<Seen> =
            sources.iter().filter(|source| source.id != SourceId::ORIGIN).copied().collect();
        let Some(own) = sources.iter().find(|source| source.id == SourceId::ORIGIN) else {
            return Vec::new();
        };
        self.since.retain(|id, _| helpers.iter().any(|helper| helper.id == *id));
        self.cleared.retain(|id| helpers.iter().any(|helper| helper.id == *id));
        if let Some(trial) = self.trial.take() {
            return self.go_on(trial, sources, now);
        }
        for helper in helpers.iter().filter(|helper| helper.rate > 0.0) {
            self.since.entry(helper.id).or_insert(now);
        }
        if self.since.is_empty() {
            self.alone = (own.rate > 0.0).then_some(own.rate);
            return Vec::new();
        }
        let new: Vec<SourceId> =
            self.since.keys().filter(|id| !self.cleared.contains(id)).copied().collect();
        let settled = self.since.values().all(|since| now >= *since + SETTLED);
        let total: f64 = sources.iter().map(|source| source.rate).sum();
        if new.is_empty()
            || !settled
            || own.rate <= 0.0
            || (left as f64) < total * WORTH_TRYING.as_secs_f64()
        {
            return Vec::new();
        }
        match self.alone {
            Some(alone) if own.rate >= alone * SAME => {
                self.cleared.extend(new);
                Vec::new()
            }
            // It gets less than before they came: that question is answered, too.
            Some(_) => vec![self.begin(Pausing::Suspects, new, sources, now)],
            None => vec![self.begin(Pausing::Own, Vec::new(), sources, now)],
        }
    }

    fn begin(
        &mut self,
        pausing: Pausing,
        suspects: Vec<SourceId>,
        sources: &[Seen],
        now: Duration,
    ) -> GainOrder {
        let paused = match pausing {
            Pausing::Own => vec![SourceId::ORIGIN],
            Pausing::Suspects => suspects.clone(),
        };
        let before = sources.iter().map(|source| (source.id, source.rate)).collect();
        self.trial = Some(Trial { pausing, began: now, before, mark: None, suspects });
        GainOrder::Pause { sources: paused, until: now + PAUSE + SPARE }
    }

    fn go_on(&mut self, mut trial: Trial, sources: &[Seen], now: Duration) -> Vec<GainOrder> {
        let totals: BTreeMap<_, _> = sources.iter().map(|s| (s.id, s.total)).collect();
        if now < trial.began + WARM_UP {
            self.trial = Some(trial);
            return Vec::new();
        }
        let Some((marked, mark)) = &trial.mark else {
            trial.mark = Some((now, totals));
            self.trial = Some(trial);
            return Vec::new();
        };
        let over = now >= trial.began + PAUSE;
        let seconds = now.saturating_sub(*marked).as_secs_f64();
        let rate = |id: &SourceId| {
            let bytes = totals.get(id)?.saturating_sub(*mark.get(id)?);
            Some(bytes as f64 / seconds.max(0.001))
        };
        match trial.pausing {
            Pausing::Own if over => {
                let go_on = GainOrder::GoOn { sources: vec![SourceId::ORIGIN] };
                let own = trial.before.get(&SourceId::ORIGIN).copied().unwrap_or_default();
                let rise = |id: &SourceId| {
                    Some(rate(id)? - trial.before.get(id).copied().unwrap_or_default())
                };
                let helpers: Vec<_> =
                    totals.keys().filter(|id| **id != SourceId::ORIGIN).copied().collect();
                let taken: f64 = helpers.iter().filter_map(rise).filter(|rise| *rise > 0.0).sum();
                if taken < own * TAKEN {
                    // It is what this device gets with nobody beside it.
                    self.alone = Some(own);
                    self.cleared.extend(helpers);
                    return vec![go_on];
                }
                let even = taken / helpers.len().max(1) as f64;
                let suspects = helpers
                    .into_iter()
                    .filter(|id| rise(id).is_some_and(|rise| rise >= even / 2.0))
                    .collect();
                // Measured against all of them at work.
                let before = trial.before;
                let seen: Vec<_> = sources
                    .iter()
                    .map(|s| Seen { rate: before.get(&s.id).copied().unwrap_or(s.rate), ..*s })
                    .collect();
                vec![go_on, self.begin(Pausing::Suspects, suspects, &seen, now)]
            }
            Pausing::Suspects => {
                let before: f64 = trial.before.values().sum();
                let others = totals.keys().filter(|id| !trial.suspects.contains(id));
                let without: f64 = others.filter_map(rate).sum();
                let clear = now >= *marked + CLEAR && without < before * CLEARLY_LESS;
                if over && without >= before * STAYS {
                    self.alone = Some(without);
                    return vec![GainOrder::Release { sources: trial.suspects }];
                }
                if over || clear {
                    self.cleared.extend(trial.suspects.iter().copied());
                    return vec![GainOrder::GoOn { sources: trial.suspects }];
                }
                self.trial = Some(trial);
                Vec::new()
            }
            Pausing::Own => {
                self.trial = Some(trial);
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: SourceId = SourceId::ORIGIN;

    /// A world in which `rates(paused, helping)` says what each source gets; runs until the measurement is done.
    struct World<F> {
        rates: F,
        helpers: Vec<SourceId>,
        from: Duration,
    }

    #[derive(Debug, Default)]
    struct Result {
        released: Vec<SourceId>,
        at: Duration,
        /// How long each source was paused.
        paused: BTreeMap<SourceId, Duration>,
    }

    impl<F: Fn(&[SourceId]) -> BTreeMap<SourceId, f64>> World<F> {
        fn run(self, left: u64) -> Result {
            let mut gain = Gain::default();
            let (mut totals, mut until) = (BTreeMap::new(), BTreeMap::new());
            let mut result = Result::default();
            let step = Duration::from_millis(250);
            for tick in 1..80 {
                let now = step * tick;
                let helping = now > self.from;
                let working: Vec<SourceId> = std::iter::once(OWN)
                    .chain(self.helpers.iter().copied().filter(|_| helping))
                    .filter(|id| until.get(id).is_none_or(|until| now >= *until))
                    .filter(|id| !result.released.contains(id))
                    .collect();
                let rates = (self.rates)(&working);
                let mut seen = Vec::new();
                for id in std::iter::once(OWN).chain(self.helpers.iter().copied()) {
                    if result.released.contains(&id) {
                        continue;
                    }
                    let rate = rates.get(&id).copied().unwrap_or(0.0);
                    let total = totals.entry(id).or_insert(0_u64);
                    *total += (rate * step.as_secs_f64()) as u64;
                    if helping && !working.contains(&id) {
                        *result.paused.entry(id).or_default() += step;
                    }
                    seen.push(Seen { id, total: *total, rate });
                }
                for order in gain.look(&seen, left, now) {
                    match order {
                        GainOrder::Pause { sources, until: end } => {
                            until.extend(sources.into_iter().map(|id| (id, end)));
                        }
                        GainOrder::GoOn { sources } => until.retain(|id, _| !sources.contains(id)),
                        GainOrder::Release { sources } => {
                            result.released = sources;
                            result.at = now;
                        }
                    }
                }
            }
            result
        }
    }

    fn shared(limit: f64) -> impl Fn(&[SourceId]) -> BTreeMap<SourceId, f64> {
        move |working| working.iter().map(|id| (*id, limit / working.len() as f64)).collect()
    }

    const HELPERS: [SourceId; 3] = [SourceId(1), SourceId(2), SourceId(3)];
    const MUCH: u64 = 1 << 40;

    #[test]
    fn helpers_behind_the_same_address_are_found_and_released() {
        for from in [0, 5000] {
            let from = Duration::from_millis(from);
            let world = World { rates: shared(2.5e6), helpers: HELPERS.to_vec(), from };
            let result = world.run(MUCH);
            assert_eq!(result.released, HELPERS, "from {from:?}");
            assert!(result.at - from < Duration::from_secs(7), "{:?}", result.at);
        }
    }

    #[test]
    fn helpers_with_addresses_of_their_own_stay_and_the_question_costs_a_pause() {
        let each = |working: &[SourceId]| working.iter().map(|id| (*id, 2.5e6)).collect();
        let world = World { rates: each, helpers: HELPERS.to_vec(), from: Duration::ZERO };
        let result = world.run(MUCH);
        assert!(result.released.is_empty());
        assert!(result.paused.values().sum::<Duration>() <= PAUSE + Duration::from_millis(250));
        let from = Duration::from_secs(3);
        let result = World { rates: each, helpers: HELPERS.to_vec(), from }.run(MUCH);
        assert!(result.released.is_empty() && result.paused.is_empty(), "{result:?}");
    }

    #[test]
    fn only_those_behind_the_same_address_are_released() {
        let rates = |working: &[SourceId]| {
            let sharing = working.iter().filter(|id| **id == OWN || **id == SourceId(1)).count();
            let rate = |id: &SourceId| match id.0 {
                0 | 1 => 2.5e6 / sharing as f64,
                _ => 2.5e6,
            };
            working.iter().map(|id| (*id, rate(id))).collect()
        };
        let world = World { rates, helpers: HELPERS.to_vec(), from: Duration::ZERO };
        assert_eq!(world.run(MUCH).released, [SourceId(1)]);
    }

    #[test]
    fn helpers_that_fill_the_lan_stay() {
        // The LAN carries 10 MB/s; this device gets 2 from the origin, each helper up to 5.
        let rates = |working: &[SourceId]| {
            let wish = |id: &SourceId| if *id == OWN { 2e6 } else { 5e6 };
            let all: f64 = working.iter().map(wish).sum();
            let scale = (10e6 / all).min(1.0);
            working.iter().map(|id| (*id, wish(id) * scale)).collect()
        };
        let world = World { rates, helpers: HELPERS.to_vec(), from: Duration::ZERO };
        assert!(world.run(MUCH).released.is_empty());
    }

    #[test]
    fn nothing_is_tried_for_what_is_nearly_over() {
        let world = World { rates: shared(2.5e6), helpers: HELPERS.to_vec(), from: Duration::ZERO };
        assert!(world.run(10_000_000).paused.is_empty());
    }
}
