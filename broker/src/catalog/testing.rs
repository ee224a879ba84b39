//! A catalogue on a data directory of a test's own, opened again and again.

use std::sync::Arc;

use storage::{Env, Store, StoreConfig};

use super::Catalog;
use crate::config::ServerConfig;

/// A data directory, removed at the end of the test.
pub(super) struct Directory {
    path: tempfile::TempDir,
}

impl Directory {
    pub(super) fn new() -> Self {
        Self { path: tempfile::tempdir().unwrap() }
    }

    /// Opens the catalogue, as a start of the broker does, for as long as `with` runs.
    pub(super) fn with_catalog(&self, with: impl FnOnce(&Catalog)) {
        let env = Env::real();
        let (store, _) = Store::open(self.path.path(), StoreConfig::default(), env.clone()).unwrap();
        let store = Arc::new(store);
        let catalog = Catalog::open(Arc::clone(&store), &env, Arc::new(ServerConfig::default())).unwrap();
        with(&catalog);
        drop(catalog);
        store.close().unwrap();
    }
}
