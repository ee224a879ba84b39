//! What members of consumer groups (KIP-848) ask, and what is shown of such groups.

use protocol::ErrorCode;
use protocol::types::TopicId;

use crate::coordinator::group::records::Partitions;
use crate::coordinator::group::state::GroupState;

/// The epoch of a member that joins.
pub const JOINING: i32 = 0;
/// The epoch by which a member leaves.
pub const LEAVING: i32 = -1;
/// The epoch by which a static member leaves for a while.
pub const LEAVING_STATIC: i32 = -2;

/// ConsumerGroupHeartbeat (68): joins, stays, gives partitions back, leaves. `None` is what has not changed.
#[derive(Clone, Debug, Default)]
pub struct ConsumerHeartbeatRequest {
    /// Version of the wire request: from 1 on the member makes its own id.
    pub api_version: i16,
    /// The group.
    pub group_id: String,
    /// The member's id; empty in version 0 for a member that has none yet.
    pub member_id: String,
    /// The member's epoch, or [`JOINING`], [`LEAVING`], [`LEAVING_STATIC`].
    pub member_epoch: i32,
    /// The static member's name.
    pub instance_id: Option<String>,
    /// The member's rack.
    pub rack_id: Option<String>,
    /// How long the member may take to give partitions back, in milliseconds.
    pub rebalance_timeout_ms: Option<i32>,
    /// The topics subscribed to by name.
    pub topics: Option<Vec<String>>,
    /// The regular expression subscribed to; "" for none.
    pub regex: Option<String>,
    /// The assignor that the member wants.
    pub assignor: Option<String>,
    /// What the member owns.
    pub owned: Option<Partitions>,
    /// The client's own name.
    pub client_id: String,
    /// The client's address.
    pub client_host: String,
}

/// The answer to [`ConsumerHeartbeatRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerHeartbeatResponse {
    /// The member's id, perhaps a new one.
    pub member_id: String,
    /// The member's epoch from now on.
    pub member_epoch: i32,
    /// When the next heartbeat is due, in milliseconds.
    pub heartbeat_interval_ms: i32,
    /// What the member may read, if that has changed or was asked for.
    pub assignment: Option<Partitions>,
}

/// A request that was refused, and why in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub error: ErrorCode,
    /// The words; empty for the code's own.
    pub message: String,
}

impl Refusal {
    /// A refusal that says why.
    #[must_use]
    pub fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(error: ErrorCode) -> Self {
        Self::new(error, "")
    }
}

/// One group of ConsumerGroupDescribe (69).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerGroup {
    /// The group's state.
    pub state: GroupState,
    /// The group's epoch.
    pub epoch: i32,
    /// The epoch that the target assignment was made for.
    pub assignment_epoch: i32,
    /// The assignor in use.
    pub assignor: String,
    /// The members, by id.
    pub members: Vec<DescribedConsumer>,
}

/// One member of a [`DescribedConsumerGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumer {
    /// The member's id.
    pub member_id: String,
    /// The static member's name.
    pub instance_id: Option<String>,
    /// The member's rack.
    pub rack_id: Option<String>,
    /// The member's epoch.
    pub epoch: i32,
    /// The client's own name.
    pub client_id: String,
    /// The client's address.
    pub client_host: String,
    /// The topics subscribed to by name.
    pub topics: Vec<String>,
    /// The regular expression subscribed to.
    pub regex: Option<String>,
    /// What the member has. Topics that are gone are left out.
    pub assignment: Vec<NamedPartitions>,
    /// What the member is to have.
    pub target: Vec<NamedPartitions>,
    /// Whether the member speaks the classic protocol.
    pub is_classic: bool,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPartitions {
    /// The topic's id.
    pub id: TopicId,
    /// The topic's name.
    pub name: String,
    /// The partitions.
    pub partitions: Vec<i32>,
}
