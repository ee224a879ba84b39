//! DescribeTopicPartitions (75): topics and their partitions, a page at a time (KIP-966).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};

use super::handler::{Call, Handler, Reply};
use super::{Cx, operations};
use crate::catalog::{Topic, check_name};
use crate::partitions::Partition;

/// Version 0. Topics come in the order of their names, each once; the cursor of an answer is where the next page
/// begins. Asked for all topics (an empty list), those that have gone since the last page are left out; asked for
/// by name, they come with an error.
pub(super) struct DescribeTopicPartitions;

impl Handler for DescribeTopicPartitions {
    type Request<'a> = DescribeTopicPartitionsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: DescribeTopicPartitionsRequest<'a>,
    ) -> Reply<DescribeTopicPartitionsResponse<'a>> {
        let start = match &request.cursor {
            Some(cursor) => (&*cursor.topic_name, cursor.partition_index),
            None => ("", 0),
        };
        let Ok(first_partition) = usize::try_from(start.1) else {
            // The response has no error code of its own, only each topic.
            let topics =
                request.topics.into_iter().map(|topic| failed(topic.name, ErrorCode::InvalidRequest));
            return Reply::Answer(DescribeTopicPartitionsResponse {
                topics: topics.collect(),
                ..<_>::default()
            });
        };
        let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
        let limit = limit.min(cx.config.max_request_partition_size_limit).max(1);
        let mut page = Page { node_id: cx.node.id, room: limit, response: <_>::default() };
        if request.topics.is_empty() {
            for topic in cx.catalog.topics().iter().filter(|topic| &*topic.name >= start.0) {
                let from = if &*topic.name == start.0 { first_partition } else { 0 };
                if !page.add(Cow::Owned(topic.name.to_string()), Ok(topic), from) {
                    break;
                }
            }
        } else {
            let names: BTreeSet<Cow<'a, str>> = request.topics.into_iter().map(|topic| topic.name).collect();
            for name in names.into_iter().filter(|name| &**name >= start.0) {
                let from = if *name == *start.0 { first_partition } else { 0 };
                let topic = cx.catalog.topic(&name).ok_or_else(|| unknown(&name));
                if !page.add(name, topic.as_ref().map_err(|code| *code), from) {
                    break;
                }
            }
        }
        Reply::Answer(page.response)
    }
}

fn unknown(name: &str) -> ErrorCode {
    match check_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}

fn failed(name: Cow<'_, str>, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic<'_> {
    DescribeTopicPartitionsResponseTopic { error_code: code.code(), name: Some(name), ..Default::default() }
}

struct Page<'a> {
    node_id: i32,
    /// Partitions that may yet be added.
    room: usize,
    response: DescribeTopicPartitionsResponse<'a>,
}

impl<'a> Page<'a> {
    /// Adds a topic from partition `from` on; `false` once the page is full, with the cursor set.
    fn add(&mut self, name: Cow<'a, str>, topic: Result<&Arc<Topic>, ErrorCode>, from: usize) -> bool {
        if self.room == 0 {
            self.response.next_cursor = Some(Cursor { topic_name: name, partition_index: 0 });
            return false;
        }
        let topic = match topic {
            Ok(topic) => topic,
            Err(code) => {
                self.response.topics.push(failed(name, code));
                return true;
            }
        };
        let left = topic.partitions().get(from..).unwrap_or_default();
        let here = &left[..left.len().min(self.room)];
        self.room -= here.len();
        let next = from + here.len();
        if here.len() < left.len() {
            let partition_index = i32::try_from(next).expect("a partition's index");
            self.response.next_cursor = Some(Cursor { topic_name: name.clone(), partition_index });
        }
        self.response.topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(name),
            topic_id: topic.id,
            is_internal: topic.is_internal(),
            partitions: here.iter().map(|partition| describe(self.node_id, partition)).collect(),
            topic_authorized_operations: operations::TOPIC,
            ..Default::default()
        });
        here.len() == left.len()
    }
}

fn describe(node_id: i32, partition: &Partition) -> DescribeTopicPartitionsResponsePartition {
    DescribeTopicPartitionsResponsePartition {
        partition_index: partition.index.0,
        leader_id: node_id,
        leader_epoch: partition.epoch.0,
        replica_nodes: vec![node_id],
        isr_nodes: vec![node_id],
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..Default::default()
    }
}
