//! ListOffsets (2): offsets by time, and the ends of the log.
//!
//! A timestamp is a time, or: -1 latest, -2 earliest, -3 the record of the greatest time (from 7,
//! KIP-734), -4 earliest in local storage (from 8, KIP-405), -5 latest in tiered storage (from 9,
//! KIP-1005), -6 earliest that is not uploaded yet (from 11, KIP-1023).
//!
//! Versions 0-11: 0 answers with a list of offsets at which segments start, 1 and later with one offset
//! and its time; 2 adds isolation levels and the throttle time; 4 leader epochs; 5 may answer
//! OFFSET_NOT_AVAILABLE; 6 is flexible; 10 adds a timeout for remote storage (KIP-1075).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    ListOffsets [0..=11, flexible 6..]: ListOffsetsRequest<'a> => ListOffsetsResponse<'a>;

    /// Asks for the offset at a time, of any number of partitions.
    pub struct ListOffsetsRequest<'a> {
        /// The follower; -1 from a consumer.
        replica_id: i32;
        /// 0 sees every record (read_uncommitted), 1 those of committed transactions only.
        isolation_level: i8 [2..];
        /// The topics.
        topics: Vec<ListOffsetsTopic<'a>>;
        /// How long to wait for remote storage.
        timeout_ms: i32 [10.., ignorable];
    }

    /// A topic to look in.
    pub struct ListOffsetsTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<ListOffsetsPartition>;
    }

    /// A partition to look in.
    pub struct ListOffsetsPartition {
        /// The partition.
        partition_index: i32;
        /// The leader epoch the client believes in; -1 to skip the check.
        current_leader_epoch: i32 [4.., ignorable] = -1;
        /// Time of the record wanted, ms since 1970, or one of the negative codes above.
        timestamp: i64;
        /// How many offsets to return at most.
        max_num_offsets: i32 [0..=0] = 1;
    }

    /// The offset found in each partition.
    pub struct ListOffsetsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [2.., ignorable];
        /// The topics.
        topics: Vec<ListOffsetsTopicResponse<'a>>;
    }

    /// What was found in a topic.
    pub struct ListOffsetsTopicResponse<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<ListOffsetsPartitionResponse>;
    }

    /// What was found in a partition.
    pub struct ListOffsetsPartitionResponse {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// Offsets at which segments start, newest first.
        old_style_offsets: Vec<i64> [0..=0];
        /// Time of the record found; -1 if none.
        timestamp: i64 [1..] = -1;
        /// The offset found; -1 if none.
        offset: i64 [1..] = -1;
        /// Leader epoch of the record at the offset; -1 if not known.
        leader_epoch: i32 [4..] = -1;
    }
}
