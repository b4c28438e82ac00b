//! A tenant polled, its events judged, its findings delivered to a Splunk and a Sentinel: `weir run` against
//! `weir simulate` in another process, either of them killed at random moments, nothing lost.
//!
//! Ten kills; `WEIR_KILLS=100` for the full count, `WEIR_SEED` for a run that was seen before.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails so"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use pipeline::Clock;

#[path = "support/flowed.rs"]
mod flowed;
#[path = "support/pair.rs"]
mod pair;
#[path = "support/process.rs"]
mod process;
#[path = "support/random.rs"]
mod random;
#[path = "support/receivers.rs"]
mod receivers;

use pair::{BATCH_RECORDS, Found, Kills, Pair};
use random::{Random, say};

/// So many kills in the life of one tenant, then the next: more would not fit into the time that it lives.
const KILLS_A_LIFE: usize = 12;

/// Fewer findings than that would say little: eight acts are planted, and one needs a longer past to be seen.
const LEAST: usize = 5;

/// Each receiver holds what was found, whole.
fn check(found: &Found, kills: &Kills) {
    for held in &found.held {
        let (receiver, repeated) = (held.receiver, held.repeated);
        let missing: BTreeSet<_> = found.revisions.symmetric_difference(&held.revisions).collect();
        assert!(missing.is_empty(), "{receiver} and the log differ: {missing:?}");
        assert!(repeated <= kills.all() * BATCH_RECORDS, "{repeated} come again to {receiver}");
        // At any time there were as many kills as batches that came again.
        for (before, again) in held.again.iter().enumerate() {
            let count = kills.at.iter().filter(|kill| *kill <= again).count();
            assert!(count > before, "{receiver}: a batch comes again at {again}, kills at {:?}", kills.at);
        }
    }
}

/// However often and whenever either side is killed: each receiver, folded, holds exactly the findings of a run that was
/// left alone; only revisions may come again, at most a batch for each sink and kill.
#[test]
fn a_path_that_is_killed_ends_as_one_that_is_not() {
    let mut random = Random::seeded("kills_path");
    let folder = tempfile::tempdir().unwrap();
    process::program(folder.path());
    let tenant = 1 + random.below(1_000);
    let clock = Clock::machine();
    let begin = clock.now().0;
    let (reference, none) = Pair::start(folder.path().join("undisturbed"), tenant, None).finish();
    let took = Duration::from_micros(u64::try_from(clock.now().0 - begin).unwrap());
    check(&reference, &none);
    let stand = reference.held.iter().map(|held| format!("{} in {}", held.standing.len(), held.receiver));
    let stand = stand.collect::<Vec<_>>().join(", ");
    say(&format!("undisturbed: {took:?}, tenant {tenant}, {} revisions; {stand}", reference.revisions.len()));
    assert!(reference.held.iter().all(|held| held.standing.len() >= LEAST && held.repeated == 0));

    let (wanted, mut kills, mut lives) = (random::kills(), 0, 0);
    while kills < wanted {
        let mut pair = Pair::start(folder.path().join(format!("life-{lives}")), tenant, Some(&mut random));
        pair.disturb(&mut random, KILLS_A_LIFE.min(wanted - kills));
        let (found, disturbed) = pair.finish();
        let Kills { run, simulator, early, delivering, .. } = disturbed;
        let again = found.held.iter().map(|held| format!("{} by {}", held.repeated, held.receiver));
        say(&format!(
            "life {lives}: {run} kills of the run and {simulator} of the simulator, {early} of them early, \
             {delivering} at a delivery; taken twice: {}",
            again.collect::<Vec<_>>().join(", "),
        ));
        check(&found, &disturbed);
        for (held, reference) in found.held.iter().zip(&reference.held) {
            let differ: Vec<_> = held.standing.symmetric_difference(&reference.standing).collect();
            assert!(differ.is_empty(), "other findings in {}: {differ:?}", held.receiver);
        }
        kills += run + simulator;
        lives += 1;
    }
    say(&format!("{kills} kills over {lives} lives"));
}
