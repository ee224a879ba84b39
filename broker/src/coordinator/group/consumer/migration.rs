//! From the classic protocol to KIP-848's and back, while the group goes on reading.
//!
//! ```text
//!             first ConsumerGroupHeartbeat with epoch 0
//!   classic ─────────────────────────────────────────────▶ consumer, with members of both kinds
//!      ▲                                                          │
//!      └──────────────────────────────────────────────────────────┘
//!             the last member that speaks KIP-848's protocol goes
//! ```
//!
//! Either way the old group's tombstones and the new group's records are one step. Upwards everyone keeps
//! what they were assigned; downwards too, and then all rebalance. `group.consumer.migration.policy` says
//! which ways are open. A group without members changes its kind whatever the policy.
//!
//! Source: `convertToConsumerGroup`, `convertToClassicGroup` in `GroupMetadataManager.java` of Apache Kafka 4;
//! KIP-848, "Online migration".

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use protocol::ErrorCode;
use protocol::consumer::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use protocol::types::TopicId;
use tracing::info;

use super::classic_members::{assignment, by_id};
use super::{ConsumerGroup, Cx, Member, refuse, subscribed};
use crate::coordinator::group::member::Member as ClassicMember;
use crate::coordinator::group::records::{
    ClassicInfo, ConsumerPart, CurrentAssignment, GroupEpoch, GroupMetadata, GroupRecord, MemberInfo,
    MemberMetadata, Partitions,
};
use crate::coordinator::group::requests::Refusal;
use crate::coordinator::group::state::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, GroupState};

/// Which ways a group with members may change its kind: `group.consumer.migration.policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MigrationPolicy {
    /// Classic groups may become consumer groups.
    pub upgrade: bool,
    /// Consumer groups may become classic groups.
    pub downgrade: bool,
}

impl MigrationPolicy {
    /// The policy of this name: `disabled`, `upgrade`, `downgrade` or `bidirectional`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let both = name == "bidirectional";
        Self { upgrade: both || name == "upgrade", downgrade: both || name == "downgrade" }
    }
}

// Upwards.

impl ConsumerGroup {
    /// A classic group as a consumer group, and the records that make it one.
    pub(in crate::coordinator::group) fn upgraded(
        classic: &ClassicGroup,
        cx: Cx<'_>,
    ) -> Result<(Self, Vec<GroupRecord>), Refusal> {
        let id = classic.id.as_str();
        let cannot = |why: &str| {
            info!(group = id, why, "classic group is not upgraded");
            let message = format!("Cannot upgrade classic group {id} to consumer group because {why}.");
            refuse(ErrorCode::GroupIdNotFound, message)
        };
        if !cx.config.consumer.migration.upgrade {
            return cannot("online upgrade is disabled");
        }
        if classic.protocol_type() != Some(CONSUMER_PROTOCOL_TYPE) {
            return cannot("the group does not use the consumer embedded protocol");
        }
        if classic.member_count() > cx.config.consumer.max_size {
            return cannot("the group size exceeds the consumer group maximum size");
        }
        let mut members = Vec::with_capacity(classic.member_count());
        for member in classic.members() {
            match upgraded_member(classic, member, cx) {
                Ok(member) => members.push(member),
                Err(why) => return cannot(why),
            }
        }
        let members = keep_what_they_own(members, classic.state() != GroupState::Stable);
        info!(group = id, members = members.len(), "classic group becomes a consumer group");
        let mut group = Self::new(id);
        let topics_hash = cx.topics.hash_of(subscribed(members.iter(), &BTreeMap::new()));
        let parts = upgraded_parts(GroupEpoch { epoch: classic.generation(), topics_hash }, members);
        parts.iter().for_each(|part| group.replay(part.clone()));
        let mut records = classic.tombstone();
        records.extend(group.records(parts));
        Ok((group, records))
    }
}

fn upgraded_member(
    classic: &ClassicGroup,
    member: &ClassicMember,
    cx: Cx<'_>,
) -> Result<(Member, Partitions), &'static str> {
    const MALFORMED: &str = "the embedded consumer protocol is malformed";
    let metadata = match classic.protocol() {
        Some(protocol) => member.metadata(protocol),
        // Its first rebalance is under way.
        None => member.protocols.first().map(|offered| offered.metadata.clone()).unwrap_or_default(),
    };
    let subscription = protocol::consumer::decode::<ConsumerProtocolSubscription<'_>>(&metadata);
    let (_, subscription) = subscription.map_err(|_| MALFORMED)?;
    let assigned = match member.assignment.is_empty() {
        true => Partitions::new(),
        false => {
            let read = protocol::consumer::decode::<ConsumerProtocolAssignment<'_>>(&member.assignment);
            let (_, assignment) = read.map_err(|_| MALFORMED)?;
            if assignment.user_data.is_some_and(|data| !data.is_empty()) {
                return Err("an unsupported custom assignor is in use");
            }
            by_id(&assignment.assigned_partitions, cx.topics)
        }
    };
    let owned = by_id(&subscription.owned_partitions, cx.topics);
    let info = MemberInfo {
        instance_id: member.group_instance_id.clone(),
        rack_id: subscription.rack_id.map(Cow::into_owned),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        topics: subscription.topics.into_iter().map(Cow::into_owned).collect(),
        regex: None,
        rebalance_timeout_ms: member.rebalance_timeout.as_millis() as i32,
        assignor: None,
        classic: Some(ClassicInfo {
            session_timeout_ms: member.session_timeout.as_millis() as i32,
            protocols: member.protocols.clone(),
        }),
    };
    let epoch = classic.generation();
    let current =
        CurrentAssignment { epoch, previous_epoch: epoch, assigned, ..CurrentAssignment::default() };
    Ok((Member { id: member.id.clone(), info, current }, owned))
}

/// In the middle of a classic rebalance a member has not heard of its assignment yet, and reads what it named as its own
/// when it joined. It keeps that too, unless somebody else has been assigned it, until it is told to give it back.
fn keep_what_they_own(members: Vec<(Member, Partitions)>, rebalancing: bool) -> Vec<Member> {
    let each = |partitions: &Partitions| -> Vec<(TopicId, i32)> {
        partitions.iter().flat_map(|(topic, set)| set.iter().map(|index| (*topic, *index))).collect()
    };
    let mut taken: BTreeSet<_> =
        members.iter().flat_map(|(member, _)| each(&member.current.assigned)).collect();
    let keep = |(mut member, owned): (Member, Partitions)| {
        for (topic, index) in each(&owned).into_iter().filter(|_| rebalancing) {
            if taken.insert((topic, index)) {
                member.current.assigned.entry(topic).or_default().insert(index);
            }
        }
        member
    };
    members.into_iter().map(keep).collect()
}

/// Everyone has what they were assigned last, and nobody is on the way anywhere.
fn upgraded_parts(epoch: GroupEpoch, mut members: Vec<Member>) -> Vec<ConsumerPart> {
    // A leader may have given a partition to two; only one of them keeps it.
    let mut taken = BTreeSet::new();
    for member in &mut members {
        for (topic, partitions) in &mut member.current.assigned {
            partitions.retain(|partition| taken.insert((*topic, *partition)));
        }
        member.current.assigned.retain(|_, partitions| !partitions.is_empty());
    }
    let mut parts = Vec::with_capacity(3 * members.len() + 2);
    parts.extend(
        members.iter().map(|member| ConsumerPart::Member(member.id.clone(), Some(member.info.clone()))),
    );
    let generation = epoch.epoch;
    parts.push(ConsumerPart::Epoch(Some(epoch)));
    let target =
        |member: &Member| ConsumerPart::Target(member.id.clone(), Some(member.current.assigned.clone()));
    parts.extend(members.iter().map(target));
    parts.push(ConsumerPart::TargetEpoch(Some(generation)));
    parts.extend(members.into_iter().map(|member| ConsumerPart::Current(member.id, Some(member.current))));
    parts
}

// Downwards.

impl ConsumerGroup {
    /// The records that make the group classic when `gone` go, if only classic members stay.
    pub(super) fn downgrade(&self, gone: &BTreeSet<String>, cx: Cx<'_>) -> Option<Vec<GroupRecord>> {
        self.downgraded(gone, cx).map(|metadata| self.made_classic(metadata))
    }

    /// The records that make the group classic once `parts` hold, if only classic members are left then.
    pub(super) fn downgrade_after(&self, parts: &[ConsumerPart], cx: Cx<'_>) -> Option<Vec<GroupRecord>> {
        let mut after = self.clone();
        parts.iter().for_each(|part| after.replay(part.clone()));
        // The log has the group as it was: that is what must go from it.
        after.downgraded(&BTreeSet::new(), cx).map(|metadata| self.made_classic(metadata))
    }

    /// The group without `gone` as the classic protocol has it, if it may become classic.
    fn downgraded(&self, gone: &BTreeSet<String>, cx: Cx<'_>) -> Option<GroupMetadata> {
        let stay: Vec<&Member> = self.members.values().filter(|member| !gone.contains(&member.id)).collect();
        let fits = !stay.is_empty() && stay.len() <= cx.config.max_size;
        if !fits || !cx.config.consumer.migration.downgrade || !stay.iter().all(|member| member.is_classic())
        {
            return None;
        }
        self.as_classic(&stay, cx)
    }

    fn made_classic(&self, metadata: GroupMetadata) -> Vec<GroupRecord> {
        info!(group = self.id, members = metadata.members.len(), "consumer group becomes a classic group");
        let mut records = self.tombstones();
        records.push(GroupRecord::GroupMetadata { group_id: self.id.clone(), value: Some(metadata) });
        records
    }

    /// The group as the classic protocol has it; `None` if the members share no assignor.
    ///
    /// Other than in Apache Kafka each has been assigned what it holds, not what it was to have: should the group
    /// become a consumer group again before all have rejoined, nobody else is given what one still reads.
    fn as_classic(&self, members: &[&Member], cx: Cx<'_>) -> Option<GroupMetadata> {
        let offered = |member: &Member, name: &str| {
            let mut protocols = member.info.classic.iter().flat_map(|classic| &classic.protocols);
            protocols.find(|protocol| protocol.name == name).map(|protocol| protocol.metadata.clone())
        };
        let first = members.first()?.info.classic.as_ref()?;
        let mut names = first.protocols.iter().map(|protocol| protocol.name.as_str());
        let shared = names.find(|name| members.iter().all(|member| offered(member, name).is_some()))?;
        let stored = |member: &&Member| {
            let info = &member.info;
            let mut held = Partitions::new();
            member.held().for_each(|(topic, partition)| _ = held.entry(topic).or_default().insert(partition));
            MemberMetadata {
                member_id: member.id.clone(),
                group_instance_id: info.instance_id.clone(),
                client_id: info.client_id.clone(),
                client_host: info.client_host.clone(),
                rebalance_timeout_ms: info.rebalance_timeout_ms,
                session_timeout_ms: info.classic.as_ref().map_or(0, |classic| classic.session_timeout_ms),
                subscription: offered(member, shared).unwrap_or_default(),
                assignment: assignment(member, &held, cx.topics),
            }
        };
        Some(GroupMetadata {
            protocol_type: CONSUMER_PROTOCOL_TYPE.to_owned(),
            generation: self.epoch.epoch,
            protocol: Some(shared.to_owned()),
            leader: members.first().map(|member| member.id.clone()),
            state_since: Some(cx.now.wall),
            members: members.iter().map(stored).collect(),
        })
    }
}
