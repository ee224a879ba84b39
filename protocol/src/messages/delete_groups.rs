//! DeleteGroups (42): deletes groups without members, and their offsets.
//!
//! Versions 0-3: 2 is flexible; 3 tells error messages, and may answer GROUP_DELETION_FAILED.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DeleteGroups [0..=3, flexible 2..]: DeleteGroupsRequest<'a> => DeleteGroupsResponse<'a>;

    /// Groups to delete.
    pub struct DeleteGroupsRequest<'a> {
        /// The groups.
        groups_names: Vec<Cow<'a, str>>;
    }

    /// What became of each group.
    pub struct DeleteGroupsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// An answer for each.
        results: Vec<DeletableGroupResult<'a>>;
    }

    /// What became of a group.
    pub struct DeletableGroupResult<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> [3.., ignorable];
    }
}
