//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup and the timers of a classic group: what each answers and
//! which record it takes, by the table of [`state`](super::state).
//!
//! Every function takes what it needs in [`Cx`] and leaves there what follows: at most one record of the
//! group, and answers, to the request itself or to requests that were parked. The answers hold only if the
//! record could be appended; [`ClassicGroup::append_failed`] is the other way out.
//!
//! Left out: nothing of KIP-62, KIP-345, KIP-394 and KIP-814. Other than in Apache Kafka, a new group is not
//! in the log before its first assignment, so that the first JoinGroup does not wait for the disk; and a
//! JoinGroup or SyncGroup that a client sends again while its first is parked answers the first with
//! REBALANCE_IN_PROGRESS, since the connection behind it waits for some answer.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use protocol::ErrorCode;
use tracing::{debug, info, warn};

use super::member::Member;
use super::records::{GroupMetadata, GroupRecord};
use super::requests::{
    HeartbeatRequest, JoinRequest, JoinResponse, JoinedMember, LeaveRequest, LeaveResponse, LeavingMember,
    LeftMember, SyncRequest, SyncResponse,
};
use super::state::{ClassicGroup, GroupState, JoinTimer};
use super::{Answer, GroupConfig, Now, Step, Ticket};

/// First JoinGroup version whose dynamic members must come back with the id they are given (KIP-394).
pub(super) const MEMBER_ID_REQUIRED_FROM: i16 = 4;
/// First JoinGroup version that understands `skip_assignment` (KIP-814).
const SKIP_ASSIGNMENT_FROM: i16 = 9;
/// How long the first JoinGroup of a member may be parked, as in Apache Kafka.
const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Ids that one group has given out and nobody has come back with; more are GROUP_MAX_SIZE_REACHED.
/// Each lasts a session timeout, so a client that asks in a loop meets this bound and not our memory.
const PENDING_MEMBERS_MAX: usize = 10_000;
/// How long a rebalance to which nobody came waits at least, whatever timeout its static members chose:
/// without it a timeout of 0 would be due again at once, for ever.
const REJOIN_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// When to try again to record that a group is empty.
const EMPTY_RETRY: Duration = Duration::from_secs(1);

/// What a handler works with and on.
pub(super) struct Cx<'a> {
    pub(super) now: Now,
    pub(super) config: &'a GroupConfig,
    pub(super) step: &'a mut Step,
}

impl Cx<'_> {
    fn answer_join(&mut self, ticket: Ticket, response: JoinResponse) {
        self.step.answers.push((ticket, Answer::Join(response)));
    }

    fn refuse_join(&mut self, ticket: Ticket, member_id: &str, error: ErrorCode) {
        self.answer_join(ticket, JoinResponse::refused(member_id, error));
    }

    fn answer_sync(&mut self, ticket: Ticket, response: SyncResponse) {
        self.step.answers.push((ticket, Answer::Sync(response)));
    }

    /// Answers whatever a member that goes away is waiting for.
    fn release(&mut self, member: &Member, member_id: &str, error: ErrorCode) {
        if let Some(ticket) = member.awaiting_join {
            self.refuse_join(ticket, member_id, error);
        }
        if let Some(ticket) = member.awaiting_sync {
            self.answer_sync(ticket, SyncResponse::refused(error));
        }
    }

    fn record(&mut self, group_id: &str, value: GroupMetadata) {
        self.step
            .records
            .push(GroupRecord::GroupMetadata { group_id: group_id.to_owned(), value: Some(value) });
    }
}

// JoinGroup.

impl ClassicGroup {
    /// Handles JoinGroup. `new_id` is the id for a member that has none.
    pub(super) fn join(&mut self, request: &JoinRequest, new_id: String, ticket: Ticket, cx: &mut Cx<'_>) {
        if !self.accepts(&request.member_id, cx.config) {
            if let Some(member) = self.remove(&request.member_id) {
                cx.release(&member, "", ErrorCode::GroupMaxSizeReached);
                self.after_removal("member beyond the group's size", cx);
            }
            cx.refuse_join(ticket, "", ErrorCode::GroupMaxSizeReached);
        } else if !self.supports_protocols(&request.protocol_type, &request.protocols) {
            cx.refuse_join(ticket, &request.member_id, ErrorCode::InconsistentGroupProtocol);
        } else if request.member_id.is_empty() {
            self.join_without_id(request, new_id, ticket, cx);
        } else {
            self.join_with_id(request, ticket, cx);
        }
    }

    /// Whether `group.max.size` has room. In a rebalance those who rejoined count, since a lowered limit
    /// must turn away the last ones to come; otherwise members do.
    fn accepts(&self, member_id: &str, config: &GroupConfig) -> bool {
        let member = self.member(member_id);
        match self.state() {
            GroupState::PreparingRebalance => {
                member.is_some_and(|member| member.awaiting_join.is_some())
                    || self.awaiting_join_count() < config.max_size
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                member.is_some() || self.member_count() < config.max_size
            }
            _ => true,
        }
    }

    fn join_without_id(&mut self, request: &JoinRequest, new_id: String, ticket: Ticket, cx: &mut Cx<'_>) {
        match &request.group_instance_id {
            Some(name) if self.static_member(name).is_some() => {
                self.join_static_again(name, request, new_id, ticket, cx);
            }
            None if request.api_version >= MEMBER_ID_REQUIRED_FROM => {
                if self.pending.len() >= PENDING_MEMBERS_MAX {
                    return cx.refuse_join(ticket, "", ErrorCode::GroupMaxSizeReached);
                }
                let session_timeout = super::millis(request.session_timeout_ms);
                cx.refuse_join(ticket, &new_id, ErrorCode::MemberIdRequired);
                self.pending.insert(new_id, cx.now.monotonic + session_timeout);
            }
            _ => self.admit(request, new_id, ticket, cx),
        }
    }

    fn join_with_id(&mut self, request: &JoinRequest, ticket: Ticket, cx: &mut Cx<'_>) {
        let id = request.member_id.as_str();
        // An id given out for a dynamic member does not become a static one's.
        if self.pending.contains_key(id) && request.group_instance_id.is_none() {
            return self.admit(request, id.to_owned(), ticket, cx);
        }
        if let Err(error) = self.validate_member(id, request.group_instance_id.as_deref()) {
            return cx.refuse_join(ticket, id, error);
        }
        let unchanged = self.member(id).is_some_and(|member| member.protocols == request.protocols);
        match self.state() {
            GroupState::PreparingRebalance => self.rejoin(request, ticket, "member rejoins", cx),
            // The answer to the first JoinGroup may have been lost: say it again.
            GroupState::CompletingRebalance if unchanged => {
                let response = self.joined(id, false);
                cx.answer_join(ticket, response);
            }
            // A leader rejoins to have partitions assigned anew, for instance because a topic has grown.
            GroupState::Stable if unchanged && !self.is_leader(id) => {
                let response = self.joined(id, false);
                cx.answer_join(ticket, response);
            }
            GroupState::Stable | GroupState::CompletingRebalance => {
                let leads = self.is_leader(id) && unchanged;
                let reason = if leads { "leader rejoins" } else { "member changes its metadata" };
                self.rejoin(request, ticket, reason, cx);
            }
            // Empty: there are no members.
            _ => cx.refuse_join(ticket, id, ErrorCode::UnknownMemberId),
        }
    }

    /// Takes in a member that the group does not have, under `id`.
    fn admit(&mut self, request: &JoinRequest, id: String, ticket: Ticket, cx: &mut Cx<'_>) {
        if matches!(self.join_timer, Some(JoinTimer::Initial { .. })) {
            self.new_member_added = true;
        }
        let mut member = Member::joining(request, id);
        member.awaiting_join = Some(ticket);
        member.deadline = cx.now.monotonic + NEW_MEMBER_JOIN_TIMEOUT;
        debug!(group = self.id, member = member.id, reason = request.reason, "member joins");
        self.add(member, &request.protocol_type);
        self.rebalance_or_complete("new member", cx);
    }

    /// Parks the JoinGroup of a member that the group has.
    fn rejoin(&mut self, request: &JoinRequest, ticket: Ticket, reason: &str, cx: &mut Cx<'_>) {
        if let Some(member) = self.member_mut(&request.member_id) {
            member.update(request);
            if let Some(earlier) = member.awaiting_join.replace(ticket) {
                cx.refuse_join(earlier, &request.member_id, ErrorCode::RebalanceInProgress);
            }
        }
        self.rebalance_or_complete(reason, cx);
    }

    /// A static member is back under no id: whoever held its name is fenced, the rest may not notice.
    fn join_static_again(
        &mut self,
        name: &str,
        request: &JoinRequest,
        new_id: String,
        ticket: Ticket,
        cx: &mut Cx<'_>,
    ) {
        if self.state() == GroupState::Stable {
            return self.join_static_again_stable(name, request, new_id, ticket, cx);
        }
        let completing = self.state() == GroupState::CompletingRebalance;
        self.take_place(name, request, &new_id, cx);
        if let Some(member) = self.member_mut(&new_id) {
            member.awaiting_join = Some(ticket);
        }
        // The leader may be assigning to the old id right now: its assignment would miss this member.
        if completing {
            self.prepare_rebalance("static member is back", cx);
        } else {
            self.complete_if_all_joined(cx);
        }
    }

    fn join_static_again_stable(
        &mut self,
        name: &str,
        request: &JoinRequest,
        new_id: String,
        ticket: Ticket,
        cx: &mut Cx<'_>,
    ) {
        let old_id = self.static_member(name).unwrap_or_default().to_owned();
        // The vote is taken with what the member offers now.
        self.update_until_recorded(&old_id, request);
        if self.select_protocol().as_deref() != self.protocol() {
            self.take_place(name, request, &new_id, cx);
            if let Some(member) = self.member_mut(&new_id) {
                member.awaiting_join = Some(ticket);
            }
            return self.prepare_rebalance("static member is back with other protocols", cx);
        }
        info!(group = self.id, name, old = old_id, new = new_id, "static member is back");
        self.touch(&old_id, cx.now);
        let led = self.is_leader(&old_id);
        let record = self.with_member_renamed(&old_id, &new_id, cx.now);
        cx.answer_join(ticket, self.joined_again(&old_id, &new_id, led, request.api_version));
        cx.record(&self.id, record);
    }

    /// Moves a static name to `new_id` outside Stable, where members are not in the log anyway.
    fn take_place(&mut self, name: &str, request: &JoinRequest, new_id: &str, cx: &mut Cx<'_>) {
        let Some(old) = self.replace_static(name, new_id) else { return };
        info!(group = self.id, name, old = old.id, new = new_id, "static member is back");
        cx.release(&old, &old.id, ErrorCode::FencedInstanceId);
        if let Some(member) = self.member_mut(new_id) {
            member.update(request);
            member.touch(cx.now.monotonic);
        }
    }

    /// The group's record with one member under another id.
    fn with_member_renamed(&self, old_id: &str, new_id: &str, now: Now) -> GroupMetadata {
        let since = self.state_since().unwrap_or(now.wall);
        let mut record = self.assigned(since, |member| member.assignment.clone());
        if let Some(member) = record.members.iter_mut().find(|member| member.member_id == old_id) {
            new_id.clone_into(&mut member.member_id);
        }
        if self.is_leader(old_id) {
            record.leader = Some(new_id.to_owned());
        }
        record
    }

    /// The answer to a static member that took back its place in a stable group.
    ///
    /// A leader must not assign, or the others would have to rebalance: from version 9 it is told so,
    /// before that it is told that someone else leads.
    fn joined_again(&self, old_id: &str, new_id: &str, led: bool, api_version: i16) -> JoinResponse {
        let mut response = self.joined(old_id, led && api_version >= SKIP_ASSIGNMENT_FROM);
        if response.skip_assignment {
            new_id.clone_into(&mut response.leader);
            for member in response.members.iter_mut().filter(|member| member.member_id == old_id) {
                new_id.clone_into(&mut member.member_id);
            }
        } else {
            response.members.clear();
        }
        new_id.clone_into(&mut response.member_id);
        response
    }

    /// The answer to a member of the current generation.
    fn joined(&self, member_id: &str, skip_assignment: bool) -> JoinResponse {
        let protocol = self.protocol().unwrap_or_default();
        let entry = |member: &Member| JoinedMember {
            member_id: member.id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            metadata: member.metadata(protocol),
        };
        let members =
            if self.is_leader(member_id) { self.members().map(entry).collect() } else { Vec::new() };
        JoinResponse {
            error: ErrorCode::None,
            generation: self.generation(),
            protocol_type: self.protocol_type().map(str::to_owned),
            protocol_name: self.protocol().map(str::to_owned),
            leader: self.leader().unwrap_or_default().to_owned(),
            skip_assignment,
            member_id: member_id.to_owned(),
            members,
        }
    }
}

// The rebalance.

impl ClassicGroup {
    fn rebalance_or_complete(&mut self, reason: &str, cx: &mut Cx<'_>) {
        if self.state() == GroupState::PreparingRebalance {
            self.complete_if_all_joined(cx);
        } else {
            self.prepare_rebalance(reason, cx);
        }
    }

    /// Completes the join phase if nobody is missing; an initial one waits for its delay.
    fn complete_if_all_joined(&mut self, cx: &mut Cx<'_>) {
        let preparing = self.state() == GroupState::PreparingRebalance;
        let initial = matches!(self.join_timer, Some(JoinTimer::Initial { .. }));
        if preparing && !initial && self.all_joined() {
            self.complete_join(cx);
        }
    }

    /// -> PreparingRebalance, and on at once if nobody is missing.
    fn prepare_rebalance(&mut self, reason: &str, cx: &mut Cx<'_>) {
        let from = self.state();
        if from == GroupState::CompletingRebalance {
            self.refuse_syncs(ErrorCode::RebalanceInProgress, cx);
        }
        self.begin_rebalance(cx.now.wall, reason);
        if from == GroupState::Empty && !cx.config.initial_rebalance_delay.is_zero() {
            let delay = cx.config.initial_rebalance_delay;
            let remaining = self.rebalance_timeout().saturating_sub(delay);
            let at = cx.now.monotonic + delay;
            self.join_timer = Some(JoinTimer::Initial { at, delay, remaining });
        } else if from == GroupState::Empty || self.all_joined() {
            self.complete_join(cx);
        } else {
            self.join_timer = Some(JoinTimer::Rejoin { at: cx.now.monotonic + self.rebalance_timeout() });
        }
    }

    /// Answers parked SyncGroups with an error; assignments handed in for this generation are void.
    fn refuse_syncs(&mut self, error: ErrorCode, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic;
        for member in self.members_mut() {
            member.assignment = Bytes::new();
            if let Some(ticket) = member.awaiting_sync.take() {
                member.touch(now);
                cx.answer_sync(ticket, SyncResponse::refused(error));
            }
        }
    }

    /// Ends the join phase with those who came: -> CompletingRebalance, or a record that nobody is left.
    ///
    /// Static members that have not come back keep their place until their session ends (KIP-345).
    fn complete_join(&mut self, cx: &mut Cx<'_>) {
        self.join_timer = None;
        let missing = |member: &&Member| member.awaiting_join.is_none() && member.group_instance_id.is_none();
        let missing: Vec<String> = self.members().filter(missing).map(|member| member.id.clone()).collect();
        for id in &missing {
            self.remove(id);
        }
        if !missing.is_empty() {
            info!(group = self.id, members = ?missing, "dropped members that have not rejoined");
        }
        if self.member_count() == 0 {
            let record = self.emptied(cx.now.wall);
            return cx.record(&self.id, record);
        }
        if !self.elect_joined_leader() {
            warn!(group = self.id, "no member has rejoined, waiting on");
            let patience = self.rebalance_timeout().max(REJOIN_TIMEOUT_MIN);
            self.join_timer = Some(JoinTimer::Rejoin { at: cx.now.monotonic + patience });
            return;
        }
        self.begin_generation(cx.now.wall);
        self.answer_joins(cx);
        self.sync_deadline = Some(cx.now.monotonic + self.rebalance_timeout());
    }

    fn answer_joins(&mut self, cx: &mut Cx<'_>) {
        let parked: Vec<(Ticket, JoinResponse)> = self
            .members()
            .filter_map(|member| Some((member.awaiting_join?, self.joined(&member.id, false))))
            .collect();
        for (ticket, response) in parked {
            cx.answer_join(ticket, response);
        }
        for member in self.members_mut() {
            member.awaiting_join = None;
            member.is_new = false;
            member.synced = false;
            member.touch(cx.now.monotonic);
        }
    }

    /// Goes on after members have gone.
    fn after_removal(&mut self, reason: &str, cx: &mut Cx<'_>) {
        match self.state() {
            GroupState::Stable | GroupState::CompletingRebalance => self.prepare_rebalance(reason, cx),
            GroupState::PreparingRebalance if self.all_joined() => self.complete_join(cx),
            _ => {}
        }
    }
}

// SyncGroup.

impl ClassicGroup {
    /// Handles SyncGroup.
    pub(super) fn sync(&mut self, request: &SyncRequest, ticket: Ticket, cx: &mut Cx<'_>) {
        if let Err(error) = self.validate_sync(request) {
            return cx.answer_sync(ticket, SyncResponse::refused(error));
        }
        let Some(member) = self.member_mut(&request.member_id) else { return };
        member.synced = true;
        match self.state() {
            GroupState::CompletingRebalance => {
                if let Some(member) = self.member_mut(&request.member_id)
                    && let Some(earlier) = member.awaiting_sync.replace(ticket)
                {
                    cx.answer_sync(earlier, SyncResponse::refused(ErrorCode::RebalanceInProgress));
                }
                if self.is_leader(&request.member_id) {
                    self.assign(request, cx);
                }
            }
            // PreparingRebalance is refused above, the others have no members.
            _ => {
                let member = self.member(&request.member_id);
                let assignment = member.map(|member| member.assignment.clone()).unwrap_or_default();
                cx.answer_sync(ticket, self.synced(assignment));
            }
        }
        if self.all_synced() {
            self.sync_deadline = None;
        }
    }

    fn validate_sync(&self, request: &SyncRequest) -> Result<(), ErrorCode> {
        let disagrees = |theirs: &Option<String>, ours: Option<&str>| {
            theirs.is_some() && ours.is_some() && theirs.as_deref() != ours
        };
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation != self.generation() {
            Err(ErrorCode::IllegalGeneration)
        } else if disagrees(&request.protocol_type, self.protocol_type())
            || disagrees(&request.protocol_name, self.protocol())
        {
            Err(ErrorCode::InconsistentGroupProtocol)
        } else if self.state() == GroupState::PreparingRebalance {
            Err(ErrorCode::RebalanceInProgress)
        } else {
            Ok(())
        }
    }

    /// The leader has assigned: the record that makes the group stable, and everyone's share of it.
    fn assign(&mut self, request: &SyncRequest, cx: &mut Cx<'_>) {
        let assigned: HashMap<&str, &Bytes> =
            request.assignments.iter().map(|(id, assignment)| (id.as_str(), assignment)).collect();
        let share = |id: &str| assigned.get(id).map(|&share| share.clone()).unwrap_or_default();
        info!(
            group = self.id,
            generation = self.generation(),
            members = self.member_count(),
            assigned = assigned.len(),
            "leader has assigned"
        );
        cx.record(&self.id, self.assigned(cx.now.wall, |member| share(&member.id)));
        let mut parked = Vec::new();
        for member in self.members_mut() {
            if let Some(ticket) = member.awaiting_sync.take() {
                member.touch(cx.now.monotonic);
                parked.push((ticket, share(&member.id)));
            }
        }
        for (ticket, share) in parked {
            cx.answer_sync(ticket, self.synced(share));
        }
    }

    fn synced(&self, assignment: Bytes) -> SyncResponse {
        SyncResponse {
            error: ErrorCode::None,
            protocol_type: self.protocol_type().map(str::to_owned),
            protocol_name: self.protocol().map(str::to_owned),
            assignment,
        }
    }
}

// Heartbeat, LeaveGroup, time.

impl ClassicGroup {
    /// Handles Heartbeat.
    pub(super) fn heartbeat(&mut self, request: &HeartbeatRequest, now: Now) -> ErrorCode {
        if let Err(error) = self.validate_member(&request.member_id, request.group_instance_id.as_deref()) {
            return error;
        }
        if request.generation != self.generation() {
            return ErrorCode::IllegalGeneration;
        }
        self.touch(&request.member_id, now);
        match self.state() {
            GroupState::PreparingRebalance => ErrorCode::RebalanceInProgress,
            _ => ErrorCode::None,
        }
    }

    /// A member was heard of.
    pub(super) fn touch(&mut self, member_id: &str, now: Now) {
        if let Some(member) = self.member_mut(member_id) {
            member.touch(now.monotonic);
        }
    }

    /// Handles LeaveGroup.
    pub(super) fn leave(&mut self, request: &LeaveRequest, cx: &mut Cx<'_>) -> LeaveResponse {
        let mut gone = 0;
        let mut members = Vec::with_capacity(request.members.len());
        for leaving in &request.members {
            let left = self.leave_one(leaving, cx);
            gone += usize::from(left.is_ok());
            members.push(LeftMember {
                member_id: leaving.member_id.clone(),
                group_instance_id: leaving.group_instance_id.clone(),
                error: left.err().unwrap_or(ErrorCode::None),
            });
        }
        if gone > 0 {
            self.after_leaving(cx);
        }
        LeaveResponse { error: ErrorCode::None, members }
    }

    fn leave_one(&mut self, leaving: &LeavingMember, cx: &mut Cx<'_>) -> Result<(), ErrorCode> {
        if self.pending.remove(&leaving.member_id).is_some() {
            return Ok(());
        }
        let name = leaving.group_instance_id.as_deref();
        // An administrator removes a static member by its name alone (KIP-345).
        let id = if leaving.member_id.is_empty() {
            let id = name.and_then(|name| self.static_member(name));
            id.ok_or(ErrorCode::UnknownMemberId)?.to_owned()
        } else {
            self.validate_member(&leaving.member_id, name)?;
            leaving.member_id.clone()
        };
        if let Some(member) = self.remove(&id) {
            info!(group = self.id, member = id, reason = leaving.reason, "member leaves");
            cx.release(&member, "", ErrorCode::UnknownMemberId);
        }
        Ok(())
    }

    fn after_leaving(&mut self, cx: &mut Cx<'_>) {
        match self.state() {
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.prepare_rebalance("members left", cx);
            }
            _ => self.complete_if_all_joined(cx),
        }
    }

    /// Does what is due: ends sessions, forgets ids nobody came back with, ends the phases of a rebalance.
    pub(super) fn on_time(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic;
        self.expire_sessions(now, cx);
        match self.join_timer {
            Some(JoinTimer::Initial { at, delay, remaining }) if at <= now => {
                if self.new_member_added && !remaining.is_zero() {
                    self.new_member_added = false;
                    let next = cx.config.initial_rebalance_delay.min(remaining);
                    let remaining = remaining.saturating_sub(delay);
                    self.join_timer = Some(JoinTimer::Initial { at: now + next, delay: next, remaining });
                } else {
                    self.complete_join(cx);
                }
            }
            Some(JoinTimer::Rejoin { at }) if at <= now => self.complete_join(cx),
            _ => {}
        }
        if self.sync_deadline.is_some_and(|at| at <= now) {
            self.expire_syncs(cx);
        }
    }

    fn expire_sessions(&mut self, now: Duration, cx: &mut Cx<'_>) {
        let waiting = self.pending.len();
        self.pending.retain(|_, deadline| *deadline > now);
        let forgotten = waiting - self.pending.len();
        let due = |member: &&Member| member.deadline <= now && member.can_expire();
        let expired: Vec<String> = self.members().filter(due).map(|member| member.id.clone()).collect();
        for id in &expired {
            if let Some(member) = self.remove(id) {
                info!(group = self.id, member = id, "session expired");
                cx.release(&member, "", ErrorCode::UnknownMemberId);
            }
        }
        if !expired.is_empty() {
            self.after_removal("sessions expired", cx);
        } else if forgotten > 0 && self.state() == GroupState::PreparingRebalance && self.all_joined() {
            self.complete_join(cx);
        }
    }

    /// Drops those who have joined the generation and not asked for their assignment.
    fn expire_syncs(&mut self, cx: &mut Cx<'_>) {
        self.sync_deadline = None;
        let silent = |member: &&Member| !member.synced;
        let silent: Vec<String> = self.members().filter(silent).map(|member| member.id.clone()).collect();
        if silent.is_empty() {
            return;
        }
        for id in &silent {
            self.remove(id);
        }
        info!(group = self.id, members = ?silent, "dropped members that have not synced");
        self.prepare_rebalance("members have not synced", cx);
    }

    /// The group was a consumer group until now, and its members may have to rebalance.
    pub(super) fn begin_after_downgrade(&mut self, rebalance: bool, cx: &mut Cx<'_>) {
        for member in self.members_mut() {
            member.touch(cx.now.monotonic);
        }
        if rebalance && self.state() == GroupState::Stable {
            self.prepare_rebalance("the group was a consumer group", cx);
        }
    }

    /// The log has been read: everyone gets a fresh session. A group that `group.max.size` has no room for any
    /// more rebalances, and the last to rejoin are turned away.
    pub(super) fn loaded(&mut self, cx: &mut Cx<'_>) {
        for member in self.members_mut() {
            member.touch(cx.now.monotonic);
        }
        if self.member_count() > cx.config.max_size {
            self.prepare_rebalance("the group is larger than it may be", cx);
        }
    }

    /// The group becomes a consumer group: whoever waits is to join again.
    pub(super) fn release_all(&mut self, step: &mut Step) {
        for member in self.members_mut() {
            let error = ErrorCode::RebalanceInProgress;
            let join = member.awaiting_join.take();
            let refused = |ticket| (ticket, Answer::Join(JoinResponse::refused(member.id.as_str(), error)));
            step.answers.extend(join.map(refused));
            let sync = member.awaiting_sync.take();
            step.answers.extend(sync.map(|ticket| (ticket, Answer::Sync(SyncResponse::refused(error)))));
        }
    }

    /// The record of the last step could not be appended, and its answers said so.
    ///
    /// A generation whose assignment is not stored is void: everyone rejoins. A group that could not be
    /// recorded as empty tries again. A static member whose new id could not be recorded keeps the old one.
    pub(super) fn append_failed(&mut self, cx: &mut Cx<'_>) {
        self.restore_replaced();
        match self.state() {
            GroupState::CompletingRebalance => self.prepare_rebalance("assignment could not be stored", cx),
            GroupState::PreparingRebalance if self.member_count() == 0 => {
                self.join_timer = Some(JoinTimer::Rejoin { at: cx.now.monotonic + EMPTY_RETRY });
            }
            _ => {}
        }
    }
}
