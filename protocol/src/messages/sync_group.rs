//! SyncGroup (14): the leader of a classic group hands out the shares, every member collects its own.
//!
//! Versions 0-5: 1 adds the throttle time; 3 static membership (KIP-345); 4 is flexible; 5 names the
//! protocol, which must be the group's (KIP-559).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    SyncGroup [0..=5, flexible 4..]: SyncGroupRequest<'a> => SyncGroupResponse<'a>;

    /// Brings, from the leader, everyone's share; asks for one's own.
    pub struct SyncGroupRequest<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The group's generation, which each rebalance raises.
        generation_id: i32;
        /// The member's id, given by the coordinator.
        member_id: Cow<'a, str>;
        /// The member's name for itself if its membership is static (KIP-345), else null.
        group_instance_id: Option<Cow<'a, str>> [3..];
        /// What kind of group it is: `consumer` for consumers.
        protocol_type: Option<Cow<'a, str>> [5.., ignorable];
        /// The protocol chosen.
        protocol_name: Option<Cow<'a, str>> [5.., ignorable];
        /// Everyone's share, from the leader; empty from the others.
        assignments: Vec<SyncGroupRequestAssignment<'a>>;
    }

    /// A member's share.
    pub struct SyncGroupRequestAssignment<'a> {
        /// The member's id, given by the coordinator.
        member_id: Cow<'a, str>;
        /// The member's share, in the group's protocol.
        assignment: Cow<'a, [u8]>;
    }

    /// The member's share.
    pub struct SyncGroupResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [1.., ignorable];
        /// 0, or why it failed.
        error_code: i16;
        /// What kind of group it is: `consumer` for consumers.
        protocol_type: Option<Cow<'a, str>> [5.., ignorable];
        /// The protocol chosen.
        protocol_name: Option<Cow<'a, str>> [5.., ignorable];
        /// The member's share, in the group's protocol; empty until there is one.
        assignment: Cow<'a, [u8]>;
    }
}
