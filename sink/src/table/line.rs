//! One revision of a finding on one line, for whoever watches findings come.

use schemas::finding::{Change, Finding};

use super::{paint, row::minute, text::clean};

/// What fits a wide terminal.
const SUMMARY_CHARS_MAX: usize = 200;
const TITLE_CHARS_MAX: usize = 100;

/// The revision on one line, without its line break: when it happened, how bad it is, what it is. A revision that
/// changes or closes one that was said before says so.
#[must_use]
pub fn line(finding: &Finding, color: bool) -> String {
    let severity = format!("{:<8}", finding.severity.name().to_uppercase());
    let severity = if color { paint(finding.severity, &severity) } else { severity };
    let change = match finding.change {
        Change::Create => "",
        Change::Update => "(more of it) ",
        Change::Close => "(no longer) ",
    };
    let title = clean(&finding.title, TITLE_CHARS_MAX);
    let summary = clean(&finding.summary, SUMMARY_CHARS_MAX);
    format!("{}  {severity} {change}{title}: {summary}", minute(finding.last_time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::finding;

    #[test]
    fn a_revision_is_one_line_and_moves_no_cursor() {
        let mut finding = finding(1);
        finding.summary = "a\nb \u{1b}[2J c\u{202e}d".to_owned();
        let shown = line(&finding, false);
        assert!(!shown.contains(['\n', '\u{1b}', '\u{202e}']), "{shown}");
        assert!(shown.contains(&finding.title) && shown.contains("a b"), "{shown}");
        let closed = line(&Finding { change: Change::Close, ..finding }, false);
        assert!(closed.contains("(no longer)"), "{closed}");
    }
}
