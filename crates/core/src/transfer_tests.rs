//! The scheduler against a small world in which bytes flow at given rates.

use proptest::prelude::*;

use super::*;

const STEP: Duration = Duration::from_millis(50);

/// One connection as the world sees it: where it is, where it ends.
struct Flow {
    source: SourceId,
    at: u64,
    end: u64,
}

struct World {
    transfer: Transfer,
    now: Duration,
    next: u64,
    flows: BTreeMap<LeaseId, Flow>,
    /// Bytes a second of a source, over all its connections, and the most of one of them.
    rates: BTreeMap<SourceId, (f64, f64)>,
    received: RangeSet,
    requests: u32,
}

impl World {
    fn new(length: u64, rates: &[(f64, f64)], lanes: u8) -> Self {
        let mut world = Self {
            transfer: Transfer::ranged([ByteRange::from_len(0, length)]),
            now: Duration::from_secs(1),
            next: 1,
            flows: BTreeMap::new(),
            rates: BTreeMap::new(),
            received: RangeSet::new(),
            requests: 0,
        };
        for (i, rate) in rates.iter().enumerate() {
            let id = SourceId(i as u16);
            world.rates.insert(id, *rate);
            world.transfer.add_source(id, Source::new(lanes, world.now));
        }
        world
    }

    fn obey(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Fetch { lease, source, range } => {
                    self.requests += 1;
                    assert!(!range.is_empty());
                    assert_eq!(self.received.len_within(range), 0, "{range} was received already");
                    for flow in self.flows.values() {
                        let other = ByteRange::new(flow.at, flow.end).unwrap();
                        assert_eq!(other.intersection(range), None, "{range} is leased twice");
                    }
                    self.flows.insert(lease, Flow { source, at: range.start(), end: range.end() });
                }
                Order::Cut { lease, to } => {
                    let flow = self.flows.get_mut(&lease).unwrap();
                    flow.end = to.clamp(flow.at, flow.end);
                    let (end, now) = (flow.end, self.now);
                    let order = self.transfer.record_cut(lease, end, now, &mut self.next);
                    self.obey(order.into_iter().collect());
                }
                Order::Stop { lease } => self.end(lease),
            }
        }
    }

    fn end(&mut self, lease: LeaseId) {
        let flow = self.flows.remove(&lease).unwrap();
        self.transfer.record_end(lease, flow.at, self.now);
    }

    /// Lets bytes flow for one step.
    fn step(&mut self) {
        self.now += STEP;
        let mut ended = Vec::new();
        for (source, (all, each)) in self.rates.clone() {
            let count = self.flows.values().filter(|flow| flow.source == source).count() as f64;
            let bytes = ((all / count).min(each) * STEP.as_secs_f64()) as u64;
            for (lease, flow) in self.flows.iter_mut().filter(|(_, flow)| flow.source == source) {
                let range = ByteRange::new(flow.at, (flow.at + bytes).min(flow.end)).unwrap();
                assert_eq!(self.received.len_within(range), 0, "{range} came twice");
                self.received.insert(range);
                flow.at = range.end();
                self.transfer.record_progress(*lease, flow.at, self.now);
                if flow.at == flow.end {
                    ended.push(*lease);
                }
            }
        }
        ended.into_iter().for_each(|lease| self.end(lease));
        let orders = self.transfer.plan(self.now, &mut self.next);
        self.obey(orders);
    }

    /// Lets it run to the end; the seconds that it took.
    fn run(&mut self, length: u64) -> f64 {
        let begin = self.now;
        let orders = self.transfer.plan(self.now, &mut self.next);
        self.obey(orders);
        while self.received.len() < length {
            self.step();
            assert!(self.now - begin < Duration::from_secs(3600), "does not end");
        }
        assert!(self.flows.is_empty() && self.transfer.left() == 0);
        (self.now - begin).as_secs_f64()
    }
}

const MB: f64 = 1e6;

#[test]
fn sources_of_different_throughput_end_together() {
    let length = 300 << 20;
    let mut world = World::new(
        length,
        &[(2.5 * MB, 1e9), (1.25 * MB, 1e9), (0.6 * MB, 1e9), (5.0 * MB, 1e9)],
        1,
    );
    let ideal = length as f64 / (9.35 * MB);
    let took = world.run(length);
    assert!(took < ideal / 0.97, "took {took:.1} s, ideal {ideal:.1} s");
    assert!(world.requests < 60, "{} requests", world.requests);
}

#[test]
fn a_limit_per_connection_is_met_with_more_connections() {
    let length = 100 << 20;
    let mut world = World::new(length, &[(20.0 * MB, 1.0 * MB)], 8);
    let took = world.run(length);
    assert!(took < length as f64 / (8.0 * MB) + 8.0, "took {took:.1} s");
}

#[test]
fn one_connection_alone_asks_once() {
    let length = 100 << 20;
    let mut world = World::new(length, &[(10.0 * MB, 1e9)], 1);
    world.run(length);
    assert_eq!(world.requests, 1);
}

#[test]
fn a_source_that_falls_silent_loses_its_bytes_to_the_others() {
    let length = 60 << 20;
    let mut world = World::new(length, &[(2.0 * MB, 1e9), (8.0 * MB, 1e9)], 1);
    let orders = world.transfer.plan(world.now, &mut world.next);
    world.obey(orders);
    for _ in 0..40 {
        world.step();
    }
    world.rates.insert(SourceId(1), (0.0, 0.0));
    let took = world.run(length);
    let rest = (length as f64 - 2.0 * 10.0 * MB) / (2.0 * MB);
    assert!(took < rest + 3.0, "took {took:.1} s of {rest:.1}");
}

#[test]
fn a_lost_lease_is_free_at_once() {
    let mut world = World::new(10 << 20, &[(MB, 1e9)], 1);
    let orders = world.transfer.plan(world.now, &mut world.next);
    world.obey(orders);
    world.step();
    let lease = *world.flows.keys().next().unwrap();
    let at = world.flows[&lease].at;
    world.end(lease);
    assert_eq!(
        world.transfer.free.iter().collect::<Vec<_>>(),
        [ByteRange::new(at, 10 << 20).unwrap()]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The world asserts at each step that no byte is leased or received twice.
    #[test]
    fn whatever_breaks_the_download_ends_and_no_byte_comes_twice(
        length in 1_u64..80 << 20,
        rates in prop::collection::vec((1e5..2e7, 1e5..1e7), 1..5),
        lanes in 1_u8..9,
        events in prop::collection::vec((1_usize..60, 0_usize..5, 0_u8..3), 0..12),
    ) {
        let mut world = World::new(length, &rates, lanes);
        let orders = world.transfer.plan(world.now, &mut world.next);
        world.obey(orders);
        for (steps, which, what) in events {
            for _ in 0..steps {
                if world.received.len() < length { world.step(); }
            }
            let id = SourceId((which % rates.len()) as u16);
            match what {
                0 => { world.rates.insert(id, (0.0, 0.0)); }
                1 => { world.rates.insert(id, rates[usize::from(id.0)]); }
                _ => {
                    if let Some(lease) = world.flows.iter().find(|(_, f)| f.source == id).map(|(l, _)| *l) {
                        world.end(lease);
                        let now = world.now;
                        world.transfer.source_mut(id).unwrap().back_off(now, false, 0.5);
                    }
                }
            }
        }
        for (i, rate) in rates.iter().enumerate() {
            world.rates.insert(SourceId(i as u16), *rate);
        }
        if world.received.len() < length {
            world.run(length);
        }
        prop_assert_eq!(world.received.len(), length);
    }
}
