//! A campus in virtual time around the real core: one requester, an origin, helpers that come and go.
//!
//! The world carries out the core's effects as a perfect shell would and lets bytes flow at given rates; it checks at every step
//! that no byte is fetched by two connections at once and none twice. What comes out is the time that a download took,
//! and how much each source brought. The same seed gives the same run.

#![allow(clippy::expect_used, reason = "a broken world must stop a run")]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use manyhands_core::{
    Accepted, AskState, ByteRange, Core, DownloadId, DownloadSpec, DownloadState, Effect,
    HelpAnswer, HelpMode, Identity, Input, LeaseEnd, LeaseId, Now, PeerId, RangeSet, SourceId,
};
use url::Url;

/// The world goes on in steps of this length.
const STEP: Duration = Duration::from_millis(20);
/// Progress is told as often as the real shell tells it.
const TELL: Duration = Duration::from_millis(100);
/// No run is longer.
const END: Duration = Duration::from_secs(24 * 3600);

/// One supplier of bytes as the world knows it.
#[derive(Clone, Copy, Debug)]
pub struct Supply {
    /// Of all its connections together: the server's limit per address, or this client's line.
    pub bytes_per_s: f64,
    /// Of one connection at most.
    pub per_connection: f64,
    /// From a request to its first byte.
    pub latency: Duration,
    /// For a helper: when it comes online, and when it is gone.
    pub comes: Duration,
    pub goes: Option<Duration>,
    /// For a helper: what it answers, so long after it was asked.
    pub answer: Option<HelpAnswer>,
    pub answers_after: Duration,
}

impl Supply {
    /// A supplier that is there from the start, with one millisecond of latency.
    #[must_use]
    pub fn of(bytes_per_s: f64) -> Self {
        Self {
            bytes_per_s,
            per_connection: f64::INFINITY,
            latency: Duration::from_millis(1),
            comes: Duration::ZERO,
            goes: None,
            answer: Some(HelpAnswer::Accept { budget_bytes: u64::MAX }),
            answers_after: Duration::from_millis(50),
        }
    }
}

/// What became of a download.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub seconds: f64,
    /// The origin's first, then the helpers'.
    pub brought: Vec<u64>,
    /// Cells of the finished file's piece map that each of them brought.
    pub cells: Vec<usize>,
    pub requests: usize,
    /// The longest time in which nothing came.
    pub longest_pause: Duration,
    /// What the helpers had been asked and had said at the end.
    pub help: Vec<AskState>,
}

/// One connection at work.
#[derive(Debug)]
struct Flow {
    supply: usize,
    at: u64,
    end: u64,
    begins: Duration,
    told: Duration,
    /// Waits for the core's word, with the first request.
    held: bool,
}

/// The world and the core in it.
#[derive(Debug)]
pub struct Campus {
    core: Core,
    length: u64,
    supplies: Vec<Supply>,
    flows: BTreeMap<LeaseId, Flow>,
    received: RangeSet,
    /// Written since it was told last.
    written: Vec<(ByteRange, SourceId)>,
    /// Facts that come at a later time.
    later: Vec<(Duration, Input)>,
    now: Duration,
    requests: usize,
}

impl Campus {
    /// A requester whose own way to the origin is `supplies[0]`; the others are helpers.
    #[must_use]
    pub fn new(length: u64, supplies: Vec<Supply>, seed: u64) -> Self {
        Self {
            core: Core::new(Vec::new(), 1, 1, "boot".into(), seed),
            length,
            supplies,
            flows: BTreeMap::new(),
            received: RangeSet::new(),
            written: Vec::new(),
            later: Vec::new(),
            now: Duration::from_secs(1),
            requests: 0,
        }
    }

    /// Downloads the file.
    ///
    /// # Panics
    /// When a byte is fetched twice, or the download fails or does not end.
    #[must_use]
    pub fn run(mut self) -> Outcome {
        let begin = self.now;
        let spec = DownloadSpec {
            url: url(),
            dir: "/files".into(),
            out: None,
            sha256: None,
            headers: Vec::new(),
            max_connections: 8,
        };
        let id = self.core.add(spec, self.time());
        let (mut asked, mut last_byte, mut longest_pause) = (0, self.now, Duration::ZERO);
        let mut help = Vec::new();
        loop {
            self.carry_out();
            match self.core.state(id) {
                Some(DownloadState::Completed) => break,
                Some(DownloadState::Failed(failure)) => panic!("failed: {failure}"),
                _ => help = self.core.help(id).into_iter().map(|(_, _, state)| state).collect(),
            }
            assert!(self.now < END, "does not end: {:?}", self.core.state(id));
            self.now += STEP;
            while let Some(supply) = self.supplies.get(asked + 1)
                && begin + supply.comes <= self.now
            {
                asked += 1;
                let wanted = vec![(peer(asked), format!("helper {asked}"), HelpMode::Fetch)];
                let _ = self.core.ask_help(id, wanted, self.time());
            }
            if self.flow(begin) {
                longest_pause = longest_pause.max(self.now - last_byte);
                last_byte = self.now;
            }
            self.tell();
            self.core.handle(Input::Tick, self.time());
        }
        let record = self.core.record(id).expect("the download is there");
        assert_eq!(self.received.len(), self.length);
        let brought = |supply: usize| {
            let who = (supply > 0).then(|| peer(supply));
            record.sources.iter().find(|s| s.peer == who).map_or(0, |s| s.received_bytes)
        };
        let cells = |supply: usize| {
            let who = (supply > 0).then(|| peer(supply));
            let source = record.sources.iter().find(|s| s.peer == who).map(|s| s.id);
            record.brought_by.iter().filter(|by| Some(**by) == source).count()
        };
        Outcome {
            seconds: (self.now - begin).as_secs_f64(),
            brought: (0..self.supplies.len()).map(brought).collect(),
            cells: (0..self.supplies.len()).map(cells).collect(),
            requests: self.requests,
            longest_pause,
            help,
        }
    }

    fn time(&self) -> Now {
        Now { monotonic: self.now, unix_ms: self.now.as_millis() as u64 }
    }

    fn handle(&mut self, input: Input) {
        self.core.handle(input, self.time());
    }

    /// Does what the shell would do, without taking any time for it.
    fn carry_out(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::CreatePart { download, name, .. } => {
                    let part_name = format!("{name}.part");
                    self.handle(Input::PartCreated { download, name, part_name });
                }
                Effect::Persist { download, tell: Some(run), .. } => {
                    self.handle(Input::Persisted { download, run });
                }
                Effect::Sync { download, run } => self.handle(Input::Synced { download, run }),
                Effect::Finish { download, name, .. } => {
                    self.handle(Input::Finished {
                        download,
                        path: format!("/files/{name}").into(),
                    });
                }
                Effect::ClosePart { download, .. } => self.handle(Input::PartClosed { download }),
                Effect::Fetch { lease, helper, range, hold, .. } => {
                    self.begin_flow(lease, helper, range, hold);
                }
                Effect::Proceed { lease } => {
                    if let Some(flow) = self.flows.get_mut(&lease) {
                        flow.held = false;
                    }
                }
                Effect::Cut { lease, to } => {
                    if let Some(flow) = self.flows.get_mut(&lease) {
                        flow.end = to.clamp(flow.at, flow.end);
                        let actual_end = flow.end;
                        self.handle(Input::LeaseCut { lease, actual_end });
                    }
                }
                Effect::Stop { lease } => self.end_flow(lease, LeaseEnd::Stopped),
                Effect::AskHelp { download, peer, .. } => self.ask(download, peer),
                Effect::Persist { .. }
                | Effect::SaveOrder { .. }
                | Effect::Forget { .. }
                | Effect::OpenPart { .. }
                | Effect::Digest { .. }
                | Effect::DiscardPart { .. }
                | Effect::WithdrawHelp { .. }
                | Effect::EndHelp { .. } => {}
            }
        }
    }

    fn begin_flow(&mut self, lease: LeaseId, helper: Option<PeerId>, range: ByteRange, hold: bool) {
        let supply = (0..self.supplies.len())
            .find(|i| helper == (*i > 0).then(|| peer(*i)))
            .expect("a known peer");
        self.requests += 1;
        let range =
            range.intersection(ByteRange::from_len(0, self.length)).expect("a range in the file");
        assert_eq!(self.received.len_within(range), 0, "{range} was received already");
        for flow in self.flows.values() {
            let other = ByteRange::new(flow.at, flow.end).expect("a flow in order");
            assert_eq!(other.intersection(range), None, "{range} is fetched twice");
        }
        let begins = self.now + self.supplies[supply].latency;
        self.flows.insert(
            lease,
            Flow { supply, at: range.start(), end: range.end(), begins, told: begins, held: hold },
        );
        let identity = Identity { length: Some(self.length), ..Identity::default() };
        let (start, end) = (range.start(), Some(range.end()));
        let accepted = Accepted { start, end, identity, ranges: true };
        let answered =
            Input::Answered { lease, accepted, suggested_name: None, origins: vec![url()] };
        self.later.push((begins, answered));
    }

    fn ask(&mut self, download: DownloadId, who: PeerId) {
        let supply = (1..self.supplies.len()).find(|i| peer(*i) == who).expect("a known peer");
        if let Some(answer) = self.supplies[supply].answer {
            let at = self.now + self.supplies[supply].answers_after;
            self.later.push((at, Input::HelpAnswered { download, peer: who, answer }));
        }
    }

    /// Lets bytes flow for one step; whether any came.
    fn flow(&mut self, begin: Duration) -> bool {
        let mut came = false;
        let mut ended = VecDeque::new();
        for (index, supply) in self.supplies.iter().enumerate() {
            let gone = supply.goes.is_some_and(|goes| begin + goes <= self.now);
            let flowing = |flow: &Flow| {
                flow.supply == index && !flow.held && flow.begins <= self.now && !gone
            };
            let count = self.flows.values().filter(|flow| flowing(flow)).count();
            let rate = (supply.bytes_per_s / count.max(1) as f64).min(supply.per_connection);
            let bytes = (rate * STEP.as_secs_f64()) as u64;
            for (lease, flow) in self.flows.iter_mut().filter(|(_, flow)| flowing(flow)) {
                let to = (flow.at + bytes).min(flow.end);
                let range = ByteRange::new(flow.at, to).expect("forward");
                assert_eq!(self.received.len_within(range), 0, "{range} came twice");
                self.received.insert(range);
                self.written.push((range, source_id(&self.core, index)));
                came |= !range.is_empty();
                flow.at = to;
                if flow.at == flow.end {
                    ended.push_back(*lease);
                }
            }
        }
        ended.into_iter().for_each(|lease| self.end_flow(lease, LeaseEnd::Complete));
        came
    }

    fn end_flow(&mut self, lease: LeaseId, end: LeaseEnd) {
        let Some(flow) = self.flows.remove(&lease) else { return };
        self.tell_written();
        self.handle(Input::LeaseEnded { lease, up_to: flow.at, dropped_bytes: 0, end });
        self.carry_out();
    }

    fn tell(&mut self) {
        let due = self.later.extract_if(.., |(at, _)| *at <= self.now).collect::<Vec<_>>();
        for (_, input) in due {
            self.handle(input);
            self.carry_out();
        }
        let mut progress = Vec::new();
        for (lease, flow) in &mut self.flows {
            if self.now >= flow.told + TELL {
                flow.told = self.now;
                progress.push((*lease, flow.at));
            }
        }
        for (lease, up_to) in progress {
            self.handle(Input::Progress { lease, up_to });
        }
        self.tell_written();
    }

    fn tell_written(&mut self) {
        let runs = std::mem::take(&mut self.written);
        if !runs.is_empty() {
            self.handle(Input::Written { download: DownloadId(1), runs });
        }
    }
}

fn url() -> Url {
    Url::parse("http://origin.example/file.bin").expect("a link")
}

/// The device of a helper, by its place among the supplies.
fn peer(index: usize) -> PeerId {
    PeerId::from_digest([index as u8; 32])
}

fn source_id(core: &Core, supply: usize) -> SourceId {
    let who = (supply > 0).then(|| peer(supply));
    let record = core.record(DownloadId(1));
    let source = record.and_then(|record| record.sources.iter().find(|source| source.peer == who));
    source.map_or(SourceId::ORIGIN, |source| source.id)
}
