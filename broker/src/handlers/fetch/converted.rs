//! How many converted records a connection's answers may hold.
//!
//! Stored batches are handed out of the log's map and cost nothing until they are sent. What is converted for an old
//! client is memory of its own, and a client can ask for much of it at once and never read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// Room of one connection. A client that reads its answers has all of it for each.
const CONVERTED_BYTES_MAX: usize = 16 << 20;

/// What one connection's answers hold; clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Converted {
    bytes: Arc<AtomicUsize>,
}

/// Converted records that count until they are dropped.
struct Held {
    records: Vec<u8>,
    count: Converted,
}

impl Converted {
    /// Bytes that may be converted besides those that are held.
    pub(super) fn room(&self) -> usize {
        CONVERTED_BYTES_MAX.saturating_sub(self.held())
    }

    /// Bytes held.
    pub(super) fn held(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts `records` as long as the result or a part of it lives.
    pub(super) fn hold(&self, records: Vec<u8>) -> Bytes {
        self.bytes.fetch_add(records.len(), Ordering::Relaxed);
        Bytes::from_owner(Held { records, count: self.clone() })
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.records
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.count.bytes.fetch_sub(self.records.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_while_anything_of_them_lives() {
        let converted = Converted::default();
        let records = converted.hold(vec![7; 1000]);
        let part = records.slice(10..20);
        drop(records);
        assert_eq!((converted.held(), converted.room()), (1000, CONVERTED_BYTES_MAX - 1000));
        let more = converted.clone().hold(vec![0; CONVERTED_BYTES_MAX]);
        assert_eq!(converted.room(), 0);
        drop((part, more));
        assert_eq!(converted.held(), 0);
    }
}
