//! Sequences of writes and syncs that leave either the old file or the new one after power loss.

use std::io::{self, IoSlice};
use std::path::Path;

use super::{Disk, Open};

/// Replaces a small file as a whole: write a neighbour, sync it, rename it into place, sync the directory.
///
/// Without the first sync a crash may leave an empty file under the final name; without the last, the old file
/// may come back after the caller has acted on the new one (apache/kafka#10680).
pub(crate) fn replace(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_added_extension("tmp");
    write_synced(disk, &temporary, content)?;
    disk.rename(&temporary, path)?;
    sync_parent(disk, path)
}

/// Writes a file as a whole and syncs its bytes; its name is durable only once its directory is synced.
pub(crate) fn write_synced(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let file = disk.open(path, Open::Create)?;
    file.write_all_at(&mut [IoSlice::new(content)], 0)?;
    file.sync()
}

/// Makes the name of `path` durable.
pub(crate) fn sync_parent(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| disk.sync_dir(parent))
}

/// Removes a file; no error if there is none.
pub(crate) fn remove_if_exists(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Reads a whole small file; `None` if there is none.
pub(crate) fn read_if_exists(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    match disk.read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The length of a file; `None` if there is none.
pub(crate) fn len_if_exists(disk: &dyn Disk, path: &Path) -> io::Result<Option<u64>> {
    match disk.len(path) {
        Ok(len) => Ok(Some(len)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
