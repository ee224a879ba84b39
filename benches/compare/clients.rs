//! The same brokers under clients that people use: librdkafka, and Apache Kafka's own performance tools.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::contenders::{Contender, java};
use crate::report::Report;
use crate::throughput::timed;

const VALUE_BYTES: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(120);

/// Produces and consumes through librdkafka with its defaults for throughput (linger 5 ms, 1 MB batches).
pub(crate) fn librdkafka(contender: &Contender, megabytes: u64, label: &'static str, report: &mut Report) {
    let topic = format!("rdkafka-{}", std::process::id());
    contender.connect().create_topic(&topic, 1, &[]);
    let bootstrap = contender.address().to_string();
    let records = megabytes * 1_000_000 / VALUE_BYTES as u64;
    let bytes = records * VALUE_BYTES as u64;
    timed(contender, label, "librdkafka produce 1 KB, acks=1", bytes, report, || {
        produce(&bootstrap, &topic, records);
    });
    timed(contender, label, "librdkafka consume 1 KB", bytes, report, || {
        consume(&bootstrap, &topic, records)
    });
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
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a valid configuration");
    consumer.subscribe(&[topic]).expect("a valid topic");
    for seen in 0..records {
        let message = consumer.poll(PATIENCE).unwrap_or_else(|| panic!("{seen} of {records} in time"));
        message.expect("no errors");
    }
}

/// `kafka-producer-perf-test` and `kafka-consumer-perf-test`: records of 1 KB, no limit on the rate.
pub(crate) fn perf_tools(
    contender: &Contender,
    jars: &Path,
    megabytes: u64,
    label: &'static str,
    report: &mut Report,
) {
    let topic = format!("perf-{}", std::process::id());
    contender.connect().create_topic(&topic, 1, &[]);
    let bootstrap = contender.address().to_string();
    let records = (megabytes * 1_000_000 / VALUE_BYTES as u64).to_string();
    let bytes = megabytes * 1_000_000;
    let size = VALUE_BYTES.to_string();
    let server = format!("bootstrap.servers={bootstrap}");
    timed(contender, label, "kafka-producer-perf-test 1 KB (start included)", bytes, report, || {
        tool(
            jars,
            &[
                "ProducerPerformance",
                "--topic",
                &topic,
                "--num-records",
                &records,
                "--record-size",
                &size,
                "--throughput",
                "-1",
                "--producer-props",
                &server,
                "acks=1",
            ],
        );
    });
    timed(contender, label, "kafka-consumer-perf-test 1 KB (start included)", bytes, report, || {
        tool(
            jars,
            &[
                "ConsumerPerformance",
                "--bootstrap-server",
                &bootstrap,
                "--topic",
                &topic,
                "--num-records",
                &records,
                "--timeout",
                "60000",
            ],
        );
    });
    contender.connect().delete_topic(&topic);
}

fn tool(jars: &Path, arguments: &[&str]) {
    let status = java(jars, "512m")
        .arg(format!("org.apache.kafka.tools.{}", arguments[0]))
        .args(&arguments[1..])
        .stdout(Stdio::null())
        .status()
        .expect("java runs");
    assert!(status.success(), "{} failed", arguments[0]);
}
