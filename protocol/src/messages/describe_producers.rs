//! DescribeProducers (61): the producers that partitions remember, to find transactions left open
//! (KIP-664).
//!
//! Version 0, flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DescribeProducers [0..=0, flexible 0..]: DescribeProducersRequest<'a> => DescribeProducersResponse<'a>;

    /// Asks for the producers of partitions.
    pub struct DescribeProducersRequest<'a> {
        /// The topics.
        topics: Vec<TopicRequest<'a>>;
    }

    /// A topic to look in.
    pub struct TopicRequest<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partition_indexes: Vec<i32>;
    }

    /// Their producers.
    pub struct DescribeProducersResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// The topics.
        topics: Vec<TopicResponse<'a>>;
    }

    /// The producers of a topic.
    pub struct TopicResponse<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<PartitionResponse<'a>>;
    }

    /// The producers of a partition.
    pub struct PartitionResponse<'a> {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// The producers that the partition remembers.
        active_producers: Vec<ProducerState>;
    }

    /// A producer.
    pub struct ProducerState {
        /// The producer.
        producer_id: i64;
        /// The producer's epoch.
        producer_epoch: i32;
        /// Sequence of its last record.
        last_sequence: i32 = -1;
        /// Time of its last record, ms since 1970.
        last_timestamp: i64 = -1;
        /// Leader epoch of the coordinator that wrote its last marker.
        coordinator_epoch: i32;
        /// First offset of its open transaction; -1 if none is.
        current_txn_start_offset: i64 = -1;
    }
}
