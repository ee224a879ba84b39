//! For tools that look for transactions left open (KIP-664): DescribeProducers (61), DescribeTransactions (65),
//! ListTransactions (66).

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicRequest,
    TopicResponse,
};
use protocol::messages::describe_transactions::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, TopicData, TransactionState,
};
use protocol::messages::list_transactions::{
    ListTransactionsRequest, ListTransactionsResponse, ListedTransaction,
};
use protocol::types::{PartitionIndex, ProducerId, TimestampMs};
use regex::Regex;
use storage::ProducerEntry;

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::coordinator::transaction::state::{State, Transaction};

/// Version 0.
pub(super) struct DescribeProducers;

impl Handler for DescribeProducers {
    type Request<'a> = DescribeProducersRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: DescribeProducersRequest<'a>,
    ) -> Reply<DescribeProducersResponse<'a>> {
        let topics = request.topics.into_iter().map(|topic| describe_topic(cx, topic)).collect();
        Reply::Answer(DescribeProducersResponse { topics, ..DescribeProducersResponse::default() })
    }
}

fn describe_topic<'a>(cx: &Cx, asked: TopicRequest<'a>) -> TopicResponse<'a> {
    let topic = cx.catalog.topic(&asked.name);
    let partitions = asked.partition_indexes.into_iter().map(|partition_index| {
        let found = topic.as_ref().and_then(|topic| topic.partition(PartitionIndex(partition_index)));
        match found {
            None => PartitionResponse {
                partition_index,
                error_code: ErrorCode::UnknownTopicOrPartition.code(),
                ..PartitionResponse::default()
            },
            Some(partition) => {
                let producers = partition.log().producers().into_iter().map(producer_state);
                PartitionResponse {
                    partition_index,
                    active_producers: producers.collect(),
                    ..PartitionResponse::default()
                }
            }
        }
    });
    TopicResponse { partitions: partitions.collect(), name: asked.name }
}

fn producer_state((id, entry): (ProducerId, ProducerEntry)) -> ProducerState {
    ProducerState {
        producer_id: id.0,
        producer_epoch: entry.epoch.0.into(),
        last_sequence: entry.window.last().map_or(-1, |batch| batch.last_sequence.0),
        last_timestamp: entry.last_timestamp.0,
        coordinator_epoch: entry.coordinator_epoch,
        current_txn_start_offset: entry.open_transaction.map_or(-1, |offset| offset.0),
    }
}

/// Version 0.
pub(super) struct DescribeTransactions;

impl Handler for DescribeTransactions {
    type Request<'a> = DescribeTransactionsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: DescribeTransactionsRequest<'a>,
    ) -> Reply<DescribeTransactionsResponse<'a>> {
        let describe = |id: Cow<'a, str>| match cx.transactions.describe(&id) {
            Ok(transaction) if !id.is_empty() => described(id, &transaction),
            Ok(_) => refused(id, ErrorCode::InvalidRequest),
            Err(code) => refused(id, code),
        };
        let transaction_states = request.transactional_ids.into_iter().map(describe).collect();
        Reply::Answer(DescribeTransactionsResponse {
            transaction_states,
            ..DescribeTransactionsResponse::default()
        })
    }
}

fn refused(transactional_id: Cow<'_, str>, code: ErrorCode) -> TransactionState<'_> {
    TransactionState { error_code: code.code(), transactional_id, ..TransactionState::default() }
}

fn described<'a>(transactional_id: Cow<'a, str>, transaction: &Transaction) -> TransactionState<'a> {
    let topics = transaction.partitions.iter().map(|(topic, partitions)| TopicData {
        topic: Cow::Owned(topic.clone()),
        partitions: partitions.iter().map(|partition| partition.0).collect(),
    });
    TransactionState {
        transactional_id,
        transaction_state: Cow::Borrowed(transaction.state.name()),
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_start_time_ms: transaction.started.0,
        producer_id: transaction.producer_id.0,
        producer_epoch: transaction.epoch.0,
        topics: topics.collect(),
        ..TransactionState::default()
    }
}

/// Versions 0-2: 1 filters by how long a transaction has been open (KIP-994); 2 by a regular expression (KIP-1152).
pub(super) struct ListTransactions;

impl Handler for ListTransactions {
    type Request<'a> = ListTransactionsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: ListTransactionsRequest<'a>,
    ) -> Reply<ListTransactionsResponse<'a>> {
        let failed = |code: ErrorCode| {
            Reply::Answer(ListTransactionsResponse {
                error_code: code.code(),
                ..ListTransactionsResponse::default()
            })
        };
        let pattern = match request.transactional_id_pattern.as_deref() {
            None | Some("") => None,
            Some(pattern) => match Regex::new(&format!("^(?:{pattern})$")) {
                Ok(pattern) => Some(pattern),
                Err(_) => return failed(ErrorCode::InvalidRegularExpression),
            },
        };
        let (known, unknown): (Vec<_>, Vec<_>) =
            request.state_filters.iter().cloned().partition(|name| is_state(name));
        let passes = |id: &str, transaction: &Transaction, now: TimestampMs| {
            let open_for_ms = match transaction.state {
                State::Ongoing | State::PrepareCommit | State::PrepareAbort => now.0 - transaction.started.0,
                _ => -1,
            };
            (request.state_filters.is_empty() || known.iter().any(|name| name == transaction.state.name()))
                && (request.producer_id_filters.is_empty()
                    || request.producer_id_filters.contains(&transaction.producer_id.0))
                && (request.duration_filter < 0 || open_for_ms > request.duration_filter)
                && pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
        };
        let listed = match cx.transactions.list(passes) {
            Ok(listed) => listed,
            Err(code) => return failed(code),
        };
        let listed = listed.into_iter().map(|one| ListedTransaction {
            transactional_id: Cow::Owned(one.transactional_id),
            producer_id: one.transaction.producer_id.0,
            transaction_state: Cow::Borrowed(one.transaction.state.name()),
        });
        Reply::Answer(ListTransactionsResponse {
            unknown_state_filters: unknown,
            transaction_states: listed.collect(),
            ..ListTransactionsResponse::default()
        })
    }
}

/// `Dead` and `PrepareEpochFence` are states of Kafka's that no transaction here is ever in.
fn is_state(name: &str) -> bool {
    State::ALL.iter().any(|state| state.name() == name) || matches!(name, "Dead" | "PrepareEpochFence")
}
