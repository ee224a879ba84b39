//! CreatePartitions (37): gives topics more partitions.
//!
//! Versions 0-3: 2 is flexible; 3 may answer THROTTLING_QUOTA_EXCEEDED (KIP-599).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    CreatePartitions [0..=3, flexible 2..]: CreatePartitionsRequest<'a> => CreatePartitionsResponse<'a>;

    /// Topics that shall have more partitions.
    pub struct CreatePartitionsRequest<'a> {
        /// The topics.
        topics: Vec<CreatePartitionsTopic<'a>>;
        /// How long to wait for it.
        timeout_ms: i32;
        /// Whether to check only and create nothing.
        validate_only: bool;
    }

    /// A topic that shall have more partitions.
    pub struct CreatePartitionsTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// Partitions that it shall have, old and new together.
        count: i32;
        /// Brokers of each new partition chosen by hand; null if the broker chooses.
        assignments: Option<Vec<CreatePartitionsAssignment>> = Some(Vec::new());
    }

    /// Brokers of one new partition.
    pub struct CreatePartitionsAssignment {
        /// Its brokers, the preferred leader first.
        broker_ids: Vec<i32>;
    }

    /// What became of each topic.
    pub struct CreatePartitionsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// An answer for each.
        results: Vec<CreatePartitionsTopicResult<'a>>;
    }

    /// What became of a topic.
    pub struct CreatePartitionsTopicResult<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
    }
}
