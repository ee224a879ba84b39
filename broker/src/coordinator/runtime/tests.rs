use protocol::records::batch::Batch;
use protocol::records::control::Marker;
use protocol::types::Epoch;
use tokio::sync::watch;

use super::*;
use crate::coordinator::BoxFuture;
use crate::coordinator::group::harness::FixedTopics;
use crate::coordinator::group::requests::{CommitPartition, CommitTopic, JoinProtocol, LeavingMember};

/// A log in memory whose disk is as slow, full or broken as a test wants.
struct Memory {
    batches: Mutex<Vec<(PartitionIndex, Offset, Vec<u8>)>>,
    full: Mutex<bool>,
    /// Everything below is durable; `None` once a sync has failed.
    synced: watch::Sender<Option<Offset>>,
}

const INSTANT: Option<Offset> = Some(Offset(i64::MAX));

impl Memory {
    fn new(synced: Option<Offset>) -> Arc<Self> {
        let (synced, _) = watch::channel(synced);
        Arc::new(Self { batches: Mutex::default(), full: Mutex::new(false), synced })
    }

    fn end(&self, partition: PartitionIndex) -> Offset {
        let batches = self.batches.lock();
        batches.iter().filter(|(at, ..)| *at == partition).map(|(_, end, _)| *end).max().unwrap_or(Offset(0))
    }
}

impl CoordinatorLog for Memory {
    fn append(&self, partition: PartitionIndex, batch: Bytes) -> Result<Offset, CoordinatorLogError> {
        if *self.full.lock() {
            return Err(CoordinatorLogError::Unavailable("full".to_owned()));
        }
        let mut bytes = batch.to_vec();
        let base = self.end(partition);
        protocol::records::batch::set_base_offset(&mut bytes, base);
        let (whole, rest) = Batch::parse(&bytes).unwrap();
        if !whole.is_control() {
            whole.validate().unwrap();
        }
        whole.verify_crc().unwrap();
        assert!(rest.is_empty());
        let end = whole.next_offset();
        self.batches.lock().push((partition, end, bytes));
        Ok(end)
    }

    fn durable(&self, _: PartitionIndex, end: Offset) -> BoxFuture<'_, Result<(), CoordinatorLogError>> {
        let mut synced = self.synced.subscribe();
        Box::pin(async move {
            let reached = synced.wait_for(|synced| synced.is_none_or(|synced| end <= synced)).await.unwrap();
            match *reached {
                Some(_) => Ok(()),
                None => Err(CoordinatorLogError::Unavailable("broken".to_owned())),
            }
        })
    }

    fn read_all(
        &self,
        partition: PartitionIndex,
        visit: &mut dyn FnMut(Batch<'_>),
    ) -> Result<Offset, CoordinatorLogError> {
        for (at, _, bytes) in &*self.batches.lock() {
            if *at == partition {
                visit(Batch::parse(bytes).unwrap().0);
            }
        }
        Ok(self.end(partition))
    }
}

fn unread(log: &Arc<Memory>) -> Arc<GroupCoordinator> {
    unread_with(log, 3)
}

fn unread_with(log: &Arc<Memory>, partitions: i32) -> Arc<GroupCoordinator> {
    let ids = AtomicU64::new(0);
    let env = CoordinatorEnv {
        wall_clock: Box::new(|| TimestampMs(1_000)),
        random: Box::new(move || ids.fetch_add(1, Ordering::Relaxed).into()),
        topics: Arc::new(FixedTopics::default()),
    };
    let log: Arc<dyn CoordinatorLog> = Arc::<Memory>::clone(log);
    GroupCoordinator::new(GroupConfig::default(), partitions, log, env)
}

fn open(log: &Arc<Memory>) -> Arc<GroupCoordinator> {
    let groups = unread(log);
    groups.load().unwrap();
    let timers = Arc::clone(&groups);
    tokio::spawn(async move { timers.run_timers(std::future::pending()).await });
    groups
}

fn join(member_id: &str) -> JoinRequest {
    JoinRequest {
        api_version: 3,
        group_id: "g".to_owned(),
        member_id: member_id.to_owned(),
        client_id: "c".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinProtocol { name: "range".to_owned(), metadata: Bytes::new() }],
        ..JoinRequest::default()
    }
}

fn sync(member_id: &str, generation: i32, assignments: &[(&str, &'static str)]) -> SyncRequest {
    let share = |&(id, share): &(&str, &'static str)| (id.to_owned(), Bytes::from_static(share.as_bytes()));
    SyncRequest {
        group_id: "g".to_owned(),
        generation,
        member_id: member_id.to_owned(),
        assignments: assignments.iter().map(share).collect(),
        ..SyncRequest::default()
    }
}

fn heartbeat(member_id: &str, generation: i32) -> HeartbeatRequest {
    let (group_id, member_id) = ("g".to_owned(), member_id.to_owned());
    HeartbeatRequest { group_id, generation, member_id, group_instance_id: None }
}

fn commit(offset: i64) -> CommitRequest {
    let partition = CommitPartition {
        partition: PartitionIndex(0),
        offset: Offset(offset),
        leader_epoch: Epoch::NONE,
        metadata: None,
        committed_at: None,
    };
    let topics = vec![CommitTopic { topic: "t".to_owned(), partitions: vec![partition] }];
    CommitRequest { group_id: "g".to_owned(), topics, ..CommitRequest::default() }
}

fn committed(response: &CommitResponse) -> ErrorCode {
    response.topics[0].partitions[0].1
}

async fn fetch(groups: &GroupCoordinator) -> (ErrorCode, Option<Offset>) {
    let request = FetchOffsetsRequest { group_id: "g".to_owned(), ..FetchOffsetsRequest::default() };
    let response = groups.fetch_offsets(request).await;
    let offset = response.topics.first().map(|topic| topic.partitions[0].offset);
    (response.error, offset)
}

#[tokio::test(start_paused = true)]
async fn a_group_of_two_shares_survives_a_restart_and_ends() {
    let log = Memory::new(INSTANT);
    let groups = open(&log);
    let a = groups.join_group(join("")).await.member_id;
    groups.sync_group(sync(&a, 1, &[(&a, "all")])).await;

    // The second one waits until the first has heard of it.
    let (b, rejoined) = tokio::join!(groups.join_group(join("")), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(groups.heartbeat(heartbeat(&a, 1)).await, ErrorCode::RebalanceInProgress);
        groups.join_group(join(&a)).await
    });
    assert_eq!((b.generation, rejoined.generation), (2, 2));
    assert_eq!((b.members.len(), rejoined.members.len()), (0, 2));
    let b = b.member_id;
    let (of_b, of_a) = tokio::join!(groups.sync_group(sync(&b, 2, &[])), async {
        groups.sync_group(sync(&a, 2, &[(&a, "left"), (&b, "right")])).await
    });
    assert_eq!((&of_a.assignment[..], &of_b.assignment[..]), (&b"left"[..], &b"right"[..]));

    groups.shut_down();
    let groups = open(&log);
    assert_eq!(groups.heartbeat(heartbeat(&b, 2)).await, ErrorCode::None);
    assert_eq!(groups.sync_group(sync(&b, 2, &[])).await.assignment, "right");

    // Time passes, and both fall silent.
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(groups.describe("g").members.len(), 0);
    assert_eq!(groups.delete_group("g").await, ErrorCode::None);
    assert_eq!(groups.list(&ListRequest::default()), Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_answered_before_it_is_durable() {
    let log = Memory::new(Some(Offset(0)));
    let groups = open(&log);
    let mut committing = Box::pin(groups.commit_offsets(commit(7)));
    let soon = Duration::from_secs(1);
    assert!(tokio::time::timeout(soon, &mut committing).await.is_err(), "the disk has not answered");
    // Neither is what another client would read of it.
    assert!(tokio::time::timeout(soon, fetch(&groups)).await.is_err());
    log.synced.send_replace(Some(Offset(1)));
    assert_eq!(committed(&committing.await), ErrorCode::None);
    assert_eq!(fetch(&groups).await, (ErrorCode::None, Some(Offset(7))));

    // The leader's share is in a record that is not durable yet.
    let a = groups.join_group(join("")).await.member_id;
    let mut syncing = Box::pin(groups.sync_group(sync(&a, 1, &[(&a, "all")])));
    assert!(tokio::time::timeout(soon, &mut syncing).await.is_err());
    log.synced.send_replace(Some(Offset(2)));
    assert_eq!(syncing.await.assignment, "all");
}

#[tokio::test(start_paused = true)]
async fn a_broken_disk_is_told_to_everyone_who_depends_on_it() {
    let log = Memory::new(Some(Offset(0)));
    let groups = open(&log);
    let (answer, ()) = tokio::join!(groups.commit_offsets(commit(7)), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        log.synced.send_replace(None);
    });
    assert_eq!(committed(&answer), ErrorCode::CoordinatorNotAvailable);
    assert_eq!(fetch(&groups).await.0, ErrorCode::CoordinatorNotAvailable);
    *log.full.lock() = true;
    assert_eq!(committed(&groups.commit_offsets(commit(8)).await), ErrorCode::CoordinatorNotAvailable);
    *log.full.lock() = false;
    log.synced.send_replace(INSTANT);
    // What was refused because it could not be appended is nowhere.
    assert_eq!(fetch(&groups).await, (ErrorCode::None, Some(Offset(7))));
}

#[tokio::test(start_paused = true)]
async fn offsets_of_a_transaction_wait_for_its_end_and_a_full_disk_refuses_them() {
    let log = Memory::new(INSTANT);
    let groups = open(&log);
    let (producer, epoch) = (ProducerId(9), ProducerEpoch(0));
    let store = |offset| committed(&groups.commit_in_transaction(&commit(offset), (producer, epoch)));
    let end = |outcome| {
        let marker =
            Marker { outcome, coordinator_epoch: Epoch(0) }.to_batch(producer, epoch, TimestampMs(1));
        groups.end_transaction(groups.partition_for("g"), producer, outcome, marker.into()).unwrap();
    };
    assert_eq!(store(7), ErrorCode::None);
    assert_eq!(fetch(&groups).await, (ErrorCode::None, None));
    *log.full.lock() = true;
    assert_eq!(store(8), ErrorCode::CoordinatorNotAvailable);
    *log.full.lock() = false;
    end(Outcome::Commit);
    assert_eq!(fetch(&groups).await, (ErrorCode::None, Some(Offset(7))));
    assert_eq!(store(9), ErrorCode::None);
    end(Outcome::Abort);
    assert_eq!(fetch(&groups).await, (ErrorCode::None, Some(Offset(7))));
    // So does who reads the log from its beginning.
    assert_eq!(fetch(&open(&log)).await, (ErrorCode::None, Some(Offset(7))));
}

/// Time is told of it as of any other request.
#[tokio::test(start_paused = true)]
async fn a_member_that_commits_in_transactions_is_alive() {
    let log = Memory::new(INSTANT);
    let groups = open(&log);
    let member_id = groups.join_group(join("")).await.member_id;
    groups.sync_group(sync(&member_id, 1, &[(&member_id, "all")])).await;
    let request = CommitRequest { generation: 1, member_id: member_id.clone(), ..commit(1) };
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(9)).await;
        let response = groups.commit_in_transaction(&request, (ProducerId(9), ProducerEpoch(0)));
        assert_eq!(committed(&response), ErrorCode::None);
    }
    assert_eq!(groups.describe("g").members.len(), 1);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(groups.describe("g").members.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn unread_groups_are_loading_and_stopped_ones_gone() {
    let log = Memory::new(INSTANT);
    let groups = unread(&log);
    let loading = ErrorCode::CoordinatorLoadInProgress;
    assert_eq!(groups.join_group(join("")).await.error, loading);
    assert_eq!(groups.sync_group(sync("m", 1, &[])).await.error, loading);
    assert_eq!(groups.heartbeat(heartbeat("m", 1)).await, ErrorCode::None);
    assert_eq!(committed(&groups.commit_offsets(commit(1)).await), loading);
    assert_eq!(fetch(&groups).await.0, loading);
    assert_eq!(groups.describe("g").error, loading);
    assert_eq!(groups.list(&ListRequest::default()), Err(loading));
    let leaving = LeaveRequest { group_id: "g".to_owned(), members: vec![LeavingMember::default()] };
    assert_eq!(groups.leave_group(leaving.clone()).await.error, loading);

    groups.load().unwrap();
    let a = groups.join_group(join("")).await.member_id;
    groups.sync_group(sync(&a, 1, &[(&a, "all")])).await;
    let (parked, ()) = tokio::join!(groups.join_group(join("")), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        groups.shut_down();
    });
    let gone = ErrorCode::CoordinatorNotAvailable;
    assert_eq!(parked.error, gone);
    assert_eq!(groups.join_group(join("")).await.error, gone);
    assert_eq!(groups.heartbeat(heartbeat(&a, 1)).await, gone);
    assert_eq!(groups.leave_group(leaving).await.error, gone);
    assert_eq!(groups.delete_group("g").await, gone);
    // A load that comes late changes nothing.
    groups.load().unwrap();
    assert_eq!(groups.describe("g").error, gone);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_leaves_nothing_parked() {
    let log = Memory::new(INSTANT);
    let groups = open(&log);
    let a = groups.join_group(join("")).await.member_id;
    groups.sync_group(sync(&a, 1, &[(&a, "all")])).await;
    let gone = tokio::time::timeout(Duration::from_secs(1), groups.join_group(join(""))).await;
    assert!(gone.is_err());
    groups.join_group(join(&a)).await;
    let slot = groups.slot("g");
    assert!(slot.enter().unwrap().parked.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_large_group_is_forgotten_in_several_batches() {
    let log = Memory::new(INSTANT);
    let groups = open(&log);
    let mut request = commit(1);
    let one = request.topics[0].partitions[0].clone();
    let all = (0..5_000).map(|index| CommitPartition { partition: PartitionIndex(index), ..one.clone() });
    request.topics[0].partitions = all.collect();
    request.topics[0].topic = "t".repeat(200);
    assert_eq!(committed(&groups.commit_offsets(request).await), ErrorCode::None);
    assert!(log.batches.lock().len() > 1);
    groups.topic_deleted(&"t".repeat(200));
    assert_eq!(fetch(&groups).await, (ErrorCode::None, None));
    assert_eq!(open(&log).list(&ListRequest::default()), Ok(Vec::new()));
}
