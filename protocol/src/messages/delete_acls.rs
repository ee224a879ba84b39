//! DeleteAcls (31): removes the access control entries that match filters.
//!
//! Versions 0-3: 1 adds prefixed names (KIP-290); 2 is flexible; 3 knows users as resources (KIP-373).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DeleteAcls [0..=3, flexible 2..]: DeleteAclsRequest<'a> => DeleteAclsResponse<'a>;

    /// Access control entries to remove.
    pub struct DeleteAclsRequest<'a> {
        /// What to remove.
        filters: Vec<DeleteAclsFilter<'a>>;
    }

    /// Entries that are alike in something.
    pub struct DeleteAclsFilter<'a> {
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

    /// What became of each filter.
    pub struct DeleteAclsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// What became of each filter, in their order.
        filter_results: Vec<DeleteAclsFilterResult<'a>>;
    }

    /// What became of one filter.
    pub struct DeleteAclsFilterResult<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// The entries that it found.
        matching_acls: Vec<DeleteAclsMatchingAcl<'a>>;
    }

    /// An access control entry, and what became of it.
    pub struct DeleteAclsMatchingAcl<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// What it is: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
        resource_type: i8;
        /// Its name.
        resource_name: Cow<'a, str>;
        /// How its name is meant: 3 as it is, 4 as a prefix.
        pattern_type: i8 [1..] = 3;
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
