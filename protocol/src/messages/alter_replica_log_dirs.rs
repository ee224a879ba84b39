//! AlterReplicaLogDirs (34): moves replicas between the log directories of a broker (KIP-113).
//!
//! Versions 0-2: 2 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    AlterReplicaLogDirs [0..=2, flexible 2..]: AlterReplicaLogDirsRequest<'a> =>
        AlterReplicaLogDirsResponse<'a>;

    /// Where replicas are to be.
    pub struct AlterReplicaLogDirsRequest<'a> {
        /// The directories.
        dirs: Vec<AlterReplicaLogDir<'a>>;
    }

    /// A log directory.
    pub struct AlterReplicaLogDir<'a> {
        /// Its absolute path.
        path: Cow<'a, str>;
        /// What is to be there.
        topics: Vec<AlterReplicaLogDirTopic<'a>>;
    }

    /// Partitions of one topic.
    pub struct AlterReplicaLogDirTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<i32>;
    }

    /// What became of each.
    pub struct AlterReplicaLogDirsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// The topics.
        results: Vec<AlterReplicaLogDirTopicResult<'a>>;
    }

    /// What became of a topic.
    pub struct AlterReplicaLogDirTopicResult<'a> {
        /// The topic's name.
        topic_name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<AlterReplicaLogDirPartitionResult>;
    }

    /// What became of a partition.
    pub struct AlterReplicaLogDirPartitionResult {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
    }
}
