//! ConsumerGroupHeartbeat (68): joins, keeps and leaves a consumer group of KIP-848, and moves its partitions.
//!
//! Versions 0-1, flexible: 1 adds subscription by regular expression, and from it on the member makes its
//! own id (KIP-1082).

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    ConsumerGroupHeartbeat [0..=1, flexible 0..]: ConsumerGroupHeartbeatRequest<'a> => ConsumerGroupHeartbeatResponse<'a>;

    /// Says what a member wants and owns. Null and -1 stand for what has not changed.
    pub struct ConsumerGroupHeartbeatRequest<'a> {
        /// The group.
        group_id: Cow<'a, str>;
        /// The member's id; in version 0 empty at first.
        member_id: Cow<'a, str>;
        /// The member's epoch; 0 joins, -1 leaves, -2 leaves for a while as a static member.
        member_epoch: i32;
        /// The member's name for itself if its membership is static, else null.
        instance_id: Option<Cow<'a, str>>;
        /// The member's rack.
        rack_id: Option<Cow<'a, str>>;
        /// How long the member may take to give partitions back; -1 for as before.
        rebalance_timeout_ms: i32 = -1;
        /// Topics subscribed to by name.
        subscribed_topic_names: Option<Vec<Cow<'a, str>>>;
        /// Topics subscribed to by a regular expression in RE2's syntax.
        subscribed_topic_regex: Option<Cow<'a, str>> [1..];
        /// The broker's assignor that the member wants.
        server_assignor: Option<Cow<'a, str>>;
        /// Partitions that the member owns.
        topic_partitions: Option<Vec<ConsumerGroupHeartbeatTopicPartitions>>;
    }

    /// Partitions of one topic.
    pub struct ConsumerGroupHeartbeatTopicPartitions {
        /// The topic's id.
        topic_id: TopicId;
        /// The partitions.
        partitions: Vec<i32>;
    }

    /// Where the member stands.
    pub struct ConsumerGroupHeartbeatResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// The member's id.
        member_id: Option<Cow<'a, str>>;
        /// The member's epoch.
        member_epoch: i32;
        /// When to say the next heartbeat.
        heartbeat_interval_ms: i32;
        /// What the member may use; null for no change.
        assignment: Option<ConsumerGroupHeartbeatAssignment>;
    }

    /// What a member may use at once.
    pub struct ConsumerGroupHeartbeatAssignment {
        /// The partitions.
        topic_partitions: Vec<ConsumerGroupHeartbeatTopicPartitions>;
    }
}
