//! Fetch (1): reads records, waiting for them if there are none yet.
//!
//! Versions 0-18: 0-1 can take message sets of magic 0, 2-3 of magic 1, 4 and later record batches (magic
//! 2); 1 adds the throttle time; 3 a limit on the whole answer, filled in the order of the partitions; 4
//! isolation levels; 5 the log start offset; 7 fetch sessions (KIP-227); 9 the leader epoch the client
//! believes in (KIP-320); 10 allows zstd (KIP-110); 11 the consumer's rack (KIP-392); 12 is flexible and
//! checks the last epoch fetched; 13 names topics by id (KIP-516); 14 may answer
//! OFFSET_MOVED_TO_TIERED_STORAGE (KIP-405); 15 moves the replica's id into a tagged field (KIP-903); 16
//! may name the leader to turn to (KIP-951); 17 has the follower's directory (KIP-853), 18 its high
//! watermark (KIP-1166).

use std::borrow::Cow;

use bytes::Bytes;

use crate::codec::table::api;
use crate::codec::{DecodeError, EncodeError, Form, Kind, Reader, Wire, Writer};
use crate::types::TopicId;

/// Record batches, or a message set, as the pieces they are read in. None of it is copied on its way out.
///
/// Some old clients trip over null where there are no records, so there is only empty here; null is read
/// as that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records(pub Vec<Bytes>);

impl Records {
    /// Their size together, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }
}

impl From<Vec<Bytes>> for Records {
    fn from(pieces: Vec<Bytes>) -> Records {
        Records(pieces)
    }
}

impl From<Bytes> for Records {
    fn from(piece: Bytes) -> Records {
        Records(vec![piece])
    }
}

impl<'a> Wire<'a> for Records {
    const KIND: Kind = Kind::Records;

    fn wire_bytes_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn read(reader: &mut Reader<'a>, form: Form) -> Result<Self, DecodeError> {
        let piece = reader.shared_bytes(form.flexible)?;
        Ok(Records(piece.into_iter().filter(|piece| !piece.is_empty()).collect()))
    }

    fn write(&self, writer: &mut Writer, form: Form) -> Result<(), EncodeError> {
        writer.length(Some(self.len()), form.flexible)?;
        for piece in &self.0 {
            writer.splice(piece.clone());
        }
        Ok(())
    }
}

api! {
    Fetch [0..=18, flexible 12..]: FetchRequest<'a> => FetchResponse<'a>;

    /// Asks for records from an offset on, of any number of partitions.
    pub struct FetchRequest<'a> {
        /// The follower; -1 from a consumer.
        replica_id: i32 [0..=14] = -1;
        /// How long to wait for `min_bytes`.
        max_wait_ms: i32;
        /// Bytes worth answering for before `max_wait_ms` is over.
        min_bytes: i32;
        /// Bytes wanted at most, except that the first batch comes whole (KIP-74).
        max_bytes: i32 [3.., ignorable] = i32::MAX;
        /// 0 sees every record (read_uncommitted), 1 those of committed transactions only.
        isolation_level: i8 [4.., ignorable];
        /// The fetch session; 0 for none (KIP-227).
        session_id: i32 [7.., ignorable];
        /// Counts the session's requests: 0 opens one, -1 closes it.
        session_epoch: i32 [7.., ignorable] = -1;
        /// The topics.
        topics: Vec<FetchTopic<'a>>;
        /// Partitions to take out of the session.
        forgotten_topics_data: Vec<ForgottenTopic<'a>> [7..];
        /// The consumer's rack, or empty.
        rack_id: Cow<'a, str> [11.., ignorable];
    } tagged {
        /// The cluster the follower belongs to, if it knows.
        cluster_id(0): Option<Cow<'a, str>> [12.., ignorable];
        /// The follower (KIP-903).
        replica_state(1): ReplicaState [15..];
    }

    /// A follower.
    pub struct ReplicaState {
        /// The follower; -1 from a consumer.
        replica_id: i32 = -1;
        /// The follower's epoch; -1 if not known.
        replica_epoch: i64 = -1;
    }

    /// A topic to fetch.
    pub struct FetchTopic<'a> {
        /// The topic's name.
        topic: Cow<'a, str> [0..=12, ignorable];
        /// The topic's id.
        topic_id: TopicId [13.., ignorable];
        /// The partitions.
        partitions: Vec<FetchPartition>;
    }

    /// A partition to fetch.
    pub struct FetchPartition {
        /// The partition.
        partition: i32;
        /// The leader epoch the client believes in; -1 to skip the check.
        current_leader_epoch: i32 [9.., ignorable] = -1;
        /// The first offset wanted.
        fetch_offset: i64;
        /// Leader epoch of the last record the client has; -1 if none.
        last_fetched_epoch: i32 [12..] = -1;
        /// The follower's first offset; -1 from a consumer.
        log_start_offset: i64 [5.., ignorable] = -1;
        /// Bytes wanted of this partition at most (KIP-74).
        partition_max_bytes: i32;
    } tagged {
        /// The follower's log directory (KIP-853).
        replica_directory_id(0): TopicId [17.., ignorable];
        /// The high watermark a follower knows; the greatest number if it does not say (KIP-1166).
        high_watermark(1): i64 [18.., ignorable] = i64::MAX;
    }

    /// Partitions that leave the session.
    pub struct ForgottenTopic<'a> {
        /// The topic's name.
        topic: Cow<'a, str> [7..=12, ignorable];
        /// The topic's id.
        topic_id: TopicId [13.., ignorable];
        /// The partitions.
        partitions: Vec<i32>;
    }

    /// Records of each partition.
    pub struct FetchResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [1.., ignorable];
        /// 0, or why it failed.
        error_code: i16 [7.., ignorable];
        /// The fetch session; 0 for none (KIP-227).
        session_id: i32 [7..];
        /// The topics.
        responses: Vec<FetchableTopicResponse<'a>>;
    } tagged {
        /// Where the leaders named above are.
        node_endpoints(0): Vec<NodeEndpoint<'a>> [16..];
    }

    /// What was fetched of a topic.
    pub struct FetchableTopicResponse<'a> {
        /// The topic's name.
        topic: Cow<'a, str> [0..=12, ignorable];
        /// The topic's id.
        topic_id: TopicId [13.., ignorable];
        /// The partitions.
        partitions: Vec<PartitionData>;
    }

    /// What was fetched of a partition.
    pub struct PartitionData {
        /// The partition.
        partition_index: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// The first offset that is not yet committed.
        high_watermark: i64;
        /// The first offset of the oldest open transaction, or the high watermark.
        last_stable_offset: i64 [4.., ignorable] = -1;
        /// The first offset there is.
        log_start_offset: i64 [5.., ignorable] = -1;
        /// Aborted transactions in the range returned, for read_committed; null for read_uncommitted.
        aborted_transactions: Option<Vec<AbortedTransaction>> [4.., ignorable] = Some(Vec::new());
        /// The replica to read from instead; -1 for this one.
        preferred_read_replica: i32 [11..] = -1;
        /// Record batches or a message set.
        records: Records;
    } tagged {
        /// Where the client's log departs from the leader's, if it does.
        diverging_epoch(0): EpochEndOffset [12..];
        /// Who leads now, if it is not the broker asked (KIP-951).
        current_leader(1): LeaderIdAndEpoch [12..];
        /// The snapshot to fetch instead, in the metadata log.
        snapshot_id(2): SnapshotId [12..];
    }

    /// Where an epoch ends.
    pub struct EpochEndOffset {
        /// The highest epoch both have.
        epoch: i32 = -1;
        /// First offset after it.
        end_offset: i64 = -1;
    }

    /// Who leads a partition.
    pub struct LeaderIdAndEpoch {
        /// The broker that leads; -1 if none does.
        leader_id: i32 = -1;
        /// The leader epoch; -1 if not known.
        leader_epoch: i32 = -1;
    }

    /// A snapshot of the metadata log.
    pub struct SnapshotId {
        /// First offset after the snapshot.
        end_offset: i64 = -1;
        /// The snapshot's epoch.
        epoch: i32 = -1;
    }

    /// An aborted transaction.
    pub struct AbortedTransaction {
        /// The producer.
        producer_id: i64;
        /// Its first offset.
        first_offset: i64;
    }

    /// Where a broker is.
    pub struct NodeEndpoint<'a> {
        /// The broker.
        node_id: i32;
        /// Its host name.
        host: Cow<'a, str>;
        /// Its port.
        port: i32;
        /// Its rack, or null.
        rack: Option<Cow<'a, str>>;
    }
}
