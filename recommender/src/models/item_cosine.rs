//! Item-item cosine over who came to what: Σ_k 0.9^k · c(h_k, x) / √(n_h·n_x).
//!
//! Sarwar et al., WWW 2001, on binary data; the recency weight is ours.

use crate::cooccurrence::Pair;

pub(crate) const NAME: &str = "item-cosine";
pub(crate) const DECAY: f32 = 0.9;

/// The factor of an item of the history, or of the candidate, that `users` came to.
pub(crate) fn factor(users: u32) -> f32 {
    1.0 / (users.max(1) as f32).sqrt()
}

/// What the pair says.
pub(crate) fn value(pair: &Pair) -> f32 {
    pair.count as f32
}
