//! JSON that does not keep to lines: a list, a wrapper (`{"value":[…]}` of the Dataverse Web API, `{"records":[…]}` of
//! Azure Monitor), or objects one after the other, pretty-printed or not.
//!
//! The scanner knows strings and brackets, nothing else: what it cuts out is judged by the decoder. A record that is
//! broken takes no other with it where the file's shape allows that to be told: records that begin on lines of their
//! own, no deeper than the last whole one, and whose inside is deeper or on the same line. Then such a line inside an
//! open record means that the record was broken. A line break inside a string, which JSON forbids, ends the string.
//! In a list, other elements that a broken one took in are known by their first key (see `split`).

use memchr::memchr3;

use super::frame::{Content, Cut, Frame, Held, RECORD_BYTES_MAX};
use super::keys::Keys;
use super::open::{Inner, Open, Text};
use super::split::Beginnings;
use crate::decode::reason;

/// Where the scanner stands between values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Outside everything.
    Top,
    /// In the list whose elements are the records.
    List { wrapped: bool },
}

#[derive(Debug)]
pub(super) struct Values {
    place: Place,
    open: Option<Open>,
    held: Held,
    line: u64,
    /// Blanks at the start of the line, while nothing else has come.
    indent: usize,
    fresh: bool,
    /// An object that begins a line at this column or before it is a record.
    resync: Option<usize>,
    /// How the elements of the list begin.
    beginnings: Beginnings,
    /// What is read is the last of several in a broken element: it is not looked into again.
    is_last: bool,
}

/// Whether the text begins as a wrapper does: an object whose first key is `value`, `records` or an OData annotation.
pub(super) fn is_wrapper(text: &[u8]) -> bool {
    let inner = text.strip_prefix(b"{").unwrap_or_default().trim_ascii_start();
    [&b"\"value\""[..], b"\"records\"", b"\"@odata."].iter().any(|key| inner.starts_with(key))
}

impl Values {
    /// A scanner for a whole file; `resync` is what its first lines say about its shape.
    pub(super) fn new(resync: Option<usize>) -> Self {
        Self { resync, ..Self::within(1) }
    }

    /// A scanner for what stands on one line.
    pub(super) fn within(line: u64) -> Self {
        Self {
            place: Place::Top,
            open: None,
            held: Held::default(),
            line,
            indent: 0,
            fresh: true,
            resync: None,
            beginnings: Beginnings::new(),
            is_last: false,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<Frame>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match &self.open {
                Some(open) if open.opener == b's' => self.scalar(rest, out),
                Some(_) => self.inside(rest, out),
                None => self.between(rest),
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    pub(super) fn finish(&mut self, cut: Option<Cut>, out: &mut Vec<Frame>) {
        if self.open.as_ref().is_some_and(|open| !open.rest_of_wrapper) {
            self.split(out);
        }
        let in_list = self.place != Place::Top || self.open.as_ref().is_some_and(|open| open.rest_of_wrapper);
        let in_record = self.open.as_ref().is_some_and(|open| !open.rest_of_wrapper);
        self.open = None;
        match cut {
            Some(why) => {
                if !in_record {
                    self.held.begin(self.line);
                }
                self.held.refuse(why, out);
            }
            None if in_record => self.held.end(out),
            None if in_list => {
                self.held.begin(self.line);
                let message = "the list of records has no end".to_owned();
                self.held.refuse(Cut { reason: reason::TRUNCATED, message }, out);
            }
            None => {}
        }
    }

    /// Passes what stands between values, up to and with the first byte of the next.
    fn between(&mut self, rest: &[u8]) -> usize {
        for (index, &byte) in rest.iter().enumerate() {
            match (byte, self.place) {
                (b'\n', _) => self.next_line(),
                (b' ' | b'\t' | b'\r' | b',', _) => self.blank(),
                (b'[', Place::Top) => {
                    self.place = Place::List { wrapped: false };
                    self.fresh = false;
                }
                (b']', Place::List { wrapped }) => {
                    self.place = Place::Top;
                    self.fresh = false;
                    if wrapped {
                        self.open = Some(Open::new(b'{', None, true));
                        return index + 1;
                    }
                }
                _ => {
                    let opener = if matches!(byte, b'{' | b'[') { byte } else { b's' };
                    let mut open = Open::new(opener, self.fresh.then_some(self.indent), false);
                    if self.place != Place::Top {
                        open.keys = Keys::Settled;
                    }
                    open.depth = 0;
                    self.held.begin(self.line);
                    self.open = Some(open);
                    return index;
                }
            }
        }
        rest.len()
    }

    /// Reads on in an object or list, to its end or that of the bytes.
    fn inside(&mut self, rest: &[u8], out: &mut Vec<Frame>) -> usize {
        let mut index = 0;
        while let Some(&byte) = rest.get(index) {
            let Some(open) = &mut self.open else { return index };
            if open.text != Text::Outside {
                index += self.in_text(rest.get(index..).unwrap_or_default());
                continue;
            }
            match byte {
                b'\n' => {
                    open.inner_line();
                    self.next_line();
                }
                b' ' | b'\t' | b'\r' => self.blank(),
                b'{' if open.depth > 0
                    && self.fresh
                    && self.resync.is_some_and(|column| self.indent <= column) =>
                {
                    return self.close(rest, index, out);
                }
                b']' if open.depth == 1 && open.opener == b'{' && self.place != Place::Top => {
                    return self.close(rest, index, out);
                }
                _ => {
                    open.note_column(self.indent);
                    self.fresh = false;
                    if open.structure(byte) {
                        self.learn();
                        return self.close(rest, index + 1, out);
                    }
                    if open.keys.list_begins() {
                        self.open = None;
                        self.held.begin(self.line);
                        self.place = Place::List { wrapped: true };
                        return index + 1;
                    }
                }
            }
            index += 1;
        }
        if self.held.bytes().len() + rest.len() > RECORD_BYTES_MAX && self.split(out) {
            return 0;
        }
        self.keep(rest, out);
        rest.len()
    }

    /// Reads on inside a string, to its end, a line break or that of the bytes; says how far.
    fn in_text(&mut self, rest: &[u8]) -> usize {
        let Some(open) = &mut self.open else { return 1 };
        if open.text == Text::Escaped {
            open.text = Text::Inside;
            open.keys.text(rest.get(..1).unwrap_or_default());
            return 1;
        }
        let Some(at) = memchr3(b'"', b'\\', b'\n', rest) else {
            open.keys.text(rest);
            return rest.len();
        };
        open.keys.text(rest.get(..at).unwrap_or_default());
        match rest.get(at) {
            Some(b'"') => {
                open.text = Text::Outside;
                open.keys.text_ends();
            }
            Some(b'\\') => open.text = Text::Escaped,
            _ => {
                open.text = Text::Outside;
                open.keys = Keys::Settled;
                self.next_line();
            }
        }
        at + 1
    }

    /// Reads on in something that is neither object nor list, to what can only follow it.
    fn scalar(&mut self, rest: &[u8], out: &mut Vec<Frame>) -> usize {
        let listed = self.place != Place::Top;
        for (index, &byte) in rest.iter().enumerate() {
            let Some(open) = &mut self.open else { return index };
            let ends = match (byte, open.text) {
                (b'\n', _) => true,
                (_, Text::Escaped) => {
                    open.text = Text::Inside;
                    false
                }
                (b'\\', Text::Inside) => {
                    open.text = Text::Escaped;
                    false
                }
                (b'"', Text::Inside) => {
                    open.text = Text::Outside;
                    false
                }
                (b'"', Text::Outside) => {
                    open.text = Text::Inside;
                    false
                }
                (b',' | b']', Text::Outside) => listed,
                (b'{', Text::Outside) => true,
                _ => false,
            };
            if ends {
                return self.close(rest, index, out);
            }
        }
        self.keep(rest, out);
        self.fresh = false;
        rest.len()
    }

    fn keep(&mut self, bytes: &[u8], out: &mut Vec<Frame>) {
        if self.open.as_ref().is_some_and(|open| !open.rest_of_wrapper) {
            self.held.add(bytes, out);
        }
    }

    /// The open value ends before `end`.
    fn close(&mut self, rest: &[u8], end: usize, out: &mut Vec<Frame>) -> usize {
        let bytes = rest.get(..end).unwrap_or_default();
        self.keep(bytes, out);
        if self.open.take().is_some_and(|open| !open.rest_of_wrapper) && !self.split(out) {
            self.beginnings.note(self.held.bytes());
            self.held.end(out);
        }
        end
    }

    /// Cuts a broken element where others begin in it. The last of these is read anew: it may have no end yet, or too
    /// late a one. False where there is none.
    fn split(&mut self, out: &mut Vec<Frame>) -> bool {
        if self.place == Place::Top || self.is_last || self.held.is_refused() {
            return false;
        }
        let element = self.held.bytes();
        let others = self.beginnings.others(element);
        let Some(last) = others.last().and_then(|at| element.get(*at..)).map(<[u8]>::to_vec) else {
            return false;
        };
        let (mut line, mut start) = (self.held.line(), 0);
        for end in others {
            let piece = element.get(start..end).unwrap_or_default();
            let text = piece.trim_ascii_end();
            let text = text.strip_suffix(b",").unwrap_or(text).to_vec();
            out.push(Frame { line, content: Content::Record(text) });
            line += memchr::memchr_iter(b'\n', piece).count() as u64;
            start = end;
        }
        (self.line, self.fresh, self.open) = (line, false, None);
        self.is_last = true;
        self.push(&last, out);
        self.is_last = false;
        true
    }

    /// A whole record tells where the next one may begin.
    fn learn(&mut self) {
        let Some(open) = &self.open else { return };
        let Some(column) = open.column else { return };
        let tells = match open.inner {
            Inner::SameLine => true,
            Inner::NextLine => false,
            Inner::Column(inner) => inner > column,
        };
        self.resync = tells.then_some(column);
    }

    fn next_line(&mut self) {
        self.line += 1;
        self.indent = 0;
        self.fresh = true;
    }

    fn blank(&mut self) {
        if self.fresh {
            self.indent += 1;
        }
    }
}
