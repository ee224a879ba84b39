//! Megabytes and messages a second, in and out, over one connection.

use std::thread;
use std::time::Instant;

use bytes::Bytes;
use protocol::frame::decode_response;
use protocol::messages::fetch::FetchResponse;
use protocol::records::{BatchBuilder, Batches};

use crate::Broker;
use crate::connection::{Connection, fetch_frame, now, produce_error, produce_frame, receive};
use crate::options::Options;
use crate::report::Report;

/// Bytes of one batch, four times a Java producer's default: what a producer under load is tuned to.
const BATCH_BYTES: usize = 64 << 10;
/// Requests sent before the answer of the first is awaited; a Java producer's default.
const IN_FLIGHT: u64 = 5;

pub(crate) fn measure(options: &Options, broker: &Broker, report: &mut Report) {
    for value_bytes in [100, 1000] {
        for (acks, acks_name) in [(1, "1"), (-1, "all")] {
            let topic = format!("throughput-{value_bytes}-{acks_name}");
            let mut admin = broker.connect();
            admin.create_topic(&topic);
            let label = format!("produce, {value_bytes} B, acks={acks_name}");
            let load = Load::new(&topic, acks, value_bytes, options.megabytes);
            timed(broker, report, &label, load.bytes(), load.records(), || load.send(broker.connect()));
            if options.wants("consume") && acks == 1 {
                let label = format!("consume, {value_bytes} B");
                let drain = || consume(broker.connect(), &topic, load.records());
                timed(broker, report, &label, load.bytes(), load.records(), drain);
            }
            admin.delete_topic(&topic);
        }
    }
}

/// Runs `work` and reports what it did a second, and the broker's CPU time for each GB of values.
fn timed(broker: &Broker, report: &mut Report, label: &str, bytes: u64, records: u64, work: impl FnOnce()) {
    let cpu_before = broker.cpu_time();
    let began = Instant::now();
    work();
    let seconds = began.elapsed().as_secs_f64();
    report.add(label, "MB/s", bytes as f64 / 1e6 / seconds);
    report.add(label, "messages/s", records as f64 / seconds);
    if let (Some(before), Some(after)) = (cpu_before, broker.cpu_time()) {
        report.add(
            format!("{label}: broker CPU"),
            "s/GB",
            (after - before).as_secs_f64() / (bytes as f64 / 1e9),
        );
    }
}

/// One request, to be sent again and again.
struct Load {
    topic: String,
    frame: Vec<u8>,
    requests: u64,
    records_per_request: u64,
    value_bytes: u64,
}

impl Load {
    fn new(topic: &str, acks: i16, value_bytes: usize, megabytes: u64) -> Load {
        let mut batch = BatchBuilder::new();
        let mut noise = Noise(1);
        while batch.size_bytes() + value_bytes <= BATCH_BYTES {
            batch.append(now(), None, Some(&noise.bytes(value_bytes)), &[]);
        }
        let records_per_request = batch.record_count() as u64;
        let value_bytes = value_bytes as u64;
        let requests = (megabytes * 1_000_000).div_ceil(records_per_request * value_bytes);
        let frame = produce_frame(topic, acks, &batch.build());
        Load { topic: topic.to_owned(), frame, requests, records_per_request, value_bytes }
    }

    fn records(&self) -> u64 {
        self.requests * self.records_per_request
    }

    /// Bytes of values, without keys, headers or framing.
    fn bytes(&self) -> u64 {
        self.records() * self.value_bytes
    }

    /// Sends everything, never more than [`IN_FLIGHT`] ahead of the answers.
    fn send(&self, connection: Connection) {
        let Connection { mut sending, mut receiving } = connection;
        let (permit, permits) = std::sync::mpsc::sync_channel(IN_FLIGHT as usize - 1);
        thread::scope(|scope| {
            scope.spawn(move || {
                use std::io::Write;
                for _ in 0..self.requests {
                    sending.write_all(&self.frame).expect("the broker reads");
                    if permit.send(()).is_err() {
                        return; // The receiver failed and says why.
                    }
                }
            });
            let mut answer = Vec::new();
            for _ in 0..self.requests {
                receive(&mut receiving, &mut answer);
                assert_eq!(produce_error(&self.topic, &answer), 0);
                permits.recv().expect("one permit a request");
            }
        });
    }
}

/// Fetches everything, checking each batch's checksum as clients do.
fn consume(mut connection: Connection, topic: &str, records: u64) {
    let mut offset = 0;
    let mut answer = Vec::new();
    while (offset as u64) < records {
        connection.send(&fetch_frame(topic, offset));
        receive(&mut connection.receiving, &mut answer);
        let frame = Bytes::from(std::mem::take(&mut answer));
        let (_, response) = decode_response::<FetchResponse<'_>>(&frame, 4).expect("an answer");
        let partition = &response.responses[0].partitions[0];
        assert_eq!(partition.error_code, 0);
        // The last batch may be cut off at the size asked for.
        for batch in partition.records.0.iter().flat_map(|piece| Batches::new(piece)).map_while(Result::ok) {
            batch.verify_crc().expect("a good checksum");
            offset = batch.next_offset().0;
        }
    }
}

/// Bytes that no codec or disk can shrink, the same on every run (SplitMix64).
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
