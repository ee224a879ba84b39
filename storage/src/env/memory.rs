//! A simulated disk that keeps only what it must.
//!
//! ```text
//!  file = durable bytes + writes since the last sync      power loss keeps any subset of the writes,
//!                                                         each cut at 512-byte sectors
//!  directory = durable names + changes since the last     power loss keeps a prefix of the changes: journaling
//!              sync of the directory                      file systems order them
//! ```
//! It lies about nothing else: what `sync` and `sync_dir` returned for is there afterwards. Every choice comes from the
//! seed, so a run repeats exactly. [`Faults`] make writes and syncs fail.
//!
//! What it leaves out: times of files survive, directories themselves are durable when made (the log syncs their
//! parent, but the simulation does not check it), and there are no permissions.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{DirEntry, Disk, DiskFile, DiskSpace, Map, Open, Random};

/// The unit in which a disk writes: a write may be cut at its multiples.
const SECTOR_BYTES: usize = 512;

/// When the disk fails. Counts go down by one with each call; at zero the call fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Bytes that still fit; a write beyond fails with `ENOSPC`, after writing what fits. `None`: no limit.
    pub space_bytes: Option<u64>,
    /// Writes until one fails with `EIO`.
    pub writes_until_error: Option<u64>,
    /// Syncs of files until one fails with `EIO`.
    pub syncs_until_error: Option<u64>,
    /// What a failed sync was to write counts as written, as on Linux: readers see it, no later sync writes it, and with
    /// the power it goes. Otherwise the next sync writes it.
    pub failed_syncs_drop_writes: bool,
    /// Calls that change anything until the power goes: from then on every call fails.
    pub calls_until_power_loss: Option<u64>,
}

/// The simulated disk. Clones share it.
#[derive(Clone)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

type FileId = u64;

struct State {
    random: u64,
    faults: Faults,
    without_power: bool,
    next_file: FileId,
    files: BTreeMap<FileId, FileState>,
    /// Every directory that exists, with its names.
    dirs: BTreeMap<PathBuf, Names>,
    locks: Vec<PathBuf>,
}

#[derive(Default)]
struct FileState {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    modified_ms: i64,
}

#[derive(Clone)]
enum Change {
    Write { position: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Default, Clone)]
struct Names {
    now: BTreeMap<String, FileId>,
    /// The names after each change since the last sync, the synced ones first.
    versions: Vec<BTreeMap<String, FileId>>,
}

impl Names {
    fn changed(&mut self) {
        self.versions.push(self.now.clone());
    }
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        let mut dirs = BTreeMap::new();
        dirs.insert(PathBuf::from("/"), Names { versions: vec![BTreeMap::new()], ..Names::default() });
        let state = State {
            random: seed,
            faults: Faults::default(),
            without_power: false,
            next_file: 1,
            files: BTreeMap::new(),
            dirs,
            locks: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Sets when it fails.
    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    /// What is left of the faults set.
    pub fn faults(&self) -> Faults {
        self.state.lock().faults
    }

    /// Whether it still answers.
    pub fn has_power(&self) -> bool {
        !self.state.lock().without_power
    }

    /// The power goes: what was not synced is kept in part or lost. Then it comes back, and faults are forgotten.
    pub fn lose_power(&self) {
        let mut state = self.state.lock();
        let state = &mut *state;
        for names in state.dirs.values_mut() {
            let kept = next(&mut state.random) as usize % names.versions.len();
            names.now = names.versions[kept].clone();
            names.versions = vec![names.now.clone()];
        }
        for file in state.files.values_mut() {
            file.crash(&mut state.random);
        }
        state.faults = Faults::default();
        state.without_power = false;
        state.locks.clear();
    }

    /// The process is killed: everything written stays, unsynced still; its locks are gone.
    pub fn kill(&self) {
        let mut state = self.state.lock();
        state.locks.clear();
        state.faults = Faults::default();
    }

    /// Changes a file behind everyone's back, as a failing disk or a careless person does.
    ///
    /// # Errors
    /// There is no such file.
    pub fn damage(&self, path: &Path, how: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut state = self.state.lock();
        let id = state.find(path)?;
        let file = state.file(id);
        how(&mut file.now);
        file.sync();
        Ok(())
    }

    /// Another disk with the same content, all of it durable.
    pub fn copy(&self, seed: u64) -> Self {
        let state = self.state.lock();
        let copy = Self::new(seed);
        {
            let mut new = copy.state.lock();
            new.next_file = state.next_file;
            for (id, file) in &state.files {
                let (now, durable) = (file.now.clone(), file.now.clone());
                let modified_ms = file.modified_ms;
                new.files.insert(*id, FileState { now, durable, unsynced: Vec::new(), modified_ms });
            }
            for (dir, names) in &state.dirs {
                let (now, versions) = (names.now.clone(), vec![names.now.clone()]);
                new.dirs.insert(dir.clone(), Names { now, versions });
            }
        }
        copy
    }

    /// Every file's path and size.
    pub fn list(&self) -> Vec<(PathBuf, usize)> {
        let state = self.state.lock();
        let mut list = Vec::new();
        for (dir, names) in &state.dirs {
            list.extend(names.now.iter().map(|(name, id)| (dir.join(name), state.files[id].now.len())));
        }
        list
    }
}

/// The next of a stream of well-mixed numbers (SplitMix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::SetLen(len) => bytes.resize(*len, 0),
        Change::Write { position, bytes: written } => {
            let end = position + written.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*position..end].copy_from_slice(written);
        }
    }
}

impl FileState {
    fn change(&mut self, change: Change) {
        apply(&mut self.now, &change);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// A sync failed: the writes it was for count as done, and no later sync makes them durable.
    fn forget_writes(&mut self) {
        self.unsynced.retain(|change| matches!(change, Change::SetLen(_)));
    }

    /// Keeps the durable bytes and any part of what came after.
    fn crash(&mut self, random: &mut u64) {
        let mut kept = self.durable.clone();
        for change in self.unsynced.drain(..) {
            match (next(random) % 4, change) {
                (0, _) => {}
                (1, Change::Write { position, bytes }) => {
                    // Any of the sectors it touches, each on its own.
                    let mut start = 0;
                    while start < bytes.len() {
                        let sector = SECTOR_BYTES - (position + start) % SECTOR_BYTES;
                        let end = (start + sector).min(bytes.len());
                        if next(random).is_multiple_of(2) {
                            let bytes = bytes[start..end].to_vec();
                            apply(&mut kept, &Change::Write { position: position + start, bytes });
                        }
                        start = end;
                    }
                }
                (_, change) => apply(&mut kept, &change),
            }
        }
        self.durable = kept.clone();
        self.now = kept;
    }
}

impl State {
    /// Counts a call that changes something; after power loss none does.
    fn step(&mut self) -> io::Result<()> {
        if self.without_power || count_down(&mut self.faults.calls_until_power_loss) {
            self.without_power = true;
            return Err(io::Error::other("no power"));
        }
        Ok(())
    }

    fn find(&self, path: &Path) -> io::Result<FileId> {
        if self.without_power {
            return Err(io::Error::other("no power"));
        }
        let (dir, name) = split(path)?;
        let names = self.dirs.get(dir).ok_or(io::ErrorKind::NotFound)?;
        names.now.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file(&mut self, id: FileId) -> &mut FileState {
        self.files.entry(id).or_default()
    }

    fn names(&mut self, dir: &Path) -> io::Result<&mut Names> {
        self.dirs.get_mut(dir).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Counts one call; true when it is the one to fail.
fn count_down(counter: &mut Option<u64>) -> bool {
    match counter {
        Some(0) => true,
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

fn split(path: &Path) -> io::Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
    Ok((path.parent().unwrap_or(Path::new("/")), name))
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        let id = match (state.find(path), how) {
            (Ok(id), Open::Create) => {
                state.step()?;
                state.file(id).change(Change::SetLen(0));
                id
            }
            (Ok(id), _) => id,
            (Err(error), Open::Create) if error.kind() == io::ErrorKind::NotFound => {
                state.step()?;
                let id = state.next_file;
                state.next_file += 1;
                state.files.insert(id, FileState::default());
                let (dir, name) = split(path)?;
                let names = state.names(dir)?;
                names.now.insert(name.to_owned(), id);
                names.changed();
                id
            }
            (Err(error), _) => return Err(error),
        };
        Ok(Arc::new(MemoryFile { disk: self.clone(), id }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state.lock();
        let id = state.find(path)?;
        Ok(state.files[&id].now.clone())
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let state = self.state.lock();
        let id = state.find(path)?;
        Ok(state.files[&id].now.len() as u64)
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        let state = self.state.lock();
        let id = state.find(path)?;
        Ok(state.files[&id].modified_ms)
    }

    fn set_modified_ms(&self, path: &Path, modified_ms: i64) -> io::Result<()> {
        let mut state = self.state.lock();
        let id = state.find(path)?;
        state.file(id).modified_ms = modified_ms;
        Ok(())
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.state.lock();
        let Some(names) = state.dirs.get(path) else {
            let is_file = state.find(path).is_ok();
            return Err(if is_file { io::ErrorKind::NotADirectory } else { io::ErrorKind::NotFound }.into());
        };
        let mut entries: Vec<_> =
            names.now.keys().map(|name| DirEntry { name: name.clone(), is_dir: false }).collect();
        for dir in state.dirs.keys().filter(|dir| dir.parent() == Some(path)) {
            if let Ok((_, name)) = split(dir) {
                entries.push(DirEntry { name: name.to_owned(), is_dir: true });
            }
        }
        Ok(entries)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        for dir in path.ancestors() {
            let empty = || Names { now: BTreeMap::new(), versions: vec![BTreeMap::new()] };
            state.dirs.entry(dir.to_owned()).or_insert_with(empty);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        if state.dirs.contains_key(from) {
            let moved: Vec<_> = state.dirs.keys().filter(|dir| dir.starts_with(from)).cloned().collect();
            for dir in moved {
                let rest = dir.strip_prefix(from).map_err(io::Error::other)?;
                let target = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
                if let Some(names) = state.dirs.remove(&dir) {
                    state.dirs.insert(target, names);
                }
            }
            return Ok(());
        }
        let id = state.find(from)?;
        let ((from_dir, from_name), (to_dir, to_name)) = (split(from)?, split(to)?);
        if from_dir != to_dir {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let names = state.names(from_dir)?;
        names.now.remove(from_name);
        names.now.insert(to_name.to_owned(), id);
        names.changed();
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        state.find(path)?;
        let (dir, name) = split(path)?;
        let names = state.names(dir)?;
        names.now.remove(name);
        names.changed();
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        state.dirs.retain(|dir, _| !dir.starts_with(path));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        let names = state.names(path)?;
        names.versions = vec![names.now.clone()];
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state.lock();
        if state.locks.iter().any(|held| held == path) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locks.push(path.to_owned());
        Ok(Box::new(HeldLock { disk: self.clone(), path: path.to_owned() }))
    }

    fn space(&self, _path: &Path) -> io::Result<DiskSpace> {
        let free_bytes = self.state.lock().faults.space_bytes.unwrap_or(u64::MAX);
        Ok(DiskSpace { free_bytes, total_bytes: u64::MAX })
    }
}

struct HeldLock {
    disk: MemoryDisk,
    path: PathBuf,
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        self.disk.state.lock().locks.retain(|held| *held != self.path);
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    id: FileId,
}

impl DiskFile for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.state.lock().files[&self.id].now.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        let state = self.disk.state.lock();
        let file = &state.files[&self.id].now;
        let start = position as usize;
        let bytes = file.get(start..start + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_all_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.step()?;
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let failure = if count_down(&mut state.faults.writes_until_error) {
            bytes.truncate(bytes.len() / 2);
            Some(io::Error::other("EIO"))
        } else {
            match &mut state.faults.space_bytes {
                Some(space) if *space < bytes.len() as u64 => {
                    bytes.truncate(*space as usize);
                    *space = 0;
                    Some(io::ErrorKind::StorageFull.into())
                }
                Some(space) => {
                    *space -= bytes.len() as u64;
                    None
                }
                None => None,
            }
        };
        state.file(self.id).change(Change::Write { position: position as usize, bytes });
        failure.map_or(Ok(()), Err)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.step()?;
        state.file(self.id).change(Change::SetLen(len as usize));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.step()?;
        if count_down(&mut state.faults.syncs_until_error) {
            if state.faults.failed_syncs_drop_writes {
                state.file(self.id).forget_writes();
            }
            return Err(io::Error::other("EIO"));
        }
        state.file(self.id).sync();
        Ok(())
    }

    fn map(&self, capacity: u64) -> io::Result<Arc<dyn Map>> {
        Ok(Arc::new(MemoryMap { disk: self.disk.clone(), id: self.id, capacity }))
    }
}

/// A view that copies what it hands out: the simulation's bytes move.
struct MemoryMap {
    disk: MemoryDisk,
    id: FileId,
    capacity: u64,
}

impl Map for MemoryMap {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn bytes(self: Arc<Self>, range: Range<u64>) -> io::Result<Bytes> {
        let state = self.disk.state.lock();
        let file = &state.files[&self.id].now;
        // The real thing would be a signal: a reader went beyond what was published.
        let bytes = file.get(range.start as usize..range.end as usize);
        let bytes =
            bytes.filter(|_| range.end <= self.capacity).expect("reads stay inside the file and the map");
        Ok(Bytes::copy_from_slice(bytes))
    }
}

/// Random bytes from a seed.
pub struct SeededRandom(Mutex<u64>);

impl SeededRandom {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock();
        for chunk in bytes.chunks_mut(8) {
            let random = next(&mut state).to_be_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(disk: &MemoryDisk, path: &str, bytes: &[u8], position: u64) -> Arc<dyn DiskFile> {
        let file =
            disk.open(Path::new(path), Open::Write).or_else(|_| disk.open(Path::new(path), Open::Create));
        let file = file.unwrap();
        file.write_all_at(&mut [IoSlice::new(bytes)], position).unwrap();
        file
    }

    #[test]
    fn what_was_synced_survives_and_the_rest_may_not() {
        let (mut lost_name, mut lost_bytes, mut kept) = (0, 0, 0);
        for seed in 0..200 {
            let disk = MemoryDisk::new(seed);
            write(&disk, "/a", b"synced", 0).sync().unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            write(&disk, "/a", b"later", 6);
            write(&disk, "/b", b"unnamed", 0).sync().unwrap();
            disk.lose_power();
            let a = disk.read(Path::new("/a")).unwrap();
            assert_eq!(a[..6], *b"synced");
            if a.len() == 6 {
                lost_bytes += 1
            } else {
                kept += 1
            }
            match disk.read(Path::new("/b")) {
                Ok(b) => assert_eq!(b, b"unnamed"),
                Err(_) => lost_name += 1,
            }
        }
        assert!(lost_name > 20 && lost_bytes > 20 && kept > 20, "{lost_name} {lost_bytes} {kept}");
    }

    #[test]
    fn torn_writes_are_cut_at_sectors() {
        let mut torn = 0;
        for seed in 0..200 {
            let disk = MemoryDisk::new(seed);
            write(&disk, "/a", &[0; 100], 0).sync().unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            write(&disk, "/a", &[1; 2_000], 100);
            disk.lose_power();
            let bytes = disk.read(Path::new("/a")).unwrap();
            let sectors: Vec<_> = bytes[100.min(bytes.len())..].to_vec();
            if sectors.contains(&0) && sectors.contains(&1) {
                torn += 1;
                for at in (512..bytes.len()).step_by(512) {
                    let sector = &bytes[at..(at + 512).min(bytes.len())];
                    assert!(sector.iter().all(|byte| *byte == sector[0]));
                }
            }
        }
        assert!(torn > 10, "{torn}");
    }

    #[test]
    fn faults_strike_once_their_count_is_up() {
        let disk = MemoryDisk::new(0);
        let file = write(&disk, "/a", b"x", 0);
        disk.set_faults(Faults { space_bytes: Some(3), ..Faults::default() });
        let full = file.write_all_at(&mut [IoSlice::new(b"12345")], 0).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.read(Path::new("/a")).unwrap(), b"123");
        disk.set_faults(Faults { syncs_until_error: Some(1), ..Faults::default() });
        file.sync().unwrap();
        file.sync().unwrap_err();
        disk.set_faults(Faults { calls_until_power_loss: Some(0), ..Faults::default() });
        assert!(file.set_len(0).is_err() && disk.read(Path::new("/a")).is_err());
        disk.lose_power();
        assert_eq!(disk.read_dir(Path::new("/")).unwrap().len().min(1), disk.list().len());
    }
}
