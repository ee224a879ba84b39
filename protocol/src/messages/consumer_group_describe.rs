//! ConsumerGroupDescribe (69): state and members of consumer groups of KIP-848.
//!
//! Versions 0-1, flexible: 1 tells which protocol each member speaks (KIP-1099).

use std::borrow::Cow;

use crate::codec::table::api;
use crate::types::TopicId;

api! {
    ConsumerGroupDescribe [0..=1, flexible 0..]: ConsumerGroupDescribeRequest<'a> => ConsumerGroupDescribeResponse<'a>;

    /// Groups to describe.
    pub struct ConsumerGroupDescribeRequest<'a> {
        /// The groups.
        group_ids: Vec<Cow<'a, str>>;
        /// Whether to tell what the client may do.
        include_authorized_operations: bool;
    }

    /// The groups.
    pub struct ConsumerGroupDescribeResponse<'a> {
        /// How long the client is held back for its quota; 0 for not at all.
        throttle_time_ms: i32;
        /// An answer for each group.
        groups: Vec<ConsumerGroupDescribeGroup<'a>>;
    }

    /// A group, its state and members.
    pub struct ConsumerGroupDescribeGroup<'a> {
        /// 0, or why it failed.
        error_code: i16;
        /// More about the error, or null.
        error_message: Option<Cow<'a, str>>;
        /// The group.
        group_id: Cow<'a, str>;
        /// The group's state, as in `Stable`.
        group_state: Cow<'a, str>;
        /// The group's epoch, which every change of members, subscriptions and topics raises.
        group_epoch: i32;
        /// The group's epoch that the target assignment was made for.
        assignment_epoch: i32;
        /// The assignor in use.
        assignor_name: Cow<'a, str>;
        /// The members.
        members: Vec<ConsumerGroupDescribeMember<'a>>;
        /// Operations the client may do on it, a bit each; the least number if it did not ask.
        authorized_operations: i32 = i32::MIN;
    }

    /// A member of a group.
    pub struct ConsumerGroupDescribeMember<'a> {
        /// The member's id.
        member_id: Cow<'a, str>;
        /// The member's name for itself if its membership is static, else null.
        instance_id: Option<Cow<'a, str>>;
        /// The member's rack, or null.
        rack_id: Option<Cow<'a, str>>;
        /// The member's epoch.
        member_epoch: i32;
        /// The client's name for itself.
        client_id: Cow<'a, str>;
        /// The client's address.
        client_host: Cow<'a, str>;
        /// Topics subscribed to by name.
        subscribed_topic_names: Vec<Cow<'a, str>>;
        /// The regular expression subscribed to, or null.
        subscribed_topic_regex: Option<Cow<'a, str>>;
        /// What the member has.
        assignment: ConsumerGroupDescribeAssignment<'a>;
        /// What the member is to have.
        target_assignment: ConsumerGroupDescribeAssignment<'a>;
        /// 0 for the classic protocol, 1 for KIP-848's, -1 for not known.
        member_type: i8 [1.., ignorable] = -1;
    }

    /// Partitions of a member.
    pub struct ConsumerGroupDescribeAssignment<'a> {
        /// The partitions.
        topic_partitions: Vec<ConsumerGroupDescribeTopicPartitions<'a>>;
    }

    /// Partitions of one topic.
    pub struct ConsumerGroupDescribeTopicPartitions<'a> {
        /// The topic's id.
        topic_id: TopicId;
        /// The topic's name.
        topic_name: Cow<'a, str>;
        /// The partitions.
        partitions: Vec<i32>;
    }
}
