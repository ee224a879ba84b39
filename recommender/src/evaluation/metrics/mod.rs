//! The metrics, one file each, each with its formula and a case worked out by hand.
//!
//! Common terms: `ranked` is the list, best first; `relevant` the set of items the user did come to; n the length
//! of list that counts. Published programs disagree about details, so every formula here says where it starts
//! counting and what it divides by.

pub mod coverage;
pub mod mrr;
pub mod ndcg;
pub mod novelty;
pub mod rating_error;
pub mod recall;
