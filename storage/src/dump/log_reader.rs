//! Walks the batches of a `.log` in bounded memory: one window of the file at a time.

use std::io;
use std::path::Path;
use std::sync::Arc;

use protocol::records::batch::{Batch, HEADER_SIZE};

use crate::env::{Disk, DiskFile, Open};
use crate::segment::head::Head;

/// The largest batch that is read: more than any broker takes, and what a damaged length may cost in memory.
pub const BATCH_BYTES_MAX: u64 = 256 << 20;
/// How much of the file is read at once, in bytes.
const WINDOW_BYTES: u64 = 1 << 20;

/// What lies at a position of a log.
pub enum Piece<'a> {
    /// A whole batch, whose checksum nobody has looked at yet.
    Batch {
        /// Where it begins.
        position: u64,
        /// The batch.
        batch: Batch<'a>,
    },
    /// No batch, and nothing behind it can be read.
    Damage {
        /// Where it begins.
        position: u64,
        /// What is wrong.
        what: String,
        /// From there to the end of the file.
        bytes: u64,
    },
}

/// A `.log`, read from its beginning to the end that it had when it was opened.
pub struct LogReader {
    file: Arc<dyn DiskFile>,
    len: u64,
    /// Where the next batch begins.
    position: u64,
    window: Vec<u8>,
    /// Where in the file the window begins.
    window_at: u64,
}

impl LogReader {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(disk: &dyn Disk, path: &Path) -> io::Result<LogReader> {
        let file = disk.open(path, Open::Read)?;
        let len = file.size()?;
        Ok(LogReader { file, len, position: 0, window: Vec::new(), window_at: 0 })
    }

    /// Size of the file in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.len
    }

    /// The next piece; `None` at the end. Behind damage comes nothing.
    ///
    /// # Errors
    /// The device failed. A file that has become shorter meanwhile is damage, not an error.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece<'_>>> {
        let (position, left) = (self.position, self.len - self.position);
        if left == 0 {
            return Ok(None);
        }
        let header = left.min(HEADER_SIZE as u64);
        if !self.load(header)? {
            return Ok(Some(self.give_up("the file ends before it should")));
        }
        let head = match Head::parse(self.at(position, header)) {
            Ok(head) => head,
            Err(reason) => return Ok(Some(self.give_up(reason))),
        };
        let size = head.size_bytes;
        if size > left {
            return Ok(Some(self.give_up(format!("torn inside a batch: {left} bytes of {size}"))));
        }
        if size > BATCH_BYTES_MAX {
            return Ok(Some(self.give_up(format!("a batch of {size} bytes: more than any broker takes"))));
        }
        if !self.load(size)? {
            return Ok(Some(self.give_up("the file ends before it should")));
        }
        match Batch::parse(self.at(position, size)) {
            Ok(_) => {
                self.position += size;
                let (batch, _) = Batch::parse(self.at(position, size)).expect("parsed a moment ago");
                Ok(Some(Piece::Batch { position, batch }))
            }
            Err(error) => Ok(Some(self.give_up(error.to_string()))),
        }
    }

    /// Makes the window hold `size` bytes from the position; false if the file has them no more.
    fn load(&mut self, size: u64) -> io::Result<bool> {
        let end = self.window_at + self.window.len() as u64;
        if self.position >= self.window_at && self.position + size <= end {
            return Ok(true);
        }
        let wanted = size.max(WINDOW_BYTES).min(self.len - self.position);
        let wanted = usize::try_from(wanted).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.window.resize(wanted, 0);
        self.window_at = self.position;
        match self.file.read_exact_at(&mut self.window, self.position) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// `size` loaded bytes from `position`.
    fn at(&self, position: u64, size: u64) -> &[u8] {
        let from = (position - self.window_at) as usize;
        &self.window[from..from + size as usize]
    }

    fn give_up(&mut self, what: impl Into<String>) -> Piece<'static> {
        let position = std::mem::replace(&mut self.position, self.len);
        Piece::Damage { position, what: what.into(), bytes: self.len - position }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use protocol::records::BatchBuilder;
    use protocol::types::TimestampMs;

    use super::*;
    use crate::env::MemoryDisk;

    fn pieces(bytes: &[u8]) -> Vec<(u64, Result<usize, String>)> {
        let disk = MemoryDisk::new(0);
        let path = Path::new("/0.log");
        let file = disk.open(path, Open::Create).unwrap();
        file.write_all_at(&mut [IoSlice::new(bytes)], 0).unwrap();
        let mut reader = LogReader::open(&disk, path).unwrap();
        let mut found = Vec::new();
        while let Some(piece) = reader.next_piece().unwrap() {
            found.push(match piece {
                Piece::Batch { position, batch } => (position, Ok(batch.size_bytes())),
                Piece::Damage { position, what, .. } => (position, Err(what)),
            });
        }
        found
    }

    fn batch(value: &[u8]) -> Vec<u8> {
        let mut builder = BatchBuilder::new();
        builder.append(TimestampMs(1), None, Some(value), &[]);
        builder.build()
    }

    #[test]
    fn batches_are_found_across_windows() {
        let (small, large) = (batch(b"x"), batch(&vec![7; 3 << 20]));
        let bytes = [&small[..], &large, &small, &large].concat();
        let sizes = [small.len(), large.len(), small.len(), large.len()];
        let starts = [0, small.len(), small.len() + large.len(), 2 * small.len() + large.len()];
        let expected: Vec<_> = starts.iter().zip(sizes).map(|(at, size)| (*at as u64, Ok(size))).collect();
        assert_eq!(pieces(&bytes), expected);
    }

    #[test]
    fn damage_ends_the_walk_and_says_where() {
        let good = batch(b"x");
        let at = good.len() as u64;
        let cases: [(&[u8], &str); 4] = [
            (&good[..30], "shorter than a batch header"),
            (&good[..good.len() - 1], "torn inside a batch"),
            (&[0; 100], "not a batch of format 2"),
            (&[0xff; 100], "not a batch of format 2"),
        ];
        for (tail, what) in cases {
            let found = pieces(&[&good, tail].concat());
            assert_eq!(found.len(), 2);
            assert_eq!(found[0], (0, Ok(good.len())));
            assert_eq!(found[1].0, at);
            assert!(found[1].1.as_ref().unwrap_err().contains(what), "{found:?}");
        }
    }
}
