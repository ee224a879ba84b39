//! OffsetDelete (47): deletes a group's offsets of partitions it does not subscribe to (KIP-496).
//!
//! Version 0, not flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    OffsetDelete [0..=0]: OffsetDeleteRequest<'a> => OffsetDeleteResponse<'a>;

    /// Offsets to delete.
    pub struct OffsetDeleteRequest<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The topics.
        topics: Vec<OffsetDeleteRequestTopic<'a>>;
    }

    /// A topic whose offsets are to go.
    pub struct OffsetDeleteRequestTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<OffsetDeleteRequestPartition>;
    }

    /// A partition whose offset is to go.
    pub struct OffsetDeleteRequestPartition {
        /// The partition.
        partition_index: i32;
    }

    /// What became of each.
    pub struct OffsetDeleteResponse<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// The topics.
        topics: Vec<OffsetDeleteResponseTopic<'a>>;
    }

    /// What became of a topic's offsets.
    pub struct OffsetDeleteResponseTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<OffsetDeleteResponsePartition>;
    }

    /// What became of a partition's offset.
    pub struct OffsetDeleteResponsePartition {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
    }
}
