//! One transactional id: its producer, its transaction, and what each request makes of them.
//!
//! Pure: every function looks at a [`Transaction`] and gives the next one, or says why not. The coordinator appends
//! what it was given and only then puts it in place, so what is in the log is what is believed.
//!
//! ```text
//!            init                 add               end               markers written
//!  (none) ────────▶ Empty ──────────────▶ Ongoing ──────▶ PrepareCommit ────────────▶ CompleteCommit
//!                     ▲  ▲                   │   └──────▶ PrepareAbort ─────────────▶ CompleteAbort
//!                     │  └─ init ────────────┼── time-out, init of a new producer ─┘        │
//!                     └──────────────────────┴──────────────── init ────────────────────────┘
//! ```
//! From `Complete…` an `add` begins the next transaction. Between `Prepare…` and `Complete…` all else waits
//! (CONCURRENT_TRANSACTIONS): the outcome stands, and is being told to the partitions.
//!
//! # Epochs
//! A producer's epoch grows when it initialises, when its transaction is aborted behind its back, and, with
//! transaction version 2 (KIP-890), with every end of a transaction. Markers carry the grown epoch, so nothing that
//! the producer sent before can reach the partition after them. A producer id whose epochs are used up is exchanged.
//!
//! # Source
//! KIP-98, KIP-360 (epoch bumps by the producer), KIP-890 (version 2); `TransactionMetadata` and
//! `TransactionCoordinator` in Apache Kafka 4.x. Unlike there, a transaction aborted from outside goes straight to
//! `PrepareAbort` with its epoch raised once; the state `PrepareEpochFence`, which never is in the log, is not needed.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ErrorCode;
use protocol::records::control::Outcome;
use protocol::types::{PartitionIndex, ProducerEpoch, ProducerId, TimestampMs};

/// From this epoch on a producer id is exchanged for a new one: clients never see the last epoch.
const EXHAUSTED_FROM: ProducerEpoch = ProducerEpoch(i16::MAX - 1);
/// The first transaction version whose every end raises the epoch (KIP-890).
pub const EPOCH_BUMPS_SINCE: i16 = 2;

/// Partitions by topic.
pub type Partitions = BTreeMap<String, BTreeSet<PartitionIndex>>;

/// Where a transactional id stands. The numbers are those of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum State {
    /// A producer has initialised and begun nothing.
    Empty = 0,
    /// A transaction is open.
    Ongoing = 1,
    /// It is committed, and its partitions are being told.
    PrepareCommit = 2,
    /// It is aborted, and its partitions are being told.
    PrepareAbort = 3,
    /// It is committed.
    CompleteCommit = 4,
    /// It is aborted.
    CompleteAbort = 5,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];

    /// Kafka's name, as tools print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// The state with this number in the log.
    #[must_use]
    pub fn from_number(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i8 == number)
    }

    /// The outcome that is being told to the partitions, if one is.
    #[must_use]
    pub fn decided(self) -> Option<Outcome> {
        match self {
            Self::PrepareCommit => Some(Outcome::Commit),
            Self::PrepareAbort => Some(Outcome::Abort),
            _ => None,
        }
    }
}

/// A transactional id's producer and transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The producer.
    pub producer_id: ProducerId,
    /// The producer id before the last exchange; [`ProducerId::NONE`] if there was none.
    pub previous_producer_id: ProducerId,
    /// The producer id to take when the transaction is complete; [`ProducerId::NONE`] to keep the present one.
    pub next_producer_id: ProducerId,
    /// The producer's epoch.
    pub epoch: ProducerEpoch,
    /// The epoch before, if a request that carries it is a retry of the one that raised it. Not in the log: after a
    /// restart such a retry is refused, unless it ends a transaction of version 2.
    pub last_epoch: ProducerEpoch,
    /// How long a transaction may stay open, in milliseconds.
    pub timeout_ms: i32,
    /// Where it stands.
    pub state: State,
    /// The partitions of the transaction, as long as it is not complete.
    pub partitions: Partitions,
    /// When the transaction began; [`TimestampMs::NONE`] before the first.
    pub started: TimestampMs,
    /// When anything last changed.
    pub updated: TimestampMs,
    /// The transaction version that the client speaks: 0 (KIP-98) or 2 (KIP-890).
    pub client_version: i16,
}

/// Who asks: a producer as it sees itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Its transactional id.
    pub transactional_id: String,
    /// Its producer id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
}

impl Producer {
    /// A producer as a request names it.
    pub fn new(transactional_id: impl Into<String>, id: i64, epoch: i16) -> Self {
        Self { transactional_id: transactional_id.into(), id: ProducerId(id), epoch: ProducerEpoch(epoch) }
    }
}

/// What InitProducerId asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Init {
    /// How long a transaction may stay open, in milliseconds.
    pub timeout_ms: i32,
    /// The id and epoch that the producer has and would go on with (KIP-360).
    pub expected: Option<(ProducerId, ProducerEpoch)>,
}

/// What follows from InitProducerId.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitStep {
    /// To be put in place; the producer gets its id and epoch.
    Ready(Transaction),
    /// Nothing changes: an answer that was lost, given again.
    Again,
    /// Ask again with a producer id that nobody had.
    NeedsId,
    /// A transaction is open: abort it by putting this in place, then ask again.
    AbortFirst(Transaction),
}

/// What follows from EndTxn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndStep {
    /// To be put in place; then the partitions are told.
    Decided(Transaction),
    /// Nothing changes: it has ended so before.
    Again,
    /// Ask again with a producer id that nobody had.
    NeedsId,
}

impl Transaction {
    /// What a producer gets that says hello under a transactional id that nobody used.
    fn first(producer_id: ProducerId, timeout_ms: i32, now: TimestampMs) -> Self {
        Self {
            producer_id,
            previous_producer_id: ProducerId::NONE,
            next_producer_id: ProducerId::NONE,
            epoch: ProducerEpoch(0),
            last_epoch: ProducerEpoch::NONE,
            timeout_ms,
            state: State::Empty,
            partitions: Partitions::new(),
            started: TimestampMs::NONE,
            updated: now,
            client_version: 0,
        }
    }

    fn is_exhausted(&self) -> bool {
        self.epoch >= EXHAUSTED_FROM
    }

    /// Whether `partition` is part of the transaction.
    #[must_use]
    pub fn contains(&self, topic: &str, partition: PartitionIndex) -> bool {
        self.partitions.get(topic).is_some_and(|partitions| partitions.contains(&partition))
    }

    /// InitProducerId of the transactional id whose state is `known`. `fresh`: a producer id that nobody had, once
    /// [`InitStep::NeedsId`] asked for it.
    ///
    /// # Errors
    /// CONCURRENT_TRANSACTIONS while a transaction's partitions are told how it ended; PRODUCER_FENCED if the
    /// producer expects an id or epoch that somebody has overtaken.
    pub fn init(
        known: Option<&Self>,
        init: &Init,
        fresh: Option<ProducerId>,
        now: TimestampMs,
    ) -> Result<InitStep, ErrorCode> {
        let Some(known) = known else {
            return Ok(
                fresh.map_or(InitStep::NeedsId, |id| InitStep::Ready(Self::first(id, init.timeout_ms, now)))
            );
        };
        if known.state.decided().is_some() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        if init.expected.is_some_and(|(id, epoch)| !known.may_go_on(id, epoch)) {
            return Err(ErrorCode::ProducerFenced);
        }
        if known.state == State::Ongoing {
            return Ok(InitStep::AbortFirst(known.aborted_from_outside(now)));
        }
        let expected = init.expected.map(|(_, epoch)| epoch);
        if known.is_exhausted() && expected.is_none_or(|epoch| epoch == known.epoch) {
            return Ok(fresh.map_or(InitStep::NeedsId, |id| {
                let last_epoch = if expected.is_some() { known.epoch } else { ProducerEpoch::NONE };
                let next =
                    Self { previous_producer_id: known.producer_id, last_epoch, ..known.empty(init, now) };
                InitStep::Ready(Self { producer_id: id, epoch: ProducerEpoch(0), ..next })
            }));
        }
        let last_epoch = match expected {
            // Any other producer of this transactional id is fenced from now on.
            None => ProducerEpoch::NONE,
            Some(epoch) if epoch == known.epoch => epoch,
            Some(epoch) if epoch == known.last_epoch => return Ok(InitStep::Again),
            Some(_) => return Err(ErrorCode::ProducerFenced),
        };
        let epoch = ProducerEpoch(known.epoch.0 + 1);
        Ok(InitStep::Ready(Self { epoch, last_epoch, ..known.empty(init, now) }))
    }

    /// Whether a producer with this id and epoch may be the one that goes on, perhaps with an answer lost.
    fn may_go_on(&self, id: ProducerId, epoch: ProducerEpoch) -> bool {
        id == self.producer_id || (id == self.previous_producer_id && epoch >= EXHAUSTED_FROM)
    }

    /// The same producer with nothing begun.
    fn empty(&self, init: &Init, now: TimestampMs) -> Self {
        Self {
            state: State::Empty,
            partitions: Partitions::new(),
            next_producer_id: ProducerId::NONE,
            timeout_ms: init.timeout_ms,
            started: TimestampMs::NONE,
            updated: now,
            ..self.clone()
        }
    }

    /// The open transaction, aborted by somebody other than its producer, who is fenced by it.
    #[must_use]
    pub fn aborted_from_outside(&self, now: TimestampMs) -> Self {
        Self {
            epoch: ProducerEpoch(self.epoch.0.saturating_add(1)),
            last_epoch: ProducerEpoch::NONE,
            state: State::PrepareAbort,
            updated: now,
            ..self.clone()
        }
    }

    /// Whether the transaction has been open for longer than its producer allowed itself.
    #[must_use]
    pub fn is_overdue(&self, now: TimestampMs) -> bool {
        self.state == State::Ongoing && now.0.saturating_sub(self.started.0) > i64::from(self.timeout_ms)
    }

    /// Whether nothing is open and nothing changed for `expiration_ms`.
    #[must_use]
    pub fn is_expired(&self, expiration_ms: i64, now: TimestampMs) -> bool {
        let idle = matches!(self.state, State::Empty | State::CompleteCommit | State::CompleteAbort);
        idle && now.0.saturating_sub(self.updated.0) >= expiration_ms
    }

    /// Whether `producer` is the one that this transactional id belongs to now.
    fn check_producer(&self, producer: &Producer) -> Result<(), ErrorCode> {
        if producer.id != self.producer_id {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if producer.epoch != self.epoch {
            return Err(ErrorCode::ProducerFenced);
        }
        if self.state.decided().is_some() {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        Ok(())
    }

    /// Makes partitions part of the transaction, beginning one if none is open; `None` if they are in it already.
    ///
    /// # Errors
    /// INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS.
    pub fn add(
        &self,
        producer: &Producer,
        partitions: &[(&str, PartitionIndex)],
        client_version: i16,
        now: TimestampMs,
    ) -> Result<Option<Self>, ErrorCode> {
        self.check_producer(producer)?;
        let open = self.state == State::Ongoing;
        if open && partitions.iter().all(|(topic, partition)| self.contains(topic, *partition)) {
            return Ok(None);
        }
        let mut next = Self { state: State::Ongoing, updated: now, client_version, ..self.clone() };
        if !open {
            next.started = now;
        }
        for (topic, partition) in partitions {
            match next.partitions.get_mut(*topic) {
                Some(known) => _ = known.insert(*partition),
                None => _ = next.partitions.insert((*topic).to_owned(), BTreeSet::from([*partition])),
            }
        }
        Ok(Some(next))
    }

    /// Whether partitions are part of the open transaction of `producer`.
    ///
    /// # Errors
    /// Those of [`Self::add`], and TRANSACTION_ABORTABLE if one is not.
    pub fn verify(
        &self,
        producer: &Producer,
        partitions: &[(&str, PartitionIndex)],
    ) -> Result<(), ErrorCode> {
        self.check_producer(producer)?;
        let all = partitions.iter().all(|(topic, partition)| self.contains(topic, *partition));
        if all { Ok(()) } else { Err(ErrorCode::TransactionAbortable) }
    }

    /// EndTxn. `version`: the transaction version that the request implies. `fresh`: a producer id that nobody had,
    /// once [`EndStep::NeedsId`] asked for it.
    ///
    /// # Errors
    /// INVALID_PRODUCER_ID_MAPPING; PRODUCER_FENCED; CONCURRENT_TRANSACTIONS while the same end is under way;
    /// INVALID_TXN_STATE if there is nothing to end so.
    pub fn end(
        &self,
        producer: &Producer,
        outcome: Outcome,
        version: i16,
        fresh: Option<ProducerId>,
        now: TimestampMs,
    ) -> Result<EndStep, ErrorCode> {
        if version >= EPOCH_BUMPS_SINCE {
            return self.end_and_bump(producer, outcome, version, fresh, now);
        }
        if producer.id != self.producer_id {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if producer.epoch != self.epoch {
            return Err(ErrorCode::ProducerFenced);
        }
        match (self.state, outcome) {
            (State::Ongoing, _) => Ok(EndStep::Decided(self.decided(outcome, version, now))),
            (State::CompleteCommit, Outcome::Commit) | (State::CompleteAbort, Outcome::Abort) => {
                Ok(EndStep::Again)
            }
            (State::PrepareCommit, Outcome::Commit) | (State::PrepareAbort, Outcome::Abort) => {
                Err(ErrorCode::ConcurrentTransactions)
            }
            _ => Err(ErrorCode::InvalidTxnState),
        }
    }

    /// Version 2: every end raises the epoch, so an end with the present epoch is a new one, and one with the epoch
    /// before a retry. A transaction without partitions may be aborted too.
    fn end_and_bump(
        &self,
        producer: &Producer,
        outcome: Outcome,
        version: i16,
        fresh: Option<ProducerId>,
        now: TimestampMs,
    ) -> Result<EndStep, ErrorCode> {
        let exchanged = producer.id == self.previous_producer_id
            && producer.epoch == EXHAUSTED_FROM
            && self.epoch == ProducerEpoch(0);
        if producer.id != self.producer_id && !exchanged {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        let current = producer.id == self.producer_id && producer.epoch == self.epoch;
        let retry = exchanged || (producer.epoch == self.last_epoch && producer.epoch.0 == self.epoch.0 - 1);
        let valid = match self.state {
            State::Empty | State::Ongoing => current,
            State::PrepareCommit | State::PrepareAbort => retry,
            State::CompleteCommit | State::CompleteAbort => retry || current,
        };
        if !valid {
            return Err(ErrorCode::ProducerFenced);
        }
        match (self.state, outcome) {
            (State::Ongoing, _) => Ok(self.decide_and_bump(outcome, version, fresh, now)),
            (State::PrepareCommit, Outcome::Commit) | (State::PrepareAbort, Outcome::Abort) => {
                Err(ErrorCode::ConcurrentTransactions)
            }
            (State::CompleteCommit, Outcome::Commit) | (State::CompleteAbort, Outcome::Abort) if retry => {
                Ok(EndStep::Again)
            }
            (State::Empty | State::CompleteCommit | State::CompleteAbort, Outcome::Abort) if current => {
                Ok(self.decide_and_bump(outcome, version, fresh, now))
            }
            _ => Err(ErrorCode::InvalidTxnState),
        }
    }

    fn decide_and_bump(
        &self,
        outcome: Outcome,
        version: i16,
        fresh: Option<ProducerId>,
        now: TimestampMs,
    ) -> EndStep {
        if self.is_exhausted() && fresh.is_none() {
            return EndStep::NeedsId;
        }
        let started = if self.state == State::Ongoing { self.started } else { now };
        EndStep::Decided(Self {
            epoch: ProducerEpoch(self.epoch.0.saturating_add(1)),
            last_epoch: self.epoch,
            next_producer_id: fresh.filter(|_| self.is_exhausted()).unwrap_or(ProducerId::NONE),
            started,
            ..self.decided(outcome, version, now)
        })
    }

    fn decided(&self, outcome: Outcome, client_version: i16, now: TimestampMs) -> Self {
        let state = match outcome {
            Outcome::Commit => State::PrepareCommit,
            Outcome::Abort => State::PrepareAbort,
        };
        Self { state, client_version, updated: now, ..self.clone() }
    }

    /// The transaction once all its partitions were told; `None` if none is being told.
    #[must_use]
    pub fn completed(&self, now: TimestampMs) -> Option<Self> {
        let state = match self.state.decided()? {
            Outcome::Commit => State::CompleteCommit,
            Outcome::Abort => State::CompleteAbort,
        };
        let next = Self { state, partitions: Partitions::new(), updated: now, ..self.clone() };
        if self.next_producer_id == ProducerId::NONE {
            return Some(next);
        }
        Some(Self {
            producer_id: self.next_producer_id,
            previous_producer_id: self.producer_id,
            next_producer_id: ProducerId::NONE,
            epoch: ProducerEpoch(0),
            ..next
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: TimestampMs = TimestampMs(1_000);
    const P0: (&str, PartitionIndex) = ("t", PartitionIndex(0));

    fn ready(step: Result<InitStep, ErrorCode>) -> Transaction {
        match step {
            Ok(InitStep::Ready(transaction)) => transaction,
            other => panic!("{other:?}"),
        }
    }

    fn new() -> Transaction {
        ready(Transaction::init(None, &init(None), Some(ProducerId(7)), NOW))
    }

    fn init(expected: Option<(i64, i16)>) -> Init {
        Init { timeout_ms: 100, expected: expected.map(|(id, epoch)| (ProducerId(id), ProducerEpoch(epoch))) }
    }

    fn producer(id: i64, epoch: i16) -> Producer {
        Producer::new("id", id, epoch)
    }

    fn ongoing(known: &Transaction, version: i16) -> Transaction {
        let who = producer(known.producer_id.0, known.epoch.0);
        known.add(&who, &[P0], version, NOW).unwrap().unwrap()
    }

    fn decided(step: Result<EndStep, ErrorCode>) -> Transaction {
        match step {
            Ok(EndStep::Decided(transaction)) => transaction,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_producer_begins_adds_commits_and_begins_again() {
        let open = ongoing(&new(), 0);
        assert_eq!((open.state, open.started), (State::Ongoing, NOW));
        assert_eq!(open.add(&producer(7, 0), &[P0], 0, NOW), Ok(None));
        let prepared = decided(open.end(&producer(7, 0), Outcome::Commit, 0, None, NOW));
        assert_eq!((prepared.state, prepared.epoch), (State::PrepareCommit, ProducerEpoch(0)));
        assert!(prepared.contains("t", PartitionIndex(0)));
        // All else waits meanwhile.
        let waits = Err(ErrorCode::ConcurrentTransactions);
        assert_eq!(prepared.add(&producer(7, 0), &[P0], 0, NOW), waits);
        assert_eq!(
            Transaction::init(Some(&prepared), &init(None), None, NOW),
            Err(ErrorCode::ConcurrentTransactions)
        );
        let complete = prepared.completed(NOW).unwrap();
        assert_eq!((complete.state, complete.partitions.len()), (State::CompleteCommit, 0));
        assert_eq!(complete.end(&producer(7, 0), Outcome::Commit, 0, None, NOW), Ok(EndStep::Again));
        assert_eq!(
            complete.end(&producer(7, 0), Outcome::Abort, 0, None, NOW),
            Err(ErrorCode::InvalidTxnState)
        );
        assert_eq!(ongoing(&complete, 0).state, State::Ongoing);
    }

    #[test]
    fn with_version_2_a_late_end_cannot_close_the_next_transaction() {
        let prepared = decided(ongoing(&new(), 2).end(&producer(7, 0), Outcome::Commit, 2, None, NOW));
        assert_eq!((prepared.epoch, prepared.last_epoch), (ProducerEpoch(1), ProducerEpoch(0)));
        let complete = prepared.completed(NOW).unwrap();
        // The answer was lost: the same request again.
        assert_eq!(complete.end(&producer(7, 0), Outcome::Commit, 2, None, NOW), Ok(EndStep::Again));
        assert_eq!(
            complete.end(&producer(7, 0), Outcome::Abort, 2, None, NOW),
            Err(ErrorCode::InvalidTxnState)
        );
        let next = ongoing(&complete, 2);
        assert_eq!(next.end(&producer(7, 0), Outcome::Commit, 2, None, NOW), Err(ErrorCode::ProducerFenced));
        // A transaction to which nothing was added may be aborted too, and costs an epoch.
        let aborted = decided(complete.end(&producer(7, 1), Outcome::Abort, 2, None, NOW));
        assert_eq!((aborted.state, aborted.epoch), (State::PrepareAbort, ProducerEpoch(2)));
    }

    #[test]
    fn a_new_producer_fences_the_old_and_aborts_what_it_left_open() {
        let open = ongoing(&new(), 0);
        let Ok(InitStep::AbortFirst(aborted)) = Transaction::init(Some(&open), &init(None), None, NOW) else {
            panic!("an open transaction is aborted first")
        };
        assert_eq!((aborted.state, aborted.epoch), (State::PrepareAbort, ProducerEpoch(1)));
        let second = ready(Transaction::init(aborted.completed(NOW).as_ref(), &init(None), None, NOW));
        assert_eq!((second.state, second.epoch), (State::Empty, ProducerEpoch(2)));
        for version in [0, 2] {
            let refused = second.end(&producer(7, 0), Outcome::Commit, version, None, NOW);
            assert_eq!(refused, Err(ErrorCode::ProducerFenced), "{version}");
        }
        assert_eq!(second.add(&producer(7, 0), &[P0], 0, NOW), Err(ErrorCode::ProducerFenced));
        assert_eq!(second.add(&producer(8, 2), &[P0], 0, NOW), Err(ErrorCode::InvalidProducerIdMapping));
        // KIP-360: the old one asks to go on with what it had.
        let resumed = Transaction::init(Some(&second), &init(Some((7, 0))), None, NOW);
        assert_eq!(resumed, Err(ErrorCode::ProducerFenced));
    }

    #[test]
    fn a_producer_that_bumps_its_own_epoch_may_ask_twice() {
        let bumped = ready(Transaction::init(Some(&new()), &init(Some((7, 0))), None, NOW));
        assert_eq!((bumped.epoch, bumped.last_epoch), (ProducerEpoch(1), ProducerEpoch(0)));
        let again =
            |known: &Transaction, expected| Transaction::init(Some(known), &init(Some(expected)), None, NOW);
        assert_eq!(again(&bumped, (7, 0)), Ok(InitStep::Again));
        assert_eq!(again(&bumped, (8, 1)), Err(ErrorCode::ProducerFenced));
        let other = ready(Transaction::init(Some(&bumped), &init(None), None, NOW));
        assert_eq!(again(&other, (7, 1)), Err(ErrorCode::ProducerFenced));
    }

    #[test]
    fn a_producer_id_whose_epochs_are_used_up_is_exchanged() {
        let last = Transaction { epoch: EXHAUSTED_FROM, ..new() };
        assert_eq!(Transaction::init(Some(&last), &init(None), None, NOW), Ok(InitStep::NeedsId));
        let fresh = Some(ProducerId(9));
        let exchanged = ready(Transaction::init(Some(&last), &init(None), fresh, NOW));
        assert_eq!((exchanged.producer_id, exchanged.epoch), (ProducerId(9), ProducerEpoch(0)));
        assert_eq!(exchanged.previous_producer_id, ProducerId(7));

        let open = ongoing(&last, 2);
        let who = producer(7, EXHAUSTED_FROM.0);
        assert_eq!(open.end(&who, Outcome::Commit, 2, None, NOW), Ok(EndStep::NeedsId));
        let prepared = decided(open.end(&who, Outcome::Commit, 2, fresh, NOW));
        assert_eq!((prepared.producer_id, prepared.epoch), (ProducerId(7), ProducerEpoch(i16::MAX)));
        let complete = prepared.completed(NOW).unwrap();
        assert_eq!((complete.producer_id, complete.epoch), (ProducerId(9), ProducerEpoch(0)));
        assert_eq!(complete.end(&who, Outcome::Commit, 2, None, NOW), Ok(EndStep::Again));
    }

    #[test]
    fn time_ends_what_is_open_and_forgets_what_is_idle() {
        let open = ongoing(&new(), 2);
        assert!(!open.is_overdue(TimestampMs(1_100)) && open.is_overdue(TimestampMs(1_101)));
        assert!(!open.is_expired(0, TimestampMs(9_000)));
        let complete = open.aborted_from_outside(NOW).completed(NOW).unwrap();
        assert!(!complete.is_overdue(TimestampMs(9_000)));
        assert!(
            complete.is_expired(500, TimestampMs(1_500)) && !complete.is_expired(500, TimestampMs(1_499))
        );
        assert_eq!(
            complete.end(&producer(7, 0), Outcome::Abort, 2, None, NOW),
            Err(ErrorCode::ProducerFenced)
        );
    }

    #[test]
    fn a_partition_that_was_not_added_is_refused() {
        let open = ongoing(&new(), 0);
        assert_eq!(open.verify(&producer(7, 0), &[P0]), Ok(()));
        let other = [P0, ("t", PartitionIndex(1))];
        assert_eq!(open.verify(&producer(7, 0), &other), Err(ErrorCode::TransactionAbortable));
        assert_eq!(
            new().end(&producer(7, 0), Outcome::Commit, 0, None, NOW),
            Err(ErrorCode::InvalidTxnState)
        );
        assert_eq!(
            new().end(&producer(7, 0), Outcome::Commit, 2, None, NOW),
            Err(ErrorCode::InvalidTxnState)
        );
    }
}
