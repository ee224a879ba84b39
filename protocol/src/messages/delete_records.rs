//! DeleteRecords (21): deletes the records before an offset.
//!
//! Versions 0-2: 2 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DeleteRecords [0..=2, flexible 2..]: DeleteRecordsRequest<'a> => DeleteRecordsResponse<'a>;

    /// Where each partition shall begin.
    pub struct DeleteRecordsRequest<'a> {
        /// The topics.
        topics: Vec<DeleteRecordsTopic<'a>>;
        /// How long to wait for it.
        timeout_ms: i32;
    }

    /// A topic to delete from.
    pub struct DeleteRecordsTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<DeleteRecordsPartition>;
    }

    /// A partition to delete from.
    pub struct DeleteRecordsPartition {
        /// The partition.
        partition_index: i32;
        /// The first offset to keep; -1 to keep none.
        offset: i64;
    }

    /// Where each partition begins now.
    pub struct DeleteRecordsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// The topics.
        topics: Vec<DeleteRecordsTopicResult<'a>>;
    }

    /// What became of a topic.
    pub struct DeleteRecordsTopicResult<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<DeleteRecordsPartitionResult>;
    }

    /// What became of a partition.
    pub struct DeleteRecordsPartitionResult {
        /// The partition.
        partition_index: i32;
        /// The first offset there is now; -1 if it failed.
        low_watermark: i64;
        /// 0, or why it failed.
        error_code: i16;
    }
}
