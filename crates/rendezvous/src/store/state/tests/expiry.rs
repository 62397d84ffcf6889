//! What ends by itself.

use super::*;

#[test]
fn presences_end_with_their_records_and_after_the_grace_of_a_stream() {
    let mut state = state();
    let ends_at = |state: &mut State, from: u64| {
        (from..from + 200_000).step_by(500).find(|now| {
            state.expire(*now);
            state.presences == 0
        })
    };
    state.publish(0, device(1), vec![record(1, 1, 0)]).unwrap();
    state.publish(60_000, device(1), vec![record(1, 2, 0)]).unwrap();
    assert_eq!(ends_at(&mut state, 60_000), Some(180_000));
    // One that holds for less than the one before it.
    let short = NewRecord { ttl: Duration::from_secs(5), ..record(1, 2, 0) };
    state.publish(180_000, device(1), vec![record(1, 1, 0)]).unwrap();
    state.publish(181_000, device(1), vec![short]).unwrap();
    assert_eq!(ends_at(&mut state, 181_000), Some(186_000));
    state.publish(200_000, device(1), vec![record(1, 3, 0), record(2, 3, 0)]).unwrap();
    let (number, _) = state.subscribe(device(1), &[group(1)], Readers::Stream).unwrap();
    state.unsubscribe(201_500, device(1), &[group(1)], number);
    assert_eq!(ends_at(&mut state, 201_500), Some(212_000));
    assert!(state.groups.is_empty() && state.devices.is_empty() && state.due.is_empty());
}

#[test]
fn a_device_that_came_back_within_the_grace_stays() {
    let mut state = state();
    state.publish(0, device(1), vec![record(1, 1, 0)]).unwrap();
    let stream =
        |state: &mut State| state.subscribe(device(1), &[group(1)], Readers::Stream).unwrap().0;
    let number = stream(&mut state);
    state.unsubscribe(1_000, device(1), &[group(1)], number);
    let number = stream(&mut state);
    state.expire(30_000);
    assert_eq!(state.presences, 1);
    state.unsubscribe(40_000, device(1), &[group(1)], number);
    state.publish(41_000, device(1), vec![record(1, 2, 0)]).unwrap();
    state.expire(60_000);
    assert_eq!(state.presences, 1, "it has gone over to publishing");
    // Those who poll are not there by it, nor gone.
    let (number, _) = state.subscribe(device(1), &[group(1)], Readers::Poll).unwrap();
    state.unsubscribe(61_000, device(1), &[group(1)], number);
    state.expire(100_000);
    assert_eq!(state.presences, 1);
}

#[test]
fn a_device_whose_news_has_to_wait_is_there_and_its_record_holds_no_longer_for_it() {
    let mut state = State::new(Limits::default(), 10_000);
    for seq in 1..=6 {
        state.publish(0, device(1), vec![record(1, seq, seq as u8)]).unwrap();
    }
    // It moves: its stream has closed, and what it says then is one change too many.
    let (number, _) = state.subscribe(device(1), &[group(1)], Readers::Stream).unwrap();
    state.unsubscribe(1_000, device(1), &[group(1)], number);
    let moved = state.publish(2_000, device(1), vec![record(1, 7, 7)]);
    assert!(matches!(moved, Err(StoreRefusal::ChangesTooOften(..))), "{moved:?}");
    state.expire(119_000);
    let all = read(&mut state, 119_000, device(0), &mut Position::Start);
    assert_eq!(all, [Event::Reset, present(6), Event::Ready]);
    state.expire(120_000);
    assert_eq!(state.presences, 0);
}

#[test]
fn a_device_that_polls_since_its_stream_closed_is_there() {
    for polls in [false, true] {
        let mut state = state();
        state.publish(0, device(1), vec![record(1, 1, 0)]).unwrap();
        let (stream, _) = state.subscribe(device(1), &[group(1)], Readers::Stream).unwrap();
        state.unsubscribe(1_000, device(1), &[group(1)], stream);
        if polls {
            let (poll, _) = state.subscribe(device(1), &[group(1)], Readers::Poll).unwrap();
            state.unsubscribe(2_000, device(1), &[group(1)], poll);
        }
        state.expire(30_000);
        assert_eq!(state.presences, usize::from(polls));
        // A poll that is still open says the same; the record ends it in any case.
        let (stream, _) = state.subscribe(device(1), &[group(1)], Readers::Stream).unwrap();
        let (poll, _) = state.subscribe(device(1), &[group(1)], Readers::Poll).unwrap();
        state.unsubscribe(40_000, device(1), &[group(1)], stream);
        state.expire(60_000);
        assert_eq!(state.presences, usize::from(polls));
        state.expire(120_000);
        assert_eq!(state.presences, 0);
        state.unsubscribe(121_000, device(1), &[group(1)], poll);
    }
}
