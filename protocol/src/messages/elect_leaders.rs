//! ElectLeaders (43): makes preferred replicas, or any live ones, leaders of their partitions.
//!
//! Versions 0-2: 1 can elect replicas that are not in sync (KIP-460), and has an error code for the whole
//! answer; 2 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    ElectLeaders [0..=2, flexible 2..]: ElectLeadersRequest<'a> => ElectLeadersResponse<'a>;

    /// Asks for elections.
    pub struct ElectLeadersRequest<'a> {
        /// 0 elects the preferred replica, 1 any live one if none is in sync.
        election_type: i8 [1..];
        /// The partitions; null for all.
        topic_partitions: Option<Vec<TopicPartitions<'a>>> = Some(Vec::new());
        /// How long to wait for the election, in milliseconds.
        timeout_ms: i32 = 60000;
    }

    /// Partitions of one topic.
    pub struct TopicPartitions<'a> {
        /// The topic's name.
        topic: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<i32>;
    }

    /// How they went.
    pub struct ElectLeadersResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16 [1..];
        /// The topics; with all partitions asked for, those whose leader changed or failed to.
        replica_election_results: Vec<ReplicaElectionResult<'a>>;
    }

    /// How they went for a topic.
    pub struct ReplicaElectionResult<'a> {
        /// The topic's name.
        topic: Cow<'a, str>;
        /// The partitions.
        partition_result: Vec<PartitionResult<'a>>;
    }

    /// How it went for a partition.
    pub struct PartitionResult<'a> {
        /// The partition.
        partition_id: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }
}
