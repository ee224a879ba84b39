//! OffsetFetch (9): how far a group has read.
//!
//! Versions 0-10: 0 is as 1 (it asked ZooKeeper once); 2 adds a null list of topics for all and an error
//! code for the whole answer; 3 the throttle time; 5 leader epochs; 6 is flexible; 7 can refuse offsets
//! that an open transaction may change, with UNSTABLE_OFFSET_COMMIT (KIP-447); 8 asks for many groups at
//! once (KIP-709), with other structs; 9 serves members of KIP-848 groups too; 10 names topics by id.

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    OffsetFetch [0..=10, flexible 6..]: OffsetFetchRequest<'a> => OffsetFetchResponse<'a>;

    /// Asks for committed offsets.
    pub struct OffsetFetchRequest<'a> {
        /// The group.
        group_id: Cow<'a, str> [0..=7];
        /// The topics; null for all that the group has offsets of.
        topics: Option<Vec<OffsetFetchRequestTopic<'a>>> [0..=7, null 2..=7] = Some(Vec::new());
        /// The groups, each with what is wanted of it.
        groups: Vec<OffsetFetchRequestGroup<'a>> [8..];
        /// Whether to refuse offsets that an open transaction may still change (KIP-447).
        require_stable: bool [7..];
    }

    /// A topic whose offsets are wanted, up to version 7.
    pub struct OffsetFetchRequestTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partition_indexes: Vec<i32>;
    }

    /// A group whose offsets are wanted.
    pub struct OffsetFetchRequestGroup<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The member's id; null from no member (KIP-848).
        member_id: Option<Cow<'a, str>> [9.., ignorable];
        /// The member's epoch; -1 from no member (KIP-848).
        member_epoch: i32 [9.., ignorable] = -1;
        /// The topics; null for all that the group has offsets of.
        topics: Option<Vec<OffsetFetchRequestTopics<'a>>> = Some(Vec::new());
    }

    /// A topic whose offsets are wanted, from version 8 on.
    pub struct OffsetFetchRequestTopics<'a> {
        /// The topic's name.
        name: Cow<'a, str> [8..=9, ignorable];
        /// The topic's id.
        topic_id: TopicId [10.., ignorable];
        /// The partitions.
        partition_indexes: Vec<i32>;
    }

    /// Committed offsets. A partition without one has offset -1 and no error.
    pub struct OffsetFetchResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [3.., ignorable];
        /// The topics.
        topics: Vec<OffsetFetchResponseTopic<'a>> [0..=7];
        /// 0, or why it failed.
        error_code: i16 [2..=7, ignorable];
        /// An answer for each group.
        groups: Vec<OffsetFetchResponseGroup<'a>> [8..];
    }

    /// A topic's offsets, up to version 7.
    pub struct OffsetFetchResponseTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<OffsetFetchResponsePartition<'a>>;
    }

    /// A partition's offset, up to version 7.
    pub struct OffsetFetchResponsePartition<'a> {
        /// The partition.
        partition_index: i32;
        /// The offset of the next record to read; -1 if none is committed.
        committed_offset: i64;
        /// Leader epoch of the record before the offset; -1 if not known.
        committed_leader_epoch: i32 [5.., ignorable] = -1;
        /// What the client stored with the offset.
        metadata: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// 0, or why it failed.
        error_code: i16;
    }

    /// A group's offsets.
    pub struct OffsetFetchResponseGroup<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The topics.
        topics: Vec<OffsetFetchResponseTopics<'a>>;
        /// 0, or why it failed.
        error_code: i16;
    }

    /// A topic's offsets, from version 8 on.
    pub struct OffsetFetchResponseTopics<'a> {
        /// The topic's name.
        name: Cow<'a, str> [8..=9, ignorable];
        /// The topic's id.
        topic_id: TopicId [10.., ignorable];
        /// The partitions.
        partitions: Vec<OffsetFetchResponsePartitions<'a>>;
    }

    /// A partition's offset, from version 8 on.
    pub struct OffsetFetchResponsePartitions<'a> {
        /// The partition.
        partition_index: i32;
        /// The offset of the next record to read; -1 if none is committed.
        committed_offset: i64;
        /// Leader epoch of the record before the offset; -1 if not known.
        committed_leader_epoch: i32 = -1;
        /// What the client stored with the offset.
        metadata: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// 0, or why it failed.
        error_code: i16;
    }
}
