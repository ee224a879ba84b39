//! What answers were worth: who is given which model, what is counted, and how sure that is.
//!
//! ```text
//! experiment: user ─▶ arm ─▶ model ─▶ answer, its name says which ─▶ impressions, clicks, purchases with that name
//! ```
//! | file | is |
//! |---|---|
//! | `experiment` | arms by a hash of experiment and user |

pub mod experiment;
