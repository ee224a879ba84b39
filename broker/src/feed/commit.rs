//! Commits steps: results, the journal's record and input offsets in one transaction, without a socket.
//!
//! ```text
//! InitProducerId ─▶ { AddPartitions, append results + journal, TxnOffsetCommit } ─▶ EndTxn ─▶ next step
//!       ▲                                        │ anything went wrong
//!       └── the journal says whether it stands ◀─┘
//! ```
//! A step is written whole or not at all, and only once: after a failure InitProducerId ends what was begun, in whichever
//! way it was decided, and the journal tells whether the step is among what was committed.
//!
//! Runs beside the feed, which goes on learning meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::records::control::Outcome;
use protocol::types::{Epoch, Offset, PartitionIndex, TimestampMs};
use storage::{AppendError, AppendOptions};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::outgoing::Outgoing;
use super::output::{Batches, lay_out};
use super::step::Step;
use super::{GROUP, journal, member};
use crate::catalog::{CatalogError, OFFSETS_TOPIC, STEPS_TOPIC};
use crate::coordinator::group::requests::{CommitPartition, CommitRequest, CommitTopic};
use crate::coordinator::transaction::Enlist;
use crate::coordinator::transaction::state::{EPOCH_BUMPS_SINCE, Init, Producer};
use crate::handlers::Cx;

/// Who the recommender is to the transaction coordinator.
pub(crate) const TRANSACTIONAL_ID: &str = "kindred-recommender";
/// How long a transaction may stay open: a commit takes milliseconds.
const TIMEOUT_MS: i32 = 60_000;
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_millis(200);
/// How long to wait for what passes by itself: a rebalance, the end of a transaction.
const RETRY_SOON: Duration = Duration::from_millis(5);

/// How far commits have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Committed {
    /// The last step that stands.
    pub(super) sequence: u64,
    /// The offset behind it in the journal.
    pub(super) journal_end: Offset,
}

/// Why a step was not committed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    #[error("{0}")]
    Topic(#[from] CatalogError),
    #[error("{topic}-{partition}: {error}")]
    Append { topic: String, partition: PartitionIndex, error: AppendError },
    #[error("{0}")]
    Journal(#[from] storage::ReadError),
    #[error("the step cannot be written down: {0}")]
    Entry(#[from] serde_json::Error),
    #[error("{} ({})", .0.message(), .0.name())]
    Refused(ErrorCode),
    #[error("not a member of the group yet")]
    NoMember,
}

impl CommitError {
    /// Whether it passes by itself: the member is about to have a new generation or id, or what was decided is being
    /// told.
    fn is_passing(&self) -> bool {
        let Self::Refused(code) = self else { return matches!(self, Self::NoMember) };
        matches!(
            code,
            ErrorCode::IllegalGeneration
                | ErrorCode::RebalanceInProgress
                | ErrorCode::UnknownMemberId
                | ErrorCode::ConcurrentTransactions
        )
    }
}

impl From<ErrorCode> for CommitError {
    fn from(code: ErrorCode) -> Self {
        Self::Refused(code)
    }
}

/// Makes the transactions.
pub(super) struct Committer {
    cx: Arc<Cx>,
    member: member::Identity,
    stop: CancellationToken,
    /// `None` before the first transaction and after a failure.
    producer: Option<Producer>,
    committed: Committed,
}

impl Committer {
    pub(super) fn new(cx: Arc<Cx>, member: member::Identity, stop: CancellationToken) -> Self {
        Self { cx, member, stop, producer: None, committed: Committed::default() }
    }

    /// Fences whoever wrote before, and ends what was left open; returns once nothing of it is. `false` if stopped.
    ///
    /// Where nobody ever wrote, it is left to the first step: a broker without events has no topics for it.
    pub(super) async fn begin(&mut self) -> bool {
        if self.cx.transactions.describe(TRANSACTIONAL_ID) == Err(ErrorCode::TransactionalIdNotFound) {
            return true;
        }
        while let Err(error) = self.init().await {
            let pause = match error {
                // What was left is being ended.
                ErrorCode::ConcurrentTransactions => RETRY_SOON,
                error => {
                    warn!(error = error.name(), "the recommender has no producer id yet, trying again");
                    RETRY
                }
            };
            if self.pause(pause).await {
                return false;
            }
        }
        true
    }

    /// Says how far an earlier life had come.
    pub(super) fn resume(&mut self, committed: Committed) {
        self.committed = committed;
    }

    /// Commits what comes until there is no more; `done` tells how far.
    pub(super) async fn run(mut self, mut steps: mpsc::Receiver<Step>, done: watch::Sender<Committed>) {
        while let Some(step) = steps.recv().await {
            if !self.commit(&step).await {
                return;
            }
            done.send_replace(self.committed);
        }
    }

    /// Tries until the step stands; `false` if stopped before.
    async fn commit(&mut self, step: &Step) -> bool {
        loop {
            let pause = match self.attempt(step).await {
                Ok(()) => return true,
                Err(error) if error.is_passing() => {
                    debug!(%error, "results not committed yet");
                    RETRY_SOON
                }
                Err(error) => {
                    warn!(%error, "results not committed, trying again");
                    RETRY
                }
            };
            if self.pause(pause).await {
                return false;
            }
        }
    }

    /// Waits before another try; `true` if there should be none.
    async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = self.stop.cancelled() => true,
        }
    }

    async fn init(&mut self) -> Result<(), ErrorCode> {
        let init =
            Init { timeout_ms: TIMEOUT_MS.min(self.cx.config.transaction_max_timeout_ms), expected: None };
        let mut begun = self.cx.transactions.init(TRANSACTIONAL_ID, init).await;
        if begun == Err(ErrorCode::ConcurrentTransactions) {
            // What was decided is still to be told: nobody has to wait until it is looked for.
            self.cx.transactions.sweep().await;
            begun = self.cx.transactions.init(TRANSACTIONAL_ID, init).await;
        }
        let (id, epoch) = begun?;
        self.producer = Some(Producer { transactional_id: TRANSACTIONAL_ID.to_owned(), id, epoch });
        Ok(())
    }

    async fn attempt(&mut self, step: &Step) -> Result<(), CommitError> {
        let member = self.member.borrow().clone().ok_or(CommitError::NoMember)?;
        if self.producer.is_none() {
            self.init().await?;
            self.look_up_committed()?;
            if self.committed.sequence >= step.entry.sequence {
                return Ok(());
            }
        }
        // Unless all goes well, the next attempt begins with a new epoch.
        let Some(producer) = self.producer.take() else { return Err(CommitError::NoMember) };
        // Missing topics are made, which blocks on the disk.
        let journal_end = tokio::task::block_in_place(|| self.write(&producer, step, &member))?;
        let ended = self.cx.transactions.end(&producer, Outcome::Commit, EPOCH_BUMPS_SINCE).await;
        let (id, epoch) = ended?;
        self.producer = Some(Producer { id, epoch, ..producer });
        self.committed = Committed { sequence: step.entry.sequence, journal_end };
        Ok(())
    }

    /// Writes all of a step. Returns the end of the journal.
    fn write(
        &self,
        producer: &Producer,
        step: &Step,
        member: &member::Joined,
    ) -> Result<Offset, CommitError> {
        let entry = serde_json::to_vec(&step.entry)?;
        let now = self.cx.env.clock.now();
        let journal = [journal_record(entry, now)];
        let mut batches = lay_out(&self.cx.catalog, producer, &step.records, now)?;
        batches.extend(lay_out(&self.cx.catalog, producer, &journal, now)?);
        self.append(producer, &batches, &self.offsets(step, member))
    }

    /// Looks in the journal for what was committed without our being told.
    fn look_up_committed(&mut self) -> Result<(), CommitError> {
        let committed = &mut self.committed;
        journal::read(&self.cx.catalog, committed.journal_end, |entry, end| {
            *committed = Committed { sequence: entry.sequence, journal_end: end };
        })?;
        Ok(())
    }

    /// Appends all of a step while its transaction cannot end. Returns the end of the journal.
    fn append(
        &self,
        producer: &Producer,
        batches: &Batches<'_>,
        offsets: &CommitRequest,
    ) -> Result<Offset, CommitError> {
        let mut partitions: Vec<_> = batches.keys().copied().collect();
        if !offsets.topics.is_empty() {
            partitions.push((OFFSETS_TOPIC, self.cx.groups.partition_for(GROUP)));
        }
        let append = || -> Result<Offset, CommitError> {
            let mut journal_end = Offset(0);
            for ((topic, partition), batches) in batches {
                for batch in batches {
                    let end = self.append_batch(topic, *partition, batch)?;
                    if *topic == STEPS_TOPIC {
                        journal_end = end;
                    }
                }
            }
            if offsets.topics.is_empty() {
                return Ok(journal_end);
            }
            let committed = self.cx.groups.commit_in_transaction(offsets, (producer.id, producer.epoch));
            let refused =
                committed.topics.iter().flat_map(|topic| &topic.partitions).find(|(_, error)| !error.is_ok());
            refused.map_or(Ok(journal_end), |(_, error)| Err(CommitError::Refused(*error)))
        };
        self.cx.transactions.enlist(producer, &partitions, Enlist::Add, EPOCH_BUMPS_SINCE, append)?
    }

    /// Appends a batch; returns the offset behind it.
    fn append_batch(
        &self,
        topic: &str,
        partition: PartitionIndex,
        batch: &[u8],
    ) -> Result<Offset, CommitError> {
        let found = self.cx.catalog.topic(topic).and_then(|topic| topic.partition(partition).cloned());
        let failed = |error| CommitError::Append { topic: topic.to_owned(), partition, error };
        let found = found.ok_or_else(|| failed(AppendError::Closed))?;
        match found.append(batch, &AppendOptions::internal(self.cx.env.clock.now())) {
            Ok(appended) => Ok(appended.last_offset.next()),
            // A list too large for its topic must not stop all others.
            Err(error @ (AppendError::TooLarge { .. } | AppendError::SetTooLarge { .. }))
                if topic != STEPS_TOPIC =>
            {
                warn!(topic, %error, "results not written");
                Ok(Offset(0))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// How far a step read. Topics that were deleted meanwhile have nothing to be committed.
    fn offsets(&self, step: &Step, member: &member::Joined) -> CommitRequest {
        let mut topics: HashMap<&str, Vec<CommitPartition>> = HashMap::new();
        for (input, span) in step.inputs.iter().zip(&step.entry.inputs) {
            let topic = self.cx.catalog.topic(&input.topic).filter(|topic| topic.id == input.topic_id);
            if topic.is_some() {
                topics.entry(&input.topic).or_default().push(CommitPartition {
                    partition: input.partition,
                    offset: Offset(span.to),
                    leader_epoch: Epoch::NONE,
                    metadata: None,
                    committed_at: None,
                });
            }
        }
        let topics =
            topics.into_iter().map(|(topic, partitions)| CommitTopic { topic: topic.to_owned(), partitions });
        CommitRequest {
            group_id: GROUP.to_owned(),
            generation: member.generation,
            member_id: member.member_id.clone(),
            group_instance_id: Some(member::INSTANCE.to_owned()),
            transactional: true,
            topics: topics.collect(),
            ..CommitRequest::default()
        }
    }
}

fn journal_record(entry: Vec<u8>, now: TimestampMs) -> Outgoing {
    Outgoing { topic: STEPS_TOPIC.into(), timestamp: now, key: None, value: Some(entry), headers: Vec::new() }
}
