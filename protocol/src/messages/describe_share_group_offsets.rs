//! DescribeShareGroupOffsets (90): how far share groups have come (KIP-932).
//!
//! Versions 0-1, both flexible: 1 tells the lag (KIP-1226).

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    DescribeShareGroupOffsets [0..=1, flexible 0..]: DescribeShareGroupOffsetsRequest<'a> =>
        DescribeShareGroupOffsetsResponse<'a>;

    /// Asks for offsets of share groups.
    pub struct DescribeShareGroupOffsetsRequest<'a> {
        /// The groups.
        groups: Vec<DescribeShareGroupOffsetsRequestGroup<'a>>;
    }

    /// A group.
    pub struct DescribeShareGroupOffsetsRequestGroup<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The topics; null for all.
        topics: Option<Vec<DescribeShareGroupOffsetsRequestTopic<'a>>> = Some(Vec::new());
    }

    /// Partitions of one topic.
    pub struct DescribeShareGroupOffsetsRequestTopic<'a> {
        /// The topic's name.
        topic_name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<i32>;
    }

    /// The offsets.
    pub struct DescribeShareGroupOffsetsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// The groups.
        groups: Vec<DescribeShareGroupOffsetsResponseGroup<'a>>;
    }

    /// Offsets of a group.
    pub struct DescribeShareGroupOffsetsResponseGroup<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The topics.
        topics: Vec<DescribeShareGroupOffsetsResponseTopic<'a>>;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
    }

    /// Offsets of a topic.
    pub struct DescribeShareGroupOffsetsResponseTopic<'a> {
        /// The topic's name.
        topic_name: Cow<'a, str>;
        /// The topic's id.
        topic_id: TopicId;
        /// The partitions.
        partitions: Vec<DescribeShareGroupOffsetsResponsePartition<'a>>;
    }

    /// The offset of a partition.
    pub struct DescribeShareGroupOffsetsResponsePartition<'a> {
        /// The partition.
        partition_index: i32;
        /// The first offset that is not yet acknowledged for good.
        start_offset: i64;
        /// The leader epoch; -1 if not known.
        leader_epoch: i32;
        /// Records left to read; -1 if not known.
        lag: i64 [1.., ignorable] = -1;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
    }
}
