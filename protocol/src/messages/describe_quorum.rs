//! DescribeQuorum (55): who keeps the metadata log, and how far each has come (KIP-595).
//!
//! Versions 0-2, all flexible: 1 tells when members last fetched and were caught up (KIP-836); 2 their
//! directories and addresses, and has messages with its errors (KIP-853).

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    DescribeQuorum [0..=2, flexible 0..]: DescribeQuorumRequest<'a> => DescribeQuorumResponse<'a>;

    /// Asks for the state of quorums.
    pub struct DescribeQuorumRequest<'a> {
        /// The topics.
        topics: Vec<TopicRequest<'a>>;
    }

    /// Partitions of one topic.
    pub struct TopicRequest<'a> {
        /// The topic's name.
        topic_name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<PartitionRequest>;
    }

    /// A partition.
    pub struct PartitionRequest {
        /// The partition.
        partition_index: i32;
    }

    /// The quorums.
    pub struct DescribeQuorumResponse<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> [2.., ignorable] = Some(Cow::Borrowed(""));
        /// The topics.
        topics: Vec<TopicData<'a>>;
        /// Where the nodes are.
        nodes: Vec<Node<'a>> [2..];
    }

    /// The quorums of a topic.
    pub struct TopicData<'a> {
        /// The topic's name.
        topic_name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<PartitionData<'a>>;
    }

    /// The quorum of a partition.
    pub struct PartitionData<'a> {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> [2.., ignorable] = Some(Cow::Borrowed(""));
        /// The broker that leads; -1 if none does.
        leader_id: i32;
        /// The leader epoch; -1 if not known.
        leader_epoch: i32;
        /// The first offset that is not yet committed.
        high_watermark: i64;
        /// Those who elect and may lead.
        current_voters: Vec<ReplicaState>;
        /// Those who follow only.
        observers: Vec<ReplicaState>;
    }

    /// A member of a quorum.
    pub struct ReplicaState {
        /// The node.
        replica_id: i32;
        /// Its log directory.
        replica_directory_id: TopicId [2..];
        /// Where its log ends; -1 if not known.
        log_end_offset: i64;
        /// When it last fetched, in milliseconds since 1970; -1 for the leader or if not known.
        last_fetch_timestamp: i64 [1.., ignorable] = -1;
        /// When it last had everything, in milliseconds since 1970; -1 if not known.
        last_caught_up_timestamp: i64 [1.., ignorable] = -1;
    }

    /// A node.
    pub struct Node<'a> {
        /// The node.
        node_id: i32 [2..];
        /// Its addresses.
        listeners: Vec<Listener<'a>> [2..];
    }

    /// An address of a node.
    pub struct Listener<'a> {
        /// The listener's name.
        name: Cow<'a, str> [2..];
        /// Its host name.
        host: Cow<'a, str> [2..];
        /// Its port.
        port: u16 [2..];
    }
}
