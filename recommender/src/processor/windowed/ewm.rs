//! Exponentially weighted figures of each key, told whenever they change.
//!
//! ```text
//! number ─▶ waits until the watermark has reached its time ─▶ sums of its key, in order of time ─▶ told
//! ```
//! Numbers up to `delay` out of order are taken in in order of time, those of one key and time together. One that comes
//! later is taken in as well, up to `grace` behind the watermark: what is told from then on is as if it had come in time,
//! and what was told before stays. Later than that it is late.

use std::collections::BTreeMap;

use super::rule::EwmSettings;
use crate::processor::keyed::Keyed;
use crate::state::snapshot::{Reader, SnapshotError, Writer};
use crate::windows::{Fading, Taken};

/// What a number that waits takes beside its key.
const WAITING_BYTES: usize = 96;

/// Figures by key.
#[derive(Debug)]
pub(super) struct Ewm {
    settings: EwmSettings,
    newest_ms: Option<i64>,
    /// How many numbers, and their sum, by time and key: what the watermark has not reached.
    waiting: BTreeMap<(i64, String), (u64, f64)>,
    keys: Keyed<Fading>,
}

impl Ewm {
    pub(super) fn new(settings: EwmSettings) -> Self {
        Self { settings, newest_ms: None, waiting: BTreeMap::new(), keys: Keyed::new(settings.keys_max) }
    }

    /// Takes in a number under a key.
    pub(super) fn add(&mut self, key: String, time_ms: i64, number: f64) -> Taken {
        self.newest_ms = Some(self.newest_ms.map_or(time_ms, |newest| newest.max(time_ms)));
        if self.watermark_ms().is_some_and(|mark| time_ms.saturating_add(self.settings.grace_ms) < mark) {
            return Taken::Late;
        }
        let (numbers, sum) = self.waiting.entry((time_ms, key)).or_default();
        *numbers += 1;
        *sum += number;
        Taken::In
    }

    /// Notes that time has gone on without a number, if there ever was one.
    pub(super) fn pass(&mut self, time_ms: i64) {
        self.newest_ms = self.newest_ms.map(|newest| newest.max(time_ms));
    }

    /// Tells key and sums of what the watermark has reached since, in order of time.
    pub(super) fn tell(&mut self, mut told: impl FnMut(&str, &Fading)) {
        let Some(watermark_ms) = self.watermark_ms() else { return };
        while let Some(first) = self.waiting.first_entry() {
            if first.key().0 > watermark_ms && self.waiting.len() <= self.settings.keys_max {
                return;
            }
            let Some(((time_ms, key), (numbers, sum))) = self.waiting.pop_first() else { return };
            let fading = self.keys.use_or_make(&key, Fading::default);
            fading.add(self.settings.half_life_ms as f64, time_ms, numbers, sum);
            told(&key, fading);
        }
    }

    fn watermark_ms(&self) -> Option<i64> {
        self.newest_ms.map(|newest| newest.saturating_sub(self.settings.delay_ms))
    }

    /// Drops all of a key, as if it had never been.
    pub(super) fn forget(&mut self, key: &str) {
        self.keys.remove(key);
        self.waiting.retain(|(_, waiting), _| waiting != key);
    }

    pub(super) fn size_bytes(&self) -> usize {
        let waiting: usize = self.waiting.keys().map(|(_, key)| WAITING_BYTES + key.len()).sum();
        waiting + self.keys.size_bytes(|_| 0)
    }

    pub(super) fn save(&self, out: &mut Writer) {
        out.u8(u8::from(self.newest_ms.is_some()));
        out.i64(self.newest_ms.unwrap_or_default());
        out.u32(self.waiting.len() as u32);
        for ((time_ms, key), (numbers, sum)) in &self.waiting {
            out.i64(*time_ms);
            out.text(key);
            out.u64(*numbers);
            out.f64(*sum);
        }
        self.keys.save(out);
    }

    pub(super) fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        *self = Self::new(self.settings);
        let known = input.u8()? != 0;
        self.newest_ms = Some(input.i64()?).filter(|_| known);
        for _ in 0..input.count(28)? {
            let at = (input.i64()?, input.text()?.to_owned());
            self.waiting.insert(at, (input.u64()?, input.f64()?));
        }
        self.keys.load(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::Figure;

    fn ewm(delay_ms: i64, grace_ms: i64, keys_max: usize) -> Ewm {
        Ewm::new(EwmSettings { half_life_ms: 10, delay_ms, grace_ms, keys_max })
    }

    /// Key, time and average of what is told.
    fn told(ewm: &mut Ewm) -> Vec<(String, i64, f64)> {
        let mut told = Vec::new();
        ewm.tell(|key, fading| {
            told.push((key.to_owned(), fading.as_of_ms(), fading.figure(Figure::Average).unwrap()));
        });
        told
    }

    #[test]
    fn numbers_up_to_the_delay_out_of_order_are_taken_in_in_order() {
        let mut one = ewm(5, 0, 100);
        for (time, number) in [(10, 8.0), (0, 2.0), (15, 0.0)] {
            one.add("a".to_owned(), time, number);
        }
        // Ten later half of the 2 is left: (2/2 + 8)/(1/2 + 1). The 2 was late by the watermark of 5.
        assert_eq!(told(&mut one), [("a".to_owned(), 10, 8.0)]);
        let mut two = ewm(10, 0, 100);
        for (time, number) in [(10, 8.0), (0, 2.0), (20, 0.0)] {
            assert_eq!(two.add("a".to_owned(), time, number), Taken::In);
        }
        assert_eq!(told(&mut two), [("a".to_owned(), 0, 2.0), ("a".to_owned(), 10, 6.0)]);
    }

    #[test]
    fn what_is_late_counts_from_then_on_within_the_grace() {
        let mut one = ewm(0, 10, 100);
        one.add("a".to_owned(), 10, 8.0);
        assert_eq!(told(&mut one), [("a".to_owned(), 10, 8.0)]);
        assert_eq!(one.add("a".to_owned(), 0, 2.0), Taken::In);
        assert_eq!(told(&mut one), [("a".to_owned(), 10, 6.0)]);
        one.add("b".to_owned(), 11, 1.0);
        assert_eq!(one.add("a".to_owned(), 0, 2.0), Taken::Late);
        assert_eq!(told(&mut one), [("b".to_owned(), 11, 1.0)]);
    }

    #[test]
    fn it_is_bounded_and_forgets() {
        let mut one = ewm(1000, 0, 2);
        for time in [30, 10, 20] {
            one.add("a".to_owned(), time, 1.0);
        }
        assert_eq!(told(&mut one), [("a".to_owned(), 10, 1.0)], "the first makes room");
        for key in ["b", "c", "d"] {
            one.add(key.to_owned(), 40, 1.0);
        }
        one.pass(1040);
        let keys: Vec<_> = told(&mut one).into_iter().map(|(key, time, _)| format!("{key}{time}")).collect();
        assert_eq!(keys, ["a20", "a30", "b40", "c40", "d40"]);
        assert!(one.keys.len() <= 2);
        one.add("d".to_owned(), 2000, 1.0);
        one.forget("d");
        one.pass(5000);
        assert_eq!(told(&mut one), []);
    }

    #[test]
    fn what_was_saved_goes_on() {
        let mut one = ewm(15, 5, 100);
        let number =
            |n: i64| ((n * 7 % 5) as f64, ["a", "b"][(n % 2) as usize].to_owned(), n * 3 - n % 4 * 5);
        let feed = |one: &mut Ewm, n| {
            let (number, key, time) = number(n);
            one.add(key, time, number);
            told(one)
        };
        (0..20).for_each(|n| drop(feed(&mut one, n)));
        let mut out = Writer::default();
        one.save(&mut out);
        let bytes = out.into_bytes();
        let (mut two, mut input) = (ewm(15, 5, 100), Reader::new(&bytes));
        two.load(&mut input).expect("what was saved");
        input.finish().expect("nothing left");
        assert!((20..40).all(|n| feed(&mut one, n) == feed(&mut two, n)));
        assert!((0..bytes.len()).all(|cut| ewm(15, 5, 100).load(&mut Reader::new(&bytes[..cut])).is_err()));
    }
}
