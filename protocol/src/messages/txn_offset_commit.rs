//! TxnOffsetCommit (28): stores offsets that take effect when a transaction commits.
//!
//! Versions 0-6: 2 adds leader epochs; 3 is flexible and adds the member and its generation (KIP-447); 4
//! may answer TRANSACTION_ABORTABLE (KIP-890); 5 adds the group to the transaction by itself; 6 names
//! topics by id and serves members of KIP-848 groups (KIP-1319).

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    TxnOffsetCommit [0..=6, flexible 3..]: TxnOffsetCommitRequest<'a> => TxnOffsetCommitResponse<'a>;

    /// Offsets to store.
    pub struct TxnOffsetCommitRequest<'a> {
        /// The transactional id.
        transactional_id: Cow<'a, str>;
        /// The group.
        group_id: Cow<'a, str>;
        /// The producer.
        producer_id: i64;
        /// The producer's epoch.
        producer_epoch: i16;
        /// The member's generation (classic) or epoch (KIP-848); -1 from no member.
        generation_id_or_member_epoch: i32 [3..] = -1;
        /// The member's id; empty from no member.
        member_id: Cow<'a, str> [3..];
        /// The member's name for itself if its membership is static (KIP-345), else null.
        group_instance_id: Option<Cow<'a, str>> [3..];
        /// The topics.
        topics: Vec<TxnOffsetCommitRequestTopic<'a>>;
    }

    /// A topic's offsets.
    pub struct TxnOffsetCommitRequestTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str> [0..=5, ignorable];
        /// The topic's id.
        topic_id: TopicId [6.., ignorable];
        /// The partitions.
        partitions: Vec<TxnOffsetCommitRequestPartition<'a>>;
    }

    /// A partition's offset.
    pub struct TxnOffsetCommitRequestPartition<'a> {
        /// The partition.
        partition_index: i32;
        /// The offset of the next record to read.
        committed_offset: i64;
        /// Leader epoch of the record before the offset; -1 if not known.
        committed_leader_epoch: i32 [2.., ignorable] = -1;
        /// Anything the client wants back with the offset.
        committed_metadata: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }

    /// What became of the offset of each partition.
    pub struct TxnOffsetCommitResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// The topics.
        topics: Vec<TxnOffsetCommitResponseTopic<'a>>;
    }

    /// What became of a topic's offsets.
    pub struct TxnOffsetCommitResponseTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str> [0..=5, ignorable];
        /// The topic's id.
        topic_id: TopicId [6.., ignorable];
        /// The partitions.
        partitions: Vec<TxnOffsetCommitResponsePartition>;
    }

    /// What became of a partition's offset.
    pub struct TxnOffsetCommitResponsePartition {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
    }
}
