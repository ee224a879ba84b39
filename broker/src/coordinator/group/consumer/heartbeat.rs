//! ConsumerGroupHeartbeat: how members come, stay, get their partitions, and go.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use protocol::ErrorCode;
use protocol::types::TopicId;
use tracing::{debug, info};

use super::assignor::{Candidate, Spec};
use super::reconcile::{Reconciliation, is_subset};
use super::{ConsumerGroup, Cx, Member, refuse, subscribed};
use crate::coordinator::group::records::{
    ConsumerPart, CurrentAssignment, GroupEpoch, GroupRecord, Partitions, ResolvedRegex,
};
use crate::coordinator::group::requests::{
    ConsumerHeartbeatRequest, ConsumerHeartbeatResponse, JOINING, LEAVING, LEAVING_STATIC, Refusal,
};

/// First version in which the member makes its own id (KIP-1082).
const OWN_ID_SINCE: i16 = 1;
/// What the format of the log takes.
const STRING_BYTES_MAX: usize = i16::MAX as usize;
/// Names that one member may subscribe to.
const TOPICS_MAX: usize = 100_000;

type Outcome = Result<(ConsumerHeartbeatResponse, Vec<GroupRecord>), Refusal>;

impl ConsumerHeartbeatRequest {
    /// What no group would take.
    pub(in crate::coordinator::group) fn validate(&self, cx: Cx<'_>) -> Result<(), Refusal> {
        let invalid = |message: &str| refuse(ErrorCode::InvalidRequest, message);
        let is_empty = |text: &Option<String>| text.as_deref() == Some("");
        let names_itself = self.member_epoch > 0 || self.member_epoch == LEAVING;
        if self.member_id.is_empty() && (self.api_version >= OWN_ID_SINCE || names_itself) {
            return invalid("MemberId can't be empty.");
        }
        if self.group_id.is_empty() {
            return invalid("GroupId can't be empty.");
        }
        if is_empty(&self.instance_id) {
            return invalid("InstanceId can't be empty.");
        }
        if is_empty(&self.rack_id) {
            return invalid("RackId can't be empty.");
        }
        let texts = [&self.instance_id, &self.rack_id, &self.regex].into_iter().flatten();
        let topics = self.topics.as_deref().unwrap_or_default();
        let mut all = texts.chain(topics).chain([&self.group_id, &self.member_id, &self.client_id]);
        if topics.len() > TOPICS_MAX || all.any(|text| text.len() > STRING_BYTES_MAX) {
            return invalid("A name is too long, or there are too many.");
        }
        match self.member_epoch {
            JOINING if self.rebalance_timeout_ms.is_none() => {
                return invalid("RebalanceTimeoutMs must be provided in first request.");
            }
            JOINING if self.owned.as_ref().is_none_or(|owned| !owned.is_empty()) => {
                return invalid("TopicPartitions must be empty when (re-)joining.");
            }
            JOINING if self.topics.is_none() && self.regex.is_none() => {
                return invalid(
                    "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
                );
            }
            LEAVING_STATIC if self.instance_id.is_none() => return invalid("InstanceId can't be null."),
            epoch if epoch < LEAVING_STATIC => return invalid(&format!("MemberEpoch is invalid: {epoch}.")),
            _ => {}
        }
        let offered = &cx.config.consumer.assignors;
        match &self.assignor {
            Some(name) if !offered.iter().any(|assignor| assignor.name() == name) => {
                let offered = offered.iter().map(|assignor| assignor.name()).collect::<Vec<_>>().join(", ");
                let message =
                    format!("ServerAssignor {name} is not supported. Supported assignors: {offered}.");
                refuse(ErrorCode::UnsupportedAssignor, message)
            }
            _ => Ok(()),
        }
    }

    /// Whether the member says everything about itself, and so wants to hear everything.
    fn is_full(&self) -> bool {
        self.rebalance_timeout_ms.is_some()
            && (self.topics.is_some() || self.regex.is_some())
            && self.owned.is_some()
    }
}

// One request.

impl ConsumerGroup {
    /// Handles a checked heartbeat. `new_id` is for a member that has no id.
    pub(in crate::coordinator::group) fn heartbeat(
        &mut self,
        request: &ConsumerHeartbeatRequest,
        new_id: String,
        cx: Cx<'_>,
    ) -> Outcome {
        if request.member_epoch < JOINING {
            return self.leave(request, cx);
        }
        self.check_room(&request.member_id, cx)?;
        let id = if request.member_id.is_empty() { new_id } else { request.member_id.clone() };
        let joining = request.member_epoch == JOINING;
        let mut parts = Vec::new();
        let (before, replaced) = match &request.instance_id {
            Some(name) => self.static_member(name, &id, joining, false, &mut parts)?,
            None => (self.member(&id, joining)?, None),
        };
        check_epoch(&before, request)?;
        if joining {
            info!(group = self.id, member = id, "member joins");
        }
        let mut member = before.clone();
        update(&mut member, request);
        let owned = request.owned.as_ref();
        let member = self.advance(&before, member, replaced.as_deref(), owned, cx, &mut parts)?;
        let times = self.times(cx.config);
        self.touch(&member.id, times.session_timeout, cx.now);
        let changed = member.current.assigned != before.current.assigned;
        let assignment = joining || request.is_full() || changed;
        let response = ConsumerHeartbeatResponse {
            member_id: member.id,
            member_epoch: member.current.epoch,
            heartbeat_interval_ms: times.heartbeat_interval.as_millis() as i32,
            assignment: assignment.then_some(member.current.assigned),
        };
        Ok((response, self.records(parts)))
    }

    /// Whether `group.consumer.max.size` has room.
    pub(super) fn check_room(&self, member_id: &str, cx: Cx<'_>) -> Result<(), Refusal> {
        let max = cx.config.consumer.max_size;
        if self.members.len() < max || self.members.contains_key(member_id) {
            return Ok(());
        }
        let message = format!("The consumer group has reached its maximum capacity of {max} members.");
        refuse(ErrorCode::GroupMaxSizeReached, message)
    }

    /// The dynamic member of this id, a new one if it joins.
    pub(super) fn member(&self, id: &str, joining: bool) -> Result<Member, Refusal> {
        match self.members.get(id) {
            Some(member) => Ok(member.clone()),
            None if joining => Ok(Member { id: id.to_owned(), ..Member::default() }),
            None => {
                let message = format!("Member {id} is not a member of group {}.", self.id);
                refuse(ErrorCode::UnknownMemberId, message)
            }
        }
    }

    /// The static member of this name, a new one if it joins. If it takes the place of another, its id too,
    /// and the records of that are in `parts`.
    pub(super) fn static_member(
        &self,
        name: &str,
        id: &str,
        joining: bool,
        classic: bool,
        parts: &mut Vec<ConsumerPart>,
    ) -> Result<(Member, Option<String>), Refusal> {
        let owner = self.static_members.get(name).and_then(|owner| self.members.get(owner));
        let Some(owner) = owner else {
            let unknown = || refuse(ErrorCode::UnknownMemberId, format!("Instance id {name} is unknown."));
            return if joining { self.member(id, true).map(|member| (member, None)) } else { unknown() };
        };
        if !joining && owner.id != id {
            let message =
                format!("Static member {id} with instance id {name} was fenced by member {}.", owner.id);
            return refuse(ErrorCode::FencedInstanceId, message);
        }
        // A member that joins again under its own id has abandoned what it had.
        if !joining || owner.id == id {
            return Ok((owner.clone(), None));
        }
        if !classic && !owner.is_classic() && owner.current.epoch != LEAVING_STATIC {
            let message = format!(
                "Static member {id} with instance id {name} cannot join the group because the instance id \
                 is owned by {} member.",
                owner.id
            );
            return refuse(ErrorCode::UnreleasedInstanceId, message);
        }
        info!(group = self.id, name, old = owner.id, new = id, "static member is back");
        let current = CurrentAssignment { epoch: 0, previous_epoch: 0, ..owner.current.clone() };
        let member = Member { id: id.to_owned(), info: owner.info.clone(), current };
        parts.push(ConsumerPart::Current(owner.id.clone(), None));
        parts.push(ConsumerPart::Target(owner.id.clone(), None));
        parts.push(ConsumerPart::Member(owner.id.clone(), None));
        parts.push(ConsumerPart::Member(id.to_owned(), Some(member.info.clone())));
        let target = self.target.get(&owner.id).cloned().unwrap_or_default();
        parts.push(ConsumerPart::Target(id.to_owned(), Some(target)));
        parts.push(ConsumerPart::Current(id.to_owned(), Some(member.current.clone())));
        Ok((member, Some(owner.id.clone())))
    }

    fn leave(&mut self, request: &ConsumerHeartbeatRequest, cx: Cx<'_>) -> Outcome {
        let id = request.member_id.as_str();
        let member = match &request.instance_id {
            Some(name) => self.static_member(name, id, false, false, &mut Vec::new())?.0,
            None => self.member(id, false)?,
        };
        let response = ConsumerHeartbeatResponse {
            member_id: id.to_owned(),
            member_epoch: request.member_epoch,
            ..ConsumerHeartbeatResponse::default()
        };
        if request.member_epoch == LEAVING {
            info!(group = self.id, member = id, "member leaves");
            return Ok((response, self.remove(&BTreeSet::from([id.to_owned()]), cx)));
        }
        info!(group = self.id, member = id, "static member leaves for a while");
        // It keeps its place until its session ends, but not what it had to give back anyway.
        let current = CurrentAssignment {
            epoch: LEAVING_STATIC,
            previous_epoch: member.current.epoch,
            revoking: Partitions::new(),
            ..member.current
        };
        Ok((response, self.records(vec![ConsumerPart::Current(id.to_owned(), Some(current))])))
    }
}

/// A member's epoch must be the group's idea of it, or the one before if the member has missed an answer.
fn check_epoch(member: &Member, request: &ConsumerHeartbeatRequest) -> Result<(), Refusal> {
    let CurrentAssignment { epoch, previous_epoch, assigned, .. } = &member.current;
    let given = request.member_epoch;
    if given == JOINING || given == *epoch {
        return Ok(());
    }
    let owns_less = request.owned.as_ref().is_some_and(|owned| is_subset(owned, assigned));
    if given < *epoch && given == *previous_epoch && owns_less {
        return Ok(());
    }
    let how = if given > *epoch { "greater" } else { "smaller" };
    let message = format!(
        "The consumer group member has a {how} member epoch ({given}) than the one known by the group \
         coordinator ({epoch}). The member must abandon all its partitions and rejoin."
    );
    refuse(ErrorCode::FencedMemberEpoch, message)
}

fn update(member: &mut Member, request: &ConsumerHeartbeatRequest) {
    let info = &mut member.info;
    let set = |field: &mut Option<String>, given: &Option<String>| {
        if given.is_some() {
            field.clone_from(given);
        }
    };
    set(&mut info.instance_id, &request.instance_id);
    set(&mut info.rack_id, &request.rack_id);
    set(&mut info.assignor, &request.assignor);
    set(&mut info.regex, &request.regex);
    info.regex = info.regex.take().filter(|regex| !regex.is_empty());
    if let Some(topics) = &request.topics {
        info.topics = topics.iter().cloned().collect();
    }
    info.rebalance_timeout_ms = request.rebalance_timeout_ms.unwrap_or(info.rebalance_timeout_ms);
    info.client_id.clone_from(&request.client_id);
    info.client_host.clone_from(&request.client_host);
    info.classic = None;
}

// The three steps of every heartbeat and of every JoinGroup.

impl ConsumerGroup {
    /// Records what `member` says of itself (`before` is what it said), raises the group's epoch and makes a
    /// new target if that calls for it, and takes the member a step towards its part. Returns it as it is
    /// then.
    pub(super) fn advance(
        &mut self,
        before: &Member,
        mut member: Member,
        replaced: Option<&str>,
        owned: Option<&Partitions>,
        cx: Cx<'_>,
        parts: &mut Vec<ConsumerPart>,
    ) -> Result<Member, Refusal> {
        let (old, new) = (&before.info, &member.info);
        let is_new = replaced.is_none() && !self.members.contains_key(&member.id);
        let regex_changed = old.regex != new.regex;
        let subscription_changed = old.topics != new.topics || regex_changed;
        if is_new || old != new {
            parts.push(ConsumerPart::Member(member.id.clone(), Some(new.clone())));
        }
        let draft = Draft { group: self, member: &member, replaced, cx };
        let stale = self.topics_seen != Some(cx.topics.version());
        let regexes = draft.resolve(stale || regex_changed, stale, parts)?;
        let epoch = draft.raise(&regexes, subscription_changed, stale, parts);
        let (target_epoch, target) = draft.target(&regexes, epoch, parts);
        let names = subscribed(std::iter::once(&member), &regexes);
        let subscribed = names.into_iter().filter_map(|name| Some(cx.topics.get(name)?.id)).collect();
        let current = &member.current;
        let next = Reconciliation {
            current,
            target_epoch,
            target: &target,
            subscribed: &subscribed,
            subscription_changed,
            owned,
            held_by_others: &|topic, partition| self.held_by_others(&member, topic, partition),
        }
        .next()?;
        if next != *current {
            debug!(group = self.id, member = member.id, epoch = next.epoch, state = ?next.state, "member moves");
            parts.push(ConsumerPart::Current(member.id.clone(), Some(next.clone())));
        }
        member.current = next;
        self.topics_seen = Some(cx.topics.version());
        Ok(member)
    }
}

/// A group as it will be: with a member changed, and perhaps in the place of another.
struct Draft<'a> {
    group: &'a ConsumerGroup,
    member: &'a Member,
    replaced: Option<&'a str>,
    cx: Cx<'a>,
}

impl<'a> Draft<'a> {
    fn members(&self) -> impl Iterator<Item = &'a Member> {
        let (id, replaced, member) = (self.member.id.as_str(), self.replaced, self.member);
        let others = self.group.members.values();
        others.filter(move |other| other.id != id && Some(other.id.as_str()) != replaced).chain([member])
    }

    /// What the group's regular expressions stand for: looked up anew if topics changed.
    fn resolve(
        &self,
        changed: bool,
        stale: bool,
        parts: &mut Vec<ConsumerPart>,
    ) -> Result<Cow<'a, BTreeMap<String, ResolvedRegex>>, Refusal> {
        let mut regexes = Cow::Borrowed(&self.group.regexes);
        if !changed {
            return Ok(regexes);
        }
        let used: BTreeSet<&String> =
            self.members().filter_map(|member| member.info.regex.as_ref()).collect();
        for regex in self.group.regexes.keys().filter(|regex| !used.contains(regex)) {
            parts.push(ConsumerPart::Regex(regex.clone(), None));
            regexes.to_mut().remove(regex);
        }
        for regex in used {
            let known = regexes.get(regex);
            if known.is_some() && !stale {
                continue;
            }
            let topics = self.cx.topics.matching(regex).map_err(|error| {
                // The lines before the last draw the expression.
                let error = error.to_string();
                let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let message =
                    format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {why}.");
                Refusal::new(ErrorCode::InvalidRegularExpression, message)
            })?;
            if known.is_some_and(|known| known.topics == topics) {
                continue;
            }
            let version = self.cx.topics.version().cast_signed();
            let resolved = ResolvedRegex { topics, version, at: self.cx.now.wall };
            parts.push(ConsumerPart::Regex(regex.clone(), Some(resolved.clone())));
            regexes.to_mut().insert(regex.clone(), resolved);
        }
        Ok(regexes)
    }

    /// The group's epoch: raised if the member subscribes otherwise, or if the topics are not what they were.
    fn raise(
        &self,
        regexes: &BTreeMap<String, ResolvedRegex>,
        subscription_changed: bool,
        stale: bool,
        parts: &mut Vec<ConsumerPart>,
    ) -> i32 {
        let GroupEpoch { epoch, topics_hash } = self.group.epoch;
        let raise = epoch == 0 || subscription_changed;
        if !raise && !stale {
            return epoch;
        }
        if self.group.has_partition_metadata {
            parts.push(ConsumerPart::PartitionMetadata(None));
        }
        let hash = self.cx.topics.hash_of(subscribed(self.members(), regexes));
        if !raise && hash == topics_hash {
            return epoch;
        }
        let epoch = epoch + 1;
        info!(group = self.group.id, epoch, members = self.members().count(), "group epoch raised");
        parts.push(ConsumerPart::Epoch(Some(GroupEpoch { epoch, topics_hash: hash })));
        epoch
    }

    /// The member's part of the target, and the target's epoch. Made anew if it is behind the group's.
    fn target(
        &self,
        regexes: &BTreeMap<String, ResolvedRegex>,
        epoch: i32,
        parts: &mut Vec<ConsumerPart>,
    ) -> (i32, Partitions) {
        let target = &self.group.target;
        let before = |id: &str| match self.replaced {
            Some(replaced) if id == self.member.id => target.get(replaced),
            _ => target.get(id),
        };
        if epoch <= self.group.assignment_epoch {
            return (self.group.assignment_epoch, before(&self.member.id).cloned().unwrap_or_default());
        }
        let mut ours = Partitions::new();
        let members: Vec<&Member> = self.members().collect();
        let spec = self.spec(&members, regexes, &before);
        let assignor = self.group.assignor(members.iter().copied(), self.cx.config);
        for (member, assigned) in members.iter().zip(assignor.assign(&spec)) {
            if member.id == self.member.id {
                ours.clone_from(&assigned);
            }
            if before(&member.id) != Some(&assigned) {
                parts.push(ConsumerPart::Target(member.id.clone(), Some(assigned)));
            }
        }
        parts.push(ConsumerPart::TargetEpoch(Some(epoch)));
        (epoch, ours)
    }

    fn spec<'b>(
        &self,
        members: &[&'b Member],
        regexes: &'b BTreeMap<String, ResolvedRegex>,
        before: &impl Fn(&str) -> Option<&'b Partitions>,
    ) -> Spec<'b> {
        let mut topics = BTreeMap::new();
        let mut look_up = |name: &str| -> Option<TopicId> {
            let topic = self.cx.topics.get(name)?;
            topics.insert(topic.id, topic.partitions);
            Some(topic.id)
        };
        let candidate = |member: &&'b Member| Candidate {
            id: &member.id,
            instance_id: member.info.instance_id.as_deref(),
            topics: subscribed(std::iter::once(*member), regexes)
                .into_iter()
                .filter_map(&mut look_up)
                .collect(),
            before: before(&member.id),
        };
        let members = members.iter().map(candidate).collect();
        Spec { members, topics }
    }
}
