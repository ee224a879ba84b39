//! What the group coordinator is asked and what it answers, in plain types of no wire version.
//!
//! A handler maps its wire message onto one of these and back. Only where Kafka behaves differently by
//! version does a request carry `api_version`; everything else that a version lacks has the value that
//! the field's documentation names.

mod consumer;

use bytes::Bytes;
pub use consumer::*;
use protocol::ErrorCode;
use protocol::types::{Epoch, Offset, PartitionIndex, TimestampMs};

use super::state::{GroupState, GroupType};

/// First SyncGroup version that must name the protocol's type and the protocol (KIP-559).
const PROTOCOL_NAMED_FROM: i16 = 5;

/// "Not a member": the generation of a commit that comes from outside the group, and of failed joins.
pub const NO_GENERATION: i32 = -1;

/// JoinGroup (11): a member enters the group, or enters the rebalance under way.
#[derive(Clone, Debug, Default)]
pub struct JoinRequest {
    /// Version of the wire request: 4 asks for MEMBER_ID_REQUIRED, 9 understands `skip_assignment`.
    pub api_version: i16,
    /// The group.
    pub group_id: String,
    /// Empty for a member that has no id yet.
    pub member_id: String,
    /// The name of a static member (KIP-345), from version 5.
    pub group_instance_id: Option<String>,
    /// The client's own name; empty if it sent none.
    pub client_id: String,
    /// The client's address as DescribeGroups prints it: `/127.0.0.1`.
    pub client_host: String,
    /// How long the member may stay silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// How long the member may take to rejoin, in milliseconds. Version 0 lacks it: the session's.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect`, …
    pub protocol_type: String,
    /// The assignors the member knows, most wanted first.
    pub protocols: Vec<JoinProtocol>,
    /// Why the member joins (KIP-800), from version 8; for the log alone.
    pub reason: Option<String>,
}

/// One assignor that a member offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinProtocol {
    /// `range`, `cooperative-sticky`, …
    pub name: String,
    /// What the assignor must know about the member; opaque here.
    pub metadata: Bytes,
}

/// The answer to [`JoinRequest`].
///
/// Before version 7 the wire has no null: write `None` as "".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinResponse {
    /// Why the member did not join, if it did not.
    pub error: ErrorCode,
    /// The generation joined, or [`NO_GENERATION`].
    pub generation: i32,
    /// The group's protocol type, from version 7.
    pub protocol_type: Option<String>,
    /// The assignor chosen by vote.
    pub protocol_name: Option<String>,
    /// The member that assigns; "" if the join failed.
    pub leader: String,
    /// The leader must not assign: the assignment stands (KIP-814, from version 9).
    pub skip_assignment: bool,
    /// The member's id, perhaps a new one.
    pub member_id: String,
    /// Everyone's metadata for the leader, nothing for the others.
    pub members: Vec<JoinedMember>,
}

/// One member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// The member's id.
    pub member_id: String,
    /// The static member's name, from version 5.
    pub group_instance_id: Option<String>,
    /// What the member gave for the chosen assignor.
    pub metadata: Bytes,
}

impl JoinResponse {
    /// A refusal.
    #[must_use]
    pub fn refused(member_id: impl Into<String>, error: ErrorCode) -> Self {
        Self { error, generation: NO_GENERATION, member_id: member_id.into(), ..Self::default() }
    }
}

/// SyncGroup (14): the leader hands in everyone's assignment, each member fetches its own.
#[derive(Clone, Debug, Default)]
pub struct SyncRequest {
    /// Version of the wire request: from 5 on both protocol type and name must be given.
    pub api_version: i16,
    /// The group.
    pub group_id: String,
    /// The generation that the join answered.
    pub generation: i32,
    /// The member's id.
    pub member_id: String,
    /// The static member's name, from version 3.
    pub group_instance_id: Option<String>,
    /// The protocol type the member believes in, from version 5.
    pub protocol_type: Option<String>,
    /// The assignor the member believes in, from version 5.
    pub protocol_name: Option<String>,
    /// From the leader: member id and assignment, in any order. From the others nothing.
    pub assignments: Vec<(String, Bytes)>,
}

impl SyncRequest {
    /// Whether the request says what its version must (KIP-559).
    pub(super) fn names_protocol(&self) -> bool {
        self.api_version < PROTOCOL_NAMED_FROM
            || (self.protocol_type.is_some() && self.protocol_name.is_some())
    }
}

/// The answer to [`SyncRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncResponse {
    /// Why there is no assignment, if there is none.
    pub error: ErrorCode,
    /// The group's protocol type, from version 5.
    pub protocol_type: Option<String>,
    /// The chosen assignor, from version 5.
    pub protocol_name: Option<String>,
    /// What the leader gave this member; empty if it gave nothing.
    pub assignment: Bytes,
}

impl SyncResponse {
    /// A refusal.
    #[must_use]
    pub fn refused(error: ErrorCode) -> Self {
        Self { error, ..Self::default() }
    }
}

/// Heartbeat (12): a member is alive. Its answer is an error code and nothing else.
#[derive(Clone, Debug, Default)]
pub struct HeartbeatRequest {
    /// The group.
    pub group_id: String,
    /// The member's generation.
    pub generation: i32,
    /// The member's id.
    pub member_id: String,
    /// The static member's name, from version 3.
    pub group_instance_id: Option<String>,
}

/// LeaveGroup (13): members go, at their own wish or an administrator's.
#[derive(Clone, Debug, Default)]
pub struct LeaveRequest {
    /// The group.
    pub group_id: String,
    /// Who goes: one before version 3, any number since.
    pub members: Vec<LeavingMember>,
}

/// One member that goes.
#[derive(Clone, Debug, Default)]
pub struct LeavingMember {
    /// The member's id; empty if an administrator names a static member only.
    pub member_id: String,
    /// The static member's name, from version 3.
    pub group_instance_id: Option<String>,
    /// Why (KIP-800), from version 5; for the log alone.
    pub reason: Option<String>,
}

impl LeaveRequest {
    /// The answer that says `error` of every member.
    #[must_use]
    pub fn refused_each(&self, error: ErrorCode) -> LeaveResponse {
        let each = self.members.iter().map(|leaving| LeftMember {
            member_id: leaving.member_id.clone(),
            group_instance_id: leaving.group_instance_id.clone(),
            error,
        });
        LeaveResponse { error: ErrorCode::None, members: each.collect() }
    }
}

/// The answer to [`LeaveRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaveResponse {
    /// What is wrong with the whole request, if anything.
    pub error: ErrorCode,
    /// One entry for each member of the request, in its order; empty if `error` is set.
    pub members: Vec<LeftMember>,
}

/// How one member fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    /// As in the request.
    pub member_id: String,
    /// As in the request.
    pub group_instance_id: Option<String>,
    /// Why this member did not go, if it did not.
    pub error: ErrorCode,
}

impl LeaveResponse {
    /// A refusal of the whole request.
    #[must_use]
    pub fn refused(error: ErrorCode) -> Self {
        Self { error, members: Vec::new() }
    }

    /// The one error that versions 0 to 2 have room for: the request's own, or its only member's.
    #[must_use]
    pub fn single_error(&self) -> ErrorCode {
        match self.members.as_slice() {
            [only] if self.error.is_ok() => only.error,
            _ => self.error,
        }
    }
}

/// OffsetCommit (8): how far a group has read.
#[derive(Clone, Debug)]
pub struct CommitRequest {
    /// Version of the wire request: from 9 an unknown group is GROUP_ID_NOT_FOUND.
    pub api_version: i16,
    /// The group; "" is legal here, as in Apache Kafka.
    pub group_id: String,
    /// The member's generation, or [`NO_GENERATION`] (also for version 0).
    pub generation: i32,
    /// The member's id; "" for a commit from outside the group.
    pub member_id: String,
    /// The static member's name, from version 7.
    pub group_instance_id: Option<String>,
    /// How long to keep these offsets (versions 2 to 4), in milliseconds; -1 for the broker's setting.
    pub retention_ms: i64,
    /// Whether they count only once a transaction commits (TxnOffsetCommit), whose producer need not be a member.
    pub transactional: bool,
    /// What to commit. Unknown topics are the handler's to refuse; they must not come here.
    pub topics: Vec<CommitTopic>,
}

impl Default for CommitRequest {
    fn default() -> Self {
        Self {
            api_version: 0,
            group_id: String::new(),
            generation: NO_GENERATION,
            member_id: String::new(),
            group_instance_id: None,
            retention_ms: -1,
            transactional: false,
            topics: Vec::new(),
        }
    }
}

/// One topic's offsets to commit.
#[derive(Clone, Debug, Default)]
pub struct CommitTopic {
    /// The topic's name.
    pub topic: String,
    /// Its partitions.
    pub partitions: Vec<CommitPartition>,
}

/// One offset to commit.
#[derive(Clone, Debug)]
pub struct CommitPartition {
    /// The partition.
    pub partition: PartitionIndex,
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the last record read, or [`Epoch::NONE`] (before version 6).
    pub leader_epoch: Epoch,
    /// The client's note; `None` is stored as "".
    pub metadata: Option<String>,
    /// When the client says it committed (version 1 only); `None` or [`TimestampMs::NONE`] for now.
    pub committed_at: Option<TimestampMs>,
}

/// The answer to [`CommitRequest`]: every partition asked about, in the request's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitResponse {
    /// Topics in the request's order.
    pub topics: Vec<CommittedTopic>,
}

/// One topic of a [`CommitResponse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedTopic {
    /// The topic's name.
    pub topic: String,
    /// Each partition and how it fared.
    pub partitions: Vec<(PartitionIndex, ErrorCode)>,
}

impl CommitRequest {
    /// The answer that says `error` of every partition.
    #[must_use]
    pub fn refused(&self, error: ErrorCode) -> CommitResponse {
        let topics = self.topics.iter();
        let refuse = |topic: &CommitTopic| CommittedTopic {
            topic: topic.topic.clone(),
            partitions: topic.partitions.iter().map(|partition| (partition.partition, error)).collect(),
        };
        CommitResponse { topics: topics.map(refuse).collect() }
    }
}

/// One group of OffsetFetch (9). From version 8 the wire request has several: ask once for each.
#[derive(Clone, Debug, Default)]
pub struct FetchOffsetsRequest {
    /// The group; "" is legal here, as in Apache Kafka.
    pub group_id: String,
    /// What to look up; `None` for all the group has committed (from version 2).
    pub topics: Option<Vec<FetchTopic>>,
    /// Offsets of open transactions are UNSTABLE_OFFSET_COMMIT (from version 7).
    pub require_stable: bool,
    /// The member of a consumer group that asks, if it says (from version 9).
    pub member: Option<AskingMember>,
}

/// A member of a consumer group that looks offsets up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskingMember {
    /// The member's id, or null.
    pub id: Option<String>,
    /// The member's epoch; -1 for none.
    pub epoch: i32,
}

/// One topic to look up.
#[derive(Clone, Debug, Default)]
pub struct FetchTopic {
    /// The topic's name.
    pub topic: String,
    /// Its partitions.
    pub partitions: Vec<PartitionIndex>,
}

/// The answer to [`FetchOffsetsRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchOffsetsResponse {
    /// What is wrong with the whole group, if anything; versions 0 and 1 write it into every partition.
    pub error: ErrorCode,
    /// Every topic asked about, in the request's order; all committed ones, by name, if all were asked for.
    pub topics: Vec<FetchedTopic>,
}

/// One topic of a [`FetchOffsetsResponse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedTopic {
    /// The topic's name.
    pub topic: String,
    /// Its partitions.
    pub partitions: Vec<FetchedOffset>,
}

/// One committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    /// The partition.
    pub partition: PartitionIndex,
    /// The next offset to read; [`Offset::NONE`] if nothing is committed, which is no error.
    pub offset: Offset,
    /// Epoch of the last record read, or [`Epoch::NONE`].
    pub leader_epoch: Epoch,
    /// The client's note.
    pub metadata: String,
    /// UNSTABLE_OFFSET_COMMIT, or no error.
    pub error: ErrorCode,
}

impl FetchedOffset {
    /// A partition without an offset, for whatever reason.
    #[must_use]
    pub fn missing(partition: PartitionIndex, error: ErrorCode) -> Self {
        Self { partition, offset: Offset::NONE, leader_epoch: Epoch::NONE, metadata: String::new(), error }
    }
}

impl FetchOffsetsRequest {
    /// The answer that says `error` of the group and of every partition asked about.
    #[must_use]
    pub fn refused(&self, error: ErrorCode) -> FetchOffsetsResponse {
        let topics = self.topics.iter().flatten();
        let refuse = |topic: &FetchTopic| FetchedTopic {
            topic: topic.topic.clone(),
            partitions: topic.partitions.iter().map(|&p| FetchedOffset::missing(p, error)).collect(),
        };
        FetchOffsetsResponse { error, topics: topics.map(refuse).collect() }
    }
}

/// One group of DescribeGroups (15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// The group.
    pub group_id: String,
    /// GROUP_ID_NOT_FOUND for an unknown group, which before version 6 is no error but `Dead`:
    /// [`DescribedGroup::error_in`] knows.
    pub error: ErrorCode,
    /// The group's state.
    pub state: GroupState,
    /// `consumer`, `connect`, …; "" for a group that only commits offsets.
    pub protocol_type: String,
    /// The assignor in use; "" unless the group is stable.
    pub protocol: String,
    /// Everyone in the group.
    pub members: Vec<DescribedMember>,
    /// There is a group of this name, but of another kind: the message says so.
    pub of_another_kind: bool,
}

impl DescribedGroup {
    /// A group that is not there, or cannot be told about now.
    #[must_use]
    pub fn unknown(group_id: impl Into<String>, error: ErrorCode) -> Self {
        Self {
            group_id: group_id.into(),
            of_another_kind: false,
            error,
            state: GroupState::Dead,
            protocol_type: String::new(),
            protocol: String::new(),
            members: Vec::new(),
        }
    }

    /// The error to write in `api_version`, and the message that version 6 adds to it (KIP-1043).
    #[must_use]
    pub fn error_in(&self, api_version: i16) -> (ErrorCode, Option<String>) {
        match self.error {
            ErrorCode::GroupIdNotFound if api_version < 6 => (ErrorCode::None, None),
            ErrorCode::GroupIdNotFound => {
                let why = if self.of_another_kind { "is not a classic group" } else { "not found" };
                (self.error, Some(format!("Group {} {why}.", self.group_id)))
            }
            error => (error, None),
        }
    }
}

/// One member of a [`DescribedGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member's id.
    pub member_id: String,
    /// The static member's name, from version 4.
    pub group_instance_id: Option<String>,
    /// The client's own name.
    pub client_id: String,
    /// The client's address.
    pub client_host: String,
    /// What the member gave for the chosen assignor; empty unless the group is stable.
    pub metadata: Bytes,
    /// What the member was assigned.
    pub assignment: Bytes,
}

/// ListGroups (16): which groups there are. An empty filter lets all pass.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// State names, in any case (KIP-518, from version 4).
    pub states: Vec<String>,
    /// Type names, in any case (KIP-848, from version 5).
    pub types: Vec<String>,
}

/// One group of ListGroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group_id: String,
    /// `consumer`, `connect`, …; "" for a group that only commits offsets.
    pub protocol_type: String,
    /// The group's state, from version 4.
    pub state: GroupState,
    /// The group's type, from version 5.
    pub group_type: GroupType,
}

/// OffsetDelete (47): forgets offsets of topics that the group does not read.
#[derive(Clone, Debug, Default)]
pub struct DeleteOffsetsRequest {
    /// The group.
    pub group_id: String,
    /// What to forget.
    pub topics: Vec<FetchTopic>,
}

/// The answer to [`DeleteOffsetsRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOffsetsResponse {
    /// What is wrong with the whole request, if anything.
    pub error: ErrorCode,
    /// Every partition asked about; empty if `error` is set.
    pub topics: Vec<CommittedTopic>,
}
