//! EndTxn (26): commits or aborts a transaction.
//!
//! Versions 0-5: 2 may answer PRODUCER_FENCED; 3 is flexible; 4 may answer TRANSACTION_ABORTABLE; 5 gives
//! the producer a new epoch with every transaction (KIP-890).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    EndTxn [0..=5, flexible 3..]: EndTxnRequest<'a> => EndTxnResponse;

    /// How the transaction ends.
    pub struct EndTxnRequest<'a> {
        /// The transactional id.
        transactional_id: Cow<'a, str>;
        /// The producer.
        producer_id: i64;
        /// The producer's epoch.
        producer_epoch: i16;
        /// Whether to commit; else to abort.
        committed: bool;
    }

    /// Whether it ended, and the producer id and epoch to go on with.
    pub struct EndTxnResponse {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// The producer id to go on with; -1 if it failed.
        producer_id: i64 [5.., ignorable] = -1;
        /// The producer epoch to go on with; -1 if it failed.
        producer_epoch: i16 [5.., ignorable] = -1;
    }
}
