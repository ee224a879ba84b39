//! DescribeTransactions (65): the state of transactions, from their coordinator (KIP-664).
//!
//! Version 0, flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DescribeTransactions [0..=0, flexible 0..]: DescribeTransactionsRequest<'a> => DescribeTransactionsResponse<'a>;

    /// Asks for transactions by their transactional ids.
    pub struct DescribeTransactionsRequest<'a> {
        /// The transactional ids.
        transactional_ids: Vec<Cow<'a, str>>;
    }

    /// The transactions.
    pub struct DescribeTransactionsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [0.., ignorable];
        /// An answer for each transactional id.
        transaction_states: Vec<TransactionState<'a>>;
    }

    /// The state of a transaction.
    pub struct TransactionState<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// The transactional id.
        transactional_id: Cow<'a, str>;
        /// The state's name: `Empty`, `Ongoing`, `PrepareCommit`, …
        transaction_state: Cow<'a, str>;
        /// How long a transaction may stay open.
        transaction_timeout_ms: i32;
        /// When it began, ms since 1970; -1 if none is open.
        transaction_start_time_ms: i64;
        /// The producer.
        producer_id: i64;
        /// The producer's epoch.
        producer_epoch: i16;
        /// The partitions of the open transaction.
        topics: Vec<TopicData<'a>>;
    }

    /// Partitions of one topic.
    pub struct TopicData<'a> {
        /// The topic's name.
        topic: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<i32>;
    }
}
