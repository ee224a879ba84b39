//! Learners that go through their examples once, in order, and may be asked between any two.
//!
//! | learner | predicts | cost of an example | memory |
//! |---|---|---|---|
//! | [`Ftrl`] | a chance or a number, from many features of which few are present | features present | cells of its table |
//! | [`Rls`] | a number, from few features that are all present | d² | d² numbers |
//! | [`SpaceSaving`] | which of any number of things come most often | 1 | counters |
//! | [`Calibration`] | how often what was said to have chance p happened | 1 | buckets |
//!
//! All use IEEE 754 operations in a fixed order, so the same examples give the same bits.

pub mod calibration;
pub mod ftrl;
pub mod rls;
pub mod space_saving;

pub use calibration::Calibration;
pub use ftrl::{Feature, Ftrl, FtrlSettings, Link};
pub use rls::Rls;
pub use space_saving::SpaceSaving;
