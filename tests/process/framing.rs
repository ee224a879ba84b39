//! How requests and answers lie on the wire, byte by byte where it matters: headers, tags, order, silence.

use std::thread;
use std::time::Duration;

use protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use protocol::messages::fetch::FetchResponse;
use protocol::messages::metadata::{MetadataRequest, MetadataResponse};

use crate::support::Broker;
use crate::support::client::{Answer, Client, NO_PRODUCER, batch, fetch_request, produce_request};

const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;

/// A request whose header is written by hand: key, version, correlation id, client id as an old nullable string, then
/// whatever `rest` is.
fn frame(key: i16, version: i16, correlation_id: i32, client_id: Option<&str>, rest: &[u8]) -> Vec<u8> {
    let mut content =
        [&key.to_be_bytes()[..], &version.to_be_bytes(), &correlation_id.to_be_bytes()].concat();
    match client_id {
        None => content.extend((-1_i16).to_be_bytes()),
        Some(id) => {
            content.extend(i16::try_from(id.len()).expect("a short name").to_be_bytes());
            content.extend(id.as_bytes());
        }
    }
    content.extend(rest);
    [&i32::try_from(content.len()).expect("a short frame").to_be_bytes()[..], &content].concat()
}

/// The header of ApiVersions' answer has no tags in any version, so that a client that knows only older ones can read
/// it; every other flexible answer begins with them.
#[test]
fn only_the_answer_to_api_versions_has_a_header_without_tags() {
    let broker = Broker::start();
    let mut client = broker.connect();
    for (version, rest) in [
        (0, &b""[..]),
        (2, b""),
        // No tags in the header; the software's name and version as compact strings; no tags in the body.
        (3, b"\x00\x05test\x021\x00"),
        (4, b"\x00\x05test\x021\x00"),
        // And a null cluster id and node -1.
        (5, b"\x00\x05test\x021\x00\xff\xff\xff\xff\x00"),
    ] {
        client.send_bytes(&frame(API_VERSIONS, version, 77, Some("by hand"), rest));
        let answer = client.read_frame().expect("an answer");
        let count = if version < 3 { 6..10 } else { 6..7 };
        assert_eq!(
            answer[..6],
            [0, 0, 0, 77, 0, 0],
            "v{version}: correlation id, then at once the error code"
        );
        assert_ne!(answer[count.end - 1], 0, "v{version}: then the number of keys");
        let response = Answer::new(answer, version);
        let keys = response.decode::<ApiVersionsResponse<'_>>().api_keys.len();
        assert!(keys > 50, "v{version}: {keys} keys");
    }
    // Metadata 9 of no topics.
    client.send_bytes(&frame(METADATA, 9, 78, Some("by hand"), b"\x00\x01\x00\x00\x00\x00"));
    let answer = client.read_frame().expect("an answer");
    assert_eq!(answer[..5], [0, 0, 0, 78, 0], "correlation id, no tags, then the answer");
}

/// Tags that we do not know, in the header and in the body, are for others.
#[test]
fn unknown_tags_are_skipped() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let tags = b"\x02\x07\x03abc\x64\x00";
    let body = [&tags[..], b"\x05test\x021", tags].concat();
    client.send_bytes(&frame(API_VERSIONS, 3, 1, None, &body));
    let answer = Answer::new(client.read_frame().expect("an answer"), 3);
    assert_eq!(answer.decode::<ApiVersionsResponse<'_>>().error_code, 0);
    // Tags out of order, or one twice, are damage.
    for tags in [b"\x02\x07\x00\x03\x00", b"\x02\x07\x00\x07\x00"] {
        let mut client = broker.connect();
        let body = [&b"\x00\x05test\x021"[..], tags].concat();
        client.send_bytes(&frame(API_VERSIONS, 3, 1, None, &body));
        assert_eq!(client.read_frame(), None, "{tags:02x?}");
    }
}

#[test]
fn answers_leave_in_the_order_of_requests_even_behind_a_long_poll() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("quiet", 1);
    client.send(&fetch_request("quiet", 0, 0, 20_000), 11);
    client.send(&MetadataRequest { topics: None, ..Default::default() }, 8);
    client.send(&ApiVersionsRequest::default(), 0);
    // Another connection is not held up: its produce is what ends the wait.
    let mut other = broker.connect();
    assert_eq!(other.produce("quiet", 0, 1, &batch(NO_PRODUCER, 0, &[b"at last"])), Some((0, 0)));
    let fetched = Answer::new(client.read_frame().expect("the fetch first"), 11);
    assert!(!fetched.decode::<FetchResponse<'_>>().responses[0].partitions[0].records.is_empty());
    let metadata = Answer::new(client.read_frame().expect("then the metadata"), 8);
    assert_eq!(metadata.decode::<MetadataResponse<'_>>().topics.len(), 1);
    let versions = Answer::new(client.read_frame().expect("then the versions"), 0);
    assert_eq!(versions.decode::<ApiVersionsResponse<'_>>().error_code, 0);
}

#[test]
fn a_produce_without_acks_is_stored_and_not_answered() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("silent", 1);
    let one = batch(NO_PRODUCER, 0, &[b"one"]);
    for version in 3..=12 {
        client.send(&produce_request("silent", 0, 0, &one), version);
    }
    // The next answer is the next question's: `call` compares correlation ids.
    client.api_versions();
    assert_eq!(client.fetch_values("silent", 0).len(), 10);
}

/// kafka-python 1.4 asks for versions and, on the same socket, at once for metadata, to learn what an older broker is.
#[test]
fn versions_and_metadata_asked_in_one_breath_are_both_answered() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let both = [frame(API_VERSIONS, 0, 1, Some("old"), b""), frame(METADATA, 0, 2, Some("old"), &[0; 4])];
    client.send_bytes(&both.concat());
    let versions = client.read_frame().expect("the versions");
    assert_eq!(versions[..4], 1_i32.to_be_bytes());
    let metadata = client.read_frame().expect("the metadata");
    assert_eq!(metadata[..4], 2_i32.to_be_bytes());
    assert_eq!(Answer::new(metadata, 0).decode::<MetadataResponse<'_>>().brokers.len(), 1);
}

#[test]
fn one_connection_may_name_itself_anew_with_every_request() {
    let broker = Broker::start();
    let mut client = broker.connect();
    for (correlation_id, name) in [(5, Some("a")), (i32::MIN, None), (-1, Some("")), (5, Some("b"))] {
        client.send_bytes(&frame(API_VERSIONS, 0, correlation_id, name, b""));
        let answer = client.read_frame().expect("an answer");
        assert_eq!(answer[..4], correlation_id.to_be_bytes(), "{name:?}");
    }
}

/// A TLS hello is no frame. Who speaks TLS to a plain port must learn it at once and not by a time-out.
#[test]
fn who_speaks_tls_is_closed_while_it_waits() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.send_bytes(&[0x16, 3, 1, 0, 0xc4]);
    assert_eq!(client.read_frame(), None);
}

#[test]
fn a_long_poll_of_one_connection_does_not_hold_up_another_on_the_same_partition() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("shared", 1);
    let waiting: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = broker.connect();
            client.send(&fetch_request("shared", 0, 0, 20_000), 11);
            client
        })
        .collect();
    // All of them wait by now, or will be told at once.
    thread::sleep(Duration::from_millis(20));
    assert_eq!(client.produce("shared", 0, 1, &batch(NO_PRODUCER, 0, &[b"for all"])), Some((0, 0)));
    for mut client in waiting {
        let answer = Answer::new(client.read_frame().expect("an answer"), 11);
        let response: FetchResponse<'_> = answer.decode();
        assert_eq!(response.responses[0].partitions[0].high_watermark, 1);
    }
}
