//! Which models would have recommended what a user takes next: asked before it is learnt, always on.
//!
//! A lesson of the fusion gathers and scores the candidates of a user before a like is learnt. That is all it takes to tell
//! whether each model's ten best had the item, so it is told of every lesson: each like at first, later one in 256. As in
//! `kindred evaluate --protocol prequential --repeats skip`, an item that nobody knows is a miss, what the user had before
//! is left out, and so are items acted on at the very same time. Of models that go by pairs the lists are of the
//! candidates gathered for all together.

use crate::ids::ItemIdx;
use crate::models::{COLUMNS, OPTIONALS, any_name};

/// How long a list is.
const ITEMS: u32 = 10;
/// The place of all models together.
const FUSED: usize = COLUMNS + OPTIONALS;

/// What became of each model's list: bits by column, then of those with memory of their own, then of all fused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Trial {
    asked: u32,
    hits: u32,
}

impl Trial {
    /// Notes the list of a model, by its place among all.
    pub(crate) fn note(&mut self, place: usize, hit: bool) {
        self.asked |= 1 << place;
        self.hits |= u32::from(hit) << place;
    }

    /// The same of all fused.
    pub(crate) fn note_fused(&mut self, hit: bool) {
        self.note(FUSED, hit);
    }

    /// Every model that was asked, and whether its list had the item.
    pub(crate) fn models(self) -> impl Iterator<Item = (&'static str, bool)> {
        let asked = (0..=FUSED).filter(move |place| self.asked >> place & 1 == 1);
        let name = |place: usize| if place == FUSED { "fused" } else { any_name(place) };
        asked.map(move |place| (name(place), self.hits >> place & 1 == 1))
    }
}

/// Whether the item at `taken` is among the best of `values`, of those that are `shown` (above 0); equals by index.
pub(crate) fn is_listed(values: &[f32], shown: &[f32], items: &[ItemIdx], taken: usize) -> bool {
    let (own, item) = (values[taken], items[taken]);
    // Without branches, so that several are looked at at a time.
    let is_before = |((&value, &shown), &other): ((&f32, &f32), &ItemIdx)| {
        (shown > 0.0) & ((value > own) | ((value == own) & (other < item)))
    };
    let before: u32 = values.iter().zip(shown).zip(items).map(|place| u32::from(is_before(place))).sum();
    own > 0.0 && before < ITEMS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_best_that_are_shown() {
        let items: Vec<ItemIdx> = (0..12).map(ItemIdx).collect();
        let values: Vec<f32> = (0..12).map(|n| 12.0 - n as f32).collect();
        let mut shown = vec![1.0; 12];
        assert!(is_listed(&values, &shown, &items, 9) && !is_listed(&values, &shown, &items, 10));
        shown[3] = 0.0;
        assert!(is_listed(&values, &shown, &items, 10) && !is_listed(&values, &shown, &items, 11));
        let equal = [1.0; 12];
        assert!(is_listed(&equal, &[1.0; 12], &items, 9) && !is_listed(&equal, &[1.0; 12], &items, 10));
        assert!(!is_listed(&[0.0], &[1.0], &items, 0), "what a model says nothing for is in no list");
    }

    #[test]
    fn models_have_their_names() {
        let mut trial = Trial::default();
        trial.note(0, true);
        trial.note(COLUMNS, false);
        trial.note_fused(true);
        let told: Vec<_> = trial.models().collect();
        assert_eq!(told, [(any_name(0), true), (any_name(COLUMNS), false), ("fused", true)]);
    }
}
