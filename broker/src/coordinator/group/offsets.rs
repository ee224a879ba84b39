//! How far each group has read: committing, looking up, forgetting.
//!
//! An offset is a record of its own, keyed by group, topic and partition, so that compaction keeps the
//! newest. Like all else here it changes in [`Offsets::replay`] alone. Offsets of a transaction are held
//! apart, under their producer, until the transaction's marker says what becomes of them (KIP-98); when
//! they meet an offset committed meanwhile, the later record wins.
//!
//! An offset is forgotten `offsets.retention.minutes` after its group became empty (KIP-211); in a group
//! of consumers that is alive, after it was committed, if nobody subscribes to its topic any more; and in
//! a group that only ever committed, after it was committed. A retention that the client chose
//! (OffsetCommit 2 to 4) comes before all of these.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use protocol::ErrorCode;
use protocol::types::{Offset, PartitionIndex, ProducerId, TimestampMs};

use super::GroupConfig;
use super::records::{CommittedOffset, GroupRecord, OffsetKey};
use super::requests::{
    CommitPartition, CommitRequest, CommitResponse, CommittedTopic, FetchOffsetsRequest,
    FetchOffsetsResponse, FetchTopic, FetchedOffset, FetchedTopic,
};
use super::state::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, GroupState};

/// An offset and where in the log its record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stored {
    value: CommittedOffset,
    position: Offset,
}

/// Offsets by topic and partition, in order: listings and tests see the same every time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ByTopic(BTreeMap<String, BTreeMap<PartitionIndex, Stored>>);

impl ByTopic {
    fn get(&self, topic: &str, partition: PartitionIndex) -> Option<&Stored> {
        self.0.get(topic)?.get(&partition)
    }

    fn insert(&mut self, topic: String, partition: PartitionIndex, stored: Stored) {
        self.0.entry(topic).or_default().insert(partition, stored);
    }

    fn remove(&mut self, topic: &str, partition: PartitionIndex) {
        if let Some(partitions) = self.0.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.0.remove(topic);
            }
        }
    }

    fn count(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    fn iter(&self) -> impl Iterator<Item = (&str, PartitionIndex, &Stored)> {
        self.0.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(&partition, stored)| (topic.as_str(), partition, stored))
        })
    }
}

/// The offsets of all groups of a shard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    committed: HashMap<String, ByTopic>,
    /// Group -> producer -> what its open transaction would commit.
    pending: HashMap<String, HashMap<ProducerId, ByTopic>>,
}

/// From when on the retention of a group's offsets counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retention {
    /// They are in use.
    Forever,
    /// From each offset's commit.
    FromCommit,
    /// From this moment.
    From(TimestampMs),
}

impl Offsets {
    /// Whether anything is kept for the group.
    pub(super) fn has_any(&self, group_id: &str) -> bool {
        self.committed.contains_key(group_id) || self.pending.contains_key(group_id)
    }

    /// Whether the group has nothing once `forgotten` of its committed offsets are gone.
    pub(super) fn is_last(&self, group_id: &str, forgotten: usize) -> bool {
        let committed = self.committed.get(group_id).map_or(0, ByTopic::count);
        committed == forgotten && !self.pending.contains_key(group_id)
    }

    /// Takes over a record at `position` of the log, of a transaction of `producer` or of none.
    pub(super) fn replay(
        &mut self,
        position: Offset,
        producer: Option<ProducerId>,
        key: OffsetKey,
        value: Option<CommittedOffset>,
    ) {
        match (value, producer) {
            (Some(value), Some(producer)) => {
                let group = self.pending.entry(key.group_id).or_default();
                let stored = Stored { value, position };
                group.entry(producer).or_default().insert(key.topic, key.partition, stored);
            }
            (Some(value), None) => {
                let group = self.committed.entry(key.group_id).or_default();
                group.insert(key.topic, key.partition, Stored { value, position });
            }
            (None, _) => self.forget(&key),
        }
    }

    fn forget(&mut self, key: &OffsetKey) {
        if let Some(group) = self.committed.get_mut(&key.group_id) {
            group.remove(&key.topic, key.partition);
            if group.0.is_empty() {
                self.committed.remove(&key.group_id);
            }
        }
        if let Some(producers) = self.pending.get_mut(&key.group_id) {
            producers.values_mut().for_each(|offsets| offsets.remove(&key.topic, key.partition));
            producers.retain(|_, offsets| !offsets.0.is_empty());
            if producers.is_empty() {
                self.pending.remove(&key.group_id);
            }
        }
    }

    /// A transaction's marker: its offsets count from now on, or never did. Returns the groups concerned.
    pub(super) fn end_transaction(&mut self, producer: ProducerId, commit: bool) -> Vec<String> {
        let mut groups = Vec::new();
        for (group_id, producers) in &mut self.pending {
            let Some(offsets) = producers.remove(&producer) else { continue };
            groups.push(group_id.clone());
            if !commit {
                continue;
            }
            let committed = self.committed.entry(group_id.clone()).or_default();
            for (topic, partition, stored) in offsets.iter() {
                let newer = committed.get(topic, partition).is_none_or(|old| old.position < stored.position);
                if newer {
                    committed.insert(topic.to_owned(), partition, stored.clone());
                }
            }
        }
        self.pending.retain(|_, producers| !producers.is_empty());
        groups
    }

    /// The records of an OffsetCommit that the group allows, and its answer.
    pub(super) fn commit(
        request: &CommitRequest,
        config: &GroupConfig,
        now: TimestampMs,
    ) -> (CommitResponse, Vec<GroupRecord>) {
        let mut records = Vec::new();
        let mut response = CommitResponse::default();
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                // Kafka counts UTF-16 units, as Java strings do.
                let note = partition.metadata.as_deref().unwrap_or_default();
                if note.encode_utf16().count() > config.offset_metadata_max_chars {
                    partitions.push((partition.partition, ErrorCode::OffsetMetadataTooLarge));
                    continue;
                }
                partitions.push((partition.partition, ErrorCode::None));
                let key = OffsetKey {
                    group_id: request.group_id.clone(),
                    topic: topic.topic.clone(),
                    partition: partition.partition,
                };
                let value = Some(committed(partition, request.retention_ms, now));
                records.push(GroupRecord::OffsetCommit { key, value });
            }
            response.topics.push(CommittedTopic { topic: topic.topic.clone(), partitions });
        }
        (response, records)
    }

    /// Answers OffsetFetch.
    pub(super) fn fetch(&self, request: &FetchOffsetsRequest) -> FetchOffsetsResponse {
        let committed = self.committed.get(&request.group_id);
        let topics = match &request.topics {
            Some(topics) => {
                let look_up = |topic: &FetchTopic| FetchedTopic {
                    topic: topic.topic.clone(),
                    partitions: topic
                        .partitions
                        .iter()
                        .map(|&partition| self.fetch_one(committed, request, &topic.topic, partition))
                        .collect(),
                };
                topics.iter().map(look_up).collect()
            }
            None => {
                let all = committed.into_iter().flat_map(|group| &group.0);
                let list = |(topic, partitions): (&String, &BTreeMap<PartitionIndex, Stored>)| FetchedTopic {
                    topic: topic.clone(),
                    partitions: partitions
                        .keys()
                        .map(|&partition| self.fetch_one(committed, request, topic, partition))
                        .collect(),
                };
                all.map(list).collect()
            }
        };
        FetchOffsetsResponse { error: ErrorCode::None, topics }
    }

    fn fetch_one(
        &self,
        committed: Option<&ByTopic>,
        request: &FetchOffsetsRequest,
        topic: &str,
        partition: PartitionIndex,
    ) -> FetchedOffset {
        if request.require_stable && self.is_pending(&request.group_id, topic, partition) {
            return FetchedOffset::missing(partition, ErrorCode::UnstableOffsetCommit);
        }
        match committed.and_then(|group| group.get(topic, partition)) {
            None => FetchedOffset::missing(partition, ErrorCode::None),
            Some(Stored { value, .. }) => FetchedOffset {
                partition,
                offset: value.offset,
                leader_epoch: value.leader_epoch,
                metadata: value.metadata.clone(),
                error: ErrorCode::None,
            },
        }
    }

    /// Whether an open transaction would commit this partition's offset.
    fn is_pending(&self, group_id: &str, topic: &str, partition: PartitionIndex) -> bool {
        let producers = self.pending.get(group_id);
        let mut open = producers.into_iter().flat_map(HashMap::values);
        open.any(|offsets| offsets.get(topic, partition).is_some())
    }

    /// Tombstones of all that the group has, open transactions included.
    pub(super) fn forget_group(&self, group_id: &str) -> Vec<GroupRecord> {
        self.tombstones(group_id, |_, _, _| true)
    }

    /// Tombstones of what the group has in `topic`.
    pub(super) fn forget_topic(&self, group_id: &str, topic: &str) -> Vec<GroupRecord> {
        self.tombstones(group_id, |name, _, _| name == topic)
    }

    /// The tombstone of one offset, if there is one.
    pub(super) fn forget_one(
        &self,
        group_id: &str,
        topic: &str,
        partition: PartitionIndex,
    ) -> Option<GroupRecord> {
        let committed = self.committed.get(group_id)?;
        committed.get(topic, partition).map(|_| tombstone(group_id, topic, partition))
    }

    /// Tombstones of what the group has kept too long of topics that it does not read.
    pub(super) fn forget_expired(
        &self,
        group_id: &str,
        reads: impl Fn(&str) -> bool,
        since: Retention,
        retention: Duration,
        now: TimestampMs,
    ) -> Vec<GroupRecord> {
        if since == Retention::Forever {
            return Vec::new();
        }
        self.tombstones(group_id, |topic, partition, offset| {
            !reads(topic)
                && is_expired(offset, since, retention, now)
                && !self.is_pending(group_id, topic, partition)
        })
    }

    fn tombstones(
        &self,
        group_id: &str,
        which: impl Fn(&str, PartitionIndex, &CommittedOffset) -> bool,
    ) -> Vec<GroupRecord> {
        let committed = self.committed.get(group_id).into_iter();
        let pending = self.pending.get(group_id).into_iter().flat_map(HashMap::values);
        let mut keys: Vec<(&str, PartitionIndex)> = committed
            .chain(pending)
            .flat_map(ByTopic::iter)
            .filter(|(topic, partition, stored)| which(topic, *partition, &stored.value))
            .map(|(topic, partition, _)| (topic, partition))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().map(|(topic, partition)| tombstone(group_id, topic, partition)).collect()
    }

    /// Groups that have offsets in `topic`.
    pub(super) fn groups_reading(&self, topic: &str) -> Vec<String> {
        let committed = self.committed.iter().filter(|(_, offsets)| offsets.0.contains_key(topic));
        let reads = |producers: &HashMap<ProducerId, ByTopic>| {
            producers.values().any(|offsets| offsets.0.contains_key(topic))
        };
        let pending = self.pending.iter().filter(|(_, producers)| reads(producers));
        let mut groups: Vec<String> =
            committed.map(|(id, _)| id).chain(pending.map(|(id, _)| id)).cloned().collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}

/// Whether the group lets this OffsetCommit through.
pub(super) fn validate_commit(group: &ClassicGroup, request: &CommitRequest) -> Result<(), ErrorCode> {
    let from_outside = request.generation < 0;
    if from_outside && group.state() == GroupState::Empty {
        return Ok(());
    }
    let names_member = !request.member_id.is_empty() || request.group_instance_id.is_some();
    if from_outside && !names_member {
        return if request.transactional { Ok(()) } else { Err(ErrorCode::UnknownMemberId) };
    }
    group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    if request.generation != group.generation() {
        return Err(ErrorCode::IllegalGeneration);
    }
    // A member with this generation has its JoinGroup answer, but not yet the partitions to speak for.
    if group.state() == GroupState::CompletingRebalance && !request.transactional {
        return Err(ErrorCode::RebalanceInProgress);
    }
    Ok(())
}

fn committed(partition: &CommitPartition, retention_ms: i64, now: TimestampMs) -> CommittedOffset {
    let given = partition.committed_at.filter(|&at| at != TimestampMs::NONE);
    CommittedOffset {
        offset: partition.offset,
        leader_epoch: partition.leader_epoch,
        metadata: partition.metadata.clone().unwrap_or_default(),
        committed_at: given.unwrap_or(now),
        expires_at: (retention_ms >= 0).then(|| TimestampMs(now.0.saturating_add(retention_ms))),
    }
}

pub(super) fn retention_of(group: &ClassicGroup) -> Retention {
    match (group.protocol_type(), group.state()) {
        (None, _) => Retention::FromCommit,
        (Some(_), GroupState::Empty) => group.state_since().map_or(Retention::FromCommit, Retention::From),
        (Some(CONSUMER_PROTOCOL_TYPE), GroupState::Stable) if group.subscribed_topics().is_some() => {
            Retention::FromCommit
        }
        _ => Retention::Forever,
    }
}

fn is_expired(offset: &CommittedOffset, since: Retention, retention: Duration, now: TimestampMs) -> bool {
    if let Some(expires_at) = offset.expires_at {
        return expires_at <= now;
    }
    let since = match since {
        Retention::Forever => return false,
        Retention::FromCommit => offset.committed_at,
        Retention::From(since) => since,
    };
    let kept_ms = now.0.saturating_sub(since.0);
    u128::try_from(kept_ms).is_ok_and(|kept_ms| kept_ms >= retention.as_millis())
}

fn tombstone(group_id: &str, topic: &str, partition: PartitionIndex) -> GroupRecord {
    let key = OffsetKey { group_id: group_id.to_owned(), topic: topic.to_owned(), partition };
    GroupRecord::OffsetCommit { key, value: None }
}
