//! Random clients against a shard: they join, assign, commit, fall silent and come back, in any order and
//! at any age of what they know, while the broker restarts and its disk fills up.
//!
//! After every operation: the group's own invariants hold; generations only rise; a partition has one owner
//! in a generation, the one its leader chose; and the log, read from its beginning, gives the groups and
//! offsets that are live. A rebalance under way is not in the log, so there the log may only be behind.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use protocol::types::{Epoch, Offset, PartitionIndex};

use super::harness::Harness;
use super::requests::*;
use super::{Answer, GroupConfig, GroupShard, GroupState, Step, Ticket};

const CLIENTS: usize = 4;
const PARTITIONS: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    /// JoinGroup with what the client knows of itself, and perhaps another assignor than last time.
    Join {
        client: usize,
        protocols: usize,
    },
    /// SyncGroup with what the client last joined.
    Sync {
        client: usize,
    },
    Heartbeat {
        client: usize,
    },
    Leave {
        client: usize,
    },
    Commit {
        client: usize,
        offset: i64,
    },
    CommitFromOutside {
        offset: i64,
    },
    /// The client's process starts again: it knows no id.
    Forget {
        client: usize,
    },
    Tick {
        seconds: u64,
    },
    Sweep,
    Restart,
    Disk {
        full: bool,
    },
    Delete,
}

fn op() -> impl Strategy<Value = Op> {
    let client = 0..CLIENTS;
    prop_oneof![
        8 => (client.clone(), 0..3usize).prop_map(|(client, protocols)| Op::Join { client, protocols }),
        8 => client.clone().prop_map(|client| Op::Sync { client }),
        3 => client.clone().prop_map(|client| Op::Heartbeat { client }),
        1 => client.clone().prop_map(|client| Op::Leave { client }),
        2 => (client.clone(), 0..100i64).prop_map(|(client, offset)| Op::Commit { client, offset }),
        1 => (0..100i64).prop_map(|offset| Op::CommitFromOutside { offset }),
        1 => client.prop_map(|client| Op::Forget { client }),
        2 => (1..12u64).prop_map(|seconds| Op::Tick { seconds }),
        1 => Just(Op::Sweep),
        1 => Just(Op::Restart),
        1 => any::<bool>().prop_map(|full| Op::Disk { full }),
        1 => Just(Op::Delete),
    ]
}

#[derive(Clone, Debug, Default)]
struct Client {
    id: String,
    instance: Option<String>,
    generation: i32,
    /// Who to assign to, if it leads.
    members: Vec<String>,
}

struct World {
    harness: Harness,
    clients: Vec<Client>,
    /// Whose request it is; for SyncGroup also of which generation.
    asked: HashMap<Ticket, (usize, i32)>,
    /// Generation and partition -> the client that was told it owns it.
    owners: HashMap<(i32, u8), usize>,
    generation: i32,
}

impl World {
    fn new() -> Self {
        let config = GroupConfig { offsets_retention: Duration::from_secs(30), ..GroupConfig::default() };
        // Half of the clients are static members.
        let client =
            |n: usize| Client { instance: (n % 2 == 1).then(|| format!("i{n}")), ..Client::default() };
        Self {
            harness: Harness::new(config),
            clients: (0..CLIENTS).map(client).collect(),
            asked: HashMap::new(),
            owners: HashMap::new(),
            generation: 0,
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Join { client, protocols } => self.join(client, protocols),
            Op::Sync { client } => self.sync(client),
            Op::Heartbeat { client } => {
                let Client { id, instance, generation, .. } = self.clients[client].clone();
                let request = HeartbeatRequest {
                    group_id: "g".into(),
                    generation,
                    member_id: id,
                    group_instance_id: instance,
                };
                let _ = self.harness.shard.heartbeat(&request, self.harness.now());
            }
            Op::Leave { client } => {
                let Client { id, instance, .. } = self.clients[client].clone();
                let members =
                    vec![LeavingMember { member_id: id, group_instance_id: instance, reason: None }];
                let request = LeaveRequest { group_id: "g".into(), members };
                let (_, step) = self.harness.shard.leave(&request, self.harness.now());
                self.finish(step);
            }
            Op::Commit { client, offset } => {
                let Client { id, instance, generation, .. } = self.clients[client].clone();
                self.commit(id, instance, generation, offset);
            }
            Op::CommitFromOutside { offset } => self.commit(String::new(), None, NO_GENERATION, offset),
            Op::Forget { client } => self.clients[client].id.clear(),
            Op::Tick { seconds } => {
                let answers = self.harness.tick(Duration::from_secs(seconds));
                self.hear(answers);
            }
            Op::Sweep if !self.harness.broken => self.harness.sweep(),
            Op::Restart => {
                self.harness.restart();
                self.asked.clear();
                self.generation = self.harness.shard.generation("g");
            }
            Op::Disk { full } => self.harness.broken = full,
            Op::Delete if !self.harness.broken => {
                let (_, step) = self.harness.shard.delete("g");
                self.finish(step);
            }
            Op::Sweep | Op::Delete => {}
        }
    }

    fn join(&mut self, client: usize, protocols: usize) {
        let offered: [&[&str]; 3] = [&["range"], &["range", "sticky"], &["sticky", "range"]];
        let protocol =
            |name: &&str| JoinProtocol { name: (*name).into(), metadata: Bytes::from_static(b"m") };
        let request = JoinRequest {
            api_version: 4,
            group_id: "g".into(),
            member_id: self.clients[client].id.clone(),
            group_instance_id: self.clients[client].instance.clone(),
            client_id: format!("c{client}"),
            session_timeout_ms: 10_000,
            // One is in a hurry.
            rebalance_timeout_ms: if client == CLIENTS - 1 { 0 } else { 15_000 },
            protocol_type: "consumer".into(),
            protocols: offered[protocols].iter().map(protocol).collect(),
            ..JoinRequest::default()
        };
        let (ticket, step) = self.harness.join(&request);
        self.asked.insert(ticket, (client, 0));
        self.finish(step);
    }

    fn sync(&mut self, client: usize) {
        let Client { id, instance, generation, members } = self.clients[client].clone();
        // Member n gets every partition p with p % members == n.
        let share = |n: usize| -> Bytes {
            (0..PARTITIONS).filter(|p| p % members.len() == n).map(|p| p as u8).collect::<Vec<_>>().into()
        };
        let assignments = members.iter().enumerate().map(|(n, member)| (member.clone(), share(n)));
        let request = SyncRequest {
            group_id: "g".into(),
            generation,
            member_id: id,
            group_instance_id: instance,
            assignments: assignments.collect(),
            ..SyncRequest::default()
        };
        let ticket = self.harness.ticket();
        let step = self.harness.shard.sync(&request, ticket, self.harness.now());
        self.asked.insert(ticket, (client, generation));
        self.finish(step);
    }

    fn commit(&mut self, member_id: String, group_instance_id: Option<String>, generation: i32, offset: i64) {
        let partition = CommitPartition {
            partition: PartitionIndex((offset % PARTITIONS as i64) as i32),
            offset: Offset(offset),
            leader_epoch: Epoch::NONE,
            metadata: None,
            committed_at: None,
        };
        let request = CommitRequest {
            group_id: "g".into(),
            generation,
            member_id,
            group_instance_id,
            topics: vec![CommitTopic { topic: "t".into(), partitions: vec![partition] }],
            ..CommitRequest::default()
        };
        let (_, step) = self.harness.shard.commit(&request, self.harness.now());
        self.finish(step);
    }

    fn finish(&mut self, step: Step) {
        let (answers, _) = self.harness.finish("g", step);
        self.hear(answers);
    }

    fn hear(&mut self, answers: Vec<(Ticket, Answer)>) {
        for (ticket, answer) in answers {
            let (client, generation) = self.asked.remove(&ticket).expect("each request is answered once");
            match answer {
                Answer::Join(joined) => {
                    let known = &mut self.clients[client];
                    if joined.error.is_ok() {
                        known.generation = joined.generation;
                        known.members = joined.members.into_iter().map(|member| member.member_id).collect();
                        known.id = joined.member_id;
                    } else if !joined.member_id.is_empty() {
                        known.id = joined.member_id;
                    } else {
                        known.id.clear();
                    }
                }
                Answer::Sync(synced) if synced.error.is_ok() => {
                    for partition in synced.assignment {
                        let owner = *self.owners.entry((generation, partition)).or_insert(client);
                        assert_eq!(owner, client, "generation {generation}, partition {partition}");
                    }
                }
                Answer::Sync(_) => {}
            }
        }
    }

    fn check(&mut self) {
        let live = &self.harness.shard;
        let generation = live.generation("g");
        // A group that is deleted or forgotten begins anew.
        if generation < 0 {
            self.owners.clear();
        } else {
            assert!(generation >= self.generation, "{generation} after {}", self.generation);
        }
        self.generation = generation;

        let reloaded = self.harness.reloaded();
        let group = live.describe("g");
        match group.state {
            GroupState::Stable => {
                assert_eq!(reloaded.describe("g"), group);
                assert_eq!(reloaded.generation("g"), generation);
            }
            // A group that only its memory knows has generation 0.
            GroupState::Empty if generation > 0 => {
                assert_eq!(reloaded.describe("g"), group);
                assert_eq!(reloaded.generation("g"), generation);
            }
            GroupState::Empty | GroupState::Dead => {
                assert!(reloaded.describe("g").members.is_empty());
            }
            _ => {
                assert!(reloaded.generation("g") <= generation);
            }
        }
        assert_eq!(offsets(&reloaded), offsets(live));
    }
}

fn offsets(shard: &GroupShard) -> FetchOffsetsResponse {
    shard.fetch(&FetchOffsetsRequest {
        group_id: "g".into(),
        require_stable: true,
        ..FetchOffsetsRequest::default()
    })
}

proptest! {
    #[test]
    fn groups_keep_their_promises(ops in proptest::collection::vec(op(), 1..120)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
            world.check();
        }
    }
}

/// How often the random clients reach what is worth reaching: a test that never gets there proves nothing.
#[test]
fn random_clients_get_somewhere() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut stable, mut shared) = (0, 0);
    for _ in 0..200 {
        let ops = proptest::collection::vec(op(), 120).new_tree(&mut runner).unwrap().current();
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
            world.check();
            let group = world.harness.shard.describe("g");
            stable += usize::from(group.state == GroupState::Stable);
            shared += usize::from(group.state == GroupState::Stable && group.members.len() > 1);
        }
    }
    assert!(stable > 1_000, "{stable} of 24,000 steps in a stable group");
    assert!(shared > 100, "{shared} of 24,000 steps in a group of several");
}
