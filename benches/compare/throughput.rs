//! Megabytes a second and CPU time per gigabyte, with batches made beforehand: the client is not the limit.

use std::thread;
use std::time::Instant;

use protocol::frame::decode_response;
use protocol::frame::encode_request;
use protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use protocol::records::Compression;
use protocol::types::{ProducerEpoch, ProducerId};

use crate::contenders::Contender;
use crate::options::Options;
use crate::report::Report;
use crate::traffic::{Load, Shape, consume};

/// Readers of one topic at once.
const READERS: usize = 8;

/// One load, as both brokers get it.
pub(crate) struct Case {
    pub(crate) name: String,
    value_bytes: usize,
    partitions: i32,
    compression: Compression,
    acks: i16,
    idempotent: bool,
    /// Answered only when the records are on disk: ours by default, Kafka's with `flush.messages=1`.
    pub(crate) synced: bool,
}

impl Case {
    fn new(value_bytes: usize, partitions: i32, compression: Compression, acks: i16) -> Case {
        let size = if value_bytes == 100 { "100 B" } else { "1 KB" };
        let acks_name = if acks == 1 { "acks=1" } else { "acks=all" };
        let codec = match compression {
            Compression::None => String::new(),
            codec => format!(", {}", codec.name()),
        };
        let spread = if partitions == 1 { String::new() } else { format!(", {partitions} partitions") };
        let name = format!("{size}, {acks_name}{codec}{spread}");
        Case { name, value_bytes, partitions, compression, acks, idempotent: false, synced: false }
    }

    fn idempotent(mut self) -> Case {
        self.name += ", idempotent";
        Case { idempotent: true, ..self }
    }

    fn synced(mut self) -> Case {
        self.name += ", synced";
        Case { synced: true, ..self }
    }
}

/// Each dimension on its own around 1 KB and 100 B, one partition; or all of them crossed.
pub(crate) fn cases(full: bool) -> Vec<Case> {
    use Compression::{Lz4, None, Zstd};
    if full {
        let mut cases = Vec::new();
        for value_bytes in [100, 1000] {
            for partitions in [1, 16] {
                for compression in [None, Lz4, Zstd] {
                    let new = |acks| Case::new(value_bytes, partitions, compression, acks);
                    cases.extend([new(1), new(-1), new(-1).idempotent(), new(-1).synced()]);
                }
            }
        }
        return cases;
    }
    vec![
        Case::new(1000, 1, None, 1),
        Case::new(1000, 1, None, -1),
        Case::new(1000, 1, None, -1).idempotent(),
        Case::new(1000, 1, None, -1).synced(),
        Case::new(1000, 16, None, 1),
        Case::new(1000, 1, Lz4, 1),
        Case::new(1000, 1, Zstd, 1),
        Case::new(100, 1, None, 1),
        Case::new(100, 1, None, -1),
        Case::new(100, 16, None, 1),
    ]
}

/// Produces one case and consumes what it produced: with one reader, then with eight beside a producer.
pub(crate) fn measure(contender: &Contender, case: &Case, options: &Options, report: &mut Report) {
    let flushed: &[_] = if case.synced && contender.is_kafka() { &[("flush.messages", "1")] } else { &[] };
    let topic = contender.new_topic("throughput", case.partitions, flushed);
    let shape = Shape {
        partitions: case.partitions,
        compression: case.compression,
        producer: case.idempotent.then(|| new_producer(contender)),
        ..Shape::plain(case.value_bytes, case.acks)
    };
    // One flush a request is slow everywhere; less of it says as much.
    let megabytes = if case.synced { options.megabytes / 4 } else { options.megabytes };
    let mut load = Load::new(&topic, &shape, megabytes);
    let bytes = load.bytes();
    let row = format!("produce {}", case.name);
    timed(contender, &row, bytes, report, || load.send(contender.address()));
    if case.acks == 1 && !case.idempotent {
        let row = format!("consume {}", case.name);
        let records = load.records_per_partition();
        timed(contender, &row, bytes, report, || {
            for partition in 0..case.partitions {
                consume(contender.address(), &topic, partition, records);
            }
        });
    }
    contender.connect().delete_topic(&topic);
}

/// One producer and eight readers that each read all of it, at once.
pub(crate) fn fan_out(contender: &Contender, options: &Options, report: &mut Report) {
    let topic = contender.new_topic("fan-out", 1, &[]);
    let shape = Shape::plain(1000, 1);
    let mut load = Load::new(&topic, &shape, options.megabytes / 2);
    let (bytes, records) = (load.bytes(), load.records());
    let row = format!("1 producer, {READERS} consumers, 1 KB (bytes out)");
    timed(contender, &row, bytes * READERS as u64, report, || {
        thread::scope(|scope| {
            for _ in 0..READERS {
                scope.spawn(|| consume(contender.address(), &topic, 0, records));
            }
            load.send(contender.address());
        });
    });
    contender.connect().delete_topic(&topic);
}

/// Consumes what neither the page cache nor the process remembers.
pub(crate) fn cold(contender: &mut Contender, options: &Options, report: &mut Report) {
    let topic = contender.new_topic("cold", 1, &[]);
    let shape = Shape::plain(1000, 1);
    let mut load = Load::new(&topic, &shape, options.megabytes);
    load.send(contender.address());
    // A page that is mapped cannot be dropped, so the broker ends first.
    contender.stop();
    drop_page_cache(&contender.data().join(format!("{topic}-0")));
    contender.start();
    contender.connect().await_leader(&topic, 0);
    let records = load.records();
    timed(contender, "consume 1 KB, cold", load.bytes(), report, || {
        consume(contender.address(), &topic, 0, records);
    });
    contender.connect().delete_topic(&topic);
}

fn drop_page_cache(directory: &std::path::Path) {
    for entry in std::fs::read_dir(directory).expect("the partition's directory").map_while(Result::ok) {
        let file = std::fs::File::open(entry.path()).expect("a file of the partition");
        file.sync_all().expect("the disk takes it");
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("a regular file");
    }
}

fn new_producer(contender: &Contender) -> (ProducerId, ProducerEpoch) {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: 60_000,
        ..Default::default()
    };
    let frame = encode_request(&request, 1, 1, None).expect("a valid request");
    let mut error = 0;
    // A new cluster may have to make its first block of ids.
    for _ in 0..50 {
        let answer = contender.connect().ask(&frame);
        let (_, response) = decode_response::<InitProducerIdResponse>(&answer, 1).expect("an answer");
        if response.error_code == 0 {
            return (ProducerId(response.producer_id), ProducerEpoch(response.producer_epoch));
        }
        error = response.error_code;
        thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("no producer id in five seconds: error {error}")
}

/// Runs `work` and reports what it did a second, and the broker's CPU time for each GB of values.
pub(crate) fn timed(contender: &Contender, row: &str, bytes: u64, report: &mut Report, work: impl FnOnce()) {
    let cpu_before = contender.cpu_time();
    let began = Instant::now();
    work();
    let seconds = began.elapsed().as_secs_f64();
    report.add(contender.name, row, "MB/s", bytes as f64 / 1e6 / seconds);
    let cpu = (contender.cpu_time() - cpu_before).as_secs_f64();
    report.add(contender.name, &format!("{row}: broker CPU"), "s/GB", cpu / (bytes as f64 / 1e9));
}
