//! Many scores of a candidate into one.
//!
//! Each column is divided by its greatest value among the candidates, so that columns are alike in scale, and
//! weighted.

use super::candidates::{Row, Scratch};
use crate::models::{COLUMNS, PAIRS, column_name};
use crate::state::snapshot::{Reader, Snapshot, SnapshotError, Writer};

/// How candidates are scored.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scoring<'a> {
    /// By one column.
    Column(usize),
    /// By all, weighted.
    Fused(&'a Fusion),
}

/// The weights of the columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fusion {
    weights: [f32; COLUMNS],
}

impl Default for Fusion {
    fn default() -> Self {
        let mut weights = [0.0; COLUMNS];
        weights[..PAIRS].copy_from_slice(&[1.0, 0.5, 1.0, 0.5]);
        weights[PAIRS + 4] = 0.1;
        weights[COLUMNS - 1] = 0.1;
        Self { weights }
    }
}

impl Fusion {
    /// The weight of each column.
    pub(crate) fn report(&self) -> Vec<(&'static str, f64)> {
        self.weights
            .iter()
            .enumerate()
            .map(|(column, &weight)| (column_name(column), f64::from(weight)))
            .collect()
    }

    /// The half-life that predicts best.
    pub(crate) fn best_life(&self) -> usize {
        let lives = &self.weights[PAIRS..];
        (0..lives.len()).fold(0, |best, life| if lives[life] > lives[best] { life } else { best })
    }
}

impl Snapshot for Fusion {
    fn save(&self, out: &mut Writer) {
        self.weights.iter().for_each(|&weight| out.f32(weight));
    }

    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut weights = [0.0; COLUMNS];
        for weight in &mut weights {
            *weight = input.f32()?;
        }
        Ok(Self { weights })
    }
}

/// Weights with the columns' scales taken in, for one set of candidates.
pub(crate) struct Scaled {
    weights: Row,
}

impl Scaled {
    pub(crate) fn new(scoring: Scoring<'_>, scratch: &Scratch) -> Self {
        let weights = match scoring {
            Scoring::Column(column) => std::array::from_fn(|other| f32::from(u8::from(other == column))),
            Scoring::Fused(fusion) => {
                let mut greatest = [0.0f32; COLUMNS];
                for row in &scratch.rows {
                    for (most, value) in greatest.iter_mut().zip(row) {
                        *most = most.max(*value);
                    }
                }
                let scaled = |c: usize| if greatest[c] > 0.0 { fusion.weights[c] / greatest[c] } else { 0.0 };
                std::array::from_fn(scaled)
            }
        };
        Self { weights }
    }

    /// The part each column has in a candidate's score.
    pub(crate) fn parts(&self, row: &Row) -> Row {
        std::array::from_fn(|column| self.weights[column] * row[column])
    }

    pub(crate) fn score(&self, row: &Row) -> f32 {
        self.parts(row).iter().sum()
    }
}
