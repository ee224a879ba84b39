//! Runs the group coordinator: one shard for each partition of `__consumer_offsets`.
//!
//! A request is handled under its shard's lock in one go: the shard computes a step, the step's records
//! are appended (into the page cache, which is quick) and replayed, its answers are handed to those who
//! wait. The lock is then free, and everyone who got an answer waits for the disk on their own: an answer
//! goes out only when all that the shard had appended by then is durable, so what a client hears of a
//! group survives any crash. That includes answers that took no record of their own, such as a member's
//! assignment or a committed offset just read. Many waiters share one sync.
//!
//! Before [`GroupCoordinator::load`] has read a partition, its groups answer COORDINATOR_LOAD_IN_PROGRESS
//! (Heartbeat: no error, as in Apache Kafka, so that nobody rejoins because of us); after
//! [`GroupCoordinator::shut_down`] they answer COORDINATOR_NOT_AVAILABLE, parked requests too.
//!
//! All methods may be dropped half-way: a request then either had its whole effect or none, and a parked
//! one is answered into the void.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use protocol::ErrorCode;
use protocol::records::batch::Batch;
use protocol::records::control::Outcome;
use protocol::types::{Offset, PartitionIndex, ProducerEpoch, ProducerId, TimestampMs};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::BoxFuture;
use super::batches::{Encoded, Replayer, encode, encode_in_transaction};
use super::group::records::{GroupRecord, RecordError};
use super::group::requests::{
    CommitRequest, CommitResponse, ConsumerHeartbeatRequest, ConsumerHeartbeatResponse, DeleteOffsetsRequest,
    DeleteOffsetsResponse, DescribedConsumerGroup, DescribedGroup, FetchOffsetsRequest, FetchOffsetsResponse,
    HeartbeatRequest, JoinRequest, JoinResponse, LeaveRequest, LeaveResponse, ListRequest, ListedGroup,
    Refusal, SyncRequest, SyncResponse,
};
use super::group::topics::Topics;
use super::group::{Answer, GroupConfig, GroupShard, Now, Step, Ticket};

/// The internal topic that a coordinator keeps its records in, whose partitions it alone appends to.
pub trait CoordinatorLog: Send + Sync + 'static {
    /// Appends one whole v2 batch, whose base offset is 0 and is to be patched. Returns the offset after
    /// its last record. Must not wait for the disk: it is called under a lock.
    fn append(&self, partition: PartitionIndex, batch: Bytes) -> Result<Offset, CoordinatorLogError>;

    /// Resolves once every record below `end` survives a power loss.
    fn durable(
        &self,
        partition: PartitionIndex,
        end: Offset,
    ) -> BoxFuture<'_, Result<(), CoordinatorLogError>>;

    /// Hands every batch of the partition to `visit`, oldest first, and returns the offset after the last.
    /// Blocks on the disk.
    fn read_all(
        &self,
        partition: PartitionIndex,
        visit: &mut dyn FnMut(Batch<'_>),
    ) -> Result<Offset, CoordinatorLogError>;
}

/// Why the coordinator's topic could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorLogError {
    /// The batch is larger than the topic takes. Nothing was written, and never will be.
    #[error("the batch is larger than the coordinator's topic takes")]
    TooLarge,
    /// The disk failed or is full, or the log is closed.
    #[error("the coordinator's topic is not available: {0}")]
    Unavailable(String),
}

impl CoordinatorLogError {
    /// What members and committers are told: trying again may help, unless the batch is too large.
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge => ErrorCode::UnknownServerError,
            Self::Unavailable(_) => ErrorCode::CoordinatorNotAvailable,
        }
    }
}

/// What the coordinator takes from outside besides its log.
pub struct CoordinatorEnv {
    /// The wall clock, for what goes into records. Deadlines are on tokio's clock.
    pub wall_clock: Box<dyn Fn() -> TimestampMs + Send + Sync>,
    /// 128 random bits a call, for member ids. Two alike would be two members with one id.
    pub random: Box<dyn Fn() -> u128 + Send + Sync>,
    /// The topics that consumer groups may read.
    pub topics: Arc<dyn Topics>,
}

/// The group coordinator. Shared by all handlers.
pub struct GroupCoordinator {
    log: Arc<dyn CoordinatorLog>,
    env: CoordinatorEnv,
    config: GroupConfig,
    slots: Vec<Slot>,
    /// Zero of the monotonic clock.
    began: Instant,
    tickets: AtomicU64,
    /// Something is due sooner than the timer task believes.
    sooner: Notify,
}

/// One partition.
struct Slot {
    partition: PartitionIndex,
    state: Mutex<SlotState>,
    /// Everything below is known to be durable.
    durable: AtomicI64,
}

enum SlotState {
    /// Not read yet; the shard so far is the reader's.
    Loading,
    Live(Box<Live>),
    Closed,
}

struct Live {
    shard: GroupShard,
    /// The offset after the last record that was appended.
    end: Offset,
    /// Requests that wait for a step of somebody else.
    parked: HashMap<Ticket, oneshot::Sender<Settled<Answer>>>,
}

/// An answer, and how far the log must be durable before it may go out.
struct Settled<T> {
    answer: T,
    end: Offset,
}

/// What [`GroupCoordinator::load`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Records read.
    pub records: u64,
    /// Groups they amount to.
    pub groups: usize,
    /// Records that could not be understood and were passed over.
    pub skipped: u64,
}

// Life.

impl GroupCoordinator {
    /// A coordinator of `partitions` partitions, all still to be read. Needs tokio's clock.
    #[must_use]
    pub fn new(
        config: GroupConfig,
        partitions: i32,
        log: Arc<dyn CoordinatorLog>,
        env: CoordinatorEnv,
    ) -> Arc<Self> {
        let slot = |partition| Slot {
            partition: PartitionIndex(partition),
            state: Mutex::new(SlotState::Loading),
            durable: AtomicI64::new(0),
        };
        Arc::new(Self {
            log,
            env,
            config,
            slots: (0..partitions.max(1)).map(slot).collect(),
            began: Instant::now(),
            tickets: AtomicU64::new(0),
            sooner: Notify::new(),
        })
    }

    /// Reads every partition and goes live. Blocks on the disk; requests may come meanwhile.
    ///
    /// # Errors
    /// What the log says; the partition and those after it stay unread, and this may be called again.
    pub fn load(&self) -> Result<LoadReport, CoordinatorLogError> {
        let mut report = LoadReport::default();
        for slot in &self.slots {
            self.load_slot(slot, &mut report)?;
        }
        info!(records = report.records, groups = report.groups, skipped = report.skipped, "groups loaded");
        Ok(report)
    }

    fn load_slot(&self, slot: &Slot, report: &mut LoadReport) -> Result<(), CoordinatorLogError> {
        let mut shard = GroupShard::new(self.config.clone(), Arc::clone(&self.env.topics));
        let mut replayer = Replayer::new(&mut shard);
        let end = self.log.read_all(slot.partition, &mut |batch| replayer.replay(batch))?;
        report.records += replayer.records;
        report.skipped += replayer.skipped;
        shard.loaded(self.now());
        let mut state = slot.state.lock();
        if matches!(*state, SlotState::Loading) {
            report.groups += shard.group_ids().len();
            slot.durable.store(end.0, Ordering::Release);
            *state = SlotState::Live(Box::new(Live { shard, end, parked: HashMap::new() }));
            drop(state);
            self.sooner.notify_one();
        }
        Ok(())
    }

    /// Stops: parked requests and all later ones are answered COORDINATOR_NOT_AVAILABLE.
    pub fn shut_down(&self) {
        for slot in &self.slots {
            // Dropping the parked requests' senders answers them.
            *slot.state.lock() = SlotState::Closed;
        }
    }

    /// The task of all timers: sessions, rebalances, retention. Ends when `stop` does.
    pub async fn run_timers(&self, stop: impl Future<Output = ()>) {
        let check_interval = self.config.offsets_retention_check_interval;
        let mut stop = std::pin::pin!(stop);
        let mut sweep_at = Instant::now() + check_interval;
        loop {
            let due = self.next_due().map_or(sweep_at, |due| sweep_at.min(self.began + due));
            tokio::select! {
                () = &mut stop => return,
                () = self.sooner.notified() => continue,
                () = tokio::time::sleep_until(due) => {}
            }
            self.expire();
            if sweep_at <= Instant::now() {
                self.sweep();
                sweep_at = Instant::now() + check_interval;
            }
        }
    }

    fn next_due(&self) -> Option<Duration> {
        self.slots.iter().filter_map(|slot| slot.enter().ok()?.shard.next_due()).min()
    }

    /// Does what is due, one group at a time so that requests get in between.
    fn expire(&self) {
        for slot in &self.slots {
            while self.expire_one(slot) {}
        }
    }

    /// Whether something was due.
    fn expire_one(&self, slot: &Slot) -> bool {
        let Ok(mut live) = slot.enter() else { return false };
        let now = self.now();
        let Some((group_id, step)) = live.shard.on_time(now) else { return false };
        if let Err(error) = self.finish(slot, &mut live, &group_id, step, now) {
            warn!(group = group_id, error = error.name(), "could not record what time did to a group");
        }
        true
    }

    /// Forgets offsets kept long enough and groups that have nothing left.
    fn sweep(&self) {
        self.each_group(GroupShard::group_ids, GroupShard::sweep);
    }

    /// A topic was deleted: forgets every group's offsets in it.
    ///
    /// Appends, so the caller must hold no lock that [`CoordinatorLog::append`] takes.
    pub fn topic_deleted(&self, topic: &str) {
        let which = |shard: &GroupShard| shard.groups_reading(topic);
        self.each_group(which, |shard, group_id, _| shard.topic_deleted(group_id, topic));
    }

    fn each_group(
        &self,
        which: impl Fn(&GroupShard) -> Vec<String>,
        act: impl Fn(&GroupShard, &str, Now) -> Step,
    ) {
        for slot in &self.slots {
            let group_ids = slot.enter().map(|live| which(&live.shard)).unwrap_or_default();
            for group_id in group_ids {
                let Ok(mut live) = slot.enter() else { break };
                let now = self.now();
                let step = act(&live.shard, &group_id, now);
                if let Err(error) = self.finish(slot, &mut live, &group_id, step, now) {
                    warn!(group = group_id, error = error.name(), "could not forget offsets, trying later");
                }
            }
        }
    }
}

// One request.

impl Slot {
    /// The shard, if it is there to be asked.
    fn enter(&self) -> Result<MappedMutexGuard<'_, Live>, ErrorCode> {
        MutexGuard::try_map(self.state.lock(), SlotState::live).map_err(|state| match &*state {
            SlotState::Closed => ErrorCode::CoordinatorNotAvailable,
            SlotState::Loading | SlotState::Live(_) => ErrorCode::CoordinatorLoadInProgress,
        })
    }
}

impl SlotState {
    fn live(&mut self) -> Option<&mut Live> {
        match self {
            Self::Live(live) => Some(live),
            Self::Loading | Self::Closed => None,
        }
    }
}

impl GroupCoordinator {
    fn now(&self) -> Now {
        Now { monotonic: self.began.elapsed(), wall: (self.env.wall_clock)() }
    }

    /// The partition of `__consumer_offsets` that a group's records go to.
    #[must_use]
    pub fn partition_for(&self, group_id: &str) -> PartitionIndex {
        let count = self.slots.len() as i32;
        PartitionIndex(java_hash(group_id).checked_abs().unwrap_or(0) % count)
    }

    fn slot(&self, group_id: &str) -> &Slot {
        &self.slots[self.partition_for(group_id).0 as usize]
    }

    /// Carries a step out: appends and replays its records, hands out its answers.
    ///
    /// Returns how far the log must be durable before the caller's own answer may go out.
    fn finish(
        &self,
        slot: &Slot,
        live: &mut Live,
        group_id: &str,
        step: Step,
        now: Now,
    ) -> Result<Offset, ErrorCode> {
        let due_before = live.shard.next_due();
        let appended = self.append(slot, live, step.records, now);
        let error = appended.err().map(|error| error.code());
        live.hand_out(step.answers, error);
        if error.is_some() {
            let step = live.shard.append_failed(group_id, now);
            live.hand_out(step.answers, None);
        }
        live.shard.settle(group_id, now);
        if live.shard.next_due().is_some_and(|due| due_before.is_none_or(|before| due < before)) {
            self.sooner.notify_one();
        }
        error.map_or(Ok(live.end), Err)
    }

    fn append(
        &self,
        slot: &Slot,
        live: &mut Live,
        records: Vec<GroupRecord>,
        now: Now,
    ) -> Result<(), CoordinatorLogError> {
        self.append_batches(slot, live, None, encode(records, now.wall))
    }

    /// Appends batches and replays their records, of a transaction of `producer` or of none.
    fn append_batches(
        &self,
        slot: &Slot,
        live: &mut Live,
        producer: Option<ProducerId>,
        batches: Result<Vec<Encoded>, RecordError>,
    ) -> Result<(), CoordinatorLogError> {
        let batches = batches.map_err(|error| {
            error!(%error, "could not encode a group's records");
            CoordinatorLogError::TooLarge
        })?;
        for (batch, records) in batches {
            let count = records.len() as i64;
            let appended = self.log.append(slot.partition, batch);
            let end = appended.inspect_err(|error| debug!(%error, "could not append to the group log"))?;
            let first = Offset(end.0 - count);
            for (i, record) in records.into_iter().enumerate() {
                live.shard.replay(first + i as i64, producer, record);
            }
            live.end = end;
        }
        Ok(())
    }

    /// Hands a request that may be parked to its shard and waits for its answer.
    async fn ask(
        &self,
        group_id: &str,
        act: impl FnOnce(&mut GroupShard, Ticket, Now) -> Step,
    ) -> Result<Answer, ErrorCode> {
        let slot = self.slot(group_id);
        let (sender, receiver) = oneshot::channel();
        {
            let mut live = slot.enter()?;
            let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
            live.parked.insert(ticket, sender);
            let now = self.now();
            let step = act(&mut live.shard, ticket, now);
            // An error is in the answers too.
            let _ = self.finish(slot, &mut live, group_id, step, now);
        }
        // The sender is dropped unused only by shutting down.
        let settled = receiver.await.map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
        self.await_durable(slot, settled.end).await?;
        Ok(settled.answer)
    }

    /// Hands a request that is answered at once to its shard, and waits until the answer is durable.
    async fn tell<T>(
        &self,
        group_id: &str,
        act: impl FnOnce(&mut GroupShard, Now) -> (T, Step),
    ) -> Result<T, ErrorCode> {
        let slot = self.slot(group_id);
        let (answer, end) = {
            let mut live = slot.enter()?;
            let now = self.now();
            let (answer, step) = act(&mut live.shard, now);
            (answer, self.finish(slot, &mut live, group_id, step, now)?)
        };
        self.await_durable(slot, end).await?;
        Ok(answer)
    }

    async fn await_durable(&self, slot: &Slot, end: Offset) -> Result<(), ErrorCode> {
        if end.0 <= slot.durable.load(Ordering::Acquire) {
            return Ok(());
        }
        self.log.durable(slot.partition, end).await.map_err(|error| {
            // The log itself has said so, once, as an error.
            debug!(%error, "could not sync the group log");
            error.code()
        })?;
        slot.durable.fetch_max(end.0, Ordering::AcqRel);
        Ok(())
    }
}

impl Live {
    /// Hands answers to those who wait; all of them failed if `error` says so.
    fn hand_out(&mut self, answers: Vec<(Ticket, Answer)>, error: Option<ErrorCode>) {
        for (ticket, answer) in answers {
            let answer = match error {
                Some(error) => answer.failed(error),
                None => answer,
            };
            if let Some(sender) = self.parked.remove(&ticket) {
                // Nobody there any more: the client has gone.
                let _ = sender.send(Settled { answer, end: self.end });
            }
        }
    }
}

// The API.

impl GroupCoordinator {
    /// JoinGroup. Waits for the rest of the group.
    pub async fn join_group(&self, request: JoinRequest) -> JoinResponse {
        let random = (self.env.random)();
        let joined =
            self.ask(&request.group_id, |shard, ticket, now| shard.join(&request, random, ticket, now));
        match joined.await {
            Ok(Answer::Join(response)) => response,
            Ok(Answer::Sync(_)) => JoinResponse::refused(request.member_id, ErrorCode::UnknownServerError),
            Err(error) => JoinResponse::refused(request.member_id, error),
        }
    }

    /// SyncGroup. Waits for the leader.
    pub async fn sync_group(&self, request: SyncRequest) -> SyncResponse {
        let synced = self.ask(&request.group_id, |shard, ticket, now| shard.sync(&request, ticket, now));
        match synced.await {
            Ok(Answer::Sync(response)) => response,
            Ok(Answer::Join(_)) => SyncResponse::refused(ErrorCode::UnknownServerError),
            Err(error) => SyncResponse::refused(error),
        }
    }

    /// Heartbeat. Waits for nothing: what it tells takes no record.
    pub async fn heartbeat(&self, request: HeartbeatRequest) -> ErrorCode {
        match self.slot(&request.group_id).enter() {
            Ok(mut live) => live.shard.heartbeat(&request, self.now()),
            Err(ErrorCode::CoordinatorLoadInProgress) => ErrorCode::None,
            Err(error) => error,
        }
    }

    /// LeaveGroup.
    pub async fn leave_group(&self, request: LeaveRequest) -> LeaveResponse {
        let left = self.tell(&request.group_id, |shard, now| shard.leave(&request, now));
        left.await.unwrap_or_else(LeaveResponse::refused)
    }

    /// ConsumerGroupHeartbeat.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn consumer_heartbeat(
        &self,
        request: ConsumerHeartbeatRequest,
    ) -> Result<ConsumerHeartbeatResponse, Refusal> {
        let random = (self.env.random)();
        let told = |shard: &mut GroupShard, now| shard.consumer_heartbeat(&request, random, now);
        self.tell(&request.group_id, told).await?
    }

    /// ConsumerGroupDescribe, for one group. Never waits.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND, or that the coordinator cannot tell.
    pub fn describe_consumer(&self, group_id: &str) -> Result<DescribedConsumerGroup, Refusal> {
        self.slot(group_id).enter()?.shard.describe_consumer(group_id, self.now())
    }

    /// OffsetCommit.
    pub async fn commit_offsets(&self, request: CommitRequest) -> CommitResponse {
        let committed = self.tell(&request.group_id, |shard, now| shard.commit(&request, now));
        committed.await.unwrap_or_else(|error| request.refused(error))
    }

    /// TxnOffsetCommit: appends offsets that count once the producer's transaction commits. Does not wait for the disk:
    /// it is called while the transaction cannot end, and the commit of a transaction waits for all of it.
    pub fn commit_in_transaction(
        &self,
        request: &CommitRequest,
        producer: (ProducerId, ProducerEpoch),
    ) -> CommitResponse {
        let slot = self.slot(&request.group_id);
        let mut live = match slot.enter() {
            Ok(live) => live,
            Err(error) => return request.refused(error),
        };
        let now = self.now();
        let (response, step) = live.shard.commit(request, now);
        let batches = encode_in_transaction(producer, step.records, now.wall);
        match self.append_batches(slot, &mut live, Some(producer.0), batches) {
            Ok(()) => response,
            Err(error) => request.refused(error.code()),
        }
    }

    /// A transaction's marker in a partition of this coordinator's topic: its offsets count, or never did.
    ///
    /// # Errors
    /// What the log says.
    pub fn end_transaction(
        &self,
        partition: PartitionIndex,
        producer: ProducerId,
        outcome: Outcome,
        marker: Bytes,
    ) -> Result<(), CoordinatorLogError> {
        let slot = usize::try_from(partition.0).ok().and_then(|index| self.slots.get(index));
        let Some(slot) = slot else { return Ok(()) };
        let entered = slot.enter();
        let mut live = entered.map_err(|error| CoordinatorLogError::Unavailable(error.name().to_owned()))?;
        live.end = self.log.append(partition, marker)?;
        live.shard.replay_end_transaction(producer, outcome == Outcome::Commit);
        Ok(())
    }

    /// OffsetFetch, for one group.
    pub async fn fetch_offsets(&self, request: FetchOffsetsRequest) -> FetchOffsetsResponse {
        let fetched = self.tell(&request.group_id, |shard, _| (shard.fetch(&request), Step::default()));
        fetched.await.unwrap_or_else(|error| request.refused(error))
    }

    /// OffsetDelete.
    pub async fn delete_offsets(&self, request: DeleteOffsetsRequest) -> DeleteOffsetsResponse {
        let deleted = self.tell(&request.group_id, |shard, _| shard.delete_offsets(&request));
        deleted.await.unwrap_or_else(|error| DeleteOffsetsResponse { error, topics: Vec::new() })
    }

    /// DeleteGroups, for one group.
    pub async fn delete_group(&self, group_id: &str) -> ErrorCode {
        self.tell(group_id, |shard, _| shard.delete(group_id)).await.unwrap_or_else(|error| error)
    }

    /// DescribeGroups, for one group. Never waits.
    #[must_use]
    pub fn describe(&self, group_id: &str) -> DescribedGroup {
        let live = self.slot(group_id).enter();
        live.map_or_else(
            |error| DescribedGroup::unknown(group_id, error),
            |live| live.shard.describe(group_id),
        )
    }

    /// ListGroups, by group id. Never waits.
    ///
    /// # Errors
    /// COORDINATOR_LOAD_IN_PROGRESS, rather than a list that lacks groups.
    pub fn list(&self, request: &ListRequest) -> Result<Vec<ListedGroup>, ErrorCode> {
        let mut listed = Vec::new();
        for slot in &self.slots {
            listed.extend(slot.enter()?.shard.list(request));
        }
        listed.sort_unstable_by(|a, b| a.group_id.cmp(&b.group_id));
        Ok(listed)
    }
}

/// Java's `String.hashCode`, by which Kafka spreads groups over partitions.
pub(super) fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[cfg(test)]
mod tests {
    use protocol::types::Epoch;
    use tokio::sync::watch;

    use super::*;
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
            batches
                .iter()
                .filter(|(at, ..)| *at == partition)
                .map(|(_, end, _)| *end)
                .max()
                .unwrap_or(Offset(0))
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
            whole.validate().unwrap();
            whole.verify_crc().unwrap();
            assert!(rest.is_empty());
            let end = whole.next_offset();
            self.batches.lock().push((partition, end, bytes));
            Ok(end)
        }

        fn durable(&self, _: PartitionIndex, end: Offset) -> BoxFuture<'_, Result<(), CoordinatorLogError>> {
            let mut synced = self.synced.subscribe();
            Box::pin(async move {
                let reached =
                    synced.wait_for(|synced| synced.is_none_or(|synced| end <= synced)).await.unwrap();
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
        let share =
            |&(id, share): &(&str, &'static str)| (id.to_owned(), Bytes::from_static(share.as_bytes()));
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

    #[tokio::test]
    async fn groups_are_spread_as_in_kafka() {
        // String.hashCode() of Java; the least integer has no absolute value, and Kafka takes 0 for it.
        let cases = [
            ("", 0, 0),
            ("group", 98_629_247, 98_629_247 % 7),
            ("Hello World", -862_545_276, 862_545_276 % 7),
            ("polygenelubricants", i32::MIN, 0),
            ("é€𝄞", 16_751_501, 16_751_501 % 7),
        ];
        let groups = unread_with(&Memory::new(INSTANT), 7);
        for (text, hash, partition) in cases {
            assert_eq!(java_hash(text), hash, "{text}");
            assert_eq!(groups.partition_for(text), PartitionIndex(partition), "{text}");
        }
    }
}
