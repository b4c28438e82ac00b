//! Cutting: what is one record, on which line it began, and that a broken one takes no other with it.

use std::io::Read;

use ingest::sources::files::{Content, Frame, Frames};
use proptest::prelude::*;

use crate::support::{corpus_lines, frames, gzip, texts};

fn expect(input: &str, expected: &[(u64, &str)]) {
    let expected: Vec<(u64, String)> =
        expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect();
    assert_eq!(texts(input.as_bytes()), expected, "{input}");
}

#[test]
fn lines_are_records() {
    expect(
        "{\"a\":1}\n\n  {\"b\":2}  \r\n{\"c\":3}",
        &[(1, "{\"a\":1}"), (3, "{\"b\":2}"), (4, "{\"c\":3}")],
    );
    expect("{\"a\":1},\n{\"b\":2}\n", &[(1, "{\"a\":1}"), (2, "{\"b\":2}")]);
    expect("oops\n{\"a\":1}\n17\n", &[(1, "oops"), (2, "{\"a\":1}"), (3, "17")]);
}

#[test]
fn a_broken_line_takes_no_other_with_it() {
    for broken in ["{\"a\":\"", "{\"a\":{", "{\"a\":[\"}", "}}}", "\"", "{\"a\\"] {
        let input = format!("{{\"a\":1}}\n{broken}\n{{\"b\":2}}\n");
        expect(&input, &[(1, "{\"a\":1}"), (2, broken), (3, "{\"b\":2}")]);
    }
    expect("{\"a\":\n{\"b\":2}\n", &[(1, "{\"a\":"), (2, "{\"b\":2}")]);
}

#[test]
fn lists_wrappers_and_objects_one_after_the_other_are_cut() {
    let two: &[(u64, &str)] = &[(1, "{\"a\":1}"), (1, "{\"b\":\"]},{\\\"\"}")];
    expect("[{\"a\":1},{\"b\":\"]},{\\\"\"}]", two);
    expect("{\"a\":1}{\"b\":\"]},{\\\"\"}", two);
    expect("{\"value\":[{\"a\":1},{\"b\":\"]},{\\\"\"}]}", two);
    expect("{ \"records\" : [{\"a\":1} , {\"b\":\"]},{\\\"\"}] }", two);
    let odata = "{\"@odata.context\":\"x,y\",\"@odata.count\":2,\"value\":[{\"a\":1},{\"b\":\"]},{\\\"\"}],\"@odata.nextLink\":\"{\"}";
    expect(odata, two);
    expect("[]", &[]);
    expect("{\"value\":[]}", &[]);
    expect(
        "[\n  {\n    \"a\": [\n      {\n      }\n    ]\n  },\n  {\"b\": 2}\n]\n",
        &[(2, "{\n    \"a\": [\n      {\n      }\n    ]\n  }"), (8, "{\"b\": 2}")],
    );
    expect("[{\"a\":1}]\n[{\"b\":2}]\n", &[(1, "{\"a\":1}"), (2, "{\"b\":2}")]);
    expect(
        "{\"records\":[{\"a\":1},{\"b\":2}]}\n{\"records\":[{\"c\":3}]}\n",
        &[(1, "{\"a\":1}"), (1, "{\"b\":2}"), (2, "{\"c\":3}")],
    );
}

#[test]
fn an_object_with_a_field_of_that_name_is_no_wrapper() {
    for record in [
        "{\"Id\":\"1\",\"value\":[{}]}",
        "{\"value\":{\"a\":1}}",
        "{\"value\":\"x\"}",
        "{\"a\":{\"value\":[1]}}",
    ] {
        expect(record, &[(1, record)]);
    }
}

#[test]
fn elements_that_are_no_objects_are_one_record_each() {
    expect(
        "[1,\"a,]b\",[{\"c\":1}],null,{\"d\":4}]",
        &[(1, "1"), (1, "\"a,]b\""), (1, "[{\"c\":1}]"), (1, "null"), (1, "{\"d\":4}")],
    );
}

#[test]
fn a_broken_element_takes_no_other_with_it_where_the_lines_tell() {
    // One record a line.
    expect(
        "[\n{\"a\":1},\n{\"b\":{,\n{\"c\":3},\n{\"d\":\"x\n{\"e\":5}\n]",
        &[(2, "{\"a\":1}"), (3, "{\"b\":{,\n"), (4, "{\"c\":3}"), (5, "{\"d\":\"x\n"), (6, "{\"e\":5}")],
    );
    // Indented: the first record is the broken one.
    let broken = "{\n    \"a\": {\n      \"x\": 1\n  },\n  ";
    expect(&format!("[\n  {broken}{{\n    \"b\": 2\n  }}\n]"), &[(2, broken), (6, "{\n    \"b\": 2\n  }")]);
    // The list's end ends a record that is open.
    expect("[{\"a\":1},{\"b\":2]", &[(1, "{\"a\":1}"), (1, "{\"b\":2")]);
}

#[test]
fn without_indentation_nothing_is_guessed() {
    let record = "{\n\"a\":[\n{\n\"b\":1\n},\n{\n\"c\":2\n}\n]\n}";
    expect(&format!("{record}\n{record}\n"), &[(1, record), (11, record)]);
}

#[test]
fn what_is_cut_off_is_said_once() {
    expect("[{\"a\":1},{\"b\":", &[(1, "{\"a\":1}"), (1, "{\"b\":")]);
    expect("[{\"a\":1},", &[(1, "{\"a\":1}"), (1, "<truncated>")]);
    expect("{\"value\":[{\"a\":1}", &[(1, "{\"a\":1}"), (1, "<truncated>")]);
    expect("{\"value\":[{\"a\":1}],\"x\":", &[(1, "{\"a\":1}"), (1, "<truncated>")]);
    expect("{\"a\":1}\n{\"b\":", &[(1, "{\"a\":1}"), (2, "{\"b\":")]);
}

#[test]
fn rows_are_records_and_a_row_without_the_cell_is_said() {
    expect(
        "x,AUDITDATA,y\n1,\"{\"\"a\"\":\"\"\n\"\"}\",2\n3,{},4\n\n5,,6\n7\n8,\"{}\"",
        &[(2, "{\"a\":\"\n\"}"), (4, "{}"), (6, "<no_audit_data>"), (7, "<no_audit_data>"), (8, "{}")],
    );
    let row = frames(b"AuditData,b\n,x\n");
    let Content::Refused { bytes, .. } = &row[0].content else { panic!("{row:?}") };
    assert_eq!(bytes.as_ref(), b",x\n");
}

#[test]
fn a_mark_at_the_start_is_no_part_of_the_record() {
    expect("\u{feff}{\"a\":1}\n", &[(1, "{\"a\":1}")]);
    expect("\u{feff}[{\"a\":1}]", &[(1, "{\"a\":1}")]);
}

#[test]
fn a_record_beyond_16_mib_leaves_in_parts_and_the_rest_goes_on() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(17 * 1024 * 1024));
    for (input, line) in
        [(format!("{{\"b\":1}}\n{long}\n{{\"c\":1}}\n"), 2), (format!("[{{\"b\":1}},{long},{{\"c\":1}}]"), 1)]
    {
        let all = frames(input.as_bytes());
        assert_eq!(all.iter().filter(|frame| frame.ends_a_record()).count(), 3);
        let part = |frame: &Frame| match &frame.content {
            Content::Record(_) => None,
            Content::Refused { reason, bytes, .. } => {
                assert_eq!((*reason, frame.line), ("too_long", line));
                assert!(!bytes.is_empty() && bytes.len() <= 900_000);
                Some(bytes.to_vec())
            }
        };
        let parts: Vec<u8> = all.iter().filter_map(part).flatten().collect();
        assert!(parts == long.as_bytes(), "the parts are the record");
    }
}

#[test]
fn a_gzip_cut_short_gives_what_came_out_and_one_refusal() {
    let text: String = (0..20_000).map(|n| format!("{{\"a\":{}}}\n", n * 7919 % 104_729)).collect();
    let whole = gzip(text.as_bytes());
    let all = texts(&whole[..whole.len() / 2]);
    let (last, rest) = all.split_last().unwrap();
    assert_eq!(last.1, "<gzip>");
    assert!(rest.len() > 5000);
    assert!(rest.iter().zip(text.lines()).all(|((_, got), line)| got == line));
    assert_eq!(texts(&whole[..12]), vec![(1, "<gzip>".to_owned())]);
    let mut damaged = whole.clone();
    for byte in damaged.iter_mut().skip(whole.len() / 2).take(40) {
        *byte ^= 0x55;
    }
    assert_eq!(texts(&damaged).last().unwrap().1, "<gzip>");
}

/// Reads in pieces of the given sizes, over and over.
struct Pieces {
    bytes: std::io::Cursor<Vec<u8>>,
    sizes: Vec<usize>,
    next: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.sizes[self.next % self.sizes.len()].min(buffer.len());
        self.next += 1;
        self.bytes.read(&mut buffer[..size])
    }
}

fn in_pieces(bytes: &[u8], sizes: Vec<usize>) -> Vec<Frame> {
    Frames::new(Pieces { bytes: std::io::Cursor::new(bytes.to_vec()), sizes, next: 0 }).collect()
}

/// Longer than what is read at once, in the forms that hold state between two reads.
fn long_forms() -> Vec<Vec<u8>> {
    let lines = corpus_lines();
    let values: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let csv: String = std::iter::once("a,AuditData\n".to_owned())
        .chain(lines.iter().map(|line| format!("1,\"{}\"\n", line.replace('"', "\"\""))))
        .collect();
    vec![
        lines.join("\n").into_bytes(),
        format!("{{\"value\":[{}]}}", lines.join(",")).into_bytes(),
        serde_json::to_vec_pretty(&values).unwrap(),
        csv.clone().into_bytes(),
        gzip(csv.as_bytes()),
    ]
}

#[test]
fn one_byte_at_a_time_gives_the_same_records() {
    for bytes in long_forms() {
        let whole = frames(&bytes);
        assert_eq!(whole.len(), 181);
        assert!(in_pieces(&bytes, vec![1]) == whole);
    }
}

/// Bytes that look enough like input to reach every state.
fn rubbish() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"{\"a\":1}".to_vec()),
        Just(b"{\"value\":[".to_vec()),
        Just(b"{\"Id\":\"1\",\"CreationTime\":\"2024-01-01T00:00:00\",\"Operation\":\"x\"}".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n  ".to_vec()),
        Just(b"AuditData,b\n".to_vec()),
        Just(b"\x1f\x8b\x08\x00".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"\\".to_vec()),
        Just(b"[".to_vec()),
        Just(b"]".to_vec()),
        Just(b"{".to_vec()),
        Just(b"}".to_vec()),
        Just(b",".to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// How the bytes come in changes nothing.
    #[test]
    fn any_pieces_give_the_same_records(bytes in rubbish(), sizes in prop::collection::vec(1_usize..9, 1..6)) {
        prop_assert_eq!(in_pieces(&bytes, sizes), frames(&bytes));
    }

    /// Nothing panics; what is not blank, nor an empty list, is accounted for.
    #[test]
    fn rubbish_is_never_dropped_in_silence(bytes in rubbish()) {
        let all = frames(&bytes);
        prop_assert!(all.iter().all(|frame| frame.line >= 1));
        let lone = |text: &str| text.contains("[") || text.contains("]") || text.contains(",") || text.contains("AuditData");
        if all.is_empty() {
            prop_assert!(lone(&String::from_utf8_lossy(&bytes)), "nothing was said about {:?}", bytes);
        }
        for frame in all {
            if let Content::Record(record) = frame.content {
                let _decoded = ingest::decode::decode(record, &crate::support::origin());
            }
        }
    }

    /// Cut anywhere, a file gives the records before the cut and at most one thing that is none.
    #[test]
    fn a_file_cut_anywhere_gives_what_came_before(cut in 0_usize..2000) {
        let lines: Vec<String> = (0..60).map(|n| format!("{{\"Id\":\"{n}\",\"x\":[{{\"y\":\"a{n}\"}}]}}")).collect();
        let list = format!("[\n{}\n]", lines.join(",\n"));
        let cut = cut.min(list.len() - 2);
        let all = texts(&list.as_bytes()[..cut]);
        let good = all.iter().filter(|(_, text)| lines.contains(text)).count();
        prop_assert!(all.len() <= good + 1);
        let whole = lines.iter().scan(2, |end, line| { *end += line.len() + 2; Some(*end - 2) });
        prop_assert_eq!(good, whole.filter(|end| *end <= cut).count());
    }
}
