//! Whether what is said to have chance p happens as often, and what to say instead if not.
//!
//! Predictions fall into [`BUCKETS`] of equal width of ln(p/(1 − p)), the logarithm of odds, from −8 to 8. Each counts
//! what fell in, what was said and what happened. From them comes a function that never falls, by pooling neighbours
//! that are out of order (isotonic regression): a chance said is read off it, between the means of the pools.
//!
//! ```text
//! bucket   said   happened   of           pooled
//!   .10    .10       3        10    .30 ┐
//!   .20    .20       1        10    .10 ┘ .20
//!   .30    .30       4        10    .40     .40
//! ```
//!
//! # Source
//! Ayer et al., An empirical distribution function for sampling with incomplete information, 1955 (pool adjacent
//! violators); Zadrozny & Elkan, Transforming classifier scores into accurate multiclass probability estimates, KDD
//! 2002, section 3; McMahan et al., KDD 2013, section 7. Guo et al., On calibration of modern neural networks, ICML
//! 2017, equation 3, for the expected error.

use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// How many classes of chance are told apart.
pub const BUCKETS: usize = 32;

/// The chances, as logarithms of odds, that are told apart: from minus this to this.
const ODDS_MAX: f64 = 8.0;

/// What every bucket is taken to have seen before anything: so many predictions, each come true as said.
const PRIOR: f64 = 4.0;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Bucket {
    count: f64,
    said: f64,
    happened: f64,
}

/// Counts of predictions and of what came of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    buckets: [Bucket; BUCKETS],
}

impl Default for Calibration {
    fn default() -> Self {
        Self { buckets: [Bucket::default(); BUCKETS] }
    }
}

impl Calibration {
    /// Counts one prediction whose outcome is known. `score`: the logarithm of odds of `chance`.
    pub fn learn(&mut self, score: f64, chance: f64, happened: bool) {
        let bucket = &mut self.buckets[bucket_of(score)];
        bucket.count += 1.0;
        bucket.said += chance;
        bucket.happened += f64::from(u8::from(happened));
    }

    /// How many predictions were counted.
    pub fn count(&self) -> f64 {
        self.buckets.iter().map(|bucket| bucket.count).sum()
    }

    /// Expected calibration error: Σ_b share_b · |mean said_b − share happened_b|. 0 of nothing.
    pub fn error(&self) -> f64 {
        let count = self.count();
        let gap = |bucket: &Bucket| (bucket.said - bucket.happened).abs();
        if count > 0.0 { self.buckets.iter().map(gap).sum::<f64>() / count } else { 0.0 }
    }

    /// The function from what is said to what happens.
    pub fn curve(&self) -> Curve {
        let mut pools: Vec<Bucket> = Vec::new();
        for bucket in self.buckets.iter().filter(|bucket| bucket.count > 0.0) {
            let mean = bucket.said / bucket.count;
            let mut last = Bucket {
                count: bucket.count + PRIOR,
                said: bucket.said + PRIOR * mean,
                happened: bucket.happened + PRIOR * mean,
            };
            // Pool adjacent violators.
            while let Some(before) = pools.pop_if(|before| before.rate() >= last.rate()) {
                last = Bucket {
                    count: last.count + before.count,
                    said: last.said + before.said,
                    happened: last.happened + before.happened,
                };
            }
            pools.push(last);
        }
        let point = |pool: &Bucket| (pool.said / pool.count, pool.rate());
        Curve { points: pools.iter().map(point).collect() }
    }

    /// Bytes held.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Bucket {
    fn rate(&self) -> f64 {
        self.happened / self.count
    }
}

/// From a chance said to how often that happens: never falling, straight between its points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// What was said and what happened, both rising.
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// The chance to believe where `chance` is said; the same where nothing is known.
    pub fn read(&self, chance: f64) -> f64 {
        let after = self.points.partition_point(|point| point.0 < chance);
        let (low, high) = match (after.checked_sub(1).map(|at| self.points[at]), self.points.get(after)) {
            (Some(low), Some(&high)) => (low, high),
            // Beyond the first and the last point towards what never and what always happens.
            (None, Some(&high)) => ((0.0, 0.0), high),
            (Some(low), None) => (low, (1.0, 1.0)),
            (None, None) => return chance,
        };
        let width = high.0 - low.0;
        if width > 0.0 { low.1 + (high.1 - low.1) * (chance - low.0) / width } else { high.1 }
    }
}

fn bucket_of(score: f64) -> usize {
    let place = (score + ODDS_MAX) / (2.0 * ODDS_MAX) * BUCKETS as f64;
    // Casts saturate, and make 0 of what is no number.
    (place as usize).min(BUCKETS - 1)
}

impl Snapshot for Calibration {
    fn save(&self, out: &mut Writer) {
        for bucket in &self.buckets {
            [bucket.count, bucket.said, bucket.happened].iter().for_each(|&value| out.f64(value));
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut calibration = Self::default();
        for bucket in &mut calibration.buckets {
            *bucket = Bucket { count: input.f64()?, said: input.f64()?, happened: input.f64()? };
        }
        Ok(calibration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::random::Random;

    fn odds(chance: f64) -> f64 {
        (chance / (1.0 - chance)).ln()
    }

    #[test]
    fn neighbours_out_of_order_are_pooled_by_hand() {
        let mut calibration = Calibration::default();
        for (chance, of, happened) in [(0.1, 100, 30), (0.2, 100, 10), (0.4, 100, 40)] {
            (0..of).for_each(|n| calibration.learn(odds(chance), chance, n < happened));
        }
        // |10 − 30| + |20 − 10| + |40 − 40| of 300.
        assert!((calibration.error() - 0.1).abs() < 1e-12);
        let curve = calibration.curve();
        // With 4 before each: (30 + .4 + 10 + .8) / 208, said (10 + .4 + 20 + .8) / 208; (40 + 1.6) / 104.
        let pooled = 41.2 / 208.0;
        assert_eq!(curve.points.len(), 2);
        assert!((curve.read(31.2 / 208.0) - pooled).abs() < 1e-12);
        assert!((curve.read(0.4) - 0.4).abs() < 1e-12);
        assert!((curve.read(15.6 / 208.0) - pooled / 2.0).abs() < 1e-12, "half the way from 0");
        assert!((curve.read(0.7) - 0.7).abs() < 1e-12);
        assert_eq!(Curve::default().read(0.3), 0.3);
    }

    #[test]
    fn it_repairs_what_is_said_too_loudly() {
        let mut random = Random(5);
        let (mut before, mut after) = (Calibration::default(), Calibration::default());
        for n in 0..60_000 {
            let truth = 0.02 + 0.5 * random.unit();
            let said = 1.0 / (1.0 + (-2.5 * odds(truth)).exp());
            let happened = random.unit() < truth;
            if n < 40_000 {
                before.learn(odds(said), said, happened);
            } else {
                let read = before.curve().read(said);
                after.learn(odds(read), read, happened);
            }
        }
        assert!(before.error() > 0.05, "{}", before.error());
        assert!(after.error() < 0.02, "{}", after.error());
        let read: Vec<f64> = (0..=1000).map(|n| before.curve().read(f64::from(n) / 1000.0)).collect();
        assert!(read.is_sorted() && read[0] >= 0.0 && read[1000] <= 1.0);
        assert_eq!((bucket_of(f64::NAN), bucket_of(-1e9), bucket_of(1e9)), (0, 0, BUCKETS - 1));
    }
}
