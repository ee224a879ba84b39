//! A sorted array of fixed-size entries in a file: what the offset and the time index have in common.
//!
//! ```text
//!  file:   [ stored entries, mapped on first use ][ written ]
//!  memory:                                        [ fresh: written | not yet written ]
//! ```
//! New entries stay in memory and reach the file when the segment is sealed, flushed or closed: a crash before
//! that costs nothing, since recovery reads the tail of the log anyway and makes its entries again. Old entries
//! are never loaded, only mapped, so a thousand idle partitions cost no memory.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::env::{Disk, Open, durable};

/// One entry of an index file. Entries are written big-endian, without a header or a checksum.
pub(crate) trait Entry: Copy {
    /// Its size in the file.
    const SIZE: usize;
    /// Reads it from exactly [`Self::SIZE`] bytes.
    fn decode(bytes: &[u8]) -> Self;
    /// Appends its [`Self::SIZE`] bytes.
    fn encode(&self, out: &mut Vec<u8>);
    /// Whether it is all zero: Apache Kafka gives a growing index its full size, filled with zeros.
    fn is_padding(&self) -> bool;
}

/// The entries of one index file, old and new.
pub(crate) struct Entries<E> {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Entries at the front of the file that are read through `mapped`.
    stored: usize,
    mapped: OnceLock<Bytes>,
    /// The last of those.
    last_stored: Option<E>,
    /// Entries behind those.
    fresh: Vec<E>,
    /// How many of `fresh` the file holds too.
    written: usize,
    file: File,
}

/// What the file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum File {
    /// There is none yet.
    Absent,
    /// What `stored` and `written` say.
    Good,
    /// Something else.
    Stale,
}

impl<E: Entry> Entries<E> {
    /// No entries; a file that may be there is of no use.
    pub(crate) fn replacing(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        Self { file: File::Stale, ..Self::new(disk, path) }
    }

    /// No entries, and no file.
    pub(crate) fn new(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        Self {
            disk,
            path,
            stored: 0,
            mapped: OnceLock::new(),
            last_stored: None,
            fresh: Vec::new(),
            written: 0,
            file: File::Absent,
        }
    }

    /// The entries of an existing file, a zero-filled tail left out; `None` if there is no such file or its size
    /// is no whole number of entries.
    pub(crate) fn open(disk: Arc<dyn Disk>, path: PathBuf) -> io::Result<Option<Self>> {
        let Some(len) = durable::len_if_exists(&*disk, &path)? else { return Ok(None) };
        let size = E::SIZE as u64;
        if len % size != 0 {
            return Ok(None);
        }
        let count = (len / size) as usize;
        let mut entries = Self { stored: count, file: File::Good, ..Self::new(disk, path) };
        if count > 0 {
            let last = entries.read_last()?;
            entries.last_stored = Some(last);
            if last.is_padding() {
                entries.trim_padding()?;
            }
        }
        Ok(Some(entries))
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.stored + self.fresh.len()
    }

    /// Entry number `i` from 0.
    ///
    /// # Errors
    /// The file cannot be mapped.
    pub(crate) fn get(&self, i: usize) -> io::Result<E> {
        match i.checked_sub(self.stored) {
            Some(i) => Ok(self.fresh[i]),
            None => Ok(E::decode(&self.mapped()?[i * E::SIZE..][..E::SIZE])),
        }
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<E> {
        self.fresh.last().copied().or(self.last_stored)
    }

    /// The last entry for which `before` holds; it must hold for a prefix of the entries.
    pub(crate) fn last_where(&self, before: impl Fn(&E) -> bool) -> io::Result<Option<E>> {
        if self.fresh.first().is_some_and(&before) {
            return Ok(self.fresh[..self.fresh.partition_point(before)].last().copied());
        }
        let (mut low, mut high) = (0, self.stored);
        while low < high {
            let middle = low + (high - low) / 2;
            if before(&self.get(middle)?) { low = middle + 1 } else { high = middle }
        }
        low.checked_sub(1).map(|i| self.get(i)).transpose()
    }

    /// Adds an entry behind all others.
    pub(crate) fn push(&mut self, entry: E) {
        self.fresh.push(entry);
    }

    /// Drops all but the first `len` entries.
    pub(crate) fn truncate(&mut self, len: usize) -> io::Result<()> {
        if let Some(fresh) = len.checked_sub(self.stored) {
            if self.written > fresh {
                self.file = File::Stale;
            }
            self.fresh.truncate(fresh);
            self.written = self.written.min(fresh);
        } else {
            // A mapped file is never shortened: the entries kept move to memory and go into a new file.
            self.fresh = (0..len).map(|i| self.get(i)).collect::<io::Result<_>>()?;
            (self.stored, self.written, self.file) = (0, 0, File::Stale);
            (self.mapped, self.last_stored) = (OnceLock::new(), None);
        }
        Ok(())
    }

    /// Writes what the file lacks. Durable only after [`Self::sync`].
    pub(crate) fn write(&mut self) -> io::Result<()> {
        match self.file {
            File::Stale => self.write_anew()?,
            File::Absent => {
                let bytes = encode(&self.fresh);
                self.disk.open(&self.path, Open::Create)?.write_all_at(&mut [IoSlice::new(&bytes)], 0)?;
            }
            File::Good if self.written < self.fresh.len() => {
                let bytes = encode(&self.fresh[self.written..]);
                let position = ((self.stored + self.written) * E::SIZE) as u64;
                self.disk
                    .open(&self.path, Open::Write)?
                    .write_all_at(&mut [IoSlice::new(&bytes)], position)?;
            }
            File::Good => {}
        }
        self.file = File::Good;
        self.written = self.fresh.len();
        Ok(())
    }

    /// Makes what was written durable (not the file's name).
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.disk.open(&self.path, Open::Write)?.sync()
    }

    /// Writes everything and gives the memory back: from now on entries are read from the file.
    pub(crate) fn seal(&mut self) -> io::Result<()> {
        self.write()?;
        self.stored += self.fresh.len();
        self.last_stored = self.last();
        self.fresh = Vec::new();
        self.written = 0;
        self.mapped = OnceLock::new();
        Ok(())
    }

    /// Replaces the file as a whole, unless it only lacks entries at its end (recovery drops some that it finds again).
    /// The new one is synced before it takes the name: the old one may have been durable and relied upon.
    fn write_anew(&mut self) -> io::Result<()> {
        let mut bytes = match self.stored {
            0 => Vec::new(),
            stored => self.mapped()?[..stored * E::SIZE].to_vec(),
        };
        bytes.extend_from_slice(&encode(&self.fresh));
        let found = durable::read_if_exists(&*self.disk, &self.path)?;
        if let Some(found) = found
            && let Some(lacking) = bytes.strip_prefix(&found[..])
        {
            if lacking.is_empty() {
                return Ok(());
            }
            let file = self.disk.open(&self.path, Open::Write)?;
            return file.write_all_at(&mut [IoSlice::new(lacking)], found.len() as u64);
        }
        let temporary = self.path.with_added_extension("tmp");
        durable::write_synced(&*self.disk, &temporary, &bytes)?;
        self.disk.rename(&temporary, &self.path)
    }

    /// Maps the stored entries, if that is still to do.
    pub(super) fn preload(&self) -> io::Result<()> {
        if self.stored > 0 {
            self.mapped()?;
        }
        Ok(())
    }

    fn mapped(&self) -> io::Result<&Bytes> {
        if let Some(mapped) = self.mapped.get() {
            return Ok(mapped);
        }
        let len = (self.stored * E::SIZE) as u64;
        let bytes = self.disk.open(&self.path, Open::Read)?.map(len)?.bytes(0..len)?;
        Ok(self.mapped.get_or_init(|| bytes))
    }

    fn read_last(&self) -> io::Result<E> {
        let mut bytes = vec![0; E::SIZE];
        let position = ((self.stored - 1) * E::SIZE) as u64;
        self.disk.open(&self.path, Open::Read)?.read_exact_at(&mut bytes, position)?;
        Ok(E::decode(&bytes))
    }

    /// Leaves a zero-filled tail out. The map of the whole file must go: the file will be written anew.
    fn trim_padding(&mut self) -> io::Result<()> {
        let (mut low, mut high) = (0, self.stored);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle)?.is_padding() { high = middle } else { low = middle + 1 }
        }
        self.truncate(low)
    }
}

fn encode<E: Entry>(entries: &[E]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * E::SIZE);
    entries.iter().for_each(|entry| entry.encode(&mut bytes));
    bytes
}
