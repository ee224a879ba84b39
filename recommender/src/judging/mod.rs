//! What answers were worth: who is given which model, what is counted, and how sure that is.
//!
//! ```text
//! experiment: user ─▶ arm ─▶ model ─▶ answer, its name says which ─▶ impressions, clicks, purchases with that name
//!                                                                       │
//!                      report: figures, intervals, tests ◀── board: counts by origin and window
//! ```
//! | file | is |
//! |---|---|
//! | `experiment` | arms by a hash of experiment and user |
//! | `board` | every count, by origin and window |
//! | `tally` | the counts of one, and the figures made of them |
//! | `currency` | what money is in |
//! | `statistics` | intervals and tests |
//! | `report` | the figures as they are told |
//! | `off_policy` | what another way of answering would have brought |
//! | `recent` | a bounded memory of what was shown and ordered |

pub(crate) mod board;
pub(crate) mod currency;
pub mod experiment;
pub mod off_policy;
pub(crate) mod recent;
pub mod report;
pub mod statistics;
pub mod tally;

pub use report::{Comparison, Evaluation, Row, Wanted, Window};
pub use tally::{Figure, JudgedBy};
