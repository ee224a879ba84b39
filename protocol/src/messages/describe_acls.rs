//! DescribeAcls (29): the access control entries that match a filter.
//!
//! Versions 0-3: 1 adds prefixed names (KIP-290); 2 is flexible; 3 knows users as resources (KIP-373).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DescribeAcls [0..=3, flexible 2..]: DescribeAclsRequest<'a> => DescribeAclsResponse<'a>;

    /// Asks for the access control entries that match.
    pub struct DescribeAclsRequest<'a> {
        /// What it is about: 1 anything, 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token,
        /// 7 user.
        resource_type_filter: i8;
        /// Its name; null for any.
        resource_name_filter: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// How its name is meant: 1 any way, 2 whatever matches the name, 3 as it is, 4 as a prefix.
        pattern_type_filter: i8 [1..] = 3;
        /// Who, as in `User:alice`; null for anybody.
        principal_filter: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// From where; null for anywhere.
        host_filter: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// What is done: 1 anything, else as in CreateAcls.
        operation: i8;
        /// 1 any, 2 denied, 3 allowed.
        permission_type: i8;
    }

    /// The entries found.
    pub struct DescribeAclsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// What the entries found are about.
        resources: Vec<DescribeAclsResource<'a>>;
    }

    /// What entries are about.
    pub struct DescribeAclsResource<'a> {
        /// What it is: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
        resource_type: i8;
        /// Its name.
        resource_name: Cow<'a, str>;
        /// How its name is meant: 3 as it is, 4 as a prefix.
        pattern_type: i8 [1..] = 3;
        /// The entries.
        acls: Vec<AclDescription<'a>>;
    }

    /// An access control entry.
    pub struct AclDescription<'a> {
        /// Who, as in `User:alice`; `User:*` for everybody.
        principal: Cow<'a, str>;
        /// From where; `*` for anywhere.
        host: Cow<'a, str>;
        /// What is done: 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster action,
        /// 10 describe configs, 11 alter configs, 12 idempotent write, 13 create tokens, 14 describe tokens,
        /// 15 two-phase commit.
        operation: i8;
        /// 2 denied, 3 allowed.
        permission_type: i8;
    }
}
