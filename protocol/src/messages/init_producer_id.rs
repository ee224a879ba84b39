//! InitProducerId (22): gives out a producer id, or bumps a transactional producer's epoch.
//!
//! Versions 0-6: 2 is flexible; 3 lets a producer resume with the id and epoch it has (KIP-360); 4 may
//! answer PRODUCER_FENCED; 5 may answer TRANSACTION_ABORTABLE (KIP-890); 6 serves transactions that an
//! outside coordinator decides (KIP-939).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    InitProducerId [0..=6, flexible 2..]: InitProducerIdRequest<'a> => InitProducerIdResponse;

    /// Asks for a producer id.
    pub struct InitProducerIdRequest<'a> {
        /// The transactional id; null without transactions.
        transactional_id: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// How long a transaction may stay open.
        transaction_timeout_ms: i32;
        /// The id the producer has and would keep; -1 if none.
        producer_id: i64 [3..] = -1;
        /// The producer's epoch; -1 if it has none.
        producer_epoch: i16 [3..] = -1;
        /// Whether an outside coordinator decides the transactions (KIP-939).
        enable_2_pc: bool [6..];
        /// Whether to keep a prepared transaction instead of aborting it (KIP-939).
        keep_prepared_txn: bool [6..];
    }

    /// The producer's id and epoch.
    pub struct InitProducerIdResponse {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// The producer's id; -1 if it failed.
        producer_id: i64 = -1;
        /// The producer's epoch.
        producer_epoch: i16;
        /// Producer id of the prepared transaction that was kept; -1 if none.
        ongoing_txn_producer_id: i64 [6..] = -1;
        /// Producer epoch of the prepared transaction that was kept; -1 if none.
        ongoing_txn_producer_epoch: i16 [6..] = -1;
    }
}
