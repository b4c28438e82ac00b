//! CSV with a column `AuditData`: what Search-UnifiedAuditLog, the Purview portal and Splunk export.
//!
//! Every row is a record: the text of that cell. Quotes, line breaks inside them, doubled quotes and CR LF are read as
//! RFC 4180 has them (csv-core). A row without the cell is rejected with the row's own bytes. A quote that is never
//! closed makes one record of the rest of the file; no CSV reader can tell otherwise.

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

use super::frame::{Cut, Frame, Held};
use crate::decode::reason;

/// The header's name of the column, in any case.
const COLUMN: &str = "AuditData";

#[derive(Debug)]
pub(super) struct Rows {
    reader: Reader,
    /// The column of the record; known from the header.
    wanted: usize,
    column: usize,
    /// Still in the header (with the `#TYPE` line before it, where there is one).
    lines_to_pass: u64,
    row_line: Option<u64>,
    line: u64,
    cell: Held,
    row: Held,
    scratch: Vec<u8>,
}

/// How the header says the rows are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) delimiter: u8,
    pub(super) wanted: usize,
    /// Whether a `#TYPE` line of Export-Csv stands before the header.
    pub(super) typed: bool,
}

/// The shape, where `head` begins as a CSV with the column does. Blank lines before the header are not looked past.
pub(super) fn shape(head: &[u8]) -> Option<Shape> {
    let typed = head.starts_with(b"#TYPE");
    let header = if typed {
        let at = memchr::memchr(b'\n', head)?;
        head.get(at + 1..)?
    } else {
        head
    };
    [b',', b';', b'\t'].into_iter().find_map(|delimiter| {
        let names = header_names(header, delimiter);
        let wanted = names.iter().position(|name| name.trim().eq_ignore_ascii_case(COLUMN))?;
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
            column: 0,
            lines_to_pass: 1 + u64::from(shape.typed),
            row_line: None,
            line: 1,
            cell: Held::default(),
            row: Held::default(),
            scratch: vec![0; 16 * 1024],
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<Frame>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = self.start_of_row(rest);
            if rest.is_empty() {
                return;
            }
            let taken = self.field(rest, out);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, cut: Option<Cut>, out: &mut Vec<Frame>) {
        if let Some(why) = cut {
            let held = if self.cell.is_empty() { &mut self.row } else { &mut self.cell };
            if self.row_line.is_none() {
                held.begin(self.line);
            }
            return held.refuse(why, out);
        }
        if self.row_line.is_some() {
            // An empty input is the end of the data to csv-core; it may still hold a field back.
            while self.row_line.is_some() {
                self.field(&[], out);
            }
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
                    self.cell.begin(self.line);
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
        self.line += memchr::memchr_iter(b'\n', raw).count() as u64;
        if self.lines_to_pass == 0 {
            if self.column == self.wanted && !self.row.is_refused() {
                self.cell.add(self.scratch.get(..written).unwrap_or_default(), out);
            }
            // The row's own bytes are wanted only as long as no cell has come.
            if self.cell.is_empty() {
                self.row.add(raw, out);
            }
        }
        match result {
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
            ReadFieldResult::Field { record_end: false } => self.column += 1,
            ReadFieldResult::Field { record_end: true } => self.end_row(out),
            ReadFieldResult::End => {
                if self.column > 0 || !self.row.is_empty() || !self.cell.is_empty() {
                    self.end_row(out);
                }
                self.row_line = None;
            }
        }
        taken
    }

    fn end_row(&mut self, out: &mut Vec<Frame>) {
        self.column = 0;
        self.row_line = None;
        if self.lines_to_pass > 0 {
            self.lines_to_pass -= 1;
        } else if self.row.is_refused() {
            self.row.end(out);
        } else if self.cell.is_empty() {
            let message = "the row has no text in its column AuditData".to_owned();
            self.row.refuse(Cut { reason: reason::NO_AUDIT_DATA, message }, out);
        } else {
            self.cell.end(out);
        }
    }
}
