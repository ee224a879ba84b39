//! AlterShareGroupOffsets (91): sets where an empty share group goes on (KIP-932).
//!
//! Version 0, flexible.

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    AlterShareGroupOffsets [0..=0, flexible 0..]: AlterShareGroupOffsetsRequest<'a> =>
        AlterShareGroupOffsetsResponse<'a>;

    /// Where a share group is to go on.
    pub struct AlterShareGroupOffsetsRequest<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The topics.
        topics: Vec<AlterShareGroupOffsetsRequestTopic<'a>>;
    }

    /// Offsets of a topic.
    pub struct AlterShareGroupOffsetsRequestTopic<'a> {
        /// The topic's name.
        topic_name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<AlterShareGroupOffsetsRequestPartition>;
    }

    /// The offset of a partition.
    pub struct AlterShareGroupOffsetsRequestPartition {
        /// The partition.
        partition_index: i32;
        /// The first offset that is not yet acknowledged for good.
        start_offset: i64;
    }

    /// What became of each.
    pub struct AlterShareGroupOffsetsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// The topics.
        responses: Vec<AlterShareGroupOffsetsResponseTopic<'a>>;
    }

    /// What became of a topic.
    pub struct AlterShareGroupOffsetsResponseTopic<'a> {
        /// The topic's name.
        topic_name: Cow<'a, str>;
        /// The topic's id.
        topic_id: TopicId;
        /// The partitions.
        partitions: Vec<AlterShareGroupOffsetsResponsePartition<'a>>;
    }

    /// What became of a partition.
    pub struct AlterShareGroupOffsetsResponsePartition<'a> {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
    }
}
