//! What a scan or a run says at its end.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write};

use ingest::portion::Blobs;
use pipeline::Reason;
use pipeline::worker::Tally;
use schemas::finding::Finding;
use schemas::ledger::Counts;
use serde::Serialize;
use sink::table::{Layout, is_invisible, render};

use crate::head::Read;
use crate::text::count;

/// Longer lines are hard to read.
const WIDTH_MAX: usize = 160;

/// Findings and ledger for people.
pub(crate) fn table(counts: &Counts, found: &[Finding]) -> String {
    let mut text = findings(found);
    text.push('\n');
    text.push_str(&ledger(counts));
    text
}

/// Findings for people.
pub(crate) fn findings(findings: &[Finding]) -> String {
    render(findings, &Layout { width: columns().min(WIDTH_MAX), color: is_colored(), ..Layout::default() })
}

/// Whether standard output shows colours.
pub(crate) fn is_colored() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|text| text.is_empty())
}

/// As wide as `COLUMNS` says, else as the terminal is, else a hundred columns.
fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    told.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)))
        .unwrap_or(Layout::default().width)
}

/// What became of every record, as one sentence that adds up.
pub(crate) fn ledger(counts: &Counts) -> String {
    let Counts { read, emitted, deduplicated, skipped, rejected, conflicts } = counts;
    let mut text = format!(
        "ledger: {} read = {} + {deduplicated} seen before + {skipped} skipped + {rejected} rejected\n",
        count(read, "record"),
        count(emitted, "event"),
    );
    if *conflicts > 0 {
        text.push_str(&format!(
            "        {conflicts} of the events share an id with another event of other content; both are kept\n"
        ));
    }
    text
}

/// The ledger, and how much of it is of this run, which may have been stopped before its end.
pub(crate) fn run(read: &Read, stopped: bool) -> String {
    if stopped && read.ledger.read == 0 {
        // Whether there is a ledger from earlier runs is not known either.
        return "ledger: nothing was read before the stop\n".to_owned() + &feeds(read);
    }
    let mut text = ledger(&read.ledger);
    if read.now.read < read.ledger.read {
        text.push_str(&if read.now.read == 0 && !stopped {
            "        nothing new: all of them were read by earlier runs\n".to_owned()
        } else {
            format!("        {} of them in this run\n", read.now.read)
        });
    }
    text.push_str(&feeds(read));
    text
}

/// Where sources have blobs, what happened to them; and what is lost, and what services answered.
fn feeds(read: &Read) -> String {
    let mut text = String::new();
    for (source, Blobs { listed, fetched, expired }) in &read.blobs {
        let left = listed.saturating_sub(fetched + expired);
        let left = if left > 0 { format!(" + {left} still to fetch") } else { String::new() };
        let listed = count(listed, "blob");
        text.push_str(&format!(
            "source {source}: {listed} listed = {fetched} fetched + {expired} lost{left}\n"
        ));
    }
    if read.gaps > 0 {
        text.push_str(&format!(
            "{} in this run: what sources could not give, on weir.gap.v1\n",
            count(read.gaps, "gap")
        ));
    }
    if !read.answers.is_empty() {
        let answers: Vec<String> =
            read.answers.iter().map(|(code, count)| format!("{code} {count}")).collect();
        text.push_str(&format!("services answered otherwise than asked: {}\n", answers.join(", ")));
    }
    text
}

/// What each stage did, a line each.
pub(crate) fn stages(tallies: &[(String, Tally)]) -> String {
    let mut text = String::from("stages, which count the watermarks between the records too:\n");
    for (title, tally) in tallies {
        text.push_str(&format!(
            "{title}: {} read = {} worked on + {} + {}; {} written in {}\n",
            tally.read,
            tally.emitted,
            reasons(&tally.skipped, "skipped"),
            reasons(&tally.rejected, "rejected"),
            tally.outputs,
            count(tally.steps, "step")
        ));
    }
    text
}

/// How many there are, and of these how many for each reason: `8 skipped (housekeeping 1, no_match 7)`.
fn reasons(counts: &BTreeMap<Reason, u64>, what: &str) -> String {
    let sum: u64 = counts.values().sum();
    let each: Vec<String> = counts.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    if each.is_empty() { format!("{sum} {what}") } else { format!("{sum} {what} ({})", each.join(", ")) }
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
/// What `to` says; every field has a JSON form.
pub(crate) fn json(counts: &Counts, findings: &[Finding], to: &mut dyn Write) -> io::Result<()> {
    let Counts { read, emitted, deduplicated, skipped, rejected, .. } = *counts;
    let ledger = Ledger { read, emitted, deduplicated, skipped, rejected };
    serde_json::to_writer_pretty(Escaped(&mut *to), &Report { ledger, findings })?;
    to.write_all(b"\n")
}

/// Anything as a line of JSON that may be printed on a terminal.
///
/// # Errors
/// What `to` says.
pub(crate) fn json_line(shown: &impl Serialize, to: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(Escaped(&mut *to), shown)?;
    to.write_all(b"\n")
}

/// One OCSF Detection Finding a line.
///
/// # Errors
/// What `to` says.
pub(crate) fn ocsf(findings: &[Finding], to: &mut dyn Write) -> io::Result<()> {
    let mut line = Vec::new();
    for finding in findings {
        line.clear();
        sink::ocsf::write_line(finding, &mut line)?;
        Escaped(&mut *to).write_all(&line)?;
    }
    Ok(())
}

/// The same JSON, its invisible characters escaped: it may be printed on a terminal, which must not obey a record.
/// They can stand in strings only, but for the line breaks between the tokens. It must be given whole characters, as
/// serde_json does.
struct Escaped<'a>(&'a mut dyn Write);

impl Write for Escaped<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let json = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        let mut rest = json;
        while let Some(at) = rest.find(|char| char != '\n' && is_invisible(char)) {
            let (before, from) = rest.split_at(at);
            self.0.write_all(before.as_bytes())?;
            let mut chars = from.chars();
            if let Some(char) = chars.next() {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    write!(self.0, "\\u{unit:04x}")?;
                }
            }
            rest = chars.as_str();
        }
        self.0.write_all(rest.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a run of so many records says after the ledger of all.
    fn after_the_ledger(all: i64, now: i64, stopped: bool) -> String {
        let counts = |read| Counts { read, emitted: read, ..Counts::default() };
        let text = run(&Read { ledger: counts(all), now: counts(now), ..Read::default() }, stopped);
        let ledger = format!("ledger: {all} records read = {all} events");
        assert!(text.starts_with(&ledger), "{text}");
        text.lines().skip(1).map(|line| line.trim().to_owned() + "\n").collect()
    }

    #[test]
    fn a_run_says_that_nothing_is_new_only_when_it_has_looked() {
        let nothing_new = "nothing new: all of them were read by earlier runs\n";
        assert_eq!(after_the_ledger(9, 0, false), nothing_new);
        assert_eq!(after_the_ledger(9, 0, true), "0 of them in this run\n");
        assert_eq!(after_the_ledger(9, 2, false), "2 of them in this run\n");
        assert_eq!(after_the_ledger(9, 2, true), "2 of them in this run\n");
        assert_eq!(after_the_ledger(9, 9, false), "");
        assert_eq!(after_the_ledger(0, 0, false), "", "sources that hold nothing");
        let stopped = run(&Read::default(), true);
        assert_eq!(stopped, "ledger: nothing was read before the stop\n");
    }

    #[test]
    fn what_a_stage_left_out_stands_with_its_reasons() {
        let tally = Tally {
            read: 20,
            emitted: 9,
            skipped: [("late", 3), ("no_rule", 5)].into(),
            rejected: [("not_ours", 3)].into(),
            outputs: 12,
            steps: 1,
            ..Tally::default()
        };
        assert!(tally.balance());
        let text = stages(&[("correlate".to_owned(), tally), ("sink a".to_owned(), Tally::default())]);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "correlate: 20 read = 9 worked on + 8 skipped (late 3, no_rule 5) + 3 rejected (not_ours 3); \
                 12 written in 1 step",
                "sink a: 0 read = 0 worked on + 0 skipped + 0 rejected; 0 written in 0 steps",
            ]
        );
    }

    #[test]
    fn escaped_json_says_the_same_and_holds_nothing_that_a_terminal_obeys() {
        let hostile =
            ["\u{1b}[2J\u{9b}31m\u{7f}", "\u{202e}gnp.exe\u{200b}", "\u{e0041}", "Ärger 名 \"\\u001b\""];
        let mut text = Vec::new();
        serde_json::to_writer_pretty(Escaped(&mut text), &hostile).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), hostile);
        assert!(!text.chars().any(|char| char != '\n' && is_invisible(char)), "{text}");
        assert!(
            text.contains("\\u009b31m") && text.contains("\\udb40\\udc41") && text.contains("Ärger 名"),
            "{text}"
        );
    }
}
