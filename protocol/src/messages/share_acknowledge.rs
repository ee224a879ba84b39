//! ShareAcknowledge (79): acknowledges records that a member of a share group has (KIP-932).
//!
//! Versions 0-2, all flexible: 0 was the preview in Kafka 4.0; 2 can renew locks (KIP-1222).

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    ShareAcknowledge [0..=2, flexible 0..]: ShareAcknowledgeRequest<'a> => ShareAcknowledgeResponse<'a>;

    /// Acknowledges records.
    pub struct ShareAcknowledgeRequest<'a> {
        /// The group, or null.
        group_id: Option<Cow<'a, str>>;
        /// The member, or null.
        member_id: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// Counts the share session's requests: 0 opens one, -1 closes it.
        share_session_epoch: i32;
        /// Whether acknowledgements that renew are among them.
        is_renew_ack: bool [2..];
        /// The topics.
        topics: Vec<AcknowledgeTopic>;
    }

    /// A topic.
    pub struct AcknowledgeTopic {
        /// The topic's id.
        topic_id: TopicId;
        /// The partitions.
        partitions: Vec<AcknowledgePartition>;
    }

    /// A partition.
    pub struct AcknowledgePartition {
        /// The partition.
        partition_index: i32;
        /// What to acknowledge.
        acknowledgement_batches: Vec<AcknowledgementBatch>;
    }

    /// A run of records to acknowledge.
    pub struct AcknowledgementBatch {
        /// The first offset.
        first_offset: i64;
        /// The last offset, included.
        last_offset: i64;
        /// One for all or one for each offset: 0 a gap, 1 accept, 2 release, 3 reject, 4 renew.
        acknowledge_types: Vec<i8>;
    }

    /// What became of them.
    pub struct ShareAcknowledgeResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// How long acquired records stay locked, in milliseconds.
        acquisition_lock_timeout_ms: i32 [2.., ignorable];
        /// The topics.
        responses: Vec<ShareAcknowledgeTopicResponse<'a>>;
        /// Where the leaders named above are.
        node_endpoints: Vec<NodeEndpoint<'a>>;
    }

    /// What became of a topic.
    pub struct ShareAcknowledgeTopicResponse<'a> {
        /// The topic's id.
        topic_id: TopicId;
        /// The partitions.
        partitions: Vec<PartitionData<'a>>;
    }

    /// What became of a partition.
    pub struct PartitionData<'a> {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// Who leads now, if it is not the broker asked.
        current_leader: LeaderIdAndEpoch;
    }

    /// Who leads a partition.
    pub struct LeaderIdAndEpoch {
        /// The broker that leads; -1 if none does.
        leader_id: i32;
        /// The leader epoch; -1 if not known.
        leader_epoch: i32;
    }

    /// Where a broker is.
    pub struct NodeEndpoint<'a> {
        /// The broker.
        node_id: i32;
        /// Its host name.
        host: Cow<'a, str>;
        /// Its port.
        port: i32;
        /// Its rack, or null.
        rack: Option<Cow<'a, str>>;
    }
}
