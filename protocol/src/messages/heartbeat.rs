//! Heartbeat (12): keeps a member in its classic group, and tells it of a rebalance.
//!
//! Versions 0-4: 1 adds the throttle time; 3 static membership (KIP-345); 4 is flexible.

use std::borrow::Cow;

use crate::codec::table::api;

api! {
    Heartbeat [0..=4, flexible 4..]: HeartbeatRequest<'a> => HeartbeatResponse;

    /// Says that a member is alive.
    pub struct HeartbeatRequest<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The group's generation, which each rebalance raises.
        generation_id: i32;
        /// The member's id, given by the coordinator.
        member_id: Cow<'a, str>;
        /// The member's name for itself if its membership is static (KIP-345), else null.
        group_instance_id: Option<Cow<'a, str>> [3..];
    }

    /// REBALANCE_IN_PROGRESS if the member must rejoin.
    pub struct HeartbeatResponse {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32 [1.., ignorable];
        /// 0, or why it failed.
        error_code: i16;
    }
}
