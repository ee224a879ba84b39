//! The consumer group of KIP-848: the broker assigns, and each member moves towards its part at its own pace.
//!
//! ```text
//!   heartbeat ─▶ member changed? ─▶ group epoch + 1 ─▶ target assignment ─▶ this member one step towards it
//!                topics changed? ─┘                    (assignor)           (reconcile)
//! ```
//!
//! | epoch | of | raised by |
//! |---|---|---|
//! | group | what members want and topics offer | members that come, go or subscribe otherwise; topics that change |
//! | assignment | the target | the first heartbeat that finds it behind the group's |
//! | member | what one member has | the member's way to the target |
//!
//! A group is `Empty` without members, `Assigning` while the target is behind, `Reconciling` while any
//! member is, else `Stable`. All of that is in the log, a record for each part that changes. Only deadlines
//! are not: a member is dropped that stays silent for its session, or takes longer than its rebalance
//! timeout to give back what it must.
//!
//! | file | holds |
//! |---|---|
//! | `heartbeat` | ConsumerGroupHeartbeat: join, stay, leave |
//! | `reconcile` | one member's next step |
//! | `assignor` | who is to have what |
//! | `classic_members` | JoinGroup, SyncGroup, Heartbeat, LeaveGroup of members that have not moved yet |
//! | `migration` | classic group to consumer group and back |
//!
//! Invariants, checked by [`ConsumerGroup::check`]: no partition has two holders; nobody is ahead of the
//! group; static names and members point at each other.
//!
//! Other than in Apache Kafka, regular expressions are resolved with the heartbeat that brings them, and
//! again with the first one after topics came or went; they cannot be slow.
//!
//! Source: `ConsumerGroup.java` and `GroupMetadataManager.java` of Apache Kafka 4; KIP-848, KIP-1082.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use protocol::ErrorCode;
use protocol::types::TopicId;

use super::records::{
    ConsumerPart, CurrentAssignment, GroupEpoch, GroupRecord, MemberInfo, MemberState, Partitions,
    ResolvedRegex,
};
use super::requests::{CommitRequest, DescribedConsumer, DescribedConsumerGroup, NamedPartitions, Refusal};
use super::state::GroupState;
use super::topics::{GroupTimes, TopicsImage};
use super::{GroupConfig, Now, millis};

mod assignor;
mod classic_members;
mod heartbeat;
mod migration;
mod reconcile;

pub use assignor::Assignor;
pub use migration::MigrationPolicy;

/// When to try again to drop members whose end could not be recorded.
const DROP_RETRY: Duration = Duration::from_secs(1);
/// First OffsetCommit version that members of this protocol may use.
const COMMIT_SINCE: i16 = 9;

/// What a handler works with.
#[derive(Clone, Copy)]
pub(super) struct Cx<'a> {
    pub(super) now: Now,
    pub(super) config: &'a GroupConfig,
    pub(super) topics: &'a TopicsImage,
}

/// A member, as the log has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) info: MemberInfo,
    pub(super) current: CurrentAssignment,
}

impl Member {
    fn is_classic(&self) -> bool {
        self.info.classic.is_some()
    }

    fn rebalance_timeout(&self) -> Duration {
        millis(self.info.rebalance_timeout_ms)
    }

    fn holds(&self, topic: TopicId, partition: i32) -> bool {
        let current = &self.current;
        [&current.assigned, &current.revoking]
            .into_iter()
            .any(|held| held.get(&topic).is_some_and(|partitions| partitions.contains(&partition)))
    }

    /// All that the member has, to be given back or not.
    fn held(&self) -> impl Iterator<Item = (TopicId, i32)> {
        let both = self.current.assigned.iter().chain(&self.current.revoking);
        both.flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
    }
}

/// A member's deadlines, on the monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Timers {
    /// The session ends.
    session: Duration,
    /// What the member must give back, or the JoinGroup it must send, is overdue.
    rebalance: Option<Duration>,
    /// The SyncGroup after its JoinGroup is overdue.
    sync: Option<Duration>,
}

impl Timers {
    fn next(&self) -> Duration {
        [Some(self.session), self.rebalance, self.sync].into_iter().flatten().min().unwrap_or_default()
    }
}

/// A consumer group.
#[derive(Clone, Debug, Default)]
pub(super) struct ConsumerGroup {
    pub(super) id: String,
    epoch: GroupEpoch,
    assignment_epoch: i32,
    members: BTreeMap<String, Member>,
    /// Static name -> member id.
    static_members: HashMap<String, String>,
    target: BTreeMap<String, Partitions>,
    regexes: BTreeMap<String, ResolvedRegex>,
    /// How many members hold each partition. More than one only while a log is being read.
    holders: HashMap<(TopicId, i32), u32>,
    /// An older Kafka's record of partition counts is in the log, to be removed.
    has_partition_metadata: bool,
    // ---
    timers: HashMap<String, Timers>,
    /// What is set for this group, as of its last heartbeat.
    times: Option<GroupTimes>,
    /// The version of the cluster's topics that the group's epoch takes into account.
    topics_seen: Option<u64>,
}

// Records in.

impl ConsumerGroup {
    /// A group without members.
    pub(super) fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// Takes over a part. The group's own end is its owner's to see to.
    pub(super) fn replay(&mut self, part: ConsumerPart) {
        match part {
            ConsumerPart::Epoch(epoch) => self.epoch = epoch.unwrap_or_default(),
            ConsumerPart::PartitionMetadata(metadata) => self.has_partition_metadata = metadata.is_some(),
            ConsumerPart::Member(id, Some(info)) => self.replay_info(id, info),
            ConsumerPart::Member(id, None) => self.forget(&id),
            ConsumerPart::TargetEpoch(epoch) => self.assignment_epoch = epoch.unwrap_or_default(),
            ConsumerPart::Target(id, Some(partitions)) => {
                self.target.insert(id, partitions);
            }
            ConsumerPart::Target(id, None) => {
                self.target.remove(&id);
            }
            ConsumerPart::Current(id, Some(current)) => self.replay_current(id, current),
            ConsumerPart::Current(id, None) if self.members.contains_key(&id) => {
                self.replay_current(id, CurrentAssignment::default());
            }
            ConsumerPart::Current(_, None) => {}
            ConsumerPart::Regex(regex, Some(resolved)) => {
                self.regexes.insert(regex, resolved);
            }
            ConsumerPart::Regex(regex, None) => {
                self.regexes.remove(&regex);
            }
        }
    }

    fn replay_info(&mut self, id: String, info: MemberInfo) {
        let member = self.member_entry(id);
        let before = std::mem::replace(&mut member.info, info);
        let (id, name) = (member.id.clone(), member.info.instance_id.clone());
        self.forget_name(before.instance_id, &id);
        if let Some(name) = name {
            self.static_members.insert(name, id);
        }
    }

    fn replay_current(&mut self, id: String, current: CurrentAssignment) {
        // It moved on, so its time begins anew.
        if let Some(timers) = self.timers.get_mut(&id) {
            timers.rebalance = None;
        }
        let member = self.member_entry(id);
        let before: Vec<_> = member.held().collect();
        member.current = current;
        let after: Vec<_> = member.held().collect();
        self.release(before);
        for held in after {
            *self.holders.entry(held).or_default() += 1;
        }
    }

    fn release(&mut self, held: Vec<(TopicId, i32)>) {
        for held in held {
            if let Some(count) = self.holders.get_mut(&held) {
                *count -= 1;
                if *count == 0 {
                    self.holders.remove(&held);
                }
            }
        }
    }

    fn member_entry(&mut self, id: String) -> &mut Member {
        self.members.entry(id).or_insert_with_key(|id| Member { id: id.clone(), ..Member::default() })
    }

    fn forget(&mut self, id: &str) {
        self.timers.remove(id);
        let Some(member) = self.members.remove(id) else { return };
        self.release(member.held().collect());
        self.forget_name(member.info.instance_id, id);
    }

    fn forget_name(&mut self, name: Option<String>, id: &str) {
        if let Some(name) = name
            && self.static_members.get(&name).is_some_and(|owner| owner == id)
        {
            self.static_members.remove(&name);
        }
    }
}

// What others may see.

impl ConsumerGroup {
    pub(super) fn state(&self) -> GroupState {
        let reconciled = |member: &Member| self.is_reconciled(member);
        if self.members.is_empty() {
            GroupState::Empty
        } else if self.epoch.epoch > self.assignment_epoch {
            GroupState::Assigning
        } else if self.members.values().all(reconciled) {
            GroupState::Stable
        } else {
            GroupState::Reconciling
        }
    }

    fn is_reconciled(&self, member: &Member) -> bool {
        member.current.state == MemberState::Stable && member.current.epoch == self.assignment_epoch
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether there is one member and no other.
    pub(super) fn is_alone(&self) -> bool {
        self.members.len() == 1
    }

    #[cfg(test)]
    pub(super) fn epoch(&self) -> i32 {
        self.epoch.epoch
    }

    /// The names that the members subscribe to, those that regular expressions stand for among them.
    pub(super) fn subscribed_topics(&self) -> BTreeSet<&str> {
        subscribed(self.members.values(), &self.regexes)
    }

    /// What ConsumerGroupDescribe shows.
    pub(super) fn describe(&self, cx: Cx<'_>) -> DescribedConsumerGroup {
        let named = |partitions: &Partitions| {
            let known = partitions.iter().filter_map(|(id, set)| Some((*id, cx.topics.name(*id)?, set)));
            let named = known.map(|(id, name, set)| NamedPartitions {
                id,
                name: name.to_owned(),
                partitions: set.iter().copied().collect(),
            });
            named.collect()
        };
        let member = |member: &Member| DescribedConsumer {
            member_id: member.id.clone(),
            instance_id: member.info.instance_id.clone(),
            rack_id: member.info.rack_id.clone(),
            epoch: member.current.epoch,
            client_id: member.info.client_id.clone(),
            client_host: member.info.client_host.clone(),
            topics: member.info.topics.iter().cloned().collect(),
            regex: member.info.regex.clone(),
            assignment: named(&member.current.assigned),
            target: self.target.get(&member.id).map(named).unwrap_or_default(),
            is_classic: member.is_classic(),
        };
        DescribedConsumerGroup {
            state: self.state(),
            epoch: self.epoch.epoch,
            assignment_epoch: self.assignment_epoch,
            assignor: self.assignor(self.members.values(), cx.config).name().to_owned(),
            members: self.members.values().map(member).collect(),
        }
    }

    /// The assignor that most members ask for; of several the first of `group.consumer.assignors`, which is
    /// also for members that do not ask.
    fn assignor<'a>(&self, members: impl Iterator<Item = &'a Member>, config: &GroupConfig) -> Assignor {
        let wanted: Vec<&str> = members.filter_map(|member| member.info.assignor.as_deref()).collect();
        let votes = |assignor: &Assignor| wanted.iter().filter(|name| **name == assignor.name()).count();
        let offered = &config.consumer.assignors;
        // Of equals `max_by_key` takes the last.
        offered.iter().rev().copied().max_by_key(votes).unwrap_or(Assignor::Uniform)
    }

    /// Whether any member besides `member` holds the partition.
    fn held_by_others(&self, member: &Member, topic: TopicId, partition: i32) -> bool {
        let holders = self.holders.get(&(topic, partition)).copied().unwrap_or_default();
        holders > u32::from(member.holds(topic, partition))
    }

    /// Whether the group lets this OffsetCommit through.
    pub(super) fn validate_commit(&self, request: &CommitRequest) -> Result<(), ErrorCode> {
        if request.generation < 0 && self.is_empty() {
            return Ok(());
        }
        // A transaction's offsets may come from a producer that does not know of members.
        let nameless = request.member_id.is_empty() && request.group_instance_id.is_none();
        if request.transactional && request.generation < 0 && nameless {
            return Ok(());
        }
        let member = self.members.get(&request.member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if !request.transactional && !member.is_classic() && request.api_version < COMMIT_SINCE {
            return Err(ErrorCode::UnsupportedVersion);
        }
        // Producers know of generations only.
        check_epoch(member, request.generation).map_err(|error| match error {
            ErrorCode::StaleMemberEpoch if request.transactional => ErrorCode::IllegalGeneration,
            error => error,
        })
    }

    /// Whether the group lets a member with this epoch look offsets up. Without either, anyone may.
    pub(super) fn validate_fetch(&self, member_id: Option<&str>, epoch: i32) -> Result<(), ErrorCode> {
        let Some(id) = member_id else {
            return if epoch < 0 { Ok(()) } else { Err(ErrorCode::UnknownMemberId) };
        };
        check_epoch(self.members.get(id).ok_or(ErrorCode::UnknownMemberId)?, epoch)
    }

    /// The records that remove the group, but for its offsets.
    pub(super) fn tombstones(&self) -> Vec<GroupRecord> {
        let members = || self.members.keys().cloned();
        let mut parts: Vec<ConsumerPart> = members().map(|id| ConsumerPart::Current(id, None)).collect();
        parts.extend(self.target.keys().cloned().map(|id| ConsumerPart::Target(id, None)));
        parts.push(ConsumerPart::TargetEpoch(None));
        parts.extend(members().map(|id| ConsumerPart::Member(id, None)));
        parts.extend(self.regexes.keys().cloned().map(|regex| ConsumerPart::Regex(regex, None)));
        if self.has_partition_metadata {
            parts.push(ConsumerPart::PartitionMetadata(None));
        }
        parts.push(ConsumerPart::Epoch(None));
        self.records(parts)
    }

    fn records(&self, parts: Vec<ConsumerPart>) -> Vec<GroupRecord> {
        let record = |part| GroupRecord::Consumer { group_id: self.id.clone(), part };
        parts.into_iter().map(record).collect()
    }

    /// Asserts the invariants that the module's documentation lists.
    pub(super) fn check(&self) {
        let id = &self.id;
        assert!(self.holders.values().all(|holders| *holders == 1), "{id}: a partition with two holders");
        let held = self.members.values().flat_map(Member::held).count();
        assert_eq!(held, self.holders.len(), "{id}: holders without members");
        assert!(self.assignment_epoch <= self.epoch.epoch, "{id}: the target is ahead of the group");
        for member in self.members.values() {
            assert!(member.current.epoch <= self.assignment_epoch, "{id}: {} is ahead", member.id);
        }
        for (name, member_id) in &self.static_members {
            let named = self.members.get(member_id).and_then(|member| member.info.instance_id.as_ref());
            assert_eq!(named, Some(name), "{id}: static name without its member");
        }
        let named = self.members.values().filter(|member| member.info.instance_id.is_some()).count();
        assert_eq!(named, self.static_members.len(), "{id}: static member without its name");
    }
}

/// How long the member may stay silent: one of the classic protocol says so itself.
fn session_timeout(member: &Member, times: GroupTimes) -> Duration {
    let classic = member.info.classic.as_ref();
    classic.map_or(times.session_timeout, |classic| millis(classic.session_timeout_ms))
}

fn check_epoch(member: &Member, epoch: i32) -> Result<(), ErrorCode> {
    match member.current.epoch == epoch {
        true => Ok(()),
        false if member.is_classic() => Err(ErrorCode::IllegalGeneration),
        false => Err(ErrorCode::StaleMemberEpoch),
    }
}

fn subscribed<'a>(
    members: impl Iterator<Item = &'a Member>,
    regexes: &'a BTreeMap<String, ResolvedRegex>,
) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    let mut used = BTreeSet::new();
    for member in members {
        names.extend(member.info.topics.iter().map(String::as_str));
        used.extend(member.info.regex.as_ref());
    }
    let resolved = used.into_iter().filter_map(|regex| regexes.get(regex));
    names.extend(resolved.flat_map(|resolved| &resolved.topics).map(String::as_str));
    names
}

// Time.

impl ConsumerGroup {
    /// The log has been read: everyone gets a fresh session.
    pub(super) fn loaded(&mut self, now: Now, config: &GroupConfig) {
        self.timers.clear();
        self.settle(now, config);
    }

    /// Gives everyone the deadlines that their state calls for and that they do not have.
    pub(super) fn settle(&mut self, now: Now, config: &GroupConfig) {
        let times = self.times(config);
        let overdue: BTreeSet<String> = self
            .members
            .values()
            .filter(|member| match member.is_classic() {
                true => self.must_rejoin(member),
                false => member.current.state == MemberState::UnrevokedPartitions,
            })
            .map(|member| member.id.clone())
            .collect();
        for (id, member) in &self.members {
            let session = now.monotonic + session_timeout(member, times);
            let timers =
                self.timers.entry(id.clone()).or_insert(Timers { session, rebalance: None, sync: None });
            timers.rebalance = overdue
                .contains(id)
                .then(|| timers.rebalance.unwrap_or(now.monotonic + member.rebalance_timeout()));
        }
        // Of those whose joining failed.
        let members = &self.members;
        self.timers.retain(|id, _| members.contains_key(id));
    }

    /// The group's own times, or the configured ones.
    fn times(&self, config: &GroupConfig) -> GroupTimes {
        self.times.unwrap_or(GroupTimes {
            session_timeout: config.consumer.session_timeout,
            heartbeat_interval: config.consumer.heartbeat_interval,
        })
    }

    /// Takes over what is set for this group.
    pub(super) fn set_times(&mut self, times: Option<GroupTimes>) {
        self.times = times;
    }

    /// A member was heard of.
    fn touch(&mut self, member_id: &str, session_timeout: Duration, now: Now) {
        let session = now.monotonic + session_timeout;
        let fresh = Timers { session, rebalance: None, sync: None };
        self.timers.entry(member_id.to_owned()).or_insert(fresh).session = session;
    }

    /// When something is next due.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.timers.values().map(Timers::next).min()
    }

    /// Members whose time is up.
    pub(super) fn overdue(&self, now: Now) -> BTreeSet<String> {
        let due = self.timers.iter().filter(|(_, timers)| timers.next() <= now.monotonic);
        due.map(|(id, _)| id.clone()).collect()
    }

    /// The last step could not be recorded: what is due is due again later, and topics are looked at again.
    pub(super) fn append_failed(&mut self, now: Now) {
        self.topics_seen = None;
        let later = now.monotonic + DROP_RETRY;
        for timers in self.timers.values_mut().filter(|timers| timers.next() <= now.monotonic) {
            timers.session = timers.session.max(later);
            timers.rebalance = timers.rebalance.map(|at| at.max(later));
            timers.sync = timers.sync.map(|at| at.max(later));
        }
    }
}

// Members that go.

impl ConsumerGroup {
    /// The records that let members go: the group turns classic if only classic members stay.
    pub(super) fn remove(&self, gone: &BTreeSet<String>, cx: Cx<'_>) -> Vec<GroupRecord> {
        match self.downgrade(gone, cx) {
            Some(records) => records,
            None => self.records(self.remove_parts(gone, cx)),
        }
    }

    fn remove_parts(&self, gone: &BTreeSet<String>, cx: Cx<'_>) -> Vec<ConsumerPart> {
        let mut parts = Vec::new();
        for id in gone {
            parts.push(ConsumerPart::Current(id.clone(), None));
            parts.push(ConsumerPart::Target(id.clone(), None));
            parts.push(ConsumerPart::Member(id.clone(), None));
        }
        let stay = || self.members.values().filter(|member| !gone.contains(&member.id));
        let used: BTreeSet<&String> = stay().filter_map(|member| member.info.regex.as_ref()).collect();
        let unused = self.regexes.keys().filter(|regex| !used.contains(regex));
        parts.extend(unused.map(|regex| ConsumerPart::Regex(regex.clone(), None)));
        let topics_hash = cx.topics.hash_of(subscribed(stay(), &self.regexes));
        parts.push(ConsumerPart::Epoch(Some(GroupEpoch { epoch: self.epoch.epoch + 1, topics_hash })));
        parts
    }
}

/// An error that says why.
fn refuse<T>(error: ErrorCode, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(error, message))
}
