//! Between records and the batches that the log holds.
//!
//! What a step writes goes into one batch, so that a crash keeps all of it or none, unless it would grow
//! beyond [`BATCH_BYTES`]: then into several, which only the forgetting of very large groups reaches.

use bytes::Bytes;
use protocol::records::batch::{Batch, BatchBuilder, BatchError};
use protocol::records::control::{Marker, Outcome};
use protocol::types::{ProducerEpoch, ProducerId, Sequence, TimestampMs};
use tracing::warn;

use super::group::GroupShard;
use super::group::records::{GroupRecord, RecordError};

/// Keys and values that go into one batch, well under the 1 MiB that topics take by default.
const BATCH_BYTES: usize = 512 * 1024;
/// What a compressed batch may grow to when it is read; ours are not compressed, Apache Kafka's may be.
const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Records that go to the log together, and the batch they make.
pub(super) type Encoded = (Bytes, Vec<GroupRecord>);

/// Makes batches of records, in their order; with a `producer`, of records that count once its transaction commits.
pub(super) fn encode(
    records: Vec<GroupRecord>,
    producer: Option<(ProducerId, ProducerEpoch)>,
    now: TimestampMs,
) -> Result<Vec<Encoded>, RecordError> {
    let new_batch = || match producer {
        // Apache Kafka's coordinator gives its batches sequence 0, too: nobody counts them.
        Some((id, epoch)) => BatchBuilder::new().producer(id, epoch, Sequence(0)).transactional(),
        None => BatchBuilder::new(),
    };
    let mut batches = Vec::new();
    let mut builder = new_batch();
    let mut together = Vec::new();
    for record in records {
        let (key, value) = record.encode()?;
        let size_bytes = key.len() + value.as_ref().map_or(0, Vec::len);
        if !together.is_empty() && builder.size_bytes() + size_bytes > BATCH_BYTES {
            let full = std::mem::replace(&mut builder, new_batch()).build();
            batches.push((full.into(), std::mem::take(&mut together)));
        }
        builder.append(now, Some(&key), value.as_deref(), &[]);
        together.push(record);
    }
    if !together.is_empty() {
        batches.push((builder.build().into(), together));
    }
    Ok(batches)
}

/// Feeds the batches of a log to a shard.
///
/// A record that cannot be read is passed over: one bad record must not keep all groups from loading. So
/// are the record types of groups that are not served.
pub(super) struct Replayer<'a> {
    shard: &'a mut GroupShard,
    scratch: Vec<u8>,
    pub(super) records: u64,
    pub(super) skipped: u64,
}

impl<'a> Replayer<'a> {
    pub(super) fn new(shard: &'a mut GroupShard) -> Self {
        Self { shard, scratch: Vec::new(), records: 0, skipped: 0 }
    }

    /// Takes over one batch.
    pub(super) fn replay(&mut self, batch: Batch<'_>) {
        if let Err(error) = self.try_replay(batch) {
            warn!(offset = batch.base_offset().0, %error, "skipping a batch of the group log");
            self.skipped += 1;
        }
    }

    fn try_replay(&mut self, batch: Batch<'_>) -> Result<(), BatchError> {
        let producer = batch.is_transactional().then(|| batch.producer_id());
        let Self { shard, scratch, records, skipped } = self;
        for record in batch.decompressed(DECOMPRESSED_BYTES_MAX, scratch)? {
            let record = record?;
            *records += 1;
            if batch.is_control() {
                match Marker::parse(&record) {
                    Some(marker) => {
                        shard.replay_end_transaction(batch.producer_id(), marker.outcome == Outcome::Commit);
                    }
                    None => *skipped += 1,
                }
                continue;
            }
            match GroupRecord::decode(record.key.unwrap_or_default(), record.value) {
                Ok(Some(group_record)) => shard.replay(record.offset, producer, group_record),
                Ok(None) => *skipped += 1,
                Err(error) => {
                    warn!(offset = record.offset.0, %error, "skipping a record of the group log");
                    *skipped += 1;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use protocol::records::Compression;
    use protocol::types::{Epoch, Offset, PartitionIndex};

    use super::*;
    use crate::coordinator::group::harness::FixedTopics;
    use crate::coordinator::group::records::{
        ClassicInfo, ConsumerPart, CurrentAssignment, GroupEpoch, MemberInfo, MemberState, Partitions,
        ResolvedRegex,
    };
    use crate::coordinator::group::records::{CommittedOffset, GroupMetadata, MemberMetadata, OffsetKey};
    use crate::coordinator::group::requests::{FetchOffsetsRequest, JoinProtocol};
    use crate::coordinator::group::{GroupConfig, GroupShard};

    const NOW: TimestampMs = TimestampMs(1);
    const PRODUCER: ProducerId = ProducerId(9);

    fn offset(partition: i32, offset: i64) -> GroupRecord {
        let key = OffsetKey {
            group_id: "g".to_owned(),
            topic: "t".to_owned(),
            partition: PartitionIndex(partition),
        };
        let value = CommittedOffset {
            offset: Offset(offset),
            leader_epoch: Epoch::NONE,
            metadata: "note ".repeat(20),
            committed_at: NOW,
            expires_at: None,
        };
        GroupRecord::OffsetCommit { key, value: Some(value) }
    }

    fn transactional(record: &GroupRecord) -> Vec<u8> {
        encode(vec![record.clone()], Some((PRODUCER, ProducerEpoch(0))), NOW).unwrap()[0].0.to_vec()
    }

    fn marker(outcome: Outcome) -> Vec<u8> {
        Marker { outcome, coordinator_epoch: Epoch(0) }.to_batch(PRODUCER, ProducerEpoch(0), NOW)
    }

    /// Replays `batches` as a log that begins at 0; also how many records were skipped.
    fn replay(batches: &[Vec<u8>]) -> (GroupShard, u64) {
        let mut shard = GroupShard::new(GroupConfig::default(), Arc::new(FixedTopics::default()));
        let mut replayer = Replayer::new(&mut shard);
        let mut next = Offset(0);
        for bytes in batches {
            let mut bytes = bytes.clone();
            protocol::records::batch::set_base_offset(&mut bytes, next);
            let (batch, _) = Batch::parse(&bytes).unwrap();
            next = batch.next_offset();
            replayer.replay(batch);
        }
        let skipped = replayer.skipped;
        (shard, skipped)
    }

    /// Partition, offset (or `None` while it is unstable), in order.
    fn fetch(shard: &GroupShard) -> Vec<(i32, Option<i64>)> {
        let request = FetchOffsetsRequest {
            group_id: "g".to_owned(),
            require_stable: true,
            ..FetchOffsetsRequest::default()
        };
        let partitions = shard.fetch(&request).topics.into_iter().flat_map(|topic| topic.partitions);
        let shown = partitions.map(|at| (at.partition.0, at.error.is_ok().then_some(at.offset.0)));
        shown.collect()
    }

    #[test]
    fn a_step_is_one_batch_unless_it_is_large() {
        let small = encode(vec![offset(0, 1), offset(1, 2)], None, NOW).unwrap();
        assert_eq!(small.len(), 1);
        let large: Vec<_> = (0..5_000).map(|partition| offset(partition, 1)).collect();
        let batches = encode(large.clone(), None, NOW).unwrap();
        assert!(batches.len() > 1 && batches.iter().all(|(batch, _)| batch.len() < BATCH_BYTES + 1_000));
        let again: Vec<_> = batches.iter().flat_map(|(_, records)| records.clone()).collect();
        assert_eq!(again, large);
        let bytes: Vec<_> = batches.iter().map(|(batch, _)| batch.to_vec()).collect();
        assert_eq!(fetch(&replay(&bytes).0).len(), 5_000);
        assert!(encode(Vec::new(), None, NOW).unwrap().is_empty());
    }

    #[test]
    fn compressed_batches_are_read() {
        for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
            let (key, value) = offset(0, 5).encode().unwrap();
            let mut builder = BatchBuilder::new().compression(codec);
            builder.append(NOW, Some(&key), value.as_deref(), &[]);
            assert_eq!(fetch(&replay(&[builder.build()]).0), [(0, Some(5))], "{codec:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let mut builder = BatchBuilder::new();
        builder.append(NOW, None, None, &[]);
        builder.append(NOW, Some(b"\0\x05a KIP-848 member"), Some(b"..."), &[]);
        builder.append(NOW, Some(b"\0\x01\0\x01g\0\x01t\0\0\0\0"), Some(b"\0\x63"), &[]);
        let (key, value) = offset(1, 5).encode().unwrap();
        builder.append(NOW, Some(&key), value.as_deref(), &[]);
        let mut broken = BatchBuilder::new().compression(Compression::Gzip);
        broken.append(NOW, Some(&key), value.as_deref(), &[]);
        let mut broken = broken.build();
        *broken.last_mut().unwrap() ^= 0xff;
        let (shard, skipped) = replay(&[builder.build(), broken]);
        assert_eq!((fetch(&shard), skipped), (vec![(1, Some(5))], 4));
    }

    #[test]
    fn offsets_of_a_transaction_count_from_its_commit_on() {
        let plain = |record| encode(vec![record], None, NOW).unwrap()[0].0.to_vec();
        let begun = [plain(offset(0, 1)), transactional(&offset(0, 2)), transactional(&offset(1, 3))];
        assert_eq!(fetch(&replay(&begun).0), [(0, None)]);
        let ended = |outcome| [&begun[..], &[marker(outcome)]].concat();
        assert_eq!(fetch(&replay(&ended(Outcome::Commit)).0), [(0, Some(2)), (1, Some(3))]);
        assert_eq!(fetch(&replay(&ended(Outcome::Abort)).0), [(0, Some(1))]);
        // A commit of a later record stays, whenever the transaction ends.
        let overtaken = [&begun[..], &[plain(offset(0, 9)), marker(Outcome::Commit)]].concat();
        assert_eq!(fetch(&replay(&overtaken).0), [(0, Some(9)), (1, Some(3))]);
        // A marker ends the transaction: what comes after belongs to the next.
        let next =
            [&ended(Outcome::Abort)[..], &[transactional(&offset(1, 7)), marker(Outcome::Commit)]].concat();
        assert_eq!(fetch(&replay(&next).0), [(0, Some(1)), (1, Some(7))]);
    }

    #[test]
    fn a_group_that_only_an_aborted_transaction_knew_is_forgotten() {
        let batches = [transactional(&offset(0, 2)), marker(Outcome::Abort)];
        assert!(replay(&batches).0.group_ids().is_empty());
        assert_eq!(replay(&batches[..1]).0.group_ids(), ["g"]);
    }

    /// Apache Kafka's own tool prints each of our records, tombstones too.
    ///
    /// Runs only where `KAFKA_LIBS` names a directory with the jars of `org.apache.kafka:kafka_2.13` and
    /// `kafka-tools`, and `java` is 17 or newer.
    #[test]
    fn kafka_dumps_what_we_write() {
        let Some(libs) = std::env::var_os("KAFKA_LIBS") else {
            eprintln!("SKIPPED: KAFKA_LIBS is not set, so Apache Kafka's dump tool was not asked");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("__consumer_offsets-0/00000000000000000000.log");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &encode(every_record(), None, NOW).unwrap()[0].0).unwrap();
        let dumped = std::process::Command::new("java")
            .args(["-Xmx256m", "-cp", &format!("{}/*", libs.display()), "kafka.tools.DumpLogSegments"])
            .args(["--offsets-decoder", "--files", file.to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&dumped.stdout);
        let expected = [
            // OffsetCommitKey, OffsetCommitValue
            r#""group":"g","topic":"t","partition":0"#,
            r#""offset":7,"leaderEpoch":-1,"metadata":"note "#,
            r#""commitTimestamp":1,"expireTimestamp":99"#,
            // GroupMetadataKey, GroupMetadataValue
            r#"{"type":"2","data":{"group":"g"}}"#,
            r#""protocolType":"consumer","generation":3,"protocol":"range","leader":"m","currentStateTimestamp":1"#,
            r#""memberId":"m","groupInstanceId":"i","clientId":"c","clientHost":"/127.0.0.1""#,
            r#""rebalanceTimeout":60000,"sessionTimeout":10000"#,
            "payload: <DELETE>",
            // ConsumerGroup...Key, ...Value
            r#"{"type":"3","data":{"groupId":"g"}}"#,
            r#""epoch":7,"metadataHash":9"#,
            r#"{"type":"5","data":{"groupId":"g","memberId":"m"}}"#,
            r#""subscribedTopicNames":["t"],"subscribedTopicRegex":"t.*","rebalanceTimeoutMs":60000,"#,
            r#""serverAssignor":"range","classicMemberMetadata":{"sessionTimeoutMs":10000,"#,
            r#""assignmentEpoch":7"#,
            r#""memberEpoch":7,"previousMemberEpoch":6,"state":1,"assignedPartitions":[{"topicId":"AQ"#,
            r#""regularExpression":"t.*""#,
            r#""topics":["t"],"version":4,"timestamp":1"#,
        ];
        for expected in expected {
            assert!(said.contains(expected), "{expected} is not in:\n{said}");
        }
    }

    fn every_record() -> Vec<GroupRecord> {
        let member = MemberMetadata {
            member_id: "m".to_owned(),
            group_instance_id: Some("i".to_owned()),
            client_id: "c".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            rebalance_timeout_ms: 60_000,
            session_timeout_ms: 10_000,
            subscription: Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff"),
            assignment: Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\xff\xff\xff\xff"),
        };
        let group = GroupMetadata {
            protocol_type: "consumer".to_owned(),
            generation: 3,
            protocol: Some("range".to_owned()),
            leader: Some("m".to_owned()),
            state_since: Some(NOW),
            members: vec![member],
        };
        let empty = GroupMetadata { protocol: None, leader: None, members: Vec::new(), ..group.clone() };
        let metadata = |value| GroupRecord::GroupMetadata { group_id: "g".to_owned(), value };
        let mut expiring = offset(0, 7);
        let mut forgotten = offset(0, 7);
        if let (GroupRecord::OffsetCommit { value: a, .. }, GroupRecord::OffsetCommit { value: b, .. }) =
            (&mut expiring, &mut forgotten)
        {
            a.as_mut().unwrap().expires_at = Some(TimestampMs(99));
            *b = None;
        }
        let mut records = vec![
            offset(0, 7),
            expiring,
            metadata(Some(group)),
            metadata(Some(empty)),
            forgotten,
            metadata(None),
        ];
        let consumer = |part| GroupRecord::Consumer { group_id: "g".to_owned(), part };
        records.extend(consumer_parts().into_iter().map(consumer));
        records
    }

    fn consumer_parts() -> Vec<ConsumerPart> {
        let id = || "m".to_owned();
        let partitions = Partitions::from([(protocol::types::TopicId([1; 16]), BTreeSet::from([0, 1]))]);
        let protocol = JoinProtocol { name: "range".to_owned(), metadata: Bytes::from_static(b"md") };
        let info = MemberInfo {
            instance_id: Some("i".to_owned()),
            topics: BTreeSet::from(["t".to_owned()]),
            regex: Some("t.*".to_owned()),
            rebalance_timeout_ms: 60_000,
            assignor: Some("range".to_owned()),
            classic: Some(ClassicInfo { session_timeout_ms: 10_000, protocols: vec![protocol] }),
            ..MemberInfo::default()
        };
        let current = CurrentAssignment {
            epoch: 7,
            previous_epoch: 6,
            state: MemberState::UnrevokedPartitions,
            assigned: partitions.clone(),
            revoking: partitions.clone(),
        };
        let topics = info.topics.clone();
        vec![
            ConsumerPart::Member(id(), Some(info)),
            ConsumerPart::Epoch(Some(GroupEpoch { epoch: 7, topics_hash: 9 })),
            ConsumerPart::Target(id(), Some(partitions)),
            ConsumerPart::TargetEpoch(Some(7)),
            ConsumerPart::Current(id(), Some(current)),
            ConsumerPart::Regex("t.*".to_owned(), Some(ResolvedRegex { topics, version: 4, at: NOW })),
            ConsumerPart::Current(id(), None),
            ConsumerPart::Epoch(None),
        ]
    }
}
