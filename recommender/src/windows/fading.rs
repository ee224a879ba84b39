//! Sums of one series that fade by time: exponentially weighted averages.
//!
//! ```text
//! count:   Σ 2^{−(now−t)/h}              now: the newest number's time, h: the half-life
//! sum:     Σ v·2^{−(now−t)/h}
//! average: sum / count                   as pandas' ewm(halflife=h, times=t).mean()
//! ```
//! Numbers may come in any order of time: sums are the same but for rounding.

use super::figure::Figure;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// Sums that fade: of weights, and of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Fading {
    /// How many numbers there ever were.
    numbers: u64,
    /// As of when the sums are, ms: the newest number's time.
    as_of_ms: i64,
    weight: f64,
    sum: f64,
}

impl Fading {
    /// Takes in so many numbers of one time, by their sum.
    pub fn add(&mut self, half_life_ms: f64, time_ms: i64, numbers: u64, sum: f64) {
        if self.numbers == 0 {
            self.as_of_ms = time_ms;
        }
        let (left, weight) = (fade(half_life_ms, self.as_of_ms, time_ms), numbers as f64);
        if time_ms > self.as_of_ms {
            (self.weight, self.sum, self.as_of_ms) =
                (self.weight * left + weight, self.sum * left + sum, time_ms);
        } else {
            (self.weight, self.sum) = (self.weight + left * weight, self.sum + left * sum);
        }
        self.numbers += numbers;
    }

    /// How many numbers there ever were.
    pub fn numbers(&self) -> u64 {
        self.numbers
    }

    /// As of when the figures are, ms: the newest number's time.
    pub fn as_of_ms(&self) -> i64 {
        self.as_of_ms
    }

    /// One of [`Fading::FIGURES`]; `None` of others, and of no numbers.
    pub fn figure(&self, figure: Figure) -> Option<f64> {
        match figure {
            _ if self.numbers == 0 => None,
            Figure::Count => Some(self.weight),
            Figure::Sum => Some(self.sum),
            Figure::Average => Some(self.sum / self.weight),
            Figure::Least | Figure::Greatest | Figure::First | Figure::Last => None,
        }
    }

    /// What can be made of sums that fade.
    pub const FIGURES: [Figure; 3] = [Figure::Average, Figure::Sum, Figure::Count];
}

/// How much is left of one between two times, in any order.
fn fade(half_life_ms: f64, a_ms: i64, b_ms: i64) -> f64 {
    (-(a_ms.abs_diff(b_ms) as f64) / half_life_ms).exp2()
}

impl Snapshot for Fading {
    fn save(&self, out: &mut Writer) {
        out.u64(self.numbers);
        out.i64(self.as_of_ms);
        out.f64(self.weight);
        out.f64(self.sum);
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self { numbers: input.u64()?, as_of_ms: input.i64()?, weight: input.f64()?, sum: input.f64()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_computed_anew(points in prop::collection::vec((0i64..1000, -10i32..10), 1..60), half_life in 1i64..500) {
            let (mut fading, half_life) = (Fading::default(), half_life as f64);
            let mut so_far: Vec<(i64, f64)> = Vec::new();
            for (time, value) in points {
                let value = f64::from(value);
                fading.add(half_life, time, 1, value);
                so_far.push((time, value));
                let now = so_far.iter().map(|point| point.0).max().unwrap_or_default();
                let weights = so_far.iter().map(|point| (-((now - point.0) as f64) / half_life).exp2());
                let weights: Vec<f64> = weights.collect();
                let weight: f64 = weights.iter().sum();
                let sum: f64 = weights.iter().zip(&so_far).map(|(weight, point)| weight * point.1).sum();
                for (figure, expected) in Fading::FIGURES.into_iter().zip([sum / weight, sum, weight]) {
                    prop_assert!((fading.figure(figure).unwrap() - expected).abs() < 1e-9);
                }
                prop_assert_eq!((fading.as_of_ms(), fading.numbers()), (now, so_far.len() as u64));
            }
        }
    }

    #[test]
    fn by_hand() {
        let mut fading = Fading::default();
        assert_eq!(fading.figure(Figure::Average), None);
        // A 6 two half-lives ago counts a quarter, a 3 one half-life ago half, two 9s now one each.
        for (time, count, sum) in [(0, 1, 6.0), (20, 2, 18.0), (10, 1, 3.0)] {
            fading.add(10.0, time, count, sum);
        }
        assert_eq!(
            Fading::FIGURES.map(|figure| fading.figure(figure)),
            [Some(21.0 / 2.75), Some(21.0), Some(2.75)]
        );
        assert_eq!(fading.figure(Figure::Least), None);
        let mut out = Writer::default();
        fading.save(&mut out);
        assert_eq!(Fading::load(&mut Reader::new(&out.into_bytes())), Ok(fading));
    }
}
