//! Producers that promise something: idempotent ones, who need an id nobody had before, and transactional ones, whose
//! records count all together or not at all.
//!
//! | file | holds |
//! |---|---|
//! | `producer_ids` | ids that are given out once and never again |
//! | `state` | one transactional id: what each request makes of it (pure) |
//! | `records` | the formats of `__transaction_state` |
//! | `coordinator` | all transactional ids: appends, waits for the disk, tells partitions how transactions end |

mod coordinator;
#[cfg(test)]
mod model;
mod producer_ids;
pub mod records;
pub mod state;

pub use coordinator::{
    Decider, Described, Enlist, NotTold, OpenTransaction, TransactionConfig, TransactionCoordinator,
    TransactionEnd, TransactionPartitions,
};
pub use producer_ids::{PRODUCER_ID_BLOCK, ProducerIdError, ProducerIdStore, ProducerIds};
