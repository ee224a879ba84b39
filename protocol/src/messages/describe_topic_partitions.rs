//! DescribeTopicPartitions (75): what there is to know of topics, a page at a time (KIP-966).
//!
//! Version 0, flexible.

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    DescribeTopicPartitions [0..=0, flexible 0..]: DescribeTopicPartitionsRequest<'a> =>
        DescribeTopicPartitionsResponse<'a>;

    /// Asks for topics in pages.
    pub struct DescribeTopicPartitionsRequest<'a> {
        /// The topics.
        topics: Vec<TopicRequest<'a>>;
        /// How many partitions to answer with at most.
        response_partition_limit: i32 = 2000;
        /// Where to begin, or null.
        cursor: Option<Cursor<'a>>;
    }

    /// A topic.
    pub struct TopicRequest<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
    }

    /// A place between pages.
    pub struct Cursor<'a> {
        /// The first topic.
        topic_name: Cow<'a, str>;
        /// Its first partition.
        partition_index: i32;
    }

    /// A page.
    pub struct DescribeTopicPartitionsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// The topics.
        topics: Vec<DescribeTopicPartitionsResponseTopic<'a>>;
        /// Where to go on; null at the end.
        next_cursor: Option<Cursor<'a>>;
    }

    /// A topic.
    pub struct DescribeTopicPartitionsResponseTopic<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// The topic's name, or null.
        name: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// The topic's id.
        topic_id: TopicId;
        /// Whether it is one of the broker's own.
        is_internal: bool;
        /// The partitions.
        partitions: Vec<DescribeTopicPartitionsResponsePartition>;
        /// Bits of the operations the client may do; [`i32::MIN`] if not known.
        topic_authorized_operations: i32 = i32::MIN;
    }

    /// A partition.
    pub struct DescribeTopicPartitionsResponsePartition {
        /// 0, or why it failed.
        error_code: i16;
        /// The partition.
        partition_index: i32;
        /// The broker that leads; -1 if none does.
        leader_id: i32;
        /// The leader epoch; -1 if not known.
        leader_epoch: i32 = -1;
        /// Brokers that hold it.
        replica_nodes: Vec<i32>;
        /// Brokers that are in sync.
        isr_nodes: Vec<i32>;
        /// Brokers that may lead though not in sync (KIP-966), or null.
        eligible_leader_replicas: Option<Vec<i32>>;
        /// Brokers that could lead last, or null.
        last_known_elr: Option<Vec<i32>>;
        /// Brokers that hold it and are down.
        offline_replicas: Vec<i32>;
    }
}
