//! Events that came in over HTTP, appended like anybody else's: by key, as safe as acks=all.

use std::sync::Arc;
use std::time::Duration;

use protocol::records::BatchBuilder;
use protocol::types::{Offset, PartitionIndex};
use storage::AppendOptions;

use crate::admin::{AppendFailed, Appending, EventLog, Landed, NewEvent};
use crate::catalog::{CatalogError, NewTopic, Topic};
use crate::handlers::Cx;
use crate::partitioner::partition_of;
use crate::partitions::Partition;

/// How long an answer waits for the disk.
const SYNC_PATIENCE: Duration = Duration::from_secs(30);
/// A batch is closed when it has grown to this: below the default of `max.message.bytes`.
const BATCH_BYTES: usize = 512 << 10;

/// The broker's own topics, as HTTP writes to them.
pub(crate) struct BrokerLog {
    cx: Arc<Cx>,
}

impl BrokerLog {
    pub(crate) fn new(cx: Arc<Cx>) -> Self {
        Self { cx }
    }

    async fn topic(&self, name: &str) -> Result<Arc<Topic>, AppendFailed> {
        if let Some(topic) = self.cx.catalog.topic(name) {
            return Ok(topic);
        }
        match self.cx.create_topic(NewTopic::with_defaults(name)).await {
            Err(CatalogError::Exists(_)) => {
                self.cx.catalog.topic(name).ok_or_else(|| failed("the topic was deleted"))
            }
            made => made.map_err(failed),
        }
    }

    async fn append(&self, topic: &str, events: Vec<NewEvent>) -> Result<Vec<Landed>, AppendFailed> {
        let topic = self.topic(topic).await?;
        let mut places = vec![Landed { partition: -1, offset: -1 }; events.len()];
        let mut ends = Vec::new();
        for partition in topic.partitions() {
            let is_mine = |event: &NewEvent| {
                let key = event.key.as_deref().unwrap_or_default();
                partition_of(key.as_bytes(), topic.partitions().len()) == partition.index
            };
            let mine: Vec<usize> = (0..events.len()).filter(|at| is_mine(&events[*at])).collect();
            if let Some(end) = self.append_to(partition, &events, &mine, &mut places)? {
                ends.push((partition, end));
            }
        }
        for (partition, end) in ends {
            partition.durable(end, SYNC_PATIENCE).await.map_err(failed)?;
        }
        Ok(places)
    }

    /// Appends the events at `mine` and notes their places; the end to wait for, if there is one.
    fn append_to(
        &self,
        partition: &Arc<Partition>,
        events: &[NewEvent],
        mine: &[usize],
        places: &mut [Landed],
    ) -> Result<Option<Offset>, AppendFailed> {
        let now = self.cx.env.clock.now();
        let mut rest = mine;
        let mut end = None;
        while !rest.is_empty() {
            let mut batch = BatchBuilder::new();
            let mut taken = 0;
            while taken < rest.len() && (taken == 0 || batch.size_bytes() < BATCH_BYTES) {
                let event = &events[rest[taken]];
                batch.append(now, event.key.as_deref().map(str::as_bytes), Some(&event.value), &[]);
                taken += 1;
            }
            let appended = partition.append(&batch.build(), &AppendOptions::client(now)).map_err(failed)?;
            for (offset, at) in (appended.base_offset.0..).zip(&rest[..taken]) {
                let PartitionIndex(partition) = partition.index;
                places[*at] = Landed { partition, offset };
            }
            end = Some(appended.last_offset.next());
            rest = &rest[taken..];
        }
        if end.is_some() && self.cx.config.log_acks_all_sync {
            self.cx.syncer.request(partition);
            return Ok(end);
        }
        Ok(None)
    }
}

fn failed(error: impl std::fmt::Display) -> AppendFailed {
    AppendFailed(error.to_string())
}

impl EventLog for BrokerLog {
    fn append<'a>(&'a self, topic: &'a str, events: Vec<NewEvent>) -> Appending<'a> {
        Box::pin(BrokerLog::append(self, topic, events))
    }

    fn now_ms(&self) -> i64 {
        self.cx.env.clock.now().0
    }
}
