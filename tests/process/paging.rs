//! DescribeTopicPartitions (KIP-966): topics a page at a time.

use protocol::ErrorCode;
use protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicRequest,
};

use crate::support::Broker;
use crate::support::client::Client;

/// A page: topic and partition of each row, and the cursor behind them.
type Page = (Vec<(String, Vec<i32>)>, Option<(String, i32)>);

fn request(
    names: &[&'static str],
    limit: i32,
    cursor: Option<(String, i32)>,
) -> DescribeTopicPartitionsRequest<'static> {
    DescribeTopicPartitionsRequest {
        topics: names.iter().map(|name| TopicRequest { name: (*name).into() }).collect(),
        response_partition_limit: limit,
        cursor: cursor.map(|(topic, partition_index)| Cursor { topic_name: topic.into(), partition_index }),
    }
}

fn page(client: &mut Client, request: &DescribeTopicPartitionsRequest<'_>) -> Page {
    let answer = client.call(request, 0);
    let response: DescribeTopicPartitionsResponse<'_> = answer.decode();
    let topics = response.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            assert_eq!((partition.error_code, partition.leader_id), (0, 1));
            assert_eq!((&*partition.replica_nodes, &*partition.isr_nodes), (&[1][..], &[1][..]));
            partition.partition_index
        });
        (topic.name.clone().unwrap_or_default().into_owned(), partitions.collect())
    });
    let cursor = response.next_cursor.as_ref();
    (topics.collect(), cursor.map(|cursor| (cursor.topic_name.to_string(), cursor.partition_index)))
}

#[test]
fn pages_follow_each_other_to_the_end() {
    let broker = Broker::start();
    let mut client = broker.connect();
    for (name, partitions) in [("b", 3), ("a", 2), ("c", 1)] {
        client.create_topic(name, partitions);
    }
    for (limit, pages) in [
        (2_000, vec!["a01 b012 c0"]),
        (0, vec!["a0", "a1", "b0", "b1", "b2", "c0"]),
        (2, vec!["a01", "b01", "b2 c0"]),
        (3, vec!["a01 b0", "b12 c0"]),
        (4, vec!["a01 b01", "b2 c0"]),
    ] {
        for names in [&[][..], &["c", "a", "b", "a"]] {
            let (mut cursor, mut found) = (None, Vec::new());
            loop {
                let (topics, next) = page(&mut client, &request(names, limit, cursor));
                let texts = topics.into_iter().map(|(name, partitions)| {
                    partitions.into_iter().fold(name, |text, partition| text + &partition.to_string())
                });
                found.push(texts.collect::<Vec<_>>().join(" "));
                if next.is_none() {
                    break;
                }
                assert!(found.len() < 10, "no end: {found:?}");
                cursor = next;
            }
            assert_eq!(found, pages, "{limit} at a time of {names:?}");
        }
    }
}

#[test]
fn what_is_not_there_is_an_error_by_name_and_left_out_of_all() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("b", 1);
    let gone = Some(("a".to_owned(), 1));
    assert_eq!(page(&mut client, &request(&[], 10, gone)), (vec![("b".into(), vec![0])], None));
    let answer = client.call(&request(&["b", "no such", "unknown"], 10, None), 0);
    let response: DescribeTopicPartitionsResponse<'_> = answer.decode();
    let errors: Vec<_> = response
        .topics
        .iter()
        .map(|topic| (topic.name.as_deref().unwrap_or_default(), ErrorCode::from_code(topic.error_code)))
        .collect();
    assert_eq!(
        errors,
        [
            ("b", Some(ErrorCode::None)),
            ("no such", Some(ErrorCode::InvalidTopicException)),
            ("unknown", Some(ErrorCode::UnknownTopicOrPartition)),
        ]
    );
    let answer = client.call(&request(&["b"], 10, Some(("b".into(), -1))), 0);
    let response: DescribeTopicPartitionsResponse<'_> = answer.decode();
    assert_eq!(ErrorCode::from_code(response.topics[0].error_code), Some(ErrorCode::InvalidRequest));
    assert!(response.topics[0].partitions.is_empty());
}
