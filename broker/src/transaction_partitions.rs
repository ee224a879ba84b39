//! The partitions that transactions write to, for their coordinator: local logs, and the group coordinator's for
//! offsets.

use std::sync::Arc;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::records::control::Marker;
use protocol::types::{Epoch, PartitionIndex};
use storage::{AppendError, AppendOptions, Env};

use crate::catalog::{Catalog, OFFSETS_TOPIC, TRANSACTIONS_TOPIC};
use crate::config::ServerConfig;
use crate::coordinator::transaction::state::Partitions;
use crate::coordinator::transaction::{
    Decider, NotTold, OpenTransaction, TransactionEnd, TransactionPartitions,
};
use crate::coordinator::{BoxFuture, CoordinatorLogError, GroupCoordinator};
use crate::partitions::{Partition, Syncer};

/// How long the end of a transaction may wait for a disk before it is tried again later.
const SYNC_PATIENCE: Duration = Duration::from_secs(30);

/// The partitions of this node.
pub(crate) struct LocalPartitions {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) groups: Arc<GroupCoordinator>,
    pub(crate) syncer: Syncer,
    pub(crate) env: Env,
    pub(crate) config: Arc<ServerConfig>,
}

impl LocalPartitions {
    fn find(&self, topic: &str, partition: PartitionIndex) -> Option<Arc<Partition>> {
        self.catalog.topic(topic)?.partition(partition).cloned()
    }

    /// What fences an older coordinator.
    fn coordinator_epoch(&self, decider: Decider) -> Epoch {
        match decider {
            Decider::Epoch(epoch) => epoch,
            Decider::Coordinator(index) => {
                self.find(TRANSACTIONS_TOPIC, index).map_or(Epoch(0), |partition| partition.epoch)
            }
        }
    }
}

fn unavailable(error: impl std::fmt::Display) -> CoordinatorLogError {
    CoordinatorLogError::Unavailable(error.to_string())
}

impl TransactionPartitions for LocalPartitions {
    fn make_durable<'a>(
        &'a self,
        partitions: &'a Partitions,
    ) -> BoxFuture<'a, Result<(), CoordinatorLogError>> {
        Box::pin(async move {
            if !self.config.log_acks_all_sync {
                return Ok(());
            }
            let all = partitions
                .iter()
                .flat_map(|(topic, indexes)| indexes.iter().map(move |index| (topic, index)));
            // A topic that was deleted meanwhile has nothing to keep.
            let found: Vec<_> = all.filter_map(|(topic, index)| self.find(topic, *index)).collect();
            for partition in found.iter().filter(|partition| partition.is_dirty()) {
                self.syncer.request(partition);
            }
            for partition in found {
                partition.durable(partition.log().marks().end(), SYNC_PATIENCE).await.map_err(unavailable)?;
            }
            Ok(())
        })
    }

    fn append_marker(
        &self,
        topic: &str,
        partition: PartitionIndex,
        end: &TransactionEnd,
    ) -> Result<(), NotTold> {
        let Some(found) = self.find(topic, partition) else { return Err(NotTold::Gone) };
        let now = self.env.clock.now();
        let marker =
            Marker { outcome: end.outcome, coordinator_epoch: self.coordinator_epoch(end.decided_by) };
        let batch = marker.to_batch(end.producer_id, end.epoch, now);
        if topic == OFFSETS_TOPIC {
            return Ok(self.groups.end_transaction(partition, end.producer_id, end.outcome, batch.into())?);
        }
        let options = AppendOptions { transaction_version: end.version, ..AppendOptions::internal(now) };
        match found.append(&batch, &options) {
            Ok(_) => Ok(()),
            Err(AppendError::Closed) => Err(NotTold::Gone),
            Err(AppendError::InvalidProducerEpoch { .. }) => {
                Err(NotTold::Overtaken(ErrorCode::InvalidProducerEpoch))
            }
            Err(AppendError::CoordinatorFenced { .. }) => {
                Err(NotTold::Overtaken(ErrorCode::TransactionCoordinatorFenced))
            }
            Err(error) => Err(unavailable(error).into()),
        }
    }

    fn open_transactions(&self) -> Vec<OpenTransaction> {
        let topics = self.catalog.topics();
        let partitions = topics.iter().flat_map(|topic| topic.partitions().to_vec());
        let unstable = partitions.filter(|partition| {
            let marks = partition.log().marks();
            marks.stable() < marks.high()
        });
        let mut open = Vec::new();
        for partition in unstable {
            for (producer_id, entry) in partition.log().producers() {
                if entry.open_transaction.is_some() {
                    open.push(OpenTransaction {
                        topic: partition.topic.to_string(),
                        partition: partition.index,
                        producer_id,
                        epoch: entry.epoch,
                        coordinator_epoch: Epoch(entry.coordinator_epoch.max(0)),
                    });
                }
            }
        }
        open
    }
}
