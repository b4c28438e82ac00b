//! CSV with a column `AuditData`, as Search-UnifiedAuditLog and the Purview portal export it, or `_raw`, Splunk's own.
//!
//! Every row is a record: the text of that cell. Quotes, line breaks inside them, doubled quotes and CR LF are read as
//! RFC 4180 has them (csv-core). A row without a whole object in the cell is rejected with the row's own bytes.
//!
//! A row that was cut inside its quotes takes the next ones in, up to the next quote. Then the row goes over a line end
//! and its cell holds no whole object: only its first line is rejected, the lines after it are read again as rows.
//!
//! Limits: a row of 16 MiB; what is read again, 4 times the bytes of the file so far.

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

use super::balance::is_balanced;
use super::frame::{Content, Cut, Frame, Held, RECORD_BYTES_MAX};
use crate::decode::reason;

/// The header's names of the column, in any case, the surest first.
const COLUMNS: [&str; 2] = ["AuditData", RAW];
/// Splunk's own; it holds any text, so that it counts only where objects are in it.
const RAW: &str = "_raw";

/// Rows that broken ones took in may be read again, up to so many times the bytes of the file so far.
const AGAIN_MAX: u64 = 4;

#[derive(Debug)]
pub(super) struct Rows {
    reader: Reader,
    /// The column of the record; known from the header.
    wanted: usize,
    /// How many columns the header has.
    columns: usize,
    column: usize,
    /// Still in the header (with the `#TYPE` or `sep=` line before it, where there is one).
    lines_to_pass: u64,
    row_line: Option<u64>,
    line: u64,
    /// The text of the record's cell, and where it ends among the row's bytes. Never longer than these.
    cell: Vec<u8>,
    cell_end: usize,
    row: Held,
    scratch: Vec<u8>,
    /// What a broken row took in and gave back, to be read as rows of their own.
    back: Option<Vec<u8>>,
    again: Vec<u8>,
    passed: u64,
    passed_again: u64,
}

/// How the header says the rows are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) delimiter: u8,
    pub(super) wanted: usize,
    /// Whether a `#TYPE` line of Export-Csv or a `sep=` line of Excel stands before the header.
    pub(super) typed: bool,
}

/// The shape, where `head` begins as a CSV with the column does. Blank lines before the header are not looked past.
pub(super) fn shape(head: &[u8]) -> Option<Shape> {
    let typed = head.starts_with(b"#TYPE") || head.starts_with(b"sep=");
    let header = if typed {
        let at = memchr::memchr(b'\n', head)?;
        head.get(at + 1..)?
    } else {
        head
    };
    let has_objects = memchr::memmem::find(header, b"{\"").is_some();
    [b',', b';', b'\t'].into_iter().find_map(|delimiter| {
        let names = header_names(header, delimiter);
        let wanted = COLUMNS
            .into_iter()
            .filter(|column| *column != RAW || has_objects)
            .find_map(|column| names.iter().position(|name| name.trim().eq_ignore_ascii_case(column)))?;
        Some(Shape { delimiter, wanted, typed })
    })
}

/// The fields of the first row.
fn header_names(header: &[u8], delimiter: u8) -> Vec<String> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).build();
    let (mut rest, mut names, mut name) = (header, Vec::new(), Vec::new());
    let mut scratch = [0_u8; 256];
    loop {
        let (result, taken, written) = reader.read_field(rest, &mut scratch);
        rest = rest.get(taken..).unwrap_or_default();
        name.extend_from_slice(scratch.get(..written).unwrap_or_default());
        match result {
            ReadFieldResult::OutputFull | ReadFieldResult::InputEmpty => {}
            ReadFieldResult::Field { record_end } => {
                names.push(String::from_utf8_lossy(&name).into_owned());
                name.clear();
                if record_end {
                    return names;
                }
            }
            ReadFieldResult::End => return names,
        }
    }
}

impl Rows {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            reader: ReaderBuilder::new().delimiter(shape.delimiter).build(),
            wanted: shape.wanted,
            columns: 0,
            column: 0,
            lines_to_pass: 1 + u64::from(shape.typed),
            row_line: None,
            line: 1,
            cell: Vec::new(),
            cell_end: 0,
            row: Held::default(),
            scratch: vec![0; 16 * 1024],
            back: None,
            again: Vec::new(),
            passed: 0,
            passed_again: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<Frame>) {
        let mut rest = bytes;
        loop {
            self.read_again(out);
            rest = self.start_of_row(rest);
            if rest.is_empty() {
                return;
            }
            let taken = self.field(rest, out);
            rest = rest.get(taken..).unwrap_or_default();
            self.again = self.back.take().unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, cut: Option<Cut>, out: &mut Vec<Frame>) {
        if let Some(why) = cut {
            if self.row_line.is_none() {
                self.row.begin(self.line);
            }
            return self.row.refuse(why, out);
        }
        // An empty input is the end of the data to csv-core; it may still hold a field back.
        while self.row_line.is_some() {
            self.field(&[], out);
            self.again = self.back.take().unwrap_or_default();
            self.read_again(out);
        }
    }

    /// Reads what broken rows gave back. A row that begins in it may go on in what comes after.
    fn read_again(&mut self, out: &mut Vec<Frame>) {
        let bytes = std::mem::take(&mut self.again);
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let row = self.start_of_row(rest);
            at += rest.len() - row.len();
            if row.is_empty() {
                return;
            }
            at += self.field(row, out);
            // What this row gave back are the bytes just before.
            at = at.saturating_sub(self.back.take().map_or(0, |back| back.len()));
        }
    }

    /// Passes the line ends between rows, and notes where a row begins.
    fn start_of_row<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let mut rest = bytes;
        while self.row_line.is_none() {
            match rest.first() {
                Some(b'\n') => self.line += 1,
                Some(b'\r') => {}
                Some(_) => {
                    self.row_line = Some(self.line);
                    self.cell.clear();
                    self.row.begin(self.line);
                    break;
                }
                None => break,
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        rest
    }

    /// Reads on in a field; says how many bytes it took.
    fn field(&mut self, rest: &[u8], out: &mut Vec<Frame>) -> usize {
        let (result, taken, written) = self.reader.read_field(rest, &mut self.scratch);
        let raw = rest.get(..taken).unwrap_or_default();
        let is_record = self.lines_to_pass == 0;
        let too_long = self.row.bytes().len() + taken > RECORD_BYTES_MAX && !self.row.is_refused();
        if is_record && too_long && self.give_back(0, true, out) {
            return 0;
        }
        self.line += memchr::memchr_iter(b'\n', raw).count() as u64;
        self.passed += taken as u64;
        if is_record {
            self.row.add(raw, out);
            if self.column == self.wanted && !self.row.is_refused() {
                self.cell.extend_from_slice(self.scratch.get(..written).unwrap_or_default());
                self.cell_end = self.row.bytes().len();
            }
        }
        match result {
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
            ReadFieldResult::Field { record_end: false } => self.column += 1,
            ReadFieldResult::Field { record_end: true } => self.end_row(out),
            ReadFieldResult::End => {
                if self.column > 0 || !self.row.is_empty() {
                    self.end_row(out);
                }
                self.row_line = None;
            }
        }
        taken
    }

    fn end_row(&mut self, out: &mut Vec<Frame>) {
        let is_regular = self.column + 1 == self.columns;
        if self.lines_to_pass > 0 {
            self.lines_to_pass -= 1;
            self.columns = self.column + 1;
        } else if self.row.is_refused() {
            self.row.end(out);
        } else {
            self.end_record(is_regular, out);
        }
        self.column = 0;
        self.row_line = None;
    }

    fn end_record(&mut self, is_regular: bool, out: &mut Vec<Frame>) {
        let text = self.cell.trim_ascii();
        let is_object = text.starts_with(b"{") && text.ends_with(b"}");
        if is_object && (is_regular || is_balanced(text)) {
            let line = self.row_line.unwrap_or(self.line);
            out.push(Frame { line, content: Content::Record(self.cell.as_slice().to_vec()) });
            if !is_regular {
                // A quote that stays open after the cell takes the next row in.
                self.give_back(self.cell_end, false, out);
            }
            return;
        }
        let (reason, message) = if text.is_empty() {
            (reason::NO_AUDIT_DATA, "the row has no text in its column of the record")
        } else if text.starts_with(b"{") && !is_object {
            (reason::TRUNCATED, "the record in the row ends before its end")
        } else if is_object {
            (reason::NOT_JSON, "the record in the row is not JSON")
        } else {
            (reason::NOT_AN_OBJECT, "the row's column of the record holds no JSON object")
        };
        let may_be_several = !(text.is_empty() && is_regular);
        if may_be_several && self.give_back(0, true, out) {
            return;
        }
        self.row.refuse(Cut { reason, message: message.to_owned() }, out);
    }

    /// Where the row goes over a line end at `from` or later, what comes after that is read again, as rows of its own;
    /// the line before is refused if `refuse`. False where there is no such line end, or too much was read again.
    fn give_back(&mut self, from: usize, refuse: bool, out: &mut Vec<Frame>) -> bool {
        let row = self.row.bytes();
        let line_end = memchr::memchr(b'\n', row.get(from..).unwrap_or_default()).map(|at| from + at + 1);
        let Some((line, back)) = line_end.and_then(|at| row.split_at_checked(at)) else { return false };
        let back_bytes = back.len() as u64;
        let enough = self.passed_again + back_bytes > self.passed.saturating_mul(AGAIN_MAX);
        if back.trim_ascii().is_empty() || enough {
            return false;
        }
        let begun = self.row_line.unwrap_or(self.line);
        self.line = begun + memchr::memchr_iter(b'\n', line).count() as u64;
        self.passed_again += back_bytes;
        self.passed = self.passed.saturating_sub(back_bytes);
        if refuse {
            let message = "a row that ends inside its quotes".to_owned();
            let mut broken = Held::refusing(begun, Cut { reason: reason::TRUNCATED, message });
            broken.add(line, out);
            broken.end(out);
        }
        self.back = Some(back.to_vec());
        self.reader.reset();
        self.column = 0;
        self.row_line = None;
        true
    }
}
