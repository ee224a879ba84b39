//! A small client over a blocking socket, with a limit on every wait: whole requests through the protocol crate, and
//! raw bytes for what no client should send.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use protocol::codec::Reader;
use protocol::frame::{decode_response_header, encode_request};
use protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use protocol::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use protocol::messages::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use protocol::messages::{Request, Response};
use protocol::records::{BatchBuilder, Batches};
use protocol::types::{ProducerEpoch, ProducerId, Sequence, TimestampMs, TopicId};

/// Longer than any answer may take on a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The most that a batch of a test may unpack to.
pub(crate) const UNPACKED_BYTES_MAX: usize = 64 << 20;

/// Who a batch says it is from.
#[derive(Clone, Copy)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// A producer without idempotence.
pub(crate) const NO_PRODUCER: Producer = Producer { id: -1, epoch: -1 };

/// An answer's frame, to be decoded by whoever knows what was asked.
pub(crate) struct Answer {
    frame: Bytes,
    version: i16,
}

impl Answer {
    /// `frame`: an answer without its length.
    pub(crate) fn new(frame: impl Into<Bytes>, version: i16) -> Answer {
        Answer { frame: frame.into(), version }
    }

    /// The message. Nothing may be left over behind it.
    pub(crate) fn decode<'a, R: Response<'a>>(&'a self) -> R {
        let name = std::any::type_name::<R>();
        let version = self.version;
        let mut reader = Reader::shared(&self.frame);
        let header = decode_response_header(&mut reader, R::KEY, version);
        let response = header.and_then(|_| R::decode(&mut reader, version));
        let response =
            response.unwrap_or_else(|error| panic!("{name} v{version}: {error} in {:02x?}", self.frame));
        let left = reader.rest().len();
        assert_eq!(left, 0, "{name} v{version}: {left} bytes too many in {:02x?}", self.frame);
        response
    }
}

/// One connection. A broker that goes away is `None`, never a panic: tests that kill it need that.
pub(crate) struct Client {
    socket: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).expect("the broker accepts connections")
    }

    pub(crate) fn try_connect(address: SocketAddr) -> Option<Client> {
        let socket = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).ok()?;
        socket.set_nodelay(true).ok()?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT)).ok()?;
        Some(Client { socket, correlation_id: 0 })
    }

    /// On a socket that is connected.
    pub(crate) fn of(socket: TcpStream) -> Client {
        Client { socket, correlation_id: 0 }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Sends as it stands. A peer that has already closed shows when reading.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).ok();
    }

    /// Sends `request` without waiting for its answer.
    pub(crate) fn send<'q, Q: Request<'q>>(&mut self, request: &Q, version: i16) {
        self.correlation_id += 1;
        let frame = encode_request(request, version, self.correlation_id, Some("process-tests"));
        self.send_bytes(&frame.expect("the request fits this version"));
    }

    /// The next answer without its length; `None` once the broker has closed the connection.
    ///
    /// # Panics
    /// If the broker neither answers nor closes in time.
    pub(crate) fn read_frame(&mut self) -> Option<Vec<u8>> {
        let mut size = [0; 4];
        self.read(&mut size)?;
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        self.read(&mut frame)?;
        Some(frame)
    }

    fn read(&mut self, into: &mut [u8]) -> Option<()> {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        match self.socket.read_exact(into) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), TimedOut | WouldBlock) => {
                panic!("neither an answer nor a closed connection after {ANSWER_TIMEOUT:?}")
            }
            Err(_) => None,
        }
    }

    /// Sends `request` and waits for its answer.
    pub(crate) fn call<'q, Q: Request<'q>>(&mut self, request: &Q, version: i16) -> Answer {
        self.try_call(request, version).expect("an answer, not a closed connection")
    }

    /// As [`Client::call`]; `None` if the broker closes instead.
    pub(crate) fn try_call<'q, Q: Request<'q>>(&mut self, request: &Q, version: i16) -> Option<Answer> {
        self.send(request, version);
        let frame = self.read_frame()?;
        assert_eq!(frame[..4], self.correlation_id.to_be_bytes(), "answers come in order");
        Some(Answer::new(frame, version))
    }

    /// Asks for the versions that are served, as (key, lowest, highest): the simplest proof of life.
    pub(crate) fn api_versions(&mut self) -> Vec<(i16, i16, i16)> {
        let answer = self.call(&ApiVersionsRequest::default(), 0);
        let response: ApiVersionsResponse<'_> = answer.decode();
        assert_eq!(response.error_code, 0);
        response.api_keys.iter().map(|range| (range.api_key, range.min_version, range.max_version)).collect()
    }

    pub(crate) fn create_topic(&mut self, name: &str, partitions: i32) {
        self.create_topic_with(name, partitions, &[]);
    }

    pub(crate) fn create_topic_with(&mut self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let configs = settings
            .iter()
            .map(|&(key, value)| CreatableTopicConfig { name: key.into(), value: Some(value.into()) });
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let answer = self.call(&request, 4);
        let response: CreateTopicsResponse<'_> = answer.decode();
        assert_eq!(response.topics[0].error_code, 0, "creating {}", response.topics[0].name);
    }

    /// Sets settings of every broker while it runs; the refusal's message if there is one.
    pub(crate) fn alter_broker(&mut self, settings: &[(&str, &str)]) -> Result<(), String> {
        let configs = settings.iter().map(|&(name, value)| AlterableConfig {
            name: name.into(),
            config_operation: 0,
            value: Some(value.into()),
        });
        let resource =
            AlterConfigsResource { resource_type: 4, resource_name: "".into(), configs: configs.collect() };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        let answer = self.call(&request, 1);
        let answer: IncrementalAlterConfigsResponse<'_> = answer.decode();
        let outcome = &answer.responses[0];
        let message = outcome.error_message.as_deref().unwrap_or_default().to_owned();
        if outcome.error_code == 0 { Ok(()) } else { Err(message) }
    }

    /// Whether there is a topic of this name; asking does not make one.
    pub(crate) fn has_topic(&mut self, name: &str) -> bool {
        let wanted = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
        let request = MetadataRequest {
            topics: Some(vec![wanted]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        self.call(&request, 12).decode::<MetadataResponse<'_>>().topics[0].error_code == 0
    }

    /// Makes a topic of one partition unless it is there.
    pub(crate) fn create_topic_if_missing(&mut self, name: &str) {
        if !self.has_topic(name) {
            self.create_topic(name, 1);
        }
    }

    pub(crate) fn topic_id(&mut self, name: &str) -> TopicId {
        let wanted = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
        let answer = self.call(&MetadataRequest { topics: Some(vec![wanted]), ..Default::default() }, 12);
        answer.decode::<MetadataResponse<'_>>().topics[0].topic_id
    }

    /// A new producer, with a transactional id or without.
    pub(crate) fn init_producer(&mut self, transactional_id: Option<&str>) -> Producer {
        let request = InitProducerIdRequest {
            transactional_id: transactional_id.map(Into::into),
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let answer = self.call(&request, 4);
        let response: InitProducerIdResponse = answer.decode();
        assert_eq!(response.error_code, 0, "InitProducerId of {transactional_id:?}");
        Producer { id: response.producer_id, epoch: response.producer_epoch }
    }

    /// Error code and base offset of one batch; `None` if the broker went away.
    pub(crate) fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        acks: i16,
        batch: &[u8],
    ) -> Option<(i16, i64)> {
        let answer = self.try_call(&produce_request(topic, partition, acks, batch), 7)?;
        let response: ProduceResponse<'_> = answer.decode();
        let partition = &response.responses[0].partition_responses[0];
        Some((partition.error_code, partition.base_offset))
    }

    /// Every record's offset and value but for transactions' markers, from the beginning until a fetch comes back
    /// empty.
    pub(crate) fn fetch_all(&mut self, topic: &str, partition: i32) -> Vec<(i64, Vec<u8>)> {
        let mut records = Vec::new();
        let mut next_offset = 0;
        loop {
            let answer = self.call(&fetch_request(topic, partition, next_offset, 0), 4);
            let response: FetchResponse<'_> = answer.decode();
            let fetched = &response.responses[0].partitions[0];
            assert_eq!(fetched.error_code, 0, "fetching {next_offset}");
            let before = next_offset;
            for batch in fetched.records.0.iter().flat_map(|piece| Batches::new(piece)) {
                let batch = batch.expect("whole batches");
                batch.verify_crc().expect("a good checksum");
                if batch.is_control() {
                    next_offset = batch.next_offset().0;
                    continue;
                }
                let mut unpacked = Vec::new();
                for record in batch.decompressed(UNPACKED_BYTES_MAX, &mut unpacked).expect("a sound batch") {
                    let record = record.expect("whole records");
                    records.push((record.offset.0, record.value.expect("tests send values").to_vec()));
                }
                next_offset = batch.next_offset().0;
            }
            if next_offset == before {
                return records;
            }
        }
    }

    pub(crate) fn fetch_values(&mut self, topic: &str, partition: i32) -> Vec<Vec<u8>> {
        self.fetch_all(topic, partition).into_iter().map(|(_, value)| value).collect()
    }
}

pub(crate) fn produce_request<'a>(
    topic: &'a str,
    partition: i32,
    acks: i16,
    records: &'a [u8],
) -> ProduceRequest<'a> {
    let data = PartitionProduceData { index: partition, records: Some(records) };
    let topic = TopicProduceData { name: topic.into(), partition_data: vec![data], ..Default::default() };
    ProduceRequest { acks, timeout_ms: 10_000, topic_data: vec![topic], ..Default::default() }
}

pub(crate) fn fetch_request(
    topic: &str,
    partition: i32,
    fetch_offset: i64,
    max_wait_ms: i32,
) -> FetchRequest<'_> {
    let wanted =
        FetchPartition { partition, fetch_offset, partition_max_bytes: 8 << 20, ..Default::default() };
    let topic = FetchTopic { topic: topic.into(), partitions: vec![wanted], ..Default::default() };
    FetchRequest { max_wait_ms, min_bytes: 1, max_bytes: 32 << 20, topics: vec![topic], ..Default::default() }
}

/// One uncompressed batch of `values`.
pub(crate) fn batch(producer: Producer, base_sequence: i32, values: &[&[u8]]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    if producer.id >= 0 {
        let (id, epoch) = (ProducerId(producer.id), ProducerEpoch(producer.epoch));
        builder = builder.producer(id, epoch, Sequence(base_sequence));
    }
    for value in values {
        builder.append(now(), None, Some(value), &[]);
    }
    builder.build()
}

/// A batch with `to` written over its bytes from `at` on, and a checksum that fits.
pub(crate) fn patched(batch: &[u8], at: usize, to: &[u8]) -> Vec<u8> {
    const CRC_AT: usize = 17;
    const CHECKSUMMED_FROM: usize = 21;
    let mut bytes = batch.to_vec();
    bytes[at..at + to.len()].copy_from_slice(to);
    let crc = crc_fast::crc32_iscsi(&bytes[CHECKSUMMED_FROM..]);
    bytes[CRC_AT..CHECKSUMMED_FROM].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Records of long ago would be removed by retention.
pub(crate) fn now() -> TimestampMs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock set after 1970");
    TimestampMs(i64::try_from(since_epoch.as_millis()).expect("a clock set before the year 292 million"))
}
