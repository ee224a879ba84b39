//! Every request in every state of a group: what is answered, and the state that follows.
//!
//! The table is `answers.txt`, which this writes with `UPDATE_GOLDENFILES=1 cargo test` and else compares.
//! A group has a leader and a follower, both of `range` and the topic `t`; `completing` is their second
//! rebalance, `preparing` their third, in which a new member waits for both. In `consumer` the only member
//! speaks KIP-848's protocol, here it is called leader too; `mixed` has one of that kind besides the two.
//! Under each request, states that answer alike stand together; `→` says where a group goes, `+n` how far its
//! generation is beyond the one before.

use std::fmt::Write as _;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::consumer::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition};
use protocol::types::{Epoch, Offset, PartitionIndex};

use super::harness::Harness;
use super::records::Partitions;
use super::requests::*;
use super::{Answer, GroupConfig, Step, Ticket};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/coordinator/group/answers.txt");
const GROUP: &str = "g";
/// An id that nobody has.
const GHOST: &str = "ghost";

/// A group in some state, and what its members know.
struct World {
    harness: Harness,
    leader: String,
    follower: String,
    /// Static names of the two, if they have some.
    names: Option<(&'static str, &'static str)>,
    /// Given out with MEMBER_ID_REQUIRED.
    pending: String,
    /// Of the member that waits in `preparing`.
    waiting: String,
    generation: i32,
}

type Make = fn() -> World;
type Act = fn(&mut World) -> String;

const STATES: &[(&str, Make)] = &[
    ("absent", World::new),
    ("given an id", World::given_an_id),
    ("empty", World::empty),
    ("offsets only", World::offsets_only),
    ("preparing", World::preparing),
    ("completing", || World::completing(None)),
    ("stable", || World::stable(None)),
    ("static", || World::stable(Some(("leader", "follower")))),
    ("consumer", || World::of_consumers(None)),
    ("consumer static", || World::of_consumers(Some("leader"))),
    ("mixed", World::mixed),
];

fn subscription(topics: &[&'static str]) -> Bytes {
    let topics = topics.iter().map(|topic| (*topic).into()).collect();
    protocol::consumer::encode(&ConsumerProtocolSubscription { topics, ..Default::default() }, 1).unwrap()
}

fn assignment(partition: i32) -> Bytes {
    let topic = TopicPartition { topic: "t".into(), partitions: vec![partition] };
    let assigned = ConsumerProtocolAssignment { assigned_partitions: vec![topic], user_data: None };
    protocol::consumer::encode(&assigned, 1).unwrap()
}

fn range(topics: &[&'static str]) -> Vec<JoinProtocol> {
    vec![JoinProtocol { name: "range".to_owned(), metadata: subscription(topics) }]
}

fn join() -> JoinRequest {
    JoinRequest {
        api_version: 9,
        group_id: GROUP.to_owned(),
        client_id: "c".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".to_owned(),
        protocols: range(&["t"]),
        ..JoinRequest::default()
    }
}

fn joining(member_id: &str, name: Option<&str>) -> JoinRequest {
    JoinRequest { member_id: member_id.to_owned(), group_instance_id: name.map(str::to_owned), ..join() }
}

fn leaving(member_id: &str, name: Option<&str>) -> LeavingMember {
    let group_instance_id = name.map(str::to_owned);
    LeavingMember { member_id: member_id.to_owned(), group_instance_id, reason: None }
}

fn heartbeat(member_id: &str, epoch: i32) -> ConsumerHeartbeatRequest {
    let joins = epoch == JOINING;
    ConsumerHeartbeatRequest {
        api_version: 1,
        group_id: GROUP.to_owned(),
        member_id: member_id.to_owned(),
        member_epoch: epoch,
        rebalance_timeout_ms: joins.then_some(60_000),
        topics: joins.then(|| vec!["t".to_owned()]),
        owned: joins.then(Partitions::new),
        ..ConsumerHeartbeatRequest::default()
    }
}

/// The states.
impl World {
    fn new() -> Self {
        let harness = Harness::new(GroupConfig::default());
        harness.topics.set("t", 2);
        let ghost = || GHOST.to_owned();
        Self {
            harness,
            leader: ghost(),
            follower: ghost(),
            names: None,
            pending: ghost(),
            waiting: ghost(),
            generation: 1,
        }
    }

    fn given_an_id() -> Self {
        let mut world = Self::new();
        world.pending = world.new_id();
        world.generation = 0;
        world
    }

    fn offsets_only() -> Self {
        let mut world = Self::new();
        assert_eq!(world.commit(|_| {}), "NONE");
        world.generation = 0;
        world
    }

    fn completing(names: Option<(&'static str, &'static str)>) -> Self {
        let mut world = Self::new();
        world.names = names;
        let (leader, follower) = names.unzip();
        let id = if names.is_some() { String::new() } else { world.new_id() };
        world.leader = world.join(&joining(&id, leader)).expect("nobody to wait for").member_id;
        let id = world.leader.clone();
        world.assign(1, &[&id]);
        let id = if names.is_some() { String::new() } else { world.new_id() };
        let (_, step) = world.harness.join(&joining(&id, follower));
        assert!(world.finish(step).is_empty(), "the follower waits for the leader");
        let rejoining = joining(&world.leader, leader);
        let (_, step) = world.harness.join(&rejoining);
        let joined = world.finish(step);
        assert_eq!(joined.len(), 2);
        for (_, answer) in joined {
            let Answer::Join(answer) = answer else { unreachable!("a JoinGroup was parked") };
            assert!(answer.error.is_ok());
            if answer.member_id != world.leader {
                world.follower = answer.member_id;
            }
        }
        world.generation = 2;
        world
    }

    fn stable(names: Option<(&'static str, &'static str)>) -> Self {
        let mut world = Self::completing(names);
        let (leader, follower) = (world.leader.clone(), world.follower.clone());
        world.assign(2, &[&leader, &follower]);
        let request = world.sync_of(&follower, names.map(|(_, name)| name));
        assert!(world.sync(request).starts_with("assignment"));
        world
    }

    fn preparing() -> Self {
        let mut world = Self::stable(None);
        world.waiting = world.new_id();
        let request = joining(&world.waiting, None);
        assert!(world.join(&request).is_none());
        world
    }

    fn empty() -> Self {
        let mut world = Self::stable(None);
        let members = vec![leaving(&world.leader, None), leaving(&world.follower, None)];
        assert_eq!(world.leave(members), "each NONE NONE");
        world.generation = 3;
        world
    }

    fn of_consumers(name: Option<&'static str>) -> Self {
        let mut world = Self::new();
        world.leader = "consumer".to_owned();
        world.names = name.map(|name| (name, "follower"));
        let instance_id = name.map(str::to_owned);
        let said =
            world.consumer(&ConsumerHeartbeatRequest { instance_id, ..heartbeat("consumer", JOINING) });
        assert_eq!(said, "epoch 1");
        world
    }

    fn mixed() -> Self {
        let mut world = Self::stable(None);
        assert_eq!(world.consumer(&heartbeat("consumer", JOINING)), "epoch 3");
        world
    }
}

/// Requests, and what is said of their answers.
impl World {
    fn finish(&mut self, step: Step) -> Vec<(Ticket, Answer)> {
        self.harness.finish(GROUP, step).0
    }

    fn join(&mut self, request: &JoinRequest) -> Option<JoinResponse> {
        let (ticket, step) = self.harness.join(request);
        let answered = self.finish(step).into_iter().find(|(to, _)| *to == ticket)?;
        let Answer::Join(response) = answered.1 else { unreachable!("a JoinGroup was asked") };
        Some(response)
    }

    fn new_id(&mut self) -> String {
        let refused = self.join(&join()).expect("MEMBER_ID_REQUIRED");
        assert_eq!(refused.error, ErrorCode::MemberIdRequired);
        refused.member_id
    }

    fn joins(&mut self, request: &JoinRequest) -> String {
        let Some(answer) = self.join(request) else { return "parked".to_owned() };
        if !answer.error.is_ok() {
            return answer.error.name().to_owned();
        }
        let known = answer.member_id == self.leader || answer.member_id == self.follower;
        let said = match (answer.leader == answer.member_id, answer.skip_assignment) {
            (true, false) => format!("leads {}", answer.members.len()),
            (true, true) => format!("leads {}, must not assign", answer.members.len()),
            (false, _) if answer.leader.is_empty() => "assigned by the broker".to_owned(),
            (false, _) => "follows".to_owned(),
        };
        let new = if known { "" } else { " under a new id" };
        format!("joined +{}, {said}{new}", answer.generation - self.generation)
    }

    fn assign(&mut self, generation: i32, members: &[&String]) {
        let mut request = self.sync_of(members[0], self.names.map(|(name, _)| name));
        request.generation = generation;
        let share = |(index, id): (usize, &&String)| ((*id).clone(), assignment(index as i32));
        request.assignments = members.iter().enumerate().map(share).collect();
        assert!(self.sync(request).starts_with("assignment"));
    }

    fn sync_of(&self, member_id: &str, name: Option<&str>) -> SyncRequest {
        SyncRequest {
            api_version: 5,
            group_id: GROUP.to_owned(),
            generation: self.generation,
            member_id: member_id.to_owned(),
            group_instance_id: name.map(str::to_owned),
            protocol_type: Some("consumer".to_owned()),
            protocol_name: Some("range".to_owned()),
            assignments: Vec::new(),
        }
    }

    fn sync(&mut self, request: SyncRequest) -> String {
        let (ticket, now) = (self.harness.ticket(), self.harness.now());
        let step = self.harness.shard.sync(&request, ticket, now);
        match self.finish(step).into_iter().find(|(to, _)| *to == ticket) {
            None => "parked".to_owned(),
            Some((_, Answer::Sync(answer))) if answer.error.is_ok() => {
                if answer.assignment.is_empty() { "nothing" } else { "assignment" }.to_owned()
            }
            Some((_, Answer::Sync(answer))) => answer.error.name().to_owned(),
            Some((_, Answer::Join(_))) => unreachable!("a SyncGroup was asked"),
        }
    }

    /// SyncGroup of the leader, who assigns, but for what `change` does to it.
    fn sync_leader(&mut self, change: impl Fn(&mut SyncRequest)) -> String {
        let mut request = self.sync_of(&self.leader, self.names.map(|(name, _)| name));
        request.assignments = vec![(self.leader.clone(), assignment(0))];
        change(&mut request);
        self.sync(request)
    }

    /// Heartbeat of the leader, but for what `change` does to it.
    fn heartbeat(&mut self, change: impl Fn(&Self, &mut HeartbeatRequest)) -> String {
        let mut request = HeartbeatRequest {
            group_id: GROUP.to_owned(),
            generation: self.generation,
            member_id: self.leader.clone(),
            group_instance_id: self.names.map(|(name, _)| name.to_owned()),
        };
        change(self, &mut request);
        let now = self.harness.now();
        self.harness.shard.heartbeat(&request, now).name().to_owned()
    }

    fn leave(&mut self, members: Vec<LeavingMember>) -> String {
        let now = self.harness.now();
        let request = LeaveRequest { group_id: GROUP.to_owned(), members };
        let (response, step) = self.harness.shard.leave(&request, now);
        self.finish(step);
        if !response.error.is_ok() {
            return response.error.name().to_owned();
        }
        let each = response.members.iter().map(|member| member.error.name());
        format!("each {}", each.collect::<Vec<_>>().join(" "))
    }

    /// The two, with their names.
    fn both(&self) -> [LeavingMember; 2] {
        let (leader, follower) = self.names.unzip();
        [leaving(&self.leader, leader), leaving(&self.follower, follower)]
    }

    /// OffsetCommit from outside the group, but for what `change` does to it.
    fn commit(&mut self, change: impl Fn(&mut CommitRequest)) -> String {
        let partition = CommitPartition {
            partition: PartitionIndex(0),
            offset: Offset(5),
            leader_epoch: Epoch::NONE,
            metadata: None,
            committed_at: None,
        };
        let topics = vec![CommitTopic { topic: "t".to_owned(), partitions: vec![partition] }];
        let mut request =
            CommitRequest { api_version: 9, group_id: GROUP.to_owned(), topics, ..CommitRequest::default() };
        change(&mut request);
        let now = self.harness.now();
        let (response, step) = self.harness.shard.commit(&request, now);
        self.finish(step);
        response.topics[0].partitions[0].1.name().to_owned()
    }

    /// OffsetCommit of the leader, but for what `change` does to it.
    fn commit_leader(&mut self, change: impl Fn(&mut CommitRequest)) -> String {
        let (generation, id) = (self.generation, self.leader.clone());
        let name = self.names.map(|(name, _)| name.to_owned());
        self.commit(|request| {
            request.generation = generation;
            request.member_id.clone_from(&id);
            request.group_instance_id.clone_from(&name);
            change(request);
        })
    }

    fn fetch(&mut self, member: Option<AskingMember>) -> String {
        let topics = vec![FetchTopic { topic: "t".to_owned(), partitions: vec![PartitionIndex(0)] }];
        let request = FetchOffsetsRequest {
            group_id: GROUP.to_owned(),
            topics: Some(topics),
            require_stable: true,
            member,
        };
        let response = self.harness.shard.fetch(&request);
        match response.error.is_ok() {
            true => format!("offset {}", response.topics[0].partitions[0].offset),
            false => response.error.name().to_owned(),
        }
    }

    fn delete_offsets(&mut self, topic: &str) -> String {
        let topics = vec![FetchTopic { topic: topic.to_owned(), partitions: vec![PartitionIndex(0)] }];
        let request = DeleteOffsetsRequest { group_id: GROUP.to_owned(), topics };
        let (response, step) = self.harness.shard.delete_offsets(&request);
        self.finish(step);
        match response.topics.first() {
            Some(topic) => format!("each {}", topic.partitions[0].1.name()),
            None => response.error.name().to_owned(),
        }
    }

    fn consumer(&mut self, request: &ConsumerHeartbeatRequest) -> String {
        let now = self.harness.now();
        let (answer, step) = self.harness.shard.consumer_heartbeat(request, 7, now);
        self.finish(step);
        match answer {
            Ok(answer) => format!("epoch {}", answer.member_epoch),
            Err(refusal) => refusal.error.name().to_owned(),
        }
    }

    /// The state that an administrator sees, of either kind of group.
    fn state(&self) -> String {
        let listed = self.harness.shard.list(&ListRequest::default());
        let group = listed.first();
        group.map_or("gone".to_owned(), |group| match group.group_type {
            super::GroupType::Classic => group.state.name().to_owned(),
            super::GroupType::Consumer => format!("consumer {}", group.state),
        })
    }
}

/// The requests, in the order of their keys.
const REQUESTS: &[(&str, Act)] = &[
    ("OffsetCommit from outside the group", |world| world.commit(|_| {})),
    ("OffsetCommit of the leader", |world| world.commit_leader(|_| {})),
    ("OffsetCommit of the leader, version 8", |world| world.commit_leader(|request| request.api_version = 8)),
    ("OffsetCommit of the leader, generation before", |world| {
        world.commit_leader(|request| request.generation -= 1)
    }),
    ("OffsetCommit of the leader, generation ahead", |world| {
        world.commit_leader(|request| request.generation += 1)
    }),
    ("OffsetCommit of the leader, generation -1", |world| {
        world.commit_leader(|request| request.generation = NO_GENERATION)
    }),
    ("OffsetCommit with a generation but no id", |world| {
        let generation = world.generation;
        world.commit(|request| request.generation = generation)
    }),
    ("OffsetCommit of an unknown id", |world| {
        world.commit_leader(|request| {
            (request.member_id, request.group_instance_id) = (GHOST.to_owned(), None)
        })
    }),
    ("OffsetCommit of an unknown id, version 8", |world| {
        world.commit_leader(|request| {
            request.api_version = 8;
            (request.member_id, request.group_instance_id) = (GHOST.to_owned(), None);
        })
    }),
    ("OffsetCommit, the leader's name under another id", |world| {
        world.commit_leader(|request| {
            (request.member_id, request.group_instance_id) = (GHOST.to_owned(), Some("leader".to_owned()));
        })
    }),
    ("OffsetCommit of the leader, unknown name", |world| {
        world.commit_leader(|request| request.group_instance_id = Some(GHOST.to_owned()))
    }),
    ("OffsetCommit from outside, a note of 4097 characters", |world| {
        world.commit(|request| request.topics[0].partitions[0].metadata = Some("x".repeat(4097)))
    }),
    ("OffsetFetch", |world| world.fetch(None)),
    ("OffsetFetch of the leader in its epoch", |world| {
        let member = AskingMember { id: Some(world.leader.clone()), epoch: world.generation };
        world.fetch(Some(member))
    }),
    ("OffsetFetch of the leader in another epoch", |world| {
        let member = AskingMember { id: Some(world.leader.clone()), epoch: world.generation + 5 };
        world.fetch(Some(member))
    }),
    ("OffsetFetch of an unknown id", |world| {
        let member = AskingMember { id: Some(GHOST.to_owned()), epoch: world.generation };
        world.fetch(Some(member))
    }),
    ("JoinGroup without an id", |world| world.joins(&join())),
    ("JoinGroup without an id, version 3", |world| world.joins(&JoinRequest { api_version: 3, ..join() })),
    ("JoinGroup with the id given out", |world| {
        let request = joining(&world.pending, None);
        world.joins(&request)
    }),
    ("JoinGroup of a new static member", |world| world.joins(&joining("", Some("new")))),
    ("JoinGroup of an unknown id", |world| world.joins(&joining(GHOST, None))),
    ("JoinGroup of an unknown id with an unknown name", |world| world.joins(&joining(GHOST, Some(GHOST)))),
    ("JoinGroup, the leader's name under another id", |world| world.joins(&joining(GHOST, Some("leader")))),
    ("JoinGroup, the leader's name without an id", |world| world.joins(&joining("", Some("leader")))),
    ("JoinGroup, the leader's name without an id, version 8", |world| {
        world.joins(&JoinRequest { api_version: 8, ..joining("", Some("leader")) })
    }),
    ("JoinGroup, the follower's name without an id", |world| world.joins(&joining("", Some("follower")))),
    ("JoinGroup, the follower's name without an id, other topics", |world| {
        world.joins(&JoinRequest { protocols: range(&["t", "u"]), ..joining("", Some("follower")) })
    }),
    ("JoinGroup without an id, a protocol that others lack", |world| {
        let protocols = vec![JoinProtocol { name: "exotic".to_owned(), metadata: subscription(&["t"]) }];
        world.joins(&JoinRequest { protocols, ..join() })
    }),
    ("JoinGroup of the leader, a protocol that others lack", |world| {
        let protocols = vec![JoinProtocol { name: "exotic".to_owned(), metadata: subscription(&["t"]) }];
        let known = joining(&world.leader, world.names.map(|(name, _)| name));
        world.joins(&JoinRequest { protocols, ..known })
    }),
    ("JoinGroup without an id, of another type", |world| {
        world.joins(&JoinRequest { protocol_type: "other".to_owned(), ..join() })
    }),
    ("JoinGroup without an id, of no type", |world| {
        world.joins(&JoinRequest { protocol_type: String::new(), ..join() })
    }),
    ("JoinGroup without an id and protocols", |world| {
        world.joins(&JoinRequest { protocols: Vec::new(), ..join() })
    }),
    ("JoinGroup without an id, session too short", |world| {
        world.joins(&JoinRequest { session_timeout_ms: 10, ..join() })
    }),
    ("JoinGroup of an unknown id, session too long", |world| {
        world.joins(&JoinRequest { session_timeout_ms: i32::MAX, ..joining(GHOST, None) })
    }),
    ("JoinGroup of the leader", |world| {
        let request = joining(&world.leader, world.names.map(|(name, _)| name));
        world.joins(&request)
    }),
    ("JoinGroup of the leader, other topics", |world| {
        let known = joining(&world.leader, world.names.map(|(name, _)| name));
        world.joins(&JoinRequest { protocols: range(&["t", "u"]), ..known })
    }),
    ("JoinGroup of the follower", |world| {
        let request = joining(&world.follower, world.names.map(|(_, name)| name));
        world.joins(&request)
    }),
    ("JoinGroup of the follower, other topics", |world| {
        let known = joining(&world.follower, world.names.map(|(_, name)| name));
        world.joins(&JoinRequest { protocols: range(&["t", "u"]), ..known })
    }),
    ("Heartbeat of the leader", |world| world.heartbeat(|_, _| {})),
    ("Heartbeat of the follower", |world| {
        world.heartbeat(|world, request| {
            request.member_id.clone_from(&world.follower);
            request.group_instance_id = world.names.map(|(_, name)| name.to_owned());
        })
    }),
    ("Heartbeat with the id given out", |world| {
        world.heartbeat(|world, request| request.member_id.clone_from(&world.pending))
    }),
    ("Heartbeat without an id", |world| world.heartbeat(|_, request| request.member_id.clear())),
    ("Heartbeat of an unknown id", |world| {
        world
            .heartbeat(|_, request| (request.member_id, request.group_instance_id) = (GHOST.to_owned(), None))
    }),
    ("Heartbeat, the leader's name under another id", |world| {
        world.heartbeat(|_, request| {
            (request.member_id, request.group_instance_id) = (GHOST.to_owned(), Some("leader".to_owned()));
        })
    }),
    ("Heartbeat of the leader, unknown name", |world| {
        world.heartbeat(|_, request| request.group_instance_id = Some(GHOST.to_owned()))
    }),
    ("Heartbeat of the leader, generation before", |world| {
        world.heartbeat(|_, request| request.generation -= 1)
    }),
    ("Heartbeat of the leader, generation -1", |world| {
        world.heartbeat(|_, request| request.generation = NO_GENERATION)
    }),
    ("LeaveGroup of the leader", |world| {
        let [leader, _] = world.both();
        world.leave(vec![leader])
    }),
    ("LeaveGroup of the follower", |world| {
        let [_, follower] = world.both();
        world.leave(vec![follower])
    }),
    ("LeaveGroup with the id given out", |world| {
        let members = vec![leaving(&world.pending, None)];
        world.leave(members)
    }),
    ("LeaveGroup of the new member that waits", |world| {
        let members = vec![leaving(&world.waiting, None)];
        world.leave(members)
    }),
    ("LeaveGroup of an unknown id", |world| world.leave(vec![leaving(GHOST, None)])),
    ("LeaveGroup of the leader's name", |world| world.leave(vec![leaving("", Some("leader"))])),
    ("LeaveGroup of an unknown name", |world| world.leave(vec![leaving("", Some(GHOST))])),
    ("LeaveGroup, the leader's name under another id", |world| {
        world.leave(vec![leaving(GHOST, Some("leader"))])
    }),
    ("LeaveGroup of neither id nor name", |world| world.leave(vec![leaving("", None)])),
    ("LeaveGroup of the follower, twice, and of an unknown id", |world| {
        let [_, follower] = world.both();
        world.leave(vec![follower.clone(), follower, leaving(GHOST, None)])
    }),
    ("LeaveGroup of everyone", |world| {
        let [leader, follower] = world.both();
        let waiting = leaving(&world.waiting, None);
        world.leave(vec![leader, follower, waiting])
    }),
    ("LeaveGroup of nobody", |world| world.leave(Vec::new())),
    ("SyncGroup of the leader", |world| world.sync_leader(|_| {})),
    ("SyncGroup of the leader without assignments", |world| {
        world.sync_leader(|request| request.assignments.clear())
    }),
    ("SyncGroup of the follower", |world| {
        let request = world.sync_of(&world.follower, world.names.map(|(_, name)| name));
        world.sync(request)
    }),
    ("SyncGroup of an unknown id", |world| {
        world.sync_leader(|request| (request.member_id, request.group_instance_id) = (GHOST.to_owned(), None))
    }),
    ("SyncGroup, the leader's name under another id", |world| {
        world.sync_leader(|request| {
            (request.member_id, request.group_instance_id) = (GHOST.to_owned(), Some("leader".to_owned()));
        })
    }),
    ("SyncGroup of the leader, unknown name", |world| {
        world.sync_leader(|request| request.group_instance_id = Some(GHOST.to_owned()))
    }),
    ("SyncGroup of the leader, generation before", |world| {
        world.sync_leader(|request| request.generation -= 1)
    }),
    ("SyncGroup of the leader, generation ahead", |world| {
        world.sync_leader(|request| request.generation += 1)
    }),
    ("SyncGroup of the leader, another type", |world| {
        world.sync_leader(|request| request.protocol_type = Some("other".to_owned()))
    }),
    ("SyncGroup of the leader, another protocol", |world| {
        world.sync_leader(|request| request.protocol_name = Some("exotic".to_owned()))
    }),
    ("SyncGroup of the leader without a type", |world| {
        world.sync_leader(|request| request.protocol_type = None)
    }),
    ("SyncGroup of the leader without a protocol", |world| {
        world.sync_leader(|request| request.protocol_name = None)
    }),
    ("SyncGroup of the leader without either, version 4", |world| {
        world.sync_leader(|request| {
            request.api_version = 4;
            (request.protocol_type, request.protocol_name) = (None, None);
        })
    }),
    ("DescribeGroups, version 6", |world| {
        let group = world.harness.shard.describe(GROUP);
        let (error, message) = group.error_in(6);
        message.unwrap_or_else(|| {
            let all = [error.name(), group.state.name(), &group.protocol_type, &group.protocol];
            let members = format!("{} members", group.members.len());
            let said = all.into_iter().filter(|text| !text.is_empty());
            said.chain([members.as_str()]).collect::<Vec<_>>().join(", ")
        })
    }),
    ("DescribeGroups, version 5", |world| {
        let group = world.harness.shard.describe(GROUP);
        format!("{}, {}", group.error_in(5).0.name(), group.state)
    }),
    ("TxnOffsetCommit without a member", |world| world.commit(|request| request.transactional = true)),
    ("TxnOffsetCommit of the leader", |world| world.commit_leader(|request| request.transactional = true)),
    ("TxnOffsetCommit of the leader, generation before", |world| {
        world.commit_leader(|request| {
            request.transactional = true;
            request.generation -= 1;
        })
    }),
    ("TxnOffsetCommit of the leader, generation -1", |world| {
        world.commit_leader(|request| {
            request.transactional = true;
            request.generation = NO_GENERATION;
        })
    }),
    ("TxnOffsetCommit of an unknown id", |world| {
        world.commit_leader(|request| {
            request.transactional = true;
            (request.member_id, request.group_instance_id) = (GHOST.to_owned(), None);
        })
    }),
    ("TxnOffsetCommit, the leader's name under another id", |world| {
        world.commit_leader(|request| {
            request.transactional = true;
            (request.member_id, request.group_instance_id) = (GHOST.to_owned(), Some("leader".to_owned()));
        })
    }),
    ("DeleteGroups", |world| {
        let (error, step) = world.harness.shard.delete(GROUP);
        world.finish(step);
        error.name().to_owned()
    }),
    ("OffsetDelete of a topic that is read", |world| world.delete_offsets("t")),
    ("OffsetDelete of another topic", |world| world.delete_offsets("u")),
    ("ConsumerGroupHeartbeat, joins", |world| world.consumer(&heartbeat("another", JOINING))),
    ("ConsumerGroupHeartbeat, joins under the leader's name", |world| {
        let instance_id = Some("leader".to_owned());
        world.consumer(&ConsumerHeartbeatRequest { instance_id, ..heartbeat("another", JOINING) })
    }),
    ("ConsumerGroupHeartbeat of the leader", |world| {
        let request = heartbeat(&world.leader, world.generation);
        world.consumer(&request)
    }),
    ("ConsumerGroupHeartbeat of the leader, epoch ahead", |world| {
        let request = heartbeat(&world.leader, world.generation + 9);
        world.consumer(&request)
    }),
    ("ConsumerGroupHeartbeat of the leader, leaves", |world| {
        let request = heartbeat(&world.leader, LEAVING);
        world.consumer(&request)
    }),
    ("ConsumerGroupHeartbeat of an unknown id", |world| world.consumer(&heartbeat(GHOST, 3))),
    ("ConsumerGroupHeartbeat of an unknown id, leaves", |world| world.consumer(&heartbeat(GHOST, LEAVING))),
    ("ConsumerGroupDescribe", |world| {
        match world.harness.shard.describe_consumer(GROUP, world.harness.now()) {
            Ok(group) => format!("{}, {} members", group.state, group.members.len()),
            Err(refusal) => refusal.message,
        }
    }),
];

fn table() -> String {
    let mut out = String::new();
    for (request, act) in REQUESTS {
        writeln!(out, "{request}").unwrap();
        let mut alike: Vec<(String, Vec<&str>)> = Vec::new();
        for (state, make) in STATES {
            let mut world = make();
            let before = world.state();
            let mut said = act(&mut world);
            let after = world.state();
            if after != before {
                write!(said, " → {after}").unwrap();
            }
            match alike.iter_mut().find(|(one, _)| *one == said) {
                Some((_, states)) => states.push(state),
                None => alike.push((said, vec![state])),
            }
        }
        for (said, states) in alike {
            writeln!(out, "    {said:<60} {}", states.join(", ")).unwrap();
        }
    }
    out
}

#[test]
fn every_request_in_every_state() {
    let table = table();
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::write(GOLDEN, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(GOLDEN).unwrap());
}
