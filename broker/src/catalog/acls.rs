//! Access control entries: what they say, and which of them a filter means.
//!
//! They are kept and shown; nothing is refused because of them, since there is no authorizer yet.
//!
//! # Source
//! `ResourcePatternFilter`, `AccessControlEntryFilter` and `AclControlManager` in Apache Kafka.

use super::codes::codes;

/// The name that stands for every resource of a type.
const WILDCARD: &str = "*";
/// The one resource of type [`ResourceType::Cluster`].
pub(crate) const CLUSTER_NAME: &str = "kafka-cluster";

codes! {
    /// What an entry is about.
    pub(crate) enum ResourceType {
        Topic = 2,
        Group = 3,
        Cluster = 4,
        TransactionalId = 5,
        DelegationToken = 6,
        User = 7,
    }
}

codes! {
    /// How an entry's name is compared.
    pub(crate) enum PatternType {
        Literal = 3,
        Prefixed = 4,
    }
}

codes! {
    /// What an entry allows or denies.
    pub(crate) enum AclOperation {
        All = 2,
        Read = 3,
        Write = 4,
        Create = 5,
        Delete = 6,
        Alter = 7,
        Describe = 8,
        ClusterAction = 9,
        DescribeConfigs = 10,
        AlterConfigs = 11,
        IdempotentWrite = 12,
        CreateTokens = 13,
        DescribeTokens = 14,
        TwoPhaseCommit = 15,
    }
}

codes! {
    /// Whether an entry allows or denies.
    pub(crate) enum Permission {
        Deny = 2,
        Allow = 3,
    }
}

/// The resources an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ResourcePattern {
    pub(crate) kind: ResourceType,
    pub(crate) name: String,
    pub(crate) pattern: PatternType,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Acl {
    pub(crate) resource: ResourcePattern,
    /// `User:alice`; `User:*` is everyone.
    pub(crate) principal: String,
    /// The client's address; `*` is every one.
    pub(crate) host: String,
    pub(crate) operation: AclOperation,
    pub(crate) permission: Permission,
}

/// How a filter compares names with those of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatternFilter {
    /// Entries of either type with exactly this name.
    Any,
    /// Entries that apply to a resource of this name.
    Match,
    /// Entries of this type with exactly this name.
    Is(PatternType),
}

impl PatternFilter {
    /// The filter with this number on the wire.
    pub(crate) fn from_code(code: i8) -> Option<Self> {
        match code {
            1 => Some(Self::Any),
            2 => Some(Self::Match),
            _ => PatternType::from_code(code).map(Self::Is),
        }
    }
}

/// Which entries are meant; `None` is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AclFilter {
    pub(crate) kind: Option<ResourceType>,
    pub(crate) name: Option<String>,
    pub(crate) pattern: PatternFilter,
    pub(crate) principal: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) operation: Option<AclOperation>,
    pub(crate) permission: Option<Permission>,
}

impl AclFilter {
    /// Whether this entry is meant.
    pub(crate) fn matches(&self, acl: &Acl) -> bool {
        let is = |wanted: &Option<String>, has: &str| wanted.as_deref().is_none_or(|wanted| wanted == has);
        self.matches_resource(&acl.resource)
            && is(&self.principal, &acl.principal)
            && is(&self.host, &acl.host)
            && self.operation.is_none_or(|wanted| wanted == acl.operation)
            && self.permission.is_none_or(|wanted| wanted == acl.permission)
    }

    fn matches_resource(&self, resource: &ResourcePattern) -> bool {
        if self.kind.is_some_and(|wanted| wanted != resource.kind) {
            return false;
        }
        if matches!(self.pattern, PatternFilter::Is(wanted) if wanted != resource.pattern) {
            return false;
        }
        let Some(name) = &self.name else { return true };
        match (self.pattern, resource.pattern) {
            (PatternFilter::Match, PatternType::Literal) => {
                *name == resource.name || resource.name == WILDCARD
            }
            (PatternFilter::Match, PatternType::Prefixed) => name.starts_with(&resource.name),
            _ => *name == resource.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(name: &str, pattern: PatternType) -> Acl {
        Acl {
            resource: ResourcePattern { kind: ResourceType::Topic, name: name.into(), pattern },
            principal: "User:ann".into(),
            host: "*".into(),
            operation: AclOperation::Read,
            permission: Permission::Allow,
        }
    }

    fn any() -> AclFilter {
        AclFilter {
            kind: None,
            name: None,
            pattern: PatternFilter::Any,
            principal: None,
            host: None,
            operation: None,
            permission: None,
        }
    }

    #[test]
    fn names_match_as_the_filters_type_says() {
        use PatternType::{Literal, Prefixed};
        let entries =
            [acl("orders", Literal), acl("*", Literal), acl("ord", Prefixed), acl("orders", Prefixed)];
        for (pattern, name, expected) in [
            (PatternFilter::Any, "orders", [true, false, false, true]),
            (PatternFilter::Match, "orders", [true, true, true, true]),
            (PatternFilter::Match, "order", [false, true, true, false]),
            (PatternFilter::Is(Literal), "orders", [true, false, false, false]),
            (PatternFilter::Is(Literal), "*", [false, true, false, false]),
            (PatternFilter::Is(Prefixed), "ord", [false, false, true, false]),
        ] {
            let filter = AclFilter { name: Some(name.into()), pattern, ..any() };
            let matched = entries.each_ref().map(|entry| filter.matches(entry));
            assert_eq!(matched, expected, "{pattern:?} {name}");
        }
        let prefixed = AclFilter { pattern: PatternFilter::Is(Prefixed), ..any() };
        assert_eq!(entries.each_ref().map(|entry| prefixed.matches(entry)), [false, false, true, true]);
    }

    #[test]
    fn every_field_that_is_named_has_to_match() {
        let entry = acl("orders", PatternType::Literal);
        assert!(any().matches(&entry));
        for filter in [
            AclFilter { kind: Some(ResourceType::Group), ..any() },
            AclFilter { principal: Some("User:bob".into()), ..any() },
            AclFilter { host: Some("127.0.0.1".into()), ..any() },
            AclFilter { operation: Some(AclOperation::Write), ..any() },
            // ALL as a filter means the entries that say ALL, not every operation.
            AclFilter { operation: Some(AclOperation::All), ..any() },
            AclFilter { permission: Some(Permission::Deny), ..any() },
        ] {
            assert!(!filter.matches(&entry), "{filter:?}");
        }
    }
}
