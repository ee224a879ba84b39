//! ListPartitionReassignments (46): the moves of replicas between brokers that are under way (KIP-455).
//!
//! Version 0, flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    ListPartitionReassignments [0..=0, flexible 0..]: ListPartitionReassignmentsRequest<'a> =>
        ListPartitionReassignmentsResponse<'a>;

    /// Asks for moves under way.
    pub struct ListPartitionReassignmentsRequest<'a> {
        /// How long to wait, in milliseconds.
        timeout_ms: i32 = 60000;
        /// The topics; null for all.
        topics: Option<Vec<ListPartitionReassignmentsTopics<'a>>>;
    }

    /// Partitions of one topic.
    pub struct ListPartitionReassignmentsTopics<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partition_indexes: Vec<i32>;
    }

    /// The moves under way.
    pub struct ListPartitionReassignmentsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// The topics with moves under way.
        topics: Vec<OngoingTopicReassignment<'a>>;
    }

    /// Moves under way of one topic.
    pub struct OngoingTopicReassignment<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<OngoingPartitionReassignment>;
    }

    /// A move under way.
    pub struct OngoingPartitionReassignment {
        /// The partition.
        partition_index: i32;
        /// Brokers that it is on.
        replicas: Vec<i32>;
        /// Brokers that it is moving to.
        adding_replicas: Vec<i32>;
        /// Brokers that it is moving from.
        removing_replicas: Vec<i32>;
    }
}
