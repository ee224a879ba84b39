//! Access control entries: DescribeAcls (29), CreateAcls (30), DeleteAcls (31).
//!
//! Entries are kept in the metadata log and shown; **nothing is refused because of them yet**, and the log says
//! so each time one is made. With `acls.storage.enable=false` all three answer SECURITY_DISABLED, as Apache Kafka
//! does without an authorizer.
//!
//! Source: `AclApis`, `AclControlManager` in Apache Kafka.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::error_code::ErrorCode;
use protocol::messages::create_acls::{
    AclCreation, AclCreationResult, CreateAclsRequest, CreateAclsResponse,
};
use protocol::messages::delete_acls::{
    DeleteAclsFilter, DeleteAclsFilterResult, DeleteAclsMatchingAcl, DeleteAclsRequest, DeleteAclsResponse,
};
use protocol::messages::describe_acls::{
    AclDescription, DescribeAclsRequest, DescribeAclsResource, DescribeAclsResponse,
};
use protocol::types::TopicId;

use super::Cx;
use super::handler::{Call, Handler, Reply};
use crate::catalog::{
    Acl, AclFilter, AclOperation, ApiError, CLUSTER_NAME, Image, PatternFilter, PatternType, Permission,
    Record, ResourcePattern, ResourceType,
};

/// As a filter: every type, operation or permission.
const ANY: i8 = 1;

/// Versions 0-3: 1 adds patterns (KIP-290); 2 is flexible; 3 knows users as resources.
pub(super) struct DescribeAcls;

impl Handler for DescribeAcls {
    type Request<'a> = DescribeAclsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=3;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: DescribeAclsRequest<'a>,
    ) -> Reply<DescribeAclsResponse<'a>> {
        let filter = enabled(cx).and_then(|()| {
            filter(&DeleteAclsFilter {
                resource_type_filter: request.resource_type_filter,
                resource_name_filter: request.resource_name_filter,
                pattern_type_filter: request.pattern_type_filter,
                principal_filter: request.principal_filter,
                host_filter: request.host_filter,
                operation: request.operation,
                permission_type: request.permission_type,
            })
        });
        let filter = match filter {
            Ok(filter) => filter,
            Err(error) => {
                return Reply::Answer(DescribeAclsResponse {
                    error_code: error.code.code(),
                    error_message: Some(Cow::Owned(error.message)),
                    ..DescribeAclsResponse::default()
                });
            }
        };
        let mut found: BTreeMap<ResourcePattern, Vec<Acl>> = BTreeMap::new();
        cx.catalog.with_image(|image| {
            // Version 0 cannot say that a pattern is a prefix.
            let told = |acl: &&Acl| {
                filter.matches(acl) && (call.version > 0 || acl.resource.pattern == PatternType::Literal)
            };
            for acl in image.acls().values().filter(told) {
                found.entry(acl.resource.clone()).or_default().push(acl.clone());
            }
        });
        let resources = found.into_iter().map(|(resource, acls)| DescribeAclsResource {
            resource_type: resource.kind.code(),
            resource_name: Cow::Owned(resource.name),
            pattern_type: resource.pattern.code(),
            acls: acls.into_iter().map(described).collect(),
        });
        Reply::Answer(DescribeAclsResponse {
            error_message: None,
            resources: resources.collect(),
            ..DescribeAclsResponse::default()
        })
    }
}

fn described<'a>(acl: Acl) -> AclDescription<'a> {
    AclDescription {
        principal: Cow::Owned(acl.principal),
        host: Cow::Owned(acl.host),
        operation: acl.operation.code(),
        permission_type: acl.permission.code(),
    }
}

/// Versions 0-3: 1 adds patterns (KIP-290); 2 is flexible; 3 knows users as resources.
pub(super) struct CreateAcls;

impl Handler for CreateAcls {
    type Request<'a> = CreateAclsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=3;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: CreateAclsRequest<'a>,
    ) -> Reply<CreateAclsResponse<'a>> {
        let checked: Vec<Result<Acl, ApiError>> =
            request.creations.iter().map(|creation| enabled(cx).and_then(|()| checked(creation))).collect();
        let ids: Vec<TopicId> = checked.iter().map(|_| cx.catalog.random_id()).collect();
        let count = checked.len();
        let results = match cx.change_records(move |image| creation(image, checked, &ids)).await {
            Ok(results) => results,
            Err(error) => vec![Err(error.into()); count],
        };
        let results = results.into_iter().map(|result| {
            let (error_code, error_message) = told(result);
            AclCreationResult { error_code, error_message }
        });
        Reply::Answer(CreateAclsResponse { results: results.collect(), ..CreateAclsResponse::default() })
    }
}

/// The records of the entries that are not there yet; making one twice is no error.
fn creation(
    image: &Image,
    checked: Vec<Result<Acl, ApiError>>,
    ids: &[TopicId],
) -> (Vec<Record>, Vec<Result<(), ApiError>>) {
    let mut present: HashSet<Acl> = image.acls().values().cloned().collect();
    let mut records = Vec::new();
    let mut results = Vec::with_capacity(checked.len());
    for (acl, id) in checked.into_iter().zip(ids) {
        results.push(acl.map(|acl| {
            if present.insert(acl.clone()) {
                tracing::warn!(
                    principal = acl.principal,
                    resource = acl.resource.name,
                    "access control entry kept; nothing is enforced"
                );
                records.push(Record::Acl { id: *id, acl });
            }
        }));
    }
    (records, results)
}

/// Versions 0-3: 1 adds patterns (KIP-290); 2 is flexible; 3 knows users as resources.
pub(super) struct DeleteAcls;

impl Handler for DeleteAcls {
    type Request<'a> = DeleteAclsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=3;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: DeleteAclsRequest<'a>,
    ) -> Reply<DeleteAclsResponse<'a>> {
        let filters: Vec<Result<AclFilter, ApiError>> =
            request.filters.iter().map(|asked| enabled(cx).and_then(|()| filter(asked))).collect();
        let (count, literal_only) = (filters.len(), call.version == 0);
        let results = match cx.change_records(move |image| deletion(image, filters, literal_only)).await {
            Ok(results) => results,
            Err(error) => vec![Err(error.into()); count],
        };
        let filter_results = results.into_iter().map(|result| {
            let (matching, result) = match result {
                Ok(deleted) => (deleted, Ok(())),
                Err(error) => (Vec::new(), Err(error)),
            };
            let (error_code, error_message) = told(result);
            let matching_acls = matching.into_iter().map(deleted).collect();
            DeleteAclsFilterResult { error_code, error_message, matching_acls }
        });
        Reply::Answer(DeleteAclsResponse {
            filter_results: filter_results.collect(),
            ..DeleteAclsResponse::default()
        })
    }
}

/// What each filter matches; an entry that several match is told of by each and removed once.
fn deletion(
    image: &Image,
    filters: Vec<Result<AclFilter, ApiError>>,
    literal_only: bool,
) -> (Vec<Record>, Vec<Result<Vec<Acl>, ApiError>>) {
    let mut doomed = HashSet::new();
    let mut results = Vec::with_capacity(filters.len());
    for filter in filters {
        results.push(filter.map(|filter| {
            let meant = |acl: &Acl| {
                filter.matches(acl) && (!literal_only || acl.resource.pattern == PatternType::Literal)
            };
            let matching = image.acls().iter().filter(|(_, acl)| meant(acl));
            matching
                .map(|(id, acl)| {
                    doomed.insert(*id);
                    acl.clone()
                })
                .collect()
        }));
    }
    (doomed.into_iter().map(|id| Record::RemoveAcl { id }).collect(), results)
}

fn deleted<'a>(acl: Acl) -> DeleteAclsMatchingAcl<'a> {
    DeleteAclsMatchingAcl {
        error_code: ErrorCode::None.code(),
        error_message: None,
        resource_type: acl.resource.kind.code(),
        resource_name: Cow::Owned(acl.resource.name),
        pattern_type: acl.resource.pattern.code(),
        principal: Cow::Owned(acl.principal),
        host: Cow::Owned(acl.host),
        operation: acl.operation.code(),
        permission_type: acl.permission.code(),
    }
}

fn told<'a>(result: Result<(), ApiError>) -> (i16, Option<Cow<'a, str>>) {
    match result {
        Ok(()) => (ErrorCode::None.code(), None),
        Err(error) => (error.code.code(), Some(Cow::Owned(error.message))),
    }
}

/// Whether entries are kept at all.
fn enabled(cx: &Cx) -> Result<(), ApiError> {
    match cx.config.acls_storage_enable {
        true => Ok(()),
        false => Err(ApiError::new(ErrorCode::SecurityDisabled, "No Authorizer is configured.")),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

/// The entry that is to be made, if it is one.
fn checked(asked: &AclCreation<'_>) -> Result<Acl, ApiError> {
    let wrong = |what: &str, code: i8| invalid(format!("Invalid {what} {code}"));
    let kind = ResourceType::from_code(asked.resource_type)
        .ok_or_else(|| wrong("resourceType", asked.resource_type))?;
    let pattern = PatternType::from_code(asked.resource_pattern_type)
        .ok_or_else(|| wrong("patternType", asked.resource_pattern_type))?;
    let operation =
        AclOperation::from_code(asked.operation).ok_or_else(|| wrong("operation", asked.operation))?;
    let permission = Permission::from_code(asked.permission_type)
        .ok_or_else(|| wrong("permissionType", asked.permission_type))?;
    if kind == ResourceType::Cluster && asked.resource_name != CLUSTER_NAME {
        return Err(invalid(format!("The only valid name for the CLUSTER resource is {CLUSTER_NAME}")));
    }
    if asked.resource_name.is_empty() {
        return Err(invalid("Invalid empty resource name"));
    }
    if !asked.principal.contains(':') {
        return Err(invalid(format!(
            "Could not parse principal from `{}` (no colon is present separating the principal type from the \
             principal name)",
            asked.principal
        )));
    }
    Ok(Acl {
        resource: ResourcePattern { kind, name: asked.resource_name.to_string(), pattern },
        principal: asked.principal.to_string(),
        host: asked.host.to_string(),
        operation,
        permission,
    })
}

/// The filter that the request writes in numbers.
fn filter(asked: &DeleteAclsFilter<'_>) -> Result<AclFilter, ApiError> {
    fn optional<T>(code: i8, known: Option<T>, what: &str) -> Result<Option<T>, ApiError> {
        match (code, known) {
            (ANY, _) => Ok(None),
            (_, Some(known)) => Ok(Some(known)),
            (code, None) => Err(invalid(format!("Unknown {what} {code} in the filter."))),
        }
    }
    let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
    let (kind, operation) = (asked.resource_type_filter, asked.operation);
    let pattern = asked.pattern_type_filter;
    Ok(AclFilter {
        kind: optional(kind, ResourceType::from_code(kind), "resource type")?,
        name: text(&asked.resource_name_filter),
        pattern: PatternFilter::from_code(pattern)
            .ok_or_else(|| invalid(format!("Unknown pattern type {pattern} in the filter.")))?,
        principal: text(&asked.principal_filter),
        host: text(&asked.host_filter),
        operation: optional(operation, AclOperation::from_code(operation), "operation")?,
        permission: optional(
            asked.permission_type,
            Permission::from_code(asked.permission_type),
            "permission type",
        )?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> AclCreation<'static> {
        AclCreation {
            resource_type: 2,
            resource_name: "orders".into(),
            resource_pattern_type: 3,
            principal: "User:ann".into(),
            host: "*".into(),
            operation: 3,
            permission_type: 3,
        }
    }

    #[test]
    fn entries_are_checked() {
        assert!(checked(&entry()).is_ok());
        for (wrong, expected) in [
            (AclCreation { resource_type: 1, ..entry() }, "Invalid resourceType 1"),
            (AclCreation { resource_pattern_type: 2, ..entry() }, "Invalid patternType 2"),
            (AclCreation { operation: 1, ..entry() }, "Invalid operation 1"),
            (AclCreation { permission_type: 0, ..entry() }, "Invalid permissionType 0"),
            (AclCreation { resource_name: "".into(), ..entry() }, "Invalid empty resource name"),
            (
                AclCreation { resource_type: 4, ..entry() },
                "The only valid name for the CLUSTER resource is kafka-cluster",
            ),
            (
                AclCreation { principal: "ann".into(), ..entry() },
                "Could not parse principal from `ann` (no colon is present separating the principal type from \
                 the principal name)",
            ),
        ] {
            assert_eq!(checked(&wrong), Err(invalid(expected)));
        }
    }

    #[test]
    fn an_entry_made_twice_is_recorded_once() {
        let acl = checked(&entry()).unwrap();
        let ids = [TopicId([1; 16]), TopicId([2; 16])];
        let (records, results) = creation(&Image::default(), vec![Ok(acl.clone()), Ok(acl.clone())], &ids);
        assert_eq!((records, results), (vec![Record::Acl { id: ids[0], acl }], vec![Ok(()), Ok(())]));
    }

    #[test]
    fn filters_of_unknown_numbers_are_refused() {
        let any = DeleteAclsFilter {
            resource_type_filter: 1,
            pattern_type_filter: 1,
            operation: 1,
            permission_type: 1,
            ..DeleteAclsFilter::default()
        };
        assert!(filter(&any).is_ok());
        for wrong in [
            DeleteAclsFilter { resource_type_filter: 0, ..any.clone() },
            DeleteAclsFilter { pattern_type_filter: 9, ..any.clone() },
            DeleteAclsFilter { operation: 99, ..any.clone() },
            DeleteAclsFilter { permission_type: -1, ..any.clone() },
        ] {
            assert_eq!(filter(&wrong).unwrap_err().code, ErrorCode::InvalidRequest);
        }
    }
}
