//! Which way into a `.log` is the better: positional vectored writes, or copies into a writable map?
//!
//! | path | how a batch gets into the file |
//! |---|---|
//! | pwritev | header and body in one positional vectored write behind the end: what the log does |
//! | map | copied into a map of a file whose length was set ahead; blocks are found as pages are touched |
//! | map, reserved | as `map`, after `fallocate` has reserved the blocks, 8 MiB at a time |
//!
//! For each path and batch size, the same bytes go into a new file: throughput into the page cache, CPU time and the
//! 99th and 99.9th percentile of one append, and how long the `fdatasync` behind them takes; the fastest of three runs,
//! since other work on the machine only slows down. Then each path meets a full file system, and one whose device refuses
//! what is written back, in a process of its own, which may die of it.
//!
//! `cargo bench -p kindred-storage --bench append_paths` on the disk of `TMPDIR`. The full disk is a small tmpfs in a
//! mount namespace of its own (`unshare`), the failing device an ext4 image that is larger than the tmpfs it lies on,
//! which needs root; what is not allowed is left out, and says so.

#![expect(clippy::unwrap_used, reason = "a failed call is a failed measurement")]
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use protocol::records::batch::HEADER_SIZE;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Bytes written for each measurement.
const TOTAL_BYTES: usize = 512 << 20;
/// Of so many runs the fastest counts.
const RUNS: usize = 3;
/// Batch sizes: one record of 1 KB, a producer's default batch, a lingering producer's, a mirror's.
const BATCH_BYTES: [usize; 4] = [1_100, 16 << 10, 64 << 10, 1 << 20];
/// How much is reserved in one go.
const RESERVE_BYTES: u64 = 8 << 20;
/// The small file system, and more than fits there.
const FULL_DISK_BYTES: usize = 16 << 20;
/// Names the path that a child process takes into the full file system.
const CHILD_PATH: &str = "KINDRED_BENCH_PATH";
const CHILD_DIR: &str = "KINDRED_BENCH_DIR";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Pwritev,
    Map,
    MapReserved,
}

const PATHS: [Way; 3] = [Way::Pwritev, Way::Map, Way::MapReserved];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Pwritev => "pwritev",
            Self::Map => "map",
            Self::MapReserved => "map, reserved",
        }
    }
}

/// A file that takes batches by one of the paths.
struct Appender {
    path: Way,
    file: File,
    map: Option<WritableMap>,
    position: usize,
    reserved: u64,
}

impl Appender {
    fn new(path: Way, dir: &Path, capacity: usize) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(dir.join("log"))?;
        let map = match path {
            Way::Pwritev => None,
            Way::Map | Way::MapReserved => {
                file.set_len(capacity as u64)?;
                Some(WritableMap::new(&file, capacity)?)
            }
        };
        Ok(Self { path, file, map, position: 0, reserved: 0 })
    }

    fn append(&mut self, header: &[u8], body: &[u8]) -> io::Result<()> {
        let bytes = header.len() + body.len();
        match &mut self.map {
            None => {
                let parts = [IoSlice::new(header), IoSlice::new(body)];
                let written = rustix::io::pwritev(&self.file, &parts, self.position as u64)?;
                if written < bytes {
                    // What a disk that fills up takes of a write; the rest is refused.
                    let rest = IoSlice::new(&body[(written - header.len())..]);
                    rustix::io::pwritev(&self.file, &[rest], (self.position + written) as u64)?;
                }
            }
            Some(map) => {
                if self.path == Way::MapReserved && (self.position + bytes) as u64 > self.reserved {
                    fallocate(&self.file, FallocateFlags::empty(), self.reserved, RESERVE_BYTES)?;
                    self.reserved += RESERVE_BYTES;
                }
                map.put(self.position, header);
                map.put(self.position + header.len(), body);
            }
        }
        self.position += bytes;
        Ok(())
    }
}

/// A shared writable map of a file.
struct WritableMap {
    start: NonNull<u8>,
    capacity: usize,
}

impl WritableMap {
    #[expect(unsafe_code, reason = "a map has no safe form")]
    fn new(file: &File, capacity: usize) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe { mmap(std::ptr::null_mut(), capacity, access, MapFlags::SHARED, file, 0) }?;
        Ok(Self { start: NonNull::new(start.cast()).unwrap(), capacity })
    }

    #[expect(unsafe_code, reason = "a copy into mapped memory has no safe form")]
    fn put(&mut self, position: usize, bytes: &[u8]) {
        assert!(position + bytes.len() <= self.capacity);
        // SAFETY: inside the mapping, which is ours alone and overlaps no slice. That the file has no room there raises
        // SIGBUS, which is what this program is to show.
        unsafe {
            self.start.as_ptr().add(position).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }
}

impl Drop for WritableMap {
    #[expect(unsafe_code, reason = "a map has no safe form")]
    fn drop(&mut self) {
        // SAFETY: the whole mapping, of which no reference is left.
        unsafe { munmap(self.start.as_ptr().cast(), self.capacity) }.unwrap();
    }
}

/// CPU time of this thread so far, in nanoseconds.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

/// One run's figures.
struct Figures {
    elapsed: Duration,
    cpu_ns: u64,
    /// How long each append took, sorted.
    took_ns: Vec<u64>,
    synced: Duration,
}

fn measure(path: Way, batch_bytes: usize) {
    let count = TOTAL_BYTES / batch_bytes;
    let runs = (0..RUNS).map(|_| run(path, batch_bytes, count));
    let best = runs.min_by_key(|figures| figures.elapsed).unwrap();
    let percentile = |share: f64| best.took_ns[((count as f64 * share) as usize).min(count - 1)] as f64 / 1e3;
    println!(
        "| {batch_bytes} | {} | {:.2} | {:.2} | {:.1} | {:.1} | {} |",
        path.name(),
        (count * batch_bytes) as f64 / best.elapsed.as_secs_f64() / 1e9,
        best.cpu_ns as f64 / count as f64 / 1e3,
        percentile(0.99),
        percentile(0.999),
        best.synced.as_millis()
    );
}

fn run(path: Way, batch_bytes: usize, count: usize) -> Figures {
    let dir = tempfile::tempdir().unwrap();
    let batch: Vec<u8> = (0..batch_bytes).map(|i| (i * 31) as u8).collect();
    let (header, body) = batch.split_at(HEADER_SIZE);
    let mut appender = Appender::new(path, dir.path(), TOTAL_BYTES + RESERVE_BYTES as usize).unwrap();
    let mut took_ns = Vec::with_capacity(count);
    let (began, cpu_before) = (Instant::now(), cpu_ns());
    for _ in 0..count {
        let append = Instant::now();
        appender.append(header, body).unwrap();
        took_ns.push(append.elapsed().as_nanos() as u64);
    }
    let (elapsed, cpu_ns) = (began.elapsed(), cpu_ns() - cpu_before);
    let syncing = Instant::now();
    appender.file.sync_data().unwrap();
    took_ns.sort_unstable();
    Figures { elapsed, cpu_ns, took_ns, synced: syncing.elapsed() }
}

/// Fills the file system of `dir`, or twice what its device holds, and says how that ended. Run in a process that may
/// die.
fn fill(path: Way, dir: &Path) {
    let batch = vec![7; 16 << 10];
    let (header, body) = batch.split_at(HEADER_SIZE);
    let mut appender = Appender::new(path, dir, 2 * FULL_DISK_BYTES + RESERVE_BYTES as usize).unwrap();
    let outcome = loop {
        match appender.append(header, body) {
            Ok(()) if appender.position < 2 * FULL_DISK_BYTES => {}
            Ok(()) => {
                let said =
                    |synced: io::Result<()>| synced.map_or_else(|error| error.to_string(), |()| "Ok".into());
                let (first, second) = (said(appender.file.sync_data()), said(appender.file.sync_data()));
                break format!("took everything; fdatasync: {first}; again: {second}");
            }
            Err(error) => break format!("refused after {} KiB: {error}", appender.position >> 10),
        }
    };
    println!("{outcome}");
}

/// Starts this program again with a file system of its own, which `mount` makes in the child's directory.
fn in_a_child(path: Way, unshare: &[&str], mount: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("cd \"${CHILD_DIR}\" && {{ {mount}; }} >&2 || exit 99; exec \"$0\"");
    let child = Command::new("unshare")
        .args(unshare)
        .args(["--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD_PATH, path.name())
        .env(CHILD_DIR, dir.path())
        .output();
    match child {
        Ok(output) => match (output.status.code(), output.status.signal()) {
            (Some(0), _) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            (_, Some(signal)) => format!("killed by signal {signal} (SIGBUS is 7)"),
            _ => format!("not measured: {}", String::from_utf8_lossy(&output.stderr).trim()),
        },
        Err(error) => format!("not measured: {error}"),
    }
}

fn meet_a_full_disk(path: Way) -> String {
    let mount = format!("mount -t tmpfs -o size={FULL_DISK_BYTES} none \"${CHILD_DIR}\"");
    in_a_child(path, &["--user", "--map-root-user"], &mount)
}

fn meet_a_failing_device(path: Way) -> String {
    let mount = format!(
        "mount -t tmpfs -o size={FULL_DISK_BYTES} none . && cd \"${CHILD_DIR}\" && truncate -s {} image && \
         mkfs.ext4 -q image && mkdir disk && mount -o loop image disk && \
         export {CHILD_DIR}=\"${CHILD_DIR}/disk\"",
        8 * FULL_DISK_BYTES
    );
    in_a_child(path, &[], &mount)
}

fn main() {
    if let (Ok(name), Some(dir)) = (std::env::var(CHILD_PATH), std::env::var_os(CHILD_DIR)) {
        let path = PATHS.into_iter().find(|path| path.name() == name).unwrap();
        return fill(path, Path::new(&dir));
    }
    println!("| batch, bytes | path | GB/s | CPU µs/append | p99 µs | p99.9 µs | fdatasync ms |");
    println!("|---|---|---|---|---|---|---|");
    for batch_bytes in BATCH_BYTES {
        PATHS.into_iter().for_each(|path| measure(path, batch_bytes));
    }
    println!("\n| path | full disk | device that refuses |\n|---|---|---|");
    for path in PATHS {
        println!("| {} | {} | {} |", path.name(), meet_a_full_disk(path), meet_a_failing_device(path));
    }
}
