//! How close to ideal downloads come: η = ideal time / time taken.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use manyhands_core::{AskState, HelpAnswer, HelpDecline};
use manyhands_sim::{Campus, Outcome, Supply};

const SEEDS: u64 = 8;

/// The lowest η over the seeds, and the last run.
fn check(length: u64, supplies: &[Supply], ideal_s: f64, least: f64) -> Outcome {
    let mut last = None;
    for seed in 1..=SEEDS {
        let outcome = Campus::new(length, supplies.to_vec(), seed).run();
        let efficiency = ideal_s / outcome.seconds;
        println!(
            "seed {seed}: {:.1} s of {ideal_s:.1} s, {efficiency:.3}, {outcome:?}",
            outcome.seconds
        );
        assert!(efficiency >= least, "seed {seed}: {efficiency:.3} of the ideal, {outcome:?}");
        last = Some(outcome);
    }
    last.unwrap()
}

const MBIT: f64 = 1e6 / 8.0;

#[test]
fn four_equal_hands_are_four_times_as_fast() {
    let length = 128 << 20;
    let supplies = [Supply::of(20.0 * MBIT); 4];
    let outcome = check(length, &supplies, length as f64 / (80.0 * MBIT), 0.94);
    assert!(outcome.brought.iter().all(|bytes| *bytes >= length / 5), "{outcome:?}");
    assert!(outcome.requests < 80, "{outcome:?}");
    assert!(outcome.cells.iter().all(|cells| *cells >= 128 / 5), "{outcome:?}");
    assert_eq!(outcome.cells.iter().sum::<usize>(), 128);
}

#[test]
fn lines_of_different_rates_add_up() {
    let length = 256 << 20;
    let supplies: Vec<_> = [20.0, 10.0, 5.0, 40.0].map(|rate| Supply::of(rate * MBIT)).into();
    check(length, &supplies, length as f64 / (75.0 * MBIT), 0.94);
}

#[test]
fn far_servers_cost_little() {
    let length = 256 << 20;
    let far = Supply { latency: Duration::from_millis(150), ..Supply::of(20.0 * MBIT) };
    check(length, &[far; 4], length as f64 / (80.0 * MBIT), 0.93);
}

#[test]
fn twenty_helpers_are_kept_busy() {
    let length = 1 << 30;
    check(length, &[Supply::of(20.0 * MBIT); 21], length as f64 / (420.0 * MBIT), 0.90);
}

#[test]
fn a_helper_that_goes_away_stops_nobody() {
    let length = 128 << 20;
    let mut supplies = vec![Supply::of(20.0 * MBIT); 4];
    supplies[2].goes = Some(Duration::from_secs(6));
    supplies[3].goes = Some(Duration::from_secs(8));
    // Two for the whole time, the third for 6 s, the fourth for 8 s.
    let ideal = (length as f64 - 14.0 * 20.0 * MBIT) / (40.0 * MBIT);
    let outcome = check(length, &supplies, ideal, 0.85);
    assert!(outcome.longest_pause < Duration::from_secs(1), "{outcome:?}");
}

#[test]
fn whoever_does_not_help_costs_nothing() {
    let length = 64 << 20;
    let mut supplies = vec![Supply::of(20.0 * MBIT); 4];
    supplies[1].answer = Some(HelpAnswer::Decline(HelpDecline::No));
    supplies[2].answer = Some(HelpAnswer::Expire);
    supplies[3].answer = None;
    let outcome = check(length, &supplies, length as f64 / (20.0 * MBIT), 0.97);
    assert_eq!(
        outcome.help,
        [AskState::Declined { reason: HelpDecline::No }, AskState::Expired, AskState::Asked]
    );
}

#[test]
fn helpers_that_come_late_still_help() {
    let length = 256 << 20;
    let late = Supply { comes: Duration::from_secs(30), ..Supply::of(20.0 * MBIT) };
    let ideal = 30.0 + (length as f64 - 30.0 * 20.0 * MBIT) / (60.0 * MBIT);
    check(length, &[Supply::of(20.0 * MBIT), late, late], ideal, 0.94);
}
