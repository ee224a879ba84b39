//! Producer ids: given out once and never again, whatever crashes.
//!
//! Ids are reserved in blocks of 1,000: the end of the block is on disk before its first id goes out, so
//! an id costs a sync once in a thousand times. After a restart the next block begins where the last
//! reserved one ended; what was left of that is lost, never reused, as in Apache Kafka
//! (`RPCProducerIdManager`, KIP-730). 63 bits outlast a restart every microsecond.

use std::io;

use protocol::types::ProducerId;
use tokio::sync::Mutex;
use tracing::debug;

use crate::coordinator::BoxFuture;

/// Ids reserved at a time.
pub const PRODUCER_ID_BLOCK: i64 = 1_000;

/// Where the reservation is kept: one number.
pub trait ProducerIdStore: Send + Sync + 'static {
    /// The first id that no block has reserved; 0 at first. Called once, at start-up; may block.
    fn read(&self) -> io::Result<ProducerId>;

    /// Reserves all ids below `next`; once this resolves that survives a power loss. Dropped half-way, it
    /// may have happened or not.
    fn replace(&self, next: ProducerId) -> BoxFuture<'_, io::Result<()>>;
}

/// Why there is no producer id.
#[derive(Debug, thiserror::Error)]
pub enum ProducerIdError {
    /// The reservation could not be read or written. No id was given out; trying again is safe.
    #[error("producer id reservation: {0}")]
    Io(#[from] io::Error),
    /// All 2^63 ids are used.
    #[error("no producer ids are left")]
    Exhausted,
}

/// Gives out producer ids. Shared by all who ask.
pub struct ProducerIds {
    store: Box<dyn ProducerIdStore>,
    block: Mutex<Block>,
}

/// Ids that are reserved and not given out: `next..end`.
#[derive(Debug)]
struct Block {
    next: i64,
    end: i64,
}

impl ProducerIds {
    /// Goes on after the last reserved block.
    ///
    /// # Errors
    /// [`ProducerIdError::Io`].
    pub fn open(store: Box<dyn ProducerIdStore>) -> Result<Self, ProducerIdError> {
        let end = store.read()?.0;
        Ok(Self { store, block: Mutex::new(Block { next: end, end }) })
    }

    /// An id that nobody had before. One call in [`PRODUCER_ID_BLOCK`] waits for the disk.
    ///
    /// # Errors
    /// [`ProducerIdError::Io`] and [`ProducerIdError::Exhausted`].
    pub async fn allocate(&self) -> Result<ProducerId, ProducerIdError> {
        // Held while the disk works: those who come meanwhile need the same block. Dropping this future
        // there reserves the same block again next time, since nothing of it was given out.
        let mut block = self.block.lock().await;
        if block.next == block.end {
            let end = block.end.checked_add(PRODUCER_ID_BLOCK).ok_or(ProducerIdError::Exhausted)?;
            self.store.replace(ProducerId(end)).await?;
            debug!(first = block.end, end, "reserved producer ids");
            block.end = end;
        }
        let id = ProducerId(block.next);
        block.next += 1;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    /// A disk of one value that can be full.
    #[derive(Default)]
    struct Disk {
        value: Mutex<i64>,
        full: Mutex<bool>,
        writes: Mutex<usize>,
    }

    impl ProducerIdStore for Arc<Disk> {
        fn read(&self) -> io::Result<ProducerId> {
            Ok(ProducerId(*self.value.lock()))
        }

        fn replace(&self, next: ProducerId) -> BoxFuture<'_, io::Result<()>> {
            Box::pin(async move {
                if *self.full.lock() {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                *self.value.lock() = next.0;
                *self.writes.lock() += 1;
                Ok(())
            })
        }
    }

    fn open(disk: &Arc<Disk>) -> ProducerIds {
        ProducerIds::open(Box::new(Arc::clone(disk))).unwrap()
    }

    #[tokio::test]
    async fn ids_are_never_given_twice_whenever_the_process_dies() {
        let disk = Arc::new(Disk::default());
        let mut seen = HashSet::new();
        for lived_for in [1, 999, 1_000, 1_001, 0, 2_500] {
            // Dropped without a word, like kill -9.
            let ids = open(&disk);
            for _ in 0..lived_for {
                assert!(seen.insert(ids.allocate().await.unwrap()));
            }
        }
    }

    #[tokio::test]
    async fn a_block_costs_one_write_and_its_rest_is_lost_on_restart() {
        let disk = Arc::new(Disk::default());
        let ids = open(&disk);
        assert_eq!(*disk.writes.lock(), 0);
        for id in 0..1_000 {
            assert_eq!(ids.allocate().await.unwrap(), ProducerId(id));
        }
        assert_eq!(*disk.writes.lock(), 1);
        assert_eq!(ids.allocate().await.unwrap(), ProducerId(1_000));
        assert_eq!(open(&disk).allocate().await.unwrap(), ProducerId(2_000));
    }

    #[tokio::test]
    async fn a_full_disk_gives_no_id_and_costs_none() {
        let disk = Arc::new(Disk::default());
        let ids = open(&disk);
        *disk.full.lock() = true;
        assert!(matches!(ids.allocate().await, Err(ProducerIdError::Io(_))));
        *disk.full.lock() = false;
        assert_eq!(ids.allocate().await.unwrap(), ProducerId(0));
    }

    #[tokio::test]
    async fn the_last_id_is_the_last() {
        let disk = Arc::new(Disk::default());
        *disk.value.lock() = i64::MAX - 1;
        assert!(matches!(open(&disk).allocate().await, Err(ProducerIdError::Exhausted)));
    }
}
