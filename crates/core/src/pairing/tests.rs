use super::*;
use std::collections::BTreeSet;
use std::time::Duration;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn peer(n: u8) -> PeerId {
    PeerId::from_digest([n; 32])
}

fn nonce(n: u8) -> PairingNonce {
    PairingNonce([n; 32])
}

const LIN: u8 = 1;
const MO: u8 = 2;
const EVE: u8 = 3;

fn desk(own: u8) -> PairingDesk {
    PairingDesk::new(peer(own), PairingBounds::default())
}

fn ask(id: u128, from: u8, commitment: PairingCommitment) -> PairingAsk {
    let name = format!("device {from}");
    let (id, from, reach) = (PairingId(id), peer(from), None);
    PairingAsk { id, from, stranger: true, name, reach, commitment }
}

/// Lin's desk with a run of hers, Mo's with the same; both compare.
struct Two {
    lin: PairingDesk,
    mo: PairingDesk,
}

const HERS: PairingId = PairingId(10);
const HIS: PairingId = PairingId(20);

impl Two {
    fn comparing() -> Self {
        let (mut lin, mut mo) = (desk(LIN), desk(MO));
        let commitment = lin.begin(HERS, peer(MO), "Mo".into(), None, nonce(7), s(0)).unwrap();
        mo.requested(ask(HIS.0, LIN, commitment), nonce(8), s(0)).unwrap();
        let opening = lin.opened(HERS, nonce(8), s(1)).unwrap();
        mo.revealed(HIS, peer(LIN), opening, s(1)).unwrap();
        lin.heard(HERS, PairingHeard::Compare, s(1));
        Self { lin, mo }
    }

    fn stages(&self) -> (PairingStage, PairingStage) {
        (self.lin.run(HERS).unwrap().stage, self.mo.run(HIS).unwrap().stage)
    }

    /// Hands Lin's yes and Mo's state on, as the wire would.
    fn talk(&mut self, now: Duration) {
        if self.lin.run(HERS).unwrap().stage == PairingStage::WaitingForOther {
            let _ = self.mo.confirmed(HIS, peer(LIN), now);
        }
        let heard = match self.mo.look(HIS, peer(LIN), now).unwrap().stage {
            PairingStage::Over(end) => PairingHeard::Over(end),
            _ => PairingHeard::Compare,
        };
        self.lin.heard(HERS, heard, now);
    }

    fn nobody_is_paired(&mut self) -> bool {
        self.lin.poll_paired().is_none() && self.mo.poll_paired().is_none()
    }
}

#[test]
fn both_screens_show_the_same_code_and_two_yeses_pair() {
    for lin_first in [true, false] {
        let mut two = Two::comparing();
        let (hers, his) = (two.lin.runs(), two.mo.runs());
        assert_eq!((hers.len(), his.len()), (1, 1));
        assert!(hers[0].code.is_some());
        assert_eq!(hers[0].code, his[0].code);
        assert_eq!((hers[0].incoming, his[0].incoming), (false, true));
        assert_eq!(two.stages(), (PairingStage::Compare, PairingStage::Compare));
        for lin in [lin_first, !lin_first] {
            assert!(two.nobody_is_paired(), "one yes is not enough");
            let answered =
                if lin { two.lin.answer(HERS, true, s(2)) } else { two.mo.answer(HIS, true, s(2)) };
            assert!(answered);
            two.talk(s(3));
        }
        let paired = PairingStage::Over(PairingEnd::Paired);
        assert_eq!(two.stages(), (paired, paired));
        assert_eq!(two.lin.poll_paired().unwrap().peer, peer(MO));
        assert_eq!(two.mo.poll_paired().unwrap().peer, peer(LIN));
        assert!(two.nobody_is_paired(), "each is told once");
    }
}

#[test]
fn one_no_ends_it_on_both_sides_whatever_the_other_has_said() {
    for (lin_says_no, after_a_yes) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut two = Two::comparing();
        if after_a_yes {
            if lin_says_no {
                two.mo.answer(HIS, true, s(2))
            } else {
                two.lin.answer(HERS, true, s(2))
            };
            two.talk(s(2));
        }
        if lin_says_no {
            assert!(two.lin.answer(HERS, false, s(3)));
            two.mo.refused(HIS, peer(LIN), s(3)).unwrap();
        } else {
            assert!(two.mo.answer(HIS, false, s(3)));
            two.talk(s(3));
        }
        let refused = PairingStage::Over(PairingEnd::Refused);
        assert_eq!(two.stages(), (refused, refused));
        assert!(!two.lin.answer(HERS, true, s(4)) && !two.mo.answer(HIS, true, s(4)), "too late");
        assert_eq!(two.mo.confirmed(HIS, peer(LIN), s(4)), Err(PairingRefusal::Over));
        assert!(two.nobody_is_paired());
    }
}

#[test]
fn silence_is_no() {
    let mut two = Two::comparing();
    assert!(two.lin.answer(HERS, true, s(59)));
    two.talk(s(59));
    assert!(!two.mo.answer(HIS, true, s(60)), "a minute from beginning to end");
    two.talk(s(60));
    let expired = PairingStage::Over(PairingEnd::Expired);
    assert_eq!(two.stages(), (expired, expired));
    assert!(two.nobody_is_paired());
    two.mo.tick(s(119));
    assert_eq!(two.mo.runs().len(), 1, "the end is shown for a minute");
    two.mo.tick(s(120));
    assert!(two.mo.runs().is_empty());
}

#[test]
fn a_last_word_that_is_on_its_way_is_waited_for() {
    let mut two = Two::comparing();
    assert!(two.mo.answer(HIS, true, s(59)));
    assert!(two.lin.answer(HERS, true, s(59)));
    two.mo.confirmed(HIS, peer(LIN), s(59)).unwrap();
    two.lin.heard(HERS, PairingHeard::Over(PairingEnd::Paired), s(61));
    assert_eq!(two.lin.poll_paired().unwrap().peer, peer(MO));
    // Without her yes there is nothing to wait for.
    let mut two = Two::comparing();
    two.lin.tick(s(60));
    assert_eq!(two.stages().0, PairingStage::Over(PairingEnd::Expired));
}

#[test]
fn a_commitment_opened_wrongly_ends_the_run_and_the_user_hears_of_it() {
    let mut mo = desk(MO);
    let commitment = nonce(7).commitment(peer(LIN), peer(MO));
    mo.requested(ask(1, LIN, commitment), nonce(8), s(0)).unwrap();
    assert!(mo.runs().is_empty(), "nothing is shown before the opening");
    mo.revealed(PairingId(1), peer(LIN), nonce(9), s(1)).unwrap();
    assert_eq!(mo.runs()[0].stage, PairingStage::Over(PairingEnd::Cheated));
    assert_eq!(mo.runs()[0].code, None);
    let again = mo.revealed(PairingId(1), peer(LIN), nonce(7), s(1));
    assert_eq!(again, Err(PairingRefusal::Over), "there is no second try");
    assert!(!mo.answer(PairingId(1), true, s(1)));
    // The commitment of one pair of devices is nothing to another pair.
    let others = nonce(7).commitment(peer(LIN), peer(EVE));
    mo.requested(ask(2, LIN, others), nonce(8), s(1)).unwrap();
    mo.revealed(PairingId(2), peer(LIN), nonce(7), s(1)).unwrap();
    assert_eq!(mo.run(PairingId(2)).unwrap().stage, PairingStage::Over(PairingEnd::Cheated));
    // Both have counted.
    mo.requested(ask(3, LIN, commitment), nonce(8), s(2)).unwrap();
    mo.refused(PairingId(3), peer(LIN), s(2)).unwrap();
    let fourth = mo.requested(ask(4, LIN, commitment), nonce(8), s(3));
    assert_eq!(fourth, Err(PairingRefusal::TooMany));
}

#[test]
fn what_is_not_opened_at_once_is_over_and_was_never_shown() {
    let mut mo = desk(MO);
    let commitment = nonce(7).commitment(peer(LIN), peer(MO));
    mo.requested(ask(1, LIN, commitment), nonce(8), s(0)).unwrap();
    let late = mo.revealed(PairingId(1), peer(LIN), nonce(7), s(10));
    assert_eq!(late, Err(PairingRefusal::Over));
    assert!(mo.runs().is_empty());
}

#[test]
fn a_run_is_for_the_device_that_began_it_and_in_order() {
    let mut two = Two::comparing();
    let unknown = Err(PairingRefusal::Unknown);
    assert_eq!(two.mo.revealed(HIS, peer(EVE), nonce(7), s(2)), unknown);
    assert_eq!(two.mo.confirmed(HIS, peer(EVE), s(2)), unknown);
    assert_eq!(two.mo.refused(HIS, peer(EVE), s(2)), unknown);
    assert!(two.mo.look(HIS, peer(EVE), s(2)).is_err());
    // Lin's own run is nobody's to steer from outside.
    assert_eq!(two.lin.confirmed(HERS, peer(MO), s(2)), unknown);
    let opened_twice = two.mo.revealed(HIS, peer(LIN), nonce(7), s(2));
    assert_eq!(opened_twice, Err(PairingRefusal::Over));
    assert_eq!(two.stages(), (PairingStage::Compare, PairingStage::Compare));

    let mut mo = desk(MO);
    mo.requested(ask(1, LIN, nonce(7).commitment(peer(LIN), peer(MO))), nonce(8), s(0)).unwrap();
    let early = mo.confirmed(PairingId(1), peer(LIN), s(0));
    assert_eq!(early, Err(PairingRefusal::NotReady), "before the opening");
    assert!(!mo.answer(PairingId(1), true, s(0)), "there is no code yet");
    mo.revealed(PairingId(1), peer(LIN), nonce(7), s(0)).unwrap();
    assert_eq!(mo.run(PairingId(1)).unwrap().stage, PairingStage::Compare);
}

#[test]
fn a_responder_cannot_say_that_both_agreed() {
    for after_a_yes in [false, true] {
        let mut two = Two::comparing();
        if after_a_yes {
            two.lin.answer(HERS, true, s(2));
        }
        two.lin.heard(HERS, PairingHeard::Over(PairingEnd::Paired), s(2));
        let end = if after_a_yes { PairingEnd::Paired } else { PairingEnd::Cheated };
        assert_eq!(two.stages().0, PairingStage::Over(end));
        assert_eq!(two.lin.poll_paired().is_some(), after_a_yes);
    }
    let mut lin = desk(LIN);
    lin.begin(HERS, peer(MO), "Mo".into(), None, nonce(7), s(0)).unwrap();
    lin.heard(HERS, PairingHeard::Over(PairingEnd::Paired), s(0));
    assert_eq!(lin.run(HERS).unwrap().stage, PairingStage::Over(PairingEnd::Cheated));
    assert!(lin.poll_paired().is_none());
}

#[test]
fn runs_are_bounded_per_device_per_strangers_and_at_a_time() {
    let commitment = nonce(7).commitment(peer(LIN), peer(MO));
    let full = Err(PairingRefusal::TooMany);
    let mut id = 0;
    let mut try_it = |mo: &mut PairingDesk, from: u8, stranger: bool, now: Duration| {
        id += 1;
        let ask = PairingAsk { stranger, ..ask(id, from, commitment) };
        mo.requested(ask, nonce(8), now).map(|()| PairingId(id))
    };

    // One device: one open, three in ten minutes, friend or not.
    for stranger in [true, false] {
        let mut mo = desk(MO);
        for n in 0..3 {
            let run = try_it(&mut mo, LIN, stranger, s(n)).unwrap();
            assert_eq!(try_it(&mut mo, LIN, stranger, s(n)).map(drop), full, "one is open");
            mo.refused(run, peer(LIN), s(n)).unwrap();
        }
        assert_eq!(try_it(&mut mo, LIN, stranger, s(599)).map(drop), full);
        let own = mo.begin(PairingId(999), peer(LIN), String::new(), None, nonce(9), s(599));
        assert_eq!(own.map(drop), full, "whoever begins");
        assert!(try_it(&mut mo, LIN, stranger, s(600)).is_ok());
    }

    // All strangers: five in ten minutes; a friend is not kept out by them.
    let mut mo = desk(MO);
    for n in 0..5 {
        let run = try_it(&mut mo, 10 + n, true, s(0)).unwrap();
        mo.refused(run, peer(10 + n), s(0)).unwrap();
    }
    assert_eq!(try_it(&mut mo, 20, true, s(1)).map(drop), full);
    assert!(try_it(&mut mo, 21, false, s(1)).is_ok());

    // At a time: four, of which others take three.
    let mut mo = desk(MO);
    for n in 0..3 {
        try_it(&mut mo, 10 + n, false, s(0)).unwrap();
    }
    assert_eq!(try_it(&mut mo, 20, false, s(0)).map(drop), full);
    let own = |mo: &mut PairingDesk, n: u8| {
        mo.begin(PairingId(900 + u128::from(n)), peer(n), String::new(), None, nonce(9), s(1))
    };
    assert!(own(&mut mo, 30).is_ok());
    assert_eq!(own(&mut mo, 31).map(drop), full);
    assert_eq!(own(&mut mo, MO), Err(PairingRefusal::Itself));
}

#[test]
fn who_is_blocked_is_out_of_it() {
    let mut two = Two::comparing();
    two.mo.answer(HIS, true, s(2));
    two.mo.set_blocked(BTreeSet::from([peer(LIN)]), s(2));
    assert_eq!(two.stages().1, PairingStage::Over(PairingEnd::Refused));
    let commitment = nonce(7).commitment(peer(LIN), peer(MO));
    let again = two.mo.requested(ask(30, LIN, commitment), nonce(8), s(3));
    assert_eq!(again, Err(PairingRefusal::Blocked));
    let own = two.mo.begin(PairingId(31), peer(LIN), String::new(), None, nonce(9), s(3));
    assert_eq!(own, Err(PairingRefusal::Blocked));
    assert!(two.nobody_is_paired());
}

/// What nobody can foresee, but the same in each run of the test.
fn drawn(seed: &str, n: u64) -> [u8; 32] {
    Sha256::new().chain_update(seed).chain_update(n.to_be_bytes()).finalize().into()
}

/// Eve stands between Lin, who begins, and Mo, and runs one pairing with each, with keys and nonces of her choice. Her best
/// order of things is tried: she knows Lin's commitment before she commits to Mo, and has Mo's nonce before she answers Lin.
/// Her last choice, the nonce that she answers Lin with, is made before Lin's is opened: both codes are then as good as drawn.
///
/// Without the commitment Lin would send her nonce at once, and Eve would only have to try a million nonces until the two codes
/// are equal: a second of one processor. That it works is shown by `an_opening_that_was_searched_for_is_not_taken`.
#[test]
fn a_device_between_two_others_cannot_make_their_codes_equal() {
    const TRIES: u64 = 100_000;
    let (lin, mo) = (PeerId::from_digest(drawn("lin", 0)), PeerId::from_digest(drawn("mo", 0)));
    let mut equal = 0;
    for n in 0..TRIES {
        let (lins, mos) = (PairingNonce(drawn("lins", n)), PairingNonce(drawn("mos", n)));
        // A key of its own for each try, and nonces that depend on all that she has seen.
        let eve = PeerId::from_digest(drawn("eve", n));
        let seen = lins.commitment(lin, eve).0;
        let to_mo = PairingNonce(Sha256::new().chain_update(seen).finalize().into());
        let on_mos_screen = PairingCode::of(eve, mo, &to_mo, &mos);
        let to_lin =
            PairingNonce(Sha256::new().chain_update(seen).chain_update(mos.0).finalize().into());
        equal += u32::from(PairingCode::of(lin, eve, &lins, &to_lin) == on_mos_screen);
    }
    // A tenth of one is expected; more than two would come up once in six thousand such tests.
    assert!(equal <= 2, "{equal} of {TRIES} guesses were right");
}

/// The one who commits learns the other's nonce before it opens. It finds another nonce that would give the code that it wants,
/// which takes about a million tries, but cannot open its commitment with it.
#[test]
fn an_opening_that_was_searched_for_is_not_taken() {
    let (eve, mut mo) = (peer(EVE), desk(MO));
    let committed = nonce(7);
    mo.requested(ask(1, EVE, committed.commitment(eve, peer(MO))), nonce(8), s(0)).unwrap();
    let wanted: PairingCode = "123 456".parse().unwrap();
    let fitting = (0..).map(|n| PairingNonce(drawn("search", n)));
    let mut fitting =
        fitting.filter(|tried| PairingCode::of(eve, peer(MO), tried, &nonce(8)) == wanted);
    let found = fitting.next().unwrap();
    mo.revealed(PairingId(1), eve, found, s(1)).unwrap();
    assert_eq!(mo.run(PairingId(1)).unwrap().stage, PairingStage::Over(PairingEnd::Cheated));
}

#[test]
fn the_example_of_the_protocol_is_right() {
    // docs/protocol.md and crates/wire/tests/vectors/pairing_example.json
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (initiator, responder) = (peer(0x11), peer(0x22));
    let (initiators, responders) = (nonce(0x33), nonce(0x44));
    let example: serde_json::Value =
        serde_json::from_str(include_str!("../../../wire/tests/vectors/pairing_example.json"))
            .unwrap();
    assert_eq!(example["initiator"], initiator.to_string());
    assert_eq!(example["responder"], responder.to_string());
    assert_eq!(example["initiators_nonce"], hex(&initiators.0));
    assert_eq!(example["responders_nonce"], hex(&responders.0));
    let commitment = initiators.commitment(initiator, responder);
    assert_eq!(example["commitment"], hex(&commitment.0));
    let code = PairingCode::of(initiator, responder, &initiators, &responders);
    assert_eq!(example["code"], code.to_string());
    let turned = PairingCode::of(responder, initiator, &initiators, &responders);
    assert_ne!(code, turned, "who began is part of it");
}

#[test]
fn a_code_is_six_digits_however_it_is_typed() {
    let code: PairingCode = "012 345".parse().unwrap();
    assert_eq!((code.to_string(), code.spoken()), ("012345".into(), "012 345".into()));
    assert_eq!("012345".parse(), Ok(code));
    for bad in ["", "12345", "1234567", "12345a", "+12345", "１２３４５６", "12-456"] {
        assert_eq!(bad.parse::<PairingCode>(), Err(PairingCodeError), "{bad}");
    }
}
