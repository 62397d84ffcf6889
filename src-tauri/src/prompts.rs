//! What notifications say, and which of them there should be.
//!
//! Names in here come from other machines: each goes through [`plain`] before it is shown, and through [`escaped`] where
//! markup is rendered.

use std::collections::BTreeSet;

use manyhands_engine::view::{DownloadRow, PairingRow, PairingState, RequestRow, RowState};

use crate::sizes::{bytes, plain, plain_host};
use crate::words::Words;

/// Servers of a request that are named; of more, how many.
const MAX_SERVERS: usize = 3;
/// Downloads that are named in one notification; of more, how many.
const MAX_NAMES: usize = 3;

/// A notification in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub title: String,
    pub body: String,
}

/// The difference between what was notified and what waits.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference<'a, T> {
    pub new: Vec<&'a T>,
    /// Answered anywhere, withdrawn or expired.
    pub over: Vec<String>,
}

/// Compares by id. One whose notification was closed by the user is known still, and is not shown again.
pub fn difference<'a, T>(
    known: &BTreeSet<String>,
    waiting: &[&'a T],
    id: impl Fn(&T) -> &str,
) -> Difference<'a, T> {
    let over = known.iter().filter(|known| waiting.iter().all(|row| id(row) != **known));
    Difference {
        new: waiting.iter().copied().filter(|row| !known.contains(id(row))).collect(),
        over: over.cloned().collect(),
    }
}

/// A help request that waits for the user's answer.
pub fn request(row: &RequestRow, words: &Words) -> Text {
    let name = named(row.file_name.as_deref(), words.a_file_first);
    let what = match row.size_bytes {
        Some(size) => (words.sized)(&name, &bytes(size)),
        None => name,
    };
    let servers = Servers::of(&row.origins, words);
    let cost = (words.cost)(&what, &servers.text, &bytes(row.budget_bytes), row.origins.len());
    let mut body = vec![cost.as_str(), words.mode(row.mode)];
    if !row.friend {
        body.push(words.befriends);
    }
    if !servers.all_shown {
        body.push(words.more_servers);
    }
    let body = body.join(words.gap);
    Text { title: (words.asks)(&requester(row, words)), body }
}

/// Whether somebody else has begun to pair, and this user has not answered.
pub fn wants_to_pair(row: &PairingRow) -> bool {
    row.incoming && row.state == PairingState::Compare
}

/// A pairing that somebody else has begun. The digits are for the window, where both answers are.
pub fn pairing(row: &PairingRow, words: &Words) -> Text {
    let who = named(Some(&row.name), words.somebody);
    Text { title: (words.pairs)(&who), body: words.pairs_how.to_owned() }
}

/// Downloads that have ended since the user last looked; at least one.
pub fn ended(downloads: &[DownloadRow], words: &Words) -> Text {
    if let [download] = downloads {
        let name = plain(&download.name);
        return match (download.state, download.total) {
            (RowState::Failed, _) => {
                Text { title: words.failed.to_owned(), body: (words.failed_why)(&name) }
            }
            (_, Some(total)) => {
                Text { title: words.finished.to_owned(), body: (words.file)(&name, &bytes(total)) }
            }
            (_, None) => Text { title: words.finished.to_owned(), body: name },
        };
    }
    let failed = downloads.iter().filter(|download| download.state == RowState::Failed).count();
    Text {
        title: (words.ended)(downloads.len() - failed, failed),
        body: listed(downloads.iter().map(|row| plain(&row.name)), MAX_NAMES, words),
    }
}

/// Who asks.
pub fn requester(row: &RequestRow, words: &Words) -> String {
    let who = named(Some(&row.name), words.somebody);
    if row.friend { who } else { (words.stranger)(&who) }
}

/// What somebody else has named, or what it is called when that says nothing.
pub fn named(name: Option<&str>, otherwise: &str) -> String {
    let name = name.map(plain).unwrap_or_default();
    if name.is_empty() { otherwise.to_owned() } else { name }
}

/// For a notification server that renders markup.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Where bytes would come from.
#[derive(Debug, PartialEq, Eq)]
pub struct Servers {
    /// `ftp.example.org`, without saying how.
    pub text: String,
    /// Whether the text names each of them whole. Where it does not, nobody can say yes to them.
    pub all_shown: bool,
}

impl Servers {
    pub fn of(origins: &[String], words: &Words) -> Self {
        let host = |origin: &'_ String| {
            origin.split_once("://").map_or(origin.clone(), |(_, host)| host.to_owned())
        };
        let hosts: Vec<_> = origins.iter().map(host).collect();
        Self {
            text: listed(hosts.iter().map(|host| plain_host(host)), MAX_SERVERS, words),
            all_shown: hosts.len() <= MAX_SERVERS
                && hosts.iter().all(|host| plain_host(host) == *host),
        }
    }
}

fn listed(names: impl ExactSizeIterator<Item = String>, max: usize, words: &Words) -> String {
    let more = names.len().saturating_sub(max);
    let mut shown: Vec<_> = names.take(max).collect();
    if more > 0 {
        shown.push((words.more)(more));
    }
    shown.join(words.comma)
}

#[cfg(test)]
mod tests {
    use manyhands_engine::HelpMode;

    use super::*;
    use crate::test_rows::{download_row, pairing_row, request_row};
    use crate::words::Language;

    fn known(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn each_request_is_notified_once_and_taken_back_when_it_is_over() {
        let waiting = [request_row("1", "Lin"), request_row("2", "Mo")];
        let rows: Vec<_> = waiting.iter().collect();
        let difference = |known: &BTreeSet<String>, rows: &[&'_ RequestRow]| {
            let found = difference(known, rows, |row| &row.id);
            let new: Vec<_> = found.new.iter().map(|row| row.id.clone()).collect();
            (new, found.over)
        };
        let none = Vec::<String>::new;
        assert_eq!(difference(&known(&[]), &rows), (vec!["1".to_owned(), "2".to_owned()], none()));
        assert_eq!(difference(&known(&["1", "2"]), &rows), (none(), none()));
        let next = (vec!["2".to_owned()], vec!["0".to_owned()]);
        assert_eq!(difference(&known(&["1", "0"]), &rows), next);
        assert_eq!(difference(&known(&["1", "2"]), &[]).1, ["1", "2"]);
    }

    #[test]
    fn a_request_says_who_what_from_where_and_what_it_costs() {
        let row = request_row("1", "Lin");
        assert_eq!(
            request(&row, Language::English.words()),
            Text {
                title: "Lin asks for help".to_owned(),
                body: "debian-13.iso (3.9 GB) from ftp.example.org: up to 500 MB of your line. The server will see your address. You only carry an encrypted connection: you can neither see nor change what is in it.".to_owned(),
            }
        );
        assert_eq!(
            request(&row, Language::Chinese.words()),
            Text {
                title: "Lin 请你帮忙".to_owned(),
                body: "debian-13.iso（3.9 GB），来自 ftp.example.org：最多占用你的线路 500 MB。该服务器会看到你的地址。你只转运一条加密连接：既看不到也改不了其中的内容。".to_owned(),
            }
        );
    }

    #[test]
    fn a_stranger_is_called_one_and_what_it_did_not_tell_is_not_made_up() {
        let mut row = request_row("1", "");
        row.friend = false;
        row.file_name = None;
        row.size_bytes = None;
        row.mode = HelpMode::Fetch;
        row.origins = vec!["http://a:8080".to_owned(), "ftp://b".to_owned()];
        let text = request(&row, Language::English.words());
        assert_eq!(text.title, "Somebody (a stranger) asks for help");
        assert_eq!(
            text.body,
            "A file from a:8080, b: up to 500 MB of your line. The servers will see your address. Your computer downloads it in your name and passes it on. Helping makes this stranger a friend."
        );
        row.origins = ["a", "b", "c", "d", "e"].map(|host| format!("http://{host}")).into();
        let text = request(&row, Language::English.words());
        assert!(text.body.contains("from a, b, c, 2 more …:"), "{}", text.body);
        assert!(
            text.body.ends_with("All servers are shown in the window: answer there."),
            "{}",
            text.body
        );
        let chinese = request(&row, Language::Chinese.words()).body;
        assert!(
            chinese
                .ends_with("。帮忙后，这个陌生人会成为你的好友。全部服务器见窗口，请在那里回答。"),
            "{chinese}"
        );
    }

    #[test]
    fn servers_are_all_shown_when_each_is_named_whole() {
        let long = format!("https://ftp.example.org.{}.evil.test", "a".repeat(200));
        for (origins, all) in [
            (vec!["https://ftp.example.org", "http://a:8080", "ftp://b"], true),
            (vec!["https://a", "https://b", "https://c", "https://d"], false),
            (vec!["https://a", &long], false),
            (vec!["https://a\u{202e}b"], false),
        ] {
            let origins: Vec<_> = origins.into_iter().map(str::to_owned).collect();
            let servers = Servers::of(&origins, Language::English.words());
            assert_eq!(servers.all_shown, all, "{}", servers.text);
        }
        let servers = Servers::of(&[long], Language::English.words());
        assert!(servers.text.ends_with("aaa.evil.test"), "{}", servers.text);
    }

    #[test]
    fn a_name_cannot_pretend_to_be_markup_or_another_line() {
        let row = request_row("1", "<b>Mo</b>\n& friends");
        let title = request(&row, Language::English.words()).title;
        assert_eq!(title, "<b>Mo</b> & friends asks for help");
        assert_eq!(escaped(&title), "&lt;b&gt;Mo&lt;/b&gt; &amp; friends asks for help");
    }

    #[test]
    fn one_download_is_named_and_several_are_counted() {
        let done = download_row(1, "debian-13.iso", RowState::Completed);
        let failed = download_row(2, "lecture.mp4", RowState::Failed);
        let words = Language::English.words();
        let text = ended(std::slice::from_ref(&done), words);
        assert_eq!((&*text.title, &*text.body), ("Download finished", "debian-13.iso, 3.9 GB"));
        let text = ended(std::slice::from_ref(&failed), words);
        assert_eq!(
            (&*text.title, &*text.body),
            ("Download failed", "lecture.mp4. The window says why.")
        );
        let text = ended(&[done.clone(), failed, done.clone(), done], words);
        assert_eq!(text.title, "Downloads: 3 finished, 1 failed");
        assert_eq!(text.body, "debian-13.iso, lecture.mp4, debian-13.iso, 1 more …");
    }

    #[test]
    fn a_pairing_is_notified_while_this_user_is_to_answer_one_that_somebody_else_began() {
        let row = pairing_row("1", "Lin\u{202e}\n<b>");
        assert!(wants_to_pair(&row));
        assert!(!wants_to_pair(&PairingRow { incoming: false, ..row.clone() }));
        for state in [PairingState::WaitingForOther, PairingState::Paired, PairingState::Refused] {
            assert!(!wants_to_pair(&PairingRow { state, ..row.clone() }));
        }
        let text = pairing(&row, Language::English.words());
        assert!(text.title.starts_with("Lin") && text.title.ends_with("wants to pair"));
        assert!(!text.title.contains(['\n', '\u{202e}']), "{}", text.title);
        // Whoever sees a notification over a shoulder sees no digits.
        assert!(!text.body.contains("012345"));
    }
}
