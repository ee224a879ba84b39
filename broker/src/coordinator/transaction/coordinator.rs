//! Runs the transaction coordinator: one slot for each partition of `__transaction_state`.
//!
//! ```text
//!  EndTxn ─▶ data durable ─▶ Prepare… appended, durable ─▶ markers appended, durable ─▶ Complete… appended ─▶ answer
//!                            (the outcome stands)           (readers see it)
//! ```
//! A request is handled under its slot's lock in one go: the state gives the next one, that is appended (into the page
//! cache, which is quick) and put in place. Nothing waits under the lock. What power loss may take:
//!
//! - *before `Prepare…` is durable*: the transaction was never ended. Partitions that hold records of a transaction of
//!   which nothing is known are found at start-up and told that it was aborted ([`TransactionCoordinator::recover`]),
//!   so that nothing hangs, and adding a partition need not wait for the disk.
//! - *after*: start-up tells the partitions again. A marker that is there already does no harm.
//!
//! A producer writes to a partition *while its slot is locked* unless the partition has its transaction open
//! ([`TransactionCoordinator::enlist`]): no record can reach a partition after the marker that ends its transaction.
//!
//! # Source
//! KIP-98, KIP-890, KIP-664 (describe, list).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use protocol::ErrorCode;
use protocol::records::batch::{Batch, BatchBuilder};
use protocol::records::control::Outcome;
use protocol::types::{Epoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, TimestampMs};
use tracing::{debug, error, info, warn};

use super::producer_ids::ProducerIds;
use super::records::{decode_key, decode_value, encode_key, encode_value};
use super::state::{EndStep, Init, InitStep, Partitions, Producer, State, Transaction};
use crate::coordinator::log::{LogPartition, partition_of};
use crate::coordinator::{BoxFuture, CoordinatorLog, CoordinatorLogError};

/// What a compressed batch may grow to when it is read; ours are not compressed, Apache Kafka's may be.
const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How often a request starts over because a transaction had to be aborted or a producer id exchanged first.
const ROUNDS_MAX: usize = 4;

/// The settings of transactions, under Kafka's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionConfig {
    /// `transaction.max.timeout.ms`.
    pub timeout_max_ms: i32,
    /// `transactional.id.expiration.ms`.
    pub id_expiration_ms: i64,
}

/// The end of one transaction, as its partitions are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionEnd {
    /// The producer.
    pub producer_id: ProducerId,
    /// The producer's epoch at the end.
    pub epoch: ProducerEpoch,
    /// How it ended.
    pub outcome: Outcome,
    /// Who decided.
    pub decided_by: Decider,
    /// The transaction version: from 2 on the epoch is newer than that of any record.
    pub version: i16,
}

/// Who decides a transaction; a partition that has heard a newer one does not listen to an older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decider {
    /// A partition of `__transaction_state`, by its present leader epoch.
    Coordinator(PartitionIndex),
    /// Somebody who names a coordinator's epoch.
    Epoch(Epoch),
}

/// Why a partition was not told how a transaction ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotTold {
    /// There is no such partition.
    #[error("there is no such partition")]
    Gone,
    /// The partition has heard of a newer epoch of the producer or the coordinator: the transaction is over there.
    #[error("{}", .0.message())]
    Overtaken(ErrorCode),
    /// The partition takes nothing.
    #[error(transparent)]
    Unavailable(#[from] CoordinatorLogError),
}

impl NotTold {
    /// What a tool is told.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Gone => ErrorCode::UnknownTopicOrPartition,
            Self::Overtaken(code) => *code,
            Self::Unavailable(_) => ErrorCode::KafkaStorageError,
        }
    }
}

/// A transaction that a partition has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: PartitionIndex,
    /// The producer.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub epoch: ProducerEpoch,
    /// The newest coordinator that the partition has heard.
    pub coordinator_epoch: Epoch,
}

/// The partitions that transactions write to.
pub trait TransactionPartitions: Send + Sync + 'static {
    /// Waits until everything that the partitions hold survives power loss.
    fn make_durable<'a>(
        &'a self,
        partitions: &'a Partitions,
    ) -> BoxFuture<'a, Result<(), CoordinatorLogError>>;

    /// Appends a marker to a partition; does not wait for the disk.
    fn append_marker(
        &self,
        topic: &str,
        partition: PartitionIndex,
        end: &TransactionEnd,
    ) -> Result<(), NotTold>;

    /// Every transaction that any partition has open.
    fn open_transactions(&self) -> Vec<OpenTransaction>;
}

/// How a partition comes into a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enlist {
    /// It is added (KIP-890, from Produce 12 and TxnOffsetCommit 5 on).
    Add,
    /// It must have been added before.
    Verify,
}

/// A transactional id as tools see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The transactional id.
    pub transactional_id: String,
    /// What is known of it.
    pub transaction: Transaction,
}

/// The transaction coordinator. Shared by all handlers.
pub struct TransactionCoordinator {
    partitions: Arc<dyn TransactionPartitions>,
    ids: Arc<ProducerIds>,
    clock: Box<dyn Fn() -> TimestampMs + Send + Sync>,
    config: TransactionConfig,
    slots: Vec<Slot>,
}

/// One partition of `__transaction_state`.
struct Slot {
    log: LogPartition,
    state: Mutex<Option<Live>>,
}

#[derive(Default)]
struct Live {
    transactions: HashMap<String, Transaction>,
    /// The offset after the last record that was appended.
    end: Offset,
    /// Transactional ids whose partitions are being told how it ended.
    completing: HashSet<String>,
}

// Life.

impl TransactionCoordinator {
    /// A coordinator of `slots` partitions, all still to be read.
    #[must_use]
    pub fn new(
        config: TransactionConfig,
        slots: i32,
        log: Arc<dyn CoordinatorLog>,
        partitions: Arc<dyn TransactionPartitions>,
        ids: Arc<ProducerIds>,
        clock: Box<dyn Fn() -> TimestampMs + Send + Sync>,
    ) -> Self {
        let slot = |log| Slot { log, state: Mutex::new(None) };
        let slots = LogPartition::all(&log, slots).map(slot).collect();
        Self { partitions, ids, clock, config, slots }
    }

    /// Reads every partition of the log, then ends what only partitions know of. Blocks on the disk; no producer may
    /// write meanwhile.
    ///
    /// # Errors
    /// What the log says.
    pub fn recover(&self) -> Result<(), CoordinatorLogError> {
        let mut ids = 0;
        for slot in &self.slots {
            let mut live = Live::default();
            live.end = slot.log.read_all(&mut |batch| replay(&mut live.transactions, batch))?;
            ids += live.transactions.len();
            *slot.state.lock() = Some(live);
        }
        if ids > 0 {
            info!(transactional_ids = ids, "transactions loaded");
        }
        self.abort_orphans();
        Ok(())
    }

    /// Ends transactions that partitions have open and the log knows nothing of: power was lost before the record that
    /// added the partition was on disk, so nobody was ever told that they were committed.
    fn abort_orphans(&self) {
        let mut orphans = self.partitions.open_transactions();
        for slot in &self.slots {
            if orphans.is_empty() {
                return;
            }
            let Ok(live) = slot.enter() else { continue };
            let mut known: HashMap<ProducerId, Vec<&Transaction>> = HashMap::new();
            for transaction in live.transactions.values() {
                known.entry(transaction.producer_id).or_default().push(transaction);
            }
            orphans.retain(|open| {
                let mut owners = known.get(&open.producer_id).into_iter().flatten();
                !owners.any(|owner| owner.contains(&open.topic, open.partition))
            });
        }
        for open in orphans {
            warn!(
                topic = open.topic,
                partition = open.partition.0,
                producer_id = open.producer_id.0,
                "aborting a transaction that its coordinator does not know"
            );
            let end = TransactionEnd {
                producer_id: open.producer_id,
                epoch: open.epoch,
                outcome: Outcome::Abort,
                decided_by: Decider::Epoch(open.coordinator_epoch),
                version: 0,
            };
            if let Err(error) = self.partitions.append_marker(&open.topic, open.partition, &end) {
                error!(topic = open.topic, partition = open.partition.0, %error, "not aborted");
            }
        }
    }

    /// Stops: all later requests are answered COORDINATOR_NOT_AVAILABLE.
    pub fn shut_down(&self) {
        for slot in &self.slots {
            *slot.state.lock() = None;
        }
    }

    /// Aborts transactions that have been open for too long and completes those whose partitions could not be told.
    pub async fn sweep(&self) {
        for transactional_id in self.ids_where(|transaction, now| transaction.is_overdue(now)) {
            info!(transactional_id, "aborting a transaction that has been open for too long");
            let overdue = |transaction: &Transaction, now| {
                transaction.is_overdue(now).then(|| transaction.aborted_from_outside(now))
            };
            let aborted = self.change_and_complete(&transactional_id, overdue).await;
            self.warn_unless_stopped(&transactional_id, aborted);
        }
        for transactional_id in self.ids_where(|transaction, _| transaction.state.decided().is_some()) {
            let completed = self.complete(&transactional_id).await;
            self.warn_unless_stopped(&transactional_id, completed);
        }
    }

    fn warn_unless_stopped(&self, transactional_id: &str, ended: Result<(), ErrorCode>) {
        if let Err(error) = ended
            && self.slot(transactional_id).enter().is_ok()
        {
            warn!(transactional_id, error = error.name(), "transaction not ended, trying later");
        }
    }

    /// Forgets transactional ids that nobody has used for `transactional.id.expiration.ms`.
    pub fn expire(&self) {
        let limit_ms = self.config.id_expiration_ms;
        for transactional_id in self.ids_where(|transaction, now| transaction.is_expired(limit_ms, now)) {
            let slot = self.slot(&transactional_id);
            let Ok(mut live) = slot.enter() else { return };
            let now = (self.clock)();
            let expired =
                live.transactions.get(&transactional_id).is_some_and(|one| one.is_expired(limit_ms, now));
            if expired && let Err(error) = self.append(slot, &mut live, &transactional_id, None) {
                warn!(transactional_id, error = error.name(), "not forgotten, trying later");
            }
        }
    }

    fn ids_where(&self, which: impl Fn(&Transaction, TimestampMs) -> bool) -> Vec<String> {
        let now = (self.clock)();
        let mut ids = Vec::new();
        for slot in &self.slots {
            let Ok(live) = slot.enter() else { continue };
            let chosen = live.transactions.iter().filter(|(_, transaction)| which(transaction, now));
            ids.extend(chosen.map(|(id, _)| id.clone()));
        }
        ids
    }
}

/// Takes over one batch of the log.
fn replay(transactions: &mut HashMap<String, Transaction>, batch: Batch<'_>) {
    if batch.is_control() {
        return;
    }
    let mut scratch = Vec::new();
    let records = match batch.decompressed(DECOMPRESSED_BYTES_MAX, &mut scratch) {
        Ok(records) => records,
        Err(error) => {
            return warn!(offset = batch.base_offset().0, %error, "skipping a batch of transactions");
        }
    };
    for record in records.map_while(Result::ok) {
        let decoded = decode_key(record.key.unwrap_or_default())
            .and_then(|id| Ok((id, record.value.map(decode_value).transpose()?)));
        match decoded {
            Ok((id, Some(transaction))) => _ = transactions.insert(id, transaction),
            Ok((id, None)) => _ = transactions.remove(&id),
            Err(error) => warn!(offset = record.offset.0, %error, "skipping a record of transactions"),
        }
    }
}

impl Slot {
    fn enter(&self) -> Result<MappedMutexGuard<'_, Live>, ErrorCode> {
        MutexGuard::try_map(self.state.lock(), Option::as_mut).map_err(|_| ErrorCode::CoordinatorNotAvailable)
    }
}

// One request.

impl TransactionCoordinator {
    fn slot(&self, transactional_id: &str) -> &Slot {
        &self.slots[partition_of(transactional_id, self.slots.len()).0 as usize]
    }

    /// Appends the next state of a transactional id and puts it in place; `None` forgets it.
    fn append(
        &self,
        slot: &Slot,
        live: &mut Live,
        transactional_id: &str,
        next: Option<Transaction>,
    ) -> Result<Offset, ErrorCode> {
        let encoded = encode_key(transactional_id)
            .and_then(|key| Ok((key, next.as_ref().map(encode_value).transpose()?)));
        let (key, value) = encoded.map_err(|error| {
            error!(transactional_id, %error, "could not encode a transaction");
            ErrorCode::InvalidRequest
        })?;
        let mut batch = BatchBuilder::new();
        batch.append((self.clock)(), Some(&key), value.as_deref(), &[]);
        live.end = slot.log.append(batch.build().into()).map_err(|error| {
            error!(transactional_id, %error, "could not append to the transaction log");
            error.code()
        })?;
        match next {
            Some(next) => _ = live.transactions.insert(transactional_id.to_owned(), next),
            None => _ = live.transactions.remove(transactional_id),
        }
        Ok(live.end)
    }

    /// Puts what `change` makes of a transaction in place, waits for the disk, and tells its partitions.
    async fn change_and_complete(
        &self,
        transactional_id: &str,
        change: impl FnOnce(&Transaction, TimestampMs) -> Option<Transaction>,
    ) -> Result<(), ErrorCode> {
        let slot = self.slot(transactional_id);
        let end = {
            let mut live = slot.enter()?;
            let now = (self.clock)();
            let Some(next) = live.transactions.get(transactional_id).and_then(|known| change(known, now))
            else {
                return Ok(());
            };
            self.append(slot, &mut live, transactional_id, Some(next))?
        };
        slot.log.await_durable(end).await?;
        self.complete(transactional_id).await
    }

    /// Tells the partitions of a transaction how it ended, waits for their disks, and writes down that it is over.
    ///
    /// # Errors
    /// A partition could not be told; the outcome stands, and [`Self::sweep`] tries again.
    async fn complete(&self, transactional_id: &str) -> Result<(), ErrorCode> {
        let slot = self.slot(transactional_id);
        let Some(decided) = slot.enter()?.begin_completing(transactional_id) else { return Ok(()) };
        let told = self.tell_partitions(slot, &decided).await;
        let mut live = slot.enter()?;
        live.completing.remove(transactional_id);
        told?;
        // Nothing else moves a transaction out of its decision.
        if let Some(next) = decided.completed((self.clock)()) {
            self.append(slot, &mut live, transactional_id, Some(next))?;
        }
        Ok(())
    }

    async fn tell_partitions(&self, slot: &Slot, decided: &Transaction) -> Result<(), ErrorCode> {
        let Some(outcome) = decided.state.decided() else { return Ok(()) };
        // Whoever decided may have given up waiting for the disk.
        let end = slot.enter()?.end;
        slot.log.await_durable(end).await?;
        let end = TransactionEnd {
            producer_id: decided.producer_id,
            epoch: decided.epoch,
            outcome,
            decided_by: Decider::Coordinator(slot.log.index),
            version: decided.client_version,
        };
        let all = decided.partitions.iter();
        for (topic, index) in
            all.flat_map(|(topic, indexes)| indexes.iter().map(move |index| (topic, *index)))
        {
            match self.partitions.append_marker(topic, index, &end) {
                Ok(()) => {}
                // Nothing of the transaction is left there to be ended.
                Err(error @ (NotTold::Gone | NotTold::Overtaken(_))) => {
                    debug!(topic, partition = index.0, %error, "not told how a transaction ended");
                }
                Err(error) => {
                    error!(topic, partition = index.0, %error, "could not end a transaction");
                    return Err(error.code());
                }
            }
        }
        self.partitions.make_durable(&decided.partitions).await.map_err(|error| error.code())
    }
}

impl Live {
    /// The decided transaction, unless somebody is telling its partitions already.
    fn begin_completing(&mut self, transactional_id: &str) -> Option<Transaction> {
        let decided = self.transactions.get(transactional_id).filter(|one| one.state.decided().is_some())?;
        self.completing.insert(transactional_id.to_owned()).then(|| decided.clone())
    }
}

// The API.

impl TransactionCoordinator {
    /// InitProducerId with a transactional id. An open transaction is aborted first.
    ///
    /// # Errors
    /// INVALID_REQUEST for an empty id; INVALID_TRANSACTION_TIMEOUT; those of [`Transaction::init`];
    /// COORDINATOR_NOT_AVAILABLE if the disk does not take it.
    pub async fn init(
        &self,
        transactional_id: &str,
        init: Init,
    ) -> Result<(ProducerId, ProducerEpoch), ErrorCode> {
        if transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        if !(1..=self.config.timeout_max_ms).contains(&init.timeout_ms) {
            return Err(ErrorCode::InvalidTransactionTimeout);
        }
        let slot = self.slot(transactional_id);
        let mut fresh = None;
        for _ in 0..ROUNDS_MAX {
            let (step, end) = self.init_step(slot, transactional_id, &init, fresh)?;
            match step {
                InitStep::Ready(_) | InitStep::Again => {
                    slot.log.await_durable(end).await?;
                    return self.identity(transactional_id);
                }
                InitStep::NeedsId => fresh = Some(self.new_producer_id().await?),
                InitStep::AbortFirst(_) => {
                    slot.log.await_durable(end).await?;
                    self.complete(transactional_id).await?;
                }
            }
        }
        Err(ErrorCode::ConcurrentTransactions)
    }

    /// One look at the state, and what follows from it in place; also the end of the log then.
    fn init_step(
        &self,
        slot: &Slot,
        transactional_id: &str,
        init: &Init,
        fresh: Option<ProducerId>,
    ) -> Result<(InitStep, Offset), ErrorCode> {
        let mut live = slot.enter()?;
        let step = Transaction::init(live.transactions.get(transactional_id), init, fresh, (self.clock)())?;
        if let InitStep::Ready(next) | InitStep::AbortFirst(next) = &step {
            self.append(slot, &mut live, transactional_id, Some(next.clone()))?;
        }
        Ok((step, live.end))
    }

    async fn new_producer_id(&self) -> Result<ProducerId, ErrorCode> {
        self.ids.allocate().await.map_err(|error| {
            warn!(%error, "no producer id given out");
            ErrorCode::CoordinatorNotAvailable
        })
    }

    fn identity(&self, transactional_id: &str) -> Result<(ProducerId, ProducerEpoch), ErrorCode> {
        let live = self.slot(transactional_id).enter()?;
        let known = live.transactions.get(transactional_id).ok_or(ErrorCode::InvalidProducerIdMapping)?;
        Ok((known.producer_id, known.epoch))
    }

    /// Does `act` while `partitions` are part of the open transaction of `producer` and it cannot end.
    ///
    /// # Errors
    /// Those of [`Transaction::add`] or [`Transaction::verify`]; `act` was not done then.
    pub fn enlist<T>(
        &self,
        producer: &Producer,
        partitions: &[(&str, PartitionIndex)],
        how: Enlist,
        client_version: i16,
        act: impl FnOnce() -> T,
    ) -> Result<T, ErrorCode> {
        let slot = self.slot(&producer.transactional_id);
        let mut live = slot.enter()?;
        let known = live.transactions.get(&producer.transactional_id);
        let known = known.ok_or(ErrorCode::InvalidProducerIdMapping)?;
        match how {
            Enlist::Verify => known.verify(producer, partitions)?,
            Enlist::Add => {
                if let Some(next) = known.add(producer, partitions, client_version, (self.clock)())? {
                    self.append(slot, &mut live, &producer.transactional_id, Some(next))?;
                }
            }
        }
        Ok(act())
    }

    /// EndTxn: decides the transaction and tells its partitions; gives the id and epoch to go on with. Once started it
    /// is to be run to its end.
    ///
    /// # Errors
    /// Those of [`Transaction::end`]; COORDINATOR_NOT_AVAILABLE if the disk does not take the decision. If it did, but
    /// a partition could not be told yet, the outcome stands and is completed later: CONCURRENT_TRANSACTIONS until
    /// then, which clients take for "ask again".
    pub async fn end(
        &self,
        producer: &Producer,
        outcome: Outcome,
        version: i16,
    ) -> Result<(ProducerId, ProducerEpoch), ErrorCode> {
        let slot = self.slot(&producer.transactional_id);
        if outcome == Outcome::Commit {
            self.make_data_durable(slot, &producer.transactional_id).await?;
        }
        let mut fresh = None;
        let (next, end) = loop {
            match self.end_step(slot, producer, outcome, version, fresh)? {
                (EndStep::Decided(next), end) => break (next, end),
                (EndStep::Again, _) => return self.identity(&producer.transactional_id),
                (EndStep::NeedsId, _) => fresh = Some(self.new_producer_id().await?),
            }
        };
        slot.log.await_durable(end).await?;
        if let Err(error) = self.complete(&producer.transactional_id).await {
            warn!(
                transactional_id = producer.transactional_id,
                error = error.name(),
                "not completed, trying later"
            );
            return Err(ErrorCode::ConcurrentTransactions);
        }
        debug!(transactional_id = producer.transactional_id, ?outcome, "transaction ended");
        let after = next.completed(next.updated).unwrap_or(next);
        Ok((after.producer_id, after.epoch))
    }

    /// Before a commit is decided, all that it commits is durable.
    async fn make_data_durable(&self, slot: &Slot, transactional_id: &str) -> Result<(), ErrorCode> {
        let partitions = {
            let live = slot.enter()?;
            let open = live.transactions.get(transactional_id).filter(|one| one.state == State::Ongoing);
            open.map(|one| one.partitions.clone()).unwrap_or_default()
        };
        self.partitions.make_durable(&partitions).await.map_err(|error| error.code())
    }

    fn end_step(
        &self,
        slot: &Slot,
        producer: &Producer,
        outcome: Outcome,
        version: i16,
        fresh: Option<ProducerId>,
    ) -> Result<(EndStep, Offset), ErrorCode> {
        let mut live = slot.enter()?;
        let known = live.transactions.get(&producer.transactional_id);
        let known = known.ok_or(ErrorCode::InvalidProducerIdMapping)?;
        let step = known.end(producer, outcome, version, fresh, (self.clock)())?;
        if let EndStep::Decided(next) = &step {
            self.append(slot, &mut live, &producer.transactional_id, Some(next.clone()))?;
        }
        Ok((step, live.end))
    }

    /// WriteTxnMarkers, for one partition: ends a producer's transaction there, whatever its coordinator says. Waits
    /// until that survives power loss.
    ///
    /// # Errors
    /// [`NotTold::code`].
    pub async fn write_marker(
        &self,
        topic: &str,
        partition: PartitionIndex,
        end: &TransactionEnd,
    ) -> Result<(), ErrorCode> {
        self.partitions.append_marker(topic, partition, end).map_err(|error| error.code())?;
        let single = Partitions::from([(topic.to_owned(), BTreeSet::from([partition]))]);
        self.partitions.make_durable(&single).await.map_err(|error| error.code())
    }

    /// DescribeTransactions, for one id.
    ///
    /// # Errors
    /// TRANSACTIONAL_ID_NOT_FOUND.
    pub fn describe(&self, transactional_id: &str) -> Result<Transaction, ErrorCode> {
        let live = self.slot(transactional_id).enter()?;
        live.transactions.get(transactional_id).cloned().ok_or(ErrorCode::TransactionalIdNotFound)
    }

    /// Every transactional id that `which` lets pass, by name.
    ///
    /// # Errors
    /// COORDINATOR_NOT_AVAILABLE, rather than a list that lacks some.
    pub fn list(
        &self,
        which: impl Fn(&str, &Transaction, TimestampMs) -> bool,
    ) -> Result<Vec<Described>, ErrorCode> {
        let now = (self.clock)();
        let mut listed = Vec::new();
        for slot in &self.slots {
            let live = slot.enter()?;
            let chosen = live.transactions.iter().filter(|(id, transaction)| which(id, transaction, now));
            listed.extend(chosen.map(|(id, transaction)| Described {
                transactional_id: id.clone(),
                transaction: transaction.clone(),
            }));
        }
        listed.sort_unstable_by(|a, b| a.transactional_id.cmp(&b.transactional_id));
        Ok(listed)
    }
}
