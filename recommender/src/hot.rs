//! What is popular: decayed sums at several half-lives, and exact counts over sliding windows.
//!
//! The best half-life runs from a day (gift shops before Christmas) to a year (films), so none is chosen here:
//! each item keeps one forward-decayed sum per half-life of [`HALF_LIVES_MS`], and the fusion learns online
//! which of them predicts best. Windows ([`HotWindow`]) answer "what happened in the last hour" with counts
//! that can be checked by hand.
//!
//! ```text
//! event ──▶ sums[item][half-life] += w·2^((t−L)/h)     top[half-life]: the best TOP items, kept in order
//!      └──▶ windows: 1 min, 5 min, 1 h, 24 h, 7 d      all-time: the infinite half-life
//! ```
//!
//! Only positive weights count here: what people dislike is not made unpopular, it is made unsuitable to those
//! who disliked it. Late events count rightly, see [`Decay`]. Decayed sums take an event's time by the minute.

use crate::ids::{ItemIdx, Renumbering};
use crate::state::decay::Decay;
use crate::state::memory::{self, steady};
use crate::state::ring::MINUTE_MS;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use crate::state::window::Window;
use crate::trending;

const HOUR_MS: f64 = 3_600_000.0;
const DAY_MS: f64 = 24.0 * HOUR_MS;

/// The half-lives kept, in milliseconds, shortest first; the last one never fades.
pub const HALF_LIVES_MS: [f64; LIVES] = [
    HOUR_MS,
    6.0 * HOUR_MS,
    DAY_MS,
    3.0 * DAY_MS,
    7.0 * DAY_MS,
    30.0 * DAY_MS,
    365.0 * DAY_MS,
    f64::INFINITY,
];

/// How many half-lives are kept.
pub const LIVES: usize = 8;

/// The position of the sum that loses half in a week.
pub(crate) const WEEK: usize = 4;

/// The position of the sum that never fades.
pub const ALL_TIME: usize = LIVES - 1;

/// How many items of each half-life are kept in order.
pub const TOP: usize = 200;

/// A sliding window over which events are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HotWindow {
    /// The last minute.
    Minute,
    /// The last five minutes.
    FiveMinutes,
    /// The last hour.
    Hour,
    /// The last 24 hours.
    Day,
    /// The last seven days.
    Week,
    /// Everything, the recent weighing more; the half-life is the one that predicts best at present.
    Decayed,
    /// Everything, alike.
    AllTime,
}

impl HotWindow {
    /// Every window, shortest first.
    pub const ALL: [Self; 7] =
        [Self::Minute, Self::FiveMinutes, Self::Hour, Self::Day, Self::Week, Self::Decayed, Self::AllTime];

    /// The name in keys and URLs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Decayed => "decayed",
            Self::AllTime => "all-time",
        }
    }

    /// The window of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == name)
    }

    /// Position among the sliding windows, for those that slide.
    const fn sliding(self) -> Option<usize> {
        match self {
            Self::Minute => Some(0),
            Self::FiveMinutes => Some(1),
            Self::Hour => Some(2),
            Self::Day => Some(3),
            Self::Week => Some(4),
            Self::Decayed | Self::AllTime => None,
        }
    }
}

const SLIDING_MS: [i64; 5] = [60_000, 300_000, 3_600_000, 86_400_000, 604_800_000];

/// Decayed sums of one item, by half-life, from the common landmarks.
pub(crate) type Sums = [f64; LIVES];

/// Their natural logarithms.
pub(crate) type Logs = [f32; LIVES];

/// Those of an item nobody liked.
const NO_LOGS: Logs = [f32::MIN; LIVES];

/// Popularity of every item.
#[derive(Debug, Clone, PartialEq)]
pub struct Hot {
    decays: Vec<Decay>,
    sums: Vec<Sums>,
    /// Logarithms of `sums`, kept because ranking reads them far more often than learning writes them.
    logs: Vec<Logs>,
    counts: Vec<u32>,
    tops: Vec<Vec<ItemIdx>>,
    windows: Vec<Window>,
}

impl Default for Hot {
    fn default() -> Self {
        Self {
            decays: HALF_LIVES_MS.iter().map(|&half_life| Decay::new(half_life)).collect(),
            sums: Vec::new(),
            logs: Vec::new(),
            counts: Vec::new(),
            tops: vec![Vec::new(); LIVES],
            windows: SLIDING_MS.iter().map(|&width| Window::new(width)).collect(),
        }
    }
}

impl Hot {
    /// Counts one event of positive weight.
    pub fn add(&mut self, item: ItemIdx, time_ms: i64, weight: f32) {
        if self.sums.len() <= item.at() {
            let more = item.at() + 1 - self.sums.len();
            memory::extend(&mut self.sums, more, || [0.0; LIVES]);
            memory::extend(&mut self.logs, more, || NO_LOGS);
            memory::extend(&mut self.counts, more, || 0);
        }
        self.counts[item.at()] = self.counts[item.at()].saturating_add(1);
        let minute_ms = minute(time_ms);
        for life in 0..LIVES {
            if let Some(factor) = self.decays[life].advance(minute_ms) {
                for (sums, logs) in self.sums.iter_mut().zip(&mut self.logs) {
                    sums[life] *= factor;
                    logs[life] = log_of(sums[life]);
                }
            }
            let sum = &mut self.sums[item.at()][life];
            *sum += f64::from(weight) * self.decays[life].gain(minute_ms);
            self.logs[item.at()][life] = log_of(*sum);
            self.raise(life, item);
        }
        for window in &mut self.windows {
            window.add(item, time_ms, 1);
        }
    }

    /// Takes back one event that [`Hot::add`] counted.
    pub(crate) fn remove(&mut self, item: ItemIdx, time_ms: i64, weight: f32) {
        if item.at() >= self.sums.len() {
            return;
        }
        self.counts[item.at()] = self.counts[item.at()].saturating_sub(1);
        for life in 0..LIVES {
            let gain = f64::from(weight) * self.decays[life].gain(minute(time_ms));
            let sum = &mut self.sums[item.at()][life];
            // What rounding leaves of a sum whose last part is taken away is nothing.
            *sum = if self.counts[item.at()] == 0 { 0.0 } else { (*sum - gain).max(0.0) };
            self.logs[item.at()][life] = log_of(*sum);
        }
        for window in &mut self.windows {
            window.remove(item, time_ms, 1);
        }
    }

    /// Finds the best items anew, after sums have shrunk or items have gone.
    pub(crate) fn rebuild_tops(&mut self) {
        for life in 0..LIVES {
            let mut all: Vec<ItemIdx> = (0..self.sums.len() as u32).map(ItemIdx).collect();
            all.retain(|item| self.sums[item.at()][life] > 0.0);
            let sum = |item: &ItemIdx| self.sums[item.at()][life];
            let best_first = |a: &ItemIdx, b: &ItemIdx| sum(b).total_cmp(&sum(a)).then(a.cmp(b));
            if all.len() > TOP {
                all.select_nth_unstable_by(TOP - 1, best_first);
                all.truncate(TOP);
            }
            all.sort_unstable_by(best_first);
            self.tops[life] = all;
        }
    }

    /// Gives items their new indexes and drops the others.
    pub(crate) fn renumber(&mut self, renumbering: &Renumbering) {
        renumbering.compact(&mut self.sums);
        renumbering.compact(&mut self.logs);
        renumbering.compact(&mut self.counts);
        self.windows.iter_mut().for_each(|window| window.renumber(renumbering));
        self.rebuild_tops();
    }

    /// How many events an item had.
    pub fn count(&self, item: ItemIdx) -> u32 {
        self.counts.get(item.at()).copied().unwrap_or(0)
    }

    /// An item's sum at a half-life, up to a factor common to all items: good for comparing, not for showing.
    pub(crate) fn raw(&self, item: ItemIdx, life: usize) -> f64 {
        self.sums.get(item.at()).map_or(0.0, |sums| sums[life])
    }

    /// By half-life, the logarithm of the highest sum of all items, which makes shares of the others: 0 if there is
    /// none.
    pub(crate) fn greatest_logs(&self) -> Logs {
        std::array::from_fn(|life| self.tops[life].first().map_or(0.0, |item| self.logs[item.at()][life]))
    }

    /// The logarithms of an item's sums at every half-life, from the common landmarks.
    pub(crate) fn logs(&self, item: ItemIdx) -> &Logs {
        self.logs.get(item.at()).unwrap_or(&NO_LOGS)
    }

    /// The items with the highest sums at a half-life, best first, at most [`TOP`].
    pub(crate) fn top(&self, life: usize) -> &[ItemIdx] {
        &self.tops[life]
    }

    /// An item's decayed sum as of `now_ms`.
    pub fn score(&self, item: ItemIdx, life: usize, now_ms: i64) -> f64 {
        self.raw(item, life) * self.decays[life].fade(now_ms)
    }

    /// Every item with events in a window, best first, with score and count.
    ///
    /// `life`: the half-life that [`HotWindow::Decayed`] stands for. `keep`: which items to rank.
    pub fn rank(
        &self,
        window: HotWindow,
        life: usize,
        now_ms: i64,
        n: usize,
        keep: impl Fn(ItemIdx) -> bool,
    ) -> Vec<(ItemIdx, f64, u32)> {
        let mut ranked: Vec<_> = match window.sliding() {
            Some(window) => {
                let totals = self.windows[window].read(now_ms).into_iter();
                totals.filter(|&(item, _)| keep(item)).map(|(item, n)| (item, f64::from(n), n)).collect()
            }
            None => {
                let life = if window == HotWindow::AllTime { ALL_TIME } else { life };
                let items = (0..self.sums.len() as u32).map(ItemIdx).filter(|&item| keep(item));
                let scored = items.map(|item| (item, self.score(item, life, now_ms), self.count(item)));
                scored.filter(|&(_, score, _)| score > 0.0).collect()
            }
        };
        keep_best(&mut ranked, n);
        ranked
    }

    /// Every item that is trending in a window, best first, with z and the events of the present bucket: see
    /// [`crate::trending`]. `None` for a window that does not slide.
    pub(crate) fn rank_trending(
        &self,
        window: HotWindow,
        now_ms: i64,
        n: usize,
        keep: impl Fn(ItemIdx) -> bool,
    ) -> Option<Vec<(ItemIdx, f64, u32)>> {
        let mut ranked = trending::trends(&self.windows[window.sliding()?], now_ms);
        ranked.retain(|&(item, _, _)| keep(item));
        keep_best(&mut ranked, n);
        Some(ranked)
    }

    /// Makes every list of the windows as short as can be.
    pub(crate) fn pack(&mut self) {
        self.windows.iter_mut().for_each(Window::pack);
    }

    /// Most bytes that so many items may take, right after [`Hot::pack`].
    pub(crate) fn size_bound(&self) -> usize {
        let windows: usize = self.windows.iter().map(Window::size_bound).sum();
        steady::<Sums>(self.sums.len())
            + steady::<Logs>(self.logs.len())
            + steady::<u32>(self.counts.len())
            + LIVES * TOP * 4
            + windows
    }

    /// Bytes held, by capacity.
    pub fn size_bytes(&self) -> usize {
        let windows: usize = self.windows.iter().map(Window::size_bytes).sum();
        self.sums.capacity() * (size_of::<Sums>() + size_of::<Logs>())
            + self.counts.capacity() * 4
            + LIVES * TOP * 4
            + windows
    }

    /// Moves an item whose sum has grown to its place among the best.
    fn raise(&mut self, life: usize, item: ItemIdx) {
        let sums = &self.sums;
        let top = &mut self.tops[life];
        let sum = sums[item.at()][life];
        if top.len() == TOP && top.last().is_some_and(|&last| last != item && sums[last.at()][life] >= sum) {
            return;
        }
        let found = top.iter().position(|&other| other == item);
        let mut place = found.unwrap_or_else(|| {
            top.truncate(TOP - 1);
            top.push(item);
            top.len() - 1
        });
        while place > 0 && sums[top[place - 1].at()][life] < sum {
            top.swap(place - 1, place);
            place -= 1;
        }
    }
}

/// Keeps the `n` of greatest score, best first; equals by index.
fn keep_best(ranked: &mut Vec<(ItemIdx, f64, u32)>, n: usize) {
    let best_first =
        |a: &(ItemIdx, f64, u32), b: &(ItemIdx, f64, u32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if ranked.len() > n && n > 0 {
        ranked.select_nth_unstable_by(n - 1, best_first);
    }
    ranked.truncate(n);
    ranked.sort_unstable_by(best_first);
}

/// The start of a time's minute: decayed sums count by the minute, which is as well as histories know times.
const fn minute(time_ms: i64) -> i64 {
    time_ms.div_euclid(MINUTE_MS) * MINUTE_MS
}

/// ln of a sum, whose exponent a single float could not hold.
fn log_of(sum: f64) -> f32 {
    if sum < f64::MIN_POSITIVE {
        return f32::MIN;
    }
    let bits = sum.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | (1023 << 52));
    exponent as f32 * std::f32::consts::LN_2 + crate::math::ln(mantissa as f32)
}

impl Snapshot for Hot {
    fn save(&self, out: &mut Writer) {
        self.decays.iter().for_each(|decay| decay.save(out));
        out.u32(self.sums.len() as u32);
        for (sums, &count) in self.sums.iter().zip(&self.counts) {
            sums.iter().for_each(|&sum| out.f64(sum));
            out.u32(count);
        }
        for top in &self.tops {
            out.u32(top.len() as u32);
            top.iter().for_each(|item| out.u32(item.0));
        }
        self.windows.iter().for_each(|window| window.save(out));
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut hot = Self::default();
        for decay in &mut hot.decays {
            *decay = Decay::load(input)?;
        }
        for _ in 0..input.count(8 * LIVES + 4)? {
            let mut sums = [0.0; LIVES];
            for sum in &mut sums {
                *sum = input.f64()?;
            }
            hot.sums.push(sums);
            hot.logs.push(sums.map(log_of));
            hot.counts.push(input.u32()?);
        }
        for life in 0..LIVES {
            for _ in 0..input.count(4)? {
                let item = ItemIdx(input.u32()?);
                if item.at() >= hot.sums.len() {
                    return Err(SnapshotError::Malformed("hot item"));
                }
                hot.tops[life].push(item);
            }
        }
        for window in &mut hot.windows {
            *window = Window::load(input)?;
        }
        Ok(hot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn ranked(hot: &Hot, window: HotWindow, life: usize, now_ms: i64) -> Vec<(u32, f64, u32)> {
        hot.rank(window, life, now_ms, 10, |_| true).into_iter().map(|(item, s, n)| (item.0, s, n)).collect()
    }

    #[test]
    fn the_recent_beats_the_frequent_when_the_half_life_is_short() {
        let mut hot = Hot::default();
        for _ in 0..4 {
            hot.add(ItemIdx(0), 0, 1.0);
        }
        hot.add(ItemIdx(1), 3 * DAY, 1.0);
        // One day: 4·2⁻³ = 0.5 against 1. All time: 4 against 1.
        assert_eq!(ranked(&hot, HotWindow::Decayed, 2, 3 * DAY), [(1, 1.0, 1), (0, 0.5, 4)]);
        assert_eq!(ranked(&hot, HotWindow::AllTime, 2, 3 * DAY), [(0, 4.0, 4), (1, 1.0, 1)]);
        assert_eq!(ranked(&hot, HotWindow::Day, 2, 3 * DAY), [(1, 1.0, 1)]);
    }

    #[test]
    fn a_late_event_counts_as_if_in_time() {
        let (mut late, mut in_time) = (Hot::default(), Hot::default());
        for (item, time) in [(0, 5 * DAY), (1, DAY), (1, 2 * DAY)] {
            late.add(ItemIdx(item), time, 1.0);
        }
        for (item, time) in [(1, DAY), (1, 2 * DAY), (0, 5 * DAY)] {
            in_time.add(ItemIdx(item), time, 1.0);
        }
        for life in 2..LIVES {
            let (a, b) = (late.score(ItemIdx(1), life, 6 * DAY), in_time.score(ItemIdx(1), life, 6 * DAY));
            assert!((a - b).abs() < 1e-12 * b, "{a} {b}");
        }
    }

    #[test]
    fn the_top_is_the_true_top() {
        let mut hot = Hot::default();
        let mut seed = 1u64;
        for step in 0..20_000i64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let item = ((seed >> 33) % 1000).min((seed >> 40) % 1000) as u32;
            hot.add(ItemIdx(item), step * 600_000, 1.0);
        }
        for life in 0..LIVES {
            let mut all: Vec<f64> = (0..1000).map(|item| hot.raw(ItemIdx(item), life)).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            let top: Vec<f64> = hot.top(life).iter().map(|&item| hot.raw(item, life)).collect();
            assert_eq!(top, all[..TOP], "half-life {life}");
        }
    }
}
