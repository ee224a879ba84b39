//! Members that still speak the classic protocol in a consumer group: JoinGroup, SyncGroup, Heartbeat,
//! LeaveGroup.
//!
//! To such a member its epoch is the generation, and the broker's target is what a leader assigned. It
//! joins to say what it owns, syncs to hear what it has, and is told REBALANCE_IN_PROGRESS whenever it could
//! move on. JoinGroup and SyncGroup are answered at once: the broker waits for nobody.
//!
//! Other than in Apache Kafka, one that was dropped and joins again under its old id, still owning
//! partitions, hears UNKNOWN_MEMBER_ID, and so joins once more; and where a static member was the last to
//! leave KIP-848's protocol by coming back with the classic one, all rebalance unless it is alone: Kafka hands
//! out the target at once, in which it may have what another still reads.
//!
//! Source: `GroupMetadataManager.java` of Apache Kafka 4; KIP-848, "Online migration".

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::consumer::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition};
use tracing::info;

use super::{ConsumerGroup, Cx, Member, session_timeout};
use crate::coordinator::group::records::{ClassicInfo, GroupRecord, MemberState, Partitions};
use crate::coordinator::group::requests::{
    HeartbeatRequest, JoinRequest, JoinResponse, LeaveRequest, LeaveResponse, LeavingMember, LeftMember,
    SyncRequest, SyncResponse,
};
use crate::coordinator::group::state::CONSUMER_PROTOCOL_TYPE;
use crate::coordinator::group::topics::TopicsImage;
use crate::coordinator::group::{classic::MEMBER_ID_REQUIRED_FROM, millis};

// JoinGroup.

impl ConsumerGroup {
    /// Handles JoinGroup. `new_id` is the id for a member that has none.
    pub(in crate::coordinator::group) fn join(
        &mut self,
        request: &JoinRequest,
        new_id: String,
        cx: Cx<'_>,
    ) -> (JoinResponse, Vec<GroupRecord>) {
        let joined = self.try_join(request, new_id, cx);
        joined.unwrap_or_else(|(id, error)| (JoinResponse::refused(id, error), Vec::new()))
    }

    fn try_join(
        &mut self,
        request: &JoinRequest,
        new_id: String,
        cx: Cx<'_>,
    ) -> Result<(JoinResponse, Vec<GroupRecord>), (String, ErrorCode)> {
        let refused = |error: ErrorCode| (String::new(), error);
        let unknown = request.member_id.is_empty();
        self.check_room(&request.member_id, cx).map_err(|refusal| refused(refusal.error))?;
        if !self.supports(request) {
            return Err(refused(ErrorCode::InconsistentGroupProtocol));
        }
        if unknown && request.group_instance_id.is_none() && request.api_version >= MEMBER_ID_REQUIRED_FROM {
            return Err((new_id, ErrorCode::MemberIdRequired));
        }
        // Every protocol has the same subscription.
        let metadata = request.protocols.first().map(|protocol| &protocol.metadata[..]).unwrap_or_default();
        let subscription = protocol::consumer::decode::<ConsumerProtocolSubscription<'_>>(metadata);
        let (_, subscription) = subscription.map_err(|_| refused(ErrorCode::InconsistentGroupProtocol))?;
        let id = if unknown { new_id } else { request.member_id.clone() };
        let was_static =
            request.group_instance_id.as_ref().is_some_and(|name| self.static_members.contains_key(name));
        let mut parts = Vec::new();
        let found = match &request.group_instance_id {
            Some(name) => self.static_member(name, &id, unknown, true, &mut parts),
            None => self.member(&id, true).map(|member| (member, None)),
        };
        let (before, replaced) = found.map_err(|refusal| refused(refusal.error))?;
        let owned = by_id(&subscription.owned_partitions, cx.topics);
        // Ids given out with MEMBER_ID_REQUIRED are not kept, so an unknown one may be new. But not if it reads
        // already: that member was dropped, and others may read what it believes to own.
        let is_new = replaced.is_none() && !self.members.contains_key(&before.id);
        if is_new && !unknown && !owned.is_empty() {
            return Err(refused(ErrorCode::UnknownMemberId));
        }
        let mut member = before.clone();
        update(&mut member, request, subscription);
        let advanced = self.advance(&before, member, replaced.as_deref(), Some(&owned), cx, &mut parts);
        let member = advanced.map_err(|refusal| refused(refusal.error))?;
        self.touch(&member.id, millis(request.session_timeout_ms), cx.now);
        if let Some(timers) = self.timers.get_mut(&member.id) {
            timers.sync = Some(cx.now.monotonic + member.rebalance_timeout());
        }
        // A static member that comes back with the classic protocol may be the last that spoke the other one.
        let downgraded = was_static.then(|| self.downgrade_after(&parts, cx)).flatten();
        Ok((joined(&member), downgraded.unwrap_or_else(|| self.records(parts))))
    }

    /// Whether the member knows a protocol that all classic members know.
    fn supports(&self, request: &JoinRequest) -> bool {
        let classic: Vec<&ClassicInfo> =
            self.members.values().filter_map(|member| member.info.classic.as_ref()).collect();
        let known_to_all = |name: &str| {
            classic.iter().all(|info| info.protocols.iter().any(|protocol| protocol.name == name))
        };
        let shared = request.protocols.iter().any(|protocol| known_to_all(&protocol.name));
        request.protocol_type == CONSUMER_PROTOCOL_TYPE && shared
    }
}

fn update(member: &mut Member, request: &JoinRequest, subscription: ConsumerProtocolSubscription<'_>) {
    let info = &mut member.info;
    if request.group_instance_id.is_some() {
        info.instance_id.clone_from(&request.group_instance_id);
    }
    if let Some(rack) = subscription.rack_id {
        info.rack_id = Some(rack.into_owned());
    }
    info.client_id.clone_from(&request.client_id);
    info.client_host.clone_from(&request.client_host);
    info.topics = subscription.topics.into_iter().map(Cow::into_owned).collect();
    info.regex = None;
    info.rebalance_timeout_ms = request.rebalance_timeout_ms;
    let protocols = request.protocols.clone();
    info.classic = Some(ClassicInfo { session_timeout_ms: request.session_timeout_ms, protocols });
}

fn joined(member: &Member) -> JoinResponse {
    let protocol = member.info.classic.as_ref().and_then(|classic| classic.protocols.first());
    JoinResponse {
        error: ErrorCode::None,
        generation: member.current.epoch,
        protocol_type: Some(CONSUMER_PROTOCOL_TYPE.to_owned()),
        protocol_name: protocol.map(|protocol| protocol.name.clone()),
        // Nobody leads: the broker assigns.
        leader: String::new(),
        skip_assignment: false,
        member_id: member.id.clone(),
        members: Vec::new(),
    }
}

// SyncGroup, Heartbeat, LeaveGroup.

impl ConsumerGroup {
    /// The member of this id and perhaps static name.
    fn known_member(&self, id: &str, name: Option<&str>) -> Result<&Member, ErrorCode> {
        if let Some(name) = name {
            let owner = self.static_members.get(name).ok_or(ErrorCode::UnknownMemberId)?;
            if owner != id {
                return Err(ErrorCode::FencedInstanceId);
            }
        }
        self.members.get(id).ok_or(ErrorCode::UnknownMemberId)
    }

    /// The classic member that speaks, under its id and perhaps its static name.
    fn classic_member(&self, id: &str, name: Option<&str>) -> Result<&Member, ErrorCode> {
        let member = self.known_member(id, name)?;
        if member.is_classic() { Ok(member) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Handles SyncGroup.
    pub(in crate::coordinator::group) fn sync(&mut self, request: &SyncRequest, cx: Cx<'_>) -> SyncResponse {
        match self.try_sync(request, cx) {
            Ok((response, session_timeout)) => {
                self.touch(&request.member_id, session_timeout, cx.now);
                if let Some(timers) = self.timers.get_mut(&request.member_id) {
                    timers.sync = None;
                }
                response
            }
            Err(error) => SyncResponse::refused(error),
        }
    }

    fn try_sync(
        &self,
        request: &SyncRequest,
        cx: Cx<'_>,
    ) -> Result<(SyncResponse, std::time::Duration), ErrorCode> {
        let member = self.classic_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation != member.current.epoch {
            return Err(ErrorCode::IllegalGeneration);
        }
        let JoinResponse { protocol_type, protocol_name, .. } = joined(member);
        let differs = |given: &Option<String>, ours: &Option<String>| given.is_some() && given != ours;
        if differs(&request.protocol_type, &protocol_type) || differs(&request.protocol_name, &protocol_name)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        // One that gives partitions back has joined already, and joins again when it is done.
        let behind = self.epoch.epoch > member.current.epoch;
        if behind && member.current.state != MemberState::UnrevokedPartitions {
            return Err(ErrorCode::RebalanceInProgress);
        }
        let assignment = assignment(member, &member.current.assigned, cx.topics);
        let response = SyncResponse { error: ErrorCode::None, protocol_type, protocol_name, assignment };
        Ok((response, session_timeout(member, self.times(cx.config))))
    }

    /// Handles Heartbeat.
    pub(in crate::coordinator::group) fn classic_heartbeat(
        &mut self,
        request: &HeartbeatRequest,
        cx: Cx<'_>,
    ) -> ErrorCode {
        let found = self.classic_member(&request.member_id, request.group_instance_id.as_deref());
        let (rejoins, session_timeout) = match found {
            Ok(member) if member.current.epoch != request.generation => return ErrorCode::IllegalGeneration,
            Ok(member) => (self.must_rejoin(member), session_timeout(member, self.times(cx.config))),
            Err(error) => return error,
        };
        self.touch(&request.member_id, session_timeout, cx.now);
        if rejoins { ErrorCode::RebalanceInProgress } else { ErrorCode::None }
    }

    /// Whether a classic member would get further by joining again.
    pub(super) fn must_rejoin(&self, member: &Member) -> bool {
        let waits = || {
            let target = self.target.get(&member.id).into_iter().flatten();
            let mut missing = target.flat_map(|(topic, set)| set.iter().map(move |p| (*topic, *p)));
            missing.any(|(topic, partition)| self.held_by_others(member, topic, partition))
        };
        member.current.epoch < self.epoch.epoch
            || match member.current.state {
                MemberState::UnrevokedPartitions => true,
                MemberState::UnreleasedPartitions => !waits(),
                MemberState::Stable | MemberState::Unknown => false,
            }
    }

    /// Handles LeaveGroup.
    pub(in crate::coordinator::group) fn classic_leave(
        &self,
        request: &LeaveRequest,
        cx: Cx<'_>,
    ) -> (LeaveResponse, Vec<GroupRecord>) {
        let mut gone = BTreeSet::new();
        let mut leave = |leaving: &LeavingMember| {
            let left = self.leaving_id(leaving);
            let error = left.as_ref().err().copied().unwrap_or(ErrorCode::None);
            if let Ok(id) = left {
                info!(group = self.id, member = id, reason = leaving.reason, "member leaves");
                gone.insert(id);
            }
            LeftMember {
                member_id: leaving.member_id.clone(),
                group_instance_id: leaving.group_instance_id.clone(),
                error,
            }
        };
        let members = request.members.iter().map(&mut leave).collect();
        let records = if gone.is_empty() { Vec::new() } else { self.remove(&gone, cx) };
        (LeaveResponse { error: ErrorCode::None, members }, records)
    }

    fn leaving_id(&self, leaving: &LeavingMember) -> Result<String, ErrorCode> {
        let name = leaving.group_instance_id.as_deref();
        // An administrator removes a static member by its name alone (KIP-345), whichever protocol it speaks.
        let id = match name {
            Some(name) if leaving.member_id.is_empty() => {
                self.static_members.get(name).ok_or(ErrorCode::UnknownMemberId)?
            }
            _ => &leaving.member_id,
        };
        self.known_member(id, name).map(|member| member.id.clone())
    }
}

/// Partitions under the ids of their topics; topics that are gone are left out.
pub(super) fn by_id(named: &[TopicPartition<'_>], topics: &TopicsImage) -> Partitions {
    let mut partitions = Partitions::new();
    for TopicPartition { topic, partitions: indexes } in named {
        if let Some(topic) = topics.get(topic)
            && !indexes.is_empty()
        {
            partitions.entry(topic.id).or_default().extend(indexes);
        }
    }
    partitions
}

/// An assignment as a classic member reads it, in the version that it writes its subscription in.
pub(super) fn assignment(member: &Member, partitions: &Partitions, topics: &TopicsImage) -> Bytes {
    let subscription = member.info.classic.as_ref().and_then(|classic| classic.protocols.first());
    let version = subscription.and_then(|protocol| protocol.metadata.first_chunk::<2>());
    let version = version.map_or(0, |version| i16::from_be_bytes(*version));
    let named: BTreeMap<&str, &BTreeSet<i32>> =
        partitions.iter().filter_map(|(id, set)| Some((topics.name(*id)?, set))).collect();
    let entry = |(name, set): (&'_ str, &BTreeSet<i32>)| TopicPartition {
        topic: Cow::Owned(name.to_owned()),
        partitions: set.iter().copied().collect(),
    };
    let assigned_partitions = named.into_iter().map(entry).collect();
    let assignment = ConsumerProtocolAssignment { assigned_partitions, user_data: None };
    let version = version.clamp(0, protocol::consumer::VERSION_MAX);
    // Topic names are short, so there is nothing that could not be written.
    protocol::consumer::encode(&assignment, version).unwrap_or_default()
}
