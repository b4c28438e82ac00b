//! gzip, one member or several, such that damage loses nothing that came out before it.
//!
//! The crate's own reader drops what a failing call had put out; this one counts it. Zero bytes after the last member
//! (the padding of tapes) are nothing, anything else is damage. RFC 1952.

use std::io::{self, BufRead, BufReader, Read};

use flate2::{Decompress, FlushDecompress, Status};

const BUFFER_BYTES: usize = 64 * 1024;
/// The window of every gzip stream: 32 KiB.
const WINDOW_BITS: u8 = 15;

pub(super) struct Gunzip<R> {
    packed: BufReader<R>,
    inflate: Decompress,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a member.
    Member,
    /// After one.
    Between,
    /// What is wrong is said at the next call.
    Damaged,
}

impl<R: Read> Gunzip<R> {
    pub(super) fn new(packed: R) -> Self {
        let packed = BufReader::with_capacity(BUFFER_BYTES, packed);
        Self { packed, inflate: Decompress::new_gzip(WINDOW_BITS), state: State::Member }
    }

    /// Whether another member begins; false at the end.
    fn next_member(&mut self) -> io::Result<bool> {
        loop {
            let input = self.packed.fill_buf()?;
            match input.first() {
                None => return Ok(false),
                Some(0) => {
                    let padding = input.iter().take_while(|byte| **byte == 0).count();
                    self.packed.consume(padding);
                }
                Some(0x1f) => {
                    self.inflate = Decompress::new_gzip(WINDOW_BITS);
                    self.state = State::Member;
                    return Ok(true);
                }
                Some(_) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }
}

impl<R: Read> Read for Gunzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.state {
                State::Damaged => return Err(io::ErrorKind::InvalidData.into()),
                State::Between => {
                    if !self.next_member()? {
                        return Ok(0);
                    }
                }
                State::Member => {}
            }
            let input = self.packed.fill_buf()?;
            let at_end = input.is_empty();
            let (taken, written) = (self.inflate.total_in(), self.inflate.total_out());
            let result = self.inflate.decompress(input, out, FlushDecompress::None);
            let taken = usize::try_from(self.inflate.total_in() - taken).unwrap_or_default();
            let written = usize::try_from(self.inflate.total_out() - written).unwrap_or_default();
            self.packed.consume(taken);
            match result {
                Ok(Status::StreamEnd) => self.state = State::Between,
                Ok(Status::Ok | Status::BufError) if at_end && written == 0 => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(Status::Ok | Status::BufError) => {}
                Err(_) => self.state = State::Damaged,
            }
            if written > 0 || out.is_empty() {
                return Ok(written);
            }
        }
    }
}
