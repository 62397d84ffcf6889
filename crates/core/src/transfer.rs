//! Decides which source fetches which bytes next.
//!
//! Every byte of the file is in one place: *free* (nobody fetches it), in one *lease*, or received. A lease is a run of
//! bytes that one connection fetches in one request; its end can be cut while it runs. An idle connection takes a lease
//! from the free bytes, or, when there are none, steals the tail of the lease that would end last, so much that both end
//! together. A cut is carried out by the shell, which knows how far the bytes have come, and reported back as a fact: only
//! then is the tail leased again.
//!
//! Invariant: no byte is leased twice at the same time, and none that was received is leased again.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::help::Seen;
use crate::meter::Meter;
use crate::source::Source;
use crate::{ByteRange, LeaseId, RangeSet, SourceId};

/// A lease is at most this much work for its connection.
const LONGEST_LEASE: Duration = Duration::from_secs(20);
/// … and at least so much, unless less is left.
const SHORTEST_LEASE: Duration = Duration::from_millis(500);
const SMALLEST_LEASE: u64 = 256 << 10;
/// What a connection whose throughput nobody knows is trusted with.
const UNKNOWN_RATE: f64 = 1e6;
const UNKNOWN_LEASE: Duration = Duration::from_secs(2);
/// A tail smaller than this is not worth a request.
const SMALLEST_STEAL: u64 = 64 << 10;
/// Time that a theft must save. More where both connections share a server's limit, since the other would speed up.
const STEAL_GAIN: Duration = Duration::from_millis(150);
const STEAL_GAIN_SAME_SOURCE: Duration = Duration::from_secs(1);
/// A lease without a byte for so long is counted as standing still.
const SILENCE: Duration = Duration::from_secs(2);
/// A lease that fell silent for so long is given up, and its rest asked for anew …
const STALL: Duration = Duration::from_secs(10);
/// … and one that has not begun after so long: some servers think for a while.
const STALL_BEFORE_FIRST_BYTE: Duration = Duration::from_secs(30);

/// What the shell must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Fetch {
        lease: LeaseId,
        source: SourceId,
        range: ByteRange,
    },
    /// Let the lease end at `to`, or where it has got to if that is later; answered by a cut fact.
    Cut {
        lease: LeaseId,
        to: u64,
    },
    Stop {
        lease: LeaseId,
    },
}

/// One lease.
#[derive(Clone, Debug)]
pub struct Lease {
    pub source: SourceId,
    range: ByteRange,
    /// Received up to here.
    at: u64,
    since: Duration,
    last_byte: Duration,
    meter: Meter,
    /// The source that waits for the tail of a cut.
    cut_for: Option<SourceId>,
    stopping: bool,
    /// It was stopped without a failure: its source pauses, or goes on in another way.
    paused: bool,
}

/// How a lease was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedLease {
    pub source: SourceId,
    /// Whether it brought anything.
    pub brought: bool,
    /// Whether it was stopped because its source pauses, or goes on in another way: that is nobody's failure.
    pub paused: bool,
}

/// The running part of one download: sources, leases and what is free.
#[derive(Clone, Debug, Default)]
pub struct Transfer {
    free: RangeSet,
    leases: BTreeMap<LeaseId, Lease>,
    sources: BTreeMap<SourceId, Source>,
    /// The origin cannot be asked for ranges: one lease for everything.
    whole: bool,
}

impl Transfer {
    /// Ranges can be asked for; `missing` is what nobody has brought yet.
    #[must_use]
    pub fn ranged(missing: impl IntoIterator<Item = ByteRange>) -> Self {
        Self { free: missing.into_iter().collect(), ..Self::default() }
    }

    /// One stream from the beginning to wherever it ends.
    #[must_use]
    pub fn whole(length: Option<u64>) -> Self {
        let everything = ByteRange::from_len(0, length.unwrap_or(u64::MAX));
        Self { free: [everything].into_iter().collect(), whole: true, ..Self::default() }
    }

    /// The first answer says how long the file is and whether ranges work; its own body ends at `end`.
    pub fn record_first_answer(
        &mut self,
        id: LeaseId,
        end: Option<u64>,
        length: Option<u64>,
        now: Duration,
    ) {
        let Some(lease) = self.leases.get_mut(&id) else { return };
        lease.since = now;
        lease.last_byte = now;
        self.free = RangeSet::new();
        if let Some(length) = length {
            let (kept, rest) = ByteRange::from_len(0, length).split_at(end.unwrap_or(length));
            lease.range = kept;
            self.free.insert(rest);
            self.whole = false;
        }
    }

    pub fn add_source(&mut self, id: SourceId, source: Source) {
        self.sources.insert(id, source);
    }

    /// Takes a source away; its leases are stopped, and what they do not bring is free again.
    pub fn remove_source(&mut self, id: SourceId) -> Vec<Order> {
        self.sources.remove(&id);
        self.stop_leases(id)
    }

    fn stop_leases(&mut self, id: SourceId) -> Vec<Order> {
        let running =
            self.leases.iter_mut().filter(|(_, lease)| lease.source == id && !lease.stopping);
        running
            .map(|(id, lease)| {
                lease.stopping = true;
                Order::Stop { lease: *id }
            })
            .collect()
    }

    #[must_use]
    pub fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(&id)
    }

    pub fn source_mut(&mut self, id: SourceId) -> Option<&mut Source> {
        self.sources.get_mut(&id)
    }

    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    #[must_use]
    pub fn has_leases(&self) -> bool {
        !self.leases.is_empty()
    }

    /// Connections of this source at work.
    #[must_use]
    pub fn busy(&self, id: SourceId) -> u8 {
        self.leases.values().filter(|lease| lease.source == id).count().min(255) as u8
    }

    #[must_use]
    pub fn source_of(&self, lease: LeaseId) -> Option<SourceId> {
        self.leases.get(&lease).map(|lease| lease.source)
    }

    /// Bytes a second of this source.
    #[must_use]
    pub fn rate(&self, id: SourceId, now: Duration) -> f64 {
        self.sources.get(&id).and_then(|source| source.meter.rate(now)).unwrap_or(0.0)
    }

    #[must_use]
    pub fn total_rate(&self, now: Duration) -> f64 {
        self.sources.values().filter_map(|source| source.meter.rate(now)).sum()
    }

    /// All sources as they are now.
    pub fn sources(&self, now: Duration) -> impl Iterator<Item = Seen> {
        self.sources.iter().map(move |(id, source)| Seen {
            id: *id,
            total: source.meter.total(),
            rate: source.meter.rate(now).unwrap_or(0.0),
        })
    }

    /// Gives a source no work until then; what it is at is stopped.
    pub fn pause(&mut self, id: SourceId, until: Duration) -> Vec<Order> {
        if let Some(source) = self.sources.get_mut(&id) {
            source.pause(until);
        }
        self.interrupt(id)
    }

    /// Stops what a source is at, which is nobody's failure; it may be asked again at once.
    pub fn interrupt(&mut self, id: SourceId) -> Vec<Order> {
        for lease in self.leases.values_mut().filter(|lease| lease.source == id) {
            lease.paused = true;
        }
        self.stop_leases(id)
    }

    /// Bytes of a lease have come, up to `up_to`. Returns how many are new.
    pub fn record_progress(&mut self, id: LeaseId, up_to: u64, now: Duration) -> u64 {
        let Some(lease) = self.leases.get_mut(&id) else { return 0 };
        let bytes = up_to.clamp(lease.at, lease.range.end()) - lease.at;
        if bytes > 0 {
            let first = lease.at == lease.range.start();
            lease.at += bytes;
            lease.last_byte = now;
            lease.meter.record(now, bytes);
            if let Some(source) = self.sources.get_mut(&lease.source) {
                source.meter.record(now, bytes);
                source.record_success();
                if first {
                    source.record_first_byte(now.saturating_sub(lease.since));
                }
            }
        }
        bytes
    }

    /// The shell has cut a lease; its tail is free again, or goes to the source that the cut was made for.
    pub fn record_cut(
        &mut self,
        id: LeaseId,
        actual_end: u64,
        now: Duration,
        next: &mut u64,
    ) -> Option<Order> {
        let lease = self.leases.get_mut(&id)?;
        let (kept, tail) = lease.range.split_at(actual_end.max(lease.at));
        lease.range = kept;
        let thief = lease.cut_for.take();
        let ready = thief
            .filter(|thief| self.sources.get(thief).is_some_and(|source| source.is_ready(now)));
        match ready {
            Some(thief) if !tail.is_empty() => Some(self.lease(thief, tail, now, next)),
            _ => {
                self.free.insert(tail);
                None
            }
        }
    }

    /// A lease has ended at `up_to`; what it did not bring is free at once.
    ///
    /// `None` for a lease that is not known.
    pub fn record_end(&mut self, id: LeaseId, up_to: u64, now: Duration) -> Option<EndedLease> {
        self.record_progress(id, up_to, now);
        let lease = self.leases.remove(&id)?;
        let (brought, rest) = lease.range.split_at(lease.at);
        if self.whole {
            self.free = RangeSet::new();
        } else {
            self.free.insert(rest);
        }
        let (source, paused) = (lease.source, lease.paused);
        Some(EndedLease { source, brought: !brought.is_empty(), paused })
    }

    /// All leases, to be stopped.
    pub fn stop_all(&mut self) -> Vec<Order> {
        let running = self.leases.iter_mut().filter(|(_, lease)| !lease.stopping);
        running
            .map(|(id, lease)| {
                lease.stopping = true;
                Order::Stop { lease: *id }
            })
            .collect()
    }

    /// Gives idle connections work. Call after every fact and every 250 ms.
    pub fn plan(&mut self, now: Duration, next: &mut u64) -> Vec<Order> {
        let mut orders = Vec::new();
        if !self.whole {
            self.give_up_on_stalled(now, &mut orders);
        }
        let left = self.left();
        for id in self.sources.keys().copied().collect::<Vec<_>>() {
            let busy = self.busy(id);
            if let Some(source) = self.sources.get_mut(&id) {
                source.grow(now, busy, left);
            }
            while self.has_free_lane(id, now) {
                if let Some(range) = self.choose_free(id, now) {
                    self.free.remove(range);
                    orders.push(self.lease(id, range, now, next));
                } else if let Some(order) = self.steal(id, now) {
                    orders.push(order);
                } else {
                    break;
                }
            }
        }
        orders
    }

    fn lease(
        &mut self,
        source: SourceId,
        range: ByteRange,
        now: Duration,
        next: &mut u64,
    ) -> Order {
        let id = LeaseId(*next);
        *next += 1;
        let mut meter = Meter::default();
        meter.start(now);
        if let Some(source) = self.sources.get_mut(&source) {
            source.meter.start(now);
        }
        let at = range.start();
        let lease = Lease {
            source,
            range,
            at,
            since: now,
            last_byte: now,
            meter,
            cut_for: None,
            stopping: false,
            paused: false,
        };
        self.leases.insert(id, lease);
        Order::Fetch { lease: id, source, range }
    }

    /// Bytes that nobody has brought yet.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.free.len()
            + self.leases.values().map(|lease| lease.range.end() - lease.at).sum::<u64>()
    }

    fn has_free_lane(&self, id: SourceId, now: Duration) -> bool {
        let waiting = self.leases.values().filter(|lease| lease.cut_for == Some(id)).count();
        self.sources.get(&id).is_some_and(|source| {
            source.is_ready(now)
                && usize::from(self.busy(id)) + waiting < usize::from(source.lanes())
        })
    }

    /// What one connection of this source carries, as far as anybody can tell.
    fn lane_rate(&self, id: SourceId, now: Duration) -> Option<f64> {
        let known = |id: SourceId| {
            let rate = self.sources.get(&id)?.meter.rate(now).filter(|rate| *rate > 0.0)?;
            Some(rate / f64::from(self.busy(id).max(1)))
        };
        known(id).or_else(|| {
            let others: Vec<f64> = self.sources.keys().filter_map(|id| known(*id)).collect();
            (!others.is_empty()).then(|| others.iter().sum::<f64>() / others.len() as f64)
        })
    }

    /// How many bytes a new lease of this source should have: an even share of half of what is left, so that leases get
    /// smaller towards the end (guided self-scheduling), within bounds of time.
    fn lease_bytes(&self, id: SourceId, now: Duration) -> u64 {
        if self.sources.get(&id).is_some_and(Source::is_doubtful) {
            return SMALLEST_LEASE;
        }
        let Some(rate) = self.lane_rate(id, now) else {
            return (UNKNOWN_RATE * UNKNOWN_LEASE.as_secs_f64()) as u64;
        };
        let share = self.left() as f64 / 2.0 / self.total_rate(now).max(rate);
        let seconds = share.clamp(SHORTEST_LEASE.as_secs_f64(), LONGEST_LEASE.as_secs_f64());
        ((rate * seconds) as u64).max(SMALLEST_LEASE)
    }

    fn choose_free(&self, id: SourceId, now: Duration) -> Option<ByteRange> {
        let gap = self.free.iter().max_by_key(|gap| (gap.len(), std::cmp::Reverse(gap.start())))?;
        let lanes: usize = self.sources.values().map(|source| usize::from(source.lanes())).sum();
        if self.whole || lanes == 1 {
            // Nobody to share with. Should somebody come, the tail can be stolen.
            return Some(gap);
        }
        let wanted = self.lease_bytes(id, now);
        let (lease, rest) = gap.split_at(gap.start().saturating_add(wanted));
        Some(if rest.len() < SMALLEST_LEASE { gap } else { lease })
    }

    fn steal(&mut self, thief: SourceId, now: Duration) -> Option<Order> {
        if self.whole || self.sources.get(&thief).is_none_or(Source::is_doubtful) {
            return None;
        }
        let thief_rate = self.lane_rate(thief, now).unwrap_or(UNKNOWN_RATE).max(1.0);
        let latency = self.sources.get(&thief)?.latency().as_secs_f64();
        let most = self.lease_bytes(thief, now);
        let seconds_left = |lease: &Lease| {
            (lease.range.end() - lease.at) as f64 / self.rate_of(lease, now).max(1.0)
        };
        let (id, victim) = self
            .leases
            .iter()
            .filter(|(_, lease)| {
                !lease.stopping && lease.cut_for.is_none() && lease.range.end() > lease.at
            })
            .max_by(|a, b| seconds_left(a.1).total_cmp(&seconds_left(b.1)))?;
        let (id, rate, left) =
            (*id, self.rate_of(victim, now).max(1.0), victim.range.end() - victim.at);
        let alone = left as f64 / rate;
        let even =
            ((alone - latency) / (1.0 / rate + 1.0 / thief_rate)).clamp(0.0, left as f64) as u64;
        let tail = even.min(most);
        let together = ((left - tail) as f64 / rate).max(latency + tail as f64 / thief_rate);
        let gain = if victim.source == thief { STEAL_GAIN_SAME_SOURCE } else { STEAL_GAIN };
        if tail < SMALLEST_STEAL.min(left) || alone - together < gain.as_secs_f64() {
            return None;
        }
        let to = victim.range.end() - tail;
        let still = victim.source != thief && self.rate_of(victim, now) == 0.0;
        let victim = self.leases.get_mut(&id)?;
        if still || left - tail < SMALLEST_STEAL.min(left) {
            // Nothing is to be left behind with it.
            victim.stopping = true;
            return Some(Order::Stop { lease: id });
        }
        victim.cut_for = Some(thief);
        Some(Order::Cut { lease: id, to })
    }

    fn rate_of(&self, lease: &Lease, now: Duration) -> f64 {
        if now.saturating_sub(lease.last_byte) >= SILENCE {
            return 0.0;
        }
        match lease.meter.rate(now) {
            Some(rate) if rate > 0.0 => rate,
            _ => self.lane_rate(lease.source, now).unwrap_or(UNKNOWN_RATE),
        }
    }

    fn give_up_on_stalled(&mut self, now: Duration, orders: &mut Vec<Order>) {
        for (id, lease) in &mut self.leases {
            let begun = lease.at > lease.range.start();
            let patience = if begun { STALL } else { STALL_BEFORE_FIRST_BYTE };
            if !lease.stopping && now.saturating_sub(lease.last_byte) >= patience {
                lease.stopping = true;
                if let Some(source) = self.sources.get_mut(&lease.source) {
                    source.record_stall();
                }
                orders.push(Order::Stop { lease: *id });
            }
        }
    }
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
