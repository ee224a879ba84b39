//! Walking the batches of a `.log` by their headers, a window of the file at a time.

use std::ops::Range;
use std::sync::Arc;
use std::{cmp, io};

use bytes::Bytes;
use protocol::records::batch::HEADER_SIZE;

use super::head::Head;
use crate::env::DiskFile;

/// How much of a log is looked at in one go.
const WINDOW_BYTES: u64 = 1 << 20;

/// Where the bytes of a log come from.
pub(crate) trait Source {
    /// The bytes of `range`, which lies inside the log.
    fn bytes(&self, range: Range<u64>) -> io::Result<Bytes>;
}

/// A file read by copying. Recovery reads so, because it may cut the file off, which no map may see.
pub(crate) struct Copied(pub(crate) Arc<dyn DiskFile>);

impl Source for Copied {
    fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.0.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes.into())
    }
}

/// Why a walk ended early.
#[derive(Debug)]
pub(crate) enum ScanError {
    /// The bytes at `position` are no batch.
    Damaged {
        /// Where the bytes begin.
        position: u64,
        /// What is wrong with them.
        reason: &'static str,
        /// Whether the bytes merely end before the batch does, as after an append that was cut short.
        ends_early: bool,
    },
    /// The disk failed.
    Io(io::Error),
}

/// A batch met on a walk.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it begins in the file.
    pub(crate) position: u64,
    /// What its header says.
    pub(crate) head: Head,
}

/// Walks batches from one position to another, reading a window at a time.
pub(crate) struct Scan<'a> {
    source: &'a dyn Source,
    position: u64,
    end: u64,
    window: Bytes,
    window_start: u64,
    window_bytes: u64,
}

impl<'a> Scan<'a> {
    /// A walk over `range`, which begins at a batch.
    pub(crate) fn new(source: &'a dyn Source, range: Range<u64>) -> Self {
        Self {
            source,
            position: range.start,
            end: range.end,
            window: Bytes::new(),
            window_start: range.start,
            window_bytes: WINDOW_BYTES,
        }
    }

    /// Looks at this many bytes in one go.
    pub(crate) fn with_window(self, window_bytes: u64) -> Self {
        Self { window_bytes, ..self }
    }

    /// Goes on from `position`, where a batch begins.
    pub(crate) fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// The next batch's header; `None` at the end. After an error the walk is over.
    pub(crate) fn next_head(&mut self) -> Result<Option<Found>, ScanError> {
        if self.position >= self.end {
            return Ok(None);
        }
        let position = self.position;
        let damaged = |reason| ScanError::Damaged { position, reason, ends_early: false };
        let cut_short = |reason| ScanError::Damaged { position, reason, ends_early: true };
        if self.end - position < HEADER_SIZE as u64 {
            return Err(cut_short("torn inside a batch header"));
        }
        let head = Head::parse(self.window(position..position + HEADER_SIZE as u64)?).map_err(damaged)?;
        if head.size_bytes > self.end - position {
            return Err(cut_short("torn inside a batch"));
        }
        self.position = position + head.size_bytes;
        Ok(Some(Found { position, head }))
    }

    /// All bytes of a batch just met.
    pub(crate) fn batch(&mut self, found: &Found) -> Result<Bytes, ScanError> {
        self.bytes(found.position..found.position + found.head.size_bytes)
    }

    /// The bytes of a range of the walk.
    pub(crate) fn bytes(&mut self, range: Range<u64>) -> Result<Bytes, ScanError> {
        let len = (range.end - range.start) as usize;
        self.window(range.clone())?;
        let start = (range.start - self.window_start) as usize;
        Ok(self.window.slice(start..start + len))
    }

    /// Makes the window hold `range`, which lies inside the walk, and borrows it.
    fn window(&mut self, range: Range<u64>) -> Result<&[u8], ScanError> {
        let window_end = self.window_start + self.window.len() as u64;
        if range.start < self.window_start || range.end > window_end {
            let end = cmp::min(self.end, cmp::max(range.end, range.start + self.window_bytes));
            self.window = self.source.bytes(range.start..end).map_err(ScanError::Io)?;
            self.window_start = range.start;
        }
        let start = (range.start - self.window_start) as usize;
        Ok(&self.window[start..start + (range.end - range.start) as usize])
    }
}
