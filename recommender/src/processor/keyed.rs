//! States by key, at most so many: where there is no room the twentieth that was idle longest goes.

use std::collections::BTreeMap;

use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// What an entry of a map takes beside key and value: room in nodes that are not full.
const ENTRY_BYTES: usize = 48;

/// States by key, in the order of the keys.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keyed<V> {
    max: usize,
    /// How often any was used: says which were not for longest.
    uses: u64,
    entries: BTreeMap<String, Entry<V>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry<V> {
    used: u64,
    value: V,
}

impl<V> Keyed<V> {
    /// None yet, and never more than `max`, which is at least 1.
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), uses: 0, entries: BTreeMap::new() }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The state of a key, which is made if there is none, and is now the one used last.
    pub(super) fn use_or_make(&mut self, key: &str, make: impl FnOnce() -> V) -> &mut V {
        self.uses += 1;
        let used = self.uses;
        if self.entries.len() >= self.max && !self.entries.contains_key(key) {
            self.make_room();
        }
        let entry = self.entries.entry(key.to_owned()).or_insert_with(|| Entry { used, value: make() });
        entry.used = used;
        &mut entry.value
    }

    /// Drops the state of a key.
    pub(super) fn remove(&mut self, key: &str) {
        self.entries.remove(key);
    }

    /// Drops the states of keys that are not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.entries.retain(|key, _| keep(key));
    }

    /// Every key and its state, by key.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut V)> {
        self.entries.iter_mut().map(|(key, entry)| (key.as_str(), &mut entry.value))
    }

    /// Bytes held; `more`: those that a state holds elsewhere.
    pub(super) fn size_bytes(&self, more: impl Fn(&V) -> usize) -> usize {
        let own = size_of::<(String, Entry<V>)>() + ENTRY_BYTES;
        self.entries.iter().map(|(key, entry)| own + key.capacity() + more(&entry.value)).sum()
    }

    fn make_room(&mut self) {
        let mut used: Vec<u64> = self.entries.values().map(|entry| entry.used).collect();
        let (_, last, _) = used.select_nth_unstable(self.max / 20);
        let last = *last;
        self.entries.retain(|_, entry| entry.used > last);
    }
}

impl<V: Snapshot> Keyed<V> {
    pub(super) fn save(&self, out: &mut Writer) {
        out.u64(self.uses);
        out.u32(self.entries.len() as u32);
        for (key, entry) in &self.entries {
            out.text(key);
            out.u64(entry.used);
            entry.value.save(out);
        }
    }

    /// Takes over what was saved of one with the same bound.
    pub(super) fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.uses = input.u64()?;
        self.entries.clear();
        for _ in 0..input.count(12)? {
            let key = input.text()?.to_owned();
            let entry = Entry { used: input.u64()?, value: V::load(input)? };
            self.entries.insert(key, entry);
        }
        if self.entries.len() > self.max {
            return Err(SnapshotError::Malformed("more keys than there may be"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Snapshot for u32 {
        fn save(&self, out: &mut Writer) {
            out.u32(*self);
        }

        fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
            input.u32()
        }
    }

    fn keys(keyed: &mut Keyed<u32>) -> Vec<String> {
        keyed.iter_mut().map(|(key, _)| key.to_owned()).collect()
    }

    #[test]
    fn the_idlest_make_room_and_what_was_saved_comes_back() {
        let mut keyed = Keyed::new(40);
        for n in 0..40u32 {
            keyed.use_or_make(&format!("{n:02}"), || n);
        }
        *keyed.use_or_make("00", || 99) += 100;
        keyed.use_or_make("new", || 7);
        // 01, 02 and 03: the twentieth of 40, and one more for the new one.
        assert_eq!(keyed.len(), 38);
        assert_eq!(keys(&mut keyed)[..3], ["00", "04", "05"]);
        let mut out = Writer::default();
        keyed.save(&mut out);
        let saved = out.into_bytes();
        let mut loaded = Keyed::new(40);
        loaded.load(&mut Reader::new(&saved)).expect("a good snapshot");
        assert_eq!(loaded, keyed);
        assert!(Keyed::<u32>::new(3).load(&mut Reader::new(&saved)).is_err());
        assert!(
            (0..saved.len()).all(|cut| Keyed::<u32>::new(40).load(&mut Reader::new(&saved[..cut])).is_err())
        );
        keyed.remove("00");
        assert_eq!(*keyed.use_or_make("00", || 3), 3);
        let mut one = Keyed::new(1);
        one.use_or_make("a", || 1);
        one.use_or_make("b", || 2);
        assert_eq!(keys(&mut one), ["b"]);
    }
}
