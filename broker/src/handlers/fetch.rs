//! Fetch (1): hands out ranges of the log's map, and waits for data when there is too little.

mod converted;
mod incremental;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::error_code::ErrorCode;
use protocol::messages::fetch::{
    AbortedTransaction as WireAborted, EpochEndOffset, FetchPartition, FetchRequest, FetchResponse,
    FetchTopic, FetchableTopicResponse, PartitionData, Records,
};
use protocol::records::convert::{ConvertError, Magic, down_convert};
use protocol::types::{Epoch, Offset, PartitionIndex};
use storage::{AbortedTransaction, Marks, ReadError};
use tokio::time::Instant;

use super::handler::{Call, Handler, Reply};
use super::leader_epochs::end_of_epoch;
use super::{Cx, Isolation, check_leader_epoch};
use crate::catalog::{Catalog, Topic};
use crate::partitions::{DataWaiter, Partition};
pub(crate) use converted::Converted;

/// First version that takes batches as they are stored (KIP-98); older ones get message sets.
const BATCHES_SINCE: i16 = 4;
/// First version that gets magic 1 (KIP-32).
const MAGIC_1_SINCE: i16 = 2;
/// First version that names topics by id (KIP-516).
const TOPIC_IDS_SINCE: i16 = 13;
/// The session epoch of a request that opens a session (KIP-227).
const OPENS_SESSION: i32 = 0;
/// The session epoch of a request that ends its session, or has none.
const NO_MORE_SESSION: i32 = -1;

/// Versions 0-18: 0-1 get magic 0, 2-3 magic 1, later ones batches as stored; 3 makes the order of
/// partitions count and adds `max_bytes` (KIP-74); 4 isolation; 5 the log's start; 7 sessions
/// (KIP-227); 9 leader epochs (KIP-320); 11 racks (KIP-392); 12 is flexible and compares the last epoch
/// fetched (KIP-595); 13 topic ids (KIP-516); 15 replica state; 16 node endpoints (KIP-951); 17 and 18
/// replication details.
///
/// A full request (session epoch 0 or -1) is answered from itself; an incremental one from its session.
pub(super) struct Fetch;

impl Handler for Fetch {
    type Request<'a> = FetchRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=18;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: FetchRequest<'a>,
    ) -> Reply<FetchResponse<'a>> {
        let deadline =
            Instant::now() + Duration::from_millis(request.max_wait_ms.max(0).unsigned_abs().into());
        if !matches!(request.session_epoch, OPENS_SESSION | NO_MORE_SESSION) {
            let answer = incremental::answer(cx, call.version, &request, deadline).await;
            cx.metrics.fetched.record(answer_bytes(&answer));
            return Reply::Answer(answer);
        }
        cx.fetch_sessions.close(request.session_id);
        let fetch = ParsedFetch {
            converted: (call.version < BATCHES_SINCE).then(|| call.connection.converted.clone()),
            ..ParsedFetch::new(&cx.catalog, cx.config.fetch_max_bytes, call.version, &request)
        };
        let mut round = fetch.read();
        while !round.is_enough(request.min_bytes) {
            let waiter = fetch.register();
            // What was appended before the registration woke nobody: look again. What was found makes room for it.
            drop(round);
            round = fetch.read();
            if round.is_enough(request.min_bytes) || !woken_in_time(cx, &waiter, deadline).await {
                break;
            }
        }
        let session_id = match request.session_epoch {
            OPENS_SESSION => incremental::open_session(cx, &request, &fetch, &round),
            _ => 0,
        };
        let answer = FetchResponse { session_id, ..round.into_response(request.topics, fetch.isolation) };
        cx.metrics.fetched.record(answer_bytes(&answer));
        Reply::Answer(answer)
    }
}

/// Waits for a change; `false` when the deadline passed or the broker stops.
async fn woken_in_time(cx: &Cx, waiter: &DataWaiter, deadline: Instant) -> bool {
    tokio::select! {
        woken = tokio::time::timeout_at(deadline, waiter.woken()) => woken.is_ok(),
        () = cx.tasks.stopping().cancelled() => false,
    }
}

fn answer_bytes(response: &FetchResponse<'_>) -> usize {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| partition.records.len()).sum()
}

/// One partition of the request, looked up once.
struct Wanted {
    partition: Result<Arc<Partition>, ErrorCode>,
    from: Offset,
    /// The epoch of the record before `from`, or none if the client does not say.
    last_epoch: Epoch,
    bytes_max: usize,
}

/// The request with its topics and partitions looked up, in request order.
struct ParsedFetch {
    version: i16,
    isolation: Isolation,
    bytes_max: usize,
    /// For a version whose records are converted: what of them the connection holds.
    converted: Option<Converted>,
    /// Partitions of all topics, topic by topic.
    wanted: Vec<Wanted>,
}

/// What one look at all partitions found, parallel to [`ParsedFetch::wanted`].
struct Round {
    found: Vec<Found>,
    bytes: usize,
    /// Something the client should hear of at once.
    urgent: bool,
}

/// What one look at one partition found.
struct Found {
    error: ErrorCode,
    marks: Option<Marks>,
    records: Option<Bytes>,
    /// Aborted transactions among the records, for a reader of committed ones.
    aborted: Vec<AbortedTransaction>,
    /// Where the log departs from what the client read, if it does.
    diverging: Option<(Epoch, Offset)>,
}

impl ParsedFetch {
    fn new(catalog: &Catalog, limit: usize, version: i16, request: &FetchRequest<'_>) -> Self {
        let mut fetch = Self::of_nothing(limit, version, request);
        fetch.wanted.reserve_exact(request.topics.iter().map(|topic| topic.partitions.len()).sum());
        for topic in &request.topics {
            let found = find_topic(catalog, version, topic);
            fetch.wanted.extend(topic.partitions.iter().map(|partition| Wanted::new(&found, partition)));
        }
        fetch
    }

    /// What holds for all partitions of the request, and none of them.
    fn of_nothing(limit: usize, version: i16, request: &FetchRequest<'_>) -> Self {
        let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0).min(limit);
        let isolation = Isolation::from_wire(request.isolation_level);
        Self { version, isolation, bytes_max, converted: None, wanted: Vec::new() }
    }

    fn read(&self) -> Round {
        let mut round = Round { found: Vec::with_capacity(self.wanted.len()), bytes: 0, urgent: false };
        for wanted in &self.wanted {
            let room = self.bytes_max.saturating_sub(round.bytes);
            let (room, must_progress) = match &self.converted {
                None => (room, round.bytes == 0),
                // Progress is made once the answers before this one have left.
                Some(converted) => (room.min(converted.room()), converted.held() == 0),
            };
            round.add(wanted.read(self, room, must_progress));
        }
        round
    }

    /// Stored batches in the form that the version understands.
    ///
    /// Versions 4-9 get zstd too, though their client need not know it (KIP-110), as from Apache Kafka: kafka-python 2.0
    /// knows it and asks with version 4.
    fn in_its_format(&self, stored: Bytes, from: Offset, limit: usize) -> Result<Bytes, ErrorCode> {
        let converted = match &self.converted {
            Some(converted) if !stored.is_empty() => converted,
            _ => return Ok(stored),
        };
        let magic = if self.version >= MAGIC_1_SINCE { Magic::V1 } else { Magic::V0 };
        match down_convert(&stored, magic, from, limit) {
            Ok(records) => Ok(converted.hold(records)),
            Err(ConvertError::UnsupportedCompression(_)) => Err(ErrorCode::UnsupportedCompressionType),
            Err(_) => Err(ErrorCode::CorruptMessage),
        }
    }

    /// A waiter that any of the partitions wakes.
    fn register(&self) -> Arc<DataWaiter> {
        let waiter = DataWaiter::new();
        for partition in self.wanted.iter().filter_map(|wanted| wanted.partition.as_ref().ok()) {
            partition.register(&waiter);
        }
        waiter
    }
}

fn find_topic(catalog: &Catalog, version: i16, topic: &FetchTopic<'_>) -> Result<Arc<Topic>, ErrorCode> {
    if version >= TOPIC_IDS_SINCE {
        return catalog.topic_by_id(topic.topic_id).ok_or(ErrorCode::UnknownTopicId);
    }
    catalog.topic(&topic.topic).ok_or(ErrorCode::UnknownTopicOrPartition)
}

impl Wanted {
    fn new(topic: &Result<Arc<Topic>, ErrorCode>, asked: &FetchPartition) -> Self {
        let partition = match topic {
            Err(code) => Err(*code),
            Ok(topic) => topic
                .partition(PartitionIndex(asked.partition))
                .cloned()
                .ok_or(ErrorCode::UnknownTopicOrPartition),
        };
        Self::of(partition, asked)
    }

    fn of(partition: Result<Arc<Partition>, ErrorCode>, asked: &FetchPartition) -> Self {
        let partition = partition.and_then(|partition| {
            check_leader_epoch(Epoch(asked.current_leader_epoch), partition.epoch).map(|()| partition)
        });
        let bytes_max = usize::try_from(asked.partition_max_bytes).unwrap_or(0);
        let (from, last_epoch) = (Offset(asked.fetch_offset), Epoch(asked.last_fetched_epoch));
        Self { partition, from, last_epoch, bytes_max }
    }

    /// Where the log departs from what the client read, if it does: the end of the last epoch that both have.
    ///
    /// # Errors
    /// OFFSET_OUT_OF_RANGE if it cannot be told, because the epoch is not known or the client is behind the log's start.
    ///
    /// # Source
    /// `Partition.readRecords` in Apache Kafka 4.x.
    fn diverging(&self, partition: &Partition, marks: Marks) -> Result<Option<(Epoch, Offset)>, ErrorCode> {
        if self.last_epoch == Epoch::NONE {
            return Ok(None);
        }
        let found = end_of_epoch(partition, self.last_epoch).ok_or(ErrorCode::OffsetOutOfRange)?;
        if self.from < marks.start() {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        let (epoch, end) = found;
        Ok((epoch < self.last_epoch || end < self.from).then_some(found))
    }

    /// Reads what fits into `room`; with `must_progress` one batch even if it does not fit, so that
    /// a consumer never starves on a large record (KIP-74).
    fn read(&self, fetch: &ParsedFetch, room: usize, must_progress: bool) -> Found {
        let partition = match &self.partition {
            Ok(partition) => partition,
            Err(code) => return Found::error(*code, None),
        };
        let limit = self.bytes_max.min(room);
        let marks = partition.log().marks();
        match self.diverging(partition, marks) {
            Ok(None) => {}
            Ok(diverging) => return Found { diverging, ..Found::nothing(marks) },
            Err(code) => return Found::error(code, Some(marks)),
        }
        if limit == 0 && !must_progress {
            // No room for records, but a wrong offset is told all the same.
            return match (marks.start()..=marks.high()).contains(&self.from) {
                true => Found::nothing(marks),
                false => Found::error(ErrorCode::OffsetOutOfRange, Some(marks)),
            };
        }
        let read = partition.log().read(self.from, limit, must_progress, fetch.isolation.end(marks));
        let records = match read {
            Ok(read) => read,
            Err(ReadError::OutOfRange { .. }) => {
                return Found::error(ErrorCode::OffsetOutOfRange, Some(marks));
            }
            Err(_) => return Found::error(ErrorCode::KafkaStorageError, Some(marks)),
        };
        let aborted = match fetch.isolation {
            Isolation::ReadUncommitted => Ok(Vec::new()),
            Isolation::ReadCommitted => partition.log().aborted_transactions(self.from, records.next_offset),
        };
        let Ok(aborted) = aborted else { return Found::error(ErrorCode::KafkaStorageError, Some(marks)) };
        match fetch.in_its_format(records.records, self.from, limit) {
            Ok(records) => Found { records: Some(records), aborted, ..Found::nothing(marks) },
            Err(code) => Found::error(code, Some(marks)),
        }
    }
}

impl Found {
    fn error(error: ErrorCode, marks: Option<Marks>) -> Self {
        Self { error, marks, records: None, aborted: Vec::new(), diverging: None }
    }

    fn nothing(marks: Marks) -> Self {
        Self::error(ErrorCode::None, Some(marks))
    }

    fn into_response(self, partition_index: i32, isolation: Isolation) -> PartitionData {
        PartitionData {
            partition_index,
            error_code: self.error.code(),
            high_watermark: self.marks.map_or(-1, |marks| marks.high().0),
            last_stable_offset: self.marks.map_or(-1, |marks| marks.stable().0),
            log_start_offset: self.marks.map_or(-1, |marks| marks.start().0),
            // Null means "not asked".
            aborted_transactions: (isolation == Isolation::ReadCommitted)
                .then(|| self.aborted.iter().map(aborted_transaction).collect()),
            preferred_read_replica: -1,
            diverging_epoch: self.diverging.map_or_else(
                EpochEndOffset::default,
                |(Epoch(epoch), Offset(end_offset))| EpochEndOffset { epoch, end_offset },
            ),
            // Empty, never null: old clients read a null as a length.
            records: self.records.map(Records::from).unwrap_or_default(),
            ..PartitionData::default()
        }
    }
}

fn aborted_transaction(aborted: &AbortedTransaction) -> WireAborted {
    WireAborted { producer_id: aborted.producer_id.0, first_offset: aborted.first_offset.0 }
}

impl Round {
    fn add(&mut self, found: Found) {
        self.bytes += found.records.as_ref().map_or(0, Bytes::len);
        self.urgent |= found.error != ErrorCode::None || found.diverging.is_some();
        self.found.push(found);
    }

    /// Whether to answer now: enough bytes, or an error or a departure that the client should hear of at once.
    fn is_enough(&self, min_bytes: i32) -> bool {
        self.urgent || self.bytes >= usize::try_from(min_bytes).unwrap_or(0)
    }

    fn into_response<'a>(self, topics: Vec<FetchTopic<'a>>, isolation: Isolation) -> FetchResponse<'a> {
        let mut found = self.found.into_iter();
        let responses = topics
            .into_iter()
            .map(|topic| FetchableTopicResponse {
                topic_id: topic.topic_id,
                partitions: topic
                    .partitions
                    .iter()
                    .zip(&mut found)
                    .map(|(asked, found)| found.into_response(asked.partition, isolation))
                    .collect(),
                topic: topic.topic,
            })
            .collect();
        FetchResponse { responses, ..FetchResponse::default() }
    }
}
