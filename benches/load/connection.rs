//! A blocking connection that sends frames made beforehand and reads answers into one buffer.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use protocol::frame::{decode_response, encode_request};
use protocol::messages::api_versions::ApiVersionsRequest;
use protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
};
use protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use protocol::messages::delete_topics::DeleteTopicsRequest;
use protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use protocol::types::TimestampMs;

/// Any single answer takes less, or the measurement is broken.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Apache Kafka refuses to make ten thousand partitions in one request.
const PARTITIONS_AT_ONCE: i32 = 2_000;
/// As much as a fetch may bring: it is read in one go.
const READ_BUFFER_BYTES: usize = 1 << 20;

pub(crate) struct Connection {
    pub(crate) sending: TcpStream,
    pub(crate) receiving: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Connection {
        let sending = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).expect("the broker accepts");
        sending.set_nodelay(true).expect("a TCP socket");
        sending.set_read_timeout(Some(ANSWER_TIMEOUT)).expect("a TCP socket");
        let receiving = sending.try_clone().expect("a socket can be doubled");
        Connection { sending, receiving: BufReader::with_capacity(READ_BUFFER_BYTES, receiving) }
    }

    /// Sends a whole frame.
    pub(crate) fn send(&mut self, frame: &[u8]) {
        self.sending.write_all(frame).expect("the broker reads");
    }

    /// Sends a whole frame and gives the answer's, without its length.
    pub(crate) fn ask(&mut self, frame: &[u8]) -> Bytes {
        self.send(frame);
        let mut answer = Vec::new();
        receive(&mut self.receiving, &mut answer);
        Bytes::from(answer)
    }

    pub(crate) fn api_versions(&mut self) {
        self.ask(&encode_request(&ApiVersionsRequest::default(), 0, 1, None).expect("an empty request"));
    }

    /// Creates a topic and waits until each of its partitions can be used.
    pub(crate) fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let configs = (configs.iter())
            .map(|&(name, value)| CreatableTopicConfig { name: name.into(), value: Some(value.into()) })
            .collect();
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions.min(PARTITIONS_AT_ONCE),
            replication_factor: 1,
            configs,
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let answer = self.ask(&encode_request(&request, 4, 1, None).expect("a valid request"));
        let (_, response) = decode_response::<CreateTopicsResponse<'_>>(&answer, 4).expect("an answer");
        assert_eq!(response.topics[0].error_code, 0, "creating {name}");
        let mut made = partitions.min(PARTITIONS_AT_ONCE);
        while made < partitions {
            made = partitions.min(made + PARTITIONS_AT_ONCE);
            self.add_partitions(name, made);
        }
        (0..partitions).for_each(|partition| self.await_leader(name, partition));
    }

    fn add_partitions(&mut self, name: &str, count: i32) {
        let topic = CreatePartitionsTopic { name: name.into(), count, assignments: None };
        let request =
            CreatePartitionsRequest { topics: vec![topic], timeout_ms: 60_000, ..Default::default() };
        let answer = self.ask(&encode_request(&request, 1, 1, None).expect("a valid request"));
        let (_, response) = decode_response::<CreatePartitionsResponse<'_>>(&answer, 1).expect("an answer");
        assert_eq!(response.results[0].error_code, 0, "{count} partitions of {name}");
    }

    /// Waits until a partition can be produced to: Apache Kafka answers a creation before its partitions are there.
    pub(crate) fn await_leader(&mut self, topic: &str, partition: i32) {
        let partition =
            ListOffsetsPartition { partition_index: partition, timestamp: -1, ..Default::default() };
        let topic = ListOffsetsTopic { name: topic.into(), partitions: vec![partition] };
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        let frame = encode_request(&request, 1, 1, None).expect("a valid request");
        let began = Instant::now();
        loop {
            let answer = self.ask(&frame);
            let (_, response) = decode_response::<ListOffsetsResponse>(&answer, 1).expect("an answer");
            let error = response.topics[0].partitions[0].error_code;
            if error == 0 {
                return;
            }
            assert!(began.elapsed() < ANSWER_TIMEOUT, "the partition has no leader: error {error}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn delete_topic(&mut self, name: &str) {
        let request = DeleteTopicsRequest { topic_names: vec![name.into()], ..Default::default() };
        self.ask(&encode_request(&request, 3, 1, None).expect("a valid request"));
    }
}

/// Now: records of long ago would be removed by retention while they are measured.
pub(crate) fn now() -> TimestampMs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock set after 1970");
    TimestampMs(i64::try_from(since_epoch.as_millis()).expect("a clock set before the year 292 million"))
}

/// Reads the next answer, without its length, over what `frame` held before.
pub(crate) fn receive(from: &mut impl Read, frame: &mut Vec<u8>) {
    let mut size = [0; 4];
    from.read_exact(&mut size).expect("an answer in time");
    frame.resize(u32::from_be_bytes(size) as usize, 0);
    from.read_exact(frame).expect("a whole answer");
}

/// A Produce request (v7) as a whole frame, which ends with `records`.
pub(crate) fn produce_frame(topic: &str, partition: i32, acks: i16, records: &[u8]) -> Vec<u8> {
    let data = PartitionProduceData { index: partition, records: Some(records) };
    let topic = TopicProduceData { name: topic.into(), partition_data: vec![data], ..Default::default() };
    let request = ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
    encode_request(&request, 7, 1, None).expect("a valid request").to_vec()
}

/// The error code in an answer to [`produce_frame`]: correlation id, array of 1, name, array of 1, index, error.
pub(crate) fn produce_error(topic: &str, answer: &[u8]) -> i16 {
    let at = 4 + 4 + 2 + topic.len() + 4 + 4;
    i16::from_be_bytes(answer[at..at + 2].try_into().expect("two bytes"))
}

/// A Fetch request (v4) as a whole frame, sized as the Java consumer's.
pub(crate) fn fetch_frame(topic: &str, partition: i32, fetch_offset: i64) -> Vec<u8> {
    let partition =
        FetchPartition { partition, fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() };
    let request = FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 50 << 20,
        topics: vec![topic],
        ..Default::default()
    };
    encode_request(&request, 4, 1, None).expect("a valid request").to_vec()
}
