//! The models: each a file, each a way of reading the shared counts.
//!
//! Models are not separate programs with separate memories. What was counted is kept once, in the state, and a
//! model is a view on it; so a further model costs no learning time, and one walk over the rows of the history's
//! items feeds every model of pairs at once.
//!
//! A pair model scores a candidate x for a history h_0 (latest), h_1, ... as
//!
//! ```text
//! score(x) = finish(x) · Σ_k decay^k · own(h_k) · value(h_k, x)
//! ```
//!
//! where `value` reads the pair's counts. Factors that depend on one item alone are kept out of the inner loop.

pub(crate) mod cooccurrence;
pub(crate) mod item_cosine;
pub(crate) mod llr;
pub(crate) mod rules;
pub(crate) mod user_knn;

use crate::hot::LIVES;

/// The models, in the order of their columns: those that go by the history, then popularity by half-life.
pub(crate) const COLUMNS: usize = PERSONAL + LIVES;

/// How many models go by the history.
pub(crate) const PERSONAL: usize = 5;

/// The column of [`item_cosine`].
pub(crate) const COSINE: usize = 0;
/// The column of [`llr`].
pub(crate) const LLR: usize = 1;
/// The column of [`cooccurrence`].
pub(crate) const COOCCURRENCE: usize = 2;
/// The column of [`rules`].
pub(crate) const RULES: usize = 3;
/// The column of [`user_knn`].
pub(crate) const USER_KNN: usize = 4;

const NAMES: [&str; COLUMNS] = [
    item_cosine::NAME,
    llr::NAME,
    cooccurrence::NAME,
    rules::NAME,
    user_knn::NAME,
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
    NAMES[column]
}

/// The column of a name.
pub(crate) fn column_of(name: &str) -> Option<usize> {
    NAMES.iter().position(|&known| known == name)
}
