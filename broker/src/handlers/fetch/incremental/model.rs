//! A model of fetch sessions: whatever happens to topics, a client with a session knows after each answer exactly
//! what a client without one is told.
//!
//! The client keeps what a real one keeps, by the protocol's rules alone: what an answer does not mention is as it
//! was, and has no records. The other client asks for everything, each time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use protocol::messages::fetch::{FetchPartition, FetchTopic, ForgottenTopic, PartitionData};
use protocol::records::{BatchBuilder, Batches};
use protocol::types::{Offset, PartitionIndex, TimestampMs, TopicId};
use storage::{AppendOptions, Env, Store, StoreConfig};

use super::*;
use crate::catalog::NewTopic;
use crate::config::ServerConfig;
use crate::fetch_sessions::FetchSessions;
use crate::metrics::Metrics;

const TOPICS: [&str; 3] = ["a", "b", "c"];
const PARTITIONS: i32 = 4;
const NO_LIMIT: i32 = i32::MAX;
const NOW: TimestampMs = TimestampMs(1_000);

/// What happens next.
#[derive(Clone, Debug)]
enum Op {
    /// Records are appended to a partition.
    Append { topic: usize, partition: i32, records: usize },
    /// The records of a partition are deleted, all but the last so many.
    DeleteRecords { topic: usize, partition: i32, left: i64 },
    /// A topic is deleted, and perhaps made again.
    Delete { topic: usize, again: bool },
    /// The client wants a partition from now on, or again from its beginning.
    Want { topic: usize, partition: i32 },
    /// The client does not want a partition any more.
    Forget { topic: usize, partition: i32 },
    /// The client asks. It steps over records it got, or asks for them again.
    Fetch { steps_over: bool, bytes_max: i32 },
    /// The client loses its session and opens another.
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let topic = 0..TOPICS.len();
    let partition = 0..PARTITIONS;
    prop_oneof![
        4 => (topic.clone(), partition.clone(), 1..4_usize)
            .prop_map(|(topic, partition, records)| Op::Append { topic, partition, records }),
        1 => (topic.clone(), partition.clone(), 0..3_i64)
            .prop_map(|(topic, partition, left)| Op::DeleteRecords { topic, partition, left }),
        1 => (topic.clone(), any::<bool>()).prop_map(|(topic, again)| Op::Delete { topic, again }),
        4 => (topic.clone(), 0..PARTITIONS + 1).prop_map(|(topic, partition)| Op::Want { topic, partition }),
        1 => (topic, partition).prop_map(|(topic, partition)| Op::Forget { topic, partition }),
        6 => (any::<bool>(), prop_oneof![3 => Just(NO_LIMIT), 1 => 0..300_i32])
            .prop_map(|(steps_over, bytes_max)| Op::Fetch { steps_over, bytes_max }),
        1 => Just(Op::Reopen),
    ]
}

/// A partition as the client names it: the name, the id it was first known by, the index.
type Key = (usize, TopicId, i32);

/// What a client knows of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    error: i16,
    high: i64,
    start: i64,
    records: Vec<u8>,
}

impl Known {
    fn of(data: &PartitionData) -> Self {
        // A topic made again: a client with a session is told a little more exactly.
        let inconsistent = data.error_code == ErrorCode::InconsistentTopicId.code();
        Known {
            error: if inconsistent { ErrorCode::UnknownTopicId.code() } else { data.error_code },
            high: data.high_watermark,
            start: data.log_start_offset,
            records: data.records.0.concat(),
        }
    }
}

struct World {
    catalog: Catalog,
    sessions: FetchSessions,
    version: i16,
    session: (i32, i32),
    /// Where the client is in each partition that it wants.
    wanted: BTreeMap<Key, i64>,
    /// Partitions to name in the next request.
    changed: BTreeSet<Key>,
    forgotten: BTreeSet<Key>,
    known: BTreeMap<Key, Known>,
}

impl World {
    fn new(by_id: bool) -> Self {
        let (env, _, _) = Env::simulated(7, NOW);
        let (store, _) =
            Store::open(Path::new("/data"), StoreConfig::default(), env.clone()).expect("an empty disk");
        let settings = ServerConfig::load(None, [], &[]).expect("defaults are valid");
        let catalog = Catalog::open(Arc::new(store), &env, Arc::new(settings)).expect("an empty disk");
        let sessions = FetchSessions::new(10, env, &Metrics::default());
        let version = if by_id { 17 } else { 12 };
        let mut world = Self {
            catalog,
            sessions,
            version,
            session: (0, 0),
            wanted: BTreeMap::new(),
            changed: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            known: BTreeMap::new(),
        };
        (0..TOPICS.len()).for_each(|topic| world.create(topic));
        world.open();
        world
    }

    fn create(&mut self, topic: usize) {
        let new = NewTopic { partitions: Some(PARTITIONS), ..NewTopic::with_defaults(TOPICS[topic]) };
        self.catalog.create(new).expect("there is none of this name");
    }

    fn partition(&self, topic: usize, index: i32) -> Option<Arc<crate::partitions::Partition>> {
        self.catalog.topic(TOPICS[topic])?.partition(PartitionIndex(index)).cloned()
    }

    /// The name under which a client asks for a partition now; by name there are no ids.
    fn key(&self, topic: usize, index: i32) -> Option<Key> {
        if self.version < TOPIC_IDS_SINCE {
            return Some((topic, TopicId::ZERO, index));
        }
        Some((topic, self.catalog.topic(TOPICS[topic])?.id, index))
    }

    fn request(&self, keys: impl Iterator<Item = Key>, bytes_max: i32) -> FetchRequest<'static> {
        let mut topics: Vec<FetchTopic<'static>> = Vec::new();
        for key @ (topic, topic_id, partition) in keys {
            let asked = FetchPartition {
                partition,
                fetch_offset: self.wanted[&key],
                partition_max_bytes: NO_LIMIT,
                ..Default::default()
            };
            topics.push(FetchTopic { topic: TOPICS[topic].into(), topic_id, partitions: vec![asked] });
        }
        FetchRequest { max_bytes: bytes_max, topics, ..Default::default() }
    }

    fn parse(&self, request: &FetchRequest<'_>) -> ParsedFetch {
        ParsedFetch::new(&self.catalog, usize::MAX, self.version, request)
    }

    /// Asks for everything and opens a session.
    fn open(&mut self) {
        let request = self.request(self.wanted.keys().copied(), NO_LIMIT);
        let fetch = self.parse(&request);
        let round = fetch.read();
        let session = session_told(&request, &fetch, &round);
        self.session = (self.sessions.open(session, false, Instant::now()), 1);
        assert!(self.session.0 > 0);
        self.changed.clear();
        self.forgotten.clear();
        self.known.clear();
        let answer = round.into_response(request.topics, Isolation::ReadUncommitted);
        self.learn(&answer);
    }

    /// Takes an answer in: what it does not mention has no records and is as it was.
    fn learn(&mut self, answer: &FetchResponse<'_>) {
        self.known.values_mut().for_each(|known| known.records.clear());
        for topic in &answer.responses {
            for partition in &topic.partitions {
                let is_it = |key: &&Key| {
                    key.2 == partition.partition_index
                        && if self.version < TOPIC_IDS_SINCE {
                            TOPICS[key.0] == topic.topic
                        } else {
                            key.1 == topic.topic_id
                        }
                };
                let key = *self.wanted.keys().find(is_it).expect("only what was asked for is answered");
                self.known.insert(key, Known::of(partition));
            }
        }
    }

    fn fetch(&mut self, bytes_max: i32) {
        let mut request = self.request(self.changed.iter().copied(), bytes_max);
        (request.session_id, request.session_epoch) = self.session;
        // Until it says so, what a client gave up is still known to it and to its session.
        self.forgotten.iter().for_each(|key| drop(self.known.remove(key)));
        let forgotten = std::mem::take(&mut self.forgotten).into_iter();
        request.forgotten_topics_data = forgotten
            .map(|(topic, topic_id, index)| ForgottenTopic {
                topic: TOPICS[topic].into(),
                topic_id,
                partitions: vec![index],
            })
            .collect();
        self.changed.clear();
        let by_id = self.version >= TOPIC_IDS_SINCE;
        let Some(continued) = self.sessions.go_on(&request, by_id, Instant::now()).expect("the next request")
        else {
            assert!(self.wanted.is_empty(), "only an empty session is closed");
            return self.open();
        };
        self.session.1 = continued.epoch;
        let fetch = ParsedFetch::of_nothing(usize::MAX, self.version, &request);
        let mut session = continued.session.lock();
        let answer = look(&mut session, &self.catalog, &fetch).tell(&mut session, Isolation::ReadUncommitted);
        drop(session);
        self.learn(&answer);
        self.compare(bytes_max);
    }

    /// What the client knows is what it would be told without a session. Short of room, whose records come is up
    /// to the order, but some do.
    fn compare(&self, bytes_max: i32) {
        let request = self.request(self.wanted.keys().copied(), NO_LIMIT);
        let answer = self.parse(&request).read().into_response(request.topics, Isolation::ReadUncommitted);
        let told = answer.responses.iter().map(|topic| Known::of(&topic.partitions[0]));
        let (mut got, mut there) = (0, 0);
        for (key, told) in self.wanted.keys().zip(told) {
            let known = &self.known[key];
            got += known.records.len();
            there += told.records.len();
            if bytes_max == NO_LIMIT || told.error != 0 {
                assert_eq!(*known, told, "{key:?}");
            } else {
                assert_eq!((known.error, known.high, known.start), (0, told.high, told.start), "{key:?}");
                assert!(told.records.starts_with(&known.records), "{key:?}");
            }
        }
        assert_eq!(got == 0, there == 0, "records come if there are any, whatever the limit (KIP-74)");
    }

    fn step_over(&mut self) {
        for (key, known) in &self.known {
            let last = Batches::new(&known.records).last();
            let Some(offset) = self.wanted.get_mut(key).filter(|_| last.is_some()) else { continue };
            *offset = last.and_then(Result::ok).expect("whole batches").next_offset().0;
            self.changed.insert(*key);
        }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Append { topic, partition, records } => {
                let Some(partition) = self.partition(topic, partition) else { return };
                let mut batch = BatchBuilder::new();
                for _ in 0..records {
                    batch.append(NOW, None, Some(b"value"), &[]);
                }
                partition.append(&batch.build(), &AppendOptions::client(NOW)).expect("the disk works");
            }
            Op::DeleteRecords { topic, partition, left } => {
                let Some(partition) = self.partition(topic, partition) else { return };
                let before = Offset((partition.log().marks().high().0 - left).max(0));
                partition.log().delete_records(before).expect("before the end");
                partition.wake_if_start_moved();
            }
            Op::Delete { topic, again } => {
                match self.catalog.topic(TOPICS[topic]) {
                    Some(there) => self.catalog.delete(&there).expect("the disk works"),
                    None => self.create(topic),
                }
                if again && self.catalog.topic(TOPICS[topic]).is_none() {
                    self.create(topic);
                }
            }
            Op::Want { topic, partition } => {
                let Some(key) = self.key(topic, partition) else { return };
                self.wanted.insert(key, 0);
                self.changed.insert(key);
                // In one request with itself it would be forgotten.
                self.forgotten.remove(&key);
            }
            Op::Forget { topic, partition } => {
                let keys: Vec<Key> =
                    self.wanted.keys().filter(|key| (key.0, key.2) == (topic, partition)).copied().collect();
                for key in keys {
                    self.wanted.remove(&key);
                    self.changed.remove(&key);
                    self.forgotten.insert(key);
                }
            }
            Op::Fetch { steps_over, bytes_max } => {
                self.fetch(bytes_max);
                if steps_over {
                    self.step_over();
                }
            }
            Op::Reopen => {
                self.sessions.close(self.session.0);
                self.open();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_session_tells_what_full_answers_tell(by_id: bool, ops in proptest::collection::vec(op(), 1..60)) {
        let mut world = World::new(by_id);
        ops.into_iter().for_each(|op| world.run(op));
        world.fetch(NO_LIMIT);
    }
}

/// 10,000 partitions of which one changes: what is looked at is that one, however many requests come.
#[test]
fn a_request_costs_what_changed() {
    let world = World::new(true);
    let wide = NewTopic { partitions: Some(10_000), ..NewTopic::with_defaults("wide") };
    let wide = world.catalog.create(wide).expect("the disk works");
    let partitions = (0..10_000).map(|partition| FetchPartition {
        partition,
        partition_max_bytes: NO_LIMIT,
        ..Default::default()
    });
    let topic = FetchTopic { topic_id: wide.id, partitions: partitions.collect(), ..Default::default() };
    let request = FetchRequest { topics: vec![topic], ..Default::default() };
    let fetch = world.parse(&request);
    let id = world.sessions.open(session_told(&request, &fetch, &fetch.read()), false, Instant::now());
    let mut batch = BatchBuilder::new();
    batch.append(NOW, None, Some(b"value"), &[]);
    let batch = batch.build();
    let mut looked_at = Vec::new();
    for epoch in 1..=5 {
        let request = FetchRequest { session_id: id, session_epoch: epoch, ..Default::default() };
        let continued =
            world.sessions.go_on(&request, true, Instant::now()).expect("the next").expect("not empty");
        let mut session = continued.session.lock();
        let fetch = ParsedFetch::of_nothing(usize::MAX, world.version, &request);
        let looked = look(&mut session, &world.catalog, &fetch);
        looked_at.push((looked.seen.len(), looked.round.bytes > 0));
        looked.tell(&mut session, Isolation::ReadUncommitted);
        if epoch == 2 {
            let partition = wide.partition(PartitionIndex(4_321)).expect("there are as many");
            partition.append(&batch, &AppendOptions::client(NOW)).expect("the disk works");
        }
    }
    // All once, to register; then none; then the one, which stays until the client steps over its records.
    assert_eq!(looked_at, [(10_000, false), (0, false), (1, true), (1, true), (1, true)]);
}
