//! Batches and message sets against what others make of the same bytes, and against damage.
//!
//! [`golden`] holds what real clients wrote, [`oracle`] asks another implementation, [`properties`] goes
//! there and back with random records, [`damage`] cuts, flips and splices.

#![expect(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod common;
mod damage;
mod golden;
mod oracle;
mod properties;
