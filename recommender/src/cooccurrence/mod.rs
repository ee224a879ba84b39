//! What goes with what: counts of pairs, and the similarities that the same counts give.

pub mod counts;
mod row;
mod shape;
pub mod similarity;

pub(crate) use counts::Columns;
pub use counts::{Pair, Pairs};
pub(crate) use row::ROW_MAX;
pub use similarity::{Margins, Metric};
