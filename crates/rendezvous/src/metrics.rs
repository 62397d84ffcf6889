//! What is counted, in the text format of Prometheus. Nothing in it tells one client from another.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::store::Sizes;

/// Upper bounds of the delivery times, in milliseconds.
const BUCKETS_MS: [u64; 8] = [10, 50, 100, 250, 500, 1_000, 2_500, 10_000];

macro_rules! counters {
    ($($(#[$label:meta])* $name:ident: $metric:literal, $help:literal;)*) => {
        /// Counters, from the start on.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
            pub(crate) request_times: Histogram,
        }

        impl Counters {
            fn each(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$(($metric, $help, self.$name.value())),*]
            }
        }
    };
}

counters! {
    connections: "connections_total", "TCP connections that were accepted";
    connections_refused: "connections_refused_total", "TCP connections closed at once: there were too many";
    handshakes: "handshakes_total", "TLS handshakes that succeeded";
    handshakes_failed: "handshakes_failed_total", "TLS handshakes that failed or took too long";
    requests: "requests_total", "requests that were answered";
    problems: "problems_total", "requests that were answered with a problem";
    sessions: "sessions_opened_total", "sessions that were opened";
    proofs_refused: "proofs_refused_total", "session requests whose proofs did not hold";
    records: "records_published_total", "presence records that were taken in";
    records_refused: "records_refused_total", "presence records that were refused";
    limited: "limited_total", "requests that were told to come back later, for one asking too often";
    turned_away: "turned_away_total", "requests that were told to come back later, for want of room or time";
    events: "events_sent_total", "events that were sent to readers";
    slow_readers: "slow_readers_total", "streams that were ended: too slow, or replaced by a newer one of the same device";
    rings: "rings_total", "rings that were passed on";
    probes: "probes_total", "probes that were made";
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

/// How long something took.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS_MS.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

/// What is so now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauges {
    pub(crate) sizes: Sizes,
    pub(crate) connections: usize,
    pub(crate) sessions: usize,
    pub(crate) start: Instant,
    pub(crate) draining: bool,
}

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Histogram {
    pub(crate) fn add(&self, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        for (bound, bucket) in BUCKETS_MS.iter().zip(&self.buckets) {
            if ms <= *bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(0), Ordering::Relaxed);
    }

    fn write(&self, name: &str, help: &str, text: &mut String) {
        let _ = writeln!(text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} histogram");
        for (bound, bucket) in BUCKETS_MS.iter().zip(&self.buckets) {
            let (bound, count) = (*bound as f64 / 1e3, bucket.load(Ordering::Relaxed));
            let _ = writeln!(text, "{PREFIX}{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let count = self.count.load(Ordering::Relaxed);
        let sum = self.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(text, "{PREFIX}{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{PREFIX}{name}_sum {sum}\n{PREFIX}{name}_count {count}");
    }
}

const PREFIX: &str = "manyhands_rendezvous_";

/// The page that Prometheus reads.
pub(crate) fn page(counters: &Counters, now: &Gauges) -> String {
    let mut text = String::new();
    for (name, help, value) in counters.each() {
        let _ = writeln!(text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} counter");
        let _ = writeln!(text, "{PREFIX}{name} {value}");
    }
    let took = "time from the head of a request to the head of its answer, long polls left out";
    counters.request_times.write("request_seconds", took, &mut text);
    for (name, help, value) in [
        ("connections", "TCP connections that are open", now.connections),
        ("sessions", "sessions that are valid", now.sessions),
        ("devices", "devices that are present or reading", now.sizes.devices),
        ("groups", "groups with a member or reader", now.sizes.groups),
        ("presences", "presence records that are kept", now.sizes.presences),
        ("streams", "event streams that are open", now.sizes.streams),
        ("polls", "long polls that are waiting", now.sizes.polls),
        ("draining", "1 when the server is about to end", usize::from(now.draining)),
    ] {
        let _ = writeln!(text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} gauge");
        let _ = writeln!(text, "{PREFIX}{name} {value}");
    }
    let uptime = now.start.elapsed().as_secs();
    let _ = writeln!(text, "# HELP {PREFIX}uptime_seconds time since the start");
    let _ = writeln!(text, "# TYPE {PREFIX}uptime_seconds gauge\n{PREFIX}uptime_seconds {uptime}");
    if let Some(bytes) = resident_bytes() {
        let name = "process_resident_memory_bytes";
        let _ = writeln!(text, "# HELP {name} memory in use");
        let _ = writeln!(text, "# TYPE {name} gauge\n{name} {bytes}");
    }
    text
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = status.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(not(target_os = "linux"))]
fn resident_bytes() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_has_a_type_a_help_and_a_name_of_its_own() {
        let counters = Counters::default();
        counters.events.add(3);
        counters.request_times.add(Duration::from_millis(60));
        let (sizes, start) = (Sizes { streams: 7, ..Sizes::default() }, Instant::now());
        let gauges = Gauges { sizes, connections: 9, sessions: 8, start, draining: false };
        let page = page(&counters, &gauges);
        assert!(page.contains("\nmanyhands_rendezvous_events_sent_total 3\n"));
        assert!(page.contains("\nmanyhands_rendezvous_streams 7\n"));
        assert!(page.contains("manyhands_rendezvous_request_seconds_bucket{le=\"0.05\"} 0\n"));
        assert!(page.contains("manyhands_rendezvous_request_seconds_bucket{le=\"0.1\"} 1\n"));
        let of = |kind: &str| {
            let lines = page.lines().filter_map(|line| line.strip_prefix(kind));
            lines.map(|line| line.split(' ').nth(1).unwrap()).collect::<Vec<_>>()
        };
        let (helps, mut types) = (of("# HELP"), of("# TYPE"));
        assert_eq!(helps, types);
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), helps.len());
    }
}
