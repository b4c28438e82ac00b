//! JSON lines: a record ends with its line, so a broken one takes no other with it.
//!
//! A line may also hold a list or a wrapper (`{"records":[…]}`): then each of its elements is a record. A comma after
//! a closing brace is left away (the lines of a list whose brackets are gone). Blank lines are nothing.

use memchr::memchr;

use super::frame::{Cut, Frame, Held};
use super::head::NOTHING;
use super::values::{Values, is_wrapper};
use crate::decode::reason;

#[derive(Debug)]
pub(super) struct Lines {
    held: Held,
    line: u64,
    /// Nothing but blanks so far.
    blank: bool,
}

impl Lines {
    pub(super) fn new() -> Self {
        let mut held = Held::default();
        held.begin(1);
        Self { held, line: 1, blank: true }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<Frame>) {
        let mut rest = bytes;
        while let Some(at) = memchr(b'\n', rest) {
            self.held.add(rest.get(..at).unwrap_or_default(), out);
            self.end_line(None, out);
            self.line += 1;
            self.held.begin(self.line);
            rest = rest.get(at + 1..).unwrap_or_default();
        }
        self.held.add(rest, out);
    }

    pub(super) fn finish(&mut self, cut: Option<Cut>, out: &mut Vec<Frame>) {
        let cut = cut.or_else(|| {
            let nothing = self.blank && self.held.bytes().trim_ascii().is_empty() && !self.held.is_refused();
            nothing.then(|| Cut { reason: reason::EMPTY, message: NOTHING.to_owned() })
        });
        self.end_line(cut, out);
    }

    fn end_line(&mut self, cut: Option<Cut>, out: &mut Vec<Frame>) {
        if let Some(why) = cut {
            // It was not the line that broke: what is held of it goes along.
            return self.held.refuse(why, out);
        }
        if self.held.is_refused() {
            self.blank = false;
            return self.held.end(out);
        }
        let text = self.held.bytes().trim_ascii();
        let text = match text.strip_suffix(b",") {
            Some(object) if object.ends_with(b"}") => object,
            _ => text,
        };
        if text.is_empty() {
            return;
        }
        self.blank = false;
        if text.starts_with(b"[") || is_wrapper(text) {
            let mut values = Values::within(self.line);
            values.push(text, out);
            return values.finish(None, out);
        }
        let mut record = Held::default();
        record.begin(self.line);
        record.add(text, out);
        record.end(out);
    }
}
