//! All groups of one partition of `__consumer_offsets`, and their offsets.
//!
//! The door: it refuses what no group would take, finds the group, and looks after groups coming into
//! being and going away. A group is made by its first JoinGroup or by a record, and goes when its
//! tombstone is replayed, or when nothing of it is in the log or in use.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::types::{Offset, PartitionIndex, ProducerId, TopicId};
use tracing::info;

use super::classic::Cx;
use super::consumer::{self, ConsumerGroup};
use super::offsets::{Offsets, Retention, retention_of, validate_commit};
use super::records::{ConsumerPart, GroupRecord};
use super::requests::{
    CommitRequest, CommitResponse, CommittedTopic, ConsumerHeartbeatRequest, ConsumerHeartbeatResponse,
    DeleteOffsetsRequest, DeleteOffsetsResponse, DescribedConsumerGroup, DescribedGroup, FetchOffsetsRequest,
    FetchOffsetsResponse, FetchTopic, HeartbeatRequest, JOINING, JoinRequest, JoinResponse, LeaveRequest,
    LeaveResponse, ListRequest, ListedGroup, Refusal, SyncRequest, SyncResponse,
};
use super::state::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, GroupState, GroupType};
use super::topics::{Topics, TopicsImage};
use super::{Answer, GroupConfig, Now, Step, Ticket, millis};
use crate::coordinator::timer::Deadlines;

/// Names that go into records have 16-bit lengths there.
const NAME_BYTES_MAX: usize = i16::MAX as usize;
/// Assignors that one member may offer; real clients offer up to three.
const PROTOCOLS_MAX: usize = 100;
/// How much of the client's name goes into the ids we make.
const CLIENT_ID_IN_MEMBER_ID_CHARS: usize = 100;

/// A group of either kind.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a few hundred bytes a group; its members take far more")]
enum Group {
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
}

impl Group {
    fn id(&self) -> &str {
        match self {
            Self::Classic(group) => &group.id,
            Self::Consumer(group) => &group.id,
        }
    }

    fn state(&self) -> GroupState {
        match self {
            Self::Classic(group) => group.state(),
            Self::Consumer(group) => group.state(),
        }
    }

    fn group_type(&self) -> GroupType {
        match self {
            Self::Classic(_) => GroupType::Classic,
            Self::Consumer(_) => GroupType::Consumer,
        }
    }

    fn protocol_type(&self) -> Option<&str> {
        match self {
            Self::Classic(group) => group.protocol_type(),
            Self::Consumer(_) => Some(CONSUMER_PROTOCOL_TYPE),
        }
    }

    /// Whether nothing in memory or in the log would be missed if the group were dropped.
    fn is_forgettable(&self) -> bool {
        matches!(self, Self::Classic(group) if group.is_forgettable())
    }

    fn next_deadline(&self) -> Option<Duration> {
        match self {
            Self::Classic(group) => group.next_deadline(),
            Self::Consumer(group) => group.next_deadline(),
        }
    }

    /// Whether the group reads a topic. Where nobody can tell what consumers read, they may read this.
    fn reads(&self) -> Box<dyn Fn(&str) -> bool + '_> {
        match self {
            Self::Classic(group) => {
                let otherwise = group.protocol_type() == Some(CONSUMER_PROTOCOL_TYPE);
                let topics = group.subscribed_topics();
                Box::new(move |topic| topics.as_ref().map_or(otherwise, |topics| topics.contains(topic)))
            }
            Self::Consumer(group) => {
                let topics = group.subscribed_topics();
                Box::new(move |topic| topics.contains(topic))
            }
        }
    }

    /// The records that remove the group, but for its offsets.
    fn tombstones(&self) -> Vec<GroupRecord> {
        match self {
            Self::Classic(group) => {
                vec![GroupRecord::GroupMetadata { group_id: group.id.clone(), value: None }]
            }
            Self::Consumer(group) => group.tombstones(),
        }
    }
}

/// The groups of one partition.
#[derive(Debug)]
pub struct GroupShard {
    config: GroupConfig,
    topics: Arc<dyn Topics>,
    groups: HashMap<String, Group>,
    offsets: Offsets,
    due: Deadlines<String>,
    /// A group that the last records made classic; until they are settled.
    made_classic: Option<String>,
    /// The group that they are to make classic has one member, which has all that it is to have.
    keeps_assignment: bool,
}

// Records in.

impl GroupShard {
    /// A shard without groups.
    #[must_use]
    pub fn new(config: GroupConfig, topics: Arc<dyn Topics>) -> Self {
        Self {
            config,
            topics,
            groups: HashMap::new(),
            offsets: Offsets::default(),
            due: Deadlines::default(),
            made_classic: None,
            keeps_assignment: false,
        }
    }

    /// Takes over the record at `position` of the log, of a transaction of `producer` or of none.
    pub fn replay(&mut self, position: Offset, producer: Option<ProducerId>, record: GroupRecord) {
        match record {
            GroupRecord::OffsetCommit { key, value } => {
                if value.is_some() && !self.groups.contains_key(&key.group_id) {
                    let group = ClassicGroup::new(key.group_id.clone());
                    self.groups.insert(key.group_id.clone(), Group::Classic(group));
                }
                self.offsets.replay(position, producer, key, value);
            }
            GroupRecord::GroupMetadata { group_id, value: Some(value) } => {
                if let Some(Group::Classic(group)) = self.groups.get_mut(&group_id) {
                    return group.replay(value);
                }
                let mut group = ClassicGroup::new(group_id.as_str());
                group.replay(value);
                self.groups.insert(group_id.clone(), Group::Classic(group));
                self.made_classic = Some(group_id);
            }
            GroupRecord::GroupMetadata { group_id, value: None } => {
                if let Some(Group::Classic(_)) = self.groups.get(&group_id) {
                    self.remove(&group_id);
                }
            }
            GroupRecord::Consumer { group_id, part } => self.replay_consumer(group_id, part),
        }
    }

    fn replay_consumer(&mut self, group_id: String, part: ConsumerPart) {
        match self.groups.get_mut(&group_id) {
            Some(Group::Consumer(_)) if part == ConsumerPart::Epoch(None) => self.remove(&group_id),
            Some(Group::Consumer(group)) => group.replay(part),
            // Of a group that is gone, or has become classic.
            _ if part.is_tombstone() => {}
            _ => {
                let mut group = ConsumerGroup::new(group_id.as_str());
                group.replay(part);
                self.groups.insert(group_id, Group::Consumer(group));
            }
        }
    }

    fn remove(&mut self, group_id: &str) {
        self.groups.remove(group_id);
        self.due.set(&group_id.to_owned(), None);
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
        self.made_classic = None;
        self.groups.retain(|id, group| !group.is_forgettable() || offsets.has_any(id));
        for (id, group) in &mut self.groups {
            match group {
                Group::Classic(group) => {
                    let mut step = Step::default();
                    group.loaded(&mut Cx { now, config: &self.config, step: &mut step });
                    debug_assert!(step.records.is_empty() && step.answers.is_empty(), "nobody waits yet");
                }
                Group::Consumer(group) => {
                    group.set_times(self.topics.times(id));
                    group.loaded(now, &self.config);
                }
            }
            self.due.set(id, group.next_deadline());
        }
    }

    /// Ends the handling of a request or of time: looks at the group again when something is due, or drops
    /// it if it came to nothing. To be called after the step's records were replayed.
    pub fn settle(&mut self, group_id: &str, now: Now) {
        self.forget_if_unused(group_id);
        let made_classic = self.made_classic.take().is_some_and(|id| id == group_id);
        let keeps_assignment = std::mem::take(&mut self.keeps_assignment);
        let Some(group) = self.groups.get_mut(group_id) else { return };
        match group {
            Group::Classic(group) => {
                if made_classic {
                    let mut step = Step::default();
                    let mut cx = Cx { now, config: &self.config, step: &mut step };
                    group.begin_after_downgrade(!keeps_assignment, &mut cx);
                    debug_assert!(step.records.is_empty() && step.answers.is_empty(), "nobody waits yet");
                }
                if cfg!(debug_assertions) {
                    group.check();
                }
            }
            Group::Consumer(group) => {
                group.settle(now, &self.config);
                if cfg!(debug_assertions) {
                    group.check();
                }
            }
        }
        self.due.set(&group_id.to_owned(), group.next_deadline());
    }

    fn forget_if_unused(&mut self, group_id: &str) {
        let unused = self.groups.get(group_id).is_some_and(Group::is_forgettable);
        if unused && !self.offsets.has_any(group_id) {
            self.remove(group_id);
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
        let prefix = request.group_instance_id.as_deref().unwrap_or(&request.client_id);
        let new_id = new_member_id(prefix, random);
        match self.groups.get_mut(id) {
            Some(Group::Consumer(group)) if !group.is_empty() => {
                let topics = self.topics.image();
                let (response, records) =
                    group.join(request, new_id, consumer_cx(&self.config, &topics, now));
                self.keeps_assignment = group.is_alone();
                step.answers.push((ticket, Answer::Join(response)));
                step.records = records;
                return step;
            }
            // Without members a group is of no kind.
            Some(Group::Consumer(group)) => {
                step.records = group.tombstones();
                self.groups.insert(id.to_owned(), Group::Classic(ClassicGroup::new(id)));
            }
            Some(Group::Classic(_)) => {}
            None => {
                self.groups.insert(id.to_owned(), Group::Classic(ClassicGroup::new(id)));
            }
        }
        let mut cx = Cx { now, config: &self.config, step: &mut step };
        if let Some(Group::Classic(group)) = self.groups.get_mut(id) {
            group.join(request, new_id, ticket, &mut cx);
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
        let others = [request.protocol_type.as_str(), &request.client_id];
        let mut names = names.chain(others).chain(request.group_instance_id.as_deref());
        if request.protocols.len() > PROTOCOLS_MAX || names.any(|name| name.len() > NAME_BYTES_MAX) {
            return Err(ErrorCode::InvalidRequest);
        }
        let known = self.groups.contains_key(&request.group_id);
        if known || request.member_id.is_empty() { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Handles SyncGroup; the answer is in the step, now or of a later one.
    pub fn sync(&mut self, request: &SyncRequest, ticket: Ticket, now: Now) -> Step {
        let mut step = Step::default();
        let topics = self.topics.image();
        let valid = match request.names_protocol() {
            true => validate_group_id(&request.group_id),
            false => Err(ErrorCode::InconsistentGroupProtocol),
        };
        let response = match (valid, self.groups.get_mut(&request.group_id)) {
            (Err(error), _) => SyncResponse::refused(error),
            (Ok(()), None) => SyncResponse::refused(ErrorCode::UnknownMemberId),
            (Ok(()), Some(Group::Consumer(group))) => {
                group.sync(request, consumer_cx(&self.config, &topics, now))
            }
            (Ok(()), Some(Group::Classic(group))) => {
                let mut cx = Cx { now, config: &self.config, step: &mut step };
                group.sync(request, ticket, &mut cx);
                return step;
            }
        };
        step.answers.push((ticket, Answer::Sync(response)));
        step
    }

    /// Handles Heartbeat.
    pub fn heartbeat(&mut self, request: &HeartbeatRequest, now: Now) -> ErrorCode {
        if let Err(error) = validate_group_id(&request.group_id) {
            return error;
        }
        let topics = self.topics.image();
        match self.groups.get_mut(&request.group_id) {
            None => ErrorCode::UnknownMemberId,
            Some(Group::Classic(group)) => group.heartbeat(request, now),
            Some(Group::Consumer(group)) => {
                group.classic_heartbeat(request, consumer_cx(&self.config, &topics, now))
            }
        }
    }

    /// Handles LeaveGroup.
    pub fn leave(&mut self, request: &LeaveRequest, now: Now) -> (LeaveResponse, Step) {
        let mut step = Step::default();
        let topics = self.topics.image();
        let response = match (validate_group_id(&request.group_id), self.groups.get_mut(&request.group_id)) {
            (Err(error), _) => LeaveResponse::refused(error),
            (Ok(()), None) => request.refused_each(ErrorCode::UnknownMemberId),
            (Ok(()), Some(Group::Classic(group))) => {
                group.leave(request, &mut Cx { now, config: &self.config, step: &mut step })
            }
            (Ok(()), Some(Group::Consumer(group))) => {
                let (response, records) =
                    group.classic_leave(request, consumer_cx(&self.config, &topics, now));
                step.records = records;
                response
            }
        };
        (response, step)
    }

    /// Handles ConsumerGroupHeartbeat. `random` makes a member id.
    pub fn consumer_heartbeat(
        &mut self,
        request: &ConsumerHeartbeatRequest,
        random: u128,
        now: Now,
    ) -> (Result<ConsumerHeartbeatResponse, Refusal>, Step) {
        let mut step = Step::default();
        if !self.config.consumer.enabled {
            return (Err(ErrorCode::UnsupportedVersion.into()), step);
        }
        let topics = self.topics.image();
        let cx = consumer_cx(&self.config, &topics, now);
        let new_id = TopicId(random.to_be_bytes()).to_string();
        let id = request.group_id.as_str();
        let times = self.topics.times(id);
        let outcome = request.validate(cx).and_then(|()| match self.groups.get_mut(id) {
            Some(Group::Consumer(group)) => {
                group.set_times(times);
                group.heartbeat(request, new_id, cx)
            }
            None if request.member_epoch < JOINING => Err(not_found(id)),
            None if request.member_epoch != JOINING => {
                Err(Refusal::new(ErrorCode::GroupIdNotFound, format!("Consumer group {id} not found.")))
            }
            Some(Group::Classic(_)) if request.member_epoch != JOINING => Err(not_consumer(id)),
            Some(Group::Classic(group)) if group.member_count() > 0 => {
                let (mut upgraded, mut records) = ConsumerGroup::upgraded(group, cx)?;
                upgraded.set_times(times);
                let (response, more) = upgraded.heartbeat(request, new_id, cx)?;
                records.extend(more);
                group.release_all(&mut step);
                Ok((response, records))
            }
            // Without members a group is of no kind.
            empty => {
                let mut records = match empty {
                    Some(Group::Classic(group)) => group.tombstone(),
                    _ => Vec::new(),
                };
                let mut group = ConsumerGroup::new(id);
                group.set_times(times);
                let (response, more) = group.heartbeat(request, new_id, cx)?;
                records.extend(more);
                Ok((response, records))
            }
        });
        match outcome {
            Ok((response, records)) => {
                step.records = records;
                (Ok(response), step)
            }
            Err(refusal) => (Err(refusal), step),
        }
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
        match self.groups.get_mut(&group_id) {
            Some(Group::Classic(group)) => {
                group.on_time(&mut Cx { now, config: &self.config, step: &mut step });
            }
            Some(Group::Consumer(group)) => {
                let overdue = group.overdue(now);
                if !overdue.is_empty() {
                    info!(group = group_id, members = ?overdue, "dropping members whose time is up");
                    let topics = self.topics.image();
                    step.records = group.remove(&overdue, consumer_cx(&self.config, &topics, now));
                }
            }
            None => {}
        }
        Some((group_id, step))
    }

    /// The records of the group's last step could not be appended, and its answers said so.
    pub fn append_failed(&mut self, group_id: &str, now: Now) -> Step {
        let mut step = Step::default();
        match self.groups.get_mut(group_id) {
            Some(Group::Classic(group)) => {
                group.append_failed(&mut Cx { now, config: &self.config, step: &mut step });
            }
            Some(Group::Consumer(group)) => group.append_failed(now),
            None => {}
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
        // Empty is legal: Kafka has always let consumers without a group commit there, but not in transactions.
        if request.transactional || !request.group_id.is_empty() {
            validate_group_id(&request.group_id)?;
        }
        match self.groups.get_mut(&request.group_id) {
            // Committing is all that a group may ever do.
            None if request.generation < 0 => Ok(()),
            None if request.api_version >= 9 && !request.transactional => Err(ErrorCode::GroupIdNotFound),
            None => Err(ErrorCode::IllegalGeneration),
            Some(Group::Classic(group)) => {
                validate_commit(group, request)?;
                // The member is alive. A transaction's producer may be another process.
                if !request.transactional {
                    group.touch(&request.member_id, now);
                }
                Ok(())
            }
            Some(Group::Consumer(group)) => group.validate_commit(request),
        }
    }

    /// Handles OffsetFetch. An unknown group has committed nothing, which is no error.
    #[must_use]
    pub fn fetch(&self, request: &FetchOffsetsRequest) -> FetchOffsetsResponse {
        if let (Some(Group::Consumer(group)), Some(member)) =
            (self.groups.get(&request.group_id), &request.member)
            && let Err(error) = group.validate_fetch(member.id.as_deref(), member.epoch)
        {
            return request.refused(error);
        }
        self.offsets.fetch(request)
    }

    /// Handles OffsetDelete.
    pub fn delete_offsets(&self, request: &DeleteOffsetsRequest) -> (DeleteOffsetsResponse, Step) {
        let refused = |error| (DeleteOffsetsResponse { error, topics: Vec::new() }, Step::default());
        if let Err(error) = validate_group_id(&request.group_id) {
            return refused(error);
        }
        let Some(group) = self.groups.get(&request.group_id) else {
            return refused(ErrorCode::GroupIdNotFound);
        };
        let consumers = group.protocol_type() == Some(CONSUMER_PROTOCOL_TYPE);
        if group.state() != GroupState::Empty && !consumers {
            return refused(ErrorCode::NonEmptyGroup);
        }
        let mut records = Vec::new();
        let mut topics = Vec::new();
        let reads = group.reads();
        for FetchTopic { topic, partitions } in &request.topics {
            let subscribed = reads(topic);
            let mut delete = |&partition: &PartitionIndex| {
                if subscribed {
                    return (partition, ErrorCode::GroupSubscribedToTopic);
                }
                records.extend(self.offsets.forget_one(group.id(), topic, partition));
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

    fn sweep_group(&self, group: &Group, now: Now) -> Step {
        let since = match group {
            Group::Classic(group) => retention_of(group),
            Group::Consumer(_) => Retention::FromCommit,
        };
        let (id, retention) = (group.id(), self.config.offsets_retention);
        let mut records = self.offsets.forget_expired(id, group.reads(), since, retention, now.wall);
        let persisted = match group {
            Group::Classic(group) => group.is_persisted() && group.pending.is_empty(),
            Group::Consumer(_) => true,
        };
        let unused = group.state() == GroupState::Empty && persisted;
        if unused && self.offsets.is_last(id, records.len()) {
            info!(group = id, offsets = records.len(), "forgetting an empty group");
            records.extend(group.tombstones());
        }
        Step::of(records)
    }
}

// Administration.

impl GroupShard {
    /// Handles DescribeGroups, for one group.
    #[must_use]
    pub fn describe(&self, group_id: &str) -> DescribedGroup {
        match self.groups.get(group_id) {
            Some(Group::Classic(group)) => group.describe(),
            // This API cannot tell of a consumer group, and so says that there is none.
            other => DescribedGroup {
                of_another_kind: other.is_some(),
                ..DescribedGroup::unknown(group_id, ErrorCode::GroupIdNotFound)
            },
        }
    }

    /// Handles ConsumerGroupDescribe, for one group.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND, for a group of another kind too; INVALID_GROUP_ID; UNSUPPORTED_VERSION if the
    /// protocol is switched off.
    pub fn describe_consumer(&self, group_id: &str, now: Now) -> Result<DescribedConsumerGroup, Refusal> {
        if !self.config.consumer.enabled {
            return Err(ErrorCode::UnsupportedVersion.into());
        }
        validate_group_id(group_id)?;
        let topics = self.topics.image();
        match self.groups.get(group_id) {
            Some(Group::Consumer(group)) => Ok(group.describe(consumer_cx(&self.config, &topics, now))),
            Some(Group::Classic(_)) => Err(not_consumer(group_id)),
            None => Err(not_found(group_id)),
        }
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
            .filter(|group| passes(&request.types, group.group_type().name()))
            .map(|group| ListedGroup {
                group_id: group.id().to_owned(),
                protocol_type: group.protocol_type().unwrap_or_default().to_owned(),
                state: group.state(),
                group_type: group.group_type(),
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
        records.extend(group.tombstones());
        (ErrorCode::None, Step::of(records))
    }
}

fn consumer_cx<'a>(config: &'a GroupConfig, topics: &'a TopicsImage, now: Now) -> consumer::Cx<'a> {
    consumer::Cx { now, config, topics }
}

fn not_found(group_id: &str) -> Refusal {
    Refusal::new(ErrorCode::GroupIdNotFound, format!("Group {group_id} not found."))
}

fn not_consumer(group_id: &str) -> Refusal {
    Refusal::new(ErrorCode::GroupIdNotFound, format!("Group {group_id} is not a consumer group."))
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
        match self.groups.get(group_id) {
            Some(Group::Classic(group)) => group.generation(),
            Some(Group::Consumer(group)) => group.epoch(),
            None => -1,
        }
    }
}
