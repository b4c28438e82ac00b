//! One record as it was found in a file: its bytes and its line; or bytes that cannot be one, with the reason.
//!
//! At most 16 MiB of a record are held. What grows beyond that is no record any more: it leaves in parts of a dead
//! letter's size while it is read, and counts as one.

use bytes::Bytes;
use pipeline::Reason;
use schemas::dead_letter::CHUNK_BYTES_MAX;

use crate::decode::reason;

/// The longest record that is held whole.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What was found, and where it began.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The line it began on, counted from 1.
    pub line: u64,
    /// What it is.
    pub content: Content,
}

/// A record's bytes, or what is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The text of one JSON value, or what stands where one should be.
    Record(Vec<u8>),
    /// Bytes that are known to be no record; a long one comes in several parts, one after the other.
    Refused {
        /// Why.
        reason: Reason,
        /// One line that says more; no part of the bytes.
        message: String,
        /// The bytes, or the next of them.
        bytes: Bytes,
        /// Whether they end here: the whole counts as one record, at its last part.
        last: bool,
    },
}

impl Frame {
    /// Whether a record ends with this frame.
    #[must_use]
    pub fn ends_a_record(&self) -> bool {
        match &self.content {
            Content::Record(_) => true,
            Content::Refused { last, .. } => *last,
        }
    }
}

/// Why a stream ended before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) reason: Reason,
    pub(super) message: String,
}

/// The record that is being read.
#[derive(Debug, Default)]
pub(super) struct Held {
    line: u64,
    bytes: Vec<u8>,
    refused: Option<Cut>,
}

impl Held {
    /// What comes is refused from its first byte on.
    pub(super) fn refusing(line: u64, why: Cut) -> Self {
        Self { line, bytes: Vec::new(), refused: Some(why) }
    }

    /// Forgets what was held; the next record begins on `line`.
    pub(super) fn begin(&mut self, line: u64) {
        self.line = line;
        self.bytes.clear();
        self.refused = None;
    }

    /// Nothing is held, and nothing was given away in parts.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.refused.is_none()
    }

    /// Whether parts of it have been given away.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// The line it began on.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds bytes. Once they are too many for a record, the surplus leaves in parts.
    pub(super) fn add(&mut self, part: &[u8], out: &mut Vec<Frame>) {
        self.bytes.extend_from_slice(part);
        if self.refused.is_none() && self.bytes.len() > RECORD_BYTES_MAX {
            let message = format!("a record of more than {RECORD_BYTES_MAX} bytes");
            self.refused = Some(Cut { reason: reason::TOO_LONG, message });
        }
        if self.refused.is_some() && self.bytes.len() > CHUNK_BYTES_MAX {
            self.give_away(out);
        }
    }

    /// The record ends here.
    pub(super) fn end(&mut self, out: &mut Vec<Frame>) {
        match self.refused.take() {
            Some(why) => self.part(why, true, out),
            None => {
                // A short record leaves a copy of its own size, so that the buffer serves the next one.
                let bytes = if self.bytes.len() < 64 * 1024 {
                    let copy = self.bytes.as_slice().to_vec();
                    self.bytes.clear();
                    copy
                } else {
                    std::mem::take(&mut self.bytes)
                };
                out.push(Frame { line: self.line, content: Content::Record(bytes) });
            }
        }
    }

    /// The record ends here, and is none. Where parts of it left for another reason, the last one has this one.
    pub(super) fn refuse(&mut self, why: Cut, out: &mut Vec<Frame>) {
        self.refused = Some(why);
        if self.bytes.len() > CHUNK_BYTES_MAX {
            self.give_away(out);
        }
        self.end(out);
    }

    /// Gives full parts away and keeps a rest that is not empty.
    fn give_away(&mut self, out: &mut Vec<Frame>) {
        let Some(why) = self.refused.clone() else { return };
        let mut whole = Bytes::from(std::mem::take(&mut self.bytes));
        while whole.len() > CHUNK_BYTES_MAX {
            let bytes = whole.split_to(CHUNK_BYTES_MAX);
            let content =
                Content::Refused { reason: why.reason, message: why.message.clone(), bytes, last: false };
            out.push(Frame { line: self.line, content });
        }
        self.bytes.extend_from_slice(&whole);
    }

    fn part(&mut self, why: Cut, last: bool, out: &mut Vec<Frame>) {
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let content = Content::Refused { reason: why.reason, message: why.message, bytes, last };
        out.push(Frame { line: self.line, content });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_grew_too_long_and_then_broke_is_one() {
        let (mut held, mut frames) = (Held::default(), Vec::new());
        held.begin(3);
        held.add(&vec![b'x'; RECORD_BYTES_MAX + 1], &mut frames);
        held.refuse(Cut { reason: reason::GZIP, message: "a bomb".to_owned() }, &mut frames);
        assert!(frames.len() > 2 && frames.iter().all(|frame| frame.line == 3));
        let ends: Vec<&Frame> = frames.iter().filter(|frame| frame.ends_a_record()).collect();
        let [Frame { content: Content::Refused { reason, .. }, .. }] = ends.as_slice() else {
            panic!("{} ends", ends.len())
        };
        assert_eq!(*reason, "gzip");
    }
}
