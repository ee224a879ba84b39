//! The recommender, exactly once: what it writes follows from what it reads, whatever happens to it in between.
//!
//! Events are produced while the recommender is off, and the directory is copied. One copy is learnt from without
//! interruption; over the other the broker is killed again and again, at random moments, with commits and snapshots
//! many times as frequent. At the end readers of committed records find the same in both: keys, values, headers and
//! order, in every partition, and every event counted once. `KINDRED_KILLS` and `KINDRED_SEED` are those of the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use protocol::consumer::{self, ConsumerProtocolAssignment};
use protocol::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
use protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
};
use protocol::records::{BatchBuilder, Record};
use protocol::types::TimestampMs;
use rustix::process::Signal;

use crate::support::client::{Client, now};
use crate::support::{Broker, eventually, number_from_environment};
use crate::transactions::each_committed;

const EVENTS: &str = "user_behavior";
const VIEWS: &str = "viewed-movies";
const HOT: &str = "kindred.hot";
const SIMILAR_ITEMS: &str = "kindred.similar-items";
const RECOMMENDATIONS: &str = "kindred.recommendations";
const DEAD_LETTERS: &str = "kindred.events.dead-letter";
const CLEAN_EVENTS: &str = "kindred.events.clean";
/// What is written whatever happens.
const WRITTEN: [&str; 5] = [HOT, SIMILAR_ITEMS, RECOMMENDATIONS, DEAD_LETTERS, CLEAN_EVENTS];
/// Where events go by who they are of.
const ROUTED: [&str; 3] = ["user_behavior.25-34.F", "user_behavior.35-44.M", "user_behavior.unknown.unknown"];
const ROUTE: (&str, &str) = ("recommender.segment.topics", EVENTS);
const GROUP: &str = "kindred-recommender";
/// Partitions of every topic that is made.
const PARTITIONS: i32 = 3;
/// Fewer than a list has neighbours.
const ITEMS: u64 = 48;
/// How long learning may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the log says when what was learnt anew has taken the place of what was there before.
const SWAPPED: &str = "the recommender serves what was learnt anew";

const OFF: &[(&str, &str)] = &[("recommender.enable", "false"), ("num.partitions", "3")];
const USUAL: &[(&str, &str)] = &[("num.partitions", "3")];
/// Commits and snapshots as often as can be.
const EAGER: &[(&str, &str)] = &[
    ("num.partitions", "3"),
    ("recommender.emit.interval.ms", "1"),
    ("recommender.snapshot.interval.ms", "20"),
];

#[test]
fn results_are_those_of_an_uninterrupted_run_whatever_is_killed() {
    let kills = number_from_environment("KINDRED_KILLS").unwrap_or(8);
    let seed = number_from_environment("KINDRED_SEED").unwrap_or(1);
    println!("KINDRED_KILLS={kills} KINDRED_SEED={seed}");
    let mut random = Random(seed);
    let produced = Broker::with(OFF);
    create_topics(&mut produced.connect());
    describe_users(&mut produced.connect());
    let written = produce(&mut produced.connect(), &mut random, 20_000 + 2_000 * kills as usize);
    let topics = [&WRITTEN[..], &ROUTED[..]].concat();

    let (input, whole) = copy_of(produced, &[USUAL, &[ROUTE]].concat());
    wait_until_settled(&whole, &written);
    let expected = results_in(&whole, &topics);

    let mut broker = copy_of_directory(&input, &[EAGER, &[ROUTE]].concat());
    broker.announce("aborting a transaction that its coordinator does not know");
    for _ in 0..kills {
        thread::sleep(Duration::from_millis(random.below(250)));
        broker.stop(Signal::KILL);
        broker.start_again();
    }
    wait_until_settled(&broker, &written);
    let found = results_in(&broker, &topics);
    assert!(ROUTED.iter().all(|topic| of_topic(&found, topic).count() > 100));

    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (partition, expected) in &expected {
        let found = &found[partition];
        let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
        let shown = differs.map(|at| (show(&found[at]), show(&expected[at])));
        assert_eq!(differs, None, "{partition:?}: not the same record there: {shown:#?}");
        assert_eq!(found.len(), expected.len(), "{partition:?}");
    }
    check_counts(&found, &written);
    println!("{} events, {} results", written.learnt, found.values().map(Vec::len).sum::<usize>());
}

#[test]
fn events_that_arrive_between_kills_count_once() {
    let mut random = Random(number_from_environment("KINDRED_SEED").unwrap_or(1));
    let mut broker = Broker::with(EAGER);
    broker.announce("aborting a transaction that its coordinator does not know");
    let mut written = Written::default();
    create_topics(&mut broker.connect());
    for _ in 0..6 {
        for _ in 0..5 {
            written.add(produce(&mut broker.connect(), &mut random, 60));
            thread::sleep(Duration::from_millis(random.below(30)));
        }
        broker.stop(Signal::KILL);
        broker.start_again();
    }
    wait_until_settled(&broker, &written);
    check_counts(&results(&broker), &written);
}

#[test]
fn a_damaged_snapshot_is_passed_over() {
    let mut broker = Broker::with(EAGER);
    create_topics(&mut broker.connect());
    let mut random = Random(7);
    let mut written = produce(&mut broker.connect(), &mut random, 200);
    wait_until_settled(&broker, &written);
    broker.stop(Signal::TERM);
    let snapshots = snapshots(broker.data());
    assert!(!snapshots.is_empty(), "a stop leaves a snapshot behind");
    for path in &snapshots {
        let mut bytes = fs::read(path).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).expect("writable");
    }
    broker.announce("a snapshot is passed over");
    broker.start_again();
    written.add(produce(&mut broker.connect(), &mut random, 200));
    wait_until_settled(&broker, &written);
    check_counts(&results(&broker), &written);
    let log = broker.log();
    assert_eq!(log.matches("a snapshot is passed over").count(), snapshots.len());
    assert!(log.contains("snapshot=false"), "rebuilt from the log");
}

#[test]
fn settings_changed_while_it_was_off_are_learnt_beside_what_serves() {
    let broker = Broker::with(EAGER);
    create_topics(&mut broker.connect());
    let mut random = Random(11);
    let mut written = produce(&mut broker.connect(), &mut random, 300);
    wait_until_settled(&broker, &written);
    let other = [EAGER, &[("recommender.cooccurrence.window", "7")]].concat();
    let (_directory, changed) = copy_of(broker, &other);
    written.add(produce(&mut changed.connect(), &mut random, 300));
    wait_until_settled(&changed, &written);
    check_counts(&results(&changed), &written);
    let log = changed.log();
    assert!(log.contains("snapshot=true"), "what was learnt before went on");
    assert!(log.contains("the recommender's settings changed") && log.contains(SWAPPED));
}

#[test]
fn what_other_models_learnt_answers_until_the_log_is_learnt_anew() {
    let mut broker = Broker::with(EAGER);
    create_topics(&mut broker.connect());
    let mut random = Random(17);
    let mut written = produce(&mut broker.connect(), &mut random, 300);
    wait_until_settled(&broker, &written);
    broker.stop(Signal::TERM);
    for path in snapshots(broker.data()) {
        pretend_of_other_models(&path);
    }
    broker.start_again();
    written.add(produce(&mut broker.connect(), &mut random, 300));
    eventually("learnt anew", || broker.log().contains(SWAPPED).then_some(()));
    written.add(produce(&mut broker.connect(), &mut random, 60));
    wait_until_settled(&broker, &written);
    check_counts(&results(&broker), &written);
    let log = broker.log();
    assert!(log.contains("snapshot=true") && log.contains("the recommender's models changed"), "{log}");
    broker.stop(Signal::TERM);
    broker.start_again();
    wait_until_settled(&broker, &written);
    assert_eq!(broker.log().matches("learnt anew beside").count(), 1, "the snapshot is of these models now");
}

/// Has a snapshot say that another version of the models learnt what is in it.
fn pretend_of_other_models(path: &Path) {
    const CHECKSUM: std::ops::Range<usize> = 16..20;
    const VERSION: &[u8] = b"\"model_version\":";
    let mut bytes = fs::read(path).expect("readable");
    let at = bytes.windows(VERSION.len()).position(|window| window == VERSION).expect("a version");
    let first_digit = &mut bytes[at + VERSION.len()];
    *first_digit = if *first_digit == b'9' { b'8' } else { *first_digit + 1 };
    let checksum = crc_fast::crc32_iscsi(&bytes[CHECKSUM.end..]);
    bytes[CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
    fs::write(path, bytes).expect("writable");
}

#[test]
fn settings_changed_while_it_runs_are_learnt_beside_what_serves() {
    let mut broker = Broker::with(EAGER);
    create_topics(&mut broker.connect());
    let mut random = Random(13);
    let mut written = produce(&mut broker.connect(), &mut random, 5_000);
    wait_until_settled(&broker, &written);
    let alter =
        |broker: &Broker, value| broker.connect().alter_broker(&[("recommender.cooccurrence.window", value)]);
    let refused = alter(&broker, "none").expect_err("no number");
    assert!(
        refused.contains("`recommender.cooccurrence.window`") && refused.contains("1 to 1048576"),
        "{refused}"
    );
    for (round, window) in ["7", "50", "9"].into_iter().enumerate() {
        alter(&broker, window).expect("a good value");
        // It answers and learns all the while.
        while broker.log().matches(SWAPPED).count() <= round {
            assert!(broker.http_get("/api/v1/hot").contains("\"items\":[{"));
            written.add(produce(&mut broker.connect(), &mut random, 60));
        }
        written.add(produce(&mut broker.connect(), &mut random, 60));
    }
    wait_until_settled(&broker, &written);
    check_counts(&results(&broker), &written);
    broker.stop(Signal::KILL);
    broker.start_again();
    wait_until_settled(&broker, &written);
    check_counts(&results(&broker), &written);
}

#[test]
fn the_recommender_is_a_member_of_its_group_and_its_offsets_can_be_reset_while_it_is_off() {
    let mut broker = Broker::with(USUAL);
    create_topics(&mut broker.connect());
    let mut random = Random(9);
    let written = produce(&mut broker.connect(), &mut random, 300);
    wait_until_settled(&broker, &written);
    let before = results(&broker);
    let group = described(&mut broker.connect());
    assert_eq!((&*group.0, group.1), ("Stable", vec![(EVENTS.to_owned(), 3), (VIEWS.to_owned(), 3)]));
    assert_eq!(commit(&mut broker.connect(), EVENTS, 0), 25, "UNKNOWN_MEMBER_ID: the group has a member");
    broker.stop(Signal::TERM);

    // Somebody wants everything emitted anew.
    let (directory, mut off) = copy_of(broker, OFF);
    assert_eq!(described(&mut off.connect()).0, "Empty");
    for topic in [EVENTS, VIEWS] {
        assert_eq!(commit(&mut off.connect(), topic, 0), 0);
    }
    off.stop(Signal::TERM);
    drop(directory);
    let (_directory, mut again) = copy_of(off, USUAL);
    again.announce("the group's offsets were changed");
    wait_until_settled(&again, &written);
    let after = results(&again);
    assert_eq!(pair_counts(&after), pair_counts(&before), "no event counts twice");
    let letters = |results: &Results| of_topic(results, DEAD_LETTERS).count();
    assert_eq!(letters(&after), 2 * written.refused.len(), "dead letters are written again");
    assert!(again.log().contains("the group's offsets were changed"));
}

/// What was produced.
#[derive(Default)]
struct Written {
    /// Events that are to be learnt.
    learnt: usize,
    /// Where the messages stand that cannot be.
    refused: BTreeSet<(String, i32, i64)>,
    /// Where each partition ends.
    ends: BTreeMap<(String, i32), i64>,
}

impl Written {
    fn add(&mut self, other: Written) {
        self.learnt += other.learnt;
        self.refused.extend(other.refused);
        self.ends.extend(other.ends);
    }
}

/// Numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn create_topics(client: &mut Client) {
    client.create_topic(EVENTS, PARTITIONS);
    client.create_topic(VIEWS, PARTITIONS);
}

/// Says how old some users are, before anything is known of what they do.
fn describe_users(client: &mut Client) {
    client.create_topic("users", 1);
    let mut batch = BatchBuilder::new();
    for user in 0..60 {
        let value = match user % 3 {
            0 => format!(r#"{{"user_id":{user},"age":30,"gender":"F"}}"#),
            1 => format!(r#"{{"user_id":{user},"age":40,"gender":"male"}}"#),
            _ => continue,
        };
        let (key, value) = (user.to_string(), value.as_bytes());
        batch.append(TimestampMs(now().0 - 7_200_000), Some(key.as_bytes()), Some(value), &[]);
    }
    let (error, _) = client.produce("users", 0, -1, &batch.build()).expect("the broker answers");
    assert_eq!(error, 0, "Produce");
}

/// Produces events in batches of all sizes to both topics, some of which nobody can use.
fn produce(client: &mut Client, random: &mut Random, events: usize) -> Written {
    let mut written = Written::default();
    // So many that nobody comes to know every item, and has nothing left to be recommended.
    let users = (events as u64 / 20).max(40);
    let mut left = events;
    let mut time_ms = now().0 - 3_600_000;
    while left > 0 {
        let size = (1 + random.below(120)).min(left as u64) as usize;
        left -= size;
        let topic = if random.below(4) == 0 { VIEWS } else { EVENTS };
        let partition = random.below(PARTITIONS as u64) as i32;
        let mut batch = BatchBuilder::new();
        let mut refused = Vec::new();
        for place in 0..size {
            time_ms += random.below(20) as i64;
            let value = match random.below(50) {
                0 => {
                    refused.push(place as i64);
                    format!("no event {}", random.below(1000))
                }
                _ => {
                    let (user, item) = (random.below(users), random.below(ITEMS));
                    format!(r#"{{"user_id":{user},"item_id":"i{item}","action":"click"}}"#)
                }
            };
            let headers = [(&b"trace"[..], Some(&b"1"[..]))];
            batch.append(TimestampMs(time_ms), Some(b"k"), Some(value.as_bytes()), &headers);
        }
        let (error, base) = client.produce(topic, partition, -1, &batch.build()).expect("the broker answers");
        assert_eq!(error, 0, "Produce");
        written.learnt += size - refused.len();
        written.ends.insert((topic.to_owned(), partition), base + size as i64);
        written.refused.extend(refused.into_iter().map(|place| (topic.to_owned(), partition, base + place)));
    }
    written
}

/// One record of a result: key, value, headers and, but for dead letters, timestamp.
type Found = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>, i64);
type Results = BTreeMap<(&'static str, i32), Vec<Found>>;

fn results(broker: &Broker) -> Results {
    results_in(broker, &WRITTEN)
}

fn results_in(broker: &Broker, topics: &[&'static str]) -> Results {
    let mut results = Results::new();
    for &topic in topics {
        for partition in 0..PARTITIONS {
            let mut records = Vec::new();
            each_committed(&mut broker.connect(), topic, partition, |record| {
                records.push(result(topic, record));
            });
            results.insert((topic, partition), records);
        }
    }
    results
}

fn result(topic: &str, record: &Record<'_>) -> Found {
    let headers = record.headers().map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)));
    // When a dead letter was written is when it was written: the topic's retention goes by it.
    let timestamp = if topic == DEAD_LETTERS { 0 } else { record.timestamp.0 };
    (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec), headers.collect(), timestamp)
}

fn show(record: &Found) -> String {
    let text =
        |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    format!("{:?} {:?} at {}", text(&record.0), text(&record.1), record.3)
}

fn of_topic<'a>(results: &'a Results, topic: &'a str) -> impl Iterator<Item = &'a Found> {
    results.iter().filter(move |((name, _), _)| *name == topic).flat_map(|(_, records)| records)
}

/// The newest list under each key of a compacted topic.
fn newest(results: &Results, topic: &str) -> BTreeMap<String, serde_json::Value> {
    let mut newest = BTreeMap::new();
    for (key, value, ..) in of_topic(results, topic) {
        let key = String::from_utf8(key.clone().expect("lists have keys")).expect("text");
        let value: Option<serde_json::Value> =
            value.as_ref().map(|value| serde_json::from_slice(value).expect("lists are JSON"));
        newest.insert(key, value.unwrap_or_default());
    }
    newest
}

/// How many users came to both items of each pair.
fn pair_counts(results: &Results) -> BTreeMap<(String, String), u64> {
    let lists = newest(results, SIMILAR_ITEMS).into_iter();
    let pairs = lists.flat_map(|(item, list)| {
        let neighbours = list["items"].as_array().cloned().unwrap_or_default().into_iter();
        neighbours.map(move |one| {
            let other = one["item_id"].as_str().expect("an item").to_owned();
            ((item.clone(), other), one["count"].as_u64().expect("a count"))
        })
    });
    pairs.collect()
}

/// Every event counts once, and every message that could not be used was buried once.
fn check_counts(results: &Results, written: &Written) {
    let hot = newest(results, HOT).remove("all/all-time").expect("a list of all time");
    assert!(!hot["items"].as_array().expect("items").is_empty());
    // An answer is named by the number of events that it was given from.
    let names = newest(results, RECOMMENDATIONS);
    let events = names.values().filter_map(|list| list["rec_id"].as_str());
    let events = events.filter_map(|name| u64::from_str_radix(name.split('-').next()?, 16).ok());
    assert_eq!(events.max(), Some(written.learnt as u64), "events that were learnt");
    assert_eq!(of_topic(results, CLEAN_EVENTS).count(), written.learnt, "clean events");
    let mut buried = BTreeSet::new();
    for (_, _, headers, _) in of_topic(results, DEAD_LETTERS) {
        let header = |name: &str| {
            let found = headers.iter().find(|(known, _)| known == name.as_bytes());
            let value = found.and_then(|(_, value)| value.clone()).expect("the header is there");
            String::from_utf8(value).expect("text")
        };
        let number = |name| header(name).parse::<i64>().expect("a number");
        let place = (header("kindred.topic"), number("kindred.partition") as i32, number("kindred.offset"));
        assert!(buried.insert(place.clone()), "buried twice: {place:?}");
    }
    assert_eq!(buried, written.refused);
}

/// Waits until everything that was written is learnt, and every list committed.
fn wait_until_settled(broker: &Broker, written: &Written) {
    let began = Instant::now();
    let is_settled = || {
        // Once the last event is committed, what the broker says is not from before it came.
        committed(&mut broker.connect(), &written.ends) == written.ends
            && broker.http_get("/metrics").lines().any(|line| line == "kindred_recommender_settled 1")
    };
    while !is_settled() {
        assert!(began.elapsed() < PATIENCE, "gave up waiting for the recommender");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The group's offsets in these partitions.
fn committed(client: &mut Client, of: &BTreeMap<(String, i32), i64>) -> BTreeMap<(String, i32), i64> {
    let topics = of.keys().map(|(topic, partition)| OffsetFetchRequestTopics {
        name: topic.as_str().into(),
        partition_indexes: vec![*partition],
        ..Default::default()
    });
    let group = OffsetFetchRequestGroup {
        group_id: GROUP.into(),
        topics: Some(topics.collect()),
        ..Default::default()
    };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let answer = client.call(&request, 8);
    let response: OffsetFetchResponse<'_> = answer.decode();
    let topics = response.groups[0].topics.iter();
    let offsets = topics.flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(|one| ((topic.name.to_string(), one.partition_index), one.committed_offset))
    });
    offsets.collect()
}

/// A directory with a clean copy of a stopped or running broker's data, and a broker on another copy of it.
fn copy_of(mut broker: Broker, settings: &[(&str, &str)]) -> (tempfile::TempDir, Broker) {
    if broker.is_running() {
        broker.stop(Signal::TERM);
    }
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    copy(broker.data(), &directory.path().join("data"));
    drop(broker);
    let started = copy_of_directory(&directory, settings);
    (directory, started)
}

fn copy_of_directory(input: &tempfile::TempDir, settings: &[(&str, &str)]) -> Broker {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let data = directory.path().join("data");
    copy(&input.path().join("data"), &data);
    Broker::on(directory, data, settings)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory can be made");
    for entry in fs::read_dir(from).expect("a directory can be read") {
        let entry = entry.expect("a name can be read");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("a file has a type").is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).expect("a file can be copied")),
        }
    }
}

fn snapshots(data: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(data).expect("a directory can be read").map(|entry| entry.expect("a name"));
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "snapshot")).collect()
}

/// The group's state, and its only member's topics with how many partitions of each it has.
fn described(client: &mut Client) -> (String, Vec<(String, usize)>) {
    let request = DescribeGroupsRequest { groups: vec![GROUP.into()], ..Default::default() };
    let answer = client.call(&request, 5);
    let response: DescribeGroupsResponse<'_> = answer.decode();
    let group = &response.groups[0];
    assert!(group.members.len() <= 1, "nobody else is in the group");
    let assigned = group.members.iter().flat_map(|member| {
        let (_, assignment) = consumer::decode::<ConsumerProtocolAssignment<'_>>(&member.member_assignment)
            .expect("an assignment");
        let topics = assignment.assigned_partitions.into_iter();
        topics.map(|topic| (topic.topic.into_owned(), topic.partitions.len())).collect::<Vec<_>>()
    });
    (group.group_state.to_string(), assigned.collect())
}

/// Commits an offset for every partition of a topic from outside the group, as a tool does that resets it.
fn commit(client: &mut Client, topic: &str, offset: i64) -> i16 {
    let partitions = (0..PARTITIONS).map(|partition_index| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: offset,
        ..Default::default()
    });
    let topic = OffsetCommitRequestTopic {
        name: topic.into(),
        partitions: partitions.collect(),
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: GROUP.into(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let answer = client.call(&request, 7);
    answer.decode::<OffsetCommitResponse<'_>>().topics[0].partitions[0].error_code
}
