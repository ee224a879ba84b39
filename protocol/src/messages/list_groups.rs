//! ListGroups (16): every group that the broker coordinates.
//!
//! Versions 0-5: 1 adds the throttle time; 3 is flexible; 4 selects by state and tells it (KIP-518); 5
//! selects by type and tells it (KIP-848).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    ListGroups [0..=5, flexible 3..]: ListGroupsRequest<'a> => ListGroupsResponse<'a>;

    /// Asks for the groups.
    pub struct ListGroupsRequest<'a> {
        /// States wanted; empty for all.
        states_filter: Vec<Cow<'a, str>> [4..];
        /// Types wanted; empty for all (KIP-848).
        types_filter: Vec<Cow<'a, str>> [5..];
    }

    /// The groups.
    pub struct ListGroupsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [1.., ignorable];
        /// 0, or why it failed.
        error_code: i16;
        /// The groups.
        groups: Vec<ListedGroup<'a>>;
    }

    /// A group.
    pub struct ListedGroup<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// What kind of group it is: `consumer` for consumers.
        protocol_type: Cow<'a, str>;
        /// The group's state, as in `Stable`.
        group_state: Cow<'a, str> [4.., ignorable];
        /// The group's type: `classic`, `consumer`, `share`, `streams`.
        group_type: Cow<'a, str> [5.., ignorable];
    }
}
