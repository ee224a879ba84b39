//! Throughput traffic: batches encoded beforehand, several requests in flight, fetches one after another.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;
use std::thread;

use bytes::Bytes;
use protocol::frame::decode_response;
use protocol::messages::fetch::FetchResponse;
use protocol::records::{BatchBuilder, Batches, Compression};
use protocol::types::{ProducerEpoch, ProducerId, Sequence};

use crate::connection::{Connection, fetch_frame, now, produce_error, produce_frame, receive};

/// Bytes of one batch before compression, four times a Java producer's default: what a producer under load is tuned
/// to.
const BATCH_BYTES: usize = 64 << 10;
/// Requests sent before the answer of the first is awaited; a Java producer's default.
const IN_FLIGHT: usize = 5;
/// Where a batch has its base sequence, and where its checksum and what that covers begin.
const BASE_SEQUENCE_AT: usize = 53;
const CRC_AT: usize = 17;
const COVERED_FROM: usize = 21;

/// What is produced, and how.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) value_bytes: usize,
    /// How full a batch gets before compression; it holds a record in any case.
    pub(crate) batch_bytes: usize,
    pub(crate) partitions: i32,
    pub(crate) compression: Compression,
    pub(crate) acks: i16,
    /// Id and epoch of an idempotent producer.
    pub(crate) producer: Option<(ProducerId, ProducerEpoch)>,
}

impl Shape {
    /// Full batches of uncompressed values to one partition, from a producer that is not idempotent.
    pub(crate) fn plain(value_bytes: usize, acks: i16) -> Shape {
        Shape {
            value_bytes,
            batch_bytes: BATCH_BYTES,
            partitions: 1,
            compression: Compression::None,
            acks,
            producer: None,
        }
    }
}

/// Requests made beforehand, one for each partition, to be sent in turn again and again.
pub(crate) struct Load {
    topic: String,
    frames: Vec<Vec<u8>>,
    batch_bytes: usize,
    idempotent: bool,
    requests: u64,
    records_per_request: u64,
    value_bytes: u64,
}

impl Load {
    pub(crate) fn new(topic: &str, shape: &Shape, megabytes: u64) -> Load {
        let mut batch = BatchBuilder::new().compression(shape.compression);
        if let Some((id, epoch)) = shape.producer {
            batch = batch.producer(id, epoch, Sequence(0));
        }
        let mut values = Values::new(shape.compression != Compression::None);
        while batch.record_count() == 0 || batch.size_bytes() + shape.value_bytes <= shape.batch_bytes {
            batch.append(now(), None, Some(&values.next(shape.value_bytes)), &[]);
        }
        let records_per_request = batch.record_count() as u64;
        let value_bytes = shape.value_bytes as u64;
        let partitions = u64::try_from(shape.partitions).expect("some partitions");
        let requests = (megabytes * 1_000_000).div_ceil(records_per_request * value_bytes);
        let batch = batch.build();
        let frame = |partition| produce_frame(topic, partition, shape.acks, &batch);
        Load {
            topic: topic.to_owned(),
            frames: (0..shape.partitions).map(frame).collect(),
            batch_bytes: batch.len(),
            idempotent: shape.producer.is_some(),
            // As many to each partition.
            requests: requests.next_multiple_of(partitions),
            records_per_request,
            value_bytes,
        }
    }

    pub(crate) fn records(&self) -> u64 {
        self.requests * self.records_per_request
    }

    /// Records of one partition.
    pub(crate) fn records_per_partition(&self) -> u64 {
        self.records() / self.frames.len() as u64
    }

    /// Bytes of values before compression, without keys, headers or framing.
    pub(crate) fn bytes(&self) -> u64 {
        self.records() * self.value_bytes
    }

    /// Sends everything over one connection, never more than [`IN_FLIGHT`] ahead of the answers.
    pub(crate) fn send(&mut self, address: SocketAddr) {
        let Connection { mut sending, mut receiving } = Connection::open(address);
        let (permit, permits) = sync_channel(IN_FLIGHT - 1);
        let (topic, requests) = (self.topic.clone(), self.requests);
        // A failed receiver drops its end of the channel, which ends the sender.
        thread::scope(move |scope| {
            scope.spawn(move || {
                for request in 0..requests {
                    sending.write_all(self.frame(request)).expect("the broker reads");
                    if permit.send(()).is_err() {
                        return; // The receiver failed and says why.
                    }
                }
            });
            let mut answer = Vec::new();
            for _ in 0..requests {
                receive(&mut receiving, &mut answer);
                assert_eq!(produce_error(&topic, &answer), 0);
                permits.recv().expect("one permit a request");
            }
        });
    }

    /// The next frame, with the sequence that an idempotent producer would give it.
    fn frame(&mut self, request: u64) -> &[u8] {
        let partitions = self.frames.len() as u64;
        let frame = &mut self.frames[(request % partitions) as usize];
        if self.idempotent {
            let batch_at = frame.len() - self.batch_bytes;
            let batch = &mut frame[batch_at..];
            let sequence = (request / partitions * self.records_per_request) as u32 & 0x7fff_ffff;
            batch[BASE_SEQUENCE_AT..BASE_SEQUENCE_AT + 4].copy_from_slice(&sequence.to_be_bytes());
            let crc = crc_fast::crc32_iscsi(&batch[COVERED_FROM..]);
            batch[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
        }
        frame
    }
}

/// Fetches `records` records of a partition, checking each batch's checksum as clients do.
pub(crate) fn consume(address: SocketAddr, topic: &str, partition: i32, records: u64) {
    let mut connection = Connection::open(address);
    let mut offset = 0;
    let mut answer = Vec::new();
    while (offset as u64) < records {
        connection.send(&fetch_frame(topic, partition, offset));
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
        drop(response);
        answer = Vec::from(frame); // The same memory again.
    }
}

/// Values of one size, the same on every run (SplitMix64): noise that nothing can shrink, or events in JSON.
struct Values {
    state: u64,
    compressible: bool,
}

impl Values {
    fn new(compressible: bool) -> Values {
        Values { state: 1, compressible }
    }

    fn next(&mut self, bytes: usize) -> Vec<u8> {
        if !self.compressible {
            return (0..bytes).map(|_| self.random() as u8).collect();
        }
        let mut value = Vec::with_capacity(bytes + 80);
        while value.len() < bytes {
            let (user, item) = (self.random() % 100_000, self.random() % 10_000);
            write!(value, r#"{{"user_id":{user},"item_id":"{item}","action":"view","ts":1700000000000}}"#)
                .expect("a vector takes all");
        }
        value.truncate(bytes);
        value
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
