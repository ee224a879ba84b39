//! What used to be, of one key: mean and variance, all in one or by season, and the bucket that is open.
//!
//! With x the n-th observation, w = max(α, 1/n) and δ = x − μ:
//!
//! ```text
//! μ ← μ + w·δ        σ² ← (1 − w)·(σ² + w·δ²)
//! ```
//! Until n = 1/α these are the plain mean and variance of all that was seen, then exponentially weighted ones, in which an
//! observation counts 1 − α of the one after it.
//!
//! # Source
//! West, Updating mean and variance estimates: an improved method, Communications of the ACM 22(9), 1979; Finch,
//! Incremental calculation of weighted mean and variance, 2009, section 9.

use super::rule::{Measure, MonitorRule, Side};
use crate::state::positions::SourceId;
use crate::state::ring::Origin;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// Mean and variance of what was learnt.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moments {
    learnt: u32,
    mean: f64,
    variance: f64,
}

/// An observation beside what was to be expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Verdict {
    pub(super) value: f64,
    pub(super) mean: f64,
    pub(super) deviation: f64,
    /// (value − mean)/deviation.
    pub(super) z: f64,
}

impl Moments {
    /// Takes one observation in.
    pub(super) fn learn(&mut self, value: f64, alpha: f64) {
        self.learnt = self.learnt.saturating_add(1);
        let weight = alpha.max(1.0 / f64::from(self.learnt));
        let delta = value - self.mean;
        self.mean += weight * delta;
        self.variance = (1.0 - weight) * (self.variance + weight * delta * delta);
    }

    /// An observation that the rule takes to be out of the ordinary, before it is learnt.
    pub(super) fn judge(&self, value: f64, rule: &MonitorRule) -> Option<Verdict> {
        if self.learnt < rule.warmup {
            return None;
        }
        let least = rule.measure.least_deviation(self.mean).max(rule.floor);
        let deviation = self.variance.sqrt().max(least);
        let z = (value - self.mean) / deviation;
        let is_out = match rule.side {
            Side::Both => z.abs() >= rule.threshold,
            Side::Up => z >= rule.threshold,
            Side::Down => -z >= rule.threshold,
        };
        is_out.then_some(Verdict { value, mean: self.mean, deviation, z })
    }
}

/// One key's past and present.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    /// By part of the season.
    pub(super) slots: Box<[Moments]>,
    /// Messages of the open bucket, and the sum of their numbers.
    count: u32,
    sum: f64,
    /// The message looked at last.
    pub(super) last: Origin,
    /// An alert of the open bucket was given.
    pub(super) alerted: bool,
    /// No alert before this.
    pub(super) quiet_until_ms: i64,
}

impl Series {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots: vec![Moments::default(); slots].into_boxed_slice(),
            count: 0,
            sum: 0.0,
            last: Origin::default(),
            alerted: false,
            quiet_until_ms: i64::MIN,
        }
    }

    /// Counts a message in the open bucket.
    pub(super) fn count(&mut self, number: f64) {
        self.count = self.count.saturating_add(1);
        self.sum += number;
    }

    /// What the open bucket has come to; `None` if that is nothing that could be judged.
    pub(super) fn present(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Count => Some(f64::from(self.count)),
            Measure::Sum => Some(self.sum),
            Measure::Mean => (self.count > 0).then(|| self.sum / f64::from(self.count)),
            Measure::Value => None,
        }
    }

    /// Begins the next bucket.
    pub(super) fn turn(&mut self) {
        (self.count, self.sum, self.alerted) = (0, 0.0, false);
    }

    /// Bytes held elsewhere.
    pub(super) fn size_bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }
}

impl Snapshot for Series {
    fn save(&self, out: &mut Writer) {
        out.u32(self.slots.len() as u32);
        for slot in &self.slots {
            out.u32(slot.learnt);
            out.f64(slot.mean);
            out.f64(slot.variance);
        }
        out.u32(self.count);
        out.f64(self.sum);
        out.u16(self.last.source.0);
        out.i64(self.last.offset);
        out.u8(u8::from(self.alerted));
        out.i64(self.quiet_until_ms);
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut series = Self::new(input.count(20)?);
        for slot in &mut series.slots {
            *slot = Moments { learnt: input.u32()?, mean: input.f64()?, variance: input.f64()? };
        }
        series.count = input.u32()?;
        series.sum = input.f64()?;
        series.last = Origin { source: SourceId(input.u16()?), offset: input.i64()? };
        series.alerted = input.u8()? != 0;
        series.quiet_until_ms = input.i64()?;
        Ok(series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_variance_by_hand() {
        let mut moments = Moments::default();
        for value in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
            moments.learn(value, 0.1);
        }
        // The textbook's eight numbers: mean 5, variance 4.
        assert!((moments.mean - 5.0).abs() < 1e-12 && (moments.variance - 4.0).abs() < 1e-12);
        // With α = ½ the third counts ½, the second ¼, the first ¼ (as n = 2 has w = ½): of 0, 8, 4.
        let mut moments = Moments::default();
        [0.0, 8.0, 4.0].iter().for_each(|&value| moments.learn(value, 0.5));
        assert_eq!((moments.mean, moments.variance), (4.0, 8.0));
    }
}
