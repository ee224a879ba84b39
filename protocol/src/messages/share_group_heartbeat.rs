//! ShareGroupHeartbeat (76): joins a share group, keeps a member in it, and takes it out (KIP-932).
//!
//! Versions 0-1, both flexible: 0 was the preview in Kafka 4.0, with the same fields.

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    ShareGroupHeartbeat [0..=1, flexible 0..]: ShareGroupHeartbeatRequest<'a> =>
        ShareGroupHeartbeatResponse<'a>;

    /// A sign of life.
    pub struct ShareGroupHeartbeatRequest<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The member, by the id that it chose for itself.
        member_id: Cow<'a, str>;
        /// The member's epoch; 0 to join, -1 to leave.
        member_epoch: i32;
        /// The member's rack; null if none or unchanged.
        rack_id: Option<Cow<'a, str>>;
        /// The topics subscribed to; null if unchanged.
        subscribed_topic_names: Option<Vec<Cow<'a, str>>>;
    }

    /// What the member has.
    pub struct ShareGroupHeartbeatResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// The member, or null.
        member_id: Option<Cow<'a, str>>;
        /// The member's epoch.
        member_epoch: i32;
        /// How often to send heartbeats, in milliseconds.
        heartbeat_interval_ms: i32;
        /// What the member has; null if unchanged.
        assignment: Option<Assignment>;
    }

    /// What a member has.
    pub struct Assignment {
        /// The topics.
        topic_partitions: Vec<TopicPartitions>;
    }

    /// Partitions of one topic.
    pub struct TopicPartitions {
        /// The topic's id.
        topic_id: TopicId;
        /// The partitions.
        partitions: Vec<i32>;
    }
}
