//! What is made of the numbers of a window.

use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// A figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// How many.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Average,
    /// The least.
    Least,
    /// The greatest.
    Greatest,
    /// The one of the earliest time.
    First,
    /// The one of the latest time.
    Last,
}

/// What is kept of numbers, enough for every figure; two of them can be put together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    count: u64,
    sum: f64,
    least: f64,
    greatest: f64,
    /// Time and number.
    first: (i64, f64),
    last: (i64, f64),
}

impl Totals {
    /// Those of one number.
    pub fn of(time_ms: i64, value: f64) -> Self {
        let at = (time_ms, value);
        Self { count: 1, sum: value, least: value, greatest: value, first: at, last: at }
    }

    /// Takes in those of other numbers. Of several at one time the first to come is the first, the last to come the last.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        if other.first.0 < self.first.0 {
            self.first = other.first;
        }
        if other.last.0 >= self.last.0 {
            self.last = other.last;
        }
    }

    /// How many numbers.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A figure of them.
    pub fn figure(&self, figure: Figure) -> f64 {
        match figure {
            Figure::Count => self.count as f64,
            Figure::Sum => self.sum,
            Figure::Average => self.sum / self.count as f64,
            Figure::Least => self.least,
            Figure::Greatest => self.greatest,
            Figure::First => self.first.1,
            Figure::Last => self.last.1,
        }
    }
}

impl Snapshot for Totals {
    fn save(&self, out: &mut Writer) {
        out.u64(self.count);
        [self.sum, self.least, self.greatest].into_iter().for_each(|value| out.f64(value));
        for (time_ms, value) in [self.first, self.last] {
            out.i64(time_ms);
            out.f64(value);
        }
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let count = input.u64()?;
        let (sum, least, greatest) = (input.f64()?, input.f64()?, input.f64()?);
        let (first, last) = ((input.i64()?, input.f64()?), (input.i64()?, input.f64()?));
        Ok(Self { count, sum, least, greatest, first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut totals = Totals::of(20, 4.0);
        for (time, value) in [(10, 7.0), (30, -2.0), (30, 3.0)] {
            totals.add(&Totals::of(time, value));
        }
        for (figure, value) in [
            (Figure::Count, 4.0),
            (Figure::Sum, 12.0),
            (Figure::Average, 3.0),
            (Figure::Least, -2.0),
            (Figure::Greatest, 7.0),
            (Figure::First, 7.0),
            (Figure::Last, 3.0),
        ] {
            assert_eq!(totals.figure(figure), value, "{figure:?}");
        }
    }
}
