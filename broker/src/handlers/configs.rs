//! DescribeConfigs (32): every setting of a topic, a broker, a group, and where its value came from.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::catalog::{ApiError, ConfigResource, ResourceKind};
use crate::config::{ConfigType, Entry, Source};
use crate::log_levels;

/// `ConfigResource.Type.BROKER_LOGGER`: the levels of the log, which are no settings but are told alike.
pub(super) const BROKER_LOGGER: i8 = 8;

/// Versions 0-4: 1 adds sources and synonyms (KIP-226); 3 types and documentation (KIP-569); 4 is
/// flexible.
pub(super) struct DescribeConfigs;

/// What the client wants told of each setting.
#[derive(Clone, Copy)]
struct Wanted {
    version: i16,
    synonyms: bool,
    documentation: bool,
}

impl Handler for DescribeConfigs {
    type Request<'a> = DescribeConfigsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=4;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: DescribeConfigsRequest<'a>,
    ) -> Reply<DescribeConfigsResponse<'a>> {
        let wanted = Wanted {
            version: call.version,
            synonyms: request.include_synonyms,
            documentation: request.include_documentation,
        };
        let results = request.resources.into_iter().map(|resource| describe(cx, wanted, resource));
        Reply::Answer(DescribeConfigsResponse {
            results: results.collect(),
            ..DescribeConfigsResponse::default()
        })
    }
}

fn describe<'a>(cx: &Cx, wanted: Wanted, asked: DescribeConfigsResource<'a>) -> DescribeConfigsResult<'a> {
    let (code, message, entries) = match entries(cx, asked.resource_type, &asked.resource_name) {
        Ok(entries) => (ErrorCode::None, None, entries),
        Err(error) => (error.code, Some(Cow::Owned(error.message)), Vec::new()),
    };
    let keys = asked.configuration_keys;
    // Null asks for all keys; some old clients send an empty list and mean the same.
    let is_asked =
        |name: &str| keys.as_ref().is_none_or(|keys| keys.is_empty() || keys.iter().any(|key| key == name));
    let configs = entries.into_iter().filter(|entry| is_asked(entry.name)).map(|entry| shown(wanted, entry));
    DescribeConfigsResult {
        error_code: code.code(),
        error_message: message,
        resource_type: asked.resource_type,
        configs: configs.collect(),
        resource_name: asked.resource_name,
    }
}

fn entries(cx: &Cx, kind: i8, name: &str) -> Result<Vec<Entry>, ApiError> {
    if kind == BROKER_LOGGER {
        return levels(cx, name);
    }
    let kind = ResourceKind::from_code(kind).ok_or_else(|| {
        ApiError::new(ErrorCode::InvalidRequest, format!("Unsupported resource type: {kind}"))
    })?;
    cx.catalog.config_entries(&ConfigResource::new(kind, name))
}

/// The levels of this broker's log.
fn levels(cx: &Cx, name: &str) -> Result<Vec<Entry>, ApiError> {
    if name.is_empty() {
        return Err(ApiError::new(ErrorCode::InvalidRequest, "Broker id must not be empty"));
    }
    cx.catalog.check_broker_name(name)?;
    let entry = |(logger, level): (&'static str, &'static str)| Entry {
        name: logger,
        value: Some(level.to_owned()),
        source: Source::BrokerLogger,
        read_only: false,
        is_sensitive: false,
        synonyms: Vec::new(),
        config_type: ConfigType::String,
        documentation: "The level from which on this part of the broker writes to the log.",
    };
    Ok(log_levels::levels().into_iter().map(entry).collect())
}

fn shown<'a>(wanted: Wanted, entry: Entry) -> DescribeConfigsResourceResult<'a> {
    let synonyms = entry.synonyms.into_iter().map(|synonym| DescribeConfigsSynonym {
        name: Cow::Borrowed(synonym.name),
        value: synonym.value.map(Cow::Owned),
        source: synonym.source.code(),
    });
    DescribeConfigsResourceResult {
        name: Cow::Borrowed(entry.name),
        value: entry.value.map(Cow::Owned),
        read_only: entry.read_only,
        // Later versions tell the source instead.
        is_default: wanted.version == 0 && entry.source == Source::Default,
        config_source: entry.source.code(),
        is_sensitive: entry.is_sensitive,
        synonyms: if wanted.synonyms { synonyms.collect() } else { Vec::new() },
        config_type: entry.config_type.code(),
        documentation: wanted.documentation.then_some(Cow::Borrowed(entry.documentation)),
    }
}
