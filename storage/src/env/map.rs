//! Read-only memory maps of log and index files: the only unsafe code of the project.
//!
//! A segment's file is mapped once, over the largest size the segment may reach. That costs address space, not
//! memory; pages beyond the end of the file become readable as the file grows, so one map serves the segment
//! for its whole life and a fetch hands out ranges of it without copying.
//!
//! What could go wrong, and why it does not:
//! - *Reading past the end of the file raises SIGBUS.* Only ranges that the log has published are handed out,
//!   and a published byte is never cut off again (see `Region::published`).
//! - *A device error while a page is read raises SIGBUS.* Each range that is not in the page cache (`mincore`) is
//!   first populated with `MADV_POPULATE_READ`, which reads the pages in and reports a bad sector as an error
//!   (`EFAULT`). A page that is evicted and turns bad between that call and its use would still kill the process; no
//!   map can avoid it. Asking first is what makes reading the same pages again cheap: populating walks every page,
//!   42 µs for a megabyte that is there already, where asking takes 1.4.
//! - *A full disk raises SIGBUS on a store.* The map is read-only; writes go through `pwritev`, where a full disk
//!   is an ordinary error.
#![expect(unsafe_code, reason = "mmap, munmap, madvise and slices of the mapped bytes have no safe form")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

use super::Map;

/// Page size assumed when aligning a range to populate: the smallest Linux uses, so never too coarse.
const PAGE_BYTES: usize = 4096;

/// How many pages are asked for at a time: as many as a fetch usually takes, 1 MB.
const PAGES_ASKED: usize = 256;

/// Set once the kernel has said that it lacks `MADV_POPULATE_READ` (before Linux 5.14).
static CANNOT_POPULATE: AtomicBool = AtomicBool::new(false);

/// One mapped file.
pub(super) struct Region {
    start: NonNull<u8>,
    capacity: usize,
}

// SAFETY: the region is plain read-only memory with no thread affinity, and its address and length never change.
unsafe impl Send for Region {}
// SAFETY: as above; `&Region` only allows reads of bytes that nobody writes (see `published`).
unsafe impl Sync for Region {}

impl Region {
    /// Maps the first `capacity` bytes of `file`, whatever its length now.
    pub(super) fn new(file: &File, capacity: u64) -> io::Result<Self> {
        let capacity = usize::try_from(capacity).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        if capacity == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: a new shared read-only mapping at an address of the kernel's choice overlaps nothing of ours.
        let start =
            unsafe { mmap(std::ptr::null_mut(), capacity, ProtFlags::READ, MapFlags::SHARED, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Self { start, capacity })
    }

    /// The mapped bytes of `range`.
    ///
    /// # Safety
    /// `range` lies within the file's length and no byte of it is ever written or cut off again while the map
    /// lives. The log guarantees it:
    /// - it only asks for what it has published, and publishes bytes after the write that made them returned;
    /// - published bytes are immutable: appends write behind them, compaction and recovery write new files;
    /// - what could shorten a file: rolling back a failed append (cuts off bytes that were never published),
    ///   recovery (runs before the file is first mapped), and truncation to an earlier offset, which copies the
    ///   part kept into a new file and renames it into place instead of shortening the mapped one;
    /// - retention and compaction unlink files; an unlinked file keeps its bytes while it is mapped;
    /// - the directory lock keeps a second broker out. A person who truncates the files of a running broker
    ///   with other tools is beyond what a program can defend against, as with every database that maps files.
    unsafe fn published(&self, range: Range<usize>) -> &[u8] {
        debug_assert!(range.start <= range.end && range.end <= self.capacity);
        // SAFETY: inside the mapping (checked by the callers), immutable and backed by the file (see above).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(range.start), range.end - range.start) }
    }

    /// Whether every page of `range`, which begins with one, is in memory. False if the kernel would not say.
    fn is_resident(&self, range: Range<usize>) -> bool {
        let mut pages = [0_u8; PAGES_ASKED];
        range.clone().step_by(PAGES_ASKED * PAGE_BYTES).all(|from| {
            let len = (range.end - from).min(PAGES_ASKED * PAGE_BYTES);
            // SAFETY: the pages lie inside the mapping, whose contents are not touched; the kernel writes a byte for
            // each page, and no page is smaller than assumed.
            let answer = unsafe {
                libc::mincore(self.start.as_ptr().add(from).cast(), len, pages.as_mut_ptr().cast())
            };
            answer == 0 && pages[..len.div_ceil(PAGE_BYTES)].iter().all(|page| page & 1 == 1)
        })
    }

    /// Reads the pages of `range` in, so that a failing device is an error here and not a signal later.
    fn populate(&self, range: &Range<usize>) -> io::Result<()> {
        if range.is_empty() || CANNOT_POPULATE.load(Ordering::Relaxed) {
            return Ok(());
        }
        let from = range.start - range.start % PAGE_BYTES;
        if self.is_resident(from..range.end) {
            return Ok(());
        }
        // SAFETY: the pages lie inside the mapping, which is at least as long as the file that holds `range`;
        // populating for reading changes no contents.
        let populated = unsafe {
            madvise(self.start.as_ptr().add(from).cast(), range.end - from, Advice::LinuxPopulateRead)
        };
        match populated {
            Ok(()) => Ok(()),
            Err(Errno::INVAL) => {
                CANNOT_POPULATE.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(Errno::FAULT) => Err(io::Error::other("the device failed to read a mapped page")),
            Err(other) => Err(other.into()),
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, whole, and no range of it is alive: each holds an `Arc` of this region.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.capacity) };
        debug_assert!(unmapped.is_ok(), "munmap of a whole mapping cannot fail");
    }
}

/// A range of a region, which it keeps alive.
struct Slice {
    region: Arc<Region>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `Region::bytes` is the only maker of slices and takes published ranges only.
        unsafe { self.region.published(self.range.clone()) }
    }
}

impl Map for Region {
    fn capacity(&self) -> u64 {
        self.capacity as u64
    }

    fn bytes(self: Arc<Self>, range: Range<u64>) -> io::Result<Bytes> {
        if range.start > range.end || range.end > self.capacity as u64 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let range = range.start as usize..range.end as usize;
        self.populate(&range)?;
        Ok(Bytes::from_owner(Slice { region: self, range }))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn file_of(len: usize) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&vec![7; len], 0).unwrap();
        file
    }

    #[test]
    fn shows_what_is_appended_after_mapping() {
        let file = file_of(10);
        let region = Arc::new(Region::new(&file, 1 << 20).unwrap());
        assert_eq!(region.clone().bytes(0..10).unwrap(), vec![7; 10]);
        file.write_all_at(&[9; 8192], 10).unwrap();
        assert_eq!(region.bytes(9..8202).unwrap()[..3], [7, 9, 9]);
    }

    #[test]
    fn a_range_outlives_the_name_and_the_map() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, b"still here").unwrap();
        let file = File::open(&path).unwrap();
        let bytes = Arc::new(Region::new(&file, 4096).unwrap()).bytes(0..10).unwrap();
        drop(file);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(&bytes[6..], b"here");
    }

    #[test]
    fn refuses_ranges_beyond_its_capacity() {
        let region = Arc::new(Region::new(&file_of(10), 10).unwrap());
        assert!(region.clone().bytes(5..11).is_err());
        #[expect(clippy::reversed_empty_ranges, reason = "the point of the test")]
        let reversed = region.bytes(6..5);
        assert!(reversed.is_err());
        assert!(Region::new(&file_of(1), 0).is_err());
    }

    #[test]
    fn pages_are_told_to_be_resident_once_they_were_read_and_never_beyond_the_file() {
        let region = Region::new(&file_of(20_000), 1 << 30).unwrap();
        region.populate(&(0..20_000)).unwrap();
        assert!(region.is_resident(0..20_000));
        assert!(region.is_resident(8192..8193));
        assert!(!region.is_resident(0..20_481), "a page behind the end");
        assert!(!region.is_resident(0..10 * PAGES_ASKED * PAGE_BYTES));
        assert!(!region.is_resident(1..100), "not where a page begins");
    }

    #[test]
    fn populating_past_the_end_of_the_file_is_an_error_not_a_signal() {
        let region = Arc::new(Region::new(&file_of(10), 1 << 20).unwrap());
        if !CANNOT_POPULATE.load(Ordering::Relaxed) {
            assert!(region.bytes(8192..16384).is_err());
        }
    }
}
