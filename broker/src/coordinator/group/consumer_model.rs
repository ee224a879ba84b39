//! Random members against a consumer group: of KIP-848's protocol and of the classic one, they join, give
//! back, fall silent and come back, while topics come, grow and go, the broker restarts and its disk fills up.
//!
//! After every operation: the group's own invariants hold; no partition is read by two members that could
//! know better; epochs never go back; and the log, read from its beginning, gives the group that is live.
//! In the end, once everyone has spoken often enough, every partition that is subscribed to has its reader.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use protocol::ErrorCode;
use protocol::consumer::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition};
use protocol::types::TopicId;

use super::harness::Harness;
use super::records::Partitions;
use super::requests::*;
use super::topics::Topics;
use super::{Answer, GroupConfig, GroupState};

const MEMBERS: usize = 4;
const TOPICS: [&str; 3] = ["t", "u", "v"];
const SUBSCRIPTIONS: [&[&str]; 4] = [&["t"], &["t", "u"], &["u", "v"], &["t", "u", "v"]];
const REGEXES: [&str; 3] = ["t|u", ".*", "nothing"];

#[derive(Clone, Debug)]
enum Op {
    /// A heartbeat of a member of KIP-848's protocol, JoinGroup and SyncGroup of a classic one.
    Speak {
        member: usize,
        gives_back: bool,
    },
    /// Subscribes to something else, perhaps by expression.
    Subscribe {
        member: usize,
        which: usize,
        regex: bool,
    },
    Leave {
        member: usize,
    },
    /// The process starts again: it reads nothing and knows no id.
    Forget {
        member: usize,
    },
    /// Makes, widens or deletes a topic.
    Topic {
        which: usize,
        partitions: i32,
    },
    Tick {
        seconds: u64,
    },
    Restart,
    Disk {
        full: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let member = 0..MEMBERS;
    prop_oneof![
        20 => (member.clone(), any::<bool>()).prop_map(|(member, gives_back)| Op::Speak { member, gives_back }),
        3 => (member.clone(), 0..4usize, any::<bool>())
            .prop_map(|(member, which, regex)| Op::Subscribe { member, which, regex }),
        2 => member.clone().prop_map(|member| Op::Leave { member }),
        1 => member.prop_map(|member| Op::Forget { member }),
        2 => (0..3usize, 0..6i32).prop_map(|(which, partitions)| Op::Topic { which, partitions }),
        2 => (1..20u64).prop_map(|seconds| Op::Tick { seconds }),
        1 => Just(Op::Restart),
        1 => any::<bool>().prop_map(|full| Op::Disk { full }),
    ]
}

#[derive(Clone, Debug, Default)]
struct Client {
    id: String,
    instance: Option<String>,
    classic: bool,
    epoch: i32,
    topics: Vec<String>,
    regex: Option<String>,
    changed: bool,
    /// What it reads, and what it was told to read.
    owns: Partitions,
    told: Partitions,
    /// When it was last heard, by the group's clock: later it knows that its session is over.
    heard: Duration,
}

struct World {
    harness: Harness,
    clients: Vec<Client>,
    made: u32,
    epoch: i32,
}

impl World {
    fn new(classic: usize) -> Self {
        let client = |n: usize| Client {
            instance: (n % 2 == 1).then(|| format!("i{n}")),
            classic: n < classic,
            topics: vec!["t".to_owned()],
            ..Client::default()
        };
        let world = Self {
            harness: Harness::new(GroupConfig::default()),
            clients: (0..MEMBERS).map(client).collect(),
            made: 0,
            epoch: 0,
        };
        world.harness.topics.set("t", 3);
        world.harness.topics.set("u", 2);
        world
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Speak { member, gives_back } => self.speak(member, gives_back),
            Op::Subscribe { member, which, regex } => {
                let client = &mut self.clients[member];
                client.changed = true;
                client.topics = SUBSCRIPTIONS[which].iter().map(|&topic| topic.to_owned()).collect();
                client.regex = (regex && !client.classic).then(|| REGEXES[which % 3].to_owned());
            }
            Op::Leave { member } => self.leave(member),
            Op::Forget { member } => self.forget(member),
            Op::Topic { which, partitions } => {
                let before =
                    self.harness.topics.image().get(TOPICS[which]).map_or(0, |topic| topic.partitions);
                if partitions == 0 || partitions > before {
                    self.harness.topics.set(TOPICS[which], partitions);
                }
            }
            Op::Tick { seconds } => {
                let answers = self.harness.tick(Duration::from_secs(seconds));
                assert!(answers.is_empty() || self.is_classic());
            }
            Op::Restart => self.harness.restart(),
            Op::Disk { full } => self.harness.broken = full,
        }
    }

    fn is_classic(&self) -> bool {
        self.harness.shard.describe_consumer("g", self.harness.now()).is_err()
    }

    fn forget(&mut self, member: usize) {
        let client = &mut self.clients[member];
        client.id.clear();
        client.epoch = 0;
        client.owns.clear();
        client.told.clear();
    }

    fn speak(&mut self, member: usize, gives_back: bool) {
        let client = &mut self.clients[member];
        if client.id.is_empty() {
            self.made += 1;
            client.id = format!("m{}", self.made);
        }
        // A classic member has done what SyncGroup told it before it joins again: what it then names as its own is
        // taken for all that it reads.
        if gives_back || client.classic {
            // It stops reading what it is not told to read, and begins to read what it is.
            client.owns = client.told.clone();
        }
        client.heard = self.harness.elapsed;
        if client.classic { self.speak_classic(member) } else { self.heartbeat(member) }
    }

    fn heartbeat(&mut self, member: usize) {
        let client = self.clients[member].clone();
        let joins = client.epoch == 0;
        let says = joins || client.changed;
        let request = ConsumerHeartbeatRequest {
            api_version: 1,
            group_id: "g".into(),
            member_id: client.id.clone(),
            member_epoch: client.epoch,
            instance_id: client.instance.clone(),
            rebalance_timeout_ms: joins.then_some(30_000),
            topics: says.then(|| client.topics.clone()),
            regex: says.then(|| client.regex.clone().unwrap_or_default()),
            owned: Some(if joins { Partitions::new() } else { client.owns.clone() }),
            ..ConsumerHeartbeatRequest::default()
        };
        let (answer, step) = self.harness.shard.consumer_heartbeat(&request, 0, self.harness.now());
        let (_, appended) = self.harness.finish("g", step);
        if !appended {
            return;
        }
        match answer {
            Ok(answer) => {
                let client = &mut self.clients[member];
                assert!(answer.member_epoch >= client.epoch, "{client:?}: {answer:?}");
                client.epoch = answer.member_epoch;
                client.changed = false;
                if let Some(assignment) = answer.assignment {
                    client.told = assignment;
                }
            }
            Err(refusal) => match refusal.error {
                // Its name is another's until that one's session is over; or it must join anew.
                ErrorCode::UnreleasedInstanceId => {}
                ErrorCode::FencedMemberEpoch
                | ErrorCode::UnknownMemberId
                | ErrorCode::FencedInstanceId
                | ErrorCode::GroupIdNotFound => self.forget(member),
                error => panic!("{error:?}: {}", refusal.message),
            },
        }
    }

    fn speak_classic(&mut self, member: usize) {
        let client = self.clients[member].clone();
        let topics = self.harness.topics.image();
        let named = client.owns.iter().filter_map(|(id, set)| {
            let topic = Cow::Owned(topics.name(*id)?.to_owned());
            Some(TopicPartition { topic, partitions: set.iter().copied().collect() })
        });
        let subscription = ConsumerProtocolSubscription {
            topics: client.topics.iter().map(|topic| Cow::Borrowed(topic.as_str())).collect(),
            owned_partitions: named.collect(),
            ..ConsumerProtocolSubscription::default()
        };
        let metadata = protocol::consumer::encode(&subscription, 3).unwrap();
        let request = JoinRequest {
            api_version: 3,
            group_id: "g".into(),
            // It comes back with its id only if the group has given it one.
            member_id: if client.epoch == 0 { String::new() } else { client.id.clone() },
            group_instance_id: client.instance.clone(),
            client_id: format!("c{member}"),
            session_timeout_ms: 45_000,
            rebalance_timeout_ms: 30_000,
            protocol_type: "consumer".into(),
            protocols: vec![JoinProtocol { name: "cooperative-sticky".into(), metadata }],
            ..JoinRequest::default()
        };
        let (ticket, step) = self.harness.join(&request);
        let (answers, _) = self.harness.finish("g", step);
        let joined = answers.into_iter().find(|(to, _)| *to == ticket);
        let Some((_, Answer::Join(joined))) = joined else { return };
        if !joined.error.is_ok() {
            if joined.error != ErrorCode::RebalanceInProgress
                && joined.error != ErrorCode::CoordinatorNotAvailable
            {
                self.forget(member);
            }
            return;
        }
        let client = &mut self.clients[member];
        client.id.clone_from(&joined.member_id);
        client.epoch = joined.generation;
        client.changed = false;
        self.sync(member, &joined);
    }

    /// SyncGroup. Of a classic group its leader keeps everyone where they are: nobody assigns here.
    fn sync(&mut self, member: usize, joined: &JoinResponse) {
        if self.is_classic() {
            return;
        }
        let request = SyncRequest {
            group_id: "g".into(),
            generation: joined.generation,
            member_id: joined.member_id.clone(),
            group_instance_id: self.clients[member].instance.clone(),
            ..SyncRequest::default()
        };
        let ticket = self.harness.ticket();
        let step = self.harness.shard.sync(&request, ticket, self.harness.now());
        let (answers, _) = self.harness.finish("g", step);
        let [(_, Answer::Sync(synced))] = answers.as_slice() else { panic!("{answers:?}") };
        if synced.error.is_ok() {
            let read = protocol::consumer::decode::<ConsumerProtocolAssignment<'_>>(&synced.assignment);
            let mut told = Partitions::new();
            for topic in read.unwrap().1.assigned_partitions {
                let id = self.harness.topics.image().get(&topic.topic).unwrap().id;
                told.entry(id).or_default().extend(topic.partitions);
            }
            self.clients[member].told = told;
        }
    }

    fn leave(&mut self, member: usize) {
        let client = self.clients[member].clone();
        if client.epoch == 0 {
            return;
        }
        let now = self.harness.now();
        let step = if client.classic {
            let leaving =
                LeavingMember { member_id: client.id, group_instance_id: client.instance, reason: None };
            let request = LeaveRequest { group_id: "g".into(), members: vec![leaving] };
            self.harness.shard.leave(&request, now).1
        } else {
            let request = ConsumerHeartbeatRequest {
                api_version: 1,
                group_id: "g".into(),
                member_id: client.id,
                member_epoch: if client.instance.is_some() { LEAVING_STATIC } else { LEAVING },
                instance_id: client.instance,
                ..ConsumerHeartbeatRequest::default()
            };
            self.harness.shard.consumer_heartbeat(&request, 0, now).1
        };
        self.harness.finish("g", step);
        self.forget(member);
    }

    fn check(&mut self) {
        let now = self.harness.now();
        let Ok(group) = self.harness.shard.describe_consumer("g", now) else {
            self.epoch = 0;
            return;
        };
        assert!(group.epoch >= self.epoch, "{} after {}", group.epoch, self.epoch);
        self.epoch = group.epoch;
        assert_eq!(self.harness.reloaded().describe_consumer("g", now).as_ref(), Ok(&group));
        self.check_owners(&group);
    }

    /// No partition has two readers among the members that the group knows and that know of no fence.
    fn check_owners(&self, group: &DescribedConsumerGroup) {
        let mut owners: BTreeMap<(TopicId, i32), &str> = BTreeMap::new();
        let topics = self.harness.topics.image();
        let members = self.clients.iter().filter(|client| client.epoch > 0);
        let known: BTreeSet<&str> = group.members.iter().map(|member| member.member_id.as_str()).collect();
        for client in members.filter(|client| known.contains(client.id.as_str())) {
            // A classic member names topics, and so cannot speak of those that are gone.
            for (topic, partitions) in client.owns.iter().filter(|(topic, _)| topics.name(**topic).is_some())
            {
                for partition in partitions {
                    let other = owners.insert((*topic, *partition), &client.id);
                    assert_eq!(other, None, "{topic}-{partition} is {}'s too: {group:?}", client.id);
                }
            }
        }
    }

    /// Everyone speaks until nothing changes; then everything that anyone reads has its reader.
    fn converge(&mut self) {
        self.harness.broken = false;
        for _ in 0..40 {
            for member in 0..MEMBERS {
                self.speak(member, true);
                self.check();
            }
            let answers = self.harness.tick(Duration::from_secs(3));
            assert!(answers.is_empty() || self.is_classic());
        }
        let Ok(group) = self.harness.shard.describe_consumer("g", self.harness.now()) else { return };
        assert_eq!(group.state, GroupState::Stable, "{group:?} {:?}", self.clients);
        let topics = self.harness.topics.image();
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        for client in &self.clients {
            wanted.extend(client.topics.iter().cloned());
            wanted.extend(client.regex.iter().flat_map(|regex| topics.matching(regex).unwrap()));
        }
        let wanted: BTreeSet<(TopicId, i32)> = wanted
            .iter()
            .filter_map(|name| topics.get(name))
            .flat_map(|topic| (0..topic.partitions).map(move |partition| (topic.id, partition)))
            .collect();
        let read: BTreeSet<(TopicId, i32)> = self
            .clients
            .iter()
            .flat_map(|client| &client.owns)
            .flat_map(|(topic, set)| set.iter().map(|partition| (*topic, *partition)))
            .collect();
        assert_eq!(read, wanted);
    }
}

proptest! {
    #[test]
    fn consumer_groups_keep_their_promises(
        classic in 0..3usize,
        ops in proptest::collection::vec(op(), 1..100),
    ) {
        let mut world = World::new(classic);
        for op in &ops {
            world.apply(op);
            world.check();
        }
        world.converge();
    }
}
