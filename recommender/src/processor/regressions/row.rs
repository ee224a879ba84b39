//! A row of numbers, of which the next is to be predicted from the last few and the trend.
//!
//! With y₁ the last number, y₂ the one before it, …, and the trend b ← .8·b + .2·(y₁ − y₂), which begins as the first step,
//! the features are
//!
//! ```text
//! 1,  y₁,  y₁ − y₂,  y₂ − y₃,  …  (lags − 1 steps),  b
//! ```
//! and what is predicted is the next step: the next number is y₁ plus that. So a model that knows nothing says that the next
//! number is like the last, and one straight line or any pattern of so many numbers is learnt exactly. What is not there
//! yet is 0.

use std::collections::VecDeque;

use super::learner::Input;
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// How much of the trend stays with each step.
const TREND_STAYS: f64 = 0.8;

/// The end of a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    /// The newest first.
    last: VecDeque<f64>,
    trend: Option<f64>,
}

impl Row {
    /// How many features there are for so many lags, beside the constant.
    pub(super) const fn features(lags: usize) -> usize {
        lags + 1
    }

    /// The last number.
    pub(super) fn last(&self) -> Option<f64> {
        self.last.front().copied()
    }

    /// What the next step is predicted from.
    pub(super) fn inputs(&self, lags: usize) -> Vec<Input> {
        let step = |at: usize| match (self.last.get(at), self.last.get(at + 1)) {
            (Some(newer), Some(older)) => newer - older,
            _ => 0.0,
        };
        let last = std::iter::once(self.last().unwrap_or_default());
        let trend = std::iter::once(self.trend.unwrap_or_default());
        last.chain((0..lags - 1).map(step)).chain(trend).map(Input::Number).collect()
    }

    /// Goes on by one number.
    pub(super) fn push(&mut self, number: f64, lags: usize) {
        if let Some(last) = self.last() {
            let step = number - last;
            self.trend = Some(match self.trend {
                None => step,
                Some(trend) => TREND_STAYS * trend + (1.0 - TREND_STAYS) * step,
            });
        }
        self.last.push_front(number);
        self.last.truncate(lags);
    }

    /// Bytes held elsewhere.
    pub(super) fn size_bytes(&self) -> usize {
        self.last.capacity() * size_of::<f64>()
    }
}

impl Snapshot for Row {
    fn save(&self, out: &mut Writer) {
        out.u32(self.last.len() as u32);
        self.last.iter().for_each(|&number| out.f64(number));
        out.u8(u8::from(self.trend.is_some()));
        out.f64(self.trend.unwrap_or_default());
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let count = input.count(8)?;
        let last: Result<VecDeque<f64>, _> = (0..count).map(|_| input.f64()).collect();
        let last = last?;
        let there = input.u8()? != 0;
        let trend = input.f64()?;
        Ok(Self { last, trend: there.then_some(trend) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_by_hand() {
        let mut row = Row::default();
        let features = |row: &Row| -> Vec<f64> {
            let number = |input: Input| match input {
                Input::Number(number) => number,
                Input::Word(word) => panic!("{word}"),
            };
            row.inputs(3).into_iter().map(number).collect()
        };
        assert_eq!((features(&row), row.last()), (vec![0.0; 4], None));
        row.push(10.0, 3);
        assert_eq!(features(&row), [10.0, 0.0, 0.0, 0.0]);
        row.push(12.0, 3);
        assert_eq!(features(&row), [12.0, 2.0, 0.0, 2.0]);
        row.push(13.0, 3);
        // b = .8·2 + .2·1.
        assert_eq!(features(&row), [13.0, 1.0, 2.0, 0.8 * 2.0 + (1.0 - 0.8) * 1.0]);
        row.push(13.0, 3);
        assert_eq!((features(&row).len(), row.last.len()), (Row::features(3), 3));
    }
}
