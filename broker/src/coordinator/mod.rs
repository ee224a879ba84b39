//! Coordinators: state that lives in records of an internal topic.
//!
//! ```text
//!   handlers ──▶ runtime ──▶ group (pure) ──▶ records + answers
//!                  │  ▲                              │
//!                  │  └──── replay ◀── CoordinatorLog ┘ append; answers go out once durable
//!                  └ timer: what is due when
//! ```
//!
//! `runtime` owns the shards, one for each partition of the topic, and does everything that has a side:
//! appending, waiting for the disk, the clock, parked requests. [`group`] decides, from state, request and
//! time, and touches nothing. `log` is what both coordinators keep their records in.

use std::future::Future;
use std::pin::Pin;

mod batches;
pub mod group;
mod log;
mod runtime;
mod timer;
pub mod transaction;

pub use log::{CoordinatorLog, CoordinatorLogError};
pub use runtime::{CoordinatorEnv, GroupCoordinator, LoadReport};

/// A future on the heap: what a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
