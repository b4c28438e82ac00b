//! The records of one file, one after the other, in bounded memory: 64 KiB are read at a time, one record is held.

use std::collections::VecDeque;
use std::io::Read;

use super::csv::Rows;
use super::frame::{Cut, Frame, Held};
use super::head::{self, Form, HEAD_BYTES};
use super::input::Input;
use super::lines::Lines;
use super::values::Values;

/// Cuts a file into records, whatever its form.
#[derive(Debug)]
pub struct Frames {
    input: Option<Input>,
    cutter: Option<Cutter>,
    buffer: Vec<u8>,
    found: Vec<Frame>,
    ready: VecDeque<Frame>,
}

#[derive(Debug)]
enum Cutter {
    Lines(Lines),
    Values(Box<Values>),
    Csv(Box<Rows>),
    Refused(Held),
}

impl Frames {
    /// The records of `file`. Nothing is decided by its name; gzip is told by its content.
    pub fn new(file: impl Read + Send + 'static) -> Self {
        let mut frames = Self {
            input: None,
            cutter: None,
            buffer: vec![0; HEAD_BYTES],
            found: Vec::new(),
            ready: VecDeque::new(),
        };
        match Input::open(file) {
            Ok(input) => frames.input = Some(input),
            Err(cut) => frames.finish(Some(cut)),
        }
        frames
    }

    /// One thing that is no record, and nothing else: a file that cannot be opened.
    pub(super) fn none(cut: Cut) -> Self {
        let mut frames =
            Self { input: None, cutter: None, buffer: Vec::new(), found: Vec::new(), ready: VecDeque::new() };
        frames.finish(Some(cut));
        frames
    }

    fn read(&mut self) {
        let Some(input) = &mut self.input else { return };
        let (filled, cut) = input.read(&mut self.buffer);
        let ended = filled < self.buffer.len() || cut.is_some();
        let mut bytes = self.buffer.get(..filled).unwrap_or_default();
        let cutter = match &mut self.cutter {
            Some(cutter) => cutter,
            // Nothing came out before it broke: that is said once, by the break.
            None if bytes.is_empty() && cut.is_some() => return self.finish(cut),
            None => {
                bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
                self.cutter.insert(Cutter::of(head::form(bytes, ended)))
            }
        };
        cutter.push(bytes, &mut self.found);
        if ended {
            self.finish(cut);
        } else {
            self.ready.extend(self.found.drain(..));
        }
    }

    fn finish(&mut self, cut: Option<Cut>) {
        self.input = None;
        match (&mut self.cutter, cut) {
            (Some(cutter), cut) => cutter.finish(cut, &mut self.found),
            (None, Some(cut)) => Held::refusing(1, cut).end(&mut self.found),
            (None, None) => {}
        }
        self.cutter = None;
        self.ready.extend(self.found.drain(..));
    }
}

impl Iterator for Frames {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        while self.ready.is_empty() && self.input.is_some() {
            self.read();
        }
        self.ready.pop_front()
    }
}

impl Cutter {
    fn of(form: Form) -> Self {
        match form {
            Form::Lines => Self::Lines(Lines::new()),
            Form::Values(resync) => Self::Values(Box::new(Values::new(resync))),
            Form::Csv(shape) => Self::Csv(Box::new(Rows::new(shape))),
            Form::Refused(cut) => Self::Refused(Held::refusing(1, cut)),
        }
    }

    fn push(&mut self, bytes: &[u8], out: &mut Vec<Frame>) {
        match self {
            Self::Lines(lines) => lines.push(bytes, out),
            Self::Values(values) => values.push(bytes, out),
            Self::Csv(rows) => rows.push(bytes, out),
            Self::Refused(held) => held.add(bytes, out),
        }
    }

    fn finish(&mut self, cut: Option<Cut>, out: &mut Vec<Frame>) {
        match self {
            Self::Lines(lines) => lines.finish(cut, out),
            Self::Values(values) => values.finish(cut, out),
            Self::Csv(rows) => rows.finish(cut, out),
            // Refused already; where it broke too, that is its reason, since its rest is nowhere.
            Self::Refused(held) => match cut {
                Some(why) => held.refuse(why, out),
                None => held.end(out),
            },
        }
    }
}
