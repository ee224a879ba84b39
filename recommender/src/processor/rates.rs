//! How much there was of something lately: events, or different things, in a window that ends with the newest event.

use std::collections::BTreeMap;

use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// Parts of a window that are counted by themselves.
const PARTS: usize = 12;

/// Events of a window, to a twelfth of it: never one that is older, and all of the last eleven twelfths.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rate {
    /// The newest part, counted from 1970.
    newest: i64,
    /// Each at its number modulo [`PARTS`].
    counts: [u32; PARTS],
}

impl Rate {
    /// Counts an event; returns how many there are in the window now. One that is older than the window counts nowhere.
    pub(super) fn add(&mut self, time_ms: i64, window_ms: i64) -> u32 {
        let part = time_ms.div_euclid((window_ms / PARTS as i64).max(1));
        let passed = part.saturating_sub(self.newest).clamp(0, PARTS as i64);
        for back in 0..passed {
            self.counts[slot(part - back)] = 0;
        }
        self.newest = self.newest.max(part);
        if part > self.newest - PARTS as i64 {
            let count = &mut self.counts[slot(part)];
            *count = count.saturating_add(1);
        }
        self.counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }
}

fn slot(part: i64) -> usize {
    part.rem_euclid(PARTS as i64) as usize
}

impl Snapshot for Rate {
    fn save(&self, out: &mut Writer) {
        out.i64(self.newest);
        self.counts.iter().for_each(|&count| out.u32(count));
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut rate = Self { newest: input.i64()?, ..Self::default() };
        for count in &mut rate.counts {
            *count = input.u32()?;
        }
        Ok(rate)
    }
}

/// Different things of a window, by hash: so many of them and one more are told apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Distinct {
    newest_ms: i64,
    /// When each was last there.
    last_ms: BTreeMap<u64, i64>,
}

impl Distinct {
    /// Notes a thing; returns how many there are in the window now, at most `limit` + 1.
    pub(super) fn add(&mut self, thing: u64, time_ms: i64, window_ms: i64, limit: u32) -> u32 {
        self.newest_ms = self.newest_ms.max(time_ms);
        let from = self.newest_ms.saturating_sub(window_ms);
        if time_ms > from {
            let last = self.last_ms.entry(thing).or_insert(time_ms);
            *last = time_ms.max(*last);
        }
        if self.last_ms.len() > limit as usize {
            self.last_ms.retain(|_, last_ms| *last_ms > from);
        }
        if self.last_ms.len() > limit as usize + 1 {
            let oldest = self.last_ms.iter().min_by_key(|(thing, last_ms)| (**last_ms, **thing));
            if let Some((&oldest, _)) = oldest {
                self.last_ms.remove(&oldest);
            }
        }
        self.last_ms.len() as u32
    }

    /// Bytes held elsewhere.
    pub(super) fn size_bytes(&self) -> usize {
        self.last_ms.len() * 24
    }
}

impl Snapshot for Distinct {
    fn save(&self, out: &mut Writer) {
        out.i64(self.newest_ms);
        out.u32(self.last_ms.len() as u32);
        for (&thing, &last_ms) in &self.last_ms {
            out.u64(thing);
            out.i64(last_ms);
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut distinct = Self { newest_ms: input.i64()?, ..Self::default() };
        for _ in 0..input.count(16)? {
            distinct.last_ms.insert(input.u64()?, input.i64()?);
        }
        Ok(distinct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::random::Random;

    #[test]
    fn a_rate_counts_the_window_to_a_twelfth() {
        let (mut rate, mut random) = (Rate::default(), Random(1));
        let mut times: Vec<i64> = Vec::new();
        let mut now = 1_000_000;
        for _ in 0..5000 {
            let pause = if random.below(50) == 0 { 4000 } else { 40 };
            now += random.below(pause) as i64;
            // Now and then one comes late.
            let time = now - if random.below(10) == 0 { random.below(2000) as i64 } else { 0 };
            times.push(time);
            let newest = times.iter().copied().max().unwrap();
            let within = |window: i64| times.iter().filter(|&&time| time > newest - window).count() as u32;
            let counted = rate.add(time, 1200);
            assert!((within(1100)..=within(1200)).contains(&counted), "{counted} at {time}");
        }
        assert_eq!(Rate::default().add(i64::MAX, 1), 1);
        assert_eq!(Rate::default().add(0, 1200), 1);
    }

    #[test]
    fn different_things_are_counted_once_and_bounded() {
        let mut distinct = Distinct::default();
        let mut add = |thing, time_ms| distinct.add(thing, time_ms, 100, 3);
        let counted = [add(1, 1000), add(1, 1010), add(2, 1020), add(3, 1030), add(4, 1040), add(5, 1050)];
        assert_eq!(counted, [1, 1, 2, 3, 4, 4]);
        // 1 has made room; 2 to 4 are older than 1145 − 100.
        assert_eq!((add(6, 1145), add(7, 900)), (2, 2));
        assert!(distinct.size_bytes() < 200);
    }

    #[test]
    fn what_was_saved_comes_back() {
        let (mut rate, mut distinct) = (Rate::default(), Distinct::default());
        for n in 0..40 {
            rate.add(n * 7, 100);
            distinct.add(n as u64 % 9, n * 7, 100, 5);
        }
        let mut out = Writer::default();
        rate.save(&mut out);
        distinct.save(&mut out);
        let saved = out.into_bytes();
        let mut input = Reader::new(&saved);
        assert_eq!((Rate::load(&mut input), Distinct::load(&mut input)), (Ok(rate), Ok(distinct)));
        assert_eq!(input.finish(), Ok(()));
    }
}
