//! What the icon in the tray shows: its menu, what the entries of that mean, and its words.
//!
//! Pure: a view and the words of a language in, entries out.

use manyhands_engine::view::{HelpingRow, RequestRow, View};

use crate::prompts::{Servers, named, requester, wants_to_pair};
use crate::sizes::bytes;
use crate::words::Words;

/// Requests, and sessions, that the menu lists; the window shows the others. A longer menu does not fit on small screens.
const MAX_LISTED: usize = 8;

/// Everything that the icon shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    pub entries: Vec<Entry>,
    /// Nothing where the icon has none.
    pub tooltip: String,
    /// Whether somebody waits for an answer.
    pub waiting: bool,
}

/// One line of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Item {
        choice: Choice,
        text: String,
        enabled: bool,
    },
    Check {
        choice: Choice,
        text: String,
        on: bool,
    },
    /// `notes` cannot be chosen.
    Submenu {
        text: String,
        notes: Vec<String>,
        choices: Vec<(Choice, &'static str)>,
    },
    Line,
}

/// What the user chooses. Travels as the id of the menu's item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    Show,
    /// The window, with all requests.
    ShowRequests,
    /// Help with the request of this id.
    Accept(String),
    Decline(String),
    /// End the session of this id.
    Stop(String),
    /// Lend, or lend no more: what the user wants, who may have seen what is no longer so.
    Lending(bool),
    PauseAll,
    ResumeAll,
    Quit,
}

impl Choice {
    pub fn id(&self) -> String {
        match self {
            Self::Show => "show".to_owned(),
            Self::ShowRequests => "requests".to_owned(),
            Self::Accept(id) => format!("accept:{id}"),
            Self::Decline(id) => format!("decline:{id}"),
            Self::Stop(id) => format!("stop:{id}"),
            Self::Lending(true) => "lending-on".to_owned(),
            Self::Lending(false) => "lending-off".to_owned(),
            Self::PauseAll => "pause-all".to_owned(),
            Self::ResumeAll => "resume-all".to_owned(),
            Self::Quit => "quit".to_owned(),
        }
    }

    /// `None` for an entry that is not of this menu.
    pub fn of_id(id: &str) -> Option<Self> {
        match id.split_once(':') {
            Some(("accept", id)) => Some(Self::Accept(id.to_owned())),
            Some(("decline", id)) => Some(Self::Decline(id.to_owned())),
            Some(("stop", id)) => Some(Self::Stop(id.to_owned())),
            Some(_) => None,
            None => [
                Self::Show,
                Self::ShowRequests,
                Self::Lending(true),
                Self::Lending(false),
                Self::PauseAll,
                Self::ResumeAll,
                Self::Quit,
            ]
            .into_iter()
            .find(|choice| choice.id() == id),
        }
    }
}

impl Entry {
    /// Whether the one can become the other without a new menu: only texts and marks differ. GTK cannot change the text of
    /// a submenu, only what is in it.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Item { choice: a, .. }, Self::Item { choice: b, .. })
            | (Self::Check { choice: a, .. }, Self::Check { choice: b, .. }) => a == b,
            (
                Self::Submenu { text: a, notes: notes_a, choices: of_a },
                Self::Submenu { text: b, notes: notes_b, choices: of_b },
            ) => a == b && notes_a.len() == notes_b.len() && of_a == of_b,
            (Self::Line, Self::Line) => true,
            _ => false,
        }
    }
}

impl Face {
    pub fn of(view: &View, words: &Words) -> Self {
        Self {
            entries: entries(view, words),
            // Linux shows none: a throughput in it would be a change of the icon with each look, and nothing to see.
            tooltip: if cfg!(target_os = "linux") { String::new() } else { tooltip(view, words) },
            waiting: view.together.as_ref().is_some_and(|together| {
                !together.requests.is_empty() || together.pairings.iter().any(wants_to_pair)
            }),
        }
    }
}

/// The whole menu.
fn entries(view: &View, words: &Words) -> Vec<Entry> {
    let item = |choice, text: &str, enabled| Entry::Item { choice, text: text.to_owned(), enabled };
    let mut entries = vec![item(Choice::Show, words.show, true), Entry::Line];
    if let Some(together) = &view.together {
        let requests = &together.requests;
        entries.extend(requests.iter().take(MAX_LISTED).map(|row| request(row, words)));
        let more = requests.len().saturating_sub(MAX_LISTED);
        if more > 0 {
            entries.push(item(Choice::ShowRequests, &(words.more)(more), true));
        }
        entries.extend(together.helping.iter().take(MAX_LISTED).map(|row| helping(row, words)));
        if !requests.is_empty() || !together.helping.is_empty() {
            entries.push(Entry::Line);
        }
        entries.push(Entry::Check {
            choice: Choice::Lending(!together.lending.on),
            text: words.lending.to_owned(),
            on: together.lending.on,
        });
    }
    entries.extend([
        item(Choice::PauseAll, words.pause_all, view.can_pause_all),
        item(Choice::ResumeAll, words.resume_all, view.can_resume_all),
        Entry::Line,
        item(Choice::Quit, words.quit, true),
    ]);
    entries
}

/// What the icon says when the pointer rests on it.
fn tooltip(view: &View, words: &Words) -> String {
    let lent = view.together.as_ref().map_or(0, |together| together.lent_bytes_per_s);
    let mut text = "Manyhands".to_owned();
    for (arrow, bytes_per_s) in [('↓', view.bytes_per_s), ('↑', lent)] {
        if bytes_per_s > 0 {
            text += &format!("  {arrow} {}", words.throughput(bytes_per_s));
        }
    }
    text
}

fn request(row: &RequestRow, words: &Words) -> Entry {
    let name = named(row.file_name.as_deref(), words.a_file);
    let what = match row.size_bytes {
        Some(size) => (words.file)(&name, &bytes(size)),
        None => name,
    };
    let servers = Servers::of(&row.origins, words);
    let price = (words.price)(&servers.text, &bytes(row.budget_bytes));
    let mut notes = vec![price, words.mode(row.mode).to_owned()];
    if !row.friend {
        notes.push(words.befriends.to_owned());
    }
    let yes = if servers.all_shown {
        (Choice::Accept(row.id.clone()), words.help)
    } else {
        notes.push(words.more_servers.to_owned());
        (Choice::ShowRequests, words.show)
    };
    Entry::Submenu {
        text: (words.request)(&requester(row, words), &what),
        notes,
        choices: vec![yes, (Choice::Decline(row.id.clone()), words.not_now)],
    }
}

fn helping(row: &HelpingRow, words: &Words) -> Entry {
    let who = named(Some(&row.name), words.somebody);
    Entry::Submenu {
        text: (words.helping)(&who, &named(row.file_name.as_deref(), words.a_file)),
        notes: vec![(words.sent)(&bytes(row.sent_bytes))],
        choices: vec![(Choice::Stop(row.id.clone()), words.stop)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_rows::{helping_row, pairing_row, request_row, view};
    use crate::words::Language;

    /// The menu as one reads it.
    fn drawn(view: &View, language: Language) -> Vec<String> {
        let draw = |entry: Entry| match entry {
            Entry::Item { text, enabled: true, .. } => text,
            Entry::Item { text, enabled: false, .. } => format!("({text})"),
            Entry::Check { text, on, .. } => format!("[{}] {text}", if on { 'x' } else { ' ' }),
            Entry::Submenu { text, notes, choices } => {
                let words: Vec<_> = choices.iter().map(|(_, word)| *word).collect();
                format!("{text} > ({}) | {}", notes.join(") ("), words.join(" | "))
            }
            Entry::Line => "-".to_owned(),
        };
        entries(view, language.words()).into_iter().map(draw).collect()
    }

    #[test]
    fn requests_and_sessions_can_be_answered_and_stopped_from_the_menu() {
        let view = view(vec![request_row("1", "Lin")], vec![helping_row("2", "Mo", 12_000_000)]);
        assert_eq!(
            drawn(&view, Language::English),
            [
                "Show Manyhands",
                "-",
                "Lin: debian-13.iso, 3.9 GB > (from ftp.example.org, up to 500 MB of your line) (You only carry an encrypted connection: you can neither see nor change what is in it.) | Help | Not now",
                "Helping Mo: a file > (12.0 MB sent) | Stop",
                "-",
                "[x] Lending",
                "Pause all",
                "(Resume all)",
                "-",
                "Quit",
            ]
        );
        let chinese = drawn(&view, Language::Chinese);
        assert!(
            chinese.contains(&"Lin：debian-13.iso，3.9 GB > (来自 ftp.example.org，最多占用你的线路 500 MB) (你只转运一条加密连接：既看不到也改不了其中的内容。) | 帮忙 | 暂时不".to_owned()),
            "{chinese:?}"
        );
    }

    #[test]
    fn a_stranger_s_request_says_what_helping_makes_of_it() {
        let mut row = request_row("1", "Lin");
        row.friend = false;
        let menu = drawn(&view(vec![row], Vec::new()), Language::English);
        let line = "Lin (a stranger): debian-13.iso, 3.9 GB > (from ftp.example.org, up to 500 MB of your line) (You only carry an encrypted connection: you can neither see nor change what is in it.) (Helping makes this stranger a friend.) | Help | Not now";
        assert!(menu.contains(&line.to_owned()), "{menu:?}");
    }

    #[test]
    fn no_consent_is_taken_for_servers_that_the_menu_does_not_show() {
        let mut row = request_row("1", "Lin");
        row.origins = ["a", "b", "c", "d"].map(|host| format!("http://{host}")).into();
        let menu = entries(&view(vec![row], Vec::new()), Language::English.words());
        let offered: Vec<_> = menu
            .iter()
            .filter_map(|entry| match entry {
                Entry::Submenu { choices, .. } => Some(choices),
                _ => None,
            })
            .flatten()
            .map(|(choice, _)| choice.clone())
            .collect();
        assert_eq!(offered, [Choice::ShowRequests, Choice::Decline("1".to_owned())]);
    }

    #[test]
    fn the_switch_of_lending_carries_what_was_wanted_when_it_was_shown() {
        for on in [true, false] {
            let mut view = view(Vec::new(), Vec::new());
            view.together.as_mut().unwrap().lending.on = on;
            let menu = entries(&view, Language::English.words());
            let shown = menu.into_iter().find(|entry| matches!(entry, Entry::Check { .. }));
            let text = "Lending".to_owned();
            assert_eq!(shown, Some(Entry::Check { choice: Choice::Lending(!on), text, on }));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn more_throughput_is_no_change_of_an_icon_that_cannot_say_it() {
        let words = Language::English.words();
        let mut view = view(Vec::new(), Vec::new());
        let before = Face::of(&view, words);
        view.bytes_per_s += 1_000_000;
        assert_eq!(Face::of(&view, words), before);
    }

    #[test]
    fn without_a_network_there_is_nothing_to_lend() {
        let mut view = view(Vec::new(), Vec::new());
        view.together = None;
        let menu = drawn(&view, Language::English);
        assert_eq!(menu, ["Show Manyhands", "-", "Pause all", "(Resume all)", "-", "Quit"]);
    }

    #[test]
    fn a_flood_of_requests_makes_no_endless_menu() {
        let rows = (0..20).map(|n| request_row(&n.to_string(), "Lin")).collect();
        let menu = drawn(&view(rows, Vec::new()), Language::English);
        assert!(menu.contains(&"12 more …".to_owned()), "{menu:?}");
        assert_eq!(menu.len(), 2 + MAX_LISTED + 1 + 1 + 5);
    }

    #[test]
    fn progress_changes_texts_only_and_another_request_the_menu() {
        let words = Language::English.words();
        let before = entries(&view(Vec::new(), vec![helping_row("2", "Mo", 1)]), words);
        let after = entries(&view(Vec::new(), vec![helping_row("2", "Mo", 9)]), words);
        let other = entries(&view(Vec::new(), vec![helping_row("3", "Mo", 1)]), words);
        let alike = |a: &[Entry], b: &[Entry]| a.iter().zip(b).all(|(a, b)| a.is_like(b));
        assert_ne!(before, after);
        assert!(alike(&before, &after));
        assert!(!alike(&before, &other));
        let chinese =
            entries(&view(Vec::new(), vec![helping_row("2", "Mo", 1)]), Language::Chinese.words());
        assert!(!alike(&before, &chinese));
    }

    #[test]
    fn the_icon_says_when_somebody_waits() {
        let words = Language::English.words();
        assert!(Face::of(&view(vec![request_row("1", "Lin")], Vec::new()), words).waiting);
        let mut helping = view(Vec::new(), vec![helping_row("2", "Mo", 1)]);
        assert!(!Face::of(&helping, words).waiting);
        helping.together.as_mut().unwrap().pairings.push(pairing_row("3", "Lin"));
        assert!(Face::of(&helping, words).waiting);
    }

    #[test]
    fn a_choice_comes_back_from_its_id() {
        for choice in [
            Choice::Show,
            Choice::ShowRequests,
            Choice::Accept("1a".to_owned()),
            Choice::Decline("1a".to_owned()),
            Choice::Stop("1a".to_owned()),
            Choice::Lending(true),
            Choice::Lending(false),
            Choice::PauseAll,
            Choice::ResumeAll,
            Choice::Quit,
        ] {
            assert_eq!(Choice::of_id(&choice.id()), Some(choice));
        }
        assert_eq!(Choice::of_id("else"), None);
        assert_eq!(Choice::of_id("else:1a"), None);
    }

    #[test]
    fn the_icon_tells_the_throughput_where_there_is_some() {
        let words = Language::English.words();
        let mut view = view(Vec::new(), Vec::new());
        assert_eq!(tooltip(&view, words), "Manyhands  ↓ 41.8 MB/s  ↑ 2.0 MB/s");
        view.bytes_per_s = 0;
        view.together = None;
        assert_eq!(tooltip(&view, words), "Manyhands");
    }
}
