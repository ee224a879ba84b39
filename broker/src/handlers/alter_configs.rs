//! AlterConfigs (33) and IncrementalAlterConfigs (44): settings changed by request.
//!
//! Both become changes of the same kind and are answered alike; the older one names all of a resource's settings
//! and the newer one (KIP-339) only those that change. The levels of the log (KIP-412) are the newer one's only,
//! and are not kept.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse,
};
use protocol::messages::incremental_alter_configs::{
    self as incremental, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use tracing::level_filters::LevelFilter;

use super::Cx;
use super::configs::BROKER_LOGGER;
use super::handler::{Call, Handler, Reply};
use crate::catalog::{ApiError, Change, ConfigChange, ConfigResource, ResourceKind};
use crate::config::{Alteration, Operation};
use crate::log_levels;

/// Versions 0-2: 2 is flexible.
pub(super) struct AlterConfigs;

impl Handler for AlterConfigs {
    type Request<'a> = AlterConfigsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: AlterConfigsRequest<'a>,
    ) -> Reply<AlterConfigsResponse<'a>> {
        let mut asked = Vec::with_capacity(request.resources.len());
        let mut named = Vec::with_capacity(request.resources.len());
        for resource in request.resources {
            let what = replacement(&resource.configs).map(|pairs| What::Settings(Change::Replace(pairs)));
            asked.push((resource.resource_type, resource.resource_name.to_string(), what));
            named.push((resource.resource_type, resource.resource_name));
        }
        let answers = alter(cx, asked, request.validate_only).await;
        let responses = named.into_iter().zip(answers).map(|((resource_type, resource_name), answer)| {
            let (error_code, error_message) = shown(answer);
            AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
        });
        Reply::Answer(AlterConfigsResponse {
            responses: responses.collect(),
            ..AlterConfigsResponse::default()
        })
    }
}

/// Versions 0-1: 1 is flexible.
pub(super) struct IncrementalAlterConfigs;

impl Handler for IncrementalAlterConfigs {
    type Request<'a> = IncrementalAlterConfigsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: IncrementalAlterConfigsRequest<'a>,
    ) -> Reply<IncrementalAlterConfigsResponse<'a>> {
        let mut asked = Vec::with_capacity(request.resources.len());
        let mut named = Vec::with_capacity(request.resources.len());
        for resource in request.resources {
            let what = alterations(&resource.configs).and_then(|alterations| match resource.resource_type {
                BROKER_LOGGER => levels(&alterations).map(What::Levels),
                _ => Ok(What::Settings(Change::Alter(alterations))),
            });
            asked.push((resource.resource_type, resource.resource_name.to_string(), what));
            named.push((resource.resource_type, resource.resource_name));
        }
        let answers = alter(cx, asked, request.validate_only).await;
        let responses = named.into_iter().zip(answers).map(|((resource_type, resource_name), answer)| {
            let (error_code, error_message) = shown(answer);
            incremental::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type,
                resource_name,
            }
        });
        Reply::Answer(IncrementalAlterConfigsResponse {
            responses: responses.collect(),
            ..IncrementalAlterConfigsResponse::default()
        })
    }
}

/// What is to happen to one resource.
enum What {
    Settings(Change),
    Levels(Vec<(&'static str, Option<LevelFilter>)>),
}

/// A resource as the request names it, and what is to happen to it, unless the request is wrong there.
type Asked = (i8, String, Result<What, ApiError>);

fn shown<'a>(answer: Result<(), ApiError>) -> (i16, Option<Cow<'a, str>>) {
    match answer {
        Ok(()) => (ErrorCode::None.code(), None),
        Err(error) => (error.code.code(), Some(Cow::Owned(error.message))),
    }
}

fn invalid_request(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

/// Changes what may be changed; one answer per resource, in their order.
async fn alter(cx: &Arc<Cx>, asked: Vec<Asked>, validate_only: bool) -> Vec<Result<(), ApiError>> {
    let mut counts: HashMap<(i8, String), usize> = HashMap::new();
    for (kind, name, _) in &asked {
        *counts.entry((*kind, name.clone())).or_default() += 1;
    }
    let mut answers = Vec::with_capacity(asked.len());
    let mut changes = Vec::new();
    for (kind, name, what) in asked {
        answers.push(match counts.get(&(kind, name.clone())) {
            Some(2..) => Err(invalid_request("Each resource must appear at most once.")),
            _ => what.and_then(|what| sort_out(cx, kind, &name, what, validate_only)),
        });
        if let Some(Ok(Some(change))) = answers.last_mut() {
            changes.push(change.clone());
        }
    }
    let mut altered = match changes.is_empty() {
        true => Vec::new(),
        false => {
            let count = changes.len();
            match cx.alter_configs(changes, validate_only).await {
                Ok(altered) => altered,
                Err(error) => vec![Err(error.into()); count],
            }
        }
    }
    .into_iter();
    let settled = |answer: Result<Option<ConfigChange>, ApiError>| match answer? {
        Some(_) => altered.next().expect("one answer per change"),
        None => Ok(()),
    };
    answers.into_iter().map(settled).collect()
}

/// Changes the levels of the log, which nobody records; anything else becomes a change to be made.
fn sort_out(
    cx: &Cx,
    kind: i8,
    name: &str,
    what: What,
    validate_only: bool,
) -> Result<Option<ConfigChange>, ApiError> {
    let what = match what {
        What::Settings(change) => change,
        What::Levels(changes) => {
            if name.is_empty() {
                return Err(invalid_request("Node id must be an integer, but it is: "));
            }
            cx.catalog.check_broker_name(name)?;
            if !validate_only {
                log_levels::set(&changes);
            }
            return Ok(None);
        }
    };
    let kind = ResourceKind::from_code(kind)
        .ok_or_else(|| invalid_request(format!("Unknown resource type {kind}")))?;
    Ok(Some(ConfigChange { resource: ConfigResource::new(kind, name), what }))
}

/// All settings of a resource, as AlterConfigs names them.
fn replacement(
    configs: &[protocol::messages::alter_configs::AlterableConfig<'_>],
) -> Result<BTreeMap<String, String>, ApiError> {
    let names = || configs.iter().map(|config| config.name.as_ref());
    check_names(names(), configs.iter().filter(|config| config.value.is_none()).map(|config| &*config.name))?;
    let pair = |config: &protocol::messages::alter_configs::AlterableConfig<'_>| {
        (config.name.to_string(), config.value.as_deref().unwrap_or_default().to_owned())
    };
    Ok(configs.iter().map(pair).collect())
}

/// The changes to single settings, as IncrementalAlterConfigs names them.
fn alterations(configs: &[incremental::AlterableConfig<'_>]) -> Result<Vec<Alteration>, ApiError> {
    let delete = |config: &incremental::AlterableConfig<'_>| {
        Operation::from_code(config.config_operation) == Some(Operation::Delete)
    };
    let nulls = configs.iter().filter(|config| config.value.is_none() && !delete(config));
    check_names(configs.iter().map(|config| config.name.as_ref()), nulls.map(|config| &*config.name))?;
    let alteration = |config: &incremental::AlterableConfig<'_>| {
        let operation = Operation::from_code(config.config_operation)
            .ok_or_else(|| invalid_request(format!("Unknown operations type {}", config.config_operation)))?;
        Ok(Alteration {
            name: config.name.to_string(),
            operation,
            value: config.value.as_deref().unwrap_or_default().to_owned(),
        })
    };
    configs.iter().map(alteration).collect()
}

/// Each key once, and none without a value that needs one.
fn check_names<'a>(
    names: impl Iterator<Item = &'a str>,
    nulls: impl Iterator<Item = &'a str>,
) -> Result<(), ApiError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(invalid_request(format!("Error due to duplicate config keys: {name}")));
        }
    }
    match nulls.collect::<Vec<_>>() {
        nulls if nulls.is_empty() => Ok(()),
        nulls => Err(invalid_request(format!("Null value not supported for : {}", nulls.join(", ")))),
    }
}

/// Changes to the levels of the log.
fn levels(alterations: &[Alteration]) -> Result<Vec<(&'static str, Option<LevelFilter>)>, ApiError> {
    let invalid_config = |message: String| ApiError::new(ErrorCode::InvalidConfig, message);
    let change = |alteration: &Alteration| {
        let Alteration { name, operation, value } = alteration;
        let logger = || {
            log_levels::logger(name).ok_or_else(|| invalid_config(format!("Logger {name} does not exist!")))
        };
        match operation {
            Operation::Set => {
                let level = log_levels::level(value).ok_or_else(|| {
                    invalid_config(format!(
                        "Cannot set the log level of {name} to {value} as it is not a supported log level. \
                         Valid log levels are {}",
                        log_levels::level_names()
                    ))
                });
                Ok((logger()?, Some(level?)))
            }
            Operation::Delete if name == log_levels::ROOT => {
                Err(invalid_request(format!("Removing the log level of the {name} logger is not allowed")))
            }
            Operation::Delete => Ok((logger()?, None)),
            Operation::Append | Operation::Subtract => Err(invalid_request(format!(
                "{operation} operation is not allowed for the BROKER_LOGGER resource"
            ))),
        }
    };
    alterations.iter().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config<'a>(name: &'a str, operation: i8, value: Option<&'a str>) -> incremental::AlterableConfig<'a> {
        incremental::AlterableConfig {
            name: name.into(),
            config_operation: operation,
            value: value.map(Cow::Borrowed),
        }
    }

    #[test]
    fn wrong_changes_say_which_key() {
        for (configs, expected) in [
            (vec![config("a", 0, Some("1")), config("a", 1, None)], "Error due to duplicate config keys: a"),
            (vec![config("a", 0, None), config("b", 2, None)], "Null value not supported for : a, b"),
            (vec![config("a", 9, Some("1"))], "Unknown operations type 9"),
        ] {
            assert_eq!(alterations(&configs), Err(invalid_request(expected)));
        }
        assert!(alterations(&[config("a", 1, None), config("b", 0, Some(""))]).is_ok());
    }

    #[test]
    fn levels_are_checked_as_kafka_does() {
        let checked =
            |name, operation, value| levels(&alterations(&[config(name, operation, value)]).unwrap());
        assert_eq!(
            checked("broker::net", 0, Some("DEBUG")),
            Ok(vec![("broker::net", Some(LevelFilter::DEBUG))])
        );
        assert_eq!(checked("broker::net", 1, None), Ok(vec![("broker::net", None)]));
        for (name, operation, value, code) in [
            ("root", 1, None, ErrorCode::InvalidRequest),
            ("kafka.server", 0, Some("INFO"), ErrorCode::InvalidConfig),
            ("root", 0, Some("LOUD"), ErrorCode::InvalidConfig),
            ("root", 2, Some("INFO"), ErrorCode::InvalidRequest),
        ] {
            assert_eq!(checked(name, operation, value).unwrap_err().code, code, "{name} {operation}");
        }
    }
}
