//! `.txnindex`: the aborted transactions whose markers a segment holds.
//!
//! | field | size | meaning |
//! |---|---|---|
//! | version | i16 | 0 |
//! | producer id | i64 | whose transaction |
//! | first offset | i64 | its first record |
//! | last offset | i64 | its marker |
//! | last stable offset | i64 | the log's when the marker was written |
//!
//! One entry for each abort marker, so last offsets rise strictly. A segment without any has no file. The file is
//! small (34 bytes for an aborted transaction), so it is read whole when first asked about.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use protocol::types::{Offset, ProducerId};

use crate::env::{Disk, Open, durable};

/// Size of an entry in bytes.
pub(crate) const ENTRY_BYTES: usize = 34;
/// The only version there is.
const VERSION: i16 = 0;

/// A transaction that was rolled back: its records are in the log, and readers of committed data skip them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose transaction.
    pub producer_id: ProducerId,
    /// Its first record in this log.
    pub first_offset: Offset,
    /// Its abort marker.
    pub last_offset: Offset,
    /// The last stable offset when the marker was written: no aborted transaction written later begins before it.
    pub last_stable_offset: Offset,
}

impl AbortedTransaction {
    /// Reads an entry; `None` if it is impossible.
    pub(crate) fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let number = |i: usize| {
            i64::from_be_bytes(bytes[2 + 8 * i..][..8].try_into().expect("eight bytes were sliced"))
        };
        let transaction = Self {
            producer_id: ProducerId(number(0)),
            first_offset: Offset(number(1)),
            last_offset: Offset(number(2)),
            last_stable_offset: Offset(number(3)),
        };
        let sound = bytes[..2] == VERSION.to_be_bytes()
            && (0..=transaction.last_offset.0).contains(&transaction.first_offset.0);
        sound.then_some(transaction)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&VERSION.to_be_bytes());
        for number in [self.producer_id.0, self.first_offset.0, self.last_offset.0, self.last_stable_offset.0]
        {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// The aborted transactions of one segment.
pub(crate) struct AbortedIndex {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Whether there is anything, in memory or in the file.
    entries: RwLock<Loaded>,
}

enum Loaded {
    /// The file has entries that nobody has asked for yet.
    No,
    Yes {
        entries: Vec<AbortedTransaction>,
        /// How many of them the file holds.
        written: usize,
        /// The file holds something else than `written` says.
        rewrite: bool,
    },
}

impl AbortedIndex {
    /// The index of a new segment.
    pub(crate) fn new(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        Self {
            disk,
            path,
            entries: RwLock::new(Loaded::Yes { entries: Vec::new(), written: 0, rewrite: false }),
        }
    }

    /// An index without entries, in the place of one that may be there.
    pub(crate) fn replacing(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        Self {
            disk,
            path,
            entries: RwLock::new(Loaded::Yes { entries: Vec::new(), written: 0, rewrite: true }),
        }
    }

    /// The index in the file, if there is one; `None` if its size is no whole number of entries.
    pub(crate) fn open(disk: Arc<dyn Disk>, path: PathBuf) -> io::Result<Option<Self>> {
        let len = durable::len_if_exists(&*disk, &path)?.unwrap_or(0);
        let loaded = match len % ENTRY_BYTES as u64 {
            0 if len == 0 => Loaded::Yes { entries: Vec::new(), written: 0, rewrite: false },
            0 => Loaded::No,
            _ => return Ok(None),
        };
        Ok(Some(Self { disk, path, entries: RwLock::new(loaded) }))
    }

    /// Adds a transaction whose marker has just been appended. It reaches the file with [`Self::write`].
    pub(crate) fn push(&self, transaction: AbortedTransaction) -> io::Result<()> {
        self.load()?;
        if let Loaded::Yes { entries, .. } = &mut *self.entries.write() {
            entries.push(transaction);
        }
        Ok(())
    }

    /// Forgets the transactions whose markers lie at or behind `end`: those are about to be read again.
    pub(crate) fn forget_from(&self, end: Offset) -> io::Result<()> {
        self.load()?;
        if let Loaded::Yes { entries, written, rewrite } = &mut *self.entries.write() {
            entries.truncate(entries.partition_point(|entry| entry.last_offset < end));
            *rewrite |= *written > entries.len();
            *written = (*written).min(entries.len());
        }
        Ok(())
    }

    /// Adds to `found` the transactions that touch offsets from `from` up to but not including `up_to`; true if no later
    /// segment can hold more of them.
    pub(crate) fn collect(
        &self,
        from: Offset,
        up_to: Offset,
        found: &mut Vec<AbortedTransaction>,
    ) -> io::Result<bool> {
        self.load()?;
        let Loaded::Yes { entries, .. } = &*self.entries.read() else { return Ok(false) };
        for entry in entries {
            if entry.last_offset >= from && entry.first_offset < up_to {
                found.push(*entry);
            }
            if entry.last_stable_offset >= up_to {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes what the file lacks; not durable yet.
    pub(crate) fn write(&self) -> io::Result<()> {
        let Loaded::Yes { entries, written, rewrite } = &mut *self.entries.write() else { return Ok(()) };
        let mut bytes = Vec::new();
        if *rewrite && entries.is_empty() {
            durable::remove_if_exists(&*self.disk, &self.path)?;
        } else if *rewrite {
            // The old file may be durable and relied upon: it is replaced, never overwritten.
            entries.iter().for_each(|entry| entry.encode(&mut bytes));
            durable::replace(&*self.disk, &self.path, &bytes)?;
        } else if *written < entries.len() {
            entries[*written..].iter().for_each(|entry| entry.encode(&mut bytes));
            let how = if *written == 0 { Open::Create } else { Open::Write };
            let file = self.disk.open(&self.path, how)?;
            file.write_all_at(&mut [IoSlice::new(&bytes)], (*written * ENTRY_BYTES) as u64)?;
        }
        (*written, *rewrite) = (entries.len(), false);
        Ok(())
    }

    /// Makes the file durable, if there is one (not its name).
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self.disk.open(&self.path, Open::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => opened?.sync(),
        }
    }

    /// Reads the file if that is still to do. Damaged entries and all behind them are dropped: readers then get
    /// records of an aborted transaction with the damage reported, which is the lesser evil to no records.
    pub(super) fn load(&self) -> io::Result<()> {
        if matches!(&*self.entries.read(), Loaded::Yes { .. }) {
            return Ok(());
        }
        let mut slot = self.entries.write();
        if matches!(&*slot, Loaded::No) {
            let bytes = self.disk.read(&self.path)?;
            let entries = decode_sound(&bytes);
            let (written, lost) = (entries.len(), entries.len() * ENTRY_BYTES != bytes.len());
            if lost {
                tracing::error!(file = %self.path.display(), kept = written, "damaged aborted-transaction index");
            }
            *slot = Loaded::Yes { entries, written, rewrite: lost };
        }
        Ok(())
    }
}

/// The entries up to the first that cannot be right.
fn decode_sound(bytes: &[u8]) -> Vec<AbortedTransaction> {
    let mut entries: Vec<AbortedTransaction> = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
    let (chunks, _) = bytes.as_chunks();
    for entry in chunks.iter().map_while(AbortedTransaction::decode) {
        if entries.last().is_some_and(|last| last.last_offset >= entry.last_offset) {
            break;
        }
        entries.push(entry);
    }
    entries
}
