//! Whether helpers bring anything that this device does not get without them.
//!
//! What an origin gives one address, everybody behind that address shares: helpers in the same home network as the
//! requester take from it what they bring. Nobody knows from where an origin sees whom, so it is measured, by letting
//! somebody pause for a moment:
//!
//! 1. Do helpers get faster when this device stops asking the origin? Then they share something with it. This costs its own
//!    share of a second. Where everything together got faster by about what the helpers bring when they came, the
//!    question is answered already.
//! 2. When those helpers pause, do the others bring what they brought? Then nothing is lost without them. Where they are
//!    missed (the LAN is what was shared), that is seen within a few tenths of a second, and they go on.
//! 3. When they go on, do the others get slower again? Only then are they let go: a line that happened to become faster is
//!    no proof.
//!
//! Connections that begin again on a busy machine need longer than a warm-up: a no to the second and third question that may
//! come from that is measured once more, from then on, before it counts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::SourceId;

/// New helpers are looked at when they have brought bytes for so long; what was there before them counts when it was so for
/// as long.
const SETTLED: Duration = Duration::from_millis(2000);
/// Nothing is tried for what would be over sooner than this.
const WORTH_TRYING: Duration = Duration::from_secs(8);
/// After somebody has paused or gone on, throughput is counted from here …
const WARM_UP: Duration = Duration::from_millis(700);
/// … to here.
const PAUSE: Duration = Duration::from_millis(1400);
/// Should nobody look when it is over, whoever pauses goes on by itself after so much more.
const SPARE: Duration = Duration::from_secs(1);
/// In the second question a clear no is taken after so much of it.
const CLEAR: Duration = Duration::from_millis(300);
/// Everything together got faster by this part of what the helpers bring: they bring something.
const ADDED: f64 = 0.5;
/// Helpers took so much of what this device left: something is shared.
const TAKEN: f64 = 0.35;
/// The others brought so much of what the paused helpers had brought: these are not missed.
const REPLACED: f64 = 0.6;
/// … and when they bring no more than this, that is a clear no.
const MISSED: f64 = 0.3;
/// The others lost so much of that again when the helpers went on: it was no accident.
const LOST_AGAIN: f64 = 0.5;
/// Helpers who bring less than this part of what the others bring are not judged: it would drown in what varies anyway.
const TOO_LITTLE: f64 = 0.15;
/// Much can change in a long download, lanes and lines: it is looked at once more after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
const LOOKS: u8 = 2;

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
    /// What came in all while there was no helper that is not known to bring something, and since when that has been so.
    base: Option<(Duration, f64)>,
    /// When each helper brought its first byte.
    since: BTreeMap<SourceId, Duration>,
    /// Those that bring something: when that was found last, and how often.
    cleared: BTreeMap<SourceId, (Duration, u8)>,
    trial: Option<Trial>,
}

#[derive(Debug)]
struct Trial {
    question: Question,
    began: Duration,
    /// The rates before.
    before: BTreeMap<SourceId, f64>,
    /// The totals at the end of the warm-up, and when that was.
    mark: Option<(Duration, BTreeMap<SourceId, u64>)>,
    suspects: Vec<SourceId>,
    /// This device has just gone on, too: it is still getting faster.
    own_resumed: bool,
    /// When it is answered.
    ends: Duration,
    /// It is measured for the second time.
    again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Question {
    /// This device pauses.
    First,
    /// The suspects pause.
    Second,
    /// They go on; `gained` is what the others had gained.
    Third { gained: f64 },
}

impl Gain {
    /// Looks at the sources; call some times a second while the download fetches. `left`: bytes that nobody has brought yet.
    pub fn look(&mut self, sources: &[Seen], left: u64, now: Duration) -> Vec<GainOrder> {
        let Some(own) = sources.iter().find(|source| source.id == SourceId::ORIGIN) else {
            return Vec::new();
        };
        let is_here = |id: &SourceId| sources.iter().any(|source| source.id == *id);
        self.since.retain(|id, _| is_here(id));
        self.cleared.retain(|id, _| is_here(id));
        if let Some(trial) = self.trial.take() {
            return self.go_on(trial, sources, now);
        }
        for helper in sources.iter().filter(|s| s.id != SourceId::ORIGIN && s.rate > 0.0) {
            self.since.entry(helper.id).or_insert(now);
        }
        let total: f64 = sources.iter().map(|source| source.rate).sum();
        let long = |seconds: Duration| left as f64 >= total * seconds.as_secs_f64();
        let new: Vec<SourceId> =
            self.since.keys().filter(|id| !self.cleared.contains_key(id)).copied().collect();
        if new.is_empty() {
            let since = self.base.map_or(now, |(since, _)| since);
            self.base = Some((since, total));
            let again = |(at, looks): &(Duration, u8)| *looks < LOOKS && now >= *at + LOOK_AGAIN;
            if own.rate > 0.0 && long(LOOK_AGAIN) && self.cleared.values().any(again) {
                return vec![self.begin(Question::First, Vec::new(), sources, now)];
            }
            return Vec::new();
        }
        let settled = self.since.values().all(|since| now >= *since + SETTLED);
        if !settled || own.rate <= 0.0 || !long(WORTH_TRYING) {
            return Vec::new();
        }
        let came = new.iter().filter_map(|id| self.since.get(id)).min().copied().unwrap_or(now);
        let base = self.base.filter(|(since, _)| came >= *since + SETTLED).map(|(_, base)| base);
        let brought: f64 =
            sources.iter().filter(|source| new.contains(&source.id)).map(|s| s.rate).sum();
        match base {
            Some(base) if total - base >= brought * ADDED => {
                self.clear(new, now);
                Vec::new()
            }
            // Everything together is hardly faster than before they came: that question is answered, too.
            Some(_) => vec![self.begin(Question::Second, new, sources, now)],
            None => vec![self.begin(Question::First, Vec::new(), sources, now)],
        }
    }

    /// These bring something, as far as anybody can tell now.
    fn clear(&mut self, helpers: impl IntoIterator<Item = SourceId>, now: Duration) {
        for id in helpers {
            let (at, looks) = self.cleared.entry(id).or_insert((now, 0));
            *at = now;
            *looks = looks.saturating_add(1);
        }
        self.base = None;
    }

    fn begin(
        &mut self,
        question: Question,
        suspects: Vec<SourceId>,
        sources: &[Seen],
        now: Duration,
    ) -> GainOrder {
        let order = match question {
            Question::First => {
                let until = now + PAUSE + SPARE;
                GainOrder::Pause { sources: vec![SourceId::ORIGIN], until }
            }
            Question::Second => {
                GainOrder::Pause { sources: suspects.clone(), until: now + PAUSE + SPARE }
            }
            Question::Third { .. } => GainOrder::GoOn { sources: suspects.clone() },
        };
        let before = sources.iter().map(|source| (source.id, source.rate)).collect();
        self.trial = Some(Trial {
            question,
            began: now,
            before,
            mark: None,
            suspects,
            own_resumed: false,
            ends: now + PAUSE,
            again: false,
        });
        order
    }

    /// Measures a question once more, from here on.
    fn measure_again(
        &mut self,
        mut trial: Trial,
        totals: BTreeMap<SourceId, u64>,
        now: Duration,
    ) -> Vec<GainOrder> {
        trial.mark = Some((now, totals));
        trial.ends = now + (PAUSE - WARM_UP);
        trial.again = true;
        let order = GainOrder::Pause { sources: trial.suspects.clone(), until: trial.ends + SPARE };
        let pauses = trial.question == Question::Second;
        self.trial = Some(trial);
        if pauses { vec![order] } else { Vec::new() }
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
        let over = now >= trial.ends;
        let seconds = now.saturating_sub(*marked).as_secs_f64().max(0.001);
        let measured: Vec<Seen> = sources
            .iter()
            .map(|s| {
                let bytes = s.total.saturating_sub(mark.get(&s.id).copied().unwrap_or(s.total));
                Seen { rate: bytes as f64 / seconds, ..*s }
            })
            .collect();
        let before = |id: SourceId| trial.before.get(&id).copied().unwrap_or_default();
        match trial.question {
            Question::First if over => {
                let resume = GainOrder::GoOn { sources: vec![SourceId::ORIGIN] };
                let helpers = measured.iter().filter(|s| s.id != SourceId::ORIGIN);
                let rises: Vec<(SourceId, f64)> =
                    helpers.map(|s| (s.id, s.rate - before(s.id))).collect();
                let taken: f64 = rises.iter().map(|(_, rise)| rise.max(0.0)).sum();
                if taken < before(SourceId::ORIGIN) * TAKEN {
                    self.clear(rises.into_iter().map(|(id, _)| id), now);
                    return vec![resume];
                }
                let even = taken / rises.len().max(1) as f64;
                let suspects =
                    rises.iter().filter(|(_, rise)| *rise >= even / 2.0).map(|(id, _)| *id);
                let suspects = suspects.collect();
                // Measured against all of them at work.
                let seen: Vec<_> =
                    sources.iter().map(|s| Seen { rate: before(s.id), ..*s }).collect();
                let pause = self.begin(Question::Second, suspects, &seen, now);
                if let Some(trial) = &mut self.trial {
                    trial.own_resumed = true;
                }
                vec![resume, pause]
            }
            Question::Second => {
                let is_suspect = |s: &&Seen| trial.suspects.contains(&s.id);
                let missing: f64 = trial.suspects.iter().map(|id| before(*id)).sum();
                let others = measured.iter().filter(|s| !is_suspect(s));
                let (mut gained, mut had) = (0.0, 0.0);
                for other in others {
                    gained += other.rate - before(other.id);
                    had += before(other.id);
                }
                let replaced = gained >= missing * REPLACED && missing >= had * TOO_LITTLE;
                if over && replaced {
                    return vec![self.begin(
                        Question::Third { gained },
                        trial.suspects,
                        &measured,
                        now,
                    )];
                }
                let small = gained < missing * MISSED;
                let clear = !trial.own_resumed && now >= *marked + CLEAR && small;
                if over && !clear && !trial.again && missing >= had * TOO_LITTLE {
                    return self.measure_again(trial, totals, now);
                }
                if over || clear {
                    let resume = GainOrder::GoOn { sources: trial.suspects.clone() };
                    self.clear(trial.suspects, now);
                    return vec![resume];
                }
                self.trial = Some(trial);
                Vec::new()
            }
            Question::Third { gained } if over => {
                let others = measured.iter().filter(|s| !trial.suspects.contains(&s.id));
                let lost: f64 = others.map(|s| before(s.id) - s.rate).sum();
                if lost >= gained * LOST_AGAIN {
                    self.base = None;
                    return vec![GainOrder::Release { sources: trial.suspects }];
                }
                if !trial.again {
                    return self.measure_again(trial, totals, now);
                }
                self.clear(trial.suspects, now);
                Vec::new()
            }
            Question::First | Question::Third { .. } => {
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
        for (from, count) in [(0, 3), (5000, 3), (0, 1), (5000, 1), (0, 12)] {
            let from = Duration::from_millis(from);
            let helpers: Vec<_> = (1..=count).map(SourceId).collect();
            let world = World { rates: shared(2.5e6), helpers: helpers.clone(), from };
            let result = world.run(MUCH);
            assert_eq!(result.released, helpers, "from {from:?}");
            assert!(result.at - from < Duration::from_secs(9), "{:?}", result.at);
        }
    }

    #[test]
    fn connections_that_are_slow_to_begin_again_hide_nobody_behind_the_same_address() {
        // Whoever goes on gets what is its own only bit by bit, in a second and a half.
        let (since, time) = (std::cell::RefCell::new(BTreeMap::new()), std::cell::Cell::new(0.0));
        let rates = |working: &[SourceId]| {
            time.set(time.get() + 0.25);
            let mut since = since.borrow_mut();
            since.retain(|id, _| working.contains(id));
            let ready = |begun: f64| ((time.get() - begun) / 1.5).clamp(0.1, 1.0);
            let share = 2.5e6 / working.len() as f64;
            let mut rate = |id: &SourceId| share * ready(*since.entry(*id).or_insert(time.get()));
            working.iter().map(|id| (*id, rate(id))).collect::<BTreeMap<_, _>>()
        };
        let world = World { rates, helpers: HELPERS.to_vec(), from: Duration::ZERO };
        let result = world.run(MUCH);
        assert_eq!(result.released, HELPERS);
        assert!(result.at < Duration::from_secs(12), "{:?}", result.at);
    }

    #[test]
    fn one_that_gets_little_behind_the_same_address_is_found_too() {
        // Four connections of this device and one of the helper share what the address gets.
        let rates = |working: &[SourceId]| {
            let weight = |id: &SourceId| if *id == OWN { 4.0 } else { 1.0 };
            let all: f64 = working.iter().map(weight).sum();
            working.iter().map(|id| (*id, 2.5e6 * weight(id) / all)).collect()
        };
        let from = Duration::from_secs(3);
        let world = World { rates, helpers: vec![SourceId(1)], from };
        assert_eq!(world.run(MUCH).released, [SourceId(1)]);
    }

    #[test]
    fn a_line_that_wobbles_releases_nobody() {
        // What this device gets falls by a quarter when the last helper has just come, or swings all the time.
        type Line = fn(f64) -> f64;
        let dips: Line = |seconds| if seconds < 3.5 { 2.5e6 } else { 1.85e6 };
        let swings: Line = |seconds| 2.5e6 * (1.0 + 0.25 * (seconds * 2.1).sin());
        let grows: Line = |seconds| (1e6 + 0.2e6 * seconds).min(4e6);
        for line in [dips, swings, grows] {
            for (from, count) in [(3000, 1), (3000, 12), (0, 1), (0, 3)] {
                let seconds = std::cell::Cell::new(0.0);
                let rates = |working: &[SourceId]| {
                    seconds.set(seconds.get() + 0.25);
                    let rate = |id: &SourceId| if *id == OWN { line(seconds.get()) } else { 2.5e6 };
                    working.iter().map(|id| (*id, rate(id))).collect()
                };
                let helpers = (1..=count).map(SourceId).collect();
                let world = World { rates, helpers, from: Duration::from_millis(from) };
                let result = world.run(MUCH);
                assert!(result.released.is_empty(), "from {from}, {count}: {result:?}");
            }
        }
    }

    #[test]
    fn a_slow_helper_beside_a_fast_line_stays() {
        let rates = |working: &[SourceId]| {
            working.iter().map(|id| (*id, if *id == OWN { 31e6 } else { 3e6 })).collect()
        };
        for from in [0, 4000] {
            let from = Duration::from_millis(from);
            let world = World { rates, helpers: vec![SourceId(1)], from };
            assert!(world.run(MUCH).released.is_empty());
        }
    }

    #[test]
    fn helpers_with_addresses_of_their_own_stay_and_the_question_costs_a_pause() {
        let each = |working: &[SourceId]| working.iter().map(|id| (*id, 2.5e6)).collect();
        let world = World { rates: each, helpers: HELPERS.to_vec(), from: Duration::ZERO };
        let result = world.run(MUCH);
        assert!(result.released.is_empty());
        let pauses = (PAUSE + Duration::from_millis(250)) * u32::from(LOOKS);
        assert!(result.paused.values().sum::<Duration>() <= pauses);
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
