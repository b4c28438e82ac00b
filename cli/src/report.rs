//! What a scan or a run says at its end.

use std::io::{self, IsTerminal as _, Write};

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
pub(crate) fn table(counts: &Counts, findings: &[Finding]) -> String {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
    let color = io::stdout().is_terminal() && !no_color;
    let layout = Layout { width: columns().min(WIDTH_MAX), color, ..Layout::default() };
    let mut text = render(findings, &layout);
    text.push('\n');
    text.push_str(&ledger(counts));
    text
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
    let mut text = String::from("stages, which count the watermarks between the records too:\n");
    for (title, tally) in tallies {
        let skipped: u64 = tally.skipped.values().sum();
        let rejected: u64 = tally.rejected.values().sum();
        text.push_str(&format!(
            "{title}: {} read = {} worked on + {skipped} skipped + {rejected} rejected; {} written in {}\n",
            tally.read,
            tally.emitted,
            tally.outputs,
            count(tally.steps, "step")
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
/// What `to` says; every field has a JSON form.
pub(crate) fn json(counts: &Counts, findings: &[Finding], to: &mut dyn Write) -> io::Result<()> {
    let Counts { read, emitted, deduplicated, skipped, rejected, .. } = *counts;
    let ledger = Ledger { read, emitted, deduplicated, skipped, rejected };
    serde_json::to_writer_pretty(Escaped(&mut *to), &Report { ledger, findings })?;
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
