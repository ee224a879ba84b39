//! Sliding windows: how much happened to each item in the last minute, hour, ..., exactly to a bucket's width.
//!
//! Time is cut into buckets, [`BUCKETS`] to a window. A bucket lists what it added to each item's total, packed but for what
//! came last; when it leaves the window it is subtracted again. Amounts are integers, so what was added is taken off to the last
//! unit. A late event goes into the bucket of its own time; one older than the window is not counted.
//!
//! ```text
//! totals per item  =  Σ ┌────┬────┬────┬─ ─ ─┬────┐
//!                       │ b0 │ b1 │ b2 │     │ now│   ◀─ advance() drops b0, appends a bucket
//!                       └────┴────┴────┴─ ─ ─┴────┘
//! ```
//!
//! A window of width w therefore reaches back between w·(1 − 1/12) and w.

use std::collections::VecDeque;

use super::amounts::Amounts;
use super::memory::{self, doubling, steady};
use super::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use crate::ids::{ItemIdx, Renumbering};

/// Buckets to a window.
pub const BUCKETS: i64 = 12;

/// What came to a bucket is packed when it is as long as a quarter of the items that were, and at least this long.
const LATEST_MIN: usize = 1024;

/// Amounts per item over a sliding window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Window {
    bucket_ms: i64,
    /// Number of the newest bucket: its time divided by `bucket_ms`.
    newest: i64,
    /// Oldest first; the last one is `newest`. At most [`BUCKETS`].
    buckets: VecDeque<Bucket>,
    totals: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Bucket {
    added: Amounts,
    /// Added since, as it came.
    latest: Vec<(ItemIdx, u32)>,
}

impl Window {
    /// A window of this width.
    pub fn new(width_ms: i64) -> Self {
        Self { bucket_ms: (width_ms / BUCKETS).max(1), ..Self::default() }
    }

    /// Adds `amount` to an item at a time.
    pub fn add(&mut self, item: ItemIdx, time_ms: i64, amount: u32) {
        let number = time_ms.div_euclid(self.bucket_ms);
        self.advance(number);
        let age = self.newest - number;
        if age >= BUCKETS {
            return;
        }
        if self.totals.len() <= item.at() {
            let more = item.at() + 1 - self.totals.len();
            memory::extend(&mut self.totals, more, || 0);
        }
        self.totals[item.at()] = self.totals[item.at()].saturating_add(amount);
        let position = self.buckets.len() as i64 - 1 - age;
        if position < 0 {
            // Before the first event, at most once per bucket: the deque grows to its bound.
            for _ in position..0 {
                self.buckets.push_front(Bucket::default());
            }
        }
        self.buckets[position.max(0) as usize].push(item, amount);
    }

    /// The total of every item with one, as of `now_ms`, in no particular order.
    pub fn read(&self, now_ms: i64) -> Vec<(ItemIdx, u32)> {
        let mut totals = self.totals.clone();
        let behind = now_ms.div_euclid(self.bucket_ms) - self.newest;
        let left = (self.buckets.len() as i64 + behind - BUCKETS).clamp(0, self.buckets.len() as i64);
        for bucket in self.buckets.iter().take(left as usize) {
            bucket.subtract_from(&mut totals);
        }
        let some = |(item, total): (usize, u32)| (total > 0).then_some((ItemIdx(item as u32), total));
        totals.into_iter().enumerate().filter_map(some).collect()
    }

    /// What each bucket added, newest first, as of `now_ms`: the present one and those before it, as far back as the
    /// window or the first event in it. Each item once, in order of index.
    pub(crate) fn buckets(&self, now_ms: i64) -> Vec<Vec<(ItemIdx, u32)>> {
        let behind = now_ms.div_euclid(self.bucket_ms) - self.newest;
        let known = self.buckets.iter().rev().map(Bucket::list);
        let empty = std::iter::repeat_n(Vec::new(), behind.clamp(0, BUCKETS) as usize);
        let ahead = (-behind).max(0) as usize;
        let mut buckets: Vec<_> = empty.chain(known.skip(ahead)).take(BUCKETS as usize).collect();
        // An event that was taken back leaves its bucket behind.
        while buckets.pop_if(|oldest| oldest.is_empty()).is_some() {}
        buckets
    }

    /// What share of the present bucket has passed, in whole milliseconds: above 0, at most 1.
    pub(crate) fn passed(&self, now_ms: i64) -> f64 {
        (now_ms.rem_euclid(self.bucket_ms) + 1) as f64 / self.bucket_ms as f64
    }

    /// Takes back what [`Window::add`] added, as far as it is still within the window.
    pub fn remove(&mut self, item: ItemIdx, time_ms: i64, amount: u32) {
        let age = self.newest - time_ms.div_euclid(self.bucket_ms);
        let position = self.buckets.len() as i64 - 1 - age;
        if age < 0 || position < 0 {
            return;
        }
        let bucket = &mut self.buckets[position as usize];
        let mut added = bucket.list();
        if let Ok(place) = added.binary_search_by_key(&item, |entry| entry.0) {
            let taken = amount.min(added[place].1);
            added[place].1 -= taken;
            *bucket = Bucket::of(added);
            self.totals[item.at()] = self.totals[item.at()].saturating_sub(taken);
        }
    }

    /// Gives items their new indexes and drops the others.
    pub fn renumber(&mut self, renumbering: &Renumbering) {
        renumbering.compact(&mut self.totals);
        for bucket in &mut self.buckets {
            let kept = |(item, amount)| renumbering.item(item).map(|new| (new, amount));
            *bucket = Bucket::of(bucket.list().into_iter().filter_map(kept));
        }
    }

    /// Makes every bucket's list as short as can be.
    pub(crate) fn pack(&mut self) {
        self.buckets.iter_mut().for_each(Bucket::pack);
    }

    /// Most bytes that so many entries may take, right after [`Window::pack`].
    pub(crate) fn size_bound(&self) -> usize {
        let latest = |bucket: &Bucket| doubling::<(ItemIdx, u32)>(bucket.latest.len());
        let listed = self.buckets.iter().map(|bucket| bucket.added.size_bytes() + latest(bucket));
        listed.sum::<usize>() + steady::<u32>(self.totals.len())
    }

    /// Bytes held, by capacity.
    pub fn size_bytes(&self) -> usize {
        let latest = |bucket: &Bucket| bucket.latest.capacity() * size_of::<(ItemIdx, u32)>();
        let listed = self.buckets.iter().map(|bucket| bucket.added.size_bytes() + latest(bucket));
        listed.sum::<usize>() + self.totals.capacity() * 4
    }

    fn advance(&mut self, number: i64) {
        if self.buckets.is_empty() {
            self.newest = number;
            self.buckets.push_back(Bucket::default());
        }
        for _ in 0..(number - self.newest).clamp(0, BUCKETS) {
            if self.buckets.len() as i64 == BUCKETS
                && let Some(oldest) = self.buckets.pop_front()
            {
                oldest.subtract_from(&mut self.totals);
            }
            self.buckets.back_mut().into_iter().for_each(Bucket::pack);
            self.buckets.push_back(Bucket::default());
        }
        self.newest = self.newest.max(number);
    }
}

impl Bucket {
    /// Of amounts in order of index, each item once.
    fn of(added: impl IntoIterator<Item = (ItemIdx, u32)>) -> Self {
        Self { added: added.into_iter().collect(), latest: Vec::new() }
    }

    fn push(&mut self, item: ItemIdx, amount: u32) {
        self.latest.push((item, amount));
        if self.latest.len() >= LATEST_MIN.max(self.added.len() / 4) {
            self.pack();
        }
    }

    fn pack(&mut self) {
        if !self.latest.is_empty() {
            *self = Self::of(self.list());
        }
    }

    /// All that was added, each item once and in order of index.
    fn list(&self) -> Vec<(ItemIdx, u32)> {
        let mut latest = self.latest.clone();
        latest.sort_unstable();
        let mut list: Vec<(ItemIdx, u32)> = Vec::with_capacity(self.added.len() + latest.len());
        let mut add = |(item, amount): (ItemIdx, u32)| match list.last_mut() {
            Some(last) if last.0 == item => last.1 = last.1.saturating_add(amount),
            _ => list.push((item, amount)),
        };
        let mut latest = latest.into_iter().peekable();
        for entry in self.added.iter() {
            while let Some(earlier) = latest.next_if(|other| other.0 < entry.0) {
                add(earlier);
            }
            add(entry);
        }
        latest.for_each(add);
        list
    }

    fn subtract_from(&self, totals: &mut [u32]) {
        for (item, amount) in self.added.iter().chain(self.latest.iter().copied()) {
            let total = &mut totals[item.at()];
            *total = total.saturating_sub(amount);
        }
    }
}

impl Snapshot for Window {
    fn save(&self, out: &mut Writer) {
        out.i64(self.bucket_ms);
        out.i64(self.newest);
        out.u32(self.totals.len() as u32);
        out.u32(self.buckets.len() as u32);
        for bucket in &self.buckets {
            // As one list, so that the bytes do not depend on when it was packed.
            let added = bucket.list();
            out.u32(added.len() as u32);
            for (item, amount) in added {
                out.u32(item.0);
                out.u32(amount);
            }
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let bucket_ms = input.i64()?;
        let newest = input.i64()?;
        let items = input.u32()? as usize;
        let mut totals = vec![0u32; items.min(1 << 28)];
        let mut buckets = VecDeque::new();
        for _ in 0..input.count(4)? {
            let mut added: Vec<(ItemIdx, u32)> = Vec::new();
            for _ in 0..input.count(8)? {
                let (item, amount) = (ItemIdx(input.u32()?), input.u32()?);
                let total = totals.get_mut(item.at()).ok_or(SnapshotError::Malformed("window item"))?;
                if added.last().is_some_and(|last| last.0 >= item) {
                    return Err(SnapshotError::Malformed("window order"));
                }
                *total = total.saturating_add(amount);
                added.push((item, amount));
            }
            buckets.push_back(Bucket::of(added));
        }
        if bucket_ms < 1 || buckets.len() as i64 > BUCKETS {
            return Err(SnapshotError::Malformed("window shape"));
        }
        Ok(Self { bucket_ms, newest, buckets, totals })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: ItemIdx = ItemIdx(0);
    const B: ItemIdx = ItemIdx(1);

    #[test]
    fn what_is_old_leaves() {
        let mut window = Window::new(1200);
        window.add(A, 0, 1);
        window.add(B, 500, 2);
        assert_eq!(window.read(1199), [(A, 1), (B, 2)]);
        assert_eq!(window.read(1200), [(B, 2)]);
        window.add(A, 1250, 4);
        assert_eq!(window.read(1250), [(A, 4), (B, 2)]);
        assert_eq!(window.read(1700), [(A, 4)]);
        assert_eq!(window.read(1 << 40), []);
    }

    #[test]
    fn late_events_count_in_their_own_time() {
        let mut window = Window::new(1200);
        window.add(A, 1100, 1);
        window.add(B, 200, 1);
        assert_eq!(window.read(1100), [(A, 1), (B, 1)]);
        assert_eq!(window.read(1400), [(A, 1)]);
        window.add(A, 2400, 1);
        window.add(B, 1100, 1);
        assert_eq!(window.read(2400), [(A, 1)], "older than the window: not counted");
    }

    #[test]
    fn what_is_taken_back_was_never_there() {
        let mut window = Window::new(1200);
        window.add(A, 100, 3);
        window.add(B, 150, 2);
        window.remove(A, 100, 3);
        window.remove(A, 100, 1);
        window.remove(B, 5000, 1);
        window.remove(B, -5000, 1);
        assert_eq!(window.read(150), [(B, 2)]);
    }

    proptest! {
        #[test]
        fn equals_counting_by_hand(events in prop::collection::vec((0u32..5, 0i64..5000, 1u32..4), 1..3000)) {
            let mut window = Window::new(1200);
            let mut newest = 0;
            let mut counted = Vec::new();
            for &(item, time_ms, amount) in &events {
                newest = newest.max(time_ms / 100);
                window.add(ItemIdx(item), time_ms, amount);
                counted.push((item, time_ms / 100, amount));
            }
            let mut expected = [0u32; 5];
            for (item, bucket, amount) in counted {
                if newest - bucket < BUCKETS {
                    expected[item as usize] += amount;
                }
            }
            let mut read = [0u32; 5];
            for (item, total) in window.read(newest * 100) {
                read[item.at()] = total;
            }
            prop_assert_eq!(read, expected);
        }
    }
}
