//! The classic group: its states, what each answers, and the only transitions there are.
//!
//! ```text
//!            first JoinGroup          all rejoined, or timeout          leader's SyncGroup
//!   Empty ──────────────────▶ Preparing ───────────────────▶ Completing ─────────────────▶ Stable
//!     ▲                       Rebalance                      Rebalance                        │
//!     │      nobody left        │   ▲   ▲                        │                            │
//!     └─────────────────────────┘   │   └────────────────────────┘                            │
//!     │                             │        new or changed member, member gone,              │
//!     ▼                             │        or no SyncGroup in time                          │
//!   (Dead)                          └─────────────────────────────────────────────────────────┘
//!   deleted, or nothing left to keep     new or changed member, member gone, leader rejoins
//! ```
//!
//! | request | Empty | PreparingRebalance | CompletingRebalance | Stable |
//! |---|---|---|---|---|
//! | JoinGroup, no member id, version 4+ | MEMBER_ID_REQUIRED | the same | the same | the same |
//! | JoinGroup, new member | rebalance | wait | rebalance | rebalance |
//! | JoinGroup, known, same protocols | UNKNOWN_MEMBER_ID | wait | this generation again | leader: rebalance; others: this generation again |
//! | JoinGroup, known, other protocols | UNKNOWN_MEMBER_ID | wait | rebalance | rebalance |
//! | JoinGroup, static member back without its id | new member | takes its place | takes its place, rebalance | takes its place; rebalance only if the vote changes |
//! | SyncGroup | UNKNOWN_MEMBER_ID | REBALANCE_IN_PROGRESS | leader: to Stable; others: wait | own assignment |
//! | Heartbeat | UNKNOWN_MEMBER_ID | REBALANCE_IN_PROGRESS | ok | ok |
//! | LeaveGroup | UNKNOWN_MEMBER_ID | leaves | leaves, rebalance | leaves, rebalance |
//! | OffsetCommit of a member | UNKNOWN_MEMBER_ID | ok | REBALANCE_IN_PROGRESS | ok |
//! | OffsetCommit from outside (generation -1, no id) | ok | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID |
//! | OffsetFetch | ok | ok | ok | ok |
//! | OffsetDelete | ok | NON_EMPTY_GROUP, or for consumers GROUP_SUBSCRIBED_TO_TOPIC where they read | the same | the same |
//! | DeleteGroups | Dead | NON_EMPTY_GROUP | NON_EMPTY_GROUP | NON_EMPTY_GROUP |
//!
//! `answers.txt` has it all, with who asks and what is wrong with it.
//!
//! In every state a member that the group does not know is UNKNOWN_MEMBER_ID, one whose static name has
//! moved to another id FENCED_INSTANCE_ID, a known one with another generation ILLEGAL_GENERATION (in
//! that order), and a JoinGroup whose protocols cannot be agreed on INCONSISTENT_GROUP_PROTOCOL.
//!
//! Two steps are records and happen in [`ClassicGroup::replay`] alone, live and at start-up alike: to
//! Stable, and to Empty. Everything between them is a rebalance under way, which a crash forgets: the
//! group is then what the last record says, members get a fresh session, and those of the forgotten
//! rebalance hear ILLEGAL_GENERATION or UNKNOWN_MEMBER_ID and join again. No assignment is lost by
//! that: members see one only after its record is durable.
//!
//! Invariants, checked by [`ClassicGroup::check`]: the leader is a member; static names and members
//! point at each other; some protocol is offered by all; only a rebalance holds parked joins, only
//! CompletingRebalance parked syncs; Empty has no members.
//!
//! Source: `ClassicGroup.java`, `ClassicGroupState.java` and `GroupMetadataManager.java` of Apache Kafka 4;
//! KIP-62, KIP-345, KIP-394, KIP-814.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::codec::{Decode, Reader};
use protocol::consumer::ConsumerProtocolSubscription;
use protocol::types::TimestampMs;
use tracing::info;

use super::member::Member;
use super::records::{GroupMetadata, GroupRecord};
use super::requests::{DescribedGroup, DescribedMember, JoinProtocol, JoinRequest};

/// The protocol type of ordinary consumers.
pub(super) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// The state of a classic group; the module's documentation is its table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GroupState {
    /// No members; kept for its offsets.
    #[default]
    Empty,
    /// Members are being collected for the next generation.
    PreparingRebalance,
    /// The next generation has begun; its leader has not assigned yet.
    CompletingRebalance,
    /// Everyone has an assignment.
    Stable,
    /// Of a consumer group: who is to have what is behind what members want.
    Assigning,
    /// Of a consumer group: members are on their way to what they are to have.
    Reconciling,
    /// Not there: no group is ever held in this state, but an unknown one is described so.
    Dead,
}

impl GroupState {
    /// Kafka's name of the state.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Dead => "Dead",
        }
    }

    /// Whether a live group may go from here to `next`.
    const fn may_become(self, next: Self) -> bool {
        use GroupState::{CompletingRebalance, Empty, PreparingRebalance, Stable};
        matches!(
            (self, next),
            (Empty | CompletingRebalance | Stable, PreparingRebalance)
                | (PreparingRebalance, CompletingRebalance)
        )
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The kinds of group that Kafka tells apart (KIP-848).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupType {
    /// JoinGroup and SyncGroup: the leader assigns.
    Classic,
    /// ConsumerGroupHeartbeat: the broker assigns.
    Consumer,
}

impl GroupType {
    /// Kafka's name of the type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

impl fmt::Display for GroupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What ends the collecting of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinTimer {
    /// The group was empty: wait a little for others, longer if some came (`group.initial.rebalance.delay.ms`).
    Initial { at: Duration, delay: Duration, remaining: Duration },
    /// Known members have this long to rejoin.
    Rejoin { at: Duration },
}

impl JoinTimer {
    fn at(self) -> Duration {
        match self {
            Self::Initial { at, .. } | Self::Rejoin { at } => at,
        }
    }
}

/// A classic group. Times are on the monotonic clock unless they are a [`TimestampMs`].
#[derive(Debug)]
pub(super) struct ClassicGroup {
    pub(super) id: String,
    state: GroupState,
    state_since: Option<TimestampMs>,
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<String>,
    members: BTreeMap<String, Member>,
    /// Static name -> member id.
    static_members: HashMap<String, String>,
    /// Member ids given out with MEMBER_ID_REQUIRED and not come back yet, each with its deadline.
    pub(super) pending: BTreeMap<String, Duration>,
    pub(super) join_timer: Option<JoinTimer>,
    /// When members that have not sent SyncGroup are dropped.
    pub(super) sync_deadline: Option<Duration>,
    /// Someone joined during the initial delay.
    pub(super) new_member_added: bool,
    /// A static member as it was before the record that gives its place to a new id; until that record is
    /// in the log or has failed.
    replaced: Option<Member>,
    /// A record of this group is in the log, so that forgetting it takes a tombstone.
    persisted: bool,
}

impl ClassicGroup {
    /// A group that nobody has joined yet.
    pub(super) fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            state: GroupState::Empty,
            state_since: None,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: HashMap::new(),
            pending: BTreeMap::new(),
            join_timer: None,
            sync_deadline: None,
            new_member_added: false,
            replaced: None,
            persisted: false,
        }
    }

    // What others may see.

    pub(super) fn state(&self) -> GroupState {
        self.state
    }

    pub(super) fn state_since(&self) -> Option<TimestampMs> {
        self.state_since
    }

    pub(super) fn generation(&self) -> i32 {
        self.generation
    }

    pub(super) fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    pub(super) fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    pub(super) fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    pub(super) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    pub(super) fn is_persisted(&self) -> bool {
        self.persisted
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(super) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut()
    }

    pub(super) fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    pub(super) fn member_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.get_mut(id)
    }

    pub(super) fn member_count(&self) -> usize {
        self.members.len()
    }

    pub(super) fn awaiting_join_count(&self) -> usize {
        self.members().filter(|member| member.awaiting_join.is_some()).count()
    }

    /// The member id behind a static name.
    pub(super) fn static_member(&self, group_instance_id: &str) -> Option<&str> {
        self.static_members.get(group_instance_id).map(String::as_str)
    }

    /// Whether nothing in memory or in the log would be missed if the group were dropped.
    pub(super) fn is_forgettable(&self) -> bool {
        self.state == GroupState::Empty && !self.persisted && self.pending.is_empty()
    }

    pub(super) fn all_joined(&self) -> bool {
        self.pending.is_empty() && self.members().all(|member| member.awaiting_join.is_some())
    }

    pub(super) fn all_synced(&self) -> bool {
        self.members().all(|member| member.synced)
    }

    /// The longest time that any member may take to rejoin.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        self.members().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    /// When something is next due, if ever.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let sessions = self.members().filter(|member| member.can_expire()).map(|member| member.deadline);
        let pending = self.pending.values().copied();
        let join = self.join_timer.map(JoinTimer::at);
        sessions.chain(pending).chain(join).chain(self.sync_deadline).min()
    }

    /// Who may speak for the group: a static name must still belong to the id, the id must be a member.
    pub(super) fn validate_member(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.static_member(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(id) if id != member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Whether a member with these protocols could be part of the group.
    pub(super) fn supports_protocols(&self, protocol_type: &str, protocols: &[JoinProtocol]) -> bool {
        if self.state == GroupState::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|offered| self.members().all(|member| member.supports(&offered.name)))
    }

    /// The assignor with the most votes: every member votes for the first of its own that all know.
    ///
    /// Ties go to the leader's preference, so that the result does not depend on hashing.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let mut known_by: HashMap<&str, usize> = HashMap::new();
        for offered in self.members().flat_map(|member| &member.protocols) {
            *known_by.entry(&offered.name).or_default() += 1;
        }
        let known_to_all = |name: &str| known_by.get(name) == Some(&self.members.len());
        let mut votes: HashMap<&str, usize> = HashMap::new();
        for member in self.members() {
            let names = member.protocols.iter().map(|offered| offered.name.as_str());
            if let Some(first) = names.into_iter().find(|name| known_to_all(name)) {
                *votes.entry(first).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        let leader = self.leader().and_then(|leader| self.member(leader))?;
        let mut names = leader.protocols.iter().map(|offered| offered.name.as_str());
        names.find(|name| votes.get(name) == Some(&most)).map(str::to_owned)
    }

    /// The topics that the members subscribe to, where that can be told: nobody outside knows what the
    /// metadata of another protocol type means.
    pub(super) fn subscribed_topics(&self) -> Option<HashSet<String>> {
        if self.protocol_type() != Some(CONSUMER_PROTOCOL_TYPE) {
            return None;
        }
        if self.members.is_empty() {
            return Some(HashSet::new());
        }
        let protocol = self.protocol()?;
        let mut topics = HashSet::new();
        for member in self.members() {
            topics.extend(subscribed_topics(&member.metadata(protocol))?);
        }
        Some(topics)
    }

    /// What DescribeGroups shows.
    pub(super) fn describe(&self) -> DescribedGroup {
        let protocol = self.protocol().filter(|_| self.state == GroupState::Stable);
        let describe = |member: &Member| DescribedMember {
            member_id: member.id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: protocol.map(|protocol| member.metadata(protocol)).unwrap_or_default(),
            assignment: member.assignment.clone(),
        };
        DescribedGroup {
            group_id: self.id.clone(),
            error: ErrorCode::None,
            state: self.state,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: protocol.unwrap_or_default().to_owned(),
            members: self.members().map(describe).collect(),
            of_another_kind: false,
        }
    }

    // Membership. None of this is in the log before the rebalance that it belongs to ends.

    /// Takes a member in. The first one leads and decides the protocol type.
    pub(super) fn add(&mut self, member: Member, protocol_type: &str) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_owned());
        }
        if let Some(name) = &member.group_instance_id {
            self.static_members.insert(name.clone(), member.id.clone());
        }
        self.pending.remove(&member.id);
        self.leader.get_or_insert_with(|| member.id.clone());
        self.members.insert(member.id.clone(), member);
    }

    /// Lets a member go; if it led, another does.
    pub(super) fn remove(&mut self, member_id: &str) -> Option<Member> {
        let member = self.members.remove(member_id)?;
        if let Some(name) = &member.group_instance_id {
            self.static_members.remove(name);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Gives a static member's place to a new id. Returns the member as it was, parked requests and all.
    pub(super) fn replace_static(&mut self, name: &str, new_id: &str) -> Option<Member> {
        self.replaced = None;
        let old_id = self.static_members.get(name)?.clone();
        let old = self.members.remove(&old_id)?;
        // As in Apache Kafka it is known, so that it may wait longer than its session.
        let new = Member {
            id: new_id.to_owned(),
            is_new: false,
            awaiting_join: None,
            awaiting_sync: None,
            ..old.clone()
        };
        self.members.insert(new.id.clone(), new);
        self.static_members.insert(name.to_owned(), new_id.to_owned());
        if self.is_leader(&old_id) {
            self.leader = Some(new_id.to_owned());
        }
        Some(old)
    }

    /// Lets a static member offer what its new self offers, until the record of that is in the log.
    pub(super) fn update_until_recorded(&mut self, member_id: &str, request: &JoinRequest) {
        if let Some(member) = self.members.get_mut(member_id) {
            self.replaced = Some(member.clone());
            member.update(request);
        }
    }

    /// The record failed: the static member is who it was.
    pub(super) fn restore_replaced(&mut self) {
        if let Some(before) = self.replaced.take() {
            self.members.insert(before.id.clone(), before);
        }
    }

    /// Makes sure that the leader is one who rejoined. `false` if nobody has.
    pub(super) fn elect_joined_leader(&mut self) -> bool {
        let joined = |member: &Member| member.awaiting_join.is_some();
        if self.leader().and_then(|leader| self.member(leader)).is_some_and(joined) {
            return true;
        }
        let elected = self.members().find(|member| joined(member)).map(|member| member.id.clone());
        let found = elected.is_some();
        if found {
            self.leader = elected;
        }
        found
    }

    // Transitions.

    fn transition(&mut self, next: GroupState, now: TimestampMs) {
        assert!(self.state.may_become(next), "group {}: {} -> {next}", self.id, self.state);
        self.state = next;
        self.state_since = Some(now);
    }

    /// -> PreparingRebalance.
    pub(super) fn begin_rebalance(&mut self, now: TimestampMs, reason: &str) {
        info!(group = self.id, state = %self.state, generation = self.generation, reason, "rebalancing");
        self.transition(GroupState::PreparingRebalance, now);
        self.sync_deadline = None;
    }

    /// PreparingRebalance -> CompletingRebalance: the next generation, with everyone in it.
    pub(super) fn begin_generation(&mut self, now: TimestampMs) {
        // Parallel to Kafka: 2^31 rebalances of one group are out of reach, wrapping is not worse.
        self.generation = self.generation.wrapping_add(1);
        self.protocol = self.select_protocol();
        self.transition(GroupState::CompletingRebalance, now);
        self.join_timer = None;
        self.new_member_added = false;
        info!(
            group = self.id,
            generation = self.generation,
            members = self.members.len(),
            "generation begun"
        );
    }

    /// The record of the generation under way, once the leader has given `assign` of each member.
    pub(super) fn assigned(&self, now: TimestampMs, assign: impl Fn(&Member) -> Bytes) -> GroupMetadata {
        let protocol = self.protocol.clone().unwrap_or_default();
        let stored = |member: &Member| {
            let mut stored = member.stored(&protocol);
            stored.assignment = assign(member);
            stored
        };
        GroupMetadata {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since: Some(now),
            members: self.members().map(stored).collect(),
        }
    }

    /// The record of the next generation, which has nobody in it.
    pub(super) fn emptied(&self, now: TimestampMs) -> GroupMetadata {
        GroupMetadata {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation.wrapping_add(1),
            protocol: None,
            leader: None,
            state_since: Some(now),
            members: Vec::new(),
        }
    }

    /// The record that removes the group, if it is in the log.
    pub(super) fn tombstone(&self) -> Vec<GroupRecord> {
        let tombstone = GroupRecord::GroupMetadata { group_id: self.id.clone(), value: None };
        self.persisted.then_some(tombstone).into_iter().collect()
    }

    /// -> Stable or Empty: the group is now what `record` says, live and at start-up alike.
    ///
    /// What only a live coordinator knows of a member stays with it, also under a new id of a static one.
    pub(super) fn replay(&mut self, record: GroupMetadata) {
        let mut known = std::mem::take(&mut self.members);
        let old_names = std::mem::take(&mut self.static_members);
        self.state = if record.members.is_empty() { GroupState::Empty } else { GroupState::Stable };
        self.state_since = record.state_since;
        self.generation = record.generation;
        self.protocol_type = Some(record.protocol_type).filter(|name| !name.is_empty());
        self.protocol = record.protocol;
        self.leader = record.leader;
        self.persisted = true;
        self.replaced = None;
        self.join_timer = None;
        if self.state == GroupState::Empty {
            self.sync_deadline = None;
            self.leader = None;
        }
        let protocol = self.protocol.as_deref().unwrap_or_default();
        for stored in record.members {
            let name = stored.group_instance_id.clone();
            let before = known.remove(&stored.member_id).or_else(|| {
                let old_id = old_names.get(name.as_ref()?)?;
                known.remove(old_id)
            });
            let member = Member::replayed(stored, protocol, before);
            if let Some(name) = name {
                self.static_members.insert(name, member.id.clone());
            }
            self.members.insert(member.id.clone(), member);
        }
        self.mend();
    }

    /// Restores the invariants that a record of foreign origin may break; ours never do.
    fn mend(&mut self) {
        self.static_members.retain(|name, id| {
            self.members.get(id).is_some_and(|member| member.group_instance_id.as_ref() == Some(name))
        });
        for member in self.members.values_mut() {
            let name = member.group_instance_id.as_ref();
            if name.is_some_and(|name| self.static_members.get(name) != Some(&member.id)) {
                member.group_instance_id = None;
            }
        }
        if self.leader().is_none_or(|leader| !self.members.contains_key(leader)) {
            self.leader = self.members.keys().next().cloned();
        }
        if !self.members.is_empty() {
            self.protocol.get_or_insert_default();
        }
    }

    /// Asserts the invariants that the module's documentation lists. Cheap enough after every change.
    pub(super) fn check(&self) {
        let id = &self.id;
        assert_eq!(self.leader.is_some(), !self.members.is_empty(), "{id}: leader without group or reverse");
        assert!(self.leader().is_none_or(|leader| self.members.contains_key(leader)), "{id}: leader is gone");
        for (name, member_id) in &self.static_members {
            let named = self.member(member_id).and_then(|member| member.group_instance_id.as_ref());
            assert_eq!(named, Some(name), "{id}: static name without its member");
        }
        let named = self.members().filter(|member| member.group_instance_id.is_some()).count();
        assert_eq!(named, self.static_members.len(), "{id}: static member without its name");
        assert!(self.members.is_empty() || self.select_protocol().is_some(), "{id}: no common protocol");
        let joins = self.awaiting_join_count();
        assert!(
            joins == 0 || self.state == GroupState::PreparingRebalance,
            "{id}: parked join in {}",
            self.state
        );
        let syncs = self.members().filter(|member| member.awaiting_sync.is_some()).count();
        assert!(
            syncs == 0 || self.state == GroupState::CompletingRebalance,
            "{id}: parked sync in {}",
            self.state
        );
        let empty = self.state == GroupState::Empty;
        assert!(!empty || self.members.is_empty(), "{id}: empty with members");
    }
}

/// The topics of a consumer's metadata, or `None` if it is no subscription.
fn subscribed_topics(metadata: &[u8]) -> Option<Vec<String>> {
    let (_version, rest) = metadata.split_first_chunk::<2>()?;
    // Version 0 begins all others, and is all that some clients send whatever version they claim.
    let subscription = ConsumerProtocolSubscription::decode(&mut Reader::new(rest), 0).ok()?;
    Some(subscription.topics.into_iter().map(Cow::into_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_read_whatever_follows() {
        let two = b"\0\x03\0\0\0\x02\0\x01a\0\x03bcd\xff\xff\xff\xff and what version 3 adds";
        assert_eq!(subscribed_topics(two), Some(vec!["a".to_owned(), "bcd".to_owned()]));
        assert_eq!(subscribed_topics(b"\0\0\0\0\0\0\xff\xff\xff\xff"), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_subscription_says_nothing() {
        let cases: [&[u8]; 5] =
            [b"", b"\0", b"\0\0\0\0\0\x01", b"\0\0\x7f\xff\xff\xff\0\x01a", b"\0\0\0\0\0\x01\xff\xffa"];
        for bytes in cases {
            assert_eq!(subscribed_topics(bytes), None, "{bytes:?}");
        }
    }
}
