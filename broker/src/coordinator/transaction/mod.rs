//! Producers that promise something: so far idempotent ones, who need an id nobody had before.

mod producer_ids;

pub use producer_ids::{PRODUCER_ID_BLOCK, ProducerIdError, ProducerIdStore, ProducerIds};
