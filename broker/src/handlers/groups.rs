//! Classic groups: FindCoordinator (10), JoinGroup (11), Heartbeat (12), LeaveGroup (13),
//! SyncGroup (14), DescribeGroups (15), ListGroups (16), DeleteGroups (42).
//!
//! The coordinator decides; here its plain types are mapped to the wire's and back. What a member
//! sends is copied out of the frame once, since the group keeps it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use protocol::error_code::ErrorCode;
use protocol::messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};
use protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup as WireGroup, DescribedGroupMember,
};
use protocol::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use protocol::messages::heartbeat::{HeartbeatRequest as WireHeartbeat, HeartbeatResponse};
use protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};
use protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup as WireListed};
use protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use super::handler::{Call, Handler, Reply};
use super::{Cx, operations};
use crate::coordinator::group::requests::{
    DescribedGroup, HeartbeatRequest, JoinProtocol, JoinRequest, JoinResponse, LeaveRequest, LeavingMember,
    ListRequest, SyncRequest,
};

/// Coordinates a consumer group.
const GROUP_KEY: i8 = 0;
/// Coordinates a transactional id.
const TRANSACTION_KEY: i8 = 1;
/// First version that asks for several keys at once (KIP-699).
const SEVERAL_SINCE: i16 = 4;

/// Versions 0-6: 1 adds key types and throttling; 3 is flexible; 4 asks for several keys (KIP-699);
/// 5 may answer TRANSACTION_ABORTABLE (KIP-890); 6 adds share groups (KIP-932).
///
/// The one node coordinates everything, under the very address that Metadata gives.
pub(super) struct FindCoordinator;

impl Handler for FindCoordinator {
    type Request<'a> = FindCoordinatorRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=6;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: FindCoordinatorRequest<'a>,
    ) -> Reply<FindCoordinatorResponse<'a>> {
        let (host, port) = cx.advertised(&call.connection);
        let find = |key: Cow<'a, str>| {
            let error = coordinates(request.key_type, &key);
            let found = error == ErrorCode::None;
            Coordinator {
                key,
                error_code: error.code(),
                error_message: (!found).then(|| Cow::Borrowed(error.message())),
                node_id: if found { cx.node.id } else { -1 },
                host: if found { Cow::Owned(host.clone()) } else { Cow::Borrowed("") },
                port: if found { port.into() } else { -1 },
            }
        };
        if call.version >= SEVERAL_SINCE {
            let coordinators = request.coordinator_keys.into_iter().map(find).collect();
            return Reply::Answer(FindCoordinatorResponse {
                coordinators,
                ..FindCoordinatorResponse::default()
            });
        }
        let found = find(request.key);
        Reply::Answer(FindCoordinatorResponse {
            error_code: found.error_code,
            error_message: found.error_message,
            node_id: found.node_id,
            host: found.host,
            port: found.port,
            ..FindCoordinatorResponse::default()
        })
    }
}

fn coordinates(key_type: i8, key: &str) -> ErrorCode {
    match key_type {
        GROUP_KEY => ErrorCode::None,
        TRANSACTION_KEY if key.is_empty() => ErrorCode::InvalidRequest,
        TRANSACTION_KEY => ErrorCode::None,
        _ => ErrorCode::InvalidRequest,
    }
}

/// Versions 0-9: 1 adds the rebalance time-out; 4 sends new members away once with their id; 5
/// static members (KIP-345); 6 is flexible; 7 answers the protocol type; 8 a reason (KIP-800); 9 lets
/// the leader skip assigning (KIP-814).
pub(super) struct JoinGroup;

impl Handler for JoinGroup {
    type Request<'a> = JoinGroupRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=9;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: JoinGroupRequest<'a>,
    ) -> Reply<JoinGroupResponse<'a>> {
        let protocols = request.protocols.iter().map(|protocol| JoinProtocol {
            name: protocol.name.to_string(),
            metadata: Bytes::copy_from_slice(&protocol.metadata),
        });
        let join = JoinRequest {
            api_version: call.version,
            group_id: request.group_id.into_owned(),
            member_id: request.member_id.into_owned(),
            group_instance_id: request.group_instance_id.map(Cow::into_owned),
            client_id: call.client_id().to_owned(),
            client_host: format!("/{}", call.connection.peer.ip().to_canonical()),
            session_timeout_ms: request.session_timeout_ms,
            // Version 0 has no rebalance time-out of its own.
            rebalance_timeout_ms: match call.version {
                0 => request.session_timeout_ms,
                _ => request.rebalance_timeout_ms,
            },
            protocol_type: request.protocol_type.into_owned(),
            protocols: protocols.collect(),
            reason: request.reason.map(Cow::into_owned),
        };
        Reply::Answer(joined(call.version, cx.groups.join_group(join).await))
    }
}

fn joined(version: i16, joined: JoinResponse) -> JoinGroupResponse<'static> {
    // Before version 7 the protocol name cannot be null.
    let protocol_name = joined.protocol_name.or_else(|| (version < 7).then(String::new));
    let members = joined.members.into_iter().map(|member| JoinGroupResponseMember {
        member_id: Cow::Owned(member.member_id),
        group_instance_id: member.group_instance_id.filter(|_| version >= 5).map(Cow::Owned),
        metadata: Cow::Owned(member.metadata.to_vec()),
    });
    JoinGroupResponse {
        error_code: joined.error.code(),
        generation_id: joined.generation,
        protocol_type: joined.protocol_type.filter(|_| version >= 7).map(Cow::Owned),
        protocol_name: protocol_name.map(Cow::Owned),
        leader: Cow::Owned(joined.leader),
        skip_assignment: joined.skip_assignment,
        member_id: Cow::Owned(joined.member_id),
        members: members.collect(),
        ..JoinGroupResponse::default()
    }
}

/// Versions 0-5: 3 adds static members; 4 is flexible; 5 checks protocol type and name.
pub(super) struct SyncGroup;

impl Handler for SyncGroup {
    type Request<'a> = SyncGroupRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: SyncGroupRequest<'a>,
    ) -> Reply<SyncGroupResponse<'a>> {
        let assignments = request
            .assignments
            .iter()
            .map(|one| (one.member_id.to_string(), Bytes::copy_from_slice(&one.assignment)));
        let sync = SyncRequest {
            api_version: call.version,
            group_id: request.group_id.into_owned(),
            generation: request.generation_id,
            member_id: request.member_id.into_owned(),
            group_instance_id: request.group_instance_id.map(Cow::into_owned),
            protocol_type: request.protocol_type.map(Cow::into_owned),
            protocol_name: request.protocol_name.map(Cow::into_owned),
            assignments: assignments.collect(),
        };
        let synced = cx.groups.sync_group(sync).await;
        let named = call.version >= 5;
        Reply::Answer(SyncGroupResponse {
            error_code: synced.error.code(),
            protocol_type: synced.protocol_type.filter(|_| named).map(Cow::Owned),
            protocol_name: synced.protocol_name.filter(|_| named).map(Cow::Owned),
            assignment: Cow::Owned(synced.assignment.to_vec()),
            ..SyncGroupResponse::default()
        })
    }
}

/// Versions 0-4: 3 adds static members; 4 is flexible.
pub(super) struct Heartbeat;

impl Handler for Heartbeat {
    type Request<'a> = WireHeartbeat<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=4;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: WireHeartbeat<'a>,
    ) -> Reply<HeartbeatResponse> {
        let heartbeat = HeartbeatRequest {
            group_id: request.group_id.into_owned(),
            generation: request.generation_id,
            member_id: request.member_id.into_owned(),
            group_instance_id: request.group_instance_id.map(Cow::into_owned),
        };
        let error = cx.groups.heartbeat(heartbeat).await;
        Reply::Answer(HeartbeatResponse { error_code: error.code(), ..HeartbeatResponse::default() })
    }
}

/// Versions 0-5: 3 lets several members go (KIP-345); 4 is flexible; 5 adds a reason (KIP-800).
pub(super) struct LeaveGroup;

impl Handler for LeaveGroup {
    type Request<'a> = LeaveGroupRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: LeaveGroupRequest<'a>,
    ) -> Reply<LeaveGroupResponse<'a>> {
        let several = call.version >= 3;
        let members = match several {
            false => {
                vec![LeavingMember { member_id: request.member_id.into_owned(), ..LeavingMember::default() }]
            }
            true => request
                .members
                .into_iter()
                .map(|member| LeavingMember {
                    member_id: member.member_id.into_owned(),
                    group_instance_id: member.group_instance_id.map(Cow::into_owned),
                    reason: member.reason.map(Cow::into_owned),
                })
                .collect(),
        };
        let left =
            cx.groups.leave_group(LeaveRequest { group_id: request.group_id.into_owned(), members }).await;
        if !several {
            let error_code = left.single_error().code();
            return Reply::Answer(LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() });
        }
        let members = left.members.into_iter().map(|member| MemberResponse {
            member_id: Cow::Owned(member.member_id),
            group_instance_id: member.group_instance_id.map(Cow::Owned),
            error_code: member.error.code(),
        });
        Reply::Answer(LeaveGroupResponse {
            error_code: left.error.code(),
            members: members.collect(),
            ..LeaveGroupResponse::default()
        })
    }
}

/// Versions 0-6: 3 may answer authorised operations; 4 static members; 5 is flexible; 6 answers
/// GROUP_ID_NOT_FOUND for unknown groups (KIP-1043).
pub(super) struct DescribeGroups;

impl Handler for DescribeGroups {
    type Request<'a> = DescribeGroupsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=6;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: DescribeGroupsRequest<'a>,
    ) -> Reply<DescribeGroupsResponse<'a>> {
        let authorized = request.include_authorized_operations.then_some(operations::GROUP);
        let groups = request.groups.iter().map(|id| {
            let described = cx.groups.describe(id);
            WireGroup {
                authorized_operations: authorized.unwrap_or(operations::NOT_ASKED),
                ..described_group(call.version, described)
            }
        });
        Reply::Answer(DescribeGroupsResponse {
            groups: groups.collect(),
            ..DescribeGroupsResponse::default()
        })
    }
}

fn described_group(version: i16, group: DescribedGroup) -> WireGroup<'static> {
    let (error, message) = group.error_in(version);
    let members = group.members.into_iter().map(|member| DescribedGroupMember {
        member_id: Cow::Owned(member.member_id),
        group_instance_id: member.group_instance_id.filter(|_| version >= 4).map(Cow::Owned),
        client_id: Cow::Owned(member.client_id),
        client_host: Cow::Owned(member.client_host),
        member_metadata: Cow::Owned(member.metadata.to_vec()),
        member_assignment: Cow::Owned(member.assignment.to_vec()),
    });
    WireGroup {
        error_code: error.code(),
        error_message: message.map(Cow::Owned),
        group_id: Cow::Owned(group.group_id),
        group_state: Cow::Borrowed(group.state.name()),
        protocol_type: Cow::Owned(group.protocol_type),
        protocol_data: Cow::Owned(group.protocol),
        members: members.collect(),
        ..WireGroup::default()
    }
}

/// Versions 0-5: 3 is flexible; 4 filters by state (KIP-518); 5 by type (KIP-848).
pub(super) struct ListGroups;

impl Handler for ListGroups {
    type Request<'a> = ListGroupsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        call: &'a Call,
        request: ListGroupsRequest<'a>,
    ) -> Reply<ListGroupsResponse<'a>> {
        let list = ListRequest {
            states: request.states_filter.into_iter().map(Cow::into_owned).collect(),
            types: request.types_filter.into_iter().map(Cow::into_owned).collect(),
        };
        let named =
            |since: i16, name: &'static str| Cow::Borrowed(if call.version >= since { name } else { "" });
        let (error, listed) = match cx.groups.list(&list) {
            Ok(listed) => (ErrorCode::None, listed),
            Err(error) => (error, Vec::new()),
        };
        let groups = listed.into_iter().map(|group| WireListed {
            group_id: Cow::Owned(group.group_id),
            protocol_type: Cow::Owned(group.protocol_type),
            group_state: named(4, group.state.name()),
            group_type: named(5, group.group_type.name()),
        });
        Reply::Answer(ListGroupsResponse {
            error_code: error.code(),
            groups: groups.collect(),
            ..ListGroupsResponse::default()
        })
    }
}

/// Versions 0-3: 2 is flexible; 3 adds messages.
///
/// A group that is named twice is deleted, and answered, once.
pub(super) struct DeleteGroups;

impl Handler for DeleteGroups {
    type Request<'a> = DeleteGroupsRequest<'a>;
    const VERSIONS: RangeInclusive<i16> = 0..=3;

    async fn handle<'a>(
        cx: &'a Arc<Cx>,
        _: &'a Call,
        request: DeleteGroupsRequest<'a>,
    ) -> Reply<DeleteGroupsResponse<'a>> {
        let mut results = Vec::with_capacity(request.groups_names.len());
        let mut asked = HashSet::new();
        let each_once = request.groups_names.into_iter().filter(|group_id| asked.insert(group_id.clone()));
        for group_id in each_once {
            let error = cx.groups.delete_group(&group_id).await;
            results.push(DeletableGroupResult {
                group_id,
                error_code: error.code(),
                ..DeletableGroupResult::default()
            });
        }
        Reply::Answer(DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() })
    }
}
