//! The models: each a file, each a view on the shared state that scores candidates for a history.
//!
//! Models are not separate programs with separate memories. The counts are kept once, in the state, and a
//! model is a way of reading them; so a further model costs no learning time, and one walk over the rows of the
//! history's items feeds every model of pairs at once.
//!
//! | kind | trait | candidates come from |
//! |---|---|---|
//! | pairs | [`PairModel`] | neighbours of the items in the history |
//! | popularity | a half-life of [`crate::hot`] | the hottest items |
//!
//! A pair model adds, for each item `j` of the history, k places back, its value for (j, candidate) times
//! `decay(k)`.

mod cooccurrence;
mod item_cosine;
mod llr;
mod rules;

use crate::cooccurrence::Pair;
use crate::hot::LIVES;

/// What a pair model sees of the pair (history's item, candidate).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) pair: &'a Pair,
    /// Users who came to the history's item.
    pub(crate) first: f32,
    /// Users who came to the candidate.
    pub(crate) second: f32,
    /// All users.
    pub(crate) total: f32,
}

/// A model that scores a candidate from what the history's items have to do with it.
pub(crate) trait PairModel: Sync {
    /// Its name in requests, reasons and reports.
    fn name(&self) -> &'static str;
    /// Its value for one pair.
    fn value(&self, seen: Seen<'_>) -> f32;
    /// The weight of the item `back` places back in the history, 0 being the latest.
    fn decay(&self, back: usize) -> f32;
    /// What a person is told.
    fn reason(&self) -> &'static str;
}

/// Every pair model, in the order of their columns.
pub(crate) const PAIR_MODELS: [&dyn PairModel; PAIRS] =
    [&item_cosine::ItemCosine, &llr::Llr, &cooccurrence::Cooccurrence, &rules::Rules];

/// How many pair models there are.
pub(crate) const PAIRS: usize = 4;

/// Columns of a candidate's scores: the pair models, then popularity by half-life.
pub(crate) const COLUMNS: usize = PAIRS + LIVES;

/// The names of the columns.
pub(crate) const POPULARITY_NAMES: [&str; LIVES] = [
    "popular-1h",
    "popular-6h",
    "popular-1d",
    "popular-3d",
    "popular-7d",
    "popular-30d",
    "popular-365d",
    "popular",
];

/// The name of a column.
pub(crate) fn column_name(column: usize) -> &'static str {
    if column < PAIRS { PAIR_MODELS[column].name() } else { POPULARITY_NAMES[column - PAIRS] }
}

/// The column of a name.
pub(crate) fn column_of(name: &str) -> Option<usize> {
    (0..COLUMNS).find(|&column| column_name(column) == name)
}
