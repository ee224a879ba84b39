//! `__consumer_offsets` and `__transaction_state` for their coordinators: compacted topics like any other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::records::{Batch, Batches};
use protocol::types::{Offset, PartitionIndex};
use storage::{AppendError, AppendOptions, Env};

use crate::catalog::{Catalog, NewTopic, OFFSETS_TOPIC, TRANSACTIONS_TOPIC, Topic};
use crate::config::ServerConfig;
use crate::coordinator::{BoxFuture, CoordinatorLog, CoordinatorLogError};
use crate::partitions::{Partition, Syncer};

/// Read at once at start-up.
const READ_BYTES: usize = 4 << 20;
/// How long an answer may wait for its sync before the client is told to try again.
const SYNC_PATIENCE: Duration = Duration::from_secs(30);

/// A coordinator's topic. It is made at the first write, so that a broker nobody uses for groups or transactions has
/// no such directory. With `log.acks.all.sync` what was answered survives power loss, as a record acknowledged with
/// acks=all does.
pub(crate) struct InternalTopic {
    name: &'static str,
    /// If it has to be made.
    partitions: i32,
    segment_bytes: i32,
    catalog: Arc<Catalog>,
    syncer: Syncer,
    env: Env,
    config: Arc<ServerConfig>,
}

impl InternalTopic {
    /// `__consumer_offsets`, by the `offsets.topic.…` settings if it has to be made.
    pub(crate) fn offsets(
        catalog: Arc<Catalog>,
        syncer: Syncer,
        env: Env,
        config: Arc<ServerConfig>,
    ) -> Self {
        let (partitions, segment_bytes) =
            (config.offsets_topic_num_partitions, config.offsets_topic_segment_bytes);
        Self { name: OFFSETS_TOPIC, partitions, segment_bytes, catalog, syncer, env, config }
    }

    /// `__transaction_state`, by the `transaction.state.log.…` settings if it has to be made.
    pub(crate) fn transactions(
        catalog: Arc<Catalog>,
        syncer: Syncer,
        env: Env,
        config: Arc<ServerConfig>,
    ) -> Self {
        let partitions = config.transaction_state_log_num_partitions;
        let segment_bytes = config.transaction_state_log_segment_bytes;
        Self { name: TRANSACTIONS_TOPIC, partitions, segment_bytes, catalog, syncer, env, config }
    }

    /// How many partitions it has, or will have.
    pub(crate) fn partition_count(&self) -> i32 {
        let existing = self.catalog.topic(self.name);
        existing.map_or(self.partitions, |topic| i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX))
    }

    fn topic(&self) -> Result<Arc<Topic>, CoordinatorLogError> {
        if let Some(topic) = self.catalog.topic(self.name) {
            return Ok(topic);
        }
        let mut new = NewTopic::compacted(self.name, self.partitions);
        new.configs.insert("segment.bytes".to_owned(), self.segment_bytes.to_string());
        let made = self.catalog.create(new).or_else(|error| self.catalog.topic(self.name).ok_or(error));
        made.map_err(unavailable)
    }

    fn partition(&self, index: PartitionIndex) -> Result<Arc<Partition>, CoordinatorLogError> {
        let topic = self.topic()?;
        topic
            .partition(index)
            .cloned()
            .ok_or_else(|| unavailable(format!("partition {index} does not exist")))
    }
}

fn unavailable(error: impl std::fmt::Display) -> CoordinatorLogError {
    CoordinatorLogError::Unavailable(error.to_string())
}

impl CoordinatorLog for InternalTopic {
    fn append(&self, partition: PartitionIndex, batch: Bytes) -> Result<Offset, CoordinatorLogError> {
        let partition = self.partition(partition)?;
        let appended = partition.append(&batch, &AppendOptions::internal(self.env.clock.now()));
        let appended = appended.map_err(|error| match error {
            AppendError::TooLarge { .. } | AppendError::SetTooLarge { .. } => CoordinatorLogError::TooLarge,
            error => unavailable(error),
        })?;
        Ok(appended.last_offset.next())
    }

    fn durable(
        &self,
        partition: PartitionIndex,
        end: Offset,
    ) -> BoxFuture<'_, Result<(), CoordinatorLogError>> {
        Box::pin(async move {
            if !self.config.log_acks_all_sync {
                return Ok(());
            }
            let partition = self.partition(partition)?;
            self.syncer.request(&partition);
            partition.durable(end, SYNC_PATIENCE).await.map_err(unavailable)
        })
    }

    fn read_all(
        &self,
        partition: PartitionIndex,
        visit: &mut dyn FnMut(Batch<'_>),
    ) -> Result<Offset, CoordinatorLogError> {
        let Some(topic) = self.catalog.topic(self.name) else { return Ok(Offset(0)) };
        let Some(partition) = topic.partition(partition) else { return Ok(Offset(0)) };
        let marks = partition.log().marks();
        let mut next = marks.start();
        while next < marks.end() {
            let read = partition.log().read(next, READ_BYTES, true, marks.end()).map_err(unavailable)?;
            for batch in Batches::new(&read.records) {
                visit(batch.map_err(unavailable)?);
            }
            next = read.next_offset;
        }
        Ok(marks.end())
    }
}
