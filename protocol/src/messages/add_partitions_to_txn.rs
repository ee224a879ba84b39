//! AddPartitionsToTxn (24): makes partitions part of a transaction before it writes to them.
//!
//! Versions 0-5: 2 may answer PRODUCER_FENCED; 3 is flexible; 4 is for brokers: many transactions at
//! once, or only a check (KIP-890); 5 may answer TRANSACTION_ABORTABLE. Clients use 0 to 3.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    AddPartitionsToTxn [0..=5, flexible 3..]: AddPartitionsToTxnRequest<'a> => AddPartitionsToTxnResponse<'a>;

    /// Partitions to add.
    pub struct AddPartitionsToTxnRequest<'a> {
        /// The transactions, from a broker (versions 4 and later).
        transactions: Vec<AddPartitionsToTxnTransaction<'a>> [4..];
        /// The transactional id, from a client (versions 0 to 3).
        v3_and_below_transactional_id: Cow<'a, str> [0..=3];
        /// The producer, from a client.
        v3_and_below_producer_id: i64 [0..=3];
        /// The producer's epoch, from a client.
        v3_and_below_producer_epoch: i16 [0..=3];
        /// The partitions to add, from a client.
        v3_and_below_topics: Vec<AddPartitionsToTxnTopic<'a>> [0..=3];
    }

    /// A transaction and its new partitions.
    pub struct AddPartitionsToTxnTransaction<'a> {
        /// The transactional id.
        transactional_id: Cow<'a, str>;
        /// The producer.
        producer_id: i64;
        /// The producer's epoch.
        producer_epoch: i16;
        /// Whether only to check that the partitions are in the transaction.
        verify_only: bool;
        /// The topics.
        topics: Vec<AddPartitionsToTxnTopic<'a>>;
    }

    /// Partitions of one topic.
    pub struct AddPartitionsToTxnTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<i32>;
    }

    /// What became of each partition.
    pub struct AddPartitionsToTxnResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16 [4.., ignorable];
        /// An answer for each transaction, to a broker.
        results_by_transaction: Vec<AddPartitionsToTxnResult<'a>> [4..];
        /// An answer for each topic, to a client.
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult<'a>> [0..=3];
    }

    /// What became of a transaction's partitions.
    pub struct AddPartitionsToTxnResult<'a> {
        /// The transactional id.
        transactional_id: Cow<'a, str>;
        /// An answer for each topic.
        topic_results: Vec<AddPartitionsToTxnTopicResult<'a>>;
    }

    /// What became of a topic's partitions.
    pub struct AddPartitionsToTxnTopicResult<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// An answer for each partition.
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult>;
    }

    /// What became of a partition.
    pub struct AddPartitionsToTxnPartitionResult {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        partition_error_code: i16;
    }
}
