//! Findings as a table for a terminal: grouped by severity and rule, explained, one row a finding.
//!
//! It prints nothing and asks the terminal nothing: width and colour are given. Values come from audit records, which
//! an attacker partly writes: control characters, escape sequences and invisible ones (direction marks, zero width)
//! become U+FFFD, so that a finding can neither move the cursor nor hide or reorder text.
//!
//! Limits: [`Layout::rows_max`] rows a rule (what is left out is counted), 300 characters a summary, 100 an entity.

use std::{cmp::Reverse, collections::BTreeMap};

use schemas::finding::{Finding, Severity};

use crate::fold::is_quiet;

mod line;
mod row;
mod text;

pub use line::line;
use row::{Columns, unambiguous};
pub use text::is_invisible;
use text::{clean, first_sentence, wrap};

/// The narrowest width that is honoured.
const WIDTH_MIN: usize = 40;
/// The longest title and explanation, in characters.
const SENTENCE_CHARS_MAX: usize = 400;

/// How to lay a table out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// How many columns the terminal has; below 40 counts as 40.
    pub width: usize,
    /// Whether the severity is coloured (ANSI).
    pub color: bool,
    /// How many findings of one rule are shown.
    pub rows_max: usize,
}

impl Default for Layout {
    /// 100 columns, no colour, 10 findings a rule.
    fn default() -> Self {
        Self { width: 100, color: false, rows_max: 10 }
    }
}

/// The table of `findings` (already folded, see [`crate::fold`]), with a line break at its end.
#[must_use]
pub fn render(findings: &[Finding], layout: &Layout) -> String {
    let width = layout.width.max(WIDTH_MIN);
    let loud: Vec<&Finding> = findings.iter().filter(|finding| !is_quiet(finding)).collect();
    let id_chars = unambiguous(&loud);
    let mut out = String::new();
    for rule in by_rule(&loud).values() {
        write_rule(rule, &Columns::new(id_chars, rule), width, layout, &mut out);
    }
    write_totals(&loud, findings.len() - loud.len(), width, &mut out);
    out
}

/// The findings of each rule, the most severe rules first; a rule's findings by time.
fn by_rule<'a>(
    findings: &[&'a Finding],
) -> BTreeMap<(Reverse<Severity>, &'a str, &'a str), Vec<&'a Finding>> {
    let mut rules: BTreeMap<_, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        let rule = (Reverse(finding.severity), finding.rule_name.as_str(), finding.rule.as_str());
        rules.entry(rule).or_default().push(finding);
    }
    for findings in rules.values_mut() {
        findings.sort_by_key(|finding| (finding.first_time, finding.id));
    }
    rules
}

fn write_rule(findings: &[&Finding], columns: &Columns, width: usize, layout: &Layout, out: &mut String) {
    let Some(first) = findings.first() else { return };
    let severity = first.severity.name().to_uppercase();
    let title = format!("{} · {}", clean(&first.title, SENTENCE_CHARS_MAX), count(findings.len(), "finding"));
    let indent = severity.chars().count() + 2;
    let painted = if layout.color { paint(first.severity, &severity) } else { severity };
    write_block(&format!("{painted}  "), indent, &title, width, out);
    for finding in findings.iter().take(layout.rows_max) {
        columns.write_row(finding, width, out);
    }
    let more = findings.len().saturating_sub(layout.rows_max);
    if more > 0 {
        write_block("  ", 2, &format!("… and {more} more (--format json shows them all)"), width, out);
    }
    let why = first_sentence(&clean(&first.description, SENTENCE_CHARS_MAX)).to_owned();
    if !why.is_empty() {
        write_block("  ", 2, &why, width, out);
    }
    write_block(
        "  ",
        2,
        &format!("runbook: {}", clean(&crate::runbook(first), SENTENCE_CHARS_MAX)),
        width,
        out,
    );
    out.push('\n');
}

fn write_totals(findings: &[&Finding], quiet: usize, width: usize, out: &mut String) {
    if findings.is_empty() {
        out.push_str("no findings\n");
    } else {
        let parts: Vec<String> = Severity::ALL
            .into_iter()
            .rev()
            .map(|severity| {
                (findings.iter().filter(|finding| finding.severity == severity).count(), severity)
            })
            .filter(|(number, _)| *number > 0)
            .map(|(number, severity)| format!("{number} {}", severity.name()))
            .collect();
        let totals = format!("{}: {}; times are UTC", count(findings.len(), "finding"), parts.join(", "));
        write_block("", 0, &totals, width, out);
    }
    if quiet > 0 {
        let left_out = format!(
            "left out: {} of rules on trial or suppressed (--format json shows them)",
            count(quiet, "finding")
        );
        write_block("", 0, &left_out, width, out);
    }
}

/// `text` after `lead`, which takes `indent` columns, wrapped so that it goes on under its own beginning.
fn write_block(lead: &str, indent: usize, text: &str, width: usize, out: &mut String) {
    for (number, line) in wrap(text, width.saturating_sub(indent)).iter().enumerate() {
        if number == 0 {
            out.push_str(lead);
        } else {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(line);
        out.push('\n');
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn paint(severity: Severity, text: &str) -> String {
    let code = match severity {
        Severity::Critical => "1;31",
        Severity::High => "31",
        Severity::Medium => "33",
        Severity::Low => "36",
        Severity::Info => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

#[cfg(test)]
mod tests;
