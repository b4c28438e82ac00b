//! Damage inside a file: what one broken record may take with it, and what it may not.

use ingest::sources::files::Content;

use crate::support::{event_of, frames, texts};

/// Ten records, each longer than 300 bytes.
fn records() -> Vec<String> {
    let record = |n: usize| {
        format!(
            "{{\"CreationTime\":\"2024-05-01T10:00:{n:02}\",\"Id\":\"{n}\",\"Operation\":\"Op\",\"Parameters\":[{{\"Name\":\"x, y\",\"Value\":\"{}\"}}]}}",
            "v".repeat(300)
        )
    };
    (0..10).map(record).collect()
}

/// The records as rows, with columns before and after the record's, all of them in quotes or only those that need it.
fn rows(before: usize, after: usize, quoted: bool) -> (String, Vec<String>) {
    let plain = if quoted { "\"u@x\"" } else { "u@x" };
    let row = |record: &String| {
        let cell = format!("\"{}\"", record.replace('"', "\"\""));
        let cells = [vec![plain.to_owned(); before], vec![cell], vec![plain.to_owned(); after]].concat();
        cells.join(",")
    };
    let names = [vec!["b"; before], vec!["AuditData"], vec!["a"; after]].concat();
    (names.join(","), records().iter().map(row).collect())
}

#[test]
fn a_row_cut_inside_its_quotes_takes_no_other_with_it() {
    for (before, after) in [(0, 0), (0, 1), (3, 0), (1, 2)] {
        for quoted in [true, false] {
            for line_end in ["\n", "\r\n"] {
                let (header, mut rows) = rows(before, after, quoted);
                let open = rows[4].find('{').unwrap();
                for cut in [open + 1, open + 40, open + 117, open + 300] {
                    let whole = std::mem::take(&mut rows[4]);
                    rows[4] = whole.split_at(cut).0.to_owned();
                    let file = format!("{header}{line_end}{}{line_end}", rows.join(line_end));
                    let mut expected: Vec<(u64, String)> = (2..).zip(records()).collect();
                    expected[4].1 = "<truncated>".to_owned();
                    assert_eq!(texts(file.as_bytes()), expected, "{before} {after} {quoted} {cut}");
                    let Content::Refused { bytes, .. } = &frames(file.as_bytes())[4].content else {
                        panic!()
                    };
                    assert_eq!(bytes.trim_ascii_end(), rows[4].as_bytes());
                    rows[4] = whole;
                }
            }
        }
    }
}

#[test]
fn a_row_cut_after_its_record_takes_no_other_with_it() {
    let (header, mut rows) = rows(1, 2, true);
    let cut = rows[4].len() - 3;
    rows[4].truncate(cut);
    let file = format!("{header}\n{}\n", rows.join("\n"));
    let expected: Vec<(u64, String)> = (2..).zip(records()).collect();
    assert_eq!(texts(file.as_bytes()), expected);
}

#[test]
fn rows_that_are_all_cut_are_each_said() {
    let (header, rows) = rows(1, 1, false);
    let rows: Vec<&str> = rows.iter().map(|row| row.split_at(200).0).collect();
    let all = texts(format!("{header}\n{}\n", rows.join("\n")).as_bytes());
    let expected: Vec<(u64, String)> = (2..12).map(|line| (line, "<truncated>".to_owned())).collect();
    assert_eq!(all, expected);
}

#[test]
fn a_record_over_several_lines_of_a_row_is_one() {
    let pretty = "{\n  \"\"a\"\": \"\"x\"\"\n}";
    let broken = "{\n  \"\"a\"\": {\n}";
    let file = format!("AuditData,b\n\"{pretty}\",\"two\nlines\"\n\"{broken}\",2\n,\"two\nlines\"\n{{}},5\n");
    let expected = [(2, "{\n  \"a\": \"x\"\n}"), (6, "{\n  \"a\": {\n}"), (9, "<no_audit_data>"), (11, "{}")];
    assert_eq!(texts(file.as_bytes()), expected.map(|(line, text)| (line, text.to_owned())));
}

#[test]
fn lines_that_never_close_a_quote_are_read_in_bounded_time() {
    // Every line closes one quote and opens the next: whichever is the first, the row has no end.
    let mut file = b"AuditData,b\n".to_vec();
    for _ in 0..200_000 {
        file.extend_from_slice(b"x\",\"y\n");
    }
    let held: usize = frames(&file)
        .iter()
        .map(|frame| match &frame.content {
            Content::Refused { bytes, .. } => bytes.len(),
            Content::Record(_) => panic!("no record is in it"),
        })
        .sum();
    assert_eq!(held, file.len() - 12);
}

#[test]
fn a_bad_first_line_takes_no_other_with_it() {
    for bad in [&b"\x80\x81garbage"[..], b"\0", b"caf\xe9 \"CreationTime\"...}", b"a,b", b"17"] {
        let file = [bad, b"\n", records().join("\n").as_bytes()].concat();
        let all = texts(&file);
        assert_eq!(all.len(), 11);
        assert_eq!(all[0].1, String::from_utf8_lossy(bad));
        assert!(all[1..].iter().map(|(_, text)| text).eq(&records()));
    }
}

#[test]
fn a_broken_element_takes_no_other_with_it_on_one_line() {
    for separator in [",", ", "] {
        for place in 0..10 {
            for cut in [2, 30, 70, 80, 100, 130] {
                let mut elements = records();
                elements[place].truncate(cut);
                let expected: Vec<(u64, String)> = elements.iter().map(|text| (1, text.clone())).collect();
                for (start, end) in [("[", "]"), ("{\"value\":[", "],\"x\":1}"), ("[\n{", "]\n")] {
                    let mut expected = expected.clone();
                    let list = elements.join(separator);
                    let list = if start.ends_with('{') {
                        expected.iter_mut().for_each(|(line, _)| *line = 2);
                        list.strip_prefix("{").unwrap().to_owned()
                    } else {
                        list
                    };
                    let all = texts(format!("{start}{list}{end}").as_bytes());
                    // Of the last one no reader can tell where it ends.
                    let known = if place == 9 { 9 } else { 10 };
                    let key_is_cut = cut < 16 && place < 9;
                    if key_is_cut && place == 0 {
                        continue;
                    }
                    assert_eq!(all[..known], expected[..known], "{place} {cut} {start}");
                    assert_eq!(all.len(), 10, "{place} {cut} {start}: {:?}", all.last());
                }
            }
        }
    }
}

/// Records of several workloads, and of several downloads, do not begin with the same key.
#[test]
fn a_broken_element_takes_no_other_with_it_where_they_begin_in_several_ways() {
    let keys = ["CreationTime", "AppAccessContext", "Id"];
    for place in 3..18 {
        for cut in [30, 60, 66] {
            let mut elements: Vec<String> = (0..20)
                .map(|n| format!("{{\"{}\":\"{}\",\"v\":[{{\"Name\":{n}}}]}}", keys[n % 3], "w".repeat(40)))
                .collect();
            elements[place].truncate(cut);
            let all = texts(format!("[{}]", elements.join(",")).as_bytes());
            assert!(all.iter().map(|(_, text)| text).eq(&elements), "{place} {cut}: {all:?}");
        }
    }
}

#[test]
fn damage_at_any_place_of_a_long_file_takes_nothing_with_it() {
    let record =
        |n: usize| format!("{{\"Id\":\"{n}\",\"a\":[{{\"b\":\"{}\"}},{{\"b\":2}}]}}", "v".repeat(n % 300));
    let is_cut = |n: usize| n % 7 == 3 || n % 11 == 5;
    let cut = |text: String, n: usize| {
        let at = 20 + n * 31 % (text.len() - 22);
        if is_cut(n) { text.split_at(at).0.to_owned() } else { text }
    };
    let row = |n| cut(format!("\"{}\",2", record(n).replace('"', "\"\"")), n);
    let rows: Vec<String> = (0..3000).map(row).collect();
    let elements: Vec<String> = (0..3000).map(|n| cut(record(n), n)).collect();
    assert!(rows.iter().map(String::len).sum::<usize>() > 8 * 64 * 1024, "it is read in many pieces");
    for file in [format!("AuditData,b\n{}\n", rows.join("\n")), format!("[{}]", elements.join(","))] {
        let all = texts(file.as_bytes());
        assert_eq!(all.len(), 3000);
        for (n, (_, text)) in all.iter().enumerate().filter(|(n, _)| !is_cut(*n)) {
            assert_eq!(*text, record(n));
        }
    }
}

#[test]
fn what_has_no_end_gives_back_what_it_took_in_before_it_is_too_long() {
    let long = format!("{{{}}}", " ".repeat(100_000));
    let rows = format!("AuditData,b\n\"{{cut\n{}", format!("{long},2\n").repeat(180));
    let all = texts(rows.as_bytes());
    assert_eq!((all.len(), all[0].clone()), (181, (2, "<truncated>".to_owned())));
    assert!((3..).zip(&all[1..]).all(|(line, row)| *row == (line, long.clone())));

    let element = format!("{{\"a\":1{}}}", " ".repeat(100_000));
    let list = format!("[{{\"a\":\"cut{}]", format!(",{element}").repeat(180));
    let all = texts(list.as_bytes());
    assert_eq!((all.len(), all[0].1.as_str()), (181, "{\"a\":\"cut"));
    assert!(all[1..].iter().all(|(_, text)| *text == element));
}

#[test]
fn whole_elements_are_never_cut() {
    let nested = "{\"Id\":\"1\",\"a\":[{\"Id\":\"2\"},{\"Id\":\"3\"}]}";
    let file = format!("[{nested},{nested}]");
    assert_eq!(texts(file.as_bytes()), vec![(1, nested.to_owned()); 2]);
}

#[test]
fn the_first_line_of_a_spreadsheet_is_passed() {
    assert_eq!(texts(b"sep=;\r\na;AuditData\r\n1;{}\r\n"), vec![(3, "{}".to_owned())]);
    assert_eq!(texts(b"sep=,\nAuditData\n{}\n"), vec![(3, "{}".to_owned())]);
}

#[test]
fn the_column_of_a_splunk_export_is_read_where_it_holds_objects() {
    assert_eq!(
        texts(b"_raw,_time\n\"{\"\"Id\"\":1}\",2\n\"{\"\"Id\"\":2}\",2\n"),
        vec![(2, "{\"Id\":1}".to_owned()), (3, "{\"Id\":2}".to_owned())]
    );
    assert_eq!(texts(b"_raw,AuditData\nx,{}\n"), vec![(2, "{}".to_owned())]);
    assert_eq!(texts(b"_raw,_time\nGET /,2\n"), vec![(1, "<no_audit_data>".to_owned())]);
}

#[test]
fn the_lines_of_a_splunk_export_carry_the_record() {
    let record = "{\"Id\":\"1\",\"CreationTime\":\"2024-05-01T10:00:00\",\"Operation\":\"Op\"}";
    let raw = record.replace('"', "\\\"");
    let line = format!("{{\"preview\":false,\"result\":{{\"_raw\":\"{raw}\",\"_time\":\"x\"}}}}");
    let row = format!("{{\"_raw\":\"{raw}\",\"host\":\"h\"}}");
    let flat = format!(
        "{{\"Id\":\"1\",\"CreationTime\":\"2024-05-01T10:00:00\",\"Operation\":\"Op\",\"_raw\":\"{raw}\"}}"
    );
    for text in [line, row, flat] {
        let event = event_of(&text);
        assert_eq!((event.native_id.as_str(), event.raw.as_slice()), ("1", record.as_bytes()));
    }
}
