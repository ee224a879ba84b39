//! OffsetCommit (8): stores how far a group has read.
//!
//! Versions 0-10: 0 comes from anyone (it went to ZooKeeper once); 1 adds the member and its generation
//! and, in 1 only, a time for each commit; 2-4 have a retention time, later ones leave it to the broker;
//! 3 adds the throttle time; 6 leader epochs; 7 static membership (KIP-345); 8 is flexible; 9 serves
//! members of KIP-848 groups too, and may answer GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH; 10 names
//! topics by id.

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    OffsetCommit [0..=10, flexible 8..]: OffsetCommitRequest<'a> => OffsetCommitResponse<'a>;

    /// Offsets to store.
    pub struct OffsetCommitRequest<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The member's generation (classic) or epoch (KIP-848); -1 from no member.
        generation_id_or_member_epoch: i32 [1.., ignorable] = -1;
        /// The member's id; empty from no member.
        member_id: Cow<'a, str> [1.., ignorable];
        /// The member's name for itself if its membership is static (KIP-345), else null.
        group_instance_id: Option<Cow<'a, str>> [7..];
        /// How long to keep the offsets; -1 for the broker's default.
        retention_time_ms: i64 [2..=4, ignorable] = -1;
        /// The topics.
        topics: Vec<OffsetCommitRequestTopic<'a>>;
    }

    /// A topic's offsets.
    pub struct OffsetCommitRequestTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str> [0..=9, ignorable];
        /// The topic's id.
        topic_id: TopicId [10.., ignorable];
        /// The partitions.
        partitions: Vec<OffsetCommitRequestPartition<'a>>;
    }

    /// A partition's offset.
    pub struct OffsetCommitRequestPartition<'a> {
        /// The partition.
        partition_index: i32;
        /// The offset of the next record to read.
        committed_offset: i64;
        /// Leader epoch of the record before the offset; -1 if not known.
        committed_leader_epoch: i32 [6.., ignorable] = -1;
        /// When the offset counts as committed, ms since 1970; -1 for now.
        commit_timestamp: i64 [1..=1] = -1;
        /// Anything the client wants back with the offset.
        committed_metadata: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }

    /// What became of the offset of each partition.
    pub struct OffsetCommitResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [3.., ignorable];
        /// The topics.
        topics: Vec<OffsetCommitResponseTopic<'a>>;
    }

    /// What became of a topic's offsets.
    pub struct OffsetCommitResponseTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str> [0..=9, ignorable];
        /// The topic's id.
        topic_id: TopicId [10.., ignorable];
        /// The partitions.
        partitions: Vec<OffsetCommitResponsePartition>;
    }

    /// What became of a partition's offset.
    pub struct OffsetCommitResponsePartition {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
    }
}
