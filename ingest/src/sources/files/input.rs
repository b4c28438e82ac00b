//! A file's bytes: decompressed where it is gzip (told by its magic), counted, and stopped where it is a bomb.
//!
//! Limits: once more than 64 MiB came out, more than 200 bytes for each byte that went in end the file. Audit logs
//! compress 10 to 30 times.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::frame::Cut;
use super::gunzip::Gunzip;
use crate::decode::reason;

pub(super) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// So much may come out of a gzip file however little went in.
pub(super) const BOMB_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Beyond that, so many bytes may come out for each that went in.
pub(super) const BOMB_RATIO_MAX: u64 = 200;

pub(super) struct Input {
    bytes: Box<dyn Read + Send>,
    is_gzip: bool,
    went_in: Arc<AtomicU64>,
    came_out: u64,
    bomb_bytes_min: u64,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("is_gzip", &self.is_gzip).finish_non_exhaustive()
    }
}

/// Counts what is read through it.
struct Counting<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Input {
    /// Looks at the first two bytes of `file`.
    pub(super) fn open(mut file: impl Read + Send + 'static) -> Result<Self, Cut> {
        let mut magic = [0_u8; 2];
        let read = fill(&mut file, &mut magic).map_err(|error| unreadable(&error))?;
        let is_gzip = read == 2 && magic == GZIP_MAGIC;
        let went_in = Arc::new(AtomicU64::new(0));
        let start = Cursor::new(magic.into_iter().take(read).collect::<Vec<u8>>());
        let counting = Counting { inner: start.chain(file), count: Arc::clone(&went_in) };
        let bytes: Box<dyn Read + Send> =
            if is_gzip { Box::new(Gunzip::new(counting)) } else { Box::new(counting) };
        Ok(Self { bytes, is_gzip, went_in, came_out: 0, bomb_bytes_min: BOMB_BYTES_MIN })
    }

    /// Fills as much of `buffer` as there is; less than all of it only at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> (usize, Option<Cut>) {
        let mut filled = 0;
        while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
            match self.bytes.read(free) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (filled, Some(self.broken(&error))),
            }
        }
        self.came_out += filled as u64;
        let went_in = self.went_in.load(Ordering::Relaxed);
        if self.is_gzip
            && self.came_out > self.bomb_bytes_min
            && self.came_out > went_in.saturating_mul(BOMB_RATIO_MAX)
        {
            let message = format!("a gzip bomb: {} bytes out of {went_in}", self.came_out);
            return (filled, Some(Cut { reason: reason::GZIP, message }));
        }
        (filled, None)
    }

    fn broken(&self, error: &io::Error) -> Cut {
        if !self.is_gzip {
            return unreadable(error);
        }
        let message = if error.kind() == io::ErrorKind::UnexpectedEof {
            "gzip that is cut short".to_owned()
        } else {
            format!("damaged gzip: {}", error.kind())
        };
        Cut { reason: reason::GZIP, message }
    }
}

/// What cannot be read from the disk.
pub(super) fn unreadable(error: &io::Error) -> Cut {
    Cut { reason: reason::UNREADABLE, message: format!("it cannot be read: {}", error.kind()) }
}

/// Fills as much of `buffer` as there is.
pub(super) fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
        match from.read(free) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// How much comes out, with a bomb's least size that a debug build reads in no time.
    fn come_out(file: Vec<u8>) -> (usize, Option<Cut>) {
        let mut input = Input::open(Cursor::new(file)).unwrap();
        assert_eq!(input.bomb_bytes_min, 64 * 1024 * 1024);
        input.bomb_bytes_min = 1024 * 1024;
        let (mut all, mut buffer) = (0, vec![0; BUFFER]);
        loop {
            let (read, cut) = input.read(&mut buffer);
            all += read;
            if read < BUFFER || cut.is_some() {
                return (all, cut);
            }
        }
    }

    const BUFFER: usize = 64 * 1024;

    #[test]
    fn a_bomb_ends_its_file_with_the_piece_that_went_beyond() {
        let bomb = gzip(&vec![b'x'; 256 * 1024]).repeat(8);
        let (all, cut) = come_out(bomb);
        assert_eq!(all, 1024 * 1024 + BUFFER);
        let cut = cut.unwrap();
        assert_eq!(cut.reason, "gzip");
        assert!(cut.message.starts_with("a gzip bomb"), "{}", cut.message);
    }

    #[test]
    fn what_is_small_or_compresses_less_is_no_bomb() {
        assert_eq!(come_out(gzip(&vec![b'x'; 1024 * 1024])), (1024 * 1024, None));
        let mixed: Vec<u8> =
            (0..2 * 1024 * 1024_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let packed = gzip(&mixed);
        assert!(mixed.len() / packed.len() < 200);
        assert_eq!(come_out(packed), (mixed.len(), None));
        assert_eq!(come_out(vec![b'x'; 2 * 1024 * 1024]), (2 * 1024 * 1024, None));
    }

    #[test]
    fn members_follow_each_other_and_padding_is_nothing() {
        let two = [gzip(b"ab"), gzip(b"cd"), vec![0; 100]].concat();
        assert_eq!(come_out(two), (4, None));
        let (all, cut) = come_out([gzip(b"ab"), b"rest".to_vec()].concat());
        assert_eq!((all, cut.unwrap().reason), (2, "gzip"));
    }
}
