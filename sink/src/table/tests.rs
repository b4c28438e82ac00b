use schemas::{
    FindingId, Hash128,
    finding::{Entity, Finding, Severity},
    time::{DAY, MINUTE},
};

use super::*;
use crate::sample::{START, finding};

fn of_rule(id: u128, severity: Severity, rule_name: &str) -> Finding {
    Finding {
        severity,
        rule_name: rule_name.to_owned(),
        title: format!("Title of {rule_name}"),
        ..finding(id << 96)
    }
}

fn place(table: &str, text: &str) -> usize {
    table.find(text).unwrap_or_else(|| panic!("{text:?} is missing in\n{table}"))
}

#[test]
fn a_finding_is_shown_with_everything_needed_to_start_on_it() {
    let id = FindingId(Hash128(0x1f3a_9c02_0000_0000_0000_0000_0000_0001));
    let table = render(&[Finding { id, ..finding(0) }], &Layout::default());
    let expected = "\
HIGH  Mail is forwarded outside the organisation · 1 finding
  1f3a9c02  2021-03-04 05:06–05:09  alice@contoso.example · New-InboxRule forwards to
                                    eve@outside.example · 2 events
  Forwarding copies mail out without a trace.
  runbook: docs/runbooks/mail_forward_outside.md

1 finding: 1 high; times are UTC
";
    assert_eq!(table, expected);
}

#[test]
fn nothing_is_said_to_be_nothing() {
    assert_eq!(render(&[], &Layout::default()), "no findings\n");
}

#[test]
fn the_most_severe_rule_comes_first_then_by_name() {
    let table = render(
        &[
            of_rule(1, Severity::Low, "a"),
            of_rule(2, Severity::High, "z"),
            of_rule(3, Severity::Critical, "m"),
            of_rule(4, Severity::High, "b"),
            of_rule(5, Severity::High, "z"),
        ],
        &Layout::default(),
    );
    let places =
        ["CRITICAL  Title of m", "HIGH  Title of b", "HIGH  Title of z · 2 findings", "LOW  Title of a"];
    assert!(places.map(|text| place(&table, text)).is_sorted(), "{table}");
    assert!(table.ends_with("\n5 findings: 1 critical, 3 high, 1 low; times are UTC\n"), "{table}");
}

#[test]
fn a_long_list_is_cut_and_says_by_how_much() {
    let findings: Vec<Finding> = (1..=13).map(|id| of_rule(id, Severity::High, "r")).collect();
    let table = render(&findings, &Layout::default());
    assert_eq!(table.matches("alice@contoso.example").count(), 10);
    assert!(table.contains("\n  … and 3 more (--format json shows them all)\n"), "{table}");
}

#[test]
fn ids_are_as_long_as_it_takes_to_tell_them_apart() {
    let ids = [0x1111_1111_1110_u128 << 80, 0x1111_1111_1111_u128 << 80, 0x9999_u128 << 112];
    let findings: Vec<Finding> = ids.map(|id| Finding { id: FindingId(Hash128(id)), ..finding(0) }).into();
    let table = render(&findings, &Layout::default());
    for prefix in ["111111111110  ", "111111111111  ", "999900000000  "] {
        place(&table, prefix);
    }
}

#[test]
fn an_entity_that_the_summary_names_is_not_said_twice() {
    let row = |id: &str, summary: &str| {
        let entity = Entity { kind: "user".to_owned(), id: id.to_owned() };
        let table =
            render(&[Finding { entity, summary: summary.to_owned(), ..finding(1) }], &Layout::default());
        let row = table.lines().nth(1).unwrap().to_owned();
        row.split_once("05:09  ").unwrap().1.replace('\u{a0}', " ")
    };
    assert_eq!(row("192.0.2.1", "192.0.2.1 failed"), "192.0.2.1 failed · 2 events");
    assert_eq!(row("bob@x.example", "mail to (bob@x.example)"), "mail to (bob@x.example) · 2 events");
    assert_eq!(row("bob", "mail goes to bob"), "mail goes to bob · 2 events");
    // Another name that only begins or ends like it is no mention.
    assert_eq!(row("bob", "bob@x.example did it"), "bob · bob@x.example did it · 2 events");
    assert_eq!(row("192.0.2.1", "192.0.2.11 failed"), "192.0.2.1 · 192.0.2.11 failed · 2 events");
    assert_eq!(row("", "somebody failed"), "somebody failed · 2 events");
    assert_eq!(row("bob", ""), "bob · 2 events");
}

#[test]
fn an_entity_that_was_cut_in_the_summary_is_not_said_twice_either() {
    let mailbox = format!("server.example/{}/mailbox-of-alice", "organisation/".repeat(9));
    let mentions_of = |kind: &str, summary: String| {
        let entity = Entity { kind: kind.to_owned(), id: mailbox.clone() };
        let table = render(&[Finding { entity, summary, ..finding(1) }], &Layout::default());
        table.matches("server.example/").count()
    };
    let mentions = |summary| mentions_of("mailbox", summary);
    let cut = |chars: usize| mailbox.chars().take(chars).collect::<String>();
    // By the rule's own bound on a value, and by the table's on a summary.
    assert_eq!(mentions(format!("bob set mailbox {}… to forward", cut(120))), 1);
    assert_eq!(mentions(format!("{} set mailbox {mailbox}", "b".repeat(200))), 1);
    // By its last part, which says which mailbox it is, though not which file.
    assert_eq!(mentions("bob set mailbox mailbox-of-alice".to_owned()), 0);
    assert_eq!(mentions_of("file", "bob changed mailbox-of-alice".to_owned()), 1);
    // Too little of it is left, or it is the end of another name.
    assert_eq!(mentions(format!("bob set mailbox {}… to forward", cut(20))), 2);
    assert_eq!(mentions(format!("bob set mailbox my{}… to forward", cut(120))), 2);
}

#[test]
fn times_do_not_repeat_what_is_the_same() {
    let over =
        |micros| render(&[Finding { last_time: START.plus(micros), ..finding(1) }], &Layout::default());
    assert!(over(0).contains("  2021-03-04 05:06  alice"));
    assert!(over(MINUTE).contains("  2021-03-04 05:06–05:07  alice"));
    assert!(over(DAY).contains("  2021-03-04 05:06 – 03-05 05:06  alice"));
    assert!(over(365 * DAY).contains("  2021-03-04 05:06 – 2022-03-04 05:06  alice"));
    assert!(over(i64::MAX).contains("  2021-03-04 05:06 – end of time   alice"));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let wide = Finding {
        entity: Entity { kind: "user".to_owned(), id: "名".repeat(60) },
        summary: format!("{} and {}", "x".repeat(150), "多字节 ".repeat(40)),
        ..finding(1)
    };
    for width in [0, 40, 79, 100, 200] {
        let table = render(std::slice::from_ref(&wide), &Layout { width, ..Layout::default() });
        for line in table.lines() {
            let columns = unicode_width::UnicodeWidthStr::width(line);
            assert!(columns <= width.max(40), "{columns} columns of {width}: {line}");
        }
    }
}

#[test]
fn what_an_attacker_writes_neither_moves_the_cursor_nor_hides() {
    let hostile = "\u{1b}[2J\u{9b}1m\r\nALL CLEAR\u{7}\u{202e}gnp\u{200b}\u{2028}x\0";
    let finding = Finding {
        title: hostile.to_owned(),
        summary: hostile.to_owned(),
        description: hostile.to_owned(),
        rule_name: hostile.to_owned(),
        entity: Entity { kind: hostile.to_owned(), id: hostile.to_owned() },
        ..finding(1)
    };
    let table = render(&[finding], &Layout::default());
    let bad: Vec<char> = table
        .chars()
        .filter(|c| c.is_control() && *c != '\n' || "\u{202e}\u{200b}\u{2028}".contains(*c))
        .collect();
    assert_eq!(bad, Vec::<char>::new());
    assert!(table.contains("ALL CLEAR\u{fffd}\u{fffd}gnp\u{fffd} x\u{fffd}"), "{table}");
    assert!(
        !table.lines().any(|line| line.starts_with("ALL CLEAR")),
        "a line of the attacker's own: {table}"
    );
}

#[test]
fn only_the_severity_is_coloured_and_only_when_told() {
    let plain = render(&[finding(1)], &Layout::default());
    let coloured = render(&[finding(1)], &Layout { color: true, ..Layout::default() });
    assert!(!plain.contains('\u{1b}'));
    assert_eq!(coloured.replace("\u{1b}[31mHIGH\u{1b}[0m", "HIGH"), plain);
}

#[test]
fn rules_on_trial_and_suppressed_findings_are_counted_only() {
    let quiet = |group: &str| Finding { group: group.to_owned(), ..finding(1) };
    let table = render(&[quiet("shadow"), quiet("suppressed")], &Layout::default());
    let left_out = "left out: 2 findings of rules on trial or suppressed (--format json shows them)";
    assert_eq!(table, format!("no findings\n{left_out}\n"));
}

#[test]
fn the_explanation_is_one_sentence() {
    for (text, sentence) in [
        ("One. Two.", "One."),
        ("One, e.g. this. Two.", "One, e.g. this."),
        ("Only one", "Only one"),
        ("", ""),
        ("Version 1.2 of it. ", "Version 1.2 of it."),
    ] {
        assert_eq!(first_sentence(&clean(text, 100)), sentence);
    }
}

#[test]
fn lines_break_at_blanks_and_never_at_glue() {
    assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    assert_eq!(wrap("one two ·\u{a0}3\u{a0}events", 12), ["one two", "· 3 events"]);
    assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
    assert_eq!(wrap("", 4), Vec::<String>::new());
}

#[test]
fn long_texts_end_in_an_ellipsis() {
    assert_eq!(clean("abcdef", 6), "abcdef");
    assert_eq!(clean("abcdefg", 6), "abcde…");
    assert_eq!(clean("  a \n\t b  ", 6), "a b");
}
