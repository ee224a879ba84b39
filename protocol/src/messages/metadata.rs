//! Metadata (3): the brokers, topics, partitions and leaders of a cluster.
//!
//! Versions 0-13: in 0 an empty list of topics means all, from 1 on null does and an empty list means
//! none; 1 adds racks, the controller and whether a topic is internal; 2 the cluster id; 3 the throttle
//! time; 4 lets the client forbid that topics are created; 5 adds offline replicas; 7 leader epochs; 8
//! authorized operations, which for the cluster moved to DescribeCluster in 11 (KIP-700); 9 is flexible;
//! 10 tells topic ids; 12 finds topics by id; 13 has an error code for the whole answer.

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    Metadata [0..=13, flexible 9..]: MetadataRequest<'a> => MetadataResponse<'a>;

    /// Asks for topics and the brokers that lead them.
    pub struct MetadataRequest<'a> {
        /// The topics; null for all, in version 0 empty for all.
        topics: Option<Vec<MetadataRequestTopic<'a>>> [0.., null 1..] = Some(Vec::new());
        /// Whether a topic that is missing may be created, if the broker creates topics at all.
        allow_auto_topic_creation: bool [4..] = true;
        /// Whether to tell what the client may do with the cluster.
        include_cluster_authorized_operations: bool [8..=10];
        /// Whether to tell what the client may do with each topic.
        include_topic_authorized_operations: bool [8..];
    }

    /// A topic to describe.
    pub struct MetadataRequestTopic<'a> {
        /// The topic's id.
        topic_id: TopicId [10.., ignorable];
        /// The topic's name; null if it is asked for by id.
        name: Option<Cow<'a, str>> [0.., null 10..] = Some(Cow::Borrowed(""));
    }

    /// Brokers, topics and partitions.
    pub struct MetadataResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [3.., ignorable];
        /// Every broker of the cluster.
        brokers: Vec<MetadataResponseBroker<'a>>;
        /// The cluster's name for itself.
        cluster_id: Option<Cow<'a, str>> [2.., ignorable];
        /// The broker that takes administrative requests.
        controller_id: i32 [1.., ignorable] = -1;
        /// The topics.
        topics: Vec<MetadataResponseTopic<'a>>;
        /// Operations the client may do on the cluster, a bit each; the least number if it did not ask.
        cluster_authorized_operations: i32 [8..=10] = i32::MIN;
        /// 0, or why it failed.
        error_code: i16 [13.., ignorable];
    }

    /// A broker.
    pub struct MetadataResponseBroker<'a> {
        /// The broker.
        node_id: i32;
        /// Its host name.
        host: Cow<'a, str>;
        /// Its port.
        port: i32;
        /// Its rack, or null.
        rack: Option<Cow<'a, str>> [1.., ignorable];
    }

    /// What there is to know of a topic.
    pub struct MetadataResponseTopic<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// The topic's name; null if its id is not known.
        name: Option<Cow<'a, str>> [0.., null 12..] = Some(Cow::Borrowed(""));
        /// The topic's id.
        topic_id: TopicId [10.., ignorable];
        /// Whether it is the broker's own, as `__consumer_offsets` is.
        is_internal: bool [1.., ignorable];
        /// The partitions.
        partitions: Vec<MetadataResponsePartition>;
        /// Operations the client may do on the topic, a bit each; the least number if it did not ask.
        topic_authorized_operations: i32 [8..] = i32::MIN;
    }

    /// What there is to know of a partition.
    pub struct MetadataResponsePartition {
        /// 0, or why it failed.
        error_code: i16;
        /// The partition.
        partition_index: i32;
        /// The broker that leads; -1 if none does.
        leader_id: i32;
        /// The leader epoch; -1 if not known.
        leader_epoch: i32 [7.., ignorable] = -1;
        /// Every replica.
        replica_nodes: Vec<i32>;
        /// Replicas in sync.
        isr_nodes: Vec<i32>;
        /// Replicas that are down.
        offline_replicas: Vec<i32> [5.., ignorable];
    }
}
