//! DescribeGroups (15): state and members of classic groups.
//!
//! Versions 0-6: 1 adds the throttle time; 3 authorized operations; 4 static membership (KIP-345); 5 is
//! flexible; 6 answers GROUP_ID_NOT_FOUND for a group that is not there, which earlier versions call
//! `Dead` (KIP-1043).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    DescribeGroups [0..=6, flexible 5..]: DescribeGroupsRequest<'a> => DescribeGroupsResponse<'a>;

    /// Groups to describe.
    pub struct DescribeGroupsRequest<'a> {
        /// The groups.
        groups: Vec<Cow<'a, str>>;
        /// Whether to tell what the client may do.
        include_authorized_operations: bool [3..];
    }

    /// The groups.
    pub struct DescribeGroupsResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [1.., ignorable];
        /// An answer for each group.
        groups: Vec<DescribedGroup<'a>>;
    }

    /// A group, its state and members.
    pub struct DescribedGroup<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>> [6..];
        /// The group.
        group_id: Cow<'a, str>;
        /// The group's state, as in `Stable`; empty if there is no such group.
        group_state: Cow<'a, str>;
        /// What kind of group it is: `consumer` for consumers.
        protocol_type: Cow<'a, str>;
        /// The protocol chosen, while the group is stable.
        protocol_data: Cow<'a, str>;
        /// The members.
        members: Vec<DescribedGroupMember<'a>>;
        /// Operations the client may do on it, a bit each; the least number if it did not ask.
        authorized_operations: i32 [3..] = i32::MIN;
    }

    /// A member of a group.
    pub struct DescribedGroupMember<'a> {
        /// The member's id, given by the coordinator.
        member_id: Cow<'a, str>;
        /// The member's name for itself if its membership is static (KIP-345), else null.
        group_instance_id: Option<Cow<'a, str>> [4.., ignorable];
        /// The member's name for itself.
        client_id: Cow<'a, str>;
        /// The member's address.
        client_host: Cow<'a, str>;
        /// What the member said of itself, in the protocol chosen.
        member_metadata: Cow<'a, [u8]>;
        /// The member's share, in the group's protocol.
        member_assignment: Cow<'a, [u8]>;
    }
}
