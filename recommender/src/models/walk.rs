//! Two steps away: what goes with what goes with the history, where the history's own rows say little.
//!
//! score(x) = Σ_c s(c) · w(c, x) / √(n_c·n_x), with s(c) the score of c by [`super::cooccurrence`], over the candidates c
//! that the history's rows and nearest users gave, and for items x that these did not give.
//!
//! A short history of rare items leaves places in the list, and the second step fills them better than what is hot.
//! Where the first step reaches more than [`FIRST_MAX`] items nothing is done, so what it costs is bounded and falls
//! on those questions only that were cheap to answer.
//!
//! # Source
//! Cooper et al., Random walks in recommender systems, WWW 2014: the walk; ours is from item to item, over pairs weighed
//! by closeness, and stops after two steps.

pub(crate) const NAME: &str = "walk";

/// From so many items of the first step on, there is no second.
pub(crate) const FIRST_MAX: usize = 60;

/// How many pairs the second step looks at, those of the strongest items of the first.
pub(crate) const PAIRS_MAX: usize = 2000;
