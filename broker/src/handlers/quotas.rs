//! Client quotas: DescribeClientQuotas (48), AlterClientQuotas (49), KIP-546.
//!
//! They are kept in the metadata log and shown; no client is held back by them yet.
//!
//! Source: `ClientQuotaControlManager` and `ClientQuotasImage` in Apache Kafka.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::ToSocketAddrs;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::alter_client_quotas::{
    self as alter, AlterClientQuotasRequest, AlterClientQuotasResponse, EntryResponse,
};
use protocol::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData, EntryData,
    ValueData,
};

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::catalog::{ApiError, CatalogError, Image, QuotaEntity, Record};

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

/// How a quota's number is written.
#[derive(Clone, Copy, PartialEq)]
enum Number {
    Whole,
    Any,
}

/// The quotas of users and clients.
const CLIENT_KEYS: [(&str, Number); 4] = [
    ("producer_byte_rate", Number::Whole),
    ("consumer_byte_rate", Number::Whole),
    ("request_percentage", Number::Any),
    ("controller_mutation_rate", Number::Any),
];
/// The quotas of addresses.
const IP_KEYS: [(&str, Number); 1] = [("connection_creation_rate", Number::Whole)];

/// Versions 0-1: 1 is flexible.
pub(super) struct DescribeClientQuotas;

impl Handler for DescribeClientQuotas {
    type Request<'a> = DescribeClientQuotasRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: DescribeClientQuotasRequest<'a>,
    ) -> Reply<DescribeClientQuotasResponse<'a>> {
        let filter = match Filter::of(&request.components, request.strict) {
            Ok(filter) => filter,
            Err(error) => {
                return Reply::Answer(DescribeClientQuotasResponse {
                    error_code: error.code.code(),
                    error_message: Some(Cow::Owned(error.message)),
                    entries: None,
                    ..DescribeClientQuotasResponse::default()
                });
            }
        };
        let found: Vec<(QuotaEntity, BTreeMap<String, f64>)> = cx.catalog.with_image(|image| {
            let matching = image.quotas().iter().filter(|(entity, _)| filter.matches(entity));
            matching.map(|(entity, values)| (entity.clone(), values.clone())).collect()
        });
        let entries = found.into_iter().map(|(entity, values)| EntryData {
            entity: entity
                .into_iter()
                .map(|(kind, name)| EntityData {
                    entity_type: Cow::Owned(kind),
                    entity_name: name.map(Cow::Owned),
                })
                .collect(),
            values: values
                .into_iter()
                .map(|(key, value)| ValueData { key: Cow::Owned(key), value })
                .collect(),
        });
        Reply::Answer(DescribeClientQuotasResponse {
            error_message: None,
            entries: Some(entries.collect()),
            ..DescribeClientQuotasResponse::default()
        })
    }
}

/// What is asked of one part of an entity.
#[derive(Debug, PartialEq)]
enum Wanted {
    Named(String),
    Default,
    Either,
}

/// Which entities are asked for.
#[derive(Debug)]
struct Filter {
    parts: BTreeMap<String, Wanted>,
    /// Whether an entity may have no other parts.
    strict: bool,
}

impl Filter {
    fn of(components: &[ComponentData<'_>], strict: bool) -> Result<Self, ApiError> {
        let mut parts = BTreeMap::new();
        for component in components {
            let kind = component.entity_type.to_string();
            let wanted = match (component.match_type, &component.match_value) {
                (0, Some(name)) => Wanted::Named(name.to_string()),
                (0, None) => {
                    return Err(invalid("Request specified MATCH_TYPE_EXACT, but set matchValue to null."));
                }
                (1, None) => Wanted::Default,
                (2, None) => Wanted::Either,
                (1 | 2, Some(_)) => {
                    return Err(invalid("A match of the default or of any name takes no matchValue."));
                }
                (other, _) => return Err(invalid(format!("Unknown match type {other}"))),
            };
            if kind.is_empty() {
                return Err(invalid("Invalid empty entity type."));
            }
            if ![USER, CLIENT_ID, IP].contains(&&*kind) {
                let message = format!("Custom entity type '{kind}' not supported");
                return Err(ApiError::new(ErrorCode::UnsupportedVersion, message));
            }
            if parts.insert(kind.clone(), wanted).is_some() {
                return Err(invalid(format!(
                    "Entity type {kind} cannot appear more than once in the filter."
                )));
            }
        }
        if parts.contains_key(IP) && parts.len() > 1 {
            return Err(invalid(
                "Invalid entity filter component combination, IP filter component should not be \
                                used with user or clientId filter component.",
            ));
        }
        Ok(Self { parts, strict })
    }

    fn matches(&self, entity: &QuotaEntity) -> bool {
        let has = |(kind, wanted): (&String, &Wanted)| match (entity.get(kind), wanted) {
            (None, _) => false,
            (Some(_), Wanted::Either) => true,
            (Some(name), Wanted::Default) => name.is_none(),
            (Some(name), Wanted::Named(wanted)) => name.as_ref() == Some(wanted),
        };
        self.parts.iter().all(has) && (!self.strict || entity.len() == self.parts.len())
    }
}

/// Versions 0-1: 1 is flexible.
pub(super) struct AlterClientQuotas;

impl Handler for AlterClientQuotas {
    type Request<'a> = AlterClientQuotasRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: AlterClientQuotasRequest<'a>,
    ) -> Reply<AlterClientQuotasResponse<'a>> {
        let mut seen = BTreeSet::new();
        let mut asked = Vec::with_capacity(request.entries.len());
        for entry in &request.entries {
            asked.push(alteration(entry).and_then(
                |alteration| match seen.insert(alteration.entity.clone()) {
                    true => Ok(alteration),
                    false => Err(invalid(format!("Ignoring duplicate entity {}", shown(&alteration.entity)))),
                },
            ));
        }
        // Names of hosts may have to be looked up, which blocks.
        let asked = match cx.tasks.blocking(move || check_hosts(asked)).await {
            Some(asked) => asked,
            None => request.entries.iter().map(|_| Err(CatalogError::Stopping.into())).collect(),
        };
        let (count, validate_only) = (asked.len(), request.validate_only);
        let decide = move |image: &Image| {
            let (records, answers) = decided(image, asked);
            (if validate_only { Vec::new() } else { records }, answers)
        };
        let answers = match cx.change_records(decide).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error.into()); count],
        };
        let entries = request.entries.into_iter().zip(answers).map(|(entry, answer)| {
            let (code, message) = match answer {
                Ok(()) => (ErrorCode::None, None),
                Err(error) => (error.code, Some(Cow::Owned(error.message))),
            };
            EntryResponse { error_code: code.code(), error_message: message, entity: entry.entity }
        });
        Reply::Answer(AlterClientQuotasResponse {
            entries: entries.collect(),
            ..AlterClientQuotasResponse::default()
        })
    }
}

/// New values for one entity; `None` takes one away.
#[derive(Debug, PartialEq)]
struct Alteration {
    entity: QuotaEntity,
    values: BTreeMap<String, Option<f64>>,
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

fn shown(entity: &QuotaEntity) -> String {
    let part = |(kind, name): (&String, &Option<String>)| {
        format!("{kind}={}", name.as_deref().unwrap_or("<default>"))
    };
    entity.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn alteration(entry: &alter::EntryData<'_>) -> Result<Alteration, ApiError> {
    let entity = checked_entity(&entry.entity)?;
    let keys: &[(&str, Number)] = if entity.contains_key(IP) { &IP_KEYS } else { &CLIENT_KEYS };
    let mut values = BTreeMap::new();
    for op in &entry.ops {
        let key = op.key.to_string();
        let value = if op.remove { None } else { Some(checked_value(keys, &key, op.value)?) };
        if values.insert(key.clone(), value).is_some() {
            return Err(invalid(format!(
                "Duplicate quota key {key} not updating quota for this entity {}",
                shown(&entity)
            )));
        }
    }
    Ok(Alteration { entity, values })
}

fn checked_entity(parts: &[alter::EntityData<'_>]) -> Result<QuotaEntity, ApiError> {
    let mut entity = QuotaEntity::new();
    for part in parts {
        let kind = part.entity_type.to_string();
        if ![USER, CLIENT_ID, IP].contains(&&*kind) {
            return Err(invalid(format!("Unhandled client quota entity type: {kind}")));
        }
        if part.entity_name.as_deref() == Some("") {
            return Err(invalid(format!("Empty {kind} not supported")));
        }
        let name = part.entity_name.as_deref().map(str::to_owned);
        if entity.insert(kind.clone(), name).is_some() {
            return Err(invalid(format!("Invalid client quota entity, duplicate entity entry {kind}")));
        }
    }
    if entity.is_empty() {
        return Err(invalid("Invalid empty client quota entity"));
    }
    if entity.contains_key(IP) && entity.len() > 1 {
        return Err(invalid(
            "Invalid quota entity combination, IP entity should not be combined with User or ClientId",
        ));
    }
    Ok(entity)
}

fn checked_value(keys: &[(&str, Number)], key: &str, value: f64) -> Result<f64, ApiError> {
    let Some((_, number)) = keys.iter().find(|(known, _)| *known == key) else {
        return Err(invalid(format!("Invalid configuration key {key}")));
    };
    if value.is_nan() || value <= 0.0 {
        return Err(invalid(format!("Quota {key} must be greater than 0")));
    }
    if *number == Number::Whole {
        if value >= i64::MAX as f64 {
            return Err(invalid(format!("Proposed value for {key} is too large for a LONG.")));
        }
        // As Apache Kafka: what is this close to a whole number is one.
        if (value - value.round()).abs() > 1e-6 {
            return Err(invalid(format!("{key} cannot be a fractional value.")));
        }
    }
    Ok(value)
}

/// An address may be named as a host, if that has an address.
fn check_hosts(asked: Vec<Result<Alteration, ApiError>>) -> Vec<Result<Alteration, ApiError>> {
    let resolves =
        |host: &str| host.parse::<std::net::IpAddr>().is_ok() || (host, 0).to_socket_addrs().is_ok();
    let checked = |alteration: Alteration| match alteration.entity.get(IP) {
        Some(Some(host)) if !resolves(host) => {
            Err(invalid(format!("{host} is not a valid IP or resolvable host.")))
        }
        _ => Ok(alteration),
    };
    asked.into_iter().map(|alteration| alteration.and_then(checked)).collect()
}

/// The records of what changes, and an answer for each alteration.
fn decided(
    image: &Image,
    asked: Vec<Result<Alteration, ApiError>>,
) -> (Vec<Record>, Vec<Result<(), ApiError>>) {
    let mut records = Vec::new();
    let mut answers = Vec::with_capacity(asked.len());
    for alteration in asked {
        answers.push(alteration.map(|Alteration { entity, values }| {
            let now = image.quotas().get(&entity);
            for (key, value) in values {
                if now.and_then(|now| now.get(&key)).copied() != value {
                    records.push(Record::Quota { entity: entity.clone(), key, value });
                }
            }
        }));
    }
    (records, answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(parts: &[(&str, Option<&str>)]) -> QuotaEntity {
        parts.iter().map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned))).collect()
    }

    fn component(kind: &'static str, match_type: i8, value: Option<&'static str>) -> ComponentData<'static> {
        ComponentData { entity_type: kind.into(), match_type, match_value: value.map(Cow::Borrowed) }
    }

    #[test]
    fn filters_match_as_their_parts_say() {
        let entities = [
            entity(&[("user", Some("ann"))]),
            entity(&[("user", None)]),
            entity(&[("user", Some("ann")), ("client-id", None)]),
            entity(&[("ip", None)]),
        ];
        for (components, strict, expected) in [
            (vec![], false, [true, true, true, true]),
            (vec![], true, [false, false, false, false]),
            (vec![component("user", 0, Some("ann"))], false, [true, false, true, false]),
            (vec![component("user", 0, Some("ann"))], true, [true, false, false, false]),
            (vec![component("user", 1, None)], true, [false, true, false, false]),
            (vec![component("user", 2, None)], true, [true, true, false, false]),
            (
                vec![component("user", 2, None), component("client-id", 1, None)],
                true,
                [false, false, true, false],
            ),
        ] {
            let filter = Filter::of(&components, strict).unwrap();
            assert_eq!(entities.each_ref().map(|entity| filter.matches(entity)), expected, "{filter:?}");
        }
    }

    #[test]
    fn wrong_filters_are_refused() {
        use ErrorCode::{InvalidRequest, UnsupportedVersion};
        for (components, code) in [
            (vec![component("user", 0, None)], InvalidRequest),
            (vec![component("user", 1, Some("a"))], InvalidRequest),
            (vec![component("user", 3, None)], InvalidRequest),
            (vec![component("", 2, None)], InvalidRequest),
            (vec![component("colour", 2, None)], UnsupportedVersion),
            (vec![component("user", 1, None), component("user", 2, None)], InvalidRequest),
            (vec![component("user", 1, None), component("ip", 2, None)], InvalidRequest),
        ] {
            assert_eq!(Filter::of(&components, true).unwrap_err().code, code, "{components:?}");
        }
    }

    #[test]
    fn alterations_are_checked_as_kafka_does() {
        let asked = |parts: &[(&'static str, Option<&'static str>)], ops: &[(&'static str, f64, bool)]| {
            let entity = parts.iter().map(|(kind, name)| alter::EntityData {
                entity_type: (*kind).into(),
                entity_name: name.map(Cow::Borrowed),
            });
            let ops = ops.iter().map(|(key, value, remove)| alter::OpData {
                key: (*key).into(),
                value: *value,
                remove: *remove,
            });
            alteration(&alter::EntryData { entity: entity.collect(), ops: ops.collect() })
        };
        let user = &[("user", Some("ann"))][..];
        assert!(
            asked(user, &[("producer_byte_rate", 1000.0, false), ("request_percentage", 0.5, false)]).is_ok()
        );
        assert!(asked(&[("ip", None)], &[("connection_creation_rate", 10.0, false)]).is_ok());
        for (parts, ops, expected) in [
            (&[][..], &[][..], "Invalid empty client quota entity"),
            (&[("colour", None)], &[], "Unhandled client quota entity type: colour"),
            (&[("user", Some(""))], &[], "Empty user not supported"),
            (
                &[("user", None), ("user", None)],
                &[],
                "Invalid client quota entity, duplicate entity entry user",
            ),
            (
                &[("ip", None), ("user", None)],
                &[],
                "Invalid quota entity combination, IP entity should not be combined with User or ClientId",
            ),
            (
                user,
                &[("connection_creation_rate", 1.0, false)],
                "Invalid configuration key connection_creation_rate",
            ),
            (user, &[("producer_byte_rate", 0.0, false)], "Quota producer_byte_rate must be greater than 0"),
            (user, &[("producer_byte_rate", 1.5, false)], "producer_byte_rate cannot be a fractional value."),
            (
                user,
                &[("producer_byte_rate", 1.0, false), ("producer_byte_rate", 0.0, true)],
                "Duplicate quota key producer_byte_rate not updating quota for this entity user=ann",
            ),
        ] {
            assert_eq!(asked(parts, ops), Err(invalid(expected)));
        }
    }

    #[test]
    fn only_what_changes_is_recorded() {
        let ann = entity(&[("user", Some("ann"))]);
        let alteration = |value| {
            let values = BTreeMap::from([("request_percentage".to_owned(), value)]);
            vec![Ok(Alteration { entity: ann.clone(), values })]
        };
        let (records, answers) = decided(&Image::default(), alteration(Some(1.0)));
        assert_eq!((records.len(), &answers[..]), (1, &[Ok(())][..]));
        assert!(decided(&Image::default(), alteration(None)).0.is_empty());
    }
}
