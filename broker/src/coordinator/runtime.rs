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
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use protocol::ErrorCode;
use protocol::records::control::Outcome;
use protocol::types::{Offset, PartitionIndex, ProducerEpoch, ProducerId, TimestampMs};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::batches::{Replayer, encode};
use super::group::records::GroupRecord;
use super::group::requests::{
    CommitRequest, CommitResponse, ConsumerHeartbeatRequest, ConsumerHeartbeatResponse, DeleteOffsetsRequest,
    DeleteOffsetsResponse, DescribedConsumerGroup, DescribedGroup, FetchOffsetsRequest, FetchOffsetsResponse,
    HeartbeatRequest, JoinRequest, JoinResponse, LeaveRequest, LeaveResponse, ListRequest, ListedGroup,
    Refusal, SyncRequest, SyncResponse,
};
use super::group::topics::Topics;
use super::group::{Answer, GroupConfig, GroupShard, Now, Step, Ticket};
use super::log::{CoordinatorLog, CoordinatorLogError, LogPartition, partition_of};

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
    log: LogPartition,
    state: Mutex<SlotState>,
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
        let slot = |log| Slot { log, state: Mutex::new(SlotState::Loading) };
        Arc::new(Self {
            env,
            config,
            slots: LogPartition::all(&log, partitions).map(slot).collect(),
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
        let end = slot.log.read_all(&mut |batch| replayer.replay(batch))?;
        report.records += replayer.records;
        report.skipped += replayer.skipped;
        shard.loaded(self.now());
        let mut state = slot.state.lock();
        if matches!(*state, SlotState::Loading) {
            report.groups += shard.group_ids().len();
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
        if let Err(error) = self.finish(slot, &mut live, &group_id, step, None, now) {
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
                if let Err(error) = self.finish(slot, &mut live, &group_id, step, None, now) {
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
        partition_of(group_id, self.slots.len())
    }

    fn slot(&self, group_id: &str) -> &Slot {
        &self.slots[self.partition_for(group_id).0 as usize]
    }

    /// Carries a step out: appends and replays its records, of a transaction of `producer` or of none, and hands out
    /// its answers.
    ///
    /// Returns how far the log must be durable before the caller's own answer may go out.
    fn finish(
        &self,
        slot: &Slot,
        live: &mut Live,
        group_id: &str,
        step: Step,
        producer: Option<(ProducerId, ProducerEpoch)>,
        now: Now,
    ) -> Result<Offset, ErrorCode> {
        let due_before = live.shard.next_due();
        let appended = live.append(&slot.log, step.records, producer, now);
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
            let _ = self.finish(slot, &mut live, group_id, step, None, now);
        }
        // The sender is dropped unused only by shutting down.
        let settled = receiver.await.map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
        slot.log.await_durable(settled.end).await?;
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
            (answer, self.finish(slot, &mut live, group_id, step, None, now)?)
        };
        slot.log.await_durable(end).await?;
        Ok(answer)
    }
}

impl Live {
    /// Appends records and replays them.
    fn append(
        &mut self,
        log: &LogPartition,
        records: Vec<GroupRecord>,
        producer: Option<(ProducerId, ProducerEpoch)>,
        now: Now,
    ) -> Result<(), CoordinatorLogError> {
        let batches = encode(records, producer, now.wall).map_err(|error| {
            error!(%error, "could not encode a group's records");
            CoordinatorLogError::TooLarge
        })?;
        for (batch, records) in batches {
            let count = records.len() as i64;
            let end =
                log.append(batch).inspect_err(|error| debug!(%error, "could not append to the group log"))?;
            let first = Offset(end.0 - count);
            for (i, record) in records.into_iter().enumerate() {
                self.shard.replay(first + i as i64, producer.map(|(id, _)| id), record);
            }
            self.end = end;
        }
        Ok(())
    }

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
        let committed = slot.enter().and_then(|mut live| {
            let now = self.now();
            let (response, step) = live.shard.commit(request, now);
            self.finish(slot, &mut live, &request.group_id, step, Some(producer), now)?;
            Ok(response)
        });
        committed.unwrap_or_else(|error| request.refused(error))
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
        live.end = slot.log.append(marker)?;
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

#[cfg(test)]
mod tests;
