//! ShareFetch (78): reads records as a member of a share group, and acknowledges earlier ones (KIP-932).
//!
//! Versions 0-2, all flexible: 0 was the preview in Kafka 4.0; 1 limits records instead of the bytes of each
//! partition, and tells how long they stay locked; 2 can keep to the number of records (KIP-1206) and renew
//! locks (KIP-1222).

use std::borrow::Cow;

use super::fetch::Records;
use crate::codec::table::api;
use crate::types::TopicId;

api! {
    ShareFetch [0..=2, flexible 0..]: ShareFetchRequest<'a> => ShareFetchResponse<'a>;

    /// Asks for records, and acknowledges earlier ones.
    pub struct ShareFetchRequest<'a> {
        /// The group, or null.
        group_id: Option<Cow<'a, str>>;
        /// The member, or null.
        member_id: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// Counts the share session's requests: 0 opens one, -1 closes it.
        share_session_epoch: i32;
        /// How long to wait for `min_bytes`.
        max_wait_ms: i32;
        /// Bytes worth answering for before `max_wait_ms` is over.
        min_bytes: i32;
        /// Bytes wanted at most, except that the first batch comes whole (KIP-74).
        max_bytes: i32 = i32::MAX;
        /// Records wanted at most, except that batches come whole.
        max_records: i32 [1..];
        /// Records that it is best to acquire and acknowledge together.
        batch_size: i32 [1..];
        /// 0 acquires whole batches, 1 keeps to `max_records`.
        share_acquire_mode: i8 [2.., ignorable];
        /// Whether acknowledgements that renew are among them.
        is_renew_ack: bool [2..];
        /// The topics.
        topics: Vec<FetchTopic>;
        /// Partitions to take out of the share session.
        forgotten_topics_data: Vec<ForgottenTopic>;
    }

    /// A topic.
    pub struct FetchTopic {
        /// The topic's id.
        topic_id: TopicId;
        /// The partitions.
        partitions: Vec<FetchPartition>;
    }

    /// A partition.
    pub struct FetchPartition {
        /// The partition.
        partition_index: i32;
        /// Bytes wanted of this partition at most; 0 to acknowledge only.
        partition_max_bytes: i32 [0..=0];
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

    /// Partitions that leave the share session.
    pub struct ForgottenTopic {
        /// The topic's id.
        topic_id: TopicId;
        /// The partitions.
        partitions: Vec<i32>;
    }

    /// Records of each partition.
    pub struct ShareFetchResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// How long acquired records stay locked, in milliseconds.
        acquisition_lock_timeout_ms: i32 [1..];
        /// The topics.
        responses: Vec<ShareFetchableTopicResponse<'a>>;
        /// Where the leaders named above are.
        node_endpoints: Vec<NodeEndpoint<'a>>;
    }

    /// A topic.
    pub struct ShareFetchableTopicResponse<'a> {
        /// The topic's id.
        topic_id: TopicId;
        /// The partitions.
        partitions: Vec<PartitionData<'a>>;
    }

    /// What was fetched of a partition.
    pub struct PartitionData<'a> {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// 0, or why the acknowledgement failed.
        acknowledge_error_code: i16;
        /// More about that error, or null.
        acknowledge_error_message: Option<Cow<'a, str>>;
        /// Who leads now, if it is not the broker asked.
        current_leader: LeaderIdAndEpoch;
        /// Record batches.
        records: Records;
        /// Which of the records the member has acquired.
        acquired_records: Vec<AcquiredRecords>;
    }

    /// Who leads a partition.
    pub struct LeaderIdAndEpoch {
        /// The broker that leads; -1 if none does.
        leader_id: i32;
        /// The leader epoch; -1 if not known.
        leader_epoch: i32;
    }

    /// A run of records that the member has acquired.
    pub struct AcquiredRecords {
        /// The first offset.
        first_offset: i64;
        /// The last offset, included.
        last_offset: i64;
        /// How often they have been handed out, this time included.
        delivery_count: i16;
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
