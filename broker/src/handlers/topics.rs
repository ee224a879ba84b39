//! Topics made, widened and deleted by request: CreateTopics (19), DeleteTopics (20),
//! CreatePartitions (37).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
use super::reassignments::check_replicas;
use crate::catalog::{ApiError, CatalogError, NewTopic, Topic};
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
    let new = match new_topic(&asked, cx.node.id) {
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
fn new_topic(asked: &CreatableTopic<'_>, node: i32) -> Result<NewTopic, (ErrorCode, String)> {
    let mut configs = BTreeMap::new();
    for entry in &asked.configs {
        let value = entry.value.as_ref().ok_or_else(|| {
            (ErrorCode::InvalidConfig, format!("Null value not supported for topic configs: {}", entry.name))
        })?;
        configs.insert(entry.name.to_string(), value.to_string());
    }
    let partitions = if asked.assignments.is_empty() {
        match asked.replication_factor {
            -1 | 1 => {}
            0 | ..-1 => {
                let message = "Replication factor must be larger than 0, or -1 to use the default value.";
                return Err((ErrorCode::InvalidReplicationFactor, message.into()));
            }
            many => {
                let message = format!(
                    "Unable to replicate the partition {many} time(s): The target replication factor of {many} \
                     cannot be reached because only 1 broker(s) are registered."
                );
                return Err((ErrorCode::InvalidReplicationFactor, message));
            }
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
        Some(assigned_partitions(asked, node)?)
    };
    Ok(NewTopic { name: asked.name.to_string(), partitions, configs })
}

/// A manual assignment is accepted if it numbers its partitions from 0 and puts each on the one node.
fn assigned_partitions(asked: &CreatableTopic<'_>, node: i32) -> Result<i32, (ErrorCode, String)> {
    for (given, what) in [
        (asked.replication_factor != -1, "replication factor"),
        (asked.num_partitions != -1, "numPartitions"),
    ] {
        if given {
            let message =
                format!("A manual partition assignment was specified, but {what} was not set to -1.");
            return Err((ErrorCode::InvalidRequest, message));
        }
    }
    let invalid = |message: String| Err((ErrorCode::InvalidReplicaAssignment, message));
    let mut indexes = BTreeSet::new();
    for assignment in &asked.assignments {
        let index = assignment.partition_index;
        if !indexes.insert(index) {
            return invalid(format!("Found multiple manual partition assignments for partition {index}"));
        }
        check_replicas(&assignment.broker_ids, node).map_err(|error| (error.code, error.message))?;
    }
    match (indexes.iter().zip(0..).all(|(index, at)| *index == at), i32::try_from(indexes.len())) {
        (true, Ok(count)) => Ok(count),
        _ => invalid("partitions should be a consecutive 0-based integer sequence".into()),
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
        let asked: Vec<_> = by_name.chain(by_either).collect();
        let mut counts: HashMap<(Option<String>, TopicId), usize> = HashMap::new();
        for (name, id) in &asked {
            *counts.entry((name.as_deref().map(str::to_owned), *id)).or_default() += 1;
        }
        let mut responses = Vec::with_capacity(asked.len());
        for (name, id) in asked {
            let count = counts.get(&(name.as_deref().map(str::to_owned), id)).copied().unwrap_or_default();
            responses.push(match wrongly_named(name.as_deref(), id, count) {
                Some(message) => DeletableTopicResult {
                    name,
                    topic_id: id,
                    error_code: ErrorCode::InvalidRequest.code(),
                    error_message: Some(Cow::Borrowed(message)),
                },
                None => delete(cx, call.version, name, id).await,
            });
        }
        if call.version < 6 {
            for response in &mut responses {
                response.topic_id = TopicId::ZERO;
            }
        }
        Reply::Answer(DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() })
    }
}

/// What is wrong with how a topic to be deleted is named, `count` times in its request.
fn wrongly_named(name: Option<&str>, id: TopicId, count: usize) -> Option<&'static str> {
    match (name, id) {
        (Some(_), id) if id != TopicId::ZERO => Some("You may not specify both topic name and topic id."),
        (None, TopicId::ZERO) => Some("Neither topic name nor id were specified."),
        (Some(_), _) if count > 1 => Some("Duplicate topic name."),
        (None, _) if count > 1 => Some("Duplicate topic id."),
        _ => None,
    }
}

async fn delete<'a>(
    cx: &Arc<Cx>,
    version: i16,
    name: Option<Cow<'a, str>>,
    id: TopicId,
) -> DeletableTopicResult<'a> {
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
        // The older versions do not know the code that says so.
        let code = if version < 3 { ErrorCode::InvalidRequest } else { ErrorCode::TopicDeletionDisabled };
        return failed(name, id, code, None);
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
        let mut named: HashMap<String, usize> = HashMap::new();
        for topic in &request.topics {
            *named.entry(topic.name.to_string()).or_default() += 1;
        }
        let mut results = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let widened = match named.get(topic.name.as_ref()) {
                Some(2..) => Err(ApiError::new(ErrorCode::InvalidRequest, "Duplicate topic name.")),
                _ => widen(cx, &topic, request.validate_only).await,
            };
            let (code, message) = match widened {
                Ok(()) => (ErrorCode::None, None),
                Err(error) => (error.code, Some(Cow::Owned(error.message))),
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

async fn widen(cx: &Arc<Cx>, asked: &CreatePartitionsTopic<'_>, validate_only: bool) -> Result<(), ApiError> {
    let topic: Arc<Topic> =
        cx.catalog.topic(&asked.name).ok_or_else(|| CatalogError::Unknown(asked.name.to_string()))?;
    cx.catalog.check_widening(&topic, asked.count)?;
    let added = i64::from(asked.count) - topic.partitions().len() as i64;
    if let Some(assignments) = &asked.assignments {
        if assignments.len() as i64 != added {
            let message = format!(
                "Attempted to add {added} additional partition(s), but only {} assignment(s) were specified.",
                assignments.len()
            );
            return Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, message));
        }
        assignments.iter().try_for_each(|assignment| check_replicas(&assignment.broker_ids, cx.node.id))?;
    }
    match validate_only {
        true => Ok(()),
        false => Ok(cx.widen_topic(&topic, asked.count).await?),
    }
}

#[cfg(test)]
mod tests {
    use protocol::messages::create_topics::{CreatableReplicaAssignment, CreatableTopicConfig};

    use super::*;

    fn topic() -> CreatableTopic<'static> {
        CreatableTopic {
            name: "orders".into(),
            num_partitions: -1,
            replication_factor: -1,
            ..CreatableTopic::default()
        }
    }

    fn assigned(partitions: &[(i32, &[i32])]) -> CreatableTopic<'static> {
        let assignment = |(index, brokers): &(i32, &[i32])| CreatableReplicaAssignment {
            partition_index: *index,
            broker_ids: brokers.to_vec(),
        };
        CreatableTopic { assignments: partitions.iter().map(assignment).collect(), ..topic() }
    }

    #[test]
    fn topics_are_checked_as_kafka_does() {
        use ErrorCode::{
            InvalidConfig, InvalidPartitions, InvalidReplicaAssignment, InvalidReplicationFactor,
            InvalidRequest,
        };
        let null = CreatableTopicConfig { name: "retention.ms".into(), value: None };
        for (asked, expected) in [
            (topic(), Ok(None)),
            (CreatableTopic { num_partitions: 3, replication_factor: 1, ..topic() }, Ok(Some(3))),
            (assigned(&[(1, &[1]), (0, &[1])]), Ok(Some(2))),
            (CreatableTopic { num_partitions: 0, ..topic() }, Err(InvalidPartitions)),
            (CreatableTopic { num_partitions: -2, ..topic() }, Err(InvalidPartitions)),
            (CreatableTopic { replication_factor: 0, ..topic() }, Err(InvalidReplicationFactor)),
            (CreatableTopic { replication_factor: 2, ..topic() }, Err(InvalidReplicationFactor)),
            (CreatableTopic { replication_factor: 1, ..assigned(&[(0, &[1])]) }, Err(InvalidRequest)),
            (CreatableTopic { num_partitions: 1, ..assigned(&[(0, &[1])]) }, Err(InvalidRequest)),
            (assigned(&[(0, &[1]), (0, &[1])]), Err(InvalidReplicaAssignment)),
            (assigned(&[(0, &[1]), (2, &[1])]), Err(InvalidReplicaAssignment)),
            (assigned(&[(0, &[2])]), Err(InvalidReplicaAssignment)),
            (assigned(&[(0, &[])]), Err(InvalidReplicaAssignment)),
            (assigned(&[(0, &[1, 1])]), Err(InvalidReplicaAssignment)),
            (CreatableTopic { configs: vec![null], ..topic() }, Err(InvalidConfig)),
        ] {
            let told = new_topic(&asked, 1).map(|new| new.partitions).map_err(|(code, _)| code);
            assert_eq!(told, expected, "{asked:?}");
        }
    }

    #[test]
    fn a_topic_to_delete_is_named_once_in_one_way() {
        let id = TopicId([1; 16]);
        for (name, id, count, wrong) in [
            (Some("a"), TopicId::ZERO, 1, false),
            (None, id, 1, false),
            (Some("a"), id, 1, true),
            (None, TopicId::ZERO, 1, true),
            (Some("a"), TopicId::ZERO, 2, true),
            (None, id, 2, true),
        ] {
            assert_eq!(wrongly_named(name, id, count).is_some(), wrong, "{name:?} {id} {count}");
        }
    }
}
