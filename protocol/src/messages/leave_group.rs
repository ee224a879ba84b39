//! LeaveGroup (13): takes members out of a classic group.
//!
//! Versions 0-5: 1 adds the throttle time; 3 takes out several at once, static ones too (KIP-345); 4 is
//! flexible; 5 gives a reason (KIP-800).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    LeaveGroup [0..=5, flexible 4..]: LeaveGroupRequest<'a> => LeaveGroupResponse<'a>;

    /// Asks to leave.
    pub struct LeaveGroupRequest<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The member's id, given by the coordinator.
        member_id: Cow<'a, str> [0..=2];
        /// The members that leave.
        members: Vec<MemberIdentity<'a>> [3..];
    }

    /// A member that leaves.
    pub struct MemberIdentity<'a> {
        /// The member's id, given by the coordinator.
        member_id: Cow<'a, str>;
        /// The member's name for itself if its membership is static (KIP-345), else null.
        group_instance_id: Option<Cow<'a, str>>;
        /// Why, for the broker's log (KIP-800).
        reason: Option<Cow<'a, str>> [5.., ignorable];
    }

    /// What became of each.
    pub struct LeaveGroupResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [1.., ignorable];
        /// 0, or why it failed.
        error_code: i16;
        /// An answer for each member.
        members: Vec<MemberResponse<'a>> [3..];
    }

    /// What became of a member that wanted to leave.
    pub struct MemberResponse<'a> {
        /// The member's id, given by the coordinator.
        member_id: Cow<'a, str>;
        /// The member's name for itself if its membership is static (KIP-345), else null.
        group_instance_id: Option<Cow<'a, str>> = Some(Cow::Borrowed(""));
        /// 0, or why it failed.
        error_code: i16;
    }
}
