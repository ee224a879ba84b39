//! Every count, by origin and window.
//!
//! ```text
//! board[window][origin] = counts       windows: the last ones, tumbling, by the event's own time; and all time
//! ```
//! The first origin stands for everything together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rustc_hash::FxBuildHasher;

use super::tally::Tally;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// Most origins told apart. What comes from others counts as coming from none, so that nobody fills the memory by sending
/// names.
const ORIGINS_MAX: usize = 512;
/// Windows kept; an event before them counts in all time only.
const WINDOWS_MAX: usize = 168;
/// Stands for all time where a window's start is asked for.
pub(crate) const ALL_TIME: i64 = i64::MAX;

/// Where an answer came from; what does not apply is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) model: String,
    pub(crate) scenario: String,
    pub(crate) experiment: String,
    pub(crate) arm: String,
}

/// The place of an origin.
pub(crate) type OriginIdx = u32;

/// Everything together.
pub(crate) const TOTAL: OriginIdx = 0;
/// What comes from no answer.
pub(crate) const NOWHERE: OriginIdx = 1;

#[derive(Debug)]
pub(crate) struct Board {
    window_ms: i64,
    origins: Vec<Origin>,
    places: HashMap<Origin, OriginIdx, FxBuildHasher>,
    all_time: Vec<Tally>,
    /// By start.
    windows: BTreeMap<i64, Vec<Tally>>,
    /// Counts that have changed since they were last taken.
    changed: BTreeSet<(i64, OriginIdx)>,
}

impl Board {
    pub(crate) fn new(window_ms: i64) -> Self {
        let mut board = Self {
            window_ms,
            origins: Vec::new(),
            places: HashMap::default(),
            all_time: Vec::new(),
            windows: BTreeMap::new(),
            changed: BTreeSet::new(),
        };
        let everything =
            Origin { model: "*".into(), scenario: "*".into(), experiment: "*".into(), arm: "*".into() };
        board.place(everything);
        board.place(Origin::default());
        board
    }

    /// The place of an origin, a new one if there is room.
    pub(crate) fn place(&mut self, origin: Origin) -> OriginIdx {
        if let Some(place) = self.places.get(&origin) {
            return *place;
        }
        if self.origins.len() >= ORIGINS_MAX {
            return NOWHERE;
        }
        let place = self.origins.len() as OriginIdx;
        self.places.insert(origin.clone(), place);
        self.origins.push(origin);
        place
    }

    /// The start of the window that a time is in.
    pub(crate) fn window_of(&self, time_ms: i64) -> i64 {
        time_ms.div_euclid(self.window_ms).saturating_mul(self.window_ms)
    }

    pub(crate) fn window_ms(&self) -> i64 {
        self.window_ms
    }

    /// Counts for an origin in a window and in all time.
    pub(crate) fn count(&mut self, window: i64, origin: OriginIdx, count: impl Fn(&mut Tally)) {
        let at = origin as usize;
        count(grown(&mut self.all_time, at));
        self.changed.insert((ALL_TIME, origin));
        let is_kept = self.windows.len() < WINDOWS_MAX
            || self.windows.first_key_value().is_some_and(|(first, _)| *first <= window);
        if !is_kept {
            return;
        }
        count(grown(self.windows.entry(window).or_default(), at));
        self.changed.insert((window, origin));
        if self.windows.len() > WINDOWS_MAX
            && let Some((gone, _)) = self.windows.pop_first()
        {
            self.changed = self.changed.split_off(&(gone + 1, 0));
        }
    }

    /// The same for everything together, too.
    pub(crate) fn count_with_total(&mut self, window: i64, origin: OriginIdx, count: impl Fn(&mut Tally)) {
        self.count(window, origin, &count);
        self.count(window, TOTAL, count);
    }

    /// A place if it is one of this board's; what is none comes from no answer.
    pub(crate) fn known(&self, place: OriginIdx) -> OriginIdx {
        if (place as usize) < self.origins.len() { place } else { NOWHERE }
    }

    pub(crate) fn origin(&self, place: OriginIdx) -> &Origin {
        &self.origins[place as usize]
    }

    pub(crate) fn tally(&self, window: i64, place: OriginIdx) -> Option<&Tally> {
        let tallies = if window == ALL_TIME { Some(&self.all_time) } else { self.windows.get(&window) };
        tallies?.get(place as usize)
    }

    /// Every window, all time last.
    pub(crate) fn windows(&self) -> impl DoubleEndedIterator<Item = i64> {
        self.windows.keys().copied().chain([ALL_TIME])
    }

    /// The places of all origins.
    pub(crate) fn places(&self) -> impl Iterator<Item = OriginIdx> {
        0..self.origins.len() as OriginIdx
    }

    /// Windows and origins whose counts have changed since this was last asked, in order.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<(i64, OriginIdx)> {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let lists = || self.windows.values().chain([&self.all_time]);
        let tallies = lists().map(Vec::capacity).sum::<usize>();
        let orders: usize = lists().flatten().map(Tally::size_bytes_of_orders).sum();
        let text = |origin: &Origin| {
            origin.model.len() + origin.scenario.len() + origin.experiment.len() + origin.arm.len()
        };
        let origins: usize = self.origins.iter().map(|origin| 2 * (size_of::<Origin>() + text(origin))).sum();
        tallies * size_of::<Tally>() + orders + origins + self.changed.len() * 24
    }
}

fn grown(tallies: &mut Vec<Tally>, at: usize) -> &mut Tally {
    if tallies.len() <= at {
        tallies.resize(at + 1, Tally::default());
    }
    &mut tallies[at]
}

impl Snapshot for Board {
    fn save(&self, out: &mut Writer) {
        out.i64(self.window_ms);
        out.u32(self.origins.len() as u32);
        for origin in &self.origins {
            for text in [&origin.model, &origin.scenario, &origin.experiment, &origin.arm] {
                out.text(text);
            }
        }
        out.u32(self.windows.len() as u32);
        for (&start, tallies) in self.windows.iter().chain([(&ALL_TIME, &self.all_time)]) {
            out.i64(start);
            out.u32(tallies.len() as u32);
            tallies.iter().for_each(|tally| tally.save(out));
        }
        out.u32(self.changed.len() as u32);
        for &(window, origin) in &self.changed {
            out.i64(window);
            out.u32(origin);
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut board = Self::new(input.i64()?.max(1));
        for _ in 0..input.count(16)? {
            let mut text = || Ok(input.text()?.to_owned());
            let origin = Origin { model: text()?, scenario: text()?, experiment: text()?, arm: text()? };
            board.place(origin);
        }
        let tallies = |input: &mut Reader<'_>| {
            (0..input.count(Tally::SAVED_BYTES)?).map(|_| Tally::load(input)).collect::<Result<Vec<_>, _>>()
        };
        for _ in 0..input.count(12)? {
            let start = input.i64()?;
            board.windows.insert(start, tallies(input)?);
        }
        input.i64()?;
        board.all_time = tallies(input)?;
        for _ in 0..input.count(12)? {
            let changed = (input.i64()?, input.u32()?);
            board.changed.insert(changed);
        }
        let lists = board.windows.values().chain([&board.all_time]);
        let places = lists.map(Vec::len).chain(board.changed.iter().map(|(_, origin)| *origin as usize + 1));
        if places.max().unwrap_or_default() > board.origins.len() {
            return Err(SnapshotError::Malformed("a count of no origin"));
        }
        Ok(board)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn click(tally: &mut Tally) {
        tally.clicks += 1;
    }

    #[test]
    fn counts_go_to_their_window_and_all_time() {
        let mut board = Board::new(100);
        let home =
            board.place(Origin { model: "fused".into(), scenario: "home".into(), ..Origin::default() });
        for time in [-1, 0, 99, 100] {
            board.count_with_total(board.window_of(time), home, click);
        }
        for (window, clicks) in [(-100, 1), (0, 2), (100, 1), (ALL_TIME, 4)] {
            assert_eq!(board.tally(window, home).map(|tally| tally.clicks), Some(clicks), "{window}");
            assert_eq!(board.tally(window, TOTAL), board.tally(window, home));
        }
        assert_eq!(board.take_changed().len(), 8);
        assert!(board.take_changed().is_empty());
    }

    #[test]
    fn only_the_last_windows_are_kept() {
        let mut board = Board::new(100);
        for window in 0..=WINDOWS_MAX as i64 {
            board.count(window * 100, NOWHERE, click);
        }
        board.count(0, NOWHERE, click);
        assert_eq!(board.tally(0, NOWHERE), None);
        assert_eq!(board.windows().count(), WINDOWS_MAX + 1);
        assert_eq!(board.tally(ALL_TIME, NOWHERE).map(|tally| tally.clicks), Some(WINDOWS_MAX as u64 + 2));
        assert!(board.take_changed().iter().all(|(window, _)| *window > 0));
    }

    #[test]
    fn origins_are_bounded() {
        let mut board = Board::new(100);
        let mut place = |n: usize| board.place(Origin { scenario: n.to_string(), ..Origin::default() });
        let places: Vec<u32> = (0..2 * ORIGINS_MAX).map(&mut place).collect();
        assert_eq!((places[0], *places.last().expect("some")), (2, NOWHERE));
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let mut board = Board::new(100);
        let place = board.place(Origin { model: "llr".into(), ..Origin::default() });
        board.count_with_total(0, place, click);
        board.take_changed();
        board.count(100, place, click);
        let mut out = Writer::default();
        board.save(&mut out);
        let bytes = out.into_bytes();
        let mut input = Reader::new(&bytes);
        let loaded = Board::load(&mut input).expect("what was saved");
        input.finish().expect("nothing left");
        let mut again = Writer::default();
        loaded.save(&mut again);
        assert_eq!(again.into_bytes(), bytes);
        assert!(Board::load(&mut Reader::new(&bytes[..bytes.len() - 1])).is_err());
    }
}
