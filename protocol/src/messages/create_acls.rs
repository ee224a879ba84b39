//! CreateAcls (30): adds access control entries.
//!
//! Versions 0-3: 1 adds prefixed names (KIP-290); 2 is flexible; 3 knows users as resources (KIP-373).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    CreateAcls [0..=3, flexible 2..]: CreateAclsRequest<'a> => CreateAclsResponse<'a>;

    /// Access control entries to add.
    pub struct CreateAclsRequest<'a> {
        /// The entries.
        creations: Vec<AclCreation<'a>>;
    }

    /// An access control entry.
    pub struct AclCreation<'a> {
        /// What it is: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
        resource_type: i8;
        /// Its name.
        resource_name: Cow<'a, str>;
        /// How its name is meant: 3 as it is, 4 as a prefix.
        resource_pattern_type: i8 [1..] = 3;
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

    /// What became of each.
    pub struct CreateAclsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// What became of each, in their order.
        results: Vec<AclCreationResult<'a>>;
    }

    /// What became of one.
    pub struct AclCreationResult<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
    }
}
