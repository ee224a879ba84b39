//! All groups of one partition of `__consumer_offsets`, and their offsets.
//!
//! The door: it refuses what no group would take, finds the group, and looks after groups coming into
//! being and going away. A group is made by its first JoinGroup or by a record, and goes when its
//! tombstone is replayed, or when nothing of it is in the log or in use.

use std::collections::HashMap;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::types::{Offset, PartitionIndex, ProducerId};
use tracing::info;

use super::classic::Cx;
use super::offsets::{Offsets, validate_commit};
use super::records::GroupRecord;
use super::requests::{
    CommitRequest, CommitResponse, CommittedTopic, DeleteOffsetsRequest, DeleteOffsetsResponse,
    DescribedGroup, FetchOffsetsRequest, FetchOffsetsResponse, FetchTopic, HeartbeatRequest, JoinRequest,
    JoinResponse, LeaveRequest, LeaveResponse, ListRequest, ListedGroup, SyncRequest, SyncResponse,
};
use super::state::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, GroupState, GroupType};
use super::{Answer, GroupConfig, Now, Step, Ticket, millis};
use crate::coordinator::timer::Deadlines;

/// Names that go into records have 16-bit lengths there.
const NAME_BYTES_MAX: usize = i16::MAX as usize;
/// Kafka's limit for static members' names.
const GROUP_INSTANCE_ID_BYTES_MAX: usize = 249;
/// Assignors that one member may offer; real clients offer up to three.
const PROTOCOLS_MAX: usize = 100;
/// How much of the client's name goes into the ids we make.
const CLIENT_ID_IN_MEMBER_ID_CHARS: usize = 100;

/// The groups of one partition.
#[derive(Debug)]
pub struct GroupShard {
    config: GroupConfig,
    groups: HashMap<String, ClassicGroup>,
    offsets: Offsets,
    due: Deadlines<String>,
}

// Records in.

impl GroupShard {
    /// A shard without groups.
    #[must_use]
    pub fn new(config: GroupConfig) -> Self {
        Self { config, groups: HashMap::new(), offsets: Offsets::default(), due: Deadlines::default() }
    }

    /// Takes over the record at `position` of the log, of a transaction of `producer` or of none.
    pub fn replay(&mut self, position: Offset, producer: Option<ProducerId>, record: GroupRecord) {
        match record {
            GroupRecord::OffsetCommit { key, value } => {
                if value.is_some() && !self.groups.contains_key(&key.group_id) {
                    self.groups.insert(key.group_id.clone(), ClassicGroup::new(key.group_id.clone()));
                }
                self.offsets.replay(position, producer, key, value);
            }
            GroupRecord::GroupMetadata { group_id, value: Some(value) } => {
                let group =
                    self.groups.entry(group_id).or_insert_with_key(|id| ClassicGroup::new(id.as_str()));
                group.replay(value);
            }
            GroupRecord::GroupMetadata { group_id, value: None } => {
                self.groups.remove(&group_id);
                self.due.set(&group_id, None);
            }
        }
    }

    /// Takes over the end of a transaction.
    pub fn replay_end_transaction(&mut self, producer: ProducerId, commit: bool) {
        for group_id in self.offsets.end_transaction(producer, commit) {
            self.forget_if_unused(&group_id);
        }
    }

    /// The log has been read: every member gets a fresh session, as its heartbeats went nowhere meanwhile.
    pub fn loaded(&mut self, now: Now) {
        let offsets = &self.offsets;
        self.groups.retain(|id, group| !group.is_forgettable() || offsets.has_any(id));
        for group in self.groups.values_mut() {
            group.members_mut().for_each(|member| member.touch(now.monotonic));
            self.due.set(&group.id, group.next_deadline());
        }
    }

    /// Ends the handling of a request or of time: looks at the group again when something is due, or drops
    /// it if it came to nothing. To be called after the step's records were replayed.
    pub fn settle(&mut self, group_id: &str) {
        self.forget_if_unused(group_id);
        if let Some(group) = self.groups.get(group_id) {
            if cfg!(debug_assertions) {
                group.check();
            }
            self.due.set(&group.id, group.next_deadline());
        }
    }

    fn forget_if_unused(&mut self, group_id: &str) {
        let unused = self.groups.get(group_id).is_some_and(ClassicGroup::is_forgettable);
        if unused && !self.offsets.has_any(group_id) {
            self.groups.remove(group_id);
            self.due.set(&group_id.to_owned(), None);
        }
    }
}

// Membership.

impl GroupShard {
    /// Handles JoinGroup; the answer is in the step, now or of a later one. `random` makes a member id.
    pub fn join(&mut self, request: &JoinRequest, random: u128, ticket: Ticket, now: Now) -> Step {
        let mut step = Step::default();
        if let Err(error) = self.validate_join(request) {
            let refused = JoinResponse::refused(request.member_id.as_str(), error);
            step.answers.push((ticket, Answer::Join(refused)));
            return step;
        }
        let id = request.group_id.as_str();
        if !self.groups.contains_key(id) {
            self.groups.insert(id.to_owned(), ClassicGroup::new(id));
        }
        let mut cx = Cx { now, config: &self.config, step: &mut step };
        if let Some(group) = self.groups.get_mut(id) {
            let prefix = request.group_instance_id.as_deref().unwrap_or(&request.client_id);
            group.join(request, new_member_id(prefix, random), ticket, &mut cx);
        }
        step
    }

    fn validate_join(&self, request: &JoinRequest) -> Result<(), ErrorCode> {
        validate_group_id(&request.group_id)?;
        let session_timeout = millis(request.session_timeout_ms);
        if !(self.config.min_session_timeout..=self.config.max_session_timeout).contains(&session_timeout) {
            return Err(ErrorCode::InvalidSessionTimeout);
        }
        let names = request.protocols.iter().map(|protocol| protocol.name.as_str());
        let mut names = names.chain([request.protocol_type.as_str(), &request.client_id]);
        let instance_id = request.group_instance_id.as_deref().unwrap_or_default();
        if request.protocols.len() > PROTOCOLS_MAX
            || names.any(|name| name.len() > NAME_BYTES_MAX)
            || instance_id.len() > GROUP_INSTANCE_ID_BYTES_MAX
        {
            return Err(ErrorCode::InvalidRequest);
        }
        let known = self.groups.contains_key(&request.group_id);
        if known || request.member_id.is_empty() { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Handles SyncGroup; the answer is in the step, now or of a later one.
    pub fn sync(&mut self, request: &SyncRequest, ticket: Ticket, now: Now) -> Step {
        let mut step = Step::default();
        let refused = match (validate_group_id(&request.group_id), self.groups.get_mut(&request.group_id)) {
            (Err(error), _) => error,
            (Ok(()), None) => ErrorCode::UnknownMemberId,
            (Ok(()), Some(group)) => {
                let mut cx = Cx { now, config: &self.config, step: &mut step };
                group.sync(request, ticket, &mut cx);
                return step;
            }
        };
        step.answers.push((ticket, Answer::Sync(SyncResponse::refused(refused))));
        step
    }

    /// Handles Heartbeat.
    pub fn heartbeat(&mut self, request: &HeartbeatRequest, now: Now) -> ErrorCode {
        if let Err(error) = validate_group_id(&request.group_id) {
            return error;
        }
        let group = self.groups.get_mut(&request.group_id);
        group.map_or(ErrorCode::UnknownMemberId, |group| group.heartbeat(request, now))
    }

    /// Handles LeaveGroup.
    pub fn leave(&mut self, request: &LeaveRequest, now: Now) -> (LeaveResponse, Step) {
        let mut step = Step::default();
        let response = match (validate_group_id(&request.group_id), self.groups.get_mut(&request.group_id)) {
            (Err(error), _) => LeaveResponse::refused(error),
            (Ok(()), None) => LeaveResponse::refused(ErrorCode::UnknownMemberId),
            (Ok(()), Some(group)) => {
                group.leave(request, &mut Cx { now, config: &self.config, step: &mut step })
            }
        };
        (response, step)
    }

    /// When [`GroupShard::on_time`] has something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.due.next()
    }

    /// Does what is due in one group. `None` once nothing is.
    pub fn on_time(&mut self, now: Now) -> Option<(String, Step)> {
        let group_id = self.due.pop_due(now.monotonic)?;
        let mut step = Step::default();
        if let Some(group) = self.groups.get_mut(&group_id) {
            group.on_time(&mut Cx { now, config: &self.config, step: &mut step });
        }
        Some((group_id, step))
    }

    /// The records of the group's last step could not be appended, and its answers said so.
    pub fn append_failed(&mut self, group_id: &str, now: Now) -> Step {
        let mut step = Step::default();
        if let Some(group) = self.groups.get_mut(group_id) {
            group.append_failed(&mut Cx { now, config: &self.config, step: &mut step });
        }
        step
    }
}

// Offsets.

impl GroupShard {
    /// Handles OffsetCommit.
    pub fn commit(&mut self, request: &CommitRequest, now: Now) -> (CommitResponse, Step) {
        if let Err(error) = self.validate_commit(request, now) {
            return (request.refused(error), Step::default());
        }
        let (response, records) = Offsets::commit(request, &self.config, now.wall);
        (response, Step::of(records))
    }

    fn validate_commit(&mut self, request: &CommitRequest, now: Now) -> Result<(), ErrorCode> {
        // Empty is legal: Kafka has always let consumers without a group commit there.
        if request.group_id.len() > NAME_BYTES_MAX {
            return Err(ErrorCode::InvalidGroupId);
        }
        match self.groups.get_mut(&request.group_id) {
            // Committing is all that a group may ever do.
            None if request.generation < 0 => Ok(()),
            None if request.api_version >= 9 => Err(ErrorCode::GroupIdNotFound),
            None => Err(ErrorCode::IllegalGeneration),
            Some(group) => {
                validate_commit(group, request)?;
                // The member is alive.
                group.touch(&request.member_id, now);
                Ok(())
            }
        }
    }

    /// Handles OffsetFetch. An unknown group has committed nothing, which is no error.
    #[must_use]
    pub fn fetch(&self, request: &FetchOffsetsRequest) -> FetchOffsetsResponse {
        self.offsets.fetch(request)
    }

    /// Handles OffsetDelete.
    pub fn delete_offsets(&self, request: &DeleteOffsetsRequest) -> (DeleteOffsetsResponse, Step) {
        let refused = |error| (DeleteOffsetsResponse { error, topics: Vec::new() }, Step::default());
        let Some(group) = self.groups.get(&request.group_id) else {
            return refused(ErrorCode::GroupIdNotFound);
        };
        let consumers = group.protocol_type() == Some(CONSUMER_PROTOCOL_TYPE);
        if group.state() != GroupState::Empty && !consumers {
            return refused(ErrorCode::NonEmptyGroup);
        }
        let mut records = Vec::new();
        let mut topics = Vec::new();
        for FetchTopic { topic, partitions } in &request.topics {
            // Where nobody can tell what consumers read, they may read this.
            let subscribed = group.subscribed_topics().map_or(consumers, |topics| topics.contains(topic));
            let mut delete = |&partition: &PartitionIndex| {
                if subscribed {
                    return (partition, ErrorCode::GroupSubscribedToTopic);
                }
                records.extend(self.offsets.forget_one(&group.id, topic, partition));
                (partition, ErrorCode::None)
            };
            let partitions = partitions.iter().map(&mut delete).collect();
            topics.push(CommittedTopic { topic: topic.clone(), partitions });
        }
        (DeleteOffsetsResponse { error: ErrorCode::None, topics }, Step::of(records))
    }

    /// The groups that have offsets in `topic`.
    #[must_use]
    pub fn groups_reading(&self, topic: &str) -> Vec<String> {
        self.offsets.groups_reading(topic)
    }

    /// The topic is gone, and with it what the group has of it.
    pub fn topic_deleted(&self, group_id: &str, topic: &str) -> Step {
        Step::of(self.offsets.forget_topic(group_id, topic))
    }

    /// Every group there is.
    #[must_use]
    pub fn group_ids(&self) -> Vec<String> {
        self.groups.keys().cloned().collect()
    }

    /// Forgets what the group has kept long enough, and the group itself if it is empty and nothing is left.
    pub fn sweep(&self, group_id: &str, now: Now) -> Step {
        self.groups.get(group_id).map(|group| self.sweep_group(group, now)).unwrap_or_default()
    }

    fn sweep_group(&self, group: &ClassicGroup, now: Now) -> Step {
        let mut records = self.offsets.forget_expired(group, self.config.offsets_retention, now.wall);
        let unused = group.state() == GroupState::Empty && group.is_persisted() && group.pending.is_empty();
        if unused && self.offsets.is_last(&group.id, records.len()) {
            info!(group = group.id, offsets = records.len(), "forgetting an empty group");
            records.push(GroupRecord::GroupMetadata { group_id: group.id.clone(), value: None });
        }
        Step::of(records)
    }
}

// Administration.

impl GroupShard {
    /// Handles DescribeGroups, for one group.
    #[must_use]
    pub fn describe(&self, group_id: &str) -> DescribedGroup {
        let group = self.groups.get(group_id);
        group.map_or_else(
            || DescribedGroup::unknown(group_id, ErrorCode::GroupIdNotFound),
            ClassicGroup::describe,
        )
    }

    /// Handles ListGroups, by group id.
    #[must_use]
    pub fn list(&self, request: &ListRequest) -> Vec<ListedGroup> {
        let passes = |filter: &[String], name: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
        };
        let mut listed: Vec<ListedGroup> = self
            .groups
            .values()
            .filter(|group| passes(&request.states, group.state().name()))
            .filter(|_| passes(&request.types, GroupType::Classic.name()))
            .map(|group| ListedGroup {
                group_id: group.id.clone(),
                protocol_type: group.protocol_type().unwrap_or_default().to_owned(),
                state: group.state(),
                group_type: GroupType::Classic,
            })
            .collect();
        listed.sort_unstable_by(|a, b| a.group_id.cmp(&b.group_id));
        listed
    }

    /// Handles DeleteGroups, for one group.
    pub fn delete(&self, group_id: &str) -> (ErrorCode, Step) {
        let Some(group) = self.groups.get(group_id) else {
            return (ErrorCode::GroupIdNotFound, Step::default());
        };
        if group.state() != GroupState::Empty {
            return (ErrorCode::NonEmptyGroup, Step::default());
        }
        let mut records = self.offsets.forget_group(group_id);
        records.push(GroupRecord::GroupMetadata { group_id: group_id.to_owned(), value: None });
        (ErrorCode::None, Step::of(records))
    }
}

fn validate_group_id(group_id: &str) -> Result<(), ErrorCode> {
    if group_id.is_empty() || group_id.len() > NAME_BYTES_MAX {
        return Err(ErrorCode::InvalidGroupId);
    }
    Ok(())
}

/// `<prefix>-<uuid>`, as Apache Kafka makes them: administrators read the client's name off the front.
fn new_member_id(prefix: &str, random: u128) -> String {
    let prefix: String = prefix.chars().take(CLIENT_ID_IN_MEMBER_ID_CHARS).collect();
    // Version 4, variant 1 (RFC 9562, section 5.4).
    let uuid = random & !(0xf000 << 64) & !(0xc000 << 48) | (0x4000 << 64) | (0x8000 << 48);
    let hex = format!("{uuid:032x}");
    let [a, b, c, d, e] = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    format!("{prefix}-{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
impl GroupShard {
    /// The group's generation, -1 if there is no such group.
    pub(super) fn generation(&self, group_id: &str) -> i32 {
        self.groups.get(group_id).map_or(-1, ClassicGroup::generation)
    }
}
