//! Which downloads have ended between two looks at the list.
//!
//! Pure, and by comparison: a look may miss that a download ran at all, not that it is finished.

use std::collections::BTreeSet;

use manyhands_engine::view::{DownloadRow, RowState};

/// Downloads that one card counts. Older ones are no news any more.
const MAX_UNTOLD: usize = 100;

/// Downloads of which the user was told, or is to be told, by one card.
#[derive(Debug)]
pub struct Untold<C> {
    rows: Vec<DownloadRow>,
    card: Option<C>,
    /// The number of that card. What is heard of an older one says nothing about what came since.
    number: u64,
}

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

impl<C> Default for Untold<C> {
    fn default() -> Self {
        Self { rows: Vec::new(), card: None, number: 0 }
    }
}

impl<C> Untold<C> {
    /// Those that ended since the user last looked, the newest last.
    pub fn rows(&self) -> &[DownloadRow] {
        &self.rows
    }

    /// Takes more of them. When there are any: the number of the card that is to tell of all.
    pub fn add(&mut self, mut rows: Vec<DownloadRow>) -> Option<u64> {
        if rows.is_empty() {
            return None;
        }
        self.rows.append(&mut rows);
        self.rows.drain(..self.rows.len().saturating_sub(MAX_UNTOLD));
        self.number += 1;
        Some(self.number)
    }

    /// The card that tells; the one before it is dropped.
    pub fn told_by(&mut self, card: C) {
        self.card = Some(card);
    }

    /// The card of this number is answered or closed.
    pub fn is_over(&mut self, number: u64) {
        if number == self.number {
            self.clear();
        }
    }

    /// The user has seen them.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.card = None;
    }
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
    fn what_is_heard_late_of_an_older_card_takes_nothing_from_the_newer() {
        let mut untold = Untold::default();
        assert_eq!(untold.add(Vec::new()), None);
        let first = untold.add(vec![download_row(1, "a", RowState::Completed)]).unwrap();
        untold.told_by("first");
        let second = untold.add(vec![download_row(2, "b", RowState::Failed)]).unwrap();
        untold.told_by("second");
        untold.is_over(first);
        assert_eq!(untold.rows().iter().map(|row| row.id).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(untold.card, Some("second"));
        untold.is_over(second);
        assert!(untold.rows().is_empty() && untold.card.is_none());
        // One that the user has seen in the window, and a card that comes after.
        let third = untold.add(vec![download_row(3, "c", RowState::Completed)]).unwrap();
        untold.clear();
        let fourth = untold.add(vec![download_row(4, "d", RowState::Completed)]).unwrap();
        assert_ne!(third, fourth);
        untold.is_over(third);
        assert_eq!(untold.rows().len(), 1);
    }

    #[test]
    fn a_flood_of_endings_is_counted_from_its_end() {
        let mut untold = Untold::<()>::default();
        let rows = (0..MAX_UNTOLD as u64 + 5).map(|id| download_row(id, "a", RowState::Completed));
        untold.add(rows.collect());
        assert_eq!(untold.rows().len(), MAX_UNTOLD);
        assert_eq!(untold.rows().first().map(|row| row.id), Some(5));
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
