//! Produce (0): appends batches, and answers when they are as safe as `acks` asks.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use protocol::error_code::ErrorCode;
use protocol::messages::produce::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use protocol::records::convert::{ConvertError, up_convert};
use protocol::records::{self, Batch, BatchError, Compression};
use protocol::types::{Offset, PartitionIndex, ProducerEpoch, ProducerId, TopicId};
use storage::{AppendOptions, Appended};

use super::handler::{Call, Handler, Reply};
use super::{Cx, recompress, refusal};
use crate::catalog::Topic;
use crate::coordinator::transaction::Enlist;
use crate::coordinator::transaction::state::{EPOCH_BUMPS_SINCE, Producer};
use crate::partitions::{NotDurable, Partition};

/// First version that carries v2 batches, exactly one per partition; older ones carry message sets.
const BATCHES_SINCE: i16 = 3;
/// First version whose client understands zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;
/// First version that may be told TRANSACTION_ABORTABLE (KIP-890).
const ABORTABLE_SINCE: i16 = 11;
/// First version that makes a partition part of the transaction by writing to it (KIP-890).
const ADDS_PARTITIONS_SINCE: i16 = 12;
/// First version that names topics by id (KIP-516).
const TOPIC_IDS_SINCE: i16 = 13;

/// Versions 0-13: 0-2 carry message sets (magic 0 and 1), which are converted on the way in; 3 adds
/// the transactional id and v2 batches; 8 adds per-record errors; 9 is flexible; 10 may hint at a
/// new leader (KIP-951; there is none here); 11 may answer TRANSACTION_ABORTABLE; 12 adds partitions to the
/// transaction (KIP-890); 13 names topics by id.
///
/// A batch is validated where it lies in the frame and appended verbatim: base offset and leader
/// epoch are patched on the way to the file, both outside the CRC.
pub(super) struct Produce;

/// How long a produce may be answered after it was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acks {
    /// Never: the client does not listen.
    None,
    /// In the page cache.
    Leader,
    /// Synced, unless `log.acks.all.sync=false`.
    All,
}

impl Acks {
    fn from_wire(acks: i16) -> Option<Self> {
        match acks {
            0 => Some(Self::None),
            1 => Some(Self::Leader),
            -1 => Some(Self::All),
            _ => None,
        }
    }
}

/// One partition's part of the request after the append, before it is durable.
struct Written<'a> {
    response: PartitionProduceResponse<'a>,
    durable: Option<(Arc<Partition>, Offset)>,
}

/// Why a partition's data was not appended.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: ErrorCode,
    pub(super) message: String,
    /// The records at fault, by their number in the batch, and what is wrong with each; told from version 8 on (KIP-467).
    pub(super) records: Vec<(i32, String)>,
}

impl Refused {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), records: Vec::new() }
    }
}

impl Handler for Produce {
    type Request<'a> = ProduceRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=13;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: ProduceRequest<'a>,
    ) -> Reply<ProduceResponse<'a>> {
        let acks = Acks::from_wire(request.acks);
        let transactional_id = request.transactional_id.as_deref();
        let how = How { version: call.version, acks, transactional_id };
        let topics: Vec<_> =
            request.topic_data.into_iter().map(|topic| append_topic(cx, &how, topic)).collect();
        if acks == Some(Acks::None) {
            return silent_unless_refused(&topics);
        }
        let patience = Duration::from_millis(request.timeout_ms.max(0).unsigned_abs().into());
        let mut responses = Vec::with_capacity(topics.len());
        for (name, topic_id, partitions) in topics {
            let mut partition_responses = Vec::with_capacity(partitions.len());
            for written in partitions {
                partition_responses.push(settled(written, patience).await);
            }
            responses.push(TopicProduceResponse { name, topic_id, partition_responses });
        }
        Reply::Answer(ProduceResponse { responses, ..ProduceResponse::default() })
    }
}

/// What the request says of all its batches.
struct How<'r> {
    version: i16,
    acks: Option<Acks>,
    transactional_id: Option<&'r str>,
}

type TopicWritten<'a> = (Cow<'a, str>, TopicId, Vec<Written<'a>>);

/// Appends everything the request has for one topic.
fn append_topic<'a>(cx: &Arc<Cx>, how: &How<'_>, data: TopicProduceData<'a>) -> TopicWritten<'a> {
    let topic = find_topic(cx, how.version, &data);
    let partitions = data
        .partition_data
        .iter()
        .map(|partition| {
            let appended = match (&topic, how.acks) {
                (_, None) => Err(Refused::new(ErrorCode::InvalidRequiredAcks, "acks must be 0, 1 or -1")),
                (Err(code), _) => Err(Refused::new(*code, String::new())),
                (Ok(topic), Some(acks)) => append_partition(cx, how, acks, topic, partition),
            };
            written(partition.index, appended)
        })
        .collect();
    (data.name, data.topic_id, partitions)
}

fn find_topic(cx: &Cx, version: i16, data: &TopicProduceData<'_>) -> Result<Arc<Topic>, ErrorCode> {
    if version >= TOPIC_IDS_SINCE {
        return cx.catalog.topic_by_id(data.topic_id).ok_or(ErrorCode::UnknownTopicId);
    }
    cx.catalog.topic(&data.name).ok_or(ErrorCode::UnknownTopicOrPartition)
}

type AppendedTo = (Appended, Option<Arc<Partition>>);

fn append_partition(
    cx: &Cx,
    how: &How<'_>,
    acks: Acks,
    topic: &Topic,
    asked: &PartitionProduceData<'_>,
) -> Result<AppendedTo, Refused> {
    let partition = topic
        .partition(PartitionIndex(asked.index))
        .ok_or_else(|| Refused::new(ErrorCode::UnknownTopicOrPartition, ""))?;
    let data = asked.records.unwrap_or_default();
    let converted;
    let (batches, transactional) = match records::magic(data) {
        Some(0 | 1) if how.version < BATCHES_SINCE => {
            converted = up_convert(data).map_err(refused_set)?;
            (&converted[..], None)
        }
        _ => {
            let batch = check_batch(how.version, data)?;
            let producer = (batch.producer_id(), batch.producer_epoch());
            (data, batch.is_transactional().then_some(producer))
        }
    };
    let recompressed = recompress::as_configured(batches, topic.config())?;
    let batches = recompressed.as_deref().unwrap_or(batches);
    let appended = match transactional {
        None => partition
            .append(batches, &AppendOptions::client(cx.env.clock.now()))
            .map_err(refusal::of_append)?,
        Some(producer) => append_in_transaction(cx, how, partition, producer, batches)?,
    };
    Ok(appended_to(cx, acks, partition, appended, batches.len()))
}

/// Counts what was appended and asks for the sync that its answer waits for.
fn appended_to(
    cx: &Cx,
    acks: Acks,
    partition: &Arc<Partition>,
    appended: Appended,
    bytes: usize,
) -> AppendedTo {
    cx.metrics.produced.record(bytes);
    if acks != Acks::All || !cx.config.log_acks_all_sync {
        return (appended, None);
    }
    // Asked for here, before any wait, so that the request's partitions sync side by side.
    cx.syncer.request(partition);
    (appended, Some(Arc::clone(partition)))
}

/// Appends to a partition that has the producer's transaction open, or comes into it now.
fn append_in_transaction(
    cx: &Cx,
    how: &How<'_>,
    partition: &Partition,
    (id, epoch): (ProducerId, ProducerEpoch),
    batch: &[u8],
) -> Result<Appended, Refused> {
    let Some(transactional_id) = how.transactional_id else {
        let message = "a transactional batch needs a transactional id in its request";
        return Err(Refused::new(ErrorCode::TransactionalIdAuthorizationFailed, message));
    };
    // Once, and before the coordinator's lock is taken: this is where records are unpacked.
    let checked = partition.log().check(batch, &AppendOptions::client(cx.env.clock.now()));
    let checked = checked.map_err(refusal::of_append)?;
    if let Some(appended) = partition.append_to_open_transaction(&checked).map_err(refusal::of_append)? {
        return Ok(appended);
    }
    let producer = Producer { transactional_id: transactional_id.to_owned(), id, epoch };
    let enlist = if how.version >= ADDS_PARTITIONS_SINCE { Enlist::Add } else { Enlist::Verify };
    let append = || partition.append_checked(&checked);
    let partitions = [(&*partition.topic, partition.index)];
    match cx.transactions.enlist(&producer, &partitions, enlist, EPOCH_BUMPS_SINCE, append) {
        Ok(appended) => appended.map_err(refusal::of_append),
        Err(code) => Err(not_enlisted(code, how.version)),
    }
}

/// The coordinator's refusal in words that a client of this version can act on, as Apache Kafka translates them.
fn not_enlisted(code: ErrorCode, version: i16) -> Refused {
    let told = match code {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::TransactionAbortable if version < ABORTABLE_SINCE => ErrorCode::InvalidTxnState,
        // Older clients give up on these, but try again after this one.
        ErrorCode::ConcurrentTransactions if version < ADDS_PARTITIONS_SINCE => ErrorCode::NotEnoughReplicas,
        ErrorCode::CoordinatorNotAvailable => ErrorCode::NotEnoughReplicas,
        code => code,
    };
    Refused::new(told, format!("the partition is not in the transaction: {}", code.message()))
}

/// From v3 on a partition's data is exactly one v2 batch.
fn check_batch(version: i16, records: &[u8]) -> Result<Batch<'_>, Refused> {
    let invalid = |message: &str| Refused::new(ErrorCode::InvalidRecord, message);
    if records.is_empty() {
        return Err(invalid("the partition's records are empty"));
    }
    let (batch, rest) = Batch::parse(records).map_err(|error| match error {
        BatchError::Magic { .. } => {
            invalid("only record batches with magic 2 may be produced with this version")
        }
        error => Refused::new(ErrorCode::CorruptMessage, error.to_string()),
    })?;
    if version >= BATCHES_SINCE && !rest.is_empty() {
        return Err(invalid("exactly one record batch is expected per partition"));
    }
    if batch.compression() == Compression::Zstd && version < ZSTD_SINCE {
        let message = "zstd needs Produce version 7 or above";
        return Err(Refused::new(ErrorCode::UnsupportedCompressionType, message));
    }
    Ok(batch)
}

fn refused_set(error: ConvertError) -> Refused {
    let code = match error {
        ConvertError::Corrupt(_) | ConvertError::CorruptBatch(_) => ErrorCode::CorruptMessage,
        ConvertError::UnsupportedCompression(_) => ErrorCode::UnsupportedCompressionType,
        ConvertError::Invalid(_) => ErrorCode::InvalidRecord,
    };
    Refused::new(code, error.to_string())
}

fn written<'a>(index: i32, appended: Result<AppendedTo, Refused>) -> Written<'a> {
    match appended {
        Ok((appended, partition)) => Written {
            response: PartitionProduceResponse {
                index,
                base_offset: appended.base_offset.0,
                log_append_time_ms: appended.log_append_time.map_or(-1, |time| time.0),
                log_start_offset: appended.start_offset.0,
                ..PartitionProduceResponse::default()
            },
            durable: partition.map(|partition| (partition, Offset(appended.last_offset.0 + 1))),
        },
        Err(refused) => Written {
            response: PartitionProduceResponse {
                index,
                error_code: refused.code.code(),
                base_offset: -1,
                record_errors: refused.records.into_iter().map(record_error).collect(),
                error_message: (!refused.message.is_empty()).then_some(Cow::Owned(refused.message)),
                ..PartitionProduceResponse::default()
            },
            durable: None,
        },
    }
}

fn record_error<'a>((batch_index, message): (i32, String)) -> BatchIndexAndErrorMessage<'a> {
    BatchIndexAndErrorMessage { batch_index, batch_index_error_message: Some(Cow::Owned(message)) }
}

/// Waits until what was written is as durable as was asked for.
async fn settled(written: Written<'_>, patience: Duration) -> PartitionProduceResponse<'_> {
    let mut response = written.response;
    let Some((partition, end)) = written.durable else { return response };
    if let Err(error) = partition.durable(end, patience).await {
        let code = match error {
            NotDurable::Failed => ErrorCode::KafkaStorageError,
            NotDurable::TimedOut => ErrorCode::RequestTimedOut,
        };
        response.error_code = code.code();
        response.base_offset = -1;
        response.error_message = Some(Cow::Owned(error.to_string()));
    }
    response
}

/// acks=0: nothing is answered; a failure is shown by closing the connection.
fn silent_unless_refused<'a>(topics: &[TopicWritten<'a>]) -> Reply<ProduceResponse<'a>> {
    let refused = topics
        .iter()
        .flat_map(|(name, _, partitions)| partitions.iter().map(move |written| (name, &written.response)))
        .find(|(_, response)| response.error_code != 0);
    match refused {
        None => Reply::Silent,
        Some((name, response)) => Reply::Close(format!(
            "produce with acks=0 to {name}-{} failed: {}",
            response.index,
            ErrorCode::from_code(response.error_code).unwrap_or(ErrorCode::UnknownServerError).name()
        )),
    }
}
