//! Metadata (3): brokers, topics and who leads what; makes topics that are asked for.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};

use super::handler::{Call, Handler, Reply};
use super::{Cx, operations};
use crate::catalog::{self, CatalogError, NewTopic, Topic};

/// In version 0 an empty list asks for all topics; later a null does.
const NULL_IS_ALL_SINCE: i16 = 1;
/// First version that looks topics up by id, with a null name (KIP-516); 10 and 11 have the fields and no use for them
/// (KAFKA-14208).
const TOPIC_IDS_SINCE: i16 = 12;

/// Versions 0-13: 1 adds the controller, racks and internal topics; 2 the cluster id; 4 lets a
/// client forbid auto-creation; 5 offline replicas; 7 leader epochs; 8 authorised operations; 9 is
/// flexible; 10 topic ids; 12 looks topics up by id; 13 a top-level error.
///
/// An auto-created topic is answered at once with its leader, so that a first send needs no retry.
pub(super) struct Metadata;

impl Handler for Metadata {
    type Request<'a> = MetadataRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=13;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: MetadataRequest<'a>,
    ) -> Reply<MetadataResponse<'a>> {
        let with_operations = request.include_topic_authorized_operations;
        let may_create = request.allow_auto_topic_creation && cx.config.auto_create_topics_enable;
        let topics = match request.topics {
            Some(asked) if call.version < TOPIC_IDS_SINCE && !asked.iter().all(is_named) => {
                asked.into_iter().map(not_by_id).collect()
            }
            Some(asked) if !asked.is_empty() || call.version >= NULL_IS_ALL_SINCE => {
                let mut topics = Vec::with_capacity(asked.len());
                for topic in asked {
                    topics.push(look_up(cx, topic, may_create, with_operations).await);
                }
                topics
            }
            _ => cx.catalog.topics().iter().map(|topic| describe(cx, topic, with_operations)).collect(),
        };
        let (host, port) = cx.advertised(&call.connection);
        let broker = MetadataResponseBroker {
            node_id: cx.node.id,
            host: Cow::Owned(host),
            port: port.into(),
            ..MetadataResponseBroker::default()
        };
        let cluster_operations = request.include_cluster_authorized_operations.then_some(operations::CLUSTER);
        Reply::Answer(MetadataResponse {
            brokers: vec![broker],
            cluster_id: Some(Cow::Borrowed(&cx.node.cluster_id)),
            controller_id: cx.node.id,
            topics,
            cluster_authorized_operations: cluster_operations.unwrap_or(operations::NOT_ASKED),
            ..MetadataResponse::default()
        })
    }
}

fn is_named(asked: &MetadataRequestTopic<'_>) -> bool {
    asked.name.is_some() && asked.topic_id.is_zero()
}

/// What is told of every topic of a request that names any by id too early.
fn not_by_id(asked: MetadataRequestTopic<'_>) -> MetadataResponseTopic<'_> {
    MetadataResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(asked.name.unwrap_or_default()),
        topic_authorized_operations: operations::NOT_ASKED,
        ..MetadataResponseTopic::default()
    }
}

async fn look_up<'a>(
    cx: &Arc<Cx>,
    asked: MetadataRequestTopic<'a>,
    may_create: bool,
    with_operations: bool,
) -> MetadataResponseTopic<'a> {
    // The Java client leaves the name empty beside an id, where others make it null.
    let Some(name) = asked.name.filter(|_| asked.topic_id.is_zero()) else {
        return match cx.catalog.topic_by_id(asked.topic_id) {
            Some(topic) => describe(cx, &topic, with_operations),
            None => MetadataResponseTopic {
                error_code: ErrorCode::UnknownTopicId.code(),
                topic_id: asked.topic_id,
                name: None,
                topic_authorized_operations: operations::NOT_ASKED,
                ..MetadataResponseTopic::default()
            },
        };
    };
    let found = match cx.catalog.topic(&name) {
        Some(topic) => Ok(topic),
        None => create(cx, &name, may_create).await,
    };
    match found {
        Ok(topic) => describe(cx, &topic, with_operations),
        Err(code) => MetadataResponseTopic {
            error_code: code.code(),
            name: Some(name),
            topic_authorized_operations: operations::NOT_ASKED,
            ..MetadataResponseTopic::default()
        },
    }
}

async fn create(cx: &Arc<Cx>, name: &str, may_create: bool) -> Result<Arc<Topic>, ErrorCode> {
    catalog::check_name(name).map_err(|_| ErrorCode::InvalidTopicException)?;
    if !may_create {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    match cx.create_topic(NewTopic::with_defaults(name)).await {
        Ok(topic) => Ok(topic),
        // Another connection was faster.
        Err(CatalogError::Exists(_)) => cx.catalog.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition),
        Err(error) => {
            tracing::warn!(topic = name, %error, "topic not auto-created");
            Err(error.code())
        }
    }
}

fn describe(cx: &Cx, topic: &Topic, with_operations: bool) -> MetadataResponseTopic<'static> {
    let partitions = topic
        .partitions()
        .iter()
        .map(|partition| MetadataResponsePartition {
            partition_index: partition.index.0,
            leader_id: cx.node.id,
            leader_epoch: partition.epoch.0,
            replica_nodes: vec![cx.node.id],
            isr_nodes: vec![cx.node.id],
            ..MetadataResponsePartition::default()
        })
        .collect();
    MetadataResponseTopic {
        name: Some(Cow::Owned(topic.name.to_string())),
        topic_id: topic.id,
        is_internal: topic.is_internal(),
        partitions,
        topic_authorized_operations: if with_operations { operations::TOPIC } else { operations::NOT_ASKED },
        ..MetadataResponseTopic::default()
    }
}
