//! Writing to the recommender's own topics: batches built here, appended without a socket.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::records::{BatchBuilder, Header};
use protocol::types::PartitionIndex;
use storage::{AppendError, AppendOptions};
use tracing::warn;

use crate::catalog::{CatalogError, NewTopic, Topic};
use crate::handlers::Cx;
use crate::partitioner::partition_of;

/// A batch is closed when it has grown to this: below every default of `max.message.bytes`.
const BATCH_BYTES: usize = 256 << 10;

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error("{0}")]
    Topic(#[from] CatalogError),
    #[error("{0}")]
    Append(#[from] AppendError),
}

/// Collects records for one topic and appends them.
pub(super) struct Output<'a> {
    cx: &'a Cx,
    topic: Arc<Topic>,
    open: HashMap<PartitionIndex, BatchBuilder>,
}

impl<'a> Output<'a> {
    /// Writes to the topic `name`, which is made if it is not there. Blocks on the disk.
    pub(super) fn to(cx: &'a Cx, name: &str) -> Result<Self, OutputError> {
        let topic = match cx.catalog.topic(name) {
            Some(topic) => topic,
            None => match cx.catalog.create(NewTopic::with_defaults(name)) {
                Err(CatalogError::Exists(_)) => {
                    cx.catalog.topic(name).ok_or_else(|| CatalogError::Unknown(name.to_owned()))?
                }
                made => made?,
            },
        };
        Ok(Self { cx, topic, open: HashMap::new() })
    }

    /// Adds a record to the partition of its key.
    pub(super) fn write(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), OutputError> {
        let index = partition_of(key.unwrap_or_default(), self.topic.partitions().len());
        let now = self.cx.env.clock.now();
        let batch = self.open.entry(index).or_default();
        batch.append(now, key, value, headers);
        if batch.size_bytes() < BATCH_BYTES {
            return Ok(());
        }
        let full = std::mem::take(batch);
        self.append(index, full)
    }

    /// Appends what is still open.
    pub(super) fn finish(mut self) -> Result<(), OutputError> {
        let mut open: Vec<_> = self.open.drain().filter(|(_, batch)| batch.record_count() > 0).collect();
        open.sort_by_key(|(index, _)| *index);
        for (index, batch) in open {
            self.append(index, batch)?;
        }
        Ok(())
    }

    fn append(&self, index: PartitionIndex, batch: BatchBuilder) -> Result<(), OutputError> {
        let Some(partition) = self.topic.partition(index) else { return Ok(()) };
        let options = AppendOptions::internal(self.cx.env.clock.now());
        match partition.append(&batch.build(), &options) {
            // One record too large for the topic must not stop all others.
            Err(error @ (AppendError::TooLarge { .. } | AppendError::SetTooLarge { .. })) => {
                warn!(topic = %self.topic.name, %error, "records not written");
                Ok(())
            }
            appended => Ok(appended.map(drop)?),
        }
    }
}
