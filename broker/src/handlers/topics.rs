//! Topics made, widened and deleted by request: CreateTopics (19), DeleteTopics (20),
//! CreatePartitions (37).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};
use protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use protocol::messages::delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};
use protocol::types::TopicId;

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::catalog::{CatalogError, NewTopic, Topic};
use crate::config;

/// Versions 0-7: 1 adds `validate_only` and messages; 4 lets -1 ask for the broker's defaults;
/// 5 is flexible and answers the topic's configuration (KIP-525); 6 may throttle; 7 answers its id.
pub(super) struct CreateTopics;

impl Handler for CreateTopics {
    type Request<'a> = CreateTopicsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=7;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: CreateTopicsRequest<'a>,
    ) -> Reply<CreateTopicsResponse<'a>> {
        let mut named: HashMap<String, usize> = HashMap::new();
        for topic in &request.topics {
            *named.entry(topic.name.to_string()).or_default() += 1;
        }
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            if named.get(topic.name.as_ref()).is_some_and(|count| *count > 1) {
                topics.push(not_created(
                    topic.name,
                    ErrorCode::InvalidRequest,
                    "Duplicate topic name.".into(),
                ));
                continue;
            }
            topics.push(create(cx, topic, request.validate_only).await);
        }
        Reply::Answer(CreateTopicsResponse { topics, ..CreateTopicsResponse::default() })
    }
}

async fn create<'a>(
    cx: &Arc<Cx>,
    asked: CreatableTopic<'a>,
    validate_only: bool,
) -> CreatableTopicResult<'a> {
    let new = match new_topic(&asked) {
        Ok(new) => new,
        Err((code, message)) => return not_created(asked.name, code, message),
    };
    if validate_only {
        return match cx.catalog.check(&new) {
            Ok(planned) => created(asked.name, TopicId::ZERO, planned.partitions, &planned.config),
            Err(error) => not_created(asked.name, error.code(), error.to_string()),
        };
    }
    match cx.create_topic(new).await {
        Ok(topic) => created(asked.name, topic.id, topic.partitions().len(), topic.config()),
        Err(error) => not_created(asked.name, error.code(), error.to_string()),
    }
}

/// The request's topic in our terms: one node can hold one replica of each partition.
fn new_topic(asked: &CreatableTopic<'_>) -> Result<NewTopic, (ErrorCode, String)> {
    let mut configs = BTreeMap::new();
    for entry in &asked.configs {
        let value = entry.value.as_ref().ok_or_else(|| {
            (ErrorCode::InvalidConfig, format!("Null value not supported for topic configs: {}", entry.name))
        })?;
        configs.insert(entry.name.to_string(), value.to_string());
    }
    let partitions = if asked.assignments.is_empty() {
        if !matches!(asked.replication_factor, -1 | 1) {
            let message = format!(
                "Unable to replicate the partition {} time(s): only 1 broker is registered.",
                asked.replication_factor
            );
            return Err((ErrorCode::InvalidReplicationFactor, message));
        }
        match asked.num_partitions {
            -1 => None,
            count @ 1.. => Some(count),
            _ => {
                let message = "Number of partitions was set to an invalid non-positive value.";
                return Err((ErrorCode::InvalidPartitions, message.into()));
            }
        }
    } else {
        Some(assigned_partitions(asked)?)
    };
    Ok(NewTopic { name: asked.name.to_string(), partitions, configs })
}

/// A manual assignment is accepted if it numbers its partitions from 0 and puts each on one node.
fn assigned_partitions(asked: &CreatableTopic<'_>) -> Result<i32, (ErrorCode, String)> {
    if asked.num_partitions != -1 || asked.replication_factor != -1 {
        let message =
            "Both a manual partition assignment and a partition count or replication factor were given.";
        return Err((ErrorCode::InvalidRequest, message.into()));
    }
    let mut indexes: Vec<i32> =
        asked.assignments.iter().map(|assignment| assignment.partition_index).collect();
    indexes.sort_unstable();
    let dense = indexes.iter().enumerate().all(|(at, index)| i32::try_from(at) == Ok(*index));
    let single = asked.assignments.iter().all(|assignment| assignment.broker_ids.len() == 1);
    match (dense && single, i32::try_from(indexes.len())) {
        (true, Ok(count)) => Ok(count),
        _ => Err((
            ErrorCode::InvalidReplicaAssignment,
            "Partitions must be numbered from 0 and each assigned to the one broker.".into(),
        )),
    }
}

fn created<'a>(
    name: Cow<'a, str>,
    topic_id: TopicId,
    partitions: usize,
    config: &config::TopicConfig,
) -> CreatableTopicResult<'a> {
    let configs = config
        .entries()
        .into_iter()
        .map(|entry| CreatableTopicConfigs {
            name: Cow::Borrowed(entry.name),
            value: entry.value.map(Cow::Owned),
            read_only: entry.read_only,
            config_source: entry.source.code(),
            is_sensitive: entry.is_sensitive,
        })
        .collect();
    CreatableTopicResult {
        name,
        topic_id,
        num_partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
        replication_factor: 1,
        configs: Some(configs),
        ..CreatableTopicResult::default()
    }
}

fn not_created(name: Cow<'_, str>, code: ErrorCode, message: String) -> CreatableTopicResult<'_> {
    CreatableTopicResult {
        name,
        error_code: code.code(),
        error_message: Some(Cow::Owned(message)),
        configs: None,
        ..CreatableTopicResult::default()
    }
}

/// Versions 0-6: 1 adds throttling; 4 is flexible; 5 adds messages; 6 names topics by id too.
pub(super) struct DeleteTopics;

impl Handler for DeleteTopics {
    type Request<'a> = DeleteTopicsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=6;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: DeleteTopicsRequest<'a>,
    ) -> Reply<DeleteTopicsResponse<'a>> {
        let by_name = request.topic_names.into_iter().map(|name| (Some(name), TopicId::ZERO));
        let by_either = request.topics.into_iter().map(|topic| (topic.name, topic.topic_id));
        let mut responses = Vec::new();
        for (name, id) in by_name.chain(by_either) {
            responses.push(delete(cx, name, id).await);
        }
        if call.version < 6 {
            for response in &mut responses {
                response.topic_id = TopicId::ZERO;
            }
        }
        Reply::Answer(DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() })
    }
}

async fn delete<'a>(cx: &Arc<Cx>, name: Option<Cow<'a, str>>, id: TopicId) -> DeletableTopicResult<'a> {
    let failed = |name, topic_id, code: ErrorCode, message: Option<String>| DeletableTopicResult {
        name,
        topic_id,
        error_code: code.code(),
        error_message: message.map(Cow::Owned),
    };
    let found = match &name {
        Some(name) => cx.catalog.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition),
        None => cx.catalog.topic_by_id(id).ok_or(ErrorCode::UnknownTopicId),
    };
    let topic = match found {
        Ok(topic) => topic,
        Err(code) => return failed(name, id, code, None),
    };
    if !cx.config.delete_topic_enable {
        return failed(name, id, ErrorCode::TopicDeletionDisabled, None);
    }
    let told = Some(Cow::Owned(topic.name.to_string()));
    match cx.delete_topic(&topic).await {
        Ok(()) => failed(told, topic.id, ErrorCode::None, None),
        Err(error) => failed(told, topic.id, error.code(), Some(error.to_string())),
    }
}

/// Versions 0-3: 2 is flexible; 3 may throttle.
pub(super) struct CreatePartitions;

impl Handler for CreatePartitions {
    type Request<'a> = CreatePartitionsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=3;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: CreatePartitionsRequest<'a>,
    ) -> Reply<CreatePartitionsResponse<'a>> {
        let mut results = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let widened = widen(cx, &topic, request.validate_only).await;
            let (code, message) = match widened {
                Ok(()) => (ErrorCode::None, None),
                Err(error) => (error.code(), Some(Cow::Owned(error.to_string()))),
            };
            results.push(CreatePartitionsTopicResult {
                name: topic.name,
                error_code: code.code(),
                error_message: message,
            });
        }
        Reply::Answer(CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() })
    }
}

async fn widen(
    cx: &Arc<Cx>,
    asked: &CreatePartitionsTopic<'_>,
    validate_only: bool,
) -> Result<(), CatalogError> {
    let topic: Arc<Topic> =
        cx.catalog.topic(&asked.name).ok_or_else(|| CatalogError::Unknown(asked.name.to_string()))?;
    let added = i64::from(asked.count) - topic.partitions().len() as i64;
    if let Some(assignments) = &asked.assignments {
        let fits =
            assignments.len() as i64 == added && assignments.iter().all(|one| one.broker_ids.len() == 1);
        if !fits {
            return Err(CatalogError::Assignment(asked.name.to_string()));
        }
    }
    cx.catalog.check_widening(&topic, asked.count)?;
    match validate_only {
        true => Ok(()),
        false => cx.widen_topic(&topic, asked.count).await,
    }
}
