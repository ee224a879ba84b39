//! Produce (0): appends records.
//!
//! Versions 0-13: 0-1 carry message sets of magic 0 (pykafka sends magic 1 in them too), 2 of magic 1, 3
//! and later record batches (magic 2); 1 adds the throttle time, 2 the log append time, 3 the
//! transactional id; 5 tells the log start offset; 7 allows zstd (KIP-110); 8 tells which records were at
//! fault (KIP-467); 9 is flexible; 10 may name the leader to turn to (KIP-951); 11 may answer
//! TRANSACTION_ABORTABLE; 12 adds the partition to the transaction by itself (KIP-890); 13 names topics
//! by id (KIP-516).

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    Produce [0..=13, flexible 9..]: ProduceRequest<'a> => ProduceResponse<'a>;

    /// Records for any number of partitions.
    pub struct ProduceRequest<'a> {
        /// The transactional id; null without transactions.
        transactional_id: Option<Cow<'a, str>> [3..];
        /// How many replicas must have the records: 0 none and no answer, 1 the leader, -1 all in sync.
        acks: i16;
        /// How long to wait for the acknowledgements.
        timeout_ms: i32;
        /// The topics.
        topic_data: Vec<TopicProduceData<'a>>;
    }

    /// A topic's records.
    pub struct TopicProduceData<'a> {
        /// The topic's name.
        name: Cow<'a, str> [0..=12, ignorable];
        /// The topic's id.
        topic_id: TopicId [13.., ignorable];
        /// The partitions.
        partition_data: Vec<PartitionProduceData<'a>>;
    }

    /// A partition's records.
    pub struct PartitionProduceData<'a> {
        /// The partition.
        index: i32;
        /// Record batches or a message set, as one piece of the frame.
        records: Option<&'a [u8]>;
    }

    /// What became of the records of each partition. Not sent at all if `acks` was 0.
    pub struct ProduceResponse<'a> {
        /// An answer for each topic.
        responses: Vec<TopicProduceResponse<'a>>;
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [1.., ignorable];
    } tagged {
        /// Where the leaders named above are.
        node_endpoints(0): Vec<NodeEndpoint<'a>> [10..];
    }

    /// What became of a topic's records.
    pub struct TopicProduceResponse<'a> {
        /// The topic's name.
        name: Cow<'a, str> [0..=12, ignorable];
        /// The topic's id.
        topic_id: TopicId [13.., ignorable];
        /// An answer for each partition.
        partition_responses: Vec<PartitionProduceResponse<'a>>;
    }

    /// What became of a partition's records.
    pub struct PartitionProduceResponse<'a> {
        /// The partition.
        index: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// Offset that the first record got; -1 if it failed.
        base_offset: i64;
        /// When the broker appended them, ms since 1970, if the topic keeps that time; else -1.
        log_append_time_ms: i64 [2.., ignorable] = -1;
        /// The first offset there is; -1 if not known.
        log_start_offset: i64 [5.., ignorable] = -1;
        /// The records that made the batch fail (KIP-467).
        record_errors: Vec<BatchIndexAndErrorMessage<'a>> [8.., ignorable];
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> [8.., ignorable];
    } tagged {
        /// Who leads now, if it is not the broker asked (KIP-951).
        current_leader(0): LeaderIdAndEpoch [10..];
    }

    /// A record that made its batch fail.
    pub struct BatchIndexAndErrorMessage<'a> {
        /// The record's index within its batch.
        batch_index: i32;
        /// Why the record was refused.
        batch_index_error_message: Option<Cow<'a, str>>;
    }

    /// Who leads a partition.
    pub struct LeaderIdAndEpoch {
        /// The broker that leads; -1 if none does.
        leader_id: i32 = -1;
        /// The leader epoch; -1 if not known.
        leader_epoch: i32 = -1;
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
