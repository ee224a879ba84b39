//! Transactions: AddPartitionsToTxn (24), AddOffsetsToTxn (25), EndTxn (26), WriteTxnMarkers (27).
//!
//! The coordinator decides; here its plain types are mapped to the wire's and back, with the error codes that a
//! version of a client can act on.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult, AddPartitionsToTxnTopic, AddPartitionsToTxnTopicResult,
};
use protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use protocol::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use protocol::records::control::Outcome;
use protocol::types::{Epoch, PartitionIndex, ProducerEpoch, ProducerId};

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::catalog::OFFSETS_TOPIC;
use crate::coordinator::transaction::state::{EPOCH_BUMPS_SINCE, Producer};
use crate::coordinator::transaction::{Decider, Enlist, TransactionEnd};

/// First version of all of them that may answer PRODUCER_FENCED.
const FENCED_SINCE: i16 = 2;
/// The transaction version of requests from before KIP-890.
const FIRST_VERSION: i16 = 0;

/// The refusal in words that a client of this version knows.
fn for_version(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced if version < FENCED_SINCE => ErrorCode::InvalidProducerEpoch,
        code => code,
    }
}

fn outcome(committed: bool) -> Outcome {
    if committed { Outcome::Commit } else { Outcome::Abort }
}

/// Versions 0-5: 2 may answer PRODUCER_FENCED; 3 is flexible; 4 is for brokers: many transactions at once, or only a
/// check (KIP-890); 5 may answer TRANSACTION_ABORTABLE.
pub(super) struct AddPartitionsToTxn;

/// First version for brokers.
const SEVERAL_SINCE: i16 = 4;
/// First version that may answer TRANSACTION_ABORTABLE.
const ABORTABLE_SINCE: i16 = 5;

impl Handler for AddPartitionsToTxn {
    type Request<'a> = AddPartitionsToTxnRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: AddPartitionsToTxnRequest<'a>,
    ) -> Reply<AddPartitionsToTxnResponse<'a>> {
        if call.version < SEVERAL_SINCE {
            let producer = Producer::new(
                request.v3_and_below_transactional_id,
                request.v3_and_below_producer_id,
                request.v3_and_below_producer_epoch,
            );
            let topics = request.v3_and_below_topics;
            return Reply::Answer(AddPartitionsToTxnResponse {
                results_by_topic_v3_and_below: add(cx, call.version, &producer, Enlist::Add, topics),
                ..AddPartitionsToTxnResponse::default()
            });
        }
        let results = request.transactions.into_iter().map(|transaction| {
            let producer = Producer::new(
                &*transaction.transactional_id,
                transaction.producer_id,
                transaction.producer_epoch,
            );
            let how = if transaction.verify_only { Enlist::Verify } else { Enlist::Add };
            AddPartitionsToTxnResult {
                transactional_id: transaction.transactional_id,
                topic_results: add(cx, call.version, &producer, how, transaction.topics),
            }
        });
        Reply::Answer(AddPartitionsToTxnResponse {
            results_by_transaction: results.collect(),
            ..AddPartitionsToTxnResponse::default()
        })
    }
}

/// Adds all the partitions or none.
fn add<'a>(
    cx: &Cx,
    version: i16,
    producer: &Producer,
    how: Enlist,
    topics: Vec<AddPartitionsToTxnTopic<'a>>,
) -> Vec<AddPartitionsToTxnTopicResult<'a>> {
    let all = topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|index| (&*topic.name, PartitionIndex(*index))));
    let partitions: Vec<_> = all.collect();
    let exists =
        |topic: &str, index| cx.catalog.topic(topic).is_some_and(|topic| topic.partition(index).is_some());
    let known = partitions.iter().all(|(topic, index)| exists(topic, *index));
    let whole = match known {
        true if producer.transactional_id.is_empty() => ErrorCode::InvalidRequest,
        true => match cx.transactions.enlist(producer, &partitions, how, FIRST_VERSION, || ()) {
            Ok(()) => ErrorCode::None,
            Err(ErrorCode::TransactionAbortable) if version < ABORTABLE_SINCE => ErrorCode::InvalidTxnState,
            Err(code) => for_version(code, version),
        },
        false => ErrorCode::OperationNotAttempted,
    };
    let answer = |topic: AddPartitionsToTxnTopic<'a>| {
        let results = topic.partitions.iter().map(|&partition_index| {
            let code = match known || exists(&topic.name, PartitionIndex(partition_index)) {
                true => whole,
                false => ErrorCode::UnknownTopicOrPartition,
            };
            AddPartitionsToTxnPartitionResult { partition_index, partition_error_code: code.code() }
        });
        AddPartitionsToTxnTopicResult { results_by_partition: results.collect(), name: topic.name }
    };
    topics.into_iter().map(answer).collect()
}

/// Versions 0-4: 2 may answer PRODUCER_FENCED; 3 is flexible; 4 may answer TRANSACTION_ABORTABLE (KIP-890).
pub(super) struct AddOffsetsToTxn;

impl Handler for AddOffsetsToTxn {
    type Request<'a> = AddOffsetsToTxnRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=4;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: AddOffsetsToTxnRequest<'a>,
    ) -> Reply<AddOffsetsToTxnResponse> {
        let producer = Producer::new(request.transactional_id, request.producer_id, request.producer_epoch);
        let code = if producer.transactional_id.is_empty() {
            ErrorCode::InvalidRequest
        } else {
            let partitions = [(OFFSETS_TOPIC, cx.groups.partition_for(&request.group_id))];
            let added = cx.transactions.enlist(&producer, &partitions, Enlist::Add, FIRST_VERSION, || ());
            added.map_or_else(|code| for_version(code, call.version), |()| ErrorCode::None)
        };
        Reply::Answer(AddOffsetsToTxnResponse {
            error_code: code.code(),
            ..AddOffsetsToTxnResponse::default()
        })
    }
}

/// Versions 0-5: 2 may answer PRODUCER_FENCED; 3 is flexible; 4 may answer TRANSACTION_ABORTABLE; 5 gives the producer
/// a new epoch with every transaction (KIP-890).
pub(super) struct EndTxn;

/// First version whose client goes on with the epoch that is answered.
const EPOCH_SINCE: i16 = 5;

impl Handler for EndTxn {
    type Request<'a> = EndTxnRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: EndTxnRequest<'a>,
    ) -> Reply<EndTxnResponse> {
        let producer = Producer::new(request.transactional_id, request.producer_id, request.producer_epoch);
        let version = if call.version >= EPOCH_SINCE { EPOCH_BUMPS_SINCE } else { FIRST_VERSION };
        let ended = if producer.transactional_id.is_empty() {
            Err(ErrorCode::InvalidRequest)
        } else {
            let transactions = Arc::clone(&cx.transactions);
            let outcome = outcome(request.committed);
            // Half an end would leave the partitions waiting for the next look at what is left.
            let end = async move { transactions.end(&producer, outcome, version).await };
            cx.tasks.finish("end-transaction", end).await
        };
        Reply::Answer(match ended {
            Ok((id, epoch)) => {
                EndTxnResponse { producer_id: id.0, producer_epoch: epoch.0, ..EndTxnResponse::default() }
            }
            Err(code) => EndTxnResponse {
                error_code: for_version(code, call.version).code(),
                ..EndTxnResponse::default()
            },
        })
    }
}

/// Versions 0-2: 1 is flexible; 2 tells the transaction version (KIP-1228). Brokers of a cluster use it among each
/// other; here it is for tools that end a transaction left open (`kafka-transactions abort`).
pub(super) struct WriteTxnMarkers;

impl Handler for WriteTxnMarkers {
    type Request<'a> = WriteTxnMarkersRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: WriteTxnMarkersRequest<'a>,
    ) -> Reply<WriteTxnMarkersResponse<'a>> {
        let mut markers = Vec::with_capacity(request.markers.len());
        for marker in request.markers {
            markers.push(write_marker(cx, marker).await);
        }
        Reply::Answer(WriteTxnMarkersResponse { markers })
    }
}

async fn write_marker<'a>(cx: &Cx, marker: WritableTxnMarker<'a>) -> WritableTxnMarkerResult<'a> {
    let end = TransactionEnd {
        producer_id: ProducerId(marker.producer_id),
        epoch: ProducerEpoch(marker.producer_epoch),
        outcome: outcome(marker.transaction_result),
        decided_by: Decider::Epoch(Epoch(marker.coordinator_epoch)),
        version: marker.transaction_version.into(),
    };
    let mut topics = Vec::with_capacity(marker.topics.len());
    for topic in marker.topics {
        let name: Cow<'a, str> = topic.name;
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for partition_index in topic.partition_indexes {
            let written = cx.transactions.write_marker(&name, PartitionIndex(partition_index), &end).await;
            let error_code = written.map_or_else(ErrorCode::code, |()| 0);
            partitions.push(WritableTxnMarkerPartitionResult { partition_index, error_code });
        }
        topics.push(WritableTxnMarkerTopicResult { name, partitions });
    }
    WritableTxnMarkerResult { producer_id: marker.producer_id, topics }
}
