//! AlterPartitionReassignments (45): moves replicas between brokers, or gives up moves (KIP-455).
//!
//! Versions 0-1, both flexible: 1 can forbid changes of the replication factor (KIP-860).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    AlterPartitionReassignments [0..=1, flexible 0..]: AlterPartitionReassignmentsRequest<'a> =>
        AlterPartitionReassignmentsResponse<'a>;

    /// Where partitions are to be.
    pub struct AlterPartitionReassignmentsRequest<'a> {
        /// How long to wait, in milliseconds.
        timeout_ms: i32 = 60000;
        /// Whether partitions may have more or fewer replicas than before.
        allow_replication_factor_change: bool [1..] = true;
        /// The topics.
        topics: Vec<ReassignableTopic<'a>>;
    }

    /// Partitions of one topic.
    pub struct ReassignableTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<ReassignablePartition>;
    }

    /// Where a partition is to be.
    pub struct ReassignablePartition {
        /// The partition.
        partition_index: i32;
        /// Brokers to be on; null to give up a move under way.
        replicas: Option<Vec<i32>>;
    }

    /// What became of each.
    pub struct AlterPartitionReassignmentsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// Whether partitions may have had more or fewer replicas than before.
        allow_replication_factor_change: bool [1.., ignorable] = true;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// The topics.
        responses: Vec<ReassignableTopicResponse<'a>>;
    }

    /// What became of a topic.
    pub struct ReassignableTopicResponse<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<ReassignablePartitionResponse<'a>>;
    }

    /// What became of a partition.
    pub struct ReassignablePartitionResponse<'a> {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }
}
