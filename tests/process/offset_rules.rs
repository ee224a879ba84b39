//! Offsets by time and by name, and those that groups commit: which there are, which are held back, which are refused.

use protocol::ErrorCode;
use protocol::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};
use protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse,
};
use protocol::messages::produce::{ProduceRequest, ProduceResponse};
use protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
};
use protocol::records::{BatchBuilder, Compression};
use protocol::types::{ProducerEpoch, ProducerId, Sequence, TimestampMs};

use crate::support::Broker;
use crate::support::client::{Client, NO_PRODUCER, batch, now, produce_request};

/// ListOffsets of one partition; `isolation_level` 1 is that of a reader of committed records.
fn list(
    client: &mut Client,
    version: i16,
    isolation_level: i8,
    partition: ListOffsetsPartition,
) -> (i64, i64) {
    let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![partition] };
    let request =
        ListOffsetsRequest { replica_id: -1, isolation_level, topics: vec![topic], ..Default::default() };
    let answer = client.call(&request, version);
    let response: ListOffsetsResponse<'_> = answer.decode();
    let found = &response.topics[0].partitions[0];
    assert_eq!(found.error_code, 0, "v{version}");
    (found.offset, found.timestamp)
}

/// The first record that is as young, wherever it lies in its batch and however that is packed.
#[test]
fn a_time_is_the_first_record_that_is_as_young() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let base = now().0 - 1_000_000;
    // Times are in no order, as producers' may be.
    for (codec, times) in [
        (Compression::None, [10, 30, 20]),
        (Compression::Gzip, [25, 40, 50]),
        (Compression::Zstd, [15, 60, 45]),
        (Compression::Lz4, [70, 80, 70]),
    ] {
        let mut builder = BatchBuilder::new().compression(codec);
        for time in times {
            builder.append(TimestampMs(base + time), None, Some(b"v"), &[]);
        }
        client.produce("t", 0, 1, &builder.build()).expect("an answer");
    }
    for version in 1..=11 {
        for (time, expected) in [
            (-100, (0, 10)),
            (10, (0, 10)),
            (11, (1, 30)),
            (30, (1, 30)),
            (31, (4, 40)),
            (50, (5, 50)),
            (51, (7, 60)),
            (61, (9, 70)),
            (80, (10, 80)),
        ] {
            let partition = ListOffsetsPartition { timestamp: base + time, ..Default::default() };
            let (offset, found) = list(&mut client, version, 0, partition);
            assert_eq!((offset, found - base), expected, "v{version} at {time}");
        }
        let partition = ListOffsetsPartition { timestamp: base + 81, ..Default::default() };
        assert_eq!(list(&mut client, version, 0, partition), (-1, -1), "v{version}: none is as young");
        if version >= 7 {
            let partition = ListOffsetsPartition { timestamp: -3, ..Default::default() };
            assert_eq!(list(&mut client, version, 0, partition), (10, base + 80), "v{version}: the youngest");
        }
    }
}

/// Before there were times of records, a client asked where the segments begin that were last written before a time.
#[test]
fn version_0_answers_a_list_of_segments() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic_with("t", 1, &[("segment.bytes", "1048576")]);
    client.create_topic("empty", 1);
    let large = batch(NO_PRODUCER, 0, &[&vec![b'x'; 600_000]]);
    for _ in 0..3 {
        client.produce("t", 0, 1, &large).expect("an answer");
    }
    let mut list = |name: &'static str, timestamp: i64, max_num_offsets: i32| {
        let partition = ListOffsetsPartition { timestamp, max_num_offsets, ..Default::default() };
        let topic = ListOffsetsTopic { name: name.into(), partitions: vec![partition] };
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        let answer = client.call(&request, 0);
        let response: ListOffsetsResponse<'_> = answer.decode();
        let found = &response.topics[0].partitions[0];
        assert_eq!(found.error_code, 0);
        found.old_style_offsets.clone()
    };
    let hour_ms = 3_600_000;
    for (timestamp, count, expected) in [
        (-1, 10, &[3, 2, 1, 0][..]),
        (-1, 2, &[3, 2]),
        (-1, 1, &[3]),
        (-1, 0, &[]),
        (-1, -1, &[]),
        (-2, 10, &[0]),
        (-2, 1, &[0]),
        // Everything was written before an hour from now, and nothing before an hour ago.
        (now().0 + hour_ms, 10, &[3, 2, 1, 0]),
        (now().0 - hour_ms, 10, &[]),
        (0, 10, &[]),
    ] {
        assert_eq!(list("t", timestamp, count), expected, "{timestamp}, at most {count}");
    }
    assert_eq!(list("empty", -1, 10), [0]);
    assert_eq!(list("empty", -2, 10), [0]);
}

#[test]
fn the_end_for_readers_of_committed_records_is_where_the_oldest_transaction_begins() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    client.produce("t", 0, 1, &batch(NO_PRODUCER, 0, &[b"before"])).expect("an answer");
    let producer = client.init_producer(Some("id"));
    let mut builder = BatchBuilder::new().transactional().producer(
        ProducerId(producer.id),
        ProducerEpoch(producer.epoch),
        Sequence(0),
    );
    let inside = now();
    builder.append(inside, None, Some(b"inside"), &[]);
    let records = builder.build();
    let request =
        ProduceRequest { transactional_id: Some("id".into()), ..produce_request("t", 0, -1, &records) };
    let answer = client.call(&request, 12);
    assert_eq!(answer.decode::<ProduceResponse<'_>>().responses[0].partition_responses[0].error_code, 0);
    let latest = ListOffsetsPartition { timestamp: -1, ..Default::default() };
    let earliest = ListOffsetsPartition { timestamp: -2, ..Default::default() };
    for version in 2..=11 {
        assert_eq!(list(&mut client, version, 0, latest.clone()).0, 2, "v{version}");
        assert_eq!(list(&mut client, version, 1, latest.clone()).0, 1, "v{version}");
        assert_eq!(list(&mut client, version, 1, earliest.clone()).0, 0, "v{version}");
    }
    let request = EndTxnRequest {
        transactional_id: "id".into(),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        committed: true,
    };
    let answer = client.call(&request, 3);
    assert_eq!(answer.decode::<EndTxnResponse>().error_code, 0);
    assert_eq!(list(&mut client, 5, 1, latest).0, 3, "the marker has an offset, too");
}

/// OffsetCommit of `offsets` to partitions of topic `t`, outside of any generation: the error of each.
fn commit(client: &mut Client, version: i16, group: &str, offsets: &[(i32, i64)]) -> Vec<i16> {
    let request = OffsetCommitRequest { group_id: group.into(), ..commit_request(offsets) };
    let answer = client.call(&request, version);
    let response: OffsetCommitResponse<'_> = answer.decode();
    response.topics[0].partitions.iter().map(|partition| partition.error_code).collect()
}

fn commit_request<'a>(offsets: &[(i32, i64)]) -> OffsetCommitRequest<'a> {
    let partitions = offsets.iter().map(|&(partition_index, committed_offset)| {
        OffsetCommitRequestPartition { partition_index, committed_offset, ..Default::default() }
    });
    let topic =
        OffsetCommitRequestTopic { name: "t".into(), partitions: partitions.collect(), ..Default::default() };
    OffsetCommitRequest { topics: vec![topic], ..Default::default() }
}

#[test]
fn all_that_a_group_committed_is_what_null_asks_for() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 5);
    assert_eq!(commit(&mut client, 2, "g", &[(1, 10), (4, 40)]), [0, 0]);
    assert_eq!(commit(&mut client, 2, "h", &[(0, 7)]), [0]);
    for version in 2..=7 {
        let request = OffsetFetchRequest { group_id: "g".into(), topics: None, ..Default::default() };
        let answer = client.call(&request, version);
        let response: OffsetFetchResponse<'_> = answer.decode();
        assert_eq!(response.error_code, 0, "v{version}");
        let found: Vec<_> = response.topics[0]
            .partitions
            .iter()
            .map(|one| (one.partition_index, one.committed_offset, one.metadata.as_deref()))
            .collect();
        assert_eq!(found, [(1, 10, Some("")), (4, 40, Some(""))], "v{version}");
        // An empty list asks for nothing.
        let request = OffsetFetchRequest { group_id: "g".into(), topics: Some(vec![]), ..Default::default() };
        let answer = client.call(&request, version);
        assert!(answer.decode::<OffsetFetchResponse<'_>>().topics.is_empty(), "v{version}");
    }
    let id = client.topic_id("t");
    for version in 8..=10 {
        let group = |name: &'static str| OffsetFetchRequestGroup {
            group_id: name.into(),
            topics: None,
            ..Default::default()
        };
        let groups = vec![group("h"), group("g"), group("never")];
        let answer = client.call(&OffsetFetchRequest { groups, ..Default::default() }, version);
        let response: OffsetFetchResponse<'_> = answer.decode();
        let found: Vec<_> = response
            .groups
            .iter()
            .map(|group| {
                let offsets = group.topics.iter().flat_map(|topic| &topic.partitions);
                let offsets = offsets.map(|one| (one.partition_index, one.committed_offset));
                (&*group.group_id, group.error_code, offsets.collect::<Vec<_>>())
            })
            .collect();
        let expected = [("h", 0, vec![(0, 7)]), ("g", 0, vec![(1, 10), (4, 40)]), ("never", 0, vec![])];
        assert_eq!(found, expected, "v{version}");
        let topic = &response.groups[0].topics[0];
        assert_eq!(
            (&*topic.name, topic.topic_id == id),
            if version < 10 { ("t", false) } else { ("", true) }
        );
    }
}

/// KIP-447: an offset that an open transaction would change is not there for who insists on a stable one.
#[test]
fn an_offset_of_an_open_transaction_is_unstable() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 2);
    assert_eq!(commit(&mut client, 2, "g", &[(0, 1), (1, 1)]), [0, 0]);
    let producer = client.init_producer(Some("id"));
    let partition = TxnOffsetCommitRequestPartition { committed_offset: 9, ..Default::default() };
    let topic =
        TxnOffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
    let request = TxnOffsetCommitRequest {
        transactional_id: "id".into(),
        group_id: "g".into(),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        topics: vec![topic],
        ..Default::default()
    };
    let answer = client.call(&request, 5);
    let error = answer.decode::<TxnOffsetCommitResponse<'_>>().topics[0].partitions[0].error_code;
    assert_eq!(error, 0);
    let unstable = ErrorCode::UnstableOffsetCommit.code();
    for version in 6..=9 {
        for require_stable in [false, true] {
            if version < 7 && require_stable {
                continue; // It could not ask.
            }
            let expected = if require_stable { (-1, unstable) } else { (1, 0) };
            let found = fetch_two(&mut client, version, require_stable);
            assert_eq!(found, [expected, (1, 0)], "v{version}, stable: {require_stable}");
        }
    }
    let request = EndTxnRequest {
        transactional_id: "id".into(),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        committed: true,
    };
    let answer = client.call(&request, 5);
    assert_eq!(answer.decode::<EndTxnResponse>().error_code, 0);
    assert_eq!(fetch_two(&mut client, 7, true), [(9, 0), (1, 0)]);
}

/// Offset and error of the first two partitions.
fn fetch_two(client: &mut Client, version: i16, require_stable: bool) -> Vec<(i64, i16)> {
    let request = if version < 8 {
        let topic = OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0, 1] };
        OffsetFetchRequest {
            group_id: "g".into(),
            topics: Some(vec![topic]),
            require_stable,
            ..Default::default()
        }
    } else {
        let topic = OffsetFetchRequestTopics {
            name: "t".into(),
            partition_indexes: vec![0, 1],
            ..Default::default()
        };
        let group =
            OffsetFetchRequestGroup { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() };
        OffsetFetchRequest { groups: vec![group], require_stable, ..Default::default() }
    };
    let answer = client.call(&request, version);
    let response: OffsetFetchResponse<'_> = answer.decode();
    match version < 8 {
        true => {
            response.topics[0].partitions.iter().map(|one| (one.committed_offset, one.error_code)).collect()
        }
        false => response.groups[0].topics[0]
            .partitions
            .iter()
            .map(|one| (one.committed_offset, one.error_code))
            .collect(),
    }
}

/// Version 9 names the member and its epoch, which a group of KIP-848 compares.
#[test]
fn a_member_of_another_epoch_is_not_told_offsets() {
    let broker = Broker::start();
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let member = "0123456789abcdefghijkl";
    let join = ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: member.into(),
        rebalance_timeout_ms: 10_000,
        subscribed_topic_names: Some(vec!["t".into()]),
        topic_partitions: Some(vec![]),
        ..Default::default()
    };
    let answer = client.call(&join, 1);
    let response: ConsumerGroupHeartbeatResponse<'_> = answer.decode();
    assert_eq!((response.error_code, response.member_id.as_deref()), (0, Some(member)));
    let epoch = response.member_epoch;
    for (member_id, member_epoch, expected) in [
        (Some(member), epoch, ErrorCode::None),
        (Some(member), epoch - 1, ErrorCode::StaleMemberEpoch),
        (Some(member), epoch + 1, ErrorCode::StaleMemberEpoch),
        (Some("unknown"), epoch, ErrorCode::UnknownMemberId),
        // Administrators are no members.
        (None, -1, ErrorCode::None),
    ] {
        let group = OffsetFetchRequestGroup {
            group_id: "g".into(),
            member_id: member_id.map(Into::into),
            member_epoch,
            topics: None,
        };
        let answer = client.call(&OffsetFetchRequest { groups: vec![group], ..Default::default() }, 9);
        let error = answer.decode::<OffsetFetchResponse<'_>>().groups[0].error_code;
        assert_eq!(ErrorCode::from_code(error), Some(expected), "{member_id:?} in epoch {member_epoch}");
    }
}

#[test]
fn commits_are_refused_partition_by_partition() {
    let broker = Broker::with(&[("offset.metadata.max.bytes", "10")]);
    let mut client = broker.connect();
    client.create_topic("t", 1);
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    for version in 0..=9 {
        assert_eq!(
            commit(&mut client, version, "g", &[(7, 1), (0, 5)]).iter().sum::<i16>(),
            unknown,
            "v{version}"
        );
        // A group that nobody is in takes commits of nobody's, and none of a generation.
        for (generation, member) in [(-1, ""), (3, ""), (3, "m")] {
            if version == 0 {
                break; // It could not say.
            }
            let request = OffsetCommitRequest {
                group_id: "g".into(),
                generation_id_or_member_epoch: generation,
                member_id: member.into(),
                ..commit_request(&[(0, 6)])
            };
            let answer = client.call(&request, version);
            let found = answer.decode::<OffsetCommitResponse<'_>>().topics[0].partitions[0].error_code;
            let found = ErrorCode::from_code(found).expect("a code of Kafka's");
            let refused = matches!(found, ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId);
            let expected = generation >= 0;
            assert!(
                refused == expected && (refused || found == ErrorCode::None),
                "v{version} {member:?}: {found:?}"
            );
        }
        let mut long = OffsetCommitRequest { group_id: "g".into(), ..commit_request(&[(0, 6)]) };
        long.topics[0].partitions[0].committed_metadata = Some("eleven bytes".into());
        let answer = client.call(&long, version);
        let found = answer.decode::<OffsetCommitResponse<'_>>().topics[0].partitions[0].error_code;
        assert_eq!(ErrorCode::from_code(found), Some(ErrorCode::OffsetMetadataTooLarge), "v{version}");
    }
}
