//! What the program prints: JSON lines on standard output, or words on standard error.
//!
//! A thread of its own prints, and progress that finds it busy is left out: a reader that does not read stalls nothing.

use manyhands_engine::HelpMode;
use manyhands_engine::view::{
    DownloadRow, FailureView, HelpReason, HelpRow, HelpState, RowState, SourceKind, SourceRow,
};
use serde::Serialize;
use serde_json::json;
use std::io::{IsTerminal, Write};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

/// Lines that may wait for a slow reader.
const MAX_WAITING_LINES: usize = 64;

/// The last news of a download.
#[derive(Debug)]
pub enum Line {
    Progress { url: String, row: Box<DownloadRow> },
    Help { help: HelpRow },
    Completed { row: Box<DownloadRow> },
    Failed { url: String, failure: FailureView },
}

/// Prints lines in the chosen form.
#[derive(Debug)]
pub struct Output {
    lines: Sender<Line>,
    printed: oneshot::Receiver<()>,
}

#[derive(Serialize)]
struct Source<'a> {
    kind: &'static str,
    peer: Option<&'a str>,
    mode: Option<HelpMode>,
    name: &'a str,
    bytes: u64,
}

impl Output {
    pub fn start(as_json: bool) -> Self {
        let (lines, mut received) = channel(MAX_WAITING_LINES);
        let (all_printed, printed) = oneshot::channel();
        std::thread::spawn(move || {
            if as_json {
                print_json(&mut received);
            } else {
                print_words(&mut received);
            }
            let _ = all_printed.send(());
        });
        Self { lines, printed }
    }

    /// Progress is left out where the reader lags behind; results wait for it.
    pub async fn print(&self, line: Line) {
        // Where nobody prints any more, nothing is missed.
        let _ = match line {
            Line::Progress { .. } => self.lines.try_send(line).is_ok(),
            line => self.lines.send(line).await.is_ok(),
        };
    }

    /// Waits until all is printed.
    pub async fn finish(self) {
        drop(self.lines);
        let _ = self.printed.await;
    }
}

fn print_json(lines: &mut Receiver<Line>) {
    let mut stdout = std::io::stdout().lock();
    while let Some(line) = lines.blocking_recv() {
        let object = match &line {
            Line::Progress { url, row } => json!({
                "event": "progress", "url": url, "bytes": row.bytes, "total": row.total,
                "bytes_per_s": row.bytes_per_s, "sources": sources(row),
            }),
            Line::Help { help } => json!({
                "event": "help", "peer": help.peer, "name": help.name,
                // Ended by the helper: as good as lost to whoever follows the download.
                "state": if help.state == HelpState::Ended { HelpState::Lost } else { help.state },
                "reason": help.reason,
            }),
            Line::Completed { row } => json!({
                "event": "completed", "path": row.path, "bytes": row.bytes, "sha256": row.sha256,
                "verification": row.verification, "seconds": row.active_s, "sources": sources(row),
            }),
            Line::Failed { url, failure } => json!({
                "event": "failed", "url": url, "code": failure.code, "message": failure.message,
                "hint": failure.hint,
            }),
        };
        // A reader that has gone is its own affair: the files are there all the same.
        if writeln!(stdout, "{object}").and_then(|()| stdout.flush()).is_err() {
            return while lines.blocking_recv().is_some() {};
        }
    }
}

fn sources(row: &DownloadRow) -> Vec<Source<'_>> {
    row.sources.iter().map(Source::from).collect()
}

impl<'a> From<&'a SourceRow> for Source<'a> {
    fn from(source: &'a SourceRow) -> Self {
        Self {
            kind: match source.kind {
                SourceKind::Origin => "origin",
                SourceKind::Helper => "helper",
            },
            peer: (!source.peer.is_empty()).then_some(&source.peer),
            mode: source.mode,
            name: &source.name,
            bytes: source.bytes,
        }
    }
}

fn print_words(lines: &mut Receiver<Line>) {
    let live = std::io::stderr().is_terminal();
    while let Some(line) = lines.blocking_recv() {
        let mut stderr = std::io::stderr().lock();
        let clear = if live { "\r\x1b[2K" } else { "" };
        let _ = match &line {
            Line::Progress { row, .. } if live => write!(stderr, "{clear}{}", progress(row)),
            Line::Progress { .. } => Ok(()),
            Line::Help { help } => {
                writeln!(stderr, "{clear}{}: {}", help.name, help_words(help))
            }
            Line::Completed { row } => {
                let path = row.path.as_deref().unwrap_or_default();
                writeln!(stderr, "{clear}{path}: {} in {:.1} s", size(row.bytes), row.active_s)
            }
            Line::Failed { url, failure } => {
                writeln!(stderr, "{clear}{url}: {} {}", failure.message, failure.hint)
            }
        };
        let _ = stderr.flush();
    }
}

fn help_words(help: &HelpRow) -> &'static str {
    match (help.state, help.reason) {
        (HelpState::Asked, _) => "asked for help",
        (HelpState::Accepted, _) => "helps",
        (HelpState::Declined, Some(HelpReason::NotLending)) => "does not lend now",
        (HelpState::Declined, Some(HelpReason::TooMany)) => "has too many requests",
        (HelpState::Declined, Some(HelpReason::Host)) => "does not lend for this server",
        (HelpState::Declined, _) => "declined to help",
        (HelpState::Expired, _) => "did not answer",
        (HelpState::Lost, _) => "is gone",
        (HelpState::Ended, Some(HelpReason::NoGain)) => {
            "brings nothing more: most likely both have the same public address"
        }
        (HelpState::Ended, Some(HelpReason::Elsewhere)) => {
            "cannot help: everything leads to another server, which it has not agreed to"
        }
        (HelpState::Ended, Some(HelpReason::Mismatch)) => {
            "sent something else than the server; it is not asked again"
        }
        (HelpState::Ended, Some(HelpReason::Budget)) => "has used up what it lends",
        (HelpState::Ended, Some(HelpReason::Stopped)) => "was stopped by its user",
        (HelpState::Ended, _) => "is done helping",
    }
}

fn progress(row: &DownloadRow) -> String {
    if row.state == RowState::Connecting {
        let because = row.failure.as_ref().map(|failure| format!(": {}", failure.message));
        return format!("{}  connecting{}", row.name, because.unwrap_or_default());
    }
    let percent = row.total.filter(|total| *total > 0).map(|total| row.bytes * 100 / total);
    let percent = percent.map_or_else(String::new, |percent| format!("{percent} %  "));
    let left = row.remaining_s.map_or_else(String::new, |s| format!("  {} left", duration(s)));
    format!("{}  {percent}{}  {}/s{left}", row.name, size(row.bytes), size(row.bytes_per_s))
}

/// `1.5 GB`: powers of 1000, as disks and lines are sold.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 99.5);
    format!("{value:.digits$} {}", UNITS.get(unit).unwrap_or(&""))
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_read_well() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_999, "1.0 MB"),
            (3_900_000_000, "3.9 GB"),
            (120_000_000, "120 MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(
            [duration(59), duration(61), duration(7260)],
            ["59 s", "1 min 01 s", "2 h 01 min"]
        );
    }
}
