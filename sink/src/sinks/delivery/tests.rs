//! The laws of delivery, over receivers that know what they were sent: each finding is a number as text.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::*;

const BAD: Refusal = Refusal { reason: "bad", doubtful: false };
const WRONG: Refusal = Refusal { reason: "wrong", doubtful: true };

/// A receiver that answers by a rule and keeps what it took.
struct Fake<F> {
    rule: F,
    frame: (usize, usize),
    bodies: Vec<Vec<usize>>,
    longest: usize,
    taken: BTreeMap<usize, usize>,
}

impl<F: FnMut(&[usize]) -> Answer + Send> Fake<F> {
    fn new(rule: F) -> Self {
        Self { rule, frame: (2, 1), bodies: Vec::new(), longest: 0, taken: BTreeMap::new() }
    }
}

impl<F: FnMut(&[usize]) -> Answer + Send> Receiver for Fake<F> {
    fn frame(&self) -> (usize, usize) {
        self.frame
    }

    fn send<'a>(&'a mut self, pieces: &'a [&'a [u8]]) -> BoxFuture<'a, Answer> {
        let numbers: Vec<usize> =
            pieces.iter().map(|piece| std::str::from_utf8(piece).unwrap().trim().parse().unwrap()).collect();
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.longest = self.longest.max(self.frame.0 + bytes + self.frame.1 * (pieces.len() - 1));
        let answer = (self.rule)(&numbers);
        let count = match &answer {
            Answer::Taken { .. } => numbers.len(),
            Answer::Refused { bad, .. } => *bad,
            Answer::Held(count, _) => *count,
            Answer::OneRefused(_) | Answer::TooMany(_) | Answer::TooLarge => 0,
        };
        for number in numbers.iter().take(count) {
            *self.taken.entry(*number).or_default() += 1;
        }
        self.bodies.push(numbers);
        async { answer }.boxed()
    }
}

fn pieces(count: usize) -> Vec<Piece> {
    (0..count).map(|number| Ok(number.to_string().into_bytes())).collect()
}

fn start() -> Clock {
    Clock::manual(Micros(0))
}

fn run<R: Receiver>(delivery: &mut Delivery<R>, pieces: &[Piece]) -> Vec<Verdict> {
    delivery.deliver(pieces).now_or_never().expect("delivery waits for its receiver only")
}

fn refused(verdicts: &[Verdict]) -> Vec<usize> {
    let is = |verdict: &Verdict| matches!(verdict, Verdict::Refused(_));
    verdicts.iter().enumerate().filter(|(_, verdict)| is(verdict)).map(|(at, _)| at).collect()
}

/// As HEC: the first bad one is named, and those before it are taken.
fn naming(bad: Vec<usize>) -> impl FnMut(&[usize]) -> Answer + Send {
    move |body| match body.iter().position(|number| bad.contains(number)) {
        Some(at) => Answer::Refused { bad: at, why: BAD },
        None => Answer::Taken { pause: None },
    }
}

/// As Logs Ingestion: nothing is taken, and nothing named.
fn silent(bad: Vec<usize>) -> impl FnMut(&[usize]) -> Answer + Send {
    move |body| {
        if body.iter().any(|number| bad.contains(number)) {
            Answer::OneRefused(BAD)
        } else {
            Answer::Taken { pause: None }
        }
    }
}

fn holds<F: FnMut(&[usize]) -> Answer + Send>(rule: F, count: usize, bad: &[usize]) -> usize {
    let mut delivery = Delivery::new("siem", Fake::new(rule), start(), 400);
    let verdicts = run(&mut delivery, &pieces(count));
    let mut expected: Vec<usize> = bad.to_vec();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(refused(&verdicts), expected);
    assert!(verdicts.iter().all(|verdict| !matches!(verdict, Verdict::TryAgain { .. })));
    let fake = delivery.receiver();
    let once: Vec<usize> = (0..count).filter(|number| !bad.contains(number)).collect();
    assert_eq!(fake.taken, once.into_iter().map(|number| (number, 1)).collect(), "each once");
    assert!(fake.longest <= 400);
    fake.bodies.len()
}

proptest! {
    /// Of n findings k are bad: exactly those are refused, every other one is taken, and once.
    #[test]
    fn bad_findings_cost_nobody_else(count in 12_usize..500, bad in proptest::collection::vec(0_usize..500, 0..9)) {
        let bad: Vec<usize> = bad.into_iter().filter(|number| *number < count).collect();
        let bodies = count.div_ceil(90);
        prop_assert!(holds(naming(bad.clone()), count, &bad) <= bodies + 2 * bad.len() + 1);
        prop_assert!(holds(silent(bad.clone()), count, &bad) <= bodies + 1 + bad.len() * 2 * 9);
    }

    /// No body is longer than allowed, whatever the findings' sizes; one that is longer by itself is not sent.
    #[test]
    fn no_body_is_too_long(sizes in proptest::collection::vec(1_usize..300, 1..60), around in 0_usize..9, between in 0_usize..3) {
        let pieces: Vec<Piece> =
            sizes.iter().enumerate().map(|(number, size)| Ok(format!("{number:>size$}").into_bytes())).collect();
        let mut fake = Fake::new(|_: &[usize]| Answer::Taken { pause: None });
        fake.frame = (around, between);
        let mut delivery = Delivery::new("siem", fake, start(), 200);
        let verdicts = run(&mut delivery, &pieces);
        for (verdict, piece) in verdicts.iter().zip(&pieces) {
            let fits = around + piece.as_ref().unwrap().len() <= 200;
            prop_assert_eq!(verdict, &if fits { Verdict::Delivered } else { Verdict::Refused(TOO_LARGE) });
        }
        prop_assert!(delivery.receiver().longest <= 200);
    }
}

/// More bad ones in a row than chance allows, and good ones behind them: one of those shows that it is the findings.
#[test]
fn a_long_row_of_bad_findings_is_told_from_a_bad_setting() {
    let bad: Vec<usize> = (0..40).collect();
    holds(naming(bad.clone()), 100, &bad);
    holds(silent(bad.clone()), 100, &bad);
    let bad: Vec<usize> = (30..100).collect();
    for silently in [false, true] {
        let verdicts = if silently {
            run(&mut Delivery::new("siem", Fake::new(silent(bad.clone())), start(), 400), &pieces(100))
        } else {
            run(&mut Delivery::new("siem", Fake::new(naming(bad.clone())), start(), 400), &pieces(100))
        };
        assert!(verdicts[..30].iter().all(|verdict| *verdict == Verdict::Delivered));
        assert!(
            verdicts[30..].iter().all(|verdict| matches!(verdict, Verdict::TryAgain { .. })),
            "nothing good is left to show that they are bad"
        );
    }
}

/// A receiver that refuses everything is asked a few times; nothing is refused, everything is held, as a fault.
#[test]
fn a_receiver_that_refuses_everything_empties_nothing_into_the_dead_letter() {
    let everything: Vec<usize> = (0..4000).collect();
    for count in [11, 500, 4000] {
        let mut delivery = Delivery::new("siem", Fake::new(silent(everything.clone())), start(), 1_000_000);
        for wait in [30, 60, 120, 240, 300, 300] {
            let verdicts = run(&mut delivery, &pieces(count));
            let Verdict::TryAgain { after, cause } = &verdicts[0] else { panic!("{:?}", verdicts[0]) };
            assert_eq!(*after, Some(Duration::from_secs(wait)));
            assert!(cause.contains("nothing is dead-lettered"), "{cause}");
            assert_eq!(refused(&verdicts), Vec::<usize>::new());
        }
        assert!(delivery.receiver().bodies.len() <= 6 * 50, "{}", delivery.receiver().bodies.len());
    }
}

/// Findings that come one by one: ten may be bad, the eleventh shows that it is not they.
#[test]
fn refusals_are_counted_over_batches() {
    let mut delivery = Delivery::new("siem", Fake::new(silent(vec![0])), start(), 1000);
    for _ in 0..REFUSED_MAX {
        assert_eq!(run(&mut delivery, &pieces(1)), [Verdict::Refused("bad")]);
    }
    assert!(matches!(run(&mut delivery, &pieces(1))[..], [Verdict::TryAgain { .. }]));
    let good: Vec<Piece> = vec![Ok(b"7".to_vec())];
    assert_eq!(run(&mut delivery, &good), [Verdict::Delivered]);
    assert_eq!(run(&mut delivery, &pieces(1)), [Verdict::Refused("bad")], "what was taken ends the row");
}

/// A refusal that a setting may cause is believed beside a finding that was taken, and not by itself.
#[test]
fn a_doubtful_refusal_needs_a_witness() {
    let wrong = |bad: Vec<usize>| {
        move |body: &[usize]| match body.iter().position(|number| bad.contains(number)) {
            Some(at) => Answer::Refused { bad: at, why: WRONG },
            None => Answer::Taken { pause: None },
        }
    };
    for (bad, held) in [(vec![0], false), (vec![3], false), (vec![0, 1, 2], false), (vec![0, 1, 2, 3], true)]
    {
        let mut delivery = Delivery::new("siem", Fake::new(wrong(bad.clone())), start(), 1000);
        let verdicts = run(&mut delivery, &pieces(4));
        if held {
            assert!(
                verdicts.iter().all(|verdict| matches!(verdict, Verdict::TryAgain { .. })),
                "{verdicts:?}"
            );
            assert!(delivery.receiver().bodies.len() <= 4);
        } else {
            assert_eq!(refused(&verdicts), bad);
        }
    }
}

#[test]
fn what_is_held_holds_all_behind_it_and_nothing_of_it_is_sent() {
    let busy = Held::busy(Some(Duration::from_secs(7)), "busy");
    let mut asked = 0;
    let rule = |body: &[usize]| {
        asked += 1;
        match asked {
            1 => Answer::Taken { pause: None },
            2 => Answer::Held(3, busy.clone()),
            _ => panic!("{body:?} was sent behind a finding that is held"),
        }
    };
    // 12 of two digits fit into 36 bytes around commas.
    let pieces: Vec<Piece> = (10..60).map(|number| Ok(number.to_string().into_bytes())).collect();
    let mut delivery = Delivery::new("siem", Fake::new(rule), start(), 2 + 12 * 2 + 11);
    let verdicts = run(&mut delivery, &pieces);
    assert_eq!(verdicts.iter().take_while(|verdict| **verdict == Verdict::Delivered).count(), 15);
    let again = Verdict::TryAgain { after: Some(Duration::from_secs(7)), cause: "busy".to_owned() };
    assert!(verdicts[15..].iter().all(|verdict| *verdict == again));
    assert_eq!(delivery.receiver().taken.len(), 15);
}

/// Too large is learned: the next batch begins below the size that was refused.
#[test]
fn a_body_that_is_too_large_is_halved_and_the_size_remembered() {
    let sized =
        |body: &[usize]| if body.len() > 20 { Answer::TooLarge } else { Answer::Taken { pause: None } };
    let mut delivery = Delivery::new("siem", Fake::new(sized), start(), 10_000);
    assert!(run(&mut delivery, &pieces(100)).iter().all(|verdict| *verdict == Verdict::Delivered));
    let first = delivery.receiver().bodies.len();
    assert!(run(&mut delivery, &pieces(100)).iter().all(|verdict| *verdict == Verdict::Delivered));
    let bodies = &delivery.receiver().bodies[first..];
    assert!(bodies.iter().all(|body| body.len() <= 20), "no body is refused again: {bodies:?}");
    assert!(delivery.receiver().taken.values().all(|times| *times == 2), "each once a batch");
    // By itself too large: that one goes, the others do not.
    let one =
        |body: &[usize]| if body.contains(&5) { Answer::TooLarge } else { Answer::Taken { pause: None } };
    let verdicts = run(&mut Delivery::new("siem", Fake::new(one), start(), 10_000), &pieces(50));
    assert_eq!(refused(&verdicts), [5]);
    assert_eq!(verdicts[5], Verdict::Refused(TOO_LARGE));
}

#[test]
fn too_far_apart_is_never_the_finding_s_fault() {
    let held = Held::fault(None, "too far apart");
    let apart = |body: &[usize]| {
        if body.len() > 1 { Answer::TooMany(held.clone()) } else { Answer::Taken { pause: None } }
    };
    assert!(
        run(&mut Delivery::new("siem", Fake::new(apart), start(), 1000), &pieces(20))
            .iter()
            .all(|verdict| *verdict == Verdict::Delivered)
    );
    let never = |_: &[usize]| Answer::TooMany(held.clone());
    let verdicts = run(&mut Delivery::new("siem", Fake::new(never), start(), 1000), &pieces(20));
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::TryAgain { .. })));
}

#[test]
fn a_receiver_that_asks_for_a_pause_gets_it_and_keeps_what_it_has() {
    let clock = start();
    let slow = |_: &[usize]| Answer::Taken { pause: Some(Duration::from_secs(2)) };
    let mut delivery = Delivery::new("siem", Fake::new(slow), clock.clone(), 30);
    let verdicts = run(&mut delivery, &pieces(30));
    let taken = verdicts.iter().filter(|verdict| **verdict == Verdict::Delivered).count();
    assert!(taken > 0 && taken < 30, "{taken}");
    let wait = |verdict: &Verdict| {
        let Verdict::TryAgain { after, .. } = verdict else { panic!("{verdict:?}") };
        after.unwrap()
    };
    assert_eq!(wait(&verdicts[taken]), Duration::from_secs(2));
    clock.set(Micros(1_500_000));
    assert_eq!(wait(&run(&mut delivery, &pieces(3))[0]), Duration::from_millis(500));
    assert_eq!(delivery.receiver().bodies.len(), 1);
    clock.set(Micros(2_000_000));
    assert_eq!(run(&mut delivery, &pieces(3)), vec![Verdict::Delivered; 3]);
}

/// What an answer says of places that the body does not have is not believed.
#[test]
fn a_place_outside_the_body_leads_to_halving() {
    let lie = |body: &[usize]| {
        if body.contains(&3) { Answer::Refused { bad: 99, why: BAD } } else { Answer::Taken { pause: None } }
    };
    let verdicts = run(&mut Delivery::new("siem", Fake::new(lie), start(), 1000), &pieces(16));
    assert_eq!(refused(&verdicts), [3]);
}

/// Every third finding is bad: the bound on requests ends the batch, and what is settled stays so.
#[test]
fn one_batch_asks_a_bounded_number_of_times() {
    let third = |body: &[usize]| {
        if body.iter().any(|number| number % 3 == 0) {
            Answer::OneRefused(BAD)
        } else {
            Answer::Taken { pause: None }
        }
    };
    let mut delivery = Delivery::new("siem", Fake::new(third), start(), 1_000_000);
    let verdicts = run(&mut delivery, &pieces(4000));
    assert_eq!(delivery.receiver().bodies.len(), REQUESTS_MAX);
    let settled = verdicts.iter().take_while(|verdict| !matches!(verdict, Verdict::TryAgain { .. })).count();
    assert!(settled > 300, "{settled}");
    assert!(verdicts[settled..].iter().all(|verdict| matches!(verdict, Verdict::TryAgain { .. })));
}

/// An answer that blames something, once, of a finding that is good: the finding stays.
#[test]
fn one_refusal_without_a_name_condemns_nobody() {
    for count in [1, 2, 7] {
        let mut asked = 0;
        let once = |_: &[usize]| {
            asked += 1;
            if asked == 1 { Answer::OneRefused(BAD) } else { Answer::Taken { pause: None } }
        };
        let mut delivery = Delivery::new("siem", Fake::new(once), start(), 1000);
        assert_eq!(run(&mut delivery, &pieces(count)), vec![Verdict::Delivered; count]);
    }
}
