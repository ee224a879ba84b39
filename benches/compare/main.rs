//! kindred beside Apache Kafka: the same loads, in turns, on one machine, over loopback.
//!
//! ```text
//! cargo run --release --manifest-path benches/compare/Cargo.toml
//!     --only limits,start,throughput,fan-out,librdkafka,tools,cold,latency,learning,growth,connections,partitions
//!     --rounds 3 --megabytes 512 --seconds 5 --connections 5000 --partitions 10000 --heap 1g --full --out DIRECTORY
//! ```
//! Builds kindred, gets Apache Kafka from Maven Central (needs Java 17 and Maven; `kafka-pom.xml` names the release),
//! starts both, warms both up alike, and runs each load on one after the other, round after round. Writes
//! `results.md` (medians and ratios), `results.json` (every sample) and a plot of latency percentiles for each rate.
//!
//! # What is compared
//! - Kafka is one KRaft node with its defaults, its own choice of collector, and the heap given.
//! - "synced": acknowledged only when on disk. That is kindred's default for acks=all, and `flush.messages=1` of a
//!   Kafka topic. The other acks=all rows compare page cache with page cache: kindred with `log.acks.all.sync=false`.
//! - The load program has its batches encoded beforehand and five requests in flight. It shares the machine's cores
//!   with the broker; both are in the figures, so the brokers' CPU time is given besides.
//! - Latency is from when a record was due (no coordinated omission), one producer and one consumer.
//! - The recommender of kindred is on, with nothing to learn, as it is by default.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's output is its job")]

#[path = "../../tests/process/support/child.rs"]
#[expect(dead_code, reason = "shared with the tests, which look at more of it")]
mod child;
mod clients;
#[path = "../load/connection.rs"]
mod connection;
mod contenders;
mod crowds;
mod growth;
mod learning;
mod limits;
mod options;
#[path = "../load/pace.rs"]
mod pace;
mod plot;
#[path = "../load/process.rs"]
mod process;
mod report;
mod throughput;
#[path = "../load/traffic.rs"]
mod traffic;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use contenders::Contender;
use crowds::micros;
use hdrhistogram::Histogram;
use options::Options;
use report::Report;

const OURS: &str = "kindred";
const THEIRS: &str = "Kafka";

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            println!("{problem}");
            std::process::exit(2);
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let binary = build_kindred(&root);
    let jars = get_kafka(&root);
    let mut report = Report::default();
    if options.wants("limits") {
        limits::measure(&mut report);
    }
    let mut field = Field {
        synced: Contender::kindred(OURS, &binary, &[]),
        unsynced: Contender::kindred(OURS, &binary, &[("log.acks.all.sync", "false")]),
        kafka: Contender::kafka(&jars, &options.heap),
    };
    report.note(format!(
        "Kafka's heap: {}; rounds: {}; {} MB a throughput figure",
        options.heap, options.rounds, options.megabytes
    ));
    if options.wants("start") {
        starts(&mut field, &mut report);
    }
    warm_up(&field, &options);
    for _ in 0..options.rounds {
        round(&mut field, &jars, &options, &mut report);
    }
    fs::create_dir_all(&options.out).expect("a directory for the results");
    if options.wants("latency") {
        latency(&field, &options, &mut report);
    }
    if options.wants("learning") {
        learning::measure(&field.unsynced, &options, &mut report);
    }
    if options.wants("growth") {
        growth_curves(&field, &options, &mut report);
    }
    for contender in [&field.synced, &field.kafka] {
        report.add(
            contender.name,
            "peak resident memory so far",
            "MB",
            contender.peak_resident_bytes() as f64 / 1e6,
        );
    }
    if options.wants("connections") {
        for contender in [&field.synced, &field.kafka] {
            crowds::connections(contender, &options, &mut report);
        }
    }
    field.synced.stop();
    field.unsynced.stop();
    field.kafka.stop();
    if options.wants("partitions") {
        for mut contender in [Contender::kindred(OURS, &binary, &[]), Contender::kafka(&jars, &options.heap)]
        {
            crowds::partitions(&mut contender, &options, &mut report);
            contender.stop();
        }
    }
    let markdown = report.markdown(OURS, THEIRS, limits::MACHINE);
    println!("{markdown}");
    fs::write(options.out.join("results.md"), markdown).expect("the results' directory");
    fs::write(options.out.join("results.json"), report.json().to_string()).expect("the results' directory");
}

/// Who takes part. Ours twice: what acks=all means is a setting of the server.
struct Field {
    synced: Contender,
    unsynced: Contender,
    kafka: Contender,
}

fn build_kindred(root: &Path) -> PathBuf {
    let built = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--locked", "--bin", "kindred"])
        .current_dir(root)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "building kindred failed");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("release/kindred")
}

/// Copies the jars that `kafka-pom.xml` names into the target directory, once.
fn get_kafka(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let jars = target.join("compare/kafka");
    let done = jars.join("complete");
    if !done.exists() {
        let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka-pom.xml");
        let copied = Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(pom)
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", jars.display()))
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "Maven could not get Apache Kafka");
        fs::write(done, "").expect("a directory of our own");
    }
    jars
}

/// From the start of the process on an empty directory to the first answer; memory when idle.
fn starts(field: &mut Field, report: &mut Report) {
    for contender in [&field.synced, &field.kafka] {
        report.add(contender.name, "idle: resident memory", "MB", contender.resident_bytes() as f64 / 1e6);
    }
    for contender in [&mut field.synced, &mut field.kafka] {
        contender.stop();
        report.add(
            contender.name,
            "start to first answer, empty",
            "ms",
            contender.start().as_secs_f64() * 1e3,
        );
    }
}

/// The JIT compiles, files and page-cache pages are used once, on all alike.
fn warm_up(field: &Field, options: &Options) {
    let mut ignored = Report::default();
    let cases = throughput::cases(false);
    for contender in [&field.synced, &field.unsynced, &field.kafka] {
        for case in &cases[..2] {
            throughput::measure(contender, case, options, &mut ignored);
        }
    }
}

fn round(field: &mut Field, jars: &Path, options: &Options, report: &mut Report) {
    if options.wants("throughput") {
        for case in throughput::cases(options.full) {
            let ours = if case.synced { &field.synced } else { &field.unsynced };
            for contender in [ours, &field.kafka] {
                throughput::measure(contender, &case, options, report);
            }
        }
    }
    if options.wants("fan-out") {
        for contender in [&field.unsynced, &field.kafka] {
            throughput::fan_out(contender, options, report);
        }
    }
    if options.wants("librdkafka") {
        for contender in [&field.unsynced, &field.kafka] {
            clients::librdkafka(contender, options.megabytes, report);
        }
    }
    if options.wants("tools") {
        for contender in [&field.unsynced, &field.kafka] {
            clients::perf_tools(contender, jars, options.megabytes, report);
        }
    }
    if options.wants("cold") {
        for contender in [&mut field.unsynced, &mut field.kafka] {
            throughput::cold(contender, options, report);
        }
    }
}

/// End to end at fixed rates: every round's records in one histogram, a plot for each rate.
fn latency(field: &Field, options: &Options, report: &mut Report) {
    for (rate, acks, synced) in
        [(1_000, 1, false), (10_000, 1, false), (100_000, 1, false), (10_000, -1, true)]
    {
        let ours = if synced { &field.synced } else { &field.unsynced };
        let how = if synced { "acks=all, synced" } else { "acks=1" };
        let mut curves = [ours, &field.kafka].map(|one| (one.name, Histogram::new(3).expect("three digits")));
        for _ in 0..options.rounds {
            for (contender, (_, all)) in [ours, &field.kafka].into_iter().zip(&mut curves) {
                let flushed: &[_] =
                    if synced && contender.is_kafka() { &[("flush.messages", "1")] } else { &[] };
                let topic = contender.new_topic("latency", 1, flushed);
                let histogram = pace::end_to_end(contender.address(), &topic, acks, rate, options.seconds);
                for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
                    let row = format!("end to end, {rate} msg/s, {how}: {name}");
                    report.add(contender.name, &row, "us", micros(&histogram, quantile));
                }
                all.add(histogram).expect("the same precision");
                contender.connect().delete_topic(&topic);
            }
        }
        let title = format!("End-to-end latency, {rate} msg/s of {} B, {how}", pace::VALUE_BYTES);
        let file = format!("latency-{rate}-{}.svg", if synced { "synced" } else { "acks1" });
        fs::write(options.out.join(file), plot::percentiles(&title, &curves))
            .expect("the results' directory");
    }
}

/// What a request costs with more partitions, and with more connections: a plot each.
fn growth_curves(field: &Field, options: &Options, report: &mut Report) {
    let both = [&field.unsynced, &field.kafka];
    let curves = both.map(|one| (one.name, growth::partitions(one, options, report)));
    let plot = plot::growth("Broker CPU time of a request of one 1 KB record, by partitions", &curves);
    fs::write(options.out.join("growth-partitions.svg"), plot).expect("the results' directory");
    let curves = both.map(|one| (one.name, growth::connections(one, options, report)));
    let plot = plot::growth("Broker CPU time of a request of one 1 KB record, by connections", &curves);
    fs::write(options.out.join("growth-connections.svg"), plot).expect("the results' directory");
}
