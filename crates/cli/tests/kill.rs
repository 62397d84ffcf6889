//! Killed at random instants, the program loses at most what the last moments brought, and the file is right.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use common::{World, kind, sha256_of_content, sha256_of_file};
use manyhands_faultserver::Behaviour;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Takes the place of a random seed, to have the same instants again.
const SEED: &str = "MANYHANDS_TEST_SEED";
const KILLS: usize = 20;
/// What a kill may cost: far more than what is saved every 250 ms or 4 MiB leaves out.
const MAY_BE_LOST: u64 = 16 << 20;

#[test]
fn kills_at_12_megabytes_a_second_lose_little() {
    kills_at(12_000_000);
}

#[test]
fn kills_at_48_megabytes_a_second_lose_little() {
    kills_at(48_000_000);
}

/// Kills one download again and again, each time after a moment of up to 1.4 s.
fn kills_at(rate: u64) {
    let seed = std::env::var(SEED).map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("{SEED}={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let moments: Vec<_> =
        (0..KILLS).map(|_| Duration::from_millis(rng.random_range(5..1400))).collect();
    // However little the starts cost, the runs that are killed cannot bring all of it.
    let seconds = moments.iter().sum::<Duration>().as_secs_f64();
    let bytes = (seconds * rate as f64 * 1.2) as u64;
    let digest = sha256_of_content(seed, bytes);
    let world =
        World::new(Behaviour { bytes, seed, rate_total: Some(rate), ..Behaviour::default() });

    let (mut reached, mut most_lost, mut kills_at_work) = (0, 0, 0);
    let mut check = |first: u64, reached: u64| {
        let lost = reached.saturating_sub(first);
        assert!(lost <= MAY_BE_LOST, "{lost} of {reached} bytes were lost");
        most_lost = most_lost.max(lost);
    };
    for moment in moments {
        let mut run = world.get(&[&world.url()], &["--sha256", &digest]);
        // Not to wait for anything: the instant is to be any.
        std::thread::sleep(moment.saturating_sub(run.started.elapsed()));
        run.child.kill().unwrap();
        run.child.wait().unwrap();
        let mut told = Vec::new();
        while let Some(event) = run.next() {
            assert_eq!(kind(&event), "progress", "{event}");
            told.push(event["bytes"].as_u64().unwrap());
        }
        if let [first, .., last] = told[..] {
            check(first, reached);
            reached = last;
            kills_at_work += 1;
        }
    }
    let mut run = world.get(&[&world.url()], &["--sha256", &digest]);
    check(run.next().unwrap()["bytes"].as_u64().unwrap(), reached);
    let ended = run.completed();
    let sent: u64 = world.server.requests().iter().map(|request| request.body_bytes_sent).sum();
    println!(
        "{bytes} bytes, {kills_at_work} of {KILLS} kills at work, the worst cost {most_lost} bytes, \
         {sent} sent"
    );
    assert!(kills_at_work >= KILLS / 2, "most kills came before anything happened");
    assert!(reached > bytes / 6, "the kills came to {reached} of {bytes} bytes only");
    assert!(sent >= bytes, "{sent} bytes sent");
    // What was on its way to a killed program comes on top.
    assert!(sent <= bytes + KILLS as u64 * MAY_BE_LOST, "{sent} bytes sent");
    assert_eq!(ended.result()["verification"], "verified");
    assert_eq!(world.names(), ["file.bin"]);
    assert_eq!(sha256_of_file(&world.files().join("file.bin")), digest);
}
