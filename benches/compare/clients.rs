//! The same brokers under clients that people use: librdkafka, and Apache Kafka's own performance tools.

use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::contenders::{Contender, java};
use crate::report::Report;
use crate::throughput::timed;

const VALUE_BYTES: usize = 1000;
const MIB: f64 = (1 << 20) as f64;
const PATIENCE: Duration = Duration::from_secs(120);

/// Produces and consumes through librdkafka with its defaults for throughput (linger 5 ms, 1 MB batches).
pub(crate) fn librdkafka(contender: &Contender, megabytes: u64, report: &mut Report) {
    let topic = contender.new_topic("librdkafka", 1, &[]);
    let bootstrap = contender.address().to_string();
    let records = megabytes * 1_000_000 / VALUE_BYTES as u64;
    let bytes = records * VALUE_BYTES as u64;
    timed(contender, "librdkafka produce 1 KB, acks=1", bytes, report, || {
        produce(&bootstrap, &topic, records);
    });
    timed(contender, "librdkafka consume 1 KB", bytes, report, || consume(&bootstrap, &topic, records));
    contender.connect().delete_topic(&topic);
}

fn produce(bootstrap: &str, topic: &str, records: u64) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("acks", "1")
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "200000")
        .create()
        .expect("a valid configuration");
    let value = [b'x'; VALUE_BYTES];
    for _ in 0..records {
        let mut record = BaseRecord::<(), [u8]>::to(topic).payload(&value);
        while let Err((error, back)) = producer.send(record) {
            assert_eq!(
                error,
                KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull),
                "producing to {topic}"
            );
            producer.poll(Duration::from_millis(1));
            record = back;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE).expect("everything is answered");
}

fn consume(bootstrap: &str, topic: &str, records: u64) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", topic)
        .create()
        .expect("a valid configuration");
    let mut start = TopicPartitionList::new();
    start.add_partition_offset(topic, 0, Offset::Beginning).expect("a valid offset");
    consumer.assign(&start).expect("a valid topic");
    let began = Instant::now();
    let mut seen = 0;
    while seen < records {
        // None is no record, which may also be an event: an assignment, say.
        if let Some(message) = consumer.poll(Duration::from_secs(1)) {
            message.expect("no errors");
            seen += 1;
        }
        assert!(began.elapsed() < PATIENCE, "{seen} of {records} in time");
    }
}

/// `kafka-producer-perf-test` and `kafka-consumer-perf-test`: records of 1 KB, no limit on the rate.
pub(crate) fn perf_tools(contender: &Contender, jars: &Path, megabytes: u64, report: &mut Report) {
    let topic = contender.new_topic("perf", 1, &[]);
    let bootstrap = contender.address().to_string();
    let records = (megabytes * 1_000_000 / VALUE_BYTES as u64).to_string();
    let bytes = megabytes * 1_000_000;
    let size = VALUE_BYTES.to_string();
    let server = format!("bootstrap.servers={bootstrap}");
    let produce =
        ["ProducerPerformance", "--topic", &topic, "--num-records", &records, "--record-size", &size];
    let produce = [&produce[..], &["--throughput", "-1", "--producer-props", &server, "acks=1"]].concat();
    let consume = ["ConsumerPerformance", "--bootstrap-server", &bootstrap, "--topic", &topic];
    let consume = [&consume[..], &["--num-records", &records, "--timeout", "60000"]].concat();
    for (name, arguments, figure) in [
        ("kafka-producer-perf-test", produce, producer_figure as fn(&str) -> Option<f64>),
        ("kafka-consumer-perf-test", consume, consumer_figure),
    ] {
        let cpu_before = contender.cpu_time();
        let output = tool(jars, &arguments);
        let cpu = (contender.cpu_time() - cpu_before).as_secs_f64();
        let megabytes = figure(&output).unwrap_or_else(|| panic!("{name} says no figure:\n{output}"));
        report.add(contender.name, &format!("{name} 1 KB, its own figure"), "MB/s", megabytes * MIB / 1e6);
        report.add(contender.name, &format!("{name} 1 KB: broker CPU"), "s/GB", cpu / (bytes as f64 / 1e9));
    }
    contender.connect().delete_topic(&topic);
}

/// The last line is "N records sent, R records/sec (M MB/sec), …"; its MB are 2^20 bytes.
fn producer_figure(output: &str) -> Option<f64> {
    let line = output.lines().rev().find(|line| line.contains(" MB/sec)"))?;
    line.split_once(" MB/sec)")?.0.rsplit_once('(')?.1.parse().ok()
}

/// A heading and a line of the same columns; `fetch.MB.sec` leaves out the time to join the group.
fn consumer_figure(output: &str) -> Option<f64> {
    let mut lines = output.lines().skip_while(|line| !line.contains("fetch.MB.sec"));
    let column = lines.next()?.split(", ").position(|name| name == "fetch.MB.sec")?;
    lines.next()?.split(", ").nth(column)?.parse().ok()
}

/// Runs one of the tools and gives what it printed.
fn tool(jars: &Path, arguments: &[&str]) -> String {
    let output = java(jars, "512m")
        .arg(format!("org.apache.kafka.tools.{}", arguments[0]))
        .args(&arguments[1..])
        .output()
        .expect("java runs");
    assert!(output.status.success(), "{} failed", arguments[0]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
