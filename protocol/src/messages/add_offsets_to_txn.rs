//! AddOffsetsToTxn (25): makes a group's offsets part of a transaction.
//!
//! Versions 0-4: 2 may answer PRODUCER_FENCED; 3 is flexible; 4 may answer TRANSACTION_ABORTABLE
//! (KIP-890).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    AddOffsetsToTxn [0..=4, flexible 3..]: AddOffsetsToTxnRequest<'a> => AddOffsetsToTxnResponse;

    /// The group to add.
    pub struct AddOffsetsToTxnRequest<'a> {
        /// The transactional id.
        transactional_id: Cow<'a, str>;
        /// The producer.
        producer_id: i64;
        /// The producer's epoch.
        producer_epoch: i16;
        /// The group.
        group_id: Cow<'a, str>;
    }

    /// Whether it was added.
    pub struct AddOffsetsToTxnResponse {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
    }
}
