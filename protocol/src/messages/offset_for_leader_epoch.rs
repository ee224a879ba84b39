//! OffsetForLeaderEpoch (23): where a leader epoch ends, to tell whether two logs departed (KIP-101,
//! KIP-320).
//!
//! Versions 0-4: 1 tells the epoch found; 2 adds the epoch the client believes in and the throttle time;
//! 3 the replica's id; 4 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    OffsetForLeaderEpoch [0..=4, flexible 4..]: OffsetForLeaderEpochRequest<'a> => OffsetForLeaderEpochResponse<'a>;

    /// Epochs whose end is wanted.
    pub struct OffsetForLeaderEpochRequest<'a> {
        /// The follower; -1 from a consumer, -2 from a tool.
        replica_id: i32 [3.., ignorable] = -2;
        /// The topics.
        topics: Vec<OffsetForLeaderTopic<'a>>;
    }

    /// A topic to look in.
    pub struct OffsetForLeaderTopic<'a> {
        /// The topic's name.
        topic: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<OffsetForLeaderPartition>;
    }

    /// A partition to look in.
    pub struct OffsetForLeaderPartition {
        /// The partition.
        partition: i32;
        /// The leader epoch the client believes in; -1 to skip the check.
        current_leader_epoch: i32 [2.., ignorable] = -1;
        /// The epoch whose end is wanted.
        leader_epoch: i32;
    }

    /// Where each ends.
    pub struct OffsetForLeaderEpochResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [2.., ignorable];
        /// The topics.
        topics: Vec<OffsetForLeaderTopicResult<'a>>;
    }

    /// What was found in a topic.
    pub struct OffsetForLeaderTopicResult<'a> {
        /// The topic's name.
        topic: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<EpochEndOffset>;
    }

    /// Where an epoch ends.
    pub struct EpochEndOffset {
        /// 0, or why it failed.
        error_code: i16;
        /// The partition.
        partition: i32;
        /// The highest epoch not above it; -1 if there is none.
        leader_epoch: i32 [1.., ignorable] = -1;
        /// First offset after it.
        end_offset: i64 = -1;
    }
}
