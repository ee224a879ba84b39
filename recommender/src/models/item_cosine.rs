//! Item-item cosine over who came to what: Σ_k 0.9^k · c(h_k, x) / √(n_h·n_x).
//!
//! Sarwar et al., WWW 2001, on binary data; the recency weight is ours.

use crate::math::greater;

pub(crate) const NAME: &str = "item-cosine";
pub(crate) const DECAY: f32 = 0.9;

/// The factor of an item of the history, or of the candidate, that `users` came to.
pub(crate) fn factor(users: f32) -> f32 {
    1.0 / greater(users, 1.0).sqrt()
}

/// What a pair of so many users says.
pub(crate) fn value(count: f32) -> f32 {
    count
}
