//! Averages of one series as of now: over the last while, or fading.
//!
//! ```text
//! moving:  mean of the numbers of (now − size, now]
//! fading:  Σ v·2^{−(now−t)/h} / Σ 2^{−(now−t)/h}            by time, not by count: h is the half-life
//! rate:    Σ 2^{−(now−t)/h} · ln 2 / h                      events per ms, as of a steady stream
//! ```
//! The rate is right for a steady stream that has lasted some half-lives: events every d ms make the sum h/(d·ln 2).

use std::collections::VecDeque;

use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// The mean of the last while. Of more numbers than there is room for, the oldest are dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct MovingAverage {
    size_ms: i64,
    max: usize,
    /// Times and numbers, in order of time.
    points: VecDeque<(i64, f64)>,
}

impl MovingAverage {
    /// Over `size_ms`, of at most `max` numbers.
    pub fn new(size_ms: i64, max: usize) -> Self {
        Self { size_ms, max, points: VecDeque::new() }
    }

    /// Takes in a number, in any order of time.
    pub fn add(&mut self, time_ms: i64, value: f64) {
        let place = self.points.partition_point(|(time, _)| *time <= time_ms);
        self.points.insert(place, (time_ms, value));
        let newest = self.points.back().map_or(time_ms, |(time, _)| *time);
        let from = newest.saturating_sub(self.size_ms);
        while self.points.len() > self.max || self.points.front().is_some_and(|(time, _)| *time <= from) {
            self.points.pop_front();
        }
    }

    /// The mean as of a time; `None` where there is no number.
    pub fn read(&self, now_ms: i64) -> Option<f64> {
        let from = now_ms.saturating_sub(self.size_ms);
        let within = self.points.iter().filter(|(time, _)| *time > from && *time <= now_ms);
        let (count, sum) = within.fold((0u32, 0.0), |(count, sum), (_, value)| (count + 1, sum + value));
        (count > 0).then(|| sum / f64::from(count))
    }
}

/// Sums that fade: of weights, and of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Fading {
    /// As of when the sums are.
    as_of_ms: i64,
    weight: f64,
    sum: f64,
}

impl Fading {
    /// Takes in a number, in any order of time.
    pub fn add(&mut self, half_life_ms: f64, time_ms: i64, value: f64) {
        if self.weight == 0.0 {
            self.as_of_ms = time_ms;
        }
        let ahead = fade(half_life_ms, self.as_of_ms, time_ms);
        if time_ms > self.as_of_ms {
            (self.weight, self.sum, self.as_of_ms) =
                (self.weight * ahead + 1.0, self.sum * ahead + value, time_ms);
        } else {
            (self.weight, self.sum) = (self.weight + ahead, self.sum + ahead * value);
        }
    }

    /// The fading mean; `None` where there was no number.
    pub fn average(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }

    /// The faded count as of a time.
    pub fn count(&self, half_life_ms: f64, now_ms: i64) -> f64 {
        self.weight * fade(half_life_ms, self.as_of_ms, now_ms.max(self.as_of_ms))
    }

    /// Events per ms as of a time.
    pub fn rate(&self, half_life_ms: f64, now_ms: i64) -> f64 {
        self.count(half_life_ms, now_ms) * std::f64::consts::LN_2 / half_life_ms
    }
}

/// How much is left of one between two times, in any order.
fn fade(half_life_ms: f64, a_ms: i64, b_ms: i64) -> f64 {
    (-(a_ms.abs_diff(b_ms) as f64) / half_life_ms).exp2()
}

impl Snapshot for Fading {
    fn save(&self, out: &mut Writer) {
        out.i64(self.as_of_ms);
        out.f64(self.weight);
        out.f64(self.sum);
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self { as_of_ms: input.i64()?, weight: input.f64()?, sum: input.f64()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_computed_anew(points in prop::collection::vec((0i64..1000, -10i32..10), 1..60), size in 1i64..500) {
            let (mut moving, mut fading) = (MovingAverage::new(size, 1000), Fading::default());
            let half_life = size as f64;
            let mut so_far: Vec<(i64, f64)> = Vec::new();
            for (time, value) in points {
                let value = f64::from(value);
                moving.add(time, value);
                fading.add(half_life, time, value);
                so_far.push((time, value));
                let now = so_far.iter().map(|point| point.0).max().unwrap_or_default();
                let within: Vec<f64> =
                    so_far.iter().filter(|point| point.0 > now - size).map(|point| point.1).collect();
                let mean = within.iter().sum::<f64>() / within.len() as f64;
                prop_assert!((moving.read(now).unwrap() - mean).abs() < 1e-9);
                let weights = so_far.iter().map(|point| (-((now - point.0) as f64) / half_life).exp2());
                let weights: Vec<f64> = weights.collect();
                let weight: f64 = weights.iter().sum();
                let sum: f64 = weights.iter().zip(&so_far).map(|(weight, point)| weight * point.1).sum();
                prop_assert!((fading.average().unwrap() - sum / weight).abs() < 1e-9);
                prop_assert!((fading.count(half_life, now) - weight).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn the_rate_of_a_steady_stream() {
        let mut fading = Fading::default();
        (0..20_000).for_each(|n| fading.add(60_000.0, n * 100, 1.0));
        let per_second = fading.rate(60_000.0, 20_000 * 100) * 1000.0;
        assert!((per_second - 10.0).abs() < 0.01, "{per_second}");
        assert!(
            (fading.count(60_000.0, 2_000_000 + 60_000) * 2.0 - fading.count(60_000.0, 2_000_000)).abs()
                < 1e-9
        );
    }

    #[test]
    fn the_oldest_make_room() {
        let mut moving = MovingAverage::new(1000, 2);
        [(1, 1.0), (2, 2.0), (3, 6.0)].into_iter().for_each(|(time, value)| moving.add(time, value));
        assert_eq!(moving.read(3), Some(4.0));
        assert_eq!(moving.read(2000), None);
    }
}
