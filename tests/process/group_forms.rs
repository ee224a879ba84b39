//! What members and administrators of groups are told, field by field, in the versions that have the field.

use std::borrow::Cow;

use protocol::ErrorCode;
use protocol::messages::consumer_group_describe::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
};
use protocol::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};
use protocol::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
use protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};

use crate::support::Broker;
use crate::support::client::{Answer, Client};

/// The first version in which a member without an id gets one and has to come back with it (KIP-394).
const MEMBER_ID_REQUIRED: i16 = 4;
/// The first version with static members (KIP-345).
const INSTANCE_ID: i16 = 5;
/// The first version that answers the protocol's type.
const PROTOCOL_TYPE: i16 = 7;

fn join_request<'a>(group: &'a str, member: &'a str, instance: Option<&'a str>) -> JoinGroupRequest<'a> {
    JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member.into(),
        group_instance_id: instance.map(Into::into),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Cow::Borrowed(b"subscription"),
        }],
        ..Default::default()
    }
}

/// A member id to join with: the one that the broker gives, where it gives one.
fn member_id(client: &mut Client, version: i16, group: &str) -> String {
    if version < MEMBER_ID_REQUIRED {
        return String::new();
    }
    let answer = client.call(&join_request(group, "", None), version);
    let response: JoinGroupResponse<'_> = answer.decode();
    assert_eq!(ErrorCode::from_code(response.error_code), Some(ErrorCode::MemberIdRequired), "v{version}");
    assert!(!response.member_id.is_empty(), "v{version}");
    assert!(response.members.is_empty(), "v{version}");
    response.member_id.into_owned()
}

/// The leader is told of everybody, the others of nobody; assignments arrive as they were sent, empty ones too.
#[test]
fn the_leader_is_told_who_is_in_the_group_and_nobody_else() {
    let broker = Broker::with(&[("group.initial.rebalance.delay.ms", "300")]);
    let mut clients = [broker.connect(), broker.connect()];
    for version in 0..=9 {
        let group = format!("group-{version}");
        let static_one = (version >= INSTANCE_ID).then_some("static");
        let ids = [0, 1].map(|who| match (who, static_one) {
            // A static member is told its id by the answer to its first request.
            (0, Some(_)) => String::new(),
            (who, _) => member_id(&mut clients[who], version, &group),
        });
        // Both within the delay of a new group, so that they meet in its first generation.
        clients[0].send(&join_request(&group, &ids[0], static_one), version);
        clients[1].send(&join_request(&group, &ids[1], None), version);
        let answers = [0, 1].map(|who| Answer::new(clients[who].read_frame().expect("an answer"), version));
        let joined: Vec<JoinGroupResponse<'_>> = answers.iter().map(Answer::decode).collect();
        let leader = joined[0].leader.clone();
        for one in &joined {
            assert_eq!((one.error_code, one.generation_id), (0, 1), "v{version}");
            assert_eq!(one.leader, leader, "v{version}");
            assert_eq!(one.protocol_name.as_deref(), Some("range"), "v{version}");
            let protocol_type = (version >= PROTOCOL_TYPE).then_some("consumer");
            assert_eq!(one.protocol_type.as_deref(), protocol_type, "v{version}");
            assert!(!one.skip_assignment, "v{version}");
            if one.member_id != leader {
                assert!(one.members.is_empty(), "v{version}");
                continue;
            }
            let mut told: Vec<_> = one.members.iter().map(|member| &*member.member_id).collect();
            let mut all: Vec<_> = joined.iter().map(|one| &*one.member_id).collect();
            told.sort_unstable();
            all.sort_unstable();
            assert_eq!(told, all, "v{version}");
            for member in &one.members {
                assert_eq!(&*member.metadata, b"subscription", "v{version}");
                let instance = static_one.filter(|_| member.member_id == joined[0].member_id);
                assert_eq!(member.group_instance_id.as_deref(), instance, "v{version}");
            }
        }
        let version = version.min(5);
        let assignments = joined.iter().zip([&b"all of it"[..], b""]).map(|(one, assignment)| {
            SyncGroupRequestAssignment { member_id: one.member_id.clone(), assignment: assignment.into() }
        });
        let assignments: Vec<_> = assignments.collect();
        for (client, one) in clients.iter_mut().zip(&joined) {
            let request = SyncGroupRequest {
                group_id: group.as_str().into(),
                generation_id: 1,
                member_id: one.member_id.clone(),
                // Mandatory from version 5 on.
                protocol_type: (version >= 5).then_some("consumer".into()),
                protocol_name: (version >= 5).then_some("range".into()),
                assignments: if one.member_id == leader { assignments.clone() } else { vec![] },
                ..Default::default()
            };
            client.send(&request, version);
        }
        for (client, expected) in clients.iter_mut().zip([&b"all of it"[..], b""]) {
            let answer = Answer::new(client.read_frame().expect("an answer"), version);
            let response: SyncGroupResponse<'_> = answer.decode();
            assert_eq!((response.error_code, &*response.assignment), (0, expected), "v{version}");
        }
    }
}

/// Groups of both types: what lists and descriptions say of them, and filters leave of them.
#[test]
fn groups_of_both_types_are_listed_by_state_and_type() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let member = member_id(&mut client, 9, "classic");
    let answer = client.call(&join_request("classic", &member, None), 9);
    assert_eq!(answer.decode::<JoinGroupResponse<'_>>().error_code, 0);
    let heartbeat = ConsumerGroupHeartbeatRequest {
        group_id: "consumers".into(),
        member_id: "a-member-of-its-own-id".into(),
        rebalance_timeout_ms: 10_000,
        subscribed_topic_names: Some(vec!["t".into()]),
        topic_partitions: Some(vec![]),
        ..Default::default()
    };
    let answer = client.call(&heartbeat, 1);
    assert_eq!(answer.decode::<ConsumerGroupHeartbeatResponse<'_>>().error_code, 0);

    let mut list = |version: i16, states: &[&'static str], types: &[&'static str]| {
        let filter = |names: &[&'static str]| names.iter().map(|name| Cow::Borrowed(*name)).collect();
        let request = ListGroupsRequest { states_filter: filter(states), types_filter: filter(types) };
        let answer = client.call(&request, version);
        let response: ListGroupsResponse<'_> = answer.decode();
        assert_eq!((response.error_code, response.throttle_time_ms), (0, 0), "v{version}");
        let mut found: Vec<_> = response
            .groups
            .iter()
            .map(|one| {
                [&one.group_id, &one.protocol_type, &one.group_state, &one.group_type]
                    .map(ToString::to_string)
            })
            .filter(|one| ["classic", "consumers"].contains(&&*one[0]))
            .collect();
        found.sort();
        found
    };
    for version in 0..=5 {
        let classic = ["classic", "consumer", "CompletingRebalance", "classic"];
        let consumers = ["consumers", "consumer", "Stable", "consumer"];
        let shown = |group: [&'static str; 4]| {
            let [id, protocol, state, kind] = group;
            let state = if version < 4 { "" } else { state };
            let kind = if version < 5 { "" } else { kind };
            [id, protocol, state, kind].map(str::to_owned)
        };
        let (classic, consumers) = (shown(classic), shown(consumers));
        let both = [classic, consumers];
        let [classic, consumers] = both.each_ref().map(std::slice::from_ref);
        assert_eq!(list(version, &[], &[]), both, "v{version}");
        if version >= 4 {
            // States are read whatever their case (KIP-848's are new to old tools).
            assert_eq!(list(version, &["completingrebalance", "Dead"], &[]), classic, "v{version}");
            assert_eq!(list(version, &["Stable"], &[]), consumers, "v{version}");
            assert!(list(version, &["PreparingRebalance"], &[]).is_empty(), "v{version}");
        }
        if version >= 5 {
            assert_eq!(list(version, &[], &["Classic"]), classic);
            assert_eq!(list(version, &[], &["consumer", "classic"]), both);
            assert_eq!(list(version, &["stable"], &["consumer"]), consumers);
            assert!(list(version, &["stable"], &["classic"]).is_empty());
        }
    }
    describe_either(&mut client, &member);
}

/// Each kind of group has its own description; asked for the other kind, the answer is that there is none.
fn describe_either(client: &mut Client, member: &str) {
    let not_found = ErrorCode::GroupIdNotFound.code();
    for version in 0..=6 {
        let groups = vec!["classic".into(), "consumers".into(), "never".into()];
        let answer = client.call(&DescribeGroupsRequest { groups, ..Default::default() }, version);
        let response: DescribeGroupsResponse<'_> = answer.decode();
        let [classic, consumers, never] = &response.groups[..] else { panic!("an answer for each") };
        assert_eq!((classic.error_code, &*classic.group_state), (0, "CompletingRebalance"), "v{version}");
        assert_eq!((&*classic.protocol_type, classic.authorized_operations), ("consumer", i32::MIN));
        assert_eq!(classic.members[0].member_id, member, "v{version}");
        assert_eq!(classic.members[0].client_id, "process-tests", "v{version}");
        assert_eq!(classic.members[0].client_host, "/127.0.0.1", "v{version}");
        // KIP-1043: version 6 tells what is not there from what is dead.
        let missing = if version < 6 { 0 } else { not_found };
        for other in [consumers, never] {
            assert_eq!((other.error_code, &*other.group_state), (missing, "Dead"), "v{version}");
            assert!(other.members.is_empty(), "v{version}");
            assert_eq!(other.error_message.is_some(), version >= 6, "v{version}");
        }
    }
    for version in 0..=1 {
        let group_ids = vec!["consumers".into(), "classic".into(), "never".into()];
        let answer = client.call(&ConsumerGroupDescribeRequest { group_ids, ..Default::default() }, version);
        let response: ConsumerGroupDescribeResponse<'_> = answer.decode();
        let codes: Vec<i16> = response.groups.iter().map(|group| group.error_code).collect();
        assert_eq!(codes, [0, not_found, not_found], "v{version}");
        let consumers = &response.groups[0];
        assert_eq!((&*consumers.group_state, &*consumers.assignor_name), ("Stable", "uniform"), "v{version}");
        let only = &consumers.members[0];
        assert_eq!(only.member_id, "a-member-of-its-own-id", "v{version}");
        assert_eq!(only.assignment.topic_partitions[0].topic_name, "t", "v{version}");
        assert_eq!(only.member_type, if version < 1 { -1 } else { 1 }, "v{version}");
    }
}
