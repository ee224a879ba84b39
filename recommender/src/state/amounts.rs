//! How much was added to each item, in one or two bytes an item: what the buckets of windows are kept as.
//!
//! ```text
//! items in order of index, of each:  2·(indexes passed over) + (amount > 1)  │  amount − 2, if it is above 1
//! ```
//!
//! Both are numbers of 7 bits to a byte, lowest first, the topmost bit saying that more follow. A busy bucket has nearly
//! every item, an idle one few that came more than once.

use crate::ids::ItemIdx;

/// Items, each once and in order of index, with the amounts added to them, above 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Amounts {
    bytes: Box<[u8]>,
    len: usize,
}

impl Amounts {
    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The items and their amounts.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ItemIdx, u32)> {
        let (mut left, mut next) = (&*self.bytes, 0u64);
        std::iter::from_fn(move || {
            if left.is_empty() {
                return None;
            }
            let step = take_number(&mut left);
            let item = ItemIdx((next + (step >> 1)) as u32);
            next = u64::from(item.0) + 1;
            let amount = if step & 1 == 1 { take_number(&mut left) + 2 } else { 1 };
            Some((item, amount as u32))
        })
    }

    /// Bytes held.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl FromIterator<(ItemIdx, u32)> for Amounts {
    /// Of items in order of index, of which those with nothing are left out.
    fn from_iter<T: IntoIterator<Item = (ItemIdx, u32)>>(added: T) -> Self {
        let (mut bytes, mut len, mut next) = (Vec::new(), 0, 0);
        for (item, amount) in added.into_iter().filter(|&(_, amount)| amount > 0) {
            let step = u64::from(item.0 - next) << 1;
            put_number(&mut bytes, step | u64::from(amount > 1));
            if amount > 1 {
                put_number(&mut bytes, u64::from(amount - 2));
            }
            next = item.0 + 1;
            len += 1;
        }
        Self { bytes: bytes.into(), len }
    }
}

fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    while let Some((&byte, rest)) = bytes.split_first() {
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn come_back_as_they_went_in(added in prop::collection::btree_map(any::<u32>(), 1u32.., 0..50), shift in 0u32..32) {
            let added: std::collections::BTreeMap<u32, u32> =
                added.into_iter().map(|(item, amount)| (item >> shift, (amount >> shift).max(1))).collect();
            let amounts: Amounts = added.iter().map(|(&item, &amount)| (ItemIdx(item), amount)).collect();
            prop_assert!(amounts.iter().eq(added.iter().map(|(&item, &amount)| (ItemIdx(item), amount))));
            prop_assert_eq!(amounts.len(), added.len());
        }
    }

    #[test]
    fn what_is_common_takes_a_byte() {
        let amounts: Amounts = (0..100).map(|n| (ItemIdx(n), n % 3)).collect();
        assert_eq!((amounts.len(), amounts.size_bytes()), (66, 66 + 33));
    }
}
