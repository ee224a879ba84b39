//! How fast does it learn, how fast does it answer, and what does the state weigh?
//!
//! ```text
//! cargo bench -p kindred-recommender --bench speed
//! USERS=1000000 ITEMS=100000 EVENTS=5000000 cargo bench -p kindred-recommender --bench speed
//! SET=recommender.cooccurrence.row.max=40 cargo bench -p kindred-recommender --bench speed
//! USERS=20000000 ITEMS=1000000 EVENTS=10000000 SET=recommender.memory.max=200000000 cargo bench …
//! perf record -g target/release/deps/speed-*      # to see where the time goes
//! ```
//!
//! One thread, made-up behaviour from a fixed seed: users have a taste (a slice of the catalogue) and popularity
//! falls off as 1/rank, over the whole and within each taste. Reported: events learnt a second, decoded and as
//! JSON bytes; the same with what stands beside the recommender, and without parts of that; the distribution of the time of
//! one answer with the full state; bytes by part, which `recommender.memory.max` is held against after every hundredth of
//! the events. Times are the thread's processor time, which other programs on the machine disturb little.
#![allow(clippy::print_stdout, reason = "a bench reports to the terminal")]
#![allow(missing_docs, reason = "not a library")]

mod common;

use std::time::Duration;

use common::Start;
use recommender::{Config, Emission, Event, Incoming, Position, Processor, Recommender, Report, Request};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The shape of the made-up behaviour.
struct Shape {
    users: u64,
    items: u64,
    events: u64,
}

/// A small deterministic generator (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A rank below `n`, of probability falling as 1/rank.
    fn rank(&mut self, n: u64) -> u64 {
        let uniform = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((n as f64).powf(uniform) - 1.0) as u64
    }
}

const TASTES: u64 = 50;
/// After so many messages keys that have changed are taken, and how many, as by the broker.
const TAKE_EVERY: i64 = 4096;
const TAKE: usize = 64;

/// User and item of the next event.
fn act(random: &mut Random, shape: &Shape) -> (u64, u64) {
    let user = random.next() % shape.users;
    let taste = user % TASTES;
    let own = !random.next().is_multiple_of(4);
    let item =
        if own { random.rank(shape.items / TASTES) * TASTES + taste } else { random.rank(shape.items) };
    (user, item)
}

fn main() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let shape = Shape {
        users: number("USERS", 100_000),
        items: number("ITEMS", 20_000),
        events: number("EVENTS", 1_000_000),
    };
    println!("{} users, {} items, {} events, one thread", shape.users, shape.items, shape.events);
    let mut recommender = Recommender::new(config());
    learn(&mut recommender, &shape);
    learn_json(&mut recommender, &shape);
    answer(&recommender, &shape);
    weigh(&recommender);
    drop(recommender);
    process(&shape);
}

/// The default settings, with what `SET` (`key=value;key=value`) changes.
fn config() -> Config {
    let mut config = Config::default();
    common::set(&mut config).expect("SET names settings and their values");
    config
}

fn learn(recommender: &mut Recommender, shape: &Shape) {
    let mut random = Random(1);
    let tenth = shape.events / 10;
    let max = most_bytes();
    for part in 0..10 {
        let (mut weighing, mut most) = (Duration::ZERO, 0);
        let start = Start::now();
        for n in 0..tenth {
            let (user, item) = act(&mut random, shape);
            let event = Event {
                user_id: Some(format!("user-{user}").into()),
                item_id: format!("item-{item}").into(),
                action: "click".into(),
                time_ms: ((part * tenth + n) * 50) as i64,
                ..Event::default()
            };
            let position = Position { source: "user_behavior-0", offset: n as i64 };
            recommender.apply(&event, position, event.time_ms).expect("the event is valid");
            if max > 0 && (n + 1).is_multiple_of(tenth.div_ceil(10)) {
                let start = Start::now();
                let held = held(&recommender.report());
                assert!(held <= max, "{held} bytes held of {max} allowed");
                most = most.max(held);
                weighing += start.elapsed();
            }
        }
        let rate = tenth as f64 / (start.elapsed() - weighing).as_secs_f64();
        let report = recommender.report();
        let most = if max > 0 { format!(", of at most {:.1}", most as f64 / 1e6) } else { String::new() };
        println!(
            "learn, tenth {}: {rate:.0} events/s; {:.1} MB held{most}; {} users, {} items",
            part + 1,
            held(&report) as f64 / 1e6,
            report.users,
            report.items
        );
    }
}

/// What `recommender.memory.max` allows; 0: anything.
fn most_bytes() -> usize {
    let set = std::env::var("SET").unwrap_or_default();
    let max = set.split(';').find_map(|setting| setting.strip_prefix("recommender.memory.max="));
    max.map_or(0, |max| max.parse().expect("a number of bytes"))
}

fn held(report: &Report) -> usize {
    report.bytes.iter().map(|part| part.1).sum()
}

/// Events as messages, behind those that were learnt.
fn messages(shape: &Shape) -> Vec<String> {
    let mut random = Random(2);
    (0..100_000u64)
        .map(|n| {
            let (user, item) = act(&mut random, shape);
            let ts = (shape.events + n) * 50;
            format!(r#"{{"user_id":"user-{user}","item_id":"item-{item}","action":"click","ts":{ts},"session_id":"s{n}"}}"#)
        })
        .collect()
}

fn incoming(offset: i64, message: &str) -> Incoming<'_> {
    Incoming {
        topic: "user_behavior",
        position: Position { source: "user_behavior-0", offset },
        key: None,
        value: Some(message.as_bytes()),
        headers: &[],
        time_ms: i64::MAX / 2,
    }
}

fn learn_json(recommender: &mut Recommender, shape: &Shape) {
    let messages = messages(shape);
    let start = Start::now();
    for (offset, message) in (0..).zip(&messages) {
        recommender.ingest(&incoming(offset, message)).expect("the event is valid");
    }
    println!("decode, clean and learn JSON: {:.0} events/s", 1e5 / start.elapsed().as_secs_f64());
}

/// Learns all of the events once more, with operators beside, then goes on from there under several settings.
fn process(shape: &Shape) {
    let mut whole = Processor::new(config());
    let mut random = Random(1);
    let mut out: Vec<Emission> = Vec::new();
    for n in 0..shape.events {
        let (user, item) = act(&mut random, shape);
        let ts = n * 50;
        let message =
            format!(r#"{{"user_id":"user-{user}","item_id":"item-{item}","action":"click","ts":{ts}}}"#);
        whole.process(&incoming(n as i64, &message), &mut out).expect("the event is valid");
        out.clear();
    }
    let mut saved = Vec::new();
    whole.save(&mut saved);
    drop(whole);
    let messages = messages(shape);
    let off = ["recommender.features.enable", "recommender.clean.events.enable"];
    let ways = [
        (" with features and clean events", &off[..0]),
        (" without features", &off[..1]),
        (" without both", &off[..]),
    ];
    let mut best = [Duration::MAX; 3];
    // In turn, so that what else the machine does concerns all alike.
    for _ in 0..3 {
        for ((_, off), best) in ways.iter().zip(&mut best) {
            let mut config = config();
            off.iter().for_each(|key| config.set(key, "false").expect("a switch"));
            let mut processor = Processor::load(config, &saved).expect("the snapshot loads");
            let start = Start::now();
            for (offset, message) in (0..).zip(&messages) {
                processor.process(&incoming(offset, message), &mut out).expect("the event is valid");
                if offset % TAKE_EVERY == 0 {
                    processor.take_changes(TAKE);
                    processor.take_features(TAKE, &mut out);
                }
                out.clear();
            }
            *best = start.elapsed().min(*best);
        }
    }
    for ((way, _), took) in ways.iter().zip(best) {
        println!("process JSON{way}: {:.0} events/s", messages.len() as f64 / took.as_secs_f64());
    }
}

fn answer(recommender: &Recommender, shape: &Shape) {
    let mut random = Random(3);
    for (name, explain) in [("recommend 10", false), ("recommend 10 with reasons", true)] {
        let mut times: Vec<Duration> = (0..20_000)
            .map(|_| {
                let user = format!("user-{}", act(&mut random, shape).0);
                let request = Request { explain, ..Request::user(&user, 10) };
                let start = Start::now();
                let answer = recommender.recommend(&request);
                let took = start.elapsed();
                assert!(answer.is_some_and(|answer| answer.items.len() == 10), "ten items");
                took
            })
            .collect();
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!("{name}: p50 {:?}, p99 {:?}, p99.9 {:?}", at(0.5), at(0.99), at(0.999));
    }
}

/// Resident memory of this process, in bytes, where the system tells.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(1024 * line.trim().trim_end_matches("kB").trim().parse::<usize>().ok()?)
}

fn weigh(recommender: &Recommender) {
    let report = recommender.report();
    println!("{} users, {} items, {} pairs", report.users, report.items, report.pairs);
    for (part, bytes) in &report.bytes {
        println!("{part}: {:.1} MB", *bytes as f64 / 1e6);
    }
    println!("in all: {:.1} MB", held(&report) as f64 / 1e6);
    if let Some(bytes) = resident() {
        println!("resident: {:.1} MB", bytes as f64 / 1e6);
    }
    let start = Start::now();
    let mut bytes = Vec::new();
    recommender.save(&mut bytes);
    let saved = start.elapsed();
    let start = Start::now();
    let loaded = Recommender::load(config(), &bytes).expect("the snapshot loads");
    println!(
        "snapshot: {:.1} MB, saved in {saved:?}, loaded in {:?}",
        bytes.len() as f64 / 1e6,
        start.elapsed()
    );
    assert_eq!(loaded.report().pairs, report.pairs, "the loaded state is the saved one");
}
