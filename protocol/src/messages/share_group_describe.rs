//! ShareGroupDescribe (77): share groups with their members (KIP-932).
//!
//! Versions 0-1, both flexible: 0 was the preview in Kafka 4.0, with the same fields.

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    ShareGroupDescribe [0..=1, flexible 0..]: ShareGroupDescribeRequest<'a> => ShareGroupDescribeResponse<'a>;

    /// Asks for share groups.
    pub struct ShareGroupDescribeRequest<'a> {
        /// The groups.
        group_ids: Vec<Cow<'a, str>>;
        /// Whether to tell what the client may do with each group.
        include_authorized_operations: bool;
    }

    /// The groups.
    pub struct ShareGroupDescribeResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// The groups.
        groups: Vec<DescribedGroup<'a>>;
    }

    /// A share group.
    pub struct DescribedGroup<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// Its id.
        group_id: Cow<'a, str>;
        /// Its state; empty on errors.
        group_state: Cow<'a, str>;
        /// Its epoch.
        group_epoch: i32;
        /// Epoch of its assignment.
        assignment_epoch: i32;
        /// The assignor.
        assignor_name: Cow<'a, str>;
        /// The members.
        members: Vec<Member<'a>>;
        /// Bits of the operations the client may do; [`i32::MIN`] if not asked for.
        authorized_operations: i32 = i32::MIN;
    }

    /// A member.
    pub struct Member<'a> {
        /// Its id.
        member_id: Cow<'a, str>;
        /// Its rack, or null.
        rack_id: Option<Cow<'a, str>>;
        /// Its epoch.
        member_epoch: i32;
        /// The client's name for itself.
        client_id: Cow<'a, str>;
        /// Where the client is.
        client_host: Cow<'a, str>;
        /// The topics subscribed to.
        subscribed_topic_names: Vec<Cow<'a, str>>;
        /// What it has.
        assignment: Assignment<'a>;
    }

    /// What a member has.
    pub struct Assignment<'a> {
        /// The topics.
        topic_partitions: Vec<TopicPartitions<'a>>;
    }

    /// Partitions of one topic.
    pub struct TopicPartitions<'a> {
        /// The topic's id.
        topic_id: TopicId;
        /// The topic's name.
        topic_name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<i32>;
    }
}
