//! JoinGroup (11): enters a classic group, or takes part in its next rebalance.
//!
//! Versions 0-9: 1 adds a rebalance timeout of its own; 2 the throttle time; from 4 on a first join is
//! answered MEMBER_ID_REQUIRED with the id to join with (KIP-394); 5 adds static membership (KIP-345); 6
//! is flexible; 7 tells the protocol type and lets the protocol's name be null (KIP-559); 8 gives a
//! reason (KIP-800); 9 lets the leader keep the assignment (KIP-814).

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    JoinGroup [0..=9, flexible 6..]: JoinGroupRequest<'a> => JoinGroupResponse<'a>;

    /// Asks to be a member.
    pub struct JoinGroupRequest<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// How long the member may be silent.
        session_timeout_ms: i32;
        /// How long the member may take to rejoin; -1 for the session timeout.
        rebalance_timeout_ms: i32 [1.., ignorable] = -1;
        /// The member's id, or empty at first.
        member_id: Cow<'a, str>;
        /// The member's name for itself if its membership is static (KIP-345), else null.
        group_instance_id: Option<Cow<'a, str>> [5..];
        /// What kind of group it is: `consumer` for consumers.
        protocol_type: Cow<'a, str>;
        /// Protocols the member can follow, the best first.
        protocols: Vec<JoinGroupRequestProtocol<'a>>;
        /// Why, for the broker's log (KIP-800).
        reason: Option<Cow<'a, str>> [8.., ignorable];
    }

    /// A protocol that the member can follow.
    pub struct JoinGroupRequestProtocol<'a> {
        /// The protocol's name, for consumers that of the assignor.
        name: Cow<'a, str>;
        /// What the member says of itself, in this protocol.
        metadata: Cow<'a, [u8]>;
    }

    /// The generation that the member is part of.
    pub struct JoinGroupResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [2.., ignorable];
        /// 0, or why it failed.
        error_code: i16;
        /// The group's generation, which each rebalance raises.
        generation_id: i32 = -1;
        /// What kind of group it is: `consumer` for consumers.
        protocol_type: Option<Cow<'a, str>> [7.., ignorable];
        /// The protocol chosen.
        protocol_name: Option<Cow<'a, str>> [0.., null 7..] = Some(Cow::Borrowed(""));
        /// The member that assigns.
        leader: Cow<'a, str>;
        /// Whether the leader keeps the assignment there is (KIP-814).
        skip_assignment: bool [9..];
        /// The member's id, given by the coordinator.
        member_id: Cow<'a, str>;
        /// Every member, for the leader; empty for the others.
        members: Vec<JoinGroupResponseMember<'a>>;
    }

    /// A member, as the leader sees it.
    pub struct JoinGroupResponseMember<'a> {
        /// The member's id, given by the coordinator.
        member_id: Cow<'a, str>;
        /// The member's name for itself if its membership is static (KIP-345), else null.
        group_instance_id: Option<Cow<'a, str>> [5.., ignorable];
        /// What the member said of itself, in the protocol chosen.
        metadata: Cow<'a, [u8]>;
    }
}
