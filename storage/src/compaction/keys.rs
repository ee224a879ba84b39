//! Key → last offset, in bounded memory.
//!
//! Keys are not kept but hashed to 128 bits with a seed drawn for each compaction, so that nobody can prepare keys
//! that collide. Two of a billion keys share a hash with a chance of about 2^-69; Apache Kafka takes the same
//! risk with MD5.

use protocol::types::Offset;
use rustc_hash::FxHashMap;
use twox_hash::XxHash3_128;

/// Memory for one key: hash, offset, and the table's slack.
const KEY_BYTES: usize = 48;

/// The last offset of each key of the dirty part of a log, up to where memory sufficed.
pub(crate) struct KeyMap {
    seed: u64,
    keys_max: usize,
    offsets: FxHashMap<[u64; 2], Offset>,
    /// The last offset looked at; nothing is known of records behind it.
    latest: Offset,
}

impl KeyMap {
    /// A map that takes at most `memory_bytes`, but at least one key.
    pub(crate) fn new(memory_bytes: usize, seed: u64) -> Self {
        let keys_max = (memory_bytes / KEY_BYTES).max(1);
        Self { seed, keys_max, offsets: FxHashMap::default(), latest: Offset::NONE }
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
        let mut map = KeyMap::new(2 * KEY_BYTES, 1);
        assert!(map.put(b"a", Offset(1)) && map.put(b"b", Offset(2)) && map.put(b"a", Offset(3)));
        assert!(!map.put(b"c", Offset(4)));
        assert!(map.supersedes(b"a", Offset(1)) && !map.supersedes(b"a", Offset(3)));
        assert!(!map.supersedes(b"b", Offset(2)) && !map.supersedes(b"c", Offset(0)));
    }
}
