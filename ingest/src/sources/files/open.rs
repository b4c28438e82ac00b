//! The JSON value that the scanner is in the middle of: how deep, in a string or not, where it began.

use super::keys::Keys;

/// The value that is being read.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) depth: u64,
    pub(super) opener: u8,
    pub(super) text: Text,
    /// How far its line was indented, where it is the first thing on it.
    pub(super) column: Option<usize>,
    /// How far its second line is indented.
    pub(super) inner: Inner,
    /// The rest of a wrapper after its list: read over, not kept.
    pub(super) rest_of_wrapper: bool,
    pub(super) keys: Keys,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Outside,
    Inside,
    Escaped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inner {
    SameLine,
    NextLine,
    Column(usize),
}

impl Open {
    pub(super) fn new(opener: u8, column: Option<usize>, rest_of_wrapper: bool) -> Self {
        let keys = if rest_of_wrapper || opener != b'{' { Keys::Settled } else { Keys::Next };
        Self { depth: 1, opener, text: Text::Outside, column, inner: Inner::SameLine, rest_of_wrapper, keys }
    }

    /// A line ends inside it.
    pub(super) fn inner_line(&mut self) {
        if self.inner == Inner::SameLine {
            self.inner = Inner::NextLine;
        }
    }

    /// Something stands this far from the start of its line.
    pub(super) fn note_column(&mut self, indent: usize) {
        if self.inner == Inner::NextLine {
            self.inner = Inner::Column(indent);
        }
    }

    /// Takes a byte outside strings; true when the value ends with it.
    pub(super) fn structure(&mut self, byte: u8) -> bool {
        match byte {
            b'"' => self.text = Text::Inside,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.keys.structure(byte, self.depth);
        self.depth == 0
    }
}
