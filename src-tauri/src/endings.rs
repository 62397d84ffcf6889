//! Which downloads have ended between two looks at the list.
//!
//! Pure, and by comparison: a look may miss that a download ran at all, not that it is finished.

use std::collections::BTreeSet;

use manyhands_engine::view::{DownloadRow, RowState};

/// What the last look saw; nothing before the first.
#[derive(Debug, Default)]
pub struct Endings {
    before: Option<Before>,
}

#[derive(Debug)]
struct Before {
    /// Downloads with an end still before them.
    unfinished: BTreeSet<u64>,
    /// Ids only grow: a download beyond is new.
    highest: u64,
}

/// What is different since.
#[derive(Debug, Default, PartialEq)]
pub struct Ended {
    /// Completed or failed.
    pub rows: Vec<DownloadRow>,
    /// Not among the rows any more: completed, removed, or beyond what a view holds.
    pub gone: Vec<u64>,
}

impl Endings {
    /// Takes the rows of a look: all that have not ended, and the newest that have. The first look finds nothing.
    pub fn look<'a>(&mut self, rows: impl Iterator<Item = &'a DownloadRow> + Clone) -> Ended {
        let mut ended = Ended::default();
        let seen: BTreeSet<_> = rows.clone().map(|row| row.id).collect();
        let mut highest = seen.last().copied().unwrap_or_default();
        if let Some(before) = &self.before {
            let is_news = |id| id > before.highest || before.unfinished.contains(&id);
            let done = rows.clone().filter(|row| has_ended(row) && is_news(row.id));
            ended.rows = done.cloned().collect();
            ended.gone = before.unfinished.difference(&seen).copied().collect();
            highest = highest.max(before.highest);
        }
        let unfinished = rows.filter(|row| !has_ended(row)).map(|row| row.id).collect();
        self.before = Some(Before { unfinished, highest });
        ended
    }
}

pub fn has_ended(row: &DownloadRow) -> bool {
    match row.state {
        RowState::Completed | RowState::Failed => true,
        RowState::Queued
        | RowState::Connecting
        | RowState::Downloading
        | RowState::Finishing
        | RowState::Paused => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_rows::download_row;

    fn look(endings: &mut Endings, list: &[(u64, RowState)]) -> (Vec<u64>, Vec<u64>) {
        let rows: Vec<_> = list.iter().map(|(id, state)| download_row(*id, "a", *state)).collect();
        let ended = endings.look(rows.iter());
        (ended.rows.iter().map(|row| row.id).collect(), ended.gone)
    }

    #[test]
    fn what_had_ended_before_is_no_news() {
        let mut endings = Endings::default();
        let list = [(1, RowState::Completed), (2, RowState::Failed), (3, RowState::Queued)];
        assert_eq!(look(&mut endings, &list), (vec![], vec![]));
        assert_eq!(look(&mut endings, &list), (vec![], vec![]));
    }

    #[test]
    fn each_end_is_told_once() {
        let mut endings = Endings::default();
        look(&mut endings, &[(1, RowState::Downloading), (2, RowState::Paused)]);
        let list = [(1, RowState::Failed), (2, RowState::Downloading)];
        assert_eq!(look(&mut endings, &list), (vec![1], vec![]));
        assert_eq!(look(&mut endings, &list), (vec![], vec![]));
        // Completed ones are another part of the list.
        assert_eq!(look(&mut endings, &[(1, RowState::Failed)]), (vec![], vec![2]));
        assert_eq!(look(&mut endings, &[(1, RowState::Failed)]), (vec![], vec![]));
    }

    #[test]
    fn a_download_that_came_and_ended_between_two_looks_is_told() {
        let mut endings = Endings::default();
        look(&mut endings, &[(7, RowState::Completed)]);
        let list = [(7, RowState::Completed), (8, RowState::Completed), (9, RowState::Failed)];
        assert_eq!(look(&mut endings, &list), (vec![8, 9], vec![]));
        assert_eq!(look(&mut endings, &list), (vec![], vec![]));
    }

    #[test]
    fn one_that_failed_and_is_tried_again_may_end_again() {
        let mut endings = Endings::default();
        look(&mut endings, &[(1, RowState::Failed)]);
        assert_eq!(look(&mut endings, &[(1, RowState::Connecting)]), (vec![], vec![]));
        assert_eq!(look(&mut endings, &[(1, RowState::Failed)]), (vec![1], vec![]));
    }

    #[test]
    fn an_empty_list_forgets_nothing_of_what_was_there() {
        let mut endings = Endings::default();
        look(&mut endings, &[(5, RowState::Completed)]);
        look(&mut endings, &[]);
        assert_eq!(look(&mut endings, &[(5, RowState::Completed)]), (vec![], vec![]));
        assert_eq!(look(&mut endings, &[(6, RowState::Completed)]), (vec![6], vec![]));
    }
}
