//! The reservation of producer ids, kept in the catalogue's log as Kafka keeps it (ProducerIdsRecord).

use std::io;
use std::sync::Arc;

use protocol::types::ProducerId;

use crate::catalog::Catalog;
use crate::coordinator::BoxFuture;
use crate::coordinator::transaction::ProducerIdStore;
use crate::tasks::Tasks;

/// The catalogue as the place where the reservation is kept.
pub(crate) struct MetadataProducerIds {
    catalog: Arc<Catalog>,
    tasks: Tasks,
}

impl MetadataProducerIds {
    pub(crate) fn new(catalog: Arc<Catalog>, tasks: Tasks) -> Self {
        Self { catalog, tasks }
    }
}

impl ProducerIdStore for MetadataProducerIds {
    fn read(&self) -> io::Result<ProducerId> {
        Ok(self.catalog.next_producer_id())
    }

    fn replace(&self, next: ProducerId) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            let catalog = Arc::clone(&self.catalog);
            let replaced = self.tasks.blocking(move || catalog.reserve_producer_ids(next)).await;
            replaced.ok_or_else(|| io::Error::other("the broker is stopping"))?.map_err(io::Error::other)
        })
    }
}
