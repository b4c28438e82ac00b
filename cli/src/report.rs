//! What a scan or a run says at its end.

use std::io::IsTerminal as _;

use pipeline::worker::Tally;
use schemas::finding::Finding;
use schemas::ledger::Counts;
use serde::Serialize;
use sink::table::{Layout, render};

use crate::head::Read;

/// Findings and ledger for people.
pub(crate) fn table(counts: &Counts, findings: &[Finding]) -> String {
    let width = terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0));
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let layout = Layout { width: width.min(160), color, ..Layout::default() };
    let mut text = render(findings, &layout);
    text.push('\n');
    text.push_str(&ledger(counts));
    text
}

/// What became of every record, as one sentence that adds up.
pub(crate) fn ledger(counts: &Counts) -> String {
    let Counts { read, emitted, deduplicated, skipped, rejected, conflicts } = counts;
    let mut text = format!(
        "ledger: {read} records read = {emitted} events + {deduplicated} seen before + {skipped} skipped + {rejected} rejected\n"
    );
    if *conflicts > 0 {
        text.push_str(&format!(
            "        {conflicts} of the events share an id with another event of other content; both are kept\n"
        ));
    }
    text
}

/// The ledger, and how much of it is of this run.
pub(crate) fn run(read: &Read) -> String {
    let mut text = ledger(&read.ledger);
    if read.now.read == 0 {
        text.push_str("        nothing new: all of them were read by earlier runs\n");
    } else if read.now.read < read.ledger.read {
        text.push_str(&format!("        {} of them in this run\n", read.now.read));
    }
    text
}

/// What each stage did, a line each.
pub(crate) fn stages(tallies: &[(String, Tally)]) -> String {
    let mut text = String::new();
    for (title, tally) in tallies {
        let skipped: u64 = tally.skipped.values().sum();
        let rejected: u64 = tally.rejected.values().sum();
        text.push_str(&format!(
            "{title}: {} read = {} worked on + {skipped} skipped + {rejected} rejected; {} written in {} steps\n",
            tally.read, tally.emitted, tally.outputs, tally.steps
        ));
    }
    text
}

#[derive(Serialize)]
struct Report<'a> {
    ledger: Ledger,
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct Ledger {
    read: i64,
    emitted: i64,
    deduplicated: i64,
    skipped: i64,
    rejected: i64,
}

/// One JSON object: the ledger and the findings.
///
/// # Errors
/// None that can be thought of: every field has a JSON form.
pub(crate) fn json(counts: &Counts, findings: &[Finding]) -> serde_json::Result<String> {
    let Counts { read, emitted, deduplicated, skipped, rejected, .. } = *counts;
    let ledger = Ledger { read, emitted, deduplicated, skipped, rejected };
    Ok(serde_json::to_string_pretty(&Report { ledger, findings })? + "\n")
}

/// One OCSF Detection Finding a line.
///
/// # Errors
/// None that can be thought of.
pub(crate) fn ocsf(findings: &[Finding]) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    for finding in findings {
        sink::ocsf::write_line(finding, &mut lines)?;
    }
    Ok(String::from_utf8(lines)?)
}
