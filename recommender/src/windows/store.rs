//! Windows by key, told and dropped by the watermark.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cut::Cut;
use super::figure::Totals;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// What a window takes beside its key: its own bytes, three entries of maps.
const WINDOW_BYTES: usize = size_of::<Pane>() + 3 * 64;

/// How windows are cut and when they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How time is cut.
    pub cut: Cut,
    /// How far the watermark is behind the newest time, ms.
    pub delay_ms: i64,
    /// How long a window that was told still takes numbers, ms.
    pub grace_ms: i64,
    /// Most windows at a time.
    pub windows_max: usize,
}

/// What became of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is in every window that it belongs to and that is still there.
    In,
    /// Every window that it belongs to is gone.
    Late,
}

/// A window that was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The key.
    pub key: Arc<str>,
    /// Where it begins, ms.
    pub start_ms: i64,
    /// Where it ends; this is no more in it.
    pub end_ms: i64,
    /// What is in it; `None` if a window told before is part of a longer one now.
    pub totals: Option<Totals>,
}

/// Windows by key.
#[derive(Debug)]
pub struct Windows {
    settings: Settings,
    newest_ms: Option<i64>,
    /// What ended by this was dropped for want of room.
    dropped_ms: i64,
    /// By key and start.
    panes: BTreeMap<(Arc<str>, i64), Pane>,
    /// Those that have changed since they were told, by end, key and start.
    due: BTreeSet<(i64, Arc<str>, i64)>,
    /// All of them, in the same order.
    ends: BTreeSet<(i64, Arc<str>, i64)>,
    /// Sessions that were told and are part of longer ones now, to be taken back: start and end.
    retracted: Vec<(Arc<str>, i64, i64)>,
    key_bytes: usize,
    late: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Pane {
    end_ms: i64,
    totals: Totals,
    /// Of a sliding window the numbers of its very end, of which others that end later are made.
    own: Totals,
    told: bool,
}

impl Windows {
    /// None yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            newest_ms: None,
            dropped_ms: i64::MIN,
            panes: BTreeMap::new(),
            due: BTreeSet::new(),
            ends: BTreeSet::new(),
            retracted: Vec::new(),
            key_bytes: 0,
            late: 0,
        }
    }

    /// Takes in a number under a key.
    pub fn add(&mut self, key: &str, time_ms: i64, value: f64) -> Taken {
        self.newest_ms = Some(self.newest_ms.map_or(time_ms, |newest| newest.max(time_ms)));
        let (key, own) = (Arc::<str>::from(key), Totals::of(time_ms, value));
        let taken = match self.settings.cut {
            Cut::Tumbling { .. } | Cut::Hopping { .. } => self.add_aligned(&key, time_ms, &own),
            Cut::Sliding { size_ms } => self.add_sliding(&key, time_ms, size_ms, &own),
            Cut::Session { gap_ms } => self.add_session(&key, time_ms, gap_ms, own),
        };
        self.late += u64::from(taken == Taken::Late);
        taken
    }

    /// Notes that time has gone on without a number, if there ever was one.
    pub fn pass(&mut self, time_ms: i64) {
        self.newest_ms = self.newest_ms.map(|newest| newest.max(time_ms));
    }

    /// Tells every window that the watermark has passed and that has changed since it was told, by end and key, and drops
    /// those that take no more numbers.
    pub fn close(&mut self, out: &mut Vec<Told>) {
        let Some(watermark_ms) = self.watermark_ms() else { return };
        for (key, start_ms, end_ms) in self.retracted.drain(..) {
            out.push(Told { key, start_ms, end_ms, totals: None });
        }
        while self.due.first().is_some_and(|(end, _, _)| *end <= watermark_ms) {
            self.tell_first(out);
        }
        while self.ends.first().is_some_and(|(end, _, _)| self.last_use(*end) <= watermark_ms) {
            self.drop_first(out);
        }
        while self.panes.len() > self.settings.windows_max {
            self.dropped_ms = self.ends.first().map_or(self.dropped_ms, |(end, _, _)| *end);
            self.drop_first(out);
        }
    }

    /// Up to where no more numbers are expected; `None` before the first.
    pub fn watermark_ms(&self) -> Option<i64> {
        self.newest_ms.map(|newest| newest.saturating_sub(self.settings.delay_ms))
    }

    /// How many numbers came late.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// How many windows there are.
    pub fn len(&self) -> usize {
        self.panes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.panes.is_empty()
    }

    /// About how many bytes are held.
    pub fn size_bytes(&self) -> usize {
        self.panes.len() * WINDOW_BYTES + self.key_bytes
    }

    /// Drops every window of a key, as if it had never been.
    pub fn forget(&mut self, key: &str) {
        let key = Arc::<str>::from(key);
        let of_key = self.panes.range((Arc::clone(&key), i64::MIN)..=(Arc::clone(&key), i64::MAX));
        let starts: Vec<i64> = of_key.map(|((_, start), _)| *start).collect();
        for start in starts {
            self.remove(&key, start);
        }
        self.retracted.retain(|(retracted, _, _)| *retracted != key);
    }

    /// Whether a window that ends there takes no more numbers.
    fn is_gone(&self, end_ms: i64) -> bool {
        end_ms <= self.dropped_ms
            || self
                .watermark_ms()
                .is_some_and(|watermark| end_ms.saturating_add(self.settings.grace_ms) <= watermark)
    }

    /// When a window that ends there is of no more use.
    fn last_use(&self, end_ms: i64) -> i64 {
        // Of a sliding one, what ends later is made.
        let reach = if let Cut::Sliding { size_ms } = self.settings.cut { size_ms } else { 0 };
        end_ms.saturating_add(self.settings.grace_ms).saturating_add(reach)
    }

    fn add_aligned(&mut self, key: &Arc<str>, time_ms: i64, own: &Totals) -> Taken {
        let mut taken = Taken::Late;
        for (start, end) in self.settings.cut.windows_of(time_ms) {
            if !self.is_gone(end) {
                taken = Taken::In;
                self.merge(key, start, end, own);
            }
        }
        taken
    }

    fn add_sliding(&mut self, key: &Arc<str>, time_ms: i64, size_ms: i64, own: &Totals) -> Taken {
        let (start, end) = (time_ms.saturating_sub(size_ms), time_ms.saturating_add(1));
        if self.is_gone(end) {
            return Taken::Late;
        }
        let at = (Arc::clone(key), start);
        if let Some(pane) = self.panes.get_mut(&at) {
            pane.own.add(own);
            pane.totals.add(own);
            self.changed(key, start, end);
        } else {
            // Those that end before it within reach, and it: the windows are by start, which is the end less one length.
            let before = self.panes.range((Arc::clone(key), start.saturating_sub(size_ms))..at);
            let mut totals: Option<Totals> = None;
            for own in before.map(|(_, pane)| pane.own).chain([*own]) {
                match &mut totals {
                    Some(totals) => totals.add(&own),
                    None => totals = Some(own),
                }
            }
            self.insert(
                key,
                start,
                Pane { end_ms: end, totals: totals.unwrap_or(*own), own: *own, told: false },
            );
        }
        if size_ms == 0 {
            return Taken::In;
        }
        // Those that end after it within reach.
        let after = (Arc::clone(key), start.saturating_add(1))..=(Arc::clone(key), time_ms);
        let later: Vec<(i64, i64)> =
            self.panes.range(after).map(|((_, start), pane)| (*start, pane.end_ms)).collect();
        for (start, end) in later {
            if let Some(pane) = self.panes.get_mut(&(Arc::clone(key), start)) {
                pane.totals.add(own);
            }
            self.changed(key, start, end);
        }
        Taken::In
    }

    fn add_session(&mut self, key: &Arc<str>, time_ms: i64, gap_ms: i64, own: Totals) -> Taken {
        let mut merged = Pane { end_ms: time_ms.saturating_add(gap_ms), totals: own, own, told: false };
        let mut start = time_ms;
        // Sessions of a key do not overlap: at most one begins before the number and reaches it, and those that begin
        // within a gap after it are reached by it.
        let before = self.panes.range((Arc::clone(key), i64::MIN)..=(Arc::clone(key), time_ms)).next_back();
        let before = before.filter(|(_, pane)| pane.end_ms >= time_ms).map(|((_, start), _)| *start);
        let after = (Arc::clone(key), time_ms.saturating_add(1))..=(Arc::clone(key), merged.end_ms);
        let joined: Vec<i64> =
            before.into_iter().chain(self.panes.range(after).map(|((_, start), _)| *start)).collect();
        let of_key = |start: &i64| self.panes.get(&(Arc::clone(key), *start)).map(|pane| pane.end_ms);
        let end = joined.iter().filter_map(of_key).fold(merged.end_ms, i64::max);
        if self.is_gone(end) {
            return Taken::Late;
        }
        let alone = joined.len() == 1;
        for from in joined {
            let Some(pane) = self.remove(key, from) else { continue };
            // What was told under the same beginning and end is told anew, else taken back.
            if alone && from <= time_ms && pane.end_ms == end {
                merged.told = pane.told;
            } else if pane.told {
                self.retracted.push((Arc::clone(key), from, pane.end_ms));
            }
            let mut totals = pane.totals;
            totals.add(&merged.totals);
            merged.totals = totals;
            start = start.min(from);
        }
        merged.end_ms = end;
        self.insert(key, start, merged);
        Taken::In
    }

    fn merge(&mut self, key: &Arc<str>, start: i64, end: i64, own: &Totals) {
        match self.panes.get_mut(&(Arc::clone(key), start)) {
            Some(pane) => {
                pane.totals.add(own);
                self.changed(key, start, end);
            }
            None => self.insert(key, start, Pane { end_ms: end, totals: *own, own: *own, told: false }),
        }
    }

    fn insert(&mut self, key: &Arc<str>, start: i64, pane: Pane) {
        let end = pane.end_ms;
        self.panes.insert((Arc::clone(key), start), pane);
        self.ends.insert((end, Arc::clone(key), start));
        self.key_bytes += key.len();
        self.changed(key, start, end);
    }

    fn changed(&mut self, key: &Arc<str>, start: i64, end: i64) {
        self.due.insert((end, Arc::clone(key), start));
    }

    fn remove(&mut self, key: &Arc<str>, start: i64) -> Option<Pane> {
        let pane = self.panes.remove(&(Arc::clone(key), start))?;
        let at = (pane.end_ms, Arc::clone(key), start);
        self.due.remove(&at);
        self.ends.remove(&at);
        self.key_bytes -= key.len();
        Some(pane)
    }

    fn tell_first(&mut self, out: &mut Vec<Told>) {
        let Some((end_ms, key, start_ms)) = self.due.pop_first() else { return };
        if let Some(pane) = self.panes.get_mut(&(Arc::clone(&key), start_ms)) {
            pane.told = true;
            out.push(Told { key, start_ms, end_ms, totals: Some(pane.totals) });
        }
    }

    /// Drops the window that ends first, and tells it if that was still to be done.
    fn drop_first(&mut self, out: &mut Vec<Told>) {
        let Some((end_ms, key, start_ms)) = self.ends.first().cloned() else { return };
        let is_due = self.due.contains(&(end_ms, Arc::clone(&key), start_ms));
        if let Some(pane) = self.remove(&key, start_ms).filter(|_| is_due) {
            out.push(Told { key, start_ms, end_ms, totals: Some(pane.totals) });
        }
    }

    /// Appends every window.
    pub fn save(&self, out: &mut Writer) {
        out.u8(u8::from(self.newest_ms.is_some()));
        out.i64(self.newest_ms.unwrap_or_default());
        out.i64(self.dropped_ms);
        out.u64(self.late);
        out.u32(self.panes.len() as u32);
        for ((key, start), pane) in &self.panes {
            out.text(key);
            out.i64(*start);
            out.i64(pane.end_ms);
            pane.totals.save(out);
            pane.own.save(out);
            let is_due = self.due.contains(&(pane.end_ms, Arc::clone(key), *start));
            out.u8(u8::from(pane.told) | u8::from(is_due) << 1);
        }
        out.u32(self.retracted.len() as u32);
        for (key, start, end) in &self.retracted {
            out.text(key);
            out.i64(*start);
            out.i64(*end);
        }
    }

    /// Replaces every window by those that were saved.
    ///
    /// # Errors
    /// The bytes are none.
    pub fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        *self = Self::new(self.settings);
        let known = input.u8()? != 0;
        self.newest_ms = Some(input.i64()?).filter(|_| known);
        self.dropped_ms = input.i64()?;
        self.late = input.u64()?;
        for _ in 0..input.count(130)? {
            let key = Arc::<str>::from(input.text()?);
            let (start, end_ms) = (input.i64()?, input.i64()?);
            let (totals, own) = (Totals::load(input)?, Totals::load(input)?);
            let flags = input.u8()?;
            self.insert(&key, start, Pane { end_ms, totals, own, told: flags & 1 != 0 });
            if flags & 2 == 0 {
                self.due.remove(&(end_ms, key, start));
            }
        }
        for _ in 0..input.count(20)? {
            let retracted = (Arc::<str>::from(input.text()?), input.i64()?, input.i64()?);
            self.retracted.push(retracted);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::figure::Figure;
    use super::*;

    fn windows(cut: Cut, delay_ms: i64, grace_ms: i64) -> Windows {
        Windows::new(Settings { cut, delay_ms, grace_ms, windows_max: 1_000_000 })
    }

    /// Start, end, and if there is anything in it count and sum.
    type Short = (i64, i64, Option<(u64, f64)>);

    /// What is told.
    fn told(windows: &mut Windows) -> Vec<Short> {
        let mut out = Vec::new();
        windows.close(&mut out);
        let totals = |told: &Told| told.totals.map(|all| (all.count(), all.figure(Figure::Sum)));
        out.iter().map(|told| (told.start_ms, told.end_ms, totals(told))).collect()
    }

    #[test]
    fn a_window_is_told_when_the_watermark_has_passed_it_and_again_within_its_grace() {
        let mut one = windows(Cut::Tumbling { size_ms: 10 }, 2, 5);
        one.add("a", 3, 1.0);
        one.add("a", 11, 2.0);
        assert_eq!(told(&mut one), [], "the watermark is at 9");
        // Out of order by less than the delay: nobody notices.
        one.add("a", 9, 4.0);
        one.add("a", 12, 8.0);
        assert_eq!(told(&mut one), [(0, 10, Some((2, 5.0)))]);
        assert_eq!(one.add("a", 5, 16.0), Taken::In);
        assert_eq!(told(&mut one), [(0, 10, Some((3, 21.0)))]);
        one.add("a", 17, 0.0);
        assert_eq!((one.add("a", 5, 1.0), one.late()), (Taken::Late, 1), "the watermark is at 15");
        one.add("a", 40, 0.0);
        assert_eq!(told(&mut one), [(10, 20, Some((3, 10.0)))]);
        assert_eq!(one.len(), 1);
    }

    #[test]
    fn a_number_that_is_late_for_one_window_may_be_in_time_for_another() {
        let mut one = windows(Cut::Hopping { size_ms: 10, advance_ms: 5 }, 0, 0);
        one.add("a", 12, 1.0);
        assert_eq!(one.add("a", 8, 2.0), Taken::In);
        one.add("a", 30, 0.0);
        assert_eq!(told(&mut one), [(5, 15, Some((2, 3.0))), (10, 20, Some((1, 1.0)))]);
    }

    #[test]
    fn sessions_join_and_what_was_told_of_the_parts_is_taken_back() {
        let mut one = windows(Cut::Session { gap_ms: 5 }, 0, 100);
        one.add("a", 0, 1.0);
        one.add("a", 10, 2.0);
        one.add("b", 30, 0.0);
        assert_eq!(told(&mut one), [(0, 5, Some((1, 1.0))), (10, 15, Some((1, 2.0)))]);
        one.add("a", 5, 4.0);
        assert_eq!(told(&mut one), [(0, 5, None), (10, 15, None), (0, 15, Some((3, 7.0)))]);
        one.add("a", 3, 8.0);
        assert_eq!(told(&mut one), [(0, 15, Some((4, 15.0)))], "the same window, told anew");
        one.add("a", 3, 0.0);
        one.add("a", 14, 0.0);
        assert_eq!(
            told(&mut one),
            [(0, 15, None), (0, 19, Some((6, 15.0)))],
            "told, though it waited to be told anew"
        );
    }

    #[test]
    fn where_there_is_no_room_the_first_to_end_go() {
        let settings =
            Settings { cut: Cut::Tumbling { size_ms: 10 }, delay_ms: 1000, grace_ms: 0, windows_max: 2 };
        let mut one = Windows::new(settings);
        for time in [5, 15, 25] {
            one.add("a", time, 1.0);
        }
        assert_eq!(told(&mut one), [(0, 10, Some((1, 1.0)))]);
        assert_eq!((one.len(), one.add("a", 5, 1.0)), (2, Taken::Late));
        one.forget("a");
        assert!(one.is_empty() && one.size_bytes() == 0);
    }

    fn cuts() -> impl Strategy<Value = Cut> {
        prop_oneof![
            (1i64..50).prop_map(|size_ms| Cut::Tumbling { size_ms }),
            (1i64..20, 1i64..4)
                .prop_map(|(advance_ms, times)| Cut::Hopping { size_ms: advance_ms * times, advance_ms }),
            (0i64..50).prop_map(|size_ms| Cut::Sliding { size_ms }),
            (1i64..30).prop_map(|gap_ms| Cut::Session { gap_ms }),
        ]
    }

    /// The windows of a key's numbers, computed from all of them at once: start, end, count, sum.
    fn anew(cut: Cut, points: &[(i64, f64)]) -> Vec<(i64, i64, u64, f64)> {
        let mut times: Vec<i64> = points.iter().map(|point| point.0).collect();
        times.sort_unstable();
        times.dedup();
        let mut spans: Vec<(i64, i64)> = Vec::new();
        for time in times {
            match (cut, spans.last_mut()) {
                (Cut::Session { gap_ms }, Some(last)) if time <= last.1 => last.1 = time + gap_ms,
                _ => spans.extend(cut.windows_of(time)),
            }
        }
        spans.sort_unstable();
        spans.dedup();
        let figures = |(start, end): (i64, i64)| {
            let within: Vec<f64> =
                points.iter().filter(|point| (start..end).contains(&point.0)).map(|point| point.1).collect();
            (start, end, within.len() as u64, within.iter().sum())
        };
        spans.into_iter().map(figures).collect()
    }

    proptest! {
        #[test]
        fn what_is_told_last_is_what_is_computed_from_all_numbers(
            cut in cuts(),
            points in prop::collection::vec((0i64..300, 0usize..2, -9i32..9), 1..80),
            every in 1usize..8,
            reload in any::<bool>(),
        ) {
            let mut all = windows(cut, 0, 10_000);
            let mut said: BTreeMap<(usize, i64, i64), (u64, f64)> = BTreeMap::new();
            let hear = |all: &mut Windows, said: &mut BTreeMap<_, _>| {
                let mut out = Vec::new();
                all.close(&mut out);
                for one in out {
                    let at = (usize::from(&*one.key == "b"), one.start_ms, one.end_ms);
                    match one.totals {
                        Some(totals) => said.insert(at, (totals.count(), totals.figure(Figure::Sum))),
                        None => said.remove(&at),
                    };
                }
            };
            for (n, &(time, key, value)) in points.iter().enumerate() {
                prop_assert_eq!(all.add(["a", "b"][key], time, f64::from(value)), Taken::In);
                if n % every == 0 {
                    hear(&mut all, &mut said);
                }
                if reload {
                    let mut out = Writer::default();
                    all.save(&mut out);
                    let bytes = out.into_bytes();
                    let mut loaded = windows(cut, 0, 10_000);
                    let mut input = Reader::new(&bytes);
                    loaded.load(&mut input).unwrap();
                    input.finish().unwrap();
                    all = loaded;
                }
            }
            all.add("end", 5000, 0.0);
            hear(&mut all, &mut said);
            for key in 0..2 {
                let own: Vec<(i64, f64)> = points
                    .iter()
                    .filter(|point| point.1 == key)
                    .map(|point| (point.0, f64::from(point.2)))
                    .collect();
                let told: Vec<_> = said
                    .range((key, i64::MIN, i64::MIN)..=(key, i64::MAX, i64::MAX))
                    .map(|(&(_, start, end), &(count, sum))| (start, end, count, sum))
                    .collect();
                let mut expected = anew(cut, &own);
                expected.sort_by_key(|window| (window.0, window.1));
                prop_assert_eq!(told, expected);
            }
        }
    }
}
