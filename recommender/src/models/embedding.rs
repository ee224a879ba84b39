//! Embeddings that items come with: the nearest by cosine, searched exactly.
//!
//! ```text
//! profile = Σ_k 0.9^k · e(h_k)/‖e(h_k)‖        score(x) = cosine(profile, e(x))
//! ```
//!
//! The first item's embedding sets how many numbers an embedding has; others, and those of no length, are left out.
//! Search looks at every item: n·d multiplications, half a millisecond for 10,000 items of 128.
//!
//! # Bounds
//! 4·d bytes an item, d at most [`DIMENSIONS_MAX`].

use super::{Lesson, Model, Question, Scored};
use crate::ids::{ItemIdx, Renumbering, UserIdx};
use crate::ingest::entity::ItemEntity;
use crate::models::bpr::keep_rows;
use crate::state::State;
use crate::state::snapshot::{Reader, SnapshotError, Writer};

pub(crate) const NAME: &str = "embedding";

/// The longest embedding.
const DIMENSIONS_MAX: usize = 4096;

/// How far back the history is asked.
const HISTORY_ASKED: usize = 20;

/// What each step back in the history is worth.
const DECAY: f32 = 0.9;

/// The model.
#[derive(Debug, Default)]
pub(crate) struct Embedding {
    dimensions: usize,
    /// Embeddings of length 1 by item, zeros for items without one.
    rows: Vec<f32>,
}

impl Embedding {
    fn row(&self, item: ItemIdx) -> &[f32] {
        self.rows.get(item.at() * self.dimensions..(item.at() + 1) * self.dimensions).unwrap_or(&[])
    }
}

/// The vector at length 1; `None` if it has no direction.
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let usable = length.is_finite() && length > 0.0;
    usable.then(|| vector.iter().map(|&value| (f64::from(value) / length) as f32).collect())
}

impl Model for Embedding {
    fn learn(&mut self, _lesson: &Lesson<'_>) {}

    fn describe(&mut self, item: ItemIdx, entity: &ItemEntity<'_>) {
        self.withdraw(item);
        if self.dimensions == 0 && entity.embedding.len() <= DIMENSIONS_MAX {
            self.dimensions = entity.embedding.len();
        }
        let sized = Some(&entity.embedding).filter(|own| !own.is_empty() && own.len() == self.dimensions);
        let Some(unit) = sized.and_then(|own| unit(own)) else { return };
        let from = item.at() * self.dimensions;
        self.rows.resize(self.rows.len().max(from + self.dimensions), 0.0);
        self.rows[from..from + self.dimensions].copy_from_slice(&unit);
    }

    fn withdraw(&mut self, item: ItemIdx) {
        let own = item.at() * self.dimensions..(item.at() + 1) * self.dimensions;
        if let Some(own) = self.rows.get_mut(own) {
            own.fill(0.0);
        }
    }

    fn forget(&mut self, _state: &State, _user: UserIdx, _liked: &[ItemIdx]) {}

    fn renumber_items(&mut self, _state: &State, renumbering: &Renumbering) {
        keep_rows(&mut self.rows, self.dimensions.max(1), renumbering);
    }

    fn score(&self, question: &Question<'_>, scored: &mut Scored) {
        let mut profile = vec![0.0; self.dimensions];
        let mut decay = 1.0;
        for &item in question.history.iter().take(HISTORY_ASKED) {
            profile.iter_mut().zip(self.row(item)).for_each(|(sum, value)| *sum += decay * value);
            decay *= DECAY;
        }
        let Some(profile) = unit(&profile) else { return };
        for (item, row) in (0..).map(ItemIdx).zip(self.rows.chunks_exact(self.dimensions)) {
            let cosine: f32 = row.iter().zip(&profile).map(|(a, b)| a * b).sum();
            if cosine > 0.0 {
                scored.push((item, cosine));
            }
        }
    }

    fn size_bytes(&self) -> usize {
        self.rows.capacity() * 4
    }

    fn save(&self, out: &mut Writer) {
        out.u32(self.dimensions as u32);
        out.u32(self.rows.len() as u32);
        self.rows.iter().for_each(|&value| out.f32(value));
    }

    fn load(&mut self, input: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.dimensions = input.u32()? as usize;
        for _ in 0..input.count(4)? {
            self.rows.push(input.f32()?);
        }
        if self.dimensions > DIMENSIONS_MAX || !self.rows.len().is_multiple_of(self.dimensions.max(1)) {
            return Err(SnapshotError::Malformed("embeddings"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_by_angle() {
        let mut model = Embedding::default();
        for (item, embedding) in [vec![3.0, 4.0], vec![0.0, 2.0], vec![-1.0, 0.0], vec![1.0], vec![0.0, 0.0]]
            .into_iter()
            .enumerate()
        {
            let entity = ItemEntity { embedding, ..ItemEntity::default() };
            model.describe(ItemIdx(item as u32), &entity);
        }
        let state = State::default();
        let mut scored = Vec::new();
        model.score(&Question { state: &state, user: None, history: &[ItemIdx(0)] }, &mut scored);
        assert_eq!(scored.iter().map(|s| s.0.0).collect::<Vec<_>>(), [0, 1]);
        assert!((scored[0].1 - 1.0).abs() < 1e-6 && (scored[1].1 - 0.8).abs() < 1e-6);
    }
}
