//! Compaction: of each key only the last record stays.
//!
//! ```text
//!  clean │ dirty                    │ not yet
//!  ──────┼──────────────────────────┼──────────────▶ offsets
//!        │ 1. key → last offset     │   active segment, open transactions, records younger
//!        │    (keys.rs)             │   than min.compaction.lag.ms
//!  2. every segment of clean and dirty is written again without superseded records (rewrite.rs),
//!     neighbours merged up to segment.bytes, and swapped in (log/compact.rs)
//! ```
//! Offsets never change; batches keep their base and last offset, so producers' sequences stay known.
//!
//! | kept although superseded, expired or aborted | why |
//! |---|---|
//! | records behind the offset the key map reached | it knows nothing about them |
//! | a tombstone (key without value), for `delete.retention.ms` after its batch was first compacted | a reader that began before must see the key go |
//! | the last batch of a producer, empty if need be | its sequence |
//! | the last batch of each new segment, empty if need be | where the segment ends |
//! | a transaction's marker while records of it are there, and for `delete.retention.ms` after | a reader of committed data needs it |
//!
//! The horizon until which a batch's tombstones and markers stay is written into the batch (bit 6 of the attributes, in
//! the place of the base timestamp; KIP-534) the first time it is compacted.
//!
//! A crash at any step loses nothing: see rows J and K of the recovery table.
//!
//! # Source
//! `Cleaner`, `LogCleanerManager`, `CleanedTransactionMetadata` in Apache Kafka 4.x.

pub(crate) mod choose;
pub(crate) mod keys;
pub(crate) mod rewrite;
pub(crate) mod transactions;
