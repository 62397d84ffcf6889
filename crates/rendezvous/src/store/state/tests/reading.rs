//! What readers hear.

use manyhands_wire::MAX_CHANGES;

use super::*;
use crate::store::state::device::MAX_RINGS;
use crate::store::state::group::LEAST_LOG_ENTRIES;
use crate::store::state::reading::MAX_WALK;

#[test]
fn a_reader_hears_the_last_word_of_each_and_each_once() {
    let (mut state, reader) = (state(), device(0));
    state.subscribe(reader, &[group(1), group(2)], Readers::Stream).unwrap();
    let mut position = Position::Start;
    assert_eq!(read(&mut state, 0, reader, &mut position), [Event::Reset, Event::Ready]);
    for seq in 1..=5 {
        let content = seq as u8;
        state
            .publish(0, device(1), vec![record(1, seq, content), record(2, seq, content)])
            .unwrap();
        state.publish(0, device(2), vec![record(1, 100 + seq, 0)]).unwrap();
    }
    state.withdraw(device(1), Some(group(2)));
    let gone = Event::Gone { group: group(2), id: device(1) };
    let news = read(&mut state, 0, reader, &mut position);
    assert_eq!(news, [present(105), present(5), gone], "the newest record of each");
    assert_eq!(read(&mut state, 0, reader, &mut position), []);
    // A renewal is taken in, though nobody is told: who comes now gets it.
    state.publish(0, device(1), vec![record(1, 6, 5)]).unwrap();
    assert_eq!(read(&mut state, 0, reader, &mut position), []);
    let mut anew = Position::Start;
    let all = read(&mut state, 0, reader, &mut anew);
    assert_eq!(all, [Event::Reset, present(6), present(105), Event::Ready]);
}

#[test]
fn what_changes_while_everyone_is_being_told_of_comes_behind() {
    let (mut state, reader) = (state(), device(0));
    for n in 1..=600 {
        state.publish(0, device(n), vec![record(1, n.into(), 0)]).unwrap();
    }
    let mut position = Position::Start;
    let first = state.take(0, reader, &[group(1)], &mut position).unwrap();
    assert!(first.more && first.events.len() <= MAX_CHANGES);
    // One who was told, and one who was not yet.
    state.withdraw(device(1), None);
    state.withdraw(device(600), None);
    state.publish(0, device(601), vec![record(1, 601, 0)]).unwrap();
    let rest = read(&mut state, 0, reader, &mut position);
    let told: Vec<_> = first.events.iter().chain(&rest).collect();
    for seq in 1..=601 {
        let times = told.iter().filter(|event| ***event == present(seq)).count();
        let expected = match seq {
            600 => 0,
            // New among those who were still to come, and news.
            601 => 2,
            _ => 1,
        };
        assert_eq!(times, expected, "{seq}");
    }
    for id in [1, 600] {
        assert!(told.contains(&&Event::Gone { group: group(1), id: device(id) }));
    }
}

#[test]
fn who_is_too_far_behind_is_told_so_and_costs_nothing_meanwhile() {
    let (mut state, reader) = (state(), device(0));
    state.subscribe(reader, &[group(1)], Readers::Stream).unwrap();
    let mut position = Position::Start;
    state.take(0, reader, &[group(1)], &mut position).unwrap();
    let behind = position;
    let mut seq = 0;
    let mut tell = |state: &mut State, times: usize| {
        for _ in 0..times {
            seq += 1;
            state.publish(0, device(1), vec![record(1, seq, seq as u8)]).unwrap();
        }
        seq
    };
    let last = tell(&mut state, LEAST_LOG_ENTRIES);
    assert_eq!(read(&mut state, 0, reader, &mut position), [present(last)]);
    let mut position = behind;
    tell(&mut state, 2);
    assert_eq!(state.take(0, reader, &[group(1)], &mut position).unwrap_err(), Lagged);
    assert_eq!(state.groups[&group(1)].log.len(), LEAST_LOG_ENTRIES, "it is a small group");
    // A place that this store has never reached is nobody's either.
    let mut position = Position::After(u64::MAX);
    assert_eq!(state.take(0, reader, &[group(1)], &mut position).unwrap_err(), Lagged);
}

#[test]
fn a_log_is_as_long_as_its_group_needs_and_those_who_stay_hear_of_all_who_leave() {
    let (mut state, reader) = (state(), device(0));
    state.subscribe(reader, &[group(1)], Readers::Stream).unwrap();
    let mut position = Position::Start;
    read(&mut state, 0, reader, &mut position);
    for n in 1..=600 {
        state.publish(0, device(n), vec![record(1, 1, 0)]).unwrap();
    }
    assert_eq!(read(&mut state, 0, reader, &mut position).len(), 600);
    (1..=600).for_each(|n| state.withdraw(device(n), None));
    assert_eq!(read(&mut state, 0, reader, &mut position).len(), 600);
    for seq in 1..=4_000 {
        state.publish(0, device(1), vec![record(1, seq, seq as u8)]).unwrap();
    }
    assert_eq!(state.groups[&group(1)].log.len(), LEAST_LOG_ENTRIES);
}

#[test]
fn who_would_have_to_be_told_of_too_much_begins_anew() {
    let (mut state, reader) = (state(), device(0));
    let groups: Vec<_> = (0..MAX_GROUPS as u8).map(group).collect();
    state.subscribe(reader, &groups, Readers::Poll).unwrap();
    let position = Position::After(0);
    let mut entries = 0;
    for n in 1..=200 {
        if entries <= MAX_WALK {
            assert!(state.take(0, reader, &groups, &mut position.clone()).is_ok(), "{entries}");
        }
        let records = (0..MAX_GROUPS as u8).map(|id| record(id, 1, 0)).collect();
        state.publish(0, device(n), records).unwrap();
        entries += MAX_GROUPS;
    }
    assert_eq!(state.take(0, reader, &groups, &mut position.clone()).unwrap_err(), Lagged);
}

#[test]
fn a_group_that_was_forgotten_meanwhile_is_not_taken_for_one_without_news() {
    let (mut state, reader) = (state(), device(0));
    state.publish(0, device(1), vec![record(1, 1, 0)]).unwrap();
    let mut position = Position::Start;
    read(&mut state, 0, reader, &mut position);
    state.withdraw(device(1), None);
    assert!(state.groups.is_empty() && state.devices.is_empty());
    let taken = state.take(0, reader, &[group(1), group(2)], &mut position);
    assert_eq!(taken.unwrap_err(), Lagged, "the reader knows of somebody who is gone");
    let mut position = Position::After(1);
    state.publish(0, device(2), vec![record(1, 1, 0)]).unwrap();
    let taken = state.take(0, reader, &[group(1)], &mut position);
    assert_eq!(taken.unwrap_err(), Lagged, "and it exists again");
}

#[test]
fn what_happens_in_groups_of_others_is_no_reason_to_begin_anew() {
    let (mut state, reader) = (state(), device(0));
    let poll = |state: &mut State, position: &mut Position| {
        let (number, _) = state.subscribe(reader, &[group(1)], Readers::Poll).unwrap();
        let taken = state.take(0, reader, &[group(1)], position).unwrap();
        state.unsubscribe(0, reader, &[group(1)], number);
        taken.events
    };
    let mut position = Position::Start;
    assert_eq!(poll(&mut state, &mut position), [Event::Reset, Event::Ready]);
    let before = position;
    for seq in 1..=100 {
        state.publish(0, device(1), vec![record(2, seq, seq as u8)]).unwrap();
    }
    // Nobody is in its group, which does not exist between polls.
    assert_eq!(poll(&mut state, &mut position), []);
    position = before;
    state.publish(0, device(2), vec![record(1, 1, 0)]).unwrap();
    assert_eq!(poll(&mut state, &mut position), [present(1)]);
}

#[test]
fn rings_wait_a_minute_and_not_too_many_of_them() {
    let mut state = state();
    state.publish(0, device(1), vec![record(1, 1, 0)]).unwrap();
    assert!(!state.ring(0, group(2), device(2), device(1)), "not in this group");
    assert!(!state.ring(0, group(1), device(2), device(3)));
    let mut position = Position::After(state.number);
    let early = position;
    for n in 0..MAX_RINGS as u16 + 8 {
        assert!(state.ring(u64::from(n), group(1), device(n), device(1)));
    }
    let rung = read(&mut state, 1_000, device(1), &mut position);
    assert_eq!(rung.len(), MAX_RINGS);
    assert_eq!(rung.first(), Some(&Event::Ring { group: group(1), from: device(8) }));
    assert_eq!(read(&mut state, 1_000, device(1), &mut position), []);
    let mut position = early;
    assert_eq!(read(&mut state, 61_000, device(1), &mut position), []);
    let mut position = early;
    state.ring(61_000, group(1), device(2), device(1));
    let elsewhere = state.take(61_000, device(1), &[group(2)], &mut position).unwrap();
    assert_eq!(elsewhere.events, [], "a reader of other groups does not hear it");
}

#[test]
fn who_begins_anew_hears_who_has_rung_lately() {
    let mut state = state();
    state.publish(0, device(1), vec![record(1, 1, 0)]).unwrap();
    for n in 2..=600 {
        state.publish(0, device(n), vec![record(1, 1, 0)]).unwrap();
    }
    assert!(state.ring(0, group(1), device(2), device(1)));
    for n in 0..MAX_RINGS as u16 {
        assert!(state.ring(30_000, group(1), device(100 + n), device(1)));
    }
    let mut position = Position::Start;
    let mut events = Vec::new();
    loop {
        let taken = state.take(61_000, device(1), &[group(1)], &mut position).unwrap();
        assert!(taken.events.len() <= MAX_CHANGES, "no more than a client takes");
        events.extend(taken.events);
        if !taken.more {
            break;
        }
    }
    let ready = events.iter().position(|event| *event == Event::Ready).unwrap();
    let rings = &events[ready + 1..];
    assert_eq!(rings.len(), MAX_RINGS);
    assert!(rings.contains(&Event::Ring { group: group(1), from: device(100) }));
    assert_eq!(read(&mut state, 61_000, device(1), &mut position), []);
    let late = read(&mut state, 90_000, device(1), &mut Position::Start);
    assert!(!late.iter().any(|event| matches!(event, Event::Ring { .. })));
}

#[test]
fn readers_are_woken_once_for_many_changes() {
    let mut state = state();
    let (_, signal) = state.subscribe(device(0), &[group(1)], Readers::Stream).unwrap();
    for n in 1..=100 {
        state.publish(0, device(n), vec![record(1, 1, 0)]).unwrap();
    }
    assert_eq!(state.changed.len(), 1);
    state.wake();
    assert!(state.changed.is_empty());
    let mut woken = std::pin::pin!(signal.news.notified());
    let waker = std::task::Waker::noop();
    assert!(woken.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready());
}
