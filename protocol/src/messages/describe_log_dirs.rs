//! DescribeLogDirs (35): the log directories, and what is in them (KIP-113).
//!
//! Versions 0-5: 2 is flexible; 3 has an error code for the whole answer; 4 tells the volume's size
//! (KIP-827); 5 whether a directory takes new partitions.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DescribeLogDirs [0..=5, flexible 2..]: DescribeLogDirsRequest<'a> => DescribeLogDirsResponse<'a>;

    /// Asks for partitions' places and sizes.
    pub struct DescribeLogDirsRequest<'a> {
        /// The topics; null for all.
        topics: Option<Vec<DescribableLogDirTopic<'a>>> = Some(Vec::new());
    }

    /// Partitions of one topic.
    pub struct DescribableLogDirTopic<'a> {
        /// The topic's name.
        topic: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<i32>;
    }

    /// The log directories.
    pub struct DescribeLogDirsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16 [3.., ignorable];
        /// The log directories.
        results: Vec<DescribeLogDirsResult<'a>>;
    }

    /// A log directory.
    pub struct DescribeLogDirsResult<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// Its path.
        log_dir: Cow<'a, str>;
        /// The topics.
        topics: Vec<DescribeLogDirsTopic<'a>>;
        /// Size of the volume, in bytes; -1 if not known.
        total_bytes: i64 [4.., ignorable] = -1;
        /// What can still be written to the volume, in bytes; -1 if not known.
        usable_bytes: i64 [4.., ignorable] = -1;
        /// Whether it takes no new partitions.
        is_cordoned: bool [5.., ignorable];
    }

    /// A topic in a log directory.
    pub struct DescribeLogDirsTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<DescribeLogDirsPartition>;
    }

    /// A partition in a log directory.
    pub struct DescribeLogDirsPartition {
        /// The partition.
        partition_index: i32;
        /// Size of its segments, in bytes.
        partition_size: i64;
        /// How many records it is behind.
        offset_lag: i64;
        /// Whether it is to replace the present one, in another directory.
        is_future_key: bool;
    }
}
