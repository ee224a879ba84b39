//! From a history to a ranked list: candidates of every model, fused, filtered, explained.
//!
//! ```text
//! history ──▶ candidates: one walk over the history's rows, plus the hottest items
//!                  │            item × column of scores
//!                  ▼
//!                fuse: one score, lowered by dislikes ──▶ filter: seen, withdrawn, excluded, unfit ──▶ best n, spread, explored ──▶ reasons
//! ```

pub(crate) mod candidates;
pub(crate) mod cold;
pub(crate) mod dislikes;
pub(crate) mod explore;
pub(crate) mod filter;
pub(crate) mod fuse;
pub(crate) mod reasons;
pub(crate) mod spread;
mod strongest;
pub(crate) mod trial;
