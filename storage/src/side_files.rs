//! Whole files that stand beside the logs in the data directory, for those who keep more than records there.
//!
//! Each is replaced as a whole: after power loss there is the old one or the new one. What is in them is their owner's.
//! They are plain files at the top, never directories: Apache Kafka takes every directory there for a partition.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::env::{Disk, durable};

/// The files of a data directory whose names begin alike.
#[derive(Clone)]
pub struct SideFiles {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    prefix: &'static str,
}

impl fmt::Debug for SideFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SideFiles").field("directory", &self.directory).field("prefix", &self.prefix).finish()
    }
}

impl SideFiles {
    /// The files of `directory` whose names begin with `prefix`.
    pub fn new(disk: Arc<dyn Disk>, directory: &Path, prefix: &'static str) -> Self {
        Self { disk, directory: directory.to_owned(), prefix }
    }

    /// What stands behind the prefix in their names, in order. A replacement that never finished is left out.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let entries = self.disk.read_dir(&self.directory)?.into_iter().filter(|entry| !entry.is_dir);
        let ours = entries.filter_map(|entry| entry.name.strip_prefix(self.prefix).map(str::to_owned));
        let mut names: Vec<String> = ours.filter(|name| !name.ends_with(".tmp")).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The content of a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.disk.read(&self.path(name))
    }

    /// Puts a file in place of the one of that name, if there is one. It survives power loss when this returns.
    ///
    /// # Errors
    /// The disk refuses; the old file is still there then.
    pub fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        durable::replace(&*self.disk, &self.path(name), content)
    }

    /// Removes a file; no error if there is none.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        durable::remove_if_exists(&*self.disk, &self.path(name))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{}{name}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Env;

    #[test]
    fn files_are_replaced_listed_and_removed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let files = SideFiles::new(Env::real().disk, dir.path(), "state-");
        files.replace("2", b"two").expect("written");
        files.replace("1", b"old").expect("written");
        files.replace("1", b"new").expect("replaced");
        std::fs::write(dir.path().join("state-3.tmp"), b"half").expect("written");
        std::fs::write(dir.path().join("other"), b"").expect("written");
        assert_eq!(files.names().expect("listed"), ["1", "2"]);
        assert_eq!(files.read("1").expect("read"), b"new");
        files.remove("1").expect("removed");
        files.remove("1").expect("gone already");
        assert_eq!(files.names().expect("listed"), ["2"]);
    }
}
