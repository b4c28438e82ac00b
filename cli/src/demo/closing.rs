//! What the demo says at its end: what was planted and what was found, and a ledger in which nothing is missing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ingest::portion::Blobs;
use pipeline::worker::Tally;
use schemas::finding::{Finding, Severity};
use schemas::time::DAY;

use super::conductor::Happened;
use super::receivers::{self, Held};
use super::verdict::{Judged, Verdict};
use super::witness::Seen;
use crate::flow::Done;
use crate::head::Read;
use crate::scene::{FINDINGS_STREAM, START, Scene};

/// The text, and whether all is as it should be.
pub(super) fn closing(scene: &Scene, happened: &Happened, done: &Done<Read>, seen: &Seen) -> (String, bool) {
    let findings = sink::fold::fold(seen.revisions.iter().cloned());
    let verdict = Verdict::of(scene.tenant.labels(), &findings, &seen.events);
    let mut text = String::new();
    planted(&verdict, &mut text);
    let is_whole = ledger(scene, happened, done, seen, &mut text);
    let is_right = verdict.is_right() && is_whole;
    let said = if is_right {
        "everything planted was found, nothing else was called high, and nothing is missing\n"
    } else {
        "something is not as it should be: see the lines marked !!\n"
    };
    text.push_str(said);
    (text, is_right)
}

fn planted(verdict: &Verdict<'_>, text: &mut String) {
    text.push_str("\nplanted on the last day (times are UTC), and what was found\n");
    let mut planted: Vec<&Judged<'_>> = verdict.planted.iter().collect();
    planted.sort_by_key(|judged| judged.label.from);
    for Judged { label, found } in planted {
        let found = found.map_or_else(|| "!! not found".to_owned(), said);
        line(
            text,
            format_args!(
                "  {}  {}: {}\n           {found}",
                clock(label.from),
                label.scenario.name(),
                label.description
            ),
        );
    }
    text.push_str("\nalike, but below any threshold: must stay silent\n");
    for Judged { label, found } in &verdict.harmless {
        let found = found.map_or_else(|| "silent".to_owned(), |finding| format!("!! {}", said(finding)));
        line(
            text,
            format_args!(
                "  {}  {}: {}\n           {found}",
                clock(label.from),
                label.scenario.name(),
                label.description
            ),
        );
    }
    for finding in &verdict.others {
        line(text, format_args!("  !! found, though nobody planted it: {}", said(finding)));
    }
}

fn said(finding: &Finding) -> String {
    let severity = finding.severity.name();
    format!("{severity}: {}", finding.title)
}

/// Time of the last day; other days have their number.
fn clock(at: schemas::Micros) -> String {
    let minutes = (at.0 - START.0).rem_euclid(DAY) / schemas::time::MINUTE;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The ledger; whether all of it adds up.
fn ledger(scene: &Scene, happened: &Happened, done: &Done<Read>, seen: &Seen, text: &mut String) -> bool {
    let Read { ledger, blobs, .. } = &done.head;
    let mut is_whole = true;
    let mut entry = |text: &mut String, is_right: bool, said: std::fmt::Arguments<'_>| {
        is_whole &= is_right;
        line(text, format_args!("  {}{said}", if is_right { "" } else { "!! " }));
    };
    text.push_str("\nledger\n");
    for (_, Blobs { listed, fetched, expired }) in blobs {
        let all = *listed == fetched + expired;
        entry(
            text,
            all,
            format_args!(
                "blobs     {listed} listed = {fetched} fetched + {expired} gone (each is a gap on the log)"
            ),
        );
    }
    let counts = ledger;
    entry(
        text,
        counts.balance(),
        format_args!(
            "records   {} read = {} events + {} seen before + {} skipped + {} rejected",
            counts.read, counts.emitted, counts.deduplicated, counts.skipped, counts.rejected
        ),
    );
    let (all, lost, missing) = arrivals(scene, happened, seen);
    entry(
        text,
        missing == 0,
        format_args!(
            "          {all} happened in the tenant = {} arrived + {lost} in blobs that were gone + {missing} missing",
            all - lost - missing
        ),
    );
    let on_the_log = receivers::on_the_log(&seen.revisions);
    let splunk = receivers::in_splunk(&scene.simulator);
    let sentinel = receivers::in_sentinel(&scene.simulator, FINDINGS_STREAM);
    let loud = sink::fold::fold(seen.revisions.iter().cloned());
    let high = loud.iter().filter(|finding| finding.severity >= Severity::High).count();
    entry(
        text,
        true,
        format_args!("findings  {} found, {high} of them high or critical", on_the_log.standing.len()),
    );
    for (name, held) in [("splunk", &splunk), ("sentinel", &sentinel)] {
        let tally =
            done.tallies.iter().find(|(title, _)| *title == format!("sink {name}")).map(|(_, tally)| tally);
        let (is_right, said) = delivered(&on_the_log, held, tally);
        entry(text, is_right, format_args!("          {name}: {said}"));
    }
    text.push('\n');
    is_whole
}

/// Records and runs: how many happened, how many were in blobs that were gone, how many are missing otherwise.
fn arrivals(scene: &Scene, happened: &Happened, seen: &Seen) -> (usize, usize, usize) {
    let gone: BTreeSet<String> = scene.simulator.ledger().gone.into_values().flatten().collect();
    let arrived: BTreeSet<&str> = seen.events.values().map(String::as_str).collect();
    let all: BTreeSet<&str> = happened.carried(|_| true).collect();
    let carried: BTreeSet<&str> = happened.carried(|blob| !gone.contains(blob)).collect();
    let runs = usize::try_from(happened.runs).unwrap_or(usize::MAX);
    let runs_missing = usize::try_from(happened.runs.saturating_sub(seen.runs)).unwrap_or(usize::MAX);
    let lost = all.difference(&carried).filter(|id| !arrived.contains(*id)).count();
    let missing = carried.difference(&arrived).count() + runs_missing;
    (all.len() + runs, lost, missing)
}

/// Whether a receiver holds exactly what was found, and the words for it.
fn delivered(found: &Held, held: &Held, tally: Option<&Tally>) -> (bool, String) {
    let Some(tally) = tally else { return (false, "not there".to_owned()) };
    let dead: u64 = tally.rejected.values().sum();
    let same = found.standing.iter().filter(|(id, what)| held.standing.get(*id) == Some(what)).count();
    let is_right = same == found.standing.len() && held.standing.len() == same && dead == 0;
    let repeated =
        if held.repeated > 0 { format!(", {} of them twice", held.repeated) } else { String::new() };
    let held_back = match tally.retries {
        0 => String::new(),
        1 => "; held once until it was back".to_owned(),
        times => format!("; held {times} times until it was back"),
    };
    let said = format!(
        "{} revisions found = {} delivered{repeated} + {dead} dead-lettered; holds {same} of {} findings{held_back}",
        tally.read,
        tally.emitted,
        found.standing.len(),
    );
    (is_right, said)
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _written = writeln!(text, "{what}").is_ok();
}
