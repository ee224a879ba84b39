//! CreateTopics (19): creates topics.
//!
//! Versions 0-7: 1 can check only, and tells error messages; 2 adds the throttle time; 4 allows -1 for
//! the broker's default number of partitions and replicas (KIP-464); 5 is flexible and answers with the
//! configuration (KIP-525); 6 may answer THROTTLING_QUOTA_EXCEEDED (KIP-599); 7 tells the topic's id.

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    CreateTopics [0..=7, flexible 5..]: CreateTopicsRequest<'a> => CreateTopicsResponse<'a>;

    /// Topics to create.
    pub struct CreateTopicsRequest<'a> {
        /// The topics.
        topics: Vec<CreatableTopic<'a>>;
        /// How long to wait for it.
        timeout_ms: i32 = 60000;
        /// Whether to check only and create nothing.
        validate_only: bool [1..];
    }

    /// A topic to create.
    pub struct CreatableTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// How many partitions; -1 for the broker's default.
        num_partitions: i32;
        /// How many replicas; -1 for the broker's default.
        replication_factor: i16;
        /// Brokers of each partition chosen by hand; empty if the broker chooses.
        assignments: Vec<CreatableReplicaAssignment>;
        /// Configuration to set.
        configs: Vec<CreatableTopicConfig<'a>>;
    }

    /// Brokers of one partition.
    pub struct CreatableReplicaAssignment {
        /// The partition.
        partition_index: i32;
        /// Its brokers, the preferred leader first.
        broker_ids: Vec<i32>;
    }

    /// A configuration value to set.
    pub struct CreatableTopicConfig<'a> {
        /// The key.
        name: Cow<'a, str>;
        /// The value.
        value: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }

    /// What became of each topic.
    pub struct CreateTopicsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [2.., ignorable];
        /// An answer for each topic.
        topics: Vec<CreatableTopicResult<'a>>;
    }

    /// What became of a topic.
    pub struct CreatableTopicResult<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The topic's id.
        topic_id: TopicId [7.., ignorable];
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> [1.., ignorable] = Some(Cow::Borrowed(""));
        /// How many partitions it got; -1 if not told.
        num_partitions: i32 [5.., ignorable] = -1;
        /// How many replicas each partition got; -1 if not told.
        replication_factor: i16 [5.., ignorable] = -1;
        /// Its configuration; null if the client may not see it.
        configs: Option<Vec<CreatableTopicConfigs<'a>>> [5.., ignorable] = Some(Vec::new());
    } tagged {
        /// 0, or why the configuration is not told.
        topic_config_error_code(0): i16 [5.., ignorable];
    }

    /// A configuration value of a topic created.
    pub struct CreatableTopicConfigs<'a> {
        /// The key.
        name: Cow<'a, str>;
        /// The value; null if it is secret.
        value: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// Whether it cannot be changed.
        read_only: bool;
        /// Where the value comes from: 1 topic, 2 broker, 3 all brokers, 4 file, 5 default.
        config_source: i8 = -1;
        /// Whether it is secret, and so told as null.
        is_sensitive: bool;
    }
}
