//! Fetch sessions (KIP-227) over the wire: what a client that has one may leave out, what it is not told again, and how
//! it learns that it has none.

use std::thread;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use protocol::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic};
use protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use protocol::types::TopicId;

use crate::support::Broker;
use crate::support::client::{Client, NO_PRODUCER, batch};

/// The last version that names topics, and the last there is, which has their ids.
const VERSIONS: [i16; 2] = [12, 18];

/// A topic under its name and its id.
#[derive(Clone, Copy)]
struct Topic {
    name: &'static str,
    id: TopicId,
}

fn topic(client: &mut Client, name: &'static str) -> Topic {
    let wanted = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
    let request = MetadataRequest {
        topics: Some(vec![wanted]),
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    let answer = client.call(&request, 12);
    Topic { name, id: answer.decode::<MetadataResponse<'_>>().topics[0].topic_id }
}

/// A client's side of a session.
struct Session {
    client: Client,
    version: i16,
    id: i32,
    epoch: i32,
}

/// Of a partition in an answer: index, error, high watermark, whether it has records.
type Told = (i32, i16, i64, bool);

impl Session {
    fn new(client: Client, version: i16) -> Self {
        Session { client, version, id: 0, epoch: 0 }
    }

    fn request<'a>(&self, topic: Topic, asked: &[(i32, i64)]) -> FetchRequest<'a> {
        let partitions = asked.iter().map(|&(partition, fetch_offset)| FetchPartition {
            partition,
            fetch_offset,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        });
        let (name, topic_id) = if self.version > 12 { ("", topic.id) } else { (topic.name, TopicId::ZERO) };
        let topic = FetchTopic { topic: name.into(), topic_id, partitions: partitions.collect() };
        let topics = if asked.is_empty() { vec![] } else { vec![topic] };
        FetchRequest { session_id: self.id, session_epoch: self.epoch, topics, ..Default::default() }
    }

    /// Sends the next request of the session and returns what it was told.
    fn call(&mut self, request: &FetchRequest<'_>) -> Result<Vec<Told>, ErrorCode> {
        let answer = self.client.call(request, self.version);
        let response: FetchResponse<'_> = answer.decode();
        if response.error_code != 0 {
            assert!(response.responses.is_empty());
            assert_eq!(response.session_id, 0);
            return Err(ErrorCode::from_code(response.error_code).expect("a code of Kafka's"));
        }
        self.id = response.session_id;
        self.epoch += 1;
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        Ok(partitions
            .map(|p| (p.partition_index, p.error_code, p.high_watermark, !p.records.is_empty()))
            .collect())
    }

    fn fetch(&mut self, topic: Topic, asked: &[(i32, i64)]) -> Result<Vec<Told>, ErrorCode> {
        let request = self.request(topic, asked);
        self.call(&request)
    }
}

#[test]
fn answers_bring_what_is_new_and_nothing_else() {
    for version in VERSIONS {
        let broker = Broker::start();
        let mut writer = broker.connect();
        writer.create_topic("news", 3);
        let news = topic(&mut writer, "news");
        let mut session = Session::new(broker.connect(), version);
        let everything = [(0, 0), (1, 0), (2, 0)];
        let quiet: Vec<Told> = (0..3).map(|partition| (partition, 0, 0, false)).collect();
        assert_eq!(session.fetch(news, &everything), Ok(quiet), "v{version}: a full answer");
        assert!(session.id > 0, "v{version}: a session is granted");
        assert_eq!(session.fetch(news, &[]), Ok(vec![]), "v{version}: nothing is new");

        let one = batch(NO_PRODUCER, 0, &[b"one"]);
        writer.produce("news", 1, 1, &one);
        assert_eq!(session.fetch(news, &[]), Ok(vec![(1, 0, 1, true)]), "v{version}");
        assert_eq!(
            session.fetch(news, &[]),
            Ok(vec![(1, 0, 1, true)]),
            "v{version}: until it is stepped over"
        );
        assert_eq!(session.fetch(news, &[(1, 1)]), Ok(vec![]), "v{version}: now it is");
        let beyond = ErrorCode::OffsetOutOfRange.code();
        assert!(
            session.fetch(news, &[(2, 9)]).is_ok_and(|told| told.len() == 1 && told[0].1 == beyond),
            "v{version}: an error"
        );
        assert_eq!(session.fetch(news, &[(2, 0)]), Ok(vec![(2, 0, 0, false)]), "v{version}: it is gone");

        // A forgotten partition is not heard of again.
        let mut forget = session.request(news, &[]);
        let id = if version > 12 { news.id } else { TopicId::ZERO };
        let name = if version > 12 { "" } else { "news" };
        forget.forgotten_topics_data =
            vec![ForgottenTopic { topic: name.into(), topic_id: id, partitions: vec![0] }];
        assert_eq!(session.call(&forget), Ok(vec![]), "v{version}");
        writer.produce("news", 0, 1, &one);
        writer.produce("news", 2, 1, &one);
        assert_eq!(session.fetch(news, &[]), Ok(vec![(2, 0, 1, true)]), "v{version}");
        let metrics = broker.http_get("/metrics");
        assert!(metrics.contains("kindred_fetch_sessions 1\n"), "v{version}");
        assert!(
            metrics.contains("kindred_fetch_session_partitions 2\n"),
            "v{version}: two are left of three"
        );
    }
}

#[test]
fn a_waiting_session_is_woken_by_the_partition_that_changes() {
    let broker = Broker::start();
    let mut writer = broker.connect();
    writer.create_topic("wide", 100);
    let wide = topic(&mut writer, "wide");
    let mut session = Session::new(broker.connect(), 18);
    let everything: Vec<(i32, i64)> = (0..100).map(|partition| (partition, 0)).collect();
    assert_eq!(session.fetch(wide, &everything).map(|told| told.len()), Ok(100));
    for partition in [63, 7, 99] {
        let writer = thread::spawn({
            let mut writer = broker.connect();
            move || {
                thread::sleep(Duration::from_millis(50));
                writer.produce("wide", partition, 1, &batch(NO_PRODUCER, 0, &[b"late"]))
            }
        });
        let mut waiting = session.request(wide, &[]);
        (waiting.max_wait_ms, waiting.min_bytes) = (20_000, 1);
        assert_eq!(session.call(&waiting), Ok(vec![(partition, 0, 1, true)]));
        assert_eq!(writer.join().expect("it produced"), Some((0, 0)));
        assert_eq!(session.fetch(wide, &[(partition, 1)]), Ok(vec![]));
    }
}

#[test]
fn what_does_not_fit_its_session_is_told_how() {
    let broker = Broker::start();
    let mut writer = broker.connect();
    writer.create_topic("t", 1);
    let t = topic(&mut writer, "t");
    let mut session = Session::new(broker.connect(), 12);
    session.fetch(t, &[(0, 0)]).expect("a session");
    let (id, epoch) = (session.id, session.epoch);
    for (session_id, session_epoch, version, error) in [
        (id, epoch + 1, 12, ErrorCode::InvalidFetchSessionEpoch),
        (id ^ 1, epoch, 12, ErrorCode::FetchSessionIdNotFound),
        (0, epoch, 12, ErrorCode::FetchSessionIdNotFound),
        (id, epoch, 13, ErrorCode::FetchSessionTopicIdError),
    ] {
        (session.id, session.epoch, session.version) = (session_id, session_epoch, version);
        assert_eq!(
            session.fetch(t, &[]),
            Err(error),
            "session {session_id} epoch {session_epoch} v{version}"
        );
    }
    // None of that disturbed the session; a last request ends it.
    (session.id, session.epoch, session.version) = (id, epoch, 12);
    assert_eq!(session.fetch(t, &[]), Ok(vec![]));
    session.epoch = -1;
    assert_eq!(session.fetch(t, &[(0, 0)]), Ok(vec![(0, 0, 0, false)]));
    assert_eq!(session.id, 0, "a last answer has no session");
    (session.id, session.epoch) = (id, epoch + 1);
    assert_eq!(session.fetch(t, &[]), Err(ErrorCode::FetchSessionIdNotFound));
}

#[test]
fn without_a_free_slot_clients_do_without() {
    for (slots, granted) in [("0", 0), ("2", 2)] {
        let broker = Broker::with(&[("max.incremental.fetch.session.cache.slots", slots)]);
        let mut writer = broker.connect();
        writer.create_topic("t", 1);
        let t = topic(&mut writer, "t");
        let mut sessions: Vec<Session> = (0..4).map(|_| Session::new(broker.connect(), 18)).collect();
        for session in &mut sessions {
            assert_eq!(session.fetch(t, &[(0, 0)]), Ok(vec![(0, 0, 0, false)]));
        }
        // Nobody's session is two minutes old, so nobody's gives way.
        assert_eq!(sessions.iter().filter(|session| session.id > 0).count(), granted, "{slots} slots");
        for session in sessions.iter_mut().filter(|session| session.id > 0) {
            assert_eq!(session.fetch(t, &[]), Ok(vec![]));
        }
    }
}

#[test]
fn a_topic_made_again_is_another_to_those_who_have_its_id() {
    let broker = Broker::start();
    let mut writer = broker.connect();
    writer.create_topic("phoenix", 1);
    let first = topic(&mut writer, "phoenix");
    let one = batch(NO_PRODUCER, 0, &[b"one"]);
    let mut by_name = Session::new(broker.connect(), 12);
    let mut by_id = Session::new(broker.connect(), 18);
    for session in [&mut by_name, &mut by_id] {
        session.fetch(first, &[(0, 0)]).expect("a session");
    }
    let delete = DeleteTopicsRequest {
        topics: vec![DeleteTopicState { name: Some("phoenix".into()), ..Default::default() }],
        ..Default::default()
    };
    let answer = writer.call(&delete, 6);
    assert_eq!(answer.decode::<DeleteTopicsResponse<'_>>().responses[0].error_code, 0);
    let told = |told: Result<Vec<Told>, ErrorCode>| ErrorCode::from_code(told.expect("an answer")[0].1);
    assert_eq!(told(by_name.fetch(first, &[])), Some(ErrorCode::UnknownTopicOrPartition));
    assert_eq!(told(by_id.fetch(first, &[])), Some(ErrorCode::UnknownTopicId));

    writer.create_topic("phoenix", 1);
    let second = topic(&mut writer, "phoenix");
    assert_ne!(first.id, second.id);
    writer.produce("phoenix", 0, 1, &one);
    assert_eq!(by_name.fetch(first, &[]), Ok(vec![(0, 0, 1, true)]), "the name is the topic");
    assert_eq!(told(by_id.fetch(first, &[])), Some(ErrorCode::InconsistentTopicId));
    // As clients do: the new id comes, the old one goes.
    let mut change = by_id.request(second, &[(0, 0)]);
    change.forgotten_topics_data =
        vec![ForgottenTopic { topic_id: first.id, partitions: vec![0], ..Default::default() }];
    assert_eq!(by_id.call(&change), Ok(vec![(0, 0, 1, true)]));
}
