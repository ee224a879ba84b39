//! What the log asks of the machine: a disk, a clock, random bytes.
//!
//! Nothing outside this folder opens a file, reads a clock or draws a random number, so a test can run the
//! whole crate against [`MemoryDisk`], which loses what was not synced, and replay any run by its seed.
//!
//! ```text
//! log, store, recovery, compaction
//!        │  Disk, DiskFile, Map, Clock, Random (traits)
//!        ├── disk.rs    the real file system
//!        │    └── map.rs   read-only maps: the only unsafe code of the project
//!        ├── memory.rs  a simulated disk: unsynced writes are lost, torn, refused
//!        ├── clock.rs   system and manual clocks
//!        └── durable.rs the write-sync-rename-sync sequences built from the above
//! ```

mod clock;
mod disk;
pub(crate) mod durable;
mod map;
mod memory;

use std::io;
use std::io::IoSlice;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use protocol::types::TimestampMs;

pub use clock::{Clock, ManualClock, SystemClock};
pub use disk::RealDisk;
pub use memory::{Faults, MemoryDisk, SeededRandom};

/// The machine as the log sees it. Cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// Files and directories.
    pub disk: Arc<dyn Disk>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub random: Arc<dyn Random>,
}

impl Env {
    /// The real machine.
    pub fn real() -> Self {
        Self { disk: Arc::new(RealDisk), clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) }
    }

    /// A simulated machine: everything it does follows from the seed. The clock stands at `now`.
    pub fn simulated(seed: u64, now: TimestampMs) -> (Self, MemoryDisk, Arc<ManualClock>) {
        let disk = MemoryDisk::new(seed);
        let (env, clock) = Self::on_disk(disk.clone(), seed, now);
        (env, disk, clock)
    }

    /// As [`Self::simulated`], on a disk that exists.
    pub fn on_disk(disk: MemoryDisk, seed: u64, now: TimestampMs) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(now));
        let random = Arc::new(SeededRandom::new(seed));
        (Self { disk: Arc::new(disk), clock: clock.clone(), random }, clock)
    }

    /// A random (version 4) UUID, as Apache Kafka makes its topic and directory ids.
    pub fn random_uuid(&self) -> [u8; 16] {
        let mut uuid = [0; 16];
        loop {
            self.random.fill(&mut uuid);
            uuid[6] = (uuid[6] & 0x0f) | 0x40;
            uuid[8] = (uuid[8] & 0x3f) | 0x80;
            // An id whose text starts with '-' looks like an option to command-line tools: Kafka avoids it too.
            if uuid[0] >> 2 != 62 {
                return uuid;
            }
        }
    }
}

/// A source of random bytes.
pub trait Random: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's random bytes.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("Linux's getrandom cannot fail once the machine is up");
    }
}

/// A name found in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The last part of its path.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// To read; it must exist.
    Read,
    /// To read and write; it must exist.
    Write,
    /// To read and write; made if it does not exist, emptied if it does.
    Create,
}

/// A file system.
///
/// What the log assumes of it, and nothing more: `sync` on a file makes its bytes and its length survive
/// power loss; `sync_dir` makes the names in a directory survive; a rename is atomic; names made, renamed and
/// removed in one directory reach the disk in order. Anything unsynced may be lost in part, at 512-byte sectors.
pub trait Disk: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>>;
    /// The whole content of a small file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The length of a file in bytes.
    fn len(&self, path: &Path) -> io::Result<u64>;
    /// When a file was last written, in milliseconds since 1970.
    fn modified_ms(&self, path: &Path) -> io::Result<i64>;
    /// Sets when a file was last written, in milliseconds since 1970.
    fn set_modified_ms(&self, path: &Path, modified_ms: i64) -> io::Result<()>;
    /// The names in a directory, in no particular order.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Makes a directory and its parents; no error if it exists.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Renames a file or directory, replacing a file of the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and all below it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the exclusive lock of a file (made if missing), held until the answer is dropped;
    /// [`io::ErrorKind::WouldBlock`] if another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
    /// Bytes free and in all on the file system that holds `path`.
    fn space(&self, path: &Path) -> io::Result<DiskSpace>;
}

/// Room on a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes an ordinary user may still write.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// An open file. Every call names its position: there is no cursor to share.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Fills `buffer` from `position`; an error if the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()>;
    /// Writes all of `parts`, one after the other, at `position`.
    fn write_all_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Sets the length, dropping or zero-filling the tail.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes the bytes and the length durable (`fdatasync`).
    fn sync(&self) -> io::Result<()>;
    /// Maps the first `capacity` bytes to read; `capacity` may lie beyond the end of the file, see [`Map`].
    fn map(&self, capacity: u64) -> io::Result<Arc<dyn Map>>;
}

/// A read-only view of a file that keeps reading what is appended to it, up to its capacity.
///
/// The bytes live as long as any range handed out, whatever happens to the file's name.
pub trait Map: Send + Sync {
    /// How many bytes the view can ever show.
    fn capacity(&self) -> u64;
    /// The bytes of `range`, without copying them where the disk allows.
    ///
    /// `range` must lie inside the file as written so far: the caller knows what it has published.
    ///
    /// # Errors
    /// The device failed to read the range, or `range` exceeds the capacity.
    fn bytes(self: Arc<Self>, range: Range<u64>) -> io::Result<Bytes>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_version_4_and_never_start_with_a_dash() {
        let env = Env::real();
        for _ in 0..1_000 {
            let uuid = env.random_uuid();
            assert_eq!(uuid[6] >> 4, 4);
            assert_eq!(uuid[8] >> 6, 2);
            assert_ne!(uuid[0] >> 2, 62);
        }
    }
}
