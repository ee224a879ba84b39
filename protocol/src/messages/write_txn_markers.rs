//! WriteTxnMarkers (27): writes the end of transactions into the partitions that they wrote to; from
//! coordinators and tools.
//!
//! Versions 0-2: 1 is flexible; 2 tells which transaction protocol is in force (KIP-1228).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    WriteTxnMarkers [0..=2, flexible 1..]: WriteTxnMarkersRequest<'a> => WriteTxnMarkersResponse<'a>;

    /// Markers to write.
    pub struct WriteTxnMarkersRequest<'a> {
        /// The markers.
        markers: Vec<WritableTxnMarker<'a>>;
    }

    /// A marker to write.
    pub struct WritableTxnMarker<'a> {
        /// The producer.
        producer_id: i64;
        /// The producer's epoch.
        producer_epoch: i16;
        /// Whether the transaction committed; else it aborted.
        transaction_result: bool;
        /// The topics.
        topics: Vec<WritableTxnMarkerTopic<'a>>;
        /// Leader epoch of the coordinator's partition.
        coordinator_epoch: i32;
        /// The transaction protocol in force: 0 and 1 as in KIP-98, 2 as in KIP-890.
        transaction_version: i8 [2.., ignorable];
    }

    /// Partitions of one topic.
    pub struct WritableTxnMarkerTopic<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partition_indexes: Vec<i32>;
    }

    /// What became of each marker.
    pub struct WriteTxnMarkersResponse<'a> {
        /// An answer for each marker.
        markers: Vec<WritableTxnMarkerResult<'a>>;
    }

    /// What became of a marker.
    pub struct WritableTxnMarkerResult<'a> {
        /// The producer.
        producer_id: i64;
        /// The topics.
        topics: Vec<WritableTxnMarkerTopicResult<'a>>;
    }

    /// What became of a marker in a topic.
    pub struct WritableTxnMarkerTopicResult<'a> {
        /// The topic's name.
        name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<WritableTxnMarkerPartitionResult>;
    }

    /// What became of a marker in a partition.
    pub struct WritableTxnMarkerPartitionResult {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
    }
}
