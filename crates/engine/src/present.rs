//! Makes views of what the core knows.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use manyhands_core::{
    AskState, ByteRange, Core, DownloadId, DownloadRecord, DownloadState, Failure, Geometry,
    HelpDecline, HelpEnd, Life, Limit, MAP_CELLS, Now, PeerId, Verification,
};

use crate::view::{
    Action, Counts, DownloadDetails, DownloadRow, FailureView, Filter, HelpReason, HelpRow,
    HelpState, HistoryPoint, LimitView, LogLine, Query, RowState, SourceKind, SourceRow,
    VerificationView, View,
};

/// Rows of a view at most.
const MAX_ROWS: u32 = 200;
/// The graph shows two minutes, a point a second.
const HISTORY_POINTS: usize = 120;
const HISTORY_STEP: Duration = Duration::from_secs(1);
const MAX_LOG_LINES: usize = 50;

/// Keeps what views show over time and the core does not: the recent past.
#[derive(Debug, Default)]
pub struct Presenter {
    past: BTreeMap<DownloadId, Past>,
    sampled_at: Option<Duration>,
}

/// The recent past of one download.
#[derive(Debug, Default)]
struct Past {
    /// Bytes of each source at the last sample.
    received: Vec<u64>,
    points: VecDeque<HistoryPoint>,
    log: VecDeque<LogLine>,
    state: Option<RowState>,
}

impl Presenter {
    /// Takes a sample of every download that runs, at most once a second, and writes down what changed. Call often.
    pub fn sample(&mut self, core: &Core, now: Now) {
        // What was there before this start has its past behind it; what comes later may be over before it is first seen here.
        let stored = self.sampled_at.is_none();
        let elapsed = self.sampled_at.map_or(HISTORY_STEP, |at| now.monotonic.saturating_sub(at));
        let point_due = elapsed >= HISTORY_STEP;
        if point_due {
            self.sampled_at = Some(now.monotonic);
        }
        for record in core.records() {
            let Some(state) = core.state(record.id) else { continue };
            let (row_state, failure) = split(&state);
            let past = self.past.entry(record.id).or_default();
            if past.state != Some(row_state) {
                let before = stored && past.state.is_none();
                past.state = Some(row_state);
                if !before || matches!(row_state, RowState::Connecting | RowState::Downloading) {
                    past.note(now, row_state, failure);
                }
            }
            if point_due
                && matches!(
                    row_state,
                    RowState::Connecting | RowState::Downloading | RowState::Finishing
                )
            {
                past.sample(record, elapsed);
            }
        }
    }

    pub fn forget(&mut self, id: DownloadId) {
        self.past.remove(&id);
    }

    /// The answer to a query.
    #[must_use]
    pub fn view(&self, core: &Core, query: &Query, now: Now) -> View {
        let (mut counts, mut bytes_per_s, mut matching, mut rows) =
            (Counts::default(), 0, 0, Vec::new());
        let (mut can_pause_all, mut can_resume_all) = (false, false);
        let mut selected_index = None;
        let search = query.search.trim().to_lowercase();
        for record in core.records() {
            let Some(state) = core.state(record.id) else { continue };
            let (row_state, _) = split(&state);
            counts.all += 1;
            can_pause_all |= actions(row_state).contains(&Action::Pause);
            can_resume_all |= row_state == RowState::Paused;
            let filter = match row_state {
                RowState::Completed => Filter::Done,
                RowState::Connecting | RowState::Downloading | RowState::Finishing => {
                    Filter::Active
                }
                RowState::Queued | RowState::Paused | RowState::Failed => Filter::Queued,
            };
            match filter {
                Filter::Done => counts.done += 1,
                Filter::Active => counts.active += 1,
                Filter::Queued | Filter::All => counts.queued += 1,
            }
            if filter == Filter::Active {
                bytes_per_s += throughput(core, record, now);
            }
            let wanted = query.filter == Filter::All || query.filter == filter;
            if !wanted || !(search.is_empty() || matches(record, &search)) {
                continue;
            }
            if matching >= query.first && matching - query.first < query.count.min(MAX_ROWS) {
                rows.push(row(core, record, &state, now));
            }
            if query.selected == Some(record.id.0) {
                selected_index = Some(matching);
            }
            matching += 1;
        }
        let details = query.selected.and_then(|id| self.details(core, DownloadId(id), now));
        View {
            revision: core.revision(),
            counts,
            bytes_per_s,
            can_pause_all,
            can_resume_all,
            matching,
            rows,
            selected_index,
            details,
            together: None,
        }
    }

    /// One download in the list.
    #[must_use]
    pub fn row(&self, core: &Core, id: DownloadId, now: Now) -> Option<DownloadRow> {
        Some(row(core, core.record(id)?, &core.state(id)?, now))
    }

    fn details(&self, core: &Core, id: DownloadId, now: Now) -> Option<DownloadDetails> {
        let record = core.record(id)?;
        let past = self.past.get(&id);
        let geometry = length(record).map(Geometry::new);
        let cells = geometry.map(|geometry| geometry.cells(MAP_CELLS)).unwrap_or_default();
        let completed = matches!(record.life, Life::Completed { .. });
        let index = |source| record.sources.iter().position(|s| s.id == source);
        let share = |(i, cell): (usize, &ByteRange)| match core.map(id) {
            Some(map) => {
                let share = map.share(*cell);
                (
                    share.source.and_then(index).map_or(-1, |index| index as i16),
                    (share.bytes * 100 / cell.len().max(1)) as u8,
                )
            }
            None if completed => {
                let source = record.brought_by.get(i).copied();
                (source.and_then(index).unwrap_or(0) as i16, 100)
            }
            None => (-1, 0),
        };
        let (cell_sources, cell_percent) = cells.iter().enumerate().map(share).unzip();
        Some(DownloadDetails {
            id: id.0,
            row: self.row(core, id, now)?,
            piece_bytes: geometry.map_or(0, Geometry::piece_bytes),
            pieces: geometry.map_or(0, Geometry::count),
            cell_sources,
            cell_percent,
            history: past.map(|past| past.points.iter().cloned().collect()).unwrap_or_default(),
            log: past.map(|past| past.log.iter().cloned().collect()).unwrap_or_default(),
            // The shell knows who is there.
            candidates: Vec::new(),
            limit: core.limit(id).map(|limit| match limit {
                Limit::Address => LimitView::Address,
                Limit::Connections => LimitView::Connections,
            }),
        })
    }
}

impl Past {
    fn sample(&mut self, record: &DownloadRecord, elapsed: Duration) {
        let received: Vec<u64> =
            record.sources.iter().map(|source| source.received_bytes).collect();
        let before = |i: usize| self.received.get(i).copied();
        let per_s = |(i, now): (usize, &u64)| {
            // The first sample after a start has nothing to compare with.
            let bytes = now.saturating_sub(before(i).unwrap_or(*now));
            (bytes as f64 / elapsed.as_secs_f64()) as u64
        };
        let point = HistoryPoint { bytes_per_s: received.iter().enumerate().map(per_s).collect() };
        self.received = received;
        if self.points.len() == HISTORY_POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    fn note(&mut self, now: Now, state: RowState, failure: Option<Failure>) {
        if self.log.len() == MAX_LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back(LogLine {
            at_unix_ms: now.unix_ms,
            text: sentence(state, failure.as_ref()),
            failure: failure.map(FailureView::from),
        });
    }
}

fn sentence(state: RowState, failure: Option<&Failure>) -> String {
    let what = match state {
        RowState::Queued => "Waits for its turn.",
        RowState::Connecting => "Asks the server.",
        RowState::Downloading => "Downloads.",
        RowState::Finishing => "All bytes are there; finishes the file.",
        RowState::Paused => "Paused.",
        RowState::Completed => "Completed.",
        RowState::Failed => "Failed.",
    };
    failure.map_or_else(|| what.to_owned(), |failure| format!("{what} {failure}"))
}

fn split(state: &DownloadState) -> (RowState, Option<Failure>) {
    match state {
        DownloadState::Queued => (RowState::Queued, None),
        DownloadState::Connecting { because } => (RowState::Connecting, because.clone()),
        DownloadState::Downloading => (RowState::Downloading, None),
        DownloadState::Finishing => (RowState::Finishing, None),
        DownloadState::Paused => (RowState::Paused, None),
        DownloadState::Completed => (RowState::Completed, None),
        DownloadState::Failed(failure) => (RowState::Failed, Some(failure.clone())),
    }
}

fn row(core: &Core, record: &DownloadRecord, state: &DownloadState, now: Now) -> DownloadRow {
    let (row_state, failure) = split(state);
    let total = length(record);
    let bytes_per_s = throughput(core, record, now);
    let (mut path, mut verification, mut sha256) = (None, None, None);
    let bytes = match &record.life {
        Life::Completed { path: at, bytes, sha256: digest, verification: rung, .. } => {
            path = Some(at.to_string_lossy().into_owned());
            verification = Some(rung_view(*rung));
            sha256 = digest.map(|digest| digest.to_string());
            *bytes
        }
        _ => core.bytes_on_disk(record.id),
    };
    let left = total.map(|total| total.saturating_sub(bytes));
    let on_disk = |source| core.map(record.id).map_or(0, |map| map.bytes_of(source));
    DownloadRow {
        id: record.id.0,
        name: name(record),
        url: without_user(record),
        host: record.spec.url.host_str().unwrap_or_default().to_owned(),
        state: row_state,
        bytes,
        total,
        bytes_per_s,
        remaining_s: left.filter(|_| bytes_per_s > 0).map(|left| left.div_ceil(bytes_per_s.max(1))),
        sources: record
            .sources
            .iter()
            .map(|source| {
                let (rate, connections) = core.throughput(record.id, source.id, now.monotonic);
                SourceRow {
                    kind: if source.peer.is_none() {
                        SourceKind::Origin
                    } else {
                        SourceKind::Helper
                    },
                    mode: source.mode,
                    peer: source.peer.map(|peer| peer.to_string()).unwrap_or_default(),
                    name: source.name.clone(),
                    // What is written may be told a moment before it is told as received.
                    bytes: source.received_bytes.max(on_disk(source.id)),
                    bytes_per_s: rate as u64,
                    connections: u16::from(connections),
                }
            })
            .collect(),
        help: core.help(record.id).into_iter().map(help_row).collect(),
        failure: failure.map(FailureView::from),
        verification,
        sha256,
        active_s: core.active_for(record.id, now.monotonic).as_secs_f64(),
        path,
        actions: actions(row_state).to_vec(),
    }
}

fn help_row((peer, name, state): (PeerId, String, AskState)) -> HelpRow {
    let reason = help_reason(&state);
    HelpRow { peer: peer.to_string(), name, state: help_state(&state), reason }
}

fn help_reason(state: &AskState) -> Option<HelpReason> {
    Some(match state {
        AskState::Asked | AskState::Accepted { .. } | AskState::Expired => return None,
        AskState::Lost => HelpReason::Lost,
        AskState::Declined { reason } => match reason {
            HelpDecline::No => HelpReason::No,
            HelpDecline::NotLending => HelpReason::NotLending,
            HelpDecline::TooMany => HelpReason::TooMany,
            HelpDecline::Host => HelpReason::Host,
        },
        AskState::Ended { reason } => match reason {
            HelpEnd::Completed => HelpReason::Completed,
            HelpEnd::Cancelled => HelpReason::Cancelled,
            HelpEnd::Elsewhere => HelpReason::Elsewhere,
            HelpEnd::NoGain => HelpReason::NoGain,
            HelpEnd::Mismatch => HelpReason::Mismatch,
            HelpEnd::Budget => HelpReason::Budget,
            HelpEnd::Stopped => HelpReason::Stopped,
            HelpEnd::Lost => HelpReason::Lost,
            // A helper has no other session to put in its place.
            HelpEnd::Replaced | HelpEnd::Other => HelpReason::Other,
        },
    })
}

/// Where the help of one peer stands, as it is shown.
pub fn help_state(state: &AskState) -> HelpState {
    match state {
        AskState::Asked => HelpState::Asked,
        AskState::Accepted { .. } => HelpState::Accepted,
        AskState::Declined { .. } => HelpState::Declined,
        AskState::Expired => HelpState::Expired,
        AskState::Lost => HelpState::Lost,
        AskState::Ended { .. } => HelpState::Ended,
    }
}

/// What the buttons of a row can do.
fn actions(state: RowState) -> &'static [Action] {
    match state {
        RowState::Queued | RowState::Connecting | RowState::Downloading => {
            &[Action::Pause, Action::Remove]
        }
        RowState::Finishing => &[],
        RowState::Paused | RowState::Failed => &[Action::Resume, Action::Remove],
        RowState::Completed => &[Action::OpenFolder, Action::Remove],
    }
}

fn rung_view(rung: Verification) -> VerificationView {
    match rung {
        Verification::Verified => VerificationView::Verified,
        Verification::FromServer => VerificationView::FromServer,
        Verification::Consistent => VerificationView::Consistent,
        Verification::Unchecked => VerificationView::Unchecked,
    }
}

fn throughput(core: &Core, record: &DownloadRecord, now: Now) -> u64 {
    let of = |source: &manyhands_core::SourceRecord| {
        core.throughput(record.id, source.id, now.monotonic).0
    };
    record.sources.iter().map(of).sum::<f64>() as u64
}

fn length(record: &DownloadRecord) -> Option<u64> {
    record.found.as_ref()?.identity.length
}

/// The finished file's name where there is one, since it may have got a number.
fn name(record: &DownloadRecord) -> String {
    if let Life::Completed { path, .. } = &record.life
        && let Some(name) = path.file_name()
    {
        return name.to_string_lossy().into_owned();
    }
    let found = record.found.as_ref().map(|found| found.name.clone());
    found.or_else(|| record.spec.out.clone()).unwrap_or_else(|| {
        let last = record.spec.url.path_segments().and_then(|mut segments| segments.next_back());
        let last = last.filter(|segment| !segment.is_empty());
        last.or(record.spec.url.host_str()).unwrap_or_default().to_owned()
    })
}

fn without_user(record: &DownloadRecord) -> String {
    let mut url = record.spec.url.clone();
    // Both fail only for links without a host, which have no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

fn matches(record: &DownloadRecord, search: &str) -> bool {
    name(record).to_lowercase().contains(search)
        || record.spec.url.host_str().is_some_and(|host| host.contains(search))
}
