//! What a file is, told from its first 64 KiB and never from its name.

use super::balance::is_balanced;
use super::csv;
use super::frame::Cut;
use crate::decode::reason;

/// What is said of a file without a record.
pub(super) const NOTHING: &str = "there is nothing in it";

/// How much of a file is looked at before it is decided.
pub(super) const HEAD_BYTES: usize = 64 * 1024;

/// How a file is to be cut into records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// One record a line.
    Lines,
    /// A list, a wrapper, or objects one after the other; objects that begin a line at this column are records.
    Values(Option<usize>),
    /// CSV with the column.
    Csv(csv::Shape),
    /// All of it is one thing that is no record.
    Refused(Cut),
}

/// Decides by the first bytes, a byte-order mark left away; `whole` when there are no more.
pub(super) fn form(head: &[u8], whole: bool) -> Form {
    let refused = |reason, message: &str| Form::Refused(Cut { reason, message: message.to_owned() });
    if is_utf16(head) {
        return refused(reason::UTF16, "UTF-16; convert it: iconv -f utf-16 -t utf-8");
    }
    let text = head.trim_ascii_start();
    let Some(first) = text.first() else {
        // More than 64 KiB of blanks: each line tells for itself.
        return if whole { refused(reason::EMPTY, NOTHING) } else { Form::Lines };
    };
    if *first == b'[' {
        return Form::Values(column_of_records(head));
    }
    if *first == b'{' {
        return object_form(head, whole);
    }
    if let Some(shape) = csv::shape(head) {
        return Form::Csv(shape);
    }
    let binary = is_binary(head);
    if lines_of(head).any(|(_, line)| begins_a_record(line, binary)) {
        return Form::Lines;
    }
    if binary {
        return refused(reason::BINARY, "neither JSON nor CSV: bytes that are no text");
    }
    match lines_of(head).next() {
        Some((_, line)) if line.iter().any(|byte| matches!(byte, b',' | b';' | b'\t')) => {
            refused(reason::NO_AUDIT_DATA, "not JSON, and no column AuditData in its first line")
        }
        _ => refused(reason::NOT_JSON, "text that is neither JSON nor CSV with a column AuditData"),
    }
}

/// JSON lines, if the first line that is not blank is a whole object or the second begins like one.
fn object_form(head: &[u8], whole: bool) -> Form {
    let mut lines = lines_of(head).peekable();
    let first = lines.next();
    let ends_in_head = whole || lines.peek().is_some();
    let second = lines.next();
    let first_is_whole = ends_in_head && first.is_some_and(|(_, line)| is_balanced(line));
    let second_begins = second.is_some_and(|(_, line)| line.starts_with(b"{"));
    if first_is_whole || second_begins { Form::Lines } else { Form::Values(column_of_records(head)) }
}

/// Among bytes that are no text a bracket alone says nothing.
fn begins_a_record(line: &[u8], binary: bool) -> bool {
    line.starts_with(b"{\"") || (!binary && matches!(line.first(), Some(b'{' | b'[')))
}

/// Where records begin, if the first line with an object and the line after it tell.
fn column_of_records(head: &[u8]) -> Option<usize> {
    let mut lines = lines_of(head).skip_while(|(_, line)| !line.starts_with(b"{"));
    let (column, _) = lines.next()?;
    let (next_column, next) = lines.next()?;
    let same_line = next.starts_with(b"{") && next_column <= column;
    let deeper = next.starts_with(b"\"") && next_column > column;
    (same_line || deeper).then_some(column)
}

/// The lines that are not blank: how far they are indented, and their text.
fn lines_of(head: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    head.split(|byte| *byte == b'\n').filter_map(|line| {
        let text = line.trim_ascii_start();
        (!text.is_empty()).then(|| (line.len() - text.len(), text.trim_ascii_end()))
    })
}

/// A UTF-16 byte-order mark, or NUL in every second byte at the start.
fn is_utf16(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return true;
    }
    let start = head.get(..head.len().min(64)).unwrap_or_default();
    let every_second = |first: usize| start.iter().skip(first).step_by(2).all(|byte| *byte == 0);
    let others = |first: usize| start.iter().skip(first).step_by(2).all(|byte| *byte != 0);
    start.len() >= 4 && ((every_second(1) && others(0)) || (every_second(0) && others(1)))
}

/// NUL bytes, or bytes that are not UTF-8 (a character cut at the end of the head is none of these).
fn is_binary(head: &[u8]) -> bool {
    if head.contains(&0) {
        return true;
    }
    match std::str::from_utf8(head) {
        Ok(_) => false,
        Err(error) => error.error_len().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_the_content() {
        let csv = |delimiter, wanted, typed| Form::Csv(csv::Shape { delimiter, wanted, typed });
        for (head, expected) in [
            ("{\"a\":1}", Form::Lines),
            ("\n\n{\"a\":1}\n{\"a\":", Form::Lines),
            ("{\"a\":\n{\"a\":1}\n", Form::Lines),
            ("oops\n{\"a\":1}\n", Form::Lines),
            ("\0\n{\"a\":1}\n", Form::Lines),
            ("{\n  \"a\":1\n}\n", Form::Values(Some(0))),
            ("{\n\"a\":1\n}\n", Form::Values(None)),
            ("[{\"a\":1},{\"a\":2}]", Form::Values(None)),
            ("[\n {\"a\":1},\n {\"a\":2}]", Form::Values(Some(1))),
            ("[\n  {\n    \"a\":1\n  }\n]", Form::Values(Some(2))),
            ("\"Date\",\"auditdata\"\r\n", csv(b',', 1, false)),
            ("a;AuditData;b\n", csv(b';', 1, false)),
            ("AuditData\ta\n", csv(b'\t', 0, false)),
            ("#TYPE Selected.Object\r\n\"x\",\"AuditData\"\r\n", csv(b',', 1, true)),
        ] {
            assert_eq!(form(head.as_bytes(), true), expected, "{head}");
        }
    }

    #[test]
    fn what_holds_no_records_says_what_it_is() {
        let reason = |head: &[u8]| {
            let Form::Refused(cut) = form(head, true) else { panic!("{head:?}") };
            cut.reason
        };
        assert_eq!(reason(b""), "empty");
        assert_eq!(reason(b" \r\n\n"), "empty");
        assert_eq!(reason(b"\xff\xfe{\0}\0"), "utf16");
        assert_eq!(reason(b"{\0\"\0I\0"), "utf16");
        assert_eq!(reason(b"\0{\0\"\0I"), "utf16");
        assert_eq!(reason(b"\x7fELF\x02\x01\x00"), "binary");
        assert_eq!(reason(b"\x7fELF\x02\x01\x00\n{\n["), "binary");
        assert_eq!(reason(b"caf\xe9,x\n1,2\n"), "binary");
        assert_eq!(reason(b"Date,User\n1,2\n"), "no_audit_data");
        assert_eq!(reason(b"# Notes\nnothing else\n"), "not_json");
    }

    #[test]
    fn a_first_line_longer_than_the_head_is_no_whole_object() {
        let head = [&b"{\"value\":[{\"a\":1}"[..], &b" ".repeat(100)].concat();
        assert_eq!(form(&head, false), Form::Values(None));
    }
}
