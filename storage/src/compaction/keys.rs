//! Key → last offset, in bounded memory.
//!
//! Keys are not kept but hashed to 128 bits with a seed drawn for each compaction, so that nobody can prepare keys
//! that collide. Two of a billion keys share a hash with a chance of about 2^-69; Apache Kafka takes the same
//! risk with MD5.

use protocol::types::Offset;
use rustc_hash::{FxBuildHasher, FxHashMap};
use twox_hash::XxHash3_128;

/// Memory for one place in the table: hash, offset, and the table's own byte.
const SLOT_BYTES: usize = 25;

/// The last offset of each key of the dirty part of a log, up to where memory sufficed.
pub(crate) struct KeyMap {
    seed: u64,
    keys_max: usize,
    offsets: FxHashMap<[u64; 2], Offset>,
    /// The last offset looked at; nothing is known of records behind it.
    latest: Offset,
}

/// How many keys fit into `memory_bytes`: the table has a power of two of places and fills seven eighths of them.
fn keys_max(memory_bytes: usize) -> usize {
    let slots = (memory_bytes / SLOT_BYTES).max(1);
    let slots = 1_usize << slots.ilog2();
    (slots / 8 * 7).max(1)
}

impl KeyMap {
    /// A map for the keys of records from `first` up to but not including `end`, that takes at most `memory_bytes` but
    /// has room for at least one key. All of it is allocated here: a table that grew would need half as much again.
    pub(crate) fn new(memory_bytes: usize, first: Offset, end: Offset, seed: u64) -> Self {
        let records = usize::try_from(end - first).unwrap_or(0);
        let keys_max = keys_max(memory_bytes);
        let offsets = FxHashMap::with_capacity_and_hasher(keys_max.min(records), FxBuildHasher);
        Self { seed, keys_max, offsets, latest: Offset(first.0 - 1) }
    }

    /// Notes that `key` was written at `offset`; false if there is no room for another key.
    pub(crate) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let hash = self.hash(key);
        if self.offsets.len() >= self.keys_max && !self.offsets.contains_key(&hash) {
            return false;
        }
        self.offsets.insert(hash, offset);
        true
    }

    /// Notes that everything up to `offset` was looked at.
    pub(crate) fn reached(&mut self, offset: Offset) {
        self.latest = self.latest.max(offset);
    }

    /// The last offset looked at.
    pub(crate) fn latest(&self) -> Offset {
        self.latest
    }

    /// Whether a later record of `key` than the one at `offset` is known.
    pub(crate) fn supersedes(&self, key: &[u8], offset: Offset) -> bool {
        self.offsets.get(&self.hash(key)).is_some_and(|last| *last > offset)
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        let hash = XxHash3_128::oneshot_with_seed(self.seed, key);
        [(hash >> 64) as u64, hash as u64]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_last_offset_of_each_key_it_had_room_for() {
        let mut map = KeyMap::new(2 * SLOT_BYTES, Offset(0), Offset(10), 1);
        map.keys_max = 2;
        assert_eq!(map.latest(), Offset(-1));
        assert!(map.put(b"a", Offset(1)) && map.put(b"b", Offset(2)) && map.put(b"a", Offset(3)));
        assert!(!map.put(b"c", Offset(4)));
        assert!(map.supersedes(b"a", Offset(1)) && !map.supersedes(b"a", Offset(3)));
        assert!(!map.supersedes(b"b", Offset(2)) && !map.supersedes(b"c", Offset(0)));
    }

    #[test]
    fn the_table_is_as_large_as_memory_allows_and_never_grows() {
        for memory_bytes in [0, 1, 1_000, 100_000, 3 << 20] {
            let mut map = KeyMap::new(memory_bytes, Offset(0), Offset(i64::MAX), 7);
            let capacity = map.offsets.capacity();
            let mut offset = 0;
            while map.put(&i64::to_be_bytes(offset), Offset(offset)) {
                offset += 1;
            }
            assert_eq!(map.offsets.capacity(), capacity, "{memory_bytes}");
            let slots = (capacity * 8 / 7).next_power_of_two();
            assert!(memory_bytes < 200 || slots * SLOT_BYTES <= memory_bytes, "{memory_bytes}: {slots}");
            assert!(offset as usize * 4 * SLOT_BYTES >= memory_bytes, "{memory_bytes}: {offset} keys");
        }
    }
}
